/* SPDX-License-Identifier: MIT */
/*
 * From the boot loader, and from a start-up IPI, to C.
 *
 * Both loaders enter in 32-bit protected mode without paging, with a magic in
 * eax and the address of their information in ebx.  The first tables map the
 * first 4 GiB three times: as they are, as the direct map, and as the core.
 */
#include "hypervisor/x86/address_space.h"
#include "hypervisor/x86/asm_offsets.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/pte.h"

#define PHYSICAL(symbol) (symbol - CORE_IMAGE)

#define MULTIBOOT1_MAGIC 0x1badb002
#define MULTIBOOT1_FLAGS 0x00010003 /* page aligned modules, memory map, addresses below */
#define MULTIBOOT2_MAGIC 0xe85250d6

#define BOOT_CODE32 0x08
#define BOOT_DATA   0x10
#define BOOT_CODE64 0x18

#define COM1_DATA   0x3f8
#define COM1_STATUS 0x3fd
#define COM_EMPTY   0x20

        .section .multiboot, "ax"
        .balign 8
multiboot1_header:
        .long MULTIBOOT1_MAGIC
        .long MULTIBOOT1_FLAGS
        .long -(MULTIBOOT1_MAGIC + MULTIBOOT1_FLAGS)
        .long PHYSICAL(multiboot1_header)
        .long PHYSICAL(_start_of_core)
        .long PHYSICAL(_end_of_file)
        .long PHYSICAL(_end_of_core)
        .long PHYSICAL(start)

        .balign 8
multiboot2_header:
        .long MULTIBOOT2_MAGIC
        .long 0
        .long multiboot2_end - multiboot2_header
        .long -(MULTIBOOT2_MAGIC + (multiboot2_end - multiboot2_header))
        /* tag 3: the entry point */
        .balign 8
        .short 3, 0
        .long 12
        .long PHYSICAL(start)
        /* tag 6: page-aligned modules */
        .balign 8
        .short 6, 0
        .long 8
        .balign 8
        .short 0, 0
        .long 8
multiboot2_end:

        .section .text.boot, "ax"
        .code32
        .globl start
start:
        cli
        cld
        lgdt PHYSICAL(boot_gdt_pointer)
        ljmp $BOOT_CODE32, $PHYSICAL(1f)
1:      movl $BOOT_DATA, %ecx
        movl %ecx, %ds
        movl %ecx, %es
        movl %ecx, %ss
        movl $PHYSICAL(_boot_stack_end) - CPU_INFO_SIZE, %esp
        movl %eax, PHYSICAL(boot_magic)
        movl %ebx, PHYSICAL(boot_information)

        movl $0x80000000, %eax
        cpuid
        movl $PHYSICAL(text_no_long_mode), %esi
        cmpl $0x80000001, %eax
        jb refuse
        movl $0x80000001, %eax
        cpuid
        btl $29, %edx
        jnc refuse
        movl $PHYSICAL(text_no_nx), %esi
        btl $20, %edx
        jnc refuse
        movl $1, %eax
        cpuid
        movl $PHYSICAL(text_no_apic), %esi
        btl $9, %edx
        jnc refuse

        /* 2048 large pages in four tables, their addresses in the third level. */
        movl $PHYSICAL(boot_l2), %edi
        movl $(PTE_PRESENT | PTE_WRITABLE | PTE_LARGE), %eax
        movl $2048, %ecx
2:      movl %eax, (%edi)
        movl $0, 4(%edi)
        addl $8, %edi
        addl $0x200000, %eax
        loop 2b
        movl $PHYSICAL(boot_l3), %edi
        movl $(PHYSICAL(boot_l2) + PTE_PRESENT + PTE_WRITABLE), %eax
        movl $4, %ecx
3:      movl %eax, (%edi)
        addl $8, %edi
        addl $0x1000, %eax
        loop 3b
        movl $(PHYSICAL(boot_l3) + PTE_PRESENT + PTE_WRITABLE), %eax
        movl %eax, PHYSICAL(boot_l4)
        movl %eax, PHYSICAL(boot_l4) + 8 * 259
        movl %eax, PHYSICAL(boot_l4) + 8 * 262

        call enter_long_mode
        ljmp $BOOT_CODE64, $PHYSICAL(start64)

