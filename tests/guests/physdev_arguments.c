/* SPDX-License-Identifier: MIT */
/*
 * physdev_op: interrupts and devices, asked for with numbers that do not exist.
 *
 * Attack: a GSI, pirq or I/O APIC register number used as an index; an I/O APIC that is not at the
 * address given (a read or write anywhere in the machine).
 * Source: public physdev.h; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static long call(unsigned int operation, void *request)
{
    return hypercall2(__HYPERVISOR_physdev_op, operation, request);
}

static void check_status(void)
{
    struct physdev_irq_status_query query = { .irq = 9 };
    static const unsigned int bad[] = { 5000, 0x7fffffff, 0x80000000, 0xffffffff };

    expect_eq(call(PHYSDEVOP_irq_status_query, &query), 0, "status of pirq 9");
    for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
        struct physdev_eoi eoi = { .irq = bad[i] };
        struct evtchn_bind_pirq bind = { .pirq = bad[i] };
        struct physdev_setup_gsi gsi = { .gsi = (int)bad[i], .triggering = 1 };
        struct physdev_irq irq = { .irq = bad[i] };

        query.irq = bad[i];
        expect_eq(call(PHYSDEVOP_irq_status_query, &query), -XEN_EINVAL, "status");
        expect_eq(call(PHYSDEVOP_eoi, &eoi), -XEN_EINVAL, "eoi");
        expect(hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_pirq, &bind) < 0, "bind");
        expect(call(PHYSDEVOP_setup_gsi, &gsi) < 0, "setup_gsi");
        /* Debian's Xen answers anything with the number itself: nothing is allocated. */
        expect(call(PHYSDEVOP_alloc_irq_vector, &irq) <= 0, "alloc_irq_vector");
    }
}

static void check_map(void)
{
    struct physdev_map_pirq map = {
        .domid = DOMID_SELF,
        .type = MAP_PIRQ_TYPE_GSI,
        .index = 9,
        .pirq = 9,
    };
    struct physdev_unmap_pirq unmap = { .domid = DOMID_SELF, .pirq = 4999 };

    expect_eq(call(PHYSDEVOP_map_pirq, &map), 0, "GSI 9");
    expect_eq(map.pirq, 9, "as pirq 9");
    map.pirq = -1;
    expect_eq(call(PHYSDEVOP_map_pirq, &map), 0, "again, any pirq");
    expect_eq(map.pirq, 9, "the one it has");
    map.index = 5000;
    map.pirq = -1;
    expect(call(PHYSDEVOP_map_pirq, &map) < 0, "no such GSI");
    map.index = -5;
    expect(call(PHYSDEVOP_map_pirq, &map) < 0, "a negative GSI");
    map.index = 10;
    map.pirq = 0x7fffffff;
    expect(call(PHYSDEVOP_map_pirq, &map) < 0, "no such pirq");
    map.type = 99;
    expect(call(PHYSDEVOP_map_pirq, &map) < 0, "no such type");
    map.type = MAP_PIRQ_TYPE_MSI;
    map.index = -1;
    map.pirq = -1;
    map.bus = 255;
    map.devfn = 255;
    expect(call(PHYSDEVOP_map_pirq, &map) < 0, "MSI of a device that is not there");
    map.table_base = 0x1000;
    map.entry_nr = 5000;
    expect(call(PHYSDEVOP_map_pirq, &map) < 0, "MSI-X of it");
    map.domid = 77;
    expect(call(PHYSDEVOP_map_pirq, &map) < 0, "for nobody");
    expect(call(PHYSDEVOP_unmap_pirq, &unmap) < 0, "unmap what is not mapped");
    unmap.pirq = -1;
    expect(call(PHYSDEVOP_unmap_pirq, &unmap) < 0, "unmap a negative one");
    unmap.domid = 77;
    expect(call(PHYSDEVOP_unmap_pirq, &unmap) < 0, "unmap nobody's");
}

static void check_io_apic(void)
{
    struct physdev_apic apic = { .apic_physbase = 0xfec00000, .reg = 1 };

    expect_eq(call(PHYSDEVOP_apic_read, &apic), 0, "the version register");
    expect_eq(apic.value & 0xff, 0x20, "version 2.0");
    expect_eq(apic.value >> 16 & 0xff, 23, "24 lines");
    apic.apic_physbase = 0xfed00000;
    expect(call(PHYSDEVOP_apic_read, &apic) < 0, "no I/O APIC there");
    apic.apic_physbase = 0;
    expect(call(PHYSDEVOP_apic_read, &apic) < 0, "nor there");
    expect(call(PHYSDEVOP_apic_write, &apic) < 0, "nor to write");
    apic.apic_physbase = 0xfec00000;
    apic.reg = 0xffffffff;
    expect(call(PHYSDEVOP_apic_write, &apic) <= 0, "no such register");
}

static void check_pci(void)
{
    struct physdev_pci_device_add add = { .seg = 0, .bus = 0, .devfn = 0 };
    struct physdev_pci_device device = { .seg = 99, .bus = 9, .devfn = 9 };

    expect_eq(call(PHYSDEVOP_pci_device_add, &add), 0, "the host bridge");
    expect_eq(call(PHYSDEVOP_pci_device_add, &add), 0, "again");
    expect(call(PHYSDEVOP_pci_device_remove, &device) < 0, "one that is not there");
    expect(call(PHYSDEVOP_prepare_msix, &device) < 0, "nor its MSI-X");
    expect(call(PHYSDEVOP_release_msix, &device) < 0, "nor its MSI-X");
}

static void check_pointers(void)
{
    static const unsigned int operations[] = {
        PHYSDEVOP_eoi,
        PHYSDEVOP_irq_status_query,
        PHYSDEVOP_set_iopl,
        PHYSDEVOP_set_iobitmap,
        PHYSDEVOP_apic_read,
        PHYSDEVOP_apic_write,
        PHYSDEVOP_map_pirq,
        PHYSDEVOP_unmap_pirq,
        PHYSDEVOP_alloc_irq_vector,
        PHYSDEVOP_setup_gsi,
        PHYSDEVOP_get_free_pirq,
        PHYSDEVOP_pci_device_add,
        PHYSDEVOP_pci_device_remove,
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(operations); i++) {
        expect_eq(call(operations[i], BAD_UNMAPPED), -XEN_EFAULT, "unmapped");
        expect_eq(call(operations[i], BAD_HYPERVISOR), -XEN_EFAULT, "in the hypervisor");
    }
}

static void check_eoi_page(void)
{
    struct physdev_pirq_eoi_gmfn eoi = { .gmfn = ~0UL };

    expect(call(PHYSDEVOP_pirq_eoi_gmfn_v2, &eoi) < 0, "no frame");
    eoi.gmfn = va_mfn(kernel_l4);
    expect(call(PHYSDEVOP_pirq_eoi_gmfn_v2, &eoi) < 0, "a page table");
    eoi.gmfn = va_mfn(page_alloc());
    expect_eq(call(PHYSDEVOP_pirq_eoi_gmfn_v2, &eoi), 0, "a page");
    expect_eq(call(PHYSDEVOP_pirq_eoi_gmfn_v2, &eoi), -XEN_EBUSY, "once");
}

void test_main(void)
{
    check_status();
    check_map();
    check_io_apic();
    check_pci();
    check_pointers();
    check_eoi_page();
}
