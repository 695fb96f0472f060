/* SPDX-License-Identifier: MIT */
/*
 * From a domain without memory to a PV guest that can be unpaused.
 *
 * The builder makes nothing that dies otherwise than with the domain: on
 * failure the caller destroys that, and nothing is left.
 */
#ifndef LIBVMCTL_BUILDER_H
#define LIBVMCTL_BUILDER_H

#include "libvmctl/elf_kernel.h"
#include "libvmctl/privcmd.h"

typedef void builder_progress_fn(void *context, const char *step, int percent);

struct builder_request {
    uint32_t domid;
    uint32_t vcpus;
    uint64_t memory_kib;     /* what it gets now */
    uint64_t memory_max_kib; /* what its memory map says */
    const struct elf_kernel *kernel;
    int kernel_fd;
    int initrd_fd; /* -1: none */
    uint64_t initrd_size;
    const char *cmdline;
    builder_progress_fn *progress; /* or NULL */
    void *progress_context;
};

struct builder_result {
    uint64_t store_frame; /* mfn */
    uint64_t console_frame;
    uint32_t store_port;
    uint32_t console_port;
};

/* `error` is needed here. */
int builder_build(struct privcmd *privcmd, const struct builder_request *request,
                  struct builder_result *result, struct vmctl_error *error);

#endif
