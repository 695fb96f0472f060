/* SPDX-License-Identifier: MIT */
/*
 * MSI and MSI-X: interrupts that PCI devices send as memory writes.
 *
 * Each message that is attached belongs to one line (x86/irq.h), under whose
 * lock it is programmed and masked.  Attaching and detaching is one caller's at a
 * time: only dom0 does it, under its domain lock.
 */
#pragma once

#include "hypervisor/drivers/pci.h"
#include "hypervisor/x86/irq.h"

struct msi_request {
    struct pci_function function;
    bool msix;
    uint16_t entry; /* of the MSI-X table */
    uint64_t bar;   /* MSI-X: address of the BAR its table is in, for functions that hide theirs */
    uint64_t table, table_size; /* MSI-X: where the core is to write; 0: nowhere */
};

/* Fill in `table`, as it is now: dom0 moves it as it likes. */
void msi_find_table(struct msi_request *request);

/*
 * Let a message line stand for a message of a device; it is left masked where
 * the device can mask.  -XEN_ENODEV (no device, no such capability), -XEN_EINVAL
 * (entry), -XEN_ENXIO (memory not decoded), -XEN_EEXIST (attached already),
 * -XEN_ENOMEM.
 */
int must_check msi_attach(uint32_t number, const struct msi_request *request);
void msi_detach(uint32_t number);

/* Write the message for the line's vector and CPU, masked as line->masked says. */
void msi_program(const struct irq_line *line);
void msi_mask(const struct irq_line *line, bool masked);

/* Program everything attached to a device again, after it was reset. */
void msi_restore(struct pci_function function);
