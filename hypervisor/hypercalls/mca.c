/* SPDX-License-Identifier: MIT */
/*
 * mca: machine checks, for the control domain.
 *
 * The core keeps no records: a machine check it cannot survive is reported on
 * the console and stops the machine.  So dom0 learns the CPUs' identities here
 * and finds that there is nothing to fetch.
 */
#include "guest-pv-headers/mca.h"
#include "hypervisor/domain/domain.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/features.h"
#include "hypervisor/x86/smp.h"

#define MSR_MCG_CAP 0x179u

/* Of the CPU that asks; only the numbers differ between CPUs of one machine. */
static struct mcinfo_logical_cpu describe_cpu(uint32_t cpu)
{
    struct cpu_identity identity = cpu_identify();
    struct cpuid_regs model = cpuid(1, 0);
    struct mcinfo_logical_cpu info = {
        .mc_cpunr = cpu,
        .mc_apicid = cpus[cpu].apic_id,
        .mc_coreid = (uint16_t)cpu,
        .mc_ncores = cpu_count,
        .mc_ncores_active = cpu_count,
        .mc_nthreads = 1,
        .mc_cpuid_level = (int32_t)cpuid(0, 0).eax,
        .mc_family = identity.family,
        .mc_model = identity.model,
        .mc_step = identity.stepping,
        .mc_cpu_caps = { [MC_CAPS_STD_EDX] = model.edx, [MC_CAPS_STD_ECX] = model.ecx },
        .mc_cache_alignment = ((model.ebx >> 8) & 255) * 8,
        .mc_msrvalues[0].reg = MSR_MCG_CAP,
    };

    memcpy(info.mc_vendorid, identity.vendor, sizeof(identity.vendor));
    info.mc_nmsrvals = read_msr_safe(MSR_MCG_CAP, &info.mc_msrvalues[0].value);
    return info;
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
        struct mcinfo_logical_cpu info = describe_cpu(cpu);

        if (count == request->ncpus) {
            break;
        }
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
    uint32_t urgency = request->flags & ~(uint32_t)XEN_MC_ACK;

    if (urgency != XEN_MC_NONURGENT && urgency != XEN_MC_URGENT) {
        return -XEN_EINVAL;
    }
    if ((request->flags & XEN_MC_ACK) != 0) {
        request->flags = XEN_MC_OK;
    } else {
        request->flags = XEN_MC_NODATA;
        request->fetch_id = 0;
    }
    return 0;
}

long hypercall_mca(uint64_t argument)
{
    struct xen_mc request;
    long result;

    if (get_argument(&request, argument) != 0) {
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
    return result == 0 ? put_argument(argument, &request) : result;
}
