/* SPDX-License-Identifier: MIT */
/* What clients of the store see: requests, permissions, watches, transactions, quotas. */
#include <check.h>
#include <time.h>

#include "tests/unit/store_world.h"
#include "tests/unit/suite.h"

static struct world world;
static struct store_connection *dom0;
static struct store_connection *other;
static struct store_connection *guest;

static void set_up(void)
{
    ck_assert(world_init(&world));
    ck_assert_int_eq(stored_populate(&world.stored), 0);
    dom0 = connection_new(&world.stored, 0, false);
    other = connection_new(&world.stored, 0, false);
    ck_assert_str_eq(ASK(&world, dom0, XS_INTRODUCE, 0, "5\0001000\0003"), "OK");
    guest = domain_find(world.stored.domains, 5)->ring;
    ck_assert_ptr_nonnull(guest);
    ck_assert_str_eq(ASK(&world, dom0, XS_MKDIR, 0, "/local/domain/5"), "OK");
    ck_assert_str_eq(ASK(&world, dom0, XS_SET_PERMS, 0, "/local/domain/5\0n5"), "OK");
}

static void tear_down(void)
{
    ck_assert_ptr_null(tree_check(&world.stored.tree));
    world_free(&world);
}

/* No more messages wait for `connection`. */
static void expect_silence(struct store_connection *connection)
{
    ck_assert_msg(!world_take(&world, connection), "unexpected: %u %s", world.head.type,
                  world.payload);
}

static void expect_event(struct store_connection *connection, const char *path, const char *token)
{
    ck_assert_msg(world_take(&world, connection), "no event for %s", path);
    ck_assert_uint_eq(world.head.type, XS_WATCH_EVENT);
    ck_assert_str_eq(world.payload, path);
    ck_assert_str_eq(world.payload + strlen(path) + 1, token);
    ck_assert_uint_eq(world.head.len, strlen(path) + strlen(token) + 2);
}

#define OK(connection, type, text) ck_assert_str_eq(ASK(&world, connection, type, 0, text), "OK")
#define FAILS(connection, type, text, name) \
    expect_error(connection, type, 0, text, sizeof(text), name)

static void expect_error(struct store_connection *connection, uint32_t type, uint32_t transaction,
                         const char *text, size_t size, const char *name)
{
    const char *answer = world_ask(&world, connection, type, transaction, text, size);

    ck_assert_ptr_nonnull(answer);
    ck_assert_uint_eq(world.head.type, XS_ERROR);
    ck_assert_str_eq(answer, name);
}

static void write_value(struct store_connection *connection, uint32_t transaction, const char *path,
                        const char *value)
{
    char text[XENSTORE_PAYLOAD_MAX];
    const size_t size = strlen(path) + 1;

    memcpy(text, path, size);
    memcpy(text + size, value, strlen(value));
    ck_assert_str_eq(
        world_ask(&world, connection, XS_WRITE, transaction, text, size + strlen(value)), "OK");
}

static uint32_t begin(struct store_connection *connection)
{
    const char *answer = ASK(&world, connection, XS_TRANSACTION_START, 0, "");

    ck_assert_uint_eq(world.head.type, XS_TRANSACTION_START);
    return (uint32_t)strtoul(answer, NULL, 10);
}

/* --- nodes ----------------------------------------------------------------------- */

START_TEST(what_is_written_is_read)
{
    write_value(dom0, 0, "/a/b", "one");
    ck_assert_str_eq(ASK(&world, dom0, XS_READ, 0, "/a/b"), "one");
    ck_assert_uint_eq(world.head.len, 3);
    write_value(dom0, 0, "/a/b", "");
    ck_assert_str_eq(ASK(&world, dom0, XS_READ, 0, "/a/b"), "");
    ck_assert_uint_eq(world.head.len, 0);
}
END_TEST

START_TEST(an_answer_names_its_request)
{
    const struct xsd_sockmsg head = { .type = XS_READ, .req_id = 4711, .tx_id = 0, .len = 2 };
    char payload[] = "/\0";

    ck_assert(stored_request(dom0, &head, payload, 0));
    ck_assert(world_take(&world, dom0));
    ck_assert_uint_eq(world.head.req_id, 4711);
    ck_assert_uint_eq(world.head.type, XS_READ);
}
END_TEST

START_TEST(names_are_listed_in_order_of_their_making)
{
    OK(dom0, XS_MKDIR, "/a/z");
    OK(dom0, XS_MKDIR, "/a/b");
    ASK(&world, dom0, XS_DIRECTORY, 0, "/a");
    ck_assert_uint_eq(world.head.len, 4);
    ck_assert_mem_eq(world.payload, "z\0b\0", 4);
}
END_TEST

START_TEST(a_node_is_removed_with_all_below)
{
    OK(dom0, XS_MKDIR, "/a/b/c");
    OK(dom0, XS_RM, "/a");
    FAILS(dom0, XS_READ, "/a/b/c", "ENOENT");
    FAILS(dom0, XS_READ, "/a", "ENOENT");
    OK(dom0, XS_RM, "/a");
    FAILS(dom0, XS_RM, "/a/b", "ENOENT");
    FAILS(dom0, XS_RM, "/", "EINVAL");
}
END_TEST

