#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The other commands refuse devices that are idle or not there, and what they do not know.

. "$(dirname "$0")/lib/lib.sh"

requires_nbdctl
harness uapi_refuse_command
