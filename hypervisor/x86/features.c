/* SPDX-License-Identifier: MIT */
/*
 * Detecting and switching on CPU features.  Intel SDM vol. 2A, CPUID.
 */
#include "hypervisor/x86/features.h"

#include "guest-pv-headers/arch-x86.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/extable.h"

#define XSTATE_X87 0x1u
#define XSTATE_SSE 0x2u
#define XSTATE_AVX 0x4u

struct cpu_features cpu_features;

static bool bit(uint32_t word, unsigned int number)
{
    return ((word >> number) & 1) != 0;
}

static void detect_xsave(void)
{
    cpu_features.xcr0 = XSTATE_X87 | XSTATE_SSE;
    cpu_features.xsave_size = 512;
    if (!cpu_features.xsave) {
        return;
    }
    cpu_features.xcr0 |= cpuid(0xd, 0).eax & XSTATE_AVX;
    cpu_features.xsave_size = 512 + 64;
    if ((cpu_features.xcr0 & XSTATE_AVX) != 0) {
        struct cpuid_regs avx = cpuid(0xd, 2);

        cpu_features.xsave_size = avx.eax + avx.ebx;
    }
}

void features_detect(void)
{
    struct cpu_features *f = &cpu_features;
    struct cpuid_regs leaf = cpuid(0, 0);
    uint32_t highest = leaf.eax;

    f->intel = leaf.ebx == 0x756e6547;                         /* "Genu" */
    f->amd = leaf.ebx == 0x68747541 || leaf.ebx == 0x6f677948; /* "Auth", "Hygo" */

    leaf = cpuid(1, 0);
    f->cr3_keep = bit(leaf.ecx, 17) ? CR3_KEEP : 0;
    f->x2apic = bit(leaf.ecx, 21);
    f->xsave = bit(leaf.ecx, 26);
    if (highest >= 7) {
        leaf = cpuid(7, 0);
        f->fsgsbase = bit(leaf.ebx, 0);
        f->smep = bit(leaf.ebx, 7);
        f->smap = bit(leaf.ebx, 20);
        f->umip = bit(leaf.ecx, 2);
    }

    highest = cpuid(0x80000000, 0).eax;
    leaf = cpuid(0x80000001, 0);
    f->large_1g = bit(leaf.edx, 26);
    f->rdtscp = bit(leaf.edx, 27);
    f->physical_bits = highest >= 0x80000008 ? cpuid(0x80000008, 0).eax & 0xff : 36;
    f->fpu_keeps_addresses = f->amd && (highest < 0x80000008 || !bit(cpuid(0x80000008, 0).ebx, 2));
    detect_xsave();
}

void features_enable(void)
{
    const struct cpu_features *f = &cpu_features;
    uint64_t cr4 = CR4_DE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT;

    cr4 |= f->fsgsbase ? CR4_FSGSBASE : 0;
    cr4 |= f->smep ? CR4_SMEP : 0;
    cr4 |= f->smap ? CR4_SMAP : 0;
    cr4 |= f->umip ? CR4_UMIP : 0;
    cr4 |= f->cr3_keep != 0 ? CR4_PCIDE : 0;
    cr4 |= f->xsave ? CR4_OSXSAVE : 0;
    write_cr4(cr4);
    if (f->xsave) {
        __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)f->xcr0), "d"(0));
    }
    write_msr(MSR_PAT, XEN_MSR_PAT); /* what guests make their entries for */
    write_cr0(CR0_PG | CR0_WP | CR0_AM | CR0_NE | CR0_ET | CR0_MP | CR0_PE);
}

bool read_msr_safe(uint32_t msr, uint64_t *value)
{
    uint32_t low, high;
    uint8_t ok = 1;

    __asm__ volatile("1: rdmsr\n\t"
                     "jmp 3f\n\t"
                     "2: movb $0, %b0\n\t"
                     "xorl %%eax, %%eax\n\t"
                     "xorl %%edx, %%edx\n\t"
                     "3:\n\t" EXTABLE("1b", "2b")
                     : "+&r"(ok), "=&a"(low), "=&d"(high)
                     : "c"(msr)
                     : "memory");
    if (ok == 0) {
        return false;
    }
    *value = ((uint64_t)high << 32) | low;
    return true;
}

struct cpu_identity cpu_identify(void)
{
    struct cpuid_regs vendor = cpuid(0, 0);
    uint32_t signature = cpuid(1, 0).eax;
    uint32_t family = (signature >> 8) & 15;
    struct cpu_identity identity = {
        .family = family == 15 ? family + ((signature >> 20) & 255) : family,
        .model =
            ((signature >> 4) & 15) | (family == 6 || family == 15 ? (signature >> 12) & 0xf0 : 0),
        .stepping = signature & 15,
    };

    memcpy(&identity.vendor[0], &vendor.ebx, 4);
    memcpy(&identity.vendor[4], &vendor.edx, 4);
    memcpy(&identity.vendor[8], &vendor.ecx, 4);
    return identity;
}
