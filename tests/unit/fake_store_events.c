/* SPDX-License-Identifier: MIT */
/*
 * What fake_store.c leaves out of libvmctl/store_client.h, for a daemon with an
 * event loop: a descriptor that is always readable, so that it always asks.
 */
#include <sys/eventfd.h>

#include "libvmctl/store_client.h"

int store_fd(struct store_client *client)
{
    static int always = -1;

    (void)client;
    if (always < 0) {
        always = eventfd(1, EFD_CLOEXEC);
    }
    return always;
}

void store_set_patience(struct store_client *client, unsigned int milliseconds)
{
    (void)client;
    (void)milliseconds;
}

int store_unwatch(struct store_client *client, const char *path, const char *token,
                  struct vmctl_error *error)
{
    (void)client;
    (void)path;
    (void)token;
    (void)error;
    return 0;
}
