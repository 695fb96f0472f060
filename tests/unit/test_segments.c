/* SPDX-License-Identifier: MIT */
/*
 * Descriptor tables of guests: which descriptors are fit, whose frames hold them,
 * what a CPU's window shows.  pv/segments.c is included here, over instructions
 * that only note that they ran.
 */
/* The real instructions under names of their own, out of the way. */
#define read_msr  real_read_msr
#define write_msr real_write_msr
#include "hypervisor/x86/cpu.h"
#undef read_msr
#undef write_msr

#include "hypervisor/lib/frame.h"
#include "tests/unit/require.h"

static uint64_t msrs[3];
static unsigned int changed; /* pages of the windows */

static inline uint64_t read_msr(uint32_t msr)
{
    return msrs[msr - MSR_FS_BASE];
}

static inline void write_msr(uint32_t msr, uint64_t value)
{
    msrs[msr - MSR_FS_BASE] = value;
}

#include "hypervisor/pv/segments.c"

#define PAGE_WORLD_WITH_SEGMENTS
#include "tests/unit/page_world.h"
#include "tests/unit/suite.h"

/* ---- the window ----------------------------------------------------------------------------- */

static _Alignas(4096) uint64_t gdt_area[GDT_GUEST_PAGES * 512], ldt_area[LDT_PAGES * 512];
static mfn_t gdt_shown[GDT_GUEST_PAGES], ldt_shown[LDT_PAGES];
static unsigned int ldt_loaded;

void window_set(unsigned int page, mfn_t frame)
{
    require(page < GDT_GUEST_PAGES || (page >= LDT_WINDOW && page < LDT_WINDOW + LDT_PAGES));
    changed++;
    *(page < LDT_WINDOW ? &gdt_shown[page] : &ldt_shown[page - LDT_WINDOW]) = frame;
}

const uint64_t *window_descriptors(unsigned int page)
{
    require(page == GDT_WINDOW || page == LDT_WINDOW);
    return page == GDT_WINDOW ? gdt_area : ldt_area;
}

void ldt_load(unsigned int entries)
{
    ldt_loaded = entries;
}

static void setup(void)
{
    page_world_setup();
    memset(shown, 0, sizeof(shown));
    for (unsigned int i = 0; i < GDT_GUEST_PAGES; i++) {
        gdt_shown[i] = MFN_INVALID;
    }
    for (unsigned int i = 0; i < LDT_PAGES; i++) {
        ldt_shown[i] = MFN_INVALID;
    }
    ldt_loaded = 0;
    changed = 0;
    cpu_features.fsgsbase = false;
}

/* The audit does not know descriptor tables: what the vCPUs hold is told to it. */
static void count_segments(void)
{
    memset(extra_refs, 0, sizeof(extra_refs));
    memset(extra_uses, 0, sizeof(extra_uses));
    for (unsigned int v = 0; v < 2; v++) {
        struct pv_vcpu *pv = &guest->vcpu[v]->pv;

        for (unsigned int i = 0; i < DIV_ROUND_UP(pv->gdt.entries, 512); i++) {
            extra_refs[pv->gdt.frames[i].number]++;
            extra_uses[pv->gdt.frames[i].number]++;
        }
        for (unsigned int i = 0; i < DIV_ROUND_UP(pv->ldt.entries, 512); i++) {
            if (!mfn_equal(pv->ldt.frames[i], MFN_INVALID)) {
                extra_refs[pv->ldt.frames[i].number]++;
                extra_uses[pv->ldt.frames[i].number]++;
            }
        }
    }
}

static void audit_segments(void)
{
    count_segments();
    audit();
}

/* ---- descriptors ---------------------------------------------------------------------------- */

