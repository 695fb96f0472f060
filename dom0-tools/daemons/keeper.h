/* SPDX-License-Identifier: MIT */
/*
 * Keeps daemons running: starts them in order, and again when they end.
 *
 * It may itself be killed.  Its daemons then go on; the next instance finds them
 * in the state file (number and start time of each process) and watches them as
 * if it had started them.
 */
#ifndef DOM0_TOOLS_DAEMONS_KEEPER_H
#define DOM0_TOOLS_DAEMONS_KEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "dom0-tools/daemons/loop.h"
#include "libvmctl/error.h"

#define KEEPER_SERVICES 8u

enum service_state {
    SERVICE_IDLE,    /* waits for those before it, or was never wanted */
    SERVICE_RUNNING, /* there is a process */
    SERVICE_DONE,    /* ran once, and well */
    SERVICE_PAUSED,  /* ended; will be started again */
};

struct service {
    struct source exit; /* a descriptor of the process; first */
    struct timer timer; /* to start it again; while stopping, to kill it */
    struct keeper *keeper;
    const char *name;
    const char *words[4]; /* program and arguments */
    const char *ready;    /* a socket that answers when it is ready; may be NULL */
    bool once;            /* to be run to its end each time the one before it has started */
    bool unwanted;
    enum service_state state;
    pid_t process;
    uint64_t birth; /* of the process, as /proc has it */
    uint64_t since; /* ns of loop_now() */
    unsigned int restarts;
    unsigned int delay; /* ms before the next start */
    char last[48];      /* how it ended the last time */
};

struct keeper {
    struct loop *loop;
    struct service services[KEEPER_SERVICES];
    unsigned int count;
    const char *state_file;
    const char *log_directory;
    struct timer tidy; /* of the logs */
    bool stopping;
};

/* Services are filled in by the caller, in the order they depend on each other. */
void keeper_start(struct keeper *keeper);
/* Ends the loop when all have ended. */
void keeper_stop(struct keeper *keeper);

/* NULL when everything runs, else the name of one that does not yet. */
const char *keeper_waits_for(const struct keeper *keeper);

/* Milliseconds before a service is started again that lived for `lived` ms. */
unsigned int keeper_delay(unsigned int before, uint64_t lived);

/* A line of the state file, as the keeper wrote it. */
struct keeper_entry {
    const char *name; /* these three in the line that was parsed */
    const char *state;
    const char *last;
    pid_t process;
    uint64_t birth;
    unsigned int restarts;
};

/* Takes the line apart; false if it is none. */
bool keeper_parse(char *line, struct keeper_entry *entry);

/* When process `process` was started, in the kernel's ticks; 0 if there is none. */
uint64_t process_birth(pid_t process);

#endif
