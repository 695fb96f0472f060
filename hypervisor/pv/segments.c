/* SPDX-License-Identifier: MIT */
/*
 * Descriptor tables of guests.  A frame of descriptors has a type of its own, so
 * that the guest cannot write to it; what it holds was checked.
 */
#include "hypervisor/pv/segments.h"

#include "guest-pv-headers/errno.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/mm/page_type.h"
#include "hypervisor/pv/page_tables.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/descriptors.h"
#include "hypervisor/x86/features.h"
#include "hypervisor/x86/percpu.h"
#include "hypervisor/x86/selectors.h"
#include "hypervisor/x86/tlb.h"

#define DESCRIPTOR_PRESENT (UINT64_C(1) << 47)
#define DESCRIPTOR_DPL     (UINT64_C(3) << 45)
#define DESCRIPTOR_MEMORY  (UINT64_C(1) << 44) /* code or data; clear: gates and system segments */
#define DESCRIPTOR_CODE    (UINT64_C(1) << 43)
#define DESCRIPTOR_LONG    (UINT64_C(1) << 53)
#define PER_PAGE           512u
#define GDT_GUEST_ENTRIES  (GDT_GUEST_PAGES * (uint64_t)PER_PAGE)
#define LDT_ENTRIES_LIMIT  8192u

/* Pages of the last vCPU's tables that each CPU's window shows; that vCPU may be gone. */
static struct {
    uint8_t gdt, ldt;
} shown[CPU_LIMIT];

/* Code and data of ring 3 in any shape; nothing that could change rings. */
static bool adjust_descriptor(uint64_t *descriptor)
{
    if ((*descriptor & DESCRIPTOR_PRESENT) == 0) {
        return true;
    }
    if ((*descriptor & DESCRIPTOR_MEMORY) == 0) {
        return false;
    }
    *descriptor |= DESCRIPTOR_DPL;
    return true;
}

int segments_adjust(uint64_t *descriptors)
{
    for (unsigned int i = 0; i < PER_PAGE; i++) {
        uint64_t descriptor = descriptors[i];

        if (!adjust_descriptor(&descriptor)) {
            return -XEN_EINVAL;
        }
        if (descriptor != descriptors[i]) {
            descriptors[i] = descriptor;
        }
    }
    return 0;
}

static void drop_frame(mfn_t frame)
{
    if (mfn_equal(frame, MFN_INVALID)) {
        return;
    }
    page_type_put(page_of(frame));
    page_put(page_of(frame));
}

static int take_frame(domid_t owner, mfn_t frame)
{
    int error;

    if (!frame_get(frame, owner)) {
        return -XEN_EINVAL;
    }
    error = page_type_get(page_of(frame), PAGE_SEGMENTS);
    if (error != 0) {
        page_put(page_of(frame));
    }
    return error;
}

static unsigned int gdt_pages(const struct vcpu *vcpu)
{
    return DIV_ROUND_UP(vcpu->pv.gdt_entries, PER_PAGE);
}

static unsigned int ldt_pages(const struct vcpu *vcpu)
{
    return DIV_ROUND_UP(vcpu->pv.ldt_entries, PER_PAGE);
}

static void show_gdt(const struct vcpu *vcpu)
{
    uint8_t *pages_before = &shown[cpu_id()].gdt;

    for (unsigned int i = 0; i < MAX(*pages_before, gdt_pages(vcpu)); i++) {
        gdt_window_set(i, i < gdt_pages(vcpu) ? vcpu->pv.gdt_frames[i] : MFN_INVALID);
        invlpg(gdt_window() + i * PAGE_SIZE);
    }
    *pages_before = (uint8_t)gdt_pages(vcpu);
}

static void show_ldt(const struct vcpu *vcpu)
{
    uint8_t *pages_before = &shown[cpu_id()].ldt;

    for (unsigned int i = 0; i < MAX(*pages_before, ldt_pages(vcpu)); i++) {
        ldt_window_set(i, i < ldt_pages(vcpu) ? vcpu->pv.ldt_frames[i] : MFN_INVALID);
        invlpg(ldt_window() + i * PAGE_SIZE);
    }
    *pages_before = (uint8_t)ldt_pages(vcpu);
    ldt_load(vcpu->pv.ldt_entries);
}

