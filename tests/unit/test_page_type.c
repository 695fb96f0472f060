/* SPDX-License-Identifier: MIT */
/*
 * Frame types: the table of mm/page_type.h, every state with every event, and its
 * driver over tables whose entries are counted here and can be preempted or
 * refused at any of them.
 */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "guest-pv-headers/errno.h"
#include "hypervisor/mm/page_type.h"
#include "hypervisor/x86/pte.h"
#include "hypervisor/x86/smp.h"
#include "hypervisor/x86/tlb.h"
#include "tests/fake/fake.h"
#include "tests/unit/require.h"
#include "tests/unit/suite.h"

#define ENTRIES PTE_ENTRIES
#define NEVER   UINT32_MAX

static struct domain *domain;
static struct page *page;

/* The one table of most tests. */
static bool held[ENTRIES];
static _Atomic unsigned int budget; /* entries until the next preemption */
static unsigned int refused_at;     /* this entry cannot be held */
static unsigned int holds, releases;
static void (*while_working)(void); /* in the middle of a hold or release, and in waiting */

static uint32_t tlb_time;
static struct page *watched; /* tlb_clock() and tlb_flush_older() look at it */
static unsigned int flushes;
static uint32_t flushed_stamp;
static const struct cpumask *flushed_mask;
static _Atomic unsigned int spins;
static void (*while_spinning)(void);

static void (*other_cpu)(void); /* before the step with the number `when` */
static unsigned int steps, when;

void race_step(void)
{
    if (other_cpu != NULL && ++steps == when) {
        void (*now)(void) = other_cpu;

        other_cpu = NULL;
        now();
    }
}

/* ---- neighbours ----------------------------------------------------------------------------- */

static struct cpumask dirty = { { 5 } };

const struct cpumask *domain_dirty_cpus(domid_t owner)
{
    ck_assert_uint_eq(owner, domain->id);
    return &dirty;
}

/* A stamp taken while somebody can still use the frame would be older than the last use. */
uint32_t tlb_clock(void)
{
    if (watched != NULL) {
        ck_assert_int_eq(page_use_state(watched->use), PAGE_BUSY);
    }
    return tlb_time;
}

void tlb_flush_older(const struct cpumask *mask, uint32_t stamp)
{
    if (watched != NULL) {
        ck_assert_int_eq(page_use_state(watched->use), PAGE_BUSY);
        ck_assert_uint_eq(holds, 0);
    }
    flushes++;
    flushed_stamp = stamp;
    flushed_mask = mask;
}

void spin_wait(void)
{
    spins++;
    if (while_spinning != NULL) {
        while_spinning();
    } else {
        sched_yield();
    }
}

static bool spend(void)
{
    if (budget == 0) {
        return false;
    }
    budget--;
    return true;
}

int page_entries_hold(struct page *table, enum page_type type, unsigned int *cursor)
{
    require(page_use_state(table->use) == PAGE_BUSY);
    require(page_use_type(table->use) == type);
    if (while_working != NULL) {
        while_working();
    }
    for (; *cursor < ENTRIES; (*cursor)++) {
        if (*cursor == refused_at) {
            return -XEN_EINVAL;
        }
        if (!spend()) {
            return -XEN_ERESTART;
        }
        require(!held[*cursor]);
        held[*cursor] = true;
        holds++;
    }
    return 0;
}

int page_entries_release(struct page *table, enum page_type type, unsigned int *cursor)
{
    require(page_use_state(table->use) == PAGE_BUSY);
    require(page_use_type(table->use) == type);
    require(table->lock == 0);
    if (while_working != NULL) {
        while_working();
    }
    while (*cursor > 0) {
        if (!spend()) {
            return -XEN_ERESTART;
        }
        (*cursor)--;
        require(held[*cursor]);
        held[*cursor] = false;
        releases++;
    }
    return 0;
}

static void setup(void)
{
    fake_reset();
    memset(held, 0, sizeof(held));
    budget = NEVER;
    refused_at = NEVER;
    holds = 0;
    releases = 0;
    while_working = NULL;
    tlb_time = 100;
    watched = NULL;
    flushes = 0;
    spins = 0;
    while_spinning = NULL;
    other_cpu = NULL;
    domain = fake_domain_new(1, 1, false);
    page = fake_page_new(domain);
}

static void teardown(void)
{
    fake_domain_free(domain);
}

static unsigned int held_count(void)
{
    unsigned int count = 0;

    for (unsigned int i = 0; i < ENTRIES; i++) {
        count += held[i];
    }
    return count;
}

static void expect(enum page_type type, enum page_state state, uint64_t count, uint64_t refs)
{
    require(page_use_state(page->use) == state);
    require(page_use_type(page->use) == type);
    require((page->use & PAGE_USE_COUNT) == count);
    require((page->refs & PAGE_REF_COUNT) == refs);
}

/* ---- the table ------------------------------------------------------------------------------ */

#define FOR_EACH_TYPE(type) for (enum page_type type = PAGE_NONE; type <= PAGE_WRITABLE; type++)

START_TEST(tables_of_pages_and_of_segments_have_entries)
{
    static const bool has[PAGE_WRITABLE + 1] = { [PAGE_L1] = true,
                                                 [PAGE_L2] = true,
                                                 [PAGE_L3] = true,
                                                 [PAGE_L4] = true,
                                                 [PAGE_SEGMENTS] = true };

    FOR_EACH_TYPE (type) {
        ck_assert(page_type_has_entries(type) == has[type]);
    }
}
END_TEST

