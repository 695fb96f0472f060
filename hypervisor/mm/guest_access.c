/* SPDX-License-Identifier: MIT */
/*
 * Copies between the core and the guest, each instruction allowed to fault.
 *
 * Words first, then the odd bytes, so that a fault in the middle of a word still
 * moves every byte that can be moved.
 */
#include "hypervisor/mm/guest_access.h"

/* The range a copy may touch is wholly the guest's, and not empty.  (The functions of words look at
   both ends only: their sizes are far below the core's hole.) */
static bool range_ok(uint64_t address, size_t size)
{
    uint64_t last = address + size - 1;

    return last >= address && (last < CORE_START || address >= CORE_END);
}

/* One body for both directions; which side is the guest's is the caller's business. */
static always_inline size_t copy(uint64_t to, uint64_t from, size_t size)
{
    size_t words = size / 8, bytes = size % 8;

    guest_access_begin();
    __asm__ volatile("1: rep movsq\n\t"
                     "mov %[bytes], %%rcx\n\t"
                     "2: rep movsb\n\t"
                     "jmp 4f\n\t"
                     "3: lea (%[bytes], %%rcx, 8), %%rcx\n\t" /* bytes not moved, in all */
                     "5: rep movsb\n\t"                       /* up to the very one that faults */
                     "4:\n\t" EXTABLE("1b", "3b") EXTABLE("2b", "4b") EXTABLE("5b", "4b")
                     : "+D"(to), "+S"(from), "+c"(words)
                     : [bytes] "r"(bytes)
                     : "memory");
    guest_access_end();
    return words;
}

size_t raw_copy_from_guest(void *to, const void __guest *from, size_t size)
{
    if (unlikely(!range_ok(guest_address(from), size))) {
        return size;
    }
    return copy((uint64_t)to, guest_address(from), size);
}

size_t raw_copy_to_guest(void __guest *to, const void *from, size_t size)
{
    if (unlikely(!range_ok(guest_address(to), size))) {
        return size;
    }
    return copy(guest_address(to), (uint64_t)from, size);
}

size_t raw_clear_guest(void __guest *to, size_t size)
{
    uint64_t address = guest_address(to);
    size_t left = size;

    if (unlikely(!range_ok(address, size))) {
        return size;
    }
    guest_access_begin();
    __asm__ volatile("1: rep stosb\n\t2:\n\t" EXTABLE("1b", "2b")
                     : "+D"(address), "+c"(left)
                     : "a"(0)
                     : "memory");
    guest_access_end();
    return left;
}
