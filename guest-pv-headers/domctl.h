/* SPDX-License-Identifier: MIT */
/*
 * domctl(struct xen_domctl): what the toolstack does to one domain.
 *
 * Callers: the control domain, from user space through privcmd.  The structure
 * is copied back on success where it holds results.  -EACCES for another
 * interface version, -EPERM for other callers, -ESRCH for no such domain,
 * -EOPNOTSUPP for operations of hardware-assisted guests, whose layouts are
 * not described here.
 */
#ifndef GUEST_PV_HEADERS_DOMCTL_H
#define GUEST_PV_HEADERS_DOMCTL_H

#include "guest-pv-headers/event_channel.h"
#include "guest-pv-headers/grant_table.h"
#include "guest-pv-headers/memory.h"
#include "guest-pv-headers/xen.h"

#define XEN_DOMCTL_INTERFACE_VERSION 0x00000015

/* Life of a domain. */
#define XEN_DOMCTL_createdomain     1  /* createdomain; made paused, without vCPUs or memory */
#define XEN_DOMCTL_destroydomain    2  /* may be interrupted many times; done when it returns 0 */
#define XEN_DOMCTL_pausedomain      3  /* counts */
#define XEN_DOMCTL_unpausedomain    4  /* counts down; -EINVAL if not paused */
#define XEN_DOMCTL_getdomaininfo    5  /* getdomaininfo; also finds the next domain from an id on */
#define XEN_DOMCTL_resumedomain     27 /* undoes a shutdown */
#define XEN_DOMCTL_soft_reset       79
#define XEN_DOMCTL_setdomainhandle  17 /* setdomainhandle */
#define XEN_DOMCTL_setdebugging     18 /* setdebugging */
#define XEN_DOMCTL_subscribe        29 /* subscribe */
#define XEN_DOMCTL_set_virq_handler 66 /* set_virq_handler */
#define XEN_DOMCTL_set_target       46 /* set_target */
#define XEN_DOMCTL_hypercall_init   22 /* hypercall_init */

/* Memory. */
#define XEN_DOMCTL_max_mem                 11 /* max_mem */
#define XEN_DOMCTL_getpageframeinfo3       61 /* getpageframeinfo3 */
#define XEN_DOMCTL_shadow_op               10 /* shadow_op */
#define XEN_DOMCTL_set_address_size        35 /* address_size */
#define XEN_DOMCTL_get_address_size        36 /* address_size */
#define XEN_DOMCTL_setvnumainfo            74 /* vnuma */
#define XEN_DOMCTL_setnodeaffinity         68 /* nodeaffinity */
#define XEN_DOMCTL_getnodeaffinity         69 /* nodeaffinity */
#define XEN_DOMCTL_cacheflush              71 /* not on x86 */
#define XEN_DOMCTL_get_paging_mempool_size 85 /* hardware-assisted guests */
#define XEN_DOMCTL_set_paging_mempool_size 86 /* hardware-assisted guests */

/* vCPUs. */
#define XEN_DOMCTL_max_vcpus           15 /* max_vcpus; before anything else about vCPUs */
#define XEN_DOMCTL_setvcpucontext      12 /* vcpucontext; null ctxt resets the vCPU */
#define XEN_DOMCTL_getvcpucontext      13 /* vcpucontext */
#define XEN_DOMCTL_getvcpuinfo         14 /* getvcpuinfo */
#define XEN_DOMCTL_setvcpuaffinity     9  /* vcpuaffinity */
#define XEN_DOMCTL_getvcpuaffinity     25 /* vcpuaffinity */
#define XEN_DOMCTL_set_ext_vcpucontext 42 /* ext_vcpucontext */
#define XEN_DOMCTL_get_ext_vcpucontext 43 /* ext_vcpucontext */
#define XEN_DOMCTL_setvcpuextstate     62 /* vcpuextstate */
#define XEN_DOMCTL_getvcpuextstate     63 /* vcpuextstate */
#define XEN_DOMCTL_get_vcpu_msrs       72 /* vcpu_msrs */
#define XEN_DOMCTL_set_vcpu_msrs       73 /* vcpu_msrs */
#define XEN_DOMCTL_get_cpu_policy      82 /* cpu_policy */
#define XEN_DOMCTL_set_cpu_policy      83 /* cpu_policy */
#define XEN_DOMCTL_scheduler_op        16 /* scheduler_op */
#define XEN_DOMCTL_sendtrigger         28 /* sendtrigger */
#define XEN_DOMCTL_settimeoffset       24 /* settimeoffset */
#define XEN_DOMCTL_gettscinfo          59 /* tsc_info */
#define XEN_DOMCTL_settscinfo          60 /* tsc_info */

