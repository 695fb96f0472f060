/* SPDX-License-Identifier: MIT */
/* Connections and domains of the store: see stored.h. */
#include "dom0-tools/store/stored.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dom0-tools/store/store_change.h"
#include "dom0-tools/store/store_record.h"

static const char *const special_paths[SPECIAL_COUNT] = { "@introduceDomain", "@releaseDomain" };

int stored_init(struct stored *stored, const struct stored_wires *wires)
{
    const struct store_perm nobody = { .domid = 0, .access = 0 };

    *stored = (struct stored){ .wires = *wires };
    stored->ready_end = &stored->ready;
    stored->domains = domains_new();
    if (stored->domains == NULL) {
        return -ENOMEM;
    }
    if (tree_init(&stored->tree, stored->domains) < 0) {
        goto free_domains;
    }
    if (watches_init(&stored->watches, &stored->tree) < 0) {
        goto free_tree;
    }
    for (int i = 0; i < SPECIAL_COUNT; i++) {
        stored->special[i] = perms_new(&nobody, 1, 1);
        if (stored->special[i] == NULL) {
            goto free_special;
        }
    }
    return 0;

free_special:
    for (int i = 0; i < SPECIAL_COUNT; i++) {
        perms_drop(stored->special[i]);
    }
    watches_free(&stored->watches);
free_tree:
    tree_free(&stored->tree);
free_domains:
    domains_free(stored->domains);
    return -ENOMEM;
}

int stored_populate(struct stored *stored)
{
    static const char first[] = "/tool/xenstored";

    return change_write(stored, first, sizeof(first) - 1, "", 0, 0);
}

void stored_free(struct stored *stored)
{
    stored->journal = NULL; /* what ends with the process is no change */
    while (stored->sockets != NULL) {
        connection_free(stored->sockets); /* NOLINT: the next takes its place */
    }
    for (struct store_domain *domain = stored->domains->all; domain != NULL;
         domain = domain->next) {
        if (domain->ring != NULL) {
            connection_free(domain->ring);
        }
    }
    for (int i = 0; i < SPECIAL_COUNT; i++) {
        perms_drop(stored->special[i]);
    }
    watches_free(&stored->watches);
    tree_free(&stored->tree);
    domains_free(stored->domains);
}

struct store_connection *connection_new(struct stored *stored, uint32_t domid, bool ring)
{
    struct store_domain *domain = domain_get(stored->domains, domid);
    struct store_connection *connection = calloc(1, sizeof(*connection));

    if (domain == NULL || connection == NULL) {
        free(connection);
        return NULL;
    }
    connection->stored = stored;
    connection->domid = domid;
    connection->ring = ring;
    connection->fd = -1;
    if (ring) {
        domain->ring = connection;
    } else {
        connection->next = stored->sockets;
        if (connection->next != NULL) {
            connection->next->previous = connection;
        }
        stored->sockets = connection;
    }
    return connection;
}

/* What its domain may hold is charged here; dom0's is not. */
static void uncharge(struct store_connection *connection, enum quota what, uint64_t amount)
{
    struct store_domain *domain = domain_find(connection->stored->domains, connection->domid);

    domain->use.used[what] -= amount;
}

uint64_t watch_weight(const struct store_path *path, size_t token_size)
{
    struct path_walk walk = path_walk_begin(path->text, path->size);
    uint64_t weight = sizeof(struct store_watch) + path->size + token_size;

    while (path_walk_next(&walk)) {
        weight += sizeof(struct watch_point);
    }
    return weight;
}

void connection_add_watch(struct store_connection *connection, struct store_watch *watch,
                          const struct store_path *path)
{
    struct store_domain *domain = domain_find(connection->stored->domains, connection->domid);

    watch->connection = connection;
    watch->charged = (uint32_t)watch_weight(path, watch->token_size);
    domain->use.used[QUOTA_WATCHES]++;
    domain->use.used[QUOTA_MEMORY] += watch->charged;
    watch->next = connection->watches;
    if (watch->next != NULL) {
        watch->next->previous = watch;
    }
    connection->watches = watch;
}

struct store_transaction *connection_find_transaction(const struct store_connection *connection,
                                                      uint32_t id)
{
    struct store_transaction *transaction = connection->transactions;

    while (transaction != NULL && transaction->id != id) {
        transaction = transaction->next;
    }
    return transaction;
}

struct store_transaction *connection_begin_transaction(struct store_connection *connection,
                                                       uint32_t id)
{
    struct store_domain *domain = domain_find(connection->stored->domains, connection->domid);
    struct store_transaction *transaction =
        transaction_new(id, &connection->stored->counters.steps);

    if (transaction != NULL) {
        transaction->next = connection->transactions;
        connection->transactions = transaction;
        connection->last_transaction = id;
        domain->use.used[QUOTA_TRANSACTIONS]++;
    }
    return transaction;
}

