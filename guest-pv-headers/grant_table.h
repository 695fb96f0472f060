/* SPDX-License-Identifier: MIT */
/*
 * Grants: a domain lets another use a page of its, by an entry in a table in its
 * own memory.  The entry's index, the reference, is what the other is told.
 *
 * grant_table_op(command, array, count) carries out `count` requests; each has
 * its own status (GNTST_*).  The call itself fails only where the array cannot
 * be used or the command is unknown.
 */
#ifndef GUEST_PV_HEADERS_GRANT_TABLE_H
#define GUEST_PV_HEADERS_GRANT_TABLE_H

#include "guest-pv-headers/xen.h"

typedef uint32_t grant_ref_t;
typedef uint32_t grant_handle_t; /* names a mapping; the caller's */
typedef uint16_t grant_status_t; /* one of the v2 status array: GTF_reading, GTF_writing */

/*
 * The table.  To grant, write everything else of an entry first and its flags
 * last.  To take back, compare-and-exchange flags to 0 while neither GTF_reading
 * nor GTF_writing is set (v2: look at the status array).
 */

/* Type of an entry, in the low bits of its flags. */
#define GTF_invalid         0x0u
#define GTF_permit_access   0x1u
#define GTF_accept_transfer 0x2u
#define GTF_transitive      0x3u
#define GTF_type_mask       0x3u

/* Flags of GTF_permit_access.  Written by the granter, except reading and writing. */
#define _GTF_readonly 2
#define _GTF_reading  3
#define _GTF_writing  4
#define _GTF_PWT      5
#define _GTF_PCD      6
#define _GTF_PAT      7
#define _GTF_sub_page 8
#define GTF_readonly  0x004u
#define GTF_reading   0x008u /* in use now */
#define GTF_writing   0x010u /* in use now, writably */
#define GTF_PWT       0x020u /* cache attributes of the mapping */
#define GTF_PCD       0x040u
#define GTF_PAT       0x080u
#define GTF_sub_page  0x100u /* v2: a part of the page, to be copied only */

/* Flags of GTF_accept_transfer, written by the core. */
#define _GTF_transfer_committed 2
#define _GTF_transfer_completed 3
#define GTF_transfer_committed  0x4u
#define GTF_transfer_completed  0x8u

/* Entries the toolstack fills in for a new domain. */
#define GNTTAB_NR_RESERVED_ENTRIES 8
#define GNTTAB_RESERVED_CONSOLE    0
#define GNTTAB_RESERVED_XENSTORE   1

struct grant_entry_v1 {
    uint16_t flags; /* GTF_* */
    domid_t domid;  /* who may use it */
    uint32_t frame; /* gmfn */
};

/* What all forms of a v2 entry begin with. */
struct grant_entry_header {
    uint16_t flags;
    domid_t domid;
};

/* Version 2: frames beyond 32 bits, parts of pages, a grant passed on. */
union grant_entry_v2 {
    struct grant_entry_header hdr;
    struct {
        struct grant_entry_header hdr;
        uint32_t pad0;
        uint64_t frame;
    } full_page;
    struct {
        struct grant_entry_header hdr;
        uint16_t page_off; /* bytes */
        uint16_t length;
        uint64_t frame;
    } sub_page;
    struct {
        struct grant_entry_header hdr;
        domid_t trans_domid;
        uint16_t pad0;
        grant_ref_t gref;
    } transitive;
    uint32_t __spacer[4];
};

/* Commands; the argument of GNTTABOP_x is an array of struct gnttab_x. */
#define GNTTABOP_map_grant_ref     0
#define GNTTABOP_unmap_grant_ref   1
#define GNTTABOP_setup_table       2
#define GNTTABOP_dump_table        3
#define GNTTABOP_transfer          4
#define GNTTABOP_copy              5
#define GNTTABOP_query_size        6
#define GNTTABOP_unmap_and_replace 7
#define GNTTABOP_set_version       8
#define GNTTABOP_get_status_frames 9
#define GNTTABOP_get_version       10
#define GNTTABOP_swap_grant_ref    11
#define GNTTABOP_cache_flush       12

/* Status of a request. */
#define GNTST_okay              0
#define GNTST_general_error     (-1)
#define GNTST_bad_domain        (-2)
#define GNTST_bad_gntref        (-3) /* no such entry, or not for this domain */
#define GNTST_bad_handle        (-4)
#define GNTST_bad_virt_addr     (-5)
#define GNTST_bad_dev_addr      (-6)
#define GNTST_no_device_space   (-7)
#define GNTST_permission_denied (-8)
#define GNTST_bad_page          (-9)
#define GNTST_bad_copy_arg      (-10) /* crosses the end of a page */
#define GNTST_address_too_big   (-11)
#define GNTST_eagain            (-12) /* not now: ask again */
#define GNTST_no_space          (-13)

