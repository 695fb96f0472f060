/* SPDX-License-Identifier: MIT */
/*
 * The failsafe callback: when the guest's segment registers cannot be loaded on the way back, its
 * kernel gets a frame with the four selectors so that it can kill the process that set them.
 *
 * A user process can load any selector of its LDT into ds; another thread of it removes the
 * descriptor; the next switch of context must fault neither the hypervisor nor the guest's kernel.
 * Two vCPUs share one CPU here, so that there is a switch.
 * Source: public failsafe callback description (xen.h, callback.h).
 * QEMU: smp=1
 * HV: dom0_max_vcpus=2
 */
#include "tests/guests/lib/guest.h"

#define LDT_SELECTOR 0x0fUL

static unsigned int failsafes;
static struct regs failsafe_regs;
static uint8_t failsafe_mask;

static long set_ldt(const void *base, unsigned int entries)
{
    struct mmuext_op request = {
        .cmd = MMUEXT_SET_LDT,
        .arg1.linear_addr = (unsigned long)base,
        .arg2.nr_ents = entries,
    };

    return hypercall4(__HYPERVISOR_mmuext_op, &request, 1, 0, DOMID_SELF);
}

static bool note_failsafe(struct regs *regs)
{
    if (regs->vector != VECTOR_FAILSAFE) {
        return false;
    }
    failsafes++;
    failsafe_regs = *regs;
    failsafe_mask = this_cpu()->info->evtchn_upcall_mask;
    /* What a kernel does: give the process null selectors and go on. */
    __asm__ volatile("movl %0, %%ds\n\tmovl %0, %%es" : : "r"(0));
    return true;
}

static void nothing(void *unused)
{
    (void)unused;
}

static unsigned long read_ds(void)
{
    unsigned long ds;

    __asm__ volatile("movq %%ds, %0" : "=r"(ds));
    return ds;
}

static void switch_away(void)
{
    cpu_start(1, nothing, NULL);
    cpu_wait(1);
}

void test_main(void)
{
    uint64_t *ldt = page_alloc();

    ldt[1] = 0x00cff3000000ffffUL;
    make_read_only(ldt);
    expect_eq(set_ldt(ldt, 512), 0, "an LDT with a data segment");
    trap_hook = note_failsafe;

    __asm__ volatile("movl %0, %%ds\n\tmovl %0, %%es" : : "r"((uint32_t)LDT_SELECTOR));
    switch_away();
    expect_eq(failsafes, 0, "good selectors survive a switch");
    expect_eq(read_ds(), LDT_SELECTOR, "ds is still loaded");

    events_on();
    expect_eq(set_ldt(NULL, 0), 0, "the LDT goes away");
    switch_away();
    events_off();
    expect_eq(failsafes, 1, "one failsafe callback");
    expect_eq(failsafe_segments[0], LDT_SELECTOR, "ds in the frame");
    expect_eq(failsafe_segments[1], LDT_SELECTOR, "es in the frame");
    expect_eq(failsafe_segments[2], 0, "fs in the frame");
    expect_eq(failsafe_segments[3], 0, "gs in the frame");
    expect_eq(failsafe_regs.cs & 0xffff, FLAT_KERNEL_CS & ~3UL, "cs in the frame");
    expect_eq(failsafe_regs.cs >> 32 & 0xff, 0, "events were on");
    expect_eq(failsafe_mask, 1, "and are masked in the callback, as asked");
    expect_eq(read_ds(), 0, "the bad selector is gone");
}
