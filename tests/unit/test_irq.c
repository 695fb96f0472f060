/* SPDX-License-Identifier: MIT */
/*
 * hypervisor/x86/irq.c and hypervisor/pv/pirq.c: from a device's interrupt to a
 * guest's port, with pins and messages that write down what they are told.
 */
#include <check.h>
#include <string.h>

#include "guest-pv-headers/errno.h"
#include "hypervisor/domain/io_permissions.h"
#include "hypervisor/drivers/ioapic.h"
#include "hypervisor/event/event.h"
#include "hypervisor/lib/atomic.h"
#include "hypervisor/pv/pirq.h"
#include "hypervisor/x86/apic.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/smp.h"
#include "tests/fake/fake.h"
#include "tests/unit/suite.h"

#define GSIS      24u
#define EDGE      4u /* GSIs of the tests */
#define LEVEL     17u
#define LEVEL_ISA 9u /* an ISA interrupt that an override made a level */
#define PORT      33u

struct cpu cpus[CPU_LIMIT];
unsigned int cpu_count;
struct cpumask cpus_online;

/* The hardware. */
static struct pin {
    bool masked;
    uint8_t vector;
    uint32_t cpu;
    unsigned int programmed, opened;
} pins[GSIS];

static struct message {
    bool attached;
    bool masked;
    uint8_t vector;
    uint32_t cpu;
} messages[IRQ_LINE_LIMIT];

static unsigned int eois;
static int attach_result;

/* The guest. */
static unsigned int sent, unmasked;
static evtchn_port_t last_port;
static struct domain *last_domain;

void apic_end_of_interrupt(void)
{
    eois++;
}

void ioapic_mask(uint32_t gsi)
{
    pins[gsi].masked = true;
}

void ioapic_unmask(uint32_t gsi)
{
    pins[gsi].masked = false;
    pins[gsi].opened++;
}

void ioapic_program(uint32_t gsi, const struct irq_line *line)
{
    pins[gsi].masked = line->masked;
    pins[gsi].vector = line->vector;
    pins[gsi].cpu = line->cpu;
    pins[gsi].programmed++;
}

void ioapic_configure(struct irq_line *line, bool level, bool active_low)
{
    line->kind = level ? IRQ_LEVEL : IRQ_EDGE;
    line->active_low = active_low;
}

uint32_t ioapic_gsi_of_isa(unsigned int isa_irq)
{
    return isa_irq == 0 ? 2 : isa_irq < 16 ? isa_irq : 5000;
}

/* Where the device says its table is, and the frames that the domain may use. */
static uint64_t table_address, first_allowed, last_allowed;
#define DEVICE_FRAME (frame_limit + 100)

void msi_find_table(struct msi_request *request)
{
    request->table = table_address;
    request->table_size = PAGE_SIZE;
}

bool io_permitted(struct domain *domain, enum io_kind kind, uint64_t first, uint64_t last)
{
    (void)domain;
    return kind == IO_FRAME && first >= first_allowed && last <= last_allowed && first <= last;
}

int msi_attach(uint32_t number, const struct msi_request *request)
{
    (void)request;
    if (attach_result == 0) {
        messages[number].attached = true;
        messages[number].masked = true;
    }
    return attach_result;
}

void msi_detach(uint32_t number)
{
    ck_assert(messages[number].attached);
    messages[number].attached = false;
    messages[number].masked = true;
}

void msi_program(const struct irq_line *line)
{
    struct message *message = &messages[irq_number(line)];

    message->vector = line->vector;
    message->cpu = line->cpu;
    message->masked = line->masked;
}

void msi_mask(const struct irq_line *line, bool masked)
{
    messages[irq_number(line)].masked = masked;
}

void event_send_pirq(struct domain *domain, evtchn_port_t port)
{
    last_domain = domain;
    last_port = port;
    sent++;
}

int event_unmask(struct domain *domain, evtchn_port_t port)
{
    (void)domain;
    last_port = port;
    unmasked++;
    return 0;
}

static struct domain *control, *other;

static void set_wiring(void) NO_LOCK_ANALYSIS
{
    irq_setup(GSIS);
    for (uint32_t gsi = 0; gsi < GSIS; gsi++) {
        pins[gsi].masked = true;
        ioapic_configure(&irq_lines[gsi], gsi >= 16 || gsi == LEVEL_ISA, gsi >= 16);
    }
}

static void setup(void)
{
    fake_reset();
    memset(irq_lines, 0, sizeof(irq_lines));
    memset(pins, 0, sizeof(pins));
    memset(messages, 0, sizeof(messages));
    eois = sent = unmasked = 0;
    first_allowed = last_allowed = DEVICE_FRAME;
    attach_result = 0;
    cpu_count = 4;
    for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
        cpus[cpu].apic_id = cpu;
        cpumask_add(&cpus_online, cpu);
    }
    control = fake_domain_new(0, 2, true);
    other = fake_domain_new(5, 1, false);
    fake_cpu_use(0, control->vcpu[0]);
    set_wiring();
}

