/* SPDX-License-Identifier: MIT */
/*
 * Privileged instructions of a guest, port I/O and MSRs, on a machine that is
 * played by a signal handler (privileged_machine.h).
 */
#include "guest-pv-headers/errno.h"
#include "hypervisor/domain/io_permissions.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/pv/cpu_policy.h"
#include "hypervisor/pv/debug_registers.h"
#include "hypervisor/pv/emulate.h"
#include "hypervisor/pv/io.h"
#include "hypervisor/pv/mmu.h"
#include "hypervisor/pv/page_tables.h"
#include "hypervisor/pv/segments.h"
#include "hypervisor/pv/traps.h"
#include "hypervisor/time/clock.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/features.h"
#include "hypervisor/x86/fpu.h"
#include "hypervisor/x86/tlb.h"
#include "tests/fake/fake.h"
#include "tests/unit/dirty_stack.h"
#include "tests/unit/privileged_machine.h"
#include "tests/unit/suite.h"

#include <check.h>
#include <string.h>

#define IOPL1     0x1000u
#define CR0_SEEN  UINT64_C(0x80050033)
#define CR4_SEEN  UINT64_C(0x660)
#define HOST_ONLY UINT64_C(0x1234567800000000) /* what a host's MSR holds here */

/* ---- neighbours --------------------------------------------------------------------------- */

struct cpu_features cpu_features;

static struct {
    unsigned int injected, vector, code;
    uint64_t address;
    uint64_t xcr0;
    bool code32;
    int finish_error, table_error;
    uint64_t cr3[2]; /* those loaded first */
    unsigned int cr3_loads;
    bool read_only; /* the guest's memory */
    size_t stored;  /* ... after so many bytes */
    pte_t l1;       /* every entry */
} neighbour;

void pv_inject_exception(struct cpu_regs *regs, struct vcpu *vcpu, unsigned int vector,
                         uint32_t error_code)
{
    (void)regs;
    ck_assert_ptr_eq(vcpu, current);
    neighbour.injected++;
    neighbour.vector = vector;
    neighbour.code = error_code;
}

void pv_inject_page_fault(struct cpu_regs *regs, uint64_t address, uint32_t error_code)
{
    neighbour.address = address;
    pv_inject_exception(regs, current, VECTOR_PF, error_code);
}

bool pv_code_is_64bit(const struct cpu_regs *regs)
{
    (void)regs;
    return !neighbour.code32;
}

void fpu_set_xcr0(struct fpu_state *state, uint64_t xcr0)
{
    (void)state;
    neighbour.xcr0 = xcr0;
}

uint64_t fpu_xcr0(const struct fpu_state *state)
{
    (void)state;
    return neighbour.xcr0;
}

int pt_finish(struct vcpu *vcpu)
{
    (void)vcpu;
    return neighbour.finish_error;
}

int mmu_new_kernel_base(struct vcpu *vcpu, mfn_t frame)
{
    if (neighbour.table_error == 0) {
        vcpu->pv.kernel_l4 = frame;
    }
    return neighbour.table_error;
}

void tlb_load_cr3(uint64_t cr3)
{
    if (neighbour.cr3_loads < ARRAY_SIZE(neighbour.cr3)) {
        neighbour.cr3[neighbour.cr3_loads] = cr3;
    }
    neighbour.cr3_loads++;
}

size_t raw_copy_to_guest(void __guest *to, const void *from, size_t size)
{
    if (neighbour.read_only) {
        return size - neighbour.stored;
    }
    memcpy((void *)(uintptr_t)to, from, size);
    return 0;
}

pte_t pt_read_l1(struct vcpu *vcpu, uint64_t address)
{
    (void)address;
    ck_assert_ptr_eq(vcpu, current);
    return neighbour.l1;
}

bool read_msr_safe(uint32_t msr, uint64_t *value)
{
    *value = HOST_ONLY | msr;
    return msr != 0x17;
}

bool clock_tsc_stable(void)
{
    return true;
}

uint64_t clock_tsc_hz(void)
{
    return UINT64_C(2500000000);
}

struct clock_scale clock_scale(void)
{
    return (struct clock_scale){ .mul = 0xcccccccd, .shift = -1 };
}

static struct domain *guest, *control;
static uint8_t guest_code[64];

/* The kernel of the control domain, as Linux leaves it. */
static void set_up(void)
{
    fake_reset();
    machine_reset();
    memset(&neighbour, 0, sizeof(neighbour));
    cpu_features = (struct cpu_features){
        .xsave = true,
        .fsgsbase = true,
        .rdtscp = true,
        .umip = true,
        .amd = true,
        .xcr0 = 7,
    };
    cpu_policy_detect(cpuid);
    control = fake_domain_new(0, 2, true);
    guest = fake_domain_new(1, 1, false);
    ck_assert_int_eq(io_permissions_create(control), 0);
    ck_assert_int_eq(io_permissions_create(guest), 0);
    ck_assert_int_eq(cpu_policy_create(control), 0);
    ck_assert_int_eq(cpu_policy_create(guest), 0);
    ck_assert_int_eq(pv_io_setup_control_domain(control), 0);
    for (unsigned int i = 0; i < 3; i++) {
        struct vcpu *vcpu = i < 2 ? control->vcpu[i] : guest->vcpu[0];

        vcpu->pv.kernel_mode = true;
        vcpu->pv.iopl = IOPL1;
    }
    fake_cpu_use(0, control->vcpu[0]);
}

static void tear_down(void)
{
    io_permissions_destroy(control);
    io_permissions_destroy(guest);
    heap_free(control->cpu_policy);
    heap_free(guest->cpu_policy);
    fake_domain_free(control);
    fake_domain_free(guest);
}

/* Whatever the CPU under the test has: these are the current domain's XSAVE components. */
static void set_state_components(uint32_t xcr0)
{
    struct cpu_policy *policy = current->domain->cpu_policy;

    for (uint32_t i = 0; i < policy->count; i++) {
        if (policy->leaves[i].leaf == 0xd && policy->leaves[i].subleaf == 0) {
            policy->leaves[i].a = xcr0;
        }
    }
}

/* The one who runs in the tests below. */
static struct vcpu *me(void)
{
    return current;
}

static void start(struct cpu_regs *regs, const uint8_t *code, size_t length)
{
    memset(guest_code, 0xcc, sizeof(guest_code));
    memcpy(guest_code, code, length);
    regs->rip = (uint64_t)guest_code;
}

/* Run the bytes: 1 done and stepped over, 0 refused and nothing changed, -1 something else. */
static int run(struct cpu_regs *regs, const uint8_t *code, size_t length)
{
    struct cpu_regs before;
    bool done;

    start(regs, code, length);
    before = *regs;
    done = pv_emulate_privileged(regs);
    if (!done) {
        return memcmp(&before, regs, sizeof(before)) == 0 ? 0 : -1;
    }
    return regs->rip == (uint64_t)guest_code + length ? 1 : -1;
}

#define RUN(regs, ...)                           \
    ({                                           \
        const uint8_t code_[] = { __VA_ARGS__ }; \
        run((regs), code_, sizeof(code_));       \
    })

/* ---- registers ------------------------------------------------------------------------------ */

START_TEST(wrmsr_of_the_gs_base_works_before_anything_is_set_up)
{
    struct cpu_regs regs = { .rcx = MSR_GS_BASE, .rax = 0x82000000, .rdx = 0xffffffff };

    me()->pv.iopl = 0;
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x30), 1);
    ck_assert_uint_eq(machine_msr(MSR_GS_BASE), UINT64_C(0xffffffff82000000));
}
END_TEST

