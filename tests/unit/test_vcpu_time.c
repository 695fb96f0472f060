/* SPDX-License-Identifier: MIT */
/*
 * What a guest sees of time: runstate, clock pages, timers, the wall clock; and
 * vcpu_op, through which it asks.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "guest-pv-headers/errno.h"
#include "hypervisor/domain/vcpu_info.h"
#include "hypervisor/event/event.h"
#include "hypervisor/mm/page_type.h"
#include "hypervisor/pv/context.h"
#include "hypervisor/pv/traps.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/time/clock.h"
#include "hypervisor/time/timer.h"
#include "hypervisor/time/vcpu_time.h"
#include "hypervisor/x86/apic.h"
#include "hypervisor/x86/percpu.h"
#include "hypervisor/x86/smp.h"
#include "hypervisor/x86/tlb.h"
#include "tests/fake/fake.h"
#include "tests/unit/suite.h"

#define MS UINT64_C(1000000)

static void (*expire)(void);
static struct domain *domain;
static struct vcpu *vcpu, *other;
static uint64_t base[2];
static bool stable;
static uint64_t loaded_cr3[4];
static unsigned int cr3_loads;
static uint64_t wall_seconds;
static uint32_t wall_nanoseconds;
static unsigned int pinned_to;
static int initialise_result;
static unsigned int infos_moved;

/* ---- the neighbours ------------------------------------------------------------------------- */

void softirq_register(enum softirq which, void (*handler)(void))
{
    ck_assert_int_eq(which, SOFTIRQ_TIMER);
    expire = handler;
}

void apic_timer_set(uint64_t tsc_deadline)
{
    (void)tsc_deadline;
}

struct clock_scale clock_scale(void)
{
    return (struct clock_scale){ .mul = 0x80000000, .shift = 1 };
}

uint64_t clock_tsc_base(void)
{
    return base[cpu_id()];
}

bool clock_tsc_stable(void)
{
    return stable;
}

void clock_wall_get(uint64_t *seconds, uint32_t *nanoseconds)
{
    *seconds = wall_seconds;
    *nanoseconds = wall_nanoseconds;
}

void tlb_load_cr3(uint64_t cr3)
{
    loaded_cr3[cr3_loads++ % ARRAY_SIZE(loaded_cr3)] = cr3;
    /* Only the kernel's tables map the areas. */
    fake_answers.write_fault_size = cr3 == vcpu->pv.user_cr3 ? 4096 : 0;
}

unsigned int sched_pinned_cpu(const struct vcpu *of)
{
    (void)of;
    return pinned_to;
}

int pv_vcpu_initialise(struct vcpu *of, const struct vcpu_guest_context *context)
{
    ck_assert_uint_eq(context->ctrlreg[3], 0x5000);
    of->initialised = initialise_result == 0;
    return initialise_result;
}

void pv_send_nmi(struct vcpu *to)
{
    to->pv.nmi_pending = true;
}

void events_vcpu_info_moved(struct vcpu *of)
{
    (void)of;
    infos_moved++;
}

static void pass(uint64_t ns)
{
    fake_now += ns;
    expire();
}

static void setup(void)
{
    fake_reset();
    fake_now = 1000 * MS;
    base[0] = 777;
    base[1] = 777;
    stable = true;
    cr3_loads = 0;
    pinned_to = CPU_LIMIT;
    timer_setup_cpu();
    domain = fake_domain_new(1, 40, true);
    vcpu = domain->vcpu[0];
    other = domain->vcpu[1];
    for (uint32_t i = 0; i < 40; i++) {
        fake_cpu_use(0, domain->vcpu[i]);
        ck_assert_int_eq(vcpu_time_create(domain->vcpu[i]), 0);
    }
    other->blocked = VCPU_DOWN;
    other->initialised = false;
    fake_set_current(vcpu);
    vcpu->first_info = vcpu->info;
    vcpu->pv.kernel_mode = true;
    vcpu->pv.kernel_cr3 = 0x5000;
    vcpu->pv.user_cr3 = 0x6000;
    vcpu->running = true;
    vcpu_time_stop_periodic(vcpu);
}

static void teardown(void)
{
    for (uint32_t i = 0; i < 40; i++) {
        vcpu_time_destroy(domain->vcpu[i]);
    }
    ck_assert_int_eq(fake_heap_live, 0);
}

static long op(unsigned int command, unsigned int id, const void *argument)
{
    return hypercall_vcpu_op(command, id, (uint64_t)argument);
}

/* ---- runstate ------------------------------------------------------------------------------- */

