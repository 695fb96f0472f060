/* SPDX-License-Identifier: MIT */
/*
 * Parts of the clock that only its unit test calls from outside.
 */
#ifndef HYPERVISOR_TIME_CLOCK_INTERNAL_H
#define HYPERVISOR_TIME_CLOCK_INTERNAL_H

#include "hypervisor/drivers/counters.h"

/* The TSC's rate by that counter; 0 if the counter stands still. */
uint64_t clock_measure(const struct counter *counter);

void clock_set_rate(uint64_t hz);

/*
 * One more reading `there` of another CPU's TSC, taken between two of ours.
 * warped: some reading was out of order; offset: of the shortest exchange so far.
 */
struct clock_comparison {
    uint64_t shortest;
    int64_t offset;
    bool warped;
};
void clock_compare(struct clock_comparison *so_far, uint64_t before, uint64_t there,
                   uint64_t after);

/* The CMOS clock's registers as they are; `control` is register B. */
struct cmos_time {
    uint8_t second, minute, hour, day, month, year, control;
};

/* Seconds since 1970; 0 if it is no time. */
uint64_t clock_cmos_seconds(struct cmos_time time);
uint64_t clock_seconds_of_date(unsigned int year, unsigned int month, unsigned int day);

#endif
