/* SPDX-License-Identifier: MIT */
/*
 * rtnetlink, as much as netlink.h offers.
 *
 * Every request asks for an acknowledgement, so a reply ends with NLMSG_ERROR
 * (0: done).  Structures are copied in and out of the byte buffers, because
 * nothing promises that they are aligned there.
 */
#include "dom0-tools/devices/netlink.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_SIZE 256u
#define REPLY_SIZE   32768u

struct request {
    uint8_t bytes[REQUEST_SIZE];
    size_t size;
};

struct span {
    const uint8_t *at;
    size_t size;
};

static size_t aligned(size_t size)
{
    return (size + NLMSG_ALIGNTO - 1) & ~(size_t)(NLMSG_ALIGNTO - 1);
}

static void request_put(struct request *request, const void *data, size_t size)
{
    memcpy(request->bytes + request->size, data, size);
    request->size += aligned(size);
}

/* Requests are small and ours: what does not fit is a fault of this file, and is left out. */
static void request_attribute(struct request *request, unsigned int type, const void *data,
                              size_t size)
{
    struct rtattr head = {
        .rta_len = (unsigned short)(sizeof(head) + size),
        .rta_type = (unsigned short)type,
    };

    if (request->size + sizeof(head) + aligned(size) <= REQUEST_SIZE) {
        request_put(request, &head, sizeof(head));
        request_put(request, data, size);
    }
}

static void request_begin(struct request *request, unsigned int type,
                          const struct ifinfomsg *interface)
{
    struct nlmsghdr head = { .nlmsg_type = (uint16_t)type };

    *request = (struct request){ .size = 0 };
    request_put(request, &head, sizeof(head));
    request_put(request, interface, sizeof(*interface));
}

/* --- replies ----------------------------------------------------------------- */

/* The next attribute of `rest`, or false at the end and at nonsense. */
static bool next_attribute(struct span *rest, unsigned int *type, struct span *value)
{
    struct rtattr head;
    size_t step;

    if (rest->size < sizeof(head)) {
        return false;
    }
    memcpy(&head, rest->at, sizeof(head));
    if (head.rta_len < sizeof(head) || head.rta_len > rest->size) {
        return false;
    }
    *type = head.rta_type & (unsigned int)NLA_TYPE_MASK;
    *value = (struct span){ rest->at + sizeof(head), head.rta_len - sizeof(head) };
    step = aligned(head.rta_len);
    if (step > rest->size) {
        step = rest->size;
    }
    rest->at += step;
    rest->size -= step;
    return true;
}

static uint32_t number_of(struct span value)
{
    uint32_t number = 0;

    if (value.size == sizeof(number)) {
        memcpy(&number, value.at, sizeof(number));
    }
    return number;
}

static void text_of(struct span value, char *text, size_t room)
{
    size_t length = strnlen((const char *)value.at, value.size);

    if (length >= room) {
        length = room - 1;
    }
    memcpy(text, value.at, length);
    text[length] = '\0';
}

static void take_kind(struct span info, struct netlink_link *link)
{
    struct span value;
    unsigned int type;

    while (next_attribute(&info, &type, &value)) {
        if (type == IFLA_INFO_KIND) {
            text_of(value, link->kind, sizeof(link->kind));
        }
    }
}

static int take_link(struct span body, struct netlink_link *link)
{
    struct ifinfomsg interface;
    struct span value;
    unsigned int type;

    if (body.size < sizeof(interface)) {
        return -EPROTO;
    }
    memcpy(&interface, body.at, sizeof(interface));
    body.at += aligned(sizeof(interface));
    body.size -= aligned(sizeof(interface));
    *link = (struct netlink_link){
        .index = interface.ifi_index,
        .up = (interface.ifi_flags & IFF_UP) != 0,
    };
    while (next_attribute(&body, &type, &value)) {
        if (type == IFLA_IFNAME) {
            text_of(value, link->name, sizeof(link->name));
        } else if (type == IFLA_MTU) {
            link->mtu = number_of(value);
        } else if (type == IFLA_MASTER) {
            link->master = (int)number_of(value);
        } else if (type == IFLA_LINKINFO) {
            take_kind(value, link);
        }
    }
    return 0;
}

