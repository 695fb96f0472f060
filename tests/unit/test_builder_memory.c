/* SPDX-License-Identifier: MIT */
/* Guests made, listed, changed and ended when memory runs out, at each allocation. */
#include <check.h>
#include <errno.h>

#include "libvmctl/making.h"
#include "tests/fake/failing_malloc.h"
#include "tests/unit/guest_world.h"
#include "tests/unit/suite.h"

/*
 * Each allocation fails once.  What may be left out when memory is short is left
 * out, so that an operation may succeed all the same; else it says -ENOMEM.
 */
static unsigned long survive(int (*operation)(void *context), void *context)
{
    for (unsigned long number = 1;; number++) {
        int r;

        fail_allocation(number);
        r = operation(context);
        if (!allocation_failed()) {
            fail_allocation(0);
            return r == 0 ? number - 1 : 0;
        }
        fail_allocation(0);
        if (r != -ENOMEM && r != 0) {
            (void)fprintf(stderr, "allocation %lu: %d\n", number, r);
            return 0;
        }
    }
}

/* A handle, a guest made and ended; whatever fails, nothing may be left. */
static int live(void *context)
{
    struct vmctl_error error = { .code = 0 };
    struct vmctl *handle = NULL;
    uint32_t domid = 0;
    int r;

    fake_xen_reset();
    fake_store_reset();
    state_file_remove(1);
    r = vmctl_open(&handle, &error);
    if (r == 0) {
        r = vmctl_create(handle, context, 0, &domid, &error);
    }
    if (r == 0) {
        r = vmctl_destroy(handle, domid, &error);
        /* Not done for want of memory: done again with it. */
        if (r == -ENOMEM && vmctl_destroy(handle, domid, NULL) < 0) {
            r = -EFAULT;
        }
    }
    vmctl_close(handle);
    if (fake_xen_domains() != 0 || fake_xen_leaks() != 0 || fake_store_leaks() != 0 ||
        fake_store_count() != 0 || (r != 0 && r != error.code)) {
        return -EFAULT;
    }
    return r == -ENOMEM || r == 0 ? r : -EFAULT;
}

START_TEST(a_guest_is_made_or_not_at_each_failing_allocation)
{
    struct guest_config *config;

    world_begin();
    config = world_config("web", world_devices);
    ck_assert_uint_gt(survive(live, config), 15);
    guest_config_free(config);
    world_end();
}
END_TEST

static int look(void *context)
{
    struct vmctl *handle = context;
    struct vmctl_error error = { .code = 0 };
    struct vmctl_guest *guests = NULL;
    struct vmctl_vcpu *vcpus = NULL;
    char *xml = NULL;
    size_t count = 0;
    int r = vmctl_list(handle, &guests, &count, &error);

    free(guests);
    if (r == 0) {
        r = vmctl_vcpus(handle, 1, &vcpus, &count, &error);
        free(vcpus);
    }
    if (r == 0) {
        r = vmctl_dumpxml(handle, 1, &xml, &error);
        free(xml);
    }
    return r;
}

static int change(void *context)
{
    const struct vmctl_disk disk = { .source = "/srv/more.img", .target = "xvdb" };
    struct vmctl *handle = context;
    struct vmctl_error error = { .code = 0 };
    int r = vmctl_attach_disk(handle, 1, &disk, &error);

    if (r == 0) {
        r = vmctl_detach_disk(handle, 1, "xvdb", &error);
        /* Not done for want of memory: done again with it. */
        if (r == -ENOMEM && vmctl_detach_disk(handle, 1, "xvdb", NULL) < 0) {
            r = -EFAULT;
        }
    }
    return r;
}

static int change_more(void *context)
{
    const struct vmctl_network network = { .bridge = "br0", .mac = "00:16:3e:00:00:09" };
    struct vmctl *handle = context;
    struct vmctl_error error = { .code = 0 };
    uint32_t position = 0;
    char *log = NULL;
    size_t length;
    int r = vmctl_rename(handle, 1, "www", &error);

    r = r < 0 ? r : vmctl_rename(handle, 1, "web", &error);
    r = r < 0 ? r : vmctl_set_memory(handle, 1, 10240, &error);
    r = r < 0 ? r : vmctl_set_vcpus(handle, 1, 1, &error);
    r = r < 0 ? r : vmctl_log(handle, &position, &log, &length, &error);
    free(log);
    r = r < 0 ? r : vmctl_attach_network(handle, 1, &network, &error);
    if (r == 0) {
        r = vmctl_detach_network(handle, 1, network.mac, &error);
        if (r == -ENOMEM && vmctl_detach_network(handle, 1, network.mac, NULL) < 0) {
            r = -EFAULT;
        }
    }
    return r;
}

/* A maker that was killed, found and seen to. */
static int recover(void *context)
{
    static const uint8_t uuid[16] = { 7 };
    struct vmctl *handle = context;
    struct vmctl_error error = { .code = 0 };
    uint8_t(*uuids)[16] = NULL;
    struct making making;
    size_t count = 0;
    int r = making_begin(&making, handle, uuid, false, &error);

    if (r < 0) {
        return r;
    }
    making_end(&making, false);
    r = making_abandoned(&uuids, &count, &error);
    free(uuids);
    r = r < 0 ? r : making_recover(handle, uuid, &error);
    return r;
}

START_TEST(a_guest_is_looked_at_and_changed_at_each_failing_allocation)
{
    struct vmctl *handle = NULL;
    struct guest_config *config;
    uint32_t domid = 0;

    world_begin();
    config = world_config("web", world_devices);
    ck_assert_int_eq(vmctl_open(&handle, NULL), 0);
    ck_assert_int_eq(vmctl_create(handle, config, 0, &domid, NULL), 0);
    ck_assert_uint_gt(survive(look, handle), 3);
    ck_assert_uint_gt(survive(change, handle), 5);
    ck_assert_ptr_null(fake_store_get("/local/domain/0/backend/vbd/1/51728/params"));
    ck_assert_uint_gt(survive(change_more, handle), 10);
    ck_assert_ptr_null(fake_store_get("/local/domain/0/backend/vif/1/1/mac"));
    ck_assert_ptr_nonnull(fake_store_get("/paravane/name/web"));
    ck_assert_ptr_null(fake_store_get("/paravane/name/www"));
    ck_assert_uint_gt(survive(recover, handle), 1);
    vmctl_close(handle);
    guest_config_free(config);
    world_end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("builder_memory");
    TCase *tcase = suite_case(suite, "memory");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_guest_is_made_or_not_at_each_failing_allocation);
    tcase_add_test(tcase, a_guest_is_looked_at_and_changed_at_each_failing_allocation);
    return suite_run(suite);
}
