// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bytes of the export: a memory file, or an image that a test can compare with, mapped whole.
 *
 * Pattern: the 8 bytes at each offset O divisible by 8 hold O + 1 as a big-endian number.
 * FILL_SPARSE: the same, but each 4 KiB block with an odd number is zero.
 */
#include <endian.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server.h"

#define BLOCK		4096ULL
#define FILL_PIECE	(16 * BLOCK)

static int store_fd;
static uint8_t *base;
static uint64_t mapped;

static void fill_piece(uint64_t start, size_t length)
{
	static uint64_t piece[FILL_PIECE / 8];

	for (size_t o = 0; o < length; o += 8)
		piece[o / 8] = htobe64(start + o + 1);
	if (pwrite(store_fd, piece, length, start) != (ssize_t)length)
		err(1, "cannot fill the export");
}

/* By write, as page faults took ten times as long. */
static void fill(void)
{
	uint64_t piece = opt.fill == FILL_SPARSE ? BLOCK : FILL_PIECE;
	uint64_t step = opt.fill == FILL_SPARSE ? 2 * BLOCK : FILL_PIECE;

	if (opt.fill == FILL_ZERO)
		return;
	for (uint64_t o = 0; o < opt.size; o += step)
		fill_piece(o, opt.size - o < piece ? opt.size - o : piece);
}

/*
 * In memory, the pattern is filled in when it is first touched. Most tests touch little of it, and
 * to fill all took an emulated CPU longer than the rest of the start.
 */
static bool *filled;
static pthread_mutex_t fill_lock = PTHREAD_MUTEX_INITIALIZER;

static void touch(uint64_t offset, uint64_t len)
{
	uint64_t end;

	if (!filled || !len || offset >= opt.size)
		return;
	end = len < opt.size - offset ? offset + len : opt.size;
	pthread_mutex_lock(&fill_lock);
	for (uint64_t n = offset / FILL_PIECE; n * FILL_PIECE < end; n++) {
		uint64_t start = n * FILL_PIECE, left = opt.size - start;

		if (!filled[n])
			fill_piece(start, left < FILL_PIECE ? left : FILL_PIECE);
		filled[n] = true;
	}
	pthread_mutex_unlock(&fill_lock);
}

/* An image that exists and is not empty keeps its content; --size may still grow or cut it. */
void store_open(void)
{
	struct stat st = { 0 };

	if (opt.image)
		store_fd = open(opt.image, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	else
		store_fd = memfd_create("export", MFD_CLOEXEC);
	if (store_fd < 0 || fstat(store_fd, &st) < 0)
		err(1, "%s", opt.image ? opt.image : "memory");
	if (!opt.size)
		opt.size = st.st_size ? (uint64_t)st.st_size : 64 * MiB;
	if (ftruncate(store_fd, opt.size) < 0)
		err(1, "cannot make %llu bytes", (unsigned long long)opt.size);

	mapped = (opt.size + BLOCK - 1) & ~(BLOCK - 1);
	base = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, store_fd, 0);
	if (base == MAP_FAILED)
		err(1, "mmap");
	if (!opt.image && opt.fill == FILL_PATTERN) {
		filled = calloc(opt.size / FILL_PIECE + 1, sizeof(*filled));
		if (!filled)
			err(1, "memory");
	} else if (!st.st_size) {
		fill();
	}
}

const uint8_t *store_at(uint64_t offset, uint64_t len)
{
	touch(offset, len);
	return base + offset;
}

void store_write(uint64_t offset, const void *data, uint32_t len)
{
	touch(offset, len);
	memcpy(base + offset, data, len);
}

void store_zero(uint64_t offset, uint64_t len, bool punch)
{
	int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;

	touch(offset, len);
	if (!punch || fallocate(store_fd, mode, offset, len) < 0)
		memset(base + offset, 0, len);
}

void store_flush(void)
{
	if (opt.image)
		fdatasync(store_fd);
}

bool store_is_zero(uint64_t offset, uint64_t len)
{
	const uint8_t *p = store_at(offset, len);

	return !len || (!p[0] && !memcmp(p, p + 1, len - 1));
}

static uint64_t block_end(uint64_t offset, uint64_t end)
{
	uint64_t next = (offset / BLOCK + 1) * BLOCK;

	return next < end ? next : end;
}

/* The true status of the bytes at offset, and for how long it stays the same (at most to end). */
uint32_t store_status(uint64_t offset, uint64_t end, uint64_t *length)
{
	uint64_t stop, pos;
	off_t data;
	bool zero;

	touch(offset, end - offset);
	data = lseek(store_fd, offset, SEEK_DATA);
	if (data < 0 && errno == ENXIO)
		data = end;
	if (data > (off_t)offset) {
		*length = ((uint64_t)data < end ? (uint64_t)data : end) - offset;
		return NBD_STATE_HOLE | NBD_STATE_ZERO;
	}

	stop = lseek(store_fd, offset, SEEK_HOLE);
	if (stop > end)
		stop = end;
	pos = block_end(offset, stop);
	zero = store_is_zero(offset, pos - offset);
	while (pos < stop && store_is_zero(pos, block_end(pos, stop) - pos) == zero)
		pos = block_end(pos, stop);
	*length = pos - offset;
	return zero ? NBD_STATE_ZERO : 0;
}
