// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "kernel/device.h"
#include "kernel/kernel.h"
#include "kernel/modload.h"
#include "negotiate/facts.h"
#include "negotiate/handshake-proto.h"
#include "negotiate/survey.h"
#include "verbs/describe.h"
#include "verbs/device-json.h"
#include "verbs/operands.h"
#include "verbs/verbs.h"

#define INFO_CONNECT_MS	30000

static const struct opt info_opts[] = {
	{ 'u', "unix", "PATH", "connect to a Unix socket; @NAME is an abstract one" },
	{ OPT_PORT, "port", "PORT", "TCP port (default 10809)" },
	{ OPT_VSOCK, "vsock", "CID[:PORT]", "connect to a vsock" },
	{ 'N', "name", "EXPORT", "name of the export" },
	{ OPT_CONNECT_TIMEOUT, "connect-timeout", "SEC",
	  "time for a connection and its handshake (default 30)" },
	{ 'J', "json", NULL, "print JSON" },
	{ 0 }
};

struct info_args {
	struct operands operands;
	uint32_t connect_timeout;
	bool json;
};

static void info_print_export(const struct target *target, const struct survey_entry *entry)
{
	const struct export *export = &entry->export;
	char shown[TEXT_ESCAPED_MAX(NBD_STRING_MAX)], uri[TARGET_URI_ROOM];
	const char *description = export->description ? export->description : entry->description;
	struct target here = *target;
	struct error ignored;

	printf("export \"%s\":\n", entry->escaped ? entry->name :
	       text_escape(shown, sizeof(shown), entry->name, strlen(entry->name)));
	if (entry->failed) {
		printf("\terror: %s\n", entry->error.cause);
		return;
	}
	if (!target_set_export(&here, entry->name, strlen(entry->name), &ignored))
		printf("\turi: %s\n", target_uri(&here, uri));
	if (description)
		describe_line(stdout, "description", description);
	if (export->canonical && strcmp(export->canonical, entry->name))
		describe_line(stdout, "canonical name", export->canonical);
	describe_size_and_flags(stdout, export->size, export->flags);
	if (export->has_block_size)
		printf("\tblock size: minimum %u, preferred %u, maximum %u\n", export->minimum,
		       export->preferred, export->maximum);
	else
		printf("\tblock size: not reported\n");
	describe_contexts(stdout, &export->contexts[0].name, sizeof(export->contexts[0]),
			  export->n_contexts);
}

static void info_json_export(struct json *json, const struct target *target,
			     const struct survey_entry *entry)
{
	const struct export *export = &entry->export;
	const char *description = export->description ? export->description : entry->description;
	struct target here = *target;
	char uri[TARGET_URI_ROOM];
	struct error ignored;

	json_object(json, NULL);
	json_string(json, "name", entry->name);
	if (!entry->failed) {
		if (!target_set_export(&here, entry->name, strlen(entry->name), &ignored))
			json_string(json, "uri", target_uri(&here, uri));
		if (description)
			json_string(json, "description", description);
		if (export->canonical)
			json_string(json, "canonical_name", export->canonical);
		json_number(json, "size", export->size);
		json_bool(json, "read_only", export->flags & NBD_FLAG_READ_ONLY);
		facts_json_flags(json, export->flags);
		json_bool(json, "structured", export->structured);
		if (export->has_block_size)
			facts_json_blocks(json, export->minimum, export->preferred,
					  export->maximum);
		facts_json_contexts(json, export);
	} else {
		json_string(json, "error", entry->error.cause);
	}
	json_end(json);
}

static void info_print_survey(const struct target *target, const struct survey *survey,
			      bool as_json)
{
	struct json json;
	unsigned int i;

	if (!as_json) {
		if (!survey->n)
			puts("no exports");
		else
			printf("replies: %s\n", survey->structured ? "structured" : "simple");
		for (i = 0; i < survey->n; i++)
			info_print_export(target, &survey->entries[i]);
		return;
	}
	json_start(&json, stdout);
	json_object(&json, NULL);
	json_array(&json, "exports");
	for (i = 0; i < survey->n; i++)
		info_json_export(&json, target, &survey->entries[i]);
	json_end(&json);
	json_end(&json);
}

