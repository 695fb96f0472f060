/* SPDX-License-Identifier: MIT */
/*
 * The scheduler: where vCPUs run, for how long, and that none is forgotten.
 *
 * CPUs take turns on this one thread: settle() lets each do what soft interrupts
 * ask for until none is left, pass() lets time go by.
 */
#define _GNU_SOURCE /* REG_EFL */
#include <check.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "guest-pv-headers/errno.h"
#include "guest-pv-headers/sched.h"
#include "hypervisor/event/event.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/time/vcpu_time.h"
#include "hypervisor/x86/apic.h"
#include "hypervisor/x86/entry.h"
#include "hypervisor/x86/percpu.h"
#include "hypervisor/x86/smp.h"
#include "tests/fake/fake.h"
#include "tests/unit/suite.h"

#define CPUS      4u
#define VCPUS     8u
#define STEP_NS   100000u
#define SECOND_NS UINT64_C(1000000000)

static void (*handlers[SOFTIRQ_LIMIT])(void);
static struct domain *domain;
static struct vcpu *vcpus[VCPUS];
static int states[VCPUS];
static uint64_t ran_ns[VCPUS];
static unsigned int cpus_used;
static struct vcpu *idle_vcpus[CPU_LIMIT];
static unsigned int switches;
static bool ports_pending[8];
static bool wrong_domain;

/* What is loaded on any CPU: `current` is a macro for this one's. */
#pragma push_macro("current")
#undef current
static struct vcpu *on(unsigned int cpu)
{
    return cpu_info_of(cpu)->current;
}
#pragma pop_macro("current")

/* ---- the machine ---------------------------------------------------------------------------- */

void softirq_register(enum softirq which, void (*handler)(void))
{
    handlers[which] = handler;
}

void apic_timer_set(uint64_t tsc_deadline)
{
    (void)tsc_deadline;
}

void context_switch(struct vcpu *from, struct vcpu *to)
{
    ck_assert_ptr_eq(current, from);
    ck_assert_ptr_ne(from, to);
    /* Saved only now: until then nobody else may have it. */
    ck_assert(from->is_idle || from->running);
    ck_assert(to->is_idle || (to->running && to->cpu == cpu_id()));
    for (unsigned int cpu = 0; cpu < cpus_used; cpu++) {
        ck_assert(cpu == cpu_id() || on(cpu) != to);
    }
    current = to;
    switches++;
}

void vcpu_time_runstate(struct vcpu *vcpu, int state, uint64_t now)
{
    ck_assert(!vcpu->is_idle);
    ck_assert_uint_eq(now, fake_now);
    states[vcpu->id] = state;
}

/* As event/event.c does it. */
void vcpu_unblock(struct vcpu *vcpu)
{
    if (vcpu_wait_end(vcpu)) {
        sched_wake(vcpu);
    }
}

int event_port_pending(struct domain *of, evtchn_port_t port)
{
    wrong_domain |= of != domain; /* no assertion: it is too long to be single-stepped */
    return port < ARRAY_SIZE(ports_pending) ? ports_pending[port] : -XEN_EINVAL;
}

/* ---- a machine that runs -------------------------------------------------------------------- */

static void use(unsigned int cpu)
{
    fake_cpu_use(cpu, on(cpu));
}

/* Where a CPU that waits in HLT goes on in this test: behind its soft interrupts. */
static jmp_buf halted;
static bool threads; /* of the last test: there it really waits */

void softirq_wait(void)
{
    while (!softirq_pending()) {
        if (!threads) {
            longjmp(halted, 1);
        }
        (void)syscall(SYS_sched_yield);
    }
}

static void work_off(unsigned int cpu)
{
    use(cpu);
    if (setjmp(halted) != 0) {
        return;
    }
    for (unsigned int rounds = 0; softirq_pending(); rounds++) {
        unsigned int which = (unsigned int)__builtin_ctz(this_cpu()->softirq_pending);

        atomic_fetch_and(&this_cpu()->softirq_pending, ~(1u << which));
        handlers[which]();
        ck_assert_uint_lt(rounds, 100);
    }
    ck_assert(!current->is_idle);
}

static void settle(void)
{
    bool any = true;

    for (unsigned int rounds = 0; any; rounds++) {
        any = false;
        for (unsigned int cpu = 0; cpu < cpus_used; cpu++) {
            if (cpu_info_of(cpu)->softirq_pending != 0) {
                any = true;
                work_off(cpu);
            }
        }
        ck_assert_uint_lt(rounds, 100);
    }
    use(0);
}

static void pass(uint64_t ns)
{
    for (uint64_t end = fake_now + ns; fake_now < end;) {
        fake_now += STEP_NS;
        for (unsigned int cpu = 0; cpu < cpus_used; cpu++) {
            struct vcpu *running = on(cpu);

            if (!running->is_idle) {
                ran_ns[running->id] += STEP_NS;
            }
            use(cpu);
            handlers[SOFTIRQ_TIMER]();
        }
        settle();
    }
}

static void boot(unsigned int count)
{
    fake_reset();
    memset(handlers, 0, sizeof(handlers));
    memset(ran_ns, 0, sizeof(ran_ns));
    fake_now = SECOND_NS;
    cpus_used = count;
    cpu_count = count;
    memset(&cpus_online, 0, sizeof(cpus_online));
    for (unsigned int cpu = 0; cpu < count; cpu++) {
        fake_cpu_use(cpu, NULL);
        cpumask_add(&cpus_online, cpu);
        timer_setup_cpu();
        ck_assert(sched_create_idle(cpu));
        sched_setup_cpu();
        ck_assert(current->is_idle && current->cpu == cpu);
        idle_vcpus[cpu] = current;
        softirq_raise(SOFTIRQ_SCHEDULE);
    }
    domain = fake_domain_new(1, VCPUS, true);
    for (unsigned int i = 0; i < VCPUS; i++) {
        vcpus[i] = domain->vcpu[i];
        vcpus[i]->blocked = VCPU_DOWN;
        states[i] = RUNSTATE_offline;
        ck_assert_int_eq(sched_vcpu_create(vcpus[i]), 0);
    }
    settle();
}

