/* SPDX-License-Identifier: MIT */
/*
 * The core's command line: what each option takes, what is complained about, and
 * that what is refused changes nothing.
 */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hypervisor/boot/options.h"
#include "hypervisor/lib/cpumask.h"
#include "tests/unit/suite.h"

static struct options defaults;
static unsigned int complaints;
static char last_option[160], last_reason[160], help[2048];

/* "option WORD: REASON; ignored" of complaints; the lines of help one after the other. */
void log_print(enum log_level level, const char *format, ...)
{
    char line[320];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    ck_assert_int_eq(strncmp(line, "option ", 7), 0);
    if (level == LOG_WARNING) {
        char *reason = strstr(line, ": "), *end = strstr(line, "; ignored\n");

        complaints++;
        ck_assert(reason != NULL && end != NULL && reason < end);
        snprintf(last_option, sizeof(last_option), "%.*s", (int)(reason - line - 7), line + 7);
        snprintf(last_reason, sizeof(last_reason), "%.*s", (int)(end - reason - 2), reason + 2);
    } else {
        ck_assert_uint_lt(strlen(help) + strlen(line), sizeof(help));
        strcat(help, line);
    }
}

static void setup(void)
{
    defaults = options;
    complaints = 0;
}

/* From a block of exactly its size, so that a read beyond it is seen. */
static void parse(const char *text)
{
    char *copy = strdup(text);

    options = defaults;
    complaints = 0;
    last_option[0] = '\0';
    help[0] = '\0';
    options_parse(copy, true);
    free(copy);
}

static void parse_good(const char *text)
{
    parse(text);
    ck_assert_msg(complaints == 0, "%s: %s", text, last_reason);
}

static bool same(void)
{
    return options.console.com == defaults.console.com &&
           options.console.baud == defaults.console.baud &&
           options.console.polled == defaults.console.polled &&
           options.log_level == defaults.log_level && options.dom0_mem == defaults.dom0_mem &&
           options.dom0_max_vcpus == defaults.dom0_max_vcpus &&
           options.maxcpus == defaults.maxcpus && options.noreboot == defaults.noreboot;
}

START_TEST(the_defaults_are_what_the_manual_says)
{
    ck_assert_uint_eq(options.console.com, 1);
    ck_assert_uint_eq(options.console.baud, 115200);
    ck_assert(!options.console.polled);
    ck_assert_int_eq(options.log_level, LOG_INFO);
    ck_assert_uint_eq(options.dom0_mem, 0);
    ck_assert_uint_eq(options.dom0_max_vcpus, 0);
    ck_assert_uint_eq(options.maxcpus, CPU_LIMIT);
    ck_assert(!options.noreboot);
    parse_good("");
    ck_assert(same());
    parse_good("     ");
    ck_assert(same());
}
END_TEST

START_TEST(a_console_is_a_port_with_a_rate_and_poll_or_none)
{
    static const struct {
        const char *text;
        struct console_port port;
    } good[] = {
        { "com1", { 1, 115200, false } },        { "com2", { 2, 115200, false } },
        { "com2,57600", { 2, 57600, false } },   { "com1,9600,8n1", { 1, 9600, false } },
        { "com1,9600,poll", { 1, 9600, true } }, { "com2,9600,8n1,poll", { 2, 9600, true } },
    };
    char text[64];

    for (unsigned int i = 0; i < ARRAY_SIZE(good); i++) {
        snprintf(text, sizeof(text), "console=%s", good[i].text);
        parse_good(text);
        ck_assert_uint_eq(options.console.com, good[i].port.com);
        ck_assert_uint_eq(options.console.baud, good[i].port.baud);
        ck_assert_int_eq(options.console.polled, good[i].port.polled);
    }
    parse_good("console=none");
    ck_assert_uint_eq(options.console.com, 0);
}
END_TEST

START_TEST(a_log_level_is_one_of_four)
{
    static const char *const names[] = { "error", "warning", "info", "debug" };

    for (unsigned int i = 0; i < ARRAY_SIZE(names); i++) {
        char text[64] = "loglvl=";

        parse_good(strcat(text, names[i]));
        ck_assert_int_eq(options.log_level, i);
    }
}
END_TEST

START_TEST(dom0_s_memory_is_a_size)
{
    parse_good("dom0_mem=512M");
    ck_assert_uint_eq(options.dom0_mem, UINT64_C(512) << 20);
    parse_good("dom0_mem=2g");
    ck_assert_uint_eq(options.dom0_mem, UINT64_C(2) << 30);
    parse_good("dom0_mem=1048576");
    ck_assert_uint_eq(options.dom0_mem, 1048576);
    parse_good("dom0_mem=768M,max:1024M");
    ck_assert_uint_eq(options.dom0_mem, UINT64_C(768) << 20);
    parse_good("dom0_mem=0");
    ck_assert_uint_eq(options.dom0_mem, 0);
}
END_TEST

START_TEST(counts_of_cpus_go_from_1_to_256)
{
    parse_good("maxcpus=1 dom0_max_vcpus=256");
    ck_assert_uint_eq(options.maxcpus, 1);
    ck_assert_uint_eq(options.dom0_max_vcpus, 256);
    parse_good("dom0_max_vcpus=3 maxcpus=7 maxcpus=5");
    ck_assert_uint_eq(options.maxcpus, 5);
    ck_assert_uint_eq(options.dom0_max_vcpus, 3);
}
END_TEST

