/* SPDX-License-Identifier: MIT */
/*
 * Upcalls: masked while one runs, all registers preserved, delivered on the way out of a trap
 * handler that brings the mask back, and in user mode.
 *
 * An upcall in the middle of an upcall overruns the stack; one that changes a register corrupts the
 * interrupted code rarely and at random.
 * Source: public description of vcpu_info; iret.
 */
#include "tests/guests/lib/guest.h"

static unsigned int here, there;
static unsigned int depth, deepest;
static unsigned int sent_inside;

static void inside(unsigned int port)
{
    (void)port;
    depth++;
    deepest = depth > deepest ? depth : deepest;
    if (sent_inside > 0) {
        sent_inside--;
        port_send(there);
        expect_eq(this_cpu()->info->evtchn_upcall_mask, 1, "masked inside");
    }
    depth--;
}

static bool send_from_trap(struct regs *regs)
{
    if (regs->vector != VECTOR_BP) {
        return false;
    }
    port_send(there);
    expect_eq(port_count[here], 0, "not inside a handler that masks");
    return true;
}

static void check_registers(void)
{
    uint64_t rbx, r12, flags;

    __asm__ volatile(
        "movq $0x1234567, %%rbx\n\t"
        "movq $0x7654321, %%r12\n\t"
        "stc\n\t"
        "movl %[send], %%edi\n\t"
        "leaq %[request], %%rsi\n\t"
        "movl %[call], %%eax\n\t"
        "syscall\n\t"
        "pushfq\n\t"
        "popq %[flags]\n\t"
        "movq %%rbx, %[rbx]\n\t"
        "movq %%r12, %[r12]"
        : [rbx] "=r"(rbx), [r12] "=r"(r12), [flags] "=r"(flags)
        : [send] "i"(EVTCHNOP_send), [call] "i"(__HYPERVISOR_event_channel_op), [request] "m"(there)
        : "memory", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12");
    expect_eq(rbx, 0x1234567, "rbx");
    expect_eq(r12, 0x7654321, "r12");
    expect_eq(flags & 1, 1, "carry");
}

static volatile bool stop_spinning;

static unsigned long spin(unsigned long unused)
{
    unsigned long count = 0;

    (void)unused;
    while (!stop_spinning) {
        count++;
    }
    return count;
}

static void stop(unsigned int port)
{
    (void)port;
    stop_spinning = true;
}

void test_main(void)
{
    unsigned int timer_port;
    struct vcpu_set_singleshot_timer timer = { .flags = 0 };
    struct trap trap;

    here = loop_ports(&there);
    unmask_port(here);

    trap_hook = send_from_trap;
    events_on();
    __asm__ volatile("int3" : : : "memory");
    expect_eq(port_count[here], 1, "delivered by the handler's iret");
    trap_hook = NULL;

    port_hook = inside;
    sent_inside = 3;
    port_send(there);
    expect_eq(port_count[here], 5, "one and three more from inside");
    expect_eq(deepest, 1, "never nested");
    check_registers();
    expect_eq(port_count[here], 6, "and another");

    /* User code that does nothing but compute is interrupted too. */
    expect_eq(bind_virq(VIRQ_TIMER, 0, &timer_port), 0, "timer");
    unmask_port(timer_port);
    port_hook = stop;
    timer.timeout_abs_ns = now() + 5 * MILLISECOND;
    expect_eq(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_set_singleshot_timer, 0, &timer), 0, "set");
    trap = user_run(spin, 0);
    expect(came_home(&trap), "home");
    expect(port_count[timer_port] >= 1, "interrupted by its timer");
    events_off();
}
