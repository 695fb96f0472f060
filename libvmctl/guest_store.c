/* SPDX-License-Identifier: MIT */
/* A guest's nodes in the store: see guest_store.h. */
#include "libvmctl/guest_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "libvmctl/config_values.h"
#include "libvmctl/domain.h"
#include "libvmctl/state_file.h"

#define CONSOLE_LIMIT 1048576 /* bytes that a console daemon buffers */

void guest_store_name_path(const char *name, char path[GUEST_PATH_SIZE])
{
    char node[GUEST_NODE_SIZE];

    guest_name_node(name, node);
    (void)snprintf(path, GUEST_PATH_SIZE, "/paravane/name/%s", node);
}

void guest_store_home_name(uint32_t domid, char path[GUEST_HOME_NAME_SIZE])
{
    (void)snprintf(path, GUEST_HOME_NAME_SIZE, "/local/domain/%u/name", domid);
}

static void uuid_path(const uint8_t uuid[16], char path[GUEST_PATH_SIZE])
{
    char text[37];

    guest_uuid_format(uuid, text);
    (void)snprintf(path, GUEST_PATH_SIZE, "/paravane/uuid/%s", text);
}

int guest_store_read_number(struct store_client *store, uint32_t transaction, const char *path,
                            uint64_t *number, struct vmctl_error *error)
{
    char *text = NULL;
    char *end = NULL;
    int r = store_read(store, transaction, path, &text, NULL, error);

    if (r < 0) {
        return r;
    }
    errno = 0;
    *number = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || *text == '-') {
        r = vmctl_fail(error, -EINVAL, "store: %s: '%.32s' is not a number", path, text);
    }
    free(text);
    return r;
}

/* The other guest that lives and that an index node names, or 0. */
static int other_holder(struct store_client *store, uint32_t transaction,
                        const struct guest_claim *claim, const char *path,
                        struct vmctl_error *error)
{
    struct vmctl_error none = { .code = 0 };
    uint64_t holder = 0;
    int r = guest_store_read_number(store, transaction, path, &holder, &none);

    if (r == -ENOENT || r == -EINVAL) {
        return 0;
    }
    if (r < 0) {
        *error = none;
        return r;
    }
    return holder == claim->domid || !domain_exists(claim->privcmd, holder) ? 0 : (int)holder;
}

int guest_store_check_name(struct store_client *store, uint32_t transaction,
                           const struct guest_claim *claim, struct vmctl_error *error)
{
    char path[GUEST_PATH_SIZE];
    int holder;

    guest_store_name_path(claim->name, path);
    holder = other_holder(store, transaction, claim, path, error);
    if (holder <= 0) {
        return holder;
    }
    vmctl_fail(error, -EEXIST, "there is a guest with the name %s already", claim->name);
    vmctl_error_remedy(error, "destroy or rename that guest, or choose another name");
    vmctl_error_holder(error, "domain %d", holder);
    return -EEXIST;
}

static int check_uuid(struct store_client *store, uint32_t transaction,
                      const struct guest_claim *claim, const char *path, struct vmctl_error *error)
{
    int holder = other_holder(store, transaction, claim, path, error);

    if (holder <= 0) {
        return holder;
    }
    vmctl_fail(error, -EEXIST, "there is a guest with the same uuid already");
    vmctl_error_remedy(error, "leave <uuid> out to have a new one made");
    vmctl_error_holder(error, "domain %d", holder);
    return -EEXIST;
}

static int claim_both(struct store_client *store, uint32_t transaction, void *context,
                      struct vmctl_error *error)
{
    const struct guest_claim *claim = context;
    struct node_list list = NODE_LIST_EMPTY;
    char name[GUEST_PATH_SIZE];
    char uuid[GUEST_PATH_SIZE];
    char home[32];
    char text[37];
    int r;

