/* SPDX-License-Identifier: MIT */
/*
 * Physical interrupts of a domain.
 *
 * domain->pirqs maps pirqs to lines.  An entry changes with the domain's lock
 * and, when it names or named a line, that line's lock held; so either is enough
 * to read it.  Whom a line interrupts is in the line, under its lock alone.
 */
#include "hypervisor/pv/pirq.h"

#include "hypervisor/domain/io_permissions.h"
#include "hypervisor/drivers/ioapic.h"
#include "hypervisor/event/event.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/mm/page_type.h"
#include "hypervisor/x86/smp.h"

/* Entries of the table: a line + 1, or */
#define PIRQ_FREE     0u
#define PIRQ_RESERVED 0xffffu

#define LIMIT_CONTROL IRQ_LINE_LIMIT
#define LIMIT_OTHERS  64u

struct domain_pirqs {
    uint32_t limit;
    bool eoi_unmasks;
    struct page *eoi_page; /* reference and writable use held */
    uint64_t *eoi_map;
    _Atomic uint16_t entry[];
};

/* A GSI whose wiring dom0 has told us; bits, changed under the line's lock. */
static uint64_t gsi_configured[IRQ_GSI_LIMIT / 64];

uint32_t pirq_limit(struct domain *domain)
{
    return domain->privileged ? LIMIT_CONTROL : LIMIT_OTHERS;
}

/* The table, made when it is first needed; NULL if out of memory. */
static struct domain_pirqs *pirqs_make(struct domain *domain) REQUIRES(domain->lock)
{
    uint32_t limit = pirq_limit(domain);
    struct domain_pirqs *pirqs = domain->pirqs;

    if (pirqs != NULL) {
        return pirqs;
    }
    pirqs = heap_alloc(sizeof(*pirqs) + limit * sizeof(pirqs->entry[0]));
    if (pirqs != NULL) {
        pirqs->limit = limit;
        store_release(&domain->pirqs, pirqs);
    }
    return pirqs;
}

static uint32_t entry_of(const struct domain_pirqs *pirqs, uint32_t pirq)
{
    return atomic_load_explicit(&pirqs->entry[pirq], memory_order_relaxed);
}

static void set_entry(struct domain_pirqs *pirqs, uint32_t pirq, uint32_t entry)
{
    atomic_store_explicit(&pirqs->entry[pirq], (uint16_t)entry, memory_order_relaxed);
}

static bool is_line(uint32_t entry)
{
    return entry != PIRQ_FREE && entry != PIRQ_RESERVED;
}

/* The line of a pirq, locked; NULL if there is none. */
static struct irq_line *lock_line(struct domain *domain, uint32_t pirq) NO_LOCK_ANALYSIS
{
    struct domain_pirqs *pirqs = load_acquire(&domain->pirqs);
    struct irq_line *line;
    uint32_t entry;

    entry = pirqs != NULL && pirq < pirqs->limit ? entry_of(pirqs, pirq) : PIRQ_FREE;
    if (!is_line(entry)) {
        return NULL;
    }
    line = &irq_lines[entry - 1];
    spin_lock(&line->lock);
    if (entry_of(pirqs, pirq) != entry) { /* it was unmapped meanwhile */
        spin_unlock(&line->lock);
        return NULL;
    }
    return line;
}

/* The same of a pirq that is bound. */
static struct irq_line *lock_bound(struct domain *domain, uint32_t pirq) NO_LOCK_ANALYSIS
{
    struct irq_line *line = lock_line(domain, pirq);

    if (line != NULL && (line->domain != domain || line->pirq != pirq)) {
        spin_unlock(&line->lock);
        return NULL;
    }
    return line;
}

static void unlock_line(struct irq_line *line) NO_LOCK_ANALYSIS
{
    spin_unlock(&line->lock);
}

static void program(const struct irq_line *line)
{
    if (line->kind == IRQ_MESSAGE) {
        msi_program(line);
    } else {
        ioapic_program(irq_number(line), line);
    }
}

/* Tell the guest whether the pirq needs an EOI. */
static void publish_eoi(const struct domain *domain, const struct irq_line *line, uint32_t pirq)
{
    const struct domain_pirqs *pirqs = domain->pirqs;
    uint64_t *map = load_acquire(&pirqs->eoi_map);

    if (map == NULL) {
        return;
    }
    if (line->kind == IRQ_LEVEL) {
        (void)bit_test_and_set(map, pirq);
    } else {
        (void)bit_test_and_clear(map, pirq);
    }
}

