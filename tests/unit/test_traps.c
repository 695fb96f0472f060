/* SPDX-License-Identifier: MIT */
/*
 * How a guest's kernel is entered, and left by iret.  pv/traps.c is included here,
 * over instructions that only note that they ran; pv/callbacks.c is linked.
 */
/* The real instructions under names of their own, out of the way. */
#define read_cr0  real_read_cr0
#define write_cr0 real_write_cr0
#define read_cr2  real_read_cr2
#define write_cr3 real_write_cr3
#define read_dr6  real_read_dr6
#define write_dr6 real_write_dr6
#define swap_gs   real_swap_gs
#include "hypervisor/x86/cpu.h"
#undef read_cr0
#undef write_cr0
#undef read_cr2
#undef write_cr3
#undef read_dr6
#undef write_dr6
#undef swap_gs

static struct {
    uint64_t cr0, cr2, cr3, dr6;
    unsigned int swaps;
} hardware;

#define read_cr0()       (hardware.cr0)
#define write_cr0(value) ((void)(hardware.cr0 = (value)))
#define read_cr2()       (hardware.cr2)
#define write_cr3(value) ((void)(hardware.cr3 = (value)))
#define read_dr6()       (hardware.dr6)
#define write_dr6(value) ((void)(hardware.dr6 = (value)))
#define swap_gs()        ((void)hardware.swaps++)

#include "hypervisor/pv/traps.c"

#include <check.h>
#include <string.h>

#include "tests/fake/fake.h"
#include "tests/unit/suite.h"

#define HANDLER    UINT64_C(0xffffffff81001000)
#define KERNEL_CR3 UINT64_C(0x1000)
#define USER_CR3   UINT64_C(0x2000)
#define SET_FLAGS  (RFLAGS_FIXED | RFLAGS_CF | RFLAGS_IF)

static struct domain *guest;
static struct vcpu *vcpu;
static struct cpu_regs *regs;
static _Alignas(16) uint64_t stack[32]; /* of the guest's kernel; it begins at the end */

/* ---- neighbours ----------------------------------------------------------------------------- */

struct cpu_features cpu_features;

static bool emulated; /* what the emulators answer */
static unsigned int emulations;

bool pv_emulate_privileged(struct cpu_regs *which)
{
    emulations++;
    return which == regs && emulated;
}

bool pv_emulate_forced_cpuid(struct cpu_regs *which)
{
    return pv_emulate_privileged(which);
}

bool pv_emulate_pt_write(struct vcpu *of, struct cpu_regs *which, uint64_t address)
{
    ck_assert_ptr_eq(of, vcpu);
    ck_assert_uint_eq(address, hardware.cr2);
    return pv_emulate_privileged(which);
}

void pv_set_task_switched(struct vcpu *of, bool set)
{
    of->pv.cr0_ts = set ? CR0_TS : 0;
}

/* ---- the guest ------------------------------------------------------------------------------ */

static uint64_t top_of_stack(void)
{
    return (uint64_t)(uintptr_t)(stack + ARRAY_SIZE(stack));
}

/* In user mode, with a handler for everything. */
static void restart(void)
{
    memset(&hardware, 0, sizeof(hardware));
    memset(stack, 0x5a, sizeof(stack));
    memset(&fake, 0, sizeof(fake));
    memset(&fake_answers, 0, sizeof(fake_answers));
    memset(&vcpu->pv, 0, sizeof(vcpu->pv));
    emulated = false;
    emulations = 0;
    this_cpu()->softirq_pending = 0;
    guest->vm_assist = 0;
    vcpu->info->evtchn_upcall_mask = 0;
    vcpu->pv.kernel_cr3 = KERNEL_CR3;
    vcpu->pv.user_cr3 = USER_CR3;
    vcpu->pv.user_l4 = mfn(2);
    vcpu->pv.kernel_sp = top_of_stack() + 8; /* is aligned */
    vcpu->pv.iopl = RFLAGS_IOPL;
    for (unsigned int i = 0; i < ARRAY_SIZE(vcpu->pv.traps); i++) {
        vcpu->pv.traps[i].address = HANDLER + i;
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(vcpu->pv.callbacks); i++) {
        vcpu->pv.callbacks[i].address = HANDLER + 0x1000 + i;
    }
    *regs = (struct cpu_regs){ .rip = 0x401000,
                               .rsp = 0x7ff5,
                               .rcx = 0xcccc,
                               .r11 = 0x1111,
                               .rax = 0xaaaa,
                               .cs = GUEST_CS64,
                               .ss = GUEST_SS,
                               .rflags = SET_FLAGS | RFLAGS_TF | RFLAGS_NT | RFLAGS_AC };
}

/* In its kernel, on the same stack. */
static void restart_in_kernel(void)
{
    restart();
    vcpu->pv.kernel_mode = true;
    regs->rsp = top_of_stack() + 8;
}

