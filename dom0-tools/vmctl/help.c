/* SPDX-License-Identifier: MIT */
/* Help in three forms: see help.h. */
#include "dom0-tools/vmctl/help.h"

#include "libvmctl/vmctl.h"

#include <string.h>

#define HELP_COLUMN 26
#define HELP_WIDTH  80

/* What an exit status means, for the two pages that tell. */
static const struct {
    enum vmctl_reason reason;
    const char *meaning;
} statuses[] = {
    { VMCTL_NO_REASON, "Success." },
    { VMCTL_INTERNAL, "A fault of the toolstack or the hypervisor." },
    { VMCTL_INVALID, "The command line or a guest.xml is not valid." },
    { VMCTL_NOT_FOUND, "No such guest, file, device or bridge." },
    { VMCTL_EXISTS, "A guest or device of this name is there already." },
    { VMCTL_NO_GUEST_MEMORY, "The machine has too little free memory." },
    { VMCTL_BAD_KERNEL, "The kernel image cannot be used." },
    { VMCTL_DEVICE_FAILED, "A disk or network card could not be set up." },
    { VMCTL_WRONG_STATE, "Not while the guest is in this state." },
    { VMCTL_NOT_PERMITTED, "Not permitted." },
    { VMCTL_NO_HYPERVISOR, "This is not the control domain of a Paravane or Xen host." },
    { VMCTL_NO_DAEMON, "A daemon of the toolstack does not answer." },
    { VMCTL_TIMED_OUT, "It took too long." },
    { VMCTL_LIMIT, "A limit is reached." },
    { VMCTL_UNSUPPORTED, "Not supported." },
    { VMCTL_NO_MEMORY, "vmctl itself ran out of memory." },
    { VMCTL_BUSY, "Somebody else has it." },
    { VMCTL_IO, "A file could not be read or written." },
};

/* `text` broken into lines, each but the first indented by `indent`. */
static void put_wrapped(FILE *file, const char *text, unsigned int indent)
{
    unsigned int column = indent;

    while (*text != '\0') {
        size_t word = strcspn(text, " ");

        if (column > indent && column + 1 + word > HELP_WIDTH) {
            (void)fprintf(file, "\n%*s", (int)indent, "");
            column = indent;
        }
        if (column > indent) {
            (void)fputc(' ', file);
            column++;
        }
        (void)fwrite(text, 1, word, file);
        column += (unsigned int)word;
        text += word;
        text += strspn(text, " ");
    }
    (void)fputc('\n', file);
}

/* "  TERM       text", the text on a line of its own where the term is long. */
static void put_row(FILE *file, const char *term, const char *text)
{
    int wrote = fprintf(file, "  %s", term);

    if (wrote + 2 > HELP_COLUMN) {
        (void)fputc('\n', file);
        wrote = 0;
    }
    (void)fprintf(file, "%*s", HELP_COLUMN - wrote, "");
    put_wrapped(file, text, HELP_COLUMN);
}

static void put_options(FILE *file, const struct option_spec *table)
{
    char term[80];

    for (; table != NULL && table->name != NULL; table++) {
        char letter[8] = "    ";

        if (table->letter != '\0') {
            (void)snprintf(letter, sizeof(letter), "-%c, ", table->letter);
        }
        (void)snprintf(term, sizeof(term), "%s--%s%s%s", letter, table->name,
                       table->argument == NULL ? "" : "=",
                       table->argument == NULL ? "" : table->argument);
        put_row(file, term, table->help);
    }
}

static void put_overview(FILE *file)
{
    size_t i;

    (void)fputs("usage: vmctl [OPTION...] COMMAND [...]\n\nGuests of this host.\n\nCommands:\n",
                file);
    for (i = 0; commands[i] != NULL; i++) {
        put_row(file, commands[i]->name, commands[i]->summary);
    }
    (void)fputs("\nOptions:\n", file);
    put_options(file, global_options);
    (void)fputs("\nGUEST is a name, a domain id or a UUID.\n"
                "'vmctl help COMMAND' says more about a command.\n",
                file);
}

void help_command(FILE *file, const struct command *command)
{
    if (command == NULL) {
        put_overview(file);
        return;
    }
    (void)fprintf(file, "usage: vmctl %s%s%s%s\n\n", command->name,
                  command->options == NULL ? "" : " [OPTION...]",
                  command->operands == NULL ? "" : " ",
                  command->operands == NULL ? "" : command->operands);
    put_wrapped(file, command->summary, 0);
    if (command->details != NULL) {
        (void)fputc('\n', file);
        put_wrapped(file, command->details, 0);
    }
    if (command->options != NULL) {
        (void)fputs("\nOptions:\n", file);
        put_options(file, command->options);
    }
    (void)fputs("\nOptions of every command:\n", file);
    put_options(file, global_options);
}

/* --- the man page ---------------------------------------------------------------- */

/* Text for roff: backslashes and hyphens as themselves, no line begins with a dot. */
static void put_roff(FILE *file, const char *text)
{
    if (*text == '.' || *text == '\'') {
        (void)fputs("\\&", file);
    }
    for (; *text != '\0'; text++) {
        if (*text == '-') {
            (void)fputs("\\-", file);
        } else if (*text == '\\') {
            (void)fputs("\\e", file);
        } else {
            (void)fputc(*text, file);
        }
    }
}

static void put_roff_line(FILE *file, const char *text)
{
    put_roff(file, text);
    (void)fputc('\n', file);
}

