#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Over TLS in the kernel, what a full socket has sent in part goes out when there is room again.

. "$(dirname "$0")/lib/lib.sh"

requires_nbdctl
modprobe -q tls || skip "no TLS in this kernel"
harness uapi_tls
