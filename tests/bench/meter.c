/* SPDX-License-Identifier: MIT */
/*
 * What a guest's life, its network and its disk cost, in TSC ticks.
 *
 *   run ROW COMMAND...                 the command, from its start to its end
 *   wait ROW FILE TEXT                 until the file has the text
 *   serve                              in the guest: the other end of the network's rows
 *   send|receive|echo ROW ADDRESS N    N MiB to the guest or from it; N bytes there and back
 *   disk ROW FILE r|w BYTES N JOBS     N transfers past the page cache, in order if they are large
 *
 * Lines of results are as user.c has them; tests/bench/run.py reads them.
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/measure.h"

#define RUNS       3
#define PORT       7777
#define MIB        (1024UL * 1024)
#define CHUNK      (64UL * 1024)
#define SMALL      (16UL * 1024) /* transfers up to here are made at random places */
#define ALIGNMENT  4096UL
#define POLL_US    5000
#define ROUNDS_MAX 1000000000UL

/* What the client asks of the server. */
struct order {
    uint64_t bytes;
    uint64_t kind; /* 's', 'r' or 'e' */
};

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

static void print(const char *row, uint64_t n, uint64_t *ticks, size_t runs)
{
    qsort(ticks, runs, sizeof(ticks[0]), compare);
    printf("BENCH %s n=%lu min=%lu median=%lu max=%lu\n", row, n, ticks[0], ticks[runs / 2],
           ticks[runs - 1]);
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t value = strtoul(text, &end, 10);

    if (*text == '\0' || *end != '\0' || value == 0 || value > ROUNDS_MAX) {
        errx(EXIT_FAILURE, "not a number from 1 to %lu: %s", ROUNDS_MAX, text);
    }
    return value;
}

/* ---- Life ----------------------------------------------------------------------------------- */

static int run(const char *row, char **command)
{
    uint64_t start = read_tsc(), ticks;
    pid_t child = vfork();
    int status = 0;

    must(child >= 0, "vfork");
    if (child == 0) {
        execvp(command[0], command);
        _exit(127);
    }
    must(waitpid(child, &status, 0) == child, "waitpid");
    ticks = read_tsc() - start;
    if (status != 0) {
        errx(EXIT_FAILURE, "%s: %s failed, status %#x", row, command[0], (unsigned int)status);
    }
    print(row, 1, &ticks, 1);
    return EXIT_SUCCESS;
}

static bool has(const char *path, const char *text)
{
    static char content[MIB + 1];
    int file = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size;

    if (file < 0) {
        return false;
    }
    size = read(file, content, MIB);
    content[size > 0 ? size : 0] = '\0';
    close(file);
    return strstr(content, text) != NULL;
}

static int wait_for(const char *row, const char *path, const char *text)
{
    uint64_t start = read_tsc(), ticks;

    while (!has(path, text)) {
        usleep(POLL_US);
    }
    ticks = read_tsc() - start;
    print(row, 1, &ticks, 1);
    return EXIT_SUCCESS;
}

/* ---- Network --------------------------------------------------------------------------------- */

static char *chunk(void)
{
    static char memory[CHUNK];

    return memory;
}

static void send_all(int peer, uint64_t bytes)
{
    while (bytes > 0) {
        ssize_t sent = write(peer, chunk(), bytes < CHUNK ? bytes : CHUNK);

        must(sent > 0, "sending");
        bytes -= (uint64_t)sent;
    }
}

static void receive_all(int peer, uint64_t bytes)
{
    while (bytes > 0) {
        ssize_t got = read(peer, chunk(), bytes < CHUNK ? bytes : CHUNK);

        must(got > 0, "receiving");
        bytes -= (uint64_t)got;
    }
}

static void without_delay(int peer)
{
    int on = 1;

    must(setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0, "TCP_NODELAY");
}

static void obey(int client, const struct order *order)
{
    if (order->kind == 's') {
        receive_all(client, order->bytes);
        send_all(client, 1);
    } else if (order->kind == 'r') {
        send_all(client, order->bytes);
    } else {
        for (uint64_t i = 0; i < order->bytes; i++) {
            receive_all(client, 1);
            send_all(client, 1);
        }
    }
}

static _Noreturn void serve(void)
{
    const struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(PORT) };
    int server = socket(AF_INET, SOCK_STREAM, 0);

    must(server >= 0 && bind(server, (const struct sockaddr *)&any, sizeof(any)) == 0 &&
             listen(server, 1) == 0,
         "listening");
    for (;;) {
        int client = accept(server, NULL, NULL);
        struct order order;

        must(client >= 0, "accept");
        without_delay(client);
        while (read(client, &order, sizeof(order)) == (ssize_t)sizeof(order)) {
            obey(client, &order);
        }
        close(client);
    }
}

