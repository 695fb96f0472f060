/* SPDX-License-Identifier: MIT */
/*
 * A guest's network card on the host's side: the interface that the kernel's
 * back end makes, put on its bridge and switched on.
 *
 * It is the kernel's: it goes, and with it the bridge's port, when the back
 * end's device goes.
 */
#ifndef DOM0_TOOLS_DEVICES_NIC_H
#define DOM0_TOOLS_DEVICES_NIC_H

#include <stdint.h>

#include "dom0-tools/devices/netlink.h"

struct nic_request {
    uint32_t domid;
    uint32_t handle;
    const char *bridge; /* NULL: not named */
    const char *name;   /* wanted for the interface, or NULL: vif<domid>.<handle> */
    const char *mtu;    /* decimal, or NULL: the bridge's */
    const char *rate;   /* "bytes,microseconds" as the back end reads it, or NULL */
    const char *sys;    /* where sysfs is */
};

/*
 * Set it up; doing so again changes nothing.  0, or -EAGAIN: the back end has
 * not made the interface yet.  What can be known before is checked first: a
 * bridge that is not there is said at once.
 */
int nic_set_up(const struct nic_request *request, struct netlink *netlink,
               struct vmctl_error *error);

#endif
