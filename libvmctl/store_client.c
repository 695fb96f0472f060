/* SPDX-License-Identifier: MIT */
/* The store's requests, over store_link.h: see store_client.h. */
#include "libvmctl/store_client.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "libvmctl/store_link.h"

#define MAX_PERMISSIONS 32

/* Words for what a request met. */
static int failed_request(struct vmctl_error *error, int code, const char *what, const char *on)
{
    switch (code) {
    case -EAGAIN:
        return vmctl_fail(error, code, "store: %s %s: the transaction has to be done again", what,
                          on);
    case -ENOTCONN:
        vmctl_fail(error, code, "store: %s %s: the store does not answer", what, on);
        return store_link_missing(error, code);
    case -ENOSPC:
        return vmctl_fail(error, code, "store: %s %s: a quota of the store is used up", what, on);
    case -EPROTO:
        return vmctl_fail(error, code, "store: %s %s: the store's answer makes no sense", what, on);
    default:
        return vmctl_fail(error, code, "store: %s %s: %s", what, on, strerror(-code));
    }
}

int store_open(const char *path, struct store_client **client, struct vmctl_error *error)
{
    struct store_client *made = malloc(sizeof(*made));
    int r;

    if (made == NULL) {
        return vmctl_fail(error, -ENOMEM, "store: out of memory");
    }
    memset(made, 0, offsetof(struct store_client, payload)); /* the buffers need no clearing */
    made->socket = -1;
    made->poll_fd = -1;
    made->timer = -1;
    made->patience_ms = 10000;
    if (path != NULL) {
        made->socket_path = strdup(path);
        if (made->socket_path == NULL) {
            free(made);
            return vmctl_fail(error, -ENOMEM, "store: out of memory");
        }
    }
    r = store_link_connect(made, error);
    if (r < 0) {
        store_close(made);
        return r;
    }
    *client = made;
    return 0;
}

void store_close(struct store_client *client)
{
    if (client == NULL) {
        return;
    }
    while (client->watches != NULL) {
        struct store_link_watch *next = client->watches->next;

        free(client->watches);
        client->watches = next;
    }
    store_link_disconnect(client);
    if (client->timer >= 0) {
        (void)close(client->timer);
    }
    if (client->poll_fd >= 0) {
        (void)close(client->poll_fd);
    }
    free(client->out.data);
    free(client->in.data);
    free(client->events.data);
    free(client->socket_path);
    free(client);
}

void store_set_patience(struct store_client *client, unsigned int milliseconds)
{
    client->patience_ms = milliseconds;
}

int store_fd(struct store_client *client)
{
    struct epoll_event event = { .events = EPOLLIN };
    int poll_fd;
    int timer;

    if (client->poll_fd >= 0) {
        return client->poll_fd;
    }
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (poll_fd < 0 || timer < 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, timer, &event) < 0 ||
        (client->socket >= 0 && epoll_ctl(poll_fd, EPOLL_CTL_ADD, client->socket, &event) < 0)) {
        const int code = -errno;

        if (poll_fd >= 0) {
            (void)close(poll_fd);
        }
        if (timer >= 0) {
            (void)close(timer);
        }
        return code;
    }
    client->poll_fd = poll_fd;
    client->timer = timer;
    if (client->socket < 0) {
        store_link_disconnect(client); /* starts the timer */
    }
    return poll_fd;
}

static struct iovec part(const void *data, size_t size)
{
    return (struct iovec){ .iov_base = (void *)(uintptr_t)data, .iov_len = size };
}

static struct iovec text_part(const char *text)
{
    return part(text, strlen(text) + 1);
}

/* The store's number of a transaction; -EAGAIN if the store was restarted since it began. */
static int find_transaction(const struct store_client *client, uint32_t handle, uint32_t *id)
{
    *id = 0;
    if (handle == STORE_NO_TRANSACTION) {
        return 0;
    }
    for (size_t i = 0; i < STORE_OPEN_TRANSACTIONS; i++) {
        if (client->transactions[i].handle == handle) {
            *id = client->transactions[i].id;
            return 0;
        }
    }
    return -EAGAIN;
}

