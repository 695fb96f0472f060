/* SPDX-License-Identifier: MIT */
/*
 * The heap, over a frame table of 6 GiB whose memory is only touched where a test
 * touches it.  Every step of the long run is compared with a model.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hypervisor/mm/heap.h"
#include "hypervisor/mm/page.h"
#include "hypervisor/x86/smp.h"
#include "hypervisor/x86/tlb.h"
#include "tests/fake/fake.h"
#include "tests/unit/require.h"
#include "tests/unit/suite.h"

#define FRAMES    (UINT64_C(6) << 18) /* 6 GiB */
#define ZONE_16M  (UINT64_C(1) << 12)
#define ZONE_4G   (UINT64_C(1) << 20)
#define MAX_ORDER (HEAP_ORDER_LIMIT - 1)

uint8_t *direct_map_start;
struct page *frame_table;
uint64_t frame_limit = FRAMES;

static uint32_t now = 1;
static unsigned int flushes, clears;
static uint32_t flushed_stamp;
static bool clear_for_real;

/* ---- neighbours ----------------------------------------------------------------------------- */

uint32_t tlb_clock(void)
{
    return now;
}

void tlb_flush_older(const struct cpumask *mask, uint32_t stamp)
{
    require(mask == &cpus_online);
    require(clears == 0); /* cleared first, its last owner could still write to it */
    flushes++;
    flushed_stamp = stamp;
}

void page_clear(void *page);
void page_clear(void *page)
{
    clears++;
    if (clear_for_real) {
        memset(page, 0, PAGE_SIZE);
    }
}

static void *reserve(size_t size)
{
    void *area = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    ck_assert(area != MAP_FAILED);
    return area;
}

/* Each test is a process of its own: the heap starts empty. */
static void setup(void)
{
    direct_map_start = reserve(FRAMES * PAGE_SIZE);
    frame_table = reserve(FRAMES * sizeof(struct page));
    now = 1;
    flushes = 0;
    clears = 0;
    clear_for_real = false;
}

static struct page *take(unsigned int order, unsigned int bits)
{
    clears = 0;
    return heap_frames(order, bits);
}

static uint64_t number_of(const struct page *page)
{
    return page_frame(page).number;
}

/* ---- what must hold at every instant -------------------------------------------------------- */

static uint8_t *covered; /* frames that lie in a free block */

static bool is_head(uint64_t number)
{
    return (page_of(mfn(number))->refs & PAGE_REF_FREE) != 0;
}

static unsigned int zone_of(uint64_t number)
{
    return number < ZONE_16M ? 0 : number < ZONE_4G ? 1 : 2;
}

static void check_block(uint64_t number, uint64_t limit)
{
    const struct page *head = page_of(mfn(number));
    uint64_t order = head->use, count = UINT64_C(1) << order;
    uint64_t buddy = number ^ count;

    require(order < HEAP_ORDER_LIMIT);
    require(number % count == 0 && number + count <= limit);
    require(zone_of(number) == zone_of(number + count - 1));
    require((head->refs & PAGE_REF_COUNT) == 0 && page_owner(head) == OWNER_NONE);
    for (uint64_t i = number; i < number + count; i++) {
        require(!covered[i]);
        require(i == number || !is_head(i));
        covered[i] = 1;
    }
    /* Two halves that are both free and whole are one block. */
    require(order == MAX_ORDER || buddy >= limit || zone_of(buddy) != zone_of(number) ||
            !is_head(buddy) || page_of(mfn(buddy))->use != order ||
            page_of(mfn(buddy))->refs != head->refs);
    require(head->prev == 0 || page_of(mfn(head->prev))->next == number);
    require(head->next == 0 || page_of(mfn(head->next))->prev == number);
    require(head->next == 0 || page_of(mfn(head->next))->use == order);
}

/* Single frames kept aside are in no block: free, and of nobody. */
static bool is_aside(uint64_t number)
{
    return !covered[number] && page_of(mfn(number))->refs == page_ref_owner_bits(OWNER_NONE);
}

/* Go over the frame table: `covered` says what is free; the number of free frames. */
static uint64_t check_all(uint64_t limit)
{
    uint64_t count = 0, aside = 0;

    if (covered == NULL) {
        covered = malloc(FRAMES);
        ck_assert_ptr_nonnull(covered);
    }
    memset(covered, 0, limit);
    for (uint64_t n = 1; n < limit; n++) {
        if (is_head(n)) {
            check_block(n, limit);
        }
    }
    for (uint64_t n = 1; n < limit; n++) {
        if (is_aside(n)) {
            require(zone_of(n) > 0); /* those are too dear */
            covered[n] = 1;
            aside++;
        }
        count += covered[n];
    }
    require(aside <= 64);
    require(count == heap_free_count());
    return count;
}

