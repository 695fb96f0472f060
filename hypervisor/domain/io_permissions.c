/* SPDX-License-Identifier: MIT */
/*
 * Which pieces of the machine a domain was given: see io_permissions.h.
 */
#include "hypervisor/domain/io_permissions.h"

#include "guest-pv-headers/errno.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/mm/heap.h"

#define PORT_MAP_BYTES (IO_PORTS / 8)

enum numbers { FRAMES, IRQS };

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

/* Room for one range more than `from` has, which is the most a change can need. */
static int range_set_make(struct range_set *to, const struct range_set *from, struct range range)
{
    *to = (struct range_set){ .ranges = NULL };
    if (range.first > range.last) {
        return -XEN_EINVAL;
    }
    to->ranges = heap_alloc((from->count + 1) * sizeof(struct range));
    return to->ranges == NULL ? -XEN_ENOMEM : 0;
}

static int range_set_check(struct range_set *set)
{
    if (set->count > RANGE_SET_LIMIT) {
        range_set_free(set);
        return -XEN_ENOSPC;
    }
    return 0;
}

int range_set_with(struct range_set *to, const struct range_set *from, struct range range)
{
    int error = range_set_make(to, from, range);
    uint32_t i = 0;

    if (error != 0) {
        return error;
    }
    /* Those that end before it, with a gap; then those it melts with; then the rest. */
    while (i < from->count && from->ranges[i].last < range.first &&
           range.first - from->ranges[i].last > 1) {
        to->ranges[to->count++] = from->ranges[i++];
    }
    while (i < from->count &&
           (from->ranges[i].first <= range.last || from->ranges[i].first - range.last == 1)) {
        range.first = MIN(range.first, from->ranges[i].first);
        range.last = MAX(range.last, from->ranges[i].last);
        i++;
    }
    to->ranges[to->count++] = range;
    while (i < from->count) {
        to->ranges[to->count++] = from->ranges[i++];
    }
    return range_set_check(to);
}

int range_set_without(struct range_set *to, const struct range_set *from, struct range range)
{
    int error = range_set_make(to, from, range);

    if (error != 0) {
        return error;
    }
    for (uint32_t i = 0; i < from->count; i++) {
        struct range old = from->ranges[i];

        if (old.last < range.first || old.first > range.last) {
            to->ranges[to->count++] = old;
            continue;
        }
        if (old.first < range.first) {
            to->ranges[to->count++] = (struct range){ old.first, range.first - 1 };
        }
        if (old.last > range.last) {
            to->ranges[to->count++] = (struct range){ range.last + 1, old.last };
        }
    }
    return range_set_check(to);
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
    domain->io = NULL;
    heap_free(atomic_load(&io->ports));
    range_set_free(&io->sets[FRAMES]);
    range_set_free(&io->sets[IRQS]);
    heap_free(io);
}

static int ports_change(struct domain *domain, uint64_t first, uint64_t last, bool allow)
{
    struct io_permissions *io = domain->io;
    uint8_t *map;

    if (io == NULL || first > last || last >= IO_PORTS) {
        return -XEN_EINVAL;
    }
    map = atomic_load_explicit(&io->ports, memory_order_relaxed);
    if (map == NULL && !allow) {
        return 0;
    }
    if (map == NULL) {
        map = heap_alloc(PORT_MAP_BYTES);
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

int io_allow_ports(struct domain *domain, uint64_t first, uint64_t last)
{
    return ports_change(domain, first, last, true);
}

int io_deny_ports(struct domain *domain, uint64_t first, uint64_t last)
{
    return ports_change(domain, first, last, false);
}

bool io_port_range_allowed(const struct domain *domain, uint64_t first, uint64_t last)
{
    bool allowed = domain->io != NULL && first <= last && last < IO_PORTS;

    for (uint64_t port = first; allowed && port <= last; port++) {
        allowed = io_port_allowed(domain->io, (unsigned int)port, 1);
    }
    return allowed;
}

/*
 * Replace a set by a changed one.  The new one is made before the lock is taken
 * and the old one freed after: the heap's lock ranks above ours.  Only the
 * holder of the domain's lock changes a set, so it stands still meanwhile.
 */
static int set_change(struct domain *domain, enum numbers of, struct range range, bool allow)
{
    struct io_permissions *io = domain->io;
    struct range_set old, changed;
    int error;

    if (io == NULL) {
        return -XEN_EINVAL;
    }
    error = allow ? range_set_with(&changed, &io->sets[of], range)
                  : range_set_without(&changed, &io->sets[of], range);
    if (error != 0) {
        return error;
    }
    spin_lock(&io->lock);
    old = io->sets[of];
    io->sets[of] = changed;
    spin_unlock(&io->lock);
    range_set_free(&old);
    return 0;
}

static bool set_allows(struct io_permissions *io, enum numbers of, uint64_t first, uint64_t last)
{
    bool allowed;

    if (io == NULL) {
        return false;
    }
    spin_lock(&io->lock);
    allowed = range_set_has(&io->sets[of], first, last);
    spin_unlock(&io->lock);
    return allowed;
}

int io_allow_frames(struct domain *domain, uint64_t first, uint64_t last)
{
    return set_change(domain, FRAMES, (struct range){ first, last }, true);
}

int io_deny_frames(struct domain *domain, uint64_t first, uint64_t last)
{
    return set_change(domain, FRAMES, (struct range){ first, last }, false);
}

int io_allow_irqs(struct domain *domain, uint64_t first, uint64_t last)
{
    return set_change(domain, IRQS, (struct range){ first, last }, true);
}

int io_deny_irqs(struct domain *domain, uint64_t first, uint64_t last)
{
    return set_change(domain, IRQS, (struct range){ first, last }, false);
}

bool io_frames_allowed(struct domain *domain, uint64_t first, uint64_t last)
{
    return set_allows(domain->io, FRAMES, first, last);
}

bool io_irqs_allowed(struct domain *domain, uint64_t first, uint64_t last)
{
    return set_allows(domain->io, IRQS, first, last);
}
