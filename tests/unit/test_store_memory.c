/* SPDX-License-Identifier: MIT */
/*
 * Each allocation of the store fails once: whatever was asked is done or not
 * done, the tree stays whole, and nothing leaks (ASan looks at the end).  And
 * however many domains have come and gone, the memory in use is the same.
 */
#include <check.h>

#include "tests/unit/in_use.h"
#include "tests/unit/store_world.h"
#include "tests/unit/suite.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static unsigned int calls;
static unsigned int fail_at; /* 0: none */
static bool armed;           /* the store is at work, not the test */

static bool fails(void)
{
    calls += armed;
    return armed && calls == fail_at;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

static struct world world;

static const struct {
    bool by_guest;
    uint32_t type;
    uint32_t transaction;
    const char *text;
    size_t size;
} script[] = {
#define ROW(guest, type, transaction, text)          \
    {                                                \
        guest, type, transaction, text, sizeof(text) \
    }
    ROW(false, XS_INTRODUCE, 0, "5\0001000\0003"),
    ROW(false, XS_MKDIR, 0, "/local/domain/5"),
    ROW(false, XS_SET_PERMS, 0, "/local/domain/5\0n5"),
    ROW(true, XS_WATCH, 0, "data\0token"),
    ROW(false, XS_WATCH, 0, "/local/domain/5/data/x\0other"),
    ROW(true, XS_WRITE, 0, "data/x/y\0value"),
    ROW(true, XS_WRITE, 0, "data/x/y\0a much longer value than there was before, of some bytes"),
    ROW(true, XS_SET_PERMS, 0, "data/x\0n5\0r6\0w7"),
    ROW(false, XS_MKDIR, 0, "/local/domain/5/data/z"),
    ROW(true, XS_TRANSACTION_START, 0, ""),
    ROW(true, XS_READ, 1, "data/x/y"),
    ROW(true, XS_WRITE, 1, "data/t/u/v\0value"),
    ROW(true, XS_WRITE, 1, "data/x/y\0another value"),
    ROW(true, XS_SET_PERMS, 1, "data/t\0n5\0b6"),
    ROW(true, XS_RM, 1, "data/x"),
    ROW(true, XS_DIRECTORY, 1, "data"),
    ROW(true, XS_MKDIR, 1, "data/x/again"),
    ROW(true, XS_TRANSACTION_END, 1, "T"),
    ROW(true, XS_DIRECTORY, 0, "data"),
    ROW(false, XS_SET_PERMS, 0, "@releaseDomain\0n0\0r5"),
    ROW(true, XS_WATCH, 0, "@releaseDomain\0special"),
    ROW(false, XS_INTRODUCE, 0, "6\0001000\0003"),
    ROW(false, XS_RELEASE, 0, "6"),
    ROW(true, XS_UNWATCH, 0, "data\0token"),
    ROW(false, XS_RM, 0, "/local/domain/5/data"),
    ROW(false, XS_CONTROL, 0, "stats"),
#undef ROW
};

#define ROWS (sizeof(script) / sizeof(script[0]))

/* The whole script; one of its requests may meet the failure. */
static void play(void)
{
    struct store_connection *guest = NULL;
    struct store_connection *dom0;

    armed = true;
    dom0 = connection_new(&world.stored, 0, false);
    armed = false;

    for (size_t i = 0; i < ROWS && dom0 != NULL; i++) {
        const struct store_domain *domain = domain_find(world.stored.domains, 5);
        struct store_connection *who = dom0;
        bool answered;

        guest = domain == NULL ? NULL : domain->ring;
        if (script[i].by_guest) {
            who = guest;
        }
        if (who == NULL) {
            continue; /* introducing it is what failed */
        }
        armed = true;
        answered =
            world_send(who, script[i].type, script[i].transaction, script[i].text, script[i].size);
        armed = false;
        if (answered) {
            bool seen = false;

            while (world_take(&world, who)) {
                seen |= world.head.type != XS_WATCH_EVENT;
            }
            ck_assert_msg(seen, "request %zu has no answer (failure %u)", i, fail_at);
        }
        ck_assert_msg(tree_check(&world.stored.tree) == NULL, "request %zu, failure %u", i,
                      fail_at);
    }
    if (guest != NULL) {
        armed = true;
        stored_sent(guest);
        armed = false;
    }
}

START_TEST(every_allocation_may_fail)
{
    unsigned int last = 0;

    for (fail_at = 1; fail_at == 1 || calls >= fail_at - 1; fail_at++) {
        bool begun;
        bool populated;

        calls = 0;
        armed = true;
        begun = world_init(&world);
        populated = begun && stored_populate(&world.stored) == 0;
        armed = false;
        if (populated) {
            play();
        }
        if (begun) {
            world_free(&world);
        }
        last = calls;
        if (calls < fail_at) {
            break;
        }
    }
    ck_assert_uint_gt(last, 50); /* it did go through all of it */
    ck_assert_uint_ge(fail_at, last);
    fail_at = 0;
}
END_TEST

START_TEST(without_failure_the_script_does_what_it_says)
{
    fail_at = 0;
    ck_assert(world_init(&world));
    ck_assert_int_eq(stored_populate(&world.stored), 0);
    play();
    ck_assert_uint_eq(world.stored.counters.commits, 1);
    ck_assert_uint_eq(world.stored.counters.requests, ROWS);
    world_free(&world);
}
END_TEST

/* ---- Lives of many domains ------------------------------------------------------------------- */

static struct xenstore_domain_interface ring_page;

static int attach_any(void *context, struct store_connection *ring, uint64_t mfn, uint32_t port)
{
    (void)context;
    (void)mfn;
    memset(&ring_page, 0, sizeof(ring_page));
    ring->page = &ring_page;
    ring->port = port + 1;
    ring_begin(ring);
    return 0;
}

/* `text` with "%" for the domain's number and "|" for a zero byte, which one more ends. */
static void ask_of(struct store_connection *who, uint32_t domid, uint32_t type,
                   uint32_t transaction, const char *text)
{
    char payload[256];
    size_t size = 0;

    for (; *text != '\0'; text++) {
        if (*text == '%') {
            size += (size_t)snprintf(payload + size, sizeof(payload) - size, "%u", domid);
        } else {
            payload[size] = *text;
            if (*text == '|') {
                payload[size] = '\0';
            }
            size++;
        }
    }
    payload[size++] = '\0';
    ck_assert_ptr_nonnull(world_ask(&world, who, type, transaction, payload, size));
    ck_assert_msg(world.head.type == type, "%u of domain %u: %s", type, domid, world.payload);
}

/* What vmctl writes, and takes away. */
static void write_nodes(struct store_connection *vmctl, uint32_t domid)
{
    ask_of(vmctl, domid, XS_TRANSACTION_START, 0, "");
    ask_of(vmctl, domid, XS_MKDIR, vmctl->last_transaction, "/local/domain/%");
    ask_of(vmctl, domid, XS_SET_PERMS, vmctl->last_transaction, "/local/domain/%|n%");
    ask_of(vmctl, domid, XS_WRITE, vmctl->last_transaction, "/local/domain/%/name|guest");
    ask_of(vmctl, domid, XS_TRANSACTION_END, vmctl->last_transaction, "T");
    ask_of(vmctl, domid, XS_WRITE, 0, "/local/domain/0/backend/vbd/%/51712/state|1");
    ask_of(vmctl, domid, XS_SET_PERMS, 0, "/local/domain/0/backend/vbd/%/51712/state|n0|r%");
    ask_of(vmctl, domid, XS_WRITE, 0, "/paravane/guest/%/name|guest");
}

static void remove_nodes(struct store_connection *vmctl, uint32_t domid)
{
    ask_of(vmctl, domid, XS_RM, 0, "/local/domain/0/backend/vbd/%");
    ask_of(vmctl, domid, XS_RM, 0, "/paravane/guest/%");
    ask_of(vmctl, domid, XS_RM, 0, "/local/domain/%");
}

/* What a guest does, and leaves as it is. */
static void act(struct store_connection *guest, uint32_t domid)
{
    ask_of(guest, domid, XS_WATCH, 0, "device|token");
    ask_of(guest, domid, XS_WATCH, 0, "/local/domain/0/backend/vbd/%/51712/state|token");
    ask_of(guest, domid, XS_WRITE, 0, "device/vbd/51712/state|a value");
    ask_of(guest, domid, XS_SET_PERMS, 0, "device/vbd/51712/state|n%|r0");
    ask_of(guest, domid, XS_TRANSACTION_START, 0, "");
    ask_of(guest, domid, XS_WRITE, guest->last_transaction, "device/vbd/51712/port|7");
}

/* One in four is never introduced, and another is released before it ends. */
static void live(struct store_connection *daemon, uint32_t domid)
{
    struct store_connection *vmctl = connection_new(&world.stored, 0, false);

    ck_assert_ptr_nonnull(vmctl);
    write_nodes(vmctl, domid);
    ask_of(daemon, domid, XS_WATCH, 0, "/local/domain/%/console|c%");
    if (domid % 4 != 0) {
        ask_of(vmctl, domid, XS_INTRODUCE, 0, "%|1000|3");
        act(domain_find(world.stored.domains, domid)->ring, domid);
        if (domid % 4 == 1) {
            ask_of(vmctl, domid, XS_RELEASE, 0, "%");
        }
        stored_domain_gone(&world.stored, domid);
        stored_tell_released(&world.stored);
    }
    ask_of(daemon, domid, XS_UNWATCH, 0, "/local/domain/%/console|c%");
    remove_nodes(vmctl, domid);
    connection_free(vmctl);
    while (world_take(&world, daemon)) {
    }
    while (stored_next_ready(&world.stored) != NULL) {
    }
}

/* The last of them was introduced, and so has the records of those that were not dropped. */
static void live_all(struct store_connection *daemon, uint32_t first, uint32_t last)
{
    for (uint32_t domid = first; domid <= last; domid++) {
        live(daemon, domid);
    }
}

START_TEST(what_ends_leaves_nothing)
{
    const struct stored_wires wires = { attach_any, world_detach, world_hold, &world };
    struct store_connection *daemon;
    size_t before;

    ck_assert(world_init(&world));
    world.stored.wires = wires;
    ck_assert_int_eq(stored_populate(&world.stored), 0);
    daemon = connection_new(&world.stored, 0, false);
    ck_assert_ptr_nonnull(daemon);
    live_all(daemon, 1, 501);
    before = bytes_in_use();
    live_all(daemon, 502, 1001);
    live_all(daemon, STORE_DOMIDS - 10, STORE_DOMIDS - 1);
    live_all(daemon, 1, 1);
    ck_assert_uint_eq(bytes_in_use(), before);
    ck_assert_ptr_null(world.stored.domains->all->next);
    ck_assert_ptr_null(tree_check(&world.stored.tree));
    world_free(&world);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store memory");
    TCase *all = suite_case(suite, "all");

    tcase_set_timeout(all, 60);
    tcase_add_test(all, without_failure_the_script_does_what_it_says);
    tcase_add_test(all, every_allocation_may_fail);
    tcase_add_test(all, what_ends_leaves_nothing);
    return suite_run(suite);
}
