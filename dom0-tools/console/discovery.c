/* SPDX-License-Identifier: MIT */
/* Which guests there are: see discovery.h. */
#include "dom0-tools/console/discovery.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "dom0-tools/daemons/report.h"
#include "guest-pv-headers/domctl.h"
#include "guest-pv-headers/sysctl.h"
#include "guest-pv-headers/xen.h"

#define LIST_COUNT    64u  /* domains asked for at once */
#define LOOK_AT_ONCE  16u  /* consoles opened before the others are served */
#define ANNOUNCE_MS   200  /* in which vmctl says who it is that was introduced */
#define SWEEP_MS      100  /* after something ended: others may be about to */
#define CHECK_MS      2000 /* after a domain was announced that is not in the list */
#define RETRY_MS      250
#define STORE_WAIT_MS 200
#define FAILURE_LIMIT 20u
#define PATH_SIZE     96u

#define OWNER(type, pointer, member) ((type *)(void *)((char *)(pointer)-offsetof(type, member)))

/* --- the hypervisor --------------------------------------------------------------- */

static bool lives(const struct xen_domctl_getdomaininfo *info)
{
    return (info->flags & XEN_DOMINF_dying) == 0;
}

/* -ESRCH also for one that is being destroyed. */
static int domain_info(struct discovery *discovery, uint32_t domid, uint8_t handle[16])
{
    struct xen_domctl request = { .cmd = XEN_DOMCTL_getdomaininfo, .domain = (domid_t)domid };
    const struct xen_domctl_getdomaininfo *info = &request.u.getdomaininfo;
    int code = privcmd_domctl(&discovery->consoles->privcmd, &request);

    if (code != 0) {
        return code;
    }
    if (info->domain != domid || !lives(info)) {
        return -ESRCH;
    }
    memcpy(handle, info->handle, 16);
    return 0;
}

/* Domains from number `first` on; a count, or a negative errno. */
static int domain_list(struct discovery *discovery, uint32_t first)
{
    struct xen_sysctl request = { .cmd = XEN_SYSCTL_getdomaininfolist };
    int code;

    request.u.getdomaininfolist.first_domain = (domid_t)first;
    request.u.getdomaininfolist.max_domains = LIST_COUNT;
    request.u.getdomaininfolist.buffer = discovery->list;
    code = privcmd_sysctl(&discovery->consoles->privcmd, &request);
    return code != 0 ? code : (int)request.u.getdomaininfolist.num_domains;
}

/* --- the table --------------------------------------------------------------------- */

static struct known *find(const struct discovery *discovery, uint32_t domid)
{
    return domid < DOMID_FIRST_RESERVED ? discovery->table[domid] : NULL;
}

static void mark(struct discovery *discovery, struct known *known, unsigned int wants)
{
    known->wants |= wants;
    if (known->dirty) {
        return;
    }
    known->dirty = true;
    known->next_dirty = NULL;
    *discovery->dirty_end = known;
    discovery->dirty_end = &known->next_dirty;
    if (!discovery->look.armed) {
        loop_set_timer(&discovery->consoles->loop, &discovery->look, 0);
    }
}

static void unmark(struct discovery *discovery, struct known *known)
{
    struct known **link = &discovery->dirty;

    if (!known->dirty) {
        return;
    }
    while (*link != known) {
        link = &(*link)->next_dirty;
    }
    *link = known->next_dirty;
    if (discovery->dirty_end == &known->next_dirty) {
        discovery->dirty_end = link;
    }
    known->dirty = false;
}

static void node_path(char path[PATH_SIZE], uint32_t domid, const char *node)
{
    (void)snprintf(path, PATH_SIZE, "/local/domain/%" PRIu32 "/%s", domid, node);
}

/* A watch fires at once, and so has the guest looked at. */
static bool watch(struct discovery *discovery, struct known *known)
{
    char path[PATH_SIZE];
    char token[16];

    if (!known->watched && discovery->store != NULL) {
        node_path(path, known->domid, "console");
        (void)snprintf(token, sizeof(token), "c%" PRIu32, known->domid);
        known->watched = store_watch(discovery->store, path, token, NULL) == 0;
    }
    return known->watched;
}

static void forget(struct discovery *discovery, struct known *known)
{
    struct guest *guest = consoles_find(discovery->consoles, known->domid);
    char path[PATH_SIZE];
    char token[16];

    if (guest != NULL) {
        guest_detach(guest, true);
    }
    if (known->watched && discovery->store != NULL) {
        node_path(path, known->domid, "console");
        (void)snprintf(token, sizeof(token), "c%" PRIu32, known->domid);
        (void)store_unwatch(discovery->store, path, token, NULL);
    }
    unmark(discovery, known);
    discovery->table[known->domid] = NULL;
    free(known);
}

