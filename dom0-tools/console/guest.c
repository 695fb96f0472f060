/* SPDX-License-Identifier: MIT */
/* One guest's console: see guest.h. */
#include "dom0-tools/console/guest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dom0-tools/console/console_file.h"
#include "dom0-tools/daemons/report.h"
#include "guest-pv-headers/grant_table.h"
#include "guest-pv-headers/xen.h"
#include "libvmctl/evtchn.h"
#include "libvmctl/gntdev.h"

static struct guest *guest_of(struct stream *stream)
{
    return (struct guest *)(void *)stream;
}

#define LOG_RETRY_MS 1000 /* a log that cannot be opened is tried again, if there is output */

/* --- tables --------------------------------------------------------------------- */

static int put_by_port(struct consoles *consoles, struct guest *guest)
{
    size_t wanted = consoles->ports == 0 ? 64 : consoles->ports;
    struct guest **larger;

    while (wanted <= guest->port) {
        wanted *= 2;
    }
    if (wanted != consoles->ports) {
        larger = reallocarray(consoles->by_port, wanted, sizeof(struct guest *));
        if (larger == NULL) {
            return -ENOMEM;
        }
        memset(larger + consoles->ports, 0, (wanted - consoles->ports) * sizeof(struct guest *));
        consoles->by_port = larger;
        consoles->ports = wanted;
    }
    consoles->by_port[guest->port] = guest;
    return 0;
}

struct guest *consoles_find(const struct consoles *consoles, uint32_t domid)
{
    return domid < DOMID_FIRST_RESERVED ? consoles->by_domid[domid] : NULL;
}

/* --- output ---------------------------------------------------------------------- */

static void note(struct guest *guest, const char *text)
{
    transcript_note(&guest->transcript, text);
    stream_add(&guest->stream, (const uint8_t *)text, strlen(text));
}

/* The guest's index made no sense: go on from it, and say so once. */
static void give_up_output(struct guest *guest)
{
    transcript_skip(&guest->transcript, guest->ring.taken);
    if (!guest->complained) {
        guest->complained = true;
        note(guest, "\r\n[paravane: the guest's console ring made no sense; output was lost]\r\n");
        report("domain %u: its console ring makes no sense", guest->domid);
    }
}

/* The log by the guest's name; another guest may still have it under its own number. */
static void open_transcript(struct guest *guest)
{
    const struct consoles *consoles = guest->consoles;
    const struct transcript before = guest->transcript;
    struct transcript_owner owner = { .domid = guest->domid };
    struct transcript_place place = {
        .log_directory = consoles->log_directory,
        .record_directory = consoles->record_directory,
        .name = guest->name,
        .limit = before.limit,
        .index = guest->ring.taken,
    };
    struct vmctl_error error;
    char *other = NULL;
    int code;

    memcpy(owner.handle, guest->stream.handle, sizeof(owner.handle));
    code = transcript_open(&guest->transcript, &place, &owner, &error);
    if (code == -EAGAIN && asprintf(&other, "%s.%u", guest->name, guest->domid) >= 0) {
        place.name = other;
        code = transcript_open(&guest->transcript, &place, &owner, &error);
        free(other);
    }
    if (code == 0) {
        guest->transcript.dropped = before.dropped;
        guest->transcript.failure = before.failure;
        return;
    }
    if (before.failure != -code) {
        report("%s", error.message);
    }
    guest->transcript.failure = -code;
    guest->transcript.index = guest->ring.taken;
    guest->log_due = loop_now() + LOG_RETRY_MS * UINT64_C(1000000);
}

/* The stream goes on in it where it is. */
static void reopen_transcript(struct guest *guest)
{
    open_transcript(guest);
    guest->transcript.position = guest->stream.history.end;
    transcript_skip(&guest->transcript, guest->ring.taken);
}

static void move_output(struct guest *guest)
{
    uint8_t bytes[RING_OUTPUT];
    int count = ring_peek(&guest->ring, bytes);

    if (count < 0) {
        give_up_output(guest);
        rate_pay(&guest->rate, RING_OUTPUT);
        return;
    }
    rate_pay(&guest->rate, (uint64_t)count);
    if (count == 0) {
        return;
    }
    if (guest->transcript.fd < 0 && loop_now() >= guest->log_due) {
        reopen_transcript(guest);
    }
    if (!transcript_append(&guest->transcript, bytes, (size_t)count)) {
        report("domain %u: cannot log its console: %s", guest->domid,
               strerror(guest->transcript.failure));
    }
    if (ring_take(&guest->ring, (uint32_t)count)) {
        (void)evtchn_notify(guest->consoles->events.fd, guest->port);
    }
    stream_add(&guest->stream, bytes, (size_t)count);
}

static void rest(struct guest *guest)
{
    struct consoles *consoles = guest->consoles;

    guest->tired = true;
    guest->next_tired = consoles->tired;
    consoles->tired = guest;
    if (!consoles->rest.armed) {
        loop_set_timer(&consoles->loop, &consoles->rest, RATE_PAUSE_MS);
    }
}

