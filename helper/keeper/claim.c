// SPDX-License-Identifier: GPL-2.0-only
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/transport.h"
#include "keeper/claim.h"

#define CLAIM_FOLDER	"/run/nbd-attach"
#define CLAIM_POLL_MS	20

static void claim_path(char *to, size_t room, uint32_t index)
{
	snprintf(to, room, CLAIM_FOLDER "/nbd%u.pid", index);
}

/* A POSIX record lock belongs to the process: children, which may get stuck, do not inherit it. */
static const struct flock claim_lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };

/* True if @path still names the file of @fd: claim_drop() unlinks it. */
static bool claim_is_current(int fd, const char *path)
{
	struct stat ours, there;

	return !fstat(fd, &ours) && !stat(path, &there) && ours.st_ino == there.st_ino &&
	       ours.st_dev == there.st_dev;
}

/* Returns the locked file, -EAGAIN if another process has the lock, or another negative errno. */
static int claim_try(const char *path)
{
	int fd, rc;

	for (;;) {
		/* Mode 0600: any process that can open the file can lock it. */
		fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd < 0)
			return -errno;
		if (fcntl(fd, F_SETLK, &claim_lock)) {
			rc = errno == EACCES ? -EAGAIN : -errno;
			close(fd);
			return rc;
		}
		if (claim_is_current(fd, path))
			return fd;
		close(fd);
	}
}

/* Returns the PID of the process that has the lock, 0 if none has. */
static pid_t claim_holder(const char *path)
{
	struct flock lock = claim_lock;
	int fd, rc;

	fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return 0;
	rc = fcntl(fd, F_GETLK, &lock);
	close(fd);
	return rc || lock.l_type == F_UNLCK ? 0 : lock.l_pid;
}

/* True if process @pid has a file open that was at @path and has been removed. */
static bool claim_has_removed(pid_t pid, const char *path)
{
	char folder[32], want[96], target[96];
	struct dirent *entry;
	bool found = false;
	ssize_t len;
	DIR *dir;

	snprintf(want, sizeof(want), "%s (deleted)", path);
	snprintf(folder, sizeof(folder), "/proc/%d/fd", pid);
	dir = opendir(folder);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		len = readlinkat(dirfd(dir), entry->d_name, target, sizeof(target) - 1);
		if (len < 0)
			continue;
		target[len] = '\0';
		found = !strcmp(target, want);
	}
	closedir(dir);
	return found;
}

/*
 * Something may have removed the file from /run. /proc/locks still lists its lock, by the PID of
 * the process that took it, not of its children. Returns this PID, 0 if there is none.
 */
static pid_t claim_holder_of_removed(const char *path)
{
	pid_t pid, holder = 0;
	char line[256];
	FILE *locks;

	locks = fopen("/proc/locks", "re");
	if (!locks)
		return 0;
	while (!holder && fgets(line, sizeof(line), locks))
		if (sscanf(line, "%*u: POSIX %*s WRITE %d", &pid) == 1 && pid != getpid() &&
		    claim_has_removed(pid, path))
			holder = pid;
	fclose(locks);
	return holder;
}

/* claim_try() that also finds holders whose file was removed; *@holder is the PID, 0 if none. */
static int claim_try_all(const char *path, pid_t *holder)
{
	int fd = claim_try(path);

	*holder = fd == -EAGAIN ? claim_holder(path) : 0;
	if (fd < 0)
		return fd;
	*holder = claim_holder_of_removed(path);
	if (!*holder)
		return fd;
	unlink(path);
	close(fd);
	return -EAGAIN;
}

int claim_take(uint32_t index, unsigned int milliseconds, int *fd, struct error *err)
{
	struct deadline deadline = deadline_in(milliseconds);
	char path[64];
	pid_t holder;

	claim_path(path, sizeof(path), index);
	mkdir(CLAIM_FOLDER, 0755);
	while ((*fd = claim_try_all(path, &holder)) == -EAGAIN && deadline_left(&deadline))
		poll(NULL, 0, CLAIM_POLL_MS);
	if (*fd == -EAGAIN)
		return error_set(err, EXIT_BUSY, "process %d keeps this device already",
				 holder);
	if (*fd < 0) {
		log_note("%s: %s", path, strerror(-*fd));
		*fd = -1;
		return 0;
	}
	if (ftruncate(*fd, 0) || dprintf(*fd, "%d\n", getpid()) < 0)
		log_note("%s: %s", path, strerror(errno));
	return 0;
}

void claim_drop(uint32_t index, int fd)
{
	char path[64];

	if (fd < 0)
		return;
	claim_path(path, sizeof(path), index);
	if (claim_is_current(fd, path))
		unlink(path);
	close(fd);
}

bool claim_is_taken(uint32_t index, unsigned int milliseconds)
{
	struct deadline deadline = deadline_in(milliseconds);
	char path[64];

	claim_path(path, sizeof(path), index);
	while (claim_holder(path)) {
		if (!deadline_left(&deadline))
			return true;
		poll(NULL, 0, CLAIM_POLL_MS);
	}
	return false;
}
