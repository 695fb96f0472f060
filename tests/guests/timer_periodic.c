/* SPDX-License-Identifier: MIT */
/*
 * The periodic timer: ticks at its rate, stops, and cannot be set to flood the hypervisor.
 *
 * It ticks while the vCPU runs; one that is blocked is not woken by it (so in Debian's Xen, and old
 * kernels cope), only told when it runs again.
 * Attack: a period of a nanosecond keeps the CPU in the timer interrupt.
 * Source: public vcpu.h (at least a millisecond); errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static unsigned int port;

static long set_periodic(unsigned int vcpu, uint64_t period)
{
    struct vcpu_set_periodic_timer timer = { .period_ns = period };

    return hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_set_periodic_timer, vcpu, &timer);
}

void test_main(void)
{
    unsigned int before;
    uint64_t start;

    expect_eq(bind_virq(VIRQ_TIMER, 0, &port), 0, "timer");
    expect_eq(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, 0, 0), 0, "stop");
    clear_port(port);
    unmask_port(port);
    events_on();

    before = port_count[port];
    start = now();
    expect_eq(set_periodic(0, 5 * MILLISECOND), 0, "every 5 ms");
    expect(wait_for(port_count[port] >= before + 10, 2000UL), "ten ticks");
    expect(now() - start >= 40 * MILLISECOND, "not too many");
    expect_eq(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, 0, 0), 0, "stop");
    before = port_count[port];
    expect(!wait_for(port_count[port] > before + 1, 30UL), "stopped");

    expect_eq(set_periodic(0, 1), -XEN_EINVAL, "a nanosecond");
    expect_eq(set_periodic(0, MILLISECOND - 1), -XEN_EINVAL, "just below a millisecond");
    expect_eq(set_periodic(0, 0), -XEN_EINVAL, "nothing");
    expect_eq(set_periodic(0, ~0UL), -XEN_EINVAL, "beyond time");
    expect_eq(set_periodic(0, MILLISECOND), 0, "a millisecond");
    before = port_count[port];
    expect(wait_for(port_count[port] > before + 2, 1000UL), "ticks");
    expect_eq(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, 0, 0), 0, "stop");
    expect_eq(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_set_periodic_timer, 0, BAD_UNMAPPED),
              -XEN_EFAULT, "bad pointer");
    expect_eq(set_periodic(99, MILLISECOND), -XEN_ENOENT, "no such vCPU");
    events_off();
}
