/* SPDX-License-Identifier: MIT */
/*
 * A transaction: what it saw of the tree, and what it wants to change.
 *
 * It is a layer over the tree that holds only the paths it touched: beginning
 * costs nothing, and committing costs what was touched.  It conflicts (EAGAIN)
 * when a node it saw, or a list of children it read, changed meanwhile; that
 * two transactions each make a child of one node is no conflict.
 */
#ifndef DOM0_TOOLS_STORE_TRANSACTION_H
#define DOM0_TOOLS_STORE_TRANSACTION_H

#include "dom0-tools/store/store_tree.h"

struct transaction_entry {
    struct transaction_entry *same_hash;
    struct transaction_entry *next; /* of all, in order of first use */
    struct transaction_entry *next_change;
    struct transaction_entry *previous_change;
    uint64_t seen;      /* generation of the node, 0: it was not there */
    uint64_t seen_list; /* of its list of children; 0: not read */
    bool saw;           /* `seen` is set */
    bool changed;       /* what follows is what this transaction sees */
    bool exists;
    bool hides; /* what the tree has here and below is not seen any more */
    bool quiet; /* made on the way to another node: no event of its own */
    struct store_perms *perms;
    char *value;
    uint32_t value_size;
    struct store_node *fresh; /* while committing: the node to hang in */
    uint32_t hash;
    uint32_t path_size;
    char path[];
};

struct store_transaction {
    struct store_transaction *next; /* of the connection */
    uint32_t id;
    bool doomed;  /* begun before a restart of the store */
    bool removes; /* some entry hides what is below it */
    uint64_t *work;
    struct transaction_entry **index;
    size_t mask;
    size_t count;
    uint64_t memory;  /* bytes it holds, for the quota */
    uint64_t charged; /* of them, to the domain's quota */
    uint64_t created; /* nodes it made, for the quota */
    uint64_t making;  /* set by transaction_prepare() */
    struct transaction_entry *first;
    struct transaction_entry *last;
    struct transaction_entry *first_change; /* in the order to be done */
    struct transaction_entry *last_change;
};

/* A node as somebody sees it, in a transaction or out of one. */
struct store_look {
    bool found;
    const char *value;
    size_t value_size;
    struct store_perms *perms; /* borrowed */
};

/* `work` counts what its requests go through: entries, children, levels of paths. */
struct store_transaction *transaction_new(uint32_t id, uint64_t *work);
void transaction_free(struct store_transaction *transaction);

int transaction_look(struct store_transaction *transaction, const struct store_tree *tree,
                     const char *path, size_t size, struct store_look *look);

/* The same as a change; -ENOMEM leaves all as it was. `perms` is held if taken. */
int transaction_write(struct store_transaction *transaction, const struct store_tree *tree,
                      const char *path, size_t size, const char *value, size_t value_size);
int transaction_create(struct store_transaction *transaction, const struct store_tree *tree,
                       const char *path, size_t size, struct store_perms *perms);
int transaction_set_perms(struct store_transaction *transaction, const struct store_tree *tree,
                          const char *path, size_t size, struct store_perms *perms);
int transaction_remove(struct store_transaction *transaction, const struct store_tree *tree,
                       const char *path, size_t size);

typedef bool name_fn(void *context, const char *name, size_t size);

/* Names of the children, until `call` says false. */
int transaction_list(struct store_transaction *transaction, const struct store_tree *tree,
                     const char *path, size_t size, name_fn *call, void *context);

/* The first of what it saw that is not so any more; NULL: all is. */
const struct transaction_entry *transaction_conflict(const struct store_transaction *transaction,
                                                     const struct store_tree *tree);

/* Make all that committing needs and that could fail; counts the nodes to be made. */
int transaction_prepare(struct store_transaction *transaction, struct store_tree *tree);

#endif
