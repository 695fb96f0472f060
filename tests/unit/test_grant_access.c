/* SPDX-License-Identifier: MIT */
/*
 * The handshake over one entry: what may be used, how it is marked, and what a
 * granter that changes it meanwhile can reach.  Most run with both versions.
 */
#include <check.h>
#include <pthread.h>

#include "hypervisor/mm/page_type.h"
#include "tests/fake/fake.h"
#include "tests/unit/grant_rig.h"
#include "tests/unit/suite.h"

#define LOOP_VERSION ((uint32_t)_i + 1)

static struct grant_table *table;

static void setup(void)
{
    rig_start();
    table = granter->grants;
}

static void teardown(void)
{
    rig_end();
}

static int pin(grant_ref_t ref, unsigned int wanted)
{
    struct rig_extent extent;

    return rig_pin(MAPPER, ref, wanted, &extent);
}

/* The ABI's rules once more, in other words. */
static bool allowed(uint32_t version, uint32_t flags, domid_t user, unsigned int wanted)
{
    if ((flags & 3) != 1 || user != MAPPER || ((wanted & GRANT_WRITE) != 0 && (flags & 4) != 0)) {
        return false;
    }
    return (flags & 0x100) == 0 || (version == 2 && (wanted & GRANT_WHOLE) == 0);
}

/* Millions of these: the library's assertions are too slow for them. */
static bool flags_decide(uint32_t version, uint32_t flags, domid_t user, unsigned int wanted)
{
    uint32_t marks = (wanted & GRANT_WRITE) != 0 ? 0x18 : 0x8;
    bool allow = allowed(version, flags, user, wanted);
    uint32_t after = allow && version == 1 ? flags & ~marks : flags;
    bool good;

    rig_grant(9, flags, user, 5);
    good = pin(9, wanted) == (allow ? 0 : GNTST_general_error) && rig_users(9) == allow;
    if (good && allow) {
        good = (rig_marks(9) & marks) == marks;
        rig_unpin(9, wanted);
    }
    return good && rig_flags(9) == after && rig_users(9) == 0 &&
           (version == 1 || rig_marks(9) == 0);
}

START_TEST(an_entry_permits_exactly_what_its_flags_say)
{
    static const domid_t others[] = { GRANTER, 0, 0x7ff0, 0xffff };

    rig_use_version(granter, LOOP_VERSION);
    for (uint32_t flags = 0; flags <= 0xffff; flags++) {
        for (unsigned int wanted = 0; wanted < 4; wanted++) {
            domid_t other = others[flags % ARRAY_SIZE(others)];

            if (!flags_decide(LOOP_VERSION, flags, MAPPER, wanted) ||
                !flags_decide(LOOP_VERSION, flags, other, wanted)) {
                ck_abort_msg("flags %x wanted %u", flags, wanted);
            }
        }
    }
}
END_TEST

START_TEST(marks_go_with_the_last_user_of_their_kind)
{
    rig_use_version(granter, LOOP_VERSION);
    rig_grant(9, GTF_permit_access, MAPPER, 5);

    ck_assert_int_eq(pin(9, GRANT_READ), 0);
    ck_assert_uint_eq(rig_marks(9), GTF_reading);
    ck_assert_int_eq(pin(9, GRANT_WRITE), 0);
    ck_assert_int_eq(pin(9, GRANT_WRITE | GRANT_WHOLE), 0);
    ck_assert_uint_eq(rig_marks(9), GTF_reading | GTF_writing);
    rig_unpin(9, GRANT_WRITE);
    ck_assert_uint_eq(rig_marks(9), GTF_reading | GTF_writing);
    rig_unpin(9, GRANT_WRITE | GRANT_WHOLE);
    ck_assert_uint_eq(rig_marks(9), GTF_reading);
    ck_assert_uint_eq(rig_users(9), 1);
    rig_unpin(9, GRANT_READ);
    ck_assert_uint_eq(rig_marks(9), 0);
    ck_assert_uint_eq(rig_users(9), 0);
}
END_TEST