static void one_cpu(void)
{
    boot(1);
}

static void two_cpus(void)
{
    boot(2);
}

static void four_cpus(void)
{
    boot(4);
}

static void wake(unsigned int id)
{
    atomic_store(&vcpus[id]->blocked, 0);
    sched_wake(vcpus[id]);
}

static void start(unsigned int count)
{
    for (unsigned int i = 0; i < count; i++) {
        wake(i);
    }
    settle();
}

static void stop(unsigned int id)
{
    atomic_fetch_or(&vcpus[id]->blocked, VCPU_BLOCKED);
    sched_sleep(vcpus[id]);
}

static void run_on_its_cpu(const struct vcpu *vcpu)
{
    ck_assert_ptr_eq(on(vcpu->cpu), vcpu);
    use(vcpu->cpu);
}

static struct cpumask only(unsigned int cpu)
{
    struct cpumask mask = { { 0 } };

    cpumask_add(&mask, cpu);
    return mask;
}

static bool loaded(unsigned int id)
{
    return vcpus[id]->running && on(vcpus[id]->cpu) == vcpus[id];
}

/* ---- one CPU -------------------------------------------------------------------------------- */

START_TEST(a_woken_vcpu_runs_on_an_idle_cpu)
{
    start(1);
    ck_assert(loaded(0));
    ck_assert_int_eq(states[0], RUNSTATE_running);
}
END_TEST

START_TEST(a_vcpu_that_may_not_run_is_not_woken)
{
    atomic_store(&vcpus[0]->blocked, VCPU_DOWN);
    sched_wake(vcpus[0]);
    settle();
    ck_assert(!loaded(0));
    atomic_store(&vcpus[0]->blocked, 0);
    domain->pause_count = 1;
    sched_wake(vcpus[0]);
    settle();
    ck_assert(!loaded(0));
    domain->pause_count = 0;
    sched_wake(vcpus[0]);
    settle();
    ck_assert(loaded(0));
}
END_TEST

START_TEST(a_vcpu_alone_has_no_slices)
{
    unsigned int before;

    start(1);
    before = switches;
    atomic_store(&this_cpu()->softirq_pending, 0);
    pass(SECOND_NS);
    ck_assert_uint_eq(switches, before);
}
END_TEST

START_TEST(equals_share_alike)
{
    start(3);
    pass(SECOND_NS * 3);
    for (unsigned int i = 0; i < 3; i++) {
        ck_assert_uint_ge(ran_ns[i], SECOND_NS / 100 * 98);
        ck_assert_uint_le(ran_ns[i], SECOND_NS / 100 * 102);
    }
}
END_TEST

START_TEST(slices_are_milliseconds)
{
    unsigned int before;

    start(2);
    before = switches;
    pass(SECOND_NS);
    ck_assert_uint_ge(switches - before, 150);
    ck_assert_uint_le(switches - before, 250);
}
END_TEST

static void set_weight(struct domain *of, uint32_t weight)
{
    ck_assert_int_eq(sched_set_weight(of, weight), 0);
    ck_assert_uint_eq(sched_weight(of), weight);
}

START_TEST(twice_the_weight_is_twice_the_time)
{
    struct domain *other = fake_domain_new(2, 1, false);

    /* Not one of ours: its time is what vCPU 0 does not get. */
    ck_assert_int_eq(sched_vcpu_create(other->vcpu[0]), 0);
    other->vcpu[0]->id = 7;
    set_weight(other, 512);
    start(1);
    sched_wake(other->vcpu[0]);
    settle();
    pass(SECOND_NS * 3);
    ck_assert_uint_ge(ran_ns[0], SECOND_NS / 100 * 97);
    ck_assert_uint_le(ran_ns[0], SECOND_NS / 100 * 103);
}
END_TEST

START_TEST(nonsense_weights_are_refused)
{
    ck_assert_int_eq(sched_set_weight(domain, 0), -XEN_EINVAL);
    ck_assert_int_eq(sched_set_weight(domain, 65536), -XEN_EINVAL);
}
END_TEST

START_TEST(one_that_slept_long_runs_at_once_but_does_not_make_up_for_it)
{
    start(2);
    stop(1);
    settle();
    pass(SECOND_NS);
    wake(1);
    settle();
    ck_assert(loaded(1));
    memset(ran_ns, 0, sizeof(ran_ns));
    pass(SECOND_NS);
    ck_assert_uint_ge(ran_ns[0], SECOND_NS / 100 * 48);
}
END_TEST

START_TEST(a_woken_vcpu_lets_who_was_just_loaded_get_on)
{
    start(2);
    stop(1);
    settle();
    pass(SECOND_NS);
    stop(0);
    settle();
    wake(0); /* freshly loaded */
    settle();
    wake(1);
    settle();
    ck_assert(loaded(0));
    pass(SECOND_NS / 500 - STEP_NS);
    ck_assert(loaded(0));
    pass(2 * STEP_NS);
    ck_assert(loaded(1));
}
END_TEST

START_TEST(one_that_sleeps_briefly_is_no_better_off)
{
    start(2);
    for (unsigned int i = 0; i < 1000; i++) {
        pass(STEP_NS * 9);
        stop(1);
        settle();
        pass(STEP_NS);
        wake(1);
        settle();
    }
    ck_assert_uint_ge(ran_ns[0], SECOND_NS / 100 * 45);
}
END_TEST