void segments_load(const struct vcpu *vcpu)
{
    show_gdt(vcpu);
    if (vcpu->pv.ldt_entries != 0 || shown[cpu_id()].ldt != 0) {
        show_ldt(vcpu);
    }
}

int segments_set_gdt(struct vcpu *vcpu, const uint64_t *frames, uint32_t entries)
{
    unsigned int pages = DIV_ROUND_UP(entries, PER_PAGE), before = gdt_pages(vcpu);
    mfn_t old[GDT_GUEST_PAGES];
    unsigned int taken;

    if (entries > GDT_GUEST_ENTRIES) {
        return -XEN_EINVAL;
    }
    for (taken = 0; taken < pages; taken++) {
        if (take_frame(vcpu->domain->id, mfn(frames[taken])) != 0) {
            goto drop;
        }
    }

    for (unsigned int i = 0; i < before; i++) {
        old[i] = vcpu->pv.gdt_frames[i];
    }
    for (unsigned int i = 0; i < pages; i++) {
        vcpu->pv.gdt_frames[i] = mfn(frames[i]);
    }
    vcpu->pv.gdt_entries = entries;
    if (vcpu == current) {
        show_gdt(vcpu);
    }
    for (unsigned int i = 0; i < before; i++) {
        drop_frame(old[i]);
    }
    return 0;

drop:
    while (taken-- > 0) {
        drop_frame(mfn(frames[taken]));
    }
    return -XEN_EINVAL;
}

int segments_set_ldt(struct vcpu *vcpu, uint64_t base, uint64_t entries)
{
    unsigned int pages = (unsigned int)DIV_ROUND_UP(entries, PER_PAGE), taken;
    unsigned int before = ldt_pages(vcpu);
    mfn_t frames[LDT_PAGES], old[LDT_PAGES];

    if (entries > LDT_ENTRIES_LIMIT || base % PAGE_SIZE != 0 ||
        (entries > 0 && (!guest_address_ok(base) || !address_canonical(base)))) {
        return -XEN_EINVAL;
    }
    for (taken = 0; taken < pages; taken++) {
        pte_t entry = pt_read_l1(vcpu, base + taken * PAGE_SIZE);

        /* A page that is not fit is as if it held no descriptors: using one faults. */
        frames[taken] = pte_frame(entry);
        if ((entry & PTE_PRESENT) == 0 || take_frame(vcpu->domain->id, frames[taken]) != 0) {
            frames[taken] = MFN_INVALID;
        }
    }

    for (unsigned int i = 0; i < before; i++) {
        old[i] = vcpu->pv.ldt_frames[i];
    }
    for (unsigned int i = 0; i < pages; i++) {
        vcpu->pv.ldt_frames[i] = frames[i];
    }
    vcpu->pv.ldt_base = base;
    vcpu->pv.ldt_entries = (uint32_t)entries;
    if (vcpu == current) {
        show_ldt(vcpu);
    }
    for (unsigned int i = 0; i < before; i++) {
        drop_frame(old[i]);
    }
    return 0;
}

void segments_drop(struct vcpu *vcpu)
{
    for (unsigned int i = 0; i < gdt_pages(vcpu); i++) {
        drop_frame(vcpu->pv.gdt_frames[i]);
    }
    for (unsigned int i = 0; i < ldt_pages(vcpu); i++) {
        drop_frame(vcpu->pv.ldt_frames[i]);
    }
    vcpu->pv.gdt_entries = 0;
    vcpu->pv.ldt_entries = 0;
}

bool pv_code_is_64bit(const struct cpu_regs *regs)
{
    const struct vcpu *vcpu = current;
    unsigned int index = (unsigned int)(regs->cs & 0xffff) >> 3;
    uint64_t table, limit, descriptor = 0;

    if ((regs->cs & 0xffff) == GUEST_CS64) {
        return true;
    }
    if ((regs->cs & 4) == 0) {
        table = gdt_window();
        limit = vcpu->pv.gdt_entries;
    } else {
        table = ldt_window();
        limit = vcpu->pv.ldt_entries;
    }
    if (index < limit) {
        descriptor = ((const uint64_t *)table)[index];
    }
    return (descriptor & DESCRIPTOR_LONG) != 0;
}

