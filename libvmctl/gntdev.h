/* SPDX-License-Identifier: MIT */
/* Pages that guests grant to this domain, through /dev/xen/gntdev. */
#ifndef LIBVMCTL_GNTDEV_H
#define LIBVMCTL_GNTDEV_H

#include <stdint.h>

#include "libvmctl/error.h"

/* A descriptor (close-on-exec), or a negative errno. */
int gntdev_open(struct vmctl_error *error);

/* The page, or NULL; `prot` as for mmap(2). */
void *gntdev_map(int fd, uint32_t domid, uint32_t ref, int prot, struct vmctl_error *error);
int gntdev_unmap(int fd, void *page);

#endif
