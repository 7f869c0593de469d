// SPDX-License-Identifier: GPL-2.0-only
/*
 * lies SEED REPLIES SECONDS DISKS: load on so many disks whose servers spoil headers and chunks of
 * their replies at random, until so many replies were spoiled or the time is up. Each connection
 * that is lost is replaced at once. What is read, directly or through the page cache, and what is
 * said of block status, must be right or an error; buffers are poisoned before. Writes write what
 * is there, so the data never change. Now and then a disk is forcibly detached under its load.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <linux/nbdmap.h>

#include "uapi.h"

#define FIRST_INDEX	4
#define SLOTS		8
#define DIRECT		10	/* threads with direct I/O */
#define BUFFERED	1
#define MAPPING		1
#define THREADS		(DIRECT + BUFFERED + MAPPING)
#define SIZE		(12u << 20)
#define MOST		(128u << 10)
#define STRIPE		65536u	/* of the layout of base:allocation */
#define EXTENTS		512
#define POISON		0xa5
#define CONNECTIONS	400	/* with one server */
#define HUNG_MS		120000

/* What all workers did, in memory that they share */
struct tally {
	atomic_ulong servers, connections, spoiled, right, failed, maps, maps_failed, forced;
	atomic_bool bad;
};

static struct tally *tally;
static unsigned int worker;
static int direct, buffered;
static atomic_bool stop, detaching;
static atomic_uint running;
static unsigned long long seed;

static void wrong(const char *what, unsigned long long offset, size_t length, int error)
{
	printf("# seed %llu: %s at %llu+%zu: %s\n", seed, what, offset, length, strerror(error));
	fflush(stdout);
	tally->bad = true;
}

static void right_or_error(const uint64_t *w, off_t offset, size_t length, ssize_t n)
{
	size_t i;

	if (n != (ssize_t)length) {
		tally->failed++;
		if (n >= 0 ? !detaching : errno != EIO && errno != EREMOTEIO && errno != ENOSPC &&
		    errno != EOPNOTSUPP && !(detaching && (errno == ENXIO || errno == ENODEV)))
			wrong("failed", offset, length, n < 0 ? errno : 0);
		return;
	}
	tally->right++;
	for (i = 0; i < length / 8; i++)
		if (be64toh(w[i]) != offset + 8 * i + 1) {
			wrong("wrong data", offset, length, 0);
			printf("# at byte %zu: %#llx\n", 8 * i,
			       (unsigned long long)be64toh(w[i]));
			return;
		}
}

static void fill(uint64_t *w, off_t offset, size_t length)
{
	size_t i;

	for (i = 0; i < length / 8; i++)
		w[i] = htobe64(offset + 8 * i + 1);
}

struct thread {
	unsigned int no;
	unsigned int random;
	const char *doing;
	off_t offset;
	size_t length;
	long long since;
	uint64_t *buffer;
	struct nbdmap_extent *extents;
};

static void pick(struct thread *t, off_t *offset, size_t *length)
{
	static const size_t lengths[] = { 512, 512, 4096, 4096, 16384, MOST };

	*length = lengths[rand_r(&t->random) % (sizeof(lengths) / sizeof(lengths[0]))];
	*offset = rand_r(&t->random) % ((SIZE - *length) / 512) * 512ull;
	t->offset = *offset;
	t->length = *length;
	t->since = now_ms();
}

static void direct_io(struct thread *t)
{
	size_t length;
	off_t offset;
	ssize_t n;

	pick(t, &offset, &length);
	if (rand_r(&t->random) % 4) {
		memset(t->buffer, POISON, length);
		t->doing = "read";
		n = pread(direct, t->buffer, length, offset);
		right_or_error(t->buffer, offset, length, n);
		return;
	}
	fill(t->buffer, offset, length);
	t->doing = "write";
	n = pwrite(direct, t->buffer, length, offset);
	right_or_error(t->buffer, offset, length, n);
	t->doing = "flush";
	if (!(rand_r(&t->random) % 8))
		fdatasync(direct);
}

