#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbdkit's file and memory plugins, structured and simple replies, TCP and Unix sockets, 1 and 4
# connections: what is written arrives, and what is there is read.
# tags: kernel

. "$(dirname "$0")/lib/lib.sh"

image=$TMP/image
dd if=/dev/urandom of="$TMP/data" bs=1M count=3 status=none

# round CONNECTIONS: 3 MiB at 5 MiB, and all of it back
round() {
	attach -C "$1"
	dd if="$TMP/data" of="$DEV" bs=1M seek=5 conv=notrunc,fsync status=none
	blockdev --flushbufs "$DEV"
	same "$(dd if="$DEV" bs=1M skip=5 count=3 iflag=direct status=none | sha256sum)" \
		"$(sha256sum <"$TMP/data")" "read back"
	detach
}

for transport in tcp unix; do
	for connections in 1 4; do
		truncate -s 0 "$image"
		truncate -s 9M "$image"
		TRANSPORT=$transport serve_nbdkit file "$image"
		round "$connections"
		cmp -n 3145728 -i 5242880:0 "$image" "$TMP/data"
		stop_server
	done
done

TRANSPORT=unix serve_nbdkit --no-sr memory 9M
round 1
# the server keeps what it has; another client sees it
same "$(nbdcopy "$URI" - | tail -c +5242881 | head -c 3145728 | sha256sum)" \
	"$(sha256sum <"$TMP/data")" "memory"
