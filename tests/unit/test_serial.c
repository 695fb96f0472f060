/* SPDX-License-Identifier: MIT */
/*
 * hypervisor/drivers/serial.c over a UART with its interrupt line: what is sent arrives
 * whole and in order, and no reason to interrupt is left without an edge of the line.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#define in8  real_in8
#define out8 real_out8
#include "hypervisor/x86/cpu.h"
#undef in8
#undef out8

static uint8_t in8(uint16_t port);
static void out8(uint16_t port, uint8_t value);

#include "hypervisor/drivers/serial.c"
#include "tests/unit/suite.h"

#define PORT 0x3f8

/* PC16550D data sheet, 8.2 to 8.6. */
static struct {
    bool absent, stuck; /* nobody answers; nothing is sent any more */
    bool plain;         /* no FIFO */
    uint8_t enabled, line_control, scratch, divisor[2];
    bool empty_told; /* the transmitter-empty interrupt is pending */
    unsigned int filled;
    char fifo[FIFO_SIZE];
    char wire[4 * RING_SIZE];
    size_t wire_size;
    unsigned int received; /* bytes that wait to be read, all 'k' */
    bool level;
    unsigned int edges, handled;
    unsigned int instant; /* sent at once when the state has been read so often; 0: by transmit() */
    unsigned int looks;
} chip;

/* An edge of the line is what the interrupt controller sees. */
static void drive_line(void)
{
    bool level = ((chip.enabled & IER_RECEIVED) != 0 && chip.received > 0) ||
                 ((chip.enabled & IER_TRANSMIT_EMPTY) != 0 && chip.empty_told);

    chip.edges += level && !chip.level;
    chip.level = level;
}

static void transmit(void)
{
    if (chip.filled > 0 && !chip.stuck) {
        ck_assert_uint_le(chip.wire_size + chip.filled, sizeof(chip.wire));
        memcpy(&chip.wire[chip.wire_size], chip.fifo, chip.filled);
        chip.wire_size += chip.filled;
        chip.filled = 0;
        chip.empty_told = true;
        drive_line();
    }
}

static uint8_t line_status(void)
{
    if (chip.instant != 0 && ++chip.looks % chip.instant == 0) {
        transmit();
    }
    return (uint8_t)((chip.filled == 0 ? LSR_TRANSMIT_EMPTY : 0) |
                     (chip.received > 0 ? LSR_RECEIVED : 0));
}

/* Not by ck_assert(), which is slow: a chip that is given up is read two million times. */
static void check_port(uint16_t port)
{
    if (port < PORT || port >= PORT + 8) {
        ck_abort_msg("port 0x%x is not the chip's", port);
    }
}

static uint8_t in8(uint16_t port)
{
    check_port(port);
    if (chip.absent) {
        return 0xff;
    }
    switch (port - PORT) {
    case UART_DATA:
        ck_assert_uint_gt(chip.received, 0);
        chip.received--;
        drive_line();
        return 'k';
    case UART_IIR:
        if (chip.received == 0) { /* which comes first, and is not acknowledged by this */
            chip.empty_told = false;
        }
        drive_line();
        return chip.plain ? 0 : IIR_FIFO;
    case UART_LSR:
        return line_status();
    case UART_SCRATCH:
        return chip.scratch;
    default:
        return 0;
    }
}

static void out8(uint16_t port, uint8_t value)
{
    check_port(port);
    if (port - PORT <= UART_IER && (chip.line_control & LCR_DIVISOR) != 0) {
        chip.divisor[port - PORT] = value;
        return;
    }
    switch (port - PORT) {
    case UART_DATA:
        ck_assert_uint_lt(chip.filled, chip.plain ? 1 : FIFO_SIZE);
        chip.fifo[chip.filled++] = (char)value;
        chip.empty_told = false;
        break;
    case UART_IER:
        if ((value & ~chip.enabled & IER_TRANSMIT_EMPTY) != 0 && chip.filled == 0) {
            chip.empty_told = true;
        }
        chip.enabled = value;
        break;
    case UART_LCR:
        chip.line_control = value;
        break;
    case UART_SCRATCH:
        chip.scratch = value;
        break;
    default:
        break;
    }
    drive_line();
}

static void setup(void)
{
    memset(&chip, 0, sizeof(chip));
    memset(&uart, 0, sizeof(uart));
}

static void set_up_with_interrupts(void)
{
    ck_assert(serial_setup(PORT, 115200));
    serial_interrupts_on();
    ck_assert_uint_eq(chip.enabled, IER_RECEIVED);
}

/* What the core does with an edge; without one it would never be called. */
static unsigned int handle_interrupt(void)
{
    unsigned int count = 0;

    ck_assert_uint_gt(chip.edges, chip.handled);
    chip.handled = chip.edges;
    serial_interrupt();
    while (serial_read() >= 0) {
        count++;
    }
    serial_interrupts_again();
    return count;
}

/* How many interrupts it takes until all is sent. */
static unsigned int send_all(void)
{
    unsigned int count = 0;

    for (transmit(); chip.level; transmit()) {
        ck_assert_uint_eq(handle_interrupt(), 0);
        count++;
    }
    return count;
}

static char long_text[RING_SIZE + 100];

static const char *numbered_text(void)
{
    for (size_t i = 0; i < sizeof(long_text); i++) {
        long_text[i] = (char)('a' + i % 26);
    }
    return long_text;
}

START_TEST(a_port_that_nobody_answers_is_left_alone)
{
    chip.absent = true;
    ck_assert(!serial_setup(PORT, 115200));
    ck_assert_uint_eq(serial_port(), 0);
    serial_write("lost", 4);
    ck_assert_int_eq(serial_read(), -1);
    serial_interrupts_on();
    serial_interrupt();
    serial_interrupts_again();
    serial_interrupts_off();
}
END_TEST

