// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which misbehaviours were chosen, and when one fires.
 *
 * Transmission: a request is an occasion if its command fits (or is the one of --on) and either
 *   - --at was given and the request covers that byte, or
 *   - it lies at least EVIL_GUARD bytes away from both ends of the export (the first and the last
 *     sectors are what partition scans and probes read), or
 *   - it is a FLUSH, which has no place.
 * Of the occasions, the first --after pass, and the next --times (default one) are used; all
 * connections count together, so that a retry on a new connection meets a good server.
 *
 * Handshake: each connection is an occasion; by default all of them are used.
 */
#include <err.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "evil.h"

struct chosen {
	const struct evil *evil;
	unsigned int commands;	/* of the misbehaviour's, or the one --on names */
	uint64_t after;
	uint64_t times;		/* 0: without end */
	uint64_t at;
	bool has_at;
	uint64_t seen;		/* under fire_lock */
	uint64_t fired;		/* under fire_lock */
};

static pthread_mutex_t fire_lock = PTHREAD_MUTEX_INITIALIZER;
static struct chosen chosen[MAX_EVILS];
static unsigned int nr_chosen;

static const struct evil *const tables[] = {
	evil_handshake_table,
	evil_negotiation_table,
	evil_read_table,
	evil_status_table,
	evil_write_table,
	evil_stream_table,
};

#define NR_TABLES	(sizeof(tables) / sizeof(tables[0]))

static const char *const phase_names[] = {
	[PHASE_HANDSHAKE]	= "handshake",
	[PHASE_READ]		= "read",
	[PHASE_WRITE]		= "write",
	[PHASE_STATUS]		= "status",
	[PHASE_ANY]		= "any",
};

static const char *const outcome_names[] = {
	[OUTCOME_OK]		= "ok",
	[OUTCOME_ERROR]		= "error",
	[OUTCOME_DROP]		= "drop",
	[OUTCOME_REFUSE]	= "refuse",
	[OUTCOME_DEGRADE]	= "degrade",
};

void evil_list(void)
{
	for (size_t t = 0; t < NR_TABLES; t++)
		for (const struct evil *e = tables[t]; e->name; e++)
			printf("%s\t%s\t%s\t%s\n", e->name, phase_names[e->phase],
			       outcome_names[e->outcome], e->what);
}

static const struct evil *find(const char *name)
{
	for (size_t t = 0; t < NR_TABLES; t++)
		for (const struct evil *e = tables[t]; e->name; e++)
			if (!strcmp(e->name, name))
				return e;
	errx(2, "unknown misbehaviour: %s (see --list)", name);
}

void evil_choose(const char *name)
{
	struct chosen *ch = &chosen[nr_chosen];

	if (nr_chosen == MAX_EVILS)
		errx(2, "more than %d misbehaviours", MAX_EVILS);
	ch->evil = find(name);
	ch->commands = ch->evil->commands;
	ch->after = ch->evil->second ? 1 : 0;
	ch->times = ch->evil->shake ? 0 : 1;
	nr_chosen++;
}

static struct chosen *latest(void)
{
	if (!nr_chosen)
		errx(2, "--on, --at, --after, --times and --every belong to an --evil before them");
	return &chosen[nr_chosen - 1];
}

void evil_set_after(uint64_t n)
{
	latest()->after = n;
}

void evil_set_at(uint64_t offset)
{
	latest()->at = offset;
	latest()->has_at = true;
}

void evil_set_times(uint64_t n)
{
	latest()->times = n;
}

void evil_set_command(const char *name)
{
	struct chosen *ch = latest();
	int command = command_by_name(name);

	if (command < 0 || !(ch->commands & 1U << command))
		errx(2, "%s does not happen on %s", ch->evil->name, name);
	ch->commands = 1U << command;
}

static bool take_occasion(struct chosen *ch)
{
	bool fire;

	pthread_mutex_lock(&fire_lock);
	fire = ch->seen++ >= ch->after && (!ch->times || ch->fired < ch->times);
	ch->fired += fire;
	pthread_mutex_unlock(&fire_lock);
	return fire;
}

/* Decides once per connection which handshake misbehaviours it will meet. */
void evil_arm(struct conn *c)
{
	for (unsigned int i = 0; i < nr_chosen; i++)
		if (chosen[i].evil->shake && take_occasion(&chosen[i]))
			c->active |= 1U << i;
}

enum verdict evil_step(struct conn *c, enum step step, uint32_t option)
{
	for (unsigned int i = 0; i < nr_chosen; i++) {
		const struct evil *e = chosen[i].evil;
		enum verdict v;

		if (!(c->active & 1U << i) || !(e->steps & step))
			continue;
		if (e->option && option && e->option != option)
			continue;
		if (!(c->told & 1U << i))
			logf_line("EVIL %s conn=%u", e->name, c->no);
		c->told |= 1U << i;
		c->provoked = true;
		v = e->shake(c, e, step, option);
		if (v != HS_NORMAL)
			return v;
	}
	return HS_NORMAL;
}

static bool is_occasion(const struct chosen *ch, const struct request *req)
{
	if (req->command == NBD_CMD_FLUSH)
		return true;
	if (ch->has_at)
		return ch->at >= req->offset && ch->at - req->offset < req->length;
	return req->offset >= EVIL_GUARD && opt.size >= EVIL_GUARD &&
	       req->offset + req->length <= opt.size - EVIL_GUARD;
}

const struct evil *evil_fires(struct conn *c, const struct request *req, bool early)
{
	for (unsigned int i = 0; i < nr_chosen; i++) {
		const struct evil *e = chosen[i].evil;

		if (!e->reply || e->early != early || !(chosen[i].commands & 1U << req->command))
			continue;
		if (c->structured ? e->simple_only : !e->simple_too && !e->simple_only)
			continue;
		if (!is_occasion(&chosen[i], req) || !take_occasion(&chosen[i]))
			continue;
		c->provoked = true;
		logf_line("EVIL %s cookie=0x%llx conn=%u", e->name,
			  (unsigned long long)req->cookie, c->no);
		return e;
	}
	return NULL;
}