START_TEST(mkdir_leaves_what_is_there)
{
    write_value(dom0, 0, "/a", "kept");
    OK(dom0, XS_MKDIR, "/a");
    ck_assert_str_eq(ASK(&world, dom0, XS_READ, 0, "/a"), "kept");
}
END_TEST

START_TEST(bad_paths_are_refused)
{
    FAILS(dom0, XS_READ, "", "EINVAL");
    FAILS(dom0, XS_READ, "//", "EINVAL");
    FAILS(dom0, XS_READ, "/a//b", "EINVAL");
    FAILS(dom0, XS_READ, "/a/", "EINVAL");
    FAILS(dom0, XS_READ, "/a b", "EINVAL");
    FAILS(dom0, XS_READ, "/a.b", "EINVAL");
    FAILS(dom0, XS_READ, "@introduceDomain", "EINVAL");
    expect_error(dom0, XS_READ, 0, "/a", 2, "EINVAL"); /* no zero byte */
    expect_error(dom0, XS_READ, 0, "", 0, "EINVAL");
}
END_TEST

START_TEST(a_path_has_only_so_many_names)
{
    char path[2 * PATH_PARTS_MAX + 3];

    for (size_t i = 0; i <= PATH_PARTS_MAX; i++) {
        memcpy(path + 2 * i, "/a", 3);
    }
    expect_error(dom0, XS_MKDIR, 0, path, sizeof(path), "EINVAL");
    path[sizeof(path) - 3] = '\0';
    ck_assert_str_eq(world_ask(&world, dom0, XS_MKDIR, 0, path, sizeof(path) - 2), "OK");
}
END_TEST

START_TEST(unknown_requests_are_refused)
{
    expect_error(dom0, 20, 0, "/", 2, "ENOSYS");
    expect_error(dom0, XS_TYPE_COUNT, 0, "/", 2, "ENOSYS");
    expect_error(dom0, 0xffffffff, 0, "", 0, "ENOSYS");
    expect_error(dom0, XS_WATCH_EVENT, 0, "/", 2, "ENOSYS");
    expect_error(dom0, XS_READ, 99, "/", 2, "ENOENT");
    expect_error(dom0, XS_WATCH, 99, "/\0t", 4, "EINVAL");
}
END_TEST

START_TEST(a_long_directory_comes_in_parts)
{
    char generation[32];
    size_t names = 0;
    size_t offset = 0;
    bool end = false;

    for (int i = 0; i < 1000; i++) {
        char path[32];
        const int size = snprintf(path, sizeof(path), "/long/name-%04d", i);

        ck_assert_str_eq(world_ask(&world, dom0, XS_MKDIR, 0, path, (size_t)size + 1), "OK");
    }
    FAILS(dom0, XS_DIRECTORY, "/long", "E2BIG");
    while (!end) {
        char text[32] = "/long";
        const int size = snprintf(text + 6, 20, "%zu", offset);
        const char *at = world_ask(&world, dom0, XS_DIRECTORY_PART, 0, text, 7 + (size_t)size);
        const char *stop = at + world.head.len;

        ck_assert_uint_eq(world.head.type, XS_DIRECTORY_PART);
        if (offset == 0) {
            ck_assert_int_lt(snprintf(generation, sizeof(generation), "%s", at), 32);
        }
        ck_assert_str_eq(at, generation);
        for (at += strlen(at) + 1; at < stop; at += strlen(at) + 1) {
            char wanted[16];

            if (*at == '\0') {
                end = true;
                break;
            }
            (void)snprintf(wanted, sizeof(wanted), "name-%04zu", names);
            ck_assert_str_eq(at, wanted);
            names++;
            offset += strlen(at) + 1;
        }
    }
    ck_assert_uint_eq(names, 1000);
}
END_TEST

/* --- permissions ----------------------------------------------------------------- */

START_TEST(a_guest_is_at_home_in_its_own_directory)
{
    write_value(guest, 0, "data/x", "mine");
    ck_assert_str_eq(ASK(&world, dom0, XS_READ, 0, "/local/domain/5/data/x"), "mine");
    ck_assert_str_eq(ASK(&world, dom0, XS_GET_PERMS, 0, "/local/domain/5/data/x"), "n5");
    ck_assert_str_eq(ASK(&world, guest, XS_GET_DOMAIN_PATH, 0, "5"), "/local/domain/5");
}
END_TEST

START_TEST(a_guest_has_no_rights_elsewhere)
{
    OK(dom0, XS_MKDIR, "/secret/deep");
    FAILS(guest, XS_READ, "/secret", "EACCES");
    FAILS(guest, XS_READ, "/secret/none", "EACCES");
    FAILS(guest, XS_DIRECTORY, "/", "EACCES");
    FAILS(guest, XS_WRITE, "/secret/x\0y", "EACCES");
    FAILS(guest, XS_RM, "/secret", "EACCES");
    FAILS(guest, XS_MKDIR, "/new", "EACCES");
    FAILS(guest, XS_SET_PERMS, "/secret\0b5", "EACCES");
    FAILS(guest, XS_CONTROL, "check", "EACCES");
    FAILS(guest, XS_INTRODUCE, "6\0001\0002", "EACCES");
    FAILS(guest, XS_RELEASE, "5", "EACCES");
    FAILS(guest, XS_SET_TARGET, "5\0000", "EACCES");
    FAILS(guest, XS_RESUME, "5", "EACCES");
    FAILS(guest, XS_WATCH, "@releaseDomain\0t", "EACCES");
}
END_TEST

