/* SPDX-License-Identifier: MIT */
/* Directories of daemons: see directories.h. */
#include "dom0-tools/daemons/directories.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

int make_directories(const char *path, struct vmctl_error *error)
{
    char part[512];
    size_t length = strlen(path);

    if (length >= sizeof(part)) {
        return vmctl_fail(error, -ENAMETOOLONG, "directory %s: name too long", path);
    }
    for (size_t end = 1; end <= length; end++) {
        if (end < length && path[end] != '/') {
            continue;
        }
        memcpy(part, path, end);
        part[end] = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST) {
            return vmctl_fail(error, -errno, "directory %s: %s", part, strerror(errno));
        }
    }
    return 0;
}