START_TEST(an_entry_in_use_is_what_it_was_whatever_the_granter_writes)
{
    struct rig_extent extent;

    rig_use_version(granter, LOOP_VERSION);
    rig_grant(9, GTF_permit_access, MAPPER, 5);
    ck_assert_int_eq(pin(9, GRANT_READ), 0);

    rig_grant(9, GTF_permit_access, MAPPER, 6);
    ck_assert_int_eq(rig_pin(MAPPER, 9, GRANT_WRITE, &extent), 0);
    ck_assert_uint_eq(extent.frame.number, 5);
    rig_grant(9, GTF_permit_access, 0, 6);
    ck_assert_int_eq(rig_pin(0, 9, GRANT_READ, &extent), GNTST_general_error);
    rig_grant(9, GTF_invalid, 0, 0);
    ck_assert_int_eq(rig_pin(MAPPER, 9, GRANT_WRITE, &extent), 0);
    ck_assert_uint_eq(extent.frame.number, 5);
    ck_assert_uint_eq(grant_pinned_frame(table, 9).number, 5);

    for (unsigned int i = 0; i < 2; i++) {
        rig_unpin(9, GRANT_WRITE);
    }
    rig_unpin(9, GRANT_READ);
    ck_assert_int_eq(pin(9, GRANT_READ), GNTST_general_error);
}
END_TEST

START_TEST(who_begins_to_write_must_be_permitted_now)
{
    rig_use_version(granter, LOOP_VERSION);
    rig_grant(9, GTF_permit_access, MAPPER, 5);
    ck_assert_int_eq(pin(9, GRANT_READ), 0);
    rig_grant(9, GTF_permit_access | GTF_readonly | GTF_reading, MAPPER, 5);
    ck_assert_int_eq(pin(9, GRANT_WRITE), GNTST_general_error);
    ck_assert_int_eq(pin(9, GRANT_READ), 0);
    ck_assert_uint_eq(rig_marks(9), GTF_reading);
    ck_assert_uint_eq(rig_users(9), 2);
    rig_unpin(9, GRANT_READ);
    rig_unpin(9, GRANT_READ);
    ck_assert_uint_eq(rig_marks(9), 0);
}
END_TEST

START_TEST(who_reads_what_is_read_already_asks_nobody)
{
    rig_use_version(granter, LOOP_VERSION);
    rig_grant(9, GTF_permit_access, MAPPER, 5);
    ck_assert_int_eq(pin(9, GRANT_READ), 0);
    rig_grant(9, GTF_invalid, 0, 0);
    ck_assert_int_eq(pin(9, GRANT_READ), 0);
    ck_assert_int_eq(pin(9, GRANT_WRITE), GNTST_general_error);
    rig_unpin(9, GRANT_READ);
    rig_unpin(9, GRANT_READ);
}
END_TEST

START_TEST(users_are_counted_up_to_the_limit_and_no_further)
{
    unsigned int failed = 0;

    rig_use_version(granter, LOOP_VERSION);
    rig_grant(9, GTF_permit_access, MAPPER, 5);
    for (uint32_t i = 0; i < GRANT_USERS; i++) {
        failed += pin(9, GRANT_WRITE) != 0;
    }
    ck_assert_int_eq(pin(9, GRANT_WRITE), GNTST_general_error);
    ck_assert_int_eq(pin(9, GRANT_READ), GNTST_general_error);
    ck_assert_uint_eq(rig_users(9), GRANT_USERS);
    for (uint32_t i = 0; i < GRANT_USERS; i++) {
        failed += rig_marks(9) != (GTF_reading | GTF_writing);
        rig_unpin(9, GRANT_WRITE);
    }
    ck_assert_uint_eq(failed, 0);
    ck_assert_uint_eq(rig_marks(9), 0);
    ck_assert_uint_eq(grant_active_of(table, 9)->use, 0);
}
END_TEST

START_TEST(references_beyond_the_table_are_refused)
{
    static const grant_ref_t beyond[] = { 512, 513, 1024, 65536, 0x7fffffff, 0xffffffff };

    rig_use_version(granter, LOOP_VERSION);
    for (unsigned int i = 0; i < ARRAY_SIZE(beyond); i++) {
        ck_assert_int_eq(pin(beyond[i], GRANT_READ), GNTST_bad_gntref);
    }
    if (LOOP_VERSION == 1) {
        rig_grant(511, GTF_permit_access, MAPPER, 5);
        ck_assert_int_eq(pin(511, GRANT_READ), 0);
        rig_unpin(511, GRANT_READ);
    } else {
        ck_assert_int_eq(pin(256, GRANT_READ), GNTST_bad_gntref);
        ck_assert_int_eq(pin(511, GRANT_READ), GNTST_bad_gntref);
        rig_grant(255, GTF_permit_access, MAPPER, 5);
        ck_assert_int_eq(pin(255, GRANT_READ), 0);
        rig_unpin(255, GRANT_READ);
    }
}
END_TEST