void connection_unwatch(struct store_connection *connection, struct store_watch *watch)
{
    if (watch->next != NULL) {
        watch->next->previous = watch->previous;
    }
    if (watch->previous != NULL) {
        watch->previous->next = watch->next;
    } else {
        connection->watches = watch->next;
    }
    uncharge(connection, QUOTA_WATCHES, 1);
    uncharge(connection, QUOTA_MEMORY, watch->charged);
    watch_remove(&connection->stored->watches, watch);
}

void connection_end_transaction(struct store_connection *connection,
                                struct store_transaction *transaction)
{
    struct store_transaction **at = &connection->transactions;

    while (*at != transaction) {
        at = &(*at)->next;
    }
    *at = transaction->next;
    uncharge(connection, QUOTA_TRANSACTIONS, 1);
    uncharge(connection, QUOTA_MEMORY, transaction->charged);
    transaction_free(transaction);
}

static void drop_all(struct store_connection *connection)
{
    while (connection->watches != NULL) {
        connection_unwatch(connection, connection->watches);
    }
    while (connection->transactions != NULL) {
        connection_end_transaction(connection, connection->transactions);
    }
}

void connection_reset(struct store_connection *connection)
{
    drop_all(connection);
    connection->missed = false;
    if (connection->ring) {
        record_add(connection->stored, RECORD_RESET, connection->domid, 0, 0);
    }
}

void stored_ready(struct store_connection *connection)
{
    struct stored *stored = connection->stored;

    if (!connection->is_ready) {
        connection->is_ready = true;
        connection->next_ready = NULL;
        *stored->ready_end = connection;
        stored->ready_end = &connection->next_ready;
    }
}

static void unready(struct store_connection *connection)
{
    struct stored *stored = connection->stored;
    struct store_connection **at = &stored->ready;

    if (!connection->is_ready) {
        return;
    }
    while (*at != connection) {
        at = &(*at)->next_ready;
    }
    *at = connection->next_ready;
    if (stored->ready_end == &connection->next_ready) {
        stored->ready_end = at;
    }
    connection->is_ready = false;
}

struct store_connection *stored_next_ready(struct stored *stored)
{
    struct store_connection *connection = stored->ready;

    if (connection != NULL) {
        unready(connection);
    }
    return connection;
}

void connection_free(struct store_connection *connection)
{
    struct stored *stored = connection->stored;

    drop_all(connection);
    unready(connection);
    if (connection->ring) {
        stored->wires.detach(stored->wires.context, connection);
        domain_find(stored->domains, connection->domid)->ring = NULL;
    } else {
        if (connection->next != NULL) {
            connection->next->previous = connection->previous;
        }
        if (connection->previous != NULL) {
            connection->previous->next = connection->next;
        } else {
            stored->sockets = connection->next;
        }
    }
    bytes_free(&connection->out);
    bytes_free(&connection->in);
    free(connection);
}

void stored_sent(struct store_connection *connection)
{
    if (!connection->missed || bytes_size(&connection->out) != 0) {
        return;
    }
    connection->missed = false;
    record_add(connection->stored, RECORD_MISSED, connection->domid, 0, 0);
    for (struct store_watch *watch = connection->watches; watch != NULL; watch = watch->next) {
        watch_tell(watch, watch->text, watch->path_size);
    }
    journal_commit(connection->stored->journal);
}

/* --- rings ------------------------------------------------------------------- */

void stored_ring_moved(struct store_connection *connection, const char *data, size_t size,
                       uint32_t consumed)
{
    const struct journal_record record = { .type = RECORD_PART_IN,
                                           .domid = connection->domid,
                                           .numbers = { consumed },
                                           .parts = { { data, size } } };

    bytes_add(&connection->in, data, size);
    connection->consumed = consumed;
    journal_add(connection->stored->journal, &record);
    journal_commit(connection->stored->journal);
}

void stored_ring_begins(struct store_connection *connection, uint32_t consumed, uint32_t produced)
{
    drop_all(connection);
    bytes_free(&connection->in);
    bytes_free(&connection->out);
    connection->missed = false;
    connection->failed = false;
    connection->begun = true;
    connection->consumed = consumed;
    connection->produced = produced;
    record_add(connection->stored, RECORD_RING, connection->domid, consumed, produced);
    journal_commit(connection->stored->journal);
}