/* Devices. */
#define XEN_DOMCTL_irq_permission     19 /* irq_permission */
#define XEN_DOMCTL_iomem_permission   20 /* iomem_permission */
#define XEN_DOMCTL_ioport_permission  21 /* ioport_permission */
#define XEN_DOMCTL_assign_device      37 /* assign_device; needs an IOMMU */
#define XEN_DOMCTL_test_assign_device 45 /* assign_device */
#define XEN_DOMCTL_deassign_device    47 /* assign_device */
#define XEN_DOMCTL_get_device_group   50 /* get_device_group */

/* Debuggers, monitors and hardware features: numbers only. */
#define XEN_DOMCTL_real_mode_area        26
#define XEN_DOMCTL_gethvmcontext         33
#define XEN_DOMCTL_sethvmcontext         34
#define XEN_DOMCTL_bind_pt_irq           38
#define XEN_DOMCTL_memory_mapping        39
#define XEN_DOMCTL_ioport_mapping        40
#define XEN_DOMCTL_set_opt_feature       44
#define XEN_DOMCTL_unbind_pt_irq         48
#define XEN_DOMCTL_debug_op              54
#define XEN_DOMCTL_gethvmcontext_partial 55
#define XEN_DOMCTL_vm_event_op           56
#define XEN_DOMCTL_mem_sharing_op        57
#define XEN_DOMCTL_set_access_required   64
#define XEN_DOMCTL_audit_p2m             65
#define XEN_DOMCTL_set_broken_page_p2m   67
#define XEN_DOMCTL_psr_cmt_op            75
#define XEN_DOMCTL_monitor_op            77
#define XEN_DOMCTL_psr_alloc             78
#define XEN_DOMCTL_vuart_op              81
#define XEN_DOMCTL_vmtrace_op            84
#define XEN_DOMCTL_gdbsx_guestmemio      1000
#define XEN_DOMCTL_gdbsx_pausevcpu       1001
#define XEN_DOMCTL_gdbsx_unpausevcpu     1002
#define XEN_DOMCTL_gdbsx_domstatus       1003

/*
 * Creating and looking at domains.
 */

/* x86 options of a domain.  Emulated devices are hardware-assisted guests' except the PIT. */
struct xen_arch_domainconfig {
    uint32_t emulation_flags; /* XEN_X86_EMU_* */
    uint32_t misc_flags;      /* XEN_X86_MSR_RELAXED */
};
#define _XEN_X86_EMU_LAPIC     0
#define _XEN_X86_EMU_HPET      1
#define _XEN_X86_EMU_PM        2
#define _XEN_X86_EMU_RTC       3
#define _XEN_X86_EMU_IOAPIC    4
#define _XEN_X86_EMU_PIC       5
#define _XEN_X86_EMU_VGA       6
#define _XEN_X86_EMU_IOMMU     7
#define _XEN_X86_EMU_PIT       8
#define _XEN_X86_EMU_USE_PIRQ  9
#define _XEN_X86_EMU_VPCI      10
#define XEN_X86_EMU_LAPIC      0x001u
#define XEN_X86_EMU_HPET       0x002u
#define XEN_X86_EMU_PM         0x004u
#define XEN_X86_EMU_RTC        0x008u
#define XEN_X86_EMU_IOAPIC     0x010u
#define XEN_X86_EMU_PIC        0x020u
#define XEN_X86_EMU_VGA        0x040u
#define XEN_X86_EMU_IOMMU      0x080u
#define XEN_X86_EMU_PIT        0x100u
#define XEN_X86_EMU_USE_PIRQ   0x200u
#define XEN_X86_EMU_VPCI       0x400u
#define XEN_X86_EMU_ALL        0x7ffu
#define XEN_X86_MSR_RELAXED    0x001u /* unknown MSRs read as 0, writes are ignored */
#define XEN_X86_MISC_FLAGS_MAX XEN_X86_MSR_RELAXED

