/* SPDX-License-Identifier: MIT */
/*
 * mca: machine checks, for the control domain.
 *
 * The core keeps no records: a machine check it cannot survive is reported on
 * the console and stops the machine.  So dom0 learns the CPUs' identities here
 * and finds that there is nothing to fetch.
 */
#include "hypervisor/hypercalls/mca.h"

#include "guest-pv-headers/mca.h"
#include "hypervisor/domain/domain.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/percpu.h"
#include "hypervisor/x86/smp.h"

#define MSR_MCG_CAP 0x179u

/* Of the CPU that asks; only the numbers differ between CPUs of one machine. */
static void describe_cpu(struct mcinfo_logical_cpu *info, uint32_t cpu)
{
    struct cpuid_regs vendor = cpuid(0, 0), model = cpuid(1, 0);
    uint32_t family = (model.eax >> 8) & 15;

    memset(info, 0, sizeof(*info));
    info->mc_cpunr = cpu;
    info->mc_apicid = cpus[cpu].apic_id;
    info->mc_coreid = (uint16_t)cpu;
    info->mc_ncores = cpu_count;
    info->mc_ncores_active = cpu_count;
    info->mc_nthreads = 1;
    info->mc_cpuid_level = (int32_t)vendor.eax;
    info->mc_family = family == 15 ? family + ((model.eax >> 20) & 255) : family;
    info->mc_model = (model.eax >> 4) & 15;
    if (family == 6 || family == 15) {
        info->mc_model |= (model.eax >> 12) & 0xf0;
    }
    info->mc_step = model.eax & 15;
    memcpy(&info->mc_vendorid[0], &vendor.ebx, 4);
    memcpy(&info->mc_vendorid[4], &vendor.edx, 4);
    memcpy(&info->mc_vendorid[8], &vendor.ecx, 4);
    info->mc_cpu_caps[MC_CAPS_STD_EDX] = model.edx;
    info->mc_cpu_caps[MC_CAPS_STD_ECX] = model.ecx;
    info->mc_cache_alignment = ((model.ebx >> 8) & 255) * 8;
    info->mc_msrvalues[0].reg = MSR_MCG_CAP;
    info->mc_nmsrvals = read_msr_safe(MSR_MCG_CAP, &info->mc_msrvalues[0].value) ? 1 : 0;
}

static long physical_cpus(struct xen_mc_physcpuinfo *request)
{
    uint32_t count = 0, cpu;

    if (guest_address(request->info) == 0) {
        request->ncpus = cpu_count;
        return 0;
    }
    FOR_EACH_CPU(cpu, &cpus_online)
    {
        struct mcinfo_logical_cpu info;

        if (count == request->ncpus) {
            break;
        }
        describe_cpu(&info, cpu);
        if (copy_to_guest(request->info + count, &info) != 0) {
            return -XEN_EFAULT;
        }
        count++;
    }
    request->ncpus = count;
    return 0;
}

static long fetch(struct xen_mc_fetch *request)
{
    switch (request->flags) {
    case XEN_MC_NONURGENT:
    case XEN_MC_URGENT:
        request->flags = XEN_MC_NODATA;
        request->fetch_id = 0;
        return 0;
    case XEN_MC_NONURGENT | XEN_MC_ACK:
    case XEN_MC_URGENT | XEN_MC_ACK:
        request->flags = XEN_MC_OK;
        return 0;
    default:
        return -XEN_EINVAL;
    }
}

long hypercall_mca(uint64_t argument)
{
    struct xen_mc __guest *guest_request = guest_pointer(struct xen_mc, argument);
    struct xen_mc request;
    long result;

    if (!current->domain->privileged) {
        return -XEN_EPERM;
    }
    if (copy_from_guest(&request, (const struct xen_mc __guest *)guest_request) != 0) {
        return -XEN_EFAULT;
    }
    if (request.interface_version != XEN_MCA_INTERFACE_VERSION) {
        return -XEN_EACCES;
    }
    switch (request.cmd) {
    case XEN_MC_fetch:
        result = fetch(&request.u.mc_fetch);
        break;
    case XEN_MC_physcpuinfo:
        result = physical_cpus(&request.u.mc_physcpuinfo);
        break;
    case XEN_MC_notifydomain:
    case XEN_MC_msrinject:
    case XEN_MC_mceinject:
    case XEN_MC_inject_v2:
        return -XEN_EOPNOTSUPP;
    default:
        return -XEN_EINVAL;
    }
    if (result == 0 && copy_to_guest(guest_request, &request) != 0) {
        return -XEN_EFAULT;
    }
    return result;
}
