/* SPDX-License-Identifier: MIT */
/*
 * Two guests and their frames, over the core's own frame table, types and heap,
 * and an audit: what the references and uses of every frame should be, counted
 * from the tables.  For tests of page tables, included once in each.
 */
#ifndef TESTS_UNIT_PAGE_WORLD_H
#define TESTS_UNIT_PAGE_WORLD_H

#include <check.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "guest-pv-headers/errno.h"
#include "hypervisor/domain/io_permissions.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/mm/page_type.h"
#include "hypervisor/pv/page_tables.h"
#include "hypervisor/pv/segments.h"
#include "hypervisor/x86/features.h"
#include "hypervisor/x86/paging.h"
#include "hypervisor/x86/percpu.h"
#include "hypervisor/x86/tlb.h"
#include "tests/fake/fake.h"
#include "tests/unit/require.h"

#define RW        ((pte_t)(PTE_PRESENT | PTE_WRITABLE | PTE_USER))
#define RO        ((pte_t)(PTE_PRESENT | PTE_USER))
#define CORE_MARK UINT64_C(0x00000deadbeef003)

static struct domain *guest, *other;
static struct vcpu *vcpu;

/* What the test itself holds: pins, and what it took by hand. */
static uint64_t extra_refs[FAKE_FRAMES], extra_uses[FAKE_FRAMES];

static _Thread_local unsigned int preempt_in; /* this question is answered with yes; 0: none is */
static bool several_cpus;
static void (*while_spinning)(void);
static unsigned int spins;
static uint64_t device_allowed; /* the one device frame the guest may map */
static bool segments_fit;       /* what segments_adjust() says, unless it is the real one */

struct cpu_features cpu_features = { .physical_bits = 46 };
pte_t core_l4[PTE_ENTRIES];

/* ---- neighbours ----------------------------------------------------------------------------- */

static bool any_table_locked(void)
{
    for (unsigned int i = 1; i < FAKE_FRAMES; i++) {
        if (frame_table[i].lock != 0) {
            return true;
        }
    }
    return false;
}

bool preempt_pending(void)
{
    require(several_cpus || !any_table_locked());
    return preempt_in != 0 && --preempt_in == 0;
}

void spin_wait(void)
{
    void (*once)(void) = while_spinning;

    while_spinning = NULL;
    if (several_cpus) {
        sched_yield();
    } else if (once != NULL) {
        spins++;
        once();
    } else {
        ck_abort_msg("a CPU waits for itself");
    }
}

void paging_install_core(pte_t *guest_l4)
{
    for (unsigned int i = CORE_FIRST_SLOT; i <= CORE_LAST_SLOT; i++) {
        guest_l4[i] = CORE_MARK;
    }
}

#ifndef PAGE_WORLD_WITH_SEGMENTS /* the test has the real ones */
int segments_adjust(uint64_t *descriptors)
{
    (void)descriptors;
    return segments_fit ? 0 : -XEN_EINVAL;
}
#endif

bool io_permitted(struct domain *domain, enum io_kind kind, uint64_t first, uint64_t last)
{
    require(domain != NULL);
    return domain == guest && kind == IO_FRAME && first == device_allowed && last == device_allowed;
}

/* ---- frames --------------------------------------------------------------------------------- */

static void page_world_setup(void)
{
    fake_reset();
    memset(extra_refs, 0, sizeof(extra_refs));
    memset(extra_uses, 0, sizeof(extra_uses));
    preempt_in = 0;
    several_cpus = false;
    while_spinning = NULL;
    spins = 0;
    device_allowed = 0;
    segments_fit = true;
    frame_limit = FAKE_FRAMES;
    guest = fake_domain_new(1, 2, false);
    other = fake_domain_new(2, 1, false);
    vcpu = guest->vcpu[0];
    vcpu->pv.kernel_mode = true;
    fake_set_current(vcpu);
}

static void page_world_teardown(void)
{
    fake_domain_free(guest);
    fake_domain_free(other);
}

static uint64_t number_of(const struct page *page)
{
    return page_frame(page).number;
}

static pte_t *table_of(const struct page *page)
{
    return page_address(page);
}

