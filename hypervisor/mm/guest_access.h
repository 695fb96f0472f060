/* SPDX-License-Identifier: MIT */
/*
 * The only way to touch guest memory.
 *
 * Guest pointers are `__guest`: under clang they live in an address space of
 * their own and cannot be dereferenced.  They are virtual addresses in the
 * address space that is loaded now: the calling vCPU's.
 *
 * Fetch once: copy a request into a local, check the local, use the local.
 * Another vCPU of the guest can change the original at any time.
 */
#pragma once

#include "guest-pv-headers/errno.h"
#include "guest-pv-headers/guest_ptr.h"
#include "hypervisor/x86/address_space.h"
#include "hypervisor/x86/extable.h"

/* SMAP: guest pages can be touched between the two only.  Patched to nops without it. */
#ifdef PARAVANE_CORE
#define guest_access_begin()                                                                \
    __asm__ volatile(                                                                       \
        "771: stac\n\t.pushsection .smap, \"a\"; .balign 4; .long 771b - .; .popsection" :: \
            : "memory")
#define guest_access_end()                                                                  \
    __asm__ volatile(                                                                       \
        "771: clac\n\t.pushsection .smap, \"a\"; .balign 4; .long 771b - .; .popsection" :: \
            : "memory")
#else
#define guest_access_begin() ((void)0)
#define guest_access_end()   ((void)0)
#endif

/* The number behind a guest pointer. */
#define guest_address(pointer) ((uint64_t)(pointer))

/* Both return how many bytes were NOT copied; 0 is success. */
size_t must_check raw_copy_from_guest(void *to, const void __guest *from, size_t size);
size_t must_check raw_copy_to_guest(void __guest *to, const void *from, size_t size);

/* Zero guest memory; the number of bytes not reached. */
size_t must_check raw_clear_guest(void __guest *to, size_t size);

static inline int must_check guest_fault(size_t left)
{
    return left == 0 ? 0 : -XEN_EFAULT;
}

/* 0, or -XEN_EFAULT.  `to` and `from` must point to the same type. */
#define copy_from_guest(to, from)                                     \
    ((void)sizeof((to) == (__typeof__(*(to)) *)NULL),                 \
     (void)sizeof((from) == (const __typeof__(*(to)) __guest *)NULL), \
     guest_fault(raw_copy_from_guest((to), (from), sizeof(*(to)))))

#define copy_to_guest(to, from)                                 \
    ((void)sizeof((to) == (__typeof__(*(from)) __guest *)NULL), \
     guest_fault(raw_copy_to_guest((to), (from), sizeof(*(from)))))

/* `count` elements; the caller has bounded count. */
#define copy_array_from_guest(to, from, count)                        \
    ((void)sizeof((from) == (const __typeof__(*(to)) __guest *)NULL), \
     guest_fault(raw_copy_from_guest((to), (from), sizeof(*(to)) * (count))))

#define copy_array_to_guest(to, from, count)                    \
    ((void)sizeof((to) == (__typeof__(*(from)) __guest *)NULL), \
     guest_fault(raw_copy_to_guest((to), (from), sizeof(*(from)) * (count))))

/* A hypercall argument as a guest pointer to a type. */
#define guest_pointer(type, argument) ((type __guest *)(uintptr_t)(argument))

/* What lies at the address a hypercall has as argument, of the type of *to or *from: as above. */
#define get_argument(to, argument) \
    guest_fault(raw_copy_from_guest((to), guest_pointer(const void, (argument)), sizeof(*(to))))
#define put_argument(argument, from) \
    guest_fault(raw_copy_to_guest(guest_pointer(void, (argument)), (from), sizeof(*(from))))

#ifdef PARAVANE_CORE
/* The operand of a single access, for the assembler to form the address. */
#define guest_word(address) (*(volatile uint64_t *)(uintptr_t)(address))

/*
 * One machine word, inline, for the hot paths: write 8 bytes at a guest address,
 * go to `fault` if it cannot be reached.  The caller has checked
 * guest_address_ok() and stands between begin and end.
 */
