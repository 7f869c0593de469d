#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Wrong magics and cookies, silence, EOF and stray bytes, in both reply forms, end the connection
# and nothing else; see proto_rows.py.

. "$(dirname "$0")/lib/proto.sh"

proto_rows any
