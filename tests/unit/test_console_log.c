/* SPDX-License-Identifier: MIT */
/*
 * dom0-tools/console/transcript.c: a log that a kill at any moment leaves such
 * that the next instance loses nothing and repeats nothing.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dom0-tools/console/transcript.h"
#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

static char directory[SCRATCH_SIZE];
static const struct transcript_owner owner = { .domid = 7, .handle = { 1, 2, 3 } };

static void enter(void)
{
    scratch_make(directory);
}

static void leave(void)
{
    scratch_remove(directory);
}

static struct transcript open_as(const char *name, uint32_t index,
                                 const struct transcript_owner *whose)
{
    struct transcript made;
    struct vmctl_error error;
    struct transcript_place place = {
        .log_directory = directory,
        .record_directory = directory,
        .name = name,
        .limit = TRANSCRIPT_MINIMUM,
        .index = index,
    };

    if (transcript_open(&made, &place, whose, &error) != 0) {
        ck_abort_msg("%s", error.message);
    }
    return made;
}

static void append(struct transcript *transcript, const char *text)
{
    ck_assert(transcript_append(transcript, (const uint8_t *)text, strlen(text)));
}

static char *path_of(const char *file)
{
    static char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", directory, file);
    return path;
}

static long size_of(const char *file)
{
    struct stat facts;

    return stat(path_of(file), &facts) == 0 ? (long)facts.st_size : -1;
}

/* SIGKILL: nothing of what close does happens, but the kernel's part. */
static void kill_now(struct transcript *transcript)
{
    (void)close(transcript->fd);
    free(transcript->path);
    free(transcript->record);
}

START_TEST(a_new_guest_starts_where_its_page_is)
{
    struct transcript log = open_as("web", 55, &owner);

    ck_assert_uint_eq(log.index, 55);
    ck_assert_uint_eq(log.position, 0);
    append(&log, "hello");
    ck_assert_uint_eq(log.index, 60);
    ck_assert_uint_eq(log.position, 5);
    ck_assert_int_eq(size_of("web.log"), 5);
    transcript_close(&log, true);
    ck_assert_int_eq(size_of("7"), -1);
}
END_TEST

START_TEST(after_a_kill_the_file_says_what_was_taken)
{
    struct transcript log = open_as("web", 0xfffffff0, &owner);

    append(&log, "0123456789");
    append(&log, "abcdefghij");
    kill_now(&log);
    /* The page still says that nothing was taken: the kill came before that. */
    log = open_as("web", 0xfffffff0, &owner);
    ck_assert_uint_eq(log.index, 4);
    ck_assert_uint_eq(log.position, 20);
    append(&log, "more");
    kill_now(&log);
    log = open_as("web", 4, &owner);
    ck_assert_uint_eq(log.index, 8);
    ck_assert_uint_eq(log.position, 24);
    transcript_close(&log, false);
}
END_TEST

START_TEST(half_a_piece_in_the_file_counts_as_half)
{
    struct transcript log = open_as("web", 100, &owner);
    int fd;

    append(&log, "whole");
    kill_now(&log);
    fd = open(path_of("web.log"), O_WRONLY | O_APPEND);
    ck_assert_int_eq(write(fd, "ha", 2), 2);
    (void)close(fd);
    log = open_as("web", 105, &owner);
    ck_assert_uint_eq(log.index, 107);
    ck_assert_uint_eq(log.position, 7);
    transcript_close(&log, false);
}
END_TEST

START_TEST(another_guests_record_is_worth_nothing)
{
    const struct transcript_owner next = { .domid = 7, .handle = { 9 } };
    struct transcript log = open_as("web", 0, &owner);

    append(&log, "old guest");
    kill_now(&log);
    log = open_as("web", 3, &next);
    ck_assert_uint_eq(log.index, 3);
    ck_assert_uint_eq(log.position, 0);
    append(&log, "!");
    ck_assert_int_eq(size_of("web.log"), 10); /* the log of a name goes on */
    transcript_close(&log, true);
}
END_TEST

