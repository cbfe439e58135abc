/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/unit/cmocka_all.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "engine/guest/notifier.h"

#define CALLS_MAX 16u

/* What a callback does besides being noted. */
enum act {
	ACT_NOTHING,
	ACT_REMOVE_ITSELF,
	ACT_REMOVE_OTHER,
	ACT_ADD_OTHER,
	ACT_BLOCK,       /* let one thread after the other in, then out */
	ACT_BLOCK_FIRST, /* as block, but the first leaves by removing itself */
};

struct scene;

struct listener {
	struct scene *scene;
	char name;
	enum act act;
	int id;
	struct listener *other;
	atomic_uint entered;
	atomic_bool finished;
	int rc; /* of what it did */
};

struct scene {
	struct rj_notifiers list;
	struct listener a, b, c;
	char calls[CALLS_MAX]; /* names, in order */
	atomic_uint call_count;
	sem_t inside, go_on;
	enum ramjet_state old_state, new_state;
	struct ramjet_error error;
	const void *migration;
};

static void add(struct listener *listener);

static void on_change(void *user, enum ramjet_state old_state,
		      enum ramjet_state new_state,
		      const struct ramjet_error *err,
		      struct ramjet_migration *migration)
{
	struct listener *l = user;
	struct scene *s = l->scene;
	const unsigned nth = atomic_fetch_add(&l->entered, 1);
	const unsigned at = atomic_fetch_add(&s->call_count, 1);

	if (at < CALLS_MAX - 1)
		s->calls[at] = l->name;
	switch (l->act) {
	case ACT_NOTHING:
		s->old_state = old_state;
		s->new_state = new_state;
		s->migration = migration;
		if (err)
			s->error = *err;
		break;
	case ACT_REMOVE_ITSELF:
		l->rc = rj_notifiers_remove(&s->list, l->id);
		break;
	case ACT_REMOVE_OTHER:
		l->rc = rj_notifiers_remove(&s->list, l->other->id);
		break;
	case ACT_ADD_OTHER:
		add(l->other);
		l->act = ACT_NOTHING;
		break;
	case ACT_BLOCK:
	case ACT_BLOCK_FIRST:
		sem_post(&s->inside);
		sem_wait(&s->go_on);
		if (l->act == ACT_BLOCK_FIRST && !nth)
			l->rc = rj_notifiers_remove(&s->list, l->id);
		/* Whoever does not wait for us gets ahead here. */
		for (unsigned i = 0; i < 200; i++)
			sched_yield();
		atomic_store(&l->finished, true);
		break;
	}
}

static void add(struct listener *l)
{
	l->id = rj_notifiers_add(&l->scene->list, on_change, l, NULL);
}

static void call(struct scene *s)
{
	rj_notifiers_call(&s->list, RAMJET_STATE_SETUP, RAMJET_STATE_ACTIVE,
			  NULL, NULL);
}

