/* SPDX-License-Identifier: MIT */
/*
 * What may stand where in a guest.xml, one function for each kind of value.
 * None of them keeps anything; words of a refusal name the value and what was
 * expected, not where it stood.  More of them, for everybody, in guest_config.h.
 */
#ifndef LIBVMCTL_CONFIG_VALUES_H
#define LIBVMCTL_CONFIG_VALUES_H

#include "libvmctl/guest_config.h"

#define GUEST_PATH_MAX    1023                 /* bytes */
#define GUEST_CMDLINE_MAX 1023                 /* what the start info page has room for */
#define GUEST_BRIDGE_MAX  15                   /* what Linux allows */
#define GUEST_MEMORY_MIN  (UINT64_C(1) << 10)  /* KiB */
#define GUEST_MEMORY_MAX  (UINT64_C(16) << 30) /* KiB: 16 TiB */

/* A whole number within [least, most]; *number is set only if it is one. */
int value_number(const char *text, int64_t least, int64_t most, int64_t *number,
                 struct vmctl_error *error);
/* An absolute path without control characters. */
int value_path(const char *text, struct vmctl_error *error);
/* Anything that fits into `most` bytes and has no control characters. */
int value_line(const char *text, size_t most, struct vmctl_error *error);
/* Name of a network interface or bridge. */
int value_interface(const char *text, struct vmctl_error *error);
int value_uuid(const char *text, uint8_t uuid[16], struct vmctl_error *error);
/* "0-3,^2,7". */
int value_cpuset(const char *text, struct guest_cpuset *set, struct vmctl_error *error);
/* The same, the other way round; room for `size` bytes, always terminated. */
void value_cpuset_format(const struct guest_cpuset *set, char *text, size_t size);
bool value_cpuset_is_any(const struct guest_cpuset *set);

/* The word of `count` in `words` that `wrong` was probably meant to be, or NULL. */
const char *value_meant(const char *wrong, const char *const *words, size_t count);

#endif
