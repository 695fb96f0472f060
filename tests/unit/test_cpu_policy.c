/* SPDX-License-Identifier: MIT */
/*
 * What CPUID tells a guest, for CPUs made up here.  The first of them is the one
 * on which the answers of Debian's Xen were written down; what it told its
 * guests is the expected value, with the differences explained.
 */
#include "guest-pv-headers/errno.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/pv/cpu_policy.h"
#include "hypervisor/time/clock.h"
#include "hypervisor/x86/features.h"
#include "hypervisor/x86/fpu.h"
#include "tests/fake/fake.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <string.h>

#define ANY    XEN_CPUID_NO_SUBLEAF
#define TSC_HZ UINT64_C(2596139000)

/* ---- neighbours --------------------------------------------------------------------------- */

struct cpu_features cpu_features;
static bool tsc_stable;
static uint64_t guest_xcr0;

void fpu_set_xcr0(struct fpu_state *state, uint64_t xcr0)
{
    (void)state;
    guest_xcr0 = xcr0;
}

uint64_t fpu_xcr0(const struct fpu_state *state)
{
    (void)state;
    return guest_xcr0;
}

bool clock_tsc_stable(void)
{
    return tsc_stable;
}

uint64_t clock_tsc_hz(void)
{
    return TSC_HZ;
}

struct clock_scale clock_scale(void)
{
    return (struct clock_scale){ .mul = 0xc4ea4a41, .shift = -1 };
}

/* ---- CPUs ----------------------------------------------------------------------------------- */

/* QEMU 7.2, -cpu max,-smap. */
static const struct xen_cpuid_leaf emulated[] = {
    { 0x0, ANY, 0x0000000d, 0x68747541, 0x444d4163, 0x69746e65 },
    { 0x1, ANY, 0x00060fb1, 0x00020800, 0xfed8320b, 0x1fcbfbfd },
    { 0x5, ANY, 0x00000000, 0x00000000, 0x00000003, 0x00000000 },
    { 0x6, ANY, 0x00000004, 0x00000000, 0x00000000, 0x00000000 },
    { 0x7, 0, 0x00000000, 0x01c843a9, 0x8001020c, 0x00000000 },
    { 0xb, 0, 0x00000000, 0x00000001, 0x00000100, 0x00000000 },
    { 0xd, 0, 0x0000021f, 0x00000340, 0x00000a88, 0x00000000 },
    { 0xd, 1, 0x00000005, 0x000003c8, 0x00000000, 0x00000000 },
    { 0xd, 2, 0x00000100, 0x00000240, 0x00000000, 0x00000000 },
    { 0xd, 3, 0x00000040, 0x000003c0, 0x00000000, 0x00000000 },
    { 0xd, 9, 0x00000008, 0x00000a80, 0x00000000, 0x00000000 },
    { 0x80000000, ANY, 0x8000000a, 0x68747541, 0x444d4163, 0x69746e65 },
    { 0x80000001, ANY, 0x00060fb1, 0x00000000, 0x00000077, 0xedd3fbfd },
    { 0x80000008, ANY, 0x00003928, 0x00000000, 0x00001001, 0x00000000 },
    { 0x8000000a, ANY, 0x00000001, 0x00000010, 0x00000000, 0x10010001 },
};

static struct cpuid_regs read_emulated(uint32_t leaf, uint32_t subleaf)
{
    for (size_t i = 0; i < ARRAY_SIZE(emulated); i++) {
        if (emulated[i].leaf == leaf &&
            (emulated[i].subleaf == ANY || emulated[i].subleaf == subleaf)) {
            return (struct cpuid_regs){ emulated[i].a, emulated[i].b, emulated[i].c,
                                        emulated[i].d };
        }
    }
    return (struct cpuid_regs){ 0, 0, 0, 0 };
}

/* Has everything. */
static struct cpuid_regs read_all_ones(uint32_t leaf, uint32_t subleaf)
{
    ck_assert_uint_ne(subleaf, ANY); /* no CPU has such a one */
    if (leaf == 0xd && subleaf >= 2) {
        return (struct cpuid_regs){ 60 * (subleaf + 1), 576 + 1000 * subleaf, ~0u, 0 };
    }
    return (struct cpuid_regs){ ~0u, ~0u, ~0u, ~0u };
}

