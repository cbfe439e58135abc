/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/link/mailbox.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/link/event.h"
#include "util/error.h"

struct rj_mail {
	struct rj_mail *next;
	struct rj_message message;
};

void rj_message_done(struct rj_message *message)
{
	free(message->payload);
	*message = (struct rj_message){ 0 };
}

void rj_mailbox_init(struct rj_mailbox *box, uint64_t bytes_max, int event_fd)
{
	*box = (struct rj_mailbox){
		.bytes_max = bytes_max,
		.event_fd = event_fd,
	};
	rj_mutex_init(&box->lock);
}

void rj_mailbox_done(struct rj_mailbox *box)
{
	struct rj_message message;

	while (rj_mailbox_get(box, &message))
		rj_message_done(&message);
	rj_mutex_done(&box->lock);
}

static int check_room_locked(const struct rj_mailbox *box, uint32_t bytes,
			     struct ramjet_error *err) RJ_REQUIRES(box->lock)
{
	if (box->count == RJ_MAILBOX_MAX)
		return rj_fail(err, -ENOBUFS,
			       "control frames: %u wait to be taken, no more "
			       "are allowed",
			       box->count);
	if (bytes > box->bytes_max - box->bytes)
		return rj_fail(err, -ENOBUFS,
			       "control frames: %llu bytes wait to be taken "
			       "and %u came, at most %llu are allowed",
			       (unsigned long long)box->bytes, bytes,
			       (unsigned long long)box->bytes_max);
	return 0;
}

static void append_locked(struct rj_mailbox *box, struct rj_mail *mail)
	RJ_REQUIRES(box->lock)
{
	if (box->last)
		box->last->next = mail;
	else
		box->first = mail;
	box->last = mail;
	box->count++;
	box->bytes += mail->message.frame.payload_bytes;
}

int rj_mailbox_put(struct rj_mailbox *box, const struct rj_message *message,
		   struct ramjet_error *err)
{
	struct rj_mail *mail = calloc(1, sizeof(*mail));
	int rc;

	if (!mail) {
		free(message->payload);
		return rj_fail(err, -ENOMEM, "control frames: out of memory");
	}
	mail->message = *message;
	rj_lock(&box->lock);
	rc = check_room_locked(box, message->frame.payload_bytes, err);
	if (!rc)
		append_locked(box, mail);
	rj_unlock(&box->lock);
	if (rc) {
		free(mail);
		free(message->payload);
		return rc;
	}
	rj_event_signal(box->event_fd);
	return 0;
}

void rj_mailbox_put_end(struct rj_mailbox *box, const struct ramjet_error *why)
{
	rj_lock(&box->lock);
	box->end = *why;
	box->has_end = true;
	rj_unlock(&box->lock);
	rj_event_signal(box->event_fd);
}

static int take_end_locked(struct rj_mailbox *box, struct rj_message *ret)
	RJ_REQUIRES(box->lock)
{
	if (!box->has_end)
		return 0;
	box->has_end = false;
	*ret = (struct rj_message){ .end = &box->end };
	return 1;
}

int rj_mailbox_get(struct rj_mailbox *box, struct rj_message *ret)
{
	struct rj_mail *mail;
	int rc = 1;

	rj_lock(&box->lock);
	mail = box->first;
	if (mail) {
		box->first = mail->next;
		if (!box->first)
			box->last = NULL;
		box->count--;
		box->bytes -= mail->message.frame.payload_bytes;
	} else {
		rc = take_end_locked(box, ret);
	}
	rj_unlock(&box->lock);
	if (!mail)
		return rc;
	*ret = mail->message;
	free(mail);
	return 1;
}

bool rj_mailbox_has_room(struct rj_mailbox *box, uint32_t bytes)
{
	bool room;

	rj_lock(&box->lock);
	room = !check_room_locked(box, bytes, NULL);
	rj_unlock(&box->lock);
	return room;
}

bool rj_mailbox_is_empty(struct rj_mailbox *box)
{
	bool empty;

	rj_lock(&box->lock);
	empty = !box->first && !box->has_end;
	rj_unlock(&box->lock);
	return empty;
}
