/* SPDX-License-Identifier: MIT */
/*
 * Multicalls: results one by one, errors that do not stop the rest, what may not be nested, long
 * lists that are preempted, and lists that change or end under the hypervisor.
 *
 * Linux puts every context switch into one of these.
 * Source: public multicall_entry; watched on Debian's Xen.
 */
#include "tests/guests/lib/guest.h"

#define MANY 5000

static struct multicall_entry entries[MANY];

static long multicall(void *list, unsigned long count)
{
    return hypercall2(__HYPERVISOR_multicall, list, count);
}

static struct multicall_entry version_call(void)
{
    return (struct multicall_entry){ .op = __HYPERVISOR_xen_version,
                                     .result = 0x5555,
                                     .args = { XENVER_version } };
}

static void check_results(void)
{
    struct evtchn_send send = { .port = 4000 };

    for (unsigned int i = 0; i < 5; i++) {
        entries[i] = version_call();
    }
    entries[1].op = 47;
    entries[2].op = __HYPERVISOR_event_channel_op;
    entries[2].args[0] = EVTCHNOP_send;
    entries[2].args[1] = (unsigned long)&send;
    entries[3].args[0] = XENVER_capabilities;
    entries[3].args[1] = (unsigned long)BAD_UNMAPPED;
    expect_eq(multicall(entries, 5), 0, "multicall");
    expect_eq(entries[0].result, 4 << 16 | 17, "the first");
    expect_eq((long)entries[1].result, -XEN_ENOSYS, "an unknown number");
    expect_eq((long)entries[2].result, -XEN_EINVAL, "a bad port");
    expect_eq((long)entries[3].result, -XEN_EFAULT, "a bad pointer");
    expect_eq(entries[4].result, 4 << 16 | 17, "the one after the errors");
    expect_eq(multicall(entries, 0), 0, "an empty list");
    expect_eq(multicall(BAD_UNMAPPED, 0), 0, "an empty list nowhere");
}

static void check_numbers(void)
{
    static const unsigned long numbers[] = { 63, 64, 255, 0x7fffffff, 0x80000000UL, BIT(63), ~0UL };

    for (unsigned int i = 0; i < ARRAY_SIZE(numbers); i++) {
        entries[0] = version_call();
        entries[0].op = numbers[i];
        expect_eq(multicall(entries, 1), 0, "multicall");
        expect_eq((long)entries[0].result, -XEN_ENOSYS, "an undefined number");
    }
}

/* A multicall in a multicall would nest without end. */
static void check_nesting(void)
{
    entries[0] = version_call();
    entries[0].op = __HYPERVISOR_multicall;
    entries[0].args[0] = (unsigned long)&entries[1];
    entries[0].args[1] = 1;
    entries[1] = version_call();
    expect_eq(multicall(entries, 1), 0, "nested");
    printf("nested: outer %ld, inner %ld\n", (long)entries[0].result, (long)entries[1].result);
    expect((long)entries[0].result == -XEN_EINVAL || (long)entries[0].result == -XEN_ENOSYS,
           "refused");
    expect_eq(entries[1].result, 0x5555, "and not run");

    /* Itself as its own list. */
    entries[0].args[0] = (unsigned long)entries;
    expect_eq(multicall(entries, 1), 0, "nested in itself");
    expect((long)entries[0].result < 0, "refused");

    /* iret has nowhere to put a result: whatever it does, the guest must still be whole. */
}

static void check_pointers(void)
{
    uint8_t *pages[2] = { page_alloc(), page_alloc() };
    struct multicall_entry *edge = (void *)(pages[0] + PAGE_SIZE - 2 * sizeof(*edge));

    expect_eq(multicall(BAD_UNMAPPED, 1), -XEN_EFAULT, "unmapped list");
    expect_eq(multicall(BAD_HYPERVISOR, 1), -XEN_EFAULT, "list in the hypervisor");
    expect_eq(multicall(BAD_NONCANONICAL, 1), -XEN_EFAULT, "list nowhere");
    expect_eq(multicall((void *)0x00007fffffffffc0UL, 4), -XEN_EFAULT, "list across the hole");
    expect_eq(multicall((void *)0xffff7fffffffff80UL, 4), -XEN_EFAULT, "across the hole's end");

    edge[0] = version_call();
    edge[1] = version_call();
    expect_eq(update_va(pages[1], 0, UVMF_INVLPG), 0, "unmap");
    expect_eq(multicall(edge, 3), -XEN_EFAULT, "over the edge");
    expect_eq(edge[0].result, 4 << 16 | 17, "the first was run");
    expect_eq(edge[1].result, 4 << 16 | 17, "the second was run");

    /* The results cannot be written. */
    edge[0] = version_call();
    make_read_only(pages[0]);
    expect_eq(multicall(edge, 1), -XEN_EFAULT, "a read-only list");
    make_writable(pages[0]);

    /* More entries than there can be: behind these two is nothing. */
    edge[0] = version_call();
    edge[1] = version_call();
    expect(multicall(edge, 0x7fffffff) < 0, "two billion");
}

static void check_long(void)
{
    unsigned int port, wrong = 0;
    struct vcpu_set_periodic_timer timer = { .period_ns = MILLISECOND };

    expect_eq(bind_virq(VIRQ_TIMER, 0, &port), 0, "timer");
    unmask_port(port);
    events_on();
    hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_set_periodic_timer, 0, &timer);
    for (unsigned int round = 0; round < 20; round++) {
        for (unsigned int i = 0; i < MANY; i++) {
            entries[i] = version_call();
        }
        expect_eq(multicall(entries, MANY), 0, "a long list");
        for (unsigned int i = 0; i < MANY; i++) {
            wrong += entries[i].result != (4 << 16 | 17);
        }
    }
    hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, 0, 0);
    events_off();
    expect_eq(wrong, 0, "results of 100,000 calls");
    printf("%u ticks meanwhile\n", port_count[port]);
}

/* A preemptible call in the middle of the list. */
static void check_batch_inside(void)
{
    static struct mmu_update updates[512];
    uint8_t *window = spare_va();
    unsigned int done = 0;

    for (unsigned int i = 0; i < 512; i++) {
        updates[i].ptr = entry_maddr(window, 1);
        updates[i].val = i % 2 == 0 ? 0 : pte(va_mfn(entries), PTE_READ_ONLY);
    }
    entries[0] = version_call();
    entries[1] = (struct multicall_entry){
        .op = __HYPERVISOR_mmu_update,
        .args = { (unsigned long)updates, 512, (unsigned long)&done, DOMID_SELF },
    };
    entries[2] = version_call();
    expect_eq(multicall(entries, 3), 0, "multicall");
    expect_eq(entries[1].result, 0, "the batch");
    expect_eq(done, 512, "all of it");
    expect_eq(entries[2].result, 4 << 16 | 17, "the one behind it");
}

void test_main(void)
{
    check_results();
    check_numbers();
    check_nesting();
    check_pointers();
    check_batch_inside();
    check_long();
}
