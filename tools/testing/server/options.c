// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command line.
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evil.h"

struct options opt = {
	.port = 10809,
	.seed = 1,
	.structured = true,
	.min = 1,
	.pref = 4096,
	.max = 32 * MiB,
	.hflags = NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES,
	.tflags = NBD_FLAG_HAS_FLAGS | NBD_FLAG_SEND_FLUSH | NBD_FLAG_SEND_FUA |
		  NBD_FLAG_SEND_TRIM | NBD_FLAG_SEND_WRITE_ZEROES | NBD_FLAG_SEND_DF |
		  NBD_FLAG_CAN_MULTI_CONN | NBD_FLAG_SEND_CACHE | NBD_FLAG_SEND_FAST_ZERO,
};

static const char usage_text[] =
"Usage: evil-nbd [OPTION]...\n"
"Serves one export, strictly by the NBD protocol, and logs what a client does wrong.\n"
"\n"
"  --unix PATH | --port N     where to listen (127.0.0.1; port 0: any, printed)\n"
"  --size N[KMGT]             size (default: of the image, else 64M)\n"
"  --image FILE               keep the bytes in FILE (default: in memory)\n"
"  --fill pattern|sparse|zero what an empty store starts with (default pattern)\n"
"  --export NAME              serve this name only (default: any name)\n"
"  --flags WORD[,WORD]...     no-flush no-fua no-trim no-zeroes no-df no-multi-conn\n"
"                             no-cache no-fast-zero no-structured no-fixed no-no-zeroes\n"
"                             read-only rotational\n"
"  --block-size MIN:PREF:MAX  advertise and enforce these\n"
"  --context NAME[=LAYOUT]    serve this metadata context (repeatable); LAYOUT is data, random,\n"
"                             alternate:SIZE, const:STATUS or file:PATH (lines of\n"
"                             offset length status)\n"
"  --status WORD[,WORD]...    short overshoot beyond differ shuffle split many\n"
"  --read-shape SHAPE         whole chunks holes random reverse interleave\n"
"  --write-reply FORM         simple chunk random (success of WRITE, FLUSH, ...)\n"
"  --delay MS                 wait before each batch of replies\n"
"  --df einval|eoverflow      refuse a READ with DF: any, or one of more than 64 KiB\n"
"  --zero-rate BYTES          TRIM and WRITE_ZEROES take a second for so much, one after the other\n"
"  --mutate SEED:RATE         spoil RATE of 1000 replies at random (headers and fields only)\n"
"  --evil NAME                misbehave (repeatable); then, for this one:\n"
"      --on COMMAND           only on this one: READ, WRITE, FLUSH, TRIM, CACHE, ...\n"
"      --after N              let the first N occasions pass\n"
"      --at OFFSET            requests that touch this byte, instead of the default window\n"
"      --times N | --every    how often (default once; handshake: on every connection)\n"
"  --list                     print the table of misbehaviours and exit\n"
"  --seed N  --log FILE  --pidfile FILE  --once N (exit after N connections)  --daemon\n";

enum {
	O_UNIX = 256, O_PORT, O_SIZE, O_IMAGE, O_FILL, O_EXPORT, O_FLAGS, O_BLOCK_SIZE, O_CONTEXT,
	O_STATUS, O_READ_SHAPE, O_WRITE_REPLY, O_DELAY, O_DF, O_ZERO_RATE, O_MUTATE, O_EVIL, O_ON,
	O_AFTER, O_AT, O_TIMES, O_EVERY, O_LIST, O_SEED, O_LOG, O_PIDFILE, O_ONCE, O_DAEMON, O_HELP,
};

