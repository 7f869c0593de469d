#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A task that has attached can disconnect the socket that it kept, let it listen, or put TLS above
# it: the disk loses its connection, and nothing of the driver is left in the socket or in its
# children.
# tags: kernel

. "$(dirname "$0")/lib/lib.sh"

requires_nbdctl
modprobe -q tls || true
harness uapi_socket