static void setup(void)
{
    fake_reset();
    guest = fake_domain_new(1, 2, false);
    vcpu = guest->vcpu[0];
    fake_set_current(vcpu);
    regs = &this_cpu()->regs;
    restart();
}

static void teardown(void)
{
    fake_domain_free(guest);
}

/* The kernel runs at `handler`, with `words` on its stack above rcx and r11. */
static void check_entered(uint64_t handler, const uint64_t *words, size_t count)
{
    const uint64_t *frame = stack + ARRAY_SIZE(stack) - count - 2;

    ck_assert_uint_eq(fake.crashes, 0);
    ck_assert(vcpu->pv.kernel_mode);
    ck_assert_uint_eq(regs->rip, handler);
    ck_assert_uint_eq(regs->rsp, (uint64_t)(uintptr_t)frame);
    ck_assert_uint_eq(regs->cs, GUEST_CS64);
    ck_assert_uint_eq(regs->ss, GUEST_SS);
    ck_assert_uint_eq(regs->vector, ENTRY_SYSCALL);
    ck_assert_uint_eq(regs->rflags, SET_FLAGS);
    ck_assert_uint_eq(frame[0], 0xcccc);
    ck_assert_uint_eq(frame[1], 0x1111);
    ck_assert_mem_eq(frame + 2, words, count * sizeof(*words));
    ck_assert_uint_eq(frame[-1], UINT64_C(0x5a5a5a5a5a5a5a5a));
}

#define ENTERED(handler, ...)                                 \
    do {                                                      \
        const uint64_t words_[] = { __VA_ARGS__ };            \
                                                              \
        check_entered((handler), words_, ARRAY_SIZE(words_)); \
    } while (0)

#define USER_FLAGS (SET_FLAGS | RFLAGS_TF | RFLAGS_NT | RFLAGS_AC)
#define OF_USER    0x401000, GUEST_CS64, USER_FLAGS, 0x7ff5, GUEST_SS
#define OF_KERNEL  0x401000, GUEST_CS64 & ~3, USER_FLAGS, top_of_stack() + 8, GUEST_SS

static void nothing_happened(void)
{
    ck_assert_uint_eq(regs->rip, 0x401000);
    ck_assert(!vcpu->pv.kernel_mode);
    ck_assert_uint_eq(hardware.swaps, 0);
    ck_assert_uint_eq(fake.crashes, 0);
}

static void exception(unsigned int vector, uint32_t error_code)
{
    regs->vector = vector;
    regs->error_code = error_code;
    pv_exception(regs, vcpu);
}

/* ---- the frame ------------------------------------------------------------------------------ */

START_TEST(a_user_program_s_exception_goes_to_its_kernel)
{
    pv_inject_exception(regs, vcpu, VECTOR_OF, 0);
    ENTERED(HANDLER + VECTOR_OF, OF_USER);
    ck_assert_uint_eq(hardware.swaps, 1);
    ck_assert_uint_eq(hardware.cr3, KERNEL_CR3);
    ck_assert_uint_eq(vcpu->info->evtchn_upcall_mask, 0);
}
END_TEST

START_TEST(the_kernel_s_own_exception_stays_on_its_stack)
{
    restart_in_kernel();
    vcpu->pv.kernel_sp = 0;
    pv_inject_exception(regs, vcpu, VECTOR_OF, 0);
    ENTERED(HANDLER + VECTOR_OF, OF_KERNEL);
    ck_assert_uint_eq(hardware.swaps, 0);
    ck_assert_uint_eq(hardware.cr3, 0);
}
END_TEST

START_TEST(the_exceptions_that_have_an_error_code_push_it)
{
    for (unsigned int vector = 0; vector < 256; vector++) {
        bool has = vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;

        restart();
        pv_inject_exception(regs, vcpu, vector, 0x1234);
        if (has) {
            ENTERED(HANDLER + vector, 0x1234, OF_USER);
        } else {
            ENTERED(HANDLER + vector, OF_USER);
        }
    }
}
END_TEST

START_TEST(flags_and_mask_are_saved_as_the_guest_sees_them)
{
    vcpu->info->evtchn_upcall_mask = 1;
    guest->vm_assist = UINT64_C(1) << VMASST_TYPE_architectural_iopl;
    TI_SET_IF(&vcpu->pv.traps[VECTOR_OF], 1);
    pv_inject_exception(regs, vcpu, VECTOR_OF, 0);
    ENTERED(HANDLER + VECTOR_OF, 0x401000, GUEST_CS64 | UINT64_C(1) << 32,
            (USER_FLAGS & ~(uint64_t)RFLAGS_IF) | RFLAGS_IOPL, 0x7ff5, GUEST_SS);

    restart();
    TI_SET_IF(&vcpu->pv.traps[VECTOR_OF], 1);
    pv_inject_exception(regs, vcpu, VECTOR_OF, 0);
    ENTERED(HANDLER + VECTOR_OF, OF_USER);
    ck_assert_uint_eq(vcpu->info->evtchn_upcall_mask, 1);

    restart();
    TI_SET_IF(&vcpu->pv.traps[VECTOR_GP], 1);
    pv_inject_exception(regs, vcpu, VECTOR_GP, 0x10);
    ck_assert_uint_eq(vcpu->info->evtchn_upcall_mask, 1);
    restart();
    pv_inject_exception(regs, vcpu, VECTOR_GP, 0x10);
    ck_assert_uint_eq(vcpu->info->evtchn_upcall_mask, 0);
}
END_TEST

