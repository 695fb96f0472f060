/* SPDX-License-Identifier: MIT */
/*
 * The wire of the store's clients: see store_link.h.
 *
 * A lost connection is not an error while patience lasts: what was not answered
 * is sent again, unless in a transaction.  So requests outside of transactions
 * may be done twice; what others may have written over meanwhile belongs into
 * node_list_commit().
 */
#include "libvmctl/store_link.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define RETRY_MS  20
#define ANSWER_MS 2000 /* a store that says nothing for so long, at least, is stuck */
#define READ_SIZE 16384

static const char *const usual_places[] = { "/run/xenstored/socket", "/var/run/xenstored/socket" };

static const struct {
    const char *name;
    int code;
} errors[] = {
    { "EINVAL", EINVAL }, { "EACCES", EACCES }, { "EEXIST", EEXIST },       { "EISDIR", EISDIR },
    { "ENOENT", ENOENT }, { "ENOMEM", ENOMEM }, { "ENOSPC", ENOSPC },       { "EIO", EIO },
    { "ENOSYS", ENOSYS }, { "EROFS", EROFS },   { "ENOTEMPTY", ENOTEMPTY }, { "EBUSY", EBUSY },
    { "EAGAIN", EAGAIN }, { "E2BIG", E2BIG },   { "EISCONN", EISCONN },     { "EPERM", EPERM },
};

static int error_of_name(const char *name)
{
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (strcmp(errors[i].name, name) == 0) {
            return -errors[i].code;
        }
    }
    return -EIO;
}

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Room for `more` bytes behind bytes->size. */
static int bytes_reserve(struct store_bytes *bytes, size_t more)
{
    size_t room = bytes->room == 0 ? 4096 : bytes->room;
    char *data;

    if (bytes->room - bytes->size >= more) {
        return 0;
    }
    while (room - bytes->size < more) {
        room *= 2;
    }
    data = realloc(bytes->data, room);
    if (data == NULL) {
        return -ENOMEM;
    }
    bytes->data = data;
    bytes->room = room;
    return 0;
}

static void bytes_add(struct store_bytes *bytes, const void *data, size_t size)
{
    if (size != 0) {
        memcpy(bytes->data + bytes->size, data, size);
        bytes->size += size;
    }
}

/* Drop the first `used` bytes. */
static void bytes_shift(struct store_bytes *bytes, size_t *used)
{
    if (*used != 0) {
        bytes->size -= *used;
        memmove(bytes->data, bytes->data + *used, bytes->size);
        *used = 0;
    }
}

/* While there is no connection, the timer makes poll_fd readable now and then. */
static void watch_for_return(struct store_client *client)
{
    const struct itimerspec soon = { .it_value.tv_nsec = RETRY_MS * 1000000L,
                                     .it_interval.tv_nsec = RETRY_MS * 1000000L };
    const struct itimerspec never = { .it_value.tv_nsec = 0 };

    if (client->timer >= 0) {
        (void)timerfd_settime(client->timer, 0, client->socket < 0 ? &soon : &never, NULL);
    }
}

void store_link_disconnect(struct store_client *client)
{
    if (client->socket >= 0) {
        (void)close(client->socket);
        client->socket = -1;
    }
    client->in.size = 0;
    client->in_used = 0;
    memset(client->transactions, 0, sizeof(client->transactions));
    watch_for_return(client);
}

static int connect_to(struct store_client *client, const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct epoll_event event = { .events = EPOLLIN };
    const struct timeval patience = { .tv_sec = ANSWER_MS / 1000 };
    int fd;

    if (strlen(path) >= sizeof(address.sun_path)) {
        return -ENAMETOOLONG;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
        (client->poll_fd >= 0 && epoll_ctl(client->poll_fd, EPOLL_CTL_ADD, fd, &event) < 0)) {
        const int code = -errno;

        (void)close(fd);
        return code;
    }
    client->socket = fd;
    return 0;
}

/* Watches of the connection before, again; their answers are swallowed by take_message(). */
static int send_watches(struct store_client *client)
{
    for (const struct store_link_watch *watch = client->watches; watch != NULL;
         watch = watch->next) {
        const size_t path = strlen(watch->path) + 1;
        const size_t token = strlen(watch->token) + 1;
        const struct xsd_sockmsg head = { .type = XS_WATCH, .len = (uint32_t)(path + token) };
        struct iovec parts[2] = { { (void *)(uintptr_t)&head, sizeof(head) },
                                  { (void *)(uintptr_t)watch->path, path + token } };
        struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };

        if (sendmsg(client->socket, &message, MSG_NOSIGNAL) != (ssize_t)(sizeof(head) + head.len)) {
            store_link_disconnect(client);
            return -ECONNRESET;
        }
    }
    return 0;
}

