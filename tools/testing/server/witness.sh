#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Foreign clients bear witness that the correct mode of evil-nbd is correct: witness.sh PROGRAM
# Prints TAP. Needs nbdinfo and nbdcopy (libnbd-bin), qemu-img and qemu-io (qemu-utils).

# The functions below are run by "ok":
# shellcheck disable=SC2317

set -u
prog=$1
dir=$(mktemp -d)
n=0
failed=0

cleanup() {
	[ -f "$dir/pid" ] && kill "$(cat "$dir/pid")" 2>/dev/null
	rm -rf "$dir"
}
trap cleanup EXIT

for tool in nbdinfo nbdcopy qemu-img qemu-io; do
	if ! command -v "$tool" >/dev/null; then
		echo "1..0 # SKIP $tool is not installed"
		exit 0
	fi
done

# start TRANSPORT OPTION...: a server with an image that can be compared with; sets $uri
start() {
	local transport=$1
	shift
	rm -f "$dir/image" "$dir/out"
	if [ "$transport" = unix ]; then
		"$prog" --unix "$dir/sock" --daemon --pidfile "$dir/pid" --log "$dir/log" \
			--image "$dir/image" --size 8M --fill sparse "$@"
		uri="nbd+unix:///?socket=$dir/sock"
	else
		"$prog" --port 0 --daemon --pidfile "$dir/pid" --log "$dir/log" \
			--image "$dir/image" --size 8M --fill sparse "$@" >"$dir/out"
		uri="nbd://127.0.0.1:$(sed -n 's/^port //p' "$dir/out")/"
	fi
}

stop() {
	kill "$(cat "$dir/pid")"
	while [ -f "$dir/pid" ]; do sleep 0.01; done
}

# ok NAME COMMAND...: the command succeeds, and the server found nothing to complain about
ok() {
	local name=$1 out
	shift
	n=$((n + 1))
	if out=$("$@" 2>&1) && ! out=$(grep VIOLATION "$dir/log"); then
		echo "ok $n - $name"
	else
		echo "not ok $n - $name"
		echo "${out//$'\n'/$'\n'# }" | sed '1s/^/# /'
		failed=1
	fi
}

info() {
	nbdinfo "$uri" | grep -q 'x-test:a' && [ "$(nbdinfo --size "$uri")" = 8388608 ]
}

# The image holds data in each even block of 4 KiB and zeroes in each odd one.
map() {
	nbdinfo --map --json "$uri" | python3 -c '
import json, sys
pos = 0
for e in json.load(sys.stdin):
    assert e["offset"] == pos and e["length"] == 4096, e
    assert bool(e["type"] & 2) == bool(pos // 4096 % 2), e
    pos += 4096
assert pos == 8 << 20, pos'
}

copy() {
	rm -f "$dir/copy"
	nbdcopy "$uri" "$dir/copy" && cmp "$dir/copy" "$dir/image"
}

# qemu's client asks for block sizes, holes and four requests at a time.
qemu_copy() {
	qemu-img convert -n -f raw -O raw -m 4 "$uri" "$dir/copy" && cmp "$dir/copy" "$dir/image" &&
		qemu-img compare -f raw -F raw "$uri" "$dir/image"
}

write_back() {
	head -c 8388608 /dev/urandom >"$dir/random"
	nbdcopy --flush "$dir/random" "$uri" && cmp "$dir/random" "$dir/image"
}

qemu_io() {
	! qemu-io -f raw -c 'write -P 5 1M 64k' -c 'write -f -P 6 2M 4k' -c 'write -z 3M 1M' \
		-c 'write -z -u 4M 1M' -c 'discard 5M 64k' -c flush -c 'read -P 5 1M 64k' \
		-c 'read -P 6 2M 4k' -c 'read -P 0 3M 2M' "$uri" | grep -iE 'fail|error|mismatch'
}

run() {
	local what=$1
	shift
	start "$@"
	ok "$what: nbdinfo" info
	ok "$what: nbdinfo --map" map
	ok "$what: nbdcopy from the export" copy
	ok "$what: qemu-img convert and compare" qemu_copy
	ok "$what: nbdcopy to the export" write_back
	ok "$what: qemu-io" qemu_io
	stop
}

run 'unix' unix
run 'tcp' tcp
run 'unix, minimum block 4096' unix --block-size 4096:4096:1048576
run 'tcp, random shapes' tcp --read-shape random --write-reply random
run 'unix, holes' unix --read-shape holes --status shuffle
run 'unix, interleaved' unix --read-shape interleave

start unix --flags no-structured
ok 'simple replies: nbdcopy' copy
ok 'simple replies: qemu-io' qemu_io
stop

rm -f "$dir/image"
"$prog" --unix "$dir/sock" --daemon --pidfile "$dir/pid" --log "$dir/log" --size 8T --fill zero
uri="nbd+unix:///?socket=$dir/sock"
ok '8 TiB' qemu-io -f raw -c 'write -P 7 8388607M 1M' -c 'read -P 7 8388607M 1M' \
	-c 'read -P 0 4T 1M' "$uri"
stop

echo "1..$n"
exit $failed
