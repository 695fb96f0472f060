/* SPDX-License-Identifier: MIT */
/*
 * hypervisor/x86/tlb.c: who is flushed, and how little.  The file is included
 * here, over instructions that only note that they ran; other CPUs answer when
 * they are interrupted or, where a test says so, when this one waits.
 */
#include <check.h>

/* The real instructions under names of their own, out of the way. */
#define write_cr3 real_write_cr3
#define read_cr3  real_read_cr3
#define invlpg    real_invlpg
#define cpu_pause real_cpu_pause
#include "hypervisor/x86/cpu.h"
#undef write_cr3
#undef read_cr3
#undef invlpg
#undef cpu_pause

static unsigned int full_flushes, single_flushes;
static uint64_t single_address, loaded_cr3;

static inline void write_cr3(uint64_t value)
{
    loaded_cr3 = value;
    full_flushes++;
}

static inline uint64_t read_cr3(void)
{
    return loaded_cr3 & ~CR3_KEEP;
}

static inline void invlpg(uint64_t address)
{
    single_address = address;
    single_flushes++;
}

static void others_answer(void);

static inline void cpu_pause(void)
{
    others_answer();
}

#include "hypervisor/x86/tlb.c"
#include "tests/fake/fake.h"
#include "tests/unit/suite.h"

#define CPUS 4u

struct cpu_features cpu_features;
static struct cpumask interrupted;
static bool answer_when_interrupted;

struct cpumask cpus_online = { { (1u << CPUS) - 1 } };
unsigned int cpu_count = CPUS;

static void serve_as(unsigned int cpu)
{
    fake_cpu_use(cpu, NULL);
    tlb_serve();
    fake_cpu_use(0, NULL);
}

void cpu_send(unsigned int cpu, uint8_t vector)
{
    ck_assert_uint_eq(vector, VECTOR_TLB_FLUSH);
    ck_assert_uint_ne(cpu, 0);
    ck_assert(!cpumask_has(&interrupted, cpu));
    cpumask_add(&interrupted, cpu);
    if (answer_when_interrupted) {
        serve_as(cpu);
    }
}

static unsigned int calls_served;

void smp_stop_if_told(void)
{
    calls_served++;
}

/* One CPU each time this one looks. */
static void others_answer(void)
{
    for (unsigned int cpu = 1; cpu < CPUS; cpu++) {
        if (cpumask_has(&request.waiting, cpu)) {
            serve_as(cpu);
            return;
        }
    }
}

static void setup(void)
{
    fake_reset();
    fake_cpu_use(0, NULL);
    flush_clock = 1;
    for (unsigned int i = 0; i < CPU_LIMIT; i++) {
        flushed_at[i] = 0;
    }
    interrupted = (struct cpumask){ { 0 } };
    answer_when_interrupted = true;
    full_flushes = 0;
    single_flushes = 0;
    loaded_cr3 = 0x1000;
    cpu_features.cr3_keep = CR3_KEEP;
}

static void flush_as(unsigned int cpu)
{
    fake_cpu_use(cpu, NULL);
    tlb_flush_local();
    fake_cpu_use(0, NULL);
}

/* Do CPU 1's translations count as older than `stamp`? */
static bool stale(uint32_t stamp)
{
    const struct cpumask one = { { 2 } };

    interrupted = (struct cpumask){ { 0 } };
    tlb_flush_older(&one, stamp);
    return cpumask_has(&interrupted, 1);
}

START_TEST(a_flush_reaches_all_of_the_mask_and_nobody_else)
{
    const struct cpumask mask = { { 0xd } };

    tlb_flush_mask(&mask, TLB_FLUSH_ALL);
    ck_assert_uint_eq(interrupted.bits[0], 0xc);
    ck_assert_uint_eq(full_flushes, 3);
    ck_assert(cpumask_empty(&request.waiting));
    ck_assert_uint_eq(request.taken, 0);
}
END_TEST

START_TEST(one_address_is_flushed_as_one_address)
{
    const struct cpumask mask = { { 0x3 } };

    tlb_flush_mask(&mask, 0x7000);
    ck_assert_uint_eq(full_flushes, 0);
    ck_assert_uint_eq(single_flushes, 2);
    ck_assert_uint_eq(single_address, 0x7000);
}
END_TEST

