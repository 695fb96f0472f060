/* SPDX-License-Identifier: MIT */
/*
 * sysctl(struct xen_sysctl): what the toolstack asks about, or changes on, the
 * whole machine.
 *
 * The same callers and errors as domctl.h.  Counters in arrays are room on
 * entry and number on return.  Operations this core does not offer (live
 * patching, profiling, cache allocation) return -EOPNOTSUPP; their layouts are
 * left out.
 */
#ifndef GUEST_PV_HEADERS_SYSCTL_H
#define GUEST_PV_HEADERS_SYSCTL_H

#include "guest-pv-headers/domctl.h"
#include "guest-pv-headers/physdev.h"
#include "guest-pv-headers/xen.h"

#define XEN_SYSCTL_INTERFACE_VERSION 0x00000015

/* Commands and the member of the union they use. */
#define XEN_SYSCTL_readconsole            1  /* readconsole */
#define XEN_SYSCTL_tbuf_op                2  /* tbuf_op */
#define XEN_SYSCTL_physinfo               3  /* physinfo */
#define XEN_SYSCTL_sched_id               4  /* sched_id */
#define XEN_SYSCTL_perfc_op               5  /* perfc_op */
#define XEN_SYSCTL_getdomaininfolist      6  /* getdomaininfolist */
#define XEN_SYSCTL_debug_keys             7  /* debug_keys */
#define XEN_SYSCTL_getcpuinfo             8  /* getcpuinfo */
#define XEN_SYSCTL_availheap              9  /* availheap */
#define XEN_SYSCTL_get_pmstat             10 /* get_pmstat */
#define XEN_SYSCTL_cpu_hotplug            11 /* cpu_hotplug */
#define XEN_SYSCTL_pm_op                  12 /* pm_op */
#define XEN_SYSCTL_page_offline_op        14 /* page_offline */
#define XEN_SYSCTL_lockprof_op            15
#define XEN_SYSCTL_cputopoinfo            16 /* cputopoinfo */
#define XEN_SYSCTL_numainfo               17 /* numainfo */
#define XEN_SYSCTL_cpupool_op             18 /* cpupool_op */
#define XEN_SYSCTL_scheduler_op           19 /* scheduler_op */
#define XEN_SYSCTL_coverage_op            20
#define XEN_SYSCTL_psr_cmt_op             21
#define XEN_SYSCTL_pcitopoinfo            22 /* pcitopoinfo */
#define XEN_SYSCTL_psr_alloc              23
#define XEN_SYSCTL_get_cpu_levelling_caps 25 /* cpu_levelling_caps */
#define XEN_SYSCTL_get_cpu_featureset     26 /* cpu_featureset */
#define XEN_SYSCTL_livepatch_op           27
#define XEN_SYSCTL_get_cpu_policy         29 /* cpu_policy */

/* The log ring.  With `incremental`, from byte number `index`; out: where to go on. */
struct xen_sysctl_readconsole {
    uint8_t clear; /* forget what was read */
    uint8_t incremental;
    uint8_t pad0;
    uint8_t pad1;
    uint32_t index;
    char __guest *buffer;
    uint32_t count; /* bytes */
    uint32_t hole;
};

/* Sends characters to the handlers of the debug keys. */
struct xen_sysctl_debug_keys {
    const char __guest *keys;
    uint32_t nr_keys;
    uint32_t hole;
};

/* Trace buffers. */
struct xen_sysctl_tbuf_op {
    uint32_t cmd; /* XEN_SYSCTL_TBUFOP_* */
    uint32_t hole0;
    struct xenctl_bitmap cpu_mask;
    uint32_t evt_mask;
    uint32_t hole1;
    uint64_t buffer_mfn; /* out */
    uint32_t size;       /* in: pages a CPU, out: bytes of the description */
    uint32_t hole2;
};
#define XEN_SYSCTL_TBUFOP_get_info     0
#define XEN_SYSCTL_TBUFOP_set_cpu_mask 1
#define XEN_SYSCTL_TBUFOP_set_evt_mask 2
#define XEN_SYSCTL_TBUFOP_set_size     3
#define XEN_SYSCTL_TBUFOP_enable       4
#define XEN_SYSCTL_TBUFOP_disable      5

