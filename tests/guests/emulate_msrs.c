/* SPDX-License-Identifier: MIT */
/*
 * RDMSR and WRMSR of the guest's kernel: an allow-list, nothing else.
 *
 * Attack: write LSTAR, EFER, STAR, the debug-control or the MTRR registers and the next system call
 * or exception runs the guest's code in ring 0.
 * Source: MSR numbers in the CPU manuals; abi-use section 8.2; watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

struct access {
    uint32_t msr;
    uint64_t value;
};

static void read_msr(void *argument)
{
    struct access *access = argument;
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(access->msr));
    access->value = (uint64_t)high << 32 | low;
}

static void write_msr(void *argument)
{
    const struct access *access = argument;

    __asm__ volatile("wrmsr"
                     :
                     : "c"(access->msr), "a"((uint32_t)access->value),
                       "d"((uint32_t)(access->value >> 32)));
}

static int try_rdmsr(uint32_t msr, uint64_t *value)
{
    struct access access = { .msr = msr };
    int vector = try_call_trap(read_msr, &access).vector;

    *value = access.value;
    return vector;
}

static int try_wrmsr(uint32_t msr, uint64_t value)
{
    struct access access = { .msr = msr, .value = value };

    return try_call_trap(write_msr, &access).vector;
}

/* Where a write that is taken would give the machine away. */
static const struct {
    uint32_t msr;
    const char *name;
} dangerous[] = {
    { 0xc0000081, "STAR" },    { 0xc0000082, "LSTAR" },
    { 0xc0000083, "CSTAR" },   { 0xc0000084, "SFMASK" },
    { 0x174, "SYSENTER_CS" },  { 0x175, "SYSENTER_ESP" },
    { 0x176, "SYSENTER_EIP" }, { 0x1d9, "DEBUGCTL" },
    { 0x200, "MTRR base 0" },  { 0x2ff, "MTRR default" },
    { 0x1b, "APIC base" },     { 0x10, "TSC" },
    { 0x6e0, "TSC deadline" }, { 0x80b, "x2APIC EOI" },
    { 0x830, "x2APIC ICR" },   { 0xc0010117, "VM_HSAVE_PA" },
    { 0xc0010010, "SYSCFG" },  { 0x3a, "FEATURE_CONTROL" },
    { 0x9e, "SMI" },           { 0x12345678, "no such MSR" },
};

static void check_dangerous(void)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(dangerous); i++) {
        uint64_t before = 0, after = 0;
        int readable = try_rdmsr(dangerous[i].msr, &before);
        int vector = try_wrmsr(dangerous[i].msr, (uint64_t)test_main);

        /* Refused, or dropped without effect. */
        if (vector == NO_TRAP && readable == NO_TRAP && dangerous[i].msr != 0x10) {
            try_rdmsr(dangerous[i].msr, &after);
            expect_eq((long)after, (long)before, dangerous[i].name);
        } else {
            expect(vector == NO_TRAP || vector == VECTOR_GP, dangerous[i].name);
        }
        printf("%s: read %d, write %d\n", dangerous[i].name, readable, vector);
        /* System calls still lead to the hypervisor. */
        expect_eq(hypercall2(__HYPERVISOR_xen_version, XENVER_version, 0), 4 << 16 | 17, "alive");
    }
}

static void check_efer(void)
{
    uint64_t efer;

    expect_eq(try_rdmsr(0xc0000080, &efer), NO_TRAP, "EFER can be read");
    expect_eq(efer & (BIT(8) | BIT(10)), BIT(8) | BIT(10), "long mode");
    expect_eq(efer & BIT(12), 0, "SVM is not shown");
    try_wrmsr(0xc0000080, efer | BIT(12));
    try_rdmsr(0xc0000080, &efer);
    expect_eq(efer & BIT(12), 0, "and cannot be set");
    try_wrmsr(0xc0000080, efer & ~BIT(11));
    expect_eq(hypercall2(__HYPERVISOR_xen_version, XENVER_version, 0), 4 << 16 | 17, "alive");
}

static void check_pat(void)
{
    uint64_t pat, after;

    expect_eq(try_rdmsr(0x277, &pat), NO_TRAP, "PAT can be read");
    expect_eq(pat, XEN_MSR_PAT, "the ABI's value");
    try_wrmsr(0x277, 0);
    expect_eq(try_rdmsr(0x277, &after), NO_TRAP, "PAT");
    expect_eq(after, pat, "and is not the guest's to change");
    expect_eq(try_wrmsr(0x277, 0x0202020202020202UL), VECTOR_GP, "bad types");
}

static void check_index_width(void)
{
    uint64_t value;

    expect_eq(try_rdmsr(0xffffffff, &value), VECTOR_GP, "highest number");
    expect_eq(try_wrmsr(0xffffffff, 0), VECTOR_GP, "highest number");
    /* Only ecx counts. */
    {
        uint32_t low, high;

        __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(0xdead000000000277UL));
        expect_eq((uint64_t)high << 32 | low, XEN_MSR_PAT, "upper half of rcx");
    }
}

void test_main(void)
{
    check_efer();
    check_pat();
    check_index_width();
    check_dangerous();
}
