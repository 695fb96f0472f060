/* SPDX-License-Identifier: MIT */
/*
 * Decoding the few instructions the core carries out for a guest.
 *
 * Pure: bytes and registers in, a description out; nothing of the machine is
 * touched.  What is not in the tables of decode.c is refused, and so are 16-bit
 * addresses.  Intel SDM volume 2A, chapter 2.
 */
#pragma once

#include "hypervisor/x86/regs.h"

#define INSTRUCTION_LIMIT 15u /* bytes; a longer one is #GP on the CPU, too */

#define PREFIX_LOCK  0x01u
#define PREFIX_REP   0x02u /* f3 */
#define PREFIX_REPNE 0x04u /* f2 */
#define PREFIX_FS    0x08u /* the segment's base is not in `address` */
#define PREFIX_GS    0x10u
#define PREFIX_REX   0x20u /* some REX byte counts: byte registers 4 to 7 are spl to dil */

struct instruction {
    uint16_t opcode;      /* 0x00XX, or 0x0fXX for the two-byte ones */
    uint8_t length;       /* all bytes */
    uint8_t size;         /* of the operand: 1, 2, 4 or 8 bytes */
    uint8_t address_size; /* 4 or 8 */
    uint8_t prefixes;     /* PREFIX_* */
    bool memory;          /* the r/m operand is memory, at `address` */
    bool relative;        /* ... counted from the next instruction */
    uint8_t modrm;        /* as it stands in the code */
    uint8_t reg, rm;      /* register numbers, 0 rax to 15 r15; rm means one only if !memory */
    uint64_t address;     /* without a segment's base */
    uint64_t immediate;   /* sign-extended */
};

/*
 * `bytes` is a buffer of DECODE_BUFFER bytes, of which the first `count` are code;
 * the others may be anything.  False if the code does not begin with a whole
 * instruction that is known here; what is in *out then means nothing.
 */
#define DECODE_BUFFER 32u
bool must_check decode_instruction(const uint8_t *bytes, size_t count, const struct cpu_regs *regs,
                                   bool code64, struct instruction *out);

/* Where the entry code put each register, in the order of their numbers, in words. */
extern const uint8_t register_places[16];

static inline uint64_t register_get(const struct cpu_regs *regs, unsigned int number)
{
    return ((const uint64_t *)(const void *)regs)[register_places[number & 15]];
}

static inline void register_put(struct cpu_regs *regs, unsigned int number, uint64_t value)
{
    ((uint64_t *)(void *)regs)[register_places[number & 15]] = value;
}

/*
 * The part of a register an operand of `size` bytes means.  Writing 4 bytes
 * clears the upper half; `rex` tells spl to dil from ah to bh, and there is none
 * without a register above 7.
 */
uint64_t register_read_part(const struct cpu_regs *regs, unsigned int number, unsigned int size,
                            bool rex);

static always_inline uint64_t register_read(const struct cpu_regs *regs, unsigned int number,
                                            unsigned int size, bool rex)
{
    return likely(size == 8) ? register_get(regs, number)
                             : register_read_part(regs, number, size, rex);
}

void register_write(struct cpu_regs *regs, unsigned int number, unsigned int size, bool rex,
                    uint64_t value);
