/* SPDX-License-Identifier: MIT */
/*
 * xen_version(command, argument): what the guest is running on.
 *
 * Texts that a domain may not know come back as "<denied>".
 */
#ifndef GUEST_PV_HEADERS_VERSION_H
#define GUEST_PV_HEADERS_VERSION_H

#include "guest-pv-headers/features.h"
#include "guest-pv-headers/xen.h"

#define XENVER_version             0  /* null; returns major << 16 | minor */
#define XENVER_extraversion        1  /* xen_extraversion_t */
#define XENVER_compile_info        2  /* xen_compile_info */
#define XENVER_capabilities        3  /* xen_capabilities_info_t */
#define XENVER_changeset           4  /* xen_changeset_info_t */
#define XENVER_platform_parameters 5  /* xen_platform_parameters */
#define XENVER_get_features        6  /* xen_feature_info */
#define XENVER_pagesize            7  /* null; returns bytes */
#define XENVER_guest_handle        8  /* xen_domain_handle_t */
#define XENVER_commandline         9  /* xen_commandline_t */
#define XENVER_build_id            10 /* xen_build_id, or null for the size needed */

/* Zero-terminated texts. */
typedef char xen_extraversion_t[16];
typedef char xen_capabilities_info_t[1024]; /* guest types, e.g. "xen-3.0-x86_64 " */
typedef char xen_changeset_info_t[64];
typedef char xen_commandline_t[1024];

#define XEN_EXTRAVERSION_LEN      16
#define XEN_CAPABILITIES_INFO_LEN 1024
#define XEN_CHANGESET_INFO_LEN    64

/* Who built the hypervisor, where, when, with what. */
struct xen_compile_info {
    char compiler[64];
    char compile_by[16];
    char compile_domain[32];
    char compile_date[32];
};

struct xen_platform_parameters {
    xen_ulong_t virt_start; /* HYPERVISOR_VIRT_START */
};

struct xen_feature_info {
    uint32_t submap_idx; /* which 32 features, below XENFEAT_NR_SUBMAPS */
    uint32_t submap;     /* out: bit XENFEAT_* - 32 * submap_idx */
};

/* The linker's build id.  Returns the number of bytes; -ENODATA if there is none. */
struct xen_build_id {
    uint32_t len; /* room in buf */
    uint8_t buf[];
};

#endif