START_TEST(a_kernel_that_cannot_be_entered_is_the_guest_s_end)
{
    /* None; below the core, into it, in it, beyond it; not writable. */
    const uint64_t stacks[] = { 0, CORE_START + 16, CORE_START + 64, CORE_END + 16,
                                top_of_stack() };

    for (unsigned int i = 0; i < ARRAY_SIZE(stacks); i++) {
        restart();
        vcpu->pv.kernel_sp = stacks[i];
        vcpu->pv.traps[VECTOR_OF].address = i == 0 ? 0 : HANDLER;
        fake_answers.write_fault_start = &stack[ARRAY_SIZE(stack) - 7];
        fake_answers.write_fault_size = 8;
        pv_inject_exception(regs, vcpu, VECTOR_OF, 0);
        ck_assert_uint_eq(fake.crashes, 1);
        ck_assert_uint_eq(regs->rip, 0x401000);
        ck_assert_uint_eq(regs->rsp, 0x7ff5);
    }
}
END_TEST

/* ---- exceptions ----------------------------------------------------------------------------- */

static void fault(uint64_t address, uint32_t error_code)
{
    hardware.cr2 = address;
    exception(VECTOR_PF, error_code);
    ck_assert_uint_eq(vcpu->pv.cr2, address);
    ck_assert_uint_eq(vcpu->info->arch.cr2, address);
}

START_TEST(a_page_fault_tells_where_and_of_whom)
{
    fault(0x1234, PF_USER | PF_WRITE);
    ENTERED(HANDLER + VECTOR_PF, PF_USER | PF_WRITE, OF_USER);
    restart_in_kernel();
    fault(0x1234, PF_USER | PF_WRITE);
    ENTERED(HANDLER + VECTOR_PF, PF_WRITE, OF_KERNEL);
    /* What the core has there is not told. */
    restart_in_kernel();
    fault(CORE_START, PF_PRESENT | PF_USER);
    ENTERED(HANDLER + VECTOR_PF, 0, OF_KERNEL);
    restart();
    fault(CORE_START - 1, PF_PRESENT | PF_USER);
    ENTERED(HANDLER + VECTOR_PF, PF_PRESENT | PF_USER, OF_USER);
    ck_assert_uint_eq(emulations, 0);
}
END_TEST

START_TEST(a_kernel_s_write_to_what_is_read_only_may_be_emulated)
{
    for (uint32_t error = 0; error < 32; error++) {
        bool fits = (error & ~(uint32_t)PF_USER) == (PF_PRESENT | PF_WRITE);

        for (unsigned int i = 0; i < 4; i++) {
            restart();
            vcpu->pv.kernel_mode = i % 2 != 0;
            regs->rsp = top_of_stack();
            emulated = i / 2 != 0;
            hardware.cr2 = 0x5000;
            exception(VECTOR_PF, error);
            ck_assert_uint_eq(emulations, fits && i % 2 != 0);
            ck_assert_int_eq(regs->rip == 0x401000, fits && i == 3);
        }
    }
}
END_TEST

START_TEST(general_protection_is_emulated_if_it_has_no_error_code)
{
    emulated = true;
    exception(VECTOR_GP, 0);
    nothing_happened();
    ck_assert_uint_eq(emulations, 1);
    exception(VECTOR_GP, 8);
    ENTERED(HANDLER + VECTOR_GP, 8, OF_USER);
    ck_assert_uint_eq(emulations, 1);
    restart();
    exception(VECTOR_GP, 0);
    ENTERED(HANDLER + VECTOR_GP, 0, OF_USER);
}
END_TEST

static uint8_t code[2];

/* `int $0x42` of that privilege, with a gate open to `level`. */
static void interrupt(bool kernel, uint8_t level)
{
    restart();
    if (kernel) {
        restart_in_kernel();
    }
    code[0] = 0xcd;
    code[1] = 0x42;
    regs->rip = (uint64_t)(uintptr_t)code;
    vcpu->pv.traps[0x42].flags = level;
}

static void check_interrupt(uint64_t handler, bool taken)
{
    uint64_t rip = (uint64_t)(uintptr_t)code;
    uint64_t cs = hardware.swaps != 0 ? GUEST_CS64 : GUEST_CS64 & ~3;
    uint64_t rsp = hardware.swaps != 0 ? 0x7ff5 : top_of_stack() + 8;

    if (taken) {
        ENTERED(handler, rip + 2, cs, USER_FLAGS, rsp, GUEST_SS);
    } else {
        ENTERED(HANDLER + VECTOR_GP, regs->error_code, rip, cs, USER_FLAGS, rsp, GUEST_SS);
    }
}

