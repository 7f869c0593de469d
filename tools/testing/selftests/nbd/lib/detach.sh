# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Ground of the tests of a forced detach: a mounted file system with readers, writers and dirty
# pages, then something bad (the test), then the detach, and a look at what is left.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

_users=()

# use OPTIONS...: attach with them; mount what is there; keep it busy by direct and buffered I/O
use() {
	local image=$TMP/image

	truncate -s 64M "$image"
	mke2fs -q -F -t ext4 "$image"
	serve_nbdkit file "$image"
	attach "$@"
	mkdir "$TMP/mnt"
	mount "$DEV" "$TMP/mnt"
	defer eval "umount -l '$TMP/mnt' 2>/dev/null || true"
	# what becomes of the file system is not our concern
	allow_klog "EXT4-fs|Buffer I/O|I/O error|JBD2|Aborting journal|lost async page"
	dd if=/dev/zero of="$TMP/mnt/read" bs=64k count=160 conv=fsync status=none
	_user dd if="$TMP/mnt/read" of=/dev/null iflag=direct bs=4k
	_user dd if=/dev/zero of="$TMP/mnt/buffered" bs=64k count=320
	_user dd if=/dev/zero of="$TMP/mnt/direct" bs=64k count=320 oflag=direct
	_user dd if=/dev/zero of="$TMP/mnt/synced" bs=64k count=320 oflag=sync
	wait_until 20 test -s "$TMP/mnt/synced"
}

# again and again, until it fails
_user() {
	while "$@"; do :; done >/dev/null 2>&1 &
	_users+=("$!")
	defer _kill "$!"
}

# tasks that nothing can end, but the kernel's own threads
_stuck() {
	awk '{ sub(/.*\) /, ""); if ($1 == "D" && $2 != 2) n++ } END { exit !n }' \
		/proc/[0-9]*/stat 2>/dev/null
}

# detach_force: it is done at once; each task that waited gets an error, none is stuck, the mount
# goes
detach_force() {
	local user

	exits 0 within 20 nbd-detach --force "$DEV"
	attached "$DEV" && fail "$DEV is still attached"
	for user in "${_users[@]}"; do
		wait_until 30 eval "! kill -0 $user"
	done
	within 30 umount "$TMP/mnt"
	wait_until 30 eval '! _stuck'
}

# same_index_again [OPTIONS...]: another server's disk is there, and nothing of what was cached
same_index_again() {
	TRANSPORT=unix serve_nbdkit pattern 16M
	_tool nbd-attach "$@" "$URI" "$DEV"
	within 30 dd if="$DEV" of="$TMP/back" bs=64k count=16 status=none
	nbdcopy "$URI" - | cmp -n 1048576 "$TMP/back" -
	detach
}
