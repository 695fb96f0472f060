/* SPDX-License-Identifier: MIT */
/*
 * Attack: vCPUs arm, keep alive and disarm the same watchdogs at once.
 *
 * A timer that is armed although its watchdog is free again would be set up anew while it is in the
 * hypervisor's queue, or fire when the domain is no more.
 * Source: invariants 10 and 12 of the design.
 *
 * QEMU: smp=3
 */
#include "tests/guests/lib/guest.h"

#define ROUNDS 5000

static volatile bool stop;

static long watchdog(unsigned int id, unsigned int seconds)
{
    struct sched_watchdog request = { .id = id, .timeout = seconds };

    return hypercall2(__HYPERVISOR_sched_op, SCHEDOP_watchdog, &request);
}

static void keep_alive(void *unused)
{
    (void)unused;
    while (!stop) {
        (void)watchdog(1, 1000);
    }
}

static void disarm(void *unused)
{
    (void)unused;
    while (!stop) {
        (void)watchdog(1, 0);
    }
}

void test_main(void)
{
    uint64_t start;
    unsigned int armed = 0;

    cpu_start(1, keep_alive, NULL);
    cpu_start(2, disarm, NULL);
    for (unsigned int i = 0; i < ROUNDS; i++) {
        armed += watchdog(0, 2000) > 0 ? 1 : 0;
        (void)watchdog(2, 0);
    }
    stop = true;
    cpu_wait(1);
    cpu_wait(2);
    printf("%u times armed\n", armed);
    expect(armed > 100, "watchdogs were armed");
    (void)watchdog(1, 0);
    (void)watchdog(2, 0);
    /* Timers go on: with a queue that leads in circles this would be the end. */
    start = now();
    for (unsigned int i = 0; i < 20; i++) {
        expect_eq(hypercall1(__HYPERVISOR_set_timer_op, now() + MILLISECOND), 0, "a timer");
        while (now() < start + (i + 1) * 2 * MILLISECOND) {
        }
    }
    expect_eq(watchdog(0, 2000), 1, "both are free again");
    expect_eq(watchdog(1, 0), 0, "disarm");
}
