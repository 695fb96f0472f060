/* SPDX-License-Identifier: MIT */
/*
 * Event channels: one bit per port, set by one domain and seen by another.
 */
#pragma once

#include "guest-pv-headers/event_channel.h"
#include "hypervisor/domain/domain.h"

/* A domain without ports; before its first vCPU. */
int must_check events_create(struct domain *domain, uint32_t max_port);

/* The domain is dying: all ports closed, peers told; -XEN_ERESTART to be called again. */
int must_check events_close_all(struct domain *domain);

void events_destroy(struct domain *domain); /* last reference gone: memory; after the vCPUs */

/* A vCPU was created (its vcpu_info is there) or is destroyed: VIRQ bindings, FIFO queues. */
int must_check events_vcpu_create(struct vcpu *vcpu);
void events_vcpu_destroy(struct vcpu *vcpu);

/*
 * vcpu->info was changed (VCPUOP_register_vcpu_info), the old contents copied:
 * everything is made to look pending in the new one.  The old one may be
 * unmapped after this.
 */
void events_vcpu_info_moved(struct vcpu *vcpu);

/* Raise VIRQ_* for one vCPU, or, for a global one, for whoever handles it (dom0 by default). */
void event_send_vcpu_virq(struct vcpu *vcpu, uint32_t virq);
void event_send_global_virq(uint32_t virq);

/* Give a global VIRQ to another domain (XEN_DOMCTL_set_virq_handler). */
int must_check event_set_virq_handler(struct domain *domain, uint32_t virq);

/* Set the port a physical interrupt is bound to; `port` is the one pirq_guest_bind() was given. */
void event_send_pirq(struct domain *domain, evtchn_port_t port);

/* EVTCHNOP_unmask of any domain's port, for PHYSDEVOP_eoi; bad ports are -XEN_EINVAL. */
int event_unmask(struct domain *domain, evtchn_port_t port);

/*
 * Interface to pv/pirq.c, which owns physical interrupts.  No lock is held.
 * pirq_guest_bind: -XEN_EINVAL, -XEN_EPERM, -XEN_EEXIST (the domain has bound it),
 * -XEN_EBUSY as the ABI has them.
 */
int must_check pirq_guest_bind(struct domain *domain, uint32_t pirq, evtchn_port_t port);
void pirq_guest_unbind(struct domain *domain, uint32_t pirq);
void pirq_guest_set_affinity(struct domain *domain, uint32_t pirq, unsigned int cpu);

/* Is a port pending, masked or not? For SCHEDOP_poll; bad ports are -XEN_EINVAL. */
int event_port_pending(struct domain *domain, evtchn_port_t port);

/* An event is pending and the vCPU takes upcalls (both bytes of vcpu_info). */
static inline bool event_upcall_due(const struct vcpu *vcpu)
{
    return read_once(vcpu->info->evtchn_upcall_pending) != 0 &&
           read_once(vcpu->info->evtchn_upcall_mask) == 0;
}

/*
 * SCHEDOP_poll: the vCPU waits for `port`, or with 0 for any port.  After this
 * the caller looks at the ports: what becomes pending later unblocks the vCPU.
 */
static inline void vcpu_poll_begin(struct vcpu *vcpu, evtchn_port_t port)
{
    atomic_store(&vcpu->poll_port, port);
    __atomic_fetch_add(&vcpu->domain->poll_count, 1, __ATOMIC_SEQ_CST);
    atomic_fetch_or(&vcpu->blocked, VCPU_BLOCKED | VCPU_POLLING);
}

/*
 * End a wait.  True if the vCPU blocked or polled: exactly one of those who try is
 * told so.  Both bits go at once: who is late may end a newer wait, but never half of it.
 */
static inline bool vcpu_wait_end(struct vcpu *vcpu)
{
    uint32_t old = atomic_fetch_and(&vcpu->blocked, ~(VCPU_BLOCKED | VCPU_POLLING));

    if (unlikely((old & VCPU_POLLING) != 0)) {
        __atomic_fetch_sub(&vcpu->domain->poll_count, 1, __ATOMIC_SEQ_CST);
    }
    return (old & VCPU_BLOCKED) != 0;
}

/* Wake a vCPU that blocks or polls (a poll ends with that), or kick it if it runs. */
void vcpu_unblock(struct vcpu *vcpu);

void events_dump(const struct domain *domain); /* debug key */
