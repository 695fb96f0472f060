/* SPDX-License-Identifier: MIT */
/*
 * Guest access as the core has it, in a process: its faults are signals, which go on
 * where the exception table says, and stac and clac, which a program may not execute,
 * are signals that open and close guest memory.
 */
#define _GNU_SOURCE
#define PARAVANE_CORE /* the accesses themselves, not what tests of other files have for them */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

/* The exception table: what is compiled from here on puts its entries between the two. */
__asm__(".pushsection .extable, \"a\"\n\tfirst_entry:\n\t.popsection\n\t"
        ".pushsection .extable, 1, \"a\"\n\tlast_entry:\n\t.popsection");

#include "hypervisor/mm/guest_access.c"
#include "tests/unit/suite.h"

#define PAGE 4096u

extern const struct extable_entry first_entry[], last_entry[];

static uint8_t *memory;  /* a page that is there, and one that is not */
static uint8_t *missing; /* the second */
static unsigned int faults;
static bool open, mistake;

static void fault(int number, siginfo_t *info, void *context)
{
    greg_t *rip = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];

    (void)number;
    (void)info;
    for (const struct extable_entry *entry = first_entry; entry < last_entry; entry++) {
        if ((greg_t)&entry->from + entry->from == *rip) {
            *rip = (greg_t)&entry->to + entry->to;
            faults++;
            mistake |= !open;
            return;
        }
    }
    abort();
}

