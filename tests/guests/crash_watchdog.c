/* SPDX-License-Identifier: MIT */
/*
 * A watchdog that nobody feeds shuts the domain down, although the guest still runs.
 *
 * EXPECT: crash
 */
#include "tests/guests/lib/guest.h"

void test_main(void)
{
    struct sched_watchdog request = { .id = 0, .timeout = 1 };
    uint64_t start = now();

    if (hypercall2(__HYPERVISOR_sched_op, SCHEDOP_watchdog, &request) != 1) {
        test_abort("cannot arm the watchdog");
    }
    while (now() < start + 4000 * MILLISECOND) {
    }
    test_survived("three seconds past the watchdog");
}
