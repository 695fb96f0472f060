/* SPDX-License-Identifier: MIT */
/* User mode: an L4 of its own, entered by the iret hypercall, left by trap or system call. */
#include "tests/guests/lib/guest.h"

#define RFLAGS_IF 0x200UL

uint64_t *user_l4;
char user_stack[MAX_CPUS][USER_STACK_SIZE] __attribute__((aligned(4096)));

extern char user_start[];
void iret_enter(const struct iret_frame *frame, void **slot);

void user_setup(void)
{
    if (user_l4 == NULL) {
        uint64_t *l4 = page_alloc();

        l4[511] = kernel_l4[511];
        for (unsigned int slot = 0; slot < 256; slot++) {
            l4[slot] = kernel_l4[slot];
        }
        make_read_only(l4);
        if (mmuext_mfn(MMUEXT_PIN_L4_TABLE, va_mfn(l4)) != 0) {
            test_abort("cannot pin the user page table");
        }
        user_l4 = l4;
    }
    if (mmuext_mfn(MMUEXT_NEW_USER_BASEPTR, va_mfn(user_l4)) != 0) {
        test_abort("cannot set the user page table");
    }
}

struct iret_frame user_frame(unsigned long (*function)(unsigned long), unsigned long argument)
{
    return (struct iret_frame){
        .rip = (uint64_t)user_start,
        .cs = FLAT_USER_CS64,
        .rflags = RFLAGS_IF,
        .rsp = (uint64_t)(user_stack[this_cpu()->id] + USER_STACK_SIZE),
        .ss = FLAT_USER_SS,
        .rdi = argument,
        .rsi = (uint64_t)function,
    };
}

struct iret_frame kernel_frame(const void *rip)
{
    return (struct iret_frame){
        .rip = (uint64_t)rip,
        .cs = FLAT_KERNEL_CS & ~3UL,
        .rflags = this_cpu()->events_wanted ? RFLAGS_IF : 0,
        /* Any trap comes in on this stack, so it has to be one of ours with a struct cpu. */
        .rsp = (uint64_t)this_cpu() + STACK_SIZE / 2,
        .ss = FLAT_KERNEL_SS,
    };
}

struct trap frame_run(const struct iret_frame *frame)
{
    struct cpu *cpu = this_cpu();

    iret_enter(frame, &cpu->escape);
    return cpu->last;
}

struct trap user_run(unsigned long (*function)(unsigned long), unsigned long argument)
{
    struct iret_frame frame;

    user_setup();
    frame = user_frame(function, argument);
    return frame_run(&frame);
}

bool came_home(const struct trap *trap)
{
    return trap->vector == VECTOR_SYSCALL && trap->regs.rax == USER_EXIT;
}
