/* SPDX-License-Identifier: MIT */
/*
 * The scheduler.  docs/hypervisor/scheduling.md tells the whole; in short:
 *
 * A vCPU is asleep, queued on one CPU, or loaded on one.  vcpu.cpu says whose
 * run queue it belongs to and changes only under the lock (RANK_SCHEDULER) of
 * the queue it names, while running only by the CPU that gives it up.  Nobody loads a vCPU whose
 * `running` is set: it is cleared after context_switch() has saved it.
 *
 * Flags that stop a vCPU (blocked, the pause counts) are set before a queue is
 * locked and read after, so that one of two CPUs always sees the other.
 */
#include "hypervisor/sched/sched.h"

#include "guest-pv-headers/errno.h"
#include "hypervisor/event/event.h"
#include "hypervisor/lib/log.h"
#include "hypervisor/lib/panic.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/sched/vcpu_sched.h"
#include "hypervisor/time/clock.h"
#include "hypervisor/time/vcpu_time.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/entry.h"
#include "hypervisor/x86/percpu.h"
#include "hypervisor/x86/smp.h"

#define SLICE_NS  UINT64_C(5000000)  /* how long one runs while others wait */
#define AHEAD_NS  UINT64_C(1000000)  /* who is that much ahead gives way to a waking vCPU */
#define LEAST_NS  UINT64_C(2000000)  /* but not before it has run for that long */
#define BEHIND_NS UINT64_C(3000000)  /* how far behind one may come, from sleep or another CPU */
#define FORGET_NS UINT64_C(20000000) /* CPUs further apart than that begin anew */

struct run_queue {
    struct spinlock lock; /* all below */
    struct list waiting;  /* struct vcpu_sched.link, by virtual time */
    uint32_t count;       /* of those; read by others without the lock */
    uint32_t cpu;
    struct vcpu *loaded; /* runs here, or the idle vCPU */
    struct vcpu *idle;
    uint64_t virtual_ns; /* least virtual time here, never goes back */
    uint64_t offset_ns;  /* what makes virtual times here comparable with those of other CPUs */
    uint64_t charged_ns; /* up to this instant `loaded` has been charged */
    uint64_t loaded_ns;  /* since this instant it is `loaded` */
    uint64_t idle_ns;    /* time spent idle before charged_ns */
    struct timer slice;  /* armed on this CPU while others wait */
    bool slice_armed;
    bool slice_over;
    bool yields;
} __attribute__((aligned(64)));

static struct run_queue queues[CPU_LIMIT];
static struct cpumask idle_cpus; /* wait in HLT, or are about to */

static struct vcpu *vcpu_of(struct list *link)
{
    return container_of(link, struct vcpu_sched, link)->vcpu;
}

static bool before(uint64_t a, uint64_t b)
{
    return (int64_t)(a - b) < 0;
}

static bool may_run_on(const struct vcpu *vcpu, unsigned int cpu)
{
    const struct vcpu_sched *sched = vcpu->sched;

    return sched->pinned == PINNED_NOWHERE ? cpumask_has(&sched->hard, cpu) : sched->pinned == cpu;
}

static struct run_queue *lock_queue_of(const struct vcpu *vcpu) NO_LOCK_ANALYSIS
{
    for (;;) {
        uint32_t cpu = read_once(vcpu->cpu);

        spin_lock(&queues[cpu].lock);
        if (likely(read_once(vcpu->cpu) == cpu)) {
            return &queues[cpu];
        }
        spin_unlock(&queues[cpu].lock);
    }
}

/* ---- the order of a queue ------------------------------------------------------------------- */

static void queue_insert(struct run_queue *queue, struct vcpu *vcpu) REQUIRES(queue->lock)
{
    struct vcpu_sched *sched = vcpu->sched;
    struct list *place = queue->waiting.prev;

    /* From the end: who comes back from running is late, and behind its equals. */
    while (place != &queue->waiting &&
           before(sched->virtual_ns, vcpu_of(place)->sched->virtual_ns)) {
        place = place->prev;
    }
    list_insert_before(place->next, &sched->link);
    sched->queued = true;
    write_once(queue->count, queue->count + 1);
}

