/* SPDX-License-Identifier: MIT */
/*
 * Fills what later calls find on the stack, as bytes that could be taken for code that was
 * never fetched.  Where a compiler puts their variables elsewhere, a test that uses it passes
 * without having tried.
 */
#ifndef TESTS_UNIT_DIRTY_STACK_H
#define TESTS_UNIT_DIRTY_STACK_H

#include <stddef.h>
#include <stdint.h>

static __attribute__((noinline)) void leave_on_stack(uint8_t byte)
{
    volatile uint8_t area[4096];

    for (size_t i = 0; i < sizeof(area); i++) {
        area[i] = byte;
    }
}

#endif
