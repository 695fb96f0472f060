/* SPDX-License-Identifier: MIT */
/* Files: see file.h. */
#include "libvmctl/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int file_write_all(int fd, const void *data, size_t size)
{
    const char *at = data;

    while (size > 0) {
        ssize_t put = write(fd, at, size);

        if (put < 0 && errno != EINTR) {
            return -errno;
        }
        if (put > 0) {
            at += put;
            size -= (size_t)put;
        }
    }
    return 0;
}

int file_replace(const char *path, const void *data, size_t size)
{
    char fresh[PATH_MAX];
    int fd;
    int r;

    if (snprintf(fresh, sizeof(fresh), "%s.new", path) >= (int)sizeof(fresh)) {
        return -ENAMETOOLONG;
    }
    fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return -errno;
    }
    r = file_write_all(fd, data, size);
    if (close(fd) < 0 && r == 0) {
        r = -errno;
    }
    if (r == 0 && rename(fresh, path) < 0) {
        r = -errno;
    }
    if (r < 0) {
        (void)unlink(fresh);
    }
    return r;
}

int file_open_device(const char *path, int flags, const char *module, struct vmctl_error *error)
{
    int fd = open(path, flags | O_CLOEXEC);
    int cause = errno;

    if (fd >= 0) {
        return fd;
    }
    if (cause == ENOENT || cause == ENXIO || cause == ENODEV) {
        vmctl_fail(error, -cause, "there is no hypervisor, or its driver is not loaded");
        vmctl_error_reason(error, VMCTL_NO_HYPERVISOR);
        vmctl_error_remedy(error, "boot this system as dom0, and modprobe %s", module);
    } else {
        vmctl_fail(error, -cause, "%s", strerror(cause));
    }
    if (cause == EACCES || cause == EPERM) {
        vmctl_error_remedy(error, "only root may manage guests");
    }
    vmctl_error_object(error, "%s", path);
    return -cause;
}
