/* SPDX-License-Identifier: MIT */
/*
 * What the core takes from the firmware's ACPI tables: CPUs, interrupt
 * controllers, timers, the reset and power registers.  Static tables only; the
 * byte code is dom0's business.  docs/hypervisor/acpi.md.
 *
 * The parsers look at (buffer, size) and nothing else, and survive any content.
 */
#pragma once

#include "hypervisor/lib/cpumask.h"
#include "hypervisor/lib/types.h"

#define ACPI_IOAPIC_LIMIT   32u
#define ACPI_OVERRIDE_LIMIT 32u
#define ACPI_MCFG_LIMIT     16u
#define ACPI_TABLE_LIMIT    256u      /* entries of the root table that are looked at */
#define ACPI_SIZE_LIMIT     0x100000u /* of one table */
#define ACPI_HEADER_SIZE    36u

/* Generic address structure: ACPI 6.4, 5.2.3.2. */
enum acpi_space { ACPI_MEMORY = 0, ACPI_PORT = 1 };

struct acpi_register {
    uint8_t space;    /* enum acpi_space */
    uint64_t address; /* 0: there is none */
};

struct acpi_info {
    /* MADT */
    struct acpi_cpu {
        uint32_t apic_id;
        uint32_t acpi_id;
    } cpus[CPU_LIMIT];
    unsigned int cpu_count;
    struct acpi_ioapic {
        uint32_t gsi_base;
        uint64_t address;
    } ioapics[ACPI_IOAPIC_LIMIT];
    unsigned int ioapic_count;
    struct acpi_override {
        uint8_t isa_irq;
        bool active_low;
        bool level;
        uint32_t gsi;
    } overrides[ACPI_OVERRIDE_LIMIT];
    unsigned int override_count;

    /* FADT */
    struct acpi_register pm1a_control, pm1b_control, pm_timer;
    bool pm_timer_32bit;
    struct acpi_register reset;
    uint8_t reset_value;
    struct acpi_register sleep_control, sleep_status; /* hardware-reduced machines */

    uint64_t hpet; /* address; 0 if there is none */

    struct acpi_mcfg {
        uint64_t address; /* of bus 0, whether or not it is covered */
        uint16_t segment;
        uint8_t first_bus, last_bus;
    } mcfg[ACPI_MCFG_LIMIT];
    unsigned int mcfg_count;
};

extern struct acpi_info acpi;

/*
 * Once, on the boot CPU: from a copy of the root pointer the boot loader gave, or
 * by looking for it where a BIOS puts it if `rsdp` is NULL or no good.
 */
void acpi_setup(const void *rsdp, size_t size);

/* Where the root table is; 0 if this is no root pointer. */
uint64_t acpi_parse_rsdp(const void *rsdp, size_t size, unsigned int *entry_size);

/* The addresses in a root table (entries of 4 or 8 bytes); how many. */
unsigned int acpi_parse_root(const void *table, size_t size, unsigned int entry_size,
                             uint64_t addresses[ACPI_TABLE_LIMIT]);

/* Take what matters out of one table into *info; tables that do not matter are ignored. */
void acpi_parse_table(const void *table, size_t size, struct acpi_info *info);
