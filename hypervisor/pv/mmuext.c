/* SPDX-License-Identifier: MIT */
/*
 * mmuext_op: pins, base pointers, flushes, LDT, pages.
 */
#include "guest-pv-headers/errno.h"
#include "hypervisor/domain/continuation.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/mm/page_type.h"
#include "hypervisor/pv/mmu.h"
#include "hypervisor/pv/page_tables.h"
#include "hypervisor/pv/segments.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/percpu.h"
#include "hypervisor/x86/softirq.h"
#include "hypervisor/x86/tlb.h"

int mmu_vcpus_to_cpus(const struct domain *domain, const uint64_t __guest *bitmap,
                      struct cpumask *out)
{
    memset(out, 0, sizeof(*out));
    for (uint32_t base = 0; base < domain->max_vcpus; base += 64) {
        uint64_t bits;
        int error;

        /* The last word may be shorter in the guest's memory: no more bytes than it must have. */
        uint32_t left = domain->max_vcpus - base;
        size_t bytes = left >= 64 ? 8 : (left + 7) / 8;

        bits = 0;
        error = guest_fault(raw_copy_from_guest(&bits, bitmap + base / 64, bytes));
        if (error != 0) {
            return error;
        }
        while (bits != 0) {
            const struct vcpu *vcpu = domain_vcpu(domain, base + (uint32_t)__builtin_ctzll(bits));

            bits &= bits - 1;
            /* One that is not loaded has nothing cached: loading it flushes. */
            if (vcpu != NULL && atomic_load(&vcpu->running)) {
                cpumask_add(out, vcpu->cpu);
            }
        }
    }
    return 0;
}

static int pin(struct domain *owner, mfn_t frame, unsigned int level)
{
    struct page *page = page_of(frame);
    int error = pt_table_get(owner->id, frame, level);

    if (error != 0) {
        return error;
    }
    if ((atomic_fetch_or(&page->use, PAGE_USE_PINNED) & PAGE_USE_PINNED) != 0) {
        pt_table_put(current, page);
        return -XEN_EINVAL;
    }
    /* A domain that began to die in between may have passed this frame: it must not stay pinned. */
    if (domain_is_dying(owner) &&
        (atomic_fetch_and(&page->use, ~PAGE_USE_PINNED) & PAGE_USE_PINNED) != 0) {
        pt_table_put(current, page);
        return -XEN_EINVAL;
    }
    return 0;
}

static int unpin(struct domain *owner, mfn_t frame)
{
    struct page *page = page_of(frame);

    if (!frame_get(frame, owner->id)) {
        return -XEN_EINVAL;
    }
    if ((atomic_fetch_and(&page->use, ~PAGE_USE_PINNED) & PAGE_USE_PINNED) == 0) {
        page_put(page);
        return -XEN_EINVAL;
    }
    pt_table_put(current, page);
    page_put(page);
    return 0;
}

int mmu_new_kernel_base(struct vcpu *vcpu, mfn_t frame)
{
    mfn_t old = vcpu->pv.kernel_l4;
    int error;

    if (!mfn_equal(frame, old)) {
        error = pt_table_get(vcpu->domain->id, frame, 4);
        if (error != 0) {
            return error;
        }
        vcpu->pv.kernel_l4 = frame;
        vcpu->pv.kernel_cr3 = maddr_of_mfn(frame).byte;
    }
    pt_show_m2p(frame, true);
    tlb_load_cr3(vcpu->pv.kernel_cr3);
    if (!mfn_equal(frame, old)) {
        pt_table_put(vcpu, page_of(old));
    }
    return 0;
}