/* Performance counters of the hypervisor. */
struct xen_sysctl_perfc_desc {
    char name[80];
    uint32_t nr_vals;
};
typedef uint32_t xen_sysctl_perfc_val_t;

struct xen_sysctl_perfc_op {
    uint32_t cmd; /* XEN_SYSCTL_PERFCOP_* */
    uint32_t nr_counters;
    uint32_t nr_vals;
    uint32_t hole;
    struct xen_sysctl_perfc_desc __guest *desc;
    xen_sysctl_perfc_val_t __guest *val;
};
#define XEN_SYSCTL_PERFCOP_reset 1
#define XEN_SYSCTL_PERFCOP_query 2

/*
 * The machine.
 */

/* All of it is output.  Pages of 4 KiB. */
struct xen_sysctl_physinfo {
    uint32_t threads_per_core;
    uint32_t cores_per_socket;
    uint32_t nr_cpus;    /* in use */
    uint32_t max_cpu_id; /* highest possible */
    uint32_t nr_nodes;
    uint32_t max_node_id;
    uint32_t cpu_khz;
    uint32_t capabilities; /* XEN_SYSCTL_PHYSCAP_* */
    uint32_t arch_capabilities;
    uint32_t pad;
    uint64_t total_pages;
    uint64_t free_pages;
    uint64_t scrub_pages;       /* free, but not clean yet */
    uint64_t outstanding_pages; /* claimed by domains */
    uint64_t max_mfn;
    uint32_t hw_cap[8]; /* CPUID feature words */
};
#define _XEN_SYSCTL_PHYSCAP_hvm                0
#define _XEN_SYSCTL_PHYSCAP_pv                 1
#define _XEN_SYSCTL_PHYSCAP_directio           2
#define _XEN_SYSCTL_PHYSCAP_hap                3
#define _XEN_SYSCTL_PHYSCAP_shadow             4
#define _XEN_SYSCTL_PHYSCAP_iommu_hap_pt_share 5
#define XEN_SYSCTL_PHYSCAP_hvm                 0x001u
#define XEN_SYSCTL_PHYSCAP_pv                  0x002u
#define XEN_SYSCTL_PHYSCAP_directio            0x004u /* devices can be given away */
#define XEN_SYSCTL_PHYSCAP_hap                 0x008u
#define XEN_SYSCTL_PHYSCAP_shadow              0x010u
#define XEN_SYSCTL_PHYSCAP_iommu_hap_pt_share  0x020u
#define XEN_SYSCTL_PHYSCAP_vmtrace             0x040u
#define XEN_SYSCTL_PHYSCAP_vpmu                0x080u
#define XEN_SYSCTL_PHYSCAP_gnttab_v1           0x100u
#define XEN_SYSCTL_PHYSCAP_gnttab_v2           0x200u
#define XEN_SYSCTL_PHYSCAP_MAX                 XEN_SYSCTL_PHYSCAP_gnttab_v2

struct xen_sysctl_cpuinfo {
    uint64_t idletime; /* ns */
};

struct xen_sysctl_getcpuinfo {
    uint32_t max_cpus;
    uint32_t hole0;
    struct xen_sysctl_cpuinfo __guest *info;
    uint32_t nr_cpus;
    uint32_t hole1;
};

/* Where a CPU sits; XEN_INVALID_* in all three for one that is not there. */
struct xen_sysctl_cputopo {
    uint32_t core;
    uint32_t socket;
    uint32_t node;
};
#define XEN_INVALID_CORE_ID   (~0U)
#define XEN_INVALID_SOCKET_ID (~0U)
#define XEN_INVALID_NODE_ID   (~0U)

/* A null array asks for the number. */
struct xen_sysctl_cputopoinfo {
    uint32_t num_cpus;
    uint32_t hole;
    struct xen_sysctl_cputopo __guest *cputopo;
};

/* A node's memory, bytes; XEN_INVALID_MEM_SZ for one that is not there. */
struct xen_sysctl_meminfo {
    uint64_t memsize;
    uint64_t memfree;
};
#define XEN_INVALID_MEM_SZ    (~0U)
#define XEN_INVALID_NODE_DIST (~0U)

