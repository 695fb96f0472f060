/* SPDX-License-Identifier: MIT */
/* Any file given as a guest's kernel: its notes, and where its parts would go. */
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "libvmctl/builder_layout.h"

#define PAGES ((uint64_t)64 << 8) /* of a guest of 64 MiB */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds) {
        abort();
    }
}

static bool apart(struct pfn_range a, struct pfn_range b)
{
    return a.count == 0 || b.count == 0 || a.first + a.count <= b.first ||
           b.first + b.count <= a.first;
}

static void check_layout(const struct builder_layout *layout)
{
    const struct pfn_range parts[] = {
        layout->kernel, layout->initrd,       layout->p2m, { layout->start_info, 3 },
        layout->tables, { layout->stack, 1 },
    };
    const size_t count = sizeof(parts) / sizeof(parts[0]);

    for (size_t i = 0; i < count; i++) {
        must(parts[i].count <= layout->pages);
        must(parts[i].first <= layout->pages - parts[i].count);
        for (size_t j = i + 1; j < count; j++) {
            must(apart(parts[i], parts[j]));
        }
    }
    must(layout->p2m_tables.last <= layout->tables.count);
    must((layout->kernel_tables.end - layout->kernel_tables.start) >> 12 <= layout->pages);
}

static void check_kernel(const struct elf_kernel *kernel, size_t size)
{
    const struct builder_wish wish = { .pages = PAGES, .initrd_size = 12345 };
    struct vmctl_error error = { .code = 0 };
    struct builder_layout layout;

    for (unsigned int i = 0; i < kernel->segment_count; i++) {
        const struct elf_segment *segment = &kernel->segments[i];

        must(segment->file_offset <= size && segment->file_size <= size - segment->file_offset);
        must(segment->file_size <= segment->memory_size);
        must(segment->address >= kernel->virt_base && segment->address >= kernel->start);
        must(segment->address <= kernel->end);
        must(segment->memory_size <= kernel->end - segment->address);
    }
    if (builder_layout(kernel, &wish, &layout, &error) == 0) {
        check_layout(&layout);
    } else {
        must(error.code < 0 && error.message[0] != '\0');
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct vmctl_error error = { .code = 0 };
    struct elf_kernel kernel;
    int fd = memfd_create("kernel", MFD_CLOEXEC);
    int r;

    must(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    r = elf_kernel_parse(fd, &kernel, &error);
    if (r == 0) {
        check_kernel(&kernel, size);
    } else {
        must(r == error.code && error.message[0] != '\0');
    }
    (void)close(fd);
    return 0;
}
