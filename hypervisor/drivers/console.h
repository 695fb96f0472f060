/* SPDX-License-Identifier: MIT */
/*
 * The console: lines of the core (lib/log.h) and output of the control domain,
 * on a serial port and, the former, in a ring that dom0 can read.
 * docs/hypervisor/console.md.
 */
#pragma once

#include "hypervisor/lib/log.h"
#include "hypervisor/lib/types.h"

struct console_port {
    unsigned int com; /* 1, 2; 0: none */
    unsigned int baud;
    bool polled; /* make no use of its interrupt */
};

/*
 * First thing at boot.  Lines up to `level` are kept and shown; the log ring works
 * even if the port is not there.
 */
void console_setup(const struct console_port *port, enum log_level level);

/*
 * Once interrupts can be routed (drivers/ioapic.h): input, and output that does not
 * wait.  False if the port has none, or is not to use it: console_poll() is to be called now and
 * then, with no lock held.
 */
bool console_start_interrupts(void);
void console_poll(void);

/* Output of a guest that may use the console: as it is, "\n" as "\r\n". */
void console_write_guest(const char *text, size_t size);

/* Take up to `size` bytes of input meant for dom0; the number taken. */
size_t console_read_guest(char *text, size_t size);

/*
 * The log.  Positions count characters since boot.  Copies from *position, or
 * from the oldest character kept if that is later, and moves *position behind
 * what was copied.
 */
size_t console_log_read(uint32_t *position, char *text, size_t size);
uint32_t console_log_oldest(void);
void console_log_clear(void);

/*
 * The machine is going down: from now on output is synchronous and nobody waits
 * for a lock longer than a moment.
 */
void console_force(void);

/* Provided by control/debug_keys.c: a key struck while input goes to the core. */
void debug_key(char key);

/* Provided by hypercalls/misc.c: there is input for dom0; there is more in the log. */
void console_input_ready(void);
void console_log_grew(void);