START_TEST(yield_alone_costs_no_decision)
{
    start(1);
    run_on_its_cpu(vcpus[0]);
    atomic_store(&this_cpu()->softirq_pending, 0);
    ck_assert_int_eq(hypercall_sched_op(SCHEDOP_yield, 0), 0);
    ck_assert_uint_eq(this_cpu()->softirq_pending, 0);
}
END_TEST

START_TEST(yield_lets_those_that_wait_go_first)
{
    unsigned int seen = 0;

    start(3);
    for (unsigned int i = 0; i < 3; i++) {
        use(0);
        seen |= 1u << current->id;
        ck_assert_int_eq(hypercall_sched_op(SCHEDOP_yield, 0), 0);
        settle();
    }
    ck_assert_uint_eq(seen, 7);
}
END_TEST

START_TEST(a_vcpu_put_to_sleep_leaves_its_cpu)
{
    start(1);
    stop(0);
    settle();
    ck_assert(!vcpus[0]->running);
    ck_assert_ptr_eq(current, idle_vcpus[0]);
    ck_assert_int_eq(states[0], RUNSTATE_blocked);
    sched_wait_descheduled(vcpus[0]);
}
END_TEST

START_TEST(a_vcpu_that_is_down_is_offline_a_blocked_one_blocked_whatever_else)
{
    start(2);
    for (unsigned int i = 0; i < 2; i++) {
        atomic_store(&vcpus[i]->blocked, VCPU_DOWN); /* one loaded, one queued */
        sched_sleep(vcpus[i]);
        settle();
        ck_assert_int_eq(states[i], RUNSTATE_offline);
        ck_assert(!vcpus[i]->running);
    }
    atomic_store(&vcpus[0]->blocked, 0);
    sched_wake(vcpus[0]);
    settle();
    stop(0);
    settle();
    atomic_fetch_or(&vcpus[0]->blocked, VCPU_DOWN);
    sched_sleep(vcpus[0]);
    ck_assert_int_eq(states[0], RUNSTATE_blocked);
    atomic_store(&vcpus[0]->blocked, VCPU_DOWN); /* its event came while it was down */
    sched_wake(vcpus[0]);
    ck_assert_int_eq(states[0], RUNSTATE_offline);
}
END_TEST

START_TEST(a_vcpu_woken_before_it_is_put_to_sleep_stays_queued)
{
    start(2);
    atomic_store(&vcpus[1]->blocked, VCPU_DOWN);
    atomic_store(&vcpus[1]->blocked, 0); /* another CPU, before the first gets to sched_sleep() */
    sched_wake(vcpus[1]);
    sched_sleep(vcpus[1]);
    ck_assert_int_eq(states[1], RUNSTATE_runnable);
    stop(0);
    settle();
    ck_assert(vcpus[1]->running);
}
END_TEST

START_TEST(a_vcpu_woken_before_its_cpu_decides_stays)
{
    unsigned int before;

    start(1);
    before = switches;
    stop(0);
    wake(0);
    settle();
    ck_assert(loaded(0));
    ck_assert_uint_eq(switches, before);
}
END_TEST

START_TEST(idle_time_is_counted)
{
    uint64_t before = sched_idle_ns(0);

    pass(SECOND_NS);
    ck_assert_uint_eq(sched_idle_ns(0) - before, SECOND_NS);
    start(1);
    pass(SECOND_NS);
    ck_assert_uint_eq(sched_idle_ns(0) - before, SECOND_NS);
}
END_TEST

/* ---- block and poll ------------------------------------------------------------------------- */

START_TEST(block_waits_for_an_event)
{
    start(1);
    run_on_its_cpu(vcpus[0]);
    vcpus[0]->info->evtchn_upcall_mask = 1;
    ck_assert_int_eq(hypercall_sched_op(SCHEDOP_block, 0), 0);
    ck_assert_uint_eq(vcpus[0]->info->evtchn_upcall_mask, 0);
    settle();
    ck_assert(!loaded(0));
    ck_assert_int_eq(states[0], RUNSTATE_blocked);
    vcpu_unblock(vcpus[0]);
    settle();
    ck_assert(loaded(0));
}
END_TEST

START_TEST(block_returns_at_once_when_an_event_is_pending_masked_or_not)
{
    for (uint8_t mask = 0; mask < 2; mask++) {
        start(1);
        run_on_its_cpu(vcpus[0]);
        vcpus[0]->info->evtchn_upcall_pending = 1;
        vcpus[0]->info->evtchn_upcall_mask = mask;
        ck_assert_int_eq(hypercall_sched_op(SCHEDOP_block, 0), 0);
        ck_assert_uint_eq(vcpus[0]->blocked, 0);
        settle();
        ck_assert(loaded(0));
    }
}
END_TEST

static long poll_ports(evtchn_port_t *ports, uint32_t count, uint64_t timeout)
{
    struct sched_poll poll = { .ports = ports, .nr_ports = count, .timeout = timeout };

    return hypercall_sched_op(SCHEDOP_poll, (uint64_t)&poll);
}

START_TEST(poll_waits_for_its_port)
{
    evtchn_port_t ports[] = { 3, 4 };

    start(1);
    run_on_its_cpu(vcpus[0]);
    vcpus[0]->info->evtchn_upcall_mask = 1;
    ck_assert_int_eq(poll_ports(ports, 1, 0), 0);
    ck_assert_uint_eq(vcpus[0]->poll_port, 3);
    ck_assert(!wrong_domain);
    ck_assert_uint_eq(vcpus[0]->blocked, VCPU_BLOCKED | VCPU_POLLING);
    ck_assert_uint_eq(domain->poll_count, 1);
    settle();
    ck_assert(!loaded(0));
    vcpu_unblock(vcpus[0]);
    settle();
    ck_assert(loaded(0));
    ck_assert_uint_eq(domain->poll_count, 0);
    ck_assert_int_eq(poll_ports(ports, 2, 0), 0);
    ck_assert_uint_eq(vcpus[0]->poll_port, 0);
}
END_TEST

