/* SPDX-License-Identifier: MIT */
/*
 * The hypercall: which command, how many requests.
 *
 * What is left of a batch that is interrupted comes back as a pointer and a
 * count, which are no different from a new call's.
 */
#include "hypervisor/grant/internal.h"

long grant_continue(uint32_t operation, uint64_t argument, uint32_t count)
{
    return hypercall_continue(__HYPERVISOR_grant_table_op, 3, operation, argument, count, 0);
}

/* The commands that take one request.  Which of them look at the count is the ABI's choice. */
static long single_op(uint32_t operation, uint64_t argument, uint32_t count)
{
    switch (operation) {
    case GNTTABOP_setup_table:
        return count == 1 ? grant_setup_table(argument) : -XEN_EINVAL;
    case GNTTABOP_get_status_frames:
        return count == 1 ? grant_status_frames(argument) : -XEN_EINVAL;
    case GNTTABOP_query_size:
        return count == 1 ? grant_query_size(argument) : -XEN_EINVAL;
    case GNTTABOP_set_version:
        return grant_set_version(argument);
    case GNTTABOP_get_version:
        return grant_get_version(argument);
    case GNTTABOP_transfer:
    case GNTTABOP_swap_grant_ref:
        return -XEN_EOPNOTSUPP; /* left out on purpose: docs/hypervisor/grants.md */
    default:
        return -XEN_ENOSYS;
    }
}

/* Both numbers are 32 bits wide in the ABI; what is above them in the registers is nobody's. */
long hypercall_grant_table_op(uint64_t operation, uint64_t argument, uint64_t count_word)
{
    uint32_t count = (uint32_t)count_word;
    bool ok;

    if (unlikely(count > INT32_MAX)) {
        return -XEN_EINVAL;
    }
    switch ((uint32_t)operation) {
    case GNTTABOP_map_grant_ref:
        return grant_map(argument, count);
    case GNTTABOP_unmap_grant_ref:
    case GNTTABOP_unmap_and_replace:
        return grant_unmap(argument, count, (uint32_t)operation);
    case GNTTABOP_copy:
        ok = array_ok(argument, count, sizeof(struct gnttab_copy));
        return likely(ok) ? grant_copy(argument, count) : -XEN_EFAULT;
    case GNTTABOP_cache_flush:
        ok = array_ok(argument, count, sizeof(struct gnttab_cache_flush));
        return likely(ok) ? grant_cache_flush(argument, count) : -XEN_EFAULT;
    default:
        return single_op((uint32_t)operation, argument, count);
    }
}
