/* SPDX-License-Identifier: MIT */
/*
 * The registers of an interrupted program, as the entry code leaves them on
 * the stack; the order is the ABI's struct cpu_user_regs up to `ss`.
 */
#pragma once

#include "hypervisor/lib/types.h"

struct cpu_regs {
    uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    uint32_t error_code;
    uint32_t vector; /* exception or interrupt; ENTRY_SYSCALL for SYSCALL */
    uint64_t rip, cs, rflags, rsp, ss;
};

#define ENTRY_SYSCALL 0x100

static inline bool regs_from_guest(const struct cpu_regs *regs)
{
    return (regs->cs & 3) != 0;
}
