/* SPDX-License-Identifier: MIT */
/*
 * Writes of a guest's kernel to its own level-1 page tables, which it sees
 * read-only: the instruction is carried out on a copy of the entry, and the
 * entry changed as a hypercall would change it.
 */
#ifndef HYPERVISOR_PV_EMULATE_PT_WRITE_H
#define HYPERVISOR_PV_EMULATE_PT_WRITE_H

#include "hypervisor/domain/domain.h"
#include "hypervisor/pv/decode.h"

/*
 * After a write fault at `address` on a present, read-only page.  True if the
 * instruction was carried out, or should simply be tried again; false if the
 * fault is the guest's business.
 */
bool must_check pv_emulate_pt_write(struct vcpu *vcpu, struct cpu_regs *regs, uint64_t address);

/*
 * What an instruction makes of the 8-byte entry its memory operand lies in.
 * Pure, so that tests can compare it with the CPU.
 */
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

#endif