START_TEST(permissions_are_as_they_are_set)
{
    write_value(dom0, 0, "/a", "v");
    OK(dom0, XS_SET_PERMS, "/a\0n0\0r5");
    ck_assert_str_eq(ASK(&world, guest, XS_READ, 0, "/a"), "v");
    FAILS(guest, XS_WRITE, "/a\0x", "EACCES");
    OK(dom0, XS_SET_PERMS, "/a\0n0\0w5");
    FAILS(guest, XS_READ, "/a", "EACCES");
    write_value(guest, 0, "/a", "x");
    OK(dom0, XS_SET_PERMS, "/a\0b0\0n5");
    FAILS(guest, XS_READ, "/a", "EACCES");
    OK(dom0, XS_SET_PERMS, "/a\0b0");
    ck_assert_str_eq(ASK(&world, guest, XS_READ, 0, "/a"), "x");
    FAILS(guest, XS_SET_PERMS, "/a\0b5", "EACCES");
    FAILS(dom0, XS_SET_PERMS, "/a\0x0", "EINVAL");
    FAILS(dom0, XS_SET_PERMS, "/a\0r", "EINVAL");
    FAILS(dom0, XS_SET_PERMS, "/a\0r99999", "EINVAL");
    FAILS(dom0, XS_SET_PERMS, "/\0n5", "EINVAL");
}
END_TEST

START_TEST(a_guest_may_give_rights_but_not_its_ownership)
{
    write_value(guest, 0, "mine", "v");
    OK(guest, XS_SET_PERMS, "mine\0n5\0r6");
    ck_assert_str_eq(ASK(&world, dom0, XS_GET_PERMS, 0, "/local/domain/5/mine"), "n5");
    FAILS(guest, XS_SET_PERMS, "mine\0n6", "EPERM");
}
END_TEST

START_TEST(children_have_their_parents_permissions)
{
    OK(dom0, XS_MKDIR, "/p");
    OK(dom0, XS_SET_PERMS, "/p\0r0\0b5");
    OK(dom0, XS_MKDIR, "/p/of-dom0");
    ASK(&world, dom0, XS_GET_PERMS, 0, "/p/of-dom0");
    ck_assert_mem_eq(world.payload, "r0\0b5\0", 6);
    OK(guest, XS_MKDIR, "/p/of-guest");
    ASK(&world, dom0, XS_GET_PERMS, 0, "/p/of-guest");
    ck_assert_mem_eq(world.payload, "r5\0b5\0", 6);
}
END_TEST

START_TEST(rights_of_a_dead_domain_are_not_inherited_by_its_number)
{
    write_value(dom0, 0, "/a", "v");
    OK(dom0, XS_SET_PERMS, "/a\0n0\0r5");
    OK(dom0, XS_RELEASE, "5");
    ck_assert_str_eq(ASK(&world, dom0, XS_IS_DOMAIN_INTRODUCED, 0, "5"), "F");
    OK(dom0, XS_INTRODUCE, "5\0001000\0003");
    guest = domain_find(world.stored.domains, 5)->ring;
    FAILS(guest, XS_READ, "/a", "EACCES");
    OK(dom0, XS_SET_PERMS, "/a\0n0\0r5");
    ck_assert_str_eq(ASK(&world, guest, XS_READ, 0, "/a"), "v");
}
END_TEST

START_TEST(a_target_lends_its_rights)
{
    OK(dom0, XS_INTRODUCE, "6\0001000\0003");
    write_value(guest, 0, "mine", "v");
    FAILS(domain_find(world.stored.domains, 6)->ring, XS_READ, "/local/domain/5/mine", "EACCES");
    OK(dom0, XS_SET_TARGET, "6\0005");
    ck_assert_str_eq(
        ASK(&world, domain_find(world.stored.domains, 6)->ring, XS_READ, 0, "/local/domain/5/mine"),
        "v");
    /* Not those of whoever has the number next. */
    OK(dom0, XS_RELEASE, "5");
    OK(dom0, XS_INTRODUCE, "5\0001000\0003");
    OK(dom0, XS_WRITE, "/local/domain/5/next\0v");
    OK(dom0, XS_SET_PERMS, "/local/domain/5/next\0n5");
    FAILS(domain_find(world.stored.domains, 6)->ring, XS_READ, "/local/domain/5/next", "EACCES");
}
END_TEST

/* --- watches --------------------------------------------------------------------- */

START_TEST(a_new_watch_fires_once)
{
    OK(dom0, XS_WATCH, "/a\0token");
    expect_event(dom0, "/a", "token");
    expect_silence(dom0);
}
END_TEST

START_TEST(a_watch_tells_of_its_node_and_below)
{
    OK(dom0, XS_WATCH, "/a\0t");
    expect_event(dom0, "/a", "t");
    write_value(other, 0, "/a/b/c", "");
    expect_event(dom0, "/a/b/c", "t");
    write_value(other, 0, "/ab", "");
    write_value(other, 0, "/", "");
    expect_silence(dom0);
    OK(other, XS_SET_PERMS, "/a/b\0n0");
    expect_event(dom0, "/a/b", "t");
    OK(other, XS_RM, "/a");
    expect_event(dom0, "/a", "t");
    expect_silence(dom0);
}
END_TEST

