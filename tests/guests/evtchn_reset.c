/* SPDX-License-Identifier: MIT */
/*
 * EVTCHNOP_reset: every port closed, everything usable again afterwards.
 *
 * Source: public event_channel.h.
 */
#include "tests/guests/lib/guest.h"

void test_main(void)
{
    struct evtchn_reset reset = { .dom = DOMID_SELF };
    unsigned int ports[64], there, here, virq;

    for (unsigned int i = 0; i < ARRAY_SIZE(ports); i++) {
        expect_eq(alloc_unbound(&ports[i]), 0, "alloc");
    }
    expect_eq(bind_virq(VIRQ_TIMER, 0, &virq), 0, "timer");
    here = loop_ports(&there);
    expect_eq(port_send(there), 0, "leave something pending");
    expect_eq(hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_reset, &reset), 0, "reset");

    for (unsigned int i = 0; i < ARRAY_SIZE(ports); i++) {
        expect_eq(port_close(ports[i]), -XEN_EINVAL, "closed by the reset");
    }
    expect_eq(port_send(there), -XEN_EINVAL, "closed by the reset");
    expect_eq(bind_virq(VIRQ_TIMER, 0, &virq), 0, "the VIRQ is free");

    clear_port(here);
    here = loop_ports(&there);
    unmask_port(here);
    events_on();
    expect_eq(port_send(there), 0, "send");
    expect_eq(port_count[here], 1, "works again");
    events_off();
}