START_TEST(the_users_gs_base_is_the_hardwares)
{
    struct cpu_regs regs = { .rcx = UINT64_C(0xdead00000000) | MSR_KERNEL_GS_BASE,
                             .rax = UINT64_MAX,
                             .rdx = UINT64_MAX };

    machine_set_msr(MSR_KERNEL_GS_BASE, UINT64_C(0x7f0011223344));
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x32), 1);
    ck_assert_uint_eq(regs.rax, 0x11223344);
    ck_assert_uint_eq(regs.rdx, 0x7f00);
}
END_TEST

START_TEST(a_base_that_is_not_canonical_is_refused)
{
    static const uint32_t bases[] = { MSR_FS_BASE, MSR_GS_BASE, MSR_KERNEL_GS_BASE };

    for (size_t i = 0; i < ARRAY_SIZE(bases); i++) {
        struct cpu_regs regs = { .rcx = bases[i], .rdx = 0x8000 };

        ck_assert_int_eq(RUN(&regs, 0x0f, 0x30), 0);
        ck_assert_uint_eq(machine_msr(bases[i]), 0);
        regs.rdx = 0x7fff;
        ck_assert_int_eq(RUN(&regs, 0x0f, 0x30), 1);
        ck_assert_uint_eq(machine_msr(bases[i]), UINT64_C(0x7fff00000000));
    }
}
END_TEST

struct msr_case {
    uint32_t msr;
    bool readable;
    uint64_t value;
    bool writes_same, writes_other; /* is writing back what was read, or something else, let be? */
    bool amd, intel;
};

static const struct msr_case msr_cases[] = {
    { 0x0000001b, true, 0xfee00900, false, false, true, true },
    { 0x00000277, true, UINT64_C(0x0000050100070406), true, false, true, true },
    { 0xc0000080, true, 0xd01, true, false, true, true },
    { 0x0000008b, true, HOST_ONLY | 0x8b, true, true, true, true },
    { 0x00000179, true, 2, false, false, true, true },
    { 0x0000017a, true, 0, true, false, true, true },
    { 0x00000400, true, UINT64_MAX, true, true, true, true },
    { 0x00000401, true, 0, true, false, true, true },
    { 0x00000403, true, 0, true, false, true, true },
    { 0x00000407, true, 0, true, false, true, true },
    { 0xc0010007, true, 0, true, true, true, false },
    { 0xc0010015, true, 0, true, true, true, false },
    { 0xc0011029, true, 2, true, true, true, false },
    { 0x0000003a, true, 1, false, false, false, true },
    { 0x000000ce, true, 0, false, false, false, true },
    { 0x0000010a, true, 0, false, false, false, true },
    { 0x00000140, true, 0, true, false, false, true },
    { 0x000001a0, true, 0x1801, true, true, false, true },
    /* Host has none: a fault, although the row says the host's. */
    { 0x00000017, false, 0, false, false, false, true },
    /* Never there. */
    { 0x00000034, false, 0, false, false, false, false },
    { 0x00000150, false, 0, false, false, false, false },
    { 0x00000174, false, 0, false, false, false, false },
    { 0x000006e0, false, 0, false, false, false, false },
    { 0x00000800, false, 0, false, false, false, false },
    { 0x00000408, false, 0, false, false, false, false },
    { 0xc0000081, false, 0, false, false, false, false },
    { 0xc0000082, false, 0, false, false, false, false },
    { 0xc0000084, false, 0, false, false, false, false },
    { 0xc0010055, false, 0, false, false, false, false },
    { 0xc0010114, false, 0, false, false, false, false },
    { 0xffffffff, false, 0, false, false, false, false },
};

static void check_msr(const struct msr_case *c, bool there)
{
    uint64_t value = 0;

    ck_assert_msg(pv_msr_read(me(), c->msr, &value) == (there && c->readable), "%x", c->msr);
    if (there && c->readable) {
        ck_assert_msg(value == c->value, "%x reads %lx", c->msr, value);
    }
    ck_assert_msg(pv_msr_write(me(), c->msr, c->value) == (there && c->writes_same), "%x", c->msr);
    ck_assert_msg(pv_msr_write(me(), c->msr, c->value ^ 1) == (there && c->writes_other), "%x",
                  c->msr);
    ck_assert_uint_eq(machine_msr(c->msr), 0);
}

START_TEST(each_msr_reads_and_writes_as_its_row_says)
{
    for (size_t i = 0; i < ARRAY_SIZE(msr_cases); i++) {
        cpu_features.amd = true;
        cpu_features.intel = false;
        check_msr(&msr_cases[i], msr_cases[i].amd);
        cpu_features.amd = false;
        cpu_features.intel = true;
        check_msr(&msr_cases[i], msr_cases[i].intel);
    }
}
END_TEST

START_TEST(only_the_first_vcpu_is_the_boot_processor)
{
    uint64_t value;

    ck_assert(pv_msr_read(control->vcpu[1], 0x1b, &value));
    ck_assert_uint_eq(value, 0xfee00800);
}
END_TEST

START_TEST(no_msr_outside_the_table_is_let_through)
{
    unsigned int readable = 0;

    for (uint64_t msr = 0; msr < 0x2000; msr++) {
        uint64_t value;

        readable += pv_msr_read(me(), (uint32_t)msr, &value) ? 1 : 0;
        readable += pv_msr_read(me(), (uint32_t)(0xc0000000 + msr), &value) ? 1 : 0;
        readable += pv_msr_read(me(), (uint32_t)(0xc0010000 + msr), &value) ? 1 : 0;
    }
    /* Bases, TSC_AUX, EFER; the common ones; two banks; AMD's counters, HWCR and DE_CFG. */
    ck_assert_uint_eq(readable, 5 + 6 + 2 * 4 + 8 + 12 + 2);
}
END_TEST

START_TEST(tsc_aux_is_kept_for_each_vcpu)
{
    struct cpu_regs regs = { .rcx = MSR_TSC_AUX, .rax = 5 };

    ck_assert_int_eq(RUN(&regs, 0x0f, 0x30), 1);
    ck_assert_uint_eq(me()->pv.tsc_aux, 5);
    ck_assert_uint_eq(machine_msr(MSR_TSC_AUX), 5);
    regs = (struct cpu_regs){ .rcx = MSR_TSC_AUX };
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x32), 1);
    ck_assert_uint_eq(regs.rax, 5);
    regs = (struct cpu_regs){ .rcx = MSR_TSC_AUX, .rdx = 1 };
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x30), 0);
    regs = (struct cpu_regs){ 0 };
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x01, 0xf9), 1); /* rdtscp */
    ck_assert_uint_eq(regs.rcx, 5);

    pv_tsc_access_switch(control->vcpu[0], control->vcpu[1]);
    ck_assert_uint_eq(machine_msr(MSR_TSC_AUX), 0);
    pv_tsc_access_switch(control->vcpu[1], control->vcpu[0]);
    ck_assert_uint_eq(machine_msr(MSR_TSC_AUX), 5);
}
END_TEST

START_TEST(tsc_aux_is_left_alone_where_the_cpu_has_none)
{
    struct cpu_regs regs = { .rcx = MSR_TSC_AUX, .rax = UINT32_MAX };

    cpu_features.rdtscp = false;
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x30), 1);
    ck_assert_uint_eq(me()->pv.tsc_aux, UINT32_MAX);
    pv_tsc_access_switch(control->vcpu[1], control->vcpu[0]);
    ck_assert_uint_eq(machine_msr(MSR_TSC_AUX), 0);
}
END_TEST

START_TEST(an_msr_that_is_not_there_cannot_be_read)
{
    struct cpu_regs regs = { .rcx = 0x34 };

    ck_assert_int_eq(RUN(&regs, 0x0f, 0x32), 0);
}
END_TEST

