/* SPDX-License-Identifier: MIT */
/*
 * What each of the hypervisor's primitives costs a guest kernel, in TSC ticks.
 *
 * Boots as control domain on Paravane and on Debian's Xen alike.  Under QEMU's -icount a tick is
 * one instruction, of the guest or of the hypervisor.  Each row is run once to warm up and to see
 * that it does what it says, then nine times; tests/bench/run.py divides by the count.
 */
#include "tests/guests/lib/guest.h"

#define RUNS 9

#define GRANT_REF 20

/* A call of the hypercall page, as kernels make it: the number is the stub's place. */
static inline long call(unsigned int number, unsigned long a, unsigned long b, unsigned long c,
                        unsigned long d)
{
    long result;
    register unsigned long r10 __asm__("r10") = d;

    __asm__ volatile("call *%%rax"
                     : "=a"(result), "+D"(a), "+S"(b), "+d"(c), "+r"(r10)
                     : "0"(hypercall_page + number * 32UL)
                     : "memory", "rcx", "r8", "r9", "r11");
    return result;
}

#define word(pointer) ((unsigned long)(pointer))

extern char bench_breakpoint[], bench_page_fault[], bench_upcall[];
void bench_fix_fault(void);
void bench_take_events(void);

/* What the operations work on. */
static uint8_t *page;       /* an ordinary page */
static uint64_t page_entry; /* its mapping, writable */
static uint8_t *pages[32];  /* some more */
static uint8_t *table;      /* a zeroed page, mapped read-only: an empty L1 */
static uint8_t *balloon;    /* a page that goes and comes */
static struct mmu_update updates[32];
static uint8_t *window;              /* a page's place, where a grant is mapped */
static unsigned int port, peer_port; /* sending on peer_port makes port pending */
static unsigned long faults, upcalls;
static unsigned long wrong; /* the bits in which results were not what they should be */

static inline void want(long got, long good)
{
    wrong |= (unsigned long)(got ^ good);
}

static inline long map(const void *address, uint64_t entry)
{
    return call(__HYPERVISOR_update_va_mapping, word(address), entry, UVMF_INVLPG, 0);
}

static inline uint64_t read_only(uint64_t entry)
{
    return entry & ~PTE_RW;
}

void bench_fix_fault(void)
{
    faults++;
    want(map(page, page_entry), 0);
}

void bench_take_events(void)
{
    volatile struct vcpu_info *info = &shared->vcpu_info[0];

    upcalls++;
    while (info->evtchn_upcall_pending != 0) {
        unsigned long words;

        info->evtchn_upcall_pending = 0;
        words = __atomic_exchange_n(&info->evtchn_pending_sel, 0, __ATOMIC_SEQ_CST);
        while (words != 0) {
            unsigned int at = (unsigned int)__builtin_ctzl(words);
            volatile unsigned long *pending = &shared->evtchn_pending[at];

            words &= words - 1;
            __atomic_and_fetch(pending, shared->evtchn_mask[at], __ATOMIC_SEQ_CST);
        }
    }
}

/* ---- The operations: each does its thing `n` times --------------------------------------- */

static void empty(unsigned int n)
{
    while (n-- > 0) {
        barrier();
    }
}

static void rdtsc(unsigned int n)
{
    while (n-- > 0) {
        read_tsc();
    }
}

static void hc_xen_version(unsigned int n)
{
    while (n-- > 0) {
        want(call(__HYPERVISOR_xen_version, XENVER_version, 0, 0, 0), 0x40011);
    }
}

static void hc_enosys(unsigned int n)
{
    while (n-- > 0) {
        want(call(47, 0, 0, 0, 0), -XEN_ENOSYS);
    }
}

static void hc_sched_yield(unsigned int n)
{
    while (n-- > 0) {
        want(call(__HYPERVISOR_sched_op, SCHEDOP_yield, 0, 0, 0), 0);
    }
}

static void multicall8_version(unsigned int n)
{
    struct multicall_entry entries[8];

    while (n-- > 0) {
        for (unsigned int i = 0; i < ARRAY_SIZE(entries); i++) {
            entries[i].op = __HYPERVISOR_xen_version;
            entries[i].args[0] = XENVER_version;
            entries[i].args[1] = 0;
        }
        want(call(__HYPERVISOR_multicall, word(entries), ARRAY_SIZE(entries), 0, 0), 0);
        want((long)entries[7].result, 0x40011);
    }
}

static void update_va_mapping_x2(unsigned int n)
{
    while (n-- > 0) {
        want(map(page, read_only(page_entry)), 0);
        want(map(page, page_entry), 0);
    }
}

static void mmu_update_n(unsigned int n, unsigned int count)
{
    while (n-- > 0) {
        want(call(__HYPERVISOR_mmu_update, word(updates), count, 0, DOMID_SELF), 0);
    }
}

static void mmu_update_1(unsigned int n)
{
    mmu_update_n(n, 1);
}

static void mmu_update_32(unsigned int n)
{
    mmu_update_n(n, 32);
}

static void mmuext(const struct mmuext_op *request)
{
    want(call(__HYPERVISOR_mmuext_op, word(request), 1, 0, DOMID_SELF), 0);
}

