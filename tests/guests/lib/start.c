/* SPDX-License-Identifier: MIT */
/*
 * Start of day and the verdict.  guest_main() is entered once, from head.S, with the address
 * that the builder left in rsi.
 */
#include "tests/guests/lib/second.h"

_Static_assert(HYPERCALL_IRET == __HYPERVISOR_iret, "layout.h: iret");
_Static_assert(HYPERCALL_STACK_SWITCH == __HYPERVISOR_stack_switch, "layout.h: stack_switch");
_Static_assert(KERNEL_SS == FLAT_KERNEL_SS, "layout.h: KERNEL_SS");

uint64_t entry_state[ENTRY_COUNT];
uint8_t entry_upcall_mask, entry_upcall_pending;
struct start_info *start_info;
struct shared_info *shared;

static uint8_t shared_page[PAGE_SIZE] __attribute__((aligned(4096)));
static unsigned int checks, failures;

extern const char test_name[];
_Noreturn void guest_main(struct start_info *info);

/* A test that goes wrong in a loop must not drown the console. */
#define FAILURES_SHOWN 40

static bool count(bool good)
{
    __atomic_add_fetch(&checks, 1, __ATOMIC_SEQ_CST);
    if (good) {
        return false;
    }
    return __atomic_add_fetch(&failures, 1, __ATOMIC_SEQ_CST) <= FAILURES_SHOWN;
}

bool expect_at(const char *file, int line, bool condition, const char *what)
{
    if (count(condition)) {
        printf("%s:%d: wrong: %s\n", file, line, what);
    }
    return condition;
}

bool expect_eq_at(struct place place, long got, long want, const char *what)
{
    if (count(got == want)) {
        printf("%s:%d: wrong: %s: got %ld (0x%lx), want %ld (0x%lx)\n", place.file, place.line,
               what, got, (unsigned long)got, want, (unsigned long)want);
    }
    return got == want;
}

void power_off(void)
{
    /* The second domain has no other way to tell its verdict. */
    struct sched_shutdown request = {
        .reason = in_second() && failures != 0 ? SHUTDOWN_crash : SHUTDOWN_poweroff,
    };

    for (;;) {
        hypercall2(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &request);
    }
}

/* run.py looks for the word of the first domain. */
static const char *word(void)
{
    return in_second() ? "SECOND" : "TEST";
}

void test_skip(const char *why)
{
    printf("%s %s SKIPPED: %s\n", word(), test_name, why);
    power_off();
}

void test_abort(const char *why)
{
    printf("%s %s FAILED (%s)\n", word(), test_name, why);
    failures++;
    power_off();
}

void test_survived(const char *what)
{
    printf("still alive after: %s\n", what);
    test_abort("the guest should have been crashed");
}

static void map_shared_info(void)
{
    if (update_va(shared_page, start_info->shared_info | PTE_READ_WRITE, UVMF_INVLPG) != 0) {
        test_abort("cannot map shared_info");
    }
    shared = (struct shared_info *)(void *)shared_page;
    entry_upcall_mask = shared->vcpu_info[0].evtchn_upcall_mask;
    entry_upcall_pending = shared->vcpu_info[0].evtchn_upcall_pending;
    for (unsigned int id = 0; id < MAX_CPUS; id++) {
        cpu_of(id)->id = id;
        cpu_of(id)->info = &shared->vcpu_info[id];
    }
    memset(shared->evtchn_mask, 0xff, sizeof(shared->evtchn_mask));
}

static void register_callback(uint16_t type, uint16_t flags, const void *address)
{
    struct callback_register request = {
        .type = type,
        .flags = flags,
        .address = (unsigned long)address,
    };

    if (hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &request) != 0) {
        test_abort("cannot register a callback");
    }
}

static void install_traps(void)
{
    static struct trap_info table[257];

    for (unsigned int vector = 0; vector < 256; vector++) {
        bool open = vector == VECTOR_BP || vector == VECTOR_OF || vector == 0x80;

        table[vector].vector = (uint8_t)vector;
        table[vector].flags = (uint8_t)(4 | (open ? 3 : 0));
        table[vector].cs = FLAT_KERNEL_CS;
        table[vector].address = (unsigned long)trap_stub(vector);
    }
    if (hypercall1(__HYPERVISOR_set_trap_table, table) != 0) {
        test_abort("cannot set the trap table");
    }
}

void guest_main(struct start_info *info)
{
    start_info = info;
    kernel_l4 = (uint64_t *)info->pt_base; // NOLINT(performance-no-int-to-ptr)
    map_shared_info();
    install_traps();
    register_callback(CALLBACKTYPE_event, 0, upcall_entry);
    register_callback(CALLBACKTYPE_failsafe, CALLBACKF_mask_events, failsafe_entry);
    register_callback(CALLBACKTYPE_syscall, CALLBACKF_mask_events, syscall_entry);

    test_main();

    events_off();
    if (failures != 0) {
        printf("%s %s FAILED (%u of %u)\n", word(), test_name, failures, checks);
    } else if (checks == 0) {
        printf("%s %s FAILED (nothing was checked)\n", word(), test_name);
    } else {
        printf("%s %s PASSED\n", word(), test_name);
    }
    power_off();
}
