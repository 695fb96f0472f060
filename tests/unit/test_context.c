/* SPDX-License-Identifier: MIT */
/*
 * A vCPU's context: what a new one may hold, what is given back when it is refused
 * or released, what a switch loads and saves.  pv/context.c is included here, over
 * instructions that only note that they ran.
 */
/* The real instructions under names of their own, out of the way. */
#define read_cr0  real_read_cr0
#define write_cr0 real_write_cr0
#define read_ds   real_read_ds
#define read_es   real_read_es
#define read_fs   real_read_fs
#define read_gs   real_read_gs
#define swap_gs   real_swap_gs
#include "hypervisor/x86/cpu.h"
#undef read_cr0
#undef write_cr0
#undef read_ds
#undef read_es
#undef read_fs
#undef read_gs
#undef swap_gs

static struct {
    uint64_t cr0, cr3, fs_base, gs_base[2]; /* gs_base[1] is swapped out */
    uint16_t ds, es;
} hardware;

#define read_cr0()       (hardware.cr0)
#define write_cr0(value) ((void)(hardware.cr0 = (value)))
#define read_ds()        (hardware.ds)
#define read_es()        (hardware.es)
#define read_fs()        ((uint16_t)0) /* these two have bases the test needs */
#define read_gs()        ((uint16_t)0)

static inline void swap_gs(void)
{
    uint64_t active = hardware.gs_base[0];

    hardware.gs_base[0] = hardware.gs_base[1];
    hardware.gs_base[1] = active;
}

#include "hypervisor/pv/context.c"

#include "hypervisor/x86/selectors.h"
#include "tests/unit/page_world.h"
#include "tests/unit/suite.h"

#define NOT_CANONICAL (UINT64_C(1) << 47)
#define USER_DATA     0x2b /* a selector that this program can load */

static struct vcpu_guest_context context, copy;
static struct page *kernel, *user;

/* ---- neighbours ----------------------------------------------------------------------------- */

static int gdt_result, ldt_result;
static unsigned int tables_dropped, tables_loaded;
static unsigned int fpu_taken, debug_set; /* bits, by register */
static unsigned int debug_loads, tsc_loads;
static struct fpu_state *fpu_saved;
static const struct fpu_state *fpu_loaded;

int segments_set_gdt(struct vcpu *of, const uint64_t *frames, uint64_t entries)
{
    of->pv.gdt.entries = (uint32_t)entries;
    for (unsigned int i = 0; i < ARRAY_SIZE(of->pv.gdt.frames); i++) {
        of->pv.gdt.frames[i] = mfn(frames[i]);
    }
    return gdt_result;
}

int segments_set_ldt(struct vcpu *of, uint64_t base, uint64_t entries)
{
    ck_assert(of->pv.kernel_mode); /* it looks into the kernel's tables */
    ck_assert(mfn_equal(of->pv.kernel_l4, page_frame(kernel)));
    of->pv.ldt.base = base;
    of->pv.ldt.entries = (uint32_t)entries;
    return ldt_result;
}

void segments_drop(struct vcpu *of)
{
    (void)of;
    tables_dropped++;
}

void segments_load(const struct vcpu *of)
{
    ck_assert_ptr_eq(of, current);
    tables_loaded++;
}

uint64_t segment_fs_base(void)
{
    return hardware.fs_base;
}

uint64_t segment_gs_base(void)
{
    return hardware.gs_base[0];
}

void segment_set_fs_base(uint64_t base)
{
    hardware.fs_base = base;
}

void segment_set_gs_base(uint64_t base)
{
    hardware.gs_base[0] = base;
}

void fpu_from_fxsave(struct fpu_state *state, const void *fxsave)
{
    (void)state;
    ck_assert_ptr_eq(fxsave, context.fpu_ctxt.x);
    fpu_taken++;
}

void fpu_to_fxsave(const struct fpu_state *state, void *fxsave)
{
    (void)state;
    *(uint8_t *)fxsave = 0x7f;
}

void fpu_save(struct fpu_state *state)
{
    ck_assert_uint_eq(hardware.cr0 & CR0_TS, 0); /* it would fault */
    fpu_saved = state;
}

