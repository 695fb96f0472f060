/* SPDX-License-Identifier: MIT */
/*
 * A client of the store, over its socket.
 *
 * Works against paravane-stored and Debian's stores alike.  When the store is
 * restarted the handle connects again, sets its watches again (so each fires
 * once more) and repeats what was under way; a transaction that was open then
 * ends with -EAGAIN.  One handle per thread.
 */
#ifndef LIBVMCTL_STORE_CLIENT_H
#define LIBVMCTL_STORE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libvmctl/error.h"

struct store_client;

/* For `transaction` where there is none. */
#define STORE_NO_TRANSACTION 0U

#define STORE_PERM_NONE  0U
#define STORE_PERM_READ  1U
#define STORE_PERM_WRITE 2U

/* The first of a list names the owner, and what everybody not named may do. */
struct store_permission {
    uint32_t domid;
    unsigned int access; /* STORE_PERM_READ | STORE_PERM_WRITE */
};

enum store_change_kind {
    STORE_CHANGE_WRITE,       /* path, value, length */
    STORE_CHANGE_MKDIR,       /* path */
    STORE_CHANGE_REMOVE,      /* path, with all below it; absent is no error */
    STORE_CHANGE_PERMISSIONS, /* path, permissions, permission_count */
};

struct store_change {
    enum store_change_kind kind;
    const char *path;
    const void *value;
    size_t length;
    const struct store_permission *permissions;
    size_t permission_count;
};

/* `path` of the socket, or NULL for the usual places. */
int store_open(const char *path, struct store_client **client, struct vmctl_error *error);
void store_close(struct store_client *client);

/*
 * How long a request waits for a store that is being restarted; 10 s unless set.
 * For one that does not answer as long, but 2 s at least.
 */
void store_set_patience(struct store_client *client, unsigned int milliseconds);

/*
 * Becomes readable when store_next_event() may have something; the same for the
 * life of the handle.  Call store_next_event() until it returns 0 before
 * waiting: requests also take events off the socket.
 */
int store_fd(struct store_client *client);

/* *text is allocated, with a zero byte after its *length bytes; `length` may be NULL. */
int store_read(struct store_client *client, uint32_t transaction, const char *path, char **text,
               size_t *length, struct vmctl_error *error);
int store_write(struct store_client *client, uint32_t transaction, const char *path,
                const void *value, size_t length, struct vmctl_error *error);
int store_write_text(struct store_client *client, uint32_t transaction, const char *path,
                     const char *text, struct vmctl_error *error);
/* With all below it.  What is not there counts as removed. */
int store_remove(struct store_client *client, uint32_t transaction, const char *path,
                 struct vmctl_error *error);
/* *names is one allocation: free() it alone. */
int store_list(struct store_client *client, uint32_t transaction, const char *path, char ***names,
               size_t *count, struct vmctl_error *error);

/*
 * All of `changes` in one send, in order.  All are tried; the error is that of
 * the first that failed, and *failed (may be NULL) its index.
 */
int store_write_many(struct store_client *client, uint32_t transaction,
                     const struct store_change *changes, size_t count, size_t *failed,
                     struct vmctl_error *error);

int store_transaction_start(struct store_client *client, uint32_t *transaction,
                            struct vmctl_error *error);
/* -EAGAIN: another changed what this one used (or the store restarted); do it all again. */
int store_transaction_end(struct store_client *client, uint32_t transaction, bool commit,
                          struct vmctl_error *error);

/*
 * Do `step` in a transaction, and again as long as others upset it.  What fails
 * in it has changed nothing; a step that returns -EAGAIN is done again too.
 */
typedef int store_step(struct store_client *client, uint32_t transaction, void *context,
                       struct vmctl_error *error);
int store_transaction_run(struct store_client *client, store_step *step, void *context,
                          struct vmctl_error *error);

int store_watch(struct store_client *client, const char *path, const char *token,
                struct vmctl_error *error);
int store_unwatch(struct store_client *client, const char *path, const char *token,
                  struct vmctl_error *error);
/* 1 and an event (valid until the next call), 0 if none has come; never waits. */
int store_next_event(struct store_client *client, const char **path, const char **token,
                     struct vmctl_error *error);

int store_introduce(struct store_client *client, uint32_t domid, uint64_t mfn, uint32_t port,
                    struct vmctl_error *error);
int store_release(struct store_client *client, uint32_t domid, struct vmctl_error *error);

#endif
