/* SPDX-License-Identifier: MIT */
/*
 * The nodes of the store.
 *
 * One hash table finds a node by its whole path, so finding one costs the same
 * whatever else is in the tree.  What can fail (making nodes, room in the table)
 * is apart from what changes the tree and cannot.
 */
#ifndef DOM0_TOOLS_STORE_TREE_H
#define DOM0_TOOLS_STORE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0-tools/store/store_domain.h"
#include "dom0-tools/store/store_path.h"
#include "dom0-tools/store/store_perms.h"

struct store_node {
    struct store_node *parent;
    struct store_node *first_child; /* in order of their making */
    struct store_node *last_child;
    struct store_node *next;
    struct store_node *previous;
    struct store_node *same_hash;
    struct store_node *owner_next; /* nodes of the same owner */
    struct store_node *owner_previous;
    uint64_t generation;      /* of the last change of value or permissions */
    uint64_t list_generation; /* of the last change of the list of children */
    struct store_perms *perms;
    char *value;
    uint32_t value_size;
    uint32_t value_room;
    uint32_t hash;
    uint16_t name_at; /* of the path */
    uint16_t path_size;
    char path[];
};

static inline const char *node_name(const struct store_node *node)
{
    return node->path + node->name_at;
}

static inline size_t node_name_size(const struct store_node *node)
{
    return (size_t)(node->path_size - node->name_at);
}

struct store_tree {
    struct store_domains *domains;
    struct store_node *root;
    struct store_node **index;
    size_t mask; /* buckets - 1 */
    size_t count;
    uint64_t generation; /* of the whole tree: each change has its own */
    uint64_t seed[2];
};

/* A tree of the root alone, dom0's. */
int tree_init(struct store_tree *tree, struct store_domains *domains);
void tree_free(struct store_tree *tree);

/* Of `size` bytes of name, with the tree's secret; for the index of watches too. */
uint32_t tree_hash(const struct store_tree *tree, const void *parent, const char *name,
                   size_t size);

/* NULL if there is none. */
struct store_node *tree_find(const struct store_tree *tree, const char *path, size_t size);
/* The same for whoever has tree_hash(tree, NULL, path, size). */
struct store_node *tree_find_hashed(const struct store_tree *tree, uint32_t hash, const char *path,
                                    size_t size);
/*
 * The deepest node on the way to `path` that is there; `walk` stands on the first
 * part missing, or has no part where nothing is.
 */
struct store_node *tree_nearest(const struct store_tree *tree, const char *path, size_t size,
                                struct path_walk *walk);

/* A node by itself, with room for a value. */
struct store_node *tree_node_new(const char *path, size_t path_size, size_t value_size);
void tree_node_free(struct store_node *node);
/* Room in the index for `count` nodes more. */
int tree_reserve(struct store_tree *tree, size_t count);
/* A record for the owner, which tree_attach() and tree_set_perms() need. */
int tree_reserve_owner(struct store_tree *tree, uint32_t domid);

/* Hang a new node in; takes the caller's reference of `perms`. */
void tree_attach(struct store_tree *tree, struct store_node *parent, struct store_node *node,
                 struct store_perms *perms);

/* Room for a value of `size` in a node of the tree; it stays, and counts, until the node goes. */
int tree_reserve_value(struct store_tree *tree, struct store_node *node, size_t size);
void tree_set_value(struct store_tree *tree, struct store_node *node, const char *value,
                    size_t size);
/* Takes the caller's reference of `perms`. */
void tree_set_perms(struct store_tree *tree, struct store_node *node, struct store_perms *perms);

/* With all below; not the root. */
void tree_remove(struct store_tree *tree, struct store_node *node);

/* Next in depth-first order, within `top`; NULL at the end. */
struct store_node *tree_after(const struct store_node *node, const struct store_node *top);

/* NULL if all is as it should be, else what is not. */
const char *tree_check(const struct store_tree *tree);

#endif