START_TEST(control_registers_read_as_a_pv_kernel_expects)
{
    struct cpu_regs regs = { 0 };

    me()->pv.kernel_l4 = mfn(0x12345);
    me()->pv.cr2 = 0xabc;
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x20, 0xc0), 1); /* mov %cr0, %rax */
    ck_assert_uint_eq(regs.rax, CR0_SEEN);
    ck_assert_int_eq(RUN(&regs, 0x41, 0x0f, 0x20, 0xd7), 1); /* mov %cr2, %r15 */
    ck_assert_uint_eq(regs.r15, 0xabc);
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x20, 0xdb), 1); /* mov %cr3, %rbx */
    ck_assert_uint_eq(regs.rbx, 0x12345000);
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x20, 0xe7), 1); /* mov %cr4, %rdi */
    ck_assert_uint_eq(regs.rdi, CR4_SEEN);
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x20, 0xcf), 0);       /* cr1 */
    ck_assert_int_eq(RUN(&regs, 0x44, 0x0f, 0x20, 0xc0), 0); /* cr8 */
}
END_TEST

START_TEST(of_cr4_a_guest_gets_what_its_cpuid_tells)
{
    struct cpu_regs regs = { .rax = UINT64_MAX };

    machine.cr[4] = CR4_PAE | CR4_SMEP;
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x22, 0xe0), 1);
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x20, 0xe0), 1);
    ck_assert_uint_eq(regs.rax & ~(CR4_SEEN | CR4_TSD | CR4_DE | CR4_OSXSAVE | CR4_FSGSBASE), 0);
    ck_assert_uint_eq(regs.rax & CR4_SEEN, CR4_SEEN);
    ck_assert_uint_eq(machine.cr[4], CR4_PAE | CR4_SMEP | CR4_TSD);
    regs.rax = 0;
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x22, 0xe0), 1);
    ck_assert_uint_eq(machine.cr[4], CR4_PAE | CR4_SMEP);
    ck_assert_uint_eq(pv_cr4_read(me()), CR4_SEEN);
}
END_TEST

START_TEST(of_cr0_only_task_switched_can_change)
{
    struct cpu_regs regs = { .rax = CR0_SEEN | CR0_TS };

    ck_assert_int_eq(RUN(&regs, 0x0f, 0x22, 0xc0), 1);
    ck_assert_uint_eq(machine.cr[0], CR0_TS);
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x20, 0xc3), 1);
    ck_assert_uint_eq(regs.rbx, CR0_SEEN | CR0_TS);
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x06), 1); /* clts */
    ck_assert_uint_eq(machine.cr[0], 0);
    ck_assert_uint_eq(machine.clts, 1);
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x20, 0xc3), 1);
    ck_assert_uint_eq(regs.rbx, CR0_SEEN);
    for (unsigned int bit = 0; bit < 64; bit++) {
        regs.rax = CR0_SEEN ^ UINT64_C(1) << bit;
        ck_assert_int_eq(RUN(&regs, 0x0f, 0x22, 0xc0), bit == 3);
    }
}
END_TEST

START_TEST(a_write_to_cr3_loads_another_table)
{
    struct cpu_regs regs = { .rax = 0x5678000 };

    ck_assert_int_eq(RUN(&regs, 0x0f, 0x22, 0xd8), 1);
    ck_assert_uint_eq(me()->pv.kernel_l4.number, 0x5678);
    neighbour.table_error = -XEN_EINVAL;
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x22, 0xd8), 0);
    neighbour.table_error = -XEN_ERESTART; /* goes on when the guest comes back to it */
    start(&regs, (const uint8_t[]){ 0x0f, 0x22, 0xd8 }, 3);
    ck_assert(pv_emulate_privileged(&regs));
    ck_assert_uint_eq(regs.rip, (uint64_t)guest_code);
    neighbour.table_error = 0;
    neighbour.finish_error = -XEN_ERESTART; /* not even begun: another table is not done with */
    regs.rax = 0x9999000;
    ck_assert(pv_emulate_privileged(&regs));
    ck_assert_uint_eq(regs.rip, (uint64_t)guest_code);
    ck_assert_uint_eq(me()->pv.kernel_l4.number, 0x5678);
}
END_TEST

START_TEST(a_hypercall_page_can_be_asked_for_by_msr)
{
    struct page *page = fake_page_new(control), *foreign = fake_page_new(guest);
    const uint8_t *stubs = page_address(page);
    uint64_t address = maddr_of_mfn(page_frame(page)).byte, value = 1;

    ck_assert(pv_msr_read(me(), 0x40000000, &value));
    ck_assert_uint_eq(value, 0);
    ck_assert(!pv_msr_write(me(), 0x40000000, address | 1));
    ck_assert(!pv_msr_write(me(), 0x40000000, maddr_of_mfn(page_frame(foreign)).byte));
    ck_assert(!pv_msr_write(me(), 0x40000000, UINT64_C(0x000ffffffffff000)));
    fake_answers.page_type_result = -XEN_EINVAL;
    ck_assert(!pv_msr_write(me(), 0x40000000, address));
    fake_answers.page_type_result = 0;
    ck_assert_uint_eq(stubs[0], 0);
    ck_assert(pv_msr_write(me(), 0x40000000, address));
    for (unsigned int number = 0; number < 128; number++) {
        const uint8_t *immediate = memchr(&stubs[32 * number], 0xb8, 32);

        ck_assert_ptr_nonnull(immediate);
        ck_assert_uint_eq(immediate[1], number);
        /* iret does not come back, and finds rax on the stack. */
        ck_assert_uint_eq(immediate[-1], number == __HYPERVISOR_iret ? 0x50 : 0x53);
    }
    ck_assert_ptr_eq(foreign, page + 1);
    ck_assert_uint_eq(stubs[PAGE_SIZE], 0);
    ck_assert_uint_eq(fake_page_refs(page), 1);
    ck_assert_uint_eq(fake_page_uses(page), 0);
}
END_TEST

START_TEST(a_write_to_cr2_is_seen_where_faults_are_reported)
{
    struct cpu_regs regs = { .rcx = 0x1234 };

    ck_assert_int_eq(RUN(&regs, 0x0f, 0x22, 0xd1), 1);
    ck_assert_uint_eq(me()->info->arch.cr2, 0x1234);
    ck_assert_uint_eq(me()->pv.cr2, 0x1234);
}
END_TEST

START_TEST(xcr0_takes_only_what_is_allowed_and_consistent)
{
    struct cpu_regs regs = { .rax = 7 };

    set_state_components(7);
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x01, 0xd1), 0); /* CR4.OSXSAVE is not set */
    me()->pv.cr4 = CR4_OSXSAVE;
    for (unsigned int value = 0; value < 0x200; value++) {
        bool valid = value == 1 || value == 3 || value == 7;

        regs = (struct cpu_regs){ .rax = value };
        ck_assert_int_eq(RUN(&regs, 0x0f, 0x01, 0xd1), valid);
        ck_assert(!valid || neighbour.xcr0 == value);
    }
    regs = (struct cpu_regs){ .rax = 7, .rdx = 1 };
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x01, 0xd1), 0);
    regs = (struct cpu_regs){ .rax = 7, .rcx = 1 };
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x01, 0xd1), 0);
    regs.rcx = 0;
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x01, 0xc1), 0); /* vmcall is another one */
}
END_TEST

