/* SPDX-License-Identifier: MIT */
/*
 * The benchmark's own way in and out: as short as a kernel's can be, so that the figures are the
 * hypervisor's and not the test library's.
 *
 * On entry the stack holds rcx, r11, [error code], rip, cs, rflags, rsp, ss.  The stub for iret in
 * the hypercall page pushes rcx, r11 and rax itself; its caller pushes the flags word.
 */
#include "tests/guests/lib/layout.h"

#define IRET_STUB (hypercall_page + 32 * HYPERCALL_IRET)

        .macro SAVE_CLOBBERED
        pushq %rax
        pushq %rdx
        pushq %rsi
        pushq %rdi
        pushq %r8
        pushq %r9
        pushq %r10
        pushq %r11
        pushq %rcx
        .endm

        .macro RESTORE_CLOBBERED
        popq %rcx
        popq %r11
        popq %r10
        popq %r9
        popq %r8
        popq %rdi
        popq %rsi
        popq %rdx
        popq %rax
        .endm

        .text
        .globl bench_breakpoint
bench_breakpoint:
        popq %rcx
        popq %r11
        pushq $0
        jmp IRET_STUB

        .globl bench_page_fault
bench_page_fault:
        popq %rcx
        popq %r11
        SAVE_CLOBBERED
        cld
        call bench_fix_fault
        RESTORE_CLOBBERED
        movq $0, (%rsp)                 /* the error code's slot takes the flags */
        jmp IRET_STUB

        .globl bench_upcall
bench_upcall:
        popq %rcx
        popq %r11
        SAVE_CLOBBERED
        cld
        call bench_take_events
        RESTORE_CLOBBERED
        pushq $0
        jmp IRET_STUB

        .section .note.GNU-stack, "", @progbits
