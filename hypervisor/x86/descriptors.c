/* SPDX-License-Identifier: MIT */
/*
 * Building and loading descriptor tables and stacks.
 */
#include "hypervisor/x86/descriptors.h"

#include "hypervisor/lib/string.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/mm/page.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/entry.h"
#include "hypervisor/x86/features.h"
#include "hypervisor/x86/paging.h"
#include "hypervisor/x86/selectors.h"
#include "hypervisor/x86/smp.h"
#include "hypervisor/x86/tlb.h"

struct tss {
    uint32_t reserved0;
    uint32_t rsp0[2]; /* 64-bit fields at odd places: two halves each */
    uint32_t rsp1[2], rsp2[2], reserved1[2];
    uint32_t ist[7][2];
    uint32_t reserved2[2];
    uint16_t reserved3, io_bitmap;
    uint32_t padding[2];
};
_Static_assert(offsetof(struct tss, ist) == 0x24, "SDM vol. 3A, figure 8-11");
_Static_assert(offsetof(struct tss, io_bitmap) == 0x66, "SDM vol. 3A, figure 8-11");

struct gate {
    uint64_t low, high;
};

struct __attribute__((packed)) table_register {
    uint16_t limit;
    uint64_t base;
};

enum ist { IST_NONE, IST_DEBUG, IST_DOUBLE_FAULT, IST_NMI, IST_MACHINE_CHECK };

#define STUB_PAGE   4u
#define STACK_PAGES 8u
#define GDT_LIMIT   0xefff /* fifteen pages */
#define TSS_SIZE    0x68u
#define LDT_IN_GDT  (CORE_TSS + 16)

static struct gate idt[256] __attribute__((aligned(4096)));
static struct tss tss[CPU_LIMIT] __attribute__((aligned(64)));
static uint64_t *core_gdt[CPU_LIMIT]; /* the fifteenth page, through the direct map */

static uint64_t window_of(unsigned int cpu)
{
    return WINDOWS_START + (uint64_t)cpu * WINDOW_SIZE;
}

static uint64_t stack_of(unsigned int cpu)
{
    return STACKS_START + (uint64_t)cpu * CPU_STACK_STRIDE;
}

struct cpu_info *cpu_info_of(unsigned int cpu)
{
    return (struct cpu_info *)(stack_of(cpu) + CPU_STACK_SIZE) - 1;
}

/* What a window shows where there is nothing: null descriptors, so that a selector faults as it
 * should. */
static const uint8_t no_descriptors[PAGE_SIZE] __attribute__((aligned(4096)));

static pte_t window_entry(mfn_t frame)
{
    if (mfn_equal(frame, MFN_INVALID)) {
        return pte_make(mfn(((uint64_t)no_descriptors - CORE_IMAGE) >> PAGE_SHIFT),
                        CORE_RO & ~(uint64_t)PTE_GLOBAL);
    }
    return pte_make(frame, CORE_RW & ~(uint64_t)PTE_GLOBAL);
}

static void gate_set(unsigned int vector, unsigned int dpl, enum ist ist)
{
    uint64_t handler = (uint64_t)&entry_stubs[vector];

    idt[vector].low = (handler & 0xffff) | ((uint64_t)CORE_CS << 16) | ((uint64_t)ist << 32) |
                      (UINT64_C(0x8e00) << 32) | ((uint64_t)dpl << 45) |
                      ((handler >> 16 & 0xffff) << 48);
    idt[vector].high = handler >> 32;
}

void descriptors_setup(void)
{
    for (unsigned int vector = 0; vector < 256; vector++) {
        gate_set(vector, 0, IST_NONE);
    }
    gate_set(VECTOR_BP, 3, IST_NONE);
    gate_set(VECTOR_OF, 3, IST_NONE);
    gate_set(VECTOR_SYSTEM_CALL, 3, IST_NONE);
    gate_set(VECTOR_DB, 0, IST_DEBUG);
    gate_set(VECTOR_DF, 0, IST_DOUBLE_FAULT);
    gate_set(VECTOR_NMI, 0, IST_NMI);
    gate_set(VECTOR_MC, 0, IST_MACHINE_CHECK);
}

static void store_half_words(uint32_t *field, uint64_t value)
{
    field[0] = (uint32_t)value;
    field[1] = (uint32_t)(value >> 32);
}