/*
 * xen_domctl.domain: the id wanted, or 0 for any; out: the id it got.
 * Limits of -1 mean the hypervisor's default.
 */
struct xen_domctl_createdomain {
    uint32_t ssidref;           /* security label */
    xen_domain_handle_t handle; /* UUID; need not be unique */
    uint32_t flags;             /* XEN_DOMCTL_CDF_* */
    uint32_t iommu_opts;        /* XEN_DOMCTL_IOMMU_* */
    uint32_t max_vcpus;
    uint32_t max_evtchn_port; /* the highest port it may have */
    int32_t max_grant_frames;
    int32_t max_maptrack_frames;
    uint32_t grant_opts; /* highest grant-table version */
    uint32_t vmtrace_size;
    uint32_t cpupool_id;
    struct xen_arch_domainconfig arch;
};
#define _XEN_DOMCTL_CDF_hvm          0
#define _XEN_DOMCTL_CDF_hap          1
#define _XEN_DOMCTL_CDF_s3_integrity 2
#define _XEN_DOMCTL_CDF_oos_off      3
#define _XEN_DOMCTL_CDF_xs_domain    4
#define _XEN_DOMCTL_CDF_iommu        5
#define _XEN_DOMCTL_CDF_nested_virt  6
#define XEN_DOMCTL_CDF_hvm           0x01u /* hardware-assisted: -EOPNOTSUPP or -EINVAL here */
#define XEN_DOMCTL_CDF_hap           0x02u
#define XEN_DOMCTL_CDF_s3_integrity  0x04u
#define XEN_DOMCTL_CDF_oos_off       0x08u /* no out-of-sync shadows */
#define XEN_DOMCTL_CDF_xs_domain     0x10u /* runs the store */
#define XEN_DOMCTL_CDF_iommu         0x20u /* may be given devices */
#define XEN_DOMCTL_CDF_nested_virt   0x40u
#define XEN_DOMCTL_CDF_vpmu          0x80u
#define XEN_DOMCTL_CDF_MAX           XEN_DOMCTL_CDF_vpmu

#define _XEN_DOMCTL_IOMMU_no_sharept 0
#define XEN_DOMCTL_IOMMU_no_sharept  0x1u
#define XEN_DOMCTL_IOMMU_MAX         XEN_DOMCTL_IOMMU_no_sharept

#define XEN_DOMCTL_GRANT_version_mask 0xf
#define XEN_DOMCTL_GRANT_version(v)   ((v)&XEN_DOMCTL_GRANT_version_mask)

/* All of it is output.  Pages of 4 KiB. */
struct xen_domctl_getdomaininfo {
    domid_t domain; /* this one, or the next that exists */
    uint16_t pad1;
    uint32_t flags; /* XEN_DOMINF_* */
    uint64_t tot_pages;
    uint64_t max_pages;
    uint64_t outstanding_pages; /* claimed, not yet allocated */
    uint64_t shr_pages;
    uint64_t paged_pages;
    uint64_t shared_info_frame; /* gmfn */
    uint64_t cpu_time;          /* ns, of all vCPUs */
    uint32_t nr_online_vcpus;
    uint32_t max_vcpu_id;
    uint32_t ssidref;
    xen_domain_handle_t handle;
    uint32_t cpupool;
    uint8_t gpaddr_bits; /* width of guest-physical addresses */
    uint8_t pad2[7];
    struct xen_arch_domainconfig arch_config;
};
#define XEN_INVALID_MAX_VCPU_ID (~0U) /* no vCPUs */

