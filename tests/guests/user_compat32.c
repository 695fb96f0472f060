/* SPDX-License-Identifier: MIT */
/*
 * 32-bit user code in a 64-bit guest: INT 0x80, SYSCALL and SYSENTER from compatibility mode, and
 * exceptions with 32-bit frames.
 *
 * These entries leave the hypervisor with the least state saved by the CPU; a missing mask of the
 * upper halves, or SYSENTER's lost return address, is where it goes wrong.
 * Source: public callback_op; SYSCALL and SYSENTER in the CPU manuals (AMD CPUs have no SYSENTER in
 * long mode: #UD; Intel ones no 32-bit SYSCALL: #UD).  A hypervisor that leaves SYSENTER off (a
 * null code segment) makes it a #GP.
 */
#include "tests/guests/lib/guest.h"

#define CODE  0x0000000000400000UL
#define STACK 0x0000000000500000UL

struct code {
    uint8_t bytes[16];
};

static const struct code int_80 = { { 0xb8, 5, 0, 0, 0, 0xcd, 0x80, 0x0f, 0x0b } };
static const struct code undefined = { { 0xb8, 6, 0, 0, 0, 0x0f, 0x0b } };
static const struct code system_call = { { 0xb8, 7, 0, 0, 0, 0x0f, 0x05, 0x0f, 0x0b } };
static const struct code sysenter = { { 0xb8, 8, 0, 0, 0, 0x0f, 0x34, 0x0f, 0x0b } };
/* inc %eax (a REX prefix in 64-bit code), push %eax, ud2 */
static const struct code increment = { { 0xb8, 9, 0, 0, 0, 0x40, 0x50, 0x0f, 0x0b } };

static uint8_t *code_page;

static struct trap run(const struct code *code)
{
    struct iret_frame frame = user_frame(NULL, 0);

    memcpy(code_page, code->bytes, sizeof(code->bytes));
    frame.rip = CODE;
    frame.cs = FLAT_USER_CS32;
    frame.rsp = STACK + PAGE_SIZE;
    frame.ss = FLAT_USER_SS32;
    return frame_run(&frame);
}

static long set_callback(uint16_t type, const void *address)
{
    struct callback_register request = {
        .type = type,
        .flags = CALLBACKF_mask_events,
        .address = (unsigned long)address,
    };

    return hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &request);
}

static void check_frame(const struct trap *trap, unsigned long rip)
{
    expect_eq(trap->regs.rip, rip, "rip");
    expect_eq(trap->regs.cs & 0xffff, FLAT_USER_CS32, "cs");
    expect_eq(trap->regs.ss & 0xffff, FLAT_USER_SS32, "ss");
    expect_eq(trap->regs.rsp, STACK + PAGE_SIZE, "rsp");
}

void test_main(void)
{
    uint32_t *stack_page = page_alloc();
    struct trap trap;

    code_page = page_alloc();
    map_at(CODE, pte(va_mfn(code_page), PTE_READ_ONLY));
    map_at(STACK, pte(va_mfn(stack_page), PTE_READ_WRITE));
    user_setup();

    trap = run(&int_80);
    expect_trap(&trap, 0x80, 0);
    expect_eq(trap.regs.rax, 5, "eax");
    check_frame(&trap, CODE + 7);

    trap = run(&undefined);
    expect_trap(&trap, VECTOR_UD, 0);
    check_frame(&trap, CODE + 5);

    trap = run(&increment);
    expect_trap(&trap, VECTOR_UD, 0);
    expect_eq(trap.regs.rax, 10, "really 32-bit code");
    expect_eq(stack_page[1023], 10, "a 32-bit push");
    expect_eq(trap.regs.rsp, STACK + PAGE_SIZE - 4, "rsp");

    expect_eq(set_callback(CALLBACKTYPE_syscall32, syscall32_entry), 0, "syscall32 callback");
    trap = run(&system_call);
    printf("32-bit SYSCALL: vector %d\n", trap.vector);
    expect(trap.vector == VECTOR_SYSCALL32 || trap.vector == VECTOR_UD, "32-bit SYSCALL");
    if (trap.vector == VECTOR_SYSCALL32) {
        expect_eq(trap.regs.rax, 7, "eax");
        check_frame(&trap, CODE + 7);
    }

    expect_eq(set_callback(CALLBACKTYPE_sysenter, sysenter_entry), 0, "sysenter callback");
    trap = run(&sysenter);
    printf("SYSENTER: vector %d\n", trap.vector);
    expect(trap.vector == VECTOR_SYSENTER || trap.vector == VECTOR_UD || trap.vector == VECTOR_GP,
           "SYSENTER");
}
