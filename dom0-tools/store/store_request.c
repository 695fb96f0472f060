/* SPDX-License-Identifier: MIT */
/*
 * What clients may ask.
 *
 * Each kind of request is a row of `kinds`; the rows' checks are made before
 * the handler runs.  A handler puts its answer into `answer` or fails with an
 * errno, and then it has changed nothing.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0-tools/store/store_change.h"
#include "dom0-tools/store/store_record.h"
#include "dom0-tools/store/stored.h"

/* So that an event of the longest path still fits a message. */
#define TOKEN_MAX (XENSTORE_PAYLOAD_MAX - XENSTORE_ABS_PATH_MAX - 2)

struct request {
    struct store_connection *connection;
    struct stored *stored;
    struct store_domain *domain; /* the caller's */
    struct store_transaction *transaction;
    const char *payload; /* with a zero byte behind it */
    size_t size;
    struct store_path path; /* of those kinds that have one */
    const char *rest;       /* of the payload, behind the path's zero byte */
    size_t rest_size;
    char answer[XENSTORE_PAYLOAD_MAX];
    size_t answer_size;
};

typedef int request_fn(struct request *request);

#define TAKES_PATH     1U  /* the payload begins with one */
#define TAKES_SPECIAL  2U  /* it may be special */
#define IN_TRANSACTION 4U  /* may be in one */
#define PRIVILEGED     8U  /* dom0's alone */
#define TEXT           16U /* the payload ends with a zero byte */

static void answer_text(struct request *request, const char *text)
{
    request->answer_size = strlen(text) + 1;
    memcpy(request->answer, text, request->answer_size);
}

static void answer_ok(struct request *request)
{
    answer_text(request, "OK");
}

static bool is_dom0(const struct request *request)
{
    return request->connection->domid == 0;
}

/* May the caller's domain have `amount` more? */
static int check(struct request *request, enum quota what, uint64_t amount)
{
    if (is_dom0(request)) {
        return 0;
    }
    return quota_check(&request->domain->use, &request->stored->domains->limits, what, amount);
}

/* For quotas that do not add up. */
static int check_size(struct request *request, enum quota what, uint64_t size)
{
    request->domain->use.used[what] = 0;
    return check(request, what, size);
}

static int number(const char **at, const char *end, uint64_t most, uint64_t *value)
{
    const char *from = *at;
    const char *digit = from;
    uint64_t sum = 0;

    for (; digit < end && *digit != '\0'; digit++) {
        if (*digit < '0' || *digit > '9' || sum > (most - (uint64_t)(*digit - '0')) / 10) {
            return -EINVAL;
        }
        sum = sum * 10 + (uint64_t)(*digit - '0');
    }
    if (digit == from || digit >= end) {
        return -EINVAL;
    }
    *at = digit + 1;
    *value = sum;
    return 0;
}

/* --- looking ------------------------------------------------------------------- */

static int look_at(struct request *request, const char *path, size_t size, struct store_look *look)
{
    const struct store_node *node;

    if (request->transaction != NULL) {
        return transaction_look(request->transaction, &request->stored->tree, path, size, look);
    }
    node = tree_find(&request->stored->tree, path, size);
    *look = (struct store_look){ .found = false };
    if (node != NULL) {
        *look = (struct store_look){ .found = true,
                                     .value = node->value,
                                     .value_size = node->value_size,
                                     .perms = node->perms };
    }
    return 0;
}

static bool may(const struct request *request, const struct store_perms *perms, unsigned int wanted)
{
    return (perms_access(request->stored->domains, perms, request->connection->domid) & wanted) ==
           wanted;
}

/*
 * The node of the request, which the caller must have the right to use.  Where
 * there is none, the deepest one above it decides, and *above (if not NULL) is
 * the size of its path; then -ENOENT tells no more than the caller may know.
 */
static int look_for(struct request *request, unsigned int wanted, struct store_look *look,
                    size_t *above)
{
    size_t size = request->path.size;
    int r = look_at(request, request->path.text, size, look);

    if (r < 0) {
        return r;
    }
    if (look->found) {
        return may(request, look->perms, wanted) ? 0 : -EACCES;
    }
    do {
        request->stored->counters.steps++;
        size = path_parent(request->path.text, size);
        r = look_at(request, request->path.text, size, look);
        if (r < 0) {
            return r;
        }
    } while (!look->found);
    if (above != NULL) {
        *above = size;
    }
    return may(request, look->perms, wanted) ? -ENOENT : -EACCES;
}

