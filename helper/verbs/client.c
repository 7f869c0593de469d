// SPDX-License-Identifier: GPL-2.0-only
/* nbd-client: the command line of the client of the NBD project, done by the other verbs. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "kernel/device.h"
#include "negotiate/handshake-proto.h"
#include "negotiate/survey.h"
#include "negotiate/uri.h"
#include "verbs/attach-args.h"
#include "verbs/attach.h"
#include "verbs/client-opts.h"
#include "verbs/detach.h"
#include "verbs/table.h"
#include "verbs/verbs.h"

/* HOST PORT DEVICE */
#define CLIENT_WORDS_MAX	3

static const struct opt client_verb_opts[] = {
	{ 'N', "name", "EXPORT", "name of the export" },
	{ 'u', "unix", NULL, "HOST is the path of a Unix socket" },
	{ 'C', "connections", "N", "at most so many connections (default: as nbd-attach)" },
	{ 't', "timeout", "SEC", "request timeout, 0 for none (default 0)" },
	{ 'T', "dead-timeout", "SEC",
	  "time that requests wait without a connection (default 120)" },
	{ 'b', "block-size", "BYTES", "warn if the blocks have another size" },
	{ 'R', "readonly", NULL, "make the disk read-only" },
	{ 'i', "identifier", "TEXT", "free text to identify what is attached" },
	{ 'n', "nofork", NULL, "stay in the foreground, to reconnect" },
	{ 'c', "check", "DEVICE", "print a process ID if DEVICE is attached" },
	{ 'd', "disconnect", "DEVICE", "detach DEVICE" },
	{ 'l', "list", NULL, "list the exports of HOST" },
	{ OPT_TABLE, "table", "FILE", "where to look up DEVICE alone (default " TABLE_PATH ")" },
	{ 'p', "persist", NULL, "ignored: lost connections are always replaced" },
	{ 's', "swap", NULL, "ignored: any disk can be used for swap" },
	{ 'm', "systemd-mark", NULL, "ignored: processes that must stay are always marked" },
	{ 'g', "no-optgo", NULL, "ignored: the handshake finds out what the server supports" },
	{ 'L', "nonetlink", NULL, "ignored: there is only one interface" },
	{ 'B', "size", "BYTES", "refused: a disk has the size of its export" },
	{ 'P', "preinit", NULL, "refused: there is always a handshake" },
	{ 'S', "sdp", NULL, "refused: Linux does not support SDP any more" },
	{ 'x', "enable-tls", NULL, "refused: TLS is not built in yet" },
	{ 'A', "cacertfile", "FILE", "refused: TLS" },
	{ 'F', "certfile", "FILE", "refused: TLS" },
	{ 'K', "keyfile", "FILE", "refused: TLS" },
	{ 'H', "tlshostname", "HOST", "refused: TLS" },
	{ 'y', "priority", "TEXT", "refused: TLS" },
	{ 0 }
};

enum client_task {
	CLIENT_ATTACH,
	CLIENT_CHECK,
	CLIENT_DETACH,
	CLIENT_LIST,
};

/**
 * struct client - a command line of nbd-client
 * @device: argument of -check or -disconnect
 * @is_unix: the first word is the path of a socket
 * @words: operands
 * @args: what they mean for nbd-attach
 */
struct client {
	enum client_task task;
	char *device;
	bool is_unix;
	char *words[CLIENT_WORDS_MAX];
	int n_words;
	struct attach_args args;
};

static int client_option(struct client *client, int id, struct error *err)
{
	switch (id) {
	case 'c':
		client->task = CLIENT_CHECK;
		client->device = optarg;
		return 0;
	case 'd':
		client->task = CLIENT_DETACH;
		client->device = optarg;
		return 0;
	case 'l':
		client->task = CLIENT_LIST;
		return 0;
	case 'u':
		client->is_unix = true;
		return 0;
	case OPT_TABLE:
		return attach_option(&client->args, id, optarg, err);
	default:
		return client_opt_apply(client_opt_of_letter(id), &client->args, optarg, err);
	}
}

/* Old versions had two options without a dash, which dracut still passes on. */
static int client_word(struct client *client, char *word, struct error *err)
{
	if (!strncmp(word, "bs=", 3))
		return attach_option(&client->args, OPT_BLOCK_SIZE, word + 3, err);
	if (!strncmp(word, "timeout=", 8))
		return attach_option(&client->args, 't', word + 8, err);
	if (client->n_words == CLIENT_WORDS_MAX)
		return error_set(err, EXIT_USAGE, "unexpected argument \"%s\"", word);
	client->words[client->n_words++] = word;
	return 0;
}

static int client_parse_options(struct client *client, const struct verb *verb, int argc,
				char **argv, struct error *err)
{
	int id;

	while ((id = opts_next(verb, argc, argv, err)) != -1)
		if (!id || client_option(client, id, err))
			return -1;
	client->n_words = 0;
	for (; optind < argc; optind++)
		if (client_word(client, argv[optind], err))
			return -1;
	return 0;
}

static bool client_is_port(const char *word)
{
	return *word && word[strspn(word, "0123456789")] == '\0';
}

/* HOST [PORT] [DEVICE] as operands of nbd-attach, where only --name names an export */
static int client_operands(struct client *client, struct error *err)
{
	struct operands *operands = &client->args.operands;
	char **word = client->words, **end = word + client->n_words;

	operands->words = client->args.words;
	operands->n_words = 0;
	if (word == end) {
		error_set(err, EXIT_USAGE, "missing server");
		error_hint(err, "see --help");
		return -1;
	}
	if (client->is_unix)
		operands->unix_path = *word;
	else
		client->args.words[operands->n_words++] = *word;
	if (!operands->name && !uri_is_uri(*word))
		operands->name = "";
	if (++word < end && client_is_port(*word))
		operands->port = *word++;
	if (word < end && client->task == CLIENT_ATTACH)
		client->args.words[operands->n_words++] = *word++;
	if (word < end)
		return error_set(err, EXIT_USAGE, "unexpected argument \"%s\"", *word);
	return 0;
}

