/* SPDX-License-Identifier: MIT */
/*
 * Return to user mode without a user page table.
 *
 * There is nothing to put into CR3: the guest is crashed, or goes on faulting in its own kernel;
 * the hypervisor must not load 0.
 * EXPECT: crash
 */
#include "tests/guests/lib/guest.h"

static unsigned long nothing(unsigned long unused)
{
    return unused;
}

void test_main(void)
{
    struct iret_frame frame = user_frame(nothing, 0);

    frame_run(&frame);
    test_survived("user mode without a page table");
}
