/* SPDX-License-Identifier: MIT */
/*
 * mmu_update and update_va_mapping: single entries of page tables.
 */
#include "hypervisor/pv/mmu.h"

#include "hypervisor/mm/page_type.h"
#include "hypervisor/x86/tlb.h"

#define PREEMPT_INTERVAL 16u /* updates between two looks at pending work */

/* Whose tables are changed, and whose frames are mapped. */
struct targets {
    struct domain *tables;
    domid_t frames;
    struct domain *others; /* domain_release() it at the end */
};

static int find_frames_owner(domid_t id, struct targets *targets)
{
    int error = 0;

    targets->frames = id;
    if (likely(id == DOMID_SELF) || id == targets->tables->id) {
        targets->frames = targets->tables->id;
    } else if (targets->tables != current->domain) {
        error = -XEN_EOPNOTSUPP; /* tables of one, frames of another: nobody needs it */
    } else if (id != DOMID_IO && (id != DOMID_XEN || !current->domain->privileged)) {
        targets->others = domain_reach(id, &error);
    }
    return error;
}

/* The upper half of the argument, if not 0, is 1 + the owner of the tables. */
static int find_targets(uint64_t domains, struct targets *targets)
{
    uint32_t tables = (uint32_t)domains >> 16;
    int error = 0;

    *targets = (struct targets){ .tables = current->domain, .others = current->domain };
    if (unlikely(tables != 0)) {
        targets->tables = targets->others = domain_reach((domid_t)(tables - 1), &error);
    }
    if (likely(error == 0)) {
        error = find_frames_owner((domid_t)domains, targets);
    }
    if (unlikely(error != 0)) {
        domain_release(targets->others);
    }
    return error;
}

/* A frame that is no table (yet): the guest could write it itself. */
static int write_plain(struct domain *domain, struct page *page, unsigned int index, pte_t entry)
{
    int error = frame_type_get(page_frame(page), domain->id, PAGE_WRITABLE);

    if (error == 0) {
        write_once(((pte_t *)page_address(page))[index], entry);
        frame_type_put(page);
    }
    return error;
}

/* Another CPU got in between, or it is no table: until one or the other holds. */
static int cold_path write_again(const struct targets *targets, struct page *page,
                                 unsigned int index, pte_t entry, bool keep_bits)
{
    for (;;) {
        int error = write_plain(targets->tables, page, index, entry);

        if (error == 0 || page_use_state(page->use) != PAGE_IN_USE ||
            page_use_type(page->use) > PAGE_L4) {
            return error;
        }
        /* Asked again: it may have gone to somebody else, as a table. */
        if (page_owner(page) != targets->tables->id) {
            return -XEN_EPERM;
        }
        error = pt_set_entry(targets->tables, targets->frames, page, index, entry, keep_bits);
        if (error != -XEN_EAGAIN) {
            return error;
        }
    }
}

static always_inline int write_entry(const struct targets *targets, uint64_t address, pte_t entry,
                                     bool keep_bits)
{
    mfn_t frame = mfn(address >> PAGE_SHIFT);
    unsigned int index = (unsigned int)((address & PAGE_MASK) / sizeof(pte_t));
    struct page *page = page_of(frame);
    int error;

    if (unlikely(!frame_valid(frame))) {
        return -XEN_EINVAL;
    }
    if (unlikely(page_owner(page) != targets->tables->id)) {
        return -XEN_EPERM;
    }
    error = pt_set_entry(targets->tables, targets->frames, page, index, entry, keep_bits);
    return likely(error != -XEN_EAGAIN) ? error
                                        : write_again(targets, page, index, entry, keep_bits);
}

static int set_m2p(const struct targets *targets, uint64_t address, uint64_t number)
{
    mfn_t frame = mfn(address >> PAGE_SHIFT);

    if (!frame_get(frame, targets->frames)) {
        return -XEN_EINVAL;
    }
    m2p_set(frame, pfn(number));
    page_put(page_of(frame));
    return 0;
}

