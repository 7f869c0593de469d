// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes of a disk in sysfs, which exist while something is attached. "pid" and "backend" are
 * those of the kernel's own driver: udev, nbd-client and others see by "pid" that a disk is in
 * use. The group "nbd" has what is ours, see Documentation/ABI/testing/sysfs-block-nbd.
 */
#include <linux/blkdev.h>

#include "attrs.h"
#include "conn.h"
#include "disk.h"
#include "session.h"
#include "slots.h"

static struct nbd_device *attrs_device(struct device *dev)
{
	return dev_to_disk(dev)->private_data;
}

/* Process that attached the disk, or keeps its connections */
static ssize_t pid_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct nbd_session *session;
	ssize_t n = -ENODEV;

	rcu_read_lock();
	session = rcu_dereference(attrs_device(dev)->session);
	if (session)
		n = sysfs_emit(buf, "%d\n", READ_ONCE(session->pid));
	rcu_read_unlock();
	return n;
}
static DEVICE_ATTR_RO(pid);

/* What is attached: the text that was given with the attach */
static ssize_t backend_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct nbd_session *session;
	ssize_t n = -ENODEV;

	rcu_read_lock();
	session = rcu_dereference(attrs_device(dev)->session);
	if (session)
		n = sysfs_emit(buf, "%s\n", session->identifier ?: "");
	rcu_read_unlock();
	return n;
}
static DEVICE_ATTR_RO(backend);

static struct attribute *attrs_list[] = {
	&dev_attr_pid.attr,
	&dev_attr_backend.attr,
	NULL,
};

/* The identifier of an attach by nbdctl is for those who may change the disk */
static umode_t attrs_are_visible(struct kobject *kobj, struct attribute *attr, int i)
{
	struct nbd_device *dev = attrs_device(kobj_to_dev(kobj));
	struct nbd_session *session;
	umode_t mode = 0;

	rcu_read_lock();
	session = rcu_dereference(dev->session);
	if (session)
		mode = attr->mode;
	if (session && attr == &dev_attr_backend.attr && session->origin == NBD_ORIGIN_NBDCTL)
		mode = 0400;
	rcu_read_unlock();
	return mode;
}

static const struct attribute_group attrs_group = {
	.attrs = attrs_list,
	.is_visible = attrs_are_visible,
};

static struct nbd_session *stats_get_session(struct device *dev)
{
	struct nbd_session *session;

	rcu_read_lock();
	session = rcu_dereference(attrs_device(dev)->session);
	if (session && !kref_get_unless_zero(&session->ref))
		session = NULL;
	rcu_read_unlock();
	return session;
}

static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	static const char *const names[] = {
		[NBDCTL_STATE_SETUP] = "setup",
		[NBDCTL_STATE_LIVE] = "live",
		[NBDCTL_STATE_WAITING] = "waiting",
		[NBDCTL_STATE_DRAINING] = "draining",
		[NBDCTL_STATE_DEAD] = "ending",
	};
	struct nbd_session *session = stats_get_session(dev);
	ssize_t n;

	if (!session)
		return -ENODEV;
	n = sysfs_emit(buf, "%s\n", names[nbd_session_uapi_state(session)]);
	nbd_session_put(session);
	return n;
}
static DEVICE_ATTR_RO(state);

static ssize_t connections_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct nbd_session *session = stats_get_session(dev);
	ssize_t n;

	if (!session)
		return -ENODEV;
	n = sysfs_emit(buf, "%u\n", session->nr_slots);
	nbd_session_put(session);
	return n;
}
static DEVICE_ATTR_RO(connections);

static ssize_t connections_up_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct nbd_session *session = stats_get_session(dev);
	struct nbd_conn *conn;
	u32 i, up = 0;

	if (!session)
		return -ENODEV;
	rcu_read_lock();
	for (i = 0; i < session->nr_slots; i++) {
		conn = rcu_dereference(session->slots[i].conn);
		up += conn && nbd_conn_usable(conn);
	}
	rcu_read_unlock();
	nbd_session_put(session);
	return sysfs_emit(buf, "%u\n", up);
}
static DEVICE_ATTR_RO(connections_up);

static ssize_t reconnects_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct nbd_session *session = stats_get_session(dev);
	u64 reconnects = 0;
	u32 i;

	if (!session)
		return -ENODEV;
	for (i = 0; i < session->nr_slots; i++)
		reconnects += READ_ONCE(session->slots[i].reconnects);
	nbd_session_put(session);
	return sysfs_emit(buf, "%llu\n", reconnects);
}
static DEVICE_ATTR_RO(reconnects);

static ssize_t oldest_ms_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	u32 oldest_ms;

	nbd_disk_in_flight(attrs_device(dev), &oldest_ms);
	return sysfs_emit(buf, "%u\n", oldest_ms);
}
static DEVICE_ATTR_RO(oldest_ms);

static int stats_get_totals(struct device *dev, struct nbd_totals *totals)
{
	struct nbd_session *session = stats_get_session(dev);

	if (!session)
		return -ENODEV;
	nbd_session_totals(session, totals);
	nbd_session_put(session);
	return 0;
}

static ssize_t last_error_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct nbd_totals totals;
	int err = stats_get_totals(dev, &totals);

	return err ?: sysfs_emit(buf, "%u\n", totals.last_error);
}
static DEVICE_ATTR_RO(last_error);

/* Show a counter of struct nbd_totals */
#define STATS_SHOW(name)								\
static ssize_t name##_show(struct device *dev, struct device_attribute *attr, char *buf)	\
{											\
	struct nbd_totals totals;							\
	int err = stats_get_totals(dev, &totals);					\
											\
	return err ?: sysfs_emit(buf, "%llu\n", totals.name);				\
}

STATS_SHOW(requests)
STATS_SHOW(replies)
STATS_SHOW(errors)
STATS_SHOW(bytes_sent)
STATS_SHOW(bytes_received)

static DEVICE_ATTR_RO(requests);
static DEVICE_ATTR_RO(replies);
static DEVICE_ATTR_RO(errors);
static DEVICE_ATTR_RO(bytes_sent);
static DEVICE_ATTR_RO(bytes_received);

/* Human-readable origin: of nbd-attach, a URI */
static ssize_t display_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct nbd_session *session = stats_get_session(dev);
	ssize_t n;

	if (!session)
		return -ENODEV;
	mutex_lock(&session->lock);
	n = sysfs_emit(buf, "%s\n", session->display ?: "");
	mutex_unlock(&session->lock);
	nbd_session_put(session);
	return n;
}
static DEVICE_ATTR_ADMIN_RO(display);

static struct attribute *stats_list[] = {
	&dev_attr_display.attr,
	&dev_attr_state.attr,
	&dev_attr_connections.attr,
	&dev_attr_connections_up.attr,
	&dev_attr_reconnects.attr,
	&dev_attr_last_error.attr,
	&dev_attr_oldest_ms.attr,
	&dev_attr_requests.attr,
	&dev_attr_replies.attr,
	&dev_attr_errors.attr,
	&dev_attr_bytes_sent.attr,
	&dev_attr_bytes_received.attr,
	NULL,
};

static const struct attribute_group stats_group = {
	.name = "nbd",
	.attrs = stats_list,
	.is_visible = attrs_are_visible,
};

const struct attribute_group *nbd_attr_groups[] = {
	&attrs_group,
	&stats_group,
	NULL,
};
