/* SPDX-License-Identifier: MIT */
/*
 * dom0-tools/supervisor: the rules, the overseer in a world of the test's own,
 * kept descriptions, who is said to hold a dead guest, and the threads.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dom0-tools/supervisor/held.h"
#include "dom0-tools/supervisor/keep.h"
#include "dom0-tools/supervisor/overseer.h"
#include "dom0-tools/supervisor/workers.h"
#include "tests/unit/scratch.h"
#include "tests/unit/suite.h"

/* --- rules ---------------------------------------------------------------------------- */

START_TEST(what_nobody_knows_is_a_crash)
{
    ck_assert_int_eq(policy_end(0), GUEST_POWERED_OFF);
    ck_assert_int_eq(policy_end(1), GUEST_REBOOTED);
    ck_assert_int_eq(policy_end(2), GUEST_SUSPENDED);
    for (unsigned int code = 3; code < 300; code++) {
        ck_assert_int_eq(policy_end(code), GUEST_CRASHED);
    }
    ck_assert_str_eq(policy_node(GUEST_POWERED_OFF), "on_poweroff");
    ck_assert_str_eq(policy_node(GUEST_REBOOTED), "on_reboot");
    ck_assert_str_eq(policy_node(GUEST_CRASHED), "on_crash");
    ck_assert_ptr_null(policy_node(GUEST_SUSPENDED));
}
END_TEST

START_TEST(the_wait_doubles_up_to_five_minutes)
{
    static const unsigned int seconds[] = { 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300 };

    for (unsigned int i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
        ck_assert_uint_eq(policy_delay(i), seconds[i]);
    }
    ck_assert_uint_eq(policy_delay(4000000000U), 300);
}
END_TEST

START_TEST(a_reboot_is_soon_earlier_than_a_crash)
{
    ck_assert(policy_was_quick(GUEST_CRASHED, 59));
    ck_assert(!policy_was_quick(GUEST_CRASHED, 60));
    ck_assert(policy_was_quick(GUEST_REBOOTED, 9));
    ck_assert(!policy_was_quick(GUEST_REBOOTED, 10));
    ck_assert(policy_was_quick(GUEST_REBOOTED, -100)); /* the clock was put back */
}
END_TEST

/* --- a world ---------------------------------------------------------------------------- */

#define MOST 16u

static struct {
    int64_t now;
    struct domain_fact facts[MOST];
    size_t fact_count;
    uint32_t announced[MOST];
    size_t announced_count;
    uint8_t abandoned[MOST][16];
    size_t abandoned_count;
    enum guest_action action;
    int policy_error;
    int list_error;
    int64_t lived;
    unsigned int quick_ends;
    unsigned int forgotten;
    unsigned int failed;
    unsigned int asked_who_holds;
    unsigned int released;
    struct job jobs[MOST];
    size_t job_count;
} world;

static struct overseer *overseer;

static int64_t fake_now(void *context)
{
    (void)context;
    return world.now;
}

static int fake_list(void *context, struct domain_fact **facts, size_t *count)
{
    (void)context;
    if (world.list_error != 0) {
        return world.list_error;
    }
    *facts = malloc(sizeof(world.facts));
    ck_assert_ptr_nonnull(*facts);
    memcpy(*facts, world.facts, sizeof(world.facts));
    *count = world.fact_count;
    return 0;
}

static int fake_announced(void *context, uint32_t **domids, size_t *count)
{
    (void)context;
    *domids = malloc(sizeof(world.announced));
    ck_assert_ptr_nonnull(*domids);
    memcpy(*domids, world.announced, sizeof(world.announced));
    *count = world.announced_count;
    return 0;
}

static int fake_abandoned(void *context, uint8_t (**uuids)[16], size_t *count)
{
    (void)context;
    *uuids = malloc(sizeof(world.abandoned));
    ck_assert_ptr_nonnull(*uuids);
    memcpy(*uuids, world.abandoned, sizeof(world.abandoned));
    *count = world.abandoned_count;
    return 0;
}

static int fake_policy(void *context, uint32_t domid, const char *node, enum guest_action *action)
{
    (void)context;
    (void)domid;
    (void)node;
    *action = world.action;
    return world.policy_error;
}