START_TEST(removing_tells_watches_below)
{
    OK(other, XS_MKDIR, "/a/b/c");
    OK(other, XS_MKDIR, "/a/d");
    OK(dom0, XS_WATCH, "/a/b/c\0c");
    OK(dom0, XS_WATCH, "/a/d\0d");
    OK(dom0, XS_WATCH, "/a/b/none\0none");
    while (world_take(&world, dom0)) {
    }
    OK(other, XS_RM, "/a");
    ck_assert(world_take(&world, dom0));
    if (strcmp(world.payload, "/a/d") == 0) {
        expect_event(dom0, "/a/b/c", "c");
    } else {
        ck_assert_str_eq(world.payload, "/a/b/c");
        expect_event(dom0, "/a/d", "d");
    }
    expect_silence(dom0);
}
END_TEST

START_TEST(a_relative_watch_tells_relative_paths)
{
    OK(guest, XS_WATCH, "device\0t");
    expect_event(guest, "device", "t");
    write_value(dom0, 0, "/local/domain/5/device/vbd", "");
    expect_event(guest, "device/vbd", "t");
    OK(guest, XS_WATCH, "/local/domain/5/device\0t");
    expect_event(guest, "/local/domain/5/device", "t");
    OK(guest, XS_UNWATCH, "device\0t");
    write_value(dom0, 0, "/local/domain/5/device/vbd", "");
    expect_event(guest, "/local/domain/5/device/vbd", "t");
    expect_silence(guest);
}
END_TEST

START_TEST(a_watch_has_a_depth)
{
    OK(dom0, XS_WATCH, "/a\0t\0001");
    expect_event(dom0, "/a", "t");
    write_value(other, 0, "/a/b", "");
    expect_event(dom0, "/a/b", "t");
    write_value(other, 0, "/a/b/c", "");
    expect_silence(dom0);
    FAILS(dom0, XS_WATCH, "/a\0u\0x", "EINVAL");
    FAILS(dom0, XS_WATCH, "/a", "EINVAL");
    expect_error(dom0, XS_WATCH, 0, "/a\0u", 4, "EINVAL");
}
END_TEST

START_TEST(a_guest_hears_nothing_of_what_it_may_not_read)
{
    OK(guest, XS_WATCH, "/secret\0t");
    expect_event(guest, "/secret", "t");
    write_value(dom0, 0, "/secret/x", "");
    expect_silence(guest);
    OK(dom0, XS_SET_PERMS, "/secret/x\0n0\0r5");
    expect_event(guest, "/secret/x", "t");
    OK(dom0, XS_RM, "/secret/x");
    expect_event(guest, "/secret/x", "t");
}
END_TEST

START_TEST(watches_are_known_by_path_and_token)
{
    OK(dom0, XS_WATCH, "/a\0t");
    FAILS(dom0, XS_WATCH, "/a\0t", "EEXIST");
    OK(dom0, XS_WATCH, "/a\0u");
    OK(other, XS_WATCH, "/a\0t");
    FAILS(dom0, XS_UNWATCH, "/a\0v", "ENOENT");
    OK(dom0, XS_UNWATCH, "/a\0t");
    FAILS(dom0, XS_UNWATCH, "/a\0t", "ENOENT");
    ck_assert_uint_eq(world.stored.watches.count, 2);
    OK(dom0, XS_RESET_WATCHES, "");
    OK(other, XS_UNWATCH, "/a\0t");
    ck_assert_uint_eq(world.stored.watches.count, 0);
    ck_assert_uint_eq(world.stored.watches.points, 0);
}
END_TEST

START_TEST(special_watches_tell_of_domains)
{
    OK(dom0, XS_WATCH, "@introduceDomain\0i");
    OK(dom0, XS_WATCH, "@releaseDomain\0r");
    OK(dom0, XS_WATCH, "/\0root");
    while (world_take(&world, dom0)) {
    }
    OK(other, XS_INTRODUCE, "7\0001\0002");
    expect_event(dom0, "@introduceDomain", "i");
    OK(other, XS_RELEASE, "7");
    expect_event(dom0, "@releaseDomain", "r");
    expect_silence(dom0);
    FAILS(other, XS_RELEASE, "7", "ENOENT");
    FAILS(other, XS_RELEASE, "0", "EINVAL");
    OK(dom0, XS_SET_PERMS, "@releaseDomain\0n0\0r5");
    OK(guest, XS_WATCH, "@releaseDomain\0t");
}
END_TEST

/* --- transactions ---------------------------------------------------------------- */

static void end(struct store_connection *connection, uint32_t transaction, const char *wanted)
{
    ck_assert_str_eq(ASK(&world, connection, XS_TRANSACTION_END, transaction, "T"), wanted);
}

START_TEST(a_transaction_is_seen_when_it_ends)
{
    const uint32_t transaction = begin(dom0);

    OK(other, XS_WATCH, "/t\0t");
    expect_event(other, "/t", "t");
    write_value(dom0, transaction, "/t/a", "1");
    write_value(dom0, transaction, "/t/a", "2");
    FAILS(other, XS_READ, "/t/a", "ENOENT");
    ck_assert_str_eq(ASK(&world, dom0, XS_READ, transaction, "/t/a"), "2");
    expect_silence(other);
    end(dom0, transaction, "OK");
    ck_assert_ptr_null(dom0->transactions);
    expect_event(other, "/t/a", "t");
    expect_silence(other);
    ck_assert_str_eq(ASK(&world, other, XS_READ, 0, "/t/a"), "2");
}
END_TEST

