// SPDX-License-Identifier: GPL-2.0-only
/* Devices: requests about them, their state, their disks. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>
#include <linux/nbdmap.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "uapi.h"

long long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

void nap(void)
{
	usleep(20000);
}

void put_facts(struct msg *m, const struct export *x, int index, uint32_t skip)
{
	uint32_t i;
	size_t at;

	if (index >= 0 && !(skip & 1 << NBDCTL_A_DEVICE_INDEX))
		put_u32(m, NBDCTL_A_DEVICE_INDEX, index);
	if (!(skip & 1 << NBDCTL_A_DEVICE_SIZE))
		put_u64(m, NBDCTL_A_DEVICE_SIZE, x->size);
	if (!(skip & 1 << NBDCTL_A_DEVICE_TRANSMISSION_FLAGS))
		put_u16(m, NBDCTL_A_DEVICE_TRANSMISSION_FLAGS, x->flags);
	if (!(skip & 1 << NBDCTL_A_DEVICE_HEADER_MODE))
		put_u32(m, NBDCTL_A_DEVICE_HEADER_MODE, x->structured);
	for (i = 0; i < x->nr && !(skip & 1 << NBDCTL_A_DEVICE_CONTEXT); i++) {
		at = nest(m, NBDCTL_A_DEVICE_CONTEXT);
		put_str(m, NBDCTL_A_CONTEXT_NAME, x->names[i]);
		nest_end(m, at);
	}
}

void put_slot(struct msg *m, int index, int fd, const struct export *x)
{
	size_t at = nest(m, NBDCTL_A_DEVICE_SLOT), id;
	uint32_t i;

	if (index >= 0)
		put_u32(m, NBDCTL_A_SLOT_INDEX, index);
	put_u32(m, NBDCTL_A_SLOT_FD, fd);
	for (i = 0; i < x->nr; i++) {
		id = nest(m, NBDCTL_A_SLOT_CONTEXT_ID);
		put_u32(m, NBDCTL_A_CONTEXT_ID_CONTEXT, i);
		put_u32(m, NBDCTL_A_CONTEXT_ID_ID, x->ids[i]);
		nest_end(m, id);
	}
	nest_end(m, at);
}

int begin_detach(struct nl *nl, int index, uint32_t timeout)
{
	static struct msg m;

	msg_begin(nl, &m, NBDCTL_CMD_DETACH);
	put_u32(&m, NBDCTL_A_DEVICE_INDEX, index);
	if (timeout)
		put_u32(&m, NBDCTL_A_DEVICE_DETACH_TIMEOUT, timeout);
	return nl_call(nl, &m);
}

int detach(struct nl *nl, int index, bool force)
{
	static struct msg m;
	int error, state;

	if (!force) {
		error = begin_detach(nl, index, 0);
		if (error)
			return error;
		do {
			nap();
			state = state_of(nl, index);
			/* the last is while the device gets its next disk */
		} while (state == NBDCTL_STATE_DRAINING || state == NBDCTL_STATE_DEAD ||
			 state == -ENODEV);
		return state == NBDCTL_STATE_LIVE || state == NBDCTL_STATE_WAITING ? EAGAIN : 0;
	}
	msg_begin(nl, &m, NBDCTL_CMD_DETACH);
	put_u32(&m, NBDCTL_A_DEVICE_INDEX, index);
	put_flag(&m, NBDCTL_A_DEVICE_FORCE);
	return nl_call(nl, &m);
}

int state_of(struct nl *nl, int index)
{
	static struct msg m;
	int error;

	msg_begin(nl, &m, NBDCTL_CMD_DEVICE_GET);
	put_u32(&m, NBDCTL_A_DEVICE_INDEX, index);
	error = nl_call(nl, &m);
	return error ? -error : (int)get_u32(reply_attrs(nl), NBDCTL_A_DEVICE_STATE);
}

bool wait_state(struct nl *nl, int index, int state, int ms)
{
	long long end = now_ms() + ms;

	while (state_of(nl, index) != state) {
		if (now_ms() > end)
			return false;
		nap();
	}
	return true;
}

long long read_number(const char *format, ...)
{
	long long value = -1;
	char path[128];
	va_list args;
	FILE *f;

	va_start(args, format);
	vsnprintf(path, sizeof(path), format, args);
	va_end(args);
	f = fopen(path, "r");
	if (f && fscanf(f, "%lld", &value) != 1)
		value = -1;
	if (f)
		fclose(f);
	return value;
}

/* udev looks into disks that have changed, and uses the module meanwhile */
bool wait_users(int most, int ms)
{
	long long end = now_ms() + ms;

	while (read_number("/sys/module/nbd/refcnt") > most) {
		if (now_ms() > end)
			return false;
		nap();
	}
	return true;
}

int open_disk(int index, int flags)
{
	char path[32];

	sprintf(path, "/dev/nbd%d", index);
	return open(path, flags | O_CLOEXEC);
}

int read_disk(int fd, uint64_t offset)
{
	static uint64_t words[512] __attribute__((aligned(4096)));
	size_t i;

	errno = 0;
	if (pread(fd, words, sizeof(words), offset) != (ssize_t)sizeof(words))
		return errno ?: ENODATA;
	for (i = 0; i < 512; i++)
		if (be64toh(words[i]) != offset + 8 * i + 1)
			return EILSEQ;
	return 0;
}

void map_node(int fd, uint32_t *major, uint32_t *minor)
{
	struct stat st = {};

	fstat(fd, &st);
	*major = major(st.st_rdev);
	*minor = minor(st.st_rdev);
}

int map_context(int fd, struct nbdmap_context *arg)
{
	map_node(fd, &arg->major, &arg->minor);
	return ioctl(fd, NBDMAP_IOC_CONTEXT, arg);
}

int map_status(int fd, struct nbdmap_status *arg)
{
	map_node(fd, &arg->major, &arg->minor);
	return ioctl(fd, NBDMAP_IOC_STATUS, arg);
}

int ioctl32(int fd, unsigned int nr, uintptr_t arg)
{
	int ret = -ENOSYS;

#ifdef __x86_64__
	asm volatile("int $0x80" : "=a" (ret)
		     : "a" (54), "b" (fd), "c" (nr), "d" ((unsigned int)arg)
		     : "memory", "cc", "r8", "r9", "r10", "r11");
#endif
	return ret;
}

static void end_child(int signal)
{
	(void)signal;
	_exit(1);
}

bool has_ioctl32(void)
{
	int status, pid = fork();

	if (!pid) {
		/* the kernel reports a fault that nobody handles, which is no complaint */
		signal(SIGSEGV, end_child);
		_exit(ioctl32(-1, 0, 0) == -EBADF ? 0 : 1);
	}
	return waitpid(pid, &status, 0) == pid && !status;
}
