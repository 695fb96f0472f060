/* SPDX-License-Identifier: MIT */
/* One thread at a time in a fake, whichever of its functions it is in. */
#ifndef TESTS_FAKE_FAKE_LOCK_H
#define TESTS_FAKE_FAKE_LOCK_H

#include <pthread.h>

static pthread_mutex_t fake_mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

static inline pthread_mutex_t *fake_lock(void)
{
    (void)pthread_mutex_lock(&fake_mutex);
    return &fake_mutex;
}

static inline void fake_unlock(pthread_mutex_t **mutex)
{
    (void)pthread_mutex_unlock(*mutex);
}

/* The first declaration of a function: the fake is the caller's until it returns. */
#define FAKE_LOCKED \
    __attribute__((cleanup(fake_unlock), unused)) pthread_mutex_t *fake_held = fake_lock()

#endif