START_TEST(poll_returns_at_once_when_there_is_nothing_to_wait_for)
{
    evtchn_port_t ports[] = { 3, 4 };

    start(1);
    run_on_its_cpu(vcpus[0]);
    ports_pending[4] = true;
    ck_assert_int_eq(poll_ports(ports, 2, 0), 0); /* a port */
    ck_assert_uint_eq(vcpus[0]->blocked, 0);
    ports_pending[4] = false;
    ck_assert_int_eq(poll_ports(ports, 2, fake_now), 0); /* the time has come */
    ck_assert_uint_eq(vcpus[0]->blocked, 0);
    vcpus[0]->info->evtchn_upcall_pending = 1;
    ck_assert_int_eq(poll_ports(ports, 2, 0), 0); /* an upcall */
    ck_assert_uint_eq(vcpus[0]->blocked, 0);
    ck_assert_uint_eq(domain->poll_count, 0);
    ports_pending[4] = false;
}
END_TEST

START_TEST(poll_refuses_bad_arguments_and_does_not_wait)
{
    evtchn_port_t ports[129] = { 3, 99 };

    start(1);
    run_on_its_cpu(vcpus[0]);
    ck_assert_int_eq(poll_ports(ports, 2, 0), -XEN_EINVAL);
    ck_assert_int_eq(poll_ports(ports, 129, 0), -XEN_EINVAL);
    ck_assert_int_eq(poll_ports(ports, UINT32_MAX, 0), -XEN_EINVAL);
    fake_answers.fault_start = ports;
    fake_answers.fault_size = 8;
    ck_assert_int_eq(poll_ports(ports, 2, 0), -XEN_EFAULT);
    fake_answers.fault_size = 0;
    ck_assert_int_eq(hypercall_sched_op(SCHEDOP_poll, CORE_START), -XEN_EFAULT);
    ck_assert_uint_eq(vcpus[0]->blocked, 0);
    ck_assert_uint_eq(domain->poll_count, 0);
}
END_TEST

START_TEST(poll_ends_with_its_timeout)
{
    evtchn_port_t port = 3;

    start(1);
    run_on_its_cpu(vcpus[0]);
    ck_assert_int_eq(poll_ports(&port, 1, fake_now + SECOND_NS / 2), 0);
    settle();
    pass(SECOND_NS / 4);
    ck_assert(!loaded(0));
    pass(SECOND_NS / 4);
    ck_assert(loaded(0));
    ck_assert_uint_eq(vcpus[0]->blocked, 0);
}
END_TEST

START_TEST(the_timeout_of_an_earlier_poll_ends_no_later_wait)
{
    evtchn_port_t port = 3;

    start(1);
    run_on_its_cpu(vcpus[0]);
    ck_assert_int_eq(poll_ports(&port, 1, fake_now + SECOND_NS / 2), 0);
    settle();
    vcpu_unblock(vcpus[0]);
    settle();
    use(0);
    ck_assert_int_eq(hypercall_sched_op(SCHEDOP_block, 0), 0);
    settle();
    pass(SECOND_NS);
    ck_assert(!loaded(0));
    vcpu_unblock(vcpus[0]);
    settle();
    use(0);
    ck_assert_int_eq(poll_ports(&port, 1, fake_now + SECOND_NS / 2), 0);
    settle();
    vcpu_unblock(vcpus[0]);
    settle();
    use(0);
    ck_assert_int_eq(poll_ports(&port, 1, 0), 0);
    settle();
    pass(SECOND_NS);
    ck_assert(!loaded(0));
}
END_TEST

/* ---- the end of a domain, watchdogs, unknown operations ----------------------------------------
 */

START_TEST(shutdown_passes_the_reason_on)
{
    struct sched_shutdown op = { .reason = SHUTDOWN_reboot };

    start(1);
    run_on_its_cpu(vcpus[0]);
    ck_assert_int_eq(hypercall_sched_op(SCHEDOP_shutdown, (uint64_t)&op), 0);
    ck_assert_uint_eq(fake.shutdowns, 1);
    ck_assert_uint_eq(fake.shutdown_code, SHUTDOWN_reboot);
    ck_assert_int_eq(hypercall_sched_op(SCHEDOP_shutdown, CORE_START), -XEN_EFAULT);
}
END_TEST

START_TEST(a_shutdown_code_is_remembered_once_and_stops_nothing)
{
    struct sched_shutdown op = { .reason = SHUTDOWN_crash };

    start(1);
    run_on_its_cpu(vcpus[0]);
    domain->shutdown_code = SHUTDOWN_CODE_NONE;
    ck_assert_int_eq(hypercall_sched_op(SCHEDOP_shutdown_code, (uint64_t)&op), 0);
    op.reason = SHUTDOWN_reboot;
    ck_assert_int_eq(hypercall_sched_op(SCHEDOP_shutdown_code, (uint64_t)&op), 0);
    ck_assert_uint_eq(domain->shutdown_code, SHUTDOWN_crash);
    ck_assert_uint_eq(fake.shutdowns, 0);
}
END_TEST

START_TEST(only_the_control_domain_shuts_others_down)
{
    struct sched_remote_shutdown op = { .domain_id = 2, .reason = SHUTDOWN_poweroff };
    struct domain *other = fake_domain_new(2, 1, false);

    start(1);
    run_on_its_cpu(vcpus[0]);
    domain->privileged = false;
    ck_assert_int_eq(hypercall_sched_op(SCHEDOP_remote_shutdown, (uint64_t)&op), -XEN_EPERM);
    domain->privileged = true;
    ck_assert_int_eq(hypercall_sched_op(SCHEDOP_remote_shutdown, (uint64_t)&op), 0);
    ck_assert_uint_eq(fake.shutdowns, 1);
    ck_assert(other->shutting_down);
    ck_assert_uint_eq(other->references, 1);
    op.domain_id = 3;
    ck_assert_int_eq(hypercall_sched_op(SCHEDOP_remote_shutdown, (uint64_t)&op), -XEN_ESRCH);
}
END_TEST

