/* SPDX-License-Identifier: MIT */
/* dom0-tools/supervisor/actions.c: what the supervisor does to whole guests, on a host of fakes. */
#include <check.h>
#include <errno.h>
#include <unistd.h>
#include <uuid/uuid.h>

#include "dom0-tools/supervisor/actions.h"
#include "dom0-tools/supervisor/keep.h"
#include "libvmctl/handle.h"
#include "libvmctl/making.h"
#include "tests/unit/guest_world.h"
#include "tests/unit/suite.h"

static const char uuid_text[] = "6d3d4e8e-3bb0-4b9e-a0f5-7a0b1f3a0a01";
static const char uuid_index[] = "/paravane/uuid/6d3d4e8e-3bb0-4b9e-a0f5-7a0b1f3a0a01";
static const char uuid_name[] = "/vm/6d3d4e8e-3bb0-4b9e-a0f5-7a0b1f3a0a01/name";
static struct vmctl *handle;
static struct vmctl_error error;
static uint8_t uuid[16];

static uint32_t create(const char *name, const char *more)
{
    struct guest_config *config = world_config(name, more);
    uint32_t domid = 0;
    int r = vmctl_create(handle, config, 0, &domid, &error);

    ck_assert_msg(r == 0, "%s", error.message);
    guest_config_free(config);
    return domid;
}

/* A host on which "web", of that uuid, is domain 1. */
static void begin(void)
{
    char more[1024];

    world_begin();
    ck_assert_int_eq(keep_open(world_file("kept"), &error), 0);
    ck_assert_int_eq(uuid_parse(uuid_text, uuid), 0);
    ck_assert_int_eq(vmctl_open(&handle, &error), 0);
    (void)snprintf(more, sizeof(more), "<uuid>%s</uuid>%s", uuid_text, world_devices);
    ck_assert_uint_eq(create("web", more), 1);
}

static void end(void)
{
    vmctl_close(handle);
    world_end();
}

static void again(void)
{
    vmctl_close(handle);
    begin();
}

static struct job run(enum job_kind kind, uint32_t domid)
{
    struct job job = { .kind = kind, .domid = domid };

    memcpy(job.uuid, uuid, sizeof(uuid));
    action_run(handle, &job);
    return job;
}

static void does(enum job_kind kind, uint32_t domid)
{
    const struct job job = run(kind, domid);

    ck_assert_msg(job.result == 0, "%s", job.words);
}

static bool node_is(const char *path, const char *value)
{
    const char *found = fake_store_get(path);

    return found != NULL && strcmp(found, value) == 0;
}

static bool is_kept(const char *kind)
{
    struct guest_config *config = NULL;
    int r = keep_read(uuid, kind, &config, &error);

    ck_assert(r == 0 || r == -ENOENT);
    guest_config_free(config);
    return r == 0;
}

/* --- the end ------------------------------------------------------------------------ */

START_TEST(a_guest_that_is_gone_or_held_is_destroyed)
{
    does(JOB_DESTROY, 1);
    ck_assert_uint_eq(fake_store_count(), 0);
    does(JOB_DESTROY, 1);
    ck_assert_uint_eq(create("web", world_devices), 1);
    fake_xen_hold_dying(true);
    does(JOB_DESTROY, 1);
    ck_assert_uint_eq(fake_store_count(), 0);
}
END_TEST

START_TEST(a_guest_that_cannot_be_destroyed_says_why)
{
    struct job job;

    fake_store_fail(-EIO);
    job = run(JOB_DESTROY, 1);
    ck_assert_int_eq(job.result, -EIO);
    ck_assert_ptr_nonnull(strstr(job.words, "destroy guest: "));
    ck_assert(fake_xen_domain(1)->exists);
}
END_TEST

/* --- again ---------------------------------------------------------------------------- */

START_TEST(a_guest_is_made_again_as_it_was)
{
    struct job job = run(JOB_SAVE_AND_DESTROY, 1);

    ck_assert_int_eq(job.result, 0);
    ck_assert_mem_eq(job.uuid, uuid, sizeof(uuid));
    ck_assert_uint_eq(fake_xen_domains(), 0);
    ck_assert_uint_eq(fake_store_count(), 0);
    ck_assert(is_kept(KEEP_KIND_XML));
    job = run(JOB_CREATE, 0);
    ck_assert_msg(job.result == 0, "%s", job.words);
    ck_assert_uint_eq(job.made, 1);
    ck_assert(node_is("/paravane/name/web", "1"));
    ck_assert(node_is(uuid_index, "1"));
    keep_remove(uuid, KEEP_KIND_XML);
    ck_assert_int_eq(run(JOB_CREATE, 0).result, -ENOENT);
}
END_TEST

