/* SPDX-License-Identifier: MIT */
/*
 * The core's own page tables: one set, shared by every address space.
 */
#pragma once

#include "hypervisor/x86/pte.h"

#define CORE_RO     (PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY | PTE_GLOBAL | PTE_NO_EXECUTE)
#define CORE_RW     (CORE_RO | PTE_WRITABLE)
#define CORE_RX     (PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY | PTE_GLOBAL)
#define CORE_DEVICE (CORE_RW | PTE_PCD | PTE_PWT)

/* The top-level table with nothing but the core in it; idle CPUs run on it. */
extern pte_t core_l4[PTE_ENTRIES];

/* Where frames for tables come from: boot/memory.c at first, then the heap. */
extern mfn_t (*paging_take_frame)(void);

/*
 * Map `count` frames at a page-aligned address of the core, with a flags word
 * above.  Tables are made as needed; false if there is no memory for them.
 * PTE_LARGE in the flags: by large pages where they fit.  No flush: for addresses
 * not in use before.
 */
bool must_check paging_map(uint64_t address, mfn_t frame, uint64_t count, uint64_t flags);

/* The level-1 entry of a mapped 4 KiB page of the core; NULL if there is no table. */
pte_t *paging_entry(uint64_t address);

/* The frame behind a mapped address of the core. */
mfn_t paging_frame_of(uint64_t address);

/*
 * Device registers, uncached: usable for good.  NULL if out of room or memory.
 * `address` need not be aligned.
 */
volatile void *map_device(maddr_t address, uint64_t size);

/* RAM or ROM that the direct map may not cover (firmware tables), read-only. */
const void *map_firmware(maddr_t address, uint64_t size);

/* Put the core's slots into a guest's top-level table. */
void paging_install_core(pte_t *guest_l4);
