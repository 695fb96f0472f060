/* SPDX-License-Identifier: MIT */
/*
 * From the journal back to a store, and from the store to a short journal.
 *
 * A record that makes no sense changes nothing: the journal is ours, but a
 * daemon that dies at its own start helps nobody.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dom0-tools/store/store_record.h"

/* So that nothing is taken for older than it is. */
#define GENERATIONS_SKIPPED UINT64_C(1000000)

static void saw_generation(struct stored *stored, uint64_t generation)
{
    if (generation > stored->tree.generation) {
        stored->tree.generation = generation;
    }
}

static struct store_perms *perms_of(const struct journal_record *record, int part)
{
    const size_t count = record->parts[part].size / sizeof(struct store_perm);
    struct store_perm entries[PERMS_LIMIT];

    if (count == 0 || count > PERMS_LIMIT) {
        return NULL;
    }
    memcpy(entries, record->parts[part].data, count * sizeof(entries[0]));
    return perms_new(entries, count, record->numbers[0]);
}

static struct store_node *node_of(const struct stored *stored, const struct journal_record *record)
{
    return tree_find(&stored->tree, record->parts[0].data, record->parts[0].size);
}

static struct store_connection *ring_of(const struct stored *stored,
                                        const struct journal_record *record)
{
    const struct store_domain *domain = domain_find(stored->domains, record->domid);

    return domain == NULL ? NULL : domain->ring;
}

static void replay_value(struct stored *stored, struct store_node *node,
                         const struct journal_record *record)
{
    if (node != NULL && tree_reserve_value(&stored->tree, node, record->parts[1].size) == 0) {
        tree_set_value(&stored->tree, node, record->parts[1].data, record->parts[1].size);
    }
}

static void replay_node(struct stored *stored, const struct journal_record *record)
{
    const char *path = record->parts[0].data;
    const size_t size = record->parts[0].size;
    struct store_node *node = node_of(stored, record);
    struct store_node *parent;
    struct store_perms *perms;

    saw_generation(stored, record->numbers[0]);
    if (node == NULL && size > 1) {
        parent = tree_find(&stored->tree, path, path_parent(path, size));
        if (parent == NULL) {
            return;
        }
        perms = record->parts[2].size == 0 ? perms_hold(parent->perms) : perms_of(record, 2);
        node = tree_node_new(path, size, 0);
        if (perms == NULL || node == NULL || tree_reserve(&stored->tree, 1) < 0 ||
            tree_reserve_owner(&stored->tree, perms_owner(perms)) < 0) {
            perms_drop(perms);
            tree_node_free(node);
            return;
        }
        tree_attach(&stored->tree, parent, node, perms);
    }
    replay_value(stored, node, record);
}

static void replay_perms(struct stored *stored, const struct journal_record *record)
{
    struct store_node *node = node_of(stored, record);
    struct store_perms *perms = perms_of(record, 1);

    saw_generation(stored, record->numbers[0]);
    /* As for a request: the root is nobody's to take along. */
    if (node == NULL || perms == NULL || (node->parent == NULL && perms_owner(perms) != 0) ||
        tree_reserve_owner(&stored->tree, perms_owner(perms)) < 0) {
        perms_drop(perms);
        return;
    }
    tree_set_perms(&stored->tree, node, perms);
}

/* The path that is watched, resolved again from what was given. */
static bool watched_path(const struct journal_record *record, struct store_path *path)
{
    const char *text = record->parts[0].data;
    const size_t size = record->parts[0].size;
    char home[32];
    size_t skipped = 0;

    if (record->numbers[1] != 0) {
        skipped = path_home(home, sizeof(home) - 1, record->domid) + 1;
        home[skipped - 1] = '/';
        if (size < skipped || memcmp(text, home, skipped) != 0) {
            return false;
        }
    }
    return path_resolve(path, text + skipped, size - skipped, record->domid) == 0;
}

static void replay_watch(struct stored *stored, const struct journal_record *record)
{
    struct store_connection *ring = ring_of(stored, record);
    struct store_watch *watch;
    struct store_path path;

    if (ring == NULL || !watched_path(record, &path)) {
        return;
    }
    watch = watch_add(&stored->watches, &path, record->parts[1].data, record->parts[1].size,
                      (uint32_t)record->numbers[0]);
    if (watch != NULL) {
        connection_add_watch(ring, watch, &path);
    }
}

