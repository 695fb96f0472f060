/* SPDX-License-Identifier: MIT */
/* Asking paravane-check-schema about a guest.xml. */
#ifndef DOM0_TOOLS_VMCTL_SCHEMA_H
#define DOM0_TOOLS_VMCTL_SCHEMA_H

#include "libvmctl/guest_config.h"

/* -EINVAL: not valid, and `reporter` has been told why; others: it could not be asked. */
int schema_check(const char *text, size_t length, const struct guest_reporter *reporter,
                 struct vmctl_error *error);

#endif
