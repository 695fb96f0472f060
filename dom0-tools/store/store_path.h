/* SPDX-License-Identifier: MIT */
/*
 * Paths of the store: "/local/domain/5/name", or relative to the caller's home
 * "/local/domain/<domid>", or the special "@introduceDomain" and
 * "@releaseDomain".  Inside the daemon a path is absolute, checked, and has a
 * length of its own; the root is "/".
 */
#ifndef DOM0_TOOLS_STORE_PATH_H
#define DOM0_TOOLS_STORE_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-pv-headers/io/xs_wire.h"

/* Names in a path: deeper ones make each look cost more, and nobody needs them. */
#define PATH_PARTS_MAX 64U

struct store_path {
    uint32_t size; /* without the zero byte */
    bool relative; /* as it was given */
    char text[XENSTORE_ABS_PATH_MAX + 1];
};

/* From what a client sent: `size` bytes, no zero byte among them.  -EINVAL if it is none. */
int path_resolve(struct store_path *path, const char *given, size_t size, uint32_t domid);

static inline bool path_is_special(const char *text)
{
    return text[0] == '@';
}

/* "/local/domain/<domid>"; its size. */
size_t path_home(char *text, size_t room, uint32_t domid);

/* Parts of a path, one by one. */
struct path_walk {
    const char *at; /* the part */
    size_t size;
    const char *end;
};

static inline struct path_walk path_walk_begin(const char *text, size_t size)
{
    return (struct path_walk){ .at = text, .size = 0, .end = text + size };
}

/* False at the end. */
static inline bool path_walk_next(struct path_walk *walk)
{
    const char *at = walk->at + walk->size;
    const char *from;

    if (at < walk->end && *at == '/') {
        at++;
    }
    from = at;
    while (at < walk->end && *at != '/') {
        at++;
    }
    walk->at = from;
    walk->size = (size_t)(at - from);
    return walk->size != 0;
}

/* Size of the path's parent; 1 for those just below the root. */
static inline size_t path_parent(const char *text, size_t size)
{
    while (size > 1 && text[size - 1] != '/') {
        size--;
    }
    return size > 1 ? size - 1 : 1;
}

#endif
