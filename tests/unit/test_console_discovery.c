/* SPDX-License-Identifier: MIT */
/*
 * dom0-tools/console/discovery.c: guests that come, go and come back under the
 * same number, as the store and the hypervisor's list of domains tell it.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dom0-tools/console/discovery.h"
#include "tests/fake/fake_store.h"
#include "tests/unit/console_world.h"
#include "tests/unit/in_use.h"
#include "tests/unit/suite.h"

static struct consoles consoles;
static struct discovery discovery;

static void start_daemon(void)
{
    struct vmctl_error error;

    memset(&consoles, 0, sizeof(consoles));
    memset(&discovery, 0, sizeof(discovery));
    consoles.log_directory = world_directory();
    consoles.record_directory = world_directory();
    consoles.log_limit = TRANSCRIPT_LIMIT;
    discovery.consoles = &consoles;
    ck_assert_int_eq(loop_open(&consoles.loop), 0);
    ck_assert_int_eq(consoles_open(&consoles, &error), 0);
    ck_assert_int_eq(discovery_open(&discovery, &error), 0);
}

static void stop_daemon(void)
{
    discovery_close(&discovery);
    consoles_close(&consoles);
    loop_close(&consoles.loop);
}

static void enter(void)
{
    world_enter();
    fake_store_reset();
}

static void leave(void)
{
    stop_daemon();
    world_leave();
}

/* Long enough for the timers of discovery. */
static void turn(unsigned int milliseconds)
{
    uint64_t until = loop_now() + milliseconds * UINT64_C(1000000);

    while (loop_now() < until) {
        ck_assert_int_eq(loop_turn(&consoles.loop, 1), 0);
    }
}

static char *node(uint32_t domid, const char *name)
{
    static char path[96];

    (void)snprintf(path, sizeof(path), "/local/domain/%u/%s", domid, name);
    return path;
}

static void set_number(uint32_t domid, const char *name, uint32_t number)
{
    char text[16];

    (void)snprintf(text, sizeof(text), "%u", number);
    fake_store_set(node(domid, name), text);
}

static void write_nodes(uint32_t domid, const char *name)
{
    fake_store_set(node(domid, "name"), name);
    set_number(domid, "console/ring-ref", 5000 + domid);
    set_number(domid, "console/port", WORLD_REMOTE + domid);
}

static void create(uint32_t domid, const char *name)
{
    world_add(domid);
    write_nodes(domid, name);
    fake_store_set("@introduceDomain", "");
}

static void expect_log(const char *file, const char *wanted)
{
    char *is = world_file(file);

    ck_assert_str_eq(is, wanted);
    free(is);
}

static void drop_nodes(uint32_t domid)
{
    char path[96];

    (void)snprintf(path, sizeof(path), "/local/domain/%u", domid);
    fake_store_drop(path);
}

START_TEST(guests_that_are_there_get_their_consoles)
{
    create(3, "web");
    create(4, "db");
    world_add(5); /* has none */
    start_daemon();
    ck_assert(!discovery.settled);
    turn(100);
    ck_assert(discovery.settled);
    ck_assert_ptr_nonnull(consoles_find(&consoles, 3));
    ck_assert_ptr_nonnull(consoles_find(&consoles, 4));
    ck_assert_ptr_null(consoles_find(&consoles, 5));
    ck_assert_str_eq(fake_store_get(node(3, "console/tty")), consoles_find(&consoles, 3)->pty.name);
    (void)world_say(4, "hello");
    turn(50);
    expect_log("db.log", "hello");
}
END_TEST

START_TEST(no_node_is_made_for_a_guest_whose_nodes_are_gone)
{
    create(3, "web");
    fake_store_drop(node(3, "name"));
    start_daemon();
    turn(100);
    ck_assert_ptr_nonnull(consoles_find(&consoles, 3));
    ck_assert_ptr_null(fake_store_get(node(3, "console/tty")));
}
END_TEST

START_TEST(a_new_guest_is_found_whenever_its_nodes_come)
{
    start_daemon();
    turn(100);
    world_add(3);
    fake_store_set("@introduceDomain", "");
    turn(500);
    ck_assert_ptr_null(consoles_find(&consoles, 3));
    fake_store_set(node(3, "name"), "web");
    turn(100);
    ck_assert_ptr_null(consoles_find(&consoles, 3));
    set_number(3, "console/port", WORLD_REMOTE + 3);
    turn(100);
    ck_assert_ptr_nonnull(consoles_find(&consoles, 3));
}
END_TEST

