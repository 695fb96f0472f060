/* SPDX-License-Identifier: MIT */
/*
 * register_vcpu_info: the 64 bytes move once, with what they hold, to a place inside one page.
 *
 * Attack: a place across a page's end, in a frame that is not ours or is a page table: the
 * hypervisor writes there at every event and clock update.
 * Source: public vcpu.h; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static long place(unsigned int vcpu, unsigned long mfn, unsigned int offset)
{
    struct vcpu_register_vcpu_info request = { .mfn = mfn, .offset = offset };

    return hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, vcpu, &request);
}

void test_main(void)
{
    uint8_t *page = page_alloc();
    struct vcpu_info *info = (struct vcpu_info *)(void *)(page + 128);
    unsigned long frame = va_mfn(page);
    unsigned int there;
    unsigned int here = loop_ports(&there);
    uint32_t version;
    long result;

    expect_eq(place(0, frame, PAGE_SIZE - 63), -XEN_ENXIO, "across the end");
    expect_eq(place(0, frame, PAGE_SIZE - 8), -XEN_ENXIO, "across the end");
    expect_eq(place(0, frame, PAGE_SIZE), -XEN_ENXIO, "behind the page");
    expect_eq(place(0, frame, 0xffffffff), -XEN_ENXIO, "far behind the page");
    expect_eq(place(0, ~0UL, 0), -XEN_EINVAL, "no such frame");
    expect_eq(place(0, 0, 0), -XEN_EINVAL, "not our frame");
    expect_eq(place(0, va_mfn(kernel_l4), 0), -XEN_EINVAL, "a page table");
    expect_eq(place(99, frame, 0), -XEN_ENOENT, "no such vCPU");
    expect_eq(hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_info, 0, BAD_UNMAPPED),
              -XEN_EFAULT, "bad pointer");

    unmask_port(here);
    expect_eq(port_send(there), 0, "send before the move");
    expect_eq(place(0, frame, 128), 0, "a good place");
    expect_eq(info->evtchn_upcall_mask, 1, "the mask moved");
    expect_eq(info->evtchn_upcall_pending, 1, "the event moved");
    expect_eq(info->evtchn_pending_sel & BIT(here / 64), BIT(here / 64), "and its selector");
    this_cpu()->info = info;
    events_on();
    expect_eq(port_count[here], 1, "delivered from the new place");
    expect_eq(port_send(there), 0, "send");
    expect_eq(port_count[here], 2, "and again");
    events_off();
    expect(now() > 0, "the clock is there");
    version = ((volatile struct vcpu_info *)info)->time.version;
    expect(version != 0 && (version & 1) == 0, "with an even version");
    expect_eq(try_read(BAD_UNMAPPED).cr2, (uint64_t)BAD_UNMAPPED, "cr2 at the new place");

    expect_eq(place(0, frame, 256), -XEN_EINVAL, "it moves once");
    expect_eq(place(1, frame, 256), 0, "another vCPU's may be in the same page");
    /* The hypervisor writes to it, so it is writable even when no mapping of ours is. */
    expect_eq(update_va(page, pte(frame, PTE_READ_ONLY), UVMF_INVLPG), 0, "read-only for us");
    result = mmuext_mfn(MMUEXT_PIN_L1_TABLE, frame);
    expect_eq(update_va(page, pte(frame, PTE_READ_WRITE), UVMF_INVLPG), 0, "writable again");
    expect(result != 0, "it does not become a page table");
}
