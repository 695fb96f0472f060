/* SPDX-License-Identifier: MIT */
/*
 * The store is killed, again and again, while a domain talks to it over its
 * ring: nothing is lost, nothing is done twice, and no wake-up is missed.
 *
 * A child process serves one ring from shared memory and dies by SIGKILL at any
 * instant; the parent is the domain.  Each tells the other of news as kernels do
 * (only when the other may be waiting), over a pipe.
 */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/scratch.h"
#include "tests/unit/store_world.h"
#include "tests/unit/suite.h"

#define DOMID  5U
#define WRITES 4000U

static char directory[SCRATCH_SIZE];
static struct xenstore_domain_interface *page;
static int to_store[2];
static int to_domain[2];

static void tell(const int pipe_ends[2])
{
    (void)!write(pipe_ends[1], "", 1);
}

/* False: nothing came in half a minute. */
static bool wait_for(const int pipe_ends[2])
{
    struct pollfd wait = { .fd = pipe_ends[0], .events = POLLIN };
    char drain[64];

    if (poll(&wait, 1, 30000) <= 0) {
        return false;
    }
    (void)!read(pipe_ends[0], drain, sizeof(drain));
    return true;
}

/* --- the store ------------------------------------------------------------------- */

static int attach(void *context, struct store_connection *ring, uint64_t mfn, uint32_t port)
{
    (void)context;
    (void)mfn;
    (void)port;
    ring->page = page;
    ring_begin(ring);
    return 0;
}

static void detach(void *context, struct store_connection *ring)
{
    (void)context;
    ring->page = NULL;
}

static void first_time(struct stored *stored)
{
    static const char introduce[] = "5\0001\0002";
    static const char home[] = "/local/domain/5";
    static const char mine[] = "/local/domain/5\0n5";
    struct store_connection *dom0 = connection_new(stored, 0, false);

    if (dom0 == NULL || !world_send(dom0, XS_INTRODUCE, 0, introduce, sizeof(introduce)) ||
        !world_send(dom0, XS_MKDIR, 0, home, sizeof(home)) ||
        !world_send(dom0, XS_SET_PERMS, 0, mine, sizeof(mine))) {
        _exit(1);
    }
    connection_free(dom0);
}

/* Files of the store may grow up to this. */
static struct rlimit allowed = { RLIM_INFINITY, RLIM_INFINITY };

static void serve(void)
{
    const struct stored_wires wires = { attach, detach, NULL, NULL };
    struct store_connection *ring;
    struct journal journal;
    struct stored stored;

    if (setrlimit(RLIMIT_FSIZE, &allowed) < 0 || stored_init(&stored, &wires) < 0 ||
        stored_restore(&stored, &journal, directory, false, NULL) < 0) {
        _exit(1);
    }
    if (domain_find(stored.domains, DOMID) == NULL) {
        first_time(&stored);
    }
    ring = domain_find(stored.domains, DOMID)->ring;
    if (ring->page == NULL) {
        (void)attach(NULL, ring, 0, 0);
    }
    for (;;) {
        const bool more = ring_receive(ring, 4);

        while (stored_next_ready(&stored) != NULL) {
            (void)ring_send(ring);
        }
        (void)ring_send(ring);
        tell(to_domain);
        journal.compact_at = 65536; /* often, to be killed in the midst of it too */
        (void)stored_compact(&stored);
        if (!more && !wait_for(to_store)) {
            _exit(2);
        }
    }
}

/* --- the domain ------------------------------------------------------------------ */

static pid_t child;
static unsigned int kills;

static void start_store(void)
{
    child = fork();
    if (child == 0) {
        serve();
    }
    ck_assert_int_gt(child, 0);
}

static void busy(long nanoseconds)
{
    struct timespec from;
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &from);
    do {
        (void)clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - from.tv_sec) * 1000000000L + now.tv_nsec - from.tv_nsec < nanoseconds);
}

static void kill_store(void)
{
    int status;

    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFSIGNALED(status)); /* it had not given up by itself */
    kills++;
    start_store();
}

/* When the next request's store dies: before it, within it, or so many steps after it. */
enum { NOT, BEFORE, WITHIN, AFTER };
static unsigned int kill_when = NOT;
static long kill_delay;

