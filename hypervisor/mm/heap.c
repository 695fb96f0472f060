/* SPDX-License-Identifier: MIT */
/*
 * The buddy allocator, and objects of up to half a page cut from its frames.
 *
 * Three zones by machine address keep what devices with short addresses need:
 * a request without a limit is served from the highest zone that can.
 */
#include "hypervisor/mm/heap.h"

#include "hypervisor/lib/string.h"
#include "hypervisor/mm/page.h"
#include "hypervisor/x86/smp.h"
#include "hypervisor/x86/tlb.h"

#define ZONES       3u
#define NO_FRAME    0u    /* frame 0 is never in the heap */
#define MERGE_MOST  8192u /* blocks: some milliseconds at most */
#define SCRUB_ORDER 2u    /* frames an idle CPU clears before it looks whether it is wanted */

static const uint64_t zone_end[ZONES - 1] = { 1u << (24 - PAGE_SHIFT), 1u << (32 - PAGE_SHIFT) };

static struct spinlock heap_lock = SPINLOCK_INIT(RANK_HEAP);
/* Heads of lists; blocks that are zero and in no TLB apart from the others. */
static uint32_t free_blocks[ZONES][2][HEAP_ORDER_LIMIT];
static uint64_t free_count, total_count, dirty_blocks;

static unsigned int zone_of(uint64_t number)
{
    unsigned int zone = 0;

    while (zone < ZONES - 1 && number >= zone_end[zone]) {
        zone++;
    }
    return zone;
}

static struct page *page_at(uint64_t number)
{
    return page_of(mfn(number));
}

static uint64_t number_of(const struct page *page)
{
    return page_frame(page).number;
}

static uint64_t free_mark(bool clean)
{
    return PAGE_REF_FREE | (clean ? PAGE_REF_CLEAN : 0) | page_ref_owner_bits(OWNER_NONE);
}

static void block_insert(struct page *block, unsigned int order, bool clean)
{
    dirty_blocks += clean ? 0 : 1;
    atomic_store_explicit(&block->refs, free_mark(clean), memory_order_relaxed);
    atomic_store_explicit(&block->use, order, memory_order_relaxed);
    page_list_push(&free_blocks[zone_of(number_of(block))][clean][order], block);
}

static void block_remove(struct page *block, unsigned int order, bool clean)
{
    dirty_blocks -= clean ? 0 : 1;
    page_list_remove(&free_blocks[zone_of(number_of(block))][clean][order], block);
    atomic_store_explicit(&block->refs, page_ref_owner_bits(OWNER_NONE), memory_order_relaxed);
}

/*
 * The other half of a block, if it is free, whole and alike; NULL otherwise.  Only
 * frame 0, which is never free, has its other half in another zone.
 */
static struct page *free_buddy(uint64_t number, unsigned int order, bool clean)
{
    uint64_t other = number ^ (UINT64_C(1) << order);
    struct page *page;

    if (other >= frame_limit) {
        return NULL;
    }
    page = page_at(other);
    if (atomic_load_explicit(&page->refs, memory_order_relaxed) != free_mark(clean) ||
        page->use != order) {
        return NULL;
    }
    return page;
}

static void insert_merged(struct page *block, unsigned int order, bool clean) REQUIRES(heap_lock)
{
    uint64_t number = number_of(block);
    uint32_t stamp = block->tlb_stamp, now = tlb_clock();
    struct page *buddy;

    while (order + 1 < HEAP_ORDER_LIMIT && (buddy = free_buddy(number, order, clean)) != NULL) {
        /* The younger stamp stands for both: a flush too many is harmless. */
        if (now - buddy->tlb_stamp < now - stamp) {
            stamp = buddy->tlb_stamp;
        }
        block_remove(buddy, order, clean);
        number &= ~(UINT64_C(1) << order);
        order++;
    }
    page_at(number)->tlb_stamp = stamp;
    block_insert(page_at(number), order, clean);
}

