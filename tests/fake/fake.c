/* SPDX-License-Identifier: MIT */
/*
 * The machine under a unit test; see fake.h.  In the order of the core's
 * folders.  New fakes go to the end of their folder's part, and are weak.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hypervisor/drivers/pci.h"
#include "hypervisor/event/event.h"
#include "hypervisor/lib/log.h"
#include "hypervisor/lib/panic.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/mm/page.h"
#include "hypervisor/mm/page_type.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/time/clock.h"
#include "hypervisor/time/timer.h"
#include "hypervisor/time/vcpu_time.h"
#include "hypervisor/x86/percpu.h"
#include "hypervisor/x86/smp.h"
#include "hypervisor/x86/tlb.h"
#include "tests/fake/fake.h"

#define weak __attribute__((weak))

/* Fake frames have this owner while they are the core's. */
#define FAKE_CORE_OWNER 0x7ffe

struct fake_record fake;
struct fake_answers fake_answers;
uint64_t fake_now;
_Atomic long fake_heap_live;
_Atomic long fake_frames_live;

static _Alignas(4096) uint8_t memory[FAKE_FRAMES][PAGE_SIZE];
static struct page frames[FAKE_FRAMES];
static uint64_t m2p[FAKE_FRAMES];
static bool frame_taken[FAKE_FRAMES];
static struct domain *domains[16];

/* ---- lib ------------------------------------------------------------------------------------ */

