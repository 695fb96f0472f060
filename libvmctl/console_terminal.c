/* SPDX-License-Identifier: MIT */
/* A console on a terminal: console_run_terminal() of console_client.h. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "libvmctl/console_client.h"

#define RETRY_MS 50
#define TRIES    12 /* a daemon has so many times the patience with one answer to come back */

enum { FROM_GUEST, FROM_INPUT, FROM_SIGNALS, POLLED };

struct session {
    struct console *console;
    int input; /* -1: not read (any more) */
    int output;
    struct pollfd polled[POLLED];
    uint8_t typed[256];
    size_t typed_from, typed_end; /* not yet taken by the daemon */
    bool over;
    enum console_end end;
    int code; /* or a negative errno, and `error` */
    struct vmctl_error *error;
};

static void finish(struct session *session, enum console_end end)
{
    if (!session->over) {
        session->over = true;
        session->end = end;
    }
}

static void show(struct session *session, const void *bytes, size_t count)
{
    const char *at = bytes;

    while (count > 0) {
        struct pollfd writable = { .fd = session->output, .events = POLLOUT };
        ssize_t written = write(session->output, at, count);

        if (written < 0 && (errno == EAGAIN || errno == EINTR)) {
            (void)poll(&writable, 1, RETRY_MS);
            if (poll(&session->polled[FROM_SIGNALS], 1, 0) > 0) {
                return; /* a terminal that was stopped for good must not hold us */
            }
            continue;
        }
        if (written <= 0) {
            finish(session, CONSOLE_END_OUTPUT);
            return;
        }
        at += written;
        count -= (size_t)written;
    }
}

static int64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The connection ended: the daemon was restarted, or there is nothing more to come. */
static void come_back(struct session *session)
{
    const struct timespec pause = { .tv_nsec = RETRY_MS * 1000000L };
    const unsigned int patience = session->console->options.patience_ms;
    const int64_t until =
        now_ms() + (int64_t)TRIES * (patience != 0 ? patience : CONSOLE_PATIENCE_MS);
    char words[80];
    uint64_t lost = 0;
    int code;

    if (session->console->options.no_follow) {
        finish(session, CONSOLE_END_GUEST);
        return;
    }
    do {
        if (poll(&session->polled[FROM_SIGNALS], 1, 0) > 0) {
            return;
        }
        code = console_reattach(session->console, &lost, session->error);
    } while (code != 0 && code != -ESRCH && code != -ESTALE && now_ms() < until &&
             nanosleep(&pause, NULL) == 0);
    if (code == -ESRCH || code == -ESTALE) {
        finish(session, CONSOLE_END_GUEST);
    } else if (code != 0) {
        session->code = code;
    } else if (lost > 0) {
        (void)snprintf(words, sizeof(words), "\r\n[%" PRIu64 " bytes left out]\r\n", lost);
        show(session, words, strlen(words));
    }
}

static void from_guest(struct session *session)
{
    uint8_t bytes[8192];
    ssize_t count = console_read(session->console, bytes, sizeof(bytes));

    if (count > 0) {
        show(session, bytes, (size_t)count);
    } else {
        come_back(session);
    }
}

static void from_input(struct session *session)
{
    const uint8_t *escape;
    ssize_t count = read(session->input, session->typed, sizeof(session->typed));

    if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (count <= 0) {
        session->input = -1;
        return;
    }
    escape = memchr(session->typed, CONSOLE_ESCAPE, (size_t)count);
    if (escape != NULL) {
        count = escape - session->typed;
        session->input = -1;
        finish(session, CONSOLE_END_ESCAPE);
    }
    if (session->console->options.write) {
        session->typed_from = 0;
        session->typed_end = (size_t)count;
    }
}

static void to_guest(struct session *session)
{
    ssize_t count = send(session->console->fd, session->typed + session->typed_from,
                         session->typed_end - session->typed_from, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (count > 0) {
        session->typed_from += (size_t)count;
    }
}

static void turn(struct session *session)
{
    struct pollfd *polled = session->polled;
    bool waiting = session->typed_from < session->typed_end;

    polled[FROM_GUEST].fd = session->console->fd;
    polled[FROM_GUEST].events = (short)(POLLIN | (waiting ? POLLOUT : 0));
    polled[FROM_INPUT].fd = waiting ? -1 : session->input;
    polled[FROM_INPUT].events = POLLIN;
    if (poll(polled, POLLED, -1) < 0) {
        return;
    }
    if (polled[FROM_SIGNALS].revents != 0) {
        struct signalfd_siginfo taken;

        (void)read(polled[FROM_SIGNALS].fd, &taken, sizeof(taken));
        finish(session, CONSOLE_END_SIGNAL);
        return;
    }
    if (polled[FROM_INPUT].revents != 0) {
        from_input(session);
    }
    if (session->typed_from < session->typed_end) {
        to_guest(session);
    }
    if (polled[FROM_GUEST].revents & (POLLIN | POLLHUP | POLLERR)) {
        from_guest(session);
    }
}

static int open_signals(sigset_t *before)
{
    sigset_t held;

    (void)sigemptyset(&held);
    (void)sigaddset(&held, SIGINT);
    (void)sigaddset(&held, SIGTERM);
    (void)sigaddset(&held, SIGHUP);
    if (pthread_sigmask(SIG_BLOCK, &held, before) != 0) {
        return -1;
    }
    return signalfd(-1, &held, SFD_CLOEXEC | SFD_NONBLOCK);
}

int console_run_terminal(struct console *console, int input, int output, enum console_end *end,
                         struct vmctl_error *error)
{
    struct vmctl_error words = { .code = 0 };
    struct session session = {
        .console = console,
        .input = input,
        .output = output,
        .error = error != NULL ? error : &words,
    };
    struct termios before = { .c_iflag = 0 };
    struct termios raw;
    sigset_t mask;
    bool terminal = input >= 0 && tcgetattr(input, &before) == 0;
    int signals = open_signals(&mask);

    if (signals < 0) {
        session.code = vmctl_fail(error, -errno, "signalfd: %s", strerror(errno));
    } else if (terminal) {
        raw = before;
        cfmakeraw(&raw);
        if (tcsetattr(input, TCSADRAIN, &raw) != 0) {
            session.code =
                vmctl_fail(error, -errno, "cannot set the terminal: %s", strerror(errno));
        }
    }
    session.polled[FROM_SIGNALS] = (struct pollfd){ .fd = signals, .events = POLLIN };
    while (session.code == 0 && !session.over) {
        turn(&session);
    }
    if (terminal) {
        (void)tcsetattr(input, TCSADRAIN, &before);
    }
    if (signals >= 0) {
        (void)close(signals);
    }
    (void)pthread_sigmask(SIG_SETMASK, &mask, NULL);
    if (session.code == 0) {
        *end = session.end;
    }
    return session.code;
}
