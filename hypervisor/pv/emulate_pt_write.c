/* SPDX-License-Identifier: MIT */
/*
 * Writes of a guest's kernel to its own level-1 page tables:
 * docs/hypervisor/emulation.md.
 *
 * The entry may change while we compute, by the CPU (accessed, dirty) or by
 * another vCPU; so it is exchanged only if it is still what we computed from.
 */
#include "hypervisor/pv/emulate_pt_write.h"

#include "guest-pv-headers/errno.h"
#include "hypervisor/lib/atomic.h"
#include "hypervisor/lib/log.h"
#include "hypervisor/pv/guest_code.h"
#include "hypervisor/pv/page_tables.h"
#include "hypervisor/x86/cpu.h"

#define FLAG_PARITY   UINT64_C(0x004)
#define FLAG_AUX      UINT64_C(0x010)
#define FLAG_ZERO     UINT64_C(0x040)
#define FLAG_SIGN     UINT64_C(0x080)
#define FLAG_OVERFLOW UINT64_C(0x800)
#define FLAGS_ARITHMETIC \
    (RFLAGS_CF | FLAG_PARITY | FLAG_AUX | FLAG_ZERO | FLAG_SIGN | FLAG_OVERFLOW)

#define TRIES 4 /* then the guest runs the instruction again, after its interrupts */

/* The middle bits of ModRM in the opcodes 80 to 83, and bits 5:3 of 00 to 31. */
enum arithmetic { DO_ADD = 0, DO_OR = 1, DO_AND = 4, DO_SUB = 5, DO_XOR = 6 };

static always_inline uint64_t size_mask(unsigned int size)
{
    return UINT64_MAX >> (64 - 8 * size);
}

/* Zero, sign and parity of a result. */
static uint64_t result_flags(uint64_t result, unsigned int size)
{
    uint64_t flags = 0;

    if (result == 0) {
        flags |= FLAG_ZERO;
    }
    if ((result >> (8 * size - 1) & 1) != 0) {
        flags |= FLAG_SIGN;
    }
    if (__builtin_parity((uint8_t)result) == 0) {
        flags |= FLAG_PARITY;
    }
    return flags;
}

/* a + b or a - b, and its flags. */
static uint64_t add_or_subtract(uint64_t a, uint64_t b, unsigned int size, bool subtract,
                                uint64_t *rflags)
{
    uint64_t result = (subtract ? a - b : a + b) & size_mask(size);
    uint64_t overflow = (subtract ? a ^ b : ~(a ^ b)) & (a ^ result);
    uint64_t flags = result_flags(result, size) | ((a ^ b ^ result) & FLAG_AUX);

    if (subtract ? a < b : result < a) {
        flags |= RFLAGS_CF;
    }
    if ((overflow >> (8 * size - 1) & 1) != 0) {
        flags |= FLAG_OVERFLOW;
    }
    *rflags = (*rflags & ~FLAGS_ARITHMETIC) | flags;
    return result;
}

/* False for adc, sbb and cmp, which nobody does to a page table. */
static bool arithmetic(unsigned int operation, uint64_t *operand, uint64_t source,
                       unsigned int size, uint64_t *rflags)
{
    uint64_t result;

    switch (operation) {
    case DO_ADD:
    case DO_SUB:
        *operand = add_or_subtract(*operand, source, size, operation == DO_SUB, rflags);
        return true;
    case DO_OR:
        result = *operand | source;
        break;
    case DO_AND:
        result = *operand & source;
        break;
    case DO_XOR:
        result = *operand ^ source;
        break;
    default:
        return false;
    }
    *operand = result;
    *rflags = (*rflags & ~FLAGS_ARITHMETIC) | result_flags(result, size);
    return true;
}

/* not, neg (f6, f7), inc, dec (fe, ff). */
static bool unary(const struct instruction *insn, uint64_t *operand, uint64_t *rflags)
{
    unsigned int which = insn->modrm >> 3 & 7u;
    uint64_t carry = *rflags & RFLAGS_CF;

    if ((insn->opcode & ~1u) == 0xf6) {
        if (which == 2) {
            *operand = ~*operand & size_mask(insn->size);
            return true;
        }
        *operand = add_or_subtract(0, *operand, insn->size, true, rflags);
        return which == 3;
    }
    if (which > 1) {
        return false;
    }
    *operand = add_or_subtract(*operand, 1, insn->size, which == 1, rflags);
    *rflags = (*rflags & ~(uint64_t)RFLAGS_CF) | carry;
    return true;
}

/* `which` as in the middle of ModRM: 5 bts, 6 btr, 7 btc. */
static bool bit_operation(unsigned int which, unsigned int bit, uint64_t *operand, uint64_t *rflags)
{
    uint64_t mask = UINT64_C(1) << bit;

    *rflags = (*rflags & ~(uint64_t)RFLAGS_CF) | (*operand >> bit & 1);
    switch (which) {
    case 5:
        *operand |= mask;
        return true;
    case 6:
        *operand &= ~mask;
        return true;
    case 7:
        *operand ^= mask;
        return true;
    default:
        return false;
    }
}

/* The number of the bit within the operand that bts and its like mean. */
static unsigned int bit_number(const struct instruction *insn, const struct cpu_regs *regs)
{
    uint64_t bit = insn->opcode == 0x0fba ? insn->immediate : register_get(regs, insn->reg);

    return (unsigned int)bit & (8u * insn->size - 1);
}

