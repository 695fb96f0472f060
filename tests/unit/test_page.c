/* SPDX-License-Identifier: MIT */
/*
 * References to frames: owners, limits, the last one; frames lent to domains.
 */
#include <check.h>
#include <pthread.h>
#include <sched.h>

#include "hypervisor/mm/heap.h"
#include "hypervisor/mm/page.h"
#include "hypervisor/mm/page_type.h"
#include "tests/fake/fake.h"
#include "tests/unit/require.h"
#include "tests/unit/suite.h"

static struct domain *domain;
static struct page *page;
static _Atomic unsigned int gone, freed;
static struct page *last_gone, *last_freed;
static domid_t gone_from;

void domain_page_gone(domid_t owner, struct page *which)
{
    require((which->refs & PAGE_REF_COUNT) == 0);
    gone++;
    last_gone = which;
    gone_from = owner;
}

void heap_free_frames(struct page *first, unsigned int order)
{
    require(order == 0);
    require((first->refs & PAGE_REF_COUNT) == 0);
    require(first->use == 0);
    last_freed = first;
    freed++;
}

int page_entries_hold(struct page *table, enum page_type type, unsigned int *cursor)
{
    (void)table;
    (void)type;
    *cursor = 512;
    return 0;
}

int page_entries_release(struct page *table, enum page_type type, unsigned int *cursor)
{
    (void)table;
    (void)type;
    *cursor = 0;
    return 0;
}

void spin_wait(void)
{
    sched_yield();
}

static void setup(void)
{
    fake_reset();
    frame_limit = FAKE_FRAMES;
    gone = 0;
    freed = 0;
    domain = fake_domain_new(5, 1, false);
    page = fake_page_new(domain);
}

static void teardown(void)
{
    fake_domain_free(domain);
}

static uint64_t count(void)
{
    return page->refs & PAGE_REF_COUNT;
}

START_TEST(a_frame_and_its_entry_turn_into_each_other)
{
    for (uint64_t n = 0; n < FAKE_FRAMES; n++) {
        require(page_frame(page_of(mfn(n))).number == n);
        require(frame_valid(mfn(n)));
        require(page_address(page_of(mfn(n))) == direct_map_mfn(mfn(n)));
    }
    ck_assert(!frame_valid(mfn(FAKE_FRAMES)));
    ck_assert(!frame_valid(MFN_INVALID));
}
END_TEST

START_TEST(a_reference_is_had_by_the_owner_s_name_only)
{
    static const domid_t others[] = { 0, 4, 6, 0x105, DOMID_IO, DOMID_XEN, OWNER_CORE, OWNER_NONE };

    ck_assert_uint_eq(page_owner(page), 5);
    for (unsigned int i = 0; i < ARRAY_SIZE(others); i++) {
        ck_assert(!page_get(page, others[i]));
        ck_assert(!frame_get(page_frame(page), others[i]));
    }
    ck_assert_uint_eq(count(), 1);
    ck_assert(page_get(page, 5));
    ck_assert(frame_get(page_frame(page), 5));
    ck_assert_uint_eq(count(), 3);
    ck_assert_uint_eq(page->refs & ~PAGE_REF_COUNT, page_ref_owner_bits(5) | PAGE_REF_ALLOCATED);
    page_put(page);
    page_put(page);
    ck_assert_uint_eq(count(), 1);
    ck_assert_uint_eq(freed, 0);
    ck_assert(!frame_get(mfn(FAKE_FRAMES), 5));
    ck_assert(!frame_get(MFN_INVALID, 5));
}
END_TEST

START_TEST(the_owner_is_found_beside_any_flag)
{
    static const domid_t owners[] = { 0, 1, 0x7fef, DOMID_IO, OWNER_CORE, OWNER_NONE };

    for (unsigned int i = 0; i < ARRAY_SIZE(owners); i++) {
        page->refs = page_ref_owner_bits(owners[i]) | PAGE_REF_ALLOCATED | PAGE_REF_CORE |
                     PAGE_REF_FREE | PAGE_REF_COUNT;
        ck_assert_uint_eq(page_owner(page), owners[i]);
    }
}
END_TEST

START_TEST(references_are_refused_at_the_limit_and_at_none)
{
    page->refs = page_ref_owner_bits(5) | (PAGE_REF_LIMIT - 1);
    ck_assert(page_get(page, 5));
    ck_assert(page_get(page, 5));
    ck_assert(!page_get(page, 5));
    ck_assert_uint_eq(count(), PAGE_REF_LIMIT + 1);
    page->refs = page_ref_owner_bits(5) | PAGE_REF_COUNT;
    ck_assert(!page_get(page, 5));
    page->refs = page_ref_owner_bits(5) | PAGE_REF_ALLOCATED;
    ck_assert(!page_get(page, 5));
    ck_assert_uint_eq(count(), 0);
}
END_TEST

