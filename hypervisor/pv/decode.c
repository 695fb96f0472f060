/* SPDX-License-Identifier: MIT */
/*
 * Decoding the few instructions the core carries out for a guest: see decode.h.
 *
 * The tables say which opcodes exist and what follows them; the rest is the
 * machine's regular encoding.
 */
#include "hypervisor/pv/decode.h"

#include <limits.h>

#define KNOWN 0x01 /* the opcode is one of ours */
#define MODRM 0x02
#define IMM8  0x04 /* one byte, sign-extended */
#define IMMZ  0x08 /* as wide as the operand, at most 4 bytes, sign-extended */
#define BYTE  0x10 /* the operand is one byte */
#define REGS  0x20 /* ModRM names registers, whatever its mod field says */

#define K_M  (KNOWN | MODRM)
#define K_MB (KNOWN | MODRM | BYTE)
#define K_B  (KNOWN | BYTE)

/* clang-format off */
static const uint8_t one_byte[256] = {
    [0x00] = K_MB, [0x01] = K_M, /* add */
    [0x08] = K_MB, [0x09] = K_M, /* or */
    [0x0f] = KNOWN, /* the first of two */
    [0x20] = K_MB, [0x21] = K_M, /* and */
    [0x28] = K_MB, [0x29] = K_M, /* sub */
    [0x30] = K_MB, [0x31] = K_M, /* xor */
    [0x6c] = K_B,  [0x6d] = KNOWN, /* ins */
    [0x6e] = K_B,  [0x6f] = KNOWN, /* outs */
    [0x80] = K_MB | IMM8, [0x81] = K_M | IMMZ, [0x83] = K_M | IMM8, /* add to cmp */
    [0x86] = K_MB, [0x87] = K_M, /* xchg */
    [0x88] = K_MB, [0x89] = K_M, /* mov */
    [0xaa] = K_B,  [0xab] = KNOWN, /* stos */
    [0xc6] = K_MB | IMM8, [0xc7] = K_M | IMMZ, /* mov */
    [0xe4] = K_B | IMM8, [0xe5] = KNOWN | IMM8, /* in */
    [0xe6] = K_B | IMM8, [0xe7] = KNOWN | IMM8, /* out */
    [0xec] = K_B,  [0xed] = KNOWN, /* in */
    [0xee] = K_B,  [0xef] = KNOWN, /* out */
    [0xf4] = KNOWN, /* hlt */
    [0xf6] = K_MB, [0xf7] = K_M, /* not, neg */
    [0xfa] = KNOWN, [0xfb] = KNOWN, /* cli, sti */
    [0xfe] = K_MB, [0xff] = K_M, /* inc, dec */
};

static const uint8_t two_byte[256] = {
    [0x00] = K_M, /* sldt, str */
    [0x01] = K_M, /* sgdt, sidt, smsw, xsetbv, rdtscp, invlpg */
    [0x06] = KNOWN, /* clts */
    [0x09] = KNOWN, /* wbinvd */
    [0x20] = K_M | REGS, [0x21] = K_M | REGS, /* mov from crN, drN */
    [0x22] = K_M | REGS, [0x23] = K_M | REGS, /* mov to crN, drN */
    [0x30] = KNOWN, [0x31] = KNOWN, [0x32] = KNOWN, /* wrmsr, rdtsc, rdmsr */
    [0xa2] = KNOWN, /* cpuid */
    [0xab] = K_M, [0xb3] = K_M, [0xbb] = K_M, [0xba] = K_M | IMM8, /* bts, btr, btc */
    [0xb0] = K_MB, [0xb1] = K_M, /* cmpxchg */
    [0xc0] = K_MB, [0xc1] = K_M, /* xadd */
    [0xc3] = K_M, /* movnti */
    [0xc7] = K_M, /* cmpxchg8b, cmpxchg16b */
};

#define PLACE(name) (offsetof(struct cpu_regs, name) / 8)
const uint8_t register_places[16] = {
    PLACE(rax), PLACE(rcx), PLACE(rdx), PLACE(rbx), PLACE(rsp), PLACE(rbp), PLACE(rsi), PLACE(rdi),
    PLACE(r8),  PLACE(r9),  PLACE(r10), PLACE(r11), PLACE(r12), PLACE(r13), PLACE(r14), PLACE(r15),
};
/* clang-format on */

/* `size` is 1, 2 or 4. */
static always_inline uint64_t take_signed(const uint8_t **code, unsigned int size)
{
    uint32_t value;

    __builtin_memcpy(&value, *code, sizeof(value));
    *code += size;
    if (size == 1) {
        return (uint64_t)(int8_t)value;
    }
    return size == 2 ? (uint64_t)(int16_t)value : (uint64_t)(int32_t)value;
}

#define REX_B 0x1u
#define REX_X 0x2u
#define REX_R 0x4u
#define REX_W 0x8u

/* With PREFIX_*, what the prefixes say. */
#define OPERAND_16    0x100u
#define ADDRESS_OTHER 0x200u
#define NO_PREFIX     UINT_MAX

/* `flags` with another prefix; NO_PREFIX if the byte is none. */
static unsigned int add_prefix(unsigned int flags, uint8_t byte)
{
    switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
        return flags; /* es, cs, ss, ds: flat */
    case 0x64:
        return (flags & ~PREFIX_GS) | PREFIX_FS;
    case 0x65:
        return (flags & ~PREFIX_FS) | PREFIX_GS;
    case 0x66:
        return flags | OPERAND_16;
    case 0x67:
        return flags | ADDRESS_OTHER;
    case 0xf0:
        return flags | PREFIX_LOCK;
    case 0xf2:
        return (flags & ~PREFIX_REP) | PREFIX_REPNE;
    case 0xf3:
        return (flags & ~PREFIX_REPNE) | PREFIX_REP;
    default:
        return NO_PREFIX;
    }
}

