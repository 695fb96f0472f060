/* SPDX-License-Identifier: MIT */
/*
 * Descriptions of guests between their end and their new beginning, and how
 * often each has ended soon: files in one directory, for a SIGKILL to leave.
 *
 * <uuid>.xml is a guest to be created; <uuid>.renaming one whose old domain is
 * still being renamed; <uuid>.failed one that could not be; <uuid>.ends a number.
 */
#ifndef DOM0_TOOLS_SUPERVISOR_KEEP_H
#define DOM0_TOOLS_SUPERVISOR_KEEP_H

#include <stddef.h>
#include <stdint.h>

#include "libvmctl/guest_config.h"

/* Makes the directory. */
int keep_open(const char *directory, struct vmctl_error *error);

#define KEEP_KIND_XML      "xml"
#define KEEP_KIND_RENAMING "renaming"
#define KEEP_KIND_FAILED   "failed"

int keep_write(const struct guest_config *config, const char *kind, struct vmctl_error *error);
/* -ENOENT: none is kept. */
int keep_read(const uint8_t uuid[16], const char *kind, struct guest_config **config,
              struct vmctl_error *error);
/* In one step; what was kept as `to` is replaced. */
int keep_turn(const uint8_t uuid[16], const char *from, const char *to, struct vmctl_error *error);
void keep_remove(const uint8_t uuid[16], const char *kind);

/* Those of a kind; for free(). */
int keep_list(const char *kind, uint8_t (**uuids)[16], size_t *count, struct vmctl_error *error);

unsigned int keep_ends(const uint8_t uuid[16]);
void keep_set_ends(const uint8_t uuid[16], unsigned int count);

#endif