START_TEST(debug_registers_keep_the_core_out_of_reach)
{
    struct cpu_regs regs = { .rax = UINT64_C(0xffff820000000000) };
    uint64_t value;

    ck_assert_int_eq(RUN(&regs, 0x0f, 0x23, 0xc0), 0); /* dr0 in the core's area */
    regs.rax = UINT64_C(0x8000000000000000);
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x23, 0xc0), 0);
    regs.rax = 0x401000;
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x23, 0xc0), 1);
    ck_assert_uint_eq(machine.dr[0], 0); /* nothing is enabled */
    regs.rax = 0x2000;                   /* general detect */
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x23, 0xf8), 0);
    regs.rax = 0x20001; /* a port */
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x23, 0xf8), 0);
    regs.rax = UINT64_C(1) << 32;
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x23, 0xf8), 0);
    regs.rax = 0xd0001 & ~0xd000u;
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x23, 0xf8), 1);
    ck_assert_uint_eq(machine.dr[0], 0x401000);
    ck_assert_uint_eq(machine.dr[7], 0xd0401 & ~0xd000u);
    regs.rax = 0;
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x23, 0xf8), 1);
    ck_assert_uint_eq(machine.dr[7], 0x400);
    regs.rax = UINT64_MAX >> 32;
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x23, 0xf0), 1);
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x21, 0xe3), 1); /* mov %dr4, %rbx: another name of dr6 */
    ck_assert_uint_eq(regs.rbx, 0xffffeff0 | 0xe00f);
    me()->pv.cr4 = CR4_DE;
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x21, 0xe3), 0);
    ck_assert(!pv_debug_register_get(me(), 8, &value));
    ck_assert_int_eq((int)pv_debug_register_set(me(), 15, 0, true), -XEN_ENODEV);
}
END_TEST

START_TEST(debug_registers_have_hypercalls_as_well)
{
    static const uint64_t watch[] = { 0x401000, 0x402000, 0x403000, 0x404000 };

    for (unsigned int i = 0; i < 4; i++) {
        ck_assert_int_eq(hypercall_set_debugreg(i, watch[i]), 0);
        ck_assert_int_eq(hypercall_get_debugreg(i), (long)watch[i]);
    }
    ck_assert_int_eq(hypercall_set_debugreg(7, UINT32_MAX & ~UINT64_C(0x2222f800)), 0);
    for (unsigned int i = 0; i < 4; i++) {
        ck_assert_uint_eq(machine.dr[i], watch[i]);
        /* Each of the four may be kept from ports, where it is enabled. */
        ck_assert_int_eq(hypercall_set_debugreg(7, UINT64_C(2) << (16 + 4 * i)), 0);
        ck_assert_int_eq(hypercall_set_debugreg(7, UINT64_C(2) << (16 + 4 * i) | 1u << 2 * i),
                         -XEN_EPERM);
    }
    ck_assert_int_eq(hypercall_set_debugreg(6, UINT32_MAX), 0);
    ck_assert_int_eq(hypercall_set_debugreg(6, UINT64_C(1) << 32), -XEN_EPERM);
    ck_assert_int_eq(hypercall_get_debugreg(6), hypercall_get_debugreg(4));
    ck_assert_int_eq(hypercall_get_debugreg(7), hypercall_get_debugreg(5));
    ck_assert_int_eq(hypercall_set_debugreg(5, 0), 0);
    ck_assert_int_eq(hypercall_get_debugreg(7), 0x400);
    me()->pv.cr4 = CR4_DE;
    for (unsigned int i = 4; i < 6; i++) {
        ck_assert_int_eq(hypercall_set_debugreg(i, 0), -XEN_ENODEV);
        ck_assert_int_eq(hypercall_get_debugreg(i), -XEN_ENODEV);
    }
    for (uint64_t i = 8; i != 0; i <<= 1) {
        ck_assert_int_eq(hypercall_set_debugreg(i, 0), -XEN_ENODEV);
        ck_assert_int_eq(hypercall_get_debugreg(i), -XEN_ENODEV);
    }
    ck_assert_int_eq(hypercall_get_debugreg(UINT64_C(1) << 32), -XEN_ENODEV);
}
END_TEST

START_TEST(a_context_being_prepared_does_not_touch_the_hardware)
{
    ck_assert_int_eq((int)pv_debug_register_set(me(), 7, 1, false), 0);
    ck_assert_uint_eq(machine.dr[7], 0);
    pv_debug_registers_switch(control->vcpu[1], control->vcpu[0]);
    ck_assert_uint_eq(machine.dr[7], 0x401);
    pv_debug_registers_switch(control->vcpu[0], control->vcpu[1]);
    ck_assert_uint_eq(machine.dr[7], 0x400);
}
END_TEST

START_TEST(cli_and_sti_are_stepped_over_where_iopl_allows)
{
    struct cpu_regs regs = { .rflags = 0x202 };

    ck_assert_int_eq(RUN(&regs, 0xfa), 1);
    ck_assert_int_eq(RUN(&regs, 0xfb), 1);
    ck_assert_uint_eq(regs.rflags, 0x202);
    me()->pv.iopl = 0;
    ck_assert_int_eq(RUN(&regs, 0xfa), 0);
    atomic_store(&control->vm_assist, UINT64_C(1) << VMASST_TYPE_architectural_iopl);
    ck_assert_int_eq(RUN(&regs, 0xfa), 1);
}
END_TEST

START_TEST(caches_are_written_back_for_those_with_devices)
{
    struct cpu_regs regs = { 0 };

    ck_assert_int_eq(RUN(&regs, 0x0f, 0x09), 1);
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x08), 0); /* invd: what was written would be lost */
    ck_assert_uint_eq(machine.wbinvds, 1);
    fake_set_current(guest->vcpu[0]);
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x09), 1);
    ck_assert_uint_eq(machine.wbinvds, 1);
}
END_TEST

START_TEST(invlpg_flushes_the_guests_addresses_only)
{
    struct cpu_regs regs = { .rax = UINT64_C(0xffff888000001000) };

    ck_assert_int_eq(RUN(&regs, 0x0f, 0x01, 0x38), 1);
    ck_assert_uint_eq(fake.tlb_last_address, regs.rax);
    regs.rax = UINT64_C(0xffff820000000000);
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x01, 0x38), 0);
}
END_TEST

#define PLACE_SIZE 16u

START_TEST(descriptor_tables_are_nowhere_for_kernels_and_programs)
{
    static const uint8_t untouched = 0xa5;
    static const struct {
        uint8_t code[3];
        uint8_t size;
    } stores[] = {
        { { 0x0f, 0x00, 0x00 }, 2 },  /* sldt (%rax) */
        { { 0x0f, 0x00, 0x08 }, 2 },  /* str */
        { { 0x0f, 0x01, 0x00 }, 10 }, /* sgdt */
        { { 0x0f, 0x01, 0x08 }, 10 }, /* sidt */
        { { 0x0f, 0x01, 0x20 }, 2 },  /* smsw */
    };
    uint8_t place[PLACE_SIZE];
    struct cpu_regs regs = { .rax = (uint64_t)place };

    for (size_t i = 0; i < 2 * ARRAY_SIZE(stores); i++) {
        size_t size = stores[i / 2].size;
        bool smsw = i / 2 == 4;

        me()->pv.kernel_mode = i % 2 != 0;
        memset(place, untouched, sizeof(place));
        ck_assert_msg(run(&regs, stores[i / 2].code, 3) == 1, "%zu", i);
        for (size_t byte = 0; byte < sizeof(place); byte++) {
            uint64_t wanted = byte >= size ? untouched : smsw ? CR0_SEEN >> 8 * byte & 0xff : 0;

            ck_assert_msg(place[byte] == wanted, "%zu: byte %zu is %x", i, byte, place[byte]);
        }
    }
}
END_TEST

