/* SPDX-License-Identifier: MIT */
/*
 * hypervisor/drivers/console.c: what is shown and kept, what guests may make it say,
 * whose a key is.  The file is included here, over a UART of strings.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wredundant-decls" /* lib/string.h, beside the library's */

#define read_tsc real_read_tsc
#include "hypervisor/x86/cpu.h"
#undef read_tsc

static uint64_t tsc;

static inline uint64_t read_tsc(void)
{
    return tsc;
}

#include "hypervisor/drivers/console.c"
#include "hypervisor/drivers/serial.h"
#include "tests/fake/fake.h"
#include "tests/unit/suite.h"

static char wire[1 << 18];
static size_t wire_size;
static char typed[8192];
static size_t typed_at, typed_size;
static char keys[64];
static unsigned int inputs_told, interrupts;
static bool log_while_writing;

bool serial_setup(uint16_t port, unsigned int baud)
{
    (void)port;
    (void)baud;
    return true;
}

uint16_t serial_port(void)
{
    return SERIAL_COM1_PORT;
}

void serial_write(const char *text, size_t size)
{
    ck_assert_uint_lt(wire_size + size, sizeof(wire));
    memcpy(&wire[wire_size], text, size);
    wire_size += size;
    if (log_while_writing) { /* as an NMI would */
        log_while_writing = false;
        log_print(LOG_ERROR, "in between\n");
    }
}

int serial_read(void)
{
    return typed_at < typed_size ? (unsigned char)typed[typed_at++] : -1;
}

void serial_interrupt(void)
{
}

void serial_interrupts_again(void)
{
}

void serial_interrupts_on(void)
{
    interrupts = 1;
}

void serial_interrupts_off(void)
{
    interrupts = 0;
}

bool irq_request_isa(unsigned int isa_irq, void (*handler)(void))
{
    return isa_irq == SERIAL_COM1_IRQ && handler == console_poll;
}

void debug_key(char key)
{
    ck_assert(!spin_is_locked(&console_lock));
    keys[strlen(keys)] = key;
}

void console_input_ready(void)
{
    inputs_told++;
}

static void setup(void)
{
    fake_reset();
    console_setup(&(struct console_port){ .com = 1 }, LOG_INFO);
}

/* What was shown since the last time. */
static const char *shown(void)
{
    wire[wire_size] = '\0';
    wire_size = 0;
    ck_assert(!spin_is_locked(&console_lock));
    return wire;
}

static void type(const char *text, size_t size)
{
    memcpy(typed, text, size);
    typed_at = 0;
    for (typed_size = 1; typed_size <= size; typed_size++) {
        console_poll();
    }
}

static unsigned int count_of(const char *text, const char *word)
{
    unsigned int count = 0;

    for (text = strstr(text, word); text != NULL; text = strstr(text + 1, word)) {
        count++;
    }
    return count;
}

START_TEST(a_guest_cannot_flood_the_console)
{
    char kept[65536];
    uint32_t position = 0;

    for (unsigned int i = 0; i < 100000; i++) {
        log_guest_print(LOG_WARNING, "guest says %u\n", i);
    }
    ck_assert_uint_eq(count_of(shown(), "guest says"), GUEST_BURST);
    kept[console_log_read(&position, kept, sizeof(kept) - 1)] = '\0';
    ck_assert_uint_eq(count_of(kept, "guest says"), GUEST_BURST);
    log_print(LOG_INFO, "the core is heard\n");
    ck_assert_str_eq(shown(), "(core) the core is heard\r\n");

    tsc = UINT64_C(3) << GUEST_TICK_SHIFT; /* three more lines, and how many there were not */
    for (unsigned int i = 0; i < 1000; i++) {
        log_guest_print(LOG_WARNING, "guest says %u\n", i);
    }
    shown();
    ck_assert_ptr_eq(strstr(wire, "(core) 99968 lines about guests were dropped\r\n"), wire);
    ck_assert_uint_eq(count_of(wire, "guest says"), 3);

    tsc = UINT64_C(1000) << GUEST_TICK_SHIFT; /* a long silence is worth one burst */
    for (unsigned int i = 0; i < 1000; i++) {
        log_guest_print(LOG_WARNING, "guest says %u\n", i);
    }
    ck_assert_uint_eq(count_of(shown(), "guest says"), GUEST_BURST);
}
END_TEST

START_TEST(lines_below_the_level_are_not_said_and_use_up_nothing)
{
    for (unsigned int i = 0; i < 100; i++) {
        log_guest_print(LOG_DEBUG, "detail\n");
    }
    log_print(LOG_DEBUG, "detail\n");
    log_guest_print(LOG_WARNING, "guest\n");
    ck_assert_str_eq(shown(), "(core) guest\r\n");
    console_setup(&(struct console_port){ .com = 1 }, LOG_ERROR);
    log_print(LOG_WARNING, "warning\n");
    log_print(LOG_ERROR, "error\n");
    ck_assert_str_eq(shown(), "(core) error\r\n");
}
END_TEST

