#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Tasks read and write the same sectors over 1, 4, 8 and 16 connections while COUNT times something
# dies: the server is killed, or told to end, which it says to each request; connections end one
# after the other; the server stands still for less or for more than a request may take. The disk is
# moved to another server of the same image and made larger. Nothing fails, and each read returns
# what some order of the writes allows. A server that forgets what it was sent shows that this can
# fail.

. "$(dirname "$0")/lib/soak.sh"

connections=(4 1 16 8)
deaths=(kill end cut stop)
timeout=3
mib=8
count=${COUNT:-4}
# a server's life in ms, in which the tasks have the CPU all the time
longest=$((${COUNT:-0} > 0 ? 1500 : 100))
declare -A times=()

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

# nbd-server has a process for each connection
cut_one() {
	local children

	mapfile -t children < <(pgrep -P "$SERVER_PID")
	[ "${#children[@]}" -gt 0 ] || return 0
	rnd 0 $((${#children[@]} - 1))
	kill -9 "${children[N]}" 2>/dev/null || true
}

cut() {
	local i

	for i in 1 2 3 4 5 6; do
		cut_one
		rnd 20 600
		nap_ms "$N"
	done
}

stop() {
	rnd 200 $((timeout * 2500))
	server_still "$N"
}

one_death() {
	case $1 in
	kill) server_down; server_up ;;
	end) server_end; server_up ;;
	*) "$1" ;;
	esac
	times[$1]=$((${times[$1]-0} + 1))
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

# one_round CONNECTIONS DEATH DEATHS
one_round() {
	local number=$1 death=$2 i kind=file options=() tasks
	tasks=(-w 6 -r 4)

	case $death in
	cut) kind=nbd-server tasks=(-w 2 -r 1 -p 20) ;;
	end) tasks=(-w 1 -r 1 -p 20) ;;
	# a server that wakes may carry out a write after its time
	stop) options=(--timeout "$timeout") tasks=(-w 0 -r 2 -p 20) ;;
	esac
	soak_server "$kind" "$TMP/image"
	server_up
	attach -C "$number" --dead-timeout forever "${options[@]}"
	start_history "${tasks[@]}"
	for ((i = 0; i < $3; i++)); do
		one_life
		one_death "$death"
	done
	one_life
	if [ "$kind" = file ]; then
		move
		one_life
		grow
		one_life
	fi
	end_ledger
	detach
	server_down
	note "$number connections, $death: $(cat "$TMP/writer.log")"
	judged=$((judged + $(awk '{ print $1 + $3 }' "$TMP/writer.log")))
}

# what was acknowledged is gone with the server
soak_server memory 8M
server_up
attach -C 4 --dead-timeout forever
start_history -w 4 -r 4
one_life
server_down
server_up
wait_until "$PATIENCE" _writer_ended
fails wait "$WRITER_PID"
matches "$(cat "$TMP/writer.log")" "^history_run: sector [0-9]+: " \
	"the judge on a server that forgets"
WRITER_PID=
detach
server_down

judged=0 died=0 a_round=$((count < 50 ? 1 : 5))
truncate -s "${mib}M" "$TMP/image"
# each death in turn; with how many connections it begins, is by chance
for ((round = 0; died < count; round++)); do
	one_round "${connections[(SEED + round + round / 4) % 4]}" "${deaths[round % 4]}" "$a_round"
	died=$((died + a_round))
done
no_io_errors
said=
for death in "${deaths[@]}"; do
	said+="${times[$death]-0} $death, "
done
soaked "$said$judged reads and writes, each explained"