static void fake_name(void *context, uint32_t domid, char *name, size_t room)
{
    (void)context;
    (void)snprintf(name, room, "guest-%u", domid);
}

static int64_t fake_lived(void *context, const struct domain_fact *fact)
{
    (void)context;
    (void)fact;
    return world.lived;
}

static unsigned int fake_quick_ends(void *context, const uint8_t uuid[16])
{
    (void)context;
    (void)uuid;
    return world.quick_ends;
}

static void fake_set_quick_ends(void *context, const uint8_t uuid[16], unsigned int count)
{
    (void)context;
    (void)uuid;
    world.quick_ends = count;
}

static void fake_forget_kept(void *context, const uint8_t uuid[16], bool failed)
{
    (void)context;
    (void)uuid;
    world.forgotten += failed ? 0 : 1;
    world.failed += failed ? 1 : 0;
}

static void fake_held(void *context, const struct domain_fact *fact, char *words, size_t room)
{
    (void)context;
    (void)fact;
    (void)snprintf(words, room, "somebody");
    world.asked_who_holds++;
}

static void fake_released(void *context, uint32_t domid)
{
    (void)context;
    (void)domid;
    world.released++;
}

static void fake_start(void *context, const struct job *job)
{
    (void)context;
    ck_assert_uint_lt(world.job_count, MOST);
    world.jobs[world.job_count++] = *job;
}

static void fake_say(void *context, const char *line)
{
    (void)context;
    (void)line;
}

static void begin(void)
{
    const struct overseer_world fake = {
        .now = fake_now,
        .list = fake_list,
        .announced = fake_announced,
        .abandoned = fake_abandoned,
        .policy = fake_policy,
        .name = fake_name,
        .lived = fake_lived,
        .quick_ends = fake_quick_ends,
        .set_quick_ends = fake_set_quick_ends,
        .forget_kept = fake_forget_kept,
        .held = fake_held,
        .released = fake_released,
        .start = fake_start,
        .say = fake_say,
    };

    memset(&world, 0, sizeof(world));
    world.now = 1000000;
    world.lived = 1000;
    overseer = overseer_new(&fake);
    ck_assert_ptr_nonnull(overseer);
}

static void finish(void)
{
    overseer_free(overseer);
}

/* A running guest, announced. */
static void add_guest(uint32_t domid, uint8_t uuid)
{
    world.facts[world.fact_count++] = (struct domain_fact){ .domid = domid, .uuid = { uuid } };
    world.announced[world.announced_count++] = domid;
}

static struct domain_fact *fact_of(uint32_t domid)
{
    for (size_t i = 0; i < world.fact_count; i++) {
        if (world.facts[i].domid == domid) {
            return &world.facts[i];
        }
    }
    ck_abort_msg("no domain %u", domid);
}

static void end_guest(uint32_t domid, enum guest_end end, enum guest_action action)
{
    fact_of(domid)->ended = true;
    fact_of(domid)->end = end;
    world.action = action;
    overseer_look(overseer);
}

static void drop_domain(uint32_t domid)
{
    struct domain_fact *fact = fact_of(domid);

    *fact = world.facts[--world.fact_count];
}

static void drop_nodes(uint32_t domid)
{
    for (size_t i = 0; i < world.announced_count; i++) {
        if (world.announced[i] == domid) {
            world.announced[i] = world.announced[--world.announced_count];
            return;
        }
    }
}

/* The only job under way; it is off the list then. */
static struct job take_job(enum job_kind kind)
{
    ck_assert_uint_eq(world.job_count, 1);
    ck_assert_int_eq(world.jobs[0].kind, kind);
    world.job_count = 0;
    return world.jobs[0];
}

static void job_done(struct job *job, int result)
{
    job->result = result;
    overseer_done(overseer, job);
    ck_assert_int_eq(overseer_timeout(overseer), 0);
    overseer_look(overseer);
}

static void pass(int64_t milliseconds)
{
    world.now += milliseconds;
    if (overseer_timeout(overseer) == 0) {
        overseer_look(overseer);
    }
}