static always_inline int update_one(const struct targets *targets, uint64_t address, uint64_t value)
{
    unsigned int command = address & 7;

    if (likely(command == MMU_NORMAL_PT_UPDATE || command == MMU_PT_UPDATE_PRESERVE_AD ||
               command == MMU_PT_UPDATE_NO_TRANSLATE)) {
        return write_entry(targets, address, value, command == MMU_PT_UPDATE_PRESERVE_AD);
    }
    return command == MMU_MACHPHYS_UPDATE ? set_m2p(targets, address, value) : -XEN_ENOSYS;
}

static int update_all(const struct targets *targets, const struct mmu_batch *batch, uint64_t *i)
{
    uint64_t request[sizeof(struct mmu_update) / 8]; /* address, value */
    int error;

    for (; !mmu_batch_held_up(*i); (*i)++) {
        if (*i == batch->count) {
            return 0;
        }
        if (unlikely(*i % PREEMPT_INTERVAL == PREEMPT_INTERVAL - 1) && preempt_pending()) {
            break;
        }
        error = guest_read_words(batch->list + *i * sizeof(request), request, ARRAY_SIZE(request));
        if (likely(error == 0)) {
            error = update_one(targets, request[0], request[1]);
        }
        if (unlikely(error != 0)) {
            return error;
        }
    }
    return -XEN_ERESTART;
}

long hypercall_mmu_update(uint64_t updates, uint64_t count, uint64_t done_address, uint64_t domains)
{
    struct mmu_batch batch = { __HYPERVISOR_mmu_update, updates, count, done_address, domains };
    struct targets targets;
    uint64_t i = 0;
    uint32_t done;
    int error = mmu_batch_begin(&batch, &done);

    if (likely(error == 0)) {
        error = find_targets(domains, &targets);
    }
    if (unlikely(error != 0)) {
        return error;
    }
    error = update_all(&targets, &batch, &i);
    domain_release(targets.others);
    return mmu_batch_end(&batch, error, i, sizeof(struct mmu_update), done + (uint32_t)i);
}

static int flush_after(uint64_t address, uint64_t flags)
{
    uint64_t what = (flags & UVMF_FLUSHTYPE_MASK) == UVMF_INVLPG ? address : TLB_FLUSH_ALL;
    uint64_t where = flags & ~(uint64_t)UVMF_FLUSHTYPE_MASK;

    if (where == UVMF_LOCAL) {
        tlb_flush_here(what);
    } else if (where == UVMF_ALL) {
        tlb_flush_mask(&current->domain->dirty_cpus, what);
    } else {
        return mmu_flush_vcpus(current->domain, guest_pointer(const uint64_t, where), what);
    }
    return 0;
}

static long update_va(uint64_t address, uint64_t entry, uint64_t flags, domid_t owner)
{
    struct vcpu *vcpu = current;
    struct page *table = pt_find_l1(vcpu, address);
    int error;

    if (unlikely(table == NULL)) {
        return -XEN_EINVAL;
    }
    error = pt_set_entry(vcpu->domain, owner, table, pte_index(address, 1), entry, false);
    if (unlikely(error != 0)) {
        return error == -XEN_ERESTART ? error : -XEN_EINVAL;
    }
    if ((flags & UVMF_FLUSHTYPE_MASK) == UVMF_TLB_FLUSH ||
        (flags & UVMF_FLUSHTYPE_MASK) == UVMF_INVLPG) {
        return flush_after(address, flags);
    }
    return 0;
}

long hypercall_update_va_mapping_otherdomain(uint64_t address, uint64_t entry, uint64_t flags,
                                             uint64_t domain)
{
    struct targets targets = { .tables = current->domain, .others = current->domain };
    long result = pt_finish(current);

    if (result == 0) {
        result = find_frames_owner((domid_t)domain, &targets);
    }
    if (result == 0) {
        result = update_va(address, entry, flags, targets.frames);
        domain_release(targets.others);
    }
    if (unlikely(result == -XEN_ERESTART)) {
        return hypercall_continue(__HYPERVISOR_update_va_mapping_otherdomain, 4, address, entry,
                                  flags, domain);
    }
    return result;
}

/* Continued, it goes on as the other. */
long hypercall_update_va_mapping(uint64_t address, uint64_t entry, uint64_t flags)
{
    return hypercall_update_va_mapping_otherdomain(address, entry, flags, DOMID_SELF);
}
