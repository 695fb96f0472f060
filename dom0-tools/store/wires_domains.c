/* SPDX-License-Identifier: MIT */
/* Rings of domains: their pages, their ports, and what the hypervisor says of them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dom0-tools/daemons/report.h"
#include "dom0-tools/store/ring.h"
#include "dom0-tools/store/wires.h"
#include "guest-pv-headers/grant_table.h"
#include "libvmctl/evtchn.h"
#include "libvmctl/gntdev.h"

#define PAGE          4096U
#define SHARE         16U /* requests of one ring before the next one's turn */
#define TURNS         8U  /* rings that have theirs before sockets are looked at */
#define PORTS         64U /* events taken at once */
#define HOLD_MS       100
#define EARNED_PER_MS 5 /* tokens of a guest; a visit, a request, a step of one cost one each */
#define TOKENS_MAX    4096
#define INFOS         256U                       /* domains asked for at once */
#define GET_DOM0_PORT _IOC(_IOC_NONE, 'B', 0, 0) /* of /dev/xen/xenbus_backend */

int domains_open(struct wires *wires, struct vmctl_error *error)
{
    int r = privcmd_open(&wires->privcmd, error);

    if (r < 0) {
        return r;
    }
    wires->infos = privcmd_buffer(&wires->privcmd, INFOS * sizeof(struct xen_domctl_getdomaininfo));
    if (wires->infos == NULL) {
        return vmctl_fail(error, -ENOMEM, "no memory for hypercalls");
    }
    wires->grants = gntdev_open(NULL); /* foreign mappings do as well */
    wires->evtchn = evtchn_open(error);
    if (wires->evtchn < 0) {
        return wires->evtchn;
    }
    r = evtchn_bind_virq(wires->evtchn, VIRQ_DOM_EXC);
    if (r < 0) {
        return vmctl_fail(error, r, "the event of domains that end cannot be had (%s); %s",
                          strerror(-r), "is another store running?");
    }
    wires->virq = r;
    return 0;
}

void domains_close(struct wires *wires)
{
    if (wires->infos != NULL) {
        privcmd_buffer_free(&wires->privcmd, wires->infos,
                            INFOS * sizeof(struct xen_domctl_getdomaininfo));
        wires->infos = NULL;
    }
    privcmd_close(&wires->privcmd);
    if (wires->grants >= 0) {
        (void)close(wires->grants);
        wires->grants = -1;
    }
    if (wires->evtchn >= 0) {
        (void)close(wires->evtchn);
        wires->evtchn = -1;
    }
    free(wires->by_port);
    wires->by_port = NULL;
    wires->port_count = 0;
}

static void put_pending(struct wires *wires, struct store_connection *ring,
                        struct store_connection **at)
{
    if (ring->is_pending) {
        return;
    }
    ring->is_pending = true;
    ring->next_pending = *at;
    if (*at == NULL) {
        wires->pending_end = &ring->next_pending;
    }
    *at = ring;
}

static void look_at(struct wires *wires, struct store_connection *ring)
{
    put_pending(wires, ring, wires->pending_end);
}

/* Out of the queue, or of those held. */
static void drop_pending(struct wires *wires, struct store_connection *ring)
{
    struct store_connection **at = ring->held_till != 0 ? &wires->held : &wires->pending;

    if (!ring->is_pending) {
        return;
    }
    while (*at != ring) {
        at = &(*at)->next_pending;
    }
    *at = ring->next_pending;
    if (wires->pending_end == &ring->next_pending) {
        wires->pending_end = at;
    }
    ring->is_pending = false;
    ring->held_till = 0;
}

void domains_hold(void *context, struct store_connection *ring)
{
    struct wires *wires = context;

    if (ring->held_till == 0) {
        drop_pending(wires, ring);
        ring->is_pending = true;
        ring->held_till = wires_now() + HOLD_MS;
        ring->next_pending = wires->held;
        wires->held = ring;
    }
}

int domains_wait(struct wires *wires)
{
    const int64_t now = wires->held == NULL ? 0 : wires_now();
    struct store_connection *next;
    int64_t wait = -1;

    for (struct store_connection *ring = wires->held; ring != NULL; ring = next) {
        const int64_t left = ring->held_till - now;

        next = ring->next_pending;
        if (left <= 0) {
            drop_pending(wires, ring);
            look_at(wires, ring);
            wait = 0;
        } else if (wait < 0 || left < wait) {
            wait = left;
        }
    }
    return (int)wait;
}

/* --- pages and ports ------------------------------------------------------------- */

