// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests of the control interface: attributes are checked, and turned into a session and its
 * connections. If a request is refused, the extended ACK names the attribute.
 */
#include <linux/log2.h>
#include <linux/slab.h>
#include <net/genetlink.h>

#include "../uapi/linux/nbdctl.h"
#include "compat.h"
#include "conn.h"
#include "nbdctl-gen.h"
#include "parse.h"
#include "session.h"
#include "slots.h"
#include "socket.h"

/**
 * nbd_extack() - refuse a request with an extended ACK
 * @info: the request
 * @attr: the attribute that is wrong, or NULL if it is missing or there is none
 * @err: negative errno
 * @errmsg: text that names the attribute, a string constant
 *
 * Without memory there is no text, as the request is not wrong.
 *
 * Context: Any context.
 * Return: @err.
 */
int nbd_extack(struct genl_info *info, const struct nlattr *attr, int err, const char *errmsg)
{
	if (info->extack && err != -ENOMEM) {
		info->extack->_msg = errmsg;
		info->extack->bad_attr = attr;
	}
	return err;
}

u32 nbd_count_attrs(struct genl_info *info, int type)
{
	const struct nlattr *attr;
	u32 n = 0;
	int rem;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem)
		n += nla_type(attr) == type;
	return n;
}

u32 nbd_get_u32(struct genl_info *info, int type, u32 absent)
{
	return info->attrs[type] ? nla_get_u32(info->attrs[type]) : absent;
}

static bool parse_is_block(u32 size, u32 least, u32 most)
{
	return is_power_of_2(size) && size >= least && size <= most;
}

/* Block sizes: "Size constraints" in the NBD protocol, and what this kernel can use */
static int parse_blocks(struct genl_info *info, struct nbd_export *export)
{
	struct nlattr **attrs = info->attrs;
	u32 min_block = nbd_get_u32(info, NBDCTL_A_DEVICE_MIN_BLOCK_SIZE, NBD_MIN_BLOCK_DEFAULT);
	u32 payload = nbd_get_u32(info, NBDCTL_A_DEVICE_MAX_PAYLOAD, NBD_MAX_PAYLOAD);
	u32 preferred;

	if (!parse_is_block(min_block, 1, BLK_MAX_BLOCK_SIZE))
		return nbd_extack(info, attrs[NBDCTL_A_DEVICE_MIN_BLOCK_SIZE], -EINVAL,
				  "min-block-size: not a power of two up to max-min-block-size");
	preferred = nbd_get_u32(info, NBDCTL_A_DEVICE_PREFERRED_BLOCK_SIZE,
				max(min_block, NBD_PREF_BLOCK_DEFAULT));
	if (!parse_is_block(preferred, max(min_block, 512u), NBD_MAX_PAYLOAD))
		return nbd_extack(info, attrs[NBDCTL_A_DEVICE_PREFERRED_BLOCK_SIZE], -EINVAL,
				  "preferred-block-size: not a power of two from min-block-size");
	if (payload < max_t(u32, preferred, PAGE_SIZE) || payload > NBD_MAX_PAYLOAD)
		return nbd_extack(info, attrs[NBDCTL_A_DEVICE_MAX_PAYLOAD], -EINVAL,
				  "max-payload: must be from preferred-block-size to 32 MiB");
	export->min_block = min_block;
	export->preferred_block = preferred;
	export->max_payload = round_down(payload, max(min_block, 512u));
	return 0;
}

/**
 * nbd_parse_export() - parse the negotiated parameters of an export, except for its contexts
 * @info: the request
 * @export: where they go
 *
 * Context: Any context.
 * Return: 0; or negative errno, with an extended ACK.
 */
int nbd_parse_export(struct genl_info *info, struct nbd_export *export)
{
	struct nlattr **attrs = info->attrs;
	u32 mode;

	if (!attrs[NBDCTL_A_DEVICE_SIZE])
		return nbd_extack(info, NULL, -EINVAL, "size: required");
	if (!attrs[NBDCTL_A_DEVICE_TRANSMISSION_FLAGS])
		return nbd_extack(info, NULL, -EINVAL, "transmission-flags: required");
	if (!attrs[NBDCTL_A_DEVICE_HEADER_MODE])
		return nbd_extack(info, NULL, -EINVAL, "header-mode: required");
	mode = nla_get_u32(attrs[NBDCTL_A_DEVICE_HEADER_MODE]);
	if (mode > NBDCTL_HEADER_MODE_STRUCTURED)
		return nbd_extack(info, attrs[NBDCTL_A_DEVICE_HEADER_MODE], -EOPNOTSUPP,
				  "header-mode: not supported");
	export->structured = mode == NBDCTL_HEADER_MODE_STRUCTURED;
	export->size = nla_get_u64(attrs[NBDCTL_A_DEVICE_SIZE]);
	export->flags = nla_get_u16(attrs[NBDCTL_A_DEVICE_TRANSMISSION_FLAGS]);
	if (!nbd_export_has(export, NBD_FLAG_HAS_FLAGS))
		return nbd_extack(info, attrs[NBDCTL_A_DEVICE_TRANSMISSION_FLAGS], -EINVAL,
				  "transmission-flags: NBD_FLAG_HAS_FLAGS is missing");
	export->read_only = nbd_export_has(export, NBD_FLAG_READ_ONLY) ||
			    attrs[NBDCTL_A_DEVICE_READ_ONLY];
	return parse_blocks(info, export);
}

