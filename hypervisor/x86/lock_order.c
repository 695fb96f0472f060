/* SPDX-License-Identifier: MIT */
/*
 * The order of locks, checked as they are taken: debug builds only.  A lock that
 * was got by spin_trylock() cannot be waited for in a circle and is not noted.
 */
#include "hypervisor/lib/lock.h"

#include "hypervisor/lib/panic.h"
#include "hypervisor/x86/percpu.h"

#ifdef PARAVANE_DEBUG
void lock_order_take(uint8_t rank, bool second)
{
    uint32_t *held = &this_cpu()->locks_held;

    if (*held >> (second ? rank + 1 : rank) != 0) {
        panic("a lock of rank %u is taken with ranks %x held", rank, *held);
    }
    *held |= 1u << rank;
}

void lock_order_drop(uint8_t rank)
{
    this_cpu()->locks_held &= ~(1u << rank);
}
#endif
