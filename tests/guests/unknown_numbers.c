/* SPDX-License-Identifier: MIT */
/*
 * Numbers that nobody defined: hypercalls and sub-operations answer -ENOSYS (a few families
 * -EINVAL or -EOPNOTSUPP, as the ABI has it) and change nothing.
 *
 * A table indexed without a bound would jump through whatever lies behind it.
 * Source: public headers; answers watched on Debian's Xen 4.17.
 */
#include "tests/guests/lib/guest.h"

static void check_hypercalls(void)
{
    static const unsigned long numbers[] = {
        11,      38, /* never used; tmem, gone */
        43,      47,   56,         63,           64,      65,
        255,     256,  0x7fffffff, 0x80000000UL, BIT(32), BIT(32) | __HYPERVISOR_xen_version,
        BIT(63), ~0UL,
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(numbers); i++) {
        long result = hypercall1(numbers[i], 0);

        /* The number is taken as 32 bits by some hypervisors, as 64 by others: both are safe. */
        if (numbers[i] == (BIT(32) | __HYPERVISOR_xen_version)) {
            expect(result == -XEN_ENOSYS || result == (4 << 16 | 17), "number with a high bit");
        } else if (!expect_eq(result, -XEN_ENOSYS, "undefined hypercall")) {
            printf("number %lx\n", numbers[i]);
        }
    }
}

struct sub_operation {
    unsigned int hypercall;
    unsigned int operation;
    long answer;
    const char *name;
};

static const struct sub_operation sub_operations[] = {
    { __HYPERVISOR_memory_op, 63, -XEN_ENOSYS, "memory_op" },
    { __HYPERVISOR_event_channel_op, 99, -XEN_ENOSYS, "event_channel_op" },
    { __HYPERVISOR_sched_op, 99, -XEN_ENOSYS, "sched_op" },
    { __HYPERVISOR_callback_op, 99, -XEN_ENOSYS, "callback_op" },
    { __HYPERVISOR_physdev_op, 99, -XEN_ENOSYS, "physdev_op" },
    { __HYPERVISOR_console_io, 99, -XEN_ENOSYS, "console_io" },
    { __HYPERVISOR_vcpu_op, 99, -XEN_ENOSYS, "vcpu_op" },
    { __HYPERVISOR_vm_assist, 99, -XEN_ENOSYS, "vm_assist" },
    { __HYPERVISOR_set_segment_base, 99, -XEN_EINVAL, "set_segment_base" },
    { __HYPERVISOR_grant_table_op, 99, -XEN_ENOSYS, "grant_table_op" },
};

void test_main(void)
{
    check_hypercalls();
    for (unsigned int i = 0; i < ARRAY_SIZE(sub_operations); i++) {
        const struct sub_operation *row = &sub_operations[i];
        long result = row->hypercall == __HYPERVISOR_grant_table_op
                          ? hypercall3(row->hypercall, row->operation, &result, 1)
                          : hypercall3(row->hypercall, row->operation, 0, 0);

        expect_eq(result, row->answer, row->name);
    }
    expect_eq(mmuext_mfn(99, 0), -XEN_ENOSYS, "mmuext_op");
    expect_eq(hypercall2(__HYPERVISOR_xsm_op, 0, 0), -XEN_ENOSYS, "xsm_op");
    /* Still here, still served. */
    expect_eq(hypercall2(__HYPERVISOR_xen_version, XENVER_version, 0), 4 << 16 | 17, "alive");
}
