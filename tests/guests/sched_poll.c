/* SPDX-License-Identifier: MIT */
/*
 * SCHEDOP_poll: wait for one of some ports, masked or not, or for a moment.
 *
 * Paravirtual spin locks sleep in it with events off; a wake-up lost here hangs a vCPU for good.
 * Attack: port lists and counts that are not there.
 * Source: public sched.h; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static unsigned int here, there;

static long poll(const unsigned int *ports, unsigned int count, uint64_t timeout)
{
    struct sched_poll request = {
        .ports = (evtchn_port_t *)(uintptr_t)ports,
        .nr_ports = count,
        .timeout = timeout,
    };

    return hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, &request);
}

static void send_later(void *unused)
{
    uint64_t end = now() + 20 * MILLISECOND;

    (void)unused;
    while (now() < end) {
    }
    port_send(there);
}

static void check_timeout(void)
{
    uint64_t start = now();
    uint64_t took;

    expect_eq(poll(&here, 1, start + 20 * MILLISECOND), 0, "poll");
    took = now() - start;
    expect(took >= 20 * MILLISECOND, "not before the time");
    expect(took < 500 * MILLISECOND, "not long after it");
    expect(!port_pending(here), "nothing came");

    start = now();
    expect_eq(poll(NULL, 0, start + 5 * MILLISECOND), 0, "no ports, only the time");
    expect(now() - start >= 5 * MILLISECOND, "waited");
    start = now();
    expect_eq(poll(&here, 1, 1), 0, "a moment long gone");
    expect(now() - start < 500 * MILLISECOND, "returned at once");
}

static void check_port(void)
{
    unsigned int ports[3];
    uint64_t start;

    expect_eq(port_send(there), 0, "send");
    start = now();
    expect_eq(poll(&here, 1, 0), 0, "already pending: no wait");
    expect(now() - start < 500 * MILLISECOND, "returned at once");
    expect(port_pending(here), "still pending: poll takes nothing");
    clear_port(here);

    cpu_start(1, send_later, NULL);
    ports[0] = there;
    ports[1] = there;
    ports[2] = here;
    expect_eq(poll(ports, 3, 0), 0, "woken by another vCPU, without a timeout");
    expect(port_pending(here), "by the port");
    expect_eq(this_cpu()->upcalls, 0, "and no upcall: events are off");
    clear_port(here);
    cpu_wait(1);
}

static void check_refused(void)
{
    unsigned int bad = 4096;

    expect_eq(poll(&here, 129, 1), -XEN_EINVAL, "too many ports");
    expect_eq(poll(&here, 0xffffffff, 1), -XEN_EINVAL, "far too many ports");
    expect_eq(poll(BAD_UNMAPPED, 1, 1), -XEN_EFAULT, "unmapped list");
    expect_eq(poll(BAD_HYPERVISOR, 1, 1), -XEN_EFAULT, "list in the hypervisor");
    expect_eq(poll(&bad, 1, 1), -XEN_EINVAL, "a port without a bit");
    bad = 0xffffffff;
    expect_eq(poll(&bad, 1, 1), -XEN_EINVAL, "no such port");
    expect_eq(hypercall2(__HYPERVISOR_sched_op, SCHEDOP_poll, BAD_UNMAPPED), -XEN_EFAULT,
              "unmapped argument");
    /* Mixed: a good one first. */
    {
        unsigned int ports[2] = { here, 70000 };

        expect_eq(poll(ports, 2, 1), -XEN_EINVAL, "one good, one bad");
    }
}

void test_main(void)
{
    here = loop_ports(&there);
    clear_port(there);
    check_timeout();
    check_port();
    check_refused();
}
