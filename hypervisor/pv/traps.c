/* SPDX-License-Identifier: MIT */
/*
 * Exceptions of a guest: fixed up here, or bounced to its kernel.
 *
 * To bounce is to push a frame on the guest kernel's stack as the CPU would, with
 * rcx and r11 below it, and to go on at the guest's handler.
 */
#include "hypervisor/pv/traps.h"

#include "hypervisor/lib/string.h"
#include "hypervisor/pv/context.h"
#include "hypervisor/pv/emulate.h"
#include "hypervisor/x86/entry.h"
#include "hypervisor/x86/selectors.h"
#include "hypervisor/x86/tlb.h"

#define HAS_ERROR_CODE                                                               \
    ((1u << VECTOR_DF) | (1u << VECTOR_TS) | (1u << VECTOR_NP) | (1u << VECTOR_SS) | \
     (1u << VECTOR_GP) | (1u << VECTOR_PF) | (1u << VECTOR_AC))
#define ERROR_CODE_IDT 2u /* the code names a gate of the interrupt table */
#define SELECTOR_RPL   UINT64_C(3)
#define FLAGS_CLEARED  (RFLAGS_TF | RFLAGS_NT | RFLAGS_RF | RFLAGS_VM | RFLAGS_AC)

/* Switch between a vCPU's kernel and its user program: gs and CR3.  For the loaded one. */
static always_inline void switch_mode(struct vcpu *vcpu, bool kernel)
{
    vcpu->pv.kernel_mode = kernel;
    swap_gs();
    tlb_switch_mode(kernel ? vcpu->pv.kernel_cr3 : vcpu->pv.user_cr3);
}

/* What lies between the common frame and rcx and r11. */
enum frame { FRAME_PLAIN, FRAME_ERROR_CODE, FRAME_FAILSAFE /* data segment selectors */ };

static inline uint64_t frame_flags(const struct cpu_regs *regs, const struct vcpu *vcpu,
                                   uint8_t mask)
{
    uint64_t flags = regs->rflags & ~(uint64_t)(RFLAGS_IF | RFLAGS_IOPL);

    if (mask == 0) {
        flags |= RFLAGS_IF;
    }
    if (vm_assisted(vcpu->domain, VMASST_TYPE_architectural_iopl)) {
        flags |= vcpu->pv.iopl;
    }
    return flags;
}

static void cold_path bad_stack(const struct vcpu *vcpu, uint64_t sp, uint64_t rip)
{
    domain_crash(vcpu->domain, "vCPU %u: fault while entering its kernel: stack %lx, rip %lx",
                 vcpu->id, sp, rip);
}

/* Inline, with `kind` a constant: each way in has its own copy. */
static always_inline void bounce_to(struct cpu_regs *regs, struct vcpu *vcpu, uint64_t handler,
                                    bool mask_events, enum frame kind, uint32_t error_code)
{
    uint64_t sp, frame, cs = regs->cs & 0xffff;
    uint8_t mask = read_once(vcpu->info->evtchn_upcall_mask);

    if (vcpu->pv.kernel_mode) {
        sp = regs->rsp & ~UINT64_C(15);
        cs &= ~SELECTOR_RPL;
    } else {
        switch_mode(vcpu, true);
        sp = vcpu->pv.kernel_sp & ~UINT64_C(15);
    }
    frame = sp - (kind == FRAME_ERROR_CODE ? 64 : kind == FRAME_FAILSAFE ? 88 : 56);
    if (unlikely(!guest_address_ok(frame) || !guest_address_ok(sp - 1))) {
        bad_stack(vcpu, sp, regs->rip);
        return;
    }

    guest_access_begin();
    guest_write_word(sp - 8, regs->ss, fault);
    guest_write_word(sp - 16, regs->rsp, fault);
    guest_write_word(sp - 24, frame_flags(regs, vcpu, mask), fault);
    guest_write_word(sp - 32, cs | (uint64_t)mask << 32, fault);
    guest_write_word(sp - 40, regs->rip, fault);
    if (kind == FRAME_ERROR_CODE) {
        guest_write_word(sp - 48, error_code, fault);
    }
    if (kind == FRAME_FAILSAFE) {
        guest_write_word(sp - 48, vcpu->pv.gs, fault);
        guest_write_word(sp - 56, vcpu->pv.fs, fault);
        guest_write_word(sp - 64, vcpu->pv.es, fault);
        guest_write_word(sp - 72, vcpu->pv.ds, fault);
    }
    guest_write_word(frame + 8, regs->r11, fault);
    guest_write_word(frame, regs->rcx, fault);
    guest_access_end();

    if (mask_events) {
        write_once(vcpu->info->evtchn_upcall_mask, 1);
    }
    regs->rflags &= ~(uint64_t)FLAGS_CLEARED;
    regs->vector = ENTRY_SYSCALL; /* rcx and r11 are on the stack: SYSRET will do */
    regs->rip = handler;
    regs->cs = GUEST_CS64;
    regs->rsp = frame;
    regs->ss = GUEST_SS;
    return;

fault:
    guest_access_end();
    bad_stack(vcpu, sp, regs->rip);
}

