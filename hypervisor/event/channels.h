/* SPDX-License-Identifier: MIT */
/*
 * What the files of event/ share: channels, where they are kept, and the count
 * of senders that lets a send go without a lock (docs/hypervisor/events.md,
 * "Locks").
 */
#pragma once

#include "hypervisor/event/event.h"
#include "hypervisor/x86/percpu.h"

/*
 * What a port is.  PIRQ_BUSY is a pirq that is being bound or unbound, without
 * the lock, by somebody: interrupts pass, every other operation finds no port.
 */
enum channel_state {
    CHANNEL_FREE,
    CHANNEL_RESERVED, /* port 0 for ever; others while they are closed */
    CHANNEL_UNBOUND,
    CHANNEL_INTERDOMAIN,
    CHANNEL_PIRQ_BUSY,
    CHANNEL_PIRQ,
    CHANNEL_VIRQ,
    CHANNEL_IPI,
};

/*
 * One port, 16 bytes.  `binding` and `value` change under the event lock (a
 * pair comes and goes under both domains'), and `value` only while no sender can
 * be between reading the two.
 *
 *   binding  bits 0-3 state, 4-47 address of the remote domain (INTERDOMAIN),
 *            48-60 the vCPU notified
 *   value    peer's port, VIRQ, pirq, or the domain that is waited for
 *   queue    for FIFO; CHANNEL_* below
 */
struct channel {
    _Atomic uint64_t binding;
    uint32_t value;
    _Atomic uint32_t queue;
};

_Static_assert(sizeof(struct channel) == 16, "struct channel");
_Static_assert(VCPU_LIMIT <= 1u << 13, "vCPU in channel.binding and channel.queue");

#define BINDING_STATE      UINT64_C(0xf)
#define BINDING_ADDRESS    UINT64_C(0x0000fffffffffff0)
#define BINDING_VCPU_SHIFT 48

/*
 * channel.queue: bits 0-3 the priority it shall have (event lock); 4-20 the
 * queue it was put on last, as made by queue_of() (lock of that queue's vCPU);
 * DEFERRED: raised while there was no event word, to be raised again when there is.
 */
#define CHANNEL_PRIORITY    0xfu
#define CHANNEL_QUEUE_SHIFT 4
#define CHANNEL_QUEUE       0x1ffffu
#define CHANNEL_DEFERRED    0x80000000u

#define GROUP_CHANNELS 256u /* one frame of memory */
#define GROUPS_FIRST   (EVTCHN_2L_NR_CHANNELS / GROUP_CHANNELS)
#define GROUPS_ALL     (EVTCHN_FIFO_NR_CHANNELS / GROUP_CHANNELS)

#define WORDS_PER_PAGE 1024u
#define ARRAY_PAGES    (EVTCHN_FIFO_NR_CHANNELS / WORDS_PER_PAGE)

/* The guest's array of event words; each page held with a reference and as writable. */
struct fifo {
    event_word_t *page[ARRAY_PAGES]; /* NULL beyond `pages`; never changes back */
    uint32_t pages;
};

struct event_channels {
    struct channel **groups; /* group n has ports from 256 n; first_groups until more are needed */
    uint32_t limit;          /* ports below it have a channel; only grows */
    struct fifo *fifo;       /* NULL: the 2-level scheme */

    struct spinlock lock; /* RANK_EVENT: down to the blank line, and what is above written */
    uint32_t max_port;
    uint32_t open;       /* ports in use */
    uint32_t first_free; /* none below it is FREE */
    uint32_t close_next; /* how far events_close_all() or EVTCHNOP_reset came */

    struct channel *first_groups[GROUPS_FIRST];
};

/*
 * The events of one vCPU.  Its 16 FIFO queues have one lock: who sends to them
 * must write to this vCPU's memory anyhow.  `early` stands in for the control
 * block until the guest gives one.
 */
struct vcpu_events {
    _Atomic uint32_t virq_port[NR_VIRQS]; /* event lock; global ones are vCPU 0's */

    struct spinlock lock; /* RANK_EVENT_QUEUE: all below */
    uint32_t tail[EVTCHN_FIFO_MAX_QUEUES];
    struct evtchn_fifo_control_block *control;
    struct page *control_page; /* NULL: control is `early` */
    struct evtchn_fifo_control_block early;
};

static inline uint64_t binding_make(enum channel_state state, const struct domain *remote,
                                    uint32_t vcpu)
{
    return (uint64_t)state | ((uint64_t)(uintptr_t)remote & BINDING_ADDRESS) |
           ((uint64_t)vcpu << BINDING_VCPU_SHIFT);
}

static inline enum channel_state binding_state(uint64_t binding)
{
    return (enum channel_state)(binding & BINDING_STATE);
}

static inline uint32_t binding_vcpu(uint64_t binding)
{
    return (uint32_t)(binding >> BINDING_VCPU_SHIFT);
}

/* Bit 47 of the address stands for those above it, as in every canonical address. */
static inline struct domain *binding_domain(uint64_t binding)
{
    return (struct domain *)(uintptr_t)(((int64_t)(binding << 16) >> 16) & ~INT64_C(0xf));
}

static inline uint64_t channel_binding(const struct channel *channel)
{
    return atomic_load_explicit(&channel->binding, memory_order_acquire);
}

/* One of the 16 queues of each vCPU. */
static inline uint32_t queue_of(uint32_t vcpu, uint32_t priority)
{
    return (vcpu << 4) | priority;
}