/* Not loaded now: the caller is in kernel mode. */
static int new_user_base(struct vcpu *vcpu, mfn_t frame)
{
    mfn_t old = vcpu->pv.user_l4;
    int error;

    if (frame.number != 0 && !mfn_equal(frame, old)) {
        error = pt_table_get(vcpu->domain->id, frame, 4);
        if (error != 0) {
            return error;
        }
    }
    if (frame.number != 0) {
        /* User programs have no use for the table; one address space for both keeps it. */
        pt_show_m2p(frame, mfn_equal(frame, vcpu->pv.kernel_l4) &&
                               !vm_assisted(vcpu->domain, VMASST_TYPE_m2p_strict));
    }
    if (mfn_equal(frame, old)) {
        return 0;
    }
    vcpu->pv.user_l4 = frame;
    vcpu->pv.user_cr3 = maddr_of_mfn(frame).byte;
    if (old.number != 0) {
        pt_table_put(vcpu, page_of(old));
    }
    return 0;
}

/* Clear a page, or copy one onto it. */
static int write_page(struct domain *owner, mfn_t to, const mfn_t *from)
{
    int error = -XEN_EINVAL;

    if (!frame_get(to, owner->id)) {
        return error;
    }
    if (from != NULL && !frame_get(*from, owner->id)) {
        goto put_to;
    }
    error = page_writable_get(page_of(to));
    if (error == 0) {
        if (from == NULL) {
            page_clear(direct_map_mfn(to));
        } else {
            page_copy(direct_map_mfn(to), direct_map_mfn(*from));
        }
        page_type_put(page_of(to));
    }
    if (from != NULL) {
        page_put(page_of(*from));
    }
put_to:
    page_put(page_of(to));
    return error;
}

static int flush_vcpus(const struct domain *domain, const struct mmuext_op *op, uint64_t what)
{
    struct cpumask mask;
    int error = mmu_vcpus_to_cpus(domain, (const uint64_t __guest *)op->arg2.vcpumask, &mask);

    if (error == 0) {
        tlb_flush_mask(&mask, what);
    }
    return error;
}

static int flush_operation(const struct mmuext_op *op, struct domain *caller)
{
    uint64_t address = op->arg1.linear_addr;

    switch (op->cmd) {
    case MMUEXT_TLB_FLUSH_LOCAL:
        tlb_flush_local();
        return 0;
    case MMUEXT_INVLPG_LOCAL:
        if (guest_address_ok(address)) {
            tlb_flush_local_address(address);
        }
        return 0;
    case MMUEXT_TLB_FLUSH_MULTI:
        return flush_vcpus(caller, op, TLB_FLUSH_ALL);
    case MMUEXT_INVLPG_MULTI:
        return guest_address_ok(address) ? flush_vcpus(caller, op, address) : 0;
    case MMUEXT_TLB_FLUSH_ALL:
        tlb_flush_mask(&caller->dirty_cpus, TLB_FLUSH_ALL);
        return 0;
    case MMUEXT_INVLPG_ALL:
        if (guest_address_ok(address)) {
            tlb_flush_mask(&caller->dirty_cpus, address);
        }
        return 0;
    case MMUEXT_FLUSH_CACHE:
    case MMUEXT_FLUSH_CACHE_GLOBAL:
        if (!caller->privileged) {
            return op->cmd == MMUEXT_FLUSH_CACHE ? -XEN_EACCES : -XEN_EINVAL;
        }
        flush_caches();
        return 0;
    case MMUEXT_MARK_SUPER:
    case MMUEXT_UNMARK_SUPER:
        return -XEN_EOPNOTSUPP; /* guests have no superpages */
    default:
        return -XEN_ENOSYS;
    }
}

