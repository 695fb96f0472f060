/* SPDX-License-Identifier: MIT */
/*
 * Grants that cannot be mapped, and unmapping with handles and addresses that do not fit.
 *
 * Attack: references beyond the table, entries for another domain or of another type, frames that
 * are not the granter's, handles of others, more mappings of one entry than its counter holds.
 * Source: public grant_table.h; statuses watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

#define REF 20

static volatile struct grant_entry_v1 *table;
static uint64_t *page;
static uint8_t *window;

static struct gnttab_map_grant_ref map(grant_ref_t ref, unsigned int flags)
{
    struct gnttab_map_grant_ref request = {
        .host_addr = (uint64_t)window,
        .flags = flags,
        .ref = ref,
        .dom = 0,
    };

    expect_eq(hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, &request, 1), 0,
              "map_grant_ref");
    return request;
}

static int unmap(const void *address, unsigned int handle)
{
    struct gnttab_unmap_grant_ref request = { .host_addr = (uint64_t)address, .handle = handle };

    expect_eq(hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, &request, 1), 0,
              "unmap_grant_ref");
    return request.status;
}

static void grant(unsigned int flags, unsigned int domid, unsigned long frame)
{
    table[REF].flags = 0;
    table[REF].domid = (domid_t)domid;
    table[REF].frame = (uint32_t)frame;
    barrier();
    table[REF].flags = (uint16_t)flags;
}

static void refuse(const char *what)
{
    uint16_t flags = table[REF].flags;
    struct gnttab_map_grant_ref request = map(REF, GNTMAP_host_map);

    if (!expect(request.status < 0, what)) {
        unmap(window, request.handle);
    }
    expect_eq(table[REF].flags, flags, "the entry is as before");
    expect_eq(*entry_of(window, 1) & PTE_P, 0, "nothing is mapped");
}

static void check_entries(void)
{
    static const uint32_t refs[] = {
        511 + 1, 65536, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(refs); i++) {
        expect_eq(map(refs[i], GNTMAP_host_map).status, GNTST_bad_gntref, "no such entry");
    }
    grant(GTF_invalid, 0, va_mfn(page));
    refuse("an empty entry");
    grant(GTF_permit_access, 5, va_mfn(page));
    refuse("for another domain");
    grant(GTF_accept_transfer, 0, va_mfn(page));
    refuse("a transfer entry");
    grant(GTF_transitive, 0, va_mfn(page));
    refuse("a transitive entry");
    grant(GTF_permit_access, 0, 0xffffffff);
    refuse("a frame that does not exist");
    grant(GTF_permit_access, 0, va_mfn(kernel_l4));
    refuse("a page table, writable");
    grant(GTF_permit_access, 0, va_mfn(page));
    expect(map(REF, 0).status < 0, "mapped for nobody");
    expect(map(REF, GNTMAP_application_map).status < 0, "for user mode only");
}

static void check_page_table_read_only(void)
{
    struct gnttab_map_grant_ref request;

    grant(GTF_permit_access, 0, va_mfn(kernel_l4));
    request = map(REF, GNTMAP_host_map | GNTMAP_readonly);
    if (request.status == GNTST_okay) {
        expect_eq(*entry_of(window, 1) & PTE_RW, 0, "read-only");
        expect_eq(unmap(window, request.handle), GNTST_okay, "unmap");
    }
}

static void check_addresses(void)
{
    static void *const addresses[] = { BAD_UNMAPPED, BAD_HYPERVISOR, BAD_NONCANONICAL };

    grant(GTF_permit_access, 0, va_mfn(page));
    for (unsigned int i = 0; i < ARRAY_SIZE(addresses); i++) {
        struct gnttab_map_grant_ref request = {
            .host_addr = (uint64_t)addresses[i],
            .flags = GNTMAP_host_map,
            .ref = REF,
            .dom = 0,
        };

        expect_eq(hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, &request, 1), 0,
                  "map_grant_ref");
        expect(request.status < 0, "an address without an entry");
        request.host_addr = (uint64_t)window;
        request.dom = 77;
        expect_eq(hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, &request, 1), 0,
                  "map_grant_ref");
        expect_eq(request.status, GNTST_bad_domain, "nobody's grant");
    }
    expect_eq(table[REF].flags, GTF_permit_access, "not in use");
}

static void check_handles(void)
{
    static const uint32_t handles[] = { 1, 1000, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff };
    struct gnttab_map_grant_ref request = map(REF, GNTMAP_host_map);

    expect_eq(request.status, GNTST_okay, "a good one");
    for (unsigned int i = 0; i < ARRAY_SIZE(handles); i++) {
        if (handles[i] != request.handle) {
            expect(unmap(window, handles[i]) < 0, "a handle that is not");
        }
    }
    /* Where the same page is mapped by other means the hypervisor cannot tell; elsewhere it can. */
    expect(unmap(spare_va(), request.handle) < 0, "another address");
    expect(unmap(BAD_HYPERVISOR, request.handle) < 0, "no address");
    expect_eq(va_mfn(window), va_mfn(page), "still mapped");
    expect_eq(unmap(window, request.handle), GNTST_okay, "unmap");
    expect_eq(table[REF].flags, GTF_permit_access, "not in use");
}

