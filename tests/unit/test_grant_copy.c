/* SPDX-License-Identifier: MIT */
/*
 * Copies: which bytes arrive, who may read and write what, and that nothing is
 * held or marked afterwards.
 */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hypervisor/mm/page_type.h"
#include "tests/fake/fake.h"
#include "tests/unit/grant_rig.h"
#include "tests/unit/suite.h"

#define FROM GNTCOPY_source_gref
#define TO   GNTCOPY_dest_gref

static struct page *own, *granted, *second;

static void fill(const struct page *page, unsigned int seed)
{
    uint8_t *bytes = page_address(page);

    for (unsigned int i = 0; i < PAGE_SIZE; i++) {
        bytes[i] = (uint8_t)(i * 7 + i / 256 + seed);
    }
}

static void setup(void)
{
    rig_start();
    own = rig_page(mapper);
    granted = rig_page(granter);
    second = rig_page(granter);
    fill(own, 1);
    fill(granted, 100);
    fill(second, 200);
    rig_grant(9, GTF_permit_access, MAPPER, rig_frame(granted));
    rig_grant(10, GTF_permit_access | GTF_readonly, MAPPER, rig_frame(second));
}

static void teardown(void)
{
    const struct page *pages[] = { own, granted, second };

    for (unsigned int i = 0; i < ARRAY_SIZE(pages); i++) {
        ck_assert_uint_eq(fake_page_refs(pages[i]), 1);
        ck_assert_uint_eq(fake_page_uses(pages[i]), 0);
    }
    for (grant_ref_t ref = 9; ref < 12; ref++) {
        ck_assert_uint_eq(rig_users(ref), 0);
        ck_assert_uint_eq(rig_marks(ref), 0);
    }
    rig_end();
}

static struct gnttab_copy_ptr by_ref(grant_ref_t ref, unsigned int offset)
{
    struct gnttab_copy_ptr pointer = { .domid = GRANTER, .offset = (uint16_t)offset };

    pointer.u.ref = ref;
    return pointer;
}

static struct gnttab_copy_ptr by_frame(const struct page *page, unsigned int offset)
{
    struct gnttab_copy_ptr pointer = { .domid = DOMID_SELF, .offset = (uint16_t)offset };

    pointer.u.gmfn = rig_frame(page);
    return pointer;
}

static int copy(uint32_t flags, struct gnttab_copy_ptr from, struct gnttab_copy_ptr to,
                unsigned int length)
{
    struct gnttab_copy op = { from, to, (uint16_t)length, (uint16_t)flags, 99, 0 };

    ck_assert_int_eq(rig_op(GNTTABOP_copy, &op, 1), 0);
    return op.status;
}

/* The two pages as they must be after a copy of part of the first into the second. */
static void expect_copied(const uint8_t before[2][PAGE_SIZE], const struct page *to,
                          unsigned int from_offset, unsigned int to_offset, unsigned int length)
{
    uint8_t wanted[PAGE_SIZE];

    memcpy(wanted, before[1], PAGE_SIZE);
    memcpy(wanted + to_offset, before[0] + from_offset, length);
    ck_assert_mem_eq(page_address(to), wanted, PAGE_SIZE);
}

START_TEST(exactly_the_bytes_asked_for_arrive)
{
    static const unsigned int offsets[] = { 0, 1, 8, 63, 2048, 4095, 4096 };
    static const unsigned int lengths[] = { 0, 1, 2, 7, 64, 100, 2048, 4095, 4096 };
    struct page *pages[2] = { _i % 2 == 0 ? granted : own, _i % 2 == 0 ? own : granted };
    uint32_t flags = _i % 2 == 0 ? FROM : TO;

    for (unsigned int i = 0; i < 7 * 7 * 9; i++) {
        unsigned int from = offsets[i % 7], to = offsets[i / 7 % 7], length = lengths[i / 49];
        bool fits = from + length <= PAGE_SIZE && to + length <= PAGE_SIZE;
        uint8_t before[2][PAGE_SIZE];

        fill(pages[1], i);
        memcpy(before[0], page_address(pages[0]), PAGE_SIZE);
        memcpy(before[1], page_address(pages[1]), PAGE_SIZE);
        ck_assert_int_eq(copy(flags, flags == FROM ? by_ref(9, from) : by_frame(own, from),
                              flags == TO ? by_ref(9, to) : by_frame(own, to), length),
                         fits ? GNTST_okay : GNTST_bad_copy_arg);
        expect_copied((const uint8_t(*)[PAGE_SIZE])before, pages[1], from, to, fits ? length : 0);
        ck_assert_mem_eq(page_address(pages[0]), before[0], PAGE_SIZE);
    }
}
END_TEST

