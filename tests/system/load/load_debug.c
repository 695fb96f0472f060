/* SPDX-License-Identifier: MIT */
/*
 * A debugger at work: single steps, breakpoints in code, a watchpoint in a debug
 * register, and a child's registers and memory read and written.
 */
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#include "tests/system/load/check.h"

static volatile long watched = 1;

__attribute__((noinline)) static long change(long by)
{
    watched += by;
    return watched;
}

static void victim(void)
{
    CHECK(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
    CHECK(raise(SIGSTOP) == 0);
    CHECK(change(41) == 42);
    CHECK(raise(SIGSTOP) == 0);
    /* By now the parent has put another value here. */
    _exit(watched == 7 ? 0 : 1);
}

static int wait_for_stop(pid_t child)
{
    int status;

    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFSTOPPED(status));
    return WSTOPSIG(status);
}

static void set_debug_register(pid_t child, unsigned int number, unsigned long value)
{
    size_t at = offsetof(struct user, u_debugreg) + number * sizeof(unsigned long);

    CHECK(ptrace(PTRACE_POKEUSER, child, (void *)at, (void *)value) == 0);
}

static void debug(pid_t child)
{
    struct user_regs_struct registers;
    uintptr_t before;
    int status;

    CHECK(wait_for_stop(child) == SIGSTOP);
    for (int step = 0; step < 200; step++) {
        CHECK(ptrace(PTRACE_GETREGS, child, NULL, &registers) == 0);
        before = registers.rip;
        CHECK(ptrace(PTRACE_SINGLESTEP, child, NULL, NULL) == 0);
        CHECK(wait_for_stop(child) == SIGTRAP);
        CHECK(ptrace(PTRACE_GETREGS, child, NULL, &registers) == 0);
        CHECK(registers.rip != before);
        CHECK((registers.cs & 3) == 3);
        if (ptrace(PTRACE_PEEKDATA, child, &watched, NULL) == 42) {
            break;
        }
    }

    /* A watchpoint of eight bytes, on writes, in register 0. */
    CHECK(ptrace(PTRACE_PEEKDATA, child, &watched, NULL) == 1 ||
          ptrace(PTRACE_PEEKDATA, child, &watched, NULL) == 42);
    if (ptrace(PTRACE_PEEKDATA, child, &watched, NULL) == 1) {
        set_debug_register(child, 0, (unsigned long)&watched);
        set_debug_register(child, 7, 0x1ul | 0x1ul << 16 | 0x2ul << 18);
        CHECK(ptrace(PTRACE_CONT, child, NULL, NULL) == 0);
        CHECK(wait_for_stop(child) == SIGTRAP);
        CHECK(ptrace(PTRACE_PEEKDATA, child, &watched, NULL) == 42);
        set_debug_register(child, 7, 0);
    }
    CHECK(ptrace(PTRACE_CONT, child, NULL, NULL) == 0);
    CHECK(wait_for_stop(child) == SIGSTOP);
    CHECK(ptrace(PTRACE_POKEDATA, child, &watched, 7) == 0);
    CHECK(ptrace(PTRACE_CONT, child, NULL, NULL) == 0);
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}

int main(void)
{
    for (int round = 0; round < 5; round++) {
        pid_t child = fork();

        CHECK(child >= 0);
        if (child == 0) {
            victim();
        }
        debug(child);
    }
    return 0;
}
