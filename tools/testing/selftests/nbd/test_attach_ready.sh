#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# When nbd-attach returns, the disk can be used at once: size, partitions and their nodes are there,
# and so is udev's record of it, though udev takes its time. A udev that has died is not waited for.

. "$(dirname "$0")/lib/lib.sh"

image=$TMP/image
truncate -s 64M "$image"
printf '%s\n' 'label: gpt' 'start=1MiB, size=8MiB' 'start=9MiB, size=16MiB' |
	sfdisk -q "$image"
id=$(sfdisk -J "$image" | jq -r .partitiontable.id)

rule=/run/udev/rules.d/00-nbd-selftest.rules
mkdir -p "${rule%/*}"
echo 'SUBSYSTEM=="block", KERNEL=="nbd*", PROGRAM="/bin/sleep 2"' >"$rule"
defer eval "rm -f $rule; udevadm control --reload"
udevadm control --reload

serve_nbdkit file "$image"
DEV=$(free_device)
DISK=${DEV#/dev/}
defer _force_detach "$DEV"
# no function of ours between the return and the looks
nbd-attach "$URI" "$DEV" </dev/null >"$TMP/out" 2>&1 &&
	found=$(lsblk -bnro NAME,SIZE "$DEV") nodes=$(stat -c %F "${DEV}p1" "${DEV}p2") &&
	uuid=$(udevadm info -q property --property ID_PART_TABLE_UUID --value "$DEV")
same "$(sort <<<"$found" | tr '\n' ' ')" \
	"$DISK 67108864 ${DISK}p1 8388608 ${DISK}p2 16777216 " "lsblk"
same "$nodes" $'block special file\nblock special file' "nodes"
same "${uuid,,}" "${id,,}" "udev's record of the partition table"
same "$(<"$TMP/out")" "" "output"

rm "$rule"
udevadm control --reload
nbd-detach "$DEV"
kill -9 "$(pgrep -o -x systemd-udevd)"
defer eval 'pgrep -x systemd-udevd >/dev/null || /lib/systemd/systemd-udevd --daemon'
began=$SECONDS
exits 0 nbd-attach "$URI" "$DEV"
[ $((SECONDS - began)) -lt 8 ] || fail "waited for a udev that is dead"
same "$(stat -c %F "${DEV}p1" "${DEV}p2")" $'block special file\nblock special file' "nodes"
