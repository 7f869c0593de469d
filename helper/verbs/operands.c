// SPDX-License-Identifier: GPL-2.0-only
#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "kernel/device.h"
#include "negotiate/uri.h"
#include "verbs/operands.h"
#include "verbs/opts.h"

bool operands_option(struct operands *operands, int id, const char *value)
{
	switch (id) {
	case 'u':
		operands->unix_path = value;
		return true;
	case OPT_PORT:
		operands->port = value;
		return true;
	case OPT_VSOCK:
		operands->vsock = value;
		return true;
	case 'N':
		operands->name = value;
		return true;
	default:
		return false;
	}
}

/* Checks whether the last word is a device, and that none comes before other words. */
static int operands_device(struct operands *operands, bool *has_device, uint32_t *device,
			   struct error *err)
{
	const char *last = operands->n_words ? operands->words[operands->n_words - 1] : NULL;
	struct error ignored;
	uint32_t index;
	int i;

	for (i = 0; i < operands->n_words - 1; i++)
		if (!strncmp(operands->words[i], "/dev/", 5) &&
		    device_is_name(operands->words[i], &index))
			return error_set(err, EXIT_USAGE, "%s: the device comes last",
					 operands->words[i]);
	if (!has_device || !last)
		return 0;
	*has_device = device_is_name(last, device);
	if (!*has_device && device_is_meant(last)) {
		if (device_resolve(last, device, &ignored))
			return device_refuse(last, err);
		*has_device = true;
	}
	operands->n_words -= *has_device;
	return 0;
}

/* Parses what names the server. Returns how many words that were, or -1. */
static int operands_server(const struct operands *operands, struct target *target,
			   struct error *err)
{
	const char *first = operands->n_words ? operands->words[0] : NULL;
	int ways = !!operands->unix_path + !!operands->vsock;

	if (first && uri_is_uri(first)) {
		if (ways || operands->port || operands->name)
			return error_set(err, EXIT_USAGE,
					 "--unix, --vsock, --port and --name cannot be combined with a URI");
		return uri_parse(first, target, err) ? -1 : 1;
	}
	target_init(target);
	if (ways > 1)
		return error_set(err, EXIT_USAGE, "--unix and --vsock are mutually exclusive");
	if (ways && operands->port)
		return error_set(err, EXIT_USAGE, "--port is for TCP only");
	if (operands->unix_path)
		return target_set_unix(target, operands->unix_path, err);
	if (operands->vsock)
		return target_set_vsock(target, operands->vsock, err);
	if (!first)
		return error_set(err, EXIT_USAGE, "missing server");
	if (device_is_meant(first))
		return device_refuse(first, err);
	if (target_set_host(target, first, err))
		return -1;
	if (operands->port && target_set_port(target, operands->port, err))
		return -1;
	return 1;
}

static int operands_export(const struct operands *operands, bool from_uri, int *used,
			   struct target *target, struct error *err)
{
	const char *name = operands->name;

	if (from_uri)
		return 0;
	if (!name && *used < operands->n_words)
		name = operands->words[(*used)++];
	return name ? target_set_export(target, name, strlen(name), err) : 0;
}

int operands_no_tls(struct error *err)
{
	error_set(err, EXIT_TLS, "TLS is not built in yet");
	error_hint(err, "use a tunnel, such as ssh or stunnel, and an nbd:// or nbd+unix:// URI");
	return -1;
}

int operands_target(const struct operands *operands, struct target *target, bool *has_device,
		    uint32_t *device, struct error *err)
{
	struct operands rest = *operands;
	bool from_uri;
	int used;

	if (operands_device(&rest, has_device, device, err))
		goto usage;
	used = operands_server(&rest, target, err);
	if (used < 0)
		goto usage;
	from_uri = used && uri_is_uri(rest.words[0]);
	if (operands_export(&rest, from_uri, &used, target, err))
		return -1;
	if (used < rest.n_words) {
		error_set(err, EXIT_USAGE, "unexpected argument \"%s\"",
			  rest.words[used]);
		goto usage;
	}
	return target->tls ? operands_no_tls(err) : 0;

usage:
	if (!err->hint[0])
		error_hint(err, "see --help");
	return -1;
}
