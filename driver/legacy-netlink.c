// SPDX-License-Identifier: GPL-2.0-only
/*
 * The interface of linux/nbd-netlink.h: requests are parsed, the device carries them out.
 * Documentation/compatibility.rst has what differs from the kernel's own driver.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <net/genetlink.h>

#include "../uapi/linux/nbdctl.h"
#include "conn.h"
#include "device.h"
#include "devices.h"
#include "disk.h"
#include "legacy.h"
#include "legacy-family.h"
#include "legacy-netlink.h"
#include "session.h"
#include "slots.h"

static int legacy_refuse(struct genl_info *info, int err, const char *errmsg)
{
	if (info->extack && errmsg)
		info->extack->_msg = errmsg;
	return err;
}

static int legacy_need_privilege(struct sk_buff *skb)
{
	return netlink_capable(skb, CAP_SYS_ADMIN) ? 0 : -EPERM;
}

static u64 legacy_get_u64(struct genl_info *info, int type, u64 absent)
{
	return info->attrs[type] ? nla_get_u64(info->attrs[type]) : absent;
}

/* ---- attributes ---- */

static int legacy_parse_socket(struct genl_info *info, const struct nlattr *attr,
			       struct nbd_legacy *legacy)
{
	struct nlattr *tb[NBD_SOCK_MAX + 1];
	const char *errmsg;
	int err;

	if (nla_type(attr) != NBD_SOCK_ITEM)
		return legacy_refuse(info, -EINVAL, "sockets: not a list of NBD_SOCK_ITEM");
	err = nla_parse_nested_deprecated(tb, NBD_SOCK_MAX, attr, legacy_sock_policy,
					  info->extack);
	if (err)
		return legacy_refuse(info, -EINVAL, "sockets: malformed");
	if (!tb[NBD_SOCK_FD])
		return 0;
	err = nbd_legacy_add_socket(legacy, nla_get_u32(tb[NBD_SOCK_FD]), &errmsg);
	return err ? legacy_refuse(info, err, errmsg) : 0;
}

static int legacy_parse_sockets(struct genl_info *info, struct nbd_legacy *legacy)
{
	const struct nlattr *attr;
	int rem, err;

	if (!info->attrs[NBD_ATTR_SOCKETS])
		return 0;
	nla_for_each_nested(attr, info->attrs[NBD_ATTR_SOCKETS], rem) {
		err = legacy_parse_socket(info, attr, legacy);
		if (err)
			return err;
	}
	return 0;
}

/* Timeouts that are not given stay as they are */
static int legacy_parse_timeouts(struct genl_info *info, unsigned long *request, u32 *dead)
{
	unsigned long timeout;

	if (info->attrs[NBD_ATTR_TIMEOUT] &&
	    nbd_legacy_timeout(nla_get_u64(info->attrs[NBD_ATTR_TIMEOUT]), request))
		return legacy_refuse(info, -ERANGE, "timeout: too long");
	if (!info->attrs[NBD_ATTR_DEAD_CONN_TIMEOUT])
		return 0;
	if (nbd_legacy_timeout(nla_get_u64(info->attrs[NBD_ATTR_DEAD_CONN_TIMEOUT]), &timeout))
		return legacy_refuse(info, -ERANGE, "dead connection timeout: too long");
	*dead = jiffies_to_msecs(timeout);
	return 0;
}

static int legacy_parse_attach(struct genl_info *info, struct nbd_legacy *legacy)
{
	u64 block = legacy_get_u64(info, NBD_ATTR_BLOCK_SIZE_BYTES, 0);
	const struct nlattr *text = info->attrs[NBD_ATTR_BACKEND_IDENTIFIER];
	int err;

	legacy->size = legacy_get_u64(info, NBD_ATTR_SIZE_BYTES, 0);
	legacy->flags = legacy_get_u64(info, NBD_ATTR_SERVER_FLAGS, 0);
	if (nbd_legacy_set_block(legacy, block))
		return legacy_refuse(info, -EINVAL, "block size: not a power of two in range");
	err = legacy_parse_timeouts(info, &legacy->request_timeout, &legacy->dead_time);
	if (err)
		return err;
	/* It may lack the NUL, which is not counted */
	if (text && strnlen(nla_data(text), nla_len(text)) > NBDCTL_IDENTIFIER_MAX)
		return legacy_refuse(info, -EINVAL, "backend identifier: too long");
	if (text) {
		legacy->identifier = nla_strdup(text, GFP_KERNEL);
		if (!legacy->identifier)
			return -ENOMEM;
	}
	err = legacy_parse_sockets(info, legacy);
	if (err)
		return err;
	return legacy->nr_socks ? 0 : legacy_refuse(info, -EINVAL, "sockets: empty");
}

