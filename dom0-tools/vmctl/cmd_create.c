/* SPDX-License-Identifier: MIT */
/* vmctl create, vmctl check. */
#include "dom0-tools/vmctl/commands.h"
#include "dom0-tools/vmctl/console.h"
#include "dom0-tools/vmctl/program.h"
#include "dom0-tools/vmctl/schema.h"

#include "libvmctl/error.h"
#include "libvmctl/guest_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Reports about one guest.xml, on their way to the user. */
struct reading {
    struct program *program;
    const char *path;
    bool quiet; /* about what is wrong: the caller tells the first thing */
    unsigned int mistakes;
};

/* "-" is standard input. */
static const char *path_of(const char *operand)
{
    return strcmp(operand, "-") == 0 ? "/dev/stdin" : operand;
}

static void report(void *context, unsigned int line, bool fatal, const char *words)
{
    struct reading *reading = context;
    bool colours = reading->program->colours;

    reading->mistakes += fatal;
    if (fatal && reading->quiet) {
        return;
    }
    if (reading->program->json) {
        struct json *out = &reading->program->out;

        json_begin(out, NULL, '{');
        json_number(out, "line", line);
        json_bool(out, "fatal", fatal);
        json_text(out, "words", words);
        json_end(out, '}');
        return;
    }
    put_safely(stderr, reading->path);
    if (line != 0) {
        (void)fprintf(stderr, ":%u", line);
    }
    (void)fprintf(stderr, ": %s%s%s: ", colour_on(colours, fatal ? COLOUR_RED : COLOUR_YELLOW),
                  fatal ? "error" : "note", colour_off(colours));
    put_safely(stderr, words);
    (void)fputc('\n', stderr);
}

/* --- create ---------------------------------------------------------------------- */

static bool paused;
static bool console;

static const struct option_spec create_options[] = {
    { .name = "paused",
      .letter = 'p',
      .help = "Leave the guest paused, to be started by 'vmctl unpause'.",
      .flag = &paused },
    { .name = "console",
      .letter = 'c',
      .help = "Show the guest's console from its first byte on.",
      .flag = &console },
    { .name = NULL },
};

static int load(struct program *program, const char *path, struct guest_config **config,
                struct vmctl_error *error)
{
    struct reading reading = { .program = program, .path = path, .quiet = true };
    struct guest_reporter reporter = { .report = report, .context = &reading };
    int r;

    if (program->json) {
        json_begin(&program->out, "notes", '[');
    }
    r = guest_config_load(path, &reporter, config, error);
    if (program->json) {
        json_end(&program->out, ']');
    }
    if (r < 0 && reading.mistakes > 1) {
        vmctl_error_remedy(error, "'vmctl check %s' shows all %u mistakes", path, reading.mistakes);
    }
    return r;
}

/* The viewer is there before the guest says anything, or there is no guest. */
static int open_viewer(void *context, uint32_t domid, struct vmctl_error *error)
{
    progress_clear();
    return console_open(context, domid, error);
}

static int create(struct program *program, const struct guest_config *config, uint32_t *domid,
                  struct console *viewer, struct vmctl_error *error)
{
    int r = program_open(program, error);

    if (r == 0 && console) {
        vmctl_set_ready(program->handle, open_viewer, viewer);
    }
    if (r == 0) {
        r = vmctl_create(program->handle, config, paused ? VMCTL_CREATE_PAUSED : 0, domid, error);
    }
    progress_clear();
    return r;
}

static int view(const char *name, uint32_t domid, struct console *viewer, struct vmctl_error *error)
{
    (void)printf("%s is domain %u; control-] leaves the console\n", name, domid);
    (void)fflush(stdout);
    return console_view(viewer, error);
}

static int run_create(struct program *program, char **operands, size_t count,
                      struct vmctl_error *error)
{
    struct console viewer = CONSOLE_DETACHED;
    struct guest_config *config = NULL;
    uint32_t domid = 0;
    int r;