/* Flags of a mapping. */
#define _GNTMAP_device_map      0
#define _GNTMAP_host_map        1
#define _GNTMAP_readonly        2
#define _GNTMAP_application_map 3
#define _GNTMAP_contains_pte    4
#define _GNTMAP_guest_avail0    16
#define GNTMAP_device_map       0x01u /* for devices: dev_bus_addr is the answer */
#define GNTMAP_host_map         0x02u /* for the CPU, at host_addr */
#define GNTMAP_readonly         0x04u
#define GNTMAP_application_map  0x08u       /* user mode may use it */
#define GNTMAP_contains_pte     0x10u       /* host_addr is the machine address of an L1 entry */
#define GNTMAP_guest_avail_mask 0xffff0000u /* for the entry's software bits; 3 of them fit */

/* Maps a granted page.  Whoever maps must unmap with the handle, not by other means. */
struct gnttab_map_grant_ref {
    uint64_t host_addr; /* virtual address, or see GNTMAP_contains_pte */
    uint32_t flags;     /* GNTMAP_* */
    grant_ref_t ref;
    domid_t dom;    /* the granter */
    int16_t status; /* out, as are all below */
    grant_handle_t handle;
    uint64_t dev_bus_addr; /* machine address of the page */
};

/* Undoes a mapping.  An address of 0 leaves that half as it is.  TLBs are clean on return. */
struct gnttab_unmap_grant_ref {
    uint64_t host_addr;
    uint64_t dev_bus_addr;
    grant_handle_t handle;
    int16_t status; /* out */
    uint16_t hole;
};

/* Unmaps and puts the mapping found at the virtual address new_addr (0: none) in its place. */
struct gnttab_unmap_and_replace {
    uint64_t host_addr;
    uint64_t new_addr;
    grant_handle_t handle;
    int16_t status; /* out */
    uint16_t hole;
};

/* One end of a copy: a grant (GNTCOPY_*_gref) or a page of the domain itself. */
struct gnttab_copy_ptr {
    union {
        grant_ref_t ref;
        xen_pfn_t gmfn;
    } u;
    domid_t domid;
    uint16_t offset; /* bytes into the page */
    uint32_t hole;
};

/* Copies inside one page each. */
struct gnttab_copy {
    struct gnttab_copy_ptr source;
    struct gnttab_copy_ptr dest;
    uint16_t len;   /* bytes */
    uint16_t flags; /* GNTCOPY_* */
    int16_t status; /* out */
    uint16_t hole;
};
#define _GNTCOPY_source_gref 0
#define GNTCOPY_source_gref  0x1u
#define _GNTCOPY_dest_gref   1
#define GNTCOPY_dest_gref    0x2u

/* Gives a page away for good.  Not offered: refused with GNTST_general_error or -EOPNOTSUPP. */
struct gnttab_transfer {
    xen_pfn_t mfn;
    domid_t domid;
    uint16_t hole0;
    grant_ref_t ref;
    int16_t status; /* out */
    uint16_t hole1[3];
};

/* Makes the table at least nr_frames pages long and tells their frames. */
struct gnttab_setup_table {
    domid_t dom;
    uint16_t hole0;
    uint32_t nr_frames;
    int16_t status; /* out */
    uint16_t hole1[3];
    xen_pfn_t __guest *frame_list;
};

/* How long the table is and may become. */
struct gnttab_query_size {
    domid_t dom;
    uint16_t hole0;
    uint32_t nr_frames; /* out, as are all below */
    uint32_t max_nr_frames;
    int16_t status;
    uint16_t hole1;
};

/* Prints the table on the console; privileged domains. */
struct gnttab_dump_table {
    domid_t dom;
    int16_t status; /* out */
};

/* Changes the caller's table to version 1 or 2; -EBUSY while entries are in use. */
struct gnttab_set_version {
    uint32_t version; /* out: the one in force */
};

struct gnttab_get_version {
    domid_t dom;
    uint16_t pad;
    uint32_t version; /* out */
};

/* Frames of the v2 status array. */
struct gnttab_get_status_frames {
    uint32_t nr_frames;
    domid_t dom;
    int16_t status; /* out */
    uint64_t __guest *frame_list;
};

/* Exchanges two unused entries of the caller's table. */
struct gnttab_swap_grant_ref {
    grant_ref_t ref_a;
    grant_ref_t ref_b;
    int16_t status; /* out */
    uint16_t hole;
};

/* Writes back or drops cache lines of a granted page. */
struct gnttab_cache_flush {
    union {
        uint64_t dev_bus_addr;
        grant_ref_t ref; /* with GNTTAB_CACHE_SOURCE_GREF */
    } a;
    uint16_t offset; /* bytes */
    uint16_t length;
    uint32_t op; /* GNTTAB_CACHE_* */
};
#define GNTTAB_CACHE_CLEAN       0x1u
#define GNTTAB_CACHE_INVAL       0x2u
#define GNTTAB_CACHE_SOURCE_GREF 0x80000000u

#endif
