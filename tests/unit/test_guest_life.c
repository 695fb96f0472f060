/* SPDX-License-Identifier: MIT */
/* Guests found, listed, paused, renamed, changed, on a host of fakes. */
#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <time.h>

#include "libvmctl/devices.h"
#include "libvmctl/handle.h"
#include "libvmctl/state_file.h"
#include "tests/unit/guest_world.h"
#include "tests/unit/suite.h"

static struct vmctl *handle;
static struct vmctl_error error;
static const char uuid_xml[] = "<uuid>6d3d4e8e-3bb0-4b9e-a0f5-7a0b1f3a0a01</uuid>";
static const char uuid[] = "6d3d4e8e-3bb0-4b9e-a0f5-7a0b1f3a0a01";

static void create(const char *name, const char *more)
{
    struct guest_config *config = world_config(name, more);
    uint32_t domid = 0;
    int r = vmctl_create(handle, config, 0, &domid, &error);

    ck_assert_msg(r == 0, "%s", error.message);
    guest_config_free(config);
}

static void begin(void)
{
    world_begin();
    ck_assert_int_eq(vmctl_open(&handle, &error), 0);
    create("web", uuid_xml);
    create("db", "");
}

static void end(void)
{
    vmctl_close(handle);
    ck_assert_uint_eq(fake_xen_leaks(), 0);
    ck_assert_uint_eq(fake_store_leaks(), 0);
    world_end();
}

static uint32_t find(const char *who)
{
    uint32_t domid = 0;

    ck_assert_msg(vmctl_find(handle, who, &domid, &error) == 0, "%s", error.message);
    return domid;
}

static bool node_is(const char *path, const char *value)
{
    const char *found = fake_store_get(path);

    return found != NULL && strcmp(found, value) == 0;
}

START_TEST(guests_are_found_by_name_id_and_uuid)
{
    uint32_t domid = 0;

    ck_assert_uint_eq(find("web"), 1);
    ck_assert_uint_eq(find("db"), 2);
    ck_assert_uint_eq(find("2"), 2);
    ck_assert_uint_eq(find("0"), 0);
    ck_assert_uint_eq(find(uuid), 1);
    ck_assert_int_eq(vmctl_find(handle, "mail", &domid, &error), -ESRCH);
    ck_assert_int_eq(error.reason, VMCTL_NOT_FOUND);
    ck_assert_str_eq(error.object, "mail");
    ck_assert_int_eq(vmctl_find(handle, "3", &domid, &error), -ESRCH);
    ck_assert_int_eq(vmctl_find(handle, "99999999999999999999", &domid, &error), -ESRCH);
    ck_assert_int_eq(vmctl_find(handle, "", &domid, &error), -ESRCH);
}
END_TEST

START_TEST(a_guest_of_another_toolstack_is_found_by_looking)
{
    fake_xen_domain(5)->exists = true;
    fake_xen_domain(5)->vcpus = 1;
    fake_store_set("/local/domain/5/name", "other");
    ck_assert_uint_eq(find("other"), 5);
    ck_assert_int_eq(vmctl_rename(handle, 5, "mine", &error), -EOPNOTSUPP);
    fake_xen_domain(5)->exists = false;
}
END_TEST

START_TEST(an_index_that_points_to_nobody_finds_nobody)
{
    uint32_t domid = 0;

    fake_store_set("/paravane/name/ghost", "6");
    ck_assert_int_eq(vmctl_find(handle, "ghost", &domid, &error), -ESRCH);
    fake_store_set("/paravane/name/ghost", "1x");
    ck_assert_int_eq(vmctl_find(handle, "ghost", &domid, &error), -ESRCH);
}
END_TEST

/* Who is not found may be there: the error is the store's. */
START_TEST(without_the_store_nobody_says_there_is_no_such_guest)
{
    struct vmctl_guest *guests = NULL;
    size_t count = 0;
    uint32_t domid = 0;

    for (unsigned long number = 1; number <= 3; number++) {
        fake_store_fail_at(number, -ENOTCONN);
        ck_assert_int_eq(vmctl_find(handle, "mail", &domid, &error), -ENOTCONN);
        ck_assert_str_eq(error.object, "mail");
    }
    fake_store_fail_at(1, -ENOTCONN);
    ck_assert_uint_eq(find("2"), 2);
    fake_store_fail_at(1, -ENOTCONN);
    error.code = 0;
    ck_assert_int_eq(vmctl_list(handle, &guests, &count, &error), 0);
    ck_assert_uint_eq(count, 3);
    ck_assert_int_eq(error.code, -ENOTCONN);
    free(guests);
}
END_TEST

