/* SPDX-License-Identifier: MIT */
/* Guests in words, for the commands that show them. */
#ifndef DOM0_TOOLS_VMCTL_STATES_H
#define DOM0_TOOLS_VMCTL_STATES_H

#include "dom0-tools/vmctl/output.h"

/* For people: what it is and, if it has ended, why. */
const char *state_words(const struct vmctl_guest *guest);
enum colour state_colour(const struct vmctl_guest *guest);

/* A guest without a name in the store is shown by its number. */
void guest_label(const struct vmctl_guest *guest, char *label, size_t size);

/* All fields, into the object that is open. */
void json_guest(struct json *json, const struct vmctl_guest *guest);

#endif
