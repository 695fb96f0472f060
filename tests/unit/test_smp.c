/* SPDX-License-Identifier: MIT */
/*
 * hypervisor/x86/smp.c: which CPUs are started, which are left out, and that all stop.
 * The file is included here.  A CPU of the test answers to an INIT and a start-up IPI
 * by running smp_cpu_main() while the boot CPU waits for it.
 */
#include <check.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wredundant-decls" /* lib/string.h, beside the library's */

/* HLT for good is a jump back to whoever let the CPU run. */
#define cpu_halt_forever real_cpu_halt_forever
#include "hypervisor/x86/cpu.h"
#undef cpu_halt_forever

static void cpu_halt_forever(void);

#include "hypervisor/x86/smp.c"
#include "tests/fake/fake.h"
#include "tests/unit/suite.h"

#define START_FRAME 5u
#define NEVER       UINT32_MAX

/* What a CPU of the machine is like and what was sent to it, by APIC id. */
static struct machine_cpu {
    unsigned int delays; /* of the boot CPU, until it is there; NEVER */
    unsigned int startups_wanted;
    unsigned int inits, startups, stops;
    bool running, deaf; /* deaf: does not stop when told */
} machine[CPU_LIMIT + 1];

static struct cpu_info infos[CPU_LIMIT];
static unsigned int me, delays, halts, created_cpus, created_idles, fail_create;
static unsigned int messages, last_page;
static jmp_buf left;
static char said[4096];

pte_t core_l4[PTE_ENTRIES];
uint64_t smp_trampoline_frame, ap_cr3, ap_stack;
struct acpi_info acpi;

/* The start-up code  of boot/start.S, as far as it is looked at. */
__asm__(".pushsection .rodata\n"
        ".globl trampoline, trampoline_end\n"
        "trampoline: .ascii \"start-up code\"\n"
        "trampoline_end:\n"
        ".popsection\n");

struct cpu_info *this_cpu(void)
{
    return &infos[me];
}

struct cpu_info *cpu_info_of(unsigned int cpu)
{
    return &infos[cpu];
}

void log_print(enum log_level level, const char *format, ...)
{
    size_t length = strlen(said);
    va_list arguments;

    (void)level;
    va_start(arguments, format);
    vsnprintf(said + length, sizeof(said) - length, format, arguments);
    va_end(arguments);
}

void panic(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(said, sizeof(said), format, arguments);
    va_end(arguments);
    longjmp(left, 1);
}

bool descriptors_create_cpu(unsigned int cpu)
{
    (void)cpu;
    created_cpus++;
    return fail_create != 1;
}

bool sched_create_idle(unsigned int cpu)
{
    (void)cpu;
    created_idles++;
    return fail_create != 2;
}

/* What a CPU sets up for itself before it is online. */
static unsigned int set_up[CPU_LIMIT];

void features_enable(void)
{
    set_up[me] |= 1;
}

void descriptors_load(void)
{
    set_up[me] |= 2;
}

void apic_setup_cpu(void)
{
    set_up[me] |= 4;
}

void clock_setup_cpu(void)
{
    set_up[me] |= 8;
}

void timer_setup_cpu(void)
{
    set_up[me] |= 16;
}

void sched_setup_cpu(void)
{
    set_up[me] |= 32;
    ck_assert(!cpumask_has(&cpus_online, me));
}

void clock_serve_cpu(void)
{
}

/* A started CPU leaves the test's hands here ... */
void cpu_idle(struct cpu_info *info)
{
    ck_assert_ptr_eq(info, &infos[me]);
    longjmp(left, 1);
}

/* ... or here. */
static void cpu_halt_forever(void)
{
    halts++;
    longjmp(left, 2);
}

/* Run as another CPU until it idles or halts. */
static void run_as(unsigned int cpu, void (*code)(void))
{
    unsigned int before = me;

    me = cpu;
    if (setjmp(left) == 0) {
        code();
    }
    me = before;
}

static struct machine_cpu *of_apic(uint32_t apic_id)
{
    ck_assert_uint_lt(apic_id, ARRAY_SIZE(machine));
    return &machine[apic_id];
}

/* The CPU that is being started: the number it will have and its APIC id. */
static uint32_t starting_apic;

void apic_send(uint32_t target_id, uint32_t message)
{
    struct machine_cpu *cpu = of_apic(target_id);

    messages++;
    if (message == APIC_INIT) {
        cpu->inits++;
        cpu->startups = 0;
        starting_apic = target_id;
        delays = 0;
        cpu->running = false;
    } else if ((message & ~0xffu) == APIC_STARTUP) {
        ck_assert_uint_gt(cpu->inits, 0);
        cpu->startups++;
        last_page = message & 0xff;
        delays = 0;
    } else {
        ck_assert_uint_eq(message, VECTOR_STOP);
        cpu->stops++;
    }
}

