#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# However a server misbehaves in answering READ, no wrong byte is ever taken for content, an error
# fails that read alone, and a broken rule ends the connection; see proto_rows.py.

. "$(dirname "$0")/lib/proto.sh"

proto_rows read
