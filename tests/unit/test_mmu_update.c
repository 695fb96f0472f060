/* SPDX-License-Identifier: MIT */
/*
 * The hypercalls on page tables: whose tables and whose frames, what is done when
 * one of many fails or the call is preempted, and what is flushed.
 */
#include "guest-pv-headers/xen.h"
#include "hypervisor/mm/page.h"
#include "hypervisor/pv/mmu.h"
#include "tests/unit/page_world.h"
#include "tests/unit/suite.h"

#define NORMAL(page, index) (maddr_of_mfn(page_frame(page)).byte + (index)*8)

static struct domain *privileged;
static struct mmu_update updates[64];
static struct mmuext_op ops[8];
static uint32_t done;

int segments_set_ldt(struct vcpu *which, uint64_t base, uint64_t entries)
{
    ck_assert_ptr_eq(which, vcpu);
    return base == 0x5000 && entries == 7 ? 0 : -XEN_EINVAL;
}

static void setup(void)
{
    page_world_setup();
    privileged = fake_domain_new(3, 1, true);
    guest->dirty_cpus = (struct cpumask){ { 0x5 } };
    memset(updates, 0, sizeof(updates));
    memset(ops, 0, sizeof(ops));
    done = 77;
}

static void teardown(void)
{
    fake_domain_free(privileged);
    page_world_teardown();
}

static long call(uint64_t count, uint64_t domains)
{
    return hypercall_mmu_update((uint64_t)updates, count, (uint64_t)&done, domains);
}

static long update(uint64_t address, uint64_t value, uint64_t domains)
{
    updates[0] = (struct mmu_update){ .ptr = address, .val = value };
    return call(1, domains);
}

/* ---- mmu_update ----------------------------------------------------------------------------- */

START_TEST(each_kind_of_update_does_what_it_says)
{
    struct page *table = new_table(1), *a = new_page();
    uint64_t address = NORMAL(table, 9);

    ck_assert_int_eq(update(address, entry_of(a, RW | PTE_DIRTY), DOMID_SELF), 0);
    ck_assert_uint_eq(table_of(table)[9], entry_of(a, RW | PTE_DIRTY));
    ck_assert_uint_eq(done, 1);
    ck_assert_int_eq(update(address | MMU_PT_UPDATE_PRESERVE_AD, entry_of(a, RO), DOMID_SELF), 0);
    ck_assert_uint_eq(table_of(table)[9], entry_of(a, RO | PTE_DIRTY));
    ck_assert_int_eq(update(address | MMU_PT_UPDATE_NO_TRANSLATE, entry_of(a, RO), DOMID_SELF), 0);
    ck_assert_uint_eq(table_of(table)[9], entry_of(a, RO));
    ck_assert_int_eq(update(NORMAL(a, 0) | MMU_MACHPHYS_UPDATE, 4711, DOMID_SELF), 0);
    ck_assert_uint_eq(m2p_table[page_frame(a).number], 4711);
    for (unsigned int kind = 4; kind < 8; kind++) {
        ck_assert_int_eq(update(address | kind, 0, DOMID_SELF), -XEN_ENOSYS);
        ck_assert_uint_eq(done, 0);
    }
    audit();
}
END_TEST

START_TEST(all_levels_are_written)
{
    for (unsigned int level = 2; level <= 4; level++) {
        struct page *table = new_table(level), *child = new_page();

        ck_assert_int_eq(update(NORMAL(table, 3), entry_of(child, RW), DOMID_SELF), 0);
        ck_assert(page_is(child, (enum page_type)(level - 1)));
        audit();
    }
}
END_TEST

START_TEST(plain_memory_is_written_as_the_guest_could)
{
    struct page *page = new_page(), *segments = new_page(), *l1 = new_table(1);

    ck_assert_int_eq(update(NORMAL(page, 511), 0x123456789abcdef1, DOMID_SELF), 0);
    ck_assert_uint_eq(table_of(page)[511], 0x123456789abcdef1);
    ck_assert_int_eq(set(l1, 0, entry_of(page, RW)), 0);
    ck_assert_int_eq(update(NORMAL(page, 0), 5, DOMID_SELF), 0);
    ck_assert_uint_eq(table_of(page)[0], 5);
    ck_assert_int_eq(page_type_get(segments, PAGE_SEGMENTS), 0);
    extra_uses[number_of(segments)] = 1;
    ck_assert_int_lt(update(NORMAL(segments, 0), 5, DOMID_SELF), 0);
    ck_assert_uint_eq(table_of(segments)[0], 0);
    audit();
}
END_TEST

START_TEST(a_half_way_table_is_written_once_it_came_down)
{
    struct page *l2 = new_page(), *l1[2] = { new_page(), new_page() };

    table_of(l2)[0] = entry_of(l1[0], RW);
    table_of(l2)[1] = entry_of(l1[1], RW);
    preempt_in = 1;
    ck_assert_int_eq(pin(l2, 2), -XEN_ERESTART);
    ck_assert_int_eq(update(NORMAL(l2, 0), 0x77, DOMID_SELF), 0);
    ck_assert_uint_eq(table_of(l2)[0], 0x77);
    ck_assert_int_eq(state_of(l2), PAGE_FREE);
    audit();
}
END_TEST