START_TEST(a_system_register_is_stored_in_a_register_too)
{
    struct cpu_regs regs = { .rcx = UINT64_MAX };

    ck_assert_int_eq(RUN(&regs, 0x0f, 0x01, 0xe1), 1); /* smsw %ecx */
    ck_assert_uint_eq(regs.rcx, CR0_SEEN);
    pv_set_task_switched(me(), true);
    ck_assert_int_eq(RUN(&regs, 0x66, 0x0f, 0x01, 0xe1), 1);
    ck_assert_uint_eq(regs.rcx, CR0_SEEN | CR0_TS);
    regs.rcx = UINT64_MAX;
    ck_assert_int_eq(RUN(&regs, 0x66, 0x0f, 0x00, 0xc1), 1); /* sldt %cx */
    ck_assert_uint_eq(regs.rcx, UINT64_C(0xffffffffffff0000));
    ck_assert_int_eq(RUN(&regs, 0x48, 0x0f, 0x00, 0xc9), 1); /* str %rcx */
    ck_assert_uint_eq(regs.rcx, 0);
}
END_TEST

/* What the CPU would have said, with the first byte that is out of reach. */
START_TEST(a_table_that_cannot_be_stored_is_a_page_fault)
{
    uint8_t place[PLACE_SIZE];
    struct cpu_regs regs = { .rax = (uint64_t)place };

    neighbour.read_only = true;
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x01, 0x00), -1);
    ck_assert_uint_eq(regs.rip, (uint64_t)guest_code);
    ck_assert_uint_eq(neighbour.injected, 1);
    ck_assert_uint_eq(neighbour.address, (uint64_t)place);
    ck_assert_uint_eq(neighbour.code, PF_USER | PF_WRITE);
    neighbour.l1 = PTE_PRESENT;
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x01, 0x00), -1);
    ck_assert_uint_eq(neighbour.code, PF_USER | PF_WRITE | PF_PRESENT);
    neighbour.stored = 4; /* a page ends here */
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x01, 0x00), -1);
    ck_assert_uint_eq(neighbour.address, (uint64_t)place + 4);
    regs.rax = UINT64_C(0xffff820000000000); /* the core's */
    neighbour.stored = 0;
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x01, 0x00), -1);
    ck_assert_uint_eq(neighbour.code, PF_USER | PF_WRITE);
}
END_TEST

START_TEST(a_table_is_not_stored_where_the_cpu_had_another_reason_to_refuse)
{
    uint8_t place[PLACE_SIZE];
    struct cpu_regs regs = { .rax = (uint64_t)place };

    ck_assert_int_eq(RUN(&regs, 0x65, 0x0f, 0x01, 0x00), 0); /* by gs: not known where */
    ck_assert_int_eq(RUN(&regs, 0xf0, 0x0f, 0x01, 0x00), 0); /* lock */
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x01, 0xc0), 0);       /* sgdt to a register */
    neighbour.code32 = true;
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x01, 0xe1), 0);
    neighbour.code32 = false;
    cpu_features.umip = false;
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x01, 0x00), 0);
    cpu_features.umip = true;
    regs.rax = UINT64_C(0x8000000000000000);
    ck_assert_int_eq(RUN(&regs, 0x0f, 0x01, 0x00), 0);
}
END_TEST

START_TEST(hlt_blocks)
{
    struct cpu_regs regs = { 0 };

    ck_assert_int_eq(RUN(&regs, 0xf4), 1);
    ck_assert_uint_eq(fake.blocks, 1);
}
END_TEST

START_TEST(a_program_may_do_none_of_it)
{
    static const uint8_t codes[][4] = {
        { 0x0f, 0x30 },
        { 0x0f, 0x32 },
        { 0x0f, 0x20, 0xc0 },
        { 0x0f, 0x22, 0xe0 },
        { 0x0f, 0x21, 0xc0 },
        { 0x0f, 0x23, 0xc0 },
        { 0x0f, 0x06 },
        { 0x0f, 0x08 },
        { 0x0f, 0x09 },
        { 0xfa },
        { 0xfb },
        { 0xf4 },
        { 0x0f, 0x01, 0xd1 },
        { 0x0f, 0x01, 0x38 },
        { 0x0f, 0x31 },
        { 0x0f, 0x01, 0xf9 },
        { 0xec },
        { 0xef },
        { 0xe4, 0x61 },
        { 0x6c },
        { 0x6f },
    };

    me()->pv.kernel_mode = false;
    for (size_t i = 0; i < 2 * ARRAY_SIZE(codes); i++) {
        struct cpu_regs regs = { .rcx = i % 2 == 0 ? MSR_GS_BASE : MSR_KERNEL_GS_BASE,
                                 .rdx = 0x80,
                                 .rsi = (uint64_t)guest_code };

        ck_assert_msg(run(&regs, codes[i / 2], sizeof(codes[i / 2])) == 0, "%zu", i);
    }
    ck_assert_uint_eq(machine.accesses, 0);
    ck_assert_uint_eq(fake.blocks, 0);
}
END_TEST

START_TEST(what_is_not_emulated_is_refused)
{
    static const uint8_t codes[][4] = {
        { 0x0f, 0x01, 0x10 },       /* lgdt */
        { 0x0f, 0x01, 0x18 },       /* lidt */
        { 0x0f, 0x00, 0xd8 },       /* ltr */
        { 0x0f, 0x01, 0xf8 },       /* swapgs */
        { 0x0f, 0x01, 0xf0 },       /* lmsw */
        { 0x0f, 0x33 },             /* rdpmc */
        { 0x0f, 0x01, 0xc1 },       /* vmcall */
        { 0xcf },                   /* iret */
        { 0xf0, 0x0f, 0x20, 0xc0 }, /* lock mov %cr0: cr8 on some CPUs */
        { 0x89, 0x00 },             /* mov */
    };

    for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
        struct cpu_regs regs = { .rax = (uint64_t)guest_code };

        ck_assert_msg(run(&regs, codes[i], sizeof(codes[i])) == 0, "%zu", i);
    }
}
END_TEST

START_TEST(code_that_cannot_be_read_is_refused)
{
    struct cpu_regs regs = { 0 };
    uint64_t words[2];

    fake_answers.fault_start = guest_code;
    fake_answers.fault_size = sizeof(guest_code);
    regs.rip = (uint64_t)guest_code;
    ck_assert(!pv_emulate_privileged(&regs));
    ck_assert_uint_eq(pv_fetch_code(regs.rip, words), 0);
}
END_TEST

START_TEST(code_after_a_page_that_cannot_be_read_is_not_found)
{
    static _Alignas(4096) uint8_t pages[8192];
    uint64_t words[2];

    fake_answers.fault_start = pages;
    fake_answers.fault_size = 4096;
    ck_assert_uint_eq(pv_fetch_code((uint64_t)pages + 4090, words), 0);
    ck_assert_uint_eq(pv_fetch_code((uint64_t)pages + 4096, words), GUEST_CODE_BYTES);
}
END_TEST

START_TEST(cpuid_that_faults_is_carried_out_for_programs_too)
{
    struct cpu_regs regs = { .rax = 0x40000000 };

    me()->pv.kernel_mode = false;
    ck_assert_int_eq(RUN(&regs, 0x0f, 0xa2), 1);
    ck_assert_uint_eq(regs.rbx, XEN_CPUID_SIGNATURE_EBX);
}
END_TEST

START_TEST(an_instruction_at_the_end_of_the_last_page_is_found)
{
    static _Alignas(4096) uint8_t pages[8192];
    struct cpu_regs regs = { 0 };

    fake_answers.fault_start = pages + 4096;
    fake_answers.fault_size = 4096;
    for (unsigned int before = 1; before <= 4; before++) {
        pages[4096 - before] = 0x0f;
        pages[4096 - before + 1] = 0x20;
        pages[4096 - before + 2] = 0xc0;
        regs.rip = (uint64_t)pages + 4096 - before;
        ck_assert_int_eq(pv_emulate_privileged(&regs), before >= 3);
    }
    regs = (struct cpu_regs){ .rip = (uint64_t)pages + 4095, .rcx = MSR_KERNEL_GS_BASE };
    pages[4095] = 0x0f; /* half of rdmsr */
    leave_on_stack(0x32);
    ck_assert(!pv_emulate_privileged(&regs));
}
END_TEST

