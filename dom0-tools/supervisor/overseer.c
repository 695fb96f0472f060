/* SPDX-License-Identifier: MIT */
/* Decisions about guests that have ended: see overseer.h. */
#include "dom0-tools/supervisor/overseer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LET_GO_MS    5000    /* back ends have this long before they are named */
#define LOOK_MS      1000    /* how often a dying domain is looked at */
#define LEFTOVER_MS  2000    /* whoever destroyed the guest has this long to clean up */
#define MOST_TRIES   8       /* to create a guest again; some four minutes */
#define LONGEST_LOOK 3600000 /* ms */
#define NEVER        INT64_MAX

enum phase {
    PHASE_LIVING,
    PHASE_WAITING, /* ended; something is due */
    PHASE_WORKING, /* a job is under way */
    PHASE_KEPT,    /* ended, and to stay so */
    PHASE_FOREIGN, /* ended, another toolstack's */
    PHASE_DYING,
};

/* A domain. */
struct ward {
    struct domain_fact fact;
    enum phase phase;
    enum job_kind wanted; /* PHASE_WAITING, PHASE_WORKING */
    int64_t due;          /* PHASE_WAITING, PHASE_DYING */
    int64_t since;        /* PHASE_DYING */
    unsigned int failures;
    unsigned int round; /* of the last list that had it */
    bool told;          /* PHASE_DYING: who holds it */
    char name[64];      /* for the log; empty until it has ended */
};

/* A guest to be created from its kept description. */
struct kept {
    uint8_t uuid[16];
    int64_t due;
    unsigned int failures;
    bool working;
};

/* What is left of a guest that is no more, or never came to be. */
struct leftover {
    struct job job;
    int64_t due;
    unsigned int round;
    bool working;
};

struct list {
    void *items;
    size_t count;
    size_t room;
    size_t size; /* of an item */
};

struct overseer {
    struct overseer_world world;
    struct list wards; /* by domid */
    struct list kept;
    struct list leftovers;
    unsigned int round;
    bool again;      /* a job is done: look at once */
    int64_t look_at; /* the world did not answer: look then */
};

