/* SPDX-License-Identifier: MIT */
/*
 * Machine code run on the CPU itself: see native.h.
 */
#define _GNU_SOURCE
#include "tests/unit/native.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CODE_SIZE 4096
#define RETURN    0xc3

void native_call(const void *code, struct native_regs *regs);

/* Load the registers from *rsi, call rdi, store them back.  mov, push and pop leave flags alone. */
__asm__(".text\n"
        ".globl native_call\n"
        ".type native_call, @function\n"
        "native_call:\n\t"
        "push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n\t"
        "push %rsi; push %rdi\n\t"
        "mov %rsi, %rax\n\t"
        "lea -8(%rsp), %rcx; mov %rcx, 32(%rax)\n\t"
        "push 128(%rax); popf\n\t"
        "mov 8(%rax), %rcx; mov 16(%rax), %rdx; mov 24(%rax), %rbx; mov 40(%rax), %rbp\n\t"
        "mov 48(%rax), %rsi; mov 56(%rax), %rdi; mov 64(%rax), %r8; mov 72(%rax), %r9\n\t"
        "mov 80(%rax), %r10; mov 88(%rax), %r11; mov 96(%rax), %r12; mov 104(%rax), %r13\n\t"
        "mov 112(%rax), %r14; mov 120(%rax), %r15; mov (%rax), %rax\n\t"
        "call *(%rsp)\n\t"
        "push %rax; mov 16(%rsp), %rax; pop (%rax)\n\t"
        "mov %rcx, 8(%rax); mov %rdx, 16(%rax); mov %rbx, 24(%rax); mov %rbp, 40(%rax)\n\t"
        "mov %rsi, 48(%rax); mov %rdi, 56(%rax); mov %r8, 64(%rax); mov %r9, 72(%rax)\n\t"
        "mov %r10, 80(%rax); mov %r11, 88(%rax); mov %r12, 96(%rax); mov %r13, 104(%rax)\n\t"
        "mov %r14, 112(%rax); mov %r15, 120(%rax)\n\t"
        "pushf; pop 128(%rax)\n\t"
        "cld\n\t"
        "add $16, %rsp\n\t"
        "pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n\t"
        "ret\n"
        ".size native_call, . - native_call\n");

static uint8_t *code_page(void)
{
    static uint8_t *page;

    if (page == NULL) {
        page = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (page == MAP_FAILED) {
            abort();
        }
    }
    return page;
}

uint64_t native_address(void)
{
    return (uint64_t)code_page();
}

void native_run(const uint8_t *code, size_t length, struct native_regs *regs)
{
    uint8_t *page = code_page();

    if (length > 64) {
        abort();
    }
    memcpy(page, code, length);
    page[length] = RETURN;
    native_call(page, regs);
}
