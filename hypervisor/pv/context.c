/* SPDX-License-Identifier: MIT */
/*
 * Loading and saving vCPUs.
 *
 * Between two guests everything is switched at once, floating point included;
 * the idle vCPU has nothing to load but the core's own page tables.
 */
#include "hypervisor/pv/context.h"

#include "hypervisor/lib/string.h"
#include "hypervisor/mm/page_type.h"
#include "hypervisor/pv/debug_registers.h"
#include "hypervisor/pv/emulate.h"
#include "hypervisor/pv/page_tables.h"
#include "hypervisor/pv/segments.h"
#include "hypervisor/pv/traps.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/x86/fpu.h"
#include "hypervisor/x86/paging.h"
#include "hypervisor/x86/tlb.h"

/* The function made is false, and the selector null, if the guest's tables have no such segment. */
#define DEFINE_LOAD_SELECTOR(name)                           \
    static inline bool load_##name(uint16_t selector)        \
    {                                                        \
        bool ok = true;                                      \
                                                             \
        __asm__ volatile("1: movl %k1, %%" #name "\n\t"      \
                         "jmp 3f\n\t"                        \
                         "2: movl %k2, %%" #name "\n\t"      \
                         "movb $0, %b0\n\t"                  \
                         "3:\n\t" EXTABLE("1b", "2b")        \
                         : "+r"(ok)                          \
                         : "r"((uint32_t)selector), "r"(0)); \
        return ok;                                           \
    }

DEFINE_LOAD_SELECTOR(ds)
DEFINE_LOAD_SELECTOR(es)
DEFINE_LOAD_SELECTOR(fs)
DEFINE_LOAD_SELECTOR(gs)

/* Loading a selector changes the base: selectors first, bases after. */
static bool load_segments(const struct pv_vcpu *pv)
{
    bool ok = true;

    if ((pv->ds | read_ds()) != 0) {
        ok = load_ds(pv->ds);
    }
    if ((pv->es | read_es()) != 0) {
        ok = load_es(pv->es) && ok;
    }
    if ((pv->fs | read_fs()) != 0) {
        ok = load_fs(pv->fs) && ok;
    }
    segment_set_fs_base(pv->fs_base);
    /* gs twice: the set that is swapped out, then the one in use. */
    if ((pv->gs | read_gs()) != 0) {
        ok = load_gs(pv->gs) && ok;
    }
    segment_set_gs_base(pv->kernel_mode ? pv->gs_base_user : pv->gs_base_kernel);
    swap_gs();
    segment_set_gs_base(pv->kernel_mode ? pv->gs_base_kernel : pv->gs_base_user);
    return ok;
}

static void save_segments(struct pv_vcpu *pv)
{
    uint64_t active = segment_gs_base(), other;

    pv_save_selectors(pv);
    pv->fs_base = segment_fs_base();
    swap_gs();
    other = segment_gs_base();
    swap_gs();
    pv->gs_base_kernel = pv->kernel_mode ? active : other;
    pv->gs_base_user = pv->kernel_mode ? other : active;
}

static void save(struct vcpu *vcpu)
{
    vcpu->regs = this_cpu()->regs;
    save_segments(&vcpu->pv);
    if (vcpu->pv.cr0_ts != 0) {
        write_cr0(read_cr0() & ~(uint64_t)CR0_TS);
    }
    fpu_save(vcpu->fpu);
}

static void load(struct vcpu *vcpu)
{
    this_cpu()->regs = vcpu->regs;
    cpumask_add(&vcpu->domain->dirty_cpus, cpu_id());
    tlb_load_cr3(vcpu->pv.kernel_mode ? vcpu->pv.kernel_cr3 : vcpu->pv.user_cr3);
    segments_load(vcpu);
    if (unlikely(!load_segments(&vcpu->pv))) {
        pv_selectors_failed(vcpu);
    }
    if (unlikely(vcpu->pv.nmi_pending)) {
        softirq_raise(SOFTIRQ_GUEST);
    }
    fpu_load(vcpu->fpu);
    if (vcpu->pv.cr0_ts != 0) {
        write_cr0(read_cr0() | CR0_TS);
    }
}

void context_switch(struct vcpu *from, struct vcpu *to)
{
    if (!from->is_idle) {
        save(from);
    }
    current = to;
    if (to->is_idle) {
        tlb_load_cr3((uint64_t)core_l4 - CORE_IMAGE);
    } else {
        load(to);
    }
    /* Only now does this CPU walk the old domain's tables no more. */
    if (!from->is_idle && from->domain != to->domain) {
        cpumask_remove(&from->domain->dirty_cpus, cpu_id());
    }
    pv_debug_registers_switch(from, to);
    pv_tsc_access_switch(from, to);
}

