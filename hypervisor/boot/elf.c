/* SPDX-License-Identifier: MIT */
/*
 * ELF-64 (System V ABI, chapters 4 and 5) and Xen's notes (elfnote.h), read by
 * copying: the image is not aligned to anything and not trusted.
 */
#include "hypervisor/boot/elf.h"

#include "guest-pv-headers/elfnote.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/x86/address_space.h"

struct elf_header {
    uint8_t ident[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, phoff, shoff;
    uint32_t flags;
    uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct elf_program_header {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

#define ELF_LOAD   1u
#define ELF_NOTE   4u
#define ELF_X86_64 62u
#define ELF_64BIT  2u

struct image {
    const uint8_t *bytes;
    size_t size;
};

struct notes {
    uint64_t numbers[XEN_ELFNOTE_MOD_START_PFN + 1]; /* by type, 0 where there is none */
    uint32_t seen;                                   /* a bit for each of these types */
    bool any, version;
};

static bool copy_out(const struct image *image, uint64_t offset, void *to, size_t size)
{
    if (offset > image->size || size > image->size - offset) {
        return false;
    }
    memcpy(to, image->bytes + offset, size);
    return true;
}

/* Compressed kernels are what users pass by mistake: say so. */
static const char *recognise(const struct image *image)
{
    static const struct {
        uint32_t offset;
        uint8_t length;
        const char *magic, *reason;
    } kinds[] = {
        { 0x202, 4, "HdrS", "is a compressed bzImage: unpack it with paravane-unpack-kernel" },
        { 0, 2, "\x1f\x8b", "is compressed (gzip): unpack it with paravane-unpack-kernel" },
        { 0, 5, "\3757zXZ", "is compressed (xz): unpack it with paravane-unpack-kernel" },
        { 0, 4, "\x28\xb5\x2f\xfd", "is compressed (zstd): unpack it with paravane-unpack-kernel" },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (image->size >= kinds[i].offset + kinds[i].length &&
            memcmp(image->bytes + kinds[i].offset, kinds[i].magic, kinds[i].length) == 0) {
            return kinds[i].reason;
        }
    }
    return "is not an ELF file";
}

static void take_note(uint32_t type, const uint8_t *value, uint32_t size, struct elf_kernel *kernel,
                      struct notes *notes)
{
    size_t length;

    notes->any = true;
    if (type < ARRAY_SIZE(notes->numbers)) {
        notes->numbers[type] = 0;
        memcpy(&notes->numbers[type], value, MIN((size_t)size, sizeof(notes->numbers[type])));
        notes->seen |= 1u << type;
    }
    if (type == XEN_ELFNOTE_XEN_VERSION) {
        notes->version = size >= 7 && memcmp(value, "xen-3.0", 7) == 0;
    } else if (type == XEN_ELFNOTE_GUEST_OS) {
        length = strnlen((const char *)value, MIN((size_t)size, sizeof(kernel->guest_os) - 1));
        memcpy(kernel->guest_os, value, length);
        kernel->guest_os[length] = '\0';
    }
}

static const char *read_notes(const struct image *image, const struct elf_program_header *segment,
                              struct elf_kernel *kernel, struct notes *notes)
{
    uint64_t offset = segment->offset, end = segment->offset + segment->filesz;

    if (end < offset || end > image->size) {
        return "has a note segment outside of the file";
    }
    while (end - offset >= 12) {
        uint32_t head[3]; /* name size, value size, type */
        uint64_t value;

        if (!copy_out(image, offset, head, sizeof(head))) {
            return "has a truncated note";
        }
        value = offset + 12 + ROUND_UP((uint64_t)head[0], 4u);
        if (value > end || head[1] > end - value) {
            return "has a note larger than its segment";
        }
        if (head[0] == 4 && memcmp(image->bytes + offset + 12, "Xen", 4) == 0) {
            take_note(head[2], image->bytes + value, head[1], kernel, notes);
        }
        offset = MIN(value + ROUND_UP((uint64_t)head[1], 4u), end);
    }
    return NULL;
}

static const char *add_segment(const struct image *image, const struct elf_program_header *segment,
                               const struct notes *notes, struct elf_kernel *kernel)
{
    uint64_t address =
        segment->paddr - notes->numbers[XEN_ELFNOTE_PADDR_OFFSET] + kernel->virt_base;
    uint64_t last;

    if (segment->memsz == 0) {
        return NULL;
    }
    if (kernel->segment_count == ELF_SEGMENTS) {
        return "has more than 16 segments";
    }
    if (segment->filesz > segment->memsz || segment->offset > image->size ||
        segment->filesz > image->size - segment->offset) {
        return "has a segment outside of the file";
    }
    last = address + segment->memsz - 1;
    if (address < kernel->virt_base || last + 1 < address || !guest_address_ok(address) ||
        !address_canonical(address) || !address_canonical(last) || (address ^ last) >> 63 != 0) {
        return "has a segment outside of its address space";
    }
    kernel->segments[kernel->segment_count++] = (struct elf_segment){
        .address = address,
        .file_offset = segment->offset,
        .file_size = segment->filesz,
        .memory_size = segment->memsz,
    };
    kernel->start = MIN(kernel->start, address);
    kernel->end = MAX(kernel->end, address + segment->memsz);
    return NULL;
}

/* `type` by `type` over the program headers. */
static const char *walk(const struct image *image, const struct elf_header *header, uint32_t type,
                        struct elf_kernel *kernel, struct notes *notes)
{
    const char *reason = NULL;

    for (unsigned int i = 0; i < header->phnum && reason == NULL; i++) {
        struct elf_program_header segment;

        if (!copy_out(image, header->phoff + (uint64_t)i * header->phentsize, &segment,
                      sizeof(segment))) {
            return "has program headers outside of the file";
        }
        if (segment.type != type) {
            continue;
        }
        reason = type == ELF_NOTE ? read_notes(image, &segment, kernel, notes)
                                  : add_segment(image, &segment, notes, kernel);
    }
    return reason;
}

static bool has_note(const struct notes *notes, uint32_t type)
{
    return (notes->seen >> type & 1) != 0;
}

static const char *check(const struct elf_kernel *kernel, const struct notes *notes)
{
    if (!notes->any) {
        return "has no Xen notes: it is not built for paravirtualisation (CONFIG_XEN_PV)";
    }
    if (!notes->version) {
        return "has no XEN_VERSION note that says xen-3.0";
    }
    if (kernel->segment_count == 0) {
        return "has nothing to load";
    }
    if (!has_note(notes, XEN_ELFNOTE_ENTRY) || kernel->entry < kernel->start ||
        kernel->entry >= kernel->end) {
        return "has no usable ENTRY note";
    }
    if (kernel->has_hypercall_page &&
        (kernel->hypercall_page % PAGE_SIZE != 0 || kernel->hypercall_page < kernel->start ||
         kernel->hypercall_page >= kernel->end)) {
        return "has a bad HYPERCALL_PAGE note";
    }
    if (kernel->has_init_p2m &&
        (kernel->init_p2m % (UINT64_C(1) << 39) != 0 || !guest_address_ok(kernel->init_p2m) ||
         !address_canonical(kernel->init_p2m))) {
        return "has a bad INIT_P2M note";
    }
    return NULL;
}

const char *elf_kernel_parse(const void *bytes, size_t size, struct elf_kernel *kernel)
{
    struct image image = { bytes, size };
    struct notes notes = { 0 };
    struct elf_header header;
    const char *reason;

    memset(kernel, 0, sizeof(*kernel));
    kernel->start = UINT64_MAX;
    if (!copy_out(&image, 0, &header, sizeof(header)) || memcmp(header.ident, "\177ELF", 4) != 0) {
        return recognise(&image);
    }
    if (header.ident[4] != ELF_64BIT || header.machine != ELF_X86_64) {
        return "is not a 64-bit x86 kernel; 32-bit guests are not supported";
    }
    if (header.phentsize < sizeof(struct elf_program_header)) {
        return "has program headers of an unknown size";
    }
    reason = walk(&image, &header, ELF_NOTE, kernel, &notes);
    if (reason == NULL) {
        kernel->virt_base = notes.numbers[XEN_ELFNOTE_VIRT_BASE];
        kernel->entry = notes.numbers[XEN_ELFNOTE_ENTRY];
        kernel->hypercall_page = notes.numbers[XEN_ELFNOTE_HYPERCALL_PAGE];
        kernel->has_hypercall_page = has_note(&notes, XEN_ELFNOTE_HYPERCALL_PAGE);
        kernel->init_p2m = notes.numbers[XEN_ELFNOTE_INIT_P2M];
        kernel->has_init_p2m = has_note(&notes, XEN_ELFNOTE_INIT_P2M);
        kernel->mod_start_pfn = notes.numbers[XEN_ELFNOTE_MOD_START_PFN] != 0;
        if (kernel->virt_base % PAGE_SIZE != 0 || !address_canonical(kernel->virt_base)) {
            return "has a bad VIRT_BASE note";
        }
        reason = walk(&image, &header, ELF_LOAD, kernel, &notes);
    }
    return reason != NULL ? reason : check(kernel, &notes);
}
