/* SPDX-License-Identifier: MIT */
/*
 * paravane-consoled but for its main(): guests on one side, viewers on the
 * other, kills in between.  One thread plays all of them.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "dom0-tools/console/hypervisor_log.h"
#include "libvmctl/console_client.h"
#include "tests/unit/console_world.h"
#include "tests/unit/suite.h"

static struct consoles consoles;
static struct server server;
static struct hypervisor_log hypervisor;
static bool starting;
static char text[1 << 20];

static struct stream *find(void *context, uint32_t domid, bool *later)
{
    struct guest *guest = consoles_find(&consoles, domid);

    (void)context;
    *later = starting;
    if (domid == CONSOLE_HYPERVISOR) {
        return &hypervisor.stream;
    }
    return guest == NULL ? NULL : &guest->stream;
}

static void start_daemon(void)
{
    struct vmctl_error error;

    memset(&consoles, 0, sizeof(consoles));
    memset(&server, 0, sizeof(server));
    consoles.log_directory = world_directory();
    consoles.record_directory = world_directory();
    consoles.log_limit = TRANSCRIPT_LIMIT;
    ck_assert_int_eq(loop_open(&consoles.loop), 0);
    ck_assert_int_eq(consoles_open(&consoles, &error), 0);
    server.loop = &consoles.loop;
    server.find = find;
    ck_assert_int_eq(server_open(&server, world_path("sock"), &error), 0);
}

static void stop_daemon(void)
{
    server_close(&server);
    consoles_close(&consoles);
    loop_close(&consoles.loop);
}

static void enter(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    world_enter();
    start_daemon();
}

static void leave(void)
{
    stop_daemon();
    world_leave();
}

static struct guest *attach_guest(uint32_t domid)
{
    char name[16];
    struct vmctl_error error;
    struct guest_place place = {
        .domid = domid,
        .port = WORLD_REMOTE + domid,
        .frame = 5000 + domid,
        .name = name,
    };

    (void)snprintf(name, sizeof(name), "guest%u", domid);
    memcpy(place.handle, world[domid].handle, sizeof(place.handle));
    if (guest_attach(&consoles, &place, &error) != 0) {
        ck_abort_msg("%s", error.message);
    }
    return consoles_find(&consoles, domid);
}

static struct guest *new_guest(uint32_t domid)
{
    world_add(domid);
    return attach_guest(domid);
}

static int view(uint32_t domid, uint32_t flags, uint32_t history)
{
    struct console_request request = { .domid = domid, .flags = flags, .history = history };
    struct console_reply reply;
    int fd = world_attach(&consoles, &request, &reply);

    if (reply.result != 0) {
        ck_abort_msg("%d: %s", reply.result, reply.message);
    }
    return fd;
}

static int32_t refused(struct console_request request)
{
    struct console_reply reply;
    char byte[2];
    int fd = world_attach(&consoles, &request, &reply);

    ck_assert_int_ne(reply.result, 0);
    ck_assert_int_ne(reply.message[0], '\0');
    ck_assert_int_eq(world_receive(fd, byte, sizeof(byte)), -1);
    (void)close(fd);
    return reply.result;
}

static void expect(int fd, const char *wanted)
{
    world_turn(&consoles);
    (void)world_receive(fd, text, sizeof(text));
    ck_assert_str_eq(text, wanted);
}

static void expect_log(const char *file, const char *wanted)
{
    char *is = world_file(file);

    ck_assert_str_eq(is, wanted);
    free(is);
}

START_TEST(from_the_first_byte_to_log_and_viewers)
{
    int first;
    int second;

    world_add(3);
    (void)world_say(3, "before anybody listened, ");
    (void)attach_guest(3);
    first = view(3, 0, CONSOLE_HISTORY);
    expect(first, "before anybody listened, ");
    (void)world_say(3, "then more");
    expect(first, "then more");
    second = view(3, 0, 4);
    expect(second, "more");
    (void)world_say(3, "!");
    expect(first, "!");
    expect(second, "!");
    expect_log("guest3.log", "before anybody listened, then more!");
    ck_assert_uint_eq(world[3].page.out_cons, world[3].page.out_prod);
    (void)close(first);
    (void)close(second);
}
END_TEST

START_TEST(without_a_grant_the_frame_is_mapped)
{
    world_add(3);
    world[3].no_grant = true;
    (void)world_say(3, "x");
    (void)attach_guest(3);
    expect_log("guest3.log", "x");
    guest_detach(consoles_find(&consoles, 3), true);
    ck_assert(!world[3].mapped);
    ck_assert(!world[3].bound);
}
END_TEST

START_TEST(one_viewer_writes)
{
    struct console_request wish = { .domid = 3, .flags = CONSOLE_FLAG_WRITE };
    char got[64];
    int writer;
    int watcher;
    int other;

    (void)new_guest(3);
    writer = view(3, CONSOLE_FLAG_WRITE, 0);
    watcher = view(3, 0, 0);
    ck_assert_int_eq(send(watcher, "nothing", 7, 0), 7);
    ck_assert_int_eq(send(writer, "ls\n", 3, 0), 3);
    world_turn(&consoles);
    ck_assert_uint_eq(world_take(3, got, sizeof(got)), 3);
    ck_assert_mem_eq(got, "ls\n", 3);
    ck_assert_uint_eq(world[3].told, 1);
    ck_assert_int_eq(refused(wish), -EBUSY);
    wish.flags |= CONSOLE_FLAG_TAKE_OVER;
    other = view(3, wish.flags, 0);
    ck_assert_int_eq(send(writer, "old", 3, 0), 3);
    ck_assert_int_eq(send(other, "new", 3, 0), 3);
    world_turn(&consoles);
    ck_assert_uint_eq(world_take(3, got, sizeof(got)), 3);
    ck_assert_mem_eq(got, "new", 3);
    (void)close(other);
    world_turn(&consoles);
    (void)close(view(3, CONSOLE_FLAG_WRITE, 0));
    (void)close(writer);
    (void)close(watcher);
}
END_TEST

START_TEST(input_waits_for_a_guest_that_reads_slowly)
{
    char sent[5000];
    char got[5000];
    size_t count = 0;
    int writer;

    for (size_t i = 0; i < sizeof(sent); i++) {
        sent[i] = (char)('a' + i % 23);
    }
    (void)new_guest(3);
    writer = view(3, CONSOLE_FLAG_WRITE, 0);
    ck_assert_int_eq(send(writer, sent, sizeof(sent), MSG_DONTWAIT), sizeof(sent));
    world_turn(&consoles);
    ck_assert_uint_eq(consoles_find(&consoles, 3)->stream.writer->source.events, 0);
    for (unsigned int i = 0; i < 1000 && count < sizeof(got); i++) {
        world_turn(&consoles);
        count += world_take(3, got + count, 100);
    }
    ck_assert_uint_eq(count, sizeof(sent));
    ck_assert_mem_eq(got, sent, sizeof(sent));
    (void)close(writer);
}
END_TEST

START_TEST(a_flooding_guest_costs_only_itself)
{
    static char noise[RING_OUTPUT];
    struct guest *guest;
    uint64_t start = loop_now();
    uint64_t taken = 0;
    int viewer;

    memset(noise, 'n', sizeof(noise));
    guest = new_guest(3);
    (void)new_guest(4);
    viewer = view(4, 0, 0);
    while (!guest->tired) {
        taken += world_write(3, noise, sizeof(noise));
        (void)loop_turn(&consoles.loop, 0);
        ck_assert_uint_le(taken, (uint64_t)RATE_BURST + 3 * sizeof(noise) +
                                     RATE_PER_SECOND * (loop_now() - start) / 1000000000);
    }
    ck_assert(world[3].masked); /* left alone: its events reach nobody */
    (void)world_say(4, "quiet");
    expect(viewer, "quiet");
    for (unsigned int i = 0; i < 1000 && world[3].page.out_cons != world[3].page.out_prod; i++) {
        (void)loop_turn(&consoles.loop, 20);
    }
    ck_assert_uint_eq(world[3].page.out_cons, world[3].page.out_prod); /* but not for ever */
    guest_detach(consoles_find(&consoles, 3), true);
    (void)close(viewer);
}
END_TEST

