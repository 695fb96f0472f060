/* SPDX-License-Identifier: MIT */
/*
 * paravane-consoled: the consoles of all guests.
 *
 * It may be killed at any moment and started again: docs/toolstack/console.md.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include "dom0-tools/console/discovery.h"
#include "dom0-tools/console/guest.h"
#include "dom0-tools/console/hypervisor_log.h"
#include "dom0-tools/console/server.h"
#include "dom0-tools/daemons/directories.h"
#include "dom0-tools/daemons/frame.h"
#include "dom0-tools/daemons/report.h"
#include "libvmctl/console_client.h"

#define LOG_DIRECTORY    "/var/log/paravane/console"
#define RECORD_DIRECTORY "/run/paravane/console"

static const char usage[] = "usage: paravane-consoled [OPTION]...\n"
                            "Logs the console of every guest and shows it to viewers.\n"
                            "  --log-dir=DIR        logs (" LOG_DIRECTORY ")\n"
                            "  --log-limit=BYTES    kept of each guest, in two files (2097152)\n"
                            "  --run-dir=DIR        where each log stands (" RECORD_DIRECTORY ")\n"
                            "  --socket=PATH        for viewers (" CONSOLE_SOCKET ")\n"
                            "  --no-hypervisor-log  leave the hypervisor's log alone\n";

struct daemon {
    struct consoles consoles;
    struct discovery discovery;
    struct server server;
    struct hypervisor_log hypervisor;
    struct source signals;
    const char *socket;
    bool follow_hypervisor;
};

static struct stream *find_stream(void *context, uint32_t domid, bool *later)
{
    struct daemon *daemon = context;
    struct guest *guest;

    if (domid == CONSOLE_HYPERVISOR) {
        return daemon->follow_hypervisor ? &daemon->hypervisor.stream : NULL;
    }
    guest = consoles_find(&daemon->consoles, domid);
    *later = guest == NULL && discovery_expects(&daemon->discovery, domid);
    return guest == NULL ? NULL : &guest->stream;
}

static void signalled(struct source *source, uint32_t events)
{
    struct daemon *daemon =
        (struct daemon *)(void *)((char *)source - offsetof(struct daemon, signals));

    (void)events;
    daemon->consoles.loop.stop = true;
}

static int open_signals(struct daemon *daemon, struct vmctl_error *error)
{
    daemon->signals = (struct source){ .ready = signalled, .fd = frame_open_signals() };
    if (daemon->signals.fd < 0) {
        return vmctl_fail(error, -errno, "signalfd: %s", strerror(errno));
    }
    return loop_watch(&daemon->consoles.loop, &daemon->signals, EPOLLIN);
}

/* A log and a terminal for each guest. */
static void want_many_files(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* Two of us would both take from the same rings.  The kernel unlocks when we die. */
static int lock(const char *directory, struct vmctl_error *error)
{
    char path[512];
    int fd;

    (void)snprintf(path, sizeof(path), "%s/lock", directory);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return vmctl_fail(error, -errno, "%s: %s", path, strerror(errno));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        (void)close(fd);
        return vmctl_fail(error, -EBUSY, "%s: another paravane-consoled is running", path);
    }
    return 0;
}

static int start(struct daemon *daemon, struct vmctl_error *error)
{
    struct consoles *consoles = &daemon->consoles;
    int code = make_directories(consoles->log_directory, error);

    if (code == 0) {
        code = make_directories(consoles->record_directory, error);
    }
    if (code == 0) {
        code = lock(consoles->record_directory, error);
    }
    if (code == 0) {
        code = consoles_open(consoles, error);
    }
    if (code == 0) {
        code = open_signals(daemon, error);
    }
    if (code == 0 && daemon->follow_hypervisor) {
        code = hypervisor_log_open(&daemon->hypervisor, consoles, error);
    }
    if (code == 0) {
        daemon->discovery.consoles = consoles;
        code = discovery_open(&daemon->discovery, error);
    }
    if (code == 0) {
        daemon->server.loop = &consoles->loop;
        daemon->server.find = find_stream;
        daemon->server.context = daemon;
        code = server_open(&daemon->server, daemon->socket, error);
    }
    return code;
}

static int run(struct daemon *daemon)
{
    struct vmctl_error error;
    int code = loop_open(&daemon->consoles.loop);

    if (code != 0) {
        report("epoll: %s", strerror(-code));
        return 1;
    }
    code = start(daemon, &error);
    if (code != 0) {
        report("%s", error.message);
        return 1;
    }
    code = loop_run(&daemon->consoles.loop);
    server_close(&daemon->server);
    discovery_close(&daemon->discovery);
    hypervisor_log_close(&daemon->hypervisor);
    consoles_close(&daemon->consoles);
    loop_close(&daemon->consoles.loop);
    return code == 0 ? 0 : 1;
}

static bool to_bytes(const char *text, uint64_t *bytes)
{
    char *end;

    errno = 0;
    *bytes = strtoull(text, &end, 10);
    return errno == 0 && *text >= '0' && *text <= '9' && *end == '\0';
}

/* 0 to go on, else the exit status + 1. */
static int parse(struct daemon *daemon, int argc, char **argv)
{
    enum { LOG_DIR = 256, LOG_LIMIT, RUN_DIR, SOCKET, NO_HYPERVISOR, HELP };
    static const struct option options[] = {
        { "log-dir", required_argument, NULL, LOG_DIR },
        { "log-limit", required_argument, NULL, LOG_LIMIT },
        { "run-dir", required_argument, NULL, RUN_DIR },
        { "socket", required_argument, NULL, SOCKET },
        { "no-hypervisor-log", no_argument, NULL, NO_HYPERVISOR },
        { "help", no_argument, NULL, HELP },
        { NULL, 0, NULL, 0 },
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case LOG_DIR:
            daemon->consoles.log_directory = optarg;
            break;
        case LOG_LIMIT:
            if (!to_bytes(optarg, &daemon->consoles.log_limit)) {
                report("--log-limit=%s: not a number of bytes", optarg);
                return 3;
            }
            break;
        case RUN_DIR:
            daemon->consoles.record_directory = optarg;
            break;
        case SOCKET:
            daemon->socket = optarg;
            break;
        case NO_HYPERVISOR:
            daemon->follow_hypervisor = false;
            break;
        case HELP:
            (void)fputs(usage, stdout);
            return 1;
        default:
            (void)fputs(usage, stderr);
            return 3;
        }
    }
    if (optind < argc) {
        report("%s: takes no arguments", argv[optind]);
        return 3;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static struct daemon daemon = {
        .consoles = { .log_directory = LOG_DIRECTORY,
                      .record_directory = RECORD_DIRECTORY,
                      .log_limit = TRANSCRIPT_LIMIT },
        .socket = CONSOLE_SOCKET,
        .follow_hypervisor = true,
    };
    int status = parse(&daemon, argc, argv);

    if (status != 0) {
        return status - 1;
    }
    want_many_files();
    return run(&daemon);
}
