/* SPDX-License-Identifier: MIT */
/*
 * What the files of hypervisor/grant share: docs/hypervisor/grants.md.
 *
 * Two sides.  As a granter a domain has shared frames, which it writes, and for
 * each entry in them a `struct grant_active`, which only the core writes: once
 * an entry is in use, everything is taken from there.  As a mapper it has
 * handles, each a `struct grant_track`.  A grant is used in pairs of
 * grant_pin() and grant_unpin(), of frame_hold() and frame_let_go().
 */
#pragma once

#include "hypervisor/grant/grant.h"
#include "hypervisor/lib/atomic.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/x86/percpu.h"

#define GRANT_V1_ENTRIES     512u /* in a shared frame */
#define GRANT_V2_ENTRIES     256u
#define GRANT_STATUS_ENTRIES 2048u /* in a status frame (version 2) */
#define GRANT_TRACK_ENTRIES  256u  /* in a map-track frame */

_Static_assert(GRANT_V1_ENTRIES * sizeof(struct grant_entry_v1) == PAGE_SIZE, "version 1");
_Static_assert(GRANT_V2_ENTRIES * sizeof(union grant_entry_v2) == PAGE_SIZE, "version 2");
_Static_assert(GRANT_STATUS_ENTRIES * sizeof(grant_status_t) == PAGE_SIZE, "status");

/*
 * The core's own record of an entry.  `use` is its lock as well: the other
 * fields are read and written by who set GRANT_LOCKED, and mean something while
 * the count of users is not 0.
 */
struct grant_active {
    _Atomic uint32_t use; /* GRANT_LOCKED, count of writers, count of users */
    uint32_t frame;
    domid_t user;        /* the only domain that uses it */
    uint16_t start, end; /* bytes of the frame that are granted */
    bool part;           /* GTF_sub_page: not to be mapped */
};

_Static_assert(sizeof(struct grant_active) == 16, "two for each v2 entry's 16 bytes, no more");

#define GRANT_USER    0x00000001u
#define GRANT_USERS   0x00007fffu /* refused beyond */
#define GRANT_WRITER  0x00010000u
#define GRANT_WRITERS 0x7fff0000u
#define GRANT_LOCKED  0x80000000u

/* One mapping, named by its handle. */
struct grant_track {
    struct domain *granter; /* a reference, while in use */
    _Atomic uint32_t ref;   /* in use: which grant; free: the next free handle + 1, or 0 */
    _Atomic uint32_t state; /* TRACK_*; 0 while free or being set up */
};

#define TRACK_FLAGS 0x1fu /* GNTMAP_*; device_map and host_map: what is still mapped */
#define TRACK_PARTS (GNTMAP_device_map | GNTMAP_host_map)
#define TRACK_BUSY  0x80000000u /* being unmapped */

#define TRACK_NONE UINT32_MAX /* no handle */

_Static_assert(sizeof(struct grant_track) * GRANT_TRACK_ENTRIES == PAGE_SIZE, "map track");

struct grant_table {
    struct spinlock lock;     /* RANK_GRANT: changes of size and version */
    _Atomic uint32_t frames;  /* grows only; what it covers below stays until the end */
    _Atomic uint32_t version; /* 1 or 2; 0 while it is being changed */
    uint32_t status_frames;   /* allocated */
    uint32_t max_frames;      /* never changed, as are the pointers to these four arrays */
    uint32_t max_track_frames;
    void **shared;                /* frames */
    struct grant_active **active; /* GRANT_V1_ENTRIES for each shared frame, by reference */
    grant_status_t **status;

    struct grant_track **track; /* made when the first handle is taken; under `lock` */
    _Atomic uint32_t track_frames;
    uint32_t release_cursor;     /* grant_table_release_mappings(): next handle */
    _Atomic uint64_t track_free; /* first free handle + 1, or 0; in bits 32-63 a number that
                                    changes each time */
};

/* Only what `table` has space for may be asked of these. */
static inline uint64_t *grant_v1_word(const struct grant_table *table, grant_ref_t ref)
{
    return (uint64_t *)table->shared[ref / GRANT_V1_ENTRIES] + ref % GRANT_V1_ENTRIES;
}

static inline union grant_entry_v2 *grant_v2_entry(const struct grant_table *table, grant_ref_t ref)
{
    return (union grant_entry_v2 *)table->shared[ref / GRANT_V2_ENTRIES] + ref % GRANT_V2_ENTRIES;
}

static inline grant_status_t *grant_v2_status(const struct grant_table *table, grant_ref_t ref)
{
    return table->status[ref / GRANT_STATUS_ENTRIES] + ref % GRANT_STATUS_ENTRIES;
}

static inline uint32_t grant_status_needed(uint32_t frames)
{
    return DIV_ROUND_UP(frames, GRANT_STATUS_ENTRIES / GRANT_V2_ENTRIES);
}

/* ---- access.c --------------------------------------------------------------------------- */

/* Does the table have space for such a reference (in version 1)?  Asked of each from a guest. */
static inline bool grant_ref_known(const struct grant_table *table, grant_ref_t *ref)
{
    uint32_t frames = atomic_load_explicit(&table->frames, memory_order_acquire);

    return likely(index_below(ref, frames * GRANT_V1_ENTRIES));
}