START_TEST(a_tired_guest_may_go)
{
    static char noise[RING_OUTPUT];

    (void)new_guest(3);
    (void)new_guest(4);
    for (unsigned int i = 0; i < 600; i++) {
        (void)world_write(3, noise, sizeof(noise));
        (void)world_write(4, noise, sizeof(noise));
        (void)loop_turn(&consoles.loop, 0);
        (void)loop_turn(&consoles.loop, 0);
    }
    ck_assert(consoles_find(&consoles, 3)->tired);
    ck_assert(consoles_find(&consoles, 4)->tired);
    guest_detach(consoles_find(&consoles, 3), true);
    ck_assert_ptr_null(consoles_find(&consoles, 3));
    ck_assert_ptr_eq(consoles.tired, consoles_find(&consoles, 4));
    ck_assert_ptr_null(consoles.tired->next_tired);
}
END_TEST

START_TEST(nonsense_in_the_page_is_said_once)
{
    int viewer;

    (void)new_guest(3);
    viewer = view(3, 0, 0);
    for (unsigned int i = 1; i < 50; i++) {
        world[3].page.out_prod += 1000000007u * i | 0x1000;
        world[3].page.out_cons = i * 77777;
        world[3].page.in_cons = i * 99999;
        world_fire(3);
        world_turn(&consoles);
    }
    (void)world_receive(viewer, text, sizeof(text));
    ck_assert_ptr_nonnull(strstr(text, "made no sense"));
    ck_assert_ptr_null(strstr(strstr(text, "made no sense") + 1, "made no sense"));
    world[3].page.out_cons = world[3].page.out_prod;
    (void)world_say(3, "sober");
    expect(viewer, "sober");
    (void)close(viewer);
}
END_TEST

