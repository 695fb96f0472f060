/* SPDX-License-Identifier: MIT */
/*
 * The domains' beginning and end.
 */
#include "tests/attack/world.h"

#include <stdlib.h>

#include "hypervisor/domain/io_permissions.h"
#include "hypervisor/grant/grant.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/mm/page_type.h"
#include "hypervisor/pv/context.h"
#include "hypervisor/pv/io.h"
#include "hypervisor/x86/pte.h"
#include "hypervisor/x86/selectors.h"

#define ENTRY       (PTE_PRESENT | PTE_WRITABLE | PTE_USER | PTE_ACCESSED | PTE_DIRTY)
#define ENTRY_RO    (PTE_PRESENT | PTE_USER | PTE_ACCESSED)
#define GUEST_PAGES 48u

struct guest guests[DOMAINS];
uint64_t free_before;

static const uint32_t vcpu_counts[DOMAINS] = { 2, 2, 1 };

#define must(condition) must_at((condition), __LINE__)
static void must_at(bool condition, int line)
{
    if (!condition) {
        finding("the world cannot be made: line %d", line);
    }
}

static uint64_t *table_at(const struct guest *guest, unsigned int pfn)
{
    return direct_map_mfn(mfn(guest->frames[pfn]));
}

static void make_tables(struct guest *guest)
{
    uint64_t *l1 = table_at(guest, PFN_L1);

    table_at(guest, PFN_L4)[0] = pte_make(mfn(guest->frames[PFN_L3]), ENTRY);
    table_at(guest, PFN_USER_L4)[0] = pte_make(mfn(guest->frames[PFN_L3]), ENTRY);
    table_at(guest, PFN_L3)[0] = pte_make(mfn(guest->frames[PFN_L2]), ENTRY);
    table_at(guest, PFN_L2)[2] = pte_make(mfn(guest->frames[PFN_L1]), ENTRY);
    table_at(guest, PFN_L2)[3] = pte_make(mfn(guest->frames[PFN_L1_MORE]), ENTRY);
    for (unsigned int i = 0; i < GUEST_FRAMES; i++) {
        bool writable = i >= PFN_ARGS && i < PFN_FREE;

        l1[i] = pte_make(mfn(guest->frames[i]), writable ? ENTRY : ENTRY_RO);
    }
    l1[SLOT_GRANTS] = pte_make(mfn(guest->grants), ENTRY);
    l1[SLOT_SHARED] = pte_make(mfn(guest->shared), ENTRY);
}

/* References 8 to 15: data and tables to be, to each of the others. */
static void make_grants(const struct guest *guest, domid_t id)
{
    struct grant_entry_v1 *entries = direct_map_mfn(mfn(guest->grants));

    for (unsigned int i = 0; i < 8; i++) {
        entries[8 + i] = (struct grant_entry_v1){
            .flags = i % 4 == 3 ? GTF_permit_access | GTF_readonly : GTF_permit_access,
            .domid = (domid_t)((id + 1u + i % 2) % DOMAINS),
            .frame = (uint32_t)guest->frames[PFN_FREE - 4 + i],
        };
    }
}

static void make_vcpu(struct vcpu *vcpu, const struct guest *guest)
{
    static struct vcpu_guest_context context;

    context = (struct vcpu_guest_context){
        .flags = VGCF_in_kernel,
        .kernel_sp = ADDRESS(PFN_STACK + 1),
        .kernel_ss = GUEST_SS,
        .event_callback_eip = GUEST_ENTRY + 0x100,
        .failsafe_callback_eip = GUEST_ENTRY + 0x200,
        .syscall_callback_eip = GUEST_ENTRY + 0x300,
    };
    context.ctrlreg[3] = guest->frames[PFN_L4] << PAGE_SHIFT;
    context.ctrlreg[1] = guest->frames[PFN_USER_L4] << PAGE_SHIFT;
    context.user_regs.rip = GUEST_ENTRY;
    context.user_regs.rsp = ADDRESS(PFN_STACK + 1);
    context.user_regs.cs = GUEST_CS64;
    context.user_regs.ss = GUEST_SS;
    for (unsigned int i = 0; i < 20; i++) {
        context.trap_ctxt[i].address = GUEST_ENTRY + 0x400;
    }
    must(pv_vcpu_initialise(vcpu, &context) == 0);
    atomic_store(&vcpu->blocked, 0);
}

