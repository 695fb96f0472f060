/* SPDX-License-Identifier: MIT */
/*
 * ACPI's power management timer: a counter at 3.579545 MHz.
 */
#ifndef HYPERVISOR_DRIVERS_PMTIMER_H
#define HYPERVISOR_DRIVERS_PMTIMER_H

#include "hypervisor/lib/types.h"

#define PMTIMER_HZ UINT64_C(3579545)

/* After acpi_setup(): true if there is one and it counts. */
bool pmtimer_present(void);

/* Counts up; wraps at pmtimer_mask(): mask the difference of two readings. */
uint32_t pmtimer_read(void);
uint32_t pmtimer_mask(void);

#endif