static void check_free(uint64_t now, enum page_type wanted)
{
    uint64_t next = 0;

    if (page_type_has_entries(wanted)) {
        ck_assert_int_eq(page_use_get(now, wanted, &next), PAGE_VALIDATE);
        ck_assert_uint_eq(next, page_use_make(wanted, PAGE_BUSY, 0, 0));
    } else {
        ck_assert_int_eq(page_use_get(now, wanted, &next), PAGE_DONE);
        ck_assert_uint_eq(next, page_use_make(wanted, PAGE_IN_USE, 0, 1));
    }
}

START_TEST(a_free_frame_becomes_whatever_is_wanted)
{
    FOR_EACH_TYPE (last) {
        FOR_EACH_TYPE (wanted) {
            check_free(page_use_make(last, PAGE_FREE, 0, 0), wanted);
        }
    }
}
END_TEST

START_TEST(one_that_is_busy_is_waited_for_only_by_those_who_want_the_same)
{
    uint64_t next;

    FOR_EACH_TYPE (type) {
        FOR_EACH_TYPE (wanted) {
            for (unsigned int cursor = 0; cursor <= ENTRIES; cursor++) {
                ck_assert_int_eq(
                    page_use_get(page_use_make(type, PAGE_BUSY, cursor, 0), wanted, &next),
                    wanted == type ? PAGE_WAIT : PAGE_REFUSED);
            }
        }
    }
}
END_TEST

START_TEST(a_partial_table_goes_up_for_the_same_type_and_down_for_another)
{
    static const unsigned int cursors[] = { 0, 1, 17, 511, 512, 9 | PAGE_CURSOR_GIVEN_UP };
    uint64_t next;

    for (enum page_type type = PAGE_L1; type <= PAGE_SEGMENTS; type++) {
        FOR_EACH_TYPE (wanted) {
            for (unsigned int i = 0; i < ARRAY_SIZE(cursors); i++) {
                ck_assert_int_eq(
                    page_use_get(page_use_make(type, PAGE_PARTIAL, cursors[i], 0), wanted, &next),
                    wanted == type ? PAGE_VALIDATE : PAGE_INVALIDATE);
                ck_assert_uint_eq(next, page_use_make(type, PAGE_BUSY, cursors[i], 0));
            }
        }
    }
}
END_TEST

static void check_get(enum page_type type, enum page_type wanted, uint64_t count)
{
    uint64_t now = page_use_make(type, PAGE_IN_USE, ENTRIES, count), next = 0;

    if (wanted != type || count >= PAGE_USE_LIMIT) {
        ck_assert_int_eq(page_use_get(now, wanted, &next), PAGE_REFUSED);
        return;
    }
    ck_assert_int_eq(page_use_get(now, wanted, &next), PAGE_DONE);
    ck_assert_uint_eq(next, now + 1);
    ck_assert_int_eq(page_use_get(now | PAGE_USE_PINNED, wanted, &next), PAGE_DONE);
    ck_assert_uint_eq(next, (now | PAGE_USE_PINNED) + 1);
}

START_TEST(one_in_use_counts_up_to_the_limit_and_only_as_what_it_is)
{
    static const uint64_t counts[] = {
        1, 2, 1000, PAGE_USE_LIMIT - 1, PAGE_USE_LIMIT, PAGE_USE_LIMIT + 1
    };

    FOR_EACH_TYPE (type) {
        FOR_EACH_TYPE (wanted) {
            for (unsigned int i = 0; i < ARRAY_SIZE(counts); i++) {
                check_get(type, wanted, counts[i]);
            }
        }
    }
}
END_TEST

START_TEST(a_use_ends_by_counting_and_the_last_by_what_the_type_needs)
{
    uint64_t next = 0;

    FOR_EACH_TYPE (type) {
        uint64_t one = page_use_make(type, PAGE_IN_USE, ENTRIES, 1);

        ck_assert_int_eq(page_use_put(one + 1, &next), PAGE_DONE);
        ck_assert_uint_eq(next, one);
        ck_assert_int_eq(page_use_put((one + 1) | PAGE_USE_PINNED, &next), PAGE_DONE);
        ck_assert_uint_eq(next, one | PAGE_USE_PINNED);
        if (page_type_has_entries(type)) {
            ck_assert_int_eq(page_use_put(one, &next), PAGE_INVALIDATE);
            ck_assert_uint_eq(next, page_use_make(type, PAGE_BUSY, ENTRIES, 0));
        } else {
            ck_assert_int_eq(page_use_put(one, &next), PAGE_DONE);
            ck_assert_uint_eq(next, page_use_make(type, PAGE_FREE, 0, 0));
        }
    }
}
END_TEST

START_TEST(what_is_not_in_use_cannot_be_put)
{
    uint64_t next;

    FOR_EACH_TYPE (type) {
        for (enum page_state state = PAGE_FREE; state <= PAGE_PARTIAL; state++) {
            ck_assert_int_eq(page_use_put(page_use_make(type, state, 0, 0), &next), PAGE_BUG);
            ck_assert_int_eq(page_use_put(page_use_make(type, state, 0, 3), &next), PAGE_BUG);
        }
        ck_assert_int_eq(page_use_put(page_use_make(type, PAGE_IN_USE, 0, 0), &next), PAGE_BUG);
    }
}
END_TEST

