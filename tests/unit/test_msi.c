/* SPDX-License-Identifier: MIT */
/*
 * hypervisor/drivers/msi.c and pci.c: what is written to a device, and what a device may
 * say of itself without harm.  Both files are included here, over one function's
 * configuration space behind the ports, and memory for its table.
 */
#include <check.h>
#include <string.h>

#define in32  real_in32
#define out16 real_out16
#define out32 real_out32
#include "hypervisor/x86/cpu.h"
#undef in32
#undef out16
#undef out32

static uint32_t in32(uint16_t port);
static void out16(uint16_t port, uint16_t value);
static void out32(uint16_t port, uint32_t value);

#include "hypervisor/drivers/msi.c"
#include "hypervisor/drivers/pci.c"
#include "tests/fake/fake.h"
#include "tests/unit/suite.h"

#define GSIS  24u
#define MSI   0x50u
#define MSIX  0x70u
#define TABLE UINT64_C(0x1fe000800) /* behind BAR 2, at 0x800 */

static const struct pci_function device = { 0, 1, 0x18 };
static uint8_t space[256];
static uint32_t selected, words[4 * 8]; /* 8 messages */
static uint64_t mapped_address, mapped_size;
static unsigned int maps;

struct irq_line irq_lines[IRQ_LINE_LIMIT];
struct acpi_info acpi;

uint32_t irq_gsi_count(void)
{
    return GSIS;
}

volatile void *map_device(maddr_t address, uint64_t size)
{
    maps++;
    mapped_address = address.byte;
    mapped_size = size;
    return words;
}

static bool is_there(void)
{
    return (selected & 0xffff00) == 0x011800;
}

static uint32_t in32(uint16_t port)
{
    uint32_t value = UINT32_MAX;

    ck_assert_uint_eq(port, PORT_DATA);
    ck_assert(spin_is_locked(&pci_port_lock));
    if (is_there()) {
        memcpy(&value, &space[selected & 0xfc], sizeof(value));
    }
    return value;
}

static void out16(uint16_t port, uint16_t value)
{
    ck_assert(is_there());
    memcpy(&space[(selected & 0xfc) + (port - PORT_DATA)], &value, sizeof(value));
}

static void out32(uint16_t port, uint32_t value)
{
    if (port == PORT_ADDRESS) {
        ck_assert_uint_eq(value & ~UINT32_C(0xfffffc), PORT_ENABLE);
        selected = value;
        return;
    }
    ck_assert_uint_eq(port, PORT_DATA);
    ck_assert(is_there());
    memcpy(&space[selected & 0xfc], &value, sizeof(value));
}

static void put(unsigned int at, uint32_t value)
{
    memcpy(&space[at], &value, sizeof(value));
}

static uint32_t get(unsigned int at)
{
    uint32_t value;

    memcpy(&value, &space[at], sizeof(value));
    return value;
}

/* A function with both kinds of messages; `control` of its MSI capability. */
static void device_has(uint16_t control)
{
    memset(space, 0, sizeof(space));
    put(PCI_VENDOR_ID, 0x12348086);
    put(PCI_COMMAND, STATUS_CAPABILITIES << 16 | PCI_COMMAND_MEMORY);
    put(PCI_BAR(2), 0xfe000000 | BAR_64BIT);
    put(PCI_BAR(3), 1);
    put(CAPABILITY_POINTER, MSI);
    put(MSI, (uint32_t)control << 16 | MSIX << 8 | PCI_CAPABILITY_MSI);
    put(MSIX, 7u << 16 | PCI_CAPABILITY_MSIX); /* 8 entries, no other capability */
    put(MSIX + MSIX_TABLE, 0x800 | 2);
}

static void setup(void)
{
    fake_reset();
    for (unsigned int cpu = 0; cpu < 4; cpu++) {
        cpus[cpu].apic_id = 0x10 + cpu;
    }
    for (uint32_t i = 0; i < IRQ_LINE_LIMIT; i++) {
        irq_lines[i].vector = (uint8_t)(0x40 + i % 64);
    }
    memset(words, 0xee, sizeof(words));
    device_has(0);
}

static struct msi_request request_for(bool msix, uint16_t entry)
{
    struct msi_request request = { .function = device, .msix = msix, .entry = entry };

    if (msix) {
        msi_find_table(&request);
    }
    return request;
}

static int attach(uint32_t number, bool msix, uint16_t entry)
{
    struct msi_request request = request_for(msix, entry);

    return msi_attach(number, &request);
}

START_TEST(a_message_of_each_form_goes_where_its_form_has_it)
{
    static const struct {
        uint16_t control;
        unsigned int data, mask; /* from the capability on; 0: none */
    } forms[] = {
        { 0, 8, 0 },
        { MSI_64BIT, 12, 0 },
        { MSI_MASKABLE, 8, 12 },
        { MSI_64BIT | MSI_MASKABLE, 12, 16 },
    };
    struct irq_line *line = &irq_lines[30];

    device_has(forms[_i].control | MSI_MULTIPLE);
    put(MSI + 8, 0xffffffff);
    ck_assert_int_eq(attach(30, false, 0), 0);
    ck_assert_uint_eq(get(MSI) >> 16, forms[_i].control); /* one message, not enabled by us */
    line->cpu = 2;
    line->masked = false;
    msi_program(line);
    ck_assert_uint_eq(get(MSI + 4), 0xfee12000);
    ck_assert_uint_eq(get(MSI + forms[_i].data) & 0xffff, line->vector);
    if (forms[_i].data == 12) {
        ck_assert_uint_eq(get(MSI + 8), 0);
    }
    if (forms[_i].mask != 0) {
        ck_assert_uint_eq(get(MSI + forms[_i].mask), 0);
        msi_mask(line, true);
        ck_assert_uint_eq(get(MSI + forms[_i].mask), 1);
    }
}
END_TEST

