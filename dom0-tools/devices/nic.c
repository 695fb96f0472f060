/* SPDX-License-Identifier: MIT */
/* Interfaces of guests' network cards: see nic.h. */
#include "dom0-tools/devices/nic.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LEAST_MTU 68u
#define MOST_MTU  65535u

/* Digits only, up to `limit`; *end is what follows them. */
static bool number(const char *text, unsigned long limit, unsigned long *value, const char **end)
{
    char *stop;

    if (isdigit((unsigned char)text[0]) == 0) {
        return false;
    }
    errno = 0;
    *value = strtoul(text, &stop, 10);
    *end = stop;
    return errno == 0 && *value <= limit;
}

static int wanted_mtu(const struct nic_request *request, const struct netlink_link *bridge,
                      uint32_t *mtu, struct vmctl_error *error)
{
    unsigned long value = bridge->mtu;
    const char *end = "";

    if (request->mtu != NULL &&
        (!number(request->mtu, MOST_MTU, &value, &end) || *end != '\0' || value < LEAST_MTU)) {
        return vmctl_fail(error, -EINVAL, "MTU '%s' is not a number from %u to %u", request->mtu,
                          LEAST_MTU, MOST_MTU);
    }
    *mtu = (uint32_t)value;
    return 0;
}

/* The back end takes no notice of a rate it cannot read: that would be no limit at all. */
static int check_rate(const char *rate, struct vmctl_error *error)
{
    unsigned long bytes;
    unsigned long period;
    const char *end;

    if (rate == NULL || (number(rate, UINT32_MAX, &bytes, &end) && *end == ',' &&
                         number(end + 1, UINT32_MAX, &period, &end) && *end == '\0')) {
        return 0;
    }
    return vmctl_fail(error, -EINVAL, "rate '%s' is not \"bytes,microseconds\"", rate);
}

static int find_bridge(const struct nic_request *request, struct netlink *netlink,
                       struct netlink_link *bridge, struct vmctl_error *error)
{
    int r;

    if (request->bridge == NULL || request->bridge[0] == '\0') {
        (void)vmctl_fail(error, -EINVAL, "no bridge is named");
        vmctl_error_remedy(error, "say <source bridge='...'/>");
        return -EINVAL;
    }
    r = netlink_find(netlink, request->bridge, bridge, error);
    if (r == -ENODEV) {
        (void)vmctl_fail(error, r, "there is no bridge '%s'", request->bridge);
        vmctl_error_remedy(error, "make it: ip link add %s type bridge", request->bridge);
        return r;
    }
    if (r < 0) {
        return vmctl_context(error, r, "bridge '%s'", request->bridge);
    }
    if (strcmp(bridge->kind, "bridge") != 0) {
        return vmctl_fail(error, -EINVAL, "'%s' is an interface but not a bridge", request->bridge);
    }
    return 0;
}

/* Whether interface `name` is the one this device has, by now under another name. */
static bool is_ours(const struct nic_request *request, const char *name)
{
    char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s/bus/xen-backend/devices/vif-%u-%u/net/%s", request->sys,
                   request->domid, request->handle, name);
    return access(path, F_OK) == 0;
}

static int find_interface(const struct nic_request *request, struct netlink *netlink,
                          struct netlink_link *link, struct vmctl_error *error)
{
    char name[32];
    int r;

    (void)snprintf(name, sizeof(name), "vif%u.%u", request->domid, request->handle);
    r = netlink_find(netlink, name, link, error);
    if (r == -ENODEV && request->name != NULL && is_ours(request, request->name)) {
        r = netlink_find(netlink, request->name, link, error);
    }
    return r == -ENODEV ? vmctl_fail(error, -EAGAIN, "the back end has not made %s", name) : r;
}

static int give_name(const struct nic_request *request, struct netlink *netlink,
                     struct netlink_link *link, struct vmctl_error *error)
{
    int r = 0;

    if (request->name == NULL || strcmp(request->name, link->name) == 0) {
        return 0;
    }
    if (link->up) {
        r = netlink_set_up(netlink, link->index, false, error);
        link->up = false;
    }
    if (r == 0) {
        r = netlink_rename(netlink, link->index, request->name, error);
    }
    if (r == -EEXIST) {
        return vmctl_fail(error, r, "another interface is called '%s' already", request->name);
    }
    return r < 0 ? vmctl_context(error, r, "cannot call it '%s'", request->name) : 0;
}

/* MTU before bridge: a bridge takes on the least MTU of its ports. */
static int configure(const struct nic_request *request, struct netlink *netlink,
                     const struct netlink_link *bridge, uint32_t mtu, struct netlink_link *link,
                     struct vmctl_error *error)
{
    int r = give_name(request, netlink, link, error);

    if (r < 0) {
        return r;
    }
    if (!link->up) {
        r = netlink_set_silent(netlink, link->index, error);
        if (r < 0) {
            return vmctl_context(error, r, "cannot keep IPv6 off %s", link->name);
        }
    }
    if (link->mtu != mtu) {
        r = netlink_set_mtu(netlink, link->index, mtu, error);
        if (r < 0) {
            return vmctl_context(error, r, "cannot set MTU %u", mtu);
        }
    }
    if (link->master != bridge->index) {
        r = netlink_set_master(netlink, link->index, bridge->index, error);
        if (r < 0) {
            return vmctl_context(error, r, "cannot join bridge '%s'", request->bridge);
        }
    }
    if (!link->up) {
        r = netlink_set_up(netlink, link->index, true, error);
        if (r < 0) {
            return vmctl_context(error, r, "cannot switch on %s", link->name);
        }
    }
    return 0;
}

int nic_set_up(const struct nic_request *request, struct netlink *netlink,
               struct vmctl_error *error)
{
    struct netlink_link bridge = { .index = 0 };
    struct netlink_link link = { .index = 0 };
    uint32_t mtu = 0;
    int r = find_bridge(request, netlink, &bridge, error);

    if (r == 0) {
        r = wanted_mtu(request, &bridge, &mtu, error);
    }
    if (r == 0) {
        r = check_rate(request->rate, error);
    }
    if (r == 0) {
        r = find_interface(request, netlink, &link, error);
    }
    return r < 0 ? r : configure(request, netlink, &bridge, mtu, &link, error);
}
