/* SPDX-License-Identifier: MIT */
/*
 * CPUID behind the emulation prefix: the hypervisor's leaves, and hardware features filtered.
 *
 * A feature that is shown and not there for a guest (SMEP, VMX, MPX) makes kernels write bits that
 * fault; the prefix must be no new way to run other instructions.
 * Source: public XEN_EMULATE_PREFIX and CPUID leaves; abi-use section 8.3.
 */
#include "tests/guests/lib/guest.h"

struct leaf {
    uint32_t eax, ebx, ecx, edx;
};

static struct leaf forced(uint32_t number, uint32_t sub)
{
    struct leaf leaf = { .eax = number, .ecx = sub };

    __asm__ volatile(XEN_CPUID : "+a"(leaf.eax), "=b"(leaf.ebx), "+c"(leaf.ecx), "=d"(leaf.edx));
    return leaf;
}

static void prefix_nop(void *unused)
{
    (void)unused;
    __asm__ volatile(XEN_EMULATE_PREFIX "nop");
}

static void prefix_hlt(void *unused)
{
    (void)unused;
    __asm__ volatile(XEN_EMULATE_PREFIX "hlt");
}

static void half_prefix(void *unused)
{
    (void)unused;
    __asm__ volatile(".byte 0x0f, 0x0b, 0x78, 0x65; cpuid" : : : "rax", "rbx", "rcx", "rdx");
}

static unsigned long user_forced(unsigned long number)
{
    return forced((uint32_t)number, 0).ebx;
}

/* The prefix as the last bytes before an unmapped page. */
static void check_prefix_at_page_end(void)
{
    uint8_t *pages[2] = { page_alloc(), page_alloc() };
    uint8_t *code = pages[0] + PAGE_SIZE - 5;
    struct trap trap;

    memcpy(code, (const uint8_t[]){ XEN_EMULATE_PREFIX_BYTES }, 5);
    expect_eq(update_va(pages[1], 0, UVMF_INVLPG), 0, "unmap");
    trap = try_call_trap((void (*)(void *))(void *)code, NULL);
    expect(trap.vector == VECTOR_UD || trap.vector == VECTOR_PF, "prefix, then nothing");
    expect_eq(trap.regs.rip & ~4095UL, (uint64_t)pages[0], "rip");
}

static void check_hypervisor_leaves(void)
{
    struct leaf leaf = forced(0x40000000, 0);

    expect(leaf.eax >= 0x40000002 && leaf.eax < 0x40000100, "last leaf");
    expect_eq(leaf.ebx, XEN_CPUID_SIGNATURE_EBX, "signature");
    expect_eq(leaf.ecx, XEN_CPUID_SIGNATURE_ECX, "signature");
    expect_eq(leaf.edx, XEN_CPUID_SIGNATURE_EDX, "signature");
    leaf = forced(0x40000001, 0);
    expect_eq(leaf.eax, 4 << 16 | 17, "version");
    leaf = forced(0x40000002, 0);
    /* A page by MSR is an offer; PV guests name theirs in an ELF note. */
    expect(leaf.eax == 0 || (leaf.eax == 1 && leaf.ebx == 0x40000000), "hypercall page by MSR");
    expect_eq(leaf.ecx & 1, 1, "PRESERVE_AD");
    leaf = forced(0x40000100, 0);
    expect_eq(leaf.eax | leaf.ebx | leaf.ecx | leaf.edx, 0, "no second hypervisor");
}

static void check_hardware_leaves(void)
{
    struct leaf leaf = forced(1, 0);

    expect_eq(leaf.ecx & BIT(31), BIT(31), "a hypervisor is there");
    expect_eq(leaf.ecx & (BIT(5) | BIT(3) | BIT(21)), 0, "no VMX, MONITOR, x2APIC");
    expect_eq(leaf.edx & (BIT(3) | BIT(1)), 0, "no PSE, VME");
    expect_eq(leaf.edx & (BIT(0) | BIT(6) | BIT(9) | BIT(25) | BIT(26)),
              BIT(0) | BIT(6) | BIT(9) | BIT(25) | BIT(26), "FPU, PAE, APIC, SSE, SSE2");
    leaf = forced(7, 0);
    expect_eq(leaf.ebx & (BIT(7) | BIT(20) | BIT(10) | BIT(14)), 0, "no SMEP, SMAP, INVPCID, MPX");
    expect_eq(leaf.ecx & (BIT(3) | BIT(16)), 0, "no PKU, LA57");
    leaf = forced(0x80000001, 0);
    expect_eq(leaf.ecx & BIT(2), 0, "no SVM");
    expect_eq(leaf.edx & (BIT(20) | BIT(29)), BIT(20) | BIT(29), "NX, long mode");
    leaf = forced(0xd, 0);
    expect_eq(leaf.eax & ~7U, 0, "no more state than XCR0 can have");
    leaf = forced(0xffffffff, 0);
    printf("highest leaf: %x %x %x %x\n", leaf.eax, leaf.ebx, leaf.ecx, leaf.edx);
}

void test_main(void)
{
    struct trap trap;

    check_hypervisor_leaves();
    check_hardware_leaves();

    expect_eq(try_call_trap(prefix_nop, NULL).vector, VECTOR_UD, "prefix before nop");
    expect_eq(try_call_trap(prefix_hlt, NULL).vector, VECTOR_UD, "prefix before hlt");
    expect_eq(try_call_trap(half_prefix, NULL).vector, VECTOR_UD, "half a prefix");
    check_prefix_at_page_end();

    trap = user_run(user_forced, 0x40000000);
    expect(came_home(&trap), "the prefix in user mode");
    expect_eq(trap.regs.rdi, XEN_CPUID_SIGNATURE_EBX, "signature");
}