/* Paging on, in compatibility mode still. */
enter_long_mode:
        movl $(CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT), %eax
        movl %eax, %cr4
        movl $PHYSICAL(boot_l4), %eax
        movl %eax, %cr3
        movl $MSR_EFER, %ecx
        xorl %edx, %edx
        movl $(EFER_SCE | EFER_LME | EFER_NX), %eax
        wrmsr
        movl $(CR0_PG | CR0_WP | CR0_AM | CR0_NE | CR0_ET | CR0_MP | CR0_PE), %eax
        movl %eax, %cr0
        ret

/* Say the text at esi on the first serial port and stop. */
refuse:
        lodsb
        testb %al, %al
        jz 6f
        movb %al, %bl
4:      movw $COM1_STATUS, %dx
        inb %dx, %al
        testb $COM_EMPTY, %al
        jz 4b
        movb %bl, %al
        movw $COM1_DATA, %dx
        outb %al, %dx
        jmp refuse
6:      cli
        hlt
        jmp 6b

text_no_long_mode:
        .asciz "Paravane: this CPU has no 64-bit long mode; it cannot run here.\r\n"
text_no_nx:
        .asciz "Paravane: this CPU has no NX (no-execute); enable it in the firmware set-up.\r\n"
text_no_apic:
        .asciz "Paravane: this CPU has no local APIC; enable it in the firmware set-up.\r\n"

        .code64
start64:
        movabsq $1f, %rax
        jmp *%rax
1:      leaq _boot_stack_end - CPU_INFO_SIZE(%rip), %rsp
        xorl %eax, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %fs
        movl %eax, %gs
        movl boot_magic(%rip), %edi
        movl boot_information(%rip), %esi
        xorl %ebp, %ebp
        call boot_main
        ud2

/*
 * Where the other CPUs begin: copied to a page below 1 MiB.  16-bit code that
 * knows its own place from cs.
 */
        .globl trampoline, trampoline_end
        .balign 16
        .code16
trampoline:
        cli
        cld
        movw %cs, %ax
        movw %ax, %ds
        lgdtl trampoline_gdt_pointer - trampoline
        movl $(CR0_PE | CR0_ET), %eax
        movl %eax, %cr0
        ljmpl $BOOT_CODE32, $PHYSICAL(trampoline32)
        .balign 8
trampoline_gdt_pointer:
        .word boot_gdt_end - boot_gdt - 1
        .long PHYSICAL(boot_gdt)
trampoline_end:

        .code32
trampoline32:
        movl $BOOT_DATA, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        movl $PHYSICAL(_boot_stack_end) - CPU_INFO_SIZE, %esp
        call enter_long_mode
        ljmp $BOOT_CODE64, $PHYSICAL(ap_start64)
        .code64
ap_start64:
        movabsq $1f, %rax
        jmp *%rax
1:      xorl %eax, %eax
        movl %eax, %ds
        movl %eax, %es
        movl %eax, %ss
        movl %eax, %fs
        movl %eax, %gs
        /* From here on the core's real tables: the stack is mapped only there. */
        movq ap_cr3(%rip), %rax
        movq %rax, %cr3
        movq ap_stack(%rip), %rsp
        xorl %ebp, %ebp
        call smp_cpu_main
        ud2

        .section .rodata.boot, "a"
        .balign 8
boot_gdt:
        .quad 0
        .quad 0x00cf9a000000ffff
        .quad 0x00cf92000000ffff
        .quad 0x00af9a000000ffff
boot_gdt_end:
boot_gdt_pointer:
        .word boot_gdt_end - boot_gdt - 1
        .long PHYSICAL(boot_gdt)

        .data
        .balign 8
        .globl ap_cr3, ap_stack
ap_cr3: .quad 0
ap_stack: .quad 0
boot_magic: .long 0
boot_information: .long 0

        .bss
        .balign 4096
boot_l4: .skip 4096
boot_l3: .skip 4096
boot_l2: .skip 4 * 4096

        .section .note.GNU-stack, "", @progbits