static void buffered_io(struct thread *t)
{
	size_t length;
	off_t offset;
	ssize_t n;

	pick(t, &offset, &length);
	t->doing = "buffered read";
	posix_fadvise(buffered, 0, 0, POSIX_FADV_DONTNEED);
	memset(t->buffer, POISON, length);
	n = pread(buffered, t->buffer, length, offset);
	/* what was read before the error is not less right */
	if (n > 0 && n < (ssize_t)length) {
		tally->failed++;
		length = n / 512 * 512;
		n = length;
	}
	right_or_error(t->buffer, offset, length, n);
}

static void judge_map(const struct nbdmap_status *arg)
{
	const struct nbdmap_extent *e = (const void *)(uintptr_t)arg->extents;
	uint64_t at = arg->offset, o;
	unsigned int i;

	for (i = 0; i < arg->count; i++, at += e->length, e++) {
		if (e->offset != at || !e->length || e->context || e->reserved)
			wrong("map: bad extent", e->offset, e->length, 0);
		for (o = at; o < at + e->length; o = (o / STRIPE + 1) * STRIPE)
			if (e->status != (o / STRIPE % 2 ? 3 : 0))
				wrong("map: wrong status", o, e->length, 0);
	}
	if (at != arg->offset + arg->covered || arg->covered > arg->length)
		wrong("map: wrong range", arg->offset, arg->covered, 0);
}

static void map(struct thread *t)
{
	struct nbdmap_status arg = { .capacity = EXTENTS, .extents = (uintptr_t)t->extents };
	size_t length;
	off_t offset;

	pick(t, &offset, &length);
	t->doing = "map";
	arg.offset = offset;
	arg.length = (SIZE - offset) / 512 * 512;
	memset(t->extents, POISON, EXTENTS * sizeof(*t->extents));
	if (!map_status(direct, &arg)) {
		tally->maps++;
		judge_map(&arg);
		return;
	}
	tally->maps_failed++;
	if (errno != EIO && errno != EREMOTEIO && errno != ENOSPC && errno != EOPNOTSUPP &&
	    errno != EINVAL && errno != EOVERFLOW && errno != ENOMEM && errno != EPERM &&
	    !(detaching && (errno == ENOTCONN || errno == ENXIO || errno == ENODEV)))
		wrong("map failed", offset, arg.length, errno);
}

static void *load(void *arg)
{
	struct thread *t = arg;

	while (!stop) {
		/* what fails at once would take the CPU from what makes it fail */
		if (detaching)
			usleep(10000);
		if (t->no < DIRECT)
			direct_io(t);
		else if (t->no < DIRECT + BUFFERED)
			buffered_io(t);
		else
			map(t);
	}
	t->doing = NULL;
	running--;
	return NULL;
}

/* ---- a disk ---- */

struct disk {
	struct nl nl;
	struct msg m;
	struct server s;
	struct export x;
	unsigned int index;
	unsigned int used;
	pthread_t threads[THREADS];
};

static void start_server(struct disk *d, unsigned int *random)
{
	static const char *const rates[] = { "100", "200", "400", "1000" };
	char mutate[64], own[32];

	sprintf(own, "%llu", seed);
	sprintf(mutate, "%llu:%s", seed, rates[rand_r(random) % 4]);
	server_start(&d->s, "--size", "12M", "--context", "base:allocation=alternate:65536",
		     "--seed", own, "--mutate", mutate, "--read-shape", "random", "--write-reply",
		     "random", NULL);
	d->x.nr = 1;
	strcpy(d->x.names[0], "base:allocation");
}