/* Null arrays ask for the number. */
struct xen_sysctl_numainfo {
    uint32_t num_nodes;
    uint32_t hole;
    struct xen_sysctl_meminfo __guest *meminfo;
    uint32_t __guest *distance; /* num_nodes by num_nodes */
};

/* Node of each device; XEN_INVALID_DEV for an unknown one. */
struct xen_sysctl_pcitopoinfo {
    uint32_t num_devs;
    uint32_t hole;
    struct physdev_pci_device __guest *devs;
    uint32_t __guest *nodes;
};
#define XEN_INVALID_DEV (XEN_INVALID_NODE_ID - 1)

/* Free memory reachable with so many address bits. */
struct xen_sysctl_availheap {
    uint32_t min_bitwidth; /* 0: any */
    uint32_t max_bitwidth;
    int32_t node; /* -1: all */
    uint32_t hole;
    uint64_t avail_bytes; /* out */
};

struct xen_sysctl_cpu_hotplug {
    uint32_t cpu;
    uint32_t op; /* XEN_SYSCTL_CPU_HOTPLUG_* */
};
#define XEN_SYSCTL_CPU_HOTPLUG_ONLINE      0
#define XEN_SYSCTL_CPU_HOTPLUG_OFFLINE     1
#define XEN_SYSCTL_CPU_HOTPLUG_SMT_ENABLE  2 /* cpu is ignored */
#define XEN_SYSCTL_CPU_HOTPLUG_SMT_DISABLE 3

/* Takes frames out of use, or back; `status` has one word a frame. */
struct xen_sysctl_page_offline_op {
    uint32_t cmd;
    uint32_t start; /* first mfn */
    uint32_t end;   /* last mfn */
    uint32_t hole;
    uint32_t __guest *status;
};
#define sysctl_page_offline       1
#define sysctl_page_online        2
#define sysctl_query_page_offline 3

/* Result of taking a frame out of use or back. */
#define PG_OFFLINE_STATUS_MASK 0xFFu
#define PG_OFFLINE_INVALID     0x01u
#define PG_OFFLINE_OFFLINED    0x02u
#define PG_OFFLINE_PENDING     0x04u
#define PG_OFFLINE_FAILED      0x08u
#define PG_OFFLINE_AGAIN       0x10u
#define PG_ONLINE_FAILED       PG_OFFLINE_FAILED
#define PG_ONLINE_ONLINED      PG_OFFLINE_OFFLINED

/* Result of a query. */
#define PG_OFFLINE_STATUS_OFFLINED        0x02u
#define PG_OFFLINE_STATUS_ONLINE          0x04u
#define PG_OFFLINE_STATUS_OFFLINE_PENDING 0x08u
#define PG_OFFLINE_STATUS_BROKEN          0x10u

/* What kind of frame it is; the owner's id is above. */
#define PG_OFFLINE_MISC_MASK    0xFF0u
#define PG_OFFLINE_XENPAGE      0x0100u
#define PG_OFFLINE_DOM0PAGE     0x0200u
#define PG_OFFLINE_ANONYMOUS    0x0400u
#define PG_OFFLINE_NOT_CONV_RAM 0x0800u
#define PG_OFFLINE_OWNED        0x1000u
#define PG_OFFLINE_BROKEN       0x2000u
#define PG_ONLINE_BROKEN        PG_OFFLINE_BROKEN
#define PG_OFFLINE_OWNER_SHIFT  16

/*
 * Domains: as many as there are, from first_domain on, in the order of their ids.
 */
struct xen_sysctl_getdomaininfolist {
    domid_t first_domain;
    uint16_t hole0;
    uint32_t max_domains;
    struct xen_domctl_getdomaininfo __guest *buffer;
    uint32_t num_domains; /* out */
    uint32_t hole1;
};

/*
 * Scheduling.
 */

struct xen_sysctl_sched_id {
    uint32_t sched_id; /* out: XEN_SCHEDULER_* of the first pool */
};

