/* SPDX-License-Identifier: MIT */
/*
 * Checking and changing page-table entries.
 *
 * Locking: a table's entries change under page_table_lock() of its frame, while
 * it is found in use.  The references of a new entry are taken before, those of
 * the old one dropped after the swap, so that a table under validation is never
 * waited for with the lock held (except for level 1, whose entries are frames).
 */
#include "hypervisor/pv/page_tables.h"

#include "hypervisor/domain/io_permissions.h"
#include "hypervisor/mm/page_type.h"
#include "hypervisor/pv/segments.h"
#include "hypervisor/x86/features.h"
#include "hypervisor/x86/paging.h"

/* Allow-lists: a bit nobody thought of is refused. */
#define FLAGS_ANY                                                                      \
    (PTE_PRESENT | PTE_WRITABLE | PTE_USER | PTE_ACCESSED | PTE_DIRTY | PTE_SOFTWARE | \
     PTE_SOFTWARE_HIGH | PTE_NO_EXECUTE | PTE_FRAME)
#define FLAGS_L1    (FLAGS_ANY | PTE_GLOBAL) /* of level 2 as well */
#define FLAGS_CACHE (PTE_PWT | PTE_PCD | PTE_PAT)

#define REGION_SHIFT (PAGE_SHIFT + 9) /* what a level-1 table maps */

/* What distinguishes two entries as far as references go. */
#define REFERENCE_BITS (PTE_FRAME | PTE_PRESENT | PTE_WRITABLE)

/* The guest's kernel runs in ring 3 too; global would outlive a change of address space. */
static pte_t adjust(pte_t entry)
{
    return (entry | PTE_USER) & ~(pte_t)PTE_GLOBAL;
}

static bool is_device(mfn_t frame)
{
    return !frame_valid(frame) || page_owner(page_of(frame)) == DOMID_IO;
}

/*
 * Memory is checked, by the core, through the cache: what a guest has written past the
 * cache, or what is in the cache only, is another page table than the one checked.  So
 * how a page is cached may be chosen for devices, and by the control domain.
 */
static bool cold_path odd_flags_ok(domid_t mapper, pte_t entry)
{
    return (entry & ~(FLAGS_L1 | FLAGS_CACHE)) == 0 &&
           ((dom0 != NULL && mapper == dom0->id) || is_device(pte_frame(entry)));
}

static inline bool l1_flags_ok(domid_t mapper, pte_t entry)
{
    return likely((entry & ~FLAGS_L1) == 0) || odd_flags_ok(mapper, entry);
}

static int cold_path hold_device(domid_t mapper, mfn_t frame)
{
    struct domain *domain;
    bool allowed;

    if (frame.number >> (cpu_features.physical_bits - PAGE_SHIFT) != 0) {
        return -XEN_EINVAL;
    }
    domain = domain_find(mapper);
    if (domain == NULL) {
        return -XEN_EINVAL;
    }
    allowed = io_permitted(domain, IO_FRAME, frame.number, frame.number);
    domain_put(domain);
    return allowed ? 0 : -XEN_EINVAL;
}

/* Take what a level-1 entry needs; `mapper` owns the table.  -XEN_EINVAL, -XEN_EBUSY. */
static inline int hold_l1(domid_t mapper, domid_t owner, pte_t entry)
{
    mfn_t frame = pte_frame(entry);
    struct page *page;

    if (unlikely(!frame_valid(frame))) {
        return hold_device(mapper, frame);
    }
    page = page_of(frame);
    if (unlikely(owner == DOMID_IO) || unlikely(!page_get(page, owner))) {
        return is_device(frame) && (owner == mapper || owner == DOMID_IO)
                   ? hold_device(mapper, frame)
                   : -XEN_EINVAL;
    }
    if (unlikely(owner != mapper)) {
        page_mark_foreign(page);
    }
    if ((entry & PTE_WRITABLE) != 0) {
        int error = page_writable_get_locked(page);

        if (unlikely(error != 0)) {
            page_put(page);
            return error;
        }
    }
    return 0;
}

