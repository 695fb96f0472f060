/* SPDX-License-Identifier: MIT */
/*
 * physdev_op(command, argument): interrupts and PCI devices, for the domain that
 * drives them.
 *
 * A pirq is a domain's name for an interrupt source.  It is mapped here and
 * then bound to a port with EVTCHNOP_bind_pirq.  GSIs have the same number.
 */
#ifndef GUEST_PV_HEADERS_PHYSDEV_H
#define GUEST_PV_HEADERS_PHYSDEV_H

#include "guest-pv-headers/xen.h"

/* Commands and their arguments. */
#define PHYSDEVOP_irq_status_query   5  /* physdev_irq_status_query */
#define PHYSDEVOP_set_iopl           6  /* physdev_set_iopl */
#define PHYSDEVOP_set_iobitmap       7  /* physdev_set_iobitmap */
#define PHYSDEVOP_apic_read          8  /* physdev_apic */
#define PHYSDEVOP_apic_write         9  /* physdev_apic */
#define PHYSDEVOP_alloc_irq_vector   10 /* physdev_irq */
#define PHYSDEVOP_free_irq_vector    11 /* physdev_irq; does nothing */
#define PHYSDEVOP_eoi                12 /* physdev_eoi */
#define PHYSDEVOP_map_pirq           13 /* physdev_map_pirq */
#define PHYSDEVOP_unmap_pirq         14 /* physdev_unmap_pirq */
#define PHYSDEVOP_manage_pci_add     15 /* physdev_manage_pci; segment 0 only, as are 16, 19, 20 */
#define PHYSDEVOP_manage_pci_remove  16 /* physdev_manage_pci */
#define PHYSDEVOP_pirq_eoi_gmfn_v1   17 /* physdev_pirq_eoi_gmfn */
#define PHYSDEVOP_restore_msi        19 /* physdev_restore_msi */
#define PHYSDEVOP_manage_pci_add_ext 20 /* physdev_manage_pci_ext */
#define PHYSDEVOP_setup_gsi          21 /* physdev_setup_gsi */
#define PHYSDEVOP_get_free_pirq      23 /* physdev_get_free_pirq */
#define PHYSDEVOP_pci_mmcfg_reserved 24 /* physdev_pci_mmcfg_reserved */
#define PHYSDEVOP_pci_device_add     25 /* physdev_pci_device_add */
#define PHYSDEVOP_pci_device_remove  26 /* physdev_pci_device */
#define PHYSDEVOP_restore_msi_ext    27 /* physdev_pci_device */
#define PHYSDEVOP_pirq_eoi_gmfn_v2   28 /* physdev_pirq_eoi_gmfn */
#define PHYSDEVOP_dbgp_op            29 /* physdev_dbgp_op */
#define PHYSDEVOP_prepare_msix       30 /* physdev_pci_device */
#define PHYSDEVOP_release_msix       31 /* physdev_pci_device */
#define PHYSDEVOP_IRQ_UNMASK_NOTIFY  4  /* older form of eoi for all pirqs at once */
#define PHYSDEVOP_pirq_eoi_gmfn      PHYSDEVOP_pirq_eoi_gmfn_v2

/* Acknowledging. */

/* The guest is done with this pirq's interrupt; needed where XENIRQSTAT_needs_eoi says so. */
struct physdev_eoi {
    uint32_t irq;
};

/*
 * A page of the guest with one bit a pirq, set by the core where an eoi is
 * needed, so that the guest need not ask.  With v1, unmasking a port also
 * acknowledges its pirq.
 */
struct physdev_pirq_eoi_gmfn {
    xen_pfn_t gmfn;
};

struct physdev_irq_status_query {
    uint32_t irq;
    uint32_t flags; /* out: XENIRQSTAT_* */
};
#define _XENIRQSTAT_needs_eoi 0
#define XENIRQSTAT_needs_eoi  0x1u
#define _XENIRQSTAT_shared    1
#define XENIRQSTAT_shared     0x2u /* other domains have the line too */

/* Sources of interrupts. */

#define MAP_PIRQ_TYPE_MSI       0x0 /* MSI or MSI-X in PCI segment 0 */
#define MAP_PIRQ_TYPE_GSI       0x1
#define MAP_PIRQ_TYPE_UNKNOWN   0x2
#define MAP_PIRQ_TYPE_MSI_SEG   0x3 /* as MSI; segment in bus[31:16] */
#define MAP_PIRQ_TYPE_MULTI_MSI 0x4 /* entry_nr messages with consecutive pirqs */

