/* SPDX-License-Identifier: MIT */
/* Keeps daemons running: see keeper.h. */
#include "dom0-tools/daemons/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dom0-tools/daemons/report.h"

#define NS_PER_MS     UINT64_C(1000000)
#define FIRST_DELAY   50u    /* ms */
#define LONGEST_DELAY 10000u /* ms */
#define GOOD_LIFE     10000u /* ms after which an end counts as the first */
#define KILL_AFTER    5000u  /* ms between SIGTERM and SIGKILL */
#define TIDY_EVERY    600000u
#define LOG_LIMIT     (1 << 20)

static const char *const state_names[] = {
    [SERVICE_IDLE] = "idle",
    [SERVICE_RUNNING] = "running",
    [SERVICE_DONE] = "done",
    [SERVICE_PAUSED] = "restarting",
};

static void advance(struct keeper *keeper);

unsigned int keeper_delay(unsigned int before, uint64_t lived)
{
    if (before == 0 || lived >= GOOD_LIFE) {
        return FIRST_DELAY;
    }
    return before * 2 > LONGEST_DELAY ? LONGEST_DELAY : before * 2;
}

uint64_t process_birth(pid_t process)
{
    char path[32];
    char text[1024];
    const char *at;
    ssize_t count = -1;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)process);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        count = read(fd, text, sizeof(text) - 1);
        (void)close(fd);
    }
    if (count <= 0) {
        return 0;
    }
    text[count] = '\0';
    /* The name, in brackets, may hold anything; the birth is the 20th word after it. */
    at = strrchr(text, ')');
    for (unsigned int i = 0; at != NULL && i < 20; i++) {
        at = strchr(at + 1, ' ');
    }
    return at == NULL ? 0 : strtoull(at + 1, NULL, 10);
}

/* --- the state file ---------------------------------------------------------------- */

static void save_state(const struct keeper *keeper)
{
    char fresh[256];
    FILE *file;
    bool good;

    (void)snprintf(fresh, sizeof(fresh), "%s.new", keeper->state_file);
    file = fopen(fresh, "we");
    if (file == NULL) {
        report("%s: %s", fresh, strerror(errno));
        return;
    }
    for (unsigned int i = 0; i < keeper->count; i++) {
        const struct service *service = &keeper->services[i];

        (void)fprintf(file, "%s %s %d %" PRIu64 " %u %s\n", service->name,
                      service->unwanted ? "left-out" : state_names[service->state],
                      (int)service->process, service->birth, service->restarts,
                      service->last[0] == '\0' ? "-" : service->last);
    }
    good = ferror(file) == 0;
    good = fclose(file) == 0 && good;
    if (!good || rename(fresh, keeper->state_file) != 0) {
        report("%s: %s", keeper->state_file, strerror(errno));
    }
}

/* --- processes ---------------------------------------------------------------------- */

static void say_end(struct service *service, const siginfo_t *how)
{
    switch (how->si_code) {
    case CLD_EXITED:
        (void)snprintf(service->last, sizeof(service->last), "exit status %d", how->si_status);
        break;
    case CLD_KILLED:
    case CLD_DUMPED:
        (void)snprintf(service->last, sizeof(service->last), "signal %d", how->si_status);
        break;
    default:
        (void)snprintf(service->last, sizeof(service->last), "ended"); /* not our child */
        break;
    }
}

static void pause_service(struct service *service, uint64_t lived)
{
    service->state = SERVICE_PAUSED;
    service->delay = keeper_delay(service->delay, lived);
    loop_set_timer(service->keeper->loop, &service->timer, service->delay);
}

static void ended(struct source *source, uint32_t events)
{
    struct service *service = (struct service *)source;
    struct keeper *keeper = service->keeper;
    uint64_t lived = (loop_now() - service->since) / NS_PER_MS;
    siginfo_t how = { .si_code = 0 };
    bool well;

    (void)events;
    if (waitid(P_PIDFD, (id_t)source->fd, &how, WEXITED | WNOHANG) != 0) {
        how.si_code = 0;
    }
    say_end(service, &how);
    (void)loop_watch(keeper->loop, source, 0);
    (void)close(source->fd);
    source->fd = -1;
    service->process = 0;
    service->birth = 0;
    loop_clear_timer(keeper->loop, &service->timer);
    well = service->once && how.si_code == CLD_EXITED && how.si_status == 0;
    if (keeper->stopping) {
        service->state = SERVICE_IDLE;
    } else if (well) {
        service->state = SERVICE_DONE;
        service->delay = 0;
    } else {
        report("%s: %s", service->name, service->last);
        service->restarts++;
        pause_service(service, lived);
    }
    advance(keeper);
}

