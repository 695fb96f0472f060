/* SPDX-License-Identifier: MIT */
/*
 * Any requests to the store, by dom0 and two guests, and any bytes in a guest's
 * ring.  The input is a row of steps:
 *
 *   who (1 byte), type, transaction, size (2 bytes), payload
 *
 * who: 0 dom0, 1 and 2 the guests, 3 a guest's page: the payload is four
 * indices, then the request ring's bytes.  However it goes, the tree stays whole.
 */
#include <stdint.h>

#include "tests/unit/store_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct world world;

static void ask_fixed(struct store_connection *connection, uint32_t type, const char *text,
                      size_t size)
{
    if (!world_send(connection, type, 0, text, size)) {
        abort();
    }
}

static struct store_connection *begin(void)
{
    struct store_connection *dom0;

    if (!world_init(&world) || stored_populate(&world.stored) < 0) {
        abort();
    }
    dom0 = connection_new(&world.stored, 0, false);
    if (dom0 == NULL) {
        abort();
    }
    ask_fixed(dom0, XS_INTRODUCE, "5\0001\0002", 6);
    ask_fixed(dom0, XS_INTRODUCE, "6\0001\0002", 6);
    ask_fixed(dom0, XS_MKDIR, "/local/domain/5", 16);
    ask_fixed(dom0, XS_SET_PERMS, "/local/domain/5\0n5", 19);
    return dom0;
}

static struct store_connection *guest(uint32_t domid)
{
    const struct store_domain *domain = domain_find(world.stored.domains, domid);

    return domain == NULL ? NULL : domain->ring;
}

static void scribble(struct store_connection *ring, const uint8_t *payload, size_t size)
{
    struct xenstore_domain_interface *page = ring->page;
    uint32_t indices[4];

    if (size < sizeof(indices)) {
        return;
    }
    memcpy(indices, payload, sizeof(indices));
    size -= sizeof(indices);
    memcpy(page->req, payload + sizeof(indices),
           size < sizeof(page->req) ? size : sizeof(page->req));
    page->req_prod = page->req_cons + indices[0] % 2048;
    page->rsp_cons = page->rsp_prod - indices[1] % 2048;
    page->connection = indices[2] % 4 == 3 ? XENSTORE_RECONNECT : XENSTORE_CONNECTED;
    if (indices[3] % 4 == 3) {
        page->req_cons = indices[3];
        page->rsp_prod = indices[3];
    }
    (void)ring_receive(ring, 8);
    (void)ring_send(ring);
}

static void request(struct store_connection *connection, const uint8_t *head,
                    const uint8_t *payload, size_t size)
{
    char copy[XENSTORE_PAYLOAD_MAX];
    const uint32_t types = head[1] == 0xff ? 0xffffffffU : head[1];

    memcpy(copy, payload, size);
    if (!world_send(connection, types, head[2], copy, size)) {
        abort();
    }
    if (bytes_size(&connection->out) > 60000) {
        while (world_take(&world, connection)) {
        }
        stored_sent(connection);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct store_connection *dom0 = begin();

    while (size >= 5) {
        const uint8_t *head = data;
        size_t length = (size_t)(head[3] | head[4] << 8);
        struct store_connection *who = head[0] % 4 == 0 ? dom0 : guest(5 + (head[0] % 4 == 2));

        data += 5;
        size -= 5;
        length = length < size ? length : size;
        length = length < XENSTORE_PAYLOAD_MAX ? length : XENSTORE_PAYLOAD_MAX;
        if (who != NULL && head[0] % 4 == 3) {
            scribble(who, data, length);
        } else if (who != NULL) {
            request(who, head, data, length);
        }
        data += length;
        size -= length;
    }
    if (tree_check(&world.stored.tree) != NULL) {
        abort();
    }
    world_free(&world);
    return 0;
}
