/* SPDX-License-Identifier: MIT */
/*
 * Event channels: one bit per port, set by one domain and seen by another.
 *
 * A port belongs to one domain; sending takes no lock (docs/hypervisor/events.md,
 * "Locks").  Everything a guest can reach comes in through
 * hypercall_event_channel_op() at the end of the file.
 */
#include "hypervisor/event/event.h"

#include "hypervisor/event/channels.h"
#include "hypervisor/lib/log.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/x86/percpu.h"
#include "hypervisor/x86/smp.h"

#define CLOSE_BATCH 64u /* ports closed before a preemption is looked for */

/* Who gets a global VIRQ, with a reference; NULL: dom0. */
static struct domain *_Atomic virq_handlers[NR_VIRQS];

/* ---- Senders and sleepers ---------------------------------------------------------------------
 */

void senders_wait(void)
{
    unsigned int self = cpu_id();

    memory_barrier();
    for (unsigned int cpu = 0; cpu < cpu_count; cpu++) {
        _Atomic uint32_t *number = &cpu_info_of(cpu)->event_sends;
        uint32_t seen = atomic_load_explicit(number, memory_order_acquire);

        if (cpu == self || (seen & 1) == 0) {
            continue;
        }
        while (atomic_load_explicit(number, memory_order_acquire) == seen) {
            spin_wait();
        }
    }
}

/*
 * The upcall mask is not looked at before a kick: the guest clears it with a
 * plain write and then reads upcall_pending, and both sides could miss.
 */
void vcpu_unblock(struct vcpu *vcpu)
{
    if ((atomic_load(&vcpu->blocked) & VCPU_BLOCKED) != 0) {
        if (vcpu_wait_end(vcpu)) {
            sched_wake(vcpu);
        }
    } else {
        sched_kick(vcpu);
    }
}

cold_path void pollers_wake(struct domain *domain, uint32_t port)
{
    struct vcpu *vcpu;

    FOR_EACH_VCPU(domain, vcpu)
    {
        uint32_t wanted = atomic_load(&vcpu->poll_port);

        if ((atomic_load(&vcpu->blocked) & VCPU_POLLING) != 0 && (wanted == 0 || wanted == port)) {
            vcpu_unblock(vcpu);
        }
    }
}

/* ---- Ports ------------------------------------------------------------------------------------
 */

static void channel_set(struct channel *channel, enum channel_state state,
                        const struct domain *remote, uint32_t vcpu)
{
    atomic_store_explicit(&channel->binding, binding_make(state, remote, vcpu),
                          memory_order_release);
}

/* The same port and vCPU in another state, without a peer. */
static void channel_set_state(struct channel *channel, enum channel_state state)
{
    channel_set(channel, state, NULL, binding_vcpu(channel_binding(channel)));
}

static enum channel_state state_of(const struct channel *channel)
{
    return binding_state(channel_binding(channel));
}

/* NULL unless it is INTERDOMAIN. */
static struct domain *channel_peer(const struct channel *channel)
{
    return binding_domain(channel_binding(channel));
}

/*
 * One more group of ports.  The list of the first ones stays when a longer one takes
 * its place, for those who are reading it.
 */
static int must_check ports_grow(struct domain *domain) REQUIRES(domain->events->lock)
{
    struct event_channels *events = domain->events;
    uint32_t limit = events->limit;
    struct channel *group;

    if (limit == EVTCHN_2L_NR_CHANNELS && events->groups == events->first_groups) {
        struct channel **all = heap_alloc(GROUPS_ALL * sizeof(*all));

        if (all == NULL) {
            return -XEN_ENOMEM;
        }
        memcpy(all, events->first_groups, sizeof(events->first_groups));
        store_release(&events->groups, all);
    }
    group = heap_alloc(GROUP_CHANNELS * sizeof(struct channel));
    if (group == NULL) {
        return -XEN_ENOMEM;
    }
    events->groups[limit / GROUP_CHANNELS] = group;
    store_release(&events->limit, limit + GROUP_CHANNELS);
    return 0;
}