void weak panic(const char *format, ...)
{
    va_list arguments;

    if (fake_answers.panic_expected) {
        _Exit(99);
    }
    va_start(arguments, format);
    fputs("panic: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    abort();
}

void weak log_print(enum log_level level, const char *format, ...)
{
    (void)level;
    (void)format;
    fake.logs++;
}

void weak log_guest_print(enum log_level level, const char *format, ...)
{
    (void)level;
    (void)format;
    fake.guest_logs++;
}

void weak page_copy(void *to, const void *from);
void weak page_copy(void *to, const void *from)
{
    memcpy(to, from, PAGE_SIZE);
}

void weak page_clear(void *page);
void weak page_clear(void *page)
{
    memset(page, 0, PAGE_SIZE);
}

/* ---- x86 ------------------------------------------------------------------------------------ */

static struct cpu_info cpu_infos[FAKE_CPUS];
static _Thread_local unsigned int this_cpu_id;

weak uint8_t *direct_map_start = &memory[0][0];
weak struct cpu cpus[CPU_LIMIT];
weak unsigned int cpu_count = 1;
weak struct cpumask cpus_online = { { 1 } };
weak struct spinlock pci_port_lock = SPINLOCK_INIT(RANK_DEVICE);

struct cpu_info weak *this_cpu(void)
{
    return &cpu_infos[this_cpu_id];
}

struct cpu_info weak *cpu_info_of(unsigned int cpu)
{
    return &cpu_infos[cpu];
}

void weak spin_wait(void)
{
    fake.spins++;
}

void weak softirq_raise_on(unsigned int cpu, enum softirq which)
{
    atomic_fetch_or(&cpu_infos[cpu].softirq_pending, 1u << which);
    fake.softirqs_elsewhere += cpu != this_cpu_id;
}

void weak softirq_register(enum softirq which, void (*handler)(void))
{
    (void)which;
    (void)handler;
}

void weak softirq_run(void)
{
}

void weak softirq_wait(void)
{
}

bool weak preempt_pending(void)
{
    fake.preempt_asked++;
    return fake_answers.preempt_after != 0 && fake.preempt_asked >= fake_answers.preempt_after;
}

void weak cpu_send(unsigned int cpu, uint8_t vector)
{
    (void)cpu;
    fake.ipis++;
    fake.last_ipi_vector = vector;
}

void weak tlb_flush_mask(const struct cpumask *mask, uint64_t address_or_all)
{
    fake.tlb_flushes++;
    fake.tlb_flushes_all += address_or_all == TLB_FLUSH_ALL;
    fake.tlb_last_address = address_or_all;
    fake.tlb_last_mask = *mask;
}

void weak tlb_flush_local(void)
{
    fake.tlb_flushes++;
    fake.tlb_flushes_all++;
    fake.tlb_last_address = TLB_FLUSH_ALL;
}

void weak tlb_flush_here(uint64_t address)
{
    fake.tlb_flushes++;
    fake.tlb_flushes_all += address == TLB_FLUSH_ALL;
    fake.tlb_last_address = address;
}

void weak tlb_load_cr3(uint64_t cr3)
{
    (void)cr3;
    fake.tlb_flushes++;
    fake.tlb_flushes_all++;
}

uint32_t weak tlb_clock(void)
{
    return 1;
}

void weak tlb_flush_older(const struct cpumask *mask, uint32_t stamp)
{
    (void)stamp;
    fake.tlb_flushes++;
    fake.tlb_flushes_all++;
    fake.tlb_last_mask = *mask;
}

void weak tlb_serve(void)
{
}

/* ---- mm ------------------------------------------------------------------------------------- */

weak struct page *frame_table = frames;
weak uint64_t frame_limit = FAKE_FRAMES;
weak uint64_t *m2p_table = m2p;

/* How many of `size` bytes from `start` come before those from `bad` on. */
static size_t before_fault(uintptr_t start, size_t size, uintptr_t bad, size_t bad_size)
{
    if (bad_size == 0 || start >= bad + bad_size || start + size <= bad) {
        return size;
    }
    return start >= bad ? 0 : bad - start;
}

/* How many of `size` bytes from `place` come before the part that cannot be reached. */
static size_t reachable(const void *place, size_t size)
{
    uintptr_t start = (uintptr_t)place;

    if (place == NULL || (start >= CORE_START && start < CORE_END)) {
        return 0;
    }
    return before_fault(start, size, (uintptr_t)fake_answers.fault_start, fake_answers.fault_size);
}

static size_t writable(const void *place, size_t size)
{
    return before_fault((uintptr_t)place, reachable(place, size),
                        (uintptr_t)fake_answers.write_fault_start, fake_answers.write_fault_size);
}

size_t weak raw_copy_from_guest(void *to, const void __guest *from, size_t size)
{
    size_t good = reachable(from, size);

    memcpy(to, from, good);
    return size - good;
}

size_t weak raw_copy_to_guest(void __guest *to, const void *from, size_t size)
{
    size_t good = writable(to, size);

    memcpy(to, from, good);
    return size - good;
}

size_t weak raw_clear_guest(void __guest *to, size_t size)
{
    size_t good = writable(to, size);

    memset(to, 0, good);
    return size - good;
}

/* Is this the allocation that was asked to fail? */
static bool allocation_fails(void)
{
    return fake_answers.fail_allocation != 0 && --fake_answers.fail_allocation == 0;
}

void weak *heap_alloc(size_t size)
{
    void *object;

    if (allocation_fails()) {
        return NULL;
    }
    object = aligned_alloc(size >= PAGE_SIZE ? PAGE_SIZE : 16,
                           ROUND_UP(size, size >= PAGE_SIZE ? PAGE_SIZE : 16));
    if (object != NULL) {
        memset(object, 0, ROUND_UP(size, size >= PAGE_SIZE ? PAGE_SIZE : 16));
        fake_heap_live++;
    }
    return object;
}

void weak heap_free(void *object)
{
    fake_heap_live -= object != NULL;
    free(object);
}

static bool frames_free(uint64_t first, uint64_t count)
{
    for (uint64_t i = first; i < first + count; i++) {
        if (frame_taken[i]) {
            return false;
        }
    }
    return true;
}

static struct page *frames_take(unsigned int order, uint64_t refs)
{
    uint64_t count = UINT64_C(1) << order;

    for (uint64_t first = MAX(count, 1); first + count <= FAKE_FRAMES; first += count) {
        if (!frames_free(first, count)) {
            continue;
        }
        for (uint64_t i = first; i < first + count; i++) {
            frame_taken[i] = true;
            frames[i] = (struct page){ .refs = refs };
            m2p[i] = M2P_NONE;
            memset(memory[i], 0, PAGE_SIZE);
        }
        return &frames[first];
    }
    return NULL;
}

struct page weak *heap_frames(unsigned int order, unsigned int address_bits)
{
    struct page *first = NULL;

    (void)address_bits;
    if (!allocation_fails()) {
        first = frames_take(order, page_ref_owner_bits(FAKE_CORE_OWNER) | 1);
    }
    if (first != NULL) {
        fake_frames_live += 1L << order;
    }
    return first;
}

void weak heap_free_frames(struct page *first, unsigned int order)
{
    uint64_t number = (uint64_t)(first - frames);

    for (uint64_t i = number; i < number + (UINT64_C(1) << order); i++) {
        frame_taken[i] = false;
        frames[i] = (struct page){ 0 };
    }
    fake_frames_live -= 1L << order;
}

void weak heap_add(mfn_t first, uint64_t count)
{
    (void)first;
    (void)count;
}

bool weak heap_scrub_some(void)
{
    return false;
}

uint64_t weak heap_free_count(void)
{
    uint64_t count = 0;

    for (unsigned int i = 1; i < FAKE_FRAMES; i++) {
        count += !frame_taken[i];
    }
    return count;
}

uint64_t weak heap_total_count(void)
{
    return FAKE_FRAMES - 1;
}

void weak page_release(struct page *page)
{
    fake.pages_released++;
    frame_taken[page - frames] = false;
}

bool weak page_disown(struct page *page)
{
    uint64_t old = atomic_fetch_and(&page->refs, ~PAGE_REF_ALLOCATED);

    if ((old & PAGE_REF_ALLOCATED) == 0) {
        return false;
    }
    page_put(page);
    return true;
}

void weak page_lend(struct page *page, domid_t owner, bool writable)
{
    (void)writable;
    page->refs = (page->refs & PAGE_REF_COUNT) | page_ref_owner_bits(owner) | PAGE_REF_CORE;
}

bool weak page_unlend(struct page *page)
{
    page->refs = (page->refs & PAGE_REF_COUNT) | page_ref_owner_bits(FAKE_CORE_OWNER);
    return (page->refs & PAGE_REF_COUNT) == 1;
}

int weak page_type_get(struct page *page, enum page_type type)
{
    if (fake_answers.page_type_result != 0) {
        return fake_answers.page_type_result;
    }
    if ((page->use & PAGE_USE_COUNT) == 0) {
        page->use = page_use_make(type, PAGE_IN_USE, 0, 0);
    }
    if (!page_is(page, type)) {
        return -XEN_EINVAL;
    }
    page->use++;
    return 0;
}

int weak page_type_get_locked(struct page *page, enum page_type type)
{
    return page_type_get(page, type);
}

void weak page_type_put(struct page *page)
{
    page->use--;
}

int weak page_type_put_preemptible(struct page *page)
{
    page->use--;
    return 0;
}

int weak page_type_finish(struct page *page)
{
    (void)page;
    return 0;
}

const struct cpumask weak *domain_dirty_cpus(domid_t owner)
{
    (void)owner;
    return &cpus_online;
}

/* ---- domain --------------------------------------------------------------------------------- */

weak struct domain *dom0;

struct domain weak *domain_find(domid_t id)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(domains); i++) {
        if (domains[i] != NULL && domains[i]->id == id) {
            domains[i]->references++;
            return domains[i];
        }
    }
    return NULL;
}

