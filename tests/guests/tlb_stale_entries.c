/* SPDX-License-Identifier: MIT */
/*
 * Attack: keep a writable translation in the TLB after the entry is gone, and let the frame become
 * a page table or a descriptor table.
 *
 * The guest may leave out its own flushes. The hypervisor must flush, on the CPUs that matter,
 * before the frame's new use begins. A second vCPU holds the stale entry, too.
 * Source: invariant 2 of the design.
 */
#include "tests/guests/lib/guest.h"

static volatile uint8_t *window;
static volatile unsigned int turn; /* odd: the other vCPU's */
static volatile int seen_vector;

/* Fill the other vCPU's TLB, then, when told, write through it. */
static void other(void *unused)
{
    (void)unused;
    for (;;) {
        while ((turn & 1) == 0) {
            if (turn == 1000) {
                return;
            }
        }
        if ((turn & 2) == 0) {
            *window = 0;
        } else {
            seen_vector = try_write(window, 0x67).vector;
        }
        turn++;
    }
}

static void let_other(bool write)
{
    unsigned int mine = (turn + 4) & ~3U;

    turn = mine + (write ? 3 : 1);
    if (!wait_for((turn & 1) == 0, 3000UL)) {
        test_abort("the other vCPU does not answer");
    }
}

/* Both TLBs know the window as writable; the entry changes and nobody flushes. */
static uint64_t *prepare(uint64_t flags)
{
    uint64_t *page = page_alloc();

    expect_eq(update_va(window, pte(va_mfn(page), PTE_READ_WRITE), UVMF_INVLPG | UVMF_ALL), 0,
              "map");
    *window = 0;
    let_other(false);
    if (flags != 0) {
        expect_eq(mmu_update_one(entry_maddr(window, 1), pte(va_mfn(page), flags)), 0, "change");
    } else {
        expect_eq(mmu_update_one(entry_maddr(window, 1), 0), 0, "unmap");
    }
    make_read_only(page);
    return page;
}

static void check_writes(const char *what)
{
    let_other(true);
    expect_eq(seen_vector, VECTOR_PF, what);
    expect_eq(try_write(window, 0x67).vector, VECTOR_PF, what);
}

static void check_tables(void)
{
    /* make_read_only() flushes one address on all CPUs, which is not the window's. */
    for (unsigned int round = 0; round < 4; round++) {
        /* Read-only through the window, stores into an L1 would be emulated. */
        uint64_t *page = prepare(round % 2 == 0 ? 0 : PTE_READ_ONLY);
        unsigned int level = 1 + round;

        expect_eq(mmuext_mfn(MMUEXT_PIN_L1_TABLE + level - 1, va_mfn(page)), 0, "pin");
        check_writes("a page table through a stale entry");
        expect_eq(page[0], 0, "unharmed");
        expect_eq(mmuext_mfn(MMUEXT_UNPIN_TABLE, va_mfn(page)), 0, "unpin");
    }
}

static void check_descriptors(void)
{
    uint64_t *page = prepare(0);
    unsigned long frame = va_mfn(page);

    expect_eq(hypercall2(__HYPERVISOR_set_gdt, &frame, 8), 0, "a GDT");
    check_writes("a descriptor table through a stale entry");
    expect_eq(page[0], 0, "unharmed");
    expect_eq(hypercall2(__HYPERVISOR_set_gdt, NULL, 0), 0, "no GDT");
}

void test_main(void)
{
    window = spare_va();
    cpu_start(1, other, NULL);
    check_tables();
    check_descriptors();
    turn = 1000;
    cpu_wait(1);
}
