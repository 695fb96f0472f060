/* SPDX-License-Identifier: MIT */
/*
 * The invariants of docs/attack.md, asked of the core's own structures after each
 * step: what every frame should be counted for is counted again, from page tables,
 * vCPUs, events and grants.
 */
#include "tests/attack/world.h"

#include <string.h>

#include "hypervisor/domain/io_permissions.h"
#include "hypervisor/event/channels.h"
#include "hypervisor/grant/internal.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/mm/page_type.h"
#include "hypervisor/x86/paging.h"

#ifdef __clang__
/* What is new about an input is what the core does with it, not what is found here. */
#pragma clang attribute push(__attribute__((no_sanitize("coverage", "address"))), \
                             apply_to = function)
#endif

/* RAM, without the hole. */
static unsigned int ram_index(uint64_t frame)
{
    return (unsigned int)(frame < LOW_END ? frame - DEVICE_FRAMES
                                          : frame - HIGH_START + LOW_END - DEVICE_FRAMES);
}

/* ---- what a frame should be counted for ---------------------------------------------------- */

static struct {
    uint64_t refs, uses;
} expected[RAM_FRAMES];

static void expect_many(uint64_t frame, uint64_t refs, uint64_t uses)
{
    if (!frame_is_ram(frame)) {
        finding("something refers to frame %lx, which is no RAM", frame);
    }
    expected[ram_index(frame)].refs += refs;
    expected[ram_index(frame)].uses += uses;
}

static void expect(uint64_t frame, bool use)
{
    expect_many(frame, 1, use);
}

/* In use as something that must be the domain's own. */
static void expect_own(domid_t id, uint64_t frame)
{
    expect(frame, true);
    if (page_owner(page_of(mfn(frame))) != id) {
        finding("domain %u uses frame %lx of domain %u", id, frame,
                page_owner(page_of(mfn(frame))));
    }
}

static bool core_slot(unsigned int level, unsigned int index)
{
    return level == 4 && index >= CORE_FIRST_SLOT && index <= CORE_LAST_SLOT;
}

static void expect_l1_entry(pte_t entry)
{
    uint64_t frame = pte_frame(entry).number;

    if (frame_is_ram(frame)) {
        expect(frame, (entry & PTE_WRITABLE) != 0);
    }
}

/* Ring 3 may use it, it goes with its address space, and above level 1 it names a table. */
static void check_bits(uint64_t frame, unsigned int level, unsigned int index, pte_t entry)
{
    if ((entry & PTE_USER) == 0 || (entry & PTE_GLOBAL) != 0 ||
        (level > 1 && (entry & PTE_LARGE) != 0)) {
        finding("frame %lx, a table of level %u: entry %u is %lx", frame, level, index, entry);
    }
}

static void check_core_slots(uint64_t frame)
{
    const pte_t *table = direct_map_mfn(mfn(frame));

    for (unsigned int i = CORE_FIRST_SLOT; i <= CORE_LAST_SLOT; i++) {
        /* The first, which shows the machine-to-physical table, may be hidden. */
        if (table[i] != core_l4[i] && (i != CORE_FIRST_SLOT || table[i] != 0)) {
            finding("frame %lx: slot %u, the core's, is %lx", frame, i, table[i]);
        }
    }
}

/* Present descriptors are code or data of ring 3. */
static void check_descriptors(uint64_t frame)
{
    const uint64_t *descriptors = direct_map_mfn(mfn(frame));

    for (unsigned int i = 0; i < PAGE_SIZE / 8; i++) {
        uint64_t bits = descriptors[i] >> 44 & 0xf; /* not a gate, ring, present */

        if ((bits & 8) != 0 && bits != 0xf) {
            finding("frame %lx: descriptor %u is %lx", frame, i, descriptors[i]);
        }
    }
}

/* Entries of a table hold what they refer to; of one half way, those below its cursor. */
static void expect_entries(const struct page *page, uint64_t use)
{
    const pte_t *table = page_address(page);
    unsigned int level = page_use_type(use), limit = PTE_ENTRIES;

    if (page_use_state(use) == PAGE_PARTIAL) {
        unsigned int cursor = page_use_cursor(use);

        limit = cursor & ~PAGE_CURSOR_GIVEN_UP;
        limit -= limit != cursor;
        if (limit > PTE_ENTRIES) {
            finding("frame %lx: cursor %x", page_frame(page).number, cursor);
        }
    }
    for (unsigned int i = 0; i < limit; i++) {
        pte_t entry = read_once(table[i]);

        if ((entry & PTE_PRESENT) == 0 || core_slot(level, i)) {
            continue;
        }
        check_bits(page_frame(page).number, level, i, entry);
        if (level == PAGE_L1) {
            expect_l1_entry(entry);
        } else {
            expect_own(page_owner(page), pte_frame(entry).number);
        }
    }
}