inline void pt_release_l1_entry(pte_t entry)
{
    mfn_t frame = pte_frame(entry);
    struct page *page;

    if ((entry & PTE_PRESENT) == 0 || unlikely(!frame_valid(frame))) {
        return;
    }
    page = page_of(frame);
    if (unlikely(page_owner(page) == DOMID_IO)) {
        return;
    }
    if ((entry & PTE_WRITABLE) != 0) {
        page_writable_put(page);
    }
    page_put(page);
}

/* Store `entry`; with keep_bits, what the CPU noted in the old one stays. */
static inline void store(pte_t *slot, pte_t old, pte_t entry, bool keep_bits)
{
    if (!keep_bits || (old & PTE_PRESENT) == 0) {
        write_once(*slot, entry);
        return;
    }
    while (!atomic_compare_swap(slot, &old, entry | (old & (PTE_ACCESSED | PTE_DIRTY)))) {
    }
}

/* The same frame, RAM of any owner, becomes writable or read-only: only the type changes. */
static inline int set_writable(pte_t *slot, pte_t old, pte_t entry, bool keep_bits)
{
    struct page *page = page_of(pte_frame(entry));
    int error;

    if ((entry & PTE_WRITABLE) == 0) {
        store(slot, old, entry, keep_bits);
        page_writable_put(page);
        return 0;
    }
    error = page_writable_get_locked(page);
    if (unlikely(error != 0)) {
        return error;
    }
    store(slot, old, entry, keep_bits);
    return 0;
}

static inline int set_l1_locked(domid_t mapper, domid_t owner, pte_t *slot, pte_t entry,
                                bool keep_bits)
{
    pte_t old = read_once(*slot);
    int error;

    if ((entry & PTE_PRESENT) == 0) {
        write_once(*slot, entry);
        pt_release_l1_entry(old);
        return 0;
    }
    if (!l1_flags_ok(mapper, entry)) {
        return -XEN_EINVAL;
    }
    entry = adjust(entry);
    if (((old ^ entry) & REFERENCE_BITS) == 0) {
        store(slot, old, entry, keep_bits);
        return 0;
    }
    if (((old ^ entry) & REFERENCE_BITS) == PTE_WRITABLE && frame_valid(pte_frame(entry)) &&
        page_owner(page_of(pte_frame(entry))) == owner && owner != DOMID_IO) {
        return set_writable(slot, old, entry, keep_bits);
    }
    error = hold_l1(mapper, owner, entry);
    if (unlikely(error != 0)) {
        return error;
    }
    store(slot, old, entry, keep_bits);
    pt_release_l1_entry(old);
    return 0;
}

void pt_table_put(struct vcpu *vcpu, struct page *table)
{
    if (page_type_put_preemptible(table) != 0) {
        vcpu->pv.unfinished = table;
    }
    page_put(table);
}

int pt_finish(struct vcpu *vcpu)
{
    struct page *page = vcpu->pv.unfinished;
    int error;

    if (likely(page == NULL)) {
        return 0;
    }
    if (page_owner(page) == vcpu->domain->id) {
        error = page_type_finish(page);
        if (error != 0) {
            return error;
        }
    }
    vcpu->pv.unfinished = NULL;
    return 0;
}

void pt_show_m2p(mfn_t l4, bool show)
{
    pte_t *slot = (pte_t *)direct_map_mfn(l4) + pte_index(M2P_GUEST_START, 4);
    pte_t wanted = show ? core_l4[pte_index(M2P_GUEST_START, 4)] : 0;

    if (unlikely(*slot != wanted)) {
        write_once(*slot, wanted);
    }
}

static bool core_slot(unsigned int level, unsigned int index)
{
    return level == 4 && index >= CORE_FIRST_SLOT && index <= CORE_LAST_SLOT;
}

static bool table_flags_ok(unsigned int level, pte_t entry)
{
    return (entry & ~(level == 2 ? FLAGS_L1 : FLAGS_ANY)) == 0;
}

