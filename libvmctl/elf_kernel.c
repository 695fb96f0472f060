/* SPDX-License-Identifier: MIT */
/* ELF-64 (System V ABI, chapters 4 and 5) and Xen's notes: see elf_kernel.h. */
#include "libvmctl/elf_kernel.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest-pv-headers/elfnote.h"
#include "guest-pv-headers/xen.h"

#define PAGE            4096u
#define PROGRAM_HEADERS 64u
#define NOTES_LIMIT     (64u << 10)
#define L4_SLOT_SHIFT   39

/* What the notes say, before it is known whether it fits together. */
struct notes {
    uint64_t virt_base;
    uint64_t paddr_offset;
    bool any;
    bool has_entry;
    bool right_version;
};

struct file {
    int fd;
    uint64_t size;
};

int elf_kernel_read(int fd, uint64_t offset, void *to, size_t size)
{
    uint8_t *at = to;

    while (size > 0) {
        ssize_t got = pread(fd, at, size, (off_t)offset);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return got < 0 ? -errno : -EINVAL;
        }
        at += got;
        offset += (uint64_t)got;
        size -= (size_t)got;
    }
    return 0;
}

static bool in_file(const struct file *file, uint64_t offset, uint64_t size)
{
    return offset <= file->size && size <= file->size - offset;
}

static int bad(struct vmctl_error *error, const char *words)
{
    vmctl_fail(error, -EINVAL, "the kernel %s", words);
    vmctl_error_reason(error, VMCTL_BAD_KERNEL);
    return -EINVAL;
}

static int read_failed(int code, struct vmctl_error *error)
{
    return vmctl_fail(error, code, "reading the kernel: %s",
                      code == -EINVAL ? "it is shorter than it was" : strerror(-code));
}

static bool canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

/* An address a guest may use: not the hypervisor's. */
static bool usable(uint64_t address)
{
    return canonical(address) &&
           (address < HYPERVISOR_VIRT_START || address >= HYPERVISOR_VIRT_END);
}

/* With an end: a range up to the very last byte has none. */
static bool usable_range(uint64_t start, uint64_t last)
{
    return last + 1 > start && usable(start) && usable(last) &&
           (start >= HYPERVISOR_VIRT_END || last < HYPERVISOR_VIRT_START) &&
           (start ^ last) >> 63 == 0;
}

/*
 * FEATURES: names with | between.  Those marked with ! must be had; a PV guest
 * has the ones below, for it is the other ones that name ways of not being PV.
 */
static const char *missing_feature(const char *text, size_t size)
{
    static const char *const offered[] = { "writable_page_tables", "writable_descriptor_tables",
                                           "pae_pgdir_above_4gb" };
    const char *end = text + strnlen(text, size);

    while (text < end) {
        const char *bar = memchr(text, '|', (size_t)(end - text));
        const char *stop = bar != NULL ? bar : end;
        bool found = *text != '!';

        for (size_t i = 0; i < sizeof(offered) / sizeof(offered[0]) && !found; i++) {
            size_t length = (size_t)(stop - text) - 1;

            found = strlen(offered[i]) == length && memcmp(text + 1, offered[i], length) == 0;
        }
        if (!found) {
            return "wants a feature that PV guests do not have";
        }
        text = stop < end ? stop + 1 : end;
    }
    return NULL;
}

static uint64_t note_number(const uint8_t *value, uint32_t size)
{
    uint64_t number = 0;

    memcpy(&number, value, size < sizeof(number) ? size : sizeof(number));
    return number;
}

/* One note; a reason if it rules the kernel out. */
static const char *take_note(uint32_t type, const uint8_t *value, uint32_t size,
                             struct elf_kernel *kernel, struct notes *notes)
{
    uint64_t number = note_number(value, size);