static pte_t entry_of(const struct page *page, pte_t flags)
{
    return pte_make(page_frame(page), flags);
}

static enum page_state state_of(const struct page *page)
{
    return page_use_state(page->use);
}

/* ---- the audit ------------------------------------------------------------------------------ */

static uint64_t expected_refs[FAKE_FRAMES], expected_uses[FAKE_FRAMES];

static void count_entry(pte_t entry, unsigned int level)
{
    uint64_t number = pte_frame(entry).number;

    if ((entry & PTE_PRESENT) == 0 || number >= FAKE_FRAMES ||
        page_owner(&frame_table[number]) == DOMID_IO) {
        return;
    }
    expected_refs[number]++;
    expected_uses[number] += level > 1 || (entry & PTE_WRITABLE) != 0;
}

static void count_table(const struct page *page)
{
    unsigned int level = page_use_type(page->use), cursor = page_use_cursor(page->use);
    unsigned int held = PTE_ENTRIES;

    if (level < PAGE_L1 || level > PAGE_L4 || state_of(page) == PAGE_FREE) {
        return;
    }
    if (state_of(page) == PAGE_PARTIAL) {
        held = cursor & ~PAGE_CURSOR_GIVEN_UP;
        held -= (cursor & PAGE_CURSOR_GIVEN_UP) != 0;
    }
    require(held <= PTE_ENTRIES);
    for (unsigned int i = 0; i < held; i++) {
        if (level < 4 || i < CORE_FIRST_SLOT || i > CORE_LAST_SLOT) {
            count_entry(table_of(page)[i], level);
        } else if (state_of(page) == PAGE_IN_USE) {
            /* The machine-to-physical table is hidden from programs. */
            require(table_of(page)[i] == CORE_MARK ||
                    (i == pte_index(M2P_GUEST_START, 4) && table_of(page)[i] == 0));
        }
    }
}

static void audit(void)
{
    for (unsigned int i = 1; i < FAKE_FRAMES; i++) {
        const struct page *page = &frame_table[i];

        require(state_of(page) != PAGE_BUSY);
        expected_refs[i] = extra_refs[i] + ((page->refs & PAGE_REF_ALLOCATED) != 0) +
                           (state_of(page) == PAGE_PARTIAL);
        expected_uses[i] = extra_uses[i];
    }
    for (unsigned int i = 1; i < FAKE_FRAMES; i++) {
        count_table(&frame_table[i]);
    }
    for (unsigned int i = 1; i < FAKE_FRAMES; i++) {
        const struct page *page = &frame_table[i];

        if ((page->refs & PAGE_REF_FREE) != 0 || page_owner(page) == DOMID_IO) {
            continue;
        }
        if ((page->refs & PAGE_REF_COUNT) != expected_refs[i] ||
            (page->use & PAGE_USE_COUNT) != expected_uses[i] ||
            (state_of(page) == PAGE_IN_USE) != (expected_uses[i] > 0)) {
            ck_abort_msg("frame %u: %lu refs, %lu expected; use %lx, %lu uses expected", i,
                         page->refs & PAGE_REF_COUNT, expected_refs[i], page->use,
                         expected_uses[i]);
        }
    }
}

/* ---- doing ---------------------------------------------------------------------------------- */

/* A use of a table held by the test, as a pin is. */
static inline int pin(struct page *table, unsigned int level)
{
    int error = frame_type_get(page_frame(table), guest->id, (enum page_type)level);

    if (error == 0) {
        extra_refs[number_of(table)]++;
        extra_uses[number_of(table)]++;
    }
    return error;
}

static inline struct page *new_page(void)
{
    return fake_page_new(guest);
}

/* A table of `level` in use, pinned, empty. */
static inline struct page *new_table(unsigned int level)
{
    struct page *table = new_page();

    ck_assert_int_eq(pin(table, level), 0);
    return table;
}

static inline void unpin(struct page *table)
{
    extra_refs[number_of(table)]--;
    extra_uses[number_of(table)]--;
    pt_table_put(vcpu, table);
}

static inline int set(struct page *table, unsigned int index, pte_t entry)
{
    return pt_set_entry(guest, guest->id, table, index, entry, false);
}

#endif