static void perhaps_kill(unsigned int when)
{
    if (kill_when == when) {
        kill_when = NOT;
        if (when == AFTER) {
            busy(kill_delay);
        }
        kill_store();
    }
}

static uint32_t load(const uint32_t *index)
{
    return __atomic_load_n(index, __ATOMIC_SEQ_CST);
}

static void put(const void *data, uint32_t size)
{
    const char *at = data;

    while (size != 0) {
        const uint32_t produced = page->req_prod;
        const uint32_t room = XENSTORE_RING_SIZE - (produced - load(&page->req_cons));
        const uint32_t part = room < size ? room : size;

        if (part == 0) {
            ck_assert_msg(wait_for(to_domain), "the store does not empty the ring");
            continue;
        }
        for (uint32_t i = 0; i < part; i++) {
            page->req[MASK_XENSTORE_IDX(produced + i)] = at[i];
        }
        __atomic_store_n(&page->req_prod, produced + part, __ATOMIC_SEQ_CST);
        if ((int32_t)(produced - load(&page->req_cons)) <= 0) {
            tell(to_store);
        }
        at += part;
        size -= part;
    }
}

static void get(void *data, uint32_t size)
{
    char *at = data;

    while (size != 0) {
        const uint32_t consumed = page->rsp_cons;
        const uint32_t ready = load(&page->rsp_prod) - consumed;
        const uint32_t part = ready < size ? ready : size;

        ck_assert_uint_le(ready, XENSTORE_RING_SIZE);
        if (part == 0) {
            ck_assert_msg(wait_for(to_domain), "no answer comes");
            continue;
        }
        for (uint32_t i = 0; i < part; i++) {
            at[i] = page->rsp[MASK_XENSTORE_IDX(consumed + i)];
        }
        __atomic_store_n(&page->rsp_cons, consumed + part, __ATOMIC_SEQ_CST);
        if (load(&page->rsp_prod) - consumed >= XENSTORE_RING_SIZE) {
            tell(to_store);
        }
        at += part;
        size -= part;
    }
}

static unsigned int events;
static char payload[XENSTORE_PAYLOAD_MAX + 1];

static struct xsd_sockmsg message(void)
{
    struct xsd_sockmsg head;

    get(&head, sizeof(head));
    ck_assert_uint_le(head.len, XENSTORE_PAYLOAD_MAX);
    get(payload, head.len);
    payload[head.len] = '\0';
    return head;
}

/* Ask; events on the way are counted. */
static uint32_t ask(uint32_t type, uint32_t transaction, const void *data, uint32_t size)
{
    static uint32_t requests;
    const struct xsd_sockmsg head = {
        .type = type, .req_id = ++requests, .tx_id = transaction, .len = size
    };
    struct xsd_sockmsg answer;

    perhaps_kill(BEFORE);
    put(&head, sizeof(head));
    perhaps_kill(WITHIN);
    put(data, size);
    perhaps_kill(AFTER);
    for (;;) {
        answer = message();
        if (answer.type != XS_WATCH_EVENT) {
            break;
        }
        events++;
    }
    ck_assert_uint_eq(answer.req_id, head.req_id);
    return answer.type;
}

static void begin(void)
{
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(page, MAP_FAILED);
    ck_assert_int_eq(pipe2(to_store, O_NONBLOCK), 0);
    ck_assert_int_eq(pipe2(to_domain, O_NONBLOCK), 0);
    start_store();
}

START_TEST(nothing_is_lost_and_nothing_done_twice)
{
    static char text[XENSTORE_PAYLOAD_MAX];
    static const char watch[] = "data\0token";

    begin();
    ck_assert_uint_eq(ask(XS_WATCH, 0, watch, sizeof(watch)), XS_WATCH);
    for (unsigned int i = 0; i < WRITES; i++) {
        /* Now and then one that is longer than the ring. */
        const uint32_t size = i % 50 == 0 ? 1800 : 10;
        const int name = snprintf(text, 64, "data/%u", i % 7) + 1;

        (void)snprintf(text + name, 64, "%09u", i);
        if (i % 8 == 0) {
            kill_when = i / 8 % 8 == 0 ? BEFORE : i / 8 % 8 == 1 ? WITHIN : AFTER;
            kill_delay = (long)(i * 7919U % 120U) * 1000L;
        }
        ck_assert_uint_eq(ask(XS_WRITE, 0, text, (uint32_t)name + size), XS_WRITE);
        ck_assert_uint_eq(ask(XS_READ, 0, text, (uint32_t)name), XS_READ);
        ck_assert_mem_eq(payload, text + name, size);
    }
    while (events < WRITES + 1) {
        ck_assert_uint_eq(message().type, XS_WATCH_EVENT);
        events++;
    }
    ck_assert_uint_eq(page->rsp_cons, load(&page->rsp_prod));
    ck_assert_uint_eq(ask(XS_GET_DOMAIN_PATH, 0, "5", 2), XS_GET_DOMAIN_PATH);
    ck_assert_uint_eq(events, WRITES + 1); /* the watch's first, and one for each write */
    ck_assert_uint_ge(kills, WRITES / 8);
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
}
END_TEST

