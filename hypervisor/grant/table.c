/* SPDX-License-Identifier: MIT */
/*
 * A domain's table: its frames and the commands that ask for them.
 *
 * The table only grows, and what is new is complete before the count of frames
 * covers it: whoever has read the count needs no lock.
 */
#include "hypervisor/grant/internal.h"
#include "hypervisor/lib/log.h"
#include "hypervisor/mm/heap.h"

/* A frame of the core that the domain may map and write; NULL if out of memory. */
static void *frame_lend(domid_t owner)
{
    struct page *page = heap_frames(0, HEAP_ANY_ADDRESS);

    if (page == NULL) {
        return NULL;
    }
    page_lend(page, owner, true);
    return page_address(page);
}

static void frame_take_back(void *frame)
{
    struct page *page;

    if (frame != NULL) {
        page = page_of(direct_map_frame(frame));
        if (page_unlend(page)) {
            heap_free_frames(page, 0);
        }
    }
}

int grant_add_status(struct grant_table *table, domid_t owner, uint32_t frames)
{
    uint32_t wanted = grant_status_needed(frames);

    for (uint32_t i = table->status_frames; i < wanted; i++) {
        table->status[i] = frame_lend(owner);
        if (table->status[i] == NULL) {
            return -XEN_ENOMEM;
        }
        table->status_frames = i + 1;
    }
    return 0;
}

/* All `frames` or none; a status frame made in vain is of use later. */
static int grow_locked(struct grant_table *table, domid_t owner, uint32_t frames)
    REQUIRES(table->lock)
{
    uint32_t old = atomic_load_explicit(&table->frames, memory_order_relaxed);
    uint32_t i;

    for (i = old; i < frames; i++) {
        table->shared[i] = frame_lend(owner);
        table->active[i] = heap_alloc(GRANT_V1_ENTRIES * sizeof(struct grant_active));
        if (table->shared[i] == NULL || table->active[i] == NULL) {
            goto undo;
        }
    }
    if (atomic_load(&table->version) == 2 && grant_add_status(table, owner, frames) != 0) {
        goto undo_before;
    }
    atomic_store_explicit(&table->frames, i, memory_order_release); /* never less than it was */
    return 0;

undo:
    i++;
undo_before:
    while (i-- > old) {
        frame_take_back(table->shared[i]);
        heap_free(table->active[i]);
        table->shared[i] = NULL;
        table->active[i] = NULL;
    }
    return -XEN_ENOMEM;
}

static int grow(struct domain *domain, uint64_t frames)
{
    struct grant_table *table = domain->grants;
    int error;

    if (frames > table->max_frames) {
        return -XEN_EINVAL;
    }
    spin_lock(&table->lock);
    error = grow_locked(table, domain->id, (uint32_t)frames);
    spin_unlock(&table->lock);
    return error;
}

int grant_table_create(struct domain *domain, uint32_t max_frames, uint32_t max_maptrack_frames)
{
    struct grant_table *table;

    if (max_frames > GRANT_FRAMES_MAX || max_maptrack_frames > GRANT_TRACK_MAX) {
        return -XEN_EINVAL;
    }
    table = heap_alloc(sizeof(*table));
    if (table == NULL) {
        return -XEN_ENOMEM;
    }
    spinlock_init(&table->lock, RANK_GRANT);
    atomic_init(&table->version, 1);
    table->max_frames = max_frames != 0 ? max_frames : GRANT_FRAMES_DEFAULT;
    table->max_track_frames = max_maptrack_frames != 0 ? max_maptrack_frames : GRANT_TRACK_DEFAULT;
    table->shared = heap_alloc(table->max_frames * sizeof(void *));
    table->active = heap_alloc(table->max_frames * sizeof(void *));
    table->status = heap_alloc(grant_status_needed(table->max_frames) * sizeof(void *));
    domain->grants = table;
    if (table->shared == NULL || table->active == NULL || table->status == NULL ||
        grow(domain, 1) != 0) {
        grant_table_destroy(domain);
        return -XEN_ENOMEM;
    }
    return 0;
}

void grant_table_destroy(struct domain *domain)
{
    struct grant_table *table = domain->grants;
    uint32_t frames;

    if (table == NULL) {
        return;
    }
    frames = atomic_load(&table->frames);
    for (uint32_t i = 0; i < frames; i++) {
        frame_take_back(table->shared[i]);
        heap_free(table->active[i]);
    }
    for (uint32_t i = 0; i < table->status_frames; i++) {
        frame_take_back(table->status[i]);
    }
    track_destroy(table);
    heap_free(table->status);
    heap_free(table->active);
    heap_free(table->shared);
    heap_free(table);
    domain->grants = NULL;
}