/* A domain that exists. */
static struct known *learn(struct discovery *discovery, uint32_t domid, const uint8_t handle[16],
                           bool ours)
{
    struct known *known = find(discovery, domid);

    if (domid > discovery->highest && domid < DOMID_FIRST_RESERVED) {
        discovery->highest = domid;
    }
    if (known != NULL && memcmp(known->handle, handle, 16) != 0) {
        forget(discovery, known); /* the number was given to another */
        known = NULL;
    }
    if (known != NULL || domid == 0 || domid >= DOMID_FIRST_RESERVED) {
        return known;
    }
    known = calloc(1, sizeof(*known));
    if (known == NULL) {
        report("domain %" PRIu32 ": %s", domid, strerror(ENOMEM));
        return NULL;
    }
    known->domid = domid;
    memcpy(known->handle, handle, 16);
    discovery->table[domid] = known;
    if (!discovery->settled) { /* all of it may have been said before we were there */
        known->announced = true;
        known->wants = WANT_LIMIT | WANT_FILE;
    }
    if (ours) {
        known->ours = true;
        discovery->strangers--;
        mark(discovery, known, WANT_PLACE);
    } else if (!watch(discovery, known)) {
        mark(discovery, known, WANT_PLACE);
    }
    return known;
}

static void take_events(struct discovery *discovery);

/* --- looking at a guest ------------------------------------------------------------- */

static char *read_node(struct discovery *discovery, uint32_t domid, const char *node)
{
    char path[PATH_SIZE];
    char *text = NULL;

    node_path(path, domid, node);
    if (store_read(discovery->store, STORE_NO_TRANSACTION, path, &text, NULL, NULL) != 0) {
        return NULL;
    }
    return text;
}

static bool to_number(const char *text, uint64_t *number)
{
    char *end;

    if (text == NULL || *text < '0' || *text > '9') {
        return false;
    }
    errno = 0;
    *number = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0';
}

static bool read_number(struct discovery *discovery, uint32_t domid, const char *node,
                        uint64_t *number)
{
    char *text = read_node(discovery, domid, node);
    bool good = to_number(text, number);

    free(text);
    return good;
}

/* Written only where the guest's other nodes are still there: what is made after its end stays. */
static int write_tty(struct store_client *store, uint32_t transaction, void *context,
                     struct vmctl_error *error)
{
    const struct guest *guest = context;
    char path[PATH_SIZE], name_path[PATH_SIZE];
    char *name = NULL;
    int r = 0;

    node_path(path, guest->domid, "console/tty");
    node_path(name_path, guest->domid, "name");
    if (store_read(store, transaction, name_path, &name, NULL, NULL) == 0) {
        r = store_write_text(store, transaction, path, guest->pty.name, error);
    }
    free(name);
    return r;
}

static void announce(struct discovery *discovery, struct guest *guest)
{
    struct vmctl_error error;

    if (guest->pty.viewer.source.fd >= 0 &&
        store_transaction_run(discovery->store, write_tty, guest, &error) < 0) {
        report("domain %" PRIu32 ": %s", guest->domid, error.message);
    }
}

static int attach(struct discovery *discovery, struct known *known, uint64_t port)
{
    struct guest_place place = {
        .domid = known->domid,
        .port = (uint32_t)port,
    };
    char number[16];
    struct vmctl_error error;
    char *name = read_node(discovery, known->domid, "name");
    int code;

    (void)snprintf(number, sizeof(number), "domain-%" PRIu32, known->domid);
    place.name = name == NULL || *name == '\0' ? number : name;
    memcpy(place.handle, known->handle, sizeof(place.handle));
    code = guest_attach(discovery->consoles, &place, &error);
    if (code == -ENODATA &&
        read_number(discovery, known->domid, "console/ring-ref", &place.frame)) {
        code = guest_attach(discovery->consoles, &place, &error);
    }
    if (code == 0) {
        announce(discovery, consoles_find(discovery->consoles, known->domid));
    } else if (known->failures == 1) { /* not the first time: it may be about to go */
        report("%s", error.message);
    }
    free(name);
    return code;
}

