/* SPDX-License-Identifier: MIT */
/*
 * Making other CPUs forget translations.
 *
 * A clock counts full flushes; each CPU notes its reading when it flushes, each
 * frame when its use as writable or as a table ends or it is freed (struct page.tlb_stamp).  A
 * CPU needs a flush for a frame only if its last flush is not newer.
 */
#pragma once

#include "hypervisor/lib/cpumask.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/features.h"
#include "hypervisor/x86/percpu.h"

#define TLB_FLUSH_ALL UINT64_MAX /* instead of an address */

/* Flush this CPU: every translation that is not global; or that of one address. */
void tlb_flush_local(void);
void tlb_flush_here(uint64_t address_or_all);

/* Load a top-level table into CR3: a full flush as far as the clock is concerned. */
void tlb_load_cr3(uint64_t cr3);

/*
 * A vCPU's two modes have a PCID each, where the CPU has PCIDs.  A flush is of the one in use, and
 * makes the next switch flush the other.  No NMI handler may flush: a switch is not atomic.
 */
static inline uint64_t tlb_user_cr3(mfn_t table)
{
    return maddr_of_mfn(table).byte | (cpu_features.cr3_keep != 0 ? CR3_USER : 0);
}

static inline void tlb_forget_other_mode(void)
{
    this_cpu()->cr3_keep = 0;
}

/*
 * Go to the other mode's table.  That this may flush is not told to the clock, which all CPUs
 * would write to with every system call: a flush too many, some other time, costs less.
 */
static inline void tlb_switch_mode(uint64_t cr3)
{
    write_cr3(cr3 | this_cpu()->cr3_keep);
    this_cpu()->cr3_keep = cpu_features.cr3_keep;
}

/* Flush all of `mask` (this CPU too if it is in it) and return when it is done. */
void tlb_flush_mask(const struct cpumask *mask, uint64_t address_or_all);

/* The clock's reading, for a frame that stops being writable or is freed now. */
uint32_t tlb_clock(void);

/* Of `mask`, flush the CPUs that may still hold a translation older than `stamp`. */
void tlb_flush_older(const struct cpumask *mask, uint32_t stamp);

/* Serve requests other CPUs have for this one; called from spin_wait() too. */
void tlb_serve(void);
