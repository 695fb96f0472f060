/* SPDX-License-Identifier: MIT */
/*
 * Mapping and unmapping of grants, and the end of a mapper.
 *
 * A mapping is one pin of the grant, one reference to the frame for each of its
 * parts (host, device), and a handle.  The host part's reference belongs to the
 * page-table entry.  Unmapping goes in batches: take the entries out, flush the
 * mapper's CPUs once, and only then let the granter see its pages unused.
 */
#include "hypervisor/grant/internal.h"
#include "hypervisor/x86/percpu.h"
#include "hypervisor/x86/pte.h"
#include "hypervisor/x86/tlb.h"

#define MAPS_BETWEEN_PREEMPTION 8u
#define UNMAP_BATCH             32u
#define RELEASE_BATCH           64u

/* What was taken out of the page tables, to be finished after the flush. */
struct unmapped {
    struct grant_track *track; /* TRACK_BUSY: ours */
    uint32_t handle;
    uint32_t frame;
    uint32_t parts; /* of TRACK_PARTS: ended */
    uint32_t held;  /* of these: we have the reference */
};

/* unmap_and_replace has the new address where unmap has the device's; see unmap_some(). */
_Static_assert(sizeof(struct gnttab_unmap_grant_ref) == sizeof(struct gnttab_unmap_and_replace) &&
                   offsetof(struct gnttab_unmap_grant_ref, dev_bus_addr) ==
                       offsetof(struct gnttab_unmap_and_replace, new_addr) &&
                   offsetof(struct gnttab_unmap_grant_ref, handle) ==
                       offsetof(struct gnttab_unmap_and_replace, handle) &&
                   offsetof(struct gnttab_unmap_grant_ref, status) ==
                       offsetof(struct gnttab_unmap_and_replace, status),
               "both requests are read as one");

static uint64_t entry_for(mfn_t frame, uint32_t flags)
{
    uint64_t entry = pte_make(frame, PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_DIRTY) |
                     PTE_NO_EXECUTE |
                     ((uint64_t)(flags >> _GNTMAP_guest_avail0) << 9 & PTE_SOFTWARE);

    return (flags & GNTMAP_readonly) != 0 ? entry : entry | PTE_WRITABLE;
}

static inline bool writable(uint32_t flags)
{
    return (flags & GNTMAP_readonly) == 0;
}

static inline unsigned int wanted(uint32_t flags)
{
    return writable(flags) ? GRANT_WHOLE | GRANT_WRITE : GRANT_WHOLE;
}

static int map_one(struct grant_table *table, struct domain *granter,
                   struct gnttab_map_grant_ref *op)
{
    unsigned int parts = (op->flags & TRACK_PARTS) == TRACK_PARTS ? 2 : 1;
    uint32_t handle = track_take(table);
    const struct grant_active *pinned;
    struct grant_track *track;
    unsigned int held = 0;
    mfn_t frame;
    int status;

    if (unlikely(handle == TRACK_NONE)) {
        return GNTST_no_space;
    }
    track = track_of(table, handle);
    status = grant_pin(granter->grants, op->ref, current->domain->id, wanted(op->flags), &pinned);
    if (unlikely(status != 0)) {
        goto give_back;
    }
    frame = mfn(pinned->frame);
    for (; held < parts; held++) {
        status = frame_hold(frame, granter->id, writable(op->flags));
        if (unlikely(status != 0)) {
            goto let_go;
        }
    }
    if (likely((op->flags & GNTMAP_host_map) != 0)) {
        status = pv_grant_map(op->host_addr, op->flags, entry_for(frame, op->flags));
        if (unlikely(status != 0)) {
            goto let_go;
        }
    }

    domain_get(granter);
    track->granter = granter;
    atomic_store_explicit(&track->ref, op->ref, memory_order_relaxed);
    atomic_store_explicit(&track->state, op->flags & TRACK_FLAGS, memory_order_release);
    op->handle = handle;
    op->dev_bus_addr = maddr_of_mfn(frame).byte;
    return 0;

let_go:
    while (held-- > 0) {
        frame_let_go(frame, writable(op->flags));
    }
    grant_unpin(granter->grants, op->ref, wanted(op->flags));
give_back:
    track_give_back(table, handle, track);
    return status;
}

