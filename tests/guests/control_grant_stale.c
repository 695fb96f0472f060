/* SPDX-License-Identifier: MIT */
/*
 * Attack: a page is granted from one domain to another, which keeps a writable translation of it in
 * a TLB after the entry is gone; then the granter makes the page one of its page tables.
 *
 * By unmapping: the hypervisor must flush all CPUs of the mapper before the granter sees its page
 * unused. By overwriting the entry instead, without any flush: a later change of the page's type
 * must flush CPUs on which the granter has never been; also if the page was nearly exchanged for
 * another one meanwhile, and given back.
 * Source: invariants 2, 3 and 5 of the design.
 * PEER: differs: an entry that was overwritten can still be written through there
 */
#include "tests/guests/lib/second.h"

#define REF    8
#define ROUNDS 2 /* of overwriting: without and with an exchange that fails */
#define UNMAP  ROUNDS

enum turn { FIRST = 0, SECOND = 1, OVER = 2 };

static volatile struct talk {
    enum turn turn;
    bool ready;
    long result;
    uint64_t word;
    uint64_t filler[508];
} talk __attribute__((aligned(PAGE_SIZE)));

/* ---- the granter -------------------------------------------------------------------------- */

static uint64_t *pages[ROUNDS + 1];

/* Two pages for one of twice the size, the other of the two being nobody's. */
static long fail_to_exchange(unsigned long frame)
{
    xen_pfn_t in[2] = { frame, 0x00fffffff }, out[1] = { 0 };
    struct xen_memory_exchange request;

    memset(&request, 0, sizeof(request));
    request.in.extent_start = in;
    request.in.nr_extents = 2;
    request.in.domid = DOMID_SELF;
    request.out.extent_start = out;
    request.out.nr_extents = 1;
    request.out.extent_order = 1;
    request.out.domid = DOMID_SELF;
    return hypercall2(__HYPERVISOR_memory_op, XENMEM_exchange, &request);
}

static void wait_turn(void)
{
    while (talk.turn == FIRST) {
        __asm__ volatile("pause");
    }
}

static void as_second(void)
{
    volatile struct grant_entry_v1 *table = grant_table_map();
    unsigned long frames[ROUNDS + 1];
    long failed;

    for (unsigned int i = 0; i <= ROUNDS; i++) {
        pages[i] = page_alloc();
        frames[i] = va_mfn(pages[i]);
        table[REF + i] = (struct grant_entry_v1){ .frame = (uint32_t)frames[i] };
        table[REF + i].flags = GTF_permit_access;
    }
    talk.ready = true;
    for (unsigned int i = 0; i < ROUNDS; i++) {
        wait_turn();
        talk.result = update_va(pages[i], 0, UVMF_INVLPG);
        failed = i == 1 ? fail_to_exchange(frames[i]) : -1;
        expect(failed < 0, "an exchange that cannot be");
        if (talk.result == 0) {
            talk.result = mmuext_mfn(MMUEXT_PIN_L1_TABLE, frames[i]);
        }
        talk.turn = FIRST;
        wait_turn();
        expect_eq(update_va(pages[i], pte(frames[i], PTE_READ_ONLY), UVMF_INVLPG), 0, "look at it");
        talk.word = *pages[i];
        talk.turn = FIRST;
    }
    wait_turn();
}

/* ---- the mapper --------------------------------------------------------------------------- */

static volatile uint8_t *window;
static volatile unsigned int asked, answered;
static volatile int seen;

static struct gnttab_map_grant_ref map(unsigned int domain, grant_ref_t ref)
{
    struct gnttab_map_grant_ref request = {
        .host_addr = (uint64_t)window, .flags = GNTMAP_host_map, .ref = ref, .dom = (domid_t)domain
    };

    expect_eq(hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, &request, 1), 0,
              "map_grant_ref");
    expect_eq(request.status, GNTST_okay, "mapped");
    return request;
}

/* No hypercall, and so no chance of a flush, until the second is done. */
static void let_second(volatile struct talk *shown)
{
    shown->turn = SECOND;
    while (shown->turn == SECOND) {
        __asm__ volatile("pause");
    }
}

static void overwrite(unsigned int domain, volatile struct talk *shown, unsigned int round)
{
    (void)map(domain, REF + round);
    *window = 0;
    expect_eq(mmu_update_one(entry_maddr(window, 1), 0), 0, "overwritten");
    let_second(shown);
    expect_eq(shown->result, 0, "a page table now");
    expect_eq(try_write(window, 0x67).vector, VECTOR_PF, "written through a stale entry");
    let_second(shown);
    expect_eq(shown->word, 0, "its first entry");
}

static void other(void *unused)
{
    unsigned int question;

    (void)unused;
    while ((question = asked) < 2) {
        if (question != answered) {
            *window = 0;
            answered = question;
        }
    }
    seen = try_write(window, 0x67).vector;
    answered = question;
}

static void unmap(unsigned int domain)
{
    struct gnttab_map_grant_ref mapped = map(domain, REF + UNMAP);
    struct gnttab_unmap_grant_ref request = { .host_addr = mapped.host_addr,
                                              .handle = mapped.handle };

    cpu_start(1, other, NULL);
    asked = 1;
    expect(wait_for(answered == 1, 3000), "the other vCPU has it in its TLB");
    expect_eq(hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, &request, 1), 0,
              "unmap_grant_ref");
    expect_eq(request.status, GNTST_okay, "unmapped");
    asked = 2;
    expect(wait_for(answered == 2, 3000), "the other vCPU answers");
    expect_eq(seen, VECTOR_PF, "after the unmap, on the other vCPU");
    cpu_wait(1);
}

void test_main(void)
{
    volatile struct talk *shown;
    unsigned int domain;

    if (in_second()) {
        as_second();
        return;
    }
    shown = spare_va();
    window = spare_va();
    domain = second_start();
    expect_eq(
        hypercall4(__HYPERVISOR_update_va_mapping_otherdomain, shown,
                   pte(second_frame((unsigned int)(((uint64_t)&talk - VIRT_BASE) / PAGE_SIZE)),
                       PTE_READ_WRITE),
                   UVMF_INVLPG, domain),
        0, "where the two talk");
    if (!expect(wait_for(shown->ready, 3000), "the second is ready")) {
        return;
    }
    for (unsigned int round = 0; round < ROUNDS; round++) {
        overwrite(domain, shown, round);
    }
    expect_eq(domctl_plain(XEN_DOMCTL_pausedomain, domain), 0, "pause");
    unmap(domain);
    expect_eq(domctl_plain(XEN_DOMCTL_unpausedomain, domain), 0, "unpause");
    shown->turn = OVER;
    expect_eq(second_wait(domain, 3000), SHUTDOWN_poweroff, "the second domain's verdict");
    expect_eq(update_va(shown, 0, UVMF_INVLPG), 0, "no more talking");
    expect_eq(second_end(domain), 0, "destroyed");
}
