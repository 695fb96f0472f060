/* SPDX-License-Identifier: MIT */
/*
 * Frame types: the table of mm/page_type.h, and its driver.
 */
#include "hypervisor/mm/page_type.h"

#include "hypervisor/lib/panic.h"
#include "hypervisor/x86/percpu.h"
#include "hypervisor/x86/pte.h"
#include "hypervisor/x86/smp.h"
#include "hypervisor/x86/tlb.h"

#define ALL_ENTRIES PTE_ENTRIES

static enum page_step get_unused(uint64_t now, enum page_type wanted, uint64_t *next)
{
    if (!page_type_has_entries(wanted)) {
        *next = page_use_make(wanted, PAGE_IN_USE, 0, 1);
        return PAGE_DONE;
    }
    *next = page_use_make(wanted, PAGE_BUSY, page_use_cursor(now), 0);
    return PAGE_VALIDATE;
}

enum page_step page_use_get(uint64_t now, enum page_type wanted, uint64_t *next)
{
    enum page_type type = page_use_type(now);

    switch (page_use_state(now)) {
    case PAGE_FREE:
        return get_unused(page_use_make(type, PAGE_FREE, 0, 0), wanted, next);
    case PAGE_BUSY:
        return wanted == type ? PAGE_WAIT : PAGE_REFUSED;
    case PAGE_PARTIAL:
        if (wanted == type) {
            return get_unused(now, wanted, next);
        }
        *next = page_use_make(type, PAGE_BUSY, page_use_cursor(now), 0);
        return PAGE_INVALIDATE;
    case PAGE_IN_USE:
        if (wanted != type || (now & PAGE_USE_COUNT) >= PAGE_USE_LIMIT) {
            return PAGE_REFUSED;
        }
        *next = now + 1;
        return PAGE_DONE;
    }
    return PAGE_REFUSED; /* not reached: there are four states */
}

enum page_step page_use_put(uint64_t now, uint64_t *next)
{
    enum page_type type = page_use_type(now);

    if (page_use_state(now) != PAGE_IN_USE || (now & PAGE_USE_COUNT) == 0) {
        return PAGE_BUG;
    }
    if ((now & PAGE_USE_COUNT) > 1) {
        *next = now - 1;
        return PAGE_DONE;
    }
    if (!page_type_has_entries(type)) {
        *next = page_use_make(type, PAGE_FREE, 0, 0);
        return PAGE_DONE;
    }
    *next = page_use_make(type, PAGE_BUSY, ALL_ENTRIES, 0);
    return PAGE_INVALIDATE;
}

/* Leave BUSY: whoever waits sees all that was done before. */
static void settle(struct page *page, enum page_type type, enum page_state state,
                   unsigned int cursor)
{
    atomic_store_explicit(&page->use,
                          page_use_make(type, state, cursor, state == PAGE_IN_USE ? 1 : 0),
                          memory_order_release);
}

/* A writer that saw the table in use is done with it; the next one will see it BUSY. */
static void wait_for_writers(struct page *page)
{
    page_table_lock(page);
    page_table_unlock(page);
}

/* BUSY with `cursor` entries held -> FREE, or PARTIAL and -XEN_ERESTART. */
static int invalidate(struct page *page, enum page_type type, unsigned int cursor, bool had_ref)
{
    int error;

    wait_for_writers(page);
    error = page_entries_release(page, type, &cursor);

    if (error != 0) {
        if (!had_ref) {
            atomic_fetch_add_explicit(&page->refs, 1, memory_order_relaxed);
        }
        settle(page, type, PAGE_PARTIAL, cursor);
        return error;
    }
    page->tlb_stamp = tlb_clock();
    settle(page, type, PAGE_FREE, 0);
    if (had_ref) {
        page_put(page);
    }
    return 0;
}

/* BUSY -> IN_USE; or PARTIAL (-XEN_ERESTART), or FREE/PARTIAL if an entry is refused. */
static int validate(struct page *page, enum page_type type, unsigned int cursor, bool had_ref)
{
    int error = page_entries_hold(page, type, &cursor);

    if (error == 0) {
        settle(page, type, PAGE_IN_USE, ALL_ENTRIES);
        if (had_ref) {
            page_put(page);
        }
        return 0;
    }
    if (error == -XEN_ERESTART) {
        if (!had_ref) {
            atomic_fetch_add_explicit(&page->refs, 1, memory_order_relaxed);
        }
        settle(page, type, PAGE_PARTIAL, cursor);
        return error;
    }
    /* What is left of this belongs to whoever wants the frame next, at the latest its end. */
    (void)invalidate(page, type, cursor, had_ref);
    return error;
}