/* Pools of CPUs with a scheduler each.  Here: one pool, number 0. */
struct xen_sysctl_cpupool_op {
    uint32_t op;         /* XEN_SYSCTL_CPUPOOL_OP_* */
    uint32_t cpupool_id; /* INFO: this or the next, -ENOENT past the last */
    uint32_t sched_id;
    uint32_t domid;
    uint32_t cpu;
    uint32_t n_dom; /* out: domains in it */
    struct xenctl_bitmap cpumap;
};
#define XEN_SYSCTL_CPUPOOL_OP_CREATE     1 /* sched_id; cpupool_id also out */
#define XEN_SYSCTL_CPUPOOL_OP_DESTROY    2
#define XEN_SYSCTL_CPUPOOL_OP_INFO       3 /* all others out */
#define XEN_SYSCTL_CPUPOOL_OP_ADDCPU     4 /* cpu */
#define XEN_SYSCTL_CPUPOOL_OP_RMCPU      5 /* cpu */
#define XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN 6 /* domid */
#define XEN_SYSCTL_CPUPOOL_OP_FREEINFO   7 /* cpumap: CPUs in no pool */
#define XEN_SYSCTL_CPUPOOL_PAR_ANY       0xFFFFFFFFu

struct xen_sysctl_credit_schedule {
    uint32_t tslice_ms;
    uint32_t ratelimit_us; /* a vCPU runs at least so long; 0: off */
    uint32_t vcpu_migr_delay_us;
};
#define XEN_SYSCTL_CSCHED_TSLICE_MAX     1000
#define XEN_SYSCTL_CSCHED_TSLICE_MIN     1
#define XEN_SYSCTL_CSCHED_MGR_DLY_MAX_US 100000
#define XEN_SYSCTL_SCHED_RATELIMIT_MAX   500000
#define XEN_SYSCTL_SCHED_RATELIMIT_MIN   100

struct xen_sysctl_credit2_schedule {
    uint32_t ratelimit_us;
};

/* A fixed time table; not offered. */
struct xen_sysctl_arinc653_schedule {
    uint64_t major_frame; /* ns */
    uint8_t num_sched_entries;
    uint8_t hole[7];
    struct {
        xen_domain_handle_t dom_handle;
        uint32_t vcpu_id;
        uint32_t hole;
        uint64_t runtime; /* ns */
    } sched_entries[64];
};
#define ARINC653_MAX_DOMAINS_PER_SCHEDULE 64

struct xen_sysctl_sched_arinc653 {
    struct xen_sysctl_arinc653_schedule __guest *schedule;
};

struct xen_sysctl_scheduler_op {
    uint32_t cpupool_id;
    uint32_t sched_id; /* XEN_SCHEDULER_*; -EINVAL if another is in use */
    uint32_t cmd;      /* XEN_SYSCTL_SCHEDOP_* */
    uint32_t hole;
    union {
        struct xen_sysctl_sched_arinc653 sched_arinc653;
        struct xen_sysctl_credit_schedule sched_credit;
        struct xen_sysctl_credit2_schedule sched_credit2;
    } u;
};
#define XEN_SYSCTL_SCHEDOP_putinfo 0
#define XEN_SYSCTL_SCHEDOP_getinfo 1

/*
 * CPU features.
 */

/* Which CPUID bits can be hidden from a PV guest by hardware means. */
struct xen_sysctl_cpu_levelling_caps {
    uint32_t caps; /* out: XEN_SYSCTL_CPU_LEVELCAP_* */
};
#define XEN_SYSCTL_CPU_LEVELCAP_faulting    0x001u /* all: CPUID traps */
#define XEN_SYSCTL_CPU_LEVELCAP_ecx         0x002u /* leaf 1 */
#define XEN_SYSCTL_CPU_LEVELCAP_edx         0x004u
#define XEN_SYSCTL_CPU_LEVELCAP_extd_ecx    0x008u /* leaf 0x80000001 */
#define XEN_SYSCTL_CPU_LEVELCAP_extd_edx    0x010u
#define XEN_SYSCTL_CPU_LEVELCAP_xsave_eax   0x020u /* leaf 0xd, sub-leaf 1 */
#define XEN_SYSCTL_CPU_LEVELCAP_thermal_ecx 0x040u /* leaf 6 */
#define XEN_SYSCTL_CPU_LEVELCAP_l7s0_eax    0x080u /* leaf 7 */
#define XEN_SYSCTL_CPU_LEVELCAP_l7s0_ebx    0x100u

