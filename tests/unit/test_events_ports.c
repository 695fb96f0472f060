/* SPDX-License-Identifier: MIT */
/*
 * hypervisor/event/event.c: how ports come, what they are, and how they go.
 * Error numbers are those Debian's Xen 4.17 gives.
 */
#include <stdarg.h>
#include <stdio.h>

#include "hypervisor/lib/log.h"
#include "hypervisor/x86/percpu.h"
#include "tests/unit/events_world.h"

START_TEST(ports_are_given_out_from_1_and_the_lowest_first)
{
    ck_assert_int_eq(alloc_unbound(DOMID_SELF, 2), 1);
    ck_assert_int_eq(alloc_unbound(DOMID_SELF, 2), 2);
    ck_assert_int_eq(alloc_unbound(DOMID_SELF, 2), 3);
    ck_assert_int_eq(port_close(2), 0);
    ck_assert_int_eq(port_close(1), 0);
    ck_assert_int_eq(alloc_unbound(DOMID_SELF, 2), 1);
    ck_assert_int_eq(alloc_unbound(DOMID_SELF, 2), 2);
    ck_assert_int_eq(alloc_unbound(DOMID_SELF, 2), 4);
}
END_TEST

START_TEST(an_unbound_port_says_for_whom_it_waits)
{
    struct evtchn_status status;
    long port = alloc_unbound(DOMID_SELF, 2);

    status = status_of(DOMID_SELF, port);
    ck_assert_uint_eq(status.status, EVTCHNSTAT_unbound);
    ck_assert_uint_eq(status.u.unbound.dom, 2);
    ck_assert_uint_eq(status.vcpu, 0);

    port = alloc_unbound(DOMID_SELF, DOMID_SELF);
    ck_assert_uint_eq(status_of(DOMID_SELF, port).u.unbound.dom, 1);
    ck_assert_int_gt(alloc_unbound(DOMID_SELF, 999), 0); /* nobody yet */
}
END_TEST

START_TEST(only_the_privileged_reach_the_ports_of_others)
{
    struct evtchn_status status = { .dom = 2, .port = 1 };
    long port;

    ck_assert_int_eq(alloc_unbound(2, 1), -XEN_EPERM);
    ck_assert_int_eq(operation(EVTCHNOP_status, &status), -XEN_EPERM);
    ck_assert_int_eq(reset(2), -XEN_EPERM);
    ck_assert_int_eq(reset(0), -XEN_EPERM);
    ck_assert_int_gt(alloc_unbound(1, 2), 0); /* by its own number */

    as(0, 0);
    port = alloc_unbound(2, DOMID_SELF);
    ck_assert_int_eq(port, 1);
    ck_assert_uint_eq(status_of(2, port).u.unbound.dom, 0);
    ck_assert_int_eq(reset(2), 0);
    ck_assert_uint_eq(status_of(2, port).status, EVTCHNSTAT_closed);
    ck_assert_uint_eq(status_of(1, 1).status, EVTCHNSTAT_unbound);
}
END_TEST

START_TEST(a_domain_that_is_not_there_is_named_so)
{
    static const domid_t nobody[] = { 77, DOMID_IO, DOMID_XEN, DOMID_INVALID, DOMID_IDLE, 0xffff };

    as(0, 0);
    for (unsigned int i = 0; i < ARRAY_SIZE(nobody); i++) {
        struct evtchn_status status = { .dom = nobody[i], .port = 1 };

        ck_assert_int_eq(alloc_unbound(nobody[i], 1), -XEN_ESRCH);
        ck_assert_int_eq(bind_interdomain(nobody[i], 1), -XEN_ESRCH);
        ck_assert_int_eq(operation(EVTCHNOP_status, &status), -XEN_ESRCH);
        ck_assert_int_eq(reset(nobody[i]), -XEN_ESRCH);
    }
}
END_TEST

START_TEST(a_pair_knows_each_other_and_the_binder_is_pending)
{
    struct evtchn_status status;
    long there = alloc_unbound(DOMID_SELF, 2);
    long here;

    ck_assert_int_gt(alloc_unbound(DOMID_SELF, 2), 0);
    as(2, 0);
    ck_assert_int_gt(alloc_unbound(DOMID_SELF, 1), 0);
    here = bind_interdomain(1, there);
    ck_assert_int_eq(here, 2);
    ck_assert(pending_bit(2, here));
    ck_assert(!pending_bit(1, there));
    ck_assert_uint_eq(dom[2]->vcpu[0]->info->evtchn_upcall_pending, 1);

    status = status_of(DOMID_SELF, here);
    ck_assert_uint_eq(status.status, EVTCHNSTAT_interdomain);
    ck_assert_uint_eq(status.u.interdomain.dom, 1);
    ck_assert_uint_eq(status.u.interdomain.port, (uint32_t)there);
    as(1, 0);
    status = status_of(DOMID_SELF, there);
    ck_assert_uint_eq(status.status, EVTCHNSTAT_interdomain);
    ck_assert_uint_eq(status.u.interdomain.dom, 2);
    ck_assert_uint_eq(status.u.interdomain.port, (uint32_t)here);
}
END_TEST

