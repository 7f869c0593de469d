// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>

#include "base/error.h"
#include "base/log.h"
#include "base/process.h"
#include "negotiate/sandbox.h"

/* "nobody" on every Linux; looking up the name would open files. */
#define SANDBOX_ID		65534
/* Bytes for all exports of a server and their names; a handshake needs far less. */
#define SANDBOX_MEMORY		(256UL << 20)

/*
 * The address sanitizer maps terabytes and makes system calls of its own at any time, so a memory
 * limit or a system call filter would only hit the sanitizer.
 */
#ifdef __SANITIZE_ADDRESS__
#define SANDBOX_SANITIZED	1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANDBOX_SANITIZED	1
#endif
#endif
#ifndef SANDBOX_SANITIZED
#define SANDBOX_SANITIZED	0
#endif

#ifdef __s390__
#define SANDBOX_MAP_IN_MEMORY	true
#else
#define SANDBOX_MAP_IN_MEMORY	false
#endif

/* System calls that the headers of the C library may not know. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset	444
#define SYS_landlock_restrict_self	446
#endif
#define LANDLOCK_VERSION	1	/* LANDLOCK_CREATE_RULESET_VERSION */

/**
 * struct landlock_rights - struct landlock_ruleset_attr, of all versions so far
 * @scoped: what cannot reach processes outside: abstract Unix sockets, signals
 */
struct landlock_rights {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

static int sandbox_error(const char *what, struct error *err)
{
	return error_errno(err, EXIT_SYSTEM, errno, "cannot give up %s", what);
}

static int sandbox_close_between(unsigned int first, unsigned int last)
{
	return first <= last ? process_close_files(first, last) : 0;
}

/* Closes all files except those in @keep, which are in ascending order, and changes to /. */
static int sandbox_close_others(const int *keep, unsigned int n, struct error *err)
{
	unsigned int i, first = 0;
	int rc = 0;

	for (i = 0; i < n && !rc; first = keep[i] + 1, i++)
		rc = keep[i] ? sandbox_close_between(first, keep[i] - 1) : 0;
	if (!rc)
		rc = sandbox_close_between(first, UINT_MAX);
	if (rc)
		return sandbox_error("open files", err);
	/* So that this process does not keep a file system from being unmounted. */
	return chdir("/") ? sandbox_error("the directory", err) : 0;
}

static int sandbox_files(unsigned int flags, const int *fds, unsigned int n, struct error *err)
{
	int keep[2 + SANDBOX_MAX_FILES], at;
	unsigned int i, kept = 0;

	if (n > SANDBOX_MAX_FILES)
		return error_set(err, EXIT_SYSTEM, "too many files to keep");
	if (flags & SANDBOX_OUTPUT) {
		keep[kept++] = STDOUT_FILENO;
		keep[kept++] = STDERR_FILENO;
	}
	for (i = 0; i < n; i++) {
		for (at = kept++; at && keep[at - 1] > fds[i]; at--)
			keep[at] = keep[at - 1];
		keep[at] = fds[i];
	}
	return sandbox_close_others(keep, kept, err);
}

static int sandbox_limit(int resource, rlim_t most, struct error *err)
{
	struct rlimit limit;

	if (getrlimit(resource, &limit))
		return sandbox_error("resources", err);
	/* A lower limit of the caller remains. */
	if (limit.rlim_max > most)
		limit.rlim_max = most;
	limit.rlim_cur = limit.rlim_max;
	return setrlimit(resource, &limit) ? sandbox_error("resources", err) : 0;
}

static int sandbox_limits(unsigned int flags, struct error *err)
{
	if (sandbox_limit(RLIMIT_NPROC, 0, err) || sandbox_limit(RLIMIT_CORE, 0, err))
		return -1;
	/* Standard output may be a file. */
	if (!(flags & SANDBOX_OUTPUT) && sandbox_limit(RLIMIT_FSIZE, 0, err))
		return -1;
	return SANDBOX_SANITIZED ? 0 : sandbox_limit(RLIMIT_AS, SANDBOX_MEMORY, err);
}

/*
 * In a user namespace there may be no other user to become, and no permission for setgroups(); root
 * there has no privileges outside anyway.
 */
static int sandbox_user(struct error *err)
{
	bool failed;

	if (geteuid())
		return 0;
	errno = 0;
	failed = setgroups(0, NULL);
	failed |= setresgid(SANDBOX_ID, SANDBOX_ID, SANDBOX_ID);
	failed |= setresuid(SANDBOX_ID, SANDBOX_ID, SANDBOX_ID);
	if (!failed)
		return 0;
	if (errno != EINVAL && errno != EPERM)
		return sandbox_error("the user", err);
	log_note("root here cannot become another user");
	return 0;
}

static int sandbox_capabilities(struct error *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) ||
	    syscall(SYS_capset, &header, none))
		return sandbox_error("capabilities", err);
	return 0;
}

/* After the change of the user, which resets PR_SET_DUMPABLE and PR_SET_PDEATHSIG. */
static int sandbox_process(unsigned int flags, struct error *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    /* Other processes of nobody must not trace this one. */
	    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) ||
	    ((flags & SANDBOX_WITH_PARENT) && prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)))
		return sandbox_error("privileges", err);
	return 0;
}

static struct landlock_rights landlock_all(int version)
{
	/* Number of file rights of each version. */
	static const unsigned char files[] = { 0, 13, 14, 15, 15, 16 };
	const int newest = sizeof(files) - 1;

	return (struct landlock_rights){
		.fs = (1ULL << files[version < newest ? version : newest]) - 1,
		.net = version >= 4 ? 3 : 0,
		.scoped = version >= 6 ? 3 : 0,
	};
}

