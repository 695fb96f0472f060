/* SPDX-License-Identifier: MIT */
/*
 * paravane-daemons: prepares dom0 and keeps the toolstack's daemons running.
 *
 * For machines without systemd, initramfs images among them.  With systemd the
 * units use its single steps (prepare, dom0) and systemd does the rest.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "dom0-tools/daemons/directories.h"
#include "dom0-tools/daemons/dom0_nodes.h"
#include "dom0-tools/daemons/frame.h"
#include "dom0-tools/daemons/keeper.h"
#include "dom0-tools/daemons/prepare.h"
#include "dom0-tools/daemons/report.h"
#include "libvmctl/console_client.h"

#define RUN_DIRECTORY "/run/paravane"
#define LOG_DIRECTORY "/var/log/paravane"
#define LOCK_FILE     RUN_DIRECTORY "/daemons.lock"
#define STATE_FILE    RUN_DIRECTORY "/daemons.state"
#define STORE_WAIT_MS 10000u
#define READY_WAIT_MS 20000u
#define STOP_WAIT_MS  40000u
#define POLL_MS       20u

static const char program[] = "paravane-daemons";

static const char usage[] =
    "usage: paravane-daemons [OPTION]... [COMMAND]\n"
    "  run (default)   prepare dom0, start the daemons, start again what ends\n"
    "  start           the same in the background; returns when all of them run\n"
    "  stop            end them\n"
    "  status          what runs\n"
    "  prepare         only kernel modules, /proc/xen and directories\n"
    "  dom0            only dom0's own nodes in the store\n"
    "  --without=NAME  leave out stored (Debian's xenstored runs), consoled, devd or supervisor\n";

struct program {
    struct keeper keeper;
    struct loop loop;
    struct source signals;
    struct timer poll;
    uint64_t began;
    int tell; /* whoever waits for us to be ready; -1: nobody */
    int lock;
    char directory[256]; /* of our own program file, and of the daemons' */
    char paths[KEEPER_SERVICES][320];
};

/* --- the lock: one keeper only, and who it is -------------------------------------- */

/* A descriptor, or -1; *holder is then the process that has it, or 0. */
static int take_lock(pid_t *holder)
{
    char text[16] = "";
    int fd = open(LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    ssize_t count;

    *holder = 0;
    if (fd < 0) {
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        return fd;
    }
    count = read(fd, text, sizeof(text) - 1);
    if (count > 0) {
        *holder = (pid_t)strtol(text, NULL, 10);
    }
    (void)close(fd);
    return -1;
}

static bool sign_lock(int fd)
{
    char text[16];
    int length = snprintf(text, sizeof(text), "%d\n", (int)getpid());

    return ftruncate(fd, 0) == 0 && pwrite(fd, text, (size_t)length, 0) == length;
}

/* --- services ------------------------------------------------------------------------ */

static struct service *add_service(struct program *all, const char *name, const char *file)
{
    struct keeper *keeper = &all->keeper;
    struct service *service = &keeper->services[keeper->count];
    char *path = all->paths[keeper->count];

    (void)snprintf(path, sizeof(all->paths[0]), "%s/%s", all->directory, file);
    *service = (struct service){ .name = name, .words = { path } };
    keeper->count++;
    return service;
}

static int find_own_directory(struct program *all)
{
    char path[sizeof(all->directory)];
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);

    if (length < 0) {
        return -errno;
    }
    path[length] = '\0';
    (void)snprintf(all->directory, sizeof(all->directory), "%s", dirname(path));
    return 0;
}

static void add_services(struct program *all)
{
    struct service *service;

    (void)add_service(all, "stored", "paravane-stored");
    service = add_service(all, "dom0", "paravane-daemons");
    service->words[1] = "dom0";
    service->once = true;
    service = add_service(all, "consoled", "paravane-consoled");
    service->ready = CONSOLE_SOCKET;
    (void)add_service(all, "devd", "paravane-devd");
    (void)add_service(all, "supervisor", "paravane-supervisor");
}

static bool leave_out(struct program *all, const char *name)
{
    for (unsigned int i = 0; i < all->keeper.count; i++) {
        if (strcmp(all->keeper.services[i].name, name) == 0 && !all->keeper.services[i].once) {
            all->keeper.services[i].unwanted = true;
            return true;
        }
    }
    return false;
}