static void queue_remove(struct run_queue *queue, struct vcpu *vcpu) REQUIRES(queue->lock)
{
    list_remove(&vcpu->sched->link);
    vcpu->sched->queued = false;
    write_once(queue->count, queue->count - 1);
}

/* The next to run: one that is still being saved on another CPU is not ready. */
static struct vcpu *queue_first(struct run_queue *queue) REQUIRES(queue->lock)
{
    struct list *link;

    FOR_EACH_LINK(link, &queue->waiting)
    {
        if (!atomic_load_explicit(&vcpu_of(link)->running, memory_order_acquire)) {
            return vcpu_of(link);
        }
    }
    return NULL;
}

static uint64_t virtual_of(const struct vcpu_sched *sched, uint64_t ns)
{
    return sched->weight == SCHED_WEIGHT_DEFAULT ? ns : ns * SCHED_WEIGHT_DEFAULT / sched->weight;
}

/* Charge who runs for its time up to now. */
static void charge(struct run_queue *queue, uint64_t now) REQUIRES(queue->lock)
{
    struct vcpu *loaded = queue->loaded;
    uint64_t passed = before(queue->charged_ns, now) ? now - queue->charged_ns : 0;
    uint64_t least;

    queue->charged_ns += passed;
    if (loaded->is_idle) {
        queue->idle_ns += passed;
        return;
    }
    loaded->sched->virtual_ns += virtual_of(loaded->sched, passed);
    least = loaded->sched->virtual_ns;
    if (!list_empty(&queue->waiting) &&
        before(vcpu_of(queue->waiting.next)->sched->virtual_ns, least)) {
        least = vcpu_of(queue->waiting.next)->sched->virtual_ns;
    }
    if (before(queue->virtual_ns, least)) {
        write_once(queue->virtual_ns, least);
    }
}

/* How far those of a CPU have come, whatever CPU it is. */
static uint64_t progress(const struct run_queue *queue)
{
    return read_once(queue->virtual_ns) + read_once(queue->offset_ns);
}

static bool is_behind(const struct run_queue *queue, const struct run_queue *other, uint64_t ns)
{
    return before(progress(queue) + ns, progress(other));
}

/* It leaves one queue for another: its distance from the others stays. */
static void change_cpu(struct vcpu *vcpu, unsigned int to)
{
    vcpu->sched->virtual_ns +=
        read_once(queues[to].virtual_ns) - read_once(queues[vcpu->cpu].virtual_ns);
    write_once(vcpu->cpu, to);
}

/* ---- where a vCPU goes -------------------------------------------------------------------- */

static unsigned int first_of(const struct cpumask *a, const struct cpumask *b)
{
    struct cpumask both = cpumask_and(a, b);

    return cpumask_next(&both, 0);
}

/* An idle CPU that may run it, one of its own choice first; CPU_LIMIT if there is none. */
static unsigned int idle_cpu_for(const struct vcpu *vcpu)
{
    const struct vcpu_sched *sched = vcpu->sched;
    struct cpumask wanted;
    unsigned int cpu;

    if (sched->pinned != PINNED_NOWHERE) {
        return cpumask_has(&idle_cpus, sched->pinned) ? sched->pinned : CPU_LIMIT;
    }
    wanted = cpumask_and(&sched->hard, &sched->soft);
    cpu = first_of(&idle_cpus, &wanted);
    return cpu != CPU_LIMIT ? cpu : first_of(&idle_cpus, &sched->hard);
}

