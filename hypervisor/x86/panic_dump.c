/* SPDX-License-Identifier: MIT */
/*
 * Panic, back-traces and names of addresses.
 *
 * The core is built without frame pointers; a back-trace lists every word on
 * the stack that points into the text, as candidates.
 */
#include "hypervisor/x86/panic_dump.h"

#include "hypervisor/domain/domain.h"
#include "hypervisor/drivers/console.h"
#include "hypervisor/drivers/reset.h"
#include "hypervisor/lib/printf.h"
#include "hypervisor/x86/apic.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/smp.h"

#include <stdarg.h>

extern const uint32_t symbol_count, symbol_addresses[], symbol_name_offsets[];
extern const char symbol_names[];
extern const uint8_t _start_of_core[], _end_of_text[], _build_id_note[], _build_id_note_end[];

static _Atomic uint32_t panicking; /* cpu + 1 of the CPU that does */

bool symbol_at(uint32_t index, uint64_t *address, const char **name)
{
    if (index >= symbol_count) {
        return false;
    }
    *address = (uint64_t)_start_of_core + symbol_addresses[index];
    *name = &symbol_names[symbol_name_offsets[index]];
    return true;
}

/* "name+0x12" of an address in the core; the bare number otherwise. */
static void symbol_format(uint64_t address, char *buffer, size_t size)
{
    uint64_t offset = address - (uint64_t)_start_of_core;
    uint32_t low = 0, high = symbol_count;

    if (offset >= (uint64_t)(_end_of_text - _start_of_core) || symbol_count == 0) {
        snprintf(buffer, size, "%lx", address);
        return;
    }
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (symbol_addresses[middle] <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    snprintf(buffer, size, "%s+0x%lx", &symbol_names[symbol_name_offsets[low]],
             offset - symbol_addresses[low]);
}

const uint8_t *build_id(size_t *size)
{
    const uint32_t *note = (const uint32_t *)(const void *)_build_id_note;

    if (_build_id_note_end - _build_id_note < 16) {
        *size = 0;
        return NULL;
    }
    *size = note[1];
    return _build_id_note + 12 + ROUND_UP((size_t)note[0], 4);
}

void registers_dump(const struct cpu_regs *regs)
{
    char name[96];

    symbol_format(regs->rip, name, sizeof(name));
    log_error("  rip %04lx:%016lx %s  rflags %08lx\n", regs->cs & 0xffff, regs->rip, name,
              regs->rflags);
    log_error("  rax %016lx rbx %016lx rcx %016lx rdx %016lx\n", regs->rax, regs->rbx, regs->rcx,
              regs->rdx);
    log_error("  rsi %016lx rdi %016lx rbp %016lx rsp %016lx\n", regs->rsi, regs->rdi, regs->rbp,
              regs->rsp);
    log_error("  r8  %016lx r9  %016lx r10 %016lx r11 %016lx\n", regs->r8, regs->r9, regs->r10,
              regs->r11);
    log_error("  r12 %016lx r13 %016lx r14 %016lx r15 %016lx\n", regs->r12, regs->r13, regs->r14,
              regs->r15);
}

static void back_trace(uint64_t sp)
{
    uint64_t end = (sp | (CPU_STACK_SIZE - 1)) + 1 - sizeof(struct cpu_info);
    unsigned int shown = 0;
    char name[96];

    if (sp < STACKS_START || sp >= STACKS_START + (uint64_t)CPU_LIMIT * CPU_STACK_STRIDE) {
        return;
    }
    for (sp &= ~UINT64_C(7); sp < end && shown < 24; sp += 8) {
        uint64_t word = *(const uint64_t *)sp;

        if (word > (uint64_t)_start_of_core && word < (uint64_t)_end_of_text) {
            symbol_format(word, name, sizeof(name));
            log_error("    %s\n", name);
            shown++;
        }
    }
}

static void describe_cpu(const struct cpu_regs *regs)
{
    const struct vcpu *vcpu = current;

    log_error("CPU %u, domain %u vCPU %u:\n", cpu_id(),
              vcpu == NULL || vcpu->is_idle ? DOMID_IDLE : vcpu->domain->id,
              vcpu == NULL ? 0 : vcpu->id);
    if (regs != NULL) {
        registers_dump(regs);
        if (!regs_from_guest(regs)) {
            back_trace(regs->rsp);
        }
    }
}

bool panic_in_progress(void)
{
    uint32_t by = atomic_load(&panicking);

    return by != 0 && by != cpu_id() + 1;
}

void panic_stop_here(const struct cpu_regs *regs)
{
    describe_cpu(regs);
    cpumask_remove(&cpus_online, cpu_id()); /* so that whoever resets the machine does not wait */
    cpu_halt_forever();
    __builtin_unreachable();
}

/* One CPU panics; a second one that does meanwhile only stops. */
static void begin(void)
{
    uint32_t nobody = 0;

    interrupts_off();
    if (!atomic_compare_exchange_strong(&panicking, &nobody, cpu_id() + 1) &&
        nobody != cpu_id() + 1) {
        cpu_halt_forever();
    }
    console_force();
}

static void never_returns end(void)
{
    size_t size;
    const uint8_t *id = build_id(&size);
    char text[41] = "";
    unsigned int cpu;

    for (size_t i = 0; i < size && i < 20; i++) {
        snprintf(text + 2 * i, 3, "%02x", id[i]);
    }
    log_error("build-id %s\n", text);
    FOR_EACH_CPU(cpu, &cpus_online)
    {
        if (cpu != cpu_id()) {
            apic_send(cpus[cpu].apic_id, APIC_NMI);
            for (volatile unsigned int wait = 0; wait < 20000000; wait++) {
            }
        }
    }
    machine_reboot();
}

void panic(const char *format, ...)
{
    char text[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    begin();
    log_error("\nParavane panic on CPU %u: %s\n", cpu_id(), text);
    describe_cpu(NULL);
    back_trace((uint64_t)__builtin_frame_address(0));
    end();
}

void panic_registers(const struct cpu_regs *regs)
{
    begin();
    log_error("\nParavane panic on CPU %u: exception %u, error code %x, cr2 %016lx\n", cpu_id(),
              regs->vector, regs->error_code, read_cr2());
    describe_cpu(regs);
    end();
}

/* CPUs that are asked for their registers. */
static struct cpumask dump_wanted;

void registers_request(unsigned int cpu)
{
    cpumask_add(&dump_wanted, cpu);
    apic_send(cpus[cpu].apic_id, APIC_NMI);
    for (unsigned int i = 0; i < 50000000 && cpumask_has(&dump_wanted, cpu); i++) {
        cpu_pause();
    }
}

void nmi_received(const struct cpu_regs *regs)
{
    if (cpumask_has(&dump_wanted, cpu_id())) {
        describe_cpu(regs);
        cpumask_remove(&dump_wanted, cpu_id());
        return;
    }
    log_guest("CPU %u: NMI without a known reason\n", cpu_id());
}
