/* SPDX-License-Identifier: MIT */
/*
 * Writes of a guest's kernel to its own level-1 page tables, which it sees
 * read-only: the instruction is carried out on a copy of the entry, and the
 * entry changed as a hypercall would change it.
 */
#ifndef HYPERVISOR_PV_EMULATE_PT_WRITE_H
#define HYPERVISOR_PV_EMULATE_PT_WRITE_H

#include "hypervisor/domain/domain.h"
#include "hypervisor/x86/regs.h"

/*
 * After a write fault at `address` on a present, read-only page.  True if the
 * instruction was carried out, or should simply be tried again; false if the
 * fault is the guest's business.
 */
bool must_check pv_emulate_pt_write(struct vcpu *vcpu, struct cpu_regs *regs, uint64_t address);

#endif
