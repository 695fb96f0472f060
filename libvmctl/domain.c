/* SPDX-License-Identifier: MIT */
/* Control calls on one domain: see domain.h. */
#include "libvmctl/domain.h"

#include <errno.h>
#include <string.h>

#include "guest-pv-headers/event_channel.h"
#include "guest-pv-headers/memory.h"
#include "guest-pv-headers/xen.h"

/* Ports a guest can have: a disk or network device takes one or two. */
#define MAX_PORT 1023

/* What is allocated for a domain beyond what it sees as its memory. */
#define MEMORY_SLACK_KIB 1024

#define E820_RAM 1

struct e820_entry {
    uint64_t start;
    uint64_t size;
    uint32_t type;
};

/* The interface numbers are what must agree: say so rather than "permission denied". */
static const char *words_of(int code)
{
    switch (-code) {
    case EACCES:
        return "the hypervisor speaks another version of the control interface (wanted 4.17)";
    case ESRCH:
        return "there is no such domain";
    case EPERM:
        return "not permitted by the hypervisor";
    case ENOMEM:
        return "the hypervisor has too little free memory";
    default:
        return strerror(-code);
    }
}

static int call_failed(struct vmctl_error *error, int code, const char *doing)
{
    (void)vmctl_fail(error, code, "%s: %s", doing, words_of(code));
    if (code == -EACCES || code == -ENOMEM) {
        vmctl_error_reason(error, code == -ENOMEM ? VMCTL_NO_GUEST_MEMORY : VMCTL_UNSUPPORTED);
    }
    return code;
}

/* A domctl whose results nobody wants. */
static int simple(struct privcmd *privcmd, struct xen_domctl *request, const char *doing,
                  struct vmctl_error *error)
{
    int r = privcmd_domctl(privcmd, request);

    return r < 0 ? call_failed(error, r, doing) : 0;
}

static int set_max_memory(struct privcmd *privcmd, uint32_t domid, uint64_t kib,
                          struct vmctl_error *error)
{
    struct xen_domctl request = {
        .cmd = XEN_DOMCTL_max_mem,
        .domain = (domid_t)domid,
        .u.max_mem.max_memkb = kib + MEMORY_SLACK_KIB,
    };

    return simple(privcmd, &request, "setting the memory limit", error);
}

static int set_vcpus(struct privcmd *privcmd, uint32_t domid, uint32_t vcpus,
                     struct vmctl_error *error)
{
    struct xen_domctl request = {
        .cmd = XEN_DOMCTL_max_vcpus,
        .domain = (domid_t)domid,
        .u.max_vcpus.max = vcpus,
    };

    return simple(privcmd, &request, "making the vCPUs", error);
}

int domain_create(struct privcmd *privcmd, const struct domain_limits *limits, uint32_t *domid,
                  struct vmctl_error *error)
{
    struct xen_domctl request = { .cmd = XEN_DOMCTL_createdomain };
    struct xen_domctl_createdomain *wish = &request.u.createdomain;
    int r;

    memcpy(wish->handle, limits->uuid, sizeof(wish->handle));
    wish->max_vcpus = limits->vcpus;
    wish->max_evtchn_port = MAX_PORT;
    wish->max_grant_frames = -1;
    wish->max_maptrack_frames = -1;
    wish->grant_opts = XEN_DOMCTL_GRANT_version(2);
    r = privcmd_domctl(privcmd, &request);
    if (r < 0) {
        return call_failed(error, r, "making a domain");
    }
    *domid = request.domain;
    r = set_vcpus(privcmd, *domid, limits->vcpus, error);
    if (r == 0) {
        r = set_max_memory(privcmd, *domid, limits->memory_kib, error);
    }
    if (r < 0) {
        (void)domain_destroy(privcmd, *domid, NULL);
    }
    return r;
}

int domain_destroy(struct privcmd *privcmd, uint32_t domid, struct vmctl_error *error)
{
    struct xen_domctl request = { .cmd = XEN_DOMCTL_destroydomain, .domain = (domid_t)domid };
    int r;

    do {
        r = privcmd_domctl(privcmd, &request);
    } while (r == -EAGAIN || r == -EINTR);
    return r < 0 ? call_failed(error, r, "destroying the domain") : 0;
}

int domain_pause(struct privcmd *privcmd, uint32_t domid, struct vmctl_error *error)
{
    struct xen_domctl request = { .cmd = XEN_DOMCTL_pausedomain, .domain = (domid_t)domid };

    return simple(privcmd, &request, "pausing the domain", error);
}

