/* SPDX-License-Identifier: MIT */
/*
 * hypervisor/drivers/acpi.c: tables as they should be, and as firmware writes them.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "hypervisor/drivers/acpi.h"
#include "hypervisor/x86/paging.h"
#include "tests/fake/fake.h"
#include "tests/unit/suite.h"

/* What firmware has in memory: an area of machine addresses from 0 up. */
#define MEMORY_SIZE 0x100000u

static uint8_t memory[MEMORY_SIZE];
static unsigned int maps;
static uint64_t largest_map;

const void *map_firmware(maddr_t address, uint64_t size)
{
    maps++;
    largest_map = MAX(largest_map, size);
    return address.byte < MEMORY_SIZE && size <= MEMORY_SIZE - address.byte ? &memory[address.byte]
                                                                            : NULL;
}

struct builder {
    uint8_t data[4096];
    size_t size;
};

static void put(struct builder *b, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        b->data[b->size++] = (uint8_t)(value >> (8 * i));
    }
}

static void put_at(uint8_t *at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        at[i] = (uint8_t)(value >> (8 * i));
    }
}

static void begin(struct builder *b, const char *signature)
{
    memset(b, 0, sizeof(*b));
    memcpy(b->data, signature, 4);
    b->size = ACPI_HEADER_SIZE;
}

static uint8_t byte_sum(const uint8_t *data, size_t size)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < size; i++) {
        sum = (uint8_t)(sum + data[i]);
    }
    return sum;
}

/* Length and checksum as they must be. */
static void finish(struct builder *b)
{
    put_at(&b->data[4], b->size, 4);
    b->data[9] = 0;
    b->data[9] = (uint8_t)-byte_sum(b->data, b->size);
}

static void begin_madt(struct builder *b)
{
    begin(b, "APIC");
    put(b, 0xfee00000, 4);
    put(b, 1, 4);
}

static void put_cpu(struct builder *b, unsigned int acpi_id, unsigned int apic_id, uint32_t flags)
{
    put(b, 0, 1);
    put(b, 8, 1);
    put(b, acpi_id, 1);
    put(b, apic_id, 1);
    put(b, flags, 4);
}

static void put_x2apic(struct builder *b, uint32_t acpi_id, uint32_t apic_id, uint32_t flags)
{
    put(b, 9, 1);
    put(b, 16, 1);
    put(b, 0, 2);
    put(b, apic_id, 4);
    put(b, flags, 4);
    put(b, acpi_id, 4);
}

static void put_ioapic(struct builder *b, unsigned int id, uint32_t address, uint32_t base)
{
    put(b, 1, 1);
    put(b, 12, 1);
    put(b, id, 1);
    put(b, 0, 1);
    put(b, address, 4);
    put(b, base, 4);
}

static void put_override(struct builder *b, unsigned int isa, uint32_t gsi, uint16_t flags)
{
    put(b, 2, 1);
    put(b, 10, 1);
    put(b, 0, 1);
    put(b, isa, 1);
    put(b, gsi, 4);
    put(b, flags, 2);
}

static struct acpi_info info;

/* From a heap block of exactly this size, so that a read behind it is seen. */
static void parse(const void *table, size_t size)
{
    void *copy = malloc(size == 0 ? 1 : size);

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, table, size);
    memset(&info, 0, sizeof(info));
    acpi_parse_table(copy, size, &info);
    free(copy);
}

static void setup(void)
{
    fake_reset();
    memset(&acpi, 0, sizeof(acpi));
    memset(memory, 0, sizeof(memory));
    maps = 0;
    largest_map = 0;
}

START_TEST(a_madt_lists_cpus_controllers_and_overrides)
{
    struct builder b;

    begin_madt(&b);
    put_cpu(&b, 1, 0, 1);
    put_cpu(&b, 2, 4, 1);
    put_x2apic(&b, 300, 300, 1);
    put_ioapic(&b, 7, 0xfec00000, 0);
    put_override(&b, 0, 2, 0);
    put_override(&b, 9, 9, 0xd);
    put_override(&b, 5, 5, 0xf);
    finish(&b);
    parse(b.data, b.size);

    ck_assert_uint_eq(info.cpu_count, 3);
    ck_assert_uint_eq(info.cpus[1].apic_id, 4);
    ck_assert_uint_eq(info.cpus[1].acpi_id, 2);
    ck_assert_uint_eq(info.cpus[2].apic_id, 300);
    ck_assert_uint_eq(info.cpus[2].acpi_id, 300);
    ck_assert_uint_eq(info.ioapic_count, 1);
    ck_assert_uint_eq(info.ioapics[0].address, 0xfec00000);
    ck_assert_uint_eq(info.override_count, 3);
    ck_assert_uint_eq(info.overrides[0].gsi, 2);
    ck_assert(!info.overrides[0].level && !info.overrides[0].active_low);
    ck_assert(info.overrides[1].level && !info.overrides[1].active_low);
    ck_assert(info.overrides[2].level && info.overrides[2].active_low);
    ck_assert_uint_eq(fake.logs, 0);
}
END_TEST