START_TEST(a_store_that_is_being_started_is_waited_for)
{
    uint32_t domid = 0;

    vmctl_close(handle);
    ck_assert_int_eq(vmctl_open(&handle, &error), 0);
    fake_store_fail_at(1, -ECONNREFUSED);
    ck_assert_uint_eq(find("web"), 1);
    vmctl_close(handle);
    ck_assert_int_eq(vmctl_open(&handle, &error), 0);
    fake_store_fail_at(1, -EACCES);
    ck_assert_int_eq(vmctl_destroy(handle, 1, &error), -EACCES);
    ck_assert_int_eq(vmctl_find(handle, "web", &domid, &error), 0);
}
END_TEST

START_TEST(the_list_has_dom0_first_and_every_guest)
{
    struct vmctl_guest *guests = NULL;
    size_t count = 0;

    ck_assert_int_eq(vmctl_list(handle, &guests, &count, &error), 0);
    ck_assert_uint_eq(count, 3);
    ck_assert_str_eq(guests[0].name, "Domain-0");
    ck_assert(!guests[0].ours);
    ck_assert_str_eq(guests[1].name, "web");
    ck_assert_str_eq(guests[1].uuid, uuid);
    ck_assert(guests[1].ours);
    ck_assert_int_eq(guests[1].state, VMCTL_RUNNING);
    ck_assert_int_eq(guests[1].shutdown_reason, VMCTL_SHUTDOWN_NONE);
    ck_assert_uint_eq(guests[1].vcpus_max, 2);
    ck_assert_uint_eq(guests[1].memory_kib, 20 * 1024 + 8);
    ck_assert_str_eq(guests[2].name, "db");
    free(guests);
}
END_TEST

START_TEST(a_guest_that_ended_says_how)
{
    struct vmctl_guest guest;

    fake_xen_domain(1)->shutdown_flags = XEN_DOMINF_shutdown | 3U << XEN_DOMINF_shutdownshift;
    ck_assert_int_eq(vmctl_info(handle, 1, &guest, &error), 0);
    ck_assert_int_eq(guest.state, VMCTL_SHUTDOWN);
    ck_assert_int_eq(guest.shutdown_reason, VMCTL_SHUTDOWN_CRASH);
    ck_assert_int_eq(vmctl_shutdown(handle, 1, &error), -EINVAL);
    ck_assert_int_eq(error.reason, VMCTL_WRONG_STATE);
    ck_assert_int_eq(vmctl_wait_ended(handle, 1, 0, &error), 0);
    ck_assert_int_eq(vmctl_wait_ended(handle, 2, 0, &error), -ETIMEDOUT);
    ck_assert_int_eq(vmctl_info(handle, 4, &guest, &error), -ESRCH);
    ck_assert_int_eq(vmctl_info(handle, 0x7ff0, &guest, &error), -ESRCH);
}
END_TEST

START_TEST(requests_to_the_guest_go_through_the_store)
{
    char *xml = NULL;

    ck_assert_int_eq(vmctl_shutdown(handle, 1, &error), 0);
    ck_assert(node_is("/local/domain/1/control/shutdown", "poweroff"));
    ck_assert_int_eq(vmctl_reboot(handle, 1, &error), 0);
    ck_assert(node_is("/local/domain/1/control/shutdown", "reboot"));
    ck_assert_int_eq(vmctl_set_memory(handle, 1, 10240, &error), 0);
    ck_assert(node_is("/local/domain/1/memory/target", "10240"));
    ck_assert_int_eq(vmctl_set_memory(handle, 1, 20 * 1024 + 9, &error), -EINVAL);
    ck_assert_str_ne(error.limit, "");
    ck_assert_int_eq(vmctl_set_vcpus(handle, 1, 1, &error), 0);
    ck_assert(node_is("/local/domain/1/cpu/0/availability", "online"));
    ck_assert(node_is("/local/domain/1/cpu/1/availability", "offline"));
    ck_assert_int_eq(vmctl_dumpxml(handle, 1, &xml, &error), 0);
    ck_assert_ptr_nonnull(strstr(xml, "<currentMemory unit='KiB'>10240</currentMemory>"));
    ck_assert_ptr_nonnull(strstr(xml, " current='1'"));
    free(xml);
    ck_assert_int_eq(vmctl_set_vcpus(handle, 1, 3, &error), -EINVAL);
    ck_assert_int_eq(vmctl_set_vcpus(handle, 1, 0, &error), -EINVAL);
}
END_TEST