/*
 * The lowest free port, or -XEN_E*; it stays free until its binding is set.  A
 * port whose word is still linked is not given out again: it would come out of
 * the queue it was in.
 */
static int must_check port_find_free(struct domain *domain) REQUIRES(domain->events->lock)
{
    struct event_channels *events = domain->events;
    uint32_t end = events->fifo != NULL ? EVTCHN_FIFO_NR_CHANNELS : EVTCHN_2L_NR_CHANNELS;
    bool passed_free = false;

    if (domain_is_dying(domain)) {
        return -XEN_EINVAL;
    }
    if (domain_vcpu(domain, 0) == NULL) {
        return -XEN_ENOENT;
    }
    for (uint32_t port = events->first_free; port < end && port <= events->max_port; port++) {
        if (port == events->limit) {
            int error = ports_grow(domain);

            if (error != 0) {
                return error;
            }
        }
        if (state_of(channel_find(events, port)) == CHANNEL_FREE) {
            if (!port_bit(domain, port, EVTCHN_FIFO_LINKED)) {
                return (int)port;
            }
            passed_free = true;
        }
        if (!passed_free) {
            events->first_free = port + 1;
        }
    }
    return -XEN_ENOSPC;
}

/* Take a free port into use. */
static struct channel *port_open(struct domain *domain, uint32_t port, enum channel_state state,
                                 uint32_t vcpu, uint32_t value) REQUIRES(domain->events->lock)
{
    struct event_channels *events = domain->events;
    struct channel *channel = channel_find(events, port);
    uint32_t last = atomic_load(&channel->queue) & ~(CHANNEL_PRIORITY | CHANNEL_DEFERRED);

    atomic_store(&channel->queue, last | EVTCHN_FIFO_PRIORITY_DEFAULT);
    channel->value = value;
    channel_set(channel, state, NULL, vcpu);
    events->open++;
    return channel;
}

/* Nobody can send to the port any more: forget what was sent, free it. */
static void port_free(struct domain *domain, uint32_t port) REQUIRES(domain->events->lock)
{
    struct event_channels *events = domain->events;
    struct channel *channel = channel_at(events, port);

    port_clear_pending(domain, port);
    channel_set(channel, CHANNEL_FREE, NULL, 0);
    events->open--;
    events->first_free = MIN(events->first_free, port);
}

/* A new port of a kind that needs no more than its channel. */
static int must_check port_new(struct domain *domain, enum channel_state state, uint32_t vcpu,
                               uint32_t value)
{
    int port;

    spin_lock(&domain->events->lock);
    port = port_find_free(domain);
    if (port >= 0) {
        port_open(domain, (uint32_t)port, state, vcpu, value);
    }
    spin_unlock(&domain->events->lock);
    return port;
}

/*
 * Lock a domain's ports, and with an interdomain channel the peer's.  Returns the
 * peer (the domain itself if there is no other one) for unlock_with_peer().  As
 * long as a domain has an open channel it has a reference that we can add to.
 */
static struct domain *lock_with_peer(struct domain *domain,
                                     const struct channel *channel) NO_LOCK_ANALYSIS
{
    struct spinlock *lock = &domain->events->lock;

    for (;;) {
        struct domain *peer;

        spin_lock(lock);
        peer = channel_peer(channel);
        if (peer == NULL || peer == domain) {
            return domain;
        }
        domain_get(peer);
        spin_unlock(lock);

        spin_lock_both(lock, &peer->events->lock);
        if (channel_peer(channel) == peer) {
            return peer;
        }
        spin_unlock_both(lock, &peer->events->lock);
        domain_put(peer);
    }
}

