/* SPDX-License-Identifier: MIT */
/*
 * Instructions that a PV guest uses although it does not run in ring 0:
 * docs/hypervisor/emulation.md.
 *
 * Code, once read, is trusted for what it says, not for why it
 * faulted: another vCPU may have changed it since, so every right is checked
 * here again.
 */

#include "hypervisor/pv/cpu_policy.h"
#include "hypervisor/pv/debug_registers.h"
#include "hypervisor/pv/emulate.h"
#include "hypervisor/pv/io.h"
#include "hypervisor/pv/mmu.h"
#include "hypervisor/pv/segments.h"
#include "hypervisor/pv/traps.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/x86/features.h"
#include "hypervisor/x86/fpu.h"
#include "hypervisor/x86/tlb.h"

/* What a guest sees of CR0 and CR4 whatever it does. */
#define CR0_GUEST ((uint64_t)(CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_PG))
#define CR4_GUEST ((uint64_t)(CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT))

#define RDMSR        0x320f /* its two bytes, as a number */
#define RDMSR_LENGTH 2u

#define STRING_STEPS 128u /* of a repeated ins or outs at one entry */

/* XEN_EMULATE_PREFIX_BYTES and cpuid, 0f a2, as a number. */
#define FORCED_CPUID        UINT64_C(0xa20f6e65780b0f)
#define FORCED_CPUID_LENGTH 7u
#define FORCED_CPUID_MASK   (UINT64_MAX >> 8)

enum outcome {
    REFUSED,
    EMULATED, /* go on behind the instruction */
    PENDING,  /* regs say where to go on: an exception, or a repetition not finished */
};

uint64_t pv_cr4_read(const struct vcpu *vcpu)
{
    return CR4_GUEST | vcpu->pv.cr4;
}

void pv_load_tsc_access(const struct vcpu *vcpu)
{
    uint64_t cr4 = read_cr4();

    write_cr4((cr4 & ~(uint64_t)CR4_TSD) | (vcpu->pv.cr4 & CR4_TSD));
    if (cpu_features.rdtscp) {
        write_msr(MSR_TSC_AUX, vcpu->pv.tsc_aux);
    }
}

void pv_set_task_switched(struct vcpu *vcpu, bool set)
{
    vcpu->pv.cr0_ts = set ? CR0_TS : 0;
    if (set) {
        write_cr0(read_cr0() | CR0_TS);
    } else {
        clear_task_switched();
    }
}

static enum outcome read_control(const struct vcpu *vcpu, struct cpu_regs *regs,
                                 const struct instruction *insn)
{
    uint64_t value;

    switch (insn->reg) {
    case 0:
        value = CR0_GUEST | vcpu->pv.cr0_ts;
        break;
    case 2:
        value = vcpu->pv.cr2;
        break;
    case 3:
        value = xen_pfn_to_cr3(vcpu->pv.kernel_l4.number);
        break;
    case 4:
        value = pv_cr4_read(vcpu);
        break;
    default:
        return REFUSED;
    }
    register_put(regs, insn->rm, value);
    return EMULATED;
}

/* The guest's memory could not be read or written: as if the CPU had tried. */
static enum outcome access_failed(struct cpu_regs *regs, uint64_t address, uint32_t error_code)
{
    if (guest_address_ok(address) && (pt_read_l1(current, address) & PTE_PRESENT) != 0) {
        error_code |= PF_PRESENT;
    }
    pv_inject_page_fault(regs, address, error_code | PF_USER);
    return PENDING;
}

/* What cannot be finished in one go is gone on with when the guest comes back to it. */
static enum outcome load_cr3(struct vcpu *vcpu, mfn_t table)
{
    int error = pt_finish(vcpu);

    if (error == 0) {
        error = mmu_new_kernel_base(vcpu, table);
    }
    return error == 0 ? EMULATED : error == -XEN_ERESTART ? PENDING : REFUSED;
}