static void open_or_close(int number, siginfo_t *info, void *context)
{
    static const uint8_t stac[] = { 0x0f, 0x01, 0xcb }, clac[] = { 0x0f, 0x01, 0xca };
    greg_t *rip = &((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
    bool opens = memcmp((const void *)*rip, stac, sizeof(stac)) == 0;

    (void)number;
    (void)info;
    if (!opens && memcmp((const void *)*rip, clac, sizeof(clac)) != 0) {
        abort();
    }
    mistake |= open == opens;
    open = opens;
    *rip += (greg_t)sizeof(stac);
}

static void setup(void)
{
    struct sigaction action = { .sa_flags = SA_SIGINFO };

    memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(memory, MAP_FAILED);
    missing = memory + PAGE;
    ck_assert_int_eq(mprotect(missing, PAGE, PROT_NONE), 0);
    for (unsigned int i = 0; i < PAGE; i++) {
        memory[i] = (uint8_t)(i * 7 + i / 256 + 1);
    }
    action.sa_sigaction = fault;
    (void)sigaction(SIGSEGV, &action, NULL);
    action.sa_sigaction = open_or_close;
    (void)sigaction(SIGILL, &action, NULL);
}

static void teardown(void)
{
    ck_assert(!open);
    ck_assert(!mistake);
    ck_assert_int_eq(munmap(memory, 2 * PAGE), 0);
}

/* What the core itself has in hand: a copy of guest memory, and room for more. */
static uint8_t own[PAGE];

static uint64_t before_missing(uint64_t bytes)
{
    return (uint64_t)missing - bytes;
}

#define LONGEST 40u

START_TEST(a_copy_from_a_guest_ends_at_the_first_byte_that_is_missing)
{
    for (size_t there = 0; there <= LONGEST; there++) {
        for (size_t size = 0; size <= LONGEST; size++) {
            uint64_t from = before_missing(there);
            size_t good = MIN(size, there);

            memset(own, 0xee, sizeof(own));
            faults = 0;
            ck_assert_uint_eq(raw_copy_from_guest(own, guest_pointer(const void, from), size),
                              size - good);
            ck_assert_mem_eq(own, missing - there, good);
            ck_assert_uint_eq(own[good], 0xee);
            ck_assert_int_eq(faults != 0, good != size);
        }
    }
}
END_TEST

START_TEST(a_copy_to_a_guest_ends_at_the_first_byte_that_is_missing)
{
    memset(own, 0xee, sizeof(own));
    for (size_t there = 0; there <= LONGEST; there++) {
        for (size_t size = 0; size <= LONGEST; size++) {
            uint64_t to = before_missing(there);
            size_t good = MIN(size, there);

            memset(memory, 0, PAGE);
            ck_assert_uint_eq(raw_copy_to_guest(guest_pointer(void, to), own, size), size - good);
            ck_assert_mem_eq(missing - there, own, good);
            ck_assert_uint_eq(missing[-(ptrdiff_t)there - 1], 0);
            ck_assert(good == there || *(missing - there + good) == 0);
        }
    }
}
END_TEST

START_TEST(clearing_ends_at_the_first_byte_that_is_missing)
{
    for (size_t there = 0; there <= LONGEST; there++) {
        for (size_t size = 0; size <= LONGEST; size++) {
            uint64_t to = before_missing(there);
            size_t good = MIN(size, there);

            memset(memory, 0xee, PAGE);
            memset(own, 0, sizeof(own));
            ck_assert_uint_eq(raw_clear_guest(guest_pointer(void, to), size), size - good);
            ck_assert_mem_eq(missing - there, own, good);
            ck_assert_uint_eq(missing[-(ptrdiff_t)there - 1], 0xee);
            ck_assert(good == there || *(missing - there + good) == 0xee);
        }
    }
}
END_TEST

/* Ranges; what is not the guest's alone may not even be tried. */
static const struct range {
    uint64_t address;
    size_t size;
    bool tried;
} ranges[] = {
    { CORE_START - 16, 16, true },    { CORE_START - 16, 17, false },
    { CORE_START - 1, 1, true },      { CORE_START - 1, 2, false },
    { CORE_START, 1, false },         { CORE_START, 16, false },
    { CORE_START + PAGE, 16, false }, { CORE_END - 16, 16, false },
    { CORE_END - 16, 32, false },     { CORE_END - 1, 1, false },
    { CORE_END - 1, 2, false },       { CORE_END, 1, true },
    { CORE_END, 16, true },           { UINT64_MAX - 15, 16, true },
    { UINT64_MAX - 15, 17, false },   { UINT64_MAX, 1, true },
    { UINT64_MAX, 2, false },
};

START_TEST(the_core_s_part_of_the_address_space_is_refused_untouched)
{
    const struct range *range = &ranges[_i];
    void __guest *guest = guest_pointer(void, range->address);
    unsigned int tries = range->tried ? 1 : 0;

    /* Of a copy's words and bytes each may be tried once. */
    ck_assert_uint_eq(raw_copy_from_guest(own, guest, range->size), range->size);
    ck_assert_int_eq(faults != 0, range->tried);
    faults = 0;
    ck_assert_uint_eq(raw_copy_to_guest(guest, own, range->size), range->size);
    ck_assert_int_eq(faults != 0, range->tried);
    faults = 0;
    ck_assert_uint_eq(raw_clear_guest(guest, range->size), range->size);
    ck_assert_uint_eq(faults, tries);
}
END_TEST

START_TEST(whole_words_next_to_the_core_s_part_are_refused_untouched)
{
    static const struct range word_ranges[] = {
        { CORE_START - 16, 2, true }, { CORE_START - 16, 3, false }, { CORE_START - 7, 1, false },
        { CORE_START, 1, false },     { CORE_END - 8, 1, false },    { CORE_END - 8, 2, false },
        { CORE_END - 1, 1, false },   { CORE_END, 2, true },
    };
    uint64_t words[3] = { 1, 2, 3 };

    for (unsigned int i = 0; i < ARRAY_SIZE(word_ranges); i++) {
        const struct range *range = &word_ranges[i];
        unsigned int count = (unsigned int)range->size, tries = range->tried ? 1 : 0;

        faults = 0;
        ck_assert_int_eq(guest_read_words(range->address, words, count), -XEN_EFAULT);
        ck_assert_uint_eq(faults, tries);
        ck_assert_int_eq(copy_words_to_guest(range->address, words, count), -XEN_EFAULT);
        ck_assert_uint_eq(faults, 2 * tries);
        ck_assert_uint_eq(words[0] + words[1] + words[2], 6);
    }
}
END_TEST

START_TEST(words_are_read_all_or_with_an_error)
{
    uint64_t words[4];

    for (unsigned int there = 0; there <= 4; there++) {
        for (unsigned int count = 1; count <= 4; count++) {
            memset(words, 0xee, sizeof(words));
            ck_assert_int_eq(guest_read_words(before_missing(8 * there), words, count),
                             count <= there ? 0 : -XEN_EFAULT);
            ck_assert_mem_eq(words, missing - 8 * there, 8 * MIN(count, there));
        }
    }
    ck_assert_int_eq(guest_read_words(before_missing(15), words, 2), -XEN_EFAULT);
}
END_TEST

START_TEST(words_are_written_all_or_with_an_error)
{
    static const uint64_t words[4] = { 0x1122334455667788, 0x99aabbccddeeff00, 3, 4 };

    for (unsigned int there = 0; there <= 4; there++) {
        for (unsigned int count = 1; count <= 4; count++) {
            memset(memory, 0, PAGE);
            ck_assert_int_eq(copy_words_to_guest(before_missing(8 * there), words, count),
                             count <= there ? 0 : -XEN_EFAULT);
            ck_assert_mem_eq(missing - 8 * there, words, 8 * MIN(count, there));
        }
    }
}
END_TEST

START_TEST(four_bytes_are_a_number_that_is_no_error)
{
    static const uint32_t values[] = { 0, 1, 0x80000000, UINT32_MAX };

    for (unsigned int i = 0; i < ARRAY_SIZE(values); i++) {
        memcpy(missing - 4, &values[i], 4);
        ck_assert_int_eq(guest_read_u32(before_missing(4)), values[i]);
    }
    ck_assert_uint_eq(faults, 0);
    ck_assert_int_eq(guest_read_u32(before_missing(3)), -XEN_EFAULT);
    ck_assert_int_eq(guest_read_u32(CORE_START - 4), -XEN_EFAULT);
    ck_assert_int_eq(guest_read_u32(CORE_END), -XEN_EFAULT);
    ck_assert_uint_eq(faults, 3);
    ck_assert_int_eq(guest_read_u32(CORE_START), -XEN_EFAULT);
    ck_assert_int_eq(guest_read_u32(CORE_END - 4), -XEN_EFAULT);
    ck_assert_uint_eq(faults, 3);
}
END_TEST

static int write_word(uint64_t address, uint64_t value)
{
    guest_access_begin();
    guest_write_word(address, value, unreachable);
    guest_access_end();
    return 0;
unreachable:
    guest_access_end();
    return -XEN_EFAULT;
}

START_TEST(a_word_is_written_or_the_fault_told)
{
    uint64_t value = 0x0102030405060708;

    ck_assert_int_eq(write_word(before_missing(8), value), 0);
    ck_assert_mem_eq(missing - 8, &value, 8);
    ck_assert_uint_eq(faults, 0);
    ck_assert_int_eq(write_word(before_missing(4), 0), -XEN_EFAULT);
    ck_assert_mem_eq(missing - 8, &value, 8);
    ck_assert_uint_eq(faults, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("guest access");
    TCase *tests = tcase_create("access");

    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, a_copy_from_a_guest_ends_at_the_first_byte_that_is_missing);
    tcase_add_test(tests, a_copy_to_a_guest_ends_at_the_first_byte_that_is_missing);
    tcase_add_test(tests, clearing_ends_at_the_first_byte_that_is_missing);
    tcase_add_loop_test(tests, the_core_s_part_of_the_address_space_is_refused_untouched, 0,
                        (int)ARRAY_SIZE(ranges));
    tcase_add_test(tests, whole_words_next_to_the_core_s_part_are_refused_untouched);
    tcase_add_test(tests, words_are_read_all_or_with_an_error);
    tcase_add_test(tests, words_are_written_all_or_with_an_error);
    tcase_add_test(tests, four_bytes_are_a_number_that_is_no_error);
    tcase_add_test(tests, a_word_is_written_or_the_fault_told);
    suite_add_tcase(suite, tests);
    return suite_run(suite);
}
