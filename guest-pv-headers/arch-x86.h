/* SPDX-License-Identifier: MIT */
/*
 * The x86-64 side of the PV interface: registers, traps, selectors, the part of
 * the address space that is the core's, CPUID leaves.
 *
 * Included by xen.h.  Constants here can also be used from assembly.
 */
#ifndef GUEST_PV_HEADERS_ARCH_X86_H
#define GUEST_PV_HEADERS_ARCH_X86_H

#if !defined(__ASSEMBLY__) && !defined(__ASSEMBLER__)
#include <stdint.h>

typedef uint64_t xen_pfn_t;      /* a frame number; the field's name says machine or guest */
typedef uint64_t xen_ulong_t;    /* a register-sized word */
typedef uint64_t xen_callback_t; /* address of code in the guest's kernel */
#endif

#define XEN_LEGACY_MAX_VCPUS 32 /* vCPUs that have a vcpu_info in shared_info */

/*
 * Address space.  [HYPERVISOR_VIRT_START, HYPERVISOR_VIRT_END) is the core's in
 * every page table; its first part is the machine-to-physical table, one 8-byte
 * pfn for each machine frame, readable by the guest's kernel.
 */
#define __HYPERVISOR_VIRT_START 0xFFFF800000000000
#define __HYPERVISOR_VIRT_END   0xFFFF880000000000
#define __MACH2PHYS_VIRT_START  0xFFFF800000000000
#define __MACH2PHYS_VIRT_END    0xFFFF804000000000
#define HYPERVISOR_VIRT_START   __HYPERVISOR_VIRT_START
#define HYPERVISOR_VIRT_END     __HYPERVISOR_VIRT_END
#define MACH2PHYS_VIRT_START    __MACH2PHYS_VIRT_START
#define MACH2PHYS_VIRT_END      __MACH2PHYS_VIRT_END
#define MACH2PHYS_NR_ENTRIES    0x800000000

/*
 * Value of the PAT MSR while a guest runs, from entry 0: WB, WT, UC-, UC, WC,
 * WP, UC, UC.  Entries 0 to 3 are the CPU's defaults; a guest whose own order
 * differs has to translate the bits of its entries.
 */
#define XEN_MSR_PAT 0x0000050100070406

/*
 * Segments.  A guest's descriptor table has FIRST_RESERVED_GDT_ENTRY entries of
 * its own; the ones behind are the core's and hold the flat segments below,
 * which are there from the start.
 */
#define FIRST_RESERVED_GDT_PAGE  14
#define FIRST_RESERVED_GDT_BYTE  0xE000
#define FIRST_RESERVED_GDT_ENTRY 7168

#define FLAT_RING3_CS32 0xe023
#define FLAT_RING3_DS32 0xe02b
#define FLAT_RING3_SS32 0xe02b
#define FLAT_RING3_CS64 0xe033
#define FLAT_RING3_DS64 0x0000
#define FLAT_RING3_SS64 0xe02b

/* Kernel and user run in the same ring, so the same selectors serve both. */
#define FLAT_KERNEL_CS32 FLAT_RING3_CS32
#define FLAT_KERNEL_DS32 FLAT_RING3_DS32
#define FLAT_KERNEL_SS32 FLAT_RING3_SS32
#define FLAT_KERNEL_CS64 FLAT_RING3_CS64
#define FLAT_KERNEL_DS64 FLAT_RING3_DS64
#define FLAT_KERNEL_SS64 FLAT_RING3_SS64
#define FLAT_KERNEL_CS   FLAT_KERNEL_CS64
#define FLAT_KERNEL_DS   FLAT_KERNEL_DS64
#define FLAT_KERNEL_SS   FLAT_KERNEL_SS64
#define FLAT_USER_CS32   FLAT_RING3_CS32
#define FLAT_USER_DS32   FLAT_RING3_DS32
#define FLAT_USER_SS32   FLAT_RING3_SS32
#define FLAT_USER_CS64   FLAT_RING3_CS64
#define FLAT_USER_DS64   FLAT_RING3_DS64
#define FLAT_USER_SS64   FLAT_RING3_SS64
#define FLAT_USER_CS     FLAT_USER_CS64
#define FLAT_USER_DS     FLAT_USER_DS64
#define FLAT_USER_SS     FLAT_USER_SS64

/* set_segment_base(which, base) */
#define SEGBASE_FS          0
#define SEGBASE_GS_USER     1
#define SEGBASE_GS_KERNEL   2
#define SEGBASE_GS_USER_SEL 3 /* base[15:0] is a selector to load into the user's gs */

