/* SPDX-License-Identifier: MIT */
/*
 * Attack: two vCPUs fight over one frame. One makes it a page table as often as it can, the other
 * maps it writable as often as it can and scribbles; and two tables that refer to each other are
 * pinned from both sides at once.
 *
 * Both uses at the same time would be the end; waiting for each other without end would be, too.
 * Source: invariants 1, 2 and 7 of the design.
 */
#include "tests/guests/lib/guest.h"

#define ROUNDS 3000

static volatile uint64_t *page;
static volatile uint64_t *window;
static volatile bool stop;
static volatile unsigned int writes;

static void scribble(void *unused)
{
    uint64_t entry = pte(va_mfn(page), PTE_READ_WRITE);

    (void)unused;
    while (!stop) {
        if (update_va(window, entry, UVMF_INVLPG) == 0) {
            window[7] = pte(va_mfn(kernel_l4), PTE_READ_WRITE);
            window[7] = 0;
            writes++;
            update_va(window, 0, UVMF_NONE);
        }
        /* Leave the other one a chance: the frame is nobody's for a moment. */
        for (unsigned int i = 0; i < 500; i++) {
            __asm__ volatile("pause");
        }
    }
}

static void check_fight(void)
{
    unsigned int pinned = 0, wrong = 0;

    cpu_start(1, scribble, NULL);
    for (unsigned int i = 0; i < ROUNDS || (writes < 50 && i < 20 * ROUNDS); i++) {
        if (mmuext_mfn(MMUEXT_PIN_L1_TABLE, va_mfn(page)) != 0) {
            continue;
        }
        pinned++;
        for (unsigned int j = 0; j < 50; j++) {
            wrong += page[7] != 0;
        }
        expect_eq(mmuext_mfn(MMUEXT_UNPIN_TABLE, va_mfn(page)), 0, "unpin");
    }
    stop = true;
    cpu_wait(1);
    printf("%u times a table, %u times written\n", pinned, writes);
    expect(pinned > 0, "it was a table sometimes");
    expect_eq(wrong, 0, "writes seen in a page table");
}

static uint64_t *tables[2];

static void pin_second(void *unused)
{
    (void)unused;
    for (unsigned int i = 0; i < ROUNDS; i++) {
        if (mmuext_mfn(MMUEXT_PIN_L3_TABLE, va_mfn(tables[1])) == 0) {
            mmuext_mfn(MMUEXT_UNPIN_TABLE, va_mfn(tables[1]));
        }
    }
}

/* Each leads to the other: neither can be right while the other is. */
static void check_embrace(void)
{
    for (unsigned int i = 0; i < 2; i++) {
        tables[i] = page_alloc();
    }
    for (unsigned int i = 0; i < 2; i++) {
        for (unsigned int slot = 0; slot < 512; slot++) {
            tables[i][slot] = pte(va_mfn(tables[1 - i]), PTE_TABLE);
        }
    }
    make_read_only(tables[0]);
    make_read_only(tables[1]);
    cpu_start(1, pin_second, NULL);
    for (unsigned int i = 0; i < ROUNDS; i++) {
        long result = mmuext_mfn(MMUEXT_PIN_L4_TABLE, va_mfn(tables[0]));

        if (!expect(result < 0, "a loop of tables")) {
            break;
        }
    }
    cpu_wait(1);
    make_writable(tables[0]);
    make_writable(tables[1]);
}

void test_main(void)
{
    page = page_alloc();
    window = spare_va();
    expect_eq(update_va(window, 0, UVMF_INVLPG), 0, "an empty window");
    make_read_only((void *)(uintptr_t)page);
    check_fight();
    check_embrace();
}
