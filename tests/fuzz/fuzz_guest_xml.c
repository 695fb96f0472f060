/* SPDX-License-Identifier: MIT */
/*
 * Any text given as a guest.xml: what is taken is in the promised ranges, and
 * what is written down of it is taken again and written the same.
 */
#include <stdlib.h>
#include <string.h>

#include "libvmctl/config_values.h"
#include "libvmctl/guest_config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_that(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void check_config(const struct guest_config *config)
{
    check_that(guest_name_check(config->name, NULL) == 0);
    check_that(config->memory_kib >= GUEST_MEMORY_MIN && config->memory_kib <= GUEST_MEMORY_MAX);
    check_that(config->target_kib > 0 && config->target_kib <= config->memory_kib);
    check_that(config->vcpus >= 1 && config->vcpus <= GUEST_VCPUS_MAX);
    check_that(config->vcpus_online >= 1 && config->vcpus_online <= config->vcpus);
    check_that(value_path(config->kernel, NULL) == 0);
    check_that(value_line(config->cmdline, GUEST_CMDLINE_MAX, NULL) == 0);
    check_that(config->initrd == NULL || value_path(config->initrd, NULL) == 0);
    for (size_t i = 0; i < config->disk_count; i++) {
        uint32_t vdev;

        check_that(value_path(config->disks[i].source, NULL) == 0);
        check_that(guest_disk_target(config->disks[i].target, &vdev, NULL) == 0);
        check_that(vdev == config->disks[i].vdev);
    }
    for (size_t i = 0; i < config->nic_count; i++) {
        check_that(value_interface(config->nics[i].bridge, NULL) == 0);
    }
    check_that(config->console_file == NULL || value_path(config->console_file, NULL) == 0);
}

static struct guest_config *parse(const char *text, size_t length)
{
    struct guest_config *config = NULL;
    struct vmctl_error error;
    int r = guest_config_parse(text, length, NULL, NULL, &config, &error);

    check_that((r == 0) == (config != NULL));
    check_that(r == 0 || (r == error.code && error.message[0] != '\0'));
    return config;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct guest_config *config = parse((const char *)data, size);
    struct guest_config *again;
    char *first;
    char *second;
    size_t length;

    if (config == NULL) {
        return 0;
    }
    check_config(config);
    check_that(guest_config_write(config, &first, &length, NULL) == 0);
    again = parse(first, length);
    check_that(again != NULL);
    check_that(guest_config_write(again, &second, &length, NULL) == 0);
    check_that(strcmp(first, second) == 0);
    free(first);
    free(second);
    guest_config_free(config);
    guest_config_free(again);
    return 0;
}