START_TEST(tables_and_frames_are_the_caller_s_unless_it_is_privileged)
{
    struct page *table = new_table(1), *foreign = fake_page_new(other), *io = new_page();
    uint64_t address = NORMAL(table, 0), theirs = NORMAL(foreign, 0);

    io->refs = page_ref_owner_bits(DOMID_IO);
    ck_assert_int_eq(update(address, entry_of(foreign, RO), other->id), -XEN_EPERM);
    ck_assert_int_eq(update(address, entry_of(foreign, RO), DOMID_XEN), -XEN_EPERM);
    ck_assert_int_eq(update(address, entry_of(foreign, RO), 999), -XEN_EPERM);
    ck_assert_int_eq(update(address, 0, (uint64_t)(other->id + 1u) << 16 | DOMID_SELF), -XEN_EPERM);
    ck_assert_int_eq(update(theirs, 0, DOMID_SELF), -XEN_EPERM);
    ck_assert_int_eq(update(FAKE_FRAMES * PAGE_SIZE, 0, DOMID_SELF), -XEN_EINVAL);
    ck_assert_int_eq(update(UINT64_C(0xfffffffffffff000), 0, DOMID_SELF), -XEN_EINVAL);
    ck_assert_int_eq(update(theirs | MMU_MACHPHYS_UPDATE, 1, DOMID_SELF), -XEN_EINVAL);
    ck_assert_int_eq(update(NORMAL(io, 0) | MMU_MACHPHYS_UPDATE, 1, DOMID_IO), -XEN_EINVAL);
    ck_assert_int_eq(update(address, entry_of(io, RW), DOMID_IO), -XEN_EINVAL);
    ck_assert_uint_eq(table_of(table)[0], 0);
    /* Its own by its number, and device memory it may have. */
    device_allowed = number_of(io);
    ck_assert_int_eq(update(address, entry_of(io, RW), DOMID_IO), 0);
    ck_assert_int_eq(update(address, 0, guest->id), 0);
    ck_assert_int_eq(update(address, 0, (uint64_t)(guest->id + 1u) << 16 | guest->id), 0);
    audit();
    ck_assert_uint_eq(other->references, 1);
    ck_assert_uint_eq(guest->references, 1);
}
END_TEST

START_TEST(a_privileged_caller_names_frames_and_tables_of_others)
{
    struct page *table = fake_page_new(privileged), *theirs = new_table(1), *a = new_page();
    uint64_t address = NORMAL(table, 0), tables = (uint64_t)(guest->id + 1u) << 16;

    fake_set_current(privileged->vcpu[0]);
    ck_assert_int_eq(frame_type_get(page_frame(table), privileged->id, PAGE_L1), 0);
    extra_refs[number_of(table)] = extra_uses[number_of(table)] = 1;
    ck_assert_int_eq(update(address, entry_of(a, RW), DOMID_SELF), -XEN_EINVAL);
    ck_assert_int_eq(update(address, entry_of(a, RW), guest->id), 0);
    ck_assert_int_eq(update(address, entry_of(a, RW), 999), -XEN_ESRCH);
    ck_assert_int_eq(update(NORMAL(a, 0) | MMU_MACHPHYS_UPDATE, 12, guest->id), 0);
    ck_assert_uint_eq(m2p_table[page_frame(a).number], 12);
    ck_assert_int_eq(update(NORMAL(theirs, 0), entry_of(a, RO), tables | DOMID_SELF), 0);
    ck_assert_int_eq(update(NORMAL(theirs, 1), entry_of(a, RO), tables | guest->id), 0);
    ck_assert_uint_eq(table_of(theirs)[1], entry_of(a, RO));
    ck_assert_int_eq(update(NORMAL(theirs, 0), 0, tables | other->id), -XEN_EOPNOTSUPP);
    ck_assert_int_eq(update(NORMAL(theirs, 0), 0, UINT64_C(1000) << 16 | DOMID_SELF), -XEN_ESRCH);
    ck_assert_int_eq(update(address, 0, tables | DOMID_SELF), -XEN_EPERM);
    audit();
    ck_assert_uint_eq(guest->references, 1);
    ck_assert_uint_eq(other->references, 1);
}
END_TEST

START_TEST(a_privileged_caller_maps_what_the_core_shows)
{
    struct page *table = new_table(1), *shown = fake_page_new(other);
    pte_t entry = entry_of(shown, RO);

    page_lend(shown, DOMID_XEN, false);
    ck_assert_int_eq(update(NORMAL(table, 0), entry, DOMID_XEN), -XEN_EPERM);
    guest->privileged = true;
    ck_assert_int_eq(update(NORMAL(table, 0), entry | PTE_WRITABLE, DOMID_XEN), -XEN_EINVAL);
    ck_assert_int_eq(update(NORMAL(table, 0), entry, DOMID_XEN), 0);
    ck_assert_uint_eq(table_of(table)[0], entry);
}
END_TEST

START_TEST(the_count_done_is_exact_when_one_fails)
{
    struct page *table = new_table(1), *a = new_page();

    for (unsigned int bad = 0; bad < 40; bad++) {
        for (unsigned int i = 0; i < 40; i++) {
            updates[i] =
                (struct mmu_update){ .ptr = NORMAL(table, i),
                                     .val = i == bad ? entry_of(table, RW) : entry_of(a, RW) };
        }
        ck_assert_int_eq(call(40, DOMID_SELF), -XEN_EINVAL);
        ck_assert_uint_eq(done, bad);
        for (unsigned int i = 0; i < 40; i++) {
            require(table_of(table)[i] == (i < bad ? entry_of(a, RW) : 0));
            require(set(table, i, 0) == 0);
        }
    }
    audit();
}
END_TEST

START_TEST(lists_that_cannot_be_read_end_there)
{
    struct page *table = new_table(1);

    for (unsigned int i = 0; i < 4; i++) {
        updates[i] = (struct mmu_update){ .ptr = NORMAL(table, i), .val = 0x1000 };
    }
    for (unsigned int word = 0; word < 8; word++) {
        fake_answers.fault_start = (uint8_t *)updates + word * 8;
        fake_answers.fault_size = 8;
        ck_assert_int_eq(call(4, DOMID_SELF), -XEN_EFAULT);
        ck_assert_uint_eq(done, word / 2);
    }
    fake_answers.fault_size = 0;
    ck_assert_int_eq(hypercall_mmu_update(CORE_START, 1, 0, DOMID_SELF), -XEN_EFAULT);
    ck_assert_int_eq(hypercall_mmu_update(CORE_START - 8, 1, 0, DOMID_SELF), -XEN_EFAULT);
    fake_answers.write_fault_start = &done;
    fake_answers.write_fault_size = 4;
    ck_assert_int_eq(call(1, DOMID_SELF), -XEN_EFAULT);
    ck_assert_int_eq(hypercall_mmu_update((uint64_t)updates, 1, 0, DOMID_SELF), 0);
    ck_assert_int_eq(hypercall_mmu_update(0, 0, 0, DOMID_SELF), 0);
}
END_TEST

