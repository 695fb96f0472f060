/* SPDX-License-Identifier: MIT */
/*
 * dom0-tools/console/ring.c, rate.h, history.c: a guest's page and what becomes
 * of its bytes, with guests that obey and guests that do not.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dom0-tools/console/history.h"
#include "dom0-tools/console/rate.h"
#include "dom0-tools/console/ring.h"
#include "tests/unit/suite.h"

#define SECOND UINT64_C(1000000000)

static struct xencons_interface page;
static struct ring ring;
static uint8_t bytes[RING_OUTPUT];

static void new_page(uint32_t out, uint32_t in)
{
    memset(&page, 0, sizeof(page));
    page.out_cons = page.out_prod = out;
    page.in_cons = page.in_prod = in;
    ring_attach(&ring, &page);
}

/* What a guest's kernel does; `count` must fit. */
static void guest_writes(const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        page.out[MASK_XENCONS_IDX(page.out_prod, page.out)] = text[i];
        page.out_prod++;
    }
}

static size_t guest_reads(char *text)
{
    size_t count = 0;

    while (page.in_cons != page.in_prod) {
        text[count++] = page.in[MASK_XENCONS_IDX(page.in_cons, page.in)];
        page.in_cons++;
    }
    return count;
}

START_TEST(output_comes_whole_and_stays_until_it_is_taken)
{
    new_page(0, 0);
    guest_writes("hello", 5);
    ck_assert_int_eq(ring_peek(&ring, bytes), 5);
    ck_assert_mem_eq(bytes, "hello", 5);
    ck_assert_uint_eq(page.out_cons, 0);
    ck_assert_int_eq(ring_peek(&ring, bytes), 5);
    (void)ring_take(&ring, 5);
    ck_assert_uint_eq(page.out_cons, 5);
    ck_assert_int_eq(ring_peek(&ring, bytes), 0);
}
END_TEST

START_TEST(output_is_right_at_every_offset_and_when_indices_wrap)
{
    char text[RING_OUTPUT];

    for (size_t i = 0; i < sizeof(text); i++) {
        text[i] = (char)(i * 7);
    }
    for (uint32_t start = UINT32_MAX - RING_OUTPUT - 3; start != 5; start++) {
        new_page(start, 0);
        guest_writes(text, sizeof(text));
        ck_assert_int_eq(ring_peek(&ring, bytes), RING_OUTPUT);
        if (memcmp(bytes, text, sizeof(text)) != 0) {
            ck_abort_msg("wrong bytes from index %u", start);
        }
        (void)ring_take(&ring, RING_OUTPUT);
        if (page.out_cons != page.out_prod) {
            ck_abort_msg("not all taken from index %u", start);
        }
    }
}
END_TEST

START_TEST(absurd_output_index_is_given_up)
{
    static const uint32_t ahead[] = { RING_OUTPUT + 1, 0x7fffffff, 0x80000000, UINT32_MAX };

    for (size_t i = 0; i < sizeof(ahead) / sizeof(ahead[0]); i++) {
        new_page(10, 0);
        page.out_prod = 10 + ahead[i];
        ck_assert_int_eq(ring_peek(&ring, bytes), -EPROTO);
        ck_assert_uint_eq(page.out_cons, page.out_prod);
        guest_writes("ok", 2);
        ck_assert_int_eq(ring_peek(&ring, bytes), 2);
        ck_assert_mem_eq(bytes, "ok", 2);
    }
}
END_TEST

START_TEST(our_own_indices_are_not_read_back)
{
    new_page(0, 0);
    guest_writes("abc", 3);
    ck_assert_int_eq(ring_peek(&ring, bytes), 3);
    (void)ring_take(&ring, 3);
    page.out_cons = 77777;
    page.in_prod = 99999;
    guest_writes("d", 1);
    ck_assert_int_eq(ring_peek(&ring, bytes), 1);
    ck_assert_mem_eq(bytes, "d", 1);
    (void)ring_take(&ring, 1);
    ck_assert_uint_eq(page.out_cons, 4);
    ck_assert_uint_eq(ring_give(&ring, (const uint8_t *)"x", 1), 1);
    ck_assert_uint_eq(page.in_prod, 1);
}
END_TEST