static int set_upper(struct domain *domain, struct page *table, unsigned int level,
                     unsigned int index, pte_t entry, bool keep_bits)
{
    bool present = (entry & PTE_PRESENT) != 0;
    pte_t *slot = (pte_t *)page_address(table) + index;
    pte_t old;
    int error;

    if (core_slot(level, index) || (present && !table_flags_ok(level, entry))) {
        return -XEN_EINVAL;
    }
    if (present) {
        entry = adjust(entry);
        error = frame_type_get(pte_frame(entry), domain->id, (enum page_type)(level - 1));
        if (error != 0) {
            return error;
        }
    }

    page_table_lock(table);
    if (!page_is(table, (enum page_type)level) || page_owner(table) != domain->id) {
        page_table_unlock(table);
        if (present) {
            pt_table_put(current, page_of(pte_frame(entry)));
        }
        return -XEN_EAGAIN;
    }
    old = read_once(*slot);
    store(slot, old, entry, keep_bits);
    page_table_unlock(table);

    if ((old & PTE_PRESENT) != 0) {
        atomic_fetch_add(&domain->upper_changes, 1); /* after the store, before the table is free */
        pt_table_put(current, page_of(pte_frame(old)));
    }
    return 0;
}

int pt_set_entry(struct domain *domain, domid_t owner, struct page *table, unsigned int index,
                 pte_t entry, bool keep_bits)
{
    uint64_t kind = PAGE_USE_KIND(atomic_load_explicit(&table->use, memory_order_relaxed));
    int error;

    if (unlikely(kind != PAGE_IN_USE_AS(PAGE_L1))) {
        if (kind >= PAGE_IN_USE_AS(PAGE_L2) && kind <= PAGE_IN_USE_AS(PAGE_L4)) {
            return set_upper(domain, table, (unsigned int)kind & 15, index, entry, keep_bits);
        }
        return -XEN_EAGAIN;
    }
    do {
        error = -XEN_EAGAIN;
        page_table_lock(table);
        if (likely(page_is(table, PAGE_L1) && page_owner(table) == domain->id)) {
            error = set_l1_locked(domain->id, owner, (pte_t *)page_address(table) + index, entry,
                                  keep_bits);
        }
        page_table_unlock(table);
        /* What is to be mapped writable is a table half way down or up: finish it, without a lock.
         */
    } while (unlikely(error == -XEN_EBUSY) &&
             (error = page_type_finish(page_of(pte_frame(entry)))) == 0);
    return error;
}

/*
 * The tables may change under this walk; each frame is checked to be the
 * domain's own, so that at worst a wrong table of the guest is found.
 */
static struct page *walk(struct vcpu *vcpu, mfn_t top, uint64_t address, uint64_t changes)
{
    domid_t id = vcpu->domain->id;
    mfn_t frame = top;

    if (unlikely(!guest_address_ok(address) || !address_canonical(address))) {
        return NULL;
    }
    for (unsigned int level = 4; level > 1; level--) {
        pte_t entry = read_once(((pte_t *)direct_map_mfn(frame))[pte_index(address, level)]);

        frame = pte_frame(entry);
        if ((entry & PTE_PRESENT) == 0 || !frame_valid(frame) || page_owner(page_of(frame)) != id) {
            return NULL;
        }
    }
    vcpu->pv.walked.top = top;
    vcpu->pv.walked.region = address >> REGION_SHIFT;
    vcpu->pv.walked.changes = changes;
    vcpu->pv.walked.l1 = page_of(frame);
    return page_of(frame);
}

/*
 * The last walk holds while its top-level table is in use (whoever loads another
 * calls pt_forget_walk()) and no upper entry has changed since before it.
 */
struct page *pt_find_l1(struct vcpu *vcpu, uint64_t address)
{
    mfn_t top = vcpu->pv.kernel_mode ? vcpu->pv.kernel_l4 : vcpu->pv.user_l4;
    uint64_t changes = atomic_load(&vcpu->domain->upper_changes);

    return likely(vcpu->pv.walked.region == address >> REGION_SHIFT &&
                  vcpu->pv.walked.changes == changes && mfn_equal(vcpu->pv.walked.top, top))
               ? vcpu->pv.walked.l1
               : walk(vcpu, top, address, changes);
}

