#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# An attach takes connected stream sockets of TCP, Unix and vsock only, and each once.
# tags: kernel

. "$(dirname "$0")/lib/lib.sh"

requires_nbdctl
harness uapi_refuse_socket
