/* SPDX-License-Identifier: MIT */
/*
 * memory_op(command, argument): how much memory a domain has, which frames, and
 * what its guest-physical layout looks like.
 *
 * Frame numbers: mfn is a machine frame, pfn (gpfn) the guest's own numbering;
 * gmfn is what a PV guest puts into page tables, that is an mfn.  An extent is
 * 2^extent_order frames, aligned to its size.
 */
#ifndef GUEST_PV_HEADERS_MEMORY_H
#define GUEST_PV_HEADERS_MEMORY_H

#include "guest-pv-headers/physdev.h"
#include "guest-pv-headers/xen.h"

/* Commands and their arguments. */
#define XENMEM_increase_reservation       0  /* xen_memory_reservation */
#define XENMEM_decrease_reservation       1  /* xen_memory_reservation */
#define XENMEM_maximum_ram_page           2  /* null; returns the machine's last mfn + 1 */
#define XENMEM_current_reservation        3  /* xen_memory_domain; returns pages */
#define XENMEM_maximum_reservation        4  /* xen_memory_domain; returns pages */
#define XENMEM_machphys_mfn_list          5  /* xen_machphys_mfn_list */
#define XENMEM_populate_physmap           6  /* xen_memory_reservation */
#define XENMEM_add_to_physmap             7  /* xen_add_to_physmap */
#define XENMEM_memory_map                 9  /* xen_memory_map */
#define XENMEM_machine_memory_map         10 /* xen_memory_map; dom0 */
#define XENMEM_exchange                   11 /* xen_memory_exchange */
#define XENMEM_machphys_mapping           12 /* xen_machphys_mapping */
#define XENMEM_set_memory_map             13 /* xen_foreign_memory_map */
#define XENMEM_maximum_gpfn               14 /* xen_memory_domain; returns the last pfn */
#define XENMEM_remove_from_physmap        15 /* xen_remove_from_physmap */
#define XENMEM_set_pod_target             16 /* xen_pod_target; not for PV */
#define XENMEM_get_pod_target             17 /* xen_pod_target; not for PV */
#define XENMEM_get_sharing_freed_pages    18 /* null; 0 here */
#define XENMEM_get_sharing_shared_pages   19 /* null; 0 here */
#define XENMEM_paging_op                  20 /* not for PV */
#define XENMEM_access_op                  21 /* not for PV */
#define XENMEM_sharing_op                 22 /* not for PV */
#define XENMEM_add_to_physmap_batch       23 /* xen_add_to_physmap_batch */
#define XENMEM_claim_pages                24 /* xen_memory_reservation */
#define XENMEM_machphys_compat_mfn_list   25 /* for 32-bit guests' tools */
#define XENMEM_get_vnumainfo              26 /* xen_vnuma_topology_info */
#define XENMEM_reserved_device_memory_map 27 /* xen_reserved_device_memory_map */
#define XENMEM_acquire_resource           28 /* xen_mem_acquire_resource */

/* xen_memory_reservation.mem_flags */
#define XENMEMF_address_bits(x)     (x) /* frames below 2^x bytes; 0: anywhere */
#define XENMEMF_get_address_bits(x) ((x)&0xffu)
#define XENMEMF_node(x)             (((x) + 1) << 8) /* preferred node */
#define XENMEMF_get_node(x)         ((((x) >> 8) - 1) & 0xffu)
#define XENMEMF_populate_on_demand  0x10000 /* not for PV */
#define XENMEMF_exact_node_request  0x20000 /* fail rather than take another node */
#define XENMEMF_exact_node(n)       (XENMEMF_node(n) | XENMEMF_exact_node_request)
#define XENMEMF_vnode               0x40000 /* the node is one of the guest's virtual ones */

/*
 * A list of extents to give, take or fill; returns how many were done.
 *
 *   increase   out: mfns (if extent_start is not null)
 *   decrease   in: gmfns
 *   populate   in: pfns; out: mfns.  Also sets the M2P entries
 *   claim      extent_start null, order 0: sets pages aside, 0 ends the claim.  Returns 0
 */
struct xen_memory_reservation {
    xen_pfn_t __guest *extent_start;
    xen_ulong_t nr_extents;
    uint32_t extent_order;
    uint32_t mem_flags; /* XENMEMF_* */
    domid_t domid;
    uint16_t hole[3];
};

/*
 * Gives frames up for others, e.g. contiguous or lower ones.  Either side may
 * have the bigger extents; both must come to the same number of frames.
 * out.extent_start holds pfns on entry and mfns on return.  An error leaves
 * the number of `in` extents that are done in nr_exchanged.
 */
struct xen_memory_exchange {
    struct xen_memory_reservation in;
    struct xen_memory_reservation out;
    xen_ulong_t nr_exchanged; /* 0 on entry */
};

/* Argument of the commands that ask for one number. */
struct xen_memory_domain {
    domid_t domid;
};

/* Frames of the M2P table, one for each 2 MiB of it, for tools that map it. */
struct xen_machphys_mfn_list {
    uint32_t max_extents; /* room in the list */
    uint32_t hole0;
    xen_pfn_t __guest *extent_start;
    uint32_t nr_extents; /* out */
    uint32_t hole1;
};

