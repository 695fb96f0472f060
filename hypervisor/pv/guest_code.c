/* SPDX-License-Identifier: MIT */
/*
 * What every emulated instruction starts and ends with: see guest_code.h.
 */
#include "hypervisor/pv/guest_code.h"

#include "hypervisor/domain/domain.h"
#include "hypervisor/pv/segments.h"
#include "hypervisor/pv/traps.h"
#include "hypervisor/x86/cpu.h"
#include "hypervisor/x86/percpu.h"

#define DR6_SINGLE_STEP UINT64_C(0x4000)

unsigned int pv_fetch_code(uint64_t rip, uint8_t bytes[GUEST_CODE_BYTES])
{
    unsigned int first = (unsigned int)(PAGE_SIZE - (rip & PAGE_MASK));
    size_t left;

    if (likely(first >= GUEST_CODE_BYTES)) {
        left = raw_copy_from_guest(bytes, guest_pointer(const uint8_t, rip), GUEST_CODE_BYTES);
        return likely(left == 0) ? GUEST_CODE_BYTES : 0;
    }
    if (raw_copy_from_guest(bytes, guest_pointer(const uint8_t, rip), first) != 0) {
        return 0;
    }
    left = raw_copy_from_guest(bytes + first, guest_pointer(const uint8_t, rip + first),
                               GUEST_CODE_BYTES - first);
    return GUEST_CODE_BYTES - (unsigned int)left;
}

bool pv_fetch_instruction(const struct cpu_regs *regs, struct instruction *out)
{
    uint8_t bytes[GUEST_CODE_BYTES];
    unsigned int count = pv_fetch_code(regs->rip, bytes);

    return decode_instruction(bytes, count, regs, pv_code_is_64bit(regs), out);
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
            pv_inject_exception(regs, VECTOR_DB, 0);
        }
    }
}
