// SPDX-License-Identifier: GPL-2.0-only
/*
 * history_run [-w WRITERS] [-r READERS] [-p PAUSE] [-n SECTORS] [-s SEED] [-e] DISK: tasks read and
 * write the same few sectors of a disk until SIGTERM, PAUSE ms apart (default: none), and hold all
 * that was read against all that was written, see history.h. An I/O error fails, but with -e EIO
 * does not: such a write may be carried out at any time after.
 *
 * Now and then all tasks wait for each other and the history so far is judged, so it stays small.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "history.h"
#include "ledger.h"

#define SECTOR		512u
#define MOST		8u	/* sectors in one request */
#define TASKS		64u
#define EPOCH		2000u	/* requests of a task between two judgements */
#define WORDS		(SECTOR / sizeof(uint64_t))

/**
 * struct task - a reader or a writer
 * @thread: the thread
 * @is_writer: it writes
 * @random: state of its generator
 * @ops: what it did since the last judgement
 * @count: of them
 * @buffer: for one request
 */
struct task {
	pthread_t thread;
	bool is_writer;
	uint64_t random;
	struct history_op ops[(EPOCH + 1) * MOST];
	size_t count;
	uint64_t *buffer;
};

static struct task *tasks;
static unsigned int n_tasks;
static uint32_t sectors = 64;
static unsigned int pause_ms;
static bool errors_allowed;
static int disk;
static pthread_barrier_t barrier;
static atomic_bool stop, ended;
static _Atomic uint64_t clock_now = 1, next_value = 1;
static _Atomic unsigned long reads, writes, failures, torn;
static unsigned long judgements;
/* what each sector held at the last judgement, which is the history's 0 */
static uint64_t *initial;
/* first the writes that were never answered, of all times */
static struct history_op *history;
static size_t n_history;

static void on_term(int sig)
{
	(void)sig;
	stop = true;
}

static void record(struct task *t, const struct history_op *op)
{
	t->ops[t->count++] = *op;
}

static bool is_whole(const uint64_t *words)
{
	return !memcmp(words, words + 1, SECTOR - sizeof(*words));
}

static void record_read(struct task *t, struct history_op op, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++, op.sector++) {
		const uint64_t *words = t->buffer + i * WORDS;

		/* somebody writes it at this moment, and nobody says in which order */
		if (!is_whole(words)) {
			torn++;
			continue;
		}
		op.value = words[0] == initial[op.sector] ? 0 : words[0];
		record(t, &op);
	}
}

static void record_write(struct task *t, struct history_op op, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++, op.sector++) {
		op.value = t->buffer[i * WORDS];
		record(t, &op);
	}
}

static void fill(struct task *t, unsigned int count)
{
	unsigned int i, word;

	for (i = 0; i < count; i++) {
		uint64_t value = next_value++;

		for (word = 0; word < WORDS; word++)
			t->buffer[i * WORDS + word] = value;
	}
}

static void one_request(struct task *t, uint32_t sector, unsigned int count, bool is_write)
{
	struct history_op op = { .sector = sector, .is_write = is_write };
	size_t length = count * SECTOR;
	off_t offset = (off_t)sector * SECTOR;
	ssize_t n;

	if (is_write)
		fill(t, count);
	op.begin = clock_now++;
	n = is_write ? pwrite(disk, t->buffer, length, offset) :
		       pread(disk, t->buffer, length, offset);
	op.end = clock_now++;
	if (n < 0) {
		if (!errors_allowed || errno != EIO)
			err(1, "%s of sector %u+%u", is_write ? "write" : "read", sector, count);
		failures++;
		op.end = HISTORY_NEVER;
	} else if ((size_t)n != length) {
		errx(1, "%zd bytes of %zu", n, length);
	}
	if (is_write)
		record_write(t, op, count);
	else if (n > 0)
		record_read(t, op, count);
	(*(is_write ? &writes : &reads))++;
}

static void read_all(struct task *t)
{
	uint32_t sector;

	for (sector = 0; sector < sectors; sector += MOST) {
		int tries = 600;

		/* where errors are allowed, it may take until the disk works again */
		for (t->count = 0; t->count < MOST && tries; tries--) {
			t->count = 0;
			one_request(t, sector, MOST, false);
			if (t->count < MOST)
				usleep(100000);
		}
		if (t->count < MOST)
			errx(1, "sectors from %u: not read in a minute, or not whole", sector);
		memcpy(history + n_history, t->ops, t->count * sizeof(*t->ops));
		n_history += t->count;
	}
}

static size_t history_size(void)
{
	size_t size = n_history + sectors;
	unsigned int i;

	for (i = 0; i < n_tasks; i++)
		size += tasks[i].count;
	return size;
}