int grant_table_frame(struct domain *domain, uint32_t index, bool status, mfn_t *frame)
{
    const struct grant_table *table = domain->grants;
    uint64_t before = status ? (uint64_t)index * (GRANT_STATUS_ENTRIES / GRANT_V2_ENTRIES) : index;
    int error =
        status && atomic_load(&table->version) != 2 ? -XEN_EINVAL : grow(domain, before + 1);
    const void *place;

    if (error != 0) {
        return error;
    }
    place = status ? (const void *)table->status[index] : table->shared[index];
    *frame = direct_map_frame(place);
    return place != NULL ? 0 : -XEN_EINVAL; /* version 1 meanwhile */
}

int grant_command_domain(domid_t id, struct domain **domain)
{
    *domain = domain_find_or_self(id);
    if (*domain == NULL || (*domain)->grants == NULL) {
        domain_put(*domain);
        return GNTST_bad_domain;
    }
    if (*domain != current->domain && !current->domain->privileged) {
        domain_put(*domain);
        return GNTST_permission_denied;
    }
    return 0;
}

/* Tell the guest the first `count` of some frames, all there by now. */
#define LIST_LIMIT 1024u /* frames a table can have at all (grant_table_create) */

static int tell_frames(uint64_t __guest *list, void *const *frames, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t number = direct_map_frame(frames[i]).number;

        if (copy_to_guest(&list[i], &number) != 0) {
            return GNTST_bad_virt_addr;
        }
    }
    return 0;
}

long grant_setup_table(uint64_t argument)
{
    struct gnttab_setup_table __guest *guest = guest_pointer(struct gnttab_setup_table, argument);
    struct gnttab_setup_table op;
    struct domain *domain;
    int status;

    /* A count beyond any limit is the table's business, not the list's. */
    if (copy_from_guest(&op, guest) != 0 ||
        !array_ok(guest_address(op.frame_list), MIN(op.nr_frames, LIST_LIMIT), sizeof(xen_pfn_t))) {
        return -XEN_EFAULT;
    }
    status = grant_command_domain(op.dom, &domain);
    if (status == 0) {
        status = grow(domain, op.nr_frames) != 0 ? GNTST_general_error : 0;
        if (status == 0) {
            status = tell_frames(op.frame_list, domain->grants->shared, op.nr_frames);
        }
        domain_put(domain);
    }
    op.status = (int16_t)status;
    return copy_to_guest(&guest->status, &op.status);
}

long grant_status_frames(uint64_t argument)
{
    struct gnttab_get_status_frames __guest *guest =
        guest_pointer(struct gnttab_get_status_frames, argument);
    struct gnttab_get_status_frames op;
    struct domain *domain;
    int status;

    if (copy_from_guest(&op, guest) != 0 ||
        !array_ok(guest_address(op.frame_list), MIN(op.nr_frames, LIST_LIMIT), sizeof(uint64_t))) {
        return -XEN_EFAULT;
    }
    status = grant_command_domain(op.dom, &domain);
    if (status == 0) {
        const struct grant_table *table = domain->grants;
        uint32_t have = grant_status_needed(atomic_load(&table->frames));

        status = op.nr_frames > (atomic_load(&table->version) == 2 ? have : 0)
                     ? GNTST_general_error
                     : tell_frames(op.frame_list, (void *const *)table->status, op.nr_frames);
        domain_put(domain);
    }
    op.status = (int16_t)status;
    return copy_to_guest(&guest->status, &op.status);
}

long grant_query_size(uint64_t argument)
{
    struct gnttab_query_size __guest *guest = guest_pointer(struct gnttab_query_size, argument);
    struct gnttab_query_size op;
    struct domain *domain;
    int status;

    if (copy_from_guest(&op, guest) != 0) {
        return -XEN_EFAULT;
    }
    status = grant_command_domain(op.dom, &domain);
    if (status == 0) {
        op.nr_frames = atomic_load(&domain->grants->frames);
        op.max_nr_frames = domain->grants->max_frames;
        domain_put(domain);
    }
    op.status = (int16_t)status;
    return copy_to_guest(guest, &op);
}

/* Entries in use, at most so many: the console is slow. */
#define DUMP_LINES 64u

void grant_dump(const struct domain *domain)
{
    const struct grant_table *table = domain->grants;
    uint32_t frames = atomic_load(&table->frames), lines = 0;

    log_error("d%u grants: version %u, %u of %u frames, %u of %u map-track frames\n", domain->id,
              atomic_load(&table->version), frames, table->max_frames,
              atomic_load(&table->track_frames), table->max_track_frames);
    for (uint32_t ref = 0; ref < frames * GRANT_V1_ENTRIES && lines < DUMP_LINES; ref++) {
        const struct grant_active *entry = grant_active_of(table, ref);
        uint32_t use = atomic_load(&entry->use);

        /* Not locked: a line may be stale, and the CPU that holds a lock may be the broken one. */
        if ((use & GRANT_USERS) != 0) {
            log_error("  %u: frame %x for d%u, %u users, %u writers\n", ref, entry->frame,
                      entry->user, use & GRANT_USERS, (use & GRANT_WRITERS) / GRANT_WRITER);
            lines++;
        }
    }
}
