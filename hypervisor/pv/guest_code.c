/* SPDX-License-Identifier: MIT */
/*
 * What every emulated instruction starts and ends with: see emulate.h.
 */
#include "hypervisor/pv/emulate.h"

#include "hypervisor/pv/segments.h"
#include "hypervisor/pv/traps.h"

#define DR6_SINGLE_STEP UINT64_C(0x4000)

/* The code ends in another page, which may not be there. */
static cold_path unsigned int fetch_across(uint64_t rip, uint64_t words[2])
{
    unsigned int first = (unsigned int)(PAGE_SIZE - (rip & PAGE_MASK));
    uint8_t *bytes = (uint8_t *)words;
    size_t left;

    if (raw_copy_from_guest(bytes, guest_pointer(const uint8_t, rip), first) != 0) {
        return 0;
    }
    left = raw_copy_from_guest(bytes + first, guest_pointer(const uint8_t, rip + first),
                               GUEST_CODE_BYTES - first);
    return GUEST_CODE_BYTES - (unsigned int)left;
}

inline unsigned int pv_fetch_code(uint64_t rip, uint64_t words[2])
{
    if (unlikely((rip & PAGE_MASK) > PAGE_SIZE - GUEST_CODE_BYTES)) {
        return fetch_across(rip, words);
    }
    return guest_read_words(rip, words, 2) == 0 ? GUEST_CODE_BYTES : 0;
}

bool pv_fetch_instruction(const struct cpu_regs *regs, struct instruction *out)
{
    uint64_t words[DECODE_BUFFER / 8] = { 0 };
    unsigned int count = pv_fetch_code(regs->rip, words);
    bool code64 = likely((uint16_t)regs->cs == FLAT_RING3_CS64) || pv_code_is_64bit(regs);

    return decode_instruction((const uint8_t *)words, count, regs, code64, out);
}

void pv_retire(struct cpu_regs *regs, unsigned int length)
{
    regs->rip += length;
    if (unlikely((regs->rip >> 32) == 1) && !pv_code_is_64bit(regs)) {
        regs->rip = (uint32_t)regs->rip;
    }
    if (unlikely((regs->rflags & (RFLAGS_TF | RFLAGS_RF)) != 0)) {
        regs->rflags &= ~(uint64_t)RFLAGS_RF;
        if ((regs->rflags & RFLAGS_TF) != 0) {
            current->pv.debug[6] |= DR6_SINGLE_STEP;
            pv_inject_exception(regs, current, VECTOR_DB, 0);
        }
    }
}