int nbd_check_size(struct genl_info *info, u64 size, const struct nbd_export *export)
{
	const struct nlattr *attr = info->attrs[NBDCTL_A_DEVICE_SIZE];

	if (size > S64_MAX)
		return nbd_extack(info, attr, -EINVAL, "size: too large");
	if (size < nbd_export_block(export))
		return nbd_extack(info, attr, -EINVAL, "size: less than one block");
	return 0;
}

static int parse_context(struct genl_info *info, const struct nlattr *attr,
			 struct nbd_export *export)
{
	struct nlattr *tb[ARRAY_SIZE(nbdctl_context_request_nl_policy)];
	u32 i;
	int err;

	err = nla_parse_nested(tb, ARRAY_SIZE(tb) - 1, attr, nbdctl_context_request_nl_policy,
			       info->extack);
	if (err)
		return err;
	if (!tb[NBDCTL_A_CONTEXT_NAME] || !strchr(nla_data(tb[NBDCTL_A_CONTEXT_NAME]), ':'))
		return nbd_extack(info, attr, -EINVAL, "context: requires a name, namespace:leaf");
	for (i = 0; i < export->nr_contexts; i++)
		if (!nla_strcmp(tb[NBDCTL_A_CONTEXT_NAME], export->contexts[i]))
			return nbd_extack(info, attr, -EINVAL, "context: duplicate name");
	export->contexts[i] = nla_strdup(tb[NBDCTL_A_CONTEXT_NAME], GFP_KERNEL);
	if (!export->contexts[i])
		return -ENOMEM;
	export->nr_contexts++;
	return 0;
}

static int parse_contexts(struct genl_info *info, struct nbd_export *export)
{
	u32 n = nbd_count_attrs(info, NBDCTL_A_DEVICE_CONTEXT);
	const struct nlattr *attr;
	int rem, err;

	if (!n)
		return 0;
	if (!export->structured)
		return nbd_extack(info, info->attrs[NBDCTL_A_DEVICE_CONTEXT], -EINVAL,
				  "context: requires header-mode structured");
	if (n > NBD_MAX_CONTEXTS)
		return nbd_extack(info, info->attrs[NBDCTL_A_DEVICE_CONTEXT], -E2BIG,
				  "context: too many");
	export->contexts = kcalloc(n, sizeof(*export->contexts), GFP_KERNEL);
	if (!export->contexts)
		return -ENOMEM;
	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		if (nla_type(attr) != NBDCTL_A_DEVICE_CONTEXT)
			continue;
		err = parse_context(info, attr, export);
		if (err)
			return err;
	}
	return 0;
}

/* Context ids of a connection, while they are parsed */
struct id_set {
	struct nbd_context_id ids[NBD_MAX_CONTEXTS];
	DECLARE_BITMAP(given, NBD_MAX_CONTEXTS);
};

static bool parse_id_taken(const struct id_set *set, u32 n, u32 id)
{
	u32 i;

	for_each_set_bit(i, set->given, n)
		if (!set->ids[i].lost && set->ids[i].id == id)
			return true;
	return false;
}

static int parse_id(struct genl_info *info, const struct nlattr *attr, u32 n, bool may_lose,
		    struct id_set *set)
{
	struct nlattr *tb[ARRAY_SIZE(nbdctl_context_id_nl_policy)];
	bool lost;
	u32 i;
	int err;