/* Nobody can have this: what lies aside is merged before it is refused. */
static void merge_all(void)
{
    ck_assert_ptr_null(take(0, PAGE_SHIFT));
}

/* ---- frames --------------------------------------------------------------------------------- */

START_TEST(the_younger_stamp_stands_for_both_halves)
{
    for (unsigned int last = 0; last < 2; last++) {
        struct page *block;

        heap_add(mfn(ZONE_4G + last * 4), 4);
        block = take(2, HEAP_ANY_ADDRESS);
        ck_assert_ptr_nonnull(block);
        now = 5;
        heap_free_frames(block + (last == 0 ? 2 : 0), 1);
        now = 9;
        heap_free_frames(block + (last == 0 ? 0 : 2), 1);
        now = 12;
        ck_assert_ptr_eq(take(2, HEAP_ANY_ADDRESS), block);
        ck_assert_uint_eq(flushed_stamp, 9);
    }
}
END_TEST

START_TEST(an_empty_heap_gives_nothing)
{
    ck_assert_ptr_null(take(0, HEAP_ANY_ADDRESS));
    ck_assert_ptr_null(heap_alloc(1));
    ck_assert_ptr_null(heap_alloc(100000));
    ck_assert_uint_eq(heap_free_count(), 0);
    ck_assert_uint_eq(heap_total_count(), 0);
}
END_TEST

START_TEST(what_is_added_is_free_in_the_largest_pieces_there_are)
{
    heap_add(mfn(ZONE_4G), ZONE_4G / 2);
    ck_assert_uint_eq(check_all(FRAMES), ZONE_4G / 2);
    ck_assert_uint_eq(page_of(mfn(ZONE_4G))->use, MAX_ORDER);
    ck_assert_uint_eq(heap_total_count(), ZONE_4G / 2);
    heap_add(mfn(ZONE_16M + 5), 100);
    ck_assert_uint_eq(check_all(FRAMES), ZONE_4G / 2 + 100);
    ck_assert_uint_eq(heap_total_count(), ZONE_4G / 2 + 100);
}
END_TEST

START_TEST(what_is_added_beside_free_frames_merges_with_them)
{
    heap_add(mfn(ZONE_16M), 8);
    heap_add(mfn(ZONE_16M + 8), 8);
    ck_assert_uint_eq(page_of(mfn(ZONE_16M))->use, 4);
    heap_add(mfn(ZONE_16M + 17), 15);
    ck_assert_uint_eq(page_of(mfn(ZONE_16M))->use, 4);
    heap_add(mfn(ZONE_16M + 16), 1);
    ck_assert_uint_eq(page_of(mfn(ZONE_16M))->use, 5);
    check_all(FRAMES);
}
END_TEST

START_TEST(frame_zero_is_never_in_the_heap)
{
    heap_add(mfn(0), 64);
    ck_assert_uint_eq(check_all(FRAMES), 63);
    ck_assert_uint_eq(heap_total_count(), 63);
    for (unsigned int i = 0; i < 63; i++) {
        ck_assert_uint_ne(number_of(take(0, HEAP_ANY_ADDRESS)), 0);
    }
    ck_assert_ptr_null(take(0, HEAP_ANY_ADDRESS));
    heap_add(mfn(0), 0);
    ck_assert_uint_eq(heap_free_count(), 0);
}
END_TEST

START_TEST(frames_of_any_order_are_aligned_and_the_rest_stays_free)
{
    heap_add(mfn(ZONE_16M), ZONE_4G - ZONE_16M);
    for (unsigned int order = 0; order <= MAX_ORDER; order++) {
        uint64_t before = heap_free_count();
        struct page *first = take(order, HEAP_ANY_ADDRESS);

        ck_assert_ptr_nonnull(first);
        ck_assert_uint_eq(number_of(first) % (UINT64_C(1) << order), 0);
        ck_assert_uint_eq(heap_free_count(), before - (UINT64_C(1) << order));
        for (uint64_t i = 0; i < UINT64_C(1) << order; i++) {
            require(first[i].refs == (page_ref_owner_bits(OWNER_CORE) | 1));
            require(first[i].use == 0);
        }
        check_all(ZONE_4G);
        heap_free_frames(first, order);
        ck_assert_uint_eq(check_all(ZONE_4G), before);
    }
}
END_TEST

