/* SPDX-License-Identifier: MIT */
/*
 * The heart of the PV interface: hypercall numbers, basic types, page-table
 * updates, multicalls, and the two pages every guest is given at its start.
 *
 * A hypercall takes up to five arguments in rdi, rsi, rdx, r10, r8 and returns
 * in rax; a guest calls entry `number` of its hypercall page, 32 bytes each.
 * Constants here can also be used from assembly.
 */
#ifndef GUEST_PV_HEADERS_XEN_H
#define GUEST_PV_HEADERS_XEN_H

#if !defined(__ASSEMBLY__) && !defined(__ASSEMBLER__)
#include <stddef.h>
#include <stdint.h>

#include "guest-pv-headers/guest_ptr.h"

typedef uint16_t domid_t;
typedef uint8_t xen_domain_handle_t[16]; /* a domain's UUID, big-endian as printed */
#endif

#include "guest-pv-headers/arch-x86.h"

/*
 * Hypercall numbers.  `_compat` numbers are older forms of the same call and
 * take one structure that holds the sub-operation.
 */
#define __HYPERVISOR_set_trap_table                0
#define __HYPERVISOR_mmu_update                    1
#define __HYPERVISOR_set_gdt                       2
#define __HYPERVISOR_stack_switch                  3
#define __HYPERVISOR_set_callbacks                 4
#define __HYPERVISOR_fpu_taskswitch                5
#define __HYPERVISOR_sched_op_compat               6
#define __HYPERVISOR_platform_op                   7
#define __HYPERVISOR_set_debugreg                  8
#define __HYPERVISOR_get_debugreg                  9
#define __HYPERVISOR_update_descriptor             10
#define __HYPERVISOR_memory_op                     12
#define __HYPERVISOR_multicall                     13
#define __HYPERVISOR_update_va_mapping             14
#define __HYPERVISOR_set_timer_op                  15
#define __HYPERVISOR_event_channel_op_compat       16
#define __HYPERVISOR_xen_version                   17
#define __HYPERVISOR_console_io                    18
#define __HYPERVISOR_physdev_op_compat             19
#define __HYPERVISOR_grant_table_op                20
#define __HYPERVISOR_vm_assist                     21
#define __HYPERVISOR_update_va_mapping_otherdomain 22
#define __HYPERVISOR_iret                          23
#define __HYPERVISOR_vcpu_op                       24
#define __HYPERVISOR_set_segment_base              25
#define __HYPERVISOR_mmuext_op                     26
#define __HYPERVISOR_xsm_op                        27
#define __HYPERVISOR_nmi_op                        28
#define __HYPERVISOR_sched_op                      29
#define __HYPERVISOR_callback_op                   30
#define __HYPERVISOR_xenoprof_op                   31
#define __HYPERVISOR_event_channel_op              32
#define __HYPERVISOR_physdev_op                    33
#define __HYPERVISOR_hvm_op                        34
#define __HYPERVISOR_sysctl                        35
#define __HYPERVISOR_domctl                        36
#define __HYPERVISOR_kexec_op                      37
#define __HYPERVISOR_tmem_op                       38
#define __HYPERVISOR_argo_op                       39
#define __HYPERVISOR_xenpmu_op                     40
#define __HYPERVISOR_dm_op                         41
#define __HYPERVISOR_hypfs_op                      42

/* Set aside for the architecture; mca.h names the first. */
#define __HYPERVISOR_arch_0 48
#define __HYPERVISOR_arch_1 49
#define __HYPERVISOR_arch_2 50
#define __HYPERVISOR_arch_3 51
#define __HYPERVISOR_arch_4 52
#define __HYPERVISOR_arch_5 53
#define __HYPERVISOR_arch_6 54
#define __HYPERVISOR_arch_7 55

/*
 * Special domain ids.  Ordinary domains are numbered below DOMID_FIRST_RESERVED.
 */
#define DOMID_FIRST_RESERVED 0x7FF0
#define DOMID_SELF           0x7FF0 /* the caller */
#define DOMID_IO             0x7FF1 /* owner of device memory, when mapping it */
#define DOMID_XEN            0x7FF2 /* owner of the core's shareable frames, e.g. the M2P table */
#define DOMID_COW            0x7FF3 /* owner of shared-on-write frames; unused */
#define DOMID_INVALID        0x7FF4
#define DOMID_IDLE           0x7FFF
#define DOMID_MASK           0x7FFF

/*
 * Virtual interrupts, bound to ports with EVTCHNOP_bind_virq.  Those marked
 * "vCPU" exist once per vCPU and stay where they were bound; the others exist
 * once per domain, are bound on vCPU 0 and can be moved.
 */