/* One request and its answer. */
static int request(struct store_client *client, enum xsd_sockmsg_type type, uint32_t transaction,
                   const struct iovec *parts, unsigned int count)
{
    uint32_t id;
    int r = find_transaction(client, transaction, &id);

    store_link_begin(client);
    if (r == 0) {
        r = store_link_queue(client, type, id, parts, count);
    }
    return r < 0 ? r : store_link_exchange(client, 1, NULL);
}

int store_read(struct store_client *client, uint32_t transaction, const char *path, char **text,
               size_t *length, struct vmctl_error *error)
{
    const struct iovec parts[] = { text_part(path) };
    int r = request(client, XS_READ, transaction, parts, 1);
    char *copy;

    if (r < 0) {
        return failed_request(error, r, "read", path);
    }
    copy = malloc((size_t)client->answer.len + 1);
    if (copy == NULL) {
        return failed_request(error, -ENOMEM, "read", path);
    }
    memcpy(copy, client->payload, (size_t)client->answer.len + 1);
    *text = copy;
    if (length != NULL) {
        *length = client->answer.len;
    }
    return 0;
}

int store_write(struct store_client *client, uint32_t transaction, const char *path,
                const void *value, size_t length, struct vmctl_error *error)
{
    const struct iovec parts[] = { text_part(path), part(value, length) };
    int r = request(client, XS_WRITE, transaction, parts, 2);

    return r < 0 ? failed_request(error, r, "write", path) : 0;
}

int store_write_text(struct store_client *client, uint32_t transaction, const char *path,
                     const char *text, struct vmctl_error *error)
{
    return store_write(client, transaction, path, text, strlen(text), error);
}

int store_remove(struct store_client *client, uint32_t transaction, const char *path,
                 struct vmctl_error *error)
{
    const struct iovec parts[] = { text_part(path) };
    int r = request(client, XS_RM, transaction, parts, 1);

    return r < 0 ? failed_request(error, r, "remove", path) : 0;
}

/* Names, each with its zero byte, as pointers and bytes in one allocation. */
static int split_names(const char *data, size_t size, char ***names, size_t *count)
{
    size_t found = 0;
    size_t at = 0;
    char **list;
    char *text;

    for (size_t i = 0; i < size; i++) {
        found += data[i] == '\0';
    }
    list = malloc((found + 1) * sizeof(char *) + size + 1);
    if (list == NULL) {
        return -ENOMEM;
    }
    text = (char *)(list + found + 1);
    if (size != 0) {
        memcpy(text, data, size);
    }
    for (size_t i = 0; i < found; i++) {
        list[i] = text + at;
        at += strlen(text + at) + 1;
    }
    list[found] = NULL;
    *names = list;
    *count = found;
    return 0;
}

/*
 * A directory too long for one answer comes in parts.  Each begins with the
 * node's generation: another one than before, and it starts anew.
 */
static int read_parts(struct store_client *client, uint32_t transaction, const char *path,
                      char **data, size_t *size)
{
    char generation[24] = "";
    size_t used = 0;

    for (;;) {
        char offset[24];
        struct iovec parts[2] = { text_part(path) };
        size_t head;
        size_t more;
        char *grown;
        int r;

        (void)snprintf(offset, sizeof(offset), "%zu", used);
        parts[1] = text_part(offset);
        r = request(client, XS_DIRECTORY_PART, transaction, parts, 2);
        if (r < 0) {
            return r;
        }
        head = strlen(client->payload) + 1;
        if (head > client->answer.len || head > sizeof(generation)) {
            return -EPROTO;
        }
        if (used != 0 && strcmp(generation, client->payload) != 0) {
            used = 0;
            continue;
        }
        memcpy(generation, client->payload, head);
        more = client->answer.len - head;
        if (more == 0) {
            return -EPROTO;
        }
        grown = realloc(*data, used + more);
        if (grown == NULL) {
            return -ENOMEM;
        }
        *data = grown;
        memcpy(*data + used, client->payload + head, more);
        used += more;
        /* An empty name is the end. */
        if ((more == 1 || (*data)[used - 2] == '\0') && (*data)[used - 1] == '\0') {
            *size = used - 1;
            return 0;
        }
    }
}

