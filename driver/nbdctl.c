// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control interface: the operations of the family. They read requests by way of parse.c, have
 * the device carry them out, and reply by way of fill.c.
 *
 * The family is described in Documentation/netlink/specs/nbdctl.yaml. From that nbdctl-gen.c is
 * generated: the operations, and the attributes that each may have.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <net/genetlink.h>
#include <net/sock.h>

#include "../uapi/linux/nbdctl.h"
#include "compat.h"
#include "conn.h"
#include "device.h"
#include "devices.h"
#include "disk.h"
#include "fill.h"
#include "nbdctl-gen.h"
#include "nbdctl.h"
#include "parse.h"
#include "session.h"
#include "slots.h"

static int nbdctl_need_privilege(struct sk_buff *skb, struct genl_info *info)
{
	if (netlink_capable(skb, CAP_SYS_ADMIN))
		return 0;
	return nbd_extack(info, NULL, -EPERM,
			  "CAP_SYS_ADMIN is required in the initial user namespace");
}

static struct sk_buff *nbdctl_new_reply(struct genl_info *info, size_t size, void **head)
{
	struct sk_buff *skb = genlmsg_new(size, GFP_KERNEL);

	if (!skb)
		return NULL;
	*head = genlmsg_put_reply(skb, info, &nbdctl_nl_family, 0, info->genlhdr->cmd);
	return skb;
}

/* Attach a session to a device, whose number is stored in @index */
static int nbdctl_attach_session(struct genl_info *info, struct nbd_session *session,
				 struct nbd_conn **conns, u32 *index)
{
	struct nlattr *attr = info->attrs[NBDCTL_A_DEVICE_INDEX];
	struct nbd_attach attach = {
		.index = nbd_get_u32(info, NBDCTL_A_DEVICE_INDEX, 0),
		.any = !attr,
		.depth = nbd_get_u32(info, NBDCTL_A_DEVICE_QUEUE_DEPTH, 0),
	};
	int err;

	err = nbd_device_attach(&attach, session, conns);
	if (err && attach.errmsg)
		nbd_extack(info, attach.no_device ? attr : NULL, err, attach.errmsg);
	*index = attach.index;
	return err;
}

int nbdctl_nl_attach_doit(struct sk_buff *skb, struct genl_info *info)
{
	u32 index = nbd_get_u32(info, NBDCTL_A_DEVICE_INDEX, 0);
	struct nbd_session *session;
	struct nbd_conn **conns;
	struct sk_buff *reply;
	void *head;
	u64 number;
	int err;

	err = nbdctl_need_privilege(skb, info);
	if (err)
		return err;
	if (index > nbd_index_max())
		return nbd_extack(info, info->attrs[NBDCTL_A_DEVICE_INDEX], -EINVAL,
				  "index: too large");
	/* Allocated first, as nothing may fail after the attach */
	reply = nbdctl_new_reply(info,
				 nla_total_size(sizeof(u32)) + nla_total_size_64bit(sizeof(u64)),
				 &head);
	if (!reply)
		return -ENOMEM;
	session = nbd_parse_session(info);
	err = PTR_ERR_OR_ZERO(session);
	if (err)
		goto free_reply;
	conns = nbd_parse_slots(info, session, session->nr_slots, true);
	err = PTR_ERR_OR_ZERO(conns);
	if (err)
		goto put_session;
	number = session->number;
	err = nbdctl_attach_session(info, session, conns, &index);
	if (err)
		goto put_conns;
	kfree(conns);
	nla_put_u32(reply, NBDCTL_A_DEVICE_INDEX, index);
	nla_put_u64_64bit(reply, NBDCTL_A_DEVICE_SESSION, number, NBDCTL_A_DEVICE_PAD);
	genlmsg_end(reply, head);
	/* It is attached even if the receive buffer of the caller is full */
	genlmsg_reply(reply, info);
	return 0;

put_conns:
	nbd_put_conns(conns, session->nr_slots);
put_session:
	nbd_session_put(session);
free_reply:
	nlmsg_free(reply);
	return err;
}

/* Check a request that changes a device: it needs the privilege, and an index */
static int nbdctl_need_index(struct sk_buff *skb, struct genl_info *info)
{
	int err = nbdctl_need_privilege(skb, info);

	if (err)
		return err;
	if (!info->attrs[NBDCTL_A_DEVICE_INDEX])
		return nbd_extack(info, NULL, -EINVAL, "index: required");
	return 0;
}

/* Find and lock the device of a request; or an ERR_PTR */
static struct nbd_device *nbdctl_lock_named(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *attr = info->attrs[NBDCTL_A_DEVICE_INDEX];
	struct nbd_device *dev;
	int err;

	err = nbdctl_need_index(skb, info);
	if (err)
		return ERR_PTR(err);
	dev = nbd_devices_find_locked(nla_get_u32(attr));
	if (!dev)
		return ERR_PTR(nbd_extack(info, attr, -ENODEV, "index: no such device"));
	return dev;
}