START_TEST(a_file_that_somebody_put_away_is_not_counted)
{
    struct transcript log = open_as("web", 0, &owner);

    append(&log, "0123456789");
    kill_now(&log);
    ck_assert_int_eq(unlink(path_of("web.log")), 0);
    log = open_as("web", 8, &owner);
    ck_assert_uint_eq(log.index, 8);
    kill_now(&log);
    ck_assert_int_eq(truncate(path_of("web.log"), 0), 0);
    log = open_as("web", 9, &owner);
    ck_assert_uint_ge(log.index, 8);
    transcript_close(&log, false);
}
END_TEST

START_TEST(a_damaged_record_is_not_believed)
{
    struct transcript log = open_as("web", 0, &owner);

    append(&log, "0123456789");
    kill_now(&log);
    ck_assert_int_eq(truncate(path_of("7"), 20), 0);
    log = open_as("web", 10, &owner);
    ck_assert_uint_eq(log.index, 10);
    transcript_close(&log, false);
}
END_TEST

static void fill(struct transcript *transcript, size_t count)
{
    uint8_t piece[100];

    for (size_t i = 0; i < sizeof(piece); i++) {
        piece[i] = (uint8_t)('a' + i % 26);
    }
    while (count > 0) {
        size_t now = count < sizeof(piece) ? count : sizeof(piece);

        ck_assert(transcript_append(transcript, piece, now));
        count -= now;
    }
}

START_TEST(the_log_stays_within_its_limit_and_loses_only_the_oldest)
{
    struct transcript log = open_as("web", 0, &owner);
    uint8_t tail[6000];

    fill(&log, 50000);
    ck_assert_int_le(size_of("web.log"), (long)TRANSCRIPT_MINIMUM / 2);
    ck_assert_int_le(size_of("web.log.1"), (long)TRANSCRIPT_MINIMUM / 2);
    ck_assert_int_eq(size_of("web.log.new"), -1);
    ck_assert_uint_eq(log.index, 50000);
    ck_assert_uint_eq(transcript_tail(&log, tail, sizeof(tail)),
                      (size_t)(size_of("web.log") + size_of("web.log.1")) < sizeof(tail)
                          ? (size_t)(size_of("web.log") + size_of("web.log.1"))
                          : sizeof(tail));
    kill_now(&log);
    log = open_as("web", 123, &owner);
    ck_assert_uint_eq(log.index, 50000);
    ck_assert_uint_eq(log.position, 50000);
    transcript_close(&log, true);
}
END_TEST

static void rename_file(const char *from, const char *to)
{
    char *other = strdup(path_of(from));

    ck_assert_ptr_nonnull(other);
    ck_assert_int_eq(rename(other, path_of(to)), 0);
    free(other);
}

/*
 * A rotation writes the record, then renames twice.  The three states it may be
 * killed in are made from the end of a whole one, backwards.
 */
START_TEST(a_rotation_is_finished_whenever_it_was_killed)
{
    for (unsigned int undone = 0; undone <= 2; undone++) {
        struct transcript log = open_as("web", 0, &owner);

        while (size_of("web.log.1") < 0) {
            fill(&log, 100);
        }
        fill(&log, 0);
        ck_assert_int_eq(size_of("web.log"), 100);
        ck_assert_int_eq(ftruncate(log.fd, 0), 0);
        log.index -= 100;
        kill_now(&log);
        if (undone >= 1) {
            rename_file("web.log", "web.log.new");
        }
        if (undone >= 2) {
            rename_file("web.log.1", "web.log");
        }
        log = open_as("web", 1, &owner);
        ck_assert_uint_eq(log.index, (uint32_t)size_of("web.log.1"));
        ck_assert_int_eq(size_of("web.log"), 0);
        ck_assert_int_gt(size_of("web.log.1"), 3000);
        ck_assert_int_eq(size_of("web.log.new"), -1);
        transcript_close(&log, true);
        leave();
        enter();
    }
}
END_TEST