/* Restricts all rights that Landlock knows here, and grants none. */
static int sandbox_landlock(struct error *err)
{
	struct landlock_rights all;
	int version, fd, rc;

	version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION);
	if (version < 1) {
		log_note("this kernel has no Landlock");
		return 0;
	}
	all = landlock_all(version);
	fd = syscall(SYS_landlock_create_ruleset, &all, sizeof(all), 0);
	if (fd < 0)
		return sandbox_error("the file system", err);
	rc = syscall(SYS_landlock_restrict_self, fd, 0);
	if (rc)
		sandbox_error("the file system", err);
	close(fd);
	return rc;
}

/*
 * Reading, writing, waiting, also for processes, memory without code, and exiting. On some
 * architectures C libraries use other calls: send() and recv(), as of socketcall(), instead of
 * sendto() and recvfrom(), and calls with a 64-bit time.
 */
static const int sandbox_calls[] = {
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(recv), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg),
	SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(send), SCMP_SYS(sendto), SCMP_SYS(sendmsg),
	SCMP_SYS(close), SCMP_SYS(shutdown),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(ppoll_time64), SCMP_SYS(restart_syscall),
	SCMP_SYS(clock_gettime), SCMP_SYS(clock_gettime64), SCMP_SYS(gettimeofday), SCMP_SYS(time),
	SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(mremap), SCMP_SYS(madvise),
	SCMP_SYS(futex), SCMP_SYS(futex_time64), SCMP_SYS(getrandom), SCMP_SYS(waitid),
	SCMP_SYS(pidfd_open), SCMP_SYS(rt_sigreturn), SCMP_SYS(sigreturn), SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(exit), SCMP_SYS(exit_group),
};

/* The C library tries these and copes if they fail: stdio for buffers, messages for languages. */
static const int sandbox_refused[] = {
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(fstat), SCMP_SYS(fstat64), SCMP_SYS(fstatat64),
	SCMP_SYS(newfstatat), SCMP_SYS(statx), SCMP_SYS(ioctl), SCMP_SYS(lseek), SCMP_SYS(_llseek),
};

/* The filter, for prctl() */
static struct sock_fprog sandbox_program;

/* Allows anonymous memory that is not executable. */
static int sandbox_allow_map(scmp_filter_ctx filter, int call)
{
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 2,
				SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0),
				SCMP_A3(SCMP_CMP_EQ, MAP_PRIVATE | MAP_ANONYMOUS, 0));
}

/* @map_in_memory: mmap() has its arguments in memory, where no filter sees them, as on s390 */
static int sandbox_fill(scmp_filter_ctx filter, bool map_in_memory)
{
	size_t i;
	int rc;

	/* Also kills on calls of another architecture. */
	rc = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	/* Binary search: at installation the kernel tries the filter on each system call. */
	if (!rc)
		rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (i = 0; !rc && i < sizeof(sandbox_calls) / sizeof(sandbox_calls[0]); i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, sandbox_calls[i], 0);
	for (i = 0; !rc && i < sizeof(sandbox_refused) / sizeof(sandbox_refused[0]); i++)
		rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), sandbox_refused[i], 0);
	if (!rc)
		rc = sandbox_allow_map(filter, SCMP_SYS(mmap2));
	if (!rc && map_in_memory)
		rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 0);
	else if (!rc)
		rc = sandbox_allow_map(filter, SCMP_SYS(mmap));
	return rc;
}

static int sandbox_read_program(int fd, struct sock_fprog *program)
{
	off_t length = lseek(fd, 0, SEEK_END);
	void *filter;

	if (length < 0)
		return -errno;
	filter = malloc(length);
	if (!filter)
		return -ENOMEM;
	if (pread(fd, filter, length, 0) != length) {
		free(filter);
		return -EIO;
	}
	program->filter = filter;
	program->len = length / sizeof(*program->filter);
	return 0;
}

/* seccomp_export_bpf() writes to a file. */
static int sandbox_export(scmp_filter_ctx filter, struct sock_fprog *program)
{
	int fd, rc;

	fd = memfd_create("filter", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = seccomp_export_bpf(filter, fd);
	if (!rc)
		rc = sandbox_read_program(fd, program);
	close(fd);
	return rc;
}

/* Without seccomp in the kernel, libseccomp builds no filter, either. */
static bool sandbox_can_filter(void)
{
	return !SANDBOX_SANITIZED && prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0;
}

int sandbox_prepare(struct error *err)
{
	scmp_filter_ctx filter;
	int rc;

	if (!sandbox_can_filter() || sandbox_program.filter)
		return 0;
	filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (!filter)
		return error_errno(err, EXIT_SYSTEM, ENOMEM, "cannot give up system calls");
	rc = sandbox_fill(filter, SANDBOX_MAP_IN_MEMORY);
	if (!rc)
		rc = sandbox_export(filter, &sandbox_program);
	seccomp_release(filter);
	if (rc)
		return error_errno(err, EXIT_SYSTEM, -rc, "cannot give up system calls");
	return 0;
}

static int sandbox_filter(struct error *err)
{
	if (SANDBOX_SANITIZED)
		return 0;
	if (!sandbox_can_filter()) {
		log_note("this kernel cannot filter system calls");
		return 0;
	}
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &sandbox_program, 0, 0))
		return sandbox_error("system calls", err);
	return 0;
}

int sandbox_enter(unsigned int flags, const int *fds, unsigned int n, struct error *err)
{
	if (sandbox_prepare(err) || sandbox_files(flags, fds, n, err) ||
	    sandbox_limits(flags, err) || sandbox_user(err) || sandbox_capabilities(err) ||
	    sandbox_process(flags, err) || sandbox_landlock(err) || sandbox_filter(err))
		return -1;
	return 0;
}
