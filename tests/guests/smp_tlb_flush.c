/* SPDX-License-Identifier: MIT */
/*
 * After TLB_FLUSH_MULTI, INVLPG_MULTI, _ALL or a flushing update_va_mapping, no vCPU sees the old
 * mapping: a second one watches a page that is remapped under it.
 *
 * A guest frees the old frame right after the flush; a stale entry is a write to somebody else's
 * memory.
 * Source: public mmuext_op and update_va_mapping.
 */
#include "tests/guests/lib/guest.h"

static volatile uint64_t *window;
static uint64_t *pages[2];
static volatile unsigned int asked, answered;
static volatile uint64_t answer;

static void watch(void *unused)
{
    (void)unused;
    while (asked != ~0U) {
        if (asked != answered) {
            answer = *window;
            answered = asked;
        } else {
            (void)*window; /* keep the entry warm */
        }
    }
}

static void ask(uint64_t want, const char *what)
{
    asked++;
    if (!wait_for(answered == asked, 3000UL)) {
        test_abort("the other vCPU does not answer");
    }
    expect_eq(answer, want, what);
}

static long flush(unsigned int command, uint64_t *mask)
{
    struct mmuext_op request = {
        .cmd = command,
        .arg1.linear_addr = (unsigned long)window,
        .arg2.vcpumask = mask,
    };

    return hypercall4(__HYPERVISOR_mmuext_op, &request, 1, 0, DOMID_SELF);
}

void test_main(void)
{
    static uint64_t mask = 3;
    static const struct {
        unsigned int command;
        const char *name;
    } ways[] = {
        { MMUEXT_TLB_FLUSH_MULTI, "TLB_FLUSH_MULTI" },
        { MMUEXT_INVLPG_MULTI, "INVLPG_MULTI" },
        { MMUEXT_TLB_FLUSH_ALL, "TLB_FLUSH_ALL" },
        { MMUEXT_INVLPG_ALL, "INVLPG_ALL" },
    };
    long result;

    window = spare_va();
    for (unsigned int i = 0; i < 2; i++) {
        pages[i] = page_alloc();
        pages[i][0] = 100 + i;
    }
    expect_eq(update_va(window, pte(va_mfn(pages[0]), PTE_READ_WRITE), UVMF_INVLPG | UVMF_ALL), 0,
              "map");
    cpu_start(1, watch, NULL);
    ask(100, "first");

    for (unsigned int round = 0; round < 40; round++) {
        unsigned int next = (round + 1) % 2;
        unsigned int way = round % ARRAY_SIZE(ways);

        expect_eq(mmu_update_one(entry_maddr(window, 1), pte(va_mfn(pages[next]), PTE_READ_WRITE)),
                  0, "remap");
        expect_eq(flush(ways[way].command, &mask), 0, ways[way].name);
        ask(100 + next, ways[way].name);
    }
    for (unsigned int round = 0; round < 40; round++) {
        unsigned int next = (round + 1) % 2;
        unsigned long flags = round % 4 < 2 ? UVMF_INVLPG : UVMF_TLB_FLUSH;

        flags |= (round & 4) != 0 ? UVMF_ALL : (unsigned long)&mask;
        expect_eq(update_va(window, pte(va_mfn(pages[next]), PTE_READ_WRITE), flags), 0, "remap");
        ask(100 + next, "update_va_mapping");
    }
    asked = ~0U;
    cpu_wait(1);

    result = flush(MMUEXT_TLB_FLUSH_MULTI, BAD_UNMAPPED);
    expect(result == -XEN_EFAULT || result == -XEN_EINVAL, "bad mask");
    result = flush(MMUEXT_INVLPG_MULTI, BAD_HYPERVISOR);
    expect(result == -XEN_EFAULT || result == -XEN_EINVAL, "bad mask");
    mask = ~0UL;
    expect_eq(flush(MMUEXT_TLB_FLUSH_MULTI, &mask), 0, "more vCPUs than there are");
    mask = 0;
    expect_eq(flush(MMUEXT_TLB_FLUSH_MULTI, &mask), 0, "nobody");
}
