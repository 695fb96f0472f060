/* SPDX-License-Identifier: MIT */
/*
 * Decoding the few instructions the core carries out for a guest: see decode.h.
 *
 * The tables say which opcodes exist and what follows them; the rest is the
 * machine's regular encoding.
 */
#include "hypervisor/pv/decode.h"

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
    [0x01] = K_M, /* xsetbv, rdtscp, invlpg, smsw, lmsw */
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

/* The bytes still to be read; `short_of` is set, for good, when they do not suffice. */
struct cursor {
    const uint8_t *next, *end;
    bool short_of;
};

static always_inline uint8_t take(struct cursor *code)
{
    if (unlikely(code->next == code->end)) {
        code->short_of = true;
        return 0;
    }
    return *code->next++;
}

/* `size` is 1, 2 or 4. */
static always_inline uint64_t take_signed(struct cursor *code, unsigned int size)
{
    uint32_t value = 0;

    if (size == 1) {
        return (uint64_t)(int8_t)take(code);
    }
    for (unsigned int i = 0; i < size; i++) {
        value |= (uint32_t)take(code) << (8 * i);
    }
    return size == 2 ? (uint64_t)(int16_t)value : (uint64_t)(int32_t)value;
}

#define REX_B 0x1u
#define REX_X 0x2u
#define REX_R 0x4u
#define REX_W 0x8u

struct prefixes {
    uint8_t flags; /* PREFIX_* */
    uint8_t rex;   /* the byte, 0 if there is none */
    bool operand16, address_other;
};

/* Note a prefix that is not REX; false if it is none. */
static bool note_prefix(uint8_t byte, struct prefixes *prefixes)
{
    switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
        return true; /* es, cs, ss, ds: flat */
    case 0x64:
        prefixes->flags = (uint8_t)((prefixes->flags & ~PREFIX_GS) | PREFIX_FS);
        return true;
    case 0x65:
        prefixes->flags = (uint8_t)((prefixes->flags & ~PREFIX_FS) | PREFIX_GS);
        return true;
    case 0x66:
        prefixes->operand16 = true;
        return true;
    case 0x67:
        prefixes->address_other = true;
        return true;
    case 0xf0:
        prefixes->flags |= PREFIX_LOCK;
        return true;
    case 0xf2:
        prefixes->flags = (uint8_t)((prefixes->flags & ~PREFIX_REP) | PREFIX_REPNE);
        return true;
    case 0xf3:
        prefixes->flags = (uint8_t)((prefixes->flags & ~PREFIX_REPNE) | PREFIX_REP);
        return true;
    default:
        return false;
    }
}

/* Read all prefixes; returns the first byte that is none. */
static always_inline uint8_t take_prefixes(struct cursor *code, bool code64, struct prefixes *out)
{
    for (;;) {
        uint8_t byte = take(code);

        if (code64 && (byte & 0xf0) == 0x40) {
            out->rex = byte;
            continue;
        }
        /* Most instructions that come here have none, and none begins with 0 to 0x25. */
        if (byte < 0x26 || !note_prefix(byte, out)) {
            return byte;
        }
        out->rex = 0; /* it counts only right before the opcode */
    }
}

/* The memory operand of a ModRM byte; true if it is relative to the next instruction. */
static bool take_address(struct cursor *code, const struct cpu_regs *regs, bool code64, uint8_t rex,
                         struct instruction *out)
{
    unsigned int mod = out->modrm >> 6, base = out->modrm & 7u;
    bool relative = false, no_base = mod == 0 && base == 5;
    uint64_t address = 0;

    if (base == 4) {
        uint8_t sib = take(code);
        unsigned int index = (sib >> 3 & 7u) | ((rex & REX_X) != 0 ? 8u : 0);

        base = sib & 7u;
        no_base = mod == 0 && base == 5;
        if (index != 4) {
            address = register_get(regs, index) << (sib >> 6);
        }
    } else {
        relative = no_base && code64;
    }
    if (!no_base) {
        address += register_get(regs, base | ((rex & REX_B) != 0 ? 8u : 0));
    }
    if (no_base || mod == 2) {
        address += take_signed(code, 4);
    } else if (mod == 1) {
        address += take_signed(code, 1);
    }
    out->address = address;
    return relative;
}

bool decode_instruction(const uint8_t *bytes, size_t count, const struct cpu_regs *regs,
                        bool code64, struct instruction *out)
{
    struct cursor code = { bytes, bytes + MIN(count, (size_t)INSTRUCTION_LIMIT), false };
    struct prefixes prefixes = { .flags = 0 };
    bool relative = false;
    uint8_t attributes, byte = take_prefixes(&code, code64, &prefixes);

    *out = (struct instruction){ .opcode = byte, .prefixes = prefixes.flags };
    attributes = one_byte[byte];
    if (byte == 0x0f) {
        byte = take(&code);
        out->opcode = (uint16_t)(0x0f00 | byte);
        attributes = two_byte[byte];
    }
    out->address_size = code64 != prefixes.address_other ? 8 : 4;
    if (unlikely(attributes == 0) || unlikely(!code64 && prefixes.address_other)) {
        return false;
    }
    if (prefixes.rex != 0) {
        out->prefixes |= PREFIX_REX;
    }
    out->size = (attributes & BYTE) != 0       ? 1
                : (prefixes.rex & REX_W) != 0  ? 8
                : unlikely(prefixes.operand16) ? 2
                                               : 4;

    if ((attributes & MODRM) != 0) {
        out->modrm = take(&code);
        out->reg = (uint8_t)((out->modrm >> 3 & 7u) | ((prefixes.rex & REX_R) != 0 ? 8u : 0));
        out->memory = out->modrm < 0xc0 && (attributes & REGS) == 0;
        if (out->memory) {
            relative = take_address(&code, regs, code64, prefixes.rex, out);
        } else {
            out->rm = (uint8_t)((out->modrm & 7u) | ((prefixes.rex & REX_B) != 0 ? 8u : 0));
        }
        /* Two of the group f6/f7 have an immediate; they are not among the known. */
        if (unlikely((out->opcode & ~1u) == 0xf6 && (out->modrm >> 4 & 3u) == 0)) {
            return false;
        }
    }
    if ((attributes & (IMM8 | IMMZ)) != 0) {
        out->immediate =
            take_signed(&code, (attributes & IMM8) != 0 ? 1 : MIN(4u, (unsigned int)out->size));
    }
    out->length = (uint8_t)(code.next - bytes);
    if (relative) {
        out->address += regs->rip + out->length;
    }
    if (out->address_size == 4) {
        out->address = (uint32_t)out->address;
    }
    return !code.short_of;
}

uint64_t register_read(const struct cpu_regs *regs, unsigned int number, unsigned int size,
                       bool rex)
{
    if (size == 8) {
        return register_get(regs, number);
    }
    if (size == 4) {
        return (uint32_t)register_get(regs, number);
    }
    if (size == 2) {
        return (uint16_t)register_get(regs, number);
    }
    if (!rex && number >= 4 && number < 8) {
        return (uint8_t)(register_get(regs, number - 4) >> 8);
    }
    return (uint8_t)register_get(regs, number);
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
    if (size == 1 && !rex && number >= 4 && number < 8) {
        number -= 4;
        shift = 8;
    }
    mask = (size == 2 ? UINT64_C(0xffff) : UINT64_C(0xff)) << shift;
    register_put(regs, number, (register_get(regs, number) & ~mask) | (value << shift & mask));
}
