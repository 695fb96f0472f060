/* SPDX-License-Identifier: MIT */
/* Kernels and their notes; where everything goes in a new guest. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "libvmctl/builder_layout.h"
#include "tests/unit/kernel_maker.h"
#include "tests/unit/suite.h"

#define MIB 256u /* pages */

static int parse_bytes(const void *bytes, size_t size, struct elf_kernel *kernel,
                       struct vmctl_error *error)
{
    int fd = memfd_create("kernel", MFD_CLOEXEC);
    int r;

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
    r = elf_kernel_parse(fd, kernel, error);
    (void)close(fd);
    return r;
}

static int parse(const struct kernel_wish *wish, struct elf_kernel *kernel,
                 struct vmctl_error *error)
{
    struct kernel_image image;

    make_kernel(&image, wish);
    return parse_bytes(image.bytes, sizeof(image.bytes), kernel, error);
}

static void refused(const struct kernel_wish *wish, const char *words)
{
    struct vmctl_error error = { .code = 0 };
    struct elf_kernel kernel;

    ck_assert_int_eq(parse(wish, &kernel, &error), -EINVAL);
    ck_assert_int_eq(error.reason, VMCTL_BAD_KERNEL);
    ck_assert_msg(strstr(error.message, words) != NULL, "'%s' is not in '%s'", words,
                  error.message);
}

START_TEST(a_kernel_says_where_it_goes)
{
    struct vmctl_error error = { .code = 0 };
    struct elf_kernel kernel;

    ck_assert_int_eq(parse(&usual_kernel, &kernel, &error), 0);
    ck_assert_uint_eq(kernel.start, KERNEL_BASE + KERNEL_TEXT);
    ck_assert_uint_eq(kernel.end, KERNEL_BASE + KERNEL_TEXT + TEXT_SIZE + BSS_SIZE);
    ck_assert_uint_eq(kernel.entry, KERNEL_ENTRY);
    ck_assert_uint_eq(kernel.virt_base, KERNEL_BASE);
    ck_assert_uint_eq(kernel.init_p2m, KERNEL_P2M);
    ck_assert_uint_eq(kernel.hypercall_page, 0);
    ck_assert(kernel.mod_start_pfn);
    ck_assert_str_eq(kernel.guest_os, "test");
    ck_assert_uint_eq(kernel.segment_count, 1);
    ck_assert_uint_eq(kernel.segments[0].file_size, TEXT_SIZE);
}
END_TEST

START_TEST(kernels_that_cannot_run_are_refused_in_words)
{
    struct kernel_wish wish = usual_kernel;

    wish.notes = false;
    refused(&wish, "CONFIG_XEN_PV");
    wish = usual_kernel;
    wish.version = "xen-2.0";
    refused(&wish, "XEN_VERSION");
    wish = usual_kernel;
    wish.entry = KERNEL_BASE;
    refused(&wish, "ENTRY");
    wish = usual_kernel;
    wish.entry = KERNEL_BASE + KERNEL_TEXT + TEXT_SIZE + BSS_SIZE;
    refused(&wish, "ENTRY");
    wish = usual_kernel;
    wish.virt_base = KERNEL_BASE + 8;
    refused(&wish, "VIRT_BASE");
    wish = usual_kernel;
    wish.virt_base = UINT64_C(0xffff800000000000);
    refused(&wish, "VIRT_BASE");
    wish = usual_kernel;
    wish.features = "pae_pgdir_above_4gb|!auto_translated_physmap";
    refused(&wish, "feature");
    wish = usual_kernel;
    wish.hypercall_page = KERNEL_BASE + KERNEL_TEXT + 1;
    refused(&wish, "HYPERCALL_PAGE");
    wish.hypercall_page = KERNEL_BASE + KERNEL_TEXT + 18 * 4096;
    refused(&wish, "HYPERCALL_PAGE");
    wish = usual_kernel;
    wish.init_p2m = KERNEL_BASE;
    refused(&wish, "INIT_P2M");
    wish.init_p2m = UINT64_C(0xffff800000000000);
    refused(&wish, "INIT_P2M");
    wish = usual_kernel;
    wish.bss = UINT64_C(1) << 40;
    refused(&wish, "address space");
    wish = usual_kernel;
    wish.bss = UINT64_MAX - TEXT_SIZE;
    refused(&wish, "address space");
    wish.bss = 0 - (KERNEL_BASE + KERNEL_TEXT) - TEXT_SIZE; /* to the last byte there is */
    refused(&wish, "address space");
}
END_TEST

