/* SPDX-License-Identifier: MIT */
/*
 * How a second domain ends: its own reasons, a crash, destroyed while it runs.  The control domain
 * is told by VIRQ_DOM_EXC.
 *
 * Source: public sched.h, domctl.h; watched on Debian's Xen.
 * PEER: differs: its memory comes back a while after destroydomain
 */
#include "tests/guests/lib/second.h"

enum way { WAY_REBOOT, WAY_CRASH, WAY_SUSPEND, WAY_SPIN, WAYS };

/* Copied into the second domain with the image. */
static volatile enum way way;

static void as_second(void)
{
    struct sched_shutdown request = { .reason = SHUTDOWN_reboot };

    expect(true, "here");
    switch (way) {
    case WAY_REBOOT:
        hypercall2(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &request);
        break;
    case WAY_CRASH:
        hypercall1(__HYPERVISOR_set_trap_table, NULL);
        __asm__ volatile("ud2");
        break;
    case WAY_SUSPEND:
        request.reason = SHUTDOWN_suspend;
        expect_eq(hypercall2(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &request), 0, "resumed");
        return; /* and to the verdict */
    case WAY_SPIN:
    case WAYS:
        for (;;) {
        }
    }
    expect(false, "goes on after its end");
}

static unsigned int port;

static unsigned int told(void)
{
    return port_count[port];
}

static void one_end(enum way how, unsigned int code)
{
    unsigned int before = told(), domain;

    way = how;
    domain = second_start();
    if (!expect_eq(second_wait(domain, 3000), code, "how it ended")) {
        printf("way %u\n", how);
    }
    expect(wait_for(told() != before, 1000UL), "VIRQ_DOM_EXC");
    if (how == WAY_SUSPEND) {
        expect_eq(domctl_plain(XEN_DOMCTL_resumedomain, domain), 0, "resumed");
        expect_eq(second_wait(domain, 3000), SHUTDOWN_poweroff, "and then to its verdict");
    }
    before = told();
    expect_eq(second_end(domain), 0, "destroyed");
    expect(wait_for(told() != before, 1000UL), "VIRQ_DOM_EXC once more");
    expect_eq(second_info(domain).domain, NO_DOMAIN, "gone");
}

void test_main(void)
{
    unsigned long before;
    unsigned int domain;

    if (in_second()) {
        as_second();
        return;
    }
    before = free_frames();
    expect_eq(bind_virq(VIRQ_DOM_EXC, 0, &port), 0, "bind VIRQ_DOM_EXC");
    unmask_port(port);
    events_on();
    one_end(WAY_REBOOT, SHUTDOWN_reboot);
    one_end(WAY_CRASH, SHUTDOWN_crash);
    one_end(WAY_SUSPEND, SHUTDOWN_suspend);

    way = WAY_SPIN;
    domain = second_start();
    expect(wait_for(second_info(domain).cpu_time > 20 * MILLISECOND, 3000UL), "it runs");
    expect_eq(domctl_plain(XEN_DOMCTL_pausedomain, domain), 0, "paused while it runs");
    expect_eq(second_info(domain).flags & XEN_DOMINF_running, 0, "off its CPU");
    expect_eq(domctl_plain(XEN_DOMCTL_unpausedomain, domain), 0, "on again");
    expect_eq(second_end(domain), 0, "destroyed while it runs");
    expect_eq(second_info(domain).domain, NO_DOMAIN, "gone");
    events_off();
    expect_eq(port_close(port), 0, "closed");
    expect_eq(free_frames(), before, "nothing is left");
}
