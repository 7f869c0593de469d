#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A file system is mounted and unmounted while another process clears the sockets, COUNT times: the
# kernel does not complain, and nothing hangs.
# tags: kernel, long

. "$(dirname "$0")/lib/compat.sh"

requires_nbd
requires nbd-client
# what is lost is reported by the file system
allow_klog 'EXT4-fs|JBD2|Buffer I/O error|I/O error, dev nbd'
mnt=$TMP/mnt
mkdir "$mnt"
truncate -s 16M "$TMP/image"
mkfs.ext4 -q "$TMP/image"
serve_nbdkit file "$TMP/image"
defer umount -q "$mnt"

mounted=0
for ((i = 0; i < ${COUNT:-30}; i++)); do
	attach_legacy -L
	# from before the mount to after the umount, on a slow machine, too
	"$HERE/compat_poke" "$DEV" clear $((i % 10 * 4 * (i % 30 + 1))) &
	within 60 mount "$DEV" "$mnt" 2>/dev/null && mounted=$((mounted + 1))
	[ ! -e "$mnt/lost+found" ] || echo "$i" >"$mnt/file" 2>/dev/null || true
	within 60 umount -q "$mnt" 2>/dev/null || true
	wait $! || fail "CLEAR_SOCK: exit status $?"
	wait_until 20 is_idle "$DEV"
done
[ "$mounted" -gt 0 ] || fail "none of $i mounts succeeded"
note "$mounted of $i mounts succeeded"