START_TEST(a_single_step_follows_and_resume_is_cleared)
{
    struct cpu_regs regs = { .rflags = RFLAGS_TF | RFLAGS_RF | 2 };

    ck_assert_int_eq(RUN(&regs, 0xfa), 1);
    ck_assert_uint_eq(neighbour.vector, VECTOR_DB);
    ck_assert_uint_eq(me()->pv.debug[6], 0x4000);
    ck_assert_uint_eq(regs.rflags, RFLAGS_TF | 2);
    regs.rflags = RFLAGS_RF | 2;
    ck_assert_int_eq(RUN(&regs, 0xfa), 1);
    ck_assert_uint_eq(neighbour.injected, 1);
    ck_assert_uint_eq(regs.rflags, 2);
}
END_TEST

START_TEST(code_of_32_bits_goes_on_at_0)
{
    struct cpu_regs regs = { .rip = 0xffffffff };

    pv_retire(&regs, 2);
    ck_assert_uint_eq(regs.rip, UINT64_C(0x100000001));
    neighbour.code32 = true;
    regs.rip = 0xffffffff;
    pv_retire(&regs, 2);
    ck_assert_uint_eq(regs.rip, 1);
}
END_TEST

START_TEST(forced_cpuid_is_told_from_everything_else)
{
    static const uint8_t forced[] = { 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2 };
    static _Alignas(4096) uint8_t pages[8192];
    uint8_t *end = pages + 4096;
    struct cpu_regs regs = { .rax = UINT64_C(0xffffffff40000000), .rcx = 0 };

    me()->pv.kernel_mode = false; /* programs may, too */
    start(&regs, forced, sizeof(forced));
    ck_assert(pv_emulate_forced_cpuid(&regs));
    ck_assert_uint_eq(regs.rax, 0x40000005);
    ck_assert_uint_eq(regs.rbx, XEN_CPUID_SIGNATURE_EBX);
    ck_assert_uint_eq(regs.rip, (uint64_t)guest_code + sizeof(forced));
    for (size_t i = 0; i < sizeof(forced); i++) {
        start(&regs, forced, sizeof(forced));
        guest_code[i] ^= 1;
        ck_assert(!pv_emulate_forced_cpuid(&regs));
        ck_assert_uint_eq(regs.rip, (uint64_t)guest_code);
    }
    /* The whole of it, where no other page follows, but not less. */
    fake_answers.fault_start = end;
    fake_answers.fault_size = 4096;
    memcpy(end - sizeof(forced), forced, sizeof(forced));
    regs.rip = (uint64_t)(end - sizeof(forced));
    ck_assert(pv_emulate_forced_cpuid(&regs));
    ck_assert_uint_eq(regs.rip, (uint64_t)end);
    memcpy(end - sizeof(forced) + 1, forced, sizeof(forced));
    regs.rip = (uint64_t)(end - sizeof(forced) + 1);
    ck_assert(!pv_emulate_forced_cpuid(&regs));
}
END_TEST

/* ---- ports ---------------------------------------------------------------------------------- */

START_TEST(ports_of_the_control_domain_are_the_machines)
{
    struct cpu_regs regs = { .rax = UINT64_MAX, .rdx = 0xffff00000608 };

    machine.ports[0x608] = 0x11;
    machine.ports[0x609] = 0x22;
    machine.ports[0x60a] = 0x33;
    machine.ports[0x60b] = 0x44;
    ck_assert_int_eq(RUN(&regs, 0xec), 1);
    ck_assert_uint_eq(regs.rax, UINT64_C(0xffffffffffffff11));
    ck_assert_int_eq(RUN(&regs, 0x66, 0xed), 1);
    ck_assert_uint_eq(regs.rax, UINT64_C(0xffffffffffff2211));
    ck_assert_int_eq(RUN(&regs, 0xed), 1);
    ck_assert_uint_eq(regs.rax, 0x44332211);
    ck_assert_int_eq(RUN(&regs, 0x48, 0xed), 1); /* REX.W makes no wider port */
    ck_assert_uint_eq(machine.access[3].size, 4);
    for (unsigned int i = 0; i < 3; i++) {
        ck_assert_uint_eq(machine.access[i].size, 1u << i);
    }
    regs.rax = 0xa1b2c3d4;
    ck_assert_int_eq(RUN(&regs, 0x66, 0xef), 1);
    ck_assert_uint_eq(machine.access[4].value, 0xc3d4);
    ck_assert_int_eq(RUN(&regs, 0xe6, 0x80), 1);
    ck_assert_uint_eq(machine.access[5].port, 0x80);
    ck_assert_uint_eq(machine.access[5].value, 0xd4);
    ck_assert_int_eq(RUN(&regs, 0xef), 1);
    ck_assert_uint_eq(machine.access[6].value, 0xa1b2c3d4);
}
END_TEST

START_TEST(other_domains_find_an_empty_bus)
{
    struct cpu_regs regs = { .rax = 0, .rdx = 0xcfc };

    fake_set_current(guest->vcpu[0]);
    ck_assert_int_eq(RUN(&regs, 0xed), 1);
    ck_assert_uint_eq(regs.rax, UINT32_MAX);
    ck_assert_int_eq(RUN(&regs, 0xe4, 0x42), 1);
    ck_assert_int_eq(RUN(&regs, 0xe6, 0x70), 1);
    ck_assert_int_eq(RUN(&regs, 0xef), 1);
    ck_assert_uint_eq(machine.accesses, 0);
    io_permissions_destroy(guest);
    ck_assert_int_eq(RUN(&regs, 0xef), 1);
    ck_assert_int_eq(RUN(&regs, 0xed), 1);
    ck_assert_uint_eq(machine.accesses, 0);
}
END_TEST

START_TEST(a_domain_given_a_port_reaches_it_and_no_other)
{
    fake_set_current(guest->vcpu[0]);
    ck_assert_int_eq(io_permit(guest, IO_PORT, 0x3f8, 0x3ff, true), 0);
    for (unsigned int port = 0x3f0; port < 0x410; port++) {
        for (unsigned int size = 1; size <= 4; size *= 2) {
            machine.accesses = 0;
            (void)pv_port_read(guest, port, size);
            pv_port_write(guest, port, size, 0);
            ck_assert_uint_eq(machine.accesses, port >= 0x3f8 && port + size <= 0x400 ? 2 : 0);
        }
    }
}
END_TEST

START_TEST(without_memory_the_control_domain_gets_no_ports)
{
    fake_answers.fail_allocation = 1;
    ck_assert_int_eq(pv_io_setup_control_domain(guest), -XEN_ENOMEM);
}
END_TEST

START_TEST(the_cores_ports_are_kept_from_the_control_domain)
{
    static const uint16_t kept[] = { 0x20, 0x21, 0x40, 0x41, 0xa0, 0xa1 };

    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        ck_assert_uint_eq(pv_port_read(control, kept[i], 1), 0xff);
        pv_port_write(control, kept[i], 1, 0);
    }
    ck_assert_int_eq(io_permit(control, IO_PORT, 0x3f8, 0x3ff, false), 0);
    ck_assert_uint_eq(pv_port_read(control, 0x3f8, 1), 0xff);
    ck_assert_uint_eq(machine.accesses, 0);
    /* Half of it kept: each byte for itself. */
    (void)pv_port_read(control, 0x21, 2);
    ck_assert_uint_eq(machine.accesses, 1);
    ck_assert_uint_eq(machine.access[0].port, 0x22);
    ck_assert_uint_eq(machine.access[0].size, 1);
    /* The last port, and what would be behind it. */
    machine.ports[0xffff] = 0x5a;
    ck_assert_uint_eq(pv_port_read(control, 0xffff, 2), 0xff5a);
    pv_port_write(control, 0xfffe, 4, 0);
    ck_assert_uint_eq(machine.ports[0], 0);
}
END_TEST

