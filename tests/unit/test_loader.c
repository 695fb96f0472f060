/* SPDX-License-Identifier: MIT */
/*
 * What boot loaders leave, multiboot 1 and 2, true and garbled.  Machine memory
 * is a block of exactly the size of what is in it, so that a read beyond is seen.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "hypervisor/boot/loader.h"
#include "hypervisor/control/firmware.h"
#include "hypervisor/x86/address_space.h"
#include "tests/unit/require.h"
#include "tests/unit/suite.h"

#define MAGIC1 0x2badb002u
#define MAGIC2 0x36d76289u

uint8_t *direct_map_start;

static uint8_t memory[65536];
static uint32_t used;
static unsigned int efi_maps;
static size_t efi_size, efi_descriptor;

void firmware_keep_efi_map(const void *map, size_t size, size_t descriptor_size)
{
    uint8_t sum = 0;

    for (size_t i = 0; i < size; i++) {
        sum = (uint8_t)(sum + ((const uint8_t *)map)[i]); /* all of it is there */
    }
    efi_maps += sum != 1 || size != 1;
    efi_size = size;
    efi_descriptor = descriptor_size;
}

static void setup(void)
{
    memset(memory, 0, sizeof(memory));
    memset(&boot_info, 0, sizeof(boot_info));
    used = 8;
    efi_maps = 0;
}

/* Everything the parser may leave. */
static void check_sane(void)
{
    require(boot_info.module_count <= BOOT_MODULES);
    require(boot_info.region_count <= BOOT_REGIONS);
    require(boot_info.rsdp_size <= sizeof(boot_info.rsdp));
    require(memchr(boot_info.command_line, 0, BOOT_TEXT) != NULL);
    for (unsigned int i = 0; i < boot_info.module_count; i++) {
        require(memchr(boot_info.modules[i].text, 0, BOOT_TEXT) != NULL);
    }
    for (unsigned int i = 0; i < boot_info.region_count; i++) {
        require(boot_info.regions[i].size != 0);
    }
}

static bool parse(uint32_t magic, uint32_t size)
{
    bool known;

    direct_map_start = malloc(size);
    ck_assert_ptr_nonnull(direct_map_start);
    memcpy(direct_map_start, memory, size);
    known = loader_parse(magic, 0);
    free(direct_map_start);
    check_sane();
    return known;
}

static void put32(uint32_t offset, uint32_t value)
{
    memcpy(memory + offset, &value, sizeof(value));
}

static void put64(uint32_t offset, uint64_t value)
{
    memcpy(memory + offset, &value, sizeof(value));
}

START_TEST(other_loaders_are_refused)
{
    ck_assert(!parse(0, 64));
    ck_assert(!parse(MAGIC1 + 1, 64));
    ck_assert(!parse(MAGIC2 - 1, 64));
}
END_TEST

/* ---- multiboot 2 ---------------------------------------------------------------------------- */

static uint32_t tag(uint32_t type, const void *body, uint32_t size)
{
    uint32_t start = used;

    put32(used, type);
    put32(used + 4, size + 8);
    memcpy(memory + used + 8, body, size);
    used += (size + 8 + 7) & ~7u;
    return start;
}

/* Text, and zeroes up to the size. */
static void tag_text(uint32_t type, const char *text, uint32_t size)
{
    char body[64] = { 0 };

    strcpy(body, text);
    tag(type, body, size);
}

static void tag_module(uint32_t start, uint32_t end, const char *text, uint32_t text_size)
{
    uint8_t body[3000];

    memcpy(body, &start, 4);
    memcpy(body + 4, &end, 4);
    memcpy(body + 8, text, text_size);
    tag(3, body, text_size + 8);
}

static bool parse2(void)
{
    tag(0, "", 0);
    put32(0, used);
    return parse(MAGIC2, used);
}