int store_list(struct store_client *client, uint32_t transaction, const char *path, char ***names,
               size_t *count, struct vmctl_error *error)
{
    const struct iovec parts[] = { text_part(path) };
    char *data = NULL;
    size_t size = 0;
    int r = request(client, XS_DIRECTORY, transaction, parts, 1);

    if (r == 0) {
        r = split_names(client->payload, client->answer.len, names, count);
    } else if (r == -E2BIG) {
        r = read_parts(client, transaction, path, &data, &size);
        if (r == 0) {
            r = split_names(data, size, names, count);
        }
        free(data);
    }
    return r < 0 ? failed_request(error, r, "list", path) : 0;
}

static const char letters[] = "nrwb"; /* by STORE_PERM_READ | STORE_PERM_WRITE */

/* "b0\0r5\0" */
static int format_permissions(const struct store_permission *permissions, size_t count, char *text,
                              size_t room, size_t *size)
{
    *size = 0;
    for (size_t i = 0; i < count; i++) {
        int length;

        if (permissions[i].access > (STORE_PERM_READ | STORE_PERM_WRITE)) {
            return -EINVAL;
        }
        length = snprintf(text + *size, room - *size, "%c%" PRIu32, letters[permissions[i].access],
                          permissions[i].domid);
        if (length < 0 || (size_t)length + 1 > room - *size) {
            return -E2BIG;
        }
        *size += (size_t)length + 1;
    }
    return 0;
}

static const struct {
    enum xsd_sockmsg_type type;
    const char *words;
} change_kinds[] = {
    [STORE_CHANGE_WRITE] = { XS_WRITE, "write" },
    [STORE_CHANGE_MKDIR] = { XS_MKDIR, "mkdir" },
    [STORE_CHANGE_REMOVE] = { XS_RM, "remove" },
    [STORE_CHANGE_PERMISSIONS] = { XS_SET_PERMS, "set permissions of" },
};

static int queue_change(struct store_client *client, uint32_t id, const struct store_change *change)
{
    char text[MAX_PERMISSIONS * 12];
    struct iovec parts[2] = { text_part(change->path) };
    unsigned int count = 1;
    size_t size;
    int r;

    if (change->kind == STORE_CHANGE_WRITE) {
        parts[count] = part(change->value, change->length);
        count++;
    } else if (change->kind == STORE_CHANGE_PERMISSIONS) {
        r = format_permissions(change->permissions, change->permission_count, text, sizeof(text),
                               &size);
        if (r < 0) {
            return r;
        }
        parts[count] = part(text, size);
        count++;
    }
    return store_link_queue(client, change_kinds[change->kind].type, id, parts, count);
}

int store_write_many(struct store_client *client, uint32_t transaction,
                     const struct store_change *changes, size_t count, size_t *failed,
                     struct vmctl_error *error)
{
    size_t at = 0;
    uint32_t id;
    int r;

    if (count == 0) {
        return 0;
    }
    r = find_transaction(client, transaction, &id);
    store_link_begin(client);
    for (size_t i = 0; r == 0 && i < count; i++) {
        at = i;
        r = queue_change(client, id, &changes[i]);
    }
    if (r == 0) {
        at = 0;
        r = store_link_exchange(client, count, &at);
    }
    if (r == 0) {
        return 0;
    }
    if (failed != NULL) {
        *failed = at;
    }
    return failed_request(error, r, change_kinds[changes[at].kind].words, changes[at].path);
}

int store_transaction_start(struct store_client *client, uint32_t *transaction,
                            struct vmctl_error *error)
{
    const struct iovec parts[] = { text_part("") };
    size_t slot = 0;
    int r;

    while (slot < STORE_OPEN_TRANSACTIONS && client->transactions[slot].handle != 0) {
        slot++;
    }
    if (slot == STORE_OPEN_TRANSACTIONS) {
        return vmctl_fail(error, -EBUSY, "store: this client has %d transactions open already",
                          STORE_OPEN_TRANSACTIONS);
    }
    r = request(client, XS_TRANSACTION_START, STORE_NO_TRANSACTION, parts, 1);
    if (r < 0) {
        return failed_request(error, r, "start", "a transaction");
    }
    client->next_transaction++;
    if (client->next_transaction == STORE_NO_TRANSACTION) {
        client->next_transaction++;
    }
    client->transactions[slot].handle = client->next_transaction;
    client->transactions[slot].id = (uint32_t)strtoul(client->payload, NULL, 10);
    *transaction = client->next_transaction;
    return 0;
}

