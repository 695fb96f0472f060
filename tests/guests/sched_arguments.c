/* SPDX-License-Identifier: MIT */
/*
 * sched_op: yield, the arguments of the rest, and what must be refused without harm.
 *
 * Source: public sched.h; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static long call(unsigned int operation, void *request)
{
    return hypercall2(__HYPERVISOR_sched_op, operation, request);
}

void test_main(void)
{
    struct sched_remote_shutdown remote = { .domain_id = 77, .reason = SHUTDOWN_poweroff };
    struct sched_shutdown code = { .reason = SHUTDOWN_poweroff };
    struct sched_pin_override pin = { .pcpu = 1 };

    for (unsigned int i = 0; i < 100; i++) {
        expect_eq(call(SCHEDOP_yield, NULL), 0, "yield");
    }
    expect_eq(call(SCHEDOP_shutdown, BAD_UNMAPPED), -XEN_EFAULT, "shutdown, bad pointer");
    expect_eq(call(SCHEDOP_shutdown, BAD_HYPERVISOR), -XEN_EFAULT, "shutdown, bad pointer");
    expect_eq(call(SCHEDOP_shutdown_code, BAD_UNMAPPED), -XEN_EFAULT, "code, bad pointer");
    expect_eq(call(SCHEDOP_shutdown_code, &code), 0, "only remember the reason");

    expect_eq(call(SCHEDOP_remote_shutdown, &remote), -XEN_ESRCH, "nobody");
    expect_eq(call(SCHEDOP_remote_shutdown, BAD_UNMAPPED), -XEN_EFAULT, "bad pointer");

    expect_eq(call(SCHEDOP_pin_override, &pin), 0, "pin to CPU 1");
    pin.pcpu = 0;
    expect_eq(call(SCHEDOP_pin_override, &pin), -XEN_EBUSY, "while pinned");
    pin.pcpu = -1;
    expect_eq(call(SCHEDOP_pin_override, &pin), 0, "undo");
    pin.pcpu = 9999;
    expect_eq(call(SCHEDOP_pin_override, &pin), -XEN_EINVAL, "no such CPU");

    /* The number of the operation is an int in the ABI. */
    expect_eq(hypercall2(__HYPERVISOR_sched_op, 8, 0), -XEN_ENOSYS, "no such operation");
    expect_eq(hypercall2(__HYPERVISOR_sched_op, -1, 0), -XEN_ENOSYS, "no such operation");
}
