/* SPDX-License-Identifier: MIT */
/*
 * Counters guests drive refuse at the limit: some of them are brought near it, as if
 * somebody held all those references, uses or grants; all are given back at the end.
 */
#include "tests/attack/world.h"

#include "hypervisor/grant/internal.h"
#include "hypervisor/mm/page_type.h"

#define HOLDS 8u

static struct hold {
    enum limit kind;
    uint64_t count;
    struct page *page;
    struct domain *granter;
    grant_ref_t ref;
} holds[HOLDS];
static unsigned int hold_count;

static bool hold_references(struct hold *hold, uint64_t goal)
{
    uint64_t now = hold->page->refs & PAGE_REF_COUNT;

    if (now == 0 || now >= goal) {
        return false;
    }
    hold->count = goal - now;
    atomic_fetch_add(&hold->page->refs, hold->count);
    return true;
}

/* With one reference for all uses, or the references would be too many first. */
static bool hold_uses(struct hold *hold, uint64_t goal)
{
    uint64_t use = hold->page->use;

    if (page_use_state(use) != PAGE_IN_USE || (use & PAGE_USE_COUNT) >= goal ||
        !page_get(hold->page, page_owner(hold->page))) {
        return false;
    }
    hold->count = goal - (use & PAGE_USE_COUNT);
    atomic_fetch_add(&hold->page->use, hold->count);
    return true;
}

void limits_hold_frame(enum limit kind, uint64_t frame, unsigned int left)
{
    struct hold *hold = &holds[hold_count];

    if (hold_count == HOLDS || !frame_is_ram(frame) ||
        page_owner(page_of(mfn(frame))) >= DOMAIN_LIMIT) {
        return;
    }
    *hold = (struct hold){ .kind = kind, .page = page_of(mfn(frame)) };
    if (kind == LIMIT_REFERENCES ? hold_references(hold, PAGE_REF_LIMIT + 1 - left)
                                 : hold_uses(hold, PAGE_USE_LIMIT - left)) {
        machine_tell("frame %lx: %lx %s held\n", frame, hold->count,
                     kind == LIMIT_REFERENCES ? "references" : "uses");
        hold_count++;
    }
}

void limits_hold_grant(domid_t id, grant_ref_t ref, unsigned int left)
{
    struct domain *granter = domain_find(id);
    struct grant_active *entry;
    uint32_t users;

    if (hold_count == HOLDS || granter == NULL || granter->grants == NULL ||
        !grant_ref_known(granter->grants, &ref)) {
        domain_put(granter);
        return;
    }
    entry = grant_active_of(granter->grants, ref);
    users = entry->use & GRANT_USERS;
    if (users == 0 || users + left >= GRANT_USERS) {
        domain_put(granter);
        return;
    }
    holds[hold_count] = (struct hold){
        .kind = LIMIT_GRANT, .count = GRANT_USERS - left - users, .granter = granter, .ref = ref
    };
    atomic_fetch_add(&entry->use, (uint32_t)holds[hold_count].count);
    machine_tell("grant %u of domain %u: %lx users held\n", ref, id, holds[hold_count].count);
    hold_count++;
}

void limits_expect(void (*held)(uint64_t frame, uint64_t refs, uint64_t uses))
{
    for (unsigned int i = 0; i < hold_count; i++) {
        const struct hold *hold = &holds[i];

        if (hold->kind == LIMIT_REFERENCES) {
            held(page_frame(hold->page).number, hold->count, 0);
        } else if (hold->kind == LIMIT_USES) {
            held(page_frame(hold->page).number, 1, hold->count);
        }
    }
}

uint64_t limits_users(const struct domain *granter)
{
    uint64_t users = 0;

    for (unsigned int i = 0; i < hold_count; i++) {
        users += holds[i].granter == granter ? holds[i].count : 0;
    }
    return users;
}

/* The last one as anybody gives it back. */
static void release(const struct hold *hold)
{
    int error;

    switch (hold->kind) {
    case LIMIT_REFERENCES:
        atomic_fetch_sub(&hold->page->refs, hold->count - 1);
        page_put(hold->page);
        return;
    case LIMIT_USES:
        atomic_fetch_sub(&hold->page->use, hold->count - 1);
        error = page_type_put_preemptible(hold->page);
        while (error == -XEN_ERESTART) {
            machine_leave();
            machine_settle();
            machine_enter(0);
            error = page_type_finish(hold->page);
        }
        page_put(hold->page);
        return;
    case LIMIT_GRANT:
        atomic_fetch_sub(&grant_active_of(hold->granter->grants, hold->ref)->use,
                         (uint32_t)hold->count - 1);
        grant_unpin(hold->granter->grants, hold->ref, GRANT_READ);
        domain_put(hold->granter);
    }
}

void limits_release(void)
{
    machine_enter(0);
    while (hold_count > 0) {
        release(&holds[--hold_count]);
    }
    machine_leave();
    machine_settle();
}
