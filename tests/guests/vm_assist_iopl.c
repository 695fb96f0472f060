/* SPDX-License-Identifier: MIT */
/*
 * The architectural_iopl assist: IOPL lives in the flags of iret frames and is shown in bounce
 * frames, as on hardware; the guest's kernel then counts as level 0.
 *
 * Source: public VMASST_TYPE_architectural_iopl.
 */
#include "tests/guests/lib/guest.h"

#define IOPL(n) ((uint64_t)(n) << 12)

static void show(void)
{
    __asm__ volatile("inb $0x64, %%al\n\tint3" : : : "rax");
}

static struct trap run(uint64_t iopl)
{
    struct iret_frame frame = user_frame(NULL, 0);

    frame.rip = (uint64_t)show;
    frame.rflags |= iopl;
    return frame_run(&frame);
}

void test_main(void)
{
    struct trap trap;

    user_setup();
    trap = run(IOPL(3));
    expect_eq(trap.vector, VECTOR_GP, "without the assist the frame's IOPL means nothing");
    expect_eq(trap.regs.rflags >> 12 & 3, 0, "and is not shown");

    expect_eq(hypercall2(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_architectural_iopl),
              0, "enable");
    trap = run(IOPL(3));
    expect_eq(trap.vector, VECTOR_BP, "with it, IOPL 3 allows ports");
    expect_eq(trap.regs.rflags >> 12 & 3, 3, "and is shown");
    trap = run(IOPL(0));
    expect_eq(trap.vector, VECTOR_GP, "IOPL 0 does not");
    expect_eq(trap.regs.rflags >> 12 & 3, 0, "and is shown");
    trap = run(IOPL(2));
    expect_eq(trap.vector, VECTOR_GP, "nor does 2");
    expect_eq(trap.regs.rflags >> 12 & 3, 2, "and is shown");
}
