# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Shared by the soak tests, which run something for long, at random, and repeatably: SEED, and COUNT
# or DURATION (seconds), are taken from the environment. As selftests they are short; "make soak"
# runs them at length. Each ends with one line "# soak: ..." that says what was done.
#
#	rnd FROM TO		a random number in $N; SEED gives the sequence
#	soak_server KIND IMAGE	choose a server on TCP: file and cache (nbdkit), qemu, nbd-server, lying
#				(answers FLUSH and does nothing), memory (IMAGE is its size)
#	server_up		start it, at the same place each time
#	server_down		kill it (-9) with all its processes
#	progress		wait until the disk has finished more requests than now
#	start_ledger [volatile]	write to the disk from now on, see ledger_write.c
#	check_image [volatile]	hold the image against the ledger, see ledger_check.c
#	end_ledger		stop writing; fails if the writer has met an error
#	no_io_errors		fail if the kernel's log has one of this disk
#	count_written		add what it wrote to WRITTEN
#	soaked TEXT...		the last line; fails if the kernel has warned at any time

. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

requires_nbdctl
requires nbd-attach nbdkit

SEED=${SEED:-$((RANDOM * 32768 + RANDOM))}
note "SEED=$SEED"

LEDGER=$TMP/ledger
LEDGER_MIB=32
_seed_state=$SEED
_server=()
# run in front of the server, and where it listens
IN_NETNS=()
SERVER_IP=127.0.0.1
WRITER_PID=

# shellcheck disable=SC2034 # N is for the tests
rnd() {
	_seed_state=$(((_seed_state * 1103515245 + 12345) & 0x7fffffff))
	N=$(($1 + (_seed_state >> 8) % ($2 - $1 + 1)))
}

nap_ms() { sleep "$(($1 / 1000)).$(printf '%03d' $(($1 % 1000)))"; }

# ---- the server ----

soak_server() {
	local image=$2

	_place
	URI="nbd://$SERVER_IP:$PORT/${EXPORT-}"
	_server=(nbdkit -f -i "$SERVER_IP" -p "$PORT")
	_server_daemon=
	case $1 in
	file) _server+=(file "$image") ;;
	cache) _server+=(--filter=cache file "$image" cache=writeback) ;;
	memory) _server+=(memory "$image") ;;
	lying) _server+=(--filter=cache file "$image" cache=unsafe) ;;
	qemu)
		requires qemu-nbd
		_server=(qemu-nbd -t -e 16 -f raw --discard=unmap -b "$SERVER_IP" -p "$PORT" "$image")
		;;
	nbd-server)
		requires nbd-server
		printf '%s\n' "[generic]" "listenaddr = $SERVER_IP" "port = $PORT" "[disk]" \
			"exportname = $image" "flush = true" "fua = true" "trim = true" >"$TMP/conf"
		_server=("${NBD_SERVER[@]}" -C "$TMP/conf" -p "$TMP/pid")
		_server_daemon=1
		URI="nbd://$SERVER_IP:$PORT/disk"
		;;
	*) fail "no server $1" ;;
	esac
}

_server_listens() { [ "$("${IN_NETNS[@]}" ss -Hltn "sport = :$PORT")" ]; }

# A session of its own: some servers are several processes. nbd-server has one for each client only
# if it makes itself a daemon, which is a session too.
_server_start() {
	if [ "$_server_daemon" ]; then
		rm -f "$TMP/pid"
		"${IN_NETNS[@]}" "${_server[@]}" </dev/null >>"$SERVER_LOG" 2>&1
		wait_until 20 test -s "$TMP/pid"
		SERVER_PID=$(<"$TMP/pid")
		return
	fi
	setsid "${IN_NETNS[@]}" "${_server[@]}" </dev/null >>"$SERVER_LOG" 2>&1 &
	SERVER_PID=$!
}