static void free_block(struct page *block, unsigned int order) REQUIRES(heap_lock)
{
    free_count += UINT64_C(1) << order;
    insert_merged(block, order, false);
}

/* A block of at least 2^order frames; its order in *found. */
static struct page *find_block(const uint32_t *heads, unsigned int order, unsigned int *found)
{
    for (unsigned int size = order; size < HEAP_ORDER_LIMIT; size++) {
        if (heads[size] != NO_FRAME) {
            *found = size;
            return page_at(heads[size]);
        }
    }
    return NULL;
}

/* Take a block off its list; what is behind its first 2^order frames goes back. */
static void cut(struct page *block, unsigned int size, unsigned int order, bool clean)
    REQUIRES(heap_lock)
{
    block_remove(block, size, clean);
    while (size > order) {
        struct page *upper;

        size--;
        upper = block + (UINT64_C(1) << size);
        upper->tlb_stamp = block->tlb_stamp;
        block_insert(upper, size, clean);
    }
}

/* How many zones end there or before. */
static unsigned int zones_below(uint64_t end)
{
    unsigned int zone = 0;

    while (zone < ZONES &&
           MIN(zone < ZONES - 1 ? zone_end[zone] : UINT64_MAX, frame_limit) <= end) {
        zone++;
    }
    return zone;
}

/*
 * From the highest zone that has one, and there one that is clean.  A zone that ends beyond `end`
 * is not looked at: whoever asks for odd limits shall not have long lists searched.
 */
static struct page *take_block(unsigned int order, uint64_t end, bool *clean) REQUIRES(heap_lock)
{
    for (unsigned int zone = zones_below(end); zone-- > 0;) {
        unsigned int size;
        struct page *block;

        block = find_block(free_blocks[zone][true], order, &size);
        *clean = block != NULL;
        if (block == NULL) {
            block = find_block(free_blocks[zone][false], order, &size);
        }
        if (block != NULL) {
            cut(block, size, order, *clean);
            free_count -= UINT64_C(1) << order;
            return block;
        }
    }
    return NULL;
}

/*
 * Memory is short: a clean block and a dirty one may be a larger one together.  The next who is
 * refused goes on where this one had enough.
 */
static void merge_some(uint64_t end) REQUIRES(heap_lock)
{
    unsigned int left = MERGE_MOST;

    for (unsigned int zone = zones_below(end); zone-- > 0;) {
        for (unsigned int order = 0; order < HEAP_ORDER_LIMIT; order++) {
            uint32_t number;

            while ((number = free_blocks[zone][true][order]) != NO_FRAME && left > 0) {
                left--;
                block_remove(page_at(number), order, true);
                insert_merged(page_at(number), order, false);
            }
        }
    }
}

/*
 * Single frames are given back and taken again all the time: a few of them are
 * kept aside, not merged into the block they were cut from only to be cut again.
 */
#define SINGLES 64u
static uint32_t singles[SINGLES];
static unsigned int single_count;

static bool keep_single(struct page *page) REQUIRES(heap_lock)
{
    uint64_t number = number_of(page);

    if (single_count == SINGLES || number < zone_end[0]) {
        return false;
    }
    singles[single_count++] = (uint32_t)number;
    free_count++;
    return true;
}

static struct page *take_single(void) REQUIRES(heap_lock)
{
    if (single_count == 0) {
        return NULL;
    }
    free_count--;
    return page_at(singles[--single_count]);
}

static struct page *take_any(unsigned int order, uint64_t end, bool *clean) REQUIRES(heap_lock)
{
    struct page *block = order == 0 && end == UINT64_MAX ? take_single() : NULL;

    *clean = false;
    if (block == NULL) {
        block = take_block(order, end, clean);
    }
    if (block == NULL) {
        while (single_count > 0) {
            free_block(take_single(), 0);
        }
        merge_some(end);
        block = take_block(order, end, clean);
    }
    return block;
}

static struct page *allocate(unsigned int order, unsigned int address_bits, bool scrub)
{
    uint64_t end = address_bits >= 64 ? UINT64_MAX : (UINT64_C(1) << address_bits) >> PAGE_SHIFT;
    struct page *block;
    bool clean;

