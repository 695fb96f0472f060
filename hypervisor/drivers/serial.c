/* SPDX-License-Identifier: MIT */
/*
 * 16550 UART.  Until interrupts work, and again in a panic, output is polled;
 * in between it goes through a ring that the transmitter-empty interrupt
 * drains, and only a full ring makes a writer wait.
 *
 * Every wait for the hardware is bounded: a UART that stops answering costs
 * output, never the machine.
 */
#include "hypervisor/drivers/serial.h"

#include "hypervisor/x86/cpu.h"

/* Registers, from the base port.  PC16550D data sheet, table II. */
#define UART_DATA         0
#define UART_DIVISOR_LOW  0
#define UART_IER          1
#define UART_DIVISOR_HIGH 1
#define UART_IIR          2
#define UART_FCR          2
#define UART_LCR          3
#define UART_MCR          4
#define UART_LSR          5
#define UART_MSR          6
#define UART_SCRATCH      7

#define IER_RECEIVED       0x01
#define IER_TRANSMIT_EMPTY 0x02
#define FCR_ENABLE_CLEAR   0x07
#define IIR_FIFO           0xc0
#define LCR_8N1            0x03
#define LCR_DIVISOR        0x80
#define MCR_DTR_RTS_OUT2   0x0b
#define LSR_RECEIVED       0x01
#define LSR_TRANSMIT_EMPTY 0x20

#define UART_CLOCK 115200u
#define FIFO_SIZE  16u
#define RING_SIZE  16384u
#define WAIT_LIMIT 2000000u /* reads of a port: about two seconds */

static struct {
    uint16_t port;       /* 0: no UART */
    unsigned int fifo;   /* bytes it takes when its transmitter is empty */
    bool interrupts;     /* the ring is in use */
    bool transmitting;   /* the transmitter-empty interrupt is enabled */
    uint32_t head, tail; /* of the ring, counting on for ever */
    char ring[RING_SIZE];
} uart;

static uint8_t uart_in(unsigned int reg)
{
    return in8((uint16_t)(uart.port + reg));
}

static void uart_out(unsigned int reg, uint8_t value)
{
    out8((uint16_t)(uart.port + reg), value);
}

static bool uart_answers(void)
{
    static const uint8_t patterns[] = { 0x55, 0xaa };

    for (unsigned int i = 0; i < ARRAY_SIZE(patterns); i++) {
        uart_out(UART_SCRATCH, patterns[i]);
        if (uart_in(UART_SCRATCH) != patterns[i]) {
            return false;
        }
    }
    return true;
}

bool serial_setup(uint16_t port, unsigned int baud)
{
    uart.port = port;
    if (!uart_answers()) {
        uart.port = 0;
        return false;
    }

    uart_out(UART_IER, 0);
    if (baud > 0 && baud <= UART_CLOCK) {
        unsigned int divisor = UART_CLOCK / baud;

        uart_out(UART_LCR, LCR_8N1 | LCR_DIVISOR);
        uart_out(UART_DIVISOR_LOW, (uint8_t)divisor);
        uart_out(UART_DIVISOR_HIGH, (uint8_t)(divisor >> 8));
    }
    uart_out(UART_LCR, LCR_8N1);
    uart_out(UART_FCR, FCR_ENABLE_CLEAR);
    uart_out(UART_MCR, MCR_DTR_RTS_OUT2);
    uart.fifo = (uart_in(UART_IIR) & IIR_FIFO) == IIR_FIFO ? FIFO_SIZE : 1;
    return true;
}

uint16_t serial_port(void)
{
    return uart.port;
}

static bool transmitter_empty(void)
{
    return (uart_in(UART_LSR) & LSR_TRANSMIT_EMPTY) != 0;
}

/* Wait until the FIFO is empty; a UART that does not get there is given up. */
static bool wait_transmitter(void)
{
    for (unsigned int i = 0; i < WAIT_LIMIT; i++) {
        if (transmitter_empty()) {
            return true;
        }
        cpu_pause();
    }
    uart.interrupts = false;
    uart.port = 0;
    return false;
}

static void write_polled(const char *text, size_t size)
{
    while (size > 0) {
        size_t part = MIN(size, (size_t)uart.fifo);

        if (!wait_transmitter()) {
            return;
        }
        for (size_t i = 0; i < part; i++) {
            uart_out(UART_DATA, (uint8_t)text[i]);
        }
        text += part;
        size -= part;
    }
}

/* The transmitter interrupts as long as there is something to send. */
static void enable_interrupts(void)
{
    uart.transmitting = uart.head != uart.tail;
    uart_out(UART_IER, uart.transmitting ? IER_RECEIVED | IER_TRANSMIT_EMPTY : IER_RECEIVED);
}

/* One FIFO full from the ring, if the transmitter is empty. */
static void fill_fifo(void)
{
    if (uart.head == uart.tail || !transmitter_empty()) {
        return;
    }
    for (unsigned int i = 0; i < uart.fifo && uart.head != uart.tail; i++) {
        uart_out(UART_DATA, (uint8_t)uart.ring[uart.tail++ % RING_SIZE]);
    }
}

static void send_on(void)
{
    fill_fifo();
    if (uart.transmitting != (uart.head != uart.tail)) {
        enable_interrupts();
    }
}

void serial_write(const char *text, size_t size)
{
    if (uart.port == 0) {
        return;
    }
    if (!uart.interrupts) {
        write_polled(text, size);
        return;
    }
    for (size_t i = 0; i < size; i++) {
        if (uart.head - uart.tail == RING_SIZE) {
            if (!wait_transmitter()) {
                return;
            }
            fill_fifo();
        }
        uart.ring[uart.head++ % RING_SIZE] = text[i];
    }
    send_on();
}

int serial_read(void)
{
    return uart.port == 0 || (uart_in(UART_LSR) & LSR_RECEIVED) == 0 ? -1 : uart_in(UART_DATA);
}

void serial_interrupts_on(void)
{
    if (uart.port != 0) {
        uart.interrupts = true;
        enable_interrupts();
    }
}

void serial_interrupt(void)
{
    if (uart.port == 0) {
        return;
    }
    (void)uart_in(UART_IIR);
    (void)uart_in(UART_MSR);
    send_on();
}

void serial_interrupts_again(void)
{
    if (uart.interrupts) {
        uart_out(UART_IER, 0);
        enable_interrupts();
    }
}

void serial_interrupts_off(void)
{
    if (uart.interrupts) {
        uart.interrupts = false;
        uart_out(UART_IER, 0);
        while (uart.head != uart.tail && wait_transmitter()) {
            fill_fifo();
        }
    }
}
