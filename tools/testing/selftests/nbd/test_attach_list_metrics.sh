#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The metrics of two disks keep to the format of Prometheus, and are what the servers and sysfs say.

. "$(dirname "$0")/lib/lib.sh"

# A parser of the format: HELP and TYPE, then every sample of that metric, each once, at the end of
# the line a number.
check() {
	awk '
	function bad(why) { print NR ": " why ": " $0; failed = 1 }
	/^# HELP / { if (name) past[name] = 1; name = $3; if (name in past) bad("again"); next }
	/^# TYPE / {
		if ($3 != name || NF != 4) bad("type")
		if ($4 != (name ~ /_total$/ ? "counter" : "gauge")) bad("kind")
		next
	}
	{
		label = "[a-z_]+=\"([^\"\\\\]|\\\\[\\\\\"n])*\""
		labels = "([{]" label "(," label ")*[}])?"
		if ($0 !~ "^" name labels " [0-9]+([.][0-9]+)?$") bad("sample")
		sub(/ [^ ]*$/, "")
		if (seen[$0]++) bad("twice")
	}
	END { exit failed || NR < 30 }' "$1" || fail "not in the format: $(cat "$1")"
}

# value NAME DEVICE [LABEL]
value() { sed -n "s/^$1{device=\"${2#/dev/}\"${3:+,$3}} //p" "$TMP/metrics"; }

log=$TMP/log
serve evil-nbd --port @PORT@ --log "$log" --size 24M
attach -C 2 -i 'a "name"
of \two lines'
one=$DEV
serve_nbdkit -r memory 8M
attach
two=$DEV
within 20 dd if="$one" of=/dev/null bs=64k count=16 iflag=direct status=none
settle

nbd-list --metrics >"$TMP/metrics"
check "$TMP/metrics"
grep -qx "nbd_devices 2" "$TMP/metrics"
matches "$(<"$TMP/metrics")" 'identifier="a \\"name\\"\\nof \\\\two lines"' "identifier"
for disk in "$one" "$two"; do
	same "$(value nbd_size_bytes "$disk")" "$(blockdev --getsize64 "$disk")" "size"
	same "$(value nbd_read_only "$disk")" "$(blockdev --getro "$disk")" "read-only"
	same "$(value nbd_state "$disk" 'state="live"')" 1 "state"
done
requests=$(grep -cE '^[A-Z_]+ [0-9]+ [0-9]+ .*conn=' "$log")
[ "$requests" -ge 16 ] || fail "$requests requests"
same "$(value nbd_requests_total "$one")" "$requests" "requests"
same "$(value nbd_sent_bytes_total "$one")" "$((28 * requests))" "bytes sent"
same "$(value nbd_connections_up "$one") $(value nbd_connection_up "$one" 'connection="1"')" "2 1" \
	"connections"

# a disk of which nothing works
stop_server
wait_until 20 eval "nbd-list -n -o STATE '$two' | grep -q waiting"
nbd-list --metrics "$two" >"$TMP/metrics"
check "$TMP/metrics"
same "$(value nbd_state "$two" 'state="waiting"') $(value nbd_connections_up "$two")" "1 0" \
	"state without a server"
same "$(value nbd_size_bytes "$one")" "" "a disk that is not listed"

# not for everybody
setpriv --reuid nobody --regid nogroup --clear-groups -- nbd-list --metrics >"$TMP/metrics"
check "$TMP/metrics"
grep -qx "nbd_info{device=\"${one#/dev/}\"} 1" "$TMP/metrics" || fail "info for nobody"
