/* SPDX-License-Identifier: MIT */
/*
 * Any firmware memory given to the ACPI parsers: the input is the memory from
 * address 0 up, with the root pointer at its start.  Each mapping is a block of
 * its own, so that a read behind it is seen.
 */
#include <stdlib.h>
#include <string.h>

#include "hypervisor/drivers/acpi.h"
#include "hypervisor/lib/log.h"
#include "hypervisor/x86/paging.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAPS_LIMIT 4096u

static const uint8_t *memory;
static size_t memory_size;
static void *maps[MAPS_LIMIT];
static unsigned int map_count;

const void *map_firmware(maddr_t address, uint64_t size)
{
    void *copy;

    if (address.byte > memory_size || size > memory_size - address.byte || size == 0) {
        return NULL;
    }
    if (map_count == MAPS_LIMIT) {
        abort(); /* it goes round */
    }
    copy = malloc(size);
    if (copy != NULL) {
        memcpy(copy, memory + address.byte, size);
        maps[map_count++] = copy;
    }
    return copy;
}

void log_print(enum log_level level, const char *format, ...)
{
    (void)level;
    (void)format;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    memory = data;
    memory_size = size;
    memset(&acpi, 0, sizeof(acpi));
    acpi_setup(data, MIN(size, (size_t)36));

    if (acpi.cpu_count > ARRAY_SIZE(acpi.cpus) || acpi.ioapic_count > ARRAY_SIZE(acpi.ioapics) ||
        acpi.override_count > ARRAY_SIZE(acpi.overrides) ||
        acpi.mcfg_count > ARRAY_SIZE(acpi.mcfg)) {
        abort();
    }
    for (unsigned int i = 0; i < acpi.mcfg_count; i++) {
        if (acpi.mcfg[i].first_bus > acpi.mcfg[i].last_bus) {
            abort();
        }
    }
    while (map_count > 0) {
        free(maps[--map_count]);
    }
    return 0;
}