static int do_read(struct request *request)
{
    struct store_look look;
    int r = look_for(request, PERM_READ, &look, NULL);

    if (r < 0) {
        return r;
    }
    memcpy(request->answer, look.value_size == 0 ? "" : look.value, look.value_size);
    request->answer_size = look.value_size;
    return 0;
}

/* Names, from `skip` bytes of the whole list on, as many as fit. */
struct names {
    struct request *request;
    size_t skip;
    size_t passed;
    bool more;
};

static bool add_name(void *context, const char *name, size_t size)
{
    struct names *names = context;
    struct request *request = names->request;

    if (names->passed < names->skip) {
        names->passed += size + 1;
        return true;
    }
    if (request->answer_size + size + 1 > sizeof(request->answer)) {
        names->more = true;
        return false;
    }
    memcpy(request->answer + request->answer_size, name, size);
    request->answer[request->answer_size + size] = '\0';
    request->answer_size += size + 1;
    return true;
}

static int list_names(struct request *request, struct names *names)
{
    const struct store_tree *tree = &request->stored->tree;
    const struct store_node *child;

    if (request->transaction != NULL) {
        return transaction_list(request->transaction, tree, request->path.text, request->path.size,
                                add_name, names);
    }
    child = tree_find(tree, request->path.text, request->path.size)->first_child;
    while (child != NULL && add_name(names, node_name(child), node_name_size(child))) {
        child = child->next;
    }
    return 0;
}

static int do_directory(struct request *request)
{
    struct names names = { .request = request };
    struct store_look look;
    int r = look_for(request, PERM_READ, &look, NULL);

    if (r == 0) {
        r = list_names(request, &names);
    }
    return r < 0 ? r : names.more ? -E2BIG : 0;
}

static int do_directory_part(struct request *request)
{
    struct names names = { .request = request };
    const char *at = request->rest;
    const struct store_node *node;
    struct store_look look;
    uint64_t offset;
    int r = number(&at, request->rest + request->rest_size, UINT32_MAX, &offset);

    if (r == 0) {
        r = look_for(request, PERM_READ, &look, NULL);
    }
    if (r < 0) {
        return r;
    }
    node = tree_find(&request->stored->tree, request->path.text, request->path.size);
    request->answer_size = (size_t)snprintf(request->answer, sizeof(request->answer), "%" PRIu64,
                                            node == NULL ? 0 : node->list_generation) +
                           1;
    names.skip = (size_t)offset;
    r = list_names(request, &names);
    /* The end is an empty name; without room for it, the end is the next part. */
    if (r == 0 && !names.more && request->answer_size < sizeof(request->answer)) {
        request->answer[request->answer_size] = '\0';
        request->answer_size++;
    }
    return r;
}

static int do_get_perms(struct request *request)
{
    const struct store_perms *perms;
    struct store_look look;
    int r;

    if (path_is_special(request->path.text)) {
        r = stored_special(request->path.text, request->path.size);
        perms = r < 0 ? NULL : request->stored->special[r];
        r = r < 0 ? r : may(request, perms, PERM_READ) ? 0 : -EACCES;
    } else {
        r = look_for(request, PERM_READ, &look, NULL);
        perms = look.perms;
    }
    if (r < 0) {
        return r;
    }
    for (uint32_t i = 0; i < perms->count; i++) {
        char text[16];
        const size_t size = perms_format(&perms->entries[i], text);

        memcpy(request->answer + request->answer_size, text, size);
        request->answer_size += size;
    }
    return 0;
}

/* --- changing ------------------------------------------------------------------ */

/* Nodes that `path` needs and that are not there, below its first `above` bytes. */
static uint64_t missing_parts(const struct store_path *path, size_t above)
{
    struct path_walk walk = path_walk_begin(path->text, path->size);
    uint64_t parts = 0;

    while (path_walk_next(&walk)) {
        parts += walk.at >= path->text + above;
    }
    return parts;
}

