/* SPDX-License-Identifier: MIT */
/*
 * set_gdt and update_descriptor: a guest's own segments, from the first use to the last.
 *
 * The frames of a descriptor table get a type of their own: they are never writable while in use,
 * and change only through update_descriptor, which looks at each descriptor.
 * Source: public description of set_gdt and update_descriptor; watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

#define CODE64 0x00affb000000ffffUL
#define DATA32 0x00cff3000000ffffUL

static uint64_t *gdt;

static long set_gdt(const unsigned long *frames, unsigned int entries)
{
    return hypercall2(__HYPERVISOR_set_gdt, frames, entries);
}

static long update_descriptor(uint64_t maddr, uint64_t value)
{
    return hypercall2(__HYPERVISOR_update_descriptor, maddr, value);
}

static void load_ds(void *selector)
{
    __asm__ volatile("movl %0, %%ds" : : "r"((uint32_t)(unsigned long)selector));
}

static int try_ds(unsigned long selector)
{
    struct trap trap = try_call_trap(load_ds, (void *)selector);

    load_ds(NULL);
    return trap.vector;
}

__asm__(".text\n"
        "show: int3\n");
extern char show[];

static void check_own_code_segment(void)
{
    struct iret_frame frame = user_frame(NULL, 0);
    struct trap trap;

    frame.rip = (uint64_t)show;
    frame.cs = 3 << 3 | 3;
    frame.ss = 4 << 3 | 3;
    trap = frame_run(&frame);
    expect_trap(&trap, VECTOR_BP, 0);
    expect_eq(trap.regs.cs & 0xffff, 3 << 3 | 3, "running on our own cs");
    expect_eq(trap.regs.ss & 0xffff, 4 << 3 | 3, "and our own ss");
}

void test_main(void)
{
    unsigned long frame;

    user_setup();
    gdt = page_alloc();
    frame = va_mfn(gdt);
    gdt[3] = CODE64;
    gdt[4] = DATA32;

    expect_eq(try_ds(4 << 3 | 3), VECTOR_GP, "no table, no segment");
    expect_eq(set_gdt(&frame, 512), -XEN_EINVAL, "a frame we can write is refused");
    make_read_only(gdt);
    expect_eq(set_gdt(&frame, 512), 0, "read-only it is taken");
    expect_eq(try_ds(4 << 3 | 3), NO_TRAP, "our data segment");
    expect_eq(try_ds(FLAT_KERNEL_SS), NO_TRAP, "the hypervisor's segments are still there");
    check_own_code_segment();

    expect(update_va(gdt, pte(frame, PTE_READ_WRITE), UVMF_INVLPG) != 0,
           "a table in use does not become writable");

    expect_eq(try_ds(5 << 3 | 3), VECTOR_GP, "entry 5 is empty");
    expect_eq(update_descriptor(va_maddr(&gdt[5]), DATA32), 0, "update entry 5");
    expect_eq(gdt[5], DATA32, "it is in the table");
    expect_eq(try_ds(5 << 3 | 3), NO_TRAP, "and works");
    expect_eq(update_descriptor(va_maddr(&gdt[5]), 0), 0, "clear entry 5");
    expect_eq(try_ds(5 << 3 | 3), VECTOR_GP, "gone");
    /* Accessed is set by the CPU; a descriptor that is not present is harmless whatever it says. */
    expect_eq(update_descriptor(va_maddr(&gdt[6]), DATA32 & ~(1UL << 47)), 0, "not present");
    expect_eq(try_ds(6 << 3 | 3), VECTOR_NP, "not present: #NP");

    /* A shorter table: entry 4 is in, and everything to the end of its page may be too. */
    expect_eq(set_gdt(&frame, 5), 0, "a shorter table");
    expect_eq(try_ds(4 << 3 | 3), NO_TRAP, "still there");
    expect_eq(set_gdt(NULL, 0), 0, "no table");
    expect_eq(try_ds(4 << 3 | 3), VECTOR_GP, "no segment");
    make_writable(gdt);
    gdt[0] = 1;
}