/* True if the only operand is a device, *@index, which nbdtab(5) describes. */
static bool client_is_in_table(struct client *client, uint32_t *index)
{
	struct operands *operands = &client->args.operands;

	operands->words = client->words;
	operands->n_words = client->n_words;
	return client->task == CLIENT_ATTACH && !client->is_unix &&
	       table_is_meant(operands, index);
}

static int client_parse(struct client *client, const struct verb *verb, int argc, char **argv,
			struct error *err)
{
	struct attach_args *args = &client->args;
	uint32_t index;

	attach_init(args);
	if (client_parse_options(client, verb, argc, argv, err))
		return -1;
	if (client->device)
		return 0;
	if (!client_is_in_table(client, &index))
		return client_operands(client, err);
	if (table_read(args->table, index, args, err))
		return -1;
	/* The command line again, as it has precedence over the table. */
	optind = 0;
	if (client_parse_options(client, verb, argc, argv, err))
		return -1;
	args->operands.words = client->words;
	args->operands.n_words = client->n_words;
	return 0;
}

static int client_attach(struct client *client, struct error *err)
{
	/* Scripts without a device read it from this line. */
	client->args.announce = "Connected ";
	if (attach_settle(&client->args, err))
		return -1;
	return attach_perform(&client->args, err);
}

/* The disk of a partition is checked in its place. */
static int client_index(const char *name, uint32_t *index, struct error *err)
{
	char disk[DEVICE_PATH_MAX];
	char *part;

	if (strlen(name) < sizeof(disk)) {
		strcpy(disk, name);
		part = strrchr(disk, 'p');
		if (part)
			*part = '\0';
		if (device_is_name(disk, index))
			return 0;
	}
	return device_resolve(name, index, err);
}

static int client_check(const char *name, struct error *err)
{
	uint32_t index;
	int pid;

	if (client_index(name, &index, err)) {
		err->code = EXIT_UNKNOWN;
		return -1;
	}
	pid = device_pid(DEVICE_SYSFS, index);
	if (pid == -ENOENT)
		return EXIT_FALSE;
	if (pid < 0)
		return error_errno(err, EXIT_UNKNOWN, -pid, "%s: cannot read its process ID", name);
	printf("%d\n", pid);
	return 0;
}

/* As with nbd-client and its driver, it is not an error if there is nothing to detach. */
static int client_detach(char *name, struct error *err)
{
	int rc = detach_device(name, err);

	if (!rc || err->code != EXIT_FALSE)
		return rc;
	log_warning("%s", err->cause);
	return 0;
}

static void client_print(const char *s)
{
	char shown[TEXT_ESCAPED_MAX(NBD_STRING_MAX)];

	fputs(text_escape(shown, sizeof(shown), s, strlen(s)), stdout);
}

static void client_print_entry(const struct survey_entry *entry)
{
	if (entry->escaped)
		fputs(entry->name, stdout);
	else
		client_print(entry->name);
	if (entry->description) {
		fputs(": ", stdout);
		client_print(entry->description);
	}
	putchar('\n');
}

/* Scripts skip the first line. */
static void client_print_survey(const struct survey *survey)
{
	unsigned int i;

	puts("Negotiation: ..");
	for (i = 0; i < survey->n; i++)
		client_print_entry(&survey->entries[i]);
}

/* As nbd-info, in the sandbox from the first byte of the server to the last of the output. */
static int client_survey(const struct target *target, struct error *err)
{
	struct survey survey;

	if (survey_names(target, ATTACH_CONNECT_MS, &survey, err))
		return -1;
	client_print_survey(&survey);
	survey_free(&survey);
	return 0;
}

static int client_list(struct client *client, struct error *err)
{
	struct target *target = &client->args.target;
	char uri[TARGET_URI_ROOM];

	if (operands_target(&client->args.operands, target, NULL, NULL, err))
		return -1;
	if (!client_survey(target, err))
		return 0;
	error_prefix(err, "%.300s", target_uri(target, uri));
	return -1;
}

static int client_perform(struct client *client, struct error *err)
{
	switch (client->task) {
	case CLIENT_CHECK:
		return client_check(client->device, err);
	case CLIENT_DETACH:
		return client_detach(client->device, err);
	case CLIENT_LIST:
		return client_list(client, err);
	default:
		return client_attach(client, err);
	}
}

static int client_run(const struct verb *verb, int argc, char **argv, struct error *err)
{
	struct client *client = calloc(1, sizeof(*client));
	int rc;

	if (!client)
		return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot begin");
	rc = client_parse(client, verb, argc, argv, err);
	if (!rc)
		rc = client_perform(client, err);
	free(client);
	return rc;
}

const struct verb client_verb = {
	.name = "nbd-client",
	.synopsis = {
		"HOST [PORT] [DEVICE]",
		"-unix PATH [DEVICE]",
		"DEVICE",
		"-list HOST [PORT]",
		"-check DEVICE",
		"-disconnect DEVICE",
	},
	.summary = "Do what nbd-client of the NBD project does, by means of nbd-attach(8).",
	.opts = client_verb_opts,
	.one_dash = true,
	.run = client_run,
};