/* In a transaction, each on its own. */
static int create_in_transaction(struct request *request, struct store_perms *from, size_t above)
{
    struct path_walk walk = path_walk_begin(request->path.text, request->path.size);
    struct store_perms *perms = change_inherit(request->stored, from, request->connection->domid);
    int r = perms == NULL ? -ENOMEM : 0;

    while (r == 0 && path_walk_next(&walk)) {
        if (walk.at < request->path.text + above) {
            continue;
        }
        r = transaction_create(request->transaction, &request->stored->tree, request->path.text,
                               (size_t)(walk.at + walk.size - request->path.text), perms);
        request->transaction->created++;
        request->stored->counters.steps++;
    }
    perms_drop(perms);
    return r;
}

static int check_node(struct request *request, uint64_t nodes, size_t value_size)
{
    const uint64_t begun = request->transaction == NULL ? 0 : request->transaction->created;
    int r = check_size(request, QUOTA_NODE_SIZE, value_size);

    if (r == 0 && nodes != 0) {
        r = check(request, QUOTA_NODES, nodes + begun);
    }
    if (r == 0) {
        r = check(request, QUOTA_MEMORY,
                  nodes * (sizeof(struct store_node) + request->path.size) + value_size);
    }
    return r;
}

static int write_node(struct request *request, const char *value, size_t size, bool keep)
{
    const struct store_path *path = &request->path;
    struct store_look look;
    size_t above = path->size;
    int r = look_for(request, PERM_WRITE, &look, &above);
    const bool found = r == 0;

    if (r < 0 && r != -ENOENT) {
        return r;
    }
    if (found && keep) {
        return 0;
    }
    r = check_node(request, found ? 0 : missing_parts(path, above), size);
    if (r < 0) {
        return r;
    }
    if (request->transaction == NULL) {
        return change_write(request->stored, path->text, path->size, value, size,
                            request->connection->domid);
    }
    if (!found) {
        r = create_in_transaction(request, look.perms, above);
    }
    if (r == 0) {
        r = transaction_write(request->transaction, &request->stored->tree, path->text, path->size,
                              value, size);
    }
    return r;
}

static int do_write(struct request *request)
{
    int r = write_node(request, request->rest, request->rest_size, false);

    if (r == 0) {
        answer_ok(request);
    }
    return r;
}

static int do_mkdir(struct request *request)
{
    int r = write_node(request, "", 0, true);

    if (r == 0) {
        answer_ok(request);
    }
    return r;
}

static int do_rm(struct request *request)
{
    const struct store_path *path = &request->path;
    struct store_look look;
    size_t above;
    int r = look_for(request, PERM_WRITE, &look, &above);

    if (r == -ENOENT && above == path_parent(path->text, path->size)) {
        answer_ok(request); /* it is not there, as was asked */
        return 0;
    }
    if (r < 0) {
        return r;
    }
    if (path->size == 1) {
        return -EINVAL;
    }
    if (request->transaction != NULL) {
        r = transaction_remove(request->transaction, &request->stored->tree, path->text,
                               path->size);
    } else {
        change_remove(request->stored, path->text, path->size,
                      tree_find(&request->stored->tree, path->text, path->size));
    }
    if (r == 0) {
        answer_ok(request);
    }
    return r;
}

static int set_special(struct request *request, struct store_perms *perms)
{
    struct stored *stored = request->stored;
    const int which = stored_special(request->path.text, request->path.size);
    const struct journal_record record = {
        .type = RECORD_SPECIAL,
        .numbers = { perms->generation, (uint64_t)which },
        .parts = { { (const char *)perms->entries, perms->count * sizeof(struct store_perm) } },
    };

    if (which < 0) {
        return -ENOENT;
    }
    if (!is_dom0(request)) {
        return -EACCES;
    }
    journal_add(stored->journal, &record);
    perms_drop(stored->special[which]);
    stored->special[which] = perms_hold(perms);
    return 0;
}

static int set_perms(struct request *request, struct store_perms *perms)
{
    const struct store_path *path = &request->path;
    struct stored *stored = request->stored;
    struct store_look look;
    int r;

    if (path_is_special(path->text)) {
        return set_special(request, perms);
    }
    r = look_for(request, PERM_OWNER, &look, NULL);
    if (r < 0) {
        return r;
    }
    if (!is_dom0(request) && perms_owner(perms) != perms_owner(look.perms)) {
        return -EPERM;
    }
    if (path->size == 1 && perms_owner(perms) != 0) {
        return -EINVAL; /* the root is nobody's to take along */
    }
    if (request->transaction != NULL) {
        return transaction_set_perms(request->transaction, &stored->tree, path->text, path->size,
                                     perms);
    }
    return change_perms(stored, path->text, path->size,
                        tree_find(&stored->tree, path->text, path->size), perms);
}

