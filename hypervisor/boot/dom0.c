/* SPDX-License-Identifier: MIT */
/*
 * The control domain: memory, page tables, start information, first vCPU.
 *
 * Virtual memory at the start, from the kernel's VIRT_BASE upwards and, frame by
 * frame, in order of pfn: kernel; initial RAM disk unless the kernel wants its
 * pfn; p2m list unless the kernel wants it elsewhere; start info; page tables;
 * stack; and at least 512 KiB more, up to a multiple of 4 MiB.
 */
#include "hypervisor/boot/dom0.h"

#include "hypervisor/boot/elf.h"
#include "hypervisor/boot/loader.h"
#include "hypervisor/boot/options.h"
#include "hypervisor/domain/io_permissions.h"
#include "hypervisor/domain/memory_map.h"
#include "hypervisor/drivers/acpi.h"
#include "hypervisor/drivers/serial.h"
#include "hypervisor/lib/panic.h"
#include "hypervisor/lib/printf.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/mm/page.h"
#include "hypervisor/mm/page_type.h"
#include "hypervisor/pv/hypercall_page.h"
#include "hypervisor/pv/io.h"
#include "hypervisor/pv/page_tables.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/selectors.h"
#include "hypervisor/x86/smp.h"

#define ENTRY_FLAGS (PTE_PRESENT | PTE_WRITABLE | PTE_USER | PTE_ACCESSED | PTE_DIRTY)
#define LOCAL_APIC  UINT64_C(0xfee00000)
#define FOUR_MIB    (UINT64_C(4) << 20)
#define SLACK       (UINT64_C(512) << 10)
#define RESERVE_MAX (UINT64_C(128) << (20 - PAGE_SHIFT))

struct build {
    struct domain *domain;
    struct elf_kernel kernel;
    const uint8_t *image;
    const struct boot_module *kernel_module, *ramdisk; /* ramdisk NULL if there is none */

    uint64_t pages;
    uint64_t *p2m; /* the core's copy: mfn of each pfn */

    uint64_t ramdisk_pfn, p2m_pfn, p2m_address, start_info, tables, stack,
        end; /* virtual but *_pfn */
    uint64_t table_count, p2m_pages, p2m_tables;
    uint64_t next_table; /* pfn of the next free frame for a table */
};

static uint64_t pages_of(uint64_t bytes)
{
    return DIV_ROUND_UP(bytes, PAGE_SIZE);
}

static uint64_t pfn_at(const struct build *b, uint64_t address)
{
    return (address - b->kernel.virt_base) >> PAGE_SHIFT;
}

static void *frame_at(const struct build *b, uint64_t number)
{
    return direct_map_mfn(mfn(b->p2m[number]));
}

static void copy_in(const struct build *b, uint64_t number, uint64_t offset, const void *from,
                    uint64_t size)
{
    const uint8_t *bytes = from;

    number += offset >> PAGE_SHIFT;
    offset &= PAGE_MASK;
    while (size > 0) {
        uint64_t part = MIN(size, PAGE_SIZE - offset);

        memcpy((uint8_t *)frame_at(b, number) + offset, bytes, part);
        bytes += part;
        size -= part;
        offset = 0;
        number++;
    }
}

/* --- what goes where --- */

/* Tables of one level that a range of addresses needs. */
static uint64_t tables_for(uint64_t start, uint64_t end, unsigned int level)
{
    unsigned int shift = PAGE_SHIFT + 9 * level;

    return ((end - 1) >> shift) - (start >> shift) + 1;
}