static enum outcome write_control(struct vcpu *vcpu, const struct cpu_regs *regs,
                                  const struct instruction *insn)
{
    uint64_t value = register_get(regs, insn->rm), changed;

    switch (insn->reg) {
    case 0:
        if (((value ^ CR0_GUEST) & ~(uint64_t)CR0_TS) != 0) {
            return REFUSED;
        }
        pv_set_task_switched(vcpu, (value & CR0_TS) != 0);
        return EMULATED;
    case 2:
        vcpu->pv.cr2 = value;
        vcpu->info->arch.cr2 = value;
        return EMULATED;
    case 3:
        return load_cr3(vcpu, mfn(xen_cr3_to_pfn(value)));
    case 4:
        /* Bits it may not have stay as they are, silently: kernels do not expect this to fail. */
        changed = value ^ vcpu->pv.cr4;
        vcpu->pv.cr4 = value & pv_cr4_allowed(vcpu);
        if ((changed & CR4_TSD) != 0) {
            pv_load_tsc_access(vcpu);
        }
        return EMULATED;
    default:
        return REFUSED;
    }
}

static enum outcome move_debug(struct vcpu *vcpu, struct cpu_regs *regs,
                               const struct instruction *insn)
{
    if (insn->opcode == 0x0f21) {
        uint64_t value;

        if (!pv_debug_register_get(vcpu, insn->reg, &value)) {
            return REFUSED;
        }
        register_put(regs, insn->rm, value);
        return EMULATED;
    }
    return pv_debug_register_set(vcpu, insn->reg, register_get(regs, insn->rm), true) != 0
               ? REFUSED
               : EMULATED;
}

static void put_edx_eax(struct cpu_regs *regs, uint64_t value)
{
    regs->rax = (uint32_t)value;
    regs->rdx = value >> 32;
}

static uint64_t get_edx_eax(const struct cpu_regs *regs)
{
    return regs->rdx << 32 | (uint32_t)regs->rax;
}

static enum outcome emulate_cpuid(const struct vcpu *vcpu, struct cpu_regs *regs)
{
    struct cpuid_regs out = pv_cpuid(vcpu, (uint32_t)regs->rax, (uint32_t)regs->rcx);

    regs->rax = out.eax;
    regs->rbx = out.ebx;
    regs->rcx = out.ecx;
    regs->rdx = out.edx;
    return EMULATED;
}

static enum outcome set_xcr(struct vcpu *vcpu, const struct cpu_regs *regs)
{
    uint64_t value = get_edx_eax(regs);

    if ((uint32_t)regs->rcx != 0 || (vcpu->pv.cr4 & CR4_OSXSAVE) == 0 ||
        !pv_xcr0_valid(vcpu, value)) {
        return REFUSED;
    }
    fpu_set_xcr0(vcpu->fpu, value);
    return EMULATED;
}

/* 0f 01: what the ModRM byte makes of it. */
static enum outcome emulate_group7(struct vcpu *vcpu, struct cpu_regs *regs,
                                   const struct instruction *insn)
{
    if (insn->memory) {
        if ((insn->modrm >> 3 & 7u) != 7 || !guest_address_ok(insn->address)) {
            return REFUSED;
        }
        tlb_flush_here(insn->address);
        return EMULATED;
    }
    if (insn->modrm == 0xd1) {
        return set_xcr(vcpu, regs);
    }
    if (insn->modrm == 0xf9) { /* rdtscp, where the guest keeps the TSC from its programs */
        put_edx_eax(regs, read_tsc());
        regs->rcx = vcpu->pv.tsc_aux;
        return EMULATED;
    }
    return REFUSED;
}

/* sldt, str, sgdt, sidt, smsw: the opcode's last bit before ModRM's middle field. */
#define SYSTEM_STORES 0x1303u

/*
 * What UMIP keeps from ring 3, and kernels and programs ask for all the same: there is no table
 * and no selector.  In 64-bit code only: elsewhere segments have bases and limits.
 */
