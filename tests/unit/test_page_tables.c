/* SPDX-License-Identifier: MIT */
/*
 * Checking and changing page tables.  After every step the audit counts the
 * references of all frames afresh (page_world.h).
 */
#include <pthread.h>

#include "tests/unit/page_world.h"
#include "tests/unit/suite.h"

/* ---- bits ----------------------------------------------------------------------------------- */

static bool refused_bit(unsigned int level, unsigned int bit)
{
    /* PWT and PCD; PAT, or a large page; and one that is reserved above. */
    return bit == 3 || bit == 4 || bit == 7 || (bit == 8 && level > 2);
}

START_TEST(each_bit_is_allowed_or_refused_at_each_level)
{
    for (unsigned int level = 1; level <= 4; level++) {
        struct page *table = new_table(level);
        struct page *child = level == 1 ? new_page() : new_table(level - 1);

        for (unsigned int bit = 1; bit < 64; bit++) {
            pte_t entry = entry_of(child, PTE_PRESENT | UINT64_C(1) << bit);
            bool refused = refused_bit(level, bit);

            if (bit >= 12 && bit < 52) {
                continue;
            }
            ck_assert_int_eq(set(table, 3, entry), refused ? -XEN_EINVAL : 0);
            audit();
            if (!refused) {
                ck_assert_uint_eq(table_of(table)[3], (entry | PTE_USER) & ~(pte_t)PTE_GLOBAL);
            }
            ck_assert_int_eq(set(table, 3, 0), 0);
            ck_assert_uint_eq(table_of(table)[3], 0);
        }
        audit();
    }
}
END_TEST

START_TEST(each_bit_is_allowed_or_refused_when_a_table_is_validated)
{
    for (unsigned int level = 1; level <= 4; level++) {
        struct page *child = level == 1 ? new_page() : new_table(level - 1);
        struct page *table = new_page();

        for (unsigned int bit = 1; bit < 64; bit++) {
            pte_t entry = entry_of(child, PTE_PRESENT | UINT64_C(1) << bit);

            if (bit >= 12 && bit < 52) {
                continue;
            }
            table_of(table)[500] = entry;
            if (refused_bit(level, bit)) {
                ck_assert_int_eq(pin(table, level), -XEN_EINVAL);
            } else {
                ck_assert_int_eq(pin(table, level), 0);
                ck_assert_uint_eq(table_of(table)[500], (entry | PTE_USER) & ~(pte_t)PTE_GLOBAL);
                audit();
                unpin(table);
            }
            audit();
        }
    }
}
END_TEST

START_TEST(an_entry_that_is_not_present_may_hold_anything)
{
    pte_t anything = ~(pte_t)PTE_PRESENT;

    for (unsigned int level = 1; level <= 4; level++) {
        struct page *table = new_table(level);

        ck_assert_int_eq(set(table, 0, anything), 0);
        ck_assert_uint_eq(table_of(table)[0], anything);
        audit();
        unpin(table);
        ck_assert_int_eq(pin(table, level), 0);
        ck_assert_uint_eq(table_of(table)[0], anything);
        audit();
    }
}
END_TEST

/* ---- level 1: every change ------------------------------------------------------------------ */

START_TEST(every_change_of_an_entry_moves_the_references)
{
    struct page *table = new_table(1), *a = new_page(), *b = new_page();
    pte_t states[] = { 0,        entry_of(a, RO), entry_of(a, RW), entry_of(b, RO), entry_of(b, RW),
                       0xabcd000 };

    for (unsigned int from = 0; from < ARRAY_SIZE(states); from++) {
        for (unsigned int to = 0; to < ARRAY_SIZE(states); to++) {
            for (unsigned int keep = 0; keep < 2; keep++) {
                ck_assert_int_eq(set(table, 511, states[from]), 0);
                audit();
                ck_assert_int_eq(pt_set_entry(guest, guest->id, table, 511, states[to], keep != 0),
                                 0);
                ck_assert_uint_eq(table_of(table)[511], states[to]);
                audit();
            }
        }
    }
}
END_TEST

START_TEST(a_refused_change_leaves_everything)
{
    struct page *table = new_table(1), *mine = new_page(), *l2 = new_table(2);
    struct page *foreign = fake_page_new(other);
    pte_t states[] = { 0, entry_of(mine, RO), entry_of(mine, RW), 0xabcd000, entry_of(l2, RO) };
    pte_t refused[] = { entry_of(l2, RW),
                        entry_of(mine, RO | PTE_PCD),
                        entry_of(mine, RW | PTE_PAT),
                        entry_of(table, RW),
                        entry_of(foreign, RO),
                        entry_of(foreign, RW),
                        pte_make(mfn(FAKE_FRAMES), RO),
                        pte_make(mfn(PTE_FRAME >> 12), RW) };

    for (unsigned int from = 0; from < ARRAY_SIZE(states); from++) {
        ck_assert_int_eq(set(table, 7, states[from]), 0);
        for (unsigned int i = 0; i < ARRAY_SIZE(refused); i++) {
            ck_assert_int_eq(set(table, 7, refused[i]), -XEN_EINVAL);
            ck_assert_uint_eq(table_of(table)[7], states[from]);
            ck_assert_int_eq(pt_write_entry(vcpu, page_frame(table), 7, states[from], refused[i]),
                             -XEN_EINVAL);
            ck_assert_uint_eq(table_of(table)[7], states[from]);
            audit();
        }
    }
}
END_TEST

START_TEST(what_the_cpu_noted_stays_if_it_is_asked_for)
{
    struct page *table = new_table(1), *l2 = new_table(2), *a = new_page();
    pte_t noted = PTE_ACCESSED | PTE_DIRTY;

    ck_assert_int_eq(set(table, 0, entry_of(a, RW | noted)), 0);
    ck_assert_int_eq(pt_set_entry(guest, guest->id, table, 0, entry_of(a, RO), true), 0);
    ck_assert_uint_eq(table_of(table)[0], entry_of(a, RO | noted));
    ck_assert_int_eq(pt_set_entry(guest, guest->id, table, 0, entry_of(a, RO | PTE_SOFTWARE), true),
                     0);
    ck_assert_uint_eq(table_of(table)[0], entry_of(a, RO | PTE_SOFTWARE | noted));
    ck_assert_int_eq(pt_set_entry(guest, guest->id, table, 0, entry_of(a, RO), false), 0);
    ck_assert_uint_eq(table_of(table)[0], entry_of(a, RO));
    /* One that was not there has nothing noted. */
    ck_assert_int_eq(set(table, 0, noted), 0);
    ck_assert_int_eq(pt_set_entry(guest, guest->id, table, 0, entry_of(a, RW), true), 0);
    ck_assert_uint_eq(table_of(table)[0], entry_of(a, RW));

    ck_assert_int_eq(set(l2, 0, entry_of(table, RW | PTE_ACCESSED)), 0);
    ck_assert_int_eq(pt_set_entry(guest, guest->id, l2, 0, entry_of(table, RO), true), 0);
    ck_assert_uint_eq(table_of(l2)[0], entry_of(table, RO | PTE_ACCESSED));
    audit();
}
END_TEST

START_TEST(a_frame_can_be_mapped_often_and_from_many_tables)
{
    struct page *one = new_table(1), *two = new_table(1), *a = new_page();

    for (unsigned int i = 0; i < PTE_ENTRIES; i++) {
        require(set(one, i, entry_of(a, i % 2 != 0 ? RW : RO)) == 0);
        require(set(two, i, entry_of(a, i % 3 != 0 ? RW : RO)) == 0);
    }
    audit();
    unpin(one);
    audit();
    unpin(two);
    audit();
    ck_assert_int_eq(state_of(a), PAGE_FREE);
}
END_TEST

START_TEST(references_and_uses_are_refused_at_the_limit)
{
    struct page *table = new_table(1), *a = new_page();

    a->refs = (a->refs & ~PAGE_REF_COUNT) | (PAGE_REF_LIMIT + 1);
    ck_assert_int_eq(set(table, 0, entry_of(a, RO)), -XEN_EINVAL);
    a->refs = (a->refs & ~PAGE_REF_COUNT) | PAGE_REF_LIMIT;
    ck_assert_int_eq(set(table, 0, entry_of(a, RO)), 0);
    ck_assert_int_eq(set(table, 0, 0), 0);
    a->use = page_use_make(PAGE_WRITABLE, PAGE_IN_USE, 0, PAGE_USE_LIMIT);
    ck_assert_int_eq(set(table, 0, entry_of(a, RW)), -XEN_EINVAL);
    ck_assert_uint_eq(a->refs & PAGE_REF_COUNT, PAGE_REF_LIMIT);
}
END_TEST

/* ---- levels 2 to 4 -------------------------------------------------------------------------- */

