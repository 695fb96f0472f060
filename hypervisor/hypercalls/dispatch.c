/* SPDX-License-Identifier: MIT */
/*
 * From a hypercall's number to its handler, and back for a continuation.
 *
 * A switch over the list compiles to comparisons and direct calls: no table a
 * guest's number could be made to speculate beyond, no indirect call.
 */
#include "guest-pv-headers/errno.h"
#include "guest-pv-headers/xen.h"
#include "hypervisor/control/control.h"
#include "hypervisor/control/platform_op.h"
#include "hypervisor/domain/continuation.h"
#include "hypervisor/domain/domain.h"
#include "hypervisor/event/event.h"
#include "hypervisor/grant/grant.h"
#include "hypervisor/hypercalls/hypercall.h"
#include "hypervisor/hypercalls/hypercall_list.h"
#include "hypervisor/hypercalls/vcpu_op.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/pv/debug_registers.h"
#include "hypervisor/pv/mmu.h"
#include "hypervisor/pv/segments.h"
#include "hypervisor/pv/traps.h"
#include "hypervisor/sched/sched.h"
#include "hypervisor/time/vcpu_time.h"
#include "hypervisor/x86/entry.h"
#include "hypervisor/x86/percpu.h"

/* Where a continuation's arguments go while a multicall is under way on this CPU. */
struct continuation {
    bool in_multicall;
    bool wanted;
    unsigned int count;
    uint64_t args[4];
};
static struct continuation continuations[CPU_LIMIT];

#define ANY(vcpu)     true
#define CONTROL(vcpu) ((vcpu)->domain->privileged)

#define CALL1(handler) handler(a)
#define CALL2(handler) handler(a, b)
#define CALL3(handler) handler(a, b, c)
#define CALL4(handler) handler(a, b, c, d)

static always_inline long dispatch(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    switch (number) {
#define X(value, name, handler, count, who) \
    case value:                             \
        return who(current) ? CALL##count(handler) : -XEN_EPERM;
        HYPERCALL_LIST(X)
#undef X
    default:
        return -XEN_ENOSYS;
    }
}

long hypercall_dispatch(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return dispatch(number, a, b, c, d);
}

void hypercall_entry(struct cpu_regs *regs)
{
    long result = dispatch(regs->rax, regs->rdi, regs->rsi, regs->rdx, regs->r10);

    if (unlikely(result == -XEN_ERESTART)) {
        /* hypercall_continue() set the arguments; the instruction is executed again. */
        regs->rip -= 2;
        return;
    }
    regs->rax = (uint64_t)result;
}

long hypercall_continue(unsigned int number, unsigned int count, uint64_t a, uint64_t b, uint64_t c,
                        uint64_t d)
{
    struct continuation *continuation = &continuations[cpu_id()];
    struct cpu_regs *regs = &this_cpu()->regs;
    uint64_t args[4] = { a, b, c, d };

    if (continuation->in_multicall) {
        continuation->wanted = true;
        continuation->count = count;
        memcpy(continuation->args, args, count * sizeof(args[0]));
        return -XEN_ERESTART;
    }
    regs->rax = number;
    regs->rdi = a;
    regs->rsi = count > 1 ? b : regs->rsi;
    regs->rdx = count > 2 ? c : regs->rdx;
    regs->r10 = count > 3 ? d : regs->r10;
    return -XEN_ERESTART;
}

void hypercall_in_multicall(bool begin)
{
    continuations[cpu_id()] = (struct continuation){ .in_multicall = begin };
}

bool hypercall_continued(uint64_t args[4])
{
    struct continuation *continuation = &continuations[cpu_id()];

    if (!continuation->wanted) {
        return false;
    }
    continuation->wanted = false;
    memcpy(args, continuation->args, continuation->count * sizeof(args[0]));
    return true;
}