/* Has nothing beyond leaf 1. */
static struct cpuid_regs read_old(uint32_t leaf, uint32_t subleaf)
{
    (void)subleaf;
    if (leaf == 0 || leaf == 0x80000000) {
        return (struct cpuid_regs){ leaf | 1, 0x756e6547, 0x6c65746e, 0x49656e69 };
    }
    return (struct cpuid_regs){ ~0u, ~0u, ~0u, ~0u };
}

static struct domain *domain;
static struct vcpu *vcpu;

static void use(struct cpuid_regs (*read)(uint32_t, uint32_t))
{
    heap_free(domain->cpu_policy);
    cpu_policy_detect(read);
    ck_assert_int_eq(cpu_policy_create(domain), 0);
}

static void set_up(void)
{
    fake_reset();
    cpu_features = (struct cpu_features){
        .xsave = true,
        .fsgsbase = true,
        .rdtscp = true,
        .amd = true,
        .xcr0 = 7,
    };
    tsc_stable = false;
    guest_xcr0 = 1;
    domain = fake_domain_new(1, 3, false);
    vcpu = domain->vcpu[0];
    use(read_emulated);
}

static void tear_down(void)
{
    heap_free(domain->cpu_policy);
    fake_domain_free(domain);
}

static void expect(uint32_t leaf, uint32_t subleaf, struct cpuid_regs wanted)
{
    struct cpuid_regs got = pv_cpuid(vcpu, leaf, subleaf);

    ck_assert_msg(memcmp(&got, &wanted, sizeof(got)) == 0, "%08x.%u: %08x %08x %08x %08x", leaf,
                  subleaf, got.eax, got.ebx, got.ecx, got.edx);
}

#define EXPECT(leaf, subleaf, ...) expect((leaf), (subleaf), (struct cpuid_regs){ __VA_ARGS__ })

START_TEST(the_answers_are_those_of_debians_xen)
{
    guest_xcr0 = 7;
    EXPECT(0x0, 0, 0x0000000d, 0x68747541, 0x444d4163, 0x69746e65);
    EXPECT(0x1, 0, 0x00060fb1, 0x00020800, 0xfed83203, 0x1fc9c3f5);
    EXPECT(0x5, 0, 0, 0, 0, 0);
    EXPECT(0x6, 0, 0x00000004, 0, 0, 0);
    EXPECT(0x7, 0, 0x00000000, 0x01880329, 0x00000200, 0x00000000);
    EXPECT(0xb, 0, 0, 0, 0, 0);
    EXPECT(0xb, 1, 0, 0, 0, 0);
    EXPECT(0xd, 0, 0x00000007, 0x00000340, 0x00000340, 0x00000000);
    EXPECT(0xd, 1, 0x00000005, 0, 0, 0);
    EXPECT(0xd, 2, 0x00000100, 0x00000240, 0, 0);
    EXPECT(0xd, 3, 0, 0, 0, 0);
    EXPECT(0xd, 9, 0, 0, 0, 0);
    EXPECT(0x40000000, 0, 0x40000005, 0x566e6558, 0x65584d4d, 0x4d4d566e);
    EXPECT(0x40000001, 0, 0x00040011, 0, 0, 0);
    EXPECT(0x40000003, 2, 0x00279d2b, 0, 0, 0);
    EXPECT(0x40000004, 0, 0, 0, 0, 0);
    EXPECT(0x40000100, 0, 0, 0, 0, 0);
    EXPECT(0x80000001, 0, 0x00060fb1, 0x00000000, 0x00000063, 0xe9d1cbf5);
    EXPECT(0x80000008, 0, 0x00003028, 0x00000000, 0x00001001, 0x00000000);
    EXPECT(0x8000000a, 0, 0, 0, 0, 0);
    EXPECT(0x40000002, 0, 1, 0x40000000, 1, 0);
    /* Xen claims leaves up to 0x80000021 on any CPU. */
    EXPECT(0x80000000, 0, 0x8000000a, 0x68747541, 0x444d4163, 0x69746e65);
}
END_TEST