/* Check that a session is attached, and that it is the one that the request names, if any */
static int nbdctl_check_session(struct genl_info *info, const struct nbd_session *session)
{
	const struct nlattr *attr = info->attrs[NBDCTL_A_DEVICE_SESSION];

	if (!session)
		return nbd_extack(info, info->attrs[NBDCTL_A_DEVICE_INDEX], -ENOTCONN,
				  "index: not attached");
	if (attr && nla_get_u64(attr) != session->number)
		return nbd_extack(info, attr, -ESTALE, "session: not the one that is attached now");
	return 0;
}

/*
 * Find the device and the session of a request, and reference both. Not under the device's lock:
 * its holder may be waiting for the server.
 */
static int nbdctl_find_named(struct sk_buff *skb, struct genl_info *info, struct nbd_device **dev,
			     struct nbd_session **session)
{
	const struct nlattr *attr = info->attrs[NBDCTL_A_DEVICE_INDEX];
	int err;

	err = nbdctl_need_index(skb, info);
	if (err)
		return err;
	*dev = nbd_devices_find(nla_get_u32(attr));
	if (!*dev)
		return nbd_extack(info, attr, -ENODEV, "index: no such device");
	*session = nbd_devices_get_session(*dev);
	err = nbdctl_check_session(info, *session);
	if (!err)
		return 0;
	if (*session)
		nbd_session_put(*session);
	nbd_devices_put(*dev);
	return err;
}

/* Session of a request, whose device is locked by the caller; or an ERR_PTR */
static struct nbd_session *nbdctl_named_session(struct genl_info *info, struct nbd_device *dev)
{
	struct nbd_session *session = nbd_device_session(dev);

	return ERR_PTR(nbdctl_check_session(info, session)) ?: session;
}

/*
 * Forced detach. The session ends before the device's lock is taken, whose holder may be waiting
 * for the disk.
 */
static int nbdctl_detach_by_force(struct sk_buff *skb, struct genl_info *info)
{
	struct nbd_session *session;
	struct nbd_device *dev;
	int err;

	err = nbdctl_find_named(skb, info, &dev, &session);
	if (err)
		return err;
	nbd_device_detach_now(dev, session);
	nbd_session_put(session);
	return 0;
}

int nbdctl_nl_detach_doit(struct sk_buff *skb, struct genl_info *info)
{
	u32 timeout = nbd_get_u32(info, NBDCTL_A_DEVICE_DETACH_TIMEOUT, NBD_DETACH_WHILE_ANSWERED);
	struct nbd_session *session;
	struct nbd_device *dev;
	const char *errmsg;
	int err;

	if (info->attrs[NBDCTL_A_DEVICE_FORCE])
		return nbdctl_detach_by_force(skb, info);
	dev = nbdctl_lock_named(skb, info);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	session = nbdctl_named_session(info, dev);
	err = PTR_ERR_OR_ZERO(session);
	if (!err) {
		err = nbd_device_detach(dev, timeout, &errmsg);
		if (err)
			nbd_extack(info, info->attrs[NBDCTL_A_DEVICE_INDEX], err, errmsg);
	}
	nbd_devices_unlock(dev);
	return err;
}

/* Everything that may fail is done before the first slot changes */
static int nbdctl_replace_slots(struct genl_info *info, struct nbd_session *session)
{
	const struct nlattr *attr = info->attrs[NBDCTL_A_DEVICE_SLOT];
	u32 n = nbd_count_attrs(info, NBDCTL_A_DEVICE_SLOT);
	struct nbd_export export = { 0 };
	const char *errmsg = NULL;
	struct nbd_conn **conns;
	int err;

	if (!n)
		return nbd_extack(info, NULL, -EINVAL, "slot: required");
	if (n > session->nr_slots)
		return nbd_extack(info, attr, -E2BIG, "slot: too many");
	err = nbd_parse_export(info, &export);
	if (err)
		return err;
	conns = nbd_parse_slots(info, session, n, false);
	if (IS_ERR(conns))
		return PTR_ERR(conns);
	err = nbd_session_replace(session, conns, n, &export,
				  nla_get_flag(info->attrs[NBDCTL_A_DEVICE_FORCE]), &errmsg);
	if (err) {
		nbd_put_conns(conns, n);
		return nbd_extack(info, attr, err, errmsg);
	}
	kfree(conns);
	return 0;
}

static int nbdctl_slot_replace(struct genl_info *info, struct nbd_session *session)
{
	const struct nlattr *dead_time = info->attrs[NBDCTL_A_DEVICE_DEAD_TIME];
	char *display = NULL;
	int err;

	err = nbd_parse_string(info, NBDCTL_A_DEVICE_DISPLAY, &display);
	if (err)
		return err;
	err = nbdctl_replace_slots(info, session);
	if (display && !err)
		display = nbd_session_set_display(session, display);
	if (dead_time && !err)
		WRITE_ONCE(session->dead_time, nla_get_u32(dead_time));
	kfree(display);
	return err;
}

/*
 * Reclaim may be waiting for this disk, so allocations here do no I/O. The device's lock is not
 * taken, as its holder may be waiting for the disk, too, and as a program may keep a socket locked
 * for any time.
 */
