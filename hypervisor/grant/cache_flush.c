/* SPDX-License-Identifier: MIT */
/*
 * Cache lines of a page, for a driver domain that hands it to a device which
 * does not snoop.  The page is the caller's own, or one granted and in use.
 */
#include "hypervisor/grant/internal.h"
#include "hypervisor/x86/percpu.h"

#define CACHE_LINE 64u /* of every CPU of this architecture */

/* Does `user` use a grant of this frame now?  One walk through the table's records. */
static bool in_use_by(struct grant_table *table, domid_t user, mfn_t frame)
{
    uint32_t entries = atomic_load(&table->frames) * GRANT_V1_ENTRIES;
    bool found = false;

    for (grant_ref_t ref = 0; ref < entries && !found; ref++) {
        struct grant_active *entry = grant_active_of(table, ref);
        uint32_t use, version;

        if ((atomic_load_explicit(&entry->use, memory_order_relaxed) & GRANT_USERS) != 0) {
            use = grant_lock(table, entry, &version);
            found = (use & GRANT_USERS) != 0 && entry->user == user && entry->frame == frame.number;
            grant_unlock(entry, use);
        }
    }
    return found;
}

/* A reference to the frame if the caller has it by right: 0 or -XEN_EPERM. */
static int caller_frame_get(mfn_t frame)
{
    const struct domain *caller = current->domain;
    struct domain *owner;
    int error = -XEN_EPERM;

    if (frame_get(frame, caller->id)) {
        return 0;
    }
    owner = domain_find(page_owner(page_of(frame)));
    if (owner != NULL && owner->grants != NULL && frame_get(frame, owner->id)) {
        error = in_use_by(owner->grants, caller->id, frame) ? 0 : -XEN_EPERM;
        if (error != 0) {
            page_put(page_of(frame));
        }
    }
    domain_put(owner);
    return error;
}

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
    mfn_t frame = mfn_of_maddr(maddr(op->a.dev_bus_addr));
    int error;

    if ((op->op & ~(GNTTAB_CACHE_CLEAN | GNTTAB_CACHE_INVAL)) != 0 || op->offset >= PAGE_SIZE ||
        (uint32_t)op->offset + op->length > PAGE_SIZE) {
        return -XEN_EINVAL;
    }
    if (op->length == 0 || op->op == 0) {
        return 0;
    }
    if (op->op == GNTTAB_CACHE_INVAL) {
        return -XEN_EOPNOTSUPP; /* dropping lines unwritten would show older contents */
    }
    if (!frame_valid(frame)) {
        return -XEN_EINVAL;
    }
    error = caller_frame_get(frame);
    if (error != 0) {
        return error;
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