static void tlb_flush_local(unsigned int n)
{
    struct mmuext_op request = { .cmd = MMUEXT_TLB_FLUSH_LOCAL };

    while (n-- > 0) {
        mmuext(&request);
    }
}

static void invlpg_local(unsigned int n)
{
    struct mmuext_op request = { .cmd = MMUEXT_INVLPG_LOCAL, .arg1.linear_addr = word(page) };

    while (n-- > 0) {
        mmuext(&request);
    }
}

static void pin_unpin_empty_l1(unsigned int n)
{
    struct mmuext_op request = { .arg1.mfn = va_mfn(table) };

    while (n-- > 0) {
        request.cmd = MMUEXT_PIN_L1_TABLE;
        mmuext(&request);
        request.cmd = MMUEXT_UNPIN_TABLE;
        mmuext(&request);
    }
}

static void new_baseptr(unsigned int n)
{
    struct mmuext_op request = { .cmd = MMUEXT_NEW_BASEPTR, .arg1.mfn = va_mfn(kernel_l4) };

    while (n-- > 0) {
        mmuext(&request);
    }
}

static void ptwr_emulated_write(unsigned int n)
{
    volatile uint64_t *entry = entry_of(page, 1);

    while (n-- > 0) {
        *entry = page_entry;
    }
}

static void trap_bounce_int3(unsigned int n)
{
    while (n-- > 0) {
        __asm__ volatile("int3");
    }
}

static void wrprot_fault_cycle(unsigned int n)
{
    while (n-- > 0) {
        want(map(page, read_only(page_entry)), 0);
        *(volatile uint8_t *)page = 1;
    }
}

static void send(unsigned int n)
{
    struct evtchn_send request = { .port = peer_port };

    while (n-- > 0) {
        want(call(__HYPERVISOR_event_channel_op, EVTCHNOP_send, word(&request), 0, 0), 0);
    }
}

static void evtchn_send_upcall(unsigned int n)
{
    volatile struct vcpu_info *info = &shared->vcpu_info[0];

    info->evtchn_upcall_mask = 0;
    send(n);
    info->evtchn_upcall_mask = 1;
}

/* Events are off, and after the first send the port stays pending. */
static void evtchn_send_masked(unsigned int n)
{
    send(n);
}

static void set_timer(unsigned int n)
{
    uint64_t later = now() + 1000 * 1000 * MILLISECOND;

    while (n-- > 0) {
        want(call(__HYPERVISOR_set_timer_op, later, 0, 0, 0), 0);
    }
}

static void balloon_1page(unsigned int n)
{
    unsigned long number = (word(balloon) - VIRT_BASE) >> PAGE_SHIFT;
    unsigned long *mfns =
        (unsigned long *)start_info->mfn_list; // NOLINT(performance-no-int-to-ptr)

    while (n-- > 0) {
        xen_pfn_t frame = mfns[number];
        struct xen_memory_reservation request = {
            .nr_extents = 1,
            .domid = DOMID_SELF,
            .extent_start = &frame,
        };

        want(map(balloon, 0), 0);
        want(call(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, word(&request), 0, 0), 1);
        frame = number;
        want(call(__HYPERVISOR_memory_op, XENMEM_populate_physmap, word(&request), 0, 0), 1);
        mfns[number] = frame;
        want(map(balloon, pte(frame, PTE_READ_WRITE)), 0);
    }
}

static void read_cr0_emul(unsigned int n)
{
    unsigned long value = 0;

    while (n-- > 0) {
        __asm__ volatile("movq %%cr0, %0" : "=r"(value));
    }
    want((long)(value & 1), 1);
}

static void rdmsr_emul(unsigned int n)
{
    uint32_t low = 0, high;

    while (n-- > 0) {
        __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(0xc0000080));
    }
    want((long)(low & BIT(8)), (long)BIT(8));
}

static void get_runstate_info(unsigned int n)
{
    struct vcpu_runstate_info info = { .state = -1 };

    while (n-- > 0) {
        want(call(__HYPERVISOR_vcpu_op, VCPUOP_get_runstate_info, 0, word(&info), 0), 0);
    }
    want(info.state, RUNSTATE_running);
}

/* Of a page of our own, to `window`. */
static void map_and_unmap(unsigned int n, unsigned int flags)
{
    while (n-- > 0) {
        struct gnttab_map_grant_ref taken = {
            .host_addr = word(window),
            .flags = flags,
            .ref = GRANT_REF,
        };
        struct gnttab_unmap_grant_ref given = { .host_addr = word(window) };

        want(call(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, word(&taken), 1, 0), 0);
        want(taken.status, GNTST_okay);
        given.handle = taken.handle;
        want(call(__HYPERVISOR_grant_table_op, GNTTABOP_unmap_grant_ref, word(&given), 1, 0), 0);
        want(given.status, GNTST_okay);
    }
}

static void grant_map_unmap_rw(unsigned int n)
{
    map_and_unmap(n, GNTMAP_host_map);
}

