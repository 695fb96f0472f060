/* SPDX-License-Identifier: MIT */
/*
 * Single-shot timers: on time, not early, once; in the past at once or -ETIME; stopped; replaced;
 * and the older set_timer_op on the same clock.
 *
 * A timer that fires early makes a kernel program it again and again; one that is lost stops it.
 * Source: public vcpu.h; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static unsigned int port;

static long set_timer(unsigned int vcpu, uint64_t when, unsigned int flags)
{
    struct vcpu_set_singleshot_timer timer = { .timeout_abs_ns = when, .flags = flags };

    return hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, vcpu, &timer);
}

static void check_on_time(void)
{
    for (unsigned int i = 0; i < 10; i++) {
        unsigned int before = port_count[port];
        uint64_t when = now() + (1 + i) * MILLISECOND;

        expect_eq(set_timer(0, when, 0), 0, "set");
        expect(wait_for(port_count[port] != before, 1000UL), "fired");
        expect(now() >= when, "not early");
        expect_eq(port_count[port], before + 1, "once");
    }
}

/* The public header says -ETIME; Debian's Xen 4.17 ignores the flag. One of both, not neither. */
static void check_future_only(uint64_t when)
{
    unsigned int before = port_count[port];
    long result = set_timer(0, when, VCPU_SSHOTTMR_future);

    if (result == 0) {
        expect(wait_for(port_count[port] == before + 1, 100UL), "taken: fires at once");
    } else {
        expect_eq(result, -XEN_ETIME, "future only");
        expect(!wait_for(port_count[port] != before, 5UL), "refused: does not fire");
    }
}

static void check_past(void)
{
    unsigned int before = port_count[port];

    expect_eq(set_timer(0, now() - MILLISECOND, 0), 0, "in the past");
    expect(wait_for(port_count[port] == before + 1, 100UL), "fires at once");
    expect_eq(set_timer(0, 1, 0), 0, "long past");
    expect(wait_for(port_count[port] == before + 2, 100UL), "fires at once");
    check_future_only(now() - MILLISECOND);
    check_future_only(1);
}

static void check_stop_and_replace(void)
{
    unsigned int before = port_count[port];

    expect_eq(set_timer(0, now() + 10 * MILLISECOND, 0), 0, "set");
    expect_eq(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_stop_singleshot_timer, 0, 0), 0, "stop");
    expect(!wait_for(port_count[port] != before, 30UL), "stopped");
    expect_eq(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_stop_singleshot_timer, 0, 0), 0, "twice");

    expect_eq(set_timer(0, now() + 10000 * MILLISECOND, 0), 0, "far away");
    expect_eq(set_timer(0, now() + MILLISECOND, 0), 0, "nearer");
    expect(wait_for(port_count[port] == before + 1, 1000UL), "the nearer one");
    /* The end of time is far away, or (taken as signed) long past. */
    expect_eq(set_timer(0, ~0UL, 0), 0, "the end of time");
    wait_for(false, 5UL);
    expect(port_count[port] <= before + 2, "no storm");
    expect_eq(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_stop_singleshot_timer, 0, 0), 0, "stop");
}

static void check_set_timer_op(void)
{
    unsigned int before = port_count[port];
    uint64_t when = now() + 5 * MILLISECOND;

    expect_eq(hypercall1(__HYPERVISOR_set_timer_op, when), 0, "set_timer_op");
    expect(wait_for(port_count[port] == before + 1, 1000UL), "fired");
    expect(now() >= when, "not early");
    expect_eq(hypercall1(__HYPERVISOR_set_timer_op, now() + 5 * MILLISECOND), 0, "set");
    expect_eq(hypercall1(__HYPERVISOR_set_timer_op, 0), 0, "0 stops it");
    expect(!wait_for(port_count[port] != before + 1, 20UL), "stopped");
    expect_eq(hypercall1(__HYPERVISOR_set_timer_op, now() - 1000), 0, "in the past");
    expect(wait_for(port_count[port] == before + 2, 1000UL), "fires at once");
}

void test_main(void)
{
    expect_eq(bind_virq(VIRQ_TIMER, 0, &port), 0, "timer");
    hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
    clear_port(port);
    unmask_port(port);
    events_on();
    check_on_time();
    check_past();
    check_stop_and_replace();
    check_set_timer_op();

    expect_eq(set_timer(1, now(), 0), -XEN_EINVAL, "not another vCPU's");
    expect_eq(set_timer(99, now(), 0), -XEN_ENOENT, "no such vCPU");
    expect_eq(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, BAD_UNMAPPED),
              -XEN_EFAULT, "bad pointer");
    events_off();
}