START_TEST(the_timer_chip_gives_its_second_channel_only)
{
    for (unsigned int command = 0; command < 256; command++) {
        bool passes = command >> 6 == 2 || (command >> 6 == 3 && (command & 0xf) == 8);

        machine.accesses = 0;
        pv_port_write(control, 0x43, 1, command);
        ck_assert_uint_eq(machine.accesses, passes ? 1 : 0);
    }
    machine.accesses = 0;
    pv_port_write(control, 0x42, 1, 0x12);
    ck_assert_uint_eq(pv_port_read(control, 0x42, 1), 0x12);
    ck_assert_uint_eq(machine.accesses, 2);
    machine.ports[0x61] = 0xfc;
    pv_port_write(control, 0x61, 1, 0xff);
    ck_assert_uint_eq(machine.ports[0x61], 0x0f); /* gate and speaker; NMI switches as they were */
    machine.ports[0x61] = 0x01;
    pv_port_write(control, 0x61, 1, 0xfe);
    ck_assert_uint_eq(machine.ports[0x61], 0x02);
}
END_TEST

START_TEST(configuration_space_is_addressed_by_the_domains_own_register)
{
    machine.ports[0xcfc] = 0x86;
    machine.ports[0xcfd] = 0x80;
    pv_port_write(control, 0xcf8, 4, 0x80001000);
    ck_assert_uint_eq(machine.accesses, 0);
    ck_assert_uint_eq(pv_port_read(control, 0xcf8, 4), 0x80001000);
    ck_assert_uint_eq(pv_port_read(control, 0xcfc, 2), 0x8086);
    ck_assert_uint_eq(machine.accesses, 2);
    ck_assert_uint_eq(machine.access[0].port, 0xcf8);
    ck_assert_uint_eq(machine.access[0].value, 0x80001000);
    ck_assert_uint_eq(pv_port_read(control, 0xcfc, 4), 0x8086);
    pv_port_write(control, 0xcfd, 1, 0x99);
    ck_assert_uint_eq(machine.ports[0xcfd], 0x99);
    pv_port_write(control, 0xcf8, 1, 0); /* the register has four bytes or none */
    pv_port_write(control, 0x40, 4, 0);
    ck_assert_uint_eq(pv_port_read(control, 0xcf8, 4), 0x80001000);
    pv_port_write(control, 0xcf8, 4, 0x00001000); /* not enabled */
    machine.accesses = 0;
    ck_assert_uint_eq(pv_port_read(control, 0xcfc, 4), UINT32_MAX);
    pv_port_write(control, 0xcfc, 4, 0);
    ck_assert_uint_eq(machine.accesses, 0);
    pv_port_write(control, 0xcfb, 1, 1); /* the probe of old chip sets */
    ck_assert_uint_eq(machine.accesses, 1);
}
END_TEST

START_TEST(the_cmos_index_is_the_domains_own_and_leaves_nmi_on)
{
    pv_port_write(control, 0x70, 1, 0x8f);
    ck_assert_uint_eq(machine.accesses, 0);
    ck_assert_uint_eq(pv_port_read(control, 0x70, 1), 0x0f);
    machine.ports[0x71] = 0x26;
    ck_assert_uint_eq(pv_port_read(control, 0x71, 1), 0x26);
    ck_assert_uint_eq(machine.ports[0x70], 0x0f);
    pv_port_write(control, 0x71, 1, 0x42);
    ck_assert_uint_eq(machine.ports[0x71], 0x42);
    ck_assert_uint_eq(machine.accesses, 4);
}
END_TEST

START_TEST(a_programs_ports_are_those_its_kernel_allows)
{
    static uint8_t bitmap[8192];
    struct cpu_regs regs = { .rdx = 0x80 };

    memset(bitmap, 0xff, sizeof(bitmap));
    bitmap[0x80 / 8] = 0xfe;
    me()->pv.kernel_mode = false;
    me()->pv.kernel_cr3 = 0x1000;
    me()->pv.user_cr3 = 0x2000;
    ck_assert_int_eq(RUN(&regs, 0xec), 0);
    me()->pv.io_bitmap = (uint64_t)bitmap;
    me()->pv.io_bitmap_ports = 0x81;
    ck_assert_int_eq(RUN(&regs, 0xec), 1);
    ck_assert_uint_eq(neighbour.cr3_loads, 2); /* the map is in the kernel's address space */
    ck_assert_uint_eq(neighbour.cr3[0], 0x1000);
    ck_assert_uint_eq(neighbour.cr3[1], 0x2000);
    me()->pv.kernel_mode = true; /* of a kernel that gave up its own right */
    me()->pv.iopl = 0;
    ck_assert_int_eq(RUN(&regs, 0xec), 1);
    ck_assert_uint_eq(neighbour.cr3_loads, 2);
    me()->pv.kernel_mode = false;
    me()->pv.iopl = IOPL1;
    ck_assert_int_eq(RUN(&regs, 0x66, 0xed), 0); /* the next port is not in it */
    me()->pv.io_bitmap_ports = 0x80;
    ck_assert_int_eq(RUN(&regs, 0xec), 0);
    me()->pv.io_bitmap_ports = 65536;
    bitmap[0x87 / 8] = 0x7f; /* 0x87 and 0x88: across two bytes */
    bitmap[0x88 / 8] = 0xfe;
    regs.rdx = 0x87;
    ck_assert_int_eq(RUN(&regs, 0x66, 0xed), 1);
    bitmap[0x88 / 8] = 0xff;
    ck_assert_int_eq(RUN(&regs, 0x66, 0xed), 0);
    regs.rdx = 0xffff;
    bitmap[8191] = 0;
    ck_assert_int_eq(RUN(&regs, 0xec), 1);
    ck_assert_int_eq(RUN(&regs, 0x66, 0xed), 0);
    fake_answers.fault_start = bitmap;
    fake_answers.fault_size = sizeof(bitmap);
    ck_assert_int_eq(RUN(&regs, 0xec), 0);

    me()->pv.iopl = RFLAGS_IOPL;
    ck_assert_int_eq(RUN(&regs, 0xec), 1);
}
END_TEST

START_TEST(string_input_is_repeated_and_resumed)
{
    static uint8_t buffer[1024];
    struct cpu_regs regs = { .rdx = 0x1f0, .rcx = 300, .rdi = (uint64_t)buffer };
    unsigned int entries = 0;

    machine.ports[0x1f0] = 0x34;
    machine.ports[0x1f1] = 0x12;
    guest_code[0] = 0xf3; /* rep insw */
    guest_code[1] = 0x66;
    guest_code[2] = 0x6d;
    regs.rip = (uint64_t)guest_code;
    while (regs.rip == (uint64_t)guest_code) {
        uint64_t before = regs.rcx;

        ck_assert(pv_emulate_privileged(&regs));
        ck_assert_uint_lt(regs.rcx, before);
        entries++;
    }
    ck_assert_uint_gt(entries, 1);
    ck_assert_uint_eq(regs.rcx, 0);
    ck_assert_uint_eq(regs.rdi, (uint64_t)buffer + 600);
    ck_assert_uint_eq(machine.accesses, 300);
    ck_assert_uint_eq(buffer[598], 0x34);
    ck_assert_uint_eq(buffer[599], 0x12);
    ck_assert_uint_eq(buffer[600], 0);
    ck_assert_uint_eq(regs.rip, (uint64_t)guest_code + 3);
}
END_TEST

