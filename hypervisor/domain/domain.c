/* SPDX-License-Identifier: MIT */
/*
 * Domains: found, made, paused, shut down, crashed.  Their end is in
 * domain/destroy.c.
 *
 * References: one for being in the table, one while it owns frames, and those of
 * domain_find().
 */
#include "hypervisor/domain/domain.h"

#include "guest-pv-headers/errno.h"
#include "guest-pv-headers/sched.h"
#include "hypervisor/domain/destroy.h"
#include "hypervisor/domain/io_permissions.h"
#include "hypervisor/drivers/console.h"
#include "hypervisor/drivers/reset.h"
#include "hypervisor/event/event.h"
#include "hypervisor/grant/grant.h"
#include "hypervisor/lib/log.h"
#include "hypervisor/lib/printf.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/mm/page_type.h"
#include "hypervisor/pv/cpu_policy.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/time/clock.h"
#include "hypervisor/time/vcpu_time.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/fpu.h"
#include "hypervisor/x86/panic_dump.h"
#include "hypervisor/x86/percpu.h"

#include <stdarg.h>

struct domain *dom0;

static struct spinlock domain_list_lock = SPINLOCK_INIT(RANK_DOMAIN_LIST);
static struct domain *domains[DOMAIN_LIMIT];
static uint64_t ids_used[DIV_ROUND_UP(DOMAIN_LIMIT, 64u)]; /* a bit for each in the table */
static uint32_t domains_listed;

/* One more reference, unless the last one is gone already: then there is no such domain. */
static struct domain *tryget(struct domain *domain)
{
    uint32_t old;

    if (domain == NULL) {
        return NULL;
    }
    old = atomic_load_explicit(&domain->references, memory_order_relaxed);
    do {
        if (old == 0) {
            return NULL;
        }
    } while (!atomic_compare_exchange_weak_explicit(&domain->references, &old, old + 1,
                                                    memory_order_relaxed, memory_order_relaxed));
    return domain;
}

struct domain *domain_find(domid_t id)
{
    struct domain *domain = NULL;

    if (id < DOMAIN_LIMIT) {
        spin_lock(&domain_list_lock);
        domain = tryget(domains[id]);
        spin_unlock(&domain_list_lock);
    }
    return domain;
}

struct domain *domain_find_or_self(domid_t id)
{
    return domain_find(id == DOMID_SELF ? current->domain->id : id);
}

/* The first id from here on that is used, or is not; DOMAIN_LIMIT if there is none. */
static unsigned int next_id(unsigned int from, bool used) REQUIRES(domain_list_lock)
{
    uint64_t mask = ~UINT64_C(0) << from % 64;

    for (unsigned int i = from / 64; i < ARRAY_SIZE(ids_used); i++) {
        uint64_t bits = (used ? ids_used[i] : ~ids_used[i]) & mask;

        if (bits != 0) {
            return MIN(i * 64 + (unsigned int)__builtin_ctzll(bits), DOMAIN_LIMIT);
        }
        mask = ~UINT64_C(0);
    }
    return DOMAIN_LIMIT;
}

struct domain *domain_find_next(domid_t from)
{
    struct domain *domain = NULL;

    spin_lock(&domain_list_lock);
    for (unsigned int id = next_id(from, true); id < DOMAIN_LIMIT; id = next_id(id + 1, true)) {
        domain = tryget(domains[id]);
        if (domain != NULL) {
            break;
        }
    }
    spin_unlock(&domain_list_lock);
    return domain;
}

void domain_for_each(void (*act)(const struct domain *domain))
{
    struct domain *domain = domain_find_next(0);

    while (domain != NULL) {
        uint32_t next = domain->id + 1u;

        act(domain);
        domain_put(domain);
        domain = next < DOMAIN_LIMIT ? domain_find_next((domid_t)next) : NULL;
    }
}

uint32_t domain_count(void)
{
    return read_once(domains_listed);
}

domid_t domain_free_id(void)
{
    /* Onwards from the last: an id is not used again before all others were. */
    static unsigned int last;
    unsigned int id;

    spin_lock(&domain_list_lock);
    id = next_id(last + 1, false);
    if (id == DOMAIN_LIMIT) {
        id = next_id(1, false);
    }
    last = id;
    spin_unlock(&domain_list_lock);
    return id == DOMAIN_LIMIT ? DOMID_INVALID : (domid_t)id;
}

