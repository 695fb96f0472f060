/* SPDX-License-Identifier: MIT */
/*
 * The table itself: size, frames, versions, exchange of entries, the hypercall's
 * numbers, and that its memory is given back.
 */
#include <check.h>
#include <string.h>

#include "hypervisor/mm/heap.h"
#include "tests/fake/fake.h"
#include "tests/unit/grant_rig.h"
#include "tests/unit/suite.h"

static struct grant_table *table;

static void setup(void)
{
    rig_start();
    table = granter->grants;
    fake_set_current(granter->vcpu[0]);
}

static void teardown(void)
{
    fake_set_current(mapper->vcpu[0]);
    rig_end();
}

static int setup_table(domid_t id, uint32_t count, uint64_t *list)
{
    struct gnttab_setup_table op = { .dom = id, .nr_frames = count, .status = 99 };

    op.frame_list = list;
    ck_assert_int_eq(rig_op(GNTTABOP_setup_table, &op, 1), 0);
    return op.status;
}

static int status_frames(domid_t id, uint32_t count, uint64_t *list)
{
    struct gnttab_get_status_frames op = { .dom = id, .nr_frames = count, .status = 99 };

    op.frame_list = list;
    ck_assert_int_eq(rig_op(GNTTABOP_get_status_frames, &op, 1), 0);
    return op.status;
}

static int query(domid_t id, uint32_t *frames, uint32_t *limit)
{
    struct gnttab_query_size op = { .dom = id, .nr_frames = 77, .status = 99 };

    ck_assert_int_eq(rig_op(GNTTABOP_query_size, &op, 1), 0);
    *frames = op.nr_frames;
    *limit = op.max_nr_frames;
    return op.status;
}

static uint32_t frames_now(void)
{
    uint32_t frames, limit;

    ck_assert_int_eq(query(DOMID_SELF, &frames, &limit), 0);
    ck_assert_uint_eq(limit, table->max_frames);
    return frames;
}

static long set_version(uint32_t wanted, uint32_t in_force)
{
    struct gnttab_set_version op = { wanted };
    struct gnttab_get_version get = { DOMID_SELF, 0, 99 };
    long result = rig_op(GNTTABOP_set_version, &op, 1);

    ck_assert_uint_eq(op.version, in_force);
    ck_assert_int_eq(rig_op(GNTTABOP_get_version, &get, 1), 0);
    ck_assert_uint_eq(get.version, in_force);
    return result;
}

START_TEST(a_new_table_has_one_frame_of_the_default_64)
{
    struct domain *fresh = fake_domain_new(7, 1, false);

    ck_assert_int_eq(grant_table_create(fresh, 0, 0), 0);
    ck_assert_uint_eq(fresh->grants->frames, 1);
    ck_assert_uint_eq(fresh->grants->max_frames, 64);
    ck_assert_uint_eq(fresh->grants->max_track_frames, 1024);
    ck_assert_uint_eq(fresh->grants->version, 1);
    grant_table_destroy(fresh);
    grant_table_destroy(fresh); /* harmless */
    ck_assert_int_eq(grant_table_create(fresh, GRANT_FRAMES_MAX, GRANT_TRACK_MAX), 0);
    grant_table_destroy(fresh);
    ck_assert_int_eq(grant_table_create(fresh, GRANT_FRAMES_MAX + 1, 0), -XEN_EINVAL);
    ck_assert_int_eq(grant_table_create(fresh, 0, GRANT_TRACK_MAX + 1), -XEN_EINVAL);
    ck_assert_ptr_null(fresh->grants);
    fake_domain_free(fresh);
}
END_TEST

static struct domain *torn;

static bool create_grow_and_map(void)
{
    uint64_t list[FRAMES];
    mfn_t frame;
    bool done;

    done = grant_table_create(torn, FRAMES, 1) == 0;
    if (done) {
        ck_assert_uint_eq(torn->grants->frames, 1);
        ck_assert_ptr_nonnull(torn->grants->status);
        fake_set_current(torn->vcpu[0]);
        done = setup_table(DOMID_SELF, FRAMES, list) == 0;
        if (!done) {
            ck_assert_uint_eq(torn->grants->frames, 1);
            ck_assert_ptr_null(torn->grants->shared[1]);
        }
        for (uint32_t i = 0; i < torn->grants->frames; i++) {
            ck_assert_ptr_nonnull(torn->grants->shared[i]);
            ck_assert_ptr_nonnull(torn->grants->active[i]);
        }
        done = done && grant_table_frame(torn, 0, true, &frame) == -XEN_EINVAL &&
               track_take(torn->grants) == 0;
    }
    grant_table_destroy(torn);
    return done;
}

