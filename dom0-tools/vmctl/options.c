/* SPDX-License-Identifier: MIT */
/* Taking a command line apart along the tables: see options.h. */
#include "dom0-tools/vmctl/options.h"

#include "libvmctl/config_values.h"
#include "libvmctl/error.h"
#include "libvmctl/guest_config.h"

#include <errno.h>
#include <string.h>

#define WORDS_MAX  64
#define NUMBER_MAX 1000000000 /* of an option: more is a slip of the hand */

static int misuse(struct vmctl_error *error, const struct command *command)
{
    vmctl_error_reason(error, VMCTL_INVALID);
    vmctl_error_remedy(error, "see 'vmctl help%s%s'", command == NULL ? "" : " ",
                       command == NULL ? "" : command->name);
    return -EINVAL;
}

const struct command *command_find(const char *name)
{
    size_t i;

    for (i = 0; commands[i] != NULL; i++) {
        if (strcmp(commands[i]->name, name) == 0) {
            return commands[i];
        }
    }
    return NULL;
}

int command_unknown(const char *name, struct vmctl_error *error)
{
    const char *words[WORDS_MAX];
    const char *meant;
    size_t count = 0;

    while (count < WORDS_MAX && commands[count] != NULL) {
        words[count] = commands[count]->name;
        count++;
    }
    meant = value_meant(name, words, count);
    if (meant != NULL) {
        (void)vmctl_fail(error, -EINVAL, "there is no command '%.40s'; did you mean '%s'?", name,
                         meant);
    } else {
        (void)vmctl_fail(error, -EINVAL, "there is no command '%.40s'", name);
    }
    return misuse(error, NULL);
}

static const struct option_spec *find_long(const struct option_spec *table, const char *name,
                                           size_t length)
{
    for (; table != NULL && table->name != NULL; table++) {
        if (strlen(table->name) == length && memcmp(table->name, name, length) == 0) {
            return table;
        }
    }
    return NULL;
}

static const struct option_spec *find_letter(const struct option_spec *table, char letter)
{
    for (; table != NULL && table->name != NULL; table++) {
        if (table->letter == letter && letter != '\0') {
            return table;
        }
    }
    return NULL;
}

static const struct option_spec *find_option(const struct command *command, const char *name,
                                             size_t length)
{
    const struct option_spec *own = command == NULL ? NULL : command->options;
    const struct option_spec *found = find_long(own, name, length);

    return found != NULL ? found : find_long(global_options, name, length);
}

static const struct option_spec *find_short(const struct command *command, char letter)
{
    const struct option_spec *own = command == NULL ? NULL : command->options;
    const struct option_spec *found = find_letter(own, letter);

    return found != NULL ? found : find_letter(global_options, letter);
}

static int unknown_option(const struct command *command, const char *word, size_t length,
                          struct vmctl_error *error)
{
    const struct option_spec *tables[] = { command == NULL ? NULL : command->options,
                                           global_options };
    const char *words[WORDS_MAX];
    char name[40];
    const char *meant;
    size_t count = 0;
    size_t i;

    for (i = 0; i < 2; i++) {
        const struct option_spec *each = tables[i];

        for (; each != NULL && each->name != NULL && count < WORDS_MAX; each++) {
            words[count++] = each->name;
        }
    }
    length = length < sizeof(name) ? length : sizeof(name) - 1;
    memcpy(name, word, length);
    name[length] = '\0';
    meant = word[1] == '-' ? value_meant(name + 2, words, count) : NULL;
    if (meant != NULL) {
        (void)vmctl_fail(error, -EINVAL, "there is no option '%s'; did you mean '--%s'?", name,
                         meant);
    } else {
        (void)vmctl_fail(error, -EINVAL, "there is no option '%s'", name);
    }
    return misuse(error, command);
}

static int take_value(const struct command *command, const struct option_spec *option,
                      const char *value, struct vmctl_error *error)
{
    if (option->text != NULL) {
        *option->text = value;
    } else {
        int64_t number;

        if (value_number(value, 0, NUMBER_MAX, &number, error) < 0) {
            (void)vmctl_context(error, error->code, "--%s", option->name);
            return misuse(error, command);
        }
        *option->number = (uint64_t)number;
    }
    return 0;
}

