#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# While the network to the server loses, delays, reorders and duplicates packets, goes down, or
# swallows all of them in both directions, COUNT times, also for longer than a peer may be silent,
# cuts one connection after the other, or the server stands still, no request fails, nothing that
# was acknowledged is lost, and the disk continues to work each time; with 1 to 16 connections, and
# however few requests there are.

. "$(dirname "$0")/lib/soak.sh"

requires ip tc ss
ns=soak-$$ peer_timeout=4 timeout=2
# a fault's time in ms; while packets pass, a busy writer has the CPU all the time
longest=$((${COUNT:-0} > 0 ? 2500 : 800))
connections=(4 1 16 8)
loads=(busy reader slow)
# a server that lost a connection may carry out a write after its time, which only slow ones bear
busy_faults=(loss delay reorder duplicate link hole silence pause)
faults=("${busy_faults[@]}" cut stop)
declare -A times=()

ip netns add "$ns"
defer ip netns del "$ns"
ip link add soak0 type veth peer name soak1 netns "$ns"
ip addr add 10.203.7.1/30 dev soak0
ip link set soak0 up
ip -n "$ns" addr add 10.203.7.2/30 dev soak1
ip -n "$ns" link set soak1 up
IN_NETNS=(ip netns exec "$ns")
SERVER_IP=10.203.7.2

both_ways() {
	tc qdisc replace dev soak0 root netem "$@"
	tc -n "$ns" qdisc replace dev soak1 root netem "$@"
}

lost() { klog | grep -c "$DISK: conn .*: lost" || true; }

lost_more_than() { [ "$(lost)" -gt "$1" ]; }

# A connection that hears nothing is given up, though no packet tells so.
silence() {
	local before

	before=$(lost)
	both_ways loss 100%
	wait_until $((peer_timeout + 30)) lost_more_than "$before"
}

# for long enough that a request times out on six connections, if there are
stop() {
	local ms=$((timeout * 6500))

	[ -z "${COUNT-}" ] || { rnd $((timeout * 1200)) "$ms"; ms=$N; }
	server_still "$ms"
}

packets() {
	rnd $((longest / 5)) $longest
	case $1 in
	loss) both_ways loss 15% ;;
	delay) both_ways delay 40ms 30ms ;;
	reorder) both_ways delay 20ms reorder 30% 50% ;;
	duplicate) both_ways duplicate 25% ;;
	link) ip link set soak0 down ;;
	hole) both_ways loss 100% ;;
	silence) silence ;;
	esac
	nap_ms "$N"
	ip link set soak0 up
	both_ways delay 0ms
}

# for less than a request may take
pause() {
	rnd 100 $((timeout * 750))
	server_still "$N"
}

# one_fault CONNECTIONS FAULT
one_fault() {
	case $2 in
	cut) in_turn "$1" cut_off ;;
	pause) pause ;;
	stop) all_connected "$1"; stop ;;
	*) packets "$2" ;;
	esac
	progress
	times[$2]=$((${times[$2]-0} + 1))
}

# one_round CONNECTIONS LOAD FAULT...
one_round() {
	local number=$1 load=$2 fault options=(--dead-timeout forever)
	shift 2

	note "$number connections, $load: $*"
	rnd 0 1
	[ "$N" -eq 0 ] || options=(--dead-timeout 100)
	rnd 0 2
	# without it a request waits for as long as its server stands still
	if [ "$load" != busy ] && [[ $N -gt 0 || -z ${COUNT-} ]]; then
		options+=(--timeout "$timeout")
	fi
	new_image
	server_up
	attach -C "$number" "${options[@]}" --peer-timeout "$peer_timeout" --connect-timeout 5
	start_load "$load"
	for fault; do
		one_fault "$number" "$fault"
	done
	end_load
	detach
	server_down
	check_image "$TMP/image"
	no_io_errors
	count_written
	made=$((made + $#))
}

made=0
soak_server file "$TMP/image"
if [ "${COUNT-}" ]; then
	for ((round = 0; made < COUNT; round++)); do
		load=${loads[round % 3]}
		if [ "$load" = busy ]; then
			chosen=("${busy_faults[@]}")
		else
			chosen=("${faults[@]}")
		fi
		left=$((COUNT - made))
		one_round "${connections[(SEED + round) % 4]}" "$load" "${chosen[@]:0:left}"
	done
else
	one_round "${connections[SEED % 2]}" busy "${busy_faults[@]:0:7}"
	one_round "${connections[2 + SEED % 2]}" "${loads[1 + SEED / 2 % 2]}" cut stop pause
fi
said=
for fault in "${faults[@]}"; do
	said+="${times[$fault]-0} $fault, "
done
soaked "$said$ENDED connections cut, $WRITTEN writes, $READS reads alone, 0 errors"
