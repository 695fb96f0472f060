/* SPDX-License-Identifier: MIT */
/*
 * ACPI's static tables.  ACPI specification 6.4, chapter 5.2.
 *
 * Firmware is not an attacker, but it is often wrong: every length is checked
 * against what was mapped, a wrong checksum is named and lived with, lists have
 * ends, and each kind of table counts once, so that no pointer can lead round.
 */
#include "hypervisor/drivers/acpi.h"

#include "hypervisor/lib/log.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/x86/paging.h"

#define RSDP_SIZE_1 20u
#define RSDP_SIZE_2 36u

#define MADT_ENTRIES 44u
#define MCFG_ENTRIES 44u

/* MADT entry types */
#define MADT_LAPIC    0
#define MADT_IOAPIC   1
#define MADT_OVERRIDE 2
#define MADT_X2APIC   9

#define MADT_CPU_ENABLED 0x1u

#define FADT_TIMER_32BIT     (1u << 8)
#define FADT_RESET_SUPPORTED (1u << 10)

/* Where a BIOS leaves the root pointer. */
#define BIOS_EBDA_POINTER 0x40e
#define BIOS_EBDA_SIZE    1024
#define BIOS_ROM_START    0xe0000
#define BIOS_ROM_SIZE     0x20000

struct acpi_info acpi;

/* A table as far as it can be read; reads behind its end give 0. */
struct table {
    const uint8_t *data;
    size_t size;
};

static uint64_t field(const struct table *table, size_t offset, size_t bytes)
{
    uint64_t value = 0;

    if (offset > table->size || bytes > table->size - offset) {
        return 0;
    }
    for (size_t i = bytes; i-- > 0;) {
        value = (value << 8) | table->data[offset + i];
    }
    return value;
}

static uint8_t field8(const struct table *table, size_t offset)
{
    return (uint8_t)field(table, offset, 1);
}

static uint16_t field16(const struct table *table, size_t offset)
{
    return (uint16_t)field(table, offset, 2);
}

static uint32_t field32(const struct table *table, size_t offset)
{
    return (uint32_t)field(table, offset, 4);
}

static uint64_t field64(const struct table *table, size_t offset)
{
    return field(table, offset, 8);
}

static uint8_t sum(const uint8_t *data, size_t size)
{
    uint8_t total = 0;

    for (size_t i = 0; i < size; i++) {
        total = (uint8_t)(total + data[i]);
    }
    return total;
}

uint64_t acpi_parse_rsdp(const void *rsdp, size_t size, unsigned int *entry_size)
{
    struct table table = { rsdp, size };

    if (size < RSDP_SIZE_1 || memcmp(rsdp, "RSD PTR ", 8) != 0 ||
        sum(table.data, RSDP_SIZE_1) != 0) {
        return 0;
    }
    if (field8(&table, 15) >= 2 && size >= RSDP_SIZE_2 && field64(&table, 24) != 0) {
        if (sum(table.data, RSDP_SIZE_2) == 0) {
            *entry_size = 8;
            return field64(&table, 24);
        }
        log_warning("acpi: the root pointer's second checksum is wrong, its first part is used\n");
    }
    *entry_size = 4;
    return field32(&table, 16);
}

/* A table's length, cut to what can be read; 0 if there is not even a header. */
static size_t usable_length(const void *table, size_t size)
{
    struct table all = { table, size };
    uint32_t length = field32(&all, 4);

    if (size < ACPI_HEADER_SIZE || length < ACPI_HEADER_SIZE) {
        log_warning("acpi: a table is shorter than its header, ignored\n");
        return 0;
    }
    if (length > size) {
        log_warning("acpi: %.4s is cut off, %u bytes of %u\n", (const char *)table,
                    (unsigned int)size, length);
        return size;
    }
    if (sum(table, length) != 0) {
        log_warning("acpi: %.4s has a wrong checksum, used nevertheless\n", (const char *)table);
    }
    return length;
}