static void teardown(void)
{
    pirqs_destroy(control);
    pirqs_destroy(other);
    for (uint32_t i = 0; i < IRQ_LINE_LIMIT; i++) {
        ck_assert_ptr_null(irq_lines[i].domain);
        ck_assert(!messages[i].attached);
        ck_assert(i < GSIS || irq_lines[i].kind == IRQ_UNUSED);
    }
    fake_domain_free(other);
    fake_domain_free(control);
    ck_assert_int_eq(fake_heap_live, 0);
}

static void bind_gsi(uint32_t gsi)
{
    ck_assert_int_eq(pirq_map_gsi(control, (int32_t)gsi, (int32_t)gsi), (int)gsi);
    ck_assert_int_eq(pirq_guest_bind(control, gsi, PORT), 0);
}

static uint32_t map_message(void)
{
    struct msi_request request = { .msix = true };
    int pirq = pirq_map_message(control, &request, PIRQ_ANY);

    ck_assert_int_ge(pirq, 0);
    return (uint32_t)pirq;
}

/* The one message that is attached. */
static uint32_t the_message(void)
{
    uint32_t found = IRQ_NONE;

    for (uint32_t i = 0; i < IRQ_LINE_LIMIT; i++) {
        if (messages[i].attached) {
            ck_assert_uint_eq(found, IRQ_NONE);
            found = i;
        }
    }
    ck_assert_uint_ne(found, IRQ_NONE);
    return found;
}

START_TEST(an_edge_becomes_one_event_and_the_pin_stays_open)
{
    bind_gsi(EDGE);
    ck_assert(!pins[EDGE].masked);
    ck_assert_uint_ge(pins[EDGE].vector, VECTOR_DEVICE_FIRST);

    irq_interrupt(pins[EDGE].vector);
    ck_assert_uint_eq(sent, 1);
    ck_assert_uint_eq(last_port, PORT);
    ck_assert_ptr_eq(last_domain, control);
    ck_assert_uint_eq(eois, 1);
    ck_assert(!pins[EDGE].masked);
}
END_TEST

START_TEST(a_level_stays_masked_until_the_guest_has_dealt_with_it)
{
    bind_gsi(LEVEL);
    irq_interrupt(pins[LEVEL].vector);
    ck_assert_uint_eq(sent, 1);
    ck_assert_uint_eq(eois, 1); /* the CPU's other interrupts do not wait for the guest */
    ck_assert(pins[LEVEL].masked);

    ck_assert_int_eq(pirq_eoi(control, LEVEL), 0);
    ck_assert(!pins[LEVEL].masked);
    ck_assert_uint_eq(unmasked, 0);
    ck_assert_int_eq(pirq_eoi(control, LEVEL), 0); /* once more does nothing */
    ck_assert_uint_eq(pins[LEVEL].opened, 1);
}
END_TEST

START_TEST(an_eoi_of_what_is_not_ones_own_does_nothing)
{
    bind_gsi(LEVEL);
    irq_interrupt(pins[LEVEL].vector);
    ck_assert_int_eq(pirq_eoi(other, LEVEL), -XEN_EINVAL);
    ck_assert_int_eq(pirq_map_gsi(other, LEVEL, PIRQ_ANY), LEVEL);
    ck_assert_int_eq(pirq_eoi(other, LEVEL), 0);
    ck_assert(pins[LEVEL].masked);
    ck_assert_int_eq(pirq_eoi(control, 5), -XEN_EINVAL);
    ck_assert_int_eq(pirq_eoi(control, UINT32_MAX), -XEN_EINVAL);
}
END_TEST

START_TEST(a_line_has_one_user)
{
    bind_gsi(LEVEL);
    ck_assert_int_eq(pirq_guest_bind(control, LEVEL, PORT + 1), -XEN_EEXIST);
    ck_assert_int_eq(pirq_map_gsi(other, LEVEL, PIRQ_ANY), LEVEL);
    ck_assert_int_eq(pirq_guest_bind(other, LEVEL, PORT), -XEN_EBUSY);
    pirq_guest_unbind(other, LEVEL); /* not its own to unbind */
    irq_interrupt(pins[LEVEL].vector);
    ck_assert_ptr_eq(last_domain, control);
}
END_TEST

START_TEST(what_is_not_mapped_cannot_be_bound)
{
    ck_assert_int_eq(pirq_guest_bind(control, EDGE, PORT), -XEN_EINVAL);
    ck_assert_int_eq(pirq_map_gsi(control, EDGE, PIRQ_ANY), EDGE);
    ck_assert_int_eq(pirq_guest_bind(control, 5, PORT), -XEN_EINVAL);
    ck_assert_int_eq(pirq_guest_bind(control, UINT32_MAX, PORT), -XEN_EINVAL);
    irq_lines[6].kind = IRQ_UNUSED; /* a GSI without a pin */
    ck_assert_int_eq(pirq_map_gsi(control, 6, 6), 6);
    ck_assert_int_eq(pirq_guest_bind(control, 6, PORT), -XEN_EINVAL);
    ck_assert_uint_eq(pins[6].programmed, 0);
}
END_TEST