static void unlock_with_peer(struct domain *domain, struct domain *peer) NO_LOCK_ANALYSIS
{
    spin_unlock_both(&domain->events->lock, &peer->events->lock);
    if (peer != domain) {
        domain_put(peer);
    }
}

/* Where the port of a VIRQ is noted. */
static bool virq_is_global(uint32_t virq)
{
    return virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF && virq != VIRQ_XENPMU;
}

static _Atomic uint32_t *virq_slot(const struct domain *domain, uint32_t virq, uint32_t vcpu)
{
    return &domain->vcpu[virq_is_global(virq) ? 0 : vcpu]->events->virq_port[virq];
}

/*
 * Close an open port: out of the way of senders first, then, when those under way
 * are through, free.  Own and peer's lock are held.
 */
static void close_locked(struct domain *domain, uint32_t port,
                         struct channel *channel) NO_LOCK_ANALYSIS
{
    uint64_t binding = channel_binding(channel);
    struct channel *other = NULL;

    if (binding_state(binding) == CHANNEL_INTERDOMAIN) {
        other = channel_at(binding_domain(binding)->events, channel->value);
        channel_set_state(other, CHANNEL_UNBOUND);
    } else if (binding_state(binding) == CHANNEL_VIRQ) {
        atomic_store(virq_slot(domain, channel->value, binding_vcpu(binding)), 0);
    }
    channel_set_state(channel, CHANNEL_RESERVED);
    senders_wait();
    if (other != NULL) {
        other->value = domain->id;
    }
    port_free(domain, port);
}

static int port_close(struct domain *domain, uint32_t port)
{
    struct channel *channel = channel_find(domain->events, port);
    enum channel_state state;
    struct domain *peer;
    int error = 0;

    if (channel == NULL) {
        return -XEN_EINVAL;
    }
    peer = lock_with_peer(domain, channel);
    state = state_of(channel);
    if (state <= CHANNEL_RESERVED || state == CHANNEL_PIRQ_BUSY) {
        error = -XEN_EINVAL;
    } else if (state == CHANNEL_PIRQ) {
        channel_set_state(channel, CHANNEL_PIRQ_BUSY);
    } else {
        close_locked(domain, port, channel);
    }
    unlock_with_peer(domain, peer);
    if (state == CHANNEL_PIRQ) { /* tell its owner with no lock held, while the port is nobody's */
        pirq_guest_unbind(domain, channel->value);
        spin_lock(&domain->events->lock);
        close_locked(domain, port, channel);
        spin_unlock(&domain->events->lock);
    }
    return error;
}

/* ---- Life -------------------------------------------------------------------------------------
 */

int events_create(struct domain *domain, uint32_t max_port)
{
    struct event_channels *events = heap_alloc(sizeof(*events));
    struct channel *group = heap_alloc(GROUP_CHANNELS * sizeof(*group));

    if (events == NULL || group == NULL) {
        heap_free(group);
        heap_free(events);
        return -XEN_ENOMEM;
    }
    spinlock_init(&events->lock, RANK_EVENT);
    events->max_port = max_port;
    events->first_free = 1;
    events->groups = events->first_groups;
    events->groups[0] = group;
    events->limit = GROUP_CHANNELS;
    channel_set(&group[0], CHANNEL_RESERVED, NULL, 0);
    domain->events = events;
    return 0;
}

/* Close ports from where the last call came to; -XEN_ERESTART if there are more. */
static int must_check close_some(struct domain *domain)
{
    struct event_channels *events = domain->events;
    uint32_t port = MAX(read_once(events->close_next), 1);

    for (; port < load_acquire(&events->limit); port++) {
        (void)port_close(domain, port);
        if (port % CLOSE_BATCH == CLOSE_BATCH - 1) {
            write_once(events->close_next, port + 1);
            if (preempt_pending()) {
                return -XEN_ERESTART;
            }
        }
    }
    write_once(events->close_next, 0);
    return 0;
}

