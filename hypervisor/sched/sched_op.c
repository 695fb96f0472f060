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
    atomic_fetch_or(&vcpu->blocked, VCPU_BLOCKED);
    ready = poll_ready(vcpu, ports, op.nr_ports, op.timeout);
    if (ready != 0) {
        (void)vcpu_poll_end(vcpu);
        atomic_fetch_and(&vcpu->blocked, ~VCPU_BLOCKED);
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

/* The index of one that was free and is now taken; -XEN_ENOSPC. */
static int watchdog_take(struct domain *domain)
{
    int index = -XEN_ENOSPC;

    spin_lock(&domain->lock);
    for (unsigned int i = 0; i < ARRAY_SIZE(domain->watchdog) && index < 0; i++) {
        if ((domain->watchdog_used & (1u << i)) == 0) {
            domain->watchdog_used |= 1u << i;
            timer_init(&domain->watchdog[i], watchdog_expired, domain);
            index = (int)i;
        }
    }
    spin_unlock(&domain->lock);
    return index;
}

static void watchdog_release(struct domain *domain, unsigned int index)
{
    /* No lock: the handler takes the domain's.  It stays taken until it is stopped. */
    timer_stop(&domain->watchdog[index]);
    spin_lock(&domain->lock);
    domain->watchdog_used &= ~(1u << index);
    spin_unlock(&domain->lock);
}

static long watchdog(const struct sched_watchdog __guest *argument)
{
    struct domain *domain = current->domain;
    struct sched_watchdog op;
    uint64_t deadline;
    int index;

    if (copy_from_guest(&op, argument) != 0) {
        return -XEN_EFAULT;
    }
    deadline = clock_now() + op.timeout * NANOSECONDS;
    if (op.id == 0) {
        index = op.timeout == 0 ? -XEN_EINVAL : watchdog_take(domain);
        if (index >= 0) {
            timer_set(&domain->watchdog[index], deadline);
            index++; /* ids count from 1 */
        }
        return index;
    }
    if (op.id > ARRAY_SIZE(domain->watchdog) ||
        (read_once(domain->watchdog_used) & (1u << (op.id - 1))) == 0) {
        return -XEN_EINVAL;
    }
    if (op.timeout == 0) {
        watchdog_release(domain, op.id - 1);
    } else {
        timer_set(&domain->watchdog[op.id - 1], deadline);
    }
    return 0;
}

void sched_watchdogs_stop(struct domain *domain)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(domain->watchdog); i++) {
        if ((read_once(domain->watchdog_used) & (1u << i)) != 0) {
            watchdog_release(domain, i);
        }
    }
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

/* Before there were structures: the shutdown reason is the argument itself. */
long hypercall_sched_op_compat(uint64_t operation, uint64_t argument)
{
    switch (operation) {
    case SCHEDOP_yield:
    case SCHEDOP_block:
        return hypercall_sched_op(operation, 0);
    case SCHEDOP_shutdown:
        domain_shutdown(current->domain, argument & 0xff);
        return 0;
    default:
        return -XEN_ENOSYS;
    }
}
