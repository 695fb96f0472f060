/* SPDX-License-Identifier: MIT */
/*
 * What a guest is told about time, and its timers.
 *
 * The clock a vCPU is shown is that of the CPU it runs on; on a machine whose
 * TSCs agree that is one clock for all, written once.  Areas a guest registers
 * are virtual addresses: they are written while its kernel's page tables are
 * loaded, and what cannot be written is tried again when it is loaded next.
 */
#include "hypervisor/time/vcpu_time.h"

#include "hypervisor/event/event.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/time/clock.h"
#include "hypervisor/x86/percpu.h"
#include "hypervisor/x86/tlb.h"

#define PERIOD_LEAST_NS UINT64_C(1000000)
#define PERIOD_START_NS \
    UINT64_C(10000000) /* a vCPU ticks from the start, until it says otherwise */
#define PERIOD_MOST_NS (UINT64_C(1) << 60)
#define ABSURD_SHIFT   50
#define BASE_UNKNOWN   UINT64_MAX

struct vcpu_time {
    uint32_t version;        /* of the clock as published, even; the guest's copy is never read */
    uint64_t published_base; /* clock_tsc_base() it was made from */
    uint64_t clock_area;     /* registered copy: guest address, 0 if none */
    bool clock_area_late;    /* could not be written */

    uint64_t runstate_area;             /* likewise */
    _Atomic uint32_t runstate_version;  /* odd while `runstate` is changed */
    struct vcpu_runstate_info runstate; /* under the run queue's lock */

    struct timer singleshot;
    struct timer periodic;      /* armed while the vCPU is loaded */
    _Atomic uint64_t period_ns; /* 0: none */
    _Atomic uint64_t last_tick_ns;
};

/* ---- runstate ------------------------------------------------------------------------------- */

void vcpu_time_runstate(struct vcpu *vcpu, int state, uint64_t now)
{
    struct vcpu_time *time = vcpu->time;
    struct vcpu_runstate_info *runstate = &time->runstate;
    uint32_t version;

    if (runstate->state == state) {
        return;
    }
    version = atomic_load_explicit(&time->runstate_version, memory_order_relaxed);
    atomic_store(&time->runstate_version, version + 1);
    /* CPUs' clocks may differ a little where the TSCs do: never count backwards. */
    if (now > runstate->state_entry_time) {
        runstate->time[runstate->state] += now - runstate->state_entry_time;
        runstate->state_entry_time = now;
    }
    runstate->state = state;
    atomic_store_explicit(&time->runstate_version, version + 2, memory_order_release);
}

/* As it was at its last change. */
static inline void runstate_read(const struct vcpu_time *time, struct vcpu_runstate_info *out)
{
    uint32_t version;

    do {
        version = atomic_load_explicit(&time->runstate_version, memory_order_acquire);
        *out = time->runstate;
        atomic_thread_fence(memory_order_acquire);
    } while ((version & 1) != 0 ||
             version != atomic_load_explicit(&time->runstate_version, memory_order_relaxed));
}

inline void vcpu_time_runstate_get(const struct vcpu *vcpu, struct vcpu_runstate_info *out)
{
    uint64_t now = clock_now();

    runstate_read(vcpu->time, out);
    if (now > out->state_entry_time) {
        out->time[out->state] += now - out->state_entry_time;
    }
}

long vcpu_time_runstate_tell(const struct vcpu *vcpu, uint64_t guest_address)
{
    union {
        struct vcpu_runstate_info info;
        uint64_t words[sizeof(struct vcpu_runstate_info) / 8];
    } now;

    vcpu_time_runstate_get(vcpu, &now.info);
    return copy_words_to_guest(guest_address, now.words, ARRAY_SIZE(now.words));
}

/*
 * Copy to the guest.  With the assist, readers see XEN_RUNSTATE_UPDATE set before
 * any other byte changes and cleared after all have; x86 keeps stores in order.
 */
static void runstate_write(const struct vcpu *vcpu, uint64_t address)
{
    struct vcpu_runstate_info __guest *area = guest_pointer(struct vcpu_runstate_info, address);
    uint64_t __guest *entry =
        guest_pointer(uint64_t, address + offsetof(struct vcpu_runstate_info, state_entry_time));
    struct vcpu_runstate_info copy;

    runstate_read(vcpu->time, &copy);
    if (!vm_assisted(vcpu->domain, VMASST_TYPE_runstate_update_flag)) {
        (void)!copy_to_guest(area, &copy);
        return;
    }
    copy.state_entry_time |= XEN_RUNSTATE_UPDATE;
    if (copy_to_guest(entry, &copy.state_entry_time) != 0 || copy_to_guest(area, &copy) != 0) {
        return;
    }
    copy.state_entry_time &= ~XEN_RUNSTATE_UPDATE;
    (void)!copy_to_guest(entry, &copy.state_entry_time);
}

/* ---- the clock ------------------------------------------------------------------------------ */

static struct vcpu_time_info clock_info(const struct vcpu_time *time)
{
    struct clock_scale scale = clock_scale();