static long watchdog(uint32_t id, uint32_t timeout)
{
    struct sched_watchdog op = { .id = id, .timeout = timeout };

    use(0);
    return hypercall_sched_op(SCHEDOP_watchdog, (uint64_t)&op);
}

START_TEST(a_watchdog_bites_unless_it_is_fed)
{
    start(1);
    ck_assert_int_eq(watchdog(0, 2), 1);
    for (unsigned int i = 0; i < 4; i++) {
        pass(SECOND_NS);
        ck_assert_int_eq(watchdog(1, 2), 0);
    }
    ck_assert_uint_eq(fake.shutdowns, 0);
    pass(SECOND_NS * 2);
    ck_assert_uint_eq(fake.shutdowns, 1);
    ck_assert_uint_eq(fake.shutdown_code, SHUTDOWN_watchdog);
}
END_TEST

START_TEST(watchdogs_are_two_and_can_be_given_back)
{
    start(1);
    ck_assert_int_eq(watchdog(0, 0), -XEN_EINVAL);
    ck_assert_int_eq(watchdog(1, 1), -XEN_EINVAL);
    ck_assert_int_eq(watchdog(0, 1), 1);
    ck_assert_int_eq(watchdog(0, 1), 2);
    ck_assert_int_eq(watchdog(0, 1), -XEN_ENOSPC);
    ck_assert_int_eq(watchdog(3, 1), -XEN_EINVAL);
    ck_assert_int_eq(watchdog(UINT32_MAX, 1), -XEN_EINVAL);
    ck_assert_int_eq(watchdog(1, 0), 0);
    ck_assert_int_eq(watchdog(1, 0), -XEN_EINVAL);
    ck_assert_int_eq(watchdog(0, 1), 1);
    sched_watchdogs_stop(domain);
    pass(SECOND_NS * 3);
    ck_assert_uint_eq(fake.shutdowns, 0);
}
END_TEST

START_TEST(unknown_operations_do_not_exist)
{
    start(1);
    run_on_its_cpu(vcpus[0]);
    ck_assert_int_eq(hypercall_sched_op(8, 0), -XEN_ENOSYS);
    ck_assert_int_eq(hypercall_sched_op(UINT64_MAX, 0), -XEN_ENOSYS);
    ck_assert_int_eq(hypercall_sched_op(SCHEDOP_yield | (UINT64_C(1) << 32), 0), -XEN_ENOSYS);
}
END_TEST

/* ---- an event at each instruction ----------------------------------------------------------- */

static volatile unsigned int steps_left; /* to the instruction at which the event comes */
static volatile bool stepping;
static volatile bool late; /* it came when the vCPU had decided to sleep */

/* Another CPU sends an event, here after a single instruction of this one. */
static void trapped(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    if (!stepping || --steps_left != 0) {
        return;
    }
    stepping = false;
    late = softirq_pending();
    ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~0x100; /* enough */
    ports_pending[3] = true;
    atomic_swap(&vcpus[0]->info->evtchn_upcall_pending, 1);
    if ((atomic_load(&vcpus[0]->blocked) & VCPU_BLOCKED) != 0) {
        vcpu_unblock(vcpus[0]);
    }
}

/* RFLAGS.TF on or off: a SIGTRAP after each instruction. */
static void single_step(bool on)
{
    __asm__ volatile("pushfq; andq %0, (%%rsp); orq %1, (%%rsp); popfq"
                     :
                     : "r"(~UINT64_C(0x100)), "r"(on ? UINT64_C(0x100) : UINT64_C(0))
                     : "memory", "cc");
}

/* Call it with an event after so many instructions.  False if that was late. */
static bool call_with_event(void (*call)(void), unsigned int after)
{
    use(0);
    vcpus[0]->info->evtchn_upcall_pending = 0;
    vcpus[0]->info->evtchn_upcall_mask = 1;
    ports_pending[3] = false;
    steps_left = after;
    stepping = true;
    call();
    single_step(false);
    ck_assert(!stepping);
    return !late;
}

/* Stepping begins when the port has been copied: what comes before does not wait. */
size_t raw_copy_from_guest(void *to, const void __guest *from, size_t size)
{
    uintptr_t bad = (uintptr_t)fake_answers.fault_start;
    uintptr_t start = (uintptr_t)from;

    if (start >= CORE_START || (start >= bad && start < bad + fake_answers.fault_size)) {
        return size;
    }
    memcpy(to, from, size);
    if (stepping && size == sizeof(evtchn_port_t)) {
        single_step(true);
    }
    return 0;
}

static void call_poll(void)
{
    evtchn_port_t port = 3;

    (void)poll_ports(&port, 1, 0);
}

static void call_block(void)
{
    single_step(true);
    sched_block();
}

static void no_instruction_loses_the_event(void (*call)(void))
{
    struct sigaction action = { .sa_sigaction = trapped, .sa_flags = SA_SIGINFO };
    unsigned int after = 1;

    start(1);
    ck_assert_int_eq(sigaction(SIGTRAP, &action, NULL), 0);
    while (call_with_event(call, after)) {
        settle();
        if (!loaded(0)) {
            ck_abort_msg("asleep with an event that came after %u instructions", after);
        }
        after++;
    }
    settle();
    ck_assert(loaded(0));
    ck_assert_uint_gt(after, 20);
}

