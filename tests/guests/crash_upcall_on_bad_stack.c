/* SPDX-License-Identifier: MIT */
/*
 * An event upcall while the guest kernel's stack pointer is not canonical.
 *
 * Unlike a trap the moment is not the guest's choice, but the answer is the same: crash the guest.
 * EXPECT: crash
 */
#include "tests/guests/lib/guest.h"

void test_main(void)
{
    unsigned int other;
    unsigned int port = loop_ports(&other);
    struct evtchn_send request = { .port = other };

    unmask_port(port);
    this_cpu()->info->evtchn_upcall_mask = 0;
    __asm__ volatile("movq %%rsp, %%rbx\n\t"
                     "movq %[bad], %%rsp\n\t"
                     "syscall\n\t"
                     "movq %%rbx, %%rsp"
                     :
                     : [bad] "r"(0x0000900000000000UL), "a"(__HYPERVISOR_event_channel_op),
                       "D"(EVTCHNOP_send), "S"(&request)
                     : "memory", "rbx", "rcx", "r11");
    test_survived("upcall on a bad stack");
}
