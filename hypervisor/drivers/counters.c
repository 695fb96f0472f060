/* SPDX-License-Identifier: MIT */
/*
 * The HPET's main counter (IA-PC HPET specification 1.0a, 2.3), the ACPI power
 * management timer (ACPI 6.4, 4.8.2.1), and channel 2 of the 8254.
 */
#include "hypervisor/drivers/counters.h"

#include "hypervisor/drivers/acpi.h"
#include "hypervisor/lib/log.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/paging.h"

#define HPET_CAPABILITIES 0x000
#define HPET_PERIOD       0x004 /* of a tick, in fs */
#define HPET_CONFIG       0x010
#define HPET_COUNTER      0x0f0
#define HPET_TIMER(n)     (0x100 + 0x20 * (n))
#define HPET_SIZE         0x400

#define CONFIG_ENABLE    UINT64_C(0x1)
#define CONFIG_LEGACY    UINT64_C(0x2)
#define TIMER_LEVEL      UINT64_C(0x2)
#define TIMER_ENABLE     UINT64_C(0x4)
#define TIMER_FSB_ENABLE UINT64_C(0x4000)
#define FEMTOSECONDS     UINT64_C(1000000000000000)
#define PERIOD_MIN       UINT32_C(1000000)   /* fs: 1 GHz, or 32 bits are soon round */
#define PERIOD_MAX       UINT64_C(100000000) /* fs: the slowest the specification allows */

#define PMTIMER_HZ    UINT64_C(3579545)
#define PMTIMER_24BIT 0xffffffu
#define PMTIMER_TRIES 10000u /* a port read takes about 1 us, a tick 280 ns */

#define PIT_HZ 1193182u

static volatile uint8_t *registers;
static uint32_t pmtimer_mask;

static uint32_t hpet_read32(uint32_t offset)
{
    return *(volatile uint32_t *)(volatile void *)(registers + offset);
}

static void hpet_write32(uint32_t offset, uint64_t value)
{
    *(volatile uint32_t *)(volatile void *)(registers + offset) = (uint32_t)value;
}

/* Its lower half, which is all that some have: to read both takes three reads of a device. */
static uint64_t hpet_read(void)
{
    return hpet_read32(HPET_COUNTER);
}

/* Comparators are switched off, so that none the firmware left armed can interrupt. */
bool hpet_counter(struct counter *counter)
{
    uint32_t capabilities, period;

    registers = acpi.hpet == 0 ? NULL : map_device(maddr(acpi.hpet), HPET_SIZE);
    if (registers == NULL) {
        return false;
    }
    capabilities = hpet_read32(HPET_CAPABILITIES);
    period = hpet_read32(HPET_PERIOD);
    if (period < PERIOD_MIN || period > PERIOD_MAX) {
        log_warning("hpet: a period of %u fs makes no sense, not used\n", period);
        return false;
    }
    for (uint32_t i = 0; i <= ((capabilities >> 8) & 0x1f); i++) {
        hpet_write32(HPET_TIMER(i),
                     hpet_read32(HPET_TIMER(i)) & ~(TIMER_LEVEL | TIMER_ENABLE | TIMER_FSB_ENABLE));
    }
    hpet_write32(HPET_CONFIG, (hpet_read32(HPET_CONFIG) & ~CONFIG_LEGACY) | CONFIG_ENABLE);
    *counter = (struct counter){ hpet_read, FEMTOSECONDS / period, UINT32_MAX };
    return true;
}

/* Some chipsets can be caught in the middle of a carry: two readings must be close. */
static uint64_t pmtimer_read(void)
{
    uint16_t port = (uint16_t)acpi.pm_timer.address;
    unsigned int tries = PMTIMER_TRIES;
    uint32_t first, second;

    do {
        first = in32(port);
        second = in32(port);
    } while (((second - first) & pmtimer_mask) > 0x1000 && --tries > 0);
    return second;
}

bool pmtimer_counter(struct counter *counter)
{
    if (acpi.pm_timer.space != ACPI_PORT || acpi.pm_timer.address == 0) {
        return false;
    }
    pmtimer_mask = acpi.pm_timer_32bit ? UINT32_MAX : PMTIMER_24BIT;
    *counter = (struct counter){ pmtimer_read, PMTIMER_HZ, pmtimer_mask };
    return true;
}

static uint64_t pit_read(void)
{
    uint8_t low;

    out8(0x43, 0x80); /* hold the count of channel 2 */
    low = in8(0x42);
    return 0x10000 - (((uint32_t)in8(0x42) << 8) | low);
}

/*
 * Channel 2 counts down from 65536, over and over.  Its gate is opened through port
 * 0x61, which also keeps the speaker silent.
 */
bool pit_counter(struct counter *counter)
{
    out8(0x61, (uint8_t)((in8(0x61) & ~0x02) | 0x01));
    out8(0x43, 0xb4); /* channel 2, low then high byte, rate generator */
    out8(0x42, 0);
    out8(0x42, 0);
    *counter = (struct counter){ pit_read, PIT_HZ, 0xffff };
    return true;
}