START_TEST(a_cpu_counts_once_and_only_if_it_can_run)
{
    struct builder b;

    begin_madt(&b);
    put_cpu(&b, 0, 0, 1);
    put_cpu(&b, 1, 1, 0); /* an empty socket */
    put_cpu(&b, 2, 2, 2); /* can be plugged in, but is not */
    put_cpu(&b, 3, 0xff, 1);
    put_x2apic(&b, 0, 0, 1); /* the first again */
    put_x2apic(&b, 9, UINT32_MAX, 1);
    finish(&b);
    parse(b.data, b.size);

    ck_assert_uint_eq(info.cpu_count, 1);
    ck_assert_uint_eq(info.cpus[0].apic_id, 0);
}
END_TEST

START_TEST(a_bad_checksum_is_named_and_lived_with)
{
    struct builder b;

    begin_madt(&b);
    put_cpu(&b, 0, 3, 1);
    finish(&b);
    b.data[9] ^= 0x55;
    parse(b.data, b.size);
    ck_assert_uint_eq(info.cpu_count, 1);
    ck_assert_uint_eq(fake.logs, 1);
}
END_TEST

START_TEST(a_table_cut_anywhere_is_survived)
{
    struct builder b;

    begin_madt(&b);
    put_cpu(&b, 0, 0, 1);
    put_ioapic(&b, 0, 0xfec00000, 0);
    put_x2apic(&b, 1, 1, 1);
    finish(&b);
    for (size_t size = 0; size < b.size; size++) {
        parse(b.data, size);
        ck_assert_uint_eq(info.cpu_count, size >= 52 ? 1 : 0);
    }
}
END_TEST

START_TEST(an_entry_of_no_or_too_much_length_ends_the_list)
{
    static const uint8_t lengths[] = { 0, 1, 9, 255 };

    for (unsigned int i = 0; i < ARRAY_SIZE(lengths); i++) {
        struct builder b;

        begin_madt(&b);
        put_cpu(&b, 0, 0, 1);
        put_cpu(&b, 1, 1, 1);
        b.data[b.size - 7] = lengths[i];
        finish(&b);
        fake.logs = 0;
        parse(b.data, b.size);
        ck_assert_uint_eq(info.cpu_count, 1);
        ck_assert_uint_eq(fake.logs, 1);
    }
}
END_TEST

START_TEST(an_entry_shorter_than_its_type_is_skipped)
{
    struct builder b;

    begin_madt(&b);
    put(&b, 1, 1); /* an I/O APIC of 4 bytes */
    put(&b, 4, 1);
    put(&b, 0, 2);
    put_cpu(&b, 0, 5, 1);
    finish(&b);
    parse(b.data, b.size);
    ck_assert_uint_eq(info.ioapic_count, 0);
    ck_assert_uint_eq(info.cpu_count, 1);
}
END_TEST

START_TEST(lists_have_ends)
{
    struct builder b;

    begin_madt(&b);
    for (unsigned int i = 0; i < ACPI_IOAPIC_LIMIT + 3; i++) {
        put_ioapic(&b, i, 0xfec00000 + i * 0x1000, i * 24);
        put_override(&b, i % 16, i, 0);
    }
    finish(&b);
    parse(b.data, b.size);
    ck_assert_uint_eq(info.ioapic_count, ACPI_IOAPIC_LIMIT);
    ck_assert_uint_eq(info.override_count, ACPI_OVERRIDE_LIMIT);

    begin_madt(&b);
    for (unsigned int i = 0; i < 200; i++) {
        put_x2apic(&b, i, i, 1);
    }
    finish(&b);
    memset(&info, 0, sizeof(info));
    acpi_parse_table(b.data, b.size, &info);
    for (unsigned int i = 0; i < 200; i++) {
        put_at(&b.data[44 + 16 * i + 4], 1000 + i, 4);
    }
    finish(&b);
    acpi_parse_table(b.data, b.size, &info);
    ck_assert_uint_eq(info.cpu_count, CPU_LIMIT);
}
END_TEST

