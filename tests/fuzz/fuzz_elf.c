/* SPDX-License-Identifier: MIT */
/*
 * Any file given to the loader of PV kernels: what it accepts is consistent.
 */
#include <stdlib.h>
#include <string.h>

#include "hypervisor/boot/elf.h"
#include "hypervisor/lib/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_that(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void check_kernel(const struct elf_kernel *kernel, size_t size)
{
    check_that(kernel->segment_count > 0 && kernel->segment_count <= ELF_SEGMENTS);
    check_that(kernel->virt_base % PAGE_SIZE == 0 && kernel->start >= kernel->virt_base);
    check_that(kernel->entry >= kernel->start && kernel->entry < kernel->end);
    check_that(memchr(kernel->guest_os, 0, sizeof(kernel->guest_os)) != NULL);
    for (unsigned int i = 0; i < kernel->segment_count; i++) {
        const struct elf_segment *segment = &kernel->segments[i];

        check_that(segment->file_offset <= size &&
                   segment->file_size <= size - segment->file_offset);
        check_that(segment->memory_size > 0 && segment->file_size <= segment->memory_size);
        check_that(segment->address >= kernel->start);
        check_that(segment->memory_size <= kernel->end - segment->address);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct elf_kernel kernel;

    if (elf_kernel_parse(data, size, &kernel) == NULL) {
        check_kernel(&kernel, size);
    }
    return 0;
}