START_TEST(each_descriptor_is_refused_or_made_ring_3_s)
{
    static uint64_t table[512];

    for (unsigned int access = 0; access < 256; access++) {
        for (unsigned int flags = 0; flags < 16; flags++) {
            uint64_t descriptor =
                UINT64_C(0x12000034567889ab) | (uint64_t)access << 40 | (uint64_t)flags << 52;
            bool present = (access & 0x80) != 0, memory = (access & 0x10) != 0;
            unsigned int place = (access * 16 + flags) % 512;

            memset(table, 0, sizeof(table));
            table[place] = descriptor;
            if (present && !memory) {
                require(segments_adjust(table) == -XEN_EINVAL);
                continue;
            }
            require(segments_adjust(table) == 0);
            require(table[place] == (present ? descriptor | UINT64_C(3) << 45 : descriptor));
            table[place] = 0;
            for (unsigned int i = 0; i < 512; i++) {
                require(table[i] == 0);
            }
        }
    }
}
END_TEST

/* ---- GDT ------------------------------------------------------------------------------------ */

static const uint64_t code = UINT64_C(0x00af9b000000ffff), gate = UINT64_C(0x00008e0000080000);

static void list_pages(uint64_t *frames, unsigned int count)
{
    for (unsigned int i = 0; i < count; i++) {
        frames[i] = number_of(new_page());
    }
}

START_TEST(descriptors_end_with_their_page)
{
    struct page *page = new_page(), *next = new_page();

    ck_assert_ptr_eq(next, page + 1);
    table_of(next)[0] = code;
    ck_assert_int_eq(segments_adjust(table_of(page)), 0);
    ck_assert_uint_eq(table_of(next)[0], code);
}
END_TEST

START_TEST(a_gdt_holds_its_frames_and_lets_the_old_ones_go)
{
    uint64_t frames[GDT_GUEST_PAGES + 1], others[GDT_GUEST_PAGES];

    list_pages(frames, GDT_GUEST_PAGES);
    list_pages(others, GDT_GUEST_PAGES);
    for (uint32_t entries = 0; entries <= GDT_GUEST_ENTRIES; entries += 97) {
        ck_assert_int_eq(segments_set_gdt(vcpu, frames, entries), 0);
        ck_assert_uint_eq(vcpu->pv.gdt.entries, entries);
        audit_segments();
        for (unsigned int i = 0; i < GDT_GUEST_PAGES; i++) {
            bool used = i < DIV_ROUND_UP(entries, 512);

            require(page_is(page_of(mfn(frames[i])), PAGE_SEGMENTS) == used);
            require(gdt_shown[i].number == (used ? frames[i] : UINT64_MAX));
        }
        if (entries % 2 != 0) {
            ck_assert_int_eq(segments_set_gdt(vcpu, others, entries / 2), 0);
            audit_segments();
        }
    }
    ck_assert_int_eq(segments_set_gdt(vcpu, frames, GDT_GUEST_ENTRIES), 0);
    frames[GDT_GUEST_PAGES] = frames[0]; /* not for want of a frame */
    ck_assert_int_eq(segments_set_gdt(vcpu, frames, GDT_GUEST_ENTRIES + 1), -XEN_EINVAL);
    ck_assert_int_eq(segments_set_gdt(vcpu, frames, UINT32_MAX), -XEN_EINVAL);
    segments_drop(vcpu);
    audit_segments();
    ck_assert_uint_eq(vcpu->pv.gdt.entries, 0);
}
END_TEST

START_TEST(a_gdt_may_have_a_frame_twice_and_share_it_with_another_vcpu)
{
    uint64_t frames[2];

    list_pages(frames, 1);
    frames[1] = frames[0];
    ck_assert_int_eq(segments_set_gdt(vcpu, frames, 1024), 0);
    ck_assert_int_eq(segments_set_gdt(guest->vcpu[1], frames, 1000), 0);
    audit_segments();
    ck_assert_uint_eq(extra_uses[frames[0]], 4);
    segments_drop(vcpu);
    audit_segments();
    segments_drop(guest->vcpu[1]);
    audit_segments();
    ck_assert_int_eq(state_of(page_of(mfn(frames[0]))), PAGE_FREE);
}
END_TEST