static int do_set_perms(struct request *request)
{
    struct store_perm entries[PERMS_LIMIT];
    struct store_perms *perms;
    int count = perms_parse(request->rest, request->rest_size, entries);
    int r;

    if (count < 0) {
        return count;
    }
    r = check_size(request, QUOTA_PERMISSIONS, (uint64_t)count);
    if (r < 0) {
        return r;
    }
    perms = perms_new(entries, (size_t)count, request->stored->tree.generation + 1);
    if (perms == NULL) {
        return -ENOMEM;
    }
    r = set_perms(request, perms);
    perms_drop(perms);
    if (r == 0) {
        answer_ok(request);
    }
    return r;
}

/* --- watches ------------------------------------------------------------------- */

static void record_watch(struct stored *stored, enum store_record type,
                         const struct store_watch *watch, const struct store_path *path)
{
    const struct journal_record record = {
        .type = type,
        .domid = watch->connection->domid,
        .numbers = { watch->depth, path->relative },
        .parts = { { path->text, path->size }, { watch_token(watch), watch->token_size } },
    };

    if (watch->connection->ring) {
        journal_add(stored->journal, &record);
    }
}

/* token| or token|depth| */
static int parse_watch(struct request *request, size_t *token_size, uint32_t *depth)
{
    const char *end = request->rest + request->rest_size;
    const char *at;
    uint64_t value = 0;
    int r;

    if (request->rest_size == 0 || end[-1] != '\0') {
        return -EINVAL;
    }
    *token_size = strlen(request->rest);
    *depth = WATCH_ANY_DEPTH;
    at = request->rest + *token_size + 1;
    if (*token_size > TOKEN_MAX) {
        return -E2BIG;
    }
    if (at == end) {
        return 0;
    }
    r = number(&at, end, WATCH_ANY_DEPTH - 1, &value);
    *depth = (uint32_t)value;
    return r < 0 || at != end ? -EINVAL : 0;
}

static int do_watch(struct request *request)
{
    struct store_connection *connection = request->connection;
    const struct store_path *path = &request->path;
    struct store_watch *watch;
    size_t token_size;
    uint32_t depth;
    int r = parse_watch(request, &token_size, &depth);

    if (r < 0) {
        return r;
    }
    if (path_is_special(path->text)) {
        r = stored_special(path->text, path->size);
        if (r >= 0 && !may(request, request->stored->special[r], PERM_READ)) {
            return -EACCES;
        }
    }
    if (watch_find(&request->stored->watches, path, request->rest, connection) != NULL) {
        return -EEXIST;
    }
    r = check(request, QUOTA_WATCHES, 1);
    r = r < 0 ? r : check(request, QUOTA_MEMORY, watch_weight(path, token_size));
    if (r < 0) {
        return r;
    }
    watch = watch_add(&request->stored->watches, path, request->rest, token_size, depth);
    if (watch == NULL) {
        return -ENOMEM;
    }
    connection_add_watch(connection, watch, path);
    record_watch(request->stored, RECORD_WATCH, watch, path);
    answer_ok(request);
    return 0;
}

static int do_unwatch(struct request *request)
{
    struct store_watch *watch;

    if (request->rest_size == 0 || request->rest[request->rest_size - 1] != '\0') {
        return -EINVAL;
    }
    watch =
        watch_find(&request->stored->watches, &request->path, request->rest, request->connection);
    if (watch == NULL) {
        return -ENOENT;
    }
    record_watch(request->stored, RECORD_UNWATCH, watch, &request->path);
    connection_unwatch(request->connection, watch);
    answer_ok(request);
    return 0;
}

static int do_reset_watches(struct request *request)
{
    connection_reset(request->connection);
    answer_ok(request);
    return 0;
}

/* --- transactions -------------------------------------------------------------- */