START_TEST(a_note_may_name_only_what_every_guest_has)
{
    struct kernel_wish wish = usual_kernel;
    struct vmctl_error error = { .code = 0 };
    struct elf_kernel kernel;

    wish.features = "!writable_page_tables|!pae_pgdir_above_4gb|supervisor_mode_kernel|";
    ck_assert_int_eq(parse(&wish, &kernel, &error), 0);
    wish.features = "";
    ck_assert_int_eq(parse(&wish, &kernel, &error), 0);
    wish.features = "!writable_page_table";
    refused(&wish, "feature");
    wish.features = "!";
    refused(&wish, "feature");
}
END_TEST

START_TEST(other_files_are_not_kernels)
{
    struct vmctl_error error = { .code = 0 };
    struct kernel_image image;
    struct elf_kernel kernel;

    ck_assert_int_eq(parse_bytes("", 0, &kernel, &error), -ENOEXEC);
    ck_assert_int_eq(parse_bytes("#!/bin/sh\n", 10, &kernel, &error), -ENOEXEC);
    make_kernel(&image, &usual_kernel);
    image.bytes[EI_CLASS] = ELFCLASS32;
    ck_assert_int_eq(parse_bytes(image.bytes, KERNEL_SIZE, &kernel, &error), -ENOEXEC);
    ck_assert_int_eq(error.reason, VMCTL_BAD_KERNEL);
}
END_TEST

START_TEST(a_truncated_kernel_is_refused_wherever_it_ends)
{
    struct vmctl_error error = { .code = 0 };
    struct kernel_image image;
    struct elf_kernel kernel;

    make_kernel(&image, &usual_kernel);
    for (size_t size = 0; size < KERNEL_SIZE; size += size < 1400 ? 1 : 97) {
        ck_assert_int_lt(parse_bytes(image.bytes, size, &kernel, &error), 0);
        ck_assert_str_ne(error.message, "");
    }
}
END_TEST

START_TEST(a_note_longer_than_its_segment_is_refused)
{
    struct vmctl_error error = { .code = 0 };
    struct kernel_image image;
    struct elf_kernel kernel;

    make_kernel(&image, &usual_kernel);
    memset(image.bytes + NOTES_OFFSET + 4, 0xff, 4);
    ck_assert_int_eq(parse_bytes(image.bytes, KERNEL_SIZE, &kernel, &error), -EINVAL);
    make_kernel(&image, &usual_kernel);
    memset(image.bytes + NOTES_OFFSET, 0xff, 4);
    ck_assert_int_eq(parse_bytes(image.bytes, KERNEL_SIZE, &kernel, &error), -EINVAL);
}
END_TEST

/* Layouts. */

static struct elf_kernel linux_kernel(void)
{
    /* As Debian's: 16 MiB to 74 MiB. */
    return (struct elf_kernel){
        .start = KERNEL_BASE + 0x1000000,
        .end = KERNEL_BASE + 0x4a00000,
        .entry = KERNEL_BASE + 0x1000000,
        .virt_base = KERNEL_BASE,
        .init_p2m = KERNEL_P2M,
        .mod_start_pfn = true,
    };
}

static int lay_out(const struct elf_kernel *kernel, uint64_t pages, uint64_t initrd,
                   struct builder_layout *layout)
{
    const struct builder_wish wish = { .pages = pages, .initrd_size = initrd };
    struct vmctl_error error = { .code = 0 };
    int r = builder_layout(kernel, &wish, layout, &error);

    ck_assert_int_eq(r, error.code);
    return r;
}

START_TEST(the_stock_kernel_is_laid_out_as_on_the_peer)
{
    const struct elf_kernel kernel = linux_kernel();
    struct builder_layout layout;

    ck_assert_int_eq(lay_out(&kernel, 128 * MIB, 5 * 4096 + 1, &layout), 0);
    ck_assert_uint_eq(layout.kernel.first, 0x1000);
    ck_assert_uint_eq(layout.kernel.count, 0x3a00);
    ck_assert_uint_eq(layout.start_info, 0x4a00);
    ck_assert_uint_eq(layout.store_ring, 0x4a01);
    ck_assert_uint_eq(layout.console_ring, 0x4a02);
    ck_assert_uint_eq(layout.tables.first, 0x4a03);
    ck_assert_uint_eq(layout.tables.count, 1 + 1 + 1 + 38 + 3); /* and 3 for the p2m */
    ck_assert_uint_eq(layout.stack, layout.tables.first + layout.tables.count);
    ck_assert_uint_eq(layout.kernel_tables.end, KERNEL_BASE + 0x4c00000);
    ck_assert_uint_eq(layout.initrd.first, 0x4c00);
    ck_assert_uint_eq(layout.initrd.count, 6);
    ck_assert_uint_eq(layout.initrd_start, 0x4c00);
    ck_assert(layout.p2m_apart);
    ck_assert_uint_eq(layout.p2m.first, 0x4c06);
    ck_assert_uint_eq(layout.p2m.count, 64);
    ck_assert_uint_eq(layout.p2m_start, KERNEL_P2M);
}
END_TEST