static void lay_out(struct build *b)
{
    uint64_t base = b->kernel.virt_base, next = ROUND_UP(b->kernel.end, PAGE_SIZE);
    uint64_t ramdisk_pages = b->ramdisk == NULL ? 0 : pages_of(b->ramdisk->size);
    uint64_t needed;

    b->p2m_pages = pages_of(b->pages * sizeof(uint64_t));
    if (!b->kernel.mod_start_pfn) {
        b->ramdisk_pfn = pfn_at(b, next);
        next += ramdisk_pages * PAGE_SIZE;
    }
    if (!b->kernel.has_init_p2m) {
        b->p2m_address = next;
        b->p2m_pfn = pfn_at(b, next);
        next += b->p2m_pages * PAGE_SIZE;
    } else {
        b->p2m_address = b->kernel.init_p2m;
    }
    b->start_info = next;
    b->tables = next + PAGE_SIZE;
    b->table_count = 1;
    do {
        needed = b->table_count;
        b->stack = b->tables + needed * PAGE_SIZE;
        b->end = ROUND_UP(b->stack + PAGE_SIZE + SLACK, FOUR_MIB);
        b->table_count = 1 + tables_for(base, b->end, 3) + tables_for(base, b->end, 2) +
                         tables_for(base, b->end, 1);
    } while (b->table_count != needed);

    next = pfn_at(b, b->end);
    if (b->kernel.mod_start_pfn) {
        b->ramdisk_pfn = next;
        next += ramdisk_pages;
    }
    if (b->kernel.has_init_p2m) {
        uint64_t start = b->p2m_address, end = start + b->p2m_pages * PAGE_SIZE;

        b->p2m_pfn = next;
        b->p2m_tables =
            tables_for(start, end, 3) + tables_for(start, end, 2) + tables_for(start, end, 1);
        next += b->p2m_pages + b->p2m_tables;
    }
    if (next > b->pages) {
        panic("dom0_mem: %lu MiB is too little; the kernel, its RAM disk and page tables need "
              "%lu MiB",
              b->pages >> 8, (next >> 8) + 1);
    }
}

/* --- memory --- */

static uint64_t wanted_pages(void)
{
    uint64_t free = heap_free_count(), pages = options.dom0_mem >> PAGE_SHIFT;
    uint64_t own = free / 64 + (UINT64_C(4) << 8);

    if (pages == 0) {
        return free - MAX(MIN(free / 16, RESERVE_MAX), own);
    }
    if (pages + own > free) {
        panic("dom0_mem=%luM is more than there is: %lu MiB are free, %lu of them for the core",
              pages >> 8, free >> 8, own >> 8);
    }
    return pages;
}

static void give_memory(struct build *b)
{
    unsigned int order = HEAP_ORDER_LIMIT - 1;
    uint64_t number = 0;

    b->p2m = heap_alloc(b->pages * sizeof(uint64_t));
    if (b->p2m == NULL) {
        panic("no memory for dom0's p2m list");
    }
    while (number < b->pages) {
        struct page *first = NULL;

        if (UINT64_C(1) << order <= b->pages - number) {
            first = heap_frames_unscrubbed(order, HEAP_ANY_ADDRESS);
        }
        if (first == NULL) {
            if (order == 0) {
                panic("no memory for dom0: %lu of %lu MiB given", number >> 8, b->pages >> 8);
            }
            order--;
            continue;
        }
        for (uint64_t i = 0; i < UINT64_C(1) << order; i++) {
            domain_give_page(b->domain, first + i, false);
            b->p2m[number] = page_frame(first + i).number;
            m2p_set(page_frame(first + i), pfn(number));
            number++;
        }
    }
    b->domain->max_pages = options.dom0_mem == 0 ? UINT64_MAX : b->pages;
}

/* --- page tables --- */

static pte_t *table_entry(struct build *b, uint64_t l4, uint64_t address)
{
    pte_t *table = frame_at(b, l4);

    for (unsigned int level = 4; level > 1; level--) {
        pte_t *entry = &table[pte_index(address, level)];

        if (*entry == 0) {
            page_clear(frame_at(b, b->next_table));
            *entry = pte_make(mfn(b->p2m[b->next_table]), ENTRY_FLAGS);
            b->next_table++;
        }
        table = direct_map_mfn(pte_frame(*entry));
    }
    return &table[pte_index(address, 1)];
}

static void build_tables(struct build *b)
{
    uint64_t l4 = pfn_at(b, b->tables);

    page_clear(frame_at(b, l4));
    b->next_table = l4 + 1;
    for (uint64_t address = b->kernel.virt_base; address < b->end; address += PAGE_SIZE) {
        bool table = address >= b->tables && address < b->stack;
        uint64_t flags = table ? ENTRY_FLAGS & ~(uint64_t)PTE_WRITABLE : ENTRY_FLAGS;

        *table_entry(b, l4, address) = pte_make(mfn(b->p2m[pfn_at(b, address)]), flags);
    }
    b->next_table = b->p2m_pfn + b->p2m_pages;
    for (uint64_t i = 0; b->kernel.has_init_p2m && i < b->p2m_pages; i++) {
        *table_entry(b, l4, b->p2m_address + i * PAGE_SIZE) =
            pte_make(mfn(b->p2m[b->p2m_pfn + i]), ENTRY_FLAGS);
    }
}