START_TEST(a_software_interrupt_enters_a_gate_that_is_open_to_it)
{
    for (unsigned int i = 0; i < 8; i++) {
        bool kernel = i >= 4;
        uint8_t level = i % 4;

        interrupt(kernel, level);
        exception(VECTOR_GP, 0x42 << 3 | ERROR_CODE_IDT);
        check_interrupt(HANDLER + 0x42, level >= (kernel ? 1 : 3));
    }
    interrupt(false, 7); /* open, and it masks events */
    exception(VECTOR_GP, 0x42 << 3 | ERROR_CODE_IDT);
    check_interrupt(HANDLER + 0x42, true);
    ck_assert_uint_eq(vcpu->info->evtchn_upcall_mask, 1);
}
END_TEST

START_TEST(what_is_no_software_interrupt_is_general_protection)
{
    interrupt(false, 3);
    exception(VECTOR_GP, 0x42 << 3); /* a segment's number */
    check_interrupt(0, false);
    ck_assert_uint_eq(regs->error_code, 0x42 << 3);
    interrupt(false, 3);
    code[0] = 0xcc;
    exception(VECTOR_GP, 0x42 << 3 | ERROR_CODE_IDT);
    check_interrupt(0, false);
    interrupt(false, 3);
    vcpu->pv.traps[0x42].address = 0;
    exception(VECTOR_GP, 0x42 << 3 | ERROR_CODE_IDT);
    check_interrupt(0, false);
    interrupt(false, 3);
    fake_answers.fault_start = &code[1];
    fake_answers.fault_size = 1;
    exception(VECTOR_GP, 0x41 << 3 | ERROR_CODE_IDT);
    check_interrupt(0, false);
    ck_assert_uint_eq(regs->error_code, 0x41 << 3 | ERROR_CODE_IDT);
    /* Whatever number the CPU reports, the instruction's counts. */
    interrupt(false, 3);
    exception(VECTOR_GP, ERROR_CODE_IDT);
    check_interrupt(HANDLER + 0x42, true);
}
END_TEST

START_TEST(the_system_call_gate_obeys_the_guest_s)
{
    for (unsigned int i = 0; i < 8; i++) {
        bool kernel = i >= 4;
        uint8_t level = i % 4;
        bool open = level >= (kernel ? 1 : 3);

        restart();
        vcpu->pv.kernel_mode = kernel;
        regs->rsp = top_of_stack();
        vcpu->pv.traps[0x80].flags = level;
        exception(0x80, 0);
        ck_assert_uint_eq(regs->rip, HANDLER + (open ? 0x80 : VECTOR_GP));
        ck_assert_uint_eq(stack[ARRAY_SIZE(stack) - 5], open ? 0x401000 : 0x401000 - 2);
        ck_assert_uint_eq(stack[ARRAY_SIZE(stack) - 6], open ? 0x1111 : 0x80 << 3 | 2);
    }
    restart();
    vcpu->pv.traps[0x80] = (struct trap_info){ .flags = 3 };
    exception(0x80, 0);
    ck_assert_uint_eq(regs->rip, HANDLER + VECTOR_GP);
}
END_TEST

START_TEST(other_exceptions_have_their_own_state)
{
    hardware.dr6 = 0xffff4ff1;
    vcpu->pv.debug[6] = 0x2;
    exception(VECTOR_DB, 0);
    ENTERED(HANDLER + VECTOR_DB, OF_USER);
    ck_assert_uint_eq(vcpu->pv.debug[6], 0x4003);
    ck_assert_uint_eq(hardware.dr6, 0xffff0ff0);

    restart();
    hardware.cr0 = CR0_TS | CR0_PE;
    exception(VECTOR_NM, 0);
    nothing_happened();
    ck_assert_uint_eq(hardware.cr0, CR0_PE);
    ck_assert_int_eq(hypercall_fpu_taskswitch(1), 0);
    exception(VECTOR_NM, 0);
    ENTERED(HANDLER + VECTOR_NM, OF_USER);
    ck_assert_uint_eq(vcpu->pv.cr0_ts, 0);

    restart();
    emulated = true;
    exception(VECTOR_UD, 0);
    nothing_happened();
    emulated = false;
    exception(VECTOR_UD, 0);
    ENTERED(HANDLER + VECTOR_UD, OF_USER);

    restart();
    exception(VECTOR_AC, 0x77);
    ENTERED(HANDLER + VECTOR_AC, 0x77, OF_USER);
}
END_TEST

/* ---- what is owed --------------------------------------------------------------------------- */

