/* SPDX-License-Identifier: MIT */
/*
 * The frame table: who owns a frame, who refers to it, what it is used for.
 *
 * `refs` counts references of any kind (mappings, pins, grants, the core's own);
 * a frame returns to the heap when the last one goes.  `use` holds the frame's
 * type, the count of uses of that type and how far validation got: the states
 * and transitions are in mm/page_type.h.  A use always comes with a reference.
 *
 * Both words change only by compare-and-exchange, from any CPU, without a lock.
 */
#pragma once

#include "guest-pv-headers/xen.h"
#include "hypervisor/lib/atomic.h"
#include "hypervisor/lib/lock.h"
#include "hypervisor/x86/address_space.h"

/* 32 bytes, so that index and pointer turn into each other by a shift. */
struct page {
    _Atomic uint64_t refs; /* PAGE_REF_* */
    _Atomic uint64_t use;  /* PAGE_USE_* in mm/page_type.h */
    uint32_t next, prev;   /* in its owner's list, or in the heap's; frame numbers, 0 ends */
    uint32_t tlb_stamp;    /* tlb_clock() when it was last writable or freed */
    _Atomic uint32_t lock; /* of a page table's entries (page_table_lock); no one else's */
};

_Static_assert(sizeof(struct page) == 32, "struct page");

/* refs: bits 0-31 count, 32-47 owner's domain id, flags above. */
#define PAGE_REF_COUNT     UINT64_C(0x00000000ffffffff)
#define PAGE_REF_OWNER     UINT64_C(0x0000ffff00000000)
#define PAGE_REF_ALLOCATED (UINT64_C(1) << 62) /* the owner's own reference is in the count */
#define PAGE_REF_CORE      (UINT64_C(1) << 61) /* the core's memory, lent to the owner */
#define PAGE_REF_FOREIGN \
    (UINT64_C(1) << 60)                    /* another domain has mapped it since it was given out */
#define PAGE_REF_FREE  (UINT64_C(1) << 63) /* in the heap: count 0, no owner */
#define PAGE_REF_CLEAN (UINT64_C(1) << 59) /* free and zero, and all that merged with it */
#define PAGE_REF_LIMIT UINT64_C(0x00000000fffffff0) /* page_get() refuses beyond */

/* Owners that are not domains, beside DOMID_IO (device memory) and DOMID_XEN (readable by dom0). */
#define OWNER_CORE ((domid_t)0xffff)
#define OWNER_NONE ((domid_t)0xfffe)

static inline uint64_t page_ref_owner_bits(domid_t owner)
{
    return (uint64_t)owner << 32;
}

#ifdef PARAVANE_CORE
#define frame_table ((struct page *)FRAME_TABLE)
#else
extern struct page *frame_table; /* tests/fake */
#endif

/* Frames from 0 to this have an entry in the frame table. */
extern uint64_t frame_limit;

static inline struct page *page_of(mfn_t frame)
{
    return &frame_table[frame.number];
}

static inline mfn_t page_frame(const struct page *page)
{
    return mfn((uint64_t)(page - frame_table));
}

/* Does the frame have an entry?  What came from a guest is asked this first. */
static inline bool frame_valid(mfn_t frame)
{
    return frame.number < frame_limit;
}

static inline domid_t page_owner(const struct page *page)
{
    return (domid_t)(atomic_load_explicit(&page->refs, memory_order_relaxed) >> 32);
}

static inline void *page_address(const struct page *page)
{
    return direct_map_mfn(page_frame(page));
}

/*
 * The machine-to-physical table: for each frame, the number its owner knows it by.
 * Guests read it directly (read-only) at its ABI address.
 */
#define M2P_NONE UINT64_MAX /* the frame has no number: free, or the core's */

#ifdef PARAVANE_CORE
#define m2p_table ((uint64_t *)M2P_START)
#else
extern uint64_t *m2p_table;      /* tests/fake */
#endif

static inline void m2p_set(mfn_t frame, pfn_t number)
{
    write_once(m2p_table[frame.number], number.number);
}

