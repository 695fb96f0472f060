/* SPDX-License-Identifier: MIT */
/*
 * Cache lines of a page, for who hands it to a device which does not snoop.  The
 * page is the caller's own; the control domain's drivers may name any domain's.
 */
#include "hypervisor/grant/internal.h"
#include "hypervisor/x86/percpu.h"

#define CACHE_LINE 64u /* of every CPU of this architecture */

static void flush_lines(const uint8_t *start, uint32_t length)
{
    const uint8_t *line = start - (uintptr_t)start % CACHE_LINE;

    __asm__ volatile("mfence" : : : "memory");
    for (; line < start + length; line += CACHE_LINE) {
        __asm__ volatile("clflush %0" : : "m"(*line) : "memory");
    }
    __asm__ volatile("mfence" : : : "memory");
}

static long flush_one(const struct gnttab_cache_flush *op)
{
    const struct domain *caller = current->domain;
    mfn_t frame = mfn_of_maddr(maddr(op->a.dev_bus_addr));

    if ((op->op & ~(GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL)) != 0 || op->offset >= PAGE_SIZE ||
        (uint32_t)op->offset + op->length > PAGE_SIZE || !frame_valid(frame)) {
        return -XEN_EINVAL;
    }
    if (op->length == 0 || op->op == 0) {
        return 0;
    }
    if (op->op == GNTTAB_CACHE_INVAL) {
        return -XEN_EOPNOTSUPP; /* dropping lines unwritten would show older contents */
    }
    if (!frame_get(frame, caller->privileged ? page_owner(page_of(frame)) : caller->id)) {
        return -XEN_EPERM;
    }
    flush_lines((const uint8_t *)direct_map_mfn(frame) + op->offset, op->length);
    page_put(page_of(frame));
    return 0;
}

long grant_cache_flush(uint64_t argument, uint32_t count)
{
    struct gnttab_cache_flush __guest *ops = guest_pointer(struct gnttab_cache_flush, argument);
    struct gnttab_cache_flush op;
    long error;

    for (uint32_t i = 0; i < count; i++) {
        if (i != 0 && preempt_pending()) {
            return grant_continue(GNTTABOP_cache_flush, guest_address(&ops[i]), count - i);
        }
        if (copy_from_guest(&op, &ops[i]) != 0) {
            return -XEN_EFAULT;
        }
        error = flush_one(&op);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}
