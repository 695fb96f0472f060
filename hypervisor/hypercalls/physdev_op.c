/* SPDX-License-Identifier: MIT */
/*
 * physdev_op: interrupts, PCI devices and I/O ports.
 *
 * One row a command in the table at the end: its function, the size of its
 * argument and who may call it.  The argument is copied in once, before the
 * function runs, and copied out after it where the row says so.
 */
#include "guest-pv-headers/physdev.h"
#include "hypervisor/domain/io_permissions.h"
#include "hypervisor/drivers/ioapic.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/pv/pirq.h"

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
    struct pci_function device; /* struct physdev_pci_device, and where others begin */
    struct physdev_manage_pci manage;
    struct physdev_manage_pci_ext manage_ext;
    struct physdev_pci_mmcfg_reserved window;
    struct physdev_dbgp_op debug_port;
};

_Static_assert(offsetof(struct pci_function, bus) == offsetof(struct physdev_pci_device, bus) &&
                   sizeof(struct pci_function) == sizeof(struct physdev_pci_device),
               "struct pci_function");

static long op_eoi(union argument *a)
{
    return pirq_eoi(current->domain, a->eoi.irq);
}

static long op_eoi_page_v1(union argument *a)
{
    return pirq_set_eoi_page(current->domain, mfn(a->eoi_page.gmfn), true);
}

static long op_eoi_page_v2(union argument *a)
{
    return pirq_set_eoi_page(current->domain, mfn(a->eoi_page.gmfn), false);
}

/* A guest that asks has no page to look it up in, so it is told to be careful. */
static long op_status(union argument *a)
{
    a->status.flags = XENIRQSTAT_needs_eoi;
    return a->status.irq < pirq_limit(current->domain) ? 0 : -XEN_EINVAL;
}

static long op_set_iopl(union argument *a)
{
    if (a->iopl.iopl > 3) {
        return -XEN_EINVAL;
    }
    current->pv.iopl = (uint64_t)a->iopl.iopl << 12;
    return 0;
}

static long op_set_iobitmap(union argument *a)
{
    struct pv_vcpu *pv = &current->pv;

    if (a->bitmap.nr_ports > IO_PORTS ||
        (a->bitmap.nr_ports != 0 && !guest_address_ok(guest_address(a->bitmap.bitmap)))) {
        return -XEN_EINVAL;
    }
    pv->io_bitmap = guest_address(a->bitmap.bitmap);
    pv->io_bitmap_ports = a->bitmap.nr_ports;
    return 0;
}

static long op_apic_read(union argument *a)
{
    bool found = ioapic_read_register(a->apic.apic_physbase, a->apic.reg, &a->apic.value);

    return found ? 0 : -XEN_EINVAL;
}

/*
 * An old kernel programs pins itself.  What matters is how it says the pin is
 * wired; vector, target and mask are ours.
 */