    (void)count;
    if (program->json && console) {
        return vmctl_fail(error, -EINVAL, "--json and --console do not go together");
    }
    if (program->json) {
        json_begin(&program->out, NULL, '{');
    }
    r = load(program, path_of(operands[0]), &config, error);
    if (r == 0) {
        r = create(program, config, &domid, &viewer, error);
    }
    if (program->json) {
        json_text(&program->out, "name", r == 0 ? config->name : NULL);
        if (r == 0) {
            json_number(&program->out, "domid", domid);
        } else {
            json_error(&program->out, "error", error);
        }
        json_end(&program->out, '}');
        if (r < 0) {
            error->message[0] = '\0';
        }
    } else if (r == 0 && console) {
        r = view(config->name, domid, &viewer, error);
    } else if (r == 0) {
        (void)printf("%s is domain %u%s\n", config->name, domid, paused ? ", paused" : "");
    }
    guest_config_free(config);
    return r;
}

const struct command command_create = {
    .name = "create",
    .operands = "GUEST.xml",
    .least = 1,
    .most = 1,
    .completes = COMPLETES_FILES,
    .summary = "Make a guest and start it.",
    .details = "The guest runs when the command returns. Whatever fails, nothing of it is left "
               "behind. With '-' the description is read from standard input.",
    .options = create_options,
    .run = run_create,
};

/* --- check ------------------------------------------------------------------------- */

static void show_valid(struct program *program, const char *path, const struct guest_config *config)
{
    char memory[32];

    if (program->json) {
        json_text(&program->out, "name", config->name);
        return;
    }
    format_kib(config->memory_kib, memory, sizeof(memory));
    (void)printf("%s: valid: %s, %u vCPU%s, %s, %zu disk%s, %zu network card%s\n", path,
                 config->name, config->vcpus, config->vcpus == 1 ? "" : "s", memory,
                 config->disk_count, config->disk_count == 1 ? "" : "s", config->nic_count,
                 config->nic_count == 1 ? "" : "s");
}

/* The schema's verdict on what the parser took.  A schema that cannot be asked is no mistake. */
static int consult_schema(struct reading *reading, const char *text, size_t length,
                          struct vmctl_error *error)
{
    struct guest_reporter reporter = { .report = report, .context = reading };
    int r = schema_check(text, length, &reporter, error);

    if (r < 0 && r != -EINVAL) {
        report(reading, 0, false, error->message);
        return 0;
    }
    return r;
}

static int check_file(struct program *program, const char *path, struct vmctl_error *error)
{
    struct reading reading = { .program = program, .path = path };
    struct guest_reporter reporter = { .report = report, .context = &reading };
    struct guest_config *config = NULL;
    size_t length = 0;
    char *text = NULL;
    int r;

    if (program->json) {
        json_begin(&program->out, NULL, '{');
        json_text(&program->out, "file", path);
        json_begin(&program->out, "reports", '[');
    }
    r = guest_config_read_file(path, &text, &length, error);
    if (r < 0) {
        report(&reading, 0, true, error->cause);
    } else {
        r = guest_config_parse(text, length, path, &reporter, &config, error);
    }
    if (r == 0) {
        r = consult_schema(&reading, text, length, error);
    }
    if (program->json) {
        json_end(&program->out, ']');
        json_bool(&program->out, "valid", r == 0);
    }
    if (r == 0) {
        show_valid(program, path, config);
    }
    if (program->json) {
        json_end(&program->out, '}');
    }
    guest_config_free(config);
    free(text);
    return r;
}

static int run_check(struct program *program, char **operands, size_t count,
                     struct vmctl_error *error)
{
    int result = 0;
    size_t i;

    if (program->json) {
        json_begin(&program->out, NULL, '{');
        json_begin(&program->out, "files", '[');
    }
    for (i = 0; i < count; i++) {
        struct vmctl_error one = { .code = 0 };
        int r = check_file(program, path_of(operands[i]), &one);

        if (r < 0 && result == 0) {
            result = r;
            *error = one;
            error->message[0] = '\0'; /* it has been told */
        }
    }
    if (program->json) {
        json_end(&program->out, ']');
        json_end(&program->out, '}');
    }
    return result;
}

const struct command command_check = {
    .name = "check",
    .operands = "GUEST.xml...",
    .least = 1,
    .most = OPERANDS_MANY,
    .completes = COMPLETES_FILES,
    .summary = "Say whether descriptions of guests are valid.",
    .details = "Every mistake is shown with its line, and what would have no effect. Valid "
               "descriptions are then held against the RELAX NG schema. Nothing is created.",
    .run = run_check,
};