struct domain weak *domain_find_or_self(domid_t id)
{
    if (id == DOMID_SELF) {
        current->domain->references++;
        return current->domain;
    }
    return domain_find(id);
}

struct domain weak *domain_find_next(domid_t from)
{
    struct domain *found = NULL;

    for (unsigned int i = 0; i < ARRAY_SIZE(domains); i++) {
        if (domains[i] != NULL && domains[i]->id >= from &&
            (found == NULL || domains[i]->id < found->id)) {
            found = domains[i];
        }
    }
    if (found != NULL) {
        found->references++;
    }
    return found;
}

void weak domain_for_each(void (*act)(const struct domain *domain))
{
    for (unsigned int i = 0; i < ARRAY_SIZE(domains); i++) {
        if (domains[i] != NULL) {
            act(domains[i]);
        }
    }
}

void weak domain_get(struct domain *domain)
{
    domain->references++;
}

void weak domain_put(struct domain *domain)
{
    if (domain != NULL) {
        domain->references--;
    }
}

void weak domain_pause(struct domain *domain)
{
    domain->pause_count++;
    fake.pauses++;
}

void weak domain_unpause(struct domain *domain)
{
    domain->pause_count--;
    fake.unpauses++;
}

void weak domain_shutdown(struct domain *domain, uint32_t reason)
{
    domain->shutting_down = true;
    fake.shutdowns++;
    fake.shutdown_code = reason;
}

void weak domain_crash(struct domain *domain, const char *format, ...)
{
    (void)domain;
    (void)format;
    fake.crashes++;
}

struct page weak *domain_take_frames(struct domain *domain, unsigned int order,
                                     unsigned int address_bits, pfn_t number, int *error)
{
    struct page *first = NULL;

    (void)address_bits;
    (void)number;
    if (!allocation_fails()) {
        first = frames_take(order, page_ref_owner_bits(domain->id) | PAGE_REF_ALLOCATED | 1);
    }
    if (first == NULL) {
        *error = -XEN_ENOMEM;
    } else {
        domain->pages += UINT64_C(1) << order;
    }
    return first;
}

