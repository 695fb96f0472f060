/* SPDX-License-Identifier: MIT */
/*
 * dom0-tools/devices/netlink.c and nic.c: answers of a kernel that lies, and a
 * real bridge and interfaces in a network namespace (those need root).
 */
#include <check.h>
#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dom0-tools/devices/netlink.h"
#include "dom0-tools/devices/nic.h"
#include "tests/unit/net_world.h"
#include "tests/unit/suite.h"

#define SEQUENCE 7u

/* A message in a buffer of exactly its size, so that ASan sees a read beyond. */
struct message {
    uint8_t bytes[256];
    size_t size;
};

static void append(struct message *message, const void *data, size_t size)
{
    memcpy(message->bytes + message->size, data, size);
    message->size += (size + 3) & ~(size_t)3;
}

static void append_attribute(struct message *message, unsigned int type, const void *data,
                             size_t size)
{
    struct rtattr head = {
        .rta_len = (unsigned short)(sizeof(head) + size),
        .rta_type = (unsigned short)type,
    };

    append(message, &head, sizeof(head));
    append(message, data, size);
}

static void begin(struct message *message, unsigned int type, unsigned int flags)
{
    struct nlmsghdr head = {
        .nlmsg_type = (uint16_t)type,
        .nlmsg_flags = (uint16_t)flags,
        .nlmsg_seq = SEQUENCE,
    };

    *message = (struct message){ .size = 0 };
    append(message, &head, sizeof(head));
}

static void finish(struct message *message)
{
    uint32_t length = (uint32_t)message->size;

    memcpy(message->bytes, &length, sizeof(length));
}

static int take(const struct message *message, size_t size, struct netlink_link *link,
                struct vmctl_error *error)
{
    uint8_t *exact = malloc(size > 0 ? size : 1);
    int r;

    ck_assert_ptr_nonnull(exact);
    memcpy(exact, message->bytes, size);
    r = netlink_take_reply(exact, size, SEQUENCE, link, error);
    free(exact);
    return r;
}

static void begin_error(struct message *message, int code, const char *words)
{
    struct nlmsgerr report = { .error = code };

    begin(message, NLMSG_ERROR, words != NULL ? NLM_F_ACK_TLVS | NLM_F_CAPPED : 0);
    append(message, &report, sizeof(report));
    if (words != NULL) {
        append_attribute(message, NLMSGERR_ATTR_MSG, words, strlen(words) + 1);
    }
    finish(message);
}

static void begin_link(struct message *message)
{
    struct ifinfomsg interface = { .ifi_index = 12, .ifi_flags = IFF_UP };
    struct {
        struct rtattr head;
        char text[8];
    } info = { .head = { .rta_len = 4 + 7, .rta_type = IFLA_INFO_KIND }, .text = "bridge" };
    uint32_t mtu = 9000;
    uint32_t master = 3;

    begin(message, RTM_NEWLINK, 0);
    append(message, &interface, sizeof(interface));
    append_attribute(message, IFLA_IFNAME, "xenbr0", 7);
    append_attribute(message, IFLA_MTU, &mtu, sizeof(mtu));
    append_attribute(message, IFLA_MASTER, &master, sizeof(master));
    append_attribute(message, IFLA_LINKINFO, &info, sizeof(info));
    finish(message);
}

START_TEST(an_acknowledgement_is_the_end)
{
    struct message message;

    begin_error(&message, 0, NULL);
    ck_assert_int_eq(take(&message, message.size, NULL, NULL), 0);
}
END_TEST

START_TEST(an_error_comes_with_the_words_of_the_kernel)
{
    struct vmctl_error error;
    struct message message;

    begin_error(&message, -EBUSY, "Device is a port already");
    ck_assert_int_eq(take(&message, message.size, NULL, &error), -EBUSY);
    ck_assert_str_eq(error.cause, "Device is a port already");
    begin_error(&message, -EBUSY, NULL);
    ck_assert_int_eq(take(&message, message.size, NULL, &error), -EBUSY);
    ck_assert_str_eq(error.cause, strerror(EBUSY));
    begin_error(&message, 5, NULL);
    ck_assert_int_eq(take(&message, message.size, NULL, &error), -EPROTO);
}
END_TEST