unsigned int acpi_parse_root(const void *table, size_t size, unsigned int entry_size,
                             uint64_t addresses[ACPI_TABLE_LIMIT])
{
    struct table root = { table, usable_length(table, size) };
    unsigned int count = 0;

    for (size_t at = ACPI_HEADER_SIZE; at + entry_size <= root.size; at += entry_size) {
        uint64_t address = field(&root, at, entry_size);

        if (count == ACPI_TABLE_LIMIT) {
            log_warning("acpi: more than %u tables, the rest is ignored\n", ACPI_TABLE_LIMIT);
            break;
        }
        if (address != 0) {
            addresses[count++] = address;
        }
    }
    return count;
}

static bool list_full(unsigned int count, unsigned int limit, const char *what)
{
    if (count == limit) {
        log_warning("acpi: more than %u %s, one is ignored\n", limit, what);
    }
    return count == limit;
}

static void add_cpu(struct acpi_info *info, uint32_t apic_id, uint32_t acpi_id, uint32_t flags)
{
    if ((flags & MADT_CPU_ENABLED) == 0) {
        return; /* a place where no CPU is yet */
    }
    for (unsigned int i = 0; i < info->cpu_count; i++) {
        if (info->cpus[i].apic_id == apic_id) {
            return; /* listed as APIC and as x2APIC */
        }
    }
    if (!list_full(info->cpu_count, ARRAY_SIZE(info->cpus), "CPUs")) {
        info->cpus[info->cpu_count++] = (struct acpi_cpu){ apic_id, acpi_id };
    }
}

static void add_ioapic(struct acpi_info *info, const struct table *entry)
{
    if (!list_full(info->ioapic_count, ARRAY_SIZE(info->ioapics), "I/O APICs")) {
        info->ioapics[info->ioapic_count++] = (struct acpi_ioapic){
            .address = field32(entry, 4),
            .gsi_base = field32(entry, 8),
        };
    }
}

/* ISA lines are edge triggered and active high unless the entry says otherwise. */
static void add_override(struct acpi_info *info, const struct table *entry)
{
    uint16_t flags = field16(entry, 8);

    if (list_full(info->override_count, ARRAY_SIZE(info->overrides), "interrupt overrides")) {
        return;
    }
    info->overrides[info->override_count++] = (struct acpi_override){
        .isa_irq = field8(entry, 3),
        .gsi = field32(entry, 4),
        .active_low = (flags & 3) == 3,
        .level = ((flags >> 2) & 3) == 3,
    };
}

static void parse_madt_entry(const struct table *entry, struct acpi_info *info)
{
    static const uint8_t sizes[] = {
        [MADT_LAPIC] = 8, [MADT_IOAPIC] = 12, [MADT_OVERRIDE] = 10, [MADT_X2APIC] = 16
    };
    uint8_t type = field8(entry, 0);

    if (type >= ARRAY_SIZE(sizes) || sizes[type] == 0) {
        return;
    }
    if (entry->size < sizes[type]) {
        log_warning("acpi: MADT: entry of type %u is too short, ignored\n", type);
        return;
    }
    switch (type) {
    case MADT_LAPIC:
        if (field8(entry, 3) != 0xff) {
            add_cpu(info, field8(entry, 3), field8(entry, 2), field32(entry, 4));
        }
        break;
    case MADT_IOAPIC:
        add_ioapic(info, entry);
        break;
    case MADT_OVERRIDE:
        add_override(info, entry);
        break;
    case MADT_X2APIC:
        if (field32(entry, 4) != UINT32_MAX) {
            add_cpu(info, field32(entry, 4), field32(entry, 12), field32(entry, 8));
        }
        break;
    default:
        break;
    }
}