START_TEST(a_dropped_transaction_leaves_nothing)
{
    const uint32_t transaction = begin(dom0);

    write_value(dom0, 0, "/k", "v");
    write_value(dom0, transaction, "/t", "1");
    ck_assert_str_eq(ASK(&world, dom0, XS_RM, transaction, "/k"), "OK");
    ck_assert_str_eq(ASK(&world, dom0, XS_TRANSACTION_END, transaction, "F"), "OK");
    FAILS(dom0, XS_READ, "/t", "ENOENT");
    ck_assert_str_eq(ASK(&world, dom0, XS_READ, 0, "/k"), "v");
    expect_error(dom0, XS_TRANSACTION_END, transaction, "T", 2, "ENOENT");
}
END_TEST

START_TEST(what_was_seen_must_still_be_so)
{
    uint32_t transaction = begin(dom0);

    write_value(dom0, 0, "/a", "1");
    ASK(&world, dom0, XS_READ, transaction, "/a");
    write_value(other, 0, "/a", "2");
    write_value(dom0, transaction, "/b", "");
    end(dom0, transaction, "EAGAIN");
    FAILS(dom0, XS_READ, "/b", "ENOENT");

    transaction = begin(dom0); /* seen not to be there */
    expect_error(dom0, XS_READ, transaction, "/c", 3, "ENOENT");
    write_value(other, 0, "/c", "");
    end(dom0, transaction, "EAGAIN");

    transaction = begin(dom0); /* a list that was read */
    ASK(&world, dom0, XS_DIRECTORY, transaction, "/");
    OK(other, XS_MKDIR, "/d");
    end(dom0, transaction, "EAGAIN");

    transaction = begin(dom0); /* written and removed by another */
    write_value(dom0, transaction, "/a", "3");
    OK(other, XS_RM, "/a");
    end(dom0, transaction, "EAGAIN");
    ck_assert_uint_eq(world.stored.counters.conflicts, 4);
}
END_TEST

/* So that it cannot keep a transaction of dom0 from ever ending; guests have no such right. */
START_TEST(only_dom0_has_who_upset_it_held)
{
    uint32_t transaction = begin(dom0);

    write_value(guest, 0, "w", "1");
    ck_assert_str_eq(ASK(&world, dom0, XS_READ, transaction, "/local/domain/5/w"), "1");
    write_value(dom0, 0, "/elsewhere", "");
    ck_assert_str_eq(ASK(&world, dom0, XS_READ, transaction, "/elsewhere"), "");
    write_value(dom0, 0, "/elsewhere", "new");
    end(dom0, transaction, "EAGAIN");
    ck_assert_uint_eq(world.held, 0); /* that was dom0 itself */

    transaction = begin(guest);
    ck_assert_str_eq(ASK(&world, guest, XS_READ, transaction, "w"), "1");
    write_value(dom0, 0, "/local/domain/5/w", "2");
    end(guest, transaction, "EAGAIN");
    ck_assert_uint_eq(world.held, 0);

    transaction = begin(dom0);
    ck_assert_str_eq(ASK(&world, dom0, XS_READ, transaction, "/local/domain/5/w"), "2");
    OK(guest, XS_RM, "w");
    end(dom0, transaction, "EAGAIN");
    ck_assert_uint_eq(world.held, 5);
}
END_TEST

START_TEST(children_of_one_node_made_by_two_do_not_conflict)
{
    const uint32_t first = begin(dom0);
    const uint32_t second = begin(other);

    write_value(dom0, first, "/local/domain/7/name", "seven");
    write_value(other, second, "/local/domain/8/name", "eight");
    end(dom0, first, "OK");
    end(other, second, "OK");
    ck_assert_str_eq(ASK(&world, dom0, XS_READ, 0, "/local/domain/7/name"), "seven");
    ck_assert_str_eq(ASK(&world, dom0, XS_READ, 0, "/local/domain/8/name"), "eight");
}
END_TEST

START_TEST(a_transaction_sees_its_own_tree)
{
    uint32_t transaction;

    write_value(dom0, 0, "/a/old", "1");
    write_value(dom0, 0, "/a/gone", "1");
    transaction = begin(dom0);
    write_value(dom0, transaction, "/a/new/deep", "2");
    ck_assert_str_eq(ASK(&world, dom0, XS_RM, transaction, "/a/gone"), "OK");
    ASK(&world, dom0, XS_DIRECTORY, transaction, "/a");
    ck_assert_uint_eq(world.head.len, 8);
    ck_assert_mem_eq(world.payload, "old\0new\0", 8);
    /* Removed with all below, made again: nothing of before is left. */
    ck_assert_str_eq(ASK(&world, dom0, XS_RM, transaction, "/a"), "OK");
    expect_error(dom0, XS_READ, transaction, "/a/old", 7, "ENOENT");
    expect_error(dom0, XS_READ, transaction, "/a/new/deep", 12, "ENOENT");
    write_value(dom0, transaction, "/a/again", "3");
    ASK(&world, dom0, XS_DIRECTORY, transaction, "/a");
    ck_assert_uint_eq(world.head.len, 6);
    ck_assert_str_eq(world.payload, "again");
    ASK(&world, dom0, XS_DIRECTORY, transaction, "/");
    ck_assert_mem_eq(world.payload + world.head.len - 2, "a\0", 2);
    end(dom0, transaction, "OK");
    ASK(&world, dom0, XS_DIRECTORY, 0, "/a");
    ck_assert_uint_eq(world.head.len, 6);
    ck_assert_str_eq(world.payload, "again");
    ck_assert_str_eq(ASK(&world, dom0, XS_READ, 0, "/a"), "");
}
END_TEST