pte_t pt_read_l1(struct vcpu *vcpu, uint64_t address)
{
    struct page *table = pt_find_l1(vcpu, address);

    return table == NULL ? 0 : read_once(((pte_t *)page_address(table))[pte_index(address, 1)]);
}

bool pt_find_l1_of_table(struct vcpu *vcpu, uint64_t address, mfn_t *table)
{
    pte_t entry = pt_read_l1(vcpu, address);
    mfn_t frame = pte_frame(entry);

    if ((entry & PTE_PRESENT) == 0 || !frame_valid(frame) || !page_is(page_of(frame), PAGE_L1) ||
        page_owner(page_of(frame)) != vcpu->domain->id) {
        return false;
    }
    *table = frame;
    return true;
}

int pt_write_entry(struct vcpu *vcpu, mfn_t table, unsigned int index, pte_t old, pte_t new_entry)
{
    struct page *page = page_of(table);
    domid_t id = vcpu->domain->id;
    pte_t *slot = (pte_t *)page_address(page) + index;
    bool present = (new_entry & PTE_PRESENT) != 0;
    bool same, swapped;
    int error = 0;

    if (present) {
        if (!l1_flags_ok(id, new_entry)) {
            return -XEN_EINVAL;
        }
        new_entry = adjust(new_entry);
    }
    same = ((old ^ new_entry) & REFERENCE_BITS) == 0;

    page_table_lock(page);
    if (!page_is(page, PAGE_L1) || page_owner(page) != id) {
        error = -XEN_EAGAIN;
    } else if (present && !same && (error = hold_l1(id, id, new_entry)) != 0) {
        /* Nothing is taken, nothing changes. */
    } else {
        swapped = atomic_compare_swap(slot, &old, new_entry);
        error = swapped ? 0 : -XEN_EAGAIN;
        if (!same) {
            /* Whichever of the two is not in the table now. */
            pt_release_l1_entry(swapped ? old : new_entry);
        }
    }
    page_table_unlock(page);
    if (unlikely(error == -XEN_EBUSY)) {
        (void)!page_type_finish(page_of(pte_frame(new_entry)));
        error = -XEN_EAGAIN;
    }
    return error;
}

int pt_swap_l1(struct domain *domain, struct page *table, unsigned int index, pte_t entry,
               pte_t *old)
{
    int error = -XEN_EINVAL;

    page_table_lock(table);
    if (page_is(table, PAGE_L1) && page_owner(table) == domain->id) {
        *old = atomic_swap((pte_t *)page_address(table) + index, entry);
        error = 0;
    }
    page_table_unlock(table);
    return error;
}

int pt_exchange_l1(struct domain *domain, struct page *table, unsigned int index, pte_t old,
                   pte_t new_entry)
{
    pte_t *slot = (pte_t *)page_address(table) + index;
    int error = -XEN_EINVAL;

    page_table_lock(table);
    if (page_is(table, PAGE_L1) && page_owner(table) == domain->id &&
        ((read_once(*slot) ^ old) & REFERENCE_BITS) == 0) {
        write_once(*slot, new_entry);
        error = 0;
    }
    page_table_unlock(table);
    return error;
}

/* --- validation and invalidation of whole tables (mm/page_type.c) --- */

/* Tables are mostly empty: are the eight entries from a multiple of 8 on? */
static inline bool eight_absent(const pte_t *at)
{
    return ((at[0] | at[1] | at[2] | at[3] | at[4] | at[5] | at[6] | at[7]) & PTE_PRESENT) == 0;
}

/* The first present entry from `i` on; PTE_ENTRIES if there is none. */
static inline unsigned int next_present(const pte_t *table, unsigned int i)
{
    while (i < PTE_ENTRIES && (table[i] & PTE_PRESENT) == 0) {
        i += i % 8 == 0 && eight_absent(&table[i]) ? 8 : 1;
    }
    return i;
}

/* One more than the last present entry below `i`; 0 if there is none. */
static inline unsigned int last_present(const pte_t *table, unsigned int i)
{
    while (i > 0 && (table[i - 1] & PTE_PRESENT) == 0) {
        i -= i % 8 == 0 && eight_absent(&table[i - 8]) ? 8 : 1;
    }
    return i;
}