START_TEST(the_parts_of_the_word_do_not_touch_each_other)
{
    FOR_EACH_TYPE (type) {
        for (enum page_state state = PAGE_FREE; state <= PAGE_IN_USE; state++) {
            uint64_t use =
                page_use_make(type, state, ENTRIES | PAGE_CURSOR_GIVEN_UP, PAGE_USE_LIMIT) |
                PAGE_USE_PINNED;

            ck_assert_int_eq(page_use_type(use), type);
            ck_assert_int_eq(page_use_state(use), state);
            ck_assert_uint_eq(page_use_cursor(use), ENTRIES | PAGE_CURSOR_GIVEN_UP);
            ck_assert_uint_eq(use & PAGE_USE_COUNT, PAGE_USE_LIMIT);
            page->use = use;
            FOR_EACH_TYPE (other) {
                ck_assert(page_is(page, other) == (other == type && state == PAGE_IN_USE));
            }
        }
    }
}
END_TEST

/* ---- the driver, one CPU -------------------------------------------------------------------- */

START_TEST(a_table_is_validated_whole_and_invalidated_whole)
{
    for (enum page_type type = PAGE_L1; type <= PAGE_SEGMENTS; type++) {
        ck_assert_int_eq(page_type_get(page, type), 0);
        ck_assert_uint_eq(held_count(), ENTRIES);
        expect(type, PAGE_IN_USE, 1, 1);
        ck_assert_uint_eq(page_use_cursor(page->use), ENTRIES);
        ck_assert_int_eq(page_type_get(page, type), 0);
        expect(type, PAGE_IN_USE, 2, 1);
        page_type_put(page);
        ck_assert_uint_eq(held_count(), ENTRIES);
        expect(type, PAGE_IN_USE, 1, 1);
        ck_assert_int_eq(page_type_put_preemptible(page), 0);
        ck_assert_uint_eq(held_count(), 0);
        expect(type, PAGE_FREE, 0, 1);
    }
}
END_TEST

START_TEST(a_frame_in_use_is_refused_as_anything_else)
{
    for (enum page_type type = PAGE_L1; type <= PAGE_WRITABLE; type++) {
        ck_assert_int_eq(page_type_get(page, type), 0);
        for (enum page_type other = PAGE_L1; other <= PAGE_WRITABLE; other++) {
            if (other != type) {
                ck_assert_int_eq(page_type_get(page, other), -XEN_EINVAL);
            }
        }
        if (type != PAGE_WRITABLE) {
            ck_assert_int_eq(page_writable_get(page), -XEN_EINVAL);
        }
        expect(type, PAGE_IN_USE, 1, 1);
        page_type_put(page);
        expect(type, PAGE_FREE, 0, 1);
    }
}
END_TEST

START_TEST(writable_uses_are_counted_up_to_the_limit)
{
    ck_assert_int_eq(page_writable_get(page), 0);
    expect(PAGE_WRITABLE, PAGE_IN_USE, 1, 1);
    ck_assert_int_eq(page_writable_get(page), 0);
    expect(PAGE_WRITABLE, PAGE_IN_USE, 2, 1);
    page->use = page_use_make(PAGE_WRITABLE, PAGE_IN_USE, 0, PAGE_USE_LIMIT - 1);
    ck_assert_int_eq(page_writable_get(page), 0);
    ck_assert_int_eq(page_writable_get(page), -XEN_EINVAL);
    ck_assert_int_eq(page_type_get(page, PAGE_WRITABLE), -XEN_EINVAL);
    expect(PAGE_WRITABLE, PAGE_IN_USE, PAGE_USE_LIMIT, 1);
}
END_TEST

/* Until page_type_get() is done, after as many preemptions as it takes. */
static unsigned int get_in_pieces(enum page_type type, unsigned int piece)
{
    unsigned int preemptions = 0;
    int error;

    for (;;) {
        budget = piece;
        error = page_type_get(page, type);
        if (error != -XEN_ERESTART) {
            ck_assert_int_eq(error, 0);
            return preemptions;
        }
        preemptions++;
        expect(page_use_type(page->use), PAGE_PARTIAL, 0, 2);
        require(page_use_cursor(page->use) == held_count());
    }
}

static unsigned int finish_in_pieces(unsigned int piece)
{
    unsigned int preemptions = 0;

    do {
        expect(page_use_type(page->use), PAGE_PARTIAL, 0, 2);
        require(page_use_cursor(page->use) == held_count());
        preemptions++;
        budget = piece;
    } while (page_type_finish(page) == -XEN_ERESTART);
    return preemptions;
}

START_TEST(validation_and_invalidation_may_be_preempted_at_every_entry)
{
    for (unsigned int piece = 1; piece <= ENTRIES; piece++) {
        ck_assert_uint_eq(get_in_pieces(PAGE_L3, piece), (ENTRIES - 1) / piece);
        expect(PAGE_L3, PAGE_IN_USE, 1, 1);
        ck_assert_uint_eq(held_count(), ENTRIES);
        budget = piece;
        if (page_type_put_preemptible(page) == -XEN_ERESTART) {
            ck_assert_uint_eq(finish_in_pieces(piece), (ENTRIES - 1) / piece);
        }
        expect(PAGE_L3, PAGE_FREE, 0, 1);
        ck_assert_uint_eq(held_count(), 0);
    }
}
END_TEST

