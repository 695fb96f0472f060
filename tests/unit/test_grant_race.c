/* SPDX-License-Identifier: MIT */
/*
 * Two CPUs at one grant, without threads: what the second one does is done before
 * the first, the second, ... atomic operation of the first one, in turn.  No
 * interleaving is left to luck.  What would wait for ever is not done there.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fake/fake.h"
#include "tests/unit/grant_rig.h"
#include "tests/unit/suite.h"

#define REF       9u /* not a reserved entry */
#define STEPS_MAX 2000u

static struct grant_table *table;
static struct page *page;
static uint64_t frame;

static void (*other)(void);   /* what the second CPU does */
static void (*waiting)(void); /* while the first one waits */
static unsigned int steps, when, waits;
static bool every_step, inside_other;

void race_step(void)
{
    if (other == NULL || inside_other) {
        return;
    }
    steps++;
    if (steps == when || every_step) {
        inside_other = true;
        other();
        inside_other = false;
    }
}

void spin_wait(void)
{
    waits++;
    if (waiting != NULL) {
        inside_other = true;
        waiting();
        inside_other = false;
    }
    /* A lost race is tried again at once; only who holds a lock can make one wait longer. */
    ck_assert_msg(waits < 3, "waits for ever");
}

static bool locked(grant_ref_t ref)
{
    return (grant_active_of(table, ref)->use & GRANT_LOCKED) != 0;
}

static void setup(void)
{
    rig_start();
    table = granter->grants;
    page = rig_page(granter);
    frame = rig_frame(page);
}

static void teardown(void)
{
    other = NULL;
    waiting = NULL;
    rig_end();
}

static int pin(unsigned int how)
{
    struct rig_extent extent;

    return rig_pin(MAPPER, REF, how, &extent);
}

/*
 * Run first() with second() before its n-th step, for each n, from a fresh grant
 * each time; check() after each.  Before all of that, without second().
 */
static void explore(void (*fresh)(void), void (*first)(void), void (*second)(void),
                    void (*check)(void))
{
    unsigned int limit = 1;

    for (unsigned int n = 0; n <= limit; n++) {
        ck_assert_uint_lt(n, STEPS_MAX);
        fresh();
        steps = 0;
        waits = 0;
        when = n;
        other = second;
        first();
        other = NULL;
        if (n == 0) {
            limit = steps;
            ck_assert_uint_gt(limit, 3);
        }
        check();
    }
}

/* ---- a user and the granter ---------------------------------------------------------------- */

static int result;
static bool granter_did_it;
static unsigned int wanted, held;
static uint64_t open_word;

static void fresh_grant(void)
{
    granter_did_it = false;
    rig_grant(REF, GTF_permit_access, MAPPER, frame);
    open_word = *grant_v1_word(table, REF);
    if (held != 0) {
        ck_assert_int_eq(pin(GRANT_READ), 0);
        open_word = *grant_v1_word(table, REF);
    }
}

static void first_pins(void)
{
    result = pin(wanted);
}

/* By the book: version 1 in one exchange, version 2 by taking away and then looking. */
static void granter_revokes(void)
{
    uint64_t expected = open_word;

    if (table->version == 1) {
        granter_did_it = atomic_compare_swap(grant_v1_word(table, REF), &expected, UINT64_C(0));
    } else {
        grant_v2_entry(table, REF)->hdr.flags = 0;
        granter_did_it = *grant_v2_status(table, REF) == 0;
    }
}

static void granter_makes_read_only(void)
{
    uint64_t expected = open_word;

    if (table->version == 1) {
        granter_did_it =
            atomic_compare_swap(grant_v1_word(table, REF), &expected, open_word | GTF_readonly);
    } else {
        grant_v2_entry(table, REF)->hdr.flags |= GTF_readonly;
        granter_did_it = (*grant_v2_status(table, REF) & GTF_writing) == 0;
    }
}

/* Only in version 1 is this one step. */
static void granter_gives_another_page_to_another(void)
{
    *grant_v1_word(table, REF) = GTF_permit_access | UINT64_C(0) << 16 | UINT64_C(7) << 32;
    granter_did_it = true;
}

