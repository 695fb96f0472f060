/* SPDX-License-Identifier: MIT */
/* The test's name, which the Makefile knows: the only file compiled once more for every test. */
extern const char test_name[];

const char test_name[] = TEST_NAME;
