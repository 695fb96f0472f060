/* SPDX-License-Identifier: MIT */
/* Changes of the tree and their events: see store_change.h. */
#include "dom0-tools/store/store_change.h"

#include <errno.h>
#include <string.h>

#include "dom0-tools/store/store_record.h"

/* Dom0's own clients are trusted, but one that never reads must not fill the memory. */
#define DOM0_OUTSTANDING (UINT64_C(16) << 20)

/* Behind a bytes_reserve() of the whole message. */
static void put_message(struct store_connection *connection, const struct xsd_sockmsg *head,
                        const char *first, size_t first_size, const char *second)
{
    const size_t at = connection->out.end;

    bytes_add(&connection->out, head, sizeof(*head));
    bytes_add(&connection->out, first, first_size);
    bytes_add(&connection->out, second, head->len - first_size);
    if (connection->ring) {
        const struct journal_record record = {
            .type = RECORD_OUT,
            .domid = connection->domid,
            .numbers = { connection->produced },
            .parts = { { connection->out.data + at, connection->out.end - at } },
        };

        journal_add(connection->stored->journal, &record);
    }
    stored_ready(connection);
}

void connection_answer(struct store_connection *connection, const struct xsd_sockmsg *asked,
                       uint32_t type, const char *payload, size_t size)
{
    const struct xsd_sockmsg head = {
        .type = type, .req_id = asked->req_id, .tx_id = asked->tx_id, .len = (uint32_t)size
    };

    put_message(connection, &head, payload, size, "");
}

static void miss(struct store_connection *connection)
{
    connection->stored->counters.missed_events++;
    if (!connection->ring) {
        connection->failed = true; /* it will set its watches again, and so learn all */
        stored_ready(connection);
    } else if (!connection->missed) {
        connection->missed = true;
        record_add(connection->stored, RECORD_MISSED, connection->domid, 1, 0);
    }
}

void watch_tell(struct store_watch *watch, const char *path, size_t size)
{
    struct store_connection *connection = watch->connection;
    const struct xsd_sockmsg head = { .type = XS_WATCH_EVENT,
                                      .len = (uint32_t)(size + watch->token_size + 2) };
    const size_t more = sizeof(head) + head.len;
    struct stored *stored = connection->stored;
    char text[XENSTORE_ABS_PATH_MAX + 1];

    if (connection->failed || (connection->ring && connection->missed)) {
        stored->counters.missed_events++;
        return;
    }
    if (connection->domid == 0) {
        if (bytes_size(&connection->out) > DOM0_OUTSTANDING) {
            miss(connection);
            return;
        }
    } else {
        struct store_domain *domain = domain_find(stored->domains, connection->domid);

        domain->use.used[QUOTA_OUTSTANDING] = bytes_size(&connection->out);
        if (quota_check(&domain->use, &stored->domains->limits, QUOTA_OUTSTANDING, more) < 0) {
            miss(connection);
            return;
        }
    }
    if (head.len > XENSTORE_PAYLOAD_MAX ||
        bytes_reserve(&connection->out,
                      more + (connection == stored->answering ? MESSAGE_MAX : 0)) < 0) {
        miss(connection);
        return;
    }
    memcpy(text, path, size);
    text[size] = '\0';
    stored->counters.events++;
    put_message(connection, &head, text, size + 1, watch_token(watch));
}

/* A change, as it concerns each watch. */
struct telling {
    struct stored *stored;
    const struct store_perms *perms;
    const struct store_perms *above;
    /* The last answer: a guest's watches of one path follow each other. */
    const struct store_node *node;
    uint32_t domid;
    bool knows;
};

static bool may_know(const struct stored *stored, const struct store_perms *perms, uint32_t domid)
{
    return perms != NULL && (perms_access(stored->domains, perms, domid) & PERM_READ) != 0;
}

static void tell_one(void *context, struct store_watch *watch, const char *path, size_t size,
                     const struct store_node *node)
{
    struct telling *telling = context;
    const struct store_perms *perms = node == NULL ? telling->perms : node->perms;
    const struct store_perms *above = node == NULL ? telling->above : node->parent->perms;
    const uint32_t domid = watch->connection->domid;

    /* A guest learns only of what it may read, or could list. */
    if (domid != 0 && (domid != telling->domid || node != telling->node)) {
        telling->knows =
            may_know(telling->stored, perms, domid) || may_know(telling->stored, above, domid);
        telling->domid = domid;
        telling->node = node;
    }
    if (domid == 0 || telling->knows) {
        watch_tell(watch, path + watch->stripped, size - watch->stripped);
    }
}

