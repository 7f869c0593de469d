# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The old interfaces of an nbd driver: on top of lib.sh.
#
#	requires_nbd		skip if nbd.ko lacks the netlink family nbd
#	find_intree		set INTREE to the file of the kernel's own driver; fails if there is
#				none
#	is_idle DEV		true if DEV is not attached
#	compare PROGRAM		fail unless PROGRAM prints the same about both drivers, apart from
#				what compat.differences declares; without the kernel's own, run
#				PROGRAM on ours and skip

# shellcheck source=./lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

INTREE=
# A device that is closed after a write would be opened by udev, which watches it
_udev_rule=/run/udev/rules.d/99-nbd-compat.rules

requires_nbd() { genl_has_family nbd || skip "this nbd.ko has no netlink family nbd"; }

find_intree() { INTREE=$(ls "/lib/modules/$(uname -r)"/kernel/drivers/block/nbd.ko* 2>/dev/null); }

is_idle() { ! attached "$1"; }

_ours_again() { modprobe -r nbd; modprobe nbd; settle; }

# _reload COMMAND...: load the module by COMMAND; until _udev_back, udev leaves its devices alone
_reload() {
	settle
	# udev may not have closed a device that it looked into
	wait_until 20 modprobe -r nbd
	mkdir -p "${_udev_rule%/*}"
	echo 'KERNEL=="nbd*", OPTIONS+="nowatch"' >"$_udev_rule"
	udevadm control --reload
	"$@"
	settle
	udevadm control --stop-exec-queue
}

# shellcheck disable=SC2317 # deferred
_udev_back() {
	rm -f "$_udev_rule"
	udevadm control --reload --start-exec-queue
	settle
}

# _transcribe PROGRAM FILE
_transcribe() {
	local rc=0

	timeout -k 5 800 "$HERE/$1" </dev/null >"$2" 2>"$TMP/stderr" || rc=$?
	udevadm control --start-exec-queue
	[ "$rc" -eq 0 ] || fail "$1: exit status $rc: $(tail -n 3 "$TMP/stderr" "$2")"
	[ ! -s "$TMP/stderr" ] || fail "$1: $(head -n 3 "$TMP/stderr")"
}

compare() {
	local program=$1 rc=0

	requires_nbd
	defer _ours_again
	defer _udev_back
	# without the parameters that packages put into /etc/modprobe.d, as insmod has none
	_reload modprobe -C /dev/null nbd
	_transcribe "$program" "$TMP/ours"
	find_intree || skip "this kernel has no nbd driver of its own; ours alone was run"
	_reload insmod "$INTREE"
	genl_has_family nbdctl && fail "that is not the kernel's own driver"
	_transcribe "$program" "$TMP/theirs"
	"$HERE/lib/compat_diff" "$HERE/compat.differences" "$(uname -r)" "$TMP/theirs" "$TMP/ours" \
		>"$TMP/differences" || rc=$?
	sed 's/^/# /' "$TMP/differences"
	[ "$rc" -eq 0 ] || fail "$(wc -l <"$TMP/differences") undeclared differences"
}
