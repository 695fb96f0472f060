/* SPDX-License-Identifier: MIT */
/*
 * I/O APIC.  82093AA data sheet, chapter 3.
 *
 * Registers are reached through a select and a data window, hence the lock.  What
 * was written to a pin is remembered, so that masking is one write.
 */
#include "hypervisor/drivers/ioapic.h"

#include "hypervisor/drivers/acpi.h"
#include "hypervisor/lib/log.h"
#include "hypervisor/x86/paging.h"
#include "hypervisor/x86/smp.h"

#define SELECT 0x00
#define WINDOW 0x10

#define REG_VERSION     0x01
#define REG_PIN_LOW(n)  (0x10 + 2 * (n))
#define REG_PIN_HIGH(n) (0x11 + 2 * (n))

#define PIN_ACTIVE_LOW 0x02000u
#define PIN_LEVEL      0x08000u
#define PIN_MASKED     0x10000u

#define ISA_IRQS 16u

static struct ioapic {
    volatile uint32_t *registers;
    uint64_t address;
    uint32_t gsi_base;
    uint32_t pins;
} ioapics[ACPI_IOAPIC_LIMIT];

static unsigned int count;

static struct pin {
    const struct ioapic *ioapic; /* NULL: no such pin */
    uint32_t index;
    uint32_t low; /* its low word as it was written last */
} pins[IRQ_GSI_LIMIT];

static struct spinlock lock = SPINLOCK_INIT(RANK_DEVICE);

static uint32_t read_register(const struct ioapic *ioapic, uint32_t reg) REQUIRES(lock)
{
    ioapic->registers[SELECT / 4] = reg;
    return ioapic->registers[WINDOW / 4];
}

static void write_register(const struct ioapic *ioapic, uint32_t reg, uint32_t value) REQUIRES(lock)
{
    ioapic->registers[SELECT / 4] = reg;
    ioapic->registers[WINDOW / 4] = value;
}

static void write_low(struct pin *pin, uint32_t low) REQUIRES(lock)
{
    pin->low = low;
    write_register(pin->ioapic, REG_PIN_LOW(pin->index), low);
}

void ioapic_mask(uint32_t gsi)
{
    spin_lock(&lock);
    write_low(&pins[gsi], pins[gsi].low | PIN_MASKED);
    spin_unlock(&lock);
}

void ioapic_unmask(uint32_t gsi)
{
    spin_lock(&lock);
    write_low(&pins[gsi], pins[gsi].low & ~PIN_MASKED);
    spin_unlock(&lock);
}

/*
 * A line that is in use is only ever sent elsewhere with the vector it has, so a
 * pin never points to a vector that is not its own, in between neither.
 */
void ioapic_program(uint32_t gsi, const struct irq_line *line)
{
    struct pin *pin = &pins[gsi];
    uint32_t low = line->vector;

    low |= line->kind == IRQ_LEVEL ? PIN_LEVEL : 0;
    low |= line->active_low ? PIN_ACTIVE_LOW : 0;
    low |= line->masked ? PIN_MASKED : 0;

    spin_lock(&lock);
    if (line->masked) {
        write_low(pin, low);
    }
    write_register(pin->ioapic, REG_PIN_HIGH(pin->index), cpus[line->cpu].apic_id << 24);
    if (!line->masked) {
        write_low(pin, low);
    }
    spin_unlock(&lock);
}

void ioapic_configure(struct irq_line *line, bool level, bool active_low)
{
    line->kind = level ? IRQ_LEVEL : IRQ_EDGE;
    line->active_low = active_low;
}

uint32_t ioapic_gsi_of_isa(unsigned int isa_irq)
{
    for (unsigned int i = 0; i < acpi.override_count; i++) {
        if (acpi.overrides[i].isa_irq == isa_irq) {
            return acpi.overrides[i].gsi;
        }
    }
    return isa_irq;
}

/* From here to ioapic_setup(): nobody else is there to be locked out. */

