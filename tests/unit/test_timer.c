/* SPDX-License-Identifier: MIT */
/*
 * Timers: order, the one-shot interrupt, and timers between CPUs.
 */
#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#include "hypervisor/time/timer.h"
#include "hypervisor/x86/apic.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/percpu.h"
#include "tests/fake/fake.h"
#include "tests/unit/suite.h"

#define TIMERS 64u

static void (*expire)(void);
static unsigned int programmed; /* how often the APIC was, since it was looked at */
static struct timer timers[TIMERS];
static unsigned int fired[4096], fired_count;

/* ---- the machine ---------------------------------------------------------------------------- */

void softirq_register(enum softirq which, void (*handler)(void))
{
    ck_assert_int_eq(which, SOFTIRQ_TIMER);
    expire = handler;
}

void apic_timer_set(uint64_t tsc_deadline)
{
    ck_assert_uint_ne(tsc_deadline, 0);
    programmed++;
}

static bool take_softirq(void)
{
    uint32_t bit = 1u << SOFTIRQ_TIMER;

    return (atomic_fetch_and(&this_cpu()->softirq_pending, ~bit) & bit) != 0;
}

static unsigned int take_programmed(void)
{
    unsigned int count = programmed;

    programmed = 0;
    return count;
}

/* The interrupt, and what it asks for, at a time. */
static void interrupt_at(uint64_t now)
{
    fake_now = now;
    timer_interrupt();
    ck_assert(take_softirq());
    expire();
}

static void note(void *argument)
{
    fired[fired_count++] = (unsigned int)(uintptr_t)argument;
}

static void setup(void)
{
    fake_reset();
    for (unsigned int cpu = 0; cpu < 2; cpu++) {
        fake_cpu_use(1 - cpu, NULL);
        timer_setup_cpu();
    }
    for (unsigned int i = 0; i < TIMERS; i++) {
        timer_init(&timers[i], note, (void *)(uintptr_t)i);
    }
    fake_now = 1000;
}

/* ---- one CPU -------------------------------------------------------------------------------- */

START_TEST(handlers_are_called_in_the_order_of_deadlines)
{
    for (unsigned int i = 0; i < TIMERS; i++) {
        timer_set(&timers[i], 2000 + i * 37 % TIMERS);
    }
    interrupt_at(2000 + TIMERS);
    ck_assert_uint_eq(fired_count, TIMERS);
    for (unsigned int i = 1; i < TIMERS; i++) {
        ck_assert_uint_lt(timers[fired[i - 1]].deadline, timers[fired[i]].deadline);
    }
}
END_TEST

START_TEST(a_timer_is_not_early)
{
    timer_set(&timers[1], 5000);
    interrupt_at(4999);
    ck_assert_uint_eq(fired_count, 0);
    ck_assert(timers[1].armed);
    interrupt_at(5000);
    ck_assert_uint_eq(fired_count, 1);
    ck_assert(!timers[1].armed);
}
END_TEST

START_TEST(an_early_interrupt_arms_the_apic_again)
{
    timer_set(&timers[1], 5000);
    ck_assert_uint_eq(take_programmed(), 1);
    interrupt_at(4999);
    ck_assert_uint_eq(take_programmed(), 1);
}
END_TEST

START_TEST(only_a_new_first_timer_programs_the_apic)
{
    timer_set(&timers[1], 5000);
    ck_assert_uint_eq(take_programmed(), 1);
    timer_set(&timers[2], 6000);
    ck_assert_uint_eq(take_programmed(), 0);
    timer_set(&timers[3], 4000);
    ck_assert_uint_eq(take_programmed(), 1);
    timer_set(&timers[3], 9000); /* 1 is the first again */
    ck_assert_uint_eq(take_programmed(), 1);
}
END_TEST

START_TEST(after_a_round_the_apic_is_armed_for_what_is_left)
{
    timer_set(&timers[1], 5000);
    timer_set(&timers[2], 6000);
    take_programmed();
    interrupt_at(5500);
    ck_assert_uint_eq(fired_count, 1);
    ck_assert_uint_eq(take_programmed(), 1);
    interrupt_at(6500);
    ck_assert_uint_eq(take_programmed(), 0); /* nothing left, no tick */
}
END_TEST