START_TEST(a_transaction_open_at_a_restart_ends_with_eagain)
{
    static const char node[] = "tx\0value";
    uint32_t transaction;

    begin();
    ck_assert_uint_eq(ask(XS_TRANSACTION_START, 0, "", 1), XS_TRANSACTION_START);
    transaction = (uint32_t)strtoul(payload, NULL, 10);
    ck_assert_uint_eq(ask(XS_WRITE, transaction, node, sizeof(node)), XS_WRITE);
    kill_store();
    ck_assert_uint_eq(ask(XS_WRITE, transaction, node, sizeof(node)), XS_WRITE);
    ck_assert_uint_eq(ask(XS_TRANSACTION_END, transaction, "T", 2), XS_ERROR);
    ck_assert_str_eq(payload, "EAGAIN");
    ck_assert_uint_eq(ask(XS_READ, 0, "tx", 3), XS_ERROR);
    ck_assert_str_eq(payload, "ENOENT");
    ck_assert_uint_eq(ask(XS_TRANSACTION_END, transaction, "T", 2), XS_ERROR);
    ck_assert_str_eq(payload, "ENOENT");
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
}
END_TEST

static void give_room(rlim_t bytes)
{
    allowed.rlim_cur = bytes;
    ck_assert_int_eq(prlimit(child, RLIMIT_FSIZE, &allowed, NULL), 0);
}

START_TEST(without_room_a_killed_store_comes_back_and_its_rings_go_on)
{
    static char text[1000];
    static const char watch[] = "data\0token";
    const int name = snprintf(text, sizeof(text), "data") + 1;

    (void)signal(SIGXFSZ, SIG_IGN);
    begin();
    ck_assert_uint_eq(ask(XS_WATCH, 0, watch, sizeof(watch)), XS_WATCH);
    give_room(100000);
    for (unsigned int i = 0; i < 600; i++) {
        (void)snprintf(text + name, 64, "%09u", i);
        ck_assert_uint_eq(ask(XS_WRITE, 0, text, sizeof(text)), XS_WRITE);
        if (i % 100 == 0) {
            kill_store();
        }
    }
    kill_store(); /* what the journal has is by far not all */
    ck_assert_uint_eq(ask(XS_READ, 0, "data", 5), XS_READ);
    ck_assert_uint_lt(strtoul(payload, NULL, 10), 599);
    events = 0;
    ck_assert_uint_eq(ask(XS_WRITE, 0, text, sizeof(text)), XS_WRITE);
    ck_assert_uint_eq(ask(XS_READ, 0, "data", 5), XS_READ);
    ck_assert_str_eq(payload, "000000599");
    give_room(RLIM_INFINITY);
    ck_assert_uint_eq(ask(XS_WRITE, 0, "more\0it", 7), XS_WRITE);
    ck_assert_uint_eq(ask(XS_READ, 0, "more", 5), XS_READ); /* by now the journal is new */
    kill_store();
    ck_assert_uint_eq(ask(XS_READ, 0, "more", 5), XS_READ);
    ck_assert_str_eq(payload, "it");
    ck_assert_uint_eq(ask(XS_READ, 0, "data", 5), XS_READ);
    ck_assert_str_eq(payload, "000000599");
    (void)kill(child, SIGKILL);
    (void)waitpid(child, NULL, 0);
}
END_TEST

/* --- the journal by itself --------------------------------------------------------- */

static char seen[4096];