int store_link_missing(struct vmctl_error *error, int code)
{
    vmctl_error_reason(error, VMCTL_NO_DAEMON);
    vmctl_error_remedy(error,
                       "the store daemon, paravane-stored, has to run: paravane-daemons start, "
                       "or systemctl start paravane.target");
    return code;
}

int store_link_connect(struct store_client *client, struct vmctl_error *error)
{
    const char *path = client->socket_path;
    int r;

    if (path != NULL) {
        r = connect_to(client, path);
    } else {
        path = usual_places[0];
        r = connect_to(client, path);
        if (r == -ENOENT && connect_to(client, usual_places[1]) == 0) {
            r = 0;
        }
    }
    if (r < 0) {
        vmctl_fail(error, r, "cannot connect to the store at %s: %s", path, strerror(-r));
        return store_link_missing(error, r);
    }
    r = send_watches(client);
    if (r < 0) {
        vmctl_fail(error, r, "the store at %s hung up", path);
        return store_link_missing(error, r);
    }
    watch_for_return(client);
    return 0;
}

void store_link_begin(struct store_client *client)
{
    client->out.size = 0;
}

int store_link_queue(struct store_client *client, enum xsd_sockmsg_type type, uint32_t transaction,
                     const struct iovec *parts, unsigned int count)
{
    struct xsd_sockmsg head = { .type = type, .tx_id = transaction };
    size_t size = 0;

    for (unsigned int i = 0; i < count; i++) {
        size += parts[i].iov_len;
        if (parts[i].iov_len > XENSTORE_PAYLOAD_MAX || size > XENSTORE_PAYLOAD_MAX) {
            return -E2BIG;
        }
    }
    if (bytes_reserve(&client->out, sizeof(head) + size) < 0) {
        return -ENOMEM;
    }
    client->next_request++;
    if (client->next_request == 0) {
        client->next_request = 1; /* 0 is for watches set again */
    }
    head.req_id = client->next_request;
    head.len = (uint32_t)size;
    bytes_add(&client->out, &head, sizeof(head));
    for (unsigned int i = 0; i < count; i++) {
        bytes_add(&client->out, parts[i].iov_base, parts[i].iov_len);
    }
    return 0;
}

static int keep_event(struct store_client *client, const char *payload, uint32_t size)
{
    bytes_shift(&client->events, &client->events_used);
    if (bytes_reserve(&client->events, sizeof(size) + size) < 0) {
        return -ENOMEM;
    }
    bytes_add(&client->events, &size, sizeof(size));
    bytes_add(&client->events, payload, size);
    return 0;
}

/* One whole message from `in`: 1 if it was an answer, 0 if there is none. */
static int take_message(struct store_client *client)
{
    struct xsd_sockmsg head;

    while (client->in.size - client->in_used >= sizeof(head)) {
        const char *at = client->in.data + client->in_used;

        memcpy(&head, at, sizeof(head));
        if (head.len > XENSTORE_PAYLOAD_MAX) {
            return -EPROTO;
        }
        if (client->in.size - client->in_used < sizeof(head) + head.len) {
            return 0;
        }
        client->in_used += sizeof(head) + head.len;
        if (head.type == XS_WATCH_EVENT) {
            if (keep_event(client, at + sizeof(head), head.len) < 0) {
                return -ENOMEM;
            }
        } else if (head.req_id != 0) {
            client->answer = head;
            memcpy(client->payload, at + sizeof(head), head.len);
            client->payload[head.len] = '\0';
            return 1;
        }
    }
    return 0;
}

/* What the socket has now; -EAGAIN when it has nothing. */
static int receive(struct store_client *client)
{
    ssize_t size;

    bytes_shift(&client->in, &client->in_used);
    if (bytes_reserve(&client->in, READ_SIZE) < 0) {
        return -ENOMEM;
    }
    size = recv(client->socket, client->in.data + client->in.size,
                client->in.room - client->in.size, MSG_DONTWAIT);
    if (size < 0) {
        return errno == EINTR ? 0 : -errno;
    }
    if (size == 0) {
        return -ECONNRESET;
    }
    client->in.size += (size_t)size;
    return 0;
}

static int send_more(struct store_client *client, size_t *sent)
{
    ssize_t size = send(client->socket, client->out.data + *sent, client->out.size - *sent,
                        MSG_DONTWAIT | MSG_NOSIGNAL);

    if (size < 0) {
        return errno == EAGAIN || errno == EINTR ? 0 : -errno;
    }
    *sent += (size_t)size;
    return 0;
}

struct progress {
    size_t sent;     /* bytes of client->out */
    size_t asked;    /* where in client->out the request to be answered next is */
    size_t answered; /* requests */
    int result;
    size_t failed;
};

