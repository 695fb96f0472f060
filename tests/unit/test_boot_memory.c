/* SPDX-License-Identifier: MIT */
/*
 * hypervisor/boot/memory.c: what becomes of each frame of a firmware's memory map.
 * The file is included here, over tables in the test's own memory; mappings are
 * noted.  A model says of each frame alone whether it is RAM.
 */
#define _GNU_SOURCE
#include <check.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#pragma GCC diagnostic ignored "-Wredundant-decls" /* lib/string.h, beside the library's */

/* CR3 as a variable, under the real name. */
#define write_cr3 real_write_cr3
#include "hypervisor/x86/cpu.h"
#undef write_cr3

static uint64_t loaded_cr3;

static inline void write_cr3(uint64_t value)
{
    loaded_cr3 = value;
}

/* The core is at 1 MiB, as it is linked; 3 pages of text, 2 of constants, 3 of data. */
#include "hypervisor/x86/address_space.h"
#undef CORE_IMAGE
#define CORE_AT    UINT64_C(0x100000)
#define CORE_IMAGE ((uint64_t)_start_of_core - CORE_AT)
__asm__(".pushsection .bss\n"
        ".balign 4096\n"
        ".globl _start_of_core, _end_of_text, _end_of_rodata, _end_of_core\n"
        "_start_of_core: .skip 0x3000\n"
        "_end_of_text: .skip 0x2000\n"
        "_end_of_rodata: .skip 0x3000\n"
        "_end_of_core:\n"
        ".popsection\n");

#undef FRAME_TABLE
#define FRAME_TABLE ((uint64_t)frame_table)
#undef M2P_START
#define M2P_START ((uint64_t)m2p_table)

#include "hypervisor/boot/memory.c"
#include "tests/fake/fake.h"
#include "tests/unit/require.h"
#include "tests/unit/suite.h"

#define FRAMES (UINT64_C(8) << 30 >> PAGE_SHIFT)
#define MIB    UINT64_C(0x100000)
#define GIB    UINT64_C(0x40000000)

/* What happened to a frame, and what it is by the model. */
enum { IN_HEAP = 1, TAKEN = 2, IS_RAM = 4, IS_KEPT = 8 };
static uint8_t *fate;

static struct mapping {
    uint64_t address, frame, count, flags;
} mappings[8192];
static unsigned int mapping_count, warnings;
static uint64_t heap_frames_added;

struct boot_info boot_info;
pte_t core_l4[PTE_ENTRIES];
mfn_t (*paging_take_frame)(void);
struct page *frame_table;
uint64_t *m2p_table;
uint64_t frame_limit;

static jmp_buf panicked;
static char panic_text[256];

void panic(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(panic_text, sizeof(panic_text), format, arguments);
    va_end(arguments);
    longjmp(panicked, 1);
}

void log_print(enum log_level level, const char *format, ...)
{
    (void)format;
    warnings += level == LOG_WARNING;
}

/* Each mapping costs the frame of a table, which is free RAM of the core's choice. */
bool paging_map(uint64_t address, mfn_t frame, uint64_t count, uint64_t flags)
{
    mfn_t table = paging_take_frame();

    require(mapping_count < ARRAY_SIZE(mappings));
    mappings[mapping_count++] = (struct mapping){ address, frame.number, count, flags };
    require(table.number < FRAMES && fate[table.number] == 0);
    require(loaded_cr3 != 0 || table.number < FOUR_GIB >> PAGE_SHIFT);
    fate[table.number] |= TAKEN;
    if ((address >= FRAME_TABLE && address < FRAME_TABLE + FRAMES * sizeof(struct page)) ||
        (address >= M2P_START && address < M2P_START + FRAMES * sizeof(uint64_t))) {
        require(count == LARGE >> PAGE_SHIFT && frame.number % count == 0);
        for (uint64_t i = 0; i < count; i++) {
            require(fate[frame.number + i] == 0);
            fate[frame.number + i] |= TAKEN;
        }
    }
    return true;
}

