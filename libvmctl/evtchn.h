/* SPDX-License-Identifier: MIT */
/*
 * Event channels of this process, through /dev/xen/evtchn.
 *
 * A port that fires is masked until evtchn_unmask().  The descriptor is readable
 * while ports are pending.  Functions return a port, 0, or a negative errno.
 * Ports are closed with the descriptor.
 */
#ifndef LIBVMCTL_EVTCHN_H
#define LIBVMCTL_EVTCHN_H

#include <stddef.h>
#include <stdint.h>

#include "libvmctl/error.h"

/* A descriptor (close-on-exec, not blocking), or a negative errno. */
int evtchn_open(struct vmctl_error *error);

int evtchn_bind_interdomain(int fd, uint32_t domid, uint32_t remote_port);
int evtchn_bind_virq(int fd, uint32_t virq);
int evtchn_unbind(int fd, uint32_t port);
int evtchn_notify(int fd, uint32_t port);

/* Up to `room` ports that have fired and are masked now: a count, or -EAGAIN when there is none. */
int evtchn_pending(int fd, uint32_t *ports, size_t room);
int evtchn_unmask(int fd, uint32_t port);

#endif
