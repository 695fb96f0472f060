/* SPDX-License-Identifier: MIT */
/* The console socket: see server.h. */
#include "dom0-tools/console/server.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "dom0-tools/daemons/report.h"
#include "libvmctl/console_client.h"

#define VISITOR_LIMIT 64u
#define VIEWER_LIMIT  32u /* of one console */
#define REST_MS       200 /* without descriptors */

/* A connection whose request has not come whole. */
struct visitor {
    struct source source; /* first */
    struct server *server;
    struct visitor *next;
    uint32_t process;
    size_t got;
    struct console_request request;
};

static void dismiss(struct visitor *visitor, bool shut)
{
    struct server *server = visitor->server;
    struct visitor **link = &server->visitors;

    while (*link != visitor) {
        link = &(*link)->next;
    }
    *link = visitor->next;
    server->visitor_count--;
    (void)loop_watch(server->loop, &visitor->source, 0);
    if (shut) {
        (void)close(visitor->source.fd);
    }
    free(visitor);
}

static bool reply_to(int fd, struct console_reply *reply)
{
    memcpy(reply->magic, CONSOLE_MAGIC, sizeof(reply->magic));
    /* A socket that was only just made takes this much. */
    return send(fd, reply, sizeof(*reply), MSG_NOSIGNAL) == (ssize_t)sizeof(*reply);
}

static void refuse(struct visitor *visitor, int result, uint32_t writer, const char *words)
{
    struct console_reply reply = { .result = result, .writer = writer };

    (void)snprintf(reply.message, sizeof(reply.message), "%s", words);
    (void)reply_to(visitor->source.fd, &reply);
    dismiss(visitor, true);
}

static unsigned int count_viewers(const struct stream *stream)
{
    unsigned int count = 0;

    for (const struct viewer *viewer = stream->viewers; viewer != NULL; viewer = viewer->next) {
        count += viewer->socket;
    }
    return count;
}

static uint64_t start_position(const struct stream *stream, const struct console_request *request)
{
    const struct history *history = &stream->history;
    uint64_t position = history->end - history->first;

    if (request->flags & CONSOLE_FLAG_FROM_POSITION) {
        position = request->position;
        if (position > history->end) {
            position = history->end;
        }
        return position < history->first ? history->first : position;
    }
    if (position > request->history) {
        position = request->history;
    }
    return history->end - position;
}

static void admit(struct visitor *visitor, struct stream *stream)
{
    const struct console_request request = visitor->request; /* which goes with the visitor */
    struct console_reply reply = { .position = start_position(stream, &request) };
    struct viewer *viewer = calloc(1, sizeof(*viewer));

    if (viewer == NULL) {
        refuse(visitor, -ENOMEM, 0, "no memory for another viewer");
        return;
    }
    memcpy(reply.handle, stream->handle, sizeof(reply.handle));
    viewer->source.fd = visitor->source.fd;
    viewer->position = reply.position;
    viewer->process = visitor->process;
    viewer->socket = true;
    viewer->no_follow = (request.flags & CONSOLE_FLAG_NO_FOLLOW) != 0;
    dismiss(visitor, false);
    stream_join(stream, viewer);
    if (request.flags & CONSOLE_FLAG_WRITE) {
        stream->writer = viewer;
    }
    if (reply_to(viewer->source.fd, &reply)) {
        viewer_serve(viewer);
    } else {
        stream_leave(viewer);
    }
}

static void consider(struct visitor *visitor)
{
    const struct console_request *request = &visitor->request;
    struct server *server = visitor->server;
    struct stream *stream;
    bool later = false;

    if (memcmp(request->magic, CONSOLE_MAGIC, sizeof(request->magic)) != 0) {
        refuse(visitor, -EPROTO, 0, "not a request of this version of the console protocol");
        return;
    }
    stream = server->find(server->context, request->domid, &later);
    if (later) {
        refuse(visitor, -EAGAIN, 0, "its console is not ready yet");
    } else if (stream == NULL) {
        refuse(visitor, -ESRCH, 0, "there is no such guest, or it has no console");
    } else if ((request->flags & CONSOLE_FLAG_FROM_POSITION) != 0 &&
               memcmp(request->handle, stream->handle, sizeof(request->handle)) != 0) {
        refuse(visitor, -ESTALE, 0, "this number belongs to another guest now");
    } else if ((request->flags & CONSOLE_FLAG_WRITE) != 0 && stream->give == NULL) {
        refuse(visitor, -EROFS, 0, "nothing can be typed there");
    } else if ((request->flags & CONSOLE_FLAG_WRITE) != 0 && stream->writer != NULL &&
               (request->flags & CONSOLE_FLAG_TAKE_OVER) == 0) {
        refuse(visitor, -EBUSY, stream->writer->process, "another viewer is writing");
    } else if (count_viewers(stream) >= VIEWER_LIMIT) {
        refuse(visitor, -EUSERS, 0, "this console has as many viewers as it may");
    } else {
        admit(visitor, stream);
    }
}