START_TEST(an_interface_is_read_whole)
{
    struct netlink_link link = { .index = 0 };
    struct message message;

    begin_link(&message);
    ck_assert_int_eq(take(&message, message.size, &link, NULL), 1);
    ck_assert_int_eq(link.index, 12);
    ck_assert_int_eq(link.master, 3);
    ck_assert_uint_eq(link.mtu, 9000);
    ck_assert(link.up);
    ck_assert_str_eq(link.name, "xenbr0");
    ck_assert_str_eq(link.kind, "bridge");
}
END_TEST

START_TEST(the_answer_to_another_request_is_passed_over)
{
    struct message message;

    begin_error(&message, -EBUSY, NULL);
    ck_assert_int_eq(netlink_take_reply(message.bytes, message.size, SEQUENCE + 1, NULL, NULL), 1);
}
END_TEST

START_TEST(a_cut_answer_is_refused_wherever_it_is_cut)
{
    struct message messages[2];

    begin_link(&messages[0]);
    begin_error(&messages[1], -EBUSY, "words");
    for (size_t i = 0; i < 2; i++) {
        for (size_t size = sizeof(struct nlmsghdr); size < messages[i].size; size++) {
            struct netlink_link link = { .index = 0 };

            ck_assert_int_eq(take(&messages[i], size, &link, NULL), -EPROTO);
        }
    }
}
END_TEST

/* Length fields that say any number at all: nothing is read outside of the answer. */
START_TEST(lengths_that_lie_stay_inside)
{
    struct message original;

    begin_link(&original);
    for (size_t at = 0; at + 2 <= original.size; at += 2) {
        for (uint32_t value = 0; value < 0x10000; value += value < 300 ? 1 : 977) {
            struct netlink_link link = { .index = 0 };
            struct message message = original;
            uint16_t half = (uint16_t)value;
            int r;

            memcpy(message.bytes + at, &half, sizeof(half));
            r = take(&message, message.size, &link, NULL);
            if (r > 1) {
                ck_abort_msg("answer %d at %zu = %u", r, at, value);
            }
            if (strnlen(link.name, sizeof(link.name)) == sizeof(link.name)) {
                ck_abort_msg("name without end at %zu = %u", at, value);
            }
        }
    }
}
END_TEST

/* --- a real kernel ---------------------------------------------------------------- */

static struct netlink netlink;
static char sysfs[] = "/tmp/test_devd_network.XXXXXX";

static void enter(void)
{
    char template[] = "/tmp/test_devd_network.XXXXXX";

    net_world_enter();
    ck_assert_int_eq(netlink_open(&netlink, NULL), 0);
    ck_assert_ptr_nonnull(mkdtemp(template));
    memcpy(sysfs, template, sizeof(sysfs));
}

/* Only what renaming tests made is there. */
static void leave(void)
{
    static const char *const steps[] = {
        "/bus/xen-backend/devices/vif-5-0/net/web0",
        "/bus/xen-backend/devices/vif-5-0/net",
        "/bus/xen-backend/devices/vif-5-0",
        "/bus/xen-backend/devices",
        "/bus/xen-backend",
        "/bus",
        "",
    };

    netlink_close(&netlink);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s%s", sysfs, steps[i]);
        (void)rmdir(path);
    }
}

static struct nic_request request_of(const char *bridge)
{
    return (struct nic_request){ .domid = 5, .bridge = bridge, .sys = sysfs };
}

static struct netlink_link find(const char *name)
{
    struct netlink_link link;

    ck_assert_int_eq(netlink_find(&netlink, name, &link, NULL), 0);
    return link;
}

START_TEST(a_missing_bridge_is_said_with_what_to_do)
{
    struct nic_request request = request_of("nobr0");
    struct vmctl_error error;

    net_world_add("vif5.0", "veth");
    ck_assert_int_eq(nic_set_up(&request, &netlink, &error), -ENODEV);
    ck_assert_ptr_nonnull(strstr(error.message, "'nobr0'"));
    ck_assert_ptr_nonnull(strstr(error.remedy, "ip link add nobr0"));
    ck_assert(!find("vif5.0").up);
}
END_TEST