START_TEST(every_change_of_an_upper_entry_moves_the_uses)
{
    for (unsigned int level = 2; level <= 4; level++) {
        struct page *table = new_table(level), *a = new_page(), *b = new_page();
        pte_t states[] = { 0, entry_of(a, RO), entry_of(a, RW), entry_of(b, RW), 0x77000 };

        for (unsigned int from = 0; from < ARRAY_SIZE(states); from++) {
            for (unsigned int to = 0; to < ARRAY_SIZE(states); to++) {
                ck_assert_int_eq(set(table, 5, states[from]), 0);
                audit();
                ck_assert_int_eq(set(table, 5, states[to]), 0);
                ck_assert_uint_eq(table_of(table)[5], states[to]);
                audit();
            }
        }
    }
}
END_TEST

START_TEST(a_table_is_refused_where_another_level_is_wanted)
{
    struct page *tables[5];

    for (unsigned int level = 1; level <= 4; level++) {
        tables[level] = new_table(level);
    }
    for (unsigned int level = 2; level <= 4; level++) {
        for (unsigned int child = 1; child <= 4; child++) {
            ck_assert_int_eq(set(tables[level], 9, entry_of(tables[child], RW)),
                             child == level - 1 ? 0 : -XEN_EINVAL);
            audit();
        }
    }
}
END_TEST

START_TEST(a_frame_that_is_writable_does_not_become_a_table_nor_a_table_writable)
{
    struct page *l1 = new_table(1), *l2 = new_table(2), *a = new_page();

    ck_assert_int_eq(set(l1, 0, entry_of(a, RW)), 0);
    for (unsigned int level = 1; level <= 4; level++) {
        ck_assert_int_eq(pin(a, level), -XEN_EINVAL);
    }
    ck_assert_int_eq(set(l2, 0, entry_of(a, RW)), -XEN_EINVAL);
    audit();
    /* Read-only it may be both. */
    ck_assert_int_eq(set(l1, 0, entry_of(a, RO)), 0);
    ck_assert_int_eq(set(l2, 0, entry_of(a, RW)), 0);
    ck_assert_int_eq(set(l1, 0, entry_of(a, RW)), -XEN_EINVAL);
    ck_assert_int_eq(set(l2, 0, 0), 0);
    ck_assert_int_eq(set(l1, 0, entry_of(a, RW)), 0);
    audit();
}
END_TEST

START_TEST(the_slots_of_the_core_are_not_the_guests)
{
    struct page *l4 = new_page(), *l3 = new_table(3), *below = new_table(2);

    /* What a guest left there before is not looked at, and replaced. */
    for (unsigned int i = CORE_FIRST_SLOT; i <= CORE_LAST_SLOT; i++) {
        table_of(l4)[i] = ~(pte_t)0;
    }
    ck_assert_int_eq(pin(l4, 4), 0);
    audit();
    for (unsigned int i = 0; i < PTE_ENTRIES; i++) {
        bool core = i >= CORE_FIRST_SLOT && i <= CORE_LAST_SLOT;

        require(set(l4, i, entry_of(l3, RW)) == (core ? -XEN_EINVAL : 0));
        require(set(l4, i, 0) == (core ? -XEN_EINVAL : 0));
        require(set(l3, i, entry_of(below, RW)) == 0);
    }
    audit();
    unpin(l4);
    audit();
}
END_TEST

START_TEST(a_table_of_the_core_s_slots_is_only_installed_at_level_4)
{
    for (unsigned int level = 1; level < 4; level++) {
        struct page *table = new_table(level);

        for (unsigned int i = 0; i < PTE_ENTRIES; i++) {
            require(table_of(table)[i] == 0);
        }
    }
}
END_TEST

START_TEST(what_is_no_table_is_not_written_to)
{
    struct page *page = new_page(), *l1 = new_table(1), *foreign = fake_page_new(other), *a;
    pte_t old = 0;

    a = new_page();
    ck_assert_int_eq(set(page, 0, entry_of(a, RO)), -XEN_EAGAIN);
    ck_assert_int_eq(set(page, 0, 0), -XEN_EAGAIN);
    ck_assert_int_eq(set(l1, 0, entry_of(page, RW)), 0);
    ck_assert_int_eq(set(page, 0, entry_of(a, RO)), -XEN_EAGAIN);
    ck_assert_int_eq(pt_write_entry(vcpu, page_frame(page), 0, 0, 0), -XEN_EAGAIN);
    ck_assert_int_eq(pt_swap_l1(guest, page, 0, 0, &old), -XEN_EINVAL);
    ck_assert_int_eq(pt_exchange_l1(guest, page, 0, 0, 0), -XEN_EINVAL);
    /* Another domain's table. */
    foreign->use = page_use_make(PAGE_L1, PAGE_IN_USE, 512, 1);
    extra_uses[number_of(foreign)] = 1;
    ck_assert_int_eq(set(foreign, 0, 0), -XEN_EAGAIN);
    ck_assert_int_eq(pt_write_entry(vcpu, page_frame(foreign), 0, 0, 0), -XEN_EAGAIN);
    ck_assert_int_eq(pt_swap_l1(guest, foreign, 0, 0, &old), -XEN_EINVAL);
    ck_assert_int_eq(pt_exchange_l1(guest, foreign, 0, 0, 0), -XEN_EINVAL);
    foreign->use = page_use_make(PAGE_L2, PAGE_IN_USE, 512, 1);
    ck_assert_int_eq(set(foreign, 0, 0), -XEN_EAGAIN);
    ck_assert_int_eq(set(foreign, 0, entry_of(l1, RW)), -XEN_EAGAIN);
    audit();
    ck_assert(!any_table_locked());
}
END_TEST

/* ---- owners --------------------------------------------------------------------------------- */

START_TEST(a_frame_of_another_domain_is_mapped_only_by_its_name)
{
    struct page *table = new_table(1), *foreign = fake_page_new(other), *mine = new_page();

    ck_assert_int_eq(set(table, 0, entry_of(foreign, RO)), -XEN_EINVAL);
    ck_assert_int_eq(pt_set_entry(guest, other->id, table, 0, entry_of(mine, RO), false),
                     -XEN_EINVAL);
    ck_assert_int_eq(set(table, 1, entry_of(mine, RW)), 0);
    ck_assert_int_eq(pt_set_entry(guest, other->id, table, 0, entry_of(foreign, RW), false), 0);
    audit();
    /* From now on its changes of type concern all CPUs. */
    ck_assert_uint_ne(foreign->refs & PAGE_REF_FOREIGN, 0);
    ck_assert_uint_eq(mine->refs & PAGE_REF_FOREIGN, 0);
    ck_assert_int_eq(pt_set_entry(guest, other->id, table, 0, entry_of(foreign, RO), false), 0);
    audit();
    ck_assert_int_eq(pt_set_entry(guest, other->id, table, 0, entry_of(foreign, RW), true), 0);
    audit();
    unpin(table);
    audit();
    ck_assert_int_eq(state_of(foreign), PAGE_FREE);
    /* Validated again, it is the domain's own frames that count. */
    ck_assert_int_eq(pin(table, 1), -XEN_EINVAL);
    audit();
}
END_TEST

START_TEST(a_table_of_another_domain_is_no_entry)
{
    struct page *l2 = new_table(2), *foreign = fake_page_new(other);

    ck_assert_int_eq(set(l2, 0, entry_of(foreign, RW)), -XEN_EINVAL);
    ck_assert_int_eq(pt_set_entry(guest, other->id, l2, 0, entry_of(foreign, RW), false),
                     -XEN_EINVAL);
    ck_assert_int_eq(frame_type_get(page_frame(foreign), guest->id, PAGE_L1), -XEN_EINVAL);
    ck_assert_int_eq(frame_type_get(mfn(FAKE_FRAMES), guest->id, PAGE_L1), -XEN_EINVAL);
    ck_assert_int_eq(frame_type_get(MFN_INVALID, guest->id, PAGE_L1), -XEN_EINVAL);
    audit();
}
END_TEST

START_TEST(frames_of_the_core_or_of_nobody_are_not_mapped)
{
    static const domid_t owners[] = { OWNER_CORE, OWNER_NONE, DOMID_XEN, DOMID_IO };
    struct page *table = new_table(1), *page = new_page();

    for (unsigned int i = 0; i < ARRAY_SIZE(owners); i++) {
        page->refs = page_ref_owner_bits(owners[i]) | PAGE_REF_ALLOCATED | 1;
        ck_assert_int_eq(set(table, 0, entry_of(page, RO)), -XEN_EINVAL);
        ck_assert_int_eq(set(table, 0, entry_of(page, RW)), -XEN_EINVAL);
    }
    page->refs = page_ref_owner_bits(guest->id); /* no reference left: on its way to the heap */
    ck_assert_int_eq(set(table, 0, entry_of(page, RO)), -XEN_EINVAL);
    audit();
}
END_TEST