/* A pin that holds what the firmware left there. */
static void setup_pin(struct ioapic *ioapic, uint32_t index) NO_LOCK_ANALYSIS
{
    uint32_t gsi = ioapic->gsi_base + index;

    if (gsi >= IRQ_GSI_LIMIT || pins[gsi].ioapic != NULL) {
        return;
    }
    pins[gsi].ioapic = ioapic;
    pins[gsi].index = index;
    write_low(&pins[gsi], PIN_MASKED);
    ioapic_configure(&irq_lines[gsi], gsi >= ISA_IRQS, gsi >= ISA_IRQS);
}

static void setup_override(const struct acpi_override *override) NO_LOCK_ANALYSIS
{
    if (override->gsi >= irq_gsi_count() || irq_lines[override->gsi].kind == IRQ_UNUSED) {
        log_warning("acpi: ISA interrupt %u leads to GSI %u, which is not there\n",
                    override->isa_irq, override->gsi);
        return;
    }
    ioapic_configure(&irq_lines[override->gsi], override->level, override->active_low);
}

/* Its pins; 0 if nothing answers at the address. */
static uint32_t find_ioapic(struct ioapic *ioapic, const struct acpi_ioapic *entry) NO_LOCK_ANALYSIS
{
    uint32_t version;

    ioapic->address = entry->address;
    ioapic->gsi_base = entry->gsi_base;
    ioapic->registers = map_device(maddr(entry->address), WINDOW + 4);
    if (ioapic->registers == NULL) {
        return 0;
    }
    version = read_register(ioapic, REG_VERSION);
    if (version == 0 || version == UINT32_MAX || entry->gsi_base >= IRQ_GSI_LIMIT) {
        log_warning("ioapic: nothing usable at 0x%lx\n", entry->address);
        return 0;
    }
    ioapic->pins = ((version >> 16) & 0xff) + 1;
    return ioapic->pins;
}

void ioapic_setup(void)
{
    uint32_t gsis = 0;

    for (unsigned int i = 0; i < acpi.ioapic_count; i++) {
        struct ioapic *ioapic = &ioapics[count];

        if (find_ioapic(ioapic, &acpi.ioapics[i]) > 0) {
            gsis = MAX(gsis, ioapic->gsi_base + ioapic->pins);
            count++;
        }
    }
    irq_setup(gsis);
    for (unsigned int i = 0; i < count; i++) {
        for (uint32_t pin = 0; pin < ioapics[i].pins; pin++) {
            setup_pin(&ioapics[i], pin);
        }
    }
    for (unsigned int i = 0; i < acpi.override_count; i++) {
        setup_override(&acpi.overrides[i]);
    }
    log_info("ioapic: %u with %u GSIs\n", count, irq_gsi_count());
}

static const struct ioapic *ioapic_at(uint64_t address)
{
    for (unsigned int i = 0; i < count; i++) {
        if (ioapics[i].address == address) {
            return &ioapics[i];
        }
    }
    return NULL;
}

bool ioapic_read_register(uint64_t address, uint32_t reg, uint32_t *value)
{
    const struct ioapic *ioapic = ioapic_at(address);

    if (ioapic == NULL || reg >= REG_PIN_LOW(ioapic->pins)) {
        return false;
    }
    spin_lock(&lock);
    *value = read_register(ioapic, reg);
    spin_unlock(&lock);
    return true;
}

uint32_t ioapic_gsi_of_register(uint64_t address, uint32_t reg)
{
    const struct ioapic *ioapic = ioapic_at(address);
    uint32_t gsi;

    if (ioapic == NULL || reg < REG_PIN_LOW(0) || reg >= REG_PIN_LOW(ioapic->pins)) {
        return IRQ_NONE;
    }
    gsi = ioapic->gsi_base + (reg - REG_PIN_LOW(0)) / 2;
    return gsi < irq_gsi_count() ? gsi : IRQ_NONE;
}
