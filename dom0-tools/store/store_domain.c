/* SPDX-License-Identifier: MIT */
/* Domains the store knows: see store_domain.h. */
#include "dom0-tools/store/store_domain.h"

#include <stdlib.h>

struct store_domains *domains_new(void)
{
    struct store_domains *domains = calloc(1, sizeof(*domains));

    if (domains != NULL) {
        quota_defaults(&domains->limits);
    }
    return domains;
}

void domains_free(struct store_domains *domains)
{
    if (domains == NULL) {
        return;
    }
    while (domains->all != NULL) {
        struct store_domain *next = domains->all->next;

        free(domains->all);
        domains->all = next;
    }
    free(domains);
}

struct store_domain *domain_get(struct store_domains *domains, uint32_t domid)
{
    struct store_domain *domain = domain_find(domains, domid);

    if (domain != NULL || domid >= STORE_DOMIDS) {
        return domain;
    }
    domain = calloc(1, sizeof(*domain));
    if (domain == NULL) {
        return NULL;
    }
    domain->domid = domid;
    domain->next = domains->all;
    if (domain->next != NULL) {
        domain->next->previous = domain;
    }
    domains->all = domain;
    domains->of[domid] = domain;
    return domain;
}

void domain_drop(struct store_domains *domains, struct store_domain *domain)
{
    if (domain == NULL || domain->introduced || domain->ring != NULL || domain->nodes != NULL ||
        domain->domid == 0) {
        return;
    }
    if (domain->next != NULL) {
        domain->next->previous = domain->previous;
    }
    if (domain->previous != NULL) {
        domain->previous->next = domain->next;
    } else {
        domains->all = domain->next;
    }
    domains->of[domain->domid] = NULL;
    free(domain);
}
