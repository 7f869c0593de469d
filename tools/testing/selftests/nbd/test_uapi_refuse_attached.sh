#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What is refused to an attached device leaves it running; the unprivileged may look, but not at
# names.

. "$(dirname "$0")/lib/lib.sh"

requires_nbdctl
harness uapi_refuse_attached
