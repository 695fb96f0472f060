/* SPDX-License-Identifier: MIT */
/* What the programs that measure share. */
#ifndef TESTS_BENCH_MEASURE_H
#define TESTS_BENCH_MEASURE_H

#include <err.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

static inline uint64_t read_tsc(void)
{
    uint32_t low, high;

    __asm__ volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
    return ((uint64_t)high << 32) | low;
}

/* A figure made of failed calls is none. */
static inline void must(bool good, const char *what)
{
    if (!good) {
        err(EXIT_FAILURE, "%s", what);
    }
}

#endif
