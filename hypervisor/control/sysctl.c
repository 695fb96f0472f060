/* SPDX-License-Identifier: MIT */
/*
 * sysctl: the machine, its CPUs, its domains and the core's log.
 */
#include "guest-pv-headers/sysctl.h"

#include "hypervisor/control/control.h"
#include "hypervisor/drivers/console.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/mm/page.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/time/clock.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/percpu.h"
#include "hypervisor/x86/smp.h"

#define LOG_PIECE     256u
#define KEYS_LIMIT    64u
#define LEAF_TOPOLOGY 0xbu
#define ONLY_POOL     0u
#define FEATURE_WORDS 19u

static long read_log(struct xen_sysctl *op)
{
    struct xen_sysctl_readconsole *wish = &op->u.readconsole;
    uint32_t position = wish->incremental != 0 ? wish->index : console_log_oldest(), done = 0;

    while (done < wish->count) {
        char piece[LOG_PIECE];
        size_t size = console_log_read(&position, piece, MIN(LOG_PIECE, wish->count - done));

        if (size == 0) {
            break;
        }
        if (raw_copy_to_guest(wish->buffer + done, piece, size) != 0) {
            return -XEN_EFAULT;
        }
        done += (uint32_t)size;
    }
    if (wish->clear != 0) {
        console_log_clear();
    }
    wish->count = done;
    wish->index = position;
    return 0;
}

static long press_keys(struct xen_sysctl *op)
{
    const struct xen_sysctl_debug_keys *wish = &op->u.debug_keys;
    char keys[KEYS_LIMIT];

    if (wish->nr_keys > KEYS_LIMIT) {
        return -XEN_E2BIG;
    }
    if (raw_copy_from_guest(keys, wish->keys, wish->nr_keys) != 0) {
        return -XEN_EFAULT;
    }
    for (uint32_t i = 0; i < wish->nr_keys; i++) {
        debug_key(keys[i]);
    }
    return 0;
}

/* --- the machine --- */

/* The CPU's place by its APIC id, of which the CPU that asks knows how it is made up. */
static struct xen_sysctl_cputopo place_of(unsigned int cpu)
{
    struct cpuid_regs threads = { 0, 0, 0, 0 }, cores = { 0, 0, 0, 0 };
    unsigned int core_shift, socket_shift;

    if (cpuid(0, 0).eax >= LEAF_TOPOLOGY) {
        threads = cpuid(LEAF_TOPOLOGY, 0);
        cores = cpuid(LEAF_TOPOLOGY, 1);
    }
    core_shift = threads.eax & 31;
    socket_shift = MAX(cores.eax & 31, core_shift);
    return (struct xen_sysctl_cputopo){
        .core = (cpus[cpu].apic_id >> core_shift) & ((1u << (socket_shift - core_shift)) - 1),
        .socket = cpus[cpu].apic_id >> socket_shift,
    };
}

static long machine_info(struct xen_sysctl *op)
{
    struct xen_sysctl_physinfo *info = &op->u.physinfo;
    struct xen_sysctl_cputopo first = place_of(0);
    uint32_t in_socket = 0;

    *info = (struct xen_sysctl_physinfo){
        .nr_cpus = cpu_count,
        .max_cpu_id = cpu_count - 1,
        .nr_nodes = 1,
        .cpu_khz = (uint32_t)(clock_tsc_hz() / 1000),
        .capabilities =
            XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_gnttab_v1 | XEN_SYSCTL_PHYSCAP_gnttab_v2,
        .total_pages = heap_total_count(),
        .free_pages = heap_free_count(),
        .max_mfn = frame_limit - 1,
    };
    for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
        struct xen_sysctl_cputopo place = place_of(cpu);

        in_socket += place.socket == first.socket ? 1 : 0;
        info->threads_per_core += place.socket == first.socket && place.core == first.core ? 1 : 0;
    }
    info->cores_per_socket = in_socket / info->threads_per_core; /* NOLINT: CPU 0 is counted */
    cpu_policy_features(info->hw_cap, ARRAY_SIZE(info->hw_cap));
    return 0;
}