START_TEST(a_gdt_with_one_bad_frame_is_refused_whole)
{
    uint64_t before[1], frames[4];
    struct page *l1 = new_page(), *writable = new_page(), *table = new_page(), *gates = new_page();
    uint64_t bad[] = { number_of(l1),    number_of(writable),
                       number_of(gates), number_of(fake_page_new(other)),
                       FAKE_FRAMES,      UINT64_MAX };

    table_of(gates)[511] = gate;
    list_pages(before, 1);
    list_pages(frames, 4);
    ck_assert_int_eq(segments_set_gdt(vcpu, before, 512), 0);
    ck_assert_int_eq(frame_type_get(page_frame(l1), guest->id, PAGE_L1), 0);
    table_of(table)[0] = entry_of(writable, RW);
    ck_assert_int_eq(frame_type_get(page_frame(table), guest->id, PAGE_L1), 0);
    for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
        for (unsigned int place = 0; place < 4; place++) {
            uint64_t list[4];

            memcpy(list, frames, sizeof(list));
            list[place] = bad[i];
            ck_assert_int_eq(segments_set_gdt(vcpu, list, 4 * 512), -XEN_EINVAL);
            ck_assert_uint_eq(vcpu->pv.gdt.entries, 512);
            ck_assert_uint_eq(gdt_shown[0].number, before[0]);
            count_segments();
            extra_refs[number_of(l1)]++;
            extra_uses[number_of(l1)]++;
            extra_refs[number_of(table)]++;
            extra_uses[number_of(table)]++;
            audit();
        }
    }
}
END_TEST

START_TEST(a_frame_of_descriptors_is_never_writable)
{
    uint64_t frames[1];
    struct page *l1 = new_page();
    struct page *page;

    list_pages(frames, 1);
    page = page_of(mfn(frames[0]));
    ck_assert_int_eq(segments_set_gdt(vcpu, frames, 512), 0);
    ck_assert_int_eq(pin(l1, 1), 0);
    ck_assert_int_eq(set(l1, 0, entry_of(page, RW)), -XEN_EINVAL);
    ck_assert_int_eq(set(l1, 0, entry_of(page, RO)), 0);
    ck_assert_int_eq(set(page, 0, 0), -XEN_EAGAIN);
    segments_drop(vcpu);
    ck_assert_int_eq(set(l1, 0, entry_of(page, RW)), 0);
    unpin(l1);
    audit_segments();
}
END_TEST

START_TEST(only_the_vcpu_that_is_loaded_is_shown)
{
    uint64_t frames[2], others[3];

    list_pages(frames, 2);
    list_pages(others, 3);
    ck_assert_int_eq(segments_set_gdt(vcpu, frames, 600), 0);
    changed = 0;
    ck_assert_int_eq(segments_set_gdt(guest->vcpu[1], others, 1025), 0);
    ck_assert_uint_eq(changed, 0);
    ck_assert_uint_eq(gdt_shown[0].number, frames[0]);
    segments_load(guest->vcpu[1]);
    ck_assert_uint_eq(changed, 3);
    ck_assert_uint_eq(gdt_shown[2].number, others[2]);
    /* The next one has fewer: nothing of the last one's is left. */
    changed = 0;
    segments_load(vcpu);
    ck_assert_uint_eq(changed, 3);
    ck_assert_uint_eq(gdt_shown[1].number, frames[1]);
    ck_assert_uint_eq(gdt_shown[2].number, UINT64_MAX);
    changed = 0;
    segments_load(vcpu);
    ck_assert_uint_eq(changed, 2);
}
END_TEST

START_TEST(set_gdt_takes_its_list_from_the_guest)
{
    uint64_t frames[14];

    list_pages(frames, 14);
    ck_assert_int_eq(hypercall_set_gdt((uint64_t)frames, 14 * 512), 0);
    ck_assert_uint_eq(vcpu->pv.gdt.entries, 14 * 512);
    ck_assert_int_eq(hypercall_set_gdt((uint64_t)frames, 14 * 512 + 1), -XEN_EINVAL);
    fake_answers.fault_start = &frames[2];
    fake_answers.fault_size = 8;
    ck_assert_int_eq(hypercall_set_gdt((uint64_t)frames, 1025), -XEN_EFAULT);
    ck_assert_int_eq(hypercall_set_gdt((uint64_t)frames, 1024), 0);
    ck_assert_uint_eq(vcpu->pv.gdt.entries, 1024);
    ck_assert_int_eq(hypercall_set_gdt((uint64_t)frames, 0), 0);
    audit_segments();
}
END_TEST