START_TEST(a_part_of_a_page_has_the_bounds_the_granter_wrote_within_the_page)
{
    static const uint16_t values[] = { 0, 1, 100, 4095, 4096, 4097, 0x7fff, 0x8000, 0xffff };

    rig_use_version(granter, 2);
    for (unsigned int i = 0; i < ARRAY_SIZE(values); i++) {
        for (unsigned int j = 0; j < ARRAY_SIZE(values); j++) {
            uint32_t end = (uint32_t)values[i] + values[j];
            struct rig_extent extent;

            rig_grant_part(9, GTF_permit_access | GTF_sub_page, MAPPER, 5,
                           values[i] | (uint32_t)values[j] << 16);
            ck_assert_int_eq(rig_pin(MAPPER, 9, GRANT_READ, &extent), 0);
            ck_assert_uint_eq(extent.start, values[i]);
            ck_assert_uint_eq(extent.end, end < 4096 ? end : 4096);
            ck_assert_int_eq(pin(9, GRANT_READ | GRANT_WHOLE), GNTST_general_error);
            ck_assert_int_eq(pin(9, GRANT_READ), 0);
            rig_unpin(9, GRANT_READ);
            /* Nor after the granter made it a whole page meanwhile. */
            rig_grant(9, GTF_permit_access, MAPPER, 5);
            ck_assert_int_eq(pin(9, GRANT_READ | GRANT_WHOLE), GNTST_general_error);
            rig_unpin(9, GRANT_READ);
        }
    }
}
END_TEST

START_TEST(a_whole_page_has_no_bounds_whatever_the_granter_wrote)
{
    struct rig_extent extent;

    rig_use_version(granter, 2);
    rig_grant_part(9, GTF_permit_access, MAPPER, 5, 100 | 200u << 16);
    ck_assert_int_eq(rig_pin(MAPPER, 9, GRANT_WRITE | GRANT_WHOLE, &extent), 0);
    ck_assert_uint_eq(extent.start, 0);
    ck_assert_uint_eq(extent.end, PAGE_SIZE);
    rig_unpin(9, GRANT_WRITE | GRANT_WHOLE);
}
END_TEST

START_TEST(frame_numbers_of_64_bits_do_not_wrap)
{
    uint64_t good = rig_frame(rig_page(granter));
    const uint64_t frames[] = { 1ULL << 32 | good, UINT32_MAX, 1ULL << 40 | good, UINT64_MAX };
    struct rig_extent extent;

    rig_use_version(granter, 2);
    for (unsigned int i = 0; i < ARRAY_SIZE(frames); i++) {
        rig_grant(9, GTF_permit_access, MAPPER, frames[i]);
        ck_assert_int_eq(rig_pin(MAPPER, 9, GRANT_READ, &extent), 0);
        ck_assert_int_eq(frame_hold(extent.frame, GRANTER, false), GNTST_bad_page);
        rig_unpin(9, GRANT_READ);
    }
}
END_TEST

