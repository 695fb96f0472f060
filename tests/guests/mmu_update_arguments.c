/* SPDX-License-Identifier: MIT */
/*
 * mmu_update and mmuext_op batches: the number done is exact, errors stop the batch, and counts,
 * pointers and domains that make no sense are refused.
 *
 * Source: public xen.h; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static struct mmu_update updates[8];
static struct mmuext_op operations[8];
static uint8_t *windows[8];
static uint64_t good;

static void prepare(void)
{
    for (unsigned int i = 0; i < 8; i++) {
        updates[i] = (struct mmu_update){ .ptr = entry_maddr(windows[i], 1), .val = good };
        operations[i] = (struct mmuext_op){ .cmd = MMUEXT_TLB_FLUSH_LOCAL };
    }
}

static long mmu(unsigned int count, unsigned int *done, unsigned int domid)
{
    return hypercall4(__HYPERVISOR_mmu_update, updates, count, done, domid);
}

static long ext(unsigned int count, unsigned int *done, unsigned int domid)
{
    return hypercall4(__HYPERVISOR_mmuext_op, operations, count, done, domid);
}

static void check_batches(void)
{
    unsigned int done = 99;

    prepare();
    expect_eq(mmu(0, &done, DOMID_SELF), 0, "an empty batch");
    expect_eq(done, 0, "nothing done");
    expect_eq(mmu(8, &done, DOMID_SELF), 0, "eight");
    expect_eq(done, 8, "all done");
    expect_eq(mmu(8, NULL, DOMID_SELF), 0, "without a count");

    updates[5].val = pte(va_mfn(kernel_l4), PTE_READ_WRITE);
    for (unsigned int i = 0; i < 8; i++) {
        update_va(windows[i], 0, UVMF_INVLPG);
    }
    expect(mmu(8, &done, DOMID_SELF) < 0, "a bad one");
    expect_eq(done, 5, "those before it are done");
    expect_eq(*entry_of(windows[4], 1) & PTE_P, 1, "the fifth");
    expect_eq(*entry_of(windows[6], 1) & PTE_P, 0, "not the seventh");
    prepare();
    updates[2].ptr = entry_maddr(windows[2], 1) + 4;
    expect(mmu(8, &done, DOMID_SELF) < 0 || done == 8, "an unaligned entry");

    prepare();
    expect_eq(ext(8, &done, DOMID_SELF), 0, "eight operations");
    expect_eq(done, 8, "all done");
    operations[3].cmd = 99;
    expect_eq(ext(8, &done, DOMID_SELF), -XEN_ENOSYS, "an unknown one");
    expect_eq(done, 3, "those before it are done");
}

static void check_pointers(void)
{
    static void *const pointers[] = { BAD_UNMAPPED, BAD_HYPERVISOR, BAD_NONCANONICAL };
    unsigned int done = 0;

    prepare();
    for (unsigned int i = 0; i < ARRAY_SIZE(pointers); i++) {
        expect_eq(hypercall4(__HYPERVISOR_mmu_update, pointers[i], 1, &done, DOMID_SELF),
                  -XEN_EFAULT, "requests");
        expect_eq(hypercall4(__HYPERVISOR_mmuext_op, pointers[i], 1, &done, DOMID_SELF),
                  -XEN_EFAULT, "operations");
        /* The work is done by the time the count cannot be told. */
        mmu(1, pointers[i], DOMID_SELF);
        ext(1, pointers[i], DOMID_SELF);
    }
    /* The list ends at a page that is not there. */
    {
        uint8_t *pages[2] = { page_alloc(), page_alloc() };
        struct mmu_update *edge = (void *)(pages[0] + PAGE_SIZE - 2 * sizeof(*edge));

        edge[0] = updates[0];
        edge[1] = updates[1];
        expect_eq(update_va(pages[1], 0, UVMF_INVLPG), 0, "unmap");
        expect_eq(hypercall4(__HYPERVISOR_mmu_update, edge, 3, &done, DOMID_SELF), -XEN_EFAULT,
                  "over the edge");
        expect_eq(done, 2, "up to the edge");
    }
}

static void check_counts_and_domains(void)
{
    unsigned int done = 0;
    long result;

    prepare();
    /* Runs until the list is no more, or refuses at once; it must come back. */
    result = mmu(0x7fffffff, &done, DOMID_SELF);
    expect(result < 0, "two billion updates");
    result = ext(0x7fffffff, &done, DOMID_SELF);
    expect(result < 0, "two billion operations");

    expect_eq(mmu(1, &done, 77), -XEN_ESRCH, "frames of nobody");
    expect_eq(ext(1, &done, 77), -XEN_ESRCH, "operations for nobody");
    expect_eq(mmu(1, &done, DOMID_SELF | (77 + 1) << 16), -XEN_ESRCH, "tables of nobody");
    /* An entry that changes nothing is not looked at, so empty it first. */
    expect_eq(update_va(windows[0], 0, UVMF_INVLPG), 0, "unmap");
    expect(mmu(1, &done, DOMID_XEN) < 0, "our frame as the hypervisor's");
    expect(mmu(1, &done, DOMID_IO) < 0, "our frame as a device's");
    expect(mmu(1, &done, DOMID_IDLE) < 0, "the idle domain's");
}

void test_main(void)
{
    good = pte(va_mfn(page_alloc()), PTE_READ_WRITE);
    for (unsigned int i = 0; i < 8; i++) {
        windows[i] = spare_va();
    }
    check_batches();
    check_pointers();
    check_counts_and_domains();
}
