// SPDX-License-Identifier: GPL-2.0-only
/*
 * ledger_check mark LEDGER: note that the server is about to be started again.
 * ledger_check image LEDGER IMAGE [volatile]: hold the image of a server that does not run against
 * the ledger of its disk. Each write that was acknowledged must be there, or a later one. If the
 * server is one that may lose what it has not flushed ("volatile"), this holds for what was
 * acknowledged, by the same life of the server, before a flush began that was acknowledged, and for
 * what was written with FUA. No block may ever hold anything but zeroes or a whole write.
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ledger.h"

#define SHOWN	10

/**
 * struct replay - the ledger, gone through
 * @ledger: the ledger
 * @state: what each block may hold
 * @acked: indexes of the acknowledgements of writes, in their order
 * @life: for each of these, which life of the server it was
 * @n_acked: how many
 * @covered: how many of them the flushes so far cover
 * @before: for the START of each flush, how many there were
 * @lives: how often the server was started again
 * @durable: acknowledgements that are for good
 */
struct replay {
	struct ledger *ledger;
	struct ledger_state *state;
	uint32_t *acked;
	uint32_t *life;
	uint32_t n_acked;
	uint32_t covered;
	uint32_t *before;
	uint32_t lives;
	uint32_t durable;
	bool is_volatile;
};

static void *table(size_t n)
{
	void *p = calloc(n + 1, sizeof(uint32_t));

	if (!p)
		err(2, "memory");
	return p;
}

static void durable(struct replay *r, const struct ledger_entry *e)
{
	uint32_t i;

	r->durable++;
	for (i = 0; i < e->count; i++)
		ledger_durable(&r->state[e->block + i], e->op, e->number);
}

static void acknowledged(struct replay *r, const struct ledger_entry *e, uint32_t at)
{
	if (e->op == LEDGER_FUA || !r->is_volatile) {
		durable(r, e);
		return;
	}
	r->acked[r->n_acked] = at;
	r->life[r->n_acked++] = r->lives;
}

/* A flush covers what was acknowledged before it began; what an earlier life had is not its own */
static void flushed(struct replay *r, const struct ledger_entry *e)
{
	for (; r->covered < r->before[e->number]; r->covered++)
		if (r->life[r->covered] == r->lives)
			durable(r, &r->ledger->entry[r->acked[r->covered]]);
}

static void begun(struct replay *r, const struct ledger_entry *e)
{
	uint32_t i;

	for (i = 0; i < e->count; i++)
		ledger_begun(&r->state[e->block + i], e->op, e->number);
}

static void step(struct replay *r, uint32_t at)
{
	const struct ledger_entry *e = &r->ledger->entry[at];

	if (e->event == LEDGER_MARK)
		r->lives++;
	if (e->event == LEDGER_START && e->op == LEDGER_FLUSH)
		r->before[at] = r->n_acked;
	if (e->op == LEDGER_READ || e->error)
		return;
	if (e->event == LEDGER_START)
		begun(r, e);
	else if (e->event == LEDGER_DONE && e->op == LEDGER_FLUSH)
		flushed(r, e);
	else if (e->event == LEDGER_DONE)
		acknowledged(r, e, at);
}

static uint32_t replay(struct replay *r, struct ledger *l, bool is_volatile)
{
	uint32_t n = l->next, at;

	r->ledger = l;
	r->is_volatile = is_volatile;
	r->state = calloc(l->blocks, sizeof(*r->state));
	if (!r->state)
		err(2, "memory");
	r->acked = table(n);
	r->life = table(n);
	r->before = table(n);
	for (at = 0; at < n; at++) {
		/* taken, and written in a moment */
		while (!l->entry[at].event)
			usleep(1000);
		step(r, at);
	}
	return n;
}

static int check(const char *ledger, const char *image, bool is_volatile)
{
	struct replay r = {};
	char content[LEDGER_BLOCK] __attribute__((aligned(8)));
	uint32_t n, block, wrong = 0;
	const char *why;
	int fd = open(image, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		err(2, "%s", image);
	n = replay(&r, ledger_open(ledger), is_volatile);
	for (block = 0; block < r.ledger->blocks; block++) {
		if (pread(fd, content, sizeof(content), (off_t)block * LEDGER_BLOCK) !=
		    (ssize_t)sizeof(content))
			err(2, "%s", image);
		why = ledger_judge(&r.state[block], block, content);
		if (why && wrong++ < SHOWN)
			printf("%s\n", why);
	}
	printf("%u entries, %u writes for good, %u blocks wrong\n", n, r.durable, wrong);
	return !!wrong;
}

/*
 * What came from the server before it died shall be in the ledger before the mark: wait until it
 * rests.
 */
static int mark(const char *path)
{
	struct ledger_entry e = { .event = LEDGER_MARK };
	struct ledger *l = ledger_open(path);
	uint32_t n;

	do {
		n = l->next;
		usleep(300000);
	} while (n != l->next);
	ledger_add(l, &e);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "mark"))
		return mark(argv[2]);
	if (argc >= 4 && !strcmp(argv[1], "image"))
		return check(argv[2], argv[3], argc > 4 && !strcmp(argv[4], "volatile"));
	errx(2, "usage: ledger_check mark LEDGER | image LEDGER IMAGE [volatile]");
}
