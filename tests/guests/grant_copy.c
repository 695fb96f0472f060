/* SPDX-License-Identifier: MIT */
/*
 * Grant copies: by reference and by frame in both directions, within one page, with every kind of
 * bad end.
 *
 * Attack: offset plus length over the end of the page, onto a page table, from a frame that is not
 * ours, into a read-only grant.
 * Source: public grant_table.h; statuses watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

#define READ_ONLY 20
#define WRITABLE  21

static volatile struct grant_entry_v1 *table;
static uint8_t *from, *to;

static struct gnttab_copy_ptr by_frame(const void *page, unsigned int offset)
{
    return (struct gnttab_copy_ptr){
        .u.gmfn = va_mfn(page),
        .domid = DOMID_SELF,
        .offset = (uint16_t)offset,
    };
}

static struct gnttab_copy_ptr by_ref(grant_ref_t ref, unsigned int offset)
{
    return (struct gnttab_copy_ptr){
        .u.ref = ref,
        .domid = DOMID_SELF,
        .offset = (uint16_t)offset,
    };
}

static int copy(struct gnttab_copy_ptr source, struct gnttab_copy_ptr dest, unsigned int length,
                unsigned int flags)
{
    struct gnttab_copy request = {
        .source = source,
        .dest = dest,
        .len = (uint16_t)length,
        .flags = (uint16_t)flags,
    };

    expect_eq(hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_copy, &request, 1), 0, "copy");
    return request.status;
}

static void check_good(void)
{
    static const unsigned int lengths[] = { 0, 1, 7, 8, 100, 1500, 4096 };

    for (unsigned int i = 0; i < ARRAY_SIZE(lengths); i++) {
        for (unsigned int flags = 0; flags < 4; flags++) {
            unsigned int offset = (4096 - lengths[i]) / 2;

            memset(to, 0xee, PAGE_SIZE);
            expect_eq(copy((flags & GNTCOPY_source_gref) != 0 ? by_ref(READ_ONLY, offset)
                                                              : by_frame(from, offset),
                           (flags & GNTCOPY_dest_gref) != 0 ? by_ref(WRITABLE, offset)
                                                            : by_frame(to, offset),
                           lengths[i], flags),
                      GNTST_okay, "copy");
            expect_eq(memcmp(from + offset, to + offset, lengths[i]), 0, "the bytes");
            expect(offset == 0 || to[offset - 1] == 0xee, "none before");
            expect(offset + lengths[i] == PAGE_SIZE || to[offset + lengths[i]] == 0xee,
                   "none behind");
        }
    }
    expect_eq(table[READ_ONLY].flags, GTF_permit_access | GTF_readonly, "not in use");
    expect_eq(table[WRITABLE].flags, GTF_permit_access, "not in use");
}

static void check_bounds(void)
{
    memset(to, 0xee, PAGE_SIZE);
    expect_eq(copy(by_frame(from, 1), by_frame(to, 0), 4096, 0), GNTST_bad_copy_arg, "source");
    expect_eq(copy(by_frame(from, 0), by_frame(to, 1), 4096, 0), GNTST_bad_copy_arg, "dest");
    expect_eq(copy(by_frame(from, 0), by_frame(to, 0), 4097, 0), GNTST_bad_copy_arg, "length");
    expect_eq(copy(by_frame(from, 0), by_frame(to, 0), 65535, 0), GNTST_bad_copy_arg, "length");
    expect_eq(copy(by_frame(from, 65535), by_frame(to, 0), 2, 0), GNTST_bad_copy_arg, "offset");
    expect_eq(copy(by_ref(READ_ONLY, 4095), by_frame(to, 0), 2, GNTCOPY_source_gref),
              GNTST_bad_copy_arg, "by reference");
    expect_eq(to[0], 0xee, "nothing copied");
}

static void check_ends(void)
{
    struct gnttab_copy_ptr bad = by_frame(from, 0);
    uint64_t before = kernel_l4[0];

    expect(copy(by_ref(READ_ONLY, 0), by_ref(READ_ONLY, 0), 8,
                GNTCOPY_source_gref | GNTCOPY_dest_gref) < 0,
           "into a read-only grant");
    expect_eq(copy(by_ref(0xffffffff, 0), by_frame(to, 0), 8, GNTCOPY_source_gref),
              GNTST_bad_gntref, "no such entry");
    expect_eq(copy(by_frame(from, 0), by_ref(99999, 0), 8, GNTCOPY_dest_gref), GNTST_bad_gntref,
              "no such entry");
    expect(copy(by_frame(from, 0), by_frame(kernel_l4, 0), 8, 0) < 0, "onto a page table");
    expect_eq((long)kernel_l4[0], (long)before, "which is unharmed");
    bad.u.gmfn = ~0UL;
    expect(copy(bad, by_frame(to, 0), 8, 0) < 0, "from no frame");
    expect(copy(by_frame(from, 0), bad, 8, 0) < 0, "to no frame");
    bad.u.gmfn = 0x100000000UL;
    expect(copy(bad, by_frame(to, 0), 8, 0) < 0, "from beyond memory");
    bad.u.gmfn = 1;
    expect(copy(bad, by_frame(to, 0), 8, 0) < 0, "from what is not ours");
    bad = by_frame(from, 0);
    bad.domid = 77;
    expect(copy(bad, by_frame(to, 0), 8, 0) < 0, "from nobody");
    expect(copy(by_frame(from, 0), bad, 8, 0) < 0, "to nobody");
    bad.domid = DOMID_XEN;
    expect(copy(bad, by_frame(to, 0), 8, 0) < 0, "from the hypervisor");

    table[22].domid = 0;
    table[22].frame = (uint32_t)va_mfn(kernel_l4);
    table[22].flags = GTF_permit_access;
    expect(copy(by_frame(from, 0), by_ref(22, 0), 8, GNTCOPY_dest_gref) < 0,
           "onto a granted page table");
    expect_eq((long)kernel_l4[0], (long)before, "which is unharmed");
    table[22].flags = 0;
    table[22].domid = 5;
    table[22].frame = (uint32_t)va_mfn(from);
    table[22].flags = GTF_permit_access;
    expect(copy(by_ref(22, 0), by_frame(to, 0), 8, GNTCOPY_source_gref) < 0,
           "granted to another domain");
}

static void check_batch(void)
{
    static struct gnttab_copy batch[2000];
    unsigned int wrong = 0;

    for (unsigned int i = 0; i < ARRAY_SIZE(batch); i++) {
        batch[i] = (struct gnttab_copy){
            .source = by_ref(i % 100 == 99 ? 9999 : READ_ONLY, i % 64),
            .dest = by_frame(to, i % 64),
            .len = 64,
            .flags = GNTCOPY_source_gref,
            .status = 0x77,
        };
    }
    expect_eq(hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_copy, batch, ARRAY_SIZE(batch)), 0,
              "a long batch");
    for (unsigned int i = 0; i < ARRAY_SIZE(batch); i++) {
        wrong += batch[i].status != (i % 100 == 99 ? GNTST_bad_gntref : GNTST_okay);
    }
    expect_eq(wrong, 0, "each with its status");
}

void test_main(void)
{
    table = grant_table_map();
    from = page_alloc();
    to = page_alloc();
    for (unsigned int i = 0; i < PAGE_SIZE; i++) {
        from[i] = (uint8_t)(i * 7 + i / 256);
    }
    table[READ_ONLY].domid = 0;
    table[READ_ONLY].frame = (uint32_t)va_mfn(from);
    table[READ_ONLY].flags = GTF_permit_access | GTF_readonly;
    table[WRITABLE].domid = 0;
    table[WRITABLE].frame = (uint32_t)va_mfn(to);
    table[WRITABLE].flags = GTF_permit_access;
    check_good();
    check_bounds();
    check_ends();
    check_batch();
}
