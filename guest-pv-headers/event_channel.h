/* SPDX-License-Identifier: MIT */
/*
 * Event channels: one bit per port, raised by another domain, an interrupt, a
 * timer or a vCPU, and seen by the domain that owns the port.
 *
 * event_channel_op(command, argument) returns 0 or a negative error.  Port 0 is
 * never given out.  Wherever a domain is named DOMID_SELF is allowed, and any
 * other domain needs control over it.
 */
#ifndef GUEST_PV_HEADERS_EVENT_CHANNEL_H
#define GUEST_PV_HEADERS_EVENT_CHANNEL_H

#include "guest-pv-headers/xen.h"

typedef uint32_t evtchn_port_t;

/* Commands; the argument of EVTCHNOP_x is a struct evtchn_x. */
#define EVTCHNOP_bind_interdomain 0
#define EVTCHNOP_bind_virq        1
#define EVTCHNOP_bind_pirq        2
#define EVTCHNOP_close            3
#define EVTCHNOP_send             4
#define EVTCHNOP_status           5
#define EVTCHNOP_alloc_unbound    6
#define EVTCHNOP_bind_ipi         7
#define EVTCHNOP_bind_vcpu        8
#define EVTCHNOP_unmask           9
#define EVTCHNOP_reset            10
#define EVTCHNOP_init_control     11
#define EVTCHNOP_expand_array     12
#define EVTCHNOP_set_priority     13

/*
 * Getting a port.  All of these answer -ENOSPC when the domain has none left.
 * A new port is masked or not as its mask bit stands and notifies vCPU 0 unless
 * it is said otherwise.
 */

/* A port in `dom` that waits until `remote_dom` binds to it. */
struct evtchn_alloc_unbound {
    domid_t dom;
    domid_t remote_dom;
    evtchn_port_t port; /* out */
};

/*
 * Connects a new port of the caller with a waiting port of `remote_dom`.
 * -EINVAL if that port does not wait for the caller.  The new port is pending
 * at once: the other side may have sent before it was there.
 */
struct evtchn_bind_interdomain {
    domid_t remote_dom;
    uint16_t hole;
    evtchn_port_t remote_port;
    evtchn_port_t local_port; /* out */
};

/* A port for a virtual interrupt.  -EEXIST if it is bound already. */
struct evtchn_bind_virq {
    uint32_t virq;      /* VIRQ_* */
    uint32_t vcpu;      /* 0 for those that exist once per domain */
    evtchn_port_t port; /* out */
};

/* A port for a physical interrupt that was mapped before (physdev.h). */
struct evtchn_bind_pirq {
    uint32_t pirq;
    uint32_t flags;     /* BIND_PIRQ__* */
    evtchn_port_t port; /* out */
};
#define BIND_PIRQ__WILL_SHARE 1 /* others may bind the same line */

/* A port through which the domain's vCPUs interrupt `vcpu`. */
struct evtchn_bind_ipi {
    uint32_t vcpu;
    evtchn_port_t port; /* out */
};

/* Using a port. */

/* Frees a port.  A peer goes back to waiting, for the domain that closed. */
struct evtchn_close {
    evtchn_port_t port;
};

/* Raises the other end; for an IPI port, itself. */
struct evtchn_send {
    evtchn_port_t port;
};

/* Clears the mask bit and notifies if the port is pending. */
struct evtchn_unmask {
    evtchn_port_t port;
};

/* Chooses the vCPU that is notified.  -EINVAL for IPIs and per-vCPU virtual interrupts. */
struct evtchn_bind_vcpu {
    evtchn_port_t port;
    uint32_t vcpu;
};

/* What a port is. */
struct evtchn_status {
    domid_t dom;
    uint16_t hole;
    evtchn_port_t port;
    uint32_t status; /* out: EVTCHNSTAT_*, as are all below */
    uint32_t vcpu;   /* the one notified */
    union {
        struct {
            domid_t dom; /* whom it waits for */
        } unbound;
        struct {
            domid_t dom;
            uint16_t hole;
            evtchn_port_t port;
        } interdomain;
        uint32_t pirq;
        uint32_t virq;
    } u;
};
#define EVTCHNSTAT_closed      0
#define EVTCHNSTAT_unbound     1
#define EVTCHNSTAT_interdomain 2
#define EVTCHNSTAT_pirq        3
#define EVTCHNSTAT_virq        4
#define EVTCHNSTAT_ipi         5

/* Closes all ports of a domain and puts it back to the 2-level scheme. */
struct evtchn_reset {
    domid_t dom;
};

/*
 * The 2-level scheme, in force from the start: pending and mask bits are in
 * shared_info, a selector word is in vcpu_info.
 */
#define EVTCHN_2L_NR_CHANNELS 4096

/*
 * The FIFO scheme: one 32-bit word a port in an array that the guest supplies
 * page by page, and one queue for each priority and vCPU, linked through
 * those words.  Each vCPU has a control block.
 */
typedef uint32_t event_word_t;

/* Bits of an event word, and the link to the next port of the queue in the low ones. */
#define EVTCHN_FIFO_PENDING     31
#define EVTCHN_FIFO_MASKED      30
#define EVTCHN_FIFO_LINKED      29 /* on a queue */
#define EVTCHN_FIFO_BUSY        28 /* the core is changing the link */
#define EVTCHN_FIFO_LINK_BITS   17
#define EVTCHN_FIFO_LINK_MASK   0x1ffff
#define EVTCHN_FIFO_NR_CHANNELS 131072

/* Priorities: small numbers first. */
#define EVTCHN_FIFO_PRIORITY_MAX     0
#define EVTCHN_FIFO_PRIORITY_DEFAULT 7
#define EVTCHN_FIFO_PRIORITY_MIN     15
#define EVTCHN_FIFO_MAX_QUEUES       16

/* One vCPU's queues.  The core sets bits of `ready`, the guest clears them and moves the heads. */
struct evtchn_fifo_control_block {
    uint32_t ready; /* bit q: queue q is not empty */
    uint32_t _rsvd;
    uint32_t head[EVTCHN_FIFO_MAX_QUEUES]; /* first port of each queue */
};

/* Gives `vcpu` its control block.  The first one switches the domain to FIFO. */
struct evtchn_init_control {
    uint64_t control_gfn;
    uint32_t offset; /* of the block in that page, a multiple of 8 */
    uint32_t vcpu;
    uint8_t link_bits; /* out: EVTCHN_FIFO_LINK_BITS */
    uint8_t _pad[7];
};

/* Adds a page of event words: ports the array does not reach cannot be used. */
struct evtchn_expand_array {
    uint64_t array_gfn;
};

/* Takes effect the next time the port is raised. */
struct evtchn_set_priority {
    evtchn_port_t port;
    uint32_t priority;
};

/* Argument of the older event_channel_op_compat. */
struct evtchn_op {
    uint32_t cmd; /* EVTCHNOP_* */
    union {
        struct evtchn_alloc_unbound alloc_unbound;
        struct evtchn_bind_interdomain bind_interdomain;
        struct evtchn_bind_virq bind_virq;
        struct evtchn_bind_pirq bind_pirq;
        struct evtchn_bind_ipi bind_ipi;
        struct evtchn_close close;
        struct evtchn_send send;
        struct evtchn_status status;
        struct evtchn_bind_vcpu bind_vcpu;
        struct evtchn_unmask unmask;
    } u;
};

#endif