void weak domain_give_page(struct domain *domain, struct page *page, bool counted)
{
    page->refs = page_ref_owner_bits(domain->id) | PAGE_REF_ALLOCATED | 1;
    domain->pages += counted ? 0 : 1;
}

void weak domain_page_gone(domid_t owner, struct page *page)
{
    (void)owner;
    (void)page;
    fake.pages_gone++;
}

long weak hypercall_continue(unsigned int number, unsigned int count, uint64_t a, uint64_t b,
                             uint64_t c, uint64_t d)
{
    fake.continuations++;
    fake.continued_number = number;
    fake.continued_count = count;
    fake.continued[0] = a;
    fake.continued[1] = b;
    fake.continued[2] = c;
    fake.continued[3] = d;
    return -XEN_ERESTART;
}

/* ---- event ---------------------------------------------------------------------------------- */

void weak event_send_vcpu_virq(struct vcpu *vcpu, uint32_t virq)
{
    fake.virqs++;
    fake.last_virq = virq;
    fake.last_virq_vcpu = vcpu;
}

void weak event_send_global_virq(uint32_t virq)
{
    fake.global_virqs++;
    fake.last_virq = virq;
}

int weak event_port_pending(struct domain *domain, evtchn_port_t port)
{
    (void)domain;
    (void)port;
    return 0;
}

void weak events_vcpu_info_moved(struct vcpu *vcpu)
{
    (void)vcpu;
}

int weak pirq_guest_bind(struct domain *domain, uint32_t pirq, evtchn_port_t port)
{
    (void)domain;
    (void)port;
    fake.pirq_binds++;
    fake.last_pirq = pirq;
    return fake_answers.pirq_bind_result;
}

void weak pirq_guest_unbind(struct domain *domain, uint32_t pirq)
{
    (void)domain;
    fake.pirq_unbinds++;
    fake.last_pirq = pirq;
}

void weak pirq_guest_set_affinity(struct domain *domain, uint32_t pirq, unsigned int cpu)
{
    (void)domain;
    fake.pirq_affinities++;
    fake.last_pirq = pirq;
    fake.last_pirq_cpu = cpu;
}

int weak events_create(struct domain *domain, uint32_t max_port)
{
    (void)domain;
    (void)max_port;
    return 0;
}

int weak events_close_all(struct domain *domain)
{
    (void)domain;
    return 0;
}

void weak events_destroy(struct domain *domain)
{
    (void)domain;
}

int weak events_vcpu_create(struct vcpu *vcpu)
{
    (void)vcpu;
    return 0;
}

void weak events_vcpu_destroy(struct vcpu *vcpu)
{
    (void)vcpu;
}

void weak vcpu_unblock(struct vcpu *vcpu)
{
    (void)vcpu_wait_end(vcpu);
}

/* ---- sched ---------------------------------------------------------------------------------- */

void weak sched_wake(struct vcpu *vcpu)
{
    fake.wakes++;
    fake.last_woken = vcpu;
}

void weak sched_sleep(struct vcpu *vcpu)
{
    (void)vcpu;
    fake.sleeps++;
}

void weak sched_wait_descheduled(struct vcpu *vcpu)
{
    (void)vcpu;
    fake.descheduled++;
}

void weak sched_kick(struct vcpu *vcpu)
{
    fake.kicks++;
    fake.last_kicked = vcpu;
}

void weak sched_give_way(void)
{
    fake.yields++;
}

void weak sched_block(void)
{
    fake.blocks++;
}

void weak context_switch(struct vcpu *from, struct vcpu *to)
{
    from->running = false;
    to->running = true;
    current = to;
}

/* ---- time ----------------------------------------------------------------------------------- */

uint64_t weak clock_now(void)
{
    return fake_now;
}

void weak timer_init(struct timer *timer, void (*handler)(void *argument), void *argument)
{
    *timer = (struct timer){ .handler = handler, .argument = argument };
}

void weak timer_set(struct timer *timer, uint64_t deadline_ns)
{
    timer->deadline = deadline_ns;
    timer->armed = true;
    fake.timer_sets++;
}

void weak timer_stop(struct timer *timer)
{
    timer->armed = false;
    fake.timer_stops++;
}

void weak vcpu_time_publish(struct vcpu *vcpu)
{
    (void)vcpu;
}

void weak vcpu_time_runstate(struct vcpu *vcpu, int state, uint64_t now)
{
    (void)vcpu;
    (void)state;
    (void)now;
}

void weak vcpu_time_loaded(struct vcpu *vcpu)
{
    (void)vcpu;
}

void weak vcpu_time_unloaded(struct vcpu *vcpu)
{
    (void)vcpu;
}