START_TEST(permissions_in_a_transaction)
{
    const uint32_t transaction = begin(dom0);

    write_value(dom0, transaction, "/p/q", "v");
    ck_assert_str_eq(ASK(&world, dom0, XS_SET_PERMS, transaction, "/p\0r5"), "OK");
    ck_assert_str_eq(ASK(&world, dom0, XS_GET_PERMS, transaction, "/p"), "r5");
    end(dom0, transaction, "OK");
    ck_assert_str_eq(ASK(&world, dom0, XS_GET_PERMS, 0, "/p"), "r5");
    ck_assert_str_eq(ASK(&world, dom0, XS_GET_PERMS, 0, "/p/q"), "n0");
    FAILS(guest, XS_READ, "/p/q", "EACCES");
}
END_TEST

/* --- quotas ---------------------------------------------------------------------- */

static uint64_t hits(enum quota what)
{
    return domain_find(world.stored.domains, 5)->use.hits[what];
}

START_TEST(nodes_are_limited)
{
    const int before = (int)domain_find(world.stored.domains, 5)->use.used[QUOTA_NODES];

    int made = 0;

    do {
        char text[64];
        const int size = snprintf(text, sizeof(text), "n/%d", made);

        world_ask(&world, guest, XS_MKDIR, 0, text, (size_t)size + 1);
        made++;
    } while (world.head.type != XS_ERROR);
    ck_assert_str_eq(world.payload, "ENOSPC");
    ck_assert_int_eq(before + made, 1000); /* "n" is one of them, the last was refused */
    ck_assert_uint_eq(hits(QUOTA_NODES), 1);
    write_value(dom0, 0, "/local/domain/5/by-dom0", "is never refused");
}
END_TEST

START_TEST(sizes_are_limited)
{
    char text[4000] = "big";

    memset(text + 4, 'x', sizeof(text) - 4);
    expect_error(guest, XS_WRITE, 0, text, 4 + 2049, "ENOSPC");
    ck_assert_str_eq(world_ask(&world, guest, XS_WRITE, 0, text, 4 + 2048), "OK");
    ck_assert_uint_eq(hits(QUOTA_NODE_SIZE), 1);
    memset(text, 'p', 2049);
    text[2049] = '\0';
    expect_error(guest, XS_READ, 0, text, 2050, "EINVAL");
    FAILS(guest, XS_SET_PERMS, "big\0n5\0r1\0r2\0r3\0r4\0r6", "ENOSPC");
}
END_TEST

START_TEST(watches_are_limited)
{
    for (int i = 0; i < 128; i++) {
        char text[32] = "w";
        const int size = snprintf(text + 2, 20, "t%d", i);

        ck_assert_str_eq(world_ask(&world, guest, XS_WATCH, 0, text, (size_t)size + 3), "OK");
    }
    FAILS(guest, XS_WATCH, "w\0more", "E2BIG");
    ck_assert_uint_eq(hits(QUOTA_WATCHES), 1);
    OK(guest, XS_UNWATCH, "w\0t5");
    OK(guest, XS_WATCH, "w\0more");
}
END_TEST

START_TEST(transactions_are_limited)
{
    for (int i = 0; i < 10; i++) {
        (void)begin(guest);
    }
    FAILS(guest, XS_TRANSACTION_START, "", "ENOSPC");
    ck_assert_uint_eq(hits(QUOTA_TRANSACTIONS), 1);
    OK(guest, XS_RESET_WATCHES, "");
    (void)begin(guest);
}
END_TEST

START_TEST(nodes_in_a_transaction_are_limited)
{
    const uint32_t transaction = begin(guest);
    int made = 0;

    for (; made < 2000; made++) {
        char text[64];
        const int size = snprintf(text, sizeof(text), "t/%d", made);
        const char *answer =
            world_ask(&world, guest, XS_MKDIR, transaction, text, (size_t)size + 1);

        if (world.head.type == XS_ERROR) {
            ck_assert_str_eq(answer, "ENOSPC");
            break;
        }
    }
    ck_assert_int_lt(made, 1024);
    end(guest, transaction, "OK");
}
END_TEST