START_TEST(preempted_at_once_nothing_is_lost)
{
    budget = 0;
    ck_assert_int_eq(page_type_get(page, PAGE_L2), -XEN_ERESTART);
    expect(PAGE_L2, PAGE_PARTIAL, 0, 2);
    budget = 0;
    ck_assert_int_eq(page_type_get(page, PAGE_L2), -XEN_ERESTART);
    expect(PAGE_L2, PAGE_PARTIAL, 0, 2);
    budget = NEVER;
    ck_assert_int_eq(page_type_get(page, PAGE_L2), 0);
    expect(PAGE_L2, PAGE_IN_USE, 1, 1);
    budget = 0;
    ck_assert_int_eq(page_type_put_preemptible(page), -XEN_ERESTART);
    expect(PAGE_L2, PAGE_PARTIAL, 0, 2);
    budget = 0;
    ck_assert_int_eq(page_type_finish(page), -XEN_ERESTART);
    expect(PAGE_L2, PAGE_PARTIAL, 0, 2);
    budget = NEVER;
    ck_assert_int_eq(page_type_finish(page), 0);
    expect(PAGE_L2, PAGE_FREE, 0, 1);
}
END_TEST

START_TEST(a_refused_entry_gives_back_those_before_it)
{
    for (refused_at = 0; refused_at < ENTRIES; refused_at++) {
        budget = NEVER;
        ck_assert_int_eq(page_type_get(page, PAGE_L2), -XEN_EINVAL);
        ck_assert_uint_eq(held_count(), 0);
        expect(PAGE_L2, PAGE_FREE, 0, 1);
    }
}
END_TEST

START_TEST(a_refused_entry_and_a_preemption_of_its_undoing_leave_the_frame_partial)
{
    static const unsigned int pieces[] = { 1, 3, 100, 255, 511 };

    for (unsigned int i = 0; i < ARRAY_SIZE(pieces); i++) {
        int error;

        for (refused_at = 1; refused_at < ENTRIES; refused_at += 5) {
            do {
                budget = pieces[i];
                error = page_type_get(page, PAGE_L2);
            } while (error == -XEN_ERESTART);
            ck_assert_int_eq(error, -XEN_EINVAL);
            if (page_use_state(page->use) == PAGE_PARTIAL) {
                (void)finish_in_pieces(pieces[i]);
            }
            ck_assert_uint_eq(held_count(), 0);
            expect(PAGE_L2, PAGE_FREE, 0, 1);
        }
    }
}
END_TEST

START_TEST(a_partial_table_is_brought_down_when_it_is_wanted_as_another)
{
    for (enum page_type other = PAGE_L2; other <= PAGE_WRITABLE; other++) {
        int error;

        budget = 100;
        ck_assert_int_eq(page_type_get(page, PAGE_L1), -XEN_ERESTART);
        budget = 30;
        ck_assert_int_eq(page_type_get(page, other), -XEN_ERESTART);
        expect(PAGE_L1, PAGE_PARTIAL, 0, 2);
        ck_assert_uint_eq(held_count(), 70);
        do {
            budget = 30;
            error = page_type_get(page, other);
        } while (page_use_type(page->use) == PAGE_L1 && error == -XEN_ERESTART);
        budget = NEVER;
        ck_assert_int_eq(page_use_type(page->use), other);
        if (error != 0) {
            ck_assert_int_eq(page_type_get(page, other), 0);
        }
        expect(other, PAGE_IN_USE, 1, 1);
        ck_assert_uint_eq(held_count(), other == PAGE_WRITABLE ? 0 : ENTRIES);
        page_type_put(page);
        expect(other, PAGE_FREE, 0, 1);
    }
}
END_TEST

START_TEST(a_partial_table_is_brought_down_for_a_writable_use_but_not_under_a_lock)
{
    budget = 100;
    ck_assert_int_eq(page_type_get(page, PAGE_L2), -XEN_ERESTART);
    budget = NEVER;
    ck_assert_int_eq(page_writable_get_locked(page), -XEN_EBUSY);
    ck_assert_int_eq(page_type_get_locked(page, PAGE_WRITABLE), -XEN_EBUSY);
    expect(PAGE_L2, PAGE_PARTIAL, 0, 2);
    ck_assert_uint_eq(held_count(), 100);
    ck_assert_int_eq(page_writable_get(page), 0);
    expect(PAGE_WRITABLE, PAGE_IN_USE, 1, 1);
    ck_assert_uint_eq(held_count(), 0);
}
END_TEST

START_TEST(a_partial_table_can_change_its_direction_any_number_of_times)
{
    for (unsigned int i = 0; i < 20; i++) {
        budget = 40;
        ck_assert_int_eq(page_type_get(page, PAGE_L4), -XEN_ERESTART);
        expect(PAGE_L4, PAGE_PARTIAL, 0, 2);
        budget = 25;
        ck_assert_int_eq(page_type_finish(page), -XEN_ERESTART);
        expect(PAGE_L4, PAGE_PARTIAL, 0, 2);
        ck_assert_uint_eq(held_count(), (i + 1) * 15);
    }
    budget = NEVER;
    ck_assert_int_eq(page_type_finish(page), 0);
    expect(PAGE_L4, PAGE_FREE, 0, 1);
    ck_assert_uint_eq(held_count(), 0);
}
END_TEST