START_TEST(the_last_reference_gives_the_frame_back)
{
    ck_assert(page_get(page, 5));
    page_put(page);
    ck_assert_uint_eq(freed, 0);
    ck_assert_uint_ne(m2p_table[page_frame(page).number], M2P_NONE);
    page->use = page_use_make(PAGE_WRITABLE, PAGE_FREE, 0, 0);
    page_put(page);
    ck_assert_uint_eq(freed, 1);
    ck_assert_ptr_eq(last_freed, page);
    ck_assert_uint_eq(gone, 1);
    ck_assert_ptr_eq(last_gone, page);
    ck_assert_uint_eq(gone_from, 5);
    ck_assert_uint_eq(m2p_table[page_frame(page).number], M2P_NONE);
    ck_assert(!page_get(page, 5));
}
END_TEST

START_TEST(a_frame_in_use_that_is_given_back_is_fatal)
{
    page->use = page_use_make(PAGE_WRITABLE, PAGE_IN_USE, 0, 1);
    fake_answers.panic_expected = true;
    page_put(page);
}
END_TEST

START_TEST(an_owner_lets_go_once)
{
    ck_assert(page_get(page, 5));
    ck_assert(page_disown(page));
    ck_assert_uint_eq(count(), 1);
    ck_assert_uint_eq(page->refs & PAGE_REF_ALLOCATED, 0);
    ck_assert_uint_eq(page_owner(page), 5);
    ck_assert(!page_disown(page));
    ck_assert_uint_eq(count(), 1);
    ck_assert_uint_eq(freed, 0);
    page_put(page);
    ck_assert_uint_eq(freed, 1);
}
END_TEST

START_TEST(an_owner_that_lets_go_last_frees_the_frame)
{
    ck_assert(page_disown(page));
    ck_assert_uint_eq(freed, 1);
    ck_assert_uint_eq(gone, 1);
}
END_TEST

static void make_core_frame(void)
{
    page->refs = page_ref_owner_bits(OWNER_CORE) | 1;
    page->use = 0;
}

START_TEST(a_lent_frame_is_mapped_as_it_was_lent)
{
    make_core_frame();
    page_lend(page, 5, true);
    ck_assert_uint_eq(page_owner(page), 5);
    ck_assert(page_get(page, 5));
    ck_assert_int_eq(page_writable_get(page), 0);
    ck_assert_int_eq(page_type_get(page, PAGE_L1), -XEN_EINVAL);
    page_writable_put(page);
    page_put(page);
    ck_assert(!page_disown(page));
    ck_assert(page_unlend(page));
    page_lend(page, DOMID_XEN, false);
    ck_assert(page_get(page, DOMID_XEN));
    ck_assert_int_eq(page_writable_get(page), -XEN_EINVAL);
    ck_assert_int_eq(page_type_get(page, PAGE_L4), -XEN_EINVAL);
    ck_assert_int_eq(page_type_get(page, PAGE_SEGMENTS), -XEN_EINVAL);
    page_put(page);
    ck_assert(page_unlend(page));
}
END_TEST

START_TEST(a_frame_taken_back_is_the_core_s_alone)
{
    make_core_frame();
    page_lend(page, 5, true);
    ck_assert(page_unlend(page));
    ck_assert_uint_eq(page->refs, page_ref_owner_bits(OWNER_CORE) | 1);
    ck_assert_uint_eq(page->use, 0);
    ck_assert(!page_get(page, 5));
    ck_assert_uint_eq(freed, 0);
}
END_TEST

START_TEST(a_frame_others_have_mapped_once_is_taken_back_as_any)
{
    make_core_frame();
    page_lend(page, 5, true);
    page_mark_foreign(page);
    ck_assert_uint_eq(page_owner(page), 5);
    ck_assert(page_get(page, 5));
    page_put(page);
    ck_assert(page_unlend(page));
    ck_assert_uint_eq(page->refs, page_ref_owner_bits(OWNER_CORE) | 1);
}
END_TEST

START_TEST(a_lent_frame_still_referred_to_is_freed_with_the_last_reference)
{
    make_core_frame();
    page_lend(page, 5, true);
    ck_assert(page_get(page, 5));
    ck_assert_int_eq(page_writable_get(page), 0);
    ck_assert(!page_unlend(page));
    ck_assert_uint_eq(freed, 0);
    ck_assert(!page_get(page, 5)); /* the next domain of that number is another */
    ck_assert_uint_eq(page->use & PAGE_USE_COUNT, 1);
    page_writable_put(page);
    page_put(page);
    ck_assert_uint_eq(freed, 1);
    ck_assert_uint_eq(gone, 0); /* it never was one of the domain's */
}
END_TEST

