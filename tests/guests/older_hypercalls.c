/* SPDX-License-Identifier: MIT */
/*
 * Calls that a PV kernel may try and that are not there: forms that were replaced before 2007, and
 * families that have nothing to say.
 *
 * Source: public xen.h; errors watched on Debian's Xen.
 * PEER: differs: Xen still has the old forms
 */
#include "tests/guests/lib/guest.h"

static void check_silent_families(void)
{
    static const unsigned int families[] = { __HYPERVISOR_sched_op_compat,
                                             __HYPERVISOR_event_channel_op_compat,
                                             __HYPERVISOR_physdev_op_compat,
                                             __HYPERVISOR_nmi_op,
                                             __HYPERVISOR_xenoprof_op,
                                             __HYPERVISOR_hvm_op,
                                             __HYPERVISOR_argo_op,
                                             __HYPERVISOR_xenpmu_op,
                                             __HYPERVISOR_dm_op,
                                             __HYPERVISOR_tmem_op };

    for (unsigned int i = 0; i < ARRAY_SIZE(families); i++) {
        expect(hypercall3(families[i], 0, BAD_UNMAPPED, 0) < 0, "nothing to say");
        expect(hypercall3(families[i], 0x7fffffff, BAD_HYPERVISOR, 0) < 0, "nothing to say");
    }
}

void test_main(void)
{
    check_silent_families();
}
