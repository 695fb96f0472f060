/* SPDX-License-Identifier: MIT */
/*
 * Instructions that a PV guest's kernel uses although it does not run in ring 0.
 *
 * Called by the trap code for the vCPU loaded on this CPU.  Each returns true if
 * the instruction was carried out (or an exception it raises was put into
 * `regs`), false if the guest is to get the exception the CPU raised.
 */
#ifndef HYPERVISOR_PV_EMULATE_PRIVILEGED_H
#define HYPERVISOR_PV_EMULATE_PRIVILEGED_H

#include "hypervisor/domain/domain.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/regs.h"

/* After #GP with error code 0. */
bool must_check pv_emulate_privileged(struct cpu_regs *regs);

/* After #UD: the forced-emulation prefix followed by CPUID. */
bool must_check pv_emulate_forced_cpuid(struct cpu_regs *regs);

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

#endif