void domain_get(struct domain *domain)
{
    atomic_fetch_add_explicit(&domain->references, 1, memory_order_relaxed);
}

void domain_put(struct domain *domain)
{
    if (domain != NULL &&
        atomic_fetch_sub_explicit(&domain->references, 1, memory_order_acq_rel) == 1) {
        domain_free(domain);
    }
}

void domain_unlist(struct domain *domain)
{
    spin_lock(&domain_list_lock);
    if (domains[domain->id] == domain) {
        domains[domain->id] = NULL;
        ids_used[domain->id / 64] &= ~(UINT64_C(1) << domain->id % 64);
        domains_listed--;
    }
    spin_unlock(&domain_list_lock);
}

static int enlist(struct domain *domain)
{
    int error = -XEN_EEXIST;

    spin_lock(&domain_list_lock);
    if (domains[domain->id] == NULL) {
        domains[domain->id] = domain;
        ids_used[domain->id / 64] |= UINT64_C(1) << domain->id % 64;
        domains_listed++;
        error = 0;
    }
    spin_unlock(&domain_list_lock);
    return error;
}

static int create_parts(struct domain *domain, const struct domain_config *config)
{
    struct page *shared = heap_frames(0, HEAP_ANY_ADDRESS);
    int error = -XEN_ENOMEM;

    if (shared == NULL) {
        return error;
    }
    domain->shared_info = page_address(shared);
    page_lend(shared, domain->id, true);
    domain->vcpu = heap_alloc(domain->max_vcpus * sizeof(struct vcpu *));
    if (domain->vcpu == NULL) {
        return error;
    }
    error = events_create(domain, config->max_event_port);
    if (error == 0) {
        error = grant_table_create(domain, config->max_grant_frames, config->max_track_frames);
    }
    if (error == 0) {
        error = cpu_policy_create(domain);
    }
    if (error == 0) {
        error = io_permissions_create(domain);
    }
    return error;
}

int domain_create(domid_t id, const struct domain_config *config, struct domain **out)
{
    struct domain *domain;
    int error;

    if (id >= DOMAIN_LIMIT || config->max_vcpus == 0 || config->max_vcpus > VCPU_LIMIT) {
        return -XEN_EINVAL;
    }
    domain = heap_alloc(sizeof(*domain));
    if (domain == NULL) {
        return -XEN_ENOMEM;
    }
    domain->id = id;
    domain->privileged = config->privileged;
    domain->max_vcpus = config->max_vcpus;
    domain->references = 1;
    domain->pause_count = 1;
    domain->control_pauses = config->privileged ? 0 : 1;
    domain->max_pages = config->privileged ? UINT64_MAX : 0;
    domain->shutdown_code = SHUTDOWN_CODE_NONE;
    domain->grants_v1_only = config->grants_v1_only;
    domain->ssidref = config->ssidref;
    memcpy(domain->handle, config->handle, sizeof(domain->handle));
    domain->created_ns = clock_now();
    spinlock_init(&domain->page_lock, RANK_PAGE_LIST);
    spinlock_init(&domain->lock, RANK_DOMAIN);

    error = create_parts(domain, config);
    if (error == 0) {
        domain_wall_clock_publish(domain);
        error = enlist(domain);
    }
    if (error != 0) {
        domain_free(domain);
        return error;
    }
    *out = domain;
    return 0;
}

static int vcpu_create_parts(struct vcpu *vcpu)
{
    int error = -XEN_ENOMEM;

    vcpu->fpu = fpu_create();
    if (vcpu->id < LEGACY_VCPUS) {
        vcpu->info = (struct vcpu_info *)&vcpu->domain->shared_info->vcpu_info[vcpu->id];
    } else {
        vcpu->info = heap_alloc(sizeof(struct vcpu_info));
    }
    vcpu->first_info = vcpu->info;
    if (vcpu->fpu == NULL || vcpu->info == NULL) {
        return error;
    }
    vcpu->info->evtchn_upcall_mask = 1;
    error = events_vcpu_create(vcpu);
    if (error == 0) {
        error = vcpu_time_create(vcpu);
    }
    if (error == 0) {
        error = sched_vcpu_create(vcpu);
    }
    return error;
}

