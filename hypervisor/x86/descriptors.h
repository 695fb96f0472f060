/* SPDX-License-Identifier: MIT */
/*
 * Descriptor tables and stacks of a CPU.  Intel SDM vol. 3A, chapters 3, 6 and 7.
 *
 * Each CPU has a window of 32 pages: the GDT's first fourteen show the current
 * vCPU's frames, the fifteenth the core's own entries; the upper sixteen pages
 * show its LDT.  A switch of vCPUs changes what the window shows.
 */
#pragma once

#include "hypervisor/lib/frame.h"

#define GDT_GUEST_PAGES 14u
#define LDT_PAGES       16u

/* Boot CPU, once: the interrupt table. */
void descriptors_setup(void);

/* Map stack and window of a CPU that is to be started; false if out of memory. */
bool must_check descriptors_create_cpu(unsigned int cpu);

/* On the CPU itself, on its own stack: load everything, set up SYSCALL. */
void descriptors_load(void);

/* Have a page of this CPU's window show a frame; MFN_INVALID for nothing. */
#define GDT_WINDOW 0u /* the first page of each */
#define LDT_WINDOW 16u
void window_set(unsigned int page, mfn_t frame);

/* What the window shows, from a page on. */
const uint64_t *window_descriptors(unsigned int page);

/* Load the LDT register with `entries` of the window; 0: no LDT. */
void ldt_load(unsigned int entries);