static void replay_unwatch(struct stored *stored, const struct journal_record *record)
{
    struct store_connection *ring = ring_of(stored, record);
    struct store_path path = { .size = (uint32_t)record->parts[0].size,
                               .relative = record->numbers[1] != 0 };
    char token[XENSTORE_PAYLOAD_MAX + 1];
    struct store_watch *watch;

    if (ring == NULL || path.size > XENSTORE_ABS_PATH_MAX ||
        record->parts[1].size > XENSTORE_PAYLOAD_MAX) {
        return;
    }
    memcpy(path.text, record->parts[0].data, path.size);
    path.text[path.size] = '\0';
    memcpy(token, record->parts[1].data, record->parts[1].size);
    token[record->parts[1].size] = '\0';
    watch = watch_find(&stored->watches, &path, token, ring);
    if (watch != NULL) {
        connection_unwatch(ring, watch);
    }
}

static void replay_domain(struct stored *stored, const struct journal_record *record)
{
    struct store_domain *domain = domain_get(stored->domains, record->domid);

    if (domain == NULL ||
        (domain->ring == NULL && connection_new(stored, record->domid, true) == NULL)) {
        return;
    }
    domain->introduced = true;
    domain->shutdown = false;
    domain->mfn = record->numbers[0];
    domain->port = (uint32_t)record->numbers[1];
}

static void replay_out(struct store_connection *ring, const struct journal_record *record)
{
    const uint32_t produced = (uint32_t)record->numbers[0];
    const uint32_t given = produced - ring->produced;

    /* What had been given when this was added need not be kept; see stored_ring_follows() too. */
    if (given <= bytes_size(&ring->out)) {
        bytes_take(&ring->out, given);
    } else {
        bytes_free(&ring->out);
    }
    ring->produced = produced;
    if (bytes_reserve(&ring->out, record->parts[0].size) == 0) {
        bytes_add(&ring->out, record->parts[0].data, record->parts[0].size);
    }
}

static void replay_ring(struct store_connection *ring, const struct journal_record *record)
{
    struct store_transaction *transaction;

    switch ((enum store_record)record->type) {
    case RECORD_RING:
        stored_ring_begins(ring, (uint32_t)record->numbers[0], (uint32_t)record->numbers[1]);
        break;
    case RECORD_IN:
        ring->consumed = (uint32_t)record->numbers[0];
        bytes_free(&ring->in);
        break;
    case RECORD_PART_IN:
        ring->consumed = (uint32_t)record->numbers[0];
        if (bytes_reserve(&ring->in, record->parts[0].size) == 0) {
            bytes_add(&ring->in, record->parts[0].data, record->parts[0].size);
        }
        break;
    case RECORD_OUT:
        replay_out(ring, record);
        break;
    case RECORD_MISSED:
        ring->missed = record->numbers[0] != 0;
        break;
    case RECORD_BEGIN:
        transaction = connection_begin_transaction(ring, (uint32_t)record->numbers[0]);
        if (transaction != NULL) {
            transaction->doomed = true;
        }
        break;
    case RECORD_END:
        transaction = connection_find_transaction(ring, (uint32_t)record->numbers[0]);
        if (transaction != NULL) {
            connection_end_transaction(ring, transaction);
        }
        break;
    case RECORD_RESET:
        connection_reset(ring);
        break;
    case RECORD_NODE:
    case RECORD_VALUE:
    case RECORD_PERMS:
    case RECORD_REMOVE:
    case RECORD_DOMAIN:
    case RECORD_TARGET:
    case RECORD_SHUTDOWN:
    case RECORD_GONE:
    case RECORD_WATCH:
    case RECORD_UNWATCH:
    case RECORD_ENDED:
    case RECORD_SPECIAL:
    case RECORD_QUOTA:
    case RECORD_GENERATION:
        break;
    }
}