START_TEST(an_order_beyond_the_limit_is_refused)
{
    heap_add(mfn(ZONE_16M), ZONE_4G - ZONE_16M);
    ck_assert_ptr_nonnull(take(MAX_ORDER, HEAP_ANY_ADDRESS));
    ck_assert_ptr_null(take(HEAP_ORDER_LIMIT, HEAP_ANY_ADDRESS));
    ck_assert_ptr_null(take(63, HEAP_ANY_ADDRESS));
    ck_assert_ptr_null(take(UINT32_MAX, HEAP_ANY_ADDRESS));
}
END_TEST

START_TEST(all_frames_are_given_out_once)
{
    static bool given[4096];

    heap_add(mfn(ZONE_4G + 3), 4000);
    for (unsigned int i = 0; i < 4000; i++) {
        struct page *page = take(0, HEAP_ANY_ADDRESS);

        require(page != NULL);
        require(!given[number_of(page) - ZONE_4G]);
        given[number_of(page) - ZONE_4G] = true;
    }
    ck_assert_ptr_null(take(0, HEAP_ANY_ADDRESS));
    ck_assert_uint_eq(check_all(FRAMES), 0);
    for (unsigned int i = 0; i < 4096; i++) {
        require(given[i] == (i >= 3 && i < 4003));
    }
    for (unsigned int i = 3; i < 4003; i++) {
        heap_free_frames(page_of(mfn(ZONE_4G + i)), 0);
    }
    ck_assert_uint_eq(check_all(FRAMES), 4000);
    merge_all();
    ck_assert_uint_eq(check_all(FRAMES), 4000);
    ck_assert_uint_eq(page_of(mfn(ZONE_4G + 2048))->use, 10);
}
END_TEST

START_TEST(a_large_piece_that_is_scattered_is_not_there)
{
    heap_add(mfn(ZONE_16M), 16);
    for (unsigned int i = 0; i < 16; i++) {
        ck_assert_ptr_nonnull(take(0, HEAP_ANY_ADDRESS));
    }
    for (unsigned int i = 0; i < 16; i += 2) {
        heap_free_frames(page_of(mfn(ZONE_16M + i)), 0);
    }
    ck_assert_uint_eq(heap_free_count(), 8);
    ck_assert_ptr_null(take(1, HEAP_ANY_ADDRESS));
    ck_assert_ptr_nonnull(take(0, HEAP_ANY_ADDRESS));
}
END_TEST

/* Every other frame free and clean: nothing will be whole, however long one merges. */
START_TEST(who_is_refused_has_merged_only_so_much)
{
    enum { PAIRS = 20000, AT_ONCE = 8192 };
    uint64_t clean = 0;

    heap_add(mfn(ZONE_4G), 2 * PAIRS);
    for (unsigned int i = 0; i < 2 * PAIRS; i++) {
        ck_assert_ptr_nonnull(take(0, HEAP_ANY_ADDRESS));
    }
    for (unsigned int i = 0; i < PAIRS; i++) {
        heap_free_frames(page_of(mfn(ZONE_4G + 2 * i)), 0);
    }
    ck_assert_ptr_null(take(1, HEAP_ANY_ADDRESS)); /* nothing lies aside any more */
    do {
        clears = 0;
    } while (heap_scrub_some());
    for (unsigned int round = 0; round < 3; round++) {
        ck_assert_ptr_null(take(1, HEAP_ANY_ADDRESS));
        clean = 0;
        for (unsigned int i = 0; i < PAIRS; i++) {
            clean += (page_of(mfn(ZONE_4G + 2 * i))->refs & PAGE_REF_CLEAN) != 0 ? 1 : 0;
        }
        ck_assert_uint_eq(clean, round < 2 ? PAIRS - (round + 1) * AT_ONCE : 0);
    }
    ck_assert_uint_eq(heap_free_count(), PAIRS);
}
END_TEST

START_TEST(single_frames_lie_aside_and_are_given_out_first)
{
    struct page *a, *b;

    heap_add(mfn(ZONE_4G), 256);
    a = take(0, HEAP_ANY_ADDRESS);
    b = take(0, HEAP_ANY_ADDRESS);
    now = 7;
    heap_free_frames(a, 0);
    now = 8;
    heap_free_frames(b, 0);
    ck_assert_uint_eq(check_all(FRAMES), 256);
    ck_assert_ptr_eq(take(0, HEAP_ANY_ADDRESS), b);
    ck_assert_uint_eq(flushed_stamp, 8);
    ck_assert_ptr_eq(take(0, HEAP_ANY_ADDRESS), a);
    ck_assert_uint_eq(flushed_stamp, 7);
    ck_assert_uint_eq(check_all(FRAMES), 254);
}
END_TEST