void fpu_load(const struct fpu_state *state)
{
    ck_assert_uint_eq(hardware.cr0 & CR0_TS, 0);
    fpu_loaded = state;
}

long pv_debug_register_set(struct vcpu *of, unsigned int number, uint64_t value, bool live)
{
    ck_assert(!live);
    ck_assert_uint_eq(value, context.debugreg[number]);
    of->pv.debug[number] = value;
    debug_set |= 1u << number;
    return 0;
}

void pv_debug_registers_load(const struct vcpu *of)
{
    ck_assert_ptr_eq(of, current);
    debug_loads++;
}

void pv_load_tsc_access(const struct vcpu *of)
{
    ck_assert_ptr_eq(of, current);
    tsc_loads++;
}

uint64_t pv_cr4_read(const struct vcpu *of)
{
    return of->pv.cr4;
}

void pv_selectors_failed(struct vcpu *of)
{
    ck_abort_msg("vCPU %u", of->id);
}

void tlb_load_cr3(uint64_t cr3)
{
    hardware.cr3 = cr3;
}

/* ---- a context ------------------------------------------------------------------------------ */

static void make_context(void)
{
    memset(&context, 0, sizeof(context));
    context.flags = VGCF_in_kernel | VGCF_syscall_disables_events;
    context.user_regs.rip = 0x401000;
    context.user_regs.rsp = 0x8000;
    context.user_regs.rax = 0xaaaa;
    context.user_regs.cs = GUEST_CS64;
    context.user_regs.ss = GUEST_SS;
    context.user_regs.rflags = RFLAGS_IF | RFLAGS_FIXED | RFLAGS_IOPL;
    context.user_regs.ds = 1;
    context.user_regs.es = 2;
    context.user_regs.fs = 3;
    context.user_regs.gs = 4;
    context.trap_ctxt[14] = (struct trap_info){ .vector = 14, .address = 0x402000 };
    context.gdt_ents = 513;
    context.gdt_frames[0] = 0x11;
    context.gdt_frames[1] = 0x12;
    context.ldt_base = 0x403000;
    context.ldt_ents = 7;
    context.kernel_ss = GUEST_SS;
    context.kernel_sp = 0x9000;
    context.ctrlreg[0] = CR0_PG | CR0_PE | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_TS;
    context.ctrlreg[1] = maddr_of_mfn(page_frame(user)).byte;
    context.ctrlreg[3] = maddr_of_mfn(page_frame(kernel)).byte;
    context.event_callback_eip = 0x404000;
    context.failsafe_callback_eip = 0x405000;
    context.syscall_callback_eip = 0x406000;
    context.vm_assist = UINT64_MAX;
    context.fs_base = 0x407000;
    context.gs_base_kernel = 0x408000;
    context.gs_base_user = 0x409000;
    for (unsigned int i = 0; i < ARRAY_SIZE(context.debugreg); i++) {
        context.debugreg[i] = 0xd0 + i;
    }
}

static void setup(void)
{
    page_world_setup();
    memset(&hardware, 0, sizeof(hardware));
    vcpu->initialised = false;
    vcpu->pv.kernel_mode = false;
    gdt_result = ldt_result = 0;
    tables_dropped = tables_loaded = fpu_taken = debug_set = debug_loads = tsc_loads = 0;
    kernel = fake_page_new(guest);
    user = fake_page_new(guest);
    fpu_saved = NULL;
    fpu_loaded = NULL;
    make_context();
}

/* The uses of the two tables. */
static void hold(uint64_t kernels, uint64_t users)
{
    extra_refs[number_of(kernel)] = extra_uses[number_of(kernel)] = kernels;
    extra_refs[number_of(user)] = extra_uses[number_of(user)] = users;
    audit();
}

static void check_refused(int error)
{
    ck_assert_int_eq(pv_vcpu_initialise(vcpu, &context), error);
    ck_assert(!vcpu->initialised);
    ck_assert_uint_eq(vcpu->pv.kernel_l4.number, 0);
    ck_assert_uint_eq(vcpu->pv.user_l4.number, 0);
    hold(0, 0);
}