/* --- the overseer --------------------------------------------------------------------------- */

START_TEST(a_guest_that_runs_is_left_alone)
{
    add_guest(5, 1);
    overseer_look(overseer);
    ck_assert_uint_eq(world.job_count, 0);
    ck_assert_int_eq(overseer_timeout(overseer), -1);
}
END_TEST

START_TEST(a_guest_that_powered_off_is_destroyed_once)
{
    struct job job;

    add_guest(5, 1);
    end_guest(5, GUEST_POWERED_OFF, GUEST_ACTION_DESTROY);
    overseer_look(overseer);
    job = take_job(JOB_DESTROY);
    ck_assert_uint_eq(job.domid, 5);
    drop_domain(5);
    drop_nodes(5);
    job_done(&job, 0);
    ck_assert_uint_eq(world.job_count, 0);
    ck_assert_int_eq(overseer_timeout(overseer), -1);
}
END_TEST

START_TEST(another_toolstacks_guest_is_left_alone)
{
    add_guest(5, 1);
    drop_nodes(5);
    world.policy_error = -ENOENT;
    end_guest(5, GUEST_CRASHED, GUEST_ACTION_DESTROY);
    world.policy_error = 0;
    overseer_look(overseer);
    ck_assert_uint_eq(world.job_count, 0);
}
END_TEST

START_TEST(a_store_that_does_not_answer_is_asked_again)
{
    uint8_t uuid[16] = { 7 };

    add_guest(5, 1);
    world.policy_error = -EIO;
    end_guest(5, GUEST_CRASHED, GUEST_ACTION_DESTROY);
    ck_assert_uint_eq(world.job_count, 0);
    ck_assert_int_eq(overseer_timeout(overseer), 1000);
    world.policy_error = 0;
    pass(1000);
    (void)take_job(JOB_DESTROY);
    overseer_found_kept(overseer, uuid); /* due, but that is no reason to ask without a pause */
    world.list_error = -EIO;
    overseer_look(overseer);
    ck_assert_int_eq(overseer_timeout(overseer), 1000);
    world.list_error = 0;
    pass(1000);
    (void)take_job(JOB_CREATE);
}
END_TEST

START_TEST(a_guest_to_be_preserved_stays)
{
    add_guest(5, 1);
    end_guest(5, GUEST_CRASHED, GUEST_ACTION_PRESERVE);
    overseer_look(overseer);
    add_guest(6, 2);
    end_guest(6, GUEST_SUSPENDED, GUEST_ACTION_DESTROY);
    ck_assert_uint_eq(world.job_count, 0);
    ck_assert_int_eq(overseer_timeout(overseer), -1);
}
END_TEST

/* From its end to its new beginning. */
static void restart(uint32_t domid, uint8_t uuid)
{
    struct job job = take_job(JOB_SAVE_AND_DESTROY);

    ck_assert_uint_eq(job.domid, domid);
    drop_domain(domid);
    drop_nodes(domid);
    job_done(&job, 0);
    job = take_job(JOB_CREATE);
    ck_assert_uint_eq(job.uuid[0], uuid);
    ck_assert_uint_eq(job.domid, 0);
    job.made = domid + 1;
    add_guest(domid + 1, uuid);
    world.forgotten = 0;
    job_done(&job, 0);
    ck_assert_uint_eq(world.forgotten, 1);
    ck_assert_int_eq(overseer_timeout(overseer), -1);
}

START_TEST(a_reboot_is_an_end_and_a_beginning)
{
    add_guest(5, 1);
    end_guest(5, GUEST_REBOOTED, GUEST_ACTION_RESTART);
    restart(5, 1);
    end_guest(6, GUEST_REBOOTED, GUEST_ACTION_RESTART);
    restart(6, 1);
}
END_TEST