/* A daemon that is killed after `turns` turns of its loop. */
static void run_and_die(uint32_t domid, unsigned int turns)
{
    int status;
    pid_t child = fork();

    ck_assert_int_ge(child, 0);
    if (child == 0) {
        start_daemon();
        (void)attach_guest(domid);
        world_fire(domid);
        for (unsigned int i = 0; i < turns; i++) {
            (void)loop_turn(&consoles.loop, 0);
        }
        (void)kill(getpid(), SIGKILL);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status));
}

START_TEST(nothing_is_lost_or_repeated_when_it_is_killed)
{
    char *is;
    unsigned int line = 0;
    char words[32];
    char *at;

    stop_daemon();
    world_add(3);
    for (unsigned int round = 0; round < 40; round++) {
        for (unsigned int i = 0; i < 20; i++) {
            (void)snprintf(words, sizeof(words), "line %u\n", line++);
            ck_assert_uint_eq(world_say(3, words), strlen(words));
        }
        run_and_die(3, round % 3);
    }
    start_daemon();
    (void)attach_guest(3);
    is = world_file("guest3.log");
    at = is;
    for (unsigned int i = 0; i < line; i++) {
        (void)snprintf(words, sizeof(words), "line %u\n", i);
        ck_assert(strncmp(at, words, strlen(words)) == 0);
        at += strlen(words);
    }
    ck_assert_int_eq(*at, '\0');
    expect(view(3, 0, CONSOLE_HISTORY), is);
    free(is);
}
END_TEST

START_TEST(a_viewer_goes_on_where_it_was_after_a_restart)
{
    struct console_request request = { .domid = 3, .flags = CONSOLE_FLAG_FROM_POSITION };
    struct console_reply reply;
    int viewer;

    (void)new_guest(3);
    (void)world_say(3, "first part, ");
    viewer = view(3, 0, CONSOLE_HISTORY);
    expect(viewer, "first part, ");
    stop_daemon();
    ck_assert_int_eq(world_receive(viewer, text, sizeof(text)), -1);
    (void)world_say(3, "second part");
    start_daemon();
    (void)attach_guest(3);
    request.position = 12;
    memcpy(request.handle, world[3].handle, sizeof(request.handle));
    viewer = world_attach(&consoles, &request, &reply);
    ck_assert_int_eq(reply.result, 0);
    ck_assert_uint_eq(reply.position, 12);
    expect(viewer, "second part");
    (void)close(viewer);
    request.handle[0] ^= 1;
    ck_assert_int_eq(refused(request), -ESTALE);
}
END_TEST

