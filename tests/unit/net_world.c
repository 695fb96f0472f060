/* SPDX-License-Identifier: MIT */
/* Interfaces for tests, by a netlink code that is not the one under test. */
#include "tests/unit/net_world.h"

#include <check.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct creation {
    struct nlmsghdr head;
    struct ifinfomsg interface;
    struct rtattr name_head;
    char name[IFNAMSIZ];
    struct rtattr info_head;
    struct rtattr kind_head;
    char kind[8];
};

struct removal {
    struct nlmsghdr head;
    struct ifinfomsg interface;
};

/* The kernel's error number, 0 for success. */
static int ask(const void *request, size_t size)
{
    struct {
        struct nlmsghdr head;
        struct nlmsgerr error;
        char rest[512];
    } answer = { .error = { .error = -1 } };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

    if (fd < 0 || send(fd, request, size, 0) < 0 || recv(fd, &answer, sizeof(answer), 0) < 0) {
        answer.error.error = -1;
    }
    (void)close(fd);
    return answer.error.error;
}

static int add(const char *name, const char *kind)
{
    struct creation request = {
        .head = { .nlmsg_len = sizeof(request),
                  .nlmsg_type = RTM_NEWLINK,
                  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL },
        .name_head = { .rta_len = sizeof(struct rtattr) + IFNAMSIZ, .rta_type = IFLA_IFNAME },
        .info_head = { .rta_len = 2 * sizeof(struct rtattr) + 8, .rta_type = IFLA_LINKINFO },
        .kind_head = { .rta_len = (unsigned short)(sizeof(struct rtattr) + strlen(kind) + 1),
                       .rta_type = IFLA_INFO_KIND },
    };

    memcpy(request.name, name, strlen(name) + 1);
    memcpy(request.kind, kind, strlen(kind) + 1);
    return ask(&request, sizeof(request));
}

void net_world_enter(void)
{
    ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
}

bool net_world_possible(void)
{
    pid_t child = fork();
    int status = 1;

    if (child == 0) {
        _exit(unshare(CLONE_NEWNET) == 0 && add("b", "bridge") == 0 && add("v", "veth") == 0 ? 0
                                                                                             : 1);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

void net_world_add(const char *name, const char *kind)
{
    ck_assert_int_eq(add(name, kind), 0);
}

void net_world_remove(const char *name)
{
    struct removal request = {
        .head = { .nlmsg_len = sizeof(request),
                  .nlmsg_type = RTM_DELLINK,
                  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
        .interface = { .ifi_index = (int)if_nametoindex(name) },
    };

    ck_assert_int_eq(ask(&request, sizeof(request)), 0);
}
