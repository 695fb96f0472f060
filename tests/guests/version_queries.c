/* SPDX-License-Identifier: MIT */
/*
 * xen_version: what the hypervisor says about itself, and to which addresses it will say it.
 *
 * A kernel picks its code paths from these answers.  The attack is to have an answer written into
 * the hypervisor's memory: every sub-operation that writes must refuse such a pointer.
 * Source: public version.h and features.h; answers watched on Debian's Xen 4.17.
 */
#include "tests/guests/lib/guest.h"

static long query(unsigned int command, void *answer)
{
    return hypercall2(__HYPERVISOR_xen_version, command, answer);
}

static bool terminated(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\0') {
            return true;
        }
    }
    return false;
}

static void check_strings(void)
{
    static char text[1024];

    memset(text, 'x', sizeof(text));
    expect_eq(query(XENVER_extraversion, text), 0, "extraversion");
    expect(terminated(text, 16), "extraversion is terminated within 16 bytes");

    memset(text, 'x', sizeof(text));
    expect_eq(query(XENVER_capabilities, text), 0, "capabilities");
    expect(terminated(text, 1024), "capabilities are terminated");
    expect(strncmp(text, "xen-3.0-x86_64", 14) == 0, "capabilities name 64-bit PV first");

    expect_eq(query(XENVER_changeset, text), 0, "changeset");
    expect(terminated(text, 64), "changeset is terminated");
    expect_eq(query(XENVER_compile_info, text), 0, "compile_info");
    expect_eq(query(XENVER_commandline, text), 0, "commandline");
    expect(terminated(text, 1024), "the command line is terminated");
    expect_eq(query(XENVER_guest_handle, text), 0, "guest_handle");
}

static void check_features(void)
{
    struct xen_feature_info info = { .submap_idx = 0 };

    expect_eq(query(XENVER_get_features, &info), 0, "get_features");
    printf("features 0x%x\n", info.submap);
    expect_eq(info.submap & BIT(XENFEAT_mmu_pt_update_preserve_ad),
              BIT(XENFEAT_mmu_pt_update_preserve_ad), "PRESERVE_AD is offered");
    expect_eq(info.submap & BIT(XENFEAT_dom0), BIT(XENFEAT_dom0), "dom0 is told it is");
    expect_eq(info.submap & BIT(XENFEAT_pae_pgdir_above_4gb), BIT(XENFEAT_pae_pgdir_above_4gb),
              "dom0 has what others ask for");
    expect_eq(info.submap & BIT(XENFEAT_auto_translated_physmap), 0, "a PV guest translates");
    expect_eq(info.submap & BIT(XENFEAT_writable_page_tables), 0, "page tables are not writable");
    expect_eq(info.submap & BIT(XENFEAT_gnttab_map_avail_bits), BIT(XENFEAT_gnttab_map_avail_bits),
              "guest bits of grant mappings are offered");

    info.submap_idx = 1;
    expect_eq(query(XENVER_get_features, &info), -XEN_EINVAL, "there is one word of features");
}

static void check_bad_pointers(void)
{
    static const unsigned int commands[] = { XENVER_extraversion,        XENVER_compile_info,
                                             XENVER_capabilities,        XENVER_changeset,
                                             XENVER_platform_parameters, XENVER_get_features,
                                             XENVER_guest_handle,        XENVER_commandline };

    for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++) {
        expect_eq(query(commands[i], BAD_UNMAPPED), -XEN_EFAULT, "unmapped");
        expect_eq(query(commands[i], BAD_HYPERVISOR), -XEN_EFAULT, "hypervisor's memory");
        expect_eq(query(commands[i], BAD_NONCANONICAL), -XEN_EFAULT, "non-canonical");
        expect_eq(query(commands[i], (void *)(uintptr_t)M2P), -XEN_EFAULT, "M2P");
        expect_eq(query(commands[i], kernel_l4), -XEN_EFAULT, "read-only page table");
    }
}

void test_main(void)
{
    struct xen_platform_parameters parameters = { 0 };

    expect_eq(query(XENVER_version, NULL), 4 << 16 | 17, "version 4.17");
    expect_eq(query(XENVER_version, BAD_HYPERVISOR), 4 << 16 | 17, "no pointer needed");
    expect_eq(query(XENVER_pagesize, NULL), PAGE_SIZE, "page size");
    expect(query(XENVER_build_id, NULL) >= 16, "a build id, for dom0");
    expect_eq(query(XENVER_platform_parameters, &parameters), 0, "platform_parameters");
    expect_eq(parameters.virt_start, 0xffff800000000000UL, "start of the hypervisor's area");
    check_strings();
    check_features();
    check_bad_pointers();
    expect_eq(query(11, NULL), -XEN_ENOSYS, "unknown sub-operation");
    expect_eq(query(0xffffffff, NULL), -XEN_ENOSYS, "unknown sub-operation");
    /* The command is 32 bits wide: what stands above must not matter. */
    expect_eq(hypercall2(__HYPERVISOR_xen_version, 0xdead00000000UL | XENVER_version, 0),
              4 << 16 | 17, "upper half of the command");
}
