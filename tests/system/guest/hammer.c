/* SPDX-License-Identifier: MIT */
/*
 * Use a disk and the network as hard as they allow, and check every byte:
 *
 *   hammer SECONDS DISK PEER...
 *
 * A connection to each PEER (and one from each that calls) carries a known stream
 * both ways at once; blocks of the disk are written and read past the cache.
 * Prints "hammer: WHAT N MiB" for each of these, and fails if a byte was wrong.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "tests/system/load/check.h"

#define PORT       7000
#define WORDS      8192u /* of 8 bytes, at a time */
#define BYTES      (WORDS * sizeof(uint64_t))
#define BLOCKS     64u /* of the disk, as large */
#define PATIENCE_S 300 /* a stall this long is a failure */

static int duration; /* of each connection, and of the disk */
static time_t deadline;

static time_t seconds(void)
{
    struct timespec now;

    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return now.tv_sec;
}

static void begin(void)
{
    deadline = seconds() + duration;
}

static bool goes_on(void)
{
    return seconds() < deadline;
}

/* Word `index` of a stream: neighbours, and other streams, have nothing in common with it. */
static uint64_t word(uint64_t stream, uint64_t index)
{
    uint64_t mixed = (index + (stream << 40) + 1) * UINT64_C(0x9e3779b97f4a7c15);

    return mixed ^ (mixed >> 29);
}

static void fill(uint64_t *words, uint64_t stream, uint64_t index)
{
    for (unsigned int i = 0; i < WORDS; i++) {
        words[i] = word(stream, index + i);
    }
}

static void report(const char *what, uint64_t bytes)
{
    printf("hammer: %s %lu MiB\n", what, bytes >> 20);
    (void)fflush(stdout);
}

/* ---- network -------------------------------------------------------------------------------- */

/* As much of the stream as the socket takes now. */
static void send_some(int fd, uint64_t *sent)
{
    static uint64_t words[WORDS];
    static uint64_t filled = UINT64_MAX;
    uint64_t chunk = *sent / BYTES;
    size_t done = *sent % BYTES;
    ssize_t count;

    if (filled != chunk) {
        fill(words, 0, chunk * WORDS);
        filled = chunk;
    }
    count = send(fd, (const char *)words + done, BYTES - done, MSG_NOSIGNAL | MSG_DONTWAIT);
    CHECK(count > 0 || errno == EAGAIN);
    *sent += count > 0 ? (uint64_t)count : 0;
}

/* What came of the stream in the piece that `upto` is the end of. */
static void check(const uint64_t *got, uint64_t upto)
{
    static uint64_t wanted[WORDS];
    const uint64_t piece = (upto - 1) / BYTES;

    fill(wanted, 0, piece * WORDS);
    CHECK(memcmp(got, wanted, upto - piece * BYTES) == 0);
}

/* False at the end of the stream. */
static bool receive_some(int fd, uint64_t *received)
{
    static uint64_t got[WORDS];
    size_t done = *received % BYTES;
    ssize_t count = recv(fd, (char *)got + done, BYTES - done, MSG_DONTWAIT);

    CHECK(count >= 0 || errno == EAGAIN);
    *received += count > 0 ? (uint64_t)count : 0;
    if ((count > 0 && *received % BYTES == 0) || (count == 0 && done != 0)) {
        check(got, *received);
    }
    return count != 0;
}

/* Both ways, until it is time; then what the other side still sends. */
static void exchange(int fd, const char *what)
{
    uint64_t sent = 0, received = 0;
    bool sending = true, receiving = true;

    begin();
    while (receiving) {
        struct pollfd wait = { .fd = fd, .events = POLLIN };

        if (sending && !goes_on()) {
            CHECK(shutdown(fd, SHUT_WR) == 0);
            sending = false;
        }
        wait.events = (short)(POLLIN | (sending ? POLLOUT : 0));
        CHECK(poll(&wait, 1, PATIENCE_S * 1000) > 0);
        if ((wait.revents & POLLOUT) != 0) {
            send_some(fd, &sent);
        }
        if ((wait.revents & (POLLIN | POLLHUP)) != 0) {
            receiving = receive_some(fd, &received);
        }
    }
    CHECK(received > 0);
    report(what, received);
    _exit(0);
}

static void call(const char *address)
{
    struct sockaddr_in peer = { .sin_family = AF_INET, .sin_port = htons(PORT) };
    time_t latest = seconds() + PATIENCE_S;

    CHECK(inet_aton(address, &peer.sin_addr) != 0);
    for (;;) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);

        CHECK(fd >= 0);
        if (connect(fd, (struct sockaddr *)&peer, sizeof(peer)) == 0) {
            exchange(fd, address);
        }
        CHECK(seconds() < latest);
        (void)close(fd);
        (void)usleep(200000);
    }
}

/* Until it is killed. */
static void answer(int listener)
{
    for (;;) {
        int fd = accept(listener, NULL, NULL);

        CHECK(fd >= 0);
        if (fork() == 0) {
            exchange(fd, "from a caller");
        }
        (void)close(fd);
    }
}

static int listen_to_all(void)
{
    struct sockaddr_in own = { .sin_family = AF_INET, .sin_port = htons(PORT) };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    CHECK(fd >= 0);
    CHECK(bind(fd, (struct sockaddr *)&own, sizeof(own)) == 0);
    CHECK(listen(fd, 16) == 0);
    return fd;
}

/* ---- disk ----------------------------------------------------------------------------------- */

static void use_disk(const char *path)
{
    static uint64_t words[WORDS] __attribute__((aligned(4096)));
    static uint64_t wanted[WORDS];
    uint64_t written[BLOCKS] = { 0 }; /* which stream is in each block, 0: none yet */
    uint64_t bytes = 0;
    int fd = open(path, O_RDWR | O_DIRECT);

    CHECK(fd >= 0);
    begin();
    for (uint64_t round = 1; goes_on(); round++) {
        unsigned int put = (unsigned int)(word(1, round) % BLOCKS);
        unsigned int take = (unsigned int)(word(2, round) % BLOCKS);

        fill(words, round, put);
        CHECK(pwrite(fd, words, BYTES, (off_t)(put * BYTES)) == (ssize_t)BYTES);
        written[put] = round;
        bytes += BYTES;
        if (written[take] != 0) {
            CHECK(pread(fd, words, BYTES, (off_t)(take * BYTES)) == (ssize_t)BYTES);
            fill(wanted, written[take], take);
            CHECK(memcmp(words, wanted, BYTES) == 0);
            bytes += BYTES;
        }
    }
    report("disk", bytes);
    _exit(0);
}

/* --------------------------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
    int failed = 0;
    int listener, status;
    pid_t server;

    CHECK(argc > 3);
    duration = (int)strtol(argv[1], NULL, 10);
    listener = listen_to_all();
    server = fork();
    if (server == 0) {
        answer(listener);
    }
    if (fork() == 0) {
        use_disk(argv[2]);
    }
    for (int i = 3; i < argc; i++) {
        if (fork() == 0) {
            call(argv[i]);
        }
    }
    for (int i = 2; i < argc; i++) {
        CHECK(wait(&status) > 0);
        failed |= status;
    }
    return failed != 0;
}
