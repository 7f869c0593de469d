#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# However a server misbehaves in answering BLOCK_STATUS, a map is right or an error, and a broken
# rule ends the connection; see proto_rows.py.

. "$(dirname "$0")/lib/proto.sh"

proto_rows status