static int check_answer(const struct store_client *client, const struct xsd_sockmsg *asked)
{
    int r = 0;

    if (client->answer.req_id != asked->req_id) {
        return -EPROTO;
    }
    if (client->answer.type == XS_ERROR) {
        r = error_of_name(client->payload);
    }
    /* To remove is to see that it is not there. */
    return r == -ENOENT && asked->type == XS_RM ? 0 : r;
}

static int take_answers(struct store_client *client, size_t count, struct progress *progress)
{
    while (progress->answered < count) {
        struct xsd_sockmsg asked;
        int r = take_message(client);

        if (r <= 0) {
            return r;
        }
        memcpy(&asked, client->out.data + progress->asked, sizeof(asked));
        r = check_answer(client, &asked);
        if (r == -EPROTO) {
            return r;
        }
        if (r < 0 && progress->result == 0) {
            progress->result = r;
            progress->failed = progress->answered;
        }
        progress->asked += sizeof(asked) + asked.len;
        progress->answered++;
    }
    return 0;
}

static int wait_for(struct pollfd *wait, unsigned int milliseconds)
{
    int count = poll(wait, 1, (int)milliseconds);

    if (count == 0) {
        return -ETIMEDOUT;
    }
    return count < 0 && errno != EINTR ? -errno : 0;
}

/* As far as one connection carries; an error means that it broke. */
static int exchange_once(struct store_client *client, size_t count, struct progress *progress)
{
    const unsigned int patience = client->patience_ms < ANSWER_MS ? ANSWER_MS : client->patience_ms;
    int r = 0;

    while (r == 0 && progress->answered < count) {
        struct pollfd wait = { .fd = client->socket, .events = POLLIN };

        if (progress->sent < client->out.size) {
            r = send_more(client, &progress->sent);
            wait.events = progress->sent < client->out.size ? POLLIN | POLLOUT : POLLIN;
        }
        if (r == 0) {
            r = wait_for(&wait, patience);
        }
        if (r == 0 && (wait.revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
            r = receive(client);
            r = r == -EAGAIN ? 0 : r;
        }
        if (r == 0) {
            r = take_answers(client, count, progress);
        }
    }
    return r;
}

static int connect_patiently(struct store_client *client, uint64_t give_up)
{
    const struct timespec pause = { .tv_nsec = RETRY_MS * 1000000L };
    int r = store_link_connect(client, NULL);

    while (r < 0 && now_ms() < give_up) {
        (void)nanosleep(&pause, NULL);
        r = store_link_connect(client, NULL);
    }
    return r < 0 ? -ENOTCONN : 0;
}

/* 0: may be tried again. */
static int after_break(struct store_client *client, int r, uint64_t *give_up)
{
    struct xsd_sockmsg head;

    memcpy(&head, client->out.data, sizeof(head));
    store_link_disconnect(client);
    if (r == -EPROTO || r == -ENOMEM) {
        return r;
    }
    if (r == -ETIMEDOUT) {
        return -ENOTCONN; /* another connection would not make it answer */
    }
    if (head.tx_id != 0) {
        return -EAGAIN; /* the transaction is gone with its connection */
    }
    if (*give_up == 0) {
        *give_up = now_ms() + client->patience_ms;
    }
    return connect_patiently(client, *give_up);
}

int store_link_exchange(struct store_client *client, size_t count, size_t *failed)
{
    struct progress progress;
    uint64_t give_up = 0;
    int r = -ECONNRESET;

    for (;;) {
        progress = (struct progress){ .sent = 0 };
        if (client->socket >= 0) {
            r = exchange_once(client, count, &progress);
        }
        if (r == 0) {
            break;
        }
        r = after_break(client, r, &give_up);
        if (r < 0) {
            return r;
        }
        r = -ECONNRESET;
    }
    if (failed != NULL) {
        *failed = progress.failed;
    }
    return progress.result;
}

int store_link_poll(struct store_client *client)
{
    uint64_t ticks;
    int r;

    if (client->socket < 0) {
        if (client->timer >= 0) {
            (void)!read(client->timer, &ticks, sizeof(ticks));
        }
        return store_link_connect(client, NULL) < 0 ? -ENOTCONN : 0;
    }
    do {
        r = take_message(client); /* an exchange may have left some behind its answers */
        if (r == 0) {
            r = receive(client);
        } else if (r > 0) {
            r = -EPROTO; /* an answer nobody asked for */
        }
    } while (r == 0);
    if (r == -EAGAIN) {
        return 0;
    }
    store_link_disconnect(client);
    return r;
}

int store_link_next_event(struct store_client *client)
{
    uint32_t size;

    if (client->events_used == client->events.size) {
        return 0;
    }
    memcpy(&size, client->events.data + client->events_used, sizeof(size));
    memcpy(client->event, client->events.data + client->events_used + sizeof(size), size);
    client->event[size] = '\0';
    client->event[size + 1] = '\0'; /* both strings end, whatever was sent */
    client->events_used += sizeof(size) + size;
    return 1;
}