static void parse_madt(const struct table *madt, struct acpi_info *info)
{
    size_t at = MADT_ENTRIES;

    while (at + 2 <= madt->size) {
        struct table entry = { madt->data + at, madt->data[at + 1] };

        if (entry.size < 2 || entry.size > madt->size - at) {
            log_warning("acpi: MADT: bad length %u at offset %u, the rest is ignored\n",
                        (unsigned int)entry.size, (unsigned int)at);
            return;
        }
        parse_madt_entry(&entry, info);
        at += entry.size;
    }
}

static struct acpi_register generic_address(const struct table *table, size_t offset)
{
    return (struct acpi_register){
        .space = field8(table, offset),
        .address = field64(table, offset + 4),
    };
}

/* A register that newer tables describe in full and older ones by port. */
static struct acpi_register fadt_register(const struct table *fadt, size_t full, size_t port)
{
    struct acpi_register reg = generic_address(fadt, full);

    if (reg.address == 0) {
        reg = (struct acpi_register){ .space = ACPI_PORT, .address = field32(fadt, port) };
    }
    if (reg.space == ACPI_PORT && reg.address > UINT16_MAX) {
        log_warning("acpi: FADT: port 0x%lx is out of range, ignored\n", reg.address);
        reg.address = 0;
    }
    return reg;
}

static void parse_fadt(const struct table *fadt, struct acpi_info *info)
{
    uint32_t flags = field32(fadt, 112);

    info->pm1a_control = fadt_register(fadt, 172, 64);
    info->pm1b_control = fadt_register(fadt, 184, 68);
    info->pm_timer = fadt_register(fadt, 208, 76);
    info->pm_timer_32bit = (flags & FADT_TIMER_32BIT) != 0;
    if ((flags & FADT_RESET_SUPPORTED) != 0) {
        info->reset = generic_address(fadt, 116);
        info->reset_value = field8(fadt, 128);
    }
    info->sleep_control = generic_address(fadt, 244);
    info->sleep_status = generic_address(fadt, 256);
}

static void parse_hpet(const struct table *hpet, struct acpi_info *info)
{
    struct acpi_register base = generic_address(hpet, 40);

    if (base.space != ACPI_MEMORY) {
        log_warning("acpi: HPET: not in memory, ignored\n");
        return;
    }
    info->hpet = base.address;
}

static void parse_mcfg(const struct table *mcfg, struct acpi_info *info)
{
    for (size_t at = MCFG_ENTRIES; at + 16 <= mcfg->size; at += 16) {
        struct acpi_mcfg window = {
            .address = field64(mcfg, at),
            .segment = field16(mcfg, at + 8),
            .first_bus = field8(mcfg, at + 10),
            .last_bus = field8(mcfg, at + 11),
        };

        if (window.address == 0 || window.first_bus > window.last_bus) {
            log_warning("acpi: MCFG: a window makes no sense, ignored\n");
            continue;
        }
        if (!list_full(info->mcfg_count, ARRAY_SIZE(info->mcfg), "PCI windows")) {
            info->mcfg[info->mcfg_count++] = window;
        }
    }
}

static const struct parser {
    char signature[4];
    void (*parse)(const struct table *table, struct acpi_info *info);
} parsers[] = {
    { { 'A', 'P', 'I', 'C' }, parse_madt },
    { { 'F', 'A', 'C', 'P' }, parse_fadt },
    { { 'H', 'P', 'E', 'T' }, parse_hpet },
    { { 'M', 'C', 'F', 'G' }, parse_mcfg },
};

static const struct parser *parser_of(const void *header)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(parsers); i++) {
        if (memcmp(header, parsers[i].signature, sizeof(parsers[i].signature)) == 0) {
            return &parsers[i];
        }
    }
    return NULL;
}

void acpi_parse_table(const void *table, size_t size, struct acpi_info *info)
{
    const struct parser *parser = size < ACPI_HEADER_SIZE ? NULL : parser_of(table);
    struct table whole = { table, size };

    if (parser == NULL) {
        return;
    }
    whole.size = usable_length(table, size);
    if (whole.size > 0) {
        parser->parse(&whole, info);
    }
}