START_TEST(a_cpu_that_is_not_online_is_not_waited_for)
{
    const struct cpumask mask = { { 0xf0f2 } };

    tlb_flush_mask(&mask, TLB_FLUSH_ALL);
    ck_assert_uint_eq(interrupted.bits[0], 2);
    ck_assert_uint_eq(full_flushes, 1);
}
END_TEST

START_TEST(nobody_is_interrupted_for_this_cpu_alone)
{
    const struct cpumask mask = { { 1 } };

    request.taken = 1; /* somebody else's is under way: no need to wait for it */
    tlb_flush_mask(&mask, TLB_FLUSH_ALL);
    ck_assert(cpumask_empty(&interrupted));
    ck_assert_uint_eq(full_flushes, 1);
}
END_TEST

START_TEST(a_flush_is_over_when_the_last_cpu_answered)
{
    const struct cpumask mask = { { 0xf } };

    answer_when_interrupted = false;
    tlb_flush_mask(&mask, TLB_FLUSH_ALL);
    ck_assert_uint_eq(full_flushes, 4);
    ck_assert(cpumask_empty(&request.waiting));
}
END_TEST

START_TEST(who_waits_serves_others)
{
    cpumask_add(&request.waiting, 0);
    request.address = TLB_FLUSH_ALL;
    spin_wait();
    ck_assert_uint_eq(full_flushes, 1);
    ck_assert(cpumask_empty(&request.waiting));
}
END_TEST

START_TEST(a_cpu_answers_once)
{
    cpumask_add(&request.waiting, 0);
    request.address = TLB_FLUSH_ALL;
    tlb_serve();
    tlb_serve();
    spin_wait();
    ck_assert_uint_eq(full_flushes, 1);
    ck_assert_uint_eq(calls_served, 1);
    ck_assert(cpumask_empty(&request.waiting));
}
END_TEST

START_TEST(a_flush_after_the_stamp_counts_and_one_before_it_does_not)
{
    uint32_t stamp;

    flush_as(1);
    stamp = tlb_clock();
    ck_assert(stale(stamp));
    stamp = tlb_clock();
    flush_as(1);
    ck_assert(!stale(stamp));
    /* Those of others do not. */
    stamp = tlb_clock();
    flush_as(2);
    flush_as(3);
    ck_assert(stale(stamp));
}
END_TEST

START_TEST(a_single_address_flushed_is_no_flush)
{
    uint32_t stamp = tlb_clock();

    fake_cpu_use(1, NULL);
    tlb_flush_here(0x5000);
    fake_cpu_use(0, NULL);
    ck_assert(stale(stamp));
}
END_TEST

START_TEST(only_the_cpus_that_need_it_are_flushed)
{
    const struct cpumask mask = { { 0xe } };
    uint32_t stamp;

    flush_as(1);
    flush_as(2);
    stamp = tlb_clock();
    flush_as(2);
    full_flushes = 0;
    tlb_flush_older(&mask, stamp);
    ck_assert_uint_eq(interrupted.bits[0], 0xa);
    ck_assert_uint_eq(full_flushes, 2);
    interrupted = (struct cpumask){ { 0 } };
    tlb_flush_older(&mask, stamp);
    ck_assert(cpumask_empty(&interrupted));
}
END_TEST

START_TEST(a_cpu_that_went_long_without_a_flush_is_never_taken_for_a_flushed_one)
{
    static const uint64_t distances[] = { 1,          0x7fffffff,  0x80000000,    0x80000001,
                                          0xffffffff, 0x100000000, 0x123456789abc };

    flush_as(1);
    for (unsigned int i = 0; i < ARRAY_SIZE(distances); i++) {
        uint64_t last = flushed_at[1];

        flush_clock = last + distances[i];
        ck_assert(stale(tlb_clock()));
    }
}
END_TEST

START_TEST(a_stamp_so_old_that_the_clock_went_round_costs_a_flush_at_most)
{
    uint32_t stamp = tlb_clock();

    flush_as(1);
    flush_clock += UINT64_C(0x100000000);
    ck_assert(stale(stamp));
    ck_assert(!stale(stamp));
}
END_TEST