START_TEST(every_failed_allocation_is_survived)
{
    torn = fake_domain_new(7, 1, false);
    ck_assert(fake_survives_failed_allocations(create_grow_and_map));
    fake_set_current(granter->vcpu[0]);
    fake_domain_free(torn);
}
END_TEST

START_TEST(the_table_grows_when_asked_and_up_to_its_limit)
{
    uint64_t list[FRAMES + 1] = { 0 }, again[FRAMES + 1] = { 0 };

    ck_assert_uint_eq(frames_now(), 1);
    ck_assert_int_eq(setup_table(DOMID_SELF, 0, NULL), 0);
    ck_assert_int_eq(setup_table(DOMID_SELF, 1, list), 0);
    ck_assert_uint_eq(frames_now(), 1);
    ck_assert_uint_eq(list[0], direct_map_frame(table->shared[0]).number);
    ck_assert_int_eq(setup_table(DOMID_SELF, FRAMES + 1, list), GNTST_general_error);
    ck_assert_int_eq(setup_table(DOMID_SELF, UINT32_MAX, list), GNTST_general_error);
    ck_assert_uint_eq(frames_now(), 1);
    ck_assert_int_eq(setup_table(DOMID_SELF, FRAMES, list), 0);
    ck_assert_uint_eq(frames_now(), FRAMES);
    ck_assert_uint_eq(list[1], direct_map_frame(table->shared[1]).number);
    ck_assert_uint_eq(list[FRAMES], 0);
    ck_assert_uint_ne(page_of(mfn(list[1]))->refs & PAGE_REF_CORE, 0);
    ck_assert_uint_eq(page_owner(page_of(mfn(list[1]))), GRANTER);
    ck_assert_int_eq(setup_table(DOMID_SELF, 1, again), 0); /* never shrinks */
    ck_assert_uint_eq(frames_now(), FRAMES);
    ck_assert_uint_eq(again[0], list[0]);
    /* The new frame's entries work. */
    rig_grant(1023, GTF_permit_access, MAPPER, rig_frame(rig_page(granter)));
    fake_set_current(mapper->vcpu[0]);
    {
        struct gnttab_map_grant_ref map;

        ck_assert_int_eq(rig_map(1023, GNTMAP_host_map, 0, &map), 0);
        ck_assert_int_eq(rig_map(1024, GNTMAP_host_map, 1, &map), GNTST_bad_gntref);
    }
}
END_TEST

START_TEST(a_frame_somebody_still_maps_outlives_its_table)
{
    struct domain *fresh = fake_domain_new(7, 1, false);
    struct page *page;

    ck_assert_int_eq(grant_table_create(fresh, 1, 1), 0);
    page = page_of(direct_map_frame(fresh->grants->shared[0]));
    ck_assert(page_get(page, 7));
    grant_table_destroy(fresh);
    ck_assert_uint_eq(fake_page_refs(page), 2);
    page->refs--; /* what the fake page_unlend() leaves to do */
    heap_free_frames(page, 0);
    fake_domain_free(fresh);
}
END_TEST

START_TEST(lists_that_cannot_be_written_are_reported)
{
    struct gnttab_setup_table op = { .dom = DOMID_SELF, .nr_frames = 2, .status = 99 };
    struct gnttab_get_status_frames status = { .dom = DOMID_SELF, .nr_frames = 2, .status = 99 };
    uint64_t list[FRAMES];

    fake_answers.fault_start = list;
    fake_answers.fault_size = sizeof(list);
    ck_assert_int_eq(setup_table(DOMID_SELF, 1, list), GNTST_bad_virt_addr);
    op.frame_list = (uint64_t *)(uintptr_t)(CORE_START - 8);
    ck_assert_int_eq(rig_op(GNTTABOP_setup_table, &op, 1), -XEN_EFAULT);
    ck_assert_uint_eq(frames_now(), 1);
    status.frame_list = op.frame_list;
    ck_assert_int_eq(rig_op(GNTTABOP_get_status_frames, &status, 1), -XEN_EFAULT);
}
END_TEST

