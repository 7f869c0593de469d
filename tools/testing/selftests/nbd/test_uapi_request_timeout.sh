#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A silent server loses its connection after the request timeout, and never without one.
# tags: kernel

. "$(dirname "$0")/lib/lib.sh"

requires_nbdctl
requires evil-nbd
harness uapi_slots -f request_timeout
