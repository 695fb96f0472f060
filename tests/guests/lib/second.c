/* SPDX-License-Identifier: MIT */
/* The builder of the second domain: a toolstack in two hundred lines. */
#include "tests/guests/lib/second.h"

#include "guest-pv-headers/io/console.h"

#define FIRST_IMAGE_PAGE 0x100u /* guest.lds: the image is loaded at 1 MiB */
#define P2M_PAGES        (SECOND_PAGES / 512)
#define L1_TABLES        (SECOND_PAGES / 512)

extern char guest_entry[];

/* Where things are in the second's memory, by page; the first free one after the image. */
struct layout {
    unsigned int image_end, p2m, start_info, console, store, l1, l2, l3, l4;
};

static uint64_t frames[SECOND_PAGES];
static void *window;

long domctl(struct xen_domctl *request, unsigned int command, unsigned int domain)
{
    request->cmd = command;
    request->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    request->domain = (domid_t)domain;
    return hypercall1(__HYPERVISOR_domctl, request);
}

long domctl_plain(unsigned int command, unsigned int domain)
{
    struct xen_domctl request;

    memset(&request, 0, sizeof(request));
    return domctl(&request, command, domain);
}

long sysctl(struct xen_sysctl *request, unsigned int command)
{
    request->cmd = command;
    request->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return hypercall1(__HYPERVISOR_sysctl, request);
}

struct xen_domctl second_wish(unsigned int vcpus)
{
    struct xen_domctl request;

    memset(&request, 0, sizeof(request));
    request.u.createdomain.max_vcpus = vcpus;
    request.u.createdomain.max_evtchn_port = 1023;
    request.u.createdomain.max_grant_frames = -1;
    request.u.createdomain.max_maptrack_frames = -1;
    request.u.createdomain.grant_opts = 2;
    memcpy(request.u.createdomain.handle, "second-domain-16", 16);
    return request;
}

unsigned int second_make(unsigned int vcpus)
{
    struct xen_domctl request = second_wish(vcpus);
    unsigned int domain;
    long error = domctl(&request, XEN_DOMCTL_createdomain, 0);

    if (error != 0) {
        printf("createdomain: %ld\n", error);
        return NO_DOMAIN;
    }
    domain = request.domain;
    memset(&request, 0, sizeof(request));
    request.u.max_vcpus.max = vcpus;
    error = domctl(&request, XEN_DOMCTL_max_vcpus, domain);
    memset(&request, 0, sizeof(request));
    request.u.max_mem.max_memkb = (SECOND_PAGES + 64) * 4;
    if (error == 0) {
        error = domctl(&request, XEN_DOMCTL_max_mem, domain);
    }
    if (error != 0) {
        printf("vCPUs and memory of domain %u: %ld\n", domain, error);
        (void)second_end(domain);
        return NO_DOMAIN;
    }
    return domain;
}

unsigned long second_frame(unsigned int page)
{
    return frames[page];
}

void *second_window(unsigned int domain, unsigned long frame)
{
    long error;

    if (window == NULL) {
        window = spare_va();
    }
    if (domain == NO_DOMAIN) {
        error = update_va(window, 0, UVMF_INVLPG);
    } else {
        error = hypercall4(__HYPERVISOR_update_va_mapping_otherdomain, window,
                           pte(frame, PTE_READ_WRITE), UVMF_INVLPG, domain);
    }
    return error == 0 ? window : NULL;
}

static bool take_memory(unsigned int domain)
{
    struct xen_memory_reservation request;
    long got;

    for (unsigned int i = 0; i < SECOND_PAGES; i++) {
        frames[i] = i;
    }
    memset(&request, 0, sizeof(request));
    request.extent_start = frames;
    request.nr_extents = SECOND_PAGES;
    request.domid = (domid_t)domain;
    got = hypercall2(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &request);
    return expect_eq(got, SECOND_PAGES, "memory of the second domain");
}

static struct layout lay_out(void)
{
    struct layout at;

    at.image_end = (unsigned int)(((uintptr_t)image_end - VIRT_BASE + PAGE_SIZE - 1) / PAGE_SIZE);
    at.p2m = at.image_end;
    at.start_info = at.p2m + P2M_PAGES;
    at.console = at.start_info + 1;
    at.store = at.console + 1;
    at.l1 = at.store + 1;
    at.l2 = at.l1 + L1_TABLES;
    at.l3 = at.l2 + 1;
    at.l4 = at.l3 + 1;
    return at;
}

static bool is_table(const struct layout *at, unsigned int page)
{
    return page >= at->l1 && page <= at->l4;
}

/* One page of the second, made by `index` of its kind. */
static void fill(const struct layout *at, unsigned int page, uint64_t *to)
{
    static const uint64_t flags = PTE_TABLE;

    if (page >= FIRST_IMAGE_PAGE && page < at->image_end) {
        const void *from = (const void *)(VIRT_BASE + page * PAGE_SIZE); // NOLINT

        memcpy(to, from, PAGE_SIZE);
    } else if (page >= at->p2m && page < at->p2m + P2M_PAGES) {
        memcpy(to, &frames[(page - at->p2m) * 512], PAGE_SIZE);
    } else if (page >= at->l1 && page < at->l1 + L1_TABLES) {
        for (unsigned int i = 0; i < 512; i++) {
            unsigned int target = (page - at->l1) * 512 + i;

            to[i] = pte(frames[target], is_table(at, target) ? PTE_READ_ONLY : PTE_READ_WRITE);
        }
    } else if (page == at->l2) {
        for (unsigned int i = 0; i < L1_TABLES; i++) {
            to[i] = pte(frames[at->l1 + i], flags);
        }
    } else if (page == at->l3) {
        to[table_index(VIRT_BASE, 3)] = pte(frames[at->l2], flags);
    } else if (page == at->l4) {
        to[table_index(VIRT_BASE, 4)] = pte(frames[at->l3], flags);
    }
}

