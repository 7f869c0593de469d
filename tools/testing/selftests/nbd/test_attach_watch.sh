#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbd-list --watch draws a new picture over the old one at each event and by time; it ends at a
# signal, when its reader has gone, and when the disk it watches is detached.

. "$(dirname "$0")/lib/lib.sh"

requires script evil-nbd mkfifo

# The last picture on the terminal; each begins at the top of the screen. Without a program, as it
# is polled.
picture() {
	local screen

	screen=$(<"$TMP/screen")
	screen=${screen##*$'\033[H'}
	screen=${screen//$'\r'}
	screen=${screen//$'\033['[KJ]}
	printf '%s\n' "${screen//$'\033[?7'[hl]}"
}

shows() { [[ $(picture) =~ $1 ]]; }
shows_no() { ! shows "$1"; }
pictures() { grep -ao $'\033\[H' "$TMP/screen" | wc -l; }
drawn() { [ "$(pictures)" -ge "$1" ]; }
listed() { [ "$(grep -c "^$DISK *16M$" "$TMP/lists")" -ge "$1" ]; }

# ended PID STATUS
ended() {
	local rc=0

	wait_until 20 eval "! kill -0 $1"
	wait "$1" || rc=$?
	same "$rc" "$2" "exit status: $(<"$TMP/stderr")"
}

: >"$TMP/stderr"
# On a terminal of ten lines; after a thousand seconds, so that only events can make it draw.
settle
script -qefc "stty rows 10 columns 60; exec nbd-list --watch=1000 -o NAME,STATE,CONN" \
	"$TMP/screen" \
	</dev/null >/dev/null 2>&1 &
terminal=$!
defer _kill "$terminal"
wait_until 20 shows "every 1000 s"
serve evil-nbd --port @PORT@ --size 16M
attach -C 2
wait_until 20 shows "$DISK +live +2/2"
same "$(picture | grep -c NAME)" 1 "headings"
stop_server
wait_until 20 shows "$DISK +waiting +0/2"
watcher=$(pgrep -f "^nbd-list --watch=1000")
before=$(pictures)
kill -WINCH "$watcher"
wait_until 20 drawn $((before + 1))
nbd-detach --force "$DEV"
wait_until 20 shows_no "$DISK"
# no list is longer than the screen
[ "$(picture | wc -l)" -lt 10 ] || fail "too long: $(picture)"
kill -TERM "$watcher"
ended "$terminal" 0

# elsewhere lists follow each other, by time alone; one disk, until it is detached
serve evil-nbd --port @PORT@ --size 16M
attach
nbd-list --watch=0.5 -o NAME,SIZE "$DEV" >"$TMP/lists" 2>"$TMP/stderr" &
watcher=$!
defer _kill "$watcher"
wait_until 20 listed 3
same "$(head -n 4 "$TMP/lists" | sed 's/ \+/ /g' | tr '\n' '|')" "NAME SIZE|$DISK 16M||NAME SIZE|" \
	"lists"
grep -q $'\033' "$TMP/lists" && fail "escape sequences in a file"
settle
detach
ended "$watcher" 1
same "$(<"$TMP/stderr")" "nbd-list: $DEV: not attached" "message"

# its reader goes
mkfifo "$TMP/fifo"
nbd-list --watch=1000 >"$TMP/fifo" 2>"$TMP/stderr" &
watcher=$!
defer _kill "$watcher"
tail -f "$TMP/fifo" >/dev/null &
reader=$!
defer _kill "$reader"
wait_until 20 grep -q poll "/proc/$watcher/wchan"
kill "$reader"
ended "$watcher" 0