/* --- run ----------------------------------------------------------------------------- */

static void signalled(struct source *source, uint32_t events)
{
    struct program *all =
        (struct program *)(void *)((char *)source - offsetof(struct program, signals));
    struct signalfd_siginfo taken;

    (void)events;
    if (read(source->fd, &taken, sizeof(taken)) == (ssize_t)sizeof(taken)) {
        keeper_stop(&all->keeper);
    }
}

static int open_signals(struct program *all)
{
    all->signals = (struct source){ .ready = signalled, .fd = frame_open_signals() };
    return all->signals.fd < 0 ? -errno : loop_watch(&all->loop, &all->signals, EPOLLIN);
}

/* For `start`: a byte says that all is well, its absence that it is not. */
static void tell_ready(struct timer *timer)
{
    struct program *all =
        (struct program *)(void *)((char *)timer - offsetof(struct program, poll));
    const char *missing = keeper_waits_for(&all->keeper);
    uint64_t waited = (loop_now() - all->began) / 1000000;

    if (missing != NULL && waited < READY_WAIT_MS) {
        loop_set_timer(&all->loop, timer, POLL_MS);
        return;
    }
    if (missing != NULL) {
        report("%s does not run; see " LOG_DIRECTORY "/%s.log", missing, missing);
    } else if (write(all->tell, "", 1) != 1) {
        report("whoever started me is gone");
    }
    (void)close(all->tell);
    all->tell = -1;
}

static int run(struct program *all)
{
    int code = loop_open(&all->loop);

    if (code == 0) {
        code = open_signals(all);
    }
    if (code != 0) {
        report("cannot run: %s", strerror(-code));
        return 1;
    }
    all->keeper.loop = &all->loop;
    all->keeper.state_file = STATE_FILE;
    all->keeper.log_directory = LOG_DIRECTORY;
    keeper_start(&all->keeper);
    if (all->tell >= 0) {
        all->began = loop_now();
        all->poll.fire = tell_ready;
        loop_set_timer(&all->loop, &all->poll, POLL_MS);
    }
    code = loop_run(&all->loop);
    return code == 0 ? 0 : 1;
}

static bool ready_to_run(struct program *all, int *status)
{
    struct vmctl_error error;
    pid_t holder;

    *status = 1;
    if (make_directories(RUN_DIRECTORY, &error) != 0 ||
        make_directories(LOG_DIRECTORY, &error) != 0) {
        report("%s", error.message);
        return false;
    }
    all->lock = take_lock(&holder);
    if (all->lock < 0 && holder > 0) {
        report("running already, as process %d", (int)holder);
        *status = 3;
        return false;
    }
    if (all->lock < 0) {
        report("%s: %s", LOCK_FILE, strerror(errno));
        return false;
    }
    if (prepare_dom0(&error) != 0) {
        report("%s", error.message);
        return false;
    }
    return true;
}

static int command_run(struct program *all)
{
    int status;

    if (!ready_to_run(all, &status)) {
        return status;
    }
    if (!sign_lock(all->lock)) {
        report("%s: %s", LOCK_FILE, strerror(errno));
        return 1;
    }
    return run(all);
}

