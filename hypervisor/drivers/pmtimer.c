/* SPDX-License-Identifier: MIT */
/*
 * The power management timer.  ACPI specification 6.4, 4.8.2.1.
 */
#include "hypervisor/drivers/pmtimer.h"

#include "hypervisor/drivers/acpi.h"
#include "hypervisor/x86/cpu.h"

#define MASK_24BIT 0xffffffu
#define TRIES      10000u /* a port read takes about 1 us, a tick 280 ns */

uint32_t pmtimer_mask(void)
{
    return acpi.pm_timer_32bit ? UINT32_MAX : MASK_24BIT;
}

/* Some chipsets can be caught in the middle of a carry: two readings must be close. */
uint32_t pmtimer_read(void)
{
    uint16_t port = (uint16_t)acpi.pm_timer.address;
    uint32_t mask = pmtimer_mask();
    uint32_t first, second;
    unsigned int tries = TRIES;

    do {
        first = in32(port) & mask;
        second = in32(port) & mask;
    } while (((second - first) & mask) > 0x1000 && --tries > 0);
    return second;
}

bool pmtimer_present(void)
{
    uint32_t start;

    if (acpi.pm_timer.space != ACPI_PORT || acpi.pm_timer.address == 0) {
        return false;
    }
    start = pmtimer_read();
    for (unsigned int i = 0; i < TRIES; i++) {
        if (pmtimer_read() != start) {
            return true;
        }
    }
    return false;
}
