#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# A map of a large disk has several requests in flight at once, never more than four, each for a
# part of its own; a server that answers slowly costs the time of a few.

. "$(dirname "$0")/lib/map.sh"

requires nbdkit
log=$TMP/log
serve_nbdkit --filter=log --filter=delay memory 24G delay-extents=1 logfile="$log"
attach -C 1
nbd-map "$DEV" >"$TMP/map"
detach

# "Extents id=N ... ..." begins one, "...Extents id=N ..." ends it
awk '/ Extents id=.*\.\.\.$/ { n++; if (++now > most) most = now }
	/\.\.\.Extents id=/ { now-- }
	END { print n, most }' "$log" >"$TMP/counts"
read -r requests most <"$TMP/counts"
same "$requests" 24 "requests"
same "$most" 4 "requests at once"
same "$(awk '{ n += $2 } END { printf "%.0f\n", n }' "$TMP/map")" "$((24 << 30))" "bytes in the map"
