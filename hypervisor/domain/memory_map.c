/* SPDX-License-Identifier: MIT */
/*
 * Memory maps in E820 form.
 */
#include "hypervisor/domain/memory_map.h"

struct xen_memory_map_copy machine_memory_map;

void memory_map_add(struct xen_memory_map_copy *map, uint64_t address, uint64_t size, uint32_t type)
{
    uint32_t place = 0;

    while (place < map->count && map->entries[place].address < address) {
        place++;
    }
    if (map->count == MEMORY_MAP_LIMIT || size == 0 || size - 1 > UINT64_MAX - address ||
        (place < map->count && map->entries[place].address - address < size) ||
        (place > 0 && address - map->entries[place - 1].address < map->entries[place - 1].size)) {
        return;
    }
    for (uint32_t i = map->count++; i > place; i--) {
        map->entries[i] = map->entries[i - 1];
    }
    map->entries[place] = (struct memory_map_entry){ address, size, type };
}
