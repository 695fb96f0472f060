/* SPDX-License-Identifier: MIT */
/*
 * The machine's memory, once, on the boot CPU.
 *
 * Until the heap is filled, frames are taken from the top of the highest free
 * piece below a limit: first below 4 GiB, which the boot tables map, later
 * anywhere.
 */
#include "hypervisor/boot/memory.h"

#include "hypervisor/boot/loader.h"
#include "hypervisor/lib/log.h"
#include "hypervisor/lib/panic.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/mm/page.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/paging.h"
#include "hypervisor/x86/smp.h"

#define LOW_MEMORY UINT64_C(0x100000)
#define FOUR_GIB   UINT64_C(0x100000000)
#define LARGE      UINT64_C(0x200000)
#define PIECES     (BOOT_REGIONS + BOOT_MODULES + 4u)

extern const uint8_t _start_of_core[], _end_of_text[], _end_of_rodata[], _end_of_core[];

uint64_t smp_trampoline_frame;

/* Free RAM that is not handed out yet, page aligned, in order of address. */
static struct piece {
    uint64_t start, end;
} pieces[PIECES];
static unsigned int piece_count;
static uint64_t allocation_limit = FOUR_GIB;

static void piece_insert(uint64_t start, uint64_t end)
{
    unsigned int i = piece_count;

    if (start >= end) {
        return;
    }
    if (piece_count == PIECES) {
        log_warning("memory map has too many pieces: %lx-%lx is not used\n", start, end);
        return;
    }
    while (i > 0 && pieces[i - 1].start > start) {
        pieces[i] = pieces[i - 1];
        i--;
    }
    pieces[i] = (struct piece){ start, end };
    piece_count++;
}

/* Take [start, end) out of what is free. */
static void piece_reserve(uint64_t start, uint64_t end)
{
    start &= ~PAGE_MASK;
    end = ROUND_UP(end, PAGE_SIZE);
    for (unsigned int i = 0; i < piece_count; i++) {
        struct piece whole = pieces[i];

        if (whole.end <= start || whole.start >= end) {
            continue;
        }
        pieces[i].end = MAX(whole.start, MIN(whole.end, start));
        if (whole.end > end) {
            if (pieces[i].end == pieces[i].start) {
                pieces[i] = (struct piece){ end, whole.end };
            } else {
                piece_insert(end, whole.end);
            }
        }
    }
}

/* `size` bytes at a multiple of `alignment`, below the limit, as high as possible. */
static uint64_t take(uint64_t size, uint64_t alignment)
{
    for (unsigned int i = piece_count; i-- > 0;) {
        uint64_t end = MIN(pieces[i].end, allocation_limit) & ~(alignment - 1);

        if (end >= pieces[i].start + size && end > size) {
            uint64_t start = (end - size) & ~(alignment - 1);

            if (start >= pieces[i].start) {
                piece_reserve(start, start + size);
                return start;
            }
        }
    }
    panic("not enough memory for the core's own tables (%lu KiB in one piece)", size >> 10);
}

static mfn_t take_frame(void)
{
    return mfn(take(PAGE_SIZE, PAGE_SIZE) >> PAGE_SHIFT);
}

static mfn_t take_heap_frame(void)
{
    struct page *page = heap_frames(0, HEAP_ANY_ADDRESS);

    return page == NULL ? MFN_INVALID : page_frame(page);
}

static void find_ram(void)
{
    for (unsigned int i = 0; i < boot_info.region_count; i++) {
        const struct boot_region *region = &boot_info.regions[i];
        uint64_t end = region->start + region->size;

        if (region->type == REGION_RAM && end > region->start && end <= DIRECT_MAP_SIZE) {
            uint64_t start = ROUND_UP(region->start, PAGE_SIZE);

            end &= ~PAGE_MASK;
            if (start < end) { /* each byte once, however often it is named */
                piece_reserve(start, end);
                piece_insert(start, end);
            }
        }
    }
    /* Firmware maps overlap now and then: what is reserved anywhere is not RAM. */
    for (unsigned int i = 0; i < boot_info.region_count; i++) {
        const struct boot_region *region = &boot_info.regions[i];

        if (region->type != REGION_RAM) {
            piece_reserve(region->start, region->start + region->size);
        }
    }
    if (piece_count == 0) {
        panic("the boot loader passed no memory map");
    }
}

static void map_or_die(uint64_t address, uint64_t start, uint64_t end, uint64_t flags)
{
    if (!paging_map(address, mfn_of_maddr(maddr(start)), (end - start) >> PAGE_SHIFT, flags)) {
        panic("no memory to map %lx-%lx", start, end);
    }
}

static void map_core(void)
{
    uint64_t text = (uint64_t)_start_of_core, rodata = (uint64_t)_end_of_text;
    uint64_t data = (uint64_t)_end_of_rodata, end = (uint64_t)_end_of_core;

    map_or_die(text, text - CORE_IMAGE, rodata - CORE_IMAGE, CORE_RX);
    map_or_die(rodata, rodata - CORE_IMAGE, data - CORE_IMAGE, CORE_RO);
    map_or_die(data, data - CORE_IMAGE, end - CORE_IMAGE, CORE_RW);
}