static void replay_small(struct stored *stored, const struct journal_record *record)
{
    struct store_domain *domain = domain_find(stored->domains, record->domid);
    const uint64_t value = record->numbers[0];
    struct store_perms *perms;
    char name[32] = "";
    enum quota what;

    switch (record->type) {
    case RECORD_TARGET:
        if (domain != NULL) {
            domain->has_target = true;
            domain->target = (uint32_t)value;
        }
        break;
    case RECORD_SHUTDOWN:
        if (domain != NULL) {
            domain->shutdown = value != 0;
        }
        break;
    case RECORD_GONE:
        saw_generation(stored, value);
        if (domain != NULL && record->domid != 0) {
            stored_forget_domain(stored, record->domid, value);
        }
        break;
    case RECORD_ENDED:
        if (record->domid < STORE_DOMIDS) {
            stored->domains->ended[record->domid] = value;
        }
        break;
    case RECORD_SPECIAL:
        perms = perms_of(record, 0);
        if (perms != NULL && record->numbers[1] < SPECIAL_COUNT) {
            perms_drop(stored->special[record->numbers[1]]);
            stored->special[record->numbers[1]] = perms;
        } else {
            perms_drop(perms);
        }
        break;
    case RECORD_QUOTA:
        if (record->parts[0].size < sizeof(name)) {
            memcpy(name, record->parts[0].data, record->parts[0].size);
        }
        if (quota_find(name, &what) == 0) {
            stored->domains->limits.limit[what] = value;
        }
        break;
    default:
        saw_generation(stored, value);
        break;
    }
}

void stored_replay(void *context, const struct journal_record *record)
{
    struct stored *stored = context;
    struct store_connection *ring = ring_of(stored, record);
    struct store_node *node;

    stored->restored = true;
    stored->replaying = true;
    switch (record->type) {
    case RECORD_NODE:
        replay_node(stored, record);
        break;
    case RECORD_VALUE:
        replay_value(stored, node_of(stored, record), record);
        break;
    case RECORD_PERMS:
        replay_perms(stored, record);
        break;
    case RECORD_REMOVE:
        node = node_of(stored, record);
        if (node != NULL && node->parent != NULL) {
            tree_remove(&stored->tree, node);
        }
        break;
    case RECORD_DOMAIN:
        replay_domain(stored, record);
        break;
    case RECORD_WATCH:
        replay_watch(stored, record);
        break;
    case RECORD_UNWATCH:
        replay_unwatch(stored, record);
        break;
    case RECORD_TARGET:
    case RECORD_SHUTDOWN:
    case RECORD_GONE:
    case RECORD_ENDED:
    case RECORD_SPECIAL:
    case RECORD_QUOTA:
    case RECORD_GENERATION:
        replay_small(stored, record);
        break;
    default:
        if (ring != NULL) {
            replay_ring(ring, record);
        }
        break;
    }
}

/* --- the other way --------------------------------------------------------------- */

static void save_node(struct stored *stored, const struct store_node *node)
{
    struct journal_record record = {
        .type = RECORD_NODE,
        .numbers = { node->perms->generation },
        .parts = { { node->path, node->path_size }, { node->value, node->value_size } },
    };
    struct journal_record perms = {
        .type = RECORD_PERMS,
        .numbers = { node->perms->generation },
        .parts = { { node->path, node->path_size },
                   { (const char *)node->perms->entries,
                     node->perms->count * sizeof(struct store_perm) } },
    };

    if (node->parent == NULL) {
        journal_add(stored->journal, &record);
        journal_add(stored->journal, &perms);
        return;
    }
    if (node->perms != node->parent->perms) {
        record.parts[2] = perms.parts[1];
    }
    journal_add(stored->journal, &record);
}

