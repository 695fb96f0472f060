/* SPDX-License-Identifier: MIT */
/*
 * Two ports of one domain connected to each other: sends arrive at the other end, once per edge,
 * through pending bit, selector word, upcall flag and upcall.
 *
 * Every driver hangs on this chain; a step done in the wrong order loses wake-ups.
 * Source: public event_channel.h and the description of shared_info in xen.h.
 */
#include "tests/guests/lib/guest.h"

static void check_chain(unsigned int here, unsigned int there)
{
    volatile struct vcpu_info *info = this_cpu()->info;

    /* Masked port: pending bit and nothing else. */
    mask_port(here);
    expect_eq(port_send(there), 0, "send to a masked port");
    expect(port_pending(here), "pending");
    expect(!port_pending(there), "the sender's own bit is not touched");
    expect_eq(info->evtchn_upcall_pending, 0, "no upcall flag");
    expect_eq(info->evtchn_pending_sel, 0, "no selector");

    /* Unmasking through the hypervisor delivers what waited. */
    unmask_port(here);
    expect_eq(info->evtchn_upcall_pending, 1, "upcall flag");
    expect_eq(info->evtchn_pending_sel, BIT(here / 64), "selector");
    expect_eq(this_cpu()->upcalls, 0, "no upcall while masked");

    events_on();
    expect_eq(this_cpu()->upcalls, 1, "one upcall");
    expect_eq(port_count[here], 1, "for the port");
    expect_eq(info->evtchn_upcall_mask, 0, "events are on after the upcall");
    expect_eq(info->evtchn_upcall_pending, 0, "nothing left");

    /* With events on, the upcall happens before the hypercall returns. */
    expect_eq(port_send(there), 0, "send");
    expect_eq(port_count[here], 2, "delivered at once");
    expect_eq(port_send(here), 0, "and the other way");
    expect_eq(port_count[there], 0, "its port is still masked");
    expect(port_pending(there), "but pending");
    clear_port(there);
    events_off();
}

static void check_edges(unsigned int here, unsigned int there)
{
    unsigned int upcalls = this_cpu()->upcalls;

    /* A pending port is not raised again. */
    expect_eq(port_send(there), 0, "first");
    expect_eq(port_send(there), 0, "second");
    expect_eq(port_send(there), 0, "third");
    events_on();
    expect_eq(port_count[here], 3, "three sends, one event");
    expect_eq(this_cpu()->upcalls, upcalls + 1, "one upcall");
    events_off();

    /* The guest's clearing the mask bit by itself loses the edge, as documented. */
    mask_port(here);
    expect_eq(port_send(there), 0, "send to a masked port");
    __atomic_and_fetch(&shared->evtchn_mask[here / 64], ~BIT(here % 64), __ATOMIC_SEQ_CST);
    expect_eq(this_cpu()->info->evtchn_upcall_pending, 0, "no flag by itself");
    clear_port(here);
}

void test_main(void)
{
    unsigned int there;
    unsigned int here = loop_ports(&there);

    expect(here != there && here != 0 && there != 0, "two ports, none of them 0");
    /* A send before the bind may have gone nowhere, so the new end starts pending. */
    expect(port_pending(there), "binding raises the binder's port");
    clear_port(there);
    check_chain(here, there);
    check_edges(here, there);
}
