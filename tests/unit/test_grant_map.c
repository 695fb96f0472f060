/* SPDX-License-Identifier: MIT */
/*
 * Mapping and unmapping: what is held meanwhile, that it all comes back, that a
 * failure changes nothing, and the ends of both domains.
 */
#include <check.h>
#include <pthread.h>
#include <string.h>

#include "hypervisor/mm/page_type.h"
#include "hypervisor/x86/pte.h"
#include "tests/fake/fake.h"
#include "tests/unit/grant_rig.h"
#include "tests/unit/suite.h"

#define HOST   GNTMAP_host_map
#define DEVICE GNTMAP_device_map

static struct page *page;
static uint64_t frame;

static void setup(void)
{
    rig_start();
    page = rig_page(granter);
    frame = rig_frame(page);
    rig_grant(9, GTF_permit_access, MAPPER, frame);
}

static void teardown(void)
{
    rig_end();
}

START_TEST(mapping_and_unmapping_leaves_all_as_it_was)
{
    static const uint32_t kinds[] = { HOST, DEVICE, HOST | DEVICE };
    struct rig_state before = rig_state(page, 9);

    for (unsigned int i = 0; i < ARRAY_SIZE(kinds) * 4; i++) {
        uint32_t flags = kinds[i / 4] | (i % 2 != 0 ? GNTMAP_readonly : 0) |
                         (i % 4 >= 2 ? GNTMAP_contains_pte | GNTMAP_application_map : 0);
        unsigned int parts = i / 4 == 2 ? 2 : 1;
        bool writes = i % 2 == 0;
        struct gnttab_map_grant_ref map;

        ck_assert_int_eq(rig_map(9, flags, 7, &map), GNTST_okay);
        ck_assert_uint_eq(map.dev_bus_addr, frame << PAGE_SHIFT);
        ck_assert_uint_eq(fake_page_refs(page), (before.refs & PAGE_REF_COUNT) + parts);
        ck_assert_uint_eq(fake_page_uses(page), writes ? parts : 0);
        ck_assert_uint_eq(rig_marks(9), writes ? GTF_reading | GTF_writing : GTF_reading);
        ck_assert_uint_eq(granter->references, before.granter_references + 1);
        ck_assert_uint_eq(pt[7] != 0, (flags & HOST) != 0);
        if ((flags & HOST) != 0) {
            ck_assert_uint_eq(pt_flags[7], flags);
        }
        ck_assert_int_eq(rig_unmap(&map), GNTST_okay);
        rig_expect_same(&before, page, 9);
        ck_assert_int_eq(rig_unmap(&map), GNTST_bad_handle);
        rig_expect_same(&before, page, 9);
    }
}
END_TEST

START_TEST(the_entry_written_is_no_stronger_than_asked)
{
    const uint64_t base = PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_DIRTY | PTE_NO_EXECUTE;
    struct gnttab_map_grant_ref map;

    rig_grant(9, GTF_permit_access | GTF_PWT | GTF_PCD | GTF_PAT, MAPPER, frame);
    ck_assert_int_eq(rig_map(9, HOST, 0, &map), 0);
    ck_assert_int_eq(rig_map(9, HOST | GNTMAP_readonly, 1, &map), 0);
    ck_assert_int_eq(rig_map(9, HOST | GNTMAP_readonly | GNTMAP_guest_avail_mask, 2, &map), 0);
    ck_assert_int_eq(rig_map(9, HOST | GNTMAP_readonly | 0x10000, 3, &map), 0);
    ck_assert_int_eq(rig_map(9, HOST | GNTMAP_readonly | 0xffe0, 4, &map), 0);
    ck_assert_uint_eq(pt[0], base | PTE_WRITABLE | frame << PAGE_SHIFT);
    ck_assert_uint_eq(pt[1], base | frame << PAGE_SHIFT);
    ck_assert_uint_eq(pt[2], base | PTE_SOFTWARE | frame << PAGE_SHIFT);
    ck_assert_uint_eq(pt[3], base | 0x200 | frame << PAGE_SHIFT);
    ck_assert_uint_eq(pt[4], base | frame << PAGE_SHIFT);
}
END_TEST

static void expect_refused(grant_ref_t ref, uint32_t flags, unsigned int n, int status)
{
    struct rig_state before = rig_state(page, 9);
    struct gnttab_map_grant_ref map;

    ck_assert_int_eq(rig_map(ref, flags, n, &map), status);
    ck_assert_uint_eq(map.handle, 0xdead);
    ck_assert_uint_eq(map.dev_bus_addr, 0);
    rig_expect_same(&before, page, 9);
}

