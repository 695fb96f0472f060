/* SPDX-License-Identifier: MIT */
/*
 * A PV kernel as an ELF file: its segments, and what its Xen notes ask for.
 */
#pragma once

#include "hypervisor/lib/types.h"

#define ELF_SEGMENTS 16u

struct elf_segment {
    uint64_t address; /* virtual, by physical address and virt_base */
    uint64_t file_offset, file_size, memory_size;
};

struct elf_kernel {
    struct elf_segment segments[ELF_SEGMENTS];
    unsigned int segment_count;
    uint64_t start, end; /* of all segments, virtual */

    uint64_t virt_base, entry, hypercall_page, init_p2m;
    bool has_hypercall_page, has_init_p2m;
    bool mod_start_pfn; /* the initial RAM disk is passed by frame number, not mapped */
    char guest_os[32];
};

/* NULL, or why the image cannot be started. `bytes` may be anything at all. */
const char *elf_kernel_parse(const void *bytes, size_t size, struct elf_kernel *kernel);
