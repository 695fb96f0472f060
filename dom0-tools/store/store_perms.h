/* SPDX-License-Identifier: MIT */
/*
 * Permissions of a node: its owner, what everybody may do, and who may do more.
 *
 * Nodes share them (a child begins with its parent's), so they never change:
 * setting permissions puts others in their place.
 */
#ifndef DOM0_TOOLS_STORE_PERMS_H
#define DOM0_TOOLS_STORE_PERMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0-tools/store/store_domain.h"

#define PERM_READ  1U
#define PERM_WRITE 2U
#define PERM_OWNER 4U

#define PERMS_LIMIT 64 /* entries, for dom0 too */

struct store_perm {
    uint32_t domid;
    uint32_t access;
};

struct store_perms {
    uint32_t references;
    uint32_t count;
    uint64_t generation; /* when they were given: see store_domain.h */
    struct store_perm entries[];
};

/* One reference; NULL: no memory. */
struct store_perms *perms_new(const struct store_perm *entries, size_t count, uint64_t generation);
/* The same for another owner; what was given to domains that ended is left out. */
struct store_perms *perms_for_owner(const struct store_domains *domains,
                                    const struct store_perms *from, uint32_t owner,
                                    uint64_t generation);

static inline struct store_perms *perms_hold(struct store_perms *perms)
{
    perms->references++;
    return perms;
}

void perms_drop(struct store_perms *perms); /* may be NULL */

static inline uint32_t perms_owner(const struct store_perms *perms)
{
    return perms->entries[0].domid;
}

/* What `domid` may do: PERM_*. */
unsigned int perms_access(const struct store_domains *domains, const struct store_perms *perms,
                          uint32_t domid);

/* From "n0\0r5\0"; the number of entries or -EINVAL, -ENOSPC. */
int perms_parse(const char *text, size_t size, struct store_perm entries[PERMS_LIMIT]);

/* The entry as text with a zero byte; its size with it. */
size_t perms_format(const struct store_perm *entry, char text[16]);

#endif
