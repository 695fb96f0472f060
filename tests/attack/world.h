/* SPDX-License-Identifier: MIT */
/*
 * dom0 and two guests on the machine, each with page tables of its own making, as
 * a kernel has them at its start.
 */
#ifndef TESTS_ATTACK_WORLD_H
#define TESTS_ATTACK_WORLD_H

#include "guest-pv-headers/grant_table.h"
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

/*
 * unchanged.c: before a hypercall, and after it; in it, an answer goes to this frame.  A
 * reservation's first call, and its last.
 */
void unchanged_begin(const struct cpu_regs *regs);
void unchanged_end(const struct cpu_regs *regs);
void unchanged_written(uint64_t frame);
void reservation_begin(const struct cpu_regs *regs);
void reservation_end(const struct cpu_regs *regs);

/*
 * fetch.c: a hypercall begins, which reads nothing twice; how what it reads is overwritten
 * (0: not).  Then each of its reads, after it.
 */
void fetch_begin(bool reads_once, uint8_t how);
void fetch_done(uint64_t address, size_t size);

/* limits.c: bring a counter so near its limit that few are left; tell what is held; let go. */
enum limit { LIMIT_REFERENCES, LIMIT_USES, LIMIT_GRANT };
void limits_hold_frame(enum limit kind, uint64_t frame, unsigned int left);
void limits_hold_grant(domid_t id, grant_ref_t ref, unsigned int left);
void limits_expect(void (*held)(uint64_t frame, uint64_t refs, uint64_t uses));
uint64_t limits_users(const struct domain *granter);
void limits_release(void);

/* waits.c: a guest wrote to this frame, or may have to any; does anybody wait for ever? */
void waits_written(uint64_t frame);
void waits_unknown(void);
void waits_check(void);

/* calls.c: one step of a guest, out of the input; false at its end. */
struct input {
    const uint8_t *at, *end;
};
bool step(struct input *input);

#endif
