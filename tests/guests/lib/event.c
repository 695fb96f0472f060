/* SPDX-License-Identifier: MIT */
/* Event channels (the two-level kind), the upcall, and the clock. */
#include "tests/guests/lib/guest.h"

volatile unsigned int port_count[PORTS];
void (*port_hook)(unsigned int port);
void (*upcall_hook)(struct cpu *cpu);

void upcall(struct cpu *cpu);

static void scan_word(unsigned int word)
{
    volatile unsigned long *pending = &shared->evtchn_pending[word];
    unsigned long ready = *pending & ~shared->evtchn_mask[word];

    while (ready != 0) {
        unsigned int bit = (unsigned int)__builtin_ctzl(ready);
        unsigned int port = word * 64 + bit;

        ready &= ready - 1;
        __atomic_and_fetch(pending, ~BIT(bit), __ATOMIC_SEQ_CST);
        port_count[port]++;
        if (port_hook != NULL) {
            port_hook(port);
        }
    }
}

void upcall(struct cpu *cpu)
{
    cpu->upcalls++;
    if (upcall_hook != NULL) {
        upcall_hook(cpu);
        return;
    }
    while (__atomic_exchange_n(&cpu->info->evtchn_upcall_pending, 0, __ATOMIC_SEQ_CST) != 0) {
        unsigned long words =
            __atomic_exchange_n(&cpu->info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);

        while (words != 0) {
            scan_word((unsigned int)__builtin_ctzl(words));
            words &= words - 1;
        }
    }
}

void events_on(void)
{
    struct cpu *cpu = this_cpu();
    volatile struct vcpu_info *info = cpu->info;

    cpu->events_wanted = true;
    info->evtchn_upcall_mask = 0;
    barrier();
    /* Unmasking does not deliver what is pending already; leaving a hypercall does. */
    if (info->evtchn_upcall_pending != 0) {
        hypercall2(__HYPERVISOR_xen_version, XENVER_version, 0);
    }
}

void events_off(void)
{
    struct cpu *cpu = this_cpu();
    volatile struct vcpu_info *info = cpu->info;

    cpu->events_wanted = false;
    info->evtchn_upcall_mask = 1;
    barrier();
}

void mask_port(unsigned int port)
{
    __atomic_or_fetch(&shared->evtchn_mask[port / 64], BIT(port % 64), __ATOMIC_SEQ_CST);
}

void unmask_port(unsigned int port)
{
    struct evtchn_unmask request = { .port = port };

    hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_unmask, &request);
}

bool port_pending(unsigned int port)
{
    volatile unsigned long *word = &shared->evtchn_pending[port / 64];

    return (*word & BIT(port % 64)) != 0;
}

void clear_port(unsigned int port)
{
    __atomic_and_fetch(&shared->evtchn_pending[port / 64], ~BIT(port % 64), __ATOMIC_SEQ_CST);
}

long alloc_unbound(unsigned int *port)
{
    struct evtchn_alloc_unbound request = { .dom = DOMID_SELF, .remote_dom = DOMID_SELF };
    long error = hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, &request);

    *port = request.port;
    return error;
}

unsigned int loop_ports(unsigned int *other)
{
    struct evtchn_bind_interdomain request = { .remote_dom = DOMID_SELF };
    unsigned int port;

    if (alloc_unbound(&port) != 0) {
        test_abort("no unbound port");
    }
    request.remote_port = port;
    if (hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, &request) != 0) {
        test_abort("cannot bind to our own port");
    }
    *other = request.local_port;
    return port;
}

long bind_virq(unsigned int virq, unsigned int vcpu, unsigned int *port)
{
    struct evtchn_bind_virq request = { .virq = virq, .vcpu = vcpu };
    long error = hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, &request);

    *port = request.port;
    return error;
}

long bind_ipi(unsigned int vcpu, unsigned int *port)
{
    struct evtchn_bind_ipi request = { .vcpu = vcpu };
    long error = hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_ipi, &request);

    *port = request.port;
    return error;
}

long port_close(unsigned int port)
{
    struct evtchn_close request = { .port = port };

    return hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_close, &request);
}

long port_send(unsigned int port)
{
    struct evtchn_send request = { .port = port };

    return hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &request);
}

uint64_t read_tsc(void)
{
    uint32_t low, high;

    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return ((uint64_t)high << 32) | low;
}

uint64_t now(void)
{
    const volatile struct vcpu_time_info *time = &this_cpu()->info->time;
    uint32_t version;
    uint64_t result;

    do {
        uint64_t delta;

        version = time->version;
        barrier();
        delta = read_tsc() - time->tsc_timestamp;
        if (time->tsc_shift >= 0) {
            delta <<= time->tsc_shift;
        } else {
            delta >>= -time->tsc_shift;
        }
        result = time->system_time +
                 (uint64_t)(((unsigned __int128)delta * time->tsc_to_system_mul) >> 32);
        barrier();
    } while ((version & 1) != 0 || version != time->version);
    return result;
}
