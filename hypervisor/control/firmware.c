/* SPDX-License-Identifier: MIT */
/*
 * Facts about the firmware.  UEFI specification 2.9, 4.3 and 7.2.
 *
 * UEFI's tables stay where they are; dom0 is told their addresses and maps them
 * itself.  Runtime services are not called by the core, and what a BIOS knew of
 * disks and displays was not collected at boot.
 */
#include "hypervisor/control/firmware.h"

#include "hypervisor/lib/log.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/x86/paging.h"

#define SYSTEM_TABLE_SIGNATURE UINT64_C(0x5453595320494249) /* "IBI SYST" */
#define MAP_LIMIT              256u
#define VENDOR_LIMIT           64u /* characters, with the final 0 */

struct efi_table_header {
    uint64_t signature;
    uint32_t revision;
    uint32_t size_crc_reserved[3];
};

struct efi_system_table {
    struct efi_table_header header;
    uint64_t vendor;
    uint32_t vendor_revision;
    uint32_t hole;
    uint64_t consoles[6];
    uint64_t runtime;
    uint64_t boot;
    uint64_t entries;
    uint64_t configuration;
};

struct efi_descriptor {
    uint32_t type;
    uint32_t hole;
    uint64_t start;
    uint64_t virtual_start;
    uint64_t pages;
    uint64_t attribute;
};

static struct {
    struct efi_system_table table; /* a copy; its signature is 0 if the machine has none */
    uint32_t runtime_version;
    uint16_t vendor[VENDOR_LIMIT];
    struct efi_descriptor map[MAP_LIMIT];
    unsigned int map_count;
} efi;

void firmware_keep_efi_map(const void *map, size_t size, size_t descriptor_size)
{
    const uint8_t *from = map;
    size_t count = descriptor_size < sizeof(efi.map[0]) ? 0 : size / descriptor_size;

    /* There is no console yet to say that some are left out; dom0 finds them unknown. */
    for (; efi.map_count < MIN(count, MAP_LIMIT); from += descriptor_size) {
        memcpy(&efi.map[efi.map_count++], from, sizeof(efi.map[0]));
    }
}

void firmware_setup_efi(uint64_t system_table)
{
    const struct efi_system_table *table = map_firmware(maddr(system_table), sizeof(*table));
    const struct efi_table_header *runtime;
    const uint16_t *vendor;

    if (table == NULL || table->header.signature != SYSTEM_TABLE_SIGNATURE) {
        log_warning("efi: no system table at 0x%lx\n", system_table);
        return;
    }
    efi.table = *table;
    runtime = map_firmware(maddr(efi.table.runtime), sizeof(*runtime));
    efi.runtime_version = runtime == NULL ? 0 : runtime->revision;
    vendor = map_firmware(maddr(efi.table.vendor), sizeof(efi.vendor));
    for (unsigned int i = 0; vendor != NULL && i + 1 < VENDOR_LIMIT && vendor[i] != 0; i++) {
        efi.vendor[i] = vendor[i];
    }
}

static long vendor_info(union xenpf_efi_info *info)
{
    size_t room = info->vendor.bufsz / sizeof(efi.vendor[0]);
    size_t length = 0;

    info->vendor.revision = efi.table.vendor_revision;
    if (guest_address(info->vendor.name) == 0) {
        return 0;
    }
    while (length < VENDOR_LIMIT && efi.vendor[length] != 0) {
        length++;
    }
    if (room < length + 1) {
        return -XEN_ENOBUFS;
    }
    return guest_fault(
        raw_copy_to_guest(info->vendor.name, efi.vendor, (length + 1) * sizeof(efi.vendor[0])));
}

/* The piece of memory an address lies in. */
static long memory_info(union xenpf_efi_info *info)
{
    for (unsigned int i = 0; i < efi.map_count; i++) {
        const struct efi_descriptor *piece = &efi.map[i];

        if (info->mem.addr >= piece->start &&
            (info->mem.addr - piece->start) >> PAGE_SHIFT < piece->pages) {
            info->mem.addr = piece->start;
            info->mem.size = piece->pages << PAGE_SHIFT;
            info->mem.type = piece->type;
            info->mem.attr = piece->attribute;
            return 0;
        }
    }
    return -XEN_ESRCH;
}

static long efi_info(uint32_t index, union xenpf_efi_info *info)
{
    if (efi.table.header.signature == 0) {
        return -XEN_ENOSYS;
    }
    switch (index) {
    case XEN_FW_EFI_VERSION:
        info->version = efi.table.header.revision;
        return 0;
    case XEN_FW_EFI_RT_VERSION:
        info->version = efi.runtime_version;
        return 0;
    case XEN_FW_EFI_CONFIG_TABLE:
        info->cfg.addr = efi.table.configuration;
        info->cfg.nent = (uint32_t)efi.table.entries;
        return 0;
    case XEN_FW_EFI_VENDOR:
        return vendor_info(info);
    case XEN_FW_EFI_MEM_INFO:
        return memory_info(info);
    case XEN_FW_EFI_PCI_ROM:
    case XEN_FW_EFI_APPLE_PROPERTIES:
        return -XEN_ENODEV;
    default:
        return -XEN_EINVAL;
    }
}

long firmware_info(struct xen_platform_op *op)
{
    struct xenpf_firmware_info *info = &op->u.firmware_info;

    switch (info->type) {
    case XEN_FW_DISK_INFO:
    case XEN_FW_DISK_MBR_SIGNATURE:
    case XEN_FW_VBEDDC_INFO:
        return -XEN_ESRCH;
    case XEN_FW_EFI_INFO:
        return efi_info(info->index, &info->u.efi_info);
    case XEN_FW_KBD_SHIFT_FLAGS:
        info->u.kbd_shift_flags = 0;
        return info->index == 0 ? 0 : -XEN_ESRCH;
    default:
        return -XEN_EINVAL;
    }
}