int vcpu_create(struct domain *domain, uint32_t id)
{
    struct vcpu *vcpu;
    int error;

    if (id >= domain->max_vcpus || domain->vcpu[id] != NULL) {
        return -XEN_EINVAL;
    }
    vcpu = heap_alloc(sizeof(*vcpu));
    if (vcpu == NULL) {
        return -XEN_ENOMEM;
    }
    vcpu->domain = domain;
    vcpu->id = id;
    vcpu->blocked = VCPU_DOWN;
    error = vcpu_create_parts(vcpu);
    if (error != 0) {
        vcpu_free(vcpu);
        return error;
    }
    store_release(&domain->vcpu[id], vcpu);
    return 0;
}

static void stop_vcpus(struct domain *domain)
{
    struct vcpu *vcpu;

    FOR_EACH_VCPU(domain, vcpu)
    {
        sched_sleep(vcpu);
    }
}

void domain_pause(struct domain *domain)
{
    struct vcpu *vcpu;

    atomic_fetch_add(&domain->pause_count, 1);
    stop_vcpus(domain);
    FOR_EACH_VCPU(domain, vcpu)
    {
        if (vcpu != current) {
            sched_wait_descheduled(vcpu);
        }
    }
}

void domain_unpause(struct domain *domain)
{
    struct vcpu *vcpu;

    if (atomic_fetch_sub(&domain->pause_count, 1) == 1) {
        FOR_EACH_VCPU(domain, vcpu)
        {
            sched_wake(vcpu);
        }
    }
}

/* Set the shutdown state once; false if it was set before. */
static bool begin_shutdown(struct domain *domain, uint32_t reason)
{
    atomic_fetch_add(&domain->pause_count, 1); /* before domain_resume() can take it back */
    if (atomic_exchange(&domain->shutting_down, true)) {
        domain_unpause(domain);
        softirq_raise(SOFTIRQ_SCHEDULE); /* it is stopped, even if this CPU has not seen it yet */
        return false;
    }
    (void)domain_latch_code(domain, reason);
    stop_vcpus(domain);
    event_send_global_virq(VIRQ_DOM_EXC);
    return true;
}

void domain_resume(struct domain *domain)
{
    domain->shutdown_code = SHUTDOWN_CODE_NONE;
    if (atomic_exchange(&domain->shutting_down, false)) {
        domain_unpause(domain);
    }
}

/* The control domain went: so does the machine. */
static void never_returns machine_follows(uint32_t reason)
{
    switch (reason) {
    case SHUTDOWN_poweroff:
        log_error("dom0 halted: the machine is halted\n");
        machine_halt();
    case SHUTDOWN_reboot:
        log_error("dom0 asked for a reboot\n");
        machine_reboot();
    case SHUTDOWN_watchdog:
        log_error("dom0's watchdog ran out\n");
        break;
    default:
        log_error("dom0 ended with shutdown code %u\n", reason);
    }
    machine_reboot();
}

/* The top of the guest's stack, return addresses among it: its symbols are known to the guest only.
 */
static void guest_stack(const struct cpu_regs *regs)
{
    uint64_t words[96];
    size_t left = raw_copy_from_guest(words, guest_pointer(const void, regs->rsp), sizeof(words));
    size_t count = (sizeof(words) - left) / sizeof(words[0]);

    log_error("  guest stack%s\n", count < 4 ? ": cannot be read" : ":");
    for (size_t i = 0; i + 4 <= count; i += 4) {
        log_error("    %016lx %016lx %016lx %016lx\n", words[i], words[i + 1], words[i + 2],
                  words[i + 3]);
    }
}

void domain_shutdown(struct domain *domain, uint32_t reason)
{
    reason = domain_latch_code(domain, reason);
    if (domain == dom0) {
        if (reason == SHUTDOWN_crash) {
            domain_crash(domain, "its kernel says so (SHUTDOWN_crash)");
        }
        machine_follows(reason);
    }
    (void)begin_shutdown(domain, reason);
}

void domain_crash(struct domain *domain, const char *format, ...)
{
    char reason[160];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reason, sizeof(reason), format, arguments);
    va_end(arguments);

    if (domain == dom0) {
        console_force();
        log_error("dom0 crashed: %s\n", reason);
        if (current->domain == dom0) {
            registers_dump(&this_cpu()->regs);
            guest_stack(&this_cpu()->regs);
        }
        machine_reboot();
    }
    if (begin_shutdown(domain, SHUTDOWN_crash)) {
        log_guest("domain %u crashed: %s\n", domain->id, reason);
    }
}