START_TEST(an_unbound_line_is_masked_and_its_vector_free)
{
    uint8_t vector;

    bind_gsi(EDGE);
    vector = pins[EDGE].vector;
    pirq_guest_unbind(control, EDGE);
    ck_assert(pins[EDGE].masked);
    irq_interrupt(vector); /* was on its way */
    ck_assert_uint_eq(sent, 0);
    ck_assert_uint_eq(eois, 1);
    ck_assert_uint_eq(irq_lines[EDGE].count, 0);
    pirq_guest_unbind(control, EDGE);

    ck_assert_int_eq(pirq_guest_bind(control, EDGE, PORT), 0);
    irq_interrupt(pins[EDGE].vector);
    ck_assert_uint_eq(sent, 1);
}
END_TEST

static unsigned int core_calls;

static void core_handler(void)
{
    core_calls++;
}

START_TEST(a_line_of_the_core_is_not_for_guests)
{
    ck_assert(irq_request_isa(EDGE, core_handler));
    ck_assert(!irq_request_isa(EDGE, core_handler));
    irq_interrupt(pins[EDGE].vector);
    ck_assert_uint_eq(core_calls, 1);
    ck_assert_uint_eq(sent, 0);
    ck_assert_int_eq(pirq_map_gsi(control, EDGE, EDGE), EDGE);
    ck_assert_int_eq(pirq_guest_bind(control, EDGE, PORT), -XEN_EBUSY);
    ck_assert_int_eq(pirq_setup_gsi(EDGE, true, true), -XEN_EEXIST);
    ck_assert_int_eq(irq_lines[EDGE].kind, IRQ_EDGE);

    ck_assert(irq_request_isa(LEVEL_ISA, core_handler));
    irq_interrupt(pins[LEVEL_ISA].vector);
    ck_assert_uint_eq(core_calls, 2);
    ck_assert(!pins[LEVEL_ISA].masked);
    ck_assert(!irq_lines[LEVEL_ISA].masked);

    bind_gsi(5);
    ck_assert(!irq_request_isa(5, core_handler));
    ck_assert(!irq_request_isa(200, core_handler));
}
END_TEST

START_TEST(gsis_have_their_own_number_and_messages_the_highest)
{
    ck_assert_int_eq(pirq_map_gsi(control, 9, PIRQ_ANY), 9);
    ck_assert_int_eq(pirq_map_gsi(control, 9, PIRQ_ANY), 9); /* again */
    ck_assert_int_eq(pirq_map_gsi(control, 9, 9), 9);
    ck_assert_int_eq(pirq_map_gsi(control, 9, 10), -XEN_EEXIST);
    ck_assert_int_eq(pirq_map_gsi(control, 10, 9), -XEN_EEXIST);
    ck_assert_int_eq(pirq_map_gsi(control, -1, PIRQ_ANY), -XEN_EINVAL);
    ck_assert_int_eq(pirq_map_gsi(control, GSIS, PIRQ_ANY), -XEN_EINVAL);
    ck_assert_int_eq(pirq_map_gsi(control, 11, IRQ_LINE_LIMIT), -XEN_EINVAL);
    ck_assert_int_eq(pirq_map_gsi(control, 11, INT32_MAX), -XEN_EINVAL);

    ck_assert_uint_eq(map_message(), pirq_limit(control) - 1);
    ck_assert_uint_eq(map_message(), pirq_limit(control) - 2);
}
END_TEST

START_TEST(a_reserved_number_is_given_to_nobody_else)
{
    struct msi_request request = { .msix = false };
    int message = pirq_reserve(control, true);
    int line = pirq_reserve(control, false);

    ck_assert_int_eq(message, (int)pirq_limit(control) - 1);
    ck_assert_int_eq(line, (int)GSIS); /* numbers of GSIs are kept for them */
    ck_assert_uint_eq(map_message(), (uint32_t)message - 1);
    ck_assert_int_eq(pirq_map_message(control, &request, message), message);
    ck_assert_int_eq(pirq_unmap(control, line), 0);
    ck_assert_int_eq(pirq_reserve(control, false), line);
    ck_assert_int_eq(pirq_guest_bind(control, (uint32_t)line, PORT), -XEN_EINVAL);
}
END_TEST

START_TEST(number_0_is_a_number)
{
    struct msi_request request = { .msix = true };

    ck_assert_int_eq(pirq_map_message(control, &request, 0), 0);
    ck_assert(messages[the_message()].attached);
    ck_assert_int_eq(pirq_unmap(control, 0), 0);
    ck_assert_int_eq(pirq_map_gsi(control, EDGE, 0), 0);
    ck_assert_int_eq(pirq_map_gsi(control, EDGE, 0), 0);
    ck_assert_int_eq(pirq_map_gsi(control, EDGE, 3), -XEN_EEXIST);
    ck_assert_int_eq(pirq_guest_bind(control, 0, PORT), 0);
    ck_assert_int_eq(pirq_map_gsi(control, LEVEL, LEVEL), LEVEL);
    ck_assert_int_eq(pirq_map_gsi(control, LEVEL, 0), -XEN_EEXIST);
}
END_TEST