START_TEST(the_times_of_all_states_add_up_to_life)
{
    static const int walk[] = { RUNSTATE_runnable, RUNSTATE_running, RUNSTATE_blocked,
                                RUNSTATE_runnable, RUNSTATE_running, RUNSTATE_offline };
    uint64_t born = fake_now;
    struct vcpu_runstate_info info;

    for (unsigned int i = 0; i < ARRAY_SIZE(walk); i++) {
        fake_now += (i + 1) * MS;
        vcpu_time_runstate(vcpu, walk[i], fake_now);
    }
    fake_now += 10 * MS;
    ck_assert_int_eq(op(VCPUOP_get_runstate_info, 0, &info), 0);
    ck_assert_int_eq(info.state, RUNSTATE_offline);
    ck_assert_uint_eq(info.state_entry_time, fake_now - 10 * MS);
    ck_assert_uint_eq(info.time[RUNSTATE_offline], 11 * MS);
    ck_assert_uint_eq(info.time[RUNSTATE_runnable], (2 + 5) * MS);
    ck_assert_uint_eq(info.time[RUNSTATE_running], (3 + 6) * MS);
    ck_assert_uint_eq(info.time[RUNSTATE_blocked], 4 * MS);
    ck_assert_uint_eq(info.time[0] + info.time[1] + info.time[2] + info.time[3], fake_now - born);
}
END_TEST

START_TEST(a_clock_that_is_behind_takes_no_time_away)
{
    struct vcpu_runstate_info info;

    vcpu_time_runstate(vcpu, RUNSTATE_running, fake_now + MS);
    vcpu_time_runstate(vcpu, RUNSTATE_blocked, fake_now);
    ck_assert_int_eq(op(VCPUOP_get_runstate_info, 0, &info), 0);
    ck_assert_int_eq(info.state, RUNSTATE_blocked);
    ck_assert_uint_eq(info.time[RUNSTATE_running], 0);
    ck_assert_uint_eq(info.time[RUNSTATE_offline], MS);
}
END_TEST

static long register_runstate(unsigned int id, const void *area)
{
    struct vcpu_register_runstate_memory_area request = { .addr.p = (uint64_t)area };

    return op(VCPUOP_register_runstate_memory_area, id, &request);
}

START_TEST(the_runstate_area_is_written_when_registered_and_when_loaded)
{
    struct vcpu_runstate_info area = { 0 };

    vcpu_time_runstate(vcpu, RUNSTATE_running, fake_now);
    ck_assert_int_eq(register_runstate(0, &area), 0);
    ck_assert_int_eq(area.state, RUNSTATE_running);
    ck_assert_uint_eq(area.state_entry_time, fake_now);
    fake_now += MS;
    vcpu_time_runstate(vcpu, RUNSTATE_blocked, fake_now);
    fake_now += MS;
    vcpu_time_runstate(vcpu, RUNSTATE_running, fake_now);
    ck_assert_uint_eq(area.time[RUNSTATE_blocked], 0);
    vcpu_time_loaded(vcpu);
    ck_assert_uint_eq(area.time[RUNSTATE_blocked], MS);
    ck_assert_uint_eq(area.time[RUNSTATE_running], MS);
    ck_assert_uint_eq(area.state_entry_time, fake_now);
    ck_assert_int_eq(register_runstate(0, NULL), 0);
    memset(&area, 0xee, sizeof(area));
    vcpu_time_loaded(vcpu);
    ck_assert_int_eq(area.state, (int32_t)0xeeeeeeee);
    ck_assert_uint_eq(cr3_loads, 0);
}
END_TEST

START_TEST(with_the_assist_the_update_is_announced_and_finished)
{
    struct vcpu_runstate_info area = { 0 };

    domain->vm_assist = UINT64_C(1) << VMASST_TYPE_runstate_update_flag;
    vcpu_time_runstate(vcpu, RUNSTATE_running, fake_now);
    ck_assert_int_eq(register_runstate(0, &area), 0);
    ck_assert_uint_eq(area.state_entry_time, fake_now);
    ck_assert_int_eq(area.state, RUNSTATE_running);
    /* The entry time can be written, the rest cannot: readers see an update going on. */
    fake_answers.write_fault_start = &area.time[1];
    fake_answers.write_fault_size = 8;
    vcpu_time_loaded(vcpu);
    ck_assert_uint_eq(area.state_entry_time, fake_now | XEN_RUNSTATE_UPDATE);
}
END_TEST

START_TEST(without_the_assist_readers_never_see_the_flag)
{
    struct vcpu_runstate_info area = { 0 };

    fake_answers.write_fault_start = &area.time[1];
    fake_answers.write_fault_size = 8;
    vcpu_time_runstate(vcpu, RUNSTATE_running, fake_now);
    ck_assert_int_eq(register_runstate(0, &area), 0);
    ck_assert_uint_eq(area.state_entry_time, fake_now);
}
END_TEST

