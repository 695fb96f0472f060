/* SPDX-License-Identifier: MIT */
/* A hypervisor for the console daemon: see console_world.h. */
#include "tests/unit/console_world.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "dom0-tools/daemons/report.h"
#include "guest-pv-headers/domctl.h"
#include "guest-pv-headers/sysctl.h"
#include "libvmctl/console_client.h"
#include "libvmctl/evtchn.h"
#include "libvmctl/gntdev.h"
#include "libvmctl/privcmd.h"
#include "tests/unit/scratch.h"

struct world_domain *world;
uint32_t world_first;
const char *world_log;
unsigned int world_reports;
static char directory[SCRATCH_SIZE];
static int events[2] = { -1, -1 };

void world_enter(void)
{
    size_t size = WORLD_DOMAINS * sizeof(*world);

    scratch_make(directory);
    ck_assert_int_eq(pipe2(events, O_NONBLOCK | O_CLOEXEC), 0);
    world = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(world, MAP_FAILED);
    world_log = "";
    world_reports = 0;
    world_first = 0;
}

void world_leave(void)
{
    scratch_remove(directory);
    (void)munmap(world, WORLD_DOMAINS * sizeof(*world));
    (void)close(events[0]);
    (void)close(events[1]);
}

const char *world_directory(void)
{
    return directory;
}

const char *world_path(const char *file)
{
    static char path[128];

    (void)snprintf(path, sizeof(path), "%s/%s", directory, file);
    return path;
}

char *world_file(const char *file)
{
    char *text = calloc(1, 1 << 20);
    int fd = open(world_path(file), O_RDONLY | O_CLOEXEC);

    ck_assert_ptr_nonnull(text);
    if (fd >= 0) {
        ck_assert_int_ge(read(fd, text, (1 << 20) - 1), 0);
        (void)close(fd);
    }
    return text;
}

/* NULL: no such domain. */
static struct world_domain *find(uint32_t domid)
{
    struct world_domain *domain = &world[domid - world_first];

    return domid - world_first < WORLD_DOMAINS && domain->exists ? domain : NULL;
}

void world_add(uint32_t domid)
{
    struct world_domain *domain = &world[domid - world_first];

    domain->exists = true;
    domain->dying = false;
    memset(domain->handle, (int)domid, sizeof(domain->handle));
}

void world_fire(uint32_t domid)
{
    struct world_domain *domain = &world[domid - world_first];
    uint32_t port = WORLD_PORT + domid - world_first;

    if (domain->bound && !domain->masked) {
        domain->masked = true;
        ck_assert_int_eq(write(events[1], &port, sizeof(port)), sizeof(port));
    }
}

size_t world_write(uint32_t domid, const char *text, size_t count)
{
    struct xencons_interface *page = &world[domid - world_first].page;
    uint32_t room = RING_OUTPUT - (page->out_prod - page->out_cons);

    if (count > room) {
        count = room;
    }
    for (size_t i = 0; i < count; i++) {
        page->out[MASK_XENCONS_IDX(page->out_prod, page->out)] = text[i];
        page->out_prod++;
    }
    world_fire(domid);
    return count;
}

size_t world_say(uint32_t domid, const char *text)
{
    return world_write(domid, text, strlen(text));
}

size_t world_take(uint32_t domid, char *text, size_t size)
{
    struct xencons_interface *page = &world[domid - world_first].page;
    size_t count = 0;

    while (count < size && page->in_cons != page->in_prod) {
        text[count++] = page->in[MASK_XENCONS_IDX(page->in_cons, page->in)];
        page->in_cons++;
    }
    world_fire(domid);
    return count;
}

void world_turn(struct consoles *consoles)
{
    for (unsigned int i = 0; i < 60; i++) {
        ck_assert_int_eq(loop_turn(&consoles->loop, 0), 0);
    }
}

