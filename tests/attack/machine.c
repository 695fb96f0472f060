/* SPDX-License-Identifier: MIT */
/*
 * The hardware: what the core would find on a PC, as far as it asks for it.
 */
#include "tests/attack/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hypervisor/drivers/acpi.h"
#include "hypervisor/drivers/console.h"
#include "hypervisor/drivers/counters.h"
#include "hypervisor/drivers/ioapic.h"
#include "hypervisor/drivers/reset.h"
#include "hypervisor/event/event.h"
#include "hypervisor/lib/log.h"
#include "hypervisor/lib/panic.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/pv/cpu_policy.h"
#include "hypervisor/pv/traps.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/time/clock.h"
#include "hypervisor/time/timer.h"
#include "hypervisor/x86/apic.h"
#include "hypervisor/x86/descriptors.h"
#include "hypervisor/x86/entry.h"
#include "hypervisor/x86/features.h"
#include "hypervisor/x86/irq.h"
#include "hypervisor/x86/paging.h"
#include "hypervisor/x86/panic_dump.h"
#include "hypervisor/x86/smp.h"
#include "hypervisor/x86/tlb.h"

#define GSIS          24u
#define TSC_STEP      50u /* ticks, nanoseconds, between two readings */
#define WINDOW_PAGES  32u
#define PATIENCE      2000u /* pauses in one wait */
#define ROUNDS        1000u
#define TRANSLATE_MAX 4u

uint8_t *direct_map_start;
struct page *frame_table;
uint64_t *m2p_table;

struct cpu cpus[CPU_LIMIT];
unsigned int cpu_count;
struct cpumask cpus_online;
struct acpi_info acpi;
bool panic_reboots;
const char *core_command_line = "attack";

struct cpu_features cpu_features = {
    .physical_bits = 40, .intel = true, .umip = true, .cr3_keep = CR3_KEEP
};

static struct {
    struct cpu_info info;
    uint64_t cr3, timer;
    mfn_t window[WINDOW_PAGES];
    bool in_core, kicked;
    jmp_buf *idle; /* where its wait for an interrupt ends */
} machine[CPUS];

static unsigned int cpu_now;
static uint64_t tsc_now, cr2_now;
static unsigned int preempt_every, polls, pauses;
static bool elsewhere; /* somebody waits, and others go on meanwhile */

/* ---- trouble ---------------------------------------------------------------------------- */

static void never_returns die(const char *what, const char *format, va_list arguments)
{
    (void)fprintf(stderr, "%s on CPU %u: ", what, cpu_now);
    (void)vfprintf(stderr, format, arguments);
    (void)fputc('\n', stderr);
    abort();
}

void panic(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    die("panic", format, arguments);
}

void finding(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    die("finding", format, arguments);
}

static void tell(const char *format, va_list arguments)
{
    static int telling = -1;

    if (telling < 0) {
        telling = getenv("ATTACK_LOG") != NULL;
    }
    if (telling != 0) {
        (void)vfprintf(stderr, format, arguments);
    }
}

void machine_tell(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    tell(format, arguments);
    va_end(arguments);
}

void log_print(enum log_level level, const char *format, ...)
{
    va_list arguments;

    (void)level;
    va_start(arguments, format);
    tell(format, arguments);
    va_end(arguments);
}

void log_guest_print(enum log_level level, const char *format, ...)
{
    va_list arguments;

    (void)level;
    va_start(arguments, format);
    tell(format, arguments);
    va_end(arguments);
}

void machine_halt(void)
{
    machine_ended();
}

void machine_reboot(void)
{
    machine_ended();
}

void machine_power_off(uint16_t a, uint16_t b, bool reduced)
{
    (void)a;
    (void)b;
    (void)reduced;
    machine_ended();
}

/* ---- instructions ----------------------------------------------------------------------- */