static void memory_comes_back(void)
{
    fake_answers.fault_size = 0;
}

START_TEST(what_cannot_be_read_or_answered_is_an_error)
{
    static const uint32_t operations[] = { GNTTABOP_setup_table, GNTTABOP_get_status_frames,
                                           GNTTABOP_query_size, GNTTABOP_set_version,
                                           GNTTABOP_get_version };
    union {
        struct gnttab_setup_table setup;
        struct gnttab_get_status_frames status;
        struct gnttab_query_size size;
        struct gnttab_set_version set;
        struct gnttab_get_version get;
    } op, untouched;

    memset(&op, 0, sizeof(op));
    op.set.version = 2; /* for the others: domain 2, no frames */
    fake_set_current(mapper->vcpu[0]);
    memcpy(&untouched, &op, sizeof(op));
    for (unsigned int i = 0; i < ARRAY_SIZE(operations); i++) {
        fake_answers.fault_start = &op;
        fake_answers.fault_size = 1;
        fake_answers.write_fault_size = 0;
        answer_hook = memory_comes_back; /* too late */
        ck_assert_int_eq(rig_op(operations[i], &op, 1), -XEN_EFAULT);
        answer_hook = NULL;
        ck_assert_mem_eq(&op, &untouched, sizeof(op));
        ck_assert_uint_eq(mapper->grants->version, 1);
        fake_answers.fault_size = 0;
        fake_answers.write_fault_start = &op;
        fake_answers.write_fault_size = sizeof(op);
        ck_assert_int_eq(rig_op(operations[i], &op, 1), -XEN_EFAULT);
        mapper->grants->version = 1;
    }
}
END_TEST

START_TEST(a_domain_may_have_no_table)
{
    struct domain *bare = fake_domain_new(5, 1, false);
    uint32_t frames, limit;

    fake_set_current(control->vcpu[0]);
    ck_assert_int_eq(query(5, &frames, &limit), GNTST_bad_domain);
    ck_assert_uint_eq(bare->references, 1);
    fake_domain_free(bare);
}
END_TEST

START_TEST(an_array_may_end_where_the_core_begins_and_begin_where_it_ends)
{
    static const struct {
        uint64_t address;
        uint32_t count;
        bool good;
    } arrays[] = {
        { CORE_START - 64, 2, true },  { CORE_START - 64, 3, false }, { CORE_START, 0, true },
        { CORE_START, 1, false },      { CORE_END - 32, 1, false },   { CORE_END - 1, 0, false },
        { CORE_END, 0, true },         { CORE_END, 5, true },         { UINT64_MAX - 63, 1, true },
        { UINT64_MAX - 31, 2, false }, { 0, UINT32_MAX, true },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(arrays); i++) {
        ck_assert(array_ok(arrays[i].address, arrays[i].count, 32) == arrays[i].good);
    }
}
END_TEST

START_TEST(the_debug_key_shows_the_entries_in_use_and_not_too_many)
{
    struct rig_extent extent;

    grant_dump(granter);
    ck_assert_uint_eq(fake.logs, 1);
    for (grant_ref_t ref = 0; ref < 66; ref++) {
        rig_grant(500 - ref, GTF_permit_access, MAPPER, 5);
        ck_assert_int_eq(rig_pin(MAPPER, 500 - ref, GRANT_READ, &extent), 0);
        fake.logs = 0;
        grant_dump(granter);
        ck_assert_uint_eq(fake.logs, 1 + MIN(ref + 1, 64));
    }
    for (grant_ref_t ref = 0; ref < 66; ref++) {
        rig_unpin(500 - ref, GRANT_READ);
    }
}
END_TEST

