/* SPDX-License-Identifier: MIT */
/*
 * The words every file of the core uses.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_SIZE(array)     (sizeof(array) / sizeof((array)[0]))
#define DIV_ROUND_UP(n, unit) (((n) + (unit)-1) / (unit))
#define ROUND_UP(n, unit)     (DIV_ROUND_UP(n, unit) * (unit))
#define MIN(a, b)             ((a) < (b) ? (a) : (b))
#define MAX(a, b)             ((a) > (b) ? (a) : (b))

/* The structure that `pointer`, the address of its `member`, lies in. */
#define container_of(pointer, type, member) \
    ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

#define likely(condition)   __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

#define must_check        __attribute__((warn_unused_result))
#define never_returns     __attribute__((noreturn))
#define always_inline     inline __attribute__((always_inline))
#define cold_path         __attribute__((cold, noinline))
#define printf_like(f, a) __attribute__((format(printf, f, a)))

/*
 * Is a guest's index below a limit?  Where the CPU only supposes so, *index is 0
 * from here on: no table is read beyond its end, not by speculation either.
 */
static always_inline bool index_below(uint32_t *index, uint32_t limit)
{
    uint32_t mask;
    bool below;

    /* sbb leaves the carry as cmp made it. */
    __asm__("cmp %[limit], %[index]\n\tsbb %[mask], %[mask]"
            : [mask] "=r"(mask), "=@ccc"(below)
            : [index] "r"(*index), [limit] "r"(limit));
    *index &= mask;
    return below;
}

#define NANOSECONDS UINT64_C(1000000000) /* in a second */