static const struct mapping *mapping_of(uint64_t address)
{
    for (unsigned int i = 0; i < mapping_count; i++) {
        if (address - mappings[i].address < mappings[i].count << PAGE_SHIFT) {
            return &mappings[i];
        }
    }
    return NULL;
}

mfn_t paging_frame_of(uint64_t address)
{
    const struct mapping *found = mapping_of(address);

    require(found != NULL);
    return mfn(found->frame + ((address - found->address) >> PAGE_SHIFT));
}

void heap_add(mfn_t first, uint64_t count)
{
    for (uint64_t i = first.number; i < first.number + count; i++) {
        require(i < FRAMES && (fate[i] & ~IS_RAM) == 0);
        fate[i] |= IN_HEAP;
    }
    heap_frames_added += count;
}

/* Zeroes that are memory only when written to. */
static void *reserve(size_t size)
{
    uint8_t *start = mmap(NULL, size + LARGE, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    require(start != MAP_FAILED);
    return start + (LARGE - (uintptr_t)start % LARGE);
}

static void setup(void)
{
    fate = reserve(FRAMES);
    frame_table = reserve(FRAMES * sizeof(struct page));
    m2p_table = reserve(FRAMES * sizeof(uint64_t));
}

static void again(void)
{
    memset(fate, 0, frame_limit);
    memset(&boot_info, 0, sizeof(boot_info));
    mapping_count = 0;
    warnings = 0;
    heap_frames_added = 0;
    loaded_cr3 = 0;
    piece_count = 0;
    allocation_limit = FOUR_GIB;
    smp_trampoline_frame = 0;
}

static void region(uint64_t start, uint64_t end, uint32_t type)
{
    require(boot_info.region_count < BOOT_REGIONS);
    boot_info.regions[boot_info.region_count++] =
        (struct boot_region){ .start = start, .size = end - start, .type = type };
}

static void module(uint64_t start, uint64_t size)
{
    boot_info.modules[boot_info.module_count].start = start;
    boot_info.modules[boot_info.module_count++].size = size;
}

/* Does [start, end) have a byte of the frame? */
static bool touches(uint64_t frame, uint64_t start, uint64_t end)
{
    return start < end && start < (frame + 1) << PAGE_SHIFT && end > frame << PAGE_SHIFT;
}

static bool is_ram(uint64_t frame)
{
    bool ram = false;

    for (unsigned int i = 0; i < boot_info.region_count; i++) {
        const struct boot_region *r = &boot_info.regions[i];

        if (r->type == REGION_RAM) {
            ram |= r->start <= frame << PAGE_SHIFT && r->start + r->size >= (frame + 1)
                                                                                << PAGE_SHIFT;
        } else if (touches(frame, r->start, r->start + r->size)) {
            return false;
        }
    }
    return ram;
}

/* Of RAM, what the heap may not have. */
static bool is_kept(uint64_t frame)
{
    bool kept = frame < LOW_MEMORY >> PAGE_SHIFT ||
                touches(frame, CORE_AT, (uint64_t)_end_of_core - CORE_IMAGE);

    for (unsigned int i = 0; i < boot_info.module_count; i++) {
        const struct boot_module *m = &boot_info.modules[i];

        kept |= touches(frame, m->start, m->start + m->size);
    }
    return kept;
}

/* After memory_setup(): every frame is where it belongs. */
static void check_frames(void)
{
    uint64_t in_heap = 0;

    for (uint64_t i = 0; i < frame_limit; i++) {
        bool ram = is_ram(i), kept = is_kept(i);
        uint64_t refs = atomic_load(&page_of(mfn(i))->refs);

        require((fate[i] & (IN_HEAP | TAKEN)) != (IN_HEAP | TAKEN));
        if (!ram) {
            require(fate[i] == 0);
            require(refs == page_ref_owner_bits(DOMID_IO));
            require(mapping_of(DIRECT_MAP + (i << PAGE_SHIFT)) == NULL);
        } else {
            /* Low memory may hold the core's own tables, though never the heap. */
            require(!kept || (fate[i] & IN_HEAP) == 0);
            require(kept || fate[i] == IN_HEAP || fate[i] == TAKEN);
            require(page_owner(page_of(mfn(i))) == OWNER_CORE ||
                    page_owner(page_of(mfn(i))) == DOMID_XEN);
            require((refs & PAGE_REF_COUNT) == 1);
            require(mapping_of(DIRECT_MAP + (i << PAGE_SHIFT)) != NULL);
        }
        in_heap += fate[i] == IN_HEAP;
    }
    require(in_heap == heap_frames_added);
}

static void check_trampoline(void)
{
    if (smp_trampoline_frame != 0) {
        require(smp_trampoline_frame < LOW_MEMORY >> PAGE_SHIFT);
        require(is_ram(smp_trampoline_frame) && fate[smp_trampoline_frame] == 0);
    }
}

/* NULL, or why it panicked. */
static const char *run(void)
{
    if (setjmp(panicked) != 0) {
        return panic_text;
    }
    memory_setup();
    check_frames();
    check_trampoline();
    return NULL;
}

static void run_good(void)
{
    const char *why = run();

    ck_assert_msg(why == NULL, "%s", why);
}

/* What a PC has. */
static void ordinary(uint64_t end_below_4_gib, uint64_t end)
{
    region(0, 0x9fc00, REGION_RAM);
    region(0x9fc00, 0xa0000, REGION_RESERVED);
    region(0xf0000, 0x100000, REGION_RESERVED);
    region(0x100000, end_below_4_gib, REGION_RAM);
    region(end_below_4_gib, end_below_4_gib + 0x20000, REGION_ACPI);
    region(0xfffc0000, FOUR_GIB, REGION_RESERVED);
    if (end > FOUR_GIB) {
        region(FOUR_GIB, end, REGION_RAM);
    }
}

START_TEST(an_ordinary_machine)
{
    ordinary(64 * MIB - 0x20000, 0);
    module(3 * MIB, 0x234567);
    run_good();
    ck_assert_uint_eq(frame_limit, (64 * MIB - 0x20000) >> PAGE_SHIFT);
    ck_assert_uint_eq(smp_trampoline_frame, 0x9e); /* the last whole page */
    ck_assert_uint_eq(loaded_cr3, (uint64_t)core_l4 - CORE_IMAGE);
    ck_assert_uint_eq(warnings, 0);
}
END_TEST

START_TEST(memory_above_4_gib_holds_the_large_tables)
{
    ordinary(3 * GIB, 5 * GIB);
    run_good();
    ck_assert_uint_eq(frame_limit, 5 * GIB >> PAGE_SHIFT);
    ck_assert_uint_ge(paging_frame_of(FRAME_TABLE).number, FOUR_GIB >> PAGE_SHIFT);
    ck_assert_uint_ge(paging_frame_of(M2P_START).number, FOUR_GIB >> PAGE_SHIFT);
    /* Both tables are complete, and the guests' view is of the same frames, read-only. */
    for (uint64_t offset = 0; offset < frame_limit * sizeof(uint64_t); offset += LARGE) {
        const struct mapping *guest = mapping_of(M2P_GUEST_START + offset);

        ck_assert_ptr_nonnull(guest);
        ck_assert_uint_eq(guest->frame, paging_frame_of(M2P_START + offset).number);
        ck_assert_uint_eq(guest->flags & (PTE_USER | PTE_WRITABLE | PTE_GLOBAL), PTE_USER);
    }
    ck_assert_uint_eq(m2p_table[frame_limit - 1], M2P_NONE);
}
END_TEST

START_TEST(the_core_is_never_writable_and_executable)
{
    ordinary(32 * MIB, 0);
    run_good();
    for (unsigned int i = 0; i < mapping_count; i++) {
        const struct mapping *m = &mappings[i];
        bool executable = (m->flags & PTE_NO_EXECUTE) == 0;

        ck_assert(!executable || (m->flags & PTE_WRITABLE) == 0);
        ck_assert_int_eq(executable, m->address == (uint64_t)_start_of_core);
        /* Text and constants, by whatever address. */
        if (m->frame < (CORE_AT + 0x5000) >> PAGE_SHIFT &&
            m->frame + m->count > CORE_AT >> PAGE_SHIFT) {
            ck_assert_uint_eq(m->flags & PTE_WRITABLE, 0);
        }
    }
    ck_assert_uint_ne(mapping_of((uint64_t)_end_of_rodata)->flags & PTE_WRITABLE, 0);
    ck_assert_uint_eq(mapping_of((uint64_t)_end_of_core - 1)->frame,
                      (CORE_AT + 0x5000) >> PAGE_SHIFT);
}
END_TEST

START_TEST(the_core_may_be_in_several_pieces_of_ram)
{
    region(0x100000, 0x102000, REGION_RAM);
    region(0x102000, 0x107000, REGION_RAM);
    region(0x107000, 32 * MIB, REGION_RAM);
    run_good();
    for (uint64_t at = CORE_AT; at < CORE_AT + 0x9000; at += PAGE_SIZE) {
        ck_assert_int_eq((mapping_of(DIRECT_MAP + at)->flags & PTE_WRITABLE) == 0,
                         at < CORE_AT + 0x5000);
    }
}
END_TEST

START_TEST(regions_overlap_and_end_anywhere)
{
    region(0x123, 0x9ff01, REGION_RAM);
    region(0x100000, 40 * MIB + 5, REGION_RAM);
    region(20 * MIB, 30 * MIB, REGION_RAM);            /* named twice */
    region(39 * MIB, 48 * MIB, REGION_RAM);            /* and in part */
    region(25 * MIB + 1, 25 * MIB + 2, REGION_NVS);    /* a byte costs a page */
    region(26 * MIB - 1, 26 * MIB + 1, REGION_ACPI);   /* or two */
    region(50 * MIB + 0x800, 50 * MIB + 0x1800, 1);    /* no whole page */
    region(60 * MIB, 60 * MIB, REGION_RAM);            /* nothing */
    region(61 * MIB, 60 * MIB, REGION_RAM);            /* beyond the end of all addresses */
    region(DIRECT_MAP_SIZE, DIRECT_MAP_SIZE + GIB, 1); /* more than the core can reach */
    module(31 * MIB + 0x10, 0x20);
    module(32 * MIB - 8, 16);
    run_good();
    ck_assert_uint_eq(frame_limit, 48 * MIB >> PAGE_SHIFT);
    ck_assert_uint_eq(fate[25 * MIB >> PAGE_SHIFT], 0);
    ck_assert_uint_eq(warnings, 0);
}
END_TEST

START_TEST(low_memory_may_be_all_reserved)
{
    region(0x50000, 0x9f000, REGION_RAM);
    region(0, 0x100000, REGION_RESERVED);
    region(0x100000, 32 * MIB, REGION_RAM);
    run_good();
    ck_assert_uint_eq(smp_trampoline_frame, 0);
}
END_TEST

START_TEST(low_memory_may_be_in_pieces)
{
    region(0, 0x1000, REGION_RAM); /* page 0 is no place to start at */
    region(0x8000, 0x9000, REGION_RAM);
    region(0x100000, 32 * MIB, REGION_RAM);
    run_good();
    ck_assert_uint_eq(smp_trampoline_frame, 8);
}
END_TEST

START_TEST(more_pieces_than_there_is_room_for_are_not_used)
{
    region(0x100000, 32 * MIB, REGION_RAM);
    region(32 * MIB, 64 * MIB, REGION_RAM);
    while (boot_info.region_count < BOOT_REGIONS) {
        uint64_t start = 33 * MIB + boot_info.region_count * UINT64_C(0x3000);

        region(start, start + 0x1000, REGION_RAM);
    }
    if (setjmp(panicked) == 0) {
        memory_setup();
    }
    ck_assert_str_eq(panic_text, "");
    ck_assert_uint_gt(warnings, 0);
    ck_assert_uint_gt(heap_frames_added, 0);
    for (uint64_t i = 0; i < frame_limit; i++) {
        require((fate[i] & IN_HEAP) == 0 || (is_ram(i) && !is_kept(i)));
    }
}
END_TEST

START_TEST(without_memory_the_core_says_so)
{
    ck_assert_str_eq(run(), "the boot loader passed no memory map");
    again();
    region(0x100000, 32 * MIB, REGION_RESERVED);
    ck_assert_str_eq(run(), "the boot loader passed no memory map");
    again();
    region(0x100000, 32 * MIB, REGION_RAM);
    region(0, FOUR_GIB, REGION_RESERVED);
    ck_assert_int_eq(strncmp(run(), "not enough memory for the core's own tables", 43), 0);
    again();
    region(0x100000, 3 * MIB, REGION_RAM); /* no large page is free */
    ck_assert_int_eq(strncmp(run(), "not enough memory for the core's own tables", 43), 0);
    again();
    region(5 * GIB, 6 * GIB, REGION_RAM); /* the first tables must be below 4 GiB */
    ck_assert_int_eq(strncmp(run(), "not enough memory for the core's own tables", 43), 0);
}
END_TEST

START_TEST(modules_join_the_heap_but_for_what_they_share)
{
    uint64_t before;

    ordinary(64 * MIB, 0);
    module(0x20000, 0x2000);        /* low memory stays the firmware's */
    module(8 * MIB, 0x10000);       /* whole pages */
    module(9 * MIB + 0x10, 0x2ff0); /* no whole first one */
    module(10 * MIB, 0x1801);       /* nor last */
    module(11 * MIB + 1, 0xffe);    /* none at all */
    module(12 * MIB, 0);
    run_good();
    before = heap_frames_added;
    memory_free_modules();
    ck_assert_uint_eq(heap_frames_added - before, 16 + 2 + 1);
    ck_assert_uint_eq(boot_info.module_count, 0);
    ck_assert_uint_eq(fate[(9 * MIB) >> PAGE_SHIFT], 0);
    ck_assert_uint_eq(fate[(10 * MIB >> PAGE_SHIFT) + 1], 0);
    memory_free_modules(); /* once */
    ck_assert_uint_eq(heap_frames_added - before, 16 + 2 + 1);
}
END_TEST

START_TEST(any_map_agrees_with_the_model)
{
    unsigned int good = 0;

    srand(7);
    for (unsigned int round = 0; round < 60; round++) {
        again();
        region(0x100000, 24 * MIB, REGION_RAM);
        for (unsigned int i = (unsigned int)rand() % 24; i > 0; i--) {
            uint64_t start = (uint64_t)rand() % (32 * MIB);
            uint64_t size = 1 + (uint64_t)rand() % (rand() % 2 != 0 ? 4 * MIB : 0x3000);
            uint32_t type = (uint32_t)rand() % 5;

            if (rand() % 2 != 0) {
                start &= ~PAGE_MASK;
                size &= ~PAGE_MASK;
            }
            /* The boot loader put the core where nothing is reserved. */
            if (type == REGION_RAM || start > CORE_AT + 0x10000 || start + size <= CORE_AT) {
                region(start, start + size, type);
            }
        }
        module((uint64_t)rand() % (32 * MIB), (uint64_t)rand() % MIB);
        good += run() == NULL;
    }
    ck_assert_uint_gt(good, 10);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("boot_memory");
    TCase *tcase = suite_case(suite, "boot_memory");

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, an_ordinary_machine);
    tcase_add_test(tcase, memory_above_4_gib_holds_the_large_tables);
    tcase_add_test(tcase, the_core_is_never_writable_and_executable);
    tcase_add_test(tcase, the_core_may_be_in_several_pieces_of_ram);
    tcase_add_test(tcase, regions_overlap_and_end_anywhere);
    tcase_add_test(tcase, low_memory_may_be_all_reserved);
    tcase_add_test(tcase, low_memory_may_be_in_pieces);
    tcase_add_test(tcase, more_pieces_than_there_is_room_for_are_not_used);
    tcase_add_test(tcase, without_memory_the_core_says_so);
    tcase_add_test(tcase, modules_join_the_heap_but_for_what_they_share);
    tcase_add_test(tcase, any_map_agrees_with_the_model);
    return suite_run(suite);
}
