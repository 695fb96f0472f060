/* SPDX-License-Identifier: MIT */
/* Clients of the store's socket: all of them dom0's, by the socket's mode. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dom0-tools/store/wires.h"

#define READ_SIZE 16384U
/* A client that has this much unread is not listened to until it has read. */
#define UNREAD_MAX 262144U

/* Whether the listener's clients are of interest. */
static void sockets_listen(struct wires *wires, bool interested)
{
    struct epoll_event event = { .events = interested ? (uint32_t)EPOLLIN : 0U,
                                 .data.ptr = &wires->listener };

    wires->deaf =
        epoll_ctl(wires->epoll, EPOLL_CTL_MOD, wires->listener, &event) == 0 && !interested;
}

void sockets_accept(struct wires *wires)
{
    int fd = accept4(wires->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct epoll_event event = { .events = EPOLLIN };
    struct store_connection *connection;

    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE) {
            sockets_listen(wires, false); /* or it would wake us for ever */
        }
        return;
    }
    connection = connection_new(wires->stored, 0, false);
    if (connection == NULL) {
        (void)close(fd);
        return;
    }
    connection->fd = fd;
    connection->polled = EPOLLIN;
    event.data.ptr = connection;
    if (epoll_ctl(wires->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
        (void)close(fd);
        connection_free(connection);
    }
}

/* The whole messages that have arrived. */
static void work(struct store_connection *connection)
{
    struct bytes *in = &connection->in;

    while (!connection->failed && bytes_size(&connection->out) <= UNREAD_MAX &&
           bytes_size(in) >= sizeof(struct xsd_sockmsg)) {
        char *payload = bytes_front(in) + sizeof(struct xsd_sockmsg);
        struct xsd_sockmsg head;
        char behind;

        memcpy(&head, bytes_front(in), sizeof(head));
        if (head.len > XENSTORE_PAYLOAD_MAX) {
            connection->failed = true;
            break;
        }
        if (bytes_size(in) < sizeof(head) + head.len) {
            break;
        }
        /* The byte behind is the next message's: lent for the payload's zero. */
        behind = payload[head.len];
        if (!stored_request(connection, &head, payload, 0)) {
            connection->failed = true;
            break;
        }
        payload[head.len] = behind;
        bytes_take(in, sizeof(head) + head.len);
    }
    if (connection->failed) {
        stored_ready(connection);
    }
}

static void receive(struct store_connection *connection)
{
    struct bytes *in = &connection->in;
    ssize_t size;

    if (bytes_reserve(in, READ_SIZE) < 0) {
        connection->failed = true;
        return;
    }
    /* One byte is kept for the zero behind the last payload. */
    size = recv(connection->fd, in->data + in->end, in->room - in->end - 1, MSG_DONTWAIT);
    if (size > 0) {
        in->end += (size_t)size;
    } else if (size == 0 || (errno != EAGAIN && errno != EINTR)) {
        connection->failed = true;
    }
}

void sockets_event(struct wires *wires, struct store_connection *connection, uint32_t events)
{
    (void)wires;
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        receive(connection);
        work(connection);
    }
    if ((events & EPOLLOUT) != 0 || connection->failed) {
        stored_ready(connection);
    }
}

static void set_polled(struct wires *wires, struct store_connection *connection)
{
    const size_t unread = bytes_size(&connection->out);
    const uint32_t wanted =
        (unread > UNREAD_MAX ? 0U : (uint32_t)EPOLLIN) | (unread != 0 ? (uint32_t)EPOLLOUT : 0U);
    struct epoll_event event = { .events = wanted, .data.ptr = connection };

    if (wanted != connection->polled) {
        connection->polled = wanted;
        (void)epoll_ctl(wires->epoll, EPOLL_CTL_MOD, connection->fd, &event);
    }
}

static void send_some(struct store_connection *connection)
{
    while (!connection->failed && bytes_size(&connection->out) != 0) {
        ssize_t size = send(connection->fd, bytes_front(&connection->out),
                            bytes_size(&connection->out), MSG_DONTWAIT | MSG_NOSIGNAL);

        if (size < 0) {
            connection->failed = errno != EAGAIN && errno != EINTR;
            return;
        }
        bytes_take(&connection->out, (size_t)size);
    }
}

void sockets_send(struct wires *wires, struct store_connection *connection)
{
    send_some(connection);
    work(connection); /* what was left lying while too much was unread */
    if (connection->failed) {
        (void)close(connection->fd);
        connection_free(connection);
        if (wires->deaf) {
            sockets_listen(wires, true);
        }
        return;
    }
    set_polled(wires, connection);
}
