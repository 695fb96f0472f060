/* SPDX-License-Identifier: MIT */
/*
 * The library under the test guests: a PV kernel small enough to be read in one sitting.
 *
 * A test defines test_main() and calls expect().  start.c brings the guest up, runs it, prints
 * one verdict line for run.py and powers the machine off.
 */
#ifndef TESTS_GUESTS_LIB_GUEST_H
#define TESTS_GUESTS_LIB_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-pv-headers/arch-x86.h"
#include "guest-pv-headers/callback.h"
#include "guest-pv-headers/errno.h"
#include "guest-pv-headers/event_channel.h"
#include "guest-pv-headers/features.h"
#include "guest-pv-headers/grant_table.h"
#include "guest-pv-headers/memory.h"
#include "guest-pv-headers/physdev.h"
#include "guest-pv-headers/platform.h"
#include "guest-pv-headers/sched.h"
#include "guest-pv-headers/vcpu.h"
#include "guest-pv-headers/version.h"
#include "guest-pv-headers/xen.h"

#include "tests/guests/lib/hypercall.h"
#include "tests/guests/lib/layout.h"

#define PAGE_SIZE     4096UL
#define PAGE_SHIFT    12
#define VIRT_BASE     0xffffffff80000000UL
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n)        (1UL << (n))

/* ---- Verdict ---------------------------------------------------------------------------- */

void test_main(void);

#define expect(condition, what) expect_at(__FILE__, __LINE__, (condition), (what))
#define expect_eq(got, want, what) \
    expect_eq_at((struct place){ __FILE__, __LINE__ }, (long)(got), (long)(want), (what))

struct place {
    const char *file;
    int line;
};

bool expect_at(const char *file, int line, bool condition, const char *what);
bool expect_eq_at(struct place place, long got, long want, const char *what);

_Noreturn void test_skip(const char *why);
/* Give up at once: the guest itself could not be set up. */
_Noreturn void test_abort(const char *why);
/* For the tests whose right outcome is that the guest dies: say so, then do it. */
_Noreturn void test_survived(const char *what);
_Noreturn void power_off(void);

