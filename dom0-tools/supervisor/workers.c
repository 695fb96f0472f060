/* SPDX-License-Identifier: MIT */
/* Threads and their two queues: see workers.h. */
#include "dom0-tools/supervisor/workers.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MOST_THREADS 16u

struct queue {
    struct job *first;
    struct job **end; /* where the next one is hung */
};

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t more;
    struct queue waiting;
    struct queue done;
    bool stopping;
    bool with_handles;
    job_fn *run;
    int fd;
    unsigned int count;
    pthread_t threads[MOST_THREADS];
};

static void push(struct queue *queue, struct job *job)
{
    job->next = NULL;
    *queue->end = job;
    queue->end = &job->next;
}

static struct job *pop(struct queue *queue)
{
    struct job *job = queue->first;

    if (job != NULL) {
        queue->first = job->next;
        if (queue->first == NULL) {
            queue->end = &queue->first;
        }
    }
    return job;
}

/* NULL: stop. */
static struct job *next_job(struct workers *workers)
{
    struct job *job = NULL;

    (void)pthread_mutex_lock(&workers->lock);
    while (!workers->stopping && (job = pop(&workers->waiting)) == NULL) {
        (void)pthread_cond_wait(&workers->more, &workers->lock);
    }
    (void)pthread_mutex_unlock(&workers->lock);
    return job;
}

static void finish(struct workers *workers, struct job *job)
{
    uint64_t one = 1;

    (void)pthread_mutex_lock(&workers->lock);
    push(&workers->done, job);
    (void)pthread_mutex_unlock(&workers->lock);
    if (write(workers->fd, &one, sizeof(one)) < 0) {
        abort(); /* it cannot be full */
    }
}

static void no_handle(struct job *job, const struct vmctl_error *error)
{
    job->result = error->code;
    memcpy(job->words, error->message, sizeof(job->words));
}

static void *work(void *argument)
{
    struct workers *workers = argument;
    struct vmctl *handle = NULL;
    struct job *job;

    while ((job = next_job(workers)) != NULL) {
        struct vmctl_error error = { .code = 0 };

        if (workers->with_handles && handle == NULL && vmctl_open(&handle, &error) < 0) {
            handle = NULL;
            no_handle(job, &error);
        } else {
            workers->run(handle, job);
        }
        finish(workers, job);
    }
    if (workers->with_handles) {
        vmctl_close(handle);
    }
    return NULL;
}

int workers_start(unsigned int threads, job_fn *run, bool with_handles, struct workers **workers,
                  struct vmctl_error *error)
{
    struct workers *made = calloc(1, sizeof(*made));
    int r = 0;

    if (made == NULL) {
        return vmctl_fail(error, -ENOMEM, "no memory");
    }
    *made = (struct workers){ .run = run, .with_handles = with_handles };
    made->waiting.end = &made->waiting.first;
    made->done.end = &made->done.first;
    made->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (made->fd < 0) {
        r = -errno;
        free(made);
        return vmctl_fail(error, r, "eventfd: %s", strerror(-r));
    }
    (void)pthread_mutex_init(&made->lock, NULL);
    (void)pthread_cond_init(&made->more, NULL);
    while (r == 0 && made->count < threads && made->count < MOST_THREADS) {
        r = pthread_create(&made->threads[made->count], NULL, work, made);
        made->count += r == 0 ? 1 : 0;
    }
    if (made->count == 0) {
        workers_stop(made);
        return vmctl_fail(error, -r, "no thread: %s", strerror(r));
    }
    *workers = made;
    return 0;
}

void workers_stop(struct workers *workers)
{
    struct job *job;

    if (workers == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&workers->lock);
    workers->stopping = true;
    (void)pthread_cond_broadcast(&workers->more);
    (void)pthread_mutex_unlock(&workers->lock);
    for (unsigned int i = 0; i < workers->count; i++) {
        (void)pthread_join(workers->threads[i], NULL);
    }
    while ((job = pop(&workers->waiting)) != NULL || (job = pop(&workers->done)) != NULL) {
        free(job);
    }
    (void)pthread_cond_destroy(&workers->more);
    (void)pthread_mutex_destroy(&workers->lock);
    (void)close(workers->fd);
    free(workers);
}

int workers_add(struct workers *workers, const struct job *job)
{
    struct job *copy = malloc(sizeof(*copy));

    if (copy == NULL) {
        return -ENOMEM;
    }
    *copy = *job;
    (void)pthread_mutex_lock(&workers->lock);
    push(&workers->waiting, copy);
    (void)pthread_cond_signal(&workers->more);
    (void)pthread_mutex_unlock(&workers->lock);
    return 0;
}

int workers_fd(const struct workers *workers)
{
    return workers->fd;
}

struct job *workers_take(struct workers *workers)
{
    struct job *job;
    uint64_t count;

    (void)!read(workers->fd, &count, sizeof(count));
    (void)pthread_mutex_lock(&workers->lock);
    job = pop(&workers->done);
    (void)pthread_mutex_unlock(&workers->lock);
    return job;
}
