/* SPDX-License-Identifier: MIT */
/*
 * xenpmu_op(command, xen_pmu_params): performance counters.  Not offered by
 * this core (-EOPNOTSUPP); described so that a guest can ask.
 */
#ifndef GUEST_PV_HEADERS_PMU_H
#define GUEST_PV_HEADERS_PMU_H

#include "guest-pv-headers/xen.h"

#define XENPMU_VER_MAJ 0
#define XENPMU_VER_MIN 1

#define XENPMU_mode_get    0 /* val */
#define XENPMU_mode_set    1 /* val; dom0 only, as the next two */
#define XENPMU_feature_get 2
#define XENPMU_feature_set 3
#define XENPMU_init        4 /* val: mfn of a xen_pmu_data for the vCPU */
#define XENPMU_finish      5
#define XENPMU_lvtpc_set   6 /* null; takes the value from xen_pmu_data */
#define XENPMU_flush       7 /* null; loads the counters from xen_pmu_data */

/* Mode: who may profile whom. */
#define XENPMU_MODE_OFF  0
#define XENPMU_MODE_SELF 0x1 /* guests themselves */
#define XENPMU_MODE_HV   0x2 /* dom0 the hypervisor as well */
#define XENPMU_MODE_ALL  0x4 /* dom0 everything */

#define XENPMU_FEATURE_INTEL_BTS 0x1
#define XENPMU_FEATURE_IPC_ONLY  0x2
#define XENPMU_FEATURE_ARCH_ONLY 0x4

struct xen_pmu_params {
    struct {
        uint32_t maj;
        uint32_t min;
    } version; /* XENPMU_VER_*; out: the hypervisor's */
    uint64_t val;
    uint32_t vcpu;
    uint32_t pad;
};

/* Registers of the CPU at the sample. */
struct xen_pmu_regs {
    uint64_t ip;
    uint64_t sp;
    uint64_t flags;
    uint16_t cs;
    uint16_t ss;
    uint8_t cpl;
    uint8_t pad[3];
};

/* Counters; offsets are from the start of the structure to the arrays. */
struct xen_pmu_amd_ctxt {
    uint32_t counters;
    uint32_t ctrls;
    uint64_t regs[];
};

struct xen_pmu_cntr_pair {
    uint64_t counter;
    uint64_t control;
};

struct xen_pmu_intel_ctxt {
    uint32_t fixed_counters; /* offset to the fixed counters' values */
    uint32_t arch_counters;  /* offset to xen_pmu_cntr_pair of the others */
    uint64_t global_ctrl;
    uint64_t global_ovf_ctrl;
    uint64_t global_status;
    uint64_t fixed_ctrl;
    uint64_t ds_area;
    uint64_t pebs_enable;
    uint64_t debugctl;
    uint64_t regs[];
};

struct xen_pmu_arch {
    union {
        struct xen_pmu_regs regs;
        uint8_t pad[64];
    } r;
    uint64_t pmu_flags; /* PMU_* */
    union {
        uint32_t lapic_lvtpc;
        uint64_t pad;
    } l;
    union {
        struct xen_pmu_amd_ctxt amd;
        struct xen_pmu_intel_ctxt intel;
        uint8_t pad[128];
    } c;
};
#define PMU_CACHED         0x1 /* counters are in memory, not in the CPU */
#define PMU_SAMPLE_USER    0x2
#define PMU_SAMPLE_REAL    0x4
#define PMU_SAMPLE_PV      0x8
#define XENPMU_REGS_PAD_SZ 64
#define XENPMU_CTXT_PAD_SZ 128

/* The page core and vCPU share. */
struct xen_pmu_data {
    uint32_t vcpu_id; /* who was running */
    uint32_t pcpu_id;
    domid_t domain_id;
    uint8_t pad[6];
    struct xen_pmu_arch pmu;
};

#endif
