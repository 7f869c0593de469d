/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests of the control interface: checked, and parsed. */
#ifndef NBD_PARSE_H
#define NBD_PARSE_H

#include <net/genetlink.h>

#include "../uapi/linux/nbdctl.h"
#include "session.h"

int nbd_extack(struct genl_info *info, const struct nlattr *attr, int err, const char *errmsg);
u32 nbd_count_attrs(struct genl_info *info, int type);
u32 nbd_get_u32(struct genl_info *info, int type, u32 absent);
int nbd_parse_export(struct genl_info *info, struct nbd_export *export);
int nbd_parse_string(struct genl_info *info, int type, char **to);
int nbd_check_size(struct genl_info *info, u64 size, const struct nbd_export *export);

struct nbd_session *nbd_parse_session(struct genl_info *info);
struct nbd_conn **nbd_parse_slots(struct genl_info *info, struct nbd_session *session, u32 nr,
				  bool attach);

#endif /* NBD_PARSE_H */