START_TEST(the_rate_is_a_divisor_and_a_rate_it_cannot_have_changes_nothing)
{
    ck_assert(serial_setup(PORT, 9600));
    ck_assert_uint_eq(chip.divisor[0], 12);
    ck_assert_uint_eq(chip.divisor[1], 0);
    ck_assert(serial_setup(PORT, 300));
    ck_assert_uint_eq(chip.divisor[0], 0x80);
    ck_assert_uint_eq(chip.divisor[1], 0x01);
    ck_assert(serial_setup(PORT, 115201));
    ck_assert_uint_eq(chip.divisor[0], 0x80);
    ck_assert(serial_setup(PORT, 0));
    ck_assert_uint_eq(chip.divisor[0], 0x80);
    ck_assert_uint_eq(chip.line_control, LCR_8N1);
}
END_TEST

START_TEST(without_interrupts_the_writer_waits_until_all_is_on_the_wire)
{
    const char *text = numbered_text();

    chip.instant = 3;
    chip.plain = _i == 1;
    ck_assert(serial_setup(PORT, 115200));
    serial_write(text, 1000);
    transmit(); /* the last of it */
    ck_assert_uint_eq(chip.wire_size, 1000);
    ck_assert_mem_eq(chip.wire, text, 1000);
    ck_assert_uint_eq(chip.edges, 0);
}
END_TEST

START_TEST(with_interrupts_each_one_sends_as_much_as_the_chip_takes)
{
    const char *text = numbered_text();

    set_up_with_interrupts();
    serial_write(text, 100);
    ck_assert_uint_eq(chip.filled, FIFO_SIZE); /* the writer did not wait */
    ck_assert_uint_eq(send_all(), 6);
    ck_assert_uint_eq(chip.wire_size, 100);
    ck_assert_mem_eq(chip.wire, text, 100);
    ck_assert_uint_eq(chip.enabled, IER_RECEIVED); /* nothing left to send: no more of them */
}
END_TEST

START_TEST(a_full_ring_makes_the_writer_wait_and_loses_nothing)
{
    const char *text = numbered_text();

    set_up_with_interrupts();
    chip.instant = 2;
    serial_write(text, sizeof(long_text));
    chip.instant = 0;
    (void)send_all();
    ck_assert_uint_eq(chip.wire_size, sizeof(long_text));
    ck_assert_mem_eq(chip.wire, text, sizeof(long_text));
}
END_TEST

/* The line stays up from one reason to the next: without an edge no interrupt would ever come. */
START_TEST(what_came_while_an_interrupt_was_handled_makes_an_edge_of_its_own)
{
    unsigned int before;

    set_up_with_interrupts();
    serial_write(numbered_text(), 40);
    chip.received = 1;
    drive_line();
    serial_interrupt();
    before = chip.edges;
    transmit();
    ck_assert(chip.level);
    ck_assert_int_eq(serial_read(), 'k');
    ck_assert_int_eq(serial_read(), -1);
    ck_assert(chip.level);
    ck_assert_uint_eq(chip.edges, before);
    serial_interrupts_again();
    ck_assert_uint_eq(chip.edges, before + 1);

    chip.received = 1; /* and the other way round */
    drive_line();
    before = chip.edges;
    serial_interrupt();
    serial_interrupts_again();
    ck_assert_uint_eq(chip.edges, before + 1);
    ck_assert_uint_eq(handle_interrupt(), 1);
}
END_TEST

START_TEST(in_a_panic_the_ring_is_emptied_and_the_line_silent)
{
    const char *text = numbered_text();

    set_up_with_interrupts();
    serial_write(text, 200);
    chip.instant = 4;
    serial_interrupts_off();
    ck_assert_uint_eq(chip.enabled, 0);
    serial_write("end", 3);
    transmit();
    ck_assert_uint_eq(chip.wire_size, 203);
    ck_assert_mem_eq(chip.wire, text, 200);
    ck_assert_mem_eq(&chip.wire[200], "end", 3);
}
END_TEST

/* in8() and out8() see that no other port is touched. */
START_TEST(a_chip_that_stops_is_given_up)
{
    if (_i == 0) {
        ck_assert(serial_setup(PORT, 115200));
    } else {
        set_up_with_interrupts();
    }
    chip.stuck = true;
    serial_write(numbered_text(), sizeof(long_text));
    ck_assert_uint_eq(serial_port(), 0);
    serial_write("lost", 4);
    ck_assert_int_eq(serial_read(), -1);
    serial_interrupt();
    serial_interrupts_again();
    serial_interrupts_off();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("serial");
    TCase *tcase = suite_case(suite, "serial");

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, a_port_that_nobody_answers_is_left_alone);
    tcase_add_test(tcase, the_rate_is_a_divisor_and_a_rate_it_cannot_have_changes_nothing);
    tcase_add_loop_test(tcase, without_interrupts_the_writer_waits_until_all_is_on_the_wire, 0, 2);
    tcase_add_test(tcase, with_interrupts_each_one_sends_as_much_as_the_chip_takes);
    tcase_add_test(tcase, a_full_ring_makes_the_writer_wait_and_loses_nothing);
    tcase_add_test(tcase, what_came_while_an_interrupt_was_handled_makes_an_edge_of_its_own);
    tcase_add_test(tcase, in_a_panic_the_ring_is_emptied_and_the_line_silent);
    tcase_add_loop_test(tcase, a_chip_that_stops_is_given_up, 0, 2);
    return suite_run(suite);
}
