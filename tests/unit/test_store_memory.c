/* SPDX-License-Identifier: MIT */
/*
 * Each allocation of the store fails once: whatever was asked is done or not
 * done, the tree stays whole, and nothing leaks (ASan looks at the end).
 */
#include <check.h>

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

int main(void)
{
    Suite *suite = suite_create("store memory");
    TCase *all = suite_case(suite, "all");

    tcase_set_timeout(all, 60);
    tcase_add_test(all, without_failure_the_script_does_what_it_says);
    tcase_add_test(all, every_allocation_may_fail);
    return suite_run(suite);
}
