/* SPDX-License-Identifier: MIT */
/*
 * Any bytes given to the instruction decoder, and what it makes of them to the
 * code that applies it to a page-table entry.  Built with --enable-fuzzing this
 * is a libFuzzer target; otherwise replay.c gives it the files of corpus/decode.
 *
 * The first byte chooses the mode and where in the entry the operand lies, the
 * next eight seed the registers.
 */
#include "hypervisor/pv/decode.h"
#include "hypervisor/pv/entry_apply.h"
#include "tests/unit/decode_bytes.h"

#include <stdlib.h>
#include <string.h>

#define HEADER 9u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void fill(struct cpu_regs *regs, uint64_t seed)
{
    for (unsigned int i = 0; i < 16; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        register_put(regs, i, seed);
    }
    regs->rip = seed >> 16;
    regs->rflags = 2;
}

static void check_fields(const struct instruction *insn)
{
    require(insn->length >= 1 && insn->length <= INSTRUCTION_LIMIT);
    require(insn->size == 1 || insn->size == 2 || insn->size == 4 || insn->size == 8);
    require(insn->address_size == 4 || insn->address_size == 8);
    require(insn->address_size == 8 || insn->address <= UINT32_MAX);
    require(insn->reg < 16 && insn->rm < 16);
    require(insn->opcode < 0x100 || insn->opcode >> 8 == 0x0f);
}

static void check_apply(const struct instruction *insn, const struct cpu_regs *regs,
                        unsigned int offset)
{
    const uint64_t before = UINT64_C(0x0123456789abcdef);
    struct entry_change change = { .entry = before };
    uint64_t touched = UINT64_MAX;

    if (!entry_apply(insn, offset, regs, &change)) {
        return;
    }
    require(change.target < 16 || change.target == TARGET_NONE || change.target == TARGET_PAIR);
    require(((change.rflags ^ regs->rflags) & ~UINT64_C(0x8d5)) == 0);
    if (insn->opcode != 0x0fc7 && insn->size < 8) {
        touched = ((UINT64_C(1) << (8 * insn->size)) - 1) << (8 * offset);
    }
    require(((change.entry ^ before) & ~touched) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cpu_regs regs = { .rip = 0 };
    struct instruction insn, again;
    uint64_t seed;
    bool code64;

    if (size < HEADER) {
        return 0;
    }
    code64 = (data[0] & 1) != 0;
    memcpy(&seed, data + 1, sizeof(seed));
    fill(&regs, seed);

    if (!decode_bytes(data + HEADER, size - HEADER, &regs, code64, &insn)) {
        return 0;
    }
    check_fields(&insn);
    require(insn.length <= size - HEADER);
    /* The bytes it names are just enough. */
    require(decode_bytes(data + HEADER, insn.length, &regs, code64, &again));
    require(again.length == insn.length && again.address == insn.address);
    require(!decode_bytes(data + HEADER, insn.length - 1u, &regs, code64, &again));
    check_apply(&insn, &regs, data[0] >> 1 & 7u);
    return 0;
}
