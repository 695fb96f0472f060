/* SPDX-License-Identifier: MIT */
/*
 * Exceptions become signals, with the right address and reason; handlers nest,
 * run on a stack of their own, and return to where they came from.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/time.h>
#include <ucontext.h>

#include "tests/system/load/check.h"

static sigjmp_buf back;
static volatile int caught_signal;
static volatile int caught_code;
static volatile int ticks;
static volatile int depth;
static char other_stack[65536];

static void on_exception(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    caught_signal = signal_number;
    caught_code = info->si_code;
    siglongjmp(back, 1);
}

static void on_tick(int signal_number)
{
    (void)signal_number;
    ticks++;
}

static void on_nested(int signal_number)
{
    const char *here = __builtin_frame_address(0);

    CHECK(here >= other_stack && here < other_stack + sizeof(other_stack));
    depth++;
    if (signal_number == SIGUSR1) {
        CHECK(raise(SIGUSR2) == 0);
        CHECK(depth == 2);
    }
}

/* int3 and the single step leave their signal behind the instruction. */
static void on_trap(int signal_number, siginfo_t *info, void *context)
{
    ucontext_t *state = context;

    (void)info;
    caught_signal = signal_number;
    state->uc_mcontext.gregs[REG_EFL] &= ~0x100ll;
    ticks++;
}

static void handle(int signal_number, void (*handler)(int, siginfo_t *, void *))
{
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };

    CHECK(sigaction(signal_number, &action, NULL) == 0);
}

#define RAISES(signal_number, code, instructions)                               \
    do {                                                                        \
        caught_signal = 0;                                                      \
        if (sigsetjmp(back, 1) == 0) {                                          \
            __asm__ volatile(instructions : : : "rax", "rdx", "rcx", "memory"); \
        }                                                                       \
        CHECK(caught_signal == (signal_number));                                \
        CHECK((code) == 0 || caught_code == (code));                            \
    } while (0)

static void exceptions(void)
{
    handle(SIGFPE, on_exception);
    handle(SIGILL, on_exception);
    handle(SIGSEGV, on_exception);
    handle(SIGBUS, on_exception);
    for (int round = 0; round < 200; round++) {
        RAISES(SIGFPE, FPE_INTDIV, "xor %%ecx, %%ecx; xor %%edx, %%edx; div %%ecx");
        RAISES(SIGILL, ILL_ILLOPN, "ud2");
        RAISES(SIGSEGV, SEGV_MAPERR, "mov 8, %%rax");
        RAISES(SIGSEGV, SEGV_MAPERR, "movq $1, 16");
        RAISES(SIGSEGV, SI_KERNEL, "hlt");
        RAISES(SIGSEGV, SI_KERNEL, "cli");
        RAISES(SIGSEGV, SI_KERNEL, "in $0x80, %%al");
        RAISES(SIGSEGV, SI_KERNEL, "mov %%cr3, %%rax");
        RAISES(SIGSEGV, 0, "int $0x21");
        /* Not canonical, then the hypervisor's own memory. */
        RAISES(SIGSEGV, SI_KERNEL, "movabs 0x8000000000000000, %%rax");
        RAISES(SIGSEGV, 0, "movabs 0xffff800000000000, %%rax");
        RAISES(SIGSEGV, 0, "movabs 0xffff830000000000, %%rax");
    }
}

static void traps(void)
{
    handle(SIGTRAP, on_trap);
    for (int round = 0; round < 200; round++) {
        ticks = 0;
        __asm__ volatile("int3");
        CHECK(ticks == 1 && caught_signal == SIGTRAP);
        __asm__ volatile("sub $128, %%rsp\n"
                         "pushfq\n"
                         "orl $0x100, (%%rsp)\n"
                         "popfq\n"
                         "nop\n"
                         "add $128, %%rsp\n"
                         :
                         :
                         : "cc", "memory");
        CHECK(ticks == 2);
    }
}

static void nested(void)
{
    stack_t stack = { .ss_sp = other_stack, .ss_size = sizeof(other_stack) };
    struct sigaction action = { .sa_handler = on_nested, .sa_flags = SA_ONSTACK };

    CHECK(sigaltstack(&stack, NULL) == 0);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
    for (int round = 0; round < 1000; round++) {
        depth = 0;
        CHECK(raise(SIGUSR1) == 0);
        CHECK(depth == 2);
    }
}

/* A timer interrupts arithmetic, which must not notice. */
static void timers(void)
{
    struct itimerval often = { .it_interval = { 0, 2000 }, .it_value = { 0, 2000 } };
    struct itimerval never = { .it_value = { 0, 0 } };
    volatile uint64_t sum = 0;
    uint64_t i = 0;

    CHECK(signal(SIGALRM, on_tick) != SIG_ERR);
    ticks = 0;
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    while (ticks < 50) {
        sum += ++i;
    }
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    CHECK(sum == i * (i + 1) / 2);
}

int main(void)
{
    exceptions();
    traps();
    nested();
    timers();
    return 0;
}
