/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/qmp/dispatch.h"

#include <errno.h>
#include <string.h>

#include "cli/qmp/message.h"
#include "util/error.h"

/* A request taken apart; all borrowed from it. */
struct request {
	const char *name;
	json_t *arguments; /* NULL: none given */
	json_t *id;
};

static int take_apart(json_t *object, struct request *ret,
		      struct ramjet_error *err)
{
	const char *key;
	json_t *value;

	if (!json_is_object(object))
		return rj_fail(err, -EINVAL, "QMP input must be a JSON object");
	ret->id = json_object_get(object, "id");
	json_object_foreach(object, key, value)
	{
		if (!strcmp(key, "execute"))
			ret->name = json_string_value(value);
		else if (!strcmp(key, "arguments"))
			ret->arguments = value;
		else if (strcmp(key, "id"))
			return rj_fail(err, -EINVAL,
				       "QMP input member '%.100s' is "
				       "unexpected",
				       key);
	}
	if (!json_object_get(object, "execute"))
		return rj_fail(err, -EINVAL,
			       "QMP input lacks member 'execute'");
	if (!ret->name)
		return rj_fail(err, -EINVAL,
			       "QMP input member 'execute' must be a string");
	if (ret->arguments && !json_is_object(ret->arguments))
		return rj_fail(err, -EINVAL,
			       "QMP input member 'arguments' must be an "
			       "object");
	return 0;
}

static json_t *not_found(const struct request *request, const char *text)
{
	return rj_qmp_error(RJ_QMP_COMMAND_NOT_FOUND, text, request->id);
}

static int check_enable(json_t *enable, struct ramjet_error *err)
{
	const char *name;

	if (!json_array_size(enable))
		return 0;
	name = json_string_value(json_array_get(enable, 0));
	return rj_fail(err, -EINVAL, "QMP capability '%.100s' is not available",
		       name ? name : "(not a string)");
}

static json_t *negotiate(const struct request *request,
			 struct rj_qmp_peer *peer)
{
	static const struct rj_qmp_argument wanted[] = {
		{ "enable", RJ_QMP_ARRAY, true }, { 0 }
	};
	struct ramjet_error error = { 0 };
	int rc = 0;

	if (peer->negotiated)
		return not_found(request, "Capabilities negotiation is already "
					  "complete, command ignored");
	if (request->arguments)
		rc = rj_qmp_arguments_check(wanted, request->arguments, &error);
	if (!rc)
		rc = check_enable(json_object_get(request->arguments, "enable"),
				  &error);
	if (rc)
		return rj_qmp_error(RJ_QMP_GENERIC_ERROR, error.message,
				    request->id);
	peer->negotiated = true;
	return rj_qmp_return(NULL, request->id);
}

static const struct rj_qmp_command *find(const struct rj_qmp_commands *commands,
					 const char *name)
{
	for (const struct rj_qmp_command *row = commands->rows; row->name;
	     row++)
		if (!strcmp(row->name, name))
			return row;
	return NULL;
}

static json_t *execute(const struct rj_qmp_command *command, void *user,
		       const struct request *request, int *fd)
{
	json_t *none = request->arguments ? NULL : json_object();
	struct rj_qmp_call call = {
		.user = user,
		.arguments = request->arguments ? request->arguments : none,
		.fd = fd,
	};
	struct ramjet_error error = { 0 };
	int rc = 0;

	if (!command->checks_itself)
		rc = rj_qmp_arguments_check(command->arguments, call.arguments,
					    &error);
	if (!rc)
		rc = command->run(&call, &error);
	json_decref(none);
	if (!rc)
		return rj_qmp_return(call.result, request->id);
	json_decref(call.result);
	return rj_qmp_error(RJ_QMP_GENERIC_ERROR, error.message, request->id);
}

int rj_qmp_execute(const struct rj_qmp_commands *commands, const char *name,
		   json_t *arguments, json_t **ret, struct ramjet_error *err)
{
	const struct rj_qmp_command *command = find(commands, name);
	json_t *given = arguments ? arguments : json_object();
	int fd = -1, rc = 0;
	struct rj_qmp_call call = {
		.user = commands->user,
		.arguments = given,
		.fd = &fd,
	};

	if (!command)
		rc = rj_fail(err, -ENOENT,
			     "The command %.200s has not been found", name);
	if (!rc && !command->checks_itself)
		rc = rj_qmp_arguments_check(command->arguments, given, err);
	if (!rc)
		rc = command->run(&call, err);
	json_decref(given);
	if (rc || !ret)
		json_decref(call.result);
	else
		*ret = call.result;
	return rc;
}

static json_t *serve(const struct rj_qmp_commands *commands,
		     struct rj_qmp_peer *peer, const struct request *request)
{
	const struct rj_qmp_command *command;
	struct ramjet_error error = { 0 };

	if (!strcmp(request->name, "qmp_capabilities"))
		return negotiate(request, peer);
	if (!peer->negotiated)
		return not_found(request,
				 "Expecting capabilities negotiation with "
				 "'qmp_capabilities'");
	command = find(commands, request->name);
	if (command)
		return execute(command, commands->user, request, &peer->fd);
	(void)rj_fail(&error, -ENOENT, "The command %.200s has not been found",
		      request->name);
	return not_found(request, error.message);
}

json_t *rj_qmp_dispatch(const struct rj_qmp_commands *commands,
			struct rj_qmp_peer *peer, const char *text,
			size_t bytes)
{
	struct request request = { 0 };
	struct ramjet_error error = { 0 };
	json_error_t bad;
	json_t *object = json_loadb(
		text, bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &bad);
	json_t *reply;

	if (!object)
		(void)rj_fail(&error, -EINVAL, "JSON parse error, %s",
			      bad.text);
	if (!object || take_apart(object, &request, &error))
		reply = rj_qmp_error(RJ_QMP_GENERIC_ERROR, error.message,
				     request.id);
	else
		reply = serve(commands, peer, &request);
	json_decref(object);
	return reply;
}