void change_tell(struct stored *stored, const char *path, size_t size,
                 const struct store_perms *perms, const struct store_perms *above)
{
    struct telling telling = { .stored = stored, .perms = perms, .above = above };

    if (stored->watches.count != 0 && !stored->replaying) {
        watches_match(&stored->watches, path, size, tell_one, &telling);
    }
}

static void tell_node(struct stored *stored, const char *path, size_t size,
                      const struct store_node *node)
{
    change_tell(stored, path, size, node->perms, node->parent == NULL ? NULL : node->parent->perms);
}

struct store_perms *change_inherit(const struct stored *stored, struct store_perms *from,
                                   uint32_t creator)
{
    if (creator == 0 || perms_owner(from) == creator) {
        return perms_hold(from);
    }
    return perms_for_owner(stored->domains, from, creator, stored->tree.generation + 1);
}

static void record_node(struct stored *stored, const char *path, size_t size,
                        const struct store_node *node)
{
    struct journal_record record = {
        .type = RECORD_NODE,
        .numbers = { node->perms->generation },
        .parts = { { path, size }, { node->value, node->value_size } },
    };

    if (node->parent == NULL || node->perms != node->parent->perms) {
        record.parts[2].data = (const char *)node->perms->entries;
        record.parts[2].size = node->perms->count * sizeof(struct store_perm);
    }
    journal_add(stored->journal, &record);
}

static void record_value(struct stored *stored, const char *path, size_t size,
                         const struct store_node *node)
{
    const struct journal_record record = {
        .type = RECORD_VALUE,
        .parts = { { path, size }, { node->value, node->value_size } },
    };

    journal_add(stored->journal, &record);
}

static void record_perms(struct stored *stored, const char *path, size_t size,
                         const struct store_perms *perms)
{
    const struct journal_record record = {
        .type = RECORD_PERMS,
        .numbers = { perms->generation },
        .parts = { { path, size },
                   { (const char *)perms->entries, perms->count * sizeof(struct store_perm) } },
    };

    journal_add(stored->journal, &record);
}

static void free_chain(struct store_node *chain)
{
    while (chain != NULL) {
        struct store_node *next = chain->next;

        tree_node_free(chain);
        chain = next;
    }
}

/* Nodes for what `walk` stands on and all after it, the last with room for a value. */
static struct store_node *new_chain(const char *path, struct path_walk walk, size_t value_size,
                                    size_t *count)
{
    struct store_node *chain = NULL;
    struct store_node **end = &chain;

    *count = 0;
    do {
        const bool last = walk.at + walk.size == walk.end;

        *end = tree_node_new(path, (size_t)(walk.at + walk.size - path), last ? value_size : 0);
        if (*end == NULL) {
            free_chain(chain);
            return NULL;
        }
        end = &(*end)->next;
        (*count)++;
    } while (path_walk_next(&walk));
    return chain;
}

/* Nodes to be made: what `walk` stands on below `parent`, and all after it. */
struct making {
    const char *path;
    struct path_walk walk;
    struct store_node *parent;
    size_t value_size; /* of the last */
    uint32_t creator;
};

/* The last of them, or NULL: no memory. */
static struct store_node *make(struct stored *stored, const struct making *making)
{
    struct store_node *parent = making->parent;
    struct store_perms *perms = change_inherit(stored, parent->perms, making->creator);
    struct store_node *chain;
    size_t count;

    if (perms == NULL) {
        return NULL;
    }
    chain = new_chain(making->path, making->walk, making->value_size, &count);
    if (chain == NULL || tree_reserve(&stored->tree, count) < 0 ||
        tree_reserve_owner(&stored->tree, perms_owner(perms)) < 0) {
        free_chain(chain);
        perms_drop(perms);
        return NULL;
    }
    while (chain != NULL) {
        struct store_node *node = chain;

        chain = chain->next;
        node->next = NULL;
        tree_attach(&stored->tree, parent, node, perms_hold(perms));
        if (chain != NULL) {
            record_node(stored, node->path, node->path_size, node);
        }
        parent = node;
    }
    perms_drop(perms);
    return parent;
}

