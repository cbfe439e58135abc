/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef RJ_TESTS_FAKE_ROOT_H
#define RJ_TESTS_FAKE_ROOT_H
/* A folder that stands for "/", for who reads /proc and /sys: machines and
 * control groups of a test's own making. What fails fails the test. */

/* For cmocka: *state is the folder's path. */
int fake_root_setup(void **state);
int fake_root_teardown(void **state);
/* `root`: ".../name-XXXXXX", which becomes the path. */
void fake_root_make(char *root);
/* With all that is in it. */
void fake_root_remove(const char *root);
/* The file `name` says `text`; the folders on the way there are made. */
void fake_root_put(const char *root, const char *name, const char *text);
#endif