/* One order, to its last byte. */
static void ask(int server, const struct order *order)
{
    must(write(server, order, sizeof(*order)) == (ssize_t)sizeof(*order), "asking");
    if (order->kind == 's') {
        send_all(server, order->bytes);
        receive_all(server, 1);
    } else if (order->kind == 'r') {
        receive_all(server, order->bytes);
    } else {
        for (uint64_t i = 0; i < order->bytes; i++) {
            send_all(server, 1);
            receive_all(server, 1);
        }
    }
}

static int network(uint64_t kind, const char *row, const char *address, uint64_t n)
{
    const struct order order = { .kind = kind, .bytes = kind == 'e' ? n : n * MIB };
    struct sockaddr_in guest = { .sin_family = AF_INET, .sin_port = htons(PORT) };
    int server = socket(AF_INET, SOCK_STREAM, 0);
    uint64_t ticks[RUNS];

    must(server >= 0 && inet_aton(address, &guest.sin_addr) != 0 &&
             connect(server, (const struct sockaddr *)&guest, sizeof(guest)) == 0,
         address);
    without_delay(server);
    ask(server, &order);
    for (unsigned int i = 0; i < RUNS; i++) {
        uint64_t start = read_tsc();

        ask(server, &order);
        ticks[i] = read_tsc() - start;
    }
    print(row, n, ticks, RUNS);
    return EXIT_SUCCESS;
}

/* ---- Disk ------------------------------------------------------------------------------------ */

struct transfers {
    const char *path;
    bool writes;
    size_t size;
    uint64_t count; /* of one job */
    uint64_t room;  /* of the disk, in transfers */
};

static void transfer(const struct transfers *transfers, uint64_t job)
{
    int disk = open(transfers->path, (transfers->writes ? O_WRONLY : O_RDONLY) | O_DIRECT);
    void *memory = aligned_alloc(ALIGNMENT, transfers->size);
    uint64_t random = job + 1;

    must(disk >= 0 && memory != NULL, transfers->path);
    memset(memory, (int)job, transfers->size);
    for (uint64_t i = 0; i < transfers->count; i++) {
        uint64_t place = transfers->size <= SMALL ? random >> 33 : i;
        off_t at = (off_t)(place % transfers->room * transfers->size);
        ssize_t done = transfers->writes ? pwrite(disk, memory, transfers->size, at)
                                         : pread(disk, memory, transfers->size, at);

        must(done == (ssize_t)transfers->size, transfers->path);
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    }
    free(memory);
    close(disk);
}

static void transfer_in_jobs(const struct transfers *transfers, uint64_t jobs)
{
    for (uint64_t job = 0; job < jobs; job++) {
        pid_t child = fork();

        must(child >= 0, "fork");
        if (child == 0) {
            transfer(transfers, job);
            _exit(EXIT_SUCCESS);
        }
    }
    for (uint64_t job = 0; job < jobs; job++) {
        int status = 0;

        must(wait(&status) > 0 && status == 0, "a job");
    }
}

static int disk_row(const char *row, struct transfers *transfers, uint64_t jobs)
{
    int disk = open(transfers->path, O_RDONLY | O_CLOEXEC);
    off_t size = lseek(disk, 0, SEEK_END);
    uint64_t count = transfers->count;
    uint64_t ticks[RUNS];

    must(disk >= 0 && size > 0, transfers->path);
    close(disk);
    transfers->room = (uint64_t)size / transfers->size;
    transfers->count /= jobs;
    if (transfers->room == 0 || transfers->count == 0) {
        errx(EXIT_FAILURE, "%s: the disk is too small, or there are more jobs than transfers", row);
    }
    for (unsigned int i = 0; i < RUNS; i++) {
        uint64_t start = read_tsc();

        transfer_in_jobs(transfers, jobs);
        ticks[i] = read_tsc() - start;
    }
    print(row, count, ticks, RUNS);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "run") == 0 && argc > 3) {
        return run(argv[2], argv + 3);
    }
    if (strcmp(what, "wait") == 0 && argc == 5) {
        return wait_for(argv[2], argv[3], argv[4]);
    }
    if (strcmp(what, "serve") == 0 && argc == 2) {
        serve();
    }
    if (strcmp(what, "disk") == 0 && argc == 8) {
        struct transfers transfers = { .path = argv[3],
                                       .writes = argv[4][0] == 'w',
                                       .size = number(argv[5]),
                                       .count = number(argv[6]) };

        return disk_row(argv[2], &transfers, number(argv[7]));
    }
    if ((strcmp(what, "send") == 0 || strcmp(what, "receive") == 0 || strcmp(what, "echo") == 0) &&
        argc == 5) {
        return network((uint64_t)what[0], argv[2], argv[3], number(argv[4]));
    }
    errx(EXIT_FAILURE, "wrong arguments; the head of tests/bench/meter.c has them");
}