START_TEST(a_lent_frame_is_never_a_table_and_writable_only_if_lent_so)
{
    struct page *table = new_table(1), *ro = new_page(), *rw = new_page();

    page_lend(ro, guest->id, false);
    page_lend(rw, guest->id, true);
    extra_refs[number_of(ro)] = extra_refs[number_of(rw)] = 1;
    extra_uses[number_of(ro)] = extra_uses[number_of(rw)] = 1;
    for (unsigned int level = 1; level <= 4; level++) {
        ck_assert_int_eq(pin(ro, level), -XEN_EINVAL);
        ck_assert_int_eq(pin(rw, level), -XEN_EINVAL);
    }
    ck_assert_int_eq(set(table, 0, entry_of(ro, RW)), -XEN_EINVAL);
    ck_assert_int_eq(set(table, 0, entry_of(ro, RO)), 0);
    ck_assert_int_eq(set(table, 1, entry_of(rw, RW)), 0);
    audit();
    unpin(table);
    audit();
}
END_TEST

START_TEST(device_memory_is_mapped_by_permission_and_without_references)
{
    struct page *table = new_table(1), *io = new_page(), *ram = new_page();
    pte_t in_table = entry_of(io, RW), beyond = pte_make(mfn(FAKE_FRAMES + 5), RW);

    io->refs = page_ref_owner_bits(DOMID_IO) | 1; /* as boot/memory.c leaves it */
    ck_assert_int_eq(set(table, 0, in_table), -XEN_EINVAL);
    ck_assert_int_eq(pt_set_entry(guest, DOMID_IO, table, 0, in_table, false), -XEN_EINVAL);
    ck_assert_int_eq(set(table, 0, beyond), -XEN_EINVAL);
    ck_assert_int_eq(pt_set_entry(guest, DOMID_IO, table, 0, beyond, false), -XEN_EINVAL);
    ck_assert_uint_eq(io->refs, page_ref_owner_bits(DOMID_IO) | 1);

    device_allowed = number_of(io);
    for (unsigned int i = 0; i < 2; i++) {
        domid_t owner = i == 0 ? guest->id : DOMID_IO;

        ck_assert_int_eq(pt_set_entry(guest, owner, table, 0, in_table, false), 0);
        ck_assert_int_eq(pt_set_entry(guest, owner, table, 0, entry_of(io, RO), false), 0);
        ck_assert_int_eq(pt_set_entry(guest, owner, table, 0, in_table, true), 0);
        ck_assert_uint_eq(io->refs, page_ref_owner_bits(DOMID_IO) | 1);
        ck_assert_uint_eq(io->use, 0);
        ck_assert_int_eq(set(table, 0, 0), 0);
        ck_assert_uint_eq(io->refs, page_ref_owner_bits(DOMID_IO) | 1);
    }
    ck_assert_int_eq(pt_set_entry(guest, other->id, table, 0, in_table, false), -XEN_EINVAL);
    /* Not RAM under the name of device memory. */
    device_allowed = number_of(ram);
    ck_assert_int_eq(pt_set_entry(guest, DOMID_IO, table, 0, entry_of(ram, RW), false),
                     -XEN_EINVAL);
    ck_assert_uint_eq(guest->references, 1);
    audit();
}
END_TEST

START_TEST(device_memory_beyond_ram_ends_with_the_address_bits)
{
    struct page *table = new_table(1);

    device_allowed = (UINT64_C(1) << (46 - PAGE_SHIFT)) - 1;
    ck_assert_int_eq(set(table, 0, pte_make(mfn(device_allowed), RW)), 0);
    device_allowed++;
    ck_assert_int_eq(set(table, 1, pte_make(mfn(device_allowed), RW)), -XEN_EINVAL);
    /* Beyond the frame table there is nothing to look at, whatever changes. */
    device_allowed = FAKE_FRAMES;
    ck_assert_int_eq(set(table, 1, pte_make(mfn(device_allowed), RW)), 0);
    ck_assert_int_eq(set(table, 1, pte_make(mfn(device_allowed), RO)), 0);
    ck_assert_int_eq(set(table, 1, pte_make(mfn(device_allowed), RW)), 0);
    ck_assert_uint_eq(guest->references, 1);
    unpin(table);
    audit();
}
END_TEST

START_TEST(how_it_is_cached_is_chosen_for_devices_and_by_the_control_domain)
{
    static const pte_t how[] = { PTE_PWT, PTE_PCD, PTE_PAT, PTE_PAT | PTE_PCD | PTE_PWT };
    struct page *table = new_table(1), *ram = new_page(), *io = new_page();
    mfn_t beyond = mfn((UINT64_C(1) << (46 - PAGE_SHIFT)) - 1);

    io->refs = page_ref_owner_bits(DOMID_IO) | 1;
    for (unsigned int i = 0; i < ARRAY_SIZE(how); i++) {
        pte_t flags = RW | how[i];

        device_allowed = number_of(io);
        ck_assert_int_eq(set(table, 0, entry_of(io, flags)), 0);
        device_allowed = beyond.number;
        ck_assert_int_eq(set(table, 0, pte_make(beyond, flags)), 0);
        ck_assert_uint_eq(table_of(table)[0], pte_make(beyond, flags));
        dom0 = other;
        ck_assert_int_eq(set(table, 1, entry_of(ram, flags)), -XEN_EINVAL);
        dom0 = guest;
        ck_assert_int_eq(set(table, 1, entry_of(ram, flags)), 0);
        audit();
    }
}
END_TEST

START_TEST(a_device_entry_has_no_frame_to_look_at_whatever_changes)
{
    struct page *table = new_table(1);
    mfn_t beyond = mfn((UINT64_C(1) << (46 - PAGE_SHIFT)) - 1);

    device_allowed = beyond.number;
    ck_assert_int_eq(set(table, 0, pte_make(beyond, RO)), 0);
    ck_assert_int_eq(set(table, 0, pte_make(beyond, RW)), 0);
    ck_assert_int_eq(set(table, 0, pte_make(beyond, RO)), 0);
    ck_assert_uint_eq(table_of(table)[0], pte_make(beyond, RO));
}
END_TEST

START_TEST(a_domain_that_is_gone_maps_no_device)
{
    struct domain gone = { .id = 77 };
    struct page *table = new_table(1);

    device_allowed = FAKE_FRAMES;
    table->refs = (table->refs & ~PAGE_REF_OWNER) | page_ref_owner_bits(gone.id);
    ck_assert_int_eq(pt_set_entry(&gone, gone.id, table, 0, pte_make(mfn(FAKE_FRAMES), RW), false),
                     -XEN_EINVAL);
}
END_TEST

/* ---- whole tables --------------------------------------------------------------------------- */

static const unsigned int places[] = { 0, 1, 255, 272, 511 };

/* A tree of tables by hand: `width` children each, the leaves map frames in turn. */
static struct page *build(unsigned int level, unsigned int width, struct page **leaves)
{
    struct page *table = new_page();

    for (unsigned int i = 0; i < width; i++) {
        struct page *child = level > 1 ? build(level - 1, width, leaves) : leaves[i];

        table_of(table)[places[i]] = entry_of(child, level > 1 || i % 2 == 0 ? RW : RO);
    }
    return table;
}

static struct page *build_tree(unsigned int level, unsigned int width)
{
    struct page *leaves[ARRAY_SIZE(places)];

    for (unsigned int i = 0; i < ARRAY_SIZE(leaves); i++) {
        leaves[i] = new_page();
    }
    return build(level, width, leaves);
}

static void all_is_released(void)
{
    for (unsigned int i = 1; i < FAKE_FRAMES; i++) {
        require(extra_refs[i] == 0);
        require(state_of(&frame_table[i]) == PAGE_FREE);
    }
    audit();
}

static int get_in_pieces(struct page *table, unsigned int level, unsigned int piece,
                         unsigned int *preemptions)
{
    int error;

    *preemptions = 0;
    for (;;) {
        preempt_in = piece;
        error = pin(table, level);
        preempt_in = 0;
        audit();
        if (error != -XEN_ERESTART) {
            return error;
        }
        ++*preemptions;
    }
}

static unsigned int finish_in_pieces(unsigned int piece)
{
    unsigned int preemptions = 0;
    int error;

    do {
        preempt_in = piece;
        error = pt_finish(vcpu);
        preempt_in = 0;
        audit();
        preemptions += error != 0;
    } while (error != 0);
    ck_assert_ptr_null(vcpu->pv.unfinished);
    return preemptions;
}