static void virq_handlers_drop(struct domain *domain)
{
    for (uint32_t virq = 0; virq < NR_VIRQS; virq++) {
        struct domain *handler = domain;

        if (atomic_compare_exchange_strong(&virq_handlers[virq], &handler, NULL)) {
            senders_wait();
            domain_put(domain);
        }
    }
}

/* Close all ports, go back to the 2-level scheme.  -XEN_EAGAIN: one was opened meanwhile. */
static int must_check reset(struct domain *domain)
{
    struct event_channels *events = domain->events;
    int error = close_some(domain);

    if (error == 0) {
        spin_lock(&events->lock);
        if (events->open != 0) {
            error = -XEN_EAGAIN;
        } else {
            fifo_destroy(domain);
        }
        spin_unlock(&events->lock);
    }
    return error;
}

int events_close_all(struct domain *domain)
{
    /* Who opened a port had seen the domain alive; nobody does any more. */
    if (reset(domain) != 0) {
        return -XEN_ERESTART;
    }
    virq_handlers_drop(domain);
    return 0;
}

void events_destroy(struct domain *domain)
{
    struct event_channels *events = domain->events;

    if (events == NULL) {
        return;
    }
    for (uint32_t i = 0; i < events->limit / GROUP_CHANNELS; i++) {
        heap_free(events->groups[i]);
    }
    if (events->groups != events->first_groups) {
        heap_free(events->groups);
    }
    heap_free(events);
    domain->events = NULL;
}

int events_vcpu_create(struct vcpu *vcpu)
{
    struct vcpu_events *events = heap_alloc(sizeof(*events));

    if (events == NULL) {
        return -XEN_ENOMEM;
    }
    spinlock_init(&events->lock, RANK_EVENT_QUEUE);
    events->control = &events->early;
    vcpu->events = events;
    return 0;
}

void events_vcpu_destroy(struct vcpu *vcpu)
{
    if (vcpu->events != NULL) {
        fifo_vcpu_reset(vcpu->events);
        heap_free(vcpu->events);
        vcpu->events = NULL;
    }
}

void events_vcpu_info_moved(struct vcpu *vcpu)
{
    struct vcpu_info *info = vcpu->info;

    /* Who still writes to the old one has set his pending bit before we mark the new one. */
    senders_wait();
    (void)atomic_swap(&info->evtchn_pending_sel, UINT64_MAX);
    (void)atomic_swap(&info->evtchn_upcall_pending, 1);
    vcpu_unblock(vcpu);
}

/* ---- Sending from within the core -------------------------------------------------------------
 */

/* The VIRQ's port as noted in `events`, to its vCPU. */
static void send_virq(struct domain *domain, const struct vcpu_events *events, uint32_t virq)
{
    uint32_t port = atomic_load_explicit(&events->virq_port[virq], memory_order_acquire);

    if (port != 0) {
        port_raise(domain, port);
    }
}

void event_send_vcpu_virq(struct vcpu *vcpu, uint32_t virq)
{
    uint32_t before = senders_enter();

    send_virq(vcpu->domain, vcpu->events, virq);
    senders_leave(before);
}

void event_send_global_virq(uint32_t virq)
{
    uint32_t before = senders_enter();
    struct domain *handler = atomic_load(&virq_handlers[virq]);
    struct vcpu *vcpu;

    if (handler == NULL) {
        handler = dom0;
    }
    vcpu = handler != NULL ? domain_vcpu(handler, 0) : NULL;
    if (vcpu != NULL) {
        send_virq(handler, vcpu->events, virq);
    }
    senders_leave(before);
}

int event_set_virq_handler(struct domain *domain, uint32_t virq)
{
    struct domain *handler;

    if (virq >= NR_VIRQS || !virq_is_global(virq)) {
        return -XEN_EINVAL;
    }
    domain_get(domain);
    handler = atomic_exchange(&virq_handlers[virq], domain);
    senders_wait();
    domain_put(handler);
    /* Its ports may have been closed before it could be found here. */
    if (domain_is_dying(domain)) {
        virq_handlers_drop(domain);
        return -XEN_ESRCH;
    }
    return 0;
}

