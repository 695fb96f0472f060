/* SPDX-License-Identifier: MIT */
/*
 * paravane-supervisor: what is to follow when a guest ends.
 *
 * The overseer decides, threads act; this file tells the overseer of the world:
 * the hypervisor's list of domains, the store, the files of keep.c.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "dom0-tools/daemons/frame.h"
#include "dom0-tools/daemons/report.h"
#include "dom0-tools/supervisor/actions.h"
#include "dom0-tools/supervisor/held.h"
#include "dom0-tools/supervisor/keep.h"
#include "dom0-tools/supervisor/overseer.h"
#include "dom0-tools/supervisor/workers.h"
#include "libvmctl/domain.h"
#include "libvmctl/guest_store.h"
#include "libvmctl/handle.h"
#include "libvmctl/making.h"

#define KEEP    RUN_DIRECTORY "/restarts"
#define THREADS 8u
#define BATCH   256u /* domains asked for at a time */

struct supervisor {
    struct vmctl *handle;
    struct store_client *store;
    struct overseer *overseer;
    struct workers *workers;
    int makers; /* readable when one ends */
};

static const char program[] = "paravane-supervisor";

static void print(const char *line)
{
    report("%s", line);
}

/* --- the world, as the overseer sees it ------------------------------------------------ */

static int64_t world_now(void *context)
{
    struct timespec time;

    (void)context;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void take_fact(const struct xen_domctl_getdomaininfo *info, struct domain_fact *fact)
{
    *fact = (struct domain_fact){
        .domid = info->domain,
        .ended = (info->flags & XEN_DOMINF_shutdown) != 0,
        .dying = (info->flags & XEN_DOMINF_dying) != 0,
        .end = policy_end(info->flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask),
        .pages = info->tot_pages,
    };
    memcpy(fact->uuid, info->handle, sizeof(fact->uuid));
}

static int list_all(struct supervisor *supervisor, struct xen_domctl_getdomaininfo *buffer,
                    struct domain_fact **facts, size_t *count, struct vmctl_error *error)
{
    uint32_t next = 1; /* without dom0 */
    int got;

    do {
        struct domain_fact *grown;

        got = domain_list(&supervisor->handle->privcmd, next, buffer, BATCH, error);
        if (got < 0) {
            return got;
        }
        grown = reallocarray(*facts, *count + (size_t)got + 1, sizeof(*grown));
        if (grown == NULL) {
            return vmctl_fail(error, -ENOMEM, "no memory");
        }
        *facts = grown;
        for (int i = 0; i < got; i++) {
            take_fact(&buffer[i], &grown[(*count)++]);
            next = buffer[i].domain + 1U;
        }
    } while (got == (int)BATCH);
    return 0;
}

static int world_list(void *context, struct domain_fact **facts, size_t *count)
{
    struct supervisor *supervisor = context;
    const size_t size = BATCH * sizeof(struct xen_domctl_getdomaininfo);
    struct xen_domctl_getdomaininfo *buffer = privcmd_buffer(&supervisor->handle->privcmd, size);
    struct vmctl_error error = { .code = 0 };
    int r;

    *facts = NULL;
    *count = 0;
    r = buffer == NULL ? vmctl_fail(&error, -ENOMEM, "no memory for a hypercall")
                       : list_all(supervisor, buffer, facts, count, &error);
    privcmd_buffer_free(&supervisor->handle->privcmd, buffer, size);
    if (r < 0) {
        print(error.message);
        free(*facts);
        *facts = NULL;
    }
    return r;
}

static int world_announced(void *context, uint32_t **domids, size_t *count)
{
    struct supervisor *supervisor = context;
    struct vmctl_error error = { .code = 0 };
    char **names = NULL;
    size_t listed = 0;
    int r = store_list(supervisor->store, STORE_NO_TRANSACTION, "/paravane/guest", &names, &listed,
                       &error);

    *count = 0;
    if (r < 0 && r != -ENOENT) {
        print(error.message);
        return r;
    }
    *domids = calloc(listed + 1, sizeof(**domids));
    for (size_t i = 0; *domids != NULL && i < listed; i++) {
        (*domids)[(*count)++] = (uint32_t)strtoul(names[i], NULL, 10);
    }
    free(names);
    return *domids != NULL ? 0 : -ENOMEM;
}

static int world_abandoned(void *context, uint8_t (**uuids)[16], size_t *count)
{
    struct vmctl_error error = { .code = 0 };
    int r = making_abandoned(uuids, count, &error);

    (void)context;
    if (r < 0) {
        print(error.message);
    }
    return r;
}

static int world_policy(void *context, uint32_t domid, const char *node, enum guest_action *action)
{
    struct supervisor *supervisor = context;
    char path[64];
    char *text = NULL;
    int r;

    (void)snprintf(path, sizeof(path), "/paravane/guest/%u/%s", domid, node);
    r = store_read(supervisor->store, STORE_NO_TRANSACTION, path, &text, NULL, NULL);
    if (r == 0 && guest_action_parse(text, action, NULL) < 0) {
        *action = GUEST_ACTION_PRESERVE; /* what does no harm */
    }
    free(text);
    return r;
}

static void world_name(void *context, uint32_t domid, char *name, size_t room)
{
    struct supervisor *supervisor = context;
    char path[64];
    char *text = NULL;

    (void)snprintf(path, sizeof(path), "/paravane/guest/%u/name", domid);
    (void)store_read(supervisor->store, STORE_NO_TRANSACTION, path, &text, NULL, NULL);
    (void)snprintf(name, room, "%s",
                   text != NULL && guest_name_check(text, NULL) == 0 ? text : "?");
    free(text);
}

/* Since it was made, says its maker. */
static int64_t world_lived(void *context, const struct domain_fact *fact)
{
    struct supervisor *supervisor = context;
    uint64_t began = 0;
    char uuid[37];
    char path[64];

    guest_uuid_format(fact->uuid, uuid);
    (void)snprintf(path, sizeof(path), "/vm/%s/start_time", uuid);
    if (guest_store_read_number(supervisor->store, STORE_NO_TRANSACTION, path, &began, NULL) < 0) {
        return INT64_MAX;
    }
    return (int64_t)time(NULL) - (int64_t)began;
}

static unsigned int world_quick_ends(void *context, const uint8_t uuid[16])
{
    (void)context;
    return keep_ends(uuid);
}

static void world_set_quick_ends(void *context, const uint8_t uuid[16], unsigned int count)
{
    (void)context;
    keep_set_ends(uuid, count);
}

static void world_forget_kept(void *context, const uint8_t uuid[16], bool failed)
{
    (void)context;
    if (failed) {
        (void)keep_turn(uuid, KEEP_KIND_XML, KEEP_KIND_FAILED, NULL);
    } else {
        keep_remove(uuid, KEEP_KIND_XML);
    }
}

static void world_held(void *context, const struct domain_fact *fact, char *words, size_t room)
{
    struct supervisor *supervisor = context;
    char path[64];

    held_describe("/sys", "/proc", fact->domid, words, room);
    (void)snprintf(path, sizeof(path), "/paravane/held/%u", fact->domid);
    (void)store_write_text(supervisor->store, STORE_NO_TRANSACTION, path, words, NULL);
}

static void world_released(void *context, uint32_t domid)
{
    struct supervisor *supervisor = context;
    char path[64];

    (void)snprintf(path, sizeof(path), "/paravane/held/%u", domid);
    (void)store_remove(supervisor->store, STORE_NO_TRANSACTION, path, NULL);
}

static void world_start(void *context, const struct job *job)
{
    struct supervisor *supervisor = context;
    struct job failed = *job;

    if (workers_add(supervisor->workers, job) < 0) {
        failed.result = -ENOMEM;
        (void)snprintf(failed.words, sizeof(failed.words), "no memory");
        overseer_done(supervisor->overseer, &failed);
    }
}

static void world_say(void *context, const char *line)
{
    (void)context;
    print(line);
}

/* --- what an earlier run has left ------------------------------------------------------- */

/* Its old domain has given the uuid away: nothing but the making is left to do. */
static bool is_renamed(struct supervisor *supervisor, const uint8_t uuid[16])
{
    uint64_t holder;
    char text[37];
    char path[64];

    guest_uuid_format(uuid, text);
    (void)snprintf(path, sizeof(path), "/paravane/uuid/%s", text);
    return guest_store_read_number(supervisor->store, STORE_NO_TRANSACTION, path, &holder, NULL) ==
               -ENOENT &&
           keep_turn(uuid, KEEP_KIND_RENAMING, KEEP_KIND_XML, NULL) == 0;
}

static int recover(struct supervisor *supervisor, struct vmctl_error *error)
{
    uint8_t(*uuids)[16];
    size_t count;
    int r = keep_list(KEEP_KIND_RENAMING, &uuids, &count, error);

    for (size_t i = 0; i < count; i++) {
        (void)is_renamed(supervisor, uuids[i]);
    }
    free(uuids);
    if (r < 0) {
        return r;
    }
    r = keep_list(KEEP_KIND_XML, &uuids, &count, error);
    for (size_t i = 0; i < count; i++) {
        overseer_found_kept(supervisor->overseer, uuids[i]);
    }
    free(uuids);
    return r;
}

/* --- the program ------------------------------------------------------------------------- */

/* True: a guest has ended, been destroyed, or the store was restarted. */
static int take_events(struct supervisor *supervisor, bool *any)
{
    struct vmctl_error error = { .code = 0 };
    const char *token;
    const char *path;
    int r;

    while ((r = store_next_event(supervisor->store, &path, &token, &error)) > 0) {
        *any = true;
    }
    if (r < 0) {
        print(error.message);
    }
    return r;
}

static bool take_jobs(struct supervisor *supervisor)
{
    struct job *job;
    bool any = false;

    while ((job = workers_take(supervisor->workers)) != NULL) {
        overseer_done(supervisor->overseer, job);
        free(job);
        any = true;
    }
    return any;
}

static int serve(struct supervisor *supervisor, int signals)
{
    struct pollfd fds[] = {
        { .fd = signals, .events = POLLIN },
        { .fd = store_fd(supervisor->store), .events = POLLIN },
        { .fd = workers_fd(supervisor->workers), .events = POLLIN },
        { .fd = supervisor->makers, .events = POLLIN },
    };

    for (;;) {
        bool look = false;
        int ready;

        if (take_events(supervisor, &look) < 0) {
            return 1;
        }
        look |= take_jobs(supervisor);
        look |= making_changed(supervisor->makers);
        look |= overseer_timeout(supervisor->overseer) == 0;
        if (look) {
            overseer_look(supervisor->overseer);
        }
        /* No sleep after a look: its requests may have taken events off the socket. */
        ready = poll(fds, sizeof(fds) / sizeof(fds[0]),
                     look ? 0 : overseer_timeout(supervisor->overseer));
        if (ready < 0 && errno != EINTR) {
            print(strerror(errno));
            return 1;
        }
        if (ready > 0 && fds[0].revents != 0) {
            return 0;
        }
    }
}

static int open_all(struct supervisor *supervisor, struct vmctl_error *error)
{
    const struct overseer_world world = {
        .context = supervisor,
        .now = world_now,
        .list = world_list,
        .announced = world_announced,
        .abandoned = world_abandoned,
        .policy = world_policy,
        .name = world_name,
        .lived = world_lived,
        .quick_ends = world_quick_ends,
        .set_quick_ends = world_set_quick_ends,
        .forget_kept = world_forget_kept,
        .held = world_held,
        .released = world_released,
        .start = world_start,
        .say = world_say,
    };
    int r = vmctl_open(&supervisor->handle, error);

    r = r < 0 ? r : store_open(NULL, &supervisor->store, error);
    if (r == 0) {
        /* What an earlier run said; of those still dying it is said anew. */
        (void)store_remove(supervisor->store, STORE_NO_TRANSACTION, "/paravane/held", NULL);
    }
    r = r < 0 ? r : keep_open(KEEP, error);
    r = r < 0 ? r : workers_start(THREADS, action_run, true, &supervisor->workers, error);
    if (r == 0) {
        supervisor->overseer = overseer_new(&world);
        r = supervisor->overseer != NULL ? 0 : vmctl_fail(error, -ENOMEM, "no memory");
    }
    r = r < 0 ? r : recover(supervisor, error);
    if (r == 0) {
        supervisor->makers = making_watch(error);
        r = supervisor->makers < 0 ? supervisor->makers : 0;
    }
    return r < 0 ? r : store_watch(supervisor->store, "@releaseDomain", program, error);
}

static int run(void)
{
    struct supervisor supervisor = { .makers = -1 };
    struct vmctl_error error = { .code = 0 };
    int signals = frame_open_signals();
    int status = 1;

    if (signals < 0) {
        print(strerror(errno));
        return 1;
    }
    if (open_all(&supervisor, &error) < 0) {
        print(error.message);
    } else {
        status = serve(&supervisor, signals);
    }
    workers_stop(supervisor.workers);
    overseer_free(supervisor.overseer);
    store_close(supervisor.store);
    vmctl_close(supervisor.handle);
    (void)close(signals);
    return status;
}

int main(int argc, char **argv)
{
    static const struct frame frame = {
        .program = program,
        .purpose = "Do with guests that end what their descriptions say",
        .lock_file = RUN_DIRECTORY "/supervisor.lock",
        .run = run,
    };

    return frame_main(&frame, argc, argv);
}
