/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration space.  PCI Local Bus 3.0, 3.2.2.3; PCI Express 4.0, 7.2.2.
 *
 * Windows are mapped a bus at a time when dom0 reports a device there: 1 MiB each,
 * where a whole window would be 256.  Segment 0 needs none: what the core reads
 * and writes, the ports reach.
 */
#include "hypervisor/drivers/pci.h"

#include "hypervisor/drivers/acpi.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/paging.h"

#define PORT_ADDRESS 0xcf8
#define PORT_DATA    0xcfc
#define PORT_ENABLE  0x80000000u
#define PORT_SPACE   256u

#define BUS_SPACE      0x100000u
#define FUNCTION_SPACE 4096u
#define BUS_LIMIT      64u /* mapped at once, over all windows */

#define STATUS_CAPABILITIES   0x10u
#define CAPABILITY_POINTER    0x34u
#define CAPABILITY_LIST_LIMIT 48u

#define BAR_IO      0x1u
#define BAR_TYPE    0x6u
#define BAR_64BIT   0x4u
#define BAR_ADDRESS UINT64_C(0xfffffffffffffff0)

struct spinlock pci_port_lock = SPINLOCK_INIT(RANK_DEVICE);

static bool window_usable[ACPI_MCFG_LIMIT];

static struct mapped_bus {
    volatile uint8_t *space;
    uint16_t segment;
    uint8_t bus;
} mapped[BUS_LIMIT];

static unsigned int mapped_count;

bool pci_window_reserved(uint64_t address, uint16_t segment, uint8_t first_bus, bool reserved)
{
    for (unsigned int i = 0; i < acpi.mcfg_count; i++) {
        if (acpi.mcfg[i].address == address && acpi.mcfg[i].segment == segment &&
            acpi.mcfg[i].first_bus == first_bus) {
            window_usable[i] = reserved;
            return true;
        }
    }
    return false;
}

static const struct acpi_mcfg *window_of(struct pci_function function)
{
    for (unsigned int i = 0; i < acpi.mcfg_count; i++) {
        const struct acpi_mcfg *window = &acpi.mcfg[i];

        if (window_usable[i] && window->segment == function.segment &&
            function.bus >= window->first_bus && function.bus <= window->last_bus) {
            return window;
        }
    }
    return NULL;
}

/* A register in the mapped configuration space of a bus; NULL if it is not mapped. */
static volatile void *window_register(struct pci_function function, unsigned int reg)
{
    unsigned int count = load_acquire(&mapped_count);

    for (unsigned int i = 0; i < count && reg < FUNCTION_SPACE; i++) {
        if (mapped[i].segment == function.segment && mapped[i].bus == function.bus) {
            return mapped[i].space + (size_t)function.devfn * FUNCTION_SPACE + reg;
        }
    }
    return NULL;
}

/* The bus of a function is mapped if it has to be and can be. */
static void map_bus(struct pci_function function)
{
    const struct acpi_mcfg *window = window_of(function);
    struct mapped_bus *next = &mapped[mapped_count];

    if (function.segment == 0 || window == NULL || mapped_count == BUS_LIMIT ||
        window_register(function, 0) != NULL) {
        return;
    }
    next->space =
        map_device(maddr(window->address + (uint64_t)function.bus * BUS_SPACE), BUS_SPACE);
    if (next->space == NULL) {
        return;
    }
    next->segment = function.segment;
    next->bus = function.bus;
    store_release(&mapped_count, mapped_count + 1);
}

/* Of segment 0, by bus and devfn.  Elsewhere what answers is known. */
static uint64_t known[65536 / 64];

static unsigned int known_bit(struct pci_function function)
{
    return (unsigned int)function.bus << 8 | function.devfn;
}

void pci_found(struct pci_function function)
{
    map_bus(function);
    if (function.segment == 0) {
        (void)bit_test_and_set(known, known_bit(function));
    }
}

bool pci_forget(struct pci_function function)
{
    return function.segment == 0 ? bit_test_and_clear(known, known_bit(function))
                                 : pci_present(function);
}

static bool by_ports(struct pci_function function, unsigned int reg)
{
    return function.segment == 0 && reg < PORT_SPACE;
}

static void select_register(struct pci_function function, unsigned int reg) REQUIRES(pci_port_lock)
{
    out32(PORT_ADDRESS, PORT_ENABLE | (uint32_t)function.bus << 16 | (uint32_t)function.devfn << 8 |
                            (reg & 0xfc));
}

/* Whole words are read: that changes nothing in configuration space. */
uint32_t pci_read(struct pci_function function, unsigned int reg, unsigned int size)
{
    uint32_t value;

    if (by_ports(function, reg)) {
        spin_lock(&pci_port_lock);
        select_register(function, reg);
        value = in32(PORT_DATA);
        spin_unlock(&pci_port_lock);
    } else {
        const volatile uint32_t *word = window_register(function, reg & ~3u);

        value = word != NULL ? *word : UINT32_MAX;
    }
    return value >> (reg % 4 * 8) & (UINT32_MAX >> (32 - 8 * size));
}

void pci_write(struct pci_function function, unsigned int reg, unsigned int size, uint32_t value)
{
    volatile void *place = window_register(function, reg);

    if (by_ports(function, reg)) {
        spin_lock(&pci_port_lock);
        select_register(function, reg);
        if (size == 2) {
            out16((uint16_t)(PORT_DATA + (reg & 3)), (uint16_t)value);
        } else {
            out32(PORT_DATA, value);
        }
        spin_unlock(&pci_port_lock);
    } else if (place != NULL && size == 2) {
        *(volatile uint16_t *)place = (uint16_t)value;
    } else if (place != NULL) {
        *(volatile uint32_t *)place = value;
    }
}

bool pci_present(struct pci_function function)
{
    uint32_t vendor = pci_read(function, PCI_VENDOR_ID, 2);

    return vendor != 0xffff && vendor != 0;
}

unsigned int pci_find_capability(struct pci_function function, uint8_t id)
{
    unsigned int at;

    if (!pci_present(function) || (pci_read(function, PCI_STATUS, 2) & STATUS_CAPABILITIES) == 0) {
        return 0;
    }
    at = pci_read(function, CAPABILITY_POINTER, 1) & 0xfc;
    for (unsigned int i = 0; i < CAPABILITY_LIST_LIMIT && at >= 0x40; i++) {
        if (pci_read(function, at, 1) == id) {
            return at;
        }
        at = pci_read(function, at + 1, 1) & 0xfc;
    }
    return 0;
}

uint64_t pci_bar(struct pci_function function, unsigned int index)
{
    uint64_t bar = index > 5 ? BAR_IO : pci_read(function, PCI_BAR(index), 4);

    if ((bar & BAR_IO) != 0) {
        return 0;
    }
    if ((bar & BAR_TYPE) == BAR_64BIT && index < 5) {
        bar |= (uint64_t)pci_read(function, PCI_BAR(index + 1), 4) << 32;
    }
    return bar & BAR_ADDRESS;
}
