/* SPDX-License-Identifier: MIT */
/*
 * What the tests of event channels share: three domains with two vCPUs each,
 * and every operation as one call.  Domain 0 may control the others.
 */
#ifndef TESTS_UNIT_EVENTS_WORLD_H
#define TESTS_UNIT_EVENTS_WORLD_H

#include <check.h>
#include <string.h>

#include "guest-pv-headers/errno.h"
#include "hypervisor/event/channels.h"
#include "hypervisor/event/event.h"
#include "hypervisor/x86/smp.h"
#include "tests/fake/fake.h"
#include "tests/unit/suite.h"

#define DOMAINS 3u
#define VCPUS   2u

static struct domain *dom[DOMAINS];
static uint64_t references_before[DOMAINS];

/* A domain's vCPU makes the hypercalls from now on. */
static inline void as(unsigned int domain, unsigned int vcpu)
{
    fake_set_current(dom[domain]->vcpu[vcpu]);
}

static inline void world_setup(void)
{
    fake_reset();
    for (unsigned int i = 0; i < DOMAINS; i++) {
        struct vcpu *vcpu;

        dom[i] = fake_domain_new((domid_t)i, VCPUS, i == 0);
        ck_assert_int_eq(events_create(dom[i], UINT32_MAX), 0);
        FOR_EACH_VCPU(dom[i], vcpu)
        {
            ck_assert_int_eq(events_vcpu_create(vcpu), 0);
        }
        references_before[i] = dom[i]->references;
    }
    as(1, 0);
}

static inline void world_close(unsigned int domain)
{
    int result;

    dom[domain]->state = DOMAIN_DYING;
    do {
        result = events_close_all(dom[domain]);
    } while (result == -XEN_ERESTART);
    ck_assert_int_eq(result, 0);
}

/* Everything is given back: memory, and references to domains. */
static inline void world_teardown(void)
{
    for (unsigned int i = 0; i < DOMAINS; i++) {
        world_close(i);
    }
    for (unsigned int i = 0; i < DOMAINS; i++) {
        struct vcpu *vcpu;

        FOR_EACH_VCPU(dom[i], vcpu)
        {
            events_vcpu_destroy(vcpu);
        }
        events_destroy(dom[i]);
        ck_assert_uint_eq(dom[i]->references, references_before[i]);
        fake_domain_free(dom[i]);
    }
    ck_assert_int_eq(fake_heap_live, 0);
}

static inline long operation(unsigned int command, void *args)
{
    return hypercall_event_channel_op(command, (uint64_t)(uintptr_t)args);
}

/* Those that make a port return it, or the error. */
static inline long alloc_unbound(domid_t domain, domid_t remote)
{
    struct evtchn_alloc_unbound args = { .dom = domain, .remote_dom = remote };
    long error = operation(EVTCHNOP_alloc_unbound, &args);

    return error != 0 ? error : (long)args.port;
}

static inline long bind_interdomain(domid_t remote, long port)
{
    struct evtchn_bind_interdomain args = { .remote_dom = remote, .remote_port = (uint32_t)port };
    long error = operation(EVTCHNOP_bind_interdomain, &args);

    return error != 0 ? error : (long)args.local_port;
}

static inline long bind_virq(uint32_t virq, uint32_t vcpu)
{
    struct evtchn_bind_virq args = { .virq = virq, .vcpu = vcpu };
    long error = operation(EVTCHNOP_bind_virq, &args);

    return error != 0 ? error : (long)args.port;
}

static inline long bind_ipi(uint32_t vcpu)
{
    struct evtchn_bind_ipi args = { .vcpu = vcpu };
    long error = operation(EVTCHNOP_bind_ipi, &args);

    return error != 0 ? error : (long)args.port;
}

static inline long bind_pirq(uint32_t pirq, uint32_t flags)
{
    struct evtchn_bind_pirq args = { .pirq = pirq, .flags = flags };
    long error = operation(EVTCHNOP_bind_pirq, &args);

    return error != 0 ? error : (long)args.port;
}

static inline long port_close(long port)
{
    struct evtchn_close args = { .port = (uint32_t)port };

    return operation(EVTCHNOP_close, &args);
}

