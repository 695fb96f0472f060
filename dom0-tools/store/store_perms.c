/* SPDX-License-Identifier: MIT */
/* Permissions of nodes: see store_perms.h. */
#include "dom0-tools/store/store_perms.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char letters[] = "nrwb"; /* by PERM_READ | PERM_WRITE */

struct store_perms *perms_new(const struct store_perm *entries, size_t count, uint64_t generation)
{
    struct store_perms *perms = malloc(sizeof(*perms) + count * sizeof(*entries));

    if (perms != NULL) {
        perms->references = 1;
        perms->count = (uint32_t)count;
        perms->generation = generation;
        memcpy(perms->entries, entries, count * sizeof(*entries));
    }
    return perms;
}

static bool still_meant(const struct store_domains *domains, uint32_t domid, uint64_t given)
{
    return domid >= STORE_DOMIDS || domains->ended[domid] < given;
}

struct store_perms *perms_for_owner(const struct store_domains *domains,
                                    const struct store_perms *from, uint32_t owner,
                                    uint64_t generation)
{
    struct store_perm entries[PERMS_LIMIT];
    size_t count = 1;

    entries[0] = (struct store_perm){ .domid = owner, .access = from->entries[0].access };
    for (uint32_t i = 1; i < from->count; i++) {
        if (still_meant(domains, from->entries[i].domid, from->generation)) {
            entries[count] = from->entries[i];
            count++;
        }
    }
    return perms_new(entries, count, generation);
}

void perms_drop(struct store_perms *perms)
{
    if (perms != NULL) {
        perms->references--;
        if (perms->references == 0) {
            free(perms);
        }
    }
}

static unsigned int access_of(const struct store_domains *domains, const struct store_perms *perms,
                              uint32_t domid)
{
    if (!still_meant(domains, domid, perms->generation)) {
        return perms->entries[0].access;
    }
    if (perms->entries[0].domid == domid) {
        return PERM_READ | PERM_WRITE | PERM_OWNER;
    }
    for (uint32_t i = 1; i < perms->count; i++) {
        if (perms->entries[i].domid == domid) {
            return perms->entries[i].access;
        }
    }
    return perms->entries[0].access;
}

unsigned int perms_access(const struct store_domains *domains, const struct store_perms *perms,
                          uint32_t domid)
{
    const struct store_domain *domain;
    unsigned int access;

    if (domid == 0) {
        return PERM_READ | PERM_WRITE | PERM_OWNER;
    }
    access = access_of(domains, perms, domid);
    domain = domain_find(domains, domid);
    if (domain != NULL && domain->has_target) {
        access |= access_of(domains, perms, domain->target);
    }
    return access;
}

int perms_parse(const char *text, size_t size, struct store_perm entries[PERMS_LIMIT])
{
    size_t at = 0;
    int count = 0;

    while (at < size) {
        const char *end = memchr(text + at, '\0', size - at);
        const char *letter = strchr(letters, text[at]);
        unsigned long domid = 0;

        if (end == NULL || letter == NULL || text[at] == '\0' || end == text + at + 1) {
            return -EINVAL;
        }
        if (count == PERMS_LIMIT) {
            return -ENOSPC;
        }
        for (const char *digit = text + at + 1; digit < end; digit++) {
            if (*digit < '0' || *digit > '9' || domid >= STORE_DOMIDS) {
                return -EINVAL;
            }
            domid = domid * 10 + (unsigned long)(*digit - '0');
        }
        if (domid >= STORE_DOMIDS) {
            return -EINVAL;
        }
        entries[count].domid = (uint32_t)domid;
        entries[count].access = (uint32_t)(letter - letters);
        count++;
        at = (size_t)(end - text) + 1;
    }
    return count == 0 ? -EINVAL : count;
}

size_t perms_format(const struct store_perm *entry, char text[16])
{
    return (size_t)snprintf(text, 16, "%c%u", letters[entry->access & 3], entry->domid) + 1;
}