START_TEST(only_a_port_that_waits_for_us_can_be_bound)
{
    long port = alloc_unbound(DOMID_SELF, 2);
    long virq = bind_virq(VIRQ_TIMER, 0);
    long free = virq + 1;
    static const uint32_t far[] = { 0, 255, 256, 4096, 131072, 0x80000000, 0xffffffff };

    as(0, 0);
    ck_assert_int_eq(bind_interdomain(1, port), -XEN_EINVAL);
    as(2, 0);
    ck_assert_int_eq(bind_interdomain(1, virq), -XEN_EINVAL);
    ck_assert_int_eq(bind_interdomain(1, free), -XEN_EINVAL);
    for (unsigned int i = 0; i < ARRAY_SIZE(far); i++) {
        ck_assert_int_eq(bind_interdomain(1, far[i]), -XEN_EINVAL);
    }
    ck_assert_int_eq(bind_interdomain(1, port), 1); /* nothing was taken by those that failed */
    ck_assert_int_eq(bind_interdomain(1, port), -XEN_EINVAL);
    ck_assert_uint_eq(dom[2]->events->open, 1);
}
END_TEST

START_TEST(closing_leaves_the_peer_waiting_for_who_closed)
{
    struct evtchn_status status;
    long here, there;

    connect_ports(1, 2, &there, &here);
    as(2, 0);
    ck_assert_int_eq(port_close(here), 0);
    ck_assert_uint_eq(status_of(DOMID_SELF, here).status, EVTCHNSTAT_closed);
    as(1, 0);
    status = status_of(DOMID_SELF, there);
    ck_assert_uint_eq(status.status, EVTCHNSTAT_unbound);
    ck_assert_uint_eq(status.u.unbound.dom, 2);
    ck_assert_int_eq(port_send(there), 0);
    as(2, 0);
    ck_assert_int_eq(bind_interdomain(1, there), here);
}
END_TEST

START_TEST(a_domain_can_talk_to_itself)
{
    long there = alloc_unbound(DOMID_SELF, DOMID_SELF);
    long here = bind_interdomain(DOMID_SELF, there);

    ck_assert_int_eq(here, 2);
    clear_pending(1, here);
    ck_assert_int_eq(port_send(here), 0);
    ck_assert(pending_bit(1, there));
    ck_assert(!pending_bit(1, here));
    ck_assert_int_eq(port_close(here), 0);
    ck_assert_uint_eq(status_of(DOMID_SELF, there).status, EVTCHNSTAT_unbound);
    ck_assert_uint_eq(status_of(DOMID_SELF, there).u.unbound.dom, 1);
}
END_TEST

START_TEST(a_closed_port_comes_back_clean)
{
    long here, there, again;

    connect_ports(1, 2, &there, &here);
    as(2, 0);
    ck_assert_int_eq(bind_vcpu(here, 1), 0);
    as(1, 0);
    ck_assert_int_eq(port_send(there), 0);
    ck_assert(pending_bit(2, here));
    as(2, 0);
    ck_assert_int_eq(port_close(here), 0);
    ck_assert(!pending_bit(2, here));
    again = alloc_unbound(DOMID_SELF, 1);
    ck_assert_int_eq(again, here);
    ck_assert_uint_eq(status_of(DOMID_SELF, again).vcpu, 0);
}
END_TEST

/* Every state with every operation that takes a port of any state. */
enum kind { FREE, PORT_0, UNBOUND, INTERDOMAIN, PIRQ, VIRQ_VCPU, VIRQ_GLOBAL, IPI, BEYOND };

static long port_of_kind(enum kind kind)
{
    long port, peer;

    as(1, 0);
    switch (kind) {
    case FREE:
        port = alloc_unbound(DOMID_SELF, 2);
        ck_assert_int_eq(port_close(port), 0);
        return port;
    case PORT_0:
        return 0;
    case UNBOUND:
        return alloc_unbound(DOMID_SELF, 2);
    case INTERDOMAIN:
        connect_ports(1, 2, &port, &peer);
        as(1, 0);
        return port;
    case PIRQ:
        return bind_pirq(9, 0);
    case VIRQ_VCPU:
        return bind_virq(VIRQ_TIMER, 0);
    case VIRQ_GLOBAL:
        return bind_virq(VIRQ_CONSOLE, 0);
    case IPI:
        return bind_ipi(0);
    case BEYOND:
        return GROUP_CHANNELS;
    }
    return -1;
}

