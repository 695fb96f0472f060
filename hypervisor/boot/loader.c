/* SPDX-License-Identifier: MIT */
/*
 * Multiboot 1 (specification 0.6.96) and 2 (2.0) information.
 */
#include "hypervisor/boot/loader.h"

#include "hypervisor/control/firmware.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/x86/address_space.h"

#define MAGIC1 0x2badb002u
#define MAGIC2 0x36d76289u

struct boot_info boot_info;

struct information1 {
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr;
    uint32_t syms[4];
    uint32_t mmap_length, mmap_addr;
    uint32_t drives_length, drives_addr, config_table, boot_loader_name;
};
#define FLAG1_CMDLINE (1u << 2)
#define FLAG1_MODULES (1u << 3)
#define FLAG1_MMAP    (1u << 6)
#define FLAG1_LOADER  (1u << 9)

struct module1 {
    uint32_t start, end, text, reserved;
};

struct tag2 {
    uint32_t type, size;
};
enum {
    TAG_END,
    TAG_CMDLINE,
    TAG_LOADER,
    TAG_MODULE,
    TAG_MMAP = 6,
    TAG_EFI64 = 12,
    TAG_RSDP1 = 14,
    TAG_RSDP2,
    TAG_EFI_MAP = 17,
};

static const void *at(uint64_t address)
{
    return direct_map(maddr(address));
}

/* An E820 entry, 20 bytes as firmware and loaders have it; struct boot_region begins so. */
static void add_region(const uint8_t *entry)
{
    struct boot_region *region = &boot_info.regions[boot_info.region_count];

    if (boot_info.region_count < BOOT_REGIONS) {
        memcpy(region, entry, 20);
        boot_info.region_count += region->size != 0;
    }
}

/* At most `size` bytes of text, which may lack its end. */
static void copy_text(char *to, const char *from, size_t size)
{
    size_t length = strnlen(from, MIN(size, BOOT_TEXT - 1));

    memcpy(to, from, length);
    to[length] = '\0';
}

static void add_module(uint64_t start, uint64_t end, const char *text, size_t text_size)
{
    struct boot_module *module;

    if (boot_info.module_count == BOOT_MODULES || end < start) {
        return;
    }
    module = &boot_info.modules[boot_info.module_count++];
    module->start = start;
    module->size = end - start;
    copy_text(module->text, text, text_size);
}

/* GRUB passes the arguments alone; other loaders put the file's name in front. */
static const char *arguments(const char *text, const char *loader)
{
    if (strncmp(loader, "GRUB 2", 6) == 0) {
        return text;
    }
    while (*text != '\0' && *text != ' ') {
        text++;
    }
    while (*text == ' ') {
        text++;
    }
    return text;
}

static void parse1(uint32_t address)
{
    struct information1 info;
    const char *loader;

    memcpy(&info, at(address), sizeof(info));
    loader = (info.flags & FLAG1_LOADER) != 0 ? at(info.boot_loader_name) : "";
    if ((info.flags & FLAG1_CMDLINE) != 0) {
        copy_text(boot_info.command_line, arguments(at(info.cmdline), loader), BOOT_TEXT);
    }
    for (uint32_t i = 0;
         (info.flags & FLAG1_MODULES) != 0 && i < MIN(info.mods_count, BOOT_MODULES); i++) {
        struct module1 module;

        memcpy(&module, at(info.mods_addr + i * sizeof(module)), sizeof(module));
        add_module(module.start, module.end,
                   arguments(module.text != 0 ? at(module.text) : "", loader), BOOT_TEXT);
    }
    if ((info.flags & FLAG1_MMAP) == 0) {
        return;
    }
    for (uint64_t offset = 0; offset + 24 <= info.mmap_length;) {
        const uint8_t *entry = at(info.mmap_addr + offset);
        uint32_t size;

        memcpy(&size, entry, sizeof(size));
        if (size < 20) {
            break;
        }
        add_region(entry + 4);
        offset += (uint64_t)size + 4;
    }
}

static void parse_memory_map2(const uint8_t *tag, uint32_t size)
{
    uint32_t entry_size;

    if (size < 16) {
        return;
    }
    memcpy(&entry_size, tag + 8, sizeof(entry_size));
    for (uint64_t offset = 16; entry_size >= 20 && offset + entry_size <= size;
         offset += entry_size) {
        add_region(tag + offset);
    }
}

static void parse_tag2(const uint8_t *tag, const struct tag2 *head)
{
    uint32_t bounds[2];

    switch (head->type) {
    case TAG_CMDLINE:
        copy_text(boot_info.command_line, (const char *)tag + 8, head->size - 8);
        break;
    case TAG_MODULE:
        if (head->size >= 16) {
            memcpy(bounds, tag + 8, sizeof(bounds));
            add_module(bounds[0], bounds[1], (const char *)tag + 16, head->size - 16);
        }
        break;
    case TAG_MMAP:
        parse_memory_map2(tag, head->size);
        break;
    case TAG_EFI64:
        if (head->size >= 16) {
            memcpy(&boot_info.efi_system_table, tag + 8, sizeof(boot_info.efi_system_table));
        }
        break;
    case TAG_EFI_MAP:
        if (head->size >= 16) {
            memcpy(bounds, tag + 8, sizeof(bounds)); /* size of a descriptor, its version */
            firmware_keep_efi_map(tag + 16, head->size - 16, bounds[0]);
        }
        break;
    case TAG_RSDP1:
    case TAG_RSDP2:
        /* The second version's, if both are there. */
        if (head->size > 8 && (boot_info.rsdp_size == 0 || head->type == TAG_RSDP2)) {
            boot_info.rsdp_size = MIN(head->size - 8, sizeof(boot_info.rsdp));
            memcpy(boot_info.rsdp, tag + 8, boot_info.rsdp_size);
        }
        break;
    default:
        break;
    }
}

static void parse2(uint32_t address)
{
    const uint8_t *information = at(address);
    uint32_t total;

    memcpy(&total, information, sizeof(total));
    for (uint64_t offset = 8; offset + 8 <= total;) {
        struct tag2 head;

        memcpy(&head, information + offset, sizeof(head));
        if (head.type == TAG_END || head.size < 8 || head.size > total - offset) {
            break;
        }
        parse_tag2(information + offset, &head);
        offset += ROUND_UP((uint64_t)head.size, 8u);
    }
}

bool loader_parse(uint32_t magic, uint32_t information)
{
    if (magic == MAGIC1) {
        parse1(information);
    } else if (magic == MAGIC2) {
        parse2(information);
    }
    return magic == MAGIC1 || magic == MAGIC2;
}