void event_send_pirq(struct domain *domain, evtchn_port_t port)
{
    uint32_t before = senders_enter();
    struct channel *channel = channel_find(domain->events, port);
    enum channel_state state = channel != NULL ? state_of(channel) : CHANNEL_FREE;

    if (state == CHANNEL_PIRQ || state == CHANNEL_PIRQ_BUSY) {
        port_raise(domain, port);
    }
    senders_leave(before);
}

int event_unmask(struct domain *domain, evtchn_port_t port)
{
    uint32_t before = senders_enter();
    struct channel *channel = channel_find(domain->events, port);

    if (channel != NULL && state_of(channel) > CHANNEL_RESERVED) {
        port_clear_mask(domain, port);
    }
    senders_leave(before);
    return channel != NULL ? 0 : -XEN_EINVAL;
}

int event_port_pending(struct domain *domain, evtchn_port_t port)
{
    uint32_t before = senders_enter();
    const struct channel *channel = channel_find(domain->events, port);
    bool pending = channel != NULL && state_of(channel) > CHANNEL_RESERVED &&
                   port_bit(domain, port, EVTCHN_FIFO_PENDING);

    senders_leave(before);
    return channel != NULL ? pending : -XEN_EINVAL;
}

/* ---- Operations -------------------------------------------------------------------------------
 */

static long op_alloc_unbound(struct evtchn_alloc_unbound *args)
{
    domid_t remote = args->remote_dom == DOMID_SELF ? current->domain->id : args->remote_dom;
    int port = 0;
    struct domain *domain = domain_reach(args->dom, &port);

    if (domain != NULL) {
        port = port_new(domain, CHANNEL_UNBOUND, 0, remote);
        domain_release(domain);
    }
    return port;
}

/* Connect a free port of ours with a waiting one. */
static int must_check pair_locked(struct domain *domain, struct domain *remote,
                                  uint32_t remote_port) NO_LOCK_ANALYSIS
{
    struct channel *theirs, *ours;
    int port = port_find_free(domain);

    if (port < 0) {
        return port;
    }
    theirs = channel_find(remote->events, remote_port);
    if (theirs == NULL || state_of(theirs) != CHANNEL_UNBOUND || theirs->value != domain->id) {
        return -XEN_EINVAL;
    }
    ours = port_open(domain, (uint32_t)port, CHANNEL_RESERVED, 0, remote_port);
    theirs->value = (uint32_t)port;
    channel_set(theirs, CHANNEL_INTERDOMAIN, domain, binding_vcpu(channel_binding(theirs)));
    channel_set(ours, CHANNEL_INTERDOMAIN, remote, 0);

    /* They may have sent before we were there. */
    port_raise(domain, (uint32_t)port);
    return port;
}

static long op_bind_interdomain(struct evtchn_bind_interdomain *args) NO_LOCK_ANALYSIS
{
    struct domain *domain = current->domain;
    struct domain *remote = domain_find_or_self(args->remote_dom);
    int port;

    if (remote == NULL) {
        return -XEN_ESRCH;
    }
    spin_lock_both(&domain->events->lock, &remote->events->lock);
    port = pair_locked(domain, remote, args->remote_port);
    spin_unlock_both(&domain->events->lock, &remote->events->lock);
    domain_put(remote);
    return port;
}

