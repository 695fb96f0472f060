/* SPDX-License-Identifier: MIT */
/*
 * What the tests of grant tables share: a granter, a mapper, a stranger, and
 * fake page tables of the caller, as a list of entries by address.
 */
#ifndef TESTS_UNIT_GRANT_RIG_H
#define TESTS_UNIT_GRANT_RIG_H

#include "hypervisor/grant/internal.h"

#define GRANTER 1
#define MAPPER  2
#define FRAMES  2u /* limits of the rig's tables: small, to be reached */
#define TRACKS  2u
#define HANDLES (TRACKS * GRANT_TRACK_ENTRIES)

extern struct domain *granter, *mapper, *control;

/* Three domains with tables of version 1; the mapper is `current`. */
void rig_start(void);
/* Gives everything back, and checks that nothing of the core's memory is left. */
void rig_end(void);
void rig_use_version(struct domain *domain, uint32_t version);

/* Write an entry as a guest does: of either version, for a whole page. */
void rig_grant(grant_ref_t ref, uint32_t flags, domid_t user, uint64_t frame);
void rig_grant_part(grant_ref_t ref, uint32_t flags, domid_t user, uint64_t frame,
                    uint32_t range); /* page_off, length << 16 */
/* GTF_reading and GTF_writing as the granter sees them; its other flags. */
uint16_t rig_marks(grant_ref_t ref);
uint16_t rig_flags(grant_ref_t ref);
uint32_t rig_users(grant_ref_t ref);

/* grant_pin() and grant_unpin() with GRANT_*; what was pinned. */
struct rig_extent {
    mfn_t frame;
    uint32_t start, end;
};
int rig_pin(domid_t user, grant_ref_t ref, unsigned int wanted, struct rig_extent *extent);
void rig_unpin(grant_ref_t ref, unsigned int wanted);

/* A page of the domain's, its frame, its contents. */
struct page *rig_page(struct domain *domain);
uint64_t rig_frame(const struct page *page);

/* The caller's page tables: entries at addresses from PT_START on. */
#define PT_START      UINT64_C(0x10000000)
#define PT_ENTRIES    1024u
#define PT_ADDRESS(n) (PT_START + (n)*PAGE_SIZE)
extern uint64_t pt[PT_ENTRIES];
extern uint32_t pt_flags[PT_ENTRIES]; /* GNTMAP_* it was mapped with */
extern int pt_refuse;                 /* what pv_grant_map() and _unmap() answer, if not 0 */
extern void (*flush_hook)(void);      /* called at each flush of the TLB */
extern unsigned int flushes;

/* From here on guest memory can be read but not written; NULL for none. */
extern const void *read_only_start;
extern void (*answer_hook)(void); /* called before each answer is written */

/* Run the hypercall to its end, through all continuations; *calls counts them. */
long rig_op_calls(uint32_t operation, void *argument, uint32_t count, unsigned int *calls);
long rig_op(uint32_t operation, void *argument, uint32_t count);

/* One mapping at PT_ADDRESS(n); returns the status, *op is the whole answer. */
int rig_map(grant_ref_t ref, uint32_t flags, unsigned int n, struct gnttab_map_grant_ref *op);
int rig_unmap(const struct gnttab_map_grant_ref *map);

/* All that a failed or undone request must leave alone. */
struct rig_state {
    uint64_t refs, uses, granter_references;
    uint64_t free_track;
    uint64_t word;
    uint32_t users;
    unsigned int mapped;
};
struct rig_state rig_state(const struct page *page, grant_ref_t ref);
void rig_expect_same(const struct rig_state *before, const struct page *page, grant_ref_t ref);

#endif
