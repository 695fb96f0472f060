/* SPDX-License-Identifier: MIT */
/*
 * 8259A pair and 8254 channel 0.
 *
 * Masked 8259s can still raise their spurious interrupt 7; it must not look
 * like an exception, so they are given vectors below those of devices first.
 */
#include "hypervisor/drivers/pic.h"

#include "hypervisor/x86/cpu.h"

#define PIC1_COMMAND 0x20
#define PIC1_DATA    0x21
#define PIC2_COMMAND 0xa0
#define PIC2_DATA    0xa1

#define ICW1_INIT_ICW4 0x11
#define ICW4_8086      0x01
#define PIC_VECTORS    0x20 /* 0x20 to 0x2f: nobody else's */

#define PIT_CHANNEL0 0x40
#define PIT_COMMAND  0x43
#define PIT_ONE_SHOT 0x30 /* channel 0, low then high byte, mode 0 */

void pic_disable(void)
{
    out8(PIC1_COMMAND, ICW1_INIT_ICW4);
    out8(PIC2_COMMAND, ICW1_INIT_ICW4);
    out8(PIC1_DATA, PIC_VECTORS);
    out8(PIC2_DATA, PIC_VECTORS + 8);
    out8(PIC1_DATA, 1 << 2); /* the second one hangs on line 2 */
    out8(PIC2_DATA, 2);
    out8(PIC1_DATA, ICW4_8086);
    out8(PIC2_DATA, ICW4_8086);
    out8(PIC1_DATA, 0xff);
    out8(PIC2_DATA, 0xff);
}

void pit_stop(void)
{
    /* Mode 0 with the longest count: one edge at most, on a masked line, then none. */
    out8(PIT_COMMAND, PIT_ONE_SHOT);
    out8(PIT_CHANNEL0, 0);
    out8(PIT_CHANNEL0, 0);
}