START_TEST(who_crashes_soon_waits_longer_each_time)
{
    uint32_t domid = 5;

    add_guest(domid, 1);
    world.lived = 3;
    for (unsigned int i = 0; i < 5; i++) {
        int64_t delay = (int64_t)policy_delay(i) * 1000;

        end_guest(domid, GUEST_CRASHED, GUEST_ACTION_RESTART);
        if (delay > 0) {
            ck_assert_uint_eq(world.job_count, 0);
            ck_assert_int_eq(overseer_timeout(overseer), delay);
            pass(delay - 1);
            ck_assert_uint_eq(world.job_count, 0);
            pass(1);
        }
        restart(domid++, 1);
    }
    world.lived = 100;
    end_guest(domid, GUEST_CRASHED, GUEST_ACTION_RESTART);
    ck_assert_uint_eq(world.quick_ends, 0);
    restart(domid, 1);
}
END_TEST

START_TEST(destroyed_by_hand_while_it_waits_it_is_not_started)
{
    add_guest(5, 1);
    world.lived = 3;
    world.quick_ends = 4;
    end_guest(5, GUEST_CRASHED, GUEST_ACTION_RESTART);
    drop_domain(5);
    drop_nodes(5);
    pass(60000);
    overseer_look(overseer);
    ck_assert_uint_eq(world.job_count, 0);
    ck_assert_int_eq(overseer_timeout(overseer), -1);
}
END_TEST

START_TEST(a_corpse_that_is_renamed_stays)
{
    struct job job;

    add_guest(5, 1);
    end_guest(5, GUEST_CRASHED, GUEST_ACTION_RENAME_RESTART);
    job = take_job(JOB_SAVE_AND_RENAME);
    fact_of(5)->uuid[0] = 99;
    job_done(&job, 0);
    job = take_job(JOB_CREATE);
    ck_assert_uint_eq(job.uuid[0], 1);
    add_guest(6, 1);
    job_done(&job, 0);
    ck_assert_uint_eq(world.job_count, 0);
    ck_assert_uint_eq(world.fact_count, 2);
    ck_assert_int_eq(overseer_timeout(overseer), -1);
}
END_TEST

START_TEST(what_cannot_be_destroyed_is_tried_again)
{
    struct job job;

    add_guest(5, 1);
    end_guest(5, GUEST_POWERED_OFF, GUEST_ACTION_DESTROY);
    for (unsigned int i = 1; i < 4; i++) {
        job = take_job(JOB_DESTROY);
        job_done(&job, -EIO);
        ck_assert_uint_eq(world.job_count, 0);
        pass((int64_t)policy_delay(i) * 1000);
    }
    (void)take_job(JOB_DESTROY);
}
END_TEST

START_TEST(what_cannot_be_made_is_given_up_in_the_end)
{
    struct job job;
    unsigned int tries = 0;
    uint8_t uuid[16] = { 7 };

    overseer_found_kept(overseer, uuid);
    overseer_look(overseer);
    while (world.job_count == 1) {
        job = take_job(JOB_CREATE);
        job_done(&job, -ENOMEM);
        tries++;
        pass(600000);
    }
    ck_assert_uint_eq(tries, 8);
    ck_assert_uint_eq(world.failed, 1);
    ck_assert_uint_eq(world.forgotten, 0);
    ck_assert_int_eq(overseer_timeout(overseer), -1);
    overseer_found_kept(overseer, uuid);
    overseer_look(overseer);
    job = take_job(JOB_CREATE);
    job_done(&job, -EEXIST);
    ck_assert_uint_eq(world.failed, 2);
    ck_assert_int_eq(overseer_timeout(overseer), -1);
}
END_TEST

/* --- after a SIGKILL ---------------------------------------------------------------------------
 */

START_TEST(killed_after_the_end_the_beginning_follows)
{
    uint8_t uuid[16] = { 1 };

    overseer_found_kept(overseer, uuid);
    overseer_look(overseer);
    ck_assert_uint_eq(take_job(JOB_CREATE).domid, 0);
}
END_TEST

/* Somebody else may be making it: the domain is not ours to destroy. */
START_TEST(killed_in_the_making_it_is_made_again)
{
    uint8_t uuid[16] = { 1 };

    add_guest(5, 1);
    drop_nodes(5);
    overseer_found_kept(overseer, uuid);
    overseer_look(overseer);
    ck_assert_uint_eq(take_job(JOB_CREATE).domid, 0);
}
END_TEST

