#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Connections after the first are negotiated at the same time: nine with a server that takes its
# time over each come in that of a few.

. "$(dirname "$0")/lib/lib.sh"

serve_nbdkit --filter=delay memory 64M delay-open=4
before=$SECONDS
attach -C 9
took=$((SECONDS - before))
same "$(ss -Htn state established "dport = :$PORT" | wc -l)" 9 "connections"
# one after the other it would be 36 seconds
[ "$took" -lt 28 ] || fail "$took seconds"
detach
