/* SPDX-License-Identifier: MIT */
/*
 * The end: reboot, power off, halt.  None of them returns.
 */
#pragma once

#include "hypervisor/lib/types.h"

void never_returns machine_reboot(void);

/*
 * Enter ACPI's S5 with the values dom0 found for the two PM1 control registers, or,
 * on a hardware-reduced machine, for the sleep control and status registers; halts
 * if the machine stays on.
 */
void never_returns machine_power_off(uint16_t a, uint16_t b, bool reduced);

void never_returns machine_halt(void);

/* The option noreboot: machine_reboot() halts instead, so that the console can be read. */
extern bool machine_noreboot;