static void legacy_set_flags(struct genl_info *info, struct nbd_session *session)
{
	u64 flags;

	if (!info->attrs[NBD_ATTR_CLIENT_FLAGS])
		return;
	flags = nla_get_u64(info->attrs[NBD_ATTR_CLIENT_FLAGS]);
	WRITE_ONCE(session->destroy, flags & LEGACY_DESTROY_ON_DISCONNECT);
	WRITE_ONCE(session->end_on_close, flags & LEGACY_DISCONNECT_ON_CLOSE);
}

/* ---- CONNECT ---- */

static int legacy_attach(struct genl_info *info, struct nbd_legacy *legacy, u32 *index)
{
	struct nlattr *attr = info->attrs[NBD_ATTR_INDEX];
	struct nbd_attach attach = { .index = attr ? nla_get_u32(attr) : 0, .any = !attr };
	struct nbd_session *session;
	struct nbd_conn **conns;
	const char *errmsg;
	int err;

	session = nbd_legacy_session(legacy, NBD_ORIGIN_NETLINK, &conns, &errmsg);
	if (IS_ERR(session))
		return legacy_refuse(info, PTR_ERR(session), errmsg);
	legacy_set_flags(info, session);
	err = nbd_device_attach(&attach, session, conns);
	*index = attach.index;
	if (!err) {
		kfree(conns);
		return 0;
	}
	nbd_put_conns(conns, session->nr_slots);
	nbd_session_put(session);
	return legacy_refuse(info, err, attach.errmsg);
}

static int legacy_connect(struct genl_info *info, u32 *index)
{
	struct nbd_legacy *legacy = nbd_legacy_alloc();
	int err;

	if (!legacy)
		return -ENOMEM;
	err = legacy_parse_attach(info, legacy);
	if (!err)
		err = legacy_attach(info, legacy, index);
	nbd_legacy_free(legacy);
	return err;
}

int legacy_connect_doit(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *attr = info->attrs[NBD_ATTR_INDEX];
	struct sk_buff *reply;
	u32 index;
	void *head;
	int err;

	err = legacy_need_privilege(skb);
	if (err)
		return err;
	if (attr && nla_get_u32(attr) > nbd_index_max())
		return legacy_refuse(info, -EINVAL, "index: too large");
	if (!info->attrs[NBD_ATTR_SOCKETS])
		return legacy_refuse(info, -EINVAL, "sockets: required");
	if (!info->attrs[NBD_ATTR_SIZE_BYTES])
		return legacy_refuse(info, -EINVAL, "size: required");
	/* Allocated first, as nothing may fail after the attach */
	reply = genlmsg_new(nla_total_size(sizeof(u32)), GFP_KERNEL);
	if (!reply)
		return -ENOMEM;
	head = genlmsg_put_reply(reply, info, &nbd_legacy_family, 0, NBD_CMD_CONNECT);
	err = legacy_connect(info, &index);
	if (err) {
		nlmsg_free(reply);
		return err;
	}
	nla_put_u32(reply, NBD_ATTR_INDEX, index);
	genlmsg_end(reply, head);
	return genlmsg_reply(reply, info);
}

/* ---- DISCONNECT, RECONFIGURE ---- */

/* Find the device that a request names, and check the privilege; or an ERR_PTR */
static struct nbd_device *legacy_find(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *attr = info->attrs[NBD_ATTR_INDEX];
	struct nbd_device *dev;
	int err = legacy_need_privilege(skb);

	if (err)
		return ERR_PTR(err);
	if (!attr)
		return ERR_PTR(legacy_refuse(info, -EINVAL, "index: required"));
	dev = nbd_devices_find(nla_get_u32(attr));
	return dev ?: ERR_PTR(legacy_refuse(info, -EINVAL, "index: no such device"));
}

/* An acknowledgment that is sent when a device is done with its session */
struct legacy_ack {
	struct nbd_drop_call call;
	struct net *net;
	struct sk_buff *skb;
	u32 portid;
};

static void legacy_send_ack(struct nbd_drop_call *call)
{
	struct legacy_ack *ack = container_of(call, struct legacy_ack, call);

	/* The caller may be gone */
	genlmsg_unicast(ack->net, ack->skb, ack->portid);
	put_net(ack->net);
	kfree(ack);
}

/* Make what netlink itself sends for a handler that returns 0 */
static struct legacy_ack *legacy_alloc_ack(struct genl_info *info)
{
	struct legacy_ack *ack = kmalloc(sizeof(*ack), GFP_KERNEL);
	struct nlmsgerr *msg;