long hypercall_set_gdt(uint64_t frames, uint64_t entries)
{
    uint64_t list[GDT_GUEST_PAGES];
    int error;

    entries = (uint32_t)entries;
    if (entries > GDT_GUEST_ENTRIES) {
        return -XEN_EINVAL;
    }
    error = copy_array_from_guest(list, guest_pointer(const uint64_t, frames),
                                  DIV_ROUND_UP(entries, PER_PAGE));
    return error != 0 ? error : segments_set_gdt(current, list, (uint32_t)entries);
}

long hypercall_update_descriptor(uint64_t address, uint64_t descriptor)
{
    mfn_t frame = mfn(address >> PAGE_SHIFT);
    struct page *page;
    int error = -XEN_EINVAL;

    if (address % 8 != 0 || !adjust_descriptor(&descriptor) ||
        !frame_get(frame, current->domain->id)) {
        return error;
    }
    page = page_of(frame);
    /* In use as descriptors, or plain memory the guest could write itself. */
    if (page_is(page, PAGE_SEGMENTS)) {
        error = page_type_get(page, PAGE_SEGMENTS);
    } else {
        error = page_writable_get(page);
    }
    if (error == 0) {
        write_once(((uint64_t *)page_address(page))[(address & PAGE_MASK) / 8], descriptor);
        page_type_put(page);
    }
    page_put(page);
    return error;
}

uint64_t segment_fs_base(void)
{
    uint64_t base;

    if (!cpu_features.fsgsbase) {
        return read_msr(MSR_FS_BASE);
    }
    __asm__ volatile("rdfsbase %0" : "=r"(base));
    return base;
}

uint64_t segment_gs_base(void)
{
    uint64_t base;

    if (!cpu_features.fsgsbase) {
        return read_msr(MSR_GS_BASE);
    }
    __asm__ volatile("rdgsbase %0" : "=r"(base));
    return base;
}

void segment_set_fs_base(uint64_t base)
{
    if (!cpu_features.fsgsbase) {
        write_msr(MSR_FS_BASE, base);
        return;
    }
    __asm__ volatile("wrfsbase %0" : : "r"(base));
}

void segment_set_gs_base(uint64_t base)
{
    if (!cpu_features.fsgsbase) {
        write_msr(MSR_GS_BASE, base);
        return;
    }
    __asm__ volatile("wrgsbase %0" : : "r"(base));
}

/* The user's gs selector, into the register set that is swapped out while the kernel runs. */
static void set_user_gs_selector(uint16_t selector)
{
    __asm__ volatile("swapgs\n\t"
                     "1: movl %k0, %%gs\n\t"
                     "jmp 3f\n\t"
                     "2: movl %k1, %%gs\n\t"
                     "3: swapgs\n\t" EXTABLE("1b", "2b")
                     :
                     : "r"((uint32_t)selector), "r"(0)
                     : "memory");
}

long hypercall_set_segment_base(uint64_t which, uint64_t base)
{
    if (which != SEGBASE_GS_USER_SEL && !address_canonical(base)) {
        return -XEN_EINVAL;
    }
    switch (which) {
    case SEGBASE_FS:
        segment_set_fs_base(base);
        return 0;
    case SEGBASE_GS_USER:
        /* Faster than writing the register behind the swap, where the CPU has the instruction. */
        if (cpu_features.fsgsbase) {
            __asm__ volatile("swapgs\n\twrgsbase %0\n\tswapgs" : : "r"(base) : "memory");
        } else {
            write_msr(MSR_KERNEL_GS_BASE, base);
        }
        return 0;
    case SEGBASE_GS_KERNEL:
        segment_set_gs_base(base);
        return 0;
    case SEGBASE_GS_USER_SEL:
        set_user_gs_selector((uint16_t)base);
        return 0;
    default:
        return -XEN_EINVAL;
    }
}
