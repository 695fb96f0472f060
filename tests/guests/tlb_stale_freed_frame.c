/* SPDX-License-Identifier: MIT */
/*
 * Attack: give a frame back while the TLB still has a writable translation of it, write through
 * that, and see whose memory changes.
 *
 * Either the write faults, or the frame's next owner (here: ourselves, asking for frames until it
 * comes back) must not see it: flushed and only then scrubbed, in this order.
 * Source: invariant 3 of the design.
 * PEER: differs: Debian's Xen does not scrub what the control domain gives back
 */
#include "tests/guests/lib/guest.h"

#define FRAMES 64

static long reserve(unsigned int command, unsigned long *frames, unsigned long count)
{
    struct xen_memory_reservation request = {
        .extent_start = (void *)frames,
        .nr_extents = count,
        .domid = DOMID_SELF,
    };

    return hypercall2(__HYPERVISOR_memory_op, command, &request);
}

static void check_clean(unsigned long frame)
{
    volatile uint64_t *window = spare_va();
    unsigned int dirty = 0;

    expect_eq(update_va(window, pte(frame, PTE_READ_WRITE), UVMF_INVLPG), 0, "map");
    for (unsigned int i = 0; i < 512; i++) {
        dirty += window[i] != 0;
    }
    expect_eq(dirty, 0, "words of a new frame that are not 0");
    expect_eq(update_va(window, 0, UVMF_INVLPG), 0, "unmap");
}

void test_main(void)
{
    static unsigned long frames[FRAMES], pfns[FRAMES];
    static volatile uint64_t *pages[FRAMES];
    unsigned int written = 0;

    for (unsigned int i = 0; i < FRAMES; i++) {
        pages[i] = page_alloc();
        frames[i] = va_mfn(pages[i]);
        pfns[i] = M2P[frames[i]];
        pages[i][0] = 0;
    }
    for (unsigned int i = 0; i < FRAMES; i++) {
        /* Unmapped without a flush, on purpose. */
        expect_eq(mmu_update_one(entry_maddr(pages[i], 1), 0), 0, "unmap");
    }
    for (unsigned int i = 0; i < FRAMES; i++) {
        expect_eq(reserve(XENMEM_decrease_reservation, &frames[i], 1), 1, "give it back");
        if (try_write((volatile uint8_t *)pages[i] + 8, 0x5a).vector == NO_TRAP) {
            written++;
        }
    }
    printf("%u of %u frames were written after they were given back\n", written, FRAMES);
    memcpy(frames, pfns, sizeof(frames));
    expect_eq(reserve(XENMEM_populate_physmap, frames, FRAMES), FRAMES, "get as many again");
    for (unsigned int i = 0; i < 32; i++) {
        check_clean(frames[i]);
    }
}