/* The whole table at an address; NULL, with a warning, if it cannot be had. */
static const void *map_table(uint64_t address, uint32_t *length)
{
    const void *header = map_firmware(maddr(address), ACPI_HEADER_SIZE);
    struct table table = { header, ACPI_HEADER_SIZE };

    if (header == NULL) {
        log_warning("acpi: no table can be read at 0x%lx\n", address);
        return NULL;
    }
    *length = field32(&table, 4);
    if (*length > ACPI_SIZE_LIMIT) {
        log_warning("acpi: %.4s says it has %u bytes, cut\n", (const char *)header, *length);
        *length = ACPI_SIZE_LIMIT;
    }
    *length = MAX(*length, ACPI_HEADER_SIZE);
    return map_firmware(maddr(address), *length);
}

static void load_tables(uint64_t root_address, unsigned int entry_size)
{
    static uint64_t addresses[ACPI_TABLE_LIMIT];
    const struct parser *seen[ARRAY_SIZE(parsers)] = { NULL };
    uint32_t length;
    const void *root = map_table(root_address, &length);
    unsigned int count;

    if (root == NULL) {
        return;
    }
    count = acpi_parse_root(root, length, entry_size, addresses);
    for (unsigned int i = 0; i < count; i++) {
        const void *header = map_firmware(maddr(addresses[i]), ACPI_HEADER_SIZE);
        const struct parser *parser = header == NULL ? NULL : parser_of(header);
        const void *table;

        if (parser == NULL) {
            continue;
        }
        if (seen[parser - parsers] != NULL) {
            log_warning("acpi: a second %.4s is ignored\n", parser->signature);
            continue;
        }
        seen[parser - parsers] = parser;
        table = map_table(addresses[i], &length);
        if (table != NULL) {
            acpi_parse_table(table, length, &acpi);
        }
    }
}

/* Look through an area in steps of 16 bytes; the root table's address or 0. */
static uint64_t scan(uint64_t start, uint64_t size, unsigned int *entry_size)
{
    const uint8_t *area = map_firmware(maddr(start), size);

    for (uint64_t at = 0; area != NULL && at + RSDP_SIZE_1 <= size; at += 16) {
        uint64_t root = acpi_parse_rsdp(area + at, size - at, entry_size);

        if (root != 0) {
            return root;
        }
    }
    return 0;
}

static uint64_t scan_bios(unsigned int *entry_size)
{
    const uint8_t *pointer = map_firmware(maddr(BIOS_EBDA_POINTER), 2);
    uint64_t ebda = pointer == NULL ? 0 : (uint64_t)(pointer[0] | (pointer[1] << 8)) << 4;
    uint64_t root = 0;

    if (ebda >= 0x400 && ebda < 0xa0000) {
        root = scan(ebda, BIOS_EBDA_SIZE, entry_size);
    }
    return root != 0 ? root : scan(BIOS_ROM_START, BIOS_ROM_SIZE, entry_size);
}

void acpi_setup(const void *rsdp, size_t size)
{
    unsigned int entry_size = 0;
    uint64_t root = rsdp == NULL ? 0 : acpi_parse_rsdp(rsdp, size, &entry_size);

    if (root == 0) {
        root = scan_bios(&entry_size);
    }
    if (root == 0) {
        log_warning("acpi: no tables found\n");
        return;
    }
    load_tables(root, entry_size);
    log_info("acpi: %u CPUs, %u I/O APICs, %u overrides, HPET %s, PM timer %s, %u PCI windows\n",
             acpi.cpu_count, acpi.ioapic_count, acpi.override_count, acpi.hpet != 0 ? "yes" : "no",
             acpi.pm_timer.address != 0 ? "yes" : "no", acpi.mcfg_count);
}