/*
 * vcpu_guest_context.flags: bit numbers and masks.
 * iret_context.flags: VGCF_in_syscall, "return with SYSRET, rcx and r11 are lost".
 */
#define _VGCF_i387_valid               0
#define _VGCF_in_kernel                2
#define _VGCF_failsafe_disables_events 3
#define _VGCF_syscall_disables_events  4
#define _VGCF_online                   5
#define _VGCF_in_syscall               8
#define VGCF_i387_valid                0x001 /* fpu_ctxt holds state */
#define VGCF_in_kernel                 0x004 /* starts in kernel mode */
#define VGCF_failsafe_disables_events  0x008 /* entering that callback masks upcalls */
#define VGCF_syscall_disables_events   0x010
#define VGCF_online                    0x020 /* up at once, without VCPUOP_up */
#define VGCF_in_syscall                0x100
#define VGCF_I387_VALID                VGCF_i387_valid
#define VGCF_IN_KERNEL                 VGCF_in_kernel
#define VGCF_IN_SYSCALL                VGCF_in_syscall

/*
 * CPUID.  Leaves from XEN_CPUID_FIRST_LEAF on describe the hypervisor:
 *
 *   +0  eax: last leaf; ebx, ecx, edx: signature
 *   +1  eax: version, major in 31:16, minor in 15:0
 *   +2  eax: hypercall pages; ebx: first MSR; ecx: XEN_CPUID_FEAT1_*
 *   +3  the guest's TSC.  0: eax bit 0 emulated, 1 reliable, 2 RDTSCP there;
 *       ebx: mode; ecx: kHz; edx: incarnation.  1: eax, ebx: offset; ecx, edx:
 *       multiplier and shift to ns.  2: eax: the machine's kHz
 *   +4  for hardware-assisted guests
 *   +5  0: eax: last sub-leaf; ebx 7:0: width of machine addresses
 */
#define XEN_CPUID_FIRST_LEAF                       0x40000000
#define XEN_CPUID_LEAF(i)                          (XEN_CPUID_FIRST_LEAF + (i))
#define XEN_CPUID_MAX_NUM_LEAVES                   5
#define XEN_CPUID_SIGNATURE_EBX                    0x566e6558 /* "XenV" */
#define XEN_CPUID_SIGNATURE_ECX                    0x65584d4d /* "MMXe" */
#define XEN_CPUID_SIGNATURE_EDX                    0x4d4d566e /* "nVMM" */
#define _XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD 0
#define XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD  0x1
#define XEN_CPUID_MACHINE_ADDRESS_WIDTH_MASK       0xff

/*
 * These bytes before an instruction (today: cpuid) make it trap, so that a
 * guest sees the hypervisor's answer where the CPU would give its own.
 */
#define XEN_EMULATE_PREFIX_BYTES 0x0f, 0x0b, 0x78, 0x65, 0x6e
#if defined(__ASSEMBLY__) || defined(__ASSEMBLER__)
/* clang-format off */
#define XEN_EMULATE_PREFIX .byte XEN_EMULATE_PREFIX_BYTES ;
#define XEN_CPUID          XEN_EMULATE_PREFIX cpuid
/* clang-format on */
#else
#define XEN_EMULATE_PREFIX ".byte 0x0f,0x0b,0x78,0x65,0x6e ; "
#define XEN_CPUID          XEN_EMULATE_PREFIX "cpuid"
#endif

#if !defined(__ASSEMBLY__) && !defined(__ASSEMBLER__)

/* What a guest puts into cr3 for a top-level frame, and back. */
#define xen_pfn_to_cr3(pfn) ((uint64_t)(pfn) << 12)
#define xen_cr3_to_pfn(cr3) ((uint64_t)(cr3) >> 12)

/*
 * set_trap_table(entries): an array ended by an entry with address 0, or null
 * to forget all handlers.  The low two bits of `flags` are the least privilege
 * from which `int n` may raise the vector (0 to 3); bit 2: entering masks upcalls.
 */
struct trap_info {
    uint8_t vector;
    uint8_t flags;
    uint16_t cs;
    uint32_t hole;
    uint64_t address;
};

#define TI_GET_DPL(ti)      ((ti)->flags & 3)
#define TI_GET_IF(ti)       ((ti)->flags & 4)
#define TI_SET_DPL(ti, dpl) ((ti)->flags = (uint8_t)((ti)->flags | ((dpl)&3)))
#define TI_SET_IF(ti, on)   ((ti)->flags = (uint8_t)((ti)->flags | ((on) ? 4 : 0)))