START_TEST(multiboot_2_tells_everything)
{
    uint8_t map[16 + 2 * 24] = { 24 }, efi[8 + 40] = { 40 };
    uint64_t values[] = { 0x1000, 0x9f000, 1, 0x100000, 0x3ff00000, 1 }, table = 0x12345678;

    memcpy(map + 8, values, sizeof(values));
    tag_text(1, "noreboot maxcpus=2", 19);
    tag_text(2, "GRUB 2.06", 10);
    tag_module(0x200000, 0x300000, "console=hvc0", 13);
    tag_module(0x400000, 0x400000, "", 1);
    tag(6, map, 8 + 48);
    tag(12, &table, 8);
    tag_text(14, "RSD PTR one", 20);
    tag_text(15, "RSD PTR two", 36);
    tag(17, efi, sizeof(efi));
    tag_text(99, "unknown", 8);
    ck_assert(parse2());
    ck_assert_str_eq(boot_info.command_line, "noreboot maxcpus=2");
    ck_assert_uint_eq(boot_info.module_count, 2);
    ck_assert_uint_eq(boot_info.modules[0].start, 0x200000);
    ck_assert_uint_eq(boot_info.modules[0].size, 0x100000);
    ck_assert_str_eq(boot_info.modules[0].text, "console=hvc0");
    ck_assert_uint_eq(boot_info.modules[1].size, 0);
    ck_assert_uint_eq(boot_info.region_count, 2);
    ck_assert_uint_eq(boot_info.regions[1].start, 0x100000);
    ck_assert_uint_eq(boot_info.regions[1].size, 0x3ff00000);
    ck_assert_uint_eq(boot_info.regions[1].type, REGION_RAM);
    ck_assert_uint_eq(boot_info.efi_system_table, 0x12345678);
    ck_assert_uint_eq(boot_info.rsdp_size, 36);
    ck_assert_str_eq((const char *)boot_info.rsdp, "RSD PTR two");
    ck_assert_uint_eq(efi_maps, 1);
    ck_assert_uint_eq(efi_size, 40);
    ck_assert_uint_eq(efi_descriptor, 40);
}
END_TEST

START_TEST(the_second_root_pointer_counts_wherever_it_stands)
{
    tag_text(15, "RSD PTR two", 36);
    tag_text(14, "RSD PTR one", 20);
    ck_assert(parse2());
    ck_assert_str_eq((const char *)boot_info.rsdp, "RSD PTR two");
    setup();
    tag_text(14, "RSD PTR one", 20);
    ck_assert(parse2());
    ck_assert_str_eq((const char *)boot_info.rsdp, "RSD PTR one");
    ck_assert_uint_eq(boot_info.rsdp_size, 20);
}
END_TEST

START_TEST(a_root_pointer_too_long_is_cut)
{
    uint8_t body[100];

    memset(body, 7, sizeof(body));
    tag(15, body, sizeof(body));
    ck_assert(parse2());
    ck_assert_uint_eq(boot_info.rsdp_size, sizeof(boot_info.rsdp));
}
END_TEST

START_TEST(text_without_its_end_ends_with_its_tag)
{
    char text[2900];

    memset(text, 'a', sizeof(text));
    tag(1, text, 5);
    tag_module(1, 2, text, 3);
    put32(used, 0);
    put32(0, used);
    ck_assert(parse(MAGIC2, used));
    ck_assert_str_eq(boot_info.command_line, "aaaaa");
    ck_assert_str_eq(boot_info.modules[0].text, "aaa");
    setup();
    tag(1, text, sizeof(text));
    tag_module(1, 2, text, sizeof(text) - 8);
    ck_assert(parse2());
    ck_assert_uint_eq(strlen(boot_info.command_line), BOOT_TEXT - 1);
    ck_assert_uint_eq(strlen(boot_info.modules[0].text), BOOT_TEXT - 1);
}
END_TEST