static void cold_path no_handler(const struct cpu_regs *regs, const struct vcpu *vcpu,
                                 unsigned int vector, uint32_t error_code)
{
    domain_crash(vcpu->domain, "vCPU %u: no handler for exception %u (error code %x, rip %lx)",
                 vcpu->id, vector, error_code, regs->rip);
}

void pv_inject_exception(struct cpu_regs *regs, struct vcpu *vcpu, unsigned int vector,
                         uint32_t error_code)
{
    const struct trap_info *trap = &vcpu->pv.traps[vector];

    if (unlikely(trap->address == 0)) {
        no_handler(regs, vcpu, vector, error_code);
    } else if (vector < 32 && (HAS_ERROR_CODE >> vector & 1) != 0) {
        bounce_to(regs, vcpu, trap->address, TI_GET_IF(trap) != 0, FRAME_ERROR_CODE, error_code);
    } else {
        bounce_to(regs, vcpu, trap->address, TI_GET_IF(trap) != 0, FRAME_PLAIN, 0);
    }
}

static void bounce_failsafe(struct cpu_regs *regs, struct vcpu *vcpu)
{
    const struct pv_callback *to = &vcpu->pv.callbacks[CALLBACKTYPE_failsafe];

    bounce_to(regs, vcpu, to->address, to->masks_events, FRAME_FAILSAFE, 0);
}

/* With nothing but the common frame; out of line, for what is not hot. */
static void bounce_plain(struct cpu_regs *regs, struct vcpu *vcpu, const struct pv_callback *to)
{
    bounce_to(regs, vcpu, to->address, to->masks_events, FRAME_PLAIN, 0);
}

void pv_inject_page_fault(struct cpu_regs *regs, uint64_t address, uint32_t error_code)
{
    struct vcpu *vcpu = current;

    vcpu->pv.cr2 = address;
    vcpu->info->arch.cr2 = address;
    /* Ring 3 is all the guest has: its kernel's own faults are not a user's. */
    if (vcpu->pv.kernel_mode) {
        error_code &= ~(uint32_t)PF_USER;
    }
    pv_inject_exception(regs, vcpu, VECTOR_PF, error_code);
}

static void page_fault(struct cpu_regs *regs, struct vcpu *vcpu)
{
    uint64_t address = read_cr2();
    uint32_t error = regs->error_code;

    if ((error & (PF_PRESENT | PF_WRITE | PF_RESERVED | PF_FETCH)) == (PF_PRESENT | PF_WRITE) &&
        vcpu->pv.kernel_mode && pv_emulate_pt_write(vcpu, regs, address)) {
        return;
    }
    if (unlikely(!guest_address_ok(address))) {
        /* What the core has mapped there is not the guest's business. */
        error &= ~(uint32_t)PF_PRESENT;
    }
    pv_inject_page_fault(regs, address, error);
}

/* INT n: a gate the guest opened to this privilege is entered behind the instruction. */
static bool software_interrupt(struct cpu_regs *regs, struct vcpu *vcpu)
{
    uint8_t code[2];
    unsigned int level = vcpu->pv.kernel_mode ? 1 : 3;
    const struct trap_info *trap;

    if ((regs->error_code & ERROR_CODE_IDT) == 0 ||
        raw_copy_from_guest(code, guest_pointer(const void, regs->rip), sizeof(code)) != 0 ||
        code[0] != 0xcd) {
        return false;
    }
    trap = &vcpu->pv.traps[code[1]];
    /* The number the CPU reports is the instruction's; some emulators scale it wrongly. */
    regs->error_code = (uint32_t)code[1] << 3 | ERROR_CODE_IDT;
    if (trap->address == 0 || TI_GET_DPL(trap) < level) {
        return false;
    }
    regs->rip += 2;
    bounce_to(regs, vcpu, trap->address, TI_GET_IF(trap) != 0, FRAME_PLAIN,
              0); /* whatever vector */
    return true;
}

/* INT 0x80 has a gate of the core's own that lets it through, whatever the guest's says. */
static void system_call_gate(struct cpu_regs *regs, struct vcpu *vcpu)
{
    const struct trap_info *trap = &vcpu->pv.traps[VECTOR_SYSTEM_CALL];

    if (likely(trap->address != 0 && TI_GET_DPL(trap) >= (vcpu->pv.kernel_mode ? 1 : 3))) {
        pv_inject_exception(regs, vcpu, VECTOR_SYSTEM_CALL, 0);
        return;
    }
    regs->rip -= 2;
    pv_inject_exception(regs, vcpu, VECTOR_GP, VECTOR_SYSTEM_CALL << 3 | ERROR_CODE_IDT);
}

