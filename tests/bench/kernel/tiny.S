/* SPDX-License-Identifier: MIT */
/* A guest that does nothing: what is measured is the toolstack that makes it. */
#include "tests/guests/lib/layout.h"

    .section .text.entry, "ax"
    .globl guest_entry
guest_entry:
    /* Not by block: that takes events, and there is no upcall. */
    movl $29, %eax /* sched_op */
    movl $3, %edi  /* poll */
    movq $poll, %rsi
    syscall
    jmp guest_entry

    .balign 8
poll:
    .quad 0, 0, 0 /* of no ports, for ever */

    .balign 4096
hypercall_page:
    .fill 4096, 1, 0xcc

    .section .note.Xen, "a", @note
    NOTE NOTE_GUEST_OS, .asciz, "paravane-tiny"
    NOTE NOTE_XEN_VERSION, .asciz, "xen-3.0"
    NOTE NOTE_VIRT_BASE, .quad, VIRT_BASE
    NOTE NOTE_PADDR_OFFSET, .quad, 0
    NOTE NOTE_ENTRY, .quad, guest_entry
    NOTE NOTE_HYPERCALL_PAGE, .quad, hypercall_page
    NOTE NOTE_PAE_MODE, .asciz, "yes"
    NOTE NOTE_LOADER, .asciz, "generic"
    .section .note.GNU-stack, "", @progbits