    guest_store_name_path(claim->name, name);
    uuid_path(claim->uuid, uuid);
    r = guest_store_check_name(store, transaction, claim, error);
    r = r < 0 ? r : check_uuid(store, transaction, claim, uuid, error);
    if (r < 0) {
        return r;
    }
    node_list_write(&list, name, "", "%u", claim->domid);
    node_list_write(&list, uuid, "", "%u", claim->domid);
    /* From here on the home says whose the two are, to whoever has to clean up. */
    guest_uuid_format(claim->uuid, text);
    (void)snprintf(home, sizeof(home), "/local/domain/%u", claim->domid);
    node_list_directory(&list, home, 0, claim->domid);
    node_list_write(&list, home, "vm", "/vm/%s", text);
    node_list_write(&list, home, "name", "%s", claim->name);
    return node_list_send(&list, store, transaction, error);
}

int guest_store_claim(struct store_client *store, struct guest_claim *claim,
                      struct vmctl_error *error)
{
    return store_transaction_run(store, claim_both, claim, error);
}

/* Directories that the guest may write in. */
static void add_guest_directories(struct node_list *list, const char *home, uint32_t domid)
{
    static const char *const names[] = { "control", "data", "attr", "drivers", "feature", "error" };
    char path[GUEST_PATH_SIZE + 16];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        (void)snprintf(path, sizeof(path), "%s/%s", home, names[i]);
        node_list_directory(list, path, domid, domid);
    }
}

void guest_store_add(struct node_list *list, const struct guest_config *config, uint32_t domid,
                     const struct builder_result *built)
{
    char home[GUEST_PATH_SIZE];
    char path[GUEST_PATH_SIZE];
    char uuid[37];

    guest_uuid_format(config->uuid, uuid);
    (void)snprintf(path, sizeof(path), "/vm/%s", uuid);
    node_list_directory(list, path, 0, domid);
    node_list_write(list, path, "uuid", "%s", uuid);
    node_list_write(list, path, "name", "%s", config->name);
    node_list_write(list, path, "start_time", "%lld", (long long)time(NULL));

    (void)snprintf(home, sizeof(home), "/local/domain/%u", domid);
    node_list_write(list, home, "domid", "%u", domid);
    node_list_write(list, home, "memory/static-max", "%llu",
                    (unsigned long long)config->memory_kib);
    node_list_write(list, home, "memory/target", "%llu", (unsigned long long)config->target_kib);
    for (uint32_t i = 0; i < config->vcpus; i++) {
        (void)snprintf(path, sizeof(path), "cpu/%u/availability", i);
        node_list_write(list, home, path, "%s", i < config->vcpus_online ? "online" : "offline");
    }
    node_list_write(list, home, "store/ring-ref", "%llu", (unsigned long long)built->store_frame);
    node_list_write(list, home, "store/port", "%u", built->store_port);
    node_list_write(list, home, "console/ring-ref", "%llu",
                    (unsigned long long)built->console_frame);
    node_list_write(list, home, "console/port", "%u", built->console_port);
    node_list_write(list, home, "console/limit", "%u", CONSOLE_LIMIT);
    node_list_write(list, home, "console/type", "%s", "xenconsoled");
    node_list_write(list, home, "console/output", "%s", "pty");
    node_list_write(list, home, "console/tty", "%s", "");
    add_guest_directories(list, home, domid);
}

void guest_store_announce(struct node_list *list, const struct guest_config *config, uint32_t domid)
{
    char path[GUEST_PATH_SIZE];

    (void)snprintf(path, sizeof(path), "/paravane/guest/%u", domid);
    node_list_write(list, path, "name", "%s", config->name);
    node_list_write(list, path, "on_poweroff", "%s", guest_action_name(config->on_poweroff));
    node_list_write(list, path, "on_reboot", "%s", guest_action_name(config->on_reboot));
    node_list_write(list, path, "on_crash", "%s", guest_action_name(config->on_crash));
    if (config->console_file != NULL) {
        node_list_write(list, path, "console-file", "%s", config->console_file);
        node_list_write(list, path, "console-append", "%d", config->console_append);
    }
    node_list_write(list, path, "", "%s", "");
}