static void expect_of_frame(uint64_t frame)
{
    const struct page *page = page_of(mfn(frame));
    uint64_t refs = page->refs, use = page->use;
    enum page_state state = page_use_state(use);
    enum page_type type = page_use_type(use);

    if (page->lock != 0) {
        finding("frame %lx: its lock is held", frame);
    }
    if (page_owner(page) >= DOMAIN_LIMIT) {
        return;
    }
    if ((refs & PAGE_REF_CORE) != 0) {
        expect(frame, true);
        return;
    }
    if ((refs & PAGE_REF_ALLOCATED) != 0) {
        expect(frame, false);
    }
    if (state == PAGE_BUSY) {
        finding("frame %lx is left busy (%lx)", frame, use);
    }
    if (state == PAGE_PARTIAL) {
        expect(frame, false);
    }
    if ((use & PAGE_USE_PINNED) != 0) {
        if (state != PAGE_IN_USE || type < PAGE_L1 || type > PAGE_L4) {
            finding("frame %lx is pinned, and no table (%lx)", frame, use);
        }
        expect(frame, true);
    }
    if ((state == PAGE_IN_USE || state == PAGE_PARTIAL) && type >= PAGE_L1 && type <= PAGE_L4) {
        expect_entries(page, use);
    }
    if (state == PAGE_IN_USE && type == PAGE_L4) {
        check_core_slots(frame);
    }
    if (state == PAGE_IN_USE && type == PAGE_SEGMENTS) {
        check_descriptors(frame);
    }
}

static void expect_descriptors(domid_t id, const struct descriptor_table *table)
{
    for (unsigned int i = 0; i < DIV_ROUND_UP(table->entries, 512u); i++) {
        if (!mfn_equal(table->frames[i], MFN_INVALID)) {
            expect_own(id, table->frames[i].number);
        }
    }
}

static void expect_of_vcpu(const struct vcpu *vcpu)
{
    domid_t id = vcpu->domain->id;

    if (vcpu->pv.kernel_l4.number != 0) {
        expect_own(id, vcpu->pv.kernel_l4.number);
    }
    if (vcpu->pv.user_l4.number != 0) {
        expect_own(id, vcpu->pv.user_l4.number);
    }
    expect_descriptors(id, &vcpu->pv.gdt);
    expect_descriptors(id, &vcpu->pv.ldt);
    if (vcpu->info_page != NULL) {
        expect_own(id, page_frame(vcpu->info_page).number);
    }
    if (vcpu->events != NULL && vcpu->events->control_page != NULL) {
        expect_own(id, page_frame(vcpu->events->control_page).number);
    }
}

static void expect_of_fifo(domid_t id, const struct fifo *fifo)
{
    for (unsigned int i = 0; fifo != NULL && i < fifo->pages; i++) {
        expect_own(id, direct_map_frame(fifo->page[i]).number);
    }
}

/* Of a mapping's parts the device's alone; the host's is an entry of a page table. */
static void expect_of_grants(const struct grant_table *table)
{
    uint32_t handles = table->track_frames * GRANT_TRACK_ENTRIES;

    for (uint32_t handle = 0; handle < handles; handle++) {
        const struct grant_track *track = track_of(table, handle);

        if (track->state == 0) {
            continue;
        }
        if ((track->state & TRACK_BUSY) != 0 || track->granter == NULL) {
            finding("grant handle %u is left in state %x", handle, track->state);
        }
        if ((track->state & GNTMAP_device_map) != 0) {
            expect(grant_pinned_frame(track->granter->grants, track->ref).number,
                   (track->state & GNTMAP_readonly) == 0);
        }
    }
}

/* ---- domains -------------------------------------------------------------------------------- */

static bool held(const struct spinlock *lock)
{
    return lock->serving != lock->next;
}

static void check_locks(const struct domain *domain)
{
    if (held(&domain->lock) || held(&domain->page_lock) ||
        (domain->grants != NULL && held(&domain->grants->lock)) ||
        (domain->events != NULL && held(&domain->events->lock))) {
        finding("domain %u: a lock is held", domain->id);
    }
}