/* The direct map sees the core's text and constants too: read-only there as well. */
static void map_ram(const struct piece *ram, unsigned int count)
{
    uint64_t core = (uint64_t)_start_of_core - CORE_IMAGE;
    uint64_t core_constant_end = (uint64_t)_end_of_rodata - CORE_IMAGE;

    for (unsigned int i = 0; i < count; i++) {
        uint64_t start = ram[i].start, end = ram[i].end;
        uint64_t from = MIN(MAX(core, start), end), to = MIN(MAX(core_constant_end, start), end);

        map_or_die(DIRECT_MAP + start, start, from, CORE_RW | PTE_LARGE);
        map_or_die(DIRECT_MAP + from, from, to, CORE_RO);
        map_or_die(DIRECT_MAP + to, to, end, CORE_RW | PTE_LARGE);
    }
}

/* A table over all frames at `address`; large pages, zeroed or filled with ones. */
static uint64_t make_table(uint64_t address, uint64_t size, int fill)
{
    size = ROUND_UP(size, LARGE);
    for (uint64_t offset = 0; offset < size; offset += LARGE) {
        uint64_t chunk = take(LARGE, LARGE);

        map_or_die(address + offset, chunk, chunk + LARGE, CORE_RW | PTE_LARGE);
        memset((void *)(address + offset), fill, LARGE);
    }
    return size;
}

/* The view guests have of the machine-to-physical table: same frames, read-only. */
static void show_m2p(uint64_t size)
{
    for (uint64_t offset = 0; offset < size; offset += LARGE) {
        mfn_t frame = paging_frame_of(M2P_START + offset);

        map_or_die(M2P_GUEST_START + offset, maddr_of_mfn(frame).byte,
                   maddr_of_mfn(frame).byte + LARGE,
                   (CORE_RO | PTE_USER | PTE_LARGE) & ~(uint64_t)PTE_GLOBAL);
        for (uint64_t i = 0; i < LARGE / PAGE_SIZE; i++) {
            page_lend(page_of(mfn_plus(frame, i)), DOMID_XEN, false);
        }
    }
}

/*
 * Frames are device memory until said otherwise, and can never be referred to: count 0.
 * RAM is the core's until the heap has it.
 */
static void claim_frames(const struct piece *ram, unsigned int count)
{
    for (uint64_t i = 0; i < frame_limit; i++) {
        atomic_store_explicit(&page_of(mfn(i))->refs, page_ref_owner_bits(DOMID_IO),
                              memory_order_relaxed);
    }
    for (unsigned int i = 0; i < count; i++) {
        for (uint64_t n = ram[i].start >> PAGE_SHIFT; n < ram[i].end >> PAGE_SHIFT; n++) {
            atomic_store_explicit(&page_of(mfn(n))->refs, page_ref_owner_bits(OWNER_CORE) | 1,
                                  memory_order_relaxed);
        }
    }
}

static void fill_heap(void)
{
    allocation_limit = 0;
    paging_take_frame = take_heap_frame;
    for (unsigned int i = 0; i < piece_count; i++) {
        uint64_t start = MAX(pieces[i].start, LOW_MEMORY);

        /* The first megabyte stays with the firmware, but for the trampoline's page. */
        if (pieces[i].start < LOW_MEMORY && pieces[i].end > MAX(pieces[i].start, PAGE_SIZE)) {
            smp_trampoline_frame = (MIN(pieces[i].end, LOW_MEMORY) >> PAGE_SHIFT) - 1;
        }
        if (start < pieces[i].end) {
            heap_add(mfn(start >> PAGE_SHIFT), (pieces[i].end - start) >> PAGE_SHIFT);
        }
    }
    piece_count = 0;
}

void memory_setup(void)
{
    static struct piece ram[PIECES];
    unsigned int ram_count;
    uint64_t m2p_size;

    paging_take_frame = take_frame;
    find_ram();
    memcpy(ram, pieces, sizeof(ram));
    ram_count = piece_count;
    frame_limit = pieces[piece_count - 1].end >> PAGE_SHIFT;

    piece_reserve((uint64_t)_start_of_core - CORE_IMAGE, (uint64_t)_end_of_core - CORE_IMAGE);
    for (unsigned int i = 0; i < boot_info.module_count; i++) {
        const struct boot_module *module = &boot_info.modules[i];

        piece_reserve(module->start, module->start + module->size);
    }

    map_core();
    map_ram(ram, ram_count);
    write_cr3((uint64_t)core_l4 - CORE_IMAGE);

    allocation_limit = UINT64_MAX;
    make_table(FRAME_TABLE, frame_limit * sizeof(struct page), 0);
    m2p_size = make_table(M2P_START, frame_limit * sizeof(uint64_t), 0xff);
    claim_frames(ram, ram_count);
    show_m2p(m2p_size);
    fill_heap();
    log_info("memory: %lu MiB, %lu MiB free\n", frame_limit >> 8, heap_free_count() >> 8);
}

void memory_free_modules(void)
{
    for (unsigned int i = 0; i < boot_info.module_count; i++) {
        const struct boot_module *module = &boot_info.modules[i];
        uint64_t first = ROUND_UP(module->start, PAGE_SIZE) >> PAGE_SHIFT;
        uint64_t end = (module->start + module->size) >> PAGE_SHIFT;

        if (first < end && first >= LOW_MEMORY >> PAGE_SHIFT) {
            heap_add(mfn(first), end - first);
        }
    }
    boot_info.module_count = 0;
}
