/* SPDX-License-Identifier: MIT */
/*
 * What CPUID tells a domain: see cpu_policy.h.
 *
 * A bit nobody listed here is 0 for guests.  Left out on purpose: what only
 * ring 0 or a page table can use (VME, PSE, PGE, MTRR, SMEP, SMAP, UMIP, PCID,
 * PKU, LA57, VMX, SVM ...), what needs state the core does not switch (MPX,
 * AMX, PT, speculation controls, TSC_AUX by RDPID), and what the core owns (the
 * APIC's modes, MONITOR, performance counters).
 */
#include "hypervisor/pv/cpu_policy.h"

#include "hypervisor/mm/heap.h"
#include "hypervisor/pv/hypercall_page.h"
#include "hypervisor/time/clock.h"
#include "hypervisor/x86/features.h"
#include "hypervisor/x86/fpu.h"

#define BIT(n) (UINT32_C(1) << (n))

#define LEAF_MAX          0x0000000du
#define LEAF_XSTATE       0x0000000du
#define LEAF_EXTENDED     0x80000000u
#define LEAF_EXTENDED_MAX 0x80000021u
#define SUBLEAF_AVX       2u /* its sub-leaf */

#define LINEAR_ADDRESS_BITS     48u
#define XSAVE_LEGACY_AND_HEADER 576u

#define XEN_VERSION_TOLD  0x00040011u /* 4.17 */
#define TSC_TOLD_RELIABLE 0x2u
#define TSC_TOLD_RDTSCP   0x4u

#define XCR0_X87   0x01u
#define XCR0_SSE   0x02u
#define XCR0_AVX   0x04u
#define XCR0_GUEST (XCR0_X87 | XCR0_SSE | XCR0_AVX)

/* Leaf 1. */
#define L1C_XSAVE      BIT(26)
#define L1C_OSXSAVE    BIT(27)
#define L1C_HYPERVISOR BIT(31)
#define L1C_NEEDS_AVX  (BIT(12) | BIT(28) | BIT(29))
#define L1C_ALLOWED                                                                           \
    (BIT(0) /* SSE3 */ | BIT(1) /* PCLMULQDQ */ | BIT(9) /* SSSE3 */ | BIT(12) /* FMA */ |    \
     BIT(13) /* CX16 */ | BIT(19) /* SSE4.1 */ | BIT(20) /* SSE4.2 */ | BIT(22) /* MOVBE */ | \
     BIT(23) /* POPCNT */ | BIT(25) /* AES */ | L1C_XSAVE | BIT(28) /* AVX */ |               \
     BIT(29) /* F16C */ | BIT(30) /* RDRAND */)
#define L1D_SEP BIT(11) /* the guest's SYSENTER callback; AMD has none in long mode */
#define L1D_ALLOWED                                                                                \
    (BIT(0) /* FPU */ | BIT(2) /* DE */ | BIT(4) /* TSC */ | BIT(5) /* MSR */ | BIT(6) /* PAE */ | \
     BIT(7) /* MCE */ | BIT(8) /* CX8 */ | BIT(9) /* APIC */ | L1D_SEP | BIT(14) /* MCA */ |       \
     BIT(15) /* CMOV */ | BIT(16) /* PAT */ | BIT(19) /* CLFSH */ | BIT(22) /* ACPI */ |           \
     BIT(23) /* MMX */ | BIT(24) /* FXSR */ | BIT(25) /* SSE */ | BIT(26) /* SSE2 */ |             \
     BIT(27) /* SS */ | BIT(28) /* HTT */)

#define L6A_ALLOWED BIT(2) /* ARAT: the APIC timer never stops */

/* Leaf 7. */
#define L7B_FSGSBASE BIT(0)
#define L7B_ALLOWED                                                                              \
    (L7B_FSGSBASE | BIT(3) /* BMI1 */ | BIT(5) /* AVX2 */ | BIT(6) /* FDP_EXCPTN_ONLY */ |       \
     BIT(8) /* BMI2 */ | BIT(9) /* ERMS */ | BIT(13) /* no FPU CS/DS */ | BIT(18) /* RDSEED */ | \
     BIT(19) /* ADX */ | BIT(23) /* CLFLUSHOPT */ | BIT(24) /* CLWB */ | BIT(29) /* SHA */)
#define L7C_ALLOWED                                                                              \
    (BIT(8) /* GFNI */ | BIT(9) /* VAES */ | BIT(10) /* VPCLMULQDQ */ | BIT(25) /* CLDEMOTE */ | \
     BIT(27) /* MOVDIRI */ | BIT(28) /* MOVDIR64B */)