START_TEST(an_area_is_written_through_the_kernels_tables_when_loaded_in_user_mode)
{
    struct vcpu_runstate_info area = { 0 };

    ck_assert_int_eq(register_runstate(0, &area), 0);
    vcpu->pv.kernel_mode = false;
    fake_answers.write_fault_start = &area;
    fake_answers.write_fault_size = 4096;
    fake_now += MS;
    vcpu_time_runstate(vcpu, RUNSTATE_running, fake_now);
    vcpu_time_loaded(vcpu);
    ck_assert_uint_eq(cr3_loads, 2);
    ck_assert_uint_eq(loaded_cr3[0], 0x5000);
    ck_assert_uint_eq(loaded_cr3[1], 0x6000);
    ck_assert_uint_eq(area.state_entry_time, fake_now);
}
END_TEST

START_TEST(who_is_preempted_in_his_kernel_is_seen_not_to_run)
{
    static const struct {
        int state;
        bool kernel, shown;
    } cases[] = {
        { RUNSTATE_runnable, true, true },
        { RUNSTATE_runnable, false, false }, /* its tables may not show the area */
        { RUNSTATE_blocked, true, false },   /* holds nothing */
    };
    struct vcpu_runstate_info area;

    vcpu_time_unloaded(vcpu); /* without an area */
    ck_assert_int_eq(register_runstate(0, &area), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        vcpu_time_runstate(vcpu, RUNSTATE_running, fake_now);
        vcpu_time_loaded(vcpu);
        ck_assert_int_eq(area.state, RUNSTATE_running);
        vcpu->pv.kernel_mode = cases[i].kernel;
        vcpu_time_runstate(vcpu, cases[i].state, fake_now);
        vcpu_time_unloaded(vcpu);
        ck_assert_int_eq(area.state, cases[i].shown ? cases[i].state : RUNSTATE_running);
        vcpu->pv.kernel_mode = true;
    }
    ck_assert_uint_eq(cr3_loads, 0);
}
END_TEST

START_TEST(an_area_that_is_not_mapped_harms_nobody)
{
    static struct vcpu_runstate_info area;

    fake_answers.write_fault_start = &area;
    fake_answers.write_fault_size = 4096;
    ck_assert_int_eq(register_runstate(0, &area), 0);
    vcpu_time_loaded(vcpu);
    ck_assert_uint_eq(area.state_entry_time, 0);
    fake_answers.write_fault_size = 0;
    vcpu_time_loaded(vcpu);
    ck_assert_uint_ne(area.state_entry_time, 0);
}
END_TEST

START_TEST(areas_of_the_core_or_not_canonical_are_refused)
{
    static const uint64_t bad[] = { CORE_START,         CORE_END - 8,       CORE_START - 8,
                                    0x0000800000000000, 0x00007ffffffffff8, 0xffff7fffffffffff,
                                    0x0000900000000000, UINT64_MAX - 7 };

    for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
        struct vcpu_register_time_memory_area request = { .addr.p = bad[i] };

        ck_assert_int_eq(op(VCPUOP_register_runstate_memory_area, 0, &request), -XEN_EFAULT);
        ck_assert_int_eq(op(VCPUOP_register_vcpu_time_memory_area, 0, &request), -XEN_EFAULT);
    }
}
END_TEST

/* ---- the clock ------------------------------------------------------------------------------ */

START_TEST(the_clock_is_shown_when_first_loaded_and_then_left_alone)
{
    struct vcpu_time_info *shown = &vcpu->info->time;

    vcpu_time_loaded(vcpu);
    ck_assert_uint_eq(shown->tsc_timestamp, 777);
    ck_assert_uint_eq(shown->system_time, 0);
    ck_assert_uint_eq(shown->tsc_to_system_mul, 0x80000000);
    ck_assert_int_eq(shown->tsc_shift, 1);
    ck_assert_uint_eq(shown->flags, XEN_PVCLOCK_TSC_STABLE_BIT);
    ck_assert_uint_ne(shown->version, 0);
    ck_assert_uint_eq(shown->version % 2, 0);
    memset(shown, 0, sizeof(*shown));
    vcpu_time_loaded(vcpu);
    ck_assert_uint_eq(shown->version, 0);
}
END_TEST

START_TEST(on_a_cpu_with_another_tsc_the_clock_is_shown_again)
{
    struct vcpu_time_info *shown = &vcpu->info->time;
    uint32_t version;

    stable = false;
    vcpu_time_loaded(vcpu);
    version = shown->version;
    base[1] = 888;
    fake_cpu_use(1, vcpu);
    vcpu_time_loaded(vcpu);
    ck_assert_uint_eq(shown->tsc_timestamp, 888);
    ck_assert_uint_eq(shown->version, version + 2);
    ck_assert_uint_eq(shown->flags, 0);
}
END_TEST

START_TEST(what_the_guest_writes_over_the_version_is_not_believed)
{
    struct vcpu_time_info *shown = &vcpu->info->time;
    uint32_t version;

    vcpu_time_publish(vcpu);
    version = shown->version;
    shown->version = 12345;
    vcpu_time_publish(vcpu);
    ck_assert_uint_eq(shown->version, version + 2);
}
END_TEST