/* Time goes by on the boot CPU only here. */
void clock_delay_us(uint64_t microseconds)
{
    struct machine_cpu *cpu = of_apic(starting_apic);

    ck_assert_uint_ge(microseconds, cpu->startups == 0 ? 10000 : 1); /* INIT wants 10 ms */
    delays++;
    if (!cpu->running && cpu->startups >= MAX(cpu->startups_wanted, 1) && delays >= cpu->delays) {
        cpu->running = true;
        ck_assert_uint_lt(cpu_count, CPU_LIMIT);
        ck_assert_uint_eq(ap_stack, (uint64_t)&infos[cpu_count]);
        run_as(cpu_count, smp_cpu_main);
    }
}

/* The boot CPU is APIC id 0, and first, unless a test says otherwise. */
static void setup(void)
{
    fake_reset();
    for (unsigned int i = 0; i < CPU_LIMIT; i++) {
        infos[i].id = i;
    }
    smp_trampoline_frame = START_FRAME;
    cpu_count = 1;
    cpumask_add(&cpus_online, 0);
}

static void machine_has(unsigned int count)
{
    for (unsigned int i = 0; i < count; i++) {
        acpi.cpus[i] = (struct acpi_cpu){ .apic_id = i, .acpi_id = 100 + i };
    }
    acpi.cpu_count = count;
}

static unsigned int online(void)
{
    unsigned int count = 0, cpu;

    FOR_EACH_CPU(cpu, &cpus_online)
    {
        ck_assert_uint_eq(cpu, count); /* dense */
        count++;
    }
    return count;
}

START_TEST(all_cpus_start_in_the_table_s_order)
{
    machine_has(CPU_LIMIT);
    smp_start(CPU_LIMIT);
    ck_assert_uint_eq(cpu_count, CPU_LIMIT);
    ck_assert_uint_eq(online(), CPU_LIMIT);
    ck_assert_uint_eq(machine[0].inits + machine[0].startups, 0);
    for (unsigned int i = 1; i < CPU_LIMIT; i++) {
        ck_assert_uint_eq(cpus[i].apic_id, i);
        ck_assert_uint_eq(cpus[i].acpi_id, 100 + i);
        ck_assert_uint_eq(machine[i].inits, 1);
        ck_assert_uint_eq(machine[i].startups, 1);
        ck_assert_uint_eq(set_up[i], 63);
    }
    ck_assert_uint_eq(last_page, START_FRAME);
    ck_assert_mem_eq(direct_map_mfn(mfn(START_FRAME)), "start-up code", 13);
    ck_assert_ptr_nonnull(strstr(said, "256 CPUs running"));
}
END_TEST

START_TEST(the_boot_cpu_may_stand_anywhere_in_the_table)
{
    machine_has(3);
    cpus[0].apic_id = 2;
    smp_start(CPU_LIMIT);
    ck_assert_uint_eq(cpu_count, 3);
    ck_assert_uint_eq(cpus[1].apic_id, 0);
    ck_assert_uint_eq(cpus[2].apic_id, 1);
    ck_assert_uint_eq(machine[2].inits, 0);
}
END_TEST

START_TEST(no_more_start_than_the_limit)
{
    machine_has(8);
    smp_start(1);
    ck_assert_uint_eq(cpu_count, 1);
    ck_assert_uint_eq(messages, 0);
    ck_assert_ptr_nonnull(strstr(said, "1 CPU running"));
    smp_start(3);
    ck_assert_uint_eq(cpu_count, 3);
    ck_assert_uint_eq(online(), 3);
    ck_assert_uint_eq(machine[3].inits, 0);
}
END_TEST

START_TEST(a_cpu_that_does_not_answer_is_named_and_left_out)
{
    machine_has(4);
    acpi.cpus[1].apic_id = 200; /* made up */
    machine[200].delays = NEVER;
    smp_start(CPU_LIMIT);
    ck_assert_uint_eq(cpu_count, 3);
    ck_assert_uint_eq(online(), 3);
    ck_assert_ptr_nonnull(strstr(said, "CPU 1 (APIC id 200) does not start; left out"));
    /* Twice asked, and then told to stay where it is. */
    ck_assert_uint_eq(machine[200].inits, 2);
    ck_assert_uint_eq(machine[200].startups, 0);
    /* The next one has its number, its stack and its idle vCPU. */
    ck_assert_uint_eq(cpus[1].apic_id, 2);
    ck_assert_uint_eq(cpus[1].acpi_id, 102);
    ck_assert_uint_eq(cpus[2].apic_id, 3);
    ck_assert_uint_eq(created_cpus, 2);
    ck_assert_uint_eq(created_idles, 2);
}
END_TEST

START_TEST(the_last_ones_may_be_those_that_do_not_answer)
{
    machine_has(3);
    machine[1].delays = NEVER;
    machine[2].delays = NEVER;
    smp_start(CPU_LIMIT);
    ck_assert_uint_eq(cpu_count, 1);
    ck_assert_uint_eq(online(), 1);
    ck_assert_uint_eq(created_cpus, 1);
    ck_assert_ptr_nonnull(strstr(said, "CPU 1 (APIC id 2) does not start"));
}
END_TEST

