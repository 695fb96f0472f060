/* SPDX-License-Identifier: MIT */
/* A hypervisor in this process: see fake_xen.h. */
#include "tests/fake/fake_xen.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest-pv-headers/event_channel.h"
#include "guest-pv-headers/memory.h"
#include "guest-pv-headers/version.h"
#include "guest-pv-headers/xen.h"
#include "tests/fake/fake_lock.h"

#define GRANTS_FIRST 1u                      /* frames of grant tables, one a domain */
#define SHARED_FIRST (1u + FAKE_XEN_DOMAINS) /* frames of shared infos */
#define FREE_FIRST   512u                    /* what is for guests begins on an extent */
#define POISON       0xa5

static struct fake_domain domains[FAKE_XEN_DOMAINS];
static uint8_t owner[FAKE_XEN_FRAMES]; /* 0: free */
static int memory_fd = -1;
static uint8_t *memory;
static unsigned long countdown;
static int countdown_code;
static bool failed;
static unsigned long large_extents;
static uint64_t frames_taken;
static uint32_t next_domain;
static bool count_on;
static bool hold_dying;
static unsigned int leaks;
static unsigned long steps; /* until the caller dies; 0: it lives on */
static bool dead;

bool fake_xen_step(void)
{
    if (steps != 0 && --steps == 0) {
        dead = true;
    }
    return dead;
}

void fake_xen_kill(unsigned long number)
{
    steps = number;
    dead = false;
}

static bool fails_now(void)
{
    if (fake_xen_step()) {
        countdown_code = -EIO;
        errno = EIO;
        return true;
    }
    if (countdown == 0 || --countdown != 0) {
        return false;
    }
    failed = true;
    errno = -countdown_code;
    return true;
}

void fake_xen_reset(void)
{
    if (memory == NULL) {
        memory_fd = memfd_create("fake-machine", MFD_CLOEXEC);
        if (ftruncate(memory_fd, (off_t)FAKE_XEN_FRAMES * PRIVCMD_PAGE) < 0) {
            abort();
        }
        memory = mmap(NULL, (size_t)FAKE_XEN_FRAMES * PRIVCMD_PAGE, PROT_READ | PROT_WRITE,
                      MAP_SHARED, memory_fd, 0);
    }
    memset(domains, 0, sizeof(domains));
    memset(owner, 0, sizeof(owner));
    domains[0] = (struct fake_domain){ .exists = true, .vcpus = 1, .pages = 16384 };
    countdown = 0;
    failed = false;
    large_extents = ~0UL;
    frames_taken = 0;
    next_domain = 1;
    count_on = false;
    hold_dying = false;
    leaks = 0;
    fake_xen_kill(0);
}

struct fake_domain *fake_xen_domain(uint32_t domid)
{
    return &domains[domid];
}

void *fake_xen_memory(uint64_t mfn)
{
    return memory + mfn * PRIVCMD_PAGE;
}

void *fake_xen_grants(uint32_t domid)
{
    return fake_xen_memory(GRANTS_FIRST + domid);
}

void fake_xen_fail(unsigned long number, int code)
{
    countdown = number;
    countdown_code = code;
    failed = false;
}

bool fake_xen_failed(void)
{
    return failed;
}

void fake_xen_set_large_extents(unsigned long count)
{
    large_extents = count;
}

void fake_xen_set_free(uint64_t frames)
{
    frames_taken = FAKE_XEN_FRAMES - FREE_FIRST - frames;
}

void fake_xen_count_on(void)
{
    count_on = true;
}

void fake_xen_hold_dying(bool hold)
{
    hold_dying = hold;
}

unsigned int fake_xen_domains(void)
{
    unsigned int count = 0;

    for (unsigned int i = 1; i < FAKE_XEN_DOMAINS; i++) {
        count += domains[i].exists;
    }
    return count;
}

unsigned int fake_xen_leaks(void)
{
    return leaks;
}

static uint64_t free_frames(void)
{
    uint64_t used = frames_taken;

    for (unsigned int i = 1; i < FAKE_XEN_DOMAINS; i++) {
        used += domains[i].pages;
    }
    return FAKE_XEN_FRAMES - FREE_FIRST - used;
}

/* The interface. */