#define _XEN_DOMINF_dying        0
#define _XEN_DOMINF_hvm_guest    1
#define _XEN_DOMINF_shutdown     2
#define _XEN_DOMINF_paused       3
#define _XEN_DOMINF_blocked      4
#define _XEN_DOMINF_running      5
#define _XEN_DOMINF_debugged     6
#define _XEN_DOMINF_xs_domain    7
#define _XEN_DOMINF_hap          8
#define XEN_DOMINF_dying         0x001u /* being destroyed */
#define XEN_DOMINF_hvm_guest     0x002u
#define XEN_DOMINF_shutdown      0x004u /* stopped; SHUTDOWN_* is in the bits below */
#define XEN_DOMINF_paused        0x008u /* by the toolstack */
#define XEN_DOMINF_blocked       0x010u /* no vCPU wants to run */
#define XEN_DOMINF_running       0x020u /* at least one vCPU is on a CPU now */
#define XEN_DOMINF_debugged      0x040u
#define XEN_DOMINF_xs_domain     0x080u
#define XEN_DOMINF_hap           0x100u
#define XEN_DOMINF_shutdownmask  255
#define XEN_DOMINF_shutdownshift 16

struct xen_domctl_setdomainhandle {
    xen_domain_handle_t handle;
};

struct xen_domctl_setdebugging {
    uint8_t enable;
};

/* A port of the caller that is raised when the domain stops for a debugger. */
struct xen_domctl_subscribe {
    uint32_t port;
};

/* The domain becomes the receiver of a virtual interrupt that dom0 has otherwise. */
struct xen_domctl_set_virq_handler {
    uint32_t virq; /* VIRQ_* */
};

/* The domain may control `target`. */
struct xen_domctl_set_target {
    domid_t target;
};

/* Writes a hypercall page into a frame of the domain. */
struct xen_domctl_hypercall_init {
    uint64_t gmfn;
};

/*
 * Memory.
 */

struct xen_domctl_max_mem {
    uint64_t max_memkb;
};

/*
 * What frames are used for.  Each element is a frame number on entry and on
 * return a type in its upper bits: page-table level, whether it is pinned, or
 * that there is no such frame.
 */
struct xen_domctl_getpageframeinfo3 {
    uint64_t num; /* at most 1024 */
    xen_pfn_t __guest *array;
};
#define XEN_DOMCTL_PFINFO_LTAB_SHIFT    28
#define XEN_DOMCTL_PFINFO_NOTAB         0x00000000u
#define XEN_DOMCTL_PFINFO_L1TAB         0x10000000u
#define XEN_DOMCTL_PFINFO_L2TAB         0x20000000u
#define XEN_DOMCTL_PFINFO_L3TAB         0x30000000u
#define XEN_DOMCTL_PFINFO_L4TAB         0x40000000u
#define XEN_DOMCTL_PFINFO_LTABTYPE_MASK 0x70000000u
#define XEN_DOMCTL_PFINFO_LPINTAB       0x80000000u /* pinned */
#define XEN_DOMCTL_PFINFO_BROKEN        0xd0000000u
#define XEN_DOMCTL_PFINFO_XALLOC        0xe0000000u /* allocate it, there is no content */
#define XEN_DOMCTL_PFINFO_XTAB          0xf0000000u /* no such frame */
#define XEN_DOMCTL_PFINFO_LTAB_MASK     0xf0000000u

/* Which pages a running guest has written to, for live migration. */
struct xen_domctl_shadow_op_stats {
    uint32_t fault_count;
    uint32_t dirty_count;
};

