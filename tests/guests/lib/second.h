/* SPDX-License-Identifier: MIT */
/*
 * A second domain, made by the test through domctl.  It is a copy of the test's own image as it is
 * at that moment, started from the beginning: test_main() runs in both, in_second() tells which.
 */
#ifndef TESTS_GUESTS_LIB_SECOND_H
#define TESTS_GUESTS_LIB_SECOND_H

#include "guest-pv-headers/domctl.h"
#include "guest-pv-headers/sysctl.h"
#include "tests/guests/lib/guest.h"

#define SECOND_PAGES 2048u
#define NO_DOMAIN    0xffffu

static inline bool in_second(void)
{
    return (start_info->flags & SIF_PRIVILEGED) == 0;
}

/* With command, version and domain filled in; again and again while the hypervisor asks for it. */
long domctl(struct xen_domctl *request, unsigned int command, unsigned int domain);
long domctl_plain(unsigned int command, unsigned int domain); /* one without parameters */
long sysctl(struct xen_sysctl *request, unsigned int command);

/* A request of createdomain that is good. */
struct xen_domctl second_wish(unsigned int vcpus);
/* Created, paused, with vCPUs and the right to have memory; NO_DOMAIN if that fails. */
unsigned int second_make(unsigned int vcpus);
/* Memory and image, but no context; a good one; setting any. */
bool second_fill(unsigned int domain);
struct vcpu_guest_context *second_context(void);
long second_give_context(unsigned int domain, unsigned int vcpu,
                         struct vcpu_guest_context *context);
/* Memory, image and first vCPU; still paused.  False, and said why, if that fails. */
bool second_build(unsigned int domain);
/* All of it, and running. */
unsigned int second_start(void);

/* The frame of the second's n-th page. */
unsigned long second_frame(unsigned int page);
/* One of its frames, where the test can reach it; the next call takes it away again. */
void *second_window(unsigned int domain, unsigned long frame);

struct xen_domctl_getdomaininfo second_info(unsigned int domain);
/* Wait for its end: SHUTDOWN_*, or ~0 if it goes on.  Its console's text is shown. */
unsigned int second_wait(unsigned int domain, unsigned int milliseconds);
/* Destroy it: what destroydomain said in the end. */
long second_end(unsigned int domain);
/* Free frames of the machine. */
unsigned long free_frames(void);

#endif
