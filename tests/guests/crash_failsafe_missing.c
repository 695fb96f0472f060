/* SPDX-License-Identifier: MIT */
/*
 * A return that faults in a guest whose failsafe callback leads nowhere: the last resort is gone,
 * so the guest is crashed.  A loop between IRET and callback would hang the CPU.
 * EXPECT: crash
 */
#include "tests/guests/lib/guest.h"

void test_main(void)
{
    struct callback_register request = {
        .type = CALLBACKTYPE_failsafe,
        .address = 0,
    };
    struct iret_frame frame = kernel_frame(NULL);

    hypercall1(__HYPERVISOR_set_trap_table, NULL);
    hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &request);
    frame.cs = 0xfff8;
    frame_run(&frame);
    test_survived("iret to a bad selector without failsafe callback");
}
