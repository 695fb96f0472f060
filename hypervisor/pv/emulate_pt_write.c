/* SPDX-License-Identifier: MIT */
/*
 * Writes of a guest's kernel to its own level-1 page tables:
 * docs/hypervisor/emulation.md.
 *
 * The entry may change while we compute, by the CPU (accessed, dirty) or by
 * another vCPU; so it is exchanged only if it is still what we computed from.
 */

#include "hypervisor/lib/log.h"
#include "hypervisor/pv/emulate.h"
#include "hypervisor/pv/entry_apply.h"
#include "hypervisor/pv/page_tables.h"

#define FLAG_ZERO UINT64_C(0x040)

#define TRIES 4 /* then the guest runs the instruction again, after its interrupts */

/* Where the instruction writes; false if it does not write to memory. */
static bool target_address(const struct instruction *insn, const struct cpu_regs *regs,
                           uint64_t *address)
{
    if ((insn->opcode & ~1u) == 0xaa) { /* stos */
        bool repeat = (insn->prefixes & (PREFIX_REP | PREFIX_REPNE)) != 0;
        uint64_t mask = insn->address_size == 8 ? UINT64_MAX : UINT32_MAX;

        *address = regs->rdi & mask;
        return !repeat || (regs->rcx & mask) != 0;
    }
    *address = insn->address;
    if (insn->opcode == 0x0fab || insn->opcode == 0x0fb3 || insn->opcode == 0x0fbb) {
        /* A bit number in a register reaches beyond the operand, forwards and backwards. */
        uint64_t bit = register_get(regs, insn->reg);
        unsigned int width = 8u * insn->size;
        int64_t number = (int64_t)(bit << (64 - width)) >> (64 - width);

        *address += (uint64_t)((number - (int64_t)(bit & (width - 1))) / 8);
        if (insn->address_size == 4) {
            *address = (uint32_t)*address;
        }
    }
    return insn->memory;
}

static void results_apply(const struct instruction *insn, struct cpu_regs *regs,
                          const struct entry_change *change)
{
    regs->rflags = change->rflags;
    if (change->target == TARGET_PAIR) {
        regs->rax = (uint32_t)change->value;
        regs->rdx = change->value >> 32;
    } else if (change->target != TARGET_NONE) {
        register_write(regs, change->target, insn->size, (insn->prefixes & PREFIX_REX) != 0,
                       change->value);
    }
}

/* Step over the instruction, or over one round of a repeated stos. */
static void finish(const struct instruction *insn, struct cpu_regs *regs)
{
    if (unlikely((insn->opcode & ~1u) == 0xaa)) {
        uint64_t mask = insn->address_size == 8 ? UINT64_MAX : UINT32_MAX;
        uint64_t size = insn->size;

        regs->rdi = (regs->rdi + ((regs->rflags & RFLAGS_DF) != 0 ? 0 - size : size)) & mask;
        if ((insn->prefixes & (PREFIX_REP | PREFIX_REPNE)) != 0) {
            regs->rcx = (regs->rcx - 1) & mask;
            if (regs->rcx != 0) {
                return;
            }
        }
    }
    pv_retire(regs, insn->length);
}

/*
 * cmpxchg16b, on two neighbouring entries.  They are changed one after the
 * other, so that another CPU may see only the first changed; if the second may
 * not be changed, the first is put back.
 */
static int exchange_two(struct vcpu *vcpu, struct cpu_regs *regs, mfn_t table, unsigned int index)
{
    const pte_t *entries = direct_map_mfn(table);
    pte_t low = read_once(entries[index]), high = read_once(entries[index + 1]);
    int error = 0;

    if (low != regs->rax || high != regs->rdx) {
        regs->rax = low;
        regs->rdx = high;
        regs->rflags &= ~FLAG_ZERO;
        return 0;
    }
    if (low != regs->rbx) {
        error = pt_write_entry(vcpu, table, index, low, regs->rbx);
    }
    if (error != 0) {
        return error;
    }
    if (high != regs->rcx) {
        error = pt_write_entry(vcpu, table, index + 1, high, regs->rcx);
    }
    if (error == 0) {
        regs->rflags |= FLAG_ZERO;
    } else if (low != regs->rbx &&
               pt_write_entry(vcpu, table, index, read_once(entries[index]), low) != 0) {
        log_guest("d%u: half of a cmpxchg16b on a page table stays\n", vcpu->domain->id);
    }
    return error;
}

