/* SPDX-License-Identifier: MIT */
/*
 * Making other CPUs forget translations.
 *
 * A clock counts full flushes; each CPU notes its reading when it flushes, each
 * frame when it stops being writable or is freed (struct page.tlb_stamp).  A
 * CPU needs a flush for a frame only if its last flush is not newer.
 */
#pragma once

#include "hypervisor/lib/cpumask.h"

/* Flush this CPU: every non-global translation; or one address, if that is not: */
#define TLB_FLUSH_ALL UINT64_MAX
void tlb_flush_local(void);
void tlb_flush_here(uint64_t address_or_all);

/* Load a top-level table into CR3: a full flush as far as the clock is concerned. */
void tlb_load_cr3(uint64_t cr3);

/* Flush all of `mask` (this CPU too if it is in it) and return when it is done. */
void tlb_flush_mask(const struct cpumask *mask, uint64_t address_or_all);

/* The clock's reading, for a frame that stops being writable or is freed now. */
uint32_t tlb_clock(void);

/* Of `mask`, flush the CPUs that may still hold a translation older than `stamp`. */
void tlb_flush_older(const struct cpumask *mask, uint32_t stamp);

/* Serve requests other CPUs have for this one; called from spin_wait() too. */
void tlb_serve(void);
