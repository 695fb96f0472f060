/* SPDX-License-Identifier: MIT */
/* The store's memory beyond its process: see store_journal.h. */
#include "dom0-tools/store/store_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC      UINT64_C(0x31454c4e52554f4a) /* "JOURNLE1" */
#define HEAD_SIZE  4096U
#define STEP       (UINT64_C(256) << 10) /* the file grows by this much */
#define MAP_SIZE   (UINT64_C(4) << 30)   /* of addresses, not of memory */
#define SHORT_FILE (UINT64_C(512) << 10)

struct head {
    uint64_t magic;
    char boot[40];
    _Atomic uint64_t committed; /* bytes of the file that count */
};

struct record_head {
    uint32_t size; /* of the record, a multiple of 8 */
    uint16_t type;
    uint16_t domid;
    uint32_t part_sizes[JOURNAL_PARTS];
    uint32_t zero;
    uint64_t numbers[JOURNAL_NUMBERS];
};

static struct head *head_of(const struct journal *journal)
{
    return (struct head *)(void *)journal->map;
}

static void boot_id(char id[40])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    memset(id, 0, 40);
    if (fd >= 0) {
        if (read(fd, id, 36) != 36) {
            memset(id, 0, 40);
        }
        (void)close(fd);
    }
}

/* Blocks behind the file's end, so that writing to the map cannot fail. */
static int allocate(struct journal *journal, uint64_t upto)
{
    const uint64_t wanted = (upto + STEP - 1) / STEP * STEP;

    if (wanted > MAP_SIZE) {
        return -EFBIG;
    }
    if (fallocate(journal->fd, 0, (off_t)journal->allocated, (off_t)(wanted - journal->allocated)) <
        0) {
        return -errno;
    }
    journal->allocated = wanted;
    return 0;
}

static int map(struct journal *journal)
{
    void *at =
        mmap(NULL, MAP_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, journal->fd, 0);

    if (at == MAP_FAILED) {
        return -errno;
    }
    journal->map = at;
    return 0;
}

static void unmap(struct journal *journal)
{
    if (journal->map != NULL) {
        (void)munmap(journal->map, MAP_SIZE);
        journal->map = NULL;
    }
    if (journal->fd >= 0) {
        (void)close(journal->fd);
        journal->fd = -1;
    }
}