START_TEST(no_other_bit_of_any_leaf_is_shown)
{
    cpu_features.xcr0 = UINT64_MAX;
    cpu_features.intel = true;
    use(read_all_ones);
    ck_assert_uint_eq(pv_cpuid(vcpu, 0, 0).eax, 0xd);
    ck_assert_uint_eq(pv_cpuid(vcpu, 0x80000000, 0).eax, 0x80000021);
    ck_assert_uint_eq(pv_cpuid(vcpu, 1, 0).ecx, 0xfed83203);
    ck_assert_uint_eq(pv_cpuid(vcpu, 1, 0).edx, 0x1fc9cbf5);
    ck_assert_uint_eq(pv_cpuid(vcpu, 6, 0).eax, 4);
    ck_assert_uint_eq(pv_cpuid(vcpu, 7, 0).eax, 1);
    ck_assert_uint_eq(pv_cpuid(vcpu, 7, 0).ebx, 0x218c2369);
    ck_assert_uint_eq(pv_cpuid(vcpu, 7, 0).ecx, 0x1a000700);
    ck_assert_uint_eq(pv_cpuid(vcpu, 7, 0).edx, 0x00004410);
    ck_assert_uint_eq(pv_cpuid(vcpu, 7, 1).eax, 0x00001c10);
    ck_assert_uint_eq(pv_cpuid(vcpu, 0xd, 0).eax, 7);
    ck_assert_uint_eq(pv_cpuid(vcpu, 0xd, 1).eax, 7);
    ck_assert_uint_eq(pv_cpuid(vcpu, 0x80000001, 0).ecx, 0x002109e3);
    ck_assert_uint_eq(pv_cpuid(vcpu, 0x80000001, 0).edx, 0xebd1cbf5);
    ck_assert_uint_eq(pv_cpuid(vcpu, 0x80000007, 0).edx, 0);
    ck_assert_uint_eq(pv_cpuid(vcpu, 0x80000008, 0).ebx, 5);
    ck_assert_uint_eq(pv_cpuid(vcpu, 0x80000021, 0).eax, 0x44);
    for (uint32_t leaf = 0; leaf < 0x100; leaf++) {
        bool shown = leaf <= 2 || leaf == 4 || leaf == 6 || leaf == 7 || leaf == 0xd;
        bool extended = leaf <= 8 || leaf == 0x21;
        struct cpuid_regs a = pv_cpuid(vcpu, leaf, 0), b = pv_cpuid(vcpu, 0x80000000 + leaf, 0);

        ck_assert(shown || (a.eax | a.ebx | a.ecx | a.edx) == 0);
        ck_assert(extended || (b.eax | b.ebx | b.ecx | b.edx) == 0);
    }
}
END_TEST

START_TEST(a_cpu_without_the_later_leaves_shows_none)
{
    cpu_features = (struct cpu_features){ .intel = true, .xcr0 = 0 };
    use(read_old);
    EXPECT(7, 0, 0, 0, 0, 0);
    EXPECT(0xd, 0, 0, 0, 0, 0);
    ck_assert_uint_eq(pv_cpuid(vcpu, 0, 0).eax, 1);
    /* Bits of things that need the later leaves are not shown either. */
    ck_assert_uint_eq(pv_cpuid(vcpu, 1, 0).ecx & 0x34001000, 0);
    ck_assert_uint_eq(pv_cr4_allowed(vcpu), CR4_TSD | CR4_DE);
    ck_assert(!pv_xcr0_valid(vcpu, 1));
    /* SYSENTER is the guest's on Intel. */
    ck_assert_uint_eq(pv_cpuid(vcpu, 1, 0).edx & 0x800, 0x800);
}
END_TEST

START_TEST(each_vcpu_has_its_own_apic_id)
{
    for (uint32_t i = 0; i < 3; i++) {
        ck_assert_uint_eq(pv_cpuid(domain->vcpu[i], 1, 0).ebx, 0x00020800 | i * 2 << 24);
    }
}
END_TEST

START_TEST(osxsave_is_there_wherever_xsave_is)
{
    ck_assert_uint_eq(pv_cpuid(vcpu, 1, 0).ecx >> 26 & 3, 3);
    vcpu->pv.cr4 = CR4_OSXSAVE;
    ck_assert_uint_eq(pv_cpuid(vcpu, 1, 0).ecx >> 26 & 3, 3);
    cpu_features.xsave = false;
    use(read_all_ones);
    ck_assert_uint_eq(pv_cpuid(vcpu, 1, 0).ecx >> 26 & 3, 0);
}
END_TEST

START_TEST(sizes_follow_the_guests_xcr0)
{
    static const struct {
        uint64_t xcr0;
        uint32_t standard, compacted;
    } sizes[] = {
        { 0x01, 576, 576 },
        { 0x03, 576, 576 },
        { 0x07, 2756, 576 + 180 },
    };

    cpu_features.xcr0 = 0xe7;
    use(read_all_ones);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        guest_xcr0 = sizes[i].xcr0;
        ck_assert_uint_eq(pv_cpuid(vcpu, 0xd, 0).ebx, sizes[i].standard);
        ck_assert_uint_eq(pv_cpuid(vcpu, 0xd, 0).ecx, 2756);
        ck_assert_uint_eq(pv_cpuid(vcpu, 0xd, 1).ebx, sizes[i].compacted);
    }
}
END_TEST