int world_connect(void)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(address.sun_path, world_path("sock"), strlen(world_path("sock")) + 1);
    ck_assert_int_eq(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

int world_attach(struct consoles *consoles, struct console_request *request,
                 struct console_reply *reply)
{
    int fd = world_connect();

    if (request->magic[0] == '\0') {
        memcpy(request->magic, CONSOLE_MAGIC, sizeof(request->magic));
    }
    ck_assert_int_eq(send(fd, request, sizeof(*request), 0), sizeof(*request));
    world_turn(consoles);
    memset(reply, 0, sizeof(*reply));
    ck_assert_int_eq(recv(fd, reply, sizeof(*reply), MSG_DONTWAIT), sizeof(*reply));
    ck_assert_mem_eq(reply->magic, CONSOLE_MAGIC, sizeof(reply->magic));
    return fd;
}

int world_receive(int fd, char *text, size_t size)
{
    size_t used = 0;
    ssize_t count;

    do {
        count = recv(fd, text + used, size - 1 - used, MSG_DONTWAIT);
        used += count > 0 ? (size_t)count : 0;
    } while (count > 0 && used < size - 1);
    text[used] = '\0';
    return used == 0 && (count == 0 || errno != EAGAIN) ? -1 : (int)used;
}

/* --- what the daemon calls --------------------------------------------------------- */

void report(const char *format, ...)
{
    va_list words;

    world_reports++;
    if (getenv("CONSOLE_WORLD_VERBOSE") != NULL) {
        va_start(words, format);
        (void)vfprintf(stderr, format, words);
        (void)fputc('\n', stderr);
        va_end(words);
    }
}

int evtchn_open(struct vmctl_error *error)
{
    (void)error;
    return dup(events[0]);
}

int evtchn_bind_interdomain(int fd, uint32_t domid, uint32_t remote_port)
{
    struct world_domain *domain = find(domid);

    (void)fd;
    if (domain == NULL || remote_port != WORLD_REMOTE + domid) {
        return -EINVAL;
    }
    domain->bound = true;
    domain->masked = false;
    return (int)(WORLD_PORT + domid - world_first);
}

int evtchn_unbind(int fd, uint32_t port)
{
    (void)fd;
    world[port - WORLD_PORT].bound = false;
    return 0;
}

int evtchn_notify(int fd, uint32_t port)
{
    (void)fd;
    world[port - WORLD_PORT].told++;
    return 0;
}

int evtchn_pending(int fd, uint32_t *ports, size_t room)
{
    ssize_t got = read(fd, ports, room * sizeof(*ports));

    return got < 0 ? -errno : (int)((size_t)got / sizeof(*ports));
}

int evtchn_unmask(int fd, uint32_t port)
{
    struct world_domain *domain = &world[port - WORLD_PORT];

    (void)fd;
    domain->masked = false;
    return 0;
}

int gntdev_open(struct vmctl_error *error)
{
    (void)error;
    return eventfd(0, EFD_CLOEXEC);
}

void *gntdev_map(int fd, uint32_t domid, uint32_t ref, int prot, struct vmctl_error *error)
{
    struct world_domain *domain = find(domid);

    (void)fd;
    (void)prot;
    if (domain == NULL || domain->no_grant || ref != 0) {
        (void)vmctl_fail(error, -EINVAL, "grant");
        return NULL;
    }
    domain->mapped = true;
    return &domain->page;
}

int gntdev_unmap(int fd, void *page)
{
    (void)fd;
    ((struct world_domain *)page)->mapped = false;
    return 0;
}

int privcmd_open(struct privcmd *privcmd, struct vmctl_error *error)
{
    (void)error;
    privcmd->fd = 0;
    return 0;
}

void privcmd_close(struct privcmd *privcmd)
{
    *privcmd = PRIVCMD_CLOSED;
}

void *privcmd_map_foreign(struct privcmd *privcmd, uint32_t domid, int prot, const uint64_t *frames,
                          size_t count, struct vmctl_error *error)
{
    struct world_domain *domain = find(domid);

    (void)privcmd;
    (void)prot;
    if (domain == NULL || count != 1 || *frames != 5000 + domid) {
        (void)vmctl_fail(error, -EINVAL, "foreign frame");
        return NULL;
    }
    domain->mapped = true;
    return &domain->page;
}

void privcmd_unmap(void *pages, size_t count)
{
    (void)count;
    ((struct world_domain *)pages)->mapped = false;
}

void *privcmd_buffer(struct privcmd *privcmd, size_t size)
{
    (void)privcmd;
    return calloc(1, size);
}

void privcmd_buffer_free(struct privcmd *privcmd, void *buffer, size_t size)
{
    (void)privcmd;
    (void)size;
    free(buffer);
}

static void describe(struct xen_domctl_getdomaininfo *info, uint32_t domid)
{
    const struct world_domain *domain = find(domid);

    memset(info, 0, sizeof(*info));
    info->domain = (domid_t)domid;
    info->flags = domain->dying ? XEN_DOMINF_dying : 0;
    memcpy(info->handle, domain->handle, sizeof(info->handle));
}

int privcmd_domctl(struct privcmd *privcmd, struct xen_domctl *request)
{
    (void)privcmd;
    ck_assert_uint_eq(request->cmd, XEN_DOMCTL_getdomaininfo);
    if (find(request->domain) == NULL) {
        return -ESRCH;
    }
    describe(&request->u.getdomaininfo, request->domain);
    return 0;
}

static int list_domains(struct xen_sysctl_getdomaininfolist *list)
{
    struct xen_domctl_getdomaininfo *info = list->buffer;

    list->num_domains = 0;
    for (uint32_t i = 0; i < WORLD_DOMAINS && list->num_domains < list->max_domains; i++) {
        const uint32_t domid = world_first + i;

        if (domid >= list->first_domain && find(domid) != NULL) {
            describe(&info[list->num_domains++], domid);
        }
    }
    return 0;
}

static int read_console(struct xen_sysctl_readconsole *request)
{
    uint32_t size = (uint32_t)strlen(world_log);
    uint32_t left = request->index < size ? size - request->index : 0;

    if (left < request->count) {
        request->count = left;
    }
    memcpy(request->buffer, world_log + (size - left), request->count);
    request->index = size - left + request->count;
    return 0;
}

int privcmd_sysctl(struct privcmd *privcmd, struct xen_sysctl *request)
{
    (void)privcmd;
    if (request->cmd == XEN_SYSCTL_getdomaininfolist) {
        return list_domains(&request->u.getdomaininfolist);
    }
    ck_assert_uint_eq(request->cmd, XEN_SYSCTL_readconsole);
    return read_console(&request->u.readconsole);
}