/*
 * A vCPU's registers, in the order in which the core pushes them.
 * saved_upcall_mask is evtchn_upcall_mask of the interrupted context and stands
 * in for the interrupt flag.  error_code and entry_vector are the core's.
 */
struct cpu_user_regs {
    uint64_t r15;
    uint64_t r14;
    uint64_t r13;
    uint64_t r12;
    uint64_t rbp;
    uint64_t rbx;
    uint64_t r11;
    uint64_t r10;
    uint64_t r9;
    uint64_t r8;
    uint64_t rax;
    uint64_t rcx;
    uint64_t rdx;
    uint64_t rsi;
    uint64_t rdi;
    uint32_t error_code;
    uint32_t entry_vector;
    uint64_t rip;
    uint16_t cs;
    uint16_t _pad0[1];
    uint8_t saved_upcall_mask;
    uint8_t _pad1[3];
    uint64_t rflags;
    uint64_t rsp;
    uint16_t ss;
    uint16_t _pad2[3];
    uint16_t es;
    uint16_t _pad3[3];
    uint16_t ds;
    uint16_t _pad4[3];
    uint16_t fs;
    uint16_t _pad5[3];
    uint16_t gs;
    uint16_t _pad6[3];
};

/*
 * All of a vCPU's state: VCPUOP_initialise takes it for a new vCPU, the domctls
 * {set,get}vcpucontext for one that does not run.
 */
struct vcpu_guest_context {
    struct {
        uint8_t x[512]; /* FXSAVE image */
    } fpu_ctxt;
    uint64_t flags; /* VGCF_* */
    struct cpu_user_regs user_regs;
    struct trap_info trap_ctxt[256]; /* indexed by vector; address 0: none */
    uint64_t ldt_base;               /* linear address, page-aligned */
    uint64_t ldt_ents;
    uint64_t gdt_frames[16]; /* mfns */
    uint64_t gdt_ents;
    uint64_t kernel_ss; /* stack on entry to kernel mode */
    uint64_t kernel_sp;
    uint64_t ctrlreg[8]; /* [1] is the user page table, [3] the kernel's, see xen_pfn_to_cr3 */
    uint64_t debugreg[8];
    uint64_t event_callback_eip;
    uint64_t failsafe_callback_eip;
    uint64_t syscall_callback_eip;
    uint64_t vm_assist; /* bit VMASST_TYPE_* */
    uint64_t fs_base;
    uint64_t gs_base_kernel;
    uint64_t gs_base_user;
};

/* The frame that hypercall iret finds at rsp; the fields up to `flags` are not the CPU's. */
struct iret_context {
    uint64_t rax;
    uint64_t r11;
    uint64_t rcx;
    uint64_t flags; /* VGCF_in_syscall or 0 */
    uint64_t rip;
    uint64_t cs; /* RPL 3: to user mode, else to kernel mode */
    uint64_t rflags;
    uint64_t rsp;
    uint64_t ss;
};

/* In vcpu_info.  cr2 is the address of the last page fault delivered. */
struct arch_vcpu_info {
    uint64_t cr2;
    uint64_t pad;
};

/*
 * In shared_info.  Except nmi_reason (nmi.h), all is written by the guest so
 * that tools can find its p2m when they save it.
 *
 * Two ways: pfn_to_mfn_frame_list_list is a frame of frames of frames that
 * hold the list; or, if p2m_cr3 is not 0, the list is contiguous at p2m_vaddr
 * in that page table, and p2m_generation is odd while its mapping changes.
 */
struct arch_shared_info {
    uint64_t max_pfn;                     /* entries in the p2m */
    xen_pfn_t pfn_to_mfn_frame_list_list; /* 0: not yet; all ones: cannot be used */
    uint64_t nmi_reason;
    uint64_t p2m_cr3;
    uint64_t p2m_vaddr;
    uint64_t p2m_generation;
};

/* One CPUID leaf as the control calls exchange it. */
#define XEN_CPUID_NO_SUBLEAF 0xffffffffu
struct xen_cpuid_leaf {
    uint32_t leaf;
    uint32_t subleaf; /* XEN_CPUID_NO_SUBLEAF if the leaf has none */
    uint32_t a;
    uint32_t b;
    uint32_t c;
    uint32_t d;
};

/* One MSR as the control calls exchange it. */
struct xen_msr_entry {
    uint32_t idx;
    uint32_t flags; /* 0 */
    uint64_t val;
};

#endif /* not assembly */

#endif
