/* SPDX-License-Identifier: MIT */
/*
 * What a guest flushes is gone in both its modes. Where the CPU has PCIDs the kernel and its
 * programs have one each, a switch between them keeps what both know, and a flush in one must not
 * leave the other with what was there before.
 *
 * Attack: a program goes on with a page, or a descriptor table, that the kernel took away.
 * ALSO: bochs
 * PEER: differs: Xen refuses the instruction INVLPG, here carried out for whoever expects it
 */
#include "tests/guests/lib/guest.h"

#define PCID     (1u << 17) /* leaf 1, ecx */
#define DATA32   0x00cff3000000ffffUL
#define SELECTOR (4UL << 3 | 3)

static volatile uint64_t *window;
static uint64_t *pages[2]; /* each holds its number */

static unsigned long read_window(unsigned long unused)
{
    (void)unused;
    return *window;
}

static unsigned long read_by_fs(unsigned long offset)
{
    unsigned long value;

    __asm__ volatile("movl %2, %%fs\n\t"
                     "movq %%fs:(%1), %0"
                     : "=r"(value)
                     : "r"(offset), "r"((uint32_t)SELECTOR));
    return value;
}

/* Not user_run(): that sets the user's base pointer, which flushes. */
static struct trap run(unsigned long (*function)(unsigned long), unsigned long argument)
{
    struct iret_frame frame = user_frame(function, argument);

    return frame_run(&frame);
}

static void expect_number(unsigned int number, const char *how)
{
    struct trap trap = run(read_window, 0);

    expect(came_home(&trap), how);
    expect_eq(trap.regs.rdi, number, how);
    expect_eq(*window, number, how);
    trap = run(read_window, 0);
    expect_eq(trap.regs.rdi, number, how);
}

static uint64_t entry_for(unsigned int number)
{
    return pte(va_mfn(pages[number]), PTE_READ_ONLY);
}

static void change_entry(unsigned int number)
{
    expect_eq(mmu_update_one(entry_maddr(window, 1), entry_for(number)), 0, "the entry");
}

static void check_flushes(void)
{
    expect_eq(update_va(window, entry_for(1), UVMF_INVLPG), 0, "update_va_mapping");
    expect_number(1, "one address, with the entry");
    expect_eq(update_va(window, entry_for(0), UVMF_TLB_FLUSH | UVMF_ALL), 0, "update_va_mapping");
    expect_number(0, "everything, with the entry");
    change_entry(1);
    expect_eq(mmuext_linear(MMUEXT_INVLPG_LOCAL, window), 0, "INVLPG_LOCAL");
    expect_number(1, "one address");
    change_entry(0);
    expect_eq(mmuext_linear(MMUEXT_INVLPG_ALL, window), 0, "INVLPG_ALL");
    expect_number(0, "one address on all CPUs");
    change_entry(1);
    expect_eq(mmuext_mfn(MMUEXT_TLB_FLUSH_LOCAL, 0), 0, "TLB_FLUSH_LOCAL");
    expect_number(1, "everything");
    change_entry(0);
    expect_eq(mmuext_mfn(MMUEXT_NEW_BASEPTR, va_mfn(kernel_l4)), 0, "NEW_BASEPTR");
    expect_number(0, "the kernel's table");
    change_entry(1);
    __asm__ volatile("invlpg (%0)" : : "r"(window) : "memory");
    expect_number(1, "the instruction");
}

/* The same address in another table for programs, and the kernel's as it was. */
static void check_user_table(void)
{
    uint64_t *tables[5] = { NULL };
    struct trap trap;

    for (unsigned int level = 1; level <= 4; level++) {
        tables[level] = page_alloc();
        if (level > 1) {
            tables[level][table_index((unsigned long)window, level)] =
                pte(va_mfn(tables[level - 1]), PTE_TABLE);
        }
    }
    tables[1][table_index((unsigned long)window, 1)] = entry_for(0);
    tables[4][511] = kernel_l4[511];
    for (unsigned int level = 1; level <= 4; level++) {
        make_read_only(tables[level]);
    }
    expect_eq(mmuext_mfn(MMUEXT_PIN_L4_TABLE, va_mfn(tables[4])), 0, "pin");
    expect_number(1, "before");
    expect_eq(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, va_mfn(tables[4])), 0, "NEW_USER_BASEPTR");
    trap = run(read_window, 0);
    expect_eq(trap.regs.rdi, 0, "the other table's page");
    expect_eq(*window, 1, "the kernel's");
    expect_eq(mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, va_mfn(user_l4)), 0, "NEW_USER_BASEPTR");
    expect_number(1, "back");
}

/* The descriptor table is looked at by the CPU itself, in either mode. */
static void check_descriptors(void)
{
    unsigned long frames[2];

    for (unsigned int number = 0; number < 2; number++) {
        uint64_t *gdt = page_alloc();

        gdt[4] = DATA32 | (number == 0 ? 0UL : 8UL << 16); /* a base of 8 */
        make_read_only(gdt);
        frames[number] = va_mfn(gdt);
    }
    /* The first two may flush on their own account: the frames get their type. */
    for (unsigned int round = 0; round < 4; round++) {
        struct trap trap;

        expect_eq(hypercall2(__HYPERVISOR_set_gdt, &frames[round % 2], 512), 0, "set_gdt");
        trap = run(read_by_fs, (unsigned long)window);
        expect(came_home(&trap), "by a segment");
        expect_eq(trap.regs.rdi, round % 2 == 0 ? 1 : 0x77, "by its base");
    }
}

void test_main(void)
{
    uint32_t eax = 1, ebx, ecx = 0, edx;

    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    printf("this CPU has %s\n", (ecx & PCID) != 0 ? "PCIDs" : "no PCID");
    for (unsigned int number = 0; number < 2; number++) {
        pages[number] = page_alloc();
        pages[number][0] = number;
        pages[number][1] = 0x77;
    }
    window = (volatile uint64_t *)0x10000000000UL;
    map_at((unsigned long)window, entry_for(0));
    user_setup();
    expect_number(0, "at first");
    check_flushes();
    check_user_table();
    check_descriptors();
}
