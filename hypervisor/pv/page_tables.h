/* SPDX-License-Identifier: MIT */
/*
 * A guest's page tables: every entry is checked before it takes effect.
 *
 * An entry in a table in use holds a reference to what it maps, and a use as
 * writable frame or as table of the level below.  docs/hypervisor/page-types.md.
 */
#pragma once

#include "hypervisor/domain/domain.h"
#include "hypervisor/x86/pte.h"

/*
 * Write entry `index` of `table`, a table in use of any level of `domain`; what
 * it maps belongs to `owner`.  keep_bits: accessed and dirty stay as they are.
 * 0, -XEN_EINVAL, -XEN_ERESTART (nothing changed), -XEN_EAGAIN if it is no table in use now.
 */
int must_check pt_set_entry(struct domain *domain, domid_t owner, struct page *table,
                            unsigned int index, pte_t entry, bool keep_bits);

/* The frame of the level-1 table for `address` in the current vCPU's tables; NULL if there is none.
 */
struct page *pt_find_l1(struct vcpu *vcpu, uint64_t address);

/* The vCPU is about to have another top-level table. */
static inline void pt_forget_walk(struct vcpu *vcpu)
{
    vcpu->pv.walked.top = mfn(0);
}

/* The level-1 entry for `address`; 0 if there is none. */
pte_t pt_read_l1(struct vcpu *vcpu, uint64_t address);

/*
 * For emulated writes: replace entry `index` if it is `old`.  0; -XEN_EAGAIN if it
 * is not (any more); -XEN_EINVAL if the guest may not have `new_entry`.
 */
int must_check pt_write_entry(struct vcpu *vcpu, mfn_t table, unsigned int index, pte_t old,
                              pte_t new_entry);

/* Does `address` map, readable, a level-1 table in use of the vCPU's domain? */
bool pt_find_l1_of_table(struct vcpu *vcpu, uint64_t address, mfn_t *table);

/*
 * Replace a level-1 entry by one whose references the caller holds already (a
 * grant), or by nothing, with the references of the old entry left to the
 * caller: its value is in *old.
 */
int must_check pt_swap_l1(struct domain *domain, struct page *table, unsigned int index,
                          pte_t entry, pte_t *old);

/*
 * Replace an entry only if it maps the frame `old` maps, as writable as that; what
 * the CPU noted in it does not matter.  References of both are the caller's.
 */
int must_check pt_exchange_l1(struct domain *domain, struct page *table, unsigned int index,
                              pte_t old, pte_t new_entry);

/* Release what an entry that was swapped out holds. */
void pt_release_l1_entry(pte_t entry);

/*
 * Does a top-level table in use show the machine-to-physical table?  No flush is
 * needed: its translations are not global, and whoever loads the table flushes.
 */
void pt_show_m2p(mfn_t l4, bool show);

/* Finish what a preempted call of this vCPU left: 0 or -XEN_ERESTART. */
int must_check pt_finish(struct vcpu *vcpu);

/* Give a use of a table back, and the reference; what takes too long is left in
 * vcpu->pv.unfinished. */
void pt_table_put(struct vcpu *vcpu, struct page *table);
