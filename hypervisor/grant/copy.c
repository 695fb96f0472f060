/* SPDX-License-Identifier: MIT */
/*
 * Copies between granted pages and the caller's own.
 *
 * Each end of a copy stays open for the next element of the batch, which often
 * names the same page.  Open means: pinned (if a grant), and a reference to the
 * frame, for the destination a writable use.
 */
#include "hypervisor/grant/internal.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/x86/percpu.h"

#define COPIES_BETWEEN_PREEMPTION 8u

/* The word with the status; it begins with len and flags. */
#define ANSWER offsetof(struct gnttab_copy, len)
_Static_assert(offsetof(struct gnttab_copy, status) == ANSWER + 4, "all in one word");

struct copy_end {
    unsigned int wanted; /* GRANT_READ: the source; GRANT_WRITE: the target */

    struct domain *domain; /* a reference, kept from page to page; NULL for none yet */
    domid_t domid;         /* as the guest named it */

    bool open;     /* down to the end */
    bool granted;  /* by reference; else a frame of the caller's own */
    uint64_t name; /* reference or frame, as the guest named it */
    mfn_t frame;
    uint32_t start, end; /* bytes of it; start may be beyond end: nothing */
};

static void end_close(struct copy_end *end)
{
    if (end->open) {
        end->open = false;
        frame_let_go(end->frame, end->wanted == GRANT_WRITE);
        if (end->granted) {
            grant_unpin(end->domain->grants, (grant_ref_t)end->name, end->wanted);
        }
    }
}

static int end_find_domain(struct copy_end *end, domid_t domid)
{
    if (end->domain == NULL || end->domid != domid) {
        domain_put(end->domain);
        end->domid = domid;
        end->domain = domain_find_or_self(domid);
    }
    return grant_usable(end->domain) ? 0 : GNTST_bad_domain;
}

/* 0, GNTST_* or GRANT_AGAIN. */
static int end_open(struct copy_end *end, domid_t domid, uint64_t name, bool granted)
{
    const struct grant_active *pinned;
    int status;

    end_close(end);
    status = end_find_domain(end, domid);
    if (unlikely(status != 0)) {
        return status;
    }
    end->granted = granted;
    end->name = name;
    if (granted) {
        status = grant_pin(end->domain->grants, (grant_ref_t)name, current->domain->id, end->wanted,
                           &pinned);
        if (unlikely(status != 0)) {
            return status;
        }
        end->frame = mfn(pinned->frame);
        end->start = pinned->start;
        end->end = pinned->end;
    } else {
        if (unlikely(domid != DOMID_SELF)) {
            return GNTST_permission_denied; /* others' pages only by a grant */
        }
        end->frame = mfn(name);
        end->start = 0;
        end->end = PAGE_SIZE;
    }
    status = frame_hold(end->frame, end->domain->id, end->wanted == GRANT_WRITE);
    end->open = likely(status == 0);
    if (unlikely(status != 0) && granted) {
        grant_unpin(end->domain->grants, (grant_ref_t)name, end->wanted);
    }
    return status;
}

static always_inline int end_use(struct copy_end *end, const struct gnttab_copy_ptr *pointer,
                                 bool granted)
{
    uint64_t name = granted ? pointer->u.ref : pointer->u.gmfn;

    if (end->open && end->name == name && end->domid == pointer->domid && end->granted == granted) {
        return 0;
    }
    return end_open(end, pointer->domid, name, granted);
}

static always_inline bool covers(const struct copy_end *end, uint32_t offset, uint32_t length)
{
    return offset >= end->start && offset + length <= end->end;
}

static always_inline int copy_one(struct copy_end *source, struct copy_end *target,
                                  const struct gnttab_copy *op)
{
    const uint8_t *from;
    uint8_t *to;
    int status;

    if (unlikely((uint32_t)op->source.offset + op->len > PAGE_SIZE ||
                 (uint32_t)op->dest.offset + op->len > PAGE_SIZE)) {
        return GNTST_bad_copy_arg;
    }
    status = end_use(source, &op->source, (op->flags & GNTCOPY_source_gref) != 0);
    if (unlikely(status != 0)) {
        return status;
    }
    status = end_use(target, &op->dest, (op->flags & GNTCOPY_dest_gref) != 0);
    if (unlikely(status != 0)) {
        return status;
    }
    if (unlikely(!covers(source, op->source.offset, op->len) ||
                 !covers(target, op->dest.offset, op->len))) {
        return GNTST_general_error;
    }
    from = (const uint8_t *)direct_map_mfn(source->frame) + op->source.offset;
    to = (uint8_t *)direct_map_mfn(target->frame) + op->dest.offset;
    memmove(to, from, op->len); /* perhaps within one page */
    return 0;
}

static long copy_all(struct gnttab_copy __guest *ops, uint32_t count, struct copy_end *source,
                     struct copy_end *target)
{
    struct gnttab_copy op;
    int status;

    for (uint32_t i = 0; i < count; i++) {
        if (i % COPIES_BETWEEN_PREEMPTION == 0 && i != 0 && preempt_pending()) {
            return grant_continue(GNTTABOP_copy, guest_address(&ops[i]), count - i);
        }
        if (unlikely(copy_from_guest(&op, &ops[i]) != 0)) {
            return -XEN_EFAULT;
        }
        status = copy_one(source, target, &op);
        if (unlikely(status == GRANT_AGAIN)) {
            return grant_continue(GNTTABOP_copy, guest_address(&ops[i]), count - i);
        }
        op.status = (int16_t)status;
        if (unlikely(answer_word(guest_address(&ops[i]), ANSWER, &op) != 0)) {
            return -XEN_EFAULT;
        }
    }
    return 0;
}

long grant_copy(uint64_t argument, uint32_t count)
{
    struct copy_end source = { .wanted = GRANT_READ }, target = { .wanted = GRANT_WRITE };
    long result = copy_all(guest_pointer(struct gnttab_copy, argument), count, &source, &target);

    end_close(&target);
    end_close(&source);
    domain_put(target.domain);
    domain_put(source.domain);
    return result;
}
