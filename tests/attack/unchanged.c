/* SPDX-License-Identifier: MIT */
/*
 * A hypercall that fails has changed nothing: what the core keeps is noted before,
 * as a row of facts, and compared after.  Of batches it is those of one request, and
 * how many frames a reservation says it moved.
 */
#include "tests/attack/world.h"

#include "guest-pv-headers/grant_table.h"
#include "guest-pv-headers/memory.h"
#include "hypervisor/event/channels.h"
#include "hypervisor/grant/internal.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/mm/page_type.h"
#include "hypervisor/sched/vcpu_sched.h"
#include "hypervisor/x86/pte.h"

#ifdef __clang__
#pragma clang attribute push(__attribute__((no_sanitize("coverage", "address", "undefined"))), \
                             apply_to = function)
#endif

#define FACTS      16384u
#define ERRNO_LAST 4095

static struct {
    const char *what;
    uint64_t where, value;
} facts[FACTS];
static unsigned int fact_count, fact_next;
static bool comparing;
static uint64_t asked_for; /* the hypercall */

/* Told once before and once after, in the same order unless something was made or went. */
static void fact(const char *what, uint64_t where, uint64_t value)
{
    if (!comparing) {
        if (fact_count == FACTS) {
            finding("more than %u facts", FACTS);
        }
        facts[fact_count].what = what;
        facts[fact_count].where = where;
        facts[fact_count++].value = value;
        return;
    }
    if (fact_next == fact_count || facts[fact_next].what != what ||
        facts[fact_next].where != where) {
        finding("hypercall %lu failed, and there is a new %s of %lx", asked_for, what, where);
    }
    if (facts[fact_next].value != value) {
        finding("hypercall %lu failed, and %s of %lx was %lx, is %lx", asked_for, what, where,
                facts[fact_next].value, value);
    }
    fact_next++;
}