START_TEST(a_tree_of_any_height_is_validated_and_released)
{
    for (unsigned int level = 1; level <= 4; level++) {
        struct page *root = build_tree(level, 3);

        ck_assert_int_eq(pin(root, level), 0);
        audit();
        ck_assert_int_eq(pin(root, level), 0);
        audit();
        unpin(root);
        audit();
        unpin(root);
        ck_assert_ptr_null(vcpu->pv.unfinished);
        all_is_released();
    }
}
END_TEST

START_TEST(a_tree_may_be_preempted_after_any_number_of_entries)
{
    struct page *root = build_tree(4, 3);
    unsigned int longest = 0;

    for (unsigned int piece = 1; piece < 50; piece++) {
        unsigned int preemptions;

        ck_assert_int_eq(get_in_pieces(root, 4, piece, &preemptions), 0);
        longest = MAX(longest, preemptions);
        preempt_in = piece;
        unpin(root);
        preempt_in = 0;
        audit();
        (void)finish_in_pieces(piece);
        all_is_released();
    }
    ck_assert_uint_ge(longest, 20);
}
END_TEST

START_TEST(each_piece_does_at_least_one_unit)
{
    struct page *root = build_tree(4, 3);
    unsigned int preemptions;

    /* 39 tables below the root: no more pieces than entries of tables, up and down. */
    ck_assert_int_eq(get_in_pieces(root, 4, 1, &preemptions), 0);
    ck_assert_uint_le(preemptions, 39);
    preempt_in = 1;
    unpin(root);
    ck_assert_uint_le(finish_in_pieces(1), 39);
    all_is_released();
}
END_TEST

START_TEST(nothing_is_asked_after_the_last_entry)
{
    struct page *table = new_page();

    table_of(table)[PTE_ENTRIES - 1] = entry_of(new_page(), RW);
    preempt_in = 1;
    ck_assert_int_eq(pin(table, 2), 0);
    preempt_in = 0;
    audit();
}
END_TEST

START_TEST(a_tree_with_a_bad_leaf_is_refused_and_comes_down)
{
    struct page *root = build_tree(4, 3), *l3, *l2, *l1;
    unsigned int preemptions;

    l3 = page_of(pte_frame(table_of(root)[1]));
    l2 = page_of(pte_frame(table_of(l3)[1]));
    l1 = page_of(pte_frame(table_of(l2)[1]));
    table_of(l1)[200] = entry_of(root, RW);
    for (unsigned int piece = 1; piece < 50; piece++) {
        ck_assert_int_eq(get_in_pieces(root, 4, piece, &preemptions), -XEN_EINVAL);
        /* What is left is brought down by whoever wants the frames as something else. */
        for (unsigned int i = 1; i < FAKE_FRAMES; i++) {
            while (page_type_finish(&frame_table[i]) != 0) {
            }
        }
        all_is_released();
    }
}
END_TEST

START_TEST(the_direction_may_change_at_any_point)
{
    struct page *root = build_tree(4, 3);
    unsigned int ups = 0, preemptions;

    srand(1);
    for (unsigned int i = 0; i < 3000; i++) {
        int error;

        preempt_in = 1 + (unsigned int)rand() % 12;
        if (rand() % 5 < 3) {
            error = pin(root, 4);
            ck_assert(error == 0 || error == -XEN_ERESTART);
            if (error == 0) {
                ups++;
                preempt_in = 1 + (unsigned int)rand() % 12;
                unpin(root);
            }
        } else if (rand() % 2 == 0) {
            (void)!page_type_finish(root);
        } else {
            (void)!page_type_finish(page_of(pte_frame(table_of(root)[places[rand() % 3]])));
        }
        preempt_in = 0;
        audit();
    }
    ck_assert_uint_gt(ups, 10);
    ck_assert_int_eq(get_in_pieces(root, 4, 0, &preemptions), 0);
    unpin(root);
    vcpu->pv.unfinished = NULL;
    for (unsigned int i = 1; i < FAKE_FRAMES; i++) {
        while (page_type_finish(&frame_table[i]) != 0) {
        }
    }
    all_is_released();
}
END_TEST

/* Release `root` of level 3 until its first child is given up half way. */
static struct page *give_up_child(struct page *root)
{
    struct page *child = page_of(pte_frame(table_of(root)[511]));

    ck_assert_int_eq(pin(root, 3), 0);
    preempt_in = 1; /* after the first entry of the last child */
    unpin(root);
    preempt_in = 0;
    ck_assert_int_eq(state_of(root), PAGE_PARTIAL);
    ck_assert_uint_eq(page_use_cursor(root->use), 512 | PAGE_CURSOR_GIVEN_UP);
    ck_assert_int_eq(state_of(child), PAGE_PARTIAL);
    audit();
    return child;
}

START_TEST(a_child_that_was_given_up_is_taken_again_on_the_way_up)
{
    struct page *root = build_tree(3, 5), *child = give_up_child(root);

    ck_assert_int_eq(pin(root, 3), 0);
    ck_assert_int_eq(state_of(child), PAGE_IN_USE);
    audit();
    vcpu->pv.unfinished = NULL;
    unpin(root);
    all_is_released();
}
END_TEST

START_TEST(a_child_that_was_given_up_may_meanwhile_be_anything)
{
    for (unsigned int what = 0; what < 5; what++) {
        struct page *root = build_tree(3, 5), *child = give_up_child(root), *l1 = new_table(1);

        switch (what) {
        case 0: /* in use again */
            ck_assert_int_eq(pin(child, 2), 0);
            break;
        case 1: /* writable */
            ck_assert_int_eq(set(l1, 0, entry_of(child, RW)), 0);
            break;
        case 2: /* finished by another */
            ck_assert_int_eq(page_type_finish(child), 0);
            break;
        case 3: /* another level's table */
            ck_assert_int_eq(page_type_finish(child), 0);
            memset(table_of(child), 0, PAGE_SIZE);
            ck_assert_int_eq(pin(child, 3), 0);
            break;
        default: /* another domain's, and half way of its own accord */
            ck_assert_int_eq(page_type_finish(child), 0);
            child->refs = page_ref_owner_bits(other->id) | PAGE_REF_ALLOCATED | 2;
            child->use = page_use_make(PAGE_L2, PAGE_PARTIAL, 0, 0);
            break;
        }
        audit();
        (void)finish_in_pieces(0);
        ck_assert_int_eq(state_of(root), PAGE_FREE);
        audit();
        if (what == 0 || what == 3) {
            unpin(child);
        } else if (what == 4) {
            ck_assert_int_eq(state_of(child), PAGE_PARTIAL);
            ck_assert_int_eq(page_type_finish(child), 0);
        }
        unpin(l1);
        all_is_released();
    }
}
END_TEST

START_TEST(a_child_that_became_something_else_refuses_the_way_up)
{
    struct page *root = build_tree(3, 5), *child = give_up_child(root), *l1 = new_table(1);

    ck_assert_int_eq(set(l1, 0, entry_of(child, RW)), 0);
    ck_assert_int_eq(pin(root, 3), -XEN_EINVAL);
    ck_assert_int_eq(state_of(root), PAGE_FREE);
    audit();
    unpin(l1);
    vcpu->pv.unfinished = NULL;
    all_is_released();
}
END_TEST

START_TEST(tables_that_form_a_loop_are_refused)
{
    for (unsigned int level = 1; level <= 4; level++) {
        struct page *table = new_page(), *second = new_page();

        table_of(table)[0] = entry_of(table, RW);
        ck_assert_int_eq(pin(table, level), -XEN_EINVAL);
        all_is_released();
        table_of(table)[0] = entry_of(second, RW);
        table_of(second)[0] = entry_of(table, RW);
        if (level > 1) {
            ck_assert_int_eq(pin(table, level), -XEN_EINVAL);
            all_is_released();
        }
    }
}
END_TEST

START_TEST(a_leaf_that_maps_the_tables_above_it_read_only_is_fine_and_writable_is_not)
{
    struct page *root = build_tree(4, 2), *l3 = page_of(pte_frame(table_of(root)[0]));
    struct page *l2 = page_of(pte_frame(table_of(l3)[0])),
                *l1 = page_of(pte_frame(table_of(l2)[0]));
    struct page *above[] = { root, l3, l2, l1 };

    for (unsigned int i = 0; i < ARRAY_SIZE(above); i++) {
        table_of(l1)[100 + i] = entry_of(above[i], RO);
    }
    ck_assert_int_eq(pin(root, 4), 0);
    audit();
    for (unsigned int i = 0; i < ARRAY_SIZE(above); i++) {
        ck_assert_int_eq(set(l1, 100 + i, entry_of(above[i], RW)), -XEN_EINVAL);
    }
    unpin(root);
    all_is_released();
    for (unsigned int i = 0; i < ARRAY_SIZE(above); i++) {
        table_of(l1)[100 + i] |= PTE_WRITABLE;
        ck_assert_int_eq(pin(root, 4), -XEN_EINVAL);
        all_is_released();
        table_of(l1)[100 + i] &= ~(pte_t)PTE_WRITABLE;
    }
}
END_TEST

