/* SPDX-License-Identifier: MIT */
/*
 * Who has ended, and what is to be done about it: the supervisor's decisions,
 * apart from the hypervisor, the store and the threads that do the work.
 *
 * All it knows can be found out again: from the list of domains, the store, and
 * the descriptions kept of guests that are being started again.
 */
#ifndef DOM0_TOOLS_SUPERVISOR_OVERSEER_H
#define DOM0_TOOLS_SUPERVISOR_OVERSEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0-tools/supervisor/policy.h"

struct domain_fact {
    uint32_t domid;
    uint8_t uuid[16];
    bool ended;
    bool dying; /* destroyed, but somebody has memory of it */
    enum guest_end end;
    uint64_t pages;
};

enum job_kind {
    JOB_DESTROY,
    JOB_SAVE_AND_DESTROY, /* keeps the description, for JOB_CREATE */
    JOB_SAVE_AND_RENAME,  /* the same, but the old guest is kept under another name */
    JOB_CREATE,           /* from the kept description */
    JOB_REAP,             /* remove what a guest has left behind in the store */
    JOB_FINISH,           /* what a maker that was killed had begun */
};

struct job {
    enum job_kind kind;
    uint32_t domid;   /* not of JOB_CREATE, JOB_FINISH */
    uint8_t uuid[16]; /* after JOB_SAVE_AND_*: that of the description kept */
    uint32_t made;    /* JOB_CREATE: the new guest */
    int result;       /* 0 or a negative errno */
    char words[768];  /* of the error */
    struct job *next; /* while it is in a queue */
};

/* What the overseer asks of the world; the first argument is always `context`. */
struct overseer_world {
    void *context;
    int64_t (*now)(void *); /* milliseconds, never going back */
    /* Guests by id, without dom0; for free(). */
    int (*list)(void *, struct domain_fact **facts, size_t *count);
    /* Ids of guests announced in the store; for free(). */
    int (*announced)(void *, uint32_t **domids, size_t *count);
    /* Guests whose makers were killed; for free(). */
    int (*abandoned)(void *, uint8_t (**uuids)[16], size_t *count);
    /* -ENOENT: not a guest of ours. */
    int (*policy)(void *, uint32_t domid, const char *node, enum guest_action *action);
    /* For the log; "?" where there is none. */
    void (*name)(void *, uint32_t domid, char *name, size_t room);
    int64_t (*lived)(void *, const struct domain_fact *fact); /* seconds */
    unsigned int (*quick_ends)(void *, const uint8_t uuid[16]);
    void (*set_quick_ends)(void *, const uint8_t uuid[16], unsigned int count);
    /* A description need not be kept any longer: the guest runs, or cannot. */
    void (*forget_kept)(void *, const uint8_t uuid[16], bool failed);
    /* Find out, and say to whom it may concern, who has memory of a dead guest. */
    void (*held)(void *, const struct domain_fact *fact, char *words, size_t room);
    void (*released)(void *, uint32_t domid);
    /* Do it, some time, and then call overseer_done(). */
    void (*start)(void *, const struct job *job);
    void (*say)(void *, const char *line);
};

struct overseer;

struct overseer *overseer_new(const struct overseer_world *world); /* NULL: no memory */
void overseer_free(struct overseer *overseer);

/* A description was found that an earlier run kept. */
void overseer_found_kept(struct overseer *overseer, const uint8_t uuid[16]);

/* Something may have changed, or it is time. */
void overseer_look(struct overseer *overseer);
/* Milliseconds until it is time; -1: never. */
int overseer_timeout(const struct overseer *overseer);

void overseer_done(struct overseer *overseer, const struct job *job);

#endif
