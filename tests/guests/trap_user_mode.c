/* SPDX-License-Identifier: MIT */
/*
 * Exceptions of user code arrive in the guest's kernel, on the kernel's stack, with the kernel's
 * page table, and with the user's frame complete.
 *
 * If the hypervisor bounced on the user's stack or left the user's page table loaded, user code
 * could choose what the kernel reads or where it writes.
 * Source: public description of stack_switch and set_trap_table.
 * ALSO: bochs
 */
#include "tests/guests/lib/guest.h"

#define USER_ONLY 0x0000000700000000UL

static unsigned long divide(unsigned long unused)
{
    (void)unused;
    __asm__ volatile("xorl %%ecx, %%ecx\n\txorl %%edx, %%edx\n\tdivl %%ecx"
                     :
                     :
                     : "rax", "rcx", "rdx");
    return 0;
}

static unsigned long undefined(unsigned long unused)
{
    (void)unused;
    __asm__ volatile("ud2");
    return 0;
}

static unsigned long read_kernel_only(unsigned long address)
{
    return *(volatile uint64_t *)address;
}

static unsigned long registers(unsigned long unused)
{
    (void)unused;
    __asm__ volatile("movq $0x11, %%rbx\n\tmovq $0x12, %%rcx\n\tmovq $0x13, %%rdx\n\t"
                     "movq $0x14, %%rsi\n\tmovq $0x15, %%rdi\n\tmovq $0x16, %%r8\n\t"
                     "movq $0x17, %%r9\n\tmovq $0x18, %%r10\n\tmovq $0x19, %%r11\n\t"
                     "movq $0x1a, %%r12\n\tmovq $0x1b, %%r13\n\tmovq $0x1c, %%r14\n\t"
                     "movq $0x1d, %%r15\n\tmovq $0x1e, %%rax\n\tud2"
                     :
                     :
                     : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12",
                       "r13", "r14", "r15");
    return 0;
}

static void check_frame(const struct trap *trap)
{
    char *stack = user_stack[0];

    expect_eq(trap->regs.cs & 0xffff, FLAT_USER_CS64, "cs says user");
    expect_eq(trap->regs.cs >> 32 & 0xff, 0, "events were on");
    expect_eq(trap->regs.ss, FLAT_USER_SS, "ss");
    expect((trap->regs.rflags & BIT(9)) != 0, "IF");
    expect_eq(trap->regs.rflags >> 12 & 3, 0, "IOPL");
    expect(trap->regs.rsp > (uint64_t)stack && trap->regs.rsp <= (uint64_t)stack + USER_STACK_SIZE,
           "rsp is the user's");
}

void test_main(void)
{
    uint64_t *kernel_only = page_alloc();
    struct trap trap;

    trap = user_run(divide, 0);
    expect_trap(&trap, VECTOR_DE, 0);
    check_frame(&trap);
    trap = user_run(undefined, 0);
    expect_trap(&trap, VECTOR_UD, 0);
    check_frame(&trap);

    trap = user_run(registers, 0);
    expect_trap(&trap, VECTOR_UD, 0);
    expect_eq(trap.regs.rbx, 0x11, "rbx");
    expect_eq(trap.regs.rcx, 0x12, "rcx");
    expect_eq(trap.regs.rdx, 0x13, "rdx");
    expect_eq(trap.regs.rsi, 0x14, "rsi");
    expect_eq(trap.regs.rdi, 0x15, "rdi");
    expect_eq(trap.regs.r8, 0x16, "r8");
    expect_eq(trap.regs.r11, 0x19, "r11");
    expect_eq(trap.regs.r12, 0x1a, "r12");
    expect_eq(trap.regs.r15, 0x1d, "r15");
    expect_eq(trap.regs.rax, 0x1e, "rax");

    /* Present in the kernel's L4 alone: the user must fault, the handler must see it. */
    map_at(USER_ONLY, pte(va_mfn(kernel_only), PTE_READ_WRITE));
    expect_eq(set_entry(&user_l4[table_index(USER_ONLY, 4)], 0), 0, "hide it from user mode");
    *kernel_only = 0x1234;
    trap = user_run(read_kernel_only, USER_ONLY);
    expect_trap(&trap, VECTOR_PF, 4);
    expect_eq(trap.cr2, USER_ONLY, "cr2");
    expect_eq(*(volatile uint64_t *)USER_ONLY, 0x1234, "the kernel's page table is back");
}
