#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A connection to an export that is not the one attached is refused, with its errno, an event and a
# line in the log, and the disk continues to work; one to more than that is taken.

. "$(dirname "$0")/lib/lib.sh"

requires_nbdctl
requires evil-nbd
harness uapi_export
klog | grep -q "nbd8: conn 0: refused, size: the export is smaller than the disk" ||
	fail "no line in the log"
