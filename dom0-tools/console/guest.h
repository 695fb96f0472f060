/* SPDX-License-Identifier: MIT */
/*
 * One guest's console: its page, its event channel, its log, its viewers.
 *
 * A byte goes from the page into the log, then to the viewers, and only then is
 * its room in the page given back.
 */
#ifndef DOM0_TOOLS_CONSOLE_GUEST_H
#define DOM0_TOOLS_CONSOLE_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dom0-tools/console/pty.h"
#include "dom0-tools/console/rate.h"
#include "dom0-tools/console/ring.h"
#include "dom0-tools/console/stream.h"
#include "dom0-tools/console/transcript.h"
#include "guest-pv-headers/xen.h"
#include "libvmctl/privcmd.h"

struct guest {
    struct stream stream; /* first */
    struct consoles *consoles;
    struct guest *next_tired;
    struct ring ring;
    struct rate rate;
    char *name;
    struct transcript transcript;
    uint64_t log_due; /* when it is to be opened again, if it could not be */
    struct pty pty;
    struct viewer file; /* that guest.xml wants its console in */
    uint32_t domid;
    uint32_t port;        /* ours */
    uint32_t remote_port; /* the guest's, as the store has it */
    bool granted;         /* mapped by grant, not as foreign memory */
    bool tired;           /* out of tokens: its event stays masked */
    bool complained;      /* of a ring that makes no sense; once is enough */
};

/* What all guests share. */
struct consoles {
    struct loop loop;
    struct source events; /* of all guests' ports */
    int gntdev;
    struct privcmd privcmd;
    struct pty_set ptys;
    struct guest *by_domid[DOMID_FIRST_RESERVED]; /* pages that no number touched cost nothing */
    struct guest **by_port;
    size_t ports; /* entries of it */
    struct guest *tired;
    struct timer rest; /* after which the tired ones are looked at again */
    const char *log_directory;
    const char *record_directory;
    uint64_t log_limit;
};

/* Opens the devices; the caller opened the loop and named the directories. */
int consoles_open(struct consoles *consoles, struct vmctl_error *error);
/* The guests' records stay, for the next instance. */
void consoles_close(struct consoles *consoles);

struct guest *consoles_find(const struct consoles *consoles, uint32_t domid);

struct guest_place {
    uint32_t domid;
    uint32_t port;
    uint64_t frame; /* of its page; 0: not asked for yet */
    const char *name;
    uint8_t handle[16];
};

/* -ENODATA: no page was granted, so its frame must be known. */
int guest_attach(struct consoles *consoles, const struct guest_place *place,
                 struct vmctl_error *error);
/* `gone`: nothing more will come; forget where its console was. */
void guest_detach(struct guest *guest, bool gone);

/* From now on the log has this name. */
void guest_rename(struct guest *guest, const char *name);
/* Its console goes into this file as well; begun anew, unless `append`. */
void guest_set_file(struct guest *guest, const char *path, bool append);
void guest_set_limit(struct guest *guest, uint64_t bytes);

#endif
