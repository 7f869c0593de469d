# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Shared by the tests of misbehaving servers. proto_rows PHASE [NAME...] takes the driver through
# all rows of that phase in the table of evil-nbd, and fails unless each comes to the outcome it
# names; see proto_rows.py for what that means.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

requires_nbdctl
requires nbd-attach evil-nbd python3

# nbd-attach waits until udev is idle: with many disks that come and go, for ever. A tmpfs over
# udev's sockets, in a mount namespace of our own, makes it believe that there is no udev.
without_udev() { unshare -m sh -c 'mount -t tmpfs none /run/udev && exec "$@"' sh "$@"; }

# and udev's probing of hundreds of disks would take longer than all the rest
no_probing() {
	local rules=/run/udev/rules.d/00-nbd-selftest.rules

	mkdir -p "${rules%/*}"
	defer udevadm control --reload
	defer rm -f "$rules"
	cat >"$rules" <<-'EOF'
		SUBSYSTEM=="block", KERNEL=="nbd*", OPTIONS+="nowatch", \
			ENV{UDEV_DISABLE_PERSISTENT_STORAGE_RULES_FLAG}="1"
	EOF
	udevadm control --reload
}

# A disk that stays, beside those that come and go: what the others' servers do is not to touch it.
# It also keeps the kernel from patching its network code whenever the last NBD socket goes (the key
# of sk_set_memalloc()), which is hard on emulated CPUs.
bystander() {
	serve_nbdkit memory 8M
	attach -C 1
	BYSTANDER=$DEV
}

bystander_is_well() {
	dd if="$BYSTANDER" of=/dev/null bs=64k count=1 iflag=direct status=none ||
		fail "another disk was hurt"
	detach "$BYSTANDER"
}

proto_rows() {
	local i

	no_probing
	bystander
	for ((i = 1; i <= 8; i++)); do
		attached "nbd$i" && fail "/dev/nbd$i is in use"
		defer _force_detach "/dev/nbd$i"
	done
	without_udev "$HERE/lib/proto_rows.py" "$TMP" "$@" ||
		fail "rows of phase $1 came to another outcome"
	bystander_is_well
}
