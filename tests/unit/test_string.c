/* SPDX-License-Identifier: MIT */
/*
 * hypervisor/lib/string.c: every size and overlap around the places where the
 * way of copying changes, compared with a byte-by-byte model.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

/* The core's functions under names of their own, beside the library's. */
#define memcpy  core_memcpy
#define memmove core_memmove
#define memset  core_memset
#define memcmp  core_memcmp
#define strlen  core_strlen
#define strnlen core_strnlen
#define strcmp  core_strcmp
#define strncmp core_strncmp
#define strchr  core_strchr
#define strlcpy core_strlcpy
#include "hypervisor/lib/string.c"
#include "tests/unit/suite.h"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr
#undef strlcpy

#define ROOM    256u
#define SIZES   100u
#define OFFSETS 12u

static void fill(uint8_t *area)
{
    for (unsigned int i = 0; i < ROOM; i++) {
        area[i] = (uint8_t)(i * 7 + 3);
    }
}

START_TEST(every_size_is_copied_and_nothing_beside_it)
{
    uint8_t from[ROOM], to[ROOM], model[ROOM];

    for (size_t size = 0; size < SIZES; size++) {
        for (size_t offset = 0; offset < OFFSETS; offset++) {
            fill(from);
            memset(to, 0xee, ROOM);
            memset(model, 0xee, ROOM);
            for (size_t i = 0; i < size; i++) {
                model[offset + 1 + i] = from[offset + i];
            }
            ck_assert_ptr_eq(core_memcpy(&to[offset + 1], &from[offset], size), &to[offset + 1]);
            ck_assert_mem_eq(to, model, ROOM);
        }
    }
}
END_TEST

START_TEST(overlapping_areas_are_moved_whole_in_both_directions)
{
    uint8_t area[ROOM], model[ROOM];

    for (size_t size = 0; size < SIZES; size++) {
        for (size_t to = 0; to < SIZES; to += to < 20 ? 1 : 13) {
            for (size_t from = 0; from < SIZES; from += from < 20 ? 1 : 13) {
                fill(area);
                fill(model);
                memmove(&model[to], &model[from], size);
                ck_assert_ptr_eq(core_memmove(&area[to], &area[from], size), &area[to]);
                ck_assert_mem_eq(area, model, ROOM);
            }
        }
    }
}
END_TEST

START_TEST(every_size_is_set_and_nothing_beside_it)
{
    uint8_t area[ROOM], model[ROOM];

    for (size_t size = 0; size < SIZES; size++) {
        for (size_t offset = 0; offset < OFFSETS; offset++) {
            fill(area);
            fill(model);
            for (size_t i = 0; i < size; i++) {
                model[offset + i] = 0xa5;
            }
            ck_assert_ptr_eq(core_memset(&area[offset], 0x3a5, size), &area[offset]);
            ck_assert_mem_eq(area, model, ROOM);
        }
    }
}
END_TEST

START_TEST(the_first_different_byte_decides)
{
    uint8_t a[64], b[64];

    for (size_t size = 0; size <= sizeof(a); size++) {
        memset(a, 0x80, sizeof(a));
        memset(b, 0x80, sizeof(b));
        ck_assert_int_eq(core_memcmp(a, b, size), 0);
        for (size_t at = 0; at < size; at++) {
            b[at] = 0x81;
            if (at + 1 < size) {
                b[at + 1] = 0; /* later bytes say the opposite */
            }
            ck_assert_int_lt(core_memcmp(a, b, size), 0);
            ck_assert_int_gt(core_memcmp(b, a, size), 0);
            memset(b, 0x80, sizeof(b));
        }
    }
}
END_TEST

START_TEST(texts_are_measured_compared_and_searched)
{
    static const char no_end[2] = { 'a', 'b' };

    ck_assert_uint_eq(core_strlen(""), 0);
    ck_assert_uint_eq(core_strlen("abc"), 3);
    ck_assert_uint_eq(core_strnlen("abc", 2), 2);
    ck_assert_uint_eq(core_strnlen(no_end, 2), 2);
    ck_assert_int_eq(core_strcmp("abc", "abc"), 0);
    ck_assert_int_lt(core_strcmp("ab", "abc"), 0);
    ck_assert_int_gt(core_strcmp("b", "abc"), 0);
    ck_assert_int_gt(core_strcmp("\xff", "a"), 0);
    ck_assert_int_eq(core_strncmp("abcd", "abxx", 2), 0);
    ck_assert_int_eq(core_strncmp(no_end, "abx", 2), 0);
    ck_assert_int_lt(core_strncmp("abc", "abd", 3), 0);
    ck_assert_str_eq(core_strchr("a=b=c", '='), "=b=c");
    ck_assert_str_eq(core_strchr("abc", '\0'), "");
    ck_assert_ptr_null(core_strchr("abc", 'x'));
}
END_TEST