static int setup(void **state)
{
	struct scene *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	rj_notifiers_init(&s->list);
	s->a = (struct listener){ .scene = s, .name = 'a' };
	s->b = (struct listener){ .scene = s, .name = 'b' };
	s->c = (struct listener){ .scene = s, .name = 'c' };
	s->a.rc = s->b.rc = s->c.rc = -1;
	sem_init(&s->inside, 0, 0);
	sem_init(&s->go_on, 0, 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct scene *s = *state;

	rj_notifiers_done(&s->list);
	sem_destroy(&s->inside);
	sem_destroy(&s->go_on);
	free(s);
	return 0;
}

static void all_are_called_oldest_first_with_what_happened(void **state)
{
	const struct ramjet_error error = { -EPIPE, "it broke" };
	struct scene *s = *state;

	add(&s->a);
	add(&s->b);
	add(&s->c);
	assert_true(s->a.id > 0);
	assert_true(s->b.id > s->a.id && s->c.id > s->b.id);
	rj_notifiers_call(&s->list, RAMJET_STATE_ACTIVE, RAMJET_STATE_FAILED,
			  &error, (struct ramjet_migration *)s);
	assert_string_equal(s->calls, "abc");
	assert_ptr_equal(s->migration, s);
	assert_int_equal(s->old_state, RAMJET_STATE_ACTIVE);
	assert_int_equal(s->new_state, RAMJET_STATE_FAILED);
	assert_int_equal(s->error.code, -EPIPE);
	assert_string_equal(s->error.message, "it broke");
}

static void nobody_to_call_is_fine(void **state)
{
	struct ramjet_error err = { 0 };
	struct scene *s = *state;

	call(s);
	assert_int_equal(rj_notifiers_add(&s->list, NULL, s, &err), -EINVAL);
	assert_true(*err.message);
}

static void a_removed_one_is_called_no_more(void **state)
{
	struct scene *s = *state;

	add(&s->a);
	add(&s->b);
	assert_int_equal(rj_notifiers_remove(&s->list, s->a.id), 0);
	assert_int_equal(rj_notifiers_remove(&s->list, s->a.id), -ENOENT);
	assert_int_equal(rj_notifiers_remove(&s->list, 4711), -ENOENT);
	call(s);
	assert_string_equal(s->calls, "b");
}

static void one_may_remove_itself_inside_its_callback(void **state)
{
	struct scene *s = *state;

	s->b.act = ACT_REMOVE_ITSELF;
	add(&s->a);
	add(&s->b);
	add(&s->c);
	call(s);
	call(s);
	assert_int_equal(s->b.rc, 0);
	assert_string_equal(s->calls, "abcac");
	assert_int_equal(rj_notifiers_remove(&s->list, s->b.id), -ENOENT);
}

static void one_removed_by_an_earlier_callback_is_not_called(void **state)
{
	struct scene *s = *state;

	s->a.act = ACT_REMOVE_OTHER;
	s->a.other = &s->b;
	add(&s->a);
	add(&s->b);
	add(&s->c);
	call(s);
	assert_int_equal(s->a.rc, 0);
	assert_string_equal(s->calls, "ac");
}

static void one_may_remove_an_earlier_one(void **state)
{
	struct scene *s = *state;

	s->c.act = ACT_REMOVE_OTHER;
	s->c.other = &s->a;
	add(&s->a);
	add(&s->b);
	add(&s->c);
	call(s);
	assert_int_equal(s->c.rc, 0);
	s->c.act = ACT_NOTHING;
	call(s);
	assert_string_equal(s->calls, "abcbc");
}

static void one_added_inside_a_callback_waits_for_the_next_call(void **state)
{
	struct scene *s = *state;

	s->a.act = ACT_ADD_OTHER;
	s->a.other = &s->b;
	add(&s->a);
	call(s);
	assert_string_equal(s->calls, "a");
	call(s);
	assert_string_equal(s->calls, "aab");
}

static void *call_thread(void *user)
{
	call(user);
	return NULL;
}

static void removal_from_another_thread_waits_for_the_callback(void **state)
{
	struct scene *s = *state;
	pthread_t caller;

	s->a.act = ACT_BLOCK;
	add(&s->a);
	assert_int_equal(pthread_create(&caller, NULL, call_thread, s), 0);
	sem_wait(&s->inside);
	sem_post(&s->go_on);
	assert_int_equal(rj_notifiers_remove(&s->list, s->a.id), 0);
	assert_true(atomic_load(&s->a.finished));
	assert_int_equal(pthread_join(caller, NULL), 0);
	call(s);
	assert_string_equal(s->calls, "a");
}

/* The last words of one migration may overlap the first of the next. */
static void a_callback_in_two_threads_may_remove_itself_in_either(void **state)
{
	struct scene *s = *state;
	pthread_t first, second;

	s->a.act = ACT_BLOCK_FIRST;
	add(&s->a);
	assert_int_equal(pthread_create(&first, NULL, call_thread, s), 0);
	sem_wait(&s->inside);
	assert_int_equal(pthread_create(&second, NULL, call_thread, s), 0);
	sem_wait(&s->inside);
	/* The first removes itself; the second, the latest, is still there. */
	sem_post(&s->go_on);
	sem_post(&s->go_on);
	assert_int_equal(pthread_join(first, NULL), 0);
	assert_int_equal(pthread_join(second, NULL), 0);
	assert_int_equal(s->a.rc, 0);
	call(s);
	assert_string_equal(s->calls, "aa");
}

static void *churn_thread(void *user)
{
	struct scene *s = user;

	for (unsigned i = 0; i < 2000; i++) {
		struct listener l = { .scene = s, .name = 't' };

		add(&l);
		l.rc = rj_notifiers_remove(&s->list, l.id);
		if (l.id <= 0 || l.rc)
			return s;
		/* The listener is gone: nobody may be using it. */
		memset(&l, 0xee, sizeof(l));
	}
	return NULL;
}

static void adding_and_removing_while_calls_go_on_is_safe(void **state)
{
	struct scene *s = *state;
	pthread_t threads[3];

	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, churn_thread, s), 0);
	for (unsigned i = 0; i < 2000; i++)
		call(s);
	for (unsigned i = 0; i < 3; i++) {
		void *failed;

		assert_int_equal(pthread_join(threads[i], &failed), 0);
		assert_null(failed);
	}
	assert_null(s->list.first);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(all_are_called_oldest_first_with_what_happened),
		CASE(nobody_to_call_is_fine),
		CASE(a_removed_one_is_called_no_more),
		CASE(one_may_remove_itself_inside_its_callback),
		CASE(one_removed_by_an_earlier_callback_is_not_called),
		CASE(one_may_remove_an_earlier_one),
		CASE(one_added_inside_a_callback_waits_for_the_next_call),
		CASE(removal_from_another_thread_waits_for_the_callback),
		CASE(a_callback_in_two_threads_may_remove_itself_in_either),
		CASE(adding_and_removing_while_calls_go_on_is_safe),
	};

	return cmocka_run_group_tests_name("notifier", tests, NULL, NULL);
}
