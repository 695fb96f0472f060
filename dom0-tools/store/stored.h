/* SPDX-License-Identifier: MIT */
/*
 * The store apart from its wires: who is connected, what they ask, what they
 * are told.
 *
 * Everything that changes what must survive the process also goes into the
 * journal; one request is one commit.  A request either does all it says or
 * nothing.
 */
#ifndef DOM0_TOOLS_STORE_STORED_H
#define DOM0_TOOLS_STORE_STORED_H

#include "dom0-tools/store/bytes.h"
#include "dom0-tools/store/store_journal.h"
#include "dom0-tools/store/store_transaction.h"
#include "dom0-tools/store/store_tree.h"
#include "dom0-tools/store/store_watch.h"
#include "guest-pv-headers/io/xs_wire.h"

#define MESSAGE_MAX (sizeof(struct xsd_sockmsg) + XENSTORE_PAYLOAD_MAX)

struct stored;

struct store_connection {
    struct stored *stored;
    uint32_t domid;
    bool ring;     /* of a domain: all about it goes into the journal */
    bool failed;   /* to be ended by its wire */
    bool is_ready; /* in stored->ready */
    bool missed;   /* events; made good by firing every watch once when there is room */
    struct store_connection *next_ready;
    struct store_connection *next; /* of the sockets */
    struct store_connection *previous;
    struct bytes out;
    struct bytes in; /* socket: received; ring: the beginning of a request */
    struct store_watch *watches;
    struct store_transaction *transactions;
    uint32_t last_transaction;
    /* Of a socket. */
    int fd;
    uint32_t polled; /* what epoll was told */
    /* Of a ring. */
    struct xenstore_domain_interface *page; /* NULL: not attached */
    struct store_connection *next_pending;  /* of the rings to be looked at */
    bool is_pending;                        /* in one of the wires' lists */
    bool masked;                            /* its event, until its requests are done */
    int64_t held_till;                      /* ms; 0: it is not */
    int64_t tokens;                         /* what it may still cost; of guests */
    int64_t earned_at;                      /* ms */
    bool begun;                             /* the indices below are true */
    uint32_t port;                          /* ours */
    uint32_t consumed;                      /* requests: the index, done up to here */
    uint32_t produced;                      /* answers: the index, given up to here */
    bool via_grant;                         /* how the page was mapped */
};

/* What the engine asks of the wires. */
struct stored_wires {
    /* Map the page and bind the port of conn's domain; 0 or a negative errno. */
    int (*attach)(void *context, struct store_connection *connection, uint64_t mfn, uint32_t port);
    void (*detach)(void *context, struct store_connection *connection);
    /* Its requests are to wait a little. */
    void (*hold)(void *context, struct store_connection *connection);
    void *context;
};

struct stored_counters {
    uint64_t requests;
    uint64_t steps; /* missing levels; in transactions also changes, children, levels looked at */
    uint64_t events;
    uint64_t missed_events;
    uint64_t commits;
    uint64_t conflicts;
};

enum { SPECIAL_INTRODUCE, SPECIAL_RELEASE, SPECIAL_COUNT };

struct stored {
    struct store_domains *domains;
    struct store_tree tree;
    struct store_watches watches;
    struct journal *journal; /* NULL: nothing is kept */
    struct store_perms *special[SPECIAL_COUNT];
    struct store_connection *ready; /* those with something to send, a queue */
    struct store_connection **ready_end;
    struct store_connection *sockets;
    struct store_connection *answering; /* its answer's room is reserved already */
    struct stored_wires wires;
    struct stored_counters counters;
    bool restored;  /* from a journal */
    bool replaying; /* it: events are in it too */
};

int stored_init(struct stored *stored, const struct stored_wires *wires);
void stored_free(struct stored *stored);

/* First nodes of an empty store. */
int stored_populate(struct stored *stored);

struct store_connection *connection_new(struct stored *stored, uint32_t domid, bool ring);
/* Its watches and transactions end; a ring's record in its domain too. */
void connection_free(struct store_connection *connection);
void connection_reset(struct store_connection *connection);

/* Bytes a watch counts for in its domain's memory. */
uint64_t watch_weight(const struct store_path *path, size_t token_size);
void connection_add_watch(struct store_connection *connection, struct store_watch *watch,
                          const struct store_path *path);
/* NULL: no memory; or there is none with this number. */
struct store_transaction *connection_begin_transaction(struct store_connection *connection,
                                                       uint32_t id);
struct store_transaction *connection_find_transaction(const struct store_connection *connection,
                                                      uint32_t id);
void connection_unwatch(struct store_connection *connection, struct store_watch *watch);
void connection_end_transaction(struct store_connection *connection,
                                struct store_transaction *transaction);

/*
 * One request.  `payload` has head->len bytes and room for a zero byte behind
 * them.  For a ring, `consumed` is its index once the request is done.  False:
 * no memory even for an answer, nothing was done; try again later.
 */
bool stored_request(struct store_connection *connection, const struct xsd_sockmsg *head,
                    char *payload, uint32_t consumed);

/* What is in conn->out has gone out, as far as room was: missed events may now follow. */
void stored_sent(struct store_connection *connection);

/* The next connection with something to send, taken off the queue. */
struct store_connection *stored_next_ready(struct stored *stored);
void stored_ready(struct store_connection *connection);

/* A beginning of a request has been moved from the ring to connection->in. */
void stored_ring_moved(struct store_connection *connection, const char *data, size_t size,
                       uint32_t consumed);
/* The guest asked for its ring to begin anew, or it is new. */
void stored_ring_begins(struct store_connection *connection, uint32_t consumed, uint32_t produced);
/* The ring is further than the journal knows: go on from there, and fire every watch. */
void stored_ring_follows(struct store_connection *connection, uint32_t consumed, uint32_t produced);

/* SPECIAL_*, or -ENOENT. */
int stored_special(const char *path, size_t size);

int stored_introduce(struct stored *stored, uint32_t domid, uint64_t mfn, uint32_t port);
/* Without a record or @releaseDomain. */
void stored_forget_domain(struct stored *stored, uint32_t domid, uint64_t generation);

/* The hypervisor says so.  Both leave telling (@releaseDomain) to stored_tell_released(). */
void stored_domain_gone(struct stored *stored, uint32_t domid);
bool stored_domain_shut_down(struct stored *stored, uint32_t domid);
void stored_tell_released(struct stored *stored);

/* Dom0's own ring; its page and port are found by the wires. */
int stored_introduce_dom0(struct stored *stored);

/* Open the journal in `directory` and take up where it ends. */
int stored_restore(struct stored *stored, struct journal *journal, const char *directory,
                   bool fresh, struct vmctl_error *error);
/* The journal: replay one record; write all there is. */
void stored_replay(void *context, const struct journal_record *record);
void stored_snapshot(void *context);
/* Write the journal anew if it is time. */
int stored_compact(struct stored *stored);

/* An answer to XS_CONTROL into `out`, zero-terminated; 0 or a negative errno. */
int stored_control(struct stored *stored, const char *words, size_t size,
                   char out[XENSTORE_PAYLOAD_MAX]);

#endif