START_TEST(a_copied_text_is_cut_and_terminated)
{
    char room[8];

    memset(room, 'x', sizeof(room));
    ck_assert_uint_eq(core_strlcpy(room, "hello", sizeof(room)), 5);
    ck_assert_str_eq(room, "hello");
    ck_assert_uint_eq(core_strlcpy(room, "far too long", sizeof(room)), 12);
    ck_assert_str_eq(room, "far too");
    ck_assert_uint_eq(core_strlcpy(room, "abc", 1), 3);
    ck_assert_str_eq(room, "");
    room[0] = 'y';
    ck_assert_uint_eq(core_strlcpy(room, "abc", 0), 3);
    ck_assert_int_eq(room[0], 'y');
}
END_TEST

static const struct {
    const char *text;
    uint64_t value;
    size_t used;
} sizes[] = {
    { "0", 0, 1 },
    { "123", 123, 3 },
    { "123,rest", 123, 3 },
    { "0x1F", 0, 1 },
    { "4K", 4096, 2 },
    { "4k", 4096, 2 },
    { "512M,max:1G", UINT64_C(512) << 20, 4 },
    { "2g", UINT64_C(2) << 30, 2 },
    { "1T", UINT64_C(1) << 40, 2 },
    { "18446744073709551615", UINT64_MAX, 20 },
    { "16383G", UINT64_C(16383) << 30, 6 },
    /* none, or too large: nothing is used */
    { "18446744073709551616", 0, 0 },
    { "99999999999999999999999", 0, 0 },
    { "18014398509481984K", 0, 0 },
    { "17179869184G", 0, 0 },
    { "", 0, 0 },
    { "M", 0, 0 },
    { "-1", 0, 0 },
    { " 1", 0, 0 },
};

START_TEST(sizes_are_read_with_their_unit_or_refused)
{
    const char *end = NULL;

    ck_assert_uint_eq(parse_size(sizes[_i].text, &end), sizes[_i].value);
    ck_assert_uint_eq((size_t)(end - sizes[_i].text), sizes[_i].used);
}
END_TEST

START_TEST(pages_are_copied_and_cleared_exactly)
{
    uint8_t *area = aligned_alloc(4096, 4 * 4096);

    ck_assert_ptr_nonnull(area);
    for (unsigned int i = 0; i < 4 * 4096; i++) {
        area[i] = (uint8_t)(i * 31 + i / 4096);
    }
    page_copy(area + 2 * 4096, area);
    ck_assert_mem_eq(area + 2 * 4096, area, 4096);
    ck_assert_int_eq(area[4096], (uint8_t)(4096 * 31 + 1));
    ck_assert_int_eq(area[3 * 4096], (uint8_t)(3 * 4096 * 31 + 3));
    page_clear(area + 4096);
    for (unsigned int i = 0; i < 4096; i++) {
        ck_assert_int_eq(area[4096 + i], 0);
    }
    ck_assert_int_eq(area[4095], (uint8_t)(4095 * 31));
    ck_assert_int_eq(area[2 * 4096], area[0]);
    free(area);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("string");
    TCase *cases = suite_case(suite, "string");

    tcase_set_timeout(cases, 60);
    tcase_add_test(cases, every_size_is_copied_and_nothing_beside_it);
    tcase_add_test(cases, overlapping_areas_are_moved_whole_in_both_directions);
    tcase_add_test(cases, every_size_is_set_and_nothing_beside_it);
    tcase_add_test(cases, the_first_different_byte_decides);
    tcase_add_test(cases, texts_are_measured_compared_and_searched);
    tcase_add_test(cases, a_copied_text_is_cut_and_terminated);
    tcase_add_loop_test(cases, sizes_are_read_with_their_unit_or_refused, 0,
                        (int)ARRAY_SIZE(sizes));
    tcase_add_test(cases, pages_are_copied_and_cleared_exactly);
    return suite_run(suite);
}
