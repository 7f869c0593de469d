#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A server that misbehaves in the handshake is refused, or attached with what is left, as the
# protocol demands; see proto_rows.py.

. "$(dirname "$0")/lib/proto.sh"

proto_rows handshake
