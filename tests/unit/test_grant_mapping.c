/* SPDX-License-Identifier: MIT */
/*
 * Grants in page tables: what an address or an entry may name, whose references
 * are whose before and after, and that a refusal leaves everything as it was.
 */
#include "hypervisor/grant/grant.h"
#include "tests/unit/page_world.h"
#include "tests/unit/suite.h"

static const uint64_t near = UINT64_C(0x0000123456789000), far = UINT64_C(0x0000123456c00000);

static struct page *l2, *leaf, *far_leaf; /* of the guest: `near` is in one, `far` in the other */
static struct page *lent;                 /* the other domain's frame */

static pte_t *entry_at(uint64_t address)
{
    return &table_of(address == near ? leaf : far_leaf)[pte_index(address, 1)];
}

static void setup(void)
{
    struct page *l4, *l3;

    page_world_setup();
    l4 = new_page();
    l3 = new_page();
    l2 = new_page();
    leaf = new_page();
    far_leaf = new_page();
    lent = fake_page_new(other);
    table_of(l4)[pte_index(near, 4)] = entry_of(l3, RW);
    table_of(l3)[pte_index(near, 3)] = entry_of(l2, RW);
    table_of(l2)[pte_index(near, 2)] = entry_of(leaf, RW);
    table_of(l2)[pte_index(far, 2)] = entry_of(far_leaf, RW);
    ck_assert_int_eq(pin(l4, 4), 0);
    vcpu->pv.kernel_l4 = page_frame(l4);
}

/* What grant/ holds of the frame before it is mapped, and after it was unmapped. */
static void hold(bool writable)
{
    require(page_get(lent, other->id));
    require(!writable || page_writable_get(lent) == 0);
    extra_refs[number_of(lent)]++;
    extra_uses[number_of(lent)] += writable;
}

/* A table has taken it over. */
static void not_ours(bool writable)
{
    extra_refs[number_of(lent)]--;
    extra_uses[number_of(lent)] -= writable;
}

static void ours_again(bool writable)
{
    extra_refs[number_of(lent)]++;
    extra_uses[number_of(lent)] += writable;
}

static uint64_t machine_address(const struct page *table, unsigned int index)
{
    return maddr_of_mfn(page_frame(table)).byte + index * sizeof(pte_t);
}

static pte_t lent_entry(uint32_t flags)
{
    return entry_of(lent, (flags & GNTMAP_readonly) != 0 ? RO : RW);
}

static int map(uint64_t where, uint32_t flags)
{
    return pv_grant_map(where, flags, lent_entry(flags) & ~(pte_t)PTE_USER);
}

static int unmap(uint64_t where, uint32_t flags, uint64_t replacement)
{
    return pv_grant_unmap(where, flags, page_frame(lent), replacement);
}

static void map_near(uint32_t flags)
{
    hold((flags & GNTMAP_readonly) == 0);
    ck_assert_int_eq(map(near, flags), GNTST_okay);
    not_ours((flags & GNTMAP_readonly) == 0);
    audit();
}

/* Each is refused by whoever would map or unmap there, and leaves what there is. */
static void check_refused(uint64_t where, uint32_t flags)
{
    hold(true);
    ck_assert_int_eq(map(where, flags), GNTST_general_error);
    ck_assert_int_eq(unmap(where, flags, 0), GNTST_general_error);
    ck_assert_int_eq(unmap(where, flags, far), GNTST_general_error);
    frame_type_put(lent);
    extra_refs[number_of(lent)] = extra_uses[number_of(lent)] = 0;
    audit();
    ck_assert(!any_table_locked());
}

START_TEST(a_grant_comes_to_an_address_or_an_entry_and_goes)
{
    static const uint32_t kinds[] = { 0, GNTMAP_readonly };

    for (unsigned int i = 0; i < 4; i++) {
        uint32_t flags = kinds[i % 2] | (i < 2 ? 0 : GNTMAP_contains_pte);
        uint64_t where = i < 2 ? near : machine_address(leaf, pte_index(near, 1));
        bool writable = i % 2 == 0;

        hold(writable);
        ck_assert_int_eq(map(where, flags), GNTST_okay);
        not_ours(writable);
        ck_assert_uint_eq(*entry_at(near), lent_entry(flags));
        ck_assert_uint_ne(lent->refs & PAGE_REF_FOREIGN, 0);
        audit();
        *entry_at(near) |= PTE_ACCESSED | PTE_DIRTY; /* the CPU's notes do not matter */
        ck_assert_int_eq(unmap(where, flags, 0), GNTST_okay);
        ours_again(writable);
        ck_assert_uint_eq(*entry_at(near), 0);
        audit();
    }
}
END_TEST