static long register_clock(unsigned int id, const void *area)
{
    struct vcpu_register_time_memory_area request = { .addr.p = (uint64_t)area };

    return op(VCPUOP_register_vcpu_time_memory_area, id, &request);
}

START_TEST(a_registered_copy_follows_the_clock)
{
    struct vcpu_time_info area = { 0 };

    vcpu_time_loaded(vcpu);
    ck_assert_int_eq(register_clock(0, &area), 0);
    ck_assert_mem_eq(&area, &vcpu->info->time, sizeof(area));
    base[0] = 999;
    vcpu_time_loaded(vcpu);
    ck_assert_uint_eq(area.tsc_timestamp, 999);
    ck_assert_mem_eq(&area, &vcpu->info->time, sizeof(area));
    ck_assert_int_eq(register_clock(0, NULL), 0);
    memset(&area, 0, sizeof(area));
    base[0] = 1111;
    vcpu_time_loaded(vcpu);
    ck_assert_uint_eq(area.version, 0);
}
END_TEST

START_TEST(a_copy_that_could_not_be_written_is_written_later)
{
    static struct vcpu_time_info area;

    vcpu_time_loaded(vcpu);
    fake_answers.write_fault_start = &area;
    fake_answers.write_fault_size = 4096;
    ck_assert_int_eq(register_clock(0, &area), 0);
    vcpu_time_loaded(vcpu);
    ck_assert_uint_eq(area.version, 0);
    fake_answers.write_fault_size = 0;
    vcpu_time_loaded(vcpu);
    ck_assert_mem_eq(&area, &vcpu->info->time, sizeof(area));
    memset(&area, 0, sizeof(area));
    vcpu_time_loaded(vcpu);
    ck_assert_uint_eq(area.version, 0); /* once is enough */
}
END_TEST

/* ---- timers --------------------------------------------------------------------------------- */

static long singleshot(unsigned int id, uint64_t deadline, uint32_t flags)
{
    struct vcpu_set_singleshot_timer set = { .timeout_abs_ns = deadline, .flags = flags };

    return op(VCPUOP_set_singleshot_timer, id, &set);
}

START_TEST(a_single_shot_raises_the_timer_once)
{
    ck_assert_int_eq(singleshot(0, fake_now + MS, 0), 0);
    pass(MS - 1);
    ck_assert_uint_eq(fake.virqs, 0);
    pass(1);
    ck_assert_uint_eq(fake.virqs, 1);
    ck_assert_uint_eq(fake.last_virq, VIRQ_TIMER);
    ck_assert_ptr_eq(fake.last_virq_vcpu, vcpu);
    pass(10 * MS);
    ck_assert_uint_eq(fake.virqs, 1);
}
END_TEST

START_TEST(a_single_shot_can_be_moved_and_stopped)
{
    ck_assert_int_eq(singleshot(0, fake_now + MS, 0), 0);
    ck_assert_int_eq(singleshot(0, fake_now + 3 * MS, 0), 0);
    pass(2 * MS);
    ck_assert_uint_eq(fake.virqs, 0);
    ck_assert_int_eq(op(VCPUOP_stop_singleshot_timer, 0, NULL), 0);
    pass(2 * MS);
    ck_assert_uint_eq(fake.virqs, 0);
}
END_TEST

START_TEST(a_single_shot_in_the_past_fires_at_once_unless_it_must_not)
{
    ck_assert_int_eq(singleshot(0, fake_now - 1, 0), 0);
    pass(0);
    ck_assert_uint_eq(fake.virqs, 1);
    ck_assert_int_eq(singleshot(0, UINT64_MAX, 0), 0); /* -1 */
    pass(0);
    ck_assert_uint_eq(fake.virqs, 2);
    ck_assert_int_eq(singleshot(0, fake_now - 1, VCPU_SSHOTTMR_future), -XEN_ETIME);
    ck_assert_int_eq(singleshot(0, UINT64_MAX, VCPU_SSHOTTMR_future), -XEN_ETIME);
    ck_assert_int_eq(singleshot(0, fake_now + MS, VCPU_SSHOTTMR_future), 0);
    pass(0);
    ck_assert_uint_eq(fake.virqs, 2);
    pass(MS);
    ck_assert_uint_eq(fake.virqs, 3);
}
END_TEST

START_TEST(single_shots_of_others_are_refused)
{
    ck_assert_int_eq(singleshot(1, fake_now + MS, 0), -XEN_EINVAL);
    ck_assert_int_eq(op(VCPUOP_stop_singleshot_timer, 1, NULL), -XEN_EINVAL);
    ck_assert_int_eq(singleshot(40, fake_now + MS, 0), -XEN_ENOENT);
}
END_TEST

START_TEST(a_single_shot_follows_its_vcpu)
{
    ck_assert_int_eq(singleshot(0, fake_now + MS, 0), 0);
    fake_cpu_use(1, vcpu);
    timer_setup_cpu();
    vcpu_time_loaded(vcpu);
    fake_cpu_use(0, NULL);
    pass(2 * MS);
    ck_assert_uint_eq(fake.virqs, 0);
    fake_cpu_use(1, vcpu);
    pass(0);
    ck_assert_uint_eq(fake.virqs, 1);
}
END_TEST

