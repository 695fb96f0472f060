/* SPDX-License-Identifier: MIT */
/* The inside of the public handle. */
#ifndef LIBVMCTL_HANDLE_H
#define LIBVMCTL_HANDLE_H

#include "libvmctl/privcmd.h"
#include "libvmctl/store_client.h"

struct vmctl {
    struct privcmd privcmd;
    struct store_client *store; /* NULL until it is needed */
    bool store_missed;          /* it was waited for in vain */
    vmctl_progress_fn *progress;
    void *progress_context;
    vmctl_ready_fn *ready;
    void *ready_context;
};

/*
 * The store's client, connected now if it was not; NULL and an error.  A store
 * that is being started again is waited for, once.
 */
struct store_client *handle_store(struct vmctl *handle, struct vmctl_error *error);

void handle_progress(struct vmctl *handle, const char *step, int percent);

#endif