START_TEST(one_table_may_be_below_many)
{
    struct page *l4 = new_table(4), *l3 = new_table(3), *l2 = new_table(2), *l1 = new_table(1);

    for (unsigned int i = 0; i < 100; i++) {
        require(set(l2, i, entry_of(l1, RW)) == 0);
        require(set(l3, i, entry_of(l2, RW)) == 0);
        require(set(l4, i, entry_of(l3, RW)) == 0);
    }
    audit();
    unpin(l1);
    unpin(l2);
    unpin(l3);
    audit();
    unpin(l4);
    all_is_released();
}
END_TEST

START_TEST(descriptors_are_held_if_they_are_fit)
{
    struct page *page = new_page();

    memset(table_of(page), 0xff, PAGE_SIZE); /* no entry is looked at */
    ck_assert_int_eq(page_type_get(page, PAGE_SEGMENTS), 0);
    page_type_put(page);
    ck_assert_int_eq(state_of(page), PAGE_FREE);
    segments_fit = false;
    ck_assert_int_eq(page_type_get(page, PAGE_SEGMENTS), -XEN_EINVAL);
    all_is_released();
}
END_TEST

/* ---- half-way tables and everybody else ----------------------------------------------------- */

/* A level-2 table released half way; its first level-1 table is in use only by it. */
static struct page *half_released(struct page **l1)
{
    struct page *l2 = new_page();

    *l1 = new_page();
    table_of(l2)[0] = entry_of(*l1, RW);
    table_of(l2)[1] = entry_of(new_page(), RW);
    ck_assert_int_eq(pin(l2, 2), 0);
    preempt_in = 1;
    unpin(l2);
    preempt_in = 0;
    vcpu->pv.unfinished = NULL;
    ck_assert_int_eq(state_of(l2), PAGE_PARTIAL);
    ck_assert_uint_eq(page_use_cursor(l2->use), 1);
    audit();
    return l2;
}

/* Writing an entry takes the lock of its table; bringing down the parent waits for that lock. */
START_TEST(a_table_may_be_given_an_entry_for_its_own_half_way_parent)
{
    struct page *l1, *l2 = half_released(&l1);
    int error;

    do {
        error = set(l1, 3, entry_of(l2, RW));
        audit();
    } while (error == -XEN_ERESTART);
    ck_assert(error == 0 || error == -XEN_EINVAL || error == -XEN_EAGAIN);
    ck_assert(!any_table_locked());
    audit();
}
END_TEST

START_TEST(an_emulated_write_may_name_the_half_way_parent)
{
    struct page *l1, *l2 = half_released(&l1);

    ck_assert_int_ne(pt_write_entry(vcpu, page_frame(l1), 3, 0, entry_of(l2, RW)), 0);
    ck_assert(!any_table_locked());
    audit();
}
END_TEST

START_TEST(a_half_way_table_becomes_writable_after_it_came_down)
{
    struct page *l2 = build_tree(2, 5), *table = new_table(1), *a = new_page();

    /* From nothing, from another frame, and from itself read-only. */
    for (unsigned int from = 0; from < 3; from++) {
        pte_t before[] = { 0, entry_of(a, RW), entry_of(l2, RO) };
        unsigned int pieces = 0;
        int error;

        ck_assert_int_eq(set(table, 0, before[from]), 0);
        preempt_in = 4;
        ck_assert_int_eq(pin(l2, 2), -XEN_ERESTART);
        for (;;) {
            preempt_in = 1;
            error = set(table, 0, entry_of(l2, RW));
            preempt_in = 0;
            audit();
            if (error != -XEN_ERESTART) {
                break;
            }
            ck_assert_uint_eq(table_of(table)[0], before[from]);
            pieces++;
        }
        ck_assert_int_eq(error, 0);
        ck_assert_uint_eq(pieces, 3);
        ck_assert_uint_eq(table_of(table)[0], entry_of(l2, RW));
        ck_assert_int_eq(set(table, 0, 0), 0);
        audit();
    }
}
END_TEST

START_TEST(an_emulated_write_makes_a_half_way_table_writable_at_the_second_try)
{
    struct page *l2 = build_tree(2, 5), *table = new_table(1);
    unsigned int tries = 0;
    int error;

    preempt_in = 4;
    ck_assert_int_eq(pin(l2, 2), -XEN_ERESTART);
    preempt_in = 2;
    do {
        error = pt_write_entry(vcpu, page_frame(table), 0, 0, entry_of(l2, RW));
        tries++;
        audit();
    } while (error == -XEN_EAGAIN);
    ck_assert_int_eq(error, 0);
    ck_assert_uint_eq(tries, 3);
    ck_assert_uint_eq(table_of(table)[0], entry_of(l2, RW));
}
END_TEST

static struct page *contended, *lost_lock;

static void its_table_goes_and_l1_is_free(void)
{
    page_table_unlock(lost_lock);
    unpin(contended);
}

/* spin_wait() is where the table of the entry is lost: in the release of the target. */
START_TEST(a_table_that_is_lost_while_the_target_is_finished_is_not_written)
{
    struct page *l1, *l2 = half_released(&l1);

    contended = new_table(1);
    page_table_lock(l1);
    while_spinning = its_table_goes_and_l1_is_free;
    lost_lock = l1;
    ck_assert_int_eq(set(contended, 0, entry_of(l2, RW)), -XEN_EAGAIN);
    ck_assert_uint_eq(table_of(contended)[0], 0);
    audit();
}
END_TEST

START_TEST(a_table_whose_validation_meets_a_half_way_one_goes_on_later)
{
    struct page *l2 = build_tree(2, 5), *table = new_page(), *a = new_page();
    unsigned int pieces = 0;
    int error;

    table_of(table)[0] = entry_of(a, RW);
    table_of(table)[1] = entry_of(l2, RW);
    preempt_in = 4;
    ck_assert_int_eq(pin(l2, 2), -XEN_ERESTART);
    for (;;) {
        preempt_in = 1;
        error = pin(table, 1);
        preempt_in = 0;
        audit();
        if (error != -XEN_ERESTART) {
            break;
        }
        pieces++;
    }
    ck_assert_int_eq(error, 0);
    ck_assert_uint_eq(pieces, 3);
    ck_assert_int_eq(page_use_type(l2->use), PAGE_WRITABLE);
    unpin(table);
    all_is_released();
}
END_TEST

START_TEST(an_entry_whose_table_is_half_way_waits_for_it_in_pieces)
{
    struct page *l3 = new_table(3), *l2 = build_tree(2, 5);
    unsigned int pieces = 0;
    int error;

    for (;;) {
        preempt_in = 1;
        error = set(l3, 0, entry_of(l2, RW));
        preempt_in = 0;
        audit();
        if (error != -XEN_ERESTART) {
            break;
        }
        ck_assert_uint_eq(table_of(l3)[0], 0);
        pieces++;
    }
    ck_assert_int_eq(error, 0);
    ck_assert_uint_ge(pieces, 3);
    ck_assert_uint_eq(table_of(l3)[0], entry_of(l2, RW));
}
END_TEST

START_TEST(an_old_table_that_takes_too_long_is_left_for_later)
{
    struct page *l3 = new_table(3), *l2 = build_tree(2, 5);

    ck_assert_int_eq(set(l3, 0, entry_of(l2, RW)), 0);
    preempt_in = 1;
    ck_assert_int_eq(set(l3, 0, 0), 0);
    preempt_in = 0;
    ck_assert_ptr_eq(vcpu->pv.unfinished, l2);
    audit();
    ck_assert_uint_ge(finish_in_pieces(1), 2);
    ck_assert_int_eq(state_of(l2), PAGE_FREE);
    unpin(l3);
    all_is_released();
}
END_TEST

START_TEST(what_was_left_for_later_is_not_touched_when_it_is_another_domains)
{
    struct page *l1, *l2 = half_released(&l1);

    vcpu->pv.unfinished = l2;
    l2->refs = (l2->refs & ~PAGE_REF_OWNER) | page_ref_owner_bits(other->id);
    ck_assert_int_eq(pt_finish(vcpu), 0);
    ck_assert_ptr_null(vcpu->pv.unfinished);
    ck_assert_int_eq(state_of(l2), PAGE_PARTIAL);
}
END_TEST

/* ---- two at once ---------------------------------------------------------------------------- */

static void release_it_under_the_lock(void)
{
    page_table_unlock(contended);
    unpin(contended);
}