START_TEST(who_is_owed_an_nmi_does_not_block)
{
    start(1);
    use(0);
    vcpus[0]->pv.nmi_pending = true;
    sched_block();
    settle();
    ck_assert(loaded(0));
    vcpus[0]->pv.nmi_masked = true; /* it is in its handler: that one may block */
    sched_block();
    settle();
    ck_assert(!loaded(0));
}
END_TEST

START_TEST(an_event_at_any_instruction_of_block_is_seen)
{
    no_instruction_loses_the_event(call_block);
}
END_TEST

START_TEST(an_event_at_any_instruction_of_poll_is_seen)
{
    no_instruction_loses_the_event(call_poll);
}
END_TEST

/* ---- several CPUs --------------------------------------------------------------------------- */

START_TEST(vcpus_spread_over_idle_cpus)
{
    start(4);
    for (unsigned int i = 0; i < 4; i++) {
        ck_assert(loaded(i));
    }
}
END_TEST

START_TEST(a_vcpu_wakes_where_it_ran_last_if_that_is_idle)
{
    unsigned int cpu;

    start(2);
    cpu = vcpus[1]->cpu;
    for (unsigned int i = 0; i < 10; i++) {
        stop(1);
        settle();
        wake(1);
        settle();
        ck_assert(loaded(1));
        ck_assert_uint_eq(vcpus[1]->cpu, cpu);
    }
}
END_TEST

START_TEST(an_idle_cpu_takes_from_a_busy_one)
{
    start(5);
    stop(0);
    settle();
    for (unsigned int i = 1; i < 5; i++) {
        ck_assert(loaded(i));
    }
}
END_TEST

START_TEST(five_share_four_cpus)
{
    start(5);
    pass(SECOND_NS * 10);
    for (unsigned int i = 0; i < 5; i++) {
        ck_assert_uint_ge(ran_ns[i], SECOND_NS * 6);
        ck_assert_uint_le(ran_ns[i], SECOND_NS * 10);
    }
}
END_TEST

START_TEST(three_share_two_cpus_fairly)
{
    start(3);
    pass(SECOND_NS * 30);
    for (unsigned int i = 0; i < 3; i++) {
        ck_assert_uint_ge(ran_ns[i], SECOND_NS * 18);
        ck_assert_uint_le(ran_ns[i], SECOND_NS * 22);
    }
}
END_TEST

static const uint32_t weights[VCPUS] = { 1024, 256, 512, 256, 512, 256, 768, 256 };

/* Eight domains of unlike weights, the heavy ones first, so that they begin side by side. */
static uint32_t start_weighted(void)
{
    uint32_t sum = 0;

    for (unsigned int i = 0; i < VCPUS; i++) {
        struct domain *other = fake_domain_new((domid_t)(2 + i), 1, false);

        ck_assert_int_eq(sched_vcpu_create(other->vcpu[0]), 0);
        other->vcpu[0]->id = i;
        set_weight(other, weights[i]);
        sched_wake(other->vcpu[0]);
        sum += weights[i];
    }
    settle();
    return sum;
}

START_TEST(weights_hold_over_two_cpus)
{
    uint32_t sum = start_weighted();

    pass(SECOND_NS * 30);
    for (unsigned int i = 0; i < VCPUS; i++) {
        uint64_t share = SECOND_NS * 60 * weights[i] / sum;

        ck_assert_uint_ge(ran_ns[i], share / 100 * 96);
        ck_assert_uint_le(ran_ns[i], share / 100 * 104);
    }
}
END_TEST

/* Also where one runs that makes up for what it missed on another CPU. */
START_TEST(a_woken_vcpu_does_not_wait_for_those_that_catch_up)
{
    (void)start_weighted();
    for (unsigned int round = 0; round < 500; round++) {
        pass(SECOND_NS / 100);
        wake(1);
        settle();
        for (unsigned int step = 0; !loaded(1); step++) {
            ck_assert_uint_le(step, 50); /* a slice */
            pass(STEP_NS);
        }
        stop(1);
        settle();
    }
}
END_TEST

START_TEST(hard_affinity_holds_even_if_others_are_idle)
{
    struct cpumask hard = only(1), soft = only(1), read_hard, read_soft;

    for (unsigned int i = 0; i < 3; i++) {
        ck_assert_int_eq(sched_affinity_set(vcpus[i], &hard, &soft), 0);
    }
    sched_affinity_get(vcpus[0], &read_hard, &read_soft);
    ck_assert_mem_eq(&read_hard, &hard, sizeof(hard));
    start(3);
    pass(SECOND_NS);
    ck_assert(on(0)->is_idle);
    for (unsigned int i = 0; i < 3; i++) {
        ck_assert_uint_eq(vcpus[i]->cpu, 1);
        ck_assert_uint_ge(ran_ns[i], SECOND_NS / 4);
    }
    ck_assert_uint_eq(sched_pinned_cpu(vcpus[0]), 1);
    ck_assert_uint_eq(sched_pinned_cpu(vcpus[3]), CPU_LIMIT);
}
END_TEST

START_TEST(changing_the_affinity_moves_a_vcpu_that_runs_and_one_that_waits)
{
    struct cpumask one = only(1), two = only(2);

    ck_assert_int_eq(sched_affinity_set(vcpus[0], &one, &one), 0);
    ck_assert_int_eq(sched_affinity_set(vcpus[1], &one, &one), 0);
    start(2);
    ck_assert_int_eq(sched_affinity_set(vcpus[0], &two, &two), 0);
    settle();
    ck_assert(loaded(0));
    ck_assert_uint_eq(vcpus[0]->cpu, 2);
    ck_assert(loaded(1));
    ck_assert_int_eq(sched_affinity_set(vcpus[1], &two, &two), 0);
    settle();
    ck_assert_uint_eq(vcpus[1]->cpu, 2);
    ck_assert(on(1)->is_idle);
}
END_TEST