START_TEST(a_refused_mapping_changes_nothing)
{
    struct page *l4 = rig_page(granter);

    expect_refused(9, 0, 0, GNTST_bad_gntref);
    expect_refused(9, GNTMAP_readonly | GNTMAP_contains_pte, 0, GNTST_bad_gntref);
    expect_refused(512, HOST, 0, GNTST_bad_gntref);
    expect_refused(UINT32_MAX, HOST | DEVICE, 0, GNTST_bad_gntref);
    expect_refused(10, HOST, 0, GNTST_general_error);
    expect_refused(9, HOST, PT_ENTRIES, GNTST_general_error);
    expect_refused(9, HOST | DEVICE | GNTMAP_readonly, PT_ENTRIES, GNTST_general_error);

    rig_grant(9, GTF_permit_access | GTF_readonly, MAPPER, frame);
    expect_refused(9, HOST, 0, GNTST_general_error);
    rig_grant(9, GTF_permit_access, 0, frame);
    expect_refused(9, HOST, 0, GNTST_general_error);
    rig_grant(9, GTF_permit_access, MAPPER, FAKE_FRAMES);
    expect_refused(9, HOST, 0, GNTST_bad_page);
    rig_grant(9, GTF_permit_access, MAPPER, rig_frame(rig_page(mapper)));
    expect_refused(9, HOST, 0, GNTST_bad_page);
    rig_grant(9, GTF_permit_access, MAPPER, direct_map_frame(granter->grants->shared[0]).number);
    expect_refused(9, HOST | DEVICE, 0, GNTST_bad_page);
    ck_assert_int_eq(page_type_get(l4, PAGE_L4), 0);
    rig_grant(9, GTF_permit_access, MAPPER, rig_frame(l4));
    expect_refused(9, HOST, 0, GNTST_general_error);
    rig_grant(9, GTF_permit_access, MAPPER, frame);
    granter->state = DOMAIN_DYING;
    expect_refused(9, HOST, 0, GNTST_bad_domain);
    granter->state = DOMAIN_ALIVE;
    page->refs = (page->refs & ~PAGE_REF_COUNT) | PAGE_REF_LIMIT;
    expect_refused(9, HOST | DEVICE, 0, GNTST_bad_page); /* one reference fits, two do not */
    page->refs = (page->refs & ~PAGE_REF_COUNT) | 1;
}
END_TEST

START_TEST(a_part_of_a_page_is_not_mapped)
{
    struct gnttab_map_grant_ref map;

    rig_use_version(granter, 2);
    rig_grant_part(9, GTF_permit_access | GTF_sub_page, MAPPER, frame, 4096u << 16);
    ck_assert_int_eq(rig_map(9, HOST, 0, &map), GNTST_general_error);
    ck_assert_int_eq(rig_map(9, HOST | GNTMAP_readonly, 0, &map), GNTST_general_error);
    rig_grant(9, GTF_permit_access, MAPPER, frame);
    ck_assert_int_eq(rig_map(9, HOST, 0, &map), 0);
    ck_assert_int_eq(rig_unmap(&map), 0);
}
END_TEST

START_TEST(each_element_of_a_batch_has_a_granter_of_its_own)
{
    struct page *others = rig_page(control);
    static struct gnttab_map_grant_ref maps[4];

    *grant_v1_word(control->grants, 9) = GTF_permit_access | MAPPER << 16 | rig_frame(others) << 32;
    for (unsigned int i = 0; i < ARRAY_SIZE(maps); i++) {
        maps[i] = (struct gnttab_map_grant_ref){
            .host_addr = PT_ADDRESS(i), .flags = HOST, .ref = 9, .dom = i % 2 == 0 ? GRANTER : 0
        };
    }
    maps[3].dom = 5;
    ck_assert_int_eq(rig_op(GNTTABOP_map_grant_ref, maps, 4), 0);
    for (unsigned int i = 0; i < 3; i++) {
        ck_assert_int_eq(maps[i].status, 0);
        ck_assert_uint_eq(maps[i].dev_bus_addr >> PAGE_SHIFT, i == 1 ? rig_frame(others) : frame);
        ck_assert_int_eq(rig_unmap(&maps[i]), 0);
    }
    ck_assert_int_eq(maps[3].status, GNTST_bad_domain);
    ck_assert_uint_eq(fake_page_refs(others), 1);
}
END_TEST

START_TEST(there_must_be_such_a_granter)
{
    static const domid_t nobody[] = { 5, DOMID_SELF, DOMID_IO, DOMID_XEN, DOMID_IDLE, 0xffff };
    struct gnttab_map_grant_ref op = { .flags = HOST, .ref = 9, .host_addr = PT_ADDRESS(0) };

    for (unsigned int i = 0; i < ARRAY_SIZE(nobody); i++) {
        op.dom = nobody[i];
        ck_assert_int_eq(rig_op(GNTTABOP_map_grant_ref, &op, 1), 0);
        ck_assert_int_eq(op.status, GNTST_bad_domain);
    }
    ck_assert_uint_eq(granter->references, 1);
}
END_TEST

