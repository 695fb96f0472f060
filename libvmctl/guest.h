/* SPDX-License-Identifier: MIT */
/* What the files about whole guests share. */
#ifndef LIBVMCTL_GUEST_H
#define LIBVMCTL_GUEST_H

#include "libvmctl/guest_config.h"
#include "libvmctl/handle.h"

/* Destroy it.  Memory that somebody holds on to does not keep a guest from being gone. */
int guest_destroy(struct vmctl *handle, uint32_t domid, struct vmctl_error *error);

/* Remove what dom0 has of a domain: its nodes, and then its description. */
int guest_forget(struct vmctl *handle, uint32_t domid, struct vmctl_error *error);

/* "web (3) 512 MiB, db (4) 256 MiB": who has the machine's memory, the largest first. */
void guest_name_memory_holders(struct vmctl *handle, char *text, size_t size);

#endif
