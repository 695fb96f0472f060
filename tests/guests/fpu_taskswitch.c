/* SPDX-License-Identifier: MIT */
/*
 * fpu_taskswitch: the guest's own CR0.TS and its #NM, so that a kernel can switch FPU state lazily.
 *
 * FPU state that leaks between vCPUs or processes is a leak of keys; a lost TS corrupts them.
 * Source: public fpu_taskswitch; #NM in the CPU manuals.
 */
#include "tests/guests/lib/guest.h"

static void use_x87(void *unused)
{
    (void)unused;
    __asm__ volatile("fninit");
}

static void use_sse(void *unused)
{
    (void)unused;
    __asm__ volatile("xorps %xmm0, %xmm0");
}

static unsigned long user_sse(unsigned long unused)
{
    (void)unused;
    use_sse(NULL);
    return 1;
}

static long set_ts(unsigned int on)
{
    return hypercall1(__HYPERVISOR_fpu_taskswitch, on);
}

static uint64_t read_cr0(void)
{
    uint64_t cr0;

    __asm__ volatile("movq %%cr0, %0" : "=r"(cr0));
    return cr0;
}

void test_main(void)
{
    struct trap trap = try_call_trap(use_x87, NULL);

    expect_trap(&trap, NO_TRAP, 0);
    expect_eq(try_call_trap(use_sse, NULL).vector, NO_TRAP, "the FPU can be used");
    expect_eq(read_cr0() & BIT(3), 0, "TS is clear");

    expect_eq(set_ts(1), 0, "set TS");
    expect_eq(read_cr0() & BIT(3), BIT(3), "TS is seen");
    trap = try_call_trap(use_sse, NULL);
    expect_trap(&trap, VECTOR_NM, 0);
    /* Delivering #NM clears TS: the handler is about to load state. */
    expect_eq(read_cr0() & BIT(3), 0, "the trap cleared TS");
    expect_eq(try_call_trap(use_sse, NULL).vector, NO_TRAP, "again usable");

    expect_eq(set_ts(1), 0, "set TS");
    trap = user_run(user_sse, 0);
    expect_trap(&trap, VECTOR_NM, 0);
    trap = user_run(user_sse, 0);
    expect(came_home(&trap), "usable in user mode");

    expect_eq(set_ts(1), 0, "set TS");
    __asm__ volatile("clts");
    expect_eq(read_cr0() & BIT(3), 0, "clts");
    expect_eq(try_call_trap(use_sse, NULL).vector, NO_TRAP, "usable");
    __asm__ volatile("movq %0, %%cr0" : : "r"(read_cr0() | BIT(3)));
    expect_eq(read_cr0() & BIT(3), BIT(3), "mov to cr0 sets TS");
    trap = try_call_trap(use_x87, NULL);
    expect_trap(&trap, VECTOR_NM, 0);
    expect_eq(set_ts(0), 0, "clear TS");
    expect_eq(set_ts(0), 0, "twice");
}