static void note(void *context, const struct journal_record *record)
{
    const size_t used = strlen(seen);

    (void)context;
    (void)snprintf(seen + used, sizeof(seen) - used, "%u:%.*s ", record->type,
                   (int)record->parts[0].size, record->parts[0].data);
}

static void add(struct journal *journal, uint32_t type, const char *text)
{
    const struct journal_record record = { .type = type, .parts = { { text, strlen(text) } } };

    journal_add(journal, &record);
}

static const char *reopened(bool fresh)
{
    struct journal journal;

    seen[0] = '\0';
    ck_assert_int_eq(journal_open(&journal, directory, fresh, note, NULL, NULL), 0);
    journal_close(&journal);
    return seen;
}

START_TEST(what_was_not_committed_never_was)
{
    struct journal journal;
    struct journal second;

    ck_assert_int_eq(journal_open(&journal, directory, false, note, NULL, NULL), 0);
    ck_assert_int_eq(journal_open(&second, directory, false, note, NULL, NULL), -EBUSY);
    add(&journal, 1, "one");
    add(&journal, 2, "two");
    journal_commit(&journal);
    add(&journal, 3, "three");
    journal_close(&journal);
    ck_assert_str_eq(reopened(false), "1:one 2:two ");
    ck_assert_str_eq(reopened(false), "1:one 2:two ");
    ck_assert_str_eq(reopened(true), "");
    ck_assert_str_eq(reopened(false), "");
}
END_TEST

static void snapshot(void *context)
{
    add(context, 9, "all");
}

START_TEST(a_compacted_journal_has_what_the_snapshot_gave)
{
    struct journal journal;

    ck_assert_int_eq(journal_open(&journal, directory, false, note, NULL, NULL), 0);
    for (int i = 0; i < 50000; i++) {
        add(&journal, 1, "a longer text than the others");
    }
    journal_commit(&journal);
    ck_assert(journal_is_long(&journal));
    ck_assert_int_eq(journal_compact(&journal, snapshot, &journal), 0);
    ck_assert(!journal_is_long(&journal));
    add(&journal, 2, "two");
    journal_commit(&journal);
    journal_close(&journal);
    ck_assert_str_eq(reopened(false), "9:all 2:two ");
}
END_TEST

START_TEST(a_damaged_journal_is_read_as_far_as_it_makes_sense)
{
    struct journal journal;
    char path[96];
    int fd;

    ck_assert_int_eq(journal_open(&journal, directory, false, note, NULL, NULL), 0);
    add(&journal, 1, "one");
    add(&journal, 2, "two");
    journal_commit(&journal);
    journal_close(&journal);
    (void)snprintf(path, sizeof(path), "%s/journal", directory);
    fd = open(path, O_RDWR);
    ck_assert_int_ge(fd, 0);
    /* The second record's size: beyond the end. */
    ck_assert_int_eq(pwrite(fd, "\xff\xff\xff\x7f", 4, 4096 + 64), 4);
    ck_assert_str_eq(reopened(false), "1:one ");
    (void)close(fd);
}
END_TEST

/* What reopening a damaged journal says on standard error. */
static const char *said_of_it(void)
{
    static char words[256];
    int before = dup(STDERR_FILENO);
    int pipes[2];
    ssize_t count;

    ck_assert_int_eq(pipe2(pipes, O_NONBLOCK), 0);
    ck_assert_int_ge(dup2(pipes[1], STDERR_FILENO), 0);
    ck_assert_str_eq(reopened(false), "");
    ck_assert_int_ge(dup2(before, STDERR_FILENO), 0);
    count = read(pipes[0], words, sizeof(words) - 1);
    words[count < 0 ? 0 : count] = '\0';
    (void)close(pipes[0]);
    (void)close(pipes[1]);
    (void)close(before);
    return words;
}

/* Which word of the head is wrong, and with what. */
static const struct {
    off_t size; /* of the file */
    off_t at;
    uint64_t word;
} damages[] = {
    { 0, 0, 0 },
    { 100, 0, 0 },
    { 1 << 18, 0, 0x31454c4e52554f4b },
    { 1 << 18, 48, 4095 },
    { 1 << 18, 48, 1 << 19 },
};

