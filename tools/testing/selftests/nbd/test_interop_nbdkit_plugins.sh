#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# What nbdkit's data, eval and pattern plugins have is what the disk has, behind filters that delay,
# hide extents, or cut the image into pieces.

. "$(dirname "$0")/lib/lib.sh"

# same_as_server: the whole disk is what a client without a kernel reads
same_as_server() {
	attach "$@"
	same "$(within 60 sha256sum <"$DEV")" "$(nbdcopy "$URI" - | sha256sum)" "content"
	detach
	stop_server
}

serve_nbdkit data "0x55 0xAA @0x80000 (1 2 3)*1000 @0x1FFFFF 7" size=2M
same_as_server
serve_nbdkit --filter=noextents --filter=delay pattern 3M rdelay=1ms
same_as_server -C 4
printf '%s\n' "0 1M hole" "1M 1M" >"$TMP/extents"
serve_nbdkit --filter=extentlist pattern 2M extentlist="$TMP/extents"
same_as_server
# shellcheck disable=SC2016 # for the server's shell
serve_nbdkit eval get_size='echo 65536' \
	pread='yes "$3 $4" | head -c "$3"'
attach
same "$(dd if="$DEV" bs=4096 skip=8 count=1 iflag=direct status=none)" \
	"$(yes "4096 32768" | head -c 4096)" "the server's answer to a read of 4096 bytes at 32768"
