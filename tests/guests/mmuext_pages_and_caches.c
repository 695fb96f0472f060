/* SPDX-License-Identifier: MIT */
/*
 * mmuext_op's other half: clear and copy page, TLB and cache flushes, and what is not offered.
 *
 * Attack: CLEAR_PAGE and COPY_PAGE write by frame number: onto a page table, a descriptor table,
 * somebody else's page.
 * Source: public mmuext_op; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static long copy(unsigned long to, unsigned long from)
{
    struct mmuext_op request = {
        .cmd = MMUEXT_COPY_PAGE,
        .arg1.mfn = to,
        .arg2.src_mfn = from,
    };

    return hypercall4(__HYPERVISOR_mmuext_op, &request, 1, 0, DOMID_SELF);
}

static long clear(unsigned long mfn)
{
    return mmuext_mfn(MMUEXT_CLEAR_PAGE, mfn);
}

void test_main(void)
{
    uint64_t *from = page_alloc();
    uint64_t *to = page_alloc();
    static const unsigned long frames[] = { 0, 0x100000000UL, ~0UL, ~0UL >> 12 };
    unsigned long table = va_mfn(kernel_l4);
    unsigned long l1 = pte_mfn(*entry_of(from, 2));

    for (unsigned int i = 0; i < 512; i++) {
        from[i] = i * 0x0101010101010101UL;
        to[i] = ~0UL;
    }
    expect_eq(copy(va_mfn(to), va_mfn(from)), 0, "copy");
    expect_eq(memcmp(to, from, PAGE_SIZE), 0, "all of it");
    expect_eq(clear(va_mfn(to)), 0, "clear");
    expect_eq(to[0] | to[511], 0, "all of it");

    for (unsigned int i = 0; i < ARRAY_SIZE(frames); i++) {
        expect(clear(frames[i]) < 0, "clear what is not ours");
        expect(copy(frames[i], va_mfn(from)) < 0, "copy to what is not ours");
        expect(copy(va_mfn(to), frames[i]) < 0, "copy from what is not ours");
    }
    expect(clear(table) < 0, "clear an L4");
    expect(clear(l1) < 0, "clear an L1");
    expect(copy(table, va_mfn(from)) < 0, "copy over an L4");
    expect(copy(l1, va_mfn(from)) < 0, "copy over an L1");
    expect_eq(copy(va_mfn(to), table), 0, "copying from one is reading");
    expect_eq(to[511], kernel_l4[511], "its contents");

    expect_eq(mmuext_linear(MMUEXT_TLB_FLUSH_LOCAL, NULL), 0, "flush");
    expect_eq(mmuext_linear(MMUEXT_TLB_FLUSH_ALL, NULL), 0, "flush all");
    expect_eq(mmuext_linear(MMUEXT_INVLPG_LOCAL, from), 0, "invlpg");
    expect_eq(mmuext_linear(MMUEXT_INVLPG_ALL, from), 0, "invlpg on all");
    expect_eq(mmuext_linear(MMUEXT_INVLPG_LOCAL, BAD_HYPERVISOR), 0, "invlpg of any address");
    expect_eq(mmuext_linear(MMUEXT_INVLPG_ALL, BAD_NONCANONICAL), 0, "even a bad one");
    expect_eq(mmuext_linear(MMUEXT_FLUSH_CACHE, NULL), 0, "write back");
    expect_eq(mmuext_linear(MMUEXT_FLUSH_CACHE_GLOBAL, NULL), 0, "everywhere");
    expect_eq(mmuext_mfn(MMUEXT_MARK_SUPER, va_mfn(from)), -XEN_EOPNOTSUPP, "superpages");
    expect_eq(mmuext_mfn(MMUEXT_UNMARK_SUPER, va_mfn(from)), -XEN_EOPNOTSUPP, "superpages");
    expect_eq(mmuext_mfn(14, va_mfn(from)), -XEN_ENOSYS, "a hole in the numbers");
}
