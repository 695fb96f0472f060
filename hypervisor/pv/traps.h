/* SPDX-License-Identifier: MIT */
/*
 * Handing exceptions, events and system calls to a guest's kernel.
 */
#pragma once

#include "hypervisor/domain/domain.h"

/*
 * Make the guest handle an exception when it is returned to; an error code is
 * pushed for the vectors that have one.
 */
void pv_inject_exception(struct cpu_regs *regs, struct vcpu *vcpu, unsigned int vector,
                         uint32_t error_code);

/* A page fault at an address. */
void pv_inject_page_fault(struct cpu_regs *regs, uint64_t address, uint32_t error_code);

/* Have a vCPU take an NMI as soon as it may; from any CPU. */
void pv_send_nmi(struct vcpu *vcpu);

/* Its selectors could not be loaded (context switch): its kernel is told by its failsafe callback.
 */
void pv_selectors_failed(struct vcpu *vcpu);

/* Boot: register the soft interrupt that delivers both. */
void pv_traps_setup(void);
