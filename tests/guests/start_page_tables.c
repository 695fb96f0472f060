/* SPDX-License-Identifier: MIT */
/*
 * The address space a guest starts in: 4 KiB mappings of its first pages, writable except for
 * the page tables themselves, at least 512 KiB of room behind the stack, nothing after that.
 *
 * Attack: write to a bootstrap page table.  If the builder left one writable mapping, the guest
 * could map any frame of the machine.
 * Source: the public start-of-day description; watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static unsigned long mapped_end(void)
{
    unsigned long va = VIRT_BASE;

    while (present_at(va)) {
        va += PAGE_SIZE;
    }
    return va;
}

static void check_p2m(unsigned long end)
{
    unsigned int wrong = 0;
    const struct start_info *si = start_info;

    for (unsigned long pfn = 0; pfn < si->nr_pages; pfn++) {
        if (M2P[pfn_mfn(pfn)] != pfn) {
            wrong++;
        }
    }
    expect_eq(wrong, 0, "M2P is the inverse of the p2m list");

    wrong = 0;
    for (unsigned long va = VIRT_BASE; va < end; va += PAGE_SIZE) {
        /* The library mapped shared_info over one page of the image. */
        if (va != (unsigned long)shared &&
            va_mfn((const void *)va) != pfn_mfn((va - VIRT_BASE) >> PAGE_SHIFT)) {
            wrong++;
        }
    }
    expect_eq(wrong, 0, "the bootstrap mapping is pfn by pfn");
}

static void check_tables_read_only(void)
{
    const struct start_info *si = start_info;

    for (unsigned long i = 0; i < si->nr_pt_frames; i++) {
        uint8_t *table = (uint8_t *)(si->pt_base + i * PAGE_SIZE);

        expect_eq(*entry_of(table, 1) & (PTE_P | PTE_RW), PTE_P, "a table is mapped read-only");
    }
    /* Writes to an L1 may be emulated (tests ptwr_*); those to the levels above must fault. */
    for (unsigned int level = 4; level > 1; level--) {
        uint64_t *entry = entry_of((void *)VIRT_BASE, level);
        struct trap trap = try_write(entry, 0);

        expect_trap(&trap, VECTOR_PF, 3);
        expect_eq(trap.cr2, (unsigned long)entry, "cr2");
    }
}

static void check_hypervisor_slots(void)
{
    struct trap trap;

    expect_eq(kernel_l4[255], 0, "nothing below the hypervisor's slots");
    expect_eq(kernel_l4[272], 0, "nothing above the hypervisor's slots");

    trap = try_write((volatile void *)(uintptr_t)M2P, 0);
    expect_trap(&trap, VECTOR_PF, ANY_ERROR);
    for (unsigned int slot = 257; slot < 272; slot++) {
        const uint8_t *address = (const uint8_t *)(0xffff000000000000UL | (uint64_t)slot << 39);

        trap = try_read(address);
        /* Slot 257 may be the read-only linear tables in some versions: none of them for us. */
        expect_eq(trap.vector, VECTOR_PF, "the hypervisor's area cannot be read");
    }
}

void test_main(void)
{
    unsigned long end = mapped_end();
    unsigned long stack = start_info->pt_base + start_info->nr_pt_frames * PAGE_SIZE;

    printf("bootstrap mapping ends at %lx\n", end);
    expect_eq(end % (4UL << 20), 0, "the mapping ends on 4 MiB");
    expect(end - (stack + PAGE_SIZE) >= 512 * 1024, "at least 512 KiB of room");
    expect_eq(*entry_of((void *)VIRT_BASE, 2) & PTE_PSE, 0, "no large pages");
    expect((*entry_of((void *)stack, 1) & PTE_RW) != 0, "the stack is writable");
    check_p2m(end);
    check_tables_read_only();
    check_hypervisor_slots();
}
