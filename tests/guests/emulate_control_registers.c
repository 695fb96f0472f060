/* SPDX-License-Identifier: MIT */
/*
 * Control registers from the guest's kernel: MOV to and from CR0, CR2, CR3, CR4, LMSW, CLTS and
 * XSETBV are emulated, and only the bits that are the guest's change.
 *
 * Attack: a guest that really cleared CR0.WP or CR4.SMEP, or loaded a CR3 that is not a validated
 * top-level table, would own the machine.
 * Source: CPU manuals; what Linux uses in abi-use; watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

#define CR0_TS   BIT(3)
#define CR0_WP   BIT(16)
#define CR0_PG   BIT(31)
#define CR0_CD   BIT(30)
#define CR4_PAE  BIT(5)
#define CR4_VMXE BIT(13)
#define CR4_SMEP BIT(20)

#define READ(name, reg)                                       \
    static uint64_t name(void)                                \
    {                                                         \
        uint64_t value;                                       \
        __asm__ volatile("movq %%" reg ", %0" : "=r"(value)); \
        return value;                                         \
    }
#define WRITE(name, reg)                                                         \
    static void name(void *value)                                                \
    {                                                                            \
        __asm__ volatile("movq %0, %%" reg : : "r"((uint64_t)value) : "memory"); \
    }

READ(read_cr0, "cr0")
READ(read_cr2, "cr2")
READ(read_cr3, "cr3")
READ(read_cr4, "cr4")
WRITE(write_cr0, "cr0")
WRITE(write_cr2, "cr2")
WRITE(write_cr3, "cr3")
WRITE(write_cr4, "cr4")
WRITE(write_cr8, "cr8")

static struct trap try_write_register(void (*function)(void *), uint64_t value)
{
    return try_call_trap(function, (void *)value);
}

static void write_xcr0(void *value)
{
    __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)(uint64_t)value), "d"(0));
}

static void write_xcr1(void *value)
{
    __asm__ volatile("xsetbv" : : "c"(1), "a"((uint32_t)(uint64_t)value), "d"(0));
}

static void check_cr0(void)
{
    uint64_t cr0 = read_cr0();

    expect((cr0 & CR0_PG) != 0 && (cr0 & 1) != 0 && (cr0 & CR0_WP) != 0, "cr0 looks normal");
    expect_eq(try_write_register(write_cr0, cr0 & ~CR0_WP).vector, VECTOR_GP, "WP stays");
    expect_eq(try_write_register(write_cr0, cr0 & ~CR0_PG).vector, VECTOR_GP, "PG stays");
    expect_eq(try_write_register(write_cr0, cr0 | CR0_CD).vector, VECTOR_GP, "no CD");
    expect_eq(try_write_register(write_cr0, cr0 | CR0_TS).vector, NO_TRAP, "TS may be set");
    expect_eq(read_cr0(), cr0 | CR0_TS, "TS is set");
    __asm__ volatile("clts");
    expect_eq(read_cr0(), cr0, "as before");
}

static void check_cr2(void)
{
    struct trap trap = try_read(BAD_UNMAPPED);

    expect_eq(trap.vector, VECTOR_PF, "a fault");
    expect_eq(read_cr2(), (uint64_t)BAD_UNMAPPED, "cr2 by instruction");
    expect_eq(try_write_register(write_cr2, 0x1234).vector, NO_TRAP, "cr2 may be written");
    expect_eq(read_cr2(), 0x1234, "cr2 as written");
    expect_eq(this_cpu()->info->arch.cr2, 0x1234, "the same word as in vcpu_info");
}

static void check_cr3(void)
{
    uint64_t cr3 = read_cr3();
    uint64_t plain = va_mfn(page_alloc());

    expect_eq(cr3, va_mfn(kernel_l4) << PAGE_SHIFT, "cr3 is the L4's machine address");
    expect_eq(try_write_register(write_cr3, cr3).vector, NO_TRAP, "reloading it is fine");
    expect_eq(try_write_register(write_cr3, plain << PAGE_SHIFT).vector, VECTOR_GP,
              "a page that is no table");
    expect_eq(try_write_register(write_cr3, *entry_of((void *)VIRT_BASE, 4) & PTE_ADDRESS).vector,
              VECTOR_GP, "an L3");
    expect_eq(try_write_register(write_cr3, 0).vector, VECTOR_GP, "frame 0");
    expect_eq(try_write_register(write_cr3, 0x000ffffffffff000UL).vector, VECTOR_GP, "no frame");
    expect_eq(read_cr3(), cr3, "as before");
}

static void check_cr4(void)
{
    uint64_t cr4 = read_cr4();

    expect((cr4 & CR4_PAE) != 0, "PAE");
    expect_eq(cr4 & (CR4_VMXE | CR4_SMEP), 0, "what is the hypervisor's is not shown");
    expect_eq(try_write_register(write_cr4, cr4).vector, NO_TRAP, "writing it back");
    /* Bits that are not the guest's are refused or ignored. */
    try_write_register(write_cr4, cr4 | CR4_VMXE);
    expect_eq(read_cr4() & CR4_VMXE, 0, "VMXE is not set");
    try_write_register(write_cr4, cr4 & ~CR4_PAE);
    expect_eq(read_cr4() & CR4_PAE, CR4_PAE, "PAE stays");
    try_write_register(write_cr4, ~0UL);
    expect_eq(read_cr4() >> 32, 0, "reserved bits");
    try_write_register(write_cr4, cr4);
    expect_eq(try_write_register(write_cr8, 0).vector, VECTOR_GP, "cr8");
}

static void check_xcr0(void)
{
    uint32_t eax = 1, ebx, ecx = 0, edx;

    __asm__ volatile(XEN_CPUID : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    if ((ecx & BIT(26)) == 0) {
        printf("no XSAVE\n");
        return;
    }
    expect_eq(try_write_register(write_cr4, read_cr4() | BIT(18)).vector, NO_TRAP, "OSXSAVE");
    expect_eq(read_cr4() & BIT(18), BIT(18), "OSXSAVE is seen");
    expect_eq(try_write_register(write_xcr0, 3).vector, NO_TRAP, "x87 and SSE");
    expect_eq(try_write_register(write_xcr0, 7).vector, NO_TRAP, "and AVX");
    expect_eq(try_write_register(write_xcr0, 6).vector, VECTOR_GP, "x87 is a must");
    expect_eq(try_write_register(write_xcr0, 5).vector, VECTOR_GP, "AVX without SSE");
    expect_eq(try_write_register(write_xcr0, 0).vector, VECTOR_GP, "nothing");
    expect_eq(try_write_register(write_xcr0, 0xffffffff).vector, VECTOR_GP, "everything");
    expect_eq(try_write_register(write_xcr1, 7).vector, VECTOR_GP, "no such register");
}

void test_main(void)
{
    check_cr0();
    check_cr2();
    check_cr3();
    check_cr4();
    check_xcr0();
}