START_TEST(every_kind_of_port_answers_every_operation)
{
    /* clang-format off */
    static const struct {
        uint32_t status;
        int close, send, bind_vcpu, unmask;
    } answers[] = {
        [FREE]        = { EVTCHNSTAT_closed,      -XEN_EINVAL, -XEN_EINVAL, -XEN_EINVAL, 0 },
        [PORT_0]      = { EVTCHNSTAT_closed,      -XEN_EINVAL, -XEN_EINVAL, -XEN_EINVAL, 0 },
        [UNBOUND]     = { EVTCHNSTAT_unbound,     0,           0,           0,           0 },
        [INTERDOMAIN] = { EVTCHNSTAT_interdomain, 0,           0,           0,           0 },
        [PIRQ]        = { EVTCHNSTAT_pirq,        0,           -XEN_EINVAL, 0,           0 },
        [VIRQ_VCPU]   = { EVTCHNSTAT_virq,        0,           -XEN_EINVAL, -XEN_EINVAL, 0 },
        [VIRQ_GLOBAL] = { EVTCHNSTAT_virq,        0,           -XEN_EINVAL, 0,           0 },
        [IPI]         = { EVTCHNSTAT_ipi,         0,           0,           -XEN_EINVAL, 0 },
    };
    /* clang-format on */

    for (enum kind kind = FREE; kind < BEYOND; kind++) {
        long port = port_of_kind(kind);

        ck_assert_int_ge(port, 0);
        ck_assert_uint_eq(status_of(DOMID_SELF, port).status, answers[kind].status);
        ck_assert_int_eq(port_send(port), answers[kind].send);
        ck_assert_int_eq(bind_vcpu(port, 1), answers[kind].bind_vcpu);
        ck_assert_uint_eq(fake.pirq_affinities, kind >= PIRQ);
        ck_assert_uint_eq(status_of(DOMID_SELF, port).vcpu, answers[kind].bind_vcpu == 0);
        ck_assert_int_eq(bind_vcpu(port, VCPUS), -XEN_ENOENT);
        ck_assert_int_eq(bind_vcpu(port, 0xffffffff), -XEN_ENOENT);
        ck_assert_int_eq(port_unmask(port), answers[kind].unmask);
        ck_assert_int_eq(set_priority(port, 0), -XEN_ENOSYS); /* not with 2 levels */
        ck_assert_int_ge(event_port_pending(dom[1], (uint32_t)port), 0);
        ck_assert_int_eq(port_close(port), answers[kind].close);
        ck_assert_int_eq(port_close(port), -XEN_EINVAL);
        ck_assert_uint_eq(status_of(DOMID_SELF, port).status, EVTCHNSTAT_closed);
    }
}
END_TEST

/* The guest writes to its own bits whatever it likes. */
START_TEST(bits_of_a_port_that_is_not_open_mean_nothing)
{
    for (enum kind kind = FREE; kind <= PORT_0; kind++) {
        long port = port_of_kind(kind);

        (void)bit_test_and_set(dom[1]->shared_info->evtchn_pending, (unsigned int)port);
        mask_port(1, port);
        ck_assert_int_eq(event_port_pending(dom[1], (uint32_t)port), 0);
        ck_assert_int_eq(port_unmask(port), 0);
        ck_assert_uint_eq(dom[1]->vcpu[0]->info->evtchn_upcall_pending, 0);
    }
    ck_assert_int_eq(alloc_unbound(DOMID_SELF, 2), 1); /* Linux masks all ports before it has any */
}
END_TEST

START_TEST(ports_beyond_all_that_were_used_do_not_exist)
{
    static const uint32_t far[] = { GROUP_CHANNELS, 4095,       4096,       131071,
                                    131072,         0x7fffffff, 0x80000000, 0xffffffff };

    for (unsigned int i = 0; i < ARRAY_SIZE(far); i++) {
        struct evtchn_status status = { .dom = DOMID_SELF, .port = far[i] };

        ck_assert_int_eq(port_send(far[i]), -XEN_EINVAL);
        ck_assert_int_eq(port_close(far[i]), -XEN_EINVAL);
        ck_assert_int_eq(port_unmask(far[i]), -XEN_EINVAL);
        ck_assert_int_eq(bind_vcpu(far[i], 0), -XEN_EINVAL);
        ck_assert_int_eq(set_priority(far[i], 0), -XEN_EINVAL);
        ck_assert_int_eq(operation(EVTCHNOP_status, &status), -XEN_EINVAL);
        ck_assert_int_eq(event_port_pending(dom[1], far[i]), -XEN_EINVAL);
        event_send_pirq(dom[1], far[i]);
    }
}
END_TEST

START_TEST(pointers_that_lead_nowhere_are_faults)
{
    static uint8_t unmapped[64];

    fake_answers.fault_start = unmapped;
    fake_answers.fault_size = sizeof(unmapped);
    for (unsigned int command = 0; command <= EVTCHNOP_set_priority; command++) {
        ck_assert_int_eq(operation(command, unmapped), -XEN_EFAULT);
        ck_assert_int_eq(hypercall_event_channel_op(command, CORE_START), -XEN_EFAULT);
        ck_assert_int_eq(hypercall_event_channel_op(command, CORE_END - 1), -XEN_EFAULT);
    }
}
END_TEST

START_TEST(an_operation_that_does_not_exist_is_named_so)
{
    uint8_t anything[64] = { 0 };

    for (unsigned int command = EVTCHNOP_set_priority + 1; command < 300; command++) {
        ck_assert_int_eq(operation(command, anything), -XEN_ENOSYS);
    }
    ck_assert_int_eq(operation(0x80000000, anything), -XEN_ENOSYS);
    ck_assert_int_eq(operation(0xffffffff, anything), -XEN_ENOSYS);
    /* The command is 32 bits wide. */
    ck_assert_int_eq(
        hypercall_event_channel_op(UINT64_C(0x100000000) | EVTCHNOP_close, (uintptr_t)anything),
        -XEN_EINVAL);
}
END_TEST

