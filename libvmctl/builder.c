/* SPDX-License-Identifier: MIT */
/*
 * The PV builder: see builder.h, and builder_layout.h for what goes where.
 *
 * Frames of the guest are filled through foreign mappings, which are dear page
 * by page; so each frame is mapped once, written and let go.
 */
#include "libvmctl/builder.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guest-pv-headers/grant_table.h"
#include "guest-pv-headers/memory.h"
#include "guest-pv-headers/xen.h"
#include "libvmctl/builder_layout.h"
#include "libvmctl/domain.h"
#include "libvmctl/frame_map.h"
#include "libvmctl/state_file.h"

#define PAGE       UINT64_C(4096)
#define PAGE_SHIFT 12
#define CHUNK      512u /* frames mapped at a time */

/* For hypercalls: lists of extents, the vCPU's registers, and what is shorter. */
#define BUFFER_SIZE FRAME_BUFFER_SIZE

#define PTE_PRESENT  UINT64_C(0x1)
#define PTE_WRITABLE UINT64_C(0x2)
#define PTE_USER     UINT64_C(0x4)
#define PTE_ACCESSED UINT64_C(0x20)
#define PTE_DIRTY    UINT64_C(0x40)
#define PTE_READ     (PTE_PRESENT | PTE_USER | PTE_ACCESSED)
#define PTE_WRITE    (PTE_READ | PTE_WRITABLE | PTE_DIRTY)
#define PTE_TABLE    (PTE_READ | PTE_WRITABLE)

#define RFLAGS_INTERRUPTS 0x200

struct builder {
    struct privcmd *privcmd;
    const struct builder_request *request;
    struct vmctl_error *error;
    struct builder_layout layout;
    struct frame_map frames; /* pfn to mfn */
    void *buffer;
    struct builder_result *result;
};

static int say(const struct builder *builder, const char *step, int percent)
{
    if (builder->request->progress != NULL) {
        builder->request->progress(builder->request->progress_context, step, percent);
    }
    return 0;
}

static uint64_t frame_of(const struct builder *builder, uint64_t pfn)
{
    return frame_map_get(&builder->frames, pfn);
}

/* Map consecutive pfns for writing. */
static void *map(struct builder *builder, uint64_t pfn, size_t count)
{
    uint64_t *frames = malloc(count * sizeof(*frames));
    void *pages;

    if (frames == NULL) {
        vmctl_fail(builder->error, -ENOMEM, "no memory to map %zu frames", count);
        return NULL;
    }
    frame_map_copy(&builder->frames, pfn, count, frames);
    pages = privcmd_map_foreign(builder->privcmd, builder->request->domid, PROT_READ | PROT_WRITE,
                                frames, count, builder->error);
    free(frames);
    return pages;
}

/* The code of an error that is in words already. */
static int failed(const struct builder *builder)
{
    return builder->error->code;
}

/*
 * Zero memory 16 bytes at a time.  Volatile, lest the compiler make a memset()
 * of it: that may choose a string instruction, which is slow in an emulated CPU.
 */
static void zero(void *memory, size_t size)
{
    typedef uint64_t pair __attribute__((vector_size(16), may_alias));
    uint8_t *at = memory;

    for (; size > 0 && ((uintptr_t)at % sizeof(pair) != 0 || size < sizeof(pair)); size--) {
        *(volatile uint8_t *)at++ = 0;
    }
    for (; size >= sizeof(pair); at += sizeof(pair), size -= sizeof(pair)) {
        *(volatile pair *)(void *)at = (pair){ 0, 0 };
    }
    for (; size > 0; size--) {
        *(volatile uint8_t *)at++ = 0;
    }
}

/*
 * Write a stretch of the guest's memory, chunk by chunk: `size` bytes of the
 * file from `offset` on, then zeroes up to `room`.  `skip` bytes of the first
 * page belong to somebody else.
 */
