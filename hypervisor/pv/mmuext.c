/* SPDX-License-Identifier: MIT */
/*
 * mmuext_op: pins, base pointers, flushes, LDT, pages.
 */
#include "hypervisor/lib/string.h"
#include "hypervisor/mm/page_type.h"
#include "hypervisor/pv/mmu.h"
#include "hypervisor/pv/segments.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/tlb.h"

int mmu_flush_vcpus(const struct domain *domain, const uint64_t __guest *bitmap,
                    uint64_t address_or_all)
{
    struct cpumask mask = { { 0 } };

    for (uint32_t base = 0; base < domain->max_vcpus; base += 64) {
        uint32_t left = MIN(domain->max_vcpus - base, 64u);
        uint64_t bits = 0;

        /* The last word may be shorter in the guest's memory: no more bytes than it must have. */
        if (raw_copy_from_guest(&bits, bitmap + base / 64, (left + 7) / 8) != 0) {
            return -XEN_EFAULT;
        }
        for (; bits != 0; bits &= bits - 1) {
            const struct vcpu *vcpu = domain_vcpu(domain, base + (uint32_t)__builtin_ctzll(bits));

            /* One that is not loaded has nothing cached: loading it flushes. */
            if (vcpu != NULL && atomic_load(&vcpu->running)) {
                cpumask_add(&mask, vcpu->cpu);
            }
        }
    }
    tlb_flush_mask(&mask, address_or_all);
    return 0;
}

static int pin(struct domain *owner, mfn_t frame, unsigned int level)
{
    struct page *page;
    int error = frame_type_get(frame, owner->id, (enum page_type)level);

    if (error != 0) {
        return error;
    }
    page = page_of(frame);
    /* A domain that began to die in between may have passed this frame: it must not stay pinned. */
    if ((atomic_fetch_or(&page->use, PAGE_USE_PINNED) & PAGE_USE_PINNED) != 0 ||
        (domain_is_dying(owner) &&
         (atomic_fetch_and(&page->use, ~PAGE_USE_PINNED) & PAGE_USE_PINNED) != 0)) {
        pt_table_put(current, page);
        return -XEN_EINVAL;
    }
    return 0;
}

static int unpin(struct domain *owner, mfn_t frame)
{
    int error = -XEN_EINVAL;

    if (frame_get(frame, owner->id)) {
        struct page *page = page_of(frame);

        if ((atomic_fetch_and(&page->use, ~PAGE_USE_PINNED) & PAGE_USE_PINNED) != 0) {
            pt_table_put(current, page);
            error = 0;
        }
        page_put(page);
    }
    return error;
}

int mmu_new_kernel_base(struct vcpu *vcpu, mfn_t frame)
{
    mfn_t old = vcpu->pv.kernel_l4;
    int error;

    if (!mfn_equal(frame, old)) {
        error = frame_type_get(frame, vcpu->domain->id, PAGE_L4);
        if (error != 0) {
            return error;
        }
        pt_forget_walk(vcpu);
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
        error = frame_type_get(frame, vcpu->domain->id, PAGE_L4);
        if (error != 0) {
            return error;
        }
    }
    tlb_forget_other_mode();
    if (frame.number != 0) {
        /* User programs have no use for the table; one address space for both keeps it. */
        pt_show_m2p(frame, mfn_equal(frame, vcpu->pv.kernel_l4) &&
                               !vm_assisted(vcpu->domain, VMASST_TYPE_m2p_strict));
    }
    if (mfn_equal(frame, old)) {
        return 0;
    }
    pt_forget_walk(vcpu);
    vcpu->pv.user_l4 = frame;
    vcpu->pv.user_cr3 = tlb_user_cr3(frame);
    if (old.number != 0) {
        pt_table_put(vcpu, page_of(old));
    }
    return 0;
}

/* Clear a page, or copy one onto it. */
static int write_page(struct domain *owner, mfn_t to, const mfn_t *from)
{
    int error;

    if (from != NULL && !frame_get(*from, owner->id)) {
        return -XEN_EINVAL;
    }
    error = frame_type_get(to, owner->id, PAGE_WRITABLE);
    if (error == 0) {
        if (from == NULL) {
            page_clear(direct_map_mfn(to));
        } else {
            page_copy(direct_map_mfn(to), direct_map_mfn(*from));
        }
        frame_type_put(page_of(to));
    }
    if (from != NULL) {
        page_put(page_of(*from));
    }
    return error;
}

/* On the address space and the descriptors of the calling vCPU. */
static int vcpu_operation(const struct mmuext_op *op, struct vcpu *vcpu)
{
    switch (op->cmd) {
    case MMUEXT_NEW_BASEPTR:
        return mmu_new_kernel_base(vcpu, mfn(op->arg1.mfn));
    case MMUEXT_NEW_USER_BASEPTR:
        return new_user_base(vcpu, mfn(op->arg1.mfn));
    default:
        return segments_set_ldt(vcpu, op->arg1.linear_addr, op->arg2.nr_ents);
    }
}