/* First half: the mapping is gone from the page tables, or nothing happened. */
static int unmap_begin(const struct grant_table *table,
                       const struct gnttab_unmap_grant_ref *request, uint64_t new_addr,
                       struct unmapped *done)
{
    struct grant_track *track = track_of(table, request->handle);
    uint32_t state;
    mfn_t frame;
    int status = 0;

    done->parts = 0;
    if (unlikely(track == NULL)) {
        return GNTST_bad_handle;
    }
    state = atomic_load_explicit(&track->state, memory_order_acquire);
    if (unlikely((state & TRACK_PARTS) == 0 || (state & TRACK_BUSY) != 0) ||
        unlikely(!atomic_compare_exchange_strong(&track->state, &state, state | TRACK_BUSY))) {
        return GNTST_bad_handle;
    }
    frame = grant_pinned_frame(track->granter->grants,
                               atomic_load_explicit(&track->ref, memory_order_relaxed));
    if ((state & GNTMAP_device_map) != 0 && request->dev_bus_addr != 0) {
        if (request->dev_bus_addr != maddr_of_mfn(frame).byte) {
            status = GNTST_bad_dev_addr;
            goto not_busy;
        }
        done->parts = GNTMAP_device_map;
    }
    if ((state & GNTMAP_host_map) != 0 && request->host_addr != 0) {
        status = pv_grant_unmap(request->host_addr, state, frame, new_addr);
        if (unlikely(status != 0)) {
            done->parts = 0;
            goto not_busy;
        }
        done->parts |= GNTMAP_host_map;
    }
    if (done->parts != 0) {
        done->track = track;
        done->handle = request->handle;
        done->frame = (uint32_t)frame.number;
        done->held = done->parts;
        return 0;
    }
not_busy:
    atomic_store_explicit(&track->state, state, memory_order_release);
    return status;
}

/* Second half: no CPU can reach the frame any more through what is ended. */
static void unmap_finish(struct grant_table *table, const struct unmapped *done)
{
    struct grant_track *track = done->track;
    struct domain *granter = track->granter;
    uint32_t ref = atomic_load_explicit(&track->ref, memory_order_relaxed);
    uint32_t state = atomic_load_explicit(&track->state, memory_order_relaxed) & TRACK_FLAGS;

    if ((done->held & GNTMAP_host_map) != 0) {
        frame_let_go(mfn(done->frame), writable(state));
    }
    if ((done->held & GNTMAP_device_map) != 0) {
        frame_let_go(mfn(done->frame), writable(state));
    }
    state &= ~done->parts;
    if ((state & TRACK_PARTS) != 0) {
        atomic_store_explicit(&track->state, state, memory_order_release);
        return;
    }
    grant_unpin(granter->grants, ref, wanted(state));
    track->granter = NULL;
    atomic_store_explicit(&track->state, 0, memory_order_relaxed);
    track_give_back(table, done->handle, track);
    domain_put(granter);
}

static void flush_mapper(void)
{
    tlb_flush_mask(&current->domain->dirty_cpus, TLB_FLUSH_ALL);
}

/* The caller cannot be told its handle: as if it had not been mapped. */
static void map_undo(struct grant_table *table, const struct gnttab_map_grant_ref *op)
{
    struct gnttab_unmap_grant_ref request = { .host_addr = op->host_addr,
                                              .dev_bus_addr = op->dev_bus_addr,
                                              .handle = op->handle };
    struct unmapped done;

    (void)unmap_begin(table, &request, 0, &done);
    if (done.parts != 0) {
        flush_mapper();
        unmap_finish(table, &done);
    }
}

/* *last is the granter of the element before: a reference, or NULL. */
static int map_checked(struct gnttab_map_grant_ref *op, struct domain **last)
{
    if (unlikely((op->flags & TRACK_PARTS) == 0)) {
        return GNTST_bad_gntref;
    }
    if (*last == NULL || (*last)->id != op->dom) {
        domain_put(*last);
        *last = domain_find(op->dom);
    }
    if (unlikely(!grant_usable(*last))) {
        return GNTST_bad_domain;
    }
    return map_one(current->domain->grants, *last, op);
}