static void say(const struct overseer *overseer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void say(const struct overseer *overseer, const char *format, ...)
{
    char line[1024];
    va_list words;

    va_start(words, format);
    (void)vsnprintf(line, sizeof(line), format, words);
    va_end(words);
    overseer->world.say(overseer->world.context, line);
}

static int64_t now(const struct overseer *overseer)
{
    return overseer->world.now(overseer->world.context);
}

/* --- lists ---------------------------------------------------------------------- */

/* Room for one more at `index`, zeroed; NULL: no memory. */
static void *list_insert(struct list *list, size_t index)
{
    char *at;

    if (list->count == list->room) {
        size_t room = list->room * 2 + 16;
        void *grown = reallocarray(list->items, room, list->size);

        if (grown == NULL) {
            return NULL;
        }
        list->items = grown;
        list->room = room;
    }
    at = (char *)list->items + index * list->size;
    memmove(at + list->size, at, (list->count - index) * list->size);
    memset(at, 0, list->size);
    list->count++;
    return at;
}

static void list_remove(struct list *list, size_t index)
{
    char *at = (char *)list->items + index * list->size;

    list->count--;
    memmove(at, at + list->size, (list->count - index) * list->size);
}

static struct ward *ward_at(const struct overseer *overseer, size_t index)
{
    return (struct ward *)overseer->wards.items + index;
}

static struct kept *kept_at(const struct overseer *overseer, size_t index)
{
    return (struct kept *)overseer->kept.items + index;
}

static struct leftover *leftover_at(const struct overseer *overseer, size_t index)
{
    return (struct leftover *)overseer->leftovers.items + index;
}

/* Where `domid` is, or would be. */
static size_t ward_index(const struct overseer *overseer, uint32_t domid)
{
    size_t low = 0;
    size_t high = overseer->wards.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (ward_at(overseer, middle)->fact.domid < domid) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static struct ward *find_ward(const struct overseer *overseer, uint32_t domid)
{
    size_t index = ward_index(overseer, domid);

    return index < overseer->wards.count && ward_at(overseer, index)->fact.domid == domid
               ? ward_at(overseer, index)
               : NULL;
}

static bool find_kept(const struct overseer *overseer, const uint8_t uuid[16], size_t *index)
{
    for (*index = 0; *index < overseer->kept.count; (*index)++) {
        if (memcmp(kept_at(overseer, *index)->uuid, uuid, 16) == 0) {
            return true;
        }
    }
    return false;
}

static bool find_leftover(const struct overseer *overseer, const struct job *job, size_t *index)
{
    for (*index = 0; *index < overseer->leftovers.count; (*index)++) {
        const struct job *other = &leftover_at(overseer, *index)->job;

        if (other->kind == job->kind && other->domid == job->domid &&
            memcmp(other->uuid, job->uuid, sizeof(job->uuid)) == 0) {
            return true;
        }
    }
    return false;
}

/* --- a domain ----------------------------------------------------------------------- */

static void start(struct overseer *overseer, struct ward *ward)
{
    struct job job = { .kind = ward->wanted, .domid = ward->fact.domid };

    memcpy(job.uuid, ward->fact.uuid, sizeof(job.uuid));
    ward->phase = PHASE_WORKING;
    overseer->world.start(overseer->world.context, &job);
}

/* Seconds to wait with a guest that ends soon after each start. */
static unsigned int back_off(struct overseer *overseer, const struct ward *ward)
{
    void *context = overseer->world.context;
    bool quick = policy_was_quick(ward->fact.end, overseer->world.lived(context, &ward->fact));
    unsigned int before = quick ? overseer->world.quick_ends(context, ward->fact.uuid) : 0;

    overseer->world.set_quick_ends(context, ward->fact.uuid, quick ? before + 1 : 0);
    return policy_delay(before);
}

static void decide(struct overseer *overseer, struct ward *ward)
{
    const char *node = policy_node(ward->fact.end);
    const char *words = policy_end_words(ward->fact.end);
    enum guest_action action = GUEST_ACTION_PRESERVE;
    unsigned int delay = 0;
    int r = overseer->world.policy(overseer->world.context, ward->fact.domid,
                                   node != NULL ? node : "name", &action);

    if (r < 0 && r != -ENOENT) {
        overseer->look_at = now(overseer) + LOOK_MS;
        return;
    }
    if (r < 0) {
        ward->phase = PHASE_FOREIGN;
        return;
    }
    overseer->world.name(overseer->world.context, ward->fact.domid, ward->name, sizeof(ward->name));
    if (node == NULL || action == GUEST_ACTION_PRESERVE) {
        ward->phase = PHASE_KEPT;
        say(overseer, "guest %s (%u) %s; it is kept", ward->name, ward->fact.domid, words);
        return;
    }
    ward->wanted = JOB_DESTROY;
    if (action != GUEST_ACTION_DESTROY) {
        ward->wanted = action == GUEST_ACTION_RESTART ? JOB_SAVE_AND_DESTROY : JOB_SAVE_AND_RENAME;
        delay = back_off(overseer, ward);
    }
    ward->phase = PHASE_WAITING;
    ward->due = now(overseer) + (int64_t)delay * 1000;
    if (action == GUEST_ACTION_DESTROY) {
        say(overseer, "guest %s (%u) %s; it is destroyed", ward->name, ward->fact.domid, words);
    } else {
        say(overseer, "guest %s (%u) %s; it is started again in %u s", ward->name, ward->fact.domid,
            words, delay);
    }
}

static void watch_dying(struct overseer *overseer, struct ward *ward)
{
    char words[512];

    if (ward->phase != PHASE_DYING) {
        ward->phase = PHASE_DYING;
        ward->since = now(overseer);
        ward->told = false;
    }
    ward->due = now(overseer) + (ward->told ? LET_GO_MS : LOOK_MS);
    if (ward->told || now(overseer) - ward->since < LET_GO_MS) {
        return;
    }
    ward->told = true;
    if (ward->name[0] == '\0') {
        overseer->world.name(overseer->world.context, ward->fact.domid, ward->name,
                             sizeof(ward->name));
    }
    overseer->world.held(overseer->world.context, &ward->fact, words, sizeof(words));
    say(overseer, "guest %s (%u) is dead, but %llu KiB of it are still in use: %s", ward->name,
        ward->fact.domid, (unsigned long long)ward->fact.pages * 4, words);
}

static void consider(struct overseer *overseer, struct ward *ward)
{
    if (ward->phase == PHASE_WORKING) {
        return;
    }
    if (ward->fact.dying) {
        watch_dying(overseer, ward);
        return;
    }
    if (!ward->fact.ended) {
        ward->phase = PHASE_LIVING;
        return;
    }
    if (ward->phase == PHASE_LIVING) {
        ward->failures = 0;
        decide(overseer, ward);
    }
    if (ward->phase == PHASE_WAITING && ward->due <= now(overseer)) {
        start(overseer, ward);
    }
}

static void ward_gone(struct overseer *overseer, size_t index)
{
    const struct ward *ward = ward_at(overseer, index);

    if (ward->phase == PHASE_DYING && ward->told) {
        overseer->world.released(overseer->world.context, ward->fact.domid);
        say(overseer, "guest %s (%u) is gone now", ward->name, ward->fact.domid);
    }
    list_remove(&overseer->wards, index);
}

static bool look_at_domains(struct overseer *overseer)
{
    struct domain_fact *facts = NULL;
    size_t count = 0;

    if (overseer->world.list(overseer->world.context, &facts, &count) < 0) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        size_t index = ward_index(overseer, facts[i].domid);
        struct ward *ward = find_ward(overseer, facts[i].domid);

        if (ward == NULL) {
            ward = list_insert(&overseer->wards, index);
        }
        if (ward != NULL) {
            ward->fact = facts[i];
            ward->round = overseer->round;
            consider(overseer, ward);
        }
    }
    free(facts);
    for (size_t i = overseer->wards.count; i > 0; i--) {
        const struct ward *ward = ward_at(overseer, i - 1);

        if (ward->round != overseer->round && ward->phase != PHASE_WORKING) {
            ward_gone(overseer, i - 1);
        }
    }
    return true;
}

/* --- what is left of guests ------------------------------------------------------------ */

/* `job` is what is to be done about it after `delay` ms. */
static void look_at_leftover(struct overseer *overseer, const struct job *job, int64_t delay)
{
    struct leftover *leftover;
    size_t index;

    if (!find_leftover(overseer, job, &index)) {
        leftover = list_insert(&overseer->leftovers, overseer->leftovers.count);
        if (leftover == NULL) {
            return;
        }
        leftover->job = *job;
        leftover->due = now(overseer) + delay;
    }
    leftover = leftover_at(overseer, index);
    leftover->round = overseer->round;
    if (!leftover->working && leftover->due <= now(overseer)) {
        leftover->working = true;
        overseer->world.start(overseer->world.context, job);
    }
}

static void look_at_abandoned(struct overseer *overseer)
{
    uint8_t(*uuids)[16] = NULL;
    size_t count = 0;

    if (overseer->world.abandoned(overseer->world.context, &uuids, &count) < 0) {
        overseer->look_at = now(overseer) + LOOK_MS;
    }
    for (size_t i = 0; i < count; i++) {
        struct job job = { .kind = JOB_FINISH };

        memcpy(job.uuid, uuids[i], sizeof(job.uuid));
        look_at_leftover(overseer, &job, 0);
    }
    free(uuids);
}

/* `announced` tells a guest whole from one half made. */
static void look_at_nodes(struct overseer *overseer, const uint32_t *announced, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        /* What is no number reads as 0, and dom0 is not to be reaped. */
        if (announced[i] != 0 && find_ward(overseer, announced[i]) == NULL) {
            const struct job job = { .kind = JOB_REAP, .domid = announced[i] };

            look_at_leftover(overseer, &job, LEFTOVER_MS);
        }
    }
    look_at_abandoned(overseer);
    for (size_t i = overseer->leftovers.count; i > 0; i--) {
        const struct leftover *leftover = leftover_at(overseer, i - 1);

        if (leftover->round != overseer->round && !leftover->working) {
            list_remove(&overseer->leftovers, i - 1);
        }
    }
}

