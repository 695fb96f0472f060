/* SPDX-License-Identifier: MIT */
/*
 * dom0-tools/daemons/keeper.c and loop.c, with shell scripts for daemons.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dom0-tools/daemons/keeper.h"
#include "dom0-tools/daemons/report.h"
#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

static struct loop loop;
static struct keeper keeper;
static char directory[SCRATCH_SIZE];
static char state_file[96];
static char paths[KEEPER_SERVICES][96];

void report(const char *format, ...)
{
    (void)format;
}

static void enter(void)
{
    scratch_make(directory);
    (void)snprintf(state_file, sizeof(state_file), "%s/state", directory);
    memset(&keeper, 0, sizeof(keeper));
    keeper.loop = &loop;
    keeper.state_file = state_file;
    keeper.log_directory = directory;
    ck_assert_int_eq(loop_open(&loop), 0);
}

static void turn_until(bool (*condition)(void))
{
    uint64_t until = loop_now() + UINT64_C(20000000000);

    while (!condition()) {
        ck_assert_int_eq(loop_turn(&loop, 20), 0);
        if (loop_now() > until) {
            ck_abort_msg("waited too long");
        }
    }
}

static bool stopped(void)
{
    return loop.stop;
}

static void leave(void)
{
    keeper_stop(&keeper);
    turn_until(stopped);
    loop_close(&loop);
    scratch_remove(directory);
}

static struct service *add(const char *name, const char *script)
{
    struct service *service = &keeper.services[keeper.count];
    FILE *file;

    (void)snprintf(paths[keeper.count], sizeof(paths[0]), "%s/%s", directory, name);
    if (script != NULL) {
        file = fopen(paths[keeper.count], "we");
        ck_assert_ptr_nonnull(file);
        (void)fprintf(file, "#!/bin/sh\necho %s >> %s/order\n%s\n", name, directory, script);
        ck_assert_int_eq(fclose(file), 0);
        ck_assert_int_eq(chmod(paths[keeper.count], 0700), 0);
    }
    *service = (struct service){ .name = name, .words = { paths[keeper.count] } };
    keeper.count++;
    return service;
}

static char *contents(const char *name)
{
    static char text[4096];
    char path[128];
    ssize_t count = 0;
    int fd;

    (void)snprintf(path, sizeof(path), "%s/%s", directory, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        count = read(fd, text, sizeof(text) - 1);
        (void)close(fd);
    }
    text[count] = '\0';
    return text;
}

static bool all_run(void)
{
    return keeper_waits_for(&keeper) == NULL;
}

/* And waits for the next time: on a busy machine that may be over by the time one looks. */
static bool restarted_thrice(void)
{
    return keeper.services[0].restarts >= 3 && keeper.services[0].state == SERVICE_PAUSED;
}

static bool first_restarted(void)
{
    return keeper.services[0].restarts == 1 && all_run();
}

static bool order_is_long(void)
{
    return strlen(contents("order")) >= strlen("store\nnodes\nlater\nstore\nnodes\n");
}

START_TEST(delays_grow_and_a_good_life_forgives)
{
    unsigned int delay = 0;

    for (unsigned int i = 0; i < 20; i++) {
        unsigned int next = keeper_delay(delay, 10);

        ck_assert_uint_ge(next, delay);
        ck_assert_uint_le(next, 10000);
        delay = next;
    }
    ck_assert_uint_eq(delay, 10000);
    ck_assert_uint_eq(keeper_delay(delay, 60000), keeper_delay(0, 0));
}
END_TEST

START_TEST(what_is_to_run_once_holds_up_the_later_ones)
{
    (void)add("store", "exec sleep 1000");
    add("nodes", "sleep 0.2; echo nodes-done >> ${0%/*}/order")->once = true;
    (void)add("later", "exec sleep 1000");
    keeper_start(&keeper);
    ck_assert_str_eq(keeper_waits_for(&keeper), "nodes");
    turn_until(all_run);
    for (unsigned int i = 0; i < 100 && strstr(contents("order"), "later") == NULL; i++) {
        usleep(10000);
    }
    ck_assert_str_eq(contents("order"), "store\nnodes\nnodes-done\nlater\n");
    ck_assert_int_eq(keeper.services[1].state, SERVICE_DONE);
}
END_TEST