int privcmd_open(struct privcmd *privcmd, struct vmctl_error *error)
{
    FAKE_LOCKED;
    if (fails_now()) {
        return vmctl_fail(error, countdown_code, "fake: open");
    }
    *privcmd = (struct privcmd){ .fd = 0, .buffer_fd = 0, .scratch = calloc(1, PRIVCMD_PAGE) };
    leaks += privcmd->scratch != NULL;
    return privcmd->scratch != NULL ? 0 : vmctl_fail(error, -ENOMEM, "fake: no memory");
}

void privcmd_close(struct privcmd *privcmd)
{
    FAKE_LOCKED;
    leaks -= privcmd->scratch != NULL;
    free(privcmd->scratch);
    *privcmd = PRIVCMD_CLOSED;
}

void *privcmd_buffer(struct privcmd *privcmd, size_t size)
{
    FAKE_LOCKED;
    void *buffer;

    (void)privcmd;
    buffer = fails_now() ? NULL : calloc(1, size);
    leaks += buffer != NULL;
    return buffer;
}

void privcmd_buffer_free(struct privcmd *privcmd, void *buffer, size_t size)
{
    FAKE_LOCKED;
    (void)privcmd;
    (void)size;
    leaks -= buffer != NULL;
    free(buffer);
}

static bool may_map(uint32_t domid, uint64_t frame)
{
    return domid < FAKE_XEN_DOMAINS && domains[domid].exists && frame < FAKE_XEN_FRAMES &&
           (owner[frame] == domid || frame == SHARED_FIRST + domid);
}

