/* SPDX-License-Identifier: MIT */
/*
 * Machine code run on the CPU itself, for tests that compare the core's idea of
 * an instruction with the machine's.
 */
#ifndef TESTS_UNIT_NATIVE_H
#define TESTS_UNIT_NATIVE_H

#include <stddef.h>
#include <stdint.h>

struct native_regs {
    uint64_t gpr[16]; /* by number; 4 (rsp) is only reported: as it is while the code runs */
    uint64_t rflags;  /* arithmetic flags and DF */
};

/* Where the next native_run() will put its code. */
uint64_t native_address(void);

/* Run at most 64 bytes of code that ends by falling through. */
void native_run(const uint8_t *code, size_t length, struct native_regs *regs);

#endif
