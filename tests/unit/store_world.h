/* SPDX-License-Identifier: MIT */
/*
 * A store without wires for tests: domains' pages are plain memory, and a
 * request is a call.
 */
#ifndef TESTS_UNIT_STORE_WORLD_H
#define TESTS_UNIT_STORE_WORLD_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0-tools/store/ring.h"
#include "dom0-tools/store/stored.h"

#define WORLD_DOMAINS 16

struct world {
    struct stored stored;
    struct xenstore_domain_interface *pages; /* of domains, by number */
    bool refuse_attach;
    uint32_t held; /* the last domain whose ring was to wait; 0: none */
    /* The last message taken from a connection. */
    struct xsd_sockmsg head;
    char payload[XENSTORE_PAYLOAD_MAX + 1];
};

static inline int world_attach(void *context, struct store_connection *ring, uint64_t mfn,
                               uint32_t port)
{
    struct world *world = context;

    (void)mfn;
    if (world->refuse_attach || ring->domid >= WORLD_DOMAINS) {
        return -EINVAL;
    }
    ring->page = &world->pages[ring->domid];
    ring->port = port + 1;
    ring_begin(ring);
    return 0;
}

static inline void world_detach(void *context, struct store_connection *ring)
{
    (void)context;
    ring->page = NULL;
}

static inline void world_hold(void *context, struct store_connection *ring)
{
    struct world *world = context;

    world->held = ring->domid;
}

/* False: no memory. */
static inline bool world_init(struct world *world)
{
    const struct stored_wires wires = { world_attach, world_detach, world_hold, world };

    memset(world, 0, sizeof(*world));
    world->pages = calloc(WORLD_DOMAINS, sizeof(*world->pages));
    if (world->pages == NULL) {
        return false;
    }
    if (stored_init(&world->stored, &wires) < 0) {
        free(world->pages);
        return false;
    }
    return true;
}

static inline void world_free(struct world *world)
{
    stored_free(&world->stored);
    free(world->pages);
}

/* Give a request to the store; its answer waits in connection->out. */
static inline bool world_send(struct store_connection *connection, uint32_t type,
                              uint32_t transaction, const char *payload, size_t size)
{
    const struct xsd_sockmsg head = {
        .type = type, .req_id = 7, .tx_id = transaction, .len = (uint32_t)size
    };
    char copy[XENSTORE_PAYLOAD_MAX + 1];

    memcpy(copy, payload, size);
    return stored_request(connection, &head, copy, 0);
}

/* The next message for the client: false if there is none. */
static inline bool world_take(struct world *world, struct store_connection *connection)
{
    struct bytes *out = &connection->out;

    if (bytes_size(out) == 0) {
        return false;
    }
    memcpy(&world->head, bytes_front(out), sizeof(world->head));
    memcpy(world->payload, bytes_front(out) + sizeof(world->head), world->head.len);
    world->payload[world->head.len] = '\0';
    bytes_take(out, sizeof(world->head) + world->head.len);
    return true;
}

/* Ask and take the answer, leaving events out; NULL if there was no memory. */
static inline const char *world_ask(struct world *world, struct store_connection *connection,
                                    uint32_t type, uint32_t transaction, const char *payload,
                                    size_t size)
{
    if (!world_send(connection, type, transaction, payload, size)) {
        return NULL;
    }
    while (world_take(world, connection)) {
        if (world->head.type != XS_WATCH_EVENT) {
            return world->payload;
        }
    }
    return NULL;
}

/* For literals with zero bytes in them; the one C adds is the last. */
#define ASK(world, connection, type, transaction, text) \
    world_ask((world), (connection), (type), (transaction), (text), sizeof(text))

#endif
