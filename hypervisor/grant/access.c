/* SPDX-License-Identifier: MIT */
/*
 * Using one grant: the handshake with the granter over its own entry.
 *
 * The granter may change its entry at any moment, in any way.  Therefore each
 * word of it is read once, an entry counts as ours only after a locked
 * instruction has marked it in use, and from then on the record in struct
 * grant_active is what counts.  Nothing here waits for the granter.
 */
#include "hypervisor/grant/internal.h"
#include "hypervisor/mm/page_type.h"

/* How often a granter may get in the way of marking its entry before we give up. */
#define CLAIM_TRIES 4

/* What an entry must look like, and what using it changes. */
struct grant_claim {
    uint32_t mask, expected; /* of an entry's first word: flags, and the user above */
    uint32_t marks;          /* GTF_reading, GTF_writing */
    uint32_t count;          /* GRANT_USER, GRANT_WRITER */
};

static always_inline uint32_t count_for(unsigned int wanted)
{
    return (wanted & GRANT_WRITE) != 0 ? GRANT_USER + GRANT_WRITER : GRANT_USER;
}

static always_inline struct grant_claim claim_for(domid_t user, unsigned int wanted)
{
    bool write = (wanted & GRANT_WRITE) != 0;

    return (struct grant_claim){
        .mask = 0xffff0000u | GTF_type_mask | (write ? GTF_readonly : 0) |
                ((wanted & GRANT_WHOLE) != 0 ? GTF_sub_page : 0),
        .expected = (uint32_t)user << 16 | GTF_permit_access,
        .marks = GTF_reading | (write ? GTF_writing : 0),
        .count = count_for(wanted),
    };
}

/* Version 1: the entry is one word, and is taken as it was when the marks went in. */
static always_inline int claim_v1(uint64_t *word, struct grant_active *entry, uint32_t use,
                                  struct grant_claim claim)
{
    uint32_t mask = claim.mask | GTF_sub_page; /* there are no parts of pages here */
    uint64_t old = read_once(*word);

    for (unsigned int i = 0; i < CLAIM_TRIES; i++) {
        if (unlikely(((uint32_t)old & mask) != claim.expected)) {
            return GNTST_general_error;
        }
        if (likely(atomic_compare_swap(word, &old, old | claim.marks))) {
            if (likely((use & GRANT_USERS) == 0)) {
                entry->frame = (uint32_t)(old >> 32);
                entry->user = (domid_t)(claim.expected >> 16);
                entry->start = 0;
                entry->end = PAGE_SIZE;
                entry->part = false;
            }
            return 0;
        }
    }
    return GNTST_general_error;
}

static void record_v2(const union grant_entry_v2 *shared, bool part, struct grant_active *entry)
{
    uint64_t frame = read_once(shared->full_page.frame);
    uint32_t range = read_once(shared->__spacer[1]); /* page_off, length */
    uint32_t start = range & 0xffff;
    uint32_t end = start + (range >> 16);

    /* No frame has the number UINT32_MAX: frame_hold() will refuse it. */
    entry->frame = (uint32_t)MIN(frame, UINT32_MAX);
    entry->start = (uint16_t)(part ? start : 0);
    entry->end = (uint16_t)(part ? MIN(end, PAGE_SIZE) : PAGE_SIZE);
    entry->part = part;
}

/* Version 2: the marks have a place of their own.  Mark, then see whether the entry stands. */
static int claim_v2(const struct grant_table *table, grant_ref_t ref, struct grant_active *entry,
                    uint32_t use, struct grant_claim claim)
{
    const union grant_entry_v2 *shared = grant_v2_entry(table, ref);
    grant_status_t *status = grant_v2_status(table, ref);
    uint16_t marks = (uint16_t)claim.marks;
    uint32_t header = read_once(shared->__spacer[0]);

    if (unlikely((header & claim.mask) != claim.expected)) {
        return GNTST_general_error;
    }
    __atomic_fetch_or(status, marks, __ATOMIC_SEQ_CST);
    header = read_once(shared->__spacer[0]);
    if (unlikely((header & claim.mask) != claim.expected)) {
        if ((use & GRANT_USERS) != 0) {
            marks &= (uint16_t)~GTF_reading;
        }
        __atomic_fetch_and(status, (uint16_t)~marks, __ATOMIC_SEQ_CST);
        return GNTST_general_error;
    }
    if ((use & GRANT_USERS) == 0) {
        record_v2(shared, (header & GTF_sub_page) != 0, entry);
        entry->user = (domid_t)(claim.expected >> 16);
    }
    return 0;
}