START_TEST(what_lies_aside_is_there_for_those_who_need_more_or_other_frames)
{
    heap_add(mfn(ZONE_16M), 64);
    for (unsigned int i = 0; i < 64; i++) {
        ck_assert_ptr_nonnull(take(0, HEAP_ANY_ADDRESS));
    }
    for (unsigned int i = 0; i < 64; i++) {
        heap_free_frames(page_of(mfn(ZONE_16M + i)), 0);
    }
    ck_assert_uint_eq(check_all(FRAMES), 64);
    ck_assert_ptr_null(take(0, 24));
    ck_assert_ptr_null(take(7, HEAP_ANY_ADDRESS));
    ck_assert_ptr_eq(take(6, HEAP_ANY_ADDRESS), page_of(mfn(ZONE_16M)));
    for (unsigned int i = 0; i < 64; i++) {
        heap_free_frames(page_of(mfn(ZONE_16M + i)), 0);
    }
    ck_assert_ptr_nonnull(take(0, 32));
    ck_assert_uint_eq(check_all(FRAMES), 63);
}
END_TEST

/* ---- addresses ------------------------------------------------------------------------------ */

static void add_three_zones(void)
{
    heap_add(mfn(1), ZONE_16M - 1);
    heap_add(mfn(ZONE_16M), 4096);
    heap_add(mfn(ZONE_4G), 4096);
}

START_TEST(who_has_no_limit_gets_the_highest_zone_first)
{
    add_three_zones();
    for (unsigned int i = 0; i < 4096; i++) {
        require(zone_of(number_of(take(0, HEAP_ANY_ADDRESS))) == 2);
    }
    for (unsigned int i = 0; i < 4096; i++) {
        require(zone_of(number_of(take(0, HEAP_ANY_ADDRESS))) == 1);
    }
    for (unsigned int i = 0; i < 4095; i++) {
        require(zone_of(number_of(take(0, HEAP_ANY_ADDRESS))) == 0);
    }
    ck_assert_ptr_null(take(0, HEAP_ANY_ADDRESS));
}
END_TEST

START_TEST(a_limit_of_32_bits_or_24_is_kept)
{
    add_three_zones();
    for (unsigned int order = 0; order <= 10; order++) {
        struct page *page = take(order, 32);

        ck_assert_uint_eq(zone_of(number_of(page)), 1);
        heap_free_frames(page, order);
        page = take(order, 24);
        ck_assert_uint_eq(zone_of(number_of(page)), 0);
        ck_assert_uint_le(number_of(page) + (UINT64_C(1) << order), ZONE_16M);
        heap_free_frames(page, order);
    }
    ck_assert_uint_eq(check_all(ZONE_4G + 4096), ZONE_16M - 1 + 8192);
}
END_TEST

START_TEST(any_limit_is_kept_by_the_last_byte)
{
    for (unsigned int bits = 0; bits <= 64; bits++) {
        uint64_t end = bits >= 64 ? UINT64_MAX : (UINT64_C(1) << bits) >> PAGE_SHIFT;

        if (bits == 0) {
            add_three_zones();
        }
        for (unsigned int order = 0; order < 12; order++) {
            struct page *page = take(order, bits);

            if (page == NULL) {
                require(end < ZONE_16M); /* no zone lies below it as a whole */
                continue;
            }
            require(number_of(page) + (UINT64_C(1) << order) <= end);
            heap_free_frames(page, order);
        }
    }
    check_all(ZONE_4G + 4096);
}
END_TEST

START_TEST(a_limit_beyond_all_memory_is_none)
{
    heap_add(mfn(ZONE_4G), UINT64_C(1) << MAX_ORDER); /* one block from 4 to 5 GiB */
    ck_assert_uint_eq(page_of(mfn(ZONE_4G))->use, MAX_ORDER);
    ck_assert_ptr_null(take(0, 32));
    ck_assert_uint_eq(number_of(take(0, 33)), ZONE_4G);
}
END_TEST

START_TEST(blocks_do_not_merge_across_zones)
{
    heap_add(mfn(ZONE_16M - 16), 32);
    heap_add(mfn(ZONE_4G - 16), 32);
    check_all(FRAMES);
    ck_assert_uint_eq(page_of(mfn(ZONE_16M - 16))->use, 4);
    ck_assert_uint_eq(page_of(mfn(ZONE_16M))->use, 4);
    ck_assert_uint_eq(page_of(mfn(ZONE_4G - 16))->use, 4);
}
END_TEST

START_TEST(a_buddy_beyond_the_frame_table_is_not_looked_at)
{
    frame_limit = ZONE_4G + 8;
    heap_add(mfn(ZONE_4G), 8);
    page_of(mfn(ZONE_4G + 8))->refs = page_of(mfn(ZONE_4G))->refs;
    page_of(mfn(ZONE_4G + 8))->use = 3;
    heap_free_frames(take(3, HEAP_ANY_ADDRESS), 3);
    ck_assert_uint_eq(page_of(mfn(ZONE_4G))->use, 3);
}
END_TEST