static void free_it_under_the_lock(void)
{
    release_it_under_the_lock();
    contended->refs = page_ref_owner_bits(other->id) | PAGE_REF_ALLOCATED | 1;
    extra_refs[number_of(contended)] = 1;
    extra_uses[number_of(contended)] = 1;
    contended->refs++;
    contended->use = page_use_make(page_use_type(contended->use), PAGE_IN_USE, 512, 1);
}

static void (*const losses[])(void) = { release_it_under_the_lock, free_it_under_the_lock };

START_TEST(a_table_that_is_lost_while_its_lock_is_waited_for_is_not_written)
{
    for (unsigned int level = 1; level <= 4; level++) {
        for (unsigned int loss = 0; loss < ARRAY_SIZE(losses); loss++) {
            for (unsigned int present = 0; present < 2; present++) {
                struct page *child = level == 1 ? new_page() : new_table(level - 1);

                contended = new_table(level);
                page_table_lock(contended);
                while_spinning = losses[loss];
                ck_assert_int_eq(set(contended, 1, present != 0 ? entry_of(child, RW) : 0x5000),
                                 -XEN_EAGAIN);
                ck_assert_uint_eq(table_of(contended)[1], 0);
                ck_assert(!any_table_locked());
                audit();
            }
        }
    }
    ck_assert_uint_eq(spins, 16);
}
END_TEST

START_TEST(level_1_writers_of_all_kinds_notice_that_the_table_is_lost)
{
    struct page *a = new_page();
    pte_t old = 0x1234000;

    for (unsigned int loss = 0; loss < ARRAY_SIZE(losses); loss++) {
        contended = new_table(1);
        page_table_lock(contended);
        while_spinning = losses[loss];
        ck_assert_int_eq(pt_write_entry(vcpu, page_frame(contended), 1, 0, entry_of(a, RW)),
                         -XEN_EAGAIN);
        audit();
        contended = new_table(1);
        page_table_lock(contended);
        while_spinning = losses[loss];
        ck_assert_int_eq(pt_swap_l1(guest, contended, 1, entry_of(a, RW), &old), -XEN_EINVAL);
        ck_assert_uint_eq(old, 0x1234000);
        contended = new_table(1);
        page_table_lock(contended);
        while_spinning = losses[loss];
        ck_assert_int_eq(pt_exchange_l1(guest, contended, 1, 0, entry_of(a, RW)), -XEN_EINVAL);
        ck_assert_uint_eq(table_of(contended)[1], 0);
        ck_assert(!any_table_locked());
        audit();
    }
}
END_TEST

static pte_t meanwhile;

static void write_meanwhile(void)
{
    page_table_unlock(contended);
    ck_assert_int_eq(set(contended, 1, meanwhile), 0);
}

START_TEST(an_entry_that_changes_before_the_lock_is_had_is_released_as_it_is_then)
{
    for (unsigned int level = 1; level <= 4; level++) {
        struct page *a = level == 1 ? new_page() : new_table(level - 1);
        struct page *b = level == 1 ? new_page() : new_table(level - 1);
        pte_t entries[] = { 0, entry_of(a, RO), entry_of(a, RW), entry_of(b, RW) };

        contended = new_table(level);
        for (unsigned int i = 0; i < 64; i++) {
            ck_assert_int_eq(set(contended, 1, entries[i % 4]), 0);
            meanwhile = entries[i / 4 % 4];
            page_table_lock(contended);
            while_spinning = write_meanwhile;
            ck_assert_int_eq(set(contended, 1, entries[i / 16]), 0);
            ck_assert_uint_eq(table_of(contended)[1], entries[i / 16]);
            audit();
        }
    }
}
END_TEST

/* ---- emulated writes ------------------------------------------------------------------------ */

START_TEST(an_emulated_write_replaces_what_it_expects)
{
    struct page *table = new_table(1), *a = new_page(), *b = new_page();
    pte_t states[] = {
        0, entry_of(a, RO), entry_of(a, RW), entry_of(b, RW), entry_of(a, RO | PTE_DIRTY), 0xabcd000
    };
    unsigned int count = ARRAY_SIZE(states);

    for (unsigned int i = 0; i < count * count * count; i++) {
        pte_t there = states[i % count], expected = states[i / count % count];
        pte_t wanted = states[i / count / count];

        ck_assert_int_eq(set(table, 9, there), 0);
        ck_assert_int_eq(pt_write_entry(vcpu, page_frame(table), 9, expected, wanted),
                         there == expected ? 0 : -XEN_EAGAIN);
        ck_assert_uint_eq(table_of(table)[9], there == expected ? wanted : there);
        audit();
    }
}
END_TEST

START_TEST(an_emulated_write_is_adjusted_and_checked)
{
    struct page *table = new_table(1), *a = new_page(), *l2 = new_table(2);

    ck_assert_int_eq(
        pt_write_entry(vcpu, page_frame(table), 0, 0, entry_of(a, PTE_PRESENT | PTE_GLOBAL)), 0);
    ck_assert_uint_eq(table_of(table)[0], entry_of(a, RO));
    /* Levels above have hypercalls. */
    ck_assert_int_eq(pt_write_entry(vcpu, page_frame(l2), 0, 0, 0x1000), -XEN_EAGAIN);
    ck_assert_uint_eq(table_of(l2)[0], 0);
    audit();
}
END_TEST

/* ---- grants --------------------------------------------------------------------------------- */

START_TEST(a_swap_takes_over_references_both_ways)
{
    struct page *table = new_table(1), *a = new_page(), *b = new_page();
    pte_t old = 0;

    ck_assert_int_eq(set(table, 4, entry_of(a, RW)), 0);
    ck_assert(frame_get(page_frame(b), guest->id));
    ck_assert_int_eq(pt_swap_l1(guest, table, 4, entry_of(b, RO), &old), 0);
    ck_assert_uint_eq(old, entry_of(a, RW));
    ck_assert_uint_eq(table_of(table)[4], entry_of(b, RO));
    pt_release_l1_entry(old);
    audit();
    pt_release_l1_entry(0);
    pt_release_l1_entry(0xabc000);
    audit();
}
END_TEST

START_TEST(an_exchange_is_for_the_same_frame_as_writable_as_expected)
{
    struct page *table = new_table(1), *a = new_page(), *b = new_page();
    pte_t states[] = { 0, entry_of(a, RO), entry_of(a, RW), entry_of(b, RO), entry_of(b, RW) };

    for (unsigned int i = 0; i < 25; i++) {
        pte_t there = states[i % 5], expected = states[i / 5];
        pte_t noted = (there & PTE_PRESENT) != 0 ? PTE_ACCESSED | PTE_DIRTY : 0;
        int error;

        ck_assert_int_eq(set(table, 0, there | noted), 0);
        error = pt_exchange_l1(guest, table, 0, expected, 0x42000);
        ck_assert_int_eq(error, there == expected ? 0 : -XEN_EINVAL);
        if (error == 0) {
            ck_assert_uint_eq(table_of(table)[0], 0x42000);
            pt_release_l1_entry(there);
        } else {
            ck_assert_uint_eq(table_of(table)[0], there | noted);
        }
        audit();
    }
}
END_TEST

/* ---- looking up ----------------------------------------------------------------------------- */

START_TEST(the_table_of_an_address_is_found)
{
    struct page *l4 = new_table(4), *l3 = new_table(3), *l2 = new_table(2), *l1 = new_table(1);
    struct page *a = new_page(), *user_l4 = new_table(4), *table = new_table(1);
    uint64_t address = UINT64_C(0x0000123456789000);
    mfn_t found;

    ck_assert_int_eq(set(l4, pte_index(address, 4), entry_of(l3, RW)), 0);
    ck_assert_int_eq(set(l3, pte_index(address, 3), entry_of(l2, RW)), 0);
    ck_assert_int_eq(set(l2, pte_index(address, 2), entry_of(l1, RW)), 0);
    ck_assert_int_eq(set(l1, pte_index(address, 1), entry_of(a, RW)), 0);
    ck_assert_int_eq(set(l1, pte_index(address, 1) + 1, entry_of(table, RO)), 0);
    vcpu->pv.kernel_l4 = page_frame(l4);
    vcpu->pv.user_l4 = page_frame(user_l4);
    ck_assert_ptr_eq(pt_find_l1(vcpu, address), l1);
    ck_assert_uint_eq(pt_read_l1(vcpu, address + 5), entry_of(a, RW));
    ck_assert_uint_eq(pt_read_l1(vcpu, address + 2 * PAGE_SIZE), 0);
    ck_assert(!pt_find_l1_of_table(vcpu, address, &found));
    ck_assert(!pt_find_l1_of_table(vcpu, address + 2 * PAGE_SIZE, &found));
    ck_assert(pt_find_l1_of_table(vcpu, address + PAGE_SIZE, &found));
    ck_assert_uint_eq(found.number, number_of(table));
    for (unsigned int bit = 21; bit < 48; bit++) {
        ck_assert_ptr_null(pt_find_l1(vcpu, address ^ (UINT64_C(1) << bit)));
        ck_assert_uint_eq(pt_read_l1(vcpu, address ^ (UINT64_C(1) << bit)), 0);
    }
    ck_assert_ptr_null(pt_find_l1(vcpu, address | UINT64_C(1) << 48));
    /* Read-only suffices for a table; writable it would not be one. */
    table_of(l1)[pte_index(address, 1) + 1] = entry_of(table, 0);
    ck_assert(!pt_find_l1_of_table(vcpu, address + PAGE_SIZE, &found));
    vcpu->pv.kernel_mode = false;
    ck_assert_ptr_null(pt_find_l1(vcpu, address));
}
END_TEST

