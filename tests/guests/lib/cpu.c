/* SPDX-License-Identifier: MIT */
/* More than one vCPU. */
#include "tests/guests/lib/guest.h"

char stacks[MAX_CPUS][STACK_SIZE] __attribute__((aligned(STACK_SIZE)));

extern char secondary_entry[];
_Noreturn void secondary_main(void);

struct cpu *cpu_of(unsigned int id)
{
    return (struct cpu *)(void *)stacks[id];
}

struct vcpu_guest_context *cpu_context(unsigned int id)
{
    static struct vcpu_guest_context context;

    memset(&context, 0, sizeof(context));
    context.flags = VGCF_in_kernel;
    context.user_regs.rip = (uint64_t)secondary_entry;
    context.user_regs.rsp = (uint64_t)(stacks[id] + STACK_SIZE);
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = FLAT_KERNEL_SS;
    for (unsigned int vector = 0; vector < 256; vector++) {
        context.trap_ctxt[vector].vector = (uint8_t)vector;
        context.trap_ctxt[vector].flags = 4;
        context.trap_ctxt[vector].cs = FLAT_KERNEL_CS;
        context.trap_ctxt[vector].address = (unsigned long)trap_stub(vector);
    }
    context.kernel_ss = FLAT_KERNEL_SS;
    context.kernel_sp = context.user_regs.rsp;
    context.ctrlreg[3] = va_mfn(kernel_l4) << PAGE_SHIFT;
    context.event_callback_eip = (unsigned long)upcall_entry;
    context.failsafe_callback_eip = (unsigned long)failsafe_entry;
    context.syscall_callback_eip = (unsigned long)syscall_entry;
    return &context;
}

long cpu_initialise(unsigned int id, const struct vcpu_guest_context *context)
{
    return hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_initialise, id, context);
}

void secondary_main(void)
{
    struct cpu *cpu = this_cpu();

    for (;;) {
        while (cpu->function == NULL) {
            hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
        }
        cpu->function(cpu->argument);
        cpu->function = NULL;
        cpu->done = true;
    }
}

void cpu_start(unsigned int id, void (*function)(void *), void *argument)
{
    static bool running[MAX_CPUS];
    struct cpu *cpu = cpu_of(id);

    cpu->done = false;
    cpu->argument = argument;
    cpu->function = function;
    if (running[id]) {
        return;
    }
    running[id] = true;
    if (cpu_initialise(id, cpu_context(id)) != 0 ||
        hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_up, id, 0) != 0) {
        test_abort("cannot start a vCPU (does the test ask for enough CPUs?)");
    }
}

void cpu_wait(unsigned int id)
{
    if (!wait_for(cpu_of(id)->done, 5000UL)) {
        test_abort("a vCPU did not finish");
    }
}