/* The kernel's own words, if it has any, come behind the error as an attribute. */
static int take_error(struct span body, bool has_words, struct vmctl_error *error)
{
    char words[128] = "";
    struct nlmsgerr report;
    struct span value;
    unsigned int type;
    int code;

    if (body.size < sizeof(report)) {
        return vmctl_fail(error, -EPROTO, "netlink: the kernel's answer is cut short");
    }
    memcpy(&report, body.at, sizeof(report));
    if (report.error == 0) {
        return 0;
    }
    code = report.error < 0 ? report.error : -EPROTO;
    body.at += sizeof(report);
    body.size -= sizeof(report);
    while (has_words && next_attribute(&body, &type, &value)) {
        if (type == NLMSGERR_ATTR_MSG) {
            text_of(value, words, sizeof(words));
        }
    }
    return vmctl_fail(error, code, "%s", words[0] != '\0' ? words : strerror(-code));
}

int netlink_take_reply(const void *reply, size_t size, uint32_t sequence, struct netlink_link *link,
                       struct vmctl_error *error)
{
    struct span rest = { reply, size };
    struct nlmsghdr head;

    while (rest.size >= sizeof(head)) {
        struct span body;
        size_t step;
        int r = 0;

        memcpy(&head, rest.at, sizeof(head));
        if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > rest.size) {
            return vmctl_fail(error, -EPROTO, "netlink: the kernel's answer is cut short");
        }
        body = (struct span){ rest.at + sizeof(head), head.nlmsg_len - sizeof(head) };
        step = aligned(head.nlmsg_len) < rest.size ? aligned(head.nlmsg_len) : rest.size;
        rest.at += step;
        rest.size -= step;
        if (head.nlmsg_seq != sequence) {
            continue; /* the late answer to a request given up */
        }
        if (head.nlmsg_type == NLMSG_ERROR) {
            return take_error(body, (head.nlmsg_flags & NLM_F_ACK_TLVS) != 0, error);
        }
        if (head.nlmsg_type == RTM_NEWLINK && link != NULL) {
            r = take_link(body, link);
        }
        if (r < 0) {
            return vmctl_fail(error, r, "netlink: an interface cannot be read");
        }
    }
    return 1;
}

/* --- requests ---------------------------------------------------------------- */

static int receive(struct netlink *netlink, struct netlink_link *link, struct vmctl_error *error)
{
    uint8_t reply[REPLY_SIZE];
    int r;

    do {
        ssize_t size = recv(netlink->fd, reply, sizeof(reply), MSG_TRUNC);

        if (size < 0 && errno == EINTR) {
            r = 1;
            continue;
        }
        if (size < 0) {
            return vmctl_fail(error, -errno, "netlink: %s", strerror(errno));
        }
        if ((size_t)size > sizeof(reply)) {
            return vmctl_fail(error, -EMSGSIZE, "netlink: an answer of %zd bytes", size);
        }
        r = netlink_take_reply(reply, (size_t)size, netlink->sequence, link, error);
    } while (r == 1);
    return r;
}

static int transact(struct netlink *netlink, struct request *request, struct netlink_link *link,
                    struct vmctl_error *error)
{
    struct nlmsghdr head;

    memcpy(&head, request->bytes, sizeof(head));
    head.nlmsg_len = (uint32_t)request->size;
    head.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    head.nlmsg_seq = ++netlink->sequence;
    memcpy(request->bytes, &head, sizeof(head));
    while (send(netlink->fd, request->bytes, request->size, 0) < 0) {
        if (errno != EINTR) {
            return vmctl_fail(error, -errno, "netlink: %s", strerror(errno));
        }
    }
    return receive(netlink, link, error);
}

int netlink_find(struct netlink *netlink, const char *name, struct netlink_link *link,
                 struct vmctl_error *error)
{
    struct ifinfomsg any = { .ifi_family = AF_UNSPEC };
    struct netlink_link found = { .index = 0 };
    uint32_t fields = RTEXT_FILTER_SKIP_STATS;
    struct request request;
    int r;

    if (name[0] == '\0' || strlen(name) >= IFNAMSIZ) {
        return vmctl_fail(error, -ENODEV, "no interface can be called '%s'", name);
    }
    request_begin(&request, RTM_GETLINK, &any);
    request_attribute(&request, IFLA_IFNAME, name, strlen(name) + 1);
    request_attribute(&request, IFLA_EXT_MASK, &fields, sizeof(fields));
    r = transact(netlink, &request, &found, error);
    if (r < 0) {
        return r;
    }
    if (found.index <= 0) {
        return vmctl_fail(error, -EPROTO, "netlink: no answer about interface '%s'", name);
    }
    *link = found;
    return 0;
}