START_TEST(a_context_comes_back_as_it_went_in)
{
    ck_assert_int_eq(pv_vcpu_initialise(vcpu, &context), 0);
    hold(1, 1);
    ck_assert(vcpu->initialised);
    ck_assert_uint_eq(vcpu->pv.kernel_cr3, context.ctrlreg[3]);
    ck_assert_uint_eq(vcpu->pv.user_cr3, context.ctrlreg[1]);
    ck_assert_uint_eq(debug_set, 0xcf); /* 4 and 5 are other names of 6 and 7 */
    pv_vcpu_get_context(vcpu, &copy);
    ck_assert_uint_eq(copy.fpu_ctxt.x[0], 0x7f);
    /* What it says beside what it was told. */
    memset(copy.fpu_ctxt.x, 0, sizeof(copy.fpu_ctxt.x));
    context.flags |= VGCF_i387_valid | VGCF_online;
    context.vm_assist = VM_ASSIST_KNOWN;
    context.debugreg[4] = context.debugreg[5] = 0;
    ck_assert_mem_eq(&copy, &context, sizeof(context));
}
END_TEST

START_TEST(each_flag_of_a_context_has_its_meaning)
{
    static const uint64_t flags[] = { VGCF_in_kernel, VGCF_failsafe_disables_events,
                                      VGCF_syscall_disables_events };

    for (unsigned int i = 0; i < ARRAY_SIZE(flags); i++) {
        context.flags = flags[i];
        vcpu->initialised = false;
        vcpu->blocked = VCPU_DOWN;
        ck_assert_int_eq(pv_vcpu_initialise(vcpu, &context), 0);
        ck_assert_uint_eq(vcpu->pv.kernel_mode, i == 0);
        ck_assert_uint_eq(fpu_taken, 0);
        pv_vcpu_get_context(vcpu, &copy);
        ck_assert_uint_eq(copy.flags, flags[i] | VGCF_i387_valid);
    }
    context.flags = VGCF_i387_valid;
    vcpu->initialised = false;
    ck_assert_int_eq(pv_vcpu_initialise(vcpu, &context), 0);
    ck_assert_uint_eq(fpu_taken, 1);
}
END_TEST

START_TEST(addresses_are_checked)
{
    uint64_t *const addresses[] = { &context.event_callback_eip,    &context.failsafe_callback_eip,
                                    &context.syscall_callback_eip,  &context.fs_base,
                                    &context.gs_base_kernel,        &context.gs_base_user,
                                    &context.user_regs.rip,         &context.trap_ctxt[0].address,
                                    &context.trap_ctxt[255].address };

    for (unsigned int i = 0; i < ARRAY_SIZE(addresses); i++) {
        uint64_t good = *addresses[i];

        *addresses[i] = NOT_CANONICAL;
        check_refused(-XEN_EINVAL);
        *addresses[i] = good;
    }
    context.user_regs.rip = CORE_START;
    check_refused(-XEN_EINVAL);
}
END_TEST

START_TEST(registers_are_such_as_ring_3_may_have)
{
    context.user_regs.cs = 0xe030;
    context.user_regs.ss = 0;
    context.user_regs.rflags = ~UINT64_C(0);
    context.user_regs.entry_vector = 0x100;
    context.kernel_ss = 0x12340;
    ck_assert_int_eq(pv_vcpu_initialise(vcpu, &context), 0);
    ck_assert_uint_eq(vcpu->regs.cs, 0xe033);
    ck_assert_uint_eq(vcpu->regs.ss, 3);
    ck_assert_uint_eq(vcpu->regs.vector, 0);
    ck_assert_uint_eq(vcpu->regs.rflags & (RFLAGS_IOPL | RFLAGS_VM | RFLAGS_VIF | RFLAGS_VIP), 0);
    ck_assert_uint_eq(vcpu->pv.iopl, RFLAGS_IOPL);
    ck_assert_uint_eq(vcpu->pv.kernel_ss, 0x2343);

    vcpu->initialised = false;
    context.user_regs.rflags = 0;
    context.ctrlreg[0] = 0;
    ck_assert_int_eq(pv_vcpu_initialise(vcpu, &context), 0);
    ck_assert_uint_eq(vcpu->regs.rflags, RFLAGS_IF | RFLAGS_FIXED);
    ck_assert_uint_eq(vcpu->pv.cr0_ts, 0);
}
END_TEST

