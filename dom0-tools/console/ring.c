/* SPDX-License-Identifier: MIT */
/* A guest's console page: see ring.h. */
#include "dom0-tools/console/ring.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

/* A guest that waits for room waits for less than this much of it. */
#define RING_ATOMIC (RING_OUTPUT / 2)

_Static_assert(sizeof(((struct xencons_interface *)NULL)->out) == RING_OUTPUT, "size of out");
_Static_assert(sizeof(((struct xencons_interface *)NULL)->in) == RING_INPUT, "size of in");

static uint32_t read_index(const uint32_t *index)
{
    return __atomic_load_n(index, __ATOMIC_ACQUIRE);
}

void ring_attach(struct ring *ring, struct xencons_interface *shared)
{
    *ring = (struct ring){
        .shared = shared,
        .taken = read_index(&shared->out_cons),
        .given = read_index(&shared->in_prod),
    };
}

bool ring_resume(struct ring *ring, uint32_t index)
{
    if (read_index(&ring->shared->out_prod) - index > RING_OUTPUT) {
        return false;
    }
    ring->taken = index;
    return true;
}

int ring_peek(struct ring *ring, uint8_t bytes[RING_OUTPUT])
{
    uint32_t produced = read_index(&ring->shared->out_prod);
    uint32_t ready = produced - ring->taken;
    uint32_t from = ring->taken % RING_OUTPUT;
    uint32_t first = RING_OUTPUT - from;

    if (ready > RING_OUTPUT) {
        ring->taken = produced;
        __atomic_store_n(&ring->shared->out_cons, produced, __ATOMIC_RELEASE);
        return -EPROTO;
    }
    if (first > ready) {
        first = ready;
    }
    memcpy(bytes, ring->shared->out + from, first);
    memcpy(bytes + first, ring->shared->out, ready - first);
    atomic_signal_fence(memory_order_seq_cst); /* the copy is the only read */
    return (int)ready;
}

bool ring_take(struct ring *ring, uint32_t count)
{
    uint32_t before = ring->taken;

    ring->taken += count;
    __atomic_store_n(&ring->shared->out_cons, ring->taken, __ATOMIC_RELEASE);
    /* Either the guest sees the room, or what made it wait is seen here. */
    atomic_thread_fence(memory_order_seq_cst);
    return read_index(&ring->shared->out_prod) - before > RING_ATOMIC;
}

size_t ring_room(const struct ring *ring)
{
    uint32_t used = ring->given - read_index(&ring->shared->in_cons);

    return used > RING_INPUT ? 0 : RING_INPUT - used;
}

size_t ring_give(struct ring *ring, const uint8_t *bytes, size_t count)
{
    size_t room = ring_room(ring);
    uint32_t to = ring->given % RING_INPUT;
    size_t first = RING_INPUT - to;

    if (count > room) {
        count = room;
    }
    if (first > count) {
        first = count;
    }
    memcpy(ring->shared->in + to, bytes, first);
    memcpy(ring->shared->in, bytes + first, count - first);
    ring->given += (uint32_t)count;
    __atomic_store_n(&ring->shared->in_prod, ring->given, __ATOMIC_RELEASE);
    return count;
}
