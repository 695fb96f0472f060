/* SPDX-License-Identifier: MIT */
/*
 * A guest's debug registers: vcpu.pv.debug[0..3, 6, 7].
 *
 * They are the hardware's only while the vCPU is loaded and has a breakpoint
 * enabled in DR7.  No breakpoint can be put on the core's addresses, but one on
 * the guest's own can fire while the core copies to or from it.
 */
#pragma once

#include "hypervisor/domain/domain.h"
#include "hypervisor/x86/cpu.h"

#define DR7_ENABLED UINT64_C(0xff) /* L0 to G3 */

/*
 * Hypercall set_debugreg and MOV to DRn; `live` if the vCPU is the one loaded
 * here, and not a context being prepared.  -XEN_ENODEV: no such register, or
 * 4 and 5 with CR4.DE.  -XEN_EPERM: a value a guest may not set.
 */
long pv_debug_register_set(struct vcpu *vcpu, unsigned int number, uint64_t value, bool live);

/* False where the hypercall gives -XEN_ENODEV. */
bool must_check pv_debug_register_get(const struct vcpu *vcpu, unsigned int number,
                                      uint64_t *value);

/* Put them into the hardware; take them out again (context switch). */
void pv_debug_registers_load(const struct vcpu *vcpu);

static inline void pv_debug_registers_switch(const struct vcpu *from, const struct vcpu *to)
{
    if (unlikely(((from->pv.debug[7] | to->pv.debug[7]) & DR7_ENABLED) != 0)) {
        pv_debug_registers_load(to);
    }
}
