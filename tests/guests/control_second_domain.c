/* SPDX-License-Identifier: MIT */
/*
 * A second domain runs, and gets what an unprivileged guest may have and no more.
 *
 * Source: public headers; answers watched on Debian's Xen.
 * PEER: differs: reading PCI configuration without a right to it gives 0 there, all ones here
 */
#include "guest-pv-headers/mca.h"
#include "tests/guests/lib/second.h"

#define LARGEST 9    /* order of what a guest may ask for in one piece */
#define ROOM    1100 /* pages it may have beside its own: for more than such a piece */

static void refused_calls(void)
{
    struct xen_domctl request;
    struct xen_sysctl about;
    struct xen_platform_op platform;
    struct xen_mc checks = { .cmd = XEN_MC_fetch, .interface_version = XEN_MCA_INTERFACE_VERSION };
    static char text[] = "not for you\n";

    memset(&request, 0, sizeof(request));
    expect_eq(domctl(&request, XEN_DOMCTL_getdomaininfo, 0), -XEN_EPERM, "domctl");
    memset(&about, 0, sizeof(about));
    expect_eq(sysctl(&about, XEN_SYSCTL_physinfo), -XEN_EPERM, "sysctl");
    memset(&platform, 0, sizeof(platform));
    platform.interface_version = XENPF_INTERFACE_VERSION;
    expect_eq(hypercall1(__HYPERVISOR_platform_op, &platform), -XEN_EPERM, "platform_op");
    expect_eq(hypercall1(__HYPERVISOR_mca, &checks), -XEN_EPERM, "mca");
    expect_eq(hypercall2(__HYPERVISOR_xen_version, XENVER_build_id, 0), -XEN_EPERM, "build id");
    expect_eq(hypercall3(__HYPERVISOR_console_io, CONSOLEIO_write, sizeof(text), text), -XEN_EPERM,
              "the console");
}

static void refused_facts(void)
{
    static char line[1024];
    struct xen_memory_map of_machine = { .nr_entries = 4, .buffer = line };
    struct xen_memory_reservation claim = { .nr_extents = 0, .domid = 0 };
    struct xen_mem_acquire_resource table = { .domid = 0, .type = XENMEM_resource_grant_table };
    struct xen_feature_info features = { .submap_idx = 0 };

    expect_eq(hypercall2(__HYPERVISOR_memory_op, XENMEM_machine_memory_map, &of_machine),
              -XEN_EPERM, "the machine's map");
    expect_eq(hypercall2(__HYPERVISOR_memory_op, XENMEM_claim_pages, &claim), -XEN_EPERM,
              "a claim of dom0's");
    expect_eq(hypercall2(__HYPERVISOR_memory_op, XENMEM_acquire_resource, &table), -XEN_EPERM,
              "dom0's grant table, by its frames");
    expect_eq(hypercall2(__HYPERVISOR_xen_version, XENVER_commandline, line), 0,
              "the command line");
    expect(memcmp(line, "<denied>", 9) == 0, "is not told");
    expect_eq(hypercall2(__HYPERVISOR_xen_version, XENVER_get_features, &features), 0, "features");
    expect_eq(features.submap & (1u << XENFEAT_dom0), 0, "it is not dom0");
    expect_eq(features.submap & (1u << XENFEAT_pae_pgdir_above_4gb), 0, "it did not ask for it");
    expect_eq(hypercall2(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_pae_extended_cr3),
              0, "it asks");
    expect_eq(hypercall2(__HYPERVISOR_xen_version, XENVER_get_features, &features), 0, "features");
    expect(features.submap & (1u << XENFEAT_pae_pgdir_above_4gb), "and has it");
}

/* By each call that takes a domain's id beside a frame. */
static void refused_of_first(uint64_t frame)
{
    struct mmuext_op pin = { .cmd = MMUEXT_PIN_L1_TABLE, .arg1.mfn = frame };
    struct mmu_update entry = { .ptr = frame << PAGE_SHIFT, .val = 0 };
    struct gnttab_map_grant_ref map = {
        .host_addr = (uint64_t)spare_va(), .flags = GNTMAP_host_map, .ref = 8, .dom = 0
    };

    expect_eq(hypercall4(__HYPERVISOR_update_va_mapping_otherdomain, spare_va(),
                         pte(frame, PTE_READ_WRITE), UVMF_INVLPG, 0),
              -XEN_EPERM, "mapped by its address");
    expect_eq(hypercall4(__HYPERVISOR_mmuext_op, &pin, 1, 0, 0), -XEN_EPERM, "pinned");
    expect_eq(hypercall4(__HYPERVISOR_mmu_update, &entry, 1, 0, 1U << 16 | DOMID_SELF), -XEN_EPERM,
              "its tables written");
    expect_eq(hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, &map, 1), 0, "call");
    expect(map.status < 0, "a grant nobody gave");
}

