/* SPDX-License-Identifier: MIT */
/* Transactions: see store_transaction.h. */
#include "dom0-tools/store/store_transaction.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS 16U

struct store_transaction *transaction_new(uint32_t id, uint64_t *work)
{
    struct store_transaction *transaction = calloc(1, sizeof(*transaction));

    if (transaction == NULL) {
        return NULL;
    }
    transaction->id = id;
    transaction->work = work;
    transaction->mask = FIRST_BUCKETS - 1;
    transaction->memory = sizeof(*transaction);
    transaction->index = calloc(FIRST_BUCKETS, sizeof(struct transaction_entry *));
    if (transaction->index == NULL) {
        free(transaction);
        return NULL;
    }
    return transaction;
}

void transaction_free(struct store_transaction *transaction)
{
    struct transaction_entry *entry = transaction->first;

    while (entry != NULL) {
        struct transaction_entry *next = entry->next;

        perms_drop(entry->perms);
        tree_node_free(entry->fresh);
        free(entry->value);
        free(entry);
        entry = next;
    }
    free(transaction->index);
    free(transaction);
}

static struct transaction_entry *find(const struct store_transaction *transaction, uint32_t hash,
                                      const char *path, size_t size)
{
    struct transaction_entry *entry = transaction->index[hash & transaction->mask];

    while (entry != NULL && (entry->hash != hash || entry->path_size != size ||
                             memcmp(entry->path, path, size) != 0)) {
        entry = entry->same_hash;
    }
    return entry;
}

/* The tree's node there, whoever may see it. */
static struct store_node *node_of(const struct transaction_entry *entry,
                                  const struct store_tree *tree)
{
    return tree_find_hashed(tree, entry->hash, entry->path, entry->path_size);
}

static void grow(struct store_transaction *transaction)
{
    const size_t buckets = (transaction->mask + 1) * 2;
    struct transaction_entry **index;

    if (transaction->count <= transaction->mask) {
        return;
    }
    index = calloc(buckets, sizeof(struct transaction_entry *));
    if (index == NULL) {
        return; /* longer chains, then */
    }
    for (struct transaction_entry *entry = transaction->first; entry != NULL; entry = entry->next) {
        entry->same_hash = index[entry->hash & (buckets - 1)];
        index[entry->hash & (buckets - 1)] = entry;
    }
    free(transaction->index);
    transaction->index = index;
    transaction->mask = buckets - 1;
}

static struct transaction_entry *get(struct store_transaction *transaction,
                                     const struct store_tree *tree, const char *path, size_t size)
{
    const uint32_t hash = tree_hash(tree, NULL, path, size);
    struct transaction_entry *entry = find(transaction, hash, path, size);
    struct transaction_entry **bucket;

    if (entry != NULL) {
        return entry;
    }
    entry = malloc(sizeof(*entry) + size);
    if (entry == NULL) {
        return NULL;
    }
    memset(entry, 0, sizeof(*entry));
    grow(transaction);
    entry->hash = hash;
    entry->path_size = (uint32_t)size;
    memcpy(entry->path, path, size);
    bucket = &transaction->index[entry->hash & transaction->mask];
    entry->same_hash = *bucket;
    *bucket = entry;
    if (transaction->last != NULL) {
        transaction->last->next = entry;
    } else {
        transaction->first = entry;
    }
    transaction->last = entry;
    transaction->count++;
    transaction->memory += sizeof(*entry) + size;
    return entry;
}

/* Did this transaction remove the node or one above, so that the tree's is not seen? */
static bool hidden(const struct store_transaction *transaction, const struct store_tree *tree,
                   const char *path, size_t size)
{
    if (!transaction->removes) {
        return false;
    }
    for (;;) {
        const struct transaction_entry *entry =
            find(transaction, tree_hash(tree, NULL, path, size), path, size);

        (*transaction->work)++;
        if (entry != NULL && entry->hides) {
            return true;
        }
        if (size == 1) {
            return false;
        }
        size = path_parent(path, size);
    }
}

/* The tree's node as this transaction may see it, and that it has seen it. */
static const struct store_node *see(struct transaction_entry *entry,
                                    const struct store_transaction *transaction,
                                    const struct store_tree *tree)
{
    const struct store_node *node;

    if (hidden(transaction, tree, entry->path, entry->path_size)) {
        return NULL;
    }
    node = node_of(entry, tree);
    if (!entry->saw) {
        entry->saw = true;
        entry->seen = node == NULL ? 0 : node->generation;
    }
    return node;
}

