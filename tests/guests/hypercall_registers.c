/* SPDX-License-Identifier: MIT */
/*
 * Registers around a hypercall: all but rax, rcx and r11 come back as they went in.
 *
 * Linux's stubs count on rbx, rbp and r12 to r15, and on the flags being usable; a hypervisor
 * whose fast path forgets one corrupts its guest once in a while.  What comes back in rcx and r11
 * may be anything of the guest's, never something of the hypervisor's.
 * Source: public description of the calling convention; SYSCALL in the CPU manuals.
 */
#include "tests/guests/lib/guest.h"

uint64_t out[16];

/* Fill all registers with a pattern, call, and store what is there afterwards. */
static long call(unsigned long number, unsigned long rdi, unsigned long rsi)
{
    long result;

    __asm__ volatile("pushq %%rbp\n\t"
                     "movq $0x1111111111111111, %%rbx\n\t"
                     "movq $0x2222222222222222, %%rbp\n\t"
                     "movq $0x3333333333333333, %%r12\n\t"
                     "movq $0x4444444444444444, %%r13\n\t"
                     "movq $0x5555555555555555, %%r14\n\t"
                     "movq $0x6666666666666666, %%r15\n\t"
                     "movq $0x7777777777777777, %%r9\n\t"
                     "xorl %%edx, %%edx\n\t"
                     "xorl %%r10d, %%r10d\n\t"
                     "xorl %%r8d, %%r8d\n\t"
                     "syscall\n\t"
                     "movq %%rbx, out + 0\n\t"
                     "movq %%rbp, out + 8\n\t"
                     "movq %%r12, out + 16\n\t"
                     "movq %%r13, out + 24\n\t"
                     "movq %%r14, out + 32\n\t"
                     "movq %%r15, out + 40\n\t"
                     "movq %%r9, out + 48\n\t"
                     "movq %%rcx, out + 56\n\t"
                     "movq %%r11, out + 64\n\t"
                     "pushfq\n\t"
                     "popq out + 72\n\t"
                     "movq %%rsp, out + 80\n\t"
                     "popq %%rbp\n\t"
                     "movq %%rsp, out + 88\n\t"
                     : "=a"(result), "+D"(rdi), "+S"(rsi)
                     : "0"(number)
                     : "memory", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
                       "r15");
    return result;
}

static bool guest_value(uint64_t value)
{
    return value < 0xffff800000000000UL || value >= 0xffff880000000000UL;
}

static void check(const char *what)
{
    for (unsigned int i = 0; i < 7; i++) {
        expect_eq(out[i], 0x1111111111111111UL * (i + 1), what);
    }
    expect(guest_value(out[7]), "rcx holds no address of the hypervisor");
    expect(guest_value(out[8]), "r11 holds no address of the hypervisor");
    /* Direction clear, IF set (the real one: the guest's is in shared_info), IOPL 0. */
    expect_eq(out[9] & (BIT(8) | BIT(9) | BIT(10) | 3UL << 12 | BIT(14)), BIT(9), "flags");
    expect_eq(out[88 / 8] - out[80 / 8], 8, "rsp");
}

void test_main(void)
{
    static struct evtchn_status status = { .dom = DOMID_SELF, .port = 0 };
    static struct multicall_entry entry = { .op = __HYPERVISOR_xen_version };

    expect_eq(call(__HYPERVISOR_xen_version, XENVER_version, 0), 4 << 16 | 17, "version");
    check("after xen_version");
    expect_eq(call(47, 0, 0), -XEN_ENOSYS, "undefined");
    check("after an undefined hypercall");
    call(__HYPERVISOR_event_channel_op, EVTCHNOP_status, (unsigned long)&status);
    check("after event_channel_op");
    expect_eq(call(__HYPERVISOR_multicall, (unsigned long)&entry, 1), 0, "multicall");
    check("after multicall");
    expect_eq(call(__HYPERVISOR_sched_op, SCHEDOP_yield, 0), 0, "yield");
    check("after a switch of context");
    expect_eq(call(__HYPERVISOR_xen_version, XENVER_capabilities, (unsigned long)BAD_UNMAPPED),
              -XEN_EFAULT, "fault");
    check("after a fault in the hypervisor");
}
