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

#include "libvmctl/file.h"

static const char *root = "/run/paravane";

void state_file_set_root(const char *where)
{
    root = where;
}

void state_file_path(uint32_t domid, char path[STATE_FILE_SIZE])
{
    (void)snprintf(path, STATE_FILE_SIZE, "%s/guests/%u.xml", root, domid);
}

static void make_directories(void)
{
    char directory[STATE_FILE_SIZE];

    (void)mkdir(root, 0700);
    (void)snprintf(directory, sizeof(directory), "%s/guests", root);
    (void)mkdir(directory, 0700);
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
    r = file_replace(path, text, length);
    if (r == -ENOENT) {
        make_directories();
        r = file_replace(path, text, length);
    }
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
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
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
