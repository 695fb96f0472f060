/* SPDX-License-Identifier: MIT */
/*
 * mca(struct xen_mc): machine checks, for dom0.
 *
 * The hypervisor takes the exceptions; dom0 is told by VIRQ_MCA and fetches
 * records: struct mc_info holds entries that start with mcinfo_common.
 * -EINVAL for another interface version.
 */
#ifndef GUEST_PV_HEADERS_MCA_H
#define GUEST_PV_HEADERS_MCA_H

#include "guest-pv-headers/xen.h"

#define __HYPERVISOR_mca __HYPERVISOR_arch_0
#define VIRQ_MCA         VIRQ_ARCH_0

#define XEN_MCA_INTERFACE_VERSION 0x01ecc003

/* Commands and the member of the union they use. */
#define XEN_MC_fetch        1 /* mc_fetch */
#define XEN_MC_notifydomain 2 /* mc_notifydomain */
#define XEN_MC_physcpuinfo  3 /* mc_physcpuinfo */
#define XEN_MC_msrinject    4 /* for tests; not offered */
#define XEN_MC_mceinject    5 /* for tests; not offered */
#define XEN_MC_inject_v2    6 /* for tests; not offered */

/* Kind of an entry. */
#define MC_TYPE_GLOBAL   0 /* mcinfo_global */
#define MC_TYPE_BANK     1 /* mcinfo_bank */
#define MC_TYPE_EXTENDED 2 /* mcinfo_extended */
#define MC_TYPE_RECOVERY 3 /* mcinfo_recovery */

struct mcinfo_common {
    uint16_t type; /* MC_TYPE_* */
    uint16_t size; /* bytes, of the whole entry */
};

struct mcinfo_msr {
    uint64_t reg;
    uint64_t value;
};

/* Where it happened; first of the entries of one event. */
struct mcinfo_global {
    struct mcinfo_common common;
    uint16_t mc_domid; /* who ran there, or DOMID_INVALID */
    uint16_t mc_vcpuid;
    uint32_t mc_socketid;
    uint16_t mc_coreid;
    uint16_t mc_core_threadid;
    uint32_t mc_apicid;
    uint32_t mc_flags;   /* MC_FLAG_* */
    uint64_t mc_gstatus; /* MCG_STATUS */
};
#define MC_FLAG_CORRECTABLE   0x01
#define MC_FLAG_UNCORRECTABLE 0x02
#define MC_FLAG_RECOVERABLE   0x04
#define MC_FLAG_POLLED        0x08
#define MC_FLAG_RESET         0x10
#define MC_FLAG_CMCI          0x20
#define MC_FLAG_MCE           0x40
#define XEN_MC_VCPUID_INVALID 0xffff

/* One bank's registers. */
struct mcinfo_bank {
    struct mcinfo_common common;
    uint16_t mc_bank;
    uint16_t mc_domid; /* owner of the address, or DOMID_INVALID */
    uint64_t mc_status;
    uint64_t mc_addr;
    uint64_t mc_misc;
    uint64_t mc_ctrl2;
    uint64_t mc_tsc;
};

/* Further MSRs. */
struct mcinfo_extended {
    struct mcinfo_common common;
    uint32_t mc_msrs; /* used ones */
    struct mcinfo_msr mc_msr[32];
};

/* What the hypervisor did about it. */
struct page_offline_action {
    uint64_t mfn;
    uint64_t status;
};

struct cpu_offline_action {
    uint32_t mc_socketid;
    uint16_t mc_coreid;
    uint16_t mc_core_threadid;
};

