/* SPDX-License-Identifier: MIT */
/*
 * Kernels made here, good ones and each way to lie.  The image is a block of
 * exactly its size, so that a read beyond it is seen.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "guest-pv-headers/elfnote.h"
#include "hypervisor/boot/elf.h"
#include "hypervisor/lib/frame.h"
#include "tests/unit/require.h"
#include "tests/unit/suite.h"

#define BASE      UINT64_C(0xffffffff80000000)
#define HEADERS   64u
#define PHSIZE    56u
#define NOTES     2048u /* where they are in the file */
#define TEXT      4096u /* and the first segment */
#define FILE_SIZE 8192u

enum { PT_LOAD = 1, PT_NOTE = 4 };

/* Offsets in the file header and in a program header. */
enum { E_CLASS = 4, E_MACHINE = 18, E_PHOFF = 32, E_PHENTSIZE = 54, E_PHNUM = 56 };
enum { P_TYPE = 0, P_OFFSET = 8, P_VADDR = 16, P_PADDR = 24, P_FILESZ = 32, P_MEMSZ = 40 };

static uint8_t file[FILE_SIZE];
static uint32_t notes_size;
static unsigned int headers;
static struct elf_kernel kernel;

static void put(size_t offset, uint64_t value, size_t size)
{
    memcpy(file + offset, &value, size);
}

static void put_ph(unsigned int index, unsigned int field, uint64_t value)
{
    put(HEADERS + index * PHSIZE + field, value, field == P_TYPE ? 4 : 8);
}

static unsigned int add_ph(uint32_t type, uint64_t offset, uint64_t size)
{
    unsigned int index = headers++;

    put_ph(index, P_TYPE, type);
    put_ph(index, P_OFFSET, offset);
    put_ph(index, P_FILESZ, size);
    put_ph(index, P_MEMSZ, size);
    put(E_PHNUM, headers, 2);
    return index;
}

static void add_note_of(const char *name, uint32_t name_size, uint32_t type, const void *value,
                        uint32_t size)
{
    size_t at = NOTES + notes_size;

    put(at, name_size, 4);
    put(at + 4, size, 4);
    put(at + 8, type, 4);
    memcpy(file + at + 12, name, name_size);
    memcpy(file + at + 12 + ROUND_UP(name_size, 4u), value, size);
    notes_size += 12 + ROUND_UP(name_size, 4u) + ROUND_UP(size, 4u);
    put_ph(0, P_FILESZ, notes_size);
}

static void add_number(uint32_t type, uint64_t value)
{
    add_note_of("Xen", 4, type, &value, 8);
}

static void add_text(uint32_t type, const char *value)
{
    add_note_of("Xen", 4, type, value, (uint32_t)strlen(value) + 1);
}

static unsigned int add_load(uint64_t paddr, uint64_t memory_size)
{
    unsigned int index = add_ph(PT_LOAD, TEXT, 0x800);

    put_ph(index, P_PADDR, paddr);
    put_ph(index, P_MEMSZ, memory_size);
    return index;
}

/* Headers, an empty note segment (number 0), the notes each kernel has. */
static void start(void)
{
    memset(file, 0, sizeof(file));
    notes_size = 0;
    headers = 0;
    memcpy(file, "\177ELF\2\1\1", 7);
    put(16, 2, 2);
    put(E_MACHINE, 62, 2);
    put(E_PHOFF, HEADERS, 8);
    put(E_PHENTSIZE, PHSIZE, 2);
    (void)add_ph(PT_NOTE, NOTES, 0);
}

static void start_good(void)
{
    start();
    add_text(XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
    add_text(XEN_ELFNOTE_GUEST_OS, "test");
    add_number(XEN_ELFNOTE_VIRT_BASE, BASE);
    add_number(XEN_ELFNOTE_ENTRY, BASE + 0x100010);
    (void)add_load(0x100000, 0x3000);
}

static const char *parse_size_of(size_t size)
{
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    const char *reason;

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, file, size);
    memset(&kernel, 0xee, sizeof(kernel));
    reason = elf_kernel_parse(copy, size, &kernel);
    free(copy);
    return reason;
}

static const char *parse(void)
{
    return parse_size_of(sizeof(file));
}

static void good(void)
{
    const char *reason = parse();

    ck_assert_msg(reason == NULL, "%s", reason == NULL ? "" : reason);
}

static void bad(const char *part)
{
    const char *reason = parse();

    ck_assert_msg(reason != NULL && strstr(reason, part) != NULL, "%s, not %s",
                  reason == NULL ? "is good" : reason, part);
}