/* A CPU that names no feature but those the core insists on. */
struct cpuid_regs cpuid(uint32_t leaf, uint32_t subleaf)
{
    (void)subleaf;
    switch (leaf) {
    case 0:
        return (struct cpuid_regs){ 1, 0x756e6547, 0x6c65746e, 0x49656e69 };
    case 1:
        return (struct cpuid_regs){ 0x000306c3, 0, 0x80202001, 0x078bfbff };
    case 0x80000000:
        return (struct cpuid_regs){ 0x80000008, 0, 0, 0 };
    case 0x80000001:
        return (struct cpuid_regs){ 0, 0, 1, 0x20100800 };
    case 0x80000008:
        return (struct cpuid_regs){ 0x3028, 0, 0, 0 };
    default:
        return (struct cpuid_regs){ 0, 0, 0, 0 };
    }
}

struct cpu_identity cpu_identify(void)
{
    return (struct cpu_identity){
        { 'G', 'e', 'n', 'u', 'i', 'n', 'e', 'I', 'n', 't', 'e', 'l' }, 6, 60, 3
    };
}

uint64_t read_msr(uint32_t msr)
{
    (void)msr;
    return 0;
}

void write_msr(uint32_t msr, uint64_t value)
{
    (void)msr;
    (void)value;
}

bool read_msr_safe(uint32_t msr, uint64_t *value)
{
    (void)msr;
    (void)value;
    return false;
}

uint64_t read_cr2(void)
{
    return cr2_now;
}

void machine_set_cr2(uint64_t address)
{
    cr2_now = address;
}

uint64_t read_cr3(void)
{
    return machine[cpu_now].cr3;
}

uint64_t machine_cr3(unsigned int cpu)
{
    return machine[cpu].cr3;
}

void write_cr3(uint64_t value)
{
    machine[cpu_now].cr3 = value & ~CR3_KEEP;
    check_tlb_loaded(cpu_now, value);
}

uint64_t read_tsc(void)
{
    return tsc_now += TSC_STEP;
}

/* ---- CPUs ------------------------------------------------------------------------------- */

struct cpu_info *this_cpu(void)
{
    return &machine[cpu_now].info;
}

struct cpu_info *cpu_info_of(unsigned int cpu)
{
    return &machine[cpu].info;
}

/* A CPU that is not in the core takes what interrupts it: it ends up in a guest or waiting. */
static void run_elsewhere(unsigned int cpu)
{
    unsigned int from = cpu_now;
    jmp_buf here;

    cpu_now = cpu;
    machine[cpu].in_core = true;
    machine[cpu].idle = &here;
    if (setjmp(here) == 0) {
        tlb_serve();
        softirq_run();
    }
    machine[cpu].in_core = false;
    machine[cpu].idle = NULL;
    machine[cpu].kicked |= !current->is_idle; /* for its upcall, as it returns to a guest */
    cpu_now = from;
}

void cpu_wait_for_interrupt(void)
{
    if (machine[cpu_now].idle == NULL) {
        finding("waits for an interrupt within a hypercall");
    }
    longjmp(*machine[cpu_now].idle, 1);
}

/*
 * Somebody waits.  For a flush of TLBs, which the others serve wherever they are; or for
 * more, then those that are not in the core go on.  They cannot wait for one another.
 */
void cpu_pause(void)
{
    unsigned int from = cpu_now;

    if (cpu_count < CPUS) {
        machine_pass_time(1000000); /* booting: a CPU waits to be compared with another */
        return;
    }
    if (++pauses > PATIENCE) {
        finding("waits for ever: a lock is held, or a CPU does not answer");
    }
    for (cpu_now = 0; cpu_now < CPUS; cpu_now++) {
        if (cpu_now != from) {
            tlb_serve();
        }
    }
    cpu_now = from;
    if (pauses % 2 == 0 && !elsewhere) {
        elsewhere = true;
        for (unsigned int cpu = 0; cpu < CPUS; cpu++) {
            if (!machine[cpu].in_core) {
                run_elsewhere(cpu);
            }
        }
        elsewhere = false;
    }
}

void smp_stop_if_told(void)
{
}

/* Interrupts are taken when somebody waits for it, or when the machine settles. */
void cpu_send(unsigned int cpu, uint8_t vector)
{
    (void)vector;
    if (cpu >= cpu_count) {
        finding("interrupt for CPU %u", cpu);
    }
    machine[cpu].kicked = cpu_count == CPUS;
}

