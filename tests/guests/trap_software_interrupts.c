/* SPDX-License-Identifier: MIT */
/*
 * INT n and the privilege level in the trap table: level 0 nobody, 1 and 2 the kernel, 3 all.
 *
 * Attack: user code that raises the page-fault or the double-fault vector by INT n and so feeds
 * its kernel a frame without error code.  Refused, it is a #GP with the IDT error code.
 * Source: public description of struct trap_info.flags; error code form in the CPU manuals.  QEMU
 * 7.2 reports 16 n + 2 for 8 n + 2 (design facts): there only refusals can be told, and a vector
 * computed from that code without a bound would index past the trap table (n = 0xff).
 */
#include "tests/guests/lib/guest.h"

#define NUMBER 0x91

extern char after_int[], after_int14[];

__attribute__((noinline)) static void raise_here(void *unused)
{
    (void)unused;
    __asm__ volatile("int $0x91\n\t"
                     ".globl after_int\n"
                     "after_int:");
}

__attribute__((noinline)) static void raise_page_fault(void *unused)
{
    (void)unused;
    __asm__ volatile("int $14\n\t"
                     ".globl after_int14\n"
                     "after_int14:");
}

static void raise_last(void *unused)
{
    (void)unused;
    __asm__ volatile("int $0xff");
}

static unsigned long user_raise(unsigned long unused)
{
    (void)unused;
    raise_here(NULL);
    return 77;
}

static unsigned long user_raise_page_fault(unsigned long unused)
{
    (void)unused;
    raise_page_fault(NULL);
    return 0;
}

static unsigned long user_raise_last(unsigned long unused)
{
    (void)unused;
    raise_last(NULL);
    return 0;
}

static unsigned long user_overflow(unsigned long unused)
{
    (void)unused;
    __asm__ volatile("int $4");
    return 0;
}

static unsigned long user_breakpoint(unsigned long unused)
{
    (void)unused;
    __asm__ volatile("int3");
    return 0;
}

static unsigned long user_0x80(unsigned long unused)
{
    (void)unused;
    __asm__ volatile("int $0x80");
    return 0;
}

static void expect_refused(const struct trap *trap, unsigned int number)
{
    expect_eq(trap->vector, VECTOR_GP, "refused with #GP");
    expect(trap->error == (number << 3 | 2) || trap->error == (number << 4 | 2),
           "error code names the IDT entry");
}

static void expect_raised(const struct trap *trap)
{
    expect_trap(trap, NUMBER, ANY_ERROR);
    expect_eq(trap->regs.rip, (uint64_t)after_int, "rip is behind the instruction");
}

static void check_levels(void)
{
    for (unsigned int level = 0; level < 4; level++) {
        struct trap trap;

        set_trap(NUMBER, 4 | level, trap_stub(NUMBER));
        trap = try_call_trap(raise_here, NULL);
        if (level == 0) {
            expect_refused(&trap, NUMBER);
        } else {
            expect_raised(&trap);
        }
        trap = user_run(user_raise, 0);
        if (level < 3) {
            expect_refused(&trap, NUMBER);
        } else {
            expect_raised(&trap);
        }
    }
}

/* The CPU pushes an error code with a fault, not with INT of the same number. */
static void check_frame_without_error_code(void)
{
    struct trap trap;

    set_trap(VECTOR_PF, 4 | 3, trap_stub(NUMBER));
    trap = try_call_trap(raise_page_fault, NULL);
    expect_trap(&trap, NUMBER, ANY_ERROR);
    expect_eq(trap.regs.rip, (uint64_t)after_int14, "the frame begins with rip");
    set_trap(VECTOR_PF, 0, trap_stub(VECTOR_PF));
}

void test_main(void)
{
    struct trap trap;

    set_trap(NUMBER, 4, trap_stub(NUMBER));
    trap = try_call_trap(raise_here, NULL);
    expect_refused(&trap, NUMBER);
    if (trap.error == (NUMBER << 3 | 2)) {
        check_levels();
        check_frame_without_error_code();
    } else {
        printf("this machine's INT error code is wrong: levels not checked\n");
    }

    trap = user_run(user_raise_page_fault, 0);
    expect_refused(&trap, VECTOR_PF);
    trap = try_call_trap(raise_page_fault, NULL);
    expect_refused(&trap, VECTOR_PF);
    trap = user_run(user_raise_last, 0);
    expect_refused(&trap, 0xff);
    trap = try_call_trap(raise_last, NULL);
    expect_refused(&trap, 0xff);

    trap = user_run(user_overflow, 0);
    expect_trap(&trap, VECTOR_OF, 0);
    trap = user_run(user_breakpoint, 0);
    expect_trap(&trap, VECTOR_BP, 0);
    trap = user_run(user_0x80, 0);
    expect_trap(&trap, 0x80, 0);
}