START_TEST(a_granter_without_a_table_grants_nothing)
{
    struct domain *bare = fake_domain_new(5, 1, false);
    struct gnttab_map_grant_ref op = {
        .flags = HOST, .ref = 9, .host_addr = PT_ADDRESS(0), .dom = 5
    };

    ck_assert_int_eq(rig_op(GNTTABOP_map_grant_ref, &op, 1), 0);
    ck_assert_int_eq(op.status, GNTST_bad_domain);
    fake_domain_free(bare);
}
END_TEST

START_TEST(what_is_unmapped_is_checked_completely)
{
    struct gnttab_map_grant_ref map, other;
    struct gnttab_unmap_grant_ref op;
    static const uint32_t handles[] = { 2, 255, 256, 511, 512, 0x7fffffff, 0xffffffff };

    ck_assert_int_eq(rig_map(9, HOST | DEVICE, 7, &map), 0);
    ck_assert_int_eq(rig_map(9, HOST | GNTMAP_readonly, 8, &other), 0);
    for (unsigned int i = 0; i < ARRAY_SIZE(handles); i++) {
        op = (struct gnttab_unmap_grant_ref){ PT_ADDRESS(7), 0, handles[i], 99, 0 };
        ck_assert_int_eq(rig_op(GNTTABOP_unmap_grant_ref, &op, 1), 0);
        ck_assert_int_eq(op.status, GNTST_bad_handle);
    }
    op = (struct gnttab_unmap_grant_ref){ 0, 0, map.handle, 99, 0 };
    ck_assert_int_eq(rig_op(GNTTABOP_unmap_grant_ref, &op, 1), 0);
    ck_assert_int_eq(op.status, GNTST_okay);
    op = (struct gnttab_unmap_grant_ref){ PT_ADDRESS(7), PAGE_SIZE, map.handle, 99, 0 };
    ck_assert_int_eq(rig_op(GNTTABOP_unmap_grant_ref, &op, 1), 0);
    ck_assert_int_eq(op.status, GNTST_bad_dev_addr);
    op = (struct gnttab_unmap_grant_ref){ PT_ADDRESS(9), map.dev_bus_addr, map.handle, 99, 0 };
    ck_assert_int_eq(rig_op(GNTTABOP_unmap_grant_ref, &op, 1), 0);
    ck_assert_int_eq(op.status, GNTST_general_error); /* both halves or none */
    op = (struct gnttab_unmap_grant_ref){ PT_ADDRESS(8), 0, map.handle, 99, 0 };
    ck_assert_int_eq(rig_op(GNTTABOP_unmap_grant_ref, &op, 1), 0);
    ck_assert_int_eq(op.status, GNTST_general_error); /* a read-only entry is not this one */
    op = (struct gnttab_unmap_grant_ref){ PT_ADDRESS(7), 0, other.handle, 99, 0 };
    ck_assert_int_eq(rig_op(GNTTABOP_unmap_grant_ref, &op, 1), 0);
    ck_assert_int_eq(op.status, GNTST_general_error);
    op = (struct gnttab_unmap_grant_ref){ 0, map.dev_bus_addr, other.handle, 99, 0 };
    ck_assert_int_eq(rig_op(GNTTABOP_unmap_grant_ref, &op, 1), 0);
    ck_assert_int_eq(op.status, GNTST_okay); /* it has no such part */
    ck_assert_uint_eq(rig_users(9), 2);
    ck_assert_uint_eq(fake_page_refs(page), 4);

    /* None of this did anything: both can still be unmapped. */
    ck_assert_int_eq(rig_unmap(&map), 0);
    ck_assert_int_eq(rig_unmap(&other), 0);
    ck_assert_uint_eq(fake_page_refs(page), 1);
    ck_assert_uint_eq(fake_page_uses(page), 0);
}
END_TEST

START_TEST(each_half_of_a_mapping_can_go_first)
{
    struct rig_state before = rig_state(page, 9);

    for (unsigned int i = 0; i < 2; i++) {
        struct gnttab_map_grant_ref map, half;

        ck_assert_int_eq(rig_map(9, HOST | DEVICE, 7, &map), 0);
        half = map;
        half.flags = i == 0 ? HOST : DEVICE;
        ck_assert_int_eq(rig_unmap(&half), 0);
        ck_assert_uint_eq(rig_marks(9), GTF_reading | GTF_writing);
        ck_assert_uint_eq(fake_page_refs(page), 2);
        ck_assert_uint_eq(fake_page_uses(page), 1);
        ck_assert_int_eq(rig_unmap(&half), 0); /* nothing left of it, as if 0 */
        half.flags = i == 0 ? DEVICE : HOST;
        ck_assert_int_eq(rig_unmap(&half), 0);
        rig_expect_same(&before, page, 9);
    }
}
END_TEST

