/* SPDX-License-Identifier: MIT */
/* paravane-stored: the store of dom0 and its guests.  See docs/toolstack/store.md. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "dom0-tools/daemons/report.h"
#include "dom0-tools/store/wires.h"

struct settings {
    const char *socket;
    const char *state;
    bool domains;
    bool fresh;
};

static const char help_text[] =
    "Usage: paravane-stored [OPTION]...\n"
    "Serve the store to dom0 and its guests, in the foreground.\n"
    "\n"
    "  --socket PATH    where dom0's programs connect [/run/xenstored/socket]\n"
    "  --state DIR      what survives a restart [/run/paravane/store]\n"
    "  --fresh          begin with an empty store\n"
    "  --no-domains     serve the socket only (no hypervisor needed)\n"
    "  --help, --version\n";

/* 0: go on; 1: done; -1: wrong. */
static int parse_arguments(int argc, char **argv, struct settings *settings)
{
    static const struct option options[] = {
        { "socket", required_argument, NULL, 's' },
        { "state", required_argument, NULL, 'd' },
        { "fresh", no_argument, NULL, 'f' },
        { "no-domains", no_argument, NULL, 'n' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'v' },
        { NULL, 0, NULL, 0 },
    };
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case 's':
            settings->socket = optarg;
            break;
        case 'd':
            settings->state = optarg;
            break;
        case 'f':
            settings->fresh = true;
            break;
        case 'n':
            settings->domains = false;
            break;
        case 'h':
            (void)fputs(help_text, stdout);
            return 1;
        case 'v':
            (void)puts("paravane-stored " PACKAGE_VERSION);
            return 1;
        default:
            (void)fputs("Try 'paravane-stored --help'.\n", stderr);
            return -1;
        }
    }
    if (optind != argc) {
        report("'%s': no such argument", argv[optind]);
        return -1;
    }
    return 0;
}

/* One descriptor a client: as many as we may.  And whoever asks waits for us. */
static void raise_limits(void)
{
    struct rlimit limit;

    (void)setpriority(PRIO_PROCESS, 0, -10);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static int serve(struct wires *wires, struct stored *stored, struct journal *journal,
                 const struct settings *settings, struct vmctl_error *error)
{
    int r = wires_open(wires, stored, error);

    if (r == 0) {
        (void)mkdir("/run/paravane", 0700);
        r = stored_restore(stored, journal, settings->state, settings->fresh, error);
    }
    if (r == 0 && settings->domains) {
        r = domains_open(wires, error);
        r = r < 0 ? r : domains_begin(wires, error);
    }
    if (r == 0) {
        r = wires_listen(wires, settings->socket, error);
    }
    return r < 0 ? r : wires_run(wires, error);
}

int main(int argc, char **argv)
{
    struct settings settings = { .socket = "/run/xenstored/socket",
                                 .state = "/run/paravane/store",
                                 .domains = true };
    struct journal journal = { .directory = -1, .fd = -1 };
    struct wires wires = WIRES_NONE;
    struct stored_wires calls = { domains_attach, domains_detach, domains_hold, &wires };
    struct vmctl_error error = { .code = 0 };
    struct stored stored;
    int r = parse_arguments(argc, argv, &settings);

    if (r != 0) {
        return r < 0 ? 2 : EXIT_SUCCESS;
    }
    raise_limits();
    if (stored_init(&stored, &calls) < 0) {
        report("out of memory");
        return EXIT_FAILURE;
    }
    r = serve(&wires, &stored, &journal, &settings, &error);
    if (r < 0) {
        report("%s", error.message);
    }
    wires_close(&wires);
    stored_free(&stored);
    domains_close(&wires);
    journal_close(&journal);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