static int check_context(const struct vcpu_guest_context *context)
{
    if (!address_canonical(context->event_callback_eip) ||
        !address_canonical(context->failsafe_callback_eip) ||
        !address_canonical(context->syscall_callback_eip) || !address_canonical(context->fs_base) ||
        !address_canonical(context->gs_base_kernel) || !address_canonical(context->gs_base_user) ||
        !address_canonical(context->user_regs.rip) || !guest_address_ok(context->user_regs.rip)) {
        return -XEN_EINVAL;
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(context->trap_ctxt); i++) {
        if (!address_canonical(context->trap_ctxt[i].address)) {
            return -XEN_EINVAL;
        }
    }
    return 0;
}

static void take_registers(struct vcpu *vcpu, const struct cpu_user_regs *from)
{
    struct cpu_regs *regs = &vcpu->regs;

    memcpy(regs, from, sizeof(*regs));
    regs->vector = 0;
    regs->error_code = 0;
    regs->cs = (from->cs & 0xffff) | 3;
    regs->ss = (from->ss & 0xffff) | 3;
    regs->rflags = (from->rflags &
                    ~(uint64_t)(RFLAGS_IOPL | RFLAGS_VM | RFLAGS_NT | RFLAGS_VIF | RFLAGS_VIP)) |
                   RFLAGS_IF | RFLAGS_FIXED;
    vcpu->pv.ds = (uint16_t)from->ds;
    vcpu->pv.es = (uint16_t)from->es;
    vcpu->pv.fs = (uint16_t)from->fs;
    vcpu->pv.gs = (uint16_t)from->gs;
    vcpu->pv.iopl = from->rflags & RFLAGS_IOPL;
}

/* What cannot fail. */
static void take_context(struct vcpu *vcpu, const struct vcpu_guest_context *context)
{
    struct pv_vcpu *pv = &vcpu->pv;

    take_registers(vcpu, &context->user_regs);
    pv->kernel_mode = (context->flags & VGCF_in_kernel) != 0;
    pv->kernel_sp = context->kernel_sp;
    pv->kernel_ss = (context->kernel_ss & 0xffff) | 3;
    pv->callbacks[CALLBACKTYPE_event].address = context->event_callback_eip;
    pv->callbacks[CALLBACKTYPE_failsafe] =
        (struct pv_callback){ context->failsafe_callback_eip,
                              (context->flags & VGCF_failsafe_disables_events) != 0 };
    pv->callbacks[CALLBACKTYPE_syscall] =
        (struct pv_callback){ context->syscall_callback_eip,
                              (context->flags & VGCF_syscall_disables_events) != 0 };
    pv->fs_base = context->fs_base;
    pv->gs_base_kernel = context->gs_base_kernel;
    pv->gs_base_user = context->gs_base_user;
    pv->cr0_ts = context->ctrlreg[0] & CR0_TS;
    memcpy(pv->traps, context->trap_ctxt, sizeof(pv->traps));
    if ((context->flags & VGCF_i387_valid) != 0) {
        fpu_from_fxsave(vcpu->fpu, context->fpu_ctxt.x);
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(context->debugreg); i++) {
        if (i != 4 && i != 5) {
            (void)pv_debug_register_set(vcpu, i, context->debugreg[i], false);
        }
    }
}

static int take_tables(struct vcpu *vcpu, const struct vcpu_guest_context *context)
{
    struct pv_vcpu *pv = &vcpu->pv;
    mfn_t kernel = mfn(context->ctrlreg[3] >> PAGE_SHIFT);
    mfn_t user = mfn(context->ctrlreg[1] >> PAGE_SHIFT);
    int error = frame_type_get(kernel, vcpu->domain->id, PAGE_L4);

    if (error != 0) {
        return error;
    }
    if (user.number != 0) {
        error = frame_type_get(user, vcpu->domain->id, PAGE_L4);
        if (error != 0) {
            goto put_kernel;
        }
    }
    pt_forget_walk(vcpu);
    pv->kernel_l4 = kernel;
    pv->kernel_cr3 = maddr_of_mfn(kernel).byte;
    pv->user_l4 = user;
    pv->user_cr3 = tlb_user_cr3(user);
    pv->kernel_mode = true;
    error = -XEN_EINVAL;
    if (segments_set_gdt(vcpu, context->gdt_frames, context->gdt_ents) != 0) {
        goto put_user;
    }
    if (segments_set_ldt(vcpu, context->ldt_base, context->ldt_ents) != 0) {
        segments_drop(vcpu);
        goto put_user;
    }
    if (user.number != 0) {
        pt_show_m2p(user, false);
    }
    pt_show_m2p(kernel, true);
    return 0;

put_user:
    pv->kernel_l4 = mfn(0);
    pv->user_l4 = mfn(0);
    if (user.number != 0) {
        pt_table_put(current, page_of(user));
    }
put_kernel:
    pt_table_put(current, page_of(kernel));
    return error;
}