/* The keeper of `start`: from now on its words go to a log. */
static int run_in_background(struct program *all, int tell)
{
    int log = open(LOG_DIRECTORY "/daemons.log", O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    all->tell = tell;
    (void)setsid();
    if (chdir("/") != 0 || null < 0 || log < 0 || !sign_lock(all->lock)) {
        report("cannot go to the background: %s", strerror(errno));
        return 1;
    }
    (void)dup2(null, 0);
    (void)dup2(log, 1);
    (void)dup2(log, 2);
    return run(all);
}

static int command_start(struct program *all)
{
    int tell[2];
    char byte;
    pid_t child;
    int status;

    if (!ready_to_run(all, &status)) {
        return status;
    }
    if (pipe2(tell, O_CLOEXEC) != 0 || (child = fork()) < 0) {
        report("cannot start: %s", strerror(errno));
        return 1;
    }
    if (child == 0) {
        (void)close(tell[0]);
        return run_in_background(all, tell[1]);
    }
    (void)close(tell[1]);
    if (read(tell[0], &byte, 1) != 1) {
        report("not all daemons run; see `%s status` and " LOG_DIRECTORY, program);
        return 1;
    }
    return 0;
}

/* --- the other commands ----------------------------------------------------------------- */

static int command_stop(void)
{
    const struct timespec pause = { .tv_nsec = POLL_MS * 1000000L };
    pid_t holder;
    int lock = take_lock(&holder);

    if (lock >= 0 || holder <= 0) {
        report("not running");
        return 3;
    }
    if (kill(holder, SIGTERM) != 0) {
        report("process %d: %s", (int)holder, strerror(errno));
        return 1;
    }
    for (unsigned int waited = 0; waited < STOP_WAIT_MS; waited += POLL_MS) {
        pid_t other;

        lock = take_lock(&other);
        if (lock >= 0) {
            return 0;
        }
        (void)nanosleep(&pause, NULL);
    }
    report("process %d has not ended yet", (int)holder);
    return 1;
}

/* False if what it says is not, or is not well. */
static bool show_service(const struct keeper_entry *entry)
{
    const char *state = entry->state;
    bool runs = strcmp(state, "running") == 0;

    if (runs && process_birth(entry->process) != entry->birth) {
        state = "gone";
        runs = false;
    }
    printf("%-11s %s", entry->name, state);
    if (runs) {
        printf(", process %d", (int)entry->process);
    }
    if (entry->restarts > 0) {
        printf(", restarted %u times, the last time after: %s", entry->restarts, entry->last);
    }
    printf("\n");
    return strcmp(state, "gone") != 0 && strcmp(state, "restarting") != 0;
}

static int command_status(void)
{
    pid_t holder;
    int lock = take_lock(&holder);
    FILE *file = fopen(STATE_FILE, "re");
    struct keeper_entry entry;
    char line[256];
    int status = holder > 0 ? 0 : 3;

    if (holder > 0) {
        printf("keeper      running, process %d\n", (int)holder);
    } else {
        printf("keeper      not running\n");
    }
    if (lock >= 0) {
        (void)close(lock);
    }
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (keeper_parse(line, &entry) && !show_service(&entry) && status == 0) {
            status = 1;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return status;
}

static int command_prepare(void)
{
    struct vmctl_error error;

    if (make_directories(RUN_DIRECTORY, &error) != 0 ||
        make_directories(LOG_DIRECTORY, &error) != 0 || prepare_dom0(&error) != 0) {
        report("%s", error.message);
        return 1;
    }
    return 0;
}

static int command_dom0(void)
{
    struct vmctl_error error;

    if (dom0_nodes_write(STORE_WAIT_MS, &error) != 0) {
        report("%s", error.message);
        return 1;
    }
    return 0;
}

static int parse(struct program *all, int argc, char **argv)
{
    static const struct option options[] = {
        { "without", required_argument, NULL, 'w' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'w' && leave_out(all, optarg)) {
            continue;
        }
        if (option == 'h') {
            (void)fputs(usage, stdout);
            return 0;
        }
        if (option == 'w') {
            report("--without=%s: there is no such daemon", optarg);
        } else {
            (void)fputs(usage, stderr);
        }
        return 2;
    }
    return -1;
}

int main(int argc, char **argv)
{
    static struct program all = { .tell = -1, .lock = -1 };
    const char *command;
    int code = find_own_directory(&all);
    int status;

    if (code != 0) {
        report("/proc/self/exe: %s", strerror(-code));
        return 1;
    }
    add_services(&all);
    status = parse(&all, argc, argv);
    if (status >= 0) {
        return status;
    }
    command = optind < argc ? argv[optind] : "run";
    if (optind + 1 < argc) {
        report("%s: one command only", argv[optind + 1]);
        return 2;
    }
    if (strcmp(command, "run") == 0) {
        return command_run(&all);
    }
    if (strcmp(command, "start") == 0) {
        return command_start(&all);
    }
    if (strcmp(command, "stop") == 0) {
        return command_stop();
    }
    if (strcmp(command, "status") == 0) {
        return command_status();
    }
    if (strcmp(command, "prepare") == 0) {
        return command_prepare();
    }
    if (strcmp(command, "dom0") == 0) {
        return command_dom0();
    }
    report("%s: there is no such command", command);
    (void)fputs(usage, stderr);
    return 2;
}
