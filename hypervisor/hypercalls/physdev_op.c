/* SPDX-License-Identifier: MIT */
/*
 * physdev_op: interrupts, PCI devices and I/O ports.
 *
 * One row a command in the table at the end: its function, the size of its
 * argument and who may call it.  The argument is copied in once, before the
 * function runs, and copied out after it where the row says so.
 */
#include "hypervisor/hypercalls/physdev_op.h"

#include "guest-pv-headers/physdev.h"
#include "hypervisor/domain/continuation.h"
#include "hypervisor/drivers/ioapic.h"
#include "hypervisor/drivers/msi.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/pv/io.h"
#include "hypervisor/pv/pirq.h"
#include "hypervisor/x86/percpu.h"

#define VERSION_REGISTER 0x01u /* of an I/O APIC */
#define PIN_REGISTERS    0x10u
#define PIN_ACTIVE_LOW   0x02000u
#define PIN_LEVEL        0x08000u

/* Every argument there is, copied into one place. */
union argument {
    struct physdev_eoi eoi;
    struct physdev_pirq_eoi_gmfn eoi_page;
    struct physdev_irq_status_query status;
    struct physdev_set_iopl iopl;
    struct physdev_set_iobitmap bitmap;
    struct physdev_apic apic;
    struct physdev_irq irq;
    struct physdev_map_pirq map;
    struct physdev_unmap_pirq unmap;
    struct physdev_get_free_pirq free_pirq;
    struct physdev_setup_gsi gsi;
    struct physdev_pci_device device;
    struct physdev_manage_pci manage;
    struct physdev_manage_pci_ext manage_ext;
    struct physdev_restore_msi restore;
    struct physdev_pci_mmcfg_reserved window;
    struct physdev_dbgp_op debug_port;
    uint8_t device_add[offsetof(struct physdev_pci_device_add, optarr)];
};

static long op_eoi(struct domain *domain, union argument *a)
{
    return pirq_eoi(domain, a->eoi.irq);
}

static long op_eoi_page_v1(struct domain *domain, union argument *a)
{
    return pirq_set_eoi_page(domain, mfn(a->eoi_page.gmfn), true);
}

static long op_eoi_page_v2(struct domain *domain, union argument *a)
{
    return pirq_set_eoi_page(domain, mfn(a->eoi_page.gmfn), false);
}

/* A guest that asks has no page to look it up in, so it is told to be careful. */
static long op_status(struct domain *domain, union argument *a)
{
    if (a->status.irq >= pirq_limit(domain)) {
        return -XEN_EINVAL;
    }
    a->status.flags = XENIRQSTAT_needs_eoi;
    return 0;
}

static long op_set_iopl(struct domain *domain, union argument *a)
{
    (void)domain;
    return pv_set_iopl(current, a->iopl.iopl);
}

static long op_set_iobitmap(struct domain *domain, union argument *a)
{
    (void)domain;
    return pv_set_iobitmap(current, (uint64_t)a->bitmap.bitmap, a->bitmap.nr_ports);
}

static long op_apic_read(struct domain *domain, union argument *a)
{
    (void)domain;
    return ioapic_read_register(a->apic.apic_physbase, a->apic.reg, &a->apic.value) ? 0
                                                                                    : -XEN_EINVAL;
}

/*
 * An old kernel programs pins itself.  What matters is how it says the pin is
 * wired; vector, target and mask are ours.
 */
static long op_apic_write(struct domain *domain, union argument *a)
{
    uint32_t gsi = ioapic_gsi_of_register(a->apic.apic_physbase, a->apic.reg);
    uint32_t version;

    (void)domain;
    if (!ioapic_read_register(a->apic.apic_physbase, VERSION_REGISTER, &version)) {
        return -XEN_EINVAL; /* no I/O APIC there */
    }
    if (gsi != IRQ_NONE && (a->apic.reg - PIN_REGISTERS) % 2 == 0) {
        /* Said before, or in use already: the first word counts, as with setup_gsi. */
        int ignored = pirq_setup_gsi((int32_t)gsi, (a->apic.value & PIN_LEVEL) != 0,
                                     (a->apic.value & PIN_ACTIVE_LOW) != 0);
        (void)ignored;
    }
    return 0;
}

static long op_alloc_vector(struct domain *domain, union argument *a)
{
    (void)domain;
    if (a->irq.irq >= irq_gsi_count()) {
        return -XEN_EINVAL;
    }
    a->irq.vector = a->irq.irq; /* vectors are the core's; it is told the line again */
    return 0;
}

static long op_nothing(struct domain *domain, union argument *a)
{
    (void)domain;
    (void)a;
    return 0;
}

/* Mapping for other domains comes with device assignment; there is none yet. */
static long check_self(const struct domain *domain, domid_t id)
{
    struct domain *other;

    if (id == DOMID_SELF || id == domain->id) {
        return 0;
    }
    other = domain_find(id);
    if (other == NULL) {
        return -XEN_ESRCH;
    }
    domain_put(other);
    return -XEN_EOPNOTSUPP;
}