START_TEST(what_was_mapped_there_before_is_released)
{
    struct page *before = new_page();

    ck_assert_int_eq(set(leaf, pte_index(near, 1), entry_of(before, RW)), 0);
    map_near(0);
    ck_assert_int_eq(state_of(before), PAGE_FREE);
    /* So is a grant that the guest overwrites. */
    ck_assert_int_eq(set(leaf, pte_index(near, 1), 0), 0);
    audit();
    ck_assert_int_eq(state_of(lent), PAGE_FREE);
}
END_TEST

START_TEST(only_the_guest_s_own_level_1_entries_are_named)
{
    struct page *plain = new_page(), *foreign = fake_page_new(other);

    check_refused(near + (UINT64_C(1) << 30), 0); /* no table */
    check_refused(CORE_START, 0);
    check_refused(machine_address(plain, 0), GNTMAP_contains_pte);
    check_refused(machine_address(l2, 0), GNTMAP_contains_pte);
    check_refused(machine_address(leaf, 0) + 1, GNTMAP_contains_pte);
    check_refused(machine_address(leaf, 0) + 4, GNTMAP_contains_pte);
    check_refused(FAKE_FRAMES * PAGE_SIZE, GNTMAP_contains_pte);
    check_refused(UINT64_C(0xfffffffffffff000), GNTMAP_contains_pte);
    foreign->use = page_use_make(PAGE_L1, PAGE_IN_USE, 512, 1);
    extra_uses[number_of(foreign)] = 1;
    check_refused(machine_address(foreign, 0), GNTMAP_contains_pte);
}
END_TEST

START_TEST(a_mapping_that_is_not_as_it_was_made_is_not_ended)
{
    pte_t wrong[] = { 0, lent_entry(GNTMAP_readonly), entry_of(leaf, RO) };

    map_near(0);
    ck_assert_int_eq(unmap(near, GNTMAP_readonly, 0), GNTST_general_error);
    ck_assert_int_eq(unmap(far, 0, 0), GNTST_general_error);
    ck_assert_int_eq(pv_grant_unmap(near, 0, page_frame(leaf), 0), GNTST_general_error);
    ck_assert_uint_eq(*entry_at(near), lent_entry(0));
    for (unsigned int i = 0; i < ARRAY_SIZE(wrong); i++) {
        ck_assert_int_eq(pt_set_entry(guest, i == 1 ? other->id : guest->id, leaf,
                                      pte_index(near, 1), wrong[i], false),
                         0);
        ck_assert_int_eq(unmap(near, 0, 0), GNTST_general_error);
        ck_assert_uint_eq(*entry_at(near), wrong[i]);
        audit();
    }
}
END_TEST

/* ---- unmap_and_replace ---------------------------------------------------------------------- */

START_TEST(the_entry_of_another_address_replaces_it)
{
    struct page *mine = new_page(), *const tables[] = { far_leaf, leaf };
    const uint64_t from[] = { far, near + PAGE_SIZE };

    for (unsigned int i = 0; i < ARRAY_SIZE(from); i++) {
        unsigned int index = pte_index(from[i], 1);

        map_near(0);
        ck_assert_int_eq(set(tables[i], index, entry_of(mine, RW)), 0);
        ck_assert_int_eq(unmap(near, 0, from[i]), GNTST_okay);
        ours_again(true);
        ck_assert_uint_eq(*entry_at(near), entry_of(mine, RW));
        ck_assert_uint_eq(table_of(tables[i])[index], 0);
        audit();
        /* The way back, for the next round. */
        ck_assert_int_eq(set(leaf, pte_index(near, 1), 0), 0);
        frame_type_put(lent);
        extra_refs[number_of(lent)] = extra_uses[number_of(lent)] = 0;
        audit();
    }
}
END_TEST

