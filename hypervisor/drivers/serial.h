/* SPDX-License-Identifier: MIT */
/*
 * One 16550 UART: the machine's console.
 *
 * No lock of its own: the caller holds the console's (drivers/console.c).
 */
#pragma once

#include "hypervisor/lib/types.h"

#define SERIAL_COM1_PORT 0x3f8
#define SERIAL_COM2_PORT 0x2f8
#define SERIAL_COM1_IRQ  4
#define SERIAL_COM2_IRQ  3

/* 8 data bits, no parity; baud 0 leaves the rate as it is.  False if there is no UART. */
bool serial_setup(uint16_t port, unsigned int baud);

/* Its first I/O port, of 8; 0 if there is none. */
uint16_t serial_port(void);

/* Bytes as they are.  Waits for the UART unless interrupts empty the output ring. */
void serial_write(const char *text, size_t size);

/* The next byte received, or -1. */
int serial_read(void);

/* From now on serial_interrupt() is called when the UART's line fires. */
void serial_interrupts_on(void);

/* Send what the UART takes now and acknowledge; input is for serial_read() afterwards. */
void serial_interrupt(void);

/* After that: what is pending by then makes an edge of the line again. */
void serial_interrupts_again(void);

/* Panic: no more interrupts; what waits is sent now. */
void serial_interrupts_off(void);