	if (!ack)
		return NULL;
	ack->skb = nlmsg_new(sizeof(*msg), GFP_KERNEL);
	if (!ack->skb) {
		kfree(ack);
		return NULL;
	}
	msg = nlmsg_data(nlmsg_put(ack->skb, info->snd_portid, info->snd_seq, NLMSG_ERROR,
				   sizeof(*msg), NLM_F_CAPPED));
	msg->error = 0;
	msg->msg = *info->nlhdr;
	ack->portid = info->snd_portid;
	ack->net = get_net(genl_info_net(info));
	ack->call.func = legacy_send_ack;
	return ack;
}

/* Under the device's lock */
static int legacy_disconnect(struct genl_info *info, struct nbd_device *dev)
{
	struct legacy_ack *ack;

	if (!nbd_device_session(dev))
		return 0;
	if (info->nlhdr->nlmsg_flags & NLM_F_ACK) {
		ack = legacy_alloc_ack(info);
		if (!ack)
			return -ENOMEM;
		nbd_device_call_dropped(dev, &ack->call);
	}
	nbd_device_disconnect(dev);
	/* With this netlink sends nothing, as after the start of a dump */
	return -EINTR;
}

/*
 * The caller takes the device for free when the acknowledgment comes. Servers decide when that is,
 * so it is sent later: a handler that waits would keep everyone from registering a family.
 */
int legacy_disconnect_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct nbd_device *dev = legacy_find(skb, info);
	int err;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	nbd_devices_lock(dev);
	err = legacy_disconnect(info, dev);
	nbd_devices_unlock(dev);
	return err;
}

/* Check that a session may be reconfigured by this request */
static int legacy_check_session(struct genl_info *info, const struct nbd_session *session)
{
	const struct nlattr *attr = info->attrs[NBD_ATTR_BACKEND_IDENTIFIER];

	if (!session)
		return legacy_refuse(info, -EINVAL, "index: not attached");
	if (session->origin != NBD_ORIGIN_NETLINK)
		return legacy_refuse(info, -EINVAL, "index: not attached by CONNECT");
	if (session->identifier && (!attr || nla_strcmp(attr, session->identifier)))
		return legacy_refuse(info, -EINVAL, "backend identifier: not that of the device");
	return 0;
}

/* Under the device's lock */
static int legacy_reconfigure_device(struct genl_info *info, struct nbd_device *dev,
				     struct nbd_session *session)
{
	u32 block = nbd_legacy_block(legacy_get_u64(info, NBD_ATTR_BLOCK_SIZE_BYTES,
						    session->export.min_block));
	unsigned long timeout = session->request_timeout;
	u32 dead_time = session->dead_time;
	int err;

	if (!block)
		return legacy_refuse(info, -EINVAL, "block size: not a power of two in range");
	if (block != session->export.min_block)
		return legacy_refuse(info, -EBUSY, "block size: cannot change while attached");
	err = legacy_parse_timeouts(info, &timeout, &dead_time);
	if (err)
		return err;
	if (info->attrs[NBD_ATTR_SIZE_BYTES]) {
		err = nbd_device_resize(dev, nla_get_u64(info->attrs[NBD_ATTR_SIZE_BYTES]));
		if (err)
			return legacy_refuse(info, err, "size: out of range");
	}
	nbd_device_set_timeout(dev, timeout);
	WRITE_ONCE(session->dead_time, dead_time);
	legacy_set_flags(info, session);
	return 0;
}

/* Choose slots for new connections: those without a connection, then the others, in order */
static void legacy_choose_slots(struct nbd_session *session, u32 *slots, u32 n)
{
	bool chosen[NBD_MAX_SLOTS] = { false };
	struct nbd_conn *conn;
	u32 pass, i, at = 0;

	rcu_read_lock();
	for (pass = 0; pass < 2; pass++) {
		for (i = 0; i < session->nr_slots && at < n; i++) {
			conn = rcu_dereference(session->slots[i].conn);
			if (chosen[i] || (!pass && conn && !nbd_conn_failed(conn)))
				continue;
			chosen[i] = true;
			slots[at++] = i;
		}
	}
	rcu_read_unlock();
}

static int legacy_replace(struct genl_info *info, struct nbd_session *session,
			  struct nbd_legacy *legacy)
{
	struct nbd_export export = session->export;
	u32 slots[NBD_MAX_SLOTS];
	struct nbd_conn **conns;
	const char *errmsg;
	int err;

	if (legacy->nr_socks > session->nr_slots)
		return legacy_refuse(info, -ENOSPC, "sockets: more than the device has");
	legacy_choose_slots(session, slots, legacy->nr_socks);
	conns = nbd_legacy_conns(legacy, session, slots, &errmsg);
	if (IS_ERR(conns))
		return legacy_refuse(info, PTR_ERR(conns), errmsg);
	err = nbd_session_replace(session, conns, legacy->nr_socks, &export, false, &errmsg);
	if (!err) {
		kfree(conns);
		return 0;
	}
	nbd_put_conns(conns, legacy->nr_socks);
	return legacy_refuse(info, err, errmsg);
}