START_TEST(a_page_may_be_copied_onto_itself)
{
    uint8_t before[2][PAGE_SIZE];

    memcpy(before[0], page_address(granted), PAGE_SIZE);
    memcpy(before[1], page_address(granted), PAGE_SIZE);
    ck_assert_int_eq(copy(FROM | TO, by_ref(9, 0), by_ref(9, 100), 3000), 0);
    expect_copied((const uint8_t(*)[PAGE_SIZE])before, granted, 0, 100, 3000);
}
END_TEST

START_TEST(copies_need_the_rights_of_both_ends)
{
    uint8_t before[2][PAGE_SIZE];
    struct page *table = rig_page(mapper), *others = rig_page(control);
    struct gnttab_copy_ptr pointer;

    memcpy(before[0], page_address(own), PAGE_SIZE);
    memcpy(before[1], page_address(second), PAGE_SIZE);
    ck_assert_int_eq(copy(TO, by_frame(own, 0), by_ref(10, 0), 10), GNTST_general_error);
    ck_assert_int_eq(copy(FROM | TO, by_ref(9, 0), by_ref(10, 0), 10), GNTST_general_error);
    ck_assert_int_eq(copy(FROM, by_ref(11, 0), by_frame(own, 0), 10), GNTST_general_error);
    ck_assert_int_eq(copy(FROM, by_ref(512, 0), by_frame(own, 0), 10), GNTST_bad_gntref);
    ck_assert_int_eq(copy(FROM, by_ref(UINT32_MAX, 0), by_frame(own, 0), 10), GNTST_bad_gntref);
    ck_assert_int_eq(copy(0, by_frame(granted, 0), by_frame(own, 0), 10), GNTST_bad_page);
    ck_assert_int_eq(copy(0, by_frame(own, 0), by_frame(granted, 0), 10), GNTST_bad_page);

    ck_assert_int_eq(page_type_get(table, PAGE_L4), 0);
    ck_assert_int_eq(copy(0, by_frame(own, 0), by_frame(table, 0), 10), GNTST_general_error);
    ck_assert_int_eq(copy(0, by_frame(table, 0), by_frame(own, 0), 10), GNTST_okay);

    pointer = by_frame(own, 0);
    pointer.domid = MAPPER; /* oneself by number is not DOMID_SELF */
    ck_assert_int_eq(copy(0, pointer, by_frame(own, 0), 10), GNTST_permission_denied);
    pointer = by_frame(others, 0);
    pointer.domid = 0;
    ck_assert_int_eq(copy(0, pointer, by_frame(own, 0), 10), GNTST_permission_denied);
    ck_assert_int_eq(copy(0, by_frame(own, 0), pointer, 10), GNTST_permission_denied);
    pointer.domid = 5;
    ck_assert_int_eq(copy(0, by_frame(own, 0), pointer, 10), GNTST_bad_domain);
    ck_assert_int_eq(copy(FROM, pointer, by_frame(own, 0), 10), GNTST_bad_domain);
    rig_grant(11, GTF_permit_access, MAPPER, FAKE_FRAMES);
    ck_assert_int_eq(copy(FROM, by_ref(11, 0), by_frame(own, 0), 10), GNTST_bad_page);
    pointer = by_frame(own, 0);
    pointer.u.gmfn = UINT64_MAX;
    ck_assert_int_eq(copy(0, by_frame(own, 0), pointer, 10), GNTST_bad_page);
    pointer.u.gmfn = UINT64_C(1) << 32 | rig_frame(own);
    ck_assert_int_eq(copy(0, by_frame(own, 0), pointer, 10), GNTST_bad_page);
    pointer.u.gmfn = FAKE_FRAMES;
    ck_assert_int_eq(copy(0, pointer, by_frame(own, 0), 10), GNTST_bad_page);
    granter->state = DOMAIN_DYING;
    ck_assert_int_eq(copy(FROM, by_ref(9, 0), by_frame(own, 0), 10), GNTST_bad_domain);
    granter->state = DOMAIN_ALIVE;

    ck_assert_mem_eq(page_address(second), before[1], PAGE_SIZE);
    ck_assert_mem_eq((uint8_t *)page_address(own) + 10, before[0] + 10, PAGE_SIZE - 10);
}
END_TEST