static int l1_entries_hold(domid_t id, pte_t *table, unsigned int *cursor)
{
    int error;

    for (unsigned int i = *cursor; (i = next_present(table, i)) < PTE_ENTRIES; i++) {
        pte_t entry = table[i];

        do {
            error = l1_flags_ok(id, entry) ? hold_l1(id, id, adjust(entry)) : -XEN_EINVAL;
            /* What is to be mapped writable is a table half way down or up: finish it, without a
             * lock. */
        } while (unlikely(error == -XEN_EBUSY) &&
                 (error = page_type_finish(page_of(pte_frame(entry)))) == 0);
        if (unlikely(error != 0)) {
            *cursor = i;
            return error;
        }
        if (entry != adjust(entry)) {
            table[i] = adjust(entry);
        }
    }
    *cursor = PTE_ENTRIES;
    return 0;
}

static int table_entries_hold(domid_t id, unsigned int level, pte_t *table, unsigned int *cursor)
{
    unsigned int first = *cursor & ~PAGE_CURSOR_GIVEN_UP;
    unsigned int i = first != *cursor ? first - 1 : first;

    for (; (i = next_present(table, i)) < PTE_ENTRIES; i++) {
        pte_t entry = table[i];
        int error;

        *cursor = i;
        if (core_slot(level, i)) {
            continue;
        }
        if (!table_flags_ok(level, entry)) {
            return -XEN_EINVAL;
        }
        error = frame_type_get(pte_frame(entry), id, (enum page_type)(level - 1));
        if (error != 0) {
            return error;
        }
        if (entry != adjust(entry)) {
            table[i] = adjust(entry);
        }
        *cursor = i + 1;
        if (i + 1 < PTE_ENTRIES && preempt_pending()) {
            return -XEN_ERESTART;
        }
    }
    *cursor = PTE_ENTRIES;
    if (level == 4) {
        paging_install_core(table);
    }
    return 0;
}

int page_entries_hold(struct page *page, enum page_type type, unsigned int *cursor)
{
    domid_t id = page_owner(page);

    if (type == PAGE_SEGMENTS) {
        return segments_adjust(page_address(page));
    }
    if (type == PAGE_L1) {
        return l1_entries_hold(id, page_address(page), cursor);
    }
    return table_entries_hold(id, (unsigned int)type, page_address(page), cursor);
}

/*
 * A child whose own release is preempted is given up by its parent already; the
 * parent's cursor says so, and the child is finished first when it goes on.
 */
static int release_child(domid_t id, pte_t entry, bool given_up)
{
    struct page *child = page_of(pte_frame(entry));
    int error;

    if (given_up) {
        return page_owner(child) == id ? page_type_finish(child) : 0;
    }
    error = page_type_put_preemptible(child);
    page_put(child);
    return error;
}

static int table_entries_release(domid_t id, unsigned int level, pte_t *table, unsigned int *cursor)
{
    unsigned int i = *cursor & ~PAGE_CURSOR_GIVEN_UP;
    bool given_up = (*cursor & PAGE_CURSOR_GIVEN_UP) != 0;

    for (; (i = last_present(table, i)) > 0; i--) {
        if (core_slot(level, i - 1)) {
            continue;
        }
        if (release_child(id, table[i - 1], given_up) != 0) {
            *cursor = i | PAGE_CURSOR_GIVEN_UP;
            return -XEN_ERESTART;
        }
        given_up = false;
        if (i > 1 && preempt_pending()) {
            *cursor = i - 1;
            return -XEN_ERESTART;
        }
    }
    *cursor = 0;
    return 0;
}

int page_entries_release(struct page *page, enum page_type type, unsigned int *cursor)
{
    pte_t *table = page_address(page);

    if (type == PAGE_SEGMENTS) {
        return 0;
    }
    if (type != PAGE_L1) {
        return table_entries_release(page_owner(page), (unsigned int)type, table, cursor);
    }
    for (unsigned int i = *cursor; (i = last_present(table, i)) > 0; i--) {
        pt_release_l1_entry(table[i - 1]);
    }
    *cursor = 0;
    return 0;
}
