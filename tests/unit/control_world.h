/* SPDX-License-Identifier: MIT */
/*
 * The control domain (id 0) and a guest for tests of domctl and sysctl.  What these ask of domains,
 * vCPUs, the scheduler and the clock is answered here and written down.
 */
#ifndef TESTS_UNIT_CONTROL_WORLD_H
#define TESTS_UNIT_CONTROL_WORLD_H

#include "hypervisor/domain/domain.h"
#include "tests/fake/fake.h"

#define GUEST       5u
#define GUEST_VCPUS 4u
#define TSC_HZ      UINT64_C(2400000000)
#define FORBIDDEN   ((void *)(uintptr_t)CORE_START) /* an address that no guest reaches */

struct control_record {
    unsigned int creations, kills, resumes, initialised, hypercall_pages, virqs, nmis, unpins;
    domid_t created_id;
    struct domain_config config;
    uint64_t hypercall_page;
    uint32_t virq;
    struct vcpu *last_vcpu;             /* made, given a context, sent an NMI */
    struct vcpu_guest_context *context; /* as given to pv_vcpu_initialise(); the test frees it */
    uint32_t pauses_at_initialise;      /* of the domain, meanwhile */
    uint32_t weight;
};

struct control_answers {
    int create[3]; /* of domain_create(), one after the other */
    domid_t free_id;
    int kill, initialise, vcpu, merge, affinity, pin, virq, hypercall_page;
    uint32_t merge_culprit;
};

extern struct control_record seen;
extern struct control_answers answers;
extern struct domain *control, *guest;
extern struct cpumask guest_hard, guest_soft; /* where its vCPUs may and should run */

void control_setup(void);

/* Nothing is held any more: references, pauses, the right to change a domain, memory. */
void control_teardown(void);

#endif