static bool watch_process(struct service *service, pid_t process)
{
    service->exit.ready = ended;
    service->exit.fd = pidfd_open(process, 0);
    if (service->exit.fd < 0) {
        return false;
    }
    if (loop_watch(service->keeper->loop, &service->exit, EPOLLIN) != 0) {
        (void)close(service->exit.fd);
        service->exit.fd = -1;
        return false;
    }
    service->process = process;
    service->birth = process_birth(process);
    service->since = loop_now();
    service->state = SERVICE_RUNNING;
    return true;
}

static int open_log(const struct service *service)
{
    char path[256];

    (void)snprintf(path, sizeof(path), "%s/%s.log", service->keeper->log_directory, service->name);
    return open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static int spawn(const struct service *service, int log, pid_t *process)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    char *words[5] = { NULL };
    sigset_t none;
    int code;

    for (unsigned int i = 0; i < 4 && service->words[i] != NULL; i++) {
        words[i] = strdup(service->words[i]);
    }
    (void)sigemptyset(&none);
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setsigmask(&attributes, &none);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSID);
    (void)posix_spawn_file_actions_init(&files);
    (void)posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    if (log >= 0) {
        (void)posix_spawn_file_actions_adddup2(&files, log, 1);
        (void)posix_spawn_file_actions_adddup2(&files, log, 2);
    }
    code = words[0] == NULL ? ENOMEM
                            : posix_spawn(process, words[0], &files, &attributes, words, environ);
    (void)posix_spawn_file_actions_destroy(&files);
    (void)posix_spawnattr_destroy(&attributes);
    for (unsigned int i = 0; i < 4; i++) {
        free(words[i]);
    }
    return -code;
}

/* A guest's memory must not cost the guests their daemons. */
static void protect_from_oom(pid_t process)
{
    static const char score[] = "-900";
    char path[48];
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", (int)process);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (write(fd, score, sizeof(score) - 1) < 0) {
            report("%s: %s", path, strerror(errno));
        }
        (void)close(fd);
    }
}

static void start(struct service *service)
{
    int log = open_log(service);
    pid_t process = 0;
    int code = spawn(service, log, &process);

    if (log >= 0) {
        (void)close(log);
    }
    if (code == 0 && !watch_process(service, process)) {
        code = -errno;
        (void)kill(process, SIGKILL);
        (void)waitpid(process, NULL, 0);
    }
    if (code != 0) {
        (void)snprintf(service->last, sizeof(service->last), "cannot start: %s", strerror(-code));
        report("%s: %s: %s", service->name, service->words[0], service->last);
        pause_service(service, 0);
        return;
    }
    protect_from_oom(process);
}

static void start_again(struct timer *timer)
{
    struct service *service =
        (struct service *)(void *)((char *)timer - offsetof(struct service, timer));

    if (service->keeper->stopping) {
        (void)kill(service->process, SIGKILL); /* it had its time */
        return;
    }
    service->state = SERVICE_IDLE;
    advance(service->keeper);
}

/* --- order -------------------------------------------------------------------------- */

/* Start whatever has all before it running or done; each starts once more after its forerunner. */
static void start_ready(struct keeper *keeper)
{
    for (unsigned int i = 0; i < keeper->count; i++) {
        struct service *service = &keeper->services[i];

        if (service->unwanted) {
            continue;
        }
        if (service->state == SERVICE_IDLE) {
            start(service);
            if (i + 1 < keeper->count && keeper->services[i + 1].once &&
                keeper->services[i + 1].state == SERVICE_DONE) {
                keeper->services[i + 1].state = SERVICE_IDLE;
            }
        }
        if (service->once && service->state != SERVICE_DONE) {
            return;
        }
    }
}

static void stop_last(struct keeper *keeper)
{
    for (unsigned int i = keeper->count; i > 0; i--) {
        struct service *service = &keeper->services[i - 1];

        if (service->state == SERVICE_RUNNING) {
            if (!service->timer.armed) {
                (void)kill(service->process, SIGTERM);
                loop_set_timer(keeper->loop, &service->timer, KILL_AFTER);
            }
            return;
        }
        loop_clear_timer(keeper->loop, &service->timer);
        service->state = SERVICE_IDLE;
    }
    loop_clear_timer(keeper->loop, &keeper->tidy);
    keeper->loop->stop = true;
}

static void advance(struct keeper *keeper)
{
    if (keeper->stopping) {
        stop_last(keeper);
    } else {
        start_ready(keeper);
    }
    save_state(keeper);
}

/* --- logs --------------------------------------------------------------------------- */