START_TEST(a_repetition_of_nothing_does_nothing)
{
    struct cpu_regs regs = { .rdx = 0x1f0, .rdi = 0 };

    ck_assert_int_eq(RUN(&regs, 0xf3, 0x6c), 1);
    regs.rcx = UINT64_C(1) << 32;
    ck_assert_int_eq(RUN(&regs, 0x67, 0xf3, 0x6c), 1); /* by ecx */
    ck_assert_uint_eq(machine.accesses, 0);
}
END_TEST

START_TEST(string_input_does_not_lose_data_to_a_fault)
{
    static uint8_t buffer[16];
    struct cpu_regs regs = { .rdx = 0x1f0, .rcx = 8, .rdi = (uint64_t)buffer };

    fake_answers.fault_start = buffer + 6;
    fake_answers.fault_size = 10;
    start(&regs, (const uint8_t[]){ 0xf3, 0x6d }, 2); /* rep insl */
    ck_assert(pv_emulate_privileged(&regs));
    ck_assert_uint_eq(neighbour.vector, VECTOR_PF);
    ck_assert_uint_eq(neighbour.code & PF_WRITE, PF_WRITE);
    ck_assert_uint_eq(neighbour.address, (uint64_t)buffer + 6);
    ck_assert_uint_eq(machine.accesses, 1);
    ck_assert_uint_eq(regs.rcx, 7);
    ck_assert_uint_eq(regs.rdi, (uint64_t)buffer + 4);
    ck_assert_uint_eq(regs.rip, (uint64_t)guest_code);
}
END_TEST

START_TEST(string_input_asks_no_device_for_memory_that_cannot_be_written)
{
    static uint8_t buffer[16];
    struct cpu_regs regs = { .rdx = 0x1f0, .rdi = (uint64_t)buffer };

    neighbour.read_only = true;
    start(&regs, (const uint8_t[]){ 0x6d }, 1);
    ck_assert(pv_emulate_privileged(&regs));
    ck_assert_uint_eq(neighbour.vector, VECTOR_PF);
    ck_assert_uint_eq(neighbour.address, (uint64_t)buffer);
    ck_assert_uint_eq(machine.accesses, 0);
}
END_TEST

START_TEST(string_output_sends_nothing_that_cannot_be_read)
{
    static const uint8_t buffer[] = { 1 };
    struct cpu_regs regs = { .rdx = 0x80, .rsi = (uint64_t)buffer };

    fake_answers.fault_start = buffer;
    fake_answers.fault_size = sizeof(buffer);
    ck_assert_int_eq(RUN(&regs, 0x6e), -1);
    ck_assert_uint_eq(neighbour.vector, VECTOR_PF);
    ck_assert_uint_eq(neighbour.code, PF_USER);
    ck_assert_uint_eq(machine.accesses, 0);
}
END_TEST

START_TEST(a_string_of_one_leaves_the_count_alone)
{
    uint8_t byte = 0;
    struct cpu_regs regs = { .rdx = 0x1f0, .rdi = (uint64_t)&byte, .rcx = 5 };

    machine.ports[0x1f0] = 0x34;
    ck_assert_int_eq(RUN(&regs, 0x64, 0x6c), 1); /* input goes by es, whatever is asked for */
    ck_assert_uint_eq(byte, 0x34);
    ck_assert_uint_eq(regs.rcx, 5);
}
END_TEST

START_TEST(string_output_goes_backwards_if_told)
{
    static const uint8_t buffer[] = { 1, 2, 3, 4 };
    struct cpu_regs regs = {
        .rdx = 0x80, .rcx = 3, .rsi = (uint64_t)buffer + 3, .rflags = RFLAGS_DF
    };

    ck_assert_int_eq(RUN(&regs, 0xf3, 0x6e), 1);
    ck_assert_uint_eq(machine.access[0].value, 4);
    ck_assert_uint_eq(machine.access[2].value, 2);
    ck_assert_uint_eq(regs.rsi, (uint64_t)buffer);
    regs = (struct cpu_regs){ .rdx = 0x80, .rsi = (uint64_t)buffer };
    ck_assert_int_eq(RUN(&regs, 0x6e), 1);
    ck_assert_uint_eq(regs.rsi, (uint64_t)buffer + 1);
    ck_assert_int_eq(RUN(&regs, 0x64, 0x6e), 0); /* %fs: has a base */
}
END_TEST

int main(void)
{
    const TTest *all[] = {
        wrmsr_of_the_gs_base_works_before_anything_is_set_up,
        the_users_gs_base_is_the_hardwares,
        a_base_that_is_not_canonical_is_refused,
        each_msr_reads_and_writes_as_its_row_says,
        only_the_first_vcpu_is_the_boot_processor,
        no_msr_outside_the_table_is_let_through,
        tsc_aux_is_kept_for_each_vcpu,
        tsc_aux_is_left_alone_where_the_cpu_has_none,
        an_msr_that_is_not_there_cannot_be_read,
        control_registers_read_as_a_pv_kernel_expects,
        of_cr4_a_guest_gets_what_its_cpuid_tells,
        of_cr0_only_task_switched_can_change,
        a_write_to_cr3_loads_another_table,
        a_hypercall_page_can_be_asked_for_by_msr,
        a_write_to_cr2_is_seen_where_faults_are_reported,
        xcr0_takes_only_what_is_allowed_and_consistent,
        debug_registers_keep_the_core_out_of_reach,
        debug_registers_have_hypercalls_as_well,
        a_context_being_prepared_does_not_touch_the_hardware,
        cli_and_sti_are_stepped_over_where_iopl_allows,
        caches_are_written_back_for_those_with_devices,
        invlpg_flushes_the_guests_addresses_only,
        descriptor_tables_are_nowhere_for_kernels_and_programs,
        a_system_register_is_stored_in_a_register_too,
        a_table_that_cannot_be_stored_is_a_page_fault,
        a_table_is_not_stored_where_the_cpu_had_another_reason_to_refuse,
        hlt_blocks,
        a_program_may_do_none_of_it,
        what_is_not_emulated_is_refused,
        code_that_cannot_be_read_is_refused,
        code_after_a_page_that_cannot_be_read_is_not_found,
        cpuid_that_faults_is_carried_out_for_programs_too,
        an_instruction_at_the_end_of_the_last_page_is_found,
        a_single_step_follows_and_resume_is_cleared,
        code_of_32_bits_goes_on_at_0,
        forced_cpuid_is_told_from_everything_else,
        ports_of_the_control_domain_are_the_machines,
        other_domains_find_an_empty_bus,
        a_domain_given_a_port_reaches_it_and_no_other,
        without_memory_the_control_domain_gets_no_ports,
        the_cores_ports_are_kept_from_the_control_domain,
        the_timer_chip_gives_its_second_channel_only,
        configuration_space_is_addressed_by_the_domains_own_register,
        the_cmos_index_is_the_domains_own_and_leaves_nmi_on,
        a_programs_ports_are_those_its_kernel_allows,
        string_input_is_repeated_and_resumed,
        a_repetition_of_nothing_does_nothing,
        string_input_does_not_lose_data_to_a_fault,
        string_input_asks_no_device_for_memory_that_cannot_be_written,
        string_output_sends_nothing_that_cannot_be_read,
        a_string_of_one_leaves_the_count_alone,
        string_output_goes_backwards_if_told,
    };
    Suite *suite = suite_create("emulate_privileged");
    TCase *tests = suite_case(suite, "emulate_privileged");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        tcase_add_test(tests, all[i]);
    }
    return suite_run(suite);
}
