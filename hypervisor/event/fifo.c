/* SPDX-License-Identifier: MIT */
/*
 * The FIFO scheme: a word for each port in pages of the guest, and for each vCPU
 * 16 queues of ports, linked through those words.
 *
 * The guest can write to every word and to the heads at any time.  A word is
 * therefore changed by single atomic operations that need no second try, and a
 * link read from the guest is never followed: the core remembers each queue's
 * tail.  A guest that corrupts its words loses its own events and no others.
 *
 * What port_*() do for the 2-level scheme is here as well; the rest of that is in
 * channels.h.
 */
#include "hypervisor/event/channels.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/mm/page_type.h"

#define WORD_PENDING ((event_word_t)1 << EVTCHN_FIFO_PENDING)
#define WORD_MASKED  ((event_word_t)1 << EVTCHN_FIFO_MASKED)
#define WORD_LINKED  ((event_word_t)1 << EVTCHN_FIFO_LINKED)
#define WORD_LINK    ((event_word_t)EVTCHN_FIFO_LINK_MASK)

/*
 * Set one bit (0 to 31) of a word the guest can write to; the bit as it was.  A
 * full barrier, one instruction: compilers may make a loop of a fetch-and-or.
 */
static inline bool word_test_and_set(event_word_t *word, unsigned int bit)
{
    bool old;

    __asm__ volatile("lock btsl %[bit], %[word]"
                     : [word] "+m"(*word), "=@ccc"(old)
                     : [bit] "Ir"(bit)
                     : "memory");
    return old;
}

/* Clear bits; a full barrier. */
static inline void word_clear(event_word_t *word, event_word_t bits)
{
    (void)__atomic_and_fetch(word, ~bits, __ATOMIC_SEQ_CST);
}

static inline event_word_t *event_word(const struct fifo *fifo, uint32_t port)
{
    event_word_t *page = load_acquire(&fifo->page[port / WORDS_PER_PAGE]);

    return likely(page != NULL) ? &page[port % WORDS_PER_PAGE] : NULL;
}

/*
 * Let the queue's last port point to the next: its link is 0, so that adding is
 * setting (what a guest did to it can only carry into bits nobody uses).  False if the guest has
 * taken the last one off: then the link must not stay, for the word is in no queue.  Only who holds
 * the lock of the queue it was in can put it into another meanwhile.
 */
static bool append(const struct fifo *fifo, uint32_t tail, uint32_t port)
{
    event_word_t *word = event_word(fifo, tail);

    if ((__atomic_fetch_add(word, port, __ATOMIC_SEQ_CST) & WORD_LINKED) != 0) {
        return true;
    }
    word_clear(word, WORD_LINK);
    return false;
}

/* At the queue's end; true if the vCPU must be told.  Both queues' locks are held. */
static bool enqueue_locked(const struct fifo *fifo, struct vcpu_events *to, unsigned int priority,
                           uint32_t port)
{
    uint32_t tail = to->tail[priority];

    to->tail[priority] = port;
    if (tail != 0 && append(fifo, tail, port)) {
        return false;
    }
    write_once(to->control->head[priority], port);
    return !word_test_and_set(&to->control->ready, priority);
}

/*
 * Put a port that was just seen pending, not masked and not linked on its vCPU's
 * queue.  If somebody else has put it on any queue since then, that will do: the
 * guest finds it there and sees the pending bit.
 */
static void enqueue(struct domain *domain, const struct fifo *fifo, uint32_t port,
                    event_word_t *word) NO_LOCK_ANALYSIS
{
    struct channel *channel = channel_at(domain->events, port);
    struct vcpu *vcpu = domain->vcpu[binding_vcpu(channel_binding(channel))];

    uint32_t queue = atomic_load_explicit(&channel->queue, memory_order_acquire);
    uint32_t last = channel_queue_last(queue);
    uint32_t wanted = queue_of(vcpu->id, queue & CHANNEL_PRIORITY);
    struct vcpu_events *to = vcpu->events;
    struct vcpu_events *from = likely(last >> 4 == vcpu->id) ? to : domain->vcpu[last >> 4]->events;
    bool tell = false;

    spin_lock_both(&from->lock, &to->lock);
    if (channel_queue_last(atomic_load(&channel->queue)) == last &&
        !word_test_and_set(word, EVTCHN_FIFO_LINKED)) {
        if (unlikely((read_once(*word) & WORD_LINK) != 0)) {
            word_clear(word, WORD_LINK);
        }
        /* As the last of a queue it was taken off: that queue is empty. */
        if (from->tail[last & 15] == port) {
            from->tail[last & 15] = 0;
        }
        if (last != wanted) {
            atomic_fetch_xor(&channel->queue, (last ^ wanted) << CHANNEL_QUEUE_SHIFT);
        }
        tell = enqueue_locked(fifo, to, wanted & 15, port);
    }
    spin_unlock_both(&from->lock, &to->lock);
    if (tell) {
        vcpu_tell(vcpu);
    }
}