START_TEST(memory_is_limited)
{
    char text[XENSTORE_PAYLOAD_MAX];
    int size = 0;

    ck_assert_str_eq(ASK(&world, dom0, XS_CONTROL, 0, "quota\0set\0memory\000100000"), "OK");
    memset(text, 'v', sizeof(text));
    for (int i = 0; i < 100; i++) {
        size = snprintf(text, 16, "m%d", i);
        text[size] = '\0';
        world_ask(&world, guest, XS_WRITE, 0, text, (size_t)size + 2000);
        if (world.head.type == XS_ERROR) {
            break;
        }
    }
    ck_assert_uint_eq(world.head.type, XS_ERROR);
    ck_assert_str_eq(world.payload, "ENOSPC");
    ck_assert_uint_eq(hits(QUOTA_MEMORY), 1);
    ck_assert_ptr_nonnull(strstr(ASK(&world, dom0, XS_CONTROL, 0, "refused"), "5 memory 1"));
    ck_assert_ptr_nonnull(strstr(ASK(&world, dom0, XS_CONTROL, 0, "quota\0005"), "100000"));
    /* Shorter values give no room back, so they make none for more. */
    for (int i = 0; i < 10; i++) {
        size = snprintf(text, 16, "m%d", i);
        world_ask(&world, guest, XS_WRITE, 0, text, (size_t)size + 1);
    }
    size = snprintf(text, 16, "more");
    world_ask(&world, guest, XS_WRITE, 0, text, (size_t)size + 2000);
    ck_assert_str_eq(world.payload, "ENOSPC");
}
END_TEST

START_TEST(a_guest_that_does_not_read_misses_events_and_is_told)
{
    OK(guest, XS_WATCH, "w\0t");
    expect_event(guest, "w", "t");
    for (int i = 0; i < 10000; i++) {
        write_value(dom0, 0, "/local/domain/5/w", "v");
    }
    ck_assert(guest->missed);
    ck_assert_uint_le(bytes_size(&guest->out), 65536);
    while (world_take(&world, guest)) {
    }
    stored_sent(guest);
    expect_event(guest, "w", "t");
    expect_silence(guest);
    write_value(dom0, 0, "/local/domain/5/w", "v");
    expect_event(guest, "w", "t");
}
END_TEST

/* --- domains --------------------------------------------------------------------- */

START_TEST(a_domain_goes_with_all_it_owns)
{
    const size_t before = world.stored.tree.count;

    write_value(guest, 0, "a/b", "");
    OK(guest, XS_WATCH, "a\0t");
    (void)begin(guest);
    OK(dom0, XS_MKDIR, "/elsewhere/5");
    OK(dom0, XS_SET_PERMS, "/elsewhere/5\0n5");
    stored_domain_gone(&world.stored, 5);
    stored_tell_released(&world.stored);
    ck_assert_uint_eq(world.stored.tree.count, before); /* its home is gone, /elsewhere came */
    ck_assert_ptr_null(domain_find(world.stored.domains, 5));
    ck_assert_uint_eq(world.stored.watches.count, 0);
    FAILS(dom0, XS_READ, "/local/domain/5", "ENOENT");
    OK(dom0, XS_MKDIR, "/elsewhere");
    stored_domain_gone(&world.stored, 5);
}
END_TEST

START_TEST(introducing_can_fail_without_trace)
{
    world.refuse_attach = true;
    FAILS(dom0, XS_INTRODUCE, "9\0001\0002", "EINVAL");
    ck_assert_ptr_null(domain_find(world.stored.domains, 9));
    ck_assert_str_eq(ASK(&world, dom0, XS_IS_DOMAIN_INTRODUCED, 0, "9"), "F");
    world.refuse_attach = false;
    FAILS(dom0, XS_INTRODUCE, "9\0001\0000", "EINVAL");
    FAILS(dom0, XS_INTRODUCE, "9\0001", "EINVAL");
    FAILS(dom0, XS_INTRODUCE, "0\0001\0002", "EINVAL");
    FAILS(dom0, XS_INTRODUCE, "99999\0001\0002", "EINVAL");
    OK(dom0, XS_INTRODUCE, "9\0001\0002");
    OK(dom0, XS_INTRODUCE, "9\0001\0003"); /* again: another port */
    ck_assert_str_eq(ASK(&world, dom0, XS_IS_DOMAIN_INTRODUCED, 0, "9"), "T");
}
END_TEST

START_TEST(an_end_is_told_once_until_resumed)
{
    ck_assert(stored_domain_shut_down(&world.stored, 5));
    ck_assert(!stored_domain_shut_down(&world.stored, 5));
    OK(dom0, XS_RESUME, "5");
    ck_assert(stored_domain_shut_down(&world.stored, 5));
}
END_TEST

START_TEST(control_answers)
{
    ck_assert_str_eq(ASK(&world, dom0, XS_CONTROL, 0, "check"), "OK");
    ck_assert_ptr_nonnull(strstr(ASK(&world, dom0, XS_CONTROL, 0, "stats"), "nodes "));
    ck_assert_ptr_nonnull(strstr(ASK(&world, dom0, XS_CONTROL, 0, "help"), "quota"));
    FAILS(dom0, XS_CONTROL, "nonsense", "EINVAL");
    FAILS(dom0, XS_CONTROL, "quota\0set\0nodes\0-1", "EINVAL");
    FAILS(dom0, XS_CONTROL, "quota\000999", "ENOENT");
}
END_TEST

/* --- cost ------------------------------------------------------------------------- */