START_TEST(what_is_killed_comes_back_and_what_follows_it_is_done_again)
{
    (void)add("store", "exec sleep 1000");
    add("nodes", "true")->once = true;
    (void)add("later", "exec sleep 1000");
    keeper_start(&keeper);
    turn_until(all_run);
    ck_assert_int_eq(kill(keeper.services[0].process, SIGKILL), 0);
    turn_until(first_restarted);
    turn_until(order_is_long);
    ck_assert_str_eq(keeper.services[0].last, "signal 9");
    ck_assert_uint_eq(keeper.services[2].restarts, 0);
    ck_assert_ptr_nonnull(strstr(contents("state"), "store running"));
    ck_assert_ptr_nonnull(strstr(contents("state"), " 1 signal 9\n"));
}
END_TEST

START_TEST(what_cannot_stay_alive_is_tried_ever_more_slowly)
{
    (void)add("bad", "echo no >&2; exit 7");
    (void)add("good", "exec sleep 1000");
    keeper_start(&keeper);
    turn_until(restarted_thrice);
    ck_assert_str_eq(keeper.services[0].last, "exit status 7");
    ck_assert_uint_ge(keeper.services[0].delay, 200);
    ck_assert_int_eq(keeper.services[1].state, SERVICE_RUNNING);
    ck_assert_str_eq(keeper_waits_for(&keeper), "bad");
    ck_assert(strncmp(contents("bad.log"), "no\nno\nno\n", 9) == 0);
}
END_TEST

START_TEST(a_program_that_is_not_there_is_named)
{
    (void)add("nothing", NULL);
    keeper_start(&keeper);
    ck_assert_int_eq(keeper.services[0].state, SERVICE_PAUSED);
    ck_assert_ptr_nonnull(strstr(keeper.services[0].last, "No such file"));
}
END_TEST

START_TEST(the_next_keeper_finds_what_runs)
{
    struct keeper before;
    struct loop loop_before;
    pid_t process;

    (void)add("store", "exec sleep 1000");
    keeper_start(&keeper);
    turn_until(all_run);
    while (*contents("order") == '\0') {
        usleep(10000);
    }
    process = keeper.services[0].process;
    before = keeper;
    loop_before = loop;
    /* SIGKILL: its memory and descriptors go, its children stay. */
    memset(&keeper.services[0], 0, sizeof(keeper.services[0]));
    keeper.count = 0;
    memset(&keeper.tidy, 0, sizeof(keeper.tidy));
    ck_assert_int_eq(loop_open(&loop), 0);
    (void)add("store", NULL);
    keeper_start(&keeper);
    ck_assert_int_eq(keeper.services[0].process, process);
    ck_assert_str_eq(contents("order"), "store\n");
    ck_assert_int_eq(kill(process, SIGKILL), 0);
    turn_until(first_restarted);
    ck_assert_int_ne(keeper.services[0].process, process);
    (void)close(before.services[0].exit.fd);
    (void)close(loop_before.fd);
}
END_TEST

START_TEST(a_number_that_another_process_has_now_is_not_adopted)
{
    FILE *file = fopen(state_file, "we");

    (void)fprintf(file, "store running %d 12345 0 -\n", (int)getpid());
    (void)fprintf(file, "garbage\nstore\nstore running\n\n store running -5 -5\n");
    ck_assert_int_eq(fclose(file), 0);
    (void)add("store", "exec sleep 1000");
    keeper_start(&keeper);
    turn_until(all_run);
    ck_assert_int_ne(keeper.services[0].process, getpid());
}
END_TEST

