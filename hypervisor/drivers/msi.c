/* SPDX-License-Identifier: MIT */
/*
 * MSI and MSI-X.  PCI Local Bus 3.0, 6.8; SDM volume 3A, 10.11.
 *
 * Whether a function sends messages at all (the enable bit of the capability)
 * is its driver's decision and stays with dom0; here are only address, data and
 * mask of each message.  Only single messages are offered for MSI.
 */
#include "hypervisor/drivers/msi.h"

#include "guest-pv-headers/errno.h"
#include "hypervisor/lib/log.h"
#include "hypervisor/x86/paging.h"
#include "hypervisor/x86/smp.h"

#define CONTROL         2u
#define MSI_64BIT       0x0080u
#define MSI_MASKABLE    0x0100u
#define MSI_MULTIPLE    0x0070u /* how many messages are enabled */
#define MSI_ADDRESS     4u
#define MSIX_LAST_ENTRY 0x07ffu
#define MSIX_TABLE      4u
#define MSIX_BAR        0x7u

#define ENTRY_SIZE    16u /* of the MSI-X table, in words of 32 bits: */
#define ENTRY_ADDRESS 0u
#define ENTRY_HIGH    1u
#define ENTRY_DATA    2u
#define ENTRY_CONTROL 3u
#define ENTRY_MASKED  0x1u

#define MESSAGE_ADDRESS 0xfee00000u /* to the APIC id in 19:12, physical */

struct message {
    volatile uint32_t *slot; /* MSI-X: entry of the table */
    struct pci_function function;
    uint16_t entry;
    uint16_t address, data, mask; /* MSI: registers of configuration space */
    bool wide;                    /* MSI: the address has a high half */
    bool attached;
    bool msix;
    bool maskable;
};

static struct message messages[IRQ_LINE_LIMIT];

/* Tables stay mapped: drivers come and go, their devices hardly. */
#define TABLE_LIMIT 128u

static struct mapped_table {
    uint64_t address;
    uint64_t size;
    volatile uint8_t *place;
} tables[TABLE_LIMIT];

static unsigned int table_count;

static volatile uint8_t *map_table(uint64_t address, uint64_t size)
{
    struct mapped_table *next = &tables[table_count];

    for (unsigned int i = 0; i < table_count; i++) {
        if (tables[i].address == address && tables[i].size >= size) {
            return tables[i].place;
        }
    }
    if (table_count == TABLE_LIMIT) {
        log_warning("msi: more than %u MSI-X tables\n", TABLE_LIMIT);
        return NULL;
    }
    next->place = map_device(maddr(address), size);
    if (next->place == NULL) {
        return NULL;
    }
    next->address = address;
    next->size = size;
    table_count++;
    return next->place;
}

void msi_find_table(struct msi_request *request)
{
    struct pci_function function = request->function;
    unsigned int capability = pci_find_capability(function, PCI_CAPABILITY_MSIX);
    uint32_t table = pci_read(function, capability + MSIX_TABLE, 4);
    uint64_t base = pci_bar(function, table & MSIX_BAR);

    base = base != 0 ? base : request->bar;
    request->table = base == 0 ? 0 : base + (table & ~MSIX_BAR);
    request->table_size =
        ((pci_read(function, capability + CONTROL, 2) & MSIX_LAST_ENTRY) + UINT64_C(1)) *
        ENTRY_SIZE;
}

static int attach_msix(struct message *message, const struct msi_request *request)
{
    volatile uint8_t *place;

    if (request->entry >= request->table_size / ENTRY_SIZE) {
        return -XEN_EINVAL;
    }
    if (request->table == 0 ||
        (pci_read(request->function, PCI_COMMAND, 2) & PCI_COMMAND_MEMORY) == 0) {
        return -XEN_ENXIO;
    }
    place = map_table(request->table, request->table_size);
    if (place == NULL) {
        return -XEN_ENOMEM;
    }
    message->slot =
        (volatile uint32_t *)(volatile void *)(place + (size_t)request->entry * ENTRY_SIZE);
    message->maskable = true;
    return 0;
}

static void attach_msi(struct message *message, struct pci_function function,
                       unsigned int capability)
{
    uint32_t control = pci_read(function, capability + CONTROL, 2);

    message->wide = (control & MSI_64BIT) != 0;
    message->maskable = (control & MSI_MASKABLE) != 0;
    message->address = (uint16_t)(capability + MSI_ADDRESS);
    message->data = (uint16_t)(capability + (message->wide ? 12 : 8));
    message->mask = (uint16_t)(message->data + 4);
    pci_write(function, capability + CONTROL, 2, control & ~MSI_MULTIPLE);
}

static bool attached_already(const struct msi_request *request)
{
    for (uint32_t i = 0; i < IRQ_LINE_LIMIT; i++) {
        const struct message *other = &messages[i];

        /* A function uses MSI or MSI-X, not both. */
        if (other->attached && pci_same_function(other->function, request->function) &&
            (other->entry == request->entry || other->msix != request->msix)) {
            return true;
        }
    }
    return false;
}

int msi_attach(uint32_t number, const struct msi_request *request)
{
    struct message *message = &messages[number];
    uint8_t id = request->msix ? PCI_CAPABILITY_MSIX : PCI_CAPABILITY_MSI;
    unsigned int capability = pci_find_capability(request->function, id);
    int error = 0;

    if (capability == 0) {
        return -XEN_ENODEV;
    }
    if (attached_already(request)) {
        return -XEN_EEXIST;
    }
    *message = (struct message){
        .function = request->function,
        .msix = request->msix,
        .entry = request->entry,
    };
    if (request->msix) {
        error = attach_msix(message, request);
    } else {
        attach_msi(message, request->function, capability);
    }
    message->attached = error == 0;
    msi_mask(&irq_lines[number], true);
    return error;
}

void msi_detach(uint32_t number)
{
    msi_mask(&irq_lines[number], true);
    messages[number].attached = false;
}

void msi_mask(const struct irq_line *line, bool masked)
{
    const struct message *message = &messages[irq_number(line)];

    if (!message->attached || !message->maskable) {
        return;
    }
    if (message->msix) {
        message->slot[ENTRY_CONTROL] = masked ? ENTRY_MASKED : 0;
        (void)message->slot[ENTRY_CONTROL]; /* back only when the device has it */
    } else {
        pci_write(message->function, message->mask, 4, masked ? 1 : 0);
    }
}

/*
 * Another CPU means another address, the data stays: what the device reads in
 * between is right either way, and no mask is needed.
 */
void msi_program(const struct irq_line *line)
{
    const struct message *message = &messages[irq_number(line)];
    uint32_t address = MESSAGE_ADDRESS | (cpus[line->cpu].apic_id & 0xff) << 12;

    if (!message->attached) {
        return;
    }
    if (message->msix) {
        message->slot[ENTRY_DATA] = line->vector;
        message->slot[ENTRY_HIGH] = 0;
        message->slot[ENTRY_ADDRESS] = address;
    } else {
        pci_write(message->function, message->data, 2, line->vector);
        if (message->wide) {
            pci_write(message->function, message->address + 4u, 4, 0);
        }
        pci_write(message->function, message->address, 4, address);
    }
    msi_mask(line, line->masked);
}

void msi_restore(struct pci_function function)
{
    for (uint32_t i = irq_gsi_count(); i < IRQ_LINE_LIMIT; i++) {
        struct irq_line *line = &irq_lines[i];

        spin_lock(&line->lock);
        if (messages[i].attached && pci_same_function(messages[i].function, function)) {
            msi_program(line);
        }
        spin_unlock(&line->lock);
    }
}
