#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A disk keeps nothing of an earlier one of its number, neither of the export nor of what was set by
# hand, in any attribute that sysfs has; nor an error that nobody has asked for. Programs that look
# at the disk's sequence number see another disk. A sync of an idle one succeeds.
# tags: kernel

. "$(dirname "$0")/lib/lib.sh"

# every setting, by few programs
settings() {
	(
		cd "/sys/block/$DISK"
		grep -sH '' ro removable capability hidden events_async \
			queue/* queue/iosched/* || true
		blockdev --report "$DEV" | awk 'NR == 2 { print $1, $2, $3, $4 }'
	)
}

# something else than what each is by default, as far as this kernel lets us
spoil() {
	local setting

	for setting in "write_cache=write through" scheduler=mq-deadline read_ahead_kb=64 \
		nomerges=2 rq_affinity=2 rotational=1 add_random=1 iostats=0 \
		iostats_passthrough=1 stable_writes=1 \
		max_sectors_kb=512 discard_max_bytes=1048576 nr_requests=16 wbt_lat_usec=1000 \
		io_timeout=5000; do
		echo "${setting#*=}" >"/sys/block/$DISK/queue/${setting%%=*}"
	done 2>/dev/null || true
	blockdev --setro --setra 512 "$DEV"
	[ "$(settings)" != "$1" ] || fail "nothing could be set"
}

same_settings() {
	[ "$(settings)" = "$1" ] || fail "$2: $(diff <(echo "$1") <(settings))"
}

another_disk() {
	local now

	now=$(<"/sys/block/$DISK/diskseq")
	[ "$now" -gt "$seq" ] || fail "sequence number $now after $seq"
	seq=$now
}

serve evil-nbd --port @PORT@ --log "$TMP/log"
one=$URI
serve evil-nbd --port @PORT@ --log "$TMP/log2" --block-size 4096:65536:1048576 \
	--flags no-flush,no-fua,no-trim,no-zeroes,no-multi-conn,read-only,rotational
two=$URI
# it is listed once it is loaded
modprobe -q mq-deadline || true
_pick_device
first=$DEV seq=0
idle=$(settings)
matches "$idle" "queue/write_cache:write through" "idle"

URI=$one attach
same "$DEV" "$first" "device"
another_disk
rich=$(settings)
matches "$rich" "queue/write_cache:write back" "the first export"
matches "$rich" "queue/fua:1" "the first export"
spoil "$rich"
detach
same_settings "$idle" "idle after the first"
within 20 sync "$DEV"

URI=$two attach
another_disk
poor=$(settings)
matches "$poor" "ro:1" "the second export"
matches "$poor" "queue/logical_block_size:4096" "the second export"
detach
same_settings "$idle" "idle after the second"
within 20 sync "$DEV"

URI=$one attach
another_disk
same_settings "$rich" "the first export again"
spoil "$rich"
# an error of writing that nobody hears of
blockdev --setrw "$DEV"
allow_klog "I/O error"
exec {fd}<>"$DEV"
dd if=/dev/zero of="$DEV" bs=4k count=1 conv=notrunc status=none
nbd-detach --force "$DEV"
exec {fd}>&-
wait_until 20 test -e "/sys/block/$DISK/queue/iostats"
settle
same_settings "$idle" "idle after force"
within 20 sync "$DEV"
URI=$two attach
same_settings "$poor" "the second export again"
detach
URI=$one attach
same_settings "$rich" "the first export after force"
detach