/* Attach it, or attach it anew, if the store says where. */
static int find_place(struct discovery *discovery, struct known *known)
{
    struct guest *guest = consoles_find(discovery->consoles, known->domid);
    uint64_t port;

    if (!read_number(discovery, known->domid, "console/port", &port) || port == 0 ||
        port > UINT32_MAX) {
        known->ours = false; /* not yet; or nodes are lost but the guest is not */
        return watch(discovery, known) ? 0 : -EAGAIN;
    }
    if (guest != NULL && guest->remote_port == port) {
        return 0;
    }
    if (guest != NULL) {
        guest_detach(guest, false);
    }
    return attach(discovery, known, port);
}

static char *read_option(struct discovery *discovery, const struct known *known, const char *node)
{
    char path[PATH_SIZE];
    char *text = NULL;

    (void)snprintf(path, sizeof(path), "/paravane/guest/%" PRIu32 "/%s", known->domid, node);
    if (store_read(discovery->store, STORE_NO_TRANSACTION, path, &text, NULL, NULL) != 0) {
        return NULL;
    }
    return text;
}

static void read_options(struct discovery *discovery, struct known *known, struct guest *guest)
{
    char *text;
    char *append;
    uint64_t limit;

    if (known->wants & WANT_LIMIT) {
        text = read_option(discovery, known, "log-limit");
        if (to_number(text, &limit)) {
            guest_set_limit(guest, limit);
        }
        free(text);
    }
    if (known->wants & WANT_NAME) {
        text = read_option(discovery, known, "name");
        if (text != NULL && *text != '\0') {
            guest_rename(guest, text);
        }
        free(text);
    }
    if (known->wants & WANT_FILE) {
        text = read_option(discovery, known, "console-file");
        append = text == NULL ? NULL : read_option(discovery, known, "console-append");
        if (text != NULL) {
            guest_set_file(guest, text, append != NULL && strcmp(append, "1") == 0);
        }
        free(append);
        free(text);
    }
    known->wants &= WANT_PLACE;
}

/* 0: all is well, or nothing can be done until the store says something new. */
static int look_at(struct discovery *discovery, struct known *known)
{
    struct guest *guest;
    uint8_t handle[16];
    int code = domain_info(discovery, known->domid, handle);

    if (code == -ESRCH || (code == 0 && memcmp(handle, known->handle, sizeof(handle)) != 0)) {
        forget(discovery, known);
        return 0;
    }
    if (code != 0) {
        return code;
    }
    if (!known->ours && !watch(discovery, known)) {
        return -EAGAIN;
    }
    if (known->wants & WANT_PLACE) {
        code = find_place(discovery, known);
        if (code != 0) {
            return code;
        }
        known->wants &= ~(unsigned int)WANT_PLACE;
    }
    guest = consoles_find(discovery->consoles, known->domid);
    if (guest != NULL && known->wants != 0) {
        read_options(discovery, known, guest);
    }
    return 0;
}

static void look(struct timer *timer)
{
    struct discovery *discovery = OWNER(struct discovery, timer, look);
    const struct known *failed = NULL;

    for (unsigned int i = 0; i < LOOK_AT_ONCE && discovery->dirty != NULL; i++) {
        struct known *known = discovery->dirty;
        uint32_t domid = known->domid;

        if (known == failed) {
            break; /* all others have had their turn */
        }
        unmark(discovery, known);
        if (look_at(discovery, known) == 0) {
            known = find(discovery, domid);
            if (known != NULL) {
                known->failures = 0;
            }
        } else if (known->failures++ < FAILURE_LIMIT) {
            failed = failed == NULL ? known : failed;
            mark(discovery, known, 0);
        } else {
            report("domain %" PRIu32 ": its console is given up", domid);
        }
    }
    if (discovery->dirty != NULL) {
        loop_set_timer(&discovery->consoles->loop, timer, failed == NULL ? 0 : RETRY_MS);
    } else if (discovery->store != NULL) {
        discovery->settled = true;
    }
    take_events(discovery);
}

/* --- what is there ------------------------------------------------------------------ */

/* All domains from number `first` on; a count of new ones, or a negative errno. */
static int learn_from(struct discovery *discovery, uint32_t first)
{
    int found = 0;
    int count;

    do {
        const struct xen_domctl_getdomaininfo *info = discovery->list;

        count = domain_list(discovery, first);
        for (int i = 0; i < count; i++) {
            uint32_t domid = info[i].domain;
            bool new = find(discovery, domid) == NULL;
            struct known *known =
                lives(&info[i]) ? learn(discovery, domid, info[i].handle, false) : NULL;

            if (known != NULL) {
                known->seen = discovery->sweeps;
                found += new;
            }
            first = domid + 1;
        }
    } while (count == (int)LIST_COUNT && first < DOMID_FIRST_RESERVED);
    return count < 0 ? count : found;
}