static inline uint32_t channel_queue_last(uint32_t queue)
{
    return (queue >> CHANNEL_QUEUE_SHIFT) & CHANNEL_QUEUE;
}

/* A port that has a channel, as those have that the core itself noted. */
static inline struct channel *channel_at(const struct event_channels *events, uint32_t port)
{
    return &load_acquire(&events->groups)[port / GROUP_CHANNELS][port % GROUP_CHANNELS];
}

/* The channel of a port named by a guest; NULL if it is beyond all that were ever in use. */
static inline struct channel *channel_find(const struct event_channels *events, uint32_t port)
{
    return likely(index_below(&port, load_acquire(&events->limit))) ? channel_at(events, port)
                                                                    : NULL;
}

static inline struct fifo *events_fifo(const struct event_channels *events)
{
    return load_acquire(&events->fifo);
}

/*
 * A CPU that sends is counted: its number is odd from senders_enter() to
 * senders_leave().  Between the two it takes only locks ranked below RANK_EVENT.
 * Sends nest when one makes something worth a VIRQ.
 *
 * Entering is a full barrier: what the sender reads next is not older than its
 * being seen here.
 */
static inline uint32_t senders_enter(void)
{
    _Atomic uint32_t *number = &this_cpu()->event_sends;
    uint32_t before = atomic_load_explicit(number, memory_order_relaxed);

    atomic_exchange(number, before | 1);
    return before;
}

static inline void senders_leave(uint32_t before)
{
    uint32_t after = (before & 1) != 0 ? before : before + 2;

    atomic_store_explicit(&this_cpu()->event_sends, after, memory_order_release);
}

/* The same pair for a hypercall, which is never within another send. */
static inline uint32_t senders_enter_first(void)
{
    _Atomic uint32_t *number = &this_cpu()->event_sends;
    uint32_t before = atomic_load_explicit(number, memory_order_relaxed);

    atomic_exchange(number, before + 1);
    return before;
}

static inline void senders_leave_last(uint32_t before)
{
    atomic_store_explicit(&this_cpu()->event_sends, before + 2, memory_order_release);
}

/* Return when every send that may have seen what was before this call is over. */
void senders_wait(void);

/* Wake those in SCHEDOP_poll who wait for this port; it has been made pending. */
void pollers_wake(struct domain *domain, uint32_t port);

static inline void pollers_check(struct domain *domain, uint32_t port)
{
    if (unlikely(read_once(domain->poll_count) != 0)) {
        pollers_wake(domain, port);
    }
}

/* The vCPU that a port in use notifies. */
static inline struct vcpu *port_vcpu(const struct domain *domain, uint32_t port)
{
    return domain->vcpu[binding_vcpu(channel_binding(channel_at(domain->events, port)))];
}

/* Set upcall_pending; if it was clear, make the vCPU notice.  Quick if it runs here. */
static inline void vcpu_tell(struct vcpu *vcpu)
{
    struct vcpu_info *info = read_once(vcpu->info);

    if (atomic_swap(&info->evtchn_upcall_pending, 1) == 0 &&
        (vcpu != current || atomic_load(&vcpu->blocked) != 0)) {
        vcpu_unblock(vcpu);
    }
}

/*
 * The 2-level scheme, for ports in use.  Whoever turns a bit from 0 to 1 goes on
 * to the next level; who finds it set leaves the rest to the one who set it.  All
 * steps are full barriers.  Open ports of a domain without a fifo are below 4,096:
 * no range checks here.
 */

/* The port became pending and is not masked: the selector, then the vCPU. */
static inline void two_level_select(struct vcpu *vcpu, uint32_t port)
{
    struct vcpu_info *info = read_once(vcpu->info);

    if (!bit_test_and_set(&info->evtchn_pending_sel, port / 64 % 64)) {
        vcpu_tell(vcpu);
    }
}

static inline void two_level_raise(struct domain *domain, uint32_t port)
{
    struct shared_info *shared = domain->shared_info;

    if (bit_test_and_set(shared->evtchn_pending, port)) {
        return;
    }
    if (!bit_test(shared->evtchn_mask, port)) {
        two_level_select(port_vcpu(domain, port), port);
    }
    pollers_check(domain, port);
}

/* The FIFO scheme; `fifo` is the domain's, not NULL. */
void fifo_raise(struct domain *domain, struct fifo *fifo, uint32_t port);

/* In either scheme, a port's EVTCHN_FIFO_PENDING, _MASKED or _LINKED. */
bool must_check port_bit(const struct domain *domain, uint32_t port, unsigned int bit);

/*
 * Let a port in use through, or forget that it was raised.  The caller is counted
 * as a sender or holds the event lock.
 */
void port_clear_mask(struct domain *domain, uint32_t port);
void port_clear_pending(struct domain *domain, uint32_t port);

/* Back to no queues: a new vCPU, or one whose domain returns to the 2-level scheme. */
void fifo_vcpu_reset(struct vcpu_events *events);

/* Back to the 2-level scheme; no port is open.  The event lock is held. */
void fifo_destroy(struct domain *domain);

/* EVTCHNOP_* of the caller's domain. */
long fifo_init_control(struct evtchn_init_control *args);
long fifo_expand_array(struct evtchn_expand_array *args);
long fifo_set_priority(struct evtchn_set_priority *args);

/* Set a port in use pending and notify.  The caller as above. */
static inline void port_raise(struct domain *domain, uint32_t port)
{
    struct fifo *fifo = events_fifo(domain->events);

    if (fifo == NULL) {
        two_level_raise(domain, port);
    } else {
        fifo_raise(domain, fifo, port);
    }
}