int domain_unpause(struct privcmd *privcmd, uint32_t domid, struct vmctl_error *error)
{
    struct xen_domctl request = { .cmd = XEN_DOMCTL_unpausedomain, .domain = (domid_t)domid };

    return simple(privcmd, &request, "unpausing the domain", error);
}

int domain_info(struct privcmd *privcmd, uint32_t domid, struct xen_domctl_getdomaininfo *info,
                struct vmctl_error *error)
{
    struct xen_domctl request = { .cmd = XEN_DOMCTL_getdomaininfo, .domain = (domid_t)domid };
    int r = privcmd_domctl(privcmd, &request);

    if (r < 0) {
        return call_failed(error, r, "asking for the domain's state");
    }
    *info = request.u.getdomaininfo;
    return 0;
}

bool domain_exists(struct privcmd *privcmd, uint64_t domid)
{
    struct xen_domctl_getdomaininfo info;

    return domid < DOMID_FIRST_RESERVED &&
           domain_info(privcmd, (uint32_t)domid, &info, NULL) == 0 && info.domain == domid;
}

int domain_set_affinity(struct privcmd *privcmd, uint32_t domid, uint32_t vcpu,
                        const uint64_t *bits, size_t words, struct vmctl_error *error)
{
    size_t bytes = words * sizeof(*bits);
    uint8_t *map = privcmd_buffer(privcmd, bytes);
    struct xen_domctl request = {
        .cmd = XEN_DOMCTL_setvcpuaffinity,
        .domain = (domid_t)domid,
        .u.vcpuaffinity = {
            .vcpu = vcpu,
            .flags = XEN_VCPUAFFINITY_HARD,
            .cpumap_hard = { .bitmap = map, .nr_bits = (uint32_t)(bytes * 8) },
        },
    };
    int r;

    if (map == NULL) {
        return vmctl_fail(error, -ENOMEM, "no memory for a map of CPUs");
    }
    memcpy(map, bits, bytes);
    r = simple(privcmd, &request, "binding a vCPU to CPUs", error);
    privcmd_buffer_free(privcmd, map, bytes);
    return r;
}

int domain_set_weight(struct privcmd *privcmd, uint32_t domid, uint32_t weight,
                      struct vmctl_error *error)
{
    struct xen_sysctl scheduler = { .cmd = XEN_SYSCTL_sched_id };
    struct xen_domctl request = {
        .cmd = XEN_DOMCTL_scheduler_op,
        .domain = (domid_t)domid,
        .u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo,
    };
    struct xen_domctl_scheduler_op *op = &request.u.scheduler_op;
    int r = privcmd_sysctl(privcmd, &scheduler);

    if (r < 0) {
        return call_failed(error, r, "asking for the scheduler");
    }
    op->sched_id = scheduler.u.sched_id.sched_id;
    r = simple(privcmd, &request, "asking for the domain's CPU share", error);
    if (r < 0) {
        return r;
    }
    /* credit and credit2 have the weight in the same place, and the cap behind it. */
    op->u.credit2.weight = (uint16_t)weight;
    op->cmd = XEN_DOMCTL_SCHEDOP_putinfo;
    return simple(privcmd, &request, "setting the domain's CPU share", error);
}

int domain_set_time_offset(struct privcmd *privcmd, uint32_t domid, int64_t seconds,
                           struct vmctl_error *error)
{
    struct xen_domctl request = {
        .cmd = XEN_DOMCTL_settimeoffset,
        .domain = (domid_t)domid,
        .u.settimeoffset.time_offset_seconds = seconds,
    };

    return simple(privcmd, &request, "setting the clock's offset", error);
}

int domain_set_native_tsc(struct privcmd *privcmd, uint32_t domid, struct vmctl_error *error)
{
    struct xen_domctl request = {
        .cmd = XEN_DOMCTL_settscinfo,
        .domain = (domid_t)domid,
        .u.tsc_info.tsc_mode = 2,
    };
    int r = privcmd_domctl(privcmd, &request);

    /* A hypervisor that knows no other way need not offer the choice. */
    if (r == -EOPNOTSUPP || r == -ENOSYS) {
        return 0;
    }
    return r < 0 ? call_failed(error, r, "setting the mode of the time-stamp counter") : 0;
}

int domain_fill_hypercall_page(struct privcmd *privcmd, uint32_t domid, uint64_t frame,
                               struct vmctl_error *error)
{
    struct xen_domctl request = {
        .cmd = XEN_DOMCTL_hypercall_init,
        .domain = (domid_t)domid,
        .u.hypercall_init.gmfn = frame,
    };