/* Of a TSS or an LDT, which takes two places. */
static void system_descriptor(uint64_t *place, uint64_t type, uint64_t base, unsigned int size)
{
    place[0] = (size - 1) | ((base & 0xffffff) << 16) | (type << 40) | ((base >> 24 & 0xff) << 56);
    place[1] = base >> 32;
}

static void fill_core_gdt(uint64_t *page, unsigned int cpu)
{
    page[(CORE_CS - GDT_CORE_FIRST) / 8] = 0x00af9b000000ffff;
    page[(CORE_SS - GDT_CORE_FIRST) / 8] = 0x00cf93000000ffff;
    page[(GUEST_CS32 - GDT_CORE_FIRST) / 8] = 0x00cffb000000ffff;
    page[(GUEST_SS - GDT_CORE_FIRST) / 8] = 0x00cff3000000ffff;
    page[(GUEST_CS64 - GDT_CORE_FIRST) / 8] = 0x00affb000000ffff;
    system_descriptor(&page[(CORE_TSS - GDT_CORE_FIRST) / 8], 0x89, (uint64_t)&tss[cpu], TSS_SIZE);
}

static void fill_tss(unsigned int cpu)
{
    uint64_t stack = stack_of(cpu);
    struct tss *t = &tss[cpu];

    store_half_words(t->rsp0, (uint64_t)&cpu_info_of(cpu)->regs + sizeof(struct cpu_regs));
    store_half_words(t->ist[IST_DEBUG - 1], stack + 1 * PAGE_SIZE);
    store_half_words(t->ist[IST_DOUBLE_FAULT - 1], stack + 2 * PAGE_SIZE);
    store_half_words(t->ist[IST_NMI - 1], stack + 3 * PAGE_SIZE);
    store_half_words(t->ist[IST_MACHINE_CHECK - 1], stack + 4 * PAGE_SIZE);
    t->io_bitmap = TSS_SIZE; /* beyond the limit: no port is allowed */
}

/* Write a 32-bit displacement relative to the end of the instruction it is the end of. */
static void put_displacement(uint8_t *place, uint64_t instruction_end, uint64_t target)
{
    uint32_t displacement = (uint32_t)(target - instruction_end);

    memcpy(place, &displacement, sizeof(displacement));
}

/*
 * SYSCALL loads no stack pointer.  The stub that LSTAR points to is each CPU's
 * own, so that it can reach the CPU's frame relative to its own address:
 *
 *     mov  %rsp, info->regs.rsp(%rip)
 *     lea  info->regs.rsp(%rip), %rsp
 *     jmp  *target(%rip)
 */
static void write_stub(uint8_t *page, uint64_t address, unsigned int offset, unsigned int cpu,
                       void (*target)(void))
{
    static const uint8_t code[] = { 0x48, 0x89, 0x25, 0, 0, 0, 0, /* mov */
                                    0x48, 0x8d, 0x25, 0, 0, 0, 0, /* lea */
                                    0xff, 0x25, 4,    0, 0, 0 };  /* jmp, past 4 bytes */
    uint64_t slot = (uint64_t)&cpu_info_of(cpu)->regs.rsp;
    uint8_t *stub = page + offset;

    memcpy(stub, code, sizeof(code));
    put_displacement(stub + 3, address + offset + 7, slot);
    put_displacement(stub + 10, address + offset + 14, slot);
    memcpy(stub + 24, &target, sizeof(target));
}

#define SYSCALL_STUB 0u
#define COMPAT_STUB  64u

static bool create_stack(unsigned int cpu)
{
    for (unsigned int i = 0; i < STACK_PAGES; i++) {
        uint64_t address = stack_of(cpu) + i * PAGE_SIZE;
        struct page *page = heap_frames(0, HEAP_ANY_ADDRESS);

        if (page == NULL) {
            return false;
        }
        if (i == STUB_PAGE) {
            write_stub(page_address(page), address, SYSCALL_STUB, cpu, entry_syscall);
            write_stub(page_address(page), address, COMPAT_STUB, cpu, entry_syscall_compat);
        }
        if (!paging_map(address, page_frame(page), 1, i == STUB_PAGE ? CORE_RX : CORE_RW)) {
            return false;
        }
    }
    cpu_info_of(cpu)->id = cpu;
    return true;
}

