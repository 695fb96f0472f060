/* SPDX-License-Identifier: MIT */
/* A store in this process: see fake_store.h. */
#include "tests/fake/fake_store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "tests/fake/fake_lock.h"

#define NODES   512u
#define EVENTS  4096u
#define WATCHES 64u
#define PATH    192u
#define VALUE   512u
#define TOKEN   32u

struct node {
    char path[PATH]; /* empty: a free place */
    char value[VALUE];
    bool written;
};

struct store_client {
    int unused;
};

static struct node nodes[NODES];
static struct node kept[NODES]; /* as before the transaction */
static struct {
    const struct store_client *client; /* NULL: a free place */
    char path[PATH];
    char token[TOKEN];
} watches[WATCHES];
static struct {
    const struct store_client *client; /* NULL: it has it */
    char path[PATH];
    char token[TOKEN];
} events[EVENTS];
static size_t first_event;
static size_t last_event;
static size_t requests;
static int failure;
static unsigned long countdown;
static int countdown_code;
static bool failed;
static unsigned int upset;
static const char *doomed;
static const char *refusal;
static enum { LATE_NO, LATE_NEXT, LATE_NOW } late;
static char late_path[PATH];
static bool was_late; /* when the transaction began */
static bool (*is_dead)(void);
static void (*idle)(void);
static bool away;
static unsigned int introduced;
static unsigned int leaks;

static void copy_text(char *to, size_t room, const char *from)
{
    const size_t size = strlen(from) + 1;

    if (size > room) {
        abort();
    }
    memcpy(to, from, size);
}

