/* SPDX-License-Identifier: MIT */
/*
 * Attack: map every frame of RAM that is not ours, the hypervisor's own above all.
 *
 * The guest walks all of the machine's memory and tries to map each frame, read-only and writable.
 * None that is not in its own list may be mapped; the control domain may map devices, not memory.
 * Source: public mmu_update; memory_op machine_memory_map.
 */
#include "tests/guests/lib/guest.h"

struct e820_entry {
    uint64_t start, length;
    uint32_t type;
} __attribute__((packed, aligned(4)));

static struct e820_entry map[64];
static uint8_t ours[1 << 20]; /* by frame, for up to 4 GiB */
static uint8_t *window;
static unsigned long tried, taken;

static void try_frame(unsigned long mfn)
{
    tried++;
    for (unsigned int writable = 0; writable < 2; writable++) {
        uint64_t entry = pte(mfn, writable != 0 ? PTE_READ_WRITE : PTE_READ_ONLY);

        if (update_va(window, entry, UVMF_INVLPG) == 0) {
            if (taken++ < 10) {
                printf("frame %lx can be mapped %s\n", mfn, writable != 0 ? "writable" : "");
            }
            update_va(window, 0, UVMF_INVLPG);
        }
    }
}

static void walk_machine(unsigned int entries)
{
    for (unsigned int i = 0; i < entries; i++) {
        unsigned long first = (map[i].start + PAGE_SIZE - 1) >> PAGE_SHIFT;
        unsigned long last = (map[i].start + map[i].length) >> PAGE_SHIFT;

        if (map[i].type != 1) {
            continue;
        }
        /* The first MiB is firmware's, and dom0 may look at it. */
        for (unsigned long mfn = first < 256 ? 256 : first; mfn < last; mfn++) {
            if (mfn < sizeof(ours) && ours[mfn] == 0) {
                try_frame(mfn);
            }
        }
    }
}

void test_main(void)
{
    struct xen_memory_map request = { .nr_entries = ARRAY_SIZE(map), .buffer = map };
    static const unsigned long nowhere[] = { 0x100000000UL >> 1, 0xfffffffffUL, 0xffffffffffUL,
                                             0x3ffffffffUL };

    window = spare_va();
    for (unsigned long pfn = 0; pfn < start_info->nr_pages; pfn++) {
        unsigned long mfn = pfn_mfn(pfn);

        if (mfn < sizeof(ours)) {
            ours[mfn] = 1;
        }
    }
    /* Shared with us by the hypervisor: shared_info and the grant table. */
    ours[start_info->shared_info >> PAGE_SHIFT] = 1;
    ours[grant_table_frame()] = 1;
    expect_eq(hypercall2(__HYPERVISOR_memory_op, XENMEM_machine_memory_map, &request), 0,
              "machine_memory_map");
    walk_machine(request.nr_entries);
    printf("%lu frames tried\n", tried);
    expect(tried > 10000, "there is memory that is not ours");
    expect_eq(taken, 0, "frames of others that could be mapped");

    for (unsigned int i = 0; i < ARRAY_SIZE(nowhere); i++) {
        expect(update_va(window, pte(nowhere[i], PTE_READ_WRITE), UVMF_INVLPG) < 0,
               "memory that does not exist");
        expect(mmu_update_one(pte(nowhere[i], 0), 0) < 0, "a table that does not exist");
    }
}
