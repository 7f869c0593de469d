// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control face: netlink attributes are checked and understood here, and
 * shown. What they ask for is done by the device.
 *
 * The family is described in Documentation/netlink/specs/nbdctl.yaml.
 */
#include <linux/log2.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include <net/sock.h>

#include "../uapi/linux/nbdctl.h"
#include "device.h"
#include "nbdctl.h"
#include "show.h"

static const struct nla_policy context_policy[NBDCTL_A_CONTEXT_MAX + 1] = {
	[NBDCTL_A_CONTEXT_NAME] = { .type = NLA_NUL_STRING, .len = NBDCTL_NAME_MAX },
};

static const struct nla_policy context_id_policy[NBDCTL_A_CONTEXT_ID_MAX + 1] = {
	[NBDCTL_A_CONTEXT_ID_CONTEXT] = { .type = NLA_U32 },
	[NBDCTL_A_CONTEXT_ID_ID] = { .type = NLA_U32 },
	[NBDCTL_A_CONTEXT_ID_LOST] = { .type = NLA_FLAG },
};

static const struct nla_policy slot_policy[NBDCTL_A_SLOT_CONTEXT_ID + 1] = {
	[NBDCTL_A_SLOT_INDEX] = { .type = NLA_U32 },
	[NBDCTL_A_SLOT_FD] = { .type = NLA_U32 },
	[NBDCTL_A_SLOT_CONTEXT_ID] = NLA_POLICY_NESTED(context_id_policy),
};

static const struct nla_policy no_policy[2] = {
	[1] = { .type = NLA_REJECT },
};

static const struct nla_policy get_policy[NBDCTL_A_DEVICE_INDEX + 1] = {
	[NBDCTL_A_DEVICE_INDEX] = { .type = NLA_U32 },
};

static const struct nla_policy attach_policy[NBDCTL_A_DEVICE_DISPLAY + 1] = {
	[NBDCTL_A_DEVICE_INDEX] = { .type = NLA_U32 },
	[NBDCTL_A_DEVICE_SIZE] = { .type = NLA_U64 },
	[NBDCTL_A_DEVICE_TRANSMISSION_FLAGS] = { .type = NLA_U16 },
	[NBDCTL_A_DEVICE_HEADER_MODE] = { .type = NLA_U32 },
	[NBDCTL_A_DEVICE_MIN_BLOCK_SIZE] = { .type = NLA_U32 },
	[NBDCTL_A_DEVICE_PREFERRED_BLOCK_SIZE] = { .type = NLA_U32 },
	[NBDCTL_A_DEVICE_MAX_PAYLOAD] = { .type = NLA_U32 },
	[NBDCTL_A_DEVICE_CONTEXT] = NLA_POLICY_NESTED(context_policy),
	[NBDCTL_A_DEVICE_SLOT] = NLA_POLICY_NESTED(slot_policy),
	[NBDCTL_A_DEVICE_REQUEST_TIMEOUT] = { .type = NLA_U32 },
	[NBDCTL_A_DEVICE_DEAD_TIME] = { .type = NLA_U32 },
	[NBDCTL_A_DEVICE_QUEUE_DEPTH] = { .type = NLA_U32 },
	[NBDCTL_A_DEVICE_READ_ONLY] = { .type = NLA_FLAG },
	[NBDCTL_A_DEVICE_IDENTIFIER] = { .type = NLA_NUL_STRING, .len = NBDCTL_IDENTIFIER_MAX },
	[NBDCTL_A_DEVICE_DISPLAY] = { .type = NLA_NUL_STRING, .len = NBDCTL_NAME_MAX },
};

static const struct nla_policy detach_policy[NBDCTL_A_DEVICE_FORCE + 1] = {
	[NBDCTL_A_DEVICE_INDEX] = { .type = NLA_U32 },
	[NBDCTL_A_DEVICE_FORCE] = { .type = NLA_FLAG },
};

static const struct nla_policy slot_replace_policy[NBDCTL_A_DEVICE_SLOT + 1] = {
	[NBDCTL_A_DEVICE_INDEX] = { .type = NLA_U32 },
	[NBDCTL_A_DEVICE_SLOT] = NLA_POLICY_NESTED(slot_policy),
};

