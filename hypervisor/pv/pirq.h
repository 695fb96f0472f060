/* SPDX-License-Identifier: MIT */
/*
 * Physical interrupts of a domain: its numbers (pirqs) for interrupt lines.
 *
 * A pirq is mapped to a line, then bound to an event port; event/event.h has the
 * binding half.  docs/hypervisor/interrupts.md.
 */
#pragma once

#include "hypervisor/domain/domain.h"
#include "hypervisor/drivers/msi.h"

#define PIRQ_ANY (-1)

/* Beyond: -XEN_EINVAL.  Domains without devices have few, for what they ask of pirqs anyway. */
uint32_t pirq_limit(struct domain *domain);

/*
 * Name a line.  `wanted` is a pirq or PIRQ_ANY.  Returns the pirq (the same again
 * if the line has one), or -XEN_EINVAL, -XEN_EEXIST (one or the other is mapped
 * elsewhere), -XEN_ENOSPC, -XEN_ENOMEM; for messages also what msi_attach() returns.
 */
int must_check pirq_map_gsi(struct domain *domain, int32_t gsi, int32_t wanted);
int must_check pirq_map_message(struct domain *domain, const struct msi_request *request,
                                int32_t wanted);

/* -XEN_EINVAL if it is not mapped.  A pirq that is bound loses its line. */
int must_check pirq_unmap(struct domain *domain, int32_t pirq);

/* A number that no later mapping will choose; messages have the high ones. */
int must_check pirq_reserve(struct domain *domain, bool message);

/* How the pin is wired.  -XEN_EEXIST if that was said before or it is in use. */
int must_check pirq_setup_gsi(int32_t gsi, bool level, bool active_low);

/* The guest has dealt with it.  -XEN_EINVAL if it is not mapped. */
int pirq_eoi(struct domain *domain, uint32_t pirq);

/*
 * The page in which the guest sees which pirqs need an EOI; with `eoi_unmasks`, an
 * EOI also unmasks the pirq's port.  -XEN_EBUSY if there is
 * one already, -XEN_EINVAL if the frame is not the guest's or not writable,
 * -XEN_ERESTART to be called again.
 */
int must_check pirq_set_eoi_page(struct domain *domain, mfn_t frame, bool eoi_unmasks);

/* The domain is dying, its ports are closed: everything is given back. */
void pirqs_destroy(struct domain *domain);
