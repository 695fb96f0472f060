/* SPDX-License-Identifier: MIT */
/* What xenstore-control can ask the store about itself. */
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dom0-tools/store/store_record.h"
#include "dom0-tools/store/stored.h"

#define WORDS_MAX 6

struct command {
    struct stored *stored;
    const char *words[WORDS_MAX];
    size_t count;
    char *out;
    size_t used;
};

static void say(struct command *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What does not fit is left out. */
static void say(struct command *command, const char *format, ...)
{
    const size_t room = XENSTORE_PAYLOAD_MAX - command->used;
    va_list values;
    int size;

    va_start(values, format);
    size = vsnprintf(command->out + command->used, room, format, values);
    va_end(values);
    if (size > 0) {
        command->used += (size_t)size < room ? (size_t)size : room - 1;
    }
}

static int check(struct command *command)
{
    const char *fault = tree_check(&command->stored->tree);

    say(command, "%s", fault == NULL ? "OK" : fault);
    return 0;
}

static int stats(struct command *command)
{
    const struct stored *stored = command->stored;
    const struct journal *journal = stored->journal;
    const struct mallinfo2 heap = mallinfo2();

    say(command, "nodes %zu\nwatches %zu\ngeneration %" PRIu64 "\n", stored->tree.count,
        stored->watches.count, stored->tree.generation);
    say(command, "requests %" PRIu64 "\nevents %" PRIu64 "\nmissed-events %" PRIu64 "\n",
        stored->counters.requests, stored->counters.events, stored->counters.missed_events);
    say(command, "commits %" PRIu64 "\nconflicts %" PRIu64 "\n", stored->counters.commits,
        stored->counters.conflicts);
    say(command, "memory %zu\n", heap.uordblks + heap.hblkhd);
    if (journal != NULL) {
        say(command, "journal-bytes %" PRIu64 "\njournal-state %s\n", journal->written,
            journal->behind ? "behind" : "good");
    }
    return 0;
}

static int domid_of(const char *text, uint32_t *domid)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (end == text || *end != '\0' || value >= STORE_DOMIDS) {
        return -EINVAL;
    }
    *domid = (uint32_t)value;
    return 0;
}

static int quota_of_domain(struct command *command, const char *text)
{
    const struct store_domain *domain;
    uint32_t domid;

    if (domid_of(text, &domid) < 0) {
        return -EINVAL;
    }
    domain = domain_find(command->stored->domains, domid);
    if (domain == NULL) {
        return -ENOENT;
    }
    say(command, "%-18s %12s %12s %12s\n", "domain's", "used", "limit", "refused");
    for (enum quota what = QUOTA_NODES; what < QUOTA_COUNT; what++) {
        say(command, "%-18s %12" PRIu64 " %12" PRIu64 " %12" PRIu64 "\n", quota_name(what),
            domain->use.used[what], command->stored->domains->limits.limit[what],
            domain->use.hits[what]);
    }
    return 0;
}

static int quota_set(struct command *command)
{
    struct journal_record record = { .type = RECORD_QUOTA };
    unsigned long long value;
    enum quota what;
    char *end;

    if (command->count != 4 || quota_find(command->words[2], &what) < 0) {
        return -EINVAL;
    }
    value = strtoull(command->words[3], &end, 10);
    if (end == command->words[3] || *end != '\0' || command->words[3][0] == '-') {
        return -EINVAL;
    }
    command->stored->domains->limits.limit[what] = value;
    record.numbers[0] = value;
    record.parts[0].data = quota_name(what);
    record.parts[0].size = strlen(quota_name(what));
    journal_add(command->stored->journal, &record);
    say(command, "OK");
    return 0;
}

static int quota(struct command *command)
{
    if (command->count == 1) {
        for (enum quota what = QUOTA_NODES; what < QUOTA_COUNT; what++) {
            say(command, "%-18s %12" PRIu64 "\n", quota_name(what),
                command->stored->domains->limits.limit[what]);
        }
        return 0;
    }
    if (strcmp(command->words[1], "set") == 0) {
        return quota_set(command);
    }
    return command->count == 2 ? quota_of_domain(command, command->words[1]) : -EINVAL;
}

/* Which domains were refused something, and how often. */
static int refused(struct command *command)
{
    for (const struct store_domain *domain = command->stored->domains->all; domain != NULL;
         domain = domain->next) {
        for (enum quota what = QUOTA_NODES; what < QUOTA_COUNT; what++) {
            if (domain->use.hits[what] != 0) {
                say(command, "%u %s %" PRIu64 "\n", domain->domid, quota_name(what),
                    domain->use.hits[what]);
            }
        }
    }
    return 0;
}

static int help(struct command *command);

static const struct {
    const char *name;
    int (*run)(struct command *command);
    const char *help;
} commands[] = {
    { "help", help, "this list" },
    { "check", check, "is the tree consistent?" },
    { "stats", stats, "what the store holds and has done" },
    { "quota", quota, "[<domid> | set <name> <value>]: limits; a domain's use and refusals" },
    { "refused", refused, "domains that met a limit: domid, limit, how often" },
};

static int help(struct command *command)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        say(command, "%s %s\n", commands[i].name, commands[i].help);
    }
    return 0;
}

int stored_control(struct stored *stored, const char *words, size_t size,
                   char out[XENSTORE_PAYLOAD_MAX])
{
    struct command command = { .stored = stored, .out = out };
    size_t at = 0;

    out[0] = '\0';
    while (at < size && command.count < WORDS_MAX) {
        command.words[command.count] = words + at;
        command.count++;
        at += strlen(words + at) + 1;
    }
    if (command.count == 0) {
        return -EINVAL;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, command.words[0]) == 0) {
            return commands[i].run(&command);
        }
    }
    return -EINVAL;
}
