/* SPDX-License-Identifier: MIT */
/* The store's client against the store itself, over a socket, with restarts. */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dom0-tools/store/store_change.h"
#include "dom0-tools/store/wires.h"
#include "libvmctl/node_list.h"
#include "libvmctl/store_client.h"
#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

void *__real_malloc(size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *old, size_t size);

static unsigned int calls;
static unsigned int fail_at;
static bool armed; /* the client is at work, not the test or the store */

static bool fails(void)
{
    calls += armed;
    return armed && calls == fail_at;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

/* The store's answers: it dies instead of giving this one; 0: none. */
static unsigned int die_at;

ssize_t __real_send(int fd, const void *data, size_t size, int flags);
ssize_t __wrap_send(int fd, const void *data, size_t size, int flags);

ssize_t __wrap_send(int fd, const void *data, size_t size, int flags)
{
    if (die_at != 0 && --die_at == 0) {
        (void)raise(SIGKILL);
    }
    return __real_send(fd, data, size, flags);
}

static char directory[SCRATCH_SIZE];
static char socket_path[96];
static char state[96];
static pid_t server;
static rlim_t descriptors; /* the server may have; 0: as it comes */
static struct store_client *client;
static struct vmctl_error error;

static void answer_as_the_driver(struct stored *stored);

static void serve(void)
{
    struct journal journal;
    struct wires wires = WIRES_NONE;
    const struct stored_wires ways = { domains_attach, domains_detach, domains_hold, &wires };
    struct rlimit limit = { .rlim_cur = descriptors, .rlim_max = descriptors };
    struct stored stored;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (descriptors != 0) {
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (stored_init(&stored, &ways) < 0 || wires_open(&wires, &stored, NULL) < 0 ||
        stored_restore(&stored, &journal, state, false, NULL) < 0) {
        _exit(1);
    }
    answer_as_the_driver(&stored);
    if (wires_listen(&wires, socket_path, NULL) < 0) {
        _exit(1);
    }
    (void)wires_run(&wires, NULL);
    _exit(0);
}

static void start_server(void)
{
    server = fork();
    if (server == 0) {
        serve();
    }
    ck_assert_int_gt(server, 0);
}

static void kill_server(void)
{
    ck_assert_int_eq(kill(server, SIGKILL), 0);
    ck_assert_int_eq(waitpid(server, NULL, 0), server);
}

static void set_up(void)
{
    int r = -1;

    scratch_make(directory);
    (void)snprintf(socket_path, sizeof(socket_path), "%s/socket", directory);
    (void)snprintf(state, sizeof(state), "%s/state", directory);
    start_server();
    for (int i = 0; i < 500 && r < 0; i++) {
        (void)usleep(10000);
        r = store_open(socket_path, &client, &error);
    }
    ck_assert_msg(r == 0, "%s", error.message);
    store_set_patience(client, 20000);
}

static void tear_down(void)
{
    store_close(client);
    kill_server();
    scratch_remove(directory);
}

static void expect(const char *path, const char *value)
{
    char *text;
    size_t length;

    ck_assert_msg(store_read(client, 0, path, &text, &length, &error) == 0, "%s", error.message);
    ck_assert_str_eq(text, value);
    ck_assert_uint_eq(length, strlen(value));
    free(text);
}

static void write_text(uint32_t transaction, const char *path, const char *value)
{
    ck_assert_msg(store_write_text(client, transaction, path, value, &error) == 0, "%s",
                  error.message);
}

/* Wait for an event as a daemon does: the descriptor, then all there is. */
static void expect_event(const char *path, const char *token)
{
    struct pollfd wait = { .fd = store_fd(client), .events = POLLIN };
    const char *got_path;
    const char *got_token;
    int r = store_next_event(client, &got_path, &got_token, &error);

    for (int i = 0; i < 2000 && r == 0; i++) {
        ck_assert_int_ge(poll(&wait, 1, 10000), 1);
        r = store_next_event(client, &got_path, &got_token, &error);
    }
    ck_assert_int_eq(r, 1);
    ck_assert_str_eq(got_path, path);
    ck_assert_str_eq(got_token, token);
}

START_TEST(nodes)
{
    char **names;
    size_t count;
    char *text;

    write_text(0, "/a/b", "one");
    write_text(0, "/a/c", "");
    expect("/a/b", "one");
    expect("/a/c", "");
    write_text(0, "/a/d", "");
    ck_assert_int_eq(store_list(client, 0, "/a", &names, &count, &error), 0);
    ck_assert_uint_eq(count, 3);
    ck_assert_str_eq(names[0], "b");
    ck_assert_str_eq(names[2], "d");
    ck_assert_ptr_null(names[3]);
    free(names);
    ck_assert_int_eq(store_remove(client, 0, "/a", &error), 0);
    ck_assert_int_eq(store_remove(client, 0, "/a/b", &error), 0);
    ck_assert_int_eq(store_read(client, 0, "/a/b", &text, NULL, &error), -ENOENT);
    ck_assert_str_eq(error.message, "store: read /a/b: No such file or directory");
}
END_TEST

START_TEST(a_long_list)
{
    char **names;
    size_t count;

    for (int i = 0; i < 1200; i++) {
        char path[64];

        (void)snprintf(path, sizeof(path), "/long/a-name-of-some-length-%d", i);
        write_text(0, path, "");
    }
    ck_assert_int_eq(store_list(client, 0, "/long", &names, &count, &error), 0);
    ck_assert_uint_eq(count, 1200);
    ck_assert_str_eq(names[1199], "a-name-of-some-length-1199");
    free(names);
}
END_TEST

static int connect_raw(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

START_TEST(permissions)
{
    const struct store_permission wanted[] = { { 0, STORE_PERM_NONE },
                                               { 7, STORE_PERM_READ | STORE_PERM_WRITE } };
    static const char path[] = "/p";
    const struct store_change change = {
        .kind = STORE_CHANGE_PERMISSIONS, .path = path, .permissions = wanted, .permission_count = 2
    };
    static const char told[] = "n0\0b7";
    const struct xsd_sockmsg ask = { .type = XS_GET_PERMS, .len = sizeof(path) };
    struct xsd_sockmsg answer;
    char text[64];
    int fd;

    write_text(0, path, "");
    ck_assert_int_eq(store_write_many(client, 0, &change, 1, NULL, &error), 0);
    fd = connect_raw();
    ck_assert_int_eq(write(fd, &ask, sizeof(ask)), sizeof(ask));
    ck_assert_int_eq(write(fd, path, sizeof(path)), sizeof(path));
    ck_assert_int_eq(recv(fd, &answer, sizeof(answer), MSG_WAITALL), sizeof(answer));
    ck_assert_uint_eq(answer.len, sizeof(told));
    ck_assert_int_eq(recv(fd, text, answer.len, MSG_WAITALL), sizeof(told));
    ck_assert_mem_eq(text, told, sizeof(told));
    (void)close(fd);
}
END_TEST

START_TEST(many_changes_at_once)
{
    static const struct store_permission guest = { 5, STORE_PERM_READ };
    static char values[3000][16];
    static struct store_change changes[3000];
    static char paths[3000][32];
    size_t failed = 0;

    for (int i = 0; i < 3000; i++) {
        (void)snprintf(paths[i], sizeof(paths[i]), "/many/%d", i);
        (void)snprintf(values[i], sizeof(values[i]), "%d", i);
        changes[i] = (struct store_change){ .kind = STORE_CHANGE_WRITE,
                                            .path = paths[i],
                                            .value = values[i],
                                            .length = strlen(values[i]) };
    }
    ck_assert_int_eq(store_write_many(client, 0, changes, 3000, NULL, &error), 0);
    expect("/many/2999", "2999");
    changes[0] = (struct store_change){ .kind = STORE_CHANGE_REMOVE, .path = "/nothing/here" };
    changes[1] = (struct store_change){ .kind = STORE_CHANGE_PERMISSIONS,
                                        .path = "/many",
                                        .permissions = &guest,
                                        .permission_count = 1 };
    changes[2] = (struct store_change){ .kind = STORE_CHANGE_MKDIR, .path = "/bad path" };
    changes[3] = (struct store_change){ .kind = STORE_CHANGE_MKDIR, .path = "/good" };
    ck_assert_int_eq(store_write_many(client, 0, changes, 4, &failed, &error), -EINVAL);
    ck_assert_uint_eq(failed, 2);
    expect("/good", ""); /* all are tried */
}
END_TEST

START_TEST(transactions)
{
    struct store_client *other;
    uint32_t first;
    uint32_t second;
    char *text;

    ck_assert_int_eq(store_open(socket_path, &other, &error), 0);
    ck_assert_int_eq(store_transaction_start(client, &first, &error), 0);
    ck_assert_int_eq(store_transaction_start(other, &second, &error), 0);
    write_text(first, "/t", "first");
    ck_assert_int_eq(store_read(other, second, "/t", &text, NULL, &error), -ENOENT);
    ck_assert_int_eq(store_write_text(other, second, "/t", "second", &error), 0);
    ck_assert_int_eq(store_transaction_end(client, first, true, &error), 0);
    ck_assert_int_eq(store_transaction_end(other, second, true, &error), -EAGAIN);
    ck_assert_int_eq(store_transaction_end(other, second, true, &error), -EAGAIN);
    expect("/t", "first");
    ck_assert_int_eq(store_transaction_start(client, &first, &error), 0);
    write_text(first, "/t", "never");
    ck_assert_int_eq(store_transaction_end(client, first, false, &error), 0);
    expect("/t", "first");
    store_close(other);
}
END_TEST

struct upsetter {
    struct store_client *other;
    unsigned int upsets; /* to come */
    unsigned int tries;
    int result;
};

static int count_up(struct store_client *store, uint32_t transaction, void *context,
                    struct vmctl_error *words)
{
    struct upsetter *upsetter = context;
    char *text = NULL;
    char value[24];
    int r = store_read(store, transaction, "/count", &text, NULL, words);

    upsetter->tries++;
    (void)snprintf(value, sizeof(value), "%ld", text == NULL ? 0 : strtol(text, NULL, 10) + 1);
    free(text);
    r = r < 0 ? r : store_write_text(store, transaction, "/count", value, words);
    if (r == 0 && upsetter->upsets > 0) {
        upsetter->upsets--;
        r = store_write_text(upsetter->other, 0, "/count", "10", words);
    }
    if (r == 0 && upsetter->result < 0) {
        r = vmctl_fail(words, upsetter->result, "enough");
    }
    return r;
}

START_TEST(a_transaction_is_run_until_it_holds)
{
    struct upsetter upsetter = { .upsets = 2 };

    ck_assert_int_eq(store_open(socket_path, &upsetter.other, &error), 0);
    write_text(0, "/count", "1");
    ck_assert_int_eq(store_transaction_run(client, count_up, &upsetter, &error), 0);
    ck_assert_uint_eq(upsetter.tries, 3);
    expect("/count", "11");
    upsetter = (struct upsetter){ .other = upsetter.other, .result = -EPERM };
    ck_assert_int_eq(store_transaction_run(client, count_up, &upsetter, &error), -EPERM);
    ck_assert_str_eq(error.message, "enough");
    ck_assert_uint_eq(upsetter.tries, 1);
    expect("/count", "11");
    upsetter = (struct upsetter){ .other = upsetter.other, .upsets = UINT32_MAX };
    ck_assert_int_eq(store_transaction_run(client, count_up, &upsetter, &error), -EAGAIN);
    ck_assert_uint_gt(upsetter.tries, 50);
    expect("/count", "10");
    upsetter.upsets = 0; /* and none of them is open still */
    ck_assert_int_eq(store_transaction_run(client, count_up, &upsetter, &error), 0);
    expect("/count", "11");
    kill_server();
    store_set_patience(client, 50);
    ck_assert_int_eq(store_transaction_run(client, count_up, &upsetter, &error), -ENOTCONN);
    start_server();
    store_close(upsetter.other);
}
END_TEST

START_TEST(watches)
{
    const char *path;
    const char *token;

    ck_assert_int_eq(store_watch(client, "/w", "mine", &error), 0);
    expect_event("/w", "mine");
    write_text(0, "/w/x", "1");
    write_text(0, "/elsewhere", "1");
    expect_event("/w/x", "mine");
    ck_assert_int_eq(store_next_event(client, &path, &token, &error), 0);
    ck_assert_int_eq(store_unwatch(client, "/w", "other", &error), -ENOENT);
    ck_assert_int_eq(store_unwatch(client, "/w", "mine", &error), 0);
    write_text(0, "/w/x", "2");
    ck_assert_int_eq(store_next_event(client, &path, &token, &error), 0);
}
END_TEST

START_TEST(a_store_that_is_killed_comes_back)
{
    uint32_t transaction;
    int fd;

    write_text(0, "/kept", "value");
    ck_assert_int_eq(store_watch(client, "/w", "mine", &error), 0);
    expect_event("/w", "mine");
    fd = store_fd(client);
    ck_assert_int_eq(store_transaction_start(client, &transaction, &error), 0);
    kill_server();
    start_server();
    /* In a transaction: it is gone.  Outside: as if nothing had been. */
    ck_assert_int_eq(store_write_text(client, transaction, "/t", "x", &error), -EAGAIN);
    ck_assert_int_eq(store_transaction_end(client, transaction, true, &error), -EAGAIN);
    expect("/kept", "value");
    expect_event("/w", "mine"); /* set again, so it fires again */
    kill_server();
    start_server();
    /* With nobody asking: the descriptor stays the same and tells. */
    expect_event("/w", "mine");
    ck_assert_int_eq(store_fd(client), fd);
    write_text(0, "/w/x", "1");
    expect_event("/w/x", "mine");
}
END_TEST

START_TEST(a_store_that_stays_away_is_an_error)
{
    char *text;

    kill_server();
    store_set_patience(client, 50);
    ck_assert_int_eq(store_read(client, 0, "/", &text, NULL, &error), -ENOTCONN);
    ck_assert_ptr_nonnull(strstr(error.message, "does not answer"));
    start_server();
    store_set_patience(client, 20000);
    write_text(0, "/again", "1");
    expect("/again", "1");
}
END_TEST

START_TEST(a_store_that_is_stuck_is_an_error)
{
    char *text;

    write_text(0, "/here", "1");
    ck_assert_int_eq(kill(server, SIGSTOP), 0);
    store_set_patience(client, 0);
    ck_assert_int_eq(store_read(client, 0, "/here", &text, NULL, &error), -ENOTCONN);
    ck_assert_ptr_nonnull(strstr(error.message, "does not answer"));
    ck_assert_int_eq(error.reason, VMCTL_NO_DAEMON);
    ck_assert_int_eq(kill(server, SIGCONT), 0);
    expect("/here", "1");
}
END_TEST

/* What a driver in dom0's kernel does with a back end that has appeared: first with a new store. */
static void answer_as_the_driver(struct stored *stored)
{
    static const char path[] = "/back/state";

    if (tree_find(&stored->tree, path, strlen(path)) != NULL &&
        change_write(stored, path, strlen(path), "2", 1, 0) < 0) {
        _exit(1);
    }
}

/* A store that is killed at answer `number`, and one that comes after it. */
static void serve_twice(unsigned int number)
{
    kill_server();
    server = fork();
    if (server == 0) {
        server = fork();
        if (server == 0) {
            die_at = number;
            serve();
        }
        (void)waitpid(server, NULL, 0);
        serve();
    }
    ck_assert_int_gt(server, 0);
}

START_TEST(a_store_killed_within_a_commit_writes_nothing_twice)
{
    bool driven = false;

    for (unsigned int number = 1; !driven; number++) {
        struct node_list list = NODE_LIST_EMPTY;
        char *found = NULL;

        /* That of the start, of the writes, and of the end. */
        ck_assert_uint_le(number, 3);
        ck_assert_int_eq(store_remove(client, 0, "/back", &error), 0);
        serve_twice(number);
        node_list_write(&list, "/back", "frontend", "%s", "/front");
        node_list_write(&list, "/back", "state", "%d", 1);
        ck_assert_msg(node_list_commit(&list, client, "/back/frontend", &error) == 0, "%s",
                      error.message);
        expect("/back/frontend", "/front");
        ck_assert_int_eq(store_read(client, 0, "/back/state", &found, NULL, &error), 0);
        driven = strcmp(found, "2") == 0;
        free(found);
    }
}
END_TEST

/* Of its main thread: 'S' when it waits, 'R' when it runs. */
static char server_state(void)
{
    char path[64];
    char letter = '?';
    FILE *file;

    (void)snprintf(path, sizeof(path), "/proc/%d/stat", server);
    file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fscanf(file, "%*d (%*[^)]) %c", &letter), 1);
    (void)fclose(file);
    return letter;
}

START_TEST(without_descriptors_the_store_waits_and_goes_on)
{
    int fds[40];
    unsigned int waits = 0;

    kill_server();
    descriptors = 24;
    start_server();
    descriptors = 0;
    expect("/", "");
    for (size_t i = 0; i < 40; i++) {
        fds[i] = connect_raw();
    }
    (void)usleep(50000);
    for (int i = 0; i < 20; i++) {
        (void)usleep(5000);
        waits += server_state() == 'S';
    }
    ck_assert_uint_gt(waits, 15);
    expect("/", "");
    for (size_t i = 0; i < 40; i++) {
        (void)close(fds[i]);
    }
    store_close(client);
    ck_assert_int_eq(store_open(socket_path, &client, &error), 0);
    store_set_patience(client, 20000);
    expect("/", "");
}
END_TEST

START_TEST(domains)
{
    ck_assert_int_lt(store_introduce(client, 9, 1, 2, &error), 0); /* no hypervisor here */
    ck_assert_int_eq(store_release(client, 9, &error), -ENOENT);
    ck_assert_int_eq(store_open("/nowhere/socket", &client, &error), -ENOENT);
    ck_assert_ptr_nonnull(strstr(error.message, "/nowhere/socket"));
    ck_assert_int_eq(error.reason, VMCTL_NO_DAEMON);
}
END_TEST

/* All the client can do, once; false if something failed. */
static bool use_all(void)
{
    static const struct store_permission owner = { 0, STORE_PERM_READ };
    static const struct store_change changes[] = {
        { .kind = STORE_CHANGE_MKDIR, .path = "/m/x" },
        { .kind = STORE_CHANGE_PERMISSIONS,
          .path = "/m",
          .permissions = &owner,
          .permission_count = 1 },
    };
    struct store_client *one = NULL;
    const char *path;
    const char *token;
    char **names = NULL;
    char *text = NULL;
    uint32_t transaction = 0;
    size_t count;
    bool good;

    good = store_open(socket_path, &one, &error) == 0;
    good = good && store_write_text(one, 0, "/m/a", "1", &error) == 0;
    good = good && store_read(one, 0, "/m/a", &text, NULL, &error) == 0;
    good = good && store_list(one, 0, "/m", &names, &count, &error) == 0;
    good = good && store_write_many(one, 0, changes, 2, NULL, &error) == 0;
    good = good && store_transaction_start(one, &transaction, &error) == 0;
    good = good && store_write_text(one, transaction, "/m/b", "1", &error) == 0;
    good = good && store_transaction_end(one, transaction, true, &error) == 0;
    good = good && store_watch(one, "/m", "t", &error) == 0;
    good = good && store_write_text(one, 0, "/m/a", "1", &error) == 0;
    good = good && store_next_event(one, &path, &token, &error) == 1;
    good = good && store_unwatch(one, "/m", "t", &error) == 0;
    free(names);
    free(text);
    store_close(one);
    return good;
}

START_TEST(each_allocation_of_the_client_may_fail)
{
    bool good = false;

    for (fail_at = 1; !good && fail_at < 1000; fail_at++) {
        calls = 0;
        armed = true;
        good = use_all();
        armed = false;
    }
    ck_assert(good);
    ck_assert_uint_gt(calls, 6);
    ck_assert_uint_eq(fail_at, calls + 2); /* the round that did not fail, and one step on */
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store client");
    TCase *all = suite_case(suite, "all");

    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_set_timeout(all, 30);
    tcase_add_test(all, nodes);
    tcase_add_test(all, a_long_list);
    tcase_add_test(all, permissions);
    tcase_add_test(all, many_changes_at_once);
    tcase_add_test(all, transactions);
    tcase_add_test(all, a_transaction_is_run_until_it_holds);
    tcase_add_test(all, watches);
    tcase_add_test(all, a_store_that_is_killed_comes_back);
    tcase_add_test(all, a_store_that_stays_away_is_an_error);
    tcase_add_test(all, a_store_that_is_stuck_is_an_error);
    tcase_add_test(all, a_store_killed_within_a_commit_writes_nothing_twice);
    tcase_add_test(all, without_descriptors_the_store_waits_and_goes_on);
    tcase_add_test(all, domains);
    tcase_add_test(all, each_allocation_of_the_client_may_fail);
    return suite_run(suite);
}