/*
 * A reference to a frame that belongs to `owner`; false if it does not, or has
 * no reference now, or more than `limit`.
 */
static inline bool must_check page_get_within(struct page *page, domid_t owner, uint64_t limit)
{
    uint64_t old = atomic_load_explicit(&page->refs, memory_order_relaxed);

    do {
        if (unlikely((old & PAGE_REF_OWNER) != page_ref_owner_bits(owner)) ||
            unlikely((old & PAGE_REF_COUNT) - 1 >= limit)) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&page->refs, &old, old + 1,
                                                    memory_order_acquire, memory_order_relaxed));
    return true;
}

/* For whatever a guest may cause. */
static inline bool must_check page_get(struct page *page, domid_t owner)
{
    return page_get_within(page, owner, PAGE_REF_LIMIT);
}

/* As page_get(), for a frame named by a guest. */
static inline bool must_check frame_get(mfn_t frame, domid_t owner)
{
    return frame_valid(frame) && page_get(page_of(frame), owner);
}

/* The last reference went: give the frame back (mm/page.c). */
void page_release(struct page *page);

/* Another domain than the owner maps it: any CPU may come to hold a translation of it. */
static inline void page_mark_foreign(struct page *page)
{
    if ((atomic_load_explicit(&page->refs, memory_order_relaxed) & PAGE_REF_FOREIGN) == 0) {
        atomic_fetch_or_explicit(&page->refs, PAGE_REF_FOREIGN, memory_order_relaxed);
    }
}

static inline void page_put(struct page *page)
{
    uint64_t old = atomic_fetch_sub_explicit(&page->refs, 1, memory_order_release);

    if (unlikely((old & PAGE_REF_COUNT) == 1)) {
        page_release(page);
    }
}

/* Drop the owner's own reference (once); false if that was done before. */
bool page_disown(struct page *page);

/* Lists linked through struct page; the head is the number of the first frame, 0 of an empty one.
 */
static inline void page_list_push(uint32_t *head, struct page *page)
{
    page->prev = 0;
    page->next = *head;
    *head = (uint32_t)page_frame(page).number;
    if (page->next != 0) {
        page_of(mfn(page->next))->prev = *head;
    }
}

static inline void page_list_remove(uint32_t *head, const struct page *page)
{
    if (page->prev != 0) {
        page_of(mfn(page->prev))->next = page->next;
    } else {
        *head = page->next;
    }
    if (page->next != 0) {
        page_of(mfn(page->next))->prev = page->prev;
    }
}

/* The first, taken out; NULL of an empty list. */
static inline struct page *page_list_pop(uint32_t *head)
{
    struct page *page = *head == 0 ? NULL : page_of(mfn(*head));

    if (page != NULL) {
        page_list_remove(head, page);
    }
    return page;
}

/*
 * Lend a frame of the core (an allocated frame, say of a shared info page) to a
 * domain, which may then map it, writable or not.  It can never become a page
 * table.  page_unlend() takes it back: true if no reference is left but ours;
 * otherwise the frame goes back to the heap when the last one is dropped.
 */
void page_lend(struct page *page, domid_t owner, bool writable);
bool page_unlend(struct page *page);

/* Made by domain/domain.c: a frame of this owner has no reference any more. */
void domain_page_gone(domid_t owner, struct page *page);

/*
 * The lock of a page table's entries.  It may be taken on a frame of any kind:
 * whoever holds it and finds a table in use (page_is()) keeps the table from
 * being invalidated, and so from being freed, without any reference.
 */
static inline bool page_table_trylock(struct page *page)
{
    return atomic_exchange_explicit(&page->lock, 1, memory_order_acquire) == 0;
}

static inline void page_table_lock(struct page *page)
{
    while (!page_table_trylock(page)) {
        spin_wait();
    }
}

static inline void page_table_unlock(struct page *page)
{
    atomic_store_explicit(&page->lock, 0, memory_order_release);
}
