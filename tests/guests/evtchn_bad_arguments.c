/* SPDX-License-Identifier: MIT */
/*
 * Event channel operations with ports, vCPUs, domains and pointers that do not exist.
 *
 * Attack: port numbers beyond the tables, to read or set a bit in the hypervisor's memory.
 * Source: public event_channel.h; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static const unsigned int bad_ports[] = { 0,          4095,       4096,      4097,
                                          65535,      131071,     131072,    0x7fffffff,
                                          0x80000000, 0xfffffffe, 0xffffffff };

static long call(unsigned int operation, void *request)
{
    return hypercall2(__HYPERVISOR_event_channel_op, operation, request);
}

static void check_ports(void)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(bad_ports); i++) {
        struct evtchn_status status = { .dom = DOMID_SELF, .port = bad_ports[i] };
        struct evtchn_unmask unmask = { .port = bad_ports[i] };
        struct evtchn_bind_vcpu vcpu = { .port = bad_ports[i], .vcpu = 0 };
        struct evtchn_bind_interdomain bind = { .remote_dom = DOMID_SELF,
                                                .remote_port = bad_ports[i] };
        struct evtchn_set_priority priority = { .port = bad_ports[i], .priority = 0 };
        long result;

        expect_eq(port_send(bad_ports[i]), -XEN_EINVAL, "send");
        expect_eq(port_close(bad_ports[i]), -XEN_EINVAL, "close");
        result = call(EVTCHNOP_unmask, &unmask);
        /* Port 0 is there and reserved: its mask bit may be cleared. */
        expect(result == -XEN_EINVAL || (result == 0 && bad_ports[i] == 0), "unmask");
        expect_eq(call(EVTCHNOP_bind_vcpu, &vcpu), -XEN_EINVAL, "bind_vcpu");
        expect_eq(call(EVTCHNOP_bind_interdomain, &bind), -XEN_EINVAL, "bind_interdomain");
        expect(call(EVTCHNOP_set_priority, &priority) < 0, "set_priority");
        result = call(EVTCHNOP_status, &status);
        expect(result == -XEN_EINVAL || (result == 0 && status.status == EVTCHNSTAT_closed),
               "status");
    }
}

static void check_pointers(void)
{
    static void *const pointers[] = { BAD_UNMAPPED, BAD_HYPERVISOR, BAD_NONCANONICAL };

    for (unsigned int i = 0; i < ARRAY_SIZE(pointers); i++) {
        for (unsigned int operation = 0; operation <= EVTCHNOP_set_priority; operation++) {
            expect_eq(call(operation, pointers[i]), -XEN_EFAULT, "bad pointer");
        }
    }
}

static void check_domains(void)
{
    struct evtchn_alloc_unbound alloc = { .dom = 77, .remote_dom = DOMID_SELF };
    struct evtchn_bind_interdomain bind = { .remote_dom = 77, .remote_port = 1 };
    struct evtchn_status status = { .dom = 77, .port = 1 };
    struct evtchn_reset reset = { .dom = 77 };
    unsigned int port;

    expect_eq(call(EVTCHNOP_alloc_unbound, &alloc), -XEN_ESRCH, "alloc for nobody");
    expect_eq(call(EVTCHNOP_bind_interdomain, &bind), -XEN_ESRCH, "bind to nobody");
    expect_eq(call(EVTCHNOP_status, &status), -XEN_ESRCH, "status of nobody");
    expect_eq(call(EVTCHNOP_reset, &reset), -XEN_ESRCH, "reset nobody");
    bind.remote_dom = DOMID_XEN;
    expect(call(EVTCHNOP_bind_interdomain, &bind) < 0, "bind to the hypervisor");

    /* A port that waits for another domain is not ours to bind. */
    alloc.dom = DOMID_SELF;
    alloc.remote_dom = 5;
    expect_eq(call(EVTCHNOP_alloc_unbound, &alloc), 0, "waiting for domain 5");
    port = alloc.port;
    bind.remote_dom = DOMID_SELF;
    bind.remote_port = port;
    expect_eq(call(EVTCHNOP_bind_interdomain, &bind), -XEN_EINVAL, "not for us");
    expect_eq(port_close(port), 0, "close");
}

void test_main(void)
{
    check_ports();
    check_pointers();
    check_domains();
}