/* ---- LDT ------------------------------------------------------------------------------------ */

static struct page *ldt_l1;
static const uint64_t ldt_base = UINT64_C(0x0000555500000000);

/* A tree for the vCPU with one level-1 table, for the LDT's 16 pages and more. */
static void make_tree(void)
{
    struct page *l4 = new_page(), *l3 = new_page(), *l2 = new_page();

    ldt_l1 = new_page();
    table_of(l4)[pte_index(ldt_base, 4)] = entry_of(l3, RW);
    table_of(l3)[pte_index(ldt_base, 3)] = entry_of(l2, RW);
    table_of(l2)[pte_index(ldt_base, 2)] = entry_of(ldt_l1, RW);
    ck_assert_int_eq(frame_type_get(page_frame(l4), guest->id, PAGE_L4), 0);
    vcpu->pv.kernel_l4 = page_frame(l4);
}

static void audit_with_tree(void)
{
    count_segments();
    extra_refs[vcpu->pv.kernel_l4.number]++;
    extra_uses[vcpu->pv.kernel_l4.number]++;
    audit();
}

START_TEST(an_ldt_is_found_through_the_guest_s_tables)
{
    struct page *pages[16];

    make_tree();
    for (unsigned int i = 0; i < 16; i++) {
        pages[i] = new_page();
        ck_assert_int_eq(set(ldt_l1, i, entry_of(pages[i], RO)), 0);
    }
    for (uint64_t entries = 0; entries <= 8192; entries += 301) {
        ck_assert_int_eq(segments_set_ldt(vcpu, ldt_base, entries), 0);
        ck_assert_uint_eq(vcpu->pv.ldt.entries, entries);
        ck_assert_uint_eq(ldt_loaded, entries);
        audit_with_tree();
        for (unsigned int i = 0; i < 16; i++) {
            bool used = i < DIV_ROUND_UP(entries, 512);

            require(ldt_shown[i].number == (used ? number_of(pages[i]) : UINT64_MAX));
        }
    }
    ck_assert_int_eq(segments_set_ldt(vcpu, ldt_base, 0), 0);
    ck_assert_uint_eq(ldt_shown[0].number, UINT64_MAX);
    audit_with_tree();
}
END_TEST

START_TEST(a_page_that_is_not_fit_is_not_shown)
{
    struct page *fit = new_page(), *gates = new_page(), *writable = new_page();

    make_tree();
    ck_assert_int_eq(set(ldt_l1, 3, entry_of(new_page(), 0)), 0); /* not present */
    table_of(gates)[3] = gate;
    ck_assert_int_eq(set(ldt_l1, 0, entry_of(fit, RO)), 0);
    ck_assert_int_eq(set(ldt_l1, 1, entry_of(gates, RO)), 0);
    ck_assert_int_eq(set(ldt_l1, 2, entry_of(writable, RW)), 0);
    ck_assert_int_eq(segments_set_ldt(vcpu, ldt_base, 2048), 0);
    ck_assert_uint_eq(ldt_shown[0].number, number_of(fit));
    for (unsigned int i = 1; i < 4; i++) {
        ck_assert_uint_eq(ldt_shown[i].number, UINT64_MAX);
    }
    audit_with_tree();
    segments_drop(vcpu);
    audit_with_tree();
}
END_TEST

