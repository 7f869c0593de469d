#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Every netlink command that changes something is refused to callers without CAP_SYS_ADMIN in the
# initial user namespace, as nobody, as root of another user namespace, as root without it, over a
# socket of
# another: nothing changes, and identifier and display are told by no reply, event or log line. With
# it alone, and from another network namespace, all is allowed.

. "$(dirname "$0")/lib/lib.sh"

requires_nbdctl
harness uapi_priv
# one device came and went, once for each test; there was never another
same "$(klog | grep -o 'nbd[0-9]*:' | sort -u)" "nbd9:" "devices in the log"
klog | grep secret && fail "a secret is in the log"
exit 0