void weak domain_wall_clock_publish(const struct domain *domain)
{
    (void)domain;
}

void weak timer_bring(struct timer *timer)
{
    (void)timer;
}

/* Compared with the host's own TSC: long past, or far away. */
uint64_t weak clock_tsc_of(uint64_t system_ns)
{
    return system_ns <= fake_now ? 0 : UINT64_MAX;
}

/* ---- helpers for tests ---------------------------------------------------------------------- */

void fake_reset(void)
{
    memset(&fake, 0, sizeof(fake));
    memset(&fake_answers, 0, sizeof(fake_answers));
    memset(frames, 0, sizeof(frames));
    memset(frame_taken, 0, sizeof(frame_taken));
    memset(domains, 0, sizeof(domains));
    memset(cpu_infos, 0, sizeof(cpu_infos));
    for (unsigned int i = 0; i < FAKE_CPUS; i++) {
        cpu_infos[i].id = i;
    }
    frame_taken[0] = true;
    fake_now = 0;
    fake_heap_live = 0;
    fake_frames_live = 0;
    this_cpu_id = 0;
    dom0 = NULL;
}

void fake_cpu_use(unsigned int id, struct vcpu *vcpu)
{
    this_cpu_id = id;
    cpu_infos[id].id = id;
    current = vcpu;
}

void fake_set_current(struct vcpu *vcpu)
{
    current = vcpu;
}

/* Not heap_alloc(): a test that counts allocations counts those of the code it tests. */
static void *must_alloc(size_t size)
{
    void *object = aligned_alloc(16, ROUND_UP(size, 16));

    if (object == NULL) {
        abort();
    }
    return memset(object, 0, ROUND_UP(size, 16));
}

static struct vcpu *fake_vcpu_new(struct domain *domain, uint32_t id)
{
    struct vcpu *vcpu = must_alloc(sizeof(*vcpu));

    vcpu->domain = domain;
    vcpu->id = id;
    vcpu->initialised = true;
    vcpu->info = id < LEGACY_VCPUS ? &domain->shared_info->vcpu_info[id]
                                   : page_address(fake_page_new(domain));
    return vcpu;
}

struct domain *fake_domain_new(domid_t id, unsigned int vcpus, bool privileged)
{
    struct domain *domain = must_alloc(sizeof(*domain));

    domain->id = id;
    domain->privileged = privileged;
    domain->max_vcpus = vcpus;
    domain->references = 1;
    domain->max_pages = UINT64_MAX;
    spinlock_init(&domain->page_lock, RANK_PAGE_LIST);
    spinlock_init(&domain->lock, RANK_DOMAIN);
    domain->shared_info = page_address(fake_page_new(domain));
    domain->vcpu = must_alloc(MAX(vcpus, 1) * sizeof(struct vcpu *));
    for (uint32_t i = 0; i < vcpus; i++) {
        domain->vcpu[i] = fake_vcpu_new(domain, i);
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(domains); i++) {
        if (domains[i] == NULL) {
            domains[i] = domain;
            break;
        }
    }
    if (id == 0) {
        dom0 = domain;
    }
    return domain;
}

void fake_domain_free(struct domain *domain)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(domains); i++) {
        if (domains[i] == domain) {
            domains[i] = NULL;
        }
    }
    if (dom0 == domain) {
        dom0 = NULL;
    }
    for (uint32_t i = 0; i < domain->max_vcpus; i++) {
        free(domain->vcpu[i]);
    }
    free(domain->vcpu);
    free(domain);
}

struct page *fake_page_new(struct domain *owner)
{
    struct page *page = frames_take(0, page_ref_owner_bits(owner->id) | PAGE_REF_ALLOCATED | 1);

    if (page == NULL) {
        abort();
    }
    m2p[page - frames] = (uint64_t)(page - frames);
    owner->pages++;
    return page;
}

uint64_t fake_page_refs(const struct page *page)
{
    return page->refs & PAGE_REF_COUNT;
}

uint64_t fake_page_uses(const struct page *page)
{
    return page->use & PAGE_USE_COUNT;
}

bool fake_survives_failed_allocations(bool (*operation)(void))
{
    for (unsigned int n = 1; n < 1000; n++) {
        long objects = fake_heap_live;
        long taken = fake_frames_live;
        bool done;

        fake_answers.fail_allocation = n;
        done = operation();
        if (fake_answers.fail_allocation != 0) {
            fake_answers.fail_allocation = 0;
            return done;
        }
        if (!done && (fake_heap_live != objects || fake_frames_live != taken)) {
            return false;
        }
    }
    return false;
}
