/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls by SYSCALL: number in rax, arguments in rdi, rsi, rdx, r10, r8.  The page of stubs
 * does the same; the test hypercall_page uses it.  Argument registers may be clobbered.
 */
#ifndef TESTS_GUESTS_LIB_HYPERCALL_H
#define TESTS_GUESTS_LIB_HYPERCALL_H

static inline long hypercall_raw(unsigned long number, const unsigned long argument[5])
{
    long result;
    unsigned long rdi = argument[0];
    unsigned long rsi = argument[1];
    unsigned long rdx = argument[2];
    register unsigned long r10 __asm__("r10") = argument[3];
    register unsigned long r8 __asm__("r8") = argument[4];

    __asm__ volatile("syscall"
                     : "=a"(result), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8)
                     : "0"(number)
                     : "memory", "rcx", "r11", "r9");
    return result;
}

/* An argument may be a number or a pointer. */
#define hypercall_word(argument) ((unsigned long)(argument))
#define hypercall_args(a, b, c, d, e)                                                   \
    ((const unsigned long[5]){ hypercall_word(a), hypercall_word(b), hypercall_word(c), \
                               hypercall_word(d), hypercall_word(e) })
#define hypercall5(number, a, b, c, d, e) \
    hypercall_raw((number), hypercall_args((a), (b), (c), (d), (e)))
#define hypercall4(number, a, b, c, d) hypercall5((number), (a), (b), (c), (d), 0)
#define hypercall3(number, a, b, c)    hypercall5((number), (a), (b), (c), 0, 0)
#define hypercall2(number, a, b)       hypercall5((number), (a), (b), 0, 0, 0)
#define hypercall1(number, a)          hypercall5((number), (a), 0, 0, 0, 0)

#endif