static long op_bind_virq(struct evtchn_bind_virq *args)
{
    struct domain *domain = current->domain;
    struct vcpu *vcpu = domain_vcpu(domain, args->vcpu);
    _Atomic uint32_t *slot;
    int port;

    if (args->virq >= NR_VIRQS || (virq_is_global(args->virq) && args->vcpu != 0)) {
        return -XEN_EINVAL;
    }
    if (vcpu == NULL) {
        return -XEN_ENOENT;
    }
    slot = virq_slot(domain, args->virq, args->vcpu);
    spin_lock(&domain->events->lock);
    port = atomic_load(slot) != 0 ? -XEN_EEXIST : port_find_free(domain);
    if (port >= 0) {
        port_open(domain, (uint32_t)port, CHANNEL_VIRQ, args->vcpu, args->virq);
        atomic_store_explicit(slot, (uint32_t)port, memory_order_release);
    }
    spin_unlock(&domain->events->lock);
    return port;
}

static long op_bind_ipi(struct evtchn_bind_ipi *args)
{
    struct domain *domain = current->domain;

    return domain_vcpu(domain, args->vcpu) == NULL ? -XEN_ENOENT
                                                   : port_new(domain, CHANNEL_IPI, args->vcpu, 0);
}

/* Interrupts may come before pirq_guest_bind() has returned: the port is ready for them. */
static long op_bind_pirq(struct evtchn_bind_pirq *args)
{
    struct domain *domain = current->domain;
    struct event_channels *events = domain->events;
    int port = port_new(domain, CHANNEL_PIRQ_BUSY, 0, args->pirq);
    struct channel *channel;
    int error;

    if (port < 0) {
        return port;
    }
    channel = channel_find(events, (uint32_t)port);
    error = pirq_guest_bind(domain, args->pirq, (uint32_t)port);
    spin_lock(&events->lock);
    if (error == 0) {
        channel_set_state(channel, CHANNEL_PIRQ);
    } else {
        close_locked(domain, (uint32_t)port, channel);
    }
    spin_unlock(&events->lock);
    return error != 0 ? error : port;
}

static long op_close(struct evtchn_close *args)
{
    return port_close(current->domain, args->port);
}

/*
 * The hot one.  All between enter and leave is without a lock: see senders_wait().
 * A send to nobody is no error: the peer may be about to bind.  A port beyond all
 * becomes port 0, which nobody may send to.
 */
static inline long send(struct domain *domain, uint32_t port)
{
    uint32_t before = senders_enter_first();
    struct channel *channel;
    enum channel_state state;
    uint64_t binding;
    long error = 0;

    (void)index_below(&port, load_acquire(&domain->events->limit));
    channel = channel_at(domain->events, port);
    binding = channel_binding(channel);
    state = binding_state(binding);
    if (likely(state == CHANNEL_INTERDOMAIN)) {
        port_raise(binding_domain(binding), channel->value);
    } else if (state == CHANNEL_IPI) {
        port_raise(domain, port);
    } else if (state != CHANNEL_UNBOUND) {
        error = -XEN_EINVAL;
    }
    senders_leave_last(before);
    return error;
}

/* What the port is, in the ABI's words. */
static void status_of(const struct channel *channel, struct evtchn_status *out)
{
    static const uint8_t statuses[] = {
        [CHANNEL_UNBOUND] = EVTCHNSTAT_unbound, [CHANNEL_INTERDOMAIN] = EVTCHNSTAT_interdomain,
        [CHANNEL_PIRQ] = EVTCHNSTAT_pirq,       [CHANNEL_VIRQ] = EVTCHNSTAT_virq,
        [CHANNEL_IPI] = EVTCHNSTAT_ipi, /* all others: closed */
    };
    uint64_t binding = channel_binding(channel);

    out->status = statuses[binding_state(binding)];
    out->vcpu = binding_vcpu(binding);
    if (out->status == EVTCHNSTAT_interdomain) {
        out->u.interdomain.dom = binding_domain(binding)->id;
        out->u.interdomain.port = channel->value;
    } else if (out->status == EVTCHNSTAT_unbound) {
        out->u.unbound.dom = (domid_t)channel->value;
    } else if (out->status == EVTCHNSTAT_pirq || out->status == EVTCHNSTAT_virq) {
        out->u.virq = channel->value; /* u.pirq is the same place */
    }
}

