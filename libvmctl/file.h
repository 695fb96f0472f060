/* SPDX-License-Identifier: MIT */
/* Files, written whole, and the device files of the hypervisor's drivers. */
#ifndef LIBVMCTL_FILE_H
#define LIBVMCTL_FILE_H

#include "libvmctl/error.h"

#include <stddef.h>

/* 0, or a negative errno: then less may have been written. */
int file_write_all(int fd, const void *data, size_t size);

/* For the owner alone, and by rename: nobody reads half of it; on failure the old file stays. */
int file_replace(const char *path, const void *data, size_t size);

/* A descriptor; without the device, the error says that `module` may be missing. */
int file_open_device(const char *path, int flags, const char *module, struct vmctl_error *error);

#endif
