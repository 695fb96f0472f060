/* SPDX-License-Identifier: MIT */
/*
 * The domains the store knows: what they own, how much they use, and since when
 * their number is theirs.
 *
 * A domain has a record while it is introduced or owns a node, and then until
 * some domain ends.  Domain numbers come again: permissions that were given to
 * the former holder of a number (older than domains.ended[number]) count for
 * nothing.
 */
#ifndef DOM0_TOOLS_STORE_DOMAIN_H
#define DOM0_TOOLS_STORE_DOMAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0-tools/store/store_quota.h"

#define STORE_DOMIDS 0x7ff0U /* numbers from here on are not domains */

struct store_node;
struct store_connection;

struct store_domain {
    uint32_t domid;
    bool introduced;
    bool shutdown; /* @releaseDomain has told of its end */
    bool has_target;
    uint32_t target; /* whose nodes it may use as its own */
    uint64_t mfn;    /* as introduced */
    uint32_t port;
    struct store_connection *ring; /* NULL if not introduced */
    struct store_node *nodes;      /* those it owns */
    struct quota_use use;
    struct store_domain *next; /* of all */
    struct store_domain *previous;
};

struct store_domains {
    struct store_domain *of[STORE_DOMIDS];
    uint64_t ended[STORE_DOMIDS]; /* generation at which the last holder went */
    struct store_domain *all;
    struct quota_limits limits;
};

struct store_domains *domains_new(void);
void domains_free(struct store_domains *domains);

/* NULL if there is no record. */
static inline struct store_domain *domain_find(const struct store_domains *domains, uint32_t domid)
{
    return domid < STORE_DOMIDS ? domains->of[domid] : NULL;
}

/* With a record made where there was none; NULL: no memory. */
struct store_domain *domain_get(struct store_domains *domains, uint32_t domid);

/* Free the record if nothing needs it; may be NULL. */
void domain_drop(struct store_domains *domains, struct store_domain *domain);

#endif