START_TEST(a_deadline_in_the_past_fires_at_once)
{
    timer_set(&timers[1], 1000);
    ck_assert_uint_eq(take_programmed(), 0);
    ck_assert(take_softirq());
    expire();
    ck_assert_uint_eq(fired_count, 1);
}
END_TEST

START_TEST(a_stopped_timer_does_not_fire)
{
    for (unsigned int i = 0; i < 8; i++) {
        timer_set(&timers[i], 2000 + i);
    }
    timer_stop(&timers[0]); /* the first, */
    timer_stop(&timers[5]); /* one inside, */
    timer_stop(&timers[5]); /* twice */
    interrupt_at(3000);
    ck_assert_uint_eq(fired_count, 6);
    for (unsigned int i = 0; i < fired_count; i++) {
        ck_assert(fired[i] != 0 && fired[i] != 5);
    }
}
END_TEST

START_TEST(setting_a_timer_again_moves_it)
{
    timer_set(&timers[1], 2000);
    timer_set(&timers[1], 3000);
    interrupt_at(2500);
    ck_assert_uint_eq(fired_count, 0);
    interrupt_at(3000);
    ck_assert_uint_eq(fired_count, 1);
}
END_TEST

static void again(void *argument)
{
    fired_count++;
    ck_assert(!timers[0].armed);
    timer_set(&timers[0], *(uint64_t *)argument);
}

START_TEST(a_handler_may_arm_its_timer_again)
{
    uint64_t next = 7000;

    timer_init(&timers[0], again, &next);
    timer_set(&timers[0], 5000);
    take_programmed();
    interrupt_at(5000);
    ck_assert_uint_eq(fired_count, 1);
    ck_assert_uint_eq(take_programmed(), 1);
    next = 9000;
    interrupt_at(7000);
    ck_assert_uint_eq(fired_count, 2);
}
END_TEST

static void another(void *argument)
{
    timer_set(argument, 5000);
}

START_TEST(a_handler_that_arms_its_timer_for_the_past_waits_for_the_next_round)
{
    uint64_t next = 10;

    timer_init(&timers[0], again, &next);
    timer_set(&timers[0], 5000);
    interrupt_at(5000);
    ck_assert_uint_eq(fired_count, 1);
    fake_now++;
    expire();
    ck_assert_uint_eq(fired_count, 2);
}
END_TEST

START_TEST(a_handler_may_arm_and_stop_others)
{
    timer_init(&timers[0], another, &timers[1]);
    timer_set(&timers[0], 4000);
    interrupt_at(4500);
    ck_assert(timers[1].armed);
    interrupt_at(5000);
    ck_assert_uint_eq(fired[0], 1);
}
END_TEST

START_TEST(any_mixture_of_setting_and_stopping_keeps_the_order)
{
    uint64_t due[TIMERS] = { 0 };
    unsigned int wrong = 0;

    srand(7);
    for (unsigned int step = 0; step < 20000; step++) {
        unsigned int which = (unsigned int)rand() % TIMERS;

        fake_now++;
        if (rand() % 3 == 0) {
            timer_stop(&timers[which]);
            due[which] = 0;
        } else {
            due[which] = fake_now + 1 + (unsigned int)rand() % 200;
            timer_set(&timers[which], due[which]);
        }
        fired_count = 0;
        interrupt_at(fake_now);
        for (unsigned int i = 0; i < fired_count; i++) {
            ck_assert(due[fired[i]] != 0 && due[fired[i]] <= fake_now);
            due[fired[i]] = 0;
        }
        for (unsigned int i = 0; i < TIMERS; i++) {
            wrong += timers[i].armed != (due[i] != 0);
            wrong += due[i] != 0 && due[i] <= fake_now;
        }
        ck_assert_uint_eq(wrong, 0);
    }
}
END_TEST

/* ---- several CPUs --------------------------------------------------------------------------- */

START_TEST(a_timer_fires_on_the_cpu_that_set_it_last)
{
    timer_set(&timers[1], 5000);
    fake_cpu_use(1, NULL);
    timer_set(&timers[1], 5000);
    ck_assert_uint_eq(timers[1].cpu, 1);
    fake_cpu_use(0, NULL);
    interrupt_at(6000);
    ck_assert_uint_eq(fired_count, 0);
    fake_cpu_use(1, NULL);
    interrupt_at(6000);
    ck_assert_uint_eq(fired_count, 1);
}
END_TEST