    return (struct vcpu_time_info){
        .version = time->version,
        .tsc_timestamp = time->published_base,
        .system_time = 0,
        .tsc_to_system_mul = scale.mul,
        .tsc_shift = scale.shift,
        .flags = clock_tsc_stable() ? XEN_PVCLOCK_TSC_STABLE_BIT : 0,
    };
}

static void clock_area_write(struct vcpu_time *time)
{
    struct vcpu_time_info info = clock_info(time);
    uint32_t __guest *version =
        guest_pointer(uint32_t, time->clock_area + offsetof(struct vcpu_time_info, version));

    info.version = time->version - 1;
    time->clock_area_late =
        copy_to_guest(version, &info.version) != 0 ||
        copy_to_guest(guest_pointer(struct vcpu_time_info, time->clock_area), &info) != 0 ||
        copy_to_guest(version, &time->version) != 0;
}

void vcpu_time_publish(struct vcpu *vcpu)
{
    struct vcpu_time *time = vcpu->time;
    struct vcpu_time_info *shown = &vcpu->info->time;
    struct vcpu_time_info info;

    time->published_base = clock_tsc_base();
    time->version += 2;
    info = clock_info(time);
    write_once(shown->version, time->version - 1);
    atomic_signal_fence(memory_order_seq_cst);
    info.version = time->version - 1;
    *shown = info;
    atomic_signal_fence(memory_order_seq_cst);
    write_once(shown->version, time->version);
    time->clock_area_late = time->clock_area != 0;
}

/* Write what is due into areas at virtual addresses of the vCPU that is loaded. */
static cold_path void write_areas(struct vcpu *vcpu)
{
    struct vcpu_time *time = vcpu->time;
    bool user_tables = !vcpu->pv.kernel_mode;

    if (user_tables) {
        tlb_load_cr3(vcpu->pv.kernel_cr3);
    }
    if (time->runstate_area != 0) {
        runstate_write(vcpu, time->runstate_area);
    }
    if (time->clock_area_late) {
        clock_area_write(time);
    }
    if (user_tables) {
        tlb_load_cr3(vcpu->pv.user_cr3);
    }
}

/* ---- timers --------------------------------------------------------------------------------- */

static void singleshot_expired(void *argument)
{
    event_send_vcpu_virq(argument, VIRQ_TIMER);
}

/* Tick if it is time, and arm for the next. */
static void periodic_go_on(struct vcpu *vcpu)
{
    struct vcpu_time *time = vcpu->time;
    uint64_t period = atomic_load(&time->period_ns);
    uint64_t now = clock_now();

    if (period == 0) {
        return;
    }
    if (now >= atomic_load(&time->last_tick_ns) + period) {
        atomic_store(&time->last_tick_ns, now);
        event_send_vcpu_virq(vcpu, VIRQ_TIMER);
    }
    timer_set(&time->periodic, atomic_load(&time->last_tick_ns) + period);
}

static void periodic_expired(void *argument)
{
    struct vcpu *vcpu = argument;

    /* A vCPU that sleeps has no ticks; it gets one when it is loaded again. */
    if (atomic_load(&vcpu->running)) {
        periodic_go_on(vcpu);
    }
}

long vcpu_time_set_singleshot(struct vcpu *vcpu, uint64_t deadline_ns, uint32_t flags)
{
    deadline_ns = (int64_t)deadline_ns < 0 ? 0 : deadline_ns; /* the ABI's times are signed */
    if ((flags & VCPU_SSHOTTMR_future) != 0 && deadline_ns < clock_now()) {
        return -XEN_ETIME;
    }
    timer_set(&vcpu->time->singleshot, deadline_ns);
    return 0;
}

long vcpu_time_stop_singleshot(struct vcpu *vcpu)
{
    timer_stop(&vcpu->time->singleshot);
    return 0;
}

long vcpu_time_set_periodic(struct vcpu *vcpu, uint64_t period_ns)
{
    struct vcpu_time *time = vcpu->time;

    if (period_ns < PERIOD_LEAST_NS || period_ns > PERIOD_MOST_NS) {
        return -XEN_EINVAL;
    }
    atomic_store(&time->last_tick_ns, clock_now());
    atomic_store(&time->period_ns, period_ns);
    if (atomic_load(&vcpu->running)) {
        periodic_go_on(vcpu);
    }
    return 0;
}

long vcpu_time_stop_periodic(struct vcpu *vcpu)
{
    atomic_store(&vcpu->time->period_ns, 0);
    timer_stop(&vcpu->time->periodic);
    return 0;
}

long hypercall_set_timer_op(uint64_t deadline_ns)
{
    if (deadline_ns == 0) {
        return vcpu_time_stop_singleshot(current);
    }
    if (unlikely((deadline_ns >> ABSURD_SHIFT) != 0)) {
        uint64_t now = clock_now();

        /* Weeks away or negative: a guest whose arithmetic overflowed.  Soon, as Xen does. */
        if ((int64_t)deadline_ns < 0 ||
            (deadline_ns > now && (deadline_ns - now) >> ABSURD_SHIFT != 0)) {
            deadline_ns = now + NANOSECONDS / 10;
        }
    }
    timer_set(&current->time->singleshot, deadline_ns);
    return 0;
}

