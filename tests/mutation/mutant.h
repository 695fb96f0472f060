/* SPDX-License-Identifier: MIT */
/*
 * What conditions.py writes around a condition: it has its own value, or that of
 * the change with the number `mutant_now.id`.  Without a number, each change that
 * would have made a difference is noted, so that only tests which can tell are run.
 */
#ifndef TESTS_MUTATION_MUTANT_H
#define TESTS_MUTATION_MUTANT_H

#ifndef __ASSEMBLER__
#define MUTANT_NONE 0xffffffffu

/* mutate.py finds `mark` in the image of the core and writes the number behind it. */
struct mutant {
    char mark[12];
    unsigned int id;
};

#ifdef PARAVANE_CORE
/* Weak, for each object brings its own: no list of the core's files has one more. */
__attribute__((weak)) volatile struct mutant mutant_now = { "mutant here", MUTANT_NONE };
__attribute__((weak)) unsigned char mutant_noted[MUTANTS];
__attribute__((weak)) unsigned int mutant_lock;

#define MUTANT_PORT 0xe9 /* QEMU's debug console */

static inline void mutant_out(unsigned int value)
{
    __asm__ volatile("outb %b0, %w1" : : "a"(value), "Nd"(MUTANT_PORT));
}

/* Two bytes, together. */
static inline void mutant_note(unsigned int id)
{
    unsigned long flags;

    if (mutant_noted[id]) {
        return;
    }
    mutant_noted[id] = 1;
    __asm__ volatile("pushf; pop %0; cli" : "=r"(flags) : : "memory");
    while (__atomic_exchange_n(&mutant_lock, 1, __ATOMIC_ACQUIRE) != 0) {
    }
    mutant_out(id & 0xff);
    mutant_out(id >> 8);
    __atomic_store_n(&mutant_lock, 0, __ATOMIC_RELEASE);
    __asm__ volatile("push %0; popf" : : "r"(flags) : "memory", "cc");
}
#else
extern struct mutant mutant_now;    /* mutant.c */
extern unsigned char *mutant_noted; /* a file's contents */

static inline void mutant_note(unsigned int id)
{
    mutant_noted[id] = 1;
}
#endif

/* Change `id` has the value `changed`. */
static inline int mutant_or(unsigned int id, int value, int changed)
{
    unsigned int now = mutant_now.id;

    if (now == MUTANT_NONE && value != changed) {
        mutant_note(id);
    }
    return now == id ? changed : value;
}

/* Three changes: true, false, negated. */
static inline int mutant_bool(unsigned int id, int value)
{
    return mutant_or(id + 2, mutant_or(id + 1, mutant_or(id, value, 1), 0), !value);
}
#endif
#endif