static void sweep(struct discovery *discovery)
{
    int code;

    discovery->sweeps++;
    discovery->strangers = 0;
    code = learn_from(discovery, 1);
    if (code < 0) {
        report("list of domains: %s", strerror(-code));
        loop_set_timer(&discovery->consoles->loop, &discovery->sweep, CHECK_MS);
        return;
    }
    for (uint32_t i = 0; i <= discovery->highest; i++) {
        struct known *known = discovery->table[i];

        if (known != NULL && known->seen != discovery->sweeps) {
            forget(discovery, known);
        }
    }
}

static void sweep_due(struct timer *timer)
{
    struct discovery *discovery = OWNER(struct discovery, timer, sweep);

    sweep(discovery);
    take_events(discovery);
}

/* At the latest. */
static void sweep_in(struct discovery *discovery, uint64_t milliseconds)
{
    uint64_t due = loop_now() + milliseconds * 1000000;

    if (!discovery->sweep.armed || discovery->sweep.due > due) {
        loop_set_timer(&discovery->consoles->loop, &discovery->sweep, milliseconds);
    }
}

static void introduced(struct timer *timer)
{
    struct discovery *discovery = OWNER(struct discovery, timer, introduced);

    /* Somebody has a lower number: one of ours came in between, or numbers began again. */
    if (learn_from(discovery, discovery->highest + 1) < discovery->strangers) {
        sweep_in(discovery, CHECK_MS);
    }
    discovery->strangers = 0;
    take_events(discovery);
}

/* --- what the store says ------------------------------------------------------------- */

static void option_changed(struct discovery *discovery, struct known *known, const char *node)
{
    bool attached = consoles_find(discovery->consoles, known->domid) != NULL;

    if (*node == '\0') {
        mark(discovery, known, attached ? 0 : WANT_PLACE);
    } else if (strcmp(node, "/log-limit") == 0) {
        mark(discovery, known, WANT_LIMIT);
    } else if (strcmp(node, "/console-file") == 0) {
        known->wants |= WANT_FILE; /* how to open it is said before the last node */
    } else if (strcmp(node, "/name") == 0) {
        if (known->announced) {
            mark(discovery, known, WANT_NAME);
        }
        known->announced = true;
    }
}

/*
 * The watch was set, at first or with a store that was restarted: all may have
 * been said when nobody listened, of guests that are there and of new ones.
 */
static void look_at_all(struct discovery *discovery)
{
    discovery->settled = false;
    sweep(discovery);
    for (uint32_t i = 0; i <= discovery->highest; i++) {
        struct known *known = discovery->table[i];

        if (known != NULL) {
            known->announced = true;
            mark(discovery, known, WANT_ALL);
        }
    }
    loop_set_timer(&discovery->consoles->loop, &discovery->look, 0);
}

/* Something at or below /paravane/guest, which is a list by number. */
static void ours_changed(struct discovery *discovery, const char *path)
{
    static const char above[] = "/paravane/guest/";
    struct known *known;
    uint8_t handle[16];
    uint64_t domid;
    char *rest;

    if (strcmp(path, "/paravane/guest") == 0) {
        look_at_all(discovery);
    }
    if (strncmp(path, above, sizeof(above) - 1) != 0) {
        return;
    }
    domid = strtoull(path + sizeof(above) - 1, &rest, 10);
    if (domid == 0 || domid >= DOMID_FIRST_RESERVED) {
        return;
    }
    known = find(discovery, (uint32_t)domid);
    if (known == NULL && domain_info(discovery, (uint32_t)domid, handle) == 0) {
        known = learn(discovery, (uint32_t)domid, handle, true);
    }
    if (known != NULL) {
        option_changed(discovery, known, rest);
    }
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text);
    size_t wanted = strlen(end);

    return length >= wanted && strcmp(text + length - wanted, end) == 0;
}

static void console_changed(struct discovery *discovery, const char *path, const char *token)
{
    struct known *known = find(discovery, (uint32_t)strtoul(token + 1, NULL, 10));

    /* The terminal's name is what we write ourselves. */
    if (known != NULL && !ends_with(path, "/tty")) {
        mark(discovery, known, WANT_PLACE);
    }
}

