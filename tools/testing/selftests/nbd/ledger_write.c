// SPDX-License-Identifier: GPL-2.0-only
/*
 * ledger_write DISK LEDGER SEED SECONDS MIB [volatile] [slow]: writes, trims, zeroes, flushes and
 * reads the first MIB of a disk from as many threads as there shall be requests in flight, and
 * keeps a ledger of what was begun and of what was acknowledged. What is read must be what was
 * last written; if the server may lose what it has not flushed ("volatile"), anything since the
 * last write with FUA. Any I/O error fails. SIGTERM ends it early.
 *
 * "slow": a few threads, each with a request now and then. No block is written twice, so it does no
 * harm if a server that stood still carries out a write once more, long after it was sent again.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <linux/fs.h>

#include "ledger.h"

#define THREADS		32
#define SLOW_THREADS	4
#define SLOW_PAUSE	1000u	/* ms, at most */
#define MOST		32u	/* blocks in one request */
#define POISON		0xa5

/**
 * struct writer - a thread, and the blocks that it alone writes
 * @thread: the thread
 * @first: its first block
 * @fresh: how many of its blocks it has written, if it writes each once
 * @state: what each of its blocks may hold
 * @random: state of its generator
 * @buffer: for one request
 */
struct writer {
	pthread_t thread;
	uint32_t first;
	uint32_t fresh;
	struct ledger_state *state;
	uint64_t random;
	char *buffer;
};

static struct ledger *ledger;
static uint32_t share;
static unsigned int n_threads = THREADS;
static int disk;
static bool is_volatile, is_slow;
static time_t end;
static atomic_bool stop;
static _Atomic uint64_t numbers = 1;
static _Atomic unsigned long done[LEDGER_FLUSH + 1];

static void on_term(int sig)
{
	(void)sig;
	stop = true;
}

static uint32_t below(struct writer *w, uint32_t limit)
{
	return ledger_random(&w->random) % limit;
}

static enum ledger_op pick_op(struct writer *w)
{
	static const enum ledger_op ops[] = {
		LEDGER_WRITE, LEDGER_WRITE, LEDGER_WRITE, LEDGER_WRITE, LEDGER_WRITE, LEDGER_WRITE,
		LEDGER_FUA, LEDGER_FUA, LEDGER_READ, LEDGER_READ, LEDGER_READ, LEDGER_READ,
		LEDGER_ZERO, LEDGER_ZERO, LEDGER_TRIM, LEDGER_FLUSH,
	};

	return ops[below(w, sizeof(ops) / sizeof(ops[0]))];
}

static void expect_length(ssize_t got, size_t want)
{
	if (got >= 0 && (size_t)got != want)
		errx(1, "%zd bytes of %zu", got, want);
}

static void check_read(struct writer *w, const struct ledger_entry *e)
{
	const char *wrong;
	uint32_t i;

	for (i = 0; i < e->count; i++) {
		wrong = ledger_judge(&w->state[e->block + i - w->first], e->block + i,
				     w->buffer + i * LEDGER_BLOCK);
		if (wrong)
			errx(1, "read: %s", wrong);
	}
}

static int transfer(struct writer *w, const struct ledger_entry *e)
{
	struct iovec iov = { w->buffer, e->count * LEDGER_BLOCK };
	off_t offset = (off_t)e->block * LEDGER_BLOCK;
	ssize_t n;

	if (e->op == LEDGER_READ)
		n = preadv2(disk, &iov, 1, offset, 0);
	else
		n = pwritev2(disk, &iov, 1, offset, e->op == LEDGER_FUA ? RWF_DSYNC : 0);
	expect_length(n, iov.iov_len);
	return n < 0 ? errno : 0;
}

static int carry_out(struct writer *w, const struct ledger_entry *e)
{
	uint64_t range[2] = { (uint64_t)e->block * LEDGER_BLOCK, e->count * LEDGER_BLOCK };

	switch (e->op) {
	case LEDGER_ZERO:
		return ioctl(disk, BLKZEROOUT, range) ? errno : 0;
	case LEDGER_TRIM:
		return ioctl(disk, BLKDISCARD, range) ? errno : 0;
	case LEDGER_FLUSH:
		return fdatasync(disk) ? errno : 0;
	default:
		return transfer(w, e);
	}
}

