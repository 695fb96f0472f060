/* SPDX-License-Identifier: MIT */
/*
 * Two control clients at once, on the same domains: whatever comes of it, the machine lives and
 * nothing is lost.
 *
 * QEMU: smp=3
 *
 * PEER: differs: its memory comes back a while after destroydomain
 */
#include "tests/guests/lib/second.h"

#define ROUNDS 150u

static volatile unsigned int shared_id = NO_DOMAIN;
static volatile bool over;

/* Everything that can be asked of whatever domain there is. */
static void interfere(void *unused)
{
    static struct xen_domctl_getdomaininfo infos[8];
    static struct vcpu_guest_context context;

    (void)unused;
    for (unsigned int i = 0; !over; i++) {
        struct xen_domctl request;
        struct xen_sysctl list;
        unsigned int id = shared_id;

        memset(&request, 0, sizeof(request));
        switch (i % 9) {
        case 0:
            domctl_plain(XEN_DOMCTL_unpausedomain, id);
            break;
        case 1:
            domctl_plain(XEN_DOMCTL_pausedomain, id);
            break;
        case 2:
            request.u.max_vcpus.max = 2;
            domctl(&request, XEN_DOMCTL_max_vcpus, id);
            break;
        case 3:
            request.u.max_mem.max_memkb = 4 * 1024;
            domctl(&request, XEN_DOMCTL_max_mem, id);
            break;
        case 4:
            memset(&list, 0, sizeof(list));
            list.u.getdomaininfolist.max_domains = 8;
            list.u.getdomaininfolist.buffer = infos;
            sysctl(&list, XEN_SYSCTL_getdomaininfolist);
            break;
        case 5:
            context.ctrlreg[3] = second_frame(i % SECOND_PAGES) << PAGE_SHIFT;
            context.flags = VGCF_in_kernel | VGCF_online;
            context.user_regs.rip = VIRT_BASE;
            second_give_context(id, i % 2, &context);
            break;
        case 6:
            request.u.vcpucontext.ctxt = &context;
            domctl(&request, XEN_DOMCTL_getvcpucontext, id);
            break;
        case 7:
            domctl_plain(XEN_DOMCTL_resumedomain, id);
            break;
        default:
            if (i % 4 == 0) {
                second_end(id);
            }
            break;
        }
    }
}

static uint64_t frames[256];

static void build_and_destroy(void)
{
    struct xen_domctl request = second_wish(2);
    struct xen_memory_reservation memory;
    unsigned int id;

    if (!expect_eq(domctl(&request, XEN_DOMCTL_createdomain, 0), 0, "createdomain")) {
        return;
    }
    id = request.domain;
    shared_id = id;
    memset(&request, 0, sizeof(request));
    request.u.max_vcpus.max = 2;
    domctl(&request, XEN_DOMCTL_max_vcpus, id);
    memset(&memory, 0, sizeof(memory));
    for (unsigned int i = 0; i < ARRAY_SIZE(frames); i++) {
        frames[i] = i;
    }
    memory.extent_start = frames;
    memory.nr_extents = ARRAY_SIZE(frames);
    memory.domid = (domid_t)id;
    hypercall2(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &memory);
    domctl_plain(XEN_DOMCTL_unpausedomain, id);
    second_end(id);
    shared_id = NO_DOMAIN;
}

void test_main(void)
{
    unsigned long before = free_frames();

    cpu_start(1, interfere, NULL);
    for (unsigned int i = 0; i < ROUNDS; i++) {
        build_and_destroy();
    }
    over = true;
    cpu_wait(1);
    for (unsigned int id = 1; id < 400; id++) {
        if (second_info(id).domain != NO_DOMAIN) {
            second_end(id);
        }
    }
    expect_eq(free_frames(), before, "nothing is left");
}