#define L7D_ALLOWED (BIT(4) /* FSRM */ | BIT(10) /* MD_CLEAR */ | BIT(14) /* SERIALIZE */)
#define L71A_ALLOWED \
    (BIT(4) /* AVX_VNNI */ | BIT(10) /* FZRM */ | BIT(11) /* FSRS */ | BIT(12) /* FSRCS */)

/* Leaf 0xd.  Of a component's ecx: at a multiple of 64 when compacted. */
#define XSTATE_ALIGNED BIT(1)
#define LD1A_XSAVEC    BIT(1)
#define LD1A_ALLOWED   (BIT(0) /* XSAVEOPT */ | LD1A_XSAVEC | BIT(2) /* XGETBV 1 */)

/* Leaf 0x80000001. */
#define E1C_ALLOWED                                                                        \
    (BIT(0) /* LAHF */ | BIT(1) /* CMP_LEGACY */ | BIT(5) /* ABM */ | BIT(6) /* SSE4A */ | \
     BIT(7) /* MISALIGNSSE */ | BIT(8) /* 3DNOWPREFETCH */ | BIT(11) /* XOP */ |           \
     BIT(16) /* FMA4 */ | BIT(21) /* TBM */)
#define E1D_RDTSCP BIT(27)
#define E1D_ALLOWED                                                                          \
    (BIT(11) /* SYSCALL */ | BIT(20) /* NX */ | BIT(22) /* MMXEXT */ | BIT(25) /* FFXSR */ | \
     E1D_RDTSCP | BIT(29) /* LM */ | BIT(30) /* 3DNOWEXT */ | BIT(31) /* 3DNOW */)
/* AMD repeats these bits of leaf 1's edx there: all that both have, up to FXSR. */
#define E1D_COMMON   (L1D_ALLOWED & 0x0183f3ffu)
#define E7D_ITSC     BIT(8) /* the TSC runs at one rate, always */
#define E8B_ALLOWED  (BIT(0) /* CLZERO */ | BIT(2) /* RSTR_FP_ERR_PTRS */)
#define E21A_ALLOWED (BIT(2) /* LFENCE_RDTSC */ | BIT(6) /* NULL_SELECTOR_CLEARS_BASE */)

/*
 * One row for each leaf and sub-leaf a guest is shown, in order, NO_SUB for a
 * leaf without sub-leaves.  A policy has an entry for each row, zero where the
 * machine has no such leaf.
 */
#define NO_SUB XEN_CPUID_NO_SUBLEAF
#define ALL    UINT32_MAX

struct leaf_rule {
    uint32_t leaf, subleaf;
    uint32_t a, b, c, d; /* bits of the host's that pass */
};

/* clang-format off */
static const struct leaf_rule rules[] = {
    { 0x0, NO_SUB, ALL, ALL, ALL, ALL },
    { 0x1, NO_SUB, ALL, ALL, L1C_ALLOWED, L1D_ALLOWED },
    { 0x2, NO_SUB, ALL, ALL, ALL, ALL },
    { 0x4, 0, ALL, ALL, ALL, ALL }, { 0x4, 1, ALL, ALL, ALL, ALL },
    { 0x4, 2, ALL, ALL, ALL, ALL }, { 0x4, 3, ALL, ALL, ALL, ALL },
    { 0x4, 4, ALL, ALL, ALL, ALL },
    { 0x6, NO_SUB, L6A_ALLOWED, 0, 0, 0 },
    { 0x7, 0, ALL, L7B_ALLOWED, L7C_ALLOWED, L7D_ALLOWED },
    { 0x7, 1, L71A_ALLOWED, 0, 0, 0 },
    { 0xd, 0, XCR0_GUEST, 0, 0, 0 },
    { 0xd, 1, LD1A_ALLOWED, 0, 0, 0 },
    { 0xd, SUBLEAF_AVX, ALL, ALL, XSTATE_ALIGNED, 0 },
    { 0x80000000, NO_SUB, ALL, ALL, ALL, ALL },
    { 0x80000001, NO_SUB, ALL, ALL, E1C_ALLOWED, E1D_ALLOWED | E1D_COMMON },
    { 0x80000002, NO_SUB, ALL, ALL, ALL, ALL },
    { 0x80000003, NO_SUB, ALL, ALL, ALL, ALL },
    { 0x80000004, NO_SUB, ALL, ALL, ALL, ALL },
    { 0x80000005, NO_SUB, ALL, ALL, ALL, ALL },
    { 0x80000006, NO_SUB, ALL, ALL, ALL, ALL },
    { 0x80000007, NO_SUB, 0, 0, 0, E7D_ITSC },
    { 0x80000008, NO_SUB, ALL, E8B_ALLOWED, ALL, 0 },
    { 0x80000021, NO_SUB, E21A_ALLOWED, 0, 0, 0 },
};
/* clang-format on */