#define VIRQ_TIMER      0  /* vCPU: a timer this vCPU set has expired */
#define VIRQ_DEBUG      1  /* vCPU: somebody asked for a state dump */
#define VIRQ_CONSOLE    2  /* dom0: input waits on the physical console */
#define VIRQ_DOM_EXC    3  /* control: some domain shut down, crashed or died */
#define VIRQ_TBUF       4  /* control: trace records wait */
#define VIRQ_DEBUGGER   6  /* control: a debugged domain stopped */
#define VIRQ_XENOPROF   7  /* vCPU: a profile sample */
#define VIRQ_CON_RING   8  /* control: the console log ring grew */
#define VIRQ_PCPU_STATE 9  /* dom0: a CPU came or went */
#define VIRQ_MEM_EVENT  10 /* control: memory event */
#define VIRQ_ARGO       11
#define VIRQ_ENOMEM     12 /* control: free memory runs low */
#define VIRQ_XENPMU     13 /* vCPU: performance counter overflow */
#define VIRQ_ARCH_0     16 /* machine check; see mca.h */
#define VIRQ_ARCH_1     17
#define VIRQ_ARCH_2     18
#define VIRQ_ARCH_3     19
#define VIRQ_ARCH_4     20
#define VIRQ_ARCH_5     21
#define VIRQ_ARCH_6     22
#define VIRQ_ARCH_7     23
#define NR_VIRQS        24

/*
 * mmu_update(requests, count, done, foreign): the low two bits of `ptr` say
 * what to do.  foreign[15:0] names the domain that owns the frames put into
 * page tables; foreign[31:16], if not 0, is one more than the domain that owns
 * the page tables.  A page-table frame is mapped nowhere writable.  `done`, if
 * not null, receives the number of requests carried out.
 */
#define MMU_NORMAL_PT_UPDATE       0 /* entry at machine address ptr = val, if val passes */
#define MMU_MACHPHYS_UPDATE        1 /* M2P of the frame holding ptr = val */
#define MMU_PT_UPDATE_PRESERVE_AD  2 /* as 0, keeping accessed and dirty that are set now */
#define MMU_PT_UPDATE_NO_TRANSLATE 3 /* as 0, val is never translated */

/*
 * mmuext_op(requests, count, done, foreign): everything about page tables that
 * is not one entry.  arg1/arg2 beside each command; -EINVAL for unknown ones.
 */
#define MMUEXT_PIN_L1_TABLE       0 /* mfn: validate as this level and keep it so */
#define MMUEXT_PIN_L2_TABLE       1
#define MMUEXT_PIN_L3_TABLE       2
#define MMUEXT_PIN_L4_TABLE       3
#define MMUEXT_UNPIN_TABLE        4  /* mfn */
#define MMUEXT_NEW_BASEPTR        5  /* mfn: this vCPU's kernel page table */
#define MMUEXT_TLB_FLUSH_LOCAL    6  /* this vCPU */
#define MMUEXT_INVLPG_LOCAL       7  /* linear_addr */
#define MMUEXT_TLB_FLUSH_MULTI    8  /* vcpumask */
#define MMUEXT_INVLPG_MULTI       9  /* linear_addr, vcpumask */
#define MMUEXT_TLB_FLUSH_ALL      10 /* all vCPUs of the domain */
#define MMUEXT_INVLPG_ALL         11 /* linear_addr */
#define MMUEXT_FLUSH_CACHE        12 /* write back and invalidate; domains with device access */
#define MMUEXT_SET_LDT            13 /* linear_addr (page-aligned), nr_ents */
#define MMUEXT_NEW_USER_BASEPTR   15 /* mfn: this vCPU's user page table; 0 for none */
#define MMUEXT_CLEAR_PAGE         16 /* mfn */
#define MMUEXT_COPY_PAGE          17 /* mfn (to), src_mfn */
#define MMUEXT_FLUSH_CACHE_GLOBAL 18 /* as 12 on all CPUs */
#define MMUEXT_MARK_SUPER         19 /* not offered: -EOPNOTSUPP */
#define MMUEXT_UNMARK_SUPER       20

/*
 * update_va_mapping(va, entry, flags): what to flush, or'ed with whose TLBs.
 * With UVMF_MULTI the rest of `flags` is the address of a vCPU bitmap.
 */
#define UVMF_NONE           0x0
#define UVMF_TLB_FLUSH      0x1
#define UVMF_INVLPG         0x2
#define UVMF_FLUSHTYPE_MASK 0x3
#define UVMF_MULTI          0x0
#define UVMF_LOCAL          0x0
#define UVMF_ALL            0x4

