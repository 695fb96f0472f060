/* SPDX-License-Identifier: MIT */
/* A domain's store page: see ring.h. */
#include "dom0-tools/store/ring.h"

#include <string.h>

/* Unread answers and events beyond which no more requests are taken. */
#define GUEST_ANSWERS_MAX 16384U
#define DOM0_ANSWERS_MAX  262144U

static uint32_t load(const uint32_t *index)
{
    return __atomic_load_n(index, __ATOMIC_ACQUIRE);
}

/* The whole barrier is wanted: what is read next must not be older than the other side's answer. */
static void publish(uint32_t *index, uint32_t value)
{
    __atomic_store_n(index, value, __ATOMIC_SEQ_CST);
}

/* From now on this ring is left alone, until the domain asks to begin anew. */
static void give_up(struct store_connection *connection, uint32_t why)
{
    connection->failed = true;
    publish(&connection->page->error, why);
}

static void copy_out(const char *ring, uint32_t from, char *to, uint32_t size)
{
    const uint32_t at = MASK_XENSTORE_IDX(from);
    const uint32_t first = size < XENSTORE_RING_SIZE - at ? size : XENSTORE_RING_SIZE - at;

    memcpy(to, ring + at, first);
    memcpy(to + first, ring, size - first);
}

static void copy_in(char *ring, uint32_t to, const char *from, uint32_t size)
{
    const uint32_t at = MASK_XENSTORE_IDX(to);
    const uint32_t first = size < XENSTORE_RING_SIZE - at ? size : XENSTORE_RING_SIZE - at;

    memcpy(ring + at, from, first);
    memcpy(ring, from + first, size - first);
}

void ring_begin(struct store_connection *connection)
{
    struct xenstore_domain_interface *page = connection->page;
    uint32_t given;
    uint32_t done;

    if (!connection->begun) {
        connection->begun = true;
        connection->consumed = load(&page->req_cons);
        connection->produced = load(&page->rsp_prod);
    }
    /* What had been given before the store died is known to the page alone. */
    given = load(&page->rsp_prod) - connection->produced;
    done = connection->consumed - load(&page->req_cons);
    if (given <= bytes_size(&connection->out) && done <= XENSTORE_RING_SIZE) {
        bytes_take(&connection->out, given);
        connection->produced += given;
    } else {
        /* The journal had no room.  An index that was published must never go back. */
        stored_ring_follows(connection, load(&page->req_cons), load(&page->rsp_prod));
    }
    publish(&page->rsp_prod, connection->produced);
    publish(&page->req_cons, connection->consumed);
    publish(&page->server_features,
            XENSTORE_SERVER_FEATURE_RECONNECTION | XENSTORE_SERVER_FEATURE_ERROR);
    connection->failed = false;
    publish(&page->error, XENSTORE_ERROR_NONE);
}

/* The domain has put both indices to zero, or wants us to. */
static void begin_anew(struct store_connection *connection)
{
    struct xenstore_domain_interface *page = connection->page;

    stored_ring_begins(connection, 0, 0);
    publish(&page->req_cons, 0);
    publish(&page->req_prod, 0);
    publish(&page->rsp_cons, 0);
    publish(&page->rsp_prod, 0);
    publish(&page->error, XENSTORE_ERROR_NONE);
    publish(&page->connection, XENSTORE_CONNECTED);
}

/* A request's bytes so far: those moved out of the ring before, and `ready` in it. */
struct arrived {
    char bytes[MESSAGE_MAX + XENSTORE_RING_SIZE + 1];
    uint32_t before;
    uint32_t ready;
};

static bool collect(struct store_connection *connection, struct arrived *arrived)
{
    struct xenstore_domain_interface *page = connection->page;

    arrived->before = (uint32_t)bytes_size(&connection->in);
    arrived->ready = load(&page->req_prod) - connection->consumed;
    if (arrived->ready > XENSTORE_RING_SIZE) {
        give_up(connection, XENSTORE_ERROR_RINGIDX);
        return false;
    }
    if (arrived->before != 0) {
        memcpy(arrived->bytes, bytes_front(&connection->in), arrived->before);
    }
    copy_out(page->req, connection->consumed, arrived->bytes + arrived->before, arrived->ready);
    return arrived->ready != 0;
}