/* As the guest would: until there is no continuation, with the arguments it is given. */
static long go_on(long result, long (*again)(uint64_t, uint64_t, uint64_t, uint64_t),
                  unsigned int piece, unsigned int *pieces)
{
    while (result == -XEN_ERESTART) {
        require(fake.continuations == ++*pieces);
        require(fake.continued_count == 4);
        require(*pieces < 1000);
        audit();
        preempt_in = piece;
        result = again(fake.continued[0], fake.continued[1], fake.continued[2], fake.continued[3]);
        preempt_in = 0;
    }
    audit();
    return result;
}

START_TEST(a_preempted_call_goes_on_where_it_was)
{
    struct page *table = new_table(1), *a = new_page();

    for (unsigned int piece = 1; piece < 5; piece++) {
        unsigned int pieces = 0;

        fake.continuations = 0;
        done = 0;
        for (unsigned int i = 0; i < 64; i++) {
            updates[i] = (struct mmu_update){ .ptr = NORMAL(table, i), .val = entry_of(a, RW) };
        }
        preempt_in = piece;
        ck_assert_int_eq(go_on(call(64, DOMID_SELF), hypercall_mmu_update, piece, &pieces), 0);
        ck_assert_uint_eq(fake.continued_number, __HYPERVISOR_mmu_update);
        ck_assert_uint_eq(done, 64);
        ck_assert_uint_eq(pieces, piece == 1 ? 4 : piece == 2 ? 2 : 1);
        for (unsigned int i = 0; i < 64; i++) {
            require(table_of(table)[i] == entry_of(a, RW));
            require(set(table, i, 0) == 0);
        }
    }
}
END_TEST

/* Five level-1 tables under a level-2 table. */
static struct page *build_l2(void)
{
    struct page *l2 = new_page();

    for (unsigned int i = 0; i < 5; i++) {
        table_of(l2)[i * 100] = entry_of(new_page(), RW);
    }
    return l2;
}

START_TEST(a_table_that_takes_long_is_taken_up_and_down_in_pieces)
{
    struct page *l3 = new_table(3), *l2 = build_l2(), *a = new_page();
    unsigned int pieces = 0;

    updates[0] = (struct mmu_update){ .ptr = NORMAL(l3, 0), .val = entry_of(l2, RW) };
    updates[1] = (struct mmu_update){ .ptr = NORMAL(l3, 1), .val = 0x5000 };
    done = 0;
    preempt_in = 1;
    ck_assert_int_eq(go_on(call(2, DOMID_SELF), hypercall_mmu_update, 1, &pieces), 0);
    ck_assert_uint_eq(done, 2);
    ck_assert_uint_ge(pieces, 4);
    ck_assert_uint_eq(table_of(l3)[0], entry_of(l2, RW));

    /* Down: the entry is replaced at once, the rest before anything else is done. */
    pieces = 0;
    fake.continuations = 0;
    updates[0].val = 0;
    updates[1] = (struct mmu_update){ .ptr = NORMAL(a, 0), .val = 0x7000 };
    done = 0;
    preempt_in = 1;
    ck_assert_int_eq(go_on(call(2, DOMID_SELF), hypercall_mmu_update, 1, &pieces), 0);
    ck_assert_uint_eq(done, 2);
    ck_assert_uint_ge(pieces, 4);
    ck_assert_int_eq(state_of(l2), PAGE_FREE);
    ck_assert_uint_eq(table_of(a)[0], 0x7000);
}
END_TEST

START_TEST(what_was_left_and_fits_in_is_done_in_the_same_call)
{
    struct page *l3 = new_table(3), *l2 = build_l2(), *a = new_page();

    ck_assert_int_eq(set(l3, 0, entry_of(l2, RW)), 0);
    preempt_in = 1;
    ck_assert_int_eq(set(l3, 0, 0), 0);
    preempt_in = 0;
    ck_assert_ptr_eq(vcpu->pv.unfinished, l2);
    ck_assert_int_eq(update(NORMAL(a, 0), 0x7000, DOMID_SELF), 0);
    ck_assert_uint_eq(table_of(a)[0], 0x7000);
    ck_assert_int_eq(state_of(l2), PAGE_FREE);
    audit();
}
END_TEST

START_TEST(what_comes_back_from_the_guest_is_not_trusted)
{
    done = 1000;
    ck_assert_int_eq(
        hypercall_mmu_update((uint64_t)updates, MMU_UPDATE_PREEMPTED, (uint64_t)&done, DOMID_SELF),
        0);
    ck_assert_uint_eq(done, 1000);
    fake_answers.fault_start = &done;
    fake_answers.fault_size = 4;
    ck_assert_int_eq(
        hypercall_mmu_update((uint64_t)updates, MMU_UPDATE_PREEMPTED, (uint64_t)&done, DOMID_SELF),
        -XEN_EFAULT);
    ck_assert_int_eq(hypercall_mmu_update(CORE_END - 16, UINT32_MAX, 0, DOMID_SELF), -XEN_EFAULT);
    ck_assert_uint_eq(fake.continuations, 0);
}
END_TEST

START_TEST(a_call_that_goes_on_does_nothing_if_its_count_cannot_be_read)
{
    struct page *table = new_table(1);

    updates[0] = (struct mmu_update){ .ptr = NORMAL(table, 0), .val = 0x5000 };
    ops[0].cmd = MMUEXT_TLB_FLUSH_LOCAL;
    fake_answers.fault_start = &done;
    fake_answers.fault_size = 4;
    ck_assert_int_eq(call(MMU_UPDATE_PREEMPTED | 1, DOMID_SELF), -XEN_EFAULT);
    ck_assert_uint_eq(table_of(table)[0], 0);
    ck_assert_int_eq(
        hypercall_mmuext_op((uint64_t)ops, MMU_UPDATE_PREEMPTED | 1, (uint64_t)&done, DOMID_SELF),
        -XEN_EFAULT);
    ck_assert_uint_eq(fake.tlb_flushes, 0);
    /* None need be kept. */
    ck_assert_int_eq(
        hypercall_mmu_update((uint64_t)updates, MMU_UPDATE_PREEMPTED | 1, 0, DOMID_SELF), 0);
    ck_assert_uint_eq(table_of(table)[0], 0x5000);
}
END_TEST