START_TEST(guest_is_told_only_if_it_may_be_waiting)
{
    static const char text[RING_OUTPUT];

    new_page(0, 0);
    guest_writes(text, RING_OUTPUT / 2);
    ck_assert_int_eq(ring_peek(&ring, bytes), RING_OUTPUT / 2);
    ck_assert(!ring_take(&ring, RING_OUTPUT / 2));
    guest_writes(text, RING_OUTPUT / 2 + 1);
    ck_assert_int_eq(ring_peek(&ring, bytes), RING_OUTPUT / 2 + 1);
    ck_assert(ring_take(&ring, RING_OUTPUT / 2 + 1));
    /* It filled the page after it was looked at: it saw the old index and waits. */
    guest_writes("a", 1);
    ck_assert_int_eq(ring_peek(&ring, bytes), 1);
    guest_writes(text, RING_OUTPUT - 1);
    ck_assert(ring_take(&ring, 1));
}
END_TEST

START_TEST(taking_goes_on_where_the_record_says)
{
    new_page(100, 0);
    guest_writes("abcdef", 6);
    ck_assert(ring_resume(&ring, 104));
    ck_assert_int_eq(ring_peek(&ring, bytes), 2);
    ck_assert_mem_eq(bytes, "ef", 2);
    ck_assert(!ring_resume(&ring, 107));
    ck_assert(!ring_resume(&ring, 106 - RING_OUTPUT - 1));
    ck_assert_int_eq(ring_peek(&ring, bytes), 2);
}
END_TEST

START_TEST(input_fills_the_page_and_no_more)
{
    uint8_t text[RING_INPUT + 10];
    char got[RING_INPUT];

    for (uint32_t start = UINT32_MAX - RING_INPUT; start != 3; start++) {
        new_page(0, start);
        for (size_t i = 0; i < sizeof(text); i++) {
            text[i] = (uint8_t)(i * 3 + start);
        }
        if (ring_give(&ring, text, sizeof(text)) != RING_INPUT || ring_room(&ring) != 0 ||
            ring_give(&ring, text, 1) != 0 || guest_reads(got) != RING_INPUT ||
            memcmp(got, text, RING_INPUT) != 0 || ring_room(&ring) != RING_INPUT) {
            ck_abort_msg("input from index %u", start);
        }
    }
}
END_TEST

START_TEST(absurd_input_index_leaves_no_room)
{
    new_page(0, 0);
    page.in_cons = 1; /* read what was never written */
    ck_assert_uint_eq(ring_room(&ring), 0);
    ck_assert_uint_eq(ring_give(&ring, (const uint8_t *)"x", 1), 0);
    page.in_cons = (uint32_t)-1025;
    ck_assert_uint_eq(ring_room(&ring), 0);
    page.in_cons = 0;
    ck_assert_uint_eq(ring_give(&ring, (const uint8_t *)"x", 1), 1);
}
END_TEST

/* --- rate ---------------------------------------------------------------------- */

static uint64_t served_in(struct rate *rate, uint64_t from, uint64_t to, uint64_t each)
{
    uint64_t served = 0;

    for (uint64_t now = from; now < to; now += 20000) { /* it tries 50,000 times a second */
        if (rate_allows(rate, now)) {
            rate_pay(rate, each);
            served++;
        }
    }
    return served;
}

START_TEST(a_flood_gets_its_rate_and_no_more)
{
    struct rate rate;
    uint64_t served;

    rate_start(&rate, 0);
    served = served_in(&rate, 0, 10 * SECOND, RING_OUTPUT) * RING_OUTPUT;
    ck_assert_uint_le(served, (uint64_t)RATE_BURST + 10 * RATE_PER_SECOND + RING_OUTPUT);
    ck_assert_uint_ge(served, 10 * RATE_PER_SECOND);
}
END_TEST

START_TEST(events_with_nothing_behind_them_cost_as_well)
{
    struct rate rate;

    rate_start(&rate, 0);
    (void)served_in(&rate, 0, 10 * SECOND, 0);
    ck_assert_uint_le(served_in(&rate, 10 * SECOND, 20 * SECOND, 0),
                      10 * RATE_PER_SECOND / RATE_VISIT + 10);
}
END_TEST

