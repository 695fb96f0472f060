/* SPDX-License-Identifier: MIT */
/*
 * The small things everything stands on: rings, sets of CPUs, bits, spinlocks.
 */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "hypervisor/lib/atomic.h"
#include "hypervisor/lib/cpumask.h"
#include "hypervisor/lib/list.h"
#include "hypervisor/lib/lock.h"
#include "tests/fake/fake.h"
#include "tests/unit/require.h"
#include "tests/unit/suite.h"

/* Held across calls, in ways the compiler's analysis is right to refuse elsewhere. */
static void take(struct spinlock *lock) NO_LOCK_ANALYSIS
{
    spin_lock(lock);
}

static void release(struct spinlock *lock) NO_LOCK_ANALYSIS
{
    spin_unlock(lock);
}

static _Atomic unsigned int waits;
static struct spinlock *unlock_while_waiting;

void spin_wait(void)
{
    waits++;
    if (unlock_while_waiting != NULL) {
        release(unlock_while_waiting);
        unlock_while_waiting = NULL;
        return;
    }
    sched_yield();
}

/* ---- lists ---------------------------------------------------------------------------------- */

struct item {
    int before;
    struct list link;
    int number;
};

static struct list ring = { &ring, &ring };
static struct item items[10];

static void list_setup(void)
{
    list_init(&ring);
    for (int i = 0; i < 10; i++) {
        items[i].number = i;
        list_insert_before(&ring, &items[i].link);
    }
}

/* The numbers in the ring as decimal digits, and that both directions agree. */
static uint64_t numbers(void)
{
    const struct list *link;
    uint64_t digits = 1;

    FOR_EACH_LINK(link, &ring)
    {
        ck_assert_ptr_eq(link->next->prev, link);
        ck_assert_ptr_eq(link->prev->next, link);
        digits = digits * 10 +
                 (uint64_t)container_of((struct list *)(uintptr_t)link, struct item, link)->number;
    }
    return digits;
}

START_TEST(a_list_keeps_the_order_of_insertion)
{
    ck_assert(!list_empty(&ring));
    ck_assert_uint_eq(numbers(), UINT64_C(10123456789));
}
END_TEST

START_TEST(an_entry_is_put_before_any_other)
{
    list_remove(&items[9].link);
    list_insert_before(&items[0].link, &items[9].link);
    ck_assert_uint_eq(numbers(), UINT64_C(19012345678));
    list_remove(&items[0].link);
    list_insert_before(&items[5].link, &items[0].link);
    ck_assert_uint_eq(numbers(), UINT64_C(19123405678));
}
END_TEST

START_TEST(an_entry_may_be_taken_out_twice)
{
    list_remove(&items[3].link);
    ck_assert(list_empty(&items[3].link));
    list_remove(&items[3].link);
    ck_assert_uint_eq(numbers(), UINT64_C(1012456789));
    for (int i = 0; i < 10; i++) {
        list_remove(&items[i].link);
    }
    ck_assert(list_empty(&ring));
    ck_assert_uint_eq(numbers(), 1);
}
END_TEST

START_TEST(a_static_list_is_empty)
{
    static struct list fresh = { &fresh, &fresh };

    ck_assert(list_empty(&fresh));
    list_insert_before(&fresh, &items[0].link);
    ck_assert(!list_empty(&fresh));
}
END_TEST

/* ---- sets of CPUs --------------------------------------------------------------------------- */

START_TEST(each_cpu_is_in_a_set_or_not)
{
    struct cpumask mask = { { 0 } };

    ck_assert(cpumask_empty(&mask));
    for (unsigned int cpu = 0; cpu < CPU_LIMIT; cpu++) {
        cpumask_add(&mask, cpu);
        for (unsigned int other = 0; other < CPU_LIMIT; other++) {
            require(cpumask_has(&mask, other) == (other == cpu));
        }
        require(!cpumask_empty(&mask));
        require(cpumask_next(&mask, 0) == cpu);
        require(cpumask_next(&mask, cpu) == cpu);
        require(cpumask_next(&mask, cpu + 1) == CPU_LIMIT);
        cpumask_remove(&mask, cpu);
        require(cpumask_empty(&mask));
    }
    cpumask_add(&mask, 255);
    ck_assert(!cpumask_has(&mask, CPU_LIMIT));
    ck_assert(!cpumask_has(&mask, CPU_LIMIT + 255));
    ck_assert(!cpumask_has(&mask, UINT32_MAX));
    ck_assert_uint_eq(cpumask_next(&mask, CPU_LIMIT), CPU_LIMIT);
    ck_assert_uint_eq(cpumask_next(&mask, CPU_LIMIT + 100), CPU_LIMIT);
}
END_TEST

