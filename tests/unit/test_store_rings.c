/* SPDX-License-Identifier: MIT */
/*
 * Guests that mean harm, on their rings: what one does costs the others and
 * dom0 no more than its turn.  The hypervisor is a few arrays in this file.
 */
#include <check.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dom0-tools/store/wires.h"
#include "libvmctl/evtchn.h"
#include "libvmctl/gntdev.h"
#include "tests/unit/store_world.h"
#include "tests/unit/suite.h"

#define GUESTS 40U
#define OURS   100U /* our port of domain n is 100 + n */
#define VIRQ   99

static struct xenstore_domain_interface pages[GUESTS];
static struct {
    bool fired;
    bool masked;
    bool storms; /* sends events without end */
    bool reads;  /* takes answers as soon as it is told of them */
    unsigned int told;
} guests[GUESTS];
static unsigned int event_reads;
static struct stored stored;
static struct wires wires;
static struct store_connection *client;
static struct world world; /* for its last message */

/* --- the hypervisor ---------------------------------------------------------------- */

int evtchn_open(struct vmctl_error *error)
{
    (void)error;
    return eventfd(0, EFD_CLOEXEC);
}

int evtchn_bind_virq(int fd, uint32_t virq)
{
    (void)fd;
    (void)virq;
    return VIRQ;
}

int evtchn_bind_interdomain(int fd, uint32_t domid, uint32_t remote_port)
{
    (void)fd;
    (void)remote_port;
    return (int)(OURS + domid);
}

int evtchn_unbind(int fd, uint32_t port)
{
    (void)fd;
    memset(&guests[port - OURS], 0, sizeof(guests[0]));
    return 0;
}

int evtchn_notify(int fd, uint32_t port)
{
    const uint32_t domid = port - OURS;

    (void)fd;
    guests[domid].told++;
    if (guests[domid].reads) {
        pages[domid].rsp_cons = pages[domid].rsp_prod;
    }
    return 0;
}

int evtchn_pending(int fd, uint32_t *ports, size_t room)
{
    size_t count = 0;

    (void)fd;
    event_reads++;
    for (uint32_t i = 0; i < GUESTS && count < room; i++) {
        if (!guests[i].masked && (guests[i].fired || guests[i].storms)) {
            guests[i].fired = false;
            guests[i].masked = true;
            ports[count] = OURS + i;
            count++;
        }
    }
    return count == 0 ? -EAGAIN : (int)count;
}

int evtchn_unmask(int fd, uint32_t port)
{
    (void)fd;
    guests[port - OURS].masked = false;
    return 0;
}

int gntdev_open(struct vmctl_error *error)
{
    (void)error;
    return eventfd(0, EFD_CLOEXEC);
}

void *gntdev_map(int fd, uint32_t domid, uint32_t ref, int prot, struct vmctl_error *error)
{
    (void)fd;
    (void)ref;
    (void)prot;
    (void)error;
    return domid < GUESTS ? &pages[domid] : NULL;
}

int gntdev_unmap(int fd, void *page)
{
    (void)fd;
    (void)page;
    return 0;
}

int privcmd_open(struct privcmd *privcmd, struct vmctl_error *error)
{
    (void)error;
    *privcmd = PRIVCMD_CLOSED;
    return 0;
}

void privcmd_close(struct privcmd *privcmd)
{
    (void)privcmd;
}

void *privcmd_buffer(struct privcmd *privcmd, size_t size)
{
    (void)privcmd;
    return calloc(1, size);
}

void privcmd_buffer_free(struct privcmd *privcmd, void *buffer, size_t size)
{
    (void)privcmd;
    (void)size;
    free(buffer);
}

void *privcmd_map_foreign(struct privcmd *privcmd, uint32_t domid, int prot, const uint64_t *frames,
                          size_t count, struct vmctl_error *error)
{
    (void)privcmd;
    (void)domid;
    (void)prot;
    (void)frames;
    (void)count;
    (void)error;
    return NULL;
}

void privcmd_unmap(void *page, size_t count)
{
    (void)page;
    (void)count;
}

int privcmd_sysctl(struct privcmd *privcmd, struct xen_sysctl *request)
{
    (void)privcmd;
    (void)request;
    return -ENOSYS;
}

/* --- guests ------------------------------------------------------------------------ */

static struct store_connection *add_guest(uint32_t domid)
{
    char text[64];
    size_t size;