	err = nla_parse_nested(tb, ARRAY_SIZE(tb) - 1, attr, nbdctl_context_id_nl_policy,
			       info->extack);
	if (err)
		return err;
	if (!tb[NBDCTL_A_CONTEXT_ID_CONTEXT] ||
	    nla_get_u32(tb[NBDCTL_A_CONTEXT_ID_CONTEXT]) >= n)
		return nbd_extack(info, attr, -EINVAL,
				  "context-id: requires the index of a context");
	i = nla_get_u32(tb[NBDCTL_A_CONTEXT_ID_CONTEXT]);
	lost = nla_get_flag(tb[NBDCTL_A_CONTEXT_ID_LOST]);
	if (lost == !!tb[NBDCTL_A_CONTEXT_ID_ID])
		return nbd_extack(info, attr, -EINVAL, "context-id: requires either id or lost");
	if (lost && !may_lose)
		return nbd_extack(info, attr, -EINVAL,
				  "context-id: lost is not allowed in an attach");
	if (__test_and_set_bit(i, set->given))
		return nbd_extack(info, attr, -EINVAL, "context-id: duplicate context");
	set->ids[i].lost = lost;
	if (lost)
		return 0;
	__clear_bit(i, set->given);
	if (parse_id_taken(set, n, nla_get_u32(tb[NBDCTL_A_CONTEXT_ID_ID])))
		return nbd_extack(info, attr, -EINVAL, "context-id: duplicate id");
	__set_bit(i, set->given);
	set->ids[i].id = nla_get_u32(tb[NBDCTL_A_CONTEXT_ID_ID]);
	return 0;
}

static int parse_ids(struct genl_info *info, const struct nlattr *slot, u32 n, bool may_lose,
		     struct id_set *set)
{
	const struct nlattr *attr;
	int rem, err;

	nla_for_each_nested(attr, slot, rem) {
		if (nla_type(attr) != NBDCTL_A_SLOT_CONTEXT_ID)
			continue;
		err = parse_id(info, attr, n, may_lose, set);
		if (err)
			return err;
	}
	if (bitmap_weight(set->given, NBD_MAX_CONTEXTS) != n)
		return nbd_extack(info, slot, -EINVAL, "slot: context-id of a context is missing");
	return 0;
}

/* Create a connection from a descriptor of the calling process */
static struct nbd_conn *parse_socket(struct genl_info *info, const struct nlattr *fd,
				     struct nbd_session *session, u32 index)
{
	const char *errmsg = NULL;
	struct nbd_conn *conn;
	struct socket *sock;

	sock = nbd_socket_lookup(nla_get_u32(fd), &errmsg);
	conn = ERR_CAST(sock);
	if (!IS_ERR(sock)) {
		conn = nbd_slots_alloc_conn(session, index, sock, &errmsg);
		sockfd_put(sock);
	}
	if (IS_ERR(conn))
		nbd_extack(info, fd, PTR_ERR(conn), errmsg);
	return conn;
}

/*
 * Create a connection from a slot attribute. @position is the number of the slot; if it is
 * negative, the attribute must have it.
 */
static struct nbd_conn *parse_slot(struct genl_info *info, const struct nlattr *attr,
				   struct nbd_session *session, int position)
{
	struct nlattr *tb[ARRAY_SIZE(nbdctl_slot_request_nl_policy)];
	u32 n = session->export.nr_contexts, index;
	struct nbd_conn *conn;
	struct id_set *set;
	int err;

	err = nla_parse_nested(tb, ARRAY_SIZE(tb) - 1, attr, nbdctl_slot_request_nl_policy,
			       info->extack);
	if (err)
		return ERR_PTR(err);
	index = tb[NBDCTL_A_SLOT_INDEX] ? nla_get_u32(tb[NBDCTL_A_SLOT_INDEX]) : position;
	if (index >= session->nr_slots || (position >= 0 && index != position))
		return ERR_PTR(nbd_extack(info, attr, -EINVAL, "slot: wrong index"));
	if (!tb[NBDCTL_A_SLOT_FD])
		return ERR_PTR(nbd_extack(info, attr, -EINVAL, "slot: requires an fd"));
	if (tb[NBDCTL_A_SLOT_RECONNECTS] && position >= 0)
		return ERR_PTR(nbd_extack(info, attr, -EINVAL,
					  "slot: reconnects is not allowed in an attach"));
	set = kzalloc(sizeof(*set), GFP_KERNEL);
	if (!set)
		return ERR_PTR(-ENOMEM);
	err = parse_ids(info, attr, n, position < 0, set);
	conn = ERR_PTR(err);
	if (err)
		goto free_set;
	conn = parse_socket(info, tb[NBDCTL_A_SLOT_FD], session, index);
	if (IS_ERR(conn))
		goto free_set;
	memcpy(conn->ids, set->ids, n * sizeof(*conn->ids));
	if (tb[NBDCTL_A_SLOT_RECONNECTS])
		conn->nth = nla_get_u32(tb[NBDCTL_A_SLOT_RECONNECTS]) + 1;
free_set:
	kfree(set);
	return conn;
}