void interrupts_poll(void)
{
    if (preempt_every != 0 && ++polls % preempt_every == 0) {
        softirq_raise(SOFTIRQ_SCHEDULE);
    }
}

void machine_preempt_every(unsigned int n)
{
    preempt_every = n;
    polls = 0;
}

void apic_timer_set(uint64_t tsc_deadline)
{
    machine[cpu_now].timer = tsc_deadline;
}

void apic_end_of_interrupt(void)
{
}

void machine_enter(unsigned int cpu)
{
    cpu_now = cpu;
    machine[cpu].in_core = true;
    pauses = 0;
}

static bool upcall_due(const struct vcpu *vcpu)
{
    return !vcpu->is_idle && vcpu->info->evtchn_upcall_pending != 0 &&
           vcpu->info->evtchn_upcall_mask == 0;
}

void machine_leave(void)
{
    unsigned int cpu = cpu_now;
    jmp_buf here;

    machine[cpu].idle = &here;
    if (setjmp(here) == 0) {
        softirq_run();
        if (upcall_due(current)) {
            pv_deliver_upcall(&this_cpu()->regs, current);
            softirq_run();
        }
    }
    machine[cpu].idle = NULL;
    machine[cpu].in_core = false;
}

/* True if there was something to do. */
static bool settle(unsigned int cpu)
{
    bool kicked = machine[cpu].kicked;

    cpu_now = cpu;
    machine[cpu].kicked = false;
    if (machine[cpu].timer != 0 && machine[cpu].timer <= tsc_now) {
        machine[cpu].timer = 0;
        timer_interrupt();
    }
    if (!kicked && !softirq_pending()) {
        return false;
    }
    if (current->is_idle) {
        run_elsewhere(cpu);
    } else {
        machine_enter(cpu);
        machine_leave();
    }
    return true;
}

void machine_settle(void)
{
    bool again = true;

    pauses = 0;
    for (unsigned int round = 0; again; round++) {
        again = false;
        if (round == ROUNDS) {
            finding("interrupts do not come to an end");
        }
        for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
            again |= settle(cpu);
        }
    }
}

/* `current` is a macro, of this CPU. */
struct vcpu *machine_vcpu_on(unsigned int cpu)
{
    unsigned int from = cpu_now;
    struct vcpu *vcpu;

    cpu_now = cpu;
    vcpu = current;
    cpu_now = from;
    return vcpu;
}

unsigned int machine_cpu_of(const struct vcpu *vcpu)
{
    unsigned int cpu = 0;

    while (cpu < CPUS && machine_vcpu_on(cpu) != vcpu) {
        cpu++;
    }
    return cpu;
}

void machine_pass_time(uint64_t ns)
{
    tsc_now += ns;
}

/* ---- segments --------------------------------------------------------------------------- */

void window_set(unsigned int page, mfn_t frame)
{
    if (page >= WINDOW_PAGES) {
        finding("descriptor window has no page %u", page);
    }
    machine[cpu_now].window[page] = frame;
}

const uint64_t *window_descriptors(unsigned int page)
{
    static const uint64_t none[PAGE_SIZE / 8];
    mfn_t frame = machine[cpu_now].window[page];

    return mfn_equal(frame, MFN_INVALID) || frame.number == 0 ? none : direct_map_mfn(frame);
}

void ldt_load(unsigned int entries)
{
    (void)entries;
}

/* Segment registers are the host's: nothing is loaded, whatever is asked for. */
long __wrap_hypercall_set_segment_base(uint64_t which, uint64_t base);
long __wrap_hypercall_set_segment_base(uint64_t which, uint64_t base)
{
    return which > 3 || (which != 3 && !address_canonical(base)) ? -XEN_EINVAL : 0;
}

