/* SPDX-License-Identifier: MIT */
/*
 * Debug registers: break and watch points in the guest, #DB delivery, and refused addresses.
 *
 * Attack: a watch point in the hypervisor's memory stops (or, with general detect, faults) the
 * hypervisor in ring 0; one that is still armed while the hypervisor runs does the same.
 * Source: CPU manuals (DR6, DR7); public set_debugreg and get_debugreg; watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static volatile uint64_t watched;

static long set_debug(unsigned int number, uint64_t value)
{
    return hypercall2(__HYPERVISOR_set_debugreg, number, value);
}

static uint64_t get_debug(unsigned int number)
{
    return (uint64_t)hypercall1(__HYPERVISOR_get_debugreg, number);
}

static void write_watched(void *unused)
{
    (void)unused;
    watched = 1;
}

static void single_step(void *unused)
{
    (void)unused;
    __asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tnop\n\tnop" : : : "memory");
}

static unsigned long user_write(unsigned long unused)
{
    (void)unused;
    watched = 2;
    return 0;
}

static void check_watchpoint(void)
{
    struct trap trap;

    expect_eq(set_debug(0, (uint64_t)&watched), 0, "dr0");
    /* L0 and G0, on writes, 8 bytes. */
    expect_eq(set_debug(7, 3 | 9UL << 16), 0, "dr7");
    trap = try_call_trap(write_watched, NULL);
    expect_trap(&trap, VECTOR_DB, 0);
    expect_eq(get_debug(6) & 0xf, 1, "dr6 says dr0");
    expect_eq(set_debug(6, 0), 0, "clear dr6");
    trap = user_run(user_write, 0);
    expect_trap(&trap, VECTOR_DB, 0);
    expect_eq(trap.regs.cs & 3, 3, "in user mode");

    /* The hypervisor writing there on our behalf must not trip over it. */
    expect_eq(hypercall2(__HYPERVISOR_xen_version, XENVER_get_features,
                         &(struct xen_feature_info){ .submap_idx = 0 }),
              0, "hypercall");
    expect_eq(set_debug(0, (uint64_t)&watched), 0, "dr0");
    expect_eq(hypercall2(__HYPERVISOR_xen_version, XENVER_platform_parameters,
                         (void *)(uintptr_t)&watched),
              0, "the hypervisor writes to the watched word");
    expect_eq(set_debug(7, 0), 0, "disarm");
    expect_eq(try_call_trap(write_watched, NULL).vector, NO_TRAP, "disarmed");
}

static void check_step(void)
{
    struct trap trap = try_call_trap(single_step, NULL);

    expect_trap(&trap, VECTOR_DB, 0);
    expect_eq(get_debug(6) & BIT(14), BIT(14), "dr6 says single step");
    expect_eq(set_debug(6, 0), 0, "clear dr6");
}

static void check_refused(void)
{
    for (unsigned int i = 0; i < 4; i++) {
        expect_eq(set_debug(i, 0xffff830000000000UL), -XEN_EPERM, "in the hypervisor");
        expect_eq(set_debug(i, 0x0000900000000000UL), -XEN_EPERM, "not canonical");
        expect_eq(set_debug(i, 0), 0, "zero");
        expect_eq(get_debug(i), 0, "unchanged by refusals");
    }
    expect_eq(set_debug(8, 0), -XEN_ENODEV, "no dr8");
    expect_eq(set_debug(0xffffffff, 0), -XEN_ENODEV, "no such register");
    expect_eq(get_debug(8), -XEN_ENODEV, "no dr8");
    /* General detect would make the hypervisor's own access to the registers fault. */
    set_debug(7, BIT(13));
    expect_eq(get_debug(7) & BIT(13), 0, "general detect is not set");
    expect_eq(set_debug(7, 0), 0, "clear dr7");
    printf("dr6 %lx dr7 %lx dr4 %ld\n", get_debug(6), get_debug(7), set_debug(4, 0));
}

static void check_values(void)
{
    uint64_t dr;

    expect_eq(set_debug(3, 0x1234), 0, "dr3");
    expect_eq(get_debug(3), 0x1234, "dr3 by hypercall");
    __asm__ volatile("movq %%dr3, %0" : "=r"(dr));
    expect_eq(dr, 0x1234, "dr3 by instruction");
    __asm__ volatile("movq %0, %%dr2" : : "r"(0x5678UL));
    expect_eq(get_debug(2), 0x5678, "dr2 by instruction");
    expect_eq(set_debug(2, 0), 0, "clear");
    expect_eq(set_debug(3, 0), 0, "clear");
}

void test_main(void)
{
    check_values();
    check_watchpoint();
    check_step();
    check_refused();
}