static void check_counter(void)
{
    static unsigned int handles[5000];
    unsigned int count = 0;
    struct gnttab_map_grant_ref request;

    for (; count < ARRAY_SIZE(handles); count++) {
        request = map(REF, GNTMAP_device_map);
        if (request.status != GNTST_okay) {
            break;
        }
        handles[count] = request.handle;
    }
    printf("%u mappings of one entry, then %d\n", count, request.status);
    expect(count > 0, "some");
    expect_eq(table[REF].flags & (GTF_reading | GTF_writing), GTF_reading | GTF_writing, "in use");
    for (unsigned int i = 0; i < count; i++) {
        struct gnttab_unmap_grant_ref undo = {
            .dev_bus_addr = va_mfn(page) << PAGE_SHIFT,
            .handle = handles[i],
        };

        expect_eq(table[REF].flags & GTF_reading, GTF_reading, "in use to the last");
        hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, &undo, 1);
        expect_eq(undo.status, GNTST_okay, "unmap");
    }
    expect_eq(table[REF].flags, GTF_permit_access, "not in use");
}

/* A batch: each has its own status, and those behind an error are done. */
static void check_batch(void)
{
    struct gnttab_map_grant_ref requests[3];
    struct gnttab_unmap_grant_ref undo[3];

    for (unsigned int i = 0; i < 3; i++) {
        requests[i] = (struct gnttab_map_grant_ref){
            .flags = GNTMAP_device_map,
            .ref = i == 1 ? 0xffff : REF,
            .dom = 0,
        };
    }
    expect_eq(hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, requests, 3), 0,
              "a batch");
    expect_eq(requests[0].status, GNTST_okay, "the first");
    expect_eq(requests[1].status, GNTST_bad_gntref, "the bad one");
    expect_eq(requests[2].status, GNTST_okay, "the last");
    for (unsigned int i = 0; i < 3; i++) {
        undo[i] = (struct gnttab_unmap_grant_ref){
            .dev_bus_addr = va_mfn(page) << PAGE_SHIFT,
            .handle = i == 1 ? 0xffff : requests[i].handle,
        };
    }
    expect_eq(hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, undo, 3), 0,
              "unmap the batch");
    expect_eq(undo[0].status, GNTST_okay, "the first");
    expect_eq(undo[1].status, GNTST_bad_handle, "the bad one");
    expect_eq(undo[2].status, GNTST_okay, "the last");
}

void test_main(void)
{
    table = grant_table_map();
    page = page_alloc();
    window = spare_va();
    expect_eq(update_va(window, 0, UVMF_INVLPG), 0, "an empty window");
    check_entries();
    check_page_table_read_only();
    check_addresses();
    check_handles();
    check_counter();
    check_batch();
}
