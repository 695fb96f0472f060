/* SPDX-License-Identifier: MIT */
/*
 * The paravirtual clock: it never goes back, on one vCPU or between two, runs at the rate of the
 * TSC, and the wall clock says a plausible year.
 *
 * Source: public vcpu_time_info and shared_info.
 */
#include "tests/guests/lib/guest.h"

static volatile uint64_t latest;
static volatile unsigned int backwards, rounds;

static void hand_over(unsigned int parity)
{
    while (rounds < 2000) {
        uint64_t time;

        if (rounds % 2 != parity) {
            continue;
        }
        time = now();
        if (time < latest) {
            backwards++;
        }
        latest = time;
        rounds++;
    }
}

static void other(void *unused)
{
    (void)unused;
    hand_over(1);
}

static void check_one(void)
{
    uint64_t last = now();
    unsigned int wrong = 0;

    for (unsigned int i = 0; i < 200000; i++) {
        uint64_t time = now();

        wrong += time < last;
        last = time;
    }
    expect_eq(wrong, 0, "back steps on one vCPU");
}

static void check_structure(void)
{
    volatile struct vcpu_time_info *time = &this_cpu()->info->time;
    struct shared_info *info = shared;
    uint64_t seconds;

    expect(time->version != 0 && (time->version & 1) == 0, "the version is even");
    expect(time->tsc_to_system_mul != 0, "there is a rate");
    expect(time->system_time < 600000 * MILLISECOND, "system time counts from power-on");
    printf("system %lu mul %x shift %d flags %x\n", time->system_time, time->tsc_to_system_mul,
           time->tsc_shift, time->flags);

    seconds = (uint64_t)info->wc_sec_hi << 32 | info->wc_sec;
    expect(info->wc_version != 0 && (info->wc_version & 1) == 0, "wall clock version");
    expect(info->wc_nsec < 1000000000, "wall clock nanoseconds");
    expect(seconds > 1600000000 && seconds < 4000000000UL, "wall clock: between 2020 and 2096");
}

static void check_progress(void)
{
    uint64_t tsc = read_tsc();
    uint64_t start = now();

    while (now() < start + 20 * MILLISECOND) {
    }
    tsc = read_tsc() - tsc;
    /* Any TSC from 100 MHz to 10 GHz. */
    expect(tsc > 2000000 && tsc < 200000000UL * 100, "the TSC advanced with it");
}

void test_main(void)
{
    check_structure();
    check_one();
    check_progress();
    cpu_start(1, other, NULL);
    hand_over(0);
    cpu_wait(1);
    /* Without a TSC that is the same everywhere a tiny step is allowed, and guests know. */
    if ((this_cpu()->info->time.flags & XEN_PVCLOCK_TSC_STABLE_BIT) != 0) {
        expect_eq(backwards, 0, "back steps between vCPUs");
    } else {
        printf("back steps between vCPUs (not promised): %u\n", backwards);
        expect(backwards < 1000, "mostly in step");
    }
}