START_TEST(pauses_do_not_count)
{
    ck_assert_int_eq(vmctl_pause(handle, 1, &error), 0);
    ck_assert_int_eq(vmctl_pause(handle, 1, &error), 0);
    ck_assert_int_eq(fake_xen_domain(1)->pauses, 1);
    ck_assert_int_eq(vmctl_unpause(handle, 1, &error), 0);
    ck_assert_int_eq(vmctl_unpause(handle, 1, &error), -EINVAL);
    ck_assert_int_eq(error.reason, VMCTL_WRONG_STATE);
}
END_TEST

START_TEST(dom0_is_not_a_guest)
{
    ck_assert_int_eq(vmctl_destroy(handle, 0, &error), -EPERM);
    ck_assert_int_eq(vmctl_pause(handle, 0, &error), -EPERM);
    ck_assert_int_eq(vmctl_shutdown(handle, 0, &error), -EPERM);
    ck_assert_int_eq(vmctl_destroy(handle, 3, &error), -ESRCH);
    ck_assert_int_eq(vmctl_destroy(handle, UINT32_MAX, &error), -ESRCH);
}
END_TEST

START_TEST(a_renamed_guest_has_its_new_name_everywhere)
{
    char *xml = NULL;

    error.code = 7;
    ck_assert_int_eq(vmctl_rename(handle, 1, "www", &error), 0);
    ck_assert_int_eq(error.code, 7); /* nothing went wrong: nothing is said */
    ck_assert_uint_eq(find("www"), 1);
    ck_assert_ptr_null(fake_store_get("/paravane/name/web"));
    ck_assert(node_is("/local/domain/1/name", "www"));
    ck_assert(node_is("/paravane/guest/1/name", "www"));
    ck_assert_int_eq(vmctl_dumpxml(handle, 1, &xml, &error), 0);
    ck_assert_ptr_nonnull(strstr(xml, "<name>www</name>"));
    free(xml);
    ck_assert_int_eq(vmctl_rename(handle, 1, "db", &error), -EEXIST);
    ck_assert_str_eq(error.holder, "domain 2");
    ck_assert_int_lt(vmctl_rename(handle, 1, "a/b", &error), 0);
    ck_assert_int_eq(vmctl_rename(handle, 1, "www", &error), 0);
    ck_assert_uint_eq(find("www"), 1);
    ck_assert_int_eq(vmctl_destroy(handle, 1, &error), 0);
    ck_assert_ptr_null(fake_store_get("/paravane/name/www"));
}
END_TEST

static struct {
    uint32_t domid;
    unsigned int requests;
} ending;

/* Asked at each request to the store: the guest ends once it has been looked at. */
static bool guest_ends(void)
{
    ending.requests--;
    if (ending.requests == 0) {
        fake_store_ask_death(NULL);
        ck_assert_int_eq(vmctl_destroy(handle, ending.domid, NULL), 0);
    }
    return false;
}

/* At this request from now, counted from one. */
static void end_guest_at(uint32_t domid, unsigned int request)
{
    ending.domid = domid;
    ending.requests = request;
    fake_store_ask_death(guest_ends);
}

START_TEST(a_guest_that_ended_is_not_named_anew)
{
    end_guest_at(1, 1);
    ck_assert_int_lt(vmctl_rename(handle, 1, "www", &error), 0);
    ck_assert_ptr_null(fake_store_get("/paravane/name/www"));
    ck_assert_ptr_null(fake_store_get("/paravane/guest/1/name"));
}
END_TEST

static void is_gone(uint32_t domid, size_t nodes)
{
    struct guest_config *config = NULL;

    ck_assert_uint_eq(fake_store_count(), nodes);
    ck_assert_int_eq(state_file_read(domid, &config, NULL), -ENOENT);
}

