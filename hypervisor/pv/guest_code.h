/* SPDX-License-Identifier: MIT */
/*
 * What every emulated instruction starts and ends with.
 */
#ifndef HYPERVISOR_PV_GUEST_CODE_H
#define HYPERVISOR_PV_GUEST_CODE_H

#include "hypervisor/mm/guest_access.h"
#include "hypervisor/pv/decode.h"

#define GUEST_CODE_BYTES 16u /* two words; one byte more than an instruction can have */

/*
 * Read the code at `rip` in the loaded address space; returns how many bytes
 * there are, fewer where a page that cannot be read begins.
 */
unsigned int pv_fetch_code(uint64_t rip, uint64_t words[2]);

/* Fetch and decode what `regs` points at. */
bool must_check pv_fetch_instruction(const struct cpu_regs *regs, struct instruction *out);

/*
 * The instruction is done: step over its `length` bytes, and raise the
 * single-step trap if the guest asked for it.
 */
void pv_retire(struct cpu_regs *regs, unsigned int length);

#endif