START_TEST(handles_belong_to_one_domain)
{
    struct gnttab_map_grant_ref map;

    ck_assert_int_eq(rig_map(9, HOST, 7, &map), 0);
    fake_set_current(control->vcpu[0]);
    ck_assert_int_eq(rig_unmap(&map), GNTST_bad_handle);
    fake_set_current(granter->vcpu[0]);
    ck_assert_int_eq(rig_unmap(&map), GNTST_bad_handle);
    fake_set_current(mapper->vcpu[0]);
    ck_assert_int_eq(rig_unmap(&map), 0);
}
END_TEST

START_TEST(a_domain_may_map_its_own_grants)
{
    struct rig_state before;
    struct gnttab_map_grant_ref map;

    fake_set_current(granter->vcpu[0]);
    rig_grant(9, GTF_permit_access, GRANTER, frame);
    before = rig_state(page, 9);
    ck_assert_int_eq(rig_map(9, HOST, 7, &map), 0);
    ck_assert_int_eq(rig_unmap(&map), 0);
    rig_expect_same(&before, page, 9);
    ck_assert_int_eq(rig_map(9, HOST, 7, &map), 0);
    fake_set_current(mapper->vcpu[0]);
}
END_TEST

START_TEST(an_entry_that_is_gone_leaves_the_grant_in_use)
{
    struct gnttab_map_grant_ref map;

    /* The mapper overwrote the entry; the page-table code dropped what it held. */
    ck_assert_int_eq(rig_map(9, HOST, 7, &map), 0);
    pt[7] = 0;
    frame_let_go(mfn(frame), true);
    ck_assert_int_eq(rig_unmap(&map), GNTST_general_error);
    ck_assert_uint_eq(rig_marks(9), GTF_reading | GTF_writing);
    ck_assert_int_eq(rig_unmap(&map), GNTST_general_error);
    /* It ends with the mapper; see teardown. */
}
END_TEST

static void grant_is_still_marked(void)
{
    ck_assert_uint_eq(rig_marks(9), GTF_reading | GTF_writing);
    ck_assert_uint_gt(fake_page_refs(page), 1);
    ck_assert_uint_gt(fake_page_uses(page), 0);
}

START_TEST(the_granter_sees_its_page_unused_only_after_the_flush)
{
    struct gnttab_map_grant_ref map;

    ck_assert_int_eq(rig_map(9, HOST, 7, &map), 0);
    ck_assert_uint_eq(flushes, 0);
    flush_hook = grant_is_still_marked;
    ck_assert_int_eq(rig_unmap(&map), 0);
    flush_hook = NULL;
    ck_assert_uint_eq(flushes, 1);
    ck_assert_int_eq(rig_map(9, DEVICE, 7, &map), 0);
    ck_assert_int_eq(rig_unmap(&map), 0);
    ck_assert_uint_eq(flushes, 1); /* no CPU had it */
}
END_TEST

#define MANY 300u

/* A batch is continued at every n-th look at what is due; there is one after so many elements. */
static unsigned int calls_for(unsigned int elements, unsigned int n)
{
    return n == 0 ? 1 : DIV_ROUND_UP(MANY, elements * n);
}

static void map_many(struct gnttab_map_grant_ref *maps, unsigned int *calls)
{
    for (unsigned int i = 0; i < MANY; i++) {
        maps[i] = (struct gnttab_map_grant_ref){ .host_addr = PT_ADDRESS(i),
                                                 .flags = HOST,
                                                 .ref = i % 5 == 4 ? 100 : 9,
                                                 .dom = GRANTER,
                                                 .status = 99 };
    }
    ck_assert_int_eq(rig_op_calls(GNTTABOP_map_grant_ref, maps, MANY, calls), 0);
}

START_TEST(batches_are_done_completely_however_often_interrupted)
{
    static struct gnttab_map_grant_ref maps[MANY];
    static struct gnttab_unmap_grant_ref unmaps[MANY];
    struct rig_state before = rig_state(page, 9);
    unsigned int calls;

    fake_answers.preempt_after = (unsigned int)_i;
    map_many(maps, &calls);
    ck_assert_uint_eq(calls, calls_for(8, (unsigned int)_i));
    ck_assert_uint_eq(rig_users(9), MANY / 5 * 4);
    for (unsigned int i = 0; i < MANY; i++) {
        ck_assert_int_eq(maps[i].status, i % 5 == 4 ? GNTST_general_error : 0);
        unmaps[i] = (struct gnttab_unmap_grant_ref){ .host_addr = PT_ADDRESS(i),
                                                     .handle = i % 5 == 4 ? 0xdead : maps[i].handle,
                                                     .status = 99 };
    }
    ck_assert_int_eq(rig_op_calls(GNTTABOP_unmap_grant_ref, unmaps, MANY, &calls), 0);
    ck_assert_uint_eq(calls, calls_for(32, (unsigned int)_i));
    for (unsigned int i = 0; i < MANY; i++) {
        ck_assert_int_eq(unmaps[i].status, i % 5 == 4 ? GNTST_bad_handle : 0);
    }
    ck_assert_uint_eq(flushes, (MANY + 31) / 32);
    rig_expect_same(&before, page, 9);
}
END_TEST