static void save_ring(struct stored *stored, const struct store_connection *ring)
{
    const struct store_domain *domain = domain_find(stored->domains, ring->domid);
    const uint32_t domid = ring->domid;

    record_add(stored, RECORD_DOMAIN, domid, domain->mfn, domain->port);
    record_add(stored, RECORD_RING, domid, ring->consumed, ring->produced);
    if (bytes_size(&ring->in) != 0) {
        const struct journal_record in = { .type = RECORD_PART_IN,
                                           .domid = domid,
                                           .numbers = { ring->consumed },
                                           .parts = { { bytes_front(&ring->in),
                                                        bytes_size(&ring->in) } } };

        journal_add(stored->journal, &in);
    }
    if (bytes_size(&ring->out) != 0) {
        const struct journal_record out = { .type = RECORD_OUT,
                                            .domid = domid,
                                            .numbers = { ring->produced },
                                            .parts = { { bytes_front(&ring->out),
                                                         bytes_size(&ring->out) } } };

        journal_add(stored->journal, &out);
    }
    for (const struct store_watch *watch = ring->watches; watch != NULL; watch = watch->next) {
        char path[XENSTORE_ABS_PATH_MAX + 1];
        size_t home = 0;
        struct journal_record record = { .type = RECORD_WATCH,
                                         .domid = domid,
                                         .numbers = { watch->depth, watch->stripped != 0 } };

        if (watch->stripped != 0) {
            home = path_home(path, sizeof(path), domid);
            path[home] = '/';
            home++;
        }
        memcpy(path + home, watch->text, watch->path_size);
        record.parts[0].data = path;
        record.parts[0].size = home + watch->path_size;
        record.parts[1].data = watch_token(watch);
        record.parts[1].size = watch->token_size;
        journal_add(stored->journal, &record);
    }
    for (const struct store_transaction *transaction = ring->transactions; transaction != NULL;
         transaction = transaction->next) {
        record_add(stored, RECORD_BEGIN, domid, transaction->id, 0);
    }
    record_add(stored, RECORD_MISSED, domid, ring->missed, 0);
    record_add(stored, RECORD_SHUTDOWN, domid, domain->shutdown, 0);
    if (domain->has_target) {
        record_add(stored, RECORD_TARGET, domid, domain->target, 0);
    }
}

static void save_limits(struct stored *stored)
{
    for (enum quota what = QUOTA_NODES; what < QUOTA_COUNT; what++) {
        const char *name = quota_name(what);
        const struct journal_record record = { .type = RECORD_QUOTA,
                                               .numbers = { stored->domains->limits.limit[what] },
                                               .parts = { { name, strlen(name) } } };

        journal_add(stored->journal, &record);
    }
    for (int which = 0; which < SPECIAL_COUNT; which++) {
        const struct store_perms *perms = stored->special[which];
        const struct journal_record record = {
            .type = RECORD_SPECIAL,
            .numbers = { perms->generation, (uint64_t)which },
            .parts = { { (const char *)perms->entries, perms->count * sizeof(struct store_perm) } },
        };

        journal_add(stored->journal, &record);
    }
}

void stored_snapshot(void *context)
{
    struct stored *stored = context;

    for (uint32_t domid = 0; domid < STORE_DOMIDS; domid++) {
        if (stored->domains->ended[domid] != 0) {
            record_add(stored, RECORD_ENDED, domid, stored->domains->ended[domid], 0);
        }
    }
    save_limits(stored);
    for (const struct store_node *node = stored->tree.root; node != NULL;
         node = tree_after(node, stored->tree.root)) {
        save_node(stored, node);
    }
    for (const struct store_domain *domain = stored->domains->all; domain != NULL;
         domain = domain->next) {
        if (domain->ring != NULL) {
            save_ring(stored, domain->ring);
        }
    }
    record_add(stored, RECORD_GENERATION, 0, stored->tree.generation, 0);
}

int stored_compact(struct stored *stored)
{
    if (!journal_is_long(stored->journal)) {
        return 0;
    }
    return journal_compact(stored->journal, stored_snapshot, stored);
}

/* --- both -------------------------------------------------------------------------- */

/* After the last record: what has to be put right. */
static void replayed(struct stored *stored)
{
    stored->replaying = false;
    stored->tree.generation += GENERATIONS_SKIPPED;
    while (stored_next_ready(stored) != NULL) {
        /* Everybody is looked at once the wires are there. */
    }
}

int stored_restore(struct stored *stored, struct journal *journal, const char *directory,
                   bool fresh, struct vmctl_error *error)
{
    int r = journal_open(journal, directory, fresh, stored_replay, stored, error);

    if (r < 0) {
        return r;
    }
    replayed(stored);
    stored->journal = journal;
    if (!stored->restored) {
        r = stored_populate(stored);
        if (r < 0) {
            return vmctl_fail(error, r, "first nodes: %s", strerror(-r));
        }
    }
    /* Better begin with a short one.  Without room, the old one has all there is. */
    (void)journal_compact(journal, stored_snapshot, stored);
    return 0;
}
