/* SPDX-License-Identifier: MIT */
/*
 * domctl: the table of its commands, and those on a domain as a whole.
 *
 * Who changes a domain has it alone meanwhile (domain_change_begin()): two
 * toolstacks, or one that destroys what another builds, cannot meet half way.
 */
#include "hypervisor/control/control.h"
#include "hypervisor/domain/io_permissions.h"
#include "hypervisor/event/event.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/mm/page_type.h"
#include "hypervisor/pv/hypercall_page.h"
#include "hypervisor/time/vcpu_time.h"
#include "hypervisor/x86/percpu.h"

#define PAUSE_LIMIT      255u
#define FRAME_INFO_LIMIT 1024u
#define GUEST_BITS       64u
#define ALL_FLAGS        (XEN_DOMCTL_CDF_MAX * 2 - 1)

/* --- making, stopping and ending domains --- */

static int grant_limit(int32_t wanted, uint32_t *limit)
{
    *limit = wanted == -1 ? 0 : (uint32_t)wanted;
    return wanted == 0 ? -XEN_EOPNOTSUPP : 0;
}

static int take_config(const struct xen_domctl_createdomain *wish, struct domain_config *config)
{
    uint32_t version = XEN_DOMCTL_GRANT_version(wish->grant_opts);
    int error;

    if ((wish->flags & ~ALL_FLAGS) != 0 || wish->arch.misc_flags > XEN_X86_MISC_FLAGS_MAX ||
        version == 0 || wish->grant_opts > 2) {
        return -XEN_EINVAL;
    }
    if ((wish->flags & ~XEN_DOMCTL_CDF_oos_off) != 0 || wish->iommu_opts != 0 ||
        wish->vmtrace_size != 0 || wish->cpupool_id != 0 || wish->arch.misc_flags != 0 ||
        (wish->arch.emulation_flags & ~XEN_X86_EMU_PIT) != 0) {
        return -XEN_EOPNOTSUPP;
    }
    *config = (struct domain_config){
        .max_vcpus = wish->max_vcpus,
        .max_event_port = wish->max_evtchn_port,
        .grants_v1_only = version == 1,
        .ssidref = wish->ssidref,
    };
    memcpy(config->handle, wish->handle, sizeof(config->handle));
    error = grant_limit(wish->max_grant_frames, &config->max_grant_frames);
    return error != 0 ? error : grant_limit(wish->max_maptrack_frames, &config->max_track_frames);
}

static long create(struct domain *nobody, struct xen_domctl *op)
{
    bool any = op->domain == 0 || op->domain >= DOMID_FIRST_RESERVED;
    struct domain_config config;
    struct domain *domain;
    int error = take_config(&op->u.createdomain, &config);

    (void)nobody;
    while (error == 0) {
        domid_t id = any ? domain_free_id() : op->domain;

        if (id == DOMID_INVALID) {
            return -XEN_ENOSPC;
        }
        error = domain_create(id, &config, &domain);
        if (error == 0) {
            op->domain = id;
            break;
        }
        /* Somebody was faster. */
        error = any && error == -XEN_EEXIST ? 0 : error;
    }
    return error;
}

static long destroy(struct domain *domain, struct xen_domctl *op)
{
    (void)op;
    return domain_kill(domain);
}

static long pause(struct domain *domain, struct xen_domctl *op)
{
    (void)op;
    if (domain == current->domain) {
        return -XEN_EINVAL;
    }
    if (domain->control_pauses == PAUSE_LIMIT) {
        return -XEN_EBUSY;
    }
    domain->control_pauses++;
    domain_pause(domain);
    return 0;
}

static long unpause(struct domain *domain, struct xen_domctl *op)
{
    (void)op;
    if (domain->control_pauses == 0) {
        return -XEN_EINVAL;
    }
    domain->control_pauses--;
    domain->has_run = true;
    domain_unpause(domain);
    return 0;
}

static long resume(struct domain *domain, struct xen_domctl *op)
{
    (void)op;
    if (domain == current->domain) {
        return -XEN_EINVAL;
    }
    domain_pause(domain); /* until then the one that stopped it may be at it yet */
    domain_resume(domain);
    domain_unpause(domain);
    return 0;
}