    notes->any = true;
    switch (type) {
    case XEN_ELFNOTE_ENTRY:
        kernel->entry = number;
        notes->has_entry = true;
        break;
    case XEN_ELFNOTE_HYPERCALL_PAGE:
        kernel->hypercall_page = number;
        break;
    case XEN_ELFNOTE_VIRT_BASE:
        notes->virt_base = number;
        break;
    case XEN_ELFNOTE_PADDR_OFFSET:
        notes->paddr_offset = number;
        break;
    case XEN_ELFNOTE_INIT_P2M:
        kernel->init_p2m = number;
        break;
    case XEN_ELFNOTE_MOD_START_PFN:
        kernel->mod_start_pfn = number != 0;
        break;
    case XEN_ELFNOTE_XEN_VERSION:
        notes->right_version = size >= 7 && memcmp(value, "xen-3.0", 7) == 0;
        break;
    case XEN_ELFNOTE_FEATURES:
        return missing_feature((const char *)value, size);
    case XEN_ELFNOTE_GUEST_OS:
        memset(kernel->guest_os, 0, sizeof(kernel->guest_os));
        memcpy(kernel->guest_os, value,
               strnlen((const char *)value,
                       size < sizeof(kernel->guest_os) ? size : sizeof(kernel->guest_os) - 1));
        break;
    default:
        break;
    }
    return NULL;
}

static uint64_t round4(uint64_t size)
{
    return (size + 3) & ~UINT64_C(3);
}

static const char *take_notes(const uint8_t *bytes, uint64_t size, struct elf_kernel *kernel,
                              struct notes *notes)
{
    uint64_t at = 0;

    while (size - at >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr head;
        const char *reason = NULL;
        uint64_t value;

        memcpy(&head, bytes + at, sizeof(head));
        value = at + sizeof(head) + round4(head.n_namesz);
        if (value > size || head.n_descsz > size - value) {
            return "has a note larger than its segment";
        }
        if (head.n_namesz == 4 && memcmp(bytes + at + sizeof(head), "Xen", 4) == 0) {
            reason = take_note(head.n_type, bytes + value, head.n_descsz, kernel, notes);
        }
        if (reason != NULL) {
            return reason;
        }
        at = value + round4(head.n_descsz);
        at = at < size ? at : size;
    }
    return NULL;
}

static int read_notes(const struct file *file, const Elf64_Phdr *segment, struct elf_kernel *kernel,
                      struct notes *notes, struct vmctl_error *error)
{
    const char *reason;
    uint8_t *bytes;
    int r;

    if (segment->p_filesz > NOTES_LIMIT || !in_file(file, segment->p_offset, segment->p_filesz)) {
        return bad(error, "has a note segment that is too large or not in the file");
    }
    bytes = malloc(segment->p_filesz + 1);
    if (bytes == NULL) {
        return vmctl_fail(error, -ENOMEM, "no memory for the kernel's notes");
    }
    r = elf_kernel_read(file->fd, segment->p_offset, bytes, segment->p_filesz);
    if (r < 0) {
        r = read_failed(r, error);
    } else {
        reason = take_notes(bytes, segment->p_filesz, kernel, notes);
        r = reason != NULL ? bad(error, reason) : 0;
    }
    free(bytes);
    return r;
}

/* Placement goes by physical address: Linux has segments with virtual address 0. */
static const char *take_segment(const struct file *file, const Elf64_Phdr *segment,
                                const struct notes *notes, struct elf_kernel *kernel)
{
    uint64_t address = segment->p_paddr - notes->paddr_offset + notes->virt_base;

    if (segment->p_memsz == 0) {
        return NULL;
    }
    if (kernel->segment_count == ELF_KERNEL_SEGMENTS) {
        return "has more than 16 segments";
    }
    if (segment->p_filesz > segment->p_memsz ||
        !in_file(file, segment->p_offset, segment->p_filesz)) {
        return "has a segment outside of the file";
    }
    if (address < notes->virt_base || !usable_range(address, address + segment->p_memsz - 1)) {
        return "has a segment outside of its address space";
    }
    kernel->segments[kernel->segment_count++] = (struct elf_segment){
        .address = address,
        .file_offset = segment->p_offset,
        .file_size = segment->p_filesz,
        .memory_size = segment->p_memsz,
    };
    kernel->start = address < kernel->start ? address : kernel->start;
    if (address + segment->p_memsz > kernel->end) {
        kernel->end = address + segment->p_memsz;
    }
    return NULL;
}

