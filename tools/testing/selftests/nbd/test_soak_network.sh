#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# While the network to the server loses, delays, reorders and duplicates packets, goes down, or
# swallows all of them in both directions, COUNT times, also for longer than a peer may be silent, no
# request fails, nothing that was acknowledged is lost, and the disk goes on each time.

. "$(dirname "$0")/soak.sh"

requires ip tc
ns=soak-$$ peer_timeout=4
# a fault's time in ms; while packets pass, the writer has the CPU all the time
longest=$((${COUNT:-0} > 0 ? 2500 : 800))
faults=(loss delay reorder duplicate link hole silence)
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

one_fault() {
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
	progress
	times[$1]=$((${times[$1]-0} + 1))
}

truncate -s 64M "$TMP/image"
soak_server file "$TMP/image"
server_up
attach -C 4 --dead-timeout forever --peer-timeout "$peer_timeout" --connect-timeout 5
start_ledger
for ((i = 0; i < ${COUNT:-7}; i++)); do
	one_fault "${faults[(SEED + i) % ${#faults[@]}]}"
done
end_ledger
detach
server_down
check_image "$TMP/image"
no_io_errors
count_written
said=
for fault in "${faults[@]}"; do
	said+="${times[$fault]-0} $fault, "
done
soaked "$said$WRITTEN writes, 0 errors"