START_TEST(nothing_is_written_for_a_guest_that_ends_meanwhile)
{
    const struct vmctl_disk disk = { .source = "/srv/a.img" };
    const size_t nodes = fake_store_count();
    uint32_t domid;

    create("short", "");
    domid = find("short");
    end_guest_at(domid, 1);
    ck_assert_int_eq(vmctl_shutdown(handle, domid, &error), -ESRCH);
    is_gone(domid, nodes);
    create("short", "");
    domid = find("short");
    end_guest_at(domid, 2);
    ck_assert_int_eq(vmctl_set_memory(handle, domid, 10240, &error), -ESRCH);
    is_gone(domid, nodes);
    create("short", "");
    domid = find("short");
    end_guest_at(domid, 1);
    ck_assert_int_eq(vmctl_set_vcpus(handle, domid, 1, &error), -ESRCH);
    is_gone(domid, nodes);
    create("short", "");
    domid = find("short");
    end_guest_at(domid, 2);
    ck_assert_int_eq(vmctl_attach_disk(handle, domid, &disk, &error), -ESRCH);
    is_gone(domid, nodes);
}
END_TEST

START_TEST(a_card_without_a_free_number_is_refused)
{
    const struct vmctl_network network = { .bridge = "br0" };
    const size_t nodes = fake_store_count();
    char dying[256];

    device_set_backends(world_directory());
    for (int i = 0; i < GUEST_NICS_MAX; i++) {
        (void)snprintf(dying, sizeof(dying), "%s/vif-1-%d", world_directory(), i);
        ck_assert_int_eq(mkdir(dying, 0700), 0);
    }
    ck_assert_int_eq(vmctl_attach_network(handle, 1, &network, &error), -EBUSY);
    ck_assert_uint_eq(fake_store_count(), nodes);
    for (int i = 0; i < GUEST_NICS_MAX; i++) {
        (void)snprintf(dying, sizeof(dying), "%s/vif-1-%d", world_directory(), i);
        ck_assert_int_eq(rmdir(dying), 0);
    }
    ck_assert_int_eq(vmctl_attach_network(handle, 1, &network, &error), 0);
}
END_TEST

START_TEST(a_disk_comes_and_goes)
{
    struct vmctl_disk disk = { .source = "/srv/a.img", .readonly = true };
    char *xml = NULL;

    ck_assert_int_eq(vmctl_attach_disk(handle, 1, &disk, &error), 0);
    ck_assert(node_is("/local/domain/0/backend/vbd/1/51712/params", "/srv/a.img"));
    ck_assert(node_is("/local/domain/0/backend/vbd/1/51712/mode", "r"));
    disk.source = "/srv/b.img";
    ck_assert_int_eq(vmctl_attach_disk(handle, 1, &disk, &error), 0);
    ck_assert(node_is("/local/domain/0/backend/vbd/1/51728/dev", "xvdb"));
    ck_assert_int_eq(vmctl_dumpxml(handle, 1, &xml, &error), 0);
    ck_assert_ptr_nonnull(strstr(xml, "/srv/b.img"));
    free(xml);
    ck_assert_int_eq(vmctl_detach_disk(handle, 1, "xvda", &error), 0);
    ck_assert_ptr_null(fake_store_get("/local/domain/0/backend/vbd/1/51712/params"));
    ck_assert_ptr_null(fake_store_get("/local/domain/1/device/vbd/51712"));
    ck_assert_int_eq(vmctl_detach_disk(handle, 1, "/srv/b.img", &error), 0);
    ck_assert_int_eq(vmctl_detach_disk(handle, 1, "xvdb", &error), -ENOENT);
    ck_assert_int_eq(vmctl_attach_disk(handle, 7, &disk, &error), -ESRCH);
}
END_TEST

START_TEST(a_disk_that_is_refused_leaves_nothing)
{
    const struct vmctl_disk disk = { .source = "/srv/a.img" };
    size_t nodes = fake_store_count();
    char *xml = NULL;

    fake_store_refuse_devices("it is in use");
    ck_assert_int_eq(vmctl_attach_disk(handle, 1, &disk, &error), -ENODEV);
    ck_assert_ptr_nonnull(strstr(error.message, "attach disk"));
    ck_assert_ptr_nonnull(strstr(error.message, "it is in use"));
    ck_assert_uint_eq(fake_store_count(), nodes);
    ck_assert_int_eq(vmctl_dumpxml(handle, 1, &xml, &error), 0);
    ck_assert_ptr_null(strstr(xml, "/srv/a.img"));
    free(xml);
}
END_TEST