/* ---- update_va_mapping ---------------------------------------------------------------------- */

static struct page *leaf;
static const uint64_t address = UINT64_C(0x0000123456789000);

static void make_tree(void)
{
    struct page *l4 = new_table(4), *l3 = new_page(), *l2 = new_page();

    leaf = new_page();
    ck_assert_int_eq(set(l4, pte_index(address, 4), entry_of(l3, RW)), 0);
    ck_assert_int_eq(set(l3, pte_index(address, 3), entry_of(l2, RW)), 0);
    ck_assert_int_eq(set(l2, pte_index(address, 2), entry_of(leaf, RW)), 0);
    vcpu->pv.kernel_l4 = page_frame(l4);
}

START_TEST(an_address_is_mapped_and_flushed_as_asked)
{
    struct page *a = new_page();
    uint64_t mask = 2;

    make_tree();
    guest->vcpu[1]->running = true;
    guest->vcpu[1]->cpu = 6;
    ck_assert_int_eq(hypercall_update_va_mapping(address, entry_of(a, RW), UVMF_NONE), 0);
    ck_assert_uint_eq(table_of(leaf)[pte_index(address, 1)], entry_of(a, RW));
    ck_assert_uint_eq(fake.tlb_flushes, 0);
    ck_assert_int_eq(hypercall_update_va_mapping(address, 0, UVMF_TLB_FLUSH | UVMF_LOCAL), 0);
    ck_assert_uint_eq(fake.tlb_flushes_all, 1);
    ck_assert_int_eq(hypercall_update_va_mapping(address, 0, UVMF_INVLPG | UVMF_LOCAL), 0);
    ck_assert_uint_eq(fake.tlb_flushes, 2);
    ck_assert_uint_eq(fake.tlb_last_address, address);
    ck_assert_int_eq(hypercall_update_va_mapping(address, 0, UVMF_TLB_FLUSH | UVMF_ALL), 0);
    ck_assert_uint_eq(fake.tlb_flushes_all, 2);
    ck_assert_uint_eq(fake.tlb_last_mask.bits[0], 0x5);
    ck_assert_int_eq(hypercall_update_va_mapping(address, 0, UVMF_INVLPG | (uint64_t)&mask), 0);
    ck_assert_uint_eq(fake.tlb_last_address, address);
    ck_assert_uint_eq(fake.tlb_last_mask.bits[0], 1u << 6);
    fake_answers.fault_start = &mask;
    fake_answers.fault_size = 8;
    ck_assert_int_eq(hypercall_update_va_mapping(address, 0, UVMF_INVLPG | (uint64_t)&mask),
                     -XEN_EFAULT);
    ck_assert_uint_eq(fake.tlb_flushes, 4);
    audit();
}
END_TEST

START_TEST(a_refused_mapping_flushes_nothing)
{
    struct page *foreign = fake_page_new(other);

    make_tree();
    ck_assert_int_eq(
        hypercall_update_va_mapping(address, entry_of(foreign, RO), UVMF_TLB_FLUSH | UVMF_ALL),
        -XEN_EINVAL);
    ck_assert_int_eq(
        hypercall_update_va_mapping(address + (UINT64_C(1) << 39), 0, UVMF_TLB_FLUSH | UVMF_ALL),
        -XEN_EINVAL);
    ck_assert_int_eq(hypercall_update_va_mapping(CORE_START, 0, UVMF_TLB_FLUSH | UVMF_ALL),
                     -XEN_EINVAL);
    ck_assert_int_eq(
        hypercall_update_va_mapping_otherdomain(address, entry_of(foreign, RO), 0, other->id),
        -XEN_EPERM);
    ck_assert_int_eq(hypercall_update_va_mapping_otherdomain(address, 0, 0, DOMID_SELF), 0);
    ck_assert_uint_eq(fake.tlb_flushes, 0);
    audit();
}
END_TEST

START_TEST(another_domain_s_frame_is_mapped_by_a_privileged_caller)
{
    struct page *foreign = fake_page_new(other);

    make_tree();
    guest->privileged = true;
    ck_assert_int_eq(
        hypercall_update_va_mapping_otherdomain(address, entry_of(foreign, RW), 0, other->id), 0);
    audit();
    ck_assert_int_eq(
        hypercall_update_va_mapping_otherdomain(address, entry_of(foreign, RW), 0, 999),
        -XEN_ESRCH);
    ck_assert_uint_eq(other->references, 1);
}
END_TEST

START_TEST(an_address_whose_table_is_lost_is_refused)
{
    struct page *plain = new_page();

    make_tree();
    ck_assert_ptr_eq(pt_find_l1(vcpu, address), leaf);
    vcpu->pv.walked.l1 = plain; /* as if it had stopped to be a table after it was found */
    ck_assert_int_eq(hypercall_update_va_mapping(address, 0x5000, 0), -XEN_EINVAL);
    ck_assert_uint_eq(table_of(plain)[pte_index(address, 1)], 0);
}
END_TEST

START_TEST(a_half_way_frame_is_mapped_in_pieces)
{
    struct page *l2 = build_l2();
    unsigned int pieces = 0;
    long result;

    make_tree();
    preempt_in = 4;
    ck_assert_int_eq(pin(l2, 2), -XEN_ERESTART);
    do {
        preempt_in = 1;
        result = hypercall_update_va_mapping(address, entry_of(l2, RW), 0);
        preempt_in = 0;
        audit();
        pieces++;
    } while (result == -XEN_ERESTART);
    ck_assert_int_eq(result, 0);
    ck_assert_uint_eq(pieces, 4);
    ck_assert_uint_eq(fake.continuations, 3);
    ck_assert_uint_eq(fake.continued_number, __HYPERVISOR_update_va_mapping_otherdomain);
    ck_assert_uint_eq(fake.continued_count, 4);
    ck_assert_uint_eq(fake.continued[1], entry_of(l2, RW));
}
END_TEST

