/* SPDX-License-Identifier: MIT */
/*
 * The little of rtnetlink that back ends of network cards need: find an
 * interface, name it, give it an MTU and a bridge, switch it on.
 *
 * Functions return 0 or a negative errno.  Where the kernel says in words why
 * it refuses, `error` has those words.
 */
#ifndef DOM0_TOOLS_DEVICES_NETLINK_H
#define DOM0_TOOLS_DEVICES_NETLINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libvmctl/error.h"

struct netlink {
    int fd;
    uint32_t sequence; /* of the last request */
};

struct netlink_link {
    int index;
    int master; /* index of the bridge it is a port of, 0: none */
    uint32_t mtu;
    bool up;
    char name[IFNAMSIZ];
    char kind[16]; /* "bridge", "vif", ...; empty for hardware */
};

int netlink_open(struct netlink *netlink, struct vmctl_error *error);
void netlink_close(struct netlink *netlink);

/* -ENODEV: there is no such interface. */
int netlink_find(struct netlink *netlink, const char *name, struct netlink_link *link,
                 struct vmctl_error *error);

/* The interface must be down. */
int netlink_rename(struct netlink *netlink, int index, const char *name, struct vmctl_error *error);
int netlink_set_mtu(struct netlink *netlink, int index, uint32_t mtu, struct vmctl_error *error);
/* `master` 0: out of its bridge. */
int netlink_set_master(struct netlink *netlink, int index, int master, struct vmctl_error *error);
int netlink_set_up(struct netlink *netlink, int index, bool up, struct vmctl_error *error);
/* dom0 is not to speak IPv6 on it; succeeds too where there is no IPv6 at all. */
int netlink_set_silent(struct netlink *netlink, int index, struct vmctl_error *error);

/*
 * A descriptor that becomes readable when an interface comes, goes or changes.
 * Events may be lost, so they say no more than "look again".
 */
int netlink_listen(struct vmctl_error *error);
void netlink_drain(int fd);

/*
 * What the kernel answered to request `sequence` (exposed for tests).  Takes
 * `size` bytes of reply; 1: not finished, read on; 0 or a negative errno: done.
 * `link` may be NULL.
 */
int netlink_take_reply(const void *reply, size_t size, uint32_t sequence, struct netlink_link *link,
                       struct vmctl_error *error);

#endif
