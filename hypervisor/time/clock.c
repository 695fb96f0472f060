/* SPDX-License-Identifier: MIT */
/*
 * The clock: system time from the TSC, the date from the CMOS clock.
 *
 * The TSC's rate is measured once, against the best counter the machine has,
 * and is then taken as it is: system time is (tsc - base) scaled, the formula
 * guests use, so theirs and the core's never part.  Where the CPUs' TSCs differ,
 * each has a base of its own (docs/hypervisor/time.md).
 */
#include "hypervisor/time/clock.h"

#include "hypervisor/domain/domain.h"
#include "hypervisor/drivers/counters.h"
#include "hypervisor/lib/cpumask.h"
#include "hypervisor/lib/log.h"
#include "hypervisor/time/vcpu_time.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/percpu.h"

/* Long enough for 50 ppm when a reading takes a microsecond. */
#define CALIBRATION_PARTS_OF_SECOND 50u

/* Who waits longer, 36 years, is asked again after that. */
#define FAR_NS (UINT64_C(1) << 60)

static struct {
    uint64_t hz;
    struct clock_scale to_ns;
    uint64_t whole, fraction; /* ticks in a nanosecond; the latter in 2^-64 */
    uint64_t margin;          /* what these two make is at most so much too little */
    bool warped;              /* some CPU's TSC is not the boot CPU's */
    bool unchecked;           /* some CPU could not be compared */
    bool invariant;           /* CPUID says the rate never changes */
    uint64_t base[CPU_LIMIT];
} tsc;

/* The wall clock: ns since 1970 at system time 0. */
static _Atomic uint64_t wall_ns;

/* ---- arithmetic --------------------------------------------------------------------------- */

static struct clock_scale scale_of(uint64_t hz)
{
    uint64_t quotient = NANOSECONDS / hz;
    uint64_t rest = NANOSECONDS % hz;
    int shift = 32;

    /* 32 significant bits of it, rounded down. */
    while (quotient < UINT64_C(1) << 31) {
        rest *= 2;
        quotient = quotient * 2 + (rest >= hz);
        rest -= rest >= hz ? hz : 0;
        shift--;
    }
    return (struct clock_scale){ .mul = (uint32_t)quotient, .shift = (int8_t)shift };
}

static uint64_t scale_apply(struct clock_scale scale, uint64_t ticks)
{
    uint64_t shifted = scale.shift < 0 ? ticks >> -scale.shift : ticks << scale.shift;

    return (uint64_t)(((unsigned __int128)shifted * scale.mul) >> 32);
}

static void set_rate(uint64_t hz)
{
    uint64_t power, rest;

    tsc.hz = hz;
    tsc.to_ns = scale_of(hz);
    /* Ticks in a nanosecond: the inverse of the scale, not of the rate itself. */
    power = UINT64_C(1) << (32 - tsc.to_ns.shift);
    tsc.whole = power / tsc.to_ns.mul;
    rest = (power % tsc.to_ns.mul) << 32;
    tsc.fraction = rest / tsc.to_ns.mul << 32 | (rest % tsc.to_ns.mul << 32) / tsc.to_ns.mul;
    /* What rounding loses here, and shifting to the right on the way back. */
    tsc.margin = 2 + (tsc.to_ns.shift < 0 ? UINT64_C(1) << -tsc.to_ns.shift : 0);
}

static uint64_t ticks_of(uint64_t ns)
{
    ns = MIN(ns, FAR_NS);
    return ns * tsc.whole + (uint64_t)(((unsigned __int128)ns * tsc.fraction) >> 64) + tsc.margin;
}

uint64_t clock_now(void)
{
    return scale_apply(tsc.to_ns, read_tsc() - tsc.base[cpu_id()]);
}

uint64_t clock_tsc_of(uint64_t system_ns)
{
    return tsc.base[cpu_id()] + ticks_of(system_ns);
}

uint64_t clock_tsc_hz(void)
{
    return tsc.hz;
}

struct clock_scale clock_scale(void)
{
    return tsc.to_ns;
}

uint64_t clock_tsc_base(void)
{
    return tsc.base[cpu_id()];
}

bool clock_tsc_stable(void)
{
    return !tsc.warped && (tsc.invariant || !tsc.unchecked);
}

void clock_delay_us(uint64_t microseconds)
{
    /* Before the rate is known: that of no CPU yet, so rather too long. */
    uint64_t hz = tsc.hz != 0 ? tsc.hz : UINT64_C(6000000000);
    uint64_t start = read_tsc();

    while (read_tsc() - start < microseconds * (hz / 1000000 + 1)) {
        cpu_pause();
    }
}

/* ---- calibration -------------------------------------------------------------------------- */

struct reading {
    uint64_t reference, tsc;
};

/* Both counters at one instant: of several tries the one that took the shortest time. */
static struct reading read_both(const struct counter *counter)
{
    struct reading best = { 0, 0 };
    uint64_t shortest = UINT64_MAX;

    for (unsigned int i = 0; i < 8; i++) {
        uint64_t before = read_tsc_ordered();
        uint64_t count = counter->read();
        uint64_t after = read_tsc_ordered();

        if (after - before < shortest) {
            shortest = after - before;
            best = (struct reading){ count, before + shortest / 2 };
        }
    }
    return best;
}

