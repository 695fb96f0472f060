/* SPDX-License-Identifier: MIT */
/*
 * Changes of the tree, each with its record for the journal and its events.
 * They do not ask whether somebody may; that is done before.
 */
#ifndef DOM0_TOOLS_STORE_STORE_CHANGE_H
#define DOM0_TOOLS_STORE_STORE_CHANGE_H

#include "dom0-tools/store/stored.h"

/* Permissions for what `creator` makes below a node with `from`: one reference, or NULL. */
struct store_perms *change_inherit(const struct stored *stored, struct store_perms *from,
                                   uint32_t creator);

/* With the nodes above it that are missing. */
int change_write(struct stored *stored, const char *path, size_t size, const char *value,
                 size_t value_size, uint32_t creator);
/* Takes a reference of its own. */
int change_perms(struct stored *stored, const char *path, size_t size, struct store_node *node,
                 struct store_perms *perms);
void change_remove(struct stored *stored, const char *path, size_t size, struct store_node *node);
/* All that a valid, prepared transaction wants. */
void change_commit(struct stored *stored, struct store_transaction *transaction);
/* Every node of a domain that is no more. */
void change_remove_owned(struct stored *stored, uint32_t domid);

/* Events of a change at `path`, whose node and parent have (or had) these permissions. */
void change_tell(struct stored *stored, const char *path, size_t size,
                 const struct store_perms *perms, const struct store_perms *above);

/* An event for this watch, with `path` as a client of its connection knows it. */
void watch_tell(struct store_watch *watch, const char *path, size_t size);

void connection_answer(struct store_connection *connection, const struct xsd_sockmsg *asked,
                       uint32_t type, const char *payload, size_t size);

#endif