void printf_guest(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define printf printf_guest

/* ---- Start of day ------------------------------------------------------------------------ */

/* Registers at entry, in head.S's order. */
enum entry_register {
    ENTRY_RAX,
    ENTRY_RBX,
    ENTRY_RCX,
    ENTRY_RDX,
    ENTRY_RSI,
    ENTRY_RDI,
    ENTRY_RBP,
    ENTRY_RSP,
    ENTRY_R8,
    ENTRY_R15 = ENTRY_R8 + 7,
    ENTRY_RFLAGS,
    ENTRY_CS,
    ENTRY_SS,
    ENTRY_DS,
    ENTRY_ES,
    ENTRY_FS,
    ENTRY_GS,
    ENTRY_COUNT
};
extern uint64_t entry_state[ENTRY_COUNT];
extern struct start_info *start_info;
extern struct shared_info *shared;
/* vcpu_info's event fields as they were before anything was set up. */
extern uint8_t entry_upcall_mask, entry_upcall_pending;

extern char hypercall_page[];
extern char image_end[];
extern char trap_stubs[], syscall_entry[], syscall32_entry[], sysenter_entry[], nmi_entry[];
extern char upcall_entry[], failsafe_entry[];
extern uint64_t failsafe_segments[4];

/* ---- Traps ------------------------------------------------------------------------------- */

struct regs {
    uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
    uint64_t rbp, rdi, rsi, rdx, rbx, rcx, rax;
    uint64_t vector, error;
    uint64_t rip, cs, rflags, rsp, ss;
};

enum vector {
    VECTOR_DE = 0,
    VECTOR_DB = 1,
    VECTOR_BP = 3,
    VECTOR_OF = 4,
    VECTOR_BR = 5,
    VECTOR_UD = 6,
    VECTOR_NM = 7,
    VECTOR_TS = 10,
    VECTOR_NP = 11,
    VECTOR_SS = 12,
    VECTOR_GP = 13,
    VECTOR_PF = 14,
    VECTOR_MF = 16,
    VECTOR_AC = 17,
    VECTOR_XF = 19,
};

#define NO_TRAP (-1)

/* What stopped a piece of code; vector is NO_TRAP if nothing did. */
struct trap {
    int vector;
    uint64_t error, cr2;
    struct regs regs;
};

/* Call the function; come back when it returns or when it causes its first trap. */
struct trap try_call_trap(void (*function)(void *), void *argument);
struct trap try_read(const volatile void *address);
struct trap try_write(volatile void *address, uint8_t value);
void expect_trap_at(struct place place, const struct trap *trap, int vector, long error);
#define expect_trap(trap, vector, error) \
    expect_trap_at((struct place){ __FILE__, __LINE__ }, (trap), (vector), (error))
#define ANY_ERROR (-1L)

/* Sees every trap but upcalls first; true: resume with the (changed) registers. */
extern bool (*trap_hook)(struct regs *regs);

/* The table with which start.c begins: all vectors, DPL 3 for #BP, #OF and 0x80. */
void set_trap(unsigned int vector, unsigned int flags, const void *handler);
void *trap_stub(unsigned int vector);

void print_regs(const struct regs *regs);

/* ---- CPUs -------------------------------------------------------------------------------- */

/* At the bottom of each vCPU's stack. */
struct cpu {
    unsigned int id;
    bool events_wanted;
    void *escape; /* where try_call() or iret_enter() can be left */
    struct vcpu_info *info;
    struct trap last;
    volatile unsigned int upcalls;
    void (*volatile function)(void *);
    void *volatile argument;
    volatile bool done;
};

extern char stacks[MAX_CPUS][STACK_SIZE];

static inline struct cpu *this_cpu(void)
{
    uintptr_t stack;

    __asm__("movq %%rsp, %0" : "=r"(stack));
    return (struct cpu *)(stack & ~(uintptr_t)(STACK_SIZE - 1));
}

struct cpu *cpu_of(unsigned int id);
/* A context that boots vCPU `id` at secondary_entry. */
struct vcpu_guest_context *cpu_context(unsigned int id);
long cpu_initialise(unsigned int id, const struct vcpu_guest_context *context);
/* Bring vCPU `id` up, to run the function once and then wait with a true `done`. */
void cpu_start(unsigned int id, void (*function)(void *), void *argument);
void cpu_wait(unsigned int id);

/* ---- User mode ---------------------------------------------------------------------------- */

/* Eleven words that iret_enter() uses: the iret hypercall's nine, then rdi and rsi. */
struct iret_frame {
    uint64_t rax, r11, rcx, flags, rip, cs, rflags, rsp, ss;
    uint64_t rdi, rsi;
};

/*
 * User mode has an L4 of its own.  Its slot 511 is the kernel's, so that a function of the test
 * can simply be run there: guest kernel and guest user share ring 3.
 */
void user_setup(void);
extern uint64_t *user_l4;
/* A frame that runs the function in user mode. */
struct iret_frame user_frame(unsigned long (*function)(unsigned long), unsigned long argument);
/* A frame that goes on in kernel mode at `rip` with a stack of its own. */
struct iret_frame kernel_frame(const void *rip);
/* Run until the first trap; the exit system call of user_frame()'s function is one too. */
struct trap frame_run(const struct iret_frame *frame);
/* Run in user mode.  When it came home, vector is VECTOR_SYSCALL and the result is in regs.rdi. */
struct trap user_run(unsigned long (*function)(unsigned long), unsigned long argument);
bool came_home(const struct trap *trap);

#define USER_STACK_SIZE 8192
extern char user_stack[MAX_CPUS][USER_STACK_SIZE];

/* ---- Memory ------------------------------------------------------------------------------- */

#define PTE_P       BIT(0)
#define PTE_RW      BIT(1)
#define PTE_US      BIT(2)
#define PTE_PWT     BIT(3)
#define PTE_PCD     BIT(4)
#define PTE_A       BIT(5)
#define PTE_D       BIT(6)
#define PTE_PSE     BIT(7)
#define PTE_PAT     BIT(7)
#define PTE_G       BIT(8)
#define PTE_AVAIL   (7UL << 9)
#define PTE_NX      BIT(63)
#define PTE_ADDRESS 0x000ffffffffff000UL

#define PTE_READ_WRITE (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D)
#define PTE_READ_ONLY  (PTE_P | PTE_US | PTE_A | PTE_D)
#define PTE_TABLE      (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D)

#define M2P ((const volatile unsigned long *)0xffff800000000000UL)

static inline uint64_t pte(unsigned long mfn, uint64_t flags)
{
    return (mfn << PAGE_SHIFT) | flags;
}

static inline unsigned long pte_mfn(uint64_t entry)
{
    return (entry & PTE_ADDRESS) >> PAGE_SHIFT;
}

static inline unsigned int table_index(unsigned long va, unsigned int level)
{
    return (unsigned int)(va >> (PAGE_SHIFT + 9 * (level - 1))) & 511;
}

extern uint64_t *kernel_l4;

unsigned long pfn_mfn(unsigned long pfn);
void *mfn_to_va(unsigned long mfn);
/* The entry that maps `va` at this level (1 to 4): where we read it, and its machine address. */
uint64_t *entry_of(const volatile void *va, unsigned int level);
uint64_t entry_maddr(const volatile void *va, unsigned int level);
unsigned long va_mfn(const volatile void *va);
/* The machine address of any byte we have mapped. */
uint64_t va_maddr(const volatile void *va);
/* A zeroed page, writable, from a pool in the image; never freed. */
void *page_alloc(void);
/* A frame of ours that nothing maps at start of day. */
unsigned long spare_pfn(void);
/* A page of address space with an L1 entry that can be filled with anything. */
void *spare_va(void);

/* The first frame of our grant table; and that, mapped. */
unsigned long grant_table_frame(void);
void *grant_table_map(void);

long update_va(const volatile void *va, uint64_t entry, unsigned long flags);
void make_read_only(void *page);
void make_writable(void *page);
long mmu_update_one(uint64_t ptr, uint64_t value);
long mmu_update_foreign(uint64_t ptr, uint64_t value, unsigned int domid);
long set_entry(uint64_t *entry, uint64_t value);
long mmuext_mfn(unsigned int command, unsigned long mfn);
long mmuext_linear(unsigned int command, const volatile void *address);
/* An empty page, mapped read-only, so that it can become a table. */
uint64_t *table_alloc(void);
/* Map at any lower-half address of kernel and user, making tables on the way. */
void map_at(unsigned long va, uint64_t entry);
bool present_at(unsigned long va);

/* ---- Events and time ----------------------------------------------------------------------- */

#define PORTS 4096

extern volatile unsigned int port_count[PORTS];
/* Called from the upcall for each port, if set. */
extern void (*port_hook)(unsigned int port);
/* Called instead of the library's own scan, if set (FIFO, or tests of the upcall itself). */
extern void (*upcall_hook)(struct cpu *cpu);

void events_on(void);
void events_off(void);
void mask_port(unsigned int port);
void unmask_port(unsigned int port);
bool port_pending(unsigned int port);
void clear_port(unsigned int port);
/* A port of our own connected to a second one of ours: returns the first. */
unsigned int loop_ports(unsigned int *other);
long alloc_unbound(unsigned int *port);
long bind_virq(unsigned int virq, unsigned int vcpu, unsigned int *port);
long bind_ipi(unsigned int vcpu, unsigned int *port);
long port_close(unsigned int port);
long port_send(unsigned int port);

uint64_t read_tsc(void);
/* Nanoseconds since boot by this vCPU's vcpu_time_info. */
uint64_t now(void);
#define MILLISECOND 1000000UL
/* Spin (yielding) until the condition holds or so many milliseconds are over; tells which. */
#define wait_for(condition, milliseconds)                        \
    ({                                                           \
        uint64_t wait_end_ = now() + (milliseconds)*MILLISECOND; \
        while (!(condition) && now() < wait_end_) {              \
            hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0); \
        }                                                        \
        (condition);                                             \
    })

/*
 * Block until the condition, which an upcall makes true, holds.  Events are masked between the look
 * and the block, which opens the mask itself: nothing is lost in between.
 */
#define sleep_until(condition)                                   \
    do {                                                         \
        while (events_off(), !(condition)) {                     \
            this_cpu()->events_wanted = true;                    \
            hypercall2(__HYPERVISOR_sched_op, SCHEDOP_block, 0); \
        }                                                        \
        events_on();                                             \
    } while (false)

/* ---- Odds and ends -------------------------------------------------------------------------- */

#define barrier() __asm__ volatile("" : : : "memory")

void *memset(void *to, int value, size_t length);
void *memcpy(void *to, const void *from, size_t length);
int memcmp(const void *left, const void *right, size_t length);
size_t strlen(const char *string);
int strncmp(const char *left, const char *right, size_t length);

/* Addresses that no hypercall may be talked into using. */
#define BAD_UNMAPPED     ((void *)0x0000123456789000UL)
#define BAD_HYPERVISOR   ((void *)0xffff830000001000UL)
#define BAD_NONCANONICAL ((void *)0x0000900000000000UL)
#define BAD_TOP          ((void *)0xfffffffffffff000UL)

#endif
