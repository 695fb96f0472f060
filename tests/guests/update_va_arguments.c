/* SPDX-License-Identifier: MIT */
/*
 * update_va_mapping with every kind of flush, and with addresses that have no entry.
 *
 * Attack: an address in the hypervisor's area, whose entry would then be the guest's to write; a
 * vCPU bitmap that is not there.
 * Source: public update_va_mapping; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

void test_main(void)
{
    static uint64_t mask = 1;
    volatile uint64_t *window = spare_va();
    uint64_t *pages[2] = { page_alloc(), page_alloc() };
    const unsigned long flushes[] = {
        UVMF_INVLPG | UVMF_LOCAL,
        UVMF_TLB_FLUSH | UVMF_LOCAL,
        UVMF_INVLPG | UVMF_ALL,
        UVMF_TLB_FLUSH | UVMF_ALL,
        UVMF_INVLPG | (unsigned long)&mask,
        UVMF_TLB_FLUSH | (unsigned long)&mask,
    };
    static void *const nowhere[] = {
        NULL,
        (void *)0x0000700000000000UL,
        BAD_UNMAPPED,
        BAD_TOP,
        BAD_HYPERVISOR,
        (void *)0xffff800000000000UL,
        (void *)0xffff87fffffff000UL,
        BAD_NONCANONICAL,
        (void *)0x8000000000000000UL,
    };
    uint64_t good;
    long result;

    pages[0][0] = 10;
    pages[1][0] = 11;
    for (unsigned int i = 0; i < 4 * ARRAY_SIZE(flushes); i++) {
        good = pte(va_mfn(pages[i % 2]), PTE_READ_WRITE);
        expect_eq(update_va(window, good, flushes[i % ARRAY_SIZE(flushes)]), 0, "remap");
        expect_eq(*window, 10 + i % 2, "the new page is seen");
    }
    good = pte(va_mfn(pages[0]), PTE_READ_WRITE);
    /* An address inside the page is as good as its start. */
    expect_eq(update_va((volatile uint8_t *)window + 123, good, UVMF_INVLPG), 0, "inside");
    expect_eq(update_va(window, good, UVMF_NONE), 0, "no flush");

    for (unsigned int i = 0; i < ARRAY_SIZE(nowhere); i++) {
        expect(update_va(nowhere[i], good, UVMF_INVLPG) < 0, "no entry for this address");
        expect(update_va(nowhere[i], 0, UVMF_INVLPG) < 0, "nor to clear");
    }
    /* The entry is written before the flush fails; what matters is that nothing breaks. */
    result = update_va(window, good, UVMF_TLB_FLUSH | (unsigned long)BAD_HYPERVISOR);
    printf("mask in the hypervisor: %ld\n", result);
    expect(result == 0 || result == -XEN_EFAULT || result == -XEN_EINVAL, "bad mask");
    result = update_va(window, good, UVMF_INVLPG | (unsigned long)BAD_UNMAPPED);
    expect(result == 0 || result == -XEN_EFAULT || result == -XEN_EINVAL, "bad mask");
    result = update_va(window, good, 3);
    printf("flush type 3: %ld\n", result);
    expect(result == 0 || result == -XEN_EINVAL, "both kinds of flush at once");

    /* An entry that changes nothing is not looked at: another page. */
    good = pte(va_mfn(pages[1]), PTE_READ_WRITE);
    expect_eq(hypercall4(__HYPERVISOR_update_va_mapping_otherdomain, window, good, UVMF_INVLPG, 77),
              -XEN_ESRCH, "nobody's frames");
    expect(hypercall4(__HYPERVISOR_update_va_mapping_otherdomain, window, good, UVMF_INVLPG,
                      DOMID_XEN) < 0,
           "our frame as the hypervisor's");
    expect_eq(*window, 10, "unchanged");
}