static enum outcome emulate_store_system(const struct vcpu *vcpu, struct cpu_regs *regs,
                                         const struct instruction *insn)
{
    unsigned int which = (insn->opcode & 1u) << 3 | (insn->modrm >> 3 & 7u);
    bool table = which == 8 || which == 9; /* sgdt, sidt */
    uint64_t value[2] = { which == 12 ? CR0_GUEST | vcpu->pv.cr0_ts : 0 };
    size_t size = table ? 10 : 2, left;

    if ((SYSTEM_STORES >> which & 1) == 0 || (table && !insn->memory) ||
        (insn->prefixes & (PREFIX_FS | PREFIX_GS)) != 0 || !cpu_features.umip ||
        !pv_code_is_64bit(regs) || !address_canonical(insn->address)) {
        return REFUSED;
    }
    if (!insn->memory) {
        register_write(regs, insn->rm, insn->size, true, value[0]);
        return EMULATED;
    }
    left = raw_copy_to_guest(guest_pointer(uint8_t, insn->address), value, size);
    return left == 0 ? EMULATED : access_failed(regs, insn->address + size - left, PF_WRITE);
}

/* All but ports; the caller knows that the guest's kernel asks. */
static enum outcome emulate_system(struct vcpu *vcpu, struct cpu_regs *regs,
                                   const struct instruction *insn)
{
    uint64_t value;

    switch (insn->opcode) {
    case 0x0f32: /* rdmsr */
        if (!pv_msr_read(vcpu, (uint32_t)regs->rcx, &value)) {
            return REFUSED;
        }
        put_edx_eax(regs, value);
        return EMULATED;
    case 0x0f30: /* wrmsr */
        return pv_msr_write(vcpu, (uint32_t)regs->rcx, get_edx_eax(regs)) ? EMULATED : REFUSED;
    case 0x0f20:
        return read_control(vcpu, regs, insn);
    case 0x0f22:
        return write_control(vcpu, regs, insn);
    case 0x0f21:
    case 0x0f23:
        return move_debug(vcpu, regs, insn);
    case 0x00fa: /* cli, sti: upcalls are masked in vcpu_info, not by the flag */
    case 0x00fb:
        return pv_iopl_allows(vcpu) ? EMULATED : REFUSED;
    case 0x0f01:
        return emulate_group7(vcpu, regs, insn);
    case 0x0f06:
        pv_set_task_switched(vcpu, false);
        return EMULATED;
    case 0x0f09: /* wbinvd: who has devices may need it */
        if (vcpu->domain->privileged) {
            flush_caches();
        }
        return EMULATED;
    case 0x0f31: /* rdtsc */
        put_edx_eax(regs, read_tsc());
        return EMULATED;
    case 0x00f4:
        sched_block();
        return EMULATED;
    default:
        return REFUSED;
    }
}

/* in and out: to or from al, ax or eax. */
static enum outcome emulate_port(struct vcpu *vcpu, struct cpu_regs *regs,
                                 const struct instruction *insn)
{
    unsigned int size = MIN(insn->size, 4u);
    unsigned int port = (insn->opcode & 8) != 0 ? (uint16_t)regs->rdx : (uint8_t)insn->immediate;

    if (!pv_io_allowed(vcpu, port, size)) {
        return REFUSED;
    }
    if ((insn->opcode & 2) != 0) {
        pv_port_write(vcpu->domain, port, size, (uint32_t)regs->rax);
    } else {
        register_write(regs, 0, size, true, pv_port_read(vcpu->domain, port, size));
    }
    return EMULATED;
}

/*
 * One step of ins or outs; the number of bytes at `address` that could not be
 * reached.  ins writes what is there back first: a value read from a device
 * must not be lost to a fault.
 */
static size_t string_step(struct domain *domain, bool out, unsigned int port, unsigned int size,
                          uint64_t address)
{
    uint32_t value = 0;
    size_t left = raw_copy_from_guest(&value, guest_pointer(const uint8_t, address), size);

    if (left == 0 && out) {
        pv_port_write(domain, port, size, value);
    } else if (left == 0) {
        left = raw_copy_to_guest(guest_pointer(uint8_t, address), &value, size);
        if (left == 0) {
            value = pv_port_read(domain, port, size);
            left = raw_copy_to_guest(guest_pointer(uint8_t, address), &value, size);
        }
    }
    return left;
}

