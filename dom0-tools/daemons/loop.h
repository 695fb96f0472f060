/* SPDX-License-Identifier: MIT */
/*
 * The event loop of a daemon: descriptors, timers, and signals that end it.
 *
 * A source or timer is a member (the first) of what it serves.  One descriptor
 * is served per wait, so a handler may remove and free any source, its own too.
 */
#ifndef DOM0_TOOLS_DAEMONS_LOOP_H
#define DOM0_TOOLS_DAEMONS_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct source {
    void (*ready)(struct source *source, uint32_t events); /* EPOLL* */
    int fd;
    uint32_t events; /* asked for; 0: not watched at all */
};

struct timer {
    void (*fire)(struct timer *timer);
    struct timer *next;
    uint64_t due; /* ns of loop_now() */
    bool armed;
};

struct loop {
    int fd;
    bool stop;
    struct timer *timers;
};

/* 0 or a negative errno. */
int loop_open(struct loop *loop);
void loop_close(struct loop *loop);

/* Watch for `events`; 0 takes the descriptor out of the loop. */
int loop_watch(struct loop *loop, struct source *source, uint32_t events);

void loop_set_timer(struct loop *loop, struct timer *timer, uint64_t milliseconds);
void loop_clear_timer(struct loop *loop, struct timer *timer);

/* Until loop->stop; a negative errno if the loop itself fails. */
int loop_run(struct loop *loop);
/* One wait, of at most `milliseconds` (-1: no limit), and what came of it. */
int loop_turn(struct loop *loop, int milliseconds);

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t loop_now(void);

#endif
