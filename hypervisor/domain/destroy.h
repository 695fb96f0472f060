/* SPDX-License-Identifier: MIT */
/*
 * The parts of a domain's end that domain.c and destroy.c share.
 */
#pragma once

#include "hypervisor/domain/domain.h"

/* No reference is left: give back everything the core made for it. */
void domain_free(struct domain *domain);
void vcpu_free(struct vcpu *vcpu);

/* Its number is free for another. */
void domain_unlist(struct domain *domain);

/* Move the next frame to the list of those visited, and return it; NULL when all were. */
struct page *domain_visit_dying_page(struct domain *domain);
