/* SPDX-License-Identifier: MIT */
/*
 * Continuations come back through the guest's registers. A guest can forge them: it can claim that
 * part of a batch is done, or start in the middle of something that never began.
 *
 * Attack: cursors beyond the end (reading the list outside its bounds, underflow of "left"), and
 * the preempted bit of mmu_update and mmuext_op set by hand.
 * Source: design invariant 7; the bit and the shift are in public memory.h and watched on Debian's
 * Xen (bit 31 of the count; command in the low 6 bits of memory_op and grant_table_op).
 */
#include "tests/guests/lib/guest.h"

#define PREEMPTED 0x80000000U

static void check_mmu_batches(void)
{
    static const unsigned int dones[] = { 0, 1, 2, 3, 100, 0x7fffffff, 0x80000000, 0xffffffff };
    struct mmu_update updates[2];
    struct mmuext_op operations[2] = { { .cmd = MMUEXT_TLB_FLUSH_LOCAL },
                                       { .cmd = MMUEXT_TLB_FLUSH_LOCAL } };
    uint8_t *window = spare_va();

    for (unsigned int i = 0; i < 2; i++) {
        updates[i].ptr = entry_maddr(window, 1);
        updates[i].val = pte(va_mfn(window), PTE_READ_WRITE);
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(dones); i++) {
        for (unsigned int count = 0; count < 3; count++) {
            unsigned int done = dones[i];

            hypercall4(__HYPERVISOR_mmu_update, updates, count | PREEMPTED, &done, DOMID_SELF);
            done = dones[i];
            hypercall4(__HYPERVISOR_mmuext_op, operations, count | PREEMPTED, &done, DOMID_SELF);
        }
        expect_eq(hypercall2(__HYPERVISOR_xen_version, XENVER_version, 0), 4 << 16 | 17, "alive");
    }
    /* The bit without a place for the count. */
    expect(hypercall4(__HYPERVISOR_mmu_update, updates, 1 | PREEMPTED, 0, DOMID_SELF) <= 0, "null");
    expect(hypercall4(__HYPERVISOR_mmuext_op, operations, 1 | PREEMPTED, 0, DOMID_SELF) <= 0,
           "null");
    expect(hypercall4(__HYPERVISOR_mmu_update, updates, 1 | PREEMPTED, BAD_HYPERVISOR,
                      DOMID_SELF) <= 0,
           "a count in the hypervisor");
    /* How a real continuation may end: Debian's Xen then returns the last argument. */
    hypercall4(__HYPERVISOR_mmu_update, 0, PREEMPTED, 0, DOMID_SELF);
    hypercall4(__HYPERVISOR_mmuext_op, 0, PREEMPTED, 0, DOMID_SELF);
    hypercall4(__HYPERVISOR_mmu_update, 0, PREEMPTED, 0, -1);
    hypercall4(__HYPERVISOR_mmuext_op, 0, PREEMPTED, 0, -1);
    expect_eq(hypercall2(__HYPERVISOR_xen_version, XENVER_version, 0), 4 << 16 | 17, "alive");
}

static void check_memory_op(void)
{
    unsigned long frames[4] = { 0 };
    static const unsigned int commands[] = { XENMEM_increase_reservation,
                                             XENMEM_decrease_reservation, XENMEM_populate_physmap };
    static const unsigned long starts[] = { 1, 4, 5, 6, 1UL << 20, 0x3ffffff };
    unsigned long before, after;
    domid_t self = DOMID_SELF;

    before = (unsigned long)hypercall2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self);
    for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++) {
        for (unsigned int j = 0; j < ARRAY_SIZE(starts); j++) {
            struct xen_memory_reservation request = {
                .extent_start = (void *)frames,
                .nr_extents = 4,
                .domid = DOMID_SELF,
            };
            long result =
                hypercall2(__HYPERVISOR_memory_op, commands[i] | starts[j] << 6, &request);

            /* A start past the end gives the start back, or an error; never more work. */
            if (starts[j] >= 4) {
                expect(result < 0 || result == (long)starts[j] || result <= 4,
                       "start past the end");
            }
        }
    }
    after = (unsigned long)hypercall2(__HYPERVISOR_memory_op, XENMEM_current_reservation, &self);
    expect(after <= before, "no memory came from nowhere");
    printf("reservation %lu, then %lu\n", before, after);

    /* Commands that are never continued. */
    expect(hypercall2(__HYPERVISOR_memory_op, XENMEM_current_reservation | 1 << 6, &self) != 0,
           "a query with a start");
}

static void check_exchange(void)
{
    unsigned long in[1] = { pfn_mfn(spare_pfn()) };
    unsigned long out[1] = { 0 };
    static const unsigned long exchanged[] = { 1, 2, 0x100000000UL, ~0UL, BIT(63) };

    for (unsigned int i = 0; i < ARRAY_SIZE(exchanged); i++) {
        struct xen_memory_exchange request = {
            .in = { .extent_start = (void *)in, .nr_extents = 1, .domid = DOMID_SELF },
            .out = { .extent_start = (void *)out, .nr_extents = 1, .domid = DOMID_SELF },
            .nr_exchanged = exchanged[i],
        };
        long result = hypercall2(__HYPERVISOR_memory_op, XENMEM_exchange, &request);

        expect(result == -XEN_EINVAL || (result == 0 && exchanged[i] == 1), "nr_exchanged");
        expect_eq(out[0], 0, "nothing handed out");
    }
}

static void check_grants(void)
{
    struct gnttab_query_size query = { .dom = DOMID_SELF };

    /* Here the cursor rides in the command's upper bits too. */
    for (unsigned int bit = 6; bit < 32; bit++) {
        hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_query_size | 1U << bit, &query, 1);
        hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_cache_flush | 1U << bit, &query, 1);
        hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref | 1U << bit, &query, 0);
    }
    expect_eq(hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_query_size, &query, 1), 0, "alive");
}

void test_main(void)
{
    check_mmu_batches();
    check_memory_op();
    check_exchange();
    check_grants();
}
