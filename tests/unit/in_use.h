/* SPDX-License-Identifier: MIT */
/* How many bytes of the heap are in use, for tests that nothing is left. */
#ifndef TESTS_UNIT_IN_USE_H
#define TESTS_UNIT_IN_USE_H

#include <malloc.h>
#include <stddef.h>

/* AddressSanitizer's, which has a heap of its own. */
extern size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static inline size_t bytes_in_use(void)
{
    const struct mallinfo2 heap = mallinfo2();

    return __sanitizer_get_current_allocated_bytes != NULL
               ? __sanitizer_get_current_allocated_bytes()
               : heap.uordblks + heap.hblkhd;
}

#endif