static void undo_pins(void)
{
    if (result == 0) {
        rig_unpin(REF, wanted);
    }
    ck_assert_uint_eq(rig_users(REF), held);
    ck_assert_uint_eq(rig_marks(REF) & ~(held != 0 ? GTF_reading : 0u), 0);
    if (held != 0) {
        rig_unpin(REF, GRANT_READ);
    }
    ck_assert_uint_eq(rig_marks(REF), 0);
    ck_assert_uint_eq(grant_active_of(table, REF)->use, 0);
}

static void used_or_revoked(void)
{
    ck_assert(!(result == 0 && granter_did_it));
    ck_assert(result == 0 || result == GNTST_general_error);
    undo_pins();
}

static void reads_or_writable(void)
{
    if ((wanted & GRANT_WRITE) != 0) {
        ck_assert(!(result == 0 && granter_did_it));
    }
    undo_pins();
}

static void the_readers_mark_stays(void)
{
    ck_assert_uint_eq(rig_marks(REF) & GTF_reading, GTF_reading);
    undo_pins();
}

static void one_grant_or_the_other(void)
{
    if (result == 0) {
        ck_assert_uint_eq(grant_pinned_frame(table, REF).number, frame);
    }
    undo_pins();
}

START_TEST(a_grant_is_used_or_taken_back_but_not_both)
{
    rig_use_version(granter, (uint32_t)_i % 2 + 1);
    held = 0;
    wanted = _i / 2 == 0 ? GRANT_READ : GRANT_WRITE;
    explore(fresh_grant, first_pins, granter_revokes, used_or_revoked);
}
END_TEST

START_TEST(a_grant_is_written_or_made_read_only_but_not_both)
{
    rig_use_version(granter, (uint32_t)_i % 2 + 1);
    held = _i / 2 == 0 ? 0 : 1;
    wanted = GRANT_WRITE | GRANT_WHOLE;
    explore(fresh_grant, first_pins, granter_makes_read_only, reads_or_writable);
}
END_TEST

START_TEST(a_reader_keeps_its_mark_when_a_writer_is_refused)
{
    rig_use_version(granter, 2);
    held = 1;
    wanted = GRANT_WRITE;
    explore(fresh_grant, first_pins, granter_revokes, the_readers_mark_stays);
}
END_TEST

START_TEST(a_page_goes_to_the_domain_it_was_granted_to)
{
    held = 0;
    wanted = GRANT_READ;
    explore(fresh_grant, first_pins, granter_gives_another_page_to_another, one_grant_or_the_other);
}
END_TEST

static unsigned int scribbles;

static void granter_scribbles(void)
{
    *grant_v1_word(table, REF) ^= UINT64_C(1) << 32;
    scribbles++;
}

START_TEST(a_granter_that_is_always_faster_gets_an_error_soon)
{
    held = 0;
    fresh_grant();
    steps = 0;
    every_step = true;
    other = granter_scribbles;
    ck_assert_int_eq(pin(GRANT_WRITE), GNTST_general_error);
    other = NULL;
    ck_assert_uint_eq(scribbles, 6 + 4); /* steps before and behind, and four tries */
    ck_assert_uint_eq(grant_active_of(table, REF)->use, 0);
}
END_TEST

static void granter_sees_no_mark(void)
{
    ck_assert_uint_eq(rig_marks(REF), 0);
}

START_TEST(an_entry_that_permits_nothing_is_not_marked)
{
    rig_use_version(granter, (uint32_t)_i + 1);
    rig_grant(REF, GTF_permit_access, GRANTER, frame);
    every_step = true;
    other = granter_sees_no_mark;
    ck_assert_int_eq(pin(GRANT_WRITE), GNTST_general_error);
    other = NULL;
    ck_assert_uint_gt(steps, 3);
}
END_TEST

/* ---- two users ---------------------------------------------------------------------------------
 */

static int second_result;

static void second_pins(void)
{
    if (!locked(REF)) {
        second_result = pin(GRANT_WRITE);
    }
}

static void second_pins_and_unpins(void)
{
    if (!locked(REF)) {
        second_result = pin(GRANT_WRITE);
        if (second_result == 0) {
            rig_unpin(REF, GRANT_WRITE);
        }
    }
}