START_TEST(a_line_of_two_domains_stays_with_the_one_that_bound_it)
{
    int theirs = pirq_map_gsi(other, LEVEL, PIRQ_ANY);

    bind_gsi(LEVEL);
    ck_assert_int_eq(pirq_guest_bind(other, (uint32_t)theirs, PORT), -XEN_EBUSY);
    ck_assert_int_eq(pirq_unmap(other, theirs), 0);
    ck_assert(!pins[LEVEL].masked);
    ck_assert_ptr_eq(irq_lines[LEVEL].domain, control);
    ck_assert_int_eq(irq_lines[LEVEL].kind, IRQ_LEVEL);
}
END_TEST

START_TEST(a_message_is_masked_until_it_is_bound)
{
    uint32_t pirq = map_message(), line = the_message();

    ck_assert(messages[line].masked);
    ck_assert_uint_ne(messages[line].vector, 0);
    irq_interrupt(messages[line].vector); /* a device that cannot mask */
    ck_assert_uint_eq(sent, 0);
    ck_assert_uint_eq(eois, 1);

    ck_assert_int_eq(pirq_guest_bind(control, pirq, PORT), 0);
    ck_assert(!messages[line].masked);
    irq_interrupt(messages[line].vector);
    ck_assert_uint_eq(sent, 1);
    ck_assert(!messages[line].masked);

    pirq_guest_unbind(control, pirq);
    ck_assert(messages[line].masked);
    irq_interrupt(messages[line].vector);
    ck_assert_uint_eq(sent, 1);
}
END_TEST

START_TEST(unmapping_takes_everything_back)
{
    uint32_t pirq = map_message(), line = the_message();
    uint8_t vector = messages[line].vector;

    ck_assert_int_eq(pirq_guest_bind(control, pirq, PORT), 0);
    ck_assert_int_eq(pirq_unmap(control, (int32_t)pirq), 0);
    ck_assert(!messages[line].attached);
    ck_assert_ptr_null(irq_lines[line].domain);
    irq_interrupt(vector);
    ck_assert_uint_eq(sent, 0);
    ck_assert_uint_eq(irq_lines[line].count, 0);
    ck_assert_int_eq(irq_lines[line].vector, 0);
    ck_assert_int_eq(pirq_unmap(control, (int32_t)pirq), -XEN_EINVAL);
    ck_assert_int_eq(pirq_unmap(control, -1), -XEN_EINVAL);
    ck_assert_int_eq(pirq_unmap(control, IRQ_LINE_LIMIT), -XEN_EINVAL);
    ck_assert_int_eq(pirq_unmap(other, 3), -XEN_EINVAL);
    ck_assert_uint_eq(map_message(), pirq);

    bind_gsi(LEVEL);
    ck_assert_int_eq(pirq_unmap(control, LEVEL), 0);
    ck_assert(pins[LEVEL].masked);
}
END_TEST

START_TEST(a_message_that_cannot_be_attached_leaves_nothing)
{
    struct msi_request request = { .msix = true };

    attach_result = -XEN_ENODEV;
    ck_assert_int_eq(pirq_map_message(control, &request, PIRQ_ANY), -XEN_ENODEV);
    attach_result = 0;
    ck_assert_int_eq(pirq_map_message(control, &request, INT32_MAX), -XEN_EINVAL);
    for (uint32_t i = GSIS; i < IRQ_LINE_LIMIT; i++) {
        ck_assert_int_eq(irq_lines[i].kind, IRQ_UNUSED);
        ck_assert_int_eq(irq_lines[i].vector, 0);
    }
    ck_assert_uint_eq(map_message(), pirq_limit(control) - 1);
}
END_TEST

START_TEST(a_table_of_messages_is_written_to_only_where_the_domain_may_write)
{
    struct msi_request request = { .msix = true };

    table_address = DEVICE_FRAME << PAGE_SHIFT;
    ck_assert_int_ge(pirq_map_message(control, &request, PIRQ_ANY), 0);
    table_address += 8; /* reaches into the next frame */
    ck_assert_int_eq(pirq_map_message(control, &request, PIRQ_ANY), -XEN_EPERM);
    table_address = (frame_limit - 1) << PAGE_SHIFT;
    ck_assert_int_eq(pirq_map_message(control, &request, PIRQ_ANY), -XEN_EPERM);
    table_address = UINT64_MAX - 7;
    ck_assert_int_eq(pirq_map_message(control, &request, PIRQ_ANY), -XEN_EPERM);
}
END_TEST

