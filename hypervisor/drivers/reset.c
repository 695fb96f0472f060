/* SPDX-License-Identifier: MIT */
/*
 * Ways to stop a PC, tried one after the other.
 */
#include "hypervisor/drivers/reset.h"

#include "hypervisor/drivers/acpi.h"
#include "hypervisor/drivers/console.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/paging.h"
#include "hypervisor/x86/smp.h"

#define KEYBOARD_COMMAND   0x64
#define KEYBOARD_BUSY      0x02
#define KEYBOARD_PULSE     0xfe /* of the CPU's reset line */
#define RESET_CONTROL      0xcf9
#define RESET_CONTROL_HARD 0x06 /* and the same without bit 2 first: it is the edge that counts */

#define PM1_SLEEP_ENABLE 0x2000

#define MOMENT 50000u /* turns of a waiting loop: a millisecond or more */

bool machine_noreboot;

static void wait_a_moment(void)
{
    for (unsigned int i = 0; i < MOMENT; i++) {
        cpu_pause();
    }
}

/* Nothing else runs any more and what was said is on the wire. */
static void quiesce(void)
{
    interrupts_off();
    smp_stop_others();
    console_force();
}

void machine_halt(void)
{
    quiesce();
    log_error("halted\n");
    cpu_halt_forever();
    __builtin_unreachable();
}

static void write_register(const struct acpi_register *reg, uint8_t value)
{
    volatile uint8_t *place;

    if (reg->address == 0) {
        return;
    }
    if (reg->space == ACPI_PORT) {
        out8((uint16_t)reg->address, value);
    } else if (reg->space == ACPI_MEMORY) {
        place = map_device(maddr(reg->address), 1);
        if (place != NULL) {
            *place = value;
        }
    }
}

static void reset_by_keyboard(void)
{
    for (unsigned int i = 0; i < 1000 && (in8(KEYBOARD_COMMAND) & KEYBOARD_BUSY) != 0; i++) {
        cpu_pause();
    }
    out8(KEYBOARD_COMMAND, KEYBOARD_PULSE);
}

/* An exception with no descriptor table to find its handler in. */
static void triple_fault(void)
{
    static const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) empty = { 0, 0 };

    __asm__ volatile("lidt %0; int3" : : "m"(empty));
}

void machine_reboot(void)
{
    if (machine_noreboot) {
        log_error("Halted (option noreboot).\n");
        machine_halt();
    }
    log_error("Rebooting.\n");
    quiesce();
    write_register(&acpi.reset, acpi.reset_value);
    wait_a_moment();
    out8(RESET_CONTROL, RESET_CONTROL_HARD & ~4);
    out8(RESET_CONTROL, RESET_CONTROL_HARD);
    wait_a_moment();
    reset_by_keyboard();
    wait_a_moment();
    triple_fault();
    cpu_halt_forever();
    __builtin_unreachable();
}

static void write_pm1(const struct acpi_register *control, uint16_t value)
{
    if (control->address == 0 || control->space != ACPI_PORT) {
        return;
    }
    out16((uint16_t)control->address, value & (uint16_t)~PM1_SLEEP_ENABLE);
    out16((uint16_t)control->address, value | PM1_SLEEP_ENABLE);
}

void machine_power_off(uint16_t a, uint16_t b, bool reduced)
{
    quiesce();
    log_error("powering off\n");
    if (reduced) {
        write_register(&acpi.sleep_status, (uint8_t)b);
        write_register(&acpi.sleep_control, (uint8_t)a);
    } else {
        write_pm1(&acpi.pm1a_control, a);
        write_pm1(&acpi.pm1b_control, b);
    }
    wait_a_moment();
    log_error("the machine did not power off\n");
    machine_halt();
}
