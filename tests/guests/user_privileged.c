/* SPDX-License-Identifier: MIT */
/*
 * Privileged instructions in user mode: every one is a #GP (or #UD) in the guest's kernel.
 *
 * The hypervisor emulates most of these for the guest's kernel, which runs in the same ring as
 * user code: if it forgets to look at the mode, user code writes MSRs and control registers.
 * Source: CPU manuals; watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

#define INSTRUCTION(label, code)                                                     \
    static unsigned long label(unsigned long argument)                               \
    {                                                                                \
        __asm__ volatile(code                                                        \
                         :                                                           \
                         : "a"(argument), "c"(0xc0000101), "d"(0x3f8), "b"(argument) \
                         : "memory", "rdi");                                         \
        return 0;                                                                    \
    }

INSTRUCTION(do_cli, "cli")
INSTRUCTION(do_sti, "sti")
INSTRUCTION(do_hlt, "hlt")
INSTRUCTION(do_in, "inb %%dx, %%al")
INSTRUCTION(do_out, "outb %%al, %%dx")
INSTRUCTION(do_insb, "movq %%rbx, %%rdi; insb")
INSTRUCTION(do_rdmsr, "rdmsr")
INSTRUCTION(do_wrmsr, "wrmsr")
INSTRUCTION(do_read_cr0, "movq %%cr0, %%rdi")
INSTRUCTION(do_write_cr0, "movq %%rbx, %%cr0")
INSTRUCTION(do_read_cr2, "movq %%cr2, %%rdi")
INSTRUCTION(do_read_cr3, "movq %%cr3, %%rdi")
INSTRUCTION(do_write_cr3, "movq %%rbx, %%cr3")
INSTRUCTION(do_read_cr4, "movq %%cr4, %%rdi")
INSTRUCTION(do_write_cr4, "movq %%rbx, %%cr4")
INSTRUCTION(do_read_dr7, "movq %%dr7, %%rdi")
INSTRUCTION(do_write_dr7, "movq %%rbx, %%dr7")
INSTRUCTION(do_clts, "clts")
INSTRUCTION(do_invd, "invd")
INSTRUCTION(do_wbinvd, "wbinvd")
INSTRUCTION(do_invlpg, "invlpg (%%rbx)")
INSTRUCTION(do_lgdt, "lgdt (%%rbx)")
INSTRUCTION(do_lidt, "lidt (%%rbx)")
INSTRUCTION(do_lldt, "lldt %%ax")
INSTRUCTION(do_ltr, "ltr %%ax")
INSTRUCTION(do_lmsw, "lmsw %%ax")
INSTRUCTION(do_swapgs, "swapgs")
INSTRUCTION(do_sysret, "sysretq")
INSTRUCTION(do_xsetbv, "xorl %%ecx, %%ecx; xsetbv")
INSTRUCTION(do_rdpmc, "rdpmc")

static const struct {
    const char *name;
    unsigned long (*function)(unsigned long);
} instructions[] = {
    { "cli", do_cli },
    { "sti", do_sti },
    { "hlt", do_hlt },
    { "in", do_in },
    { "out", do_out },
    { "ins", do_insb },
    { "rdmsr", do_rdmsr },
    { "wrmsr", do_wrmsr },
    { "read cr0", do_read_cr0 },
    { "write cr0", do_write_cr0 },
    { "read cr2", do_read_cr2 },
    { "read cr3", do_read_cr3 },
    { "write cr3", do_write_cr3 },
    { "read cr4", do_read_cr4 },
    { "write cr4", do_write_cr4 },
    { "read dr7", do_read_dr7 },
    { "write dr7", do_write_dr7 },
    { "clts", do_clts },
    { "invd", do_invd },
    { "wbinvd", do_wbinvd },
    { "invlpg", do_invlpg },
    { "lgdt", do_lgdt },
    { "lidt", do_lidt },
    { "lldt", do_lldt },
    { "ltr", do_ltr },
    { "lmsw", do_lmsw },
    { "swapgs", do_swapgs },
    { "sysret", do_sysret },
    { "xsetbv", do_xsetbv },
    { "rdpmc", do_rdpmc },
};

static unsigned long do_cpuid(unsigned long leaf)
{
    uint32_t eax = (uint32_t)leaf;
    uint32_t ebx, ecx = 0, edx;

    __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    return eax;
}

void test_main(void)
{
    uint64_t *scratch = page_alloc();
    struct trap trap;

    for (unsigned int i = 0; i < ARRAY_SIZE(instructions); i++) {
        trap = user_run(instructions[i].function, (unsigned long)scratch);
        if (!expect(trap.vector == VECTOR_GP || trap.vector == VECTOR_UD, "refused") ||
            !expect_eq(trap.error, 0, "error code")) {
            printf("%s: vector %d\n", instructions[i].name, trap.vector);
        }
    }
    /* Not privileged: works. */
    trap = user_run(do_cpuid, 0);
    expect(came_home(&trap), "cpuid in user mode");
    expect(trap.regs.rdi >= 7, "and it says something");
}
