/* SPDX-License-Identifier: MIT */
/*
 * SCHEDOP_watchdog: two per domain, armed, kept alive, disarmed; wrong numbers refused.
 *
 * Source: public sched.h; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static long watchdog(unsigned int id, unsigned int seconds)
{
    struct sched_watchdog request = { .id = id, .timeout = seconds };

    /* Debian's Xen fills only the lower half of the register when it fails. */
    return (int)hypercall2(__HYPERVISOR_sched_op, SCHEDOP_watchdog, &request);
}

void test_main(void)
{
    uint64_t start;

    expect_eq(watchdog(1, 10), -XEN_EINVAL, "none armed yet");
    expect_eq(watchdog(0, 10), 1, "arm the first");
    expect_eq(watchdog(0, 10), 2, "arm the second");
    expect_eq(watchdog(0, 10), -XEN_ENOSPC, "there are two");
    expect_eq(watchdog(1, 1), 0, "set the first to a second");
    start = now();
    while (now() < start + 1500 * MILLISECOND) {
        expect_eq(watchdog(1, 1), 0, "keep it alive");
        for (unsigned int i = 0; i < 1000; i++) {
            hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
        }
    }
    expect_eq(watchdog(1, 0), 0, "disarm");
    expect_eq(watchdog(1, 0), -XEN_EINVAL, "twice");
    expect_eq(watchdog(2, 0), 0, "disarm the second");
    expect_eq(watchdog(3, 1), -XEN_EINVAL, "no third");
    expect_eq(watchdog(0xffffffff, 1), -XEN_EINVAL, "no such one");
    expect_eq(hypercall2(__HYPERVISOR_sched_op, SCHEDOP_watchdog, BAD_UNMAPPED), -XEN_EFAULT,
              "bad pointer");
    expect_eq(watchdog(0, 1), 1, "the first number is free again");
    expect_eq(watchdog(1, 0), 0, "disarm");
}
