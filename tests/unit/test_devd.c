/* SPDX-License-Identifier: MIT */
/*
 * dom0-tools/devices: from nodes in a store to loop devices and bridge ports.
 *
 * The store is a fake, the kernel is real: these tests need root, a network
 * namespace of their own and loop devices.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dom0-tools/devices/device_table.h"
#include "dom0-tools/devices/devices.h"
#include "dom0-tools/devices/netlink.h"
#include "tests/fake/fake_store.h"
#include "tests/unit/loop_state.h"
#include "tests/unit/net_world.h"
#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

#define BACKEND "/local/domain/0/backend"

static char folder[SCRATCH_SIZE];
static int loop_lock = -1;
static int64_t clock_ms;
static struct store_client *store;
static struct devices *devices;

/* --- the world ---------------------------------------------------------------------- */

static int64_t now(void)
{
    return clock_ms;
}

static void say(const char *line)
{
    (void)line;
}

static const char *in_folder(const char *name)
{
    static char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void make_image(const char *name)
{
    int fd = open(in_folder(name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(ftruncate(fd, 65536), 0);
    ck_assert_int_eq(close(fd), 0);
}

static void start(void)
{
    static char sys[128];
    struct devices_settings settings = {
        .sys = sys,
        .proc = "/proc",
        .patience = 1000,
        .say = say,
        .now = now,
    };

    (void)snprintf(sys, sizeof(sys), "%s", in_folder("sys"));
    ck_assert_int_eq(store_open(NULL, &store, NULL), 0);
    ck_assert_int_eq(devices_open(store, &settings, &devices, NULL), 0);
}

/* As SIGKILL does: descriptors are closed, nothing is said to anybody. */
static void stop(void)
{
    devices_close(devices);
    store_close(store);
    devices = NULL;
    store = NULL;
}

static void work(void)
{
    const char *path;
    const char *token;

    while (store_next_event(store, &path, &token, NULL) > 0) {
        char copy[256];

        (void)snprintf(copy, sizeof(copy), "%s", path);
        devices_changed(devices, copy);
    }
}

static void enter(void)
{
    static const char *const folders[] = { "sys",
                                           "sys/bus",
                                           "sys/bus/xen-backend",
                                           "sys/bus/xen-backend/drivers",
                                           "sys/bus/xen-backend/drivers/vbd",
                                           "sys/bus/xen-backend/drivers/vif" };

    loop_lock = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    ck_assert_int_eq(flock(loop_lock, LOCK_EX), 0);
    net_world_enter();
    scratch_make(folder);
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        ck_assert_int_eq(mkdir(in_folder(folders[i]), 0700), 0);
    }
    ck_assert_int_eq(symlink("/sys/block", in_folder("sys/block")), 0);
    make_image("a.img");
    make_image("b.img");
    clock_ms = 1000;
    fake_store_reset();
    start();
    work();
}

static void leave(void)
{
    stop();
    fake_store_reset();
    scratch_remove(folder);
    (void)close(loop_lock);
}

static void set(const char *device, const char *leaf, const char *value)
{
    char path[160];

    /* Its guest has a home. */
    (void)snprintf(path, sizeof(path), "/local/domain/%lu", strtoul(device + 4, NULL, 10));
    if (fake_store_get(path) == NULL) {
        fake_store_set(path, "");
    }
    (void)snprintf(path, sizeof(path), BACKEND "/%s/%s", device, leaf);
    fake_store_set(path, value);
}

static const char *get(const char *device, const char *leaf)
{
    char path[160];

    (void)snprintf(path, sizeof(path), BACKEND "/%s/%s", device, leaf);
    return fake_store_get(path);
}

static void drop(const char *device)
{
    char path[160];

    (void)snprintf(path, sizeof(path), BACKEND "/%s", device);
    fake_store_drop(path);
}

static void add_disk(const char *device, const char *image, const char *mode)
{
    set(device, "paravane", "1");
    set(device, "params", in_folder(image));
    set(device, "type", "file");
    set(device, "mode", mode);
    set(device, "dev", "xvda");
    set(device, "state", "1");
    work();
}

static void add_nic(const char *device, const char *bridge)
{
    set(device, "paravane", "1");
    set(device, "bridge", bridge);
    set(device, "state", "1");
    work();
}

static void expect_status(const char *device, const char *status)
{
    const char *found = get(device, "hotplug-status");

    if (status == NULL) {
        ck_assert_ptr_null(found);
    } else {
        ck_assert_ptr_nonnull(found);
        ck_assert_str_eq(found, status);
    }
}

static void expect_error(const char *device, const char *words)
{
    const char *found = get(device, "hotplug-error");

    expect_status(device, "error");
    ck_assert_ptr_nonnull(found);
    if (strstr(found, words) == NULL) {
        ck_abort_msg("'%s' does not have '%s'", found, words);
    }
}

static void expect_words(const char *device, const char *leaf, const char *words)
{
    const char *found = get(device, leaf);

    ck_assert_ptr_nonnull(found);
    if (strstr(found, words) == NULL) {
        ck_abort_msg("%s '%s' does not have '%s'", leaf, found, words);
    }
}

/* The number of the loop device that `device` was given. */
static unsigned int loop_of(const char *device)
{
    const char *text = get(device, "physical-device");
    unsigned int number = 0;

    ck_assert_ptr_nonnull(text);
    ck_assert(strncmp(text, "7:", 2) == 0);
    number = (unsigned int)strtoul(text + 2, NULL, 16);
    return number;
}

/* What the kernel's back end does with the answer. */
static int open_as_back_end(unsigned int minor)
{
    char path[32];
    int fd;

    (void)snprintf(path, sizeof(path), "/dev/loop%u", minor);
    fd = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(fd, 0);
    return fd;
}

static struct netlink_link find(const char *name)
{
    struct netlink netlink;
    struct netlink_link link = { .index = 0 };

    ck_assert_int_eq(netlink_open(&netlink, NULL), 0);
    (void)netlink_find(&netlink, name, &link, NULL);
    netlink_close(&netlink);
    return link;
}

/* --- disks ----------------------------------------------------------------------------- */

START_TEST(a_disk_is_set_up_and_goes_with_its_node)
{
    unsigned int minor;

    add_disk("vbd/5/51712", "a.img", "w");
    expect_status("vbd/5/51712", "connected");
    minor = loop_of("vbd/5/51712");
    ck_assert(bound(minor));
    drop("vbd/5/51712");
    work();
    ck_assert(!bound_for_long(minor));
}
END_TEST

START_TEST(all_goes_with_the_guest)
{
    unsigned int minors[2];

    add_disk("vbd/5/51712", "a.img", "w");
    add_disk("vbd/5/51728", "b.img", "r");
    add_disk("vbd/261/51728", "b.img", "r"); /* in the same bucket of the table */
    minors[0] = loop_of("vbd/5/51712");
    minors[1] = loop_of("vbd/5/51728");
    drop("vbd/5");
    work();
    ck_assert(!bound_for_long(minors[0]));
    ck_assert(!bound_for_long(minors[1]));
    ck_assert(bound(loop_of("vbd/261/51728")));
    drop("vbd");
    work();
    ck_assert(!bound_for_long(minors[1]));
}
END_TEST

START_TEST(another_toolstacks_disk_is_not_touched)
{
    set("vbd/5/51712", "params", in_folder("a.img"));
    set("vbd/5/51712", "state", "1");
    work();
    expect_status("vbd/5/51712", NULL);
    set("vbd/5/51712", "paravane", "1");
    work();
    expect_status("vbd/5/51712", "connected");
}
END_TEST

START_TEST(a_node_half_written_is_waited_for)
{
    set("vbd/5/51712", "paravane", "1");
    work();
    set("vbd/5/51712", "params", in_folder("a.img"));
    work();
    expect_status("vbd/5/51712", NULL);
    ck_assert_ptr_null(get("vbd/5/51712", "hotplug-error"));
    set("vbd/5/51712", "mode", "w");
    set("vbd/5/51712", "state", "1");
    work();
    expect_status("vbd/5/51712", "connected");
}
END_TEST

START_TEST(an_image_is_written_by_one_guest_only)
{
    fake_store_set("/local/domain/5/name", "web\033[2J");
    add_disk("vbd/5/51712", "a.img", "w");
    add_disk("vbd/6/51712", "a.img", "w");
    expect_error("vbd/6/51712", "a.img is in use");
    expect_words("vbd/6/51712", "hotplug-holder",
                 "disk xvda of guest web?[2J (5), which may write it");
    expect_words("vbd/6/51712", "hotplug-remedy", "detach it there");
    drop("vbd/6/51712");
    add_disk("vbd/6/51712", "a.img", "r");
    expect_words("vbd/6/51712", "hotplug-holder", "may write it");
    add_disk("vbd/5/51728", "a.img", "r");
    expect_error("vbd/5/51728", "already disk xvda of this guest");
    drop("vbd/5");
    drop("vbd/6/51712");
    work();
    add_disk("vbd/6/51712", "a.img", "w");
    expect_status("vbd/6/51712", "connected");
}
END_TEST

START_TEST(an_image_may_have_many_readers_or_be_shared)
{
    add_disk("vbd/5/51712", "a.img", "r");
    add_disk("vbd/6/51712", "a.img", "r");
    expect_status("vbd/6/51712", "connected");
    add_disk("vbd/7/51712", "a.img", "w");
    expect_words("vbd/7/51712", "hotplug-holder", "reads it");
    set("vbd/5/51728", "shareable", "1");
    set("vbd/6/51728", "shareable", "1");
    add_disk("vbd/5/51728", "b.img", "w");
    add_disk("vbd/6/51728", "b.img", "w");
    expect_status("vbd/6/51728", "connected");
    add_disk("vbd/7/51728", "b.img", "w");
    expect_words("vbd/7/51728", "hotplug-holder", "may write it");
}
END_TEST

START_TEST(images_in_one_bucket_are_told_apart)
{
    struct device_table table = { .by_guest = { NULL } };
    struct device_key keys[] = { { DEVICE_VBD, 5, 1 }, { DEVICE_VBD, 6, 1 } };
    struct disk_image images[] = { { .fd = -1, .device = 1, .inode = 1 },
                                   { .fd = -1, .device = 1, .inode = 1 + DEVICE_BUCKETS },
                                   { .fd = -1, .device = 1 + DEVICE_BUCKETS, .inode = 1 } };
    struct device *one = table_add(&table, &keys[0]);
    struct device *other = table_add(&table, &keys[1]);

    ck_assert(one != NULL && other != NULL);
    table_claim(&table, one, &images[0]);
    ck_assert_ptr_eq(table_conflict(&table, other, &images[0]), one);
    ck_assert_ptr_null(table_conflict(&table, other, &images[1]));
    ck_assert_ptr_null(table_conflict(&table, other, &images[2]));
    ck_assert_ptr_null(table_conflict(&table, one, &images[0]));
    table_drop(&table, one);
    ck_assert_ptr_null(table_conflict(&table, other, &images[0]));
    table_drop(&table, other);
}
END_TEST

START_TEST(a_failed_disk_says_why_and_can_be_tried_again)
{
    add_disk("vbd/5/51712", "missing.img", "w");
    expect_error("vbd/5/51712", "cannot open ");
    expect_error("vbd/5/51712", "missing.img: No such file or directory");
    expect_words("vbd/5/51712", "hotplug-remedy", "create it");
    make_image("missing.img");
    drop("vbd/5/51712");
    add_disk("vbd/5/51712", "missing.img", "w");
    expect_status("vbd/5/51712", "connected");
}
END_TEST

START_TEST(without_the_kernels_back_end_it_says_which_module)
{
    ck_assert_int_eq(rmdir(in_folder("sys/bus/xen-backend/drivers/vbd")), 0);
    add_disk("vbd/5/51712", "a.img", "w");
    expect_error("vbd/5/51712", "no back end for disks");
    expect_words("vbd/5/51712", "hotplug-remedy", "modprobe xen-blkback");
}
END_TEST

START_TEST(a_node_without_its_image_is_refused)
{
    set("vbd/5/51712", "paravane", "1");
    set("vbd/5/51712", "state", "1");
    work();
    expect_error("vbd/5/51712", "no image is named");
}
END_TEST

START_TEST(detached_and_attached_at_once_is_two_disks)
{
    unsigned int first;

    add_disk("vbd/5/51712", "a.img", "w");
    first = loop_of("vbd/5/51712");
    drop("vbd/5/51712");
    set("vbd/5/51712", "paravane", "1");
    add_disk("vbd/5/51712", "b.img", "w");
    expect_status("vbd/5/51712", "connected");
    drop("vbd/5/51712");
    work();
    ck_assert(!bound_for_long(first));
    add_disk("vbd/6/51712", "a.img", "w");
    add_disk("vbd/6/51728", "b.img", "w");
    expect_status("vbd/6/51712", "connected");
    expect_status("vbd/6/51728", "connected");
}
END_TEST

START_TEST(a_device_removed_while_it_is_set_up_leaves_nothing)
{
    fake_store_drop_before_write(BACKEND "/vbd/5/51712");
    add_disk("vbd/5/51712", "a.img", "w");
    ck_assert_ptr_null(fake_store_get(BACKEND "/vbd/5/51712"));
    fake_store_drop_before_write(BACKEND "/vbd/5/51712");
    add_disk("vbd/5/51712", "missing.img", "w");
    ck_assert_ptr_null(fake_store_get(BACKEND "/vbd/5/51712"));
    add_disk("vbd/6/51712", "a.img", "w");
    expect_status("vbd/6/51712", "connected");
    fake_store_drop_before_write("/local/domain"); /* its guest is gone, too */
    add_nic("vif/5/0", "nowhere");
    ck_assert_ptr_null(fake_store_get(BACKEND "/vif/5"));
}
END_TEST

/* The loop device of a guest that has ended lives as long as the back end needs. */
START_TEST(an_image_that_is_let_go_of_in_time_is_waited_for)
{
    unsigned int minor;
    int back_end;

    add_disk("vbd/5/51712", "a.img", "w");
    minor = loop_of("vbd/5/51712");
    back_end = open_as_back_end(minor);
    drop("vbd/5/51712");
    add_disk("vbd/6/51712", "a.img", "w");
    expect_status("vbd/6/51712", NULL);
    ck_assert_int_eq(devices_timeout(devices), 50);
    ck_assert_int_eq(devices_link_fd(devices), -1);
    clock_ms += 40;
    add_disk("vbd/7/51712", "a.img", "w"); /* puts nothing off */
    ck_assert_int_eq(devices_timeout(devices), 10);
    drop("vbd/7/51712");
    clock_ms += 20;
    ck_assert_int_eq(devices_timeout(devices), 0);
    devices_retry(devices);
    ck_assert_int_eq(devices_timeout(devices), 50);
    expect_status("vbd/6/51712", NULL);
    (void)close(back_end);
    ck_assert(!bound_for_long(minor));
    devices_retry(devices);
    expect_status("vbd/6/51712", "connected");
    ck_assert_int_eq(devices_timeout(devices), -1);
}
END_TEST

START_TEST(an_image_that_dom0_has_bound_itself_is_refused)
{
    struct loop_config other = { .info = { .lo_flags = LO_FLAGS_AUTOCLEAR } };
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    int minor = ioctl(control, LOOP_CTL_GET_FREE);
    int image = open(in_folder("a.img"), O_RDWR | O_CLOEXEC);
    int fd = open_as_back_end((unsigned int)minor);
    char words[32];

    other.fd = (uint32_t)image;
    ck_assert_int_eq(ioctl(fd, LOOP_CONFIGURE, &other), 0);
    (void)close(image);
    (void)close(control);
    add_disk("vbd/5/51712", "a.img", "w");
    clock_ms += 4999;
    devices_retry(devices);
    expect_status("vbd/5/51712", NULL);
    clock_ms += 1;
    devices_retry(devices);
    expect_error("vbd/5/51712", "is being written by somebody else");
    (void)snprintf(words, sizeof(words), "/dev/loop%d", minor);
    expect_words("vbd/5/51712", "hotplug-holder", words);
    (void)close(fd);
    ck_assert(!bound_for_long((unsigned int)minor));
    add_disk("vbd/6/51712", "a.img", "w");
    expect_status("vbd/6/51712", "connected");
}
END_TEST

START_TEST(an_image_that_a_program_writes_is_refused_at_once)
{
    int image = open(in_folder("a.img"), O_WRONLY | O_CLOEXEC);

    add_disk("vbd/5/51712", "a.img", "r");
    expect_error("vbd/5/51712", "is being written by somebody else");
    expect_words("vbd/5/51712", "hotplug-holder", "process");
    (void)close(image);
}
END_TEST

/* --- killed and started again ---------------------------------------------------------- */

START_TEST(after_a_kill_the_disk_in_use_is_known_again)
{
    unsigned int minor;
    int back_end;

    add_disk("vbd/5/51712", "a.img", "w");
    minor = loop_of("vbd/5/51712");
    back_end = open_as_back_end(minor);
    stop();
    ck_assert(bound(minor));
    start();
    work();
    ck_assert_uint_eq(loop_of("vbd/5/51712"), minor);
    expect_status("vbd/5/51712", "connected");
    /* It is held, and it is claimed. */
    (void)close(back_end);
    (void)usleep(50000);
    ck_assert(bound(minor));
    add_disk("vbd/6/51712", "a.img", "w");
    expect_error("vbd/6/51712", "is in use");
    drop("vbd");
    work();
    ck_assert(!bound_for_long(minor));
}
END_TEST

START_TEST(killed_before_the_back_end_opened_it_is_bound_again)
{
    unsigned int minor;

    add_disk("vbd/5/51712", "a.img", "w");
    minor = loop_of("vbd/5/51712");
    stop();
    ck_assert(!bound_for_long(minor));
    start();
    work();
    ck_assert_uint_eq(loop_of("vbd/5/51712"), minor);
    ck_assert(bound(minor));
}
END_TEST

START_TEST(killed_between_the_two_answers_it_begins_again)
{
    struct loop_config other = { .info = { .lo_flags = LO_FLAGS_AUTOCLEAR } };
    unsigned int minor;
    int image;
    int fd;

    add_disk("vbd/5/51712", "a.img", "w");
    minor = loop_of("vbd/5/51712");
    stop();
    ck_assert(!bound_for_long(minor));
    drop("vbd/5/51712/hotplug-status");
    /* Meanwhile somebody else has taken the device. */
    image = open(in_folder("b.img"), O_RDWR | O_CLOEXEC);
    fd = open_as_back_end(minor);
    other.fd = (uint32_t)image;
    ck_assert_int_eq(ioctl(fd, LOOP_CONFIGURE, &other), 0);
    start();
    work();
    expect_status("vbd/5/51712", "connected");
    ck_assert_uint_ne(loop_of("vbd/5/51712"), minor);
    (void)close(image);
    (void)close(fd);
}
END_TEST

/* The back end has opened a device that is not the guest's: never call that connected. */
START_TEST(a_back_end_with_the_wrong_device_is_an_error)
{
    struct loop_config other = { .info = { .lo_flags = LO_FLAGS_AUTOCLEAR } };
    unsigned int minor;
    int image;
    int fd;

    add_disk("vbd/5/51712", "a.img", "w");
    minor = loop_of("vbd/5/51712");
    stop();
    ck_assert(!bound_for_long(minor));
    drop("vbd/5/51712/hotplug-status");
    ck_assert_int_eq(mkdir(in_folder("sys/bus/xen-backend/devices"), 0700), 0);
    ck_assert_int_eq(mkdir(in_folder("sys/bus/xen-backend/devices/vbd-5-51712"), 0700), 0);
    ck_assert_int_eq(
        mkdir(in_folder("sys/bus/xen-backend/devices/vbd-5-51712/physical_device"), 0700), 0);
    image = open(in_folder("b.img"), O_RDWR | O_CLOEXEC);
    fd = open_as_back_end(minor);
    other.fd = (uint32_t)image;
    ck_assert_int_eq(ioctl(fd, LOOP_CONFIGURE, &other), 0);
    start();
    work();
    expect_error("vbd/5/51712", "bound to something else");
    (void)close(image);
    (void)close(fd);
}
END_TEST

START_TEST(a_running_guest_keeps_its_disk_when_the_image_is_renamed)
{
    char old[128];
    unsigned int minor;
    int back_end;

    add_disk("vbd/5/51712", "a.img", "w");
    minor = loop_of("vbd/5/51712");
    back_end = open_as_back_end(minor);
    stop();
    (void)snprintf(old, sizeof(old), "%s", in_folder("a.img"));
    ck_assert_int_eq(rename(old, in_folder("c.img")), 0);
    start();
    work();
    expect_status("vbd/5/51712", "connected");
    ck_assert_ptr_null(get("vbd/5/51712", "hotplug-error"));
    ck_assert(bound(minor));
    (void)close(back_end);
    ck_assert(!bound_for_long(minor));
}
END_TEST

START_TEST(what_went_while_it_was_dead_is_forgotten)
{
    add_disk("vbd/5/51712", "a.img", "w");
    add_disk("vbd/6/51712", "b.img", "w");
    drop("vbd/5/51712");
    /* As when the store is restarted: only the watch itself fires. */
    stop();
    start();
    work();
    add_disk("vbd/7/51712", "a.img", "w");
    expect_status("vbd/7/51712", "connected");
    drop("vbd/6");
    devices_changed(devices, BACKEND "/vbd");
    add_disk("vbd/8/51712", "b.img", "w");
    expect_status("vbd/8/51712", "connected");
}
END_TEST

/* What the kernel's back end writes late makes its node again. */
START_TEST(what_the_kernel_writes_of_a_guest_that_is_gone_is_removed)
{
    add_disk("vbd/5/51712", "a.img", "w");
    expect_status("vbd/5/51712", "connected");
    fake_store_drop(BACKEND "/vbd/5");
    work();
    set("vbd/5/51712", "feature-barrier", "1");
    work();
    ck_assert_ptr_nonnull(get("vbd/5/51712", "feature-barrier")); /* the guest is there */
    fake_store_drop(BACKEND "/vbd/5");
    fake_store_drop("/local/domain/5");
    work();
    fake_store_set(BACKEND "/vbd/5/51712/feature-flush-cache", "1");
    fake_store_set("/local/domain/0/error/backend/vbd/5/51712/error", "19 no");
    fake_store_set("/local/domain/0/error/backend/vif/5/0/error", "19 no");
    set("vif/6/0", "feature-sg", "1");
    fake_store_set("/local/domain/0/error/backend/vif/6/0/error", "19 no");
    work();
    ck_assert_ptr_null(fake_store_get(BACKEND "/vbd/5"));
    ck_assert_ptr_null(fake_store_get("/local/domain/0/error/backend/vbd/5"));
    ck_assert_ptr_null(fake_store_get("/local/domain/0/error/backend/vif/5"));
    ck_assert_ptr_nonnull(fake_store_get("/local/domain/0/error/backend/vif/6/0/error"));
    ck_assert_ptr_nonnull(get("vif/6/0", "feature-sg"));
}
END_TEST

START_TEST(what_a_guest_left_while_devd_was_dead_is_removed)
{
    stop();
    fake_store_set(BACKEND "/vbd/5/51712/feature-flush-cache", "1");
    fake_store_set(BACKEND "/vif/5", "");
    fake_store_set("/local/domain/0/error/backend/vbd/7/51712/error", "19 no");
    set("vif/6/0", "feature-sg", "1");
    start();
    work();
    ck_assert_ptr_null(fake_store_get(BACKEND "/vbd/5"));
    ck_assert_ptr_null(fake_store_get(BACKEND "/vif/5"));
    ck_assert_ptr_null(fake_store_get("/local/domain/0/error/backend/vbd/7"));
    ck_assert_ptr_nonnull(get("vif/6/0", "feature-sg"));
}
END_TEST

START_TEST(a_store_that_fails_loses_no_disk)
{
    add_disk("vbd/5/51712", "a.img", "w");
    fake_store_fail(-EIO);
    devices_changed(devices, BACKEND "/vbd");
    devices_changed(devices, BACKEND "/vbd/5");
    devices_changed(devices, BACKEND "/vbd/5/51712");
    fake_store_fail(0);
    ck_assert(bound(loop_of("vbd/5/51712")));
    add_disk("vbd/6/51712", "a.img", "w");
    expect_error("vbd/6/51712", "is in use");
}
END_TEST

/* --- the cost -------------------------------------------------------------------------- */

START_TEST(what_back_and_front_end_say_to_each_other_costs_nothing)
{
    size_t before;

    add_disk("vbd/5/51712", "a.img", "w");
    set("vbd/6/51712", "state", "1");
    work();
    before = fake_store_requests();
    set("vbd/5/51712", "state", "4");
    set("vbd/5/51712", "sectors", "128");
    set("vbd/6/51712", "sectors", "128");
    work();
    ck_assert_uint_eq(fake_store_requests(), before);
}
END_TEST

START_TEST(strange_paths_are_passed_over)
{
    static const char *const paths[] = {
        "",
        "/",
        BACKEND,
        BACKEND "/vbdx",
        BACKEND "/vbd/",
        BACKEND "/vbd/x",
        BACKEND "/vbd/-1/0",
        BACKEND "/vbd/99999999999999999999/0",
        BACKEND "/vbd/32752/0",
        BACKEND "/vbd/5/",
        BACKEND "/vbd/5/x",
        BACKEND "/vbd/5/5x/state",
        BACKEND "/vbd/5/99999999999999999999",
        "@introduceDomain",
    };
    size_t before = fake_store_requests();

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        devices_changed(devices, paths[i]);
    }
    ck_assert_uint_eq(fake_store_requests(), before);
}
END_TEST

/* --- network cards --------------------------------------------------------------------- */

START_TEST(a_missing_bridge_is_said_before_there_is_an_interface)
{
    add_nic("vif/5/0", "nobr0");
    expect_error("vif/5/0", "there is no bridge 'nobr0'");
    expect_words("vif/5/0", "hotplug-remedy", "make it: ip link add");
    ck_assert_int_eq(devices_link_fd(devices), -1);
    ck_assert_int_eq(devices_timeout(devices), -1);
}
END_TEST

START_TEST(an_interface_that_is_there_is_used)
{
    net_world_add("xenbr0", "bridge");
    net_world_add("vif5.0", "veth");
    add_nic("vif/5/0", "xenbr0");
    expect_status("vif/5/0", "connected");
    ck_assert_int_eq(find("vif5.0").master, find("xenbr0").index);
    ck_assert_int_eq(devices_link_fd(devices), -1);
}
END_TEST

START_TEST(an_interface_is_used_when_it_comes)
{
    struct pollfd wait = { .events = POLLIN };

    net_world_add("xenbr0", "bridge");
    add_nic("vif/5/0", "xenbr0");
    add_nic("vif/6/1", "xenbr0");
    expect_status("vif/5/0", NULL);
    ck_assert_int_eq(devices_timeout(devices), 1000);
    wait.fd = devices_link_fd(devices);
    net_world_add("vif5.0", "veth");
    ck_assert_int_eq(poll(&wait, 1, 5000), 1);
    devices_retry(devices);
    expect_status("vif/5/0", "connected");
    expect_status("vif/6/1", NULL);
    ck_assert_int_ge(devices_link_fd(devices), 0);
    net_world_add("vif6.1", "veth");
    devices_retry(devices);
    expect_status("vif/6/1", "connected");
    ck_assert_int_eq(devices_link_fd(devices), -1);
}
END_TEST

START_TEST(an_interface_that_never_comes_is_given_up)
{
    net_world_add("xenbr0", "bridge");
    add_nic("vif/5/0", "xenbr0");
    clock_ms += 999;
    devices_retry(devices);
    expect_status("vif/5/0", NULL);
    ck_assert_int_eq(devices_timeout(devices), 1);
    clock_ms += 1;
    ck_assert_int_eq(devices_timeout(devices), 0);
    devices_retry(devices);
    expect_error("vif/5/0", "has not made vif5.0");
    ck_assert_int_eq(devices_timeout(devices), -1);
}
END_TEST

START_TEST(what_the_kernel_said_is_passed_on)
{
    net_world_add("xenbr0", "bridge");
    add_nic("vif/5/0", "xenbr0");
    fake_store_set("/local/domain/0/error/backend/vif/5/0/error", "2 reading script");
    add_nic("vif/6/0", "xenbr0");
    clock_ms += 2000;
    devices_retry(devices);
    expect_error("vif/5/0", "2 reading script");
    expect_error("vif/6/0", "has not made vif6.0");
    ck_assert_int_eq(rmdir(in_folder("sys/bus/xen-backend/drivers/vif")), 0);
    add_nic("vif/7/0", "xenbr0");
    clock_ms += 2000;
    devices_retry(devices);
    expect_error("vif/7/0", "no back end for network cards");
    expect_words("vif/7/0", "hotplug-remedy", "modprobe xen-netback");
}
END_TEST

START_TEST(nobody_waits_for_a_card_that_was_taken_back)
{
    net_world_add("xenbr0", "bridge");
    add_nic("vif/5/0", "xenbr0");
    drop("vif/5/0");
    work();
    ck_assert_int_eq(devices_timeout(devices), -1);
    ck_assert_int_eq(devices_link_fd(devices), -1);
    devices_retry(devices);
}
END_TEST

START_TEST(a_port_lost_while_it_was_dead_is_put_back)
{
    struct netlink netlink;

    net_world_add("xenbr0", "bridge");
    net_world_add("vif5.0", "veth");
    add_nic("vif/5/0", "xenbr0");
    stop();
    ck_assert_int_eq(netlink_open(&netlink, NULL), 0);
    ck_assert_int_eq(netlink_set_master(&netlink, find("vif5.0").index, 0, NULL), 0);
    netlink_close(&netlink);
    start();
    work();
    ck_assert_int_eq(find("vif5.0").master, find("xenbr0").index);
    expect_status("vif/5/0", "connected");
}
END_TEST

START_TEST(a_running_guest_keeps_its_card_when_the_bridge_is_gone)
{
    net_world_add("xenbr0", "bridge");
    net_world_add("vif5.0", "veth");
    add_nic("vif/5/0", "xenbr0");
    stop();
    net_world_remove("xenbr0");
    start();
    work();
    expect_status("vif/5/0", "connected");
    ck_assert_ptr_null(get("vif/5/0", "hotplug-error"));
}
END_TEST

/* --- the suite --------------------------------------------------------------------------- */

static bool possible(void)
{
    int fd = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
    bool loops = fd >= 0 && ioctl(fd, LOOP_CTL_GET_FREE) >= 0;

    if (fd >= 0) {
        (void)close(fd);
    }
    return loops && net_world_possible();
}

static void add_disk_cases(TCase *cases)
{
    tcase_add_test(cases, a_disk_is_set_up_and_goes_with_its_node);
    tcase_add_test(cases, all_goes_with_the_guest);
    tcase_add_test(cases, another_toolstacks_disk_is_not_touched);
    tcase_add_test(cases, a_node_half_written_is_waited_for);
    tcase_add_test(cases, an_image_is_written_by_one_guest_only);
    tcase_add_test(cases, an_image_may_have_many_readers_or_be_shared);
    tcase_add_test(cases, images_in_one_bucket_are_told_apart);
    tcase_add_test(cases, a_failed_disk_says_why_and_can_be_tried_again);
    tcase_add_test(cases, without_the_kernels_back_end_it_says_which_module);
    tcase_add_test(cases, a_node_without_its_image_is_refused);
    tcase_add_test(cases, detached_and_attached_at_once_is_two_disks);
    tcase_add_test(cases, a_device_removed_while_it_is_set_up_leaves_nothing);
    tcase_add_test(cases, an_image_that_is_let_go_of_in_time_is_waited_for);
    tcase_add_test(cases, an_image_that_dom0_has_bound_itself_is_refused);
    tcase_add_test(cases, an_image_that_a_program_writes_is_refused_at_once);
    tcase_add_test(cases, after_a_kill_the_disk_in_use_is_known_again);
    tcase_add_test(cases, killed_before_the_back_end_opened_it_is_bound_again);
    tcase_add_test(cases, killed_between_the_two_answers_it_begins_again);
    tcase_add_test(cases, a_back_end_with_the_wrong_device_is_an_error);
    tcase_add_test(cases, a_running_guest_keeps_its_disk_when_the_image_is_renamed);
    tcase_add_test(cases, what_went_while_it_was_dead_is_forgotten);
    tcase_add_test(cases, what_the_kernel_writes_of_a_guest_that_is_gone_is_removed);
    tcase_add_test(cases, what_a_guest_left_while_devd_was_dead_is_removed);
    tcase_add_test(cases, a_store_that_fails_loses_no_disk);
    tcase_add_test(cases, what_back_and_front_end_say_to_each_other_costs_nothing);
    tcase_add_test(cases, strange_paths_are_passed_over);
}

static void add_network_cases(TCase *cases)
{
    tcase_add_test(cases, a_missing_bridge_is_said_before_there_is_an_interface);
    tcase_add_test(cases, an_interface_that_is_there_is_used);
    tcase_add_test(cases, an_interface_is_used_when_it_comes);
    tcase_add_test(cases, an_interface_that_never_comes_is_given_up);
    tcase_add_test(cases, what_the_kernel_said_is_passed_on);
    tcase_add_test(cases, nobody_waits_for_a_card_that_was_taken_back);
    tcase_add_test(cases, a_port_lost_while_it_was_dead_is_put_back);
    tcase_add_test(cases, a_running_guest_keeps_its_card_when_the_bridge_is_gone);
}

int main(void)
{
    Suite *suite = suite_create("devd");
    TCase *cases = suite_case(suite, "devices");

    if (!possible()) {
        puts("needs root, network namespaces and loop devices");
        return 77;
    }
    tcase_add_checked_fixture(cases, enter, leave);
    add_disk_cases(cases);
    add_network_cases(cases);
    return suite_run(suite);
}