/* Translations of the old use must be gone before the new one begins. */
static void flush_old_use(struct page *page, enum page_type last, enum page_type wanted)
{
    if (last != wanted && last != PAGE_NONE) {
        uint64_t refs = atomic_load_explicit(&page->refs, memory_order_relaxed);

        tlb_flush_older((refs & PAGE_REF_FOREIGN) != 0 ? &cpus_online
                                                       : domain_dirty_cpus(page_owner(page)),
                        page->tlb_stamp);
    }
}

static int get(struct page *page, enum page_type type, bool locked)
{
    uint64_t now = atomic_load_explicit(&page->use, memory_order_relaxed);
    uint64_t next;
    int error;

    for (;;) {
        enum page_step step = page_use_get(now, type, &next);

        if (step == PAGE_REFUSED) {
            return -XEN_EINVAL;
        }
        if (step == PAGE_WAIT) {
            /* Whoever validates a table may be at it, and at tables half way that it meets, as long
             * as nothing else is due there. */
            if (type >= PAGE_L1 && type <= PAGE_L4 && preempt_pending()) {
                return -XEN_ERESTART;
            }
            spin_wait();
            now = atomic_load_explicit(&page->use, memory_order_relaxed);
            continue;
        }
        if (step == PAGE_INVALIDATE && locked) {
            return -XEN_EBUSY;
        }
        if (page_use_state(now) == PAGE_FREE) {
            /* A change of type is seen by others only after the flush. */
            next = page_use_make(type, PAGE_BUSY, 0, 0);
        }
        if (!atomic_compare_exchange_weak_explicit(&page->use, &now, next, memory_order_acquire,
                                                   memory_order_relaxed)) {
            continue;
        }
        if (step == PAGE_INVALIDATE) {
            error = invalidate(page, page_use_type(now), page_use_cursor(now), true);
            if (error != 0) {
                return error;
            }
            now = atomic_load_explicit(&page->use, memory_order_relaxed);
            continue;
        }
        flush_old_use(page, page_use_type(now), type);
        if (step == PAGE_VALIDATE) {
            return validate(page, type, page_use_cursor(next), page_use_state(now) == PAGE_PARTIAL);
        }
        if (page_use_state(next) == PAGE_BUSY) {
            settle(page, type, PAGE_IN_USE, 0);
        }
        return 0;
    }
}

int page_type_get(struct page *page, enum page_type type)
{
    return get(page, type, false);
}

int page_type_get_locked(struct page *page, enum page_type type)
{
    return get(page, type, true);
}

int page_type_put_preemptible(struct page *page)
{
    uint64_t now = atomic_load_explicit(&page->use, memory_order_relaxed);
    uint64_t next;
    enum page_step step;

    do {
        step = page_use_put(now, &next);
        if (step == PAGE_BUG) {
            panic("frame " PRI_MFN ": put in state %lx", page_frame(page).number, now);
        }
        if (page_use_state(next) == PAGE_FREE) {
            /* The stamp may not be older than a use by others: read when there can be none. */
            next = page_use_make(page_use_type(now), PAGE_BUSY, 0, 0);
        }
    } while (!atomic_compare_exchange_weak_explicit(&page->use, &now, next, memory_order_acq_rel,
                                                    memory_order_relaxed));

    if (step == PAGE_INVALIDATE) {
        return invalidate(page, page_use_type(now), ALL_ENTRIES, false);
    }
    if (page_use_state(next) == PAGE_BUSY) {
        page->tlb_stamp = tlb_clock();
        settle(page, page_use_type(now), PAGE_FREE, 0);
    }
    return 0;
}

void page_type_put(struct page *page)
{
    if (page_type_put_preemptible(page) != 0) {
        panic("frame " PRI_MFN ": its invalidation cannot be preempted", page_frame(page).number);
    }
}

int page_type_finish(struct page *page)
{
    uint64_t now = atomic_load_explicit(&page->use, memory_order_relaxed);
    uint64_t next;

    while (page_use_state(now) == PAGE_PARTIAL) {
        next = page_use_make(page_use_type(now), PAGE_BUSY, page_use_cursor(now), 0);
        if (atomic_compare_exchange_weak_explicit(&page->use, &now, next, memory_order_acquire,
                                                  memory_order_relaxed)) {
            return invalidate(page, page_use_type(now), page_use_cursor(now), true);
        }
    }
    return 0;
}