_Static_assert(ARRAY_SIZE(rules) <= CPU_POLICY_LEAVES, "room for every row");

struct cpu_policy cpu_policy_host;

/* The row of a leaf; NULL if there is none.  Its number is that of the entry in every policy. */
static const struct leaf_rule *find_rule(uint32_t leaf, uint32_t subleaf)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(rules); i++) {
        if (rules[i].leaf == leaf && (rules[i].subleaf == NO_SUB || rules[i].subleaf == subleaf)) {
            return &rules[i];
        }
    }
    return NULL;
}

static const struct xen_cpuid_leaf *find(const struct cpu_policy *policy, uint32_t leaf,
                                         uint32_t subleaf)
{
    const struct leaf_rule *rule = find_rule(leaf, subleaf);

    return rule == NULL ? NULL : &policy->leaves[rule - rules];
}

/* An entry that is in every policy. */
static struct xen_cpuid_leaf *known(struct cpu_policy *policy, uint32_t leaf, uint32_t subleaf)
{
    return &policy->leaves[find_rule(leaf, subleaf) - rules];
}

/* Take away what works only with something else that is not there. */
static void drop_dependent(struct cpu_policy *policy)
{
    struct xen_cpuid_leaf *basic = known(policy, 1, 0), *seven = known(policy, 7, 0);
    struct xen_cpuid_leaf *state = known(policy, LEAF_XSTATE, 0);
    struct xen_cpuid_leaf *avx = known(policy, LEAF_XSTATE, SUBLEAF_AVX);

    if ((basic->c & L1C_XSAVE) == 0) {
        state->a = 0;
        known(policy, LEAF_XSTATE, 1)->a = 0;
    }
    if ((state->a & XCR0_AVX) == 0) {
        basic->c &= ~L1C_NEEDS_AVX;
        seven->b &= ~BIT(5);
        seven->c &= ~(BIT(9) | BIT(10));
        known(policy, 7, 1)->a &= ~BIT(4);
        known(policy, 0x80000001, 0)->c &= ~(BIT(11) | BIT(16));
        avx->a = avx->b = avx->c = 0;
    }
}

/* What the CPU has but this core, or this kind of CPU, gives no guest. */
static void fit_to_core(struct cpu_policy *policy)
{
    known(policy, 0, 0)->a = MIN(known(policy, 0, 0)->a, LEAF_MAX);
    known(policy, LEAF_EXTENDED, 0)->a = MIN(known(policy, LEAF_EXTENDED, 0)->a, LEAF_EXTENDED_MAX);
    known(policy, 1, 0)->c |= L1C_HYPERVISOR;
    known(policy, 7, 0)->a = MIN(known(policy, 7, 0)->a, 1u);
    known(policy, LEAF_XSTATE, 0)->a &= (uint32_t)cpu_features.xcr0;
    known(policy, 0x80000008, 0)->a = (known(policy, 0x80000008, 0)->a & 0xff) | LINEAR_ADDRESS_BITS
                                                                                     << 8;

    if (!cpu_features.intel) {
        known(policy, 1, 0)->d &= ~L1D_SEP;
    }
    if (!cpu_features.rdtscp) {
        known(policy, 0x80000001, 0)->d &= ~E1D_RDTSCP;
    }
    if (!cpu_features.xsave) {
        known(policy, 1, 0)->c &= ~L1C_XSAVE;
    }
    if (!cpu_features.fsgsbase) {
        known(policy, 7, 0)->b &= ~L7B_FSGSBASE;
    }
    if (!clock_tsc_stable()) {
        known(policy, 0x80000007, 0)->d &= ~E7D_ITSC;
    }
    drop_dependent(policy);
}

void cpu_policy_detect(struct cpuid_regs (*read)(uint32_t leaf, uint32_t subleaf))
{
    uint32_t max = read(0, 0).eax, extended_max = read(LEAF_EXTENDED, 0).eax;

    cpu_policy_host.count = ARRAY_SIZE(rules);
    cpu_policy_host.tsc_mode = clock_tsc_stable() ? TSC_MODE_NEVER_EMULATE : TSC_MODE_DEFAULT;
    for (unsigned int i = 0; i < ARRAY_SIZE(rules); i++) {
        const struct leaf_rule *rule = &rules[i];
        struct cpuid_regs raw = { 0, 0, 0, 0 };

        if (rule->leaf <= (rule->leaf >= LEAF_EXTENDED ? extended_max : max)) {
            raw = read(rule->leaf, rule->subleaf == NO_SUB ? 0 : rule->subleaf);
        }
        cpu_policy_host.leaves[i] = (struct xen_cpuid_leaf){
            .leaf = rule->leaf,
            .subleaf = rule->subleaf,
            .a = raw.eax & rule->a,
            .b = raw.ebx & rule->b,
            .c = raw.ecx & rule->c,
            .d = raw.edx & rule->d,
        };
    }
    fit_to_core(&cpu_policy_host);
}

