/* SPDX-License-Identifier: MIT */
/*
 * The iret hypercall with a stack pointer in the hypervisor's memory.
 *
 * The nine words are read through a guest pointer like any other.  Read with the hypervisor's
 * rights they would leak; there is no error to return, so the guest is crashed.
 * EXPECT: crash
 */
#include "tests/guests/lib/guest.h"

void test_main(void)
{
    __asm__ volatile("movq %0, %%rsp\n\t"
                     "syscall"
                     :
                     : "r"(BAD_HYPERVISOR), "a"(__HYPERVISOR_iret)
                     : "memory");
    test_survived("iret with rsp in the hypervisor");
}
