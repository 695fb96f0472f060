/* SPDX-License-Identifier: MIT */
/*
 * What a guest's frame may be used for.
 *
 * A frame has at most one type at a time, and a count of the uses of that type.
 * The isolation of guests rests on one rule: a frame that is a page table or a
 * descriptor table is never writable by a guest at the same time.
 *
 * Tables are validated when their first use begins and invalidated when their
 * last use ends; both can be interrupted half way.  Then the table is PARTIAL:
 * nobody uses it, its entries below the cursor still hold their references, and
 * the state itself holds one reference to the frame.  From there it goes either
 * way: up, when the same type is wanted again, or down, when another is.
 *
 *                              get        get          put            entries up to
 *   state      count  cursor   (same)     (other)      (last)         the cursor held
 *   ---------  -----  ------   ---------  ----------   ------------   ---------------
 *   FREE       0      0        BUSY       BUSY         bug            none
 *   BUSY       0      any      wait       refused      bug            below it
 *   PARTIAL    0      any      BUSY, up   BUSY, down   bug            below it
 *   IN_USE     >= 1   512      count+1    refused      BUSY, down     all
 *
 * BUSY belongs to one CPU, which leaves it upwards to IN_USE (all entries hold),
 * downwards to FREE (none does), or to PARTIAL.  To wait for one that becomes
 * something else would be to wait for oneself where tables form a loop.  Types
 * without entries are BUSY only for the flush before their first use, and for
 * the stamp after their last.  FREE remembers the last type: changing it flushes
 * the translations that may be left of it.
 *
 * page_use_get() and page_use_put() are that table: no side effects, so that
 * tests/unit/test_page_type.c can try every state with every event.
 */
#pragma once

#include "guest-pv-headers/errno.h"
#include "hypervisor/mm/page.h"

enum page_type {
    PAGE_NONE,
    PAGE_L1, /* the number is the level */
    PAGE_L2,
    PAGE_L3,
    PAGE_L4,
    PAGE_SEGMENTS, /* a frame of a GDT or LDT */
    PAGE_WRITABLE,
};

enum page_state { PAGE_FREE, PAGE_BUSY, PAGE_PARTIAL, PAGE_IN_USE };

/* struct page.use: bits 0-31 count, 32-47 cursor, 48-51 type, 52-53 state, 54 pinned. */
#define PAGE_USE_COUNT        UINT64_C(0x00000000ffffffff)
#define PAGE_USE_LIMIT        UINT64_C(0x00000000fffffff0)
#define PAGE_USE_CURSOR_SHIFT 32
#define PAGE_USE_TYPE_SHIFT   48
#define PAGE_USE_STATE_SHIFT  52
#define PAGE_USE_PINNED       (UINT64_C(1) << 54)

static inline uint64_t page_use_make(enum page_type type, enum page_state state,
                                     unsigned int cursor, uint64_t count)
{
    return ((uint64_t)type << PAGE_USE_TYPE_SHIFT) | ((uint64_t)state << PAGE_USE_STATE_SHIFT) |
           ((uint64_t)cursor << PAGE_USE_CURSOR_SHIFT) | count;
}

static inline enum page_type page_use_type(uint64_t use)
{
    return (enum page_type)((use >> PAGE_USE_TYPE_SHIFT) & 15);
}

static inline enum page_state page_use_state(uint64_t use)
{
    return (enum page_state)((use >> PAGE_USE_STATE_SHIFT) & 3);
}

static inline unsigned int page_use_cursor(uint64_t use)
{
    return (unsigned int)(use >> PAGE_USE_CURSOR_SHIFT) & 0xffff;
}

/* In the cursor: the entry below it is given up already, its table being finished. */
#define PAGE_CURSOR_GIVEN_UP 0x8000u

static inline bool page_type_has_entries(enum page_type type)
{
    return type >= PAGE_L1 && type <= PAGE_SEGMENTS;
}

/* The type and state a frame in use has, as one comparison for the hot paths. */
#define PAGE_USE_KIND(use)   ((use) >> PAGE_USE_TYPE_SHIFT & 0x3f)
#define PAGE_IN_USE_AS(type) ((uint64_t)(type) | ((uint64_t)PAGE_IN_USE << 4))

static inline bool page_is(const struct page *page, enum page_type type)
{
    return PAGE_USE_KIND(atomic_load_explicit(&page->use, memory_order_acquire)) ==
           PAGE_IN_USE_AS(type);
}