/* The daemon has the file open for appending, so what is in it is moved, not the file. */
static void shorten(const struct service *service)
{
    char old[256];
    char piece[4096];
    struct stat facts;
    int from = open_log(service);
    int to = -1;
    ssize_t count;

    if (from >= 0 && fstat(from, &facts) == 0 && facts.st_size > LOG_LIMIT) {
        (void)snprintf(old, sizeof(old), "%s/%s.log.1", service->keeper->log_directory,
                       service->name);
        to = open(old, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        (void)lseek(from, facts.st_size - LOG_LIMIT, SEEK_SET);
        while (to >= 0 && (count = read(from, piece, sizeof(piece))) > 0) {
            if (write(to, piece, (size_t)count) != count) {
                break;
            }
        }
        if (ftruncate(from, 0) != 0) {
            report("%s.log: %s", service->name, strerror(errno));
        }
    }
    if (to >= 0) {
        (void)close(to);
    }
    if (from >= 0) {
        (void)close(from);
    }
}

static void tidy(struct timer *timer)
{
    struct keeper *keeper =
        (struct keeper *)(void *)((char *)timer - offsetof(struct keeper, tidy));

    for (unsigned int i = 0; i < keeper->count; i++) {
        shorten(&keeper->services[i]);
    }
    loop_set_timer(keeper->loop, timer, TIDY_EVERY);
}

/* --- adopting ------------------------------------------------------------------------ */

static void adopt(struct keeper *keeper, const struct keeper_entry *entry)
{
    for (unsigned int i = 0; i < keeper->count; i++) {
        struct service *service = &keeper->services[i];

        if (strcmp(service->name, entry->name) != 0 || service->unwanted) {
            continue;
        }
        /* The descriptor first, then the check: the number cannot change hands in between. */
        if (entry->process > 0 && watch_process(service, entry->process) &&
            service->birth != entry->birth) {
            (void)loop_watch(keeper->loop, &service->exit, 0);
            (void)close(service->exit.fd);
            service->exit.fd = -1;
            service->process = 0;
            service->state = SERVICE_IDLE;
        }
        if (service->state == SERVICE_RUNNING) {
            report("%s: found running, process %d", entry->name, (int)entry->process);
        }
    }
}

bool keeper_parse(char *line, struct keeper_entry *entry)
{
    char *save = NULL;
    const char *process;
    const char *birth;
    const char *restarts;

    entry->name = strtok_r(line, " \n", &save);
    entry->state = strtok_r(NULL, " \n", &save);
    process = strtok_r(NULL, " \n", &save);
    birth = strtok_r(NULL, " \n", &save);
    restarts = strtok_r(NULL, " \n", &save);
    entry->last = strtok_r(NULL, "\n", &save);
    if (entry->last == NULL) {
        return false;
    }
    entry->process = (pid_t)strtol(process, NULL, 10);
    entry->birth = strtoull(birth, NULL, 10);
    entry->restarts = (unsigned int)strtoul(restarts, NULL, 10);
    return true;
}

static void adopt_all(struct keeper *keeper)
{
    FILE *file = fopen(keeper->state_file, "re");
    struct keeper_entry entry;
    char line[256];

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (keeper_parse(line, &entry) && strcmp(entry.state, state_names[SERVICE_RUNNING]) == 0) {
            adopt(keeper, &entry);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
}

/* --- from outside --------------------------------------------------------------------- */

void keeper_start(struct keeper *keeper)
{
    for (unsigned int i = 0; i < keeper->count; i++) {
        keeper->services[i].keeper = keeper;
        keeper->services[i].exit.fd = -1;
        keeper->services[i].timer.fire = start_again;
    }
    keeper->tidy.fire = tidy;
    adopt_all(keeper);
    tidy(&keeper->tidy);
    advance(keeper);
}

void keeper_stop(struct keeper *keeper)
{
    if (!keeper->stopping) {
        keeper->stopping = true;
        for (unsigned int i = 0; i < keeper->count; i++) {
            loop_clear_timer(keeper->loop, &keeper->services[i].timer);
        }
        advance(keeper);
    }
}

static bool answers(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool good;

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    good = fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
    if (fd >= 0) {
        (void)close(fd);
    }
    return good;
}

const char *keeper_waits_for(const struct keeper *keeper)
{
    for (unsigned int i = 0; i < keeper->count; i++) {
        const struct service *service = &keeper->services[i];

        if (service->unwanted) {
            continue;
        }
        if (service->state != (service->once ? SERVICE_DONE : SERVICE_RUNNING) ||
            (service->ready != NULL && !answers(service->ready))) {
            return service->name;
        }
    }
    return NULL;
}