static uint64_t mix(uint64_t sum, uint64_t value)
{
    sum = (sum ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    return sum ^ sum >> 31;
}

static uint64_t sum_of(const void *start, size_t size)
{
    const uint8_t *bytes = start;
    uint64_t sum = 0;

    for (size_t i = 0; i < size / 8; i++) {
        uint64_t word;

        __builtin_memcpy(&word, bytes + i * 8, 8);
        sum = mix(sum, word);
    }
    return sum;
}

/* Accessed and dirty are the processor's to set. */
static uint64_t sum_of_entries(uint64_t frame)
{
    const pte_t *table = direct_map_mfn(mfn(frame));
    uint64_t sum = 0;

    for (unsigned int i = 0; i < PTE_ENTRIES; i++) {
        sum = mix(sum, table[i] & ~(pte_t)(PTE_ACCESSED | PTE_DIRTY));
    }
    return sum;
}

/* ---- the facts ------------------------------------------------------------------------------ */

/*
 * Nobody's frames may become the core's: it keeps what it cut objects from.  That a frame
 * was another's once, or is clean, is no promise; nor is what an unused one was last.
 */
static void facts_of_frame(uint64_t frame)
{
    const struct page *page = page_of(mfn(frame));
    uint64_t use = page->use;

    if (page_owner(page) >= DOMAIN_LIMIT) {
        fact("owner", frame, 0);
        return;
    }
    fact("references", frame, page->refs & ~(PAGE_REF_FOREIGN | PAGE_REF_CLEAN));
    fact("use", frame, page_use_state(use) == PAGE_FREE ? 0 : use);
    fact("number", frame, m2p_table[frame]);
    if (page_use_state(use) == PAGE_IN_USE && page_type_has_entries(page_use_type(use))) {
        fact("table", frame, sum_of_entries(frame));
    }
}

static void facts_of_vcpu(const struct vcpu *vcpu, uint64_t name)
{
    fact("wait", name, atomic_load(&vcpu->blocked));
    fact("place of vcpu_info", name, (uintptr_t)vcpu->info);
    fact("tables", name,
         mix(mix(vcpu->pv.kernel_l4.number, vcpu->pv.user_l4.number), vcpu->pv.kernel_cr3) ^
             vcpu->pv.user_cr3);
    fact("stack and callbacks", name,
         mix(mix(vcpu->pv.kernel_sp, vcpu->pv.kernel_ss),
             sum_of(vcpu->pv.callbacks, sizeof(vcpu->pv.callbacks))));
    fact("traps", name, sum_of(vcpu->pv.traps, sizeof(vcpu->pv.traps)));
    fact("descriptor tables", name,
         mix(sum_of(&vcpu->pv.gdt, sizeof(vcpu->pv.gdt)),
             sum_of(&vcpu->pv.ldt, sizeof(vcpu->pv.ldt))));
    fact("registers", name,
         mix(mix(mix(vcpu->pv.iopl, vcpu->pv.cr0_ts), vcpu->pv.io_bitmap),
             sum_of(vcpu->pv.debug, sizeof(vcpu->pv.debug))));
    fact("scheduling", name,
         mix(mix(vcpu->sched->weight, vcpu->sched->pinned),
             mix(vcpu->sched->hard.bits[0], vcpu->sched->soft.bits[0])));
    if (vcpu->events != NULL) {
        fact("VIRQs", name, sum_of(vcpu->events, sizeof(vcpu->events->virq_port)));
        fact("control block", name, (uintptr_t)vcpu->events->control_page);
    }
}

static void facts_of_ports(const struct event_channels *events, uint64_t id)
{
    uint64_t sum = 0;

    for (uint32_t port = 1; port < events->limit; port++) {
        const struct channel *channel = channel_at(events, port);

        if (binding_state(channel->binding) != CHANNEL_FREE) {
            sum = mix(mix(mix(sum, port), channel->binding), channel->value);
            sum = mix(sum, channel->queue);
        }
    }
    fact("ports", id, sum);
    fact("count of ports", id, events->open);
    fact("event pages", id, events->fifo == NULL ? 0 : events->fifo->pages + 1);
}

/* How often each grant is in use, and whether the granter is told so. */
static void facts_of_grants(const struct grant_table *table, uint64_t id)
{
    uint64_t sum = 0, marks = 0;

    for (uint32_t ref = 0; ref < table->frames * GRANT_V1_ENTRIES; ref++) {
        sum = mix(sum, grant_active_of(table, ref)->use);
        if (table->version == 1) {
            marks = mix(marks, *grant_v1_word(table, ref) & (GTF_reading | GTF_writing));
        } else if (ref < table->frames * GRANT_V2_ENTRIES) {
            marks = mix(marks, *grant_v2_status(table, ref));
        }
    }
    fact("users of grants", id, sum);
    fact("marks of grants", id, marks);
    fact("version", id, table->version);
    sum = 0;
    for (uint32_t i = 0; i < table->track_frames * GRANT_TRACK_ENTRIES; i++) {
        const struct grant_track *track = track_of(table, i);

        if (track->state != 0) {
            sum = mix(mix(mix(sum, i), track->state), track->ref);
        }
    }
    fact("mappings of grants", id, sum);
}

static void facts_of_domain(const struct domain *domain)
{
    const struct vcpu *vcpu;
    uint64_t id = domain->id;

    fact("references to the domain", id, domain->references);
    fact("state", id, domain->state);
    fact("pauses", id, mix(domain->pause_count, domain->control_pauses));
    fact("shutdown", id, mix(domain->shutting_down, domain->shutdown_code));
    fact("frames", id, domain->pages);
    fact("most frames", id, domain->max_pages);
    fact("assists", id, domain->vm_assist);
    fact("watchdogs", id, domain->watchdog_used);
    fact("offset of its time", id, (uint64_t)domain->time_offset_seconds);
    fact("memory map", id, (uintptr_t)domain->memory_map);
    FOR_EACH_VCPU(domain, vcpu)
    {
        facts_of_vcpu(vcpu, id << 16 | vcpu->id);
    }
    if (domain->events != NULL) {
        facts_of_ports(domain->events, id);
    }
    if (domain->grants != NULL) {
        facts_of_grants(domain->grants, id);
    }
}

static void tell_facts(void)
{
    struct domain *domain;

    FOR_EACH_RAM_FRAME(frame)
    {
        facts_of_frame(frame);
    }
    for (unsigned int id = 0; (domain = domain_find_next((domid_t)id)) != NULL; id++) {
        id = domain->id;
        facts_of_domain(domain);
        domain_put(domain);
    }
}

/* ---- who is asked --------------------------------------------------------------------------- */

static struct cpu_regs asked;
static const void *requests; /* where a grant_table_op has it */
static bool noted;

static const void *request_at(void)
{
    uint32_t fault;

    return machine_translate(read_cr3(), asked.rsi, false, true, &fault);
}

/* A table half way is given up by whoever wants its frame, whatever becomes of that. */
static bool any_partial(void)
{
    FOR_EACH_RAM_FRAME(frame)
    {
        if (page_use_state(page_of(mfn(frame))->use) == PAGE_PARTIAL) {
            return true;
        }
    }
    return false;
}

/*
 * Documented to leave something behind (docs/errors.md): an exchange, which counts what it
 * did; a grant table that was made longer; a list of traps that is bad in the middle; a
 * flush after an update of an entry, of vCPUs that cannot be read.
 */
static bool may_leave_something(const struct cpu_regs *regs)
{
    uint64_t command = regs->rdi % 64; /* above that is how far it came */

    switch (regs->rax) {
    case __HYPERVISOR_memory_op:
        return command == XENMEM_exchange || command == XENMEM_acquire_resource;
    case __HYPERVISOR_grant_table_op:
        return regs->rdi == GNTTABOP_setup_table;
    case __HYPERVISOR_set_trap_table:
        return true;
    case __HYPERVISOR_update_va_mapping:
    case __HYPERVISOR_update_va_mapping_otherdomain:
        return (regs->rdx & ~(uint64_t)UVMF_FLUSHTYPE_MASK) > UVMF_ALL;
    default:
        return false;
    }
}

/* One request, that is; and what tells of it can be written. */
static bool one_request(const struct cpu_regs *regs)
{
    switch (regs->rax) {
    case __HYPERVISOR_multicall:
        return false;
    case __HYPERVISOR_mmu_update:
    case __HYPERVISOR_mmuext_op:
        return regs->rsi == 1 && regs->rdx == 0;
    case __HYPERVISOR_grant_table_op:
        return (uint32_t)regs->rdx == 1;
    default:
        return true;
    }
}

void unchanged_begin(const struct cpu_regs *regs)
{
    asked = *regs;
    asked_for = regs->rax;
    requests = request_at();
    noted = one_request(regs) && !may_leave_something(regs) && !any_partial();
    if (noted) {
        comparing = false;
        fact_count = 0;
        tell_facts();
    }
}

/* The guest may have it write the answer over its own grants. */
void unchanged_written(uint64_t frame)
{
    noted = noted && (page_of(mfn(frame))->refs & PAGE_REF_CORE) == 0;
}

/* Of a grant_table_op that was done: what it says of its request. */
static int16_t grant_status(void)
{
    static const uint8_t places[] = {
        [GNTTABOP_map_grant_ref] = offsetof(struct gnttab_map_grant_ref, status),
        [GNTTABOP_unmap_grant_ref] = offsetof(struct gnttab_unmap_grant_ref, status),
        [GNTTABOP_copy] = offsetof(struct gnttab_copy, status),
        [GNTTABOP_unmap_and_replace] = offsetof(struct gnttab_unmap_and_replace, status),
        [GNTTABOP_get_status_frames] = offsetof(struct gnttab_get_status_frames, status),
    };
    int16_t status = 0;

    /* What it did may have put another page where its requests were. */
    if (asked.rdi < ARRAY_SIZE(places) && places[asked.rdi] != 0 && request_at() == requests) {
        (void)guest_read(asked.rsi + places[asked.rdi], &status, sizeof(status));
    }
    return status;
}

/* What was unmapped stays so if its status cannot be written: the call fails as a whole. */
static bool is_unmap(uint64_t operation)
{
    return operation == GNTTABOP_unmap_grant_ref || operation == GNTTABOP_unmap_and_replace;
}

void unchanged_end(const struct cpu_regs *regs)
{
    int64_t result = (int64_t)regs->rax;
    bool failed = result < 0 && result >= -ERRNO_LAST;

    if (noted && asked_for == __HYPERVISOR_grant_table_op) {
        failed = result == 0 ? grant_status() < 0 : failed && !is_unmap(asked.rdi);
    }
    if (!noted || !failed) {
        return;
    }
    comparing = true;
    fact_next = 0;
    tell_facts();
    if (fact_next != fact_count) {
        finding("hypercall %lu failed, and there is no %s of %lx any more", asked_for,
                facts[fact_next].what, facts[fact_next].where);
    }
}

/* ---- reservations --------------------------------------------------------------------------- */

static struct {
    int sign; /* 0: none is under way */
    domid_t id;
    unsigned int order;
    uint64_t frames, others;
} reservation;

/* Those with their owner's reference: one that is given up may stay mapped.  *others: of other
 * domains. */
static uint64_t frames_of(domid_t id, uint64_t *others)
{
    uint64_t frames = 0;

    *others = 0;
    FOR_EACH_RAM_FRAME(frame)
    {
        const struct page *page = page_of(mfn(frame));
        bool allocated = (page->refs & PAGE_REF_ALLOCATED) != 0;

        frames += page_owner(page) == id && allocated;
        *others += page_owner(page) != id && allocated;
    }
    return frames;
}

void reservation_begin(const struct cpu_regs *regs)
{
    struct xen_memory_reservation request;

    reservation.sign = 0;
    if (regs->rax != __HYPERVISOR_memory_op ||
        (regs->rdi != XENMEM_increase_reservation && regs->rdi != XENMEM_decrease_reservation &&
         regs->rdi != XENMEM_populate_physmap) ||
        guest_read(regs->rsi, &request, sizeof(request)) != 0) {
        return;
    }
    reservation.id = request.domid == DOMID_SELF ? current->domain->id : request.domid;
    reservation.order = request.extent_order;
    reservation.sign = regs->rdi == XENMEM_decrease_reservation ? -1 : 1;
    reservation.frames = frames_of(reservation.id, &reservation.others);
}

/* Frames may be given up that were before, and those of half an extent (docs/errors.md). */
void reservation_end(const struct cpu_regs *regs)
{
    int64_t done = (int64_t)regs->rax;
    uint64_t frames, others, moved, told;

    if (reservation.sign == 0 || done < 0) {
        return;
    }
    frames = frames_of(reservation.id, &others);
    told = done == 0 ? 0 : (uint64_t)done << reservation.order;
    moved = reservation.sign > 0 ? frames - reservation.frames : reservation.frames - frames;
    if (reservation.sign > 0 ? moved != told : moved >= told + (UINT64_C(1) << reservation.order)) {
        finding("%ld extents of order %u are said to be done, and %ld frames moved", done,
                reservation.order, (int64_t)moved);
    }
    if (others != reservation.others) {
        finding("others had %lu frames, now %lu", reservation.others, others);
    }
}

#ifdef __clang__
#pragma clang attribute pop
#endif
