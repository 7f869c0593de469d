#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# The process that listens to a server, in an attach as in nbd-info, both run by root, has given up
# all rights before the first byte comes: it is nobody, has no capabilities, no files but sockets
# (and its output), a filter of system calls, and gets nothing new. Beside it no process has the
# connection. If it is killed for doing more, that is told, and nothing is left.

. "$(dirname "$0")/lib/lib.sh"

requires setpriv ss

# talkers: those at the client's end of connections to the server
talkers() { ss -Htnp state established "dport = :$PORT" | grep -o 'pid=[0-9]*' | cut -d= -f2; }

confined() { talkers | grep -q . && grep -q '^Seccomp:.*2$' "/proc/$(talkers)/status"; }

# start COMMAND...: run it until it hears nothing from the server
start() {
	"$@" >"$TMP/output" 2>&1 &
	client=$!
	defer _kill "$client"
	wait_until 20 confined
	talker=$(talkers)
}

# status KEY: what the kernel says of the process
status() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$talker/status" | tr '\t' ' '; }

# no_rights FILES
no_rights() {
	local set

	matches "$talker" "^[0-9]+$" "the one process that has the connection"
	same "$(status Uid)" "65534 65534 65534 65534" "users"
	same "$(status Gid)" "65534 65534 65534 65534" "groups"
	same "$(status Groups)" "" "further groups"
	for set in CapInh CapPrm CapEff CapAmb; do
		same "$(status $set)" 0000000000000000 "$set"
	done
	same "$(status NoNewPrivs)" 1 "no new privileges"
	same "$(status Threads)" 1 "threads"
	same "$(readlink "/proc/$talker/cwd")" / "directory"
	same "$(find "/proc/$talker/fd" -type l -printf '%l\n' | sed 's/:.*//' | sort | xargs)" \
		"$1" "files"
	# others that are nobody may not look into it
	setpriv --reuid 65534 --regid 65534 --clear-groups ls "/proc/$talker/fd" 2>/dev/null &&
		fail "nobody sees its files"
	matches "$(grep processes "/proc/$talker/limits")" " 0 +0 " "limit of processes"
	matches "$(grep address "/proc/$talker/limits")" " 268435456 +268435456 " "limit of memory"
}

serve evil-nbd --port @PORT@ --log "$TMP/log" --evil stall-greeting
start nbd-attach "$URI"
[ "$talker" != "$client" ] || fail "who speaks to the driver speaks to the server"
same "$(grep CapEff "/proc/$client/status")" "$(grep CapEff /proc/self/status)" \
	"its parent's rights"
no_rights "socket socket"
kill -SYS "$talker"
rc=0
wait "$client" || rc=$?
same "$rc" 13 "exit status"
matches "$(<"$TMP/output")" "was killed by the filter of system calls" "message"
same "$(talkers)" "" "left with a connection"

start nbd-info "$URI"
no_rights "$TMP/output $TMP/output socket socket"
_kill "$client"
wait_until 20 [ -z "$(pgrep -x nbd-info)" ]

# what takes root is done before: only root may look into $TMP
same "$(stat -c '%U %a' "$TMP")" "root 700" "who may open the socket"
TRANSPORT=unix serve evil-nbd --unix @SOCKET@ --log "$TMP/log2"
attach
detach
same "$(nbd-info "$URI" | grep -c 'size: 67108864')" 1 "what nbd-info prints"