START_TEST(xcr0_is_allowed_in_whole_groups)
{
    cpu_features.xcr0 = 0xe7;
    use(read_all_ones);
    for (uint32_t xcr0 = 0; xcr0 < 0x1000; xcr0++) {
        bool valid = xcr0 == 1 || xcr0 == 3 || xcr0 == 7;

        ck_assert_msg(pv_xcr0_valid(vcpu, xcr0) == valid, "%x", xcr0);
    }
    ck_assert(!pv_xcr0_valid(vcpu, UINT64_C(1) << 63 | 7));
}
END_TEST

START_TEST(without_its_state_no_instruction_set_is_shown)
{
    cpu_features.xcr0 = 7;
    use(read_all_ones);
    ck_assert_uint_eq(pv_cpuid(vcpu, 7, 0).ebx & 0xdc230000, 0);
    ck_assert_uint_eq(pv_cpuid(vcpu, 7, 0).ebx & 0x20, 0x20);
    cpu_features.xcr0 = 3;
    use(read_all_ones);
    ck_assert_uint_eq(pv_cpuid(vcpu, 7, 0).ebx & 0x20, 0);
    ck_assert_uint_eq(pv_cpuid(vcpu, 1, 0).ecx & 0x30001000, 0);
    EXPECT(0xd, 2, 0, 0, 0, 0);
    cpu_features.xsave = false;
    use(read_all_ones);
    ck_assert_uint_eq(pv_cpuid(vcpu, 1, 0).ecx & 0x04000000, 0);
    EXPECT(0xd, 0, 0, 0, 0, 0);
}
END_TEST

START_TEST(what_the_core_does_not_keep_for_guests_is_shown_to_none)
{
    use(read_all_ones);
    ck_assert_uint_eq(pv_cr4_allowed(vcpu), CR4_TSD | CR4_DE | CR4_OSXSAVE | CR4_FSGSBASE);
    cpu_features.rdtscp = false;
    cpu_features.fsgsbase = false;
    use(read_all_ones);
    ck_assert_uint_eq(pv_cpuid(vcpu, 0x80000001, 0).edx >> 27 & 1, 0);
    EXPECT(0x40000003, 0, 0, TSC_MODE_DEFAULT, TSC_HZ / 1000, 0);
    ck_assert_uint_eq(pv_cpuid(vcpu, 7, 0).ebx & 1, 0);
    ck_assert_uint_eq(pv_cr4_allowed(vcpu), CR4_TSD | CR4_DE | CR4_OSXSAVE);
}
END_TEST

/* In the order of the public header, and 0 for words it may have one day. */
START_TEST(the_toolstack_is_told_all_features)
{
    /* Of all ones, what the rules of hypervisor/pv/cpu_policy.c leave. */
    static const uint32_t wanted[] = { 0x1fc9c3f5, 0xf6d83203, 0xebd1cbf5, 0x002109e3, 0x00000007,
                                       0x218c2369, 0x1a000700, 0x00000100, 0x00000005, 0x00004410,
                                       0x00001c10, 0x00000044, 0,          0 };
    uint32_t words[ARRAY_SIZE(wanted) + 1];

    tsc_stable = true;
    use(read_all_ones);
    memset(words, 0xa5, sizeof(words));
    cpu_policy_features(words, ARRAY_SIZE(wanted));
    ck_assert_mem_eq(words, wanted, sizeof(wanted));
    ck_assert_uint_eq(words[ARRAY_SIZE(wanted)], 0xa5a5a5a5);
}
END_TEST

START_TEST(a_stable_tsc_is_told_in_every_way)
{
    tsc_stable = true;
    use(read_all_ones);
    ck_assert_uint_eq(pv_cpuid(vcpu, 0x80000007, 0).edx, 0x100);
    EXPECT(0x40000003, 0, 0x6, TSC_MODE_NEVER_EMULATE, TSC_HZ / 1000, 0);
    EXPECT(0x40000003, 1, 0, 0, 0xc4ea4a41, 0xffffffff);
    EXPECT(0x40000003, 3, 0, 0, 0, 0);
    tsc_stable = false;
    use(read_all_ones);
    EXPECT(0x40000003, 0, 0x4, TSC_MODE_DEFAULT, TSC_HZ / 1000, 0);
}
END_TEST