static void validate_tables(struct build *b, struct vcpu *vcpu)
{
    mfn_t l4 = mfn(b->p2m[pfn_at(b, b->tables)]);
    int error;

    /* One use for the vCPU, one for the pin the kernel expects. */
    for (unsigned int use = 0; use < 2; use++) {
        do {
            error = frame_type_get(l4, b->domain->id, PAGE_L4);
        } while (error == -XEN_ERESTART);
        if (error != 0) {
            panic("dom0's first page tables are refused (%d)", error);
        }
    }
    atomic_fetch_or(&page_of(l4)->use, PAGE_USE_PINNED);
    vcpu->pv.kernel_l4 = l4;
    vcpu->pv.kernel_cr3 = maddr_of_mfn(l4).byte;
}

/* --- contents --- */

static void load_kernel(const struct build *b)
{
    for (unsigned int i = 0; i < b->kernel.segment_count; i++) {
        const struct elf_segment *s = &b->kernel.segments[i];
        uint64_t number = pfn_at(b, s->address), offset = s->address & PAGE_MASK;
        static const uint8_t zeroes[PAGE_SIZE];

        copy_in(b, number, offset, b->image + s->file_offset, s->file_size);
        for (uint64_t done = s->file_size; done < s->memory_size;) {
            uint64_t part = MIN(s->memory_size - done, PAGE_SIZE);

            copy_in(b, number, offset + done, zeroes, part);
            done += part;
        }
    }
    if (b->kernel.has_hypercall_page) {
        hypercall_page_fill(frame_at(b, pfn_at(b, b->kernel.hypercall_page)));
    }
}

static void fill_start_info(const struct build *b)
{
    uint64_t number = pfn_at(b, b->start_info);
    struct start_info *info = frame_at(b, number);
    struct dom0_vga_console_info *vga;
    size_t length;

    page_clear(info);
    snprintf(info->magic, sizeof(info->magic), "xen-3.0-x86_64p");
    info->nr_pages = b->pages;
    info->shared_info = direct_map_maddr(b->domain->shared_info).byte;
    info->flags = SIF_PRIVILEGED | SIF_INITDOMAIN;
    info->pt_base = b->tables;
    info->nr_pt_frames = b->table_count;
    info->mfn_list = b->p2m_address;
    if (b->ramdisk != NULL) {
        info->mod_len = b->ramdisk->size;
        info->mod_start = b->kernel.virt_base + b->ramdisk_pfn * PAGE_SIZE;
        if (b->kernel.mod_start_pfn) {
            info->mod_start = b->ramdisk_pfn;
            info->flags |= SIF_MOD_START_PFN;
        }
    }
    if (b->kernel.has_init_p2m) {
        info->first_p2m_pfn = b->p2m_pfn;
        info->nr_p2m_frames = b->p2m_pages + b->p2m_tables;
    }
    length = strlcpy((char *)info->cmd_line, b->kernel_module->text, sizeof(info->cmd_line));
    if (length >= sizeof(info->cmd_line)) {
        log_warning("dom0's command line is cut to %lu characters\n", sizeof(info->cmd_line) - 1);
    }
    if (boot_info.efi_system_table == 0) {
        vga = (struct dom0_vga_console_info *)(void *)(info + 1);
        vga->video_type = XEN_VGATYPE_TEXT_MODE_3;
        vga->u.text_mode_3.rows = 25;
        vga->u.text_mode_3.columns = 80;
        vga->u.text_mode_3.font_height = 16;
        info->console.dom0.info_off = sizeof(*info);
        info->console.dom0.info_size = sizeof(*vga);
    }
}

static void fill_memory(const struct build *b)
{
    load_kernel(b);
    if (b->ramdisk != NULL) {
        copy_in(b, b->ramdisk_pfn, 0, direct_map(maddr(b->ramdisk->start)), b->ramdisk->size);
    }
    for (uint64_t i = 0; i < b->p2m_pages; i++) {
        uint64_t count = MIN(b->pages - i * 512, UINT64_C(512));

        page_clear(frame_at(b, b->p2m_pfn + i));
        memcpy(frame_at(b, b->p2m_pfn + i), b->p2m + i * 512, count * sizeof(uint64_t));
    }
    fill_start_info(b);
    page_clear(frame_at(b, pfn_at(b, b->stack)));
}

