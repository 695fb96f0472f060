/* SPDX-License-Identifier: MIT */
/*
 * A set of CPUs.
 */
#pragma once

#include "hypervisor/lib/atomic.h"
#include "hypervisor/lib/types.h"

#define CPU_LIMIT 256u

struct cpumask {
    uint64_t bits[CPU_LIMIT / 64];
};

static inline bool cpumask_has(const struct cpumask *mask, unsigned int cpu)
{
    return cpu < CPU_LIMIT && bit_test(mask->bits, cpu);
}

static inline void cpumask_add(struct cpumask *mask, unsigned int cpu)
{
    __atomic_fetch_or(&mask->bits[cpu / 64], UINT64_C(1) << (cpu % 64), __ATOMIC_SEQ_CST);
}

static inline void cpumask_remove(struct cpumask *mask, unsigned int cpu)
{
    __atomic_fetch_and(&mask->bits[cpu / 64], ~(UINT64_C(1) << (cpu % 64)), __ATOMIC_SEQ_CST);
}

static inline struct cpumask cpumask_and(const struct cpumask *a, const struct cpumask *b)
{
    struct cpumask both = { { 0 } };

#pragma GCC unroll 4
    for (unsigned int i = 0; i < ARRAY_SIZE(both.bits); i++) {
        both.bits[i] = read_once(a->bits[i]) & read_once(b->bits[i]);
    }
    return both;
}

/* The first member at or after `from`; CPU_LIMIT if there is none. */
static inline unsigned int cpumask_next(const struct cpumask *mask, unsigned int from)
{
    for (unsigned int i = from / 64; i < ARRAY_SIZE(mask->bits); i++) {
        uint64_t bits = read_once(mask->bits[i]);

        if (i == from / 64) {
            bits &= ~UINT64_C(0) << (from % 64);
        }
        if (bits != 0) {
            return i * 64 + (unsigned int)__builtin_ctzll(bits);
        }
    }
    return CPU_LIMIT;
}

static inline bool cpumask_empty(const struct cpumask *mask)
{
    return cpumask_next(mask, 0) == CPU_LIMIT;
}

#define FOR_EACH_CPU(cpu, mask)                              \
    for ((cpu) = cpumask_next((mask), 0); (cpu) < CPU_LIMIT; \
         (cpu) = cpumask_next((mask), (cpu) + 1))
