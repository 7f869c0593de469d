// SPDX-License-Identifier: GPL-2.0-only
/* Load and unload of the module, and their order. */
#include <linux/module.h>
#include <linux/workqueue.h>

#include "attrs.h"
#include "compat.h"
#include "conn.h"
#include "debugfs.h"
#include "devices.h"
#include "disk.h"
#include "fops.h"
#include "legacy-netlink.h"
#include "nbdctl.h"
#include "queue.h"
#include "session.h"

static const struct nbd_device_ops device_ops = {
	.fops = &nbd_fops,
	.mq_ops = &nbd_mq_ops,
	.groups = nbd_attr_groups,
};

module_param(nbds_max, uint, 0444);
MODULE_PARM_DESC(nbds_max, "devices to make at load (default 16); more are made on demand");
module_param(pre_defined_connections, uint, 0444);
MODULE_PARM_DESC(pre_defined_connections,
		 "hardware queues of the devices that are made at load (default 1)");
module_param(max_part, uint, 0444);
MODULE_PARM_DESC(max_part, "partitions per device that have minors of the device's own (default 16)");

static int __init nbd_init(void)
{
	int err;

	/* Senders and receivers run on the CPU that queues them; reclaim may depend on them */
	nbd_io_wq = alloc_workqueue("nbd", WQ_MEM_RECLAIM | WQ_HIGHPRI | NBD_WQ_PERCPU, 0);
	if (!nbd_io_wq)
		return -ENOMEM;
	nbd_ctl_wq = alloc_workqueue("nbd-ctl", WQ_MEM_RECLAIM | WQ_UNBOUND, 0);
	if (!nbd_ctl_wq) {
		err = -ENOMEM;
		goto destroy_io_wq;
	}
	nbd_conns_init();
	nbd_sessions_init();
	nbd_debugfs_init();
	err = nbd_devices_init(&device_ops);
	if (err)
		goto exit_conns;
	err = nbdctl_init();
	if (err)
		goto exit_devices;
	err = nbd_legacy_init();
	if (err)
		goto exit_nbdctl;
	return 0;

exit_nbdctl:
	nbdctl_exit();
exit_devices:
	nbd_devices_exit();
exit_conns:
	nbd_debugfs_exit();
	nbd_conns_exit();
	destroy_workqueue(nbd_ctl_wq);
destroy_io_wq:
	destroy_workqueue(nbd_io_wq);
	return err;
}

static void __exit nbd_exit(void)
{
	/* First no device can be attached any more; one that is would pin the module */
	nbd_legacy_exit();
	nbdctl_exit();
	nbd_devices_exit();
	/* Then the RCU callbacks and work items run that free what is left */
	rcu_barrier();
	destroy_workqueue(nbd_ctl_wq);
	destroy_workqueue(nbd_io_wq);
	rcu_barrier();
	nbd_debugfs_exit();
	nbd_conns_exit();
}

module_init(nbd_init);
module_exit(nbd_exit);

MODULE_DESCRIPTION("Network Block Device with maps");
MODULE_LICENSE("GPL");
MODULE_VERSION(NBD_VERSION);
MODULE_ALIAS_BLOCKDEV_MAJOR(43);
MODULE_ALIAS_GENL_FAMILY(NBDCTL_FAMILY_NAME);
#ifdef NBD_LEGACY
MODULE_ALIAS_GENL_FAMILY("nbd");
#endif