static int set_attribute(struct netlink *netlink, int index, unsigned int type, const void *data,
                         size_t size, struct vmctl_error *error)
{
    struct ifinfomsg interface = { .ifi_family = AF_UNSPEC, .ifi_index = index };
    struct request request;

    request_begin(&request, RTM_SETLINK, &interface);
    request_attribute(&request, type, data, size);
    return transact(netlink, &request, NULL, error);
}

int netlink_rename(struct netlink *netlink, int index, const char *name, struct vmctl_error *error)
{
    size_t length = strlen(name);

    if (length == 0 || length >= IFNAMSIZ) {
        return vmctl_fail(error, -EINVAL, "'%s' is no name for an interface (1 to %d bytes)", name,
                          IFNAMSIZ - 1);
    }
    return set_attribute(netlink, index, IFLA_IFNAME, name, length + 1, error);
}

int netlink_set_mtu(struct netlink *netlink, int index, uint32_t mtu, struct vmctl_error *error)
{
    return set_attribute(netlink, index, IFLA_MTU, &mtu, sizeof(mtu), error);
}

int netlink_set_master(struct netlink *netlink, int index, int master, struct vmctl_error *error)
{
    uint32_t number = (uint32_t)master;

    return set_attribute(netlink, index, IFLA_MASTER, &number, sizeof(number), error);
}

int netlink_set_up(struct netlink *netlink, int index, bool up, struct vmctl_error *error)
{
    struct ifinfomsg interface = {
        .ifi_family = AF_UNSPEC,
        .ifi_index = index,
        .ifi_flags = up ? IFF_UP : 0,
        .ifi_change = IFF_UP,
    };
    struct request request;

    request_begin(&request, RTM_SETLINK, &interface);
    return transact(netlink, &request, NULL, error);
}

int netlink_set_silent(struct netlink *netlink, int index, struct vmctl_error *error)
{
    struct {
        struct rtattr family;
        struct rtattr mode;
        uint8_t value;
        uint8_t padding[3];
    } nested = {
        .family = { .rta_len = sizeof(struct rtattr) + sizeof(struct rtattr) + 4,
                    .rta_type = AF_INET6 },
        .mode = { .rta_len = sizeof(struct rtattr) + 1, .rta_type = IFLA_INET6_ADDR_GEN_MODE },
        .value = IN6_ADDR_GEN_MODE_NONE,
    };
    int r = set_attribute(netlink, index, IFLA_AF_SPEC, &nested, sizeof(nested), error);

    return r == -EAFNOSUPPORT ? 0 : r;
}

/* --- sockets ----------------------------------------------------------------- */

static int open_socket(unsigned int groups, int flags, struct vmctl_error *error)
{
    struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = groups };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_ROUTE);
    int r;

    if (fd < 0) {
        return vmctl_fail(error, -errno, "netlink: no socket: %s", strerror(errno));
    }
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        r = vmctl_fail(error, -errno, "netlink: cannot bind: %s", strerror(errno));
        (void)close(fd);
        return r;
    }
    return fd;
}

int netlink_open(struct netlink *netlink, struct vmctl_error *error)
{
    int one = 1;
    int fd = open_socket(0, 0, error);

    if (fd < 0) {
        return fd;
    }
    /* Only for better words; an old kernel may not know them. */
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &one, sizeof(one));
    (void)setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &one, sizeof(one));
    *netlink = (struct netlink){ .fd = fd };
    return 0;
}

void netlink_close(struct netlink *netlink)
{
    if (netlink->fd >= 0) {
        (void)close(netlink->fd);
        netlink->fd = -1;
    }
}

int netlink_listen(struct vmctl_error *error)
{
    return open_socket(RTMGRP_LINK, SOCK_NONBLOCK, error);
}

void netlink_drain(int fd)
{
    uint8_t event;
    ssize_t size;

    do {
        size = recv(fd, &event, sizeof(event), MSG_TRUNC);
    } while (size >= 0 || errno == EINTR || errno == ENOBUFS);
}