START_TEST(stopping_goes_backwards_and_takes_no_refusal)
{
    (void)add("store", "trap 'echo store-ends >> ${0%/*}/order; exit' TERM\n"
                       "while :; do sleep 0.05; done");
    (void)add("later", "trap 'echo later-ends >> ${0%/*}/order; exit' TERM\n"
                       "while :; do sleep 0.05; done");
    keeper_start(&keeper);
    turn_until(all_run);
    usleep(300000);
    keeper_stop(&keeper);
    turn_until(stopped);
    ck_assert_ptr_nonnull(strstr(contents("order"), "later-ends\nstore-ends\n"));
}
END_TEST

START_TEST(what_does_not_heed_sigterm_is_killed)
{
    (void)add("deaf", "trap '' TERM; while :; do sleep 0.1; done");
    keeper_start(&keeper);
    turn_until(all_run);
    usleep(300000);
    keeper_stop(&keeper);
    turn_until(stopped);
    ck_assert_str_eq(keeper.services[0].last, "signal 9");
}
END_TEST

START_TEST(long_logs_are_shortened)
{
    static char piece[1 << 16];
    char path[128];
    struct stat facts;
    FILE *file;

    memset(piece, 'x', sizeof(piece));
    (void)snprintf(path, sizeof(path), "%s/store.log", directory);
    file = fopen(path, "we");
    for (unsigned int i = 0; i < 40; i++) {
        ck_assert_uint_eq(fwrite(piece, 1, sizeof(piece), file), sizeof(piece));
    }
    ck_assert_int_eq(fclose(file), 0);
    (void)add("store", "exec sleep 1000");
    keeper_start(&keeper);
    ck_assert_int_eq(stat(path, &facts), 0);
    ck_assert_int_eq(facts.st_size, 0);
    (void)strcat(path, ".1");
    ck_assert_int_eq(stat(path, &facts), 0);
    ck_assert_int_eq(facts.st_size, 1 << 20);
}
END_TEST

/* --- the loop ----------------------------------------------------------------------- */

static char fired[16];

static void first_fires(struct timer *timer)
{
    (void)timer;
    (void)strcat(fired, "a");
}

static void second_fires(struct timer *timer)
{
    (void)timer;
    (void)strcat(fired, "b");
}

START_TEST(timers_fire_in_order_and_once)
{
    struct timer first = { .fire = first_fires };
    struct timer second = { .fire = second_fires };
    struct timer third = { .fire = second_fires };

    fired[0] = '\0';
    loop_set_timer(&loop, &second, 20);
    loop_set_timer(&loop, &first, 10);
    loop_set_timer(&loop, &third, 15);
    loop_clear_timer(&loop, &third);
    loop_set_timer(&loop, &first, 5);
    for (unsigned int i = 0; i < 5; i++) {
        ck_assert_int_eq(loop_turn(&loop, 15), 0);
    }
    ck_assert_str_eq(fired, "ab");
    ck_assert(!first.armed);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("keeper");
    TCase *tcase = suite_case(suite, "keeper");

    tcase_set_timeout(tcase, 60);
    tcase_add_checked_fixture(tcase, enter, leave);
    tcase_add_test(tcase, delays_grow_and_a_good_life_forgives);
    tcase_add_test(tcase, what_is_to_run_once_holds_up_the_later_ones);
    tcase_add_test(tcase, what_is_killed_comes_back_and_what_follows_it_is_done_again);
    tcase_add_test(tcase, what_cannot_stay_alive_is_tried_ever_more_slowly);
    tcase_add_test(tcase, a_program_that_is_not_there_is_named);
    tcase_add_test(tcase, the_next_keeper_finds_what_runs);
    tcase_add_test(tcase, a_number_that_another_process_has_now_is_not_adopted);
    tcase_add_test(tcase, stopping_goes_backwards_and_takes_no_refusal);
    tcase_add_test(tcase, what_does_not_heed_sigterm_is_killed);
    tcase_add_test(tcase, long_logs_are_shortened);
    tcase_add_test(tcase, timers_fire_in_order_and_once);
    return suite_run(suite);
}
