// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes of a disk in sysfs, which exist while something is attached. They are those of the
 * kernel's own driver: udev, nbd-client and others tell by "pid" that a disk is in use.
 */
#include <linux/blkdev.h>

#include "attrs.h"
#include "disk.h"
#include "session.h"

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

const struct attribute_group *nbd_attr_groups[] = {
	&attrs_group,
	NULL,
};