static const struct nla_policy resize_policy[NBDCTL_A_DEVICE_SIZE + 1] = {
	[NBDCTL_A_DEVICE_INDEX] = { .type = NLA_U32 },
	[NBDCTL_A_DEVICE_SIZE] = { .type = NLA_U64 },
};

/* Refuse a request; the text names the attribute, @attr says where it is, if it is there */
static int refuse(struct genl_info *info, const struct nlattr *attr, int err, const char *why)
{
	if (info->extack) {
		info->extack->_msg = why;
		info->extack->bad_attr = attr;
	}
	return err;
}

static int need_privilege(struct sk_buff *skb, struct genl_info *info)
{
	if (netlink_capable(skb, CAP_SYS_ADMIN))
		return 0;
	return refuse(info, NULL, -EPERM, "CAP_SYS_ADMIN is required, in the first user namespace");
}

static u32 count_attrs(struct genl_info *info, int type)
{
	const struct nlattr *attr;
	u32 n = 0;
	int rem;

	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem)
		n += nla_type(attr) == type;
	return n;
}

static u32 get_u32(struct genl_info *info, int type, u32 absent)
{
	return info->attrs[type] ? nla_get_u32(info->attrs[type]) : absent;
}

static bool is_block(u32 size, u32 least, u32 most)
{
	return is_power_of_2(size) && size >= least && size <= most;
}

/* "Size constraints" in the NBD protocol, and what this kernel can do with them */
static int parse_blocks(struct genl_info *info, struct nbd_export *export)
{
	struct nlattr **attrs = info->attrs;
	u32 min_block = get_u32(info, NBDCTL_A_DEVICE_MIN_BLOCK_SIZE, NBD_MIN_BLOCK_DEFAULT);
	u32 payload = get_u32(info, NBDCTL_A_DEVICE_MAX_PAYLOAD, NBD_MAX_PAYLOAD);
	u32 preferred;

	if (!is_block(min_block, 1, PAGE_SIZE))
		return refuse(info, attrs[NBDCTL_A_DEVICE_MIN_BLOCK_SIZE], -EINVAL,
			      "min-block-size must be a power of two up to the page size");
	preferred = get_u32(info, NBDCTL_A_DEVICE_PREFERRED_BLOCK_SIZE,
			    max(min_block, NBD_PREF_BLOCK_DEFAULT));
	if (!is_block(preferred, max(min_block, 512u), NBD_MAX_PAYLOAD))
		return refuse(info, attrs[NBDCTL_A_DEVICE_PREFERRED_BLOCK_SIZE], -EINVAL,
			      "preferred-block-size must be a power of two from min-block-size on");
	if (payload < max_t(u32, preferred, PAGE_SIZE) || payload > NBD_MAX_PAYLOAD)
		return refuse(info, attrs[NBDCTL_A_DEVICE_MAX_PAYLOAD], -EINVAL,
			      "max-payload must be from preferred-block-size to 32 MiB");
	export->min_block = min_block;
	export->preferred_block = preferred;
	export->max_payload = round_down(payload, max(min_block, 512u));
	return 0;
}

static int parse_facts(struct genl_info *info, struct nbd_export *export)
{
	struct nlattr **attrs = info->attrs;
	u32 mode;

	if (!attrs[NBDCTL_A_DEVICE_SIZE])
		return refuse(info, NULL, -EINVAL, "size is required");
	if (!attrs[NBDCTL_A_DEVICE_TRANSMISSION_FLAGS])
		return refuse(info, NULL, -EINVAL, "transmission-flags is required");
	if (!attrs[NBDCTL_A_DEVICE_HEADER_MODE])
		return refuse(info, NULL, -EINVAL, "header-mode is required");
	mode = nla_get_u32(attrs[NBDCTL_A_DEVICE_HEADER_MODE]);
	if (mode > NBDCTL_HEADER_MODE_STRUCTURED)
		return refuse(info, attrs[NBDCTL_A_DEVICE_HEADER_MODE], -EOPNOTSUPP,
			      "header-mode is none that this driver speaks");
	export->structured = mode == NBDCTL_HEADER_MODE_STRUCTURED;
	export->size = nla_get_u64(attrs[NBDCTL_A_DEVICE_SIZE]);
	export->flags = nla_get_u16(attrs[NBDCTL_A_DEVICE_TRANSMISSION_FLAGS]);
	if (!nbd_export_has(export, NBD_TF_HAS_FLAGS))
		return refuse(info, attrs[NBDCTL_A_DEVICE_TRANSMISSION_FLAGS], -EINVAL,
			      "transmission-flags lacks NBD_FLAG_HAS_FLAGS");
	export->read_only = nbd_export_has(export, NBD_TF_READ_ONLY) ||
			    attrs[NBDCTL_A_DEVICE_READ_ONLY];
	return parse_blocks(info, export);
}