START_TEST(a_part_of_a_page_is_all_that_can_be_reached)
{
    rig_use_version(granter, 2);
    rig_grant_part(9, GTF_permit_access | GTF_sub_page, MAPPER, rig_frame(granted),
                   100 | 200u << 16);
    ck_assert_int_eq(copy(FROM, by_ref(9, 100), by_frame(own, 0), 200), 0);
    ck_assert_int_eq(copy(TO, by_frame(own, 0), by_ref(9, 100), 200), 0);
    ck_assert_int_eq(copy(FROM, by_ref(9, 99), by_frame(own, 0), 10), GNTST_general_error);
    ck_assert_int_eq(copy(FROM, by_ref(9, 101), by_frame(own, 0), 200), GNTST_general_error);
    ck_assert_int_eq(copy(TO, by_frame(own, 0), by_ref(9, 300), 1), GNTST_general_error);
    ck_assert_int_eq(copy(FROM, by_ref(9, 0), by_frame(own, 0), 0), GNTST_general_error);
    rig_grant_part(9, GTF_permit_access | GTF_sub_page, MAPPER, rig_frame(granted),
                   0xffff | 0xffffu << 16);
    ck_assert_int_eq(copy(FROM, by_ref(9, 4095), by_frame(own, 0), 1), GNTST_general_error);
    rig_grant_part(9, GTF_permit_access | GTF_sub_page, MAPPER, rig_frame(granted),
                   4000 | 0xffffu << 16);
    ck_assert_int_eq(copy(FROM, by_ref(9, 4000), by_frame(own, 0), 96), 0);
    rig_grant(9, GTF_transitive, MAPPER, rig_frame(granted));
    ck_assert_int_eq(copy(FROM, by_ref(9, 0), by_frame(own, 0), 1), GNTST_general_error);
}
END_TEST

#define MANY 100u

/* From both grants in turn, pairs from the same, each into a byte range of its own. */
static void make_batch(struct gnttab_copy *ops)
{
    for (unsigned int i = 0; i < MANY; i++) {
        ops[i] = (struct gnttab_copy){
            by_ref(i % 10 == 9 ? 11 : 9 + i / 2 % 2, i * 3), by_frame(own, i * 40), 40, FROM, 99, 0
        };
    }
}

static void expect_batch(const struct gnttab_copy *ops, unsigned int count, const uint8_t *before)
{
    const uint8_t *bytes = page_address(own);

    for (unsigned int i = 0; i < MANY; i++) {
        bool good = i < count && i % 10 != 9;
        const uint8_t *from = page_address(i / 2 % 2 == 0 ? granted : second);

        ck_assert_int_eq(ops[i].status, i >= count ? 99 : good ? 0 : GNTST_general_error);
        ck_assert_mem_eq(bytes + i * 40, good ? from + i * 3 : before + i * 40, 40);
    }
}

START_TEST(a_batch_is_done_completely_however_often_interrupted)
{
    static struct gnttab_copy ops[MANY];
    uint8_t before[PAGE_SIZE];
    unsigned int calls;

    memcpy(before, page_address(own), PAGE_SIZE);
    make_batch(ops);
    fake_answers.preempt_after = (unsigned int)_i;
    ck_assert_int_eq(rig_op_calls(GNTTABOP_copy, ops, MANY, &calls), 0);
    ck_assert_uint_eq(calls,
                      _i == 0 ? 1 : (MANY + 8 * (unsigned int)_i - 1) / (8 * (unsigned int)_i));
    expect_batch(ops, MANY, before);
}
END_TEST