START_TEST(set_timer_op_is_the_same_timer)
{
    ck_assert_int_eq(hypercall_set_timer_op(fake_now + MS), 0);
    ck_assert_int_eq(op(VCPUOP_stop_singleshot_timer, 0, NULL), 0);
    ck_assert_int_eq(singleshot(0, fake_now + MS, 0), 0);
    ck_assert_int_eq(hypercall_set_timer_op(0), 0);
    pass(2 * MS);
    ck_assert_uint_eq(fake.virqs, 0);
    ck_assert_int_eq(hypercall_set_timer_op(1), 0);
    pass(0);
    ck_assert_uint_eq(fake.virqs, 1);
}
END_TEST

START_TEST(a_timer_op_beyond_reason_fires_soon)
{
    static const uint64_t absurd[] = { UINT64_MAX, UINT64_C(1) << 63, UINT64_C(1) << 55 };

    for (unsigned int i = 0; i < ARRAY_SIZE(absurd); i++) {
        ck_assert_int_eq(hypercall_set_timer_op(absurd[i]), 0);
        pass(99 * MS);
        ck_assert_uint_eq(fake.virqs, i);
        pass(MS);
        ck_assert_uint_eq(fake.virqs, i + 1);
    }
    /* After years of running it is not beyond reason. */
    fake_now = (UINT64_C(1) << 55) - MS;
    ck_assert_int_eq(hypercall_set_timer_op(UINT64_C(1) << 55), 0);
    pass(MS);
    ck_assert_uint_eq(fake.virqs, ARRAY_SIZE(absurd) + 1);
}
END_TEST

static long periodic(unsigned int id, uint64_t period)
{
    struct vcpu_set_periodic_timer set = { .period_ns = period };

    return op(VCPUOP_set_periodic_timer, id, &set);
}

START_TEST(a_periodic_timer_ticks_until_stopped)
{
    ck_assert_int_eq(periodic(0, 2 * MS), 0);
    for (unsigned int i = 1; i <= 10; i++) {
        pass(MS);
        pass(MS);
        ck_assert_uint_eq(fake.virqs, i);
    }
    ck_assert_int_eq(op(VCPUOP_stop_periodic_timer, 0, NULL), 0);
    pass(10 * MS);
    ck_assert_uint_eq(fake.virqs, 10);
}
END_TEST

START_TEST(periods_that_make_no_sense_are_refused)
{
    ck_assert_int_eq(periodic(0, 0), -XEN_EINVAL);
    ck_assert_int_eq(periodic(0, MS - 1), -XEN_EINVAL);
    ck_assert_int_eq(periodic(0, UINT64_MAX), -XEN_EINVAL);
    ck_assert_int_eq(periodic(0, MS), 0);
    ck_assert_int_eq(op(VCPUOP_set_periodic_timer, 0, (void *)CORE_START), -XEN_EFAULT);
}
END_TEST

START_TEST(a_vcpu_of_a_dying_domain_has_no_timers_but_an_account)
{
    struct vcpu_runstate_info area = { 0 }, info;

    ck_assert_int_eq(register_runstate(0, &area), 0);
    ck_assert_int_eq(singleshot(0, fake_now + MS, 0), 0);
    ck_assert_int_eq(periodic(0, 2 * MS), 0);
    memset(&area, 0, sizeof(area));
    vcpu_time_stop(vcpu);
    pass(10 * MS);
    ck_assert_uint_eq(fake.virqs, 0);
    vcpu_time_runstate(vcpu, RUNSTATE_blocked, fake_now);
    vcpu_time_runstate_get(vcpu, &info);
    ck_assert_int_eq(info.state, RUNSTATE_blocked);
    vcpu_time_loaded(vcpu);
    ck_assert_uint_eq(area.state_entry_time, 0);
}
END_TEST

START_TEST(a_vcpu_that_sleeps_has_no_ticks_and_one_when_it_is_back)
{
    ck_assert_int_eq(periodic(0, 2 * MS), 0);
    vcpu_time_unloaded(vcpu);
    vcpu->running = false;
    pass(20 * MS);
    ck_assert_uint_eq(fake.virqs, 0);
    vcpu->running = true;
    vcpu_time_loaded(vcpu);
    ck_assert_uint_eq(fake.virqs, 1);
    pass(2 * MS - 1);
    ck_assert_uint_eq(fake.virqs, 1);
    pass(1);
    ck_assert_uint_eq(fake.virqs, 2);
}
END_TEST

START_TEST(a_new_vcpu_ticks_a_hundred_times_a_second)
{
    other->running = true;
    fake_cpu_use(0, other);
    fake_now += 10 * MS;
    vcpu_time_loaded(other);
    ck_assert_uint_eq(fake.virqs, 1);
    pass(10 * MS);
    ck_assert_uint_eq(fake.virqs, 2);
}
END_TEST