START_TEST(more_modules_or_regions_than_there_is_room_for_are_left_out)
{
    static uint8_t map[8 + 300 * 24];
    uint64_t entry[3] = { 0x1000, 0x1000, 1 };

    map[0] = 24;
    for (unsigned int i = 0; i < 300; i++) {
        memcpy(map + 8 + i * 24, entry, 24);
    }
    for (unsigned int i = 0; i < BOOT_MODULES + 3; i++) {
        tag_module(i, i + 1, "x", 2);
    }
    tag(6, map, sizeof(map));
    ck_assert(parse2());
    ck_assert_uint_eq(boot_info.module_count, BOOT_MODULES);
    ck_assert_uint_eq(boot_info.modules[BOOT_MODULES - 1].start, BOOT_MODULES - 1);
    ck_assert_uint_eq(boot_info.region_count, BOOT_REGIONS);
}
END_TEST

START_TEST(what_cannot_be_is_left_out)
{
    uint8_t map[8 + 24] = { 24 };

    tag_module(0x3000, 0x2000, "ends before it starts", 8);
    tag(6, map, sizeof(map)); /* a region of no size */
    ck_assert(parse2());
    ck_assert_uint_eq(boot_info.module_count, 0);
    ck_assert_uint_eq(boot_info.region_count, 0);
}
END_TEST

START_TEST(a_tag_of_any_size_stays_within_itself)
{
    static const uint32_t types[] = { 1, 3, 6, 12, 14, 15, 17 };
    uint8_t body[64];

    for (unsigned int i = 0; i < ARRAY_SIZE(types); i++) {
        for (uint32_t size = 0; size <= sizeof(body); size++) {
            setup();
            memset(body, 24, sizeof(body));
            tag(types[i], body, size);
            /* The last tag, and no padding behind it. */
            put32(0, 16 + size);
            ck_assert(parse(MAGIC2, 16 + size));
        }
    }
}
END_TEST

START_TEST(a_map_s_entry_size_may_be_anything)
{
    static const uint32_t sizes[] = {
        0, 1, 19, 20, 23, 25, 48, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffe8, 0xffffffff
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
        uint8_t map[8 + 72];

        setup();
        memset(map, 1, sizeof(map));
        memcpy(map, &sizes[i], 4);
        tag(6, map, sizeof(map));
        ck_assert(parse2());
        ck_assert_uint_eq(boot_info.region_count,
                          sizes[i] < 20 || sizes[i] > 72 ? 0 : 72 / sizes[i]);
    }
}
END_TEST

START_TEST(tags_end_with_the_total_or_a_size_that_cannot_be)
{
    static const uint32_t bad[] = { 0, 1, 7, 0x7fffffff, 0xfffffff8, 0xffffffff };

    for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
        uint32_t start;

        setup();
        tag_text(1, "first", 6);
        start = used;
        tag_text(1, "second", 7);
        put32(start + 4, bad[i]);
        ck_assert(parse2());
        ck_assert_str_eq(boot_info.command_line, "first");
    }
    setup();
    tag_text(1, "first", 6);
    put32(0, used);
    tag_text(1, "behind the total", 17);
    ck_assert(parse(MAGIC2, used));
    ck_assert_str_eq(boot_info.command_line, "first");
    setup();
    tag(0, "", 0);
    tag_text(1, "behind the end", 17);
    ck_assert(parse2());
    ck_assert_str_eq(boot_info.command_line, "");
    for (uint32_t total = 0; total < 16; total++) {
        setup();
        tag_text(1, "first", 6);
        put32(0, total);
        ck_assert(parse(MAGIC2, 16));
        ck_assert_str_eq(boot_info.command_line, "");
    }
}
END_TEST