/*
 * The beginning of a request.  Domains tell of more only when all there was has
 * been taken, so it cannot be left lying until the rest comes.
 */
static bool take_beginning(struct store_connection *connection, const struct arrived *arrived)
{
    if (bytes_reserve(&connection->in, arrived->ready) < 0) {
        return false;
    }
    stored_ring_moved(connection, arrived->bytes + arrived->before, arrived->ready,
                      connection->consumed + arrived->ready);
    publish(&connection->page->req_cons, connection->consumed);
    return true;
}

enum step { IDLE, MOVED, DONE };

static enum step receive_one(struct store_connection *connection)
{
    struct xsd_sockmsg head;
    struct arrived arrived;
    uint32_t size;

    if (!collect(connection, &arrived)) {
        return IDLE;
    }
    if (arrived.before + arrived.ready < sizeof(head)) {
        return take_beginning(connection, &arrived) ? MOVED : IDLE;
    }
    memcpy(&head, arrived.bytes, sizeof(head));
    if (head.len > XENSTORE_PAYLOAD_MAX) {
        give_up(connection, XENSTORE_ERROR_PROTO);
        return IDLE;
    }
    size = (uint32_t)sizeof(head) + head.len;
    if (arrived.before + arrived.ready < size) {
        return take_beginning(connection, &arrived) ? MOVED : IDLE;
    }
    if (!stored_request(connection, &head, arrived.bytes + sizeof(head),
                        connection->consumed + size - arrived.before)) {
        return IDLE;
    }
    bytes_free(&connection->in);
    publish(&connection->page->req_cons, connection->consumed);
    return DONE;
}

bool ring_receive(struct store_connection *connection, unsigned int budget)
{
    const size_t most = connection->domid == 0 ? DOM0_ANSWERS_MAX : GUEST_ANSWERS_MAX;

    if (connection->page == NULL) {
        return false;
    }
    if (load(&connection->page->connection) == XENSTORE_RECONNECT && connection->domid != 0) {
        begin_anew(connection);
        stored_ready(connection);
    }
    while (budget != 0 && !connection->failed) {
        enum step step;

        if (bytes_size(&connection->out) > most) {
            return false; /* its reading them is what brings us here again */
        }
        step = receive_one(connection);
        if (step == IDLE) {
            return false;
        }
        if (step == MOVED) {
            stored_ready(connection); /* to tell it of the room */
        }
        budget--;
    }
    return !connection->failed;
}

/* Bytes there is room for, or -1 if the domain's index is impossible. */
static int room_for_answers(const struct store_connection *connection)
{
    const uint32_t used = connection->produced - load(&connection->page->rsp_cons);

    return used > XENSTORE_RING_SIZE ? -1 : (int)(XENSTORE_RING_SIZE - used);
}

bool ring_send(struct store_connection *connection)
{
    struct xenstore_domain_interface *page = connection->page;
    int room;

    if (page == NULL || connection->failed) {
        return page != NULL;
    }
    /* Again after publishing: it may have read meanwhile, and not have told us. */
    while ((room = room_for_answers(connection)) > 0 && bytes_size(&connection->out) != 0) {
        const size_t left = bytes_size(&connection->out);
        const uint32_t size = left < (size_t)room ? (uint32_t)left : (uint32_t)room;

        copy_in(page->rsp, connection->produced, bytes_front(&connection->out), size);
        connection->produced += size;
        publish(&page->rsp_prod, connection->produced);
        bytes_take(&connection->out, size);
    }
    if (room < 0) {
        give_up(connection, XENSTORE_ERROR_RINGIDX);
        return true;
    }
    stored_sent(connection);
    return true;
}