static const struct option long_options[] = {
	{ "unix", 1, 0, O_UNIX },
	{ "port", 1, 0, O_PORT },
	{ "size", 1, 0, O_SIZE },
	{ "image", 1, 0, O_IMAGE },
	{ "fill", 1, 0, O_FILL },
	{ "export", 1, 0, O_EXPORT },
	{ "flags", 1, 0, O_FLAGS },
	{ "block-size", 1, 0, O_BLOCK_SIZE },
	{ "context", 1, 0, O_CONTEXT },
	{ "status", 1, 0, O_STATUS },
	{ "read-shape", 1, 0, O_READ_SHAPE },
	{ "write-reply", 1, 0, O_WRITE_REPLY },
	{ "delay", 1, 0, O_DELAY },
	{ "df", 1, 0, O_DF },
	{ "zero-rate", 1, 0, O_ZERO_RATE },
	{ "mutate", 1, 0, O_MUTATE },
	{ "evil", 1, 0, O_EVIL },
	{ "on", 1, 0, O_ON },
	{ "after", 1, 0, O_AFTER },
	{ "at", 1, 0, O_AT },
	{ "times", 1, 0, O_TIMES },
	{ "every", 0, 0, O_EVERY },
	{ "list", 0, 0, O_LIST },
	{ "seed", 1, 0, O_SEED },
	{ "log", 1, 0, O_LOG },
	{ "pidfile", 1, 0, O_PIDFILE },
	{ "once", 1, 0, O_ONCE },
	{ "daemon", 0, 0, O_DAEMON },
	{ "help", 0, 0, O_HELP },
	{ 0 },
};

static const struct flag_word {
	const char *word;
	uint16_t set, clear;
	uint16_t clear_handshake;
} flag_words[] = {
	{ "no-flush",		0, NBD_FLAG_SEND_FLUSH, 0 },
	{ "no-fua",		0, NBD_FLAG_SEND_FUA, 0 },
	{ "no-trim",		0, NBD_FLAG_SEND_TRIM, 0 },
	{ "no-zeroes",		0, NBD_FLAG_SEND_WRITE_ZEROES | NBD_FLAG_SEND_FAST_ZERO, 0 },
	{ "no-df",		0, NBD_FLAG_SEND_DF, 0 },
	{ "no-multi-conn",	0, NBD_FLAG_CAN_MULTI_CONN, 0 },
	{ "no-cache",		0, NBD_FLAG_SEND_CACHE, 0 },
	{ "no-fast-zero",	0, NBD_FLAG_SEND_FAST_ZERO, 0 },
	{ "no-structured",	0, NBD_FLAG_SEND_DF, 0 },
	{ "no-fixed",		0, 0, NBD_FLAG_FIXED_NEWSTYLE },
	{ "no-no-zeroes",	0, 0, NBD_FLAG_NO_ZEROES },
	{ "read-only",		NBD_FLAG_READ_ONLY, 0, 0 },
	{ "rotational",		NBD_FLAG_ROTATIONAL, 0, 0 },
	{ NULL, 0, 0, 0 },
};

static const char *const status_words[] = {
	"short", "overshoot", "beyond", "differ", "shuffle", "split", "many", NULL,
};

static const char *const fill_words[] = { "pattern", "sparse", "zero", NULL };

static const char *const write_words[] = { "simple", "chunk", "random", NULL };

static const char *const df_words[] = { "einval", "eoverflow", NULL };

static const char *const shape_words[] = {
	"whole", "chunks", "holes", "random", "reverse", "interleave", NULL,
};

static uint64_t number(const char *text)
{
	char *end;
	uint64_t n = strtoull(text, &end, 0);
	static const char units[] = "KMGT";
	const char *unit = *end ? strchr(units, *end) : NULL;

	if (unit)
		n <<= 10 * (unit - units + 1);
	if (end == text || (*end && (!unit || end[1])))
		errx(2, "not a number: %s", text);
	return n;
}

static unsigned int word_index(const char *const *words, const char *text)
{
	for (unsigned int i = 0; words[i]; i++)
		if (!strcmp(words[i], text))
			return i;
	errx(2, "unknown word: %s", text);
}

static void parse_flag(const char *word)
{
	const struct flag_word *f = flag_words;

	while (f->word && strcmp(f->word, word))
		f++;
	if (!f->word)
		errx(2, "unknown flag: %s", word);
	opt.tflags = (opt.tflags | f->set) & ~f->clear;
	opt.hflags &= ~f->clear_handshake;
	if (!strcmp(word, "no-structured"))
		opt.structured = false;
}

static void parse_status(const char *word)
{
	opt.status |= 1U << word_index(status_words, word);
}

static void each_word(char *list, void (*fn)(const char *word))
{
	char *save, *word;

	for (word = strtok_r(list, ",", &save); word; word = strtok_r(NULL, ",", &save))
		fn(word);
}