int nbdctl_nl_slot_replace_doit(struct sk_buff *skb, struct genl_info *info)
{
	unsigned int noio = memalloc_noio_save();
	struct nbd_session *session;
	struct nbd_device *dev;
	int err;

	err = nbdctl_find_named(skb, info, &dev, &session);
	if (!err) {
		err = nbdctl_slot_replace(info, session);
		nbd_session_put(session);
		nbd_devices_put(dev);
	}
	memalloc_noio_restore(noio);
	return err;
}

static int nbdctl_resize(struct genl_info *info, struct nbd_device *dev)
{
	struct nbd_session *session = nbdctl_named_session(info, dev);
	u64 size;
	int err;

	if (IS_ERR(session))
		return PTR_ERR(session);
	if (!info->attrs[NBDCTL_A_DEVICE_SIZE])
		return nbd_extack(info, NULL, -EINVAL, "size: required");
	size = nla_get_u64(info->attrs[NBDCTL_A_DEVICE_SIZE]);
	err = nbd_check_size(info, size, &session->export);
	if (err)
		return err;
	nbd_device_resize(dev, size);
	return 0;
}

int nbdctl_nl_keep_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct nbd_session *session;
	struct nbd_device *dev;
	int err;

	err = nbdctl_find_named(skb, info, &dev, &session);
	if (err)
		return err;
	nbd_session_keep(session);
	nbd_session_put(session);
	nbd_devices_put(dev);
	return 0;
}

int nbdctl_nl_resize_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct nbd_device *dev = nbdctl_lock_named(skb, info);
	int err;

	if (IS_ERR(dev))
		return PTR_ERR(dev);
	err = nbdctl_resize(info, dev);
	nbd_devices_unlock(dev);
	return err;
}

int nbdctl_nl_driver_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct sk_buff *reply;
	void *head;

	/* Some kernels do not check those of a command without a policy */
	if (nlmsg_attrlen(info->nlhdr, GENL_HDRLEN) > 0)
		return nbd_extack(info, nlmsg_attrdata(info->nlhdr, GENL_HDRLEN), -EINVAL,
				  "driver-get: takes no attributes");
	reply = nbdctl_new_reply(info, NLMSG_DEFAULT_SIZE, &head);
	if (!reply)
		return -ENOMEM;
	if (nbd_fill_driver(reply)) {
		nlmsg_free(reply);
		return -EMSGSIZE;
	}
	genlmsg_end(reply, head);
	return genlmsg_reply(reply, info);
}

int nbdctl_nl_device_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *attr = info->attrs[NBDCTL_A_DEVICE_INDEX];
	struct nbd_device *dev;
	struct sk_buff *reply;
	int err = -ENOMEM;
	void *head;

	if (!attr)
		return nbd_extack(info, NULL, -EINVAL, "index: required");
	dev = nbd_devices_find(nla_get_u32(attr));
	if (!dev)
		return nbd_extack(info, attr, -ENODEV, "index: no such device");
	reply = nbdctl_new_reply(info, nbd_fill_size(dev), &head);
	if (!reply)
		goto put_dev;
	err = nbd_fill_device(reply, dev, netlink_capable(skb, CAP_SYS_ADMIN), true);
	if (err) {
		nlmsg_free(reply);
		goto put_dev;
	}
	genlmsg_end(reply, head);
	err = genlmsg_reply(reply, info);
put_dev:
	nbd_devices_put(dev);
	return err;
}

/* Least size of a message of a dump. Programs read with 16 KiB or more. */
#define DUMP_SIZE	(16u << 10)

/* Add a device to a dump; abridged if it is too long for a message of its own */
static int nbdctl_dump_device(struct sk_buff *skb, struct netlink_callback *cb,
			      struct nbd_device *dev)
{
	bool privileged = netlink_capable(cb->skb, CAP_SYS_ADMIN), full = true;
	bool first = !skb->len;
	void *head;

	for (;;) {
		head = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
				   &nbdctl_nl_family, NLM_F_MULTI, NBDCTL_CMD_DEVICE_GET);
		if (head && !nbd_fill_device(skb, dev, privileged, full)) {
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

/* Space for a device with the longest texts; by default a dump begins with less than a page */
int nbdctl_device_get_start(struct netlink_callback *cb)
{
	cb->min_dump_alloc = DUMP_SIZE;
	return 0;
}

int nbdctl_nl_device_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	u32 index = cb->args[0];
	struct nbd_device *dev;
	int err = 0;

	while (!err) {
		dev = nbd_devices_next(&index);
		if (!dev)
			break;
		if (nbd_devices_state(dev) != NBDCTL_STATE_IDLE)
			err = nbdctl_dump_device(skb, cb, dev);
		nbd_devices_put(dev);
		if (!err)
			index++;
	}
	cb->args[0] = index;
	return skb->len ?: err;
}

int __init nbdctl_init(void)
{
	return nbd_register_family(&nbdctl_nl_family);
}

void nbdctl_exit(void)
{
	genl_unregister_family(&nbdctl_nl_family);
}