START_TEST(what_was_left_is_finished_before_anything_is_mapped)
{
    struct page *l3 = new_table(3), *l2 = build_l2(), *a = new_page();

    make_tree();
    ck_assert_int_eq(set(l3, 0, entry_of(l2, RW)), 0);
    preempt_in = 1;
    ck_assert_int_eq(set(l3, 0, 0), 0);
    ck_assert_ptr_eq(vcpu->pv.unfinished, l2);
    preempt_in = 1;
    ck_assert_int_eq(hypercall_update_va_mapping(address, entry_of(a, RW), 0), -XEN_ERESTART);
    ck_assert_uint_eq(table_of(leaf)[pte_index(address, 1)], 0);
    preempt_in = 1;
    ck_assert_int_eq(
        hypercall_update_va_mapping_otherdomain(address, entry_of(a, RW), 5, DOMID_SELF),
        -XEN_ERESTART);
    ck_assert_uint_eq(fake.continued_number, __HYPERVISOR_update_va_mapping_otherdomain);
    ck_assert_uint_eq(fake.continued[2], 5);
    ck_assert_uint_eq(fake.continued[3], DOMID_SELF);
    preempt_in = 0;
    ck_assert_int_eq(hypercall_update_va_mapping(address, entry_of(a, RW), 0), 0);
    ck_assert_int_eq(state_of(l2), PAGE_FREE);
    audit();
}
END_TEST

/* ---- mmuext_op ------------------------------------------------------------------------------ */

static long ext(unsigned int cmd, uint64_t first, uint64_t second)
{
    ops[0].cmd = cmd;
    ops[0].arg1.linear_addr = first;
    ops[0].arg2.src_mfn = second;
    return hypercall_mmuext_op((uint64_t)ops, 1, (uint64_t)&done, DOMID_SELF);
}

static void count_pin(const struct page *table, bool pinned)
{
    extra_refs[number_of(table)] = pinned;
    extra_uses[number_of(table)] = pinned;
    ck_assert_int_eq((table->use & PAGE_USE_PINNED) != 0, pinned);
    audit();
}

START_TEST(each_level_is_pinned_once_and_unpinned_once)
{
    for (unsigned int level = 1; level <= 4; level++) {
        struct page *table = new_page();

        ck_assert_int_eq(ext(MMUEXT_UNPIN_TABLE, number_of(table), 0), -XEN_EINVAL);
        ck_assert_int_eq(ext(MMUEXT_PIN_L1_TABLE + level - 1, number_of(table), 0), 0);
        ck_assert_uint_eq(done, 1);
        count_pin(table, true);
        for (unsigned int again = 1; again <= 4; again++) {
            ck_assert_int_eq(ext(MMUEXT_PIN_L1_TABLE + again - 1, number_of(table), 0),
                             -XEN_EINVAL);
            ck_assert_uint_eq(done, 0);
            count_pin(table, true);
        }
        ck_assert_int_eq(ext(MMUEXT_UNPIN_TABLE, number_of(table), 0), 0);
        count_pin(table, false);
        ck_assert_int_eq(ext(MMUEXT_UNPIN_TABLE, number_of(table), 0), -XEN_EINVAL);
        count_pin(table, false);
        /* Who does not want the count has it done as well. */
        ops[0].cmd = MMUEXT_PIN_L1_TABLE + level - 1;
        ck_assert_int_eq(hypercall_mmuext_op((uint64_t)ops, 1, 0, DOMID_SELF), 0);
        count_pin(table, true);
    }
}
END_TEST

START_TEST(only_frames_of_the_guest_are_pinned)
{
    struct page *foreign = fake_page_new(other);
    uint64_t bad[] = { number_of(foreign), FAKE_FRAMES, UINT64_MAX };

    for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
        ck_assert_int_eq(ext(MMUEXT_PIN_L1_TABLE, bad[i], 0), -XEN_EINVAL);
        ck_assert_int_eq(ext(MMUEXT_UNPIN_TABLE, bad[i], 0), -XEN_EINVAL);
        ck_assert_int_eq(ext(MMUEXT_CLEAR_PAGE, bad[i], 0), -XEN_EINVAL);
        ck_assert_int_eq(ext(MMUEXT_NEW_BASEPTR, bad[i], 0), -XEN_EINVAL);
        ck_assert_int_eq(ext(MMUEXT_NEW_USER_BASEPTR, bad[i], 0), -XEN_EINVAL);
    }
    ck_assert_int_eq(hypercall_mmuext_op((uint64_t)ops, 1, 0, other->id), -XEN_EPERM);
    guest->privileged = true;
    ck_assert_int_eq(hypercall_mmuext_op((uint64_t)ops, 1, 0, 999), -XEN_ESRCH);
    audit();
    ck_assert_uint_eq(other->references, 1);
}
END_TEST

START_TEST(a_dying_domain_s_frames_are_not_pinned)
{
    struct page *table = new_page();

    guest->state = DOMAIN_DYING;
    ck_assert_int_eq(ext(MMUEXT_PIN_L1_TABLE, number_of(table), 0), -XEN_EINVAL);
    count_pin(table, false);
    ck_assert_int_eq(state_of(table), PAGE_FREE);
}
END_TEST

