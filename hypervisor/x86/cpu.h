/* SPDX-License-Identifier: MIT */
/*
 * Instructions C has no words for.  Intel SDM volumes 2 and 3A, chapter 2.
 */
#pragma once

#define CR0_PE 0x00000001
#define CR0_MP 0x00000002
#define CR0_TS 0x00000008
#define CR0_ET 0x00000010
#define CR0_NE 0x00000020
#define CR0_WP 0x00010000
#define CR0_AM 0x00040000
#define CR0_PG 0x80000000

#define CR3_USER 0x1u                /* PCID 1, for guests' programs; all else has 0 */
#define CR3_KEEP (UINT64_C(1) << 63) /* forget nothing that this PCID has */

#define CR4_TSD        0x00000004
#define CR4_DE         0x00000008
#define CR4_PAE        0x00000020
#define CR4_MCE        0x00000040
#define CR4_PGE        0x00000080
#define CR4_OSFXSR     0x00000200
#define CR4_OSXMMEXCPT 0x00000400
#define CR4_UMIP       0x00000800
#define CR4_FSGSBASE   0x00010000
#define CR4_PCIDE      0x00020000
#define CR4_OSXSAVE    0x00040000
#define CR4_SMEP       0x00100000
#define CR4_SMAP       0x00200000

#define RFLAGS_CF    0x00000001
#define RFLAGS_FIXED 0x0000002
#define RFLAGS_TF    0x00000100
#define RFLAGS_IF    0x00000200
#define RFLAGS_DF    0x00000400
#define RFLAGS_IOPL  0x00003000
#define RFLAGS_NT    0x00004000
#define RFLAGS_RF    0x00010000
#define RFLAGS_VM    0x00020000
#define RFLAGS_AC    0x00040000
#define RFLAGS_VIF   0x00080000
#define RFLAGS_VIP   0x00100000

#define MSR_APIC_BASE      0x0000001b
#define MSR_SYSENTER_CS    0x00000174
#define MSR_PAT            0x00000277
#define MSR_X2APIC         0x00000800
#define MSR_EFER           0xc0000080
#define MSR_STAR           0xc0000081
#define MSR_LSTAR          0xc0000082
#define MSR_CSTAR          0xc0000083
#define MSR_SFMASK         0xc0000084
#define MSR_FS_BASE        0xc0000100
#define MSR_GS_BASE        0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_TSC_AUX        0xc0000103
#define MSR_DE_CFG         0xc0011029 /* AMD */

#define EFER_SCE 0x001
#define EFER_LME 0x100
#define EFER_LMA 0x400
#define EFER_NX  0x800

#define DE_CFG_LFENCE 0x2 /* it serialises */

/* Exception vectors.  SDM volume 3A, table 6-1. */
#define VECTOR_DB          1
#define VECTOR_NMI         2
#define VECTOR_BP          3
#define VECTOR_OF          4
#define VECTOR_UD          6
#define VECTOR_NM          7
#define VECTOR_DF          8
#define VECTOR_TS          10
#define VECTOR_NP          11
#define VECTOR_SS          12
#define VECTOR_GP          13
#define VECTOR_PF          14
#define VECTOR_AC          17
#define VECTOR_MC          18
#define VECTOR_SYSTEM_CALL 0x80 /* INT 0x80 of a guest */

#define PF_PRESENT  0x01
#define PF_WRITE    0x02
#define PF_USER     0x04
#define PF_RESERVED 0x08
#define PF_FETCH    0x10

#ifndef __ASSEMBLER__
#include "hypervisor/lib/types.h"

struct cpuid_regs {
    uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid_regs r;

    __asm__ volatile("cpuid"
                     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
                     : "a"(leaf), "c"(subleaf));
    return r;
}

static inline uint64_t read_msr(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr) : "memory");
    return ((uint64_t)high << 32) | low;
}

