/* SPDX-License-Identifier: MIT */
/*
 * Memory maps in E820 form: the machine's, and what the toolstack gave a guest.
 */
#pragma once

#include "hypervisor/lib/types.h"

#define MEMORY_MAP_LIMIT 128u /* entries, as the ABI's E820MAX */

/* ACPI specification, address range descriptor; 20 bytes, packed in the guest's buffer. */
struct __attribute__((packed)) memory_map_entry {
    uint64_t address, size;
    uint32_t type;
};
_Static_assert(sizeof(struct memory_map_entry) == 20, "E820");

struct xen_memory_map_copy {
    uint32_t count;
    struct memory_map_entry entries[MEMORY_MAP_LIMIT];
};

/* What the firmware reported, in order of address, and the core's own devices (boot/memory.c). */
extern struct xen_memory_map_copy machine_memory_map;

/* In order of address; what overlaps an entry that is there already is left out. */
void memory_map_add(struct xen_memory_map_copy *map, uint64_t address, uint64_t size,
                    uint32_t type);