static void both_are_counted(void)
{
    unsigned int writers = wanted & GRANT_WRITE;

    ck_assert_int_eq(result, 0);
    if (other == NULL && second_result == 0) {
        writers++;
        ck_assert_uint_eq(rig_users(REF), 2);
        rig_unpin(REF, GRANT_WRITE);
        writers--;
    }
    ck_assert_uint_eq(rig_users(REF), 1);
    ck_assert_uint_eq(rig_marks(REF), writers != 0 ? GTF_reading | GTF_writing : GTF_reading);
    second_result = -1;
    undo_pins();
}

static void one_is_counted(void)
{
    ck_assert_int_eq(result, 0);
    undo_pins();
}

START_TEST(two_users_are_two_users)
{
    rig_use_version(granter, (uint32_t)_i % 2 + 1);
    held = 0;
    second_result = -1;
    wanted = _i / 2 == 0 ? GRANT_READ : GRANT_WRITE;
    explore(fresh_grant, first_pins, second_pins, both_are_counted);
    explore(fresh_grant, first_pins, second_pins_and_unpins, one_is_counted);
}
END_TEST

static void entry_is_unlocked(void)
{
    grant_active_of(table, REF)->use = 0;
}

START_TEST(who_finds_an_entry_locked_waits)
{
    held = 0;
    fresh_grant();
    grant_active_of(table, REF)->use = GRANT_LOCKED;
    waits = 0;
    waiting = entry_is_unlocked;
    ck_assert_int_eq(pin(GRANT_WRITE), 0);
    ck_assert_uint_eq(waits, 1);
    rig_unpin(REF, GRANT_WRITE);
}
END_TEST

static unsigned int gap, second_pinned;

static void second_pins_twice(void)
{
    if ((steps == when || steps == when + gap) && !locked(REF)) {
        second_pinned += pin(GRANT_WRITE) == 0;
    }
}

START_TEST(three_uses_are_three_however_they_meet)
{
    rig_use_version(granter, (uint32_t)_i + 1);
    wanted = GRANT_READ;
    held = 0;
    every_step = true;
    for (unsigned int n = 1; n < 12; n++) {
        for (gap = 1; gap < 12; gap++) {
            fresh_grant();
            when = n;
            steps = 0;
            waits = 0;
            second_pinned = 0;
            other = second_pins_twice;
            first_pins();
            other = NULL;
            ck_assert_int_eq(result, 0);
            ck_assert_uint_eq(rig_users(REF), 1 + second_pinned);
            while (second_pinned-- > 0) {
                rig_unpin(REF, GRANT_WRITE);
            }
            undo_pins();
        }
    }
}
END_TEST

static struct gnttab_map_grant_ref map;
static struct gnttab_unmap_grant_ref unmap;
static int second_status;
static struct rig_state before;

static void fresh_mapping(void)
{
    rig_grant(REF, GTF_permit_access, MAPPER, frame);
    second_status = GNTST_bad_handle;
    before = rig_state(page, REF);
    ck_assert_int_eq(rig_map(REF, GNTMAP_device_map | GNTMAP_host_map, 3, &map), 0);
    unmap = (struct gnttab_unmap_grant_ref){ PT_ADDRESS(3), map.dev_bus_addr, map.handle, 99, 0 };
}

static void first_unmaps(void)
{
    ck_assert_int_eq(hypercall_grant_table_op(GNTTABOP_unmap_grant_ref, (uint64_t)&unmap, 1), 0);
}

static void second_unmaps(void)
{
    struct gnttab_unmap_grant_ref again = unmap;

    if (!locked(REF)) {
        ck_assert_int_eq(hypercall_grant_table_op(GNTTABOP_unmap_grant_ref, (uint64_t)&again, 1),
                         0);
        second_status = again.status;
    }
}

static void one_of_them_did_it(void)
{
    ck_assert((unmap.status == 0) != (second_status == 0));
    ck_assert(unmap.status == 0 || unmap.status == GNTST_bad_handle);
    ck_assert(second_status == 0 || second_status == GNTST_bad_handle);
    rig_expect_same(&before, page, REF);
}