START_TEST(a_page_that_is_not_granted_is_mapped_by_its_frame)
{
    start_daemon();
    turn(100);
    world_add(3);
    world[3].no_grant = true;
    set_number(3, "console/port", WORLD_REMOTE + 3);
    fake_store_set("@introduceDomain", "");
    turn(1000);
    ck_assert_ptr_null(consoles_find(&consoles, 3));
    set_number(3, "console/ring-ref", 5003);
    turn(1000);
    ck_assert_ptr_nonnull(consoles_find(&consoles, 3));
}
END_TEST

START_TEST(our_own_guests_are_announced_by_their_index)
{
    start_daemon();
    turn(100);
    world_add(3);
    write_nodes(3, "web");
    fake_store_set("/paravane/guest/3/log-limit", "100000");
    fake_store_set("/paravane/guest/3/name", "web");
    fake_store_set("/paravane/guest/3/console-file", world_path("own"));
    fake_store_set("/paravane/guest/3", "");
    turn(100);
    ck_assert_ptr_nonnull(consoles_find(&consoles, 3));
    ck_assert_uint_eq(consoles_find(&consoles, 3)->transcript.limit, 100000);
    ck_assert_ptr_nonnull(strstr(consoles_find(&consoles, 3)->transcript.path, "/web.log"));
    (void)world_say(3, "both");
    turn(50);
    expect_log("own", "both");
    fake_store_set("/paravane/guest/3/log-limit", "200000");
    stop_daemon();
    start_daemon();
    turn(100);
    ck_assert_uint_eq(consoles_find(&consoles, 3)->transcript.limit, 200000);
    fake_store_set("/paravane/guest/3/name", "renamed");
    (void)world_say(3, "x");
    turn(100);
    ck_assert_uint_eq(consoles_find(&consoles, 3)->transcript.limit, 200000);
    (void)world_say(3, "y");
    turn(100);
    ck_assert_ptr_nonnull(strstr(consoles_find(&consoles, 3)->transcript.path, "/renamed.log"));
}
END_TEST

/* As vmctl does: all nodes, the introduction, then the announcement. */
static void create_ours(uint32_t domid, const char *name)
{
    char path[96];

    create(domid, name);
    (void)snprintf(path, sizeof(path), "/paravane/guest/%u/name", domid);
    fake_store_set(path, name);
    (void)snprintf(path, sizeof(path), "/paravane/guest/%u", domid);
    fake_store_set(path, "");
}

START_TEST(what_was_said_while_the_store_was_away_is_heard)
{
    char own[256];
    char late[256];

    (void)snprintf(own, sizeof(own), "%s", world_path("own"));
    (void)snprintf(late, sizeof(late), "%s", world_path("late"));
    start_daemon();
    turn(100);
    create_ours(3, "web");
    turn(100);
    fake_store_away(true);
    fake_store_set("/paravane/guest/3/console-file", own);
    fake_store_set("/paravane/guest/3/name", "renamed");
    fake_store_set("/paravane/guest/4/console-file", late);
    create_ours(4, "db");
    fake_store_away(false);
    turn(500);
    (void)world_say(3, "three");
    (void)world_say(4, "four");
    turn(50);
    expect_log("renamed.log", "three");
    expect_log("own", "three");
    expect_log("late", "four");
    fake_store_set("/paravane/guest/4/name", "first");
    turn(100);
    (void)world_say(4, "!");
    turn(50);
    expect_log("first.log", "!");
}
END_TEST

/* D7: what one more guest costs does not depend on how many there are. */
START_TEST(the_tenth_guest_costs_what_the_first_did)
{
    size_t before;

    start_daemon();
    turn(100);
    for (uint32_t i = 1; i <= 10; i++) {
        before = fake_store_requests();
        create_ours(i, "some");
        turn(400);
        ck_assert_ptr_nonnull(consoles_find(&consoles, i));
        ck_assert_uint_le(fake_store_requests() - before, 6);
        ck_assert(!discovery.sweep.armed);
    }
    for (uint32_t i = 11; i <= 14; i++) {
        before = fake_store_requests();
        create(i, "other");
        turn(400);
        ck_assert_ptr_nonnull(consoles_find(&consoles, i));
        ck_assert_uint_le(fake_store_requests() - before, 7);
        ck_assert(!discovery.sweep.armed);
    }
}
END_TEST