/* ---- the wall clock ------------------------------------------------------------------------- */

START_TEST(the_wall_clock_is_shown_with_the_domains_offset)
{
    struct shared_info *shared = domain->shared_info;
    uint32_t version;

    wall_seconds = (UINT64_C(3) << 32) + 100;
    wall_nanoseconds = 17;
    domain->time_offset_seconds = -50;
    domain_wall_clock_publish(domain);
    ck_assert_uint_eq(shared->wc_sec, 50);
    ck_assert_uint_eq(shared->wc_sec_hi, 3);
    ck_assert_uint_eq(shared->wc_nsec, 17);
    version = shared->wc_version;
    ck_assert_uint_eq(version % 2, 0);
    ck_assert_uint_ne(version, 0);
    shared->wc_version = 5; /* the guest scribbles */
    domain_wall_clock_publish(domain);
    ck_assert_uint_eq(shared->wc_version % 2, 0);
    ck_assert_uint_gt(shared->wc_version, 5);
}
END_TEST

START_TEST(a_change_of_the_wall_clock_reaches_every_domain)
{
    struct domain *second = fake_domain_new(7, 1, false);

    wall_seconds = 4711;
    domain_for_each(domain_wall_clock_publish);
    ck_assert_uint_eq(domain->shared_info->wc_sec, 4711);
    ck_assert_uint_eq(second->shared_info->wc_sec, 4711);
    ck_assert_uint_eq(domain->references, 1);
    ck_assert_uint_eq(second->references, 1);
}
END_TEST

/* ---- vcpu_op -------------------------------------------------------------------------------- */

START_TEST(a_vcpu_that_does_not_exist_is_said_so)
{
    static const uint64_t missing[] = { 40, 8191, 8192, UINT32_MAX };

    for (unsigned int command = 0; command < 20; command++) {
        for (unsigned int i = 0; i < ARRAY_SIZE(missing); i++) {
            ck_assert_int_eq(hypercall_vcpu_op(command, missing[i], 0), -XEN_ENOENT);
        }
    }
}
END_TEST

START_TEST(unknown_commands_do_not_exist)
{
    ck_assert_int_eq(hypercall_vcpu_op(14, 0, 0), -XEN_ENOSYS);
    ck_assert_int_eq(hypercall_vcpu_op(15, 0, 0), -XEN_ENOSYS);
    ck_assert_int_eq(hypercall_vcpu_op(16, 0, 0), -XEN_ENOSYS);
    ck_assert_int_eq(hypercall_vcpu_op(UINT32_MAX, 0, 0), -XEN_ENOSYS);
}
END_TEST

START_TEST(every_command_with_an_argument_refuses_a_bad_pointer)
{
    static const unsigned int commands[] = {
        VCPUOP_initialise,           VCPUOP_get_runstate_info,
        VCPUOP_set_periodic_timer,   VCPUOP_register_runstate_memory_area,
        VCPUOP_set_singleshot_timer, VCPUOP_register_vcpu_info,
        VCPUOP_get_physid,           VCPUOP_register_vcpu_time_memory_area,
    };

    pinned_to = 0;
    for (unsigned int i = 0; i < ARRAY_SIZE(commands); i++) {
        ck_assert_int_eq(hypercall_vcpu_op(commands[i], 0, CORE_START), -XEN_EFAULT);
    }
    ck_assert_int_eq(fake_heap_live, 40);
}
END_TEST

START_TEST(a_vcpu_comes_up_once_it_is_initialised)
{
    struct vcpu_guest_context *context = calloc(1, sizeof(*context));

    context->ctrlreg[3] = 0x5000;
    ck_assert_int_eq(op(VCPUOP_is_up, 1, NULL), 0);
    ck_assert_int_eq(op(VCPUOP_up, 1, NULL), -XEN_EINVAL);
    initialise_result = -XEN_EINVAL;
    ck_assert_int_eq(op(VCPUOP_initialise, 1, context), -XEN_EINVAL);
    initialise_result = -XEN_ERESTART;
    ck_assert_int_eq(op(VCPUOP_initialise, 1, context), -XEN_ERESTART);
    ck_assert_uint_eq(fake.continuations, 1);
    ck_assert_uint_eq(fake.continued_number, __HYPERVISOR_vcpu_op);
    ck_assert_uint_eq(fake.continued[0], VCPUOP_initialise);
    ck_assert_uint_eq(fake.continued[1], 1);
    ck_assert_uint_eq(fake.continued[2], (uint64_t)context);
    initialise_result = 0;
    ck_assert_int_eq(op(VCPUOP_initialise, 1, context), 0);
    fake_answers.fail_allocation = 1;
    ck_assert_int_eq(op(VCPUOP_initialise, 2, context), -XEN_ENOMEM);
    ck_assert_int_eq(op(VCPUOP_up, 1, NULL), 0);
    ck_assert_uint_eq(fake.wakes, 1);
    ck_assert_ptr_eq(fake.last_woken, other);
    ck_assert_int_eq(op(VCPUOP_is_up, 1, NULL), 1);
    ck_assert_int_eq(op(VCPUOP_down, 1, NULL), 0);
    ck_assert_uint_eq(fake.sleeps, 1);
    ck_assert_int_eq(op(VCPUOP_is_up, 1, NULL), 0);
    ck_assert_int_eq(fake_heap_live, 40);
    free(context);
}
END_TEST