/* The kernel's driver has said that it closed, but has not let go yet. */
START_TEST(a_new_card_does_not_take_the_number_of_a_dying_one)
{
    struct vmctl_network network = { .bridge = "br0", .mac = "00:16:3e:00:00:01" };
    char dying[256];

    (void)snprintf(dying, sizeof(dying), "%s/vif-1-0", world_directory());
    ck_assert_int_eq(mkdir(dying, 0700), 0);
    device_set_backends(world_directory());
    ck_assert_int_eq(vmctl_attach_network(handle, 1, &network, &error), 0);
    ck_assert(node_is("/local/domain/0/backend/vif/1/1/mac", "00:16:3e:00:00:01"));
    ck_assert_ptr_null(fake_store_get("/local/domain/0/backend/vif/1/0/mac"));
    ck_assert_int_eq(rmdir(dying), 0);
    network.mac = "00:16:3e:00:00:02";
    ck_assert_int_eq(vmctl_attach_network(handle, 1, &network, &error), 0);
    ck_assert(node_is("/local/domain/0/backend/vif/1/0/mac", "00:16:3e:00:00:02"));
}
END_TEST

START_TEST(a_network_card_comes_and_goes)
{
    struct vmctl_network network = {
        .bridge = "br0",
        .mac = "00:16:3e:00:00:01",
        .rate_kib = 1000,
    };

    ck_assert_int_eq(vmctl_attach_network(handle, 1, &network, &error), 0);
    ck_assert(node_is("/local/domain/0/backend/vif/1/0/rate", "51200,50000"));
    network.mac = "00:16:3e:00:00:02";
    ck_assert_int_eq(vmctl_attach_network(handle, 1, &network, &error), 0);
    ck_assert(node_is("/local/domain/0/backend/vif/1/1/mac", "00:16:3e:00:00:02"));
    ck_assert_int_eq(vmctl_detach_network(handle, 1, "00:16:3e:00:00:01", &error), 0);
    ck_assert_ptr_null(fake_store_get("/local/domain/0/backend/vif/1/0/mac"));
    ck_assert_int_eq(vmctl_detach_network(handle, 1, "1", &error), 0);
    ck_assert_ptr_null(fake_store_get("/local/domain/0/backend/vif/1/1/mac"));
    ck_assert_int_eq(vmctl_detach_network(handle, 1, "0", &error), -ENOENT);
    network.rate_kib = UINT64_C(1) << 40;
    ck_assert_int_eq(vmctl_attach_network(handle, 1, &network, &error), -ERANGE);
    network.mac = "nonsense";
    ck_assert_int_lt(vmctl_attach_network(handle, 1, &network, &error), 0);
}
END_TEST

START_TEST(a_card_that_connects_while_it_is_detached_is_let_go)
{
    const struct vmctl_network network = { .bridge = "br0", .mac = "00:16:3e:00:00:01" };

    ck_assert_int_eq(vmctl_attach_network(handle, 1, &network, &error), 0);
    fake_store_connect_late();
    ck_assert_int_eq(vmctl_detach_network(handle, 1, network.mac, &error), 0);
    ck_assert_ptr_null(fake_store_get("/local/domain/0/backend/vif/1/0/mac"));
}
END_TEST

static const char card_state[] = "/local/domain/0/backend/vif/1/0/state";

static const char front_state[] = "/local/domain/1/device/vif/0/state";

static void card_connects(void)
{
    fake_store_set(card_state, "4");
}

static void front_connects(void)
{
    fake_store_set(front_state, "4");
}

START_TEST(halves_about_to_connect_are_waited_for)
{
    const struct device card = { .class = DEVICE_VIF, .domid = 1 };
    time_t began = time(NULL);
    size_t before;

    fake_store_set(card_state, "2");
    before = fake_store_requests();
    device_let_connect(handle->store, &card, 100);
    ck_assert_uint_eq(fake_store_requests() - before, 4); /* watches; looks, for they fire */
    fake_store_when_idle(card_connects);
    device_let_connect(handle->store, &card, 60000);
    ck_assert(time(NULL) - began < 30);
    before = fake_store_requests();
    device_let_connect(handle->store, &card, 60000);
    ck_assert_uint_eq(fake_store_requests() - before, 4); /* both ends are looked at once */
    fake_store_set(front_state, "3");
    fake_store_when_idle(front_connects);
    device_let_connect(handle->store, &card, 60000);
    ck_assert_str_eq(fake_store_get(front_state), "4");
    fake_store_drop("/local/domain/0/backend/vif");
    device_let_connect(handle->store, &card, 60000);
    ck_assert(time(NULL) - began < 30);
}
END_TEST