START_TEST(an_unreachable_request_ends_the_batch_with_those_before_it_done)
{
    static struct gnttab_map_grant_ref maps[MANY];
    static struct gnttab_unmap_grant_ref unmaps[MANY];
    unsigned int calls;

    map_many(maps, &calls);
    for (unsigned int i = 0; i < MANY; i++) {
        unmaps[i] = (struct gnttab_unmap_grant_ref){ .host_addr = PT_ADDRESS(i),
                                                     .handle = maps[i].handle,
                                                     .status = 99 };
    }
    fake_answers.fault_start = &unmaps[40];
    fake_answers.fault_size = sizeof(unmaps[40].host_addr); /* its answer can be written */
    ck_assert_int_eq(rig_op(GNTTABOP_unmap_grant_ref, unmaps, MANY), -XEN_EFAULT);
    ck_assert_uint_eq(rig_users(9), (MANY - 40) / 5 * 4);
    ck_assert_uint_eq(fake_page_refs(page), 1 + (MANY - 40) / 5 * 4);
    ck_assert_uint_eq(flushes, 2);
    fake_answers.fault_size = 0;
    ck_assert_int_eq(unmaps[39].status, GNTST_bad_handle);
    ck_assert_int_eq(unmaps[40].status, 99);
    ck_assert_int_eq(rig_op(GNTTABOP_unmap_grant_ref, &unmaps[40], MANY - 40), 0);
    ck_assert_uint_eq(rig_users(9), 0);
}
END_TEST

START_TEST(a_mapping_whose_handle_cannot_be_told_is_undone)
{
    struct rig_state before = rig_state(page, 9);
    static struct gnttab_map_grant_ref maps[2];

    for (unsigned int i = 0; i < 2; i++) {
        maps[i] = (struct gnttab_map_grant_ref){
            .host_addr = PT_ADDRESS(i), .flags = HOST | DEVICE, .ref = 9, .dom = GRANTER
        };
    }
    read_only_start = &maps[1];
    ck_assert_int_eq(rig_op(GNTTABOP_map_grant_ref, maps, 2), -XEN_EFAULT);
    read_only_start = NULL;
    ck_assert_int_eq(maps[0].status, 0);
    ck_assert_uint_eq(rig_users(9), 1);
    ck_assert_int_eq(rig_unmap(&maps[0]), 0);
    rig_expect_same(&before, page, 9);
}
END_TEST

START_TEST(an_unreachable_request_ends_a_batch_of_mappings)
{
    static struct gnttab_map_grant_ref maps[3];

    for (unsigned int i = 0; i < 3; i++) {
        maps[i] = (struct gnttab_map_grant_ref){
            .host_addr = PT_ADDRESS(i), .flags = HOST, .ref = 9, .dom = GRANTER, .status = 99
        };
    }
    fake_answers.fault_start = &maps[1];
    fake_answers.fault_size = sizeof(maps[1].host_addr);
    ck_assert_int_eq(rig_op(GNTTABOP_map_grant_ref, maps, 3), -XEN_EFAULT);
    fake_answers.fault_size = 0;
    ck_assert_int_eq(maps[0].status, 0);
    ck_assert_int_eq(maps[1].status, 99);
    ck_assert_int_eq(maps[2].status, 99);
    ck_assert_uint_eq(rig_users(9), 1);
}
END_TEST

/* The word of a request with the status, and the one with the address. */
START_TEST(a_mapping_half_of_whose_answer_cannot_be_told_is_undone)
{
    struct rig_state before = rig_state(page, 9);
    struct gnttab_map_grant_ref op = {
        .host_addr = PT_ADDRESS(0), .flags = HOST, .ref = 9, .dom = GRANTER, .status = 99
    };

    fake_answers.write_fault_start = _i == 0 ? (const void *)&op.status : &op.dev_bus_addr;
    fake_answers.write_fault_size = 1;
    ck_assert_int_eq(rig_op(GNTTABOP_map_grant_ref, &op, 1), -XEN_EFAULT);
    rig_expect_same(&before, page, 9);
}
END_TEST

START_TEST(a_refusal_is_told_without_an_address)
{
    struct gnttab_map_grant_ref op = { .flags = HOST, .ref = 10, .dom = GRANTER, .status = 99 };

    fake_answers.write_fault_start = &op.dev_bus_addr;
    fake_answers.write_fault_size = 1;
    ck_assert_int_eq(rig_op(GNTTABOP_map_grant_ref, &op, 1), 0);
    ck_assert_int_eq(op.status, GNTST_general_error);
}
END_TEST