START_TEST(an_end_is_used_again_only_for_the_same_page)
{
    struct page *third = rig_page(control), *fourth = rig_page(mapper);
    uint64_t name = rig_frame(fourth); /* a frame's number and a reference, alike */
    struct gnttab_copy ops[4];
    uint8_t before[PAGE_SIZE];

    fill(third, 50);
    fill(fourth, 60);
    memcpy(before, page_address(own), PAGE_SIZE);
    ck_assert_uint_lt(name, GRANT_V1_ENTRIES);
    *grant_v1_word(control->grants, 9) = GTF_permit_access | MAPPER << 16 | rig_frame(third) << 32;
    *grant_v1_word(mapper->grants, (grant_ref_t)name) =
        GTF_permit_access | MAPPER << 16 | rig_frame(own) << 32;
    ops[0] = (struct gnttab_copy){ by_ref(9, 0), by_frame(own, 0), 10, FROM, 99, 0 };
    ops[1] = (struct gnttab_copy){ by_ref(9, 0), by_frame(own, 10), 10, FROM, 99, 0 };
    ops[1].source.domid = 0;
    ops[2] = (struct gnttab_copy){ by_frame(fourth, 30), by_frame(own, 20), 10, 0, 99, 0 };
    ops[3] = (struct gnttab_copy){ by_frame(fourth, 30), by_frame(own, 30), 10, FROM, 99, 0 };
    ck_assert_int_eq(rig_op(GNTTABOP_copy, ops, 4), 0);
    for (unsigned int i = 0; i < 4; i++) {
        ck_assert_int_eq(ops[i].status, 0);
    }
    ck_assert_mem_eq(page_address(own), page_address(granted), 10);
    ck_assert_mem_eq((uint8_t *)page_address(own) + 10, page_address(third), 10);
    ck_assert_mem_eq((uint8_t *)page_address(own) + 20, (uint8_t *)page_address(fourth) + 30, 10);
    ck_assert_mem_eq((uint8_t *)page_address(own) + 30, before + 30, 10);
    ck_assert_uint_eq(fake_page_refs(third), 1);
    ck_assert_uint_eq(fake_page_refs(fourth), 1);
}
END_TEST

static void granter_takes_it_back(void)
{
    *grant_v1_word(granter->grants, 9) = 0;
}

START_TEST(an_end_stays_open_for_the_next_element_that_names_its_page)
{
    struct gnttab_copy ops[2] = { { by_ref(9, 0), by_frame(own, 0), 10, FROM, 99, 0 },
                                  { by_ref(9, 10), by_frame(own, 10), 10, FROM, 99, 0 } };

    ops[1].source.u.gmfn |= UINT64_C(1) << 40; /* a reference has 32 bits */
    answer_hook = granter_takes_it_back;
    ck_assert_int_eq(rig_op(GNTTABOP_copy, ops, 2), 0);
    answer_hook = NULL;
    ck_assert_int_eq(ops[0].status, 0);
    ck_assert_int_eq(ops[1].status, 0);
    ck_assert_mem_eq(page_address(own), page_address(granted), 20);
}
END_TEST

START_TEST(an_end_that_was_refused_is_not_open)
{
    struct gnttab_copy_ptr nothing = { .domid = 0 }; /* as before the first element */
    struct gnttab_copy ops[2] = { { by_ref(11, 0), by_frame(own, 0), 10, FROM, 99, 0 },
                                  { by_ref(11, 0), by_frame(own, 10), 10, FROM, 99, 0 } };

    ck_assert_int_eq(rig_op(GNTTABOP_copy, ops, 2), 0);
    ck_assert_int_eq(ops[0].status, GNTST_general_error);
    ck_assert_int_eq(ops[1].status, GNTST_general_error);
    ck_assert_int_eq(copy(0, nothing, by_frame(own, 0), 10), GNTST_permission_denied);
}
END_TEST

START_TEST(an_answer_that_cannot_be_written_ends_the_batch)
{
    struct gnttab_copy ops[2] = { { by_ref(9, 0), by_frame(own, 0), 10, FROM, 99, 0 },
                                  { by_ref(9, 10), by_frame(own, 10), 10, FROM, 99, 0 } };

    fake_answers.write_fault_start = &ops[0];
    fake_answers.write_fault_size = sizeof(ops[0]);
    ck_assert_int_eq(rig_op(GNTTABOP_copy, ops, 2), -XEN_EFAULT);
    ck_assert_int_eq(ops[1].status, 99);
}
END_TEST

