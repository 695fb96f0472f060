/* SPDX-License-Identifier: MIT */
/*
 * platform_op: interface version, questions about CPUs and firmware, the wall clock.
 *
 * Source: public platform.h; abi-use section 3; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static long platform(struct xen_platform_op *op)
{
    op->interface_version = XENPF_INTERFACE_VERSION;
    return hypercall1(__HYPERVISOR_platform_op, op);
}

static uint64_t wall_seconds(void)
{
    volatile struct shared_info *info = shared;
    uint32_t version;
    uint64_t seconds;

    do {
        version = info->wc_version;
        barrier();
        seconds = (uint64_t)info->wc_sec_hi << 32 | info->wc_sec;
        barrier();
    } while ((version & 1) != 0 || version != info->wc_version);
    return seconds;
}

static void check_cpus(void)
{
    struct xen_platform_op op = { .cmd = XENPF_get_cpuinfo };
    long result;

    expect_eq(platform(&op), 0, "CPU 0");
    expect_eq(op.u.pcpu_info.flags & XEN_PCPU_FLAGS_ONLINE, XEN_PCPU_FLAGS_ONLINE, "is online");
    expect_eq(op.u.pcpu_info.max_present, 1, "two CPUs");
    op.u.pcpu_info.xen_cpuid = 1;
    expect_eq(platform(&op), 0, "CPU 1");
    expect_eq(op.u.pcpu_info.apic_id, 1, "its APIC id");
    op.u.pcpu_info.xen_cpuid = 0xffffffff;
    result = platform(&op);
    expect(result == -XEN_EINVAL ||
               (result == 0 && (op.u.pcpu_info.flags & XEN_PCPU_FLAGS_INVALID) != 0),
           "no such CPU");

    op = (struct xen_platform_op){ .cmd = XENPF_get_cpu_version };
    expect_eq(platform(&op), 0, "what it is");
    expect(op.u.pcpu_version.family >= 6, "its family");
    op = (struct xen_platform_op){ .cmd = XENPF_cpu_online, .u.cpu_ol.cpuid = 9999 };
    expect(platform(&op) < 0, "no such CPU to bring up");
    op = (struct xen_platform_op){ .cmd = XENPF_cpu_offline, .u.cpu_ol.cpuid = 9999 };
    expect(platform(&op) < 0, "nor to take down");
}

static void check_time(void)
{
    struct xen_platform_op op = { .cmd = XENPF_settime64 };
    uint64_t when = now();

    op.u.settime64.secs = 2000000000;
    op.u.settime64.nsecs = 5;
    op.u.settime64.system_time = when;
    expect_eq(platform(&op), 0, "set the clock");
    expect(wall_seconds() + when / 1000000000 + 1 >= 2000000000 && wall_seconds() <= 2000000000,
           "wall clock at system time 0");
    op.u.settime64.mbz = 1;
    expect_eq(platform(&op), -XEN_EINVAL, "padding that is not 0");
    op.u.settime64.mbz = 0;
    op.u.settime64.secs = 4000000000;
    expect_eq(platform(&op), 0, "a later one");
    expect(wall_seconds() > 3999999000UL, "is seen");
}

static void check_firmware(void)
{
    struct xen_platform_op op = { .cmd = XENPF_firmware_info };

    op.u.firmware_info.type = XEN_FW_KBD_SHIFT_FLAGS;
    expect_eq(platform(&op), 0, "shift flags");
    op.u.firmware_info.type = XEN_FW_DISK_INFO;
    op.u.firmware_info.index = 99;
    expect_eq(platform(&op), -XEN_ESRCH, "no such disk");
    op.u.firmware_info.type = XEN_FW_DISK_MBR_SIGNATURE;
    expect_eq(platform(&op), -XEN_ESRCH, "no such disk");
    op.u.firmware_info.type = 99;
    expect(platform(&op) < 0, "no such type");
}

void test_main(void)
{
    struct xen_platform_op op = { .cmd = XENPF_get_cpuinfo };

    op.interface_version = XENPF_INTERFACE_VERSION + 1;
    expect_eq(hypercall1(__HYPERVISOR_platform_op, &op), -XEN_EACCES, "another interface version");
    expect_eq(hypercall1(__HYPERVISOR_platform_op, BAD_UNMAPPED), -XEN_EFAULT, "bad pointer");
    expect_eq(hypercall1(__HYPERVISOR_platform_op, BAD_HYPERVISOR), -XEN_EFAULT, "bad pointer");
    op.cmd = 999;
    expect_eq(platform(&op), -XEN_ENOSYS, "no such command");
    check_cpus();
    check_time();
    check_firmware();
}
