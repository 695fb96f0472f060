/* SPDX-License-Identifier: MIT */
/*
 * The order in which the machine is brought up.
 */
#include "hypervisor/boot/dom0.h"
#include "hypervisor/boot/loader.h"
#include "hypervisor/boot/memory.h"
#include "hypervisor/boot/options.h"
#include "hypervisor/control/firmware.h"
#include "hypervisor/drivers/acpi.h"
#include "hypervisor/drivers/console.h"
#include "hypervisor/drivers/ioapic.h"
#include "hypervisor/drivers/pic.h"
#include "hypervisor/drivers/reset.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/pv/cpu_policy.h"
#include "hypervisor/pv/traps.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/time/clock.h"
#include "hypervisor/x86/apic.h"
#include "hypervisor/x86/descriptors.h"
#include "hypervisor/x86/entry.h"
#include "hypervisor/x86/features.h"
#include "hypervisor/x86/fpu.h"
#include "hypervisor/x86/panic_dump.h"
#include "hypervisor/x86/smp.h"

#define CONSOLE_POLL_NS UINT64_C(20000000)
#define BOOT_SCRUBS     (UINT64_C(1) << 30 >> 14) /* of 16 KiB */

void boot_main(uint32_t magic, uint32_t information);

const char *core_command_line = boot_info.command_line;

extern const int32_t _smap_start[], _smap_end[];

/* The text is writable still.  Without SMAP, STAC and CLAC are invalid: three bytes of nop. */
static void patch_smap(void)
{
    static const uint8_t nop[3] = { 0x0f, 0x1f, 0x00 };

    for (const int32_t *entry = _smap_start; !cpu_features.smap && entry < _smap_end; entry++) {
        memcpy((void *)((uintptr_t)entry + (uintptr_t)(intptr_t)*entry), nop, sizeof(nop));
    }
}

/* The console first, so that the complaints about the rest can be seen. */
static void read_options(void)
{
    options_parse(boot_info.command_line, false);
    console_setup(&options.console, options.log_level);
    log_info("Paravane %s\n", PACKAGE_VERSION);
    options_parse(boot_info.command_line, true);
    machine_noreboot = options.noreboot;
}

static struct timer console_timer;

static void poll_console(void *unused)
{
    console_poll();
    timer_set(&console_timer, clock_now() + CONSOLE_POLL_NS);
    (void)unused;
}

/* On the boot CPU's own stack, with its own descriptor tables. */
static void boot_on_own_stack(void)
{
    descriptors_load();
    pic_disable();
    apic_setup();
    apic_setup_cpu();
    clock_setup();
    apic_timer_calibrate(clock_tsc_hz());
    pit_stop();
    timer_setup_cpu();
    cpus[0].apic_id = apic_id();
    cpu_count = 1;
    cpumask_add(&cpus_online, 0);
    if (!sched_create_idle(0)) {
        panic("no memory for the idle vCPU");
    }
    sched_setup_cpu();
    ioapic_setup();
    if (!console_start_interrupts()) {
        timer_init(&console_timer, poll_console, NULL);
        poll_console(NULL);
    }
    cpu_policy_detect(cpuid);
    pv_traps_setup();
    softirq_register(SOFTIRQ_LOG, console_log_grew);
    smp_start(options.nosmp ? 1 : options.maxcpus);
    dom0_build();
    memory_free_modules();
    /* Other CPUs clear memory while dom0 starts; the only one may get no rest for long. */
    for (uint64_t i = 0; cpu_count == 1 && i < BOOT_SCRUBS && heap_scrub_some(); i++) {
        interrupts_poll();
    }
    domain_unpause(dom0);
    cpu_idle(this_cpu());
}

void boot_main(uint32_t magic, uint32_t information)
{
    bool known = loader_parse(magic, information);

    read_options();
    if (!known) {
        panic("not started by a multiboot loader (magic %x)", magic);
    }
    features_detect();
    patch_smap();
    features_enable();
    fpu_setup();
    memory_setup();
    if (boot_info.efi_system_table != 0) {
        firmware_setup_efi(boot_info.efi_system_table);
    }
    acpi_setup(boot_info.rsdp_size != 0 ? boot_info.rsdp : NULL, boot_info.rsdp_size);
    descriptors_setup();
    if (!descriptors_create_cpu(0)) {
        panic("no memory for the boot CPU's stack");
    }
    run_on_stack(cpu_info_of(0), boot_on_own_stack);
}