START_TEST(a_stray_new_file_is_cleared_away)
{
    struct transcript log = open_as("web", 0, &owner);
    int fd;

    append(&log, "keep");
    kill_now(&log);
    fd = open(path_of("web.log.new"), O_WRONLY | O_CREAT, 0600);
    (void)close(fd);
    log = open_as("web", 0, &owner);
    ck_assert_uint_eq(log.index, 4);
    ck_assert_int_eq(size_of("web.log"), 4);
    ck_assert_int_eq(size_of("web.log.new"), -1);
    transcript_close(&log, true);
}
END_TEST

START_TEST(a_note_is_of_the_stream_but_not_of_the_ring)
{
    struct transcript log = open_as("web", 40, &owner);

    append(&log, "ab");
    transcript_note(&log, "[note]");
    append(&log, "cd");
    ck_assert_uint_eq(log.index, 44);
    ck_assert_uint_eq(log.position, 10);
    kill_now(&log);
    log = open_as("web", 0, &owner);
    ck_assert_uint_eq(log.index, 44);
    ck_assert_uint_eq(log.position, 10);
    transcript_close(&log, true);
}
END_TEST

START_TEST(a_log_that_cannot_be_rotated_has_a_limit_all_the_same)
{
    struct transcript log = open_as("web", 0, &owner);
    uint8_t bytes[1000];
    struct stat facts;
    char blocker[96];
    char path[96];
    bool news = true;

    memset(bytes, 'x', sizeof(bytes));
    (void)snprintf(path, sizeof(path), "%s/web.log", directory);
    (void)snprintf(blocker, sizeof(blocker), "%s/web.log.new", directory);
    ck_assert_int_eq(mkdir(blocker, 0700), 0);
    for (int i = 0; i < 50; i++) {
        news &= transcript_append(&log, bytes, sizeof(bytes));
    }
    ck_assert(!news);
    ck_assert_int_eq(stat(path, &facts), 0);
    ck_assert_uint_le((uint64_t)facts.st_size, TRANSCRIPT_MINIMUM);
    ck_assert_uint_eq(log.position, 50000);
    ck_assert_int_eq(rmdir(blocker), 0);
    append(&log, "after");
    ck_assert_int_eq(log.failure, 0);
    ck_assert_int_eq(stat(path, &facts), 0);
    ck_assert_int_lt(facts.st_size, 200); /* a new one: the note, and what came after */
    transcript_close(&log, true);
}
END_TEST

START_TEST(a_full_disk_stops_no_guest_and_is_told_afterwards)
{
    const struct rlimit small = { 10, RLIM_INFINITY };
    const struct rlimit large = { RLIM_INFINITY, RLIM_INFINITY };
    struct transcript log;
    char text[256] = "";
    int fd;

    (void)signal(SIGXFSZ, SIG_IGN);
    log = open_as("web", 0, &owner);
    append(&log, "12345678");
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    ck_assert(!transcript_append(&log, (const uint8_t *)"abcd", 4)); /* news */
    ck_assert(transcript_append(&log, (const uint8_t *)"efgh", 4));  /* no more */
    ck_assert_uint_eq(log.index, 16);
    ck_assert_uint_eq(log.dropped, 6);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &large), 0);
    append(&log, "xyz");
    ck_assert_uint_eq(log.index, 19);
    kill_now(&log);
    log = open_as("web", 0, &owner);
    ck_assert_uint_eq(log.index, 19);
    fd = open(path_of("web.log"), O_RDONLY);
    ck_assert_int_gt(read(fd, text, sizeof(text) - 1), 0);
    (void)close(fd);
    ck_assert_ptr_nonnull(strstr(text, "12345678ab"));
    ck_assert_ptr_nonnull(strstr(text, "6 bytes could not be logged"));
    ck_assert_ptr_nonnull(strstr(text, "xyz"));
    ck_assert_ptr_null(strstr(text, "efgh"));
    transcript_close(&log, true);
}
END_TEST