bool descriptors_create_cpu(unsigned int cpu)
{
    struct page *gdt = heap_frames(0, HEAP_ANY_ADDRESS);
    uint64_t gdt_page = window_of(cpu) + GDT_GUEST_PAGES * PAGE_SIZE;

    if (gdt == NULL || !create_stack(cpu) ||
        !paging_map(gdt_page, page_frame(gdt), 1, CORE_RW & ~(uint64_t)PTE_GLOBAL)) {
        return false;
    }
    for (unsigned int i = 0; i < WINDOW_SIZE / PAGE_SIZE; i++) {
        if (i != GDT_GUEST_PAGES) {
            *paging_entry(window_of(cpu) + i * PAGE_SIZE) = window_entry(MFN_INVALID);
        }
    }
    core_gdt[cpu] = page_address(gdt);
    fill_core_gdt(core_gdt[cpu], cpu);
    fill_tss(cpu);
    return true;
}

static void load_segments(void)
{
    __asm__ volatile("pushq %0\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n\t"
                     "1:\n\t"
                     "movl %1, %%ss\n\t"
                     :
                     : "i"((uint64_t)CORE_CS), "r"(CORE_SS)
                     : "rax", "memory");
}

void descriptors_load(void)
{
    unsigned int cpu = cpu_id();
    struct table_register gdtr = { GDT_LIMIT, window_of(cpu) };
    struct table_register idtr = { sizeof(idt) - 1, (uint64_t)idt };
    uint64_t stubs = stack_of(cpu) + STUB_PAGE * PAGE_SIZE, de_cfg;

    __asm__ volatile("lgdt %0" : : "m"(gdtr));
    load_segments();
    __asm__ volatile("lidt %0" : : "m"(idtr));
    /* A TSS that is loaded becomes busy; loading it again would fault. */
    core_gdt[cpu][(CORE_TSS - GDT_CORE_FIRST) / 8] &= ~(UINT64_C(2) << 40);
    __asm__ volatile("ltr %w0" : : "r"(CORE_TSS));
    ldt_load(0);

    write_msr(MSR_STAR, ((uint64_t)GUEST_CS32 << 48) | ((uint64_t)CORE_CS << 32));
    write_msr(MSR_LSTAR, stubs + SYSCALL_STUB);
    write_msr(MSR_CSTAR, stubs + COMPAT_STUB);
    write_msr(MSR_SFMASK, RFLAGS_IF | RFLAGS_TF | RFLAGS_DF | RFLAGS_NT | RFLAGS_AC | RFLAGS_IOPL);
    if (cpu_features.intel) {
        write_msr(MSR_SYSENTER_CS, CORE_CS);
        write_msr(MSR_SYSENTER_CS + 1, (uint64_t)&cpu_info_of(cpu)->regs + sizeof(struct cpu_regs));
        write_msr(MSR_SYSENTER_CS + 2, (uint64_t)entry_sysenter);
    }
    write_msr(MSR_EFER, read_msr(MSR_EFER) | EFER_SCE | EFER_NX);
    /* As pv/msr.c tells guests.  Where there is no such register LFENCE cannot do otherwise. */
    if (cpu_features.amd && read_msr_safe(MSR_DE_CFG, &de_cfg)) {
        write_msr(MSR_DE_CFG, de_cfg | DE_CFG_LFENCE);
    }
}

void window_set(unsigned int page, mfn_t frame)
{
    uint64_t address = window_of(cpu_id()) + page * PAGE_SIZE;

    write_once(*paging_entry(address), window_entry(frame));
    tlb_flush_here(address);
}

const uint64_t *window_descriptors(unsigned int page)
{
    return (const uint64_t *)(window_of(cpu_id()) + page * PAGE_SIZE);
}

void ldt_load(unsigned int entries)
{
    uint64_t *slot = &core_gdt[cpu_id()][(LDT_IN_GDT - GDT_CORE_FIRST) / 8];

    if (entries != 0) {
        system_descriptor(slot, 0x82, (uint64_t)window_descriptors(LDT_WINDOW), entries * 8);
    }
    __asm__ volatile("lldt %w0" : : "r"(entries == 0 ? 0 : LDT_IN_GDT));
}