struct stretch {
    const char *name; /* for errors */
    uint64_t pfn;
    uint64_t skip;
    int fd;
    uint64_t offset;
    uint64_t size;
    uint64_t room;
};

static int fill_chunk(struct builder *builder, uint8_t *at, struct stretch *stretch, uint64_t room)
{
    uint64_t size = stretch->size < room ? stretch->size : room;
    int r = elf_kernel_read(stretch->fd, stretch->offset, at, (size_t)size);

    if (r < 0) {
        return vmctl_fail(builder->error, r, "reading the %s: %s", stretch->name,
                          r == -EINVAL ? "it is shorter than it was" : strerror(-r));
    }
    zero(at + size, (size_t)(room - size));
    stretch->offset += size;
    stretch->size -= size;
    stretch->room -= room;
    return 0;
}

static int fill(struct builder *builder, struct stretch stretch)
{
    int r = 0;

    while (stretch.room > 0 && r == 0) {
        uint64_t room = CHUNK * PAGE - stretch.skip;
        size_t pages;
        uint8_t *memory;

        if (room > stretch.room) {
            room = stretch.room;
        }
        pages = (size_t)((stretch.skip + room + PAGE - 1) / PAGE);
        memory = map(builder, stretch.pfn, pages);
        if (memory == NULL) {
            return failed(builder);
        }
        r = fill_chunk(builder, memory + stretch.skip, &stretch, room);
        privcmd_unmap(memory, pages);
        stretch.pfn += pages;
        stretch.skip = 0;
    }
    return r;
}