/* Dom0's kernel gives its page and port by one file or the other. */
static int dom0_page(struct store_connection *ring, uint32_t *port)
{
    static const char *const names[] = { "/dev/xen/xenbus_backend", "/proc/xen/xsd_kva" };
    char text[16] = "";
    void *page = MAP_FAILED;
    int fd;
    int r;

    for (unsigned int i = 0; i < 2 && page == MAP_FAILED; i++) {
        fd = open(names[i], O_RDWR | O_CLOEXEC);
        if (fd < 0) {
            continue;
        }
        r = i == 0 ? ioctl(fd, GET_DOM0_PORT) : 0;
        if (r >= 0) {
            *port = (uint32_t)r;
            page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        }
        (void)close(fd);
    }
    if (page == MAP_FAILED) {
        return -ENODEV;
    }
    ring->page = page;
    if (*port != 0) {
        return 0;
    }
    fd = open("/proc/xen/xsd_port", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (read(fd, text, sizeof(text) - 1) > 0) {
            *port = (uint32_t)strtoul(text, NULL, 10);
        }
        (void)close(fd);
    }
    return *port == 0 ? -ENODEV : 0;
}

static int guest_page(struct wires *wires, struct store_connection *ring, uint64_t mfn)
{
    const int prot = PROT_READ | PROT_WRITE;

    if (wires->grants >= 0) {
        ring->page = gntdev_map(wires->grants, ring->domid, GNTTAB_RESERVED_XENSTORE, prot, NULL);
        ring->via_grant = ring->page != NULL;
    }
    if (ring->page == NULL) {
        ring->page = privcmd_map_foreign(&wires->privcmd, ring->domid, prot, &mfn, 1, NULL);
    }
    return ring->page == NULL ? -EINVAL : 0;
}

static int remember_port(struct wires *wires, struct store_connection *ring)
{
    if (ring->port >= wires->port_count) {
        const size_t count = (size_t)ring->port * 2 + 64;
        struct store_connection **by_port =
            realloc(wires->by_port, count * sizeof(struct store_connection *));

        if (by_port == NULL) {
            return -ENOMEM;
        }
        memset(by_port + wires->port_count, 0,
               (count - wires->port_count) * sizeof(struct store_connection *));
        wires->by_port = by_port;
        wires->port_count = count;
    }
    wires->by_port[ring->port] = ring;
    return 0;
}

int domains_attach(void *context, struct store_connection *ring, uint64_t mfn, uint32_t port)
{
    struct wires *wires = context;
    int r;

    if (wires->evtchn < 0) {
        return -ENODEV;
    }
    r = ring->domid == 0 ? dom0_page(ring, &port) : guest_page(wires, ring, mfn);
    if (r < 0) {
        domains_detach(wires, ring);
        return r;
    }
    r = evtchn_bind_interdomain(wires->evtchn, ring->domid, port);
    if (r >= 0) {
        ring->port = (uint32_t)r;
        r = remember_port(wires, ring);
    }
    if (r < 0) {
        domains_detach(wires, ring);
        return r == -ENOMEM ? r : -EINVAL;
    }
    ring_begin(ring);
    look_at(wires, ring);
    stored_ready(ring); /* which also tells it that we are here */
    return 0;
}

void domains_detach(void *context, struct store_connection *ring)
{
    struct wires *wires = context;

    drop_pending(wires, ring);
    if (ring->port != 0) {
        if (ring->port < wires->port_count) {
            wires->by_port[ring->port] = NULL;
        }
        (void)evtchn_unbind(wires->evtchn, ring->port);
        ring->port = 0;
    }
    if (ring->page == NULL) {
        return;
    }
    if (ring->domid == 0) {
        (void)munmap(ring->page, PAGE);
    } else if (ring->via_grant) {
        (void)gntdev_unmap(wires->grants, ring->page);
    } else {
        privcmd_unmap(ring->page, 1);
    }
    ring->page = NULL;
    ring->via_grant = false;
}

/* --- the hypervisor's word --------------------------------------------------------- */

static long list_domains(struct wires *wires, uint32_t first)
{
    struct xen_sysctl request = { .cmd = XEN_SYSCTL_getdomaininfolist };
    int r;

    request.u.getdomaininfolist.first_domain = (domid_t)first;
    request.u.getdomaininfolist.max_domains = INFOS;
    request.u.getdomaininfolist.buffer = wires->infos;
    r = privcmd_sysctl(&wires->privcmd, &request);
    return r < 0 ? r : (long)request.u.getdomaininfolist.num_domains;
}

/* Bit 0: it is there; bit 1: it has shut down. */
#define SEEN     1U
#define SHUTDOWN 2U