START_TEST(base_pointers_hold_their_tables)
{
    struct page *a = new_page(), *b = new_page(), *user = new_page(), *l3 = new_table(3);

    core_l4[CORE_FIRST_SLOT] = CORE_MARK;
    ck_assert_int_eq(pin(a, 4), 0);
    vcpu->pv.kernel_l4 = page_frame(a); /* the pin stands for this use */
    ck_assert_int_eq(ext(MMUEXT_NEW_BASEPTR, number_of(l3), 0), -XEN_EINVAL);
    ck_assert_int_eq(ext(MMUEXT_NEW_BASEPTR, number_of(a), 0), 0);
    audit();
    ck_assert_int_eq(ext(MMUEXT_NEW_BASEPTR, number_of(b), 0), 0);
    extra_refs[number_of(a)] = extra_uses[number_of(a)] = 0;
    extra_refs[number_of(b)] = extra_uses[number_of(b)] = 1;
    audit();
    ck_assert_uint_eq(vcpu->pv.kernel_cr3, number_of(b) << PAGE_SHIFT);
    ck_assert_int_eq(ext(MMUEXT_NEW_USER_BASEPTR, 0, 0), 0);
    this_cpu()->cr3_keep = cpu_features.cr3_keep = CR3_KEEP;
    ck_assert_int_eq(ext(MMUEXT_NEW_USER_BASEPTR, number_of(user), 0), 0);
    ck_assert_uint_eq(this_cpu()->cr3_keep, 0); /* the TLB may have the old one's */
    extra_refs[number_of(user)] = extra_uses[number_of(user)] = 1;
    ck_assert_uint_eq(vcpu->pv.user_cr3, number_of(user) << PAGE_SHIFT | CR3_USER);
    cpu_features.cr3_keep = 0;
    ck_assert_int_eq(ext(MMUEXT_NEW_USER_BASEPTR, number_of(l3), 0), -XEN_EINVAL);
    ck_assert_uint_eq(vcpu->pv.user_l4.number, number_of(user));
    ck_assert_uint_eq(table_of(user)[CORE_FIRST_SLOT], 0); /* the machine-to-physical table */
    table_of(user)[CORE_FIRST_SLOT] = CORE_MARK;           /* for the audit */
    audit();
    ck_assert_int_eq(ext(MMUEXT_NEW_USER_BASEPTR, 0, 0), 0);
    extra_refs[number_of(user)] = extra_uses[number_of(user)] = 0;
    audit();
}
END_TEST

START_TEST(one_address_space_for_both_modes_shows_the_machine_to_physical_table)
{
    struct page *both = new_table(4);
    pte_t *shown = &table_of(both)[CORE_FIRST_SLOT], *nobody_s = direct_map_mfn(mfn(0));

    core_l4[CORE_FIRST_SLOT] = CORE_MARK;
    vcpu->pv.kernel_l4 = page_frame(both);
    nobody_s[CORE_FIRST_SLOT] = 0x77;
    ck_assert_int_eq(ext(MMUEXT_NEW_USER_BASEPTR, number_of(both), 0), 0);
    ck_assert_uint_eq(*shown, CORE_MARK);
    guest->vm_assist = UINT64_C(1) << VMASST_TYPE_m2p_strict;
    ck_assert_int_eq(ext(MMUEXT_NEW_USER_BASEPTR, number_of(both), 0), 0);
    ck_assert_uint_eq(*shown, 0);
    ck_assert_int_eq(ext(MMUEXT_NEW_USER_BASEPTR, 0, 0), 0);
    ck_assert_uint_eq(nobody_s[CORE_FIRST_SLOT], 0x77);
}
END_TEST

START_TEST(nobody_changes_the_address_space_of_another_domain_s_vcpu)
{
    static const unsigned int own[] = { MMUEXT_NEW_BASEPTR, MMUEXT_NEW_USER_BASEPTR,
                                        MMUEXT_SET_LDT };

    guest->privileged = true;
    for (unsigned int i = 0; i < ARRAY_SIZE(own); i++) {
        ops[0] = (struct mmuext_op){ .cmd = own[i] };
        ck_assert_int_eq(hypercall_mmuext_op((uint64_t)ops, 1, (uint64_t)&done, other->id),
                         -XEN_EPERM);
    }
    ck_assert_uint_eq(other->references, 1);
}
END_TEST

START_TEST(pages_are_cleared_and_copied_if_they_are_writable)
{
    struct page *to = new_page(), *from = new_page(), *table = new_table(1);
    struct page *foreign = fake_page_new(other);

    memset(table_of(to), 0xaa, PAGE_SIZE);
    memset(table_of(from), 0xbb, PAGE_SIZE);
    ck_assert_int_eq(ext(MMUEXT_COPY_PAGE, number_of(to), number_of(from)), 0);
    ck_assert_mem_eq(table_of(to), table_of(from), PAGE_SIZE);
    ck_assert_int_eq(ext(MMUEXT_CLEAR_PAGE, number_of(to), 0), 0);
    ck_assert_uint_eq(table_of(to)[0] | table_of(to)[511], 0);
    ck_assert_int_eq(ext(MMUEXT_COPY_PAGE, number_of(table), number_of(from)), -XEN_EINVAL);
    ck_assert_int_eq(ext(MMUEXT_CLEAR_PAGE, number_of(table), 0), -XEN_EINVAL);
    ck_assert_int_eq(ext(MMUEXT_COPY_PAGE, number_of(to), number_of(foreign)), -XEN_EINVAL);
    ck_assert_int_eq(ext(MMUEXT_COPY_PAGE, number_of(to), FAKE_FRAMES), -XEN_EINVAL);
    ck_assert_int_eq(ext(MMUEXT_COPY_PAGE, number_of(foreign), number_of(from)), -XEN_EINVAL);
    /* Reading a table is no secret. */
    ck_assert_int_eq(ext(MMUEXT_COPY_PAGE, number_of(to), number_of(table)), 0);
    audit();
}
END_TEST