    ck_assert_int_eq(stored_introduce(&stored, domid, 1, 1), 0);
    size = (size_t)snprintf(text, sizeof(text), "/local/domain/%u", domid) + 1;
    ck_assert_str_eq(world_ask(&world, client, XS_MKDIR, 0, text, size), "OK");
    size += (size_t)snprintf(text + size, sizeof(text) - size, "n%u", domid) + 1;
    ck_assert_str_eq(world_ask(&world, client, XS_SET_PERMS, 0, text, size), "OK");
    while (domains_work(&wires) || wires_send(&wires)) {
    }
    return domain_find(stored.domains, domid)->ring;
}

/* Put a request into the guest's ring, if it fits. */
static bool put_in(uint32_t transaction, uint32_t domid, uint32_t type, const char *payload,
                   size_t size)
{
    const struct xsd_sockmsg head = { .type = type, .tx_id = transaction, .len = (uint32_t)size };
    struct xenstore_domain_interface *page = &pages[domid];
    char message[sizeof(head) + 256];

    if (page->req_prod - page->req_cons + sizeof(head) + size > XENSTORE_RING_SIZE) {
        return false;
    }
    memcpy(message, &head, sizeof(head));
    memcpy(message + sizeof(head), payload, size);
    for (size_t i = 0; i < sizeof(head) + size; i++) {
        page->req[MASK_XENSTORE_IDX(page->req_prod)] = message[i];
        page->req_prod++;
    }
    guests[domid].fired = true;
    return true;
}

static bool put(uint32_t domid, uint32_t type, const char *payload, size_t size)
{
    return put_in(0, domid, type, payload, size);
}

#define PUT(domid, type, text) put((domid), (type), (text), sizeof(text))

static unsigned int fill(uint32_t domid)
{
    unsigned int count = 0;

    while (PUT(domid, XS_READ, "x")) {
        count++;
    }
    return count;
}

/* One turn of the daemon's loop; true if it would go on at once. */
static bool turn(void)
{
    bool more;

    (void)domains_wait(&wires);
    domains_events(&wires);
    more = domains_work(&wires);
    more |= wires_send(&wires);
    return more;
}

static void set_up(void)
{
    const struct stored_wires calls = { domains_attach, domains_detach, domains_hold, &wires };

    memset(pages, 0, sizeof(pages));
    memset(guests, 0, sizeof(guests));
    event_reads = 0;
    wires = WIRES_NONE;
    ck_assert_int_eq(stored_init(&stored, &calls), 0);
    ck_assert_int_eq(wires_open(&wires, &stored, NULL), 0);
    ck_assert_int_eq(domains_open(&wires, NULL), 0);
    client = connection_new(&stored, 0, false);
    ck_assert_ptr_nonnull(client);
}

static void tear_down(void)
{
    ck_assert_ptr_null(tree_check(&stored.tree));
    connection_free(client);
    wires_close(&wires);
    stored_free(&stored);
    ck_assert_ptr_null(wires.pending);
    ck_assert_ptr_null(wires.held);
    domains_close(&wires);
}

START_TEST(a_storm_of_events_is_one_event_a_turn)
{
    (void)add_guest(5);
    (void)add_guest(6);
    guests[5].storms = true;
    ck_assert(PUT(6, XS_READ, "x"));
    (void)turn();
    ck_assert_uint_eq(event_reads, 1);
    ck_assert_uint_eq(pages[6].req_cons, pages[6].req_prod);
    ck_assert_uint_gt(pages[6].rsp_prod, 0);
}
END_TEST

START_TEST(no_more_events_are_taken_before_the_requests_are_done)
{
    (void)add_guest(5);
    guests[5].storms = true;
    guests[5].reads = true;
    ck_assert_uint_gt(fill(5), 20);
    (void)turn();
    ck_assert_uint_eq(event_reads, 1);
    ck_assert_uint_eq(pages[5].req_cons, pages[5].req_prod);
    ck_assert(!guests[5].masked);
}
END_TEST

