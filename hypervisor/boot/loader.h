/* SPDX-License-Identifier: MIT */
/*
 * What the boot loader left: command line, modules, memory map, firmware tables.
 * Copied out of multiboot 1 or 2 information, so that its memory can be reused.
 */
#pragma once

#include "hypervisor/lib/frame.h"

#define BOOT_MODULES 8u
#define BOOT_REGIONS 256u
#define BOOT_TEXT    2048u

enum { REGION_RAM = 1, REGION_RESERVED = 2, REGION_ACPI = 3, REGION_NVS = 4 }; /* ACPI, E820 */

struct boot_region {
    uint64_t start, size;
    uint32_t type;
};

struct boot_module {
    uint64_t start, size;
    char text[BOOT_TEXT]; /* its command line */
};

struct boot_info {
    char command_line[BOOT_TEXT];
    struct boot_module modules[BOOT_MODULES];
    unsigned int module_count;
    struct boot_region regions[BOOT_REGIONS];
    unsigned int region_count;
    uint8_t rsdp[64]; /* a copy, if the loader had one */
    size_t rsdp_size;
    uint64_t efi_system_table; /* 0 unless UEFI started the machine */
};

extern struct boot_info boot_info;

/* False if `magic` is neither loader's. */
bool must_check loader_parse(uint32_t magic, uint32_t information);
