// SPDX-License-Identifier: GPL-2.0-only
/* One ioctl of the old interface on a device that another process runs. */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <linux/nbd.h>

/* compat_poke DEVICE size BYTES, or DEVICE clear [MS]: SET_SIZE, or CLEAR_SOCK after MS */
int main(int argc, char **argv)
{
	int fd;

	if (argc < 3)
		errx(2, "usage: compat_poke DEVICE size BYTES | DEVICE clear [MS]");
	fd = open(argv[1], O_RDWR | O_NONBLOCK);
	if (fd < 0)
		err(1, "%s", argv[1]);
	if (!strcmp(argv[2], "size") && argc == 4) {
		if (ioctl(fd, NBD_SET_SIZE, strtoul(argv[3], NULL, 0)))
			err(1, "SET_SIZE");
		return 0;
	}
	if (argc == 4)
		usleep(atoi(argv[3]) * 1000);
	if (ioctl(fd, NBD_CLEAR_SOCK))
		err(1, "CLEAR_SOCK");
	return 0;
}
