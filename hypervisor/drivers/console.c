/* SPDX-License-Identifier: MIT */
/*
 * The console.
 *
 * One lock covers the UART, the log ring and the input queue.  It is taken with
 * any other lock held and from NMI and machine-check handlers.  So a holder
 * waits for nothing but the UART, and a waiter gives up: at once if it has
 * interrupted the holder on its own CPU, else after a bounded wait.  Garbled
 * output is better than none.
 */
#include "hypervisor/drivers/console.h"

#include "hypervisor/drivers/serial.h"
#include "hypervisor/lib/printf.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/irq.h"
#include "hypervisor/x86/percpu.h"

#define LOG_SIZE   65536u
#define INPUT_SIZE 1024u
#define LINE_SIZE  328u
#define PREFIX     "(core) "

#define PREFIX_LENGTH (sizeof(PREFIX) - 1)

#define CTRL_A         0x01
#define SWITCH_STROKES 3

#define LOCK_TRIES        (1u << 25)
#define LOCK_TRIES_FORCED (1u << 22)

/* Guests' lines: a burst, then one for each 2^28 ticks of the TSC, ten a second or so. */
#define GUEST_BURST      32u
#define GUEST_TICK_SHIFT 28

static struct spinlock console_lock = SPINLOCK_INIT(RANK_CONSOLE);
static _Atomic uint32_t lock_holder; /* CPU + 1 */
static bool forced;

static enum log_level log_level = LOG_INFO;
static char log_ring[LOG_SIZE];
static uint32_t log_head;   /* characters ever logged */
static uint32_t log_oldest; /* not before this: console_log_clear() */

static bool line_open;      /* the last thing shown was no end of line */
static bool carriage_shown; /* the last character shown was '\r' */
static struct console_port console_port;

static struct {
    char text[INPUT_SIZE];
    uint32_t head, tail;
    bool to_core;
    unsigned int strokes; /* of the switch key, in a row */
} input;

static struct {
    uint64_t last; /* TSC >> GUEST_TICK_SHIFT when last refilled */
    uint32_t tokens;
    uint64_t dropped;
} guest_rate = { .tokens = GUEST_BURST };

/* True if the lock is held now; false if its holder is not going to let go. */
static bool console_enter(void) NO_LOCK_ANALYSIS
{
    uint32_t me = cpu_id() + 1;
    uint32_t tries = forced ? LOCK_TRIES_FORCED : LOCK_TRIES;

    if (atomic_load_explicit(&lock_holder, memory_order_relaxed) == me) {
        return false;
    }
    /* Not spin_lock(): in an NMI nothing may be done for other CPUs while waiting. */
    while (!spin_trylock(&console_lock)) {
        if (--tries == 0) {
            return false;
        }
        cpu_pause();
    }
    atomic_store_explicit(&lock_holder, me, memory_order_relaxed);
    return true;
}

static void console_leave(bool entered) NO_LOCK_ANALYSIS
{
    if (entered) {
        atomic_store_explicit(&lock_holder, 0, memory_order_relaxed);
        spin_unlock(&console_lock);
    }
}

/* Show text with "\n" as "\r\n", in pieces as long as possible. */
static void show(const char *text, size_t size)
{
    size_t start = 0;

    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\n' && !carriage_shown) {
            serial_write(&text[start], i - start);
            serial_write("\r", 1);
            start = i;
        }
        carriage_shown = text[i] == '\r';
    }
    serial_write(&text[start], size - start);
    if (size > 0) {
        line_open = text[size - 1] != '\n';
    }
}

/* A line of the core; what a guest left unfinished is ended first. */
static void log_formatted(const char *format, va_list arguments) printf_like(1, 0);
static void log_formatted(const char *format, va_list arguments)
{
    char line[LINE_SIZE] = PREFIX;
    size_t room = sizeof(line) - PREFIX_LENGTH;
    size_t length = (size_t)vsnprintf(line + PREFIX_LENGTH, room, format, arguments);
    bool entered;

    if (length > room - 1) { /* cut off, but still a line */
        length = room - 1;
        line[PREFIX_LENGTH + length - 1] = '\n';
    }
    entered = console_enter();
    if (line_open) {
        show("\n", 1);
    }
    show(line, PREFIX_LENGTH + length);
    for (size_t i = 0; i < PREFIX_LENGTH + length; i++) {
        log_ring[log_head++ % LOG_SIZE] = line[i];
    }
    console_leave(entered);
    softirq_raise(SOFTIRQ_LOG); /* not at once: the caller may hold any lock */
}

void log_print(enum log_level level, const char *format, ...)
{
    va_list arguments;

    if (level > log_level) {
        return;
    }
    va_start(arguments, format);
    log_formatted(format, arguments);
    va_end(arguments);
}

