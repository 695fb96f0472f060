/* SPDX-License-Identifier: MIT */
/* Small ELF kernels with Xen notes, for tests of the builder. */
#ifndef TESTS_UNIT_KERNEL_MAKER_H
#define TESTS_UNIT_KERNEL_MAKER_H

#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest-pv-headers/elfnote.h"

#define KERNEL_BASE  UINT64_C(0xffffffff80000000)
#define KERNEL_TEXT  UINT64_C(0x100000) /* physical */
#define KERNEL_ENTRY (KERNEL_BASE + KERNEL_TEXT + 0x10)
#define KERNEL_P2M   UINT64_C(0x8000000000)
#define TEXT_SIZE    5000u  /* in the file */
#define BSS_SIZE     70000u /* behind it */
#define TEXT_OFFSET  4096u
#define NOTES_OFFSET 1024u
#define KERNEL_SIZE  (TEXT_OFFSET + TEXT_SIZE)

/* What the kernel says of itself; a test changes what it is about. */
struct kernel_wish {
    uint64_t virt_base;
    uint64_t entry;
    uint64_t text; /* physical address of the segment */
    uint64_t bss;  /* bytes of memory behind the file's */
    uint64_t init_p2m;
    uint64_t hypercall_page;
    uint64_t mod_start_pfn;
    const char *version;
    const char *features;
    bool notes;
};

static const struct kernel_wish usual_kernel = {
    .virt_base = KERNEL_BASE,
    .entry = KERNEL_ENTRY,
    .text = KERNEL_TEXT,
    .bss = BSS_SIZE,
    .init_p2m = KERNEL_P2M,
    .mod_start_pfn = 1,
    .version = "xen-3.0",
    .features = "!writable_page_tables|pae_pgdir_above_4gb",
    .notes = true,
};

struct kernel_image {
    uint8_t bytes[KERNEL_SIZE];
    size_t notes;
};

static inline void add_note(struct kernel_image *image, uint32_t type, const void *value,
                            size_t size)
{
    const Elf64_Nhdr head = { .n_namesz = 4, .n_descsz = (Elf64_Word)size, .n_type = type };
    uint8_t *at = image->bytes + NOTES_OFFSET + image->notes;

    memcpy(at, &head, sizeof(head));
    memcpy(at + sizeof(head), "Xen", 4);
    memcpy(at + sizeof(head) + 4, value, size);
    image->notes += sizeof(head) + 4 + ((size + 3) & ~(size_t)3);
}

static inline void add_notes(struct kernel_image *image, const struct kernel_wish *wish)
{
    add_note(image, XEN_ELFNOTE_GUEST_OS, "test", 5);
    add_note(image, XEN_ELFNOTE_XEN_VERSION, wish->version, strlen(wish->version) + 1);
    add_note(image, XEN_ELFNOTE_VIRT_BASE, &wish->virt_base, 8);
    add_note(image, XEN_ELFNOTE_ENTRY, &wish->entry, 8);
    add_note(image, XEN_ELFNOTE_FEATURES, wish->features, strlen(wish->features) + 1);
    if (wish->init_p2m != 0) {
        add_note(image, XEN_ELFNOTE_INIT_P2M, &wish->init_p2m, 8);
    }
    if (wish->hypercall_page != 0) {
        add_note(image, XEN_ELFNOTE_HYPERCALL_PAGE, &wish->hypercall_page, 8);
    }
    add_note(image, XEN_ELFNOTE_MOD_START_PFN, &wish->mod_start_pfn, 4);
}

static inline uint8_t text_byte(size_t at)
{
    return (uint8_t)(at * 7 + 1);
}

static inline void make_kernel(struct kernel_image *image, const struct kernel_wish *wish)
{
    Elf64_Ehdr header = {
        .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
        .e_type = ET_EXEC,
        .e_machine = EM_X86_64,
        .e_phoff = sizeof(Elf64_Ehdr),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 2,
    };
    Elf64_Phdr rows[2] = {
        { .p_type = PT_LOAD,
          .p_offset = TEXT_OFFSET,
          .p_paddr = wish->text,
          .p_vaddr = wish->text + wish->virt_base,
          .p_filesz = TEXT_SIZE,
          .p_memsz = TEXT_SIZE + wish->bss },
        { .p_type = PT_NOTE, .p_offset = NOTES_OFFSET },
    };

    memset(image, 0, sizeof(*image));
    if (wish->notes) {
        add_notes(image, wish);
    }
    rows[1].p_filesz = image->notes;
    memcpy(image->bytes, &header, sizeof(header));
    memcpy(image->bytes + sizeof(header), rows, sizeof(rows));
    for (size_t i = 0; i < TEXT_SIZE; i++) {
        image->bytes[TEXT_OFFSET + i] = text_byte(i);
    }
}

/* A file of these bytes; false if it cannot be written. */
static inline bool write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    bool done = file != NULL && fwrite(bytes, 1, size, file) == size;

    return file != NULL && fclose(file) == 0 && done;
}

#endif
