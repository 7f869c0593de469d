#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What is asked of an attached disk (replace a connection, resize, show, map) while its first,
# second, ... allocation fails, is done, or ends in an errno; the disk continues to work.

. "$(dirname "$0")/lib/fault.sh"

harness uapi_fault -t replace -t resize -t get -t dump -t map
