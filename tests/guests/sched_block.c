/* SPDX-License-Identifier: MIT */
/*
 * SCHEDOP_block: events are switched on and the vCPU sleeps until one comes; if one is there
 * already it does not sleep.
 *
 * Between a guest's last look for work and its block there is a moment; only because block opens
 * the mask itself is no event lost in it.
 * Source: public description of vcpu_info (evtchn_upcall_mask) and sched.h.
 */
#include "tests/guests/lib/guest.h"

static unsigned int here, there, timer_port;

static void set_timer(uint64_t when)
{
    struct vcpu_set_singleshot_timer timer = { .timeout_abs_ns = when };

    expect_eq(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, &timer), 0, "set");
}

static long block(void)
{
    return hypercall2(__HYPERVISOR_sched_op, SCHEDOP_block, 0);
}

static void send_later(void *unused)
{
    uint64_t end = now() + 20 * MILLISECOND;

    (void)unused;
    while (now() < end) {
    }
    port_send(there);
}

void test_main(void)
{
    uint64_t start;

    here = loop_ports(&there);
    clear_port(there);
    unmask_port(here);
    expect_eq(bind_virq(VIRQ_TIMER, 0, &timer_port), 0, "timer");
    /* Some hypervisors start a guest with a periodic tick. */
    hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
    clear_port(timer_port);
    unmask_port(timer_port);

    /* With an event waiting and events masked: no sleep. */
    expect_eq(port_send(there), 0, "send");
    expect_eq(this_cpu()->upcalls, 0, "masked");
    this_cpu()->events_wanted = true;
    expect_eq(block(), 0, "block");
    expect_eq(port_count[here], 1, "the event was delivered");
    expect_eq(this_cpu()->info->evtchn_upcall_mask, 0, "block switched events on");

    /* Woken by a timer. */
    for (unsigned int i = 1; i <= 5; i++) {
        start = now();
        set_timer(start + 10 * MILLISECOND);
        sleep_until(port_count[timer_port] >= i);
        expect(now() - start >= 10 * MILLISECOND, "slept");
        expect(now() - start < 500 * MILLISECOND, "woke");
    }

    /* Woken by another vCPU. */
    cpu_start(1, send_later, NULL);
    sleep_until(port_count[here] >= 2);
    cpu_wait(1);
    events_off();
}