START_TEST(a_port_whose_number_cannot_be_told_is_not_kept)
{
    union {
        struct evtchn_alloc_unbound unbound;
        struct evtchn_bind_interdomain interdomain;
        struct evtchn_bind_virq virq;
        struct evtchn_bind_ipi ipi;
        struct evtchn_bind_pirq pirq;
    } args;
    static const unsigned int commands[] = { EVTCHNOP_alloc_unbound, EVTCHNOP_bind_interdomain,
                                             EVTCHNOP_bind_virq, EVTCHNOP_bind_ipi,
                                             EVTCHNOP_bind_pirq };
    long waiting;

    as(2, 0);
    waiting = alloc_unbound(DOMID_SELF, 1);
    as(1, 0);
    for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++) {
        memset(&args, 0, sizeof(args));
        if (commands[i] == EVTCHNOP_alloc_unbound) {
            args.unbound.dom = DOMID_SELF;
        } else if (commands[i] == EVTCHNOP_bind_interdomain) {
            args.interdomain.remote_dom = 2;
            args.interdomain.remote_port = (uint32_t)waiting;
        }
        fake_answers.write_fault_start = &args;
        fake_answers.write_fault_size = sizeof(args);
        ck_assert_int_eq(operation(commands[i], &args), -XEN_EFAULT);
        fake_answers.write_fault_size = 0;
        ck_assert_uint_eq(dom[1]->events->open, 0);
    }
    ck_assert_uint_eq(fake.pirq_unbinds, 1);
    as(2, 0);
    ck_assert_uint_eq(status_of(DOMID_SELF, waiting).status, EVTCHNSTAT_unbound);
    ck_assert_uint_eq(status_of(DOMID_SELF, waiting).u.unbound.dom, 1);

    /* The same, made for another domain. */
    as(0, 0);
    ck_assert_int_eq(bind_ipi(0), 1);
    memset(&args, 0, sizeof(args));
    args.unbound.dom = 1;
    fake_answers.write_fault_size = sizeof(args);
    ck_assert_int_eq(operation(EVTCHNOP_alloc_unbound, &args), -XEN_EFAULT);
    ck_assert_uint_eq(dom[1]->events->open, 0);
    ck_assert_uint_eq(status_of(DOMID_SELF, 1).status, EVTCHNSTAT_ipi);
}
END_TEST

START_TEST(arguments_that_give_nothing_back_are_only_read)
{
    union {
        struct evtchn_alloc_unbound unbound;
        struct evtchn_bind_vcpu bind_vcpu;
        struct evtchn_unmask unmask;
        struct evtchn_close close;
        struct evtchn_reset reset;
    } args = { .unbound.dom = 77 };
    uint32_t port;

    as(0, 0);
    port = (uint32_t)alloc_unbound(DOMID_SELF, 1);
    fake_answers.write_fault_start = &args;
    fake_answers.write_fault_size = sizeof(args);
    ck_assert_int_eq(operation(EVTCHNOP_alloc_unbound, &args), -XEN_ESRCH);
    args.bind_vcpu = (struct evtchn_bind_vcpu){ .port = port, .vcpu = 1 };
    ck_assert_int_eq(operation(EVTCHNOP_bind_vcpu, &args), 0);
    args.unmask.port = port;
    ck_assert_int_eq(operation(EVTCHNOP_unmask, &args), 0);
    args.close.port = port;
    ck_assert_int_eq(operation(EVTCHNOP_close, &args), 0);
    args.reset.dom = DOMID_SELF;
    ck_assert_int_eq(operation(EVTCHNOP_reset, &args), 0);
}
END_TEST

START_TEST(a_virq_is_bound_once_where_it_belongs)
{
    for (uint32_t virq = 0; virq < NR_VIRQS; virq++) {
        bool global = virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF &&
                      virq != VIRQ_XENPMU;
        long port = bind_virq(virq, 0);

        ck_assert_int_gt(port, 0);
        ck_assert_uint_eq(status_of(DOMID_SELF, port).u.virq, virq);
        ck_assert_int_eq(bind_virq(virq, 0), -XEN_EEXIST);
        if (global) {
            ck_assert_int_eq(bind_virq(virq, 1), -XEN_EINVAL);
            ck_assert_int_eq(bind_virq(virq, 99), -XEN_EINVAL);
        } else {
            ck_assert_int_gt(bind_virq(virq, 1), 0);
            ck_assert_int_eq(bind_virq(virq, 1), -XEN_EEXIST);
            ck_assert_int_eq(bind_virq(virq, 99), -XEN_ENOENT);
        }
        ck_assert_int_eq(port_close(port), 0);
        ck_assert_int_eq(bind_virq(virq, 0), port);
    }
    ck_assert_int_eq(bind_virq(NR_VIRQS, 0), -XEN_EINVAL);
    ck_assert_int_eq(bind_virq(0xffffffff, 0), -XEN_EINVAL);
}
END_TEST