    if (order >= HEAP_ORDER_LIMIT) {
        return NULL;
    }
    spin_lock(&heap_lock);
    block = take_any(order, end, &clean);
    spin_unlock(&heap_lock);
    if (block == NULL) {
        return NULL;
    }

    if (!clean) {
        tlb_flush_older(&cpus_online, block->tlb_stamp);
    }
    for (uint64_t i = 0; i < UINT64_C(1) << order; i++) {
        struct page *page = block + i;

        if (scrub && !clean) {
            page_clear(page_address(page));
        }
        atomic_store_explicit(&page->use, 0, memory_order_relaxed);
        atomic_store_explicit(&page->refs, page_ref_owner_bits(OWNER_CORE) | 1,
                              memory_order_relaxed);
    }
    return block;
}

/* Small blocks first: their being dirty keeps others from being whole. */
static struct page *take_dirty(unsigned int *order) REQUIRES(heap_lock)
{
    for (unsigned int zone = ZONES; zone-- > 0;) {
        unsigned int size;
        struct page *block = find_block(free_blocks[zone][false], 0, &size);

        if (block != NULL) {
            *order = MIN(size, SCRUB_ORDER);
            cut(block, size, *order, false);
            return block;
        }
    }
    return NULL;
}

bool heap_scrub_some(void)
{
    static _Atomic bool at_it; /* one CPU, so that idle ones do not wait for each other's lock */
    struct page *block;
    unsigned int order;

    if (read_once(dirty_blocks) == 0 || atomic_exchange(&at_it, true)) {
        return false;
    }
    /* It counts as free all the while. */
    spin_lock(&heap_lock);
    block = take_dirty(&order);
    spin_unlock(&heap_lock);
    if (block != NULL) {
        tlb_flush_older(&cpus_online, block->tlb_stamp);
        for (uint64_t i = 0; i < UINT64_C(1) << order; i++) {
            page_clear(page_address(block + i));
        }
        spin_lock(&heap_lock);
        insert_merged(block, order, true);
        spin_unlock(&heap_lock);
    }
    atomic_store(&at_it, false);
    return block != NULL;
}

struct page *heap_frames(unsigned int order, unsigned int address_bits)
{
    return allocate(order, address_bits, true);
}

struct page *heap_frames_unscrubbed(unsigned int order, unsigned int address_bits)
{
    return allocate(order, address_bits, false);
}

void heap_free_frames(struct page *first, unsigned int order)
{
    for (uint64_t i = 0; i < UINT64_C(1) << order; i++) {
        atomic_store_explicit(&first[i].refs, page_ref_owner_bits(OWNER_NONE),
                              memory_order_relaxed);
    }
    first->tlb_stamp = tlb_clock();
    spin_lock(&heap_lock);
    if (order != 0 || !keep_single(first)) {
        free_block(first, order);
    }
    spin_unlock(&heap_lock);
}

void heap_add(mfn_t first, uint64_t count)
{
    uint64_t number = MAX(first.number, UINT64_C(1));
    uint64_t end = first.number + count;

    spin_lock(&heap_lock);
    while (number < end) {
        unsigned int order = 0;

        while (order + 1 < HEAP_ORDER_LIMIT && number % (UINT64_C(2) << order) == 0 &&
               number + (UINT64_C(2) << order) <= end) {
            order++;
        }
        page_at(number)->tlb_stamp = 0;
        total_count += UINT64_C(1) << order;
        free_block(page_at(number), order);
        number += UINT64_C(1) << order;
    }
    spin_unlock(&heap_lock);
}

uint64_t heap_free_count(void)
{
    return __atomic_load_n(&free_count, __ATOMIC_RELAXED);
}

uint64_t heap_total_count(void)
{
    return __atomic_load_n(&total_count, __ATOMIC_RELAXED);
}