START_TEST(two_guests_never_write_one_log)
{
    const struct transcript_owner other = { .domid = 8 };
    struct transcript log = open_as("web", 0, &owner);
    struct transcript second;
    struct transcript_place place = {
        .log_directory = directory,
        .record_directory = directory,
        .name = "web",
        .limit = TRANSCRIPT_LIMIT,
    };

    ck_assert_int_eq(transcript_open(&second, &place, &other, NULL), -EAGAIN);
    fill(&log, 10000); /* a rotated one is held as well */
    ck_assert_int_eq(transcript_open(&second, &place, &other, NULL), -EAGAIN);
    transcript_close(&log, true);
    ck_assert_int_eq(transcript_open(&second, &place, &other, NULL), 0);
    transcript_close(&second, true);
}
END_TEST

START_TEST(names_cannot_leave_the_directory)
{
    static const char *const names[][2] = {
        { "web-1.example_com+@", "web-1.example_com+@" },
        { "../../etc/passwd", "%2E.%2F..%2Fetc%2Fpasswd" },
        { ".hidden", "%2Ehidden" },
        { "", "%" },
        { "a b\n\xff%", "a%20b%0A%FF%25" },
    };
    char *made;
    char longest[1000];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        made = transcript_file_name(names[i][0]);
        ck_assert_str_eq(made, names[i][1]);
        free(made);
    }
    memset(longest, '/', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    made = transcript_file_name(longest);
    ck_assert_uint_le(strlen(made), 203);
    free(made);
}
END_TEST

START_TEST(a_directory_that_is_not_there_is_named)
{
    struct transcript log;
    struct vmctl_error error;
    struct transcript_place place = {
        .log_directory = "/nowhere/at/all",
        .record_directory = directory,
        .name = "web",
        .limit = TRANSCRIPT_LIMIT,
    };

    ck_assert_int_eq(transcript_open(&log, &place, &owner, &error), -ENOENT);
    ck_assert_ptr_nonnull(strstr(error.message, "/nowhere/at/all/web.log"));
}
END_TEST

START_TEST(the_history_is_what_the_log_has_of_this_guest)
{
    const struct transcript_owner next = { .domid = 8 };
    struct transcript log = open_as("web", 0, &owner);
    struct history history;
    const uint8_t *bytes;
    uint64_t position = 0;

    append(&log, "the guest before");
    transcript_close(&log, true);
    log = open_as("web", 0, &next);
    append(&log, "this guest");
    kill_now(&log);
    log = open_as("web", 0, &next);
    ck_assert_int_eq(transcript_open_history(&log, &history), 0);
    ck_assert_uint_eq(history.end, 10);
    ck_assert_uint_eq(history_at(&history, &position, &bytes), 10);
    ck_assert_mem_eq(bytes, "this guest", 10);
    history_close(&history);
    transcript_close(&log, true);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("console_log");
    TCase *tcase = suite_case(suite, "console_log");

    tcase_add_checked_fixture(tcase, enter, leave);
    tcase_add_test(tcase, a_new_guest_starts_where_its_page_is);
    tcase_add_test(tcase, after_a_kill_the_file_says_what_was_taken);
    tcase_add_test(tcase, half_a_piece_in_the_file_counts_as_half);
    tcase_add_test(tcase, another_guests_record_is_worth_nothing);
    tcase_add_test(tcase, a_file_that_somebody_put_away_is_not_counted);
    tcase_add_test(tcase, a_damaged_record_is_not_believed);
    tcase_add_test(tcase, the_log_stays_within_its_limit_and_loses_only_the_oldest);
    tcase_add_test(tcase, a_rotation_is_finished_whenever_it_was_killed);
    tcase_add_test(tcase, a_stray_new_file_is_cleared_away);
    tcase_add_test(tcase, a_note_is_of_the_stream_but_not_of_the_ring);
    tcase_add_test(tcase, a_log_that_cannot_be_rotated_has_a_limit_all_the_same);
    tcase_add_test(tcase, a_full_disk_stops_no_guest_and_is_told_afterwards);
    tcase_add_test(tcase, two_guests_never_write_one_log);
    tcase_add_test(tcase, names_cannot_leave_the_directory);
    tcase_add_test(tcase, a_directory_that_is_not_there_is_named);
    tcase_add_test(tcase, the_history_is_what_the_log_has_of_this_guest);
    return suite_run(suite);
}