START_TEST(a_context_is_set_once_and_a_program_has_tables_of_its_own)
{
    pte_t *shown = &table_of(page_of(mfn(0)))[pte_index(M2P_GUEST_START, 4)];

    context.flags = 0;
    context.ctrlreg[1] = 0;
    check_refused(-XEN_EINVAL);
    context.flags = VGCF_in_kernel;
    *shown = CORE_MARK;
    ck_assert_int_eq(pv_vcpu_initialise(vcpu, &context), 0);
    hold(1, 0);
    ck_assert_uint_eq(vcpu->pv.user_l4.number, 0);
    ck_assert_uint_eq(*shown, CORE_MARK); /* frame 0 is no table, it means that there is none */
    ck_assert_int_eq(pv_vcpu_initialise(vcpu, &context), -XEN_EEXIST);
    hold(1, 0);
}
END_TEST

START_TEST(a_program_s_tables_do_not_show_which_machine_frame_is_whose)
{
    unsigned int slot = pte_index(M2P_GUEST_START, 4);

    core_l4[slot] = CORE_MARK;
    ck_assert_int_eq(pv_vcpu_initialise(vcpu, &context), 0);
    ck_assert_uint_eq(table_of(page_of(vcpu->pv.kernel_l4))[slot], CORE_MARK);
    ck_assert_uint_eq(table_of(page_of(vcpu->pv.user_l4))[slot], 0);
}
END_TEST

START_TEST(no_number_of_a_table_is_no_table)
{
    context.flags = 0;
    context.ctrlreg[1] = PAGE_SIZE - 1;
    check_refused(-XEN_EINVAL);
}
END_TEST

START_TEST(a_context_whose_tables_are_refused_holds_nothing)
{
    struct page *foreign = fake_page_new(other);
    uint64_t theirs = maddr_of_mfn(page_frame(foreign)).byte;

    context.ctrlreg[3] = theirs;
    check_refused(-XEN_EINVAL);
    make_context();
    context.ctrlreg[1] = theirs;
    check_refused(-XEN_EINVAL);
    make_context();
    gdt_result = -XEN_EINVAL;
    check_refused(-XEN_EINVAL);
    context.ctrlreg[1] = 0;
    check_refused(-XEN_EINVAL);
    make_context();
    gdt_result = 0;
    ck_assert_uint_eq(tables_dropped, 0);
    ldt_result = -XEN_EINVAL;
    check_refused(-XEN_EINVAL);
    ck_assert_uint_eq(tables_dropped, 1);
}
END_TEST

START_TEST(only_the_first_vcpu_s_assists_count)
{
    struct vcpu *second = guest->vcpu[1];

    second->initialised = false;
    ck_assert_int_eq(pv_vcpu_initialise(second, &context), 0);
    ck_assert_uint_eq(guest->vm_assist, 0);
}
END_TEST

/* A top-level table that takes a few pieces to release. */
static void fill(struct page *top)
{
    for (unsigned int i = 0; i < 3; i++) {
        table_of(top)[i] = entry_of(fake_page_new(guest), RW);
    }
}

START_TEST(a_release_goes_on_where_it_was_preempted)
{
    unsigned int preemptions = 0;

    fill(kernel);
    fill(user);
    ck_assert_int_eq(pv_vcpu_initialise(vcpu, &context), 0);
    for (;;) {
        int error;

        preempt_in = 1;
        error = pv_vcpu_release(vcpu);
        preempt_in = 0;
        if (error == 0) {
            break;
        }
        ck_assert_int_eq(error, -XEN_ERESTART);
        preemptions++;
    }
    ck_assert_uint_eq(preemptions, 2);
    ck_assert(!vcpu->initialised);
    ck_assert_uint_eq(vcpu->pv.kernel_l4.number, 0);
    ck_assert_uint_eq(vcpu->pv.user_l4.number, 0);
    hold(0, 0); /* what is left is half way, and nobody's */
    ck_assert_int_eq(state_of(kernel), PAGE_PARTIAL);
    ck_assert_int_eq(pv_vcpu_release(vcpu), 0);
}
END_TEST

