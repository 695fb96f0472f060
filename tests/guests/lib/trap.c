/* SPDX-License-Identifier: MIT */
/*
 * Traps: every entry of head.S ends in trap_dispatch().  A trap that a test provoked leaves
 * through the escape that try_call() or iret_enter() prepared; any other one fails the test.
 */
#include "tests/guests/lib/guest.h"

#define RFLAGS_IF 0x200UL

bool (*trap_hook)(struct regs *regs);
uint64_t failsafe_segments[4];

int try_call(void (*function)(void *), void *argument, void **slot);
extern char try_escape[];
void trap_dispatch(struct regs *regs);
void upcall(struct cpu *cpu);

void *trap_stub(unsigned int vector)
{
    return trap_stubs + (size_t)16 * vector;
}

void set_trap(unsigned int vector, unsigned int flags, const void *handler)
{
    struct trap_info table[2] = {
        { .vector = (uint8_t)vector,
          .flags = (uint8_t)flags,
          .cs = FLAT_KERNEL_CS,
          .address = (unsigned long)handler },
    };

    if (hypercall1(__HYPERVISOR_set_trap_table, table) != 0) {
        test_abort("cannot set a trap handler");
    }
}

void print_regs(const struct regs *regs)
{
    printf("vector %lu error %lx rip %lx cs %lx rflags %lx rsp %lx ss %lx\n", regs->vector,
           regs->error, regs->rip, regs->cs, regs->rflags, regs->rsp, regs->ss);
    printf("rax %lx rbx %lx rcx %lx rdx %lx rsi %lx rdi %lx rbp %lx cr2 %lx\n", regs->rax,
           regs->rbx, regs->rcx, regs->rdx, regs->rsi, regs->rdi, regs->rbp,
           this_cpu()->info->arch.cr2);
    printf("r8 %lx r9 %lx r10 %lx r11 %lx r12 %lx r13 %lx r14 %lx r15 %lx\n", regs->r8, regs->r9,
           regs->r10, regs->r11, regs->r12, regs->r13, regs->r14, regs->r15);
}

void trap_dispatch(struct regs *regs)
{
    struct cpu *cpu = this_cpu();

    if (regs->vector == VECTOR_UPCALL) {
        upcall(cpu);
        return;
    }
    if (trap_hook != NULL && trap_hook(regs)) {
        return;
    }
    if (cpu->escape == NULL) {
        print_regs(regs);
        test_abort("unexpected trap");
    }

    cpu->last.vector = (int)regs->vector;
    cpu->last.error = regs->error;
    cpu->last.cr2 = cpu->info->arch.cr2;
    cpu->last.regs = *regs;
    regs->rip = (uint64_t)try_escape;
    regs->rsp = (uint64_t)cpu->escape;
    regs->rflags = cpu->events_wanted ? RFLAGS_IF : 0;
    regs->cs = FLAT_KERNEL_CS & ~3UL;
    regs->ss = FLAT_KERNEL_SS;
}

struct trap try_call_trap(void (*function)(void *), void *argument)
{
    struct cpu *cpu = this_cpu();

    if (try_call(function, argument, &cpu->escape) == 0) {
        return (struct trap){ .vector = NO_TRAP };
    }
    return cpu->last;
}

static void read_byte(void *address)
{
    (void)*(const volatile uint8_t *)address;
}

struct trap try_read(const volatile void *address)
{
    return try_call_trap(read_byte, (void *)(uintptr_t)address);
}

struct write {
    volatile uint8_t *address;
    uint8_t value;
};

static void write_byte(void *argument)
{
    const struct write *request = argument;

    *request->address = request->value;
}

struct trap try_write(volatile void *address, uint8_t value)
{
    struct write request = { .address = address, .value = value };

    return try_call_trap(write_byte, &request);
}

void expect_trap_at(struct place place, const struct trap *trap, int vector, long error)
{
    expect_eq_at(place, trap->vector, vector, "vector");
    if (error != ANY_ERROR && vector != NO_TRAP) {
        expect_eq_at(place, (long)trap->error, error, "error code");
    }
}