static long op_status(struct evtchn_status *args)
{
    struct channel *channel;
    int error = 0;
    struct domain *domain = domain_reach(args->dom, &error);

    if (domain == NULL) {
        return error;
    }
    channel = channel_find(domain->events, args->port);
    if (channel != NULL) {
        spin_lock(&domain->events->lock);
        status_of(channel, args);
        spin_unlock(&domain->events->lock);
    }
    domain_release(domain);
    return channel != NULL ? 0 : -XEN_EINVAL;
}

/* May the port be moved to another vCPU? */
static bool channel_can_move(const struct channel *channel)
{
    enum channel_state state = state_of(channel);

    return state == CHANNEL_UNBOUND || state == CHANNEL_INTERDOMAIN || state == CHANNEL_PIRQ ||
           (state == CHANNEL_VIRQ && virq_is_global(channel->value));
}

static long op_bind_vcpu(struct evtchn_bind_vcpu *args)
{
    struct domain *domain = current->domain;
    struct event_channels *events = domain->events;
    struct vcpu *vcpu = domain_vcpu(domain, args->vcpu);
    struct channel *channel = channel_find(events, args->port);
    enum channel_state state;
    uint32_t pirq;
    bool moves;

    if (vcpu == NULL || channel == NULL) {
        return vcpu == NULL ? -XEN_ENOENT : -XEN_EINVAL;
    }
    spin_lock(&events->lock);
    state = state_of(channel);
    pirq = channel->value;
    moves = channel_can_move(channel);
    if (moves) {
        channel_set(channel, state, channel_peer(channel), args->vcpu);
    }
    spin_unlock(&events->lock);
    if (state == CHANNEL_PIRQ) {
        pirq_guest_set_affinity(domain, pirq, vcpu->cpu);
    }
    return moves ? 0 : -XEN_EINVAL;
}

static long op_unmask(struct evtchn_unmask *args)
{
    return event_unmask(current->domain, args->port);
}

static long op_reset(struct evtchn_reset *args)
{
    int error = 0;
    struct domain *domain = domain_reach(args->dom, &error);

    if (domain != NULL) {
        error = reset(domain);
        domain_release(domain);
    }
    return error;
}

/* ---- The hypercall ----------------------------------------------------------------------------
 */

/*
 * Every operation but send, once: X(name, handler, results are copied back, member
 * for the port it made and returned).  The command is EVTCHNOP_name, the argument a
 * struct evtchn_name.
 */
/* clang-format off */
#define EVENT_OP_LIST(X)                                        \
    X(bind_interdomain, op_bind_interdomain, true,  local_port) \
    X(bind_virq,        op_bind_virq,        true,  port)       \
    X(bind_pirq,        op_bind_pirq,        true,  port)       \
    X(alloc_unbound,    op_alloc_unbound,    true,  port)       \
    X(bind_ipi,         op_bind_ipi,         true,  port)       \
    X(status,           op_status,           true,  dom)        \
    X(init_control,     fifo_init_control,   true,  control_gfn) \
    X(close,            op_close,            false, port)       \
    X(bind_vcpu,        op_bind_vcpu,        false, port)       \
    X(unmask,           op_unmask,           false, port)       \
    X(reset,            op_reset,            false, dom)        \
    X(expand_array,     fifo_expand_array,   false, array_gfn)  \
    X(set_priority,     fifo_set_priority,   false, port)
/* clang-format on */

union event_args {
#define X(name, handler, out, port) struct evtchn_##name name;
    EVENT_OP_LIST(X)
#undef X
};

#define X(name, handler, out, port)                \
    static long run_##name(union event_args *args) \
    {                                              \
        return handler(&args->name);               \
    }
EVENT_OP_LIST(X)
#undef X

