/* SPDX-License-Identifier: MIT */
/*
 * No event and no wake-up is lost: after each step nobody waits for what has come.
 * Ports and flags are in the guest's own memory.  A vCPU whose flags a guest may have
 * written is excused until it has run again, and the ports of its domain are not looked
 * at any more.
 */
#include "tests/attack/world.h"

#include "hypervisor/event/channels.h"
#include "hypervisor/sched/vcpu_sched.h"
#include "hypervisor/time/clock.h"

#define EXCUSED 64u
#define LATE_NS 1000000u /* reading the clock takes time here */

static const struct vcpu *excused[EXCUSED];
static unsigned int excused_count;
static uint64_t spoiled; /* a bit for each domain */

static bool is_excused(const struct vcpu *vcpu)
{
    for (unsigned int i = 0; i < excused_count; i++) {
        if (excused[i] == vcpu) {
            return true;
        }
    }
    return excused_count == EXCUSED;
}

static void excuse(const struct domain *domain)
{
    const struct vcpu *vcpu;

    spoiled |= UINT64_C(1) << domain->id % 64;
    FOR_EACH_VCPU(domain, vcpu)
    {
        if (!is_excused(vcpu)) {
            excused[excused_count++] = vcpu;
        }
    }
}

static void excuse_no_more(const struct vcpu *vcpu)
{
    for (unsigned int i = 0; i < excused_count; i++) {
        if (excused[i] == vcpu) {
            excused[i] = excused[--excused_count];
            return;
        }
    }
}

/* Are there events of the domain's in this frame? */
static bool has_events(const struct domain *domain, const struct page *page)
{
    const struct fifo *fifo = domain->events == NULL ? NULL : domain->events->fifo;
    const struct vcpu *vcpu;

    if (direct_map_frame(domain->shared_info).number == page_frame(page).number) {
        return true;
    }
    FOR_EACH_VCPU(domain, vcpu)
    {
        if (vcpu->info_page == page ||
            (vcpu->events != NULL && vcpu->events->control_page == page)) {
            return true;
        }
    }
    for (unsigned int i = 0; fifo != NULL && i < fifo->pages; i++) {
        if (fifo->page[i] == page_address(page)) {
            return true;
        }
    }
    return false;
}

void waits_written(uint64_t frame)
{
    const struct page *page = page_of(mfn(frame));
    struct domain *domain = domain_find(page_owner(page));

    if (domain != NULL && has_events(domain, page)) {
        excuse(domain);
    }
    domain_put(domain);
}

void waits_unknown(void)
{
    struct domain *domain;

    for (unsigned int id = 0; (domain = domain_find_next((domid_t)id)) != NULL; id++) {
        id = domain->id;
        excuse(domain);
        domain_put(domain);
    }
}

/*
 * A guest may give the same page for several of these: then the core's own writes to one
 * are noise in the others.
 */
static bool pages_apart(const struct domain *domain)
{
    static struct page *pages[EXCUSED];
    const struct fifo *fifo = domain->events == NULL ? NULL : domain->events->fifo;
    unsigned int count = 0;
    const struct vcpu *vcpu;

    for (unsigned int i = 0; fifo != NULL && i < fifo->pages && count < EXCUSED; i++) {
        pages[count++] = page_of(direct_map_frame(fifo->page[i]));
    }
    FOR_EACH_VCPU(domain, vcpu)
    {
        if (vcpu->info_page != NULL && count < EXCUSED) {
            pages[count++] = vcpu->info_page;
        }
        if (vcpu->events != NULL && vcpu->events->control_page != NULL && count < EXCUSED) {
            pages[count++] = vcpu->events->control_page;
        }
    }
    for (unsigned int i = 0; i < count; i++) {
        for (unsigned int j = 0; j < i; j++) {
            if (pages[i] == pages[j]) {
                return false;
            }
        }
    }
    return count < EXCUSED;
}

static void check_event(const struct vcpu *vcpu)
{
    uint32_t blocked = atomic_load(&vcpu->blocked), port = atomic_load(&vcpu->poll_port);
    bool loaded = machine_cpu_of(vcpu) != CPUS;
    const char *what = NULL;

    if ((blocked & VCPU_POLLING) != 0) {
        if (event_upcall_due(vcpu)) {
            what = "polls, and an upcall is due";
        } else if (port != 0 && event_port_pending(vcpu->domain, port) == 1) {
            what = "polls for a port that is pending";
        }
    } else if ((blocked & VCPU_BLOCKED) != 0) {
        if (vcpu->info->evtchn_upcall_pending != 0) {
            what = "is blocked, and an event is pending";
        }
    } else if (loaded && event_upcall_due(vcpu)) {
        what = "runs and was not told of its event";
    }
    if (what == NULL) {
        excuse_no_more(vcpu);
    } else if (!is_excused(vcpu)) {
        finding("d%uv%u %s", vcpu->domain->id, vcpu->id, what);
    }
}