START_TEST(a_refusal_that_cannot_be_told_undoes_nothing)
{
    struct gnttab_map_grant_ref map, op;
    struct rig_state before;

    ck_assert_int_eq(rig_map(9, HOST, 0, &map), 0);
    before = rig_state(page, 9);
    op = map; /* with the handle and the address of that mapping */
    op.ref = 10;
    fake_answers.write_fault_start = &op;
    fake_answers.write_fault_size = sizeof(op);
    ck_assert_int_eq(rig_op(GNTTABOP_map_grant_ref, &op, 1), -XEN_EFAULT);
    rig_expect_same(&before, page, 9);
}
END_TEST

static void entry_is_overwritten(void)
{
    answer_hook = NULL;
    pt[0] = 0;
    frame_let_go(mfn(frame), true);
}

START_TEST(a_mapping_that_is_gone_before_it_can_be_told_is_left_to_the_end)
{
    struct gnttab_map_grant_ref op = {
        .host_addr = PT_ADDRESS(0), .flags = HOST, .ref = 9, .dom = GRANTER, .status = 99
    };

    fake_answers.write_fault_start = &op;
    fake_answers.write_fault_size = sizeof(op);
    answer_hook = entry_is_overwritten;
    ck_assert_int_eq(rig_op(GNTTABOP_map_grant_ref, &op, 1), -XEN_EFAULT);
    ck_assert_uint_eq(flushes, 0);
    ck_assert_uint_eq(rig_users(9), 1);
    ck_assert_uint_eq(fake_page_refs(page), 1);
}
END_TEST

START_TEST(an_unmapping_that_cannot_be_told_is_the_last_of_its_batch)
{
    static struct gnttab_map_grant_ref maps[3];
    struct gnttab_unmap_grant_ref unmaps[3];

    for (unsigned int i = 0; i < 3; i++) {
        ck_assert_int_eq(rig_map(9, HOST, i, &maps[i]), 0);
        unmaps[i] = (struct gnttab_unmap_grant_ref){ .host_addr = PT_ADDRESS(i),
                                                     .handle = maps[i].handle,
                                                     .status = 99 };
    }
    fake_answers.write_fault_start = &unmaps[1].status;
    fake_answers.write_fault_size = 1;
    ck_assert_int_eq(rig_op(GNTTABOP_unmap_grant_ref, unmaps, 3), -XEN_EFAULT);
    ck_assert_int_eq(unmaps[0].status, 0);
    ck_assert_int_eq(unmaps[2].status, 99);
    ck_assert_uint_eq(rig_users(9), 1);
    ck_assert_uint_eq(pt[1], 0);
    ck_assert_uint_ne(pt[2], 0);
}
END_TEST

START_TEST(a_frame_that_takes_long_to_become_writable_is_asked_for_again)
{
    struct rig_state before = rig_state(page, 9);
    struct gnttab_map_grant_ref op = {
        .host_addr = PT_ADDRESS(0), .flags = HOST, .ref = 9, .dom = GRANTER, .status = 99
    };

    fake_answers.page_type_result = -XEN_ERESTART;
    ck_assert_int_eq(hypercall_grant_table_op(GNTTABOP_map_grant_ref, (uint64_t)&op, 1),
                     -XEN_ERESTART);
    ck_assert_uint_eq(fake.continued[1], (uint64_t)&op);
    ck_assert_uint_eq(fake.continued[2], 1);
    ck_assert_int_eq(op.status, 99);
    rig_expect_same(&before, page, 9);
}
END_TEST

START_TEST(replacing_puts_another_entry_in_place)
{
    struct rig_state before;
    struct gnttab_map_grant_ref map;
    struct gnttab_unmap_and_replace op;

    pt[20] = 0x12345067;
    before = rig_state(page, 9);
    ck_assert_int_eq(rig_map(9, HOST | DEVICE, 7, &map), 0);
    op = (struct gnttab_unmap_and_replace){ PT_ADDRESS(7), PT_ADDRESS(20), map.handle, 99, 0 };
    ck_assert_int_eq(rig_op(GNTTABOP_unmap_and_replace, &op, 1), 0);
    ck_assert_int_eq(op.status, 0);
    ck_assert_uint_eq(pt[7], 0x12345067);
    ck_assert_uint_eq(pt[20], 0);
    ck_assert_uint_eq(fake_page_refs(page), 2); /* the device's half is not its business */
    map.flags = DEVICE;
    ck_assert_int_eq(rig_unmap(&map), 0);
    rig_expect_same(&before, page, 9);
    pt[7] = 0;
}
END_TEST

START_TEST(handles_run_out_and_come_back)
{
    static struct gnttab_map_grant_ref maps[HANDLES + 1];
    static bool seen[HANDLES];

    for (unsigned int round = 0; round < 3; round++) {
        memset(seen, 0, sizeof(seen));
        for (unsigned int i = 0; i <= HANDLES; i++) {
            int status = rig_map(9, HOST | GNTMAP_readonly, i, &maps[i]);

            ck_assert_int_eq(status, i < HANDLES ? 0 : GNTST_no_space);
            if (status == 0) {
                ck_assert_uint_lt(maps[i].handle, HANDLES);
                ck_assert(!seen[maps[i].handle]);
                seen[maps[i].handle] = true;
            }
        }
        ck_assert_uint_eq(rig_users(9), HANDLES);
        for (unsigned int i = 0; i < HANDLES; i++) {
            ck_assert_int_eq(rig_unmap(&maps[(i * 7) % HANDLES]), 0);
        }
    }
    ck_assert_uint_eq(fake_page_refs(page), 1);
}
END_TEST

