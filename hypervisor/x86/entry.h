/* SPDX-License-Identifier: MIT */
/*
 * Between entry.S and C.
 */
#pragma once

#include "hypervisor/x86/percpu.h"

/* In entry.S. */
extern const uint8_t entry_stubs[256][16];
extern const uint8_t iret_to_guest[];
void entry_syscall(void);
void entry_syscall_compat(void);
void entry_sysenter(void);
void never_returns run_on_stack(void *stack, void (*function)(void));
void never_returns cpu_idle(struct cpu_info *info);
void never_returns cpu_enter_guest(struct cpu_info *info);

/* In x86/traps.c, called from entry.S. */
void trap_from_guest(struct cpu_regs *regs);
void trap_from_core(struct cpu_regs *regs);
void trap_from_guest_own_stack(struct cpu_regs *regs);
struct cpu_regs *trap_to_main_stack(const struct cpu_regs *regs);

/* In sched/: runs soft interrupts and waits until `current` is not the idle vCPU. */
void idle_loop(void);

/* In hypercalls/ and pv/, called from entry.S. */
void hypercall_entry(struct cpu_regs *regs);
void hypercall_iret(struct cpu_regs *regs, struct vcpu *vcpu);
void pv_guest_syscall(struct cpu_regs *regs, struct vcpu *vcpu);
void pv_guest_syscall32(struct cpu_regs *regs, struct vcpu *vcpu);
void pv_guest_sysenter(struct cpu_regs *regs, struct vcpu *vcpu);
void pv_deliver_upcall(struct cpu_regs *regs, struct vcpu *vcpu);

/* In pv/, called from trap_from_guest(): an exception of the guest. */
void pv_exception(struct cpu_regs *regs, struct vcpu *vcpu);

/* The guest's frame could not be loaded by iretq: give it to the guest or crash it. */
void pv_iret_failed(struct cpu_regs *fault, struct vcpu *vcpu);
