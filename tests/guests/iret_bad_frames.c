/* SPDX-License-Identifier: MIT */
/*
 * Frames that the CPU's IRET refuses: selectors that are null, not code, not stack, not the
 * guest's, or outside the table; addresses that are not canonical or not the guest's.
 *
 * The hypervisor's own IRET faults here, in ring 0, with the guest's values half loaded: the
 * classic place to lose a machine.  Right is the failsafe callback or an ordinary exception in the
 * guest's kernel, with everything intact.
 * Source: public failsafe callback; CPU manuals; watched on Debian's Xen.  Some real CPUs fault in
 * IRET where QEMU faults at the target, so failsafe and exception are both right for addresses.
 */
#include "tests/guests/lib/guest.h"

__asm__(".text\n"
        "show: int3\n");
extern char show[];

struct bad {
    const char *what;
    uint64_t rip, cs, rsp, ss;
};

/* 0: leave as it is in a good frame. */
static const struct bad frames[] = {
    { "cs null", 0, 3, 0, 0 },
    { "cs is a stack segment", 0, FLAT_USER_SS, 0, 0 },
    { "cs is the hypervisor's", 0, 0xe00b, 0, 0 },
    { "cs is the TSS", 0, 0xe043, 0, 0 },
    { "cs in an absent LDT", 0, 0x0f, 0, 0 },
    { "cs in the guest's part, not there", 0, 0x0b, 0, 0 },
    { "cs beyond the table", 0, 0xfffb, 0, 0 },
    { "ss is a code segment", 0, 0, 0, FLAT_USER_CS64 },
    { "ss is the hypervisor's", 0, 0, 0, 0xe010 },
    { "ss in an absent LDT", 0, 0, 0, 0x0f },
    { "ss beyond the table", 0, 0, 0, 0xfffb },
    { "rip not canonical, low", 0x0000800000000000UL, 0, 0, 0 },
    { "rip not canonical, high", 0xffff7fffffffffffUL, 0, 0, 0 },
    { "rip in the hypervisor", 0xffff82d040200000UL, 0, 0, 0 },
    { "rip in the M2P", 0xffff800000000000UL, 0, 0, 0 },
};

static void check(const struct bad *bad, bool user)
{
    struct iret_frame frame = user ? user_frame(NULL, 0) : kernel_frame(show);
    struct trap trap;

    frame.rip = bad->rip != 0 ? bad->rip : (uint64_t)show;
    if (bad->cs != 0) {
        frame.cs = user ? bad->cs : bad->cs & ~3UL;
    }
    frame.ss = bad->ss != 0 ? bad->ss : frame.ss;
    trap = frame_run(&frame);
    if (!expect(trap.vector == VECTOR_FAILSAFE || trap.vector == VECTOR_GP ||
                    trap.vector == VECTOR_PF || trap.vector == VECTOR_NP,
                "the guest's kernel is told")) {
        printf("%s (%s): vector %d\n", bad->what, user ? "user" : "kernel", trap.vector);
    }
    printf("%s (%s): vector %d error %lx\n", bad->what, user ? "user" : "kernel", trap.vector,
           trap.error);
}

/* A stack pointer is only looked at when something is pushed: the frame itself is fine. */
static void check_bad_user_stack(uint64_t rsp)
{
    struct iret_frame frame = user_frame(NULL, 0);
    struct trap trap;

    frame.rip = (uint64_t)show;
    frame.rsp = rsp;
    trap = frame_run(&frame);
    expect_trap(&trap, VECTOR_BP, 0);
    expect_eq(trap.regs.rsp, rsp, "the user's stack pointer");
}

void test_main(void)
{
    user_setup();
    for (unsigned int i = 0; i < ARRAY_SIZE(frames); i++) {
        check(&frames[i], true);
        check(&frames[i], false);
    }
    check_bad_user_stack(0x0000900000000000UL);
    check_bad_user_stack(0xffff830000000000UL);
    check_bad_user_stack(0);
    check_bad_user_stack(7);

    struct trap trap = user_run(NULL, 0);

    expect_eq(trap.vector, VECTOR_PF, "a jump to 0 in user mode, after all that");
}