static inline struct grant_active *grant_active_of(const struct grant_table *table, grant_ref_t ref)
{
    return &table->active[ref / GRANT_V1_ENTRIES][ref % GRANT_V1_ENTRIES];
}

static inline void grant_unlock(struct grant_active *entry, uint32_t use)
{
    atomic_store_explicit(&entry->use, use, memory_order_release);
}

/*
 * Lock one entry; returns its counts.  *version is the table's, which stays as
 * long as the entry is locked: a change stores 0 and then looks at each lock,
 * we lock and then look at the version, so one of us sees the other.
 */
static always_inline uint32_t grant_lock(const struct grant_table *table,
                                         struct grant_active *entry, uint32_t *version)
{
    for (;;) {
        uint32_t use = atomic_load_explicit(&entry->use, memory_order_relaxed);

        if (likely((use & GRANT_LOCKED) == 0) &&
            likely(atomic_compare_exchange_strong(&entry->use, &use, use | GRANT_LOCKED))) {
            *version = atomic_load(&table->version);
            if (likely(*version != 0)) {
                return use;
            }
            grant_unlock(entry, use);
        }
        spin_wait();
    }
}

/* How a grant is wanted. */
#define GRANT_READ  0x0u
#define GRANT_WRITE 0x1u
#define GRANT_WHOLE 0x2u /* to map it: no part of a page */

/*
 * `user` begins to use a grant of `table` as `wanted` (GRANT_*): the granter sees it
 * in use until grant_unpin() with the same.  The record in *pinned stays as it is
 * until then; it is not yet a reference to the frame.  0 or GNTST_*.
 */
int must_check grant_pin(const struct grant_table *table, grant_ref_t ref, domid_t user,
                         unsigned int wanted, const struct grant_active **pinned);
void grant_unpin(const struct grant_table *table, grant_ref_t ref, unsigned int wanted);

/* The frame of a grant the caller has pinned. */
static inline mfn_t grant_pinned_frame(const struct grant_table *table, grant_ref_t ref)
{
    return mfn(grant_active_of(table, ref)->frame);
}

/* Not an ABI status: the work takes longer, come again for the same element. */
#define GRANT_AGAIN 1

/*
 * A reference to ordinary memory of `owner`, and the right to write it: 0,
 * GNTST_bad_page, GNTST_general_error (in use as a page table), GRANT_AGAIN.
 */
int must_check frame_hold(mfn_t frame, domid_t owner, bool writable);
void frame_let_go(mfn_t frame, bool writable);

/* ---- track.c ----------------------------------------------------------------------------- */

uint32_t track_take(struct grant_table *table); /* TRACK_NONE: no more */
void track_give_back(struct grant_table *table, uint32_t first, struct grant_track *last);

/* NULL if there never was such a handle. */
static inline struct grant_track *track_of(const struct grant_table *table, uint32_t handle)
{
    uint32_t frames = atomic_load_explicit(&table->track_frames, memory_order_acquire);

    if (unlikely(!index_below(&handle, frames * GRANT_TRACK_ENTRIES))) {
        return NULL;
    }
    return &table->track[handle / GRANT_TRACK_ENTRIES][handle % GRANT_TRACK_ENTRIES];
}

void track_destroy(struct grant_table *table);

/* May its grants be used?  Not while it is taken apart. */
static inline bool grant_usable(const struct domain *granter)
{
    return granter != NULL && !domain_is_dying(granter) && granter->grants != NULL;
}

/* ---- what the commands share ----------------------------------------------------------------- */

/*
 * The domain a command is about: 0 and a reference, or GNTST_*.  Others' tables
 * are the control domain's business only.
 */
int must_check grant_command_domain(domid_t id, struct domain **domain);

/* The whole array of requests is outside the core's part of the address space. */
static inline bool array_ok(uint64_t argument, uint32_t count, uint64_t size)
{
    uint64_t end = argument + count * size;

    return end >= argument && (end <= CORE_START || argument >= CORE_END);
}

/*
 * Answer a request: write the 8 bytes of it from `at` on, at the address it was
 * read from, which therefore is the guest's.  0 or -XEN_EFAULT.
 */
static always_inline int must_check answer_word(uint64_t request, size_t at, const void *answer)
{
    uint64_t word;

    __builtin_memcpy(&word, (const uint8_t *)answer + at, sizeof(word));
    guest_access_begin();
    guest_write_word(request + at, word, fault);
    guest_access_end();
    return 0;
fault:
    guest_access_end();
    return -XEN_EFAULT;
}

/* Go on later with the element at `argument`; `count` are left. */
long grant_continue(uint32_t operation, uint64_t argument, uint32_t count);

/*
 * Commands, named after GNTTABOP_*.  `argument` is the guest's array, any address.
 */
long grant_map(uint64_t argument, uint32_t count);
long grant_unmap(uint64_t argument, uint32_t count, uint32_t operation); /* and _and_replace */
long grant_copy(uint64_t argument, uint32_t count);
long grant_cache_flush(uint64_t argument, uint32_t count);
long grant_setup_table(uint64_t argument);
long grant_status_frames(uint64_t argument);
long grant_query_size(uint64_t argument);
long grant_set_version(uint64_t argument);
long grant_get_version(uint64_t argument);

/* The status frames that version 2 needs beside so many shared ones. */
int must_check grant_add_status(struct grant_table *table, domid_t owner, uint32_t frames)
    REQUIRES(table->lock);