START_TEST(selectors_that_failed_are_told_by_the_failsafe_callback)
{
    vcpu->pv.ds = 0xd;
    vcpu->pv.es = 0xe;
    vcpu->pv.fs = 0xf;
    vcpu->pv.gs = 0x9;
    pv_selectors_failed(vcpu);
    ck_assert_uint_eq(this_cpu()->softirq_pending, 1u << SOFTIRQ_GUEST);
    deliver_owed();
    ENTERED(HANDLER + 0x1000 + CALLBACKTYPE_failsafe, 0xd, 0xe, 0xf, 0x9, OF_USER);
    ck_assert(!vcpu->pv.selectors_failed);

    restart();
    vcpu->pv.nmi_pending = true; /* on top of the other */
    pv_selectors_failed(vcpu);
    deliver_owed();
    ck_assert_uint_eq(regs->rip, HANDLER + VECTOR_NMI);
    ck_assert_uint_eq(((const uint64_t *)regs->rsp)[2], HANDLER + 0x1000 + CALLBACKTYPE_failsafe);
    ck_assert(!vcpu->pv.nmi_pending);

    restart();
    vcpu->pv.callbacks[CALLBACKTYPE_failsafe].address = 0;
    pv_selectors_failed(vcpu);
    deliver_owed();
    ck_assert_uint_eq(fake.crashes, 1);
    ck_assert_uint_eq(regs->rip, 0x401000);
}
END_TEST

START_TEST(an_nmi_comes_once_until_iret)
{
    guest->vcpu[1]->cpu = 3;
    pv_send_nmi(guest->vcpu[1]);
    ck_assert_uint_eq(fake.softirqs_elsewhere, 0); /* it does not run */
    guest->vcpu[1]->running = true;
    pv_send_nmi(guest->vcpu[1]);
    ck_assert_uint_eq(fake.softirqs_elsewhere, 1);

    deliver_owed();
    nothing_happened();
    pv_send_nmi(vcpu);
    vcpu->pv.traps[VECTOR_NMI].address = 0;
    deliver_owed();
    nothing_happened();
    ck_assert(!vcpu->pv.nmi_pending && !vcpu->pv.nmi_masked); /* nobody wants it: lost */
    pv_send_nmi(vcpu);
    vcpu->pv.traps[VECTOR_NMI].address = HANDLER;
    vcpu->is_idle = true;
    deliver_owed();
    nothing_happened();
    vcpu->is_idle = false;
    deliver_owed();
    ENTERED(HANDLER, OF_USER);
    ck_assert_uint_eq(vcpu->info->evtchn_upcall_mask, 1);
    regs->rip = 0x401000;
    vcpu->pv.nmi_pending = true;
    deliver_owed();
    ck_assert_uint_eq(regs->rip, 0x401000);
}
END_TEST

START_TEST(an_upcall_masks_events_or_is_the_guest_s_end)
{
    pv_deliver_upcall(regs, vcpu);
    ENTERED(HANDLER + 0x1000 + CALLBACKTYPE_event, OF_USER);
    ck_assert_uint_eq(vcpu->info->evtchn_upcall_mask, 1);
    restart();
    vcpu->pv.callbacks[CALLBACKTYPE_event].address = 0;
    pv_deliver_upcall(regs, vcpu);
    ck_assert_uint_eq(fake.crashes, 1);
}
END_TEST

/* ---- system calls --------------------------------------------------------------------------- */

START_TEST(a_system_call_goes_to_its_callback)
{
    static void (*const calls[])(struct cpu_regs *, struct vcpu *) = { pv_guest_syscall,
                                                                       pv_guest_syscall32,
                                                                       pv_guest_sysenter };
    static const unsigned int types[] = { CALLBACKTYPE_syscall, CALLBACKTYPE_syscall32,
                                          CALLBACKTYPE_sysenter };

    for (unsigned int i = 0; i < ARRAY_SIZE(calls); i++) {
        struct pv_callback *to = &vcpu->pv.callbacks[types[i]];

        for (unsigned int masks = 0; masks < 2; masks++) {
            restart();
            to->masks_events = masks != 0;
            calls[i](regs, vcpu);
            ENTERED(HANDLER + 0x1000 + types[i], OF_USER);
            ck_assert_uint_eq(vcpu->info->evtchn_upcall_mask, masks);
        }
        restart();
        to->address = 0;
        calls[i](regs, vcpu);
        if (types[i] == CALLBACKTYPE_sysenter) {
            ENTERED(HANDLER + VECTOR_GP, 0, OF_USER);
        } else {
            ENTERED(HANDLER + VECTOR_UD, 0x401000 - 2, GUEST_CS64, USER_FLAGS, 0x7ff5, GUEST_SS);
        }
        /* A kernel has hypercalls by SYSCALL, and the other two not at all. */
        restart_in_kernel();
        if (types[i] != CALLBACKTYPE_syscall) {
            calls[i](regs, vcpu);
            ENTERED(HANDLER + VECTOR_GP, 0, OF_KERNEL);
        }
    }
}
END_TEST

