// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/pass.h"

union pass_control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

int pass_pair(int fds[2])
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) ? -errno : 0;
}

int pass_send(int fd, const void *data, size_t length, int file)
{
	struct iovec iov = { .iov_base = (void *)data, .iov_len = length };
	union pass_control control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (file >= 0) {
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(file));
		memcpy(CMSG_DATA(&control.header), &file, sizeof(file));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
	}
	do {
		n = sendmsg(fd, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static int pass_file(struct msghdr *msg)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(msg);
	int file;

	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
	    header->cmsg_len != CMSG_LEN(sizeof(file)))
		return -1;
	memcpy(&file, CMSG_DATA(header), sizeof(file));
	return file;
}

static ssize_t pass_take(int fd, void *data, size_t room, int *file)
{
	struct iovec iov = { .iov_base = data, .iov_len = room };
	union pass_control control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		/* Space for one file: the kernel drops others. */
		.msg_controllen = CMSG_LEN(sizeof(int)),
	};
	ssize_t n;

	*file = -1;
	do {
		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	*file = pass_file(&msg);
	if (!(msg.msg_flags & MSG_TRUNC))
		return n;
	if (*file >= 0)
		close(*file);
	*file = -1;
	return -EMSGSIZE;
}

ssize_t pass_receive(int fd, void *data, size_t room, int *file)
{
	ssize_t n = pass_take(fd, data, room, file);

	/*
	 * The kernel first looks for a message, and then whether the other side has closed. A
	 * message that came in between is still there, as the last one.
	 */
	return n ? n : pass_take(fd, data, room, file);
}