/* One more user of an entry in use: only who begins to write must ask the granter again. */
static int join(const struct grant_active *entry, uint32_t use, struct grant_claim claim,
                bool *must_ask)
{
    if (entry->user != claim.expected >> 16 || (use & GRANT_USERS) == GRANT_USERS ||
        (entry->part && (claim.mask & GTF_sub_page) != 0)) {
        return GNTST_general_error;
    }
    *must_ask = claim.count != GRANT_USER && (use & GRANT_WRITERS) == 0;
    return 0;
}

int grant_pin(const struct grant_table *table, grant_ref_t ref, domid_t user, unsigned int wanted,
              const struct grant_active **pinned)
{
    struct grant_claim claim = claim_for(user, wanted);
    struct grant_active *entry;
    bool must_ask = true;
    uint32_t use, version;
    int status = 0;

    if (unlikely(!grant_ref_known(table, &ref))) {
        return GNTST_bad_gntref;
    }
    entry = grant_active_of(table, ref);
    *pinned = entry;
    use = grant_lock(table, entry, &version);
    if (unlikely(version != 1 && ref >= atomic_load(&table->frames) * GRANT_V2_ENTRIES)) {
        status = GNTST_bad_gntref;
    } else if (unlikely((use & GRANT_USERS) != 0)) {
        status = join(entry, use, claim, &must_ask);
    }
    if (likely(status == 0) && likely(must_ask)) {
        status = likely(version == 1) ? claim_v1(grant_v1_word(table, ref), entry, use, claim)
                                      : claim_v2(table, ref, entry, use, claim);
    }
    grant_unlock(entry, likely(status == 0) ? use + claim.count : use);
    return status;
}

void grant_unpin(const struct grant_table *table, grant_ref_t ref, unsigned int wanted)
{
    struct grant_active *entry = grant_active_of(table, ref);
    uint32_t use, version, marks = 0;

    use = grant_lock(table, entry, &version) - count_for(wanted);
    if ((use & GRANT_USERS) == 0) {
        marks = GTF_reading;
    }
    if ((wanted & GRANT_WRITE) != 0 && (use & GRANT_WRITERS) == 0) {
        marks |= GTF_writing;
    }
    if (likely(marks != 0)) {
        if (likely(version == 1)) {
            __atomic_fetch_and(grant_v1_word(table, ref), ~(uint64_t)marks, __ATOMIC_SEQ_CST);
        } else {
            __atomic_fetch_and(grant_v2_status(table, ref), (uint16_t)~marks, __ATOMIC_SEQ_CST);
        }
    }
    grant_unlock(entry, use);
}

int frame_hold(mfn_t frame, domid_t owner, bool writable)
{
    struct page *page;
    int error;

    if (unlikely(!frame_get(frame, owner))) {
        return GNTST_bad_page;
    }
    page = page_of(frame);
    if (unlikely((atomic_load_explicit(&page->refs, memory_order_relaxed) & PAGE_REF_CORE) != 0)) {
        page_put(page);
        return GNTST_bad_page;
    }
    if (writable) {
        error = page_writable_get(page);
        if (unlikely(error != 0)) {
            page_put(page);
            return error == -XEN_ERESTART ? GRANT_AGAIN : GNTST_general_error;
        }
    }
    return 0;
}

void frame_let_go(mfn_t frame, bool writable)
{
    struct page *page = page_of(frame);

    if (writable) {
        page_writable_put(page);
    }
    page_put(page);
}