/*
 * Objects.  A slab is one frame of objects of one size (16 << class bytes); its
 * struct page has its free objects chained through their first word from
 * `tlb_stamp` (offset + 1); `use` has the kind, the class and the number in use.
 */
#define CLASSES     8u
#define KIND_SLAB   (UINT64_C(1) << 62)
#define KIND_FRAMES (UINT64_C(1) << 61)
#define KIND_SHIFT  32
#define IN_USE_MASK UINT64_C(0xffffffff)
#define NO_OBJECT   0u

static struct spinlock object_lock = SPINLOCK_INIT(RANK_OBJECT);
static uint32_t partial_slabs[CLASSES]; /* slabs with a free object */

static struct page *slab_make(unsigned int class)
{
    struct page *slab = heap_frames(0, HEAP_ANY_ADDRESS);
    size_t size = (size_t)16 << class;
    uint8_t *base;

    if (slab == NULL) {
        return NULL;
    }
    base = page_address(slab);
    for (size_t offset = 0; offset < PAGE_SIZE; offset += size) {
        uint32_t next = offset + size < PAGE_SIZE ? (uint32_t)(offset + size + 1) : NO_OBJECT;

        memcpy(base + offset, &next, sizeof(next));
    }
    slab->use = KIND_SLAB | (uint64_t) class << KIND_SHIFT;
    slab->tlb_stamp = 1;
    return slab;
}

static void *object_alloc(unsigned int class)
{
    size_t size = (size_t)16 << class;
    struct page *slab;
    uint8_t *object;
    uint32_t next;

    spin_lock(&object_lock);
    if (partial_slabs[class] == NO_FRAME) {
        slab = slab_make(class);
        if (slab == NULL) {
            spin_unlock(&object_lock);
            return NULL;
        }
        page_list_push(&partial_slabs[class], slab);
    }
    slab = page_at(partial_slabs[class]);
    object = (uint8_t *)page_address(slab) + slab->tlb_stamp - 1;
    memcpy(&next, object, sizeof(next));
    slab->tlb_stamp = next;
    slab->use++;
    if (next == NO_OBJECT) {
        page_list_remove(&partial_slabs[class], slab);
    }
    spin_unlock(&object_lock);
    memset(object, 0, size);
    return object;
}

static void object_free(struct page *slab, uint8_t *object)
{
    unsigned int class = (unsigned int)(slab->use >> KIND_SHIFT) & 0xff;
    uint32_t offset = (uint32_t)(object - (uint8_t *)page_address(slab));
    uint32_t next;
    bool empty;

    spin_lock(&object_lock);
    next = slab->tlb_stamp;
    memcpy(object, &next, sizeof(next));
    if (next == NO_OBJECT) {
        page_list_push(&partial_slabs[class], slab);
    }
    slab->tlb_stamp = offset + 1;
    slab->use--;
    empty = (slab->use & IN_USE_MASK) == 0;
    if (empty) {
        page_list_remove(&partial_slabs[class], slab);
    }
    spin_unlock(&object_lock);
    if (empty) {
        heap_free_frames(slab, 0);
    }
}

void *heap_alloc(size_t size)
{
    unsigned int class = 0, order = 0;
    struct page *page;

    if (size <= PAGE_SIZE / 2) {
        while (((size_t)16 << class) < size) {
            class ++;
        }
        return object_alloc(class);
    }
    while (order < HEAP_ORDER_LIMIT && (PAGE_SIZE << order) < size) {
        order++;
    }
    page = heap_frames(order, HEAP_ANY_ADDRESS);
    if (page == NULL) {
        return NULL;
    }
    page->use = KIND_FRAMES | (uint64_t)order << KIND_SHIFT;
    return page_address(page);
}

void heap_free(void *object)
{
    struct page *page;

    if (object == NULL) {
        return;
    }
    page = page_of(direct_map_frame(object));
    if ((page->use & KIND_SLAB) != 0) {
        object_free(page, object);
    } else {
        heap_free_frames(page, (unsigned int)(page->use >> KIND_SHIFT) & 0xff);
    }
}
