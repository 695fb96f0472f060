/* SPDX-License-Identifier: MIT */
/*
 * From a hypercall's number to its handler, and back for a continuation.
 *
 * A switch over the list compiles to comparisons and direct calls: no table a
 * guest's number could be made to speculate beyond, no indirect call.
 */
#include "hypervisor/domain/domain.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/mm/guest_access.h"
#include "hypervisor/x86/entry.h"

/* Where a continuation's arguments go while a multicall is under way on this CPU. */
struct continuation {
    bool in_multicall;
    unsigned int count; /* of arguments; 0: none was asked for */
    uint64_t args[4];
};
static struct continuation continuations[CPU_LIMIT];

#define ANY(vcpu)     true
#define CONTROL(vcpu) ((vcpu)->domain->privileged)

#define CALL1(handler) handler(a)
#define CALL2(handler) handler(a, b)
#define CALL3(handler) handler(a, b, c)
#define CALL4(handler) handler(a, b, c, d)

/* NOLINTBEGIN(misc-no-recursion): run_entry() refuses a multicall within a multicall. */
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

/* One entry; -XEN_ERESTART with its arguments replaced if it wants to be continued. */
static inline int run_entry(struct multicall_entry __guest *at)
{
    uint64_t base = guest_address(at);
    uint64_t words[6]; /* number, place of the result, arguments */
    uint64_t result = (uint64_t)-XEN_EINVAL;

    if (unlikely(guest_read_words(base, words, 6) != 0)) {
        return -XEN_EFAULT;
    }
    if (likely(words[0] != __HYPERVISOR_multicall)) { /* no nesting */
        result = (uint64_t)dispatch(words[0], words[2], words[3], words[4], words[5]);
    }
    if (unlikely(result == (uint64_t)-XEN_ERESTART)) {
        struct continuation *continuation = &continuations[cpu_id()];
        unsigned int replaced = continuation->count;

        continuation->count = 0;
        return copy_array_to_guest((uint64_t __guest *)at->args, continuation->args, replaced) == 0
                   ? -XEN_ERESTART
                   : -XEN_EFAULT;
    }
    guest_access_begin();
    guest_write_word(base + 8, result, fault);
    guest_access_end();
    return 0;
fault:
    guest_access_end();
    return -XEN_EFAULT;
}

long hypercall_multicall(uint64_t calls, uint64_t count)
{
    struct multicall_entry __guest *entries = guest_pointer(struct multicall_entry, calls);
    int error = 0;

    count = (uint32_t)count;
    continuations[cpu_id()] = (struct continuation){ .in_multicall = true };
    for (uint64_t i = 0; i < count && error == 0; i++) {
        error = i > 0 && preempt_pending() ? -XEN_ERESTART : run_entry(&entries[i]);
        if (error == -XEN_ERESTART) {
            calls = guest_address(&entries[i]);
            count -= i;
        }
        if (unlikely(atomic_load_explicit(&current->domain->shutting_down, memory_order_relaxed))) {
            break;
        }
    }
    continuations[cpu_id()].in_multicall = false;
    if (error == -XEN_ERESTART) {
        return hypercall_continue(__HYPERVISOR_multicall, 2, calls, count, 0, 0);
    }
    return error;
}
/* NOLINTEND(misc-no-recursion) */
