/* SPDX-License-Identifier: MIT */
/*
 * "Safe to use from several threads with one handle each": two of them at work
 * on one host, and ThreadSanitizer looks on.
 */
#include <check.h>
#include <errno.h>
#include <pthread.h>

#include "tests/unit/guest_world.h"
#include "tests/unit/suite.h"

#define ROUNDS 20

struct worker {
    const char *name;
    char xml[2048];
    char other_xml[2048];
    unsigned int rounds;
};

/* Parsed within the thread: the reader is part of what is tried. */
static int create(struct vmctl *handle, const char *xml, uint32_t *domid, struct vmctl_error *error)
{
    struct guest_config *config = NULL;
    int r = vmctl_config_parse(xml, strlen(xml), NULL, &config, error);

    r = r < 0 ? r : vmctl_create(handle, config, VMCTL_CREATE_PAUSED, domid, error);
    vmctl_config_free(config);
    return r;
}

static int live(struct vmctl *handle, const struct worker *worker, uint32_t domid,
                struct vmctl_error *error)
{
    struct vmctl_guest *guests = NULL;
    struct vmctl_guest guest;
    struct vmctl_host host;
    char anew[32];
    char *xml = NULL;
    size_t count = 0;
    uint32_t found = 0;
    int r = vmctl_list(handle, &guests, &count, error);

    free(guests);
    (void)snprintf(anew, sizeof(anew), "%s.anew", worker->name);
    r = r < 0 ? r : vmctl_host(handle, &host, error);
    r = r < 0 ? r : vmctl_info(handle, domid, &guest, error);
    r = r < 0 ? r : vmctl_unpause(handle, domid, error);
    r = r < 0 ? r : vmctl_set_memory(handle, domid, 10240, error);
    r = r < 0 ? r : vmctl_rename(handle, domid, anew, error);
    r = r < 0 ? r : vmctl_find(handle, anew, &found, error);
    r = r < 0 ? r : vmctl_dumpxml(handle, domid, &xml, error);
    free(xml);
    return r < 0 || found == domid ? r : -ENOENT;
}

static void *work(void *context)
{
    struct worker *worker = context;
    struct vmctl_error error = { .code = 0 };
    struct vmctl *handle = NULL;
    int r = vmctl_open(&handle, &error);

    for (unsigned int i = 0; r == 0 && i < ROUNDS; i++) {
        struct vmctl_error refusal = { .code = 0 };
        uint32_t domid = 0;
        uint32_t other = 0;

        r = create(handle, worker->xml, &domid, &error);
        r = r < 0 ? r : live(handle, worker, domid, &error);
        /* Of a name that both want, so that one of them is refused and undone now and then. */
        if (create(handle, worker->other_xml, &other, &refusal) == 0) {
            r = r < 0 ? r : vmctl_destroy(handle, other, &error);
        }
        r = r < 0 ? r : vmctl_destroy(handle, domid, &error);
        worker->rounds += r == 0;
    }
    if (r < 0) {
        (void)fprintf(stderr, "%s: %s\n", worker->name, error.message);
    }
    vmctl_close(handle);
    return NULL;
}

static void describe(const char *name, char xml[2048])
{
    struct guest_config *config = world_config(name, "");
    char *text = NULL;

    ck_assert_str_eq(vmctl_config_name(config), name);
    ck_assert_int_eq(vmctl_config_write(config, &text, NULL), 0);
    ck_assert_uint_lt(strlen(text), 2048);
    memcpy(xml, text, strlen(text) + 1);
    free(text);
    vmctl_config_free(config);
}

START_TEST(two_threads_with_a_handle_each)
{
    struct worker workers[2] = { { .name = "one" }, { .name = "two" } };
    pthread_t threads[2];

    world_begin();
    fake_xen_count_on();
    for (unsigned int i = 0; i < 2; i++) {
        describe(workers[i].name, workers[i].xml);
        describe("both", workers[i].other_xml);
    }
    for (unsigned int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (unsigned int i = 0; i < 2; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert_uint_eq(workers[i].rounds, ROUNDS);
    }
    ck_assert_uint_eq(fake_xen_domains(), 0);
    ck_assert_uint_eq(fake_store_count(), 0);
    ck_assert_uint_eq(fake_xen_leaks(), 0);
    ck_assert_uint_eq(fake_store_leaks(), 0);
    world_end();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("library_threads");
    TCase *tcase = suite_case(suite, "threads");

    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, two_threads_with_a_handle_each);
    return suite_run(suite);
}