static long set_handle(struct domain *domain, struct xen_domctl *op)
{
    memcpy(domain->handle, op->u.setdomainhandle.handle, sizeof(domain->handle));
    return 0;
}

static uint32_t state_flags(const struct domain *domain)
{
    bool shut = atomic_load(&domain->shutting_down);
    uint32_t code = read_once(domain->shutdown_code);

    shut = shut && code != SHUTDOWN_CODE_NONE; /* which is set a moment later */
    return (atomic_load(&domain->state) == DOMAIN_DEAD ? XEN_DOMINF_dying : 0) |
           (shut ? XEN_DOMINF_shutdown : 0) |
           (domain->control_pauses != 0 ? XEN_DOMINF_paused : 0) |
           ((shut ? code : UINT8_MAX) & XEN_DOMINF_shutdownmask) << XEN_DOMINF_shutdownshift;
}

void control_domain_info(const struct domain *domain, struct xen_domctl_getdomaininfo *info)
{
    uint32_t activity = XEN_DOMINF_blocked;
    const struct vcpu *vcpu;

    memset(info, 0, sizeof(*info));
    info->max_vcpu_id = XEN_INVALID_MAX_VCPU_ID;
    FOR_EACH_VCPU(domain, vcpu)
    {
        uint32_t blocked = atomic_load(&vcpu->blocked);
        struct vcpu_runstate_info state;

        vcpu_time_runstate_get(vcpu, &state);
        info->cpu_time += state.time[RUNSTATE_running];
        info->max_vcpu_id = vcpu->id;
        if ((blocked & VCPU_DOWN) != 0) {
            continue;
        }
        info->nr_online_vcpus++;
        activity &= blocked != 0 ? ~0u : ~XEN_DOMINF_blocked;
        activity |= atomic_load(&vcpu->running) ? XEN_DOMINF_running : 0;
    }
    info->domain = domain->id;
    info->flags = state_flags(domain) | (info->nr_online_vcpus != 0 ? activity : 0);
    info->tot_pages = domain->pages;
    info->max_pages = MIN(domain->max_pages, (uint64_t)UINT32_MAX);
    info->shared_info_frame = direct_map_frame(domain->shared_info).number;
    info->ssidref = domain->ssidref;
    memcpy(info->handle, domain->handle, sizeof(info->handle));
}

/* Of the first domain from op->domain on. */
static long get_info(struct domain *nobody, struct xen_domctl *op)
{
    struct domain *domain = domain_find_next(op->domain);

    (void)nobody;
    if (domain == NULL) {
        return -XEN_ESRCH;
    }
    control_domain_info(domain, &op->u.getdomaininfo);
    op->domain = domain->id;
    domain_put(domain);
    return 0;
}

/* --- memory --- */

static long set_max_memory(struct domain *domain, struct xen_domctl *op)
{
    spin_lock(&domain->page_lock);
    domain->max_pages = MIN(op->u.max_mem.max_memkb >> 2, (uint64_t)UINT32_MAX);
    spin_unlock(&domain->page_lock);
    return 0;
}

static uint32_t frame_info(const struct domain *domain, mfn_t frame)
{
    uint64_t use;

    if (!frame_valid(frame) || page_owner(page_of(frame)) != domain->id) {
        return XEN_DOMCTL_PFINFO_XTAB;
    }
    use = atomic_load(&page_of(frame)->use);
    if (page_use_state(use) != PAGE_IN_USE || page_use_type(use) > PAGE_L4) {
        return XEN_DOMCTL_PFINFO_NOTAB;
    }
    return (uint32_t)page_use_type(use) << XEN_DOMCTL_PFINFO_LTAB_SHIFT |
           ((use & PAGE_USE_PINNED) != 0 ? XEN_DOMCTL_PFINFO_LPINTAB : 0);
}

static long get_frame_info(struct domain *domain, struct xen_domctl *op)
{
    xen_pfn_t __guest *array = op->u.getpageframeinfo3.array;

    if (op->u.getpageframeinfo3.num > FRAME_INFO_LIMIT) {
        return -XEN_E2BIG;
    }
    for (uint64_t i = 0; i < op->u.getpageframeinfo3.num; i++) {
        xen_pfn_t number;

        if (copy_from_guest(&number, (const xen_pfn_t __guest *)(array + i)) != 0) {
            return -XEN_EFAULT;
        }
        number = frame_info(domain, mfn(number));
        if (copy_to_guest(array + i, &number) != 0) {
            return -XEN_EFAULT;
        }
    }
    return 0;
}

