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

void state_path(const char *folder, const char *name, char path[STATE_FILE_SIZE])
{
    (void)snprintf(path, STATE_FILE_SIZE, "%s/%s/%s", root, folder, name);
}

int state_make_folder(const char *folder)
{
    char path[STATE_FILE_SIZE];

    (void)mkdir(root, 0700);
    (void)snprintf(path, sizeof(path), "%s/%s", root, folder);
    return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int state_open(const char *folder, const char *name, int flags)
{
    char path[STATE_FILE_SIZE];
    int fd;

    state_path(folder, name, path);
    fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == ENOENT && (flags & O_CREAT) != 0 && state_make_folder(folder) == 0) {
        fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
    }
    return fd < 0 ? -errno : fd;
}

void state_unlink(const char *folder, const char *name)
{
    char path[STATE_FILE_SIZE];

    state_path(folder, name, path);
    (void)unlink(path);
}

void state_file_path(uint32_t domid, char path[STATE_FILE_SIZE])
{
    (void)snprintf(path, STATE_FILE_SIZE, "%s/guests/%u.xml", root, domid);
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
        (void)state_make_folder("guests");
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
        vmctl_fail(error, r, "locking what is to be changed: %s", strerror(-r));
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
    char fresh[STATE_FILE_SIZE + 8];

    state_file_path(domid, path);
    (void)unlink(path);
    (void)snprintf(fresh, sizeof(fresh), "%s.new", path); /* file_replace()'s, if it was killed */
    (void)unlink(fresh);
}