START_TEST(a_slow_viewer_is_cut_off_and_told_what_it_missed)
{
    static char noise[RING_OUTPUT];
    struct console_request request = { .domid = 3, .flags = CONSOLE_FLAG_FROM_POSITION };
    struct console_reply reply;
    uint64_t total = 0;
    int viewer;
    int count;

    memset(noise, 'n', sizeof(noise));
    (void)new_guest(3);
    viewer = view(3, 0, 0);
    for (unsigned int i = 0; i < 4000 && total < 3000000; i++) {
        consoles_find(&consoles, 3)->rate.tokens = RATE_BURST;
        total += world_write(3, noise, sizeof(noise));
        (void)loop_turn(&consoles.loop, 0);
    }
    world_turn(&consoles);
    memcpy(request.handle, world[3].handle, sizeof(request.handle));
    while ((count = world_receive(viewer, text, sizeof(text))) > 0) {
        request.position += (uint64_t)count;
    }
    ck_assert_int_eq(count, -1);
    (void)close(viewer);
    viewer = world_attach(&consoles, &request, &reply);
    ck_assert_int_eq(reply.result, 0);
    ck_assert_uint_gt(reply.position, request.position);
    ck_assert_uint_eq(reply.position, consoles_find(&consoles, 3)->stream.history.first);
    (void)close(viewer);
}
END_TEST

START_TEST(what_is_not_a_request_is_refused)
{
    struct console_request request = { .magic = "GET / H", .domid = 3 };
    int many[32];

    (void)new_guest(3);
    ck_assert_int_eq(refused(request), -EPROTO);
    request = (struct console_request){ .domid = 9 };
    ck_assert_int_eq(refused(request), -ESRCH);
    request.domid = UINT32_MAX;
    ck_assert_int_eq(refused(request), -ESRCH);
    starting = true;
    ck_assert_int_eq(refused(request), -EAGAIN);
    starting = false;
    for (size_t i = 0; i < 32; i++) {
        many[i] = view(3, 0, 0);
    }
    request.domid = 3;
    ck_assert_int_eq(refused(request), -EUSERS);
    for (size_t i = 0; i < 32; i++) {
        (void)close(many[i]);
    }
    world_turn(&consoles);
    (void)close(view(3, 0, 0));
}
END_TEST

START_TEST(without_descriptors_it_rests_until_there_are_some)
{
    struct console_request request = { .domid = 3 };
    struct console_reply reply;
    struct rlimit before;
    struct rlimit none;
    uint64_t began;
    int viewer;

    (void)new_guest(3);
    memcpy(request.magic, CONSOLE_MAGIC, sizeof(request.magic));
    viewer = world_connect();
    ck_assert_int_eq(send(viewer, &request, sizeof(request), 0), sizeof(request));
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){ .rlim_cur = 0, .rlim_max = before.rlim_max };
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    began = loop_now();
    for (unsigned int i = 0; i < 4; i++) {
        ck_assert_int_eq(loop_turn(&consoles.loop, -1), 0);
    }
    ck_assert_uint_gt(loop_now() - began, 150000000); /* ns */
    ck_assert_uint_eq(world_reports, 1);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    world_turn(&consoles);
    ck_assert_int_eq(recv(viewer, &reply, sizeof(reply), MSG_DONTWAIT), sizeof(reply));
    ck_assert_int_eq(reply.result, 0);
    (void)close(viewer);
}
END_TEST

