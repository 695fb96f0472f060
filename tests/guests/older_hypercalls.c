/* SPDX-License-Identifier: MIT */
/*
 * The forms of calls that old kernels use: sched_op_compat, event_channel_op_compat and
 * physdev_op_compat; and families that a PV control domain may call but that have nothing to say.
 *
 * Source: public xen.h, physdev.h, event_channel.h; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static void check_events(void)
{
    struct evtchn_op op = { .cmd = EVTCHNOP_alloc_unbound };
    unsigned int port;

    op.u.alloc_unbound.dom = DOMID_SELF;
    op.u.alloc_unbound.remote_dom = DOMID_SELF;
    expect_eq(hypercall1(__HYPERVISOR_event_channel_op_compat, &op), 0, "alloc_unbound");
    port = op.u.alloc_unbound.port;
    expect(port != 0 && port < 4096, "a port");
    op.cmd = EVTCHNOP_close;
    op.u.close.port = port;
    expect_eq(hypercall1(__HYPERVISOR_event_channel_op_compat, &op), 0, "close");
    expect_eq(hypercall1(__HYPERVISOR_event_channel_op_compat, &op), -XEN_EINVAL, "close again");
    op.cmd = EVTCHNOP_init_control;
    expect_eq(hypercall1(__HYPERVISOR_event_channel_op_compat, &op), -XEN_ENOSYS, "a newer one");
    op.cmd = 99;
    expect_eq(hypercall1(__HYPERVISOR_event_channel_op_compat, &op), -XEN_ENOSYS, "no such one");
    expect_eq(hypercall1(__HYPERVISOR_event_channel_op_compat, BAD_UNMAPPED), -XEN_EFAULT,
              "bad pointer");
}

static void check_physdev(void)
{
    struct physdev_op op = { .cmd = PHYSDEVOP_set_iopl, .u.set_iopl.iopl = 1 };

    expect_eq(hypercall1(__HYPERVISOR_physdev_op_compat, &op), 0, "set_iopl");
    op.u.set_iopl.iopl = 4;
    expect_eq(hypercall1(__HYPERVISOR_physdev_op_compat, &op), -XEN_EINVAL, "IOPL 4");
    op.cmd = 99;
    expect_eq(hypercall1(__HYPERVISOR_physdev_op_compat, &op), -XEN_ENOSYS, "no such one");
    expect_eq(hypercall1(__HYPERVISOR_physdev_op_compat, BAD_HYPERVISOR), -XEN_EFAULT,
              "bad pointer");
}

static void check_sched(void)
{
    expect_eq(hypercall2(__HYPERVISOR_sched_op_compat, SCHEDOP_yield, 0), 0, "yield");
    expect_eq(hypercall2(__HYPERVISOR_sched_op_compat, 99, 0), -XEN_ENOSYS, "no such one");
}

static void check_silent_families(void)
{
    static const unsigned int families[] = { __HYPERVISOR_xenoprof_op, __HYPERVISOR_hvm_op,
                                             __HYPERVISOR_argo_op,     __HYPERVISOR_xenpmu_op,
                                             __HYPERVISOR_dm_op,       __HYPERVISOR_tmem_op };

    for (unsigned int i = 0; i < ARRAY_SIZE(families); i++) {
        expect(hypercall3(families[i], 0, BAD_UNMAPPED, 0) < 0, "nothing to say");
        expect(hypercall3(families[i], 0x7fffffff, BAD_HYPERVISOR, 0) < 0, "nothing to say");
    }
}

void test_main(void)
{
    check_events();
    check_physdev();
    check_sched();
    check_silent_families();
}