START_TEST(floods_share_and_dom0_does_not_wait)
{
    struct store_connection *kernel;
    uint64_t before;

    for (uint32_t i = 1; i < GUESTS; i++) {
        (void)add_guest(i);
    }
    kernel = connection_new(&stored, 0, true);
    ck_assert_ptr_nonnull(kernel);
    kernel->page = &pages[0];
    kernel->port = OURS;
    kernel->begun = true;
    wires.by_port[OURS] = kernel;
    for (uint32_t i = 1; i < GUESTS; i++) {
        (void)fill(i);
    }
    before = stored.counters.requests;
    ck_assert(turn());
    ck_assert_uint_le(stored.counters.requests - before, 128);
    ck_assert(PUT(0, XS_READ, "/"));
    ck_assert(turn());
    ck_assert_uint_eq(pages[0].req_cons, pages[0].req_prod);
    ck_assert_uint_gt(guests[0].told, 0);
    kernel->page = NULL; /* it was not mapped */
    kernel->port = 0;
    wires.by_port[OURS] = NULL;
}
END_TEST

/* Its watches do not fit its quota, so each time it has read all, all fire again. */
START_TEST(a_guest_that_misses_events_for_ever_holds_nobody_up)
{
    char watch[256];
    int rounds = 0;

    (void)add_guest(5);
    (void)add_guest(6);
    stored.domains->limits.limit[QUOTA_OUTSTANDING] = 900;
    memset(watch, 't', sizeof(watch));
    memcpy(watch, "w", 2);
    watch[sizeof(watch) - 1] = '\0';
    for (int c = 'a'; c < 'g'; c++) {
        watch[2] = (char)c;
        ck_assert(put(5, XS_WATCH, watch, sizeof(watch)));
        (void)turn();
        pages[5].rsp_cons = pages[5].rsp_prod;
    }
    guests[5].reads = true;
    ck_assert(PUT(5, XS_WRITE, "w"));
    (void)turn();
    ck_assert_uint_gt(stored.counters.missed_events, 0);
    ck_assert(PUT(6, XS_READ, "x"));
    while (pages[6].rsp_prod == pages[6].rsp_cons && rounds < 3) {
        (void)turn();
        rounds++;
    }
    ck_assert_uint_gt(pages[6].rsp_prod, 0);
    ck_assert_int_lt(rounds, 3);
}
END_TEST

static uint32_t begin(void)
{
    return (uint32_t)strtoul(ASK(&world, client, XS_TRANSACTION_START, 0, ""), NULL, 10);
}

START_TEST(who_upsets_dom0s_transaction_has_to_wait)
{
    const struct store_connection *ring = add_guest(5);
    uint32_t transaction;

    guests[5].reads = true;
    ck_assert(PUT(5, XS_WRITE, "w\0001"));
    (void)turn();
    transaction = begin();
    ck_assert_str_eq(ASK(&world, client, XS_READ, transaction, "/local/domain/5/w"), "1");
    ck_assert(PUT(5, XS_WRITE, "w\0002"));
    (void)turn();
    ck_assert_str_eq(ASK(&world, client, XS_TRANSACTION_END, transaction, "T"), "EAGAIN");
    ck_assert_int_ne(ring->held_till, 0);

    transaction = begin();
    ck_assert_str_eq(ASK(&world, client, XS_READ, transaction, "/local/domain/5/w"), "2");
    ck_assert(PUT(5, XS_WRITE, "w\0003"));
    ck_assert(!turn());
    ck_assert_str_eq(ASK(&world, client, XS_TRANSACTION_END, transaction, "T"), "OK");
    ck_assert_int_gt(domains_wait(&wires), 0);
    ck_assert_int_le(domains_wait(&wires), 100);
    (void)usleep(110000);
    (void)turn();
    (void)turn();
    ck_assert_int_eq(domains_wait(&wires), -1);
    ck_assert_str_eq(ASK(&world, client, XS_READ, 0, "/local/domain/5/w"), "3");
}
END_TEST

START_TEST(a_guest_has_only_so_much_of_the_stores_time)
{
    const struct store_connection *ring = add_guest(5);
    uint64_t before = stored.counters.requests;
    unsigned int turns = 0;

    guests[5].reads = true;
    while (ring->held_till == 0) {
        (void)fill(5);
        (void)turn();
        turns++;
        ck_assert_uint_lt(turns, 10000);
    }
    /* 4096 at once, and five a millisecond; each turn cost as well. */
    ck_assert_uint_ge(stored.counters.requests - before, 1000);
    before = stored.counters.requests;
    (void)fill(5);
    ck_assert(!turn());
    ck_assert_uint_eq(stored.counters.requests, before);
    ck_assert_int_gt(domains_wait(&wires), 0);
    (void)usleep(110000);
    (void)turn();
    (void)turn();
    ck_assert_uint_gt(stored.counters.requests, before);
}
END_TEST

