/* SPDX-License-Identifier: MIT */
/*
 * Atomic access to memory that is not declared _Atomic: pages shared with a
 * guest, and page tables.  What the core has for itself is _Atomic and uses
 * <stdatomic.h>.
 */
#pragma once

#include "hypervisor/lib/types.h"

#include <stdatomic.h>

/* One read, one write: never torn, never repeated by the compiler. */
#define read_once(place)         __atomic_load_n(&(place), __ATOMIC_RELAXED)
#define write_once(place, value) __atomic_store_n(&(place), (value), __ATOMIC_RELAXED)

#define load_acquire(pointer)         __atomic_load_n((pointer), __ATOMIC_ACQUIRE)
#define store_release(pointer, value) __atomic_store_n((pointer), (value), __ATOMIC_RELEASE)

/* Full barriers, as every locked instruction is; `exchange` returns the old value. */
#define atomic_swap(pointer, value) __atomic_exchange_n((pointer), (value), __ATOMIC_SEQ_CST)
#define atomic_compare_swap(pointer, expected, desired)                                    \
    __atomic_compare_exchange_n((pointer), (expected), (desired), false, __ATOMIC_SEQ_CST, \
                                __ATOMIC_SEQ_CST)
#define memory_barrier() __atomic_thread_fence(__ATOMIC_SEQ_CST)

/*
 * Single bits of a bitmap of any width shared with a guest or another CPU.
 * The two test_and_ functions are full barriers and return the bit's old value.
 */
static inline bool bit_test_and_set(uint64_t *map, unsigned int bit)
{
    uint64_t mask = UINT64_C(1) << (bit % 64);

    return (__atomic_fetch_or(&map[bit / 64], mask, __ATOMIC_SEQ_CST) & mask) != 0;
}

static inline bool bit_test_and_clear(uint64_t *map, unsigned int bit)
{
    uint64_t mask = UINT64_C(1) << (bit % 64);

    return (__atomic_fetch_and(&map[bit / 64], ~mask, __ATOMIC_SEQ_CST) & mask) != 0;
}

static inline bool bit_test(const uint64_t *map, unsigned int bit)
{
    return ((__atomic_load_n(&map[bit / 64], __ATOMIC_RELAXED) >> (bit % 64)) & 1) != 0;
}
