/* SPDX-License-Identifier: MIT */
/*
 * A kernel that returns from its entry point: an empty stack, a return address of 0, no traps.
 *
 * The simplest broken kernel there is.  Its fault at address 0 has no handler.
 * EXPECT: crash
 */
#include "tests/guests/lib/guest.h"

void test_main(void)
{
    if (hypercall1(__HYPERVISOR_set_trap_table, NULL) != 0) {
        test_abort("cannot forget the trap table");
    }
    __asm__ volatile("movq %0, %%rsp\n\t"
                     "xorl %%ebp, %%ebp\n\t"
                     "ret"
                     :
                     : "r"(entry_state[ENTRY_RSP] - 8)
                     : "memory");
    test_survived("return from the entry point");
}
