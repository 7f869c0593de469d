#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A file system in an image on a web server is mounted without a download, as recipes.rst has it:
# the web server sends parts, and few of them.

. "$(dirname "$0")/lib/lib.sh"

requires lighttpd nbdkit
mnt=$TMP/mnt
mkdir "$mnt" "$TMP/tree" "$TMP/web"
head -c 300000 /dev/urandom >"$TMP/tree/file"
truncate -s 64M "$TMP/web/disk.img"
mkfs.ext4 -q -O ^has_journal -d "$TMP/tree" "$TMP/web/disk.img"

_place
cat >"$TMP/lighttpd.conf" <<-END
	server.modules = ("mod_accesslog")
	server.bind = "127.0.0.1"
	server.port = $PORT
	server.document-root = "$TMP/web"
	accesslog.filename = "$TMP/access"
	accesslog.format = "%m %s %O"
END
_launch lighttpd -D -f "$TMP/lighttpd.conf"
web=$SERVER_PID url=http://127.0.0.1:$PORT/disk.img

defer umount -q "$mnt"
serve_nbdkit -r curl "$url"
attach --read-only
same "$(blockdev --getsize64 "$DEV")" $((64 << 20)) "size of the disk"
within 60 mount -o ro "$DEV" "$mnt"
within 60 cmp "$TMP/tree/file" "$mnt/file"
within 30 umount "$mnt"
detach
# which makes it write its log
kill "$web"
wait "$web" || true
same "$(grep -c "^GET" "$TMP/access")" "$(grep -c "^GET 206" "$TMP/access")" "requests for a part"
sent=$(awk '{ sent += $3 } END { print sent }' "$TMP/access")
[ "$sent" -gt 300000 ] || fail "no more than $sent bytes came from the web server"
[ "$sent" -lt 8000000 ] || fail "$sent bytes came from the web server"
