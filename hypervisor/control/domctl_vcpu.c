/* SPDX-License-Identifier: MIT */
/*
 * domctl: vCPUs, their contexts, CPUs and shares, and what CPUID tells them.
 */
#include "hypervisor/control/control.h"
#include "hypervisor/event/event.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/pv/context.h"
#include "hypervisor/pv/traps.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/time/clock.h"
#include "hypervisor/time/vcpu_time.h"
#include "hypervisor/x86/percpu.h"
#include "hypervisor/x86/smp.h"

#define BITMAP_LIMIT      65536u /* bits of a bitmap that is filled */
#define POLICY_ROOM       80u    /* leaves told */
#define POLICY_TAKE_LIMIT 256u   /* leaves taken in one request */
#define CAP_UNCHANGED     UINT16_MAX

int control_take_cpus(struct cpumask *to, const struct xenctl_bitmap *from)
{
    size_t size = MIN(DIV_ROUND_UP((size_t)from->nr_bits, 8), sizeof(to->bits));

    memset(to, 0, sizeof(*to));
    if (raw_copy_from_guest(to->bits, (const uint8_t __guest *)from->bitmap, size) != 0) {
        return -XEN_EFAULT;
    }
    for (unsigned int cpu = from->nr_bits; cpu < size * 8; cpu++) {
        cpumask_remove(to, cpu);
    }
    return 0;
}

int control_give_cpus(const struct xenctl_bitmap *to, const struct cpumask *from)
{
    size_t size = DIV_ROUND_UP((size_t)to->nr_bits, 8), known = MIN(size, sizeof(from->bits));
    struct cpumask shown = *from;

    if (to->nr_bits > BITMAP_LIMIT) {
        return -XEN_EINVAL;
    }
    for (unsigned int cpu = to->nr_bits; cpu < known * 8; cpu++) {
        cpumask_remove(&shown, cpu);
    }
    return guest_fault(raw_copy_to_guest(to->bitmap, shown.bits, known) +
                       raw_clear_guest(to->bitmap + known, size - known));
}

static struct vcpu *find_vcpu(const struct domain *domain, uint32_t id, long *error)
{
    *error = id < domain->max_vcpus ? -XEN_ESRCH : -XEN_EINVAL;
    return domain_vcpu(domain, id);
}

