/* SPDX-License-Identifier: MIT */
/* The console socket: connections become viewers (libvmctl/console_client.h). */
#ifndef DOM0_TOOLS_CONSOLE_SERVER_H
#define DOM0_TOOLS_CONSOLE_SERVER_H

#include "dom0-tools/console/stream.h"
#include "libvmctl/error.h"

struct server {
    struct source source; /* first */
    struct loop *loop;
    struct timer rest;        /* until there may be a descriptor again */
    bool full;                /* there was none; that has been said */
    struct visitor *visitors; /* have not said what they want */
    unsigned int visitor_count;
    /* Whose console it is; NULL if there is none, `later`: none yet, perhaps. */
    struct stream *(*find)(void *context, uint32_t domid, bool *later);
    void *context;
};

/* The caller has set loop, find and context. */
int server_open(struct server *server, const char *path, struct vmctl_error *error);
void server_close(struct server *server);

#endif
