/* SPDX-License-Identifier: MIT */
/*
 * Building the control domain from the boot loader's modules.
 */
#ifndef HYPERVISOR_BOOT_DOM0_H
#define HYPERVISOR_BOOT_DOM0_H

/* Build it, paused; panics, naming the cause, if it cannot be. */
void dom0_build(void);

#endif