START_TEST(one_of_ours_is_let_go_when_it_is_taken_off_the_list)
{
    start_daemon();
    turn(100);
    create_ours(3, "web");
    turn(100);
    ck_assert_ptr_nonnull(consoles_find(&consoles, 3));
    world[3].dying = true;
    fake_store_drop("/paravane/guest/3");
    turn(100);
    ck_assert_ptr_null(consoles_find(&consoles, 3));
    ck_assert(!world[3].mapped);
}
END_TEST

START_TEST(a_guest_that_is_destroyed_is_let_go)
{
    start_daemon();
    create(3, "web");
    turn(500);
    (void)world_say(3, "last words");
    world[3].dying = true;
    drop_nodes(3);
    turn(100);
    ck_assert_ptr_null(consoles_find(&consoles, 3));
    ck_assert(!world[3].mapped);
    ck_assert(!world[3].bound);
    expect_log("web.log", "last words");
    ck_assert_int_ne(access(world_path("3"), F_OK), 0);
}
END_TEST

START_TEST(one_whose_nodes_stay_is_let_go_too)
{
    start_daemon();
    create(3, "web");
    create(4, "db");
    turn(500);
    world[3].dying = true;
    fake_store_set("@releaseDomain", "");
    turn(1000);
    ck_assert_ptr_null(consoles_find(&consoles, 3));
    ck_assert_ptr_nonnull(consoles_find(&consoles, 4));
}
END_TEST

START_TEST(a_guest_outlives_its_nodes)
{
    start_daemon();
    create(3, "web");
    turn(500);
    drop_nodes(3);
    turn(100);
    ck_assert_ptr_nonnull(consoles_find(&consoles, 3));
    (void)world_say(3, "still here");
    turn(100);
    expect_log("web.log", "still here");
}
END_TEST

START_TEST(a_guest_that_exists_is_expected)
{
    start_daemon();
    ck_assert(discovery_expects(&discovery, 9)); /* nobody knows yet */
    turn(100);
    ck_assert(!discovery_expects(&discovery, 9));
    ck_assert(!discovery_expects(&discovery, 0));
    ck_assert(!discovery_expects(&discovery, UINT32_MAX));
    world_add(9);
    write_nodes(9, "web");
    ck_assert(discovery_expects(&discovery, 9));
    turn(100);
    ck_assert_ptr_nonnull(consoles_find(&consoles, 9));
}
END_TEST

START_TEST(a_number_may_be_given_to_another)
{
    start_daemon();
    create(3, "old");
    (void)world_say(3, "old words");
    turn(500);
    memset(&world[3], 0, sizeof(world[3]));
    drop_nodes(3);
    world_add(3);
    world[3].handle[0] = 99;
    write_nodes(3, "new");
    (void)world_say(3, "new words");
    fake_store_set("@introduceDomain", "");
    turn(3000);
    ck_assert_ptr_nonnull(consoles_find(&consoles, 3));
    expect_log("old.log", "old words");
    expect_log("new.log", "new words");
}
END_TEST

START_TEST(nonsense_in_the_nodes_is_nobodys_end)
{
    static const char *const words[] = { "",  "-1", "99999999999999999999", "12x",
                                         "0", " 7", "4294967296",           "../.." };

    start_daemon();
    turn(100);
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        world_add(3);
        fake_store_set(node(3, "console/ring-ref"), words[(i + 3) % 8]);
        fake_store_set(node(3, "console/port"), words[i]);
        fake_store_set("@introduceDomain", "");
        fake_store_set("/paravane/guest/3/name", words[i]);
        fake_store_set("/paravane/guest/99999999999999", words[i]);
        fake_store_set("/paravane/guest/x/y", words[i]);
        turn(100);
        ck_assert_ptr_null(consoles_find(&consoles, 3));
    }
    write_nodes(3, "../../../etc/passwd");
    turn(100);
    ck_assert_ptr_nonnull(consoles_find(&consoles, 3));
    ck_assert_int_eq(access(world_path("%2E.%2F..%2F..%2Fetc%2Fpasswd.log"), F_OK), 0);
}
END_TEST

START_TEST(a_console_that_cannot_be_had_is_spoken_of_once_and_not_of_one_about_to_go)
{
    start_daemon();
    turn(50);
    for (uint32_t domid = 3; domid <= 4; domid++) {
        world_add(domid);
        write_nodes(domid, "x");
        set_number(domid, "console/port", 1);
    }
    fake_store_set("@introduceDomain", "");
    turn(100);
    ck_assert_uint_eq(world_reports, 0);
    world[4].dying = true;
    turn(700);
    ck_assert_uint_eq(world_reports, 1);
}
END_TEST