/* The TSC's rate by that counter; 0 if the counter stands still. */
static uint64_t measure(const struct counter *counter)
{
    uint64_t wanted = counter->hz / CALIBRATION_PARTS_OF_SECOND;
    struct reading start = read_both(counter);
    struct reading end;
    uint64_t passed = 0, last = 0;
    unsigned int still = 0;

    while (passed < wanted) {
        cpu_pause();
        passed = (counter->read() - start.reference) & counter->mask;
        /* One that stands still is none: no device answers so often within a tick. */
        still = passed == last ? still + 1 : 0;
        last = passed;
        if (still > 100000) {
            return 0;
        }
    }
    end = read_both(counter);
    passed = (end.reference - start.reference) & counter->mask;
    if (end.tsc - start.tsc > UINT64_MAX / counter->hz) {
        return 0; /* the machine stood still for minutes */
    }
    return (end.tsc - start.tsc) * counter->hz / passed;
}

/* The rate CPUID names, where it does: 0 if not.  SDM volume 2A, CPUID leaf 15h. */
static uint64_t rate_by_cpuid(void)
{
    struct cpuid_regs ratio;

    if (cpuid(0, 0).eax < 0x15) {
        return 0;
    }
    ratio = cpuid(0x15, 0);
    return ratio.eax == 0 ? 0 : (uint64_t)ratio.ecx * ratio.ebx / ratio.eax;
}

static uint64_t calibrate(const char **by)
{
    static const struct {
        const char *name;
        bool (*find)(struct counter *counter);
    } counters[] = { { "HPET", hpet_counter },
                     { "PM timer", pmtimer_counter },
                     { "PIT", pit_counter } };
    struct counter counter;

    for (unsigned int i = 0; i < ARRAY_SIZE(counters); i++) {
        uint64_t hz = counters[i].find(&counter) ? measure(&counter) : 0;

        if (hz != 0) {
            *by = counters[i].name;
            return hz;
        }
    }
    *by = "CPUID";
    return rate_by_cpuid();
}

/* ---- the date ----------------------------------------------------------------------------- */

/* The CMOS clock's registers as they are; `control` is register B. */
struct cmos_time {
    uint8_t second, minute, hour, day, month, year, control;
};

static uint8_t cmos_read(uint8_t index)
{
    out8(0x70, index);
    return in8(0x71);
}

static void cmos_read_all(struct cmos_time *time)
{
    /* Bit 7 of register A: the registers are being updated, for up to 2 ms. */
    for (unsigned int i = 0; i < 10000 && (cmos_read(0x0a) & 0x80) != 0; i++) {
        cpu_pause();
    }
    time->second = cmos_read(0x00);
    time->minute = cmos_read(0x02);
    time->hour = cmos_read(0x04);
    time->day = cmos_read(0x07);
    time->month = cmos_read(0x08);
    time->year = cmos_read(0x09);
    time->control = cmos_read(0x0b);
}

static unsigned int from_bcd(unsigned int value)
{
    return (value >> 4) * 10 + (value & 15);
}

static uint64_t seconds_of_date(unsigned int year, unsigned int month, unsigned int day)
{
    /* Years that begin in March end with the leap day. */
    uint64_t y = month > 2 ? year : year - 1;
    uint64_t m = month > 2 ? month - 3 : month + 9;
    uint64_t days = y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1;

    return (days - 719468) * 86400; /* from 1 March of the year 0 to 1970 */
}

/* Since 1970; 0 if it is no time. */
static uint64_t seconds_of_cmos(struct cmos_time time)
{
    bool binary = (time.control & 0x04) != 0;
    bool afternoon = (time.control & 0x02) == 0 && (time.hour & 0x80) != 0;
    unsigned int second = binary ? time.second : from_bcd(time.second);
    unsigned int minute = binary ? time.minute : from_bcd(time.minute);
    unsigned int hour = binary ? time.hour & 0x7fu : from_bcd(time.hour & 0x7fu);
    unsigned int day = binary ? time.day : from_bcd(time.day);
    unsigned int month = binary ? time.month : from_bcd(time.month);
    unsigned int year = binary ? time.year : from_bcd(time.year);

    if ((time.control & 0x02) == 0) {
        hour = hour % 12 + (afternoon ? 12 : 0);
    }
    if (second > 60 || minute > 59 || hour > 23 || day < 1 || day > 31 || month < 1 || month > 12 ||
        year > 99) {
        return 0;
    }
    return seconds_of_date(2000 + year, month, day) + hour * UINT64_C(3600) +
           minute * UINT64_C(60) + second;
}

static uint64_t cmos_seconds(void)
{
    struct cmos_time first, second;

    /* Twice the same: not read across a change. */
    cmos_read_all(&second);
    for (unsigned int i = 0; i < 4; i++) {
        first = second;
        cmos_read_all(&second);
        if (first.second == second.second && first.minute == second.minute &&
            first.hour == second.hour) {
            break;
        }
    }
    return seconds_of_cmos(second);
}