START_TEST(a_vcpus_virq_goes_to_the_vcpu_that_bound_it)
{
    long first = bind_virq(VIRQ_TIMER, 0);
    long second = bind_virq(VIRQ_TIMER, 1);

    event_send_vcpu_virq(dom[1]->vcpu[1], VIRQ_TIMER);
    ck_assert(!pending_bit(1, first));
    ck_assert(pending_bit(1, second));
    ck_assert_uint_eq(dom[1]->vcpu[0]->info->evtchn_upcall_pending, 0);
    ck_assert_uint_eq(dom[1]->vcpu[1]->info->evtchn_upcall_pending, 1);

    ck_assert_int_eq(port_close(second), 0);
    event_send_vcpu_virq(dom[1]->vcpu[1], VIRQ_TIMER);
    ck_assert(!pending_bit(1, second));
    (void)take_upcall(1, 1);
    event_send_vcpu_virq(dom[1]->vcpu[1], VIRQ_DEBUG); /* never bound */
    ck_assert(!pending_bit(1, 0));
}
END_TEST

START_TEST(a_global_virq_goes_to_dom0_or_to_its_handler)
{
    long port0, port2;

    as(2, 0);
    port2 = bind_virq(VIRQ_DOM_EXC, 0);
    event_send_global_virq(VIRQ_DOM_EXC); /* dom0 has not bound it */
    as(0, 0);
    port0 = bind_virq(VIRQ_DOM_EXC, 0);
    ck_assert_int_eq(bind_vcpu(port0, 1), 0);
    event_send_global_virq(VIRQ_DOM_EXC);
    ck_assert(pending_bit(0, port0));
    ck_assert_uint_eq(dom[0]->vcpu[1]->info->evtchn_upcall_pending, 1);
    ck_assert(!pending_bit(2, port2));

    clear_pending(0, port0);
    ck_assert_int_eq(event_set_virq_handler(dom[2], VIRQ_DOM_EXC), 0);
    ck_assert_int_eq(event_set_virq_handler(dom[2], VIRQ_DOM_EXC), 0);
    event_send_global_virq(VIRQ_DOM_EXC);
    ck_assert(pending_bit(2, port2));
    ck_assert(!pending_bit(0, port0));
    ck_assert_int_eq(event_set_virq_handler(dom[2], VIRQ_TIMER), -XEN_EINVAL);
    ck_assert_int_eq(event_set_virq_handler(dom[2], NR_VIRQS), -XEN_EINVAL);

    /* The handler dies: back to dom0, and nobody keeps a reference to it. */
    world_close(2);
    ck_assert_uint_eq(dom[2]->references, references_before[2]);
    event_send_global_virq(VIRQ_DOM_EXC);
    ck_assert(pending_bit(0, port0));
    ck_assert_int_eq(event_set_virq_handler(dom[2], VIRQ_DOM_EXC), -XEN_ESRCH);
    ck_assert_uint_eq(dom[2]->references, references_before[2]);
}
END_TEST

START_TEST(a_global_virq_that_was_moved_can_be_closed_and_bound_again)
{
    long port = bind_virq(VIRQ_CONSOLE, 0);

    ck_assert_int_eq(bind_vcpu(port, 1), 0);
    ck_assert_int_eq(port_close(port), 0);
    ck_assert_int_eq(bind_virq(VIRQ_CONSOLE, 0), port);
}
END_TEST

START_TEST(an_ipi_port_raises_itself_on_its_vcpu)
{
    long port = bind_ipi(1);

    ck_assert_uint_eq(status_of(DOMID_SELF, port).vcpu, 1);
    ck_assert_int_eq(port_send(port), 0);
    ck_assert(pending_bit(1, port));
    ck_assert_uint_eq(dom[1]->vcpu[1]->info->evtchn_upcall_pending, 1);
    ck_assert_uint_eq(dom[1]->vcpu[0]->info->evtchn_upcall_pending, 0);
    ck_assert_int_eq(bind_ipi(VCPUS), -XEN_ENOENT);
    ck_assert_int_eq(bind_ipi(0xffffffff), -XEN_ENOENT);
}
END_TEST

START_TEST(a_pirq_is_bound_with_its_owner_and_let_go)
{
    long port = bind_pirq(9, BIND_PIRQ__WILL_SHARE);

    ck_assert_uint_eq(fake.pirq_binds, 1);
    ck_assert_uint_eq(fake.last_pirq, 9);
    ck_assert_uint_eq(status_of(DOMID_SELF, port).u.pirq, 9);
    event_send_pirq(dom[1], (uint32_t)port);
    ck_assert(pending_bit(1, port));

    dom[1]->vcpu[1]->cpu = 3;
    ck_assert_int_eq(bind_vcpu(port, 1), 0);
    ck_assert_uint_eq(fake.pirq_affinities, 1);
    ck_assert_uint_eq(fake.last_pirq_cpu, 3);

    ck_assert_int_eq(port_close(port), 0);
    ck_assert_uint_eq(fake.pirq_unbinds, 1);
    ck_assert(!pending_bit(1, port));
    event_send_pirq(dom[1], (uint32_t)port);
    ck_assert(!pending_bit(1, port));
    ck_assert_uint_eq(dom[1]->events->open, 0);

    ck_assert_int_gt(bind_pirq(5, 0), 0);
}
END_TEST