START_TEST(a_line_of_the_core_begins_a_line_and_ends_it)
{
    char text[1000];

    console_write_guest("half", 4);
    log_print(LOG_INFO, "whole\n");
    ck_assert_str_eq(shown(), "half\r\n(core) whole\r\n");
    console_write_guest("a\nb\r\nc\n", 7);
    ck_assert_str_eq(shown(), "a\r\nb\r\nc\r\n");
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    log_print(LOG_INFO, "%s\n", text);
    ck_assert_uint_lt(strlen(shown()), LINE_SIZE + 1);
    ck_assert_str_eq(wire + strlen(wire) - 3, "x\r\n");
}
END_TEST

START_TEST(the_log_keeps_the_core_s_lines_until_they_are_too_old)
{
    static char kept[LOG_SIZE + 1];
    uint32_t position = 0, before;

    console_write_guest("not the core's\n", 15);
    log_print(LOG_INFO, "one\n");
    ck_assert_uint_eq(console_log_read(&position, kept, 8), 8);
    ck_assert_mem_eq(kept, "(core) o", 8);
    kept[console_log_read(&position, kept, LOG_SIZE)] = '\0';
    ck_assert_str_eq(kept, "ne\n");
    ck_assert_uint_eq(console_log_read(&position, kept, LOG_SIZE), 0);
    /* A position nobody was told is as good as the oldest. */
    before = console_log_oldest();
    position = 0x80000000;
    kept[console_log_read(&position, kept, LOG_SIZE)] = '\0';
    ck_assert_str_eq(kept, "(core) one\n");
    console_log_clear();
    ck_assert_uint_eq(console_log_oldest() - before, 11);
    position = 0;
    ck_assert_uint_eq(console_log_read(&position, kept, LOG_SIZE), 0);

    for (unsigned int i = 0; i < 10000; i++) {
        log_print(LOG_INFO, "line %05u\n", i);
        (void)shown();
    }
    position = 0;
    ck_assert_uint_eq(console_log_read(&position, kept, sizeof(kept)), LOG_SIZE);
    kept[LOG_SIZE] = '\0';
    ck_assert_str_eq(strstr(kept, "(core) line 09999"), "(core) line 09999\n");
    ck_assert_uint_eq(count_of(kept, "(core) line"), LOG_SIZE / 18);
}
END_TEST

START_TEST(ctrl_a_three_times_gives_the_input_to_the_core_and_back)
{
    static const char struck[] = "ab\x01\x01"
                                 "c\x01\x01\x01qh\x01z\x01\x01\x01"
                                 "d";
    char text[16] = { 0 };

    type(struck, sizeof(struck) - 1);
    ck_assert_str_eq(keys, "qhz");
    ck_assert_uint_eq(console_read_guest(text, sizeof(text)), 8);
    ck_assert_str_eq(text, "ab\x01\x01"
                           "c\x01\x01"
                           "d");
    ck_assert_uint_gt(inputs_told, 0);
    ck_assert_ptr_nonnull(strstr(shown(), "input goes to the core, h for help"));
    ck_assert_ptr_nonnull(strstr(wire, "input goes to dom0"));
}
END_TEST

START_TEST(input_nobody_reads_is_dropped_beyond_what_there_is_room_for)
{
    char text[2 * INPUT_SIZE];

    memset(typed, 'a', sizeof(typed));
    type(typed, sizeof(typed));
    ck_assert_uint_eq(console_read_guest(text, 10), 10);
    ck_assert_uint_eq(console_read_guest(text, sizeof(text)), INPUT_SIZE - 10);
    ck_assert_uint_eq(console_read_guest(text, sizeof(text)), 0);
    type("b", 1);
    ck_assert_uint_eq(console_read_guest(text, sizeof(text)), 1);
    ck_assert_int_eq(text[0], 'b');
}
END_TEST

START_TEST(who_interrupts_its_own_line_is_heard)
{
    log_while_writing = true;
    log_print(LOG_ERROR, "outer\n");
    ck_assert_ptr_nonnull(strstr(shown(), "in between"));
    ck_assert_ptr_nonnull(strstr(wire, "outer"));
}
END_TEST

START_TEST(a_panic_does_not_wait_for_a_holder_that_is_gone)
{
    ck_assert(console_start_interrupts());
    ck_assert_uint_eq(interrupts, 1);
    fake_cpu_use(1, NULL);
    ck_assert(console_enter());
    fake_cpu_use(0, NULL);
    console_force();
    ck_assert_uint_eq(interrupts, 0);
    log_print(LOG_ERROR, "last words\n");
    wire[wire_size] = '\0';
    ck_assert_str_eq(wire, "(core) last words\r\n");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("core_console");
    TCase *tcase = suite_case(suite, "core_console");

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, a_guest_cannot_flood_the_console);
    tcase_add_test(tcase, lines_below_the_level_are_not_said_and_use_up_nothing);
    tcase_add_test(tcase, a_line_of_the_core_begins_a_line_and_ends_it);
    tcase_add_test(tcase, the_log_keeps_the_core_s_lines_until_they_are_too_old);
    tcase_add_test(tcase, ctrl_a_three_times_gives_the_input_to_the_core_and_back);
    tcase_add_test(tcase, input_nobody_reads_is_dropped_beyond_what_there_is_room_for);
    tcase_add_test(tcase, who_interrupts_its_own_line_is_heard);
    tcase_add_test(tcase, a_panic_does_not_wait_for_a_holder_that_is_gone);
    return suite_run(suite);
}
