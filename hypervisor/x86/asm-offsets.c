/* SPDX-License-Identifier: MIT */
/*
 * What assembly needs to know of C's structures; made into asm_offsets.h.
 */
#include "hypervisor/domain/domain.h"
#include "hypervisor/x86/percpu.h"

#undef current /* the macro; the field is meant */

#define OFFSET(name, type, field) \
    __asm__ volatile("\n.ascii \"->" #name " %0\"" : : "i"(offsetof(type, field)))
#define SIZE(name, type) __asm__ volatile("\n.ascii \"->" #name " %0\"" : : "i"(sizeof(type)))

void asm_offsets(void);
void asm_offsets(void)
{
    OFFSET(REGS_RAX, struct cpu_regs, rax);
    OFFSET(REGS_ERROR_CODE, struct cpu_regs, error_code);
    OFFSET(REGS_VECTOR, struct cpu_regs, vector);
    OFFSET(REGS_RIP, struct cpu_regs, rip);
    OFFSET(REGS_CS, struct cpu_regs, cs);
    OFFSET(REGS_RFLAGS, struct cpu_regs, rflags);
    OFFSET(REGS_RSP, struct cpu_regs, rsp);
    OFFSET(CPU_CURRENT, struct cpu_info, current);
    OFFSET(CPU_SOFTIRQ, struct cpu_info, softirq_pending);
    SIZE(CPU_INFO_SIZE, struct cpu_info);
    OFFSET(VCPU_INFO, struct vcpu, info);
    OFFSET(VCPU_IS_IDLE, struct vcpu, is_idle);
    OFFSET(VCPU_KERNEL_MODE, struct vcpu, pv.kernel_mode);
}