/* An empty file beside the journal; publish() makes it the journal. */
static int create(struct journal *journal)
{
    int r;

    journal->fd =
        openat(journal->directory, "journal.new", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (journal->fd < 0) {
        return -errno;
    }
    journal->allocated = 0;
    journal->written = HEAD_SIZE;
    r = allocate(journal, STEP);
    if (r == 0) {
        r = map(journal);
    }
    if (r < 0) {
        unmap(journal);
        return r;
    }
    head_of(journal)->magic = MAGIC;
    boot_id(head_of(journal)->boot);
    return 0;
}

/* Whole, or not at all: a journal that makes no sense is never ours. */
static int publish(struct journal *journal)
{
    atomic_store_explicit(&head_of(journal)->committed, journal->written, memory_order_release);
    return renameat(journal->directory, "journal.new", journal->directory, "journal") < 0 ? -errno
                                                                                          : 0;
}

static size_t padded(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

void journal_add(struct journal *journal, const struct journal_record *record)
{
    struct record_head head = { .type = (uint16_t)record->type, .domid = (uint16_t)record->domid };
    size_t size = sizeof(head);
    char *at;

    if (journal == NULL || (journal->behind && !journal->compacting)) {
        return;
    }
    for (unsigned int i = 0; i < JOURNAL_PARTS; i++) {
        head.part_sizes[i] = (uint32_t)record->parts[i].size;
        size += record->parts[i].size;
    }
    size = padded(size);
    head.size = (uint32_t)size;
    memcpy(head.numbers, record->numbers, sizeof(head.numbers));
    if (journal->written + size > journal->allocated &&
        allocate(journal, journal->written + size) < 0) {
        journal->behind = true;
        return;
    }
    at = journal->map + journal->written;
    memcpy(at, &head, sizeof(head));
    at += sizeof(head);
    for (unsigned int i = 0; i < JOURNAL_PARTS; i++) {
        if (record->parts[i].size != 0) {
            memcpy(at, record->parts[i].data, record->parts[i].size);
            at += record->parts[i].size;
        }
    }
    journal->written += size;
}

void journal_commit(struct journal *journal)
{
    if (journal == NULL || journal->behind || journal->compacting) {
        return;
    }
    /* Release: the records are there before the word that makes them count. */
    atomic_store_explicit(&head_of(journal)->committed, journal->written, memory_order_release);
}

bool journal_is_long(const struct journal *journal)
{
    return journal != NULL && (journal->behind || journal->written > journal->compact_at);
}

int journal_compact(struct journal *journal, journal_snapshot_fn *snapshot, void *context)
{
    struct journal old;
    int r;

    if (journal == NULL) {
        return 0;
    }
    old = *journal;
    journal->map = NULL;
    journal->behind = false;
    journal->compacting = true;
    r = create(journal);
    if (r == 0) {
        snapshot(context);
        r = journal->behind ? -ENOSPC : publish(journal);
    }
    if (r < 0) {
        unmap(journal);
        (void)unlinkat(journal->directory, "journal.new", 0);
        *journal = old;
        /* Not again for each request. */
        journal->compact_at = journal->written + SHORT_FILE;
        return r;
    }
    unmap(&old);
    journal->compacting = false;
    journal->compact_at = SHORT_FILE + 3 * journal->written;
    return 0;
}

/* One record at `at`, of a file that counts up to `end`; its size, or 0 if it makes no sense. */
static size_t parse(const char *at, size_t left, struct journal_record *record)
{
    struct record_head head;
    size_t used = sizeof(head);

    if (left < sizeof(head)) {
        return 0;
    }
    memcpy(&head, at, sizeof(head)); /* NOLINT: the journal is mapped */
    if (head.size > left || head.size < sizeof(head) || head.size % 8 != 0) {
        return 0;
    }
    record->type = head.type;
    record->domid = head.domid;
    memcpy(record->numbers, head.numbers, sizeof(head.numbers));
    for (unsigned int i = 0; i < JOURNAL_PARTS; i++) {
        if (head.part_sizes[i] > head.size - used) {
            return 0;
        }
        record->parts[i].data = at + used;
        record->parts[i].size = head.part_sizes[i];
        used += head.part_sizes[i];
    }
    return head.size;
}

/* Going on with less is better than not at all, but not in silence. */
static void complain(uint64_t good, uint64_t wanted, const char *rest)
{
    (void)fprintf(stderr,
                  "paravane-stored: the journal is damaged: of %" PRIu64 " bytes, %" PRIu64
                  " are used%s\n",
                  wanted, good, rest);
}

/* Whether one can go on from it; -ENOENT: it is of before the machine's last boot. */
static int judge(const struct journal *journal, uint64_t size)
{
    const struct head *head = head_of(journal);
    uint64_t committed;
    char boot[40];

    if (size < HEAD_SIZE || head->magic != MAGIC) {
        return -EBADMSG;
    }
    boot_id(boot);
    if (memcmp(head->boot, boot, sizeof(boot)) != 0) {
        return -ENOENT;
    }
    committed = atomic_load(&head->committed);
    /* Rings cannot go on from the middle of what they were told. */
    return committed < HEAD_SIZE || committed > size ? -EBADMSG : 0;
}

/* What is damaged is kept for whoever wants to know why. */
static int set_aside(const struct journal *journal, uint64_t size)
{
    if (renameat(journal->directory, "journal", journal->directory, "journal.damaged") < 0) {
        return -errno;
    }
    complain(0, size, "; it is kept as journal.damaged");
    return -ENOENT;
}

static int open_old(struct journal *journal)
{
    struct stat status;
    uint64_t size = 0;
    int r;

    journal->fd = openat(journal->directory, "journal", O_RDWR | O_CLOEXEC);
    if (journal->fd < 0) {
        return -errno;
    }
    r = fstat(journal->fd, &status) < 0 ? -errno : map(journal);
    if (r == 0) {
        size = (uint64_t)status.st_size;
        r = judge(journal, size);
    }
    if (r < 0) {
        unmap(journal);
        return r == -EBADMSG ? set_aside(journal, size) : r;
    }
    journal->written = atomic_load(&head_of(journal)->committed);
    journal->allocated = size;
    return 0;
}

static int lock_directory(struct journal *journal, const char *directory)
{
    int lock;

    if (mkdir(directory, 0700) < 0 && errno != EEXIST) {
        return -errno;
    }
    journal->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (journal->directory < 0) {
        return -errno;
    }
    lock = flock(journal->directory, LOCK_EX | LOCK_NB);
    return lock < 0 ? -errno : 0;
}

int journal_open(struct journal *journal, const char *directory, bool fresh, journal_fn *replay,
                 void *context, struct vmctl_error *error)
{
    int r;

    *journal = (struct journal){ .directory = -1, .fd = -1 };
    r = lock_directory(journal, directory);
    if (r == -EWOULDBLOCK) {
        journal_close(journal);
        return vmctl_fail(error, -EBUSY, "%s: another store is running", directory);
    }
    if (r == 0) {
        r = fresh ? -ENOENT : open_old(journal);
    }
    if (r == -ENOENT) {
        r = create(journal);
        r = r < 0 ? r : publish(journal);
    } else if (r == 0) {
        uint64_t at = HEAD_SIZE;

        while (at < journal->written) {
            struct journal_record record;
            const size_t size = parse(journal->map + at, journal->written - at, &record);

            if (size == 0) {
                complain(at, journal->written, "");
                break;
            }
            replay(context, &record);
            at += size;
        }
        journal->written = at;
        journal_commit(journal);
    }
    if (r < 0) {
        journal_close(journal);
        return vmctl_fail(error, r, "%s: %s", directory, strerror(-r));
    }
    journal->compact_at = SHORT_FILE;
    return 0;
}

void journal_close(struct journal *journal)
{
    unmap(journal);
    if (journal->directory >= 0) {
        (void)close(journal->directory);
        journal->directory = -1;
    }
}