/* ---- switches ------------------------------------------------------------------------------- */

/* Whoever saved something of it would save this. */
static struct vcpu idle = { .is_idle = true, .fpu = (struct fpu_state *)1 };

static struct vcpu *ready(struct vcpu *of, bool kernel_mode, uint64_t base)
{
    of->pv = (struct pv_vcpu){ .kernel_mode = kernel_mode,
                               .kernel_cr3 = base,
                               .user_cr3 = base + 1,
                               .fs_base = base + 2,
                               .gs_base_kernel = base + 3,
                               .gs_base_user = base + 4 };
    of->regs.rip = base + 5;
    of->fpu = (struct fpu_state *)(uintptr_t)(base + 6);
    return of;
}

static void check_loaded(uint64_t base, bool kernel_mode)
{
    ck_assert_uint_eq(hardware.cr3, kernel_mode ? base : base + 1);
    ck_assert_uint_eq(hardware.fs_base, base + 2);
    ck_assert_uint_eq(hardware.gs_base[kernel_mode ? 0 : 1], base + 3);
    ck_assert_uint_eq(hardware.gs_base[kernel_mode ? 1 : 0], base + 4);
    ck_assert_uint_eq(this_cpu()->regs.rip, base + 5);
    ck_assert_uint_eq((uint64_t)(uintptr_t)fpu_loaded, base + 6);
}

START_TEST(a_switch_saves_one_and_loads_the_other)
{
    for (unsigned int modes = 0; modes < 4; modes++) {
        bool first = (modes & 1) != 0, second = (modes & 2) != 0;
        struct vcpu *from = ready(guest->vcpu[0], first, 0x10000);
        struct vcpu *to = ready(other->vcpu[0], second, 0x20000);

        fake_set_current(&idle);
        context_switch(&idle, from);
        ck_assert_ptr_eq(current, from);
        ck_assert_ptr_null(fpu_saved); /* an idle vCPU has nothing */
        check_loaded(0x10000, first);
        ck_assert(cpumask_has(&guest->dirty_cpus, cpu_id()));
        this_cpu()->regs.rip = 0x777;
        hardware.fs_base = 0x888;
        hardware.gs_base[0] = 0x999;
        hardware.gs_base[1] = 0xaaa;
        context_switch(from, to);
        check_loaded(0x20000, second);
        ck_assert_uint_eq(from->regs.rip, 0x777);
        ck_assert_uint_eq(from->pv.fs_base, 0x888);
        ck_assert_uint_eq(first ? from->pv.gs_base_kernel : from->pv.gs_base_user, 0x999);
        ck_assert_uint_eq(first ? from->pv.gs_base_user : from->pv.gs_base_kernel, 0xaaa);
        ck_assert_ptr_eq(fpu_saved, from->fpu);
        ck_assert(!cpumask_has(&guest->dirty_cpus, cpu_id()));
        ck_assert(cpumask_has(&other->dirty_cpus, cpu_id()));
        fpu_saved = NULL;
        context_switch(to, &idle);
        ck_assert_ptr_eq(current, &idle);
        ck_assert_ptr_eq(fpu_saved, to->fpu);
        ck_assert_uint_eq(hardware.cr3, (uint64_t)core_l4 - CORE_IMAGE);
        ck_assert(!cpumask_has(&other->dirty_cpus, cpu_id()));
        fpu_saved = NULL;
        ck_assert_uint_eq(this_cpu()->softirq_pending, 0);
    }
    ck_assert_uint_eq(tables_loaded, 8);
    ck_assert_uint_eq(debug_loads + tsc_loads, 0);
}
END_TEST

START_TEST(vcpus_of_one_domain_share_its_mark)
{
    struct vcpu *from = ready(guest->vcpu[0], true, 0x10000);
    struct vcpu *to = ready(guest->vcpu[1], true, 0x20000);

    context_switch(&idle, from);
    context_switch(from, to);
    ck_assert(cpumask_has(&guest->dirty_cpus, cpu_id()));
}
END_TEST