/* ins and outs; a repeated one goes on where it stopped when the guest runs it again. */
static enum outcome emulate_string(struct vcpu *vcpu, struct cpu_regs *regs,
                                   const struct instruction *insn)
{
    bool out = (insn->opcode & 2) != 0;
    bool repeat = (insn->prefixes & (PREFIX_REP | PREFIX_REPNE)) != 0;
    unsigned int size = MIN(insn->size, 4u), port = (uint16_t)regs->rdx;
    unsigned int pointer = out ? 6 : 7; /* rsi, rdi */
    uint64_t mask = insn->address_size == 8 ? UINT64_MAX : UINT32_MAX;
    uint64_t step = (regs->rflags & RFLAGS_DF) != 0 ? 0 - (uint64_t)size : size;
    uint64_t count = repeat ? regs->rcx & mask : 1;

    if (!pv_io_allowed(vcpu, port, size) ||
        (out && (insn->prefixes & (PREFIX_FS | PREFIX_GS)) != 0)) {
        return REFUSED;
    }
    for (unsigned int i = 0; count != 0 && i < STRING_STEPS; i++) {
        uint64_t address = register_get(regs, pointer) & mask;
        size_t left = string_step(vcpu->domain, out, port, size, address);

        if (left != 0) {
            return access_failed(regs, address + size - left, out ? 0 : PF_WRITE);
        }
        register_put(regs, pointer, (address + step) & mask);
        count--;
        if (repeat) {
            regs->rcx = count;
        }
    }
    return count == 0 ? EMULATED : PENDING;
}

static enum outcome emulate(struct vcpu *vcpu, struct cpu_regs *regs,
                            const struct instruction *insn)
{
    unsigned int opcode = insn->opcode;

    if ((insn->prefixes & PREFIX_LOCK) != 0) {
        return REFUSED;
    }
    if ((opcode & 0xfff4) == 0xe4) {
        return emulate_port(vcpu, regs, insn);
    }
    if ((opcode & ~3u) == 0x6c) {
        return emulate_string(vcpu, regs, insn);
    }
    if (opcode <= 0x0f01 && opcode >= 0x0f00) {
        enum outcome stored = emulate_store_system(vcpu, regs, insn);

        if (stored != REFUSED) {
            return stored;
        }
    }
    if (opcode == 0x0fa2) { /* traps if the CPU is told to let it */
        return emulate_cpuid(vcpu, regs);
    }
    return vcpu->pv.kernel_mode ? emulate_system(vcpu, regs, insn) : REFUSED;
}

/* Linux asks for the user's GS base whenever it switches tasks: not by way of the decoder. */
static bool read_user_gs_base(const struct vcpu *vcpu, struct cpu_regs *regs)
{
    uint64_t words[2];

    if ((uint32_t)regs->rcx != MSR_KERNEL_GS_BASE || !vcpu->pv.kernel_mode ||
        pv_fetch_code(regs->rip, words) < RDMSR_LENGTH || (uint16_t)words[0] != RDMSR) {
        return false;
    }
    put_edx_eax(regs, read_msr(MSR_KERNEL_GS_BASE));
    pv_retire(regs, RDMSR_LENGTH);
    return true;
}

bool pv_emulate_privileged(struct cpu_regs *regs)
{
    struct instruction insn;
    enum outcome outcome;

    if (read_user_gs_base(current, regs)) {
        return true;
    }
    if (!pv_fetch_instruction(regs, &insn)) {
        return false;
    }
    outcome = emulate(current, regs, &insn);
    if (likely(outcome == EMULATED)) {
        pv_retire(regs, insn.length);
    }
    return outcome != REFUSED;
}

bool pv_emulate_forced_cpuid(struct cpu_regs *regs)
{
    uint64_t words[2];

    if (pv_fetch_code(regs->rip, words) < FORCED_CPUID_LENGTH ||
        ((words[0] ^ FORCED_CPUID) & FORCED_CPUID_MASK) != 0) {
        return false;
    }
    (void)emulate_cpuid(current, regs);
    pv_retire(regs, FORCED_CPUID_LENGTH);
    return true;
}