/*
 * Fails if no export could be queried, or if one failed with a protocol error. Other failures
 * concern only the export, if there are several.
 */
static int info_check_survey(const struct survey *survey, struct error *err)
{
	unsigned int failed = 0, i;

	for (i = 0; i < survey->n; i++) {
		const struct survey_entry *entry = &survey->entries[i];

		if (!entry->failed)
			continue;
		if (!failed++ || entry->error.code == EXIT_PROTOCOL)
			*err = entry->error;
		if (entry->error.code == EXIT_PROTOCOL)
			return -1;
	}
	return failed && failed == survey->n ? -1 : 0;
}

/*
 * From the first byte of the server to the last of the output, this process is in the sandbox and
 * may only print. A child that keeps its privileges connects for it.
 */
static int info_survey(const struct info_args *args, const struct target *target,
		       struct error *err)
{
	struct survey survey;
	int rc;

	if (survey_server(target, args->connect_timeout, &survey, err))
		return -1;
	info_print_survey(target, &survey, args->json);
	rc = info_check_survey(&survey, err);
	survey_free(&survey);
	return rc;
}

static int info_server(const struct info_args *args, struct error *err)
{
	struct target *target = malloc(sizeof(*target));
	char uri[TARGET_URI_ROOM];
	int rc;

	if (!target)
		return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot begin");
	rc = operands_target(&args->operands, target, NULL, NULL, err);
	if (rc)
		goto free;
	rc = info_survey(args, target, err);
	if (rc)
		error_prefix(err, "%.300s", target_uri(target, uri));
free:
	free(target);
	return rc;
}

static int info_device(uint32_t index, bool as_json, struct error *err)
{
	struct kernel *kernel = modload_open_loaded(err);
	struct kernel_device *device = malloc(sizeof(*device));
	char path[DEVICE_PATH_MAX];
	struct json json;
	int rc = -1;

	if (!kernel && err->code == EXIT_FALSE)
		error_set(err, EXIT_FALSE, "not attached");
	if (!device)
		error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot begin");
	if (kernel && device)
		rc = kernel_device(kernel, index, device, err);
	if (rc) {
		error_prefix(err, "%s", device_path(path, index));
	} else {
		if (as_json) {
			json_start(&json, stdout);
			device_json(&json, device, DEVICE_JSON_ALL);
		} else {
			rc = describe_device(stdout, device, false, err);
		}
		kernel_device_free(device);
	}
	free(device);
	kernel_close(kernel);
	return rc;
}

static int info_option(struct info_args *args, int id, struct error *err)
{
	if (operands_option(&args->operands, id, optarg))
		return 0;
	switch (id) {
	case OPT_CONNECT_TIMEOUT:
		if (text_parse_seconds(optarg, &args->connect_timeout) || !args->connect_timeout)
			return error_set(err, EXIT_USAGE, "bad time \"%s\": seconds expected",
					 optarg);
		return 0;
	case 'J':
		args->json = true;
		return 0;
	default:
		return -1;
	}
}

static int info_run(const struct verb *verb, int argc, char **argv, struct error *err)
{
	struct info_args args = { .connect_timeout = INFO_CONNECT_MS };
	uint32_t index;
	int id;

	while ((id = opts_next(verb, argc, argv, err)) != -1)
		if (!id || info_option(&args, id, err))
			return -1;
	args.operands.words = argv + optind;
	args.operands.n_words = argc - optind;
	if (args.operands.n_words == 1 && !args.operands.unix_path && !args.operands.vsock &&
	    (device_is_name(argv[optind], &index) || device_is_meant(argv[optind]))) {
		if (device_resolve(argv[optind], &index, err))
			return -1;
		return info_device(index, args.json, err);
	}
	return info_server(&args, err);
}

const struct verb info_verb = {
	.name = "nbd-info",
	.synopsis = {
		"HOST [EXPORT]",
		"URI",
		"--unix PATH|--vsock CID[:PORT] [EXPORT]",
		"DEVICE",
	},
	.summary = "Show what a server exports, or all about an attached disk.",
	.opts = info_opts,
	.run = info_run,
};
