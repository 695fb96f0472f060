/* SPDX-License-Identifier: MIT */
/* A store for tests: see fake_store.h. */
#include "tests/unit/fake_store.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODES   512u
#define EVENTS  4096u
#define WATCHES 16u

struct store_client {
    struct {
        char *path;
        char *token;
    } watches[WATCHES];
    struct {
        char *path;
        const char *token;
    } events[EVENTS];
    size_t first_event;
    size_t last_event;
    char *given; /* the event last returned */
};

static struct {
    char *path;
    char *value;
} nodes[NODES];
static struct store_client *only_client;
static size_t requests;
static int failure;
static const char *doomed;

static bool is_below(const char *path, const char *root)
{
    size_t length = strlen(root);

    return strncmp(path, root, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

static char *copy_of(const char *text)
{
    char *copy = strdup(text);

    if (copy == NULL) {
        abort();
    }
    return copy;
}

static size_t slot_of(const char *path)
{
    for (size_t i = 0; i < NODES; i++) {
        if (nodes[i].path != NULL && strcmp(nodes[i].path, path) == 0) {
            return i;
        }
    }
    return NODES;
}

static void queue_event(struct store_client *client, const char *path, const char *token)
{
    if (client->last_event == EVENTS) {
        abort();
    }
    client->events[client->last_event].path = copy_of(path);
    client->events[client->last_event++].token = token;
}

static void fire(const char *path)
{
    for (size_t i = 0; only_client != NULL && i < WATCHES; i++) {
        if (only_client->watches[i].path != NULL && is_below(path, only_client->watches[i].path)) {
            queue_event(only_client, path, only_client->watches[i].token);
        }
    }
}

static void put_one(const char *path, const char *value, size_t length)
{
    size_t slot = slot_of(path);

    if (slot == NODES) {
        for (slot = 0; slot < NODES && nodes[slot].path != NULL; slot++) {
        }
        if (slot == NODES) {
            abort();
        }
        nodes[slot].path = copy_of(path);
    }
    free(nodes[slot].value);
    nodes[slot].value = strndup(value, length);
}

static void put(const char *path, const char *value, size_t length)
{
    char *parent = copy_of(path);
    char *slash;

    for (slash = strchr(parent + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (slot_of(parent) == NODES) {
            put_one(parent, "", 0);
        }
        *slash = '/';
    }
    free(parent);
    put_one(path, value, length);
    fire(path);
}

static bool drop(const char *path)
{
    bool any = false;

    for (size_t i = 0; i < NODES; i++) {
        if (nodes[i].path != NULL && is_below(nodes[i].path, path)) {
            free(nodes[i].path);
            free(nodes[i].value);
            nodes[i].path = nodes[i].value = NULL;
            any = true;
        }
    }
    if (any) {
        fire(path);
    }
    return any;
}

void fake_store_reset(void)
{
    (void)drop("");
    requests = 0;
    failure = 0;
}

void fake_store_set(const char *path, const char *value)
{
    put(path, value, strlen(value));
}

void fake_store_drop(const char *path)
{
    (void)drop(path);
}

const char *fake_store_get(const char *path)
{
    size_t slot = slot_of(path);

    return slot == NODES ? NULL : nodes[slot].value;
}

void fake_store_drop_before_write(const char *path)
{
    doomed = path;
}

size_t fake_store_requests(void)
{
    return requests;
}

void fake_store_fail(int code)
{
    failure = code;
}

/* --- the client ---------------------------------------------------------------- */

static int begin(struct vmctl_error *error)
{
    requests++;
    return failure == 0 ? 0 : vmctl_fail(error, failure, "the store fails");
}

int store_open(const char *path, struct store_client **client, struct vmctl_error *error)
{
    (void)path;
    (void)error;
    *client = calloc(1, sizeof(**client));
    only_client = *client;
    return *client != NULL ? 0 : -ENOMEM;
}

void store_close(struct store_client *client)
{
    if (client == NULL) {
        return;
    }
    for (size_t i = 0; i < WATCHES; i++) {
        free(client->watches[i].path);
        free(client->watches[i].token);
    }
    for (size_t i = client->first_event; i < client->last_event; i++) {
        free(client->events[i].path);
    }
    free(client->given);
    free(client);
    only_client = NULL;
}

int store_read(struct store_client *client, uint32_t transaction, const char *path, char **text,
               size_t *length, struct vmctl_error *error)
{
    size_t slot = slot_of(path);
    int r = begin(error);

    (void)client;
    (void)transaction;
    if (r < 0) {
        return r;
    }
    if (slot == NODES) {
        return vmctl_fail(error, -ENOENT, "%s is not there", path);
    }
    *text = copy_of(nodes[slot].value);
    if (length != NULL) {
        *length = strlen(*text);
    }
    return 0;
}

int store_write_many(struct store_client *client, uint32_t transaction,
                     const struct store_change *changes, size_t count, size_t *failed,
                     struct vmctl_error *error)
{
    int r = begin(error);

    (void)client;
    (void)transaction;
    (void)failed;
    if (doomed != NULL) {
        (void)drop(doomed);
        doomed = NULL;
    }
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (changes[i].kind == STORE_CHANGE_WRITE) {
            put(changes[i].path, changes[i].value, changes[i].length);
        } else if (changes[i].kind == STORE_CHANGE_REMOVE) {
            (void)drop(changes[i].path);
        } else {
            abort();
        }
    }
    return r;
}

int store_write_text(struct store_client *client, uint32_t transaction, const char *path,
                     const char *text, struct vmctl_error *error)
{
    int r = begin(error);

    (void)client;
    (void)transaction;
    if (r == 0) {
        put(path, text, strlen(text));
    }
    return r;
}

int store_remove(struct store_client *client, uint32_t transaction, const char *path,
                 struct vmctl_error *error)
{
    int r = begin(error);

    (void)client;
    (void)transaction;
    if (r == 0) {
        (void)drop(path);
    }
    return r;
}

/* Nobody else is there to upset one. */
int store_transaction_start(struct store_client *client, uint32_t *transaction,
                            struct vmctl_error *error)
{
    (void)client;
    *transaction = 1;
    return begin(error);
}

int store_transaction_end(struct store_client *client, uint32_t transaction, bool commit,
                          struct vmctl_error *error)
{
    (void)client;
    (void)transaction;
    (void)commit;
    return begin(error);
}

/* The names and the array share one allocation, as promised. */
int store_list(struct store_client *client, uint32_t transaction, const char *path, char ***names,
               size_t *count, struct vmctl_error *error)
{
    size_t room = NODES * (sizeof(char *) + 64);
    size_t depth = strlen(path);
    char **list;
    char *text;
    int r = begin(error);

    (void)client;
    (void)transaction;
    if (r < 0) {
        return r;
    }
    if (slot_of(path) == NODES) {
        return vmctl_fail(error, -ENOENT, "%s is not there", path);
    }
    list = calloc(1, room);
    if (list == NULL) {
        abort();
    }
    text = (char *)(list + NODES);
    *count = 0;
    for (size_t i = 0; i < NODES; i++) {
        if (nodes[i].path != NULL && is_below(nodes[i].path, path) && nodes[i].path[depth] == '/' &&
            strchr(nodes[i].path + depth + 1, '/') == NULL) {
            list[(*count)++] = text;
            text += snprintf(text, 64, "%s", nodes[i].path + depth + 1) + 1;
        }
    }
    *names = list;
    return 0;
}

int store_watch(struct store_client *client, const char *path, const char *token,
                struct vmctl_error *error)
{
    int r = begin(error);

    for (size_t i = 0; r == 0 && i < WATCHES; i++) {
        if (client->watches[i].path == NULL) {
            client->watches[i].path = copy_of(path);
            client->watches[i].token = copy_of(token);
            queue_event(client, path, client->watches[i].token);
            return 0;
        }
    }
    return r < 0 ? r : vmctl_fail(error, -ENOSPC, "too many watches");
}

int store_next_event(struct store_client *client, const char **path, const char **token,
                     struct vmctl_error *error)
{
    (void)error;
    if (client->first_event == client->last_event) {
        client->first_event = client->last_event = 0;
        return 0;
    }
    free(client->given);
    client->given = client->events[client->first_event].path;
    *path = client->given;
    *token = client->events[client->first_event++].token;
    return 1;
}
