/* SPDX-License-Identifier: MIT */
/*
 * A new port whose number cannot be told: the argument lies in a read-only page, so it can be read
 * but the answer cannot be written.  The call fails, and a call that fails has changed nothing.
 *
 * Otherwise each try leaks a port, and after 4,096 the guest has none left.
 * PEER: differs: Debian's Xen 4.17 keeps the port it could not report
 */
#include "tests/guests/lib/second.h"

static unsigned int new_port_of(unsigned int domain)
{
    struct evtchn_alloc_unbound request = { .dom = (domid_t)domain, .remote_dom = DOMID_SELF };

    expect_eq(hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, &request), 0,
              "a port of another domain");
    return request.port;
}

/* A port made in another domain: it is that one's which goes, and none of ours. */
static void check_another(struct evtchn_alloc_unbound *request)
{
    unsigned int domain = second_make(1), first, ours[8];

    for (unsigned int i = 0; i < 8; i++) {
        expect_eq(alloc_unbound(&ours[i]), 0, "a port of ours");
    }
    first = new_port_of(domain);
    make_writable(request);
    request->dom = (domid_t)domain;
    make_read_only(request);
    expect_eq(hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, request),
              -XEN_EFAULT, "the answer cannot be written");
    expect_eq(new_port_of(domain), first + 1, "the next port");
    for (unsigned int i = 0; i < 8; i++) {
        struct evtchn_close close = { .port = ours[i] };

        expect_eq(hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_close, &close), 0,
                  "our port is still there");
    }
    expect_eq(second_end(domain), 0, "the other domain's end");
}

void test_main(void)
{
    struct evtchn_alloc_unbound *request = page_alloc();
    unsigned int port;
    long result = 0;

    request->dom = DOMID_SELF;
    request->remote_dom = DOMID_SELF;
    make_read_only(request);
    for (unsigned int i = 0; i < 5000; i++) {
        result = hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, request);
        if (result != -XEN_EFAULT) {
            break;
        }
    }
    expect_eq(result, -XEN_EFAULT, "the answer cannot be written");
    expect_eq(alloc_unbound(&port), 0, "there are still ports");
    check_another(request);
}
