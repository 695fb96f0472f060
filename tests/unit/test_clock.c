/* SPDX-License-Identifier: MIT */
/*
 * The clock: arithmetic of scales, measuring a rate, the CMOS clock, comparing CPUs.
 */
#define _DEFAULT_SOURCE
#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "hypervisor/time/clock.c"
#include "hypervisor/time/vcpu_time.h"
#include "hypervisor/x86/cpu.h"
#include "tests/fake/fake.h"
#include "tests/unit/suite.h"

static const uint64_t rates[] = { 1000000,    3579545,    99999999,   500000000,  999999999,
                                  1000000000, 1000000001, 1999999999, 2000000000, 2394370000,
                                  3000000000, 4294967296, 5200000000, 9999999999 };

/* ---- counters that are not asked for by these tests ------------------------------------------ */

bool hpet_counter(struct counter *counter)
{
    (void)counter;
    return false;
}

bool pmtimer_counter(struct counter *counter)
{
    (void)counter;
    return false;
}

bool pit_counter(struct counter *counter)
{
    (void)counter;
    return false;
}

static unsigned int wall_changes;

void domain_for_each(void (*act)(const struct domain *domain))
{
    ck_assert(act == domain_wall_clock_publish);
    wall_changes++;
}

/* ---- scales --------------------------------------------------------------------------------- */

START_TEST(a_scale_has_32_significant_bits)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(rates); i++) {
        ck_assert_uint_ge(scale_of(rates[i]).mul, 0x80000000u);
    }
}
END_TEST

START_TEST(a_scale_is_exact_to_its_32_bits_and_never_too_large)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(rates); i++) {
        struct clock_scale scale = scale_of(rates[i]);

        for (uint64_t ticks = 0; ticks < UINT64_C(1) << 52; ticks = ticks * 3 + 1) {
            unsigned __int128 exact = (unsigned __int128)ticks * NANOSECONDS / rates[i];
            uint64_t ns = scale_apply(scale, ticks);

            ck_assert(ns <= exact);
            ck_assert(exact - ns <= (exact >> 31) + 4);
        }
    }
}
END_TEST

START_TEST(one_gigahertz_is_exact)
{
    struct clock_scale scale = scale_of(NANOSECONDS);

    ck_assert_uint_eq(scale_apply(scale, 0), 0);
    ck_assert_uint_eq(scale_apply(scale, 1), 1);
    ck_assert_uint_eq(scale_apply(scale, 123456789012345), 123456789012345);
}
END_TEST

START_TEST(ticks_of_a_time_are_never_too_few_nor_many_too_many)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(rates); i++) {
        set_rate(rates[i]);
        for (uint64_t ns = 0; ns < UINT64_C(1) << 56; ns = ns * 3 + 1) {
            uint64_t ticks = ticks_of(ns);
            uint64_t exact = (uint64_t)((unsigned __int128)ns * rates[i] / NANOSECONDS);

            ck_assert_uint_ge(scale_apply(clock_scale(), ticks), ns);
            ck_assert_uint_le(ticks, exact + (exact >> 30) + 32);
        }
    }
}
END_TEST

START_TEST(a_time_beyond_all_reason_is_bounded)
{
    set_rate(2000000000);
    ck_assert_uint_eq(ticks_of(UINT64_MAX), ticks_of(UINT64_C(1) << 60));
    ck_assert_uint_gt(ticks_of(UINT64_MAX), UINT64_C(1) << 60);
}
END_TEST

START_TEST(the_tsc_of_a_system_time_is_that_time_or_just_after)
{
    set_rate(2000000000);
    for (uint64_t ahead = 1000000; ahead < UINT64_C(1) << 40; ahead *= 7) {
        uint64_t then = clock_now() + ahead;
        uint64_t system = scale_apply(tsc.to_ns, clock_tsc_of(then) - tsc.base[cpu_id()]);

        ck_assert_uint_ge(system, then);
        ck_assert_uint_le(system - then, 32 + (ahead >> 30));
    }
    ck_assert_uint_le(clock_tsc_of(0), clock_tsc_base() + 8); /* long ago */
}
END_TEST

START_TEST(system_time_does_not_go_back)
{
    uint64_t last = 0;
    unsigned int back = 0;

    set_rate(2394370000);
    for (unsigned int i = 0; i < 1000000; i++) {
        uint64_t now = clock_now();

        back += now < last;
        last = now;
    }
    ck_assert_uint_eq(back, 0);
}
END_TEST

/* ---- calibration ---------------------------------------------------------------------------- */