START_TEST(other_domains_tables_are_the_control_domains_business)
{
    struct gnttab_get_version version = { MAPPER, 0, 99 };
    uint64_t list[1] = { 0 };
    uint32_t frames, limit;

    ck_assert_int_eq(query(GRANTER, &frames, &limit), 0);
    ck_assert_int_eq(query(MAPPER, &frames, &limit), GNTST_permission_denied);
    ck_assert_uint_eq(frames, 77);
    ck_assert_int_eq(query(5, &frames, &limit), GNTST_bad_domain);
    ck_assert_int_eq(setup_table(MAPPER, 1, list), GNTST_permission_denied);
    ck_assert_int_eq(setup_table(5, 1, list), GNTST_bad_domain);
    ck_assert_int_eq(status_frames(MAPPER, 0, list), GNTST_permission_denied);
    ck_assert_int_eq(rig_op(GNTTABOP_get_version, &version, 1), -XEN_EPERM);
    version.dom = 5;
    ck_assert_int_eq(rig_op(GNTTABOP_get_version, &version, 1), -XEN_ESRCH);
    ck_assert_uint_eq(list[0], 0);

    fake_set_current(control->vcpu[0]);
    ck_assert_int_eq(query(MAPPER, &frames, &limit), 0);
    ck_assert_int_eq(setup_table(GRANTER, 1, list), 0);
    ck_assert_uint_eq(list[0], direct_map_frame(table->shared[0]).number);
    version.dom = GRANTER;
    ck_assert_int_eq(rig_op(GNTTABOP_get_version, &version, 1), 0);
    ck_assert_uint_eq(version.version, 1);
}
END_TEST

START_TEST(the_toolstack_finds_each_frame_by_number)
{
    mfn_t frame = MFN_INVALID;

    ck_assert_int_eq(grant_table_frame(granter, 0, false, &frame), 0);
    ck_assert(mfn_equal(frame, direct_map_frame(table->shared[0])));
    ck_assert_int_eq(grant_table_frame(granter, FRAMES, false, &frame), -XEN_EINVAL);
    ck_assert_int_eq(grant_table_frame(granter, UINT32_MAX, false, &frame), -XEN_EINVAL);
    ck_assert_int_eq(grant_table_frame(granter, 0, true, &frame), -XEN_EINVAL);
    ck_assert_uint_eq(frames_now(), 1);
    fake_answers.fail_allocation = 1;
    ck_assert_int_eq(grant_table_frame(granter, 1, false, &frame), -XEN_ENOMEM);
    ck_assert(mfn_equal(frame, direct_map_frame(table->shared[0])));
    ck_assert_int_eq(grant_table_frame(granter, 1, false, &frame), 0);
    ck_assert(mfn_equal(frame, direct_map_frame(table->shared[1])));
    ck_assert_uint_eq(frames_now(), 2);
    rig_use_version(granter, 2);
    ck_assert_int_eq(grant_table_frame(granter, 0, true, &frame), 0);
    ck_assert(mfn_equal(frame, direct_map_frame(table->status[0])));
    ck_assert_int_eq(grant_table_frame(granter, 1, true, &frame), -XEN_EINVAL);
    ck_assert_int_eq(grant_table_frame(granter, UINT32_MAX / 8 + 1, true, &frame), -XEN_EINVAL);
}
END_TEST

START_TEST(a_status_frame_comes_with_the_frames_it_is_for)
{
    struct domain *wide = fake_domain_new(7, 1, false);
    mfn_t frame = MFN_INVALID;

    ck_assert_int_eq(grant_table_create(wide, 16, 1), 0);
    rig_use_version(wide, 2);
    ck_assert_int_eq(grant_table_frame(wide, 1, true, &frame), 0);
    ck_assert(mfn_equal(frame, direct_map_frame(wide->grants->status[1])));
    ck_assert_uint_eq(wide->grants->frames, 9);
    ck_assert_int_eq(grant_table_frame(wide, 2, true, &frame), -XEN_EINVAL);
    grant_table_destroy(wide);
    fake_domain_free(wide);
}
END_TEST

START_TEST(status_frames_come_with_version_2)
{
    uint64_t list[2] = { 0 };

    ck_assert_int_eq(status_frames(DOMID_SELF, 0, list), 0);
    ck_assert_int_eq(status_frames(DOMID_SELF, 1, list), GNTST_general_error);
    ck_assert_int_eq(set_version(2, 2), 0);
    ck_assert_int_eq(status_frames(DOMID_SELF, 2, list), GNTST_general_error);
    ck_assert_uint_eq(list[0], 0);
    ck_assert_int_eq(status_frames(DOMID_SELF, 1, list), 0);
    ck_assert_uint_eq(list[0], direct_map_frame(table->status[0]).number);
    ck_assert_uint_eq(page_owner(page_of(mfn(list[0]))), GRANTER);
}
END_TEST