START_TEST(a_walk_over_a_set_meets_each_member_once_and_in_order)
{
    srand(8);
    for (unsigned int round = 0; round < 200; round++) {
        struct cpumask a = { { 0 } }, b = { { 0 } }, both;
        bool in_a[CPU_LIMIT] = { false }, in_b[CPU_LIMIT] = { false };
        unsigned int cpu, expected = 0;

        for (unsigned int i = 0; i < 60; i++) {
            unsigned int x = (unsigned int)rand() % CPU_LIMIT, y = (unsigned int)rand() % CPU_LIMIT;

            cpumask_add(&a, x);
            in_a[x] = true;
            cpumask_add(&b, y);
            in_b[y] = true;
        }
        both = cpumask_and(&a, &b);
        FOR_EACH_CPU(cpu, &a)
        {
            while (!in_a[expected]) {
                expected++;
            }
            require(cpu == expected);
            expected++;
        }
        require(cpu == CPU_LIMIT);
        for (cpu = 0; cpu < CPU_LIMIT; cpu++) {
            require(cpumask_has(&both, cpu) == (in_a[cpu] && in_b[cpu]));
        }
    }
}
END_TEST

/* ---- bits ----------------------------------------------------------------------------------- */

START_TEST(a_bit_is_set_and_cleared_alone_and_its_old_value_told)
{
    uint64_t map[3] = { 0 };

    for (unsigned int bit = 0; bit < 192; bit++) {
        require(!bit_test(map, bit));
        require(!bit_test_and_set(map, bit));
        require(bit_test_and_set(map, bit));
        require(bit_test(map, bit));
        for (unsigned int word = 0; word < 3; word++) {
            require(map[word] == (word == bit / 64 ? UINT64_C(1) << bit % 64 : 0));
        }
        require(bit_test_and_clear(map, bit));
        require(!bit_test_and_clear(map, bit));
        require(map[bit / 64] == 0);
        map[0] = map[1] = map[2] = UINT64_MAX;
        require(bit_test_and_clear(map, bit));
        require(map[bit / 64] == ~(UINT64_C(1) << bit % 64));
        map[0] = map[1] = map[2] = 0;
    }
}
END_TEST

/* ---- locks ---------------------------------------------------------------------------------- */

static void lock_setup(void)
{
    waits = 0;
    unlock_while_waiting = NULL;
}

START_TEST(a_free_lock_is_taken_without_waiting)
{
    struct spinlock lock = SPINLOCK_INIT(RANK_HEAP);

    ck_assert(!spin_is_locked(&lock));
    take(&lock);
    ck_assert(spin_is_locked(&lock));
    ck_assert(!spin_trylock(&lock));
    release(&lock);
    ck_assert(!spin_is_locked(&lock));
    ck_assert(spin_trylock(&lock));
    ck_assert(spin_is_locked(&lock));
    release(&lock);
    ck_assert_uint_eq(waits, 0);
    ck_assert_uint_eq(lock.rank, RANK_HEAP);
}
END_TEST

START_TEST(a_lock_that_is_held_is_waited_for)
{
    struct spinlock lock;

    spinlock_init(&lock, RANK_DOMAIN);
    ck_assert_uint_eq(lock.rank, RANK_DOMAIN);
    take(&lock);
    unlock_while_waiting = &lock;
    take(&lock);
    ck_assert_uint_eq(waits, 1);
    ck_assert(spin_is_locked(&lock));
    release(&lock);
    ck_assert(!spin_is_locked(&lock));
}
END_TEST

START_TEST(tickets_may_go_round)
{
    struct spinlock lock = SPINLOCK_INIT(RANK_HEAP);

    for (unsigned int i = 0; i < 70000; i++) {
        take(&lock);
        require(spin_is_locked(&lock) && !spin_trylock(&lock));
        release(&lock);
        require(!spin_is_locked(&lock));
    }
    ck_assert_uint_eq(waits, 0);
}
END_TEST

