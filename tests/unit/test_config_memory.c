/* SPDX-License-Identifier: MIT */
/* Reading and writing a guest.xml when memory runs out, at each allocation. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libvmctl/guest_config.h"
#include "tests/fake/failing_malloc.h"
#include "tests/unit/suite.h"

static const char *full_path(void)
{
    static char path[4096];
    const char *root = getenv("srcdir");

    (void)snprintf(path, sizeof(path), "%s/tests/unit/guest_xml/full.xml",
                   root == NULL ? "." : root);
    return path;
}

static int read_full(void *context)
{
    struct guest_config *config = NULL;
    struct vmctl_error error = { .code = 0 };
    int r = guest_config_load(context, NULL, &config, &error);
    bool consistent = r == error.code && (r == 0) == (config != NULL);

    guest_config_free(config);
    return consistent ? r : -EFAULT;
}

static int write_full(void *context)
{
    char *text = NULL;
    size_t length;
    int r = guest_config_write(context, &text, &length, NULL);

    free(text);
    return r;
}

static int add_devices(void *context)
{
    struct guest_config *config = context;
    struct guest_disk disk = { .source = "/more", .target = "xvdz" };
    struct guest_nic nic = { .bridge = "br9", .target = "more" };
    size_t disks = config->disk_count;
    size_t nics = config->nic_count;
    bool consistent = true;
    int r = guest_config_add_disk(config, &disk, NULL);

    if (r == 0) {
        r = guest_config_add_nic(config, &nic, NULL);
        consistent = config->nic_count == nics + (r == 0 ? 1 : 0);
        guest_config_remove_disk(config, disks);
    }
    if (r == 0) {
        guest_config_remove_nic(config, nics);
    }
    return consistent && config->disk_count == disks ? r : -EFAULT;
}

START_TEST(reading_survives_every_failed_allocation)
{
    char name[4096];

    (void)snprintf(name, sizeof(name), "%s", full_path());
    ck_assert_uint_gt(survive_failing_allocations(read_full, name), 10);
}
END_TEST

START_TEST(writing_survives_every_failed_allocation)
{
    struct guest_config *config = NULL;

    ck_assert_int_eq(guest_config_load(full_path(), NULL, &config, NULL), 0);
    ck_assert_uint_gt(survive_failing_allocations(write_full, config), 1);
    guest_config_free(config);
}
END_TEST

START_TEST(adding_devices_survives_every_failed_allocation)
{
    struct guest_config *config = NULL;

    ck_assert_int_eq(guest_config_load(full_path(), NULL, &config, NULL), 0);
    ck_assert_uint_gt(survive_failing_allocations(add_devices, config), 3);
    guest_config_free(config);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("config_memory");
    TCase *tests = suite_case(suite, "config_memory");

    tcase_add_test(tests, reading_survives_every_failed_allocation);
    tcase_add_test(tests, writing_survives_every_failed_allocation);
    tcase_add_test(tests, adding_devices_survives_every_failed_allocation);
    return suite_run(suite);
}