START_TEST(a_quiet_guest_saves_up_a_burst_and_no_more)
{
    struct rate rate;

    rate_start(&rate, 0);
    (void)served_in(&rate, 0, 10 * SECOND, RING_OUTPUT);
    ck_assert(!rate_allows(&rate, 10 * SECOND - 20000 + 1));
    ck_assert(rate_allows(&rate, UINT64_MAX / 2));
    ck_assert_int_eq(rate.tokens, RATE_BURST);
}
END_TEST

/* --- history --------------------------------------------------------------------- */

/* Every byte of the stream is a function of its number. */
static uint8_t byte_at(uint64_t position)
{
    return (uint8_t)(position ^ (position >> 8) ^ (position >> 16));
}

static void add(struct history *history, size_t count)
{
    uint8_t *piece = malloc(count + 1);

    ck_assert_ptr_nonnull(piece);
    for (size_t i = 0; i < count; i++) {
        piece[i] = byte_at(history->end + i);
    }
    history_add(history, piece, count);
    free(piece);
}

static uint64_t check_all(const struct history *history, uint64_t position)
{
    const uint8_t *piece;
    uint64_t total = 0;
    size_t count;

    while ((count = history_at(history, &position, &piece)) > 0) {
        for (size_t i = 0; i < count; i++) {
            if (piece[i] != byte_at(position + i)) {
                ck_abort_msg("wrong byte at %lu", (unsigned long)(position + i));
            }
        }
        position += count;
        total += count;
    }
    ck_assert_uint_eq(position, history->end);
    return total;
}

START_TEST(history_keeps_the_last_bytes_by_number)
{
    static const size_t sizes[] = { 1, 7, 2047, 2048, 2049, 5000, 65535, 65536, 65537, 200000 };

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct history history;
        uint64_t total = 0;

        ck_assert_int_eq(history_open(&history, 12345), 0);
        for (unsigned int n = 0; n < 20; n++) {
            add(&history, sizes[i]);
            total += sizes[i];
            ck_assert_uint_eq(history.end, 12345 + total);
            ck_assert_uint_eq(check_all(&history, 12345),
                              total < HISTORY_LIMIT ? total : HISTORY_LIMIT);
        }
        ck_assert_uint_le(history.size, HISTORY_LIMIT);
        history_close(&history);
    }
}
END_TEST

START_TEST(a_position_that_is_gone_moves_to_the_first_that_is_not)
{
    struct history history;
    const uint8_t *piece;
    uint64_t position = 10;

    ck_assert_int_eq(history_open(&history, 0), 0);
    add(&history, HISTORY_LIMIT + 1000);
    ck_assert_uint_gt(history_at(&history, &position, &piece), 0);
    ck_assert_uint_eq(position, 1000);
    position = history.end;
    ck_assert_uint_eq(history_at(&history, &position, &piece), 0);
    position = history.end + 1;
    ck_assert_uint_gt(history_at(&history, &position, &piece), 0);
    ck_assert_uint_eq(position, 1000);
    history_close(&history);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("console_ring");
    TCase *tcase = suite_case(suite, "console_ring");

    tcase_add_test(tcase, output_comes_whole_and_stays_until_it_is_taken);
    tcase_add_test(tcase, output_is_right_at_every_offset_and_when_indices_wrap);
    tcase_add_test(tcase, absurd_output_index_is_given_up);
    tcase_add_test(tcase, our_own_indices_are_not_read_back);
    tcase_add_test(tcase, guest_is_told_only_if_it_may_be_waiting);
    tcase_add_test(tcase, taking_goes_on_where_the_record_says);
    tcase_add_test(tcase, input_fills_the_page_and_no_more);
    tcase_add_test(tcase, absurd_input_index_leaves_no_room);
    tcase_add_test(tcase, a_flood_gets_its_rate_and_no_more);
    tcase_add_test(tcase, events_with_nothing_behind_them_cost_as_well);
    tcase_add_test(tcase, a_quiet_guest_saves_up_a_burst_and_no_more);
    tcase_add_test(tcase, history_keeps_the_last_bytes_by_number);
    tcase_add_test(tcase, a_position_that_is_gone_moves_to_the_first_that_is_not);
    return suite_run(suite);
}