/**
 * nbd_parse_slots() - create connections from the slot attributes of a request
 * @info: the request
 * @session: session that the connections are for
 * @nr: number of slot attributes
 * @attach: they are all slots of the session, in order; else each must have its index
 *
 * The file descriptors are those of the calling process.
 *
 * Context: Process context, may sleep.
 * Return: @nr connections, for nbd_put_conns(); or an ERR_PTR, with an extended ACK.
 */
struct nbd_conn **nbd_parse_slots(struct genl_info *info, struct nbd_session *session, u32 nr,
				  bool attach)
{
	struct nbd_conn **conns, *conn;
	const struct nlattr *attr;
	u32 n = 0;
	int rem;

	conns = kcalloc(nr, sizeof(*conns), GFP_KERNEL);
	if (!conns)
		return ERR_PTR(-ENOMEM);
	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		if (nla_type(attr) != NBDCTL_A_DEVICE_SLOT)
			continue;
		conn = parse_slot(info, attr, session, attach ? n : -1);
		if (IS_ERR(conn)) {
			nbd_put_conns(conns, n);
			return ERR_CAST(conn);
		}
		conns[n++] = conn;
	}
	return conns;
}

int nbd_parse_string(struct genl_info *info, int type, char **to)
{
	if (!info->attrs[type])
		return 0;
	*to = nla_strdup(info->attrs[type], GFP_KERNEL);
	return *to ? 0 : -ENOMEM;
}

static int parse_check_slots(struct genl_info *info, u32 n)
{
	u32 flags = 0;

	if (!n)
		return nbd_extack(info, NULL, -EINVAL, "slot: required");
	if (n > NBD_MAX_SLOTS)
		return nbd_extack(info, info->attrs[NBDCTL_A_DEVICE_SLOT], -E2BIG,
				  "slot: too many");
	if (info->attrs[NBDCTL_A_DEVICE_TRANSMISSION_FLAGS])
		flags = nla_get_u16(info->attrs[NBDCTL_A_DEVICE_TRANSMISSION_FLAGS]);
	if (n > 1 && !(flags & NBD_FLAG_CAN_MULTI_CONN))
		return nbd_extack(info, info->attrs[NBDCTL_A_DEVICE_SLOT], -EINVAL,
				  "slot: more than one requires NBD_FLAG_CAN_MULTI_CONN");
	return 0;
}

/**
 * nbd_parse_session() - create a session from an attach request
 * @info: the request
 *
 * The session lacks its connections, and what nbd_session_init_queues() allocates.
 *
 * Context: Process context, may sleep.
 * Return: the session with one reference; or an ERR_PTR, with an extended ACK.
 */
struct nbd_session *nbd_parse_session(struct genl_info *info)
{
	u32 n = nbd_count_attrs(info, NBDCTL_A_DEVICE_SLOT), depth, timeout;
	struct nbd_session *session;
	int err;

	err = parse_check_slots(info, n);
	if (err)
		return ERR_PTR(err);
	depth = nbd_get_u32(info, NBDCTL_A_DEVICE_QUEUE_DEPTH, NBD_DEFAULT_DEPTH);
	if (!depth || depth > NBD_MAX_DEPTH)
		return ERR_PTR(nbd_extack(info, info->attrs[NBDCTL_A_DEVICE_QUEUE_DEPTH], -EINVAL,
					  "queue-depth: must be from 1 to 1024"));
	session = nbd_session_alloc(n);
	if (!session)
		return ERR_PTR(-ENOMEM);
	timeout = nbd_get_u32(info, NBDCTL_A_DEVICE_REQUEST_TIMEOUT, 0);
	session->request_timeout = timeout ? max(msecs_to_jiffies(timeout), 1ul) : 0;
	session->dead_time = nbd_get_u32(info, NBDCTL_A_DEVICE_DEAD_TIME, 0);
	err = nbd_parse_export(info, &session->export) ?:
	      nbd_check_size(info, session->export.size, &session->export) ?:
	      parse_contexts(info, &session->export) ?:
	      nbd_parse_string(info, NBDCTL_A_DEVICE_IDENTIFIER, &session->identifier) ?:
	      nbd_parse_string(info, NBDCTL_A_DEVICE_DISPLAY, &session->display);
	if (!err)
		return session;
	nbd_session_put(session);
	return ERR_PTR(err);
}