static int check_size(struct genl_info *info, u64 size, const struct nbd_export *export)
{
	const struct nlattr *attr = info->attrs[NBDCTL_A_DEVICE_SIZE];

	if (size > S64_MAX)
		return refuse(info, attr, -EINVAL, "size is too large");
	if (size < nbd_export_block(export))
		return refuse(info, attr, -EINVAL, "size is less than one block");
	return 0;
}

static int parse_context(struct genl_info *info, const struct nlattr *attr,
			 struct nbd_export *export)
{
	struct nlattr *tb[NBDCTL_A_CONTEXT_MAX + 1];
	u32 i;
	int err;

	err = nla_parse_nested(tb, NBDCTL_A_CONTEXT_MAX, attr, context_policy, info->extack);
	if (err)
		return err;
	if (!tb[NBDCTL_A_CONTEXT_NAME] || !strchr(nla_data(tb[NBDCTL_A_CONTEXT_NAME]), ':'))
		return refuse(info, attr, -EINVAL, "context needs a name, namespace:leaf");
	for (i = 0; i < export->nr_contexts; i++)
		if (!nla_strcmp(tb[NBDCTL_A_CONTEXT_NAME], export->contexts[i]))
			return refuse(info, attr, -EINVAL, "context is named twice");
	export->contexts[i] = nla_strdup(tb[NBDCTL_A_CONTEXT_NAME], GFP_KERNEL);
	if (!export->contexts[i])
		return -ENOMEM;
	export->nr_contexts++;
	return 0;
}

static int parse_contexts(struct genl_info *info, struct nbd_export *export)
{
	u32 n = count_attrs(info, NBDCTL_A_DEVICE_CONTEXT);
	const struct nlattr *attr;
	int rem, err;

	if (!n)
		return 0;
	if (!export->structured)
		return refuse(info, info->attrs[NBDCTL_A_DEVICE_CONTEXT], -EINVAL,
			      "context needs the header-mode structured");
	if (n > NBD_MAX_CONTEXTS)
		return refuse(info, info->attrs[NBDCTL_A_DEVICE_CONTEXT], -E2BIG,
			      "context is given too often");
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

/* Ids of contexts on one connection, as they are gathered */
struct id_set {
	struct nbd_context_id ids[NBD_MAX_CONTEXTS];
	DECLARE_BITMAP(given, NBD_MAX_CONTEXTS);
};

static bool id_taken(const struct id_set *set, u32 n, u32 id)
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
	struct nlattr *tb[NBDCTL_A_CONTEXT_ID_MAX + 1];
	bool lost;
	u32 i;
	int err;

	err = nla_parse_nested(tb, NBDCTL_A_CONTEXT_ID_MAX, attr, context_id_policy, info->extack);
	if (err)
		return err;
	if (!tb[NBDCTL_A_CONTEXT_ID_CONTEXT] ||
	    nla_get_u32(tb[NBDCTL_A_CONTEXT_ID_CONTEXT]) >= n)
		return refuse(info, attr, -EINVAL, "context-id needs the index of a context");
	i = nla_get_u32(tb[NBDCTL_A_CONTEXT_ID_CONTEXT]);
	lost = nla_get_flag(tb[NBDCTL_A_CONTEXT_ID_LOST]);
	if (lost == !!tb[NBDCTL_A_CONTEXT_ID_ID])
		return refuse(info, attr, -EINVAL, "context-id needs either id or lost");
	if (lost && !may_lose)
		return refuse(info, attr, -EINVAL, "context-id can only be lost later");
	if (__test_and_set_bit(i, set->given))
		return refuse(info, attr, -EINVAL, "context-id is given twice for a context");
	set->ids[i].lost = lost;
	if (lost)
		return 0;
	__clear_bit(i, set->given);
	if (id_taken(set, n, nla_get_u32(tb[NBDCTL_A_CONTEXT_ID_ID])))
		return refuse(info, attr, -EINVAL, "context-id gives one id to two contexts");
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
		return refuse(info, slot, -EINVAL, "slot lacks a context-id for a context");
	return 0;
}

