/* SPDX-License-Identifier: MIT */
/*
 * Memory maps in E820 form.
 */
#include "hypervisor/domain/memory_map.h"

struct xen_memory_map_copy machine_memory_map;

static uint64_t join(const uint32_t halves[2])
{
    return halves[0] | (uint64_t)halves[1] << 32;
}

void memory_map_add(struct xen_memory_map_copy *map, uint64_t address, uint64_t size, uint32_t type)
{
    uint32_t place = 0;

    while (place < map->count && join(map->entries[place].address) < address) {
        place++;
    }
    if (map->count == MEMORY_MAP_LIMIT || size == 0 || size - 1 > UINT64_MAX - address ||
        (place < map->count && join(map->entries[place].address) - address < size) ||
        (place > 0 &&
         address - join(map->entries[place - 1].address) < join(map->entries[place - 1].size))) {
        return;
    }
    for (uint32_t i = map->count++; i > place; i--) {
        map->entries[i] = map->entries[i - 1];
    }
    map->entries[place] = (struct memory_map_entry){
        .address = { (uint32_t)address, (uint32_t)(address >> 32) },
        .size = { (uint32_t)size, (uint32_t)(size >> 32) },
        .type = type,
    };
}