static long map_message(struct domain *domain, const struct physdev_map_pirq *map, uint16_t segment)
{
    struct msi_request request = {
        .function = { segment, (uint8_t)map->bus, (uint8_t)map->devfn },
        .msix = map->table_base != 0,
        .entry = (uint16_t)map->entry_nr,
        .table_base = map->table_base,
    };

    if (map->entry_nr < 0 || map->entry_nr > 2047 || (map->table_base & 7) != 0 ||
        (map->table_base == 0 && map->entry_nr != 0)) {
        return -XEN_EINVAL;
    }
    return pirq_map_message(domain, &request, map->pirq);
}

static long op_map(struct domain *domain, union argument *a)
{
    struct physdev_map_pirq *map = &a->map;
    long result = check_self(domain, map->domid);

    if (result != 0) {
        return result;
    }
    switch (map->type) {
    case MAP_PIRQ_TYPE_GSI:
        result = pirq_map_gsi(domain, map->index, map->pirq);
        break;
    case MAP_PIRQ_TYPE_MSI:
        result = map_message(domain, map, 0);
        break;
    case MAP_PIRQ_TYPE_MSI_SEG:
        result = map_message(domain, map, (uint16_t)((uint32_t)map->bus >> 16));
        break;
    case MAP_PIRQ_TYPE_MULTI_MSI:
        if (map->entry_nr <= 0 || map->entry_nr > 32 || map->table_base != 0) {
            return -XEN_EINVAL;
        }
        if (map->entry_nr > 1) {
            return -XEN_EOPNOTSUPP; /* consecutive vectors that could not move */
        }
        map->entry_nr = 0;
        result = map_message(domain, map, (uint16_t)((uint32_t)map->bus >> 16));
        map->entry_nr = 1;
        break;
    default:
        return -XEN_EINVAL;
    }
    if (result < 0) {
        return result;
    }
    map->pirq = (int32_t)result;
    return 0;
}

static long op_unmap(struct domain *domain, union argument *a)
{
    long error = check_self(domain, a->unmap.domid);

    return error != 0 ? error : pirq_unmap(domain, a->unmap.pirq);
}

static long op_get_free(struct domain *domain, union argument *a)
{
    int pirq;

    switch (a->free_pirq.type) {
    case MAP_PIRQ_TYPE_MSI:
    case MAP_PIRQ_TYPE_MSI_SEG:
    case MAP_PIRQ_TYPE_MULTI_MSI:
        pirq = pirq_reserve(domain, true);
        break;
    case MAP_PIRQ_TYPE_GSI:
        pirq = pirq_reserve(domain, false);
        break;
    default:
        return -XEN_EINVAL;
    }
    if (pirq < 0) {
        return pirq;
    }
    a->free_pirq.pirq = (uint32_t)pirq;
    return 0;
}

static long op_setup_gsi(struct domain *domain, union argument *a)
{
    (void)domain;
    return pirq_setup_gsi(a->gsi.gsi, a->gsi.triggering != 0, a->gsi.polarity != 0);
}

static long device_found(struct domain *domain, struct pci_function function)
{
    spin_lock(&domain->lock);
    pci_found(function);
    spin_unlock(&domain->lock);
    return 0;
}

static long op_device_add(struct domain *domain, union argument *a)
{
    return device_found(domain,
                        (struct pci_function){ a->device.seg, a->device.bus, a->device.devfn });
}

static long op_manage_add(struct domain *domain, union argument *a)
{
    return device_found(domain, (struct pci_function){ 0, a->manage.bus, a->manage.devfn });
}

static long op_manage_add_ext(struct domain *domain, union argument *a)
{
    if (a->manage_ext.is_extfn != 0 && a->manage_ext.is_virtfn != 0) {
        return -XEN_EINVAL;
    }
    return device_found(domain, (struct pci_function){ 0, a->manage_ext.bus, a->manage_ext.devfn });
}

static long restore(struct pci_function function)
{
    if (!pci_present(function)) {
        return -XEN_ENODEV;
    }
    msi_restore(function);
    return 0;
}

static long op_device_remove(struct domain *domain, union argument *a)
{
    (void)domain;
    return pci_forget((struct pci_function){ a->device.seg, a->device.bus, a->device.devfn })
               ? 0
               : -XEN_ENODEV;
}

static long op_manage_remove(struct domain *domain, union argument *a)
{
    (void)domain;
    return pci_forget((struct pci_function){ 0, a->manage.bus, a->manage.devfn }) ? 0 : -XEN_ENODEV;
}

static long op_restore_msi(struct domain *domain, union argument *a)
{
    (void)domain;
    return restore((struct pci_function){ 0, a->restore.bus, a->restore.devfn });
}

static long op_restore_msi_ext(struct domain *domain, union argument *a)
{
    (void)domain;
    return restore((struct pci_function){ a->device.seg, a->device.bus, a->device.devfn });
}

