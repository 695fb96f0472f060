/* SPDX-License-Identifier: MIT */
/*
 * All the ports there are in the two-level scheme: 4,095 and then -ENOSPC, and the last of them
 * works like the first.
 *
 * Attack: the port behind the last would be a bit behind shared_info.
 * Source: public event_channel.h (EVTCHN_2L_NR_CHANNELS).
 */
#include "tests/guests/lib/guest.h"

void test_main(void)
{
    unsigned int port, last = 0, count = 0;
    long result;

    for (;;) {
        result = alloc_unbound(&port);
        if (result != 0 || count > 5000) {
            break;
        }
        count++;
        last = port > last ? port : last;
    }
    expect_eq(result, -XEN_ENOSPC, "no more ports");
    expect(last < EVTCHN_2L_NR_CHANNELS, "all ports have a bit");
    printf("%u ports, the last is %u\n", count, last);
    expect(count >= EVTCHN_2L_NR_CHANNELS - 32, "nearly all of them are ours");

    /* One free number: connect the last port with it. */
    expect_eq(port_close(last - 1), 0, "close one");
    {
        struct evtchn_bind_interdomain bind = { .remote_dom = DOMID_SELF, .remote_port = last };

        expect_eq(hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, &bind), 0,
                  "bind to the last");
        expect_eq(bind.local_port, last - 1, "the number just freed");
        unmask_port(last);
        events_on();
        expect_eq(port_send(bind.local_port), 0, "send");
        expect_eq(port_count[last], 1, "delivered");
        events_off();
    }
    expect_eq(alloc_unbound(&port), -XEN_ENOSPC, "full again");
    for (unsigned int i = 1; i <= last; i++) {
        port_close(i);
    }
    expect_eq(alloc_unbound(&port), 0, "all free again");
}