START_TEST(without_memory_for_handles_there_is_no_space)
{
    for (unsigned int i = 1; i <= 2; i++) {
        fake_answers.fail_allocation = i;
        expect_refused(9, HOST, 0, GNTST_no_space);
    }
    fake_answers.fail_allocation = 0;
}
END_TEST

START_TEST(a_mapper_that_dies_gives_everything_back)
{
    struct rig_state before;
    struct gnttab_map_grant_ref map;
    unsigned int asked = 0;
    int error;

    for (unsigned int i = 0; i < HANDLES; i++) {
        ck_assert_int_eq(rig_map(9, i % 3 == 0 ? HOST : HOST | DEVICE, i, &map), 0);
    }
    before = rig_state(page, 9);
    ck_assert_uint_eq(before.uses, HANDLES + HANDLES * 2 / 3);
    /* Its page tables go first, and drop what they hold. */
    for (unsigned int i = 0; i < HANDLES; i++) {
        frame_let_go(pte_frame(pt[i]), true);
        pt[i] = 0;
    }
    ck_assert_uint_eq(rig_marks(9), GTF_reading | GTF_writing);
    fake_answers.preempt_after = 1;
    while ((error = grant_table_release_mappings(mapper)) == -XEN_ERESTART) {
        asked++;
    }
    ck_assert_int_eq(error, 0);
    ck_assert_uint_eq(asked, HANDLES / 64 - 1);
    ck_assert_uint_eq(rig_marks(9), 0);
    ck_assert_uint_eq(rig_users(9), 0);
    ck_assert_uint_eq(fake_page_refs(page), 1);
    ck_assert_uint_eq(fake_page_uses(page), 0);
    ck_assert_uint_eq(granter->references, 1);
    ck_assert_int_eq(grant_table_release_mappings(mapper), 0);
}
END_TEST

START_TEST(a_granter_that_dies_stays_until_the_last_mapping_is_gone)
{
    struct gnttab_map_grant_ref map;

    ck_assert_int_eq(rig_map(9, HOST, 7, &map), 0);
    granter->state = DOMAIN_DYING;
    ck_assert_int_eq(grant_table_release_mappings(granter), 0);
    ck_assert(page_disown(page)); /* its memory is taken away ... */
    ck_assert_uint_eq(fake.pages_released, 0);
    granter->state = DOMAIN_DEAD;
    domain_put(granter); /* ... and domctl lets go of it */
    ck_assert_uint_eq(granter->references, 1);
    ck_assert_ptr_nonnull(granter->grants);
    ck_assert_int_eq(rig_unmap(&map), 0);
    ck_assert_uint_eq(granter->references, 0);
    ck_assert_uint_eq(fake.pages_released, 1);
    domain_get(granter); /* for teardown */
}
END_TEST

/* ---- more than one CPU -------------------------------------------------------------------------
 */

#define ROUNDS 20000

static pthread_barrier_t both;
static _Atomic unsigned int winners;
static uint32_t contested;

static void *unmap_the_same(void *number)
{
    fake_cpu_use((unsigned int)(uintptr_t)number, mapper->vcpu[0]);
    for (unsigned int i = 0; i < ROUNDS; i++) {
        struct gnttab_unmap_grant_ref op = { .status = 99 };

        pthread_barrier_wait(&both);
        op.dev_bus_addr = frame << PAGE_SHIFT;
        op.handle = contested;
        if (hypercall_grant_table_op(GNTTABOP_unmap_grant_ref, (uint64_t)&op, 1) == 0) {
            winners += op.status == 0;
        }
        pthread_barrier_wait(&both);
    }
    return NULL;
}

START_TEST(of_two_that_unmap_one_mapping_one_does)
{
    struct rig_state before = rig_state(page, 9);
    struct gnttab_map_grant_ref map;
    unsigned int wrong = 0;
    pthread_t threads[2];

    pthread_barrier_init(&both, NULL, 3);
    for (uintptr_t i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, unmap_the_same, (void *)(i + 1)), 0);
    }
    for (unsigned int i = 0; i < ROUNDS; i++) {
        map = (struct gnttab_map_grant_ref){ .flags = DEVICE, .ref = 9, .dom = GRANTER };
        wrong += hypercall_grant_table_op(GNTTABOP_map_grant_ref, (uint64_t)&map, 1) != 0;
        contested = map.handle;
        winners = 0;
        pthread_barrier_wait(&both);
        pthread_barrier_wait(&both);
        wrong += winners != 1;
    }
    for (unsigned int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_uint_eq(wrong, 0);
    rig_expect_same(&before, page, 9);
}
END_TEST