static long op_apic_write(union argument *a)
{
    uint32_t gsi = ioapic_gsi_of_register(a->apic.apic_physbase, a->apic.reg);
    uint32_t version;

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

/* Vectors are the core's; the guest is told the line again. */
static long op_alloc_vector(union argument *a)
{
    a->irq.vector = a->irq.irq;
    return a->irq.irq < irq_gsi_count() ? 0 : -XEN_EINVAL;
}

static long op_nothing(union argument *a)
{
    (void)a;
    return 0;
}

/* Mapping for other domains comes with device assignment; there is none yet. */
static long check_self(domid_t id)
{
    struct domain *domain = domain_find_or_self(id);
    bool self = domain == current->domain;

    domain_put(domain);
    return self ? 0 : domain == NULL ? -XEN_ESRCH : -XEN_EOPNOTSUPP;
}

static long map_message(const struct physdev_map_pirq *map)
{
    bool multi = map->type == MAP_PIRQ_TYPE_MULTI_MSI, msix = map->table_base != 0;
    uint32_t segment = map->type == MAP_PIRQ_TYPE_MSI ? 0 : (uint32_t)map->bus >> 16;
    struct msi_request request = {
        .function = { (uint16_t)segment, (uint8_t)map->bus, (uint8_t)map->devfn },
        .msix = msix,
        .entry = (uint16_t)(multi ? 0 : map->entry_nr),
        .bar = map->table_base,
    };

    if (multi ? map->entry_nr <= 0 || map->entry_nr > 32 || msix
              : map->entry_nr < 0 || map->entry_nr > (msix ? 2047 : 0)) {
        return -XEN_EINVAL;
    }
    if (multi && map->entry_nr > 1) {
        return -XEN_EOPNOTSUPP; /* consecutive vectors that could not move */
    }
    return map->table_base % 8 == 0 ? pirq_map_message(current->domain, &request, map->pirq)
                                    : -XEN_EINVAL;
}

static long op_map(union argument *a)
{
    struct physdev_map_pirq *map = &a->map;
    long result = check_self(map->domid);

    if (result != 0) {
        return result;
    }
    switch (map->type) {
    case MAP_PIRQ_TYPE_GSI:
        result = pirq_map_gsi(current->domain, map->index, map->pirq);
        break;
    case MAP_PIRQ_TYPE_MSI:
    case MAP_PIRQ_TYPE_MSI_SEG:
    case MAP_PIRQ_TYPE_MULTI_MSI:
        result = map_message(map);
        break;
    default:
        return -XEN_EINVAL;
    }
    map->pirq = (int32_t)result;
    return MIN(result, 0);
}

static long op_unmap(union argument *a)
{
    long error = check_self(a->unmap.domid);

    return error != 0 ? error : pirq_unmap(current->domain, a->unmap.pirq);
}

static long op_get_free(union argument *a)
{
    int32_t type = a->free_pirq.type;
    int pirq;

    if (type != MAP_PIRQ_TYPE_GSI && type != MAP_PIRQ_TYPE_MSI && type != MAP_PIRQ_TYPE_MSI_SEG &&
        type != MAP_PIRQ_TYPE_MULTI_MSI) {
        return -XEN_EINVAL;
    }
    pirq = pirq_reserve(current->domain, type != MAP_PIRQ_TYPE_GSI);
    a->free_pirq.pirq = (uint32_t)pirq;
    return MIN(pirq, 0);
}

static long op_setup_gsi(union argument *a)
{
    return pirq_setup_gsi(a->gsi.gsi, a->gsi.triggering != 0, a->gsi.polarity != 0);
}

static long op_device_add(union argument *a)
{
    struct domain *domain = current->domain;

    spin_lock(&domain->lock);
    pci_found(a->device);
    spin_unlock(&domain->lock);
    return 0;
}

static long op_manage_add_ext(union argument *a)
{
    return a->manage_ext.is_extfn != 0 && a->manage_ext.is_virtfn != 0 ? -XEN_EINVAL
                                                                       : op_device_add(a);
}

static long op_device_remove(union argument *a)
{
    return pci_forget(a->device) ? 0 : -XEN_ENODEV;
}

static long op_restore_msi(union argument *a)
{
    if (!pci_present(a->device)) {
        return -XEN_ENODEV;
    }
    msi_restore(a->device);
    return 0;
}

/* Nothing to prepare: a table is programmed through its own mapping whenever it is needed. */
static long op_msix(union argument *a)
{
    return pci_find_capability(a->device, PCI_CAPABILITY_MSIX) != 0 ? 0 : -XEN_ENODEV;
}

static long op_window(union argument *a)
{
    bool found = pci_window_reserved(a->window.address, a->window.segment, a->window.start_bus,
                                     (a->window.flags & XEN_PCI_MMCFG_RESERVED) != 0);

    return found ? 0 : -XEN_ENODEV;
}

/* The core uses no debug port, so there is nothing to save and set up again. */
static long op_debug_port(union argument *a)
{
    return a->debug_port.op == PHYSDEVOP_DBGP_RESET_PREPARE ||
                   a->debug_port.op == PHYSDEVOP_DBGP_RESET_DONE
               ? 0
               : -XEN_ENOSYS;
}

/* OLD: the argument begins with bus and devfn, and the segment is 0. */
enum { ANY = 0, CONTROL = 1, OUT = 2, OLD = 4 };

static const struct row {
    long (*function)(union argument *a);
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
    ROW(manage_pci_add, op_device_add, struct physdev_manage_pci, CONTROL | OLD),
    ROW(manage_pci_remove, op_device_remove, struct physdev_manage_pci, CONTROL | OLD),
    ROW(pirq_eoi_gmfn_v1, op_eoi_page_v1, struct physdev_pirq_eoi_gmfn, ANY),
    ROW(restore_msi, op_restore_msi, struct physdev_restore_msi, CONTROL | OLD),
    ROW(manage_pci_add_ext, op_manage_add_ext, struct physdev_manage_pci_ext, CONTROL | OLD),
    ROW(setup_gsi, op_setup_gsi, struct physdev_setup_gsi, CONTROL),
    ROW(get_free_pirq, op_get_free, struct physdev_get_free_pirq, CONTROL | OUT),
    ROW(pci_mmcfg_reserved, op_window, struct physdev_pci_mmcfg_reserved, CONTROL),
    ROW(pci_device_add, op_device_add, uint8_t[offsetof(struct physdev_pci_device_add, optarr)],
        CONTROL),
    ROW(pci_device_remove, op_device_remove, struct physdev_pci_device, CONTROL),
    ROW(restore_msi_ext, op_restore_msi, struct physdev_pci_device, CONTROL),
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
    const struct row *row = number < ARRAY_SIZE(rows) ? &rows[number] : NULL;
    union argument a;
    long result;

    if (row == NULL || row->function == NULL) {
        return -XEN_ENOSYS;
    }
    if (raw_copy_from_guest(&a, guest_pointer(const void, argument), row->size) != 0) {
        return -XEN_EFAULT;
    }
    if ((row->flags & CONTROL) != 0 && !current->domain->privileged) {
        return -XEN_EPERM;
    }
    if ((row->flags & OLD) != 0) {
        a.device = (struct pci_function){ 0, a.manage.bus, a.manage.devfn };
    }
    result = row->function(&a);
    if (result == -XEN_ERESTART) {
        return hypercall_continue(__HYPERVISOR_physdev_op, 2, command, argument, 0, 0);
    }
    if (result == 0 && (row->flags & OUT) != 0 &&
        raw_copy_to_guest(guest_pointer(void, argument), &a, row->size) != 0) {
        return -XEN_EFAULT;
    }
    return result;
}
