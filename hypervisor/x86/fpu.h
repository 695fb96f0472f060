/* SPDX-License-Identifier: MIT */
/*
 * Floating-point and vector state, switched eagerly with the vCPU: a lazily
 * switched register file leaks on CPUs (and emulators) that ignore CR0.TS.
 */
#pragma once

#include "hypervisor/lib/types.h"

struct vcpu;

/* On the boot CPU, before there are guests: with CR0.TS as one of them sets it, it would fault. */
void fpu_setup(void);

/* A fresh area in the state a CPU has after reset, with MXCSR 0x1f80 (heap_alloc); or NULL. */
struct fpu_state *fpu_create(void);

/* The part of an ABI context (512 bytes of FXSAVE). */
void fpu_from_fxsave(struct fpu_state *state, const void *fxsave);
void fpu_to_fxsave(const struct fpu_state *state, void *fxsave);

void fpu_save(struct fpu_state *state);
void fpu_load(const struct fpu_state *state);

/* The XCR0 a guest chose (XSETBV); part of the state. */
void fpu_set_xcr0(struct fpu_state *state, uint64_t xcr0);
uint64_t fpu_xcr0(const struct fpu_state *state);
