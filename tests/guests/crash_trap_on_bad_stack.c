/* SPDX-License-Identifier: MIT */
/*
 * A trap while the guest kernel's stack pointer is rubbish.
 *
 * The bounce frame cannot be written.  Writing it with the hypervisor's rights would be an
 * arbitrary write; taking the fault as a hypervisor bug would stop the host.  The guest dies.
 * EXPECT: crash
 */
#include "tests/guests/lib/guest.h"

void test_main(void)
{
    __asm__ volatile("movq %0, %%rsp\n\t"
                     "ud2"
                     :
                     : "r"((unsigned long)BAD_UNMAPPED + 4096)
                     : "memory");
    test_survived("trap on a bad stack");
}