/* Of what tools, guests and back ends do all the time. */
static void work_a_little(void)
{
    uint32_t transaction;

    write_value(dom0, 0, "/local/domain/5/data/x", "1");
    ASK(&world, dom0, XS_READ, 0, "/local/domain/5/data/x");
    ASK(&world, dom0, XS_DIRECTORY, 0, "/local/domain/5");
    OK(dom0, XS_SET_PERMS, "/local/domain/5/data/x\0n0\0r5");
    ASK(&world, guest, XS_GET_PERMS, 0, "data/x");
    OK(dom0, XS_WATCH, "/local/domain/5\0token");
    transaction = begin(dom0);
    write_value(dom0, transaction, "/local/domain/5/data/y", "2");
    ck_assert_str_eq(ASK(&world, dom0, XS_TRANSACTION_END, transaction, "T"), "OK");
    transaction = begin(dom0);
    write_value(dom0, transaction, "/local/domain/5/data/z", "3");
    ck_assert_str_eq(ASK(&world, dom0, XS_TRANSACTION_END, transaction, "F"), "OK");
    OK(dom0, XS_UNWATCH, "/local/domain/5\0token");
    OK(dom0, XS_RM, "/local/domain/5/data");
    OK(dom0, XS_INTRODUCE, "6\0001000\0003");
    OK(dom0, XS_MKDIR, "/local/domain/6/data");
    OK(dom0, XS_RELEASE, "6");
    OK(dom0, XS_RM, "/local/domain/6");
    while (world_take(&world, dom0)) {
    }
}

/* The least of some tries: of nanoseconds of the CPU, which other programs do not take. */
static int64_t cost_of_work(void)
{
    int64_t least = INT64_MAX;

    for (unsigned int i = 0; i < 20; i++) {
        struct timespec from;
        struct timespec to;
        int64_t took;

        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        for (unsigned int j = 0; j < 20; j++) {
            work_a_little();
        }
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
        took = (int64_t)(to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec - from.tv_nsec;
        least = took < least ? took : least;
    }
    return least;
}

static void add_nodes(unsigned int from, unsigned int to)
{
    char path[64];

    for (unsigned int i = from; i < to; i++) {
        (void)snprintf(path, sizeof(path), "/local/domain/%u/data/%u", 100 + i / 20, i % 20);
        write_value(dom0, 0, path, "value");
        (void)snprintf(path, sizeof(path), "/flat/%u", i);
        write_value(dom0, 0, path, "value");
    }
}

/* A hundred times the nodes and the watches; who walked them all would need a hundred times as
 * long. */
START_TEST(no_request_costs_more_with_more_nodes)
{
    int64_t with_few;
    int64_t with_many;

    add_nodes(0, 100);
    work_a_little();
    with_few = cost_of_work();
    add_nodes(100, 10000);
    with_many = cost_of_work();
    ck_assert_msg(with_many < 2 * with_few, "%lld ns with 200 nodes, %lld with 20000",
                  (long long)with_few, (long long)with_many);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("store engine");
    TCase *all = suite_case(suite, "all");

    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, what_is_written_is_read);
    tcase_add_test(all, an_answer_names_its_request);
    tcase_add_test(all, names_are_listed_in_order_of_their_making);
    tcase_add_test(all, a_node_is_removed_with_all_below);
    tcase_add_test(all, mkdir_leaves_what_is_there);
    tcase_add_test(all, bad_paths_are_refused);
    tcase_add_test(all, a_path_has_only_so_many_names);
    tcase_add_test(all, unknown_requests_are_refused);
    tcase_add_test(all, a_long_directory_comes_in_parts);
    tcase_add_test(all, a_guest_is_at_home_in_its_own_directory);
    tcase_add_test(all, a_guest_has_no_rights_elsewhere);
    tcase_add_test(all, permissions_are_as_they_are_set);
    tcase_add_test(all, a_guest_may_give_rights_but_not_its_ownership);
    tcase_add_test(all, children_have_their_parents_permissions);
    tcase_add_test(all, rights_of_a_dead_domain_are_not_inherited_by_its_number);
    tcase_add_test(all, a_target_lends_its_rights);
    tcase_add_test(all, a_new_watch_fires_once);
    tcase_add_test(all, a_watch_tells_of_its_node_and_below);
    tcase_add_test(all, removing_tells_watches_below);
    tcase_add_test(all, a_relative_watch_tells_relative_paths);
    tcase_add_test(all, a_watch_has_a_depth);
    tcase_add_test(all, a_guest_hears_nothing_of_what_it_may_not_read);
    tcase_add_test(all, watches_are_known_by_path_and_token);
    tcase_add_test(all, special_watches_tell_of_domains);
    tcase_add_test(all, a_transaction_is_seen_when_it_ends);
    tcase_add_test(all, a_dropped_transaction_leaves_nothing);
    tcase_add_test(all, what_was_seen_must_still_be_so);
    tcase_add_test(all, only_dom0_has_who_upset_it_held);
    tcase_add_test(all, children_of_one_node_made_by_two_do_not_conflict);
    tcase_add_test(all, a_transaction_sees_its_own_tree);
    tcase_add_test(all, permissions_in_a_transaction);
    tcase_add_test(all, nodes_are_limited);
    tcase_add_test(all, sizes_are_limited);
    tcase_add_test(all, watches_are_limited);
    tcase_add_test(all, transactions_are_limited);
    tcase_add_test(all, nodes_in_a_transaction_are_limited);
    tcase_add_test(all, memory_is_limited);
    tcase_add_test(all, a_guest_that_does_not_read_misses_events_and_is_told);
    tcase_add_test(all, a_domain_goes_with_all_it_owns);
    tcase_add_test(all, introducing_can_fail_without_trace);
    tcase_add_test(all, an_end_is_told_once_until_resumed);
    tcase_add_test(all, control_answers);
    tcase_add_test(all, no_request_costs_more_with_more_nodes);
    return suite_run(suite);
}