START_TEST(what_is_no_bridge_is_refused)
{
    struct nic_request request = request_of("eth9");
    struct vmctl_error error;

    net_world_add("eth9", "veth");
    ck_assert_int_eq(nic_set_up(&request, &netlink, &error), -EINVAL);
    ck_assert_ptr_nonnull(strstr(error.message, "not a bridge"));
    request.bridge = NULL;
    ck_assert_int_eq(nic_set_up(&request, &netlink, &error), -EINVAL);
    request.bridge = "a-name-that-is-too-long";
    ck_assert_int_eq(nic_set_up(&request, &netlink, &error), -ENODEV);
}
END_TEST

START_TEST(an_interface_not_made_yet_is_waited_for)
{
    struct nic_request request = request_of("xenbr0");

    net_world_add("xenbr0", "bridge");
    ck_assert_int_eq(nic_set_up(&request, &netlink, NULL), -EAGAIN);
}
END_TEST

START_TEST(an_interface_is_put_on_its_bridge)
{
    struct nic_request request = request_of("xenbr0");
    struct netlink_link bridge;
    struct netlink_link link;

    net_world_add("xenbr0", "bridge");
    net_world_add("vif5.0", "veth");
    request.mtu = "1400";
    request.rate = "1048576,50000";
    bridge = find("xenbr0");
    for (int times = 0; times < 2; times++) {
        ck_assert_int_eq(nic_set_up(&request, &netlink, NULL), 0);
        link = find("vif5.0");
        ck_assert(link.up);
        ck_assert_int_eq(link.master, bridge.index);
        ck_assert_uint_eq(link.mtu, 1400);
    }
    ck_assert_int_eq(netlink_set_master(&netlink, link.index, 0, NULL), 0);
    ck_assert_int_eq(find("vif5.0").master, 0);
    ck_assert_int_eq(nic_set_up(&request, &netlink, NULL), 0);
    ck_assert_int_eq(find("vif5.0").master, bridge.index);
}
END_TEST

START_TEST(without_an_mtu_it_is_that_of_the_bridge)
{
    struct nic_request request = request_of("xenbr0");

    net_world_add("xenbr0", "bridge");
    net_world_add("vif5.0", "veth");
    ck_assert_int_eq(netlink_set_mtu(&netlink, find("xenbr0").index, 9000, NULL), 0);
    ck_assert_int_eq(nic_set_up(&request, &netlink, NULL), 0);
    ck_assert_uint_eq(find("vif5.0").mtu, 9000);
    ck_assert_uint_eq(find("xenbr0").mtu, 9000);
}
END_TEST

START_TEST(a_bad_mtu_or_rate_changes_nothing)
{
    static const char *const mtus[] = { "", "0", "67", "65536", "1500x", "-1", " 1500", "1e3" };
    static const char *const rates[] = { "",      "1000", "1000,",        ",1000",
                                         "1,2,3", "1, 2", "4294967296,1", "-1,1" };
    struct nic_request request = request_of("xenbr0");

    net_world_add("xenbr0", "bridge");
    net_world_add("vif5.0", "veth");
    for (size_t i = 0; i < sizeof(mtus) / sizeof(mtus[0]); i++) {
        request.mtu = mtus[i];
        ck_assert_int_eq(nic_set_up(&request, &netlink, NULL), -EINVAL);
    }
    request.mtu = NULL;
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        request.rate = rates[i];
        ck_assert_int_eq(nic_set_up(&request, &netlink, NULL), -EINVAL);
    }
    ck_assert_int_eq(find("vif5.0").master, 0);
}
END_TEST

