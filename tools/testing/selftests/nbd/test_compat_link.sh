#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# By the name nbd-client, nbd-attach takes nbd-client's command lines: a script that attaches,
# checks and detaches with them works, and its disk survives a restart of the server. So do the
# entries of nbdtab(5). Disks of the real nbd-client can be detached by ours, and vice versa.

. "$(dirname "$0")/lib/keeper.sh"

requires nbdkit nbd-client
genl_has_family nbd || skip "nbd.ko was built without the interfaces of the kernel's own driver"
mkdir "$TMP/bin"
ln -s "$(command -v nbd-attach)" "$TMP/bin/nbd-client"
ours=$TMP/bin/nbd-client
image=$TMP/image
dd if=/dev/urandom of="$image" bs=1M count=8 status=none

# is_free DEVICE: nbd-client says so
is_free() { exits 1 nbd-client -c "$1" && exits 1 "$ours" -c "$1"; }
is_attached() { nbd-client -c "$1" >/dev/null && "$ours" -c "$1" >/dev/null; }
# use DEVICE: it has the image
use() { within 30 cmp "$1" "$image"; }

start() { again nbdkit -f -i 127.0.0.1 -p @PORT@ file "$image"; }
_place
start
_pick_device
dev=$DEV
is_free "$dev"
_tool "$ours" -N "" 127.0.0.1 "$PORT" "$dev" -persist -systemd-mark -swap -timeout 30
matches "$OUTPUT" "Connected $dev" "message"
is_attached "$dev"
matches "$(nbd-list -n -o name,state,uri)" "${dev#/dev/} *live *nbd://127.0.0.1:$PORT" "nbd-list"
use "$dev"

# the disk waits for its server
stop_server
echo 3 >/proc/sys/vm/drop_caches
background read dd if="$dev" of="$TMP/back" bs=1M iflag=direct status=none
sleep 2
[ -e "$TMP/read.rc" ] && fail "a read without a server has ended"
start
ends read 0
cmp "$TMP/back" "$image"
exits 0 within 30 "$ours" -d "$dev"
is_free "$dev"

# by the table, with an option of it and one that replaces another
cat >"$TMP/nbdtab" <<-END
	# a comment
	${dev#/dev/}	127.0.0.1	-	port=$PORT,readonly,timeout=5,persist
END
exits 0 nbd-attach --table "$TMP/nbdtab" --timeout 7 "${dev#/dev/}"
same "$(blockdev --getro "$dev")" 1 "read-only"
same "$(nbd-info --json "$dev" | jq -r .request_timeout)" 7 "timeout"
use "$dev"
exits 0 within 30 nbd-client -d "$dev"
is_free "$dev"

# a disk of the real one gets a keeper, and then waits for its server as ours do
nbd-client -N "" 127.0.0.1 "$PORT" "$dev" >"$TMP/out" 2>&1
wait_until 20 is_attached "$dev"
exits 0 nbd-attach --adopt --dead-timeout 60 "nbd://127.0.0.1:$PORT/" "$dev"
same "$(nbd-info --json "$dev" | jq -r .dead_timeout)" 60 "dead-connection timeout"
stop_server
rm "$TMP"/read*
background read dd if="$dev" of="$TMP/back" bs=1M iflag=direct status=none
sleep 2
[ -e "$TMP/read.rc" ] && fail "a read without a server has ended"
start
ends read 0
cmp "$TMP/back" "$image"
exits 0 within 30 nbd-client -d "$dev"
wait_until 20 is_free "$dev"

# disks of the real one
for mode in "" -L; do
	# shellcheck disable=SC2086 # none or one word
	nbd-client $mode -N "" 127.0.0.1 "$PORT" "$dev" >"$TMP/out" 2>&1
	wait_until 20 is_attached "$dev"
	use "$dev"
	settle
	exits 0 within 30 "$ours" -d "$dev"
	wait_until 20 is_free "$dev"
	# shellcheck disable=SC2086
	nbd-client $mode -N "" 127.0.0.1 "$PORT" "$dev" >"$TMP/out" 2>&1
	wait_until 20 is_attached "$dev"
	settle
	exits 0 within 30 nbd-detach "$dev"
	wait_until 20 is_free "$dev"
done
