/* SPDX-License-Identifier: MIT */
/* Nodes of the store: reading what is asked, writing what came of it. */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dom0-tools/devices/private.h"

void say(const struct devices *devices, const char *format, ...)
{
    char line[1280];
    va_list words;

    va_start(words, format);
    (void)vsnprintf(line, sizeof(line), format, words);
    va_end(words);
    devices->settings.say(line);
}

void node_path(const struct device_key *key, char path[NODE_SIZE])
{
    (void)snprintf(path, NODE_SIZE, BACKENDS "/%s/%u/%u", device_class_name(key->class), key->domid,
                   key->handle);
}

int read_leaf(struct devices *devices, const struct node *node, const char *leaf, char **text,
              struct vmctl_error *error)
{
    char path[PATH_SIZE];
    int r;

    *text = NULL;
    (void)snprintf(path, sizeof(path), "%s/%s", node->path, leaf);
    r = store_read(devices->store, STORE_NO_TRANSACTION, path, text, NULL, error);
    return r == -ENOENT ? 0 : r;
}

int node_read(struct devices *devices, const struct device_key *key, struct node *node,
              struct vmctl_error *error)
{
    char **names = NULL;
    size_t count = 0;
    int r;

    *node = (struct node){ .ours = false };
    node_path(key, node->path);
    r = store_list(devices->store, STORE_NO_TRANSACTION, node->path, &names, &count, error);
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < count; i++) {
        node->ours |= strcmp(names[i], "paravane") == 0;
        node->complete |= strcmp(names[i], "state") == 0;
        node->has_status |= strcmp(names[i], "hotplug-status") == 0;
        node->has_error |= strcmp(names[i], "hotplug-error") == 0;
        node->has_physical |= strcmp(names[i], "physical-device") == 0;
    }
    free(names);
    return 0;
}

struct store_change write_of(char path[PATH_SIZE], const struct node *node, const char *leaf,
                             const char *text)
{
    (void)snprintf(path, PATH_SIZE, "%s/%s", node->path, leaf);
    return (struct store_change){
        .kind = STORE_CHANGE_WRITE,
        .path = path,
        .value = text,
        .length = strlen(text),
    };
}

static bool is_ours(struct store_client *store, uint32_t transaction, const char *node)
{
    char path[PATH_SIZE];
    char *text = NULL;
    int r;

    (void)snprintf(path, sizeof(path), "%s/paravane", node);
    r = store_read(store, transaction, path, &text, NULL, NULL);
    free(text);
    return r != -ENOENT;
}

/* A node that is there again by then is another device's. */
static int remove_ghost(struct store_client *store, uint32_t transaction, void *context,
                        struct vmctl_error *error)
{
    const char *path = context;

    return is_ours(store, transaction, path) ? 0 : store_remove(store, transaction, path, error);
}

/*
 * To write makes what is not there, so a device removed just now would be there
 * again with our answer alone.  Looking after it costs less than a transaction.
 */
int node_write(struct devices *devices, const struct device_key *key,
               const struct store_change *changes, size_t count, struct vmctl_error *error)
{
    struct store_client *store = devices->store;
    char path[NODE_SIZE];
    int r = store_write_many(store, STORE_NO_TRANSACTION, changes, count, NULL, error);

    node_path(key, path);
    if (r == 0 && !is_ours(store, STORE_NO_TRANSACTION, path)) {
        (void)store_transaction_run(store, remove_ghost, path, NULL);
        sweep_domain(devices, key->class, key->domid);
    }
    return r;
}

static bool has_home(struct store_client *store, uint32_t transaction, uint32_t domid)
{
    char path[NODE_SIZE];
    char *text = NULL;
    int r;

    (void)snprintf(path, sizeof(path), "/local/domain/%u", domid);
    r = store_read(store, transaction, path, &text, NULL, NULL);
    free(text);
    return r != -ENOENT;
}

static int sweep(struct store_client *store, uint32_t transaction, void *context,
                 struct vmctl_error *error)
{
    static const char *const roots[] = { BACKENDS, ERRORS };
    const struct device_key *key = context;
    int r = 0;

    if (has_home(store, transaction, key->domid)) {
        return 0;
    }
    for (size_t i = 0; r == 0 && i < sizeof(roots) / sizeof(roots[0]); i++) {
        char path[NODE_SIZE];

        (void)snprintf(path, sizeof(path), "%s/%s/%u", roots[i], device_class_name(key->class),
                       key->domid);
        r = store_remove(store, transaction, path, error);
    }
    return r;
}