/* ---- flush, then scrub ---------------------------------------------------------------------- */

START_TEST(frames_are_flushed_and_cleared_before_they_are_given_out)
{
    heap_add(mfn(ZONE_16M), 64);
    ck_assert_ptr_nonnull(take(3, HEAP_ANY_ADDRESS));
    ck_assert_uint_eq(flushes, 1);
    ck_assert_uint_eq(clears, 8);
    clears = 0;
    ck_assert_ptr_nonnull(heap_frames_unscrubbed(3, HEAP_ANY_ADDRESS));
    ck_assert_uint_eq(flushes, 2);
    ck_assert_uint_eq(clears, 0);
}
END_TEST

START_TEST(every_byte_of_a_frame_is_cleared)
{
    static const uint8_t nothing[PAGE_SIZE];
    struct page *page;

    heap_add(mfn(ZONE_16M), 2);
    memset(direct_map_mfn(mfn(ZONE_16M)), 0xaa, 2 * PAGE_SIZE);
    clear_for_real = true;
    page = take(1, HEAP_ANY_ADDRESS);
    ck_assert_mem_eq(page_address(page), nothing, PAGE_SIZE);
    ck_assert_mem_eq(page_address(page + 1), nothing, PAGE_SIZE);
}
END_TEST

START_TEST(the_flush_is_for_when_the_frames_were_freed)
{
    struct page *page;

    heap_add(mfn(ZONE_16M), 1);
    page = take(0, HEAP_ANY_ADDRESS);
    now = 1234;
    heap_free_frames(page, 0);
    now = 2000;
    ck_assert_ptr_eq(take(0, HEAP_ANY_ADDRESS), page);
    ck_assert_uint_eq(flushed_stamp, 1234);
}
END_TEST

static unsigned int scrub_all(void)
{
    unsigned int pieces = 0;

    do {
        clears = 0;
        pieces++;
    } while (heap_scrub_some());
    return pieces - 1;
}

START_TEST(what_idle_cpus_cleared_is_given_out_as_it_is)
{
    struct page *page;

    heap_add(mfn(ZONE_16M), 64);
    ck_assert_uint_eq(scrub_all(), 16);
    ck_assert_uint_eq(flushes, 16);
    ck_assert_uint_eq(heap_free_count(), 64);
    ck_assert_uint_eq(page_of(mfn(ZONE_16M))->use, 6); /* one block again */
    page = take(6, HEAP_ANY_ADDRESS);
    ck_assert_ptr_nonnull(page);
    ck_assert_uint_eq(flushes, 16);
    ck_assert_uint_eq(clears, 0);
    heap_free_frames(page, 6);
    ck_assert_ptr_nonnull(take(6, HEAP_ANY_ADDRESS)); /* it may have been written to */
    ck_assert_uint_eq(flushes, 17);
    ck_assert_uint_eq(clears, 64);
}
END_TEST

START_TEST(clearing_goes_on_where_blocks_are_small)
{
    struct page *page;

    heap_add(mfn(ZONE_16M), 64);
    scrub_all();
    page = take(1, HEAP_ANY_ADDRESS);
    heap_free_frames(page, 1);
    check_all(FRAMES);
    ck_assert_uint_eq(scrub_all(), 1);
    ck_assert_uint_eq(page_of(mfn(ZONE_16M))->use, 6);
    ck_assert(!heap_scrub_some());
}
END_TEST

START_TEST(a_clean_half_and_a_dirty_one_are_one_piece_for_who_needs_it)
{
    struct page *half;

    heap_add(mfn(ZONE_16M), 64);
    scrub_all();
    half = take(5, HEAP_ANY_ADDRESS);
    heap_free_frames(half, 5);
    ck_assert_uint_eq(page_of(mfn(ZONE_16M))->use, 5);
    ck_assert_ptr_nonnull(take(6, HEAP_ANY_ADDRESS));
    ck_assert_uint_eq(clears, 64);
    ck_assert_uint_eq(heap_free_count(), 0);
}
END_TEST

START_TEST(a_higher_zone_comes_before_a_clean_one)
{
    heap_add(mfn(ZONE_16M), 16);
    scrub_all();
    heap_add(mfn(ZONE_4G), 16);
    ck_assert_uint_eq(number_of(take(2, HEAP_ANY_ADDRESS)), ZONE_4G);
}
END_TEST

START_TEST(who_cannot_be_served_leaves_clean_frames_clean)
{
    heap_add(mfn(ZONE_16M), 64);
    scrub_all();
    ck_assert_ptr_null(take(0, 1));
    ck_assert_ptr_null(take(9, 24));
    ck_assert(!heap_scrub_some());
}
END_TEST