/*
 * Make a connection of what is said of a slot. @position is its number; or
 * negative, then the slot must say which it is.
 */
static struct nbd_conn *parse_slot(struct genl_info *info, const struct nlattr *attr,
				   struct nbd_session *session, int position)
{
	struct nlattr *tb[NBDCTL_A_SLOT_CONTEXT_ID + 1];
	u32 n = session->export.nr_contexts, index;
	const char *why = NULL;
	struct nbd_conn *conn;
	struct id_set *set;
	int err;

	err = nla_parse_nested(tb, NBDCTL_A_SLOT_CONTEXT_ID, attr, slot_policy, info->extack);
	if (err)
		return ERR_PTR(err);
	index = tb[NBDCTL_A_SLOT_INDEX] ? nla_get_u32(tb[NBDCTL_A_SLOT_INDEX]) : position;
	if (index >= session->nr_slots || (position >= 0 && index != position))
		return ERR_PTR(refuse(info, attr, -EINVAL, "slot has a wrong index"));
	if (!tb[NBDCTL_A_SLOT_FD])
		return ERR_PTR(refuse(info, attr, -EINVAL, "slot needs an fd"));
	set = kzalloc(sizeof(*set), GFP_KERNEL);
	if (!set)
		return ERR_PTR(-ENOMEM);
	err = parse_ids(info, attr, n, position < 0, set);
	conn = ERR_PTR(err);
	if (err)
		goto free_set;
	conn = nbd_conn_alloc(session, index, nla_get_u32(tb[NBDCTL_A_SLOT_FD]), &why);
	if (IS_ERR(conn))
		refuse(info, tb[NBDCTL_A_SLOT_FD], 0, why);
	else
		memcpy(conn->ids, set->ids, n * sizeof(*conn->ids));
free_set:
	kfree(set);
	return conn;
}

static void put_conns(struct nbd_conn **conns, u32 n)
{
	while (n)
		nbd_conn_put(conns[--n]);
	kfree(conns);
}

static struct nbd_conn **parse_slots(struct genl_info *info, struct nbd_session *session)
{
	struct nbd_conn **conns, *conn;
	const struct nlattr *attr;
	u32 n = 0;
	int rem;

	conns = kcalloc(session->nr_slots, sizeof(*conns), GFP_KERNEL);
	if (!conns)
		return ERR_PTR(-ENOMEM);
	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		if (nla_type(attr) != NBDCTL_A_DEVICE_SLOT)
			continue;
		conn = parse_slot(info, attr, session, n);
		if (IS_ERR(conn)) {
			put_conns(conns, n);
			return ERR_CAST(conn);
		}
		conns[n++] = conn;
	}
	return conns;
}

static int parse_string(struct genl_info *info, int type, char **to)
{
	if (!info->attrs[type])
		return 0;
	*to = nla_strdup(info->attrs[type], GFP_KERNEL);
	return *to ? 0 : -ENOMEM;
}

static int check_slots(struct genl_info *info, u32 n)
{
	u32 flags = 0;

	if (!n)
		return refuse(info, NULL, -EINVAL, "slot is required");
	if (n > NBD_MAX_SLOTS)
		return refuse(info, info->attrs[NBDCTL_A_DEVICE_SLOT], -E2BIG,
			      "slot is given too often");
	if (info->attrs[NBDCTL_A_DEVICE_TRANSMISSION_FLAGS])
		flags = nla_get_u16(info->attrs[NBDCTL_A_DEVICE_TRANSMISSION_FLAGS]);
	if (n > 1 && !(flags & NBD_TF_MULTI_CONN))
		return refuse(info, info->attrs[NBDCTL_A_DEVICE_SLOT], -EINVAL,
			      "slot: several, but transmission-flags lacks NBD_FLAG_CAN_MULTI_CONN");
	return 0;
}