START_TEST(a_table_of_messages_is_never_in_ram)
{
    struct msi_request request = { .msix = true };
    struct page *device = fake_page_new(control), *ram = fake_page_new(control);

    ck_assert_ptr_eq(ram, device + 1);
    device->refs = page_ref_owner_bits(DOMID_IO);
    first_allowed = page_frame(device).number;
    last_allowed = first_allowed + 1;
    table_address = first_allowed << PAGE_SHIFT;
    ck_assert_int_ge(pirq_map_message(control, &request, PIRQ_ANY), 0);
    table_address += 8; /* reaches into RAM */
    ck_assert_int_eq(pirq_map_message(control, &request, PIRQ_ANY), -XEN_EPERM);
    table_address = last_allowed << PAGE_SHIFT;
    ck_assert_int_eq(pirq_map_message(control, &request, PIRQ_ANY), -XEN_EPERM);
    frame_limit = last_allowed; /* that one is beyond all memory */
    ck_assert_int_ge(pirq_map_message(control, &request, PIRQ_ANY), 0);
    frame_limit = FAKE_FRAMES;
    request.msix = false; /* has no table */
    ck_assert_int_ge(pirq_map_message(control, &request, PIRQ_ANY), 0);
}
END_TEST

START_TEST(a_line_interrupts_the_cpu_of_the_first_vcpu_if_it_can)
{
    struct domain *without = fake_domain_new(6, 0, false);

    control->vcpu[0]->cpu = 2;
    bind_gsi(EDGE);
    ck_assert_uint_eq(pins[EDGE].cpu, 2);
    pirq_guest_unbind(control, EDGE);
    cpus[2].apic_id = 0xff;
    ck_assert_int_eq(pirq_guest_bind(control, EDGE, PORT), 0);
    ck_assert_uint_eq(pins[EDGE].cpu, 0);
    ck_assert_int_eq(pirq_map_gsi(without, LEVEL, PIRQ_ANY), LEVEL);
    ck_assert_int_eq(pirq_guest_bind(without, LEVEL, PORT), 0);
    ck_assert_uint_eq(pins[LEVEL].cpu, 0);
    fake_cpu_use(2, control->vcpu[0]);
    (void)map_message();
    ck_assert_uint_eq(messages[the_message()].cpu, 0);
    fake_cpu_use(0, control->vcpu[0]);
    pirqs_destroy(without);
    fake_domain_free(without);
}
END_TEST

START_TEST(a_line_for_which_there_is_no_vector_is_not_bound)
{
    struct msi_request request = { .msix = true };

    ck_assert_int_eq(pirq_map_gsi(control, EDGE, EDGE), EDGE);
    while (pirq_map_message(control, &request, PIRQ_ANY) >= 0) {
    }
    ck_assert_int_eq(pirq_guest_bind(control, EDGE, PORT), -XEN_ENOSPC);
    ck_assert_ptr_null(irq_lines[EDGE].domain);
    ck_assert_int_eq(pirq_setup_gsi(GSIS, true, false), -XEN_EINVAL); /* a message's line */
    ck_assert_int_eq(irq_lines[GSIS].kind, IRQ_MESSAGE);
}
END_TEST

START_TEST(lines_of_messages_run_out_without_harm)
{
    struct msi_request request = { .msix = true };
    uint32_t first = irq_message_alloc(), last = first, line;

    while ((line = irq_message_alloc()) != IRQ_NONE) {
        last = line;
    }
    ck_assert_int_eq(pirq_map_message(control, &request, PIRQ_ANY), -XEN_ENOSPC);
    for (line = first; line <= last; line++) {
        irq_message_free(line);
    }
    fake_answers.fail_allocation = 1;
    ck_assert_int_eq(pirq_map_message(control, &request, PIRQ_ANY), -XEN_ENOMEM);
}
END_TEST

START_TEST(vectors_run_out_without_harm)
{
    struct msi_request request = { .msix = true };
    int mapped = 0, attached = 0, pirq;

    while ((pirq = pirq_map_message(control, &request, PIRQ_ANY)) >= 0) {
        mapped++;
    }
    ck_assert_int_eq(pirq, -XEN_ENOSPC);
    ck_assert_int_eq(mapped, VECTOR_DEVICE_LAST - VECTOR_DEVICE_FIRST); /* one is not for devices */
    for (uint32_t i = 0; i < IRQ_LINE_LIMIT; i++) {
        attached += messages[i].attached ? 1 : 0;
        ck_assert(!messages[i].attached || messages[i].vector != VECTOR_SYSTEM_CALL);
        for (uint32_t j = 0; j < i && messages[i].attached; j++) {
            ck_assert(!messages[j].attached || messages[j].vector != messages[i].vector);
        }
    }
    ck_assert_int_eq(attached, mapped);
    fake_cpu_use(1, control->vcpu[1]); /* another CPU has vectors of its own */
    ck_assert_int_ge(pirq_map_message(control, &request, PIRQ_ANY), 0);
    fake_cpu_use(0, control->vcpu[0]);
}
END_TEST

START_TEST(numbers_run_out_without_harm)
{
    int last = 0;

    while (pirq_reserve(other, true) >= 0) {
        last++;
    }
    ck_assert_int_eq(last, 64);
    ck_assert_uint_eq(pirq_limit(other), 64);
    ck_assert_int_eq(pirq_unmap(other, 64), -XEN_EINVAL);
    ck_assert_int_eq(pirq_reserve(other, false), -XEN_ENOSPC);
    ck_assert_int_eq(pirq_map_gsi(other, LEVEL, PIRQ_ANY), -XEN_ENOSPC);
}
END_TEST

