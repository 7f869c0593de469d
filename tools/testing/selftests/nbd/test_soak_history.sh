#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Many tasks read and write the same sectors while servers are killed, COUNT times, and the disk is
# moved to another server of the same image and made larger: each read returns what some order of
# the writes allows. A server that forgets what it was sent shows that this can fail.

. "$(dirname "$0")/soak.sh"

connections=(1 4 8 16)
mib=8
# a server's life in ms, in which the tasks have the CPU all the time
longest=$((${COUNT:-0} > 0 ? 1500 : 100))

# start_history OPTIONS...: see history_run.c
start_history() {
	"$HERE/history_run" -s "$SEED" "$@" "$DEV" </dev/null >"$TMP/writer.log" 2>&1 &
	WRITER_PID=$!
	progress
}

one_life() {
	rnd 20 "$longest"
	nap_ms "$N"
	progress
}

# to another server of the same image; the old one has nothing left to do
move() {
	local old=$SERVER_PID

	soak_server file "$TMP/image"
	server_up
	within "$PATIENCE" nbd-attach --adopt "$URI" "$DEV"
	kill -9 -- "-$old"
}

grow() {
	mib=$((mib + 1))
	truncate -s "${mib}M" "$TMP/image"
	within "$PATIENCE" nbd-attach --resize "$DEV"
}

one_round() {
	local number=$1 kills=$2 i
	shift 2

	attach -C "$number" --dead-timeout forever
	start_history "$@"
	for ((i = 0; i < kills; i++)); do
		one_life
		server_down
		server_up
	done
	one_life
	move
	one_life
	grow
	one_life
	end_ledger
	detach
	note "$number connections: $(cat "$TMP/writer.log")"
	judged=$((judged + $(awk '{ print $1 + $3 }' "$TMP/writer.log")))
}

# what was acknowledged is gone with the server
soak_server file "$TMP/image"
_server=(nbdkit -f -i "$SERVER_IP" -p "$PORT" memory 8M)
server_up
attach -C 4 --dead-timeout forever
start_history -w 4 -r 4
one_life
server_down
server_up
wait_until "$PATIENCE" _writer_ended
fails wait "$WRITER_PID"
matches "$(cat "$TMP/writer.log")" "^history_run: sector [0-9]+: " "the judge on a server that forgets"
WRITER_PID=
detach
server_down

judged=0 kills=0 count=${COUNT:-2} a_round=$((${COUNT:-0} > 0 ? 5 : 1))
truncate -s "${mib}M" "$TMP/image"
soak_server file "$TMP/image"
server_up
# a short run begins with any of them
for ((round = SEED; kills < count; round++)); do
	case $((round / ${#connections[@]} % 2)) in
	0) tasks=(-w 6 -r 4) ;;
	*) tasks=(-w 2 -r 1 -p 20) ;;
	esac
	one_round "${connections[round % ${#connections[@]}]}" "$a_round" "${tasks[@]}"
	kills=$((kills + a_round))
done
no_io_errors
soaked "$kills kills, $judged reads and writes, each explained"