static unsigned int choose_cpu(const struct vcpu *vcpu)
{
    unsigned int last = vcpu->cpu;
    bool last_fits = may_run_on(vcpu, last);
    unsigned int cpu;

    if (last_fits && cpumask_has(&idle_cpus, last)) {
        return last;
    }
    cpu = idle_cpu_for(vcpu);
    if (cpu != CPU_LIMIT) {
        return cpu;
    }
    if (last_fits) {
        return last;
    }
    if (vcpu->sched->pinned != PINNED_NOWHERE) {
        return vcpu->sched->pinned;
    }
    cpu = first_of(&cpus_online, &vcpu->sched->hard);
    return cpu != CPU_LIMIT ? cpu : last;
}

static void enqueue(struct run_queue *queue, struct vcpu *vcpu, uint64_t now) REQUIRES(queue->lock)
{
    uint64_t earliest;

    charge(queue, now); /* who runs alone has not been for long, and the least time is old */
    earliest = queue->virtual_ns - BEHIND_NS;
    if (before(vcpu->sched->virtual_ns, earliest)) {
        vcpu->sched->virtual_ns = earliest;
    }
    queue_insert(queue, vcpu);
    if (queue->loaded->is_idle) {
        cpumask_remove(&idle_cpus, queue->cpu);
    }
    vcpu_time_runstate(vcpu, RUNSTATE_runnable, now);
}

/* The same, and have the queue's CPU look if it should. */
static void enqueue_and_look(struct run_queue *queue, struct vcpu *vcpu, uint64_t now)
    REQUIRES(queue->lock)
{
    enqueue(queue, vcpu, now);
    if (queue->loaded->is_idle || !queue->slice_armed ||
        before(vcpu->sched->virtual_ns + AHEAD_NS, queue->loaded->sched->virtual_ns)) {
        softirq_raise_on(queue->cpu, SOFTIRQ_SCHEDULE);
    }
}

/* How a vCPU that may not run is accounted: "blocked" wins over "offline". */
static int sleep_state(const struct vcpu *vcpu)
{
    return (atomic_load(&vcpu->blocked) & VCPU_BLOCKED) != 0 ? RUNSTATE_blocked : RUNSTATE_offline;
}

/*
 * Have an idle CPU take a vCPU that waits on a busy one; true if there is one.  A CPU about to idle
 * says so and then looks at the queues; here it is the other way round, so one
 * of the two sees the other.
 */
static bool rouse_idle_cpu(const struct vcpu *vcpu)
{
    unsigned int cpu;

    memory_barrier();
    cpu = idle_cpu_for(vcpu);
    if (cpu == CPU_LIMIT) {
        return false;
    }
    cpumask_remove(&idle_cpus, cpu); /* the next one goes to another */
    softirq_raise_on(cpu, SOFTIRQ_SCHEDULE);
    return true;
}

void sched_wake(struct vcpu *vcpu) NO_LOCK_ANALYSIS
{
    uint64_t now = clock_now();
    struct run_queue *queue = lock_queue_of(vcpu);
    unsigned int cpu;

    if (vcpu->sched->queued || queue->loaded == vcpu) {
        spin_unlock(&queue->lock);
        return;
    }
    cpu = vcpu_runnable(vcpu) && !vcpu->running ? choose_cpu(vcpu) : queue->cpu;
    if (cpu != queue->cpu) {
        change_cpu(vcpu, cpu);
        spin_unlock(&queue->lock);
        queue = lock_queue_of(vcpu); /* another CPU may have been here in between */
    }
    if (vcpu->sched->queued || queue->loaded == vcpu) {
        /* that one did it */
    } else if (vcpu_runnable(vcpu)) {
        bool busy = !queue->loaded->is_idle;

        enqueue_and_look(queue, vcpu, now);
        if (busy && cpu_count > 1) {
            (void)rouse_idle_cpu(vcpu);
        }
    } else {
        vcpu_time_runstate(vcpu, sleep_state(vcpu), now);
    }
    spin_unlock(&queue->lock);
}

