/* SPDX-License-Identifier: MIT */
/* Watches: see store_watch.h. */
#include "dom0-tools/store/store_watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 256U

static struct watch_point *find_child(const struct store_watches *watches,
                                      const struct watch_point *parent, const char *name,
                                      size_t size)
{
    const uint32_t hash = tree_hash(watches->tree, parent, name, size);
    struct watch_point *point = watches->index[hash & watches->mask];

    while (point != NULL && (point->hash != hash || point->parent != parent ||
                             point->name_size != size || memcmp(point->name, name, size) != 0)) {
        point = point->same_hash;
    }
    return point;
}

/* More buckets when there are more points; without memory, the chains get longer. */
static void grow(struct store_watches *watches)
{
    const size_t buckets = (watches->mask + 1) * 2;
    struct watch_point **index;

    if (watches->points <= watches->mask) {
        return;
    }
    index = calloc(buckets, sizeof(struct watch_point *));
    if (index == NULL) {
        return;
    }
    for (size_t i = 0; i <= watches->mask; i++) {
        while (watches->index[i] != NULL) {
            struct watch_point *point = watches->index[i];

            watches->index[i] = point->same_hash;
            point->same_hash = index[point->hash & (buckets - 1)];
            index[point->hash & (buckets - 1)] = point;
        }
    }
    free(watches->index);
    watches->index = index;
    watches->mask = buckets - 1;
}

static struct watch_point *new_child(struct store_watches *watches, struct watch_point *parent,
                                     const char *name, size_t size)
{
    struct watch_point *point = malloc(sizeof(*point) + size);
    struct watch_point **bucket;

    if (point == NULL) {
        return NULL;
    }
    memset(point, 0, sizeof(*point));
    point->parent = parent;
    point->name_size = (uint32_t)size;
    memcpy(point->name, name, size);
    if (parent == NULL) {
        return point; /* a root is in no table */
    }
    grow(watches);
    point->hash = tree_hash(watches->tree, parent, name, size);
    bucket = &watches->index[point->hash & watches->mask];
    point->same_hash = *bucket;
    *bucket = point;
    watches->points++;
    point->next = parent->first_child;
    if (point->next != NULL) {
        point->next->previous = point;
    }
    parent->first_child = point;
    return point;
}

/* Free the point, and those above it, as far as nothing hangs there. */
static void prune(struct store_watches *watches, struct watch_point *point)
{
    while (point->parent != NULL && point->watches == NULL && point->first_child == NULL) {
        struct watch_point *parent = point->parent;
        struct watch_point **at = &watches->index[point->hash & watches->mask];

        while (*at != point) {
            at = &(*at)->same_hash;
        }
        *at = point->same_hash;
        watches->points--;
        if (point->next != NULL) {
            point->next->previous = point->previous;
        }
        if (point->previous != NULL) {
            point->previous->next = point->next;
        } else {
            parent->first_child = point->next;
        }
        free(point);
        point = parent;
    }
}

static struct watch_point *get_point(struct store_watches *watches, const char *path, size_t size)
{
    struct watch_point *point = path_is_special(path) ? watches->special : watches->root;
    struct path_walk walk = path_walk_begin(path, size);

    while (path_walk_next(&walk)) { /* NOLINT: the points are in the table */
        struct watch_point *child = find_child(watches, point, walk.at, walk.size);

        if (child == NULL) {
            child = new_child(watches, point, walk.at, walk.size);
        }
        if (child == NULL) {
            prune(watches, point);
            return NULL;
        }
        point = child;
    }
    return point;
}

struct store_watch *watch_add(struct store_watches *watches, const struct store_path *path,
                              const char *token, size_t token_size, uint32_t depth)
{
    const char *given = path->text;
    struct store_watch *watch;
    size_t stripped = 0;

    if (path->relative) {
        /* The home is what stands before the part given. */
        const char *at = path->text + sizeof("/local/domain/") - 1;

        stripped = (size_t)(strchr(at, '/') - path->text) + 1;
        given += stripped;
    }
    watch = malloc(sizeof(*watch) + path->size - stripped + token_size + 2);
    if (watch == NULL) {
        return NULL;
    }
    memset(watch, 0, sizeof(*watch));
    watch->point = get_point(watches, path->text, path->size);
    if (watch->point == NULL) {
        free(watch);
        return NULL;
    }
    watch->depth = depth;
    watch->stripped = (uint32_t)stripped;
    watch->path_size = path->size - (uint32_t)stripped;
    watch->token_size = (uint32_t)token_size;
    memcpy(watch->text, given, watch->path_size + 1);
    memcpy(watch->text + watch->path_size + 1, token, token_size);
    watch->text[watch->path_size + 1 + token_size] = '\0';
    watch->next_here = watch->point->watches;
    if (watch->next_here != NULL) {
        watch->next_here->previous_here = watch;
    }
    watch->point->watches = watch;
    watches->count++;
    return watch;
}

static const struct watch_point *find_point(const struct store_watches *watches, const char *path,
                                            size_t size)
{
    const struct watch_point *point = path_is_special(path) ? watches->special : watches->root;
    struct path_walk walk = path_walk_begin(path, size);

    while (point != NULL && path_walk_next(&walk)) {
        point = find_child(watches, point, walk.at, walk.size);
    }
    return point;
}