static void make_fadt(struct builder *b, size_t size)
{
    begin(b, "FACP");
    b->size = size;
    put_at(&b->data[46], 9, 2);
    put_at(&b->data[56], 0x600, 4);
    put_at(&b->data[64], 0x604, 4);
    put_at(&b->data[76], 0x608, 4);
    b->data[88] = 4;
    b->data[89] = 2;
    b->data[91] = 4;
    b->data[108] = 0x32;
    put_at(&b->data[112], 1u << 10 | 1u << 8, 4);
    if (size >= 129) {
        b->data[116] = ACPI_PORT;
        b->data[117] = 8;
        put_at(&b->data[120], 0xcf9, 8);
        b->data[128] = 0xf;
    }
    finish(b);
}

START_TEST(a_fadt_of_the_first_revision_has_ports_only)
{
    struct builder b;

    make_fadt(&b, 116);
    parse(b.data, b.size);
    ck_assert_uint_eq(info.pm1a_control.address, 0x604);
    ck_assert_uint_eq(info.pm1a_control.space, ACPI_PORT);
    ck_assert_uint_eq(info.pm1b_control.address, 0);
    ck_assert_uint_eq(info.pm_timer.address, 0x608);
    ck_assert(info.pm_timer_32bit);
    ck_assert_uint_eq(info.reset.address, 0); /* supported, it says, but it is not there */
}
END_TEST

START_TEST(a_newer_fadt_describes_registers_in_full)
{
    struct builder b;

    make_fadt(&b, 268);
    b.data[208] = ACPI_MEMORY;
    b.data[209] = 32;
    put_at(&b.data[212], 0xfed80808, 8);
    finish(&b);
    parse(b.data, b.size);
    ck_assert_uint_eq(info.pm_timer.space, ACPI_MEMORY);
    ck_assert_uint_eq(info.pm_timer.address, 0xfed80808);
    ck_assert_uint_eq(info.pm1a_control.address, 0x604); /* its full form is empty */
    ck_assert_uint_eq(info.reset.address, 0xcf9);
    ck_assert_uint_eq(info.reset_value, 0xf);

    put_at(&b.data[112], 0, 4); /* "not supported" */
    finish(&b);
    parse(b.data, b.size);
    ck_assert_uint_eq(info.reset.address, 0);
    ck_assert(!info.pm_timer_32bit);
}
END_TEST

START_TEST(a_port_out_of_range_is_no_port)
{
    struct builder b;

    make_fadt(&b, 116);
    put_at(&b.data[76], 0x10608, 4);
    finish(&b);
    parse(b.data, b.size);
    ck_assert_uint_eq(info.pm_timer.address, 0);
    ck_assert_uint_eq(info.pm1a_control.address, 0x604);
}
END_TEST

START_TEST(hpet_and_pci_windows_are_found)
{
    struct builder b;

    begin(&b, "HPET");
    put(&b, 0x8086a201, 4);
    put(&b, 0, 4);
    put(&b, 0xfed00000, 8);
    put(&b, 0, 4);
    finish(&b);
    parse(b.data, b.size);
    ck_assert_uint_eq(info.hpet, 0xfed00000);

    b.data[40] = ACPI_PORT;
    finish(&b);
    parse(b.data, b.size);
    ck_assert_uint_eq(info.hpet, 0);

    begin(&b, "MCFG");
    put(&b, 0, 8);
    put(&b, 0xb0000000, 8);
    put(&b, 0, 2);
    put(&b, 0, 1);
    put(&b, 255, 1);
    put(&b, 0, 4);
    put(&b, 0xc0000000, 8); /* last bus before the first */
    put(&b, 1, 2);
    put(&b, 5, 1);
    put(&b, 4, 1);
    put(&b, 0, 4);
    put(&b, 0xd0000000, 8); /* cut off */
    finish(&b);
    parse(b.data, b.size);
    ck_assert_uint_eq(info.mcfg_count, 1);
    ck_assert_uint_eq(info.mcfg[0].address, 0xb0000000);
    ck_assert_uint_eq(info.mcfg[0].last_bus, 255);
}
END_TEST

START_TEST(other_tables_are_ignored)
{
    struct builder b;

    begin(&b, "SSDT");
    put(&b, 1, 8);
    finish(&b);
    parse(b.data, b.size);
    ck_assert_uint_eq(info.cpu_count, 0);
    ck_assert_uint_eq(fake.logs, 0);
}
END_TEST

static void make_rsdp(uint8_t *at, unsigned int revision, uint32_t rsdt, uint64_t xsdt)
{
    memset(at, 0, 36);
    memcpy(at, "RSD PTR ", 8);
    at[15] = (uint8_t)revision;
    put_at(&at[16], rsdt, 4);
    at[8] = (uint8_t)-byte_sum(at, 20);
    put_at(&at[20], 36, 4);
    put_at(&at[24], xsdt, 8);
    at[32] = (uint8_t)-byte_sum(at, 36);
}