/*
 * Feature bits as 32-bit words, in this order: leaf 1 edx, ecx; 0x80000001 edx,
 * ecx; 0xd/1 eax; 7/0 ebx, ecx; 0x80000007 edx; 0x80000008 ebx; 7/0 edx; 7/1
 * eax; 0x80000021 eax; 7/1 ebx; 7/2 edx; 7/1 ecx, edx; MSR 0x10a low, high;
 * 0x80000021 ecx.  A null array asks for the number.
 */
struct xen_sysctl_cpu_featureset {
    uint32_t index; /* XEN_SYSCTL_cpu_featureset_* */
    uint32_t nr_features;
    uint32_t __guest *features;
};
#define XEN_SYSCTL_cpu_featureset_raw     0 /* the CPU's */
#define XEN_SYSCTL_cpu_featureset_host    1 /* what the hypervisor uses */
#define XEN_SYSCTL_cpu_featureset_pv      2 /* given to PV guests by default */
#define XEN_SYSCTL_cpu_featureset_hvm     3
#define XEN_SYSCTL_cpu_featureset_pv_max  4 /* could be given */
#define XEN_SYSCTL_cpu_featureset_hvm_max 5

/* The same as CPUID leaves and MSRs.  Null arrays ask for the numbers; -ENOBUFS on too little room.
 */
struct xen_sysctl_cpu_policy {
    uint32_t index; /* XEN_SYSCTL_cpu_policy_* */
    uint32_t nr_leaves;
    uint32_t nr_msrs;
    uint32_t _rsvd;
    struct xen_cpuid_leaf __guest *leaves;
    struct xen_msr_entry __guest *msrs;
};
#define XEN_SYSCTL_cpu_policy_raw         0
#define XEN_SYSCTL_cpu_policy_host        1
#define XEN_SYSCTL_cpu_policy_pv_max      2
#define XEN_SYSCTL_cpu_policy_hvm_max     3
#define XEN_SYSCTL_cpu_policy_pv_default  4
#define XEN_SYSCTL_cpu_policy_hvm_default 5

/*
 * Power management: statistics, then settings.
 */

struct pm_px_val {
    uint64_t freq;      /* MHz */
    uint64_t residency; /* ns */
    uint64_t count;     /* times entered */
};

struct pm_px_stat {
    uint8_t total;
    uint8_t usable;
    uint8_t last;
    uint8_t cur;
    uint32_t hole;
    uint64_t __guest *trans_pt; /* total by total transitions */
    struct pm_px_val __guest *pt;
};

struct pm_cx_stat {
    uint32_t nr;
    uint32_t last;
    uint64_t idle_time; /* ns */
    uint64_t __guest *triggers;
    uint64_t __guest *residencies;
    uint32_t nr_pc;
    uint32_t nr_cc;
    uint64_t __guest *pc; /* package and core residency counters */
    uint64_t __guest *cc;
};

struct xen_sysctl_get_pmstat {
    uint32_t type; /* PMSTAT_* */
    uint32_t cpuid;
    union {
        struct pm_px_stat getpx;
        struct pm_cx_stat getcx;
    } u;
};
#define PMSTAT_CATEGORY_MASK 0xf0
#define PMSTAT_PX            0x10
#define PMSTAT_CX            0x20
#define PMSTAT_get_max_px    0x11
#define PMSTAT_get_pxstat    0x12
#define PMSTAT_reset_pxstat  0x13
#define PMSTAT_get_max_cx    0x21
#define PMSTAT_get_cxstat    0x22
#define PMSTAT_reset_cxstat  0x23

#define CPUFREQ_NAME_LEN 16

struct xen_userspace {
    uint32_t scaling_setspeed; /* kHz, as are all below */
};

struct xen_ondemand {
    uint32_t sampling_rate_max; /* us */
    uint32_t sampling_rate_min;
    uint32_t sampling_rate;
    uint32_t up_threshold; /* percent */
};

