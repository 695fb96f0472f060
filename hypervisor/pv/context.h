/* SPDX-License-Identifier: MIT */
/*
 * A vCPU's context: built, loaded, saved, dropped.
 */
#pragma once

#include "hypervisor/domain/domain.h"
#include "hypervisor/x86/cpu.h"

/*
 * Give a vCPU that is down its first context, checked throughout.  References
 * to page tables and descriptor frames are taken.  0, -XEN_EINVAL, -XEN_ERESTART.
 */
int must_check pv_vcpu_initialise(struct vcpu *vcpu, const struct vcpu_guest_context *context);

/* Drop what a context refers to: the vCPU is down for good.  0 or -XEN_ERESTART. */
int must_check pv_vcpu_release(struct vcpu *vcpu);

/* The state of a vCPU that is not loaded, in the ABI's form. */
void pv_vcpu_get_context(const struct vcpu *vcpu, struct vcpu_guest_context *context);

/* Note the selectors that are loaded. */
static inline void pv_save_selectors(struct pv_vcpu *pv)
{
    pv->ds = read_ds();
    pv->es = read_es();
    pv->fs = read_fs();
    pv->gs = read_gs();
}