START_TEST(nothing_is_held_where_a_batch_is_interrupted)
{
    static struct gnttab_copy ops[MANY];

    make_batch(ops);
    fake_answers.preempt_after = 2;
    ck_assert_int_eq(hypercall_grant_table_op(GNTTABOP_copy, (uint64_t)ops, MANY), -XEN_ERESTART);
    ck_assert_uint_eq(fake.continued[1], (uint64_t)&ops[16]);
    ck_assert_uint_eq(fake.continued[2], MANY - 16);
    ck_assert_uint_eq(rig_users(9), 0);
    ck_assert_uint_eq(rig_users(10), 0);
    ck_assert_uint_eq(fake_page_refs(own), 1);
}
END_TEST

START_TEST(an_unreachable_request_ends_the_batch_with_those_before_it_done)
{
    static struct gnttab_copy ops[MANY];
    uint8_t before[PAGE_SIZE];

    memcpy(before, page_address(own), PAGE_SIZE);
    make_batch(ops);
    fake_answers.fault_start = &ops[33];
    fake_answers.fault_size = 1;
    ck_assert_int_eq(rig_op(GNTTABOP_copy, ops, MANY), -XEN_EFAULT);
    expect_batch(ops, 33, before);
}
END_TEST

START_TEST(a_target_that_takes_long_to_become_writable_is_asked_for_again)
{
    struct gnttab_copy op = { by_ref(9, 0), by_frame(own, 0), 40, FROM, 99, 0 };

    fake_answers.page_type_result = -XEN_ERESTART;
    ck_assert_int_eq(hypercall_grant_table_op(GNTTABOP_copy, (uint64_t)&op, 1), -XEN_ERESTART);
    ck_assert_uint_eq(fake.continued[1], (uint64_t)&op);
    ck_assert_uint_eq(fake.continued[2], 1);
    ck_assert_int_eq(op.status, 99);
}
END_TEST

START_TEST(lines_are_flushed_of_pages_one_has)
{
    struct gnttab_cache_flush op = { { rig_frame(own) << PAGE_SHIFT }, 0, 64, 1 };

    ck_assert_int_eq(rig_op(GNTTABOP_cache_flush, &op, 1), 0);
    op.op = GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL;
    ck_assert_int_eq(rig_op(GNTTABOP_cache_flush, &op, 1), 0);
    op.op = GNTTAB_CACHE_INVAL;
    ck_assert_int_eq(rig_op(GNTTABOP_cache_flush, &op, 1), -XEN_EOPNOTSUPP);
    op.op = GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_SOURCE_GREF;
    ck_assert_int_eq(rig_op(GNTTABOP_cache_flush, &op, 1), -XEN_EINVAL);
    op.op = GNTTAB_CACHE_CLEAN;
    op.offset = 4033;
    ck_assert_int_eq(rig_op(GNTTABOP_cache_flush, &op, 1), -XEN_EINVAL);
    op.offset = 4095;
    op.length = 1;
    ck_assert_int_eq(rig_op(GNTTABOP_cache_flush, &op, 1), 0);
    op.offset = 4096;
    op.length = 0;
    ck_assert_int_eq(rig_op(GNTTABOP_cache_flush, &op, 1), -XEN_EINVAL);
    op.offset = 4095;
    op.length = 1;
    op.a.dev_bus_addr = UINT64_MAX;
    ck_assert_int_eq(rig_op(GNTTABOP_cache_flush, &op, 1), -XEN_EINVAL);
    op.a.dev_bus_addr = (uint64_t)FAKE_FRAMES << PAGE_SHIFT;
    ck_assert_int_eq(rig_op(GNTTABOP_cache_flush, &op, 1), -XEN_EINVAL);

    op.a.dev_bus_addr = rig_frame(granted) << PAGE_SHIFT;
    ck_assert_int_eq(rig_op(GNTTABOP_cache_flush, &op, 1), -XEN_EPERM);
    op.length = 0; /* nothing to do, whosever it is */
    ck_assert_int_eq(rig_op(GNTTABOP_cache_flush, &op, 1), 0);
    op.length = 1;
    op.op = 0;
    ck_assert_int_eq(rig_op(GNTTABOP_cache_flush, &op, 1), 0);
    op.op = GNTTAB_CACHE_CLEAN;
    fake_set_current(control->vcpu[0]);
    ck_assert_int_eq(rig_op(GNTTABOP_cache_flush, &op, 1), 0);
    fake_set_current(mapper->vcpu[0]);
}
END_TEST

