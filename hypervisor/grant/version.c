/* SPDX-License-Identifier: MIT */
/*
 * The version of a table.
 *
 * It changes while other domains may try to use entries, and is 0 meanwhile: who
 * has locked an entry and then reads 0 lets go and waits, so once each entry was
 * seen unlocked, nobody is in the table.
 */
#include "hypervisor/grant/internal.h"
#include "hypervisor/lib/string.h"
#include "hypervisor/x86/percpu.h"

#define RESERVED GNTTAB_NR_RESERVED_ENTRIES
#define MARKS    ((uint64_t)(GTF_reading | GTF_writing))

/* The marks an entry has to carry, by the core's own record. */
static uint16_t marks_of(const struct grant_table *table, grant_ref_t ref)
{
    uint32_t use = atomic_load(&grant_active_of(table, ref)->use);
    uint32_t marks = ((use & GRANT_USERS) != 0 ? GTF_reading : 0) |
                     ((use & GRANT_WRITERS) != 0 ? GTF_writing : 0);

    return (uint16_t)marks;
}

/* Nobody is in the table, and no entry but the reserved ones is in use. */
static bool quiet(const struct grant_table *table, uint32_t entries) REQUIRES(table->lock)
{
    for (grant_ref_t ref = 0; ref < entries; ref++) {
        const struct grant_active *entry = grant_active_of(table, ref);
        uint32_t use;

        while (((use = atomic_load(&entry->use)) & GRANT_LOCKED) != 0) {
            spin_wait();
        }
        if (ref >= RESERVED && (use & GRANT_USERS) != 0) {
            return false;
        }
    }
    return true;
}

/*
 * Read before anything is changed: the reserved entries survive, each in the form
 * of version 1.  -XEN_ERANGE if a frame does not fit; what that form cannot tell is dropped.
 */
static int save(const struct grant_table *table, uint32_t version, uint64_t saved[RESERVED])
{
    for (grant_ref_t ref = 0; ref < RESERVED; ref++) {
        const union grant_entry_v2 *shared = grant_v2_entry(table, ref);
        uint32_t header = read_once(shared->__spacer[0]);
        uint64_t frame = read_once(shared->full_page.frame);

        if (version == 1) {
            saved[ref] = read_once(*grant_v1_word(table, ref)) & ~MARKS;
        } else if ((header & (GTF_type_mask | GTF_sub_page)) == GTF_permit_access) {
            if (frame > UINT32_MAX) {
                return -XEN_ERANGE;
            }
            saved[ref] = frame << 32 | (header & ~MARKS);
        }
    }
    return 0;
}

static void clear_frames(void *const *frames, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        page_clear(frames[i]);
    }
}

static void restore(struct grant_table *table, uint32_t version, const uint64_t saved[RESERVED])
{
    for (grant_ref_t ref = 0; ref < RESERVED; ref++) {
        if (version == 1) {
            write_once(*grant_v1_word(table, ref), saved[ref] | marks_of(table, ref));
        } else {
            grant_v2_entry(table, ref)->__spacer[0] = (uint32_t)saved[ref];
            grant_v2_entry(table, ref)->full_page.frame = saved[ref] >> 32;
            write_once(*grant_v2_status(table, ref), marks_of(table, ref));
        }
    }
}

/* Version 1 has no status frames: nobody may have them mapped any more. */
static bool status_mapped(const struct grant_table *table)
{
    for (uint32_t i = 0; i < table->status_frames; i++) {
        const struct page *page = page_of(direct_map_frame(table->status[i]));

        if ((atomic_load(&page->refs) & PAGE_REF_COUNT) > 1) {
            return true;
        }
    }
    return false;
}

/* `version` is not the one in force. */
static int change_version(struct grant_table *table, domid_t owner, uint32_t version)
    REQUIRES(table->lock)
{
    uint32_t frames = atomic_load(&table->frames);
    uint64_t saved[RESERVED] = { 0 };
    int error = -XEN_EBUSY;

    atomic_store(&table->version, 0);
    if (quiet(table, frames * GRANT_V1_ENTRIES)) {
        error = save(table, 3 - version, saved);
    }
    if (error == 0 && version == 2) {
        error = grant_add_status(table, owner, frames);
    } else if (error == 0 && status_mapped(table)) {
        error = -XEN_EBUSY;
    }
    if (error != 0) {
        atomic_store(&table->version, 3 - version);
        return error;
    }
    clear_frames(table->shared, frames);
    clear_frames((void *const *)table->status, table->status_frames);
    restore(table, version, saved);
    atomic_store(&table->version, version);
    return 0;
}

long grant_set_version(uint64_t argument)
{
    struct gnttab_set_version __guest *guest = guest_pointer(struct gnttab_set_version, argument);
    struct grant_table *table = current->domain->grants;
    struct gnttab_set_version op;
    int error = 0;

    if (copy_from_guest(&op, guest) != 0) {
        return -XEN_EFAULT;
    }
    if (op.version != 1 && op.version != 2) {
        error = -XEN_EINVAL;
    } else if (op.version == 2 && current->domain->grants_v1_only) {
        error = -XEN_ENOSYS;
    } else {
        spin_lock(&table->lock);
        if (atomic_load(&table->version) != op.version) {
            error = change_version(table, current->domain->id, op.version);
        }
        spin_unlock(&table->lock);
    }
    op.version = atomic_load(&table->version);
    return copy_to_guest(guest, &op) != 0 ? -XEN_EFAULT : error;
}

long grant_get_version(uint64_t argument)
{
    struct gnttab_get_version __guest *guest = guest_pointer(struct gnttab_get_version, argument);
    struct gnttab_get_version op;
    struct domain *domain;
    int status;

    if (copy_from_guest(&op, guest) != 0) {
        return -XEN_EFAULT;
    }
    status = grant_command_domain(op.dom, &domain);
    if (status != 0) {
        return status == GNTST_bad_domain ? -XEN_ESRCH : -XEN_EPERM;
    }
    spin_lock(&domain->grants->lock); /* so that 0 is never seen */
    op.version = atomic_load(&domain->grants->version);
    spin_unlock(&domain->grants->lock);
    domain_put(domain);
    return copy_to_guest(&guest->version, &op.version);
}
