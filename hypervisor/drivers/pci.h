/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration space: by ports 0xcf8 and 0xcfc, and by the windows of the
 * MCFG table for what those do not reach.
 */
#pragma once

#include "hypervisor/lib/lock.h"
#include "hypervisor/lib/types.h"

struct pci_function {
    uint16_t segment;
    uint8_t bus;
    uint8_t devfn; /* device in 7:3, function in 2:0 */
};

#define PCI_VENDOR_ID      0x00u
#define PCI_COMMAND        0x04u
#define PCI_COMMAND_MEMORY 0x02u
#define PCI_STATUS         0x06u
#define PCI_BAR(n)         (0x10u + 4 * (n))

#define PCI_CAPABILITY_MSI  0x05u
#define PCI_CAPABILITY_MSIX 0x11u

/* Held while an address in port 0xcf8 is in use. */
extern struct spinlock pci_port_lock;

static inline bool pci_same_function(struct pci_function a, struct pci_function b)
{
    return a.segment == b.segment && a.bus == b.bus && a.devfn == b.devfn;
}

/* `size` is 1, 2 or 4, and 2 or 4 in writing; all ones where nothing is. */
uint32_t pci_read(struct pci_function function, unsigned int reg, unsigned int size);
void pci_write(struct pci_function function, unsigned int reg, unsigned int size, uint32_t value);

bool pci_present(struct pci_function function);

/* Where a capability begins; 0 if the function has none such. */
unsigned int pci_find_capability(struct pci_function function, uint8_t id);

/* The address in a memory BAR; 0 if it is none or was not given one. */
uint64_t pci_bar(struct pci_function function, unsigned int index);

/*
 * dom0 says whether the firmware reserves a window of the MCFG table, without
 * which it must not be used.  False if the table has no such window.
 */
bool must_check pci_window_reserved(uint64_t address, uint16_t segment, uint8_t first_bus,
                                    bool reserved);

/*
 * dom0 found a function: it is known, and its bus made reachable.  One caller at a
 * time (dom0's lock).  pci_forget: false if it was not known.
 */
void pci_found(struct pci_function function);
bool must_check pci_forget(struct pci_function function);