static void pin(const struct domain *domain, uint64_t frame)
{
    must(frame_type_get(mfn(frame), domain->id, PAGE_L4) == 0);
    atomic_fetch_or(&page_of(mfn(frame))->use, PAGE_USE_PINNED);
}

static void allow_devices(struct domain *domain)
{
    must(pv_io_setup_control_domain(domain) == 0);
    must(io_permit(domain, IO_FRAME, 0, (UINT64_C(1) << 28) - 1, true) == 0);
    must(io_permit(domain, IO_IRQ, 0, UINT32_MAX, true) == 0);
}

static struct domain *make_domain(domid_t id)
{
    struct domain_config config = { .privileged = id == 0,
                                    .max_vcpus = vcpu_counts[id],
                                    .max_event_port = id == 0 ? UINT32_MAX : 5000,
                                    .max_grant_frames = 3,
                                    .max_track_frames = 2 };
    struct guest *guest = &guests[id];
    struct domain *domain;
    mfn_t frame;
    int error;

    must(domain_create(id, &config, &domain) == 0);
    if (id == 0) {
        dom0 = domain;
        allow_devices(domain);
    } else {
        domain->max_pages = GUEST_PAGES;
    }
    for (unsigned int i = 0; i < GUEST_FRAMES; i++) {
        const struct page *page = domain_take_frames(domain, 0, HEAP_ANY_ADDRESS, pfn(i), &error);

        must(page != NULL);
        guest->frames[i] = page_frame(page).number;
    }
    must(grant_table_frame(domain, 0, false, &frame) == 0);
    guest->grants = frame.number;
    guest->shared = direct_map_frame(domain->shared_info).number;
    make_tables(guest);
    make_grants(guest, id);
    for (uint32_t i = 0; i < vcpu_counts[id]; i++) {
        must(vcpu_create(domain, i) == 0);
        make_vcpu(domain->vcpu[i], guest);
    }
    pin(domain, guest->frames[PFN_L4]);
    pin(domain, guest->frames[PFN_USER_L4]);
    return domain;
}

void world_make(void)
{
    struct domain *domains[DOMAINS];

    free_before = heap_free_count();
    for (unsigned int cpu = 0; cpu < CPUS; cpu++) {
        machine_enter(cpu);
        softirq_raise(SOFTIRQ_SCHEDULE);
        machine_leave();
    }
    machine_enter(0);
    for (unsigned int i = 0; i < DOMAINS; i++) {
        domains[i] = make_domain((domid_t)i);
    }
    /* A CPU that has work to do would have the making interrupted. */
    for (unsigned int i = 0; i < DOMAINS; i++) {
        domains[i]->control_pauses = 0;
        domains[i]->has_run = true;
        domain_unpause(domains[i]);
    }
    machine_leave();
    machine_settle();
    for (unsigned int i = 0; i < DOMAINS; i++) {
        for (uint32_t j = 0; j < vcpu_counts[i]; j++) {
            must(machine_cpu_of(domains[i]->vcpu[j]) != CPUS);
        }
    }
}

/* However often its end is interrupted, it comes. */
#define KILL_CALLS 5000u

/* A CPU that does not run the domain, to end it from. */
static unsigned int cpu_apart_from(const struct domain *domain)
{
    unsigned int cpu = 0;

    while (machine_vcpu_on(cpu)->domain == domain) {
        cpu++;
    }
    return cpu;
}

static void end_domain(struct domain *domain)
{
    int error = -XEN_ERESTART;

    for (unsigned int i = 0; i < KILL_CALLS && error == -XEN_ERESTART; i++) {
        machine_enter(cpu_apart_from(domain));
        error = domain_kill(domain);
        machine_leave();
        machine_settle();
        check_all();
    }
    if (error != 0) {
        finding("domain %u cannot be ended: %d", domain->id, error);
    }
}

void world_end(void)
{
    struct domain *domain;

    machine_preempt_every(0);
    limits_release();
    dom0 = NULL; /* or it could not be killed */
    for (unsigned int id = 0; (domain = domain_find_next((domid_t)id)) != NULL; id++) {
        id = domain->id;
        end_domain(domain);
        machine_enter(0);
        domain_put(domain);
        machine_leave();
    }
    if (domain_count() != 0) {
        domain = domain_find_next(0);
        finding("domain %u is still there, with %u references", domain->id,
                atomic_load(&domain->references) - 1);
    }
    if (heap_free_count() != free_before) {
        finding("%lu frames were free before there was a domain, now %lu", free_before,
                heap_free_count());
    }
}