START_TEST(a_pirq_its_owner_refuses_takes_no_port)
{
    fake_answers.pirq_bind_result = -XEN_EPERM;
    ck_assert_int_eq(bind_pirq(9, 0), -XEN_EPERM);
    ck_assert_uint_eq(dom[1]->events->open, 0);
    ck_assert_uint_eq(fake.pirq_unbinds, 0);
    event_send_pirq(dom[1], 1);
    ck_assert(!pending_bit(1, 1));
}
END_TEST

/* The owner finds an interrupt pending and sends it before bind or unbind returns. */
static long busy_port;
static bool busy_during_bind, busy_seen;

int pirq_guest_bind(struct domain *domain, uint32_t pirq, evtchn_port_t port)
{
    fake.pirq_binds++;
    fake.last_pirq = pirq;
    if (busy_during_bind) {
        event_send_pirq(domain, port);
        ck_assert_int_eq(port_close(port), -XEN_EINVAL);
        ck_assert_int_eq(bind_vcpu(port, 1), -XEN_EINVAL);
        ck_assert_uint_eq(status_of(DOMID_SELF, port).status, EVTCHNSTAT_closed);
        busy_seen = true;
    }
    return fake_answers.pirq_bind_result;
}

void pirq_guest_unbind(struct domain *domain, uint32_t pirq)
{
    fake.pirq_unbinds++;
    fake.last_pirq = pirq;
    if (busy_during_bind) {
        event_send_pirq(domain, (uint32_t)busy_port);
        ck_assert_int_eq(port_close(busy_port), -XEN_EINVAL);
    }
}

START_TEST(an_interrupt_in_the_middle_of_binding_is_not_lost)
{
    busy_during_bind = true;
    busy_port = bind_pirq(9, 0);
    ck_assert(busy_seen);
    ck_assert(pending_bit(1, busy_port));
    ck_assert_int_eq(port_close(busy_port), 0);
    ck_assert(!pending_bit(1, busy_port));
    busy_during_bind = false;
}
END_TEST

static long ports_until_refused(long *refusal)
{
    long count = 0;

    for (;;) {
        long port = alloc_unbound(DOMID_SELF, 2);

        if (port < 0) {
            *refusal = port;
            return count;
        }
        count++;
        ck_assert_int_eq(port, count);
    }
}

START_TEST(there_are_4095_ports_with_2_levels)
{
    long refusal;

    ck_assert_int_eq(ports_until_refused(&refusal), 4095);
    ck_assert_int_eq(refusal, -XEN_ENOSPC);
    ck_assert_int_eq(bind_ipi(0), -XEN_ENOSPC);
    ck_assert_int_eq(bind_virq(VIRQ_TIMER, 0), -XEN_ENOSPC);
    ck_assert_int_eq(bind_pirq(1, 0), -XEN_ENOSPC);
    ck_assert_int_eq(bind_interdomain(2, 1), -XEN_ENOSPC);
    ck_assert_uint_eq(fake.pirq_binds, 0);
    ck_assert_int_eq(port_close(4000), 0);
    ck_assert_int_eq(bind_ipi(0), 4000);
}
END_TEST

START_TEST(the_toolstack_can_allow_fewer)
{
    long refusal;

    dom[1]->events->max_port = 20;
    ck_assert_int_eq(ports_until_refused(&refusal), 20);
    ck_assert_int_eq(refusal, -XEN_ENOSPC);
    dom[1]->events->max_port = 10; /* those that are there stay */
    ck_assert_int_eq(port_send(20), 0);
    ck_assert_int_eq(port_close(15), 0);
    ck_assert_int_eq(alloc_unbound(DOMID_SELF, 2), -XEN_ENOSPC);
    ck_assert_int_eq(port_close(5), 0);
    ck_assert_int_eq(alloc_unbound(DOMID_SELF, 2), 5);
}
END_TEST

START_TEST(memory_that_runs_out_is_an_error_and_no_more)
{
    for (unsigned int i = 1; i < GROUP_CHANNELS; i++) {
        ck_assert_int_eq(alloc_unbound(DOMID_SELF, 2), i);
    }
    fake_answers.fail_allocation = 1;
    ck_assert_int_eq(alloc_unbound(DOMID_SELF, 2), -XEN_ENOMEM);
    ck_assert_uint_eq(dom[1]->events->limit, GROUP_CHANNELS);
    ck_assert_int_eq(alloc_unbound(DOMID_SELF, 2), GROUP_CHANNELS);
}
END_TEST

static bool create_and_destroy(void)
{
    struct domain domain = { .id = 9, .max_vcpus = 0 };
    int error = events_create(&domain, UINT32_MAX);

    if (error == 0) {
        events_destroy(&domain);
        return true;
    }
    ck_assert_int_eq(error, -XEN_ENOMEM);
    events_destroy(&domain); /* as of all that was made halfway */
    ck_assert_ptr_null(domain.events);
    return false;
}

START_TEST(a_domain_is_made_whole_or_not_at_all)
{
    ck_assert(fake_survives_failed_allocations(create_and_destroy));
    fake_answers.fail_allocation = 1;
    {
        struct vcpu vcpu = { .domain = dom[1] };

        ck_assert_int_eq(events_vcpu_create(&vcpu), -XEN_ENOMEM);
        events_vcpu_destroy(&vcpu);
    }
}
END_TEST

