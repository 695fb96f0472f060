/* SPDX-License-Identifier: MIT */
/*
 * The page of hypercall stubs that an ELF note (or MSR 0x40000000) asks for.
 *
 * Current Linux does without; older kernels, Mini-OS and grub-pv call entry n at offset 32 n.
 * Writing the MSR, where CPUID offers it, makes the hypervisor write into a guest page: a
 * frame that is a page table must be refused.
 * Source: public ELF note HYPERCALL_PAGE, CPUID leaf 0x40000002; watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static long call_page(const char *page, unsigned int number, unsigned long rdi, unsigned long rsi)
{
    long result;

    __asm__ volatile("call *%%rax"
                     : "=a"(result), "+D"(rdi), "+S"(rsi)
                     : "0"(page + 32UL * number)
                     : "memory", "rcx", "r11", "rdx", "r8", "r9", "r10");
    return result;
}

struct msr_write {
    uint32_t msr;
    uint64_t value;
};

static void write_msr(void *argument)
{
    const struct msr_write *request = argument;

    __asm__ volatile("wrmsr"
                     :
                     : "c"(request->msr), "a"((uint32_t)request->value),
                       "d"((uint32_t)(request->value >> 32))
                     : "memory");
}

static struct trap try_write_msr(uint32_t msr, uint64_t value)
{
    struct msr_write request = { .msr = msr, .value = value };

    return try_call_trap(write_msr, &request);
}

static bool returned;

static void return_here(void)
{
    returned = true;
    __asm__ volatile("int3");
}

/* Entry 23 is no call: it expects rcx, r11 and rax on the stack and never comes back. */
static void leave_by_page(void *page)
{
    __asm__ volatile(
        "movq %%rsp, %%rax\n\t"
        "pushq %[ss]\n\t"
        "pushq %%rax\n\t"
        "pushq $0\n\t"
        "pushq %[cs]\n\t"
        "pushq %[rip]\n\t"
        "pushq $0\n\t"
        "jmp *%[stub]"
        :
        : [ss] "r"((uint64_t)FLAT_KERNEL_SS), [cs] "r"((FLAT_KERNEL_CS & ~3UL)),
          [rip] "r"(return_here), [stub] "r"((const char *)page + 32UL * __HYPERVISOR_iret)
        : "rax", "memory");
}

static void check_iret_stub(char *page)
{
    struct trap trap = try_call_trap(leave_by_page, page);

    expect_eq(trap.vector, VECTOR_BP, "iret came back to the kernel");
    expect(returned, "and ran there");
    returned = false;
}

static void check_page(const char *page)
{
    expect_eq(call_page(page, __HYPERVISOR_xen_version, XENVER_version, 0), 4 << 16 | 17,
              "xen_version through the page");
    expect_eq(call_page(page, __HYPERVISOR_sched_op, SCHEDOP_yield, 0), 0, "yield");
    expect_eq(call_page(page, 47, 0, 0), -XEN_ENOSYS, "undefined number");
}

void test_main(void)
{
    char *page = page_alloc();
    uint32_t eax = 0x40000002;
    uint32_t ebx, ecx = 0, edx;
    struct trap trap;

    check_page(hypercall_page);
    check_iret_stub(hypercall_page);

    __asm__ volatile(XEN_CPUID : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    if (eax == 0) {
        printf("no page by MSR\n");
        trap = try_write_msr(0x40000000, va_mfn(page) << PAGE_SHIFT);
        expect_trap(&trap, VECTOR_GP, 0);
        return;
    }
    expect_eq(eax, 1, "one transfer page");
    expect_eq(ebx, 0x40000000, "its MSR");

    /* The MSR's value is a machine address with the page's index in its low bits. */
    trap = try_write_msr(ebx, va_mfn(page) << PAGE_SHIFT);
    expect_trap(&trap, NO_TRAP, ANY_ERROR);
    check_page(page);
    check_iret_stub(page);

    trap = try_write_msr(ebx, va_mfn(kernel_l4) << PAGE_SHIFT);
    expect_trap(&trap, VECTOR_GP, 0);
    trap = try_write_msr(ebx, (va_mfn(page) << PAGE_SHIFT) | 1);
    expect_trap(&trap, VECTOR_GP, 0);
    trap = try_write_msr(ebx, 0x000ffffffffff000UL);
    expect_trap(&trap, VECTOR_GP, 0);
}