/* The memory operand of a ModRM byte; true if it is relative to the next instruction. */
static always_inline bool take_address(const uint8_t **code, const struct cpu_regs *regs,
                                       bool code64, unsigned int rex, struct instruction *out)
{
    unsigned int mod = out->modrm >> 6, base = out->modrm & 7u;
    bool no_base = mod == 0 && base == 5, relative = no_base && code64;
    uint64_t address = 0;

    if (base == 4) {
        unsigned int sib = *(*code)++, index = (sib >> 3 & 7u) | (rex & REX_X) << 2;

        base = sib & 7u;
        no_base = mod == 0 && base == 5;
        if (index != 4) {
            address = register_get(regs, index) << (sib >> 6);
        }
    }
    if (likely(!no_base)) {
        address += register_get(regs, base | (rex & REX_B) << 3);
    }
    if (mod == 1) {
        address += take_signed(code, 1);
    } else if (no_base || mod == 2) {
        address += take_signed(code, 4);
    }
    out->address = address;
    return relative;
}

/* ModRM and what belongs to it; false for a form that is not known. */
static always_inline bool take_modrm(const uint8_t **code, const struct cpu_regs *regs, bool code64,
                                     unsigned int rex, bool memory_allowed, struct instruction *out)
{
    unsigned int modrm = *(*code)++;

    out->modrm = (uint8_t)modrm;
    out->reg = (uint8_t)((modrm >> 3 & 7u) | (rex & REX_R) << 1);
    out->rm = (uint8_t)((modrm & 7u) | (rex & REX_B) << 3);
    if (modrm < 0xc0 && memory_allowed) {
        out->memory = true;
        out->relative = take_address(code, regs, code64, rex, out);
    }
    /* Two of the group f6 and f7 have an immediate; they are not among the known. */
    return likely((out->opcode & ~1u) != 0xf6) || (modrm >> 4 & 3u) != 0;
}

static always_inline uint8_t operand_size(unsigned int attributes, unsigned int flags,
                                          unsigned int rex)
{
    if ((attributes & BYTE) != 0) {
        return 1;
    }
    if ((rex & REX_W) != 0) {
        return 8;
    }
    return unlikely((flags & OPERAND_16) != 0) ? 2 : 4;
}

bool decode_instruction(const uint8_t *bytes, size_t count, const struct cpu_regs *regs,
                        bool code64, struct instruction *out)
{
    const uint8_t *code = bytes;
    unsigned int flags = 0, rex = 0, attributes, opcode;

    while ((attributes = one_byte[opcode = *code++]) == 0) {
        if (code == bytes + INSTRUCTION_LIMIT) {
            return false;
        }
        if (code64 && (opcode & 0xf0) == 0x40) {
            rex = opcode;
            continue;
        }
        rex = 0; /* it counts only right before the opcode */
        flags = add_prefix(flags, (uint8_t)opcode);
        if (flags == NO_PREFIX) {
            return false;
        }
    }
    if (opcode == 0x0f) {
        opcode = 0x0f00u | *code;
        attributes = two_byte[*code++];
    }
    if (unlikely(attributes == 0) || unlikely(!code64 && (flags & ADDRESS_OTHER) != 0)) {
        return false;
    }
    *out = (struct instruction){
        .opcode = (uint16_t)opcode,
        .size = operand_size(attributes, flags, rex),
        .address_size = likely(code64 && (flags & ADDRESS_OTHER) == 0) ? 8 : 4,
        .prefixes = (uint8_t)(flags | (rex != 0 ? PREFIX_REX : 0)),
    };
    if ((attributes & MODRM) != 0 &&
        !take_modrm(&code, regs, code64, rex, (attributes & REGS) == 0, out)) {
        return false;
    }
    if ((attributes & (IMM8 | IMMZ)) != 0) {
        out->immediate =
            take_signed(&code, (attributes & IMM8) != 0 ? 1 : MIN(4u, (unsigned int)out->size));
    }
    out->length = (uint8_t)(code - bytes);
    if (unlikely(out->relative)) {
        out->address += regs->rip + out->length;
    }
    if (unlikely(out->address_size == 4)) {
        out->address = (uint32_t)out->address;
    }
    return out->length <= MIN(count, (size_t)INSTRUCTION_LIMIT);
}

uint64_t register_read_part(const struct cpu_regs *regs, unsigned int number, unsigned int size,
                            bool rex)
{
    if (size == 1 && !rex && number >= 4) {
        return (uint8_t)(register_get(regs, number - 4) >> 8);
    }
    return register_get(regs, number) & UINT64_MAX >> (64 - 8 * size);
}

void register_write(struct cpu_regs *regs, unsigned int number, unsigned int size, bool rex,
                    uint64_t value)
{
    unsigned int shift = 0;
    uint64_t mask;

    if (size >= 4) {
        register_put(regs, number, size == 8 ? value : (uint32_t)value);
        return;
    }
    if (size == 1 && !rex && number >= 4) {
        number -= 4;
        shift = 8;
    }
    mask = (size == 2 ? UINT64_C(0xffff) : UINT64_C(0xff)) << shift;
    register_put(regs, number, (register_get(regs, number) & ~mask) | (value << shift & mask));
}