static void serve(struct guest *guest)
{
    if (!rate_allows(&guest->rate, loop_now())) {
        rest(guest);
        return;
    }
    move_output(guest);
    stream_has_room(&guest->stream);
    (void)evtchn_unmask(guest->consoles->events.fd, guest->port);
}

static void rested(struct timer *timer)
{
    struct consoles *consoles =
        (struct consoles *)(void *)((char *)timer - offsetof(struct consoles, rest));
    struct guest *guest = consoles->tired;

    consoles->tired = NULL;
    while (guest != NULL) {
        struct guest *next = guest->next_tired;

        guest->tired = false;
        serve(guest);
        guest = next;
    }
}

static void event(struct source *source, uint32_t events)
{
    const struct consoles *consoles =
        (struct consoles *)(void *)((char *)source - offsetof(struct consoles, events));
    struct guest *guest;
    uint32_t port;

    (void)events;
    if (evtchn_pending(source->fd, &port, 1) != 1) {
        return;
    }
    guest = port < consoles->ports ? consoles->by_port[port] : NULL;
    if (guest != NULL && !guest->tired) {
        serve(guest);
    }
}

/* --- input ------------------------------------------------------------------------ */

static size_t input_room(struct stream *stream)
{
    return ring_room(&guest_of(stream)->ring);
}

static void input_give(struct stream *stream, const uint8_t *bytes, size_t count)
{
    struct guest *guest = guest_of(stream);

    (void)ring_give(&guest->ring, bytes, count);
    (void)evtchn_notify(guest->consoles->events.fd, guest->port);
}

/* --- attaching -------------------------------------------------------------------- */

static int map_page(struct guest *guest, const struct guest_place *place, struct vmctl_error *error)
{
    struct consoles *consoles = guest->consoles;
    struct xencons_interface *page = NULL;

    if (consoles->gntdev >= 0) {
        page = gntdev_map(consoles->gntdev, guest->domid, GNTTAB_RESERVED_CONSOLE,
                          PROT_READ | PROT_WRITE, error);
    }
    guest->granted = page != NULL;
    if (page == NULL && place->frame == 0) {
        return vmctl_fail(error, -ENODATA,
                          "domain %u: its console page is neither granted nor named", guest->domid);
    }
    if (page == NULL) {
        page = privcmd_map_foreign(&consoles->privcmd, guest->domid, PROT_READ | PROT_WRITE,
                                   &place->frame, 1, error);
    }
    if (page == NULL) {
        return vmctl_context(error, -ENXIO, "domain %u: console page", guest->domid);
    }
    ring_attach(&guest->ring, page);
    return 0;
}

static void unmap_page(struct guest *guest)
{
    if (guest->ring.shared == NULL) {
        return;
    }
    if (guest->granted) {
        (void)gntdev_unmap(guest->consoles->gntdev, guest->ring.shared);
    } else {
        privcmd_unmap(guest->ring.shared, 1);
    }
    guest->ring.shared = NULL;
}

static int bind_port(struct guest *guest, struct vmctl_error *error)
{
    struct consoles *consoles = guest->consoles;
    int port = evtchn_bind_interdomain(consoles->events.fd, guest->domid, guest->remote_port);
    int code;

    if (port < 0) {
        return vmctl_fail(error, port, "domain %u: event channel %u of its console: %s",
                          guest->domid, guest->remote_port, strerror(-port));
    }
    guest->port = (uint32_t)port;
    code = put_by_port(consoles, guest);
    if (code != 0) {
        (void)evtchn_unbind(consoles->events.fd, guest->port);
        guest->port = 0;
        return vmctl_fail(error, code, "domain %u: %s", guest->domid, strerror(-code));
    }
    return 0;
}

static void release(struct guest *guest, bool gone)
{
    struct consoles *consoles = guest->consoles;

    if (guest->port != 0) {
        consoles->by_port[guest->port] = NULL;
        (void)evtchn_unbind(consoles->events.fd, guest->port);
    }
    unmap_page(guest);
    stream_end(&guest->stream);
    pty_close(&guest->pty, &consoles->ptys);
    console_file_close(&guest->file, gone ? consoles->record_directory : NULL, guest->domid);
    transcript_close(&guest->transcript, gone);
    history_close(&guest->stream.history);
    free(guest->name);
    free(guest);
}

static int open_console(struct guest *guest, const struct guest_place *place,
                        struct vmctl_error *error)
{
    struct vmctl_error words;
    int code = map_page(guest, place, error);

    /* Of a domain that is about to go the port fails: before there is a record that stays. */
    if (code == 0) {
        code = bind_port(guest, error);
    }
    if (code != 0) {
        return code;
    }
    open_transcript(guest);
    if (!ring_resume(&guest->ring, guest->transcript.index)) {
        transcript_skip(&guest->transcript, guest->ring.taken);
    }
    code = transcript_open_history(&guest->transcript, &guest->stream.history);
    if (code != 0) {
        return vmctl_fail(error, code, "domain %u: console history: %s", guest->domid,
                          strerror(-code));
    }
    if (pty_open(&guest->pty, &guest->consoles->ptys, &guest->stream, &words) != 0) {
        report("domain %u: no terminal for its console: %s", guest->domid, words.message);
    }
    return 0;
}

