/* SPDX-License-Identifier: MIT */
/*
 * Which pieces of the machine a domain was given: I/O ports, frames of device
 * memory, interrupt lines.
 *
 * Changed by one control operation at a time (domain_change_begin()) or before the
 * domain runs; looked up from anywhere.  Ports are a bitmap of atomic words, made when the first
 * port is given.  Frames and lines are range sets, replaced as a whole under `lock`.
 */
#pragma once

#include "hypervisor/domain/domain.h"

#define IO_PORTS 65536u

/* Numbers, as sorted ranges that neither touch nor overlap. */
struct range {
    uint64_t first, last;
};

struct range_set {
    struct range *ranges;
    uint32_t count;
};

#define RANGE_SET_LIMIT 1024u /* ranges in one set: -XEN_ENOSPC beyond */

/*
 * `to` becomes `from` with a range put in (add) or taken out; `to` is fresh and
 * `from` stays as it is.  -XEN_EINVAL, -XEN_ENOMEM, -XEN_ENOSPC: `to` is empty.
 */
int must_check range_set_change(struct range_set *to, const struct range_set *from,
                                struct range range, bool add);
bool range_set_has(const struct range_set *set, uint64_t first, uint64_t last); /* all of them */
void range_set_free(struct range_set *set);

enum io_kind { IO_FRAME, IO_IRQ, IO_PORT };

struct io_permissions {
    _Atomic(uint8_t *) ports; /* a bit for each, 1 allows; NULL: none */
    struct spinlock lock;     /* RANK_DEVICE: the two sets */
    struct range_set sets[2]; /* IO_FRAME, IO_IRQ */

    /* Registers that select what a data port means, as the domain wrote them. */
    _Atomic uint32_t pci_address; /* 0xcf8 */
    _Atomic uint8_t cmos_index;   /* 0x70 */
};

/* An empty set of permissions in domain->io; -XEN_ENOMEM. */
int must_check io_permissions_create(struct domain *domain);
void io_permissions_destroy(struct domain *domain);

/*
 * Allow or deny first to last, both included.  -XEN_EINVAL, -XEN_ENOMEM,
 * -XEN_ENOSPC.  io_permitted: all of them?
 */
int must_check io_permit(struct domain *domain, enum io_kind kind, uint64_t first, uint64_t last,
                         bool allow);
bool io_permitted(struct domain *domain, enum io_kind kind, uint64_t first, uint64_t last);

/* One access: `size` is 1, 2 or 4. */
static inline bool io_port_allowed(const struct io_permissions *io, unsigned int port,
                                   unsigned int size)
{
    const uint8_t *map = atomic_load_explicit(&io->ports, memory_order_acquire);
    unsigned int last = port + size - 1, bits;

    if (unlikely(map == NULL) || unlikely(last >= IO_PORTS)) {
        return false;
    }
    bits = (unsigned int)__atomic_load_n(&map[port / 8], __ATOMIC_RELAXED) |
           (unsigned int)__atomic_load_n(&map[last / 8], __ATOMIC_RELAXED) << 8;
    return (~bits >> port % 8 & ((1u << size) - 1)) == 0;
}