START_TEST(a_domain_without_vcpus_gets_no_ports)
{
    struct domain *bare = fake_domain_new(9, 0, false);

    ck_assert_int_eq(events_create(bare, UINT32_MAX), 0);
    as(0, 0);
    ck_assert_int_eq(alloc_unbound(9, 0), -XEN_ENOENT);
    events_destroy(bare);
    fake_domain_free(bare);
}
END_TEST

START_TEST(reset_closes_everything_and_all_can_be_had_again)
{
    long here, there;

    connect_ports(1, 2, &here, &there);
    as(1, 0);
    ck_assert_int_gt(bind_virq(VIRQ_TIMER, 1), 0);
    ck_assert_int_gt(bind_pirq(9, 0), 0);
    ck_assert_int_gt(bind_ipi(1), 0);
    for (unsigned int i = 0; i < 300; i++) {
        ck_assert_int_gt(alloc_unbound(DOMID_SELF, 2), 0);
    }
    ck_assert_int_eq(reset(DOMID_SELF), 0);
    ck_assert_uint_eq(dom[1]->events->open, 0);
    ck_assert_uint_eq(fake.pirq_unbinds, 1);
    for (long port = 0; port < 500; port++) {
        ck_assert_uint_eq(status_of(DOMID_SELF, port).status, EVTCHNSTAT_closed);
    }
    ck_assert_int_eq(bind_virq(VIRQ_TIMER, 1), 1);
    as(2, 0);
    ck_assert_uint_eq(status_of(DOMID_SELF, there).status, EVTCHNSTAT_unbound);
    ck_assert_uint_eq(status_of(DOMID_SELF, there).u.unbound.dom, 1);
}
END_TEST

/* Another vCPU opens a port while a reset looks for work of higher urgency. */
static bool open_while_asked;

bool preempt_pending(void)
{
    if (open_while_asked) {
        open_while_asked = false;
        ck_assert_int_eq(alloc_unbound(DOMID_SELF, 2), 1);
    }
    fake.preempt_asked++;
    return fake_answers.preempt_after != 0 && fake.preempt_asked >= fake_answers.preempt_after;
}

START_TEST(reset_says_so_when_a_port_was_opened_behind_its_back)
{
    ck_assert_int_eq(alloc_unbound(DOMID_SELF, 2), 1);
    open_while_asked = true;
    ck_assert_int_eq(reset(DOMID_SELF), -XEN_EAGAIN);
    ck_assert_uint_eq(dom[1]->events->open, 1);
    ck_assert_int_eq(reset(DOMID_SELF), 0);
    ck_assert_uint_eq(dom[1]->events->open, 0);
}
END_TEST

START_TEST(reset_goes_on_where_it_was_interrupted)
{
    unsigned int rounds = 0;
    long result;

    for (unsigned int i = 0; i < 1000; i++) {
        ck_assert_int_gt(alloc_unbound(DOMID_SELF, 2), 0);
    }
    fake_answers.preempt_after = 1; /* at every opportunity */
    do {
        unsigned int before = dom[1]->events->open;

        result = reset(DOMID_SELF);
        ck_assert(result == 0 || dom[1]->events->open < before || before == 0);
        rounds++;
    } while (result == -XEN_ERESTART);
    ck_assert_int_eq(result, 0);
    ck_assert_uint_gt(rounds, 10);
    ck_assert_uint_lt(rounds, 100); /* each does enough to be worth a continuation */
    ck_assert_uint_eq(fake.continuations, rounds - 1);
    ck_assert_uint_eq(fake.continued_number, __HYPERVISOR_event_channel_op);
    ck_assert_uint_eq(fake.continued[0], EVTCHNOP_reset);
    ck_assert_uint_eq(dom[1]->events->open, 0);

    /* The next one begins at the beginning. */
    fake_answers.preempt_after = 0;
    ck_assert_int_eq(alloc_unbound(DOMID_SELF, 2), 1);
    ck_assert_int_eq(reset(DOMID_SELF), 0);
    ck_assert_uint_eq(status_of(DOMID_SELF, 1).status, EVTCHNSTAT_closed);
}
END_TEST

START_TEST(the_ports_of_a_dying_domain_are_closed_and_no_more_are_made)
{
    long here, there;

    connect_ports(1, 2, &here, &there);
    as(1, 0);
    ck_assert_int_gt(bind_pirq(9, 0), 0);
    for (unsigned int i = 0; i < 300; i++) {
        ck_assert_int_gt(alloc_unbound(DOMID_SELF, 0), 0);
    }
    fake_answers.preempt_after = 1;
    world_close(1);
    ck_assert_uint_eq(dom[1]->events->open, 0);
    ck_assert_uint_eq(fake.pirq_unbinds, 1);
    ck_assert_int_eq(alloc_unbound(DOMID_SELF, 2), -XEN_EINVAL);
    ck_assert_int_eq(bind_virq(VIRQ_TIMER, 0), -XEN_EINVAL);
    as(2, 0);
    ck_assert_uint_eq(status_of(DOMID_SELF, there).status, EVTCHNSTAT_unbound);
    ck_assert_int_eq(port_send(there), 0);
    ck_assert(!pending_bit(1, here));
    as(0, 0);
    ck_assert_int_eq(alloc_unbound(1, 0), -XEN_EINVAL);
    ck_assert_uint_eq(dom[1]->references, references_before[1]);
}
END_TEST

