/* SPDX-License-Identifier: MIT */
/*
 * The local APIC, in x2APIC mode where the CPU has it.  SDM volume 3A, chapter 10.
 */
#pragma once

#include "hypervisor/lib/types.h"

/* Once, on the boot CPU, after the MADT was read; then on each CPU. */
void apic_setup(void);
void apic_setup_cpu(void);

uint32_t apic_id(void);
void apic_end_of_interrupt(void);

/* The handler of VECTOR_APIC_ERROR. */
void apic_error_interrupt(void);

/* To a local APIC id: a vector, or one of these, the last with the number of a page. */
#define APIC_NMI     0x400u
#define APIC_INIT    0x500u
#define APIC_STARTUP 0x600u
void apic_send(uint32_t target_id, uint32_t message);

/* Interrupt this CPU (VECTOR_APIC_TIMER) at or soon after a TSC value. */
void apic_timer_set(uint64_t tsc_deadline);

/* Measure the APIC timer against the TSC; after time/ has calibrated the TSC. */
void apic_timer_calibrate(uint64_t tsc_hz);