/* console_io(command, count, buffer): bytes to or from the physical console. */
#define CONSOLEIO_write 0 /* returns 0 */
#define CONSOLEIO_read  1 /* returns the number of bytes read; dom0 only */

/*
 * vm_assist(command, type): switch a convenience on or off for the domain.
 * Types 0, 1 and 3 are for 32-bit guests and refused here.
 */
#define VMASST_CMD_enable  0
#define VMASST_CMD_disable 1

#define VMASST_TYPE_4gb_segments         0
#define VMASST_TYPE_4gb_segments_notify  1
#define VMASST_TYPE_writable_pagetables  2 /* emulate writes to L1 tables */
#define VMASST_TYPE_pae_extended_cr3     3
#define VMASST_TYPE_architectural_iopl   4  /* IOPL lives in rflags of iret and bounce frames */
#define VMASST_TYPE_runstate_update_flag 5  /* see XEN_RUNSTATE_UPDATE */
#define VMASST_TYPE_m2p_strict           32 /* user page tables do not show the M2P table */

/* start_info.flags */
#define SIF_PRIVILEGED      0x1
#define SIF_INITDOMAIN      0x2  /* the control domain */
#define SIF_MULTIBOOT_MOD   0x4  /* mod_start is a xen_multiboot_mod_list */
#define SIF_MOD_START_PFN   0x8  /* mod_start is a pfn, not mapped; see XEN_ELFNOTE_MOD_START_PFN */
#define SIF_VIRT_P2M_4TOOLS 0x10 /* tools can read the p2m through p2m_cr3 and p2m_vaddr */
#define SIF_PM_MASK         0xFF00

#define MAX_GUEST_CMDLINE 1024 /* bytes, the final 0 included */

/* vcpu_time_info.flags */
#define XEN_PVCLOCK_TSC_STABLE_BIT 0x1 /* readings of all vCPUs are monotonic together */
#define XEN_PVCLOCK_GUEST_STOPPED  0x2

/* dom0_vga_console_info.video_type */
#define XEN_VGATYPE_TEXT_MODE_3 0x03
#define XEN_VGATYPE_VESA_LFB    0x23
#define XEN_VGATYPE_EFI_LFB     0x70

#if !defined(__ASSEMBLY__) && !defined(__ASSEMBLER__)

/* One request to mmu_update. */
struct mmu_update {
    uint64_t ptr; /* machine address of an entry; bits 1:0 are MMU_* */
    uint64_t val;
};

/* One request to mmuext_op. */
struct mmuext_op {
    uint32_t cmd; /* MMUEXT_* */
    uint32_t hole;
    union {
        xen_pfn_t mfn;
        uint64_t linear_addr;
    } arg1;
    union {
        uint32_t nr_ents;
        const void __guest *vcpumask; /* one bit a vCPU, as long as the domain has vCPUs */
        xen_pfn_t src_mfn;
    } arg2;
};

/*
 * multicall(entries, count) runs each entry as one hypercall, in order, and
 * stores its result.  An entry that fails does not stop those behind it.
 */
struct multicall_entry {
    xen_ulong_t op; /* __HYPERVISOR_* */
    xen_ulong_t result;
    xen_ulong_t args[6];
};

/*
 * A vCPU's clock, written by the core only.  `version` is odd during an update:
 * read it, read the rest, read it again, repeat if it was odd or differs.
 *
 *   ns since boot = system_time +
 *                   (((tsc - tsc_timestamp) shifted by tsc_shift) * tsc_to_system_mul) >> 32
 *
 * where a positive tsc_shift shifts left and a negative one right.
 */
struct vcpu_time_info {
    uint32_t version;
    uint32_t pad0;
    uint64_t tsc_timestamp;
    uint64_t system_time; /* ns */
    uint32_t tsc_to_system_mul;
    int8_t tsc_shift;
    uint8_t flags; /* XEN_PVCLOCK_* */
    uint8_t pad1[2];
};

/*
 * What core and guest share for one vCPU.  It lies in shared_info for the first
 * XEN_LEGACY_MAX_VCPUS and anywhere in guest memory after
 * VCPUOP_register_vcpu_info.
 *
 * The core sets evtchn_upcall_pending when a port goes pending; the guest
 * clears it before it looks for work.  While evtchn_upcall_mask is not 0 the
 * guest gets no upcall; delivery sets it, iret restores it, blocking clears it.
 */