long domctl_max_vcpus(struct domain *domain, struct xen_domctl *op)
{
    if (op->u.max_vcpus.max != domain->max_vcpus) {
        return -XEN_EINVAL;
    }
    for (uint32_t id = 0; id < domain->max_vcpus; id++) {
        int error;

        if (domain->vcpu[id] != NULL) {
            continue;
        }
        error = vcpu_create(domain, id);
        if (error == 0 && preempt_pending()) {
            error = -XEN_ERESTART;
        }
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

/* The domain is paused for it: no vCPU of it is in the middle of doing the same. */
static long initialise(struct vcpu *vcpu, const struct vcpu_guest_context *context)
{
    long error;

    domain_pause(vcpu->domain);
    error = pv_vcpu_initialise(vcpu, context);
    if (error == 0 && (context->flags & VGCF_online) != 0) {
        atomic_fetch_and(&vcpu->blocked, ~VCPU_DOWN);
    }
    domain_unpause(vcpu->domain);
    return error;
}

long domctl_set_context(struct domain *domain, struct xen_domctl *op)
{
    const struct xen_domctl_vcpucontext *wish = &op->u.vcpucontext;
    struct vcpu_guest_context *context;
    long error;
    struct vcpu *vcpu = find_vcpu(domain, wish->vcpu, &error);

    if (vcpu == NULL) {
        return error;
    }
    if (guest_address(wish->ctxt) == 0) {
        return -XEN_EOPNOTSUPP; /* back to the state before any context */
    }
    /* One without a vcpu_info of its own could never be told of an event. */
    if (domain == current->domain || (vcpu->id >= LEGACY_VCPUS && vcpu->info_page == NULL)) {
        return -XEN_EINVAL;
    }
    context = heap_alloc(sizeof(*context));
    if (context == NULL) {
        return -XEN_ENOMEM;
    }
    error = copy_from_guest(context, (const struct vcpu_guest_context __guest *)wish->ctxt);
    if (error == 0) {
        error = initialise(vcpu, context);
    }
    if (error == 0) {
        /* Its builder has cleared the page that tells the time. */
        domain_wall_clock_publish(domain);
    }
    heap_free(context);
    return error;
}

long domctl_get_context(struct domain *domain, struct xen_domctl *op)
{
    const struct xen_domctl_vcpucontext *wish = &op->u.vcpucontext;
    struct vcpu_guest_context *context;
    long error;
    struct vcpu *vcpu = find_vcpu(domain, wish->vcpu, &error);

    if (vcpu == NULL) {
        return error;
    }
    if (domain == current->domain) {
        return -XEN_EINVAL;
    }
    if (!vcpu->initialised) {
        return -XEN_ENODATA;
    }
    context = heap_alloc(sizeof(*context));
    if (context == NULL) {
        return -XEN_ENOMEM;
    }
    domain_pause(domain);
    pv_vcpu_get_context(vcpu, context);
    domain_unpause(domain);
    error = copy_to_guest(wish->ctxt, context);
    heap_free(context);
    return error;
}

long domctl_vcpu_info(struct domain *domain, struct xen_domctl *op)
{
    struct xen_domctl_getvcpuinfo *info = &op->u.getvcpuinfo;
    struct vcpu_runstate_info state;
    uint32_t blocked;
    long error;
    const struct vcpu *vcpu = find_vcpu(domain, info->vcpu, &error);

    if (vcpu == NULL) {
        return error;
    }
    vcpu_time_runstate_get(vcpu, &state);
    blocked = atomic_load(&vcpu->blocked);
    *info = (struct xen_domctl_getvcpuinfo){
        .vcpu = vcpu->id,
        .online = (blocked & VCPU_DOWN) == 0,
        .blocked = (blocked & VCPU_BLOCKED) != 0,
        .running = atomic_load(&vcpu->running),
        .cpu_time = state.time[RUNSTATE_running],
        .cpu = vcpu->cpu,
    };
    return 0;
}

/* --- where vCPUs run, and how long --- */

static long change_affinity(struct vcpu *vcpu, const struct xen_domctl_vcpuaffinity *wish,
                            struct cpumask *hard, struct cpumask *soft)
{
    long error = 0;

    if ((wish->flags & XEN_VCPUAFFINITY_HARD) != 0) {
        error = control_take_cpus(hard, &wish->cpumap_hard);
    }
    if (error == 0 && (wish->flags & XEN_VCPUAFFINITY_SOFT) != 0) {
        error = control_take_cpus(soft, &wish->cpumap_soft);
    }
    if (error == 0) {
        error = sched_affinity_set(vcpu, hard, soft);
    }
    /* What comes of it. */
    *hard = cpumask_and(hard, &cpus_online);
    *soft = cpumask_and(soft, hard);
    return error;
}

long domctl_affinity(struct domain *domain, struct xen_domctl *op)
{
    const struct xen_domctl_vcpuaffinity *wish = &op->u.vcpuaffinity;
    struct cpumask hard, soft, old_hard, old_soft;
    bool set = op->cmd == XEN_DOMCTL_setvcpuaffinity;
    long error;
    struct vcpu *vcpu = find_vcpu(domain, wish->vcpu, &error);

    if (vcpu == NULL) {
        return error;
    }
    if ((wish->flags & (XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT)) == 0) {
        return -XEN_EINVAL;
    }
    sched_affinity_get(vcpu, &hard, &soft);
    old_hard = hard;
    old_soft = soft;
    error = set ? change_affinity(vcpu, wish, &hard, &soft) : 0;
    if (error == 0 && (wish->flags & XEN_VCPUAFFINITY_HARD) != 0) {
        error = control_give_cpus(&wish->cpumap_hard, &hard);
    }
    if (error == 0 && (wish->flags & XEN_VCPUAFFINITY_SOFT) != 0) {
        error = control_give_cpus(&wish->cpumap_soft, &soft);
    }
    if (set && error != 0) {
        (void)!sched_affinity_set(vcpu, &old_hard, &old_soft);
    } else if (set && (wish->flags & XEN_VCPUAFFINITY_FORCE) != 0) {
        (void)!sched_pin(vcpu, PINNED_NOWHERE); /* if it was */
    }
    return error;
}

long domctl_scheduler(struct domain *domain, struct xen_domctl *op)
{
    struct xen_domctl_sched_credit2 *wish = &op->u.scheduler_op.u.credit2;

    if (op->u.scheduler_op.sched_id != XEN_SCHEDULER_CREDIT2) {
        return -XEN_EINVAL;
    }
    switch (op->u.scheduler_op.cmd) {
    case XEN_DOMCTL_SCHEDOP_getinfo:
        wish->weight = (uint16_t)sched_weight(domain);
        wish->cap = 0;
        return 0;
    case XEN_DOMCTL_SCHEDOP_putinfo:
        if (wish->cap != 0 && wish->cap != CAP_UNCHANGED) {
            return -XEN_EOPNOTSUPP; /* not enforced, so not promised */
        }
        return wish->weight != 0 ? sched_set_weight(domain, wish->weight) : 0;
    default:
        return -XEN_EOPNOTSUPP;
    }
}

long domctl_send_trigger(struct domain *domain, struct xen_domctl *op)
{
    long error;
    struct vcpu *vcpu = find_vcpu(domain, op->u.sendtrigger.vcpu, &error);

    if (vcpu == NULL) {
        return error;
    }
    if (op->u.sendtrigger.trigger != XEN_DOMCTL_SENDTRIGGER_NMI) {
        return -XEN_EOPNOTSUPP;
    }
    pv_send_nmi(vcpu);
    vcpu_unblock(vcpu);
    return 0;
}

/* --- CPUID and the TSC --- */

/*
 * Toolstacks expect no fewer leaves than they make of them in the end: one for each
 * number in the range.  Those that are not in a policy read as 0, as leaf 3 does.
 */
int control_give_policy(const struct cpu_policy *policy, uint32_t *leaf_count,
                        struct xen_cpuid_leaf __guest *leaves, uint32_t *msr_count,
                        const struct xen_msr_entry __guest *msrs)
{
    static const struct xen_cpuid_leaf zero = { .leaf = 3, .subleaf = XEN_CPUID_NO_SUBLEAF };
    bool enough = *leaf_count >= POLICY_ROOM;
    int error;

    *msr_count = 0;
    *leaf_count = POLICY_ROOM;
    if (guest_address(leaves) == 0 && guest_address(msrs) == 0) {
        return 0;
    }
    if (!enough) {
        return -XEN_ENOBUFS;
    }
    error = copy_array_to_guest(leaves, policy->leaves, policy->count);
    for (uint32_t i = policy->count; error == 0 && i < POLICY_ROOM; i++) {
        error = copy_to_guest(leaves + i, &zero);
    }
    return error;
}

long domctl_get_policy(struct domain *domain, struct xen_domctl *op)
{
    struct xen_domctl_cpu_policy *wish = &op->u.cpu_policy;

    return control_give_policy(domain->cpu_policy, &wish->nr_leaves, wish->leaves, &wish->nr_msrs,
                               wish->msrs);
}

static long merge_policy(struct domain *domain, struct xen_domctl_cpu_policy *wish,
                         struct xen_cpuid_leaf *leaves)
{
    uint32_t bad;
    long error = copy_array_from_guest(leaves, (const struct xen_cpuid_leaf __guest *)wish->leaves,
                                       wish->nr_leaves);

    if (error != 0) {
        return error;
    }
    error = cpu_policy_merge(domain->cpu_policy, leaves, wish->nr_leaves, &bad);
    if (error != 0) {
        wish->err_leaf = leaves[bad].leaf;
        wish->err_subleaf = leaves[bad].subleaf;
    }
    return error;
}

long domctl_set_policy(struct domain *domain, struct xen_domctl *op)
{
    struct xen_domctl_cpu_policy *wish = &op->u.cpu_policy;
    struct xen_cpuid_leaf *leaves;
    struct xen_msr_entry msr;
    long error;

    if (domain->has_run || domain == current->domain) {
        return -XEN_EEXIST;
    }
    wish->err_leaf = wish->err_subleaf = wish->err_msr = XEN_CPUID_INPUT_UNUSED;
    if (wish->nr_leaves > POLICY_TAKE_LIMIT) {
        return -XEN_E2BIG;
    }
    if (wish->nr_msrs != 0) {
        error = copy_from_guest(&msr, (const struct xen_msr_entry __guest *)wish->msrs);
        wish->err_msr = error == 0 ? msr.idx : XEN_CPUID_INPUT_UNUSED;
        return error != 0 ? error : -XEN_EOPNOTSUPP;
    }
    if (wish->nr_leaves == 0) {
        return 0;
    }
    leaves = heap_alloc(wish->nr_leaves * sizeof(*leaves));
    if (leaves == NULL) {
        return -XEN_ENOMEM;
    }
    error = merge_policy(domain, wish, leaves);
    heap_free(leaves);
    return error;
}

static uint32_t tsc_khz(void)
{
    return (uint32_t)(clock_tsc_hz() / 1000);
}

long domctl_get_tsc(struct domain *domain, struct xen_domctl *op)
{
    op->u.tsc_info = (struct xen_domctl_tsc_info){
        .tsc_mode = domain->cpu_policy->tsc_mode,
        .gtsc_khz = tsc_khz(),
        .incarnation = domain->cpu_policy->tsc_incarnation,
        .elapsed_nsec = clock_now() - domain->created_ns,
    };
    return 0;
}

/* Guests read the machine's TSC: what would take emulation is refused. */
long domctl_set_tsc(struct domain *domain, struct xen_domctl *op)
{
    const struct xen_domctl_tsc_info *wish = &op->u.tsc_info;

    if (wish->tsc_mode != TSC_MODE_NEVER_EMULATE &&
        (wish->tsc_mode != TSC_MODE_DEFAULT ||
         (wish->gtsc_khz != 0 && wish->gtsc_khz != tsc_khz()))) {
        return -XEN_EOPNOTSUPP;
    }
    domain->cpu_policy->tsc_mode = wish->tsc_mode;
    domain->cpu_policy->tsc_incarnation = wish->incarnation;
    return 0;
}
