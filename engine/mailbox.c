/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/mailbox.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/event.h"

struct rj_mail {
	struct rj_mail *next;
	struct rj_message message;
};

void rj_message_done(struct rj_message *message)
{
	free(message->payload);
	*message = (struct rj_message){ 0 };
}

void rj_mailbox_init(struct rj_mailbox *box, int event_fd)
{
	*box = (struct rj_mailbox){ .event_fd = event_fd };
	rj_mutex_init(&box->lock);
}

void rj_mailbox_done(struct rj_mailbox *box)
{
	struct rj_message message;

	while (rj_mailbox_get(box, &message))
		rj_message_done(&message);
	rj_mutex_done(&box->lock);
}

int rj_mailbox_put(struct rj_mailbox *box, const struct rj_message *message)
{
	struct rj_mail *mail = calloc(1, sizeof(*mail));
	int rc = mail ? 0 : -ENOMEM;

	rj_lock(&box->lock);
	if (!rc && box->count == RJ_MAILBOX_MAX)
		rc = -ENOBUFS;
	if (!rc) {
		mail->message = *message;
		if (box->last)
			box->last->next = mail;
		else
			box->first = mail;
		box->last = mail;
		box->count++;
	}
	rj_unlock(&box->lock);
	if (rc) {
		free(mail);
		free(message->payload);
		return rc;
	}
	rj_event_signal(box->event_fd);
	return 0;
}

int rj_mailbox_get(struct rj_mailbox *box, struct rj_message *ret)
{
	struct rj_mail *mail;

	rj_lock(&box->lock);
	mail = box->first;
	if (mail) {
		box->first = mail->next;
		if (!box->first)
			box->last = NULL;
		box->count--;
	}
	rj_unlock(&box->lock);
	if (!mail)
		return 0;
	*ret = mail->message;
	free(mail);
	return 1;
}

bool rj_mailbox_is_empty(struct rj_mailbox *box)
{
	bool empty;

	rj_lock(&box->lock);
	empty = !box->first;
	rj_unlock(&box->lock);
	return empty;
}