START_TEST(a_vcpu_without_vcpu_info_cannot_be_initialised)
{
    struct vcpu_guest_context *context = calloc(1, sizeof(*context));

    context->ctrlreg[3] = 0x5000;
    initialise_result = 0;
    ck_assert_int_eq(op(VCPUOP_initialise, 31, context), 0);
    ck_assert_int_eq(op(VCPUOP_initialise, 32, context), -XEN_EINVAL);
    free(context);
}
END_TEST

START_TEST(the_last_vcpu_that_goes_down_ends_the_domain)
{
    for (uint32_t i = 1; i < 40; i++) {
        ck_assert_int_eq(op(VCPUOP_down, i, NULL), 0);
    }
    ck_assert_uint_eq(fake.shutdowns, 0);
    ck_assert_int_eq(op(VCPUOP_down, 0, NULL), 0);
    ck_assert_uint_eq(fake.shutdowns, 1);
    ck_assert_uint_eq(fake.shutdown_code, 0); /* power-off */
}
END_TEST

static long place(unsigned int id, const struct page *page, uint32_t offset)
{
    struct vcpu_register_vcpu_info request = { .mfn = page_frame(page).number, .offset = offset };

    return op(VCPUOP_register_vcpu_info, id, &request);
}

START_TEST(a_vcpu_info_moves_once_with_what_it_holds)
{
    struct page *page = fake_page_new(domain);
    struct vcpu_info *there = (struct vcpu_info *)(void *)((uint8_t *)page_address(page) + 64);

    infos_moved = 0;
    vcpu->info->evtchn_upcall_mask = 1;
    vcpu->info->evtchn_pending_sel = 0x55;
    ck_assert_int_eq(place(0, page, 64), 0);
    ck_assert_ptr_eq(vcpu->info, there);
    ck_assert_uint_eq(there->evtchn_upcall_mask, 1);
    ck_assert_uint_eq(there->evtchn_pending_sel, 0x55);
    ck_assert_uint_eq(there->time.tsc_timestamp, 777);
    ck_assert_uint_eq(infos_moved, 1);
    ck_assert_uint_eq(fake_page_refs(page), 2);
    ck_assert_uint_eq(fake_page_uses(page), 1);
    ck_assert_int_eq(place(0, page, 128), -XEN_EINVAL);
    ck_assert_ptr_eq(vcpu->info, there);
    ck_assert_int_eq(place(1, page, 128), 0); /* it is down */
    ck_assert_uint_eq(fake_page_refs(page), 3);
    ck_assert_int_eq(place(2, page, 256), -XEN_EINVAL); /* it runs, elsewhere */
    ck_assert_uint_eq(fake_page_refs(page), 3);
    vcpu_info_release(vcpu);
    vcpu_info_release(other);
    vcpu_info_release(other);
    ck_assert_ptr_eq(vcpu->info, &domain->shared_info->vcpu_info[0]);
    ck_assert_uint_eq(fake_page_refs(page), 1);
    ck_assert_uint_eq(fake_page_uses(page), 0);
}
END_TEST

START_TEST(a_place_that_is_none_is_refused_and_nothing_is_held)
{
    struct domain *second = fake_domain_new(7, 1, false);
    struct page *page = fake_page_new(domain);
    struct page *foreign = fake_page_new(second);
    struct vcpu_info *before = vcpu->info;
    struct vcpu_register_vcpu_info nowhere = { .mfn = FAKE_FRAMES };

    ck_assert_int_eq(place(0, page, 4096 - 64 + 8), -XEN_ENXIO);
    ck_assert_int_eq(place(0, page, 4096), -XEN_ENXIO);
    ck_assert_int_eq(place(0, page, UINT32_MAX), -XEN_ENXIO);
    ck_assert_int_eq(place(0, page, 4), -XEN_ENXIO);
    ck_assert_int_eq(place(0, foreign, 64), -XEN_EINVAL);
    ck_assert_int_eq(op(VCPUOP_register_vcpu_info, 0, &nowhere), -XEN_EINVAL);
    nowhere.mfn = UINT64_MAX;
    ck_assert_int_eq(op(VCPUOP_register_vcpu_info, 0, &nowhere), -XEN_EINVAL);
    fake_answers.page_type_result = -XEN_EINVAL; /* a page table */
    ck_assert_int_eq(place(0, page, 64), -XEN_EINVAL);
    fake_answers.page_type_result = -XEN_ERESTART;
    ck_assert_int_eq(place(0, page, 64), -XEN_ERESTART);
    ck_assert_uint_eq(fake.continuations, 1);
    fake_answers.page_type_result = 0;
    ck_assert_ptr_eq(vcpu->info, before);
    ck_assert_uint_eq(fake_page_refs(page), 1);
    ck_assert_uint_eq(fake_page_refs(foreign), 1);
    ck_assert_int_eq(place(0, page, 4096 - 64), 0); /* the last that fits */
    vcpu_info_release(vcpu);
}
END_TEST

