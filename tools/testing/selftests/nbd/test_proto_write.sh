#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# However a server misbehaves in answering WRITE, FLUSH, TRIM and WRITE_ZEROES, its errors keep
# their meaning, and a broken rule ends the connection; see proto_rows.py.

. "$(dirname "$0")/lib/proto.sh"

proto_rows write
