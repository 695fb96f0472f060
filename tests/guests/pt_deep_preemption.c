/* SPDX-License-Identifier: MIT */
/*
 * A page table with a table in nearly every slot, pinned and unpinned: far more work than one
 * hypercall may do at once, so it is preempted, continued, and done exactly once.
 *
 * Events must be delivered in time while it goes on, and the counts must be right in the end:
 * every page becomes plain memory again.
 * Source: design invariant 7; public mmuext_op.
 */
#include "tests/guests/lib/guest.h"

#define TABLES 300

static uint64_t *tables[TABLES];
static unsigned int port;

static uint64_t *build(void)
{
    uint64_t *l2 = page_alloc();
    uint64_t *l3 = page_alloc();
    uint64_t *l4 = page_alloc();
    uint64_t entry = pte(va_mfn(page_alloc()), PTE_READ_WRITE);

    for (unsigned int i = 0; i < TABLES; i++) {
        tables[i] = page_alloc();
        for (unsigned int slot = 0; slot < 512; slot++) {
            tables[i][slot] = entry;
        }
        make_read_only(tables[i]);
        l2[i] = pte(va_mfn(tables[i]), PTE_TABLE);
    }
    make_read_only(l2);
    /* The same L2 from everywhere. */
    for (unsigned int slot = 0; slot < 512; slot++) {
        l3[slot] = pte(va_mfn(l2), PTE_TABLE);
    }
    make_read_only(l3);
    for (unsigned int slot = 0; slot < 512; slot++) {
        if (slot < 256 || slot >= 272) {
            l4[slot] = pte(va_mfn(l3), PTE_TABLE);
        }
    }
    l4[511] = kernel_l4[511];
    make_read_only(l4);
    return l4;
}

static void tick(uint64_t period)
{
    struct vcpu_set_periodic_timer timer = { .period_ns = period };

    expect_eq(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_set_periodic_timer, 0, &timer), 0, "timer");
}

void test_main(void)
{
    uint64_t *l4 = build();

    expect_eq(bind_virq(VIRQ_TIMER, 0, &port), 0, "timer");
    unmask_port(port);
    tick(MILLISECOND);
    events_on();
    for (unsigned int round = 0; round < 5; round++) {
        expect_eq(mmuext_mfn(MMUEXT_PIN_L4_TABLE, va_mfn(l4)), 0, "pin");
        expect(mmuext_mfn(MMUEXT_PIN_L4_TABLE, va_mfn(l4)) < 0, "it is pinned");
        expect_eq(mmuext_mfn(MMUEXT_NEW_BASEPTR, va_mfn(l4)), 0, "run on it");
        expect_eq(mmuext_mfn(MMUEXT_NEW_BASEPTR, va_mfn(kernel_l4)), 0, "and not");
        expect_eq(mmuext_mfn(MMUEXT_UNPIN_TABLE, va_mfn(l4)), 0, "unpin");
        expect_eq(mmuext_mfn(MMUEXT_UNPIN_TABLE, va_mfn(l4)), -XEN_EINVAL, "it is not pinned");
    }
    expect_eq(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, 0, 0), 0, "stop");
    events_off();
    printf("%u ticks meanwhile\n", port_count[port]);

    /* Without pin: validated and let go by the base pointer alone. */
    for (unsigned int round = 0; round < 2; round++) {
        expect_eq(mmuext_mfn(MMUEXT_NEW_BASEPTR, va_mfn(l4)), 0, "run on it");
        expect_eq(mmuext_mfn(MMUEXT_NEW_BASEPTR, va_mfn(kernel_l4)), 0, "and not");
    }

    /* One bad entry in the last table: all or nothing. */
    make_writable(tables[TABLES - 1]);
    tables[TABLES - 1][511] = pte(va_mfn(kernel_l4), PTE_READ_WRITE);
    make_read_only(tables[TABLES - 1]);
    expect(mmuext_mfn(MMUEXT_PIN_L4_TABLE, va_mfn(l4)) < 0, "a bad entry at the very end");
    for (unsigned int i = 0; i < TABLES; i++) {
        make_writable(tables[i]);
        tables[i][0] = 1;
    }
    make_writable(l4);
    l4[0] = 1;
}