struct xen_domctl_shadow_op {
    uint32_t op;   /* XEN_DOMCTL_SHADOW_OP_* */
    uint32_t mode; /* XEN_DOMCTL_SHADOW_ENABLE_* or XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL */
    uint32_t mb;   /* memory for it, MiB */
    uint32_t hole;
    uint8_t __guest *dirty_bitmap; /* one bit a pfn */
    uint64_t pages;                /* in: room, out: bits written */
    struct xen_domctl_shadow_op_stats stats;
};
#define XEN_DOMCTL_SHADOW_OP_OFF             0
#define XEN_DOMCTL_SHADOW_OP_ENABLE_TEST     1
#define XEN_DOMCTL_SHADOW_OP_ENABLE_LOGDIRTY 2
#define XEN_DOMCTL_SHADOW_OP_CLEAN           11 /* read and clear */
#define XEN_DOMCTL_SHADOW_OP_PEEK            12 /* read */
#define XEN_DOMCTL_SHADOW_OP_GET_ALLOCATION  30
#define XEN_DOMCTL_SHADOW_OP_SET_ALLOCATION  31
#define XEN_DOMCTL_SHADOW_OP_ENABLE          32
#define XEN_DOMCTL_SHADOW_ENABLE_REFCOUNT    0x02
#define XEN_DOMCTL_SHADOW_ENABLE_LOG_DIRTY   0x04
#define XEN_DOMCTL_SHADOW_ENABLE_TRANSLATE   0x08
#define XEN_DOMCTL_SHADOW_ENABLE_EXTERNAL    0x10
#define XEN_DOMCTL_SHADOW_LOGDIRTY_FINAL     0x01

struct xen_domctl_address_size {
    uint32_t size; /* bits: 64 for all guests here */
};

struct xen_domctl_nodeaffinity {
    struct xenctl_bitmap nodemap;
};

/* Layout of the guest's virtual nodes; see xen_vnuma_topology_info. */
struct xen_domctl_vnuma {
    uint32_t nr_vnodes;
    uint32_t nr_vmemranges;
    uint32_t nr_vcpus;
    uint32_t pad;
    uint32_t __guest *vdistance;
    uint32_t __guest *vcpu_to_vnode;
    uint32_t __guest *vnode_to_pnode;
    struct xen_vmemrange __guest *vmemrange;
};

/*
 * vCPUs.
 */

struct xen_domctl_max_vcpus {
    uint32_t max; /* as many as createdomain said */
};

struct xen_domctl_vcpucontext {
    uint32_t vcpu;
    uint32_t hole;
    struct vcpu_guest_context __guest *ctxt;
};

struct xen_domctl_getvcpuinfo {
    uint32_t vcpu;
    uint8_t online; /* out, as are all below; is it up? */
    uint8_t blocked;
    uint8_t running;
    uint8_t hole0;
    uint64_t cpu_time; /* ns */
    uint32_t cpu;      /* where it runs or ran last */
    uint32_t hole1;
};

/*
 * Hard: the CPUs it may run on; soft: those it should.  Setting returns what is
 * in force in the maps given.
 */
struct xen_domctl_vcpuaffinity {
    uint32_t vcpu;
    uint32_t flags; /* XEN_VCPUAFFINITY_* */
    struct xenctl_bitmap cpumap_hard;
    struct xenctl_bitmap cpumap_soft;
};
#define _XEN_VCPUAFFINITY_HARD  0
#define _XEN_VCPUAFFINITY_SOFT  1
#define _XEN_VCPUAFFINITY_FORCE 2
#define XEN_VCPUAFFINITY_HARD   0x1u
#define XEN_VCPUAFFINITY_SOFT   0x2u
#define XEN_VCPUAFFINITY_FORCE  0x4u /* also undo a SCHEDOP_pin_override */

/* Machine-check state that goes with a vCPU. */
struct hvm_vmce_vcpu {
    uint64_t caps;
    uint64_t mci_ctl2_bank0;
    uint64_t mci_ctl2_bank1;
    uint64_t mcg_ext_ctl;
};

/* Callbacks for 32-bit user code, and machine-check state. */
struct xen_domctl_ext_vcpucontext {
    uint32_t vcpu;
    uint32_t size; /* bytes of this structure that are meant; out for get */
    uint64_t syscall32_callback_eip;
    uint64_t sysenter_callback_eip;
    uint16_t syscall32_callback_cs;
    uint16_t sysenter_callback_cs;
    uint8_t syscall32_disables_events;
    uint8_t sysenter_disables_events;
    uint16_t hole;
    union {
        uint64_t mcg_cap;
        struct hvm_vmce_vcpu vmce;
    };
};