START_TEST(only_ordinary_memory_of_the_granter_can_be_held)
{
    struct page *page = rig_page(granter), *others = rig_page(control), *l4 = rig_page(granter);
    struct page before = *page;
    mfn_t shared = direct_map_frame(table->shared[0]);

    ck_assert_int_eq(page_type_get(l4, PAGE_L4), 0);
    ck_assert_int_eq(frame_hold(page_frame(page), GRANTER, true), 0);
    ck_assert_uint_eq(fake_page_refs(page), 2);
    ck_assert_uint_eq(fake_page_uses(page), 1);
    ck_assert_int_eq(frame_hold(page_frame(page), GRANTER, false), 0);
    ck_assert_uint_eq(fake_page_uses(page), 1);
    frame_let_go(page_frame(page), false);
    frame_let_go(page_frame(page), true);
    ck_assert_uint_eq(page->refs, before.refs);
    ck_assert_uint_eq(fake_page_uses(page), 0);

    ck_assert_int_eq(frame_hold(page_frame(others), GRANTER, false), GNTST_bad_page);
    ck_assert_int_eq(frame_hold(shared, GRANTER, false), GNTST_bad_page);
    ck_assert_int_eq(frame_hold(shared, GRANTER, true), GNTST_bad_page);
    ck_assert_int_eq(frame_hold(mfn(FAKE_FRAMES), GRANTER, false), GNTST_bad_page);
    ck_assert_int_eq(frame_hold(mfn(UINT64_MAX), GRANTER, false), GNTST_bad_page);
    ck_assert_int_eq(frame_hold(page_frame(l4), GRANTER, true), GNTST_general_error);
    ck_assert_uint_eq(fake_page_refs(page_of(shared)), 1);
    ck_assert_uint_eq(fake_page_refs(others), 1);
    ck_assert_uint_eq(fake_page_refs(l4), 1);
    ck_assert_uint_eq(fake_page_uses(l4), 1);
    ck_assert_int_eq(frame_hold(page_frame(l4), GRANTER, false), 0);
    frame_let_go(page_frame(l4), false);

    page = rig_page(granter);
    fake_answers.page_type_result = -XEN_ERESTART;
    ck_assert_int_eq(frame_hold(page_frame(page), GRANTER, true), GRANT_AGAIN);
    ck_assert_uint_eq(page->refs, before.refs);
    fake_answers.page_type_result = 0;

    page->refs = (page->refs & ~PAGE_REF_COUNT) | (PAGE_REF_LIMIT + 1);
    ck_assert_int_eq(frame_hold(page_frame(page), GRANTER, false), GNTST_bad_page);
}
END_TEST

/* ---- a granter on another CPU ------------------------------------------------------------------
 */

#define ROUNDS 500000

static _Atomic bool stop;
static _Atomic uint32_t inside; /* users between pin and unpin */
static _Atomic bool broken;
static _Atomic uint32_t taken_back;

/* Rewrites the frame all the time, two values in turn. */
static void *scribble(void *unused)
{
    (void)unused;
    for (uint64_t i = 0; !stop; i++) {
        rig_grant(9, GTF_permit_access | (i % 3 == 0 ? GTF_reading : 0), MAPPER, 5 + i % 2);
    }
    return NULL;
}

START_TEST(a_granter_that_scribbles_cannot_hold_us_up_or_mix_two_entries)
{
    unsigned int worked = 0, wrong = 0;
    struct rig_extent extent;
    pthread_t thread;

    rig_use_version(granter, LOOP_VERSION);
    rig_grant(9, GTF_permit_access, MAPPER, 5);
    ck_assert_int_eq(pthread_create(&thread, NULL, scribble, NULL), 0);
    for (unsigned int i = 0; i < ROUNDS || worked == 0; i++) {
        int status = rig_pin(MAPPER, 9, i % 2 == 0 ? GRANT_READ : GRANT_WRITE, &extent);

        wrong += status != 0 && status != GNTST_general_error;
        if (status == 0) {
            worked++;
            wrong += extent.frame.number != 5 && extent.frame.number != 6;
            wrong += !mfn_equal(grant_pinned_frame(table, 9), extent.frame);
            rig_unpin(9, i % 2 == 0 ? GRANT_READ : GRANT_WRITE);
        }
    }
    stop = true;
    pthread_join(thread, NULL);
    ck_assert_uint_eq(wrong, 0);
    ck_assert_uint_eq(grant_active_of(table, 9)->use, 0);
}
END_TEST

/* Takes its grant back by the book, again and again: then nobody may be inside. */
static void *revoke(void *unused)
{
    const uint64_t open_word = GTF_permit_access | (uint64_t)MAPPER << 16 | UINT64_C(5) << 32;
    bool v1 = table->version == 1;

    (void)unused;
    while (!stop) {
        uint64_t expected = open_word;
        bool mine;

        if (v1) {
            mine = atomic_compare_swap(grant_v1_word(table, 9), &expected, UINT64_C(0));
        } else {
            write_once(grant_v2_entry(table, 9)->hdr.flags, 0);
            memory_barrier();
            mine = read_once(*grant_v2_status(table, 9)) == 0;
        }
        taken_back += mine;
        if (mine && inside != 0) {
            broken = true;
        }
        if (v1 && mine) {
            store_release(grant_v1_word(table, 9), open_word);
        } else if (!v1) {
            write_once(grant_v2_entry(table, 9)->hdr.flags, GTF_permit_access);
        }
        for (unsigned int wait = taken_back % 64; wait > 0; wait--) {
            __asm__ volatile("pause");
        }
    }
    return NULL;
}