START_TEST(a_part_of_a_block_is_flushed_for_the_whole)
{
    struct page *page;

    heap_add(mfn(ZONE_16M), 8);
    page = take(3, HEAP_ANY_ADDRESS);
    now = 99;
    heap_free_frames(page, 3);
    now = 200;
    for (unsigned int i = 0; i < 8; i++) {
        ck_assert_ptr_nonnull(take(0, HEAP_ANY_ADDRESS));
        ck_assert_uint_eq(flushed_stamp, 99);
    }
}
END_TEST

/* Free two buddies at these readings of the clock; take one at `later`. */
static void free_both(uint32_t first, uint32_t second, uint32_t later)
{
    struct page *pair;

    pair = take(1, HEAP_ANY_ADDRESS);
    ck_assert_ptr_nonnull(pair);
    now = first;
    heap_free_frames(pair, 0);
    now = second;
    heap_free_frames(pair + 1, 0);
    now = later;
    ck_assert_ptr_nonnull(take(1, HEAP_ANY_ADDRESS));
    heap_free_frames(pair, 1);
}

START_TEST(of_two_blocks_that_merge_the_younger_stamp_counts)
{
    heap_add(mfn(ZONE_16M), 2);
    free_both(10, 20, 30);
    ck_assert_uint_eq(flushed_stamp, 20);
    /* The clock goes round. */
    free_both(UINT32_MAX - 5, 7, 10);
    ck_assert_uint_eq(flushed_stamp, 7);
    /* The one that is freed last may be merged into one that is long there. */
    free_both(5, UINT32_C(0x80000010), UINT32_C(0x80000020));
    ck_assert_uint_eq(flushed_stamp, UINT32_C(0x80000010));
    free_both(5, UINT32_MAX, UINT32_MAX);
    ck_assert_uint_eq(flushed_stamp, UINT32_MAX);
}
END_TEST

/* ---- objects -------------------------------------------------------------------------------- */

static bool all_zero(const uint8_t *object, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (object[i] != 0) {
            return false;
        }
    }
    return true;
}

START_TEST(an_object_of_any_size_is_zeroed_aligned_and_its_own)
{
    uint8_t *objects[700];
    unsigned int count = 0;

    clear_for_real = true;
    heap_add(mfn(ZONE_16M), 8192);
    for (size_t size = 0; size <= 20000; size += size < 64 ? 1 : 37) {
        uint8_t *object = heap_alloc(size);

        clears = 0;
        require(object != NULL);
        require((uintptr_t)object % (size > 2048 ? PAGE_SIZE : 16) == 0);
        require(all_zero(object, size));
        memset(object, (int)(count % 255) + 1, size);
        objects[count++] = object;
    }
    count = 0;
    for (size_t size = 0; size <= 20000; size += size < 64 ? 1 : 37) {
        for (size_t i = 0; i < size; i++) {
            require(objects[count][i] == count % 255 + 1);
        }
        heap_free(objects[count++]);
    }
    ck_assert_uint_eq(check_all(ZONE_4G), 8192);
}
END_TEST

START_TEST(an_object_that_was_freed_is_zeroed_when_it_is_reused)
{
    uint8_t *keeper, *object, *again;

    clear_for_real = true;
    heap_add(mfn(ZONE_16M), 4);
    keeper = heap_alloc(100);
    clears = 0;
    object = heap_alloc(100);
    memset(object, 0xee, 128);
    heap_free(object);
    again = heap_alloc(128);
    ck_assert_ptr_eq(again, object);
    ck_assert(all_zero(again, 128));
    heap_free(again);
    heap_free(keeper);
    ck_assert_uint_eq(check_all(ZONE_4G), 4);
}
END_TEST

START_TEST(small_objects_share_a_frame_and_the_last_frees_it)
{
    for (size_t size = 16; size <= 2048; size *= 2) {
        uint8_t *objects[257];
        size_t per_frame = PAGE_SIZE / size;

        if (size == 16) {
            heap_add(mfn(ZONE_16M), 4);
        }
        for (size_t i = 0; i <= per_frame; i++) {
            clears = 0;
            objects[i] = heap_alloc(size);
            require(objects[i] != NULL);
            require(heap_free_count() == (i < per_frame ? 3 : 2));
            for (size_t j = 0; j < i; j++) {
                require(objects[j] != objects[i]);
            }
        }
        for (size_t i = 0; i < per_frame; i++) {
            heap_free(objects[i]);
        }
        ck_assert_uint_eq(heap_free_count(), 3);
        heap_free(objects[per_frame]);
        ck_assert_uint_eq(check_all(ZONE_4G), 4);
    }
}
END_TEST