/* dom0's kernel is at 1 MiB of its memory: frames that are certainly somebody's. */
static void refused_memory(void)
{
    struct xen_memory_reservation more;
    uint64_t *entry = entry_of(spare_va(), 1);
    static uint64_t numbers[ROOM + 1];
    uint64_t first = 0x100;
    long result;

    expect_eq(
        mmu_update_foreign(va_maddr(entry) | MMU_NORMAL_PT_UPDATE, pte(first, PTE_READ_WRITE), 0),
        -XEN_EPERM, "a frame of dom0's, by its id");
    for (unsigned long frame = 1; frame < 0x20000; frame += 0x1235) {
        if (mfn_to_va(frame) == NULL || M2P[frame] < SECOND_PAGES) {
            continue;
        }
        result = mmu_update_one(va_maddr(entry), pte(frame, PTE_READ_WRITE));
        if (!expect(result < 0, "a frame that is not ours")) {
            printf("frame %lx: %ld\n", frame, result);
        }
    }
    result = mmu_update_foreign(va_maddr(entry) | MMU_NORMAL_PT_UPDATE,
                                pte(0xfee00, PTE_READ_WRITE | PTE_PCD), DOMID_IO);
    expect(result < 0, "the local APIC");
    result = mmu_update_one(va_maddr(entry), pte(0xb8, PTE_READ_WRITE | PTE_PCD));
    expect(result < 0, "the screen");
    refused_of_first(first);
    memset(&more, 0, sizeof(more));
    more.extent_start = numbers;
    more.nr_extents = 1;
    more.domid = 0;
    expect_eq(hypercall2(__HYPERVISOR_memory_op, XENMEM_populate_physmap, &more), 0,
              "memory for dom0");
    more.domid = DOMID_SELF;
    more.nr_extents = ROOM + 1;
    expect(hypercall2(__HYPERVISOR_memory_op, XENMEM_increase_reservation, &more) <= ROOM,
           "memory beyond the limit");
}

/* While its limit has room for either. */
static void refused_orders(void)
{
    static unsigned long number;
    struct xen_memory_reservation piece = {
        .extent_start = &number, .nr_extents = 1, .extent_order = LARGEST + 1, .domid = DOMID_SELF
    };
    struct xen_memory_exchange swap = { .in = piece, .out = piece };

    expect_eq(hypercall2(__HYPERVISOR_memory_op, XENMEM_exchange, &swap), -XEN_EPERM,
              "an exchange of a piece that is too large");
    expect_eq(hypercall2(__HYPERVISOR_memory_op, XENMEM_increase_reservation, &piece), 0,
              "a piece that is too large");
    piece.extent_order = LARGEST;
    expect_eq(hypercall2(__HYPERVISOR_memory_op, XENMEM_increase_reservation, &piece), 1,
              "the largest");
    expect_eq(hypercall2(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, &piece), 1,
              "given back: what follows takes each frame that it does not know for another's");
}

static void refused_devices(void)
{
    struct physdev_map_pirq map = { .domid = DOMID_SELF, .type = MAP_PIRQ_TYPE_GSI, .index = 4 };
    struct physdev_set_iopl level = { .iopl = 1 };
    struct evtchn_bind_pirq bind = { .pirq = 4 };
    struct gnttab_setup_table table = { .dom = 0, .nr_frames = 0 };
    uint32_t value;

    expect(hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_map_pirq, &map) < 0, "an interrupt");
    expect(hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_bind_pirq, &bind) < 0, "its event");
    expect_eq(hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &level), 0, "iopl");
    __asm__ volatile("movw $0xcf8, %%dx; inl %%dx, %0" : "=a"(value) : : "dx");
    expect_eq(value, 0xffffffff, "PCI configuration is not there");
    expect_eq(hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, &table, 1), 0, "call");
    expect_eq(table.status, GNTST_permission_denied, "dom0's grant table");
}

static void as_second(void)
{
    expect_eq(start_info->flags & (SIF_PRIVILEGED | SIF_INITDOMAIN), 0, "not privileged");
    expect(shared->wc_sec > 1000000000u || shared->wc_sec_hi != 0, "the time of day");
    expect(now() > 0, "the time");
    refused_calls();
    refused_facts();
    refused_orders();
    refused_memory();
    refused_devices();
}

void test_main(void)
{
    struct xen_domctl room = { .u.max_mem.max_memkb = (SECOND_PAGES + ROOM) * 4 };
    unsigned int domain;
    struct xen_domctl_getdomaininfo info;

    if (in_second()) {
        as_second();
        return;
    }
    domain = second_make(1);
    if (domain == NO_DOMAIN || !second_build(domain)) {
        test_abort("cannot make the second domain");
    }
    expect_eq(domctl(&room, XEN_DOMCTL_max_mem, domain), 0, "room for large pieces");
    expect_eq(domctl_plain(XEN_DOMCTL_unpausedomain, domain), 0, "it runs");
    expect_eq(second_wait(domain, 5000), SHUTDOWN_poweroff, "the second domain's verdict");
    info = second_info(domain);
    expect_eq(info.nr_online_vcpus, 1, "one vCPU was up");
    expect(info.cpu_time != 0, "it had the CPU");
    expect_eq(second_end(domain), 0, "destroyed");
    expect_eq(second_info(domain).domain, NO_DOMAIN, "gone");
}
