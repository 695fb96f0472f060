/* SPDX-License-Identifier: MIT */
/*
 * What the store must still know after SIGKILL, as records in a mapped file.
 *
 * Records are added one after the other and count once the file's header says
 * so: one store of one word commits all that belongs together, and what was
 * being added when the process died is as if it had never been.  The page cache
 * keeps the file; nothing here survives the machine, and nothing needs to.
 */
#ifndef DOM0_TOOLS_STORE_JOURNAL_H
#define DOM0_TOOLS_STORE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "libvmctl/error.h"

#define JOURNAL_NUMBERS 4
#define JOURNAL_PARTS   3

struct journal_record {
    uint32_t type;
    uint32_t domid;
    uint64_t numbers[JOURNAL_NUMBERS];
    struct {
        const char *data;
        size_t size;
    } parts[JOURNAL_PARTS];
};

struct journal {
    int directory;
    int fd;
    char *map;
    uint64_t written; /* bytes of the file; committed or not */
    uint64_t allocated;
    uint64_t compact_at;
    bool behind; /* no room for a record: the file is older than the truth */
    bool compacting;
};

typedef void journal_fn(void *context, const struct journal_record *record);
typedef void journal_snapshot_fn(void *context);

/*
 * In `directory`, which only one process at a time can have.  What was
 * committed before is given to `replay`, unless it is from before the machine's
 * last boot or `fresh` is set.
 */
int journal_open(struct journal *journal, const char *directory, bool fresh, journal_fn *replay,
                 void *context, struct vmctl_error *error);
void journal_close(struct journal *journal);

/* A journal may be NULL: then these do nothing. */
void journal_add(struct journal *journal, const struct journal_record *record);
void journal_commit(struct journal *journal);

/* Is it time to write it anew? */
bool journal_is_long(const struct journal *journal);

/* A new file of what `snapshot` adds takes the old one's place, or the old one stays. */
int journal_compact(struct journal *journal, journal_snapshot_fn *snapshot, void *context);

#endif