/*
 * How Linux writes an entry: xchg or mov of a 64-bit register to where another
 * one points.  Three bytes: REX.W, 87 or 89, ModRM; not by way of the decoder.
 */
#define PLAIN_LENGTH 3u

static bool is_plain(uint32_t code)
{
    uint32_t opcode = code >> 8 & 0xff, rm = code >> 16 & 7;

    return (code & 0xc000f8) == 0x48 && (opcode == 0x87 || opcode == 0x89) && rm != 4 && rm != 5;
}

static bool write_plainly(struct vcpu *vcpu, struct cpu_regs *regs, uint32_t code, mfn_t table,
                          uint64_t address)
{
    unsigned int index = (unsigned int)(address % PAGE_SIZE / sizeof(pte_t));
    unsigned int reg = (code >> 19 & 7) | (code & 4) << 1, rm = (code >> 16 & 7) | (code & 1) << 3;
    pte_t old = read_once(((const pte_t *)direct_map_mfn(table))[index]);
    pte_t entry = register_get(regs, reg);
    int error;

    if (register_get(regs, rm) != address) {
        return false;
    }
    error = old == entry ? 0 : pt_write_entry(vcpu, table, index, old, entry);
    if (likely(error == 0)) {
        if ((code >> 8 & 0xff) == 0x87) {
            register_put(regs, reg, old);
        }
        pv_retire(regs, PLAIN_LENGTH);
    }
    return error == 0 || error == -XEN_EAGAIN;
}

bool pv_emulate_pt_write(struct vcpu *vcpu, struct cpu_regs *regs, uint64_t address)
{
    unsigned int index = (unsigned int)(address % PAGE_SIZE / sizeof(pte_t)),
                 offset = address % sizeof(pte_t);
    struct instruction insn;
    struct entry_change change;
    uint64_t target, words[2];
    mfn_t table;

    if (!vcpu->pv.kernel_mode || !pt_find_l1_of_table(vcpu, address, &table)) {
        return false;
    }
    if (likely(offset == 0 && (uint16_t)regs->cs == FLAT_RING3_CS64 &&
               pv_fetch_code(regs->rip, words) >= PLAIN_LENGTH && is_plain((uint32_t)words[0]))) {
        return write_plainly(vcpu, regs, (uint32_t)words[0], table, address);
    }
    if (!pv_fetch_instruction(regs, &insn) || (insn.prefixes & (PREFIX_FS | PREFIX_GS)) != 0 ||
        !target_address(&insn, regs, &target) || target != address) {
        return false;
    }
    if (unlikely(insn.opcode == 0x0fc7 && insn.size == 8 && (insn.modrm >> 3 & 7u) == 1)) {
        int error = address % 16 != 0 ? -XEN_EINVAL : exchange_two(vcpu, regs, table, index);

        if (error == 0) {
            finish(&insn, regs);
        }
        return error == 0 || error == -XEN_EAGAIN;
    }
    for (unsigned int i = 0; i < TRIES; i++) {
        const pte_t *entries = direct_map_mfn(table);
        pte_t old = read_once(entries[index]);
        int error = 0;

        change.entry = old;
        if (!entry_apply(&insn, offset, regs, &change)) {
            return false;
        }
        if (likely(change.entry != old)) {
            error = pt_write_entry(vcpu, table, index, old, change.entry);
        }
        if (likely(error == 0)) {
            results_apply(&insn, regs, &change);
            finish(&insn, regs);
            return true;
        }
        if (error != -XEN_EAGAIN) {
            return false;
        }
    }
    return true;
}
