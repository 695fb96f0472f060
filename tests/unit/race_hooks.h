/* SPDX-License-Identifier: MIT */
/*
 * Forced (-include) into every file of a test: each atomic operation is a step
 * before which another CPU may do something.
 */
#ifndef TESTS_UNIT_RACE_HOOKS_H
#define TESTS_UNIT_RACE_HOOKS_H

#include <stdatomic.h>

void race_step(void);

/* What <stdatomic.h> and lib/atomic.h are made of: gcc's builtins, and clang's. */
#define __atomic_load_n(...)             (race_step(), __atomic_load_n(__VA_ARGS__))
#define __atomic_store_n(...)            (race_step(), __atomic_store_n(__VA_ARGS__))
#define __atomic_compare_exchange_n(...) (race_step(), __atomic_compare_exchange_n(__VA_ARGS__))
#define __atomic_load(...)               (race_step(), __atomic_load(__VA_ARGS__))
#define __atomic_store(...)              (race_step(), __atomic_store(__VA_ARGS__))
#define __atomic_compare_exchange(...)   (race_step(), __atomic_compare_exchange(__VA_ARGS__))
#define __atomic_fetch_or(...)           (race_step(), __atomic_fetch_or(__VA_ARGS__))
#define __atomic_fetch_and(...)          (race_step(), __atomic_fetch_and(__VA_ARGS__))
#define __c11_atomic_load(...)           (race_step(), __c11_atomic_load(__VA_ARGS__))
#define __c11_atomic_store(...)          (race_step(), __c11_atomic_store(__VA_ARGS__))
#define __c11_atomic_compare_exchange_strong(...) \
    (race_step(), __c11_atomic_compare_exchange_strong(__VA_ARGS__))
#define __c11_atomic_compare_exchange_weak(...) \
    (race_step(), __c11_atomic_compare_exchange_weak(__VA_ARGS__))

#endif