struct physdev_map_pirq {
    domid_t domid;
    uint16_t hole0;
    int32_t type;     /* MAP_PIRQ_TYPE_* */
    int32_t index;    /* the GSI; -1 for MSI */
    int32_t pirq;     /* wanted, or -1 for any; out: the one it got */
    int32_t bus;      /* from here on: MSI only */
    int32_t devfn;    /* device in 7:3, function in 2:0 */
    int32_t entry_nr; /* MSI-X table entry; out for MULTI_MSI: number granted */
    uint32_t hole1;
    uint64_t table_base; /* physical address of the MSI-X table; 0 for MSI */
};

struct physdev_unmap_pirq {
    domid_t domid;
    uint16_t hole;
    int32_t pirq;
};

struct physdev_get_free_pirq {
    int32_t type;  /* MAP_PIRQ_TYPE_* */
    uint32_t pirq; /* out */
};

/* How a GSI is wired, as dom0 learnt from the firmware. */
struct physdev_setup_gsi {
    int32_t gsi;
    uint8_t triggering; /* 0: edge, 1: level */
    uint8_t polarity;   /* 0: active high, 1: active low */
    uint16_t hole;
};

/* One I/O APIC register, where dom0 still programs those itself. */
struct physdev_apic {
    uint64_t apic_physbase;
    uint32_t reg;
    uint32_t value;
};

/* A vector for a GSI, to go with the above. */
struct physdev_irq {
    uint32_t irq;
    uint32_t vector; /* out */
};

/* PCI devices: dom0 tells the core what it finds. */

struct physdev_pci_device {
    uint16_t seg;
    uint8_t bus;
    uint8_t devfn;
};

struct physdev_pci_device_add {
    uint16_t seg;
    uint8_t bus;
    uint8_t devfn;
    uint32_t flags; /* XEN_PCI_DEV_* */
    struct {
        uint8_t bus;
        uint8_t devfn;
    } physfn; /* for a virtual function */
    uint16_t hole;
    uint32_t optarr[]; /* [0]: ACPI proximity domain, with XEN_PCI_DEV_PXM */
};
#define XEN_PCI_DEV_EXTFN  0x1u
#define XEN_PCI_DEV_VIRTFN 0x2u
#define XEN_PCI_DEV_PXM    0x4u

struct physdev_manage_pci {
    uint8_t bus;
    uint8_t devfn;
};

struct physdev_manage_pci_ext {
    uint8_t bus;
    uint8_t devfn;
    uint16_t hole0;
    uint32_t is_extfn;
    uint32_t is_virtfn;
    struct {
        uint8_t bus;
        uint8_t devfn;
    } physfn;
    uint16_t hole1;
};

/* Program a device's MSI again after it lost its state. */
struct physdev_restore_msi {
    uint8_t bus;
    uint8_t devfn;
};

/* Whether an area of memory-mapped configuration space is safe to use. */
struct physdev_pci_mmcfg_reserved {
    uint64_t address;
    uint16_t segment;
    uint8_t start_bus;
    uint8_t end_bus;
    uint32_t flags; /* XEN_PCI_MMCFG_RESERVED */
};
#define XEN_PCI_MMCFG_RESERVED 0x1u

/* dom0 is about to reset, or has reset, the controller of an EHCI debug port. */
struct physdev_dbgp_op {
    uint8_t op;  /* PHYSDEVOP_DBGP_RESET_* */
    uint8_t bus; /* PHYSDEVOP_DBGP_BUS_* */
    union {
        struct physdev_pci_device pci;
    } u;
};
#define PHYSDEVOP_DBGP_RESET_PREPARE 1
#define PHYSDEVOP_DBGP_RESET_DONE    2
#define PHYSDEVOP_DBGP_BUS_UNKNOWN   0
#define PHYSDEVOP_DBGP_BUS_PCI       1

/* I/O ports. */

/* The IOPL of the calling vCPU's user mode. */
struct physdev_set_iopl {
    uint32_t iopl; /* 0 to 3 */
};

/* Ports that user mode of the calling vCPU may use: a 0 bit allows. */
struct physdev_set_iobitmap {
    uint8_t __guest *bitmap;
    uint32_t nr_ports; /* at most 65536; those behind are refused */
    uint32_t hole;
};

/* Argument of the older physdev_op_compat. */
struct physdev_op {
    uint32_t cmd; /* PHYSDEVOP_* */
    uint32_t hole;
    union {
        struct physdev_irq_status_query irq_status_query;
        struct physdev_set_iopl set_iopl;
        struct physdev_set_iobitmap set_iobitmap;
        struct physdev_apic apic_op;
        struct physdev_irq irq_op;
    } u;
};

#endif
