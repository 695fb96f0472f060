/* SPDX-License-Identifier: MIT */
/*
 * A new port whose number cannot be told: the argument lies in a read-only page, so it can be read
 * but the answer cannot be written.  The call fails, and a call that fails has changed nothing.
 *
 * Otherwise each try leaks a port, and after 4,096 the guest has none left.
 * PEER: differs: Debian's Xen 4.17 keeps the port it could not report
 */
#include "tests/guests/lib/guest.h"

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
}