/* How many of these requests the guest has done when it has to wait. */
static uint64_t until_held(uint32_t transaction, uint32_t domid, uint32_t type, const char *path)
{
    const struct store_connection *ring = domain_find(stored.domains, domid)->ring;
    const uint64_t before = stored.counters.requests;

    guests[domid].reads = true;
    while (ring->held_till == 0 && stored.counters.requests - before < 1000) {
        while (put_in(transaction, domid, type, path, strlen(path) + 1)) {
        }
        (void)turn();
    }
    return stored.counters.requests - before;
}

#define LEVELS 60U

static void make_deep(char path[2 * LEVELS])
{
    for (size_t i = 0; i < 2 * LEVELS; i++) {
        path[i] = i % 2 == 0 ? 'a' : '/';
    }
    path[2 * LEVELS - 1] = '\0';
}

/* To look for what is not there is to look for each node above it. */
START_TEST(deep_paths_cost_what_they_are)
{
    char path[2 * LEVELS];

    (void)add_guest(5);
    make_deep(path);
    ck_assert_uint_lt(until_held(0, 5, XS_READ, path), 200);
}
END_TEST

static void must_write(const char *path)
{
    ck_assert_str_eq(world_ask(&world, client, XS_WRITE, 0, path, strlen(path) + 1), "OK");
}

START_TEST(a_list_in_a_transaction_costs_its_length)
{
    struct store_connection *ring = add_guest(5);
    char path[64];

    for (int i = 0; i < 60; i++) {
        (void)snprintf(path, sizeof(path), "/local/domain/5/list/%d", i);
        must_write(path);
    }
    ck_assert_ptr_nonnull(connection_begin_transaction(ring, 9));
    ck_assert_uint_lt(until_held(9, 5, XS_DIRECTORY, "list"), 200);
}
END_TEST

START_TEST(what_a_transaction_has_changed_costs_each_removal_and_list)
{
    uint64_t before;

    ck_assert_ptr_nonnull(connection_begin_transaction(add_guest(5), 9));
    guests[5].reads = true;
    for (int i = 0; i < 60; i++) {
        char path[16];

        (void)snprintf(path, sizeof(path), "w%d", i);
        ck_assert(put_in(9, 5, XS_WRITE, path, strlen(path) + 1));
        (void)turn();
    }
    before = stored.counters.steps;
    ck_assert(put_in(9, 5, XS_RM, "w1", sizeof("w1")));
    (void)turn();
    ck_assert_uint_ge(stored.counters.steps - before, 60);
    ck_assert_uint_lt(until_held(9, 5, XS_DIRECTORY, "w2"), 200);
}
END_TEST

START_TEST(whether_it_was_removed_costs_each_level)
{
    char path[2 * LEVELS + 32] = "/local/domain/5/";
    struct store_connection *ring = add_guest(5);

    make_deep(path + strlen(path));
    must_write(path);
    must_write("/local/domain/5/x");
    ck_assert_ptr_nonnull(connection_begin_transaction(ring, 9));
    ck_assert(put_in(9, 5, XS_RM, "x", sizeof("x")));
    (void)turn();
    ck_assert_uint_lt(until_held(9, 5, XS_READ, path), 200);
}
END_TEST

START_TEST(a_held_guest_may_go)
{
    struct store_connection *ring = add_guest(5);

    (void)add_guest(6);
    domains_hold(&wires, ring);
    domains_hold(&wires, domain_find(stored.domains, 6)->ring);
    stored_domain_gone(&stored, 5);
    ck_assert_ptr_null(wires.by_port[OURS + 5]);
    ck_assert_ptr_eq(wires.held, domain_find(stored.domains, 6)->ring);
    ck_assert_ptr_null(wires.held->next_pending);
}
END_TEST

