/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls and foreign memory, through dom0's kernel (/dev/xen/privcmd and
 * /dev/xen/hypercall).
 *
 * What a hypercall reads or writes must not move while the hypervisor uses it:
 * pass only memory of privcmd_buffer(), or use the calls below that copy.
 * One thread at a time for each `struct privcmd`.
 */
#ifndef LIBVMCTL_PRIVCMD_H
#define LIBVMCTL_PRIVCMD_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "guest-pv-headers/domctl.h"
#include "guest-pv-headers/sysctl.h"
#include "libvmctl/error.h"

#define PRIVCMD_PAGE 4096u

struct privcmd {
    int fd;
    int buffer_fd;
    void *scratch; /* one page for arguments */
};

/* An interface that is closed, for `privcmd_close` to be harmless on. */
#define PRIVCMD_CLOSED ((struct privcmd){ .fd = -1, .buffer_fd = -1, .scratch = NULL })

int privcmd_open(struct privcmd *privcmd, struct vmctl_error *error);
void privcmd_close(struct privcmd *privcmd);

/* The hypercall's result, or a negative errno. */
long privcmd_hypercall(struct privcmd *privcmd, unsigned int op, const uint64_t arguments[5]);

/*
 * A call one of whose arguments points to `scratch`, where `structure` is copied in and out.
 * Inline, because the tests have a privcmd.c of their own.
 */
static inline long privcmd_call_with(struct privcmd *privcmd, unsigned int op,
                                     const uint64_t arguments[5], void *structure, size_t size)
{
    long result;

    if (size > PRIVCMD_PAGE) {
        return -EINVAL;
    }
    memcpy(privcmd->scratch, structure, size);
    result = privcmd_hypercall(privcmd, op, arguments);
    memcpy(structure, privcmd->scratch, size);
    return result;
}

/*
 * domctl and sysctl with the structure copied in and out; the interface version
 * is filled in.  What the structure points to must be in buffers.  -EAGAIN
 * leaves `request` as the hypervisor changed it, to be passed again.
 */
int privcmd_domctl(struct privcmd *privcmd, struct xen_domctl *request);
int privcmd_sysctl(struct privcmd *privcmd, struct xen_sysctl *request);

/* memory_op(command), its argument copied in and out; `size` at most a page. */
long privcmd_memory_op(struct privcmd *privcmd, unsigned int command, void *argument, size_t size);

/* Whole pages, zeroed, that stay where they are; NULL when there are none to be had. */
void *privcmd_buffer(struct privcmd *privcmd, size_t size);
void privcmd_buffer_free(struct privcmd *privcmd, void *buffer, size_t size);

/*
 * Map `count` frames of a domain, all or none; `prot` as for mmap(2).  NULL and
 * an error that names the first frame that could not be mapped.
 */
void *privcmd_map_foreign(struct privcmd *privcmd, uint32_t domid, int prot, const uint64_t *frames,
                          size_t count, struct vmctl_error *error);

/* Map frames that the hypervisor keeps for a domain: XENMEM_resource_*. */
struct privcmd_resource {
    uint32_t domid;
    uint32_t type;
    uint32_t id;
    uint32_t first;
    size_t count;
};
void *privcmd_map_resource(struct privcmd *privcmd, const struct privcmd_resource *resource,
                           struct vmctl_error *error);

void privcmd_unmap(void *pages, size_t count);

#endif
