/* SPDX-License-Identifier: MIT */
/* The nodes of the store: see store_tree.h. */
#include "dom0-tools/store/store_tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define FIRST_BUCKETS 1024U

/* Two 64-bit words into one that depends on every bit of both. */
static uint64_t mix(uint64_t a, uint64_t b)
{
    const unsigned __int128 product = (unsigned __int128)a * b;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint32_t tree_hash(const struct store_tree *tree, const void *parent, const char *name, size_t size)
{
    uint64_t state = tree->seed[0] ^ (uint64_t)(uintptr_t)parent;
    uint64_t word;

    /* The secret keeps guests from choosing names that meet in one bucket. */
    for (; size >= sizeof(word); size -= sizeof(word), name += sizeof(word)) {
        memcpy(&word, name, sizeof(word));
        state = mix(state ^ word, tree->seed[1]);
    }
    word = (uint64_t)size << 56;
    for (size_t i = 0; i < size; i++) {
        word |= (uint64_t)(unsigned char)name[i] << (8 * i);
    }
    state = mix(state ^ word, tree->seed[1]);
    return (uint32_t)(state ^ state >> 32);
}

struct store_node *tree_find_hashed(const struct store_tree *tree, uint32_t hash, const char *path,
                                    size_t size)
{
    struct store_node *node = tree->index[hash & tree->mask];

    while (node != NULL &&
           (node->hash != hash || node->path_size != size || memcmp(node->path, path, size) != 0)) {
        node = node->same_hash;
    }
    return node;
}

struct store_node *tree_find(const struct store_tree *tree, const char *path, size_t size)
{
    return tree_find_hashed(tree, tree_hash(tree, NULL, path, size), path, size);
}

struct store_node *tree_nearest(const struct store_tree *tree, const char *path, size_t size,
                                struct path_walk *walk)
{
    struct store_node *node = tree_find(tree, path, size);
    size_t have = size;

    *walk = path_walk_begin(path, size);
    if (node != NULL) {
        return node;
    }
    /* Most often it is the parent that is there. */
    while (node == NULL) {
        have = path_parent(path, have);
        node = tree_find(tree, path, have);
    }
    walk->at = path + (have == 1 ? 0 : have);
    (void)path_walk_next(walk);
    return node;
}

static int reserve(struct store_node *node, size_t size)
{
    const size_t room = (size + 15) & ~(size_t)15;
    char *value;

    if (size <= node->value_room) {
        return 0;
    }
    value = malloc(room);
    if (value == NULL) {
        return -ENOMEM;
    }
    if (node->value_size != 0) {
        memcpy(value, node->value, node->value_size);
    }
    free(node->value);
    node->value = value;
    node->value_room = (uint32_t)room;
    return 0;
}

struct store_node *tree_node_new(const char *path, size_t path_size, size_t value_size)
{
    struct store_node *node = malloc(sizeof(*node) + path_size);
    size_t name = path_size;

    if (node == NULL) {
        return NULL;
    }
    while (name > 0 && path[name - 1] != '/') {
        name--;
    }
    memset(node, 0, sizeof(*node));
    node->path_size = (uint16_t)path_size;
    node->name_at = (uint16_t)name;
    memcpy(node->path, path, path_size);
    if (reserve(node, value_size) < 0) {
        free(node);
        return NULL;
    }
    return node;
}

void tree_node_free(struct store_node *node)
{
    if (node != NULL) {
        perms_drop(node->perms);
        free(node->value);
        free(node);
    }
}

int tree_reserve(struct store_tree *tree, size_t count)
{
    size_t buckets = tree->mask + 1;
    struct store_node **index;

    if (tree->count + count <= buckets) {
        return 0;
    }
    while (buckets < tree->count + count) {
        buckets *= 2;
    }
    index = calloc(buckets, sizeof(struct store_node *));
    if (index == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i <= tree->mask; i++) {
        while (tree->index[i] != NULL) {
            struct store_node *node = tree->index[i];

            tree->index[i] = node->same_hash;
            node->same_hash = index[node->hash & (buckets - 1)];
            index[node->hash & (buckets - 1)] = node;
        }
    }
    free(tree->index);
    tree->index = index;
    tree->mask = buckets - 1;
    return 0;
}

int tree_reserve_owner(struct store_tree *tree, uint32_t domid)
{
    return domain_get(tree->domains, domid) == NULL ? -ENOMEM : 0;
}

/* What a node counts for in its owner's memory. */
static uint64_t weight(const struct store_node *node)
{
    return sizeof(*node) + node->path_size + node->value_room +
           node->perms->count * sizeof(struct store_perm);
}

static void own(struct store_tree *tree, struct store_node *node)
{
    struct store_domain *domain = domain_find(tree->domains, perms_owner(node->perms));

    node->owner_previous = NULL;
    node->owner_next = domain->nodes;
    if (node->owner_next != NULL) {
        node->owner_next->owner_previous = node;
    }
    domain->nodes = node;
    domain->use.used[QUOTA_NODES]++;
    domain->use.used[QUOTA_MEMORY] += weight(node);
}

static void disown(struct store_tree *tree, struct store_node *node)
{
    struct store_domain *domain = domain_find(tree->domains, perms_owner(node->perms));

    domain->use.used[QUOTA_NODES]--;
    domain->use.used[QUOTA_MEMORY] -= weight(node);
    if (node->owner_next != NULL) {
        node->owner_next->owner_previous = node->owner_previous;
    }
    if (node->owner_previous != NULL) {
        node->owner_previous->owner_next = node->owner_next;
    } else {
        domain->nodes = node->owner_next;
    }
}

void tree_attach(struct store_tree *tree, struct store_node *parent, struct store_node *node,
                 struct store_perms *perms)
{
    struct store_node **bucket;

    node->parent = parent;
    node->perms = perms;
    node->hash = tree_hash(tree, NULL, node->path, node->path_size);
    tree->generation++;
    node->generation = tree->generation;
    node->list_generation = tree->generation;
    bucket = &tree->index[node->hash & tree->mask];
    node->same_hash = *bucket;
    *bucket = node;
    tree->count++;
    if (parent != NULL) {
        parent->list_generation = tree->generation;
        node->previous = parent->last_child;
        if (node->previous != NULL) {
            node->previous->next = node;
        } else {
            parent->first_child = node;
        }
        parent->last_child = node;
    }
    own(tree, node);
}

int tree_reserve_value(struct store_tree *tree, struct store_node *node, size_t size)
{
    struct store_domain *owner = domain_find(tree->domains, perms_owner(node->perms));
    const uint32_t before = node->value_room;
    int r = reserve(node, size);

    owner->use.used[QUOTA_MEMORY] += node->value_room - before;
    return r;
}

void tree_set_value(struct store_tree *tree, struct store_node *node, const char *value,
                    size_t size)
{
    if (size != 0) {
        memcpy(node->value, value, size);
    }
    node->value_size = (uint32_t)size;
    tree->generation++;
    node->generation = tree->generation;
}

void tree_set_perms(struct store_tree *tree, struct store_node *node, struct store_perms *perms)
{
    struct store_perms *old = node->perms;

    disown(tree, node);
    node->perms = perms;
    own(tree, node);
    perms_drop(old);
    tree->generation++;
    node->generation = tree->generation;
}

static void unlink_node(struct store_tree *tree, struct store_node *node)
{
    struct store_node **at = &tree->index[node->hash & tree->mask];

    while (*at != node) {
        at = &(*at)->same_hash;
    }
    *at = node->same_hash;
    tree->count--;
    if (node->next != NULL) {
        node->next->previous = node->previous;
    } else {
        node->parent->last_child = node->previous;
    }
    if (node->previous != NULL) {
        node->previous->next = node->next;
    } else {
        node->parent->first_child = node->next;
    }
    tree->generation++;
    node->parent->list_generation = tree->generation;
    disown(tree, node);
    tree_node_free(node);
}

void tree_remove(struct store_tree *tree, struct store_node *node)
{
    struct store_node *at = node;

    for (;;) {
        struct store_node *parent = at->parent;

        if (at->first_child != NULL) {
            at = at->first_child;
            continue;
        }
        unlink_node(tree, at);
        if (at == node) {
            return;
        }
        at = parent;
    }
}

struct store_node *tree_after(const struct store_node *node, const struct store_node *top)
{
    if (node->first_child != NULL) {
        return node->first_child;
    }
    while (node != top) {
        if (node->next != NULL) { /* NOLINT: it is below top */
            return node->next;
        }
        node = node->parent;
    }
    return NULL;
}

int tree_init(struct store_tree *tree, struct store_domains *domains)
{
    const struct store_perm nobody = { .domid = 0, .access = 0 };
    struct store_perms *perms = perms_new(&nobody, 1, 0);
    struct store_node *root = tree_node_new("/", 1, 0);

    *tree = (struct store_tree){ .domains = domains, .mask = FIRST_BUCKETS - 1 };
    tree->index = calloc(FIRST_BUCKETS, sizeof(struct store_node *));
    /* Of what there is: early in a machine's life, waiting for better would hold up all. */
    if (perms == NULL || root == NULL || tree->index == NULL || tree_reserve_owner(tree, 0) < 0 ||
        getrandom(tree->seed, sizeof(tree->seed), GRND_INSECURE) != (ssize_t)sizeof(tree->seed)) {
        free(perms);
        tree_node_free(root);
        free(tree->index);
        tree->index = NULL;
        return -ENOMEM;
    }
    tree->seed[1] |= 1;
    tree_attach(tree, NULL, root, perms);
    tree->root = root;
    return 0;
}

void tree_free(struct store_tree *tree)
{
    for (size_t i = 0; tree->index != NULL && i <= tree->mask; i++) {
        while (tree->index[i] != NULL) {
            struct store_node *node = tree->index[i];

            tree->index[i] = node->same_hash;
            tree_node_free(node);
        }
    }
    free(tree->index);
    *tree = (struct store_tree){ .index = NULL };
}

const char *tree_check(const struct store_tree *tree)
{
    size_t owned = 0;
    size_t seen = 0;

    for (const struct store_node *node = tree->root; node != NULL;
         node = tree_after(node, tree->root)) {
        seen++;
        if (tree_find(tree, node->path, node->path_size) != node) {
            return "a node is not in the index";
        }
        if (node->parent != NULL && (node->next == NULL) != (node->parent->last_child == node)) {
            return "a list of children is broken";
        }
    }
    for (const struct store_domain *domain = tree->domains->all; domain != NULL;
         domain = domain->next) {
        uint64_t count = 0;
        uint64_t memory = 0;

        for (const struct store_node *node = domain->nodes; node != NULL; node = node->owner_next) {
            if (perms_owner(node->perms) != domain->domid) {
                return "a node is in the list of another owner";
            }
            count++;
            memory += weight(node);
        }
        if (count != domain->use.used[QUOTA_NODES] || memory > domain->use.used[QUOTA_MEMORY]) {
            return "an owner's count is wrong";
        }
        owned += count;
    }
    return seen == tree->count && owned == seen ? NULL : "nodes and owners do not add up";
}