/* Without an array: how many there are; else as many as there is room for. */
static long topology(struct xen_sysctl *op)
{
    struct xen_sysctl_cputopoinfo *wish = &op->u.cputopoinfo;
    bool asked = guest_address(wish->cputopo) != 0;

    wish->num_cpus = asked ? MIN(wish->num_cpus, cpu_count) : cpu_count;
    for (unsigned int cpu = 0; asked && cpu < wish->num_cpus; cpu++) {
        struct xen_sysctl_cputopo place = place_of(cpu);

        if (copy_to_guest(wish->cputopo + cpu, &place) != 0) {
            return -XEN_EFAULT;
        }
    }
    return 0;
}

/* Likewise. */
static long nodes(struct xen_sysctl *op)
{
    static const uint32_t distance = 10; /* to itself, as ACPI's SLIT has it */
    struct xen_sysctl_numainfo *wish = &op->u.numainfo;
    struct xen_sysctl_meminfo memory = { heap_total_count() << PAGE_SHIFT, heap_free_count()
                                                                               << PAGE_SHIFT };
    bool memory_asked = guest_address(wish->meminfo) != 0;
    bool distance_asked = guest_address(wish->distance) != 0;

    wish->num_nodes = memory_asked || distance_asked ? MIN(wish->num_nodes, 1u) : 1;
    if (wish->num_nodes == 0) {
        return 0;
    }
    if ((memory_asked && copy_to_guest(wish->meminfo, &memory) != 0) ||
        (distance_asked && copy_to_guest(wish->distance, &distance) != 0)) {
        return -XEN_EFAULT;
    }
    return 0;
}

static long idle_times(struct xen_sysctl *op)
{
    struct xen_sysctl_getcpuinfo *wish = &op->u.getcpuinfo;

    wish->nr_cpus = MIN(wish->max_cpus, cpu_count);
    for (unsigned int cpu = 0; cpu < wish->nr_cpus; cpu++) {
        struct xen_sysctl_cpuinfo info = { sched_idle_ns(cpu) };

        if (copy_to_guest(wish->info + cpu, &info) != 0) {
            return -XEN_EFAULT;
        }
    }
    return 0;
}

static long free_memory(struct xen_sysctl *op)
{
    if (op->u.availheap.min_bitwidth != 0 || op->u.availheap.max_bitwidth != 0) {
        return -XEN_EOPNOTSUPP;
    }
    op->u.availheap.avail_bytes = heap_free_count() << PAGE_SHIFT;
    return op->u.availheap.node <= 0 ? 0 : -XEN_EINVAL;
}

/* --- domains --- */

static long list_domains(struct xen_sysctl *op)
{
    struct xen_sysctl_getdomaininfolist *wish = &op->u.getdomaininfolist;
    struct xen_domctl_getdomaininfo info;
    domid_t id = wish->first_domain;
    struct domain *domain;
    uint32_t count = 0;

    while (count < wish->max_domains && (domain = domain_find_next(id)) != NULL) {
        control_domain_info(domain, &info);
        domain_put(domain);
        if (copy_to_guest(wish->buffer + count, &info) != 0) {
            return -XEN_EFAULT;
        }
        id = (domid_t)(info.domain + 1);
        count++;
        /* What is due goes first; the list is one answer all the same. */
        (void)preempt_pending();
    }
    wish->num_domains = count;
    return 0;
}

static long cpu_pool(struct xen_sysctl *op)
{
    struct xen_sysctl_cpupool_op *wish = &op->u.cpupool_op;
    static const struct cpumask none;

    switch (wish->op) {
    case XEN_SYSCTL_CPUPOOL_OP_INFO:
        if (wish->cpupool_id != ONLY_POOL) {
            return -XEN_ENOENT;
        }
        wish->sched_id = XEN_SCHEDULER_CREDIT2;
        wish->n_dom = domain_count();
        return control_give_cpus(&wish->cpumap, &cpus_online);
    case XEN_SYSCTL_CPUPOOL_OP_FREEINFO:
        return control_give_cpus(&wish->cpumap, &none);
    default:
        return -XEN_EOPNOTSUPP;
    }
}

static long scheduler_id(struct xen_sysctl *op)
{
    op->u.sched_id.sched_id = XEN_SCHEDULER_CREDIT2;
    return 0;
}