static void protect(uint8_t *start, int protection)
{
    ck_assert_int_eq(mprotect(start, PAGE_SIZE, protection), 0);
}

/* To flush a line is to touch it. */
START_TEST(a_line_of_the_page_is_flushed)
{
    struct gnttab_cache_flush op = { { rig_frame(own) << PAGE_SHIFT }, 100, 1, GNTTAB_CACHE_CLEAN };

    (void)signal(SIGSEGV, SIG_DFL); /* a sanitizer would exit */
    protect(page_address(own), PROT_NONE);
    (void)rig_op(GNTTABOP_cache_flush, &op, 1);
}
END_TEST

START_TEST(no_line_of_the_next_page_is_flushed)
{
    struct gnttab_cache_flush op = {
        { rig_frame(own) << PAGE_SHIFT }, 4001, 95, GNTTAB_CACHE_CLEAN
    };
    uint8_t *next = (uint8_t *)page_address(own) + PAGE_SIZE;

    protect(next, PROT_NONE);
    ck_assert_int_eq(rig_op(GNTTABOP_cache_flush, &op, 1), 0);
    protect(next, PROT_READ | PROT_WRITE);
}
END_TEST

START_TEST(flushes_are_done_up_to_the_first_that_is_wrong)
{
    struct gnttab_cache_flush ops[3];
    unsigned int calls;

    for (unsigned int i = 0; i < 3; i++) {
        ops[i] = (struct gnttab_cache_flush){ { rig_frame(own) << PAGE_SHIFT }, 0, 64, 1 };
    }
    ck_assert_int_eq(rig_op_calls(GNTTABOP_cache_flush, ops, 3, &calls), 0);
    ck_assert_uint_eq(calls, 1);
    fake_answers.preempt_after = 1;
    ck_assert_int_eq(rig_op_calls(GNTTABOP_cache_flush, ops, 3, &calls), 0);
    ck_assert_uint_eq(calls, 3);
    fake_answers.preempt_after = 0;
    ops[2].op = GNTTAB_CACHE_INVAL;
    ck_assert_int_eq(rig_op(GNTTABOP_cache_flush, ops, 3), -XEN_EOPNOTSUPP);
    ops[1].offset = 4095;
    ck_assert_int_eq(rig_op(GNTTABOP_cache_flush, ops, 3), -XEN_EINVAL);
    fake_answers.fault_start = &ops[0];
    fake_answers.fault_size = 1;
    ck_assert_int_eq(rig_op(GNTTABOP_cache_flush, ops, 3), -XEN_EFAULT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("grant copy");
    TCase *tests = suite_case(suite, "copy");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, exactly_the_bytes_asked_for_arrive, 0, 2);
    tcase_add_test(tests, a_page_may_be_copied_onto_itself);
    tcase_add_test(tests, copies_need_the_rights_of_both_ends);
    tcase_add_test(tests, a_part_of_a_page_is_all_that_can_be_reached);
    tcase_add_loop_test(tests, a_batch_is_done_completely_however_often_interrupted, 0, 5);
    tcase_add_test(tests, an_end_is_used_again_only_for_the_same_page);
    tcase_add_test(tests, an_end_stays_open_for_the_next_element_that_names_its_page);
    tcase_add_test(tests, an_end_that_was_refused_is_not_open);
    tcase_add_test(tests, an_answer_that_cannot_be_written_ends_the_batch);
    tcase_add_test(tests, nothing_is_held_where_a_batch_is_interrupted);
    tcase_add_test(tests, an_unreachable_request_ends_the_batch_with_those_before_it_done);
    tcase_add_test(tests, a_target_that_takes_long_to_become_writable_is_asked_for_again);
    tcase_add_test(tests, lines_are_flushed_of_pages_one_has);
    tcase_add_test_raise_signal(tests, a_line_of_the_page_is_flushed, SIGSEGV);
    tcase_add_test(tests, no_line_of_the_next_page_is_flushed);
    tcase_add_test(tests, flushes_are_done_up_to_the_first_that_is_wrong);
    return suite_run(suite);
}