static int do_transaction_start(struct request *request)
{
    struct store_connection *connection = request->connection;
    struct store_transaction *transaction;
    int r = check(request, QUOTA_TRANSACTIONS, 1);

    if (r < 0) {
        return r;
    }
    do {
        connection->last_transaction++;
    } while (connection->last_transaction == 0 ||
             connection_find_transaction(connection, connection->last_transaction) != NULL);
    transaction = connection_begin_transaction(connection, connection->last_transaction);
    if (transaction == NULL) {
        return -ENOMEM;
    }
    if (connection->ring) {
        record_add(request->stored, RECORD_BEGIN, connection->domid, transaction->id, 0);
    }
    request->answer_size =
        (size_t)snprintf(request->answer, sizeof(request->answer), "%" PRIu32, transaction->id) + 1;
    return 0;
}

/*
 * A guest that changes its nodes all the time must not keep dom0's transactions
 * from ever ending: whose node it was gets no turn for a while.
 */
static void hold_owner(struct request *request, const struct transaction_entry *entry)
{
    struct stored *stored = request->stored;
    struct path_walk walk;
    const struct store_node *node =
        tree_nearest(&stored->tree, entry->path, entry->path_size, &walk);
    const struct store_domain *owner = domain_find(stored->domains, perms_owner(node->perms));

    if (is_dom0(request) && owner->domid != 0 && owner->ring != NULL) {
        stored->wires.hold(stored->wires.context, owner->ring);
    }
}

static int commit(struct request *request)
{
    struct store_transaction *transaction = request->transaction;
    struct stored *stored = request->stored;
    const struct transaction_entry *conflict = transaction_conflict(transaction, &stored->tree);
    int r;

    if (transaction->doomed || conflict != NULL) {
        stored->counters.conflicts++;
        if (conflict != NULL) {
            hold_owner(request, conflict);
        }
        return -EAGAIN;
    }
    r = transaction_prepare(transaction, &stored->tree);
    if (r == 0 && transaction->making != 0) {
        r = check(request, QUOTA_NODES, transaction->making);
    }
    if (r == 0) {
        change_commit(stored, transaction);
        stored->counters.commits++;
    }
    return r;
}

static int do_transaction_end(struct request *request)
{
    struct store_transaction *transaction = request->transaction;
    int r = 0;

    if (transaction == NULL) {
        return -ENOENT;
    }
    if (strcmp(request->payload, "T") == 0) {
        r = commit(request);
    } else if (strcmp(request->payload, "F") != 0) {
        return -EINVAL;
    }
    if (request->connection->ring) {
        record_add(request->stored, RECORD_END, request->connection->domid, transaction->id, 0);
    }
    connection_end_transaction(request->connection, transaction);
    request->transaction = NULL;
    if (r == 0) {
        answer_ok(request);
    }
    return r;
}

/* --- domains ------------------------------------------------------------------- */

static int domid_of(struct request *request, const char **at, uint32_t *domid)
{
    uint64_t value = 0;
    int r = number(at, request->payload + request->size, STORE_DOMIDS - 1, &value);

    *domid = (uint32_t)value;
    return r;
}

static int one_domid(struct request *request, uint32_t *domid)
{
    const char *at = request->payload;
    int r = domid_of(request, &at, domid);

    return r < 0 || at != request->payload + request->size ? -EINVAL : 0;
}

static int do_introduce(struct request *request)
{
    const char *at = request->payload;
    const char *end = at + request->size;
    uint32_t domid;
    uint64_t mfn;
    uint64_t port;

    if (domid_of(request, &at, &domid) < 0 || number(&at, end, UINT64_MAX / 16, &mfn) < 0 ||
        number(&at, end, UINT32_MAX, &port) < 0 || domid == 0 || port == 0) {
        return -EINVAL;
    }
    answer_ok(request);
    return stored_introduce(request->stored, domid, mfn, (uint32_t)port);
}

/* A domain that was introduced, and not dom0. */
static int introduced(struct request *request, uint32_t *domid, struct store_domain **domain)
{
    if (one_domid(request, domid) < 0 || *domid == 0) {
        return -EINVAL;
    }
    *domain = domain_find(request->stored->domains, *domid);
    return *domain == NULL || !(*domain)->introduced ? -ENOENT : 0;
}

static int do_release(struct request *request)
{
    struct store_domain *domain;
    uint32_t domid;
    int r = introduced(request, &domid, &domain);

    if (r == 0) {
        stored_domain_gone(request->stored, domid);
        stored_tell_released(request->stored);
        answer_ok(request);
    }
    return r;
}