/* XSAVE area, preceded by xcr0 and xcr0_accum (8 bytes each).  A null buffer asks for the size. */
struct xen_domctl_vcpuextstate {
    uint32_t vcpu;
    uint32_t hole;
    uint64_t xfeature_mask;
    uint64_t size; /* bytes */
    uint64_t __guest *buffer;
};

struct xen_domctl_vcpu_msr {
    uint32_t index;
    uint32_t reserved;
    uint64_t value;
};

/* MSRs a guest may have changed.  A null list asks for the number; -ENOBUFS if it has less room. */
struct xen_domctl_vcpu_msrs {
    uint32_t vcpu;
    uint32_t msr_count;
    struct xen_domctl_vcpu_msr __guest *msrs;
};

/*
 * What CPUID and MSRs tell the domain.  Setting fails as a whole and says which
 * leaf or MSR it did not like; -1 where none is to blame.
 */
struct xen_domctl_cpu_policy {
    uint32_t nr_leaves; /* in: room or number, out: number */
    uint32_t nr_msrs;
    struct xen_cpuid_leaf __guest *leaves;
    struct xen_msr_entry __guest *msrs;
    uint32_t err_leaf;
    uint32_t err_subleaf;
    uint32_t err_msr;
    uint32_t hole;
};
#define XEN_CPUID_INPUT_UNUSED 0xFFFFFFFFu

/* A wake-up call for a vCPU. */
struct xen_domctl_sendtrigger {
    uint32_t trigger; /* XEN_DOMCTL_SENDTRIGGER_*: PV guests know NMI */
    uint32_t vcpu;
};
#define XEN_DOMCTL_SENDTRIGGER_NMI   0
#define XEN_DOMCTL_SENDTRIGGER_RESET 1
#define XEN_DOMCTL_SENDTRIGGER_INIT  2
#define XEN_DOMCTL_SENDTRIGGER_POWER 3
#define XEN_DOMCTL_SENDTRIGGER_SLEEP 4

/* Added to the wall clock the domain sees. */
struct xen_domctl_settimeoffset {
    int64_t time_offset_seconds;
};

struct xen_domctl_tsc_info {
    uint32_t tsc_mode; /* 0: native if it can be, 1: emulated, 2: native, 3: native with TSC_AUX */
    uint32_t gtsc_khz; /* what the guest believes; 0 with mode 0: the machine's */
    uint32_t incarnation; /* times it was moved */
    uint32_t pad;
    uint64_t elapsed_nsec; /* the guest's age when it is put in place */
};

/*
 * Scheduling.
 */

/* Schedulers by number. */
#define XEN_SCHEDULER_CREDIT   5
#define XEN_SCHEDULER_CREDIT2  6
#define XEN_SCHEDULER_ARINC653 7
#define XEN_SCHEDULER_RTDS     8
#define XEN_SCHEDULER_NULL     9

/* Share of the CPUs; cap in percent of one, 0: none. */
struct xen_domctl_sched_credit {
    uint16_t weight;
    uint16_t cap;
};

struct xen_domctl_sched_credit2 {
    uint16_t weight;
    uint16_t cap;
};

/* Real-time: `budget` in each `period`, us. */
struct xen_domctl_sched_rtds {
    uint32_t period;
    uint32_t budget;
    uint32_t flags; /* XEN_DOMCTL_SCHEDRT_* */
};
#define _XEN_DOMCTL_SCHEDRT_extra 0
#define XEN_DOMCTL_SCHEDRT_extra  0x1u

struct xen_domctl_schedparam_vcpu {
    union {
        struct xen_domctl_sched_credit credit;
        struct xen_domctl_sched_credit2 credit2;
        struct xen_domctl_sched_rtds rtds;
    } u;
    uint32_t vcpuid;
};

/* -EINVAL if sched_id is not the scheduler in use. */
struct xen_domctl_scheduler_op {
    uint32_t sched_id; /* XEN_SCHEDULER_* */
    uint32_t cmd;      /* XEN_DOMCTL_SCHEDOP_* */
    union {
        struct xen_domctl_sched_credit credit;
        struct xen_domctl_sched_credit2 credit2;
        struct xen_domctl_sched_rtds rtds;
        struct {
            struct xen_domctl_schedparam_vcpu __guest *vcpus;
            uint32_t nr_vcpus;
            uint32_t padding;
        } v;
    } u;
};
#define XEN_DOMCTL_SCHEDOP_putinfo     0
#define XEN_DOMCTL_SCHEDOP_getinfo     1
#define XEN_DOMCTL_SCHEDOP_putvcpuinfo 2
#define XEN_DOMCTL_SCHEDOP_getvcpuinfo 3

