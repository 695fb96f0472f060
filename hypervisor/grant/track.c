/* SPDX-License-Identifier: MIT */
/*
 * Handles: the mapper's own side of its mappings.
 *
 * Handles that are free form a stack, linked through `ref`.  Its head carries a
 * number that changes with each operation, so that taking one is a compare and
 * exchange without a lock: a link that was read too late never gets in.
 */
#include "hypervisor/grant/internal.h"
#include "hypervisor/mm/heap.h"

#define HEAD_CHANGE (UINT64_C(1) << 32)

static inline uint64_t head_make(uint64_t old, uint32_t link)
{
    return ((old + HEAD_CHANGE) & ~(HEAD_CHANGE - 1)) | link;
}

/* Put the handles from `first` to `last`, linked already, on the stack. */
void track_give_back(struct grant_table *table, uint32_t first, struct grant_track *last)
{
    uint64_t head = atomic_load_explicit(&table->track_free, memory_order_relaxed);

    do {
        atomic_store_explicit(&last->ref, (uint32_t)head, memory_order_relaxed);
    } while (!atomic_compare_exchange_weak_explicit(&table->track_free, &head,
                                                    head_make(head, first + 1),
                                                    memory_order_release, memory_order_relaxed));
}

static uint32_t pop(struct grant_table *table)
{
    uint64_t head = atomic_load_explicit(&table->track_free, memory_order_acquire);
    uint32_t handle, next;

    do {
        handle = (uint32_t)head - 1;
        if (unlikely(handle == TRACK_NONE)) {
            return TRACK_NONE;
        }
        next = atomic_load_explicit(
            &table->track[handle / GRANT_TRACK_ENTRIES][handle % GRANT_TRACK_ENTRIES].ref,
            memory_order_relaxed);
    } while (!atomic_compare_exchange_weak_explicit(&table->track_free, &head,
                                                    head_make(head, next), memory_order_acquire,
                                                    memory_order_acquire));
    return handle;
}

/* One more frame of handles; false at the limit or without memory. */
static bool grow(struct grant_table *table) REQUIRES(table->lock)
{
    uint32_t frames = atomic_load_explicit(&table->track_frames, memory_order_relaxed);
    uint32_t first = frames * GRANT_TRACK_ENTRIES;
    struct grant_track *fresh;

    if (frames == table->max_track_frames) {
        return false;
    }
    if (table->track == NULL) {
        table->track = heap_alloc(table->max_track_frames * sizeof(void *));
        if (table->track == NULL) {
            return false;
        }
    }
    fresh = heap_alloc(PAGE_SIZE);
    if (fresh == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < GRANT_TRACK_ENTRIES - 1; i++) {
        atomic_store_explicit(&fresh[i].ref, first + i + 2, memory_order_relaxed);
    }
    table->track[frames] = fresh;
    atomic_store_explicit(&table->track_frames, frames + 1, memory_order_release);
    track_give_back(table, first, &fresh[GRANT_TRACK_ENTRIES - 1]);
    return true;
}

uint32_t track_take(struct grant_table *table)
{
    uint32_t handle = pop(table);

    if (unlikely(handle == TRACK_NONE)) {
        spin_lock(&table->lock);
        do {
            handle = pop(table); /* another CPU may have been here first */
        } while (handle == TRACK_NONE && grow(table));
        spin_unlock(&table->lock);
    }
    return handle;
}

void track_destroy(struct grant_table *table)
{
    uint32_t frames = atomic_load_explicit(&table->track_frames, memory_order_relaxed);

    for (uint32_t i = 0; i < frames; i++) {
        heap_free(table->track[i]);
    }
    heap_free(table->track);
}