START_TEST(a_line_moves_with_its_vector_and_loses_nothing)
{
    uint8_t vector;

    bind_gsi(EDGE);
    vector = pins[EDGE].vector;
    pirq_guest_set_affinity(control, EDGE, 2);
    ck_assert_uint_eq(pins[EDGE].cpu, 2);
    ck_assert_uint_eq(pins[EDGE].vector, vector);
    ck_assert_uint_eq(sent, 1); /* in case one was lost on the way */

    irq_interrupt(vector); /* accepted on CPU 0 before the move */
    ck_assert_uint_eq(sent, 2);
    fake_cpu_use(2, control->vcpu[1]);
    irq_interrupt(vector);
    ck_assert_uint_eq(sent, 3);

    pirq_guest_set_affinity(control, EDGE, 1);
    pirq_guest_set_affinity(control, EDGE, 2);
    pirq_guest_set_affinity(control, EDGE, 3);
    sent = 0;
    fake_cpu_use(0, control->vcpu[0]); /* three moves ago: nobody's any more */
    irq_interrupt(vector);
    ck_assert_uint_eq(sent, 0);
    fake_cpu_use(2, control->vcpu[0]);
    irq_interrupt(vector);
    fake_cpu_use(3, control->vcpu[0]);
    irq_interrupt(vector);
    ck_assert_uint_eq(sent, 2);

    pirq_guest_unbind(control, EDGE);
    irq_lines[EDGE].count = 0;
    for (unsigned int cpu = 0; cpu < 4; cpu++) {
        fake_cpu_use(cpu, control->vcpu[0]);
        irq_interrupt(vector);
    }
    ck_assert_uint_eq(irq_lines[EDGE].count, 0); /* no table leads there any more */
    fake_cpu_use(0, control->vcpu[0]);
}
END_TEST

START_TEST(a_move_that_cannot_be_leaves_the_line_where_it_is)
{
    bind_gsi(LEVEL);
    sent = 0;
    pirq_guest_set_affinity(control, LEVEL, 0);   /* is there */
    pirq_guest_set_affinity(control, LEVEL, 9);   /* not online */
    pirq_guest_set_affinity(control, LEVEL, 999); /* no such CPU */
    ck_assert_int_eq(pirq_map_gsi(other, LEVEL, LEVEL), LEVEL);
    pirq_guest_set_affinity(other, LEVEL, 1); /* not bound by it */
    cpus[3].apic_id = 0x103;                  /* cannot be named */
    pirq_guest_set_affinity(control, LEVEL, 3);
    ck_assert_uint_eq(pins[LEVEL].cpu, 0);
    ck_assert_uint_eq(pins[LEVEL].programmed, 1);
    ck_assert_uint_eq(sent, 0);
}
END_TEST

START_TEST(a_vector_in_use_there_stops_a_move)
{
    struct msi_request request = { .msix = true };
    uint32_t pirq = map_message(), line = the_message();
    uint8_t vector = messages[line].vector;

    ck_assert_int_eq(pirq_guest_bind(control, pirq, PORT), 0);
    fake_cpu_use(1, control->vcpu[1]);
    for (int i = 0; i < VECTOR_DEVICE_LAST - VECTOR_DEVICE_FIRST + 1; i++) {
        if (pirq_map_message(control, &request, PIRQ_ANY) < 0) {
            break;
        }
    }
    pirq_guest_set_affinity(control, pirq, 1);
    ck_assert_uint_eq(messages[line].cpu, 0);
    pirq_guest_set_affinity(control, pirq, 2);
    ck_assert_uint_eq(messages[line].cpu, 2);
    ck_assert_uint_eq(messages[line].vector, vector);
    fake_cpu_use(0, control->vcpu[0]);
}
END_TEST

START_TEST(lines_of_different_cpus_have_different_vectors_while_there_are)
{
    uint32_t first = map_message(), line = the_message(), second;

    fake_cpu_use(1, control->vcpu[1]);
    second = map_message();
    ck_assert_uint_ne(first, second);
    for (uint32_t i = 0; i < IRQ_LINE_LIMIT; i++) {
        ck_assert(i == line || !messages[i].attached ||
                  messages[i].vector != messages[line].vector);
    }
    fake_cpu_use(0, control->vcpu[0]);
}
END_TEST

