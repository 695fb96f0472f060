/* SPDX-License-Identifier: MIT */
/* A store in this process: see fake_store.h. */
#include "tests/fake/fake_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES 512u
#define PATH  192u
#define VALUE 192u

struct node {
    char path[PATH];
    char value[VALUE];
};

struct store_client {
    int unused;
};

static struct node nodes[NODES];
static struct node kept[NODES]; /* as before the transaction */
static struct store_client client;
static unsigned long countdown;
static int countdown_code;
static bool failed;
static unsigned int upset;
static const char *refusal;
static unsigned int introduced;
static unsigned int leaks;

static int failing(struct vmctl_error *error)
{
    if (countdown == 0 || --countdown != 0) {
        return 0;
    }
    failed = true;
    return vmctl_fail(error, countdown_code, "fake store: %s", strerror(-countdown_code));
}

void fake_store_reset(void)
{
    memset(nodes, 0, sizeof(nodes));
    countdown = 0;
    failed = false;
    upset = 0;
    refusal = NULL;
    introduced = 0;
    leaks = 0;
}

static struct node *find(const char *path)
{
    for (size_t i = 0; i < NODES; i++) {
        if (strcmp(nodes[i].path, path) == 0 && path[0] != '\0') {
            return &nodes[i];
        }
    }
    return NULL;
}

const char *fake_store_value(const char *path)
{
    const struct node *node = find(path);

    return node == NULL ? NULL : node->value;
}

void fake_store_set(const char *path, const char *value)
{
    struct node *node = find(path);

    for (size_t i = 0; i < NODES && node == NULL; i++) {
        node = nodes[i].path[0] == '\0' ? &nodes[i] : NULL;
    }
    if (node == NULL || strlen(path) >= PATH || strlen(value) >= VALUE) {
        abort();
    }
    (void)snprintf(node->path, PATH, "%s", path);
    (void)snprintf(node->value, VALUE, "%s", value);
}

static bool below(const char *path, const char *directory)
{
    size_t length = strlen(directory);

    return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

static void erase(const char *directory)
{
    for (size_t i = 0; i < NODES; i++) {
        if (nodes[i].path[0] != '\0' && below(nodes[i].path, directory)) {
            nodes[i].path[0] = '\0';
        }
    }
}

size_t fake_store_count(void)
{
    size_t count = 0;

    for (size_t i = 0; i < NODES; i++) {
        count += nodes[i].path[0] != '\0';
    }
    return count;
}

void fake_store_fail(unsigned long number, int code)
{
    countdown = number;
    countdown_code = code;
    failed = false;
}

bool fake_store_failed(void)
{
    return failed;
}

void fake_store_upset(unsigned int transactions)
{
    upset = transactions;
}

void fake_store_refuse_devices(const char *words)
{
    refusal = words;
}

unsigned int fake_store_introduced(void)
{
    return introduced;
}

unsigned int fake_store_leaks(void)
{
    return leaks;
}

/* What devd and the drivers do when a back end's state is written. */
static void react(const char *path, const char *value)
{
    const char *name = strrchr(path, '/');
    char answer[PATH + 32];

    if (strstr(path, "/backend/") == NULL || name == NULL || strcmp(name, "/state") != 0) {
        return;
    }
    if (strcmp(value, "5") == 0) {
        fake_store_set(path, "6");
        return;
    }
    (void)snprintf(answer, sizeof(answer), "%.*s/%s", (int)(name - path), path,
                   refusal != NULL ? "hotplug-error" : "hotplug-status");
    fake_store_set(answer, refusal != NULL ? refusal : "connected");
}

static void change_one(const struct store_change *change)
{
    char value[VALUE];

    switch (change->kind) {
    case STORE_CHANGE_WRITE:
        if (change->length >= sizeof(value)) {
            abort();
        }
        memcpy(value, change->value, change->length);
        value[change->length] = '\0';
        fake_store_set(change->path, value);
        react(change->path, value);
        break;
    case STORE_CHANGE_MKDIR:
        if (find(change->path) == NULL) {
            fake_store_set(change->path, "");
        }
        break;
    case STORE_CHANGE_REMOVE:
        erase(change->path);
        break;
    case STORE_CHANGE_PERMISSIONS:
        /* Of a node that could not be made, perhaps. */
        break;
    }
}

/* The interface. */

int store_open(const char *path, struct store_client **opened, struct vmctl_error *error)
{
    int r = failing(error);

    (void)path;
    if (r == 0) {
        *opened = &client;
        leaks++;
    }
    return r;
}

void store_close(struct store_client *opened)
{
    leaks -= opened != NULL;
}

int store_fd(struct store_client *opened)
{
    (void)opened;
    return -1;
}

int store_read(struct store_client *opened, uint32_t transaction, const char *path, char **text,
               size_t *length, struct vmctl_error *error)
{
    const char *value = fake_store_value(path);
    int r = failing(error);

    (void)opened;
    (void)transaction;
    if (r < 0) {
        return r;
    }
    if (value == NULL) {
        return vmctl_fail(error, -ENOENT, "fake store: no %s", path);
    }
    *text = strdup(value);
    if (*text == NULL) {
        return vmctl_fail(error, -ENOMEM, "fake store: no memory");
    }
    if (length != NULL) {
        *length = strlen(value);
    }
    return 0;
}

int store_write_text(struct store_client *opened, uint32_t transaction, const char *path,
                     const char *text, struct vmctl_error *error)
{
    const struct store_change change = {
        .kind = STORE_CHANGE_WRITE,
        .path = path,
        .value = text,
        .length = strlen(text),
    };

    return store_write_many(opened, transaction, &change, 1, NULL, error);
}

int store_list(struct store_client *opened, uint32_t transaction, const char *path, char ***names,
               size_t *count, struct vmctl_error *error)
{
    int r = failing(error);
    bool any = false;

    (void)opened;
    (void)transaction;
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < NODES; i++) {
        any = any || (nodes[i].path[0] != '\0' && below(nodes[i].path, path));
    }
    if (!any) {
        return vmctl_fail(error, -ENOENT, "fake store: no %s", path);
    }
    /* Nobody asks for more than whether there are any. */
    *names = malloc(1);
    *count = 1;
    return *names != NULL ? 0 : vmctl_fail(error, -ENOMEM, "fake store: no memory");
}