/* context_switch() of pv/context.c without segments and floating point. */
void __wrap_context_switch(struct vcpu *from, struct vcpu *to);
void __wrap_context_switch(struct vcpu *from, struct vcpu *to)
{
    if (!from->is_idle) {
        from->regs = this_cpu()->regs;
    }
    current = to;
    if (to->is_idle) {
        tlb_load_cr3(0);
    } else {
        this_cpu()->regs = to->regs;
        cpumask_add(&to->domain->dirty_cpus, cpu_id());
        if (!to->pv.kernel_mode && to->pv.user_l4.number == 0) {
            finding("vCPU %u runs in user mode without a table", to->id);
        }
        tlb_load_cr3(to->pv.kernel_mode ? to->pv.kernel_cr3 : to->pv.user_cr3);
        if (to->pv.nmi_pending) {
            softirq_raise(SOFTIRQ_GUEST);
        }
    }
    if (!from->is_idle && from->domain != to->domain) {
        cpumask_remove(&from->domain->dirty_cpus, cpu_id());
    }
}

/*
 * Idle CPUs here have all the time of the world: if they always cleared what is free,
 * nobody else would have to.
 */
static bool idle_clears;

bool __real_heap_scrub_some(void);
bool __wrap_heap_scrub_some(void);
bool __wrap_heap_scrub_some(void)
{
    return idle_clears && __real_heap_scrub_some();
}

void machine_idle_clears(bool clears)
{
    idle_clears = clears;
}

/* ---- devices: none answers -------------------------------------------------------------- */

static bool no_counter(void)
{
    return false;
}

bool hpet_counter(struct counter *counter)
{
    (void)counter;
    return no_counter();
}

bool pmtimer_counter(struct counter *counter)
{
    (void)counter;
    return no_counter();
}

bool pit_counter(struct counter *counter)
{
    (void)counter;
    return no_counter();
}

void ioapic_configure(struct irq_line *line, bool level, bool active_low)
{
    line->kind = level ? IRQ_LEVEL : IRQ_EDGE;
    line->active_low = active_low;
}

uint32_t ioapic_gsi_of_isa(unsigned int isa_irq)
{
    return isa_irq;
}

uint32_t ioapic_gsi_of_register(uint64_t address, uint32_t reg)
{
    (void)address;
    return reg >= 0x10 && reg < 0x10 + 2 * GSIS ? (reg - 0x10) / 2 : IRQ_NONE;
}

bool ioapic_read_register(uint64_t address, uint32_t reg, uint32_t *value)
{
    *value = 0;
    (void)reg;
    return address == 0xfec00000;
}

void ioapic_mask(uint32_t gsi)
{
    (void)gsi;
}

void ioapic_unmask(uint32_t gsi)
{
    (void)gsi;
}

void ioapic_program(uint32_t gsi, const struct irq_line *line)
{
    (void)gsi;
    (void)line;
}

void console_force(void)
{
}

void console_write_guest(const char *text, size_t size)
{
    (void)text;
    (void)size;
}

size_t console_read_guest(char *text, size_t size)
{
    memset(text, 'x', MIN(size, 3));
    return MIN(size, 3);
}

size_t console_log_read(uint32_t *position, char *text, size_t size)
{
    memset(text, 'x', MIN(size, 3));
    *position += (uint32_t)MIN(size, 3);
    return MIN(size, 3);
}

uint32_t console_log_oldest(void)
{
    return 0;
}

void console_log_clear(void)
{
}

void debug_key(char key)
{
    (void)key;
}

void registers_dump(const struct cpu_regs *regs)
{
    (void)regs;
}

bool symbol_at(uint32_t index, uint64_t *address, const char **name)
{
    *address = CORE_IMAGE;
    *name = "symbol";
    return index < 3;
}

const uint8_t *build_id(size_t *size)
{
    static const uint8_t id[20];

    *size = sizeof(id);
    return id;
}

/* ---- memory ----------------------------------------------------------------------------- */

/* Hardware notes what it used. */
static void mark(uint64_t *entry, uint64_t bits)
{
    *entry |= bits;
}

