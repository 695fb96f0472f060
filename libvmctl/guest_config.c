/* SPDX-License-Identifier: MIT */
/* The memory of a struct guest_config, and changes to its devices: see guest_config.h. */
#include "libvmctl/guest_config.h"

#include "libvmctl/config_values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* A string, or the whole file, in the config's keeping. */
struct guest_text {
    struct guest_text *next;
    char bytes[];
};

struct guest_config *guest_config_new(void)
{
    struct guest_config *config = calloc(1, sizeof(*config));

    if (config != NULL) {
        config->vcpus = 1;
        config->vcpus_online = 1;
        config->on_poweroff = GUEST_ACTION_DESTROY;
        config->on_reboot = GUEST_ACTION_RESTART;
        config->on_crash = GUEST_ACTION_DESTROY;
    }
    return config;
}

char *guest_config_buffer(struct guest_config *config, const char *text, size_t length)
{
    struct guest_text *made = malloc(sizeof(*made) + length + 1);

    if (made == NULL) {
        return NULL;
    }
    memcpy(made->bytes, text, length);
    made->bytes[length] = '\0';
    made->next = config->texts;
    config->texts = made;
    return made->bytes;
}

const char *guest_config_text(struct guest_config *config, const char *text, size_t length)
{
    return guest_config_buffer(config, text, length);
}

void guest_config_free(struct guest_config *config)
{
    size_t i;

    if (config == NULL) {
        return;
    }
    while (config->texts != NULL) {
        struct guest_text *next = config->texts->next;

        free(config->texts);
        config->texts = next;
    }
    for (i = 0; config->pins != NULL && i < GUEST_VCPUS_MAX; i++) {
        free(config->pins[i]);
    }
    free(config->pins);
    free(config->disks);
    free(config->nics);
    free(config);
}

/* Room for one more behind `count` elements of `array`, which grows by doubling. */
static void *grow(void *array, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0) {
        return array;
    }
    return realloc(array, (count == 0 ? 1 : 2 * count) * size);
}

static int check_disk(const struct guest_config *config, const struct guest_disk *disk,
                      struct vmctl_error *error)
{
    size_t i;

    if (config->disk_count == GUEST_DISKS_MAX) {
        return vmctl_fail(error, -E2BIG, "a guest has at most %d disks", GUEST_DISKS_MAX);
    }
    for (i = 0; i < config->disk_count; i++) {
        const struct guest_disk *other = &config->disks[i];

        if (other->vdev == disk->vdev) {
            return vmctl_fail(error, -EEXIST, "there are two disks '%s'", disk->target);
        }
        if (strcmp(other->source, disk->source) == 0 && !(other->readonly && disk->readonly) &&
            !(other->shareable && disk->shareable)) {
            return vmctl_fail(error, -EEXIST,
                              "'%.150s' is in use as %s already, and one of the two could write",
                              disk->source, other->target);
        }
    }
    return 0;
}

static const char *copy_text(struct guest_config *config, const char *text)
{
    return text == NULL ? NULL : guest_config_text(config, text, strlen(text));
}

int guest_config_add_disk(struct guest_config *config, const struct guest_disk *disk,
                          struct vmctl_error *error)
{
    struct guest_disk made = *disk;
    void *array;
    int r = value_path(disk->source, error);

    if (r == 0) {
        r = guest_disk_target(disk->target, &made.vdev, error);
    }
    if (r == 0) {
        r = check_disk(config, &made, error);
    }
    if (r < 0) {
        return r;
    }
    made.readonly |= made.cdrom;
    made.source = copy_text(config, disk->source);
    made.target = copy_text(config, disk->target);
    array = grow(config->disks, config->disk_count, sizeof(made));
    if (array != NULL) {
        config->disks = array;
    }
    if (array == NULL || made.source == NULL || made.target == NULL) {
        return vmctl_fail(error, -ENOMEM, "no memory for a disk");
    }
    config->disks[config->disk_count++] = made;
    return 0;
}

/* An address of the range that is set aside for PV guests. */
static int make_mac(uint8_t mac[6], struct vmctl_error *error)
{
    static const uint8_t prefix[] = { 0x00, 0x16, 0x3e };

    memcpy(mac, prefix, sizeof(prefix));
    if (getrandom(mac + 3, 3, 0) != 3) {
        return vmctl_fail(error, -errno, "no random numbers for a MAC address");
    }
    mac[3] &= 0x7f;
    return 0;
}

int guest_config_add_nic(struct guest_config *config, const struct guest_nic *nic,
                         struct vmctl_error *error)
{
    static const uint8_t none[6];
    struct guest_nic made = *nic;
    size_t i;
    void *array;
    int r = value_interface(nic->bridge, error);

    if (r == 0 && nic->target != NULL) {
        r = value_interface(nic->target, error);
    }
    if (r == 0 && (nic->rate_kib > GUEST_RATE_MAX || nic->burst_kib > GUEST_BURST_MAX)) {
        r = vmctl_fail(error, -ERANGE, "a card's limit is at most %u KiB/s, in bursts of %u KiB",
                       GUEST_RATE_MAX, GUEST_BURST_MAX);
    }
    if (r == 0 && memcmp(made.mac, none, sizeof(none)) == 0) {
        r = make_mac(made.mac, error);
    }
    if (r < 0) {
        return r;
    }
    if (config->nic_count == GUEST_NICS_MAX) {
        return vmctl_fail(error, -E2BIG, "a guest has at most %d network cards", GUEST_NICS_MAX);
    }
    for (i = 0; i < config->nic_count; i++) {
        if (memcmp(config->nics[i].mac, made.mac, sizeof(made.mac)) == 0) {
            return vmctl_fail(error, -EEXIST, "two network cards have the same MAC address");
        }
    }
    made.bridge = copy_text(config, nic->bridge);
    made.target = copy_text(config, nic->target);
    array = grow(config->nics, config->nic_count, sizeof(made));
    if (array != NULL) {
        config->nics = array;
    }
    if (array == NULL || made.bridge == NULL || (nic->target != NULL && made.target == NULL)) {
        return vmctl_fail(error, -ENOMEM, "no memory for a network card");
    }
    config->nics[config->nic_count++] = made;
    return 0;
}

void guest_config_remove_disk(struct guest_config *config, size_t index)
{
    config->disk_count--;
    memmove(&config->disks[index], &config->disks[index + 1],
            (config->disk_count - index) * sizeof(config->disks[0]));
}

void guest_config_remove_nic(struct guest_config *config, size_t index)
{
    config->nic_count--;
    memmove(&config->nics[index], &config->nics[index + 1],
            (config->nic_count - index) * sizeof(config->nics[0]));
}
