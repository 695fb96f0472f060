/* SPDX-License-Identifier: MIT */
/*
 * Copies between granted pages and the caller's own.
 *
 * Each end of a copy stays open for the next element of the batch, which often
 * names the same page.  Open means: pinned (if a grant), and a reference to the
 * frame, for the destination a writable use.
 */
#include "hypervisor/domain/continuation.h"
#include "hypervisor/grant/internal.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/x86/softirq.h"

struct copy_end {
    bool open;
    bool granted;          /* by reference; else a frame of the caller's own */
    bool target;           /* written to */
    domid_t domid;         /* as the guest named it, as is `name` */
    uint64_t name;         /* reference or frame */
    struct domain *domain; /* a reference while open */
    struct grant_extent extent;
};

static inline unsigned int wanted_for(const struct copy_end *end)
{
    return end->target ? GRANT_WRITE : GRANT_READ;
}

static void end_close(struct copy_end *end)
{
    if (end->open) {
        end->open = false;
        frame_let_go(end->extent.frame, end->target);
        if (end->granted) {
            grant_unpin(end->domain->grants, (grant_ref_t)end->name, wanted_for(end));
        }
        domain_put(end->domain);
    }
}

static int end_pin(struct copy_end *end)
{
    struct grant_claim claim = { current->domain->id, (uint16_t)wanted_for(end) };

    if (end->granted) {
        return grant_pin(end->domain->grants, (grant_ref_t)end->name, claim, &end->extent);
    }
    if (unlikely(end->domid != DOMID_SELF)) {
        return GNTST_permission_denied; /* others' pages only by a grant */
    }
    end->extent = (struct grant_extent){ mfn(end->name), 0, PAGE_SIZE };
    return 0;
}

/* 0, GNTST_* or GRANT_AGAIN. */
static int end_open(struct copy_end *end, const struct gnttab_copy_ptr *pointer, bool granted)
{
    uint64_t name = granted ? pointer->u.ref : pointer->u.gmfn;
    int status;

    if (end->open) {
        if (end->name == name && end->domid == pointer->domid && end->granted == granted) {
            return 0;
        }
        end_close(end);
    }
    end->granted = granted;
    end->domid = pointer->domid;
    end->name = name;
    end->domain = domain_find_or_self(pointer->domid);
    if (unlikely(end->domain == NULL || domain_is_dying(end->domain))) {
        status = GNTST_bad_domain;
        goto put;
    }
    status = end_pin(end);
    if (unlikely(status != 0)) {
        goto put;
    }
    status = frame_hold(end->extent.frame, end->domain->id, end->target);
    if (unlikely(status != 0)) {
        goto unpin;
    }
    end->open = true;
    return 0;

unpin:
    if (granted) {
        grant_unpin(end->domain->grants, (grant_ref_t)name, wanted_for(end));
    }
put:
    domain_put(end->domain);
    return status;
}

static inline bool covers(const struct grant_extent *extent, uint32_t offset, uint32_t length)
{
    return offset >= extent->start && offset + length <= extent->end;
}

static int copy_one(struct copy_end *source, struct copy_end *target, const struct gnttab_copy *op)
{
    const uint8_t *from;
    uint8_t *to;
    int status;

    if (unlikely((uint32_t)op->source.offset + op->len > PAGE_SIZE ||
                 (uint32_t)op->dest.offset + op->len > PAGE_SIZE)) {
        return GNTST_bad_copy_arg;
    }
    status = end_open(source, &op->source, (op->flags & GNTCOPY_source_gref) != 0);
    if (unlikely(status != 0)) {
        return status;
    }
    status = end_open(target, &op->dest, (op->flags & GNTCOPY_dest_gref) != 0);
    if (unlikely(status != 0)) {
        return status;
    }
    if (unlikely(!covers(&source->extent, op->source.offset, op->len) ||
                 !covers(&target->extent, op->dest.offset, op->len))) {
        return GNTST_general_error;
    }
    from = (const uint8_t *)direct_map_mfn(source->extent.frame) + op->source.offset;
    to = (uint8_t *)direct_map_mfn(target->extent.frame) + op->dest.offset;
    if (unlikely(mfn_equal(source->extent.frame, target->extent.frame))) {
        memmove(to, from, op->len);
    } else {
        memcpy(to, from, op->len);
    }
    return 0;
}

long grant_copy(uint64_t argument, uint32_t count)
{
    struct gnttab_copy __guest *ops = guest_pointer(struct gnttab_copy, argument);
    struct copy_end source = { .target = false }, target = { .target = true };
    struct gnttab_copy op;
    long result = 0;
    int status;

    for (uint32_t i = 0; i < count; i++) {
        if (i != 0 && preempt_pending()) {
            result = grant_continue(GNTTABOP_copy, guest_address(&ops[i]), count - i);
            break;
        }
        result = copy_from_guest(&op, &ops[i]);
        if (unlikely(result != 0)) {
            break;
        }
        status = copy_one(&source, &target, &op);
        if (unlikely(status == GRANT_AGAIN)) {
            result = grant_continue(GNTTABOP_copy, guest_address(&ops[i]), count - i);
            break;
        }
        op.status = (int16_t)status;
        result = copy_to_guest(&ops[i].status, &op.status);
        if (unlikely(result != 0)) {
            break;
        }
    }
    end_close(&target);
    end_close(&source);
    return result;
}
