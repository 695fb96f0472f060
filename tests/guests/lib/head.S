/* SPDX-License-Identifier: MIT */
/*
 * The test guest's assembly: what its builder reads (ELF notes), what the hypervisor jumps to
 * (entry, traps, upcall, failsafe, system calls) and the few switches C cannot express.
 *
 * A bounce frame is, from the stack pointer upwards: rcx, r11, [error code], rip, cs, rflags,
 * rsp, ss.  Each stub turns it into struct regs (guest.h); the way back is the iret hypercall.
 */
#include "tests/guests/lib/layout.h"

    .section .text.entry, "ax"
    .globl guest_entry
guest_entry:
    /* Keep every register as it came, for the test of the entry state. */
    movq %rax, entry_state + 0*8
    movq %rbx, entry_state + 1*8
    movq %rcx, entry_state + 2*8
    movq %rdx, entry_state + 3*8
    movq %rsi, entry_state + 4*8
    movq %rdi, entry_state + 5*8
    movq %rbp, entry_state + 6*8
    movq %rsp, entry_state + 7*8
    movq %r8, entry_state + 8*8
    movq %r9, entry_state + 9*8
    movq %r10, entry_state + 10*8
    movq %r11, entry_state + 11*8
    movq %r12, entry_state + 12*8
    movq %r13, entry_state + 13*8
    movq %r14, entry_state + 14*8
    movq %r15, entry_state + 15*8
    pushfq
    popq entry_state + 16*8
    movq %cs, %rax
    movq %rax, entry_state + 17*8
    movq %ss, %rax
    movq %rax, entry_state + 18*8
    movq %ds, %rax
    movq %rax, entry_state + 19*8
    movq %es, %rax
    movq %rax, entry_state + 20*8
    movq %fs, %rax
    movq %rax, entry_state + 21*8
    movq %gs, %rax
    movq %rax, entry_state + 22*8

    cld
    movq $(stacks + STACK_SIZE), %rsp
    xorl %ebp, %ebp
    movq %rsi, %rdi
    call guest_main
    ud2

    .text
    .globl secondary_entry
secondary_entry:
    xorl %ebp, %ebp
    call secondary_main
    ud2

/* One stub per vector, 16 bytes apart, so that C can compute their addresses. */
    .balign 16
    .globl trap_stubs
trap_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    popq %rcx
    popq %r11
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
    pushq $0
    .endif
    pushq $vector
    jmp trap_common
    .set vector, vector + 1
    .endr

    .globl syscall_entry
syscall_entry:
    popq %rcx
    popq %r11
    pushq $0
    pushq $VECTOR_SYSCALL
    jmp trap_common

    .globl syscall32_entry
syscall32_entry:
    popq %rcx
    popq %r11
    pushq $0
    pushq $VECTOR_SYSCALL32
    jmp trap_common

    .globl sysenter_entry
sysenter_entry:
    popq %rcx
    popq %r11
    pushq $0
    pushq $VECTOR_SYSENTER
    jmp trap_common

    .globl nmi_entry
nmi_entry:
    popq %rcx
    popq %r11
    pushq $0
    pushq $VECTOR_NMI
    jmp trap_common

    .globl upcall_entry
upcall_entry:
    popq %rcx
    popq %r11
    pushq $0
    pushq $VECTOR_UPCALL
    jmp trap_common

/* Between r11 and rip the failsafe frame holds ds, es, fs, gs. */
    .globl failsafe_entry
failsafe_entry:
    popq %rcx
    popq %r11
    popq failsafe_segments + 0
    popq failsafe_segments + 8
    popq failsafe_segments + 16
    popq failsafe_segments + 24
    pushq $0
    pushq $VECTOR_FAILSAFE
    jmp trap_common

trap_common:
    pushq %rax
    pushq %rcx
    pushq %rbx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, %rdi
    movq %rsp, %rbx
    andq $-16, %rsp
    cld
    call trap_dispatch
    movq %rbx, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rbp
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rbx
    popq %rcx
    popq %rax
    /* The vector's slot becomes rcx, the error code's slot the iret flags. */
    movq %rcx, (%rsp)
    movq $0, 8(%rsp)
    pushq %r11
    pushq %rax
    movl $HYPERCALL_IRET, %eax
    syscall
    ud2

.macro save_callee
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
.endm
.macro restore_callee
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
.endm

/*
 * int try_call(void (*function)(void *), void *argument, void **slot): 0 when it returned, 1 when
 * trap_dispatch() sent us to try_escape with the stack pointer kept in *slot.
 */
    .globl try_call
try_call:
    save_callee
    pushq (%rdx)
    pushq %rdx
    subq $8, %rsp
    movq %rsp, (%rdx)
    movq %rdi, %rax
    movq %rsi, %rdi
    call *%rax
    xorl %eax, %eax
try_leave:
    addq $8, %rsp
    popq %rdx
    popq (%rdx)
    restore_callee
    ret
    .globl try_escape
try_escape:
    movl $1, %eax
    jmp try_leave

/*
 * void iret_enter(const struct iret_frame *frame, void **slot): leave by the iret hypercall with
 * exactly this frame.  trap_dispatch() brings us back through iret_escape.
 */
    .globl iret_enter
iret_enter:
    save_callee
    pushq (%rsi)
    pushq %rsi
    subq $8, %rsp
    movq %rsp, (%rsi)
    movq %rdi, %rbx
    /* Traps from user mode land just below what we saved. */
    movl $HYPERCALL_STACK_SWITCH, %eax
    movl $KERNEL_SS, %edi
    movq %rsp, %rsi
    syscall
    pushq 8*8(%rbx)
    pushq 7*8(%rbx)
    pushq 6*8(%rbx)
    pushq 5*8(%rbx)
    pushq 4*8(%rbx)
    pushq 3*8(%rbx)
    pushq 2*8(%rbx)
    pushq 1*8(%rbx)
    pushq 0*8(%rbx)
    movq 9*8(%rbx), %rdi
    movq 10*8(%rbx), %rsi
    movl $HYPERCALL_IRET, %eax
    syscall
    ud2
    .globl iret_escape
iret_escape:
    addq $8, %rsp
    popq %rsi
    popq (%rsi)
    restore_callee
    ret

/* Where user mode begins: rsi is the function, rdi its argument. */
    .globl user_start
user_start:
    xorl %ebp, %ebp
    call *%rsi
    movq %rax, %rdi
    movl $USER_EXIT, %eax
    syscall
    ud2

    .balign 4096
    .globl hypercall_page
hypercall_page:
    .fill 4096, 1, 0xcc

    .section .note.Xen, "a", @note
    NOTE NOTE_GUEST_OS, .asciz, "paravane-test"
    NOTE NOTE_GUEST_VERSION, .asciz, "1"
    NOTE NOTE_XEN_VERSION, .asciz, "xen-3.0"
    NOTE NOTE_VIRT_BASE, .quad, VIRT_BASE
    NOTE NOTE_PADDR_OFFSET, .quad, 0
    NOTE NOTE_ENTRY, .quad, guest_entry
    NOTE NOTE_HYPERCALL_PAGE, .quad, hypercall_page
    NOTE NOTE_PAE_MODE, .asciz, "yes"
    NOTE NOTE_LOADER, .asciz, "generic"
    NOTE NOTE_FEATURES, .asciz, ""
    NOTE NOTE_SUPPORTED_FEATURES, .long, 0x8801
    .section .note.GNU-stack, "", @progbits