START_TEST(a_table_of_version_2_grows_with_its_status)
{
    struct domain *fresh = fake_domain_new(7, 1, false);
    uint64_t list[20];

    ck_assert_int_eq(grant_table_create(fresh, 20, 1), 0);
    fake_set_current(fresh->vcpu[0]);
    table = fresh->grants;
    ck_assert_int_eq(set_version(2, 2), 0);
    ck_assert_uint_eq(table->status_frames, 1);
    ck_assert_int_eq(setup_table(DOMID_SELF, 8, list), 0);
    ck_assert_uint_eq(table->status_frames, 1);
    /* Nine shared frames, their records, one status frame: without the last, nothing. */
    fake_answers.fail_allocation = 3;
    ck_assert_int_eq(setup_table(DOMID_SELF, 9, list), GNTST_general_error);
    ck_assert_uint_eq(frames_now(), 8);
    ck_assert_int_eq(setup_table(DOMID_SELF, 9, list), 0);
    ck_assert_uint_eq(table->status_frames, 2);
    ck_assert_int_eq(setup_table(DOMID_SELF, 20, list), 0);
    ck_assert_uint_eq(table->status_frames, 3);
    fake_set_current(granter->vcpu[0]);
    grant_table_destroy(fresh);
    fake_domain_free(fresh);
}
END_TEST

START_TEST(the_version_is_one_or_two)
{
    static const uint32_t nonsense[] = { 0, 3, 0x80000001, UINT32_MAX };

    for (unsigned int i = 0; i < ARRAY_SIZE(nonsense); i++) {
        ck_assert_int_eq(set_version(nonsense[i], 1), -XEN_EINVAL);
    }
    ck_assert_int_eq(set_version(1, 1), 0);
    ck_assert_int_eq(set_version(2, 2), 0);
    ck_assert_int_eq(set_version(3, 2), -XEN_EINVAL);
    ck_assert_int_eq(set_version(2, 2), 0);
    *grant_v2_status(table, 100) = 0xffff;
    ck_assert_int_eq(set_version(2, 2), 0); /* no change: nothing is cleared */
    ck_assert_uint_eq(*grant_v2_status(table, 100), 0xffff);
    ck_assert_int_eq(set_version(1, 1), 0);
    ck_assert_int_eq(set_version(2, 2), 0);
    ck_assert_uint_eq(*grant_v2_status(table, 100), 0);
}
END_TEST

START_TEST(a_domain_may_be_kept_to_version_1)
{
    granter->grants_v1_only = true;
    ck_assert_int_eq(set_version(2, 1), -XEN_ENOSYS);
    ck_assert_int_eq(set_version(1, 1), 0);
}
END_TEST

START_TEST(reserved_entries_survive_a_change_of_version_and_others_do_not)
{
    rig_grant(0, GTF_permit_access, 0, 0x1234);
    rig_grant(7, GTF_permit_access | GTF_readonly | GTF_writing, 3, 0xfffffffe);
    rig_grant(8, GTF_permit_access, 0, 0x1234);
    ck_assert_int_eq(set_version(2, 2), 0);
    ck_assert_uint_eq(rig_flags(0), GTF_permit_access);
    ck_assert_uint_eq(grant_v2_entry(table, 0)->full_page.frame, 0x1234);
    ck_assert_uint_eq(rig_flags(7), GTF_permit_access | GTF_readonly);
    ck_assert_uint_eq(grant_v2_entry(table, 7)->hdr.domid, 3);
    ck_assert_uint_eq(grant_v2_entry(table, 7)->full_page.frame, 0xfffffffe);
    ck_assert_uint_eq(rig_marks(7), 0);
    for (grant_ref_t ref = 8; ref < GRANT_V2_ENTRIES; ref++) {
        ck_assert_uint_eq(rig_flags(ref), 0);
        ck_assert_uint_eq(rig_marks(ref), 0);
    }

    /* What version 1 cannot say is dropped, and a frame that does not fit prevents it. */
    rig_grant(1, GTF_permit_access, 0, 1ULL << 32);
    ck_assert_int_eq(set_version(1, 2), -XEN_ERANGE);
    ck_assert_uint_eq(grant_v2_entry(table, 1)->full_page.frame, 1ULL << 32);
    rig_grant(1, GTF_permit_access, 0, UINT32_MAX);
    ck_assert_int_eq(set_version(1, 1), 0);
    ck_assert_uint_eq(*grant_v1_word(table, 1) >> 32, UINT32_MAX);
    ck_assert_int_eq(set_version(2, 2), 0);
    rig_grant(1, GTF_transitive, 0, 1ULL << 32);
    rig_grant(2, GTF_permit_access | GTF_sub_page, 0, 5);
    rig_grant(100, GTF_permit_access, 0, 1ULL << 32);
    ck_assert_int_eq(set_version(1, 1), 0);
    ck_assert_uint_eq(*grant_v1_word(table, 0), GTF_permit_access | 0x1234ULL << 32);
    ck_assert_uint_eq(*grant_v1_word(table, 1), 0);
    ck_assert_uint_eq(*grant_v1_word(table, 2), 0);
    ck_assert_uint_eq(*grant_v1_word(table, 7),
                      GTF_permit_access | GTF_readonly | 3u << 16 | 0xfffffffeULL << 32);
    for (grant_ref_t ref = 8; ref < GRANT_V1_ENTRIES; ref++) {
        ck_assert_uint_eq(*grant_v1_word(table, ref), 0);
    }
}
END_TEST

