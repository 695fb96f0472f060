/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as the records of the store's journal: what comes back is a whole tree, and a
 * store that goes on.
 */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dom0-tools/store/store_journal.h"
#include "tests/unit/scratch.h"
#include "tests/unit/store_world.h"

#define HEAD_SIZE       4096
#define COMMITTED       48 /* where the head says how long the file is */
#define RECORDS_LONGEST 65536u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char directory[SCRATCH_SIZE];
static char path[SCRATCH_SIZE + 16];

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static void remove_directory(void)
{
    scratch_remove(directory);
}

static void nothing(void *context, const struct journal_record *record)
{
    (void)context;
    (void)record;
}

/* An empty one, as the library makes it, then the input behind its head. */
static void write_journal(const uint8_t *data, size_t size)
{
    struct journal journal;
    uint64_t end = HEAD_SIZE + size;
    int fd;

    require(journal_open(&journal, directory, true, nothing, NULL, NULL) == 0);
    journal_close(&journal);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    require(fd >= 0 && pwrite(fd, data, size, HEAD_SIZE) == (ssize_t)size);
    require(pwrite(fd, &end, sizeof(end), COMMITTED) == (ssize_t)sizeof(end));
    (void)close(fd);
}

static void serve_one(struct world *world)
{
    struct store_connection *dom0 = connection_new(&world->stored, 0, false);

    require(dom0 != NULL && world_send(dom0, XS_WRITE, 0, "/a\0b", 4));
    require(world_ask(world, dom0, XS_READ, 0, "/a", 3) != NULL);
    connection_free(dom0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world world;
    struct journal journal;

    if (directory[0] == '\0') {
        scratch_make(directory);
        (void)snprintf(path, sizeof(path), "%s/journal", directory);
        (void)atexit(remove_directory);
    }
    write_journal(data, size < RECORDS_LONGEST ? size : RECORDS_LONGEST);
    require(world_init(&world));
    require(stored_restore(&world.stored, &journal, directory, false, NULL) == 0);
    require(tree_check(&world.stored.tree) == NULL);
    serve_one(&world);
    require(tree_check(&world.stored.tree) == NULL);
    world_free(&world);
    journal_close(&journal);
    return 0;
}
