/* SPDX-License-Identifier: MIT */
/*
 * hypervisor/lib/printf.c, compared with the C library's functions.
 */
#include <check.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wredundant-decls" /* lib/string.h, beside the library's */

/* The core's functions under names of their own, beside the library's. */
#define snprintf  core_snprintf
#define vsnprintf core_vsnprintf
#include "hypervisor/lib/printf.c"
#include "tests/unit/suite.h"
#undef snprintf
#undef vsnprintf

#pragma GCC diagnostic ignored "-Wformat"

/* Same text and same length as the library, whatever the room. */
#define SAME(...)                                                                   \
    do {                                                                            \
        for (size_t room_ = 0; room_ < 64; room_ += 3) {                            \
            char ours_[80], theirs_[80];                                            \
            int our_length_, their_length_;                                         \
                                                                                    \
            memset(ours_, 'x', sizeof(ours_));                                      \
            memset(theirs_, 'x', sizeof(theirs_));                                  \
            our_length_ = core_snprintf(ours_, room_, __VA_ARGS__);                 \
            their_length_ = snprintf(theirs_, room_, __VA_ARGS__);                  \
            ck_assert_int_eq(our_length_, their_length_);                           \
            ck_assert_mem_eq(ours_, theirs_, room_ == 0 ? 1 : strlen(theirs_) + 1); \
            ck_assert(room_ == 0 || ours_[room_] == 'x');                           \
        }                                                                           \
    } while (0)

static const long numbers[] = { 0,   1,     -1,      7,       10,       -128,
                                255, 65536, INT_MAX, INT_MIN, LONG_MAX, LONG_MIN };

START_TEST(numbers_look_as_in_c)
{
    long n = numbers[_i];

    SAME("%d|%u|%x", (int)n, (unsigned int)n, (unsigned int)n);
    SAME("%ld|%lu|%lx", n, n, n);
}
END_TEST

START_TEST(flags_and_width_lay_out_as_in_c)
{
    long n = numbers[_i];

    SAME("[%5d][%-5d][%05d]", (int)n, (int)n, (int)n);
    SAME("[%12lx][%-12lx][%012lx]", n, n, n);
    SAME("[%024ld]", n);
}
END_TEST

START_TEST(texts_and_characters_lay_out_as_in_c)
{
    const char *volatile long_text = "longer than the buffers it is written to will ever be";

    SAME("%s", "");
    SAME("%s and %s", "one", "two");
    SAME("[%10s][%-10s][%.2s][%6.2s]", "abc", "abc", "abc", "abc");
    SAME("[%c][%3c][%-3c]", 'x', 'y', 'z');
    SAME("100%%");
    SAME("%s", long_text);
}
END_TEST

START_TEST(a_precision_bounds_what_is_read)
{
    static const char no_end[3] = { 'a', 'b', 'c' };
    char text[16];

    core_snprintf(text, sizeof(text), "%.3s", no_end);
    ck_assert_str_eq(text, "abc");
}
END_TEST

START_TEST(no_text_is_named)
{
    const char *volatile none = NULL;
    char text[32];

    core_snprintf(text, sizeof(text), "%s", none);
    ck_assert_str_eq(text, "(null)");
}
END_TEST

START_TEST(a_mistake_in_a_format_shows)
{
    char text[32];

    core_snprintf(text, sizeof(text), "a%yb");
    ck_assert_str_eq(text, "a%yb");
    core_snprintf(text, sizeof(text), "end%");
    ck_assert_str_eq(text, "end");
    core_snprintf(text, sizeof(text), "end%-8.3l");
    ck_assert_str_eq(text, "end");
}
END_TEST

START_TEST(an_absurd_width_is_cut)
{
    ck_assert_int_eq(core_snprintf(NULL, 0, "%123456789d", 1), 4096);
    ck_assert_int_eq(core_snprintf(NULL, 0, "%0123456789d", 1), 4096);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("printf");
    TCase *cases = suite_case(suite, "printf");

    tcase_add_loop_test(cases, numbers_look_as_in_c, 0, (int)ARRAY_SIZE(numbers));
    tcase_add_loop_test(cases, flags_and_width_lay_out_as_in_c, 0, (int)ARRAY_SIZE(numbers));
    tcase_add_test(cases, texts_and_characters_lay_out_as_in_c);
    tcase_add_test(cases, a_precision_bounds_what_is_read);
    tcase_add_test(cases, no_text_is_named);
    tcase_add_test(cases, a_mistake_in_a_format_shows);
    tcase_add_test(cases, an_absurd_width_is_cut);
    return suite_run(suite);
}
