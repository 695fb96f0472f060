/* SPDX-License-Identifier: MIT */
/* The file that guest.xml wants a console in: see console_file.h. */
#include "dom0-tools/console/console_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE 512u

static void record_path(char path[PATH_SIZE], const char *directory, uint32_t domid)
{
    (void)snprintf(path, PATH_SIZE, "%s/%" PRIu32 ".file", directory, domid);
}

/* A file's size at the guest's first byte. */
static bool get_base(const char *path, uint64_t *base)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool good = fd >= 0 && read(fd, base, sizeof(*base)) == (ssize_t)sizeof(*base);

    if (fd >= 0) {
        (void)close(fd);
    }
    return good;
}

/* One write of eight bytes is there or is not. */
static bool put_base(const char *path, uint64_t base)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write(fd, &base, sizeof(base)) == (ssize_t)sizeof(base);

    if (fd >= 0) {
        (void)close(fd);
    }
    return good;
}

static int begin(int fd, const struct console_file *file, uint64_t *position)
{
    char record[PATH_SIZE];
    struct stat facts;
    uint64_t base;

    if (fstat(fd, &facts) != 0) {
        return -errno;
    }
    if (!S_ISREG(facts.st_mode)) {
        return -EINVAL; /* a FIFO or a device could make all others wait */
    }
    record_path(record, file->record_directory, file->domid);
    if (get_base(record, &base)) {
        *position = (uint64_t)facts.st_size > base ? (uint64_t)facts.st_size - base : 0;
        return 0;
    }
    if (!file->append && ftruncate(fd, 0) != 0) {
        return -errno;
    }
    *position = 0;
    return put_base(record, file->append ? (uint64_t)facts.st_size : 0) ? 0 : -errno;
}

int console_file_open(struct viewer *viewer, const struct console_file *file,
                      struct vmctl_error *error)
{
    uint64_t position = 0;
    int fd =
        open(file->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
    int code = fd < 0 ? -errno : begin(fd, file, &position);

    if (code != 0) {
        if (fd >= 0) {
            (void)close(fd);
        }
        return vmctl_fail(error, code, "console file %s: %s", file->path,
                          code == -EINVAL ? "not a plain file" : strerror(-code));
    }
    *viewer = (struct viewer){ .source = { .fd = fd }, .position = position, .file = true };
    return 0;
}

void console_file_close(struct viewer *viewer, const char *record_directory, uint32_t domid)
{
    char record[PATH_SIZE];

    if (viewer->source.fd >= 0) {
        (void)close(viewer->source.fd);
        viewer->source.fd = -1;
    }
    if (record_directory != NULL) {
        record_path(record, record_directory, domid);
        (void)unlink(record);
    }
}