START_TEST(bringing_a_timer_keeps_its_deadline)
{
    timer_set(&timers[1], 5000);
    fake_cpu_use(1, NULL);
    take_programmed();
    timer_bring(&timers[1]);
    ck_assert_uint_eq(take_programmed(), 1);
    ck_assert_uint_eq(timers[1].cpu, 1);
    interrupt_at(4999);
    ck_assert_uint_eq(fired_count, 0);
    interrupt_at(5000);
    ck_assert_uint_eq(fired_count, 1);
    fake_cpu_use(0, NULL);
    timer_bring(&timers[1]);
    ck_assert(!timers[1].armed);
}
END_TEST

START_TEST(a_timer_can_be_stopped_from_another_cpu)
{
    timer_set(&timers[1], 5000);
    fake_cpu_use(1, NULL);
    timer_stop(&timers[1]);
    fake_cpu_use(0, NULL);
    interrupt_at(6000);
    ck_assert_uint_eq(fired_count, 0);
}
END_TEST

static _Atomic bool inside, let_go, returned;

/* The main thread waits: only now does the handler go on. */
void spin_wait(void)
{
    let_go = true;
    cpu_pause();
}

static void slow(void *argument)
{
    (void)argument;
    inside = true;
    while (!let_go) {
        cpu_pause();
    }
    returned = true;
}

static void *other_cpu(void *argument)
{
    (void)argument;
    fake_cpu_use(1, NULL);
    timer_set(&timers[0], 500);
    expire();
    return NULL;
}

START_TEST(stopping_waits_for_a_handler_on_another_cpu)
{
    pthread_t thread;

    timer_init(&timers[0], slow, NULL);
    pthread_create(&thread, NULL, other_cpu, NULL);
    while (!inside) {
        cpu_pause();
    }
    timer_stop(&timers[0]);
    ck_assert(returned);
    pthread_join(thread, NULL);
}
END_TEST

START_TEST(setting_waits_for_a_handler_on_another_cpu)
{
    pthread_t thread;

    timer_init(&timers[0], slow, NULL);
    pthread_create(&thread, NULL, other_cpu, NULL);
    while (!inside) {
        cpu_pause();
    }
    timer_set(&timers[0], 5000);
    ck_assert(returned);
    ck_assert_uint_eq(timers[0].cpu, 0);
    pthread_join(thread, NULL);
    ck_assert(timers[0].armed);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("timer");
    TCase *one = suite_case(suite, "one CPU");
    TCase *more = suite_case(suite, "several CPUs");

    tcase_add_checked_fixture(one, setup, NULL);
    tcase_add_test(one, handlers_are_called_in_the_order_of_deadlines);
    tcase_add_test(one, a_timer_is_not_early);
    tcase_add_test(one, an_early_interrupt_arms_the_apic_again);
    tcase_add_test(one, only_a_new_first_timer_programs_the_apic);
    tcase_add_test(one, after_a_round_the_apic_is_armed_for_what_is_left);
    tcase_add_test(one, a_deadline_in_the_past_fires_at_once);
    tcase_add_test(one, a_stopped_timer_does_not_fire);
    tcase_add_test(one, setting_a_timer_again_moves_it);
    tcase_add_test(one, a_handler_may_arm_its_timer_again);
    tcase_add_test(one, a_handler_that_arms_its_timer_for_the_past_waits_for_the_next_round);
    tcase_add_test(one, a_handler_may_arm_and_stop_others);
    tcase_add_test(one, any_mixture_of_setting_and_stopping_keeps_the_order);
    tcase_add_checked_fixture(more, setup, NULL);
    tcase_add_test(more, a_timer_fires_on_the_cpu_that_set_it_last);
    tcase_add_test(more, bringing_a_timer_keeps_its_deadline);
    tcase_add_test(more, a_timer_can_be_stopped_from_another_cpu);
    tcase_add_test(more, stopping_waits_for_a_handler_on_another_cpu);
    tcase_add_test(more, setting_waits_for_a_handler_on_another_cpu);
    return suite_run(suite);
}