/*
 * The kernel's back ends write into their nodes when they like, also after
 * these were removed, and so make them again; but then we hear of it.
 */
void sweep_domain(struct devices *devices, enum device_class class, uint32_t domid)
{
    struct device_key key = { .class = class, .domid = domid };

    if (!has_home(devices->store, STORE_NO_TRANSACTION, domid)) {
        (void)store_transaction_run(devices->store, sweep, &key, NULL);
    }
}

/* Some words come from outside; none is to play with the terminal that shows them. */
static void make_printable(char *text)
{
    for (char *at = text; *at != '\0'; at++) {
        if (isprint((unsigned char)*at) == 0) {
            *at = '?';
        }
    }
}

void guest_name(struct devices *devices, uint32_t domid, char *name, size_t room)
{
    char path[NODE_SIZE];
    char *text = NULL;

    (void)snprintf(path, sizeof(path), "/local/domain/%u/name", domid);
    if (store_read(devices->store, STORE_NO_TRANSACTION, path, &text, NULL, NULL) < 0) {
        text = NULL;
    }
    (void)snprintf(name, room, "%s", text != NULL ? text : "?");
    free(text);
    make_printable(name);
}

void device_words(struct devices *devices, const struct device_key *key, char *words, size_t room)
{
    struct node node = { .ours = false };
    char *name = NULL;

    if (key->class == DEVICE_VIF) {
        (void)snprintf(words, room, "network card %u", key->handle);
        return;
    }
    node_path(key, node.path);
    if (read_leaf(devices, &node, "dev", &name, NULL) < 0 || name == NULL) {
        (void)snprintf(words, room, "disk %u", key->handle);
    } else {
        (void)snprintf(words, room, "disk %.32s", name);
    }
    free(name);
}

/* The log has no parts: all in one line. */
static void log_failure(struct devices *devices, const struct device *device,
                        const struct vmctl_error *error)
{
    char text[sizeof(error->message) + sizeof(error->remedy) + 64];
    char words[48];

    device_words(devices, &device->key, words, sizeof(words));
    (void)snprintf(text, sizeof(text), "%s: %s%s%s", words, error->message,
                   error->remedy[0] != '\0' ? "; " : "", error->remedy);
    make_printable(text);
    say(devices, "guest %u: %s%s", device->key.domid, device->answered ? "left as it is: " : "",
        text);
}

void answer_failed(struct devices *devices, struct device *device, const struct node *node,
                   const struct vmctl_error *error)
{
    struct store_change changes[4];
    char paths[4][PATH_SIZE];
    struct vmctl_error said = *error;
    char text[sizeof(said.what) + sizeof(said.cause) + 4];
    size_t count = 0;
    int r;

    log_failure(devices, device, error);
    if (device->answered) {
        device->state = DEVICE_CONNECTED;
        return;
    }
    device->state = DEVICE_FAILED;
    (void)snprintf(text, sizeof(text), "%s%s%s", said.what, said.what[0] != '\0' ? ": " : "",
                   said.cause);
    make_printable(text);
    make_printable(said.holder);
    if (said.holder[0] != '\0') {
        changes[count] = write_of(paths[count], node, "hotplug-holder", said.holder);
        count++;
    }
    if (said.remedy[0] != '\0') {
        changes[count] = write_of(paths[count], node, "hotplug-remedy", said.remedy);
        count++;
    }
    changes[count] = write_of(paths[count], node, "hotplug-error", text);
    count++;
    changes[count] = write_of(paths[count], node, "hotplug-status", "error");
    count++;
    r = node_write(devices, &device->key, changes, count, NULL);
    if (r < 0) {
        say(devices, "guest %u: cannot say so in the store: %s", device->key.domid, strerror(-r));
    }
}

bool exists(const char *root, const char *rest)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s", root, rest);
    return access(path, F_OK) == 0;
}

int no_driver(const char *devices, const char *module, struct vmctl_error *error)
{
    (void)vmctl_fail(error, -ENODEV, "dom0's kernel has no back end for %s", devices);
    vmctl_error_remedy(error, "modprobe %s", module);
    return -ENODEV;
}
