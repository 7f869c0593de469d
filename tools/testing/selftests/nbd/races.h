/* SPDX-License-Identifier: GPL-2.0-only */
/* What a task of the program races does by the old interfaces (races_compat.c). */
#ifndef RACES_H
#define RACES_H

#include "uapi.h"

/**
 * struct races_old - a task that uses the old interfaces
 * @nl: the family nbd
 * @server: what it connects to
 * @index: the device
 * @state: of rand_r()
 */
struct races_old {
	struct nl nl;
	const struct server *server;
	int index;
	unsigned int state;
};

/* False if the driver was built without the old interfaces */
bool races_old_open(struct races_old *old, const struct server *server, unsigned int seed);
/* Return: true if it was attached */
bool races_old_connect(struct races_old *old);
void races_old_disconnect(struct races_old *old);
void races_old_reconfigure(struct races_old *old);
void races_old_status(struct races_old *old);
/* Attach by ioctls, and stay in DO_IT for a while. Return: true if it was attached */
bool races_old_do_it(struct races_old *old);
/* One ioctl that ends or changes what is attached */
void races_old_ioctl(struct races_old *old);

#endif