/* Both ends of a channel say the same. */
static void check_peer(const struct domain *domain, uint32_t port, const struct channel *channel)
{
    const struct domain *remote = binding_domain(channel->binding);
    const struct channel *peer = channel_find(remote->events, channel->value);

    if (peer == NULL || binding_state(peer->binding) != CHANNEL_INTERDOMAIN ||
        binding_domain(peer->binding) != domain || peer->value != port) {
        finding("domain %u: port %u is bound to one that is not bound to it", domain->id, port);
    }
}

static void check_ports(const struct domain *domain)
{
    const struct event_channels *events = domain->events;
    uint32_t open = 0;

    for (uint32_t port = 1; port < events->limit; port++) {
        const struct channel *channel = channel_at(events, port);
        enum channel_state state = binding_state(channel->binding);

        if (state == CHANNEL_FREE) {
            if (port < events->first_free) {
                finding("domain %u: port %u is free, below first_free %u", domain->id, port,
                        events->first_free);
            }
            continue;
        }
        open++;
        if (state == CHANNEL_INTERDOMAIN) {
            check_peer(domain, port, channel);
        }
    }
    if (open != events->open) {
        finding("domain %u: %u ports are open, %u counted", domain->id, open, events->open);
    }
}

/* How many mappings of a frame a domain may have by grants; how many it has. */
static uint32_t grants_of(const struct grant_table *table, uint64_t frame)
{
    uint32_t count = 0;

    for (uint32_t handle = 0; handle < table->track_frames * GRANT_TRACK_ENTRIES; handle++) {
        const struct grant_track *track = track_of(table, handle);

        count += (track->state & GNTMAP_host_map) != 0 &&
                 grant_pinned_frame(track->granter->grants, track->ref).number == frame;
    }
    return count;
}

/* A mapping is of what its granter granted to the mapper, and of memory that is, or was, the
 * granter's own. */
static void check_mapping(const struct domain *granter, domid_t mapper, grant_ref_t ref)
{
    const struct grant_active *entry = grant_active_of(granter->grants, ref);
    domid_t owner = page_owner(page_of(mfn(entry->frame)));

    if (entry->user != mapper || (owner < DOMAIN_LIMIT && owner != granter->id)) {
        finding("domain %u maps grant %u of domain %u: it is for domain %u, the frame domain %u's",
                mapper, ref, granter->id, entry->user, owner);
    }
}

/* A granter's entries are in use by those who map them, and by nobody else. */
static void check_granter(const struct domain *granter)
{
    const struct grant_table *table = granter->grants;
    uint64_t users = 0, mappings = limits_users(granter);
    struct domain *mapper;

    for (uint32_t ref = 0; ref < table->frames * GRANT_V1_ENTRIES; ref++) {
        uint32_t use = grant_active_of(table, ref)->use;

        if ((use & GRANT_LOCKED) != 0) {
            finding("domain %u: grant %u is left locked", granter->id, ref);
        }
        users += use & GRANT_USERS;
    }
    for (unsigned int id = 0; (mapper = domain_find_next((domid_t)id)) != NULL; id++) {
        const struct grant_table *its = mapper->grants;

        id = mapper->id;
        for (uint32_t i = 0; its != NULL && i < its->track_frames * GRANT_TRACK_ENTRIES; i++) {
            const struct grant_track *track = track_of(its, i);

            if (track->state != 0 && track->granter == granter) {
                check_mapping(granter, mapper->id, track->ref);
                mappings++;
            }
        }
        domain_put(mapper);
    }
    if (users != mappings) {
        finding("domain %u: its grants have %lu users, and there are %lu mappings", granter->id,
                users, mappings);
    }
}

/* Only dom0 maps what is another's without a grant, and nobody a device without permission. */
static void check_foreign(const struct page *page)
{
    const pte_t *table = page_address(page);
    domid_t id = page_owner(page);
    struct domain *domain = domain_find(id);

    for (unsigned int i = 0; i < PTE_ENTRIES; i++) {
        uint64_t frame = pte_frame(table[i]).number;

        if ((table[i] & PTE_PRESENT) == 0) {
            continue;
        }
        if (!frame_is_ram(frame)) {
            if (!io_permitted(domain, IO_FRAME, frame, frame)) {
                finding("domain %u maps frame %lx, which is no RAM", id, frame);
            }
        } else if (page_owner(page_of(mfn(frame))) != id && !domain->privileged &&
                   grants_of(domain->grants, frame) == 0) {
            finding("domain %u maps frame %lx of domain %u", id, frame,
                    page_owner(page_of(mfn(frame))));
        }
    }
    domain_put(domain);
}