/* --- guests to be made again -------------------------------------------------------------- */

static void add_kept(struct overseer *overseer, const uint8_t uuid[16])
{
    struct kept *kept;
    size_t index;

    if (find_kept(overseer, uuid, &index)) {
        return;
    }
    kept = list_insert(&overseer->kept, overseer->kept.count);
    if (kept != NULL) {
        memcpy(kept->uuid, uuid, sizeof(kept->uuid));
        kept->due = now(overseer);
    }
}

static bool is_announced(const uint32_t *announced, size_t count, uint32_t domid)
{
    for (size_t i = 0; i < count; i++) {
        if (announced[i] == domid) {
            return true;
        }
    }
    return false;
}

/* The domain that is this guest, if there is one. */
static const struct ward *same_guest(const struct overseer *overseer, const uint8_t uuid[16])
{
    for (size_t i = 0; i < overseer->wards.count; i++) {
        const struct ward *ward = ward_at(overseer, i);

        if (!ward->fact.dying && memcmp(ward->fact.uuid, uuid, 16) == 0) {
            return ward;
        }
    }
    return NULL;
}

/* True: nothing is left to do for it here. */
static bool look_at_kept(struct overseer *overseer, struct kept *kept, const uint32_t *announced,
                         size_t count)
{
    const struct ward *ward = same_guest(overseer, kept->uuid);
    struct job job = { .kind = JOB_CREATE };

    if (kept->working || kept->due > now(overseer)) {
        return false;
    }
    if (ward != NULL && is_announced(announced, count, ward->fact.domid)) {
        /* Made already; or it ended and was not destroyed yet, then it is kept anew. */
        overseer->world.forget_kept(overseer->world.context, kept->uuid, false);
        return true;
    }
    /* A domain that is not announced is somebody's in the making: its lock says whose. */
    memcpy(job.uuid, kept->uuid, sizeof(job.uuid));
    kept->working = true;
    overseer->world.start(overseer->world.context, &job);
    return false;
}