/* What is wrong with the kernel as a whole, or NULL. */
static const char *check(const struct elf_kernel *kernel)
{
    if (kernel->segment_count == 0) {
        return "has nothing to load";
    }
    if (kernel->entry < kernel->start || kernel->entry >= kernel->end) {
        return "has an ENTRY note that points outside of it";
    }
    if (kernel->hypercall_page != 0 &&
        (kernel->hypercall_page % PAGE != 0 || kernel->hypercall_page < kernel->start ||
         kernel->end - PAGE < kernel->hypercall_page)) {
        return "has a bad HYPERCALL_PAGE note";
    }
    if (kernel->init_p2m != 0 &&
        (kernel->init_p2m % PAGE != 0 || !usable(kernel->init_p2m) ||
         kernel->init_p2m >> L4_SLOT_SHIFT == kernel->virt_base >> L4_SLOT_SHIFT ||
         kernel->init_p2m >> L4_SLOT_SHIFT == kernel->end >> L4_SLOT_SHIFT)) {
        return "has a bad INIT_P2M note";
    }
    return NULL;
}

static const char *check_notes(const struct notes *notes)
{
    if (!notes->any) {
        return "has no Xen notes: it is not built for paravirtualisation (CONFIG_XEN_PV)";
    }
    if (!notes->right_version) {
        return "has no XEN_VERSION note that says xen-3.0";
    }
    if (!notes->has_entry) {
        return "has no ENTRY note: it cannot be started as a PV guest";
    }
    if (notes->virt_base % PAGE != 0 || !usable(notes->virt_base)) {
        return "has a bad VIRT_BASE note";
    }
    return NULL;
}

static int read_header(const struct file *file, Elf64_Ehdr *header, struct vmctl_error *error)
{
    int r = elf_kernel_read(file->fd, 0, header, sizeof(*header));

    if (r < 0 && r != -EINVAL) {
        return read_failed(r, error);
    }
    if (r < 0 || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0) {
        return vmctl_fail(error, -ENOEXEC, "it is not an ELF kernel");
    }
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
        header->e_machine != EM_X86_64) {
        return vmctl_fail(error, -ENOEXEC, "the kernel is not for 64-bit x86");
    }
    if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum > PROGRAM_HEADERS ||
        !in_file(file, header->e_phoff, header->e_phnum * sizeof(Elf64_Phdr))) {
        return bad(error, "has program headers that are not in the file");
    }
    return 0;
}

int elf_kernel_parse(int fd, struct elf_kernel *kernel, struct vmctl_error *error)
{
    struct file file = { .fd = fd };
    struct notes notes = { 0 };
    Elf64_Phdr segments[PROGRAM_HEADERS];
    const char *reason;
    Elf64_Ehdr header;
    struct stat status;
    int r;

    if (fstat(fd, &status) < 0) {
        return read_failed(-errno, error);
    }
    file.size = (uint64_t)status.st_size;
    r = read_header(&file, &header, error);
    if (r < 0) {
        return r;
    }
    r = elf_kernel_read(fd, header.e_phoff, segments, header.e_phnum * sizeof(segments[0]));
    if (r < 0) {
        return read_failed(r, error);
    }
    *kernel = (struct elf_kernel){ .start = UINT64_MAX };
    for (unsigned int i = 0; i < header.e_phnum; i++) {
        if (segments[i].p_type == PT_NOTE) { /* NOLINT: it was read */
            r = read_notes(&file, &segments[i], kernel, &notes, error);
            if (r < 0) {
                return r;
            }
        }
    }
    reason = check_notes(&notes);
    kernel->virt_base = notes.virt_base;
    for (unsigned int i = 0; i < header.e_phnum && reason == NULL; i++) {
        if (segments[i].p_type == PT_LOAD) {
            reason = take_segment(&file, &segments[i], &notes, kernel);
        }
    }
    if (reason == NULL) {
        reason = check(kernel);
    }
    return reason != NULL ? bad(error, reason) : 0;
}
