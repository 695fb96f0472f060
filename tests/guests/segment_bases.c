/* SPDX-License-Identifier: MIT */
/*
 * FS and GS bases of a 64-bit guest: set_segment_base, the MSRs, and the switch between the
 * kernel's and the user's GS.
 *
 * The hypervisor does SWAPGS on each change of mode.  Lose one and the guest's kernel runs on a
 * pointer its user chose; accept a base that is not canonical and WRMSR faults in ring 0.
 * Source: public set_segment_base; MSR numbers in the CPU manuals; watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

#define MSR_FS_BASE        0xc0000100U
#define MSR_GS_BASE        0xc0000101U
#define MSR_KERNEL_GS_BASE 0xc0000102U

static uint64_t kernel_data[2] = { 0x1111, 0x2222 };
static uint64_t user_data[2] = { 0x3333, 0x4444 };

static long set_base(unsigned int which, unsigned long base)
{
    return hypercall2(__HYPERVISOR_set_segment_base, which, base);
}

static uint64_t gs_word(void)
{
    uint64_t word;

    __asm__ volatile("movq %%gs:0, %0" : "=r"(word));
    return word;
}

static uint64_t fs_word(void)
{
    uint64_t word;

    __asm__ volatile("movq %%fs:8, %0" : "=r"(word));
    return word;
}

static uint64_t read_msr(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}

static void write_msr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static void write_bad_msr(void *msr)
{
    write_msr((uint32_t)(unsigned long)msr, 0x0000900000000000UL);
}

static unsigned long user_gs(unsigned long unused)
{
    (void)unused;
    return gs_word();
}

static unsigned long user_fs(unsigned long unused)
{
    (void)unused;
    return fs_word();
}

static void check_msrs(void)
{
    static const uint32_t msrs[] = { MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE };

    expect_eq(read_msr(MSR_FS_BASE), (uint64_t)kernel_data, "FS_BASE");
    expect_eq(read_msr(MSR_GS_BASE), (uint64_t)kernel_data, "GS_BASE");
    expect_eq(read_msr(MSR_KERNEL_GS_BASE), (uint64_t)user_data, "KERNEL_GS_BASE is the user's");
    write_msr(MSR_GS_BASE, (uint64_t)&kernel_data[1]);
    expect_eq(gs_word(), 0x2222, "GS_BASE written");
    write_msr(MSR_GS_BASE, (uint64_t)kernel_data);
    write_msr(MSR_FS_BASE, (uint64_t)user_data);
    expect_eq(fs_word(), 0x4444, "FS_BASE written");
    for (unsigned int i = 0; i < ARRAY_SIZE(msrs); i++) {
        struct trap trap = try_call_trap(write_bad_msr, (void *)(unsigned long)msrs[i]);

        expect_trap(&trap, VECTOR_GP, 0);
    }
    expect_eq(gs_word(), 0x1111, "unharmed");
}

void test_main(void)
{
    struct trap trap;

    expect_eq(set_base(SEGBASE_FS, (unsigned long)kernel_data), 0, "fs");
    expect_eq(set_base(SEGBASE_GS_KERNEL, (unsigned long)kernel_data), 0, "gs of the kernel");
    expect_eq(set_base(SEGBASE_GS_USER, (unsigned long)user_data), 0, "gs of the user");
    expect_eq(gs_word(), 0x1111, "the kernel's gs");
    expect_eq(fs_word(), 0x2222, "fs");

    for (unsigned int i = 0; i < 4; i++) {
        trap = user_run(user_gs, 0);
        expect_eq(trap.regs.rdi, 0x3333, "the user's gs");
        expect_eq(gs_word(), 0x1111, "the kernel's gs is back");
    }
    trap = user_run(user_fs, 0);
    expect_eq(trap.regs.rdi, 0x2222, "fs is shared");
    check_msrs();

    expect_eq(set_base(SEGBASE_GS_USER_SEL, 0), 0, "null selector for the user");
    expect_eq(gs_word(), 0x1111, "the kernel's gs is untouched");
    expect_eq(set_base(SEGBASE_GS_USER_SEL, FLAT_USER_DS32), 0, "flat selector for the user");
    expect_eq(gs_word(), 0x1111, "the kernel's gs is untouched");
    expect_eq(set_base(SEGBASE_GS_USER_SEL, 0xfffb), 0, "a bad selector becomes null");
    expect_eq(set_base(SEGBASE_GS_USER, (unsigned long)&user_data[1]), 0, "gs of the user again");
    trap = user_run(user_gs, 0);
    expect_eq(trap.regs.rdi, 0x4444, "the user's new gs");

    expect_eq(set_base(SEGBASE_FS, 0x0000900000000000UL), -XEN_EINVAL, "fs not canonical");
    expect_eq(set_base(SEGBASE_GS_USER, 0x0000900000000000UL), -XEN_EINVAL, "user gs");
    expect_eq(set_base(SEGBASE_GS_KERNEL, 0x8000000000000000UL), -XEN_EINVAL, "kernel gs");
    expect_eq(set_base(4, 0), -XEN_EINVAL, "no such base");
}