void *machine_translate(uint64_t cr3, uint64_t address, bool write, bool user, uint32_t *fault)
{
    uint64_t frame = cr3 >> PAGE_SHIFT;
    uint64_t *entry = NULL;

    *fault = (write ? PF_WRITE : 0) | PF_USER;
    if (!address_canonical(address) || !guest_address_ok(address) || frame == 0) {
        return NULL;
    }
    for (unsigned int level = TRANSLATE_MAX; level > 0; level--) {
        if (!frame_is_ram(frame)) {
            finding("the MMU walks through frame %lx, which is no RAM", frame);
        }
        entry = (uint64_t *)direct_map_mfn(mfn(frame)) + pte_index(address, level);
        if ((*entry & PTE_PRESENT) == 0) {
            return NULL;
        }
        if ((write && (*entry & PTE_WRITABLE) == 0) || (user && (*entry & PTE_USER) == 0)) {
            *fault |= PF_PRESENT;
            return NULL;
        }
        if (level > 1 && (*entry & PTE_LARGE) != 0) {
            finding("a large page in a guest's table: %lx", *entry);
        }
        mark(entry, PTE_ACCESSED);
        frame = pte_frame(*entry).number;
    }
    if (!frame_is_ram(frame)) {
        return NULL; /* device memory: not modelled */
    }
    if (write) {
        mark(entry, PTE_DIRTY);
    }
    return (uint8_t *)direct_map_mfn(mfn(frame)) + (address & PAGE_MASK);
}

static size_t move(uint64_t address, void *own, size_t size, bool write, bool user)
{
    uint8_t *bytes = own;

    while (size > 0) {
        size_t part = MIN(size, PAGE_SIZE - (address & PAGE_MASK));
        uint32_t fault;
        void *place = machine_translate(machine[cpu_now].cr3, address, write, user, &fault);

        if (place == NULL) {
            break;
        }
        if (write) {
            waits_written(direct_map_frame(place).number);
            unchanged_written(direct_map_frame(place).number);
        }
        memcpy(write ? place : bytes, write ? bytes : place, part);
        bytes += part;
        address += part;
        size -= part;
    }
    return size;
}

/* Const is taken away only from what is not written to. */
static void *writable_pointer(const void *pointer)
{
    void *result;

    memcpy(&result, &pointer, sizeof(result));
    return result;
}

size_t guest_write(uint64_t address, const void *from, size_t size)
{
    return move(address, writable_pointer(from), size, true, true);
}

size_t guest_read(uint64_t address, void *to, size_t size)
{
    return move(address, to, size, false, true);
}

/* As mm/guest_access.c: the whole range is the guest's. */
static bool range_ok(uint64_t address, size_t size)
{
    return address < CORE_START ? size <= CORE_START - address
                                : address >= CORE_END && size <= 0 - address;
}

size_t raw_copy_from_guest(void *to, const void __guest *from, size_t size)
{
    size_t left = size;

    if (range_ok(guest_address(from), size)) {
        left = move(guest_address(from), to, size, false, false);
        fetch_done(guest_address(from), size - left);
    }
    return left;
}

size_t raw_copy_to_guest(void __guest *to, const void *from, size_t size)
{
    return range_ok(guest_address(to), size)
               ? move(guest_address(to), writable_pointer(from), size, true, false)
               : size;
}

size_t raw_clear_guest(void __guest *to, size_t size)
{
    static uint8_t zeroes[PAGE_SIZE];
    uint64_t address = guest_address(to);

    if (!range_ok(address, size)) {
        return size;
    }
    while (size > 0) {
        size_t part = MIN(size, PAGE_SIZE);
        size_t left = move(address, zeroes, part, true, false);

        size -= part - left;
        address += part;
        if (left != 0) {
            break;
        }
    }
    return size;
}

static mfn_t table_frame(void)
{
    struct page *page = heap_frames(0, HEAP_ANY_ADDRESS);

    return page == NULL ? MFN_INVALID : page_frame(page);
}

#define MEMORY_SIZE (FRAMES * PAGE_SIZE)
#define TABLE_SIZE  ROUND_UP(FRAMES * sizeof(struct page), PAGE_SIZE)
#define M2P_SIZE    ROUND_UP(FRAMES * sizeof(uint64_t), PAGE_SIZE)
#define ALL_SIZE    (MEMORY_SIZE + TABLE_SIZE + M2P_SIZE)