void sched_sleep(struct vcpu *vcpu) NO_LOCK_ANALYSIS
{
    struct run_queue *queue = lock_queue_of(vcpu);

    if (vcpu->sched->queued && !vcpu_runnable(vcpu)) { /* or was it woken again meanwhile? */
        queue_remove(queue, vcpu);
        vcpu_time_runstate(vcpu, sleep_state(vcpu), clock_now());
    } else if (queue->loaded == vcpu) {
        softirq_raise_on(queue->cpu, SOFTIRQ_SCHEDULE);
    }
    spin_unlock(&queue->lock);
}

void sched_wait_descheduled(struct vcpu *vcpu)
{
    while (atomic_load_explicit(&vcpu->running, memory_order_acquire)) {
        spin_wait();
    }
}

void sched_kick(struct vcpu *vcpu)
{
    unsigned int cpu = read_once(vcpu->cpu);

    /* Its own CPU looks before it returns to the guest; so does one that is loading it. */
    if (cpu != cpu_id() && atomic_load(&vcpu->running)) {
        cpu_send(cpu, VECTOR_WAKE);
    }
}

void sched_block(void)
{
    struct vcpu *vcpu = current;

    write_once(vcpu->info->evtchn_upcall_mask, 0);
    if (read_once(vcpu->info->evtchn_upcall_pending) != 0) {
        return;
    }
    /* Full barrier: a sender sets the pending byte and then looks at `blocked`. */
    atomic_fetch_or(&vcpu->blocked, VCPU_BLOCKED);
    if (event_upcall_due(vcpu) || (vcpu->pv.nmi_pending && !vcpu->pv.nmi_masked)) {
        atomic_fetch_and(&vcpu->blocked, ~VCPU_BLOCKED);
        return;
    }
    softirq_raise(SOFTIRQ_SCHEDULE);
}

void sched_give_way(void)
{
    struct run_queue *queue = &queues[cpu_id()];

    if (read_once(queue->count) != 0) {
        queue->yields = true;
        softirq_raise(SOFTIRQ_SCHEDULE);
    }
}

bool preempt_pending(void)
{
    struct vcpu *vcpu = current;

    ASSERT(this_cpu()->locks_held == 0);
    interrupts_poll();
    return softirq_pending() || (!vcpu->is_idle && event_upcall_due(vcpu));
}

/* ---- the decision --------------------------------------------------------------------------- */

/* Is the first of those that wait so far behind that it need not wait for the end of a slice? */
static bool is_urgent(const struct vcpu *first, const struct vcpu *loaded)
{
    return before(first->sched->virtual_ns + AHEAD_NS, loaded->sched->virtual_ns);
}

/* Does the first of those that wait run before the one that runs? */
static bool overtakes(struct run_queue *queue, struct vcpu *loaded, const struct vcpu *first,
                      uint64_t now) REQUIRES(queue->lock)
{
    uint64_t first_ns = first->sched->virtual_ns;

    if (queue->yields) {
        /* Behind the one it gives way to, but not behind those after that. */
        if (before(loaded->sched->virtual_ns, first_ns)) {
            loaded->sched->virtual_ns = first_ns;
        }
        return true;
    }
    if (queue->slice_over) {
        return !before(loaded->sched->virtual_ns, first_ns);
    }
    return is_urgent(first, loaded) && !before(now, queue->loaded_ns + LEAST_NS);
}

/* Have the CPU interrupted after a slice while others wait, not at all while none does. */
static void set_slice(struct run_queue *queue, bool fresh, uint64_t now) REQUIRES(queue->lock)
{
    bool contended = queue->count != 0 && !queue->loaded->is_idle;
    bool urgent = contended && is_urgent(vcpu_of(queue->waiting.next), queue->loaded);

    if (contended && (fresh || urgent || !queue->slice_armed)) {
        timer_set(&queue->slice, urgent ? queue->loaded_ns + LEAST_NS : now + SLICE_NS);
        queue->slice_armed = true;
    } else if (!contended && queue->slice_armed) {
        timer_stop(&queue->slice);
        queue->slice_armed = false;
    }
}

