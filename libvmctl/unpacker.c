/* SPDX-License-Identifier: MIT */
/* Loading what unpacks kernels: see unpacker.h. */
#include "libvmctl/unpacker.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

typedef int unpack_fn(const void *file, size_t size, size_t limit, struct vmctl_image *image,
                      struct vmctl_error *error);

int unpacker_unpack(const void *file, size_t size, struct vmctl_image *image,
                    struct vmctl_error *error)
{
    static const char path[] = PKGLIBDIR "/vmctl-unpack.so";
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    void *symbol = library != NULL ? dlsym(library, "vmctl_image_unpack") : NULL;
    unpack_fn *unpack;
    int r;

    if (symbol == NULL) {
        vmctl_fail(error, -ENOENT, "packed kernels cannot be read: %s", dlerror());
        vmctl_error_reason(error, VMCTL_UNSUPPORTED);
        vmctl_error_remedy(error, "install %s, or unpack the kernel beforehand", path);
        r = -ENOENT;
    } else {
        /* ISO C has no conversion from an object's address to a function's. */
        memcpy(&unpack, &symbol, sizeof(unpack));
        r = unpack(file, size, VMCTL_IMAGE_LIMIT, image, error);
        /* The name of the method is a string of the library. */
        image->compression = NULL;
    }
    if (library != NULL) {
        (void)dlclose(library);
    }
    return r;
}