    return simple(privcmd, &request, "filling the hypercall page", error);
}

int domain_alloc_port(struct privcmd *privcmd, uint32_t domid, struct vmctl_error *error)
{
    struct evtchn_alloc_unbound port = { .dom = (domid_t)domid, .remote_dom = 0 };
    const uint64_t arguments[5] = { EVTCHNOP_alloc_unbound, (uint64_t)(uintptr_t)privcmd->scratch };
    long r =
        privcmd_call_with(privcmd, __HYPERVISOR_event_channel_op, arguments, &port, sizeof(port));

    return r < 0 ? call_failed(error, (int)r, "making an event channel") : (int)port.port;
}

int domain_set_context(struct privcmd *privcmd, uint32_t domid, uint32_t vcpu,
                       struct vcpu_guest_context *context, struct vmctl_error *error)
{
    struct xen_domctl request = {
        .cmd = XEN_DOMCTL_setvcpucontext,
        .domain = (domid_t)domid,
        .u.vcpucontext = { .vcpu = vcpu, .ctxt = context },
    };

    return simple(privcmd, &request, "setting the first vCPU's registers", error);
}

int domain_claim(struct privcmd *privcmd, uint32_t domid, uint64_t pages, struct vmctl_error *error)
{
    struct xen_memory_reservation claim = { .nr_extents = pages, .domid = (domid_t)domid };
    long r = privcmd_memory_op(privcmd, XENMEM_claim_pages, &claim, sizeof(claim));

    if (r == -EOPNOTSUPP || r == -ENOSYS) {
        return 0;
    }
    return r < 0 ? call_failed(error, (int)r, "setting memory aside") : 0;
}

long domain_populate(struct privcmd *privcmd, uint32_t domid, uint64_t *extents, size_t count,
                     unsigned int order)
{
    struct xen_memory_reservation wish = {
        .extent_start = extents,
        .nr_extents = count,
        .extent_order = order,
        .domid = (domid_t)domid,
    };

    return privcmd_memory_op(privcmd, XENMEM_populate_physmap, &wish, sizeof(wish));
}

int domain_set_memory_map(struct privcmd *privcmd, uint32_t domid, uint64_t bytes, void *buffer,
                          struct vmctl_error *error)
{
    struct xen_foreign_memory_map map = {
        .domid = (domid_t)domid,
        .map = { .nr_entries = 1, .buffer = buffer },
    };
    struct e820_entry ram = { .start = 0, .size = bytes, .type = E820_RAM };
    long r;

    memcpy(buffer, &ram, sizeof(ram));
    r = privcmd_memory_op(privcmd, XENMEM_set_memory_map, &map, sizeof(map));
    return r < 0 ? call_failed(error, (int)r, "setting the memory map") : 0;
}

int domain_pin_l4(struct privcmd *privcmd, uint32_t domid, uint64_t frame,
                  struct vmctl_error *error)
{
    struct mmuext_op pin = { .cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = frame };
    const uint64_t arguments[5] = { (uint64_t)(uintptr_t)privcmd->scratch, 1, 0, domid };
    long r = privcmd_call_with(privcmd, __HYPERVISOR_mmuext_op, arguments, &pin, sizeof(pin));

    return r < 0 ? call_failed(error, (int)r, "having the page tables accepted") : 0;
}

int domain_physinfo(struct privcmd *privcmd, struct xen_sysctl_physinfo *info,
                    struct vmctl_error *error)
{
    struct xen_sysctl request = { .cmd = XEN_SYSCTL_physinfo };
    int r = privcmd_sysctl(privcmd, &request);

    if (r < 0) {
        return call_failed(error, r, "asking about the machine");
    }
    *info = request.u.physinfo;
    return 0;
}

int domain_list(struct privcmd *privcmd, uint32_t first, struct xen_domctl_getdomaininfo *buffer,
                size_t room, struct vmctl_error *error)
{
    struct xen_sysctl request = {
        .cmd = XEN_SYSCTL_getdomaininfolist,
        .u.getdomaininfolist = {
            .first_domain = (domid_t)first,
            .max_domains = (uint32_t)room,
            .buffer = buffer,
        },
    };
    int r = privcmd_sysctl(privcmd, &request);

    if (r < 0) {
        return call_failed(error, r, "asking for the domains");
    }
    return (int)request.u.getdomaininfolist.num_domains;
}