START_TEST(killed_after_the_making_nothing_is_left_to_do)
{
    uint8_t uuid[16] = { 1 };

    add_guest(5, 1);
    overseer_found_kept(overseer, uuid);
    overseer_look(overseer);
    ck_assert_uint_eq(world.job_count, 0);
    ck_assert_uint_eq(world.forgotten, 1);
    ck_assert_int_eq(overseer_timeout(overseer), -1);
}
END_TEST

START_TEST(killed_before_the_end_it_ends_first)
{
    uint8_t uuid[16] = { 1 };

    add_guest(5, 1);
    fact_of(5)->ended = true;
    fact_of(5)->end = GUEST_CRASHED;
    world.action = GUEST_ACTION_RESTART;
    overseer_found_kept(overseer, uuid);
    overseer_look(overseer);
    restart(5, 1);
}
END_TEST

START_TEST(the_dead_domain_of_a_guest_is_not_the_guest)
{
    uint8_t uuid[16] = { 1 };

    add_guest(5, 1);
    drop_nodes(5);
    fact_of(5)->dying = true;
    overseer_found_kept(overseer, uuid);
    overseer_look(overseer);
    ck_assert_uint_eq(take_job(JOB_CREATE).domid, 0);
}
END_TEST

/* --- domains and nodes without each other
 * --------------------------------------------------------- */

START_TEST(a_domain_that_does_not_go_is_spoken_of_once)
{
    add_guest(5, 1);
    drop_nodes(5);
    fact_of(5)->dying = true;
    overseer_look(overseer);
    for (int i = 0; i < 20; i++) {
        ck_assert_uint_eq(world.asked_who_holds, i > 4 ? 1 : 0);
        world.now += 1000;
        overseer_look(overseer);
    }
    ck_assert_uint_eq(world.asked_who_holds, 1);
    drop_domain(5);
    overseer_look(overseer);
    ck_assert_uint_eq(world.released, 1);
    ck_assert_uint_eq(world.job_count, 0);
}
END_TEST

/* Nobody hears of it when the last page goes. */
START_TEST(a_dying_domain_is_looked_at_now_and_then)
{
    add_guest(5, 1);
    fact_of(5)->dying = true;
    overseer_look(overseer);
    for (int i = 0; i < 12; i++) {
        pass(500);
    }
    ck_assert_uint_eq(world.asked_who_holds, 1);
    drop_domain(5);
    for (int i = 0; i < 16; i++) {
        pass(500);
    }
    ck_assert_uint_eq(take_job(JOB_REAP).domid, 5);
}
END_TEST

START_TEST(a_domain_that_goes_in_time_is_not_spoken_of)
{
    add_guest(5, 1);
    drop_nodes(5);
    fact_of(5)->dying = true;
    overseer_look(overseer);
    world.now += 4000;
    drop_domain(5);
    overseer_look(overseer);
    ck_assert_uint_eq(world.asked_who_holds, 0);
    ck_assert_uint_eq(world.released, 0);
}
END_TEST

START_TEST(nodes_of_a_guest_that_is_gone_are_removed)
{
    struct job job;

    add_guest(5, 1);
    overseer_look(overseer);
    drop_domain(5);
    overseer_look(overseer);
    ck_assert_uint_eq(world.job_count, 0);
    ck_assert_int_eq(overseer_timeout(overseer), 2000);
    pass(2000);
    job = take_job(JOB_REAP);
    ck_assert_uint_eq(job.domid, 5);
    job_done(&job, -EIO);
    pass(5000);
    job = take_job(JOB_REAP);
    drop_nodes(5);
    job_done(&job, 0);
    ck_assert_int_eq(overseer_timeout(overseer), -1);
}
END_TEST

START_TEST(dom0_leaves_nothing_behind)
{
    world.announced[world.announced_count++] = 0;
    overseer_look(overseer);
    pass(10000);
    ck_assert_uint_eq(world.job_count, 0);
}
END_TEST

