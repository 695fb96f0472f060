/* SPDX-License-Identifier: MIT */
/*
 * Where things are in the 48-bit address space: docs/hypervisor/memory.md.
 *
 *   slot of the top-level table (512 GiB each)
 *   256  machine-to-physical table, read-only, for guests (its ABI address)
 *   257  frame table: one `struct page` for each frame
 *   258  machine-to-physical table, writable, for the core
 *   259  the core's own image
 *   260  per-CPU stacks and descriptor windows; device registers
 *   262  to 271: all RAM, one to one
 *
 * All of it is the same in every address space.  All else is the guest's.
 */
#pragma once

#define CORE_START      0xffff800000000000
#define CORE_END        0xffff880000000000
#define CORE_FIRST_SLOT 256
#define CORE_LAST_SLOT  271

#define M2P_GUEST_START 0xffff800000000000
#define FRAME_TABLE     0xffff808000000000
#define M2P_START       0xffff810000000000
#define CORE_IMAGE      0xffff818000000000 /* plus the physical load address */
#define WINDOWS_START   0xffff820000000000 /* descriptor windows, 128 KiB for each CPU */
#define STACKS_START    0xffff820040000000 /* CPU_STACK_SIZE for each CPU, CPU_STACK_STRIDE apart */
#define DEVICES_START   0xffff820080000000 /* device registers, given out upwards */
#define DEVICES_END     0xffff828000000000
#define DIRECT_MAP      0xffff830000000000
#define DIRECT_MAP_SIZE 0x0000050000000000

#define WINDOW_SIZE      0x20000 /* 16 pages of GDT, 16 pages of LDT */
#define CPU_STACK_SIZE   0x8000
#define CPU_STACK_STRIDE 0x10000

#ifndef __ASSEMBLER__
#include "hypervisor/lib/frame.h"

#ifdef PARAVANE_CORE
#define direct_map_start ((uint8_t *)DIRECT_MAP)
#else
extern uint8_t *direct_map_start; /* tests/fake: memory as an array */
#endif

/* The core's own view of machine memory.  Only for RAM the firmware reported. */
static inline void *direct_map(maddr_t address)
{
    return direct_map_start + address.byte;
}

static inline void *direct_map_mfn(mfn_t frame)
{
    return direct_map_start + (frame.number << PAGE_SHIFT);
}

/* The machine address behind a pointer into the direct map. */
static inline maddr_t direct_map_maddr(const void *pointer)
{
    return maddr((uint64_t)pointer - (uint64_t)direct_map_start);
}

static inline mfn_t direct_map_frame(const void *pointer)
{
    return mfn_of_maddr(direct_map_maddr(pointer));
}

/* May a guest name this address?  The whole core is out of bounds, canonical or not. */
static inline bool guest_address_ok(uint64_t address)
{
    return address < CORE_START || address >= CORE_END;
}

static inline bool address_canonical(uint64_t address)
{
    return (uint64_t)(((int64_t)(address << 16)) >> 16) == address;
}
#endif