START_TEST(flags_stand_alone_or_take_0_or_1)
{
    parse_good("noreboot");
    ck_assert(options.noreboot);
    parse_good("noreboot=1");
    ck_assert(options.noreboot);
    parse_good("noreboot=");
    ck_assert(options.noreboot);
    parse_good("noreboot=0");
    ck_assert(!options.noreboot);
    parse_good("noreboot noreboot=0");
    ck_assert(!options.noreboot);
    parse_good("nosmp");
    ck_assert(options.nosmp);
    parse_good("nosmp=0");
    ck_assert(!options.nosmp);
}
END_TEST

START_TEST(what_is_malformed_is_complained_about_and_changes_nothing)
{
    static const char *const bad[] = {
        "console=",
        "console=com3",
        "console=com",
        "console=com1x",
        "console=com12",
        "console=none,9600",
        "console=nonet",
        "console=com1,115200,8n1,xxxx",
        "console=com1,",
        "console=com1,0",
        "console=com1,115201",
        "console=com1,fast",
        "console=com1,poll",
        "console=com1,9600,polled",
        "loglvl=",
        "loglvl=loud",
        "loglvl=infos",
        "loglvl=inf",
        "loglvl=INFO",
        "dom0_mem=",
        "dom0_mem=M",
        "dom0_mem=512X",
        "dom0_mem=512Mx",
        "dom0_mem=512M,min:4M",
        "dom0_mem=-1",
        "dom0_mem=99999999999999999999",
        "dom0_mem=512",
        "dom0_mem=1023K",
        "maxcpus=0",
        "maxcpus=257",
        "maxcpus=",
        "maxcpus=two",
        "maxcpus=2x",
        "maxcpus=4294967297",
        "noreboot=2",
        "noreboot=yes",
        "noreboot=01",
        "nosmp=x",
        "dom0_max_vcpus",
        "maxcpus",
        "console",
        "dom0_mem",
        "loglvl",
        "unknown",
        "unknown=1",
        "maxcpu=1",
        "maxcpuss=1",
        "=",
        "=1",
        "noreboot1",
        "MAXCPUS=1",
        "dom0_max_vcpus=0x101",
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
        parse(bad[i]);
        ck_assert_msg(complaints == 1, "%s: %u complaints", bad[i], complaints);
        ck_assert_str_eq(last_option, bad[i]);
        ck_assert_uint_gt(strlen(last_reason), 0);
        ck_assert_msg(same(), "%s changed something", bad[i]);
    }
}
END_TEST

START_TEST(options_stand_apart_by_any_number_of_spaces)
{
    parse("  maxcpus=2   bogus  noreboot   ");
    ck_assert_uint_eq(complaints, 1);
    ck_assert_str_eq(last_option, "bogus");
    ck_assert_uint_eq(options.maxcpus, 2);
    ck_assert(options.noreboot);
}
END_TEST

START_TEST(a_word_of_any_length_is_taken_or_complained_about)
{
    for (size_t length = 100; length < 200; length++) {
        char text[256] = "maxcpus=";

        /* Leading zeros up to the length. */
        memset(text + 8, '0', length - 9);
        strcpy(text + length - 1, "2 noreboot");
        parse(text);
        ck_assert(options.noreboot);
        ck_assert_uint_eq(complaints, length >= 128);
        ck_assert_uint_eq(options.maxcpus, length < 128 ? 2 : CPU_LIMIT);
        if (length >= 128) {
            ck_assert_uint_eq(strlen(last_option), 127);
            ck_assert_int_eq(strncmp(last_option, text, 127), 0);
        }
    }
}
END_TEST

START_TEST(help_shows_each_option_the_parser_knows)
{
    unsigned int count = 0;

    parse_good("maxcpus=2");
    ck_assert_str_eq(help, "");
    parse_good("help maxcpus=2");
    ck_assert_uint_eq(options.maxcpus, 2);
    for (char *line = strtok(strdup(help), "\n"); line != NULL; line = strtok(NULL, "\n")) {
        char name[32], text[160];

        ck_assert_msg(sscanf(line, "option %31[a-z0-9_]%*[^:]: %159[^\n]", name, text) == 2 ||
                          sscanf(line, "option %31[a-z0-9_]: %159[^\n]", name, text) == 2,
                      "%s", line);
        parse(name);
        ck_assert_msg(complaints == 0 || strcmp(last_reason, "needs a value") == 0, "%s", name);
        count++;
    }
    ck_assert_uint_eq(count, 8);
}
END_TEST

START_TEST(what_is_parsed_without_show_says_nothing)
{
    complaints = 0;
    help[0] = '\0';
    options_parse("bogus help maxcpus=3", false);
    ck_assert_uint_eq(complaints, 0);
    ck_assert_str_eq(help, "");
    ck_assert_uint_eq(options.maxcpus, 3);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("options");
    TCase *tcase = suite_case(suite, "options");

    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, the_defaults_are_what_the_manual_says);
    tcase_add_test(tcase, a_console_is_a_port_with_a_rate_and_poll_or_none);
    tcase_add_test(tcase, a_log_level_is_one_of_four);
    tcase_add_test(tcase, dom0_s_memory_is_a_size);
    tcase_add_test(tcase, counts_of_cpus_go_from_1_to_256);
    tcase_add_test(tcase, flags_stand_alone_or_take_0_or_1);
    tcase_add_test(tcase, what_is_malformed_is_complained_about_and_changes_nothing);
    tcase_add_test(tcase, options_stand_apart_by_any_number_of_spaces);
    tcase_add_test(tcase, a_word_of_any_length_is_taken_or_complained_about);
    tcase_add_test(tcase, help_shows_each_option_the_parser_knows);
    tcase_add_test(tcase, what_is_parsed_without_show_says_nothing);
    return suite_run(suite);
}
