/* SPDX-License-Identifier: MIT */
/*
 * Ports, as a guest's in and out instructions find them: see io.h.
 *
 * A port in the domain's bitmap is the machine's.  The control domain also gets
 * its devices behind selector registers (PCI configuration, CMOS), the selector
 * being its own, and the part of the timer chip it calibrates its clocks with.
 */
#include "hypervisor/pv/io.h"

#include "hypervisor/domain/io_permissions.h"
#include "hypervisor/drivers/pci.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/tlb.h"

#define PORT_PIC_MASTER  0x20u /* and 0x21 */
#define PORT_PIT_COUNT0  0x40u /* to 0x42 */
#define PORT_PIT_COUNT2  0x42u
#define PORT_PIT_COMMAND 0x43u
#define PORT_SYSTEM_B    0x61u
#define PORT_CMOS_INDEX  0x70u
#define PORT_CMOS_DATA   0x71u
#define PORT_PIC_SLAVE   0xa0u /* and 0xa1 */
#define PORT_PCI_ADDRESS 0xcf8u
#define PORT_PCI_DATA    0xcfcu /* to 0xcff */

#define SYSTEM_B_GATE2   0x01u /* the timer's channel 2 counts */
#define SYSTEM_B_SPEAKER 0x02u
#define SYSTEM_B_NMI_OFF 0x0cu /* parity and channel check */

#define CMOS_NMI_OFF 0x80u

#define PCI_ADDRESS_ENABLE UINT32_C(0x80000000)

/* Only the two steps of the CMOS clock; it is nobody's but the control domain's after boot. */
static struct spinlock cmos_lock = SPINLOCK_INIT(RANK_DEVICE);

/* One access; what a write returns means nothing. */
static always_inline uint32_t hardware_access(unsigned int port, unsigned int size, bool write,
                                              uint32_t value)
{
    uint16_t number = (uint16_t)port;

    if (write) {
        if (size == 1) {
            out8(number, (uint8_t)value);
        } else if (size == 2) {
            out16(number, (uint16_t)value);
        } else {
            out32(number, value);
        }
        return 0;
    }
    return size == 1 ? in8(number) : size == 2 ? in16(number) : in32(number);
}

/* The guest's own I/O bitmap: a 0 bit allows.  It lies in the kernel's address space. */
static bool bitmap_allows(const struct vcpu *vcpu, unsigned int port, unsigned int size)
{
    uint64_t address = vcpu->pv.io_bitmap + port / 8;
    uint8_t bytes[2] = { 0xff, 0xff };
    size_t count = (port + size - 1) / 8 - port / 8 + 1, left;
    unsigned int bits;

    if (port + size > vcpu->pv.io_bitmap_ports) {
        return false;
    }
    if (!vcpu->pv.kernel_mode) {
        tlb_load_cr3(vcpu->pv.kernel_cr3);
    }
    left = raw_copy_from_guest(bytes, guest_pointer(const uint8_t, address), count);
    if (!vcpu->pv.kernel_mode) {
        tlb_load_cr3(vcpu->pv.user_cr3);
    }
    bits = bytes[0] | (unsigned int)bytes[1] << 8;
    return left == 0 && (bits >> port % 8 & ((1u << size) - 1)) == 0;
}

bool pv_io_allowed(const struct vcpu *vcpu, unsigned int port, unsigned int size)
{
    return likely(pv_iopl_allows(vcpu)) || bitmap_allows(vcpu, port, size);
}

/* PCI configuration by the domain's own address register; without its enable bit, nothing there. */
static uint32_t pci_data_access(const struct io_permissions *io, unsigned int port,
                                unsigned int size, bool write, uint32_t value)
{
    uint32_t address = atomic_load_explicit(&io->pci_address, memory_order_relaxed);

    if ((address & PCI_ADDRESS_ENABLE) == 0) {
        return UINT32_MAX;
    }
    spin_lock(&pci_port_lock);
    out32(PORT_PCI_ADDRESS, address);
    value = hardware_access(port, size, write, value);
    spin_unlock(&pci_port_lock);
    return value;
}

static uint8_t cmos_access(const struct io_permissions *io, bool write, uint8_t value)
{
    spin_lock(&cmos_lock);
    out8(PORT_CMOS_INDEX, atomic_load_explicit(&io->cmos_index, memory_order_relaxed));
    value = (uint8_t)hardware_access(PORT_CMOS_DATA, 1, write, value);
    spin_unlock(&cmos_lock);
    return value;
}

