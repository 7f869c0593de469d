#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# qemu-nbd with a raw image, and with a qcow2 image over a backing file, on TCP and Unix sockets,
# with 1 and 4 connections: data pass both ways, and only the overlay is written.

. "$(dirname "$0")/lib/qemu.sh"

qemu_nbd_serves
