/* SPDX-License-Identifier: MIT */
/* Handles: see vmctl.h. */
#include "libvmctl/handle.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define STORE_WAIT_MS  3000
#define STORE_RETRY_MS 20

int vmctl_open(struct vmctl **handle, struct vmctl_error *error)
{
    struct vmctl *made = calloc(1, sizeof(*made));
    int r;

    if (made == NULL) {
        return vmctl_fail(error, -ENOMEM, "no memory for a handle");
    }
    r = privcmd_open(&made->privcmd, error);
    if (r < 0) {
        free(made);
        return r;
    }
    *handle = made;
    return 0;
}

void vmctl_close(struct vmctl *handle)
{
    if (handle == NULL) {
        return;
    }
    store_close(handle->store);
    privcmd_close(&handle->privcmd);
    free(handle);
}

void vmctl_set_progress(struct vmctl *handle, vmctl_progress_fn *function, void *context)
{
    handle->progress = function;
    handle->progress_context = context;
}

void vmctl_set_ready(struct vmctl *handle, vmctl_ready_fn *function, void *context)
{
    handle->ready = function;
    handle->ready_context = context;
}

const char *vmctl_version(void)
{
    return PACKAGE_VERSION;
}

struct store_client *handle_store(struct vmctl *handle, struct vmctl_error *error)
{
    const struct timespec pause = { .tv_nsec = STORE_RETRY_MS * 1000000L };
    int waited = handle->store_missed ? STORE_WAIT_MS : 0;
    int r = 0;

    while (handle->store == NULL) {
        r = store_open(NULL, &handle->store, error);
        if (r == 0) {
            break;
        }
        handle->store = NULL;
        if ((r != -ECONNREFUSED && r != -ENOENT) || waited >= STORE_WAIT_MS) {
            break;
        }
        handle_progress(handle, "waiting for the store", -1);
        (void)nanosleep(&pause, NULL);
        waited += STORE_RETRY_MS;
    }
    handle->store_missed = r < 0;
    return handle->store;
}

void handle_progress(struct vmctl *handle, const char *step, int percent)
{
    if (handle->progress != NULL) {
        handle->progress(handle->progress_context, step, percent);
    }
}