START_TEST(a_full_frame_of_objects_serves_again_after_one_is_freed)
{
    uint8_t *a[4], *b[2];

    heap_add(mfn(ZONE_16M), 4);
    for (unsigned int i = 0; i < 4; i++) { /* two full frames of two objects */
        clears = 0;
        a[i] = heap_alloc(2048);
    }
    ck_assert_uint_eq(heap_free_count(), 2);
    heap_free(a[0]);
    heap_free(a[3]);
    clears = 0;
    b[0] = heap_alloc(1500);
    b[1] = heap_alloc(1500);
    ck_assert_uint_eq(heap_free_count(), 2);
    ck_assert(b[0] == a[0] || b[0] == a[3]);
    ck_assert(b[1] == a[0] || b[1] == a[3]);
    ck_assert_ptr_ne(b[0], b[1]);
    heap_free(a[1]);
    heap_free(a[2]);
    heap_free(b[0]);
    heap_free(b[1]);
    ck_assert_uint_eq(check_all(ZONE_4G), 4);
}
END_TEST

START_TEST(out_of_memory_an_object_is_refused_and_nothing_is_lost)
{
    uint8_t *object;

    heap_add(mfn(ZONE_16M), 3);
    object = heap_alloc(4096);
    ck_assert_ptr_null(heap_alloc(8193));
    clears = 0;
    ck_assert_ptr_null(heap_alloc(3 * 4096));
    ck_assert_uint_eq(heap_free_count(), 2);
    heap_free(object);
    ck_assert_uint_eq(check_all(ZONE_4G), 3);
}
END_TEST

START_TEST(a_size_nobody_has_is_refused)
{
    heap_add(mfn(ZONE_16M), 4096);
    ck_assert_ptr_null(heap_alloc(SIZE_MAX));
    ck_assert_ptr_null(heap_alloc((SIZE_MAX >> 1) + 2));
    ck_assert_ptr_null(heap_alloc(PAGE_SIZE << HEAP_ORDER_LIMIT));
    ck_assert_uint_eq(heap_free_count(), 4096);
}
END_TEST

START_TEST(freeing_nothing_is_allowed)
{
    heap_free(NULL);
}
END_TEST

/* ---- the long run --------------------------------------------------------------------------- */

#define SLOTS 400u
#define LIMIT (ZONE_4G + 3000)

struct slot {
    struct page *frames;
    unsigned int order;
    uint8_t *object;
    size_t size;
    uint8_t fill;
};

static struct slot slots[SLOTS];
static bool taken[LIMIT]; /* by the model: frames given out as frames */

static void fill_slot(struct slot *slot)
{
    static const unsigned int limits[] = { 20, 24, 30, 32, 40, HEAP_ANY_ADDRESS };
    unsigned int bits = limits[(unsigned int)rand() % ARRAY_SIZE(limits)];

    clears = 0;
    if (rand() % 2 == 0) {
        slot->size = (size_t)rand() % (rand() % 8 == 0 ? 30000 : 2500);
        slot->fill = (uint8_t)rand();
        slot->object = heap_alloc(slot->size);
        if (slot->object != NULL) {
            require(all_zero(slot->object, slot->size));
            memset(slot->object, slot->fill, slot->size);
        }
        return;
    }
    slot->order = (unsigned int)rand() % 7;
    slot->frames = heap_frames(slot->order, bits);
    for (uint64_t i = 0; slot->frames != NULL && i < UINT64_C(1) << slot->order; i++) {
        uint64_t number = number_of(slot->frames) + i;

        require(!taken[number]);
        require(bits >= 64 || number < UINT64_C(1) << (bits - PAGE_SHIFT));
        require(all_zero(page_address(slot->frames + i), PAGE_SIZE));
        memset(page_address(slot->frames + i), 0xa5, PAGE_SIZE);
        taken[number] = true;
    }
}

static void empty_slot(struct slot *slot)
{
    now += (uint32_t)rand() % 3;
    if (slot->object != NULL) {
        for (size_t i = 0; i < slot->size; i++) {
            require(slot->object[i] == slot->fill);
        }
        heap_free(slot->object);
    }
    if (slot->frames != NULL) {
        for (uint64_t i = 0; i < UINT64_C(1) << slot->order; i++) {
            taken[number_of(slot->frames) + i] = false;
        }
        heap_free_frames(slot->frames, slot->order);
    }
    memset(slot, 0, sizeof(*slot));
}