void stored_ring_follows(struct store_connection *connection, uint32_t consumed, uint32_t produced)
{
    struct stored *stored = connection->stored;

    bytes_free(&connection->in);
    bytes_free(&connection->out);
    connection->missed = true;
    connection->consumed = consumed;
    connection->produced = produced;
    record_add(stored, RECORD_IN, connection->domid, consumed, 0);
    record_add(stored, RECORD_OUT, connection->domid, produced, 0);
    record_add(stored, RECORD_MISSED, connection->domid, 1, 0);
    journal_commit(stored->journal);
}

/* --- domains ------------------------------------------------------------------- */

static void tell_special(struct stored *stored, int which)
{
    const char *path = special_paths[which];

    change_tell(stored, path, strlen(path), stored->special[which], NULL);
}

int stored_special(const char *path, size_t size)
{
    for (int i = 0; i < SPECIAL_COUNT; i++) {
        if (strlen(special_paths[i]) == size && memcmp(special_paths[i], path, size) == 0) {
            return i;
        }
    }
    return -ENOENT;
}

int stored_introduce(struct stored *stored, uint32_t domid, uint64_t mfn, uint32_t port)
{
    struct store_domain *domain = domain_get(stored->domains, domid);
    struct store_connection *ring;
    int r;

    if (domain == NULL) {
        return -ENOMEM;
    }
    ring = domain->ring != NULL ? domain->ring : connection_new(stored, domid, true);
    if (ring == NULL) {
        return -ENOMEM;
    }
    stored->wires.detach(stored->wires.context, ring);
    r = stored->wires.attach(stored->wires.context, ring, mfn, port);
    if (r < 0) {
        if (!domain->introduced) {
            connection_free(ring);
            domain_drop(stored->domains, domain);
        }
        return r;
    }
    if (!domain->introduced) {
        domain->introduced = true;
        record_add(stored, RECORD_DOMAIN, domid, mfn, port);
        record_add(stored, RECORD_RING, domid, ring->consumed, ring->produced);
    } else {
        record_add(stored, RECORD_DOMAIN, domid, mfn, port);
    }
    domain->shutdown = false;
    domain->mfn = mfn;
    domain->port = port;
    tell_special(stored, SPECIAL_INTRODUCE);
    return 0;
}

int stored_introduce_dom0(struct stored *stored)
{
    struct store_domain *domain = domain_find(stored->domains, 0);
    struct store_connection *ring = domain->ring;
    int r;

    if (ring == NULL) {
        ring = connection_new(stored, 0, true);
        if (ring == NULL) {
            return -ENOMEM;
        }
    }
    r = stored->wires.attach(stored->wires.context, ring, 0, 0);
    if (r < 0) {
        return r;
    }
    if (!domain->introduced) {
        domain->introduced = true;
        record_add(stored, RECORD_DOMAIN, 0, 0, 0);
        record_add(stored, RECORD_RING, 0, ring->consumed, ring->produced);
        journal_commit(stored->journal);
    }
    return 0;
}

void stored_forget_domain(struct stored *stored, uint32_t domid, uint64_t generation)
{
    struct store_domain *domain = domain_find(stored->domains, domid);

    if (domain->ring != NULL) {
        connection_free(domain->ring);
    }
    domain->introduced = false;
    domain->has_target = false;
    for (struct store_domain *other = stored->domains->all; other != NULL; other = other->next) {
        other->has_target = other->has_target && other->target != domid;
    }
    change_remove_owned(stored, domid);
    stored->domains->ended[domid] = generation;
    domain_drop(stored->domains, domain);
}

void stored_domain_gone(struct stored *stored, uint32_t domid)
{
    if (domid == 0 || domain_find(stored->domains, domid) == NULL) {
        return;
    }
    stored->tree.generation++;
    stored_forget_domain(stored, domid, stored->tree.generation);
    record_add(stored, RECORD_GONE, domid, stored->domains->ended[domid], 0);
}

bool stored_domain_shut_down(struct stored *stored, uint32_t domid)
{
    struct store_domain *domain = domain_find(stored->domains, domid);

    if (domain == NULL || domain->shutdown) {
        return false;
    }
    domain->shutdown = true;
    record_add(stored, RECORD_SHUTDOWN, domid, 1, 0);
    return true;
}

void stored_tell_released(struct stored *stored)
{
    struct store_domain *next;

    /* Of those that only had nodes, which are gone too by now, nobody says that they end. */
    for (struct store_domain *domain = stored->domains->all; domain != NULL; domain = next) {
        next = domain->next;
        domain_drop(stored->domains, domain);
    }
    tell_special(stored, SPECIAL_RELEASE);
}
