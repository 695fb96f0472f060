/* SPDX-License-Identifier: MIT */
/*
 * Attack: a trap with the stack pointer in the hypervisor's own memory, so that the bounce frame
 * (whose contents the guest chooses) would be written there.
 *
 * EXPECT: crash
 */
#include "tests/guests/lib/guest.h"

void test_main(void)
{
    __asm__ volatile("movq %0, %%rsp\n\t"
                     "int3"
                     :
                     : "r"(0xffff830000002000UL)
                     : "memory");
    test_survived("trap with rsp in the hypervisor");
}