/* The value in the word behind. */
static int take_next(int argc, char **argv, int *at, const struct command *command,
                     const struct option_spec *option, struct vmctl_error *error)
{
    if (*at + 1 == argc) {
        (void)vmctl_fail(error, -EINVAL, "--%s needs a value: %s", option->name, option->argument);
        return misuse(error, command);
    }
    *at += 1;
    return take_value(command, option, argv[*at], error);
}

/* "--name", "--name=value", "--name value"; *at moves on to a value that is a word of its own. */
static int take_long(int argc, char **argv, int *at, const struct command *command,
                     struct vmctl_error *error)
{
    const char *word = argv[*at];
    size_t length = strcspn(word, "=");
    const struct option_spec *option = find_option(command, word + 2, length - 2);

    if (option == NULL) {
        return unknown_option(command, word, length, error);
    }
    if (option->argument == NULL) {
        if (word[length] == '=') {
            (void)vmctl_fail(error, -EINVAL, "--%s takes no value", option->name);
            return misuse(error, command);
        }
        *option->flag = true;
        return 0;
    }
    if (word[length] == '=') {
        return take_value(command, option, word + length + 1, error);
    }
    return take_next(argc, argv, at, command, option, error);
}

/* "-a", "-ab", "-n5", "-n 5". */
static int take_letters(int argc, char **argv, int *at, const struct command *command,
                        struct vmctl_error *error)
{
    const char *letter;

    for (letter = argv[*at] + 1; *letter != '\0'; letter++) {
        const struct option_spec *option = find_short(command, *letter);

        if (option == NULL) {
            return unknown_option(command, (const char[]){ '-', *letter, '\0' }, 2, error);
        }
        if (option->argument != NULL) {
            return letter[1] != '\0' ? take_value(command, option, letter + 1, error)
                                     : take_next(argc, argv, at, command, option, error);
        }
        *option->flag = true;
    }
    return 0;
}

int operands_check(const struct parsed *parsed, struct vmctl_error *error)
{
    const struct command *command = parsed->command;

    if (command == NULL || (parsed->count >= command->least && parsed->count <= command->most)) {
        return 0;
    }
    if (parsed->count < command->least) {
        (void)vmctl_fail(error, -EINVAL, "%s needs %s", command->name, command->operands);
    } else if (command->most == 0) {
        (void)vmctl_fail(error, -EINVAL, "%s takes no '%.60s'", command->name, parsed->operands[0]);
    } else {
        (void)vmctl_fail(error, -EINVAL, "%s takes only %s; '%.60s' is too much", command->name,
                         command->operands, parsed->operands[command->most]);
    }
    return misuse(error, command);
}

int options_parse(int argc, char **argv, struct parsed *parsed, struct vmctl_error *error)
{
    bool options = true;
    int r = 0;
    int i;

    memset(parsed, 0, sizeof(*parsed));
    parsed->operands = argv + 1;
    for (i = 1; i < argc && r == 0; i++) {
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && argv[i][0] == '-' && argv[i][1] != '\0') {
            r = argv[i][1] == '-' ? take_long(argc, argv, &i, parsed->command, error)
                                  : take_letters(argc, argv, &i, parsed->command, error);
        } else if (parsed->command == NULL) {
            parsed->command = command_find(argv[i]);
            r = parsed->command == NULL ? command_unknown(argv[i], error) : 0;
        } else {
            /* Always at or behind where it goes: argv[i] has been seen. */
            parsed->operands[parsed->count++] = argv[i];
        }
    }
    return r;
}

int size_parse(const char *text, uint64_t *kib, struct vmctl_error *error)
{
    size_t digits = strspn(text, "0123456789");
    char number[24];

    if (digits == 0 || digits >= sizeof(number) || text[digits] == '\0') {
        return vmctl_fail(error, -EINVAL, "'%.40s' is not a size such as 512M or 2G", text);
    }
    memcpy(number, text, digits);
    number[digits] = '\0';
    return guest_size_parse(number, text + digits, kib, error);
}
