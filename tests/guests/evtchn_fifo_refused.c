/* SPDX-License-Identifier: MIT */
/*
 * FIFO set-up with wrong frames, offsets, vCPUs and order; and a guest that scribbles over the
 * queues the hypervisor works on.
 *
 * Attack: the pages stay writable by the guest, so links and heads are untrusted: a link to a port
 * that does not exist, or to itself, must neither crash the hypervisor nor keep it busy for long.
 * Source: public event_channel.h; errors watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

static struct evtchn_fifo_control_block *control;
static volatile uint32_t *words;

static long init_control(unsigned long gfn, unsigned int offset, unsigned int vcpu)
{
    struct evtchn_init_control request = { .control_gfn = gfn, .offset = offset, .vcpu = vcpu };

    return hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_init_control, &request);
}

static long expand_array(unsigned long gfn)
{
    struct evtchn_expand_array request = { .array_gfn = gfn };

    return hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_expand_array, &request);
}

static void check_setup(void)
{
    unsigned long frame = va_mfn(control);

    expect(expand_array(va_mfn((const volatile void *)words)) < 0, "array before control block");
    expect_eq(init_control(frame, 0, 99), -XEN_ENOENT, "no such vCPU");
    expect_eq(init_control(frame, 4, 0), -XEN_EINVAL, "unaligned");
    expect_eq(init_control(frame, PAGE_SIZE - 64, 0), -XEN_EINVAL, "over the end of the page");
    expect_eq(init_control(frame, PAGE_SIZE, 0), -XEN_EINVAL, "behind the page");
    expect_eq(init_control(frame, 0xfffffff8, 0), -XEN_EINVAL, "far behind the page");
    expect_eq(init_control(~0UL, 0, 0), -XEN_EINVAL, "no such frame");
    expect_eq(init_control(0, 0, 0), -XEN_EINVAL, "not our frame");
    expect(init_control(va_mfn(kernel_l4), 0, 0) < 0, "a page table");
    expect_eq(init_control(frame, PAGE_SIZE - 72, 0), 0, "as far back as possible");
    expect(init_control(frame, 0, 0) < 0, "a second time");
    expect_eq(init_control(frame, 0, 1), 0, "the other vCPU");

    expect(expand_array(~0UL) < 0, "no such frame");
    expect(expand_array(va_mfn(kernel_l4)) < 0, "a page table");
    expect_eq(expand_array(va_mfn((const volatile void *)words)), 0, "good");
}

static void check_growth(void)
{
    long result = 0;
    unsigned int count = 1;

    while (count < 200) {
        result = expand_array(va_mfn(page_alloc()));
        if (result != 0) {
            break;
        }
        count++;
    }
    expect_eq(result, -XEN_ENOSPC, "the array ends");
    expect_eq(count, EVTCHN_FIFO_NR_CHANNELS / 1024, "at 131,072 ports");
}

static void check_scribbling(void)
{
    unsigned int here[4], there[4];

    for (unsigned int i = 0; i < 4; i++) {
        struct evtchn_unmask unmask;

        here[i] = loop_ports(&there[i]);
        unmask.port = here[i];
        hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_unmask, &unmask);
    }
    /* Nobody consumes; every word is changed behind the hypervisor's back. */
    for (unsigned int round = 0; round < 64; round++) {
        uint32_t evil = (uint32_t)BIT(EVTCHN_FIFO_LINKED) | (round % 2 == 0 ? 0x1ffff : here[0]);

        if (round % 4 == 3) {
            evil |= (uint32_t)BIT(EVTCHN_FIFO_BUSY);
        }
        for (unsigned int i = 0; i < 4; i++) {
            words[here[i]] = evil;
        }
        for (unsigned int queue = 0; queue < EVTCHN_FIFO_MAX_QUEUES; queue++) {
            control->head[queue] = 0xffffffff;
        }
        control->ready = round % 3 == 0 ? 0xffffffff : 0;
        for (unsigned int i = 0; i < 4; i++) {
            expect_eq(port_send(there[i]), 0, "send");
        }
        for (unsigned int i = 0; i < 4; i++) {
            words[here[i]] = 0;
        }
        for (unsigned int i = 0; i < 4; i++) {
            expect_eq(port_send(there[i]), 0, "send");
        }
    }
    for (unsigned int i = 0; i < 4; i++) {
        expect_eq(port_close(here[i]), 0, "close");
    }
}

void test_main(void)
{
    control = page_alloc();
    words = page_alloc();
    check_setup();
    control = (void *)((uint8_t *)control + PAGE_SIZE - 72);
    check_scribbling();
    check_growth();
}