static bool take_deferred(struct channel *channel)
{
    return (atomic_fetch_and(&channel->queue, ~CHANNEL_DEFERRED) & CHANNEL_DEFERRED) != 0;
}

/* No word for the port yet: remember it, unless the word appeared in this moment. */
static cold_path bool defer(const struct fifo *fifo, struct channel *channel, uint32_t port)
{
    atomic_fetch_or(&channel->queue, CHANNEL_DEFERRED);
    return event_word(fifo, port) == NULL || !take_deferred(channel);
}

/*
 * Mask and link are read after pending was set.  Who clears one of them after
 * that finds the port pending.
 */
void fifo_raise(struct domain *domain, struct fifo *fifo, uint32_t port)
{
    event_word_t *word = event_word(fifo, port);
    bool was_pending;

    if (unlikely(word == NULL)) {
        if (defer(fifo, channel_at(domain->events, port), port)) {
            pollers_check(domain, port);
            return;
        }
        word = event_word(fifo, port);
    }
    was_pending = word_test_and_set(word, EVTCHN_FIFO_PENDING);
    if ((read_once(*word) & (WORD_MASKED | WORD_LINKED)) == 0) {
        enqueue(domain, fifo, port, word);
    }
    if (!was_pending) {
        pollers_check(domain, port);
    }
}

void port_clear_mask(struct domain *domain, uint32_t port)
{
    struct shared_info *shared = domain->shared_info;
    struct fifo *fifo = events_fifo(domain->events);
    event_word_t *word;

    if (fifo == NULL) {
        if (bit_test_and_clear(shared->evtchn_mask, port) &&
            bit_test(shared->evtchn_pending, port)) {
            two_level_select(port_vcpu(domain, port), port);
        }
        return;
    }
    word = event_word(fifo, port);
    if (word == NULL) {
        return;
    }
    word_clear(word, WORD_MASKED);
    if ((read_once(*word) & (WORD_PENDING | WORD_LINKED)) == WORD_PENDING) {
        enqueue(domain, fifo, port, word);
    }
}

bool port_bit(const struct domain *domain, uint32_t port, unsigned int bit)
{
    const struct shared_info *shared = domain->shared_info;
    const struct fifo *fifo = events_fifo(domain->events);
    const event_word_t *word;

    if (fifo == NULL) {
        return bit != EVTCHN_FIFO_LINKED &&
               bit_test(bit == EVTCHN_FIFO_PENDING ? shared->evtchn_pending : shared->evtchn_mask,
                        port);
    }
    word = event_word(fifo, port);
    return word != NULL ? (read_once(*word) & (event_word_t)1 << bit) != 0
                        : bit == EVTCHN_FIFO_PENDING &&
                              (channel_at(domain->events, port)->queue & CHANNEL_DEFERRED) != 0;
}

void port_clear_pending(struct domain *domain, uint32_t port)
{
    struct fifo *fifo = events_fifo(domain->events);
    event_word_t *word = fifo != NULL ? event_word(fifo, port) : NULL;

    if (fifo == NULL) {
        (void)bit_test_and_clear(domain->shared_info->evtchn_pending, port);
    } else if (word != NULL) {
        word_clear(word, WORD_PENDING);
    }
    (void)take_deferred(channel_at(domain->events, port));
}

void fifo_vcpu_reset(struct vcpu_events *events)
{
    struct page *page;

    spin_lock(&events->lock);
    page = events->control_page;
    events->control_page = NULL;
    events->control = &events->early;
    events->early = (struct evtchn_fifo_control_block){ 0 };
    memset(events->tail, 0, sizeof(events->tail));
    spin_unlock(&events->lock);
    if (page != NULL) {
        frame_type_put(page);
    }
}

void fifo_destroy(struct domain *domain)
{
    struct event_channels *events = domain->events;
    struct fifo *fifo = events->fifo;
    struct vcpu *vcpu;

    if (fifo == NULL) {
        return;
    }
    store_release(&events->fifo, NULL);
    senders_wait();
    FOR_EACH_VCPU(domain, vcpu)
    {
        fifo_vcpu_reset(vcpu->events);
    }
    for (uint32_t i = 0; i < fifo->pages; i++) {
        frame_type_put(page_of(direct_map_frame(fifo->page[i])));
    }
    heap_free(fifo);
}

/*
 * From now on ports have words.  What is pending in the old scheme is deferred
 * until the words are there; no sender uses the old one any more when we look.
 */
static void switch_to_fifo(struct domain *domain, struct fifo *fifo)
{
    struct event_channels *events = domain->events;

    store_release(&events->fifo, fifo);
    senders_wait();
    for (uint32_t port = 1; port < MIN(events->limit, EVTCHN_2L_NR_CHANNELS); port++) {
        struct channel *channel = channel_find(events, port);

        if (binding_state(channel_binding(channel)) != CHANNEL_FREE &&
            bit_test(domain->shared_info->evtchn_pending, port)) {
            atomic_fetch_or(&channel->queue, CHANNEL_DEFERRED);
        }
    }
}

