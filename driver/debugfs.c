// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files of attached devices in debugfs, with the names and contents of the kernel's own driver.
 * Scripts take the absence of "tasks" for a device that is not attached.
 */
#include <linux/debugfs.h>
#include <linux/log2.h>
#include <linux/seq_file.h>

#include "debugfs.h"
#include "disk.h"
#include "session.h"

static struct dentry *debugfs_root;

/* Session of an open file. It is kept: the files are removed, and closed, before it is dropped */
static const struct nbd_session *debugfs_session(struct seq_file *file)
{
	const struct nbd_device *dev = file->private;

	return rcu_dereference_protected(dev->session, true);
}

static int tasks_show(struct seq_file *file, void *unused)
{
	seq_printf(file, "recv: %d\n", READ_ONCE(debugfs_session(file)->pid));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(tasks);

static int size_bytes_show(struct seq_file *file, void *unused)
{
	seq_printf(file, "%llu\n", READ_ONCE(debugfs_session(file)->export.size));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(size_bytes);

/* In jiffies */
static int timeout_show(struct seq_file *file, void *unused)
{
	seq_printf(file, "%lu\n", READ_ONCE(debugfs_session(file)->request_timeout));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(timeout);

static int blocksize_bits_show(struct seq_file *file, void *unused)
{
	seq_printf(file, "%d\n", ilog2(nbd_export_block(&debugfs_session(file)->export)));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(blocksize_bits);

static const struct {
	const char *name;
	u16 flag;
} debugfs_flags[] = {
	{ "NBD_FLAG_HAS_FLAGS", NBD_FLAG_HAS_FLAGS },
	{ "NBD_FLAG_READ_ONLY", NBD_FLAG_READ_ONLY },
	{ "NBD_FLAG_SEND_FLUSH", NBD_FLAG_SEND_FLUSH },
	{ "NBD_FLAG_SEND_FUA", NBD_FLAG_SEND_FUA },
	{ "NBD_FLAG_SEND_TRIM", NBD_FLAG_SEND_TRIM },
	{ "NBD_FLAG_SEND_WRITE_ZEROES", NBD_FLAG_SEND_WRITE_ZEROES },
};

static int flags_show(struct seq_file *file, void *unused)
{
	u16 flags = debugfs_session(file)->export.flags;
	unsigned int i;

	seq_printf(file, "Hex: 0x%08x\n\nKnown flags:\n", flags);
	for (i = 0; i < ARRAY_SIZE(debugfs_flags); i++)
		if (flags & debugfs_flags[i].flag)
			seq_printf(file, "%s\n", debugfs_flags[i].name);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(flags);

/**
 * nbd_debugfs_add() - create the files of a device
 * @dev: attached device, locked by the caller
 *
 * Context: Process context, may sleep.
 */
void nbd_debugfs_add(struct nbd_device *dev)
{
	struct dentry *dir;

	dir = debugfs_create_dir(dev->disk->disk_name, debugfs_root);
	debugfs_create_file("tasks", 0444, dir, dev, &tasks_fops);
	debugfs_create_file("size_bytes", 0444, dir, dev, &size_bytes_fops);
	debugfs_create_file("timeout", 0444, dir, dev, &timeout_fops);
	debugfs_create_file("blocksize_bits", 0444, dir, dev, &blocksize_bits_fops);
	debugfs_create_file("flags", 0444, dir, dev, &flags_fops);
	dev->debugfs = dir;
}

/**
 * nbd_debugfs_remove() - remove the files of a device
 * @dev: attached device, locked by the caller
 *
 * Context: Process context, may sleep. Waits for readers.
 */
void nbd_debugfs_remove(struct nbd_device *dev)
{
	debugfs_remove(dev->debugfs);
	dev->debugfs = NULL;
}

/* Without debugfs, or memory, the files are missing, and nothing else */
void nbd_debugfs_init(void)
{
	debugfs_root = debugfs_create_dir("nbd", NULL);
}

void nbd_debugfs_exit(void)
{
	debugfs_remove(debugfs_root);
}