/* A counter that runs at a 512th of the TSC's rate, and wraps. */
static uint64_t counter_mask;
static uint64_t counter_last;
static unsigned int counter_wraps;

static uint64_t slow_counter(void)
{
    uint64_t count = (read_tsc() >> 9) & counter_mask;

    counter_wraps += count < counter_last;
    counter_last = count;
    return count;
}

static uint64_t stuck_counter(void)
{
    return 42;
}

START_TEST(the_rate_is_measured_against_a_counter)
{
    struct counter reference = { slow_counter, 4000000, UINT32_MAX };
    uint64_t hz;

    counter_mask = reference.mask;
    hz = measure(&reference);
    ck_assert_uint_ge(hz, UINT64_C(4000000) * 512 / 1000 * 999);
    ck_assert_uint_le(hz, UINT64_C(4000000) * 512 / 1000 * 1001);
}
END_TEST

START_TEST(a_counter_may_wrap_while_it_is_used)
{
    /* 20 ms are 80000 counts of 131072: over in a few tries. */
    struct counter reference = { slow_counter, 4000000, 0x1ffff };
    unsigned int right = 0;

    counter_mask = reference.mask;
    for (unsigned int i = 0; i < 100 && right < 3; i++) {
        uint64_t hz;

        counter_wraps = 0;
        hz = measure(&reference);
        ck_assert_uint_ge(hz, UINT64_C(4000000) * 512 / 100 * 99);
        /* A busy host took the CPU for a whole turn of the counter: nobody can tell. */
        right += counter_wraps != 0 && hz <= UINT64_C(4000000) * 512 / 100 * 101;
    }
    ck_assert_uint_eq(right, 3);
}
END_TEST

START_TEST(a_counter_that_stands_still_is_no_counter)
{
    struct counter reference = { stuck_counter, 4000000, UINT32_MAX };

    ck_assert_uint_eq(measure(&reference), 0);
}
END_TEST

/* ---- the date ------------------------------------------------------------------------------- */

START_TEST(dates_count_as_the_c_library_counts_them)
{
    for (uint64_t day = 0; day < 60000; day++) {
        time_t seconds = (time_t)(day * 86400);
        struct tm date;

        ck_assert_ptr_nonnull(gmtime_r(&seconds, &date));
        ck_assert_uint_eq(seconds_of_date((unsigned int)date.tm_year + 1900,
                                          (unsigned int)date.tm_mon + 1,
                                          (unsigned int)date.tm_mday),
                          (uint64_t)seconds);
    }
}
END_TEST

static uint64_t seconds_of(unsigned int hour)
{
    return seconds_of_date(2024, 2, 29) + hour * 3600 + 34 * 60 + 56;
}

START_TEST(the_cmos_clock_may_be_binary_or_decimal_with_12_or_24_hours)
{
    struct cmos_time decimal24 = { 0x56, 0x34, 0x23, 0x29, 0x02, 0x24, 0x02 };
    struct cmos_time decimal12 = { 0x56, 0x34, 0x91, 0x29, 0x02, 0x24, 0x00 };
    struct cmos_time binary24 = { 56, 34, 23, 29, 2, 24, 0x06 };
    struct cmos_time binary12 = { 56, 34, 0x80 | 11, 29, 2, 24, 0x04 };
    struct cmos_time midnight = { 0x56, 0x34, 0x12, 0x29, 0x02, 0x24, 0x00 };
    struct cmos_time noon = { 0x56, 0x34, 0x92, 0x29, 0x02, 0x24, 0x00 };

    ck_assert_uint_eq(seconds_of_cmos(decimal24), seconds_of(23));
    ck_assert_uint_eq(seconds_of_cmos(decimal12), seconds_of(23));
    ck_assert_uint_eq(seconds_of_cmos(binary24), seconds_of(23));
    ck_assert_uint_eq(seconds_of_cmos(binary12), seconds_of(23));
    ck_assert_uint_eq(seconds_of_cmos(midnight), seconds_of(0));
    ck_assert_uint_eq(seconds_of_cmos(noon), seconds_of(12));
}
END_TEST

START_TEST(a_cmos_clock_without_battery_is_1970)
{
    struct cmos_time nonsense = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02 };
    struct cmos_time zero = { 0 };

    ck_assert_uint_eq(seconds_of_cmos(nonsense), 0);
    ck_assert_uint_eq(seconds_of_cmos(zero), 0);
}
END_TEST