/* May a guest have one more line?  *dropped: lines it did not get since the last one. */
static bool guest_line_allowed(uint64_t *dropped)
{
    uint64_t now = read_tsc() >> GUEST_TICK_SHIFT;
    bool entered = console_enter();
    bool allowed;

    guest_rate.tokens += (uint32_t)MIN(now - guest_rate.last, (uint64_t)GUEST_BURST);
    guest_rate.tokens = MIN(guest_rate.tokens, GUEST_BURST);
    guest_rate.last = now;
    *dropped = guest_rate.dropped;
    allowed = guest_rate.tokens > 0;
    if (allowed) {
        guest_rate.tokens--;
        guest_rate.dropped = 0;
    } else {
        guest_rate.dropped++;
    }
    console_leave(entered);
    return allowed;
}

void log_guest_print(enum log_level level, const char *format, ...)
{
    va_list arguments;
    uint64_t dropped;

    if (level > log_level || !guest_line_allowed(&dropped)) {
        return;
    }
    if (dropped > 0) {
        log_print(LOG_WARNING, "%lu lines about guests were dropped\n", dropped);
    }
    va_start(arguments, format);
    log_formatted(format, arguments);
    va_end(arguments);
}

void console_setup(const struct console_port *port, enum log_level level)
{
    console_port = *port;
    log_level = level;
    if (port->com != 0) {
        (void)serial_setup(port->com == 1 ? SERIAL_COM1_PORT : SERIAL_COM2_PORT, port->baud);
    }
}

void console_write_guest(const char *text, size_t size)
{
    bool entered = console_enter();

    show(text, size);
    console_leave(entered);
}

size_t console_read_guest(char *text, size_t size)
{
    bool entered = console_enter();
    size_t count = 0;

    while (count < size && input.tail != input.head) {
        text[count++] = input.text[input.tail++ % INPUT_SIZE];
    }
    console_leave(entered);
    return count;
}

/* One byte of input.  Returns the key if it is for the core, else -1. */
static int take_input(char c)
{
    input.strokes = c == CTRL_A ? input.strokes + 1 : 0;
    if (input.strokes == SWITCH_STROKES) {
        input.strokes = 0;
        input.to_core = !input.to_core;
        return CTRL_A;
    }
    if (input.to_core) {
        return c == CTRL_A ? -1 : (unsigned char)c;
    }
    if (input.head - input.tail < INPUT_SIZE) { /* else the reader is gone: drop it */
        input.text[input.head++ % INPUT_SIZE] = c;
    }
    return -1;
}

/* Keys are acted upon with no lock held. */
void console_poll(void)
{
    char keys[32];
    unsigned int count = 0;
    bool entered = console_enter();
    bool waits;
    int c;

    serial_interrupt();
    while (count < ARRAY_SIZE(keys) && (c = serial_read()) >= 0) {
        int key = take_input((char)c);

        if (key >= 0) {
            keys[count++] = (char)key;
        }
    }
    serial_interrupts_again();
    waits = input.head != input.tail;
    console_leave(entered);

    for (unsigned int i = 0; i < count; i++) {
        if (keys[i] == CTRL_A) {
            log_print(LOG_ERROR, "input goes to %s; Ctrl-A three times to switch\n",
                      input.to_core ? "the core, h for help" : "dom0");
        } else {
            debug_key(keys[i]);
        }
    }
    if (waits) {
        console_input_ready();
    }
}

bool console_start_interrupts(void)
{
    bool entered;

    if (serial_port() == 0) {
        return true;
    }
    if (console_port.polled ||
        !irq_request_isa(console_port.com == 1 ? SERIAL_COM1_IRQ : SERIAL_COM2_IRQ, console_poll)) {
        log_info("console: the serial port is polled\n");
        return false;
    }
    entered = console_enter();
    serial_interrupts_on();
    console_leave(entered);
    return true;
}

uint32_t console_log_oldest(void)
{
    uint32_t kept = log_head - log_oldest;

    return kept > LOG_SIZE ? log_head - LOG_SIZE : log_oldest;
}

size_t console_log_read(uint32_t *position, char *text, size_t size)
{
    bool entered = console_enter();
    uint32_t oldest = console_log_oldest();
    size_t count = 0;

    if (*position - oldest > log_head - oldest) {
        *position = oldest;
    }
    while (count < size && *position != log_head) {
        text[count++] = log_ring[(*position)++ % LOG_SIZE];
    }
    console_leave(entered);
    return count;
}

void console_log_clear(void)
{
    bool entered = console_enter();

    log_oldest = log_head;
    console_leave(entered);
}

void console_force(void)
{
    bool entered;

    forced = true;
    entered = console_enter();
    serial_interrupts_off();
    console_leave(entered);
}
