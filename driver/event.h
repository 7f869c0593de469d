/* SPDX-License-Identifier: GPL-2.0-only */
/* Netlink events. */
#ifndef NBD_EVENT_H
#define NBD_EVENT_H

#include <linux/types.h>

#include "../uapi/linux/nbdctl.h"

void nbd_event(u32 index, u64 session, u8 cmd);
void nbd_event_slot(u32 index, u64 session, u8 cmd, u32 slot, u32 reason);
void nbd_event_resized(u32 index, u64 session, u64 size);
void nbd_event_link_dead(u32 index);
void nbd_event_detach_failed(u32 index, u64 session, u32 reason);

#endif /* NBD_EVENT_H */