static void fill_start_info(unsigned int domain, const struct layout *at, struct start_info *info)
{
    memcpy(info->magic, "xen-3.0-x86_64", sizeof("xen-3.0-x86_64"));
    info->nr_pages = SECOND_PAGES;
    info->shared_info = second_info(domain).shared_info_frame << PAGE_SHIFT;
    info->store_mfn = frames[at->store];
    info->console.domU.mfn = frames[at->console];
    info->pt_base = VIRT_BASE + at->l4 * PAGE_SIZE;
    info->nr_pt_frames = L1_TABLES + 3;
    info->mfn_list = VIRT_BASE + at->p2m * PAGE_SIZE;
}

/* As builders do: the page is the guest's from the start. */
static void clear_shared_info(unsigned int domain)
{
    struct shared_info *info = second_window(domain, second_info(domain).shared_info_frame);

    if (expect(info != NULL, "the shared info page can be mapped")) {
        memset(info, 0, sizeof(*info));
        for (unsigned int i = 0; i < ARRAY_SIZE(info->vcpu_info); i++) {
            info->vcpu_info[i].evtchn_upcall_mask = 1;
        }
    }
}

struct vcpu_guest_context *second_context(void)
{
    static struct vcpu_guest_context context;
    struct layout at = lay_out();

    memset(&context, 0, sizeof(context));
    context.flags = VGCF_in_kernel | VGCF_online;
    context.user_regs.rip = (uint64_t)guest_entry;
    context.user_regs.rsi = VIRT_BASE + at.start_info * PAGE_SIZE;
    context.user_regs.rsp = VIRT_BASE + PAGE_SIZE; /* page 0 is nothing's */
    context.user_regs.cs = FLAT_KERNEL_CS;
    context.user_regs.ss = FLAT_KERNEL_SS;
    context.kernel_ss = FLAT_KERNEL_SS;
    context.user_regs.rflags = 0x200;
    context.kernel_sp = context.user_regs.rsp;
    context.ctrlreg[3] = frames[at.l4] << PAGE_SHIFT;
    return &context;
}

long second_give_context(unsigned int domain, unsigned int vcpu, struct vcpu_guest_context *context)
{
    struct xen_domctl request;

    memset(&request, 0, sizeof(request));
    request.u.vcpucontext.vcpu = vcpu;
    request.u.vcpucontext.ctxt = context;
    return domctl(&request, XEN_DOMCTL_setvcpucontext, domain);
}

bool second_fill(unsigned int domain)
{
    struct layout at = lay_out();

    if (at.l4 >= SECOND_PAGES || !take_memory(domain)) {
        return expect(false, "the image fits into the second domain");
    }
    for (unsigned int page = 0; page <= at.l4; page++) {
        void *to = second_window(domain, frames[page]);

        if (!expect(to != NULL, "a frame of the second domain can be mapped")) {
            return false;
        }
        memset(to, 0, PAGE_SIZE);
        if (page == at.start_info) {
            fill_start_info(domain, &at, to);
        } else {
            fill(&at, page, to);
        }
    }
    clear_shared_info(domain);
    (void)second_window(NO_DOMAIN, 0);
    return true;
}

bool second_build(unsigned int domain)
{
    return second_fill(domain) && expect_eq(second_give_context(domain, 0, second_context()), 0,
                                            "context of its first vCPU");
}

unsigned int second_start(void)
{
    unsigned int domain = second_make(1);

    if (domain == NO_DOMAIN || !second_build(domain)) {
        test_abort("cannot make the second domain");
    }
    expect_eq(domctl_plain(XEN_DOMCTL_unpausedomain, domain), 0, "it runs");
    return domain;
}

struct xen_domctl_getdomaininfo second_info(unsigned int domain)
{
    struct xen_domctl request;

    memset(&request, 0, sizeof(request));
    if (domctl(&request, XEN_DOMCTL_getdomaininfo, domain) != 0 || request.domain != domain) {
        memset(&request, 0, sizeof(request));
        request.u.getdomaininfo.domain = NO_DOMAIN;
    }
    return request.u.getdomaininfo;
}

static void show_console(unsigned int domain)
{
    struct layout at = lay_out();
    const struct xencons_interface *ring = second_window(domain, frames[at.console]);
    char line[128];
    size_t used = 0;

    for (unsigned int i = 0; ring != NULL && i < ring->out_prod && i < sizeof(ring->out); i++) {
        char c = ring->out[i];

        if (c != '\n') {
            line[used++] = c;
        }
        if (c == '\n' || used == sizeof(line) - 1) {
            line[used] = '\0';
            printf("second: %s\n", line);
            used = 0;
        }
    }
    (void)second_window(NO_DOMAIN, 0);
}

unsigned int second_wait(unsigned int domain, unsigned int milliseconds)
{
    struct xen_domctl_getdomaininfo info;
    bool over =
        wait_for(((info = second_info(domain)).flags & XEN_DOMINF_shutdown) != 0, milliseconds);

    show_console(domain);
    return over ? (info.flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask : ~0u;
}

long second_end(unsigned int domain)
{
    return domctl_plain(XEN_DOMCTL_destroydomain, domain);
}

unsigned long free_frames(void)
{
    struct xen_sysctl request;

    memset(&request, 0, sizeof(request));
    return sysctl(&request, XEN_SYSCTL_physinfo) == 0 ? request.u.physinfo.free_pages : 0;
}