static void general_protection(struct cpu_regs *regs, struct vcpu *vcpu)
{
    if ((regs->error_code == 0 && pv_emulate_privileged(regs)) ||
        (regs->error_code != 0 && software_interrupt(regs, vcpu))) {
        return;
    }
    pv_inject_exception(regs, vcpu, VECTOR_GP, regs->error_code);
}

static void debug_exception(struct cpu_regs *regs, struct vcpu *vcpu)
{
    uint64_t status = read_dr6();

    write_dr6(0xffff0ff0);
    vcpu->pv.debug[6] |= status & 0xe00f;
    pv_inject_exception(regs, vcpu, VECTOR_DB, 0);
}

static void device_not_available(struct cpu_regs *regs, struct vcpu *vcpu)
{
    /* State is switched eagerly: TS is set only while the guest asked for it. */
    write_cr0(read_cr0() & ~(uint64_t)CR0_TS);
    if (vcpu->pv.cr0_ts != 0) {
        vcpu->pv.cr0_ts = 0;
        pv_inject_exception(regs, vcpu, VECTOR_NM, 0);
    }
}

void pv_exception(struct cpu_regs *regs, struct vcpu *vcpu)
{
    switch (regs->vector) {
    case VECTOR_PF:
        page_fault(regs, vcpu);
        break;
    case VECTOR_GP:
        general_protection(regs, vcpu);
        break;
    case VECTOR_DB:
        debug_exception(regs, vcpu);
        break;
    case VECTOR_NM:
        device_not_available(regs, vcpu);
        break;
    case VECTOR_UD:
        if (!pv_emulate_forced_cpuid(regs)) {
            pv_inject_exception(regs, vcpu, VECTOR_UD, 0);
        }
        break;
    case VECTOR_SYSTEM_CALL:
        system_call_gate(regs, vcpu);
        break;
    default:
        pv_inject_exception(regs, vcpu, regs->vector, regs->error_code);
    }
}

/* An NMI comes on top of a failsafe callback; while one is handled the next waits for its iret. */
static void deliver_owed(void)
{
    struct vcpu *vcpu = current;
    struct cpu_regs *regs = &this_cpu()->regs;
    uint64_t nmi = vcpu->pv.traps[VECTOR_NMI].address;

    if (vcpu->is_idle) {
        return;
    }
    if (vcpu->pv.selectors_failed) {
        vcpu->pv.selectors_failed = false;
        if (vcpu->pv.callbacks[CALLBACKTYPE_failsafe].address == 0) {
            domain_crash(vcpu->domain,
                         "vCPU %u: selectors cannot be loaded and there is no failsafe callback "
                         "(ds %x es %x fs %x gs %x)",
                         vcpu->id, vcpu->pv.ds, vcpu->pv.es, vcpu->pv.fs, vcpu->pv.gs);
            return;
        }
        bounce_failsafe(regs, vcpu);
    }
    if (vcpu->pv.nmi_pending && !vcpu->pv.nmi_masked) {
        vcpu->pv.nmi_pending = false; /* lost where there is no handler */
        if (nmi != 0) {
            vcpu->pv.nmi_masked = true;
            bounce_to(regs, vcpu, nmi, true, FRAME_PLAIN, 0);
        }
    }
}

void pv_selectors_failed(struct vcpu *vcpu)
{
    vcpu->pv.selectors_failed = true;
    softirq_raise(SOFTIRQ_GUEST);
}

void pv_send_nmi(struct vcpu *vcpu)
{
    vcpu->pv.nmi_pending = true;
    memory_barrier();
    if (atomic_load(&vcpu->running)) {
        softirq_raise_on(vcpu->cpu, SOFTIRQ_GUEST);
    }
}

void pv_traps_setup(void)
{
    softirq_register(SOFTIRQ_GUEST, deliver_owed);
}

void pv_deliver_upcall(struct cpu_regs *regs, struct vcpu *vcpu)
{
    uint64_t handler = vcpu->pv.callbacks[CALLBACKTYPE_event].address;

    if (unlikely(handler == 0)) {
        domain_crash(vcpu->domain, "vCPU %u: an event is due and there is no event callback",
                     vcpu->id);
        return;
    }
    bounce_to(regs, vcpu, handler, true, FRAME_PLAIN, 0);
}

/* SYSCALL of a user program without a callback for it: the instruction does not exist. */
static void cold_path no_syscall(struct cpu_regs *regs, struct vcpu *vcpu)
{
    regs->rip -= 2;
    pv_inject_exception(regs, vcpu, VECTOR_UD, 0);
}

