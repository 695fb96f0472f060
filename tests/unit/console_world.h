/* SPDX-License-Identifier: MIT */
/*
 * A hypervisor for the console daemon: console pages, event channels, a list of
 * domains and a log, behind the functions of libvmctl's evtchn.h, gntdev.h and
 * privcmd.h.  Pages are shared memory, so a daemon may run (and die) in a child.
 */
#ifndef TESTS_UNIT_CONSOLE_WORLD_H
#define TESTS_UNIT_CONSOLE_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0-tools/console/guest.h"
#include "dom0-tools/console/server.h"

#define WORLD_DOMAINS 100u
#define WORLD_PORT    40u /* our port of world[n] is 40 + n; of domain n, its own is 1000 + n */
#define WORLD_REMOTE  1000u

struct world_domain {
    struct xencons_interface page; /* first: page-aligned */
    bool exists;
    bool dying;
    bool no_grant;
    uint8_t handle[16];
    unsigned int told; /* notified by us */
    bool masked;       /* the event has fired and was not unmasked since */
    bool mapped;
    bool bound;
} __attribute__((aligned(4096)));

extern struct world_domain *world;
extern uint32_t world_first;       /* number of the domain world[0]; 0, if a test does not set it */
extern const char *world_log;      /* of the hypervisor */
extern unsigned int world_reports; /* lines on standard error */

/* An empty world and a directory for the daemon's files. */
void world_enter(void);
void world_leave(void);
const char *world_directory(void);
/* A file in it; valid until the next call. */
const char *world_path(const char *file);
/* A file's contents, zero-terminated; the caller frees it. */
char *world_file(const char *file);

void world_add(uint32_t domid);
/* The guest writes what fits, and sends the event; a count. */
size_t world_write(uint32_t domid, const char *text, size_t count);
size_t world_say(uint32_t domid, const char *text);
void world_fire(uint32_t domid);
/* The guest takes its input: up to `size` bytes. */
size_t world_take(uint32_t domid, char *text, size_t size);

/* Serve what is pending, until nothing is. */
void world_turn(struct consoles *consoles);

/* A connection to the daemon. */
int world_connect(void);
/* The request's reply, and the connection; for tests of the protocol. */
struct console_request;
struct console_reply;
int world_attach(struct consoles *consoles, struct console_request *request,
                 struct console_reply *reply);
/* What has come on `fd`, zero-terminated; a count, 0 for nothing yet, -1 for the end. */
int world_receive(int fd, char *text, size_t size);

#endif
