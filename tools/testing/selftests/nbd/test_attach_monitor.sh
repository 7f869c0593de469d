#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# nbd-attach --monitor prints each event once, as text and as JSON, with the kernel's errors; says
# when events were lost; and ends at a signal, when its reader has gone, and with the driver.

. "$(dirname "$0")/lib/lib.sh"

requires jq evil-nbd mkfifo

# monitor FILE [OPTIONS...]: start one; it listens when this returns. Sets MONITOR, its PID.
monitor() {
	local to=$1
	shift

	nbd-attach --monitor "$@" >"$to" 2>"$TMP/stderr" &
	MONITOR=$!
	defer _kill "$MONITOR"
	wait_until 20 grep -q poll "/proc/$MONITOR/wchan"
}

# ended PID STATUS
ended() {
	local rc=0

	wait_until 20 eval "! kill -0 $1"
	wait "$1" || rc=$?
	same "$rc" "$2" "exit status of the monitor: $(<"$TMP/stderr")"
}

# lines FILE N: it has that many
lines() { [ "$(wc -l <"$1")" -ge "$2" ]; }

settle
monitor "$TMP/text"
text=$MONITOR
monitor "$TMP/json" --json
json=$MONITOR
monitor "$TMP/other" --json nbd9
other=$MONITOR

serve evil-nbd --port @PORT@ --size 16M
attach -C 2 --no-reconnect -T 1
settle
stop_server
wait_until 20 lines "$TMP/text" 4
within 20 nbd-detach --force "$DEV"
wait_until 20 lines "$TMP/text" 5
wait_until 20 lines "$TMP/json" 5
kill -TERM "$text"
ended "$text" 0
kill -INT "$json"
ended "$json" 0
kill -HUP "$other"
ended "$other" 0
same "$(<"$TMP/other")" "" "events of another disk"

# the same story, which the log tells, too
message() { python3 -c "import os; print(os.strerror($1))"; }
errors=$(klog | sed -n 's/.*conn \([01]\): lost, error -/\1 /p' | sort)
same "$(jq -r 'select(.event == "connection-down") | "\(.connection) \(.reason)"' "$TMP/json" |
	sort)" "$errors" "connections that were lost"
same "$(jq -r .event "$TMP/json" | sort | xargs)" \
	"attached connection-down connection-down detached giving-up" "events"
same "$(jq -r 'select(.event == "attached" or .event == "detached") | .event' "$TMP/json" |
	xargs)" "attached detached" "first and last"
same "$(jq -c '[.version, .device, .index]' "$TMP/json" | sort -u)" "[1,\"$DEV\",${DISK#nbd}]" \
	"device"
same "$(jq .session "$TMP/json" | sort -u | wc -l)" 1 "sessions"
stamp='[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}[.][0-9]{3}[+-][0-9]{2}:[0-9]{2}'
matches "$(jq -r .time "$TMP/json" | tail -n 1)" "^$stamp\$" "time"
while read -r conn error; do
	grep -qE "^$stamp $DISK: connection $conn lost: $(message "$error")\$" "$TMP/text" ||
		fail "connection $conn: $(<"$TMP/text")"
done <<<"$errors"
same "$(sed "s/^[^ ]* $DISK: //" "$TMP/text" | grep -v lost | xargs -d '\n' | tr ' ' _)" \
	"attached_dead-connection_timeout_expired,_requests_fail_detached" "text"

# its reader goes: it ends, without another event
mkfifo "$TMP/fifo"
nbd-attach --monitor >"$TMP/fifo" 2>"$TMP/stderr" &
monitor=$!
defer _kill "$monitor"
tail -f "$TMP/fifo" >/dev/null &
reader=$!
defer _kill "$reader"
wait_until 20 grep -q poll "/proc/$monitor/wchan"
kill "$reader"
ended "$monitor" 0

# slower than events come, with space for few: it says so, and continues
most=$(sysctl -n net.core.rmem_max)
defer sysctl -qw "net.core.rmem_max=$most"
sysctl -qw net.core.rmem_max=2304
monitor "$TMP/slow" --json
sysctl -qw "net.core.rmem_max=$most"
kill -STOP "$MONITOR"
serve evil-nbd --port @PORT@ --size 16M
attach -C 16
settle
detach
kill -CONT "$MONITOR"
wait_until 20 grep -q '"event": "lost"' "$TMP/slow"
before=$(wc -l <"$TMP/slow")
[ "$before" -lt 18 ] || fail "$before events and nothing lost"
attach
wait_until 20 lines "$TMP/slow" $((before + 1))
same "$(tail -n 1 "$TMP/slow" | jq -r .event)" attached "the first event after the loss"
detach

# the driver goes, and it with that
settle
defer modprobe nbd
modprobe -r nbd
ended "$MONITOR" 5
matches "$(<"$TMP/stderr")" "^nbd-attach: the nbd driver was unloaded" "message"
