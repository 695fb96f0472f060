/* SPDX-License-Identifier: MIT */
/*
 * mmu_update and update_va_mapping: single entries of page tables.
 */
#include "hypervisor/pv/mmu.h"

#include "guest-pv-headers/errno.h"
#include "hypervisor/domain/continuation.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/mm/m2p.h"
#include "hypervisor/mm/page_type.h"
#include "hypervisor/pv/page_tables.h"
#include "hypervisor/x86/percpu.h"
#include "hypervisor/x86/softirq.h"
#include "hypervisor/x86/tlb.h"

#define PREEMPT_INTERVAL 16u /* updates between two looks at pending work */

/* Whose tables are changed, and whose frames are mapped. */
struct targets {
    struct domain *tables;
    domid_t frames;
    struct domain *others; /* reference to put at the end; NULL if it is the caller itself */
};

static int find_frames_owner(domid_t id, struct targets *targets)
{
    struct domain *caller = current->domain;

    if (likely(id == DOMID_SELF) || id == caller->id) {
        targets->frames = caller->id;
        return 0;
    }
    if (id == DOMID_IO) {
        targets->frames = DOMID_IO;
        return 0;
    }
    if (!caller->privileged) {
        return -XEN_EPERM;
    }
    if (id == DOMID_XEN) {
        targets->frames = DOMID_XEN;
        return 0;
    }
    targets->others = domain_find(id);
    if (targets->others == NULL) {
        return -XEN_ESRCH;
    }
    targets->frames = id;
    return 0;
}

/* The upper half of the argument, if not 0, is 1 + the owner of the tables. */
static int find_targets(uint64_t domains, struct targets *targets)
{
    uint32_t tables = (uint32_t)domains >> 16;

    targets->tables = current->domain;
    targets->others = NULL;
    if (likely(tables == 0) || tables - 1 == current->domain->id) {
        return find_frames_owner((domid_t)domains, targets);
    }
    if (!current->domain->privileged) {
        return -XEN_EPERM;
    }
    targets->tables = domain_find((domid_t)(tables - 1));
    if (targets->tables == NULL) {
        return -XEN_ESRCH;
    }
    targets->others = targets->tables;
    if ((domid_t)domains == DOMID_SELF || (domid_t)domains == targets->tables->id) {
        targets->frames = targets->tables->id;
        return 0;
    }
    domain_put(targets->tables);
    return -XEN_EOPNOTSUPP; /* tables of one, frames of another: nobody needs it */
}

/* A frame that is no table (yet): the guest could write it itself. */
static int write_plain(struct domain *domain, struct page *page, unsigned int index, pte_t entry)
{
    int error;

    if (!page_get(page, domain->id)) {
        return -XEN_EINVAL;
    }
    error = page_writable_get(page);
    if (error == 0) {
        write_once(((pte_t *)page_address(page))[index], entry);
        page_type_put(page);
    }
    page_put(page);
    return error;
}