/* The loaded vCPU gives up its CPU.  True if it is runnable but may not stay on it. */
static bool give_up(struct run_queue *queue, struct vcpu *from, uint64_t now) REQUIRES(queue->lock)
{
    if (from->is_idle) {
        cpumask_remove(&idle_cpus, queue->cpu);
        return false;
    }
    if (!vcpu_runnable(from)) {
        vcpu_time_runstate(from, sleep_state(from), now);
        return false;
    }
    vcpu_time_runstate(from, RUNSTATE_runnable, now);
    if (may_run_on(from, queue->cpu)) {
        queue_insert(queue, from);
        return false;
    }
    return true;
}

/* The vCPU to run here now, loaded as far as the queue is concerned. */
static struct vcpu *decide(struct run_queue *queue, uint64_t now, bool *leaves)
    REQUIRES(queue->lock)
{
    struct vcpu *from = queue->loaded;
    struct vcpu *first, *to;
    bool stays;

    charge(queue, now);
    first = queue_first(queue);
    to = first != NULL ? first : queue->idle;
    stays = from->is_idle ? first == NULL
                          : vcpu_runnable(from) && may_run_on(from, queue->cpu) &&
                                (first == NULL || !overtakes(queue, from, first, now));
    queue->yields = false;
    *leaves = false;
    if (!stays) {
        *leaves = give_up(queue, from, now);
        if (first != NULL) {
            queue_remove(queue, first);
            vcpu_time_runstate(first, RUNSTATE_running, now);
            atomic_store(&first->running, true);
            if (!may_run_on(first, queue->cpu)) {
                softirq_raise(SOFTIRQ_SCHEDULE); /* woken while it was saved here: off again */
            }
        }
        queue->loaded = to;
        queue->loaded_ns = now;
    }
    if (queue->loaded->is_idle) {
        cpumask_add(&idle_cpus, queue->cpu);
    }
    set_slice(queue, !stays || queue->slice_over, now);
    queue->slice_over = false;
    return queue->loaded;
}

/*
 * Queue a vCPU elsewhere that may not stay on this CPU, before it is saved: after
 * that it may be gone.  Returns the CPU that must look once it is saved.
 */
static unsigned int send_away(struct vcpu *vcpu, uint64_t now) NO_LOCK_ANALYSIS
{
    struct run_queue *queue = lock_queue_of(vcpu);
    unsigned int cpu = choose_cpu(vcpu);

    if (vcpu->sched->queued) {
        queue_remove(queue, vcpu); /* woken meanwhile, and put here because it is being saved */
    }
    if (cpu != queue->cpu) {
        change_cpu(vcpu, cpu);
        spin_unlock(&queue->lock);
        queue = lock_queue_of(vcpu);
    }
    if (!vcpu->sched->queued && vcpu_runnable(vcpu)) {
        enqueue(queue, vcpu, now);
    }
    cpu = queue->cpu;
    spin_unlock(&queue->lock);
    return cpu;
}

/* If one of those that wait here could run on an idle CPU, have that one take it. */
static void offer_waiting(struct run_queue *queue)
{
    struct list *link;

    if (cpu_count == 1 || read_once(queue->count) == 0) {
        return;
    }
    spin_lock(&queue->lock);
    FOR_EACH_LINK(link, &queue->waiting)
    {
        if (rouse_idle_cpu(vcpu_of(link))) {
            break;
        }
    }
    spin_unlock(&queue->lock);
}

static void switch_to(struct run_queue *queue, struct vcpu *from, struct vcpu *to, bool leaves)
{
    unsigned int look = CPU_LIMIT;

    if (!from->is_idle) {
        vcpu_time_unloaded(from);
    }
    if (leaves) {
        look = send_away(from, clock_now());
    }
    context_switch(from, to);
    if (!from->is_idle) {
        /* From here on another CPU may load it, or whoever waited for this may free it. */
        atomic_store_explicit(&from->running, false, memory_order_release);
    }
    if (!to->is_idle) {
        vcpu_time_loaded(to);
    }
    if (look != CPU_LIMIT) {
        softirq_raise_on(look, SOFTIRQ_SCHEDULE);
    }
    offer_waiting(queue);
}