/* Everything of an attach but its device and its sockets */
static struct nbd_session *parse_session(struct genl_info *info)
{
	u32 n = count_attrs(info, NBDCTL_A_DEVICE_SLOT), depth, timeout;
	struct nbd_session *session;
	int err;

	err = check_slots(info, n);
	if (err)
		return ERR_PTR(err);
	depth = get_u32(info, NBDCTL_A_DEVICE_QUEUE_DEPTH, NBD_DEFAULT_DEPTH);
	if (!depth || depth > NBD_MAX_DEPTH)
		return ERR_PTR(refuse(info, info->attrs[NBDCTL_A_DEVICE_QUEUE_DEPTH], -EINVAL,
				      "queue-depth must be from 1 to 1024"));
	session = nbd_session_alloc(n);
	if (!session)
		return ERR_PTR(-ENOMEM);
	timeout = get_u32(info, NBDCTL_A_DEVICE_REQUEST_TIMEOUT, 0);
	session->request_timeout = timeout ? max(msecs_to_jiffies(timeout), 1ul) : 0;
	session->dead_time = get_u32(info, NBDCTL_A_DEVICE_DEAD_TIME, 0);
	err = parse_facts(info, &session->export) ?:
	      check_size(info, session->export.size, &session->export) ?:
	      parse_contexts(info, &session->export) ?:
	      parse_string(info, NBDCTL_A_DEVICE_IDENTIFIER, &session->identifier) ?:
	      parse_string(info, NBDCTL_A_DEVICE_DISPLAY, &session->display);
	if (!err)
		return session;
	nbd_session_put(session);
	return ERR_PTR(err);
}

static struct sk_buff *new_reply(struct genl_info *info, size_t size, void **head)
{
	struct sk_buff *skb = genlmsg_new(size, GFP_KERNEL);

	if (!skb)
		return NULL;
	*head = genlmsg_put_reply(skb, info, &nbdctl_family, 0, info->genlhdr->cmd);
	return skb;
}

/* Make the session the device's; the number of the device is put into @index */
static int attach_session(struct genl_info *info, struct nbd_session *session,
			  struct nbd_conn **conns, u32 *index)
{
	struct nlattr *attr = info->attrs[NBDCTL_A_DEVICE_INDEX];
	const char *why = NULL;
	struct nbd_device *dev;
	int err;

	dev = nbd_device_lock_for_attach(get_u32(info, NBDCTL_A_DEVICE_INDEX, 0), !attr,
					 session->nr_slots,
					 get_u32(info, NBDCTL_A_DEVICE_QUEUE_DEPTH, 0), &why);
	if (IS_ERR(dev))
		return refuse(info, attr, PTR_ERR(dev), why);
	*index = dev->index;
	err = nbd_session_shape(session, dev->index, dev->tag_set.nr_hw_queues,
				dev->tag_set.queue_depth);
	if (err)
		goto unlock;
	err = nbd_device_attach(dev, session, conns);
	if (err)
		refuse(info, NULL, err, "the block layer does not take the limits");
unlock:
	nbd_device_unlock(dev);
	return err;
}

static int attach_doit(struct sk_buff *skb, struct genl_info *info)
{
	u32 index = get_u32(info, NBDCTL_A_DEVICE_INDEX, 0);
	struct nbd_session *session;
	struct nbd_conn **conns;
	struct sk_buff *reply;
	void *head;
	int err;

	err = need_privilege(skb, info);
	if (err)
		return err;
	if (index > nbd_index_max())
		return refuse(info, info->attrs[NBDCTL_A_DEVICE_INDEX], -EINVAL,
			      "index is too large");
	/* After the attach nothing may fail any more */
	reply = new_reply(info, nla_total_size(sizeof(u32)), &head);
	if (!reply)
		return -ENOMEM;
	session = parse_session(info);
	err = PTR_ERR_OR_ZERO(session);
	if (err)
		goto free_reply;
	conns = parse_slots(info, session);
	err = PTR_ERR_OR_ZERO(conns);
	if (err)
		goto put_session;
	err = attach_session(info, session, conns, &index);
	if (err)
		goto put_conns;
	kfree(conns);
	nla_put_u32(reply, NBDCTL_A_DEVICE_INDEX, index);
	genlmsg_end(reply, head);
	return genlmsg_reply(reply, info);

put_conns:
	put_conns(conns, session->nr_slots);
put_session:
	nbd_session_put(session);
free_reply:
	nlmsg_free(reply);
	return err;
}