START_TEST(entries_in_use_keep_the_version_unless_reserved)
{
    struct rig_extent extent;

    for (uint32_t to = 2; to >= 1; to--) {
        uint32_t from = 3 - to;

        rig_grant(3, GTF_permit_access, MAPPER, 5);
        rig_grant(8, GTF_permit_access, MAPPER, 6);
        ck_assert_int_eq(rig_pin(MAPPER, 8, GRANT_READ, &extent), 0);
        ck_assert_int_eq(set_version(to, from), -XEN_EBUSY);
        ck_assert_uint_eq(rig_marks(8), GTF_reading);
        rig_unpin(8, GRANT_READ);

        ck_assert_int_eq(rig_pin(MAPPER, 3, GRANT_WRITE, &extent), 0);
        ck_assert_int_eq(set_version(to, to), 0);
        ck_assert_uint_eq(rig_marks(3), GTF_reading | GTF_writing);
        ck_assert_uint_eq(rig_users(3), 1);
        rig_unpin(3, GRANT_WRITE);
        ck_assert_uint_eq(rig_marks(3), 0);
    }
}
END_TEST

START_TEST(status_frames_in_somebodys_page_tables_keep_version_2)
{
    struct page *page;

    ck_assert_int_eq(set_version(2, 2), 0);
    page = page_of(direct_map_frame(table->status[0]));
    ck_assert(page_get(page, GRANTER));
    ck_assert_int_eq(set_version(1, 2), -XEN_EBUSY);
    rig_grant(1, GTF_permit_access, 0, 1ULL << 32);
    ck_assert_int_eq(set_version(1, 2), -XEN_ERANGE); /* the first of two reasons */
    rig_grant(1, 0, 0, 0);
    page_put(page);
    ck_assert_int_eq(set_version(1, 1), 0);
    ck_assert(page_get(page, GRANTER));
    ck_assert_int_eq(set_version(2, 2), 0); /* for version 2 they may be mapped */
    page_put(page);
}
END_TEST

START_TEST(without_memory_for_status_the_version_stays)
{
    fake_answers.fail_allocation = 1;
    ck_assert_int_eq(set_version(2, 1), -XEN_ENOMEM);
    ck_assert_int_eq(set_version(2, 2), 0);
}
END_TEST

START_TEST(a_version_that_is_refused_leaves_no_status)
{
    struct rig_extent extent;

    rig_grant(8, GTF_permit_access, MAPPER, 6);
    ck_assert_int_eq(rig_pin(MAPPER, 8, GRANT_READ, &extent), 0);
    ck_assert_int_eq(set_version(2, 1), -XEN_EBUSY);
    ck_assert_uint_eq(table->status_frames, 0);
    rig_unpin(8, GRANT_READ);
    ck_assert_int_eq(set_version(2, 2), 0);
    ck_assert_uint_ne(table->status_frames, 0);
}
END_TEST