START_TEST(a_journal_that_is_of_no_use_is_kept_aside_and_said)
{
    struct journal journal;
    struct stat status;
    char path[96];
    int fd;

    ck_assert_int_eq(journal_open(&journal, directory, true, note, NULL, NULL), 0);
    add(&journal, 1, "one");
    journal_commit(&journal);
    journal_close(&journal);
    (void)snprintf(path, sizeof(path), "%s/journal", directory);
    fd = open(path, O_RDWR);
    ck_assert_int_ge(fd, 0);
    if (damages[_i].word != 0) {
        ck_assert_int_eq(pwrite(fd, &damages[_i].word, 8, damages[_i].at), 8);
    }
    ck_assert_int_eq(ftruncate(fd, damages[_i].size), 0);
    (void)close(fd);
    ck_assert_ptr_nonnull(strstr(said_of_it(), "kept as journal.damaged"));
    ck_assert_str_eq(said_of_it(), "");
    (void)snprintf(path, sizeof(path), "%s/journal.damaged", directory);
    ck_assert_int_eq(stat(path, &status), 0);
    ck_assert_int_eq(status.st_size, damages[_i].size);
}
END_TEST

START_TEST(a_journal_of_another_boot_is_not_used_and_not_damaged)
{
    struct journal journal;
    char path[96];
    int fd;

    ck_assert_int_eq(journal_open(&journal, directory, true, note, NULL, NULL), 0);
    add(&journal, 1, "one");
    journal_commit(&journal);
    journal_close(&journal);
    (void)snprintf(path, sizeof(path), "%s/journal", directory);
    fd = open(path, O_RDWR);
    ck_assert_int_eq(pwrite(fd, "another", 7, 8), 7);
    (void)close(fd);
    ck_assert_str_eq(said_of_it(), "");
}
END_TEST

START_TEST(without_room_the_old_journal_stays_until_there_is)
{
    struct rlimit before;
    struct rlimit full = { .rlim_cur = 100000 };
    struct journal journal;
    char path[96];

    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &before), 0);
    full.rlim_max = before.rlim_max;
    (void)signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(journal_open(&journal, directory, false, note, NULL, NULL), 0);
    add(&journal, 1, "one");
    journal_commit(&journal);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &full), 0);
    while (!journal.behind) {
        add(&journal, 2, "a longer text than the others");
    }
    journal_commit(&journal);
    ck_assert(journal_is_long(&journal));
    ck_assert_int_lt(journal_compact(&journal, snapshot, &journal), 0);
    ck_assert(journal.behind);
    (void)snprintf(path, sizeof(path), "%s/journal.new", directory);
    ck_assert_int_ne(access(path, F_OK), 0);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
    journal_close(&journal);
    ck_assert_str_eq(reopened(false), "1:one ");

    ck_assert_int_eq(journal_open(&journal, directory, false, note, NULL, NULL), 0);
    journal.behind = true;
    ck_assert_int_eq(journal_compact(&journal, snapshot, &journal), 0);
    add(&journal, 2, "two");
    journal_commit(&journal);
    journal_close(&journal);
    ck_assert_str_eq(reopened(false), "9:all 2:two ");
}
END_TEST

static void set_up(void)
{
    scratch_make(directory);
}

static void tear_down(void)
{
    scratch_remove(directory);
}

int main(void)
{
    Suite *suite = suite_create("store restart");
    TCase *all = suite_case(suite, "all");

    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_set_timeout(all, 60);
    tcase_add_test(all, what_was_not_committed_never_was);
    tcase_add_test(all, a_compacted_journal_has_what_the_snapshot_gave);
    tcase_add_test(all, a_damaged_journal_is_read_as_far_as_it_makes_sense);
    tcase_add_loop_test(all, a_journal_that_is_of_no_use_is_kept_aside_and_said, 0,
                        (int)(sizeof(damages) / sizeof(damages[0])));
    tcase_add_test(all, a_journal_of_another_boot_is_not_used_and_not_damaged);
    tcase_add_test(all, without_room_the_old_journal_stays_until_there_is);
    tcase_add_test(all, without_room_a_killed_store_comes_back_and_its_rings_go_on);
    tcase_add_test(all, a_transaction_open_at_a_restart_ends_with_eagain);
    tcase_add_test(all, nothing_is_lost_and_nothing_done_twice);
    return suite_run(suite);
}