START_TEST(finishing_what_is_not_partial_does_nothing)
{
    ck_assert_int_eq(page_type_finish(page), 0);
    expect(PAGE_NONE, PAGE_FREE, 0, 1);
    ck_assert_int_eq(page_type_get(page, PAGE_L1), 0);
    ck_assert_int_eq(page_type_finish(page), 0);
    expect(PAGE_L1, PAGE_IN_USE, 1, 1);
    page->use = page_use_make(PAGE_L1, PAGE_BUSY, 3, 0);
    ck_assert_int_eq(page_type_finish(page), 0);
    expect(PAGE_L1, PAGE_BUSY, 0, 1);
}
END_TEST

START_TEST(a_partial_frame_keeps_the_last_reference_until_it_is_finished)
{
    budget = 5;
    ck_assert_int_eq(page_type_get(page, PAGE_L2), -XEN_ERESTART);
    page_put(page); /* the owner's */
    ck_assert_uint_eq(fake.pages_released, 0);
    budget = NEVER;
    ck_assert_int_eq(page_type_finish(page), 0);
    ck_assert_uint_eq(fake.pages_released, 1);
    expect(PAGE_L2, PAGE_FREE, 0, 0);
}
END_TEST

/* ---- flushes and stamps --------------------------------------------------------------------- */

START_TEST(a_change_of_type_flushes_what_is_left_of_the_old_one)
{
    for (enum page_type last = PAGE_L1; last <= PAGE_WRITABLE; last++) {
        FOR_EACH_TYPE (wanted) {
            page->use = page_use_make(last, PAGE_FREE, 0, 0);
            page->tlb_stamp = 77;
            flushes = 0;
            holds = 0;
            memset(held, 0, sizeof(held));
            watched = page;
            ck_assert_int_eq(page_type_get(page, wanted), 0);
            ck_assert_uint_eq(flushes, wanted != last);
            if (wanted != last) {
                ck_assert_uint_eq(flushed_stamp, 77);
                ck_assert_ptr_eq(flushed_mask, &dirty);
            }
            expect(wanted, PAGE_IN_USE, 1, 1);
        }
    }
}
END_TEST

START_TEST(the_hot_way_to_a_writable_use_flushes_what_the_other_does)
{
    for (enum page_type last = PAGE_NONE; last <= PAGE_WRITABLE; last++) {
        page->use = page_use_make(last, PAGE_FREE, 0, 0);
        flushes = 0;
        ck_assert_int_eq(page_writable_get(page), 0);
        ck_assert_uint_eq(flushes, last != PAGE_NONE && last != PAGE_WRITABLE);
        expect(PAGE_WRITABLE, PAGE_IN_USE, 1, 1);
        page_writable_put(page);
        expect(PAGE_WRITABLE, PAGE_FREE, 0, 1);
    }
}
END_TEST

START_TEST(a_frame_others_have_mapped_is_flushed_on_all_cpus)
{
    ck_assert_int_eq(page_writable_get(page), 0);
    page_mark_foreign(page);
    page_type_put(page);
    ck_assert_int_eq(page_type_get(page, PAGE_L1), 0);
    ck_assert_uint_eq(flushes, 1);
    ck_assert_ptr_eq(flushed_mask, &cpus_online);
}
END_TEST

START_TEST(a_frame_that_had_no_type_needs_no_flush)
{
    FOR_EACH_TYPE (wanted) {
        page->use = 0;
        memset(held, 0, sizeof(held));
        ck_assert_int_eq(page_type_get(page, wanted), 0);
        ck_assert_uint_eq(flushes, 0);
    }
}
END_TEST

START_TEST(a_partial_table_that_becomes_another_is_flushed_in_between)
{
    budget = 10;
    ck_assert_int_eq(page_type_get(page, PAGE_L3), -XEN_ERESTART);
    budget = NEVER;
    tlb_time = 500;
    ck_assert_int_eq(page_type_get(page, PAGE_WRITABLE), 0);
    ck_assert_uint_eq(flushes, 1);
    ck_assert_uint_eq(flushed_stamp, 500);
}
END_TEST

START_TEST(the_stamp_is_taken_when_nobody_can_use_the_frame_any_more)
{
    for (enum page_type type = PAGE_L1; type <= PAGE_WRITABLE; type++) {
        ck_assert_int_eq(page_type_get(page, type), 0);
        ck_assert_int_eq(page_type_get(page, type), 0);
        tlb_time += 10;
        watched = page;
        page_type_put(page);
        page_type_put(page);
        watched = NULL;
        ck_assert_uint_eq(page->tlb_stamp, tlb_time);
        expect(type, PAGE_FREE, 0, 1);
    }
}
END_TEST

START_TEST(a_use_that_is_not_the_last_leaves_the_stamp)
{
    ck_assert_int_eq(page_writable_get(page), 0);
    ck_assert_int_eq(page_writable_get(page), 0);
    page->tlb_stamp = 3;
    page_type_put(page);
    ck_assert_uint_eq(page->tlb_stamp, 3);
}
END_TEST