START_TEST(viewers_end_with_their_guest)
{
    int viewer;

    (void)new_guest(3);
    viewer = view(3, 0, 0);
    (void)world_say(3, "last words");
    guest_detach(consoles_find(&consoles, 3), true);
    ck_assert_int_eq(world_receive(viewer, text, sizeof(text)), 10);
    ck_assert_str_eq(text, "last words");
    ck_assert_int_eq(world_receive(viewer, text, sizeof(text)), -1);
    ck_assert_int_ne(access(world_path("3"), F_OK), 0);
    expect_log("guest3.log", "last words");
    (void)close(viewer);
}
END_TEST

START_TEST(history_only_ends_by_itself)
{
    int viewer;

    (void)new_guest(3);
    (void)world_say(3, "all there is");
    world_turn(&consoles);
    viewer = view(3, CONSOLE_FLAG_NO_FOLLOW, CONSOLE_HISTORY);
    expect(viewer, "all there is");
    ck_assert_int_eq(world_receive(viewer, text, sizeof(text)), -1);
    (void)close(viewer);
}
END_TEST

/* The kernel moves a terminal's bytes when it sees fit. */
static void expect_terminal(int fd, const char *wanted)
{
    size_t used = 0;

    for (unsigned int i = 0; i < 2000 && used < strlen(wanted); i++) {
        ssize_t count;

        (void)loop_turn(&consoles.loop, 5);
        count = read(fd, text + used, sizeof(text) - 1 - used);
        used += count > 0 ? (size_t)count : 0;
    }
    text[used] = '\0';
    ck_assert_str_eq(text, wanted);
}

static void expect_typed(uint32_t domid, const char *wanted)
{
    size_t used = 0;

    for (unsigned int i = 0; i < 2000 && used < strlen(wanted); i++) {
        (void)loop_turn(&consoles.loop, 5);
        used += world_take(domid, text + used, 100);
    }
    text[used] = '\0';
    ck_assert_str_eq(text, wanted);
}

static void close_terminal(const struct guest *guest, int fd)
{
    (void)close(fd);
    for (unsigned int i = 0; i < 2000 && !guest->pty.viewer.asleep; i++) {
        (void)loop_turn(&consoles.loop, 5);
    }
    ck_assert(guest->pty.viewer.asleep);
}