int pv_vcpu_initialise(struct vcpu *vcpu, const struct vcpu_guest_context *context)
{
    int error = check_context(context);

    if (error != 0) {
        return error;
    }
    if (vcpu->initialised) {
        return -XEN_EEXIST;
    }
    /* A user program cannot be started without an address space of its own. */
    if ((context->flags & VGCF_in_kernel) == 0 && context->ctrlreg[1] >> PAGE_SHIFT == 0) {
        return -XEN_EINVAL;
    }
    error = take_tables(vcpu, context);
    if (error != 0) {
        return error;
    }
    take_context(vcpu, context);
    if (vcpu->id == 0) {
        atomic_fetch_or(&vcpu->domain->vm_assist, context->vm_assist & VM_ASSIST_KNOWN);
    }
    vcpu->initialised = true;
    return 0;
}

static int release_table(mfn_t *table)
{
    struct page *page = page_of(*table);
    int error;

    if (table->number == 0) {
        return 0;
    }
    *table = mfn(0);
    /* Preempted, it stays behind PARTIAL; domain_kill() visits every frame. */
    error = page_type_put_preemptible(page);
    page_put(page);
    return error;
}

int pv_vcpu_release(struct vcpu *vcpu)
{
    int error;

    segments_drop(vcpu);
    error = release_table(&vcpu->pv.user_l4);
    if (error == 0) {
        error = release_table(&vcpu->pv.kernel_l4);
    }
    vcpu->initialised = false;
    return error;
}

void pv_vcpu_get_context(const struct vcpu *vcpu, struct vcpu_guest_context *context)
{
    const struct pv_vcpu *pv = &vcpu->pv;
    const struct pv_callback *failsafe = &pv->callbacks[CALLBACKTYPE_failsafe];
    const struct pv_callback *syscall = &pv->callbacks[CALLBACKTYPE_syscall];

    memset(context, 0, sizeof(*context));
    fpu_to_fxsave(vcpu->fpu, context->fpu_ctxt.x);
    context->flags = VGCF_i387_valid | (pv->kernel_mode ? VGCF_in_kernel : 0) |
                     (failsafe->masks_events ? VGCF_failsafe_disables_events : 0) |
                     (syscall->masks_events ? VGCF_syscall_disables_events : 0) |
                     ((vcpu->blocked & VCPU_DOWN) == 0 ? VGCF_online : 0);
    memcpy(&context->user_regs, &vcpu->regs, sizeof(vcpu->regs));
    context->user_regs.rflags = (context->user_regs.rflags & ~(uint64_t)RFLAGS_IOPL) | pv->iopl;
    context->user_regs.ds = pv->ds;
    context->user_regs.es = pv->es;
    context->user_regs.fs = pv->fs;
    context->user_regs.gs = pv->gs;
    memcpy(context->trap_ctxt, pv->traps, sizeof(pv->traps));
    context->ldt_base = pv->ldt.base;
    context->ldt_ents = pv->ldt.entries;
    for (unsigned int i = 0; i < DIV_ROUND_UP(pv->gdt.entries, 512u); i++) {
        context->gdt_frames[i] = pv->gdt.frames[i].number;
    }
    context->gdt_ents = pv->gdt.entries;
    context->kernel_ss = pv->kernel_ss;
    context->kernel_sp = pv->kernel_sp;
    context->ctrlreg[0] = CR0_PG | CR0_PE | CR0_WP | CR0_NE | CR0_ET | CR0_MP | pv->cr0_ts;
    context->ctrlreg[1] = maddr_of_mfn(pv->user_l4).byte;
    context->ctrlreg[3] = pv->kernel_cr3;
    context->ctrlreg[4] = pv_cr4_read(vcpu);
    memcpy(context->debugreg, pv->debug, sizeof(pv->debug));
    context->event_callback_eip = pv->callbacks[CALLBACKTYPE_event].address;
    context->failsafe_callback_eip = failsafe->address;
    context->syscall_callback_eip = syscall->address;
    context->vm_assist = vcpu->domain->vm_assist;
    context->fs_base = pv->fs_base;
    context->gs_base_kernel = pv->gs_base_kernel;
    context->gs_base_user = pv->gs_base_user;
}
