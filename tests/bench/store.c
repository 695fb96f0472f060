/* SPDX-License-Identifier: MIT */
/*
 * Operations per second of a store, over its socket: store.py runs it against
 * one store after the other.
 *
 *   bench_store SOCKET PID DOMAINS SECONDS
 *
 * fills in so many domains' worth of nodes, then for each kind of operation
 * prints "kind operations/s store-ns/operation": the first as one client that
 * waits for each answer ("1") and one that always has 32 requests under way
 * ("32"), the second from the CPU time of process PID.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "guest-pv-headers/io/xs_wire.h"

#define DEPTH 32U

static int fd;
static unsigned int domains;
static const char *pid;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* What has come and was not taken yet: so that the client costs as little as it can. */
static char arrived[65536];
static size_t first;
static size_t last;

static void get(void *data, size_t size)
{
    while (last - first < size) {
        ssize_t part;

        memmove(arrived, arrived + first, last - first);
        last -= first;
        first = 0;
        part = read(fd, arrived + last, sizeof(arrived) - last);
        if (part <= 0) {
            die("read");
        }
        last += (size_t)part;
    }
    memcpy(data, arrived + first, size);
    first += size;
}

static char answer[XENSTORE_PAYLOAD_MAX + 1];

static struct xsd_sockmsg receive(void)
{
    struct xsd_sockmsg head;

    get(&head, sizeof(head));
    get(answer, head.len);
    answer[head.len] = '\0';
    return head;
}

struct batch {
    char data[DEPTH * 4 * 256];
    size_t size;
    unsigned int count;
};

static void add(struct batch *batch, uint32_t type, uint32_t transaction, const char *payload,
                size_t size)
{
    const struct xsd_sockmsg head = { .type = type, .tx_id = transaction, .len = (uint32_t)size };

    memcpy(batch->data + batch->size, &head, sizeof(head));
    memcpy(batch->data + batch->size + sizeof(head), payload, size);
    batch->size += sizeof(head) + size;
    batch->count++;
}

/* Send all, take all answers. */
static void run(struct batch *batch)
{
    if (write(fd, batch->data, batch->size) != (ssize_t)batch->size) {
        die("write");
    }
    for (; batch->count != 0; batch->count--) {
        if (receive().type == XS_ERROR) {
            (void)fprintf(stderr, "answer: %s\n", answer);
            exit(1);
        }
    }
    batch->size = 0;
}

/* What a guest with a disk and an interface has, about. */
static const char *const nodes[] = {
    "name",
    "domid",
    "vm",
    "memory/target",
    "memory/static-max",
    "memory/videoram",
    "console/ring-ref",
    "console/port",
    "console/limit",
    "console/type",
    "console/tty",
    "store/ring-ref",
    "store/port",
    "cpu/0/availability",
    "control/shutdown",
    "control/platform-feature-multiprocessor-suspend",
    "device/vbd/51712/backend",
    "device/vbd/51712/backend-id",
    "device/vbd/51712/state",
    "device/vbd/51712/virtual-device",
    "device/vbd/51712/device-type",
    "device/vbd/51712/ring-ref",
    "device/vbd/51712/event-channel",
    "device/vbd/51712/protocol",
    "device/vif/0/backend",
    "device/vif/0/backend-id",
    "device/vif/0/state",
    "device/vif/0/handle",
    "device/vif/0/mac",
    "device/vif/0/tx-ring-ref",
    "device/vif/0/rx-ring-ref",
    "device/vif/0/event-channel",
};

#define NODES (sizeof(nodes) / sizeof(nodes[0]))

static void fill(void)
{
    static struct batch batch;

    for (unsigned int i = 1; i <= domains; i++) {
        for (size_t k = 0; k < NODES; k++) {
            char text[256];
            const int size =
                snprintf(text, sizeof(text), "/local/domain/%u/%s%cvalue", i, nodes[k], 0);

            add(&batch, XS_WRITE, 0, text, (size_t)size);
        }
        run(&batch);
    }
}

static unsigned int turn;

/* A path that is another one each time. */
static size_t path(char text[256])
{
    turn = turn * 1103515245U + 12345U;
    return (size_t)snprintf(text, 256, "/local/domain/%u/%s", (turn >> 16) % domains + 1,
                            nodes[(turn >> 8) % NODES]) +
           1;
}

