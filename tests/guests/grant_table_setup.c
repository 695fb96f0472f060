/* SPDX-License-Identifier: MIT */
/*
 * The grant table itself: size, growth to the limit, frames that can be mapped, versions 1 and 2
 * and the way between them, status frames.
 *
 * Source: public grant_table.h; statuses watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static unsigned long frames[256];

static long call(unsigned int operation, void *request, unsigned int count)
{
    return hypercall3(__HYPERVISOR_grant_table_op, operation, request, count);
}

static int setup(unsigned int count, void *list, unsigned int domid)
{
    struct gnttab_setup_table request = {
        .dom = (domid_t)domid,
        .nr_frames = count,
        .frame_list = list,
        .status = 0x55,
    };

    expect_eq(call(GNTTABOP_setup_table, &request, 1), 0, "setup_table");
    return request.status;
}

static struct gnttab_query_size query(void)
{
    struct gnttab_query_size request = { .dom = DOMID_SELF };

    expect_eq(call(GNTTABOP_query_size, &request, 1), 0, "query_size");
    expect_eq(request.status, GNTST_okay, "its status");
    return request;
}

static unsigned int version(void)
{
    struct gnttab_get_version request = { .dom = DOMID_SELF };

    expect_eq(call(GNTTABOP_get_version, &request, 1), 0, "get_version");
    return request.version;
}

static long set_version(unsigned int wanted)
{
    struct gnttab_set_version request = { .version = wanted };

    return call(GNTTABOP_set_version, &request, 1);
}

static void check_setup(void)
{
    struct gnttab_query_size size = query();
    struct grant_entry_v1 *table = spare_va();

    expect(size.nr_frames >= 1 && size.nr_frames <= size.max_nr_frames, "frames");
    expect(size.max_nr_frames >= 4 && size.max_nr_frames <= 256, "a limit");
    expect_eq(setup(1, frames, DOMID_SELF), GNTST_okay, "the first frame");
    expect_eq(update_va(table, pte(frames[0], PTE_READ_WRITE), UVMF_INVLPG), 0, "map it");
    expect_eq(table[20].flags, 0, "it is empty");
    table[20].flags = GTF_permit_access;
    table[20].flags = 0;

    expect_eq(setup(size.max_nr_frames, frames, DOMID_SELF), GNTST_okay, "all there can be");
    expect_eq(query().nr_frames, size.max_nr_frames, "it has grown");
    expect_eq(setup(size.max_nr_frames + 1, frames, DOMID_SELF), GNTST_general_error, "one more");
    expect_eq(setup(0xffffffff, frames, DOMID_SELF), GNTST_general_error, "far more");
    expect(setup(1, frames, 77) < 0, "nobody's");
    for (unsigned int i = 1; i < size.max_nr_frames; i++) {
        expect(frames[i] != frames[i - 1], "different frames");
    }
    expect_eq(update_va(table, 0, UVMF_INVLPG), 0, "unmap");
}

static void check_versions(void)
{
    struct gnttab_get_status_frames status = { .dom = DOMID_SELF, .nr_frames = 1 };
    unsigned long status_frame = 0;
    struct grant_entry_v1 *table = spare_va();

    expect_eq(setup(1, frames, DOMID_SELF), GNTST_okay, "setup");
    expect_eq(update_va(table, pte(frames[0], PTE_READ_WRITE), UVMF_INVLPG), 0, "map it");
    expect_eq(version(), 1, "version 1 at first");
    expect_eq(set_version(3), -XEN_EINVAL, "no version 3");
    expect_eq(set_version(0), -XEN_EINVAL, "no version 0");
    expect_eq(update_va(table, 0, UVMF_INVLPG), 0, "unmap");
    if (set_version(2) != 0) {
        printf("version 2 is not offered\n");
        return;
    }
    expect_eq(version(), 2, "version 2");
    status.frame_list = (void *)&status_frame;
    expect_eq(call(GNTTABOP_get_status_frames, &status, 1), 0, "status frames");
    expect_eq(status.status, GNTST_okay, "their status");
    expect(status_frame != 0, "a frame");
    status.nr_frames = 0xffffffff;
    expect_eq(call(GNTTABOP_get_status_frames, &status, 1), 0, "too many");
    expect_eq(status.status, GNTST_general_error, "their status");
    expect_eq(set_version(1), 0, "back to version 1");
    expect_eq(version(), 1, "version 1");
    for (unsigned int i = 0; i < 10; i++) {
        expect_eq(set_version(1 + i % 2), 0, "to and fro");
    }
    expect_eq(set_version(1), 0, "version 1");
    status.nr_frames = 1;
    expect_eq(call(GNTTABOP_get_status_frames, &status, 1), 0, "status frames");
    expect(status.status != GNTST_okay, "version 1 has none");
}

static void check_pointers(void)
{
    static void *const pointers[] = { BAD_UNMAPPED, BAD_HYPERVISOR, BAD_NONCANONICAL };

    for (unsigned int i = 0; i < ARRAY_SIZE(pointers); i++) {
        for (unsigned int operation = 0; operation <= GNTTABOP_cache_flush; operation++) {
            long result = call(operation, pointers[i], 1);

            if (!expect(result < 0, "bad pointer")) {
                printf("operation %u: %ld\n", operation, result);
            }
        }
    }
    {
        struct gnttab_setup_table bad = {
            .dom = DOMID_SELF,
            .nr_frames = 1,
            .frame_list = BAD_HYPERVISOR,
        };
        long result = call(GNTTABOP_setup_table, &bad, 1);

        expect(result == -XEN_EFAULT || (result == 0 && bad.status == GNTST_bad_virt_addr),
               "list in the hypervisor");
    }
    for (unsigned int operation = 0; operation <= GNTTABOP_cache_flush; operation++) {
        long result = call(operation, frames, 0x80000000);

        if (!expect(result < 0, "two billion")) {
            printf("operation %u: %ld\n", operation, result);
        }
    }
    expect_eq(call(GNTTABOP_map_grant_ref, frames, 0), 0, "an empty batch");
    expect_eq(call(GNTTABOP_unmap_grant_ref, frames, 0), 0, "an empty batch");
    expect_eq(call(GNTTABOP_copy, frames, 0), 0, "an empty batch");
}

void test_main(void)
{
    check_versions();
    check_setup();
    check_pointers();
}
