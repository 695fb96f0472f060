/* SPDX-License-Identifier: MIT */
/*
 * Which model-specific registers a PV guest's kernel may touch, and what it
 * then sees: a table in msr.c.  What is not in it is #GP.
 *
 * The bases of fs and gs are not emulated at all: they are the hardware's while
 * a vCPU is loaded, and emulate_privileged.c reads the hot one itself.
 */
#ifndef HYPERVISOR_PV_MSR_H
#define HYPERVISOR_PV_MSR_H

#include "hypervisor/domain/domain.h"

/* For the vCPU loaded on this CPU.  False: #GP, and nothing changed. */
bool must_check pv_msr_read(const struct vcpu *vcpu, uint32_t msr, uint64_t *value);
bool must_check pv_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value);

#endif