void pirq_interrupt(struct irq_line *line)
{
    event_send_pirq(line->domain, line->port);
}

/* 8 bits are what a pin or a message has to name a CPU with. */
static bool reachable(unsigned int cpu)
{
    return cpumask_has(&cpus_online, cpu) && cpus[cpu].apic_id < 0xff;
}

static int bind(struct domain *domain, struct irq_line *line, evtchn_port_t port)
    REQUIRES(line->lock)
{
    const struct vcpu *first = domain_vcpu(domain, 0);

    if (line->domain != NULL || line->handler != NULL) {
        return line->domain == domain ? -XEN_EEXIST : -XEN_EBUSY;
    }
    if (line->kind == IRQ_UNUSED) {
        return -XEN_EINVAL;
    }
    if (!irq_vector_assign(line, first != NULL && reachable(first->cpu) ? first->cpu : 0)) {
        return -XEN_ENOSPC;
    }
    line->domain = domain;
    line->port = port;
    line->masked = false;
    return 0;
}

/* Whether it may be shared (BIND_PIRQ__WILL_SHARE) does not matter: a line has one user. */
int pirq_guest_bind(struct domain *domain, uint32_t pirq, evtchn_port_t port) NO_LOCK_ANALYSIS
{
    struct irq_line *line = lock_line(domain, pirq);
    int error;

    if (line == NULL) {
        return -XEN_EINVAL;
    }
    error = bind(domain, line, port);
    if (error == 0) {
        line->pirq = pirq;
        publish_eoi(domain, line, pirq);
        program(line);
    }
    unlock_line(line);
    return error;
}

/* Take the line from its guest.  Pins lose their vector; a message keeps it, masked. */
static void unbind(struct irq_line *line) REQUIRES(line->lock)
{
    line->domain = NULL;
    line->masked = true;
    if (line->kind == IRQ_MESSAGE) {
        msi_mask(line, true);
    } else {
        ioapic_mask(irq_number(line));
        irq_vector_release(line);
    }
}

void pirq_guest_unbind(struct domain *domain, uint32_t pirq) NO_LOCK_ANALYSIS
{
    struct irq_line *line = lock_bound(domain, pirq);

    if (line != NULL) {
        unbind(line);
        unlock_line(line);
    }
}

void pirq_guest_set_affinity(struct domain *domain, uint32_t pirq,
                             unsigned int cpu) NO_LOCK_ANALYSIS
{
    struct irq_line *line = lock_bound(domain, pirq);

    if (line == NULL) {
        return;
    }
    if (cpu != line->cpu && reachable(cpu) && irq_vector_move(line, cpu)) {
        program(line);
        /*
         * One more interrupt than the device raised does no harm, one less does: an
         * edge may have gone to a place that was given up just now.
         */
        if (line->kind != IRQ_LEVEL) {
            pirq_interrupt(line);
        }
    }
    unlock_line(line);
}

int pirq_eoi(struct domain *domain, uint32_t pirq)
{
    struct irq_line *line = lock_line(domain, pirq);
    evtchn_port_t port = 0;

    if (line == NULL) {
        return -XEN_EINVAL;
    }
    if (line->domain == domain && line->pirq == pirq) {
        port = line->port;
        if (line->masked) { /* only a level that fired is, while it is bound */
            line->masked = false;
            ioapic_unmask(irq_number(line));
        }
    }
    unlock_line(line);
    return port != 0 && domain->pirqs->eoi_unmasks ? event_unmask(domain, port) : 0;
}

static int32_t pirq_of_line(const struct domain_pirqs *pirqs, uint32_t number)
{
    for (uint32_t pirq = 0; pirq < pirqs->limit; pirq++) {
        if (entry_of(pirqs, pirq) == number + 1) {
            return (int32_t)pirq;
        }
    }
    return PIRQ_ANY;
}

/* A free number: the highest for a message, the lowest behind all GSIs else. */
static int choose_pirq(const struct domain_pirqs *pirqs, bool message)
{
    for (uint32_t i = 0; i < pirqs->limit; i++) {
        uint32_t pirq = message ? pirqs->limit - 1 - i : i;

        if ((message || pirq >= MIN(irq_gsi_count(), pirqs->limit / 2)) &&
            entry_of(pirqs, pirq) == PIRQ_FREE) {
            return (int)pirq;
        }
    }
    return -XEN_ENOSPC;
}

