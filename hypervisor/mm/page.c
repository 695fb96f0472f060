/* SPDX-License-Identifier: MIT */
/*
 * The end of a frame's use by a domain, and frames the core lends to domains.
 */
#include "hypervisor/mm/page.h"

#include "hypervisor/lib/panic.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/mm/page_type.h"

uint64_t frame_limit;

void page_release(struct page *page)
{
    uint64_t refs = atomic_load_explicit(&page->refs, memory_order_acquire);
    mfn_t frame = page_frame(page);

    if (page_use_state(atomic_load_explicit(&page->use, memory_order_relaxed)) != PAGE_FREE) {
        panic("frame " PRI_MFN ": freed while in use (%lx)", frame.number, page->use);
    }
    if ((refs & PAGE_REF_CORE) == 0) {
        domain_page_gone((domid_t)(refs >> 32), page);
    }
    m2p_set(frame, pfn(M2P_NONE));
    atomic_store_explicit(&page->use, 0, memory_order_relaxed);
    heap_free_frames(page, 0);
}

bool page_disown(struct page *page)
{
    uint64_t old =
        atomic_fetch_and_explicit(&page->refs, ~PAGE_REF_ALLOCATED, memory_order_relaxed);

    if ((old & PAGE_REF_ALLOCATED) == 0) {
        return false;
    }
    page_put(page);
    return true;
}

void page_lend(struct page *page, domid_t owner, bool writable)
{
    atomic_store_explicit(&page->use,
                          page_use_make(writable ? PAGE_WRITABLE : PAGE_NONE, PAGE_IN_USE, 0, 1),
                          memory_order_relaxed);
    atomic_store_explicit(&page->refs, PAGE_REF_CORE | page_ref_owner_bits(owner) | 1,
                          memory_order_release);
}

bool page_unlend(struct page *page)
{
    /* All ones: whoever asks for a reference after this finds it is not the domain's. */
    uint64_t old = atomic_fetch_or_explicit(&page->refs, page_ref_owner_bits(OWNER_CORE),
                                            memory_order_acq_rel);

    if ((old & PAGE_REF_COUNT) != 1) {
        page_type_put(page);
        page_put(page);
        return false;
    }
    atomic_store_explicit(&page->refs, page_ref_owner_bits(OWNER_CORE) | 1, memory_order_relaxed);
    atomic_store_explicit(&page->use, 0, memory_order_relaxed);
    return true;
}