START_TEST(a_walk_is_not_believed_after_an_upper_entry_or_the_base_changed)
{
    struct page *top[2], *upper[2], *middle[2], *leaf[2];

    for (unsigned int i = 0; i < 2; i++) {
        top[i] = new_table(4);
        upper[i] = new_table(3);
        middle[i] = new_table(2);
        leaf[i] = new_table(1);
        ck_assert_int_eq(set(top[i], 0, entry_of(upper[i], RW)), 0);
        ck_assert_int_eq(set(upper[i], 0, entry_of(middle[i], RW)), 0);
        ck_assert_int_eq(set(middle[i], 0, entry_of(leaf[i], RW)), 0);
    }
    vcpu->pv.kernel_l4 = page_frame(top[0]);
    vcpu->pv.user_l4 = page_frame(top[1]);
    ck_assert_ptr_eq(pt_find_l1(vcpu, 0), leaf[0]);
    ck_assert_int_eq(set(middle[0], 0, entry_of(leaf[1], RW)), 0);
    ck_assert_ptr_eq(pt_find_l1(vcpu, 0x1fffff), leaf[1]);
    ck_assert_ptr_null(pt_find_l1(vcpu, 0x200000));
    ck_assert_int_eq(set(middle[0], 0, entry_of(leaf[0], RW)), 0);
    ck_assert_ptr_eq(pt_find_l1(vcpu, 0), leaf[0]);
    ck_assert_int_eq(set(upper[0], 0, entry_of(middle[1], RW)), 0);
    ck_assert_ptr_eq(pt_find_l1(vcpu, 0), leaf[1]);
    ck_assert_int_eq(set(top[0], 0, 0), 0);
    ck_assert_ptr_null(pt_find_l1(vcpu, 0));
    vcpu->pv.kernel_mode = false;
    ck_assert_ptr_eq(pt_find_l1(vcpu, 0), leaf[1]);
    /* The frame of a base that was given up may come back as another table. */
    table_of(middle[1])[0] = entry_of(leaf[0], RW);
    pt_forget_walk(vcpu);
    ck_assert_ptr_eq(pt_find_l1(vcpu, 0), leaf[0]);
    table_of(middle[1])[0] = entry_of(leaf[1], RW);
    vcpu->pv.kernel_mode = true;
}
END_TEST

START_TEST(no_address_of_the_core_and_no_foreign_table_is_looked_up)
{
    struct page *l4 = new_table(4), *l3 = new_table(3), *l2 = new_table(2), *l1 = new_table(1);
    struct page *foreign = fake_page_new(other);
    mfn_t found;

    vcpu->pv.kernel_l4 = page_frame(l4);
    table_of(l4)[0] = entry_of(foreign, RW);
    ck_assert_ptr_null(pt_find_l1(vcpu, 0));
    table_of(l4)[0] = pte_make(mfn(PTE_FRAME >> PAGE_SHIFT), RW);
    ck_assert_ptr_null(pt_find_l1(vcpu, 0));
    /* Nor is one further down, whatever a table that is none any more may say. */
    table_of(l4)[0] = entry_of(l3, RW);
    table_of(l3)[0] = entry_of(l2, RW);
    table_of(l2)[0] = entry_of(foreign, RW);
    ck_assert_ptr_null(pt_find_l1(vcpu, 0));
    table_of(l2)[0] = entry_of(l1, 0);
    ck_assert_ptr_null(pt_find_l1(vcpu, 0));
    table_of(l2)[0] = entry_of(l1, RW);
    table_of(l1)[0] = pte_make(mfn(PTE_FRAME >> PAGE_SHIFT), RW);
    ck_assert(!pt_find_l1_of_table(vcpu, 0, &found));
    table_of(l4)[0] = table_of(l3)[0] = table_of(l2)[0] = table_of(l1)[0] = 0;
    pt_forget_walk(vcpu);
    /* A core's slot that leads to the guest's own tables is still the core's. */
    table_of(l4)[256] = table_of(l4)[271] = entry_of(l3, RW);
    table_of(l3)[0] = table_of(l3)[511] = entry_of(l2, RW);
    table_of(l2)[0] = table_of(l2)[511] = entry_of(l1, RW);
    ck_assert_ptr_null(pt_find_l1(vcpu, CORE_START));
    ck_assert_ptr_null(pt_find_l1(vcpu, CORE_END - 1));
    table_of(l4)[256] = table_of(l4)[271] = CORE_MARK;
    table_of(l3)[0] = table_of(l3)[511] = table_of(l2)[0] = table_of(l2)[511] = 0;
    foreign->use = page_use_make(PAGE_L1, PAGE_IN_USE, 512, 1);
    table_of(l4)[1] = entry_of(l4, RW); /* linear by force: level 4 seen as 3, 2, 1 */
    table_of(l4)[2] = entry_of(foreign, RO);
    ck_assert_uint_eq(pt_read_l1(vcpu, UINT64_C(0x008040202000)), entry_of(foreign, RO));
    ck_assert(!pt_find_l1_of_table(vcpu, UINT64_C(0x008040202000), &found));
}
END_TEST

/* ---- chance --------------------------------------------------------------------------------- */

#define CAST 20u

static struct page *cast[CAST];
static struct page *pinned[64];

static pte_t any_entry(unsigned int *seed)
{
    static const pte_t flags[] = {
        RO, RW, RW, RO | PTE_ACCESSED, RW | PTE_NO_EXECUTE, 0, RW | PTE_LARGE, RW | PTE_GLOBAL
    };
    struct page *page = cast[(unsigned int)rand_r(seed) % CAST];

    return rand_r(seed) % 5 == 0 ? 0 : entry_of(page, flags[rand_r(seed) % 8]);
}

static unsigned int any_index(unsigned int *seed)
{
    static const unsigned int indexes[] = { 0, 1, 2, 255, 256, 271, 272, 511 };

    return indexes[rand_r(seed) % 8];
}

/* Only by who may write to it: a frame in no use, as a guest without tables does. */
static void scribble(struct page *page, unsigned int *seed)
{
    if (page_writable_get(page) == 0) {
        write_once(table_of(page)[any_index(seed)], any_entry(seed));
        page_type_put(page);
    }
}

static void random_step(unsigned int *seed)
{
    struct page *page = cast[(unsigned int)rand_r(seed) % CAST];
    unsigned int index = any_index(seed), slot = (unsigned int)rand_r(seed) % ARRAY_SIZE(pinned);
    pte_t old = 0;

    preempt_in = (unsigned int)rand_r(seed) % 4;
    switch (rand_r(seed) % 9) {
    case 0:
    case 1:
        if (pinned[slot] == NULL && pin(page, 1 + (unsigned int)rand_r(seed) % 4) == 0) {
            pinned[slot] = page;
        }
        break;
    case 2:
        if (pinned[slot] != NULL) {
            unpin(pinned[slot]);
            pinned[slot] = NULL;
        }
        break;
    case 3:
    case 4:
        (void)!pt_set_entry(guest, guest->id, page, index, any_entry(seed), rand_r(seed) % 2 != 0);
        break;
    case 5:
        old = read_once(table_of(page)[index]);
        (void)!pt_write_entry(vcpu, page_frame(page), index, old, any_entry(seed));
        break;
    case 6:
        scribble(page, seed);
        break;
    case 7:
        if (pt_swap_l1(guest, page, index, 0, &old) == 0) {
            pt_release_l1_entry(old);
        }
        break;
    default:
        (void)!pt_finish(vcpu);
        break;
    }
    preempt_in = 0;
}

static void bring_all_down(void)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(pinned); i++) {
        if (pinned[i] != NULL) {
            unpin(pinned[i]);
            pinned[i] = NULL;
        }
    }
    for (unsigned int i = 0; i < CAST; i++) {
        while (page_type_finish(cast[i]) != 0) {
        }
    }
    vcpu->pv.unfinished = NULL;
    all_is_released();
}