/* ---- waiting -------------------------------------------------------------------------------- */

static void becomes_in_use(void)
{
    page->use = page_use_make(PAGE_L1, PAGE_IN_USE, ENTRIES, 1);
}

static void becomes_free(void)
{
    page->use = page_use_make(PAGE_L1, PAGE_FREE, 0, 0);
}

static void becomes_other(void)
{
    page->use = page_use_make(PAGE_L2, PAGE_BUSY, 0, 0);
}

START_TEST(who_wants_the_same_waits_and_takes_what_comes)
{
    page->use = page_use_make(PAGE_L1, PAGE_BUSY, 4, 0);
    while_spinning = becomes_in_use;
    ck_assert_int_eq(page_type_get(page, PAGE_L1), 0);
    expect(PAGE_L1, PAGE_IN_USE, 2, 1);
    ck_assert_uint_eq(spins, 1);
    ck_assert_uint_eq(holds, 0);

    page->use = page_use_make(PAGE_L1, PAGE_BUSY, 4, 0);
    while_spinning = becomes_free;
    ck_assert_int_eq(page_type_get(page, PAGE_L1), 0);
    expect(PAGE_L1, PAGE_IN_USE, 1, 1);
    ck_assert_uint_eq(holds, ENTRIES);

    page->use = page_use_make(PAGE_L1, PAGE_BUSY, 4, 0);
    while_spinning = becomes_other;
    ck_assert_int_eq(page_type_get(page, PAGE_L1), -XEN_EINVAL);
    ck_assert_int_eq(page_type_get(page, PAGE_WRITABLE), -XEN_EINVAL);
    ck_assert_int_eq(page_writable_get(page), -XEN_EINVAL);
}
END_TEST

static void counted_to_the_limit(void)
{
    page->use = page_use_make(page_use_type(page->use), PAGE_IN_USE, ENTRIES, PAGE_USE_LIMIT);
}

START_TEST(who_waits_for_a_page_table_leaves_for_what_is_due)
{
    while_spinning = counted_to_the_limit;
    FOR_EACH_TYPE (type) {
        bool leaves = type >= PAGE_L1 && type <= PAGE_L4;

        fake_answers.preempt_after = 1;
        page->use = page_use_make(type, PAGE_BUSY, 0, 0);
        ck_assert_int_eq(page_type_get(page, type), leaves ? -XEN_ERESTART : -XEN_EINVAL);
        fake_answers.preempt_after = 0;
        page->use = page_use_make(type, PAGE_BUSY, 0, 0);
        ck_assert_int_eq(page_type_get(page, type), -XEN_EINVAL);
        expect(type, PAGE_IN_USE, PAGE_USE_LIMIT, 1);
    }
}
END_TEST

static void writer_is_done(void)
{
    ck_assert_uint_eq(releases, 0);
    ck_assert_int_eq(page_use_state(page->use), PAGE_BUSY);
    page_table_unlock(page);
}

START_TEST(invalidation_waits_for_who_writes_an_entry)
{
    ck_assert_int_eq(page_type_get(page, PAGE_L1), 0);
    page_table_lock(page);
    while_spinning = writer_is_done;
    page_type_put(page);
    ck_assert_uint_eq(spins, 1);
    ck_assert_uint_eq(releases, ENTRIES);
    ck_assert_uint_eq(page->lock, 0);
}
END_TEST

static void others_are_refused(void)
{
    enum page_type type = page_use_type(page->use);

    while_working = NULL; /* once */
    for (enum page_type other = PAGE_L1; other <= PAGE_WRITABLE; other++) {
        if (other != type) {
            ck_assert_int_eq(page_type_get(page, other), -XEN_EINVAL);
        }
    }
    ck_assert(!page_is(page, type));
    spins++;
}

START_TEST(while_a_table_changes_it_is_nothing_else_and_not_in_use_yet)
{
    while_working = others_are_refused;
    ck_assert_int_eq(page_type_get(page, PAGE_L2), 0);
    while_working = others_are_refused;
    page_type_put(page);
    ck_assert_uint_eq(spins, 2);
    expect(PAGE_L2, PAGE_FREE, 0, 1);
}
END_TEST

/* ---- no guest can cause these --------------------------------------------------------------- */

START_TEST(putting_a_free_frame_is_fatal)
{
    fake_answers.panic_expected = true;
    page_type_put(page);
}
END_TEST

START_TEST(putting_one_use_too_many_is_fatal)
{
    ck_assert_int_eq(page_writable_get(page), 0);
    page_type_put(page);
    fake_answers.panic_expected = true;
    (void)!page_type_put_preemptible(page);
}
END_TEST

START_TEST(an_unforeseen_preemption_is_fatal)
{
    ck_assert_int_eq(page_type_get(page, PAGE_L1), 0);
    budget = 1;
    fake_answers.panic_expected = true;
    page_type_put(page);
}
END_TEST

/* ---- several CPUs --------------------------------------------------------------------------- */

/*
 * first() on a frame with this use, again and again, the other CPU doing second()
 * before its first, second, ... atomic operation; check() after each.
 */