static _Atomic uint8_t taken[HANDLES];
static _Atomic unsigned int clashes, refusals;

static void *take_and_give(void *number)
{
    struct gnttab_map_grant_ref maps[200];
    unsigned int held = 0;
    uintptr_t state = (uintptr_t)number;

    fake_cpu_use((unsigned int)state, mapper->vcpu[0]);
    for (unsigned int i = 0; i < ROUNDS * 4; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        if (held < ARRAY_SIZE(maps) && (held == 0 || (state >> 33) % 2 == 0)) {
            struct gnttab_map_grant_ref *map = &maps[held];

            *map = (struct gnttab_map_grant_ref){ .flags = DEVICE, .ref = 9, .dom = GRANTER };
            (void)hypercall_grant_table_op(GNTTABOP_map_grant_ref, (uint64_t)map, 1);
            refusals += map->status != 0;
            clashes += map->status == 0 && taken[map->handle]++ != 0;
            held += map->status == 0;
        } else {
            struct gnttab_map_grant_ref *map = &maps[--held];
            struct gnttab_unmap_grant_ref op = { 0, map->dev_bus_addr, map->handle, 99, 0 };

            taken[map->handle]--;
            (void)hypercall_grant_table_op(GNTTABOP_unmap_grant_ref, (uint64_t)&op, 1);
            refusals += op.status != 0;
        }
    }
    return NULL;
}

START_TEST(no_handle_is_given_out_twice)
{
    pthread_t threads[2];

    for (uintptr_t i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, take_and_give, (void *)(i + 1)), 0);
    }
    for (unsigned int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_uint_eq(clashes, 0);
    ck_assert_uint_eq(refusals, 0);
    ck_assert_int_eq(grant_table_release_mappings(mapper), 0);
    ck_assert_uint_eq(fake_page_refs(page), 1);
    ck_assert_uint_eq(fake_page_uses(page), 0);
    ck_assert_uint_eq(rig_users(9), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("grant map");
    TCase *tests = suite_case(suite, "map");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_set_timeout(tests, 60);
    tcase_add_test(tests, mapping_and_unmapping_leaves_all_as_it_was);
    tcase_add_test(tests, the_entry_written_is_no_stronger_than_asked);
    tcase_add_test(tests, a_refused_mapping_changes_nothing);
    tcase_add_test(tests, a_part_of_a_page_is_not_mapped);
    tcase_add_test(tests, each_element_of_a_batch_has_a_granter_of_its_own);
    tcase_add_test(tests, there_must_be_such_a_granter);
    tcase_add_test(tests, a_granter_without_a_table_grants_nothing);
    tcase_add_test(tests, what_is_unmapped_is_checked_completely);
    tcase_add_test(tests, each_half_of_a_mapping_can_go_first);
    tcase_add_test(tests, handles_belong_to_one_domain);
    tcase_add_test(tests, a_domain_may_map_its_own_grants);
    tcase_add_test(tests, an_entry_that_is_gone_leaves_the_grant_in_use);
    tcase_add_test(tests, the_granter_sees_its_page_unused_only_after_the_flush);
    tcase_add_loop_test(tests, batches_are_done_completely_however_often_interrupted, 0, 4);
    tcase_add_test(tests, an_unreachable_request_ends_the_batch_with_those_before_it_done);
    tcase_add_test(tests, a_mapping_whose_handle_cannot_be_told_is_undone);
    tcase_add_test(tests, an_unreachable_request_ends_a_batch_of_mappings);
    tcase_add_loop_test(tests, a_mapping_half_of_whose_answer_cannot_be_told_is_undone, 0, 2);
    tcase_add_test(tests, a_refusal_is_told_without_an_address);
    tcase_add_test(tests, a_refusal_that_cannot_be_told_undoes_nothing);
    tcase_add_test(tests, a_mapping_that_is_gone_before_it_can_be_told_is_left_to_the_end);
    tcase_add_test(tests, an_unmapping_that_cannot_be_told_is_the_last_of_its_batch);
    tcase_add_test(tests, a_frame_that_takes_long_to_become_writable_is_asked_for_again);
    tcase_add_test(tests, replacing_puts_another_entry_in_place);
    tcase_add_test(tests, handles_run_out_and_come_back);
    tcase_add_test(tests, without_memory_for_handles_there_is_no_space);
    tcase_add_test(tests, a_mapper_that_dies_gives_everything_back);
    tcase_add_test(tests, a_granter_that_dies_stays_until_the_last_mapping_is_gone);
    tcase_add_test(tests, of_two_that_unmap_one_mapping_one_does);
    tcase_add_test(tests, no_handle_is_given_out_twice);
    return suite_run(suite);
}