struct mcinfo_recovery {
    struct mcinfo_common common;
    uint16_t mc_bank;
    uint8_t action_flags; /* REC_ACTION_* */
    uint8_t action_types; /* MC_ACTION_* */
    union {
        struct page_offline_action page_retire;
        struct cpu_offline_action cpu_offline;
        uint8_t pad[16];
    } action_info;
};
#define REC_ACTION_RECOVERED   0x1
#define REC_ACTION_NONE        0x2
#define REC_ACTION_NEED_RESET  0x4
#define MC_ACTION_PAGE_OFFLINE 0x1
#define MC_ACTION_CPU_OFFLINE  0x2
#define MC_ACTION_CACHE_SHRINK 0x4

/* A record: mi_nentries entries of different lengths, packed. */
struct mc_info {
    uint32_t mi_nentries;
    uint32_t flags; /* MCINFO_FLAGS_UNCOMPLETE: entries were lost */
    uint64_t mi_data[95];
};
#define MCINFO_HYPERCALLSIZE    1024
#define MCINFO_MAXSIZE          768
#define MCINFO_FLAGS_UNCOMPLETE 0x1

/* The next record.  Fetch with flags URGENT or NONURGENT, then again with ACK and its fetch_id. */
struct xen_mc_fetch {
    uint32_t flags; /* in: XEN_MC_*URGENT, XEN_MC_ACK; out: XEN_MC_OK ... */
    uint32_t _pad0;
    uint64_t fetch_id;
    struct mc_info __guest *data;
};
#define XEN_MC_NONURGENT    0x0001
#define XEN_MC_URGENT       0x0002
#define XEN_MC_ACK          0x0004
#define XEN_MC_OK           0x00
#define XEN_MC_FETCHFAILED  0x01
#define XEN_MC_NODATA       0x02 /* there is none */
#define XEN_MC_NOMATCH      0x04
#define XEN_MC_CANNOTHANDLE 0x08
#define XEN_MC_NOTDELIVERED 0x10

/* Tells a guest of a machine check that hit it; not offered. */
struct xen_mc_notifydomain {
    uint16_t mc_domid;
    uint16_t mc_vcpuid;
    uint32_t flags; /* out */
};

/* A CPU as CPUID describes it. */
struct mcinfo_logical_cpu {
    uint32_t mc_cpunr;
    uint32_t mc_chipid;
    uint16_t mc_coreid;
    uint16_t mc_threadid;
    uint32_t mc_apicid;
    uint32_t mc_clusterid;
    uint32_t mc_ncores;
    uint32_t mc_ncores_active;
    uint32_t mc_nthreads;
    int32_t mc_cpuid_level;
    uint32_t mc_family;
    uint32_t mc_vendor;
    uint32_t mc_model;
    uint32_t mc_step;
    char mc_vendorid[16];
    char mc_brandid[64];
    uint32_t mc_cpu_caps[7]; /* indexed by MC_CAPS_* */
    uint32_t mc_cache_size;
    uint32_t mc_cache_alignment;
    int32_t mc_nmsrvals;
    uint32_t hole;
    struct mcinfo_msr mc_msrvalues[8];
};
#define __MC_MSR_ARRAYSIZE 8
#define MC_NCAPS           7
#define MC_CAPS_STD_EDX    0
#define MC_CAPS_AMD_EDX    1
#define MC_CAPS_TM         2
#define MC_CAPS_LINUX      3
#define MC_CAPS_STD_ECX    4
#define MC_CAPS_VIA        5
#define MC_CAPS_AMD_ECX    6

/* All CPUs; a null array asks for the number. */
struct xen_mc_physcpuinfo {
    uint32_t ncpus;
    uint32_t _pad0;
    struct mcinfo_logical_cpu __guest *info;
};

struct xen_mc {
    uint32_t cmd;               /* XEN_MC_* */
    uint32_t interface_version; /* XEN_MCA_INTERFACE_VERSION */
    union {
        struct xen_mc_fetch mc_fetch;
        struct xen_mc_notifydomain mc_notifydomain;
        struct xen_mc_physcpuinfo mc_physcpuinfo;
        uint8_t hole[144]; /* as long as the commands that are left out */
    } u;
};

#endif
