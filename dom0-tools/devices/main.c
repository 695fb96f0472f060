/* SPDX-License-Identifier: MIT */
/*
 * paravane-devd: sets up the back ends of guests' disks and network cards.
 *
 * It may be killed and started again at any moment: what is set up stays, and
 * what it knows follows from the store and from the kernel.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "dom0-tools/daemons/frame.h"
#include "dom0-tools/daemons/report.h"
#include "dom0-tools/devices/devices.h"

#define PATIENCE_MS 10000
#define SHARE       64 /* events taken before the next look at what is due */

static void say(const char *line)
{
    report("%s", line);
}

static int64_t now(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Each disk is a descriptor held open. */
static void raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max = limit.rlim_max > 65536 ? limit.rlim_max : 65536;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* A share of the events, each copied first: they point into the client.  1: there may be more. */
static int take_events(struct store_client *store, struct devices *devices)
{
    struct vmctl_error error = { .code = 0 };
    const char *token;
    const char *path;
    int r = 1;

    for (int i = 0; i < SHARE && (r = store_next_event(store, &path, &token, &error)) > 0; i++) {
        char copy[512];

        (void)snprintf(copy, sizeof(copy), "%s", path);
        devices_changed(devices, copy);
    }
    if (r < 0) {
        say(error.message);
    }
    return r;
}

static int serve(struct store_client *store, struct devices *devices, int signals)
{
    for (;;) {
        struct pollfd fds[] = {
            { .fd = signals, .events = POLLIN },
            { .fd = store_fd(store), .events = POLLIN },
            { .fd = devices_link_fd(devices), .events = POLLIN },
        };
        const int more = take_events(store, devices);

        if (more < 0) {
            return 1;
        }
        fds[2].fd = devices_link_fd(devices);
        if (poll(fds, sizeof(fds) / sizeof(fds[0]), more > 0 ? 0 : devices_timeout(devices)) < 0 &&
            errno != EINTR) {
            say(strerror(errno));
            return 1;
        }
        if (fds[0].revents != 0) {
            return 0;
        }
        /* However often something else happens. */
        if (devices_timeout(devices) == 0 || fds[2].revents != 0) {
            devices_retry(devices);
        }
    }
}

static int run(void)
{
    struct devices_settings settings = {
        .sys = "/sys",
        .proc = "/proc",
        .patience = PATIENCE_MS,
        .say = say,
        .now = now,
    };
    struct vmctl_error error = { .code = 0 };
    struct store_client *store = NULL;
    struct devices *devices = NULL;
    int signals = frame_open_signals();
    int status = 1;

    if (signals < 0) {
        say(strerror(errno));
        return 1;
    }
    /* Somebody may open an image while disk_image_check_writers() has a lease on it. */
    (void)signal(SIGIO, SIG_IGN);
    raise_limit();
    if (store_open(NULL, &store, &error) < 0 ||
        devices_open(store, &settings, &devices, &error) < 0) {
        say(error.message);
    } else {
        status = serve(store, devices, signals);
    }
    devices_close(devices);
    store_close(store);
    (void)close(signals);
    return status;
}

int main(int argc, char **argv)
{
    static const struct frame frame = {
        .program = "paravane-devd",
        .purpose = "Set up the back ends of guests' disks and network cards",
        .lock_file = RUN_DIRECTORY "/devd.lock",
        .run = run,
    };

    return frame_main(&frame, argc, argv);
}
