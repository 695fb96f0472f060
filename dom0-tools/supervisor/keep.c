/* SPDX-License-Identifier: MIT */
/* Files of guests to be started again: see keep.h. */
#include "dom0-tools/supervisor/keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "libvmctl/file.h"

#define PATH_ROOM 192

static char root[96];

int keep_open(const char *directory, struct vmctl_error *error)
{
    (void)snprintf(root, sizeof(root), "%s", directory);
    if (mkdir(root, 0700) < 0 && errno != EEXIST) {
        return vmctl_fail(error, -errno, "%s: %s", root, strerror(errno));
    }
    return 0;
}

static void path_of(const uint8_t uuid[16], const char *kind, char path[PATH_ROOM])
{
    char text[37];

    guest_uuid_format(uuid, text);
    (void)snprintf(path, PATH_ROOM, "%s/%s.%s", root, text, kind);
}

static int failed(const char *path, int code, struct vmctl_error *error)
{
    return vmctl_fail(error, code, "%s: %s", path, strerror(-code));
}

int keep_write(const struct guest_config *config, const char *kind, struct vmctl_error *error)
{
    char path[PATH_ROOM];
    char *text = NULL;
    size_t length = 0;
    int r = guest_config_write(config, &text, &length, error);

    if (r < 0) {
        return r;
    }
    path_of(config->uuid, kind, path);
    r = file_replace(path, text, length);
    free(text);
    return r < 0 ? failed(path, r, error) : 0;
}

int keep_read(const uint8_t uuid[16], const char *kind, struct guest_config **config,
              struct vmctl_error *error)
{
    char path[PATH_ROOM];

    path_of(uuid, kind, path);
    if (access(path, F_OK) < 0) {
        return failed(path, -errno, error);
    }
    return guest_config_load(path, NULL, config, error);
}

int keep_turn(const uint8_t uuid[16], const char *from, const char *to, struct vmctl_error *error)
{
    char old_path[PATH_ROOM];
    char path[PATH_ROOM];

    path_of(uuid, from, old_path);
    path_of(uuid, to, path);
    return rename(old_path, path) < 0 ? failed(old_path, -errno, error) : 0;
}

void keep_remove(const uint8_t uuid[16], const char *kind)
{
    char path[PATH_ROOM];

    path_of(uuid, kind, path);
    (void)unlink(path);
}

/* "<uuid>.<kind>" and nothing else. */
static int parse_name(const char *name, const char *kind, uint8_t uuid[16])
{
    char text[37];

    if (strlen(name) < 37 || name[36] != '.' || strcmp(name + 37, kind) != 0) {
        return -EINVAL;
    }
    memcpy(text, name, 36);
    text[36] = '\0';
    return uuid_parse(text, uuid) < 0 ? -EINVAL : 0;
}

int keep_list(const char *kind, uint8_t (**uuids)[16], size_t *count, struct vmctl_error *error)
{
    DIR *directory = opendir(root);
    const struct dirent *entry;
    int r = 0;

    *uuids = NULL;
    *count = 0;
    if (directory == NULL) {
        return failed(root, -errno, error);
    }
    while (r == 0 && (entry = readdir(directory)) != NULL) {
        uint8_t(*grown)[16];
        uint8_t uuid[16];

        if (parse_name(entry->d_name, kind, uuid) < 0) {
            continue;
        }
        grown = reallocarray(*uuids, *count + 1, sizeof(*grown));
        if (grown == NULL) {
            r = failed(root, -ENOMEM, error);
        } else {
            memcpy(grown[(*count)++], uuid, sizeof(uuid));
            *uuids = grown;
        }
    }
    (void)closedir(directory);
    return r;
}

unsigned int keep_ends(const uint8_t uuid[16])
{
    char path[PATH_ROOM];
    char text[16] = "";
    unsigned long count;
    ssize_t size;
    int fd;

    path_of(uuid, "ends", path);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    size = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    count = size > 0 ? strtoul(text, NULL, 10) : 0;
    return count < 1000 ? (unsigned int)count : 1000;
}

/* A number that cannot be written is only a shorter wait. */
void keep_set_ends(const uint8_t uuid[16], unsigned int count)
{
    char path[PATH_ROOM];
    char text[16];
    int length = snprintf(text, sizeof(text), "%u\n", count);

    path_of(uuid, "ends", path);
    if (count == 0) {
        (void)unlink(path);
    } else {
        (void)file_replace(path, text, (size_t)length);
    }
}
