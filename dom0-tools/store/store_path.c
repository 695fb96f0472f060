/* SPDX-License-Identifier: MIT */
/* Paths of the store: see store_path.h. */
#include "dom0-tools/store/store_path.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool valid_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '_' || byte == '@';
}

static bool valid(const char *text, size_t size)
{
    unsigned int slashes = 0;

    if (size > 1 && text[size - 1] == '/') {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '/') {
            slashes++;
            if ((i > 0 && text[i - 1] == '/') || slashes > PATH_PARTS_MAX) {
                return false;
            }
        } else if (!valid_byte(text[i])) {
            return false;
        }
    }
    return true;
}

size_t path_home(char *text, size_t room, uint32_t domid)
{
    return (size_t)snprintf(text, room, "/local/domain/%u", domid);
}

int path_resolve(struct store_path *path, const char *given, size_t size, uint32_t domid)
{
    size_t home = 0;

    path->relative = false;
    if (size == 0 || !valid(given, size)) {
        return -EINVAL;
    }
    if (path_is_special(given)) {
        if (memchr(given, '/', size) != NULL) {
            return -EINVAL;
        }
    } else if (given[0] != '/') {
        if (size > XENSTORE_REL_PATH_MAX) {
            return -EINVAL;
        }
        path->relative = true;
        home = path_home(path->text, sizeof(path->text), domid);
        path->text[home] = '/';
        home++;
    }
    if (home + size > XENSTORE_ABS_PATH_MAX) {
        return -EINVAL;
    }
    memcpy(path->text + home, given, size);
    path->text[home + size] = '\0';
    path->size = (uint32_t)(home + size);
    return 0;
}