static void check_domain(const struct domain *domain)
{
    const struct vcpu *vcpu;
    uint64_t listed = 0;
    uint32_t number;

    check_locks(domain);
    for (number = domain->page_list; number != 0; number = page_of(mfn(number))->next) {
        listed++;
    }
    for (number = domain->dying_pages; number != 0; number = page_of(mfn(number))->next) {
        listed++;
    }
    if (listed != domain->pages) {
        finding("domain %u: %lu frames listed, %lu counted", domain->id, listed, domain->pages);
    }
    FOR_EACH_VCPU(domain, vcpu)
    {
        expect_of_vcpu(vcpu);
    }
    if (domain->grants != NULL) {
        expect_of_grants(domain->grants);
        check_granter(domain);
    }
    if (domain->events != NULL) {
        expect_of_fifo(domain->id, domain->events->fifo);
        check_ports(domain);
    }
}

/* The page of pirqs to acknowledge is known to pv/pirq.c alone: one frame may be counted for it. */
static bool is_eoi_page(const struct domain *domain, uint64_t refs, uint64_t uses,
                        unsigned int index)
{
    return domain->pirqs != NULL && refs == expected[index].refs + 1 &&
           uses == expected[index].uses + 1;
}

static void check_frame(uint64_t frame, uint64_t *free_frames)
{
    const struct page *page = page_of(mfn(frame));
    unsigned int index = ram_index(frame);
    uint64_t refs = page->refs & PAGE_REF_COUNT, use = page->use;
    uint64_t uses = page_use_state(use) == PAGE_IN_USE ? use & PAGE_USE_COUNT : 0;
    domid_t owner = page_owner(page);
    struct domain *domain;

    if (owner == OWNER_NONE || owner == OWNER_CORE) {
        *free_frames += owner == OWNER_NONE;
        /* What was lent to a domain that is gone stays as long as somebody maps it. */
        if (expected[index].refs != ((page->refs & PAGE_REF_CORE) != 0 ? refs : 0)) {
            finding("frame %lx is %s, and %lu things refer to it", frame,
                    owner == OWNER_NONE ? "free" : "the core's", expected[index].refs);
        }
        return;
    }
    domain = domain_find(owner);
    if (domain == NULL) {
        finding("frame %lx belongs to domain %u, which is not there", frame, owner);
    }
    if ((refs != expected[index].refs || uses != expected[index].uses) &&
        !is_eoi_page(domain, refs, uses, index)) {
        finding("frame %lx of domain %u (use %lx): %lu references and %lu uses counted, %lu and "
                "%lu found",
                frame, owner, use, refs, uses, expected[index].refs, expected[index].uses);
    }
    /* Beyond what guests can take is one reference for the domain's end. */
    if (refs > PAGE_REF_LIMIT + 2 || uses > PAGE_USE_LIMIT) {
        finding("frame %lx: counted beyond the limit: %lx, %lx", frame, refs, uses);
    }
    if (page_is(page, PAGE_L1) && (page->refs & PAGE_REF_CORE) == 0) {
        check_foreign(page);
    }
    domain_put(domain);
}

/* ---- translations --------------------------------------------------------------------------- */

#define RIGHT_READ  1u
#define RIGHT_WRITE 2u
#define RIGHT_WALK  4u

/*
 * What a CPU may have cached since its last full flush, for each PCID: frames, then whose
 * they were and whether it could write to them.  Flushes of single addresses do not count:
 * the core takes no guest's word for those either.
 */
static struct tlb {
    uint64_t table; /* what CR3 had with this PCID */
    uint16_t count;
    uint16_t list[RAM_FRAMES]; /* of ram_index() */
    uint8_t rights[RAM_FRAMES];
    domid_t owner[RAM_FRAMES];
} tlbs[CPUS][2];

static uint16_t frame_of_index[RAM_FRAMES];

static struct tlb *tlb_in_use(unsigned int cpu)
{
    return &tlbs[cpu][machine_cr3(cpu) & CR3_USER];
}

void check_tlb_loaded(unsigned int cpu, uint64_t value)
{
    struct tlb *tlb = tlb_in_use(cpu);

    if ((value & CR3_KEEP) != 0) {
        if (tlb->table != machine_cr3(cpu)) {
            finding("CPU %u goes on with translations of table %lx in table %lx", cpu, tlb->table,
                    machine_cr3(cpu));
        }
        return;
    }
    tlb->table = value;
    while (tlb->count > 0) {
        tlb->rights[tlb->list[--tlb->count]] = 0;
    }
}

