/* SPDX-License-Identifier: MIT */
/*
 * Grant tables: a domain lets another one map or copy single frames of its memory.
 */
#pragma once

#include "guest-pv-headers/grant_table.h"
#include "hypervisor/domain/domain.h"

/*
 * Limits of one domain; 0 stands for the defaults (64 frames, 1024 map-track
 * frames).  -XEN_EINVAL if one is beyond GRANT_FRAMES_MAX or GRANT_TRACK_MAX.
 */
#define GRANT_FRAMES_DEFAULT 64u
#define GRANT_FRAMES_MAX     1024u
#define GRANT_TRACK_DEFAULT  1024u
#define GRANT_TRACK_MAX      16384u
int must_check grant_table_create(struct domain *domain, uint32_t max_frames,
                                  uint32_t max_maptrack_frames);

/*
 * The domain dies: end its mappings of others' frames, so that their owners see
 * the grants as unused.  None of its vCPUs runs any more, and its page tables
 * have been taken apart: they held the frames.  -XEN_ERESTART to be called again.
 */
int must_check grant_table_release_mappings(struct domain *domain);

/*
 * Its last reference is gone, so no mapping of its frames is left either: each
 * holds a reference.  Does nothing where there is no table.
 */
void grant_table_destroy(struct domain *domain);

/*
 * XENMEM_acquire_resource's and add_to_physmap's way to the frames: the n-th
 * shared or status frame, growing the table to it.  -XEN_EINVAL beyond the limit
 * or without version 2, -XEN_ENOMEM.
 */
int must_check grant_table_frame(struct domain *domain, uint32_t index, bool status, mfn_t *frame);

void grant_dump(const struct domain *domain); /* debug key */

/*
 * Provided by pv/grant_mapping.c: put a mapping into, or take it out of, the
 * caller's page tables.  host_addr is as in the ABI: a virtual address, or the
 * machine address of an L1 entry with GNTMAP_contains_pte.  `flags` are GNTMAP_*
 * as they were when it was mapped.  Errors are GNTST_*.
 *
 * An entry in a table owns a reference to the frame, and a writable use if it is
 * writable.  pv_grant_map() takes over the caller's when it succeeds (what was
 * mapped there before is released); pv_grant_unmap() hands them to the caller.
 * Nobody flushes but grant/, once for each batch.
 */
int must_check pv_grant_map(uint64_t host_addr, uint32_t flags, uint64_t entry);

/*
 * Refused (GNTST_general_error) unless the entry maps `frame` and is writable
 * exactly if flags lack GNTMAP_readonly: else references would not balance.
 * In its place comes the entry of the virtual address new_host_addr, which is
 * cleared; 0 for none.
 */
int must_check pv_grant_unmap(uint64_t host_addr, uint32_t flags, mfn_t frame,
                              uint64_t new_host_addr);