static long scheduler_params(struct xen_sysctl *op)
{
    struct xen_sysctl_scheduler_op *wish = &op->u.scheduler_op;

    if (wish->cpupool_id != ONLY_POOL) {
        return -XEN_ESRCH;
    }
    if (wish->sched_id != XEN_SCHEDULER_CREDIT2) {
        return -XEN_EINVAL;
    }
    if (wish->cmd == XEN_SYSCTL_SCHEDOP_getinfo) {
        wish->u.sched_credit2.ratelimit_us = 0; /* a vCPU may be preempted at once */
        return 0;
    }
    return wish->u.sched_credit2.ratelimit_us == 0 ? 0 : -XEN_EOPNOTSUPP;
}

/* --- CPU features --- */

static long features(struct xen_sysctl *op)
{
    struct xen_sysctl_cpu_featureset *wish = &op->u.cpu_featureset;
    uint32_t words[FEATURE_WORDS], room = wish->nr_features;

    switch (wish->index) {
    case XEN_SYSCTL_cpu_featureset_host:
    case XEN_SYSCTL_cpu_featureset_pv:
    case XEN_SYSCTL_cpu_featureset_pv_max:
        break;
    default:
        return -XEN_EOPNOTSUPP;
    }
    wish->nr_features = FEATURE_WORDS;
    if (guest_address(wish->features) == 0) {
        return 0;
    }
    cpu_policy_features(words, FEATURE_WORDS);
    if (copy_array_to_guest(wish->features, words, MIN(room, FEATURE_WORDS)) != 0) {
        return -XEN_EFAULT;
    }
    return room < FEATURE_WORDS ? -XEN_ENOBUFS : 0;
}

static long policy(struct xen_sysctl *op)
{
    struct xen_sysctl_cpu_policy *wish = &op->u.cpu_policy;
    bool only_size = guest_address(wish->leaves) == 0 && guest_address(wish->msrs) == 0;

    if (wish->index != XEN_SYSCTL_cpu_policy_host && wish->index != XEN_SYSCTL_cpu_policy_pv_max &&
        wish->index != XEN_SYSCTL_cpu_policy_pv_default &&
        (wish->index != XEN_SYSCTL_cpu_policy_raw || !only_size)) {
        return -XEN_EOPNOTSUPP;
    }
    return control_give_policy(&cpu_policy_host, &wish->nr_leaves, wish->leaves, &wish->nr_msrs,
                               wish->msrs);
}

static long levelling(struct xen_sysctl *op)
{
    op->u.cpu_levelling_caps.caps = 0;
    return 0;
}

/* --- the table: every command gives its request back --- */

static long (*const rows[])(struct xen_sysctl *op) = {
    [XEN_SYSCTL_readconsole] = read_log,
    [XEN_SYSCTL_physinfo] = machine_info,
    [XEN_SYSCTL_sched_id] = scheduler_id,
    [XEN_SYSCTL_getdomaininfolist] = list_domains,
    [XEN_SYSCTL_debug_keys] = press_keys,
    [XEN_SYSCTL_getcpuinfo] = idle_times,
    [XEN_SYSCTL_availheap] = free_memory,
    [XEN_SYSCTL_cputopoinfo] = topology,
    [XEN_SYSCTL_numainfo] = nodes,
    [XEN_SYSCTL_cpupool_op] = cpu_pool,
    [XEN_SYSCTL_scheduler_op] = scheduler_params,
    [XEN_SYSCTL_get_cpu_levelling_caps] = levelling,
    [XEN_SYSCTL_get_cpu_featureset] = features,
    [XEN_SYSCTL_get_cpu_policy] = policy,
};

long hypercall_sysctl(uint64_t request)
{
    struct xen_sysctl __guest *place = guest_pointer(struct xen_sysctl, request);
    struct xen_sysctl op;
    long result;

    if (copy_from_guest(&op, (const struct xen_sysctl __guest *)place) != 0) {
        return -XEN_EFAULT;
    }
    if (op.interface_version != XEN_SYSCTL_INTERFACE_VERSION) {
        return -XEN_EACCES;
    }
    if (op.cmd >= ARRAY_SIZE(rows)) {
        return -XEN_ENOSYS;
    }
    if (rows[op.cmd] == NULL) {
        return -XEN_EOPNOTSUPP;
    }
    result = rows[op.cmd](&op);
    /* Too little room: the number that was needed. */
    if ((result == 0 || result == -XEN_ENOBUFS) && copy_to_guest(place, &op) != 0) {
        return -XEN_EFAULT;
    }
    return result;
}