START_TEST(the_wall_clock_is_kept_as_of_system_time_0)
{
    uint64_t seconds;
    uint32_t nanoseconds;

    clock_wall_set(1000, 5, 3 * NANOSECONDS + 6);
    clock_wall_get(&seconds, &nanoseconds);
    ck_assert_uint_eq(seconds, 996);
    ck_assert_uint_eq(nanoseconds, 999999999);
    ck_assert_uint_eq(wall_changes, 1);
}
END_TEST

/* ---- several CPUs --------------------------------------------------------------------------- */

static struct comparison compared(const uint64_t (*readings)[3], unsigned int count)
{
    struct comparison result = { .shortest = UINT64_MAX };

    for (unsigned int i = 0; i < count; i++) {
        compare_one(&result, readings[i][0], readings[i][1], readings[i][2]);
    }
    return result;
}

START_TEST(readings_in_order_are_no_warp)
{
    static const uint64_t readings[][3] = { { 100, 110, 120 }, { 200, 200, 200 } };

    ck_assert(!compared(readings, 2).warped);
}
END_TEST

START_TEST(one_reading_out_of_order_is_a_warp_and_tells_the_offset)
{
    static const uint64_t behind[][3] = { { 1000, 600, 1200 }, { 2000, 1510, 2020 } };
    static const uint64_t ahead[][3] = { { 1000, 1100, 1200 }, { 2000, 2510, 2020 } };

    ck_assert(compared(behind, 1).warped);
    ck_assert(compared(behind, 2).warped);
    ck_assert_int_eq(compared(behind, 2).offset, -500);
    ck_assert(!compared(ahead, 1).warped);
    ck_assert(compared(ahead, 2).warped);
    ck_assert_int_eq(compared(ahead, 2).offset, 500);
}
END_TEST

static void *second_cpu(void *argument)
{
    fake_cpu_use(1, NULL);
    clock_setup_cpu();
    *(_Atomic bool *)argument = true;
    return NULL;
}

START_TEST(a_cpu_that_is_served_is_compared)
{
    _Atomic bool done = false;
    pthread_t thread;

    fake_reset();
    set_rate(100000000000); /* the host's threads are slower to meet than CPUs */
    pthread_create(&thread, NULL, second_cpu, &done);
    while (!done) {
        clock_serve_cpu();
    }
    pthread_join(thread, NULL);
    ck_assert(clock_tsc_stable()); /* the host's own TSCs agree */
}
END_TEST

START_TEST(a_cpu_that_nobody_serves_goes_on_unchecked)
{
    _Atomic bool done = false;
    pthread_t thread;

    fake_reset();
    set_rate(2000000000);
    pthread_create(&thread, NULL, second_cpu, &done);
    pthread_join(thread, NULL);
    ck_assert(done);
    ck_assert(!clock_tsc_stable());
    clock_serve_cpu(); /* it asks no more */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("clock");
    TCase *scales = suite_case(suite, "scales");
    TCase *measured = suite_case(suite, "calibration");
    TCase *date = suite_case(suite, "date");
    TCase *more = suite_case(suite, "several CPUs");

    tcase_add_test(scales, a_scale_has_32_significant_bits);
    tcase_add_test(scales, a_scale_is_exact_to_its_32_bits_and_never_too_large);
    tcase_add_test(scales, one_gigahertz_is_exact);
    tcase_add_test(scales, ticks_of_a_time_are_never_too_few_nor_many_too_many);
    tcase_add_test(scales, a_time_beyond_all_reason_is_bounded);
    tcase_add_test(scales, the_tsc_of_a_system_time_is_that_time_or_just_after);
    tcase_add_test(scales, system_time_does_not_go_back);
    tcase_add_test(measured, the_rate_is_measured_against_a_counter);
    tcase_add_test(measured, a_counter_may_wrap_while_it_is_used);
    tcase_add_test(measured, a_counter_that_stands_still_is_no_counter);
    tcase_add_test(date, dates_count_as_the_c_library_counts_them);
    tcase_add_test(date, the_cmos_clock_may_be_binary_or_decimal_with_12_or_24_hours);
    tcase_add_test(date, a_cmos_clock_without_battery_is_1970);
    tcase_add_test(date, the_wall_clock_is_kept_as_of_system_time_0);
    tcase_add_test(more, readings_in_order_are_no_warp);
    tcase_add_test(more, one_reading_out_of_order_is_a_warp_and_tells_the_offset);
    tcase_add_test(more, a_cpu_that_is_served_is_compared);
    tcase_add_test(more, a_cpu_that_nobody_serves_goes_on_unchecked);
    return suite_run(suite);
}