START_TEST(without_the_notes_everything_is_mapped_with_the_kernel)
{
    struct elf_kernel kernel = linux_kernel();
    struct builder_layout layout;

    kernel.init_p2m = 0;
    kernel.mod_start_pfn = false;
    ck_assert_int_eq(lay_out(&kernel, 128 * MIB, 4096, &layout), 0);
    ck_assert_uint_eq(layout.initrd.first, 0x4a00);
    ck_assert_uint_eq(layout.initrd_start, KERNEL_BASE + 0x4a00000);
    ck_assert_uint_eq(layout.p2m.first, 0x4a01);
    ck_assert_uint_eq(layout.p2m_start, KERNEL_BASE + 0x4a01000);
    ck_assert_uint_eq(layout.start_info, 0x4a01 + 64);
    ck_assert_uint_eq(layout.p2m_tables.last, layout.kernel_tables.last);
}
END_TEST

START_TEST(the_tables_map_themselves_with_slack_behind)
{
    struct elf_kernel kernel = linux_kernel();
    struct builder_layout layout;

    for (uint64_t size = 0x100000; size < 0x3000000; size += 0x67000) {
        uint64_t mapped;

        kernel.end = kernel.start + size;
        ck_assert_int_eq(lay_out(&kernel, 4096 * MIB, 0, &layout), 0);
        mapped = layout.kernel_tables.end - KERNEL_BASE;
        ck_assert_uint_eq(mapped % (4 << 20), 0);
        ck_assert_uint_ge(mapped, ((layout.stack + 1) << 12) + (512 << 10));
        ck_assert_uint_lt(mapped, ((layout.stack + 1) << 12) + (512 << 10) + (4 << 20));
        ck_assert_uint_ge(layout.tables.count, layout.p2m_tables.last);
        ck_assert_uint_eq(layout.kernel_tables.last - layout.kernel_tables.l1, mapped >> 21);
        ck_assert_uint_eq(layout.p2m_tables.last - layout.p2m_tables.l1, 4);
    }
}
END_TEST

START_TEST(a_guest_too_small_for_its_kernel_is_told_how_much_it_needs)
{
    const struct elf_kernel kernel = linux_kernel();
    const struct builder_wish wish = { .pages = 64 * MIB };
    struct vmctl_error error = { .code = 0 };
    struct builder_layout layout;

    ck_assert_int_eq(builder_layout(&kernel, &wish, &layout, &error), -EINVAL);
    ck_assert_str_eq(error.limit, "64 MiB for the guest");
    ck_assert_ptr_nonnull(strstr(error.cause, "74 MiB"));
    ck_assert_str_ne(error.remedy, "");
}
END_TEST

START_TEST(sizes_that_overflow_are_refused)
{
    struct elf_kernel kernel = linux_kernel();
    struct builder_layout layout;

    ck_assert_int_eq(lay_out(&kernel, 128 * MIB, UINT64_MAX, &layout), -EINVAL);
    ck_assert_int_eq(lay_out(&kernel, UINT64_MAX, 0, &layout), -EINVAL);
    kernel.end = UINT64_C(0xfffffffffffff000);
    ck_assert_int_eq(lay_out(&kernel, 4096 * MIB, 0, &layout), -EINVAL);
    kernel.virt_base = UINT64_C(0x7fffff000000);
    kernel.start = kernel.virt_base;
    kernel.end = UINT64_C(0x7ffffff00000);
    ck_assert_int_eq(lay_out(&kernel, 4096 * MIB, 0, &layout), -EINVAL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("builder_layout");
    TCase *kernels = suite_case(suite, "kernels");
    TCase *layouts = suite_case(suite, "layouts");

    tcase_add_test(kernels, a_kernel_says_where_it_goes);
    tcase_add_test(kernels, kernels_that_cannot_run_are_refused_in_words);
    tcase_add_test(kernels, a_note_may_name_only_what_every_guest_has);
    tcase_add_test(kernels, other_files_are_not_kernels);
    tcase_add_test(kernels, a_truncated_kernel_is_refused_wherever_it_ends);
    tcase_add_test(kernels, a_note_longer_than_its_segment_is_refused);
    tcase_add_test(layouts, the_stock_kernel_is_laid_out_as_on_the_peer);
    tcase_add_test(layouts, without_the_notes_everything_is_mapped_with_the_kernel);
    tcase_add_test(layouts, the_tables_map_themselves_with_slack_behind);
    tcase_add_test(layouts, a_guest_too_small_for_its_kernel_is_told_how_much_it_needs);
    tcase_add_test(layouts, sizes_that_overflow_are_refused);
    return suite_run(suite);
}