START_TEST(the_machine_address_width_covers_all_frames)
{
    frame_limit = 0x80000; /* 2 GiB */
    ck_assert_uint_eq(pv_cpuid(vcpu, 0x40000005, 0).ebx, 32);
    frame_limit = 0x7ffe0;
    ck_assert_uint_eq(pv_cpuid(vcpu, 0x40000005, 0).ebx, 31);
    EXPECT(0x40000005, 1, 0, 0, 0, 0);
    frame_limit = FAKE_FRAMES;
}
END_TEST

/* ---- what the toolstack changes ------------------------------------------------------------- */

static int merge_one(struct xen_cpuid_leaf leaf)
{
    uint32_t bad = 99;
    int error = cpu_policy_merge(domain->cpu_policy, &leaf, 1, &bad);

    ck_assert_uint_eq(bad, error == 0 ? 99 : 0);
    return error;
}

START_TEST(a_policy_given_back_as_it_was_changes_nothing)
{
    struct cpu_policy before = *domain->cpu_policy;
    uint32_t bad = 0;

    ck_assert_int_eq(cpu_policy_merge(domain->cpu_policy, before.leaves, before.count, &bad), 0);
    ck_assert_mem_eq(domain->cpu_policy, &before, sizeof(before));
}
END_TEST

START_TEST(features_can_be_taken_away_but_not_added)
{
    struct cpuid_regs leaf = pv_cpuid(vcpu, 7, 0);

    ck_assert_int_eq(merge_one((struct xen_cpuid_leaf){ 7, 0, 0, leaf.ebx & ~0x20u, 0, 0 }), 0);
    EXPECT(7, 0, 0, leaf.ebx & ~0x20u, 0, 0);
    /* Back to what the host has: fine. */
    ck_assert_int_eq(merge_one((struct xen_cpuid_leaf){ 7, 0, 0, leaf.ebx, leaf.ecx, 0 }), 0);
    EXPECT(7, 0, 0, leaf.ebx, leaf.ecx, 0);
    for (unsigned int bit = 0; bit < 32; bit++) {
        bool fine = (leaf.ebx >> bit & 1) != 0;
        uint32_t before = pv_cpuid(vcpu, 7, 0).ebx;
        int error = merge_one((struct xen_cpuid_leaf){ 7, 0, 0, 1u << bit, 0, 0 });

        /* A bit no guest ever gets is dropped; one that this host lacks is an error. */
        ck_assert(!fine || error == 0);
        ck_assert(error != 0 || (pv_cpuid(vcpu, 7, 0).ebx & ~leaf.ebx) == 0);
        ck_assert(error == 0 || pv_cpuid(vcpu, 7, 0).ebx == before);
    }
    ck_assert_int_eq(merge_one((struct xen_cpuid_leaf){ 7, 0, 0, 1u << 29, 0, 0 }), -XEN_EINVAL);
    ck_assert_int_eq(merge_one((struct xen_cpuid_leaf){ 7, 0, 0, 0, 1u << 8, 0 }), -XEN_EINVAL);
    ck_assert_int_eq(merge_one((struct xen_cpuid_leaf){ 7, 0, 0, 0, 0, 1u << 4 }), -XEN_EINVAL);
    ck_assert_int_eq(merge_one((struct xen_cpuid_leaf){ 7, 1, 1u << 4, 0, 0, 0 }), -XEN_EINVAL);
}
END_TEST

START_TEST(state_components_are_taken_whole_or_away)
{
    ck_assert_int_eq(merge_one((struct xen_cpuid_leaf){ 0xd, 2, 0x100, 0x241, 0, 0 }), -XEN_EINVAL);
    ck_assert_int_eq(merge_one((struct xen_cpuid_leaf){ 0xd, 2, 0, 0, 0, 0 }), 0);
    ck_assert(pv_xcr0_valid(vcpu, 7));
    ck_assert_int_eq(merge_one((struct xen_cpuid_leaf){ 0xd, 0, 3, 0, 0, 0 }), 0);
    ck_assert(!pv_xcr0_valid(vcpu, 7));
    ck_assert(pv_xcr0_valid(vcpu, 3));
}
END_TEST

