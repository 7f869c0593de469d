#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Disks of nbdtab(5) are there at every boot, with a file system, swap, a volume group and an
# encrypted volume on them; they survive what happens to the server, the network and the service,
# and are taken down in order. A dead server delays neither the boot nor the shutdown for long.

. "$(dirname "$0")/lib.sh"

mkdir "$TMP/exports"
for name in data swap volumes secret; do
	truncate -s 64M "$TMP/exports/$name"
done
mkfs.ext4 -q -L remote "$TMP/exports/data"
mkswap -q "$TMP/exports/swap" 2>/dev/null
cp --sparse=always "$IMAGE/root.img" "$TMP/root.img"

# local_root: the guest has a disk of its own, which lasts
local_root() {
	boot initrd-debian "root=/dev/vdb rw" \
		-drive "file=$TMP/root.img,if=virtio,format=raw,cache=unsafe"
}

# what each boot but the first begins with
checks='
set -ex
# not after what is being waited for
systemctl is-system-running --wait || true
show() { systemctl --no-pager --failed; systemctl --no-pager status "nbd-attach@*"; nbd-list; }
all_there() {
	findmnt /mnt/data && findmnt /mnt/volume && findmnt /mnt/secret &&
		grep nbd1 /proc/swaps || {
		show
		exit 1
	}
}
'

serve dir="$TMP/exports"
note "set up"
local_root <<'END'
set -ex
cat >/etc/nbdtab <<'TAB'
nbd0 10.0.2.2 data conns=2,identifier=data
nbd1 10.0.2.2 swap swap
nbd2 nbd://10.0.2.2/volumes - identifier=volumes
nbd3 10.0.2.2 secret identifier=se/cret,dead-timeout=20
nbd4 10.0.2.2 data noauto
TAB
nbd-attach --check-config
systemctl daemon-reload
systemctl start nbd-attach@nbd2 nbd-attach@nbd3
[ "$(systemctl show -P ActiveState nbd-attach@nbd0)" = inactive ]
udevadm settle
[ "$(readlink -f /dev/disk/by-id/nbd-volumes)" = /dev/nbd2 ]
[ "$(readlink -f /dev/disk/by-id/nbd-se_cret)" = /dev/nbd3 ]
[ "$(readlink -f /dev/disk/by-path/nbd:__10.0.2.2_volumes)" = /dev/nbd2 ]

pvcreate -q /dev/nbd2
vgcreate -q remote /dev/nbd2
lvcreate -q -L 32M -n volume remote
mkfs.ext4 -q /dev/remote/volume
vgchange -an remote

head -c 32 /dev/urandom >/etc/key
cryptsetup -q luksFormat --pbkdf pbkdf2 --pbkdf-force-iterations 1000 /dev/nbd3 /etc/key
cryptsetup open --key-file /etc/key /dev/nbd3 secret
mkfs.ext4 -q /dev/mapper/secret
cryptsetup close secret

mkdir /mnt/data /mnt/volume /mnt/secret
echo 'secret /dev/disk/by-id/nbd-se_cret /etc/key luks,_netdev' >/etc/crypttab
cat >/etc/fstab <<'TAB'
/dev/nbd0 /mnt/data ext4 _netdev 0 2
/dev/nbd1 none swap _netdev 0 0
/dev/remote/volume /mnt/volume ext4 _netdev 0 2
/dev/mapper/secret /mnt/secret ext4 _netdev 0 2
TAB
systemctl reboot
END
said '^status 0'
powered_off 150

note "boot, restarts, shutdown"
local_root <<END
$checks
all_there
[ ! -e /sys/block/nbd4/pid ]
echo one >/mnt/data/one
# the disks outlive the services and a new look at the table
systemctl daemon-reload
systemctl restart nbd-attach@nbd0
all_there
[ "\$(systemctl show -P ActiveState nbd-attach@nbd0)" = active ]
systemctl kill -s KILL nbd-attach@nbd2
systemctl restart systemd-networkd
echo up
read -r go </dev/ttyS2
for dir in /mnt/data /mnt/volume /mnt/secret; do
	head -c 1M /dev/urandom >\$dir/random
done
sync
nbd-list -o name,conn,state
all_there
! systemctl --failed --plain --no-legend | grep .
systemctl poweroff
END
said '^up'
server_stop KILL
sleep 3
serve dir="$TMP/exports"
order go
said '^status 0'
powered_off 150
! console 'Failed unmounting|Failed deactivating|emergency' || fail "not an orderly shutdown"
e2fsck -fn "$TMP/exports/data" >"$TMP/fsck" 2>&1 ||
	fail "the file system is damaged: $(head -n 5 "$TMP/fsck")"
debugfs -R "dump /one $TMP/one" "$TMP/exports/data" 2>/dev/null
[ "$(cat "$TMP/one")" = one ] || fail "what was written is not on the server"

note "the server dies, then the system is shut down"
local_root <<END
$checks
all_there
echo dirty >/mnt/data/dirty
echo up
read -r go </dev/ttyS2
echo going
systemctl poweroff
END
said '^up'
server_stop KILL
order go
said '^going'
powered_off 400

note "boot without the server"
local_root <<END
$checks
[ "\$(systemctl is-active multi-user.target)" = active ]
! findmnt /mnt/data
systemctl poweroff
END
said '^status 0' 400
powered_off 150
! console 'emergency' || fail "emergency mode"