START_TEST(no_replacement_is_taken_for_a_mapping_that_is_not_ended)
{
    struct page *mine = new_page(), *foreign = fake_page_new(other);
    pte_t waiting = entry_of(mine, RW);

    ck_assert_int_eq(set(far_leaf, pte_index(far, 1), waiting), 0);
    ck_assert_int_eq(unmap(near, 0, far), GNTST_general_error);
    map_near(0);
    ck_assert_int_eq(unmap(near, GNTMAP_readonly, far), GNTST_general_error);
    ck_assert_int_eq(pv_grant_unmap(near, 0, page_frame(mine), far), GNTST_general_error);
    /* An entry that would do, but in a table of another guest, or in no table. */
    table_of(foreign)[0] = lent_entry(0);
    ck_assert_int_eq(unmap(machine_address(foreign, 0), GNTMAP_contains_pte, far),
                     GNTST_general_error);
    foreign->use = page_use_make(PAGE_L1, PAGE_IN_USE, 512, 1);
    ck_assert_int_eq(unmap(machine_address(foreign, 0), GNTMAP_contains_pte, far),
                     GNTST_general_error);
    foreign->use = 0;
    table_of(mine)[0] = lent_entry(0);
    ck_assert_int_eq(unmap(machine_address(mine, 0), GNTMAP_contains_pte, far),
                     GNTST_general_error);
    ck_assert_uint_eq(*entry_at(far), waiting);
    ck_assert_uint_eq(*entry_at(near), lent_entry(0));
    audit();
}
END_TEST

START_TEST(a_replacement_that_is_none_ends_nothing)
{
    struct page *plain = new_page();
    pte_t *way = &table_of(l2)[pte_index(far, 2)], there = *way;

    map_near(0);
    ck_assert_int_eq(unmap(near, 0, near), GNTST_general_error); /* itself */
    ck_assert_int_eq(unmap(near, 0, near + (UINT64_C(1) << 30)), GNTST_general_error);
    ck_assert_int_eq(unmap(near, 0, CORE_START), GNTST_general_error);
    *way = entry_of(plain, RW); /* as if it had stopped to be a table after it was found */
    pt_forget_walk(vcpu);
    ck_assert_int_eq(unmap(near, 0, far), GNTST_general_error);
    *way = there;
    ck_assert_uint_eq(*entry_at(near), lent_entry(0));
    audit();
    /* The same index of another table is not itself. */
    ck_assert_int_eq(unmap(near, 0, far + pte_index(near, 1) * PAGE_SIZE), GNTST_okay);
    ours_again(true);
    audit();
}
END_TEST

static void another_cpu_unmaps_it(void)
{
    *entry_at(near) = 0;
    ours_again(true);
    page_table_unlock(leaf);
}

START_TEST(a_mapping_lost_after_the_look_costs_the_replacement_and_no_reference)
{
    struct page *mine = new_page();

    map_near(0);
    ck_assert_int_eq(set(far_leaf, pte_index(far, 1), entry_of(mine, RW)), 0);
    page_table_lock(leaf);
    while_spinning = another_cpu_unmaps_it;
    ck_assert_int_eq(unmap(near, 0, far), GNTST_general_error);
    ck_assert_uint_eq(spins, 1);
    ck_assert_uint_eq(*entry_at(near), 0);
    ck_assert_uint_eq(*entry_at(far), 0);
    ck_assert_int_eq(state_of(mine), PAGE_FREE);
    audit();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("grant_mapping");
    TCase *tests = suite_case(suite, "grant_mapping");

    tcase_add_checked_fixture(tests, setup, page_world_teardown);
    tcase_add_test(tests, a_grant_comes_to_an_address_or_an_entry_and_goes);
    tcase_add_test(tests, what_was_mapped_there_before_is_released);
    tcase_add_test(tests, only_the_guest_s_own_level_1_entries_are_named);
    tcase_add_test(tests, a_mapping_that_is_not_as_it_was_made_is_not_ended);
    tcase_add_test(tests, the_entry_of_another_address_replaces_it);
    tcase_add_test(tests, no_replacement_is_taken_for_a_mapping_that_is_not_ended);
    tcase_add_test(tests, a_replacement_that_is_none_ends_nothing);
    tcase_add_test(tests, a_mapping_lost_after_the_look_costs_the_replacement_and_no_reference);
    return suite_run(suite);
}
