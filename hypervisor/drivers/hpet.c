/* SPDX-License-Identifier: MIT */
/*
 * HPET.  IA-PC HPET specification 1.0a, chapter 2.3.
 *
 * Only the main counter is used.  Comparators are switched off, so that none
 * the firmware left armed can interrupt.
 */
#include "hypervisor/drivers/hpet.h"

#include "hypervisor/drivers/acpi.h"
#include "hypervisor/lib/log.h"
#include "hypervisor/x86/paging.h"

#define HPET_CAPABILITIES 0x000
#define HPET_CONFIG       0x010
#define HPET_COUNTER      0x0f0
#define HPET_TIMER(n)     (0x100 + 0x20 * (n))
#define HPET_SIZE         0x400

#define CAPABILITY_64BIT (UINT64_C(1) << 13)
#define CONFIG_ENABLE    UINT64_C(0x1)
#define CONFIG_LEGACY    UINT64_C(0x2)
#define TIMER_LEVEL      UINT64_C(0x2)
#define TIMER_ENABLE     UINT64_C(0x4)
#define TIMER_FSB_ENABLE UINT64_C(0x4000)
#define FEMTOSECONDS     UINT64_C(1000000000000000)
#define PERIOD_MAX       UINT64_C(100000000) /* fs: the slowest the specification allows */

static volatile uint8_t *registers;
static bool wide;
static uint64_t frequency;

static uint32_t read32(uint32_t offset)
{
    return *(volatile uint32_t *)(volatile void *)(registers + offset);
}

/* In halves: not every HPET takes 64 bits in one piece. */
static uint64_t read64(uint32_t offset)
{
    uint32_t high, low, again;

    do {
        high = read32(offset + 4);
        low = read32(offset);
        again = read32(offset + 4);
    } while (high != again);
    return (uint64_t)high << 32 | low;
}

static void write32(uint32_t offset, uint64_t value)
{
    *(volatile uint32_t *)(volatile void *)(registers + offset) = (uint32_t)value;
}

void hpet_setup(void)
{
    uint64_t capabilities, period;

    registers = acpi.hpet == 0 ? NULL : map_device(maddr(acpi.hpet), HPET_SIZE);
    if (registers == NULL) {
        return;
    }
    capabilities = read64(HPET_CAPABILITIES);
    period = capabilities >> 32;
    if (period == 0 || period > PERIOD_MAX) {
        log_warning("hpet: a period of %lu fs makes no sense, not used\n", period);
        return;
    }
    wide = (capabilities & CAPABILITY_64BIT) != 0;

    for (uint32_t i = 0; i <= ((capabilities >> 8) & 0x1f); i++) {
        write32(HPET_TIMER(i),
                read32(HPET_TIMER(i)) & ~(TIMER_LEVEL | TIMER_ENABLE | TIMER_FSB_ENABLE));
    }
    write32(HPET_CONFIG, (read32(HPET_CONFIG) & ~CONFIG_LEGACY) | CONFIG_ENABLE);
    frequency = FEMTOSECONDS / period;
}

bool hpet_present(void)
{
    return frequency != 0;
}

uint64_t hpet_hz(void)
{
    return frequency;
}

uint64_t hpet_mask(void)
{
    return wide ? UINT64_MAX : UINT32_MAX;
}

uint64_t hpet_counter(void)
{
    return wide ? read64(HPET_COUNTER) : read32(HPET_COUNTER);
}
