/* SPDX-License-Identifier: MIT */
/*
 * The hypercalls on page tables: mmu_update, mmuext_op, update_va_mapping.
 */
#pragma once

#include "hypervisor/mm/guest_access.h"
#include "hypervisor/pv/page_tables.h"

/* In the count of a call that is continued: it was preempted (the core's own convention). */
#define MMU_UPDATE_PREEMPTED UINT64_C(0x80000000)

/* The arguments of mmu_update and mmuext_op: a list, gone through as far as time allows. */
struct mmu_batch {
    unsigned int hypercall;
    uint64_t list, count, done_address, domains;
};

/* The count of a continued call is marked; then what was done is in *done already. */
static inline int must_check mmu_batch_begin(struct mmu_batch *batch, uint32_t *done)
{
    bool continued = (batch->count & MMU_UPDATE_PREEMPTED) != 0;

    batch->count = (uint32_t)batch->count & ~MMU_UPDATE_PREEMPTED;
    *done = 0;
    return likely(!continued) || batch->done_address == 0 ? 0
                                                          : get_argument(done, batch->done_address);
}

/* Must request i wait?  What an earlier call left unfinished comes first; so will what this did. */
static inline bool mmu_batch_held_up(uint64_t i)
{
    return unlikely(current->pv.unfinished != NULL) && (i > 0 || pt_finish(current) != 0);
}

/* `i` requests of `size` bytes are done; `done` with those of earlier calls. */
static inline long mmu_batch_end(const struct mmu_batch *batch, int error, uint64_t i, size_t size,
                                 uint32_t done)
{
    if (batch->done_address != 0 && put_argument(batch->done_address, &done) != 0) {
        error = -XEN_EFAULT;
    }
    if (unlikely(error == -XEN_ERESTART)) {
        return hypercall_continue(batch->hypercall, 4, batch->list + i * size,
                                  (batch->count - i) | MMU_UPDATE_PREEMPTED, batch->done_address,
                                  batch->domains);
    }
    return error;
}

/* Load another top-level table for the current vCPU's kernel: 0, -XEN_EINVAL, -XEN_ERESTART. */
int must_check mmu_new_kernel_base(struct vcpu *vcpu, mfn_t frame);

/* Flush on the CPUs on which the vCPUs of a guest's bitmap run now: 0 or -XEN_EFAULT. */
int must_check mmu_flush_vcpus(const struct domain *domain, const uint64_t __guest *bitmap,
                               uint64_t address_or_all);
