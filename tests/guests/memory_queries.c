/* SPDX-License-Identifier: MIT */
/*
 * memory_op's questions: reservations, maps, where the M2P is; and the answers' destinations.
 *
 * Source: public memory.h; abi-use section 2.3; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

struct e820_entry {
    uint64_t start, length;
    uint32_t type;
} __attribute__((packed, aligned(4)));

static long op(unsigned int command, void *argument)
{
    return hypercall2(__HYPERVISOR_memory_op, command, argument);
}

static void check_numbers(void)
{
    domid_t self = DOMID_SELF;
    domid_t nobody = 77;
    long current = op(XENMEM_current_reservation, &self);
    long maximum = op(XENMEM_maximum_reservation, &self);

    expect_eq(current, (long)start_info->nr_pages, "current reservation");
    expect(maximum >= current, "maximum reservation");
    /* The guest itself says in shared_info how long its p2m is. */
    shared->arch.max_pfn = start_info->nr_pages;
    expect_eq(op(XENMEM_maximum_gpfn, &self), current - 1, "maximum gpfn");
    expect(op(XENMEM_maximum_ram_page, NULL) > current, "maximum RAM page");
    expect(op(XENMEM_maximum_ram_page, NULL) <= 131072, "which is in this machine");
    expect_eq(op(XENMEM_current_reservation, &nobody), -XEN_ESRCH, "nobody's");
    expect_eq(op(XENMEM_maximum_reservation, &nobody), -XEN_ESRCH, "nobody's");
    expect_eq(op(XENMEM_maximum_gpfn, &nobody), -XEN_ESRCH, "nobody's");
    expect_eq(op(XENMEM_current_reservation, BAD_UNMAPPED), -XEN_EFAULT, "bad pointer");
    expect_eq(op(XENMEM_maximum_gpfn, BAD_HYPERVISOR), -XEN_EFAULT, "bad pointer");
}

static void check_machine_map(void)
{
    static struct e820_entry map[64];
    struct xen_memory_map request = { .nr_entries = ARRAY_SIZE(map), .buffer = map };
    uint64_t ram = 0, last = 0;

    expect_eq(op(XENMEM_machine_memory_map, &request), 0, "the machine's map");
    expect(request.nr_entries >= 3 && request.nr_entries <= 64, "entries");
    for (unsigned int i = 0; i < request.nr_entries; i++) {
        if (!expect(map[i].start >= last, "in order, not overlapping")) {
            printf("entry %u: %lx, before it to %lx\n", i, map[i].start, last);
        }
        expect(map[i].length != 0, "not empty");
        last = map[i].start + map[i].length;
        ram += map[i].type == 1 ? map[i].length : 0;
    }
    expect(ram > 500UL << 20 && ram <= 512UL << 20, "512 MiB of RAM");

    request.nr_entries = 2;
    map[2].type = 0x1234;
    /* Cut short or refused. */
    expect(op(XENMEM_machine_memory_map, &request) <= 0, "into too small a buffer");
    expect_eq(map[2].type, 0x1234, "not written beyond it");
    request.nr_entries = 64;
    request.buffer = BAD_UNMAPPED;
    expect_eq(op(XENMEM_machine_memory_map, &request), -XEN_EFAULT, "bad buffer");
    request.buffer = BAD_HYPERVISOR;
    expect_eq(op(XENMEM_machine_memory_map, &request), -XEN_EFAULT, "buffer in the hypervisor");
    expect_eq(op(XENMEM_machine_memory_map, BAD_UNMAPPED), -XEN_EFAULT, "bad request");
}

static void check_own_map(void)
{
    static struct e820_entry map[64];
    struct xen_memory_map request = { .nr_entries = ARRAY_SIZE(map), .buffer = map };

    /* The control domain has none until somebody sets one. */
    expect_eq(op(XENMEM_memory_map, &request), -XEN_ENOSYS, "our own map");
}

static void check_m2p(void)
{
    struct xen_machphys_mapping mapping = { 0 };
    unsigned long frames[16] = { 0 };
    struct xen_machphys_mfn_list list = { .max_extents = 16, .extent_start = (void *)frames };

    expect_eq(op(XENMEM_machphys_mapping, &mapping), 0, "where the M2P is");
    expect_eq(mapping.v_start, 0xffff800000000000UL, "start");
    expect_eq(mapping.v_end, 0xffff804000000000UL, "end");
    expect(mapping.max_mfn >= pfn_mfn(0) && mapping.max_mfn < 1UL << 32, "the last frame");
    expect_eq(op(XENMEM_machphys_mapping, BAD_HYPERVISOR), -XEN_EFAULT, "bad pointer");

    expect_eq(op(XENMEM_machphys_mfn_list, &list), 0, "its frames");
    expect(list.nr_extents >= 1 && list.nr_extents <= 16, "at least one");
    /* The control domain may map it, as the hypervisor's, read-only. */
    {
        const volatile uint64_t *window = spare_va();
        uint64_t where = entry_maddr(window, 1);

        expect_eq(mmu_update_foreign(where, pte(frames[0], PTE_READ_ONLY), DOMID_XEN), 0, "map");
        expect_eq(mmuext_linear(MMUEXT_INVLPG_LOCAL, window), 0, "flush");
        expect_eq(window[1], M2P[1], "it is the M2P");
        expect_eq(mmu_update_foreign(where, 0, DOMID_SELF), 0, "unmap");
        expect(mmu_update_foreign(where, pte(frames[0], PTE_READ_WRITE), DOMID_XEN) < 0,
               "not writable");
        expect(mmu_update_foreign(where, pte(frames[0], PTE_READ_ONLY), DOMID_SELF) < 0,
               "not as ours");
    }
    list.extent_start = BAD_HYPERVISOR;
    expect_eq(op(XENMEM_machphys_mfn_list, &list), -XEN_EFAULT, "bad list");
    list.max_extents = 0;
    expect_eq(op(XENMEM_machphys_mfn_list, &list), 0, "no room");
    expect_eq(list.nr_extents, 0, "nothing");
}

static void check_others(void)
{
    struct xen_add_to_physmap add = { .domid = DOMID_SELF, .space = XENMAPSPACE_shared_info };
    struct xen_remove_from_physmap remove = { .domid = DOMID_SELF, .gpfn = 5 };
    struct xen_pod_target pod = { .domid = DOMID_SELF };
    struct xen_vnuma_topology_info numa = { .domid = DOMID_SELF };

    expect(op(XENMEM_add_to_physmap, &add) < 0, "a PV guest has no physmap");
    add.space = 99;
    expect(op(XENMEM_add_to_physmap, &add) < 0, "no such space");
    expect(op(XENMEM_add_to_physmap, BAD_UNMAPPED) < 0, "bad pointer");
    printf("remove_from_physmap: %ld\n", op(XENMEM_remove_from_physmap, &remove));
    expect(op(XENMEM_get_pod_target, &pod) < 0, "no populate on demand");
    expect(op(XENMEM_set_pod_target, &pod) < 0, "no populate on demand");
    expect_eq(op(XENMEM_get_vnumainfo, &numa), -XEN_EOPNOTSUPP, "no virtual NUMA");
    expect(op(XENMEM_get_sharing_freed_pages, NULL) <= 0, "no sharing");
    expect(op(XENMEM_get_sharing_shared_pages, NULL) <= 0, "no sharing");
}

void test_main(void)
{
    check_numbers();
    check_machine_map();
    check_own_map();
    check_m2p();
    check_others();
}
