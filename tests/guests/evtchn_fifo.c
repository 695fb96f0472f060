/* SPDX-License-Identifier: MIT */
/*
 * FIFO event channels: control block, event words, queues, links, priorities.
 *
 * The hypervisor writes linked lists into the guest's pages while the guest takes them apart; both
 * sides agree only through single words. Linux uses this kind wherever it is offered.
 * Source: public event_channel.h and its description of the event word.
 */
#include "tests/guests/lib/guest.h"

#define PENDING BIT(EVTCHN_FIFO_PENDING)
#define MASKED  BIT(EVTCHN_FIFO_MASKED)
#define LINKED  BIT(EVTCHN_FIFO_LINKED)

static struct evtchn_fifo_control_block *control;
static volatile uint32_t *words;
static uint32_t heads[EVTCHN_FIFO_MAX_QUEUES];

static unsigned int order[32], seen;

static void consume(unsigned int queue)
{
    uint32_t head = heads[queue];

    if (head == 0) {
        head = __atomic_load_n(&control->head[queue], __ATOMIC_SEQ_CST);
    }
    while (head != 0) {
        volatile uint32_t *word = &words[head];
        uint32_t old = *word;

        while (!__atomic_compare_exchange_n(word, &old,
                                            old & ~(uint32_t)(LINKED | EVTCHN_FIFO_LINK_MASK),
                                            false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        }
        if ((old & PENDING) != 0 && (old & MASKED) == 0) {
            __atomic_and_fetch(word, ~(uint32_t)PENDING, __ATOMIC_SEQ_CST);
            if (seen < ARRAY_SIZE(order)) {
                order[seen++] = head;
            }
        }
        head = old & EVTCHN_FIFO_LINK_MASK;
    }
    heads[queue] = head;
}

static void take(struct cpu *cpu)
{
    cpu->info->evtchn_upcall_pending = 0;
    for (;;) {
        uint32_t ready = __atomic_exchange_n(&control->ready, 0, __ATOMIC_SEQ_CST);

        if (ready == 0) {
            return;
        }
        while (ready != 0) {
            unsigned int queue = (unsigned int)__builtin_ctz(ready);

            ready &= ready - 1;
            consume(queue);
            /* Higher priorities may have come. */
            ready |= __atomic_exchange_n(&control->ready, 0, __ATOMIC_SEQ_CST);
        }
    }
}

/* The far ends are not listened to: masked, and rid of the event that binding raises. */
static unsigned int quiet_pair(unsigned int *other)
{
    unsigned int port = loop_ports(other);
    bool linked;

    __atomic_or_fetch(&words[*other], (uint32_t)MASKED, __ATOMIC_SEQ_CST);
    linked = (words[*other] & LINKED) != 0;
    expect(linked && (words[*other] & PENDING) != 0, "binding raises the binder's port");
    events_on();
    events_off();
    __atomic_and_fetch(&words[*other], ~(uint32_t)PENDING, __ATOMIC_SEQ_CST);
    return port;
}

static long call(unsigned int operation, void *request)
{
    return hypercall2(__HYPERVISOR_event_channel_op, operation, request);
}

static void setup(void)
{
    struct evtchn_init_control init = { .vcpu = 0 };
    struct evtchn_expand_array expand;

    control = page_alloc();
    words = page_alloc();
    init.control_gfn = va_mfn(control);
    expect_eq(call(EVTCHNOP_init_control, &init), 0, "init_control");
    expect_eq(init.link_bits, EVTCHN_FIFO_LINK_BITS, "link bits");
    expand.array_gfn = va_mfn((const volatile void *)words);
    expect_eq(call(EVTCHNOP_expand_array, &expand), 0, "expand_array");
    upcall_hook = take;
}

static void unmask(unsigned int port)
{
    struct evtchn_unmask request = { .port = port };

    expect_eq(call(EVTCHNOP_unmask, &request), 0, "unmask");
}

static long set_priority(unsigned int port, unsigned int priority)
{
    struct evtchn_set_priority request = { .port = port, .priority = priority };

    return call(EVTCHNOP_set_priority, &request);
}

static void check_order(void)
{
    unsigned int here[8], there[8];

    for (unsigned int i = 0; i < 8; i++) {
        here[i] = quiet_pair(&there[i]);
    }
    /* In the order of sending. */
    for (unsigned int i = 0; i < 8; i++) {
        expect_eq(port_send(there[(i * 3) % 8]), 0, "send");
    }
    expect_eq(control->ready, BIT(EVTCHN_FIFO_PRIORITY_DEFAULT), "one queue is ready");
    expect_eq(words[here[0]] & (PENDING | LINKED), PENDING | LINKED, "pending and linked");
    events_on();
    events_off();
    expect_eq(seen, 8, "all of them");
    for (unsigned int i = 0; i < 8; i++) {
        expect_eq(order[i], here[(i * 3) % 8], "first come, first served");
        expect_eq(words[here[i]], 0, "the event word is clean");
    }

    /* By priority. */
    for (unsigned int i = 0; i < 8; i++) {
        expect_eq(set_priority(here[i], 2 * (7 - i)), 0, "set_priority");
        expect_eq(port_send(there[i]), 0, "send");
    }
    seen = 0;
    events_on();
    events_off();
    expect_eq(seen, 8, "all of them");
    for (unsigned int i = 0; i < 8; i++) {
        expect_eq(order[i], here[7 - i], "most urgent first");
    }
    expect_eq(set_priority(here[0], 15), 0, "lowest priority");
    expect_eq(set_priority(here[0], 16), -XEN_EINVAL, "no such priority");
    expect_eq(set_priority(here[0], 0xffffffff), -XEN_EINVAL, "no such priority");
}

static void check_mask(void)
{
    unsigned int there;
    unsigned int here = quiet_pair(&there);

    expect_eq(words[here], 0, "a new port is open: the word is the guest's");
    __atomic_or_fetch(&words[here], (uint32_t)MASKED, __ATOMIC_SEQ_CST);
    seen = 0;
    expect_eq(port_send(there), 0, "send");
    expect_eq(words[here] & PENDING, PENDING, "pending");
    events_on();
    expect_eq(seen, 0, "but masked");
    unmask(here);
    expect_eq(seen, 1, "delivered by unmask");
    expect_eq(order[0], here, "the port");
    events_off();

    /* Raised again while still linked: one entry, and it is not lost. */
    expect_eq(port_send(there), 0, "send");
    expect_eq(port_send(there), 0, "send");
    seen = 0;
    events_on();
    events_off();
    expect_eq(seen, 1, "once");
    expect_eq(port_close(here), 0, "close");
    printf("word of a closed port: %x\n", words[here]);
}

void test_main(void)
{
    unsigned int old_there;
    unsigned int old = loop_ports(&old_there);

    setup();
    /* Ports from before the switch go on, and what was pending is raised anew. */
    __atomic_or_fetch(&words[old_there], (uint32_t)MASKED, __ATOMIC_SEQ_CST);
    unmask(old);
    expect_eq(port_send(old_there), 0, "send");
    events_on();
    events_off();
    expect_eq(seen, 1, "a port from before");
    expect_eq(order[0], old, "the right one");
    seen = 0;
    check_order();
    check_mask();
}