START_TEST(flushes_reach_the_vcpus_that_are_named)
{
    uint64_t mask = 3;

    guest->vcpu[0]->running = true;
    guest->vcpu[0]->cpu = 2;
    ck_assert_int_eq(ext(MMUEXT_TLB_FLUSH_LOCAL, 0, 0), 0);
    ck_assert_uint_eq(fake.tlb_flushes_all, 1);
    ck_assert_int_eq(ext(MMUEXT_INVLPG_LOCAL, 0x4000, 0), 0);
    ck_assert_uint_eq(fake.tlb_last_address, 0x4000);
    ck_assert_int_eq(ext(MMUEXT_TLB_FLUSH_MULTI, 0, (uint64_t)&mask), 0);
    ck_assert_uint_eq(fake.tlb_last_mask.bits[0], 1u << 2); /* the other is not loaded */
    ck_assert_int_eq(ext(MMUEXT_INVLPG_MULTI, 0x6000, (uint64_t)&mask), 0);
    ck_assert_uint_eq(fake.tlb_last_address, 0x6000);
    ck_assert_int_eq(ext(MMUEXT_TLB_FLUSH_ALL, 0, 0), 0);
    ck_assert_uint_eq(fake.tlb_last_mask.bits[0], 0x5);
    ck_assert_int_eq(ext(MMUEXT_INVLPG_ALL, 0x7000, 0), 0);
    ck_assert_uint_eq(fake.tlb_last_address, 0x7000);
    ck_assert_uint_eq(fake.tlb_flushes, 6);
    /* The core's translations are not the guest's to flush. */
    ck_assert_int_eq(ext(MMUEXT_INVLPG_LOCAL, CORE_START, 0), 0);
    ck_assert_int_eq(ext(MMUEXT_INVLPG_ALL, CORE_START, 0), 0);
    ck_assert_int_eq(ext(MMUEXT_INVLPG_MULTI, CORE_START, (uint64_t)&mask), 0);
    ck_assert_uint_eq(fake.tlb_flushes, 6);
    fake_answers.fault_start = &mask;
    fake_answers.fault_size = 8;
    ck_assert_int_eq(ext(MMUEXT_TLB_FLUSH_MULTI, 0, (uint64_t)&mask), -XEN_EFAULT);
}
END_TEST

START_TEST(a_list_of_flushes_is_done_whole_whoever_wants_to_know)
{
    uint64_t count_at[] = { 0, (uint64_t)&done };

    ops[0].cmd = ops[1].cmd = ops[2].cmd = MMUEXT_TLB_FLUSH_LOCAL;
    for (unsigned int count = 0; count < 4; count++) {
        for (unsigned int i = 0; i < ARRAY_SIZE(count_at); i++) {
            fake.tlb_flushes = 0;
            done = 77;
            ck_assert_int_eq(hypercall_mmuext_op((uint64_t)ops, count, count_at[i], DOMID_SELF), 0);
            ck_assert_uint_eq(fake.tlb_flushes, count);
            ck_assert_uint_eq(done, i == 0 ? 77 : count);
            /* Not another domain's. */
            ck_assert_int_eq(hypercall_mmuext_op((uint64_t)ops, count, count_at[i], other->id),
                             -XEN_EPERM);
            ck_assert_uint_eq(fake.tlb_flushes, count);
        }
    }
    preempt_in = 1;
    ck_assert_int_eq(hypercall_mmuext_op((uint64_t)ops, 3, (uint64_t)&done, DOMID_SELF),
                     -XEN_ERESTART);
    ck_assert_uint_eq(done, 1);
    ck_assert_uint_eq(fake.continued[1], MMU_UPDATE_PREEMPTED | 2);
}
END_TEST

START_TEST(a_bitmap_of_vcpus_is_read_no_further_than_there_are_vcpus)
{
    uint8_t bytes[9];

    memset(bytes, 0xff, sizeof(bytes));
    fake_answers.fault_start = bytes + 1; /* two vCPUs: one byte */
    fake_answers.fault_size = 8;
    ck_assert_int_eq(ext(MMUEXT_TLB_FLUSH_MULTI, 0, (uint64_t)bytes), 0);
}
END_TEST

START_TEST(other_operations_are_refused_or_passed_on)
{
    ck_assert_int_eq(ext(MMUEXT_SET_LDT, 0x5000, 7), 0);
    ck_assert_int_eq(ext(MMUEXT_SET_LDT, 0x6000, 7), -XEN_EINVAL);
    ck_assert_int_eq(ext(MMUEXT_MARK_SUPER, 0, 0), -XEN_EOPNOTSUPP);
    ck_assert_int_eq(ext(MMUEXT_UNMARK_SUPER, 0, 0), -XEN_EOPNOTSUPP);
    ck_assert_int_eq(ext(MMUEXT_FLUSH_CACHE, 0, 0), -XEN_EACCES);
    ck_assert_int_eq(ext(MMUEXT_FLUSH_CACHE_GLOBAL, 0, 0), -XEN_EINVAL);
    ck_assert_int_eq(ext(14, 0, 0), -XEN_ENOSYS);
    ck_assert_int_eq(ext(21, 0, 0), -XEN_ENOSYS);
    ck_assert_int_eq(ext(UINT32_MAX, 0, 0), -XEN_ENOSYS);
}
END_TEST

START_TEST(a_pin_and_an_unpin_that_take_long_go_on)
{
    struct page *l2 = build_l2(), *a = new_page();
    unsigned int pieces = 0;

    ops[0] = (struct mmuext_op){ .cmd = MMUEXT_PIN_L2_TABLE, .arg1.mfn = number_of(l2) };
    ops[1] = (struct mmuext_op){ .cmd = MMUEXT_CLEAR_PAGE, .arg1.mfn = number_of(a) };
    done = 0;
    preempt_in = 1;
    extra_refs[number_of(l2)] = 0;
    for (;;) {
        long result = pieces == 0
                          ? hypercall_mmuext_op((uint64_t)ops, 2, (uint64_t)&done, DOMID_SELF)
                          : hypercall_mmuext_op(fake.continued[0], fake.continued[1],
                                                fake.continued[2], fake.continued[3]);
        bool pinned = (l2->use & PAGE_USE_PINNED) != 0;

        extra_refs[number_of(l2)] = extra_uses[number_of(l2)] = pinned;
        preempt_in = 0;
        audit();
        preempt_in = 1;
        pieces++;
        if (result != -XEN_ERESTART) {
            ck_assert_int_eq(result, 0);
            break;
        }
        ck_assert_uint_eq(fake.continued_number, __HYPERVISOR_mmuext_op);
    }
    ck_assert_uint_eq(done, 2);
    ck_assert_uint_ge(pieces, 5);

    fake.continuations = 0;
    pieces = 0;
    ops[0].cmd = MMUEXT_UNPIN_TABLE;
    extra_refs[number_of(l2)] = extra_uses[number_of(l2)] = 0;
    done = 0;
    preempt_in = 1;
    ck_assert_int_eq(go_on(hypercall_mmuext_op((uint64_t)ops, 2, (uint64_t)&done, DOMID_SELF),
                           hypercall_mmuext_op, 1, &pieces),
                     0);
    ck_assert_uint_eq(done, 2);
    ck_assert_uint_ge(pieces, 4);
    ck_assert_int_eq(state_of(l2), PAGE_FREE);
}
END_TEST

