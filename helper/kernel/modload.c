// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/program.h"
#include "base/text.h"
#include "kernel/kernel.h"
#include "kernel/modload.h"

/* A driver named nbd is loaded, but it does not have our netlink family. */
static int modload_foreign(struct error *err)
{
	error_set(err, EXIT_MODULE, "the nbd driver that is loaded is not the one of this package");
	error_hint(err, "detach its devices, then \"modprobe -r nbd && modprobe nbd\"; %s",
		   "if that does not help, install the module for this kernel and run depmod");
	return -1;
}

static bool modload_driver_present(void)
{
	return !access("/sys/module/nbd", F_OK);
}

/* Fills in @err with the output of modprobe, and what helps. */
static int modload_failed(const char *said, struct error *err)
{
	static const char *const unsigned_module[] = {
		"Key was rejected", "Required key", "Operation not permitted",
	};
	char shown[300];
	struct utsname name;
	size_t i;

	text_escape(shown, sizeof(shown), said, strlen(said));
	error_set(err, EXIT_MODULE, "cannot load the nbd driver: %s",
		  shown[0] ? shown : "modprobe failed");
	uname(&name);
	error_hint(err, "is the module installed for kernel %s? \"modprobe -v nbd\" shows more",
		   name.release);
	for (i = 0; i < sizeof(unsigned_module) / sizeof(unsigned_module[0]); i++)
		if (strstr(said, unsigned_module[i]))
			error_hint(err, "%s; %s",
				   "with Secure Boot the kernel takes signed modules only",
				   "sign nbd.ko with a key that \"mokutil --import\" enrolled");
	return -1;
}

static int modload_probe(struct error *err)
{
	static const char *const argv[] = { "modprobe", "nbd", NULL };
	char said[256] = "";
	int rc;

	if (geteuid())
		return error_set(err, EXIT_MODULE,
				 "the nbd driver is not loaded, and loading it takes root");
	log_note("loading the nbd driver");
	rc = program_run(argv, said, sizeof(said));
	if (rc < 0)
		return error_errno(err, EXIT_MODULE, -rc, "cannot run modprobe");
	return rc ? modload_failed(said, err) : 0;
}

/* modprobe finds only the driver of the kernel. */
static void modload_other_loaded(struct error *err)
{
	struct utsname name;

	uname(&name);
	error_set(err, EXIT_MODULE,
		  "modprobe loaded the kernel's own nbd driver, not the one of this package");
	error_hint(err, "install the module for kernel %s, run depmod, then \"modprobe -r nbd\"",
		   name.release);
}

struct kernel *modload_open(struct error *err)
{
	struct kernel *kernel = kernel_open(err);

	if (kernel || err->code != EXIT_MODULE)
		return kernel;
	if (!modload_driver_present()) {
		if (modload_probe(err))
			return NULL;
		kernel = kernel_open(err);
		if (!kernel && err->code == EXIT_MODULE)
			modload_other_loaded(err);
		return kernel;
	}
	modload_foreign(err);
	return NULL;
}

struct kernel *modload_open_loaded(struct error *err)
{
	struct kernel *kernel = kernel_open(err);

	if (kernel || err->code != EXIT_MODULE)
		return kernel;
	if (modload_driver_present())
		modload_foreign(err);
	else
		err->code = EXIT_FALSE;
	return NULL;
}