START_TEST(a_grant_that_was_taken_back_is_not_in_use)
{
    unsigned int worked = 0;
    pthread_t thread;

    rig_use_version(granter, LOOP_VERSION);
    rig_grant(9, GTF_permit_access, MAPPER, 5);
    ck_assert_int_eq(pthread_create(&thread, NULL, revoke, NULL), 0);
    while (worked < ROUNDS / 10 || taken_back < ROUNDS / 10) {
        if (pin(9, GRANT_WRITE) == 0) {
            inside++;
            worked++;
            inside--;
            rig_unpin(9, GRANT_WRITE);
        }
    }
    stop = true;
    pthread_join(thread, NULL);
    ck_assert(!broken);
    ck_assert_uint_eq(rig_marks(9), 0);
}
END_TEST

static void *use_often(void *seed)
{
    uintptr_t state = (uintptr_t)seed;

    for (unsigned int i = 0; i < ROUNDS / 4; i++) {
        unsigned int wanted = (unsigned int)(state >> 8) & GRANT_WRITE;
        grant_ref_t ref = (state >> 12) % 4 + 2; /* reserved entries, which survive */

        state = state * 6364136223846793005u + 1442695040888963407u;
        if (pin(ref, wanted) == 0) {
            inside++;
            inside--;
            rig_unpin(ref, wanted);
        }
    }
    return NULL;
}

START_TEST(the_version_can_change_under_users_of_reserved_entries)
{
    struct gnttab_set_version op;
    unsigned int changes = 0;
    pthread_t threads[2];

    for (grant_ref_t ref = 2; ref < 6; ref++) {
        rig_grant(ref, GTF_permit_access, MAPPER, 5);
    }
    for (uintptr_t i = 0; i < ARRAY_SIZE(threads); i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, use_often, (void *)(i + 1)), 0);
    }
    fake_set_current(granter->vcpu[0]);
    for (unsigned int i = 0; i < 400; i++) {
        op.version = 2 - i % 2;
        ck_assert_int_eq(rig_op(GNTTABOP_set_version, &op, 1), 0);
        changes++;
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_uint_eq(changes, 400);
    for (grant_ref_t ref = 2; ref < 6; ref++) {
        ck_assert_uint_eq(rig_flags(ref), GTF_permit_access);
        ck_assert_uint_eq(rig_marks(ref), 0);
        ck_assert_uint_eq(grant_active_of(table, ref)->use, 0);
    }
    fake_set_current(mapper->vcpu[0]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("grant access");
    TCase *both = suite_case(suite, "both versions"), *one = suite_case(suite, "one version");

    tcase_add_checked_fixture(both, setup, teardown);
    tcase_add_checked_fixture(one, setup, teardown);
    tcase_set_timeout(both, 60);
    tcase_set_timeout(one, 60);
    tcase_add_loop_test(both, an_entry_permits_exactly_what_its_flags_say, 0, 2);
    tcase_add_loop_test(both, marks_go_with_the_last_user_of_their_kind, 0, 2);
    tcase_add_loop_test(both, an_entry_in_use_is_what_it_was_whatever_the_granter_writes, 0, 2);
    tcase_add_loop_test(both, who_begins_to_write_must_be_permitted_now, 0, 2);
    tcase_add_loop_test(both, who_reads_what_is_read_already_asks_nobody, 0, 2);
    tcase_add_loop_test(both, users_are_counted_up_to_the_limit_and_no_further, 0, 2);
    tcase_add_loop_test(both, references_beyond_the_table_are_refused, 0, 2);
    tcase_add_loop_test(both, a_granter_that_scribbles_cannot_hold_us_up_or_mix_two_entries, 0, 2);
    tcase_add_loop_test(both, a_grant_that_was_taken_back_is_not_in_use, 0, 2);
    tcase_add_test(one, a_part_of_a_page_has_the_bounds_the_granter_wrote_within_the_page);
    tcase_add_test(one, a_whole_page_has_no_bounds_whatever_the_granter_wrote);
    tcase_add_test(one, frame_numbers_of_64_bits_do_not_wrap);
    tcase_add_test(one, only_ordinary_memory_of_the_granter_can_be_held);
    tcase_add_test(one, the_version_can_change_under_users_of_reserved_entries);
    return suite_run(suite);
}
