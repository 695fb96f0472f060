/* SPDX-License-Identifier: MIT */
/*
 * Which model-specific registers a PV guest's kernel may touch, and what it
 * then sees.  What is not in the table is #GP.  The bases of fs and gs are the
 * hardware's while a vCPU is loaded; emulate_privileged.c reads the hot one itself.
 *
 * Numbers: Intel SDM volume 4; AMD BKDG and APM volume 2, appendix A.
 */
#include "hypervisor/pv/emulate.h"

#include "hypervisor/pv/hypercall_page.h"
#include "hypervisor/x86/features.h"

enum reading {
    READ_VALUE, /* what the row says */
    READ_HOST,  /* the hardware's, and a fault where it has none */
    READ_APIC_BASE,
    READ_TSC,
    READ_TSC_AUX,
};

enum writing {
    WRITE_FAULT,
    WRITE_IGNORE,
    WRITE_SAME, /* ignored if it is the row's value, else a fault */
    WRITE_BASE, /* the hardware's, if canonical */
    WRITE_TSC_AUX,
    WRITE_HYPERCALL_PAGE,
};

enum maker { ANY_MAKER, INTEL_ONLY, AMD_ONLY };

struct msr_rule {
    uint32_t first, last;
    enum maker maker;
    enum reading read;
    enum writing write;
    uint64_t value;
};

#define ONE(msr)          (msr), (msr)
#define MISC_ENABLE_VALUE 0x1801 /* fast strings; neither branch trace nor precise events */

/* clang-format off */
static const struct msr_rule rules[] = {
    { ONE(0xc0000100),          ANY_MAKER,  READ_HOST,      WRITE_BASE,    0 }, /* FS_BASE */
    { ONE(0xc0000101),          ANY_MAKER,  READ_HOST,      WRITE_BASE,    0 }, /* GS_BASE */
    { ONE(0xc0000102),          ANY_MAKER,  READ_HOST,      WRITE_BASE,    0 }, /* KERNEL_GS_BASE */
    { ONE(0xc0000103),          ANY_MAKER,  READ_TSC_AUX,   WRITE_TSC_AUX, 0 }, /* TSC_AUX */
    { ONE(0xc0000080),          ANY_MAKER,  READ_VALUE,     WRITE_SAME,    /* EFER */
      EFER_SCE | EFER_LME | EFER_LMA | EFER_NX },
    { ONE(0x00000010),          ANY_MAKER,  READ_TSC,       WRITE_FAULT,   0 }, /* TSC */
    { ONE(0x0000001b),          ANY_MAKER,  READ_APIC_BASE, WRITE_FAULT,   0 }, /* APIC_BASE */
    { ONE(0x00000277),          ANY_MAKER,  READ_VALUE,     WRITE_SAME,    XEN_MSR_PAT },
    { ONE(0x0000008b),          ANY_MAKER,  READ_HOST,      WRITE_IGNORE,  0 }, /* microcode level */
    { ONE(HYPERCALL_PAGE_MSR),  ANY_MAKER,  READ_VALUE,     WRITE_HYPERCALL_PAGE, 0 },
    /* Machine checks: two banks that never report anything. */
    { ONE(0x00000179),          ANY_MAKER,  READ_VALUE,     WRITE_FAULT,   2 }, /* MCG_CAP */
    { ONE(0x0000017a),          ANY_MAKER,  READ_VALUE,     WRITE_SAME,    0 }, /* MCG_STATUS */
    { ONE(0x00000400),          ANY_MAKER,  READ_VALUE,     WRITE_IGNORE,  UINT64_MAX }, /* CTL */
    { 0x00000401, 0x00000403,   ANY_MAKER,  READ_VALUE,     WRITE_SAME,    0 },
    { ONE(0x00000404),          ANY_MAKER,  READ_VALUE,     WRITE_IGNORE,  UINT64_MAX },
    { 0x00000405, 0x00000407,   ANY_MAKER,  READ_VALUE,     WRITE_SAME,    0 },
    /* Intel */
    { ONE(0x00000017),          INTEL_ONLY, READ_HOST,      WRITE_FAULT,   0 }, /* PLATFORM_ID */
    { ONE(0x0000003a),          INTEL_ONLY, READ_VALUE,     WRITE_FAULT,   1 }, /* FEATURE_CONTROL:
                                                                                   locked */
    { ONE(0x000000ce),          INTEL_ONLY, READ_VALUE,     WRITE_FAULT,   0 }, /* PLATFORM_INFO */
    { ONE(0x0000010a),          INTEL_ONLY, READ_VALUE,     WRITE_FAULT,   0 }, /* ARCH_CAPABILITIES */
    { ONE(0x00000140),          INTEL_ONLY, READ_VALUE,     WRITE_SAME,    0 }, /* MISC_FEATURES */
    { ONE(0x000001a0),          INTEL_ONLY, READ_VALUE,     WRITE_IGNORE,  MISC_ENABLE_VALUE },
    /* AMD: counters that do not count, which is how a kernel finds out that there are none. */
    { 0xc0010000, 0xc0010007,   AMD_ONLY,   READ_VALUE,     WRITE_IGNORE,  0 },
    { 0xc0010200, 0xc001020b,   AMD_ONLY,   READ_VALUE,     WRITE_IGNORE,  0 },
    { ONE(0xc0010015),          AMD_ONLY,   READ_VALUE,     WRITE_IGNORE,  0 }, /* HWCR */
    { ONE(MSR_DE_CFG),          AMD_ONLY,   READ_VALUE,     WRITE_IGNORE,  DE_CFG_LFENCE },
};
/* clang-format on */