START_TEST(a_store_that_is_away_is_waited_for)
{
    create(3, "web");
    fake_store_fail(-ECONNREFUSED);
    start_daemon();
    turn(100);
    ck_assert(!discovery.settled);
    fake_store_fail(0);
    turn(600);
    ck_assert(discovery.settled);
    ck_assert_ptr_nonnull(consoles_find(&consoles, 3));
    fake_store_fail(-ECONNREFUSED);
    (void)world_say(3, "meanwhile");
    turn(100);
    fake_store_fail(0);
    expect_log("web.log", "meanwhile");
}
END_TEST

/* Another toolstack's guest, with a lower number than one of ours that comes at the same time. */
START_TEST(a_strangers_console_is_found_beside_ours)
{
    start_daemon();
    turn(500);
    loop_clear_timer(&consoles.loop, &discovery.sweep); /* of the start, which finds all */
    create(3, "xls");
    world_add(4);
    write_nodes(4, "ours");
    fake_store_set("@introduceDomain", "");
    fake_store_set("/paravane/guest/4", "");
    turn(100);
    ck_assert_ptr_nonnull(consoles_find(&consoles, 4));
    turn(2500);
    ck_assert_ptr_nonnull(consoles_find(&consoles, 3));
}
END_TEST

/* The first half of them are vmctl's. */
static void live(uint32_t first)
{
    char path[64];

    world_first = first;
    for (uint32_t domid = first; domid < first + 8; domid++) {
        world_add(domid);
        write_nodes(domid, "web");
        (void)snprintf(path, sizeof(path), "/paravane/guest/%u", domid);
        fake_store_set(domid < first + 4 ? path : "@introduceDomain", "");
    }
    turn(300);
    for (uint32_t domid = first; domid < first + 8; domid++) {
        ck_assert_ptr_nonnull(consoles_find(&consoles, domid));
        (void)world_say(domid, "hello");
        drop_nodes(domid);
        world[domid - first].exists = false;
    }
    turn(20);
    fake_store_drop("/paravane");
    fake_store_set("@releaseDomain", "");
    turn(200);
    for (uint32_t domid = first; domid < first + 8; domid++) {
        ck_assert_ptr_null(consoles_find(&consoles, domid));
    }
}

/* Numbers rise with every guest that was ever made. */
START_TEST(what_is_gone_leaves_no_memory)
{
    size_t before;

    start_daemon();
    turn(100);
    live(1);
    before = bytes_in_use();
    live(5000);
    live(DOMID_FIRST_RESERVED - 8);
    ck_assert_uint_eq(bytes_in_use(), before);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("console_discovery");
    TCase *tcase = suite_case(suite, "console_discovery");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, enter, leave);
    tcase_add_test(tcase, guests_that_are_there_get_their_consoles);
    tcase_add_test(tcase, no_node_is_made_for_a_guest_whose_nodes_are_gone);
    tcase_add_test(tcase, a_new_guest_is_found_whenever_its_nodes_come);
    tcase_add_test(tcase, a_page_that_is_not_granted_is_mapped_by_its_frame);
    tcase_add_test(tcase, one_of_ours_is_let_go_when_it_is_taken_off_the_list);
    tcase_add_test(tcase, our_own_guests_are_announced_by_their_index);
    tcase_add_test(tcase, what_was_said_while_the_store_was_away_is_heard);
    tcase_add_test(tcase, the_tenth_guest_costs_what_the_first_did);
    tcase_add_test(tcase, a_guest_that_is_destroyed_is_let_go);
    tcase_add_test(tcase, one_whose_nodes_stay_is_let_go_too);
    tcase_add_test(tcase, a_guest_outlives_its_nodes);
    tcase_add_test(tcase, a_guest_that_exists_is_expected);
    tcase_add_test(tcase, a_number_may_be_given_to_another);
    tcase_add_test(tcase, nonsense_in_the_nodes_is_nobodys_end);
    tcase_add_test(tcase,
                   a_console_that_cannot_be_had_is_spoken_of_once_and_not_of_one_about_to_go);
    tcase_add_test(tcase, a_store_that_is_away_is_waited_for);
    tcase_add_test(tcase, a_strangers_console_is_found_beside_ours);
    tcase_add_test(tcase, what_is_gone_leaves_no_memory);
    return suite_run(suite);
}