/* As a vmctl that was killed leaves them: described, but not in the store. */
START_TEST(what_was_cut_short_can_be_detached)
{
    const struct vmctl_network network = { .bridge = "br0", .mac = "00:16:3e:00:00:01" };
    const struct vmctl_disk disk = { .source = "/srv/a.img", .target = "xvdb" };
    char *xml = NULL;

    ck_assert_int_eq(vmctl_attach_network(handle, 1, &network, &error), 0);
    ck_assert_int_eq(vmctl_attach_disk(handle, 1, &disk, &error), 0);
    fake_store_drop("/local/domain/0/backend");
    fake_store_drop("/local/domain/1/device");
    ck_assert_int_eq(vmctl_detach_network(handle, 1, network.mac, &error), 0);
    ck_assert_int_eq(vmctl_detach_network(handle, 1, network.mac, &error), -ENOENT);
    ck_assert_int_eq(vmctl_detach_disk(handle, 1, "xvdb", &error), 0);
    ck_assert_int_eq(vmctl_detach_disk(handle, 1, "xvdb", &error), -ENOENT);
    ck_assert_int_eq(vmctl_dumpxml(handle, 1, &xml, &error), 0);
    ck_assert_ptr_null(strstr(xml, "00:16:3e"));
    ck_assert_ptr_null(strstr(xml, "/srv/a.img"));
    free(xml);
}
END_TEST

static char description[8192];

/* Asked at each request to the store: what is described by then. */
static bool look_at_description(void)
{
    char path[STATE_FILE_SIZE];
    FILE *file;

    if (fake_store_get("/local/domain/0/backend/vbd/1/51728/params") != NULL &&
        description[0] == '\0') {
        state_file_path(1, path);
        file = fopen(path, "re");
        ck_assert_ptr_nonnull(file);
        (void)!fread(description, 1, sizeof(description) - 1, file);
        (void)fclose(file);
    }
    return false;
}

START_TEST(a_device_that_is_there_is_described)
{
    const struct vmctl_disk disk = { .source = "/srv/a.img", .target = "xvdb" };

    description[0] = '\0';
    fake_store_ask_death(look_at_description);
    ck_assert_int_eq(vmctl_attach_disk(handle, 1, &disk, &error), 0);
    fake_store_ask_death(NULL);
    ck_assert_ptr_nonnull(strstr(description, "/srv/a.img"));
}
END_TEST

START_TEST(a_burst_is_what_one_period_allows)
{
    struct guest_config *config = world_config(
        "burst", "<devices><interface type='bridge'><source bridge='br0'/><bandwidth>"
                 "<outbound average='1000' burst='5120'/></bandwidth></interface></devices>");
    uint32_t domid = 0;
    char path[96];

    ck_assert_int_eq(vmctl_create(handle, config, 0, &domid, &error), 0);
    (void)snprintf(path, sizeof(path), "/local/domain/0/backend/vif/%u/0/rate", domid);
    ck_assert(node_is(path, "5242880,5120000"));
    guest_config_free(config);
    ck_assert_int_eq(vmctl_destroy(handle, domid, &error), 0);
}
END_TEST

static void *attach_in_thread(void *unused)
{
    const struct vmctl_disk disk = { .source = "/srv/a.img" };

    (void)unused;
    (void)vmctl_attach_disk(handle, 1, &disk, &error);
    return NULL;
}

START_TEST(changes_of_one_guest_wait_for_each_other)
{
    const char *node = "/local/domain/0/backend/vbd/1/51712/params";
    pthread_t thread;
    int other = -1;
    int lock = -1;

    ck_assert_int_eq(state_file_lock(1, &lock, &error), 0);
    ck_assert_int_eq(state_file_lock(2, &other, &error), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, attach_in_thread, NULL), 0);
    (void)usleep(50000);
    ck_assert_ptr_null(fake_store_get(node));
    (void)close(lock);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert(node_is(node, "/srv/a.img"));
    (void)close(other);
}
END_TEST

