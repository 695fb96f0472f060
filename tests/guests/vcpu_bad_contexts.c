/* SPDX-License-Identifier: MIT */
/*
 * Contexts for a new vCPU that must be refused or made harmless before it runs.
 *
 * Attack: the structure holds everything a CPU has. A cr3 that is no validated L4, GDT frames that
 * are writable, a kernel cs of ring 0, IOPL 3, debug registers on the hypervisor.
 * Source: public struct vcpu_guest_context; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static volatile uint64_t flags_seen;

static void refused(struct vcpu_guest_context *context, const char *what)
{
    long result = cpu_initialise(1, context);

    if (!expect(result < 0 && result != -XEN_EEXIST, what)) {
        test_abort("a bad context was taken");
    }
}

static void check_page_tables(void)
{
    struct vcpu_guest_context *context = cpu_context(1);

    context->ctrlreg[3] = 0;
    refused(context, "cr3 0");
    context = cpu_context(1);
    context->ctrlreg[3] = va_mfn(page_alloc()) << PAGE_SHIFT;
    refused(context, "cr3 is a writable page");
    context = cpu_context(1);
    context->ctrlreg[3] = *entry_of((void *)VIRT_BASE, 4) & PTE_ADDRESS;
    refused(context, "cr3 is an L3");
    context = cpu_context(1);
    context->ctrlreg[3] = 0x000ffffffffff000UL;
    refused(context, "cr3 is no frame");
    context = cpu_context(1);
    context->ctrlreg[1] = va_mfn(page_alloc()) << PAGE_SHIFT;
    refused(context, "user page table is a writable page");
    for (unsigned long low = 0; low < PAGE_SIZE; low += PAGE_SIZE - 1) {
        context = cpu_context(1);
        context->flags = 0;
        context->ctrlreg[1] = low;
        refused(context, "user mode without a user page table");
    }
}

static void check_tables(void)
{
    struct vcpu_guest_context *context = cpu_context(1);

    context->gdt_ents = FIRST_RESERVED_GDT_ENTRY + 1;
    refused(context, "too many GDT entries");
    context = cpu_context(1);
    context->gdt_ents = ~0UL;
    refused(context, "far too many GDT entries");
    context = cpu_context(1);
    context->gdt_ents = 8;
    context->gdt_frames[0] = va_mfn(page_alloc());
    refused(context, "a writable GDT");
    context = cpu_context(1);
    context->ldt_ents = 8193;
    context->ldt_base = (uint64_t)page_alloc();
    refused(context, "too many LDT entries");
    context = cpu_context(1);
    context->ldt_ents = 8;
    context->ldt_base = (uint64_t)page_alloc() + 8;
    refused(context, "an unaligned LDT");
    context = cpu_context(1);
    context->ldt_ents = 8;
    context->ldt_base = (uint64_t)BAD_HYPERVISOR;
    refused(context, "an LDT in the hypervisor");
}

static void check_addresses(void)
{
    struct vcpu_guest_context *context = cpu_context(1);

    context->gs_base_kernel = 0x0000900000000000UL;
    refused(context, "gs base not canonical");
    context = cpu_context(1);
    context->fs_base = 0x0000900000000000UL;
    refused(context, "fs base not canonical");
    context = cpu_context(1);
    context->event_callback_eip = 0x0000900000000000UL;
    refused(context, "event callback not canonical");
    context = cpu_context(1);
    context->failsafe_callback_eip = 0x8000000000000000UL;
    refused(context, "failsafe callback not canonical");
    context = cpu_context(1);
    context->syscall_callback_eip = 0x0000900000000000UL;
    refused(context, "syscall callback not canonical");
    context = cpu_context(1);
    context->user_regs.rip = 0x0000900000000000UL;
    refused(context, "rip not canonical");
}

static void note_flags(void *unused)
{
    uint64_t flags;

    (void)unused;
    __asm__ volatile("pushfq\n\tpopq %0" : "=r"(flags));
    flags_seen = flags;
}

/* Last: this one is taken, and runs. */
static void check_sanitised(void)
{
    struct vcpu_guest_context *context = cpu_context(1);

    /* Floating-point state comes with it, while this vCPU's own is not to be touched: CR0.TS. */
    expect_eq(hypercall1(__HYPERVISOR_fpu_taskswitch, 1), 0, "TS set");
    context->flags |= VGCF_i387_valid;
    context->user_regs.cs = FLAT_KERNEL_CS & ~3;
    context->user_regs.ss = FLAT_KERNEL_SS & ~3;
    context->kernel_ss = 0;
    context->user_regs.rflags = 3UL << 12 | BIT(14) | BIT(17) | BIT(19) | BIT(20);
    context->debugreg[0] = 0xffff830000000000UL;
    context->debugreg[7] = BIT(13) | 3;
    cpu_of(1)->function = note_flags;
    expect_eq(cpu_initialise(1, context), 0, "a context that can be made harmless");
    expect_eq(hypercall1(__HYPERVISOR_fpu_taskswitch, 0), 0, "TS clear");
    expect_eq(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_up, 1, 0), 0, "up");
    expect(wait_for(cpu_of(1)->done, 2000UL), "it runs, in ring 3");
    expect_eq(flags_seen & (3UL << 12 | BIT(17) | BIT(19) | BIT(20)), 0, "no IOPL, VM, VIF, VIP");
    expect_eq(flags_seen & BIT(9), BIT(9), "real interrupts are on");
}

void test_main(void)
{
    check_page_tables();
    check_tables();
    check_addresses();
    check_sanitised();
}
