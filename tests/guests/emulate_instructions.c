/* SPDX-License-Identifier: MIT */
/*
 * Other privileged instructions of a guest's kernel: those that are emulated away, those that are
 * refused, and the interrupt flag, which belongs to the hypervisor.
 *
 * A kernel that runs CLI before it knows what it runs on must survive; one that really turned
 * interrupts off would own the CPU.
 * Source: CPU manuals; abi-use section 8; watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

#define INSTRUCTION(label, code)                                     \
    static void label(void *argument)                                \
    {                                                                \
        __asm__ volatile(code : : "a"(0), "b"(argument) : "memory"); \
    }

INSTRUCTION(do_cli, "cli")
INSTRUCTION(do_sti, "sti")
INSTRUCTION(do_hlt, "hlt")
INSTRUCTION(do_wbinvd, "wbinvd")
INSTRUCTION(do_invd, "invd")
INSTRUCTION(do_invlpg, "invlpg (%%rbx)")
INSTRUCTION(do_lgdt, "lgdt (%%rbx)")
INSTRUCTION(do_lidt, "lidt (%%rbx)")
INSTRUCTION(do_lldt, "lldt %%ax")
INSTRUCTION(do_ltr, "ltr %%ax")
INSTRUCTION(do_swapgs, "swapgs")
INSTRUCTION(do_sysret, "sysretq")
INSTRUCTION(do_vmcall, "vmcall")
INSTRUCTION(do_vmmcall, "vmmcall")
INSTRUCTION(do_popf_iopl, "pushfq; orq $0x3000, (%%rsp); popfq")

static const struct {
    const char *name;
    void (*function)(void *);
    bool refused;
} rows[] = {
    { "lgdt", do_lgdt, true },     { "lidt", do_lidt, true },       { "lldt", do_lldt, true },
    { "ltr", do_ltr, true },       { "swapgs", do_swapgs, true },   { "sysret", do_sysret, true },
    { "vmcall", do_vmcall, true }, { "vmmcall", do_vmmcall, true }, { "popf", do_popf_iopl, false },
};

static uint64_t flags(void)
{
    uint64_t value;

    __asm__ volatile("pushfq\n\tpopq %0" : "=r"(value));
    return value;
}

static void set_iopl(unsigned int iopl)
{
    struct physdev_set_iopl request = { .iopl = iopl };

    expect_eq(hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &request), 0, "set_iopl");
}

static void check_interrupt_flag(void)
{
    /* Without IOPL even the guest's kernel may not; with it, nothing really happens. */
    set_iopl(1);
    expect_eq(try_call_trap(do_cli, NULL).vector, NO_TRAP, "cli with IOPL 1");
    expect_eq(flags() & BIT(9), BIT(9), "the real flag stays on");
    expect_eq(try_call_trap(do_sti, NULL).vector, NO_TRAP, "sti with IOPL 1");
    expect_eq(flags() & (BIT(9) | 3UL << 12), BIT(9), "IF on, IOPL 0");
    set_iopl(0);
    expect_eq(try_call_trap(do_cli, NULL).vector, VECTOR_GP, "cli with IOPL 0");
    set_iopl(1);
}

static void check_privilege(void)
{
    struct physdev_set_iopl request = { .iopl = 4 };

    expect_eq(hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &request), -XEN_EINVAL,
              "IOPL 4");
    request.iopl = 0xffffffff;
    expect_eq(hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &request), -XEN_EINVAL,
              "IOPL too big");
    expect_eq(hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, BAD_UNMAPPED), -XEN_EFAULT,
              "bad pointer");
}

/* wbinvd is allowed to who has devices; invlpg is emulated or refused. */
static void check_cache_and_tlb(void)
{
    struct trap trap = try_call_trap(do_wbinvd, NULL);

    expect_trap(&trap, NO_TRAP, 0);
    /* Without writing back it would lose others' data: refused, or done as wbinvd. */
    trap = try_call_trap(do_invd, NULL);
    expect(trap.vector == NO_TRAP || trap.vector == VECTOR_GP, "invd");
    trap = try_call_trap(do_invlpg, (void *)kernel_l4);
    expect(trap.vector == NO_TRAP || trap.vector == VECTOR_GP, "invlpg");
    trap = try_call_trap(do_invlpg, BAD_HYPERVISOR);
    expect(trap.vector == NO_TRAP || trap.vector == VECTOR_GP, "invlpg of the hypervisor");
}

/* HLT waits for an event like SCHEDOP_block, if it is emulated at all. */
static void check_halt(void)
{
    /* Late enough that it does not come before the halt. */
    struct vcpu_set_singleshot_timer timer = { .timeout_abs_ns = now() + 300 * MILLISECOND };
    unsigned int port;
    struct trap trap;

    expect_eq(bind_virq(VIRQ_TIMER, 0, &port), 0, "timer");
    unmask_port(port);
    events_on();
    expect_eq(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, &timer), 0, "set");
    trap = try_call_trap(do_hlt, NULL);
    expect(trap.vector == NO_TRAP || trap.vector == VECTOR_GP, "hlt");
    if (trap.vector == NO_TRAP) {
        expect(wait_for(port_count[port] != 0, 1000UL), "an event ended the halt");
    }
    events_off();
}

void test_main(void)
{
    static uint8_t scratch[16];

    check_interrupt_flag();
    check_privilege();
    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        struct trap trap = try_call_trap(rows[i].function, scratch);

        if (rows[i].refused) {
            expect(trap.vector == VECTOR_GP || trap.vector == VECTOR_UD, rows[i].name);
        } else {
            expect_eq(trap.vector, NO_TRAP, rows[i].name);
        }
    }
    expect_eq(flags() >> 12 & 3, 0, "popf did not change IOPL");
    check_cache_and_tlb();
    check_halt();
}