START_TEST(commands_and_counts_are_those_of_the_abi)
{
    static const uint32_t unknown[] = { GNTTABOP_dump_table, 13, 14, 0x1000 + GNTTABOP_query_size,
                                        UINT32_MAX };
    uint64_t words[8] = { 0 };
    uint64_t argument = (uint64_t)words;

    for (unsigned int i = 0; i < ARRAY_SIZE(unknown); i++) {
        ck_assert_int_eq(hypercall_grant_table_op(unknown[i], argument, 1), -XEN_ENOSYS);
    }
    for (uint32_t operation = 0; operation <= 13; operation++) {
        ck_assert_int_eq(hypercall_grant_table_op(operation, argument, 0x80000000), -XEN_EINVAL);
    }
    for (uint32_t operation = 0; operation <= 12; operation++) {
        bool batch = operation < 2 || operation == 5 || operation == 7 || operation == 12;
        bool one = operation == 2 || operation == 6 || operation == 9;

        if (batch) {
            ck_assert_int_eq(hypercall_grant_table_op(operation, argument, 0), 0);
        }
        if (one) {
            ck_assert_int_eq(hypercall_grant_table_op(operation, argument, 0), -XEN_EINVAL);
            ck_assert_int_eq(hypercall_grant_table_op(operation, argument, 2), -XEN_EINVAL);
        }
        if (operation != GNTTABOP_transfer && operation != GNTTABOP_swap_grant_ref &&
            operation != GNTTABOP_dump_table) {
            ck_assert_int_eq(hypercall_grant_table_op(operation, CORE_START - (batch ? 4 : 0), 1),
                             -XEN_EFAULT);
            ck_assert_int_eq(hypercall_grant_table_op(operation, CORE_END - 8, 1), -XEN_EFAULT);
        }
    }
    ck_assert_int_eq(hypercall_grant_table_op(GNTTABOP_transfer, argument, 1), -XEN_EOPNOTSUPP);
    ck_assert_int_eq(hypercall_grant_table_op(GNTTABOP_swap_grant_ref, argument, 1),
                     -XEN_EOPNOTSUPP);
    /* An array that would wrap around or cross the core's part of the address space. */
    ck_assert_int_eq(hypercall_grant_table_op(GNTTABOP_copy, UINT64_MAX - 39, 2), -XEN_EFAULT);
    ck_assert_int_eq(hypercall_grant_table_op(GNTTABOP_copy, CORE_START - 4096, 0x7fffffff),
                     -XEN_EFAULT);
    /* 32 bits of each register count. */
    ck_assert_int_eq(hypercall_grant_table_op(1ULL << 32 | GNTTABOP_copy, argument, 1ULL << 32), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("grant table");
    TCase *tests = suite_case(suite, "table");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_new_table_has_one_frame_of_the_default_64);
    tcase_add_test(tests, every_failed_allocation_is_survived);
    tcase_add_test(tests, the_table_grows_when_asked_and_up_to_its_limit);
    tcase_add_test(tests, a_frame_somebody_still_maps_outlives_its_table);
    tcase_add_test(tests, lists_that_cannot_be_written_are_reported);
    tcase_add_test(tests, what_cannot_be_read_or_answered_is_an_error);
    tcase_add_test(tests, a_domain_may_have_no_table);
    tcase_add_test(tests, an_array_may_end_where_the_core_begins_and_begin_where_it_ends);
    tcase_add_test(tests, the_debug_key_shows_the_entries_in_use_and_not_too_many);
    tcase_add_test(tests, other_domains_tables_are_the_control_domains_business);
    tcase_add_test(tests, the_toolstack_finds_each_frame_by_number);
    tcase_add_test(tests, a_status_frame_comes_with_the_frames_it_is_for);
    tcase_add_test(tests, status_frames_come_with_version_2);
    tcase_add_test(tests, a_table_of_version_2_grows_with_its_status);
    tcase_add_test(tests, the_version_is_one_or_two);
    tcase_add_test(tests, a_domain_may_be_kept_to_version_1);
    tcase_add_test(tests, reserved_entries_survive_a_change_of_version_and_others_do_not);
    tcase_add_test(tests, entries_in_use_keep_the_version_unless_reserved);
    tcase_add_test(tests, status_frames_in_somebodys_page_tables_keep_version_2);
    tcase_add_test(tests, without_memory_for_status_the_version_stays);
    tcase_add_test(tests, a_version_that_is_refused_leaves_no_status);
    tcase_add_test(tests, commands_and_counts_are_those_of_the_abi);
    return suite_run(suite);
}
