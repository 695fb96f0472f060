/* SPDX-License-Identifier: MIT */
/*
 * Any multiboot 2 information, which says itself how long it is.  (That of multiboot 1 is a
 * handful of addresses of memory: what they say has to be believed.)
 */
#include <stdlib.h>
#include <string.h>

#include "hypervisor/boot/loader.h"
#include "hypervisor/control/firmware.h"
#include "hypervisor/x86/address_space.h"

#define MAGIC2 0x36d76289u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

uint8_t *direct_map_start;

static volatile uint8_t sum;

/* All of it is there. */
void firmware_keep_efi_map(const void *map, size_t size, size_t descriptor_size)
{
    (void)descriptor_size;
    for (size_t i = 0; i < size; i++) {
        sum = (uint8_t)(sum + ((const uint8_t *)map)[i]);
    }
}

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void check_info(void)
{
    require(boot_info.module_count <= BOOT_MODULES && boot_info.region_count <= BOOT_REGIONS);
    require(boot_info.rsdp_size <= sizeof(boot_info.rsdp));
    require(memchr(boot_info.command_line, 0, BOOT_TEXT) != NULL);
    for (unsigned int i = 0; i < boot_info.module_count; i++) {
        require(memchr(boot_info.modules[i].text, 0, BOOT_TEXT) != NULL);
    }
    for (unsigned int i = 0; i < boot_info.region_count; i++) {
        require(boot_info.regions[i].size != 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t total = (uint32_t)size;

    if (size < 8) {
        return 0;
    }
    memset(&boot_info, 0, sizeof(boot_info));
    direct_map_start = malloc(size); /* of its exact size */
    require(direct_map_start != NULL);
    memcpy(direct_map_start, data, size);
    memcpy(direct_map_start, &total, sizeof(total));
    require(loader_parse(MAGIC2, 0));
    free(direct_map_start);
    check_info();
    return 0;
}
