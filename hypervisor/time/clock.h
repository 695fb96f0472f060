/* SPDX-License-Identifier: MIT */
/*
 * System time: nanoseconds since the core booted, from the TSC.
 */
#pragma once

#include "hypervisor/lib/types.h"

/* TSC ticks to nanoseconds: (ticks << shift) * mul >> 32; shift may be negative. The ABI's form. */
struct clock_scale {
    uint32_t mul;
    int8_t shift;
};

/* Boot CPU: calibrate the TSC (HPET, PM timer or PIT), read the CMOS clock. */
void clock_setup(void);

/*
 * Each further CPU, on itself: compare its TSC with the boot CPU's.  Meanwhile the
 * boot CPU calls clock_serve_cpu() in the loop in which it waits for the new one;
 * it returns at once unless a CPU is asking.  Without it the CPU goes on after a
 * moment, unchecked.
 */
void clock_setup_cpu(void);
void clock_serve_cpu(void);

uint64_t clock_now(void);                  /* system time, ns; never goes back on one CPU */
uint64_t clock_tsc_of(uint64_t system_ns); /* this CPU's TSC at which it will be this or later */
uint64_t clock_tsc_hz(void);
struct clock_scale clock_scale(void);
uint64_t clock_tsc_base(void); /* this CPU's TSC at system time 0 */

/*
 * May guests read the TSC as a stable clock on all CPUs (pvclock's flag)?  Then
 * clock_tsc_base() is the same on all of them for good.
 */
bool clock_tsc_stable(void);

/* Seconds and nanoseconds since 1970 at system time 0. */
void clock_wall_get(uint64_t *seconds, uint32_t *nanoseconds);

/* PLATFORM settime: it was `seconds`.`nanoseconds` at `system_ns`; guests are told. */
void clock_wall_set(uint64_t seconds, uint32_t nanoseconds, uint64_t system_ns);

/* Spin: for hardware set-up only. */
void clock_delay_us(uint64_t microseconds);