START_TEST(a_cpu_may_be_slow_or_want_to_be_asked_twice)
{
    machine_has(3);
    machine[1].delays = 1999;
    machine[2].startups_wanted = 2;
    smp_start(CPU_LIMIT);
    ck_assert_uint_eq(cpu_count, 3);
    ck_assert_uint_eq(machine[1].startups, 1);
    ck_assert_uint_eq(machine[2].startups, 2);
    ck_assert_uint_eq(machine[2].inits, 1);
}
END_TEST

START_TEST(without_a_page_below_1_mib_no_other_cpu_starts)
{
    machine_has(4);
    smp_trampoline_frame = 0;
    smp_start(CPU_LIMIT);
    ck_assert_uint_eq(cpu_count, 1);
    ck_assert_uint_eq(messages, 0);
    ck_assert_ptr_nonnull(strstr(said, "no free page below 1 MiB"));
}
END_TEST

START_TEST(without_memory_for_a_cpu_the_core_says_so)
{
    machine_has(2);
    fail_create = (unsigned int)_i;
    if (setjmp(left) == 0) {
        smp_start(CPU_LIMIT);
        ck_abort_msg("no panic");
    }
    ck_assert_str_eq(said, "no memory to start CPU 1");
    ck_assert_uint_eq(messages, 0);
}
END_TEST

/* ---- stopping ------------------------------------------------------------------------------- */

/* The others look whether they are told to stop while this one waits. */
void spin_wait(void)
{
    unsigned int cpu;

    if (++fake.spins > 10) {
        return;
    }
    FOR_EACH_CPU(cpu, &cpus_online)
    {
        if (cpu != me && machine[cpu].stops > 0 && !machine[cpu].deaf) {
            run_as(cpu, smp_stop_if_told);
        }
    }
}

static void start(unsigned int count)
{
    machine_has(count);
    smp_start(CPU_LIMIT);
    ck_assert_uint_eq(online(), count);
}

START_TEST(whoever_stops_the_others_goes_on_alone)
{
    start(8);
    me = (unsigned int)_i;
    smp_stop_others();
    ck_assert_uint_eq(halts, 7);
    for (unsigned int cpu = 0; cpu < 8; cpu++) {
        ck_assert_uint_eq(machine[cpu].stops, cpu != me);
        ck_assert_int_eq(cpumask_has(&cpus_online, cpu), cpu == me);
    }
    smp_stop_if_told(); /* not itself */
    ck_assert_uint_eq(fake.spins, 1);
}
END_TEST

START_TEST(a_cpu_that_does_not_stop_is_waited_for_a_while)
{
    start(4);
    machine[2].deaf = true;
    smp_stop_others();
    ck_assert_uint_eq(halts, 2);
    ck_assert_uint_gt(fake.spins, 1000);
    ck_assert(cpumask_has(&cpus_online, 2));
}
END_TEST

START_TEST(of_two_that_stop_the_others_one_goes_on)
{
    start(3);
    machine[0].deaf = true; /* it is about to do the same */
    me = 1;
    smp_stop_others();
    ck_assert_uint_eq(halts, 1);
    run_as(0, smp_stop_others);
    ck_assert_uint_eq(halts, 2);
    ck_assert_uint_eq(machine[1].stops, 0);
    ck_assert(cpumask_has(&cpus_online, 1) && !cpumask_has(&cpus_online, 0));
}
END_TEST

START_TEST(nobody_stops_unless_told)
{
    start(2);
    run_as(1, smp_stop_if_told);
    ck_assert_uint_eq(halts, 0);
    ck_assert_uint_eq(online(), 2);
    cpu_send(1, VECTOR_STOP);
    ck_assert_uint_eq(machine[1].stops, 1);
    ck_assert_uint_eq(machine[0].stops, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("smp");
    TCase *starting_up = suite_case(suite, "starting"), *stopping = suite_case(suite, "stopping");

    tcase_add_checked_fixture(starting_up, setup, NULL);
    tcase_add_test(starting_up, all_cpus_start_in_the_table_s_order);
    tcase_add_test(starting_up, the_boot_cpu_may_stand_anywhere_in_the_table);
    tcase_add_test(starting_up, no_more_start_than_the_limit);
    tcase_add_test(starting_up, a_cpu_that_does_not_answer_is_named_and_left_out);
    tcase_add_test(starting_up, the_last_ones_may_be_those_that_do_not_answer);
    tcase_add_test(starting_up, a_cpu_may_be_slow_or_want_to_be_asked_twice);
    tcase_add_test(starting_up, without_a_page_below_1_mib_no_other_cpu_starts);
    tcase_add_loop_test(starting_up, without_memory_for_a_cpu_the_core_says_so, 1, 3);
    tcase_add_checked_fixture(stopping, setup, NULL);
    tcase_add_loop_test(stopping, whoever_stops_the_others_goes_on_alone, 0, 8);
    tcase_add_test(stopping, a_cpu_that_does_not_stop_is_waited_for_a_while);
    tcase_add_test(stopping, of_two_that_stop_the_others_one_goes_on);
    tcase_add_test(stopping, nobody_stops_unless_told);
    return suite_run(suite);
}