static inline void write_msr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr"
                     :
                     : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
                     : "memory");
}

/* For a register that may not be there: false, and nothing read, on #GP (x86/extable.h). */
bool must_check read_msr_safe(uint32_t msr, uint64_t *value);

#define DEFINE_CONTROL_REGISTER(name)                                   \
    static inline uint64_t read_##name(void)                            \
    {                                                                   \
        uint64_t value;                                                 \
                                                                        \
        __asm__ volatile("mov %%" #name ", %0" : "=r"(value));          \
        return value;                                                   \
    }                                                                   \
    static inline void write_##name(uint64_t value)                     \
    {                                                                   \
        __asm__ volatile("mov %0, %%" #name : : "r"(value) : "memory"); \
    }

DEFINE_CONTROL_REGISTER(cr0)
DEFINE_CONTROL_REGISTER(cr2)
DEFINE_CONTROL_REGISTER(cr3)
DEFINE_CONTROL_REGISTER(cr4)
DEFINE_CONTROL_REGISTER(dr0)
DEFINE_CONTROL_REGISTER(dr1)
DEFINE_CONTROL_REGISTER(dr2)
DEFINE_CONTROL_REGISTER(dr3)
DEFINE_CONTROL_REGISTER(dr6)
DEFINE_CONTROL_REGISTER(dr7)

#define DEFINE_READ_SELECTOR(name)                                 \
    static inline uint16_t read_##name(void)                       \
    {                                                              \
        uint32_t selector;                                         \
                                                                   \
        __asm__ volatile("movl %%" #name ", %0" : "=r"(selector)); \
        return (uint16_t)selector;                                 \
    }

DEFINE_READ_SELECTOR(ds)
DEFINE_READ_SELECTOR(es)
DEFINE_READ_SELECTOR(fs)
DEFINE_READ_SELECTOR(gs)

static inline void swap_gs(void)
{
    __asm__ volatile("swapgs" : : : "memory");
}

static inline void clear_task_switched(void)
{
    __asm__ volatile("clts" : : : "memory");
}

static inline void flush_caches(void)
{
    __asm__ volatile("wbinvd" : : : "memory");
}

static inline uint64_t read_tsc(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return ((uint64_t)high << 32) | low;
}

/* Not before all earlier instructions are done. */
static inline uint64_t read_tsc_ordered(void)
{
    __asm__ volatile("lfence" : : : "memory");
    return read_tsc();
}

static inline void invlpg(uint64_t address)
{
    __asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static inline void cpu_pause(void)
{
    __asm__ volatile("pause" : : : "memory");
}

/* Let pending interrupts in, once.  The core is otherwise entered with them off. */
static inline void interrupts_poll(void)
{
    __asm__ volatile("sti; nop; cli" : : : "memory");
}

static inline void interrupts_off(void)
{
    __asm__ volatile("cli" : : : "memory");
}

/* Wait for an interrupt and take it; no interrupt is lost between the two. */
static inline void cpu_wait_for_interrupt(void)
{
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}

static inline void cpu_halt_forever(void)
{
    for (;;) {
        __asm__ volatile("cli; hlt" : : : "memory");
    }
}

#define DEFINE_PORT_ACCESS(bits, suffix)                                     \
    static inline uint##bits##_t in##bits(uint16_t port)                     \
    {                                                                        \
        uint##bits##_t value;                                                \
                                                                             \
        __asm__ volatile("in" suffix " %1, %0" : "=a"(value) : "Nd"(port));  \
        return value;                                                        \
    }                                                                        \
    static inline void out##bits(uint16_t port, uint##bits##_t value)        \
    {                                                                        \
        __asm__ volatile("out" suffix " %0, %1" : : "a"(value), "Nd"(port)); \
    }

DEFINE_PORT_ACCESS(8, "b")
DEFINE_PORT_ACCESS(16, "w")
DEFINE_PORT_ACCESS(32, "l")
#endif