/* The device a request is for, locked */
static struct nbd_device *lock_named(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *attr = info->attrs[NBDCTL_A_DEVICE_INDEX];
	struct nbd_device *dev;
	int err;

	err = need_privilege(skb, info);
	if (err)
		return ERR_PTR(err);
	if (!attr)
		return ERR_PTR(refuse(info, NULL, -EINVAL, "index is required"));
	dev = nbd_device_lock(nla_get_u32(attr));
	if (!dev)
		return ERR_PTR(refuse(info, attr, -ENODEV, "index is no device"));
	return dev;
}

static int detach_doit(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *attr = info->attrs[NBDCTL_A_DEVICE_INDEX];
	struct nbd_device *dev = lock_named(skb, info);
	const char *why;
	int err;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	if (info->attrs[NBDCTL_A_DEVICE_FORCE] && nbd_device_session(dev)) {
		nbd_device_detach_now(dev);
		return 0;
	}
	err = nbd_device_detach(dev, &why);
	nbd_device_unlock(dev);
	return err ? refuse(info, attr, err, why) : 0;
}

static int replace_slots(struct genl_info *info, struct nbd_session *session)
{
	struct nbd_conn *conn;
	const struct nlattr *attr;
	int rem, err;

	if (!count_attrs(info, NBDCTL_A_DEVICE_SLOT))
		return refuse(info, NULL, -EINVAL, "slot is required");
	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		if (nla_type(attr) != NBDCTL_A_DEVICE_SLOT)
			continue;
		conn = parse_slot(info, attr, session, -1);
		if (IS_ERR(conn))
			return PTR_ERR(conn);
		err = nbd_session_replace(session, conn);
		if (err) {
			nbd_conn_put(conn);
			return refuse(info, attr, err, "index is a device that is ending");
		}
	}
	return 0;
}

static int slot_replace_doit(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *attr = info->attrs[NBDCTL_A_DEVICE_INDEX];
	struct nbd_device *dev = lock_named(skb, info);
	struct nbd_session *session;
	int err;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	session = nbd_device_session(dev);
	if (session)
		err = replace_slots(info, session);
	else
		err = refuse(info, attr, -ENOTCONN, "index is a device that is not attached");
	nbd_device_unlock(dev);
	return err;
}

static int resize(struct genl_info *info, struct nbd_device *dev)
{
	struct nbd_session *session = nbd_device_session(dev);
	u64 size;
	int err;

	if (!session)
		return refuse(info, info->attrs[NBDCTL_A_DEVICE_INDEX], -ENOTCONN,
			      "index is a device that is not attached");
	if (!info->attrs[NBDCTL_A_DEVICE_SIZE])
		return refuse(info, NULL, -EINVAL, "size is required");
	size = nla_get_u64(info->attrs[NBDCTL_A_DEVICE_SIZE]);
	err = check_size(info, size, &session->export);
	if (err)
		return err;
	nbd_device_resize(dev, size);
	return 0;
}

static int resize_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct nbd_device *dev = lock_named(skb, info);
	int err;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	err = resize(info, dev);
	nbd_device_unlock(dev);
	return err;
}

static int driver_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct sk_buff *reply;
	void *head;

	reply = new_reply(info, NLMSG_DEFAULT_SIZE, &head);
	if (!reply)
		return -ENOMEM;
	if (nbd_show_driver(reply)) {
		nlmsg_free(reply);
		return -EMSGSIZE;
	}
	genlmsg_end(reply, head);
	return genlmsg_reply(reply, info);
}