static void listen_to(struct source *source, uint32_t events)
{
    struct visitor *visitor = (struct visitor *)source;
    ssize_t count = recv(source->fd, (char *)&visitor->request + visitor->got,
                         sizeof(visitor->request) - visitor->got, 0);

    (void)events;
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (count <= 0) {
        dismiss(visitor, true);
        return;
    }
    visitor->got += (size_t)count;
    if (visitor->got == sizeof(visitor->request)) {
        consider(visitor);
    }
}

/* Root, or whoever runs the daemon. */
static bool may_enter(int fd, uint32_t *process)
{
    struct ucred peer = { .pid = 0 };
    socklen_t size = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) {
        return false;
    }
    *process = (uint32_t)peer.pid;
    return peer.uid == 0 || peer.uid == geteuid();
}

static void listen_again(struct timer *timer)
{
    struct server *server =
        (struct server *)(void *)((char *)timer - offsetof(struct server, rest));

    if (loop_watch(server->loop, &server->source, EPOLLIN) != 0) {
        loop_set_timer(server->loop, timer, REST_MS);
    }
}

/* Who could not be let in still stands at the door, and would wake us for ever. */
static void take_rest(struct server *server, int why)
{
    if (!server->full) {
        report("viewers have to wait: %s", strerror(why));
    }
    server->full = true;
    (void)loop_watch(server->loop, &server->source, 0);
    server->rest.fire = listen_again;
    loop_set_timer(server->loop, &server->rest, REST_MS);
}

static void welcome(struct source *source, uint32_t events)
{
    struct server *server = (struct server *)source;
    int fd = accept4(source->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct visitor *visitor = NULL;
    uint32_t process = 0;

    (void)events;
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            take_rest(server, errno);
        }
        return;
    }
    server->full = false;
    if (server->visitor_count < VISITOR_LIMIT && may_enter(fd, &process)) {
        visitor = calloc(1, sizeof(*visitor));
    }
    if (visitor == NULL) {
        (void)close(fd);
        return;
    }
    visitor->source = (struct source){ .ready = listen_to, .fd = fd };
    visitor->server = server;
    visitor->process = process;
    visitor->next = server->visitors;
    server->visitors = visitor;
    server->visitor_count++;
    if (loop_watch(server->loop, &visitor->source, EPOLLIN) != 0) {
        dismiss(visitor, true);
    }
}

static int bind_socket(int fd, const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    mode_t before;
    int code = 0;

    if (strlen(path) >= sizeof(address.sun_path)) {
        return -ENAMETOOLONG;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    (void)unlink(path); /* of an instance that was killed */
    before = umask(0177);
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 64) != 0) {
        code = -errno;
    }
    (void)umask(before);
    return code;
}

int server_open(struct server *server, const char *path, struct vmctl_error *error)
{
    int code = 0;

    server->source = (struct source){
        .ready = welcome,
        .fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
    };
    if (server->source.fd < 0) {
        code = -errno;
    } else {
        code = bind_socket(server->source.fd, path);
    }
    if (code == 0) {
        code = loop_watch(server->loop, &server->source, EPOLLIN);
    }
    return code == 0 ? 0 : vmctl_fail(error, code, "console socket %s: %s", path, strerror(-code));
}

void server_close(struct server *server)
{
    struct visitor *visitor = server->visitors;

    while (visitor != NULL) {
        struct visitor *next = visitor->next;

        dismiss(visitor, true);
        visitor = next;
    }
    loop_clear_timer(server->loop, &server->rest);
    if (server->source.fd >= 0) {
        (void)loop_watch(server->loop, &server->source, 0);
        (void)close(server->source.fd);
        server->source.fd = -1;
    }
}