START_TEST(a_bad_leaf_among_good_ones_changes_nothing)
{
    struct cpu_policy before = *domain->cpu_policy;
    const struct xen_cpuid_leaf leaves[] = {
        { 7, 0, 0, 0, 0, 0 },
        { 1, ANY, 0, 0, 0, 0 },
        { 0, ANY, 0xd, 0x756e6547, 0x6c65746e, 0x49656e69 }, /* another maker */
    };
    uint32_t bad = 0;

    ck_assert_int_eq(cpu_policy_merge(domain->cpu_policy, leaves, 3, &bad), -XEN_EINVAL);
    ck_assert_uint_eq(bad, 2);
    for (unsigned int i = 0; i < 3; i++) {
        struct xen_cpuid_leaf leaf = before.leaves[0];

        *(uint32_t *[]){ &leaf.b, &leaf.c, &leaf.d }[i] ^= 1;
        ck_assert_int_eq(merge_one(leaf), -XEN_EINVAL);
        leaf.leaf = 0x80000000; /* names the maker as well */
        ck_assert_int_eq(merge_one(leaf), -XEN_EINVAL);
    }
    ck_assert_mem_eq(domain->cpu_policy, &before, sizeof(before));
}
END_TEST

START_TEST(numbers_and_texts_are_free_and_the_rest_is_left_alone)
{
    ck_assert_int_eq(merge_one((struct xen_cpuid_leaf){ 0x80000002, ANY, 1, 2, 3, 4 }), 0);
    EXPECT(0x80000002, 0, 1, 2, 3, 4);
    ck_assert_int_eq(merge_one((struct xen_cpuid_leaf){ 0x40000000, ANY, 1, 2, 3, 4 }), 0);
    EXPECT(0x40000000, 0, 0x40000005, 0x566e6558, 0x65584d4d, 0x4d4d566e);
    ck_assert_int_eq(
        merge_one((struct xen_cpuid_leaf){ 0x0, ANY, 0xe, 0x68747541, 0x444d4163, 0x69746e65 }),
        -XEN_EINVAL);
    ck_assert_int_eq(merge_one((struct xen_cpuid_leaf){ 0xd, 2, 0x101, 0x240, 0, 0 }), -XEN_EINVAL);
}
END_TEST

START_TEST(that_there_is_a_hypervisor_cannot_be_hidden)
{
    ck_assert_int_eq(merge_one((struct xen_cpuid_leaf){ 1, ANY, 0, 0, 0, 0 }), 0);
    ck_assert_uint_eq(pv_cpuid(vcpu, 1, 0).ecx, 0x80000000);
    /* XSAVE went, and with it all that needs it. */
    EXPECT(0xd, 0, 0, 0, 0, 0);
    ck_assert(!pv_xcr0_valid(vcpu, 1));
}
END_TEST

START_TEST(no_memory_is_an_error)
{
    heap_free(domain->cpu_policy);
    domain->cpu_policy = NULL;
    fake_answers.fail_allocation = 1;
    ck_assert_int_eq(cpu_policy_create(domain), -XEN_ENOMEM);
    ck_assert_ptr_null(domain->cpu_policy);
    ck_assert_int_eq(cpu_policy_create(domain), 0);
}
END_TEST

int main(void)
{
    const TTest *all[] = {
        the_answers_are_those_of_debians_xen,
        no_other_bit_of_any_leaf_is_shown,
        a_cpu_without_the_later_leaves_shows_none,
        each_vcpu_has_its_own_apic_id,
        osxsave_is_there_wherever_xsave_is,
        sizes_follow_the_guests_xcr0,
        xcr0_is_allowed_in_whole_groups,
        without_its_state_no_instruction_set_is_shown,
        what_the_core_does_not_keep_for_guests_is_shown_to_none,
        the_toolstack_is_told_all_features,
        a_stable_tsc_is_told_in_every_way,
        the_machine_address_width_covers_all_frames,
        a_policy_given_back_as_it_was_changes_nothing,
        features_can_be_taken_away_but_not_added,
        state_components_are_taken_whole_or_away,
        a_bad_leaf_among_good_ones_changes_nothing,
        numbers_and_texts_are_free_and_the_rest_is_left_alone,
        that_there_is_a_hypervisor_cannot_be_hidden,
        no_memory_is_an_error,
    };
    Suite *suite = suite_create("cpu_policy");
    TCase *tests = suite_case(suite, "cpu_policy");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        tcase_add_test(tests, all[i]);
    }
    return suite_run(suite);
}