int guest_store_name_of(struct store_client *store, uint32_t transaction, uint32_t domid,
                        char **name, struct vmctl_error *error)
{
    char path[GUEST_PATH_SIZE];
    uint64_t holder = domid;
    int r;

    *name = NULL;
    (void)snprintf(path, sizeof(path), "/paravane/guest/%u/name", domid);
    r = store_read(store, transaction, path, name, NULL, error);
    if (r == -ENOENT) {
        /* Not announced: it is being made, or its maker was killed, or it is not ours. */
        holder = 0;
        (void)snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
        r = store_read(store, transaction, path, name, NULL, error);
    }
    r = r < 0 ? r : guest_name_check(*name, error);
    if (r == 0 && holder != domid) {
        guest_store_name_path(*name, path);
        r = guest_store_read_number(store, transaction, path, &holder, error);
    }
    if (r < 0 || holder != domid) {
        free(*name);
        *name = NULL;
    }
    return r == -ENOENT || r == -EINVAL ? 0 : r;
}

/* Its home says it; where somebody has removed that, its description.  1, 0 or an error. */
static int find_uuid(struct store_client *store, uint32_t transaction, uint32_t domid,
                     uint8_t uuid[16], struct vmctl_error *error)
{
    struct guest_config *config = NULL;
    char path[GUEST_PATH_SIZE];
    char *text = NULL;
    int r;

    (void)snprintf(path, sizeof(path), "/local/domain/%u/vm", domid);
    r = store_read(store, transaction, path, &text, NULL, error);
    if (r == 0) {
        r = strncmp(text, "/vm/", 4) == 0 && value_uuid(text + 4, uuid, NULL) == 0;
    } else if (r == -ENOENT) {
        r = 0;
        if (state_file_read(domid, &config, NULL) == 0) {
            memcpy(uuid, config->uuid, 16);
            r = 1;
        }
    }
    guest_config_free(config);
    free(text);
    return r;
}

/* Is the index node another guest's by now?  1, 0 or an error. */
static int is_anothers(struct store_client *store, uint32_t transaction, const char *path,
                       uint32_t domid, struct vmctl_error *error)
{
    uint64_t holder = domid;
    int r = guest_store_read_number(store, transaction, path, &holder, error);

    return r == -ENOENT || r == -EINVAL || r == 0 ? holder != domid : r;
}

static int add_name(struct node_list *list, struct store_client *store, uint32_t transaction,
                    uint32_t domid, struct vmctl_error *error)
{
    char path[GUEST_PATH_SIZE];
    char *name = NULL;
    int r = guest_store_name_of(store, transaction, domid, &name, error);

    if (r == 0 && name != NULL) {
        guest_store_name_path(name, path);
        r = is_anothers(store, transaction, path, domid, error);
        if (r == 0) {
            node_list_remove(list, "%s", path);
        }
    }
    free(name);
    return r;
}

static int add_uuid(struct node_list *list, struct store_client *store, uint32_t transaction,
                    uint32_t domid, struct vmctl_error *error)
{
    char path[GUEST_PATH_SIZE];
    uint8_t uuid[16];
    char text[37];
    int r = find_uuid(store, transaction, domid, uuid, error);

    if (r <= 0) {
        return r;
    }
    uuid_path(uuid, path);
    r = is_anothers(store, transaction, path, domid, error);
    if (r == 0) {
        guest_uuid_format(uuid, text);
        node_list_remove(list, "/vm/%s", text);
        node_list_remove(list, "%s", path);
    }
    return r;
}

int guest_store_remove(struct store_client *store, uint32_t transaction, void *context,
                       struct vmctl_error *error)
{
    const uint32_t domid = *(const uint32_t *)context;
    struct node_list list = NODE_LIST_EMPTY;
    int r = add_name(&list, store, transaction, domid, error);

    r = r < 0 ? r : add_uuid(&list, store, transaction, domid, error);
    if (r < 0) {
        node_list_free(&list);
        return r;
    }
    /* The home goes first: without it, devd removes what the kernel still writes. */
    node_list_remove(&list, "/local/domain/%u", domid);
    node_list_remove(&list, "/local/domain/0/backend/vbd/%u", domid);
    node_list_remove(&list, "/local/domain/0/backend/vif/%u", domid);
    node_list_remove(&list, "/local/domain/0/error/backend/vbd/%u", domid);
    node_list_remove(&list, "/local/domain/0/error/backend/vif/%u", domid);
    node_list_remove(&list, "/libxl/%u", domid);
    node_list_remove(&list, "/paravane/guest/%u", domid);
    return node_list_send(&list, store, transaction, error);
}