START_TEST(the_root_pointer_names_the_newer_table_if_it_is_sound)
{
    uint8_t rsdp[36];
    unsigned int entry = 0;

    make_rsdp(rsdp, 0, 0x1000, 0x2000);
    ck_assert_uint_eq(acpi_parse_rsdp(rsdp, sizeof(rsdp), &entry), 0x1000);
    ck_assert_uint_eq(entry, 4);
    make_rsdp(rsdp, 2, 0x1000, 0x2000);
    ck_assert_uint_eq(acpi_parse_rsdp(rsdp, sizeof(rsdp), &entry), 0x2000);
    ck_assert_uint_eq(entry, 8);
    ck_assert_uint_eq(acpi_parse_rsdp(rsdp, 20, &entry), 0x1000); /* a short copy */
    ck_assert_uint_eq(entry, 4);
    rsdp[33] ^= 1;
    ck_assert_uint_eq(acpi_parse_rsdp(rsdp, sizeof(rsdp), &entry), 0x1000);
    rsdp[16] ^= 1;
    ck_assert_uint_eq(acpi_parse_rsdp(rsdp, sizeof(rsdp), &entry), 0);
    make_rsdp(rsdp, 2, 0x1000, 0x2000);
    rsdp[0] = 'X';
    ck_assert_uint_eq(acpi_parse_rsdp(rsdp, sizeof(rsdp), &entry), 0);
    make_rsdp(rsdp, 2, 0x1000, 0x2000);
    ck_assert_uint_eq(acpi_parse_rsdp(rsdp, 19, &entry), 0);
}
END_TEST

/* A root table at 0x1000 in memory, with these entries of 8 bytes. */
static void place_root(const uint64_t *entries, unsigned int count)
{
    struct builder b;

    begin(&b, "XSDT");
    for (unsigned int i = 0; i < count; i++) {
        put(&b, entries[i], 8);
    }
    finish(&b);
    memcpy(&memory[0x1000], b.data, b.size);
}

static void place_madt(uint64_t address, unsigned int apic_id)
{
    struct builder b;

    begin_madt(&b);
    put_cpu(&b, 0, apic_id, 1);
    finish(&b);
    memcpy(&memory[address], b.data, b.size);
}

START_TEST(a_boot_loaders_pointer_leads_to_the_tables)
{
    static const uint64_t entries[] = { 0, 0x3000 };
    uint8_t rsdp[36];

    place_root(entries, ARRAY_SIZE(entries));
    place_madt(0x3000, 6);
    make_rsdp(rsdp, 2, 0, 0x1000);
    acpi_setup(rsdp, sizeof(rsdp));
    ck_assert_uint_eq(acpi.cpu_count, 1);
    ck_assert_uint_eq(acpi.cpus[0].apic_id, 6);
}
END_TEST

START_TEST(without_one_the_places_a_bios_uses_are_searched)
{
    static const uint64_t entries[] = { 0x3000 };

    place_root(entries, ARRAY_SIZE(entries));
    place_madt(0x3000, 7);
    make_rsdp(&memory[0xf5ab0], 2, 0, 0x1000);
    acpi_setup(NULL, 0);
    ck_assert_uint_eq(acpi.cpus[0].apic_id, 7);

    setup();
    place_root(entries, ARRAY_SIZE(entries));
    place_madt(0x3000, 8);
    put_at(&memory[0x40e], 0x9fc0, 2);
    make_rsdp(&memory[0x9fc10], 2, 0, 0x1000);
    acpi_setup("no root pointer at all, by any reading", 38);
    ck_assert_uint_eq(acpi.cpus[0].apic_id, 8);

    setup();
    acpi_setup(NULL, 0);
    ck_assert_uint_eq(acpi.cpu_count, 0);
    ck_assert_uint_eq(fake.logs, 1);
}
END_TEST

START_TEST(tables_that_lead_round_or_nowhere_are_left_alone)
{
    /* the root itself, nowhere, a table, the same again, another of its kind */
    static const uint64_t entries[] = { 0x1000, 0x7fff0000, 0x3000, 0x3000, 0x4000 };
    uint8_t rsdp[36];

    place_root(entries, ARRAY_SIZE(entries));
    place_madt(0x3000, 6);
    place_madt(0x4000, 9);
    make_rsdp(rsdp, 2, 0, 0x1000);
    acpi_setup(rsdp, sizeof(rsdp));
    ck_assert_uint_eq(acpi.cpu_count, 1);
    ck_assert_uint_eq(acpi.cpus[0].apic_id, 6);
    ck_assert_uint_lt(maps, 20);
}
END_TEST