START_TEST(a_good_kernel_is_understood)
{
    start_good();
    add_number(XEN_ELFNOTE_HYPERCALL_PAGE, BASE + 0x101000);
    add_number(XEN_ELFNOTE_INIT_P2M, UINT64_C(0x8000000000));
    add_number(XEN_ELFNOTE_MOD_START_PFN, 1);
    (void)add_load(0x200000, 0x800);
    good();
    ck_assert_uint_eq(kernel.virt_base, BASE);
    ck_assert_uint_eq(kernel.entry, BASE + 0x100010);
    ck_assert_uint_eq(kernel.start, BASE + 0x100000);
    ck_assert_uint_eq(kernel.end, BASE + 0x200800);
    ck_assert_uint_eq(kernel.segment_count, 2);
    ck_assert_uint_eq(kernel.segments[0].address, BASE + 0x100000);
    ck_assert_uint_eq(kernel.segments[0].file_offset, TEXT);
    ck_assert_uint_eq(kernel.segments[0].file_size, 0x800);
    ck_assert_uint_eq(kernel.segments[0].memory_size, 0x3000);
    ck_assert_uint_eq(kernel.segments[1].address, BASE + 0x200000);
    ck_assert(kernel.has_hypercall_page);
    ck_assert_uint_eq(kernel.hypercall_page, BASE + 0x101000);
    ck_assert(kernel.has_init_p2m);
    ck_assert_uint_eq(kernel.init_p2m, UINT64_C(0x8000000000));
    ck_assert(kernel.mod_start_pfn);
    ck_assert_str_eq(kernel.guest_os, "test");
}
END_TEST