START_TEST(task_switched_is_set_while_its_vcpu_runs)
{
    struct vcpu *from = ready(guest->vcpu[0], true, 0x10000);
    struct vcpu *to = ready(other->vcpu[0], true, 0x20000);

    from->pv.cr0_ts = CR0_TS;
    context_switch(&idle, from);
    ck_assert_uint_eq(hardware.cr0, CR0_TS);
    context_switch(from, to);
    ck_assert_uint_eq(hardware.cr0, 0);
}
END_TEST

START_TEST(selectors_are_loaded_if_the_old_or_the_new_is_not_null)
{
    struct vcpu *to = ready(guest->vcpu[0], true, 0x10000);
    uint16_t ds, es;

    to->pv.ds = to->pv.es = USER_DATA;
    context_switch(&idle, to);
    __asm__ volatile("movw %%ds, %0; movw %%es, %1" : "=r"(ds), "=r"(es));
    ck_assert_uint_eq(ds, USER_DATA);
    ck_assert_uint_eq(es, USER_DATA);
    hardware.ds = hardware.es = USER_DATA;
    context_switch(to, &idle);
    ck_assert_uint_eq(to->pv.ds, USER_DATA);
    to->pv.ds = to->pv.es = 0;
    context_switch(&idle, to);
    __asm__ volatile("movw %%ds, %0; movw %%es, %1" : "=r"(ds), "=r"(es));
    ck_assert_uint_eq(ds, 0);
    ck_assert_uint_eq(es, 0);
}
END_TEST

START_TEST(what_only_some_vcpus_have_is_loaded_for_them)
{
    struct vcpu *from = ready(guest->vcpu[0], true, 0x10000);
    struct vcpu *to = ready(other->vcpu[0], true, 0x20000);

    from->pv.nmi_pending = true;
    from->pv.debug[7] = 1;
    from->pv.tsc_aux = 5;
    context_switch(&idle, from);
    ck_assert_uint_eq(this_cpu()->softirq_pending, 1u << SOFTIRQ_GUEST);
    ck_assert_uint_eq(debug_loads, 1);
    ck_assert_uint_eq(tsc_loads, 1);
    context_switch(from, to); /* to take them out again */
    ck_assert_uint_eq(debug_loads, 2);
    ck_assert_uint_eq(tsc_loads, 2);
    to->pv.cr4 = CR4_TSD;
    context_switch(to, &idle);
    ck_assert_uint_eq(debug_loads, 2);
    ck_assert_uint_eq(tsc_loads, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("context");
    TCase *contexts = suite_case(suite, "contexts"), *switches = suite_case(suite, "switches");

    tcase_add_checked_fixture(contexts, setup, page_world_teardown);
    tcase_add_checked_fixture(switches, setup, page_world_teardown);
    tcase_add_test(contexts, a_context_comes_back_as_it_went_in);
    tcase_add_test(contexts, each_flag_of_a_context_has_its_meaning);
    tcase_add_test(contexts, addresses_are_checked);
    tcase_add_test(contexts, registers_are_such_as_ring_3_may_have);
    tcase_add_test(contexts, a_context_is_set_once_and_a_program_has_tables_of_its_own);
    tcase_add_test(contexts, a_program_s_tables_do_not_show_which_machine_frame_is_whose);
    tcase_add_test(contexts, no_number_of_a_table_is_no_table);
    tcase_add_test(contexts, a_context_whose_tables_are_refused_holds_nothing);
    tcase_add_test(contexts, only_the_first_vcpu_s_assists_count);
    tcase_add_test(contexts, a_release_goes_on_where_it_was_preempted);
    tcase_add_test(switches, a_switch_saves_one_and_loads_the_other);
    tcase_add_test(switches, vcpus_of_one_domain_share_its_mark);
    tcase_add_test(switches, task_switched_is_set_while_its_vcpu_runs);
    tcase_add_test(switches, selectors_are_loaded_if_the_old_or_the_new_is_not_null);
    tcase_add_test(switches, what_only_some_vcpus_have_is_loaded_for_them);
    return suite_run(suite);
}