/* ---- iret ----------------------------------------------------------------------------------- */

static uint64_t *iret_frame(uint64_t cs, uint64_t flags)
{
    uint64_t *frame = stack + 8;

    restart_in_kernel();
    frame[IRET_RAX] = 1;
    frame[IRET_R11] = 2;
    frame[IRET_RCX] = 3;
    frame[IRET_VGCF] = 0;
    frame[IRET_RIP] = 0x402000;
    frame[IRET_CS] = cs;
    frame[IRET_RFLAGS] = flags;
    frame[IRET_RSP] = 0x8000;
    frame[IRET_SS] = 0x12340000 | (GUEST_SS & ~3);
    regs->rsp = (uint64_t)(uintptr_t)frame;
    regs->vector = ENTRY_SYSCALL;
    vcpu->info->evtchn_upcall_mask = 1;
    return frame;
}

START_TEST(iret_goes_to_the_program_or_stays_in_the_kernel)
{
    for (unsigned int user = 0; user < 2; user++) {
        iret_frame((GUEST_CS64 & ~UINT64_C(3)) | (user != 0 ? 3 : 0),
                   SET_FLAGS | RFLAGS_IOPL | RFLAGS_VM | RFLAGS_VIF | RFLAGS_VIP);
        vcpu->pv.iopl = 0;
        hypercall_iret(regs, vcpu);
        ck_assert_uint_eq(vcpu->pv.kernel_mode, user == 0);
        ck_assert_uint_eq(hardware.swaps, user);
        ck_assert_uint_eq(hardware.cr3, user != 0 ? USER_CR3 : 0);
        ck_assert_uint_eq(regs->rip, 0x402000);
        ck_assert_uint_eq(regs->cs, GUEST_CS64);
        ck_assert_uint_eq(regs->ss, GUEST_SS);
        ck_assert_uint_eq(regs->rsp, 0x8000);
        ck_assert_uint_eq(regs->rflags, SET_FLAGS);
        ck_assert_uint_eq(regs->rax, 1);
        ck_assert_uint_eq(regs->r11, 2);
        ck_assert_uint_eq(regs->rcx, 3);
        ck_assert_uint_eq(regs->vector, 0);
        ck_assert_uint_eq(vcpu->info->evtchn_upcall_mask, 0);
        ck_assert_uint_eq(vcpu->pv.iopl, 0); /* as it was */
        ck_assert_uint_eq(this_cpu()->softirq_pending, 0);
    }
}
END_TEST

START_TEST(iret_of_a_system_call_leaves_what_it_has_no_use_for)
{
    iret_frame(GUEST_CS64, RFLAGS_FIXED)[IRET_VGCF] = VGCF_in_syscall;
    guest->vm_assist = UINT64_C(1) << VMASST_TYPE_architectural_iopl;
    hypercall_iret(regs, vcpu);
    ck_assert_uint_eq(regs->vector, ENTRY_SYSCALL);
    ck_assert_uint_eq(regs->r11, 0x1111);
    ck_assert_uint_eq(regs->rcx, 0xcccc);
    ck_assert_uint_eq(regs->rflags, RFLAGS_FIXED | RFLAGS_IF);
    ck_assert_uint_eq(vcpu->info->evtchn_upcall_mask, 1); /* its interrupts were off */
    ck_assert_uint_eq(vcpu->pv.iopl, 0);
}
END_TEST

START_TEST(iret_ends_an_nmi)
{
    iret_frame(GUEST_CS64, SET_FLAGS);
    vcpu->pv.nmi_masked = true;
    hypercall_iret(regs, vcpu);
    ck_assert(!vcpu->pv.nmi_masked);
    ck_assert_uint_eq(this_cpu()->softirq_pending, 1u << SOFTIRQ_GUEST);
}
END_TEST

START_TEST(an_iret_that_leads_nowhere_is_the_guest_s_end)
{
    uint64_t *frame = iret_frame(GUEST_CS64, SET_FLAGS);

    fake_answers.fault_start = &frame[IRET_SS];
    fake_answers.fault_size = 8;
    hypercall_iret(regs, vcpu);
    ck_assert_uint_eq(fake.crashes, 1);
    ck_assert(vcpu->pv.kernel_mode);
    iret_frame(GUEST_CS64, SET_FLAGS);
    vcpu->pv.user_l4 = mfn(0);
    hypercall_iret(regs, vcpu);
    ck_assert_uint_eq(fake.crashes, 1);
    ck_assert(vcpu->pv.kernel_mode);
}
END_TEST