static void cache(struct tlb *tlb, uint64_t frame, uint8_t rights)
{
    unsigned int index = ram_index(frame);

    if (tlb->rights[index] == 0) {
        tlb->list[tlb->count++] = (uint16_t)index;
        tlb->owner[index] = page_owner(page_of(mfn(frame)));
        frame_of_index[index] = (uint16_t)frame;
    }
    tlb->rights[index] |= rights;
}

static void cache_table(struct tlb *tlb, uint64_t frame, unsigned int level, bool write)
{
    const pte_t *table = direct_map_mfn(mfn(frame));

    if (!page_is(page_of(mfn(frame)), (enum page_type)level)) {
        finding("frame %lx is walked as a table of level %u (use %lx)", frame, level,
                page_of(mfn(frame))->use);
    }
    cache(tlb, frame, RIGHT_WALK);
    for (unsigned int i = 0; i < PTE_ENTRIES; i++) {
        pte_t entry = read_once(table[i]);
        uint64_t below = pte_frame(entry).number;

        if ((entry & PTE_PRESENT) == 0 || core_slot(level, i) || !frame_is_ram(below)) {
            continue;
        }
        if (level == 1) {
            cache(tlb, below,
                  write && (entry & PTE_WRITABLE) != 0 ? RIGHT_READ | RIGHT_WRITE : RIGHT_READ);
        } else {
            cache_table(tlb, below, level - 1, write && (entry & PTE_WRITABLE) != 0);
        }
    }
}

void check_tlb_fill(void)
{
    for (unsigned int cpu = 0; cpu < CPUS; cpu++) {
        if (!machine_vcpu_on(cpu)->is_idle) {
            cache_table(tlb_in_use(cpu), machine_cr3(cpu) >> PAGE_SHIFT, 4, true);
        }
    }
}

static void check_tlb(unsigned int cpu, const struct tlb *tlb)
{
    for (unsigned int i = 0; i < tlb->count; i++) {
        unsigned int index = tlb->list[i];
        uint64_t frame = frame_of_index[index];
        const struct page *page = page_of(mfn(frame));
        domid_t owner = page_owner(page);

        if (owner == OWNER_NONE || (page->refs & PAGE_REF_CORE) != 0) {
            continue; /* flushed before it is given out again; lent, and never given out else */
        }
        if (owner != tlb->owner[index]) {
            finding("CPU %u can still reach frame %lx, domain %u's, now domain %u's", cpu, frame,
                    tlb->owner[index], owner);
        }
        if ((tlb->rights[index] & RIGHT_WRITE) != 0 && page_use_state(page->use) == PAGE_IN_USE &&
            page_type_has_entries(page_use_type(page->use))) {
            finding("CPU %u can still write to frame %lx, now a table (use %lx)", cpu, frame,
                    page->use);
        }
        if ((tlb->rights[index] & RIGHT_WALK) != 0 && page_is(page, PAGE_WRITABLE)) {
            finding("CPU %u can still walk through frame %lx, now writable", cpu, frame);
        }
    }
}

/* ---- all of it ------------------------------------------------------------------------------ */

void check_all(void)
{
    uint64_t free_frames = 0;
    struct domain *domain;

    memset(expected, 0, sizeof(expected));
    limits_expect(expect_many);
    FOR_EACH_RAM_FRAME(frame)
    {
        expect_of_frame(frame);
    }
    for (unsigned int id = 0; (domain = domain_find_next((domid_t)id)) != NULL; id++) {
        id = domain->id;
        check_domain(domain);
        domain_put(domain);
    }
    FOR_EACH_RAM_FRAME(frame)
    {
        check_frame(frame, &free_frames);
    }
    if (free_frames != heap_free_count()) {
        finding("%lu frames are free, %lu counted", free_frames, heap_free_count());
    }
    for (unsigned int cpu = 0; cpu < CPUS; cpu++) {
        for (unsigned int pcid = 0; pcid < 2; pcid++) {
            /* The other PCID's are out of reach if the next switch flushes. */
            if (tlb_in_use(cpu) == &tlbs[cpu][pcid] || cpu_info_of(cpu)->cr3_keep != 0) {
                check_tlb(cpu, &tlbs[cpu][pcid]);
            }
        }
    }
}

#ifdef __clang__
#pragma clang attribute pop
#endif