START_TEST(a_description_that_cannot_be_written_stays_as_it_was)
{
    const struct vmctl_disk disk = { .source = "/srv/a.img" };
    char path[STATE_FILE_SIZE];
    char fresh[STATE_FILE_SIZE + 8];
    char *xml = NULL;

    state_file_path(1, path);
    (void)snprintf(fresh, sizeof(fresh), "%s.new", path);
    ck_assert_int_eq(mkdir(fresh, 0700), 0);
    ck_assert_int_eq(vmctl_attach_disk(handle, 1, &disk, &error), -EISDIR);
    ck_assert_ptr_null(fake_store_get("/local/domain/0/backend/vbd/1/51712/params"));
    ck_assert_int_eq(rmdir(fresh), 0);
    ck_assert_int_eq(vmctl_dumpxml(handle, 1, &xml, &error), 0);
    ck_assert_ptr_null(strstr(xml, "/srv/a.img"));
    free(xml);

    ck_assert_int_eq(vmctl_attach_disk(handle, 1, &disk, &error), 0);
    ck_assert_int_eq(mkdir(fresh, 0700), 0);
    ck_assert_int_eq(vmctl_detach_disk(handle, 1, "xvda", &error), -EISDIR);
    ck_assert_int_eq(rmdir(fresh), 0);
    ck_assert_int_eq(vmctl_detach_disk(handle, 1, "xvda", &error), 0);
    ck_assert_ptr_null(fake_store_get("/local/domain/0/backend/vbd/1/51712/state"));
    ck_assert_int_eq(vmctl_detach_disk(handle, 1, "xvda", &error), -ENOENT);
}
END_TEST

START_TEST(the_host_is_described)
{
    struct vmctl_host host;

    ck_assert_int_eq(vmctl_host(handle, &host, &error), 0);
    ck_assert_uint_eq(host.version_major, 4);
    ck_assert_uint_eq(host.version_minor, 17);
    ck_assert_uint_eq(host.cpus, 2);
    ck_assert_uint_eq(host.memory_kib, FAKE_XEN_FRAMES * 4);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("guest_life");
    TCase *tcase = suite_case(suite, "life");

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_add_test(tcase, guests_are_found_by_name_id_and_uuid);
    tcase_add_test(tcase, a_guest_of_another_toolstack_is_found_by_looking);
    tcase_add_test(tcase, an_index_that_points_to_nobody_finds_nobody);
    tcase_add_test(tcase, without_the_store_nobody_says_there_is_no_such_guest);
    tcase_add_test(tcase, a_store_that_is_being_started_is_waited_for);
    tcase_add_test(tcase, the_list_has_dom0_first_and_every_guest);
    tcase_add_test(tcase, a_guest_that_ended_says_how);
    tcase_add_test(tcase, requests_to_the_guest_go_through_the_store);
    tcase_add_test(tcase, pauses_do_not_count);
    tcase_add_test(tcase, dom0_is_not_a_guest);
    tcase_add_test(tcase, a_renamed_guest_has_its_new_name_everywhere);
    tcase_add_test(tcase, a_guest_that_ended_is_not_named_anew);
    tcase_add_test(tcase, nothing_is_written_for_a_guest_that_ends_meanwhile);
    tcase_add_test(tcase, a_card_without_a_free_number_is_refused);
    tcase_add_test(tcase, a_disk_comes_and_goes);
    tcase_add_test(tcase, a_disk_that_is_refused_leaves_nothing);
    tcase_add_test(tcase, a_new_card_does_not_take_the_number_of_a_dying_one);
    tcase_add_test(tcase, a_network_card_comes_and_goes);
    tcase_add_test(tcase, a_card_that_connects_while_it_is_detached_is_let_go);
    tcase_add_test(tcase, halves_about_to_connect_are_waited_for);
    tcase_add_test(tcase, what_was_cut_short_can_be_detached);
    tcase_add_test(tcase, a_device_that_is_there_is_described);
    tcase_add_test(tcase, a_burst_is_what_one_period_allows);
    tcase_add_test(tcase, changes_of_one_guest_wait_for_each_other);
    tcase_add_test(tcase, a_description_that_cannot_be_written_stays_as_it_was);
    tcase_add_test(tcase, the_host_is_described);
    return suite_run(suite);
}
