/* SPDX-License-Identifier: MIT */
/*
 * dom0 and two guests on the machine, each with page tables of its own making, as
 * a kernel has them at its start.
 */
#ifndef TESTS_ATTACK_WORLD_H
#define TESTS_ATTACK_WORLD_H

#include "tests/attack/machine.h"

#define DOMAINS      3u
#define GUEST_FRAMES 24u

/* What a domain's frames are, by pfn; those from PFN_DATA on are plain memory. */
enum {
    PFN_L4,
    PFN_L3,
    PFN_L2,
    PFN_L1,      /* maps all below, tables read-only, from GUEST_START on */
    PFN_L1_MORE, /* empty, for the 2 MiB after that */
    PFN_USER_L4, /* of user mode; the same below */
    PFN_ARGS,
    PFN_LIST,
    PFN_CALLS,
    PFN_STACK,
    PFN_CODE,
    PFN_DATA,
    PFN_FREE = 18, /* from here on mapped read-only: fit for tables */
};

#define GUEST_START  UINT64_C(0x400000)
#define SLOT_GRANTS  24u /* of the first L1: the first frame of the grant table, */
#define SLOT_SHARED  25u /* the shared info page, */
#define SLOT_STATUS  26u /* and from here on nothing */
#define GUEST_ENTRY  (GUEST_START + PFN_CODE * PAGE_SIZE)
#define ADDRESS(pfn) (GUEST_START + (uint64_t)(pfn)*PAGE_SIZE)

struct guest {
    uint64_t frames[GUEST_FRAMES];
    uint64_t grants, shared; /* frames of the core, lent */
};

extern struct guest guests[DOMAINS]; /* by domain id */
extern uint64_t free_before;         /* frames, before there was any domain */

void world_make(void);

/* All domains go, dom0 last; then everything must be as before. */
void world_end(void);

/* check.c: the invariants of docs/attack.md, of which `what` broke one; then the CPUs may cache. */
void check_all(void);
void check_tlb_fill(void);

/* calls.c: one step of a guest, out of the input; false at its end. */
struct input {
    const uint8_t *at, *end;
};
bool step(struct input *input);

#endif
