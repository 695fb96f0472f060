/* SPDX-License-Identifier: MIT */
/*
 * Ways into the core and out of it: docs/hypervisor/traps.md.
 *
 * Every entry leaves a struct cpu_regs on the stack.  From a guest it lies at
 * the top, in struct cpu_info, so that rsp is also the CPU's cpu_info.
 * Interrupts are off from entry to exit.
 */
#include "hypervisor/x86/asm_offsets.h"
#include "hypervisor/x86/address_space.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/selectors.h"

#define HYPERCALL_IRET 23 /* __HYPERVISOR_iret: it replaces the registers a result would go to */

        .macro SAVE_REGISTERS
        pushq %rdi
        pushq %rsi
        pushq %rdx
        pushq %rcx
        pushq %rax
        pushq %r8
        pushq %r9
        pushq %r10
        pushq %r11
        pushq %rbx
        pushq %rbp
        pushq %r12
        pushq %r13
        pushq %r14
        pushq %r15
        .endm

        /* A slot that is not wanted goes to the register that is popped next. */
        .macro RESTORE_REGISTERS rcx=%rcx r11=%r11
        popq %r15
        popq %r14
        popq %r13
        popq %r12
        popq %rbp
        popq %rbx
        popq \r11
        popq %r10
        popq %r9
        popq %r8
        popq %rax
        popq \rcx
        popq %rdx
        popq %rsi
        popq %rdi
        .endm

        /* On top of rip, or of a place for it: what is left of an entry that is no exception. */
        .macro SAVE_SYSCALL
        pushq $0
        movl $0x100, 4(%rsp)
        SAVE_REGISTERS
        movq CPU_CURRENT(%rsp), %rsi
        movq %rsp, %rdi
        .endm

        /* A guest that came in by an exception may have set AC: SMAP is to hold nevertheless. */
        .macro FORBID_GUEST_MEMORY
771:    clac
        .pushsection .smap, "a"
        .balign 4
        .long 771b - .
        .popsection
        .endm

        .text

/*
 * SYSCALL.  The CPU's stub (x86/descriptors.c) has put the guest's rsp into its
 * slot and points rsp at it; rcx is the guest's rip, r11 its flags.
 */
        .globl entry_syscall
        .balign 16
entry_syscall:
        pushq %r11
        pushq $GUEST_CS64
        pushq %rcx
        movq $GUEST_SS, 32(%rsp)
        SAVE_SYSCALL
        cmpb $0, VCPU_KERNEL_MODE(%rsi)
        je 1f
        cmpq $HYPERCALL_IRET, REGS_RAX(%rsp)
        je 2f
        call hypercall_entry
        jmp return_to_guest
1:      call pv_guest_syscall
        jmp return_to_guest
2:      call hypercall_iret
        jmp return_to_guest

/* The same from 32-bit code: never a hypercall. */
        .globl entry_syscall_compat
        .balign 16
entry_syscall_compat:
        pushq %r11
        pushq $GUEST_CS32
        pushq %rcx
        movq $GUEST_SS, 32(%rsp)
        SAVE_SYSCALL
        call pv_guest_syscall32
        jmp return_to_guest

/* SYSENTER: the CPU tells neither rip nor rsp; the stack is struct tss.rsp0's. */
        .globl entry_sysenter
        .balign 16
entry_sysenter:
        pushq $GUEST_SS
        pushq $0
        pushfq
        pushq $RFLAGS_FIXED             /* SYSENTER leaves DF, NT and AC as they were */
        popfq
        pushq $GUEST_CS32
        pushq $0
        SAVE_SYSCALL
        call pv_guest_sysenter
        /* fall through */

/* rsp is the CPU's cpu_info, the guest's registers are in it. */
        .globl return_to_guest
        .balign 16