START_TEST(a_frame_the_cpu_refuses_goes_to_the_failsafe_callback)
{
    struct cpu_regs refused = { .rcx = 0xcccc, .r11 = 0x1111, .rip = 0xbad };

    regs->rcx = regs->r11 = 0;
    pv_iret_failed(&refused, vcpu);
    ENTERED(HANDLER + 0x1000 + CALLBACKTYPE_failsafe, vcpu->pv.ds, vcpu->pv.es, vcpu->pv.fs,
            vcpu->pv.gs, OF_USER);
    restart();
    vcpu->pv.callbacks[CALLBACKTYPE_failsafe].address = 0;
    pv_iret_failed(&refused, vcpu);
    ck_assert_uint_eq(fake.crashes, 1);
    ck_assert_uint_eq(regs->rip, 0x401000);
}
END_TEST

/* ---- where the kernel is entered ------------------------------------------------------------ */

#define NOT_CANONICAL (UINT64_C(1) << 47)

static struct trap_info table[300];

START_TEST(a_trap_table_ends_itself)
{
    memset(table, 0, sizeof(table));
    table[0] = (struct trap_info){ .vector = 3, .flags = 3, .address = HANDLER + 0x33 };
    table[1] = (struct trap_info){ .vector = 255, .address = HANDLER + 0x55 };
    table[3] = (struct trap_info){ .vector = 4, .address = 1 };
    ck_assert_int_eq(hypercall_set_trap_table((uint64_t)table), 0);
    ck_assert_mem_eq(&vcpu->pv.traps[3], &table[0], sizeof(table[0]));
    ck_assert_uint_eq(vcpu->pv.traps[255].address, HANDLER + 0x55);
    ck_assert_uint_eq(vcpu->pv.traps[4].address, HANDLER + 4);
    table[1].address = NOT_CANONICAL;
    ck_assert_int_eq(hypercall_set_trap_table((uint64_t)table), -XEN_EINVAL);
    ck_assert_uint_eq(vcpu->pv.traps[255].address, HANDLER + 0x55);
    fake_answers.fault_start = &table[1];
    fake_answers.fault_size = sizeof(table[1]);
    ck_assert_int_eq(hypercall_set_trap_table((uint64_t)table), -XEN_EFAULT);
    ck_assert_int_eq(hypercall_set_trap_table(0), 0);
    for (unsigned int i = 0; i < ARRAY_SIZE(vcpu->pv.traps); i++) {
        ck_assert_uint_eq(vcpu->pv.traps[i].address, 0);
    }
}
END_TEST

START_TEST(a_trap_table_without_an_end_is_cut)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(table); i++) {
        table[i] = (struct trap_info){ .vector = (uint8_t)i, .address = 0x1000 + i };
    }
    ck_assert_int_eq(hypercall_set_trap_table((uint64_t)table), 0);
    ck_assert_uint_eq(vcpu->pv.traps[0].address, 0x1000 + 256);
    ck_assert_uint_eq(vcpu->pv.traps[1].address, 0x1000 + 1);
}
END_TEST

static long callback(uint64_t operation, uint16_t type, uint64_t address, uint16_t flags)
{
    struct callback_register wanted = { .type = type, .flags = flags, .address = address };
    struct callback_unregister unwanted = { .type = type };

    return hypercall_callback_op(operation, operation == CALLBACKOP_register ? (uint64_t)&wanted
                                                                             : (uint64_t)&unwanted);
}

START_TEST(callbacks_are_registered_and_those_that_can_be_spared_unregistered)
{
    static const bool all[10] = {
        [CALLBACKTYPE_event] = true,    [CALLBACKTYPE_failsafe] = true,
        [CALLBACKTYPE_syscall] = true,  [CALLBACKTYPE_nmi] = true,
        [CALLBACKTYPE_sysenter] = true, [CALLBACKTYPE_syscall32] = true,
    };

    for (uint16_t type = 0; type < (uint16_t)ARRAY_SIZE(all); type++) {
        bool known = all[type];
        bool spared = type != CALLBACKTYPE_event && type != CALLBACKTYPE_failsafe &&
                      type != CALLBACKTYPE_syscall;
        uint16_t flags = type % 2 != 0 ? CALLBACKF_mask_events : 0;

        ck_assert_int_eq(callback(CALLBACKOP_register, type, NOT_CANONICAL, 0), -XEN_EINVAL);
        ck_assert_int_eq(callback(CALLBACKOP_register, type, 0x1000u + type, flags),
                         known ? 0 : -XEN_ENOSYS);
        if (type == CALLBACKTYPE_nmi) {
            ck_assert_uint_eq(vcpu->pv.traps[VECTOR_NMI].address, 0x1000u + type);
        } else if (known) {
            ck_assert_uint_eq(vcpu->pv.callbacks[type].address, 0x1000u + type);
            ck_assert_uint_eq(vcpu->pv.callbacks[type].masks_events, flags != 0);
        }
        ck_assert_int_eq(callback(CALLBACKOP_unregister, type, 0, 0), !spared ? -XEN_EINVAL
                                                                      : known ? 0
                                                                              : -XEN_ENOSYS);
        if (type == CALLBACKTYPE_nmi) {
            ck_assert_uint_eq(vcpu->pv.traps[VECTOR_NMI].address, 0);
        } else if (known) {
            ck_assert_uint_eq(vcpu->pv.callbacks[type].address, spared ? 0 : 0x1000u + type);
        }
    }
    ck_assert_int_eq(callback(2, 0, 0, 0), -XEN_ENOSYS);
    ck_assert_int_eq(hypercall_callback_op(CALLBACKOP_register, CORE_START), -XEN_EFAULT);
    ck_assert_int_eq(hypercall_callback_op(CALLBACKOP_unregister, CORE_START), -XEN_EFAULT);
}
END_TEST