int store_transaction_end(struct store_client *client, uint32_t transaction, bool commit,
                          struct vmctl_error *error)
{
    const struct iovec parts[] = { text_part(commit ? "T" : "F") };
    int r = request(client, XS_TRANSACTION_END, transaction, parts, 1);

    for (size_t i = 0; i < STORE_OPEN_TRANSACTIONS; i++) {
        if (client->transactions[i].handle == transaction) {
            client->transactions[i].handle = 0;
        }
    }
    if (r == -EAGAIN && !commit) {
        return 0; /* it is gone, as was asked */
    }
    return r < 0 ? failed_request(error, r, commit ? "commit" : "drop", "a transaction") : 0;
}

int store_watch(struct store_client *client, const char *path, const char *token,
                struct vmctl_error *error)
{
    const struct iovec parts[] = { text_part(path), text_part(token) };
    struct store_link_watch *watch;
    int r;

    watch = malloc(sizeof(*watch) + parts[0].iov_len + parts[1].iov_len);
    if (watch == NULL) {
        return failed_request(error, -ENOMEM, "watch", path);
    }
    memcpy(watch->path, path, parts[0].iov_len);
    watch->token = watch->path + parts[0].iov_len;
    memcpy(watch->token, token, parts[1].iov_len);
    r = request(client, XS_WATCH, STORE_NO_TRANSACTION, parts, 2);
    if (r < 0) {
        free(watch);
        return failed_request(error, r, "watch", path);
    }
    watch->next = client->watches;
    client->watches = watch;
    return 0;
}

int store_unwatch(struct store_client *client, const char *path, const char *token,
                  struct vmctl_error *error)
{
    const struct iovec parts[] = { text_part(path), text_part(token) };
    struct store_link_watch **at = &client->watches;
    int r;

    while (*at != NULL && (strcmp((*at)->path, path) != 0 || strcmp((*at)->token, token) != 0)) {
        at = &(*at)->next;
    }
    if (*at == NULL) {
        return failed_request(error, -ENOENT, "unwatch", path);
    }
    r = request(client, XS_UNWATCH, STORE_NO_TRANSACTION, parts, 2);
    if (r == 0 || r == -ENOENT) {
        struct store_link_watch *watch = *at;

        *at = watch->next;
        free(watch);
        return 0;
    }
    return failed_request(error, r, "unwatch", path);
}

int store_next_event(struct store_client *client, const char **path, const char **token,
                     struct vmctl_error *error)
{
    int r = store_link_next_event(client);

    if (r == 0) {
        r = store_link_poll(client);
        if (r == -EPROTO || r == -ENOMEM) {
            return failed_request(error, r, "receive", "an event");
        }
        r = store_link_next_event(client); /* a lost connection comes back by itself */
    }
    if (r == 1) {
        *path = client->event;
        *token = client->event + strlen(client->event) + 1;
    }
    return r;
}

int store_introduce(struct store_client *client, uint32_t domid, uint64_t mfn, uint32_t port,
                    struct vmctl_error *error)
{
    char text[64];
    char name[24];
    int length =
        snprintf(text, sizeof(text), "%" PRIu32 "%c%" PRIu64 "%c%" PRIu32, domid, 0, mfn, 0, port);
    const struct iovec parts[] = { part(text, (size_t)length + 1) };
    int r = request(client, XS_INTRODUCE, STORE_NO_TRANSACTION, parts, 1);

    (void)snprintf(name, sizeof(name), "domain %" PRIu32, domid);
    return r < 0 ? failed_request(error, r, "introduce", name) : 0;
}

int store_release(struct store_client *client, uint32_t domid, struct vmctl_error *error)
{
    char text[12];
    char name[24];
    struct iovec parts[1];
    int r;

    (void)snprintf(text, sizeof(text), "%" PRIu32, domid);
    (void)snprintf(name, sizeof(name), "domain %" PRIu32, domid);
    parts[0] = text_part(text);
    r = request(client, XS_RELEASE, STORE_NO_TRANSACTION, parts, 1);
    return r < 0 ? failed_request(error, r, "release", name) : 0;
}