static void prepare(struct writer *w, const struct ledger_entry *e)
{
	uint32_t i;

	if (e->op == LEDGER_READ)
		memset(w->buffer, POISON, e->count * LEDGER_BLOCK);
	if (e->op == LEDGER_READ || e->op == LEDGER_FLUSH)
		return;
	for (i = 0; i < e->count; i++) {
		if (e->op == LEDGER_WRITE || e->op == LEDGER_FUA)
			ledger_fill(w->buffer + i * LEDGER_BLOCK, e->block + i, e->number);
		ledger_begun(&w->state[e->block + i - w->first], e->op, e->number);
	}
}

static void conclude(struct writer *w, const struct ledger_entry *e)
{
	uint32_t i;

	done[e->op]++;
	if (e->op == LEDGER_READ)
		check_read(w, e);
	if (e->op == LEDGER_READ || e->op == LEDGER_FLUSH || (is_volatile && e->op != LEDGER_FUA))
		return;
	for (i = 0; i < e->count; i++)
		ledger_durable(&w->state[e->block + i - w->first], e->op, e->number);
}

static void pick_blocks(struct writer *w, struct ledger_entry *e)
{
	e->count = 1u << below(w, is_slow ? 3 : 6);
	if (e->count > share)
		e->count = 1;
	if (is_slow && w->fresh + e->count > share)
		e->op = LEDGER_READ;
	if (is_slow && e->op != LEDGER_READ) {
		e->block = w->first + w->fresh;
		w->fresh += e->count;
	} else {
		e->block = w->first + below(w, share - e->count + 1);
	}
	e->number = atomic_fetch_add(&numbers, 1);
}

static void one_request(struct writer *w, enum ledger_op op)
{
	struct ledger_entry e = { .op = op, .event = LEDGER_START };
	uint32_t at;

	if (op != LEDGER_FLUSH)
		pick_blocks(w, &e);
	prepare(w, &e);
	at = ledger_add(ledger, &e);
	if (op == LEDGER_FLUSH)
		e.number = at;
	e.error = carry_out(w, &e);
	e.event = LEDGER_DONE;
	ledger_add(ledger, &e);
	/* not every server has it */
	if (e.op == LEDGER_TRIM && e.error == EOPNOTSUPP)
		return;
	if (e.error)
		errx(1, "op %u on blocks %u+%u: %s", e.op, e.block, e.count, strerror(e.error));
	conclude(w, &e);
}

static void *run(void *arg)
{
	struct writer *w = arg;

	while (!stop && time(NULL) < end) {
		one_request(w, pick_op(w));
		if (is_slow)
			usleep(below(w, SLOW_PAUSE) * 1000);
	}
	return NULL;
}

static void set_up(struct writer *w, unsigned int i, uint64_t seed)
{
	w->first = i * share;
	w->random = seed * THREADS + i;
	w->state = calloc(share, sizeof(*w->state));
	w->buffer = aligned_alloc(4096, MOST * LEDGER_BLOCK);
	if (!w->state || !w->buffer)
		err(2, "memory");
}

int main(int argc, char **argv)
{
	static struct writer writers[THREADS];
	uint64_t size;
	unsigned int i;

	if (argc < 6)
		errx(2, "usage: ledger_write DISK LEDGER SEED SECONDS MIB [volatile] [slow]");
	for (i = 6; i < (unsigned int)argc; i++) {
		is_volatile |= !strcmp(argv[i], "volatile");
		is_slow |= !strcmp(argv[i], "slow");
	}
	if (is_slow)
		n_threads = SLOW_THREADS;
	disk = open(argv[1], O_RDWR | O_DIRECT | O_CLOEXEC);
	if (disk < 0)
		err(2, "%s", argv[1]);
	size = strtoull(argv[5], NULL, 0) << 20;
	share = size / LEDGER_BLOCK / n_threads;
	ledger = ledger_create(argv[2], size / LEDGER_BLOCK);
	end = time(NULL) + atoi(argv[4]);
	signal(SIGTERM, on_term);
	for (i = 0; i < n_threads; i++) {
		set_up(&writers[i], i, strtoull(argv[3], NULL, 0));
		errno = pthread_create(&writers[i].thread, NULL, run, &writers[i]);
		if (errno)
			err(2, "pthread_create");
	}
	for (i = 0; i < n_threads; i++)
		pthread_join(writers[i].thread, NULL);
	one_request(&writers[0], LEDGER_FLUSH);
	printf("%lu reads, %lu writes, %lu with FUA, %lu zeroes, %lu trims, %lu flushes\n",
	       done[LEDGER_READ], done[LEDGER_WRITE], done[LEDGER_FUA], done[LEDGER_ZERO],
	       done[LEDGER_TRIM], done[LEDGER_FLUSH]);
	return 0;
}