static bool is_renamed(const char *name)
{
    struct guest_config *config = NULL;
    char path[96];
    bool is;

    (void)snprintf(path, sizeof(path), "/paravane/name/%s", name);
    ck_assert_int_eq(state_file_read(1, &config, &error), 0);
    is = node_is(path, "1") && node_is("/paravane/guest/1/name", name) &&
         strcmp(config->name, name) == 0 && memcmp(config->uuid, uuid, sizeof(uuid)) != 0 &&
         memcmp(config->uuid, fake_xen_domain(1)->uuid, sizeof(uuid)) == 0 &&
         config->on_crash == GUEST_ACTION_PRESERVE &&
         node_is("/paravane/guest/1/on_crash", "preserve") && fake_store_get(uuid_index) == NULL &&
         fake_store_get(uuid_name) == NULL && fake_store_get("/paravane/name/web") == NULL;
    guest_config_free(config);
    return is;
}

START_TEST(a_corpse_has_a_name_and_a_uuid_of_its_own)
{
    uint32_t other = create("web-1", "");
    struct job job = run(JOB_SAVE_AND_RENAME, 1);

    ck_assert_msg(job.result == 0, "%s", job.words);
    ck_assert_mem_eq(job.uuid, uuid, sizeof(uuid));
    ck_assert(is_renamed("web-2"));
    ck_assert(is_kept(KEEP_KIND_XML) && !is_kept(KEEP_KIND_RENAMING));
    job = run(JOB_CREATE, 0);
    ck_assert_msg(job.result == 0, "%s", job.words);
    ck_assert_uint_ne(job.made, 1);
    ck_assert(node_is(uuid_name, "web"));
    ck_assert_int_eq(vmctl_destroy(handle, 1, &error), 0);
    ck_assert(node_is(uuid_name, "web"));
    ck_assert_int_eq(vmctl_destroy(handle, job.made, &error), 0);
    ck_assert_int_eq(vmctl_destroy(handle, other, &error), 0);
    ck_assert_uint_eq(fake_store_count(), 0);
}
END_TEST

/* The step that fails is the first, the second, ...: done again, it is done. */
static void fail_each(void (*arrange)(unsigned long, int), bool (*has_failed)(void),
                      enum job_kind kind, unsigned long least)
{
    unsigned long number = 0;
    bool failed = true;

    while (failed) {
        struct job job;

        again();
        arrange(++number, -EIO);
        job = run(kind, 1);
        failed = has_failed();
        arrange(0, 0);
        if (job.result < 0) {
            ck_assert(job.words[0] != '\0');
            does(kind, 1);
        }
        if (kind == JOB_SAVE_AND_RENAME) {
            ck_assert_msg(is_renamed("web-1"), "step %lu", number);
            ck_assert(!is_kept(KEEP_KIND_RENAMING));
        } else {
            ck_assert_msg(fake_xen_domains() == 0 && fake_store_count() == 0, "step %lu", number);
        }
        ck_assert_msg(is_kept(KEEP_KIND_XML), "step %lu", number);
        keep_remove(uuid, KEEP_KIND_XML);
    }
    ck_assert_uint_gt(number, least);
}

START_TEST(a_renaming_cut_short_is_carried_to_its_end)
{
    fail_each(fake_store_fail_at, fake_store_failed, JOB_SAVE_AND_RENAME, 20);
    fail_each(fake_xen_fail, fake_xen_failed, JOB_SAVE_AND_RENAME, 1);
}
END_TEST

START_TEST(what_a_killed_maker_began_is_finished)
{
    struct making making;
    uint32_t domid = 5;

    does(JOB_DESTROY, 1);
    ck_assert_int_eq(making_begin(&making, handle, uuid, false, &error), 0);
    ck_assert_int_eq(run(JOB_FINISH, 0).result, -EBUSY);
    fake_xen_domain(domid)->exists = true;
    memcpy(fake_xen_domain(domid)->uuid, uuid, sizeof(uuid));
    ck_assert_int_eq(making_note(&making, domid, &error), 0);
    making_end(&making, false);
    does(JOB_FINISH, 0);
    ck_assert_uint_eq(fake_xen_domains(), 0);
}
END_TEST