void pv_guest_syscall(struct cpu_regs *regs, struct vcpu *vcpu)
{
    const struct pv_callback *to = &vcpu->pv.callbacks[CALLBACKTYPE_syscall];

    if (unlikely(to->address == 0)) {
        no_syscall(regs, vcpu);
        return;
    }
    bounce_to(regs, vcpu, to->address, to->masks_events, FRAME_PLAIN, 0);
}

void pv_guest_syscall32(struct cpu_regs *regs, struct vcpu *vcpu)
{
    const struct pv_callback *to = &vcpu->pv.callbacks[CALLBACKTYPE_syscall32];

    if (vcpu->pv.kernel_mode) {
        pv_inject_exception(regs, vcpu, VECTOR_GP, 0);
    } else if (to->address == 0) {
        no_syscall(regs, vcpu);
    } else {
        bounce_plain(regs, vcpu, to);
    }
}

void pv_guest_sysenter(struct cpu_regs *regs, struct vcpu *vcpu)
{
    const struct pv_callback *to = &vcpu->pv.callbacks[CALLBACKTYPE_sysenter];

    regs->rflags |= RFLAGS_IF;
    if (to->address == 0 || vcpu->pv.kernel_mode) {
        pv_inject_exception(regs, vcpu, VECTOR_GP, 0);
    } else {
        bounce_plain(regs, vcpu, to);
    }
}

/* The frame a guest's kernel leaves on its stack for hypercall_iret(), in words. */
enum { IRET_RAX, IRET_R11, IRET_RCX, IRET_VGCF, IRET_RIP, IRET_CS, IRET_RFLAGS, IRET_RSP, IRET_SS };

void hypercall_iret(struct cpu_regs *regs, struct vcpu *vcpu)
{
    uint64_t frame[IRET_SS + 1], rflags;

    if (unlikely(guest_read_words(regs->rsp, frame, ARRAY_SIZE(frame)) != 0)) {
        domain_crash(vcpu->domain, "vCPU %u: iret with its frame at %lx, which cannot be read",
                     vcpu->id, regs->rsp);
        return;
    }
    if ((frame[IRET_CS] & 3) == 3) {
        if (unlikely(vcpu->pv.user_l4.number == 0)) {
            domain_crash(vcpu->domain, "vCPU %u: iret to user mode without a user page table",
                         vcpu->id);
            return;
        }
        switch_mode(vcpu, false);
    }
    rflags = frame[IRET_RFLAGS];
    regs->rax = frame[IRET_RAX];
    regs->rip = frame[IRET_RIP];
    regs->cs = (frame[IRET_CS] & 0xffff) | 3;
    if (vm_assisted(vcpu->domain, VMASST_TYPE_architectural_iopl)) {
        vcpu->pv.iopl = rflags & RFLAGS_IOPL;
    }
    regs->rflags = (rflags & ~(uint64_t)(RFLAGS_IOPL | RFLAGS_VM | RFLAGS_VIF | RFLAGS_VIP)) |
                   RFLAGS_IF | RFLAGS_FIXED;
    regs->rsp = frame[IRET_RSP];
    regs->ss = (frame[IRET_SS] & 0xffff) | 3;
    if ((frame[IRET_VGCF] & VGCF_in_syscall) == 0) {
        regs->vector = 0; /* rcx and r11 are the program's own: not by SYSRET */
        regs->r11 = frame[IRET_R11];
        regs->rcx = frame[IRET_RCX];
    }
    write_once(vcpu->info->evtchn_upcall_mask, (rflags & RFLAGS_IF) == 0);
    if (unlikely(vcpu->pv.nmi_masked)) {
        vcpu->pv.nmi_masked = false;
        softirq_raise(SOFTIRQ_GUEST);
    }
}

/*
 * IRETQ refused what the guest put into rip, cs or ss.  The guest's general
 * registers are in the fault's frame, the refused ones still in cpu_info: its
 * kernel gets both, by its failsafe callback.
 */
void pv_iret_failed(struct cpu_regs *fault, struct vcpu *vcpu)
{
    struct cpu_regs *regs = &this_cpu()->regs;

    memmove(regs, fault, offsetof(struct cpu_regs, rip)); /* the two overlap */
    pv_save_selectors(&vcpu->pv);
    if (vcpu->pv.callbacks[CALLBACKTYPE_failsafe].address == 0) {
        domain_crash(vcpu->domain, "vCPU %u: cannot return to cs:rip %04lx:%lx, ss:rsp %04lx:%lx",
                     vcpu->id, regs->cs, regs->rip, regs->ss, regs->rsp);
        return;
    }
    bounce_failsafe(regs, vcpu);
}