/* Where the M2P table is in the caller's address space. */
struct xen_machphys_mapping {
    xen_ulong_t v_start;
    xen_ulong_t v_end;
    xen_ulong_t max_mfn;
};

/* Where something that is not the guest's RAM is to appear. */
#define XENMAPSPACE_shared_info  0
#define XENMAPSPACE_grant_table  1 /* idx: frame of the table, and XENMAPIDX_grant_table_status */
#define XENMAPSPACE_gmfn         2
#define XENMAPSPACE_gmfn_range   3
#define XENMAPSPACE_gmfn_foreign 4
#define XENMAPSPACE_dev_mmio     5

#define XENMAPIDX_grant_table_status 0x80000000u

/* -EPERM or -EINVAL for spaces that need the hypervisor's own p2m, which PV guests do not have. */
struct xen_add_to_physmap {
    domid_t domid;
    uint16_t size;  /* pages, for a range */
    uint32_t space; /* XENMAPSPACE_* */
    xen_ulong_t idx;
    xen_pfn_t gpfn;
};

/* The same for many; each element has a result of its own in errs. */
struct xen_add_to_physmap_batch {
    domid_t domid;
    uint16_t space; /* XENMAPSPACE_* */
    uint16_t size;
    union {
        domid_t foreign_domid; /* for gmfn_foreign */
        uint16_t res0;         /* else 0 */
    } u;
    xen_ulong_t __guest *idxs;
    xen_pfn_t __guest *gpfns;
    int32_t __guest *errs;
};

struct xen_remove_from_physmap {
    domid_t domid;
    uint16_t hole[3];
    xen_pfn_t gpfn;
};

/*
 * A memory map in the form of the BIOS (e820): 20-byte entries of 64-bit start,
 * 64-bit length, 32-bit type.  For the machine's map, a null buffer asks for
 * the number of entries.
 */
struct xen_memory_map {
    uint32_t nr_entries; /* in: room, out: entries */
    uint32_t hole;
    void __guest *buffer;
};

struct xen_foreign_memory_map {
    domid_t domid;
    uint16_t hole[3];
    struct xen_memory_map map;
};

/* Populate-on-demand; hardware-assisted guests only. */
struct xen_pod_target {
    uint64_t target_pages;
    uint64_t tot_pages;
    uint64_t pod_cache_pages;
    uint64_t pod_entries;
    domid_t domid;
    uint16_t hole[3];
};

/* Regions that firmware reserves for devices. */
struct xen_reserved_device_memory {
    xen_pfn_t start_pfn;
    xen_ulong_t nr_pages;
};

/* -ERANGE, with the number needed in nr_entries, if the buffer is too small. */
struct xen_reserved_device_memory_map {
    uint32_t flags;      /* XENMEM_RDM_ALL */
    uint32_t nr_entries; /* in: room, out: entries */
    struct xen_reserved_device_memory __guest *buffer;
    union {
        struct physdev_pci_device pci;
    } dev;
    uint32_t hole;
};
#define XENMEM_RDM_ALL 1 /* of all devices, not only `dev` */

/* Frames the core keeps for a domain, to be mapped by the toolstack. */
#define XENMEM_resource_ioreq_server 0 /* not for PV */
#define XENMEM_resource_grant_table  1
#define XENMEM_resource_vmtrace_buf  2

#define XENMEM_resource_grant_table_id_shared 0
#define XENMEM_resource_grant_table_id_status 1

/*
 * Answers with mfns, which the caller maps with MMU_PT_UPDATE_NO_TRANSLATE.
 * A null frame_list with nr_frames 0 asks for the size.
 */
struct xen_mem_acquire_resource {
    domid_t domid;
    uint16_t type; /* XENMEM_resource_* */
    uint32_t id;   /* which of that type */
    uint32_t nr_frames;
    uint32_t pad;   /* 0 */
    uint64_t frame; /* first one */
    xen_pfn_t __guest *frame_list;
};

/* A range of guest-physical bytes that belongs to a virtual node. */
struct xen_vmemrange {
    uint64_t start;
    uint64_t end;
    uint32_t flags;
    uint32_t nid;
};

/*
 * The guest's virtual NUMA layout.  Counts: room on entry, filled on return;
 * -ENOBUFS with the counts needed if there is too little.  -EOPNOTSUPP if the
 * domain has none.
 */
struct xen_vnuma_topology_info {
    domid_t domid;
    uint16_t pad;
    uint32_t nr_vnodes;
    uint32_t nr_vcpus;
    uint32_t nr_vmemranges;
    union {
        uint32_t __guest *h; /* nr_vnodes by nr_vnodes distances */
        uint64_t pad;
    } vdistance;
    union {
        uint32_t __guest *h;
        uint64_t pad;
    } vcpu_to_vnode;
    union {
        struct xen_vmemrange __guest *h;
        uint64_t pad;
    } vmemrange;
};

#endif