/* Put all that was done since the last judgement behind what is pending, and what is read now */
static void collect(void)
{
	unsigned int i;

	history = realloc(history, history_size() * sizeof(*history));
	if (!history)
		err(2, "memory");
	for (i = 0; i < n_tasks; i++) {
		memcpy(history + n_history, tasks[i].ops, tasks[i].count * sizeof(*history));
		n_history += tasks[i].count;
		tasks[i].count = 0;
	}
	read_all(&tasks[0]);
	tasks[0].count = 0;
}

/* What was read last is the beginning of the next history, with what may yet be carried out */
static void start_anew(void)
{
	size_t i, kept = 0;

	for (i = n_history - sectors; i < n_history; i++)
		if (history[i].value)
			initial[history[i].sector] = history[i].value;
	for (i = 0; i < n_history; i++)
		if (history[i].end == HISTORY_NEVER)
			history[kept++] = history[i];
	n_history = kept;
}

static void judge(void)
{
	struct history_op *ops;
	char why[256];

	collect();
	ops = malloc(n_history * sizeof(*ops));
	if (!ops)
		err(2, "memory");
	memcpy(ops, history, n_history * sizeof(*ops));
	if (!history_judge(ops, n_history, why, sizeof(why)))
		errx(1, "%s", why);
	free(ops);
	start_anew();
	judgements++;
}

static void epoch(struct task *t)
{
	unsigned int i;

	for (i = 0; i < EPOCH && !stop; i++) {
		unsigned int count = 1 + ledger_random(&t->random) % MOST;

		one_request(t, ledger_random(&t->random) % (sectors - count + 1), count,
			    t->is_writer);
		if (pause_ms)
			usleep(pause_ms * 1000);
	}
}

static void *run(void *arg)
{
	struct task *t = arg;

	do {
		epoch(t);
		/* the task that judges decides for all whether it was the last time */
		if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD) {
			judge();
			ended = stop;
		}
		pthread_barrier_wait(&barrier);
	} while (!ended);
	return NULL;
}

static void set_up(unsigned int writers, uint64_t seed)
{
	unsigned int i;

	tasks = calloc(n_tasks, sizeof(*tasks));
	initial = calloc(sectors, sizeof(*initial));
	history = malloc(sectors * sizeof(*history));
	if (!tasks || !initial || !history)
		err(2, "memory");
	for (i = 0; i < n_tasks; i++) {
		tasks[i].is_writer = i < writers;
		tasks[i].random = seed * TASKS + i + 1;
		tasks[i].buffer = aligned_alloc(4096, MOST * SECTOR);
		if (!tasks[i].buffer)
			err(2, "memory");
	}
	/* whatever is there is the beginning, and is not written again */
	read_all(&tasks[0]);
	for (i = 0; i < sectors; i++) {
		initial[history[i].sector] = history[i].value;
		if (history[i].value >= next_value)
			next_value = history[i].value + 1;
	}
	n_history = 0;
	tasks[0].count = 0;
	errno = pthread_barrier_init(&barrier, NULL, n_tasks);
	if (errno)
		err(2, "pthread_barrier_init");
}

static unsigned int number(const char *text, unsigned int least, unsigned int most)
{
	char *rest;
	unsigned long n = strtoul(text, &rest, 0);

	if (*rest || n < least || n > most)
		errx(2, "bad number %s", text);
	return n;
}

int main(int argc, char **argv)
{
	unsigned int writers = 4, readers = 4, i;
	uint64_t seed = 1;
	int c;

	while ((c = getopt(argc, argv, "w:r:p:n:s:e")) != -1) {
		switch (c) {
		case 'w': writers = number(optarg, 0, TASKS / 2); break;
		case 'r': readers = number(optarg, 0, TASKS / 2); break;
		case 'p': pause_ms = number(optarg, 0, 60000); break;
		case 'n': sectors = number(optarg, MOST, 1u << 16) / MOST * MOST; break;
		case 's': seed = strtoull(optarg, NULL, 0); break;
		case 'e': errors_allowed = true; break;
		default: return 2;
		}
	}
	n_tasks = writers + readers;
	if (optind != argc - 1 || !n_tasks)
		errx(2, "usage: history_run [-w N] [-r N] [-p MS] [-n N] [-s SEED] [-e] DISK");
	signal(SIGTERM, on_term);
	disk = open(argv[optind], O_RDWR | O_DIRECT | O_CLOEXEC);
	if (disk < 0)
		err(2, "%s", argv[optind]);
	set_up(writers, seed);
	for (i = 0; i < n_tasks; i++) {
		errno = pthread_create(&tasks[i].thread, NULL, run, &tasks[i]);
		if (errno)
			err(2, "pthread_create");
	}
	for (i = 0; i < n_tasks; i++)
		pthread_join(tasks[i].thread, NULL);
	printf("%lu reads, %lu writes, %lu errors, %lu torn, judged %lu times\n",
	       reads, writes, failures, torn, judgements);
	return 0;
}