START_TEST(an_affinity_without_a_running_cpu_is_refused)
{
    struct cpumask none = { { 0 } }, far = only(200);

    ck_assert_int_eq(sched_affinity_set(vcpus[0], &none, &none), -XEN_EINVAL);
    ck_assert_int_eq(sched_affinity_set(vcpus[0], &far, &far), -XEN_EINVAL);
}
END_TEST

START_TEST(soft_affinity_is_a_wish)
{
    struct cpumask all, wish = only(3);

    memset(&all, 0xff, sizeof(all));
    for (unsigned int i = 0; i < 2; i++) {
        ck_assert_int_eq(sched_affinity_set(vcpus[i], &all, &wish), 0);
    }
    vcpus[0]->cpu = 0;
    start(2);
    ck_assert(loaded(0) && loaded(1));
}
END_TEST

static long pin(int32_t cpu)
{
    struct sched_pin_override op = { .pcpu = cpu };

    run_on_its_cpu(vcpus[0]);
    return hypercall_sched_op(SCHEDOP_pin_override, (uint64_t)&op);
}

START_TEST(pinning_moves_the_caller_until_it_is_undone)
{
    start(1);
    ck_assert_int_eq(pin(-1), -XEN_EINVAL);
    ck_assert_int_eq(pin(64), -XEN_EINVAL);
    ck_assert_int_eq(pin(2), 0);
    settle();
    ck_assert(loaded(0));
    ck_assert_uint_eq(vcpus[0]->cpu, 2);
    ck_assert_int_eq(pin(1), -XEN_EBUSY);
    ck_assert_uint_eq(sched_pinned_cpu(vcpus[0]), 2);
    ck_assert_int_eq(pin(-1), 0);
    ck_assert_uint_eq(sched_pinned_cpu(vcpus[0]), CPU_LIMIT);
    domain->privileged = false;
    ck_assert_int_eq(pin(1), -XEN_EPERM);
}
END_TEST

START_TEST(a_kick_interrupts_only_another_cpu_that_runs_it)
{
    start(2);
    fake.ipis = 0;
    run_on_its_cpu(vcpus[0]);
    sched_kick(vcpus[0]);
    ck_assert_uint_eq(fake.ipis, 0);
    sched_kick(vcpus[1]);
    ck_assert_uint_eq(fake.ipis, 1);
    stop(1);
    settle();
    fake.ipis = 0;
    sched_kick(vcpus[1]);
    ck_assert_uint_eq(fake.ipis, 0);
}
END_TEST

/* Is a CPU idle that may run something that waits elsewhere? */
static bool wasted(void)
{
    for (unsigned int i = 0; i < VCPUS; i++) {
        if (!vcpu_runnable(vcpus[i]) || loaded(i)) {
            continue;
        }
        for (unsigned int cpu = 0; cpu < cpus_used; cpu++) {
            struct cpumask hard, soft;

            sched_affinity_get(vcpus[i], &hard, &soft);
            if (on(cpu)->is_idle && cpumask_has(&hard, cpu)) {
                return true;
            }
        }
    }
    return false;
}

static void do_anything(void)
{
    unsigned int id = (unsigned int)rand() % VCPUS;
    struct cpumask hard = { { 1 + (unsigned int)rand() % ((1u << CPUS) - 1) } };

    use((unsigned int)rand() % cpus_used);
    switch (rand() % 6) {
    case 0:
        stop(id);
        break;
    case 1:
    case 2:
        wake(id);
        break;
    case 3:
        ck_assert_int_eq(sched_affinity_set(vcpus[id], &hard, &hard), 0);
        break;
    case 4:
        if (!current->is_idle) {
            sched_give_way();
        }
        break;
    default:
        softirq_raise(SOFTIRQ_SCHEDULE);
        work_off(cpu_id());
        break;
    }
}

START_TEST(whatever_happens_no_runnable_vcpu_is_forgotten)
{
    srand(3);
    for (unsigned int step = 0; step < 5000; step++) {
        do_anything();
        if (step % 8 != 0) {
            continue;
        }
        settle();
        ck_assert(!wasted());
        for (unsigned int i = 0; i < VCPUS; i++) {
            ck_assert_int_eq(vcpus[i]->running, loaded(i));
            ck_assert(vcpu_runnable(vcpus[i]) || !loaded(i));
            ck_assert(vcpu_runnable(vcpus[i]) == (states[i] <= RUNSTATE_runnable));
            ck_assert(loaded(i) == (states[i] == RUNSTATE_running));
        }
        pass(STEP_NS * (unsigned int)(rand() % 100));
    }
    for (unsigned int i = 0; i < VCPUS; i++) {
        wake(i);
    }
    settle();
    memset(ran_ns, 0, sizeof(ran_ns));
    pass(SECOND_NS);
    for (unsigned int i = 0; i < VCPUS; i++) {
        ck_assert_uint_ge(ran_ns[i], SECOND_NS / 20);
    }
}
END_TEST

/* ---- block against wake, with real threads ----------------------------------------------------
 */

#define ROUNDS 20000u

static _Atomic unsigned int sent, received;

/* So that the two threads meet now here, now there. */
static void dawdle(unsigned int steps)
{
    for (volatile unsigned int i = 0; i < steps; i++) {
    }
}

/* CPU 1: whenever the vCPU has seen the last event, the next. */
static void *sender(void *argument)
{
    (void)argument;
    fake_cpu_use(1, idle_vcpus[1]);
    for (unsigned int i = 0; i < ROUNDS; i++) {
        for (unsigned int spins = 0; received != i; spins++) {
            if (spins > 10000) {
                (void)syscall(SYS_sched_yield);
            }
        }
        dawdle(i % 31);
        sent = i + 1;
        atomic_swap(&vcpus[0]->info->evtchn_upcall_pending, 1);
        vcpu_unblock(vcpus[0]);
    }
    return NULL;
}