START_TEST(an_nmi_takes_no_argument)
{
    ck_assert_int_eq(op(VCPUOP_send_nmi, 1, vcpu), -XEN_EINVAL);
    ck_assert(!other->pv.nmi_pending);
    ck_assert_int_eq(op(VCPUOP_send_nmi, 1, NULL), 0);
    ck_assert(other->pv.nmi_pending);
}
END_TEST

START_TEST(the_physical_id_is_told_to_a_pinned_vcpu_of_the_control_domain)
{
    struct vcpu_get_physid id = { 0 };

    cpus[3] = (struct cpu){ .apic_id = 6, .acpi_id = 4 };
    ck_assert_int_eq(op(VCPUOP_get_physid, 0, &id), -XEN_EINVAL);
    pinned_to = 3;
    ck_assert_int_eq(op(VCPUOP_get_physid, 0, &id), 0);
    ck_assert_uint_eq(id.phys_id, 6 | (UINT64_C(4) << 32));
    domain->privileged = false;
    ck_assert_int_eq(op(VCPUOP_get_physid, 0, &id), -XEN_EINVAL);
}
END_TEST

static void add(Suite *suite, const char *name, const TTest *const *tests)
{
    TCase *tcase = suite_case(suite, name);

    tcase_add_checked_fixture(tcase, setup, teardown);
    for (; *tests != NULL; tests++) {
        tcase_add_test(tcase, *tests);
    }
}

int main(void)
{
    const TTest *const runstate[] = {
        the_times_of_all_states_add_up_to_life,
        a_clock_that_is_behind_takes_no_time_away,
        the_runstate_area_is_written_when_registered_and_when_loaded,
        with_the_assist_the_update_is_announced_and_finished,
        without_the_assist_readers_never_see_the_flag,
        an_area_is_written_through_the_kernels_tables_when_loaded_in_user_mode,
        who_is_preempted_in_his_kernel_is_seen_not_to_run,
        an_area_that_is_not_mapped_harms_nobody,
        areas_of_the_core_or_not_canonical_are_refused,
        NULL,
    };
    const TTest *const clock[] = {
        the_clock_is_shown_when_first_loaded_and_then_left_alone,
        on_a_cpu_with_another_tsc_the_clock_is_shown_again,
        what_the_guest_writes_over_the_version_is_not_believed,
        a_registered_copy_follows_the_clock,
        a_copy_that_could_not_be_written_is_written_later,
        the_wall_clock_is_shown_with_the_domains_offset,
        a_change_of_the_wall_clock_reaches_every_domain,
        NULL,
    };
    const TTest *const timers[] = {
        a_single_shot_raises_the_timer_once,
        a_single_shot_can_be_moved_and_stopped,
        a_single_shot_in_the_past_fires_at_once_unless_it_must_not,
        single_shots_of_others_are_refused,
        a_single_shot_follows_its_vcpu,
        set_timer_op_is_the_same_timer,
        a_timer_op_beyond_reason_fires_soon,
        a_periodic_timer_ticks_until_stopped,
        periods_that_make_no_sense_are_refused,
        a_vcpu_of_a_dying_domain_has_no_timers_but_an_account,
        a_vcpu_that_sleeps_has_no_ticks_and_one_when_it_is_back,
        a_new_vcpu_ticks_a_hundred_times_a_second,
        NULL,
    };
    const TTest *const operations[] = {
        a_vcpu_that_does_not_exist_is_said_so,
        unknown_commands_do_not_exist,
        every_command_with_an_argument_refuses_a_bad_pointer,
        a_vcpu_comes_up_once_it_is_initialised,
        a_vcpu_without_vcpu_info_cannot_be_initialised,
        the_last_vcpu_that_goes_down_ends_the_domain,
        a_vcpu_info_moves_once_with_what_it_holds,
        a_place_that_is_none_is_refused_and_nothing_is_held,
        an_nmi_takes_no_argument,
        the_physical_id_is_told_to_a_pinned_vcpu_of_the_control_domain,
        NULL,
    };
    Suite *suite = suite_create("vcpu_time");

    add(suite, "runstate", runstate);
    add(suite, "clock", clock);
    add(suite, "timers", timers);
    add(suite, "vcpu_op", operations);
    return suite_run(suite);
}