/* Bring one vCPU that waits in `from` to `to`, if that idles or is ahead.  False if none may go. */
static bool move_one(struct run_queue *from, struct run_queue *to) NO_LOCK_ANALYSIS
{
    uint64_t now = clock_now();
    bool moves = false;
    struct list *link;

    spin_lock_both(&from->lock, &to->lock);
    charge(from, now);
    charge(to, now); /* who runs alone has not been for long */
    if (is_behind(from, to, FORGET_NS) || is_behind(to, from, FORGET_NS)) {
        /* For long nobody could move, or there was no need: begin anew. */
        to->offset_ns = progress(from) - to->virtual_ns;
    }
    FOR_EACH_LINK(link, &from->waiting)
    {
        struct vcpu *vcpu = vcpu_of(link);

        moves = (to->loaded->is_idle || is_behind(from, to, BEHIND_NS)) &&
                may_run_on(vcpu, to->cpu) && !atomic_load(&vcpu->running);
        if (moves) {
            queue_remove(from, vcpu);
            vcpu->sched->virtual_ns += from->offset_ns - to->offset_ns;
            write_once(vcpu->cpu, to->cpu);
            enqueue_and_look(to, vcpu, now);
            break;
        }
    }
    spin_unlock_both(&from->lock, &to->lock);
    return moves;
}

/* This CPU is idle: take a vCPU from another one's queue.  False if there is none. */
static bool steal(struct run_queue *queue)
{
    unsigned int cpu;

    FOR_EACH_CPU(cpu, &cpus_online)
    {
        if (cpu != queue->cpu && read_once(queues[cpu].count) != 0 &&
            move_one(&queues[cpu], queue)) {
            return true;
        }
    }
    return false;
}

/*
 * A slice has ended with others waiting: if they come on slower than those of
 * another CPU, send one there.  So weights hold across CPUs, and three share two.
 */
static void balance(struct run_queue *queue)
{
    unsigned int cpu;

    FOR_EACH_CPU(cpu, &cpus_online)
    {
        struct run_queue *other = &queues[cpu];

        if (cpu != queue->cpu && !cpumask_has(&idle_cpus, cpu) &&
            (read_once(other->count) == 0 || is_behind(queue, other, BEHIND_NS)) &&
            move_one(queue, other)) {
            return;
        }
    }
}

/*
 * SOFTIRQ_SCHEDULE: run who should, or wait for an interrupt.  Always leaves with
 * a guest's vCPU loaded, or with soft interrupts pending, this one among them.
 */
static void schedule(void)
{
    struct run_queue *queue = &queues[cpu_id()];

    for (;;) {
        uint64_t now = clock_now();
        struct vcpu *from = current;
        struct vcpu *to;
        bool leaves, slice_over;

        spin_lock(&queue->lock);
        slice_over = queue->slice_over;
        to = decide(queue, now, &leaves);
        spin_unlock(&queue->lock);
        if (to != from) {
            switch_to(queue, from, to, leaves);
        }
        if (slice_over && cpu_count > 1) {
            balance(queue);
        }
        if (!to->is_idle) {
            return;
        }
        if (cpu_count > 1 && steal(queue)) {
            continue;
        }
        while (!softirq_pending() && heap_scrub_some()) {
            interrupts_poll();
        }
        softirq_wait();
        if (softirq_pending()) {
            softirq_raise(SOFTIRQ_SCHEDULE);
            return;
        }
    }
}

static void slice_expired(void *argument)
{
    struct run_queue *queue = argument;

    spin_lock(&queue->lock);
    queue->slice_armed = false;
    queue->slice_over = true;
    spin_unlock(&queue->lock);
    softirq_raise(SOFTIRQ_SCHEDULE);
}

/* ---- life ----------------------------------------------------------------------------------- */

/* The idle vCPUs' domain: nobody finds it, and it owns nothing. */
static struct domain idle_domain = { .id = DOMID_IDLE };
static struct vcpu_info idle_info;