/* --- the whole ------------------------------------------------------------------------------ */

struct overseer *overseer_new(const struct overseer_world *world)
{
    struct overseer *overseer = calloc(1, sizeof(*overseer));

    if (overseer != NULL) {
        overseer->world = *world;
        overseer->look_at = NEVER;
        overseer->wards.size = sizeof(struct ward);
        overseer->kept.size = sizeof(struct kept);
        overseer->leftovers.size = sizeof(struct leftover);
    }
    return overseer;
}

void overseer_free(struct overseer *overseer)
{
    if (overseer != NULL) {
        free(overseer->wards.items);
        free(overseer->kept.items);
        free(overseer->leftovers.items);
        free(overseer);
    }
}

void overseer_found_kept(struct overseer *overseer, const uint8_t uuid[16])
{
    add_kept(overseer, uuid);
}

/*
 * The nodes are listed before the domains: a guest announced in between is then
 * no leftover.
 */
void overseer_look(struct overseer *overseer)
{
    uint32_t *announced = NULL;
    size_t count = 0;

    overseer->again = false;
    overseer->look_at = NEVER;
    overseer->round++;
    if (overseer->world.announced(overseer->world.context, &announced, &count) < 0 ||
        !look_at_domains(overseer)) {
        overseer->look_at = now(overseer) + LOOK_MS;
    } else {
        look_at_nodes(overseer, announced, count);
        for (size_t i = overseer->kept.count; i > 0; i--) {
            if (look_at_kept(overseer, kept_at(overseer, i - 1), announced, count)) {
                list_remove(&overseer->kept, i - 1);
            }
        }
    }
    free(announced);
}

/* When something known is due. */
static int64_t next_due(const struct overseer *overseer)
{
    int64_t due = NEVER;

    for (size_t i = 0; i < overseer->wards.count; i++) {
        const struct ward *ward = ward_at(overseer, i);
        bool waits = ward->phase == PHASE_WAITING || ward->phase == PHASE_DYING;

        due = waits && ward->due < due ? ward->due : due;
    }
    for (size_t i = 0; i < overseer->kept.count; i++) {
        const struct kept *kept = kept_at(overseer, i);

        due = !kept->working && kept->due < due ? kept->due : due;
    }
    for (size_t i = 0; i < overseer->leftovers.count; i++) {
        const struct leftover *leftover = leftover_at(overseer, i);

        due = !leftover->working && leftover->due < due ? leftover->due : due;
    }
    return due;
}