return_to_guest:
        cmpl $0, CPU_SOFTIRQ(%rsp)
        jne do_softirq
        movq CPU_CURRENT(%rsp), %rdi
        movq VCPU_INFO(%rdi), %rax
        movzwl (%rax), %eax             /* upcall_pending and upcall_mask */
        testb %al, %al
        jz 1f
        testb %ah, %ah
        jz deliver_events
1:      cmpl $0x100, REGS_VECTOR(%rsp)
        jne restore_by_iret
        /* SYSRET can do it if rip is canonical and no odd flag is to be set. */
        movq REGS_RIP(%rsp), %rcx
        movq %rcx, %rax
        shlq $16, %rax
        sarq $16, %rax
        cmpq %rax, %rcx
        jne restore_by_iret
        cmpw $GUEST_CS64, REGS_CS(%rsp)
        jne restore_by_iret
        movq REGS_RFLAGS(%rsp), %r11
        testl $(RFLAGS_TF | RFLAGS_RF), %r11d
        jnz restore_by_iret
        RESTORE_REGISTERS rcx=%rdx r11=%r10
        movq REGS_RSP - REGS_ERROR_CODE(%rsp), %rsp
        sysretq

do_softirq:
        call softirq_run
        movq CPU_CURRENT(%rsp), %rax
        cmpb $0, VCPU_IS_IDLE(%rax)
        je return_to_guest
idle:
        call idle_loop
        jmp return_to_guest

deliver_events:
        movq %rdi, %rsi
        movq %rsp, %rdi
        call pv_deliver_upcall
        cmpl $0, CPU_SOFTIRQ(%rsp)      /* the mask is set now; anything else to do? */
        jne do_softirq
        jmp 1b

restore_by_iret:
        RESTORE_REGISTERS
        addq $8, %rsp
        .globl iret_to_guest
iret_to_guest:
        iretq

/* Exceptions and interrupts: the stubs below pushed an error code and the vector. */
        .balign 16
entry_common:
        SAVE_REGISTERS
        cld
        movq %rsp, %rdi
        testb $3, REGS_CS(%rsp)
        jz 1f
        FORBID_GUEST_MEMORY
        call trap_from_guest
        jmp return_to_guest
1:      call trap_from_core
        RESTORE_REGISTERS
        addq $8, %rsp
        iretq

/*
 * NMI, machine check and #DB (a guest can make it hit the first instruction of an
 * entry) come on stacks of their own.  From a guest they go on as any other.
 */
        .balign 16
entry_own_stack:
        SAVE_REGISTERS
        cld
        movq %rsp, %rdi
        testb $3, REGS_CS(%rsp)
        jz 1b
        FORBID_GUEST_MEMORY
        call trap_to_main_stack
        movq %rax, %rsp
        movq %rax, %rdi
        call trap_from_guest_own_stack
        jmp return_to_guest

/* Leave the boot stack: the idle loop of this CPU begins on an empty stack. */
        .globl run_on_stack
run_on_stack:
        movq %rdi, %rsp
        xorl %ebp, %ebp
        call *%rsi
        ud2

/* With the CPU's cpu_info in rdi: abandon this stack and idle, or run what is loaded. */
        .globl cpu_idle, cpu_enter_guest
cpu_idle:
        movq %rdi, %rsp
        xorl %ebp, %ebp
        jmp idle
cpu_enter_guest:
        movq %rdi, %rsp
        jmp return_to_guest

/* 256 stubs of 16 bytes each. */
        .balign 16
        .globl entry_stubs
entry_stubs:
        .set vector, 0
        .rept 256
        .balign 16
        .if vector == VECTOR_DB || vector == VECTOR_NMI || vector == VECTOR_MC
        pushq $0
        movb $vector, 4(%rsp)
        jmp entry_own_stack
        .elseif vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21
        movb $vector, 4(%rsp)
        jmp entry_common
        .else
        pushq $0
        movb $vector, 4(%rsp)
        jmp entry_common
        .endif
        .set vector, vector + 1
        .endr

        .section .note.GNU-stack, "", @progbits