static void explore(uint64_t use, void (*first)(void), void (*second)(void), void (*check)(void))
{
    when = 0;
    do {
        page->use = use;
        page->refs = page_ref_owner_bits(domain->id) | PAGE_REF_ALLOCATED |
                     (page_use_state(use) == PAGE_PARTIAL ? 2 : 1);
        for (unsigned int i = 0; i < ENTRIES; i++) {
            held[i] = i < page_use_cursor(use);
        }
        steps = 0;
        when++;
        other_cpu = second;
        first();
        check();
    } while (other_cpu == NULL);
    other_cpu = NULL;
    ck_assert_uint_gt(when, 2);
}

static int first_result, second_result;

static void first_finishes(void)
{
    first_result = page_type_finish(page);
}

static void second_finishes(void)
{
    second_result = page_type_finish(page);
}

static void taken_apart_once(void)
{
    ck_assert_int_eq(first_result, 0);
    ck_assert_int_eq(second_result, 0);
    expect(PAGE_L2, PAGE_FREE, 0, 1);
    ck_assert_uint_eq(held_count(), 0);
}

START_TEST(of_two_that_finish_a_table_one_does)
{
    explore(page_use_make(PAGE_L2, PAGE_PARTIAL, 9, 0), first_finishes, second_finishes,
            taken_apart_once);
}
END_TEST

/* As a table, unless that is to wait. */
static void second_gets(void)
{
    second_result =
        page_use_state(page->use) == PAGE_BUSY ? -XEN_EINVAL : page_type_get(page, PAGE_L2);
}

static void whole_or_not_at_all(void)
{
    ck_assert_int_eq(first_result, 0);
    if (other_cpu == NULL && second_result == 0) {
        expect(PAGE_L2, PAGE_IN_USE, 1, 1);
        ck_assert_uint_eq(held_count(), ENTRIES);
    } else {
        expect(PAGE_L2, PAGE_FREE, 0, 1);
        ck_assert_uint_eq(held_count(), 0);
    }
}

START_TEST(a_table_is_finished_or_used)
{
    explore(page_use_make(PAGE_L2, PAGE_PARTIAL, 9, 0), first_finishes, second_gets,
            whole_or_not_at_all);
}
END_TEST

static void first_puts(void)
{
    first_result = page_type_put_preemptible(page);
}

START_TEST(a_table_is_let_go_by_one_and_used_by_the_other)
{
    explore(page_use_make(PAGE_L2, PAGE_IN_USE, ENTRIES, 1), first_puts, second_gets,
            whole_or_not_at_all);
}
END_TEST

static void first_writes(void)
{
    first_result = page_writable_get(page);
}

static void second_writes(void)
{
    second_result = page_writable_get(page);
}

static void both_write(void)
{
    ck_assert_int_eq(first_result, 0);
    ck_assert_int_eq(second_result, 0);
    expect(PAGE_WRITABLE, PAGE_IN_USE, other_cpu == NULL ? 2 : 1, 1);
}

static void first_gets(void)
{
    first_result = page_type_get(page, PAGE_L2);
}

static void one_has_it(void)
{
    bool both_ran = other_cpu == NULL;

    ck_assert(first_result == 0 || (both_ran && second_result == 0));
    ck_assert(first_result != 0 || !both_ran || second_result != 0);
    expect(page_use_type(page->use), PAGE_IN_USE, 1, 1);
    ck_assert_uint_eq(held_count(), page_is(page, PAGE_L2) ? ENTRIES : 0);
}

START_TEST(a_frame_written_before_is_had_by_all_writers_or_as_a_table)
{
    second_result = 0;
    explore(page_use_make(PAGE_WRITABLE, PAGE_FREE, 0, 0), first_writes, second_writes, both_write);
    explore(page_use_make(PAGE_WRITABLE, PAGE_FREE, 0, 0), first_writes, second_gets, one_has_it);
    explore(page_use_make(PAGE_WRITABLE, PAGE_FREE, 0, 0), first_gets, second_writes, one_has_it);
}
END_TEST

#define THREADS 4u
#define ROUNDS  20000u

static _Atomic unsigned int users[PAGE_WRITABLE + 1];
static _Atomic unsigned int successes, failures;
static pthread_barrier_t barrier;

static void use_it(enum page_type type)
{
    atomic_fetch_add(&users[type], 1);
    for (enum page_type other = PAGE_L1; other <= PAGE_WRITABLE; other++) {
        if (other != type && atomic_load(&users[other]) != 0) {
            abort();
        }
    }
    if (!page_is(page, type) || held_count() != (type == PAGE_WRITABLE ? 0 : ENTRIES)) {
        abort();
    }
    atomic_fetch_sub(&users[type], 1);
}

static void *take_turns(void *argument)
{
    unsigned int seed = (unsigned int)(uintptr_t)argument;

    pthread_barrier_wait(&barrier);
    for (unsigned int i = 0; i < ROUNDS; i++) {
        enum page_type type = rand_r(&seed) % 3 == 0 ? PAGE_L1 : PAGE_WRITABLE;
        int error;

        if (rand_r(&seed) % 8 == 0) {
            type = PAGE_L2;
        }
        if (rand_r(&seed) % 4 == 0) {
            budget = (unsigned int)rand_r(&seed) % 600;
        }
        error = page_type_get(page, type);
        if (error == 0) {
            atomic_fetch_add(&successes, 1);
            use_it(type);
            (void)!page_type_put_preemptible(page);
        } else {
            atomic_fetch_add(&failures, 1);
        }
        if (rand_r(&seed) % 16 == 0) {
            (void)!page_type_finish(page);
        }
        if ((i & 15) == 0) {
            sched_yield();
        }
    }
    return NULL;
}