#define KERNEL UINT64_C(0x1000)
#define USER   (UINT64_C(0x2000) | CR3_USER)

/* To a program and back, both as they were. */
static void settle(void)
{
    tlb_switch_mode(USER);
    tlb_switch_mode(KERNEL);
    tlb_switch_mode(USER);
    ck_assert_uint_eq(loaded_cr3, USER | CR3_KEEP);
    tlb_switch_mode(KERNEL);
    ck_assert_uint_eq(loaded_cr3, KERNEL | CR3_KEEP);
}

static void flush_all(void)
{
    tlb_flush_local();
}

static void flush_one(void)
{
    tlb_flush_here(0x5000);
}

static void load_a_table(void)
{
    tlb_load_cr3(KERNEL);
}

static void serve_another(void)
{
    cpumask_add(&request.waiting, 0);
    request.address = 0x5000;
    tlb_serve();
}

START_TEST(what_is_flushed_in_one_mode_is_flushed_before_the_other)
{
    static void (*const flushes[])(void) = { flush_all, flush_one, load_a_table, serve_another,
                                             tlb_forget_other_mode };

    tlb_load_cr3(KERNEL);
    for (unsigned int i = 0; i < ARRAY_SIZE(flushes); i++) {
        settle();
        flushes[i]();
        tlb_switch_mode(USER);
        ck_assert_msg(loaded_cr3 == USER, "%u: %lx", i, loaded_cr3);
        tlb_switch_mode(KERNEL); /* had its flush */
        ck_assert_uint_eq(loaded_cr3, KERNEL | CR3_KEEP);
    }
}
END_TEST

START_TEST(a_flush_on_another_cpu_keeps_what_this_one_has)
{
    tlb_load_cr3(KERNEL);
    settle();
    flush_as(1);
    tlb_switch_mode(USER);
    ck_assert_uint_eq(loaded_cr3, USER | CR3_KEEP);
}
END_TEST

START_TEST(without_pcid_each_switch_flushes)
{
    cpu_features.cr3_keep = 0;
    tlb_load_cr3(KERNEL);
    for (unsigned int i = 0; i < 3; i++) {
        tlb_switch_mode(USER);
        ck_assert_uint_eq(loaded_cr3, USER);
        tlb_switch_mode(KERNEL);
        ck_assert_uint_eq(loaded_cr3, KERNEL);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tlb");
    TCase *mask = suite_case(suite, "flush"), *clock = suite_case(suite, "clock");
    TCase *modes = suite_case(suite, "modes");

    tcase_add_checked_fixture(mask, setup, NULL);
    tcase_add_test(mask, a_flush_reaches_all_of_the_mask_and_nobody_else);
    tcase_add_test(mask, one_address_is_flushed_as_one_address);
    tcase_add_test(mask, a_cpu_that_is_not_online_is_not_waited_for);
    tcase_add_test(mask, nobody_is_interrupted_for_this_cpu_alone);
    tcase_add_test(mask, a_flush_is_over_when_the_last_cpu_answered);
    tcase_add_test(mask, who_waits_serves_others);
    tcase_add_test(mask, a_cpu_answers_once);

    tcase_add_checked_fixture(clock, setup, NULL);
    tcase_add_test(clock, a_flush_after_the_stamp_counts_and_one_before_it_does_not);
    tcase_add_test(clock, a_single_address_flushed_is_no_flush);
    tcase_add_test(clock, only_the_cpus_that_need_it_are_flushed);
    tcase_add_test(clock, a_cpu_that_went_long_without_a_flush_is_never_taken_for_a_flushed_one);
    tcase_add_test(clock, a_stamp_so_old_that_the_clock_went_round_costs_a_flush_at_most);

    tcase_add_checked_fixture(modes, setup, NULL);
    tcase_add_test(modes, what_is_flushed_in_one_mode_is_flushed_before_the_other);
    tcase_add_test(modes, a_flush_on_another_cpu_keeps_what_this_one_has);
    tcase_add_test(modes, without_pcid_each_switch_flushes);
    return suite_run(suite);
}