START_TEST(what_is_optional_may_be_left_out)
{
    start_good();
    good();
    ck_assert(!kernel.has_hypercall_page && !kernel.has_init_p2m && !kernel.mod_start_pfn);
    ck_assert_uint_eq(kernel.segment_count, 1);
    start();
    add_text(XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
    add_number(XEN_ELFNOTE_ENTRY, 0x2000);
    (void)add_load(0x2000, 0x1000);
    good();
    ck_assert_uint_eq(kernel.virt_base, 0);
    ck_assert_str_eq(kernel.guest_os, "");
}
END_TEST

START_TEST(addresses_count_from_the_paddr_offset_if_there_is_one)
{
    start_good();
    add_number(XEN_ELFNOTE_PADDR_OFFSET, 0x80000);
    add_number(XEN_ELFNOTE_ENTRY, BASE + 0x80000); /* the last of two counts */
    good();
    ck_assert_uint_eq(kernel.segments[0].address, BASE + 0x80000);
    start_good();
    add_number(XEN_ELFNOTE_PADDR_OFFSET, BASE);
    put_ph(1, P_PADDR, BASE + 0x100000);
    good();
    ck_assert_uint_eq(kernel.segments[0].address, BASE + 0x100000);
}
END_TEST

START_TEST(notes_of_others_and_unknown_ones_are_passed_over)
{
    start_good();
    add_note_of("GNU", 4, XEN_ELFNOTE_ENTRY, "01234567", 8);
    add_note_of("Xenomai", 8, XEN_ELFNOTE_ENTRY, "01234567", 8);
    add_note_of("", 0, XEN_ELFNOTE_ENTRY, "01234567", 8);
    add_note_of("Xen", 3, XEN_ELFNOTE_ENTRY, "01234567", 8);
    add_text(XEN_ELFNOTE_LOADER, "generic");
    add_text(1000, "what is this?");
    good();
    ck_assert_uint_eq(kernel.entry, BASE + 0x100010);
}
END_TEST

START_TEST(numbers_may_be_shorter_or_longer_than_8_bytes)
{
    start_good();
    add_note_of("Xen", 4, XEN_ELFNOTE_VIRT_BASE, "\0\0\0\0", 4);
    add_note_of("Xen", 4, XEN_ELFNOTE_ENTRY, "\x10\x00\x10\x00\0\0\0\0\xff\xff\xff\xff", 12);
    add_note_of("Xen", 4, XEN_ELFNOTE_MOD_START_PFN, "", 0);
    good();
    ck_assert_uint_eq(kernel.virt_base, 0);
    ck_assert_uint_eq(kernel.entry, 0x100010);
    ck_assert(!kernel.mod_start_pfn);
}
END_TEST

START_TEST(a_name_of_any_length_is_cut_and_ended)
{
    char name[64];

    for (uint32_t size = 0; size < sizeof(name); size++) {
        start();
        memset(name, 'n', sizeof(name));
        add_text(XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
        add_number(XEN_ELFNOTE_ENTRY, 0x100000);
        (void)add_load(0x100000, 0x1000);
        add_note_of("Xen", 4, XEN_ELFNOTE_GUEST_OS, name, size); /* no end */
        good();
        ck_assert_uint_eq(strlen(kernel.guest_os), MIN(size, sizeof(kernel.guest_os) - 1));
    }
    /* At the very end of the file. */
    start();
    (void)add_load(0x100000, 0x1000);
    put_ph(1, P_OFFSET, 0);
    add_text(XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
    add_number(XEN_ELFNOTE_ENTRY, 0x100000);
    add_note_of("Xen", 4, XEN_ELFNOTE_GUEST_OS, name, 4);
    put_ph(1, P_FILESZ, 16);
    ck_assert_ptr_null(parse_size_of(NOTES + notes_size));
    ck_assert_str_eq(kernel.guest_os, "nnnn");
}
END_TEST

START_TEST(what_is_no_64_bit_kernel_is_told_so)
{
    start_good();
    file[0] = 0;
    bad("is not an ELF file");
    start_good();
    put(E_CLASS, 1, 1);
    bad("64-bit");
    start_good();
    put(E_MACHINE, 3, 2);
    bad("64-bit");
    start_good();
    put(E_PHENTSIZE, PHSIZE - 1, 2);
    bad("unknown size");
    ck_assert_ptr_nonnull(parse_size_of(0));
}
END_TEST

START_TEST(a_compressed_kernel_is_recognised)
{
    memset(file, 0, sizeof(file));
    memcpy(file + 0x202, "HdrS", 4);
    bad("bzImage");
    memset(file, 0, sizeof(file));
    memcpy(file, "\x1f\x8b", 2);
    bad("gzip");
    memcpy(file, "\xfd\x37zXZ", 5);
    bad("xz");
    memcpy(file, "\x28\xb5\x2f\xfd", 4);
    bad("zstd");
    ck_assert_str_eq(parse_size_of(3), "is not an ELF file");
}
END_TEST

START_TEST(larger_program_headers_are_stepped_over)
{
    start_good();
    put(E_PHENTSIZE, 2 * PHSIZE, 2);
    memmove(file + HEADERS + 2 * PHSIZE, file + HEADERS + PHSIZE, PHSIZE);
    memset(file + HEADERS + PHSIZE, 0xff, PHSIZE);
    good();
    ck_assert_uint_eq(kernel.segment_count, 1);
}
END_TEST

START_TEST(each_missing_note_is_named)
{
    start();
    (void)add_load(0x100000, 0x1000);
    bad("no Xen notes");
    add_number(XEN_ELFNOTE_VIRT_BASE, 0);
    bad("XEN_VERSION");
    add_text(XEN_ELFNOTE_XEN_VERSION, "xen-2.0");
    bad("XEN_VERSION");
    add_note_of("Xen", 4, XEN_ELFNOTE_XEN_VERSION, "xen-3", 5);
    bad("XEN_VERSION");
    add_text(XEN_ELFNOTE_XEN_VERSION, "xen-3.0-x86_64");
    bad("ENTRY");
    add_number(XEN_ELFNOTE_ENTRY, 0x100fff);
    good();
    start();
    add_text(XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
    add_number(XEN_ELFNOTE_ENTRY, 0x100000);
    bad("nothing to load");
}
END_TEST

START_TEST(each_number_outside_of_the_kernel_is_named)
{
    static const uint64_t entries[] = { 0, BASE, BASE + 0xfffff, BASE + 0x103000, UINT64_MAX };
    static const uint64_t pages[] = { 0, BASE + 0x100800, BASE + 0xff000, BASE + 0x103000,
                                      UINT64_MAX };
    static const uint64_t p2ms[] = { 0x1000, UINT64_C(1) << 38, UINT64_C(0xffff800000000000),
                                     UINT64_C(0xffff878000000000), UINT64_C(0x0000800000000000) };

    for (unsigned int i = 0; i < 5; i++) {
        start_good();
        add_number(XEN_ELFNOTE_ENTRY, entries[i]);
        bad("ENTRY");
        start_good();
        add_number(XEN_ELFNOTE_HYPERCALL_PAGE, pages[i]);
        bad("HYPERCALL_PAGE");
        start_good();
        add_number(XEN_ELFNOTE_INIT_P2M, p2ms[i]);
        bad("INIT_P2M");
    }
    start_good();
    add_number(XEN_ELFNOTE_VIRT_BASE, BASE + 1);
    bad("VIRT_BASE");
    add_number(XEN_ELFNOTE_VIRT_BASE, UINT64_C(0x0000800000000000));
    bad("VIRT_BASE");
}
END_TEST

START_TEST(segments_stay_within_the_file)
{
    start_good();
    put_ph(1, P_OFFSET, FILE_SIZE - 0x800);
    good();
    put_ph(1, P_OFFSET, FILE_SIZE - 0x7ff);
    bad("outside of the file");
    put_ph(1, P_OFFSET, UINT64_MAX - 0x400);
    bad("outside of the file");
    put_ph(1, P_OFFSET, FILE_SIZE + 1);
    put_ph(1, P_FILESZ, 0);
    bad("outside of the file");
    start_good();
    put_ph(1, P_FILESZ, UINT64_MAX);
    bad("outside of the file");
    put_ph(1, P_MEMSZ, UINT64_MAX);
    bad("outside of the file");
    start_good();
    put_ph(1, P_MEMSZ, 0x7ff);
    bad("outside of the file");
}
END_TEST

START_TEST(segments_stay_within_the_address_space)
{
    static const struct {
        uint64_t base, paddr, size;
        bool good;
    } cases[] = {
        { 0, 0, 0x1000, true },
        { 0, UINT64_C(0x00007ffffffff000), 0x1000, true },
        { 0, UINT64_C(0x00007ffffffff000), 0x1001, false },
        { 0, UINT64_C(0x0000800000000000), 0x1000, false },
        { 0, 0x1000, UINT64_C(0x0000800000000000), false },
        { 0, 0x1000, UINT64_C(0xffff800000000000), false },
        { 0, 0x1000, UINT64_C(0xffff900000000000), false },
        { 0, 0x1000, UINT64_C(0xfffffffffffff000), false },
        { 0, UINT64_C(0xffff7ffffffff000), 0x1000, false },
        { 0, UINT64_C(0xffff800000000000), 0x1000, false },
        { 0, UINT64_C(0xffff87fffffff000), 0x1000, false },
        { 0, UINT64_C(0xffff87fffffff000), 0x2000, false },
        { 0, UINT64_C(0xffff880000000000), 0x1000, true },
        { BASE, 0, 0x7ffff000, true },
        { BASE, 0x7fffe000, 0x1fff, true },
        { BASE, 0x7fffe000, 0x2000, false },
        { BASE, 0x7fffe000, 0x2001, false },
        { BASE, UINT64_C(0xfffffffffffff000), 0x800, false },
        { BASE, UINT64_C(0x80000000), 0x800, false },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(cases); i++) {
        start();
        add_text(XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
        add_number(XEN_ELFNOTE_VIRT_BASE, cases[i].base);
        add_number(XEN_ELFNOTE_ENTRY, cases[i].base + cases[i].paddr);
        (void)add_load(cases[i].paddr, cases[i].size);
        put_ph(1, P_FILESZ, MIN(cases[i].size, (uint64_t)0x800));
        ck_assert_msg((parse() == NULL) == cases[i].good, "case %u", i);
    }
}
END_TEST

START_TEST(a_segment_of_no_size_is_none_and_17_are_too_many)
{
    start_good();
    (void)add_load(UINT64_MAX, 0);
    good();
    ck_assert_uint_eq(kernel.segment_count, 1);
    for (unsigned int i = 2; i <= ELF_SEGMENTS; i++) {
        (void)add_load(i * 0x100000, 0x1000);
    }
    good();
    ck_assert_uint_eq(kernel.segment_count, ELF_SEGMENTS);
    (void)add_load(0x5000000, 0x1000);
    bad("more than 16");
}
END_TEST

START_TEST(notes_stay_within_their_segment)
{
    start_good();
    put_ph(0, P_OFFSET, FILE_SIZE - 4);
    bad("outside of the file");
    put_ph(0, P_OFFSET, UINT64_MAX - 8);
    bad("outside of the file");
    put_ph(0, P_OFFSET, NOTES);
    put_ph(0, P_FILESZ, UINT64_MAX - NOTES);
    bad("outside of the file");
    start_good();
    put(NOTES, 0xfffffffd, 4); /* name size: rounded up it is 4 GiB */
    bad("larger than its segment");
    put(NOTES, 0x2000, 4);
    bad("larger than its segment");
    put(NOTES, 4, 4);
    put(NOTES + 4, 0xffffffff, 4);
    bad("larger than its segment");
    put(NOTES + 4, notes_size - 16, 4); /* up to the end exactly, the others inside it */
    bad("ENTRY");
    put(NOTES + 4, notes_size - 15, 4);
    bad("larger than its segment");
}
END_TEST

START_TEST(a_last_note_may_lack_its_padding)
{
    start_good();
    add_note_of("Xen", 4, XEN_ELFNOTE_GUEST_OS, "ab", 2);
    put_ph(0, P_FILESZ, notes_size - 2);
    good();
    ck_assert_str_eq(kernel.guest_os, "ab");
    /* Less than a note's head behind the last one is nothing. */
    put_ph(0, P_FILESZ, notes_size + 11);
    memset(file + NOTES + notes_size, 0xff, 11);
    good();
}
END_TEST

START_TEST(program_headers_stay_within_the_file)
{
    start_good();
    put(E_PHNUM, 3, 2);
    put(E_PHOFF, FILE_SIZE - 2 * PHSIZE, 8);
    bad("program headers outside");
    put(E_PHNUM, 2, 2);
    put(E_PHOFF, FILE_SIZE - 2 * PHSIZE + 1, 8);
    bad("program headers outside");
    put(E_PHOFF, UINT64_MAX - 1, 8);
    bad("program headers outside");
    put(E_PHOFF, HEADERS, 8);
    put(E_PHENTSIZE, 0x8000, 2);
    bad("program headers outside");
    start_good();
    put(E_PHNUM, 0, 2);
    bad("no Xen notes");
}
END_TEST

START_TEST(a_kernel_that_is_cut_anywhere_is_refused)
{
    start_good();
    for (size_t size = 0; size < FILE_SIZE; size++) {
        bool whole = size >= TEXT + 0x800;

        require((parse_size_of(size) == NULL) == whole);
    }
}
END_TEST

START_TEST(any_byte_may_be_anything)
{
    srand(5);
    for (unsigned int round = 0; round < 60000; round++) {
        start_good();
        add_number(XEN_ELFNOTE_INIT_P2M, UINT64_C(0x8000000000));
        add_number(XEN_ELFNOTE_HYPERCALL_PAGE, BASE + 0x101000);
        for (int i = 0; i < 3; i++) {
            bool note = rand() % 2 != 0;
            size_t at = note ? NOTES + (size_t)rand() % notes_size
                             : (size_t)rand() % (HEADERS + 2 * PHSIZE);

            file[at] = (uint8_t)rand();
        }
        if (elf_kernel_parse(file, FILE_SIZE, &kernel) != NULL) {
            continue;
        }
        require(kernel.segment_count > 0 && kernel.segment_count <= ELF_SEGMENTS);
        require(kernel.entry >= kernel.start && kernel.entry < kernel.end);
        require(kernel.start >= kernel.virt_base);
        for (unsigned int i = 0; i < kernel.segment_count; i++) {
            const struct elf_segment *segment = &kernel.segments[i];

            require(segment->file_offset <= FILE_SIZE);
            require(segment->file_size <= FILE_SIZE - segment->file_offset);
            require(segment->file_size <= segment->memory_size);
            require(segment->address >= kernel.start);
            require(segment->address + segment->memory_size <= kernel.end);
        }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("elf");
    TCase *tcase = suite_case(suite, "kernels"), *lies = suite_case(suite, "lies");

    tcase_add_test(tcase, a_good_kernel_is_understood);
    tcase_add_test(tcase, what_is_optional_may_be_left_out);
    tcase_add_test(tcase, addresses_count_from_the_paddr_offset_if_there_is_one);
    tcase_add_test(tcase, notes_of_others_and_unknown_ones_are_passed_over);
    tcase_add_test(tcase, numbers_may_be_shorter_or_longer_than_8_bytes);
    tcase_add_test(tcase, a_name_of_any_length_is_cut_and_ended);
    tcase_add_test(tcase, larger_program_headers_are_stepped_over);

    tcase_set_timeout(lies, 30);
    tcase_add_test(lies, what_is_no_64_bit_kernel_is_told_so);
    tcase_add_test(lies, a_compressed_kernel_is_recognised);
    tcase_add_test(lies, each_missing_note_is_named);
    tcase_add_test(lies, each_number_outside_of_the_kernel_is_named);
    tcase_add_test(lies, segments_stay_within_the_file);
    tcase_add_test(lies, segments_stay_within_the_address_space);
    tcase_add_test(lies, a_segment_of_no_size_is_none_and_17_are_too_many);
    tcase_add_test(lies, notes_stay_within_their_segment);
    tcase_add_test(lies, a_last_note_may_lack_its_padding);
    tcase_add_test(lies, program_headers_stay_within_the_file);
    tcase_add_test(lies, a_kernel_that_is_cut_anywhere_is_refused);
    tcase_add_test(lies, any_byte_may_be_anything);
    return suite_run(suite);
}
