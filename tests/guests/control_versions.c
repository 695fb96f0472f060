/* SPDX-License-Identifier: MIT */
/*
 * domctl and sysctl: the version gate, and the few questions every tool asks first.
 *
 * The layout of these calls changes with each version, so a mismatch must be found before anything
 * else is read.
 * Source: public domctl.h and sysctl.h; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

#include "guest-pv-headers/domctl.h"
#include "guest-pv-headers/sysctl.h"

void test_main(void)
{
    static struct xen_domctl domctl;
    static struct xen_sysctl sysctl;
    long result;

    domctl.cmd = XEN_DOMCTL_getdomaininfo;
    domctl.interface_version = XEN_DOMCTL_INTERFACE_VERSION - 1;
    expect_eq(hypercall1(__HYPERVISOR_domctl, &domctl), -XEN_EACCES, "domctl of another version");
    domctl.interface_version = 0;
    expect_eq(hypercall1(__HYPERVISOR_domctl, &domctl), -XEN_EACCES, "domctl without a version");
    expect_eq(hypercall1(__HYPERVISOR_domctl, BAD_UNMAPPED), -XEN_EFAULT, "bad pointer");
    expect_eq(hypercall1(__HYPERVISOR_domctl, BAD_HYPERVISOR), -XEN_EFAULT, "bad pointer");

    sysctl.cmd = XEN_SYSCTL_physinfo;
    sysctl.interface_version = XEN_SYSCTL_INTERFACE_VERSION + 1;
    expect_eq(hypercall1(__HYPERVISOR_sysctl, &sysctl), -XEN_EACCES, "sysctl of another version");
    expect_eq(hypercall1(__HYPERVISOR_sysctl, BAD_UNMAPPED), -XEN_EFAULT, "bad pointer");

    domctl.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    domctl.domain = 0;
    result = hypercall1(__HYPERVISOR_domctl, &domctl);
    if (result == -XEN_ENOSYS) {
        test_skip("no domctl yet");
    }
    expect_eq(result, 0, "about ourselves");
    expect_eq(domctl.domain, 0, "it is us");
    expect_eq(domctl.u.getdomaininfo.tot_pages, start_info->nr_pages, "our memory");
    domctl.cmd = XEN_DOMCTL_pausedomain;
    domctl.domain = 77;
    expect_eq(hypercall1(__HYPERVISOR_domctl, &domctl), -XEN_ESRCH, "nobody to pause");
    domctl.cmd = 9999;
    domctl.domain = 0;
    expect_eq(hypercall1(__HYPERVISOR_domctl, &domctl), -XEN_ENOSYS, "no such command");
    sysctl.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    expect_eq(hypercall1(__HYPERVISOR_sysctl, &sysctl), 0, "about the machine");
    expect_eq(sysctl.u.physinfo.nr_cpus, 2, "its CPUs");
    sysctl.cmd = 9999;
    expect_eq(hypercall1(__HYPERVISOR_sysctl, &sysctl), -XEN_ENOSYS, "no such command");
}
