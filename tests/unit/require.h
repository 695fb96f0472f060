/* SPDX-License-Identifier: MIT */
/*
 * ck_assert() notes where it is each time, in a file; in a loop of millions that
 * takes minutes.  require() is silent unless it fails.
 */
#ifndef TESTS_UNIT_REQUIRE_H
#define TESTS_UNIT_REQUIRE_H

#include <check.h>

#define require(condition) ((condition) ? (void)0 : ck_abort_msg("%s", #condition))

#endif