/* All of it, a private view of a file: to forget what was written is to drop the view's pages. */
static uint8_t *map_all(int flags, int file)
{
    void *place = mmap(direct_map_start, ALL_SIZE, PROT_READ | PROT_WRITE, flags, file, 0);

    if (place == MAP_FAILED) {
        perror("mmap");
        abort();
    }
    return place;
}

void machine_setup(void)
{
    direct_map_start = map_all(MAP_PRIVATE | MAP_ANONYMOUS, -1);
    frame_table = (struct page *)(void *)(direct_map_start + MEMORY_SIZE);
    m2p_table = (uint64_t *)(void *)(direct_map_start + MEMORY_SIZE + TABLE_SIZE);
    frame_limit = FRAMES;
    memset(m2p_table, 0xff, M2P_SIZE);
    for (uint64_t i = 0; i < FRAMES; i++) {
        frame_table[i].refs = page_ref_owner_bits(frame_is_ram(i) ? OWNER_NONE : DOMID_IO);
    }
    heap_add(mfn(DEVICE_FRAMES), LOW_END - DEVICE_FRAMES);
    heap_add(mfn(HIGH_START), FRAMES - HIGH_START);
}

void machine_boot(void)
{
    paging_take_frame = table_frame;
    tsc_now = 1;
    for (unsigned int i = 0; i < CPUS; i++) {
        machine_enter(i);
        this_cpu()->id = i;
        cpus[i] = (struct cpu){ .apic_id = i * 2, .acpi_id = i };
        if (i == 0) {
            clock_setup();
        } else {
            clock_setup_cpu();
        }
        timer_setup_cpu();
        cpu_count = i + 1;
        cpumask_add(&cpus_online, i);
        if (!sched_create_idle(i)) {
            abort();
        }
        sched_setup_cpu();
    }
    irq_setup(GSIS);
    cpu_policy_detect(cpuid);
    pv_traps_setup();
    if (!paging_map(M2P_START, mfn(HIGH_START), 1, CORE_RW)) {
        abort();
    }
    machine_enter(0);
}

/*
 * The core's variables lie between those of first.c and last.c, in the order in which
 * the program is linked; with them those of this file and check.c.
 */
extern uint8_t attack_data_start[], attack_data_end[], attack_bss_start[], attack_bss_end[];
extern uint8_t *attack_kept;

/* Not memcpy(): a sanitizer's would object to the gaps between variables. */
static void copy_bytes(void *to, const void *from, size_t size)
{
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

void machine_keep(void)
{
    size_t data = (size_t)(attack_data_end - attack_data_start);
    size_t bss = (size_t)(attack_bss_end - attack_bss_start);
    int file = memfd_create("attack", 0);
    const uint8_t *inside = (const uint8_t *)irq_lines;

    if (inside < attack_bss_start || inside >= attack_bss_end ||
        (const uint8_t *)&cpu_features < attack_data_start ||
        (const uint8_t *)&cpu_features >= attack_data_end) {
        (void)fprintf(stderr, "the core's variables are not between first.c's and last.c's\n");
        abort();
    }
    if (file < 0 || ftruncate(file, (off_t)ALL_SIZE) != 0 ||
        write(file, direct_map_start, ALL_SIZE) != (ssize_t)ALL_SIZE) {
        perror("memfd");
        abort();
    }
    (void)map_all(MAP_PRIVATE | MAP_FIXED, file);
    (void)close(file);
    attack_kept = malloc(data + bss);
    if (attack_kept == NULL) {
        abort();
    }
    copy_bytes(attack_kept, attack_data_start, data);
    copy_bytes(attack_kept + data, attack_bss_start, bss);
}

void machine_restore(void)
{
    size_t data = (size_t)(attack_data_end - attack_data_start);
    size_t bss = (size_t)(attack_bss_end - attack_bss_start);

    copy_bytes(attack_data_start, attack_kept, data);
    copy_bytes(attack_bss_start, attack_kept + data, bss);
    if (madvise(direct_map_start, ALL_SIZE, MADV_DONTNEED) != 0) {
        perror("madvise");
        abort();
    }
}
