#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A disk that an attach by netlink is creating cannot be attached by ioctl in the meantime.
# tags: smp

. "$(dirname "$0")/lib/compat.sh"

requires_nbdctl
requires_nbd
requires evil-nbd

# An open of a disk that is not there yet would wait for modprobe
defer sysctl -qw "kernel.modprobe=$(sysctl -n kernel.modprobe)"
sysctl -qw kernel.modprobe=
harness uapi_creation
