/* SPDX-License-Identifier: MIT */
/*
 * platform_op: the control domain's say over the machine.
 *
 * One row a command in the table at the end.  Commands without a row but with a
 * name of their own in the ABI are those the core does not offer.
 */

#include "hypervisor/control/firmware.h"
#include "hypervisor/domain/domain.h"
#include "hypervisor/drivers/reset.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/time/clock.h"
#include "hypervisor/x86/features.h"
#include "hypervisor/x86/panic_dump.h"
#include "hypervisor/x86/smp.h"

#define ACPI_S5             5u
#define SYMBOL_LENGTH_LIMIT 128u

static bool cpu_exists(uint32_t cpu)
{
    return cpumask_has(&cpus_online, cpu);
}

static long op_settime64(struct xen_platform_op *op)
{
    const struct xenpf_settime64 *time = &op->u.settime64;

    if (time->mbz != 0) {
        return -XEN_EINVAL;
    }
    clock_wall_set(time->secs + time->nsecs / NANOSECONDS, (uint32_t)(time->nsecs % NANOSECONDS),
                   time->system_time);
    return 0;
}

static long op_settime32(struct xen_platform_op *op)
{
    struct xenpf_settime32 time = op->u.settime32;

    op->u.settime64 = (struct xenpf_settime64){ time.secs, time.nsecs, 0, time.system_time };
    return op_settime64(op);
}

static long op_quirk(struct xen_platform_op *op)
{
    switch (op->u.platform_quirk.quirk_id) {
    case QUIRK_NOIRQBALANCING: /* the core balances none */
    case QUIRK_IOAPIC_BAD_REGSEL:
    case QUIRK_IOAPIC_GOOD_REGSEL: /* the register is selected anew each time */
        return 0;
    default:
        return -XEN_EINVAL;
    }
}

/* Only S5: sleeping would take the guests' view of time and devices with it. */
static long op_sleep(struct xen_platform_op *op)
{
    const struct xenpf_enter_acpi_sleep *sleep = &op->u.enter_acpi_sleep;

    if (sleep->sleep_state == 0 || sleep->sleep_state > ACPI_S5 ||
        (sleep->flags & ~XENPF_ACPI_SLEEP_EXTENDED) != 0) {
        return -XEN_EINVAL;
    }
    if (sleep->sleep_state != ACPI_S5) {
        return -XEN_EOPNOTSUPP;
    }
    machine_power_off(sleep->val_a, sleep->val_b, sleep->flags != 0);
}

static long op_cpu_info(struct xen_platform_op *op)
{
    struct xenpf_pcpuinfo *info = &op->u.pcpu_info;

    info->flags = XEN_PCPU_FLAGS_INVALID;
    info->max_present = cpu_count - 1;
    if (cpu_exists(info->xen_cpuid)) {
        info->flags = XEN_PCPU_FLAGS_ONLINE;
        info->apic_id = cpus[info->xen_cpuid].apic_id;
        info->acpi_id = cpus[info->xen_cpuid].acpi_id;
    }
    return 0;
}

static long op_cpu_version(struct xen_platform_op *op)
{
    struct xenpf_pcpu_version *version = &op->u.pcpu_version;
    struct cpu_identity identity = { .family = 0 };

    if (cpu_exists(version->xen_cpuid)) {
        identity = cpu_identify();
    }
    version->max_present = cpu_count - 1;
    memcpy(version->vendor_id, identity.vendor, sizeof(version->vendor_id));
    version->family = identity.family;
    version->model = identity.model;
    version->stepping = identity.stepping;
    return 0;
}

static long op_cpu_online(struct xen_platform_op *op)
{
    return cpu_exists(op->u.cpu_ol.cpuid) ? 0 : -XEN_EINVAL;
}

static long op_cpu_offline(struct xen_platform_op *op)
{
    return cpu_exists(op->u.cpu_ol.cpuid) ? -XEN_EOPNOTSUPP : -XEN_EINVAL;
}

static long op_not_offered(struct xen_platform_op *op)
{
    (void)op;
    return -XEN_EOPNOTSUPP;
}

static long op_symbol(struct xen_platform_op *op)
{
    struct xenpf_symdata *symbol = &op->u.symdata;
    const char *name;
    uint32_t length;

    if (!symbol_at(symbol->symnum, &symbol->address, &name)) {
        return 0; /* the number does not move: that was the last */
    }
    length = MIN((uint32_t)strnlen(name, SYMBOL_LENGTH_LIMIT) + 1, symbol->namelen);
    if (raw_copy_to_guest(symbol->name, name, length) != 0) {
        return -XEN_EFAULT;
    }
    symbol->namelen = length;
    symbol->symnum++;
    symbol->type = 't';
    return 0;
}

static const struct row {
    long (*function)(struct xen_platform_op *op);
    bool out; /* *op goes back to the guest */
} rows[] = {
    [XENPF_settime32] = { op_settime32, false },
    [XENPF_settime64] = { op_settime64, false },
    [XENPF_platform_quirk] = { op_quirk, false },
    [XENPF_firmware_info] = { firmware_info, true },
    [XENPF_enter_acpi_sleep] = { op_sleep, false },
    [XENPF_getidletime] = { op_not_offered, false },
    [XENPF_get_cpuinfo] = { op_cpu_info, true },
    [XENPF_get_cpu_version] = { op_cpu_version, true },
    [XENPF_cpu_online] = { op_cpu_online, false },
    [XENPF_cpu_offline] = { op_cpu_offline, false },
    [XENPF_cpu_hotadd] = { op_not_offered, false },
    [XENPF_mem_hotadd] = { op_not_offered, false },
    [XENPF_microcode_update] = { op_not_offered, false },
    [XENPF_resource_op] = { op_not_offered, false },
    [XENPF_get_symbol] = { op_symbol, true },
};

long hypercall_platform_op(uint64_t argument)
{
    struct xen_platform_op __guest *guest_op = guest_pointer(struct xen_platform_op, argument);
    struct xen_platform_op op;
    long result;

    if (copy_from_guest(&op, (const struct xen_platform_op __guest *)guest_op) != 0) {
        return -XEN_EFAULT;
    }
    if (op.interface_version != XENPF_INTERFACE_VERSION) {
        return -XEN_EACCES;
    }
    if (op.cmd >= ARRAY_SIZE(rows) || rows[op.cmd].function == NULL) {
        return -XEN_ENOSYS;
    }
    result = rows[op.cmd].function(&op);
    return result == 0 && rows[op.cmd].out && copy_to_guest(guest_op, &op) != 0 ? -XEN_EFAULT
                                                                                : result;
}