START_TEST(on_several_cpus_a_frame_is_one_thing_at_a_time)
{
    pthread_t threads[THREADS];

    spins = 0;
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (uintptr_t i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_turns, (void *)(i + 1)), 0);
    }
    for (unsigned int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_barrier_destroy(&barrier);
    budget = NEVER;
    ck_assert_int_eq(page_type_finish(page), 0);
    ck_assert_uint_gt(successes, 1000);
    ck_assert_uint_gt(failures, 0);
    ck_assert_uint_eq(held_count(), 0);
    ck_assert_uint_eq(holds, releases);
    expect(page_use_type(page->use), PAGE_FREE, 0, 1);
    ck_assert_uint_eq(fake.pages_released, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("page_type");
    TCase *table = suite_case(suite, "table"), *driver = suite_case(suite, "driver");
    TCase *flush = suite_case(suite, "flush"), *several = suite_case(suite, "several CPUs");

    tcase_add_checked_fixture(table, setup, teardown);
    tcase_add_test(table, tables_of_pages_and_of_segments_have_entries);
    tcase_add_test(table, a_free_frame_becomes_whatever_is_wanted);
    tcase_add_test(table, one_that_is_busy_is_waited_for_only_by_those_who_want_the_same);
    tcase_add_test(table, a_partial_table_goes_up_for_the_same_type_and_down_for_another);
    tcase_add_test(table, one_in_use_counts_up_to_the_limit_and_only_as_what_it_is);
    tcase_add_test(table, a_use_ends_by_counting_and_the_last_by_what_the_type_needs);
    tcase_add_test(table, what_is_not_in_use_cannot_be_put);
    tcase_add_test(table, the_parts_of_the_word_do_not_touch_each_other);

    tcase_add_checked_fixture(driver, setup, teardown);
    tcase_add_test(driver, a_table_is_validated_whole_and_invalidated_whole);
    tcase_add_test(driver, a_frame_in_use_is_refused_as_anything_else);
    tcase_add_test(driver, writable_uses_are_counted_up_to_the_limit);
    tcase_add_test(driver, validation_and_invalidation_may_be_preempted_at_every_entry);
    tcase_add_test(driver, preempted_at_once_nothing_is_lost);
    tcase_add_test(driver, a_refused_entry_gives_back_those_before_it);
    tcase_add_test(driver, a_refused_entry_and_a_preemption_of_its_undoing_leave_the_frame_partial);
    tcase_add_test(driver, a_partial_table_is_brought_down_when_it_is_wanted_as_another);
    tcase_add_test(driver, a_partial_table_is_brought_down_for_a_writable_use_but_not_under_a_lock);
    tcase_add_test(driver, a_partial_table_can_change_its_direction_any_number_of_times);
    tcase_add_test(driver, finishing_what_is_not_partial_does_nothing);
    tcase_add_test(driver, a_partial_frame_keeps_the_last_reference_until_it_is_finished);
    tcase_add_test(driver, who_wants_the_same_waits_and_takes_what_comes);
    tcase_add_test(driver, who_waits_for_a_page_table_leaves_for_what_is_due);
    tcase_add_test(driver, invalidation_waits_for_who_writes_an_entry);
    tcase_add_test(driver, while_a_table_changes_it_is_nothing_else_and_not_in_use_yet);
    tcase_add_exit_test(driver, putting_a_free_frame_is_fatal, 99);
    tcase_add_exit_test(driver, putting_one_use_too_many_is_fatal, 99);
    tcase_add_exit_test(driver, an_unforeseen_preemption_is_fatal, 99);

    tcase_add_checked_fixture(flush, setup, teardown);
    tcase_add_test(flush, a_change_of_type_flushes_what_is_left_of_the_old_one);
    tcase_add_test(flush, the_hot_way_to_a_writable_use_flushes_what_the_other_does);
    tcase_add_test(flush, a_frame_others_have_mapped_is_flushed_on_all_cpus);
    tcase_add_test(flush, a_frame_that_had_no_type_needs_no_flush);
    tcase_add_test(flush, a_partial_table_that_becomes_another_is_flushed_in_between);
    tcase_add_test(flush, the_stamp_is_taken_when_nobody_can_use_the_frame_any_more);
    tcase_add_test(flush, a_use_that_is_not_the_last_leaves_the_stamp);

    tcase_add_checked_fixture(several, setup, teardown);
    tcase_set_timeout(several, 60);
    tcase_add_test(several, of_two_that_finish_a_table_one_does);
    tcase_add_test(several, a_table_is_finished_or_used);
    tcase_add_test(several, a_table_is_let_go_by_one_and_used_by_the_other);
    tcase_add_test(several, a_frame_written_before_is_had_by_all_writers_or_as_a_table);
    tcase_add_test(several, on_several_cpus_a_frame_is_one_thing_at_a_time);
    return suite_run(suite);
}
