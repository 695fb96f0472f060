/* SPDX-License-Identifier: MIT */
/*
 * paravane-unpack-kernel IN OUT: make the ELF kernel that the core boots out
 * of a distribution's vmlinuz.  OUT appears complete or not at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvmctl/file.h"
#include "libvmctl/image.h"

static const char program[] = "paravane-unpack-kernel";

static int complain(const char *file, const char *what)
{
    (void)fprintf(stderr, "%s: %s: %s\n", program, file, what);
    return 1;
}

/* Write beside `name`, then rename: nobody sees half a kernel. */
static int store(const char *name, const struct vmctl_image *image)
{
    char *temporary = NULL;
    bool good;
    int fd;
    int status = 0;

    if (asprintf(&temporary, "%s.XXXXXX", name) < 0) {
        return complain(name, strerror(ENOMEM));
    }
    fd = mkstemp(temporary);
    if (fd < 0) {
        status = complain(name, strerror(errno));
        free(temporary);
        return status;
    }
    good = file_write_all(fd, image->data, image->size) == 0 && fchmod(fd, 0644) == 0 &&
           fsync(fd) == 0;
    if (close(fd) != 0) {
        good = false;
    }
    if (!good || rename(temporary, name) != 0) {
        status = complain(name, strerror(errno));
        (void)unlink(temporary);
    }
    free(temporary);
    return status;
}

static int unpack(const char *from, const char *to, const void *file, size_t size)
{
    struct vmctl_image image = { .data = NULL };
    struct vmctl_error error = { .code = 0 };
    int status;

    if (vmctl_image_unpack(file, size, VMCTL_IMAGE_LIMIT, &image, &error) < 0) {
        return complain(from, error.message);
    }
    status = store(to, &image);
    if (status == 0) {
        printf("%s: %zu bytes, was packed with: %s\n", to, image.size, image.compression);
    }
    vmctl_image_release(&image);
    return status;
}

static int unpack_file(const char *from, const char *to, int fd)
{
    struct stat facts;
    void *file;
    int status;

    if (fstat(fd, &facts) != 0) {
        return complain(from, strerror(errno));
    }
    if (!S_ISREG(facts.st_mode) || facts.st_size == 0) {
        return complain(from, "not a file, or empty");
    }
    file = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (file == MAP_FAILED) {
        return complain(from, strerror(errno));
    }
    status = unpack(from, to, file, (size_t)facts.st_size);
    (void)munmap(file, (size_t)facts.st_size);
    return status;
}

int main(int argc, char **argv)
{
    int fd;
    int status;

    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        printf("usage: %s IN OUT\nUnpack the kernel IN (bzImage or ELF) to the ELF file OUT.\n",
               program);
        return 0;
    }
    if (argc != 3) {
        (void)fprintf(stderr, "usage: %s IN OUT\n", program);
        return 2;
    }
    fd = open(argv[1], O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return complain(argv[1], strerror(errno));
    }
    status = unpack_file(argv[1], argv[2], fd);
    (void)close(fd);
    return status;
}