int store_write_many(struct store_client *opened, uint32_t transaction,
                     const struct store_change *changes, size_t count, size_t *first_failed,
                     struct vmctl_error *error)
{
    int result = 0;

    (void)opened;
    (void)transaction;
    for (size_t i = 0; i < count; i++) {
        int r = failing(result == 0 ? error : NULL);

        if (r == 0) {
            change_one(&changes[i]);
        } else if (result == 0) {
            result = r;
            if (first_failed != NULL) {
                *first_failed = i;
            }
        }
    }
    return result;
}

int store_transaction_start(struct store_client *opened, uint32_t *transaction,
                            struct vmctl_error *error)
{
    int r = failing(error);

    (void)opened;
    if (r == 0) {
        memcpy(kept, nodes, sizeof(kept));
        *transaction = 1;
        leaks++;
    }
    return r;
}

int store_transaction_end(struct store_client *opened, uint32_t transaction, bool commit,
                          struct vmctl_error *error)
{
    int r = failing(error);

    (void)opened;
    (void)transaction;
    leaks--;
    if (r == 0 && commit && upset > 0) {
        upset--;
        r = vmctl_fail(error, -EAGAIN, "fake store: again");
    }
    if (r < 0 || !commit) {
        memcpy(nodes, kept, sizeof(nodes));
    }
    return r;
}

int store_watch(struct store_client *opened, const char *path, const char *token,
                struct vmctl_error *error)
{
    int r = failing(error);

    (void)opened;
    (void)path;
    (void)token;
    leaks += r == 0;
    return r;
}

int store_unwatch(struct store_client *opened, const char *path, const char *token,
                  struct vmctl_error *error)
{
    (void)opened;
    (void)path;
    (void)token;
    (void)error;
    leaks--;
    return 0;
}

int store_next_event(struct store_client *opened, const char **path, const char **token,
                     struct vmctl_error *error)
{
    (void)opened;
    (void)path;
    (void)token;
    /* A wait that nobody will end is a fault of the test. */
    return vmctl_fail(error, -EDEADLK, "fake store: there will be no event");
}

int store_introduce(struct store_client *opened, uint32_t domid, uint64_t mfn, uint32_t port,
                    struct vmctl_error *error)
{
    int r = failing(error);

    (void)opened;
    (void)domid;
    (void)mfn;
    (void)port;
    introduced += r == 0;
    return r;
}

int store_release(struct store_client *opened, uint32_t domid, struct vmctl_error *error)
{
    (void)opened;
    (void)domid;
    if (introduced == 0) {
        return vmctl_fail(error, -ENOENT, "fake store: not introduced");
    }
    introduced--;
    return 0;
}