const struct cpumask *domain_dirty_cpus(domid_t owner)
{
    static const struct cpumask nobody;

    /* The frames in question keep their owner from going away. */
    return owner < DOMAIN_LIMIT && domains[owner] != NULL ? &domains[owner]->dirty_cpus : &nobody;
}

/* --- frames of a domain --- */

static void unlist_page(struct domain *domain, struct page *page) REQUIRES(domain->page_lock)
{
    bool dying = domain->dying_pages == page_frame(page).number;

    page_list_remove(dying ? &domain->dying_pages : &domain->page_list, page);
}

struct page *domain_visit_dying_page(struct domain *domain)
{
    struct page *page;

    spin_lock(&domain->page_lock);
    page = page_list_pop(&domain->page_list);
    if (page != NULL) {
        page_list_push(&domain->dying_pages, page);
    }
    spin_unlock(&domain->page_lock);
    return page;
}

static void adopt(struct domain *domain, struct page *page) REQUIRES(domain->page_lock)
{
    page_list_push(&domain->page_list, page);
    /* One that was taken away and comes back may still be in others' TLBs. */
    atomic_store_explicit(&page->refs,
                          (atomic_load(&page->refs) & PAGE_REF_FOREIGN) | PAGE_REF_ALLOCATED |
                              page_ref_owner_bits(domain->id) | 1,
                          memory_order_release);
}

static void count_pages(struct domain *domain, uint64_t count) REQUIRES(domain->page_lock)
{
    if (domain->pages == 0 && count != 0) {
        domain_get(domain);
    }
    write_once(domain->pages, domain->pages + count);
}

void domain_give_page(struct domain *domain, struct page *page, bool counted)
{
    spin_lock(&domain->page_lock);
    count_pages(domain, counted ? 0 : 1);
    adopt(domain, page);
    spin_unlock(&domain->page_lock);
}

bool domain_steal_page(struct domain *domain, struct page *page)
{
    uint64_t foreign = atomic_load(&page->refs) & PAGE_REF_FOREIGN; /* was mapped; is it still? */
    uint64_t owned = foreign | PAGE_REF_ALLOCATED | page_ref_owner_bits(domain->id) | 1;
    bool stolen;

    spin_lock(&domain->page_lock);
    stolen = atomic_compare_exchange_strong(&page->refs, &owned,
                                            foreign | page_ref_owner_bits(OWNER_CORE) | 1);
    if (stolen) {
        unlist_page(domain, page);
    }
    spin_unlock(&domain->page_lock);
    return stolen;
}

static bool has_room(const struct domain *domain, uint64_t count)
{
    return !domain_is_dying(domain) && read_once(domain->pages) + count <= domain->max_pages;
}

struct page *domain_take_frames(struct domain *domain, unsigned int order,
                                unsigned int address_bits, pfn_t number, int *error)
{
    uint64_t count = UINT64_C(1) << order;
    struct page *first;

    *error = -XEN_ENOSPC;
    if (!has_room(domain, count)) { /* before clean memory is spent on it */
        return NULL;
    }
    first = heap_frames(order, address_bits);
    if (first == NULL) {
        *error = -XEN_ENOMEM;
        return NULL;
    }
    spin_lock(&domain->page_lock);
    if (!has_room(domain, count)) {
        spin_unlock(&domain->page_lock);
        heap_free_frames(first, order);
        return NULL;
    }
    count_pages(domain, count);
    for (uint64_t i = 0; i < count; i++) {
        /* Before the guest can free it, and another domain have it. */
        if (number.number != M2P_NONE) {
            m2p_set(page_frame(first + i), pfn(number.number + i));
        }
        adopt(domain, first + i);
    }
    spin_unlock(&domain->page_lock);
    return first;
}

void domain_page_gone(domid_t owner, struct page *page)
{
    struct domain *domain = domains[owner];
    bool last;

    spin_lock(&domain->page_lock);
    unlist_page(domain, page);
    last = --domain->pages == 0;
    spin_unlock(&domain->page_lock);
    if (last) {
        domain_put(domain);
    }
}
