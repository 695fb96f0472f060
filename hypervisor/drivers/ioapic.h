/* SPDX-License-Identifier: MIT */
/*
 * I/O APICs: the pins behind the GSIs.  See also x86/irq.h.
 */
#pragma once

#include "hypervisor/x86/irq.h"

/* After acpi_setup(): find them, mask every pin, make a line of each. */
void ioapic_setup(void);

/* How a pin is wired; takes effect when it is programmed next. */
void ioapic_configure(struct irq_line *line, bool level, bool active_low) REQUIRES(line->lock);

/*
 * One register of the I/O APIC at a physical address, as the hardware has it:
 * false if there is no such I/O APIC or register.
 */
bool must_check ioapic_read_register(uint64_t address, uint32_t reg, uint32_t *value);

/* The GSI a redirection register belongs to; IRQ_NONE if it is none. */
uint32_t ioapic_gsi_of_register(uint64_t address, uint32_t reg);
