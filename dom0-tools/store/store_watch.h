/* SPDX-License-Identifier: MIT */
/*
 * Watches, in a tree of their own.
 *
 * A watch hangs at the point of its path, whether a node is there or not, so
 * that a change finds its watches in as many steps as its path has parts,
 * however many watches there are.  Special paths ("@releaseDomain") have a
 * root of their own.
 */
#ifndef DOM0_TOOLS_STORE_WATCH_H
#define DOM0_TOOLS_STORE_WATCH_H

#include "dom0-tools/store/store_tree.h"

#define WATCH_ANY_DEPTH UINT32_MAX

struct watch_point {
    struct watch_point *parent;
    struct watch_point *first_child;
    struct watch_point *next;
    struct watch_point *previous;
    struct watch_point *same_hash;
    struct store_watch *watches;
    uint32_t hash;
    uint32_t name_size;
    char name[];
};

struct store_watch {
    struct watch_point *point;
    struct store_watch *next_here; /* at this point */
    struct store_watch *previous_here;
    struct store_watch *next; /* of this connection */
    struct store_watch *previous;
    struct store_connection *connection;
    uint32_t depth;    /* how far below it still tells */
    uint32_t stripped; /* bytes an event's path loses at its start: it was given relative */
    uint32_t path_size;
    uint32_t token_size;
    uint32_t charged; /* bytes, to the domain's quota */
    char text[];      /* path as given, zero, token, zero */
};

struct store_watches {
    const struct store_tree *tree; /* for its hash */
    struct watch_point *root;
    struct watch_point *special;
    struct watch_point **index;
    size_t mask;
    size_t points;
    size_t count;
};

int watches_init(struct store_watches *watches, const struct store_tree *tree);
void watches_free(struct store_watches *watches);

/* At `path`; the caller sets connection and its list.  NULL: no memory. */
struct store_watch *watch_add(struct store_watches *watches, const struct store_path *path,
                              const char *token, size_t token_size, uint32_t depth);
/* That of `connection` with this token and `path` in the same words; NULL if there is none. */
struct store_watch *watch_find(const struct store_watches *watches, const struct store_path *path,
                               const char *token, const struct store_connection *connection);
void watch_remove(struct store_watches *watches, struct store_watch *watch);

static inline const char *watch_token(const struct store_watch *watch)
{
    return watch->text + watch->path_size + 1;
}

/* `node` is the one removed, or NULL: that of the call to watches_match(). */
typedef void watch_fn(void *context, struct store_watch *watch, const char *path, size_t size,
                      const struct store_node *node);

/* Those that a change of `path` concerns. */
void watches_match(const struct store_watches *watches, const char *path, size_t size,
                   watch_fn *call, void *context);

/*
 * Those below `node`, at nodes that are there: for when they all go.  `path` is
 * the node's, in a buffer of XENSTORE_ABS_PATH_MAX + 1.
 */
void watches_match_below(const struct store_watches *watches, const struct store_node *node,
                         char *path, watch_fn *call, void *context);

#endif