struct store_watch *watch_find(const struct store_watches *watches, const struct store_path *path,
                               const char *token, const struct store_connection *connection)
{
    const struct watch_point *point = find_point(watches, path->text, path->size);
    struct store_watch *watch = point == NULL ? NULL : point->watches;

    while (watch != NULL &&
           (watch->connection != connection || (watch->stripped != 0) != path->relative ||
            strcmp(watch_token(watch), token) != 0)) {
        watch = watch->next_here;
    }
    return watch;
}

void watch_remove(struct store_watches *watches, struct store_watch *watch)
{
    if (watch->next_here != NULL) {
        watch->next_here->previous_here = watch->previous_here;
    }
    if (watch->previous_here != NULL) {
        watch->previous_here->next_here = watch->next_here;
    } else {
        watch->point->watches = watch->next_here;
    }
    prune(watches, watch->point);
    watches->count--;
    free(watch);
}

/* What call_all() tells its callers' callers. */
struct change {
    const char *path;
    size_t size;
    const struct store_node *node;
};

static void call_all(const struct watch_point *point, uint32_t below, const struct change *change,
                     watch_fn *call, void *context)
{
    for (struct store_watch *watch = point->watches; watch != NULL; watch = watch->next_here) {
        if (below <= watch->depth) {
            call(context, watch, change->path, change->size, change->node);
        }
    }
}

static uint32_t parts_of(const char *path, size_t size)
{
    struct path_walk walk = path_walk_begin(path, size);
    uint32_t parts = 0;

    while (path_walk_next(&walk)) {
        parts++;
    }
    return parts;
}

void watches_match(const struct store_watches *watches, const char *path, size_t size,
                   watch_fn *call, void *context)
{
    const struct watch_point *point = path_is_special(path) ? watches->special : watches->root;
    struct path_walk walk = path_walk_begin(path, size);
    const struct change change = { path, size, NULL };
    uint32_t below = parts_of(path, size);

    call_all(point, below, &change, call, context);
    while (path_walk_next(&walk)) {
        point = find_child(watches, point, walk.at, walk.size);
        if (point == NULL) {
            return;
        }
        below--;
        call_all(point, below, &change, call, context);
    }
}

/* Steps of a walk that follows nodes and points at once, where both are. */
struct both {
    const struct watch_point *point;
    const struct store_node *node;
    size_t size; /* of the path so far */
};

static bool go_down(const struct store_watches *watches, struct both *at, char *path)
{
    for (const struct watch_point *child = at->point->first_child; child != NULL;
         child = child->next) {
        const size_t size = at->size + 1 + child->name_size;
        const struct store_node *node;

        if (size > XENSTORE_ABS_PATH_MAX) {
            continue;
        }
        path[at->size] = '/';
        memcpy(path + at->size + 1, child->name, child->name_size);
        node = tree_find(watches->tree, path, size);
        if (node != NULL) {
            *at = (struct both){ child, node, size };
            return true;
        }
    }
    return false;
}

static bool go_on(const struct store_watches *watches, struct both *at,
                  const struct watch_point *top, char *path)
{
    while (at->point != top) {
        const struct watch_point *next = at->point->next;
        const struct store_node *parent = at->node->parent;
        const size_t size = at->size - at->point->name_size;

        for (; next != NULL; next = next->next) {
            const struct store_node *node = NULL;

            if (size + next->name_size <= XENSTORE_ABS_PATH_MAX) {
                memcpy(path + size, next->name, next->name_size);
                node = tree_find(watches->tree, path, size + next->name_size);
            }
            if (node != NULL) {
                *at = (struct both){ next, node, size + next->name_size };
                return true;
            }
        }
        *at = (struct both){ at->point->parent, parent, size - 1 };
    }
    return false;
}

void watches_match_below(const struct store_watches *watches, const struct store_node *node,
                         char *path, watch_fn *call, void *context)
{
    const size_t size = node->path_size;
    const struct watch_point *top = find_point(watches, path, size);
    struct both at = { top, node, size };

    if (top == NULL) {
        return;
    }
    while (go_down(watches, &at, path) || go_on(watches, &at, top, path)) {
        const struct change change = { path, at.size, at.node };

        call_all(at.point, 0, &change, call, context);
    }
}

int watches_init(struct store_watches *watches, const struct store_tree *tree)
{
    *watches = (struct store_watches){ .tree = tree, .mask = FIRST_BUCKETS - 1 };
    watches->root = new_child(watches, NULL, "", 0);
    watches->special = new_child(watches, NULL, "", 0);
    watches->index = calloc(FIRST_BUCKETS, sizeof(struct watch_point *));
    if (watches->root == NULL || watches->special == NULL || watches->index == NULL) {
        watches_free(watches);
        return -ENOMEM;
    }
    return 0;
}

void watches_free(struct store_watches *watches)
{
    free(watches->root);
    free(watches->special);
    free(watches->index);
    *watches = (struct store_watches){ .root = NULL };
}