static int load_kernel(struct builder *builder)
{
    const struct elf_kernel *kernel = builder->request->kernel;

    for (unsigned int i = 0; i < kernel->segment_count; i++) {
        const struct elf_segment *segment = &kernel->segments[i];
        uint64_t offset = segment->address - kernel->virt_base;
        int r = fill(builder, (struct stretch){ .name = "kernel",
                                                .pfn = offset >> PAGE_SHIFT,
                                                .skip = offset % PAGE,
                                                .fd = builder->request->kernel_fd,
                                                .offset = segment->file_offset,
                                                .size = segment->file_size,
                                                .room = segment->memory_size });

        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int load_initrd(struct builder *builder)
{
    const struct builder_request *request = builder->request;

    if (builder->layout.initrd.count == 0) {
        return 0;
    }
    return fill(builder, (struct stretch){ .name = "initrd",
                                           .pfn = builder->layout.initrd.first,
                                           .fd = request->initrd_fd,
                                           .size = request->initrd_size,
                                           .room = builder->layout.initrd.count * PAGE });
}

/*
 * Page tables.  They are mapped one behind the other, so table number n of the
 * layout is at tables + 512 * n.
 */

#define ENTRIES 512u

static uint64_t table_frame(const struct builder *builder, uint64_t number)
{
    return frame_of(builder, builder->layout.tables.first + number);
}

static uint64_t first_slot(uint64_t address, unsigned int shift)
{
    return (address >> shift) % ENTRIES;
}

/* Enter tables `lower` up to `end` in those from `upper` on, as the range's start wants it. */
static void link_tables(const struct builder *builder, uint64_t *tables, uint64_t slot,
                        struct pfn_range lower)
{
    for (uint64_t i = 0; i < lower.count; i++) {
        tables[slot + i] = table_frame(builder, lower.first + i) << PAGE_SHIFT | PTE_TABLE;
    }
}

static void link_range(const struct builder *builder, uint64_t *tables,
                       const struct table_range *range)
{
    const struct pfn_range l3 = { range->l3, range->l2 - range->l3 };
    const struct pfn_range l2 = { range->l2, range->l1 - range->l2 };
    const struct pfn_range l1 = { range->l1, range->last - range->l1 };

    link_tables(builder, tables, first_slot(range->start, 39), l3);
    link_tables(builder, tables + ENTRIES * range->l3, first_slot(range->start, 30), l2);
    link_tables(builder, tables + ENTRIES * range->l2, first_slot(range->start, 21), l1);
}

/* Fill L1 entries for `count` pages from `pfn` on. */
static void link_pages(const struct builder *builder, uint64_t *entries, struct pfn_range pages,
                       uint64_t bits)
{
    for (uint64_t i = 0; i < pages.count; i++) {
        entries[i] = frame_of(builder, pages.first + i) << PAGE_SHIFT | bits;
    }
}

static void fill_tables(const struct builder *builder, uint64_t *tables)
{
    const struct builder_layout *layout = &builder->layout;
    const struct table_range *kernel = &layout->kernel_tables;
    const struct table_range *p2m = &layout->p2m_tables;
    uint64_t *entries = tables + ENTRIES * kernel->l1 + first_slot(kernel->start, PAGE_SHIFT);
    const struct pfn_range all = { 0, (kernel->end - kernel->start) >> PAGE_SHIFT };

    zero(tables, (size_t)layout->tables.count * PAGE);
    link_range(builder, tables, kernel);
    link_pages(builder, entries, all, PTE_WRITE);
    /* What is a page table must not be writable. */
    link_pages(builder, entries + layout->tables.first, layout->tables, PTE_READ);
    if (layout->p2m_apart) {
        link_range(builder, tables, p2m);
        link_pages(builder, tables + ENTRIES * p2m->l1 + first_slot(p2m->start, PAGE_SHIFT),
                   layout->p2m, PTE_WRITE);
    }
}

static void fill_start_info(const struct builder *builder, const struct builder_request *request,
                            uint64_t shared_info, void *page)
{
    static const char magic[] = "xen-3.0-x86_64";
    const struct builder_layout *layout = &builder->layout;
    struct start_info *info = page;

    zero(page, PAGE);
    memcpy(info->magic, magic, sizeof(magic));
    info->nr_pages = layout->pages;
    info->shared_info = shared_info << PAGE_SHIFT;
    info->store_mfn = builder->result->store_frame;
    info->store_evtchn = builder->result->store_port;
    info->console.domU.mfn = builder->result->console_frame;
    info->console.domU.evtchn = builder->result->console_port;
    info->pt_base = builder_address(layout, layout->tables.first);
    info->nr_pt_frames = layout->tables.count;
    info->mfn_list = layout->p2m_start;
    if (layout->initrd.count != 0) {
        info->mod_start = layout->initrd_start;
        info->mod_len = request->initrd_size;
        info->flags = request->kernel->mod_start_pfn ? SIF_MOD_START_PFN : 0;
    }
    memcpy(info->cmd_line, request->cmdline, strlen(request->cmdline));
    if (layout->p2m_apart) {
        info->first_p2m_pfn = layout->p2m.first;
        info->nr_p2m_frames = layout->p2m.count;
    }
}

/* The start info, both rings, the tables and the stack lie one behind the other. */
static int fill_start_pages(struct builder *builder, uint64_t shared_info)
{
    const struct builder_layout *layout = &builder->layout;
    size_t count = (size_t)(layout->stack + 1 - layout->start_info);
    uint8_t *pages = map(builder, layout->start_info, count);

    if (pages == NULL) {
        return failed(builder);
    }
    fill_start_info(builder, builder->request, shared_info, pages);
    zero(pages + PAGE, 2 * PAGE);
    fill_tables(builder,
                (uint64_t *)(void *)(pages + (layout->tables.first - layout->start_info) * PAGE));
    zero(pages + (count - 1) * PAGE, PAGE);
    privcmd_unmap(pages, count);
    return 0;
}

static int fill_p2m(struct builder *builder)
{
    const struct builder_layout *layout = &builder->layout;
    const uint64_t per_chunk = (uint64_t)CHUNK * PAGE / sizeof(xen_pfn_t);

    for (uint64_t done = 0; done < layout->pages; done += per_chunk) {
        uint64_t left = layout->pages - done;
        uint64_t entries = left < per_chunk ? left : per_chunk;
        size_t count = (size_t)((entries * sizeof(xen_pfn_t) + PAGE - 1) / PAGE);
        uint64_t *list = map(builder, layout->p2m.first + done * sizeof(xen_pfn_t) / PAGE, count);

        if (list == NULL) {
            return failed(builder);
        }
        frame_map_copy(&builder->frames, done, (size_t)entries, list);
        zero(list + entries, count * PAGE - (size_t)entries * sizeof(*list));
        privcmd_unmap(list, count);
    }
    return 0;
}

/* No upcalls before the guest is ready for them. */
static int prepare_shared_info(struct builder *builder, uint64_t frame)
{
    struct shared_info *info;

    info = privcmd_map_foreign(builder->privcmd, builder->request->domid, PROT_READ | PROT_WRITE,
                               &frame, 1, builder->error);
    if (info == NULL) {
        return failed(builder);
    }
    for (uint32_t i = 0; i < builder->request->vcpus && i < XEN_LEGACY_MAX_VCPUS; i++) {
        info->vcpu_info[i].evtchn_upcall_mask = 1;
    }
    privcmd_unmap(info, 1);
    return 0;
}

/* dom0's daemons may map the rings by two grants that every guest has. */
static int grant_rings(struct builder *builder)
{
    const struct privcmd_resource table = {
        .domid = builder->request->domid,
        .type = XENMEM_resource_grant_table,
        .id = XENMEM_resource_grant_table_id_shared,
        .count = 1,
    };
    const struct {
        uint32_t ref;
        uint64_t frame;
    } rings[] = {
        { GNTTAB_RESERVED_CONSOLE, builder->result->console_frame },
        { GNTTAB_RESERVED_XENSTORE, builder->result->store_frame },
    };
    struct grant_entry_v1 *entries = privcmd_map_resource(builder->privcmd, &table, builder->error);

    if (entries == NULL) {
        return failed(builder);
    }
    for (size_t i = 0; i < sizeof(rings) / sizeof(rings[0]); i++) {
        entries[rings[i].ref] = (struct grant_entry_v1){
            .flags = GTF_permit_access,
            .domid = 0,
            .frame = (uint32_t)rings[i].frame,
        };
    }
    privcmd_unmap(entries, 1);
    return 0;
}

static int make_ports(struct builder *builder)
{
    int store = domain_alloc_port(builder->privcmd, builder->request->domid, builder->error);
    int console;

    if (store < 0) {
        return store;
    }
    console = domain_alloc_port(builder->privcmd, builder->request->domid, builder->error);
    if (console < 0) {
        return console;
    }
    builder->result->store_port = (uint32_t)store;
    builder->result->console_port = (uint32_t)console;
    return 0;
}

static int start_vcpu(struct builder *builder)
{
    const struct builder_layout *layout = &builder->layout;
    struct vcpu_guest_context *context = builder->buffer;
    struct cpu_user_regs *regs = &context->user_regs;

    memset(context, 0, sizeof(*context));
    regs->rip = builder->request->kernel->entry;
    regs->rsp = builder_address(layout, layout->stack + 1);
    regs->rsi = builder_address(layout, layout->start_info);
    regs->rflags = RFLAGS_INTERRUPTS;
    regs->cs = FLAT_KERNEL_CS;
    regs->ss = FLAT_KERNEL_SS;
    regs->ds = FLAT_KERNEL_DS;
    regs->es = FLAT_KERNEL_DS;
    context->kernel_ss = regs->ss;
    context->kernel_sp = regs->rsp;
    context->flags = VGCF_in_kernel | VGCF_online;
    context->ctrlreg[3] = xen_pfn_to_cr3(table_frame(builder, 0));
    return domain_set_context(builder->privcmd, builder->request->domid, 0, context,
                              builder->error);
}

static int fill_memory(struct builder *builder)
{
    const struct elf_kernel *kernel = builder->request->kernel;
    struct xen_domctl_getdomaininfo info;
    int r = say(builder, "loading the kernel", -1);

    r = r < 0 ? r : load_kernel(builder);
    r = r < 0 ? r : say(builder, "loading the initrd", -1);
    r = r < 0 ? r : load_initrd(builder);
    r = r < 0 ? r : make_ports(builder);
    r = r < 0 ? r : domain_info(builder->privcmd, builder->request->domid, &info, builder->error);
    r = r < 0 ? r : fill_start_pages(builder, info.shared_info_frame);
    r = r < 0 ? r : fill_p2m(builder);
    r = r < 0 ? r : prepare_shared_info(builder, info.shared_info_frame);
    if (r == 0 && kernel->hypercall_page != 0) {
        uint64_t pfn = (kernel->hypercall_page - kernel->virt_base) >> PAGE_SHIFT;

        r = domain_fill_hypercall_page(builder->privcmd, builder->request->domid,
                                       frame_of(builder, pfn), builder->error);
    }
    return r;
}

/* What is free when admitted is free until it is taken: one guest at a time. */
static int take_memory(struct builder *builder, const struct frame_place *place,
                       const struct builder_wish *wish)
{
    struct vmctl_error *error = builder->error;
    int lock = -1;
    int r = state_file_lock(STATE_LOCK_MEMORY, &lock, error);

    /* Admission first: what the machine does not have needs no arithmetic. */
    r = r < 0 ? r : frame_map_claim(place, wish->pages, error);
    r = r < 0 ? r : builder_layout(builder->request->kernel, wish, &builder->layout, error);
    r = r < 0 ? r : say(builder, "allocating memory", -1);
    r = r < 0 ? r : frame_map_populate(&builder->frames, place, wish->pages, error);
    if (lock >= 0) {
        (void)close(lock);
    }
    return r;
}

static int build(struct builder *builder)
{
    const struct builder_request *request = builder->request;
    const struct builder_wish wish = {
        .pages = request->memory_kib / (PAGE / 1024),
        .initrd_size = request->initrd_size,
    };
    struct privcmd *privcmd = builder->privcmd;
    struct vmctl_error *error = builder->error;
    uint32_t domid = request->domid;
    const struct frame_place place = { privcmd, domid, builder->buffer };
    int r;

    if (strlen(request->cmdline) >= MAX_GUEST_CMDLINE) {
        vmctl_fail(error, -E2BIG, "the kernel's command line is too long");
        vmctl_error_limit(error, "%u bytes", MAX_GUEST_CMDLINE - 1);
        return -E2BIG;
    }
    r = take_memory(builder, &place, &wish);
    if (r < 0) {
        return r;
    }
    builder->result->store_frame = frame_of(builder, builder->layout.store_ring);
    builder->result->console_frame = frame_of(builder, builder->layout.console_ring);
    r = fill_memory(builder);
    r = r < 0 ? r : grant_rings(builder);
    r = r < 0 ? r : domain_pin_l4(privcmd, domid, table_frame(builder, 0), error);
    r = r < 0 ? r : start_vcpu(builder);
    r = r < 0 ? r
              : domain_set_memory_map(privcmd, domid, request->memory_max_kib << 10,
                                      builder->buffer, error);
    return r < 0 ? r : domain_set_native_tsc(privcmd, domid, error);
}

int builder_build(struct privcmd *privcmd, const struct builder_request *request,
                  struct builder_result *result, struct vmctl_error *error)
{
    struct builder builder = {
        .privcmd = privcmd,
        .request = request,
        .error = error,
        .result = result,
        .buffer = privcmd_buffer(privcmd, BUFFER_SIZE),
    };
    int r;

    if (builder.buffer == NULL) {
        return vmctl_fail(error, -ENOMEM, "no memory for hypercalls");
    }
    *result = (struct builder_result){ 0 };
    r = build(&builder);
    frame_map_free(&builder.frames);
    privcmd_buffer_free(privcmd, builder.buffer, BUFFER_SIZE);
    return r;
}