bool sched_create_idle(unsigned int cpu)
{
    struct vcpu *vcpu = heap_alloc(sizeof(*vcpu));

    if (vcpu == NULL) {
        return false;
    }
    vcpu->domain = &idle_domain;
    vcpu->id = cpu;
    vcpu->cpu = cpu;
    vcpu->is_idle = true;
    vcpu->info = &idle_info;
    queues[cpu].idle = vcpu;
    return true;
}

void idle_loop(void)
{
    softirq_raise(SOFTIRQ_SCHEDULE);
    softirq_run();
}

void sched_setup_cpu(void)
{
    unsigned int cpu = cpu_id();
    struct run_queue *queue = &queues[cpu];

    spinlock_init(&queue->lock, RANK_SCHEDULER);
    list_init(&queue->waiting);
    timer_init(&queue->slice, slice_expired, queue);
    queue->cpu = cpu;
    queue->loaded = queue->idle;
    queue->charged_ns = clock_now();
    /* Far from 0, so that a sleeper's bonus does not wrap before it is compared. */
    queue->virtual_ns = UINT64_C(1) << 40;
    queue->idle->running = true;
    current = queue->idle;
    if (cpu == 0) {
        softirq_register(SOFTIRQ_SCHEDULE, schedule);
    }
}

static void poll_timed_out(void *argument)
{
    struct vcpu *vcpu = argument;

    if ((atomic_load(&vcpu->blocked) & VCPU_POLLING) != 0) {
        vcpu_unblock(vcpu);
    }
}

int sched_vcpu_create(struct vcpu *vcpu)
{
    const struct vcpu *elder = vcpu->domain->vcpu[0];
    struct vcpu_sched *sched = heap_alloc(sizeof(*sched));

    if (sched == NULL) {
        return -XEN_ENOMEM;
    }
    list_init(&sched->link);
    timer_init(&sched->poll_timer, poll_timed_out, vcpu);
    sched->vcpu = vcpu;
    sched->pinned = PINNED_NOWHERE;
    sched->weight = SCHED_WEIGHT_DEFAULT;
    memset(&sched->hard, 0xff, sizeof(sched->hard));
    memset(&sched->soft, 0xff, sizeof(sched->soft));
    if (elder != NULL && elder != vcpu && elder->sched != NULL) {
        sched->weight = elder->sched->weight;
    }
    vcpu->cpu = vcpu->id % cpu_count;
    vcpu->sched = sched;
    return 0;
}

void sched_vcpu_destroy(struct vcpu *vcpu)
{
    if (vcpu->sched != NULL) {
        ASSERT(!vcpu->sched->queued && !vcpu->running);
        timer_stop(&vcpu->sched->poll_timer);
        heap_free(vcpu->sched);
        vcpu->sched = NULL;
    }
}

/* ---- knobs ---------------------------------------------------------------------------------- */

uint32_t sched_weight(const struct domain *domain)
{
    const struct vcpu *vcpu = domain->vcpu[0];

    return vcpu != NULL && vcpu->sched != NULL ? vcpu->sched->weight : SCHED_WEIGHT_DEFAULT;
}

int sched_set_weight(struct domain *domain, uint32_t weight) NO_LOCK_ANALYSIS
{
    struct vcpu *vcpu;

    if (weight == 0 || weight > UINT16_MAX) {
        return -XEN_EINVAL;
    }
    FOR_EACH_VCPU(domain, vcpu)
    {
        struct run_queue *queue = lock_queue_of(vcpu);

        vcpu->sched->weight = weight;
        spin_unlock(&queue->lock);
    }
    return 0;
}

