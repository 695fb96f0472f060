/* SPDX-License-Identifier: MIT */
/*
 * Permissions for ports, frames and interrupt lines, against a model that is an
 * array of truth values.
 */
#include "guest-pv-headers/errno.h"
#include "hypervisor/domain/io_permissions.h"
#include "tests/fake/fake.h"
#include "tests/unit/require.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define MODEL 48u

static struct domain *domain;

static void set_up(void)
{
    fake_reset();
    domain = fake_domain_new(1, 1, false);
    ck_assert_int_eq(io_permissions_create(domain), 0);
}

static void tear_down(void)
{
    io_permissions_destroy(domain);
    fake_domain_free(domain);
}

static void check_shape(const struct range_set *set)
{
    for (uint32_t i = 0; i < set->count; i++) {
        require(set->ranges[i].first <= set->ranges[i].last);
        require(i == 0 || set->ranges[i].first > set->ranges[i - 1].last + 1);
    }
}

/* Every range of the model is asked for. */
static void check_against(const struct range_set *set, const bool *model)
{
    for (uint64_t first = 0; first < MODEL; first++) {
        bool all = true;

        for (uint64_t last = first; last < MODEL; last++) {
            all = all && model[last];
            require(range_set_has(set, first, last) == all);
        }
    }
}

START_TEST(any_sequence_of_changes_leaves_what_the_model_says)
{
    struct range_set set = { .ranges = NULL };
    bool model[MODEL] = { false };

    for (unsigned int round = 0; round < 2000; round++) {
        uint64_t first = (uint64_t)random() % MODEL;
        uint64_t last = first + (uint64_t)random() % (MODEL - first);
        bool add = random() % 2 != 0;
        struct range_set changed;

        if (random() % 2 != 0) {
            last = MIN(last, first + 2); /* small ones, so that the set gets many */
        }
        ck_assert_int_eq(range_set_change(&changed, &set, (struct range){ first, last }, add), 0);
        memset(&model[first], add, last - first + 1);
        range_set_free(&set);
        set = changed;
        check_shape(&set);
        check_against(&set, model);
    }
    range_set_free(&set);
}
END_TEST

START_TEST(the_ends_of_the_number_range_do_not_wrap)
{
    struct range_set empty = { .ranges = NULL }, all, without, again;

    ck_assert_int_eq(range_set_change(&all, &empty, (struct range){ 0, UINT64_MAX }, true), 0);
    ck_assert(range_set_has(&all, 0, UINT64_MAX));
    ck_assert_int_eq(range_set_change(&without, &all, (struct range){ 0, 0 }, false), 0);
    ck_assert(!range_set_has(&without, 0, 0));
    ck_assert(range_set_has(&without, 1, UINT64_MAX));
    ck_assert_int_eq(
        range_set_change(&again, &without, (struct range){ UINT64_MAX, UINT64_MAX }, false), 0);
    ck_assert(range_set_has(&again, 1, UINT64_MAX - 1));
    ck_assert(!range_set_has(&again, UINT64_MAX, UINT64_MAX));
    ck_assert(!range_set_has(&again, 5, 4));
    range_set_free(&without);
    ck_assert_int_eq(
        range_set_change(&without, &again, (struct range){ UINT64_MAX, UINT64_MAX }, true), 0);
    ck_assert_uint_eq(without.count, 1);
    range_set_free(&all);
    range_set_free(&without);
    range_set_free(&again);
    ck_assert_int_eq(range_set_change(&all, &empty, (struct range){ 2, 1 }, true), -XEN_EINVAL);
    ck_assert_int_eq(range_set_change(&all, &empty, (struct range){ 2, 1 }, false), -XEN_EINVAL);
}
END_TEST

START_TEST(a_set_has_a_limit)
{
    for (uint64_t i = 0; i < RANGE_SET_LIMIT; i++) {
        ck_assert_int_eq(io_permit(domain, IO_FRAME, 2 * i, 2 * i, true), 0);
    }
    ck_assert_int_eq(io_permit(domain, IO_FRAME, 1000000, 1000000, true), -XEN_ENOSPC);
    ck_assert(!io_permitted(domain, IO_FRAME, 1000000, 1000000));
    ck_assert(io_permitted(domain, IO_FRAME, 2 * RANGE_SET_LIMIT - 2, 2 * RANGE_SET_LIMIT - 2));
    ck_assert_int_eq(io_permit(domain, IO_FRAME, 1, 1, true), 0); /* joins two */
    ck_assert_int_eq(io_permit(domain, IO_FRAME, 1000000, 1000000, true), 0);
    ck_assert_int_eq(io_permit(domain, IO_FRAME, 5000, 6000, true), -XEN_ENOSPC);
    /* Taking away can also make two of one. */
    ck_assert_int_eq(io_permit(domain, IO_FRAME, 1, 1, false), -XEN_ENOSPC);
    ck_assert(io_permitted(domain, IO_FRAME, 0, 2));
}
END_TEST

