/* SPDX-License-Identifier: MIT */
/*
 * Which pieces of the machine a domain was given: see io_permissions.h.
 */
#include "hypervisor/domain/io_permissions.h"

#include "guest-pv-headers/errno.h"
#include "hypervisor/mm/heap.h"

bool range_set_has(const struct range_set *set, uint64_t first, uint64_t last)
{
    uint32_t low = 0, high = set->count;

    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (set->ranges[middle].last < first) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return first <= last && low < set->count && set->ranges[low].first <= first &&
           last <= set->ranges[low].last;
}

void range_set_free(struct range_set *set)
{
    heap_free(set->ranges);
    *set = (struct range_set){ .ranges = NULL };
}

static void append(struct range_set *set, uint64_t first, uint64_t last)
{
    set->ranges[set->count++] = (struct range){ first, last };
}

int range_set_change(struct range_set *to, const struct range_set *from, struct range range,
                     bool add)
{
    bool placed = !add;

    *to = (struct range_set){ .ranges = NULL };
    if (range.first > range.last) {
        return -XEN_EINVAL;
    }
    /* One range more than there were is the most a change can need. */
    to->ranges = heap_alloc((from->count + 1) * sizeof(struct range));
    if (to->ranges == NULL) {
        return -XEN_ENOMEM;
    }
    for (uint32_t i = 0; i < from->count; i++) {
        struct range old = from->ranges[i];
        bool before = old.last < range.first && range.first - old.last > (add ? 1 : 0);
        bool after = old.first > range.last && old.first - range.last > (add ? 1 : 0);

        if (after && !placed) {
            append(to, range.first, range.last);
            placed = true;
        }
        if (before || after) {
            append(to, old.first, old.last);
        } else if (add) {
            range.first = MIN(range.first, old.first);
            range.last = MAX(range.last, old.last);
        } else {
            if (old.first < range.first) {
                append(to, old.first, range.first - 1);
            }
            if (old.last > range.last) {
                append(to, range.last + 1, old.last);
            }
        }
    }
    if (!placed) {
        append(to, range.first, range.last);
    }
    if (to->count > RANGE_SET_LIMIT) {
        range_set_free(to);
        return -XEN_ENOSPC;
    }
    return 0;
}

int io_permissions_create(struct domain *domain)
{
    struct io_permissions *io = heap_alloc(sizeof(*io));

    if (io == NULL) {
        return -XEN_ENOMEM;
    }
    spinlock_init(&io->lock, RANK_DEVICE);
    domain->io = io;
    return 0;
}

void io_permissions_destroy(struct domain *domain)
{
    struct io_permissions *io = domain->io;

    if (io == NULL) {
        return;
    }
    heap_free(atomic_load(&io->ports));
    range_set_free(&io->sets[IO_FRAME]);
    range_set_free(&io->sets[IO_IRQ]);
    heap_free(io);
    domain->io = NULL;
}

static int permit_ports(struct domain *domain, uint64_t first, uint64_t last, bool allow)
{
    struct io_permissions *io = domain->io;
    uint8_t *map;

    if (first > last || last >= IO_PORTS) {
        return -XEN_EINVAL;
    }
    map = atomic_load_explicit(&io->ports, memory_order_relaxed);
    if (map == NULL && !allow) {
        return 0;
    }
    if (map == NULL) {
        map = heap_alloc(IO_PORTS / 8);
        if (map == NULL) {
            return -XEN_ENOMEM;
        }
        atomic_store_explicit(&io->ports, map, memory_order_release);
    }
    for (uint64_t port = first; port <= last; port++) {
        uint8_t bit = (uint8_t)(1u << port % 8);

        if (allow) {
            __atomic_fetch_or(&map[port / 8], bit, __ATOMIC_RELAXED);
        } else {
            __atomic_fetch_and(&map[port / 8], (uint8_t)~bit, __ATOMIC_RELAXED);
        }
    }
    return 0;
}

/*
 * Replace a set by a changed one.  The new one is made before the lock is taken
 * and the old one freed after: the heap's lock ranks above ours.  Control operations
 * on one domain exclude each other, so the set stands still meanwhile.
 */
int io_permit(struct domain *domain, enum io_kind kind, uint64_t first, uint64_t last, bool allow)
{
    struct io_permissions *io = domain->io;
    struct range_set old, changed;
    int error;

    if (kind == IO_PORT) {
        return permit_ports(domain, first, last, allow);
    }
    error = range_set_change(&changed, &io->sets[kind], (struct range){ first, last }, allow);
    if (error != 0) {
        return error;
    }
    spin_lock(&io->lock);
    old = io->sets[kind];
    io->sets[kind] = changed;
    spin_unlock(&io->lock);
    range_set_free(&old);
    return 0;
}

bool io_permitted(struct domain *domain, enum io_kind kind, uint64_t first, uint64_t last)
{
    struct io_permissions *io = domain->io;
    bool permitted = first <= last;

    if (kind != IO_PORT) {
        spin_lock(&io->lock);
        permitted = range_set_has(&io->sets[kind], first, last);
        spin_unlock(&io->lock);
        return permitted;
    }
    permitted = permitted && last < IO_PORTS;
    for (uint64_t port = first; permitted && port <= last; port++) {
        permitted = io_port_allowed(io, (unsigned int)port, 1);
    }
    return permitted;
}
