/* SPDX-License-Identifier: MIT */
/*
 * An exception for which the guest never gave a handler.
 *
 * There is nowhere to go: the guest has to be crashed, alone and with a message.  A hypervisor
 * that jumps to address 0 with its own privileges, or loops, fails.
 * EXPECT: crash
 */
#include "tests/guests/lib/guest.h"

void test_main(void)
{
    if (hypercall1(__HYPERVISOR_set_trap_table, NULL) != 0) {
        test_abort("cannot forget the trap table");
    }
    __asm__ volatile("ud2");
    test_survived("ud2 without a handler");
}