static void put_man_options(FILE *file, const struct option_spec *table)
{
    for (; table != NULL && table->name != NULL; table++) {
        (void)fputs(".TP\n\\fB", file);
        if (table->letter != '\0') {
            (void)fprintf(file, "\\-%c\\fR, \\fB", table->letter);
        }
        (void)fputs("\\-\\-", file);
        put_roff(file, table->name);
        (void)fputs("\\fR", file);
        if (table->argument != NULL) {
            (void)fprintf(file, "=\\fI%s\\fR", table->argument);
        }
        (void)fputc('\n', file);
        put_roff_line(file, table->help);
    }
}

static void put_man_command(FILE *file, const struct command *command)
{
    (void)fputs(".SS \"\\fB", file);
    put_roff(file, command->name);
    (void)fputs("\\fR", file);
    if (command->options != NULL) {
        (void)fputs(" [\\fIOPTION\\fR...]", file);
    }
    if (command->operands != NULL) {
        (void)fputs(" \\fI", file);
        put_roff(file, command->operands);
        (void)fputs("\\fR", file);
    }
    (void)fputs("\"\n", file);
    put_roff_line(file, command->summary);
    if (command->details != NULL) {
        put_roff_line(file, command->details);
    }
    put_man_options(file, command->options);
}

static void put_man_statuses(FILE *file)
{
    size_t i;

    (void)fputs(".SH EXIT STATUS\nThe numbers keep their meaning in later versions.\n", file);
    for (i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        (void)fprintf(file, ".TP\n\\fB%d\\fR", (int)statuses[i].reason);
        if (statuses[i].reason != VMCTL_NO_REASON) {
            (void)fputs(" (", file);
            put_roff(file, vmctl_reason_name(statuses[i].reason));
            (void)fputc(')', file);
        }
        (void)fputc('\n', file);
        put_roff_line(file, statuses[i].meaning);
    }
}

void help_man(FILE *file)
{
    size_t i;

    (void)fprintf(file,
                  ".\\\" SPDX-License-Identifier: MIT\n"
                  ".\\\" Made by 'vmctl help --man'.\n"
                  ".TH VMCTL 8 \"\" \"Paravane %s\" \"Paravane\"\n"
                  ".SH NAME\nvmctl \\- guests of this host\n"
                  ".SH SYNOPSIS\n\\fBvmctl\\fR [\\fIOPTION\\fR...] \\fICOMMAND\\fR [...]\n"
                  ".SH DESCRIPTION\n"
                  "Creates, shows and manages the guests of a Paravane host, from its control "
                  "domain. It works on Xen 4.17 as well.\n"
                  "\\fIGUEST\\fR is a name, a domain id or a UUID. Options may stand anywhere; "
                  "what follows \\fB\\-\\-\\fR is no option.\n"
                  ".SH OPTIONS\n",
                  vmctl_version());
    put_man_options(file, global_options);
    (void)fputs(".SH COMMANDS\n", file);
    for (i = 0; commands[i] != NULL; i++) {
        put_man_command(file, commands[i]);
    }
    (void)fputs(".SH OUTPUT\n"
                "With \\fB\\-\\-json\\fR there is one JSON document on standard output, of what "
                "was asked for or of the error: {\"error\": {\"reason\": ..., \"code\": ..., "
                "\"message\": ..., \"remedy\": ...}}. Parts that have nothing to say are null.\n",
                file);
    put_man_statuses(file);
    (void)fputs(".SH ENVIRONMENT\n.TP\n\\fBNO_COLOR\\fR\nIf it is set, there are no colours.\n"
                ".SH FILES\n.TP\n\\fI/run/paravane/guests/DOMID.xml\\fR\n"
                "The description of each running guest.\n"
                ".SH SEE ALSO\nThe description of guests is in docs/user/guest\\-xml.md.\n",
                file);
}

/* --- completion -------------------------------------------------------------------- */

static void put_words(FILE *file, const struct option_spec *table)
{
    for (; table != NULL && table->name != NULL; table++) {
        (void)fprintf(file, " --%s%s", table->name, table->argument == NULL ? "" : "=");
    }
}

void help_completion(FILE *file)
{
    static const char *const how[] = {
        [COMPLETES_NOTHING] = "",
        [COMPLETES_GUESTS] = "$(vmctl list --names 2>/dev/null)",
        [COMPLETES_FILES] = "",
        [COMPLETES_COMMANDS] = "$commands",
    };
    size_t i;

    (void)fputs("# SPDX-License-Identifier: MIT\n"
                "# Made by 'vmctl help --completion'.\n"
                "_vmctl()\n{\n    local word=${COMP_WORDS[COMP_CWORD]} commands=\"",
                file);
    for (i = 0; commands[i] != NULL; i++) {
        (void)fprintf(file, "%s%s", i == 0 ? "" : " ", commands[i]->name);
    }
    (void)fputs("\" command= options= operands=\n"
                "    local i\n"
                "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                "        case ${COMP_WORDS[i]} in\n"
                "        -*) ;;\n"
                "        *) command=${COMP_WORDS[i]}; break ;;\n"
                "        esac\n"
                "    done\n"
                "    case $command in\n"
                "    '') operands=$commands ;;\n",
                file);
    for (i = 0; commands[i] != NULL; i++) {
        (void)fprintf(file, "    %s) options=\"", commands[i]->name);
        put_words(file, commands[i]->options);
        (void)fprintf(file, "\" operands=\"%s\" ;;\n", how[commands[i]->completes]);
    }
    (void)fputs("    esac\n    case $word in\n    -*) operands=\"$options", file);
    put_words(file, global_options);
    (void)fputs("\" ;;\n    esac\n"
                "    mapfile -t COMPREPLY < <(compgen -W \"$operands\" -- \"$word\")\n"
                "    [[ ${COMPREPLY[0]} != *= ]] || compopt -o nospace\n"
                "}\n"
                "complete -o default -F _vmctl vmctl\n",
                file);
}