/* One byte port of the control domain that is not simply its own. */
static uint8_t control_read_byte(struct io_permissions *io, unsigned int port)
{
    switch (port) {
    case PORT_PIT_COUNT2:
    case PORT_SYSTEM_B:
        return in8((uint16_t)port);
    case PORT_CMOS_INDEX:
        return atomic_load_explicit(&io->cmos_index, memory_order_relaxed);
    case PORT_CMOS_DATA:
        return cmos_access(io, false, 0);
    default:
        return UINT8_MAX;
    }
}

static void control_write_byte(struct io_permissions *io, unsigned int port, uint8_t value)
{
    switch (port) {
    case PORT_PIT_COUNT2:
        out8(PORT_PIT_COUNT2, value);
        break;
    case PORT_PIT_COMMAND:
        /* Commands to channel 2, and reading back channel 2 only. */
        if (value >> 6 == 2 || (value >> 6 == 3 && (value & 0x0f) == 0x08)) {
            out8(PORT_PIT_COMMAND, value);
        }
        break;
    case PORT_SYSTEM_B:
        out8(PORT_SYSTEM_B, (uint8_t)((in8(PORT_SYSTEM_B) & SYSTEM_B_NMI_OFF) |
                                      (value & (SYSTEM_B_GATE2 | SYSTEM_B_SPEAKER))));
        break;
    case PORT_CMOS_INDEX:
        atomic_store_explicit(&io->cmos_index, (uint8_t)(value & ~CMOS_NMI_OFF),
                              memory_order_relaxed);
        break;
    case PORT_CMOS_DATA:
        (void)cmos_access(io, true, value);
        break;
    default:
        break;
    }
}

static always_inline uint32_t port_access(struct domain *domain, unsigned int port,
                                          unsigned int size, bool write, uint32_t value)
{
    struct io_permissions *io = domain->io;
    uint32_t result = 0;

    if (io == NULL) {
        return UINT32_MAX;
    }
    if (likely(io_port_allowed(io, port, size))) {
        return hardware_access(port, size, write, value);
    }
    if (!domain->privileged) {
        return UINT32_MAX;
    }
    if (port >= PORT_PCI_DATA && port + size <= PORT_PCI_DATA + 4) {
        return pci_data_access(io, port, size, write, value);
    }
    if (port == PORT_PCI_ADDRESS && size == 4) {
        if (write) {
            atomic_store_explicit(&io->pci_address, value, memory_order_relaxed);
        }
        return atomic_load_explicit(&io->pci_address, memory_order_relaxed);
    }
    /* Byte by byte, each as its port demands; behind the last port there is nothing. */
    for (unsigned int i = 0; i < size; i++, port++) {
        uint8_t byte = (uint8_t)(value >> (8 * i));

        if (io_port_allowed(io, port, 1)) {
            byte = (uint8_t)hardware_access(port, 1, write, byte);
        } else if (write) {
            control_write_byte(io, port, byte);
        } else {
            byte = control_read_byte(io, port);
        }
        result |= (uint32_t)byte << (8 * i);
    }
    return result;
}

uint32_t pv_port_read(struct domain *domain, unsigned int port, unsigned int size)
{
    return port_access(domain, port, size, false, 0);
}

void pv_port_write(struct domain *domain, unsigned int port, unsigned int size, uint32_t value)
{
    (void)port_access(domain, port, size, true, value);
}

int pv_io_setup_control_domain(struct domain *domain)
{
    /* The core's interrupt controllers, and what is handled above. */
    static const struct range kept[] = {
        { PORT_PIC_MASTER, PORT_PIC_MASTER + 1 }, { PORT_PIT_COUNT0, PORT_PIT_COMMAND },
        { PORT_SYSTEM_B, PORT_SYSTEM_B },         { PORT_CMOS_INDEX, PORT_CMOS_DATA },
        { PORT_PIC_SLAVE, PORT_PIC_SLAVE + 1 },   { PORT_PCI_ADDRESS, PORT_PCI_ADDRESS },
        { PORT_PCI_DATA, PORT_PCI_DATA + 3 },
    };
    int error = io_permit(domain, IO_PORT, 0, IO_PORTS - 1, true);

    for (unsigned int i = 0; i < ARRAY_SIZE(kept) && error == 0; i++) {
        error = io_permit(domain, IO_PORT, kept[i].first, kept[i].last, false);
    }
    return error;
}
