/* SPDX-License-Identifier: MIT */
/*
 * Flag 4 of a trap table entry: entering the handler masks events, iret brings the mask back.
 *
 * Getting it wrong either way loses events or lets one interrupt a handler on an unsafe stack.
 * Source: public description of struct trap_info; VCPU mask semantics in xen.h.
 */
#include "tests/guests/lib/guest.h"

#define NUMBER 0x80

static uint8_t mask_inside;

static bool look(struct regs *regs)
{
    if (regs->vector != NUMBER) {
        return false;
    }
    mask_inside = this_cpu()->info->evtchn_upcall_mask;
    return true;
}

static uint8_t mask_now(void)
{
    return ((volatile struct vcpu_info *)this_cpu()->info)->evtchn_upcall_mask;
}

void test_main(void)
{
    trap_hook = look;

    set_trap(NUMBER, 3 | 4, trap_stub(NUMBER));
    events_on();
    __asm__ volatile("int $0x80" : : : "memory");
    expect_eq(mask_inside, 1, "flag set: masked inside");
    expect_eq(mask_now(), 0, "and open again behind");

    set_trap(NUMBER, 3, trap_stub(NUMBER));
    __asm__ volatile("int $0x80" : : : "memory");
    expect_eq(mask_inside, 0, "flag clear: open inside");
    expect_eq(mask_now(), 0, "and behind");

    events_off();
    __asm__ volatile("int $0x80" : : : "memory");
    expect_eq(mask_inside, 1, "flag clear, events off: stays masked");
    expect_eq(mask_now(), 1, "and behind");
}