START_TEST(an_impossible_index_stops_its_ring_alone)
{
    (void)add_guest(5);
    (void)add_guest(6);
    pages[5].req_prod = pages[5].req_cons + XENSTORE_RING_SIZE + 1;
    guests[5].fired = true;
    ck_assert(PUT(6, XS_READ, "x"));
    (void)turn();
    ck_assert_uint_eq(pages[5].error, XENSTORE_ERROR_RINGIDX);
    ck_assert_uint_gt(pages[6].rsp_prod, 0);
    /* It asks to begin anew. */
    pages[5].connection = XENSTORE_RECONNECT;
    guests[5].fired = true;
    while (turn()) {
    }
    ck_assert_uint_eq(pages[5].error, XENSTORE_ERROR_NONE);
    ck_assert(PUT(5, XS_READ, "x"));
    (void)turn();
    ck_assert_uint_gt(pages[5].rsp_prod, 0);
}
END_TEST

START_TEST(a_ring_introduced_again_is_served_again)
{
    (void)add_guest(5);
    pages[5].req_prod = pages[5].req_cons + XENSTORE_RING_SIZE + 1;
    guests[5].fired = true;
    (void)turn();
    ck_assert_uint_eq(pages[5].error, XENSTORE_ERROR_RINGIDX);
    pages[5].req_prod = pages[5].req_cons;
    ck_assert_int_eq(stored_introduce(&stored, 5, 1, 1), 0);
    ck_assert_uint_eq(pages[5].error, XENSTORE_ERROR_NONE);
    ck_assert(PUT(5, XS_READ, "x"));
    (void)turn();
    ck_assert_uint_gt(pages[5].rsp_prod, 0);
}
END_TEST

/* --- clients of the socket --------------------------------------------------------- */

/* What the loop does for one client. */
static void serve_client(struct store_connection *connection)
{
    struct epoll_event event;

    if (epoll_wait(wires.epoll, &event, 1, 0) == 1) {
        ck_assert_ptr_eq(event.data.ptr, connection);
        sockets_event(&wires, connection, event.events);
    }
    (void)wires_send(&wires);
}

START_TEST(requests_sent_far_ahead_are_all_answered)
{
    static const struct xsd_sockmsg request = { .type = XS_READ, .len = 3 };
    static const char value[2000] = "/v";
    const size_t all = 400 * (sizeof(request) + sizeof(value) - 3);
    struct store_connection *connection = connection_new(&stored, 0, false);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = connection };
    char requests[400][sizeof(request) + 3];
    char answers[16384];
    size_t got = 0;
    int ends[2];

    ck_assert_str_eq(world_ask(&world, client, XS_WRITE, 0, value, sizeof(value)), "OK");
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    connection->fd = ends[0];
    connection->polled = EPOLLIN;
    ck_assert_int_eq(epoll_ctl(wires.epoll, EPOLL_CTL_ADD, ends[0], &event), 0);
    for (int i = 0; i < 400; i++) {
        memcpy(requests[i], &request, sizeof(request));
        memcpy(requests[i] + sizeof(request), "/v", 3);
    }
    ck_assert_int_eq(write(ends[1], requests, sizeof(requests)), (ssize_t)sizeof(requests));
    for (int turns = 0; turns < 1000 && got < all; turns++) {
        ssize_t size;

        serve_client(connection);
        while ((size = read(ends[1], answers, sizeof(answers))) > 0) {
            got += (size_t)size;
        }
    }
    ck_assert_uint_eq(got, all);
    (void)close(ends[1]);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store rings");
    TCase *all = suite_case(suite, "all");

    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_set_timeout(all, 20);
    tcase_add_test(all, a_storm_of_events_is_one_event_a_turn);
    tcase_add_test(all, no_more_events_are_taken_before_the_requests_are_done);
    tcase_add_test(all, floods_share_and_dom0_does_not_wait);
    tcase_add_test(all, a_guest_that_misses_events_for_ever_holds_nobody_up);
    tcase_add_test(all, who_upsets_dom0s_transaction_has_to_wait);
    tcase_add_test(all, a_guest_has_only_so_much_of_the_stores_time);
    tcase_add_test(all, deep_paths_cost_what_they_are);
    tcase_add_test(all, a_list_in_a_transaction_costs_its_length);
    tcase_add_test(all, what_a_transaction_has_changed_costs_each_removal_and_list);
    tcase_add_test(all, whether_it_was_removed_costs_each_level);
    tcase_add_test(all, a_held_guest_may_go);
    tcase_add_test(all, an_impossible_index_stops_its_ring_alone);
    tcase_add_test(all, a_ring_introduced_again_is_served_again);
    tcase_add_test(all, requests_sent_far_ahead_are_all_answered);
    return suite_run(suite);
}