/* Status and handle are in one word, the address in the next. */
static int answer_map(uint64_t request, const struct gnttab_map_grant_ref *op)
{
    int error = answer_word(request, offsetof(struct gnttab_map_grant_ref, dom), op);

    if (likely(op->status == 0) && likely(error == 0)) {
        error = answer_word(request, offsetof(struct gnttab_map_grant_ref, dev_bus_addr), op);
    }
    return error;
}

long grant_map(uint64_t argument, uint32_t count)
{
    union {
        struct gnttab_map_grant_ref op;
        uint64_t words[sizeof(struct gnttab_map_grant_ref) / 8];
    } now;
    struct domain *last = NULL;
    long result = 0;
    int status;

    for (uint32_t i = 0; i < count; i++, argument += sizeof(now)) {
        if (i != 0 && i % MAPS_BETWEEN_PREEMPTION == 0 && preempt_pending()) {
            result = grant_continue(GNTTABOP_map_grant_ref, argument, count - i);
            break;
        }
        result = guest_read_words(argument, now.words, ARRAY_SIZE(now.words));
        if (unlikely(result != 0)) {
            break;
        }
        status = map_checked(&now.op, &last);
        if (unlikely(status == GRANT_AGAIN)) {
            result = grant_continue(GNTTABOP_map_grant_ref, argument, count - i);
            break;
        }
        now.op.status = (int16_t)status;
        result = answer_map(argument, &now.op);
        if (unlikely(result != 0)) {
            if (status == 0) {
                map_undo(current->domain->grants, &now.op);
            }
            break;
        }
    }
    domain_put(last);
    return result;
}

/* Up to UNMAP_BATCH requests of either kind, and one flush. */
static long unmap_some(uint64_t argument, uint32_t count, bool replace)
{
    struct grant_table *table = current->domain->grants;
    struct unmapped done[UNMAP_BATCH];
    union {
        struct gnttab_unmap_grant_ref op;
        uint64_t words[sizeof(struct gnttab_unmap_grant_ref) / 8];
    } now;
    uint32_t ended = 0, parts = 0;
    long error = 0;

    for (uint32_t i = 0; i < count && error == 0; i++, argument += sizeof(now)) {
        uint64_t new_addr = 0;

        error = guest_read_words(argument, now.words, ARRAY_SIZE(now.words));
        if (unlikely(error != 0)) {
            break;
        }
        if (replace) {
            new_addr = now.op.dev_bus_addr;
            now.op.dev_bus_addr = 0;
        }
        now.op.status = (int16_t)unmap_begin(table, &now.op, new_addr, &done[ended]);
        parts |= done[ended].parts;
        ended += done[ended].parts != 0;
        error = answer_word(argument, offsetof(struct gnttab_unmap_grant_ref, handle), &now.op);
    }
    if ((parts & GNTMAP_host_map) != 0) {
        flush_mapper();
    }
    for (uint32_t i = 0; i < ended; i++) {
        unmap_finish(table, &done[i]);
    }
    return error;
}

long grant_unmap(uint64_t argument, uint32_t count, uint32_t operation)
{
    for (;;) {
        uint32_t now = MIN(count, UNMAP_BATCH);
        long error = unmap_some(argument, now, operation == GNTTABOP_unmap_and_replace);

        argument += now * sizeof(struct gnttab_unmap_grant_ref);
        count -= now;
        if (error != 0 || count == 0) {
            return error;
        }
        if (preempt_pending()) {
            return grant_continue(operation, argument, count);
        }
    }
}

int grant_table_release_mappings(struct domain *domain)
{
    struct grant_table *table = domain->grants;
    struct unmapped done;
    uint32_t first = table->release_cursor;
    uint32_t limit = atomic_load(&table->track_frames) * GRANT_TRACK_ENTRIES;

    for (uint32_t handle = first; handle < limit; handle++) {
        if (handle != first && handle % RELEASE_BATCH == 0 && preempt_pending()) {
            table->release_cursor = handle;
            return -XEN_ERESTART;
        }
        done.track = track_of(table, handle);
        done.handle = handle;
        done.parts = atomic_load(&done.track->state) & TRACK_PARTS;
        /* Entries of its page tables were released together with these. */
        done.held = done.parts & GNTMAP_device_map;
        if (done.parts != 0) {
            done.frame = grant_active_of(done.track->granter->grants, done.track->ref)->frame;
            unmap_finish(table, &done);
        }
    }
    table->release_cursor = limit;
    return 0;
}