static int operation(const struct mmuext_op *op, struct domain *owner)
{
    struct vcpu *vcpu = current;
    mfn_t frame = mfn(op->arg1.mfn), source = mfn(op->arg2.src_mfn);
    const uint64_t __guest *vcpus = (const uint64_t __guest *)op->arg2.vcpumask;
    uint64_t address = op->arg1.linear_addr;

    switch (op->cmd) {
    case MMUEXT_PIN_L1_TABLE:
    case MMUEXT_PIN_L2_TABLE:
    case MMUEXT_PIN_L3_TABLE:
    case MMUEXT_PIN_L4_TABLE:
        return pin(owner, frame, op->cmd - MMUEXT_PIN_L1_TABLE + 1);
    case MMUEXT_UNPIN_TABLE:
        return unpin(owner, frame);
    case MMUEXT_NEW_BASEPTR:
    case MMUEXT_NEW_USER_BASEPTR:
    case MMUEXT_SET_LDT:
        return owner == vcpu->domain ? vcpu_operation(op, vcpu) : -XEN_EPERM;
    case MMUEXT_CLEAR_PAGE:
        return write_page(owner, frame, NULL);
    case MMUEXT_COPY_PAGE:
        return write_page(owner, frame, &source);
    case MMUEXT_TLB_FLUSH_MULTI:
        return mmu_flush_vcpus(vcpu->domain, vcpus, TLB_FLUSH_ALL);
    case MMUEXT_INVLPG_MULTI:
        return guest_address_ok(address) ? mmu_flush_vcpus(vcpu->domain, vcpus, address) : 0;
    case MMUEXT_TLB_FLUSH_ALL:
        tlb_flush_mask(&vcpu->domain->dirty_cpus, TLB_FLUSH_ALL);
        return 0;
    case MMUEXT_INVLPG_ALL:
        if (guest_address_ok(address)) {
            tlb_flush_mask(&vcpu->domain->dirty_cpus, address);
        }
        return 0;
    case MMUEXT_FLUSH_CACHE:
    case MMUEXT_FLUSH_CACHE_GLOBAL:
        if (!vcpu->domain->privileged) {
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

/* The two hot ones: on the calling vCPU's own TLB.  False if it is neither. */
static always_inline bool flush_own(uint64_t command, uint64_t address)
{
    if ((uint32_t)command == MMUEXT_INVLPG_LOCAL) {
        if (guest_address_ok(address)) {
            tlb_flush_here(address);
        }
        return true;
    }
    if ((uint32_t)command == MMUEXT_TLB_FLUSH_LOCAL) {
        tlb_flush_local();
        return true;
    }
    return false;
}

static inline int one_operation(uint64_t from, struct domain *owner)
{
    struct mmuext_op op;
    uint64_t words[sizeof(op) / 8];

    if (unlikely(guest_read_words(from, words, ARRAY_SIZE(words)) != 0)) {
        return -XEN_EFAULT;
    }
    op.cmd = (uint32_t)words[0];
    op.arg1.linear_addr = words[1];
    op.arg2.src_mfn = words[2];
    return flush_own(words[0], words[1]) ? 0 : operation(&op, owner);
}

static int operate_all(struct domain *owner, const struct mmu_batch *batch, uint64_t *i)
{
    for (; !mmu_batch_held_up(*i); (*i)++) {
        int error;

        if (*i == batch->count) {
            return 0;
        }
        if (*i > 0 && preempt_pending()) {
            break;
        }
        error = one_operation(batch->list + *i * sizeof(struct mmuext_op), owner);
        if (unlikely(error != 0)) {
            return error;
        }
    }
    return -XEN_ERESTART;
}

static __attribute__((noinline)) long operate(uint64_t operations, uint64_t count,
                                              uint64_t done_address, uint64_t domain_id)
{
    struct mmu_batch batch = { __HYPERVISOR_mmuext_op, operations, count, done_address, domain_id };
    struct domain *owner;
    uint64_t i = 0;
    uint32_t done;
    int error = mmu_batch_begin(&batch, &done);

    if (unlikely(error != 0)) {
        return error;
    }
    owner = domain_reach((domid_t)domain_id, &error);
    if (unlikely(owner == NULL)) {
        return error;
    }
    error = operate_all(owner, &batch, &i);
    domain_release(owner);
    return mmu_batch_end(&batch, error, i, sizeof(struct mmuext_op), done + (uint32_t)i);
}

long hypercall_mmuext_op(uint64_t operations, uint64_t count, uint64_t done_address,
                         uint64_t domain_id)
{
    uint64_t
        words[sizeof(struct mmuext_op) / 8]; /* command, address, what a flush has no use for */

    /* One flush and nothing more: nothing is to be kept over it. */
    if (count == 1 && done_address == 0 && (domid_t)domain_id == DOMID_SELF) {
        if (unlikely(guest_read_words(operations, words, ARRAY_SIZE(words)) != 0)) {
            return -XEN_EFAULT;
        }
        if (flush_own(words[0], words[1])) {
            return 0;
        }
    }
    return operate(operations, count, done_address, domain_id);
}