int transaction_look(struct store_transaction *transaction, const struct store_tree *tree,
                     const char *path, size_t size, struct store_look *look)
{
    struct transaction_entry *entry = get(transaction, tree, path, size);
    const struct store_node *node;

    if (entry == NULL) {
        return -ENOMEM;
    }
    if (entry->changed) {
        *look = (struct store_look){ .found = entry->exists,
                                     .value = entry->value,
                                     .value_size = entry->value_size,
                                     .perms = entry->perms };
        return 0;
    }
    node = see(entry, transaction, tree);
    *look = (struct store_look){ .found = false };
    if (node != NULL) {
        *look = (struct store_look){ .found = true,
                                     .value = node->value,
                                     .value_size = node->value_size,
                                     .perms = node->perms };
    }
    return 0;
}

static void take_out(struct store_transaction *transaction, struct transaction_entry *entry)
{
    if (entry->next_change != NULL) {
        entry->next_change->previous_change = entry->previous_change;
    } else {
        transaction->last_change = entry->previous_change;
    }
    if (entry->previous_change != NULL) {
        entry->previous_change->next_change = entry->next_change;
    } else {
        transaction->first_change = entry->next_change;
    }
    entry->next_change = NULL;
    entry->previous_change = NULL;
}

static void put_last(struct store_transaction *transaction, struct transaction_entry *entry)
{
    entry->previous_change = transaction->last_change;
    entry->next_change = NULL;
    if (transaction->last_change != NULL) {
        transaction->last_change->next_change = entry;
    } else {
        transaction->first_change = entry;
    }
    transaction->last_change = entry;
}

/* An entry of this transaction's own, beginning as what is seen now. */
static struct transaction_entry *own(struct store_transaction *transaction,
                                     const struct store_tree *tree, const char *path, size_t size)
{
    struct transaction_entry *entry = get(transaction, tree, path, size);
    const struct store_node *node;

    if (entry == NULL || entry->changed) {
        return entry;
    }
    node = see(entry, transaction, tree);
    if (node != NULL) {
        if (node->value_size != 0) {
            entry->value = malloc(node->value_size);
            if (entry->value == NULL) {
                return NULL;
            }
            memcpy(entry->value, node->value, node->value_size);
        }
        entry->value_size = node->value_size;
        entry->perms = perms_hold(node->perms);
        entry->exists = true;
        transaction->memory += node->value_size;
    }
    entry->changed = true;
    put_last(transaction, entry);
    return entry;
}

int transaction_write(struct store_transaction *transaction, const struct store_tree *tree,
                      const char *path, size_t size, const char *value, size_t value_size)
{
    struct transaction_entry *entry;
    char *copy = malloc(value_size + 1);

    if (copy == NULL) {
        return -ENOMEM;
    }
    entry = own(transaction, tree, path, size);
    if (entry == NULL) {
        free(copy);
        return -ENOMEM;
    }
    memcpy(copy, value, value_size);
    free(entry->value);
    entry->value = copy;
    transaction->memory += value_size;
    transaction->memory -= entry->value_size;
    entry->value_size = (uint32_t)value_size;
    entry->quiet = false;
    return 0;
}

int transaction_create(struct store_transaction *transaction, const struct store_tree *tree,
                       const char *path, size_t size, struct store_perms *perms)
{
    struct transaction_entry *entry = own(transaction, tree, path, size);

    if (entry == NULL) {
        return -ENOMEM;
    }
    /* If it was removed before, it must now be made after its parent. */
    take_out(transaction, entry);
    put_last(transaction, entry);
    entry->exists = true;
    entry->quiet = true;
    perms_drop(entry->perms);
    entry->perms = perms_hold(perms);
    return 0;
}

int transaction_set_perms(struct store_transaction *transaction, const struct store_tree *tree,
                          const char *path, size_t size, struct store_perms *perms)
{
    struct transaction_entry *entry = own(transaction, tree, path, size);

    if (entry == NULL) {
        return -ENOMEM;
    }
    perms_drop(entry->perms);
    entry->perms = perms_hold(perms);
    entry->quiet = false;
    return 0;
}