START_TEST(garbage_of_any_kind_does_no_harm)
{
    srand(99);
    for (unsigned int round = 0; round < 30000; round++) {
        uint32_t size = 8 + (uint32_t)rand() % 400;

        setup();
        for (uint32_t i = 0; i < size; i++) {
            memory[i] = (uint8_t)(rand() % 3 != 0 ? 0 : rand());
        }
        put32(0, size);
        for (uint32_t at = 8; at + 8 <= size; at += 8 * (1 + (uint32_t)rand() % 6)) {
            put32(at, (uint32_t)rand() % 18);
            put32(at + 4, (uint32_t)rand() % 64);
        }
        require(parse(MAGIC2, size));
    }
}
END_TEST

/* ---- multiboot 1 ---------------------------------------------------------------------------- */

enum {
    FLAGS,
    CMDLINE = 16,
    MODS_COUNT = 20,
    MODS_ADDR = 24,
    MMAP_LENGTH = 44,
    MMAP_ADDR = 48,
    LOADER = 64,
    INFO_SIZE = 68
};

static uint32_t text_at(uint32_t offset, const char *text)
{
    strcpy((char *)memory + offset, text);
    return offset;
}

static void region_at(uint32_t offset, uint32_t entry_size, uint64_t start, uint64_t size)
{
    put32(offset, entry_size);
    put64(offset + 4, start);
    put64(offset + 12, size);
    put32(offset + 20, REGION_RAM);
}

static void start1(uint32_t flags)
{
    setup();
    put32(FLAGS, flags);
    put32(CMDLINE, text_at(0x100, "file.elf loglvl=debug"));
    put32(LOADER, text_at(0x200, "some loader 1.0"));
    put32(MODS_COUNT, 2);
    put32(MODS_ADDR, 0x302);
    put32(0x302, 0x200000);
    put32(0x306, 0x280000);
    put32(0x30a, text_at(0x400, "vmlinux   quiet root=a"));
    put32(0x312, 0x300000);
    put32(0x316, 0x300001);
    put32(MMAP_LENGTH, 2 * 24);
    put32(MMAP_ADDR, 0x501);
    region_at(0x501, 20, 0, 0x9fc00);
    region_at(0x501 + 24, 20, 0x100000, 0x1000000);
}

START_TEST(multiboot_1_tells_everything)
{
    start1(1u << 2 | 1u << 3 | 1u << 6);
    ck_assert(parse(MAGIC1, 0x600));
    ck_assert_str_eq(boot_info.command_line, "loglvl=debug");
    ck_assert_uint_eq(boot_info.module_count, 2);
    ck_assert_uint_eq(boot_info.modules[0].start, 0x200000);
    ck_assert_uint_eq(boot_info.modules[0].size, 0x80000);
    ck_assert_str_eq(boot_info.modules[0].text, "quiet root=a");
    ck_assert_uint_eq(boot_info.modules[1].size, 1);
    ck_assert_str_eq(boot_info.modules[1].text, "");
    ck_assert_uint_eq(boot_info.region_count, 2);
    ck_assert_uint_eq(boot_info.regions[1].start, 0x100000);
    ck_assert_uint_eq(boot_info.regions[1].size, 0x1000000);
}
END_TEST

START_TEST(what_has_no_flag_is_not_looked_at)
{
    start1(0);
    memset(memory + 4, 0xff, INFO_SIZE - 4);
    ck_assert(parse(MAGIC1, INFO_SIZE + 8));
    ck_assert_str_eq(boot_info.command_line, "");
    ck_assert_uint_eq(boot_info.module_count, 0);
    ck_assert_uint_eq(boot_info.region_count, 0);
}
END_TEST

START_TEST(grub_2_passes_no_file_names)
{
    start1(1u << 2 | 1u << 3 | 1u << 9);
    text_at(0x200, "GRUB 2.06-13");
    ck_assert(parse(MAGIC1, 0x600));
    ck_assert_str_eq(boot_info.command_line, "file.elf loglvl=debug");
    ck_assert_str_eq(boot_info.modules[0].text, "vmlinux   quiet root=a");
    start1(1u << 2 | 1u << 9);
    ck_assert(parse(MAGIC1, 0x600));
    ck_assert_str_eq(boot_info.command_line, "loglvl=debug");
}
END_TEST