/* Where it may run has changed: leave a CPU that is not among those, find a place again. */
static void obey_affinity(struct run_queue *queue, struct vcpu *vcpu)
    RELEASES(queue->lock) NO_LOCK_ANALYSIS
{
    bool requeue = vcpu->sched->queued;

    if (requeue) {
        queue_remove(queue, vcpu);
    } else if (queue->loaded == vcpu && !may_run_on(vcpu, queue->cpu)) {
        softirq_raise_on(queue->cpu, SOFTIRQ_SCHEDULE);
    }
    spin_unlock(&queue->lock);
    if (requeue) {
        sched_wake(vcpu);
    }
}

int sched_affinity_set(struct vcpu *vcpu, const struct cpumask *hard,
                       const struct cpumask *soft) NO_LOCK_ANALYSIS
{
    struct cpumask usable = cpumask_and(hard, &cpus_online);
    struct run_queue *queue;

    if (cpumask_empty(&usable)) {
        return -XEN_EINVAL;
    }
    queue = lock_queue_of(vcpu);
    vcpu->sched->hard = *hard;
    vcpu->sched->soft = *soft;
    obey_affinity(queue, vcpu);
    return 0;
}

void sched_affinity_get(const struct vcpu *vcpu, struct cpumask *hard,
                        struct cpumask *soft) NO_LOCK_ANALYSIS
{
    struct run_queue *queue = lock_queue_of(vcpu);

    *hard = vcpu->sched->hard;
    *soft = vcpu->sched->soft;
    spin_unlock(&queue->lock);
}

int sched_pin(struct vcpu *vcpu, unsigned int cpu) NO_LOCK_ANALYSIS
{
    bool unpin = cpu == PINNED_NOWHERE;
    struct run_queue *queue;

    if (!unpin && !cpumask_has(&cpus_online, cpu)) {
        return -XEN_EINVAL;
    }
    queue = lock_queue_of(vcpu);
    if (unpin == (vcpu->sched->pinned == PINNED_NOWHERE)) {
        spin_unlock(&queue->lock);
        return unpin ? -XEN_EINVAL : -XEN_EBUSY;
    }
    vcpu->sched->pinned = cpu;
    obey_affinity(queue, vcpu);
    return 0;
}

unsigned int sched_pinned_cpu(const struct vcpu *vcpu)
{
    struct cpumask usable = cpumask_and(&vcpu->sched->hard, &cpus_online);
    unsigned int first = cpumask_next(&usable, 0);

    if (vcpu->sched->pinned != PINNED_NOWHERE) {
        return vcpu->sched->pinned;
    }
    return first < CPU_LIMIT && cpumask_next(&usable, first + 1) == CPU_LIMIT ? first : CPU_LIMIT;
}

uint64_t sched_idle_ns(unsigned int cpu)
{
    struct run_queue *queue = &queues[cpu];
    uint64_t now = clock_now();
    uint64_t ns;

    spin_lock(&queue->lock);
    charge(queue, now);
    ns = queue->idle_ns;
    spin_unlock(&queue->lock);
    return ns;
}

static void dump_vcpu(const char *what, const struct vcpu *vcpu)
{
    if (vcpu->is_idle) {
        log_error("  %s idle\n", what);
        return;
    }
    log_error("  %s d%uv%u virtual %lu us, weight %u, blocked %x\n", what, vcpu->domain->id,
              vcpu->id, vcpu->sched->virtual_ns / 1000, vcpu->sched->weight,
              atomic_load(&vcpu->blocked));
}

void sched_dump(void)
{
    unsigned int cpu;

    FOR_EACH_CPU(cpu, &cpus_online)
    {
        struct run_queue *queue = &queues[cpu];
        struct list *link;

        spin_lock(&queue->lock);
        log_error("CPU %u: %u wait, least virtual time %lu us, idle %lu ms%s\n", cpu, queue->count,
                  queue->virtual_ns / 1000, queue->idle_ns / 1000000,
                  cpumask_has(&idle_cpus, cpu) ? ", in the idle set" : "");
        dump_vcpu("runs ", queue->loaded);
        FOR_EACH_LINK(link, &queue->waiting)
        {
            dump_vcpu("waits", vcpu_of(link));
        }
        spin_unlock(&queue->lock);
    }
}