START_TEST(operations_that_cannot_be_read_end_there)
{
    ops[0].cmd = ops[1].cmd = MMUEXT_TLB_FLUSH_LOCAL;
    for (unsigned int word = 0; word < 6; word++) {
        fake_answers.fault_start = (uint8_t *)ops + word * 8;
        fake_answers.fault_size = 8;
        ck_assert_int_eq(hypercall_mmuext_op((uint64_t)ops, 2, (uint64_t)&done, DOMID_SELF),
                         -XEN_EFAULT);
        ck_assert_uint_eq(done, word / 3);
    }
    for (unsigned int word = 0; word < 3; word++) {
        fake.tlb_flushes = 0;
        fake_answers.fault_start = (uint8_t *)ops + word * 8;
        ck_assert_int_eq(hypercall_mmuext_op((uint64_t)ops, 1, 0, DOMID_SELF), -XEN_EFAULT);
        ck_assert_uint_eq(fake.tlb_flushes, 0);
    }
    fake_answers.fault_size = 0;
    ck_assert_int_eq(hypercall_mmuext_op(CORE_START - 16, 1, 0, DOMID_SELF), -XEN_EFAULT);
    ck_assert_int_eq(hypercall_mmuext_op(CORE_START, 1, 0, DOMID_SELF), -XEN_EFAULT);
}
END_TEST

static void add_update_tests(TCase *tcase)
{
    tcase_add_test(tcase, each_kind_of_update_does_what_it_says);
    tcase_add_test(tcase, all_levels_are_written);
    tcase_add_test(tcase, plain_memory_is_written_as_the_guest_could);
    tcase_add_test(tcase, a_half_way_table_is_written_once_it_came_down);
    tcase_add_test(tcase, tables_and_frames_are_the_caller_s_unless_it_is_privileged);
    tcase_add_test(tcase, a_privileged_caller_names_frames_and_tables_of_others);
    tcase_add_test(tcase, a_privileged_caller_maps_what_the_core_shows);
    tcase_add_test(tcase, the_count_done_is_exact_when_one_fails);
    tcase_add_test(tcase, lists_that_cannot_be_read_end_there);
    tcase_add_test(tcase, a_preempted_call_goes_on_where_it_was);
    tcase_add_test(tcase, a_table_that_takes_long_is_taken_up_and_down_in_pieces);
    tcase_add_test(tcase, what_was_left_and_fits_in_is_done_in_the_same_call);
    tcase_add_test(tcase, what_comes_back_from_the_guest_is_not_trusted);
    tcase_add_test(tcase, a_call_that_goes_on_does_nothing_if_its_count_cannot_be_read);
}

static void add_va_tests(TCase *tcase)
{
    tcase_add_test(tcase, an_address_is_mapped_and_flushed_as_asked);
    tcase_add_test(tcase, a_refused_mapping_flushes_nothing);
    tcase_add_test(tcase, another_domain_s_frame_is_mapped_by_a_privileged_caller);
    tcase_add_test(tcase, an_address_whose_table_is_lost_is_refused);
    tcase_add_test(tcase, a_half_way_frame_is_mapped_in_pieces);
    tcase_add_test(tcase, what_was_left_is_finished_before_anything_is_mapped);
}

static void add_ext_tests(TCase *tcase)
{
    tcase_add_test(tcase, each_level_is_pinned_once_and_unpinned_once);
    tcase_add_test(tcase, only_frames_of_the_guest_are_pinned);
    tcase_add_test(tcase, a_dying_domain_s_frames_are_not_pinned);
    tcase_add_test(tcase, base_pointers_hold_their_tables);
    tcase_add_test(tcase, one_address_space_for_both_modes_shows_the_machine_to_physical_table);
    tcase_add_test(tcase, nobody_changes_the_address_space_of_another_domain_s_vcpu);
    tcase_add_test(tcase, pages_are_cleared_and_copied_if_they_are_writable);
    tcase_add_test(tcase, flushes_reach_the_vcpus_that_are_named);
    tcase_add_test(tcase, a_list_of_flushes_is_done_whole_whoever_wants_to_know);
    tcase_add_test(tcase, a_bitmap_of_vcpus_is_read_no_further_than_there_are_vcpus);
    tcase_add_test(tcase, other_operations_are_refused_or_passed_on);
    tcase_add_test(tcase, a_pin_and_an_unpin_that_take_long_go_on);
    tcase_add_test(tcase, operations_that_cannot_be_read_end_there);
}

int main(void)
{
    static void (*const parts[])(TCase *) = { add_update_tests, add_va_tests, add_ext_tests };
    static const char *const names[] = { "mmu_update", "update_va_mapping", "mmuext_op" };
    Suite *suite = suite_create("mmu_update");

    for (unsigned int i = 0; i < ARRAY_SIZE(parts); i++) {
        TCase *tcase = suite_case(suite, names[i]);

        tcase_add_checked_fixture(tcase, setup, teardown);
        tcase_set_timeout(tcase, 30);
        parts[i](tcase);
    }
    return suite_run(suite);
}