#define guest_write_word(address, value, fault)                       \
    __asm__ goto("1: movq %0, %1\n\t" EXTABLE("1b", "%l[" #fault "]") \
                 :                                                    \
                 : "r"((uint64_t)(value)), "m"(guest_word(address))   \
                 : "memory"                                           \
                 : fault)

/* gcc unrolls where it is told to; clang 14 cannot. */
#ifdef __clang__
#define UNROLLED
/* Nor does it know that where an asm goto falls through, it has written what it writes. */
#define TRUST_WORD(code)                                                    \
    _Pragma("clang diagnostic push")                                        \
        _Pragma("clang diagnostic ignored \"-Wconditional-uninitialized\"") \
            code _Pragma("clang diagnostic pop")
#else
#define TRUST_WORD(code) code
#define UNROLLED         _Pragma("GCC unroll 16")
#endif

/* `count` words, a constant of at most 16, each by one access: 0 or -XEN_EFAULT. */
static always_inline int must_check guest_read_words(uint64_t address, uint64_t *words,
                                                     size_t count)
{
    if (unlikely(!guest_address_ok(address) || !guest_address_ok(address + 8 * count - 1))) {
        return -XEN_EFAULT;
    }
    guest_access_begin();
    UNROLLED
    for (size_t i = 0; i < count; i++) {
        uint64_t word;

        __asm__ goto("1: movq %1, %0\n\t" EXTABLE("1b", "%l[fault]")
                     : "=r"(word)
                     : "m"(guest_word(address + 8 * i))
                     : "memory"
                     : fault);
        TRUST_WORD(words[i] = word;)
    }
    guest_access_end();
    return 0;

fault:
    guest_access_end();
    return -XEN_EFAULT;
}

/* 4 bytes, as a function that checks the address: the value, or -XEN_EFAULT. */
static always_inline int64_t guest_read_u32(uint64_t address)
{
    int64_t value = -XEN_EFAULT;

    if (unlikely(!guest_address_ok(address))) {
        return value;
    }
    guest_access_begin();
    /* A load of 32 bits clears the upper half. */
    __asm__ volatile("1: movl (%[address]), %k[value]\n"
                     "2:\n\t" EXTABLE("1b", "2b")
                     : [value] "+r"(value)
                     : [address] "r"(address)
                     : "memory");
    guest_access_end();
    return value;
}
#else
#define guest_write_word(address, value, fault)                               \
    do {                                                                      \
        uint64_t word_ = (value);                                             \
                                                                              \
        if (copy_to_guest(guest_pointer(uint64_t, (address)), &word_) != 0) { \
            goto fault;                                                       \
        }                                                                     \
    } while (0)

static inline int must_check guest_read_words(uint64_t address, uint64_t *words, size_t count)
{
    if (!guest_address_ok(address) || !guest_address_ok(address + 8 * count - 1)) {
        return -XEN_EFAULT;
    }
    return copy_array_from_guest(words, guest_pointer(const uint64_t, address), count);
}

static inline int64_t guest_read_u32(uint64_t address)
{
    uint32_t value;

    return copy_from_guest(&value, guest_pointer(const uint32_t, address)) == 0 ? (int64_t)value
                                                                                : -XEN_EFAULT;
}
#endif

/* The few words of an answer, at an address a guest named: 0 or -XEN_EFAULT. */
static always_inline int must_check copy_words_to_guest(uint64_t address, const uint64_t *words,
                                                        size_t count)
{
    if (unlikely(!guest_address_ok(address) || !guest_address_ok(address + 8 * count - 1))) {
        return -XEN_EFAULT;
    }
#ifdef PARAVANE_CORE
    uint64_t left = count;

    guest_access_begin();
    __asm__ volatile("1: rep movsq\n"
                     "2:\n\t" EXTABLE("1b", "2b")
                     : "+D"(address), "+S"(words), "+c"(left)
                     :
                     : "memory");
    guest_access_end();
    return guest_fault(left);
#else
    return guest_fault(raw_copy_to_guest(guest_pointer(void, address), words, 8 * count));
#endif
}