/* Nothing to prepare: a table is programmed through its own mapping whenever it is needed. */
static long op_msix(struct domain *domain, union argument *a)
{
    struct pci_function function = { a->device.seg, a->device.bus, a->device.devfn };

    (void)domain;
    return pci_find_capability(function, PCI_CAPABILITY_MSIX) != 0 ? 0 : -XEN_ENODEV;
}

static long op_window(struct domain *domain, union argument *a)
{
    (void)domain;
    return pci_window_reserved(a->window.address, a->window.segment, a->window.start_bus,
                               (a->window.flags & XEN_PCI_MMCFG_RESERVED) != 0)
               ? 0
               : -XEN_ENODEV;
}

/* The core uses no debug port, so there is nothing to save and set up again. */
static long op_debug_port(struct domain *domain, union argument *a)
{
    (void)domain;
    switch (a->debug_port.op) {
    case PHYSDEVOP_DBGP_RESET_PREPARE:
    case PHYSDEVOP_DBGP_RESET_DONE:
        return 0;
    default:
        return -XEN_ENOSYS;
    }
}

enum { ANY = 0, CONTROL = 1, OUT = 2 };

static const struct row {
    long (*function)(struct domain *domain, union argument *a);
    uint8_t size;
    uint8_t flags;
} rows[] = {
#define ROW(command, fn, type, how) [PHYSDEVOP_##command] = { fn, sizeof(type), how }
    ROW(irq_status_query, op_status, struct physdev_irq_status_query, ANY | OUT),
    ROW(set_iopl, op_set_iopl, struct physdev_set_iopl, ANY),
    ROW(set_iobitmap, op_set_iobitmap, struct physdev_set_iobitmap, ANY),
    ROW(apic_read, op_apic_read, struct physdev_apic, CONTROL | OUT),
    ROW(apic_write, op_apic_write, struct physdev_apic, CONTROL),
    ROW(alloc_irq_vector, op_alloc_vector, struct physdev_irq, CONTROL | OUT),
    ROW(free_irq_vector, op_nothing, char[0], ANY),
    ROW(eoi, op_eoi, struct physdev_eoi, ANY),
    ROW(map_pirq, op_map, struct physdev_map_pirq, CONTROL | OUT),
    ROW(unmap_pirq, op_unmap, struct physdev_unmap_pirq, CONTROL),
    ROW(manage_pci_add, op_manage_add, struct physdev_manage_pci, CONTROL),
    ROW(manage_pci_remove, op_manage_remove, struct physdev_manage_pci, CONTROL),
    ROW(pirq_eoi_gmfn_v1, op_eoi_page_v1, struct physdev_pirq_eoi_gmfn, ANY),
    ROW(restore_msi, op_restore_msi, struct physdev_restore_msi, CONTROL),
    ROW(manage_pci_add_ext, op_manage_add_ext, struct physdev_manage_pci_ext, CONTROL),
    ROW(setup_gsi, op_setup_gsi, struct physdev_setup_gsi, CONTROL),
    ROW(get_free_pirq, op_get_free, struct physdev_get_free_pirq, CONTROL | OUT),
    ROW(pci_mmcfg_reserved, op_window, struct physdev_pci_mmcfg_reserved, CONTROL),
    ROW(pci_device_add, op_device_add, uint8_t[offsetof(struct physdev_pci_device_add, optarr)],
        CONTROL),
    ROW(pci_device_remove, op_device_remove, struct physdev_pci_device, CONTROL),
    ROW(restore_msi_ext, op_restore_msi_ext, struct physdev_pci_device, CONTROL),
    ROW(pirq_eoi_gmfn_v2, op_eoi_page_v2, struct physdev_pirq_eoi_gmfn, ANY),
    ROW(dbgp_op, op_debug_port, struct physdev_dbgp_op, CONTROL),
    ROW(prepare_msix, op_msix, struct physdev_pci_device, CONTROL),
    ROW(release_msix, op_msix, struct physdev_pci_device, CONTROL),
#undef ROW
};

_Static_assert(sizeof(union argument) <= UINT8_MAX, "struct row.size");

long hypercall_physdev_op(uint64_t command, uint64_t argument)
{
    uint32_t number = (uint32_t)command;
    struct domain *domain = current->domain;
    const struct row *row = &rows[number];
    union argument a;
    long result;

    if (number >= ARRAY_SIZE(rows) || row->function == NULL) {
        return -XEN_ENOSYS;
    }
    if (raw_copy_from_guest(&a, guest_pointer(const void, argument), row->size) != 0) {
        return -XEN_EFAULT;
    }
    if ((row->flags & CONTROL) != 0 && !domain->privileged) {
        return -XEN_EPERM;
    }
    result = row->function(domain, &a);
    if (result == -XEN_ERESTART) {
        return hypercall_continue(__HYPERVISOR_physdev_op, 2, command, argument, 0, 0);
    }
    if (result == 0 && (row->flags & OUT) != 0 &&
        raw_copy_to_guest(guest_pointer(void, argument), &a, row->size) != 0) {
        return -XEN_EFAULT;
    }
    return result;
}
