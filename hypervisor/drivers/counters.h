/* SPDX-License-Identifier: MIT */
/*
 * The counters of a PC that run at a known rate, to measure the TSC by.
 */
#pragma once

#include "hypervisor/lib/types.h"

/* Counts up; `mask` has the bits it counts in: mask the difference of two readings. */
struct counter {
    uint64_t (*read)(void);
    uint64_t hz;
    uint64_t mask;
};

/* After acpi_setup(): start each and describe it; false if there is none. */
bool hpet_counter(struct counter *counter);
bool pmtimer_counter(struct counter *counter);
bool pit_counter(struct counter *counter);
