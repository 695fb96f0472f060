/* SPDX-License-Identifier: MIT */
/* A daemon's frame: see frame.h. */
#include "dom0-tools/daemons/frame.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "dom0-tools/daemons/report.h"

/* Two of a kind would do everything twice. */
static bool lock(const struct frame *frame)
{
    int fd;

    if (mkdir(RUN_DIRECTORY, 0700) < 0 && errno != EEXIST) {
        report("%s: %s", RUN_DIRECTORY, strerror(errno));
        return false;
    }
    fd = open(frame->lock_file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0) {
        return true;
    }
    if (errno == EWOULDBLOCK) {
        report("%s: another %s is running", frame->lock_file, frame->program);
    } else {
        report("%s: %s", frame->lock_file, strerror(errno));
    }
    return false;
}

int frame_open_signals(void)
{
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int frame_main(const struct frame *frame, int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        printf("usage: %s\n%s, in the foreground, until SIGTERM.\n", frame->program,
               frame->purpose);
        return 0;
    }
    if (argc != 1) {
        (void)fprintf(stderr, "usage: %s\n", frame->program);
        return 2;
    }
    return lock(frame) ? frame->run() : 1;
}