START_TEST(one_of_two_unmaps_a_mapping)
{
    explore(fresh_mapping, first_unmaps, second_unmaps, one_of_them_did_it);
}
END_TEST

/* ---- handles -------------------------------------------------------------------------------- */

static uint32_t mine, theirs;

static void fresh_handles(void)
{
    mine = TRACK_NONE;
    theirs = TRACK_NONE;
}

static void first_takes(void)
{
    mine = track_take(mapper->grants);
}

/* The head is the same afterwards, but what is behind it is not free any more. */
static void second_takes_two_and_gives_one_back(void)
{
    uint32_t handle;

    if (!spin_is_locked(&mapper->grants->lock)) {
        handle = track_take(mapper->grants);
        theirs = track_take(mapper->grants);
        track_give_back(mapper->grants, handle, track_of(mapper->grants, handle));
    }
}

static void next_three_are_new(void)
{
    uint32_t taken[4] = { mine, theirs };

    for (unsigned int i = 2; i < 4; i++) {
        taken[i] = track_take(mapper->grants);
    }
    for (unsigned int i = 0; i < 4; i++) {
        for (unsigned int j = 0; j < i; j++) {
            ck_assert(taken[i] == TRACK_NONE || taken[i] != taken[j]);
        }
    }
    for (unsigned int i = 0; i < 4; i++) {
        if (taken[i] != TRACK_NONE) {
            track_give_back(mapper->grants, taken[i], track_of(mapper->grants, taken[i]));
        }
    }
}

START_TEST(a_handle_has_one_owner)
{
    explore(fresh_handles, first_takes, second_takes_two_and_gives_one_back, next_three_are_new);
}
END_TEST

static void first_gives_back(void)
{
    mine = track_take(mapper->grants);
    track_give_back(mapper->grants, mine, track_of(mapper->grants, mine));
    mine = TRACK_NONE;
}

START_TEST(a_handle_given_back_loses_none_that_was_free)
{
    struct rig_state state;

    explore(fresh_handles, first_gives_back, second_takes_two_and_gives_one_back,
            next_three_are_new);
    state = rig_state(page, REF);
    ck_assert_uint_eq(state.free_track, HANDLES);
}
END_TEST

/* ---- growth ---------------------------------------------------------------------------------- */

static struct domain *fresh_domain;

static void fresh_table(void)
{
    if (fresh_domain != NULL) {
        grant_table_destroy(fresh_domain);
        fake_domain_free(fresh_domain);
    }
    fresh_domain = fake_domain_new(7, 1, false);
    ck_assert_int_eq(grant_table_create(fresh_domain, 3, 1), 0);
    second_result = -1;
}

static void first_grows(void)
{
    mfn_t ignored;

    result = grant_table_frame(fresh_domain, 1, false, &ignored);
}

static void second_grows_further(void)
{
    mfn_t ignored;

    if (!spin_is_locked(&fresh_domain->grants->lock)) {
        second_result = grant_table_frame(fresh_domain, 2, false, &ignored);
    }
}

static void has_the_larger_size(void)
{
    ck_assert_int_eq(result, 0);
    ck_assert_uint_eq(fresh_domain->grants->frames, second_result == 0 ? 3 : 2);
}

START_TEST(a_table_never_shrinks)
{
    explore(fresh_table, first_grows, second_grows_further, has_the_larger_size);
    grant_table_destroy(fresh_domain);
    fake_domain_free(fresh_domain);
    fresh_domain = NULL;
}
END_TEST

/* ---- changes of version ---------------------------------------------------------------------- */

static long set_version(uint32_t version)
{
    struct gnttab_set_version op = { version };
    long error;

    fake_set_current(granter->vcpu[0]);
    error = hypercall_grant_table_op(GNTTABOP_set_version, (uint64_t)&op, 1);
    fake_set_current(mapper->vcpu[0]);
    return error;
}

static void fresh_version_1(void)
{
    table->version = 1;
    second_result = -1;
    rig_grant(REF, GTF_permit_access, MAPPER, frame);
}