static void parse_df(const char *text)
{
	opt.df_error = word_index(df_words, text) ? NBD_EOVERFLOW : NBD_EINVAL;
	opt.df_max = opt.df_error == NBD_EOVERFLOW ? 64 * KiB : 0;
}

static void parse_block_size(const char *text)
{
	if (sscanf(text, "%u:%u:%u", &opt.min, &opt.pref, &opt.max) != 3 || !opt.min)
		errx(2, "--block-size MIN:PREF:MAX in bytes");
	opt.block_size_given = true;
}

static void add_context(const char *name, const char *layout)
{
	struct context *ctx = &opt.contexts[opt.nr_contexts];

	if (opt.nr_contexts == MAX_CONTEXTS)
		errx(2, "more than %d contexts", MAX_CONTEXTS);
	if (!layout)
		layout = strcmp(name, "base:allocation") ? "random" : "data";
	ctx->name = name;
	if (!layout_parse(ctx, layout))
		errx(2, "unknown layout: %s", layout);
	opt.nr_contexts++;
}

/* NAME or NAME=LAYOUT */
static void parse_context(char *text)
{
	char *equal = strchr(text, '=');

	if (equal)
		*equal++ = '\0';
	add_context(text, equal);
}

static void default_contexts(void)
{
	add_context("base:allocation", NULL);
	add_context("qemu:dirty-bitmap:x", NULL);
	add_context("qemu:allocation-depth", NULL);
	add_context("x-test:a", NULL);
}

static void parse_mutate(const char *text)
{
	const char *colon = strchr(text, ':');

	if (!colon)
		errx(2, "--mutate SEED:RATE");
	opt.mutate_seed = strtoull(text, NULL, 0);
	opt.mutate_rate = number(colon + 1);
}

static void help(void)
{
	fputs(usage_text, stdout);
	exit(0);
}

static void list(void)
{
	evil_list();
	exit(0);
}

static void parse_evil_option(int o, char *arg)
{
	switch (o) {
	case O_EVIL:	evil_choose(arg); break;
	case O_ON:	evil_set_command(arg); break;
	case O_AFTER:	evil_set_after(number(arg)); break;
	case O_AT:	evil_set_at(number(arg)); break;
	case O_TIMES:	evil_set_times(number(arg)); break;
	case O_EVERY:	evil_set_times(0); break;
	}
}

static void parse_option(int o, char *arg)
{
	switch (o) {
	case O_UNIX:		opt.unix_path = arg; break;
	case O_PORT:		opt.port = number(arg); break;
	case O_SIZE:		opt.size = number(arg); break;
	case O_IMAGE:		opt.image = arg; break;
	case O_FILL:		opt.fill = word_index(fill_words, arg); break;
	case O_EXPORT:		opt.export = arg; break;
	case O_FLAGS:		each_word(arg, parse_flag); break;
	case O_BLOCK_SIZE:	parse_block_size(arg); break;
	case O_CONTEXT:		parse_context(arg); break;
	case O_STATUS:		each_word(arg, parse_status); break;
	case O_READ_SHAPE:	opt.shape = word_index(shape_words, arg); break;
	case O_WRITE_REPLY:	opt.write_reply = word_index(write_words, arg); break;
	case O_DELAY:		opt.delay_ms = number(arg); break;
	case O_DF:		parse_df(arg); break;
	case O_ZERO_RATE:	opt.zero_rate = number(arg); break;
	case O_MUTATE:		parse_mutate(arg); break;
	case O_LIST:		list(); break;
	case O_SEED:		opt.seed = number(arg); break;
	case O_LOG:		opt.log = arg; break;
	case O_PIDFILE:		opt.pidfile = arg; break;
	case O_ONCE:		opt.once = number(arg); break;
	case O_DAEMON:		opt.daemon = true; break;
	case O_HELP:		help(); break;
	default:		parse_evil_option(o, arg); break;
	}
}

void parse_options(int argc, char **argv)
{
	int o;

	while ((o = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (o == '?')
			errx(2, "see evil-nbd --help");
		parse_option(o, optarg);
	}
	if (optind < argc)
		errx(2, "unexpected argument: %s", argv[optind]);
	if (!opt.nr_contexts)
		default_contexts();
}
