#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A network cuts one connection after the other, three each second, while the server is well: each
# is made again at once, however often that has happened.

. "$(dirname "$0")/lib/keeper.sh"

requires ss
serve evil-nbd --port @PORT@
attach -C 6
# the oldest first: each has lasted longer than a second when it is cut
mapfile -t queue < <(ports)
sleep 1.2
for _ in {1..14}; do
	sleep 0.3
	cut_off "${queue[0]}"
	wait_until 2 are_established 6
	new=$(comm -13 <(printf '%s\n' "${queue[@]}" | sort) <(ports | sort))
	queue=("${queue[@]:1}" "$new")
done
detach