START_TEST(a_line_used_again_forgets_where_it_was)
{
    struct msi_request request = { .msix = true };
    uint32_t pirq = map_message(), line = the_message(), there = IRQ_NONE;
    uint8_t vector = messages[line].vector;

    ck_assert_int_eq(pirq_guest_bind(control, pirq, PORT), 0);
    pirq_guest_set_affinity(control, pirq, 2);
    pirq_guest_set_affinity(control, pirq, 3); /* was on 2 before */
    ck_assert_int_eq(pirq_unmap(control, (int32_t)pirq), 0);

    fake_cpu_use(2, control->vcpu[1]);                /* every vector of CPU 2 gets another line */
    ck_assert_uint_ne(irq_message_alloc(), IRQ_NONE); /* keep this one */
    while (pirq_map_message(control, &request, PIRQ_ANY) >= 0) {
    }
    for (uint32_t i = 0; i < IRQ_LINE_LIMIT; i++) {
        there = messages[i].attached && messages[i].vector == vector ? i : there;
    }
    ck_assert_uint_ne(there, IRQ_NONE);
    irq_message_free(line);
    fake_cpu_use(0, control->vcpu[0]);
    ck_assert_int_ge(pirq_map_message(control, &request, (int32_t)pirq - 500), 0);
    ck_assert(messages[line].attached);
    ck_assert_uint_eq(messages[line].vector, vector);
    ck_assert_int_eq(pirq_guest_bind(control, pirq - 500, PORT), 0);
    pirq_guest_set_affinity(control, pirq - 500, 1);
    ck_assert_int_eq(pirq_unmap(control, (int32_t)pirq - 500), 0);

    fake_cpu_use(2, control->vcpu[1]);
    irq_interrupt(vector);
    ck_assert_uint_eq(irq_lines[there].count, 1); /* its place was left alone */
    fake_cpu_use(0, control->vcpu[0]);
}
END_TEST

START_TEST(wiring_is_told_once)
{
    /* the record of it outlives set-up: numbers no other test tells */
    ck_assert_int_eq(pirq_setup_gsi(20, false, true), 0);
    ck_assert_int_eq(irq_lines[20].kind, IRQ_EDGE);
    ck_assert(irq_lines[20].active_low);
    ck_assert_int_eq(pirq_setup_gsi(20, true, false), -XEN_EEXIST);
    ck_assert_int_eq(irq_lines[20].kind, IRQ_EDGE);
    ck_assert_int_eq(pirq_setup_gsi(-1, true, false), -XEN_EINVAL);
    ck_assert_int_eq(pirq_setup_gsi(GSIS, true, false), -XEN_EINVAL);
    ck_assert_int_eq(pirq_setup_gsi(INT32_MAX, true, false), -XEN_EINVAL);
    irq_lines[21].kind = IRQ_UNUSED;
    ck_assert_int_eq(pirq_setup_gsi(21, true, false), -XEN_EINVAL);
    bind_gsi(22);
    ck_assert_int_eq(pirq_setup_gsi(22, false, false), -XEN_EEXIST);
    ck_assert_int_eq(irq_lines[22].kind, IRQ_LEVEL);
}
END_TEST

START_TEST(the_eoi_page_shows_what_needs_one)
{
    struct page *page = fake_page_new(control);
    uint64_t *map = page_address(page);
    uint64_t refs = fake_page_refs(page);

    bind_gsi(LEVEL);
    ck_assert_int_eq(pirq_set_eoi_page(control, page_frame(page), false), 0);
    ck_assert(bit_test(map, LEVEL));   /* bound before */
    (void)bit_test_and_set(map, EDGE); /* the guest's page: anything may be in it */
    bind_gsi(EDGE);
    ck_assert(!bit_test(map, EDGE));
    bind_gsi(18);
    ck_assert(bit_test(map, 18));
    ck_assert_uint_eq(fake_page_refs(page), refs + 1);
    ck_assert_uint_eq(fake_page_uses(page), 1);
    ck_assert_int_eq(pirq_eoi(control, LEVEL), 0);
    ck_assert_uint_eq(unmasked, 0);

    ck_assert_int_eq(pirq_set_eoi_page(control, page_frame(page), false), -XEN_EBUSY);
    ck_assert_uint_eq(fake_page_refs(page), refs + 1);
    ck_assert_uint_eq(fake_page_uses(page), 1);

    pirqs_destroy(control);
    ck_assert_uint_eq(fake_page_refs(page), refs);
    ck_assert_uint_eq(fake_page_uses(page), 0);
}
END_TEST

START_TEST(with_the_old_page_an_eoi_also_unmasks_the_port)
{
    struct page *page = fake_page_new(control);

    ck_assert_int_eq(pirq_set_eoi_page(control, page_frame(page), true), 0);
    ck_assert_int_eq(pirq_map_gsi(control, LEVEL, LEVEL), LEVEL);
    ck_assert_int_eq(pirq_eoi(control, LEVEL), 0);
    ck_assert_uint_eq(unmasked, 0); /* it has no port yet */
    bind_gsi(LEVEL);
    ck_assert_int_eq(pirq_eoi(control, LEVEL), 0);
    ck_assert_uint_eq(unmasked, 1);
    ck_assert_uint_eq(last_port, PORT);
}
END_TEST

