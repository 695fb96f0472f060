/* SPDX-License-Identifier: MIT */
/*
 * What dom0 may ask about the firmware: XENPF_firmware_info.
 */
#ifndef HYPERVISOR_CONTROL_FIRMWARE_H
#define HYPERVISOR_CONTROL_FIRMWARE_H

#include "guest-pv-headers/platform.h"

/*
 * Boot, on a machine started by UEFI: the address of its system table, and its
 * memory map as the boot loader gave it (copied; NULL if there is none).
 */
void firmware_setup_efi(uint64_t system_table, const void *map, size_t map_size,
                        size_t descriptor_size);

/* Answers into *info; -XEN_ENOSYS, -XEN_ESRCH, -XEN_EINVAL, -XEN_EFAULT. */
long firmware_info(struct xenpf_firmware_info *info);

#endif
