/* SPDX-License-Identifier: MIT */
/*
 * Attack: two vCPUs give a third its context at the same time, each a context of which the last
 * part is refused, so that both take back what they had taken.
 *
 * Taken back twice, a descriptor table's use would be given up by somebody who has none; taken and
 * forgotten, the frames would never be free again, not even after the domain's end.
 * Source: invariants 9, 10 and 12 of the design.
 *
 * QEMU: smp=3
 */
#include "tests/guests/lib/guest.h"

#define ROUNDS 4000

static void *gdt;
static struct vcpu_guest_context bad;
static volatile bool stop;
static volatile unsigned int taken;

static void initialise_on(void *unused)
{
    (void)unused;
    while (!stop) {
        taken += cpu_initialise(2, &bad) == 0 ? 1 : 0;
    }
}

void test_main(void)
{
    gdt = page_alloc();
    make_read_only(gdt);
    bad = *cpu_context(2);
    bad.gdt_ents = 8;
    bad.gdt_frames[0] = va_mfn(gdt);
    bad.ldt_ents = 8193;
    cpu_start(1, initialise_on, NULL);
    for (unsigned int i = 0; i < ROUNDS; i++) {
        taken += cpu_initialise(2, &bad) == 0 ? 1 : 0;
    }
    stop = true;
    cpu_wait(1);
    expect_eq(taken, 0, "bad contexts taken");
    expect_eq(update_va(gdt, pte(va_mfn(gdt), PTE_READ_WRITE), UVMF_INVLPG), 0,
              "nobody holds the descriptor table");
    expect_eq(cpu_initialise(2, cpu_context(2)), 0, "a good context");
    expect_eq(cpu_initialise(2, cpu_context(2)), -XEN_EEXIST, "another one");
}