static void put_connections(struct disk *d, const bool *slots)
{
	int fds[SLOTS], i, n = 0;

	for (i = 0; i < SLOTS; i++)
		if (slots[i]) {
			fds[n] = server_connect(&d->s, &d->x);
			put_slot(&d->m, i, fds[n++], &d->x);
		}
	errno = nl_call(&d->nl, &d->m);
	while (n--)
		close(fds[n]);
	if (errno)
		errx(1, "disk %u: %s (%s)", d->index, strerror(errno), d->nl.text);
}

static void attach(struct disk *d)
{
	bool all[SLOTS];
	int probe = server_connect(&d->s, &d->x);

	close(probe);
	memset(all, true, sizeof(all));
	msg_begin(&d->nl, &d->m, NBDCTL_CMD_ATTACH);
	put_facts(&d->m, &d->x, d->index, 0);
	put_u32(&d->m, NBDCTL_A_DEVICE_DEAD_TIME, NBDCTL_TIME_FOREVER);
	put_u32(&d->m, NBDCTL_A_DEVICE_REQUEST_TIMEOUT, 1000);
	put_connections(d, all);
	d->used = SLOTS;
}

/* New connections for the slots that have none */
static void refill(struct disk *d)
{
	bool empty[SLOTS] = {}, any = false;
	struct export bare = d->x;
	struct attrs a, slot;
	int i;

	if (state_of(&d->nl, d->index) < 0)
		errx(1, "disk %u is gone", d->index);
	a = reply_attrs(&d->nl);
	for (i = 0; i < SLOTS; i++) {
		slot = nested(get(a, NBDCTL_A_DEVICE_SLOT, i));
		empty[i] = get_u32(slot, NBDCTL_A_SLOT_STATE) == NBDCTL_SLOT_STATE_EMPTY;
		any |= empty[i];
		d->used += empty[i];
	}
	if (!any) {
		/* to ask costs more than a connection that is missing for a while */
		usleep(30000);
		return;
	}
	/* contexts are the slot's here */
	bare.nr = 0;
	msg_begin(&d->nl, &d->m, NBDCTL_CMD_SLOT_REPLACE);
	put_facts(&d->m, &bare, d->index, 0);
	put_connections(d, empty);
}

/* What the server says of us */
static void complaints(const struct disk *d)
{
	char command[200];

	if (!server_logged(&d->s, "VIOLATION"))
		return;
	sprintf(command, "grep -m 3 VIOLATION %s", d->s.log);
	wrong("the server complains", 0, 0, system(command));
}

static struct thread threads[THREADS];

static void hang(const struct disk *d)
{
	char command[200];
	unsigned int i;

	for (i = 0; i < THREADS; i++)
		if (threads[i].doing && now_ms() - threads[i].since > HUNG_MS / 2)
			printf("# thread %u: %s %llu+%zu for %lld ms\n", i, threads[i].doing,
			       (unsigned long long)threads[i].offset, threads[i].length,
			       now_ms() - threads[i].since);
	fflush(stdout);
	sprintf(command, "cd /sys/kernel/debug/block/nbd%u && cat hctx*/busy; "
		"echo w >/proc/sysrq-trigger", d->index);
	wrong("requests hang", 0, running, system(command));
	_exit(1);
}

static atomic_bool opened;

static void *open_both(void *arg)
{
	struct disk *d = arg;

	direct = open_disk(d->index, O_RDWR | O_DIRECT);
	buffered = open_disk(d->index, O_RDONLY);
	opened = true;
	return NULL;
}

/* The first one to open a disk looks for partitions, which takes connections too */
static void open_files(struct disk *d)
{
	pthread_t thread;

	opened = false;
	if (pthread_create(&thread, NULL, open_both, d))
		errx(1, "no thread");
	while (!opened)
		refill(d);
	pthread_join(thread, NULL);
	if (direct < 0 || buffered < 0)
		err(1, "/dev/nbd%u", d->index);
}