/* Each level says that there is something in the one below. */
static void check_two_level(const struct domain *domain)
{
    const struct shared_info *shared = domain->shared_info;
    const struct vcpu *vcpu;
    uint64_t selected = 0;

    FOR_EACH_VCPU(domain, vcpu)
    {
        selected |= vcpu->info->evtchn_pending_sel;
        if (vcpu->info->evtchn_pending_sel != 0 && vcpu->info->evtchn_upcall_pending == 0) {
            finding("d%uv%u has events, and no upcall is pending", domain->id, vcpu->id);
        }
    }
    for (unsigned int i = 0; i < 64; i++) {
        uint64_t due = shared->evtchn_pending[i] & ~shared->evtchn_mask[i];

        if (due != 0 && (selected >> i & 1) == 0) {
            finding("domain %u: of ports from %u on %lx are pending, and not selected", domain->id,
                    i * 64, due);
        }
    }
}

static void check_fifo(const struct domain *domain)
{
    static uint32_t pages_known[64];
    uint32_t *pages = &pages_known[domain->id % 64];
    const struct event_channels *events = domain->events;
    const struct vcpu *vcpu;

    FOR_EACH_VCPU(domain, vcpu)
    {
        if (vcpu->events->control_page != NULL && vcpu->events->control->ready != 0 &&
            vcpu->info->evtchn_upcall_pending == 0) {
            finding("d%uv%u has events, and no upcall is pending", domain->id, vcpu->id);
        }
    }
    for (uint32_t port = 1; port < MIN(events->limit, events->fifo->pages * WORDS_PER_PAGE);
         port++) {
        bool lost = port_bit(domain, port, EVTCHN_FIFO_PENDING) &&
                    !port_bit(domain, port, EVTCHN_FIFO_MASKED) &&
                    !port_bit(domain, port, EVTCHN_FIFO_LINKED);

        if (lost && port / WORDS_PER_PAGE >= *pages) {
            excuse(domain); /* it was in the page when the guest gave it */
            break;
        }
        if (lost || (channel_at(events, port)->queue & CHANNEL_DEFERRED) != 0) {
            finding("domain %u: port %u is pending, and in no queue", domain->id, port);
        }
    }
    *pages = events->fifo->pages;
}

static void check_ports(const struct domain *domain)
{
    if ((spoiled >> domain->id % 64 & 1) != 0 || domain->events == NULL ||
        domain_is_dying(domain)) {
        return;
    }
    if (domain->events->fifo == NULL) {
        check_two_level(domain);
    } else {
        check_fifo(domain);
    }
}

/* Who may run runs, or waits where all is busy; who may not does not. */
static void check_run(const struct vcpu *vcpu)
{
    bool loaded = machine_cpu_of(vcpu) != CPUS, queued = vcpu->sched->queued;

    if (vcpu_runnable(vcpu) != (loaded || queued) || (loaded && queued)) {
        finding("d%uv%u is %srunnable, %sloaded and %squeued", vcpu->domain->id, vcpu->id,
                vcpu_runnable(vcpu) ? "" : "not ", loaded ? "" : "not ", queued ? "" : "not ");
    }
    if (queued && machine_vcpu_on(vcpu->cpu)->is_idle) {
        finding("d%uv%u waits for CPU %u, which is idle", vcpu->domain->id, vcpu->id, vcpu->cpu);
    }
}

static void check_timer(const struct timer *timer, const struct domain *domain, const char *what)
{
    uint64_t now = clock_now();

    if (timer->armed && timer->deadline < now && now - timer->deadline > LATE_NS) {
        finding("domain %u: its %s is late by %lu ns", domain->id, what, now - timer->deadline);
    }
}

static void check_domain(const struct domain *domain)
{
    const struct vcpu *vcpu;
    uint32_t polling = 0;

    if (!pages_apart(domain)) {
        excuse(domain);
    }
    FOR_EACH_VCPU(domain, vcpu)
    {
        check_event(vcpu);
        check_run(vcpu);
        check_timer(&vcpu->sched->poll_timer, domain, "poll's end");
        polling += (atomic_load(&vcpu->blocked) & VCPU_POLLING) != 0;
    }
    check_ports(domain);
    for (unsigned int i = 0; i < ARRAY_SIZE(domain->watchdog); i++) {
        check_timer(&domain->watchdog[i], domain, "watchdog");
    }
    if (polling != domain->poll_count) {
        finding("domain %u: %u vCPUs poll, %u are counted", domain->id, polling,
                domain->poll_count);
    }
}

void waits_check(void)
{
    struct domain *domain;

    for (unsigned int id = 0; (domain = domain_find_next((domid_t)id)) != NULL; id++) {
        id = domain->id;
        check_domain(domain);
        domain_put(domain);
    }
}