static int device_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *attr = info->attrs[NBDCTL_A_DEVICE_INDEX];
	struct nbd_device *dev;
	struct sk_buff *reply;
	int err = -ENOMEM;
	void *head;
	u32 index;

	if (!attr)
		return refuse(info, NULL, -EINVAL, "index is required");
	index = nla_get_u32(attr);
	dev = nbd_device_next(&index);
	if (!dev || index != nla_get_u32(attr)) {
		err = refuse(info, attr, -ENODEV, "index is no device");
		goto put_dev;
	}
	reply = new_reply(info, nbd_show_size(dev), &head);
	if (!reply)
		goto put_dev;
	err = nbd_show_device(reply, dev, netlink_capable(skb, CAP_SYS_ADMIN), true);
	if (err) {
		nlmsg_free(reply);
		goto put_dev;
	}
	genlmsg_end(reply, head);
	err = genlmsg_reply(reply, info);
put_dev:
	if (dev)
		nbd_device_put(dev);
	return err;
}

/* One device of a dump; one that is too long for a message is shown in short */
static int dump_device(struct sk_buff *skb, struct netlink_callback *cb, struct nbd_device *dev)
{
	bool privileged = netlink_capable(cb->skb, CAP_SYS_ADMIN), full = true;
	bool first = !skb->len;
	void *head;

	for (;;) {
		head = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
				   &nbdctl_family, NLM_F_MULTI, NBDCTL_CMD_DEVICE_GET);
		if (head && !nbd_show_device(skb, dev, privileged, full)) {
			genlmsg_end(skb, head);
			return 0;
		}
		if (head)
			genlmsg_cancel(skb, head);
		if (!first || !full)
			return -EMSGSIZE;
		full = false;
	}
}

static int device_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	u32 index = cb->args[0];
	struct nbd_device *dev;
	int err = 0;

	while (!err) {
		dev = nbd_device_next(&index);
		if (!dev)
			break;
		if (rcu_access_pointer(dev->session))
			err = dump_device(skb, cb, dev);
		nbd_device_put(dev);
		if (!err)
			index++;
	}
	cb->args[0] = index;
	return skb->len ?: err;
}

static const struct genl_ops ops[] = {
	{
		.cmd = NBDCTL_CMD_DRIVER_GET,
		.doit = driver_get_doit,
		.policy = no_policy,
		.maxattr = ARRAY_SIZE(no_policy) - 1,
	},
	{
		.cmd = NBDCTL_CMD_DEVICE_GET,
		.doit = device_get_doit,
		.dumpit = device_get_dumpit,
		.policy = get_policy,
		.maxattr = ARRAY_SIZE(get_policy) - 1,
	},
	{
		.cmd = NBDCTL_CMD_ATTACH,
		.doit = attach_doit,
		.policy = attach_policy,
		.maxattr = ARRAY_SIZE(attach_policy) - 1,
	},
	{
		.cmd = NBDCTL_CMD_DETACH,
		.doit = detach_doit,
		.policy = detach_policy,
		.maxattr = ARRAY_SIZE(detach_policy) - 1,
	},
	{
		.cmd = NBDCTL_CMD_SLOT_REPLACE,
		.doit = slot_replace_doit,
		.policy = slot_replace_policy,
		.maxattr = ARRAY_SIZE(slot_replace_policy) - 1,
	},
	{
		.cmd = NBDCTL_CMD_RESIZE,
		.doit = resize_doit,
		.policy = resize_policy,
		.maxattr = ARRAY_SIZE(resize_policy) - 1,
	},
};

static const struct genl_multicast_group groups[] = {
	{ .name = NBDCTL_MCGRP_EVENTS },
};

struct genl_family nbdctl_family __ro_after_init = {
	.name = NBDCTL_FAMILY_NAME,
	.version = NBDCTL_FAMILY_VERSION,
	.netnsok = true,
	.parallel_ops = true,
	.module = THIS_MODULE,
	.ops = ops,
	.n_ops = ARRAY_SIZE(ops),
	.resv_start_op = NBDCTL_CMD_DRIVER_GET,
	.mcgrps = groups,
	.n_mcgrps = ARRAY_SIZE(groups),
};

int __init nbdctl_init(void)
{
	return genl_register_family(&nbdctl_family);
}

void nbdctl_exit(void)
{
	genl_unregister_family(&nbdctl_family);
}