START_TEST(an_ldt_s_base_and_size_are_checked)
{
    static const uint64_t bases[] = { 1, 0x800, CORE_START, CORE_END - PAGE_SIZE,
                                      UINT64_C(0x0000800000000000) };

    make_tree();
    for (unsigned int i = 0; i < ARRAY_SIZE(bases); i++) {
        ck_assert_int_eq(segments_set_ldt(vcpu, bases[i], 1), -XEN_EINVAL);
    }
    ck_assert_int_eq(segments_set_ldt(vcpu, ldt_base, 8193), -XEN_EINVAL);
    ck_assert_int_eq(segments_set_ldt(vcpu, ldt_base, UINT64_MAX), -XEN_EINVAL);
    ck_assert_int_eq(segments_set_ldt(vcpu, ldt_base, UINT64_C(0x100000001)), -XEN_EINVAL);
    /* Nothing may be anywhere but between pages. */
    ck_assert_int_eq(segments_set_ldt(vcpu, CORE_START, 0), 0);
    ck_assert_int_eq(segments_set_ldt(vcpu, 1, 0), -XEN_EINVAL);
    /* One that reaches into the core ends there. */
    ck_assert_int_eq(segments_set_ldt(vcpu, UINT64_C(0x00007ffffffff000), 8192), 0);
    ck_assert_int_eq(segments_set_ldt(vcpu, UINT64_C(0xfffffffffffff000), 8192), 0);
    segments_drop(vcpu);
    audit_with_tree();
}
END_TEST

START_TEST(an_ldt_is_shown_with_its_vcpu_and_gone_with_the_next)
{
    struct page *page = new_page();

    make_tree();
    ck_assert_int_eq(set(ldt_l1, 0, entry_of(page, RO)), 0);
    ck_assert_int_eq(segments_set_ldt(vcpu, ldt_base, 3), 0);
    ck_assert_int_eq(segments_set_ldt(guest->vcpu[1], ldt_base, 0), 0); /* it is not loaded */
    ck_assert_uint_eq(ldt_loaded, 3);
    segments_load(guest->vcpu[1]);
    ck_assert_uint_eq(ldt_loaded, 0);
    ck_assert_uint_eq(ldt_shown[0].number, UINT64_MAX);
    segments_load(vcpu);
    ck_assert_uint_eq(ldt_loaded, 3);
    ck_assert_uint_eq(ldt_shown[0].number, number_of(page));
}
END_TEST

/* ---- single descriptors --------------------------------------------------------------------- */

static long update(const struct page *page, unsigned int index, uint64_t descriptor)
{
    return hypercall_update_descriptor(maddr_of_mfn(page_frame(page)).byte + index * 8, descriptor);
}

START_TEST(a_descriptor_is_written_to_a_table_in_use_and_to_plain_memory)
{
    uint64_t frames[1];
    struct page *table, *plain = new_page();

    list_pages(frames, 1);
    table = page_of(mfn(frames[0]));
    ck_assert_int_eq(segments_set_gdt(vcpu, frames, 512), 0);
    ck_assert_int_eq(update(table, 511, code), 0);
    ck_assert_uint_eq(table_of(table)[511], code | UINT64_C(3) << 45);
    ck_assert_int_eq(update(plain, 0, code), 0);
    ck_assert_uint_eq(table_of(plain)[0], code | UINT64_C(3) << 45);
    table_of(plain)[1] = gate; /* what else it holds does not matter */
    ck_assert_int_eq(update(plain, 0, code), 0);
    ck_assert_int_eq(update(table, 511, 0), 0);
    ck_assert_uint_eq(table_of(table)[511], 0);
    ck_assert(page_is(table, PAGE_SEGMENTS));
    audit_segments();
}
END_TEST

START_TEST(a_descriptor_is_not_written_where_the_guest_may_not)
{
    struct page *l1 = new_page(), *foreign = fake_page_new(other), *plain = new_page();
    uint64_t address = maddr_of_mfn(page_frame(plain)).byte;

    ck_assert_int_eq(pin(l1, 1), 0);
    ck_assert_int_eq(update(l1, 0, code), -XEN_EINVAL);
    ck_assert_int_eq(update(foreign, 0, code), -XEN_EINVAL);
    ck_assert_int_eq(update(plain, 0, gate), -XEN_EINVAL);
    for (unsigned int i = 1; i < 8; i++) {
        ck_assert_int_eq(hypercall_update_descriptor(address + i, code), -XEN_EINVAL);
    }
    ck_assert_int_eq(hypercall_update_descriptor(UINT64_C(0xfffffffffffff000), code), -XEN_EINVAL);
    ck_assert_int_eq(hypercall_update_descriptor(FAKE_FRAMES * PAGE_SIZE, code), -XEN_EINVAL);
    ck_assert_uint_eq(table_of(l1)[0] | table_of(foreign)[0] | table_of(plain)[0], 0);
    audit();
}
END_TEST

