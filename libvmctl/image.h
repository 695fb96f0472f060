/* SPDX-License-Identifier: MIT */
/*
 * Kernel images: from what a distribution ships to what the core loads.
 *
 * A distribution's vmlinuz is a bzImage: a boot header, and a compressed ELF
 * kernel behind it.  The core takes only ELF, so the unpacking happens here.
 * The file may come from anybody: nothing in it is believed before it is checked.
 */
#ifndef LIBVMCTL_IMAGE_H
#define LIBVMCTL_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#include "libvmctl/error.h"

/* No kernel is larger than this when unpacked. */
#define VMCTL_IMAGE_LIMIT ((size_t)512 << 20)

/* An ELF64 kernel for x86-64; `data` is the owner's to give to vmctl_image_release(). */
struct vmctl_image {
    uint8_t *data;
    size_t size;
    const char *compression; /* how it was packed: "none", "gzip", "xz", "zstd" or "lz4" */
};

/*
 * Unpack `size` bytes of a kernel file (bzImage or ELF) into `image`, which is
 * written only on success.  0, or
 *   -ENOEXEC     neither a bzImage nor an ELF64 kernel for x86-64
 *   -EINVAL      damaged: truncated, or its parts contradict each other
 *   -EOPNOTSUPP  boot protocol too old, or a compression that is not known here
 *   -EFBIG       unpacks to more than `limit` bytes
 *   -ENOMEM      no memory
 */
int vmctl_image_unpack(const void *file, size_t size, size_t limit, struct vmctl_image *image,
                       struct vmctl_error *error);

/* Free what vmctl_image_unpack() made; an image of zeroes is fine too. */
void vmctl_image_release(struct vmctl_image *image);

#endif