/* ---- loaded and unloaded -------------------------------------------------------------------- */

void vcpu_time_loaded(struct vcpu *vcpu)
{
    struct vcpu_time *time = vcpu->time;

    if (unlikely(time->published_base != clock_tsc_base())) {
        vcpu_time_publish(vcpu);
    }
    if (time->runstate_area != 0 || time->clock_area_late) {
        write_areas(vcpu);
    }
    timer_bring(&time->singleshot);
    if (unlikely(atomic_load_explicit(&time->period_ns, memory_order_relaxed) != 0)) {
        periodic_go_on(vcpu);
    }
}

void vcpu_time_unloaded(struct vcpu *vcpu)
{
    struct vcpu_time *time = vcpu->time;

    if (unlikely(atomic_load_explicit(&time->period_ns, memory_order_relaxed) != 0)) {
        timer_stop(&time->periodic);
    }
    /* Whoever waits for its locks sees that it does not run; nobody holds one in user mode. */
    if (time->runstate_area != 0 && time->runstate.state == RUNSTATE_runnable &&
        vcpu->pv.kernel_mode) {
        runstate_write(vcpu, time->runstate_area);
    }
}

/* ---- registering areas ---------------------------------------------------------------------- */

static bool area_ok(uint64_t address, size_t size)
{
    uint64_t last = address + size - 1;

    return last >= address && address_canonical(address) && address_canonical(last) &&
           guest_address_ok(address) && guest_address_ok(last);
}

long vcpu_time_register_runstate(struct vcpu *vcpu, uint64_t guest_address)
{
    if (!area_ok(guest_address, sizeof(struct vcpu_runstate_info))) {
        return -XEN_EFAULT;
    }
    vcpu->time->runstate_area = guest_address;
    if (guest_address != 0) {
        runstate_write(vcpu, guest_address);
    }
    return 0;
}

long vcpu_time_register_clock(struct vcpu *vcpu, uint64_t guest_address)
{
    if (!area_ok(guest_address, sizeof(struct vcpu_time_info))) {
        return -XEN_EFAULT;
    }
    vcpu->time->clock_area = guest_address;
    vcpu->time->clock_area_late = false;
    if (guest_address != 0) {
        clock_area_write(vcpu->time);
    }
    return 0;
}

/* ---- the wall clock ------------------------------------------------------------------------- */

static struct spinlock wall_lock = SPINLOCK_INIT(RANK_TIMER); /* one writer of wc_* at a time */

void domain_wall_clock_publish(const struct domain *domain)
{
    struct shared_info *shared = domain->shared_info;
    uint64_t seconds;
    uint32_t nanoseconds, version;

    if (shared == NULL) {
        return;
    }
    spin_lock(&wall_lock);
    clock_wall_get(&seconds, &nanoseconds);
    seconds += (uint64_t)domain->time_offset_seconds;
    version = (read_once(shared->wc_version) + 1) | 1;
    write_once(shared->wc_version, version);
    atomic_signal_fence(memory_order_seq_cst);
    write_once(shared->wc_sec, (uint32_t)seconds);
    write_once(shared->wc_sec_hi, (uint32_t)(seconds >> 32));
    write_once(shared->wc_nsec, nanoseconds);
    atomic_signal_fence(memory_order_seq_cst);
    write_once(shared->wc_version, version + 1);
    spin_unlock(&wall_lock);
}

/* ---- life ----------------------------------------------------------------------------------- */

int vcpu_time_create(struct vcpu *vcpu)
{
    struct vcpu_time *time = heap_alloc(sizeof(*time));

    if (time == NULL) {
        return -XEN_ENOMEM;
    }
    timer_init(&time->singleshot, singleshot_expired, vcpu);
    timer_init(&time->periodic, periodic_expired, vcpu);
    time->runstate.state = RUNSTATE_offline;
    time->runstate.state_entry_time = clock_now();
    time->period_ns = PERIOD_START_NS;
    time->last_tick_ns = time->runstate.state_entry_time;
    time->published_base = BASE_UNKNOWN; /* published when it is loaded, at the latest */
    vcpu->time = time;
    return 0;
}

void vcpu_time_stop(struct vcpu *vcpu)
{
    struct vcpu_time *time = vcpu->time;

    (void)vcpu_time_stop_singleshot(vcpu);
    (void)vcpu_time_stop_periodic(vcpu);
    time->runstate_area = 0;
    time->clock_area = 0;
    time->clock_area_late = false;
}

void vcpu_time_destroy(struct vcpu *vcpu)
{
    if (vcpu->time != NULL) {
        vcpu_time_stop(vcpu);
        heap_free(vcpu->time);
        vcpu->time = NULL;
    }
}