/* The number a line is to get: the one wanted, or one of our choice. */
static int place_line(const struct domain_pirqs *pirqs, uint32_t number, int32_t wanted)
{
    bool message = irq_lines[number].kind == IRQ_MESSAGE;

    if (wanted < 0) {
        if (!message && number < pirqs->limit && entry_of(pirqs, number) == PIRQ_FREE) {
            return (int)number;
        }
        return choose_pirq(pirqs, message);
    }
    if ((uint32_t)wanted >= pirqs->limit) {
        return -XEN_EINVAL;
    }
    return is_line(entry_of(pirqs, (uint32_t)wanted)) ? -XEN_EEXIST : wanted;
}

static int map_gsi(struct domain *domain, uint32_t gsi, int32_t wanted) REQUIRES(domain->lock)
{
    struct domain_pirqs *pirqs = pirqs_make(domain);
    struct irq_line *line = &irq_lines[gsi];
    int32_t now = pirqs != NULL ? pirq_of_line(pirqs, gsi) : -XEN_ENOMEM;
    int pirq;

    if (now != PIRQ_ANY) {
        return now < 0 || wanted < 0 || wanted == now ? now : -XEN_EEXIST;
    }
    pirq = place_line(pirqs, gsi, wanted);
    if (pirq >= 0) {
        spin_lock(&line->lock);
        set_entry(pirqs, (uint32_t)pirq, gsi + 1);
        spin_unlock(&line->lock);
    }
    return pirq;
}

int pirq_map_gsi(struct domain *domain, int32_t gsi, int32_t wanted)
{
    int pirq = -XEN_EINVAL;

    if ((uint32_t)gsi < irq_gsi_count()) {
        spin_lock(&domain->lock);
        pirq = map_gsi(domain, (uint32_t)gsi, wanted);
        spin_unlock(&domain->lock);
    }
    return pirq;
}

/* The core writes to the table: it must be where the domain could write itself, and no RAM. */
static bool table_allowed(struct domain *domain, const struct msi_request *request)
{
    uint64_t first = request->table >> PAGE_SHIFT;
    uint64_t last = (request->table + request->table_size - 1) >> PAGE_SHIFT;

    for (uint64_t i = first; i <= last && i < frame_limit; i++) {
        if (page_owner(page_of(mfn(i))) != DOMID_IO) {
            return false;
        }
    }
    return io_permitted(domain, IO_FRAME, first, last);
}

/* Have a device's message lead to a line: attached, with a vector, masked if it can be. */
static int prepare_message(struct domain *domain, uint32_t number, struct msi_request request)
{
    struct irq_line *line = &irq_lines[number];
    int error;

    if (request.msix) {
        msi_find_table(&request);
    }
    error = request.table != 0 && !table_allowed(domain, &request) ? -XEN_EPERM
                                                                   : msi_attach(number, &request);
    if (error != 0) {
        return error;
    }
    spin_lock(&line->lock);
    line->masked = true;
    if (irq_vector_assign(line, reachable(cpu_id()) ? cpu_id() : 0)) {
        msi_program(line);
    } else {
        error = -XEN_ENOSPC;
    }
    spin_unlock(&line->lock);
    if (error != 0) {
        msi_detach(number);
    }
    return error;
}

int pirq_map_message(struct domain *domain, const struct msi_request *request, int32_t wanted)
{
    uint32_t number = irq_message_alloc();
    struct domain_pirqs *pirqs;
    int pirq, error;

    if (number == IRQ_NONE) {
        return -XEN_ENOSPC;
    }
    spin_lock(&domain->lock);
    pirqs = pirqs_make(domain);
    pirq = pirqs != NULL ? place_line(pirqs, number, wanted) : -XEN_ENOMEM;
    error = pirq < 0 ? pirq : prepare_message(domain, number, *request);
    if (error == 0) {
        set_entry(pirqs, (uint32_t)pirq, number + 1);
    }
    spin_unlock(&domain->lock);
    if (error == 0) {
        return pirq;
    }
    irq_message_free(number);
    return error;
}