static bool is_below(const char *path, const char *root)
{
    size_t length = strlen(root);

    return strncmp(path, root, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

static struct node *find(const char *path)
{
    for (size_t i = 0; i < NODES; i++) {
        if (path[0] != '\0' && strcmp(nodes[i].path, path) == 0) {
            return &nodes[i];
        }
    }
    return NULL;
}

static void queue_event(const struct store_client *client, const char *path, const char *token)
{
    if (last_event == EVENTS) {
        abort();
    }
    events[last_event].client = client;
    copy_text(events[last_event].path, PATH, path);
    copy_text(events[last_event].token, TOKEN, token);
    last_event++;
}

static void fire(const char *path)
{
    for (size_t i = 0; !away && i < WATCHES; i++) {
        if (watches[i].client != NULL && is_below(path, watches[i].path)) {
            queue_event(watches[i].client, path, watches[i].token);
        }
    }
}

static struct node *make(const char *path)
{
    struct node *node = find(path);

    for (size_t i = 0; i < NODES && node == NULL; i++) {
        node = nodes[i].path[0] == '\0' ? &nodes[i] : NULL;
    }
    if (node == NULL) {
        abort();
    }
    if (node->path[0] == '\0') {
        copy_text(node->path, PATH, path);
        node->value[0] = '\0';
        node->written = false;
    }
    return node;
}

static void put(const char *path, const char *value)
{
    char parent[PATH];
    struct node *node;

    copy_text(parent, PATH, path);
    for (char *slash = strchr(parent + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)make(parent);
        *slash = '/';
    }
    node = make(path);
    copy_text(node->value, VALUE, value);
    node->written = true;
    fire(path);
}

static void drop(const char *path)
{
    bool watched[WATCHES] = { false };

    for (size_t i = 0; i < WATCHES; i++) {
        watched[i] = watches[i].client != NULL && strcmp(watches[i].path, path) != 0 &&
                     is_below(watches[i].path, path) && find(watches[i].path) != NULL;
    }
    if (find(path) != NULL) {
        fire(path);
    }
    for (size_t i = 0; i < NODES; i++) {
        if (is_below(nodes[i].path, path)) {
            nodes[i].path[0] = '\0';
        }
    }
    for (size_t i = 0; i < WATCHES; i++) {
        if (watched[i]) {
            queue_event(watches[i].client, watches[i].path, watches[i].token);
        }
    }
}

/* --- for tests ----------------------------------------------------------------- */

void fake_store_reset(void)
{
    memset(nodes, 0, sizeof(nodes));
    memset(watches, 0, sizeof(watches));
    first_event = last_event = 0;
    requests = 0;
    failure = 0;
    countdown = 0;
    failed = false;
    upset = 0;
    doomed = NULL;
    refusal = NULL;
    late = LATE_NO;
    is_dead = NULL;
    idle = NULL;
    away = false;
    introduced = 0;
    leaks = 0;
}

void fake_store_set(const char *path, const char *value)
{
    put(path, value);
}

void fake_store_drop(const char *path)
{
    drop(path);
}

const char *fake_store_get(const char *path)
{
    const struct node *node = find(path);

    return node == NULL ? NULL : node->value;
}

size_t fake_store_count(void)
{
    size_t count = 0;

    for (size_t i = 0; i < NODES; i++) {
        count += nodes[i].path[0] != '\0' && nodes[i].written;
    }
    return count;
}

size_t fake_store_requests(void)
{
    return requests;
}

void fake_store_fail(int code)
{
    failure = code;
}

void fake_store_fail_at(unsigned long number, int code)
{
    countdown = number;
    countdown_code = code;
    failed = false;
}

bool fake_store_failed(void)
{
    return failed;
}

void fake_store_ask_death(bool (*asked)(void))
{
    is_dead = asked;
}

void fake_store_away(bool is)
{
    away = is;
    for (size_t i = 0; !away && i < WATCHES; i++) {
        if (watches[i].client != NULL) {
            queue_event(watches[i].client, watches[i].path, watches[i].token);
        }
    }
}

void fake_store_upset(unsigned int transactions)
{
    upset = transactions;
}

void fake_store_when_idle(void (*happens)(void))
{
    idle = happens;
}

void fake_store_drop_before_write(const char *path)
{
    doomed = path;
}

void fake_store_refuse_devices(const char *words)
{
    refusal = words;
}

void fake_store_connect_late(void)
{
    late = LATE_NEXT;
}

unsigned int fake_store_introduced(void)
{
    return introduced;
}

unsigned int fake_store_leaks(void)
{
    return leaks;
}

/* --- the client ---------------------------------------------------------------- */

static int begin(struct vmctl_error *error)
{
    requests++;
    if (is_dead != NULL && is_dead()) {
        return vmctl_fail(error, -ENOTCONN, "the store's client is dead");
    }
    if (countdown != 0 && --countdown == 0) {
        failed = true;
        return vmctl_fail(error, countdown_code, "fake store: %s", strerror(-countdown_code));
    }
    return failure == 0 ? 0 : vmctl_fail(error, failure, "the store fails");
}

static int no_memory(struct vmctl_error *error)
{
    return vmctl_fail(error, -ENOMEM, "fake store: no memory");
}

int store_open(const char *path, struct store_client **opened, struct vmctl_error *error)
{
    FAKE_LOCKED;
    int r = begin(error);

    (void)path;
    if (r < 0) {
        return r;
    }
    *opened = calloc(1, sizeof(**opened));
    if (*opened == NULL) {
        return no_memory(error);
    }
    leaks++;
    return 0;
}

void store_close(struct store_client *client)
{
    FAKE_LOCKED;
    if (client == NULL) {
        return;
    }
    for (size_t i = 0; i < WATCHES; i++) {
        if (watches[i].client == client) {
            watches[i].client = NULL;
            leaks--;
        }
    }
    for (size_t i = first_event; i < last_event; i++) {
        if (events[i].client == client) {
            events[i].client = NULL;
        }
    }
    leaks--;
    free(client);
}

/* Always readable, so that its owner always asks. */
int store_fd(struct store_client *client)
{
    FAKE_LOCKED;
    static int always = -1;

    (void)client;
    if (always < 0) {
        always = eventfd(1, EFD_CLOEXEC);
    }
    return always;
}

void store_set_patience(struct store_client *client, unsigned int milliseconds)
{
    (void)client;
    (void)milliseconds;
}

int store_read(struct store_client *client, uint32_t transaction, const char *path, char **text,
               size_t *length, struct vmctl_error *error)
{
    FAKE_LOCKED;
    const char *value = fake_store_get(path);
    int r = begin(error);

    (void)client;
    (void)transaction;
    if (r < 0) {
        return r;
    }
    if (value == NULL) {
        return vmctl_fail(error, -ENOENT, "fake store: no %s", path);
    }
    *text = strdup(value);
    if (*text == NULL) {
        return no_memory(error);
    }
    if (length != NULL) {
        *length = strlen(value);
    }
    return 0;
}

/* The names and the array share one allocation, as promised. */
int store_list(struct store_client *client, uint32_t transaction, const char *path, char ***names,
               size_t *count, struct vmctl_error *error)
{
    FAKE_LOCKED;
    const size_t depth = strlen(path);
    char **list;
    char *text;
    int r = begin(error);

    (void)client;
    (void)transaction;
    if (r < 0) {
        return r;
    }
    if (find(path) == NULL) {
        return vmctl_fail(error, -ENOENT, "fake store: no %s", path);
    }
    list = calloc(1, NODES * (sizeof(char *) + PATH));
    if (list == NULL) {
        return no_memory(error);
    }
    text = (char *)(list + NODES);
    *count = 0;
    for (size_t i = 0; i < NODES; i++) {
        const char *name = nodes[i].path + depth;

        if (is_below(nodes[i].path, path) && *name == '/' && strchr(name + 1, '/') == NULL) {
            list[(*count)++] = text;
            text += snprintf(text, PATH, "%s", name + 1) + 1;
        }
    }
    *names = list;
    return 0;
}

/* The late back end closes now, and its driver is gone. */
static void close_late(void)
{
    if (late == LATE_NOW) {
        late = LATE_NO;
        put(late_path, "6");
    }
}

static void asked_to_close(const char *path, bool gone)
{
    if (gone) {
        return;
    }
    put(path, late == LATE_NEXT ? "4" : "6");
    if (late == LATE_NEXT) {
        late = LATE_NOW;
        copy_text(late_path, PATH, path);
    }
}

/* What devd and the drivers do when a back end's state is written. */
static void react(const char *path, const char *value, bool gone)
{
    const char *name = strrchr(path, '/');
    char answer[PATH + 32];

    if (strstr(path, "/backend/") == NULL || name == NULL || strcmp(name, "/state") != 0) {
        return;
    }
    if (strcmp(value, "5") == 0) {
        asked_to_close(path, gone);
        return;
    }
    (void)snprintf(answer, sizeof(answer), "%.*s/%s", (int)(name - path), path,
                   refusal != NULL ? "hotplug-error" : "hotplug-status");
    put(answer, refusal != NULL ? refusal : "connected");
}

static void change_one(const struct store_change *change)
{
    const char *before = fake_store_get(change->path);
    const bool closed = before != NULL && strcmp(before, "6") == 0;
    char value[VALUE];

    switch (change->kind) {
    case STORE_CHANGE_WRITE:
        if (change->length >= sizeof(value)) {
            abort();
        }
        memcpy(value, change->value, change->length);
        value[change->length] = '\0';
        put(change->path, value);
        react(change->path, value, closed);
        break;
    case STORE_CHANGE_MKDIR:
        if (find(change->path) == NULL) {
            put(change->path, "");
        }
        break;
    case STORE_CHANGE_REMOVE:
        drop(change->path);
        break;
    case STORE_CHANGE_PERMISSIONS:
        /* Of a node that could not be made, perhaps. */
        break;
    }
}

int store_write_many(struct store_client *client, uint32_t transaction,
                     const struct store_change *changes, size_t count, size_t *first_failed,
                     struct vmctl_error *error)
{
    FAKE_LOCKED;
    int result = 0;

    (void)client;
    if (transaction == STORE_NO_TRANSACTION) {
        close_late();
    }
    if (doomed != NULL) {
        drop(doomed);
        doomed = NULL;
    }
    for (size_t i = 0; i < count; i++) {
        int r = begin(result == 0 ? error : NULL);

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

int store_write_text(struct store_client *client, uint32_t transaction, const char *path,
                     const char *text, struct vmctl_error *error)
{
    const struct store_change change = {
        .kind = STORE_CHANGE_WRITE,
        .path = path,
        .value = text,
        .length = strlen(text),
    };

    return store_write_many(client, transaction, &change, 1, NULL, error);
}

int store_remove(struct store_client *client, uint32_t transaction, const char *path,
                 struct vmctl_error *error)
{
    const struct store_change change = { .kind = STORE_CHANGE_REMOVE, .path = path };

    return store_write_many(client, transaction, &change, 1, NULL, error);
}

int store_transaction_start(struct store_client *client, uint32_t *transaction,
                            struct vmctl_error *error)
{
    FAKE_LOCKED;
    int r = begin(error);

    (void)client;
    if (r == 0) {
        memcpy(kept, nodes, sizeof(kept));
        was_late = late == LATE_NOW;
        (void)fake_lock(); /* the table is its own until it ends */
        *transaction = 1;
        leaks++;
    }
    return r;
}

int store_transaction_end(struct store_client *client, uint32_t transaction, bool commit,
                          struct vmctl_error *error)
{
    FAKE_LOCKED;
    int r = begin(error);

    (void)client;
    (void)transaction;
    (void)pthread_mutex_unlock(&fake_mutex);
    leaks--;
    if (r == 0 && commit && was_late) {
        memcpy(nodes, kept, sizeof(nodes));
        close_late();
        return vmctl_fail(error, -EAGAIN, "fake store: again");
    }
    if (r == 0 && commit && upset > 0) {
        upset--;
        r = vmctl_fail(error, -EAGAIN, "fake store: again");
    }
    if (r < 0 || !commit) {
        memcpy(nodes, kept, sizeof(nodes));
    }
    return r;
}

int store_watch(struct store_client *client, const char *path, const char *token,
                struct vmctl_error *error)
{
    FAKE_LOCKED;
    int r = begin(error);

    for (size_t i = 0; r == 0 && i < WATCHES; i++) {
        if (watches[i].client == NULL) {
            watches[i].client = client;
            copy_text(watches[i].path, PATH, path);
            copy_text(watches[i].token, TOKEN, token);
            queue_event(client, path, token);
            leaks++;
            return 0;
        }
    }
    return r < 0 ? r : vmctl_fail(error, -ENOSPC, "fake store: too many watches");
}

int store_unwatch(struct store_client *client, const char *path, const char *token,
                  struct vmctl_error *error)
{
    FAKE_LOCKED;
    for (size_t i = 0; i < WATCHES; i++) {
        if (watches[i].client == client && strcmp(watches[i].path, path) == 0 &&
            strcmp(watches[i].token, token) == 0) {
            watches[i].client = NULL;
            leaks--;
            return 0;
        }
    }
    return vmctl_fail(error, -ENOENT, "fake store: no watch of %s", path);
}

int store_next_event(struct store_client *client, const char **path, const char **token,
                     struct vmctl_error *error)
{
    FAKE_LOCKED;
    (void)error;
    for (; first_event < last_event; first_event++) {
        if (events[first_event].client == client) {
            *path = events[first_event].path;
            *token = events[first_event].token;
            first_event++;
            return 1;
        }
    }
    first_event = last_event = 0;
    if (idle != NULL) {
        void (*happens)(void) = idle;

        idle = NULL;
        happens();
    }
    return 0;
}

int store_introduce(struct store_client *client, uint32_t domid, uint64_t mfn, uint32_t port,
                    struct vmctl_error *error)
{
    FAKE_LOCKED;
    int r = begin(error);

    (void)client;
    (void)domid;
    (void)mfn;
    (void)port;
    introduced += r == 0;
    return r;
}

int store_release(struct store_client *client, uint32_t domid, struct vmctl_error *error)
{
    FAKE_LOCKED;
    (void)client;
    (void)domid;
    if (is_dead != NULL && is_dead()) {
        return vmctl_fail(error, -ENOTCONN, "the store's client is dead");
    }
    if (introduced == 0) {
        return vmctl_fail(error, -ENOENT, "fake store: not introduced");
    }
    introduced--;
    return 0;
}