static void grant_map_unmap_ro(unsigned int n)
{
    map_and_unmap(n, GNTMAP_host_map | GNTMAP_readonly);
}

/* ---- The list ------------------------------------------------------------------------------ */

#define ROW(function, n)       \
    {                          \
#function, function, n \
    }
static const struct row {
    const char *name;
    void (*function)(unsigned int n);
    unsigned int n;
} rows[] = {
    ROW(empty, 1000),
    ROW(rdtsc, 1000),
    ROW(hc_xen_version, 1000),
    ROW(hc_enosys, 1000),
    ROW(hc_sched_yield, 500),
    ROW(multicall8_version, 300),
    ROW(update_va_mapping_x2, 500),
    ROW(mmu_update_1, 500),
    ROW(mmu_update_32, 100),
    ROW(tlb_flush_local, 500),
    ROW(invlpg_local, 500),
    ROW(pin_unpin_empty_l1, 200),
    ROW(new_baseptr, 500),
    ROW(ptwr_emulated_write, 300),
    ROW(trap_bounce_int3, 500),
    ROW(wrprot_fault_cycle, 300),
    ROW(evtchn_send_masked, 500),
    ROW(evtchn_send_upcall, 500),
    ROW(set_timer, 500),
    ROW(balloon_1page, 100),
    ROW(read_cr0_emul, 300),
    ROW(rdmsr_emul, 300),
    ROW(get_runstate_info, 500),
    ROW(grant_map_unmap_rw, 300),
    ROW(grant_map_unmap_ro, 300),
};

static uint64_t results[ARRAY_SIZE(rows)][RUNS];

static void sort(uint64_t *values, unsigned int count)
{
    for (unsigned int i = 1; i < count; i++) {
        for (unsigned int j = i; j > 0 && values[j - 1] > values[j]; j--) {
            uint64_t value = values[j];

            values[j] = values[j - 1];
            values[j - 1] = value;
        }
    }
}

static void measure(const struct row *row, uint64_t ticks[RUNS])
{
    wrong = 0;
    row->function(5);
    for (unsigned int run = 0; run < RUNS; run++) {
        uint64_t start = read_tsc();

        row->function(row->n);
        ticks[run] = read_tsc() - start;
    }
    sort(ticks, RUNS);
    expect_eq((long)wrong, 0, row->name);
}

static void print(const struct row *row, const uint64_t ticks[RUNS])
{
    printf("BENCH k_%s n=%u min=%lu median=%lu max=%lu\n", row->name, row->n, ticks[0],
           ticks[RUNS / 2], ticks[RUNS - 1]);
}

/* How often it must have happened: the warm-up's five and all of the runs. */
static unsigned long times(unsigned int n)
{
    return 5 + (unsigned long)RUNS * n;
}

/* A page of ours, for ourselves to map. */
static void grant_own_page(void)
{
    struct grant_entry_v1 *granted = spare_va();
    unsigned long frame;
    struct gnttab_setup_table setup = { .dom = DOMID_SELF, .nr_frames = 1 };

    setup.frame_list = (void *)&frame;
    if (hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, &setup, 1) != 0 ||
        map(granted, pte(frame, PTE_READ_WRITE)) != 0) {
        test_abort("no grant table");
    }
    granted[GRANT_REF].domid = 0;
    granted[GRANT_REF].frame = (uint32_t)va_mfn(page);
    granted[GRANT_REF].flags = GTF_permit_access;
    window = spare_va();
}

static void prepare(void)
{
    struct callback_register upcall = {
        .type = CALLBACKTYPE_event,
        .address = word(bench_upcall),
    };

    page = page_alloc();
    page_entry = pte(va_mfn(page), PTE_READ_WRITE);
    balloon = page_alloc();
    table = page_alloc();
    make_read_only(table);
    for (unsigned int i = 0; i < ARRAY_SIZE(pages); i++) {
        pages[i] = page_alloc();
        updates[i].ptr = entry_maddr(pages[i], 1) | MMU_NORMAL_PT_UPDATE;
        updates[i].val = pte(va_mfn(pages[i]), PTE_READ_WRITE);
    }
    set_trap(VECTOR_BP, 3, bench_breakpoint);
    set_trap(VECTOR_PF, 0, bench_page_fault);
    if (hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &upcall) != 0 ||
        hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_stop_periodic_timer, 0, 0) != 0 ||
        hypercall2(__HYPERVISOR_vm_assist, VMASST_CMD_enable, VMASST_TYPE_writable_pagetables) !=
            0) {
        test_abort("cannot prepare");
    }
    grant_own_page();
    port = loop_ports(&peer_port);
    bench_take_events();
    upcalls = 0;
    unmask_port(port);
}

void test_main(void)
{
    prepare();
    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        if (rows[i].function == evtchn_send_upcall) {
            bench_take_events();
            upcalls = 0;
        }
        measure(&rows[i], results[i]);
    }
    /* Only now: a console that is still busy with one line would be in the next row's figure. */
    for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
        print(&rows[i], results[i]);
    }
    expect_eq((long)faults, (long)times(300), "write faults that reached us");
    expect_eq((long)upcalls, (long)times(500), "upcalls");
}
