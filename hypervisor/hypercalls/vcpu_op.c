/* SPDX-License-Identifier: MIT */
/*
 * vcpu_op: a domain's own vCPUs.
 *
 * The timer, by far the most frequent, is looked for first.
 */

#include "hypervisor/pv/context.h"
#include "hypervisor/pv/traps.h"

#include "guest-pv-headers/sched.h"
#include "hypervisor/domain/vcpu_info.h"
#include "hypervisor/event/event.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/time/vcpu_time.h"
#include "hypervisor/x86/smp.h"

static long initialise(struct vcpu *vcpu, uint64_t argument)
{
    struct vcpu_guest_context *context;
    long error;

    /* One without a vcpu_info of its own could never be told of an event. */
    if (vcpu->id >= LEGACY_VCPUS && vcpu->info_page == NULL) {
        return -XEN_EINVAL;
    }
    context = heap_alloc(sizeof(*context));
    if (context == NULL) {
        return -XEN_ENOMEM;
    }
    error = get_argument(context, argument);
    if (error == 0) {
        /* Another vCPU, or the toolstack, may be at it: then again, after what is due. */
        error = -XEN_ERESTART;
        if (domain_change_begin(vcpu->domain)) {
            error = pv_vcpu_initialise(vcpu, context);
            domain_change_end(vcpu->domain);
        }
    }
    heap_free(context);
    return error;
}

static long up(struct vcpu *vcpu)
{
    struct domain *domain = vcpu->domain;
    long error = 0;

    spin_lock(&domain->lock);
    if (!vcpu->initialised) {
        error = -XEN_EINVAL;
    } else {
        atomic_fetch_and(&vcpu->blocked, ~VCPU_DOWN);
    }
    spin_unlock(&domain->lock);
    if (error == 0) {
        sched_wake(vcpu);
    }
    return error;
}

static bool is_down(const struct vcpu *vcpu)
{
    return (atomic_load(&vcpu->blocked) & VCPU_DOWN) != 0;
}

static long down(struct vcpu *vcpu)
{
    struct domain *domain = vcpu->domain;
    const struct vcpu *other;
    bool last = true;

    spin_lock(&domain->lock);
    FOR_EACH_VCPU(domain, other)
    {
        last = last && (other == vcpu || is_down(other));
    }
    if (!last) {
        atomic_fetch_or(&vcpu->blocked, VCPU_DOWN);
    }
    spin_unlock(&domain->lock);
    if (last) {
        /* Nobody would be left to bring one up again. */
        domain_shutdown(domain, SHUTDOWN_poweroff);
    } else {
        sched_sleep(vcpu);
    }
    return 0;
}

static long register_runstate(struct vcpu *vcpu, uint64_t argument)
{
    struct vcpu_register_runstate_memory_area area;
    long error = get_argument(&area, argument);

    return error != 0 ? error : vcpu_time_register_runstate(vcpu, area.addr.p);
}

static long set_periodic(struct vcpu *vcpu, uint64_t argument)
{
    struct vcpu_set_periodic_timer set;
    long error = get_argument(&set, argument);

    return error != 0 ? error : vcpu_time_set_periodic(vcpu, set.period_ns);
}

static long set_singleshot(struct vcpu *vcpu, uint64_t argument)
{
    struct vcpu_set_singleshot_timer set;
    long error = get_argument(&set, argument);

    return error != 0 ? error : vcpu_time_set_singleshot(vcpu, set.timeout_abs_ns, set.flags);
}

static long register_info(struct vcpu *vcpu, uint64_t argument)
{
    struct vcpu_register_vcpu_info place;
    long error = get_argument(&place, argument);

    if (error == 0) {
        error = vcpu_info_register(vcpu, place.mfn, place.offset);
    }
    if (error == 0) {
        vcpu_time_publish(vcpu);
        events_vcpu_info_moved(vcpu);
    }
    return error;
}

static long send_nmi(struct vcpu *vcpu, uint64_t argument)
{
    if (argument != 0) {
        return -XEN_EINVAL;
    }
    pv_send_nmi(vcpu);
    vcpu_unblock(vcpu);
    return 0;
}

static long get_physid(struct vcpu *vcpu, uint64_t argument)
{
    unsigned int cpu = sched_pinned_cpu(vcpu);
    struct vcpu_get_physid id;

    if (!vcpu->domain->privileged || cpu == CPU_LIMIT) {
        return -XEN_EINVAL;
    }
    id.phys_id = cpus[cpu].apic_id | ((uint64_t)cpus[cpu].acpi_id << 32);
    return put_argument(argument, &id);
}

static long register_clock(struct vcpu *vcpu, uint64_t argument)
{
    struct vcpu_register_time_memory_area area;
    long error = get_argument(&area, argument);

    return error != 0 ? error : vcpu_time_register_clock(vcpu, area.addr.p);
}

/* All commands but the one that hypercall_vcpu_op() carries out itself. */
static long vcpu_command(struct vcpu *vcpu, uint64_t command, uint64_t argument)
{
    switch (command) {
    case VCPUOP_initialise:
        return initialise(vcpu, argument);
    case VCPUOP_up:
        return up(vcpu);
    case VCPUOP_down:
        return down(vcpu);
    case VCPUOP_is_up:
        return !is_down(vcpu);
    case VCPUOP_register_runstate_memory_area:
        return register_runstate(vcpu, argument);
    case VCPUOP_set_periodic_timer:
        return set_periodic(vcpu, argument);
    case VCPUOP_stop_periodic_timer:
        return vcpu_time_stop_periodic(vcpu);
    case VCPUOP_set_singleshot_timer: /* this and the next: of one's own alone */
        return -XEN_EINVAL;
    case VCPUOP_stop_singleshot_timer:
        return vcpu != current ? -XEN_EINVAL : vcpu_time_stop_singleshot(vcpu);
    case VCPUOP_register_vcpu_info:
        return register_info(vcpu, argument);
    case VCPUOP_send_nmi:
        return send_nmi(vcpu, argument);
    case VCPUOP_get_physid:
        return get_physid(vcpu, argument);
    case VCPUOP_register_vcpu_time_memory_area:
        return register_clock(vcpu, argument);
    default:
        return -XEN_ENOSYS;
    }
}

/* Not inline: what it needs of the stack and of registers is no concern of the hot ones. */
static __attribute__((noinline)) long other_command(struct vcpu *vcpu, uint64_t command,
                                                    uint64_t argument)
{
    long result = vcpu_command(vcpu, command, argument);

    if (result == -XEN_ERESTART) {
        return hypercall_continue(__HYPERVISOR_vcpu_op, 3, command, vcpu->id, argument, 0);
    }
    return result;
}

long hypercall_vcpu_op(uint64_t command, uint64_t vcpu_id, uint64_t argument)
{
    struct vcpu *caller = current, *vcpu;

    command = (uint32_t)command;
    vcpu_id = (uint32_t)vcpu_id;
    if (likely(command == VCPUOP_set_singleshot_timer && vcpu_id == caller->id)) {
        return set_singleshot(caller, argument);
    }
    vcpu = domain_vcpu(caller->domain, vcpu_id);
    if (vcpu == NULL) {
        return -XEN_ENOENT;
    }
    if (command == VCPUOP_get_runstate_info) {
        return vcpu_time_runstate_tell(vcpu, argument);
    }
    return other_command(vcpu, command, argument);
}