static void make_sysfs(void)
{
    static const char *const steps[] = { "/bus",
                                         "/bus/xen-backend",
                                         "/bus/xen-backend/devices",
                                         "/bus/xen-backend/devices/vif-5-0",
                                         "/bus/xen-backend/devices/vif-5-0/net",
                                         "/bus/xen-backend/devices/vif-5-0/net/web0" };

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        char path[128];

        (void)snprintf(path, sizeof(path), "%s%s", sysfs, steps[i]);
        ck_assert_int_eq(mkdir(path, 0755), 0);
    }
}

START_TEST(a_name_of_its_own_is_given_and_found_again)
{
    struct nic_request request = request_of("xenbr0");
    struct netlink_link link;

    net_world_add("xenbr0", "bridge");
    net_world_add("vif5.0", "veth");
    request.name = "web0";
    ck_assert_int_eq(nic_set_up(&request, &netlink, NULL), 0);
    ck_assert_int_eq(netlink_find(&netlink, "vif5.0", &link, NULL), -ENODEV);
    ck_assert(find("web0").up);
    /* Another's interface of that name is not ours... */
    ck_assert_int_eq(nic_set_up(&request, &netlink, NULL), -EAGAIN);
    /* ...but this one is, says the kernel. */
    make_sysfs();
    ck_assert_int_eq(nic_set_up(&request, &netlink, NULL), 0);
}
END_TEST

START_TEST(a_name_that_is_taken_is_refused)
{
    struct nic_request request = request_of("xenbr0");
    struct vmctl_error error;

    net_world_add("xenbr0", "bridge");
    net_world_add("vif5.0", "veth");
    net_world_add("web0", "veth");
    request.name = "web0";
    ck_assert_int_eq(nic_set_up(&request, &netlink, &error), -EEXIST);
    ck_assert_ptr_nonnull(strstr(error.message, "'web0'"));
    request.name = "a-name-that-is-too-long";
    ck_assert_int_eq(nic_set_up(&request, &netlink, &error), -EINVAL);
    request.name = "a/b";
    ck_assert_int_eq(nic_set_up(&request, &netlink, &error), -EINVAL);
}
END_TEST

START_TEST(what_comes_is_heard_of)
{
    int fd = netlink_listen(NULL);
    struct pollfd wait = { .fd = fd, .events = POLLIN };

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(poll(&wait, 1, 0), 0);
    net_world_add("vif5.0", "veth");
    ck_assert_int_eq(poll(&wait, 1, 5000), 1);
    netlink_drain(fd);
    ck_assert_int_eq(poll(&wait, 1, 0), 0);
    (void)close(fd);
}
END_TEST

static TCase *kernel_cases(void)
{
    TCase *cases = tcase_create("kernel");

    tcase_add_checked_fixture(cases, enter, leave);
    tcase_add_test(cases, a_missing_bridge_is_said_with_what_to_do);
    tcase_add_test(cases, what_is_no_bridge_is_refused);
    tcase_add_test(cases, an_interface_not_made_yet_is_waited_for);
    tcase_add_test(cases, an_interface_is_put_on_its_bridge);
    tcase_add_test(cases, without_an_mtu_it_is_that_of_the_bridge);
    tcase_add_test(cases, a_bad_mtu_or_rate_changes_nothing);
    tcase_add_test(cases, a_name_of_its_own_is_given_and_found_again);
    tcase_add_test(cases, a_name_that_is_taken_is_refused);
    tcase_add_test(cases, what_comes_is_heard_of);
    return cases;
}

int main(void)
{
    Suite *suite = suite_create("devd_network");
    TCase *cases = suite_case(suite, "answers");

    tcase_add_test(cases, an_acknowledgement_is_the_end);
    tcase_add_test(cases, an_error_comes_with_the_words_of_the_kernel);
    tcase_add_test(cases, an_interface_is_read_whole);
    tcase_add_test(cases, the_answer_to_another_request_is_passed_over);
    tcase_add_test(cases, a_cut_answer_is_refused_wherever_it_is_cut);
    tcase_add_test(cases, lengths_that_lie_stay_inside);
    if (net_world_possible()) {
        suite_add_tcase(suite, kernel_cases());
    } else {
        puts("left out, for want of rights: tests in a network namespace");
    }
    return suite_run(suite);
}
