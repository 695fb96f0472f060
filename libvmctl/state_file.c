/* SPDX-License-Identifier: MIT */
/* Descriptions of running guests: see state_file.h. */
#include "libvmctl/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *root = "/run/paravane";

void state_file_set_root(const char *where)
{
    root = where;
}

void state_file_path(uint32_t domid, char path[STATE_FILE_SIZE])
{
    (void)snprintf(path, STATE_FILE_SIZE, "%s/guests/%u.xml", root, domid);
}

static int create(const char *path)
{
    char directory[STATE_FILE_SIZE];
    int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;
    int fd = open(path, flags, 0600);

    if (fd >= 0 || errno != ENOENT) {
        return fd;
    }
    (void)mkdir(root, 0700);
    (void)snprintf(directory, sizeof(directory), "%s/guests", root);
    (void)mkdir(directory, 0700);
    return open(path, flags, 0600);
}

static int write_all(int fd, const char *text, size_t length)
{
    while (length > 0) {
        ssize_t put = write(fd, text, length);

        if (put < 0 && errno != EINTR) {
            return -errno;
        }
        if (put > 0) {
            text += put;
            length -= (size_t)put;
        }
    }
    return 0;
}

/* Beside `path`, and then in its place: nobody reads half of it. */
static int replace(const char *path, const char *text, size_t length)
{
    char fresh[STATE_FILE_SIZE + 8];
    int r;
    int fd;

    (void)snprintf(fresh, sizeof(fresh), "%s.new", path);
    fd = create(fresh);
    if (fd < 0) {
        return -errno;
    }
    r = write_all(fd, text, length);
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

int state_file_write(uint32_t domid, const struct guest_config *config, struct vmctl_error *error)
{
    char path[STATE_FILE_SIZE];
    char *text = NULL;
    size_t length = 0;
    int r = guest_config_write(config, &text, &length, error);

    if (r < 0) {
        return r;
    }
    state_file_path(domid, path);
    r = replace(path, text, length);
    free(text);
    if (r < 0) {
        vmctl_fail(error, r, "writing the guest's description: %s", strerror(-r));
        vmctl_error_object(error, "%s", path);
    }
    return r;
}

int state_file_lock(uint32_t domid, int *lock, struct vmctl_error *error)
{
    struct flock byte = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = domid, .l_len = 1 };
    char path[STATE_FILE_SIZE];
    int fd;
    int r;

    (void)snprintf(path, sizeof(path), "%s/changes.lock", root);
    fd = create(path);
    if (fd < 0) {
        r = -errno;
    } else {
        do {
            r = fcntl(fd, F_OFD_SETLKW, &byte) < 0 ? -errno : 0;
        } while (r == -EINTR);
    }
    if (r < 0) {
        (void)(fd < 0 ? 0 : close(fd));
        vmctl_fail(error, r, "locking the guest's description: %s", strerror(-r));
        vmctl_error_object(error, "%s", path);
        return r;
    }
    *lock = fd;
    return 0;
}

int state_file_read(uint32_t domid, struct guest_config **config, struct vmctl_error *error)
{
    char path[STATE_FILE_SIZE];

    state_file_path(domid, path);
    return guest_config_load(path, NULL, config, error);
}

void state_file_remove(uint32_t domid)
{
    char path[STATE_FILE_SIZE];

    state_file_path(domid, path);
    (void)unlink(path);
}