static char said[8192];

void log_print(enum log_level level, const char *format, ...)
{
    size_t used = strlen(said);
    va_list arguments;

    (void)level;
    va_start(arguments, format);
    (void)vsnprintf(said + used, sizeof(said) - used, format, arguments);
    va_end(arguments);
}

START_TEST(the_dump_names_every_port)
{
    long here, there, virq;

    connect_ports(1, 2, &here, &there);
    as(1, 0);
    virq = bind_virq(VIRQ_TIMER, 1);
    mask_port(1, here);
    event_send_vcpu_virq(dom[1]->vcpu[1], VIRQ_TIMER);
    events_dump(dom[1]);
    ck_assert_int_eq(here, 1);
    ck_assert_int_eq(virq, 2);
    ck_assert_str_eq(said, "domain 1: 2 ports, 2-level\n"
                           "  port 1: interdomain 1, vcpu 0, priority 7, masked\n"
                           "    of domain 2\n"
                           "  port 2: virq 0, vcpu 1, priority 7, pending\n");
    ck_assert_int_eq(init_control(fake_page_new(dom[1]), 0, 0), 0);
    events_dump(dom[1]);
    ck_assert_ptr_nonnull(strstr(said, "domain 1: 2 ports, FIFO\n"));
}
END_TEST

START_TEST(the_dump_ends_before_the_console_is_flooded)
{
    for (unsigned int i = 0; i < 100; i++) {
        ck_assert_int_gt(alloc_unbound(DOMID_SELF, 2), 0);
    }
    events_dump(dom[1]);
    ck_assert_ptr_nonnull(strstr(said, "port 64:"));
    ck_assert_ptr_null(strstr(said, "port 65:"));
}
END_TEST

int main(void)
{
    TCase *cases = tcase_create("ports");

    tcase_add_test(cases, ports_are_given_out_from_1_and_the_lowest_first);
    tcase_add_test(cases, an_unbound_port_says_for_whom_it_waits);
    tcase_add_test(cases, only_the_privileged_reach_the_ports_of_others);
    tcase_add_test(cases, a_domain_that_is_not_there_is_named_so);
    tcase_add_test(cases, a_pair_knows_each_other_and_the_binder_is_pending);
    tcase_add_test(cases, only_a_port_that_waits_for_us_can_be_bound);
    tcase_add_test(cases, closing_leaves_the_peer_waiting_for_who_closed);
    tcase_add_test(cases, a_domain_can_talk_to_itself);
    tcase_add_test(cases, a_closed_port_comes_back_clean);
    tcase_add_test(cases, every_kind_of_port_answers_every_operation);
    tcase_add_test(cases, bits_of_a_port_that_is_not_open_mean_nothing);
    tcase_add_test(cases, ports_beyond_all_that_were_used_do_not_exist);
    tcase_add_test(cases, pointers_that_lead_nowhere_are_faults);
    tcase_add_test(cases, an_operation_that_does_not_exist_is_named_so);
    tcase_add_test(cases, a_port_whose_number_cannot_be_told_is_not_kept);
    tcase_add_test(cases, arguments_that_give_nothing_back_are_only_read);
    tcase_add_test(cases, a_virq_is_bound_once_where_it_belongs);
    tcase_add_test(cases, a_vcpus_virq_goes_to_the_vcpu_that_bound_it);
    tcase_add_test(cases, a_global_virq_goes_to_dom0_or_to_its_handler);
    tcase_add_test(cases, a_global_virq_that_was_moved_can_be_closed_and_bound_again);
    tcase_add_test(cases, an_ipi_port_raises_itself_on_its_vcpu);
    tcase_add_test(cases, a_pirq_is_bound_with_its_owner_and_let_go);
    tcase_add_test(cases, a_pirq_its_owner_refuses_takes_no_port);
    tcase_add_test(cases, an_interrupt_in_the_middle_of_binding_is_not_lost);
    tcase_add_test(cases, there_are_4095_ports_with_2_levels);
    tcase_add_test(cases, the_toolstack_can_allow_fewer);
    tcase_add_test(cases, memory_that_runs_out_is_an_error_and_no_more);
    tcase_add_test(cases, a_domain_is_made_whole_or_not_at_all);
    tcase_add_test(cases, a_domain_without_vcpus_gets_no_ports);
    tcase_add_test(cases, reset_closes_everything_and_all_can_be_had_again);
    tcase_add_test(cases, reset_says_so_when_a_port_was_opened_behind_its_back);
    tcase_add_test(cases, reset_goes_on_where_it_was_interrupted);
    tcase_add_test(cases, the_ports_of_a_dying_domain_are_closed_and_no_more_are_made);
    tcase_add_test(cases, the_dump_names_every_port);
    tcase_add_test(cases, the_dump_ends_before_the_console_is_flooded);
    return run_cases("event ports", cases, world_setup);
}