static void *map_frames(const uint64_t *frames, size_t count)
{
    uint8_t *pages =
        mmap(NULL, count * PRIVCMD_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    for (size_t i = 0; i < count; i++) {
        if (mmap(pages + i * PRIVCMD_PAGE, PRIVCMD_PAGE, PROT_READ | PROT_WRITE,
                 MAP_SHARED | MAP_FIXED, memory_fd,
                 (off_t)(frames[i] * PRIVCMD_PAGE)) == MAP_FAILED) {
            abort();
        }
    }
    leaks++;
    return pages;
}

void *privcmd_map_foreign(struct privcmd *privcmd, uint32_t domid, int prot, const uint64_t *frames,
                          size_t count, struct vmctl_error *error)
{
    FAKE_LOCKED;
    (void)privcmd;
    (void)prot;
    if (fails_now()) {
        vmctl_fail(error, countdown_code, "fake: map");
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (!may_map(domid, frames[i])) {
            vmctl_fail(error, -EINVAL, "fake: frame %llx is not of domain %u",
                       (unsigned long long)frames[i], domid);
            return NULL;
        }
    }
    return map_frames(frames, count);
}

void *privcmd_map_resource(struct privcmd *privcmd, const struct privcmd_resource *resource,
                           struct vmctl_error *error)
{
    FAKE_LOCKED;
    uint64_t frame = GRANTS_FIRST + resource->domid;

    (void)privcmd;
    if (fails_now()) {
        vmctl_fail(error, countdown_code, "fake: map resource");
        return NULL;
    }
    return map_frames(&frame, 1);
}

void privcmd_unmap(void *pages, size_t count)
{
    FAKE_LOCKED;
    if (pages != NULL) {
        (void)munmap(pages, count * PRIVCMD_PAGE);
        leaks--;
    }
}

static int create(struct xen_domctl *request)
{
    for (uint32_t i = next_domain; i < FAKE_XEN_DOMAINS; i++) {
        if (!domains[i].exists) {
            next_domain = count_on ? i + 1 : 1;
            domains[i] = (struct fake_domain){ .exists = true, .pauses = 1 };
            memcpy(domains[i].uuid, request->u.createdomain.handle, sizeof(domains[i].uuid));
            memset(fake_xen_memory(GRANTS_FIRST + i), 0, PRIVCMD_PAGE);
            memset(fake_xen_memory(SHARED_FIRST + i), 0, PRIVCMD_PAGE);
            request->domain = (domid_t)i;
            return 0;
        }
    }
    return -ENOMEM;
}

static int destroy(uint32_t domid)
{
    for (uint32_t i = 0; i < FAKE_XEN_FRAMES; i++) {
        if (owner[i] == domid) {
            owner[i] = 0;
        }
    }
    domains[domid].pages = 0;
    domains[domid].dying = hold_dying;
    domains[domid].exists = hold_dying;
    return 0;
}

static void get_info(uint32_t domid, struct xen_domctl_getdomaininfo *info)
{
    const struct fake_domain *domain = &domains[domid];

    *info = (struct xen_domctl_getdomaininfo){
        .domain = (domid_t)domid,
        .flags = (domain->dying ? XEN_DOMINF_dying : 0U) |
                 (domain->pauses != 0 ? XEN_DOMINF_paused : XEN_DOMINF_running) |
                 domain->shutdown_flags,
        .tot_pages = domain->pages,
        .max_pages = domain->max_kib / 4,
        .shared_info_frame = SHARED_FIRST + domid,
        .nr_online_vcpus = domain->vcpus,
        .max_vcpu_id = domain->vcpus - 1,
    };
    memcpy(info->handle, domain->uuid, sizeof(domain->uuid));
}

/* Getting the information finds the next domain, where the one asked for is not. */
static int find_info(struct xen_domctl *request)
{
    for (uint32_t i = request->domain; i < FAKE_XEN_DOMAINS; i++) {
        if (domains[i].exists) {
            get_info(i, &request->u.getdomaininfo);
            return 0;
        }
    }
    return -ESRCH;
}

/* What only notes a value. */
static int set(struct fake_domain *domain, struct xen_domctl *request)
{
    const struct xen_domctl_vcpuaffinity *affinity = &request->u.vcpuaffinity;

    switch (request->cmd) {
    case XEN_DOMCTL_max_vcpus:
        domain->vcpus = request->u.max_vcpus.max;
        return 0;
    case XEN_DOMCTL_max_mem:
        domain->max_kib = request->u.max_mem.max_memkb;
        return 0;
    case XEN_DOMCTL_setvcpuaffinity:
        if ((*(const uint8_t *)affinity->cpumap_hard.bitmap & 3) == 0) {
            return -EINVAL; /* two CPUs */
        }
        if (affinity->vcpu == 0) {
            memcpy(domain->affinity, affinity->cpumap_hard.bitmap, sizeof(domain->affinity));
        }
        return 0;
    case XEN_DOMCTL_scheduler_op:
        if (request->u.scheduler_op.cmd == XEN_DOMCTL_SCHEDOP_putinfo) {
            domain->weight = request->u.scheduler_op.u.credit2.weight;
        }
        return 0;
    case XEN_DOMCTL_setdomainhandle:
        memcpy(domain->uuid, request->u.setdomainhandle.handle, sizeof(domain->uuid));
        return 0;
    case XEN_DOMCTL_settimeoffset:
        domain->time_offset = request->u.settimeoffset.time_offset_seconds;
        return 0;
    case XEN_DOMCTL_settscinfo:
        domain->tsc_mode = request->u.tsc_info.tsc_mode;
        return 0;
    case XEN_DOMCTL_hypercall_init:
        memset(fake_xen_memory(request->u.hypercall_init.gmfn), 0x0f, PRIVCMD_PAGE);
        return 0;
    case XEN_DOMCTL_setvcpucontext:
        domain->context = *request->u.vcpucontext.ctxt;
        domain->has_context = true;
        return 0;
    default:
        return -ENOSYS;
    }
}

int privcmd_domctl(struct privcmd *privcmd, struct xen_domctl *request)
{
    FAKE_LOCKED;
    struct fake_domain *domain = &domains[request->domain % FAKE_XEN_DOMAINS];

    (void)privcmd;
    if (fails_now()) {
        return countdown_code;
    }
    if (request->cmd == XEN_DOMCTL_createdomain) {
        return create(request);
    }
    if (request->cmd == XEN_DOMCTL_getdomaininfo) {
        return find_info(request);
    }
    if (request->domain >= FAKE_XEN_DOMAINS || !domain->exists) {
        return -ESRCH;
    }
    switch (request->cmd) {
    case XEN_DOMCTL_destroydomain:
        return destroy(request->domain);
    case XEN_DOMCTL_pausedomain:
        domain->pauses++;
        return 0;
    case XEN_DOMCTL_unpausedomain:
        if (domain->pauses == 0) {
            return -EINVAL;
        }
        domain->pauses--;
        return 0;
    default:
        return set(domain, request);
    }
}

static int list(struct xen_sysctl_getdomaininfolist *request)
{
    request->num_domains = 0;
    for (uint32_t i = request->first_domain;
         i < FAKE_XEN_DOMAINS && request->num_domains < request->max_domains; i++) {
        if (domains[i].exists) {
            get_info(i, &request->buffer[request->num_domains++]);
        }
    }
    return 0;
}

int privcmd_sysctl(struct privcmd *privcmd, struct xen_sysctl *request)
{
    FAKE_LOCKED;
    (void)privcmd;
    if (fails_now()) {
        return countdown_code;
    }
    switch (request->cmd) {
    case XEN_SYSCTL_getdomaininfolist:
        return list(&request->u.getdomaininfolist);
    case XEN_SYSCTL_readconsole: /* one byte was said */
        request->u.readconsole.count = request->u.readconsole.index == 0;
        request->u.readconsole.buffer[0] = '!';
        request->u.readconsole.index = 1;
        return 0;
    case XEN_SYSCTL_physinfo:
        request->u.physinfo.nr_cpus = 2;
        request->u.physinfo.max_cpu_id = 1;
        request->u.physinfo.total_pages = FAKE_XEN_FRAMES;
        request->u.physinfo.free_pages = free_frames();
        return 0;
    case XEN_SYSCTL_sched_id:
        request->u.sched_id.sched_id = XEN_SCHEDULER_CREDIT2;
        return 0;
    default:
        return -ENOSYS;
    }
}

/* A free, aligned run of frames; 0 if there is none. */
static uint64_t find_run(uint64_t size)
{
    for (uint64_t first = FREE_FIRST; first + size <= FAKE_XEN_FRAMES; first += size) {
        uint64_t i = 0;

        while (i < size && owner[first + i] == 0) {
            i++;
        }
        if (i == size) {
            return first;
        }
    }
    return 0;
}

static long populate(struct xen_memory_reservation *wish)
{
    uint64_t size = UINT64_C(1) << wish->extent_order;
    unsigned long done = 0;

    for (; done < wish->nr_extents; done++) {
        uint64_t first = 0;

        if (free_frames() >= size && (size == 1 || large_extents > 0)) {
            first = find_run(size);
        }
        if (first == 0) {
            break;
        }
        large_extents -= size > 1;
        memset(owner + first, wish->domid, size);
        /* Whoever relies on fresh memory being zero is found out. */
        memset(fake_xen_memory(first), POISON, size * PRIVCMD_PAGE);
        domains[wish->domid].pages += size;
        wish->extent_start[done] = first;
    }
    return (long)done;
}

static int set_map(const struct xen_foreign_memory_map *map)
{
    uint64_t entry[2];

    memcpy(entry, map->map.buffer, sizeof(entry));
    domains[map->domid].map_bytes = entry[1];
    return 0;
}

long privcmd_memory_op(struct privcmd *privcmd, unsigned int command, void *argument, size_t size)
{
    FAKE_LOCKED;
    struct xen_memory_reservation *wish = argument;

    (void)privcmd;
    (void)size;
    if (fails_now()) {
        return countdown_code;
    }
    switch (command) {
    case XENMEM_claim_pages:
        return wish->nr_extents > free_frames() ? -ENOMEM : 0;
    case XENMEM_populate_physmap:
        return populate(wish);
    case XENMEM_set_memory_map:
        return set_map(argument);
    default:
        return -ENOSYS;
    }
}

static long event_op(uint64_t command, struct evtchn_alloc_unbound *port)
{
    if (command != EVTCHNOP_alloc_unbound || !domains[port->dom].exists) {
        return -EINVAL;
    }
    port->port = ++domains[port->dom].ports;
    return 0;
}

static long mmu_op(const struct mmuext_op *op, uint64_t domid)
{
    if (op->cmd != MMUEXT_PIN_L4_TABLE || owner[op->arg1.mfn] != domid) {
        return -EINVAL;
    }
    domains[domid].pinned = op->arg1.mfn;
    return 0;
}

long privcmd_hypercall(struct privcmd *privcmd, unsigned int op, const uint64_t arguments[5])
{
    FAKE_LOCKED;
    if (fails_now()) {
        return countdown_code;
    }
    switch (op) {
    case __HYPERVISOR_event_channel_op:
        return event_op(arguments[0], privcmd->scratch);
    case __HYPERVISOR_mmuext_op:
        return mmu_op(privcmd->scratch, arguments[3]);
    case __HYPERVISOR_xen_version:
        return arguments[0] == XENVER_version ? 4 << 16 | 17 : 0;
    default:
        return -ENOSYS;
    }
}