/* --- the domain --- */

static void find_modules(struct build *b)
{
    const char *reason;

    if (boot_info.module_count == 0) {
        panic("no dom0 kernel: the boot loader passed no module");
    }
    b->kernel_module = &boot_info.modules[0];
    b->ramdisk = boot_info.module_count > 1 ? &boot_info.modules[1] : NULL;
    b->image = direct_map(maddr(b->kernel_module->start));
    reason = elf_kernel_parse(b->image, b->kernel_module->size, &b->kernel);
    if (reason != NULL) {
        panic("dom0 kernel: the first module %s", reason);
    }
}

static void allow_devices(struct domain *domain)
{
    uint64_t last = (UINT64_C(1) << 40) - 1, apic = LOCAL_APIC >> PAGE_SHIFT;
    bool done = pv_io_setup_control_domain(domain) == 0 &&
                io_permit(domain, IO_FRAME, 0, last, true) == 0 &&
                io_permit(domain, IO_FRAME, apic, apic, false) == 0 &&
                io_permit(domain, IO_IRQ, 0, UINT32_MAX, true) == 0;

    for (unsigned int i = 0; done && i < acpi.ioapic_count; i++) {
        uint64_t frame = acpi.ioapics[i].address >> PAGE_SHIFT;

        done = io_permit(domain, IO_FRAME, frame, frame, false) == 0;
    }
    if (!done || (serial_port() != 0 &&
                  io_permit(domain, IO_PORT, serial_port(), serial_port() + 7u, false) != 0)) {
        panic("no memory for dom0's permissions");
    }
}

/* The firmware's map, and the registers dom0 must keep away from. */
static void describe_machine(void)
{
    for (unsigned int i = 0; i < boot_info.region_count; i++) {
        const struct boot_region *region = &boot_info.regions[i];

        memory_map_add(&machine_memory_map, region->start, region->size, region->type);
    }
    for (unsigned int i = 0; i < acpi.ioapic_count; i++) {
        memory_map_add(&machine_memory_map, acpi.ioapics[i].address, PAGE_SIZE, REGION_RESERVED);
    }
    memory_map_add(&machine_memory_map, LOCAL_APIC, PAGE_SIZE, REGION_RESERVED);
}

static struct vcpu *create_vcpus(struct domain *domain)
{
    for (uint32_t i = 0; i < domain->max_vcpus; i++) {
        if (vcpu_create(domain, i) != 0) {
            panic("no memory for dom0's vCPU %u", i);
        }
    }
    return domain->vcpu[0];
}

static void start_vcpu(const struct build *b, struct vcpu *vcpu)
{
    vcpu->regs.rip = b->kernel.entry;
    vcpu->regs.cs = GUEST_CS64;
    vcpu->regs.ss = GUEST_SS;
    vcpu->regs.rflags = RFLAGS_IF | RFLAGS_FIXED;
    vcpu->regs.rsi = b->start_info;
    vcpu->regs.rsp = b->stack + PAGE_SIZE;
    vcpu->pv.kernel_mode = true;
    vcpu->pv.kernel_sp = vcpu->regs.rsp;
    vcpu->pv.kernel_ss = GUEST_SS;
    vcpu->initialised = true;
    atomic_store(&vcpu->blocked, 0);
}

void dom0_build(void)
{
    static struct build build;
    struct build *b = &build;
    uint32_t vcpus = options.dom0_max_vcpus == 0 ? cpu_count : options.dom0_max_vcpus;
    struct domain_config config = { .privileged = true,
                                    .max_vcpus = vcpus,
                                    .max_event_port = UINT32_MAX };
    struct vcpu *vcpu;
    int error;

    find_modules(b);
    describe_machine();
    error = domain_create(0, &config, &b->domain);
    if (error != 0) {
        panic("cannot create dom0 (%d)", error);
    }
    dom0 = b->domain;
    vcpu = create_vcpus(b->domain);
    allow_devices(b->domain);

    b->pages = wanted_pages();
    lay_out(b);
    give_memory(b);
    fill_memory(b);
    build_tables(b);
    validate_tables(b, vcpu);
    start_vcpu(b, vcpu);
    log_info("dom0: %s kernel, %lu MiB, %u vCPU%s, entry %lx\n", b->kernel.guest_os, b->pages >> 8,
             vcpus, vcpus == 1 ? "" : "s", b->kernel.entry);
    heap_free(b->p2m);
}
