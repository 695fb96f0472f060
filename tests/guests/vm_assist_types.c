/* SPDX-License-Identifier: MIT */
/*
 * vm_assist: which conveniences can be switched, and that the rest is refused.
 *
 * Source: public VMASST_* numbers; watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static long assist(unsigned int command, unsigned int type)
{
    return hypercall2(__HYPERVISOR_vm_assist, command, type);
}

void test_main(void)
{
    static const unsigned int known[] = { VMASST_TYPE_writable_pagetables,
                                          VMASST_TYPE_architectural_iopl,
                                          VMASST_TYPE_runstate_update_flag,
                                          VMASST_TYPE_m2p_strict };

    for (unsigned int i = 0; i < ARRAY_SIZE(known); i++) {
        expect_eq(assist(VMASST_CMD_enable, known[i]), 0, "enable");
        expect_eq(assist(VMASST_CMD_enable, known[i]), 0, "enable twice");
        expect_eq(assist(VMASST_CMD_disable, known[i]), 0, "disable");
        expect_eq(assist(2, known[i]), -XEN_ENOSYS, "no such command");
    }
    /* For 32-bit guests: Linux asks anyway and ignores the answer. */
    printf("types 0, 1, 3: %ld %ld %ld\n", assist(VMASST_CMD_enable, 0),
           assist(VMASST_CMD_enable, 1), assist(VMASST_CMD_enable, 3));
    expect_eq(assist(VMASST_CMD_enable, 6), -XEN_EINVAL, "type 6");
    expect_eq(assist(VMASST_CMD_enable, 31), -XEN_EINVAL, "type 31");
    expect_eq(assist(VMASST_CMD_enable, 33), -XEN_EINVAL, "type 33");
    expect_eq(assist(VMASST_CMD_enable, 63), -XEN_EINVAL, "type 63");
    expect_eq(assist(VMASST_CMD_enable, 64), -XEN_EINVAL, "type 64");
    expect_eq(assist(VMASST_CMD_enable, 0xffffffff), -XEN_EINVAL, "type ~0");
}
