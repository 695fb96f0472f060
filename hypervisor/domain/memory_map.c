/* SPDX-License-Identifier: MIT */
/*
 * Memory maps in E820 form.
 */
#include "hypervisor/domain/memory_map.h"

struct xen_memory_map_copy machine_memory_map;

void memory_map_add(struct xen_memory_map_copy *map, uint64_t address, uint64_t size, uint32_t type)
{
    if (map->count < MEMORY_MAP_LIMIT) {
        map->entries[map->count++] = (struct memory_map_entry){
            .address = { (uint32_t)address, (uint32_t)(address >> 32) },
            .size = { (uint32_t)size, (uint32_t)(size >> 32) },
            .type = type,
        };
    }
}
