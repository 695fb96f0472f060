/* SPDX-License-Identifier: MIT */
/*
 * Threads that work on guests, so that one that takes its time (memory to
 * scrub, a device to wait for) keeps no other waiting.
 */
#ifndef DOM0_TOOLS_SUPERVISOR_WORKERS_H
#define DOM0_TOOLS_SUPERVISOR_WORKERS_H

#include "dom0-tools/supervisor/overseer.h"
#include "libvmctl/error.h"

struct workers;

typedef void job_fn(struct vmctl *handle, struct job *job);

/* `run` is called in the threads, each with a handle of its own (NULL: none wanted). */
int workers_start(unsigned int threads, job_fn *run, bool with_handles, struct workers **workers,
                  struct vmctl_error *error);
/* Waits for jobs that are under way; those not begun are dropped. */
void workers_stop(struct workers *workers);

/* 0 or -ENOMEM. */
int workers_add(struct workers *workers, const struct job *job);

/* Readable when a job is done; then take it (for free()) until there is none. */
int workers_fd(const struct workers *workers);
struct job *workers_take(struct workers *workers);

#endif