START_TEST(frames_and_lines_are_separate)
{
    ck_assert_int_eq(io_permit(domain, IO_FRAME, 16, 31, true), 0);
    ck_assert_int_eq(io_permit(domain, IO_IRQ, 9, 9, true), 0);
    ck_assert(io_permitted(domain, IO_FRAME, 16, 31));
    ck_assert(!io_permitted(domain, IO_FRAME, 16, 32));
    ck_assert(!io_permitted(domain, IO_IRQ, 16, 16));
    ck_assert(io_permitted(domain, IO_IRQ, 9, 9));
    ck_assert(!io_permitted(domain, IO_FRAME, 9, 9));
    ck_assert_int_eq(io_permit(domain, IO_FRAME, 20, 20, false), 0);
    ck_assert(!io_permitted(domain, IO_FRAME, 16, 31));
    ck_assert(io_permitted(domain, IO_FRAME, 21, 31));
    ck_assert_int_eq(io_permit(domain, IO_IRQ, 0, UINT64_MAX, false), 0);
    ck_assert(!io_permitted(domain, IO_IRQ, 9, 9));
}
END_TEST

START_TEST(ports_are_allowed_one_by_one)
{
    static bool model[IO_PORTS + 4];

    ck_assert(!io_port_allowed(domain->io, 0x60, 1));
    ck_assert_int_eq(io_permit(domain, IO_PORT, 0, IO_PORTS - 1, false), 0);
    ck_assert_ptr_null(atomic_load(&domain->io->ports));
    for (unsigned int round = 0; round < 50; round++) {
        uint64_t first = (uint64_t)random() % IO_PORTS;
        uint64_t last = MIN(first + (uint64_t)random() % 200, IO_PORTS - UINT64_C(1));
        bool allow = random() % 3 != 0;

        ck_assert_int_eq(io_permit(domain, IO_PORT, first, last, allow), 0);
        memset(&model[first], allow, last - first + 1);
    }
    ck_assert_int_eq(io_permit(domain, IO_PORT, 0xfff8, 0xffff, true), 0);
    memset(&model[0xfff8], 1, 8);
    for (unsigned int port = 0; port < IO_PORTS; port++) {
        require(io_port_allowed(domain->io, port, 1) == model[port]);
        require(io_port_allowed(domain->io, port, 2) == (model[port] && model[port + 1]));
        require(io_port_allowed(domain->io, port, 4) ==
                (model[port] && model[port + 1] && model[port + 2] && model[port + 3]));
    }
    ck_assert(!io_port_allowed(domain->io, 0xffff, 2));
    ck_assert(!io_port_allowed(domain->io, 0x10000, 1));
}
END_TEST

START_TEST(ranges_that_are_none_are_refused)
{
    ck_assert_int_eq(io_permit(domain, IO_PORT, 5, 4, true), -XEN_EINVAL);
    ck_assert_int_eq(io_permit(domain, IO_PORT, 0, IO_PORTS, true), -XEN_EINVAL);
    ck_assert_int_eq(io_permit(domain, IO_PORT, UINT64_MAX, 0, true), -XEN_EINVAL);
    ck_assert_int_eq(io_permit(domain, IO_PORT, 0, UINT64_MAX, false), -XEN_EINVAL);
    ck_assert_int_eq(io_permit(domain, IO_IRQ, 5, 4, true), -XEN_EINVAL);
}
END_TEST

static bool make_and_fill(void)
{
    struct domain *other = fake_domain_new(2, 1, false);
    bool done = io_permissions_create(other) == 0 && io_permit(other, IO_PORT, 1, 2, true) == 0 &&
                io_permit(other, IO_FRAME, 1, 2, true) == 0 &&
                io_permit(other, IO_FRAME, 8, 9, true) == 0 &&
                io_permit(other, IO_FRAME, 1, 1, false) == 0 &&
                io_permit(other, IO_IRQ, 3, 3, true) == 0;

    io_permissions_destroy(other);
    fake_domain_free(other);
    return done;
}

START_TEST(no_failed_allocation_leaves_anything_behind)
{
    ck_assert(fake_survives_failed_allocations(make_and_fill));
}
END_TEST

START_TEST(a_failed_change_changes_nothing)
{
    ck_assert_int_eq(io_permit(domain, IO_FRAME, 10, 20, true), 0);
    fake_answers.fail_allocation = 1;
    ck_assert_int_eq(io_permit(domain, IO_FRAME, 12, 14, false), -XEN_ENOMEM);
    ck_assert(io_permitted(domain, IO_FRAME, 10, 20));
    fake_answers.fail_allocation = 1;
    ck_assert_int_eq(io_permit(domain, IO_PORT, 1, 1, true), -XEN_ENOMEM);
    ck_assert(!io_port_allowed(domain->io, 1, 1));
}
END_TEST

int main(void)
{
    const TTest *all[] = {
        any_sequence_of_changes_leaves_what_the_model_says,
        the_ends_of_the_number_range_do_not_wrap,
        a_set_has_a_limit,
        frames_and_lines_are_separate,
        ports_are_allowed_one_by_one,
        ranges_that_are_none_are_refused,
        no_failed_allocation_leaves_anything_behind,
        a_failed_change_changes_nothing,
    };
    Suite *suite = suite_create("io_permissions");
    TCase *tests = suite_case(suite, "io_permissions");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        tcase_add_test(tests, all[i]);
    }
    tcase_set_timeout(tests, 60);
    return suite_run(suite);
}