static int write_entry(const struct targets *targets, uint64_t address, pte_t entry, bool keep_bits)
{
    mfn_t frame = mfn(address >> PAGE_SHIFT);
    unsigned int index = (unsigned int)((address & PAGE_MASK) / sizeof(pte_t));
    struct page *page;
    int error;

    if (unlikely(!frame_valid(frame))) {
        return -XEN_EINVAL;
    }
    page = page_of(frame);
    for (;;) {
        /* Asked each time: it may have gone to somebody else, as a table. */
        if (unlikely(page_owner(page) != targets->tables->id)) {
            return -XEN_EPERM;
        }
        error = pt_set_entry(targets->tables, targets->frames, page, index, entry, keep_bits);
        if (likely(error != -XEN_EAGAIN)) {
            return error;
        }
        error = write_plain(targets->tables, page, index, entry);
        if (error == 0 || page_use_state(page->use) != PAGE_IN_USE ||
            page_is(page, PAGE_SEGMENTS)) {
            return error;
        }
        if (page_use_type(page->use) > PAGE_L4) {
            return error;
        }
    }
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

static int update_one(const struct targets *targets, uint64_t address, uint64_t value)
{
    switch (address & 7) {
    case MMU_NORMAL_PT_UPDATE:
    case MMU_PT_UPDATE_NO_TRANSLATE:
        return write_entry(targets, address & ~UINT64_C(7), value, false);
    case MMU_PT_UPDATE_PRESERVE_AD:
        return write_entry(targets, address & ~UINT64_C(7), value, true);
    case MMU_MACHPHYS_UPDATE:
        return set_m2p(targets, address, value);
    default:
        return -XEN_ENOSYS;
    }
}

/* One request, fetched once. */
static inline int fetch(uint64_t from, uint64_t *address, uint64_t *value)
{
    if (unlikely(!guest_address_ok(from) || !guest_address_ok(from + 15))) {
        return -XEN_EFAULT;
    }
    guest_access_begin();
    guest_read_word(from, *address, fault);
    guest_read_word(from + 8, *value, fault);
    guest_access_end();
    return 0;
fault:
    guest_access_end();
    return -XEN_EFAULT;
}

static int report_done(uint64_t done_address, uint32_t done)
{
    return done_address == 0 ? 0 : copy_to_guest(guest_pointer(uint32_t, done_address), &done);
}

/* The count of a continued call has this bit; then what was done is in *done already. */
static int done_so_far(uint64_t *count, uint64_t done_address, uint32_t *done)
{
    *done = 0;
    *count = (uint32_t)*count;
    if (likely((*count & MMU_UPDATE_PREEMPTED) == 0)) {
        return 0;
    }
    *count &= ~(uint64_t)MMU_UPDATE_PREEMPTED;
    return done_address == 0 ? 0
                             : copy_from_guest(done, guest_pointer(const uint32_t, done_address));
}

static int update_all(const struct targets *targets, uint64_t updates, uint64_t count, uint64_t *i)
{
    uint64_t address = 0, value = 0;
    int error;

    for (; *i < count; (*i)++) {
        if (unlikely(*i % PREEMPT_INTERVAL == PREEMPT_INTERVAL - 1) && preempt_pending()) {
            return -XEN_ERESTART;
        }
        error = fetch(updates + *i * sizeof(struct mmu_update), &address, &value);
        if (likely(error == 0)) {
            error = update_one(targets, address, value);
        }
        if (unlikely(error != 0)) {
            return error;
        }
        if (unlikely(current->pv.unfinished != NULL)) {
            (*i)++;
            return -XEN_ERESTART;
        }
    }
    return 0;
}

long hypercall_mmu_update(uint64_t updates, uint64_t count, uint64_t done_address, uint64_t domains)
{
    struct targets targets;
    uint64_t i = 0;
    uint32_t done;
    int error;

    if (unlikely(pt_finish(current) != 0)) {
        return hypercall_continue(__HYPERVISOR_mmu_update, 4, updates, count, done_address,
                                  domains);
    }
    error = done_so_far(&count, done_address, &done);
    if (unlikely(error != 0)) {
        return error;
    }
    error = find_targets(domains, &targets);
    if (unlikely(error != 0)) {
        return error;
    }

    error = update_all(&targets, updates, count, &i);
    domain_put(targets.others);
    if (unlikely(report_done(done_address, done + (uint32_t)i) != 0)) {
        error = -XEN_EFAULT;
    }
    if (unlikely(error == -XEN_ERESTART)) {
        return hypercall_continue(__HYPERVISOR_mmu_update, 4,
                                  updates + i * sizeof(struct mmu_update),
                                  (count - i) | MMU_UPDATE_PREEMPTED, done_address, domains);
    }
    return error;
}

static int flush_after(uint64_t address, uint64_t flags)
{
    uint64_t what = (flags & UVMF_FLUSHTYPE_MASK) == UVMF_INVLPG ? address : TLB_FLUSH_ALL;
    uint64_t where = flags & ~(uint64_t)UVMF_FLUSHTYPE_MASK;
    struct cpumask mask;
    int error;

    if (where == UVMF_LOCAL) {
        if (what == TLB_FLUSH_ALL) {
            tlb_flush_local();
        } else {
            tlb_flush_local_address(what);
        }
        return 0;
    }
    if (where == UVMF_ALL) {
        tlb_flush_mask(&current->domain->dirty_cpus, what);
        return 0;
    }
    error = mmu_vcpus_to_cpus(current->domain, guest_pointer(const uint64_t, where), &mask);
    if (error == 0) {
        tlb_flush_mask(&mask, what);
    }
    return error;
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

long hypercall_update_va_mapping(uint64_t address, uint64_t entry, uint64_t flags)
{
    long result = pt_finish(current);

    if (likely(result == 0)) {
        result = update_va(address, entry, flags, current->domain->id);
    }
    if (unlikely(result == -XEN_ERESTART)) {
        return hypercall_continue(__HYPERVISOR_update_va_mapping, 3, address, entry, flags, 0);
    }
    return result;
}

long hypercall_update_va_mapping_otherdomain(uint64_t address, uint64_t entry, uint64_t flags,
                                             uint64_t domain)
{
    struct targets targets = { .tables = current->domain, .others = NULL };
    long result = pt_finish(current);

    if (result == 0) {
        result = find_frames_owner((domid_t)domain, &targets);
    }
    if (result == 0) {
        result = update_va(address, entry, flags, targets.frames);
        domain_put(targets.others);
    }
    if (unlikely(result == -XEN_ERESTART)) {
        return hypercall_continue(__HYPERVISOR_update_va_mapping_otherdomain, 4, address, entry,
                                  flags, domain);
    }
    return result;
}