enum page_step {
    PAGE_DONE,       /* *next is the whole change                           */
    PAGE_VALIDATE,   /* *next is BUSY: validate upwards from the cursor     */
    PAGE_INVALIDATE, /* *next is BUSY: invalidate downwards from the cursor */
    PAGE_WAIT,       /* another CPU has it                                  */
    PAGE_REFUSED,    /* in use as something else, or counted to the limit   */
    PAGE_BUG,        /* no guest can cause this                             */
};

/* One more use as `wanted`.  *next is set for the first three. */
enum page_step page_use_get(uint64_t now, enum page_type wanted, uint64_t *next);

/* One use less. */
enum page_step page_use_put(uint64_t now, uint64_t *next);

/*
 * Begin and end a use of a frame the caller has a reference to.
 *
 * page_type_get: 0; -XEN_EINVAL if the frame is in use as something else, is not
 * fit to be that type, or has too many uses; -XEN_ERESTART if it took too long:
 * call again (with the same arguments) after a preemption.
 *
 * page_type_put: 0, or -XEN_ERESTART: the use is ended but entries of the table
 * are still to be released: page_type_finish() until it returns 0.
 */
int must_check page_type_get(struct page *page, enum page_type type);

/*
 * For holders of a page table's lock, and types without entries: -XEN_EBUSY where
 * a PARTIAL table would have to be taken apart first, which may want that lock.
 * page_type_finish() without it, then again.
 */
int must_check page_type_get_locked(struct page *page, enum page_type type);

int must_check page_type_put_preemptible(struct page *page);

/* For types without entries, and L1 and segments, whose invalidation is bounded. */
void page_type_put(struct page *page);

/* Go on invalidating a PARTIAL frame: 0 when it is FREE (or somebody took it), -XEN_ERESTART. */
int must_check page_type_finish(struct page *page);

/* The hot cases of page_type_get_locked(page, PAGE_WRITABLE): one more, or the first again. */
static inline int must_check page_writable_get_locked(struct page *page)
{
    uint64_t old = atomic_load_explicit(&page->use, memory_order_relaxed);

    while (likely(PAGE_USE_KIND(old) == PAGE_IN_USE_AS(PAGE_WRITABLE) &&
                  (old & PAGE_USE_COUNT) < PAGE_USE_LIMIT)) {
        if (atomic_compare_exchange_weak_explicit(&page->use, &old, old + 1, memory_order_acquire,
                                                  memory_order_relaxed)) {
            return 0;
        }
    }
    /* Writable before: nothing to flush. */
    if (old == page_use_make(PAGE_WRITABLE, PAGE_FREE, 0, 0) &&
        atomic_compare_exchange_strong_explicit(&page->use, &old,
                                                page_use_make(PAGE_WRITABLE, PAGE_IN_USE, 0, 1),
                                                memory_order_acquire, memory_order_relaxed)) {
        return 0;
    }
    return page_type_get_locked(page, PAGE_WRITABLE);
}

/* The same as page_type_get(page, PAGE_WRITABLE). */
static inline int must_check page_writable_get(struct page *page)
{
    int error = page_writable_get_locked(page);

    return likely(error != -XEN_EBUSY) ? error : page_type_get(page, PAGE_WRITABLE);
}

/* A use of a frame a guest names, with a reference: 0 or -XEN_E*. */
static inline int must_check frame_type_get(mfn_t frame, domid_t owner, enum page_type type)
{
    int error;

    if (!frame_get(frame, owner)) {
        return -XEN_EINVAL;
    }
    error = page_type_get(page_of(frame), type);
    if (error != 0) {
        page_put(page_of(frame));
    }
    return error;
}

static inline void frame_type_put(struct page *page)
{
    page_type_put(page);
    page_put(page);
}

/* The end of a use that page_writable_get() began. */
static inline void page_writable_put(struct page *page)
{
    uint64_t old = atomic_load_explicit(&page->use, memory_order_relaxed);

    while ((old & PAGE_USE_COUNT) > 1) {
        if (atomic_compare_exchange_weak_explicit(&page->use, &old, old - 1, memory_order_release,
                                                  memory_order_relaxed)) {
            return;
        }
    }
    page_type_put(page);
}

/*
 * Made by pv/page_tables.c and pv/segments.c: take or release the references of a
 * table's entries, from `*cursor` up to the end or down to 0; *cursor is kept true.
 * 0; -XEN_ERESTART when preempted; -XEN_EINVAL at an entry that is refused.
 */
int must_check page_entries_hold(struct page *page, enum page_type type, unsigned int *cursor);
int must_check page_entries_release(struct page *page, enum page_type type, unsigned int *cursor);

/* Made by domain/domain.c: the CPUs that may hold translations of a domain's frames. */
const struct cpumask *domain_dirty_cpus(domid_t owner);