START_TEST(what_a_killed_maker_began_is_seen_to_at_once)
{
    struct job job;

    world.abandoned[0][0] = 7;
    world.abandoned_count = 1;
    overseer_look(overseer);
    overseer_look(overseer);
    job = take_job(JOB_FINISH);
    ck_assert_uint_eq(job.uuid[0], 7);
    job_done(&job, -EIO);
    ck_assert_uint_eq(world.job_count, 0);
    pass(5000);
    job = take_job(JOB_FINISH);
    world.abandoned_count = 0;
    job_done(&job, 0);
    ck_assert_int_eq(overseer_timeout(overseer), -1);
}
END_TEST

START_TEST(who_destroys_a_guest_has_time_to_remove_its_nodes)
{
    add_guest(5, 1);
    overseer_look(overseer);
    drop_domain(5);
    overseer_look(overseer);
    drop_nodes(5);
    pass(2000);
    ck_assert_uint_eq(world.job_count, 0);
    ck_assert_int_eq(overseer_timeout(overseer), -1);
}
END_TEST

START_TEST(many_guests_in_any_order_are_told_apart)
{
    for (uint32_t i = 0; i < 8; i++) {
        add_guest(40 - i * 3, (uint8_t)i);
        overseer_look(overseer);
    }
    for (uint32_t i = 0; i < 8; i++) {
        end_guest(40 - i * 3, GUEST_POWERED_OFF, GUEST_ACTION_DESTROY);
        ck_assert_uint_eq(take_job(JOB_DESTROY).domid, 40 - i * 3);
    }
}
END_TEST

/* --- files
 * ------------------------------------------------------------------------------------------ */

static char folder[SCRATCH_SIZE];

static void make_folder(void)
{
    scratch_make(folder);
}

static void remove_folder(void)
{
    scratch_remove(folder);
}

