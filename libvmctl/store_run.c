/* SPDX-License-Identifier: MIT */
/* Transactions done until they hold: see store_client.h. */
#include <errno.h>

#include "libvmctl/store_client.h"

#define MOST_TRIES 64

int store_transaction_run(struct store_client *client, store_step *step, void *context,
                          struct vmctl_error *error)
{
    int r = -EAGAIN;

    for (int i = 0; i < MOST_TRIES && r == -EAGAIN; i++) {
        uint32_t transaction = STORE_NO_TRANSACTION;

        r = store_transaction_start(client, &transaction, error);
        if (r < 0) {
            return r;
        }
        r = step(client, transaction, context, error);
        if (r < 0) {
            (void)store_transaction_end(client, transaction, false, NULL);
        } else {
            r = store_transaction_end(client, transaction, true, error);
        }
    }
    return r;
}
