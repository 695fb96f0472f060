/* SPDX-License-Identifier: MIT */
/*
 * What a guest finds at its first instruction: start_info and the registers.
 *
 * A kernel trusts every one of these words before it can check anything.  A wrong frame count, a
 * stale general register (a leak of hypervisor or earlier guest data) or events that are not
 * masked would break or betray it at once.
 * Source: the public start_info description; register values watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static const char magic[] = "xen-3.0-x86_64";

static void check_start_info(void)
{
    const struct start_info *si = start_info;

    expect(strncmp(si->magic, magic, sizeof(magic) - 1) == 0, "magic");
    expect_eq(si->nr_pages, 128 * 256, "nr_pages is what dom0_mem said");
    expect(si->shared_info != 0 && si->shared_info % PAGE_SIZE == 0, "shared_info is a frame");
    expect((si->flags & SIF_PRIVILEGED) != 0, "SIF_PRIVILEGED");
    expect((si->flags & SIF_INITDOMAIN) != 0, "SIF_INITDOMAIN");
    expect((si->flags & (SIF_MULTIBOOT_MOD | SIF_MOD_START_PFN | SIF_VIRT_P2M_4TOOLS)) == 0,
           "no module flags without a module");
    expect_eq(si->mod_start, 0, "mod_start without a module");
    expect_eq(si->mod_len, 0, "mod_len without a module");
    expect_eq(si->store_mfn, 0, "the control domain has no store ring");
    expect_eq(si->store_evtchn, 0, "store_evtchn");
    expect(si->console.dom0.info_size == 0 ||
               si->console.dom0.info_off >= offsetof(struct start_info, nr_p2m_frames),
           "console information lies behind the structure");
    expect(si->console.dom0.info_off + si->console.dom0.info_size <= PAGE_SIZE,
           "console information fits the page");
    expect(si->cmd_line[MAX_GUEST_CMDLINE - 1] == 0, "the command line is terminated");
}

static void check_layout(void)
{
    const struct start_info *si = start_info;
    uint64_t end = (uint64_t)image_end;
    uint64_t here = (uint64_t)si;

    expect_eq(here % PAGE_SIZE, 0, "start_info is page-aligned");
    expect(si->mfn_list >= end, "the p2m list lies behind the image");
    expect(here >= si->mfn_list + si->nr_pages * 8, "start_info lies behind the p2m list");
    expect(si->pt_base > here, "page tables lie behind start_info");
    expect_eq(si->pt_base % PAGE_SIZE, 0, "pt_base is page-aligned");
    expect(si->nr_pt_frames >= 4 && si->nr_pt_frames < 64, "a sane number of page tables");
    expect_eq(entry_state[ENTRY_RSP], si->pt_base + si->nr_pt_frames * PAGE_SIZE + PAGE_SIZE,
              "rsp is the top of a stack page behind the page tables");
}

static void check_registers(void)
{
    expect_eq(entry_state[ENTRY_RSI], (uint64_t)start_info, "rsi is start_info");
    for (unsigned int i = ENTRY_RAX; i <= ENTRY_R15; i++) {
        if (i != ENTRY_RSI && i != ENTRY_RSP) {
            expect_eq(entry_state[i], 0, "an unused register is zero");
        }
    }
    expect_eq(entry_state[ENTRY_RFLAGS], 0x202, "rflags: only IF and the constant bit");
    expect_eq(entry_state[ENTRY_CS], FLAT_KERNEL_CS, "cs");
    expect_eq(entry_state[ENTRY_SS], FLAT_KERNEL_SS, "ss");
    expect_eq(entry_state[ENTRY_DS], 0, "ds");
    expect_eq(entry_state[ENTRY_ES], 0, "es");
    expect_eq(entry_state[ENTRY_FS], 0, "fs");
    expect_eq(entry_state[ENTRY_GS], 0, "gs");
    expect_eq(entry_upcall_mask, 1, "events are masked");
    expect_eq(entry_upcall_pending, 0, "no event is pending");
}

void test_main(void)
{
    check_start_info();
    check_layout();
    check_registers();
}