static void changed(struct discovery *discovery, const char *path, const char *token)
{
    switch (*token) {
    case 'c':
        console_changed(discovery, path, token);
        break;
    case 'g':
        ours_changed(discovery, path);
        break;
    case 'i':
        discovery->strangers++;
        if (!discovery->introduced.armed) {
            loop_set_timer(&discovery->consoles->loop, &discovery->introduced, ANNOUNCE_MS);
        }
        break;
    case 'r':
        sweep_in(discovery, SWEEP_MS);
        break;
    default:
        break;
    }
}

static void store_ready(struct source *source, uint32_t events)
{
    struct discovery *discovery = (struct discovery *)source;
    const char *path;
    const char *token;

    (void)events;
    /* The event's words last until the next one is asked for, not until the next request. */
    while (store_next_event(discovery->store, &path, &token, NULL) == 1) {
        char *copy = strdup(path);
        char kind[16];

        (void)snprintf(kind, sizeof(kind), "%s", token);
        if (copy != NULL) {
            changed(discovery, copy, kind);
        }
        free(copy);
    }
}

/* What came together with an answer makes the socket readable no more. */
static void take_events(struct discovery *discovery)
{
    if (discovery->store != NULL) {
        store_ready(&discovery->source, 0);
    }
}

static int watch_all(struct store_client *store, struct vmctl_error *error)
{
    int code = store_watch(store, "/paravane/guest", "g", error);

    if (code == 0) {
        code = store_watch(store, "@introduceDomain", "i", error);
    }
    if (code == 0) {
        code = store_watch(store, "@releaseDomain", "r", error);
    }
    return code;
}

static void reach_store(struct timer *timer)
{
    struct discovery *discovery = OWNER(struct discovery, timer, retry);
    struct loop *loop = &discovery->consoles->loop;
    struct vmctl_error error;
    struct store_client *store = NULL;
    int code = store_open(NULL, &store, &error);

    if (code == 0) {
        store_set_patience(store, STORE_WAIT_MS);
        code = watch_all(store, &error);
    }
    if (code == 0) {
        discovery->source = (struct source){ .ready = store_ready, .fd = store_fd(store) };
        code = discovery->source.fd < 0 ? discovery->source.fd
                                        : loop_watch(loop, &discovery->source, EPOLLIN);
    }
    if (code != 0) {
        if (!discovery->waiting) {
            discovery->waiting = true;
            report("waiting for the store: %s", error.message);
        }
        store_close(store);
        loop_set_timer(loop, timer, RETRY_MS);
        return;
    }
    discovery->waiting = false;
    discovery->store = store;
    store_ready(&discovery->source, 0);
}

int discovery_open(struct discovery *discovery, struct vmctl_error *error)
{
    discovery->dirty_end = &discovery->dirty;
    discovery->source.fd = -1;
    discovery->look.fire = look;
    discovery->sweep.fire = sweep_due;
    discovery->introduced.fire = introduced;
    discovery->retry.fire = reach_store;
    discovery->list = privcmd_buffer(&discovery->consoles->privcmd,
                                     LIST_COUNT * sizeof(struct xen_domctl_getdomaininfo));
    if (discovery->list == NULL) {
        return vmctl_fail(error, -ENOMEM, "list of domains: %s", strerror(ENOMEM));
    }
    reach_store(&discovery->retry);
    return 0;
}

bool discovery_expects(struct discovery *discovery, uint32_t domid)
{
    uint8_t handle[16];

    if (!discovery->settled || find(discovery, domid) != NULL) {
        return true;
    }
    return domid != 0 && domid < DOMID_FIRST_RESERVED &&
           domain_info(discovery, domid, handle) == 0 &&
           learn(discovery, domid, handle, false) != NULL;
}

void discovery_close(struct discovery *discovery)
{
    struct loop *loop = &discovery->consoles->loop;

    loop_clear_timer(loop, &discovery->look);
    loop_clear_timer(loop, &discovery->sweep);
    loop_clear_timer(loop, &discovery->introduced);
    loop_clear_timer(loop, &discovery->retry);
    if (discovery->store != NULL) {
        (void)loop_watch(loop, &discovery->source, 0);
        store_close(discovery->store);
    }
    for (uint32_t i = 0; i <= discovery->highest; i++) {
        free(discovery->table[i]);
    }
    privcmd_buffer_free(&discovery->consoles->privcmd, discovery->list,
                        LIST_COUNT * sizeof(struct xen_domctl_getdomaininfo));
}
