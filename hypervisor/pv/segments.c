/* SPDX-License-Identifier: MIT */
/*
 * Descriptor tables of guests.  A frame of descriptors has a type of its own, so
 * that the guest cannot write to it; what it holds was checked.
 */
#include "hypervisor/pv/segments.h"

#include "hypervisor/mm/guest_access.h"
#include "hypervisor/mm/page_type.h"
#include "hypervisor/pv/page_tables.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/descriptors.h"
#include "hypervisor/x86/features.h"
#include "hypervisor/x86/selectors.h"

#define DESCRIPTOR_PRESENT (UINT64_C(1) << 47)
#define DESCRIPTOR_DPL     (UINT64_C(3) << 45)
#define DESCRIPTOR_MEMORY  (UINT64_C(1) << 44) /* code or data; clear: gates and system segments */
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

static unsigned int pages_of(const struct descriptor_table *table)
{
    return DIV_ROUND_UP(table->entries, PER_PAGE);
}

/* Have the window show a table where it showed one of *before pages. */
static void show(const struct descriptor_table *table, unsigned int window, uint8_t *before)
{
    unsigned int pages = pages_of(table);

    for (unsigned int i = 0; i < MAX(*before, pages); i++) {
        window_set(window + i, i < pages ? table->frames[i] : MFN_INVALID);
    }
    *before = (uint8_t)pages;
}

static void show_gdt(const struct vcpu *vcpu)
{
    show(&vcpu->pv.gdt, GDT_WINDOW, &shown[cpu_id()].gdt);
}

static void show_ldt(const struct vcpu *vcpu)
{
    show(&vcpu->pv.ldt, LDT_WINDOW, &shown[cpu_id()].ldt);
    ldt_load(vcpu->pv.ldt.entries);
}

void segments_load(const struct vcpu *vcpu)
{
    show_gdt(vcpu);
    if (vcpu->pv.ldt.entries != 0 || shown[cpu_id()].ldt != 0) {
        show_ldt(vcpu);
    }
}

static void drop_table(struct descriptor_table *table)
{
    for (unsigned int i = 0; i < pages_of(table); i++) {
        if (!mfn_equal(table->frames[i], MFN_INVALID)) {
            frame_type_put(page_of(table->frames[i]));
        }
    }
    table->entries = 0;
}

int segments_set_gdt(struct vcpu *vcpu, const uint64_t *frames, uint64_t entries)
{
    struct descriptor_table table = { .entries = 0 }, old = vcpu->pv.gdt;

    if (entries > GDT_GUEST_ENTRIES) {
        return -XEN_EINVAL;
    }
    for (unsigned int i = 0; i < DIV_ROUND_UP(entries, PER_PAGE); i++) {
        table.frames[i] = mfn(frames[i]);
        if (frame_type_get(table.frames[i], vcpu->domain->id, PAGE_SEGMENTS) != 0) {
            drop_table(&table);
            return -XEN_EINVAL;
        }
        table.entries += PER_PAGE;
    }
    table.entries = (uint32_t)entries;
    vcpu->pv.gdt = table;
    if (vcpu == current) {
        show_gdt(vcpu);
    }
    drop_table(&old);
    return 0;
}

int segments_set_ldt(struct vcpu *vcpu, uint64_t base, uint64_t entries)
{
    struct descriptor_table table = { .base = base, .entries = (uint32_t)entries };
    struct descriptor_table old = vcpu->pv.ldt;

    if (entries > LDT_ENTRIES_LIMIT || base % PAGE_SIZE != 0 ||
        (entries > 0 && (!guest_address_ok(base) || !address_canonical(base)))) {
        return -XEN_EINVAL;
    }
    for (unsigned int i = 0; i < pages_of(&table); i++) {
        pte_t entry = pt_read_l1(vcpu, base + i * PAGE_SIZE);

        /* A page that is not fit is as if it held no descriptors: using one faults. */
        table.frames[i] = pte_frame(entry);
        if ((entry & PTE_PRESENT) == 0 ||
            frame_type_get(table.frames[i], vcpu->domain->id, PAGE_SEGMENTS) != 0) {
            table.frames[i] = MFN_INVALID;
        }
    }
    vcpu->pv.ldt = table;
    if (vcpu == current) {
        show_ldt(vcpu);
    }
    drop_table(&old);
    return 0;
}

void segments_drop(struct vcpu *vcpu)
{
    drop_table(&vcpu->pv.gdt);
    drop_table(&vcpu->pv.ldt);
}

bool pv_code_is_64bit(const struct cpu_regs *regs)
{
    const struct pv_vcpu *pv = &current->pv;
    unsigned int index = (unsigned int)(regs->cs & 0xffff) >> 3;
    bool local = (regs->cs & 4) != 0;

    if ((regs->cs & 0xffff) == GUEST_CS64) {
        return true;
    }
    return index < (local ? pv->ldt : pv->gdt).entries &&
           (window_descriptors(local ? LDT_WINDOW : GDT_WINDOW)[index] & DESCRIPTOR_LONG) != 0;
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
    return error != 0 ? error : segments_set_gdt(current, list, entries);
}

long hypercall_update_descriptor(uint64_t address, uint64_t descriptor)
{
    mfn_t frame = mfn(address >> PAGE_SHIFT);
    enum page_type type;
    int error;

    if (address % 8 != 0 || !adjust_descriptor(&descriptor) || !frame_valid(frame)) {
        return -XEN_EINVAL;
    }
    /* In use as descriptors, or plain memory the guest could write itself. */
    type = page_is(page_of(frame), PAGE_SEGMENTS) ? PAGE_SEGMENTS : PAGE_WRITABLE;
    error = frame_type_get(frame, current->domain->id, type);
    if (error == 0) {
        write_once(((uint64_t *)direct_map_mfn(frame))[(address & PAGE_MASK) / 8], descriptor);
        frame_type_put(page_of(frame));
    }
    return error;
}

#define DEFINE_SEGMENT_BASE(name, msr)                            \
    uint64_t segment_##name##_base(void)                          \
    {                                                             \
        uint64_t base;                                            \
                                                                  \
        if (!cpu_features.fsgsbase) {                             \
            return read_msr(msr);                                 \
        }                                                         \
        __asm__ volatile("rd" #name "base %0" : "=r"(base));      \
        return base;                                              \
    }                                                             \
    void segment_set_##name##_base(uint64_t base)                 \
    {                                                             \
        if (cpu_features.fsgsbase) {                              \
            __asm__ volatile("wr" #name "base %0" : : "r"(base)); \
        } else {                                                  \
            write_msr(msr, base);                                 \
        }                                                         \
    }

DEFINE_SEGMENT_BASE(fs, MSR_FS_BASE)
DEFINE_SEGMENT_BASE(gs, MSR_GS_BASE)

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
