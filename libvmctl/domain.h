/* SPDX-License-Identifier: MIT */
/*
 * What the hypervisor does to one domain: its control calls, as functions.
 *
 * 0 or a negative errno.  `error` says which call failed and what the usual
 * cause of that errno is.
 */
#ifndef LIBVMCTL_DOMAIN_H
#define LIBVMCTL_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libvmctl/privcmd.h"

struct domain_limits {
    uint8_t uuid[16];
    uint32_t vcpus;
    uint64_t memory_kib;
};

/* A domain with its vCPUs and limits, paused, without memory. */
int domain_create(struct privcmd *privcmd, const struct domain_limits *limits, uint32_t *domid,
                  struct vmctl_error *error);

/* Frees all of it but the frames others have mapped; takes as long as it takes. */
int domain_destroy(struct privcmd *privcmd, uint32_t domid, struct vmctl_error *error);

int domain_pause(struct privcmd *privcmd, uint32_t domid, struct vmctl_error *error);
int domain_unpause(struct privcmd *privcmd, uint32_t domid, struct vmctl_error *error);

/* -ESRCH without words, for callers that only wonder, when `error` is NULL. */
int domain_info(struct privcmd *privcmd, uint32_t domid, struct xen_domctl_getdomaininfo *info,
                struct vmctl_error *error);

/* Is there such a domain, alive or dying?  Not known to be: false. */
bool domain_exists(struct privcmd *privcmd, uint64_t domid);

/* `flags` are XEN_VCPUAFFINITY_*, `bits` a map of CPUs as GUEST_CPUS_MAX has them. */
int domain_set_affinity(struct privcmd *privcmd, uint32_t domid, uint32_t vcpu,
                        const uint64_t *bits, size_t words, struct vmctl_error *error);
int domain_set_weight(struct privcmd *privcmd, uint32_t domid, uint32_t weight,
                      struct vmctl_error *error);
int domain_set_time_offset(struct privcmd *privcmd, uint32_t domid, int64_t seconds,
                           struct vmctl_error *error);
/* RDTSC is the CPU's own, never emulated. */
int domain_set_native_tsc(struct privcmd *privcmd, uint32_t domid, struct vmctl_error *error);
int domain_fill_hypercall_page(struct privcmd *privcmd, uint32_t domid, uint64_t frame,
                               struct vmctl_error *error);

/* A port of the guest's that dom0 may bind to; the port or a negative errno. */
int domain_alloc_port(struct privcmd *privcmd, uint32_t domid, struct vmctl_error *error);

/* `context` is in a buffer of privcmd_buffer(). */
int domain_set_context(struct privcmd *privcmd, uint32_t domid, uint32_t vcpu,
                       struct vcpu_guest_context *context, struct vmctl_error *error);

/* Set memory aside, so that what follows cannot fail for want of it; 0 gives it back. */
int domain_claim(struct privcmd *privcmd, uint32_t domid, uint64_t pages,
                 struct vmctl_error *error);

/*
 * Fill extents of 2^order pages: `extents` (in a buffer) has the pfns and gets
 * the mfns.  Returns how many were done, or a negative errno.
 */
long domain_populate(struct privcmd *privcmd, uint32_t domid, uint64_t *extents, size_t count,
                     unsigned int order);

/* The guest's e820: RAM from 0 to `bytes`.  `buffer` has room for one entry. */
int domain_set_memory_map(struct privcmd *privcmd, uint32_t domid, uint64_t bytes, void *buffer,
                          struct vmctl_error *error);

/* Make a frame the guest's top-level page table. */
int domain_pin_l4(struct privcmd *privcmd, uint32_t domid, uint64_t frame,
                  struct vmctl_error *error);

/* The machine, as far as a new guest cares. */
int domain_physinfo(struct privcmd *privcmd, struct xen_sysctl_physinfo *info,
                    struct vmctl_error *error);

/* `buffer` (of privcmd_buffer()) gets domains from `first` on; how many, or a negative errno. */
int domain_list(struct privcmd *privcmd, uint32_t first, struct xen_domctl_getdomaininfo *buffer,
                size_t room, struct vmctl_error *error);

#endif