START_TEST(an_eoi_page_must_be_the_guests_own_and_writable)
{
    struct page *foreign = fake_page_new(other);
    struct page *table = fake_page_new(control);
    uint64_t refs = fake_page_refs(table);

    ck_assert_int_eq(pirq_set_eoi_page(control, page_frame(foreign), false), -XEN_EINVAL);
    ck_assert_int_eq(pirq_set_eoi_page(control, MFN_INVALID, false), -XEN_EINVAL);
    fake_answers.page_type_result = -XEN_EINVAL;
    ck_assert_int_eq(pirq_set_eoi_page(control, page_frame(table), false), -XEN_EINVAL);
    fake_answers.page_type_result = -XEN_ERESTART;
    ck_assert_int_eq(pirq_set_eoi_page(control, page_frame(table), false), -XEN_ERESTART);
    ck_assert_uint_eq(fake_page_refs(table), refs);
    fake_answers.page_type_result = 0;
    fake_answers.fail_allocation = 1;
    ck_assert_int_eq(pirq_set_eoi_page(control, page_frame(table), false), -XEN_ENOMEM);
    ck_assert_uint_eq(fake_page_refs(table), refs);
    ck_assert_uint_eq(fake_page_uses(table), 0);
    fake_answers.fail_allocation = 1;
    ck_assert_int_eq(pirq_map_gsi(control, 1, 1), -XEN_ENOMEM);
    fake_answers.fail_allocation = 1;
    ck_assert_int_eq(pirq_reserve(control, true), -XEN_ENOMEM);
    ck_assert_int_eq(pirq_set_eoi_page(control, page_frame(table), false), 0);
}
END_TEST

START_TEST(a_dead_domain_leaves_no_line_behind)
{
    bind_gsi(LEVEL);
    bind_gsi(EDGE);
    ck_assert_int_eq(pirq_guest_bind(control, map_message(), PORT), 0);
    pirqs_destroy(control);
    ck_assert(pins[LEVEL].masked && pins[EDGE].masked);
    for (unsigned int vector = VECTOR_DEVICE_FIRST; vector <= VECTOR_DEVICE_LAST; vector++) {
        irq_interrupt((uint8_t)vector);
    }
    ck_assert_uint_eq(sent, 0);
    pirqs_destroy(control); /* again does nothing */
}
END_TEST

static TCase *pirq_cases(void)
{
    TCase *cases = tcase_create("pirq");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, a_line_has_one_user);
    tcase_add_test(cases, what_is_not_mapped_cannot_be_bound);
    tcase_add_test(cases, gsis_have_their_own_number_and_messages_the_highest);
    tcase_add_test(cases, a_reserved_number_is_given_to_nobody_else);
    tcase_add_test(cases, unmapping_takes_everything_back);
    tcase_add_test(cases, number_0_is_a_number);
    tcase_add_test(cases, a_line_of_two_domains_stays_with_the_one_that_bound_it);
    tcase_add_test(cases, a_message_that_cannot_be_attached_leaves_nothing);
    tcase_add_test(cases, numbers_run_out_without_harm);
    tcase_add_test(cases, wiring_is_told_once);
    tcase_add_test(cases, the_eoi_page_shows_what_needs_one);
    tcase_add_test(cases, with_the_old_page_an_eoi_also_unmasks_the_port);
    tcase_add_test(cases, an_eoi_page_must_be_the_guests_own_and_writable);
    tcase_add_test(cases, a_dead_domain_leaves_no_line_behind);
    return cases;
}

static TCase *line_cases(void)
{
    TCase *cases = tcase_create("line");

    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, an_edge_becomes_one_event_and_the_pin_stays_open);
    tcase_add_test(cases, a_level_stays_masked_until_the_guest_has_dealt_with_it);
    tcase_add_test(cases, an_eoi_of_what_is_not_ones_own_does_nothing);
    tcase_add_test(cases, an_unbound_line_is_masked_and_its_vector_free);
    tcase_add_test(cases, a_line_of_the_core_is_not_for_guests);
    tcase_add_test(cases, a_message_is_masked_until_it_is_bound);
    tcase_add_test(cases, a_table_of_messages_is_written_to_only_where_the_domain_may_write);
    tcase_add_test(cases, a_table_of_messages_is_never_in_ram);
    tcase_add_test(cases, a_line_interrupts_the_cpu_of_the_first_vcpu_if_it_can);
    tcase_add_test(cases, a_line_for_which_there_is_no_vector_is_not_bound);
    tcase_add_test(cases, vectors_run_out_without_harm);
    tcase_add_test(cases, lines_of_messages_run_out_without_harm);
    tcase_add_test(cases, a_line_moves_with_its_vector_and_loses_nothing);
    tcase_add_test(cases, a_move_that_cannot_be_leaves_the_line_where_it_is);
    tcase_add_test(cases, a_vector_in_use_there_stops_a_move);
    tcase_add_test(cases, lines_of_different_cpus_have_different_vectors_while_there_are);
    tcase_add_test(cases, a_line_used_again_forgets_where_it_was);
    return cases;
}

int main(void)
{
    Suite *suite = suite_create("irq");

    suite_add_tcase(suite, line_cases());
    suite_add_tcase(suite, pirq_cases());
    return suite_run(suite);
}