static void first_changes(void)
{
    result = (int)set_version(2);
}

/* Who finds the version 0 waits until it is not, and so does nothing here. */
static void second_pins_if_it_can(void)
{
    if (!locked(REF) && table->version != 0) {
        second_result = pin(GRANT_WRITE);
    }
}

static void entries_in_use_stay_valid(void)
{
    if (second_result == 0) {
        ck_assert_int_eq(result, table->version == 1 ? -XEN_EBUSY : 0);
        ck_assert_uint_eq(table->version, 1);
        ck_assert_uint_eq(rig_marks(REF), GTF_reading | GTF_writing);
        rig_unpin(REF, GRANT_WRITE);
    } else {
        ck_assert_int_eq(result, 0);
    }
    ck_assert_uint_eq(rig_marks(REF), 0);
    ck_assert_uint_eq(grant_active_of(table, REF)->use, 0);
}

START_TEST(no_version_changes_under_an_entry_in_use)
{
    explore(fresh_version_1, first_changes, second_pins_if_it_can, entries_in_use_stay_valid);
}
END_TEST

static void user_leaves_it_pinned(void)
{
    ck_assert_uint_eq(table->version, 0);
    grant_active_of(table, REF)->use = GRANT_USER;
}

static void user_leaves_it(void)
{
    ck_assert_uint_eq(table->version, 0);
    grant_active_of(table, REF)->use = 0;
}

START_TEST(a_change_of_version_waits_for_who_is_at_an_entry)
{
    grant_active_of(table, REF)->use = GRANT_LOCKED;
    waiting = user_leaves_it_pinned;
    ck_assert_int_eq(set_version(2), -XEN_EBUSY);
    ck_assert_uint_eq(table->version, 1);
    grant_active_of(table, REF)->use = GRANT_LOCKED;
    waiting = user_leaves_it;
    ck_assert_int_eq(set_version(2), 0);
}
END_TEST

static void version_goes(void)
{
    table->version = 0;
}

static unsigned int times_waited;

static void version_comes(void)
{
    ck_assert(!locked(REF));
    table->version = 1;
    other = NULL;
    times_waited++;
}

static void fresh_version_goes(void)
{
    fresh_grant();
    waiting = version_comes;
}

static void pinned_in_the_end(void)
{
    table->version = 1;
    ck_assert_int_eq(result, 0);
    undo_pins();
}

START_TEST(who_comes_during_a_change_of_version_lets_go_and_waits)
{
    held = 0;
    wanted = GRANT_WRITE;
    explore(fresh_version_goes, first_pins, version_goes, pinned_in_the_end);
    ck_assert_uint_gt(times_waited, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("grant race");
    TCase *tests = suite_case(suite, "race");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 30);
    tcase_add_loop_test(tests, a_grant_is_used_or_taken_back_but_not_both, 0, 4);
    tcase_add_loop_test(tests, a_grant_is_written_or_made_read_only_but_not_both, 0, 4);
    tcase_add_test(tests, a_reader_keeps_its_mark_when_a_writer_is_refused);
    tcase_add_test(tests, a_page_goes_to_the_domain_it_was_granted_to);
    tcase_add_test(tests, a_granter_that_is_always_faster_gets_an_error_soon);
    tcase_add_loop_test(tests, an_entry_that_permits_nothing_is_not_marked, 0, 2);
    tcase_add_loop_test(tests, two_users_are_two_users, 0, 4);
    tcase_add_test(tests, who_finds_an_entry_locked_waits);
    tcase_add_loop_test(tests, three_uses_are_three_however_they_meet, 0, 2);
    tcase_add_test(tests, one_of_two_unmaps_a_mapping);
    tcase_add_test(tests, a_handle_has_one_owner);
    tcase_add_test(tests, a_handle_given_back_loses_none_that_was_free);
    tcase_add_test(tests, a_table_never_shrinks);
    tcase_add_test(tests, no_version_changes_under_an_entry_in_use);
    tcase_add_test(tests, a_change_of_version_waits_for_who_is_at_an_entry);
    tcase_add_test(tests, who_comes_during_a_change_of_version_lets_go_and_waits);
    return suite_run(suite);
}
