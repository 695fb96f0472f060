/* SPDX-License-Identifier: MIT */
/*
 * The HPET's main counter, as a clock to measure others by.
 */
#ifndef HYPERVISOR_DRIVERS_HPET_H
#define HYPERVISOR_DRIVERS_HPET_H

#include "hypervisor/lib/types.h"

/* After acpi_setup(): start the counter if there is one. */
void hpet_setup(void);

bool hpet_present(void);
uint64_t hpet_hz(void);

/* Counts up; wraps at hpet_mask(): mask the difference of two readings. */
uint64_t hpet_counter(void);
uint64_t hpet_mask(void);

#endif
