/* SPDX-License-Identifier: MIT */
/*
 * sched_op: giving up the CPU, waiting, and the end of a domain.
 */
#include "guest-pv-headers/sched.h"

#include "hypervisor/event/event.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/sched/vcpu_sched.h"
#include "hypervisor/time/clock.h"
#include "hypervisor/x86/percpu.h"

#define POLL_PORTS_LIMIT 128u

/* ---- poll ----------------------------------------------------------------------------------- */

/* 1 if there is nothing to wait for, 0 if there is, -XEN_E* for a bad port. */
static int poll_ready(const struct vcpu *vcpu, const evtchn_port_t *ports, uint32_t count,
                      uint64_t timeout)
{
    if (event_upcall_due(vcpu)) {
        return 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        int pending = event_port_pending(vcpu->domain, ports[i]);

        if (pending != 0) {
            return pending;
        }
    }
    return timeout != 0 && timeout <= clock_now();
}

static long poll(const struct sched_poll __guest *argument)
{
    struct vcpu *vcpu = current;
    evtchn_port_t ports[POLL_PORTS_LIMIT];
    struct sched_poll op;
    int ready;

    if (copy_from_guest(&op, argument) != 0) {
        return -XEN_EFAULT;
    }
    if (op.nr_ports > POLL_PORTS_LIMIT) {
        return -XEN_EINVAL;
    }
    if (copy_array_from_guest(ports, (const evtchn_port_t __guest *)op.ports, op.nr_ports) != 0) {
        return -XEN_EFAULT;
    }

    /* It waits before it looks: who sets a port after that sees it wait. */
    vcpu_poll_begin(vcpu, op.nr_ports == 1 ? ports[0] : 0);
    ready = poll_ready(vcpu, ports, op.nr_ports, op.timeout);
    if (ready != 0) {
        (void)vcpu_wait_end(vcpu);
        return MIN(ready, 0);
    }
    if (op.timeout != 0) {
        timer_set(&vcpu->sched->poll_timer, op.timeout);
    } else {
        timer_stop(&vcpu->sched->poll_timer);
    }
    softirq_raise(SOFTIRQ_SCHEDULE);
    return 0;
}

/* ---- the end -------------------------------------------------------------------------------- */

/* The code is what is remembered for later, or the reason to shut down now. */
static long shut_down(const struct sched_shutdown __guest *argument, bool now)
{
    struct domain *domain = current->domain;
    struct sched_shutdown op;

    if (copy_from_guest(&op, argument) != 0) {
        return -XEN_EFAULT;
    }
    if (now) {
        domain_shutdown(domain, op.reason & 0xff);
    } else {
        (void)domain_latch_code(domain, op.reason & 0xff);
    }
    return 0;
}

static long remote_shutdown(const struct sched_remote_shutdown __guest *argument)
{
    struct sched_remote_shutdown op;
    struct domain *domain;
    long error = 0;

    if (copy_from_guest(&op, argument) != 0) {
        return -XEN_EFAULT;
    }
    domain = domain_find(op.domain_id);
    if (domain == NULL) {
        return -XEN_ESRCH;
    }
    if (current->domain->privileged) {
        domain_shutdown(domain, op.reason & 0xff);
    } else {
        error = -XEN_EPERM;
    }
    domain_put(domain);
    return error;
}

/* ---- watchdog ------------------------------------------------------------------------------- */

static void watchdog_expired(void *argument)
{
    domain_shutdown(argument, SHUTDOWN_watchdog);
}

/*
 * Under the lock, so that a timer is armed only while its watchdog is taken.  Its
 * handler, for which the timer's functions may wait, takes none that ranks above.
 */
static long watchdog_change(struct domain *domain, uint32_t id, uint64_t timeout)
    REQUIRES(domain->lock)
{
    uint64_t deadline = clock_now() + timeout * NANOSECONDS;
    bool fresh = id == 0;

    if (fresh) {
        id = (uint32_t)__builtin_ctz(~domain->watchdog_used) + 1; /* ids count from 1 */
    }
    if (id > ARRAY_SIZE(domain->watchdog)) {
        return fresh && timeout != 0 ? -XEN_ENOSPC : -XEN_EINVAL;
    }
    if (fresh ? timeout == 0 : (domain->watchdog_used & 1u << (id - 1)) == 0) {
        return -XEN_EINVAL;
    }
    if (fresh) {
        timer_init(&domain->watchdog[id - 1], watchdog_expired, domain);
    }
    if (timeout != 0) {
        domain->watchdog_used |= 1u << (id - 1);
        timer_set(&domain->watchdog[id - 1], deadline);
    } else {
        timer_stop(&domain->watchdog[id - 1]);
        domain->watchdog_used &= ~(1u << (id - 1));
    }
    return fresh ? id : 0;
}

static long watchdog(const struct sched_watchdog __guest *argument)
{
    struct domain *domain = current->domain;
    struct sched_watchdog op;
    long result;

    if (copy_from_guest(&op, argument) != 0) {
        return -XEN_EFAULT;
    }
    spin_lock(&domain->lock);
    result = watchdog_change(domain, op.id, op.timeout);
    spin_unlock(&domain->lock);
    return result;
}

void sched_watchdogs_stop(struct domain *domain)
{
    spin_lock(&domain->lock);
    for (uint32_t id = 1; id <= ARRAY_SIZE(domain->watchdog); id++) {
        (void)watchdog_change(domain, id, 0);
    }
    spin_unlock(&domain->lock);
}

static long pin_override(const struct sched_pin_override __guest *argument)
{
    struct vcpu *vcpu = current;
    struct sched_pin_override op;

    if (!vcpu->domain->privileged) {
        return -XEN_EPERM;
    }
    if (copy_from_guest(&op, argument) != 0) {
        return -XEN_EFAULT;
    }
    return sched_pin(vcpu, op.pcpu < 0 ? PINNED_NOWHERE : (unsigned int)op.pcpu);
}

long hypercall_sched_op(uint64_t operation, uint64_t argument)
{
    switch (operation) {
    case SCHEDOP_yield:
        sched_give_way();
        return 0;
    case SCHEDOP_block:
        sched_block();
        return 0;
    case SCHEDOP_poll:
        return poll(guest_pointer(const struct sched_poll, argument));
    case SCHEDOP_shutdown:
    case SCHEDOP_shutdown_code:
        return shut_down(guest_pointer(const struct sched_shutdown, argument),
                         operation == SCHEDOP_shutdown);
    case SCHEDOP_remote_shutdown:
        return remote_shutdown(guest_pointer(const struct sched_remote_shutdown, argument));
    case SCHEDOP_watchdog:
        return watchdog(guest_pointer(const struct sched_watchdog, argument));
    case SCHEDOP_pin_override:
        return pin_override(guest_pointer(const struct sched_pin_override, argument));
    default:
        return -XEN_ENOSYS;
    }
}
