#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Servers die at random moments, COUNT times, and are started again, under writes, zeroes, trims,
# flushes and reads, or few of them, or a lone reader, with 1 to 16 connections: they are killed,
# are told to end, which they say to each request, or one of their processes dies after the other.
# No request fails, no read is wrong, and after each death the image has all that was acknowledged;
# of a server that keeps writes in its memory, all that was flushed or had FUA. Where a death loses
# nothing, fio verifies as well.

. "$(dirname "$0")/lib/soak.sh"

requires fio ss
connections=(4 1 16 8)
loads=(busy reader slow)
kinds=(cache file nbd-server qemu df)
# deaths of each, in turn
declare -A deaths=([cache]="kill end" [file]="end kill" [nbd-server]="turn kill" [qemu]="kill end"
	[df]="kill kill")
declare -A times=()
count=${COUNT:-5}
# a server's life in ms, in which writers have the CPU all the time
longest=$((count < 50 ? 250 : 1500))
died=0 lost=0 passes=0 fio=

verify_by_fio() {
	while [ ! -e "$TMP/enough" ]; do
		fio --name=soak --filename="$DEV" --direct=1 --ioengine=libaio --iodepth=32 \
			--bs=4k \
			--rw=randwrite --offset=32m --size=4m --fsync=64 --verify=crc32c \
			--verify_fatal=1 --randseed="$SEED" >"$TMP/fio.log" 2>&1 || return
		echo . >>"$TMP/passes"
	done
}

# judge_image [volatile]: after a death
judge_image() {
	[ -e "$LEDGER" ] || return 0
	check_image "$TMP/image" "$@"
	if [ $# -gt 0 ] && ! "$HERE/ledger_check" image "$LEDGER" "$TMP/image" >/dev/null; then
		lost=$((lost + 1))
	fi
	"$HERE/ledger_check" mark "$LEDGER"
}

# one_death CONNECTIONS DEATH [volatile]
one_death() {
	local number=$1 death=$2
	shift 2

	rnd 100 $longest
	nap_ms "$N"
	rnd 0 3
	[ "$N" -eq 0 ] || [ "$LOAD" = busy ] || all_connected "$number"
	case $death in
	turn) in_turn "$number" end_child ;;
	end) server_end ;;
	# so that it has a request in any case
	kill) if [ "$LOAD" = busy ]; then server_down; else while_unread server_down; fi ;;
	esac
	if [ ! "$SERVER_PID" ]; then
		judge_image "$@"
		server_up
	fi
	progress
	times[$death]=$((${times[$death]-0} + 1))
	died=$((died + 1))
}

# begin LOAD [volatile]
begin() {
	rm -f "$TMP/enough"
	start_load "$@"
	[ "$*" != busy ] || { verify_by_fio & fio=$!; }
}

finish() {
	touch "$TMP/enough"
	end_load
	[ ! "$fio" ] || wait "$fio" || fail "fio: $(tail -n 20 "$TMP/fio.log")"
	fio=
	count_written
}

# one_round KIND CONNECTIONS {LOAD DEATH...}...
one_round() {
	local kind=$1 number=$2 word options=(--dead-timeout forever) lossy=()
	shift 2

	note "$kind, $number connections: $*"
	[ "$kind" != cache ] || lossy=(volatile)
	rnd 0 1
	[ "$N" -eq 0 ] || options=(--dead-timeout 100)
	new_image
	soak_server "$kind" "$TMP/image"
	server_up
	attach -C "$number" "${options[@]}"
	LOAD=
	for word; do
		if [[ " ${loads[*]} " == *" $word "* ]]; then
			[ ! "$LOAD" ] || finish
			begin "$word" "${lossy[@]}"
		else
			one_death "$number" "$word" "${lossy[@]}"
		fi
	done
	finish
	detach
	server_down
	check_image "$TMP/image" "${lossy[@]}"
	no_io_errors
	[ "$kind" != df ] || grep -q '^READ.* df ' "$TMP/df.log" ||
		fail "no server was asked with DF"
}

if [ "${COUNT-}" ]; then
	for ((round = 0; died < count; round++)); do
		kind=${kinds[round % 5]}
		load=${loads[round % 3]}
		[ "$kind" != df ] || load=reader
		chosen=()
		for i in 1 2 3 4; do
			# shellcheck disable=SC2206 # two words
			chosen+=(${deaths[$kind]})
		done
		left=$((count - died))
		one_round "$kind" "${connections[(SEED + round) % 4]}" "$load" "${chosen[@]:0:left}"
	done
else
	one_round cache "${connections[SEED % 2]}" busy kill
	one_round file "${connections[2 + SEED % 2]}" reader end busy kill
	one_round nbd-server 8 slow turn
	one_round df 4 reader kill
fi
[ ! -e "$TMP/passes" ] || passes=$(wc -l <"$TMP/passes")
# a few deaths may all come right after a flush
[ "$lost" -gt 0 ] || [ "$count" -lt 200 ] ||
	fail "no death lost what was not flushed: nothing is proven of FLUSH"
said=
for death in kill end turn; do
	said+="${times[$death]-0} $death, "
done
soaked "$died deaths (${said}$lost lost what was not flushed), $ENDED connections ended in turn," \
	"$WRITTEN writes, $READS reads alone, $passes passes of fio, 0 errors"
