/* SPDX-License-Identifier: MIT */
/*
 * Numbers that head.S and C share.  The ABI's own ones are checked against guest-pv-headers in
 * start.c, because those headers are for C.
 */
#ifndef TESTS_GUESTS_LIB_LAYOUT_H
#define TESTS_GUESTS_LIB_LAYOUT_H

#define STACK_SIZE 16384
#define MAX_CPUS   8

#define HYPERCALL_STACK_SWITCH 3
#define HYPERCALL_IRET         23
#define KERNEL_SS              0xe02b

/* Entries that are not vectors, numbered after them. */
#define VECTOR_SYSCALL   256
#define VECTOR_SYSCALL32 257
#define VECTOR_SYSENTER  258
#define VECTOR_NMI       259
#define VECTOR_UPCALL    260
#define VECTOR_FAILSAFE  261

/* What user code puts in rax to come home. */
#define USER_EXIT 0x600d

#define NOTE_ENTRY              1
#define NOTE_HYPERCALL_PAGE     2
#define NOTE_VIRT_BASE          3
#define NOTE_PADDR_OFFSET       4
#define NOTE_XEN_VERSION        5
#define NOTE_GUEST_OS           6
#define NOTE_GUEST_VERSION      7
#define NOTE_LOADER             8
#define NOTE_PAE_MODE           9
#define NOTE_FEATURES           10
#define NOTE_SUPPORTED_FEATURES 17

#ifdef __ASSEMBLER__
/* One of them, in section .note.Xen. */
/* clang-format off */
.macro NOTE type, directive, value:vararg
    .balign 4
    .long 4, 2f - 1f, \type
    .asciz "Xen"
1:  \directive \value
2:  .balign 4
.endm
/* clang-format on */
#endif

#endif
