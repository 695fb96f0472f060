/* SPDX-License-Identifier: MIT */
/*
 * Free memory: a buddy allocator of frames, and small objects cut from them.
 *
 * A free frame may still be in some CPU's TLB.  Before it is given out those CPUs
 * flush, and only then is it zeroed: in this order, or its last owner could still
 * write to it.  Idle CPUs do both beforehand, as far as they get.
 */
#pragma once

#include "hypervisor/lib/frame.h"

struct page;

#define HEAP_ORDER_LIMIT 19 /* up to 1 GiB in one piece is order 18 */
#define HEAP_ANY_ADDRESS 64

/*
 * 2^order frames, aligned to their size, whose machine addresses fit in
 * `address_bits`; NULL if there are none.  The frames have owner OWNER_CORE
 * and one reference each.  heap_frames_unscrubbed() leaves in them what was
 * there before the core booted: for the control domain only.
 */
struct page *heap_frames(unsigned int order, unsigned int address_bits);
struct page *heap_frames_unscrubbed(unsigned int order, unsigned int address_bits);

/* Frames no one refers to. */
void heap_free_frames(struct page *first, unsigned int order);

/* Objects of the core: zeroed, aligned to 16 (page aligned from 4 KiB). NULL if out of memory. */
void *heap_alloc(size_t size);
void heap_free(void *object);

/* For an idle CPU: clear a few free frames, a bounded piece of work; false if all are clean, or
 * another CPU is at it. */
bool heap_scrub_some(void);

/* RAM found by boot/, before or after others; frames the core keeps are left out. */
void heap_add(mfn_t first, uint64_t count);

uint64_t heap_free_count(void);  /* frames */
uint64_t heap_total_count(void); /* frames ever added */