static int ask_states(struct wires *wires, uint8_t *states)
{
    const struct xen_domctl_getdomaininfo *infos = wires->infos;
    uint32_t next = 0;
    long count;

    do {
        count = list_domains(wires, next);
        if (count < 0) {
            return (int)count;
        }
        for (long i = 0; i < count; i++) {
            const uint32_t domid = infos[i].domain;

            if (domid < STORE_DOMIDS && (infos[i].flags & XEN_DOMINF_dying) == 0) {
                states[domid] =
                    (uint8_t)(SEEN | ((infos[i].flags & XEN_DOMINF_shutdown) != 0 ? SHUTDOWN : 0));
            }
            next = domid + 1;
        }
    } while (count == (long)INFOS);
    return 0;
}

/* After VIRQ_DOM_EXC: which of ours have ended? */
static void check_domains(struct wires *wires)
{
    struct stored *stored = wires->stored;
    uint8_t *states = calloc(STORE_DOMIDS, 1);
    struct store_domain *next;
    bool tell = false;

    if (states == NULL || ask_states(wires, states) < 0) {
        report("the list of domains cannot be had");
        free(states);
        return;
    }
    for (struct store_domain *domain = stored->domains->all; domain != NULL; domain = next) {
        const uint8_t state = states[domain->domid];

        next = domain->next;
        if (domain->domid == 0 || !domain->introduced) {
            continue;
        }
        if ((state & SEEN) == 0) {
            stored_domain_gone(stored, domain->domid);
            tell = true;
        } else if ((state & SHUTDOWN) != 0) {
            tell |= stored_domain_shut_down(stored, domain->domid);
        }
    }
    free(states);
    if (tell) {
        stored_tell_released(stored);
    }
    journal_commit(stored->journal);
}

int domains_begin(struct wires *wires, struct vmctl_error *error)
{
    struct stored *stored = wires->stored;
    int r = stored_introduce_dom0(stored);

    if (r < 0) {
        return vmctl_fail(error, r, "dom0's own store page: %s", strerror(-r));
    }
    check_domains(wires);
    for (struct store_domain *domain = stored->domains->all; domain != NULL;
         domain = domain->next) {
        if (domain->domid == 0 || domain->ring == NULL) {
            continue;
        }
        r = domains_attach(wires, domain->ring, domain->mfn, domain->port);
        if (r < 0) {
            report("domain %u cannot be attached again: %s", domain->domid, strerror(-r));
        }
    }
    return 0;
}

void domains_events(struct wires *wires)
{
    uint32_t ports[PORTS];
    const int count = evtchn_pending(wires->evtchn, ports, PORTS);

    for (int i = 0; i < count; i++) {
        const uint32_t port = ports[i];

        if (port == (uint32_t)wires->virq) {
            (void)evtchn_unmask(wires->evtchn, port);
            check_domains(wires);
        } else if (port < wires->port_count && wires->by_port[port] != NULL) {
            struct store_connection *ring = wires->by_port[port];

            ring->masked = true; /* so it has one event a turn */
            /* However many guests have asked before, dom0's kernel is next. */
            put_pending(wires, ring, ring->domid == 0 ? &wires->pending : wires->pending_end);
        }
    }
}

/* One guest's requests may take only so much of dom0's time. */
static void pay(struct wires *wires, struct store_connection *ring, uint64_t tokens)
{
    int64_t now;

    ring->tokens -= (int64_t)tokens;
    if (ring->tokens > 0 || ring->domid == 0) {
        return;
    }
    now = wires_now();
    ring->tokens += (now - ring->earned_at) * EARNED_PER_MS;
    if (ring->tokens > TOKENS_MAX) {
        ring->tokens = TOKENS_MAX;
    }
    ring->earned_at = now;
    if (ring->tokens <= 0) {
        domains_hold(wires, ring);
    }
}

static void serve(struct wires *wires, struct store_connection *ring)
{
    const struct stored_counters *work = &wires->stored->counters;
    const uint64_t before = work->requests + work->steps;
    const bool more = ring_receive(ring, SHARE);

    pay(wires, ring, 1 + work->requests + work->steps - before);
    if (ring->held_till != 0) {
        /* Its event stays masked till then. */
    } else if (more) {
        look_at(wires, ring);
    } else if (ring->masked) {
        ring->masked = false;
        (void)evtchn_unmask(wires->evtchn, ring->port);
    }
    /* It may have read, too. */
    if (bytes_size(&ring->out) != 0 || ring->missed) {
        stored_ready(ring);
    }
}

bool domains_work(struct wires *wires)
{
    for (unsigned int i = 0; i < TURNS && wires->pending != NULL; i++) {
        struct store_connection *ring = wires->pending;

        drop_pending(wires, ring);
        serve(wires, ring);
    }
    return wires->pending != NULL;
}

void domains_send(struct wires *wires, struct store_connection *ring)
{
    if (ring_send(ring)) {
        (void)evtchn_notify(wires->evtchn, ring->port);
    }
}
