/* SPDX-License-Identifier: MIT */
/*
 * The machine-to-physical table in user mode: hidden once the guest asked for m2p_strict.
 *
 * The table tells user code where the machine's frames are, which helps it in row-hammer and cache
 * attacks on others.  The guest's kernel must go on seeing it.
 * Source: public VMASST_TYPE_m2p_strict.
 */
#include "tests/guests/lib/guest.h"

static unsigned long read_m2p(unsigned long mfn)
{
    return M2P[mfn];
}

void test_main(void)
{
    unsigned long mfn = pfn_mfn(5);
    struct trap trap;

    expect_eq(M2P[mfn], 5, "the kernel sees it");
    trap = user_run(read_m2p, mfn);
    printf("without m2p_strict: vector %d\n", trap.vector);
    expect(came_home(&trap) || trap.vector == VECTOR_PF, "seen or not");

    expect_eq(hypercall2(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_m2p_strict), 0,
              "enable");
    user_setup();
    trap = user_run(read_m2p, mfn);
    expect_eq(trap.vector, VECTOR_PF, "hidden");
    expect_eq(M2P[mfn], 5, "the kernel still sees it");
}