#define APIC_BASE_ADDRESS UINT64_C(0xfee00000)
#define APIC_BASE_ENABLED UINT64_C(0x800)
#define APIC_BASE_BOOT    UINT64_C(0x100)

static bool maker_fits(enum maker maker)
{
    return maker == ANY_MAKER || (maker == INTEL_ONLY && cpu_features.intel) ||
           (maker == AMD_ONLY && cpu_features.amd);
}

static const struct msr_rule *rule_of(uint32_t msr)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(rules); i++) {
        if (msr - rules[i].first <= rules[i].last - rules[i].first && maker_fits(rules[i].maker)) {
            return &rules[i];
        }
    }
    return NULL;
}

bool pv_msr_read(const struct vcpu *vcpu, uint32_t msr, uint64_t *value)
{
    const struct msr_rule *rule = rule_of(msr);

    if (rule == NULL) {
        return false;
    }
    *value = rule->value;
    switch (rule->read) {
    case READ_VALUE:
        break;
    case READ_HOST:
        return read_msr_safe(msr, value);
    case READ_APIC_BASE:
        *value = APIC_BASE_ADDRESS | APIC_BASE_ENABLED | (vcpu->id == 0 ? APIC_BASE_BOOT : 0);
        break;
    case READ_TSC:
        *value = read_tsc();
        break;
    case READ_TSC_AUX:
        *value = vcpu->pv.tsc_aux;
        break;
    }
    return true;
}

bool pv_msr_write(struct vcpu *vcpu, uint32_t msr, uint64_t value)
{
    const struct msr_rule *rule = rule_of(msr);

    if (rule == NULL) {
        return false;
    }
    switch (rule->write) {
    case WRITE_FAULT:
        return false;
    case WRITE_IGNORE:
        return true;
    case WRITE_SAME:
        return value == rule->value;
    case WRITE_BASE:
        if (!address_canonical(value)) {
            return false;
        }
        write_msr(msr, value);
        return true;
    case WRITE_HYPERCALL_PAGE:
        return hypercall_page_write(vcpu->domain, value) == 0;
    case WRITE_TSC_AUX:
        if (value > UINT32_MAX) {
            return false;
        }
        vcpu->pv.tsc_aux = (uint32_t)value;
        if (cpu_features.rdtscp) {
            write_msr(MSR_TSC_AUX, value);
        }
        return true;
    }
    return false;
}