int overseer_timeout(const struct overseer *overseer)
{
    /* While the world does not answer, nothing that is due can be done. */
    int64_t due = overseer->look_at != NEVER ? overseer->look_at : next_due(overseer);
    int64_t left;

    if (overseer->again) {
        return 0;
    }
    if (due == NEVER) {
        return -1;
    }
    left = due - now(overseer);
    left = left < LONGEST_LOOK ? left : LONGEST_LOOK;
    return left < 0 ? 0 : (int)left;
}

/* --- what came of it -------------------------------------------------------------------------- */

static void created(struct overseer *overseer, const struct job *job)
{
    void *context = overseer->world.context;
    struct kept *kept;
    size_t index;

    if (!find_kept(overseer, job->uuid, &index)) {
        return;
    }
    kept = kept_at(overseer, index);
    kept->working = false;
    if (job->result == 0) {
        char name[64];

        overseer->world.name(context, job->made, name, sizeof(name));
        say(overseer, "guest %s (%u) has been started again", name, job->made);
        overseer->world.forget_kept(context, job->uuid, false);
        list_remove(&overseer->kept, index);
        return;
    }
    kept->failures++;
    if (job->result == -EEXIST || kept->failures >= MOST_TRIES) {
        say(overseer, "a guest could not be started again: %s; given up", job->words);
        overseer->world.forget_kept(context, job->uuid, true);
        list_remove(&overseer->kept, index);
        return;
    }
    kept->due = now(overseer) + (int64_t)policy_delay(kept->failures) * 1000;
    say(overseer, "a guest could not be started again: %s; next try in %u s", job->words,
        policy_delay(kept->failures));
}

static void reaped(struct overseer *overseer, const struct job *job)
{
    char text[37];
    size_t index;

    if (!find_leftover(overseer, job, &index)) {
        return;
    }
    if (job->kind == JOB_REAP) {
        (void)snprintf(text, sizeof(text), "%u", job->domid);
    } else {
        guest_uuid_format(job->uuid, text);
    }
    if (job->result < 0) {
        leftover_at(overseer, index)->working = false;
        leftover_at(overseer, index)->due = now(overseer) + LET_GO_MS;
        say(overseer, "guest %s: what is left of it cannot be removed: %s", text, job->words);
        return;
    }
    say(overseer,
        job->kind == JOB_REAP ? "guest %s was destroyed by somebody; removed what it left"
                              : "guest %s: whoever made it was killed; seen to it",
        text);
    list_remove(&overseer->leftovers, index);
}

static void ended(struct overseer *overseer, const struct job *job)
{
    struct ward *ward = find_ward(overseer, job->domid);

    if (job->result == 0 && job->kind != JOB_DESTROY) {
        add_kept(overseer, job->uuid);
    }
    if (ward == NULL) {
        return;
    }
    if (job->result == 0) {
        ward->phase = job->kind == JOB_SAVE_AND_RENAME ? PHASE_KEPT : PHASE_LIVING;
        return;
    }
    ward->failures++;
    ward->phase = PHASE_WAITING;
    ward->due = now(overseer) + (int64_t)policy_delay(ward->failures) * 1000;
    say(overseer, "guest %s (%u): %s; next try in %u s", ward->name, job->domid, job->words,
        policy_delay(ward->failures));
}

void overseer_done(struct overseer *overseer, const struct job *job)
{
    overseer->again = true;
    switch (job->kind) {
    case JOB_CREATE:
        created(overseer, job);
        break;
    case JOB_REAP:
    case JOB_FINISH:
        reaped(overseer, job);
        break;
    case JOB_DESTROY:
    case JOB_SAVE_AND_DESTROY:
    case JOB_SAVE_AND_RENAME:
        ended(overseer, job);
        break;
    }
}