START_TEST(no_event_is_lost_between_looking_and_blocking)
{
    struct cpumask here = only(0);
    pthread_t thread;

    ck_assert_int_eq(sched_affinity_set(vcpus[0], &here, &here), 0);
    start(1);
    use(0);
    threads = true;
    pthread_create(&thread, NULL, sender, NULL);
    for (;;) {
        if (vcpus[0]->info->evtchn_upcall_pending != 0) {
            vcpus[0]->info->evtchn_upcall_pending = 0;
            received = sent;
            dawdle(received % 257);
        }
        if (received == ROUNDS) {
            break;
        }
        sched_block();
        while (softirq_pending()) {
            work_off(0); /* back when the vCPU is loaded again */
        }
    }
    pthread_join(thread, NULL);
    ck_assert_uint_eq(received, ROUNDS);
}
END_TEST

static void add_one_cpu_tests(TCase *one)
{
    tcase_add_checked_fixture(one, one_cpu, NULL);
    tcase_add_test(one, a_woken_vcpu_runs_on_an_idle_cpu);
    tcase_add_test(one, a_vcpu_that_may_not_run_is_not_woken);
    tcase_add_test(one, a_vcpu_alone_has_no_slices);
    tcase_add_test(one, equals_share_alike);
    tcase_add_test(one, slices_are_milliseconds);
    tcase_add_test(one, twice_the_weight_is_twice_the_time);
    tcase_add_test(one, nonsense_weights_are_refused);
    tcase_add_test(one, one_that_slept_long_runs_at_once_but_does_not_make_up_for_it);
    tcase_add_test(one, a_woken_vcpu_lets_who_was_just_loaded_get_on);
    tcase_add_test(one, one_that_sleeps_briefly_is_no_better_off);
    tcase_add_test(one, yield_alone_costs_no_decision);
    tcase_add_test(one, yield_lets_those_that_wait_go_first);
    tcase_add_test(one, a_vcpu_put_to_sleep_leaves_its_cpu);
    tcase_add_test(one, a_vcpu_that_is_down_is_offline_a_blocked_one_blocked_whatever_else);
    tcase_add_test(one, a_vcpu_woken_before_it_is_put_to_sleep_stays_queued);
    tcase_add_test(one, a_vcpu_woken_before_its_cpu_decides_stays);
    tcase_add_test(one, idle_time_is_counted);
    tcase_add_test(one, block_waits_for_an_event);
    tcase_add_test(one, block_returns_at_once_when_an_event_is_pending_masked_or_not);
    tcase_add_test(one, poll_waits_for_its_port);
    tcase_add_test(one, poll_returns_at_once_when_there_is_nothing_to_wait_for);
    tcase_add_test(one, poll_refuses_bad_arguments_and_does_not_wait);
    tcase_add_test(one, poll_ends_with_its_timeout);
    tcase_add_test(one, the_timeout_of_an_earlier_poll_ends_no_later_wait);
    tcase_add_test(one, who_is_owed_an_nmi_does_not_block);
    tcase_add_test(one, an_event_at_any_instruction_of_block_is_seen);
    tcase_add_test(one, an_event_at_any_instruction_of_poll_is_seen);
    tcase_add_test(one, shutdown_passes_the_reason_on);
    tcase_add_test(one, a_shutdown_code_is_remembered_once_and_stops_nothing);
    tcase_add_test(one, only_the_control_domain_shuts_others_down);
    tcase_add_test(one, a_watchdog_bites_unless_it_is_fed);
    tcase_add_test(one, watchdogs_are_two_and_can_be_given_back);
    tcase_add_test(one, unknown_operations_do_not_exist);
}

static void add_smp_tests(TCase *two, TCase *four)
{
    tcase_add_checked_fixture(two, two_cpus, NULL);
    tcase_set_timeout(two, 60);
    tcase_add_test(two, three_share_two_cpus_fairly);
    tcase_add_test(two, weights_hold_over_two_cpus);
    tcase_add_test(two, a_woken_vcpu_does_not_wait_for_those_that_catch_up);
    tcase_add_test(two, no_event_is_lost_between_looking_and_blocking);
    tcase_add_checked_fixture(four, four_cpus, NULL);
    tcase_set_timeout(four, 60);
    tcase_add_test(four, vcpus_spread_over_idle_cpus);
    tcase_add_test(four, a_vcpu_wakes_where_it_ran_last_if_that_is_idle);
    tcase_add_test(four, an_idle_cpu_takes_from_a_busy_one);
    tcase_add_test(four, five_share_four_cpus);
    tcase_add_test(four, hard_affinity_holds_even_if_others_are_idle);
    tcase_add_test(four, changing_the_affinity_moves_a_vcpu_that_runs_and_one_that_waits);
    tcase_add_test(four, an_affinity_without_a_running_cpu_is_refused);
    tcase_add_test(four, soft_affinity_is_a_wish);
    tcase_add_test(four, pinning_moves_the_caller_until_it_is_undone);
    tcase_add_test(four, a_kick_interrupts_only_another_cpu_that_runs_it);
    tcase_add_test(four, whatever_happens_no_runnable_vcpu_is_forgotten);
}

int main(void)
{
    Suite *suite = suite_create("sched");
    TCase *one = suite_case(suite, "one CPU");
    TCase *two = suite_case(suite, "two CPUs");
    TCase *four = suite_case(suite, "four CPUs");

    tcase_set_timeout(one, 60);
    add_one_cpu_tests(one);
    add_smp_tests(two, four);
    return suite_run(suite);
}
