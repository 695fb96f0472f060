/* SPDX-License-Identifier: MIT */
/*
 * platform_op: interface version, questions about CPUs, firmware and the hypervisor's functions,
 * the wall clock, ways to sleep that there are not.
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

/* All of them, in order; and no way to have a name written where the guest may not write. */
static void check_symbols(void)
{
    struct xen_platform_op op = { .cmd = XENPF_get_symbol };
    uint64_t last = 0;
    uint32_t count = 0;
    char name[128];

    for (;;) {
        op.u.symdata.name = name;
        op.u.symdata.namelen = sizeof(name);
        op.u.symdata.symnum = count;
        memset(name, 0, sizeof(name));
        if (!expect_eq(platform(&op), 0, "a symbol") || op.u.symdata.symnum == count) {
            break;
        }
        if (op.u.symdata.symnum != count + 1 || op.u.symdata.address < last || name[0] == '\0') {
            expect(false, "the next one has a name and is not before the last");
            break;
        }
        last = op.u.symdata.address;
        count++;
    }
    expect(count > 300, "there are hundreds");
    expect(last >= HYPERVISOR_VIRT_START && last < HYPERVISOR_VIRT_END,
           "they are the hypervisor's");
    op.u.symdata.symnum = 0xffffffff;
    expect(platform(&op) < 0 || op.u.symdata.symnum == 0xffffffff, "none beyond the last");
    op.u.symdata.symnum = 0;
    op.u.symdata.namelen = sizeof(name);
    op.u.symdata.name = BAD_HYPERVISOR;
    expect_eq(platform(&op), -XEN_EFAULT, "a name in the hypervisor");
}

/* Each is refused before anything of the machine is touched. */
static void check_sleep(void)
{
    static const uint32_t states[] = { 0, 6, 0xffffffff };
    struct xen_platform_op op;

    for (unsigned int i = 0; i < ARRAY_SIZE(states); i++) {
        op = (struct xen_platform_op){ .cmd = XENPF_enter_acpi_sleep };
        op.u.enter_acpi_sleep.sleep_state = states[i];
        expect_eq(platform(&op), -XEN_EINVAL, "no such state");
    }
    op.u.enter_acpi_sleep.sleep_state = 5;
    op.u.enter_acpi_sleep.flags = 0x80;
    expect_eq(platform(&op), -XEN_EINVAL, "no such flag");
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
    check_symbols();
    check_sleep();
}
