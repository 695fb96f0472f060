/* SPDX-License-Identifier: MIT */
/*
 * Changes to the store, gathered to be sent in one go (store_write_many).
 * A list that ran out of memory remembers it, so only the sending need check.
 */
#ifndef LIBVMCTL_NODE_LIST_H
#define LIBVMCTL_NODE_LIST_H

#include "libvmctl/store_client.h"

struct node_block;

struct node_list {
    struct store_change *changes;
    size_t count;
    size_t room;
    struct node_block *blocks; /* own the strings */
    const char *needs;         /* a node without which node_list_commit() changes nothing: -ESRCH */
    bool failed;
};

#define NODE_LIST_EMPTY ((struct node_list){ .changes = NULL })

/* "directory/name" = words; `name` may be empty, `format` makes the value. */
void node_list_write(struct node_list *list, const char *directory, const char *name,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));
void node_list_remove(struct node_list *list, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Make a node whose owner is `owner`, and which `reader` may read besides dom0. */
void node_list_directory(struct node_list *list, const char *path, uint32_t owner, uint32_t reader);

/* Send and empty the list. */
int node_list_send(struct node_list *list, struct store_client *store, uint32_t transaction,
                   struct vmctl_error *error);
/*
 * The same as one transaction: who watches sees all of it at once, or nothing.
 * A store killed while it commits leaves open whether it did.  `proof`, a path
 * that the list makes and that was not there before, tells, so that nothing is
 * written over what others have made of it; NULL if only we write these nodes.
 */
int node_list_commit(struct node_list *list, struct store_client *store, const char *proof,
                     struct vmctl_error *error);
void node_list_free(struct node_list *list);

#endif