START_TEST(any_mixture_of_taking_and_freeing_agrees_with_the_model)
{
    uint64_t total = 300 + 2000 + 2500;

    srand(4711);
    clear_for_real = true;
    heap_add(mfn(17), 300);
    heap_add(mfn(ZONE_16M + 1), 2000);
    heap_add(mfn(ZONE_4G + 77), 2500);
    for (unsigned int step = 0; step < 30000; step++) {
        struct slot *slot = &slots[(unsigned int)rand() % SLOTS];

        if (slot->object == NULL && slot->frames == NULL) {
            fill_slot(slot);
        } else {
            empty_slot(slot);
        }
        clears = 0;
        if (rand() % 4 == 0) {
            (void)heap_scrub_some();
        }
        if (step % 1000 == 0) {
            check_all(LIMIT);
            for (uint64_t n = 0; n < LIMIT; n++) {
                require(!taken[n] || !covered[n]);
            }
        }
    }
    for (unsigned int i = 0; i < SLOTS; i++) {
        empty_slot(&slots[i]);
    }
    ck_assert_uint_eq(check_all(LIMIT), total);
    ck_assert_uint_eq(heap_total_count(), total);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("heap");
    TCase *frames = suite_case(suite, "frames"), *objects = suite_case(suite, "objects");
    TCase *run = suite_case(suite, "long run");

    tcase_add_checked_fixture(frames, setup, NULL);
    tcase_set_timeout(frames, 30);
    tcase_add_test(frames, the_younger_stamp_stands_for_both_halves);
    tcase_add_test(frames, an_empty_heap_gives_nothing);
    tcase_add_test(frames, what_is_added_is_free_in_the_largest_pieces_there_are);
    tcase_add_test(frames, what_is_added_beside_free_frames_merges_with_them);
    tcase_add_test(frames, frame_zero_is_never_in_the_heap);
    tcase_add_test(frames, frames_of_any_order_are_aligned_and_the_rest_stays_free);
    tcase_add_test(frames, an_order_beyond_the_limit_is_refused);
    tcase_add_test(frames, all_frames_are_given_out_once);
    tcase_add_test(frames, a_large_piece_that_is_scattered_is_not_there);
    tcase_add_test(frames, who_is_refused_has_merged_only_so_much);
    tcase_add_test(frames, single_frames_lie_aside_and_are_given_out_first);
    tcase_add_test(frames, what_lies_aside_is_there_for_those_who_need_more_or_other_frames);
    tcase_add_test(frames, who_has_no_limit_gets_the_highest_zone_first);
    tcase_add_test(frames, a_limit_of_32_bits_or_24_is_kept);
    tcase_add_test(frames, any_limit_is_kept_by_the_last_byte);
    tcase_add_test(frames, a_limit_beyond_all_memory_is_none);
    tcase_add_test(frames, blocks_do_not_merge_across_zones);
    tcase_add_test(frames, a_buddy_beyond_the_frame_table_is_not_looked_at);
    tcase_add_test(frames, frames_are_flushed_and_cleared_before_they_are_given_out);
    tcase_add_test(frames, every_byte_of_a_frame_is_cleared);
    tcase_add_test(frames, the_flush_is_for_when_the_frames_were_freed);
    tcase_add_test(frames, what_idle_cpus_cleared_is_given_out_as_it_is);
    tcase_add_test(frames, clearing_goes_on_where_blocks_are_small);
    tcase_add_test(frames, a_clean_half_and_a_dirty_one_are_one_piece_for_who_needs_it);
    tcase_add_test(frames, a_higher_zone_comes_before_a_clean_one);
    tcase_add_test(frames, who_cannot_be_served_leaves_clean_frames_clean);
    tcase_add_test(frames, a_part_of_a_block_is_flushed_for_the_whole);
    tcase_add_test(frames, of_two_blocks_that_merge_the_younger_stamp_counts);

    tcase_add_checked_fixture(objects, setup, NULL);
    tcase_add_test(objects, an_object_of_any_size_is_zeroed_aligned_and_its_own);
    tcase_add_test(objects, an_object_that_was_freed_is_zeroed_when_it_is_reused);
    tcase_add_test(objects, small_objects_share_a_frame_and_the_last_frees_it);
    tcase_add_test(objects, a_full_frame_of_objects_serves_again_after_one_is_freed);
    tcase_add_test(objects, out_of_memory_an_object_is_refused_and_nothing_is_lost);
    tcase_add_test(objects, a_size_nobody_has_is_refused);
    tcase_add_test(objects, freeing_nothing_is_allowed);

    tcase_add_checked_fixture(run, setup, NULL);
    tcase_set_timeout(run, 60);
    tcase_add_test(run, any_mixture_of_taking_and_freeing_agrees_with_the_model);
    return suite_run(suite);
}
