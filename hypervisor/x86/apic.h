/* SPDX-License-Identifier: MIT */
/*
 * The local APIC, in x2APIC mode where the CPU has it.  SDM volume 3A, chapter 10.
 */
#ifndef HYPERVISOR_X86_APIC_H
#define HYPERVISOR_X86_APIC_H

#include "hypervisor/lib/types.h"

/* Once, on the boot CPU, after the MADT was read; then on each CPU. */
void apic_setup(void);
void apic_setup_cpu(void);

uint32_t apic_id(void);
void apic_end_of_interrupt(void);

/* The handler of VECTOR_APIC_ERROR. */
void apic_error_interrupt(void);

/* Fixed interrupt, INIT and start-up IPIs to a local APIC id. */
void apic_send(uint32_t target_id, uint8_t vector);
void apic_send_nmi(uint32_t target_id);
void apic_send_init(uint32_t target_id);
void apic_send_startup(uint32_t target_id, uint8_t page);

/* Interrupt this CPU (VECTOR_APIC_TIMER) at or soon after a TSC value; 0 disarms. */
void apic_timer_set(uint64_t tsc_deadline);

/* Measure the APIC timer against the TSC; after time/ has calibrated the TSC. */
void apic_timer_calibrate(uint64_t tsc_hz);

bool apic_x2apic(void);

/* One register by its xAPIC offset, for PHYSDEVOP-like diagnostics and MSR emulation. */
uint32_t apic_read(uint32_t offset);

#endif
