/* SPDX-License-Identifier: MIT */
/*
 * A hypervisor for the toolstack's tests: libvmctl/privcmd.h over a few domains
 * and 256 MiB of machine memory, all in this process.  Any call can be made to
 * fail, and what was not given back is counted.
 */
#ifndef TESTS_FAKE_FAKE_XEN_H
#define TESTS_FAKE_FAKE_XEN_H

#include "libvmctl/privcmd.h"

#define FAKE_XEN_FRAMES  65536u
#define FAKE_XEN_DOMAINS 128u

struct fake_domain {
    bool exists;
    bool dying; /* destroyed, but somebody holds memory of it */
    int pauses;
    uint8_t uuid[16];
    uint32_t vcpus;
    uint64_t max_kib;
    uint64_t pages;
    uint64_t pinned; /* mfn of its L4, 0: none */
    bool has_context;
    struct vcpu_guest_context context;
    uint64_t map_bytes; /* of its e820 */
    uint32_t ports;
    uint16_t weight;
    int64_t time_offset;
    uint32_t tsc_mode;
    uint64_t affinity[16]; /* of vCPU 0 */
    uint32_t shutdown_flags;
};

/* Everything as at the start; nothing fails. */
void fake_xen_reset(void);

struct fake_domain *fake_xen_domain(uint32_t domid);

/* The memory of a frame; any frame. */
void *fake_xen_memory(uint64_t mfn);

/* The first of a domain's grant entries. */
void *fake_xen_grants(uint32_t domid);

/* Call number `number` from now fails with `code`; 0: none. */
void fake_xen_fail(unsigned long number, int code);
bool fake_xen_failed(void);

/*
 * From call number `number` on, to the hypervisor or to the store, all fail: as
 * if the caller were killed there.  0: it lives again.
 */
void fake_xen_kill(unsigned long number);
/* A call is made; true: by the dead. */
bool fake_xen_step(void);

/* There are no free extents of 2 MiB any more after so many. */
void fake_xen_set_large_extents(unsigned long count);

/* Frames in use are these fewer. */
void fake_xen_set_free(uint64_t frames);

/* A new domain gets the number after the last one, as with a real hypervisor, not the first free
 * one. */
void fake_xen_count_on(void);

/* A destroyed domain stays, dying. */
void fake_xen_hold_dying(bool hold);

/* Domains, mappings, buffers, open interfaces that are there now. */
unsigned int fake_xen_domains(void);
unsigned int fake_xen_leaks(void);

#endif