static void make_file(const char *name, const char *text)
{
    char path[192];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static void make_directory(const char *name)
{
    char path[192];

    (void)snprintf(path, sizeof(path), "%s/%s", folder, name);
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

static struct guest_config *some_guest(void)
{
    static const char xml[] = "<domain type='xen'><name>web</name>"
                              "<uuid>0a0b0c0d-0000-0000-0000-000000000001</uuid>"
                              "<memory unit='MiB'>64</memory>"
                              "<os><type>linux</type><kernel>/boot/k</kernel></os></domain>";
    struct guest_config *config = NULL;
    struct vmctl_error error = { .code = 0 };

    if (guest_config_parse(xml, sizeof(xml) - 1, NULL, NULL, &config, &error) < 0) {
        ck_abort_msg("%s", error.message);
    }
    return config;
}

START_TEST(a_description_is_kept_until_it_is_removed)
{
    struct guest_config *config = some_guest();
    struct guest_config *again = NULL;
    uint8_t(*uuids)[16] = NULL;
    size_t count = 0;

    ck_assert_int_eq(keep_open(folder, NULL), 0);
    ck_assert_int_eq(keep_read(config->uuid, KEEP_KIND_XML, &again, NULL), -ENOENT);
    ck_assert_int_eq(keep_write(config, KEEP_KIND_RENAMING, NULL), 0);
    ck_assert_int_eq(keep_list(KEEP_KIND_XML, &uuids, &count, NULL), 0);
    ck_assert_uint_eq(count, 0);
    free(uuids);
    ck_assert_int_eq(keep_turn(config->uuid, KEEP_KIND_RENAMING, KEEP_KIND_XML, NULL), 0);
    ck_assert_int_eq(keep_read(config->uuid, KEEP_KIND_XML, &again, NULL), 0);
    ck_assert_str_eq(again->name, "web");
    ck_assert_int_eq(keep_list(KEEP_KIND_XML, &uuids, &count, NULL), 0);
    ck_assert_uint_eq(count, 1);
    ck_assert_mem_eq(uuids[0], config->uuid, 16);
    keep_remove(config->uuid, KEEP_KIND_XML);
    ck_assert_int_eq(keep_read(config->uuid, KEEP_KIND_XML, &again, NULL), -ENOENT);
    ck_assert_int_eq(keep_turn(config->uuid, KEEP_KIND_XML, KEEP_KIND_FAILED, NULL), -ENOENT);
    free(uuids);
    guest_config_free(again);
    guest_config_free(config);
}
END_TEST

START_TEST(files_with_other_names_are_passed_over)
{
    uint8_t(*uuids)[16] = NULL;
    size_t count = 0;

    make_file("0a0b0c0d-0000-0000-0000-000000000001.xml.new", "half");
    make_file("0a0b0c0d-0000-0000-0000-00000000000x.xml", "");
    make_file("0a0b0c0d-0000-0000-0000-000000000001.ends", "1");
    make_file("x.xml", "");
    ck_assert_int_eq(keep_open(folder, NULL), 0);
    ck_assert_int_eq(keep_list(KEEP_KIND_XML, &uuids, &count, NULL), 0);
    ck_assert_uint_eq(count, 0);
    free(uuids);
}
END_TEST

START_TEST(ends_are_counted_over_a_restart)
{
    uint8_t uuid[16] = { 0x0a };

    ck_assert_int_eq(keep_open(folder, NULL), 0);
    ck_assert_uint_eq(keep_ends(uuid), 0);
    keep_set_ends(uuid, 12);
    ck_assert_uint_eq(keep_ends(uuid), 12);
    make_file("0a000000-0000-0000-0000-000000000000.ends", "-5");
    ck_assert_uint_le(keep_ends(uuid), 1000);
    make_file("0a000000-0000-0000-0000-000000000000.ends", "");
    ck_assert_uint_eq(keep_ends(uuid), 0);
    keep_set_ends(uuid, 0);
    ck_assert_uint_eq(keep_ends(uuid), 0);
}
END_TEST

START_TEST(holders_are_named)
{
    char words[256];
    char sys[96];
    char proc[96];
    char link[192];

    (void)snprintf(sys, sizeof(sys), "%s/sys", folder);
    (void)snprintf(proc, sizeof(proc), "%s/proc", folder);
    held_describe(sys, proc, 5, words, sizeof(words));
    ck_assert_str_eq(words, "by another guest, or by dom0's kernel");
    make_directory("proc");
    make_directory("proc/77");
    make_directory("proc/77/fd");
    make_file("proc/77/comm", "paravane-consol\n");
    (void)snprintf(link, sizeof(link), "%s/proc/77/fd/4", folder);
    ck_assert_int_eq(symlink("/dev/xen/gntdev", link), 0);
    held_describe(sys, proc, 5, words, sizeof(words));
    ck_assert_str_eq(words, "perhaps by paravane-consol (process 77)");
    make_directory("sys");
    make_directory("sys/bus");
    make_directory("sys/bus/xen-backend");
    make_directory("sys/bus/xen-backend/devices");
    make_directory("sys/bus/xen-backend/devices/vbd-5-51712");
    make_directory("sys/bus/xen-backend/devices/vif-51-0");
    make_directory("sys/bus/xen-backend/devices/nonsense");
    held_describe(sys, proc, 5, words, sizeof(words));
    ck_assert_str_eq(words, "xen-blkback (disk 51712)");
    held_describe(sys, proc, 51, words, sizeof(words));
    ck_assert_str_eq(words, "xen-netback (network card 0)");
}
END_TEST

/* --- threads
 * ------------------------------------------------------------------------------------------ */

static void count_job(struct vmctl *handle, struct job *job)
{
    ck_assert_ptr_null(handle);
    (void)usleep(1000);
    job->result = (int)job->domid * 2;
}

START_TEST(every_job_is_done_and_comes_back)
{
    struct workers *workers = NULL;
    bool seen[100] = { false };
    unsigned int left = 100;

    ck_assert_int_eq(workers_start(3, count_job, false, &workers, NULL), 0);
    for (uint32_t i = 0; i < 100; i++) {
        struct job job = { .domid = i };

        ck_assert_int_eq(workers_add(workers, &job), 0);
    }
    while (left > 0) {
        struct pollfd wait = { .fd = workers_fd(workers), .events = POLLIN };
        struct job *job;

        ck_assert_int_eq(poll(&wait, 1, 10000), 1);
        while ((job = workers_take(workers)) != NULL) {
            ck_assert(!seen[job->domid]);
            ck_assert_int_eq(job->result, (int)job->domid * 2);
            seen[job->domid] = true;
            left--;
            free(job);
        }
    }
    workers_stop(workers);
}
END_TEST

START_TEST(jobs_not_begun_are_dropped_at_the_end)
{
    struct workers *workers = NULL;

    ck_assert_int_eq(workers_start(2, count_job, false, &workers, NULL), 0);
    for (uint32_t i = 0; i < 100; i++) {
        struct job job = { .domid = i };

        ck_assert_int_eq(workers_add(workers, &job), 0);
    }
    workers_stop(workers); /* ASan sees what is lost */
}
END_TEST

/* --- the suite
 * ------------------------------------------------------------------------------------------ */

static TCase *overseer_cases(void)
{
    TCase *cases = tcase_create("overseer");

    tcase_add_checked_fixture(cases, begin, finish);
    tcase_add_test(cases, a_guest_that_runs_is_left_alone);
    tcase_add_test(cases, a_guest_that_powered_off_is_destroyed_once);
    tcase_add_test(cases, another_toolstacks_guest_is_left_alone);
    tcase_add_test(cases, a_store_that_does_not_answer_is_asked_again);
    tcase_add_test(cases, a_guest_to_be_preserved_stays);
    tcase_add_test(cases, a_reboot_is_an_end_and_a_beginning);
    tcase_add_test(cases, who_crashes_soon_waits_longer_each_time);
    tcase_add_test(cases, destroyed_by_hand_while_it_waits_it_is_not_started);
    tcase_add_test(cases, a_corpse_that_is_renamed_stays);
    tcase_add_test(cases, what_cannot_be_destroyed_is_tried_again);
    tcase_add_test(cases, what_cannot_be_made_is_given_up_in_the_end);
    tcase_add_test(cases, killed_after_the_end_the_beginning_follows);
    tcase_add_test(cases, killed_in_the_making_it_is_made_again);
    tcase_add_test(cases, killed_after_the_making_nothing_is_left_to_do);
    tcase_add_test(cases, killed_before_the_end_it_ends_first);
    tcase_add_test(cases, the_dead_domain_of_a_guest_is_not_the_guest);
    tcase_add_test(cases, a_domain_that_does_not_go_is_spoken_of_once);
    tcase_add_test(cases, a_dying_domain_is_looked_at_now_and_then);
    tcase_add_test(cases, a_domain_that_goes_in_time_is_not_spoken_of);
    tcase_add_test(cases, nodes_of_a_guest_that_is_gone_are_removed);
    tcase_add_test(cases, dom0_leaves_nothing_behind);
    tcase_add_test(cases, what_a_killed_maker_began_is_seen_to_at_once);
    tcase_add_test(cases, who_destroys_a_guest_has_time_to_remove_its_nodes);
    tcase_add_test(cases, many_guests_in_any_order_are_told_apart);
    return cases;
}

static TCase *rule_cases(void)
{
    TCase *cases = tcase_create("rules");

    tcase_add_test(cases, what_nobody_knows_is_a_crash);
    tcase_add_test(cases, the_wait_doubles_up_to_five_minutes);
    tcase_add_test(cases, a_reboot_is_soon_earlier_than_a_crash);
    tcase_add_test(cases, every_job_is_done_and_comes_back);
    tcase_add_test(cases, jobs_not_begun_are_dropped_at_the_end);
    return cases;
}

static TCase *file_cases(void)
{
    TCase *cases = tcase_create("files");

    tcase_add_checked_fixture(cases, make_folder, remove_folder);
    tcase_add_test(cases, a_description_is_kept_until_it_is_removed);
    tcase_add_test(cases, files_with_other_names_are_passed_over);
    tcase_add_test(cases, ends_are_counted_over_a_restart);
    tcase_add_test(cases, holders_are_named);
    return cases;
}

int main(void)
{
    Suite *suite = suite_create("supervisor");

    suite_add_tcase(suite, rule_cases());
    suite_add_tcase(suite, overseer_cases());
    suite_add_tcase(suite, file_cases());
    return suite_run(suite);
}