START_TEST(three_callbacks_are_set_together_or_not_at_all)
{
    ck_assert_int_eq(hypercall_set_callbacks(NOT_CANONICAL, 2, 3), -XEN_EINVAL);
    ck_assert_int_eq(hypercall_set_callbacks(1, NOT_CANONICAL, 3), -XEN_EINVAL);
    ck_assert_int_eq(hypercall_set_callbacks(1, 2, NOT_CANONICAL), -XEN_EINVAL);
    ck_assert_uint_eq(vcpu->pv.callbacks[CALLBACKTYPE_event].address,
                      HANDLER + 0x1000 + CALLBACKTYPE_event);
    ck_assert_int_eq(hypercall_set_callbacks(1, 2, 3), 0);
    ck_assert_uint_eq(vcpu->pv.callbacks[CALLBACKTYPE_event].address, 1);
    ck_assert_uint_eq(vcpu->pv.callbacks[CALLBACKTYPE_failsafe].address, 2);
    ck_assert_uint_eq(vcpu->pv.callbacks[CALLBACKTYPE_syscall].address, 3);
    ck_assert_int_eq(hypercall_stack_switch(0xfe120, 0x8000), 0);
    ck_assert_uint_eq(vcpu->pv.kernel_ss, 0xe123);
    ck_assert_uint_eq(vcpu->pv.kernel_sp, 0x8000);
    ck_assert_int_eq(hypercall_fpu_taskswitch(0), 0);
    ck_assert_uint_eq(vcpu->pv.cr0_ts, 0);
}
END_TEST

static void add_exception_tests(TCase *tests)
{
    tcase_add_test(tests, a_user_program_s_exception_goes_to_its_kernel);
    tcase_add_test(tests, the_kernel_s_own_exception_stays_on_its_stack);
    tcase_add_test(tests, the_exceptions_that_have_an_error_code_push_it);
    tcase_add_test(tests, flags_and_mask_are_saved_as_the_guest_sees_them);
    tcase_add_test(tests, a_kernel_that_cannot_be_entered_is_the_guest_s_end);
    tcase_add_test(tests, a_page_fault_tells_where_and_of_whom);
    tcase_add_test(tests, a_kernel_s_write_to_what_is_read_only_may_be_emulated);
    tcase_add_test(tests, general_protection_is_emulated_if_it_has_no_error_code);
    tcase_add_test(tests, a_software_interrupt_enters_a_gate_that_is_open_to_it);
    tcase_add_test(tests, what_is_no_software_interrupt_is_general_protection);
    tcase_add_test(tests, the_system_call_gate_obeys_the_guest_s);
    tcase_add_test(tests, other_exceptions_have_their_own_state);
}

static void add_other_tests(TCase *tests)
{
    tcase_add_test(tests, selectors_that_failed_are_told_by_the_failsafe_callback);
    tcase_add_test(tests, an_nmi_comes_once_until_iret);
    tcase_add_test(tests, an_upcall_masks_events_or_is_the_guest_s_end);
    tcase_add_test(tests, a_system_call_goes_to_its_callback);
    tcase_add_test(tests, iret_goes_to_the_program_or_stays_in_the_kernel);
    tcase_add_test(tests, iret_of_a_system_call_leaves_what_it_has_no_use_for);
    tcase_add_test(tests, iret_ends_an_nmi);
    tcase_add_test(tests, an_iret_that_leads_nowhere_is_the_guest_s_end);
    tcase_add_test(tests, a_frame_the_cpu_refuses_goes_to_the_failsafe_callback);
    tcase_add_test(tests, a_trap_table_ends_itself);
    tcase_add_test(tests, a_trap_table_without_an_end_is_cut);
    tcase_add_test(tests, callbacks_are_registered_and_those_that_can_be_spared_unregistered);
    tcase_add_test(tests, three_callbacks_are_set_together_or_not_at_all);
}

int main(void)
{
    Suite *suite = suite_create("traps");
    TCase *exceptions = suite_case(suite, "exceptions"), *others = suite_case(suite, "others");

    tcase_add_checked_fixture(exceptions, setup, teardown);
    tcase_add_checked_fixture(others, setup, teardown);
    add_exception_tests(exceptions);
    add_other_tests(others);
    return suite_run(suite);
}
