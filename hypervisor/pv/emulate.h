/* SPDX-License-Identifier: MIT */
/*
 * Instructions the core carries out for a guest, whose kernel does not run in
 * ring 0: docs/hypervisor/emulation.md.  All are for the vCPU loaded on this CPU.
 */
#pragma once

#include "hypervisor/domain/domain.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/pv/decode.h"
#include "hypervisor/x86/cpu.h"

/*
 * These two return true if the instruction was carried out (or an exception it
 * raises was put into `regs`), false if the guest is to get what the CPU raised.
 */

/* After #GP with error code 0. */
bool must_check pv_emulate_privileged(struct cpu_regs *regs);

/* After #UD: the forced-emulation prefix followed by CPUID. */
bool must_check pv_emulate_forced_cpuid(struct cpu_regs *regs);

/*
 * After a write fault at `address` on a present, read-only page.  True if the
 * instruction was carried out, or should simply be tried again; false if the
 * fault is the guest's business.
 */
bool must_check pv_emulate_pt_write(struct vcpu *vcpu, struct cpu_regs *regs, uint64_t address);

/* What a vCPU sees in CR4. */
uint64_t pv_cr4_read(const struct vcpu *vcpu);

/* Make the hardware's CR4.TSD and TSC_AUX the loaded vCPU's. */
void pv_load_tsc_access(const struct vcpu *vcpu);

/* For context_switch(): either may be an idle vCPU. */
static inline void pv_tsc_access_switch(const struct vcpu *from, const struct vcpu *to)
{
    if (from->pv.tsc_aux != to->pv.tsc_aux || ((from->pv.cr4 ^ to->pv.cr4) & CR4_TSD) != 0) {
        pv_load_tsc_access(to);
    }
}

/* CLTS, MOV to CR0, and hypercall fpu_taskswitch; the loaded vCPU's. */
void pv_set_task_switched(struct vcpu *vcpu, bool set);

/* --- guest_code.c: what every emulated instruction starts and ends with --- */

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

/* --- msr.c: which model-specific registers a kernel may touch, and what it then sees --- */

/* For the vCPU loaded on this CPU.  False: #GP, and nothing changed. */
bool must_check pv_msr_read(const struct vcpu *vcpu, uint32_t msr, uint64_t *value);
bool must_check pv_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);