START_TEST(a_terminal_shows_the_past_and_types)
{
    struct guest *guest = new_guest(3);
    struct termios mode;
    char got[16];
    int writer;
    int fd;

    (void)world_say(3, "booting ");
    world_turn(&consoles);
    for (unsigned int i = 0; i < 2; i++) { /* the second who opens it sees the same */
        fd = open(guest->pty.name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        ck_assert_int_ge(fd, 0);
        expect_terminal(fd, i == 0 ? "booting " : "booting prompt");
        ck_assert_int_eq(tcgetattr(fd, &mode), 0);
        ck_assert_uint_eq(mode.c_lflag & (ECHO | ICANON), 0);
        if (i == 0) {
            (void)world_say(3, "prompt");
            expect_terminal(fd, "prompt");
        }
        ck_assert_int_eq(write(fd, "date\n", 5), 5);
        expect_typed(3, "date\n");
        close_terminal(guest, fd);
    }
    fd = open(guest->pty.name, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    expect_terminal(fd, "booting prompt");
    writer = view(3, CONSOLE_FLAG_WRITE, 0);
    ck_assert_int_eq(write(fd, "no\n", 3), 3);
    for (unsigned int i = 0; i < 20; i++) {
        (void)loop_turn(&consoles.loop, 5);
    }
    ck_assert_uint_eq(world_take(3, got, sizeof(got)), 0);
    (void)close(writer);
    close_terminal(guest, fd);
}
END_TEST

START_TEST(a_new_name_is_a_new_log)
{
    struct guest *guest = new_guest(3);
    int viewer = view(3, 0, 0);

    (void)world_say(3, "old ");
    expect(viewer, "old ");
    guest_rename(guest, "fresh");
    (void)world_say(3, "new");
    expect(viewer, "new");
    expect_log("guest3.log", "old ");
    expect_log("fresh.log", "new");
    (void)close(viewer);
    viewer = view(3, 0, CONSOLE_HISTORY);
    expect(viewer, "old new");
    (void)close(viewer);
}
END_TEST

START_TEST(a_log_that_cannot_be_opened_is_tried_again)
{
    consoles.record_directory = "/nowhere/at/all";
    (void)new_guest(3);
    (void)world_say(3, "lost");
    world_turn(&consoles);
    (void)world_say(3, " too");
    world_turn(&consoles);
    ck_assert_uint_eq(world_reports, 1);
    consoles.record_directory = world_directory();
    (void)usleep(1100000);
    (void)world_say(3, "kept");
    world_turn(&consoles);
    (void)world_say(3, ".");
    world_turn(&consoles);
    expect_log("guest3.log", "\r\n[paravane: 8 bytes could not be logged: No such file or "
                             "directory]\r\nkept.");
    ck_assert_uint_eq(consoles_find(&consoles, 3)->transcript.limit, TRANSCRIPT_LIMIT);
}
END_TEST

START_TEST(a_file_of_its_own_gets_all_of_it_and_once)
{
    struct guest *guest = new_guest(3);
    char path[128];

    (void)snprintf(path, sizeof(path), "%s", world_path("own"));
    (void)world_say(3, "early ");
    world_turn(&consoles);
    guest_set_file(guest, path, false);
    (void)world_say(3, "later ");
    world_turn(&consoles);
    expect_log("own", "early later ");
    stop_daemon();
    (void)world_say(3, "meanwhile ");
    start_daemon();
    guest = attach_guest(3);
    guest_set_file(guest, path, false);
    (void)world_say(3, "end");
    world_turn(&consoles);
    expect_log("own", "early later meanwhile end");
    guest_detach(guest, true);
    guest = new_guest(4);
    (void)world_say(4, "+next");
    guest_set_file(guest, path, true);
    world_turn(&consoles);
    expect_log("own", "early later meanwhile end+next");
    guest_detach(guest, true);
    guest = new_guest(5);
    guest_set_file(guest, path, false);
    (void)world_say(5, "anew");
    world_turn(&consoles);
    expect_log("own", "anew");
    guest_set_file(new_guest(6), "/dev/null", false);
    guest_set_file(consoles_find(&consoles, 6), "/nowhere/at/all", false);
    ck_assert_uint_eq(world_reports, 2);
}
END_TEST

START_TEST(a_name_that_is_taken_is_told_apart)
{
    struct vmctl_error error;
    struct guest_place place = {
        .domid = 4, .port = WORLD_REMOTE + 4, .frame = 5004, .name = "guest3"
    };

    (void)new_guest(3);
    world_add(4);
    ck_assert_int_eq(guest_attach(&consoles, &place, &error), 0);
    (void)world_say(3, "three");
    (void)world_say(4, "four");
    world_turn(&consoles);
    expect_log("guest3.log", "three");
    expect_log("guest3.4.log", "four");
}
END_TEST

static unsigned int files(void)
{
    unsigned int count = 0;
    DIR *directory = opendir(world_directory());

    ck_assert_ptr_nonnull(directory);
    while (readdir(directory) != NULL) {
        count++;
    }
    (void)closedir(directory);
    return count;
}

START_TEST(a_guest_that_cannot_be_reached_leaves_nothing_behind)
{
    struct vmctl_error error;
    struct guest_place place = { .domid = 5, .port = WORLD_REMOTE + 5, .frame = 1, .name = "x" };
    unsigned int before = files();

    ck_assert_int_lt(guest_attach(&consoles, &place, &error), 0);
    ck_assert_ptr_nonnull(strstr(error.message, "domain 5"));
    world_add(5);
    place.port = 1;
    ck_assert_int_lt(guest_attach(&consoles, &place, &error), 0);
    ck_assert_ptr_nonnull(strstr(error.message, "event channel 1"));
    ck_assert_ptr_null(consoles_find(&consoles, 5));
    ck_assert(!world[5].mapped);
    ck_assert_uint_eq(files(), before);
}
END_TEST

START_TEST(the_hypervisors_log_is_a_stream_too)
{
    struct vmctl_error error;
    int viewer;

    world_log = "(core) hello\n";
    memset(&hypervisor, 0, sizeof(hypervisor));
    ck_assert_int_eq(hypervisor_log_open(&hypervisor, &consoles, &error), 0);
    viewer = view(CONSOLE_HYPERVISOR, 0, CONSOLE_HISTORY);
    expect(viewer, "(core) hello\n");
    world_log = "(core) hello\n(core) more\n";
    for (unsigned int i = 0; i < 100 && strcmp(text, "(core) more\n") != 0; i++) {
        (void)loop_turn(&consoles.loop, 50);
        (void)world_receive(viewer, text, sizeof(text));
    }
    ck_assert_str_eq(text, "(core) more\n");
    ck_assert_int_eq(refused((struct console_request){ .domid = CONSOLE_HYPERVISOR,
                                                       .flags = CONSOLE_FLAG_WRITE }),
                     -EROFS);
    hypervisor_log_close(&hypervisor);
    memset(&hypervisor, 0, sizeof(hypervisor));
    ck_assert_int_eq(hypervisor_log_open(&hypervisor, &consoles, &error), 0);
    expect_log("hypervisor.log", world_log);
    (void)close(viewer);
    viewer = view(CONSOLE_HYPERVISOR, 0, CONSOLE_HISTORY);
    expect(viewer, world_log);
    (void)close(viewer);
    hypervisor_log_close(&hypervisor);
}
END_TEST

/* --- the library's side, with the daemon in another thread ---------------------------- */

static void *run_loop(void *unused)
{
    while (!__atomic_load_n(&consoles.loop.stop, __ATOMIC_ACQUIRE)) {
        (void)loop_turn(&consoles.loop, 5);
    }
    return unused;
}

static pthread_t run_beside(void)
{
    pthread_t thread;

    consoles.loop.stop = false;
    ck_assert_int_eq(pthread_create(&thread, NULL, run_loop, NULL), 0);
    return thread;
}

static void rejoin(pthread_t thread)
{
    __atomic_store_n(&consoles.loop.stop, true, __ATOMIC_RELEASE);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    consoles.loop.stop = false;
}

START_TEST(the_client_library_attaches_types_and_says_why_not)
{
    struct console_options options = { .write = true, .history = CONSOLE_HISTORY };
    struct console console = CONSOLE_DETACHED;
    struct console second = CONSOLE_DETACHED;
    struct vmctl_error error;
    enum console_end end;
    char socket[128];
    char got[16];
    int input[2];
    int output[2];
    pthread_t thread;

    (void)snprintf(socket, sizeof(socket), "%s", world_path("nothing-here"));
    options.socket = socket;
    ck_assert_int_eq(console_attach(&console, 3, &options, &error), -ECONNREFUSED);
    ck_assert_ptr_nonnull(strstr(error.message, "nothing-here"));
    ck_assert_int_eq(error.reason, VMCTL_NO_DAEMON);
    (void)snprintf(socket, sizeof(socket), "%s", world_path("sock"));
    (void)new_guest(3);
    (void)world_say(3, "login: ");
    world_turn(&consoles);

    options.patience_ms = 50; /* it is stuck */
    ck_assert_int_eq(console_attach(&console, 3, &options, &error), -ECONNREFUSED);
    ck_assert_ptr_nonnull(strstr(error.message, "timed out"));
    ck_assert_int_eq(error.reason, VMCTL_NO_DAEMON);
    options.patience_ms = 0;
    thread = run_beside();
    ck_assert_int_eq(console_attach(&console, 4, &options, &error), -ESRCH);
    ck_assert_ptr_nonnull(strstr(error.message, "domain 4"));
    ck_assert_int_eq(console_attach(&console, 3, &options, &error), 0);
    ck_assert_int_eq(console_attach(&second, 3, &options, &error), -EBUSY);
    ck_assert_ptr_nonnull(strstr(error.message, "held by process"));
    ck_assert_int_eq(pipe(input), 0);
    ck_assert_int_eq(pipe(output), 0);
    ck_assert_int_eq(write(input[1], "root\n\x1dlost", 10), 10);
    ck_assert_int_eq(console_run_terminal(&console, input[0], output[1], &end, &error), 0);
    ck_assert_int_eq(end, CONSOLE_END_ESCAPE);
    console_detach(&console);
    usleep(50000);
    rejoin(thread);
    ck_assert_int_eq(read(output[0], text, 100), 7);
    ck_assert_mem_eq(text, "login: ", 7);
    ck_assert_uint_eq(world_take(3, got, sizeof(got)), 5);
    ck_assert_mem_eq(got, "root\n", 5);
    for (unsigned int i = 0; i < 2; i++) {
        (void)close(input[i]);
        (void)close(output[i]);
    }
}
END_TEST

/* It is killed under a viewer, and the next one is stuck before it answers. */
START_TEST(a_viewer_gives_up_a_daemon_that_does_not_come_back)
{
    struct console_options options = { .history = CONSOLE_HISTORY };
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct console console = CONSOLE_DETACHED;
    struct vmctl_error error = { .code = 0 };
    enum console_end end;
    time_t began = time(NULL);
    int output[2];
    pthread_t thread;
    int stuck = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)new_guest(3);
    thread = run_beside();
    options.socket = world_path("sock");
    ck_assert_int_eq(console_attach(&console, 3, &options, &error), 0);
    rejoin(thread);
    console.options.patience_ms = 40;
    ck_assert_int_eq(pipe(output), 0);
    stop_daemon();
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", world_path("stuck"));
    ck_assert_int_eq(bind(stuck, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(listen(stuck, 100), 0);
    console.options.socket = address.sun_path;
    ck_assert_int_eq(console_run_terminal(&console, -1, output[1], &end, &error), -ECONNREFUSED);
    ck_assert_ptr_nonnull(strstr(error.message, "cannot reach the console daemon"));
    ck_assert_ptr_nonnull(strstr(error.message, "timed out"));
    ck_assert_int_le(time(NULL) - began, 8);
    console_detach(&console);
    start_daemon();
    (void)close(stuck);
    (void)close(output[0]);
    (void)close(output[1]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("console_daemon");
    TCase *tcase = suite_case(suite, "console_daemon");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, enter, leave);
    tcase_add_test(tcase, from_the_first_byte_to_log_and_viewers);
    tcase_add_test(tcase, without_a_grant_the_frame_is_mapped);
    tcase_add_test(tcase, one_viewer_writes);
    tcase_add_test(tcase, input_waits_for_a_guest_that_reads_slowly);
    tcase_add_test(tcase, a_flooding_guest_costs_only_itself);
    tcase_add_test(tcase, a_tired_guest_may_go);
    tcase_add_test(tcase, nonsense_in_the_page_is_said_once);
    tcase_add_test(tcase, nothing_is_lost_or_repeated_when_it_is_killed);
    tcase_add_test(tcase, a_viewer_goes_on_where_it_was_after_a_restart);
    tcase_add_test(tcase, a_slow_viewer_is_cut_off_and_told_what_it_missed);
    tcase_add_test(tcase, what_is_not_a_request_is_refused);
    tcase_add_test(tcase, without_descriptors_it_rests_until_there_are_some);
    tcase_add_test(tcase, viewers_end_with_their_guest);
    tcase_add_test(tcase, history_only_ends_by_itself);
    tcase_add_test(tcase, a_terminal_shows_the_past_and_types);
    tcase_add_test(tcase, a_new_name_is_a_new_log);
    tcase_add_test(tcase, a_log_that_cannot_be_opened_is_tried_again);
    tcase_add_test(tcase, a_file_of_its_own_gets_all_of_it_and_once);
    tcase_add_test(tcase, a_name_that_is_taken_is_told_apart);
    tcase_add_test(tcase, a_guest_that_cannot_be_reached_leaves_nothing_behind);
    tcase_add_test(tcase, the_hypervisors_log_is_a_stream_too);
    tcase_add_test(tcase, the_client_library_attaches_types_and_says_why_not);
    tcase_add_test(tcase, a_viewer_gives_up_a_daemon_that_does_not_come_back);
    return suite_run(suite);
}