static long set_address_size(struct domain *domain, struct xen_domctl *op)
{
    (void)domain;
    return op->u.address_size.size == GUEST_BITS ? 0 : -XEN_EOPNOTSUPP;
}

static long get_address_size(struct domain *domain, struct xen_domctl *op)
{
    (void)domain;
    op->u.address_size.size = GUEST_BITS;
    return 0;
}

/* There is one node. */
static long set_nodes(struct domain *domain, struct xen_domctl *op)
{
    struct cpumask nodes;
    int error = control_take_cpus(&nodes, &op->u.nodeaffinity.nodemap);

    (void)domain;
    return error != 0 ? error : cpumask_has(&nodes, 0) ? 0 : -XEN_EINVAL;
}

static long get_nodes(struct domain *domain, struct xen_domctl *op)
{
    const struct cpumask nodes = { { 1 } };

    (void)domain;
    return control_give_cpus(&op->u.nodeaffinity.nodemap, &nodes);
}

static long hypercall_init(struct domain *domain, struct xen_domctl *op)
{
    mfn_t frame = mfn(op->u.hypercall_init.gmfn);

    return frame_valid(frame) ? hypercall_page_write(domain, maddr_of_mfn(frame).byte)
                              : -XEN_EINVAL;
}

/* --- devices: nobody gives away what he has not got --- */

static long permit(struct domain *domain, enum io_kind kind, uint64_t first, uint64_t count,
                   bool allow)
{
    uint64_t last = first + count - 1;

    if (count == 0 || last < first) {
        return -XEN_EINVAL;
    }
    return io_permitted(current->domain, kind, first, last)
               ? io_permit(domain, kind, first, last, allow)
               : -XEN_EPERM;
}

static long permit_ports(struct domain *domain, struct xen_domctl *op)
{
    const struct xen_domctl_ioport_permission *wish = &op->u.ioport_permission;
    uint64_t first = wish->first_port, count = wish->nr_ports;

    return first + count > IO_PORTS
               ? -XEN_EINVAL
               : permit(domain, IO_PORT, first, count, wish->allow_access != 0);
}

static long permit_frames(struct domain *domain, struct xen_domctl *op)
{
    const struct xen_domctl_iomem_permission *wish = &op->u.iomem_permission;

    return permit(domain, IO_FRAME, wish->first_mfn, wish->nr_mfns, wish->allow_access != 0);
}

static long permit_irq(struct domain *domain, struct xen_domctl *op)
{
    const struct xen_domctl_irq_permission *wish = &op->u.irq_permission;

    return permit(domain, IO_IRQ, wish->pirq, 1, wish->allow_access != 0);
}

static long set_virq_handler(struct domain *domain, struct xen_domctl *op)
{
    return event_set_virq_handler(domain, op->u.set_virq_handler.virq);
}

static long set_time_offset(struct domain *domain, struct xen_domctl *op)
{
    domain->time_offset_seconds = op->u.settimeoffset.time_offset_seconds;
    domain_wall_clock_publish(domain);
    return 0;
}

/* --- the table --- */

#define NOBODY 0x1u /* not about a domain that exists */
#define LOOK   0x2u /* changes nothing */
#define ENDING 0x4u /* also of a domain that is being destroyed */
#define OUT    0x8u /* the request goes back to the caller, with what was wrong with it */