START_TEST(a_table_that_claims_gigabytes_is_not_mapped_whole)
{
    static const uint64_t entries[] = { 0x3000 };
    uint8_t rsdp[36];

    place_root(entries, ARRAY_SIZE(entries));
    place_madt(0x3000, 6);
    put_at(&memory[0x3004], UINT32_MAX, 4);
    make_rsdp(rsdp, 2, 0, 0x1000);
    acpi_setup(rsdp, sizeof(rsdp)); /* a limit that the fake's memory is smaller than */
    ck_assert_uint_eq(acpi.cpu_count, 0);
    ck_assert_uint_ge(fake.logs, 1);
    ck_assert_uint_le(largest_map, ACPI_SIZE_LIMIT);
}
END_TEST

START_TEST(a_length_below_the_headers_is_named)
{
    static const uint64_t entries[] = { 0x3000 };
    struct builder b;
    uint8_t rsdp[36];

    begin_madt(&b);
    put_cpu(&b, 0, 0, 1);
    finish(&b);
    put_at(&b.data[4], 35, 4);
    parse(b.data, b.size);
    ck_assert_uint_eq(info.cpu_count, 0);
    ck_assert_uint_eq(fake.logs, 1);

    place_root(entries, ARRAY_SIZE(entries));
    place_madt(0x3000, 6);
    put_at(&memory[0x3004], 0, 4);
    make_rsdp(rsdp, 2, 0, 0x1000);
    fake.logs = 0;
    acpi_setup(rsdp, sizeof(rsdp));
    ck_assert_uint_eq(acpi.cpu_count, 0);
    ck_assert_uint_eq(fake.logs, 2); /* this, and what was found */
}
END_TEST

START_TEST(the_root_table_has_a_limit)
{
    static uint64_t found[ACPI_TABLE_LIMIT];
    struct builder b;

    begin(&b, "XSDT");
    for (unsigned int i = 0; i < ACPI_TABLE_LIMIT + 4; i++) {
        put(&b, 0x1000 + i, 8);
    }
    finish(&b);
    ck_assert_uint_eq(acpi_parse_root(b.data, b.size, 8, found), ACPI_TABLE_LIMIT);
    ck_assert_uint_eq(found[ACPI_TABLE_LIMIT - 1], 0x1000 + ACPI_TABLE_LIMIT - 1);
    ck_assert_uint_eq(acpi_parse_root(b.data, 36 + 12, 8, found), 1);
    put_at(&b.data[36], 0, 8); /* an empty place */
    ck_assert_uint_eq(acpi_parse_root(b.data, 36 + 16, 8, found), 1);
    ck_assert_uint_eq(found[0], 0x1001);
    ck_assert_uint_eq(acpi_parse_root(b.data, 20, 8, found), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("acpi");
    TCase *cases = suite_case(suite, "acpi");

    tcase_add_checked_fixture(cases, setup, NULL);
    tcase_add_test(cases, a_madt_lists_cpus_controllers_and_overrides);
    tcase_add_test(cases, a_cpu_counts_once_and_only_if_it_can_run);
    tcase_add_test(cases, a_bad_checksum_is_named_and_lived_with);
    tcase_add_test(cases, a_table_cut_anywhere_is_survived);
    tcase_add_test(cases, an_entry_of_no_or_too_much_length_ends_the_list);
    tcase_add_test(cases, an_entry_shorter_than_its_type_is_skipped);
    tcase_add_test(cases, lists_have_ends);
    tcase_add_test(cases, a_fadt_of_the_first_revision_has_ports_only);
    tcase_add_test(cases, a_newer_fadt_describes_registers_in_full);
    tcase_add_test(cases, a_port_out_of_range_is_no_port);
    tcase_add_test(cases, hpet_and_pci_windows_are_found);
    tcase_add_test(cases, other_tables_are_ignored);
    tcase_add_test(cases, the_root_pointer_names_the_newer_table_if_it_is_sound);
    tcase_add_test(cases, a_boot_loaders_pointer_leads_to_the_tables);
    tcase_add_test(cases, without_one_the_places_a_bios_uses_are_searched);
    tcase_add_test(cases, tables_that_lead_round_or_nowhere_are_left_alone);
    tcase_add_test(cases, a_table_that_claims_gigabytes_is_not_mapped_whole);
    tcase_add_test(cases, a_length_below_the_headers_is_named);
    tcase_add_test(cases, the_root_table_has_a_limit);
    return suite_run(suite);
}