/*
 * Devices.
 */

struct xen_domctl_irq_permission {
    uint32_t pirq; /* the caller's */
    uint8_t allow_access;
    uint8_t pad[3];
};

struct xen_domctl_iomem_permission {
    uint64_t first_mfn;
    uint64_t nr_mfns;
    uint8_t allow_access;
    uint8_t hole[7];
};

struct xen_domctl_ioport_permission {
    uint32_t first_port;
    uint32_t nr_ports;
    uint8_t allow_access;
    uint8_t hole[3];
};

struct xen_domctl_assign_device {
    uint32_t dev;   /* XEN_DOMCTL_DEV_* */
    uint32_t flags; /* XEN_DOMCTL_DEV_RDM_RELAXED */
    union {
        struct {
            uint32_t machine_sbdf; /* segment 31:16, bus 15:8, device 7:3, function 2:0 */
        } pci;
        struct {
            uint32_t size; /* of path */
            uint32_t hole;
            char __guest *path;
        } dt;
    } u;
};
#define XEN_DOMCTL_DEV_PCI         0
#define XEN_DOMCTL_DEV_DT          1
#define XEN_DOMCTL_DEV_RDM_RELAXED 1

/* Devices that can only be assigned together. */
struct xen_domctl_get_device_group {
    uint32_t machine_sbdf;
    uint32_t max_sdevs; /* room */
    uint32_t num_sdevs; /* out */
    uint32_t hole;
    uint32_t __guest *sdev_array;
};

struct xen_domctl {
    uint32_t cmd;               /* XEN_DOMCTL_* */
    uint32_t interface_version; /* XEN_DOMCTL_INTERFACE_VERSION */
    domid_t domain;
    uint16_t _pad[3];
    union {
        struct xen_domctl_createdomain createdomain;
        struct xen_domctl_getdomaininfo getdomaininfo;
        struct xen_domctl_getpageframeinfo3 getpageframeinfo3;
        struct xen_domctl_nodeaffinity nodeaffinity;
        struct xen_domctl_vcpuaffinity vcpuaffinity;
        struct xen_domctl_shadow_op shadow_op;
        struct xen_domctl_max_mem max_mem;
        struct xen_domctl_vcpucontext vcpucontext;
        struct xen_domctl_getvcpuinfo getvcpuinfo;
        struct xen_domctl_max_vcpus max_vcpus;
        struct xen_domctl_scheduler_op scheduler_op;
        struct xen_domctl_setdomainhandle setdomainhandle;
        struct xen_domctl_setdebugging setdebugging;
        struct xen_domctl_irq_permission irq_permission;
        struct xen_domctl_iomem_permission iomem_permission;
        struct xen_domctl_ioport_permission ioport_permission;
        struct xen_domctl_hypercall_init hypercall_init;
        struct xen_domctl_settimeoffset settimeoffset;
        struct xen_domctl_tsc_info tsc_info;
        struct xen_domctl_address_size address_size;
        struct xen_domctl_sendtrigger sendtrigger;
        struct xen_domctl_get_device_group get_device_group;
        struct xen_domctl_assign_device assign_device;
        struct xen_domctl_ext_vcpucontext ext_vcpucontext;
        struct xen_domctl_set_target set_target;
        struct xen_domctl_subscribe subscribe;
        struct xen_domctl_cpu_policy cpu_policy;
        struct xen_domctl_vcpuextstate vcpuextstate;
        struct xen_domctl_vcpu_msrs vcpu_msrs;
        struct xen_domctl_set_virq_handler set_virq_handler;
        struct xen_domctl_vnuma vnuma;
        uint8_t pad[128];
    } u;
};

#endif