struct xen_get_cpufreq_para {
    uint32_t cpu_num;
    uint32_t freq_num;
    uint32_t gov_num;
    uint32_t hole0;
    uint32_t __guest *affected_cpus;
    uint32_t __guest *scaling_available_frequencies;
    char __guest *scaling_available_governors;
    char scaling_driver[CPUFREQ_NAME_LEN];
    uint32_t cpuinfo_cur_freq;
    uint32_t cpuinfo_max_freq;
    uint32_t cpuinfo_min_freq;
    uint32_t scaling_cur_freq;
    char scaling_governor[CPUFREQ_NAME_LEN];
    uint32_t scaling_max_freq;
    uint32_t scaling_min_freq;
    union {
        struct xen_userspace userspace;
        struct xen_ondemand ondemand;
    } u; /* by governor */
    int32_t turbo_enabled;
    uint32_t hole1;
};

struct xen_set_cpufreq_gov {
    char scaling_governor[CPUFREQ_NAME_LEN];
};

struct xen_set_cpufreq_para {
    uint32_t ctrl_type;
    uint32_t ctrl_value;
};
#define SCALING_MAX_FREQ 1
#define SCALING_MIN_FREQ 2
#define SCALING_SETSPEED 3
#define SAMPLING_RATE    4
#define UP_THRESHOLD     5

struct xen_sysctl_pm_op {
    uint32_t cmd;
    uint32_t cpuid;
    union {
        struct xen_get_cpufreq_para get_para;
        struct xen_set_cpufreq_gov set_gov;
        struct xen_set_cpufreq_para set_para;
        uint64_t get_avgfreq; /* kHz */
        uint32_t set_sched_opt_smt;
        uint32_t get_max_cstate; /* XEN_SYSCTL_CX_UNLIMITED: no limit */
        uint32_t set_max_cstate;
    } u;
};
#define PM_PARA_CATEGORY_MASK                     0xf0
#define CPUFREQ_PARA                              0x10
#define GET_CPUFREQ_PARA                          0x11
#define SET_CPUFREQ_GOV                           0x12
#define SET_CPUFREQ_PARA                          0x13
#define GET_CPUFREQ_AVGFREQ                       0x14
#define XEN_SYSCTL_pm_op_set_sched_opt_smt        0x21
#define XEN_SYSCTL_pm_op_get_max_cstate           0x22
#define XEN_SYSCTL_pm_op_set_max_cstate           0x23
#define XEN_SYSCTL_pm_op_set_vcpu_migration_delay 0x24
#define XEN_SYSCTL_pm_op_get_vcpu_migration_delay 0x25
#define XEN_SYSCTL_pm_op_enable_turbo             0x26
#define XEN_SYSCTL_pm_op_disable_turbo            0x27
#define XEN_SYSCTL_CX_UNLIMITED                   0xffffffffu

struct xen_sysctl {
    uint32_t cmd;               /* XEN_SYSCTL_* */
    uint32_t interface_version; /* XEN_SYSCTL_INTERFACE_VERSION */
    union {
        struct xen_sysctl_readconsole readconsole;
        struct xen_sysctl_tbuf_op tbuf_op;
        struct xen_sysctl_physinfo physinfo;
        struct xen_sysctl_cputopoinfo cputopoinfo;
        struct xen_sysctl_pcitopoinfo pcitopoinfo;
        struct xen_sysctl_numainfo numainfo;
        struct xen_sysctl_sched_id sched_id;
        struct xen_sysctl_perfc_op perfc_op;
        struct xen_sysctl_getdomaininfolist getdomaininfolist;
        struct xen_sysctl_debug_keys debug_keys;
        struct xen_sysctl_getcpuinfo getcpuinfo;
        struct xen_sysctl_availheap availheap;
        struct xen_sysctl_get_pmstat get_pmstat;
        struct xen_sysctl_cpu_hotplug cpu_hotplug;
        struct xen_sysctl_pm_op pm_op;
        struct xen_sysctl_page_offline_op page_offline;
        struct xen_sysctl_cpupool_op cpupool_op;
        struct xen_sysctl_scheduler_op scheduler_op;
        struct xen_sysctl_cpu_levelling_caps cpu_levelling_caps;
        struct xen_sysctl_cpu_featureset cpu_featureset;
        struct xen_sysctl_cpu_policy cpu_policy;
        uint8_t pad[128];
    } u;
};

#endif