START_TEST(any_mixture_of_operations_keeps_the_books)
{
    unsigned int seed = 20, in_use = 0;

    for (unsigned int i = 0; i < CAST; i++) {
        cast[i] = new_page();
    }
    for (unsigned int round = 0; round < 10; round++) {
        for (unsigned int i = 0; i < 3000; i++) {
            random_step(&seed);
            audit();
        }
        for (unsigned int i = 0; i < CAST; i++) {
            in_use += state_of(cast[i]) == PAGE_IN_USE;
        }
        bring_all_down();
    }
    ck_assert_uint_gt(in_use, 30); /* it did something */
}
END_TEST

/* The same from two CPUs: each with pins of its own, the audit at the end. */
#define THREADS 2u

static pthread_barrier_t barrier;

static void *run_cpu(void *argument)
{
    unsigned int id = (unsigned int)(uintptr_t)argument, seed = id + 77;
    struct vcpu *mine = guest->vcpu[id];
    struct page *own = NULL;

    fake_cpu_use(id, mine);
    pthread_barrier_wait(&barrier);
    for (unsigned int i = 0; i < 60000; i++) {
        struct page *page = cast[(unsigned int)rand_r(&seed) % CAST];
        unsigned int index = any_index(&seed);
        pte_t old;

        preempt_in = (unsigned int)rand_r(&seed) % 3;
        switch (rand_r(&seed) % 7) {
        case 0:
            if (own == NULL &&
                frame_type_get(page_frame(page), guest->id,
                               (enum page_type)(1 + (unsigned int)rand_r(&seed) % 4)) == 0) {
                own = page;
            }
            break;
        case 1:
            if (own != NULL) {
                pt_table_put(mine, own);
                own = NULL;
            }
            break;
        case 2:
        case 3:
            (void)!pt_set_entry(guest, guest->id, page, index, any_entry(&seed), i % 2 != 0);
            break;
        case 4:
            old = read_once(table_of(page)[index]);
            (void)!pt_write_entry(mine, page_frame(page), index, old, any_entry(&seed));
            break;
        case 5:
            scribble(page, &seed);
            break;
        default:
            (void)!pt_finish(mine);
            break;
        }
    }
    preempt_in = 0;
    if (own != NULL) {
        pt_table_put(mine, own);
    }
    return NULL;
}

START_TEST(two_cpus_at_the_same_tables_keep_the_books)
{
    pthread_t threads[THREADS];

    for (unsigned int i = 0; i < CAST; i++) {
        cast[i] = new_page();
    }
    several_cpus = true;
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (uintptr_t i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, run_cpu, (void *)i), 0);
    }
    for (unsigned int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_barrier_destroy(&barrier);
    several_cpus = false;
    fake_cpu_use(0, vcpu);
    audit();
    bring_all_down();
}
END_TEST

static void add_entry_tests(TCase *tcase)
{
    tcase_add_test(tcase, each_bit_is_allowed_or_refused_at_each_level);
    tcase_add_test(tcase, each_bit_is_allowed_or_refused_when_a_table_is_validated);
    tcase_add_test(tcase, an_entry_that_is_not_present_may_hold_anything);
    tcase_add_test(tcase, every_change_of_an_entry_moves_the_references);
    tcase_add_test(tcase, a_refused_change_leaves_everything);
    tcase_add_test(tcase, what_the_cpu_noted_stays_if_it_is_asked_for);
    tcase_add_test(tcase, a_frame_can_be_mapped_often_and_from_many_tables);
    tcase_add_test(tcase, references_and_uses_are_refused_at_the_limit);
    tcase_add_test(tcase, every_change_of_an_upper_entry_moves_the_uses);
    tcase_add_test(tcase, a_table_is_refused_where_another_level_is_wanted);
    tcase_add_test(tcase, a_frame_that_is_writable_does_not_become_a_table_nor_a_table_writable);
    tcase_add_test(tcase, the_slots_of_the_core_are_not_the_guests);
    tcase_add_test(tcase, a_table_of_the_core_s_slots_is_only_installed_at_level_4);
    tcase_add_test(tcase, what_is_no_table_is_not_written_to);
    tcase_add_test(tcase, an_emulated_write_replaces_what_it_expects);
    tcase_add_test(tcase, an_emulated_write_is_adjusted_and_checked);
    tcase_add_test(tcase, a_swap_takes_over_references_both_ways);
    tcase_add_test(tcase, an_exchange_is_for_the_same_frame_as_writable_as_expected);
    tcase_add_test(tcase, the_table_of_an_address_is_found);
    tcase_add_test(tcase, a_walk_is_not_believed_after_an_upper_entry_or_the_base_changed);
    tcase_add_test(tcase, no_address_of_the_core_and_no_foreign_table_is_looked_up);
}

static void add_owner_tests(TCase *tcase)
{
    tcase_add_test(tcase, a_frame_of_another_domain_is_mapped_only_by_its_name);
    tcase_add_test(tcase, a_table_of_another_domain_is_no_entry);
    tcase_add_test(tcase, frames_of_the_core_or_of_nobody_are_not_mapped);
    tcase_add_test(tcase, a_lent_frame_is_never_a_table_and_writable_only_if_lent_so);
    tcase_add_test(tcase, device_memory_is_mapped_by_permission_and_without_references);
    tcase_add_test(tcase, device_memory_beyond_ram_ends_with_the_address_bits);
    tcase_add_test(tcase, how_it_is_cached_is_chosen_for_devices_and_by_the_control_domain);
    tcase_add_test(tcase, a_device_entry_has_no_frame_to_look_at_whatever_changes);
    tcase_add_test(tcase, a_domain_that_is_gone_maps_no_device);
}

static void add_tree_tests(TCase *tcase)
{
    tcase_add_test(tcase, a_tree_of_any_height_is_validated_and_released);
    tcase_add_test(tcase, a_tree_may_be_preempted_after_any_number_of_entries);
    tcase_add_test(tcase, each_piece_does_at_least_one_unit);
    tcase_add_test(tcase, nothing_is_asked_after_the_last_entry);
    tcase_add_test(tcase, a_tree_with_a_bad_leaf_is_refused_and_comes_down);
    tcase_add_test(tcase, the_direction_may_change_at_any_point);
    tcase_add_test(tcase, a_child_that_was_given_up_is_taken_again_on_the_way_up);
    tcase_add_test(tcase, a_child_that_was_given_up_may_meanwhile_be_anything);
    tcase_add_test(tcase, a_child_that_became_something_else_refuses_the_way_up);
    tcase_add_test(tcase, tables_that_form_a_loop_are_refused);
    tcase_add_test(tcase,
                   a_leaf_that_maps_the_tables_above_it_read_only_is_fine_and_writable_is_not);
    tcase_add_test(tcase, one_table_may_be_below_many);
    tcase_add_test(tcase, descriptors_are_held_if_they_are_fit);
}

static void add_meeting_tests(TCase *tcase)
{
    tcase_add_test(tcase, a_table_may_be_given_an_entry_for_its_own_half_way_parent);
    tcase_add_test(tcase, an_emulated_write_may_name_the_half_way_parent);
    tcase_add_test(tcase, a_half_way_table_becomes_writable_after_it_came_down);
    tcase_add_test(tcase, an_emulated_write_makes_a_half_way_table_writable_at_the_second_try);
    tcase_add_test(tcase, a_table_that_is_lost_while_the_target_is_finished_is_not_written);
    tcase_add_test(tcase, a_table_whose_validation_meets_a_half_way_one_goes_on_later);
    tcase_add_test(tcase, an_entry_whose_table_is_half_way_waits_for_it_in_pieces);
    tcase_add_test(tcase, an_old_table_that_takes_too_long_is_left_for_later);
    tcase_add_test(tcase, what_was_left_for_later_is_not_touched_when_it_is_another_domains);
    tcase_add_test(tcase, a_table_that_is_lost_while_its_lock_is_waited_for_is_not_written);
    tcase_add_test(tcase, level_1_writers_of_all_kinds_notice_that_the_table_is_lost);
    tcase_add_test(tcase, an_entry_that_changes_before_the_lock_is_had_is_released_as_it_is_then);
    tcase_add_test(tcase, any_mixture_of_operations_keeps_the_books);
    tcase_add_test(tcase, two_cpus_at_the_same_tables_keep_the_books);
}

int main(void)
{
    static void (*const parts[])(TCase *) = { add_entry_tests, add_owner_tests, add_tree_tests,
                                              add_meeting_tests };
    static const char *const names[] = { "entries", "owners", "trees", "meetings" };
    Suite *suite = suite_create("page_tables");

    for (unsigned int i = 0; i < ARRAY_SIZE(parts); i++) {
        TCase *tcase = suite_case(suite, names[i]);

        tcase_add_checked_fixture(tcase, page_world_setup, page_world_teardown);
        tcase_set_timeout(tcase, 60);
        parts[i](tcase);
    }
    return suite_run(suite);
}