START_TEST(two_locks_are_taken_in_one_order_and_one_once)
{
    struct spinlock pair[2] = { SPINLOCK_INIT(RANK_EVENT), SPINLOCK_INIT(RANK_EVENT) };

    for (unsigned int i = 0; i < 2; i++) {
        /* The first is held: the second must not be taken before it. */
        take(&pair[0]);
        unlock_while_waiting = &pair[0];
        spin_lock_both(&pair[i], &pair[1 - i]);
        ck_assert_uint_eq(waits, i + 1);
        ck_assert(spin_is_locked(&pair[0]) && spin_is_locked(&pair[1]));
        spin_unlock_both(&pair[i], &pair[1 - i]);
        ck_assert(!spin_is_locked(&pair[0]) && !spin_is_locked(&pair[1]));
    }
    spin_lock_both(&pair[0], &pair[0]);
    ck_assert(spin_is_locked(&pair[0]) && !spin_is_locked(&pair[1]));
    spin_unlock_both(&pair[0], &pair[0]);
    ck_assert(!spin_is_locked(&pair[0]));
}
END_TEST

#define THREADS 4u
#define ROUNDS  20000u

static struct spinlock shared[2] = { SPINLOCK_INIT(RANK_EVENT), SPINLOCK_INIT(RANK_EVENT) };
static unsigned int counters[2];
static _Atomic unsigned int tried;

static void *count(void *argument)
{
    unsigned int id = (unsigned int)(uintptr_t)argument;

    for (unsigned int i = 0; i < ROUNDS; i++) {
        switch ((i + id) % 3) {
        case 0:
            take(&shared[0]);
            counters[0]++;
            release(&shared[0]);
            break;
        case 1:
            spin_lock_both(&shared[id % 2], &shared[1 - id % 2]);
            counters[0]++;
            counters[1]++;
            spin_unlock_both(&shared[0], &shared[1]);
            break;
        default:
            if (spin_trylock(&shared[1])) {
                counters[1]++;
                tried++;
                release(&shared[1]);
            }
            break;
        }
    }
    return NULL;
}

START_TEST(on_several_cpus_one_holds_a_lock)
{
    pthread_t threads[THREADS];
    unsigned int both = 0, first = 0;

    for (uintptr_t i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count, (void *)i), 0);
        for (unsigned int j = 0; j < ROUNDS; j++) {
            first += (j + i) % 3 == 0;
            both += (j + i) % 3 == 1;
        }
    }
    for (unsigned int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_uint_eq(counters[0], first + both);
    ck_assert_uint_eq(counters[1], both + tried);
    ck_assert(!spin_is_locked(&shared[0]) && !spin_is_locked(&shared[1]));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("list_cpumask_lock");
    TCase *list = suite_case(suite, "list"), *mask = suite_case(suite, "cpumask and bits");
    TCase *lock = suite_case(suite, "lock");

    tcase_add_checked_fixture(list, list_setup, NULL);
    tcase_add_test(list, a_list_keeps_the_order_of_insertion);
    tcase_add_test(list, an_entry_is_put_before_any_other);
    tcase_add_test(list, an_entry_may_be_taken_out_twice);
    tcase_add_test(list, a_static_list_is_empty);

    tcase_add_test(mask, each_cpu_is_in_a_set_or_not);
    tcase_add_test(mask, a_walk_over_a_set_meets_each_member_once_and_in_order);
    tcase_add_test(mask, a_bit_is_set_and_cleared_alone_and_its_old_value_told);

    tcase_add_checked_fixture(lock, lock_setup, NULL);
    tcase_set_timeout(lock, 60);
    tcase_add_test(lock, a_free_lock_is_taken_without_waiting);
    tcase_add_test(lock, a_lock_that_is_held_is_waited_for);
    tcase_add_test(lock, tickets_may_go_round);
    tcase_add_test(lock, two_locks_are_taken_in_one_order_and_one_once);
    tcase_add_test(lock, on_several_cpus_one_holds_a_lock);
    return suite_run(suite);
}