static const struct event_op {
    long (*run)(union event_args *args);
    uint8_t size;
    bool results;
    uint8_t made; /* offset of the port it made */
} event_ops[] = {
#define X(name, handler, results_, port)                        \
    [EVTCHNOP_##name] = { .run = run_##name,                    \
                          .size = sizeof(struct evtchn_##name), \
                          .results = (results_),                \
                          .made = offsetof(struct evtchn_##name, port) },
    EVENT_OP_LIST(X)
#undef X
};

static void undo(domid_t owner, uint32_t port)
{
    int error;
    struct domain *domain = domain_reach(owner, &error);

    if (domain != NULL) {
        (void)port_close(domain, port);
        domain_release(domain);
    }
}

/* Not inline: what it needs of the stack and of registers is no concern of a send. */
static __attribute__((noinline)) long run_operation(uint32_t command, uint64_t argument)
{
    const struct event_op *op;
    union event_args args;
    long result;

    if (command >= ARRAY_SIZE(event_ops)) {
        return -XEN_ENOSYS;
    }
    op = &event_ops[command];
    if (raw_copy_from_guest(&args, guest_pointer(void, argument), op->size) != 0) {
        return -XEN_EFAULT;
    }
    result = op->run(&args);
    if (result == -XEN_ERESTART) {
        return hypercall_continue(__HYPERVISOR_event_channel_op, 2, command, argument, 0, 0);
    }
    if (result > 0) {
        memcpy((uint8_t *)&args + op->made, &result, sizeof(evtchn_port_t));
    }
    if (result < 0 || !op->results ||
        raw_copy_to_guest(guest_pointer(void, argument), &args, op->size) == 0) {
        return MIN(result, 0);
    }
    /* The guest cannot be told the port that was made for it: it shall not have it; 0 is none. */
    undo(command == EVTCHNOP_alloc_unbound ? args.alloc_unbound.dom : DOMID_SELF, (uint32_t)result);
    return -XEN_EFAULT;
}

long hypercall_event_channel_op(uint64_t operation, uint64_t argument)
{
    int64_t port;

    if (unlikely((uint32_t)operation != EVTCHNOP_send)) {
        return run_operation((uint32_t)operation, argument);
    }
    port = guest_read_u32(argument);
    return likely(port >= 0) ? send(current->domain, (uint32_t)port) : port;
}

/* ---- Debugging --------------------------------------------------------------------------------
 */

static void dump_port(const struct domain *domain, uint32_t port, const struct channel *channel)
{
    static const char *const names[] = { "free", "reserved", "unbound", "interdomain",
                                         "pirq", "pirq",     "virq",    "ipi" };
    uint64_t binding = channel_binding(channel);
    struct domain *peer = channel_peer(channel);

    log_error("  port %u: %s %u, vcpu %u, priority %u%s%s\n", port, names[binding_state(binding)],
              channel->value, binding_vcpu(binding),
              atomic_load(&channel->queue) & CHANNEL_PRIORITY,
              port_bit(domain, port, EVTCHN_FIFO_PENDING) ? ", pending" : "",
              port_bit(domain, port, EVTCHN_FIFO_MASKED) ? ", masked" : "");
    if (peer != NULL) {
        log_error("    of domain %u\n", peer->id);
    }
}

/* At most so many ports: the console is slow, and nobody can close one meanwhile. */
#define DUMP_LINES 64u

void events_dump(const struct domain *domain)
{
    const struct event_channels *events = domain->events;
    uint32_t before = senders_enter(), lines = 0;

    log_error("domain %u: %u ports, %s\n", domain->id, events->open,
              events_fifo(events) != NULL ? "FIFO" : "2-level");
    for (uint32_t port = 1; port < load_acquire(&events->limit) && lines < DUMP_LINES; port++) {
        const struct channel *channel = channel_find(events, port);

        if (state_of(channel) > CHANNEL_RESERVED) {
            dump_port(domain, port, channel);
            lines++;
        }
    }
    senders_leave(before);
}