START_TEST(a_message_of_a_table_is_its_entry_and_no_other)
{
    struct irq_line *line = &irq_lines[40];

    ck_assert_int_eq(attach(40, true, 5), 0);
    ck_assert_uint_eq(mapped_address, TABLE);
    ck_assert_uint_eq(mapped_size, 8 * ENTRY_SIZE);
    line->cpu = 3;
    line->masked = false;
    msi_program(line);
    ck_assert_uint_eq(words[20], 0xfee13000);
    ck_assert_uint_eq(words[21], 0);
    ck_assert_uint_eq(words[22], line->vector);
    ck_assert_uint_eq(words[23], 0);
    msi_detach(40);
    ck_assert_uint_eq(words[23], ENTRY_MASKED);
    for (unsigned int i = 0; i < ARRAY_SIZE(words); i++) {
        ck_assert(i / 4 == 5 || words[i] == 0xeeeeeeee);
    }
    ck_assert_int_eq(attach(41, true, 6), 0); /* the table stays mapped */
    ck_assert_uint_eq(maps, 1);
}
END_TEST

START_TEST(a_message_is_attached_once_and_of_one_kind)
{
    ck_assert_int_eq(attach(40, true, 1), 0);
    ck_assert_int_eq(attach(41, true, 1), -XEN_EEXIST);
    ck_assert_int_eq(attach(41, true, 2), 0);
    ck_assert_int_eq(attach(42, false, 0), -XEN_EEXIST);
    msi_detach(40);
    msi_detach(41);
    ck_assert_int_eq(attach(42, false, 0), 0);
}
END_TEST

START_TEST(what_cannot_be_attached_is_refused)
{
    struct msi_request request = request_for(true, 8);

    ck_assert_int_eq(msi_attach(40, &request), -XEN_EINVAL); /* one beyond the table */
    put(PCI_COMMAND, STATUS_CAPABILITIES << 16);             /* its memory is switched off */
    ck_assert_int_eq(attach(40, true, 0), -XEN_ENXIO);
    device_has(0);
    put(PCI_BAR(2), 0); /* no address yet */
    put(PCI_BAR(3), 0);
    ck_assert_int_eq(attach(40, true, 0), -XEN_ENXIO);
    put(PCI_COMMAND, PCI_COMMAND_MEMORY); /* no capabilities */
    ck_assert_int_eq(attach(40, false, 0), -XEN_ENODEV);
    request = (struct msi_request){ .function = { 0, 2, 0 } };
    ck_assert_int_eq(msi_attach(40, &request), -XEN_ENODEV);
    request.function.segment = 1; /* reached by no port */
    ck_assert_int_eq(msi_attach(40, &request), -XEN_ENODEV);
    ck_assert_uint_eq(maps, 0);
    device_has(0);
    ck_assert_int_eq(attach(40, true, 0), 0); /* nothing of it stayed */
}
END_TEST

START_TEST(a_list_of_capabilities_may_lead_anywhere)
{
    put(CAPABILITY_POINTER, 0x53); /* its two low bits mean nothing */
    ck_assert_uint_eq(pci_find_capability(device, PCI_CAPABILITY_MSI), MSI);
    put(MSIX, MSI << 8 | 0x99); /* round and round */
    ck_assert_uint_eq(pci_find_capability(device, PCI_CAPABILITY_MSIX), 0);
    put(CAPABILITY_POINTER, 0x04); /* into the header */
    ck_assert_uint_eq(pci_find_capability(device, PCI_CAPABILITY_MSI), 0);
    memset(space, 0xff, sizeof(space)); /* it was pulled out */
    ck_assert_uint_eq(pci_find_capability(device, PCI_CAPABILITY_MSI), 0);
}
END_TEST

START_TEST(after_a_reset_all_messages_of_the_device_are_there_again)
{
    ck_assert_int_eq(attach(40, true, 1), 0);
    ck_assert_int_eq(attach(41, true, 2), 0);
    irq_lines[40].masked = false;
    irq_lines[41].masked = true;
    memset(words, 0, sizeof(words));
    msi_restore((struct pci_function){ 0, 1, 0x19 }); /* its neighbour */
    ck_assert_uint_eq(words[6], 0);
    msi_restore(device);
    ck_assert_uint_eq(words[6], irq_lines[40].vector);
    ck_assert_uint_eq(words[7], 0);
    ck_assert_uint_eq(words[10], irq_lines[41].vector);
    ck_assert_uint_eq(words[11], ENTRY_MASKED);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("msi");
    TCase *tcase = suite_case(suite, "msi");

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_loop_test(tcase, a_message_of_each_form_goes_where_its_form_has_it, 0, 4);
    tcase_add_test(tcase, a_message_of_a_table_is_its_entry_and_no_other);
    tcase_add_test(tcase, a_message_is_attached_once_and_of_one_kind);
    tcase_add_test(tcase, what_cannot_be_attached_is_refused);
    tcase_add_test(tcase, a_list_of_capabilities_may_lead_anywhere);
    tcase_add_test(tcase, after_a_reset_all_messages_of_the_device_are_there_again);
    return suite_run(suite);
}