static const struct row {
    domctl_function *function;
    uint32_t flags;
} rows[] = {
    [XEN_DOMCTL_createdomain] = { create, NOBODY | OUT },
    [XEN_DOMCTL_destroydomain] = { destroy, ENDING },
    [XEN_DOMCTL_pausedomain] = { pause, ENDING },
    [XEN_DOMCTL_unpausedomain] = { unpause, ENDING },
    [XEN_DOMCTL_resumedomain] = { resume, 0 },
    [XEN_DOMCTL_getdomaininfo] = { get_info, NOBODY | OUT },
    [XEN_DOMCTL_setdomainhandle] = { set_handle, 0 },
    [XEN_DOMCTL_max_mem] = { set_max_memory, 0 },
    [XEN_DOMCTL_getpageframeinfo3] = { get_frame_info, LOOK },
    [XEN_DOMCTL_set_address_size] = { set_address_size, 0 },
    [XEN_DOMCTL_get_address_size] = { get_address_size, LOOK | OUT },
    [XEN_DOMCTL_setnodeaffinity] = { set_nodes, 0 },
    [XEN_DOMCTL_getnodeaffinity] = { get_nodes, LOOK },
    [XEN_DOMCTL_hypercall_init] = { hypercall_init, 0 },
    [XEN_DOMCTL_ioport_permission] = { permit_ports, 0 },
    [XEN_DOMCTL_iomem_permission] = { permit_frames, 0 },
    [XEN_DOMCTL_irq_permission] = { permit_irq, 0 },
    [XEN_DOMCTL_set_virq_handler] = { set_virq_handler, 0 },
    [XEN_DOMCTL_settimeoffset] = { set_time_offset, 0 },
    [XEN_DOMCTL_max_vcpus] = { domctl_max_vcpus, 0 },
    [XEN_DOMCTL_setvcpucontext] = { domctl_set_context, 0 },
    [XEN_DOMCTL_getvcpucontext] = { domctl_get_context, 0 },
    [XEN_DOMCTL_getvcpuinfo] = { domctl_vcpu_info, LOOK | OUT },
    [XEN_DOMCTL_setvcpuaffinity] = { domctl_affinity, 0 },
    [XEN_DOMCTL_getvcpuaffinity] = { domctl_affinity, LOOK },
    [XEN_DOMCTL_scheduler_op] = { domctl_scheduler, OUT },
    [XEN_DOMCTL_sendtrigger] = { domctl_send_trigger, 0 },
    [XEN_DOMCTL_get_cpu_policy] = { domctl_get_policy, OUT },
    [XEN_DOMCTL_set_cpu_policy] = { domctl_set_policy, OUT },
    [XEN_DOMCTL_gettscinfo] = { domctl_get_tsc, LOOK | OUT },
    [XEN_DOMCTL_settscinfo] = { domctl_set_tsc, 0 },
    [XEN_DOMCTL_set_paging_mempool_size] = { NULL, 0 }, /* the last number there is */
};

static long carry_out(const struct row *row, struct domain *domain, struct xen_domctl *op)
{
    long result = -XEN_ESRCH;

    if ((row->flags & (NOBODY | LOOK)) != 0) {
        return row->function(domain, op);
    }
    if (!domain_change_begin(domain)) {
        return -XEN_ERESTART;
    }
    if ((row->flags & ENDING) != 0 || !domain_is_dying(domain)) {
        result = row->function(domain, op);
    }
    domain_change_end(domain);
    return result;
}

long hypercall_domctl(uint64_t request)
{
    struct xen_domctl __guest *place = guest_pointer(struct xen_domctl, request);
    struct domain *domain = NULL;
    const struct row *row;
    struct xen_domctl op;
    long result;

    if (copy_from_guest(&op, (const struct xen_domctl __guest *)place) != 0) {
        return -XEN_EFAULT;
    }
    if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION) {
        return -XEN_EACCES;
    }
    if (op.cmd >= ARRAY_SIZE(rows)) {
        return -XEN_ENOSYS;
    }
    row = &rows[op.cmd];
    if (row->function == NULL) {
        return -XEN_EOPNOTSUPP;
    }
    /* Where the answer has no place, nothing is done. */
    if ((row->flags & OUT) != 0 && copy_to_guest(place, &op) != 0) {
        return -XEN_EFAULT;
    }
    if ((row->flags & NOBODY) == 0) {
        domain = domain_find(op.domain);
        if (domain == NULL) {
            return -XEN_ESRCH;
        }
    }
    result = carry_out(row, domain, &op);
    domain_put(domain);
    if (result == -XEN_ERESTART) {
        return hypercall_continue(__HYPERVISOR_domctl, 1, request, 0, 0, 0);
    }
    return (row->flags & OUT) != 0 && copy_to_guest(place, &op) != 0 ? -XEN_EFAULT : result;
}