/* Not under the device's lock, whose holder may wait for the disk */
static int legacy_reconfigure_sockets(struct genl_info *info, struct nbd_session *session)
{
	struct nbd_legacy *legacy = nbd_legacy_alloc();
	int err;

	if (!legacy)
		return -ENOMEM;
	err = legacy_parse_sockets(info, legacy);
	if (!err && legacy->nr_socks)
		err = legacy_replace(info, session, legacy);
	nbd_legacy_free(legacy);
	return err;
}

static bool legacy_changes_device(struct genl_info *info)
{
	return info->attrs[NBD_ATTR_SIZE_BYTES] || info->attrs[NBD_ATTR_BLOCK_SIZE_BYTES] ||
	       info->attrs[NBD_ATTR_TIMEOUT] || info->attrs[NBD_ATTR_DEAD_CONN_TIMEOUT] ||
	       info->attrs[NBD_ATTR_CLIENT_FLAGS];
}

static int legacy_reconfigure(struct genl_info *info, struct nbd_device *dev,
			      struct nbd_session *session)
{
	int err = legacy_check_session(info, session);

	if (!err && legacy_changes_device(info)) {
		get_device(disk_to_dev(dev->disk));
		nbd_devices_lock(dev);
		err = -EINVAL;
		if (nbd_device_session(dev) == session)
			err = legacy_reconfigure_device(info, dev, session);
		nbd_devices_unlock(dev);
	}
	return err ?: legacy_reconfigure_sockets(info, session);
}

/* Reclaim may be waiting for this disk, so allocations here do no I/O */
int legacy_reconfigure_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct nbd_device *dev = legacy_find(skb, info);
	struct nbd_session *session;
	unsigned int noio;
	int err;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	noio = memalloc_noio_save();
	session = nbd_devices_get_session(dev);
	err = legacy_reconfigure(info, dev, session);
	if (session)
		nbd_session_put(session);
	nbd_devices_put(dev);
	memalloc_noio_restore(noio);
	return err;
}

/* ---- STATUS ---- */

static int legacy_put_device(struct sk_buff *skb, struct nbd_device *dev)
{
	struct nlattr *item = nla_nest_start_noflag(skb, NBD_DEVICE_ITEM);

	if (!item || nla_put_u32(skb, NBD_DEVICE_INDEX, dev->index) ||
	    nla_put_u8(skb, NBD_DEVICE_CONNECTED, !!rcu_access_pointer(dev->session)))
		return -EMSGSIZE;
	nla_nest_end(skb, item);
	return 0;
}

/* Add the devices with numbers from @index to @last */
static int legacy_put_devices(struct sk_buff *skb, u32 index, u32 last)
{
	struct nlattr *list = nla_nest_start_noflag(skb, NBD_ATTR_DEVICE_LIST);
	struct nbd_device *dev;
	int err = list ? 0 : -EMSGSIZE;

	while (!err) {
		dev = nbd_devices_next(&index);
		if (!dev)
			break;
		if (index <= last)
			err = legacy_put_device(skb, dev);
		nbd_devices_put(dev);
		if (index++ >= last)
			break;
	}
	if (!err)
		nla_nest_end(skb, list);
	return err;
}

static u32 legacy_count_devices(void)
{
	struct nbd_device *dev;
	u32 index = 0, n = 0;

	while ((dev = nbd_devices_next(&index))) {
		nbd_devices_put(dev);
		index++;
		n++;
	}
	return n;
}

int legacy_status_doit(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *attr = info->attrs[NBD_ATTR_INDEX];
	u32 first = attr ? nla_get_u32(attr) : 0, n = attr ? 1 : legacy_count_devices();
	size_t item = nla_total_size(nla_total_size(sizeof(u32)) + nla_total_size(sizeof(u8)));
	struct sk_buff *reply;
	void *head;

	/* With space for devices that are made meanwhile */
	reply = genlmsg_new(nla_total_size(item * (n + 16)), GFP_KERNEL);
	if (!reply)
		return -ENOMEM;
	head = genlmsg_put_reply(reply, info, &nbd_legacy_family, 0, NBD_CMD_STATUS);
	if (legacy_put_devices(reply, first, attr ? first : U32_MAX)) {
		nlmsg_free(reply);
		return -EMSGSIZE;
	}
	genlmsg_end(reply, head);
	return genlmsg_reply(reply, info);
}

int __init nbd_legacy_init(void)
{
	return genl_register_family(&nbd_legacy_family);
}

void nbd_legacy_exit(void)
{
	genl_unregister_family(&nbd_legacy_family);
}