/* ---- what code runs ------------------------------------------------------------------------- */

START_TEST(code_is_64_bit_by_its_descriptor)
{
    struct cpu_regs regs = { .cs = GUEST_CS64 };

    ck_assert(pv_code_is_64bit(&regs));
    regs.cs = GUEST_CS32;
    ck_assert(!pv_code_is_64bit(&regs));
    vcpu->pv.gdt.entries = 5;
    vcpu->pv.ldt.entries = 3;
    gdt_area[4] = gdt_area[5] = ldt_area[2] = ldt_area[3] = code;
    for (unsigned int index = 0; index < 8; index++) {
        regs.cs = index << 3 | 3;
        ck_assert(pv_code_is_64bit(&regs) == (index == 4));
        regs.cs = index << 3 | 7;
        ck_assert(pv_code_is_64bit(&regs) == (index == 2));
    }
    regs.cs = 0xffff;
    ck_assert(!pv_code_is_64bit(&regs));
}
END_TEST

START_TEST(bases_are_canonical_and_go_where_they_belong)
{
    uint64_t base = UINT64_C(0xffff880012345678);

    ck_assert_int_eq(hypercall_set_segment_base(SEGBASE_FS, base), 0);
    ck_assert_int_eq(hypercall_set_segment_base(SEGBASE_GS_KERNEL, base + 1), 0);
    ck_assert_int_eq(hypercall_set_segment_base(SEGBASE_GS_USER, base + 2), 0);
    ck_assert_uint_eq(msrs[0], base);
    ck_assert_uint_eq(msrs[1], base + 1);
    ck_assert_uint_eq(msrs[2], base + 2);
    ck_assert_uint_eq(segment_fs_base(), base);
    ck_assert_uint_eq(segment_gs_base(), base + 1);
    for (unsigned int which = SEGBASE_FS; which <= SEGBASE_GS_KERNEL; which++) {
        ck_assert_int_eq(hypercall_set_segment_base(which, UINT64_C(1) << 47), -XEN_EINVAL);
    }
    ck_assert_int_eq(hypercall_set_segment_base(4, base), -XEN_EINVAL);
    ck_assert_int_eq(hypercall_set_segment_base(UINT64_MAX, base), -XEN_EINVAL);
    ck_assert_uint_eq(msrs[0], base);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("segments");
    TCase *tcase = suite_case(suite, "segments");

    tcase_add_checked_fixture(tcase, setup, page_world_teardown);
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, each_descriptor_is_refused_or_made_ring_3_s);
    tcase_add_test(tcase, descriptors_end_with_their_page);
    tcase_add_test(tcase, a_gdt_holds_its_frames_and_lets_the_old_ones_go);
    tcase_add_test(tcase, a_gdt_may_have_a_frame_twice_and_share_it_with_another_vcpu);
    tcase_add_test(tcase, a_gdt_with_one_bad_frame_is_refused_whole);
    tcase_add_test(tcase, a_frame_of_descriptors_is_never_writable);
    tcase_add_test(tcase, only_the_vcpu_that_is_loaded_is_shown);
    tcase_add_test(tcase, set_gdt_takes_its_list_from_the_guest);
    tcase_add_test(tcase, an_ldt_is_found_through_the_guest_s_tables);
    tcase_add_test(tcase, a_page_that_is_not_fit_is_not_shown);
    tcase_add_test(tcase, an_ldt_s_base_and_size_are_checked);
    tcase_add_test(tcase, an_ldt_is_shown_with_its_vcpu_and_gone_with_the_next);
    tcase_add_test(tcase, a_descriptor_is_written_to_a_table_in_use_and_to_plain_memory);
    tcase_add_test(tcase, a_descriptor_is_not_written_where_the_guest_may_not);
    tcase_add_test(tcase, code_is_64_bit_by_its_descriptor);
    tcase_add_test(tcase, bases_are_canonical_and_go_where_they_belong);
    return suite_run(suite);
}