/* --- what is left behind ------------------------------------------------------------------ */

/* As another toolstack's destroy leaves it: its home is gone, we are not told. */
static void die(void)
{
    fake_xen_domain(1)->exists = false;
    fake_store_drop("/local/domain/1");
}

START_TEST(what_a_dead_guest_left_is_removed)
{
    die();
    fake_store_set("/libxl/1", "");
    fake_store_set("/local/domain/0/error/backend/vbd/1/51712/error", "none");
    ck_assert(world_has_description(1));
    does(JOB_REAP, 1);
    ck_assert_uint_eq(fake_store_count(), 0);
    ck_assert(!world_has_description(1));
    does(JOB_REAP, 1);
}
END_TEST

START_TEST(what_is_anothers_by_now_stays)
{
    die();
    fake_store_set("/paravane/name/web", "2");
    fake_store_set(uuid_index, "2");
    fake_store_set("/local/domain/0/backend/vbd/11/51712/params", "/srv/other.img");
    fake_store_set("/paravane/guest/11/name", "other");
    does(JOB_REAP, 1);
    ck_assert(node_is("/paravane/name/web", "2"));
    ck_assert(node_is(uuid_index, "2"));
    ck_assert(node_is(uuid_name, "web"));
    ck_assert(node_is("/paravane/guest/11/name", "other"));
    ck_assert(node_is("/local/domain/0/backend/vbd/11/51712/params", "/srv/other.img"));
    ck_assert_ptr_null(fake_store_get("/paravane/guest/1"));
    ck_assert_ptr_null(fake_store_get("/local/domain/0/backend/vbd/1"));
}
END_TEST

START_TEST(without_its_description_its_home_says_the_uuid)
{
    fake_xen_domain(1)->exists = false;
    state_file_remove(1);
    does(JOB_REAP, 1);
    ck_assert_uint_eq(fake_store_count(), 0);
}
END_TEST

START_TEST(a_removal_that_others_upset_is_done_again)
{
    die();
    fake_store_upset(3);
    does(JOB_REAP, 1);
    ck_assert_uint_eq(fake_store_count(), 0);
}
END_TEST

START_TEST(a_removal_is_done_as_a_whole_or_not_at_all)
{
    unsigned long number = 0;
    struct job job;

    do {
        size_t nodes;

        again();
        fake_xen_domain(1)->exists = false;
        nodes = fake_store_count();
        fake_store_fail_at(++number, -EIO);
        job = run(JOB_REAP, 1);
        if (job.result < 0) {
            ck_assert_int_eq(job.result, -EIO);
            ck_assert_uint_eq(fake_store_count(), nodes);
            ck_assert_msg(world_has_description(1), "step %lu", number);
        }
    } while (job.result < 0);
    ck_assert(!fake_store_failed());
    ck_assert_uint_gt(number, 12);
    ck_assert_uint_eq(fake_store_count(), 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("supervisor_actions");
    TCase *tcase = suite_case(suite, "actions");

    tcase_add_checked_fixture(tcase, begin, end);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_guest_that_is_gone_or_held_is_destroyed);
    tcase_add_test(tcase, a_guest_that_cannot_be_destroyed_says_why);
    tcase_add_test(tcase, a_guest_is_made_again_as_it_was);
    tcase_add_test(tcase, a_corpse_has_a_name_and_a_uuid_of_its_own);
    tcase_add_test(tcase, a_renaming_cut_short_is_carried_to_its_end);
    tcase_add_test(tcase, what_a_killed_maker_began_is_finished);
    tcase_add_test(tcase, what_a_dead_guest_left_is_removed);
    tcase_add_test(tcase, what_is_anothers_by_now_stays);
    tcase_add_test(tcase, without_its_description_its_home_says_the_uuid);
    tcase_add_test(tcase, a_removal_that_others_upset_is_done_again);
    tcase_add_test(tcase, a_removal_is_done_as_a_whole_or_not_at_all);
    return suite_run(suite);
}