void cpu_policy_features(uint32_t *words, unsigned int count)
{
    const struct cpu_policy *host = &cpu_policy_host;
    const struct xen_cpuid_leaf *one = find(host, 1, 0), *extended = find(host, 0x80000001, 0);
    const struct xen_cpuid_leaf *seven = find(host, 7, 0);
    const uint32_t known[] = {
        one->d,
        one->c,
        extended->d,
        extended->c,
        find(host, LEAF_XSTATE, 1)->a,
        seven->b,
        seven->c,
        find(host, 0x80000007, 0)->d,
        find(host, 0x80000008, 0)->b,
        seven->d,
        find(host, 7, 1)->a,
        find(host, 0x80000021, 0)->a,
    };

    for (unsigned int i = 0; i < count; i++) {
        words[i] = i < ARRAY_SIZE(known) ? known[i] : 0;
    }
}

int cpu_policy_create(struct domain *domain)
{
    struct cpu_policy *policy = heap_alloc(sizeof(*policy));

    if (policy == NULL) {
        return -XEN_ENOMEM;
    }
    *policy = cpu_policy_host;
    domain->cpu_policy = policy;
    return 0;
}

/*
 * One register of a leaf.  Where all bits pass it is a number or a text and may
 * be anything; where some pass they are features, and the host must have them.
 */
static bool merge_word(uint32_t *word, uint32_t value, uint32_t allowed, uint32_t host)
{
    if (allowed != ALL && (value & allowed & ~host) != 0) {
        return false;
    }
    *word = (value & allowed) | (host & ~allowed);
    return true;
}

/* One leaf, checked and put into `to`, which is the entry of `rule` or a copy of it. */
static bool merge_leaf(struct xen_cpuid_leaf *to, const struct leaf_rule *rule,
                       const struct xen_cpuid_leaf *from)
{
    const struct xen_cpuid_leaf *host = &cpu_policy_host.leaves[rule - rules];

    if (rule->leaf == 0 || rule->leaf == LEAF_EXTENDED) {
        /* A guest told of another maker's CPU would use that maker's ways into the kernel. */
        to->a = from->a;
        return from->a <= host->a && from->b == host->b && from->c == host->c && from->d == host->d;
    }
    if (rule->leaf == LEAF_XSTATE && rule->subleaf >= 2) {
        return (from->a == host->a && from->b == host->b) || (from->a | from->b) == 0;
    }
    return merge_word(&to->a, from->a, rule->a, host->a) &&
           merge_word(&to->b, from->b, rule->b, host->b) &&
           merge_word(&to->c, from->c, rule->c, host->c) &&
           merge_word(&to->d, from->d, rule->d, host->d);
}

int cpu_policy_merge(struct cpu_policy *policy, const struct xen_cpuid_leaf *leaves, uint32_t count,
                     uint32_t *bad)
{
    struct xen_cpuid_leaf scratch;

    /* All are tried before the first is taken. */
    for (uint64_t i = 0; i < 2 * (uint64_t)count; i++) {
        const struct xen_cpuid_leaf *leaf = &leaves[i % count]; /* NOLINT: count is not 0 here */
        const struct leaf_rule *rule = find_rule(leaf->leaf, leaf->subleaf);

        if (rule != NULL &&
            !merge_leaf(i < count ? &scratch : &policy->leaves[rule - rules], rule, leaf)) {
            *bad = (uint32_t)i;
            return -XEN_EINVAL;
        }
    }
    drop_dependent(policy);
    return 0;
}

/* Bytes of an XSAVE area with the components of `xcr0`. */
static uint32_t xsave_size(const struct cpu_policy *policy, uint64_t xcr0, bool compacted)
{
    const struct xen_cpuid_leaf *avx = find(policy, LEAF_XSTATE, SUBLEAF_AVX);

    return (xcr0 & XCR0_AVX) == 0 ? XSAVE_LEGACY_AND_HEADER
                                  : avx->a + (compacted ? XSAVE_LEGACY_AND_HEADER : avx->b);
}