#define LISTED 5u

static struct page *listed[LISTED];

/* The list is what is left of `listed`, last first; and frame 0 is in no list. */
static void expect_list(uint32_t head)
{
    uint32_t before = 0;

    for (unsigned int i = LISTED; i-- > 0;) {
        if (listed[i] != NULL) {
            require(head == page_frame(listed[i]).number);
            require(listed[i]->prev == before);
            before = head;
            head = listed[i]->next;
        }
    }
    require(head == 0);
    require(page_of(mfn(0))->prev == 77);
}

START_TEST(frames_are_taken_out_of_a_list_anywhere)
{
    uint32_t head = 0;

    page_of(mfn(0))->prev = 77;
    ck_assert_ptr_null(page_list_pop(&head));
    for (unsigned int i = 0; i < LISTED; i++) {
        listed[i] = fake_page_new(domain);
        page_list_push(&head, listed[i]);
        expect_list(head);
    }
    for (unsigned int i = 0; i < LISTED - 1; i++) {
        unsigned int which = (2 + i * 3) % LISTED; /* the middle, the first, the last, ... */

        page_list_remove(&head, listed[which]);
        listed[which] = NULL;
        expect_list(head);
    }
    ck_assert_ptr_eq(page_list_pop(&head), page_of(mfn(page_frame(listed[4]).number)));
    ck_assert_ptr_null(page_list_pop(&head));
}
END_TEST

static _Atomic bool stop;

static void *refer(void *unused)
{
    (void)unused;
    while (!stop) {
        if (page_get(page, 5)) {
            if (page_writable_get(page) == 0) {
                page_writable_put(page);
            }
            page_put(page);
        }
    }
    return NULL;
}

START_TEST(a_reference_taken_while_a_frame_is_taken_back_is_seen)
{
    unsigned int back = 0, not_back = 0;
    pthread_t thread;

    stop = false;
    make_core_frame();
    ck_assert_int_eq(pthread_create(&thread, NULL, refer, NULL), 0);
    for (unsigned int i = 0; i < 300000; i++) {
        page_lend(page, 5, true);
        if (i % 8 == 0) {
            sched_yield();
        }
        if (page_unlend(page)) {
            back++;
            require(page->refs == (page_ref_owner_bits(OWNER_CORE) | 1));
        } else {
            not_back++;
            while (freed < not_back) {
                sched_yield();
            }
            make_core_frame();
        }
        require(freed == not_back);
    }
    stop = true;
    pthread_join(thread, NULL);
    ck_assert_uint_gt(back, 0);
    ck_assert_uint_eq(freed, not_back);
    ck_assert_uint_eq(gone, 0);
}
END_TEST

START_TEST(a_page_table_s_lock_is_one_s_alone)
{
    ck_assert(page_table_trylock(page));
    ck_assert(!page_table_trylock(page));
    page_table_unlock(page);
    page_table_lock(page);
    ck_assert(!page_table_trylock(page));
    page_table_unlock(page);
    ck_assert_uint_eq(page->lock, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("page");
    TCase *tcase = suite_case(suite, "references");

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_frame_and_its_entry_turn_into_each_other);
    tcase_add_test(tcase, a_reference_is_had_by_the_owner_s_name_only);
    tcase_add_test(tcase, the_owner_is_found_beside_any_flag);
    tcase_add_test(tcase, references_are_refused_at_the_limit_and_at_none);
    tcase_add_test(tcase, the_last_reference_gives_the_frame_back);
    tcase_add_exit_test(tcase, a_frame_in_use_that_is_given_back_is_fatal, 99);
    tcase_add_test(tcase, an_owner_lets_go_once);
    tcase_add_test(tcase, an_owner_that_lets_go_last_frees_the_frame);
    tcase_add_test(tcase, a_lent_frame_is_mapped_as_it_was_lent);
    tcase_add_test(tcase, a_frame_taken_back_is_the_core_s_alone);
    tcase_add_test(tcase, a_frame_others_have_mapped_once_is_taken_back_as_any);
    tcase_add_test(tcase, a_lent_frame_still_referred_to_is_freed_with_the_last_reference);
    tcase_add_test(tcase, frames_are_taken_out_of_a_list_anywhere);
    tcase_add_test(tcase, a_reference_taken_while_a_frame_is_taken_back_is_seen);
    tcase_add_test(tcase, a_page_table_s_lock_is_one_s_alone);
    return suite_run(suite);
}
