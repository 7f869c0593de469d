# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# Ground of the tests in which the machine sleeps (to memory) and its clock wakes it.

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

requires fio rtcwake
grep -qw deep /sys/power/mem_sleep 2>/dev/null || skip "this machine can't sleep"
[ -e /sys/class/rtc/rtc0/wakealarm ] || skip "no clock that wakes the machine"

# sleep_for SECONDS: from now on. A debug kernel takes seconds to suspend, and an alarm that rings
# meanwhile does not wake it later: it gets 30 s more.
sleep_for() {
	local before

	[ ! -e /proc/lockdep ] || set -- $(($1 + 30))
	before=$(</sys/power/suspend_stats/success)
	within $((PATIENCE + $1)) rtcwake -m mem -s "$1" >"$TMP/rtcwake" 2>&1 ||
		fail "rtcwake: $(<"$TMP/rtcwake")"
	same "$(</sys/power/suspend_stats/success)" $((before + 1)) "times it slept"
}

# frozen: for how many seconds, rounded up, the last sleep kept all programs from running; the
# machine's own time, which stands still while it sleeps. Waking takes an emulated machine long now
# and then.
frozen() {
	klog | tr -d '[]' | awk '/ Freezing user space processes/ { since = $1 }
		/ Restarting tasks/ { took = $1 - since }
		END { print int(took) + 1 }'
}

# busy: write to the disk and read back, again and again until still_busy. The server sleeps too,
# perhaps first; the machine can't while anybody waits uninterruptibly for an answer, as udev would
# with what it reads of a disk that somebody has written to. It leaves one that is locked alone.
busy() {
	local before

	settle
	flock --exclusive --no-fork "$DEV" sleep infinity &
	_lock=$!
	defer _kill "$_lock"
	# the counter is that of all disks that this device has been
	before=$(_writes)
	_write_and_read &
	_busy=$!
	defer _kill "$_busy"
	wait_until 30 _wrote $((before + 100))
}

# By io_uring: when sleep interrupts its wait for several answers by libaio, fio asks for all of
# them again, those that it has had included.
_write_and_read() {
	until [ -e "$TMP/enough" ]; do
		fio --name=busy --filename="$DEV" --ioengine=io_uring --direct=1 --iodepth=16 \
			--rw=randwrite --bs=16k --size=64M --io_size=8M --verify=crc32c \
			--verify_fatal=1 --verify_state_save=0 --eta=never \
			>"$TMP/fio" 2>&1 || return
	done
}

_writes() { awk '{ print $5 }' "/sys/block/$DISK/stat"; }
_wrote() { [ "$(_writes)" -ge "$1" ]; }

_wrote_or_ended() { _wrote "$1" || ! kill -0 "$_busy"; }

# goes_on: it writes as before, and has not seen an error
goes_on() {
	wait_until 60 _wrote_or_ended $(($(_writes) + 200))
	kill -0 "$_busy" 2>/dev/null || fail "fio has ended: $(tail -n 5 "$TMP/fio")"
}

# still_busy: it continues to the last; then it may end
still_busy() {
	goes_on
	touch "$TMP/enough"
	wait "$_busy" || fail "fio: $(tail -n 5 "$TMP/fio")"
	_kill "$_lock"
	settle
}