static void add_read(struct batch *batch)
{
    char text[256];

    add(batch, XS_READ, 0, text, path(text));
}

static void add_write(struct batch *batch)
{
    char text[256];
    const size_t size = path(text);

    memcpy(text + size, "12345", 5);
    add(batch, XS_WRITE, 0, text, size + 5);
}

static void add_list(struct batch *batch)
{
    char text[256];

    turn = turn * 1103515245U + 12345U;
    add(batch, XS_DIRECTORY, 0, text,
        (size_t)snprintf(text, sizeof(text), "/local/domain/%u/device",
                         (turn >> 16) % domains + 1) +
            1);
}

/* Begin, read, write twice, end: what a driver's front end does. */
static void transaction(void)
{
    static struct batch batch;
    char text[256];
    uint32_t id;
    size_t size;

    add(&batch, XS_TRANSACTION_START, 0, "", 1);
    run(&batch);
    id = (uint32_t)strtoul(answer, NULL, 10);
    size = path(text);
    add(&batch, XS_READ, id, text, size);
    run(&batch);
    memcpy(text + size, "12345", 5);
    add(&batch, XS_WRITE, id, text, size + 5);
    run(&batch);
    size = path(text);
    memcpy(text + size, "12345", 5);
    add(&batch, XS_WRITE, id, text, size + 5);
    run(&batch);
    add(&batch, XS_TRANSACTION_END, id, "T", 2);
    run(&batch);
}

/* Make a node and remove it again. */
static void add_make(struct batch *batch)
{
    char text[256];
    const size_t size =
        (size_t)snprintf(text, sizeof(text), "/local/domain/%u/made", turn % domains + 1) + 1;

    add(batch, XS_MKDIR, 0, text, size);
    add(batch, XS_RM, 0, text, size);
}

static double seconds(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Nanoseconds the store has had a CPU. */
static double cpu_time(void)
{
    char name[64];
    char text[64];
    FILE *file;

    (void)snprintf(name, sizeof(name), "/proc/%s/schedstat", pid);
    file = fopen(name, "r");
    if (file == NULL || fgets(text, sizeof(text), file) == NULL) {
        die(name);
    }
    (void)fclose(file);
    return strtod(text, NULL);
}

static const struct {
    const char *name;
    void (*add)(struct batch *batch); /* NULL: transaction() */
    unsigned int depth;
} kinds[] = {
    { "read", add_read, 1 },        { "read", add_read, DEPTH }, { "write", add_write, 1 },
    { "write", add_write, DEPTH },  { "list", add_list, 1 },     { "list", add_list, DEPTH },
    { "make+remove", add_make, 1 }, { "transaction", NULL, 1 },
};

static void do_one(size_t kind)
{
    static struct batch batch;

    if (kinds[kind].add == NULL) {
        transaction();
        return;
    }
    for (unsigned int k = 0; k < kinds[kind].depth; k++) {
        kinds[kind].add(&batch);
    }
    run(&batch);
}

static void measure(size_t kind, double wanted)
{
    const double from = seconds();
    const double used = cpu_time();
    double taken;
    double done = 0;

    do {
        for (int i = 0; i < 20; i++) {
            do_one(kind);
            done += kinds[kind].depth;
        }
        taken = seconds() - from;
    } while (taken < wanted);
    printf("%s/%u %.0f %.0f\n", kinds[kind].name, kinds[kind].depth, done / taken,
           (cpu_time() - used) / done);
}

int main(int argc, char **argv)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    if (argc != 5 || strlen(argv[1]) >= sizeof(address.sun_path)) {
        (void)fprintf(stderr, "Usage: bench_store SOCKET PID DOMAINS SECONDS\n");
        return 1;
    }
    memcpy(address.sun_path, argv[1], strlen(argv[1]) + 1);
    pid = argv[2];
    domains = (unsigned int)strtoul(argv[3], NULL, 10);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (domains == 0 || fd < 0 ||
        connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        die(argv[1]);
    }
    fill();
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        measure(i, strtod(argv[4], NULL));
    }
    return 0;
}