static int do_resume(struct request *request)
{
    struct store_domain *domain;
    uint32_t domid;
    int r = introduced(request, &domid, &domain);

    if (r == 0) {
        domain->shutdown = false;
        record_add(request->stored, RECORD_SHUTDOWN, domid, 0, 0);
        answer_ok(request);
    }
    return r;
}

static int do_set_target(struct request *request)
{
    const char *at = request->payload;
    struct store_domain *domain;
    uint32_t domid;
    uint32_t target;

    if (domid_of(request, &at, &domid) < 0 || domid_of(request, &at, &target) < 0 || domid == 0) {
        return -EINVAL;
    }
    domain = domain_find(request->stored->domains, domid);
    if (domain == NULL || !domain->introduced) {
        return -ENOENT;
    }
    domain->has_target = true;
    domain->target = target;
    record_add(request->stored, RECORD_TARGET, domid, target, 0);
    answer_ok(request);
    return 0;
}

static int do_get_domain_path(struct request *request)
{
    uint32_t domid;
    int r = one_domid(request, &domid);

    if (r == 0) {
        request->answer_size = path_home(request->answer, sizeof(request->answer), domid) + 1;
    }
    return r;
}

static int do_is_domain_introduced(struct request *request)
{
    const struct store_domain *domain;
    uint32_t domid;
    int r = one_domid(request, &domid);

    if (r == 0) {
        domain = domain_find(request->stored->domains, domid);
        answer_text(request, domid == 0 || (domain != NULL && domain->introduced) ? "T" : "F");
    }
    return r;
}

static int do_control(struct request *request)
{
    int r = stored_control(request->stored, request->payload, request->size, request->answer);

    request->answer_size = r == 0 ? strlen(request->answer) + 1 : 0;
    return r;
}

/* --- the table ----------------------------------------------------------------- */

static const struct request_kind {
    request_fn *handler;
    unsigned int flags;
} kinds[XS_TYPE_COUNT] = {
    [XS_CONTROL] = { do_control, PRIVILEGED | TEXT },
    [XS_DIRECTORY] = { do_directory, TAKES_PATH | IN_TRANSACTION },
    [XS_READ] = { do_read, TAKES_PATH | IN_TRANSACTION },
    [XS_GET_PERMS] = { do_get_perms, TAKES_PATH | TAKES_SPECIAL | IN_TRANSACTION },
    [XS_WATCH] = { do_watch, TAKES_PATH | TAKES_SPECIAL },
    [XS_UNWATCH] = { do_unwatch, TAKES_PATH | TAKES_SPECIAL },
    [XS_TRANSACTION_START] = { do_transaction_start, 0 },
    [XS_TRANSACTION_END] = { do_transaction_end, IN_TRANSACTION | TEXT },
    [XS_INTRODUCE] = { do_introduce, PRIVILEGED | TEXT },
    [XS_RELEASE] = { do_release, PRIVILEGED | TEXT },
    [XS_GET_DOMAIN_PATH] = { do_get_domain_path, TEXT },
    [XS_WRITE] = { do_write, TAKES_PATH | IN_TRANSACTION },
    [XS_MKDIR] = { do_mkdir, TAKES_PATH | IN_TRANSACTION },
    [XS_RM] = { do_rm, TAKES_PATH | IN_TRANSACTION },
    [XS_SET_PERMS] = { do_set_perms, TAKES_PATH | TAKES_SPECIAL | IN_TRANSACTION },
    [XS_IS_DOMAIN_INTRODUCED] = { do_is_domain_introduced, TEXT },
    [XS_RESUME] = { do_resume, PRIVILEGED | TEXT },
    [XS_SET_TARGET] = { do_set_target, PRIVILEGED | TEXT },
    [XS_RESET_WATCHES] = { do_reset_watches, 0 },
    [XS_DIRECTORY_PART] = { do_directory_part, TAKES_PATH | IN_TRANSACTION },
};

