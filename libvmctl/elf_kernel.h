/* SPDX-License-Identifier: MIT */
/*
 * What the builder needs to know of an ELF64 kernel for PV guests: where its
 * parts go, and what it says of itself in Xen's notes (elfnote.h).
 *
 * The file may come from anybody.  It is read, never mapped, so that one that
 * shrinks meanwhile is an error and not a signal.
 */
#ifndef LIBVMCTL_ELF_KERNEL_H
#define LIBVMCTL_ELF_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libvmctl/error.h"

#define ELF_KERNEL_SEGMENTS 16

struct elf_segment {
    uint64_t address; /* virtual, in the guest */
    uint64_t file_offset;
    uint64_t file_size;
    uint64_t memory_size; /* the rest is zero; never 0 */
};

struct elf_kernel {
    uint64_t start; /* virtual addresses of all segments together */
    uint64_t end;
    uint64_t entry;
    uint64_t virt_base;      /* of pfn 0; whole pages */
    uint64_t hypercall_page; /* 0: none wanted */
    uint64_t init_p2m;       /* 0: the p2m list goes with the kernel */
    bool mod_start_pfn;      /* the initrd need not be mapped */
    char guest_os[32];
    unsigned int segment_count;
    struct elf_segment segments[ELF_KERNEL_SEGMENTS];
};

/* Read exactly `size` bytes at `offset`; -EINVAL if the file has fewer. */
int elf_kernel_read(int fd, uint64_t offset, void *to, size_t size);

/* 0, -ENOEXEC (not such a kernel), -EINVAL (damaged), or what read(2) said. */
int elf_kernel_parse(int fd, struct elf_kernel *kernel, struct vmctl_error *error);

#endif