/* The hypervisor's own leaves. */
static struct cpuid_regs xen_leaf(const struct domain *domain, uint32_t number, uint32_t subleaf)
{
    struct clock_scale scale = clock_scale();
    uint32_t khz = (uint32_t)(clock_tsc_hz() / 1000);
    struct cpuid_regs out = { 0, 0, 0, 0 };

    switch (number) {
    case 0:
        out =
            (struct cpuid_regs){ XEN_CPUID_LEAF(XEN_CPUID_MAX_NUM_LEAVES), XEN_CPUID_SIGNATURE_EBX,
                                 XEN_CPUID_SIGNATURE_ECX, XEN_CPUID_SIGNATURE_EDX };
        break;
    case 1:
        out.eax = XEN_VERSION_TOLD;
        break;
    case 2:
        out.eax = 1;
        out.ebx = HYPERCALL_PAGE_MSR;
        out.ecx = XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD;
        break;
    case 3:
        if (subleaf == 0) {
            out.eax = (clock_tsc_stable() ? TSC_TOLD_RELIABLE : 0) |
                      (cpu_features.rdtscp ? TSC_TOLD_RDTSCP : 0);
            out.ebx = domain->cpu_policy->tsc_mode;
            out.ecx = khz;
            out.edx = domain->cpu_policy->tsc_incarnation;
        } else if (subleaf == 1) {
            out.ecx = scale.mul;
            out.edx = (uint32_t)scale.shift;
        } else if (subleaf == 2) {
            out.eax = khz;
        }
        break;
    case 5:
        if (subleaf == 0) {
            unsigned int bits = 64 - (unsigned int)__builtin_clzll(frame_limit << PAGE_SHIFT);

            out.ebx = bits & XEN_CPUID_MACHINE_ADDRESS_WIDTH_MASK;
        }
        break;
    default:
        break;
    }
    return out;
}

struct cpuid_regs pv_cpuid(const struct vcpu *vcpu, uint32_t leaf, uint32_t subleaf)
{
    const struct cpu_policy *policy = vcpu->domain->cpu_policy;
    const struct xen_cpuid_leaf *entry;
    struct cpuid_regs out;
    uint64_t xcr0;

    if (leaf >= XEN_CPUID_FIRST_LEAF && leaf <= XEN_CPUID_LEAF(XEN_CPUID_MAX_NUM_LEAVES)) {
        return xen_leaf(vcpu->domain, leaf - XEN_CPUID_FIRST_LEAF, subleaf);
    }
    entry = find(policy, leaf, subleaf);
    if (entry == NULL) {
        return (struct cpuid_regs){ 0, 0, 0, 0 };
    }
    out = (struct cpuid_regs){ entry->a, entry->b, entry->c, entry->d };
    if (leaf == 1) {
        /* Numbered as threads of cores would be, which is also what the MADT for guests says. */
        out.ebx = (out.ebx & 0x00ffffff) | vcpu->id * 2 << 24;
        /* The core has it enabled; kernels ask for this bit before they set their own CR4. */
        if ((out.ecx & L1C_XSAVE) != 0) {
            out.ecx |= L1C_OSXSAVE;
        }
    } else if (leaf == LEAF_XSTATE && subleaf <= 1 && find(policy, LEAF_XSTATE, 0)->a != 0) {
        xcr0 = fpu_xcr0(vcpu->fpu);
        out.ebx = xsave_size(policy, xcr0, subleaf == 1);
        if (subleaf == 0) {
            out.ecx = xsave_size(policy, find(policy, LEAF_XSTATE, 0)->a, false);
        } else if ((out.eax & LD1A_XSAVEC) == 0) {
            out.ebx = 0;
        }
    }
    return out;
}

bool pv_xcr0_valid(const struct vcpu *vcpu, uint64_t xcr0)
{
    uint64_t allowed = find(vcpu->domain->cpu_policy, LEAF_XSTATE, 0)->a;

    return (xcr0 & ~allowed) == 0 && (xcr0 & XCR0_X87) != 0 &&
           ((xcr0 & XCR0_AVX) == 0 || (xcr0 & XCR0_SSE) != 0);
}

uint64_t pv_cr4_allowed(const struct vcpu *vcpu)
{
    const struct cpu_policy *policy = vcpu->domain->cpu_policy;

    return CR4_TSD | CR4_DE | ((find(policy, 1, 0)->c & L1C_XSAVE) != 0 ? CR4_OSXSAVE : 0) |
           ((find(policy, 7, 0)->b & L7B_FSGSBASE) != 0 ? CR4_FSGSBASE : 0);
}