START_TEST(a_name_alone_leaves_no_arguments)
{
    start1(1u << 2);
    text_at(0x100, "file.elf");
    ck_assert(parse(MAGIC1, 0x600));
    ck_assert_str_eq(boot_info.command_line, "");
}
END_TEST

START_TEST(entries_of_the_map_may_be_longer_but_not_shorter)
{
    static const uint32_t bad[] = { 0, 3, 19, 0xfffffffc, 0xfffffff0, 0xffffffff, 0x80000000 };

    start1(1u << 6);
    put32(MMAP_LENGTH, 24 + 28);
    region_at(0x501, 24, 0x1000, 0x1000);
    region_at(0x501 + 28, 20, 0x5000, 0x1000);
    ck_assert(parse(MAGIC1, 0x600));
    ck_assert_uint_eq(boot_info.region_count, 2);
    ck_assert_uint_eq(boot_info.regions[1].start, 0x5000);
    for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
        start1(1u << 6);
        region_at(0x501 + 24, bad[i], 0x5000, 0x1000);
        put32(MMAP_LENGTH, 3 * 24);
        ck_assert(parse(MAGIC1, 0x600));
        ck_assert_uint_le(boot_info.region_count, 2);
    }
}
END_TEST

START_TEST(a_map_that_is_cut_is_read_up_to_there)
{
    for (uint32_t length = 0; length <= 48; length++) {
        start1(1u << 6);
        put32(MMAP_LENGTH, length);
        ck_assert(parse(MAGIC1, 0x501 + length));
        ck_assert_uint_eq(boot_info.region_count, length / 24);
    }
}
END_TEST

START_TEST(a_count_of_modules_nobody_has_is_cut)
{
    start1(1u << 3);
    put32(MODS_COUNT, UINT32_MAX);
    put32(MODS_ADDR, 0x800);
    ck_assert(parse(MAGIC1, 0x800 + BOOT_MODULES * 16));
    ck_assert_uint_eq(boot_info.module_count, BOOT_MODULES);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("loader");
    TCase *two = suite_case(suite, "multiboot 2"), *one = suite_case(suite, "multiboot 1");

    tcase_add_checked_fixture(two, setup, NULL);
    tcase_set_timeout(two, 30);
    tcase_add_test(two, other_loaders_are_refused);
    tcase_add_test(two, multiboot_2_tells_everything);
    tcase_add_test(two, the_second_root_pointer_counts_wherever_it_stands);
    tcase_add_test(two, a_root_pointer_too_long_is_cut);
    tcase_add_test(two, text_without_its_end_ends_with_its_tag);
    tcase_add_test(two, more_modules_or_regions_than_there_is_room_for_are_left_out);
    tcase_add_test(two, what_cannot_be_is_left_out);
    tcase_add_test(two, a_tag_of_any_size_stays_within_itself);
    tcase_add_test(two, a_map_s_entry_size_may_be_anything);
    tcase_add_test(two, tags_end_with_the_total_or_a_size_that_cannot_be);
    tcase_add_test(two, garbage_of_any_kind_does_no_harm);

    tcase_add_checked_fixture(one, setup, NULL);
    tcase_add_test(one, multiboot_1_tells_everything);
    tcase_add_test(one, what_has_no_flag_is_not_looked_at);
    tcase_add_test(one, grub_2_passes_no_file_names);
    tcase_add_test(one, a_name_alone_leaves_no_arguments);
    tcase_add_test(one, entries_of_the_map_may_be_longer_but_not_shorter);
    tcase_add_test(one, a_map_that_is_cut_is_read_up_to_there);
    tcase_add_test(one, a_count_of_modules_nobody_has_is_cut);
    return suite_run(suite);
}