static int page_operation(const struct mmuext_op *op, struct domain *owner)
{
    struct vcpu *vcpu = current;
    mfn_t frame = mfn(op->arg1.mfn), source = mfn(op->arg2.src_mfn);

    switch (op->cmd) {
    case MMUEXT_PIN_L1_TABLE:
    case MMUEXT_PIN_L2_TABLE:
    case MMUEXT_PIN_L3_TABLE:
    case MMUEXT_PIN_L4_TABLE:
        return pin(owner, frame, op->cmd - MMUEXT_PIN_L1_TABLE + 1);
    case MMUEXT_UNPIN_TABLE:
        return unpin(owner, frame);
    case MMUEXT_NEW_BASEPTR:
        return owner == vcpu->domain ? mmu_new_kernel_base(vcpu, frame) : -XEN_EPERM;
    case MMUEXT_NEW_USER_BASEPTR:
        return owner == vcpu->domain ? new_user_base(vcpu, frame) : -XEN_EPERM;
    case MMUEXT_SET_LDT:
        return owner == vcpu->domain
                   ? segments_set_ldt(vcpu, op->arg1.linear_addr, op->arg2.nr_ents)
                   : -XEN_EPERM;
    case MMUEXT_CLEAR_PAGE:
        return write_page(owner, frame, NULL);
    case MMUEXT_COPY_PAGE:
        return write_page(owner, frame, &source);
    default:
        return flush_operation(op, vcpu->domain);
    }
}

static inline int one_operation(uint64_t from, struct domain *owner)
{
    struct mmuext_op op;
    uint64_t command, first, second;

    if (unlikely(!guest_address_ok(from) || !guest_address_ok(from + sizeof(op) - 1))) {
        return -XEN_EFAULT;
    }
    guest_access_begin();
    guest_read_word(from, command, fault);
    guest_read_word(from + 8, first, fault);
    guest_read_word(from + 16, second, fault);
    guest_access_end();

    if ((uint32_t)command == MMUEXT_TLB_FLUSH_LOCAL) {
        tlb_flush_local();
        return 0;
    }
    op.cmd = (uint32_t)command;
    op.arg1.linear_addr = first;
    op.arg2.src_mfn = second;
    if (op.cmd == MMUEXT_INVLPG_LOCAL) {
        return flush_operation(&op, owner);
    }
    return page_operation(&op, owner);

fault:
    guest_access_end();
    return -XEN_EFAULT;
}

static int operate_all(struct domain *owner, uint64_t operations, uint64_t count, uint64_t *i)
{
    for (; *i < count; (*i)++) {
        int error;

        if (*i > 0 && preempt_pending()) {
            return -XEN_ERESTART;
        }
        error = one_operation(operations + *i * sizeof(struct mmuext_op), owner);
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

static struct domain *find_owner(domid_t id, int *error)
{
    struct domain *caller = current->domain, *owner;

    if (likely(id == DOMID_SELF) || id == caller->id) {
        return caller;
    }
    *error = -XEN_EPERM;
    if (!caller->privileged) {
        return NULL;
    }
    *error = -XEN_ESRCH;
    owner = domain_find(id);
    return owner;
}

long hypercall_mmuext_op(uint64_t operations, uint64_t count, uint64_t done_address,
                         uint64_t domain_id)
{
    bool continued = (count & MMU_UPDATE_PREEMPTED) != 0;
    struct domain *owner;
    uint32_t done = 0;
    uint64_t i = 0;
    int error = 0;

    if (unlikely(pt_finish(current) != 0)) {
        return hypercall_continue(__HYPERVISOR_mmuext_op, 4, operations, count, done_address,
                                  domain_id);
    }
    count = (uint32_t)count & ~(uint64_t)MMU_UPDATE_PREEMPTED;
    if (unlikely(continued) && done_address != 0) {
        error = copy_from_guest(&done, guest_pointer(const uint32_t, done_address));
        if (error != 0) {
            return error;
        }
    }
    owner = find_owner((domid_t)domain_id, &error);
    if (unlikely(owner == NULL)) {
        return error;
    }

    error = operate_all(owner, operations, count, &i);
    if (owner != current->domain) {
        domain_put(owner);
    }
    if (done_address != 0) {
        done += (uint32_t)i;
        if (copy_to_guest(guest_pointer(uint32_t, done_address), &done) != 0) {
            error = -XEN_EFAULT;
        }
    }
    if (unlikely(error == -XEN_ERESTART)) {
        return hypercall_continue(__HYPERVISOR_mmuext_op, 4,
                                  operations + i * sizeof(struct mmuext_op),
                                  (count - i) | MMU_UPDATE_PREEMPTED, done_address, domain_id);
    }
    return error;
}
