/* SPDX-License-Identifier: MIT */
/*
 * The life of a port as status tells it: closed, unbound, interdomain, VIRQ, IPI, and back.
 *
 * A port that keeps a link to a closed partner lets a guest raise a port somebody else has now.
 * Source: public event_channel.h; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static struct evtchn_status status_of(unsigned int port)
{
    struct evtchn_status status = { .dom = DOMID_SELF, .port = port };
    uint8_t *told = (uint8_t *)&status.u;
    size_t size = 0;

    memset(told, 0xa5, sizeof(status.u));
    expect_eq(hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_status, &status), 0, "status");
    if (status.status == EVTCHNSTAT_interdomain) {
        size = sizeof(status.u.interdomain);
    } else if (status.status == EVTCHNSTAT_unbound) {
        size = sizeof(status.u.unbound.dom);
    } else if (status.status == EVTCHNSTAT_virq) {
        size = sizeof(status.u.virq);
    }
    for (; size < sizeof(status.u); size++) {
        expect_eq(told[size], 0xa5, "nothing beyond what its state has");
    }
    return status;
}

static long bind_vcpu(unsigned int port, unsigned int vcpu)
{
    struct evtchn_bind_vcpu request = { .port = port, .vcpu = vcpu };

    return hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_vcpu, &request);
}

static void check_pair(void)
{
    struct evtchn_status status;
    unsigned int there;
    unsigned int here = loop_ports(&there);

    status = status_of(here);
    expect_eq(status.status, EVTCHNSTAT_interdomain, "connected");
    expect_eq(status.u.interdomain.dom, 0, "to domain 0");
    expect_eq(status.u.interdomain.port, there, "to the other port");
    expect_eq(status.vcpu, 0, "vCPU 0");
    expect_eq(status_of(there).u.interdomain.port, here, "and back");

    expect_eq(bind_vcpu(here, 1), 0, "move to vCPU 1");
    expect_eq(status_of(here).vcpu, 1, "moved");
    expect_eq(bind_vcpu(here, 99), -XEN_ENOENT, "no such vCPU");
    expect_eq(bind_vcpu(here, 0), 0, "and back");

    expect_eq(port_close(there), 0, "close one end");
    expect_eq(status_of(there).status, EVTCHNSTAT_closed, "closed");
    status = status_of(here);
    expect_eq(status.status, EVTCHNSTAT_unbound, "the other waits again");
    expect_eq(status.u.unbound.dom, 0, "for the same domain");
    expect_eq(port_send(here), 0, "sending into the void is no error");
    expect_eq(port_close(here), 0, "close the other");
    expect_eq(port_close(here), -XEN_EINVAL, "close it twice");
    expect_eq(port_send(here), -XEN_EINVAL, "send through a closed port");
}

static void check_virq_and_ipi(void)
{
    struct evtchn_status status;
    unsigned int virq, again, ipi;

    expect_eq(bind_virq(VIRQ_TIMER, 0, &virq), 0, "bind the timer");
    status = status_of(virq);
    expect_eq(status.status, EVTCHNSTAT_virq, "a VIRQ");
    expect_eq(status.u.virq, VIRQ_TIMER, "the timer");
    expect_eq(bind_virq(VIRQ_TIMER, 0, &again), -XEN_EEXIST, "once per vCPU");
    expect_eq(bind_virq(VIRQ_TIMER, 1, &again), 0, "the other vCPU has its own");
    expect_eq(status_of(again).vcpu, 1, "its vCPU");
    expect_eq(bind_vcpu(again, 0), -XEN_EINVAL, "a per-vCPU VIRQ stays");
    expect_eq(port_close(again), 0, "close");
    expect_eq(bind_virq(VIRQ_TIMER, 1, &again), 0, "and bind again");

    expect_eq(bind_virq(VIRQ_DOM_EXC, 1, &again), -XEN_EINVAL, "a global VIRQ begins at vCPU 0");
    expect_eq(bind_virq(VIRQ_DOM_EXC, 0, &again), 0, "which is fine");
    expect_eq(bind_vcpu(again, 1), 0, "from where it can move");
    expect_eq(bind_virq(NR_VIRQS, 0, &again), -XEN_EINVAL, "no such VIRQ");
    expect_eq(bind_virq(0xffffffff, 0, &again), -XEN_EINVAL, "no such VIRQ");
    expect_eq(bind_virq(VIRQ_DEBUG, 99, &again), -XEN_ENOENT, "no such vCPU");

    expect_eq(bind_ipi(1, &ipi), 0, "an IPI to vCPU 1");
    status = status_of(ipi);
    expect_eq(status.status, EVTCHNSTAT_ipi, "an IPI");
    expect_eq(status.vcpu, 1, "to vCPU 1");
    expect_eq(bind_vcpu(ipi, 0), -XEN_EINVAL, "an IPI stays");
    expect_eq(bind_ipi(99, &ipi), -XEN_ENOENT, "no such vCPU");
    expect_eq(bind_ipi(0xffffffff, &ipi), -XEN_ENOENT, "no such vCPU");
}

static void check_closed_while_pending(void)
{
    unsigned int there, again;
    unsigned int here = loop_ports(&there);

    expect_eq(port_send(there), 0, "send");
    expect(port_pending(here), "pending");
    expect_eq(port_close(here), 0, "close while pending");
    expect_eq(alloc_unbound(&again), 0, "a new port");
    printf("closed %u, new %u\n", here, again);
    if (again == here) {
        expect(!port_pending(again), "a reused number is not pending");
    }
}

void test_main(void)
{
    unsigned int port;

    expect_eq(alloc_unbound(&port), 0, "alloc");
    expect_eq(status_of(port).status, EVTCHNSTAT_unbound, "unbound");
    expect_eq(port_close(port), 0, "close");
    check_pair();
    check_virq_and_ipi();
    check_closed_while_pending();
}
