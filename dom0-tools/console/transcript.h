/* SPDX-License-Identifier: MIT */
/*
 * A guest's log file, and which byte of the guest's output its end stands for.
 *
 * The guest's ring is only emptied after its bytes are in the file.  A small
 * record says at which file offset which index of the ring stood, so that after
 * SIGKILL the size of the file tells what had been taken: nothing is lost and
 * nothing comes twice.  The record changes only when that sum would: at the
 * start, when the file is rotated, around a note of our own.
 */
#ifndef DOM0_TOOLS_CONSOLE_TRANSCRIPT_H
#define DOM0_TOOLS_CONSOLE_TRANSCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "dom0-tools/console/history.h"
#include "libvmctl/error.h"

#define TRANSCRIPT_LIMIT   (UINT64_C(2) << 20) /* bytes of log kept, in two files */
#define TRANSCRIPT_MINIMUM UINT64_C(8192)

/* Whose output it is; a record of another's is worth nothing. */
struct transcript_owner {
    uint32_t domid;
    uint8_t handle[16];
};

struct transcript {
    int fd;
    char *path;   /* of the log */
    char *record; /* of the record */
    struct transcript_owner owner;
    uint64_t limit;
    uint64_t size;     /* of the file */
    uint64_t position; /* of the stream, which is what the file got since the guest began */
    uint32_t index;    /* of the ring */
    uint64_t dropped;  /* bytes that could not be written since the last that could */
    int failure;       /* why, or 0 */
};

#define TRANSCRIPT_CLOSED ((struct transcript){ .fd = -1 })

struct transcript_place {
    const char *log_directory;
    const char *record_directory;
    const char *name; /* of the guest: any bytes */
    uint64_t limit;
    uint32_t index; /* of the ring as the page has it, if no record knows better */
};

/* transcript->index and ->position say where to go on. */
int transcript_open(struct transcript *transcript, const struct transcript_place *place,
                    const struct transcript_owner *owner, struct vmctl_error *error);
/* With `forget` the guest is gone for good; the log stays. */
void transcript_close(struct transcript *transcript, bool forget);

/*
 * The next bytes of the ring.  They count as taken even if they cannot be
 * written: a full disk must not stop a guest.  False when this is news.
 */
bool transcript_append(struct transcript *transcript, const uint8_t *bytes, size_t count);

/* The ring goes on at `index`, whatever was there. */
void transcript_skip(struct transcript *transcript, uint32_t index);

/* A line of our own, which is part of the stream. */
void transcript_note(struct transcript *transcript, const char *text);

/* Up to `size` bytes that end at the stream's end, and none from before the guest. */
size_t transcript_tail(const struct transcript *transcript, uint8_t *bytes, size_t size);

/* A history that goes on where the log stands, with what the log still has. */
int transcript_open_history(const struct transcript *transcript, struct history *history);

/* `name` as a file's name, allocated: letters, digits and -_.+@ stay, others become %XX. */
char *transcript_file_name(const char *name);

#endif
