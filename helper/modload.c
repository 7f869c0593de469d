// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "error.h"
#include "kernel.h"
#include "log.h"
#include "modload.h"
#include "program.h"

/* A driver is there, but not one that knows our family. */
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

static int modload_probe(struct error *err)
{
	static const char *const argv[] = { "modprobe", "nbd", NULL };
	int rc;

	if (geteuid())
		return error_set(err, EXIT_MODULE,
				 "the nbd driver is not loaded, and loading it takes root");
	log_note("loading the nbd driver");
	rc = program_run(argv);
	if (rc < 0)
		return error_errno(err, EXIT_MODULE, -rc, "cannot run modprobe");
	if (!rc)
		return 0;
	error_set(err, EXIT_MODULE, "cannot load the nbd driver: modprobe failed");
	error_hint(err, "is the module installed for this kernel? \"modprobe -v nbd\" says more");
	return -1;
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
		if (kernel || err->code != EXIT_MODULE)
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