void clock_wall_get(uint64_t *seconds, uint32_t *nanoseconds)
{
    uint64_t at_boot = atomic_load(&wall_ns);

    *seconds = at_boot / NANOSECONDS;
    *nanoseconds = (uint32_t)(at_boot % NANOSECONDS);
}

void clock_wall_set(uint64_t seconds, uint32_t nanoseconds, uint64_t system_ns)
{
    atomic_store(&wall_ns, seconds * NANOSECONDS + nanoseconds - system_ns);
    domain_for_each(domain_wall_clock_publish);
}

/* ---- boot, and the other CPUs --------------------------------------------------------------- */

void clock_setup(void)
{
    const char *by;
    uint64_t hz = calibrate(&by);

    if (hz == 0) {
        by = "a guess";
        hz = NANOSECONDS;
        log_error("clock: no counter to measure the TSC with; time will be wrong\n");
    }
    set_rate(hz);
    tsc.base[0] = read_tsc();
    tsc.invariant =
        cpuid(0x80000000, 0).eax >= 0x80000007 && (cpuid(0x80000007, 0).edx & 0x100) != 0;
    wall_ns = cmos_seconds() * NANOSECONDS;
    log_info("clock: TSC %lu.%03lu MHz by %s%s\n", hz / 1000000, hz / 1000 % 1000, by,
             tsc.invariant ? ", invariant" : "");
}

/*
 * Comparing a CPU with the boot CPU: the boot CPU asks with a number, the other
 * answers with its TSC, which must lie between two readings of the boot CPU's.
 */
#define ROUNDS      64u
#define ROUNDS_DONE UINT32_MAX
#define TAKEN       0x80000000u

static struct {
    _Atomic uint32_t caller; /* CPU that wants to be compared; with TAKEN: do not touch; 0: none */
    _Atomic uint32_t asked, answered;
    _Atomic uint64_t tsc;
} meeting;

void clock_setup_cpu(void)
{
    unsigned int cpu = cpu_id();
    uint32_t nobody = 0, asked = 0;
    uint64_t start;

    tsc.base[cpu] = tsc.base[0];
    while (!atomic_compare_exchange_strong(&meeting.caller, &nobody, cpu | TAKEN)) {
        nobody = 0;
        cpu_pause();
    }
    atomic_store(&meeting.asked, 0);
    atomic_store(&meeting.answered, 0);
    atomic_store(&meeting.caller, cpu);
    start = read_tsc();
    while (asked != ROUNDS_DONE) {
        uint32_t last = asked;
        uint32_t me = cpu;

        asked = atomic_load(&meeting.asked);
        if (asked != last && asked != ROUNDS_DONE) {
            atomic_store(&meeting.tsc, read_tsc_ordered());
            atomic_store(&meeting.answered, asked);
        }
        if (asked == 0 && read_tsc() - start > tsc.hz / 20 &&
            atomic_compare_exchange_strong(&meeting.caller, &me, 0)) {
            tsc.unchecked = true;
            return;
        }
        cpu_pause();
    }
    atomic_store(&meeting.caller, 0);
}

struct comparison {
    uint64_t shortest; /* exchange so far */
    int64_t offset;    /* as that one tells it */
    bool warped;       /* some reading was out of order */
};

/* One more reading `there` of another CPU's TSC, taken between two of ours. */
static void compare_one(struct comparison *so_far, uint64_t before, uint64_t there, uint64_t after)
{
    if ((int64_t)(there - before) < 0 || (int64_t)(after - there) < 0) {
        so_far->warped = true;
    }
    if (after - before <= so_far->shortest) {
        so_far->shortest = after - before;
        so_far->offset = (int64_t)(there - before - so_far->shortest / 2);
    }
}

/* Ask the other CPU ROUNDS times, or for 2 ms. */
static struct comparison compare(void)
{
    struct comparison result = { .shortest = UINT64_MAX };
    uint64_t end = read_tsc() + tsc.hz / 500;

    for (uint32_t round = 1; round <= ROUNDS; round++) {
        uint64_t before = read_tsc_ordered();
        uint64_t after;

        atomic_store(&meeting.asked, round);
        while (atomic_load(&meeting.answered) != round) {
            cpu_pause();
        }
        after = read_tsc_ordered();
        compare_one(&result, before, atomic_load(&meeting.tsc), after);
        if (after > end && round >= 4) {
            break;
        }
    }
    return result;
}

void clock_serve_cpu(void)
{
    uint32_t cpu = atomic_load(&meeting.caller);
    struct comparison result;

    if (cpu == 0 || (cpu & TAKEN) != 0 ||
        !atomic_compare_exchange_strong(&meeting.caller, &cpu, cpu | TAKEN)) {
        return;
    }
    result = compare();
    if (result.warped) {
        tsc.warped = true;
        tsc.base[cpu] = tsc.base[0] + (uint64_t)result.offset;
        log_warning("clock: CPU %u's TSC is %ld ticks off; guests are not told it is stable\n", cpu,
                    (long)result.offset);
    }
    atomic_store(&meeting.asked, ROUNDS_DONE);
}