struct vcpu_info {
    uint8_t evtchn_upcall_pending;
    uint8_t evtchn_upcall_mask;
    uint8_t hole[6];
    xen_ulong_t evtchn_pending_sel; /* bit n: look at evtchn_pending[n] */
    struct arch_vcpu_info arch;
    struct vcpu_time_info time;
};

/*
 * The page a domain shares with the core.  Port p is bit p % 64 of word p / 64:
 * pending is set by the core and cleared by the guest, mask is the guest's
 * alone.  Both arrays are for the 2-level scheme; FIFO guests do not use them.
 *
 * Wall clock at system time 0: seconds (wc_sec_hi:wc_sec) and ns since 1970,
 * consistent when wc_version is even and unchanged.
 */
struct shared_info {
    struct vcpu_info vcpu_info[XEN_LEGACY_MAX_VCPUS];
    xen_ulong_t evtchn_pending[64];
    xen_ulong_t evtchn_mask[64];
    uint32_t wc_version;
    uint32_t wc_sec;
    uint32_t wc_nsec;
    uint32_t wc_sec_hi;
    struct arch_shared_info arch;
};

/*
 * What a domain is told at its start; rsi holds its virtual address.
 *
 * The start of memory is mapped in order, page by page: kernel image, module
 * (unless SIF_MOD_START_PFN), p2m list (unless XEN_ELFNOTE_INIT_P2M), this page,
 * for an unprivileged domain the store and console rings, the first page
 * tables (read-only), a stack page; at least 512 KiB more are mapped behind and
 * the end is aligned to 4 MiB.  Fields from pt_base on are not
 * valid after a resume.
 */
struct start_info {
    char magic[32];       /* "xen-3.0-x86_64" */
    uint64_t nr_pages;    /* memory of the domain */
    uint64_t shared_info; /* machine address */
    uint32_t flags;       /* SIF_* */
    uint32_t hole0;
    xen_pfn_t store_mfn; /* ring to the store (io/xs_wire.h) */
    uint32_t store_evtchn;
    uint32_t hole1;
    union {
        struct {
            xen_pfn_t mfn; /* io/console.h */
            uint32_t evtchn;
            uint32_t hole;
        } domU;
        struct {
            uint32_t info_off; /* of a dom0_vga_console_info, from start_info */
            uint32_t info_size;
        } dom0;
    } console;
    uint64_t pt_base;      /* virtual address of the L4 table */
    uint64_t nr_pt_frames; /* page-table frames from there on */
    uint64_t mfn_list;     /* virtual address of the p2m list, one mfn a pfn */
    uint64_t mod_start;    /* virtual address or pfn; 0 with mod_len 0: none */
    uint64_t mod_len;      /* bytes */
    int8_t cmd_line[MAX_GUEST_CMDLINE];
    uint64_t first_p2m_pfn; /* frames of the p2m list if it was relocated */
    uint64_t nr_p2m_frames;
};

/*
 * Modules packed into one: an array at its start, ended by mod_start 0.
 * Addresses count from the start of the array.
 */
struct xen_multiboot_mod_list {
    uint32_t mod_start;
    uint32_t mod_end; /* last byte */
    uint32_t cmdline; /* zero-terminated */
    uint32_t pad;
};

/*
 * The screen as the firmware or boot loader left it, behind dom0's start_info.
 * A shorter info_size means that the later fields are not there.
 */
struct dom0_vga_console_info {
    uint8_t video_type; /* XEN_VGATYPE_* */
    uint8_t hole[3];
    union {
        struct {
            uint16_t font_height; /* pixels */
            uint16_t cursor_x;
            uint16_t cursor_y;
            uint16_t rows;
            uint16_t columns;
        } text_mode_3;
        struct {
            uint16_t width; /* pixels */
            uint16_t height;
            uint16_t bytes_per_line;
            uint16_t bits_per_pixel;
            uint32_t lfb_base; /* physical address, low half */
            uint32_t lfb_size; /* units of 64 KiB */
            uint8_t red_pos;
            uint8_t red_size;
            uint8_t green_pos;
            uint8_t green_size;
            uint8_t blue_pos;
            uint8_t blue_size;
            uint8_t rsvd_pos;
            uint8_t rsvd_size;
            uint32_t gbl_caps; /* VBE capabilities and mode attributes */
            uint16_t mode_attrs;
            uint16_t pad;
            uint32_t ext_lfb_base; /* physical address, high half */
        } vesa_lfb;
    } u;
};

/* A bitmap of CPUs or nodes in a control call: bit n is bit n % 8 of byte n / 8. */
struct xenctl_bitmap {
    uint8_t __guest *bitmap;
    uint32_t nr_bits;
    uint32_t hole;
};

#endif /* not assembly */

#endif
