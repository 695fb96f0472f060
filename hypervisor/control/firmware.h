/* SPDX-License-Identifier: MIT */
/*
 * What dom0 may ask about the firmware: XENPF_firmware_info.
 */
#pragma once

#include "guest-pv-headers/platform.h"

/*
 * Boot, on a machine started by UEFI.  Its memory map, copied from where the boot
 * loader left it, as long as it is there; then, when firmware can be mapped, the
 * address of its system table.
 */
void firmware_keep_efi_map(const void *map, size_t size, size_t descriptor_size);
void firmware_setup_efi(uint64_t system_table);

/* Answers into op->u.firmware_info; -XEN_ENOSYS, -XEN_ESRCH, -XEN_EINVAL, -XEN_EFAULT. */
long firmware_info(struct xen_platform_op *op);
