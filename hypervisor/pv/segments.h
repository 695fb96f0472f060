/* SPDX-License-Identifier: MIT */
/*
 * A guest's descriptor tables: GDT, LDT, single descriptors, segment bases.
 */
#pragma once

#include "hypervisor/domain/domain.h"

/* Make a page of descriptors fit to be loaded: -XEN_EINVAL at one that cannot be. */
int must_check segments_adjust(uint64_t *descriptors);

/*
 * Set the vCPU's GDT to `entries` in the frames named (references taken here), its
 * LDT to `entries` at a virtual address of its current tables.  0, -XEN_EINVAL.
 */
int must_check segments_set_gdt(struct vcpu *vcpu, const uint64_t *frames, uint64_t entries);
int must_check segments_set_ldt(struct vcpu *vcpu, uint64_t base, uint64_t entries);

/* Drop both: the vCPU is gone or not loaded. */
void segments_drop(struct vcpu *vcpu);

/* Show the vCPU's tables in this CPU's window. */
void segments_load(const struct vcpu *vcpu);

/* Is the code at regs->cs 64-bit code? */
bool pv_code_is_64bit(const struct cpu_regs *regs);

/* The current vCPU's bases, live in the CPU. */
uint64_t segment_fs_base(void);
uint64_t segment_gs_base(void);
void segment_set_fs_base(uint64_t base);
void segment_set_gs_base(uint64_t base);