/* The guest's control block takes the place of `early`; true if the vCPU must be told. */
static bool control_block_set(struct vcpu_events *events, struct page *page, uint32_t offset)
{
    struct evtchn_fifo_control_block *block = (void *)((uint8_t *)page_address(page) + offset);
    uint32_t ready;

    spin_lock(&events->lock);
    for (unsigned int i = 0; i < EVTCHN_FIFO_MAX_QUEUES; i++) {
        write_once(block->head[i], events->early.head[i]);
    }
    ready = events->early.ready;
    write_once(block->ready, ready);
    events->control_page = page;
    events->control = block;
    spin_unlock(&events->lock);
    return ready != 0;
}

long fifo_init_control(struct evtchn_init_control *args)
{
    struct domain *domain = current->domain;
    struct event_channels *events = domain->events;
    struct vcpu *vcpu = domain_vcpu(domain, args->vcpu);
    struct fifo *fifo;
    struct page *page;
    bool tell;
    int error;

    args->link_bits = EVTCHN_FIFO_LINK_BITS;
    if (vcpu == NULL) {
        return -XEN_ENOENT;
    }
    if (args->offset > PAGE_SIZE - sizeof(struct evtchn_fifo_control_block) ||
        args->offset % 8 != 0) {
        return -XEN_EINVAL;
    }
    fifo = heap_alloc(sizeof(*fifo));
    if (fifo == NULL) {
        return -XEN_ENOMEM;
    }
    error = frame_type_get(mfn(args->control_gfn), domain->id, PAGE_WRITABLE);
    if (error != 0) {
        goto free_fifo;
    }
    page = page_of(mfn(args->control_gfn));

    spin_lock(&events->lock);
    if (domain_is_dying(domain) || vcpu->events->control_page != NULL) {
        error = -XEN_EINVAL;
        goto unlock;
    }
    if (events->fifo == NULL) {
        switch_to_fifo(domain, fifo);
        fifo = NULL;
    }
    tell = control_block_set(vcpu->events, page, args->offset);
    spin_unlock(&events->lock);
    heap_free(fifo);
    if (tell) {
        vcpu_tell(vcpu);
    }
    return 0;

unlock:
    spin_unlock(&events->lock);
    frame_type_put(page);
free_fifo:
    heap_free(fifo);
    return error;
}

/* The words of one more page are there: raise what could not be raised before. */
static void raise_deferred(struct domain *domain, uint32_t first)
{
    struct event_channels *events = domain->events;

    for (uint32_t port = MAX(first, 1); port < MIN(events->limit, first + WORDS_PER_PAGE); port++) {
        struct channel *channel = channel_find(events, port);

        if (take_deferred(channel)) {
            fifo_raise(domain, events->fifo, port);
        }
    }
}

long fifo_expand_array(struct evtchn_expand_array *args)
{
    struct domain *domain = current->domain;
    struct event_channels *events = domain->events;
    struct fifo *fifo;
    struct page *page;
    int error;

    if (events_fifo(events) == NULL) {
        return -XEN_EOPNOTSUPP;
    }
    error = frame_type_get(mfn(args->array_gfn), domain->id, PAGE_WRITABLE);
    if (error != 0) {
        return error;
    }
    page = page_of(mfn(args->array_gfn));

    spin_lock(&events->lock);
    fifo = events->fifo;
    if (fifo == NULL) {
        error = -XEN_EOPNOTSUPP;
    } else if (fifo->pages == ARRAY_PAGES) {
        error = -XEN_ENOSPC;
    } else {
        /* A full barrier: who defers after this sees the page. */
        (void)atomic_swap(&fifo->page[fifo->pages], page_address(page));
        raise_deferred(domain, fifo->pages++ * WORDS_PER_PAGE);
    }
    spin_unlock(&events->lock);
    if (error != 0) {
        frame_type_put(page);
    }
    return error;
}

long fifo_set_priority(struct evtchn_set_priority *args)
{
    struct event_channels *events = current->domain->events;
    struct channel *channel = channel_find(events, args->port);
    long error = 0;

    if (channel == NULL) {
        return -XEN_EINVAL;
    }
    spin_lock(&events->lock);
    if (events->fifo == NULL) {
        error = -XEN_ENOSYS;
    } else if (binding_state(channel_binding(channel)) <= CHANNEL_RESERVED) {
        error = -XEN_EACCES;
    } else if (args->priority > EVTCHN_FIFO_PRIORITY_MIN) {
        error = -XEN_EINVAL;
    } else {
        uint32_t old = atomic_load(&channel->queue) & CHANNEL_PRIORITY;

        atomic_fetch_xor(&channel->queue, old ^ args->priority);
    }
    spin_unlock(&events->lock);
    return error;
}