static void compare_exchange(const struct instruction *insn, const struct cpu_regs *regs,
                             uint64_t *operand, uint64_t source, struct entry_change *change)
{
    uint64_t expected = register_read(regs, 0, insn->size, true);

    (void)add_or_subtract(expected, *operand, insn->size, true, &change->rflags);
    if (expected == *operand) {
        *operand = source;
    } else {
        change->target = 0; /* rax */
        change->value = *operand;
    }
}

/* cmpxchg8b: the operand is the whole entry. */
static bool compare_exchange_pair(const struct instruction *insn, const struct cpu_regs *regs,
                                  struct entry_change *change)
{
    if ((insn->modrm >> 3 & 7u) != 1 || insn->size == 8) {
        return false;
    }
    if (change->entry == (regs->rdx << 32 | (uint32_t)regs->rax)) {
        change->entry = regs->rcx << 32 | (uint32_t)regs->rbx;
        change->rflags |= FLAG_ZERO;
    } else {
        change->target = TARGET_PAIR;
        change->value = change->entry;
        change->rflags &= ~FLAG_ZERO;
    }
    return true;
}

/* What the instruction makes of its operand of insn->size bytes. */
static bool operand_apply(const struct instruction *insn, const struct cpu_regs *regs,
                          uint64_t *operand, struct entry_change *change)
{
    unsigned int middle = insn->modrm >> 3 & 7u;
    uint64_t source =
        register_read(regs, insn->reg, insn->size, (insn->prefixes & PREFIX_REX) != 0);

    switch (insn->opcode) {
    case 0x88: /* mov */
    case 0x89:
    case 0x0fc3: /* movnti */
        *operand = source;
        return insn->opcode != 0x0fc3 || insn->size >= 4;
    case 0x86: /* xchg */
    case 0x87:
        change->target = insn->reg;
        change->value = *operand;
        *operand = source;
        return true;
    case 0x80:
    case 0x81:
    case 0x83:
        return arithmetic(middle, operand, insn->immediate & size_mask(insn->size), insn->size,
                          &change->rflags);
    case 0xc6: /* mov */
    case 0xc7:
        *operand = insn->immediate & size_mask(insn->size);
        return middle == 0;
    case 0xaa: /* stos */
    case 0xab:
        *operand = register_read(regs, 0, insn->size, true);
        return true;
    case 0xf6:
    case 0xf7:
    case 0xfe:
    case 0xff:
        return unary(insn, operand, &change->rflags);
    case 0x0fba:
        return bit_operation(middle, bit_number(insn, regs), operand, &change->rflags);
    case 0x0fab:
    case 0x0fb3:
    case 0x0fbb: /* ab, b3, bb: the same three, bits 5:3 */
        return bit_operation(insn->opcode >> 3 & 7u, bit_number(insn, regs), operand,
                             &change->rflags);
    case 0x0fb0:
    case 0x0fb1:
        compare_exchange(insn, regs, operand, source, change);
        return true;
    case 0x0fc0: /* xadd */
    case 0x0fc1:
        change->target = insn->reg;
        change->value = *operand;
        *operand = add_or_subtract(*operand, source, insn->size, false, &change->rflags);
        return true;
    default:
        return (insn->opcode & ~0x39u) == 0 &&
               arithmetic(insn->opcode >> 3 & 7u, operand, source, insn->size, &change->rflags);
    }
}

bool entry_apply(const struct instruction *insn, unsigned int offset, const struct cpu_regs *regs,
                 struct entry_change *change)
{
    unsigned int size = insn->size, shift = 8 * offset;
    uint64_t operand, mask;

    change->rflags = regs->rflags;
    change->target = TARGET_NONE;
    if (unlikely(insn->opcode == 0x0fc7)) {
        return offset == 0 && compare_exchange_pair(insn, regs, change);
    }
    if (unlikely(offset + size > 8)) {
        return false;
    }
    mask = size_mask(size);
    operand = change->entry >> shift & mask;
    if (!operand_apply(insn, regs, &operand, change)) {
        return false;
    }
    change->entry = (change->entry & ~(mask << shift)) | operand << shift;
    return true;
}

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
        int64_t number = insn->size == 8   ? (int64_t)bit
                         : insn->size == 4 ? (int32_t)bit
                                           : (int16_t)bit;
        unsigned int width = 8u * insn->size;

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
    } else if (low != regs->rbx && pt_write_entry(vcpu, table, index, regs->rbx, low) != 0) {
        log_guest("d%u: half of a cmpxchg16b on a page table stays\n", vcpu->domain->id);
    }
    return error;
}

bool pv_emulate_pt_write(struct vcpu *vcpu, struct cpu_regs *regs, uint64_t address)
{
    unsigned int index = (unsigned int)(address % PAGE_SIZE / sizeof(pte_t)),
                 offset = address % sizeof(pte_t);
    struct instruction insn;
    struct entry_change change;
    uint64_t target;
    mfn_t table;

    if (!vcpu->pv.kernel_mode || !pt_find_l1_of_table(vcpu, address, &table) ||
        !pv_fetch_instruction(regs, &insn) || (insn.prefixes & (PREFIX_FS | PREFIX_GS)) != 0 ||
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