static inline long port_send(long port)
{
    struct evtchn_send args = { .port = (uint32_t)port };

    return operation(EVTCHNOP_send, &args);
}

static inline long port_unmask(long port)
{
    struct evtchn_unmask args = { .port = (uint32_t)port };

    return operation(EVTCHNOP_unmask, &args);
}

static inline long bind_vcpu(long port, uint32_t vcpu)
{
    struct evtchn_bind_vcpu args = { .port = (uint32_t)port, .vcpu = vcpu };

    return operation(EVTCHNOP_bind_vcpu, &args);
}

static inline long reset(domid_t domain)
{
    struct evtchn_reset args = { .dom = domain };

    return operation(EVTCHNOP_reset, &args);
}

static inline struct evtchn_status status_of(domid_t domain, long port)
{
    struct evtchn_status args = { .dom = domain, .port = (uint32_t)port, .u.virq = UINT32_MAX };

    ck_assert_int_eq(operation(EVTCHNOP_status, &args), 0);
    ck_assert_uint_eq(args.dom, domain);
    if (args.status == EVTCHNSTAT_closed || args.status == EVTCHNSTAT_ipi) {
        ck_assert_uint_eq(args.u.virq, UINT32_MAX); /* as the caller had it */
    } else if (args.status == EVTCHNSTAT_unbound) {
        ck_assert_uint_eq(args.u.virq >> 16, UINT16_MAX);
    }
    return args;
}

static inline long init_control(const struct page *page, uint32_t offset, uint32_t vcpu)
{
    struct evtchn_init_control args = { .control_gfn = page_frame(page).number,
                                        .offset = offset,
                                        .vcpu = vcpu };
    long error = operation(EVTCHNOP_init_control, &args);

    ck_assert_uint_eq(args.control_gfn, page_frame(page).number);
    ck_assert(error != 0 || args.link_bits == EVTCHN_FIFO_LINK_BITS);
    return error;
}

static inline long expand_array(const struct page *page)
{
    struct evtchn_expand_array args = { .array_gfn = page_frame(page).number };

    return operation(EVTCHNOP_expand_array, &args);
}

static inline long set_priority(long port, uint32_t priority)
{
    struct evtchn_set_priority args = { .port = (uint32_t)port, .priority = priority };

    return operation(EVTCHNOP_set_priority, &args);
}

/* The 2-level bits, as the guest sees them. */
static inline bool pending_bit(unsigned int domain, long port)
{
    return bit_test(dom[domain]->shared_info->evtchn_pending, (unsigned int)port);
}

static inline void clear_pending(unsigned int domain, long port)
{
    (void)bit_test_and_clear(dom[domain]->shared_info->evtchn_pending, (unsigned int)port);
}

static inline void mask_port(unsigned int domain, long port)
{
    (void)bit_test_and_set(dom[domain]->shared_info->evtchn_mask, (unsigned int)port);
}

/* The guest takes its upcall: what it was told to look at. */
static inline uint64_t take_upcall(unsigned int domain, unsigned int vcpu)
{
    struct vcpu_info *info = dom[domain]->vcpu[vcpu]->info;

    info->evtchn_upcall_pending = 0;
    return atomic_swap(&info->evtchn_pending_sel, 0);
}

/* A port of domain a connected with one of domain b; nothing is pending. */
static inline void connect_ports(unsigned int a, unsigned int b, long *port_a, long *port_b)
{
    as(a, 0);
    *port_a = alloc_unbound(DOMID_SELF, (domid_t)b);
    ck_assert_int_gt(*port_a, 0);
    as(b, 0);
    *port_b = bind_interdomain((domid_t)a, *port_a);
    ck_assert_int_gt(*port_b, 0);
    clear_pending(b, *port_b);
    (void)take_upcall(b, 0);
}

/* `setup` begins with world_setup(). */
static inline int run_cases(const char *name, TCase *cases, void (*setup)(void))
{
    Suite *suite = suite_create(name);

    tcase_add_checked_fixture(cases, setup, world_teardown);
    suite_add_tcase(suite, cases);
    return suite_run(suite);
}

#endif
