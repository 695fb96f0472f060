/* SPDX-License-Identifier: MIT */
/*
 * What an instruction makes of the 8-byte page-table entry its memory operand
 * lies in: entry, registers, flags.  Pure, so that tests can compare it with
 * the CPU.
 */
#pragma once

#include "hypervisor/pv/decode.h"

struct entry_change {
    uint64_t entry;  /* in: as it is; out: as it is to become */
    uint64_t rflags; /* out */
    uint64_t value;  /* out: for the register */
    uint8_t target;  /* out: number of the register to get it, or one of: */
#define TARGET_NONE 0xffu
#define TARGET_PAIR 0xfeu /* edx and eax */
};

/*
 * `offset` is the byte of the entry at which the operand begins; regs->rip does
 * not matter.  False if it is not one of the instructions known here, or its
 * operand does not lie within the entry.
 */
bool must_check entry_apply(const struct instruction *insn, unsigned int offset,
                            const struct cpu_regs *regs, struct entry_change *change);