static void unmap(struct domain *domain, struct domain_pirqs *pirqs, uint32_t pirq)
    REQUIRES(domain->lock)
{
    uint32_t entry = entry_of(pirqs, pirq);
    struct irq_line *line;
    bool message;

    if (!is_line(entry)) {
        set_entry(pirqs, pirq, PIRQ_FREE);
        return;
    }
    line = &irq_lines[entry - 1];
    spin_lock(&line->lock);
    message = line->kind == IRQ_MESSAGE;
    if (line->domain == domain && line->pirq == pirq) {
        unbind(line);
    }
    if (message) {
        msi_detach(entry - 1);
        irq_vector_release(line);
    }
    set_entry(pirqs, pirq, PIRQ_FREE);
    spin_unlock(&line->lock);
    if (message) {
        irq_message_free(entry - 1);
    }
}

int pirq_unmap(struct domain *domain, int32_t pirq)
{
    struct domain_pirqs *pirqs;
    int error = -XEN_EINVAL;

    spin_lock(&domain->lock);
    pirqs = domain->pirqs;
    if (pirqs != NULL && (uint32_t)pirq < pirqs->limit &&
        entry_of(pirqs, (uint32_t)pirq) != PIRQ_FREE) {
        unmap(domain, pirqs, (uint32_t)pirq);
        error = 0;
    }
    spin_unlock(&domain->lock);
    return error;
}

int pirq_reserve(struct domain *domain, bool message)
{
    struct domain_pirqs *pirqs;
    int pirq = -XEN_ENOMEM;

    spin_lock(&domain->lock);
    pirqs = pirqs_make(domain);
    if (pirqs != NULL) {
        pirq = choose_pirq(pirqs, message);
    }
    if (pirq >= 0) {
        set_entry(pirqs, (uint32_t)pirq, PIRQ_RESERVED);
    }
    spin_unlock(&domain->lock);
    return pirq;
}

int pirq_setup_gsi(int32_t gsi, bool level, bool active_low)
{
    struct irq_line *line;
    int error = 0;

    if ((uint32_t)gsi >= irq_gsi_count()) {
        return -XEN_EINVAL;
    }
    line = &irq_lines[gsi];
    spin_lock(&line->lock);
    if (line->kind == IRQ_UNUSED) {
        error = -XEN_EINVAL;
    } else if (line->domain != NULL || line->handler != NULL ||
               bit_test_and_set(gsi_configured, (unsigned int)gsi)) {
        error = -XEN_EEXIST;
    } else {
        ioapic_configure(line, level, active_low);
    }
    spin_unlock(&line->lock);
    return error;
}

/* What is bound already shows in the new page. */
static void publish_all(struct domain *domain) REQUIRES(domain->lock)
{
    for (uint32_t pirq = 0; pirq < domain->pirqs->limit; pirq++) {
        struct irq_line *line = lock_bound(domain, pirq);

        if (line != NULL) {
            publish_eoi(domain, line, pirq);
            unlock_line(line);
        }
    }
}

int pirq_set_eoi_page(struct domain *domain, mfn_t frame, bool eoi_unmasks)
{
    struct domain_pirqs *pirqs;
    struct page *page;
    int error = frame_type_get(frame, domain->id, PAGE_WRITABLE);

    if (error != 0) {
        return error;
    }
    page = page_of(frame);
    spin_lock(&domain->lock);
    pirqs = pirqs_make(domain);
    if (pirqs == NULL) {
        error = -XEN_ENOMEM;
    } else if (pirqs->eoi_page != NULL) {
        error = -XEN_EBUSY;
    } else {
        pirqs->eoi_page = page;
        pirqs->eoi_unmasks = eoi_unmasks;
        store_release(&pirqs->eoi_map, (uint64_t *)page_address(page));
        publish_all(domain);
    }
    spin_unlock(&domain->lock);
    if (error != 0) {
        frame_type_put(page);
    }
    return error;
}

void pirqs_destroy(struct domain *domain)
{
    struct domain_pirqs *pirqs;

    spin_lock(&domain->lock);
    pirqs = domain->pirqs;
    for (uint32_t pirq = 0; pirqs != NULL && pirq < pirqs->limit; pirq++) {
        unmap(domain, pirqs, pirq);
    }
    store_release(&domain->pirqs, NULL);
    spin_unlock(&domain->lock);

    if (pirqs != NULL && pirqs->eoi_page != NULL) {
        frame_type_put(pirqs->eoi_page);
    }
    heap_free(pirqs);
}