server_up() {
	_server_start
	until _server_listens; do
		kill -0 "$SERVER_PID" 2>/dev/null || fail "the server ended: $(tail -n 3 "$SERVER_LOG")"
		sleep 0.05
	done
}

_server_gone() { ! kill -0 -- "-$SERVER_PID" 2>/dev/null; }

server_down() {
	[ "$SERVER_PID" ] || return 0
	kill -9 -- "-$SERVER_PID" 2>/dev/null || true
	wait "$SERVER_PID" 2>/dev/null || true
	wait_until 20 _server_gone
	SERVER_PID=
}

# ---- the disk ----

finished() { awk '{ print $1 + $5 + $12 + $16 }' "/sys/block/$DISK/stat"; }

_more_than() { [ "$(finished)" -gt "$1" ]; }

progress() { wait_until "$PATIENCE" _more_than "$(finished)"; }

start_ledger() {
	rm -f "$LEDGER"
	"$HERE/ledger_write" "$DEV" "$LEDGER" "$SEED" 100000 "$LEDGER_MIB" "$@" \
		</dev/null >"$TMP/writer.log" 2>&1 &
	WRITER_PID=$!
	progress
}

_writer_ended() { ! kill -0 "$WRITER_PID" 2>/dev/null; }

end_ledger() {
	local rc=0

	kill "$WRITER_PID" 2>/dev/null || true
	wait_until "$PATIENCE" _writer_ended
	wait "$WRITER_PID" || rc=$?
	WRITER_PID=
	[ "$rc" -eq 0 ] || fail "the writer: $rc: $(cat "$TMP/writer.log")"
}

check_image() {
	"$HERE/ledger_check" image "$LEDGER" "$@" >"$TMP/check.log" ||
		fail "the image: $(cat "$TMP/check.log")"
}

# Adds up in WRITTEN what ledger_write says at its end: "N reads, N writes, ..."
WRITTEN=0
count_written() { WRITTEN=$((WRITTEN + $(awk '{ print $3 + $5 + $8 + $10 }' "$TMP/writer.log"))); }

no_io_errors() {
	klog | grep -E "$DISK.*(I/O error|error, dev)|(I/O error|error, dev).*$DISK" | head -n 3 >"$TMP/errors"
	[ ! -s "$TMP/errors" ] || fail "I/O errors: $(cat "$TMP/errors")"
}

# Over hours the kernel's log loses its beginning. These two do not forget: a warning, an oops, a bad
# page or a soft lockup taints; lockdep ends itself with its first report.
_taint() { echo $(($(cat /proc/sys/kernel/tainted) & (1 << 5 | 1 << 7 | 1 << 9 | 1 << 14))); }

_taint_before=$(_taint)

# known_warning REGEX: the rest of the kernel may warn like that
known_warning() {
	local panic=/proc/sys/kernel/panic_on_warn

	_known_warning=$1
	allow_klog "$1"
	defer sh -c "echo $(<$panic) >$panic"
	echo 0 >$panic
}

_known_warning=

sound() {
	local taint=$(($(_taint) & ~_taint_before))

	if [ "$_known_warning" ] && _klog_has "$_known_warning"; then
		taint=$((taint & ~(1 << 9)))
	fi
	[ "$taint" -eq 0 ] || fail "the kernel is tainted by a warning or worse"
	[ ! -e /proc/lockdep_stats ] || grep -q 'debug_locks: *1' /proc/lockdep_stats ||
		fail "lockdep has ended itself"
}

soaked() {
	sound
	echo "# soak: ${NAME#test_soak_}: kernel $(uname -r), seed $SEED: $*"
}

_end_soak() {
	[ ! "$WRITER_PID" ] || kill -9 "$WRITER_PID" 2>/dev/null || true
	# whoever is left waits for an answer
	[ ! "$DEV" ] || nbd-detach --force "$DEV" >/dev/null 2>&1 || true
	server_down
}
defer _end_soak