static bool is_below(const struct transaction_entry *entry, const char *path, size_t size)
{
    return entry->path_size > size && entry->path[size] == '/' &&
           memcmp(entry->path, path, size) == 0;
}

static void forget(struct store_transaction *transaction, struct transaction_entry *entry)
{
    free(entry->value);
    entry->value = NULL;
    transaction->memory -= entry->value_size;
    entry->value_size = 0;
    perms_drop(entry->perms);
    entry->perms = NULL;
    entry->exists = false;
    entry->quiet = false;
}

int transaction_remove(struct store_transaction *transaction, const struct store_tree *tree,
                       const char *path, size_t size)
{
    struct transaction_entry *entry = own(transaction, tree, path, size);

    if (entry == NULL) {
        return -ENOMEM;
    }
    for (struct transaction_entry *below = transaction->first_change; below != NULL;
         below = below->next_change) {
        (*transaction->work)++;
        if (below->exists && is_below(below, path, size)) {
            forget(transaction, below);
        }
    }
    forget(transaction, entry);
    entry->hides = true;
    transaction->removes = true;
    return 0;
}

int transaction_list(struct store_transaction *transaction, const struct store_tree *tree,
                     const char *path, size_t size, name_fn *call, void *context)
{
    struct transaction_entry *entry = get(transaction, tree, path, size);
    const size_t prefix = size == 1 ? 0 : size;
    const struct store_node *node = NULL;

    if (entry == NULL) {
        return -ENOMEM;
    }
    if (!hidden(transaction, tree, path, size)) {
        node = node_of(entry, tree);
    }
    if (node != NULL && entry->seen_list == 0) {
        entry->seen_list = node->list_generation;
    }
    for (const struct store_node *child = node == NULL ? NULL : node->first_child; child != NULL;
         child = child->next) {
        const struct transaction_entry *mine =
            find(transaction, child->hash, child->path, child->path_size);

        (*transaction->work)++;
        if (mine != NULL && (mine->hides || (mine->changed && !mine->exists))) {
            continue; /* if it was made again it comes below */
        }
        if (!call(context, node_name(child), node_name_size(child))) {
            return 0;
        }
    }
    for (const struct transaction_entry *mine = transaction->first_change; mine != NULL;
         mine = mine->next_change) {
        const char *name = mine->path + prefix + 1;
        const size_t name_size = mine->path_size - prefix - 1;

        (*transaction->work)++;
        if (!mine->exists || mine->path_size <= prefix + 1 || !is_below(mine, path, prefix) ||
            memchr(name, '/', name_size) != NULL ||
            (node != NULL && !mine->hides && node_of(mine, tree) != NULL)) {
            continue;
        }
        if (!call(context, name, name_size)) {
            return 0;
        }
    }
    return 0;
}

const struct transaction_entry *transaction_conflict(const struct store_transaction *transaction,
                                                     const struct store_tree *tree)
{
    for (const struct transaction_entry *entry = transaction->first; entry != NULL;
         entry = entry->next) {
        const struct store_node *node;

        if (!entry->saw && entry->seen_list == 0) {
            continue;
        }
        node = node_of(entry, tree);
        if ((entry->saw && (node == NULL ? 0 : node->generation) != entry->seen) ||
            (entry->seen_list != 0 &&
             (node == NULL || node->list_generation != entry->seen_list))) {
            return entry;
        }
    }
    return NULL;
}

int transaction_prepare(struct store_transaction *transaction, struct store_tree *tree)
{
    transaction->making = 0;
    for (struct transaction_entry *entry = transaction->first_change; entry != NULL;
         entry = entry->next_change) {
        struct store_node *node;

        if (!entry->exists) {
            continue;
        }
        if (tree_reserve_owner(tree, perms_owner(entry->perms)) < 0) {
            return -ENOMEM;
        }
        node = node_of(entry, tree);
        if (node != NULL && !hidden(transaction, tree, entry->path, entry->path_size)) {
            if (tree_reserve_value(tree, node, entry->value_size) < 0) {
                return -ENOMEM;
            }
            continue;
        }
        entry->fresh = tree_node_new(entry->path, entry->path_size, entry->value_size);
        if (entry->fresh == NULL) {
            return -ENOMEM;
        }
        transaction->making++;
    }
    return tree_reserve(tree, transaction->making);
}
