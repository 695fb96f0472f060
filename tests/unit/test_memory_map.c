/* SPDX-License-Identifier: MIT */
/*
 * Memory maps: order, overlaps, limits, compared with a map of single units.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "hypervisor/domain/memory_map.h"
#include "tests/unit/require.h"
#include "tests/unit/suite.h"

static struct xen_memory_map_copy map;

static uint64_t address_of(uint32_t i)
{
    return map.entries[i].address;
}

static uint64_t size_of(uint32_t i)
{
    return map.entries[i].size;
}

static void setup(void)
{
    memset(&map, 0, sizeof(map));
}

/* Does adding [address, address + size) add an entry? */
static bool added(uint64_t address, uint64_t size)
{
    uint32_t before = map.count;

    memory_map_add(&map, address, size, 7);
    require(map.count == before || map.count == before + 1);
    return map.count != before;
}

START_TEST(all_64_bits_are_kept)
{
    memory_map_add(&map, UINT64_C(0x123456789abcd000), UINT64_C(0x0fedcba987654000), 5);
    ck_assert_uint_eq(map.count, 1);
    ck_assert_uint_eq(address_of(0), UINT64_C(0x123456789abcd000));
    ck_assert_uint_eq(size_of(0), UINT64_C(0x0fedcba987654000));
    ck_assert_uint_eq(map.entries[0].type, 5);
}
END_TEST

START_TEST(entries_come_in_order_of_address)
{
    static const uint64_t addresses[] = { 0x5000, 0x1000, UINT64_C(0x100000000), 0x9000, 0 };
    static const uint64_t order[] = { 0, 0x1000, 0x5000, 0x9000, UINT64_C(0x100000000) };

    for (unsigned int i = 0; i < ARRAY_SIZE(addresses); i++) {
        memory_map_add(&map, addresses[i], 0x1000, i);
    }
    ck_assert_uint_eq(map.count, 5);
    for (unsigned int i = 0; i < ARRAY_SIZE(order); i++) {
        ck_assert_uint_eq(address_of(i), order[i]);
        ck_assert_uint_eq(addresses[map.entries[i].type], order[i]);
    }
}
END_TEST

START_TEST(what_overlaps_is_left_out_and_what_touches_is_not)
{
    ck_assert(added(0x10000, 0x10000));
    ck_assert(!added(0x10000, 0x10000));
    ck_assert(!added(0x10000, 1));
    ck_assert(!added(0x1ffff, 1));
    ck_assert(!added(0x1ffff, 0x1000));
    ck_assert(!added(0x14000, 0x1000));
    ck_assert(!added(0, 0x10001));
    ck_assert(!added(0, 0x100000));
    ck_assert(added(0x20000, 0x1000));
    ck_assert(added(0xf000, 0x1000));
    ck_assert(!added(0xefff, 2));
}
END_TEST

START_TEST(nothing_and_what_goes_round_the_end_are_left_out)
{
    ck_assert(!added(0x1000, 0));
    ck_assert(!added(UINT64_MAX, 2));
    ck_assert(!added(0x1000, UINT64_MAX));
    ck_assert(added(0x1000, 0x1000));
    ck_assert(!added(UINT64_C(0xfffffffffffff000), 0x2800));
    ck_assert(added(UINT64_C(0xfffffffffffff000), 0x1000)); /* up to the very end */
    ck_assert(!added(UINT64_MAX, 1));
    ck_assert(!added(0x3000, UINT64_C(0xffffffffffffd000)));
    ck_assert(added(0x3000, UINT64_C(0xffffffffffffc000)));
}
END_TEST

START_TEST(a_full_map_takes_no_more)
{
    for (uint64_t i = 0; i < MEMORY_MAP_LIMIT; i++) {
        require(added((MEMORY_MAP_LIMIT - i) * 0x1000, 0x800));
    }
    ck_assert(!added(0, 1));
    ck_assert(!added(UINT64_C(1) << 40, 1));
    ck_assert_uint_eq(map.count, MEMORY_MAP_LIMIT);
    ck_assert_uint_eq(address_of(0), 0x1000);
    ck_assert_uint_eq(address_of(MEMORY_MAP_LIMIT - 1), MEMORY_MAP_LIMIT * 0x1000);
}
END_TEST

START_TEST(any_entries_agree_with_the_model)
{
    srand(3);
    for (unsigned int round = 0; round < 500; round++) {
        bool taken[256] = { false };

        setup();
        for (unsigned int i = 0; i < 60; i++) {
            unsigned int start = (unsigned int)rand() % 240, size = 1 + (unsigned int)rand() % 16;
            bool free = true;

            for (unsigned int j = start; j < start + size; j++) {
                free = free && !taken[j];
            }
            require(added(start, size) == free);
            for (unsigned int j = start; free && j < start + size; j++) {
                taken[j] = true;
            }
        }
        for (uint32_t i = 1; i < map.count; i++) {
            require(address_of(i - 1) + size_of(i - 1) <= address_of(i));
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory_map");
    TCase *tcase = suite_case(suite, "map");

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, all_64_bits_are_kept);
    tcase_add_test(tcase, entries_come_in_order_of_address);
    tcase_add_test(tcase, what_overlaps_is_left_out_and_what_touches_is_not);
    tcase_add_test(tcase, nothing_and_what_goes_round_the_end_are_left_out);
    tcase_add_test(tcase, a_full_map_takes_no_more);
    tcase_add_test(tcase, any_entries_agree_with_the_model);
    return suite_run(suite);
}