int guest_attach(struct consoles *consoles, const struct guest_place *place,
                 struct vmctl_error *error)
{
    struct guest *guest = calloc(1, sizeof(*guest));
    int code;

    if (guest != NULL) {
        guest->name = strdup(place->name);
    }
    if (guest == NULL || guest->name == NULL) {
        free(guest);
        return vmctl_fail(error, -ENOMEM, "domain %u: %s", place->domid, strerror(ENOMEM));
    }
    guest->consoles = consoles;
    guest->domid = place->domid;
    guest->remote_port = place->port;
    guest->transcript = TRANSCRIPT_CLOSED;
    guest->transcript.limit = consoles->log_limit;
    guest->pty.viewer.source.fd = -1;
    guest->file.source.fd = -1;
    guest->stream.loop = &consoles->loop;
    guest->stream.room = input_room;
    guest->stream.give = input_give;
    memcpy(guest->stream.handle, place->handle, sizeof(place->handle));
    rate_start(&guest->rate, loop_now());

    code = open_console(guest, place, error);
    if (code != 0) {
        release(guest, false);
        return code;
    }
    consoles->by_domid[guest->domid] = guest;
    /* What it said before there was a port to tell us. */
    serve(guest);
    return 0;
}

static void forget_tired(struct guest *guest)
{
    struct guest **link = &guest->consoles->tired;

    while (guest->tired && *link != guest) {
        link = &(*link)->next_tired;
    }
    if (guest->tired) {
        *link = guest->next_tired;
    }
}

void guest_detach(struct guest *guest, bool gone)
{
    struct consoles *consoles = guest->consoles;

    if (gone) {
        move_output(guest); /* its last words */
    }
    forget_tired(guest);
    consoles->by_domid[guest->domid] = NULL;
    release(guest, gone);
}

void guest_rename(struct guest *guest, const char *name)
{
    const uint64_t limit = guest->transcript.limit;
    char *copy;

    if (strcmp(guest->name, name) == 0) {
        return;
    }
    copy = strdup(name);
    if (copy == NULL) {
        report("domain %u: %s", guest->domid, strerror(ENOMEM));
        return;
    }
    free(guest->name);
    guest->name = copy;
    transcript_close(&guest->transcript, true);
    guest->transcript.limit = limit;
    reopen_transcript(guest);
}

void guest_set_file(struct guest *guest, const char *path, bool append)
{
    struct vmctl_error error;
    const struct console_file wanted = {
        .path = path,
        .append = append,
        .record_directory = guest->consoles->record_directory,
        .domid = guest->domid,
    };

    if (guest->file.source.fd >= 0) {
        return;
    }
    if (console_file_open(&guest->file, &wanted, &error) != 0) {
        report("domain %u: %s", guest->domid, error.message);
        return;
    }
    stream_join(&guest->stream, &guest->file);
    viewer_serve(&guest->file);
}

void guest_set_limit(struct guest *guest, uint64_t bytes)
{
    guest->transcript.limit = bytes < TRANSCRIPT_MINIMUM ? TRANSCRIPT_MINIMUM : bytes;
}

/* --- all of them ------------------------------------------------------------------- */

int consoles_open(struct consoles *consoles, struct vmctl_error *error)
{
    int code;

    consoles->privcmd = PRIVCMD_CLOSED;
    consoles->gntdev = -1;
    consoles->ptys.source.fd = -1;
    consoles->rest.fire = rested;
    consoles->events = (struct source){ .ready = event, .fd = evtchn_open(error) };
    if (consoles->events.fd < 0) {
        return consoles->events.fd;
    }
    code = privcmd_open(&consoles->privcmd, error);
    if (code != 0) {
        return code;
    }
    consoles->gntdev = gntdev_open(NULL); /* without it pages are mapped as foreign memory */
    code = pty_set_open(&consoles->ptys, &consoles->loop, error);
    if (code != 0) {
        return code;
    }
    code = loop_watch(&consoles->loop, &consoles->events, EPOLLIN);
    return code == 0 ? 0 : vmctl_fail(error, code, "epoll: %s", strerror(-code));
}

void consoles_close(struct consoles *consoles)
{
    for (size_t i = 0; i < DOMID_FIRST_RESERVED; i++) {
        if (consoles->by_domid[i] != NULL) {
            guest_detach(consoles->by_domid[i], false);
        }
    }
    pty_set_close(&consoles->ptys, &consoles->loop);
    loop_clear_timer(&consoles->loop, &consoles->rest);
    if (consoles->events.fd >= 0) {
        (void)loop_watch(&consoles->loop, &consoles->events, 0);
        (void)close(consoles->events.fd);
    }
    if (consoles->gntdev >= 0) {
        (void)close(consoles->gntdev);
    }
    privcmd_close(&consoles->privcmd);
    free(consoles->by_port);
}
