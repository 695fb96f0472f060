/* SPDX-License-Identifier: MIT */
/*
 * What an instruction makes of a page-table entry: see entry_apply.h.
 */
#include "hypervisor/pv/entry_apply.h"

#include "hypervisor/x86/cpu.h"

#define FLAG_PARITY   UINT64_C(0x004)
#define FLAG_AUX      UINT64_C(0x010)
#define FLAG_ZERO     UINT64_C(0x040)
#define FLAG_SIGN     UINT64_C(0x080)
#define FLAG_OVERFLOW UINT64_C(0x800)
#define FLAGS_ARITHMETIC \
    (RFLAGS_CF | FLAG_PARITY | FLAG_AUX | FLAG_ZERO | FLAG_SIGN | FLAG_OVERFLOW)

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
    switch (operation) {
    case DO_ADD:
    case DO_SUB:
        *operand = add_or_subtract(*operand, source, size, operation == DO_SUB, rflags);
        return true;
    case DO_OR:
        *operand |= source;
        break;
    case DO_AND:
        *operand &= source;
        break;
    case DO_XOR:
        *operand ^= source;
        break;
    default:
        return false;
    }
    *rflags = (*rflags & ~FLAGS_ARITHMETIC) | result_flags(*operand, size);
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

    /* These two are what a page fault is taken for most: not one comparison too many. */
    if (likely((insn->opcode & ~1u) == 0x88)) { /* mov */
        *operand = source;
        return true;
    }
    if (likely((insn->opcode & ~1u) == 0x86)) { /* xchg */
        change->target = insn->reg;
        change->value = *operand;
        *operand = source;
        return true;
    }
    switch (insn->opcode) {
    case 0x0fc3: /* movnti */
        *operand = source;
        return insn->size >= 4;
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