static int take_path(struct request *request, unsigned int flags)
{
    const char *end = memchr(request->payload, '\0', request->size);
    size_t size;
    int r;

    if (end == NULL) {
        return -EINVAL;
    }
    size = (size_t)(end - request->payload);
    r = check_size(request, QUOTA_PATH, size);
    if (r < 0) {
        return r;
    }
    r = path_resolve(&request->path, request->payload, size, request->connection->domid);
    if (r < 0 || (path_is_special(request->path.text) && (flags & TAKES_SPECIAL) == 0)) {
        return -EINVAL;
    }
    request->rest = end + 1;
    request->rest_size = request->size - size - 1;
    return 0;
}

/* The transaction's growth, on the caller's account. */
static void charge_transaction(struct request *request)
{
    struct store_transaction *transaction = request->transaction;

    if (transaction != NULL) {
        request->domain->use.used[QUOTA_MEMORY] += transaction->memory;
        request->domain->use.used[QUOTA_MEMORY] -= transaction->charged;
        transaction->charged = transaction->memory;
    }
}

static int check_transaction(struct request *request)
{
    int r;

    if (request->transaction == NULL) {
        return 0;
    }
    r = check_size(request, QUOTA_TRANSACTION_NODES, request->transaction->count);
    return r < 0 ? r : check(request, QUOTA_MEMORY, 0);
}

static int handle(struct request *request, const struct xsd_sockmsg *head)
{
    const struct request_kind *kind;
    int r = 0;

    if (head->type >= XS_TYPE_COUNT || kinds[head->type].handler == NULL) {
        return -ENOSYS;
    }
    kind = &kinds[head->type];
    if ((kind->flags & PRIVILEGED) != 0 && !is_dom0(request)) {
        return -EACCES;
    }
    if ((kind->flags & TEXT) != 0 &&
        (request->size == 0 || request->payload[request->size - 1] != '\0')) {
        return -EINVAL;
    }
    if (head->tx_id != 0) {
        if ((kind->flags & IN_TRANSACTION) == 0) {
            return -EINVAL;
        }
        request->transaction = connection_find_transaction(request->connection, head->tx_id);
        if (request->transaction == NULL) {
            return -ENOENT;
        }
    }
    if ((kind->flags & TAKES_PATH) != 0) {
        r = take_path(request, kind->flags);
        r = r < 0 ? r : check_transaction(request);
    }
    if (r == 0) {
        r = kind->handler(request);
    }
    charge_transaction(request);
    return r;
}

static const struct {
    int code;
    const char *name;
} errors[] = {
    { EINVAL, "EINVAL" }, { EACCES, "EACCES" }, { EEXIST, "EEXIST" }, { ENOENT, "ENOENT" },
    { ENOMEM, "ENOMEM" }, { ENOSPC, "ENOSPC" }, { EIO, "EIO" },       { ENOSYS, "ENOSYS" },
    { EBUSY, "EBUSY" },   { EAGAIN, "EAGAIN" }, { E2BIG, "E2BIG" },   { EPERM, "EPERM" },
};

static const char *error_name(int code)
{
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (errors[i].code == -code) {
            return errors[i].name;
        }
    }
    return "EIO";
}

/* A new watch fires at once, after its answer. */
static void fire_new_watch(struct store_connection *connection)
{
    watch_tell(connection->watches, connection->watches->text, connection->watches->path_size);
}

bool stored_request(struct store_connection *connection, const struct xsd_sockmsg *head,
                    char *payload, uint32_t consumed)
{
    struct stored *stored = connection->stored;
    struct request request;
    int r;

    if (bytes_reserve(&connection->out, MESSAGE_MAX) < 0) {
        return false;
    }
    payload[head->len] = '\0';
    request.connection = connection;
    request.stored = stored;
    request.domain = domain_find(stored->domains, connection->domid);
    request.transaction = NULL;
    request.payload = payload;
    request.size = head->len;
    request.answer_size = 0;
    stored->answering = connection;
    r = handle(&request, head);
    stored->answering = NULL;
    stored->counters.requests++;
    if (connection->ring) {
        connection->consumed = consumed;
        record_add(stored, RECORD_IN, connection->domid, consumed, 0);
    }
    if (r < 0) {
        const char *name = error_name(r);

        connection_answer(connection, head, XS_ERROR, name, strlen(name) + 1);
    } else {
        connection_answer(connection, head, head->type, request.answer, request.answer_size);
        if (head->type == XS_WATCH) {
            fire_new_watch(connection);
        }
    }
    journal_commit(stored->journal);
    return true;
}