int change_write(struct stored *stored, const char *path, size_t size, const char *value,
                 size_t value_size, uint32_t creator)
{
    struct path_walk walk;
    struct store_node *node = tree_nearest(&stored->tree, path, size, &walk);
    if (walk.size == 0) {
        if (tree_reserve_value(&stored->tree, node, value_size) < 0) {
            return -ENOMEM;
        }
        tree_set_value(&stored->tree, node, value, value_size);
        record_value(stored, path, size, node);
    } else {
        const struct making making = { path, walk, node, value_size, creator };

        node = make(stored, &making);
        if (node == NULL) {
            return -ENOMEM;
        }
        tree_set_value(&stored->tree, node, value, value_size);
        record_node(stored, path, size, node);
    }
    tell_node(stored, path, size, node);
    return 0;
}

int change_perms(struct stored *stored, const char *path, size_t size, struct store_node *node,
                 struct store_perms *perms)
{
    struct store_perms *old = node->perms;

    if (tree_reserve_owner(&stored->tree, perms_owner(perms)) < 0) {
        return -ENOMEM;
    }
    perms_hold(old);
    tree_set_perms(&stored->tree, node, perms_hold(perms));
    record_perms(stored, path, size, perms);
    /* Who could read it before learns of it too. */
    change_tell(stored, path, size, perms, old);
    perms_drop(old);
    return 0;
}

void change_remove(struct stored *stored, const char *path, size_t size, struct store_node *node)
{
    const struct journal_record record = { .type = RECORD_REMOVE, .parts = { { path, size } } };
    struct telling telling = { .stored = stored, .perms = node->perms };
    char text[XENSTORE_ABS_PATH_MAX + 1];

    if (stored->watches.count != 0 && !stored->replaying) {
        tell_node(stored, path, size, node);
        memcpy(text, path, size);
        text[size] = '\0';
        watches_match_below(&stored->watches, node, text, tell_one, &telling);
    }
    journal_add(stored->journal, &record); /* `path` may be the node's own */
    tree_remove(&stored->tree, node);
}

static void commit_entry(struct stored *stored, struct transaction_entry *entry)
{
    const size_t up = path_parent(entry->path, entry->path_size);
    struct store_node *node;

    if (entry->fresh != NULL) {
        node = entry->fresh;
        entry->fresh = NULL;
        tree_attach(&stored->tree, tree_find(&stored->tree, entry->path, up), node,
                    perms_hold(entry->perms));
        tree_set_value(&stored->tree, node, entry->value, entry->value_size);
        record_node(stored, entry->path, entry->path_size, node);
    } else {
        node = tree_find(&stored->tree, entry->path, entry->path_size);
        if (node->perms != entry->perms) {
            tree_set_perms(&stored->tree, node, perms_hold(entry->perms));
            record_perms(stored, entry->path, entry->path_size, node->perms);
        }
        tree_set_value(&stored->tree, node, entry->value, entry->value_size);
        record_value(stored, entry->path, entry->path_size, node);
    }
    if (!entry->quiet) {
        tell_node(stored, entry->path, entry->path_size, node);
    }
}

void change_commit(struct stored *stored, struct store_transaction *transaction)
{
    for (struct transaction_entry *entry = transaction->first_change; entry != NULL;
         entry = entry->next_change) {
        struct store_node *node =
            entry->hides ? tree_find(&stored->tree, entry->path, entry->path_size) : NULL;

        if (node != NULL) {
            change_remove(stored, entry->path, entry->path_size, node);
        }
    }
    for (struct transaction_entry *entry = transaction->first_change; entry != NULL;
         entry = entry->next_change) {
        if (entry->exists) {
            commit_entry(stored, entry);
        }
    }
}

void change_remove_owned(struct stored *stored, uint32_t domid)
{
    struct store_domain *domain = domain_find(stored->domains, domid);

    while (domain != NULL && domain->nodes != NULL) {
        struct store_node *node = domain->nodes;

        while (node->parent->parent != NULL && perms_owner(node->parent->perms) == domid) {
            node = node->parent;
        }
        change_remove(stored, node->path, node->path_size, node);
    }
}