static void start_load(struct disk *d)
{
	unsigned int i;

	open_files(d);
	stop = false;
	detaching = false;
	running = THREADS;
	for (i = 0; i < THREADS; i++) {
		threads[i].no = i;
		threads[i].random = seed * THREADS + i;
		if (!threads[i].buffer) {
			threads[i].buffer = aligned_alloc(4096, MOST);
			threads[i].extents = calloc(EXTENTS, sizeof(*threads[i].extents));
		}
		if (!threads[i].buffer || !threads[i].extents ||
		    pthread_create(&d->threads[i], NULL, load, &threads[i]))
			errx(1, "no thread");
	}
}

/* Without a refill only if the disk was forcibly detached: then no request may wait */
static void end_load(struct disk *d, bool forced)
{
	long long end = now_ms() + HUNG_MS;
	unsigned int i;
	int error;

	if (forced) {
		detaching = true;
		error = detach(&d->nl, d->index, true);
		if (error)
			wrong("forced detach", 0, 0, error);
		tally->forced++;
	}
	stop = true;
	while (running && now_ms() < end)
		if (forced)
			usleep(5000);
		else
			refill(d);
	if (running)
		hang(d);
	for (i = 0; i < THREADS; i++)
		pthread_join(d->threads[i], NULL);
	close(direct);
	close(buffered);
}

/*
 * A detach flushes, and the answer to that may be spoiled as well; and somebody else may look at
 * the disk for a moment.
 */
static void detach_plain(struct disk *d)
{
	int error = 0, tries;

	for (tries = 0; tries < 10; tries++) {
		error = detach(&d->nl, d->index, false);
		if (!error)
			return;
		refill(d);
		usleep(20000);
	}
	error = detach(&d->nl, d->index, true);
	if (error)
		wrong("detach", 0, 0, error);
}

static void end_disk(struct disk *d, bool forced)
{
	end_load(d, forced);
	if (!forced)
		detach_plain(d);
	if (!wait_state(&d->nl, d->index, NBDCTL_STATE_IDLE, HUNG_MS))
		wrong("not idle", 0, 0, 0);
	complaints(d);
	tally->spoiled += server_logged(&d->s, "MUTATE ");
	tally->connections += d->used;
	tally->servers++;
	server_stop(&d->s);
}

static void work(unsigned long replies, long long end)
{
	static struct disk d;
	unsigned int random;

	nl_open(&d.nl);
	d.index = FIRST_INDEX + worker;
	detach(&d.nl, d.index, true);
	seed += worker * 1000000ull;
	while (tally->spoiled < replies && now_ms() < end && !tally->bad) {
		/* ends this process */
		alarm(10 * HUNG_MS / 1000);
		random = seed;
		start_server(&d, &random);
		attach(&d);
		start_load(&d);
		while (d.used < CONNECTIONS && now_ms() < end && !tally->bad)
			refill(&d);
		end_disk(&d, rand_r(&random) % 3 == 0);
		seed++;
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	unsigned long replies;
	unsigned int disks;
	long long end;
	int status;

	if (argc != 5)
		errx(2, "usage: lies SEED REPLIES SECONDS DISKS");
	seed = strtoull(argv[1], NULL, 0);
	replies = strtoul(argv[2], NULL, 0);
	end = now_ms() + 1000 * atoll(argv[3]);
	disks = atoi(argv[4]);
	tally = mmap(NULL, sizeof(*tally), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (tally == MAP_FAILED)
		err(2, "memory");
	for (worker = 0; worker < disks; worker++)
		if (!fork())
			work(replies, end);
	while (wait(&status) > 0)
		if (status) {
			warnx("a worker ended: %#x", status);
			tally->bad = true;
		}
	printf("# %lu servers, %lu connections, %lu replies spoiled, ", tally->servers,
	       tally->connections, tally->spoiled);
	printf("%lu requests right, %lu failed, %lu maps right, %lu failed, ", tally->right,
	       tally->failed, tally->maps, tally->maps_failed);
	printf("%lu forcibly detached\n", tally->forced);
	return tally->bad;
}
